//! For the exhaustive walk alone: which reports can come now, and what two states differ in that no
//! decision reads.

use super::{Machine, backing_up};
use crate::gate::consent::Consent;
use crate::gate::ending::{Ending, Proof};
use crate::gate::event::{Document, Seq, Standing};
use crate::gate::pass::Pass;
use crate::gate::phase::{Phase, Stage};
use crate::gate::plan;
use std::sync::Arc;

impl Machine {
    /// Request numbers that are waited for now.
    pub(crate) fn sequence_numbers(&self) -> Vec<Seq> {
        let dump = self.backing_up.under_way.map(|now| now.seq);
        let awaited = self.awaiting.into_iter().chain(self.probing);
        let mut current: Vec<Seq> = awaited.chain(dump).collect();
        // A session's end may come with any number of the present session.
        if current.is_empty() && self.last_seq >= self.session_since {
            current.push(self.last_seq);
        }
        current
    }

    /// What is reviewed is this pass from here on.
    pub(in crate::gate) fn relabel(&mut self, pass: Pass) {
        if let Some(basis) = &mut self.basis {
            basis.shown = Arc::new(pass);
        }
    }

    /// Reduces what is unbounded to what the machine can tell apart.
    pub(in crate::gate) fn canonical(&mut self) {
        self.session_since = 1;
        self.probing = self.probing.map(|_| 2);
        self.awaiting = self.awaiting.map(|_| 3);
        self.last_seq = 4;
        for item in &mut self.items {
            // They differ only for the eye.
            item.standing = match item.standing {
                Standing::Warns | Standing::Asks => Standing::Holds,
                Standing::Silent => Standing::Fails,
                Standing::Awaited | Standing::Holds | Standing::Fails => item.standing,
            };
        }
        self.backing_up = match self.phase {
            Phase::Connecting | Phase::Checklist | Phase::Ended(Ending::NotConnected) => {
                self.backing_up.canonical(4)
            }
            // No other phase reads or changes it. The walk goes on as if there was no dump; with one,
            // the checklist is walked on its first visit.
            Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::Querying { .. }
            | Phase::MustRollBack { .. }
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Reviewing { .. }
            | Phase::Returning
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => backing_up::BackingUp::default(),
        };
        if let Phase::Applying {
            cancelling: Some(since),
        }
        | Phase::Verifying {
            cancelling: Some(since),
        }
        | Phase::TakingDown {
            cancelling: Some(since),
        }
        | Phase::Querying {
            cancelling: Some(since),
            ..
        } = &mut self.phase
            && *since < plan::CANCEL_PATIENCE
        {
            // One tick before it is enough is as good as any time before.
            *since = plan::CANCEL_PATIENCE - plan::ARMING;
        }
        if let Some(since) = &mut self.cancelled
            && *since < plan::CANCEL_PATIENCE
        {
            *since = plan::CANCEL_PATIENCE - plan::ARMING;
        }
        self.tally.pass = self.tally.pass.min(1);
        // A warning tells a script without checks from one whose checks do not pass.
        let told_apart = if self.plan.may_lack_checks { 1 } else { 0 };
        self.tally.warn = self.tally.warn.min(told_apart);
        self.tally.fail = self.tally.fail.min(1);
        // It is asked for anew whenever the gate is.
        if !matches!(self.phase, Phase::Deciding { .. }) {
            self.consent = Consent::default();
        }
        // Kept for whoever asks later; no decision reads it.
        self.ending = None;
        self.compared = None;
        let limit = self.plan.approval_limit();
        // What came out is decided on from the verdict to the decision.
        if !matches!(
            self.phase,
            Phase::Verifying { .. }
                | Phase::TakingDown { .. }
                | Phase::Deciding { .. }
                | Phase::Querying { why: None, .. }
        ) {
            self.came_out = None;
        }
        if let Some(basis) = &mut self.basis {
            basis.age = basis.age.min(limit);
            basis.proof = basis.proof.as_ref().map(|_| Proof::NeverBegun);
        }
        if let Some(approval) = &mut self.approval {
            approval.canonical(limit);
            // One tick before the next attempt is as good as any time before.
            if let Phase::Waiting { left, .. } = &mut self.phase {
                *left = (*left).min(plan::ARMING);
            }
        }
        // Where no rollback script is unread, a rehearsal stands for nothing.
        for item in &mut self.items {
            item.rehearsed &= item.unread.iter().any(|unread| *unread != Document::Script);
        }
        self.got_to = Stage::Apply;
        self.decided = false;
        self.waits &= self.phase == Phase::Committing;
        // Where the server is asked once COMMIT may have been sent, both say that it may be committed.
        if let Phase::Inquiring {
            commit_sent: true, ..
        }
        | Phase::Ended(Ending::Unknown { .. } | Ending::Prepared { .. }) = self.phase
        {
            self.strayed |= self.sent;
        } else {
            // Afterwards it is read for the eye alone, until the next transaction.
            self.strayed &= matches!(
                self.phase,
                Phase::RollingBack { .. } | Phase::Inquiring { .. }
            );
        }
        self.sent &= self.phase == Phase::Committing;
        // From each state it is tried by itself: `hold_leaving` of the walk.
        self.parting = None;
        self.leave_in = self.leave_in.map(|_| plan::LEAVING);
        if let Phase::Inquiring { times, .. } = &mut self.phase {
            *times = 0;
        }
        // Nor the end of a query's time, beside the cancel that it asks for.
        if let Phase::Querying {
            left, cancelling, ..
        } = &mut self.phase
        {
            *left = u64::from(cancelling.is_none());
        }
    }
}
