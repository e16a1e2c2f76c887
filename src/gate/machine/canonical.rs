//! For the exhaustive walk alone: which reports can come now, and what two states differ in that no
//! decision reads.

use super::Machine;
use super::backing_up::BackingUp;
use super::newest::{Committer, Newest};
use crate::facts::{Ending, Millis, Standing};
use crate::gate::event::{Document, Seq};
use crate::gate::pass::Pass;
use crate::gate::phase::{EarlierRun, Phase, PhaseKind};
use crate::gate::plan;
use crate::runbook::check::Tally;

impl Machine {
    /// Request numbers that are waited for now.
    pub(crate) fn sequence_numbers(&self) -> Vec<Seq> {
        let dump = self.backing_up.under_way.map(|now| now.seq);
        let mut expected = self.requests.expected(self.phase.probes(), dump);
        if let Phase::Checklist {
            earlier: EarlierRun::Asked(seq),
            ..
        } = self.phase
        {
            expected.push(seq);
        }
        expected
    }

    pub(in crate::gate) fn relabel(&mut self, pass: Pass) {
        if let Phase::Reviewing { basis, .. } = &mut self.phase {
            basis.let_go_mut().relabel(pass);
        }
    }

    /// Reduces what is unbounded to what the machine can tell apart.
    pub(in crate::gate) fn canonical(&mut self) {
        let may_lack_checks = self.plan.may_lack_checks;
        self.requests.canonical();
        for item in self.items_mut() {
            item.canonical();
        }
        self.backing_up = match &self.phase {
            Phase::Connecting | Phase::Checklist { .. } | Phase::Ended(Ending::NotConnected) => {
                self.backing_up.canonical(4)
            }
            // No other phase reads or changes it. The walk goes on as if there was no dump; with one,
            // the checklist is walked on its first visit.
            _ => BackingUp::default(),
        };
        self.newest.canonical(&self.phase, may_lack_checks);
        let limit = self.plan.approval_limit();
        if let Some(let_go) = self.phase.let_go_mut() {
            let_go.canonical(limit);
        }
        // From each state it is tried by itself: `hold_leaving` of the walk.
        self.parting = None;
        if let Some(leaving) = &mut self.leaving {
            leaving.left = plan::LEAVING;
        }
        match &mut self.phase {
            Phase::Applying(pass) | Phase::Verifying(pass) | Phase::TakingDown(pass) => {
                shorten(&mut pass.cancelling);
            }
            // What is approved was reviewed, and has forgotten it already.
            Phase::Reviewing {
                basis, cancelling, ..
            } => {
                basis.forget_proof();
                shorten(cancelling);
            }
            // One tick before the next attempt is as good as any time before.
            Phase::Waiting {
                left,
                approval: Some(_),
                ..
            } => *left = (*left).min(plan::ARMING),
            Phase::Committing { cancelling, .. } | Phase::PostVerifying { cancelling, .. } => {
                shorten(cancelling)
            }
            Phase::Checklist { probing, earlier } => {
                if let Some(probing) = probing {
                    probing.seq = 2;
                    shorten(&mut probing.cancelling);
                }
                if let EarlierRun::Asked(seq) = earlier {
                    *seq = 4;
                }
            }
            Phase::Querying {
                left, cancelling, ..
            } => {
                shorten(cancelling);
                // The end of a query's time asks for the same cancel.
                *left = u64::from(cancelling.is_none());
            }
            Phase::Inquiring { times, .. } => *times = 0,
            _ => {}
        }
    }
}

impl super::Signature {
    fn canonical(&mut self) {
        // They differ only for the eye.
        self.standing = match self.standing {
            Standing::Warns | Standing::Asks => Standing::Holds,
            Standing::Silent => Standing::Fails,
            Standing::Awaited | Standing::Holds | Standing::Fails => self.standing,
        };
        // Where no rollback script is unread, a rehearsal stands for nothing.
        self.rehearsed &= self.unread.iter().any(|unread| *unread != Document::Script);
    }
}

impl Newest {
    fn canonical(&mut self, phase: &Phase, may_lack_checks: bool) {
        // The rest is kept for whoever asks later; no decision reads it.
        *self = Newest {
            attempt: self.attempt,
            xid: self.xid.take(),
            tally: Tally {
                pass: self.tally.pass.min(1),
                // A warning tells a script without checks from one whose checks do not pass.
                warn: self.tally.warn.min(u32::from(may_lack_checks)),
                fail: self.tally.fail.min(1),
            },
            committer: self.committer.canonical(phase),
            ..Newest::default()
        };
    }
}

impl Committer {
    fn canonical(self, phase: &Phase) -> Committer {
        match (phase, phase.kind()) {
            (Phase::Committing { .. }, _) => Committer::Us,
            (
                Phase::Inquiring { .. }
                | Phase::Ended(Ending::Unknown { .. } | Ending::Prepared { .. }),
                _,
            ) if self == Committer::Answered => self,
            // Where the server is asked once COMMIT may have been sent, both say that it may be committed.
            (
                Phase::Inquiring {
                    commit_sent: true, ..
                }
                | Phase::Ended(Ending::Unknown { .. } | Ending::Prepared { .. }),
                _,
            ) if self != Committer::Nobody => Committer::Another,
            (_, PhaseKind::RollingBack | PhaseKind::Inquiring) if self == Committer::Another => {
                self
            }
            // Afterwards it is read for the eye alone, until the next transaction.
            _ => Committer::Nobody,
        }
    }
}

/// One tick before it is enough is as good as any time before.
fn shorten(cancelling: &mut Option<Millis>) {
    if let Some(since) = cancelling
        && *since < plan::CANCEL_PATIENCE
    {
        *since = plan::CANCEL_PATIENCE - plan::ARMING;
    }
}
