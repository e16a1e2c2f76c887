//! The line that says: until the next key, and no longer than it is so.
//!
//! What tells of a state ("still being looked for", "press q again") is taken off with that state, and what
//! tells of a key stays until the next one.

use crate::facts::Standing;
use crate::gate::act::Act;
use crate::gate::machine::{Machine, Signature};
use crate::gate::offer::{Offer, Refusal};
use crate::gate::phase::{EarlierRun, Phase};
use crate::gate::plan;
use crate::runbook::Runbook;

#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) lasts: NoticeLasts,
}

#[derive(Debug, Clone)]
pub(super) enum NoticeLasts {
    UntilKey,
    /// As long as this would be said again.
    WhileRefused(Refusal),
    /// As long as the linter is under way.
    WhileLinted,
}

impl Notice {
    pub(super) fn is_so(&self, machine: &Machine, runbook: &Runbook) -> bool {
        match &self.lasts {
            NoticeLasts::UntilKey => true,
            NoticeLasts::WhileRefused(refusal) => is_still_refused(refusal, machine),
            NoticeLasts::WhileLinted => !runbook.is_read_through(),
        }
    }
}

/// Whether what is said with a refusal still holds: its reason, and each key that it names.
fn is_still_refused(refusal: &Refusal, machine: &Machine) -> bool {
    let phase = machine.phase();
    let cancelling = phase.cancelling();
    let on_checklist = matches!(phase, Phase::Checklist { .. });
    match refusal {
        // Of the key, not of what is.
        Refusal::NothingToDoHere | Refusal::NotDrawn => true,
        Refusal::NoSuchItem
        | Refusal::AlreadySigned
        | Refusal::NotSigned
        | Refusal::EvidenceFails
        | Refusal::NoEvidence
        | Refusal::ItemFails
        | Refusal::NotReadToEnd
        | Refusal::FindingsOpen(_)
        | Refusal::NothingToAcknowledge
        | Refusal::ReferenceMissing
        | Refusal::WordsMissing
        | Refusal::NoReference
        | Refusal::NameMissing
        | Refusal::ItemsUnsigned(_)
        | Refusal::JournalGone => on_checklist,
        Refusal::EvidenceAwaited => on_checklist && awaits_evidence(machine),
        Refusal::BackupUnderWay | Refusal::AlreadyStopping => machine.is_backing_up(),
        Refusal::AlreadyCancelling => cancelling.is_some_and(|since| since < plan::CANCEL_PATIENCE),
        Refusal::CancelWithoutEffect | Refusal::LookNotCancelled | Refusal::CommitNotCancelled => {
            cancelling == Some(plan::CANCEL_PATIENCE)
        }
        Refusal::NotArmed => matches!(phase, Phase::Deciding { .. } | Phase::Reviewing { .. }),
        Refusal::RehearsalNeverCommits | Refusal::HappensTwice(_) | Refusal::NothingKept(_) => {
            phase.held().is_some()
        }
        Refusal::MustRollBack(_) | Refusal::TransactionFailed => {
            matches!(phase, Phase::MustRollBack { .. } | Phase::Querying { .. })
        }
        Refusal::WrongName { .. }
        | Refusal::ReasonMissing
        | Refusal::SecondSignerMissing
        | Refusal::SamePerson => on_checklist || phase.prompt().is_for_commit(),
        Refusal::HoldAtMost => machine.offer(Act::Extend) == Offer::Refused(Refusal::HoldAtMost),
        Refusal::TransactionOpen => machine.may_part() && phase.held().is_some(),
        Refusal::ScriptRunning => {
            let runs = matches!(
                phase,
                Phase::Beginning { .. } | Phase::Applying(_) | Phase::Verifying(_)
            );
            machine.may_part() && runs
        }
        Refusal::OutcomeUnderWay => {
            let proven = matches!(
                phase,
                Phase::Committing { .. } | Phase::RollingBack { .. } | Phase::Inquiring { .. }
            );
            machine.may_part() && proven
        }
        Refusal::TooSoon => machine.may_part(),
        Refusal::CommitsByItself => machine.approval().is_some(),
        Refusal::NoNumbers(_) | Refusal::TooOld | Refusal::NotComparable(_) => {
            matches!(phase, Phase::Reviewing { .. })
        }
        Refusal::QueryRuns => machine.asks_outside() || matches!(phase, Phase::Querying { .. }),
        Refusal::AskedAlready => matches!(
            phase,
            Phase::Checklist {
                earlier: EarlierRun::Asked(_),
                ..
            }
        ),
    }
}

fn awaits_evidence(machine: &Machine) -> bool {
    let needed = machine.plan().items.iter();
    let mut items = machine.items().iter().zip(needed);
    items.any(|(item, needed): (&Signature, _)| {
        item.standing == Standing::Awaited || item.awaits_linter(needed)
    })
}
