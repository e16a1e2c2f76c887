//! The held transaction: BEGIN with what keeps it safe, the look before the decision, COMMIT and
//! ROLLBACK with their proof.
//!
//! COMMIT is guarded by the transaction's identity, and "committed" is never more than what the
//! tag, the status and `pg_xact_status` say.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, noticed, unanswered, within};
use super::answers::millis;
use super::limits::{self, Limits};
use super::looking::{self, Looks};
use super::settling::COMMIT_BEHIND_SAVEPOINT;
use super::status::{ask_elsewhere, ask_status, status_of, status_question};
use super::{HoldOptions, read_only};
use crate::database::link::{Answer, Broken, Gathered, Link, Sent};
use crate::database::locks::Ledger;
use crate::database::pinned::Pinned;
use crate::database::tap::Status;
use crate::database::{message, target};
use crate::gate::event::{
    Added, Body, CommitAnswer, CommitWait, Report, Seq, ServerMessage, Target,
};
use crate::gate::warrant::Recorded;
use crate::runbook::script::{Fate, Statement};

/// How often ROLLBACK is sent when a late cancel request hits it.
const ROLLBACK_TRIES: u32 = 3;

const XID: &str = "SELECT pg_catalog.pg_current_xact_id()";

/// How long COMMIT is waited for before anybody looks what it waits for.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// SQLSTATE of a plain warning, such as the one that the wait for standbys was cancelled.
const WARNING: &str = "01000";

/// First server that has `client_connection_check_interval`.
const CHECKS_CLIENT: u32 = 14;

/// Asks whether the server can look for a vanished client in the middle of a statement. Not on every
/// platform, and only trying tells. `None` where it is too old.
pub(super) async fn ask_for_client_checks(link: &mut Link) -> Result<Option<Sent>, Broken> {
    if link.server_major() < CHECKS_CLIENT {
        return Ok(None);
    }
    let tried = "BEGIN READ ONLY; SET LOCAL client_connection_check_interval = '1s'; ROLLBACK";
    Ok(Some(link.send_ours(tried).await?))
}

/// Takes the answer; the link knows it then.
pub(super) async fn learn_client_checks(
    link: &mut Link,
    asked: Option<Sent>,
) -> Result<(), Broken> {
    let Some(asked) = asked else {
        return Ok(());
    };
    let tried = link.answer(asked, &mut |_| {}).await?;
    if tried.error.is_some() && tried.status != Status::Idle {
        link.ask("ROLLBACK").await?;
    }
    link.knows_client_checks(tried.error.is_none());
    Ok(())
}

pub(super) fn idle_limit(options: &HoldOptions) -> String {
    format!(
        "SET LOCAL idle_in_transaction_session_timeout = '{}ms'",
        options.dead_man.max(1)
    )
}

impl Actor {
    pub(super) async fn begin(&mut self, seq: Seq) -> Result<(), Broken> {
        let link = self.link()?;
        if link.status() != Status::Idle {
            let why = message::own("a transaction is open already; nothing was sent");
            self.say(seq, Body::BeginFailed(why));
            return Ok(());
        }
        let before = match self.options.takes_down {
            true => {
                let began = Instant::now();
                let structure = self.stands_before().await?;
                Some((Box::new(structure), millis(began, Instant::now())))
            }
            false => None,
        };
        let over_network = target::over_network(self.link()?);
        let ours = self.limits();
        let mut added = self.opening(over_network, &ours);
        added.push(XID.into());
        let preparing = self.may_prepare().then(|| looking::preparing(self.looks));
        let limit = self.answer_timeout();
        let link = self.link()?;
        let prepared = match &preparing {
            Some(sql) => Some(link.send_ours(sql).await?),
            None => None,
        };
        let begun = link.send_ours(&added.join("; ")).await?;
        if let Some(prepared) = prepared {
            let answer = within(limit, link.answer(prepared, &mut |_| {})).await?;
            self.looks = match answer.error {
                None => Looks::Prepared,
                Some(_) => Looks::InFull,
            };
        }
        let answer = within(limit, self.link()?.answer(begun, &mut |_| {})).await?;
        // The first answer is the limit on statements that the session has.
        let shown = answer.results.first().and_then(Gathered::first_cell);
        self.limits_found = shown.and_then(|shown| ours.keep_stricter(shown));
        let xid = answer.results.last().and_then(Gathered::first_cell);
        let xid = xid.map(str::to_owned);
        let failure = match (answer.error, xid) {
            (None, Some(xid)) if answer.status == Status::Open => {
                self.xid = Some(xid.clone());
                self.identity = self.target.as_ref().map(super::Identity::of);
                self.written_up_to = None;
                self.guarded_by_savepoint = false;
                self.ended_by_tag = false;
                self.ledger = Ledger::default();
                let sent = preparing.into_iter().chain(added).map(Added::Ahead);
                let added = sent.chain(self.still_to_come()).collect();
                self.say(seq, Body::Begun { xid, added });
                if let Some((structure, duration)) = before {
                    let body = Body::StoodBefore {
                        structure,
                        duration,
                    };
                    self.say(seq, body);
                }
                return Ok(());
            }
            (Some(error), _) => limits::of_the_session(error),
            (None, _) => message::own("the server opened no transaction"),
        };
        if answer.status != Status::Idle {
            self.link()?.ask("ROLLBACK").await?;
        }
        self.say(seq, Body::BeginFailed(failure));
        Ok(())
    }

    /// BEGIN, as the script words it, and the settings that bound the hold. They end with the
    /// transaction.
    fn opening(&self, over_network: bool, ours: &Limits) -> Vec<String> {
        let script = &self.runbook.script;
        let taken_over = || {
            let all = script.statements.iter();
            all.filter(|s| s.fate == Fate::TakenOver)
        };
        let source = taken_over().next().map(|first| first.source);
        let text = |s: &Statement| s.text.trim_end_matches([';', ' ', '\n']).to_owned();
        let sets = |s: &&Statement| s.kind == "SET";
        let begin = taken_over().find(|s| !sets(s));
        // The isolation level, which no query may stand before.
        let levels = taken_over().filter(|s| sets(s) && Some(s.source) == source);
        let mut added = vec![begin.map_or_else(|| "BEGIN".to_owned(), text)];
        added.extend(levels.map(text));
        if let Some(encoding) = self.link.as_ref().and_then(Link::takes_bytes_in) {
            // Otherwise the server answers a byte that is no UTF-8 with an error, where psql shows it.
            added.push(format!("SET LOCAL client_encoding = '{encoding}'"));
        }
        added.extend(ours.opening());
        if let Some(path) = &self.runbook.search_path.script {
            added.push(read_only::search_path(Some(path)));
        }
        if over_network {
            added.push("SET LOCAL tcp_keepalives_idle = 3".into());
            added.push("SET LOCAL tcp_keepalives_interval = 1".into());
            added.push("SET LOCAL tcp_keepalives_count = 3".into());
            // While an answer of the server is on its way nothing is probed, only sent again: that
            // is bounded by this one, and otherwise by the system's quarter of an hour.
            added.push("SET LOCAL tcp_user_timeout = '6s'".into());
        }
        added
    }

    /// Whether something may be prepared on the session, which outlives the transaction: not where a
    /// pooler gives it to somebody else.
    fn may_prepare(&self) -> bool {
        let direct =
            |target: &Target| target::pooler(target.protocol_pid, target.backend_pid).is_none();
        self.target.as_ref().is_some_and(direct)
    }

    /// Never fails: whatever happens, the order is answered as a COMMIT.
    pub(super) async fn commit(&mut self, seq: Seq, recorded: Recorded) -> Result<(), Broken> {
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
        let limit = self.answer_timeout();
        let flight = match self.send_commit(&guarded, &xid).await {
            Ok(flight) => flight,
            Err(broken) => {
                let why = broken.why();
                let text = format!("COMMIT was not sent, the session was gone: {}", why.message);
                self.commit_unanswered(
                    seq,
                    ServerMessage {
                        message: text,
                        ..why
                    },
                );
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
                let why = broken.why();
                self.commit_unanswered(seq, why);
                return Ok(());
            }
        };
        let link = self.link()?;
        // What breaks from here on does not change what COMMIT was answered with.
        let asked_behind = async {
            let Some(status) = status else {
                return Err(Broken::new(ServerMessage::default()));
            };
            let behind = link.answer(status, &mut |_| {}).await?;
            if answer.status == Status::Idle {
                return Ok(status_of(&behind));
            }
            // After an error the failed transaction may still be open, and no question is answered
            // in it.
            link.ask("ROLLBACK").await?;
            ask_status(link, &xid).await
        };
        let xact_status = within(limit, asked_behind).await;
        let broken = xact_status.is_err();
        let mut xact_status = xact_status.ok().flatten();
        let guard_passed = !answer.tags.is_empty();
        let tag = answer.tags.last().cloned().unwrap_or_default();
        // The one answer that would be taken for a proof without it.
        if xact_status.is_none()
            && (tag == "COMMIT" && answer.status == Status::Idle)
            && let (Some(pinned), Some(identity)) = (self.aim.pinned(), &self.identity)
        {
            let asked = tokio::time::timeout(limit, ask_elsewhere(pinned, identity, &xid)).await;
            xact_status = asked.ok().and_then(Result::ok).flatten();
        }
        let said = match answer.error {
            None if warning.is_some() && tag == "COMMIT" => CommitAnswer::Local {
                warning: Box::new(warning.unwrap_or_default()),
                idle: answer.status == Status::Idle,
                xact_status,
            },
            None => CommitAnswer::Tag {
                tag,
                idle: answer.status == Status::Idle,
                xact_status,
            },
            // A division by zero before the guard's own tag is the guard's; one after it comes
            // from a deferred trigger. So it is with a savepoint that is not there.
            Some(error) if !guard_passed && is_guards(error.sqlstate.as_deref()) => {
                CommitAnswer::OtherTransaction { xact_status }
            }
            Some(error) => CommitAnswer::Refused {
                error: Box::new(error),
                xact_status,
            },
        };
        self.say(seq, Body::CommitAnswered(said));
        if broken {
            // The watch on the link says why.
            if let Some(link) = &mut self.link {
                link.sever();
            }
        }
        Ok(())
    }

    /// Sends COMMIT, in one flight with what is asked before and behind it: the transaction's number
    /// may be durable by now, which decides after a crash whether the server's word can be taken;
    /// and which way it went.
    async fn send_commit(&mut self, guarded: &str, xid: &str) -> Result<CommitFlight, Broken> {
        let flushed = self.written_up_to.as_deref().map(super::actor::flushed);
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
    ) -> Result<(Answer, Option<ServerMessage>), Broken> {
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

    pub(super) async fn roll_back(&mut self, seq: Seq) -> Result<(), Broken> {
        let xid = self.xid.clone();
        let link = self.link()?;
        for _ in 0..ROLLBACK_TRIES {
            let sent = link.send_ours("ROLLBACK").await?;
            let asked = match &xid {
                Some(xid) => Some(link.send_ours(&status_question(xid)).await?),
                None => None,
            };
            let answer = link.answer(sent, &mut |_| {}).await?;
            if answer.status != Status::Idle {
                if let Some(asked) = asked {
                    link.answer(asked, &mut |_| {}).await?;
                }
                continue;
            }
            let tag = answer.tags.last().cloned().unwrap_or_default();
            let asked = match asked {
                Some(asked) => link.answer(asked, &mut |_| {}).await.map(Some),
                None => Ok(None),
            };
            let (xact_status, broken) = match asked {
                Ok(answer) => (answer.as_ref().and_then(status_of), false),
                Err(_) => (None, true),
            };
            if broken {
                link.sever();
            }
            self.say(seq, Body::RollbackAnswered { tag, xact_status });
            return Ok(());
        }
        link.sever();
        Err(Broken::new(message::own(
            "the server did not take ROLLBACK; the link was closed",
        )))
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

/// Whether the guard before COMMIT fails with it where the transaction is another one, or none.
pub(super) fn is_guards(sqlstate: Option<&str>) -> bool {
    matches!(sqlstate, Some("22012" | "3B001" | "25P01"))
}

/// A question that divides by zero in any transaction but this one: what COMMIT stands behind.
/// `None` when the number is none.
pub(super) fn guard(xid: &str) -> Option<String> {
    if xid.is_empty() || !xid.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(format!(
        "SELECT 1 OPERATOR(pg_catalog./) COALESCE(pg_catalog.pg_current_xact_id_if_assigned() \
         OPERATOR(pg_catalog.=) '{xid}'::pg_catalog.xid8, false)::pg_catalog.int4"
    ))
}

/// What is on its way when COMMIT is.
struct CommitFlight {
    durable: Option<(Sent, Sent)>,
    commit: Sent,
    status: Option<Sent>,
}
