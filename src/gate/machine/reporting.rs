//! What the session reports, and what follows from it.
//!
//! A report of a request that is no longer waited for changes nothing.

use super::newest::Committer;
use super::{LOCK_NOT_AVAILABLE, Machine};
use crate::facts::{Consent, Ending, Evidence, Standing, Target, Why};
use crate::gate::effect::{Effect, Request};
use crate::gate::event::{Body, Report};
use crate::gate::phase::{
    AfterRollback, EarlierRun, Held, Onward, Phase, Prompt, RunningPass, Stage,
};
use crate::gate::plan;
use crate::runbook::check::Tally;

impl Machine {
    pub(super) fn reported(&mut self, report: Report) -> Vec<Effect> {
        let Report { seq, body } = report;
        // Some reports are facts rather than answers, and are taken whatever is waited for.
        match body {
            Body::SessionEnded(_) => {
                if self.requests.is_of_session(seq) {
                    self.session_ended()
                } else {
                    Vec::new()
                }
            }
            Body::TransactionGone => {
                if self.requests.is_of_session(seq) {
                    self.newest.committer = Committer::Another;
                    self.transaction_gone()
                } else {
                    Vec::new()
                }
            }
            // A beat is waited for by nobody; what it found is a fact of the session.
            Body::FoundFailed(_) => {
                if !self.requests.is_of_session(seq) {
                    return Vec::new();
                }
                match &mut self.phase {
                    Phase::Deciding { held, .. } | Phase::TakingDown(RunningPass { held, .. }) => {
                        let held = held.clone();
                        self.must_roll_back(held, Why::FailedWhileHeld, false)
                    }
                    Phase::MustRollBack { whole, .. } => {
                        *whole = false;
                        Vec::new()
                    }
                    _ => Vec::new(),
                }
            }
            Body::Probed { item, evidence } => {
                // What only says that it takes a while changes nothing, not even what was signed before.
                if self.phase.probes() == Some(seq) && evidence.standing != Standing::Awaited {
                    self.probed(item, &evidence);
                }
                Vec::new()
            }
            body @ (Body::BackedUp(_) | Body::BackupFailed(_) | Body::BackupLost(_)) => {
                self.backup_reported(seq, &body);
                Vec::new()
            }
            Body::EarlierAnswered { answer, .. } => self.earlier_answered(seq, &answer),
            body => {
                if self.requests.awaiting != Some(seq) {
                    return Vec::new();
                }
                self.answered(body)
            }
        }
    }

    fn probed(&mut self, index: usize, evidence: &Evidence) {
        let lints = (self.plan.items.get(index)).is_some_and(|needed| needed.lints);
        if let Some(item) = self.items_mut().get_mut(index) {
            item.standing = evidence.standing;
            if lints && evidence.findings.is_some() {
                item.findings = evidence.findings;
            }
            item.rehearsed = evidence.rehearsal.is_some();
            // What was signed because it was rehearsed falls when that is no longer so.
            if item.standing.forbids()
                || item.to_read().next().is_some()
                || item.open_findings() > 0
            {
                item.signed = false;
            }
        }
        if self
            .items
            .iter()
            .all(|item| item.standing != Standing::Awaited)
        {
            self.probe_for(None);
        }
    }

    /// An answer to the request that is waited for. What a request cannot be answered with in the
    /// present phase changes nothing.
    fn answered(&mut self, body: Body) -> Vec<Effect> {
        match body {
            Body::Connected(target) => self.connected(*target),
            Body::ConnectFailed(error) => match self.phase {
                Phase::Connecting => self.end(Ending::NotConnected),
                Phase::Returning { .. } => self.not_connected_for_second_pass(&error),
                _ => Vec::new(),
            },
            Body::Begun { xid, .. } => self.begun(xid),
            Body::BeginFailed(_) => match self.phase {
                // The connection's own ROLLBACK makes sure that nothing stays open.
                Phase::Beginning { .. } => self.roll_back(Why::BeginFailed, false),
                _ => Vec::new(),
            },
            Body::StatementFinished(statement) => {
                if matches!(self.phase, Phase::Applying { .. }) {
                    self.newest.tally.add(Tally::of(&statement.checks));
                }
                Vec::new()
            }
            Body::StatementFailed { error, .. } => self.statement_failed(error.sqlstate.as_deref()),
            Body::ScriptFinished => self.script_finished(),
            Body::Settled { same_transaction } => self.settled(same_transaction),
            Body::SettleFailed { deferred, .. } => self.settle_failed(deferred),
            Body::TakenDown { structure, .. } => match &mut self.phase {
                Phase::TakingDown(pass) => {
                    let pass = pass.take();
                    self.taken_down(pass, &structure)
                }
                _ => Vec::new(),
            },
            Body::Looked(looked) => self.looked(&looked),
            Body::CommitWaits(_) => self.commit_waits(),
            Body::CommitAnswered(answer) => match self.phase {
                Phase::Committing { .. } => self.commit_answered(answer),
                _ => Vec::new(),
            },
            Body::RollbackAnswered {
                tag,
                ended_ours,
                xact_status,
            } => match self.phase {
                Phase::RollingBack { .. } => self.rollback_answered(tag, ended_ours, xact_status),
                _ => Vec::new(),
            },
            Body::Asked(inquiry) => match self.phase {
                Phase::Inquiring { commit_sent, .. } => self.inquired(inquiry, commit_sent),
                _ => Vec::new(),
            },
            Body::PostVerified { results } => self.end_post_verification(Some(Tally::of(
                results.iter().flat_map(|result| &result.checks),
            ))),
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
            | Body::EarlierAnswered { .. }
            | Body::SessionEnded(_) => Vec::new(),
        }
    }

    fn commit_waits(&mut self) -> Vec<Effect> {
        if let Phase::Committing { waits, .. } = &mut self.phase {
            *waits = true;
        }
        Vec::new()
    }

    fn connected(&mut self, target: Target) -> Vec<Effect> {
        match &self.phase {
            Phase::Connecting => {}
            Phase::Returning { approval } => {
                let approval = approval.clone();
                return self.connected_for_second_pass(approval, target);
            }
            _ => return Vec::new(),
        }
        let mut effects = self.arrive(target);
        self.phase = Phase::Checklist {
            probing: None,
            earlier: EarlierRun::default(),
        };
        self.requests.awaiting = None;
        effects.extend(self.probe());
        effects
    }

    fn begun(&mut self, xid: String) -> Vec<Effect> {
        let Phase::Beginning { approval } = &mut self.phase else {
            return Vec::new();
        };
        let approval = approval.take();
        self.newest.xid = Some(xid);
        self.phase = Phase::Applying(RunningPass {
            held: Held {
                left: self.plan.hold_limit,
                came_out: None,
            },
            cancelling: None,
            approval,
        });
        vec![self.request(Request::RunScript)]
    }

    fn statement_failed(&mut self, sqlstate: Option<&str>) -> Vec<Effect> {
        let Phase::Applying(pass) = &mut self.phase else {
            return Vec::new();
        };
        let pass = pass.take();
        match pass.cancelling {
            // Nothing that was done so far is worth keeping its locks while somebody else is waited
            // for: all of it goes back, and is tried again.
            None if sqlstate == Some(LOCK_NOT_AVAILABLE) => {
                let after = match self.newest.attempt < self.plan.lock_attempts {
                    true => AfterRollback::TryAgain(pass.approval),
                    false => AfterRollback::Onward(Onward::End(Why::LockTimeout)),
                };
                self.roll_back_and(after, false)
            }
            Some(_) => self.must_roll_back(pass.held, Why::Cancelled, false),
            None => self.must_roll_back(pass.held, Why::StatementFailed, false),
        }
    }

    fn script_finished(&mut self) -> Vec<Effect> {
        let Phase::Applying(pass) = &mut self.phase else {
            return Vec::new();
        };
        let pass = pass.take();
        if pass.cancelling.is_some() {
            // The cancel came too late to stop anything; it was still a wish to stop.
            return self.must_roll_back(pass.held, Why::Cancelled, true);
        }
        self.newest.got_to = Stage::Verify;
        self.phase = Phase::Verifying(pass);
        vec![self.request(Request::Settle)]
    }

    fn settle_failed(&mut self, deferred: bool) -> Vec<Effect> {
        let Phase::Verifying(pass) = &self.phase else {
            return Vec::new();
        };
        let why = match (pass.cancelling, deferred) {
            (Some(_), _) => Why::Cancelled,
            (None, true) => Why::SettleFailed,
            (None, false) => Why::NotSettled,
        };
        self.must_roll_back(pass.held.clone(), why, false)
    }

    /// The run is committed whatever the checks afterwards say; none were made without a tally.
    fn end_post_verification(&mut self, post: Option<Tally>) -> Vec<Effect> {
        match &self.phase {
            Phase::PostVerifying { proof, .. } => {
                let proof = proof.clone();
                self.end(Ending::Committed { proof, post })
            }
            _ => Vec::new(),
        }
    }

    /// `whole`: no statement of it failed, and nothing disturbed it.
    pub(super) fn must_roll_back(&mut self, held: Held, why: Why, whole: bool) -> Vec<Effect> {
        if self.plan.lets_go_by_itself() {
            // Nothing is held for a person, and what is left to see is kept without it.
            return self.roll_back(why, false);
        }
        self.requests.awaiting = None;
        self.leave_only_rollback(held, why, whole);
        Vec::new()
    }

    /// A person sees why, and nothing but ROLLBACK is left.
    pub(super) fn leave_only_rollback(&mut self, held: Held, why: Why, whole: bool) {
        self.newest.decided = true;
        self.phase = Phase::MustRollBack {
            held: held.without_pass(),
            why,
            whole,
            asking: false,
        };
    }

    fn settled(&mut self, same_transaction: bool) -> Vec<Effect> {
        let Phase::Verifying(pass) = &mut self.phase else {
            return Vec::new();
        };
        let pass = pass.take();
        if !same_transaction {
            self.newest.committer = Committer::Another;
            return self.transaction_gone();
        }
        if pass.cancelling.is_some() {
            return self.must_roll_back(pass.held, Why::Cancelled, true);
        }
        if self.newest.tally.fail > 0 {
            self.tell_differences(&pass);
            return self.must_roll_back(pass.held, Why::ChecksFailed, true);
        }
        let unchecked = self.plan.may_lack_checks && self.newest.tally == Tally::default();
        if !self.newest.tally.passes() && !unchecked {
            self.tell_differences(&pass);
            return self.must_roll_back(pass.held, Why::NothingPassed, true);
        }
        if self.journal_lost {
            return self.must_roll_back(pass.held, Why::JournalLost, true);
        }
        self.newest.got_to = Stage::Decide;
        match pass.approval.is_some() || self.plan.lets_go_by_itself() {
            true => self.take_down(pass),
            false => self.come_to_the_gate(pass.held),
        }
    }

    pub(super) fn come_to_the_gate(&mut self, held: Held) -> Vec<Effect> {
        self.requests.awaiting = None;
        self.newest.decided = true;
        self.phase = Phase::Deciding {
            held,
            prompt: Prompt::Closed,
            arming: plan::ARMING,
            consent: Consent::default(),
        };
        Vec::new()
    }
}
