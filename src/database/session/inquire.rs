//! After a lost link: which way did the transaction go? It is asked for again and again, and a backend
//! that still runs it is ended where a person wants that.
use std::time::Duration;

use super::actor::{Actor, unanswered, within};
use super::identity::{Identity, ask, locked_by};
use crate::database::link::BrokenLink;
use crate::database::pinned::Pinned;
use crate::database::settings::Settings;
use crate::database::{connect, message, target};
use crate::facts::{Inquiry, ServerMessage, Target, XactStatus};
use crate::gate::event::{Body, Seq};

/// How long to wait before each try: about ten seconds in all, besides what the tries take.
const BACK_OFF: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(750),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(4),
];

/// How long the server waits for a backend to end (milliseconds in `pg_terminate_backend`).
const TERMINATION: u32 = 5_000;

impl Actor {
    pub(super) async fn inquire(&mut self, seq: Seq) {
        let inquiry = self.find_out().await;
        self.say(seq, Body::Asked(inquiry));
    }

    async fn find_out(&mut self) -> Inquiry {
        // The old link is of no more use, and while it is open the old backend may live on.
        self.line.set(None);
        self.line.lease.end();
        self.link = None;
        let (Some(identity), Some(xid)) = (self.identity.clone(), self.xid.clone()) else {
            return Inquiry::Unknowable("no transaction was opened by this session".into());
        };
        let mut severed = self.line.severed.subscribe();
        let mut why = String::new();
        for pause in BACK_OFF {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = severed.changed() => return Inquiry::Unreachable("the attempt was given up".into()),
            }
            match self.reach(None).await {
                Ok(here) => match self.put_question(&here, &identity, &xid).await {
                    Ok(inquiry) => return inquiry,
                    Err(error) => {
                        why = message::line(&error);
                        self.dropped(&error);
                    }
                },
                Err(error) => {
                    why = message::line(&error);
                    if severed.has_changed().unwrap_or(true) {
                        break;
                    }
                }
            }
        }
        Inquiry::Unreachable(why)
    }

    async fn put_question(
        &mut self,
        here: &Target,
        identity: &Identity,
        xid: &str,
    ) -> Result<Inquiry, ServerMessage> {
        let limit = self.answer_timeout();
        let link = self.link().map_err(BrokenLink::why)?;
        match tokio::time::timeout(limit, ask(link, here, identity, xid)).await {
            Ok(answer) => answer,
            Err(_) => Err(unanswered(limit).why()),
        }
    }

    pub(super) async fn end_backend(&mut self, seq: Seq) {
        let inquiry = match (self.identity.clone(), self.xid.clone()) {
            (Some(identity), Some(xid)) => {
                let first = match self.link.is_some() {
                    true => Inquiry::Unreachable(String::new()),
                    false => self.find_out().await,
                };
                match (&first, self.link.is_some()) {
                    (Inquiry::Unreachable(_) | Inquiry::Answered { .. }, true) => {
                        self.terminate(&identity, &xid).await
                    }
                    _ => first,
                }
            }
            _ => Inquiry::Unknowable("no transaction was opened by this session".into()),
        };
        self.say(seq, Body::Asked(inquiry));
    }

    /// Ends the backend only if it still is the one that runs our transaction: a process id alone
    /// may have gone to somebody else.
    async fn terminate(&mut self, identity: &Identity, xid: &str) -> Inquiry {
        let Some(here) = self.target.clone() else {
            return Inquiry::Unknowable("no server was reached".into());
        };
        match self.put_question(&here, identity, xid).await {
            Ok(Inquiry::Answered {
                status: XactStatus::InProgress,
                ..
            }) => {}
            Ok(other) => return other,
            Err(why) => return Inquiry::Unreachable(message::line(&why)),
        }
        let sql = termination(identity, xid, here.server_version_num);
        let limit = self.answer_timeout() + Duration::from_millis(TERMINATION.into());
        let ended = match self.link() {
            Ok(link) => within(limit, link.ask(&sql)).await,
            Err(broken) => Err(broken),
        };
        match ended {
            Ok(answer) if answer.error.is_none() => {}
            Ok(answer) => {
                let error = answer.error.unwrap_or_default();
                return Inquiry::Unknowable(format!(
                    "the old backend could not be ended: {}",
                    message::line(&error)
                ));
            }
            Err(broken) => return Inquiry::Unreachable(message::line(&broken.why())),
        }
        match self.put_question(&here, identity, xid).await {
            Ok(inquiry) => inquiry,
            Err(why) => Inquiry::Unreachable(message::line(&why)),
        }
    }
}

/// Ends the backend only where it still runs the transaction.
fn termination(identity: &Identity, xid: &str, server_version_num: u32) -> String {
    let wait = match server_version_num {
        140_000.. => format!(", {TERMINATION}"),
        _ => String::new(),
    };
    format!(
        "SELECT pg_catalog.pg_terminate_backend(l.pid{wait}) {}",
        locked_by(identity.backend_pid, xid)
    )
}

/// Asks for the transaction of an earlier run, on a connection of its own: of all that the settings
/// lead to, the server that it was opened on. With `end_backend` a backend that still runs it is
/// ended, and the question is put once more.
pub async fn of_earlier_run(
    settings: &Settings,
    identity: &Identity,
    xid: &str,
    end_backend: bool,
) -> Inquiry {
    let mut why = String::new();
    for pause in BACK_OFF {
        tokio::time::sleep(pause).await;
        match ask_each(settings, identity, xid, end_backend).await {
            Ok(inquiry) => return inquiry,
            Err(error) => why = message::line(&error),
        }
    }
    Inquiry::Unreachable(why)
}

/// Puts the question at each address until one is the right server. Where none is, what is not there
/// weighs more than what another server said: it may be the one.
async fn ask_each(
    settings: &Settings,
    identity: &Identity,
    xid: &str,
    end_backend: bool,
) -> Result<Inquiry, ServerMessage> {
    let limit = settings.connect_timeout * 2 + Duration::from_millis(TERMINATION.into());
    let mut other = None;
    let mut silent = None;
    for one in connect::each_address(settings).await {
        let asked = ask_once(&one, identity, xid, end_backend);
        let asked = tokio::time::timeout(limit, asked).await;
        match asked.unwrap_or_else(|_| Err(unanswered(limit).why())) {
            Ok(inquiry @ (Inquiry::OtherServer(_) | Inquiry::Unknowable(_))) => {
                other.get_or_insert(inquiry);
            }
            Ok(inquiry) => return Ok(inquiry),
            Err(why) => {
                // As everywhere: a server that says no ends the list.
                let no = why.sqlstate.is_some() && !why.is_not_ready();
                silent.get_or_insert(why);
                if no {
                    break;
                }
            }
        }
    }
    match (silent, other) {
        (Some(why), Some(other)) => Err(ServerMessage {
            message: format!("{}; elsewhere: {other}", why.message),
            ..why
        }),
        (Some(why), None) => Err(why),
        (None, Some(inquiry)) => Ok(inquiry),
        (None, None) => Err(message::own("there is no address to ask at")),
    }
}

/// The same, asked once at one address: that of the server on which it was.
pub async fn of_earlier_run_at(pinned: &Pinned, identity: &Identity, xid: &str) -> Inquiry {
    let limit = pinned.settings().connect_timeout * 2;
    let asked = async {
        let mut link = pinned.open().await?;
        let here = target::read_target(&mut link).await?;
        ask(&mut link, &here, identity, xid).await
    };
    let asked = tokio::time::timeout(limit, asked).await;
    let asked = asked.unwrap_or_else(|_| Err(unanswered(limit).why()));
    asked.unwrap_or_else(|why| Inquiry::Unreachable(message::line(&why)))
}

async fn ask_once(
    settings: &Settings,
    identity: &Identity,
    xid: &str,
    end_backend: bool,
) -> Result<Inquiry, ServerMessage> {
    let mut link = connect::connect(settings).await?;
    let here = target::read_target(&mut link).await?;
    let first = ask(&mut link, &here, identity, xid).await?;
    let in_progress = matches!(
        first,
        Inquiry::Answered {
            status: XactStatus::InProgress,
            ..
        }
    );
    if !(in_progress && end_backend) {
        return Ok(first);
    }
    let ended = link
        .ask(&termination(identity, xid, here.server_version_num))
        .await
        .map_err(BrokenLink::why)?;
    if let Some(error) = ended.error {
        return Ok(Inquiry::Unknowable(format!(
            "the old backend could not be ended: {}",
            message::line(&error)
        )));
    }
    ask(&mut link, &here, identity, xid).await
}
