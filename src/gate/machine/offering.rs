//! What each act is now: absent, open, or refused with the reason.

use super::{Machine, Signature};
use crate::facts::{Ending, Millis};
use crate::gate::act::Act;
use crate::gate::offer::{Offer, Refusal};
use crate::gate::phase::{Held, Phase, Prompt};
use crate::gate::plan::{self, Mode, Unheld};

impl Machine {
    /// What the act is now: the footer, the help, the typed words and dispatch all ask this, so what is
    /// shown is what happens.
    pub fn offer(&self, act: Act) -> Offer {
        match &self.phase {
            Phase::Connecting => match act {
                Act::Quit => Offer::Open,
                _ => Offer::Absent,
            },
            Phase::Checklist { .. } => self.offer_on_checklist(act),
            Phase::Waiting { .. } | Phase::Returning { .. } => match act {
                Act::Cancel | Act::Quit => Offer::Open,
                _ => Offer::Absent,
            },
            Phase::Reviewing { prompt, arming, .. } => self.offer_in_review(act, *prompt, *arming),
            Phase::Beginning { .. } => match act {
                Act::Cancel => Offer::Open,
                Act::AskRollback => self.offer_to_roll_back_while_it_runs(),
                Act::Quit => Offer::unless(self.refusal_to_part(Refusal::ScriptRunning)),
                _ => Offer::Absent,
            },
            Phase::Applying(pass) | Phase::Verifying(pass) => match act {
                Act::Cancel => Offer::unless(refusal_to_cancel(pass.cancelling)),
                Act::Extend => Offer::unless(self.refusal_to_extend()),
                Act::AskRollback => self.offer_to_roll_back_while_it_runs(),
                Act::Quit => Offer::unless(self.refusal_to_part(Refusal::ScriptRunning)),
                _ => Offer::Absent,
            },
            Phase::TakingDown(pass) => match act {
                Act::Cancel => Offer::unless(refusal_to_cancel(pass.cancelling)),
                Act::Extend => Offer::unless(self.refusal_to_extend()),
                Act::AskRollback => self.offer_to_roll_back_while_it_runs(),
                Act::Quit => Offer::unless(self.refusal_to_part(Refusal::TransactionOpen)),
                _ => Offer::Absent,
            },
            Phase::Deciding {
                held,
                prompt,
                arming,
                ..
            } => self.offer_at_gate(act, held, *prompt, *arming),
            Phase::MustRollBack {
                why, asking, whole, ..
            } => match act {
                Act::AskRollback => Offer::open_if(!*asking),
                Act::ConfirmRollback | Act::StepBack => Offer::open_if(*asking),
                Act::AskCommit => Offer::Refused(Refusal::MustRollBack(why.clone())),
                Act::Query if !asking => {
                    Offer::unless((!whole).then_some(Refusal::TransactionFailed))
                }
                Act::Extend => Offer::unless(self.refusal_to_extend()),
                Act::Quit => Offer::unless(self.refusal_to_part(Refusal::TransactionOpen)),
                _ => Offer::Absent,
            },
            Phase::Querying { .. } => self.offer_while_querying(act),
            // Of ROLLBACK nothing is cancelled.
            Phase::Committing { .. } | Phase::RollingBack { .. } => match act {
                Act::Cancel => self.offer_to_cancel_beside(),
                Act::Quit => Offer::unless(self.refusal_to_part(Refusal::OutcomeUnderWay)),
                _ => Offer::Absent,
            },
            Phase::Inquiring { still_open, .. } => match act {
                Act::EndBackend => Offer::open_if(still_open.is_some()),
                Act::Quit => Offer::unless(self.refusal_to_part(Refusal::OutcomeUnderWay)),
                _ => Offer::Absent,
            },
            Phase::PostVerifying { .. } => match act {
                Act::Cancel => self.offer_to_cancel_beside(),
                Act::Quit => Offer::Open,
                _ => Offer::Absent,
            },
            Phase::Ended(ending) => match act {
                Act::Quit => Offer::Open,
                Act::Again => Offer::open_if(matches!(
                    ending,
                    Ending::RolledBack { .. } | Ending::NotConnected
                )),
                Act::AskOutcome => Offer::open_if(matches!(
                    ending,
                    Ending::Unknown { .. } | Ending::Prepared { .. }
                )),
                _ => Offer::Absent,
            },
            Phase::Left(_) => Offer::Absent,
        }
    }

    /// Nobody is asked behind a second pass: whoever wants it rolled back is told what does that.
    fn offer_to_roll_back_while_it_runs(&self) -> Offer {
        match self.approval() {
            Some(_) => Offer::Refused(Refusal::CommitsByItself),
            None => Offer::Absent,
        }
    }

    fn offer_on_checklist(&self, act: Act) -> Offer {
        match act {
            Act::SignOff | Act::Withdraw => match self.plan.mode {
                Mode::Run if !self.items.is_empty() => Offer::Open,
                Mode::Run | Mode::Rehearse | Mode::Inspect => Offer::Absent,
            },
            Act::Acknowledge => {
                let any = self.items.iter().any(|item| item.open_findings() > 0);
                Offer::open_if(self.plan.mode == Mode::Run && any)
            }
            Act::ProbeAgain => Offer::unless(
                self.phase
                    .probes()
                    .is_some()
                    .then_some(Refusal::EvidenceAwaited),
            ),
            Act::BackUp => self.offer_to_back_up(),
            Act::Cancel => self.offer_to_cancel_on_checklist(),
            Act::Apply if self.is_backing_up() => Offer::Refused(Refusal::BackupUnderWay),
            Act::Apply => match self.plan.mode {
                Mode::Inspect => Offer::Absent,
                Mode::Rehearse if self.phase.probes().is_some() => {
                    Offer::Refused(Refusal::EvidenceAwaited)
                }
                Mode::Rehearse => {
                    let fails = |item: &Signature| item.standing.forbids();
                    Offer::unless(self.items.iter().any(fails).then_some(Refusal::ItemFails))
                }
                Mode::Run if self.journal_lost => Offer::Refused(Refusal::JournalGone),
                Mode::Run => {
                    let unsigned = self.items.iter().filter(|item| !item.signed).count();
                    if unsigned > 0 {
                        Offer::Refused(Refusal::ItemsUnsigned(unsigned))
                    } else if self.phase.probes().is_some() {
                        Offer::Refused(Refusal::EvidenceAwaited)
                    } else {
                        Offer::Open
                    }
                }
            },
            Act::LeaveOut => Offer::open_if(self.plan.other_form),
            Act::AskOutcome => self.offer_to_ask_earlier(),
            Act::Quit => Offer::Open,
            Act::AskCommit
            | Act::Answer
            | Act::AskRollback
            | Act::ConfirmRollback
            | Act::StepBack
            | Act::TakeTime
            | Act::Query
            | Act::AllowNumbers
            | Act::Extend
            | Act::Again
            | Act::EndBackend => Offer::Absent,
        }
    }

    fn offer_at_gate(&self, act: Act, held: &Held, prompt: Prompt, arming: Millis) -> Offer {
        match act {
            Act::AskCommit => match (self.plan.mode, prompt) {
                (Mode::Rehearse | Mode::Inspect, _) => {
                    Offer::Refused(Refusal::RehearsalNeverCommits)
                }
                (Mode::Run, Prompt::Closed) if arming > 0 => Offer::Refused(Refusal::NotArmed),
                (Mode::Run, Prompt::Closed) => Offer::Open,
                (
                    Mode::Run,
                    Prompt::Reason | Prompt::SecondSigner | Prompt::Name | Prompt::RollBack,
                ) => Offer::Absent,
            },
            Act::Answer => Offer::open_if(prompt.is_for_commit()),
            Act::AskRollback => Offer::open_if(prompt == Prompt::Closed),
            Act::ConfirmRollback => Offer::open_if(prompt == Prompt::RollBack),
            Act::StepBack => Offer::open_if(prompt != Prompt::Closed),
            Act::TakeTime if prompt == Prompt::Closed => self.offer_to_take_time(held, arming),
            Act::Query => Offer::open_if(prompt == Prompt::Closed),
            Act::Extend => Offer::unless(self.refusal_to_extend()),
            Act::Quit => Offer::unless(self.refusal_to_part(Refusal::TransactionOpen)),
            Act::SignOff
            | Act::Withdraw
            | Act::Acknowledge
            | Act::ProbeAgain
            | Act::BackUp
            | Act::LeaveOut
            | Act::Apply
            | Act::Cancel
            | Act::TakeTime
            | Act::AllowNumbers
            | Act::Again
            | Act::EndBackend
            | Act::AskOutcome => Offer::Absent,
        }
    }

    /// Whether the pass can be let go at the gate, where that has a meaning at all.
    fn offer_to_take_time(&self, held: &Held, arming: Millis) -> Offer {
        match (&self.plan.unheld, self.plan.mode) {
            (Unheld::Never, _) | (_, Mode::Rehearse | Mode::Inspect) => Offer::Absent,
            (Unheld::Refused(what), Mode::Run) => {
                Offer::Refused(Refusal::HappensTwice(what.clone()))
            }
            (Unheld::Offered { .. }, Mode::Run) => match self.why_nothing_is_kept(held) {
                Some(why) => Offer::Refused(Refusal::NothingKept(why)),
                None => Offer::unless((arming > 0).then_some(Refusal::NotArmed)),
            },
        }
    }

    fn offer_in_review(&self, act: Act, prompt: Prompt, arming: Millis) -> Offer {
        let closed = prompt == Prompt::Closed;
        let runs = self
            .requests
            .awaiting
            .is_some()
            .then_some(Refusal::QueryRuns);
        match act {
            Act::AskCommit if closed => {
                Offer::unless(if let Some(why) = self.why_not_comparable() {
                    Some(Refusal::NotComparable(why))
                } else if self.approvable_for() == Some(0) {
                    Some(Refusal::TooOld)
                } else if runs.is_some() {
                    runs
                } else {
                    (arming > 0).then_some(Refusal::NotArmed)
                })
            }
            Act::Answer => Offer::open_if(prompt.is_for_commit()),
            Act::AskRollback | Act::AllowNumbers => Offer::open_if(closed),
            Act::ConfirmRollback => Offer::open_if(prompt == Prompt::RollBack),
            Act::StepBack => Offer::open_if(!closed),
            Act::Query if closed => Offer::unless(runs),
            Act::Cancel => self.offer_to_cancel_beside(),
            Act::Quit => Offer::Open,
            Act::SignOff
            | Act::Withdraw
            | Act::Acknowledge
            | Act::ProbeAgain
            | Act::BackUp
            | Act::LeaveOut
            | Act::Apply
            | Act::AskCommit
            | Act::Query
            | Act::TakeTime
            | Act::Extend
            | Act::Again
            | Act::EndBackend
            | Act::AskOutcome => Offer::Absent,
        }
    }

    fn offer_while_querying(&self, act: Act) -> Offer {
        let Phase::Querying {
            cancelling, asking, ..
        } = self.phase
        else {
            return Offer::Absent;
        };
        match act {
            Act::Cancel => Offer::unless(refusal_to_cancel(cancelling)),
            Act::AskRollback => Offer::open_if(!asking),
            Act::ConfirmRollback | Act::StepBack => Offer::open_if(asking),
            Act::Extend => Offer::unless(self.refusal_to_extend()),
            Act::Quit => Offer::unless(self.refusal_to_part(Refusal::TransactionOpen)),
            Act::SignOff
            | Act::Withdraw
            | Act::Acknowledge
            | Act::BackUp
            | Act::LeaveOut
            | Act::ProbeAgain
            | Act::Apply
            | Act::AskCommit
            | Act::Answer
            | Act::Query
            | Act::TakeTime
            | Act::AllowNumbers
            | Act::Again
            | Act::EndBackend
            | Act::AskOutcome => Offer::Absent,
        }
    }

    fn refusal_to_extend(&self) -> Option<Refusal> {
        let most = self.plan.hold_limit * 2;
        match self.hold_left() {
            Some(left) if left + self.plan.hold_limit <= most => None,
            Some(_) | None => Some(Refusal::HoldAtMost),
        }
    }
}

/// `x`, once it was pressed: nothing more until its having no effect is told, and the way out then.
pub(super) fn refusal_to_cancel(cancelling: Option<Millis>) -> Option<Refusal> {
    let waits = cancelling.is_some_and(|since| since < plan::CANCEL_PATIENCE);
    waits.then_some(Refusal::AlreadyCancelling)
}
