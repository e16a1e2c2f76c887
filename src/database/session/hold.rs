//! The held transaction: BEGIN with what keeps it safe, and ROLLBACK with its proof.

use tokio::time::Instant;

use super::actor::{Actor, within};
use super::answers::millis;
use super::limits::{self, SessionLimits};
use super::looking::{self, Looks};
use super::status::{status_of, status_question};
use super::{HoldOptions, read_only};
use crate::database::link::{BrokenLink, Gathered, Link};
use crate::database::locks::LockLedger;
use crate::database::tap::Status;
use crate::database::{message, target};
use crate::facts::{ServerMessage, Target};
use crate::gate::event::{Added, Body, Seq};
use crate::runbook::script::{Fate, Statement};

/// How often ROLLBACK is sent when a late cancel request hits it.
const ROLLBACK_TRIES: u32 = 3;

/// SQLSTATE of the warning that there is no transaction to end.
const NO_TRANSACTION: &str = "25P01";

const XID: &str = "SELECT pg_catalog.pg_current_xact_id()";

pub(super) fn idle_limit(options: &HoldOptions) -> String {
    format!(
        "SET LOCAL idle_in_transaction_session_timeout = '{}ms'",
        options.dead_man.max(1)
    )
}

impl Actor {
    pub(super) async fn begin(&mut self, seq: Seq) -> Result<(), BrokenLink> {
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
        let path = self.runbook.search_path.script.as_deref();
        let preparing = (self.may_prepare()).then(|| looking::preparing(self.looks, path));
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
                self.ledger = LockLedger::default();
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
    fn opening(&self, over_network: bool, ours: &SessionLimits) -> Vec<String> {
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

    pub(super) async fn roll_back(&mut self, seq: Seq) -> Result<(), BrokenLink> {
        let xid = self.xid.clone();
        let ended_by_tag = self.ended_by_tag;
        let link = self.link()?;
        for _ in 0..ROLLBACK_TRIES {
            let sent = link.send_ours("ROLLBACK").await?;
            let asked = match &xid {
                Some(xid) => Some(link.send_ours(&status_question(xid)).await?),
                None => None,
            };
            let mut none_was_open = false;
            let mut notice = |message: ServerMessage| {
                none_was_open |= message.sqlstate.as_deref() == Some(NO_TRANSACTION);
            };
            let answer = link.answer(sent, &mut notice).await?;
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
            let ended_ours = tag == "ROLLBACK" && !none_was_open && !ended_by_tag;
            let body = Body::RollbackAnswered {
                tag,
                ended_ours,
                xact_status,
            };
            self.say(seq, body);
            return Ok(());
        }
        link.sever();
        Err(BrokenLink::new(message::own(
            "the server did not take ROLLBACK; the link was closed",
        )))
    }
}
