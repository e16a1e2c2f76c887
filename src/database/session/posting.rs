//! The process that watches over the hold beside this one: its start, its replacement, and what is said
//! where there is none.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::actor::{Actor, Posting, noticed};
use crate::database::message;
use crate::database::sentry::{Relieved, Sentry};
use crate::facts::ServerMessage;
use crate::gate::event::{Body, Seq};

/// What it means that nobody watches over the hold.
pub(super) const UNGUARDED: &str = "if this program is stopped while the server waits on the socket \
    in the middle of a statement, its locks are held until it goes on or is killed";

/// Waits until it is there.
pub(super) async fn wait_for_post(posting: Posting) -> Result<Sentry, String> {
    posting
        .await
        .unwrap_or_else(|_| Err("its start failed".into()))
}

/// Whether somebody watches over the hold, as it is told.
pub(super) fn guard_told(missing: Option<String>) -> Body {
    let why = missing.map(|why| {
        Box::new(message::own_with_hint(
            format!("the process that watches over the hold is not there: {why}"),
            UNGUARDED,
        ))
    });
    Body::Guard { missing: why }
}

/// What is told of a process that died.
fn relieved_told(relieved: &Relieved) -> ServerMessage {
    let Relieved { how, by_nobody } = relieved;
    let died = format!("the process that watches over the hold died ({how})");
    match by_nobody {
        None => message::own_with_hint(
            format!("{died}; another one has taken its place"),
            "until then nobody but this program watched over the hold",
        ),
        Some(why) => message::own_with_hint(
            format!("{died}, and none can be started in its place: {why}"),
            UNGUARDED,
        ),
    }
}

impl Actor {
    /// Starts the process that watches over the hold, unless one does; why there is none. It is there
    /// before there is anything to hold.
    pub(super) async fn post_sentry(&mut self, seq: Seq) -> Option<String> {
        let posting = self.posting_under_way()?;
        self.posted(seq, wait_for_post(posting).await)
    }

    /// Its start, unless it is there.
    pub(super) fn posting_under_way(&mut self) -> Option<Posting> {
        let program = self.options.guard.clone()?;
        if self.sentry.as_ref().is_some_and(Sentry::is_there) {
            return None;
        }
        self.posting.take().or_else(|| self.start_posting(program))
    }

    /// Takes the process that was started; why there is none.
    pub(super) fn posted(&mut self, seq: Seq, posted: Result<Sentry, String>) -> Option<String> {
        let missing = posted.as_ref().err().cloned();
        self.say_guard(seq, missing.clone());
        self.take_post(posted);
        missing
    }

    /// The same where it was told already.
    pub(super) fn take_post(&mut self, posted: Result<Sentry, String>) {
        self.unguarded = posted.as_ref().err().cloned();
        self.sentry = posted.ok();
    }

    /// Why nobody watches over the hold, as it was told last.
    pub(super) fn unguarded(&self) -> Option<String> {
        self.unguarded.clone()
    }

    /// Starts it, and waits for nothing.
    pub(super) fn start_posting(&self, program: PathBuf) -> Option<Posting> {
        let pinned = self.aim.pinned().cloned()?;
        let line = Arc::clone(&self.line);
        let silence = Duration::from_millis(self.options.dead_man);
        let (told, reports) = (Arc::clone(&self.line), self.reports.clone());
        let tell = move |relieved: Relieved| {
            noticed(&reports, told.latest(), None, relieved_told(&relieved));
        };
        Some(tokio::task::spawn_blocking(move || {
            let alive = move || !line.lease.is_overdue();
            Sentry::post(&program, &pinned, silence, alive, tell)
        }))
    }

    /// Says whether somebody watches over the hold, where that has changed.
    fn say_guard(&mut self, seq: Seq, missing: Option<String>) {
        if missing.is_some() {
            self.sentry = None;
        }
        if self.unguarded == missing {
            return;
        }
        self.unguarded.clone_from(&missing);
        self.say(seq, guard_told(missing));
    }

    /// From here on the transaction is ended by others than us, too.
    pub(super) fn guard(&self) {
        let (Some(sentry), Some(identity), Some(xid)) = (&self.sentry, &self.identity, &self.xid)
        else {
            return;
        };
        sentry.hold(identity.clone(), xid.clone());
    }

    /// Starts a process once more where one died that could not be replaced.
    pub(super) async fn look_after_sentry(&mut self, seq: Seq) {
        let gone = |sentry: &Sentry| !sentry.is_there();
        if self.sentry.as_ref().is_some_and(gone) && self.post_sentry(seq).await.is_none() {
            self.guard();
        }
    }

    pub(super) fn stand_down(&self) {
        if let Some(sentry) = &self.sentry {
            sentry.free();
        }
    }
}
