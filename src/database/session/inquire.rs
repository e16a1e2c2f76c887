//! After a lost link: which way did the transaction go?
//!
//! The server's word counts only when it is the same server on the same timeline as at BEGIN, and
//! not a standby. Everything else is unknown, and is said to be. A copy of the server has its system
//! identifier, its timeline and all transaction numbers up to the copy; only the process that was
//! started then, or the files that it was started on, are the server itself.
//!
//! A crash in between needs care: a transaction's number is durable only with the first piece of
//! its WAL. Before that, the recovered server gives the same number to somebody else, whose
//! "committed" must not be taken for ours.

use std::time::Duration;

use super::actor::{Actor, unanswered, within};
use super::status::{status_of, status_question};
use crate::database::link::{BrokenLink, Link};
use crate::database::settings::Settings;
use crate::database::{connect, message, target};
use crate::gate::event::{Body, Inquiry, Seq, ServerMessage, Target, XactStatus};

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

/// Which server a transaction was opened on, and by which backend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// `system_identifier`
    pub system_identifier: Option<String>,
    /// `timeline_id`
    pub timeline: Option<u32>,
    pub backend_pid: i32,
    /// [`Target::recovered`]
    pub recovered: Option<String>,
    /// [`Target::started`]
    pub started: Option<String>,
    /// [`Target::asked_at`]
    pub asked_at: Option<String>,
    /// [`Target::files_since`]
    pub files_since: Option<String>,
    /// WAL with the transaction's number in it is known to be on the server's disk.
    pub durable: bool,
}

impl Identity {
    /// The identity of what a session reached.
    pub fn of(target: &Target) -> Identity {
        Identity {
            system_identifier: target.system_identifier.clone(),
            timeline: target.timeline,
            backend_pid: target.backend_pid,
            recovered: target.recovered.clone(),
            started: target.started.clone(),
            asked_at: target.asked_at.clone(),
            files_since: target.files_since.clone(),
            durable: false,
        }
    }
}

/// Asks over `link` for the transaction `xid` that was opened on `identity`.
///
/// # Errors
/// When the link breaks; then it is worth another try.
pub async fn ask(
    link: &mut Link,
    here: &Target,
    identity: &Identity,
    xid: &str,
) -> Result<Inquiry, ServerMessage> {
    if let Some(why) = another_server(here, identity) {
        return Ok(Inquiry::OtherServer(why));
    }
    match itself(here, identity) {
        Itself::Yes => {}
        Itself::No(why) => return Ok(Inquiry::OtherServer(why)),
        Itself::Untold(why) => return Ok(Inquiry::Unknowable(why)),
    }
    if xid.is_empty() || !xid.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Inquiry::Unknowable("the transaction has no number".into()));
    }
    let now = target::recovered(link).await.map_err(BrokenLink::why)?;
    let crashed = match (&identity.recovered, &now) {
        (Some(then), Some(now)) => Some(then != now),
        _ => None,
    };
    // Before the status: what has ended in between must not be taken for somebody else's.
    let runs = crashed == Some(true) && runs(link, identity, xid).await?;
    let answer = link
        .ask(&status_question(xid))
        .await
        .map_err(BrokenLink::why)?;
    let server = target::identity_words(here);
    let not_ours = format!("{server}; it crashed since, and what was not written is rolled back");
    if let Some(error) = answer.error {
        return Ok(match (error.sqlstate.as_deref(), crashed) {
            // The number was never given out here: lost in the crash, with all that had it. A number
            // that was on disk is not lost, so then this is another disk.
            (Some(FUTURE), Some(true)) if !identity.durable => Inquiry::Answered {
                status: XactStatus::Aborted,
                server: not_ours,
            },
            (Some(FUTURE), Some(_)) => Inquiry::OtherServer(format!(
                "{server}: it has not given out transaction number {xid} yet, so it is a copy"
            )),
            _ => Inquiry::Unknowable(message::line(&error)),
        });
    }
    let status = status_of(&answer);
    if status == Some(XactStatus::InProgress)
        && let Some(gid) = prepared(link, xid).await?
    {
        return Ok(Inquiry::Prepared { gid, server });
    }
    Ok(match (status, crashed) {
        (Some(XactStatus::Committed), Some(true) | None) if !identity.durable => {
            Inquiry::Unknowable(format!(
                "{server}: it says committed, but it crashed since and may have given number {xid} \
                 to another transaction; look for what the script makes"
            ))
        }
        // A crash ends every transaction: whoever runs under the number now is not ours. But
        // somebody who resets the statistics looks like a crash, too.
        (Some(XactStatus::InProgress), Some(true)) if !runs => Inquiry::Answered {
            status: XactStatus::Aborted,
            server: not_ours,
        },
        (Some(status), _) => Inquiry::Answered { status, server },
        (None, _) => Inquiry::Unknowable(format!(
            "the server no longer keeps the status of transaction {xid}"
        )),
    })
}

/// The name under which it was prepared, if it was.
async fn prepared(link: &mut Link, xid: &str) -> Result<Option<String>, ServerMessage> {
    let sql = format!(
        "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE transaction \
         OPERATOR(pg_catalog.=) pg_catalog.xid('{xid}'::pg_catalog.xid8)"
    );
    let answer = link.ask(&sql).await.map_err(BrokenLink::why)?;
    let row = answer
        .results
        .into_iter()
        .find_map(|result| result.set.rows.into_iter().next());
    Ok(row.and_then(|row| row.into_iter().next().flatten()))
}

/// Whether the transaction is run by the backend that it was begun on.
async fn runs(link: &mut Link, identity: &Identity, xid: &str) -> Result<bool, ServerMessage> {
    let sql = format!(
        "SELECT pg_catalog.count(*) {}",
        locked_by(identity.backend_pid, xid)
    );
    let row = link.row(&sql).await?;
    Ok(row.first() != Some(&Some("0".to_owned())))
}

/// The lock that a transaction holds on its own number, if that backend runs it.
fn locked_by(pid: i32, xid: &str) -> String {
    format!(
        "FROM pg_catalog.pg_locks l \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND l.granted \
         AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock' \
         AND l.pid OPERATOR(pg_catalog.=) {pid} \
         AND l.transactionid OPERATOR(pg_catalog.=) \
         pg_catalog.xid('{xid}'::pg_catalog.xid8)"
    )
}

/// `invalid_parameter_value`: what `pg_xact_status` says of a number from the future.
const FUTURE: &str = "22023";

fn another_server(here: &Target, identity: &Identity) -> Option<String> {
    let words = target::identity_words(here);
    if here.in_recovery {
        return Some(format!(
            "{words}: a standby, which knows only what it replayed"
        ));
    }
    match (&identity.system_identifier, &here.system_identifier) {
        (Some(then), Some(now)) if then == now => {}
        (Some(then), Some(_)) => {
            return Some(format!(
                "{words}, and the transaction was opened on system {then}"
            ));
        }
        _ => {
            return Some(format!(
                "{words}: this role may not read the system identifier, so nobody can say whether \
                 it is the same server"
            ));
        }
    }
    match (identity.timeline, here.timeline) {
        (Some(then), Some(now)) if then == now => None,
        (Some(then), Some(_)) => Some(format!(
            "{words}, and the transaction was opened on timeline {then}: a standby was promoted \
             since"
        )),
        _ => Some(format!("{words}: the timelines cannot be compared")),
    }
}

/// Whether what answers is the server of then, and no copy of it.
enum Itself {
    Yes,
    No(String),
    Untold(String),
}

/// The same process is the same server. A process that was started later may run on the same files
/// or on a copy of them, made before BEGIN or after it: numbers and WAL of a copy look alike, so
/// nothing but the files themselves tells.
fn itself(here: &Target, identity: &Identity) -> Itself {
    let words = target::identity_words(here);
    let (Some(then), Some(now)) = (&identity.started, &here.started) else {
        return Itself::Untold(format!(
            "{words}: when the server was started is not known, so nobody can say whether it is the \
             same or a copy"
        ));
    };
    if then == now {
        return Itself::Yes;
    }
    let seconds = |at: &Option<String>| at.as_ref().and_then(|at| at.parse::<f64>().ok());
    let ran = seconds(&here.started).zip(seconds(&identity.asked_at));
    if ran.is_some_and(|(started, asked)| started < asked) {
        return Itself::No(format!(
            "{words}: it ran beside the server that the transaction was opened on, so it is a copy"
        ));
    }
    match (&identity.files_since, &here.files_since) {
        (Some(then), Some(now)) if then == now => Itself::Yes,
        (Some(_), Some(_)) => Itself::No(format!(
            "{words}: it was started since, on files that are not those of then, so it is a copy"
        )),
        _ => Itself::Untold(format!(
            "{words}: it crashed since, or was stopped, and started again, and this role cannot see \
             whether on the same files or on a copy of them (EXECUTE on pg_stat_file(text) shows \
             it); look for what the script makes"
        )),
    }
}

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
            match self.reach().await {
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
