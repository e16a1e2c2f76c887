//! Cancelling what is no part of the script: what is looked at with nothing held, and COMMIT.
//!
//! What a person cancels inside the held transaction its phase knows; this is the rest. A cancel that has
//! no effect is told after the same time, and its key does something else from then on.

use super::Machine;
use super::offering::refusal_to_cancel;
use super::passing::wait_for_cancel;
use crate::facts::Millis;
use crate::gate::effect::Effect;
use crate::gate::offer::{Offer, Refusal};
use crate::gate::phase::Phase;

/// What can be cancelled outside of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CancelledBeside {
    /// Evidence, a query in the review, the post-verification: nothing is held by them.
    Look,
    /// COMMIT, once it is seen to wait.
    Commit,
}

impl Machine {
    fn cancelled_beside(&self) -> Option<CancelledBeside> {
        match &self.phase {
            Phase::Checklist { probing, .. } => probing.map(|_| CancelledBeside::Look),
            Phase::Reviewing { .. } => self.requests.awaiting.map(|_| CancelledBeside::Look),
            Phase::PostVerifying { .. } => Some(CancelledBeside::Look),
            Phase::Committing { waits, .. } => waits.then_some(CancelledBeside::Commit),
            Phase::Connecting
            | Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Querying { .. }
            | Phase::Returning { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => None,
        }
    }

    /// As [`Machine::offer`], wherever [`Machine::cancel_beside`] is what `x` does.
    pub(super) fn offer_to_cancel_beside(&self) -> Offer {
        match self.cancelled_beside() {
            Some(_) => Offer::unless(refusal_to_cancel(self.phase.cancelling())),
            None => Offer::Absent,
        }
    }

    /// On the checklist evidence is cancelled first, then the backup that is under way beside it.
    pub(super) fn offer_to_cancel_on_checklist(&self) -> Offer {
        let backup = self.offer_to_stop_backup();
        match self.offer_to_cancel_beside() {
            Offer::Absent => backup,
            Offer::Refused(_) if backup.is_open() => backup,
            looking => looking,
        }
    }

    pub(super) fn cancel_on_checklist(&mut self) -> Vec<Effect> {
        match self.offer_to_cancel_beside() {
            Offer::Open => self.cancel_beside(),
            Offer::Absent | Offer::Refused(_) => self.stop_backup(),
        }
    }

    /// What runs is cancelled. Asked once more after that had no effect: nothing is lost by closing the
    /// link of what holds nothing, and COMMIT can only be asked again.
    pub(super) fn cancel_beside(&mut self) -> Vec<Effect> {
        let cancelling = self.phase.cancelling_mut();
        let again = cancelling.is_some_and(|since| since.replace(0).is_some());
        match self.cancelled_beside() {
            Some(CancelledBeside::Look) if again => vec![Effect::Sever],
            // As Ctrl-C does in psql: what is committed here stays committed here.
            Some(CancelledBeside::Look | CancelledBeside::Commit) => vec![Effect::Cancel],
            None => Vec::new(),
        }
    }

    /// As [`Phase::cancelling`], wherever [`Machine::cancel_beside`] is what `x` does.
    pub fn cancelled_for(&self) -> Option<Millis> {
        self.cancelled_beside()?;
        self.phase.cancelling()
    }

    /// Time passes for what was cancelled.
    pub(super) fn ticked_beside(&mut self, elapsed: Millis) -> Vec<Effect> {
        let Some(what) = self.cancelled_beside() else {
            return Vec::new();
        };
        let Some(cancelling) = self.phase.cancelling_mut() else {
            return Vec::new();
        };
        // A cancel request can fall between two requests and hit nothing. COMMIT is one, and runs.
        let again =
            (cancelling.is_some() && what == CancelledBeside::Look).then_some(Effect::Cancel);
        let told = wait_for_cancel(cancelling, elapsed).map(|_| {
            Effect::Refuse(match what {
                CancelledBeside::Look => Refusal::LookNotCancelled,
                CancelledBeside::Commit => Refusal::CommitNotCancelled,
            })
        });
        again.into_iter().chain(told).collect()
    }
}
