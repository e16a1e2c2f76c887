//! Leaving by all means: after a signal, or when a person asks twice.
//!
//! Every phase obeys the same deadline. What is open is on its way to ROLLBACK by then; when its proof
//! does not come in time the link is closed and no more is said than what is known.

use super::Machine;
use crate::facts::{Alarm, Ending, Inquiry, Millis, Why};
use crate::gate::effect::Effect;
use crate::gate::offer::Refusal;
use crate::gate::phase::Phase;
use crate::gate::plan;

/// Why the proof was not waited for.
const OUT_OF_TIME: &str = "the program was to be left, and no answer came in time";

/// A run that is to be left by all means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leaving {
    pub(super) alarm: Alarm,
    /// How much longer the proof is waited for.
    pub(super) left: Millis,
}

impl Machine {
    /// `q`, where it is refused with `reason` until it is pressed again. As at the gate, a key that is
    /// held down never finds it open. In a second pass it does: there COMMIT would follow by itself.
    pub(super) fn refusal_to_part(&self, reason: Refusal) -> Option<Refusal> {
        match self.parting {
            Some(open) if open >= plan::ARMING || self.approval().is_some() => None,
            Some(_) => Some(Refusal::TooSoon),
            None => Some(reason),
        }
    }

    /// Whether `q` was refused, and stands open to be pressed again.
    pub fn may_part(&self) -> bool {
        self.parting.is_some()
    }

    /// The refusal of `q` is on the screen, or has been for long enough.
    pub(super) fn part(&mut self, elapsed: Millis) {
        let shown = self.shown;
        if let Some(open) = &mut self.parting
            && shown
        {
            *open += elapsed;
            if *open >= plan::PARTING {
                self.parting = None;
            }
        }
    }

    /// `q` was pressed again.
    pub(super) fn part_now(&mut self) -> Vec<Effect> {
        self.parting = None;
        self.alarmed(Alarm::Quit)
    }

    /// Whether the deadline is over with this tick.
    pub(super) fn is_out_of_time(&mut self, elapsed: Millis) -> bool {
        match &mut self.leaving {
            Some(leaving) => {
                leaving.left = leaving.left.saturating_sub(elapsed);
                leaving.left == 0
            }
            None => false,
        }
    }

    /// Why the run ends, where its transaction was rolled back for this reason: who leaves reviews nothing.
    pub(super) fn why_it_ends(&self, why: &Why) -> Why {
        match (why, self.leaving()) {
            (Why::ForReview, Some(alarm)) => Why::Alarmed(alarm.clone()),
            (why, _) => why.clone(),
        }
    }

    /// Leaves with what is known now.
    pub(super) fn leave_unproven(&mut self) -> Vec<Effect> {
        let Some(alarm) = self.leaving().cloned() else {
            return Vec::new();
        };
        let (sent, why) = match &self.phase {
            Phase::Committing { .. } => (true, Why::Alarmed(alarm)),
            Phase::RollingBack { after, .. } => (false, self.why_it_ends(after.why())),
            Phase::Inquiring {
                commit_sent,
                onward,
                ..
            } => (*commit_sent, self.why_it_ends(onward.why())),
            Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Querying { .. } => (false, Why::Alarmed(alarm)),
            // They are left at once by an alarm.
            Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Reviewing { .. }
            | Phase::Returning { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => return Vec::new(),
        };
        let mut effects = vec![Effect::Sever];
        let ending = match self.proof_without_server(sent, Inquiry::Unreachable(OUT_OF_TIME.into()))
        {
            Ok(proof) => Ending::RolledBack { why, proof },
            Err(reason) => Ending::Unknown { reason },
        };
        effects.extend(self.end(ending));
        effects
    }
}
