//! What the session reports, and what follows from it.
//!
//! A report of a request that is no longer waited for changes nothing, and COMMITTED is concluded
//! from the server's word alone (I3).

use super::{LOCK_NOT_AVAILABLE, Machine, TargetIdentity};
use crate::gate::effect::{Effect, Request};
use crate::gate::event::{
    Body, CommitAnswer, Evidence, Inquiry, Report, Standing, Target, XactStatus,
};
use crate::gate::phase::{Ending, Phase, Prompt, Proof, Stage, Why};
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
            Body::Connected(target) => {
                if self.phase == Phase::Returning {
                    return self.connected_for_second_pass(*target);
                }
                if self.phase != Phase::Connecting {
                    return Vec::new();
                }
                let mut effects = self.arrived(&target);
                if self.plan.keeps() {
                    self.reached = Some(Arc::new((*target).clone()));
                }
                self.database = Some(self.name_of(&target));
                self.phase = Phase::Checklist;
                self.awaiting = None;
                effects.extend(self.probe());
                effects
            }
            Body::ConnectFailed(error) => match self.phase {
                Phase::Connecting => self.end(Ending::NotConnected),
                Phase::Returning => self.not_connected_for_second_pass(&error),
                _ => Vec::new(),
            },
            Body::Begun { xid, .. } => {
                if self.phase != Phase::Beginning {
                    return Vec::new();
                }
                self.xid = Some(xid);
                self.whole = true;
                self.hold_left = Some(self.plan.hold_limit);
                self.phase = Phase::Applying { cancelling: None };
                vec![self.request(Request::RunScript)]
            }
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
            // Nothing that was done so far is worth keeping its locks while somebody else is waited
            // for: all of it goes back, and is tried again.
            Body::StatementFailed { error, .. }
                if self.phase == Phase::Applying { cancelling: None }
                    && error.sqlstate.as_deref() == Some(LOCK_NOT_AVAILABLE) =>
            {
                self.roll_back(Why::LockTimeout, false)
            }
            Body::StatementFailed { .. } => match self.phase {
                Phase::Applying { cancelling } => {
                    self.whole = false;
                    self.must_roll_back(if cancelling.is_some() {
                        Why::Cancelled
                    } else {
                        Why::StatementFailed
                    })
                }
                _ => Vec::new(),
            },
            Body::ScriptFinished => match self.phase {
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
            },
            Body::Settled { same_transaction } => match self.phase {
                Phase::Verifying { cancelling } => {
                    self.settled(same_transaction, cancelling.is_some())
                }
                _ => Vec::new(),
            },
            Body::TakenDown { structure, .. } => match self.phase {
                Phase::TakingDown { cancelling } => self.taken_down(&structure, cancelling),
                _ => Vec::new(),
            },
            Body::SettleFailed { deferred, .. } => match self.phase {
                Phase::Verifying { cancelling } => {
                    self.whole = false;
                    self.must_roll_back(match (cancelling, deferred) {
                        (Some(_), _) => Why::Cancelled,
                        (None, true) => Why::SettleFailed,
                        (None, false) => Why::NotSettled,
                    })
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
            Body::RollbackAnswered { tag, xact_status } => match &self.phase {
                Phase::RollingBack { why, .. } => {
                    let why = why.clone();
                    self.rollback_answered(why, tag, xact_status)
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
            Body::PostVerified { results } => match &self.phase {
                Phase::PostVerifying { proof } => {
                    let proof = proof.clone();
                    let mut tally = Tally::default();
                    for result in &results {
                        tally.add(Tally::of(&result.checks));
                    }
                    self.end(Ending::Committed {
                        proof,
                        post: Some(tally),
                    })
                }
                _ => Vec::new(),
            },
            Body::PostVerifyFailed(_) => match &self.phase {
                Phase::PostVerifying { proof } => {
                    let proof = proof.clone();
                    self.end(Ending::Committed { proof, post: None })
                }
                _ => Vec::new(),
            },
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

    pub(super) fn must_roll_back(&mut self, why: Why) -> Vec<Effect> {
        self.approval = None;
        if self.plan.lets_go_by_itself() {
            // Nothing is held for a person, and what is left to see is kept without it.
            return self.roll_back(why, false);
        }
        self.decided = true;
        self.awaiting = None;
        self.phase = Phase::MustRollBack { why, asking: false };
        Vec::new()
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
                let mut effects = vec![Effect::Sever];
                // What a script ended by itself it may have committed.
                effects.extend(self.inquire(true, Why::OtherTransaction));
                effects
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

    fn settled(&mut self, same_transaction: bool, cancelling: bool) -> Vec<Effect> {
        if !same_transaction {
            self.strayed = true;
            return self.transaction_gone();
        }
        if cancelling {
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

    fn commit_answered(&mut self, answer: CommitAnswer) -> Vec<Effect> {
        match answer {
            CommitAnswer::Tag {
                tag,
                idle: true,
                xact_status: xact_status @ (None | Some(XactStatus::Committed)),
            } if tag == "COMMIT" => self.committed(Proof::Tag { tag, xact_status }),
            CommitAnswer::Tag {
                xact_status: Some(XactStatus::Committed),
                tag,
                ..
            } => self.committed(Proof::Tag {
                tag,
                xact_status: Some(XactStatus::Committed),
            }),
            CommitAnswer::Tag {
                xact_status: Some(XactStatus::Aborted),
                tag,
                ..
            } if tag == "ROLLBACK" => self.rolled_back(
                Why::CommitRefused,
                Proof::Tag {
                    tag,
                    xact_status: Some(XactStatus::Aborted),
                },
            ),
            CommitAnswer::Refused {
                xact_status: Some(XactStatus::Aborted),
                ..
            } => self.rolled_back(Why::CommitRefused, Proof::Refused),
            CommitAnswer::Local {
                warning,
                idle,
                xact_status,
            } if xact_status == Some(XactStatus::Committed) || (idle && xact_status.is_none()) => {
                self.committed(Proof::Local {
                    warning: warning.message,
                    xact_status,
                })
            }
            CommitAnswer::OtherTransaction { .. } => {
                // Another transaction may be open on that session now: it must not stay.
                let mut effects = vec![Effect::Sever];
                effects.extend(self.inquire(true, Why::OtherTransaction));
                effects
            }
            // Anything less than a proof is asked for afresh.
            CommitAnswer::Tag { .. }
            | CommitAnswer::Local { .. }
            | CommitAnswer::Refused { .. } => {
                let mut effects = vec![Effect::Sever];
                effects.extend(self.inquire(true, Why::CommitRefused));
                effects
            }
            CommitAnswer::LinkLost(_) => self.inquire(true, Why::SessionEnded),
        }
    }

    fn rollback_answered(
        &mut self,
        why: Why,
        tag: String,
        xact_status: Option<XactStatus>,
    ) -> Vec<Effect> {
        if self.xid.is_none() {
            return self.rolled_back(why, Proof::NeverBegun);
        }
        match xact_status {
            Some(XactStatus::Aborted) => self.rolled_back(why, Proof::Tag { tag, xact_status }),
            // The script had committed by itself; the truth goes before what was wished.
            Some(XactStatus::Committed) => self.committed(Proof::Tag { tag, xact_status }),
            Some(XactStatus::InProgress) | None => {
                let mut effects = vec![Effect::Sever];
                effects.extend(self.inquire(false, why));
                effects
            }
        }
    }

    fn inquired(&mut self, inquiry: Inquiry, sent: bool, reason: Why) -> Vec<Effect> {
        match inquiry {
            Inquiry::Answered {
                status: XactStatus::Committed,
                server,
            } => self.committed(Proof::Asked { server }),
            Inquiry::Answered {
                status: XactStatus::Aborted,
                server,
            } => self.rolled_back(reason, Proof::Asked { server }),
            Inquiry::Answered {
                status: XactStatus::InProgress,
                ..
            } => self.found_in_progress(inquiry, sent),
            Inquiry::Prepared { gid, server } => self.end(Ending::Prepared { gid, server }),
            Inquiry::OtherServer(_) | Inquiry::Unknowable(_) | Inquiry::Unreachable(_) => {
                self.unproven(sent, reason, inquiry)
            }
        }
    }

    /// Asked again after a pause that grows, and not for ever.
    fn found_in_progress(&mut self, inquiry: Inquiry, sent: bool) -> Vec<Effect> {
        let ends = !sent || self.leaving.is_some();
        let Phase::Inquiring {
            still_open, times, ..
        } = &mut self.phase
        else {
            return Vec::new();
        };
        *times += 1;
        let times = *times;
        if times >= plan::INQUIRIES {
            return self.end(Ending::Unknown { reason: inquiry });
        }
        // Nothing is lost by ending it at once where it can only be rolled back, or nobody is there
        // to ask.
        if ends && times == 1 {
            return vec![self.request(Request::EndBackend)];
        }
        *still_open = Some(plan::ask_again(times));
        self.awaiting = None;
        Vec::new()
    }

    /// What can be said where the server cannot: what was never asked to commit cannot have been
    /// committed, unless something else ended it.
    pub(super) fn unproven(&mut self, sent: bool, why: Why, reason: Inquiry) -> Vec<Effect> {
        if sent || self.strayed {
            self.end(Ending::Unknown { reason })
        } else if self.xid.is_none() {
            self.rolled_back(why, Proof::NeverBegun)
        } else {
            self.rolled_back(why, Proof::NeverSent { reason })
        }
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
