//! COMMIT: guarded by the transaction's identity, sent once, and heard to its end.
//!
//! "Committed" is never more than what the tag, the status and `pg_xact_status` say.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, noticed, unanswered, within};
use super::guard::{COMMIT_BEHIND_SAVEPOINT, guard, is_guards};
use super::looking;
use super::status::{ask_elsewhere, ask_status, status_of, status_question};
use crate::database::link::{Answer, BrokenLink, Sent};
use crate::database::pinned::Pinned;
use crate::database::tap::Status;
use crate::database::{message, target};
use crate::facts::{CommitWait, ServerMessage, XactStatus};
use crate::gate::event::{Body, CommitAnswer, Report, Seq};
use crate::gate::warrant::Recorded;

/// How long COMMIT is waited for before anybody looks what it waits for.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// SQLSTATE of a plain warning, such as the one that the wait for standbys was cancelled.
const WARNING: &str = "01000";

/// What is on its way when COMMIT is.
struct CommitFlight {
    durable: Option<(Sent, Sent)>,
    commit: Sent,
    status: Option<Sent>,
}

impl Actor {
    /// Never fails: whatever happens, the order is answered as a COMMIT.
    pub(super) async fn commit(&mut self, seq: Seq, recorded: Recorded) -> Result<(), BrokenLink> {
        let xid = recorded.xid().to_owned();
        let guarded = match self.guarded_by_savepoint {
            true => Some(COMMIT_BEHIND_SAVEPOINT.to_owned()),
            false => guard(&xid).map(|guard| format!("{guard}; COMMIT")),
        };
        let Some(guarded) = guarded else {
            let why = message::own("the transaction has no number; COMMIT was not sent");
            self.commit_unanswered(seq, why);
            return Ok(());
        };
        let flight = match self.send_commit(&guarded, &xid).await {
            Ok(flight) => flight,
            Err(broken) => {
                self.commit_unanswered(seq, not_sent(broken.why()));
                return Ok(());
            }
        };
        let status = flight.status;
        let answered = self
            .answer_to_commit(seq, flight.durable, flight.commit)
            .await;
        let (answer, warning) = match answered {
            Ok(answered) => answered,
            Err(broken) => {
                self.commit_unanswered(seq, broken.why());
                return Ok(());
            }
        };
        // What breaks from here on does not change what COMMIT was answered with.
        let limit = self.answer_timeout();
        let asked = self.ask_behind_commit(status, answer.status, &xid);
        let asked = within(limit, asked).await;
        let broken = asked.is_err();
        let mut xact_status = asked.ok().flatten();
        // The one answer that would be taken for a proof without it.
        if xact_status.is_none()
            && says_commit(&answer)
            && answer.status == Status::Idle
            && let (Some(pinned), Some(identity)) = (self.aim.pinned(), &self.identity)
        {
            let asked = tokio::time::timeout(limit, ask_elsewhere(pinned, identity, &xid)).await;
            xact_status = asked.ok().and_then(Result::ok).flatten();
        }
        let said = read_answer(answer, warning, xact_status);
        self.say(seq, Body::CommitAnswered(said));
        if broken {
            // The watch on the link says why.
            if let Some(link) = &mut self.link {
                link.sever();
            }
        }
        Ok(())
    }

    /// Which way the transaction went, as the server tells it behind the answer to COMMIT.
    async fn ask_behind_commit(
        &mut self,
        asked: Option<Sent>,
        left_as: Status,
        xid: &str,
    ) -> Result<Option<XactStatus>, BrokenLink> {
        let link = self.link()?;
        let Some(asked) = asked else {
            return Err(BrokenLink::new(ServerMessage::default()));
        };
        let behind = link.answer(asked, &mut |_| {}).await?;
        if left_as == Status::Idle {
            return Ok(status_of(&behind));
        }
        // After an error the failed transaction may still be open, and no question is answered in it.
        link.ask("ROLLBACK").await?;
        ask_status(link, xid).await
    }

    /// Sends COMMIT, in one flight with what is asked before and behind it: the transaction's number
    /// may be durable by now, which decides after a crash whether the server's word can be taken;
    /// and which way it went.
    async fn send_commit(&mut self, guarded: &str, xid: &str) -> Result<CommitFlight, BrokenLink> {
        let flushed = self
            .written_up_to
            .as_deref()
            .map(super::durability::flushed);
        let link = self.link()?;
        let durable = match flushed {
            Some(question) => {
                let asked = link.send_ours(&looking::aside(&question)).await?;
                Some((asked, link.send_ours(looking::BACK).await?))
            }
            None => None,
        };
        Ok(CommitFlight {
            durable,
            commit: link.send_ours(guarded).await?,
            // COMMIT is on its way: whether this one is, too, does not change that.
            status: link.send_ours(&status_question(xid)).await.ok(),
        })
    }

    /// Waits for the answer to COMMIT. The server may take its time over it, and what it waits
    /// for is told: as long as it is seen to work, the link is not given up. A link that swallows
    /// everything is. With the answer comes what the server warned of in between.
    async fn answer_to_commit(
        &mut self,
        seq: Seq,
        durable: Option<(Sent, Sent)>,
        sent: Sent,
    ) -> Result<(Answer, Option<ServerMessage>), BrokenLink> {
        if let Some((asked, back)) = durable {
            let limit = self.answer_timeout();
            let answer = within(limit, self.link()?.answer(asked, &mut |_| {})).await?;
            self.note_durability(seq, &answer);
            within(limit, self.link()?.answer(back, &mut |_| {})).await?;
        }
        let limit = self.answer_timeout();
        let pinned = self.aim.pinned().cloned();
        let identity = self.identity.clone();
        let reports = self.reports.clone();
        let mut told = None;
        let mut warning = None;
        let says = reports.clone();
        let line = Arc::clone(&self.line);
        let cancel_timeout = Duration::from_millis(self.options.cancel_timeout);
        let longest = Duration::from_millis(self.options.statement_limit);
        let (since, mut cut) = (Instant::now(), longest.is_zero());
        let mut notice = |message: ServerMessage| {
            if message.sqlstate.as_deref() == Some(WARNING) {
                warning = Some(message.clone());
            }
            noticed(&reports, seq, None, message);
        };
        let link = self.link()?;
        let answer = {
            let mut answer = std::pin::pin!(link.answer(sent, &mut notice));
            let mut patience = FIRST_LOOK.min(limit);
            loop {
                if let Ok(answer) = tokio::time::timeout(patience, &mut answer).await {
                    break answer?;
                }
                patience = limit;
                let look =
                    tokio::time::timeout(limit, look_at_commit(pinned.as_ref(), identity.as_ref()));
                let wait = tokio::select! {
                    biased;
                    answer = &mut answer => break answer?,
                    look = look => match look {
                        Ok(Some(wait)) => wait,
                        Ok(None) | Err(_) => return Err(unanswered(limit)),
                    },
                };
                if !cut && !wait.is_replication() && since.elapsed() >= longest {
                    cut = true;
                    noticed(&says, seq, None, took_too_long(longest));
                    line.cancel_under_way(cancel_timeout);
                }
                if told.as_ref() != Some(&wait) {
                    let body = Body::CommitWaits(wait.clone());
                    let _ = says.send(Report { seq, body });
                    told = Some(wait);
                }
            }
        };
        // Only what came while it waited for standbys is about them.
        let waited = told.is_some_and(|wait| wait.is_replication());
        Ok((answer, warning.filter(|_| waited)))
    }
}

/// What became of an order that never reached the server.
fn not_sent(why: ServerMessage) -> ServerMessage {
    ServerMessage {
        message: format!("COMMIT was not sent, the session was gone: {}", why.message),
        ..why
    }
}

fn says_commit(answer: &Answer) -> bool {
    answer.tags.last().is_some_and(|tag| tag == "COMMIT")
}

/// The server's answer in the gate's words.
fn read_answer(
    answer: Answer,
    warning: Option<ServerMessage>,
    xact_status: Option<XactStatus>,
) -> CommitAnswer {
    let idle = answer.status == Status::Idle;
    let guard_passed = !answer.tags.is_empty();
    let committed = says_commit(&answer);
    match (answer.error, warning) {
        (None, Some(warning)) if committed => CommitAnswer::Local {
            warning: Box::new(warning),
            idle,
            xact_status,
        },
        (None, _) => CommitAnswer::Tag {
            tag: answer.tags.last().cloned().unwrap_or_default(),
            idle,
            xact_status,
        },
        // A division by zero before the guard's own tag is the guard's; one after it comes from a
        // deferred trigger. So it is with a savepoint that is not there.
        (Some(error), _) if !guard_passed && is_guards(error.sqlstate.as_deref()) => {
            CommitAnswer::OtherTransaction { xact_status }
        }
        (Some(error), _) => CommitAnswer::Refused {
            error: Box::new(error),
            xact_status,
        },
    }
}

/// Why COMMIT was cancelled by itself.
fn took_too_long(longest: Duration) -> ServerMessage {
    message::own_with_hint(
        format!(
            "COMMIT has run for {} s, which is what a statement may take; a cancel request was sent",
            longest.as_secs_f32()
        ),
        "a trigger that runs inside COMMIT ends with it, and everything is rolled back",
    )
}

/// What that backend waits for in the middle of what it executes, seen over a connection of its own.
/// `None`: it executes nothing, or nobody can be asked.
async fn look_at_commit(
    pinned: Option<&Pinned>,
    identity: Option<&super::Identity>,
) -> Option<CommitWait> {
    let identity = identity?;
    let mut link = pinned?.open().await.ok()?;
    target::prove_same(&mut link, identity).await.ok()?;
    let sql = format!(
        "SELECT wait_event, pg_catalog.current_setting('synchronous_standby_names') \
         FROM pg_catalog.pg_stat_activity WHERE pid OPERATOR(pg_catalog.=) {} \
         AND state OPERATOR(pg_catalog.=) 'active'",
        identity.backend_pid
    );
    let mut row = link.row(&sql).await.ok()?.into_iter();
    Some(CommitWait {
        event: row.next().flatten(),
        standbys: row.next().flatten().unwrap_or_default(),
    })
}
