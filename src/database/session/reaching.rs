//! The way to the server: a connection, what it reached, and how long one that is not ready is asked again.

use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, GOODBYE, noticed};
use super::asked::Looker;
use super::client_checks::{ask_for_client_checks, learn_client_checks};
use super::line::PresentConnection;
use super::looking::Looks;
use crate::database::link::BrokenLink;
use crate::database::{message, target};
use crate::facts::{ServerMessage, Target};
use crate::gate::event::{Body, Seq};

/// How long a server that is not ready is waited for at the most, whatever connect_timeout says.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);

impl Actor {
    pub(super) async fn connect(&mut self, seq: Seq) {
        self.line.set(None);
        self.line.lease.forget();
        // It knows the way to the server of the session before; what that one still holds it ends.
        self.sentry = None;
        self.posting = None;
        self.asked = None;
        if let Some(link) = self.link.take() {
            link.close(GOODBYE).await;
        }
        self.xid = None;
        self.pause_since_last().await;
        match self.reach_patiently(seq).await {
            Ok(target) => {
                // It takes a moment; who looks for evidence meanwhile does not wait for it.
                let expected = self.runbook.expected_database.as_deref();
                if target::objections(&target, expected).is_empty()
                    && let Some(program) = self.options.guard.clone()
                {
                    self.posting = self.start_posting(program);
                }
                self.say(seq, Body::Connected(Box::new(target)));
            }
            Err(why) => {
                self.ended = why.clone();
                self.say(seq, Body::ConnectFailed(why));
            }
        }
    }

    /// A session that is lost as soon as it is there is not opened anew without a pause, for ever.
    async fn pause_since_last(&mut self) {
        let mut severed = self.line.severed.subscribe();
        if let Some(reached) = self.reached {
            tokio::select! {
                () = tokio::time::sleep_until(reached + BETWEEN_ATTEMPTS) => {}
                _ = severed.changed() => {}
            }
        }
    }

    /// Reaches a server; one that is starting up is asked again for as long as an attempt may take.
    async fn reach_patiently(&mut self, seq: Seq) -> Result<Target, ServerMessage> {
        let mut severed = self.line.severed.subscribe();
        let limit = self.aim.connect_timeout().min(LONGEST_WAIT);
        let until = Instant::now() + limit;
        let mut told = false;
        loop {
            // Who asks again has seen the evidence before.
            let looker = self.target.is_none().then(|| self.looker());
            let why = match self.reach(looker).await {
                Err(why) if why.is_not_ready() => why,
                reached => return reached,
            };
            if severed.has_changed().unwrap_or(true) {
                return Err(given_up());
            }
            if Instant::now() >= until {
                return Err(why);
            }
            if !told {
                told = true;
                let limit = limit.as_secs();
                let told = ServerMessage {
                    hint: Some(format!(
                        "it is asked again for up to {limit} s (psql would not wait); leaving ends that"
                    )),
                    ..why
                };
                noticed(&self.reports, seq, None, told);
            }
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_ATTEMPTS) => {}
                _ = severed.changed() => return Err(given_up()),
            }
        }
    }

    /// Opens a new connection and finds out what it reached; `sever` gives it up. The evidence that the
    /// `looker` asks for is on its way then.
    pub(super) async fn reach(&mut self, looker: Option<Looker>) -> Result<Target, ServerMessage> {
        let mut severed = self.line.severed.subscribe();
        let aim = self.aim.clone();
        let attempt = async {
            let mut link = aim.open().await?;
            if let Some(why) = link.reads_otherwise() {
                return Err(why);
            }
            // A link that goes silent after the first answer must not hold the attempt for ever.
            let limit = aim.connect_timeout();
            let questions = async {
                let unread = |why: ServerMessage| target::unread(&why);
                let broken = |broken: BrokenLink| unread(broken.why());
                let reached = target::Questions::send(&mut link, None).await;
                let reached = reached.map_err(unread)?;
                let tried = ask_for_client_checks(&mut link).await.map_err(broken)?;
                let asked = match &looker {
                    Some(looker) => looker.ask_ahead(&mut link).await.map_err(broken)?,
                    None => None,
                };
                let target = reached.answer(&mut link).await.map_err(unread)?;
                let asked = learn_client_checks(&mut link, tried, looker.zip(asked)).await;
                Ok((target, asked.map_err(broken)?))
            };
            let (mut target, asked) = match tokio::time::timeout(limit, questions).await {
                Ok(answered) => answered?,
                Err(_) => return Err(target::unread(&ServerMessage::default())),
            };
            target.hostaddr = aim.address_asked(&target.host, target.port);
            Ok((link, target, asked))
        };
        let (mut link, target, asked) = tokio::select! {
            result = attempt => result?,
            _ = severed.changed() => return Err(given_up()),
        };
        for notice in link.take_early_notices() {
            noticed(&self.reports, self.latest, None, notice);
        }
        self.aim.pin(&link);
        self.line.set(Some(PresentConnection {
            token: link.cancel_token(),
            route: link.route().clone(),
            abort: link.abort_handle(),
        }));
        self.link = Some(link);
        self.asked = asked;
        self.reached = Some(Instant::now());
        self.looks = Looks::default();
        self.target = Some(target.clone());
        Ok(target)
    }
}

/// What is told of an attempt to connect that somebody left.
fn given_up() -> ServerMessage {
    message::own("the attempt was given up")
}
