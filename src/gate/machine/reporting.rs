//! What the session reports, and what follows from it.
//!
//! A report of a request that is no longer waited for changes nothing.

use super::{LOCK_NOT_AVAILABLE, Machine, TargetIdentity};
use crate::gate::effect::{Effect, Request};
use crate::gate::ending::{Ending, Proof, Why};
use crate::gate::event::{Body, Evidence, Report, Standing, Target};
use crate::gate::phase::{Phase, Prompt, Stage};
use crate::gate::plan;
use crate::runbook::check::Tally;
use std::sync::Arc;

impl Machine {
    pub(super) fn reported(&mut self, report: Report) -> Vec<Effect> {
        let Report { seq, body } = report;
        // Some reports are facts rather than answers, and are taken whatever is waited for.
        match body {
            Body::SessionEnded(_) => {
                if seq >= self.session_since {
                    self.session_ended()
                } else {
                    Vec::new()
                }
            }
            Body::TransactionGone => {
                if seq >= self.session_since {
                    self.strayed = true;
                    self.transaction_gone()
                } else {
                    Vec::new()
                }
            }
            // A beat is waited for by nobody; what it found is a fact of the session.
            Body::FoundFailed(_) => {
                if seq < self.session_since {
                    return Vec::new();
                }
                match self.phase {
                    Phase::Deciding { .. } | Phase::TakingDown { .. } => {
                        self.whole = false;
                        self.must_roll_back(Why::FailedWhileHeld)
                    }
                    Phase::MustRollBack { .. } => {
                        self.whole = false;
                        Vec::new()
                    }
                    _ => Vec::new(),
                }
            }
            Body::Probed { item, evidence } => {
                // What only says that it takes a while changes nothing, not even what was signed before.
                if self.probing == Some(seq) && evidence.standing != Standing::Awaited {
                    self.probed(item, &evidence);
                }
                Vec::new()
            }
            body @ (Body::BackedUp(_) | Body::BackupFailed(_) | Body::BackupLost(_)) => {
                self.backup_reported(seq, &body);
                Vec::new()
            }
            body => {
                if self.awaiting != Some(seq) {
                    return Vec::new();
                }
                self.answered(body)
            }
        }
    }

    fn probed(&mut self, index: usize, evidence: &Evidence) {
        if let Some(item) = self.items.get_mut(index) {
            item.standing = evidence.standing;
            item.rehearsed = evidence.rehearsal.is_some();
            // What was signed because it was rehearsed falls when that is no longer so.
            if item.standing.forbids() || item.to_read().next().is_some() {
                item.signed = false;
            }
        }
        if self
            .items
            .iter()
            .all(|item| item.standing != Standing::Awaited)
        {
            self.probing = None;
        }
    }

    /// What was signed for one server, database and role was not signed for another, however alike
    /// its evidence is.
    fn arrived(&mut self, target: &Target) -> Vec<Effect> {
        let place = Some(Arc::new(TargetIdentity::of(target)));
        let before = std::mem::replace(&mut self.place, place);
        let signed = self.items.iter().any(|item| item.signed);
        if before.is_none() || before == self.place || !signed {
            return Vec::new();
        }
        for item in &mut self.items {
            item.signed = false;
        }
        vec![Effect::Say(
            "Another server, database or role was reached than the one that was signed for: nothing \
             is signed any more."
                .into(),
        )]
    }

    /// An answer to the request that is waited for. What a request cannot be answered with in the
    /// present phase changes nothing.
    fn answered(&mut self, body: Body) -> Vec<Effect> {
        match body {
            Body::Connected(target) => self.connected(*target),
            Body::ConnectFailed(error) => match self.phase {
                Phase::Connecting => self.end(Ending::NotConnected),
                Phase::Returning => self.not_connected_for_second_pass(&error),
                _ => Vec::new(),
            },
            Body::Begun { xid, .. } => self.begun(xid),
            Body::BeginFailed(_) => match self.phase {
                // The connection's own ROLLBACK makes sure that nothing stays open.
                Phase::Beginning => self.roll_back(Why::BeginFailed, false),
                _ => Vec::new(),
            },
            Body::StatementFinished(statement) => {
                if matches!(self.phase, Phase::Applying { .. }) {
                    self.tally.add(Tally::of(&statement.checks));
                }
                Vec::new()
            }
            Body::StatementFailed { error, .. } => self.statement_failed(error.sqlstate.as_deref()),
            Body::ScriptFinished => self.script_finished(),
            Body::Settled { same_transaction } => self.settled(same_transaction),
            Body::SettleFailed { deferred, .. } => self.settle_failed(deferred),
            Body::TakenDown { structure, .. } => match self.phase {
                Phase::TakingDown { cancelling } => {
                    self.taken_down(&structure, cancelling.is_some())
                }
                _ => Vec::new(),
            },
            Body::Looked(looked) => self.looked(&looked),
            Body::CommitWaits(_) => {
                self.waits = self.phase == Phase::Committing;
                Vec::new()
            }
            Body::CommitAnswered(answer) => match self.phase {
                Phase::Committing => self.commit_answered(answer),
                _ => Vec::new(),
            },
            Body::RollbackAnswered {
                tag,
                ended_ours,
                xact_status,
            } => match &self.phase {
                Phase::RollingBack { why, .. } => {
                    let why = why.clone();
                    self.rollback_answered(why, tag, ended_ours, xact_status)
                }
                _ => Vec::new(),
            },
            Body::Asked(inquiry) => match &self.phase {
                Phase::Inquiring {
                    commit_sent, why, ..
                } => {
                    let (commit_sent, why) = (*commit_sent, why.clone());
                    self.inquired(inquiry, commit_sent, why)
                }
                _ => Vec::new(),
            },
            Body::PostVerified { results } => {
                let checks = results.iter().flat_map(|result| &result.checks);
                self.end_post_verification(Some(Tally::of(checks)))
            }
            Body::PostVerifyFailed(_) => self.end_post_verification(None),
            Body::StatementStarted { .. }
            | Body::Noticed { .. }
            | Body::Measured(_)
            | Body::TransactionGone
            | Body::FoundFailed(_)
            | Body::Guard { .. }
            | Body::NumberDurable
            | Body::StoodBefore { .. }
            | Body::Probed { .. }
            | Body::BackupStarted(_)
            | Body::BackupProgressed(_)
            | Body::BackedUp(_)
            | Body::BackupFailed(_)
            | Body::BackupLost(_)
            | Body::SessionEnded(_) => Vec::new(),
        }
    }

    fn connected(&mut self, target: Target) -> Vec<Effect> {
        if self.phase == Phase::Returning {
            return self.connected_for_second_pass(target);
        }
        if self.phase != Phase::Connecting {
            return Vec::new();
        }
        let mut effects = self.arrived(&target);
        self.database = Some(self.name_of(&target));
        if self.plan.keeps() {
            self.reached = Some(Arc::new(target));
        }
        self.phase = Phase::Checklist;
        self.awaiting = None;
        effects.extend(self.probe());
        effects
    }

    fn begun(&mut self, xid: String) -> Vec<Effect> {
        if self.phase != Phase::Beginning {
            return Vec::new();
        }
        self.xid = Some(xid);
        self.whole = true;
        self.hold_left = Some(self.plan.hold_limit);
        self.phase = Phase::Applying { cancelling: None };
        vec![self.request(Request::RunScript)]
    }

    fn statement_failed(&mut self, sqlstate: Option<&str>) -> Vec<Effect> {
        match self.phase {
            // Nothing that was done so far is worth keeping its locks while somebody else is waited
            // for: all of it goes back, and is tried again.
            Phase::Applying { cancelling: None } if sqlstate == Some(LOCK_NOT_AVAILABLE) => {
                self.roll_back(Why::LockTimeout, false)
            }
            Phase::Applying { cancelling } => {
                self.whole = false;
                self.must_roll_back(match cancelling {
                    Some(_) => Why::Cancelled,
                    None => Why::StatementFailed,
                })
            }
            _ => Vec::new(),
        }
    }

    fn script_finished(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::Applying { cancelling: None } => {
                self.got_to = Stage::Verify;
                self.phase = Phase::Verifying { cancelling: None };
                vec![self.request(Request::Settle)]
            }
            // The cancel came too late to stop anything; it was still a wish to stop.
            Phase::Applying {
                cancelling: Some(_),
            } => self.must_roll_back(Why::Cancelled),
            _ => Vec::new(),
        }
    }

    fn settle_failed(&mut self, deferred: bool) -> Vec<Effect> {
        let Phase::Verifying { cancelling } = self.phase else {
            return Vec::new();
        };
        self.whole = false;
        self.must_roll_back(match (cancelling, deferred) {
            (Some(_), _) => Why::Cancelled,
            (None, true) => Why::SettleFailed,
            (None, false) => Why::NotSettled,
        })
    }

    /// The run is committed whatever the checks afterwards say; none were made without a tally.
    fn end_post_verification(&mut self, post: Option<Tally>) -> Vec<Effect> {
        match &self.phase {
            Phase::PostVerifying { proof } => {
                let proof = proof.clone();
                self.end(Ending::Committed { proof, post })
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn must_roll_back(&mut self, why: Why) -> Vec<Effect> {
        self.approval = None;
        if self.plan.lets_go_by_itself() {
            // Nothing is held for a person, and what is left to see is kept without it.
            return self.roll_back(why, false);
        }
        self.awaiting = None;
        self.leave_only_rollback(why);
        Vec::new()
    }

    /// A person sees why, and nothing but ROLLBACK is left.
    pub(super) fn leave_only_rollback(&mut self, why: Why) {
        self.decided = true;
        self.phase = Phase::MustRollBack { why, asking: false };
    }

    /// The script ended the transaction that was begun, in spite of all. Nothing of ours is open any
    /// more, and what the session is in now must not stay; which way it went, the server tells.
    fn transaction_gone(&mut self) -> Vec<Effect> {
        match &self.phase {
            Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Querying { .. } => {
                // What a script ended by itself it may have committed.
                self.sever_and_inquire(true, Why::OtherTransaction)
            }
            // Its end was asked for, and is being proven or is told already; or there is none.
            Phase::Connecting
            | Phase::Checklist
            | Phase::Beginning
            | Phase::Reviewing { .. }
            | Phase::Returning
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Vec::new(),
        }
    }

    fn settled(&mut self, same_transaction: bool) -> Vec<Effect> {
        let Phase::Verifying { cancelling } = self.phase else {
            return Vec::new();
        };
        if !same_transaction {
            self.strayed = true;
            return self.transaction_gone();
        }
        if cancelling.is_some() {
            return self.must_roll_back(Why::Cancelled);
        }
        if self.tally.fail > 0 {
            self.tell_differences();
            return self.must_roll_back(Why::ChecksFailed);
        }
        let unchecked = self.plan.may_lack_checks && self.tally == Tally::default();
        if !self.tally.passes() && !unchecked {
            self.tell_differences();
            return self.must_roll_back(Why::NothingPassed);
        }
        if self.journal_lost {
            return self.must_roll_back(Why::JournalLost);
        }
        self.got_to = Stage::Decide;
        match self.approval.is_some() || self.plan.lets_go_by_itself() {
            true => self.take_down(),
            false => self.come_to_the_gate(),
        }
    }

    pub(super) fn come_to_the_gate(&mut self) -> Vec<Effect> {
        self.awaiting = None;
        self.decided = true;
        self.phase = Phase::Deciding {
            prompt: Prompt::Closed,
            arming: plan::ARMING,
        };
        Vec::new()
    }

    fn session_ended(&mut self) -> Vec<Effect> {
        match &self.phase {
            Phase::Connecting => self.end(Ending::NotConnected),
            // Nothing is open: connect again and look again.
            Phase::Checklist => {
                for item in &mut self.items {
                    item.standing = Standing::Awaited;
                }
                self.probing = None;
                vec![self.connect()]
            }
            Phase::Beginning if self.xid.is_none() => {
                self.rolled_back(Why::SessionEnded, Proof::NeverBegun)
            }
            Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. } => self.inquire(false, Why::SessionEnded),
            Phase::Querying { why, .. } => {
                let why = why.clone().unwrap_or(Why::SessionEnded);
                self.inquire(false, why)
            }
            Phase::MustRollBack { why, .. } | Phase::RollingBack { why, .. } => {
                let why = why.clone();
                if self.xid.is_none() {
                    return self.rolled_back(why, Proof::NeverBegun);
                }
                self.inquire(false, why)
            }
            Phase::Committing => self.inquire(true, Why::SessionEnded),
            // Nothing is held, and the second pass has a session of its own.
            Phase::Reviewing { .. } => {
                self.awaiting = None;
                Vec::new()
            }
            Phase::Returning => self.not_returned("The session ended."),
            Phase::PostVerifying { proof } => {
                let proof = proof.clone();
                self.end(Ending::Committed { proof, post: None })
            }
            // The next attempt connects afresh.
            Phase::Waiting { proof, .. } => {
                let proof = proof.clone();
                self.rolled_back(Why::LockTimeout, proof)
            }
            // It is asked on connections of its own, and the end needs no session.
            Phase::Inquiring { .. } | Phase::Ended(_) | Phase::Left(_) => Vec::new(),
        }
    }
}
