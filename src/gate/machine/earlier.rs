//! A run before this one whose outcome nobody knows: the server is asked about it, beside everything else.
//!
//! It is asked on a connection of its own, so the held session takes no notice; nothing waits for the
//! answer, and whoever goes on without it is let.

use super::Machine;
use crate::facts::OutcomeAnswer;
use crate::gate::effect::{Effect, Request};
use crate::gate::event::Seq;
use crate::gate::offer::{Offer, Refusal};
use crate::gate::phase::{EarlierRun, Phase};
use crate::gate::plan::Mode;

impl Machine {
    fn earlier(&mut self) -> Option<&mut EarlierRun> {
        match &mut self.phase {
            Phase::Checklist { earlier, .. } => Some(earlier),
            _ => None,
        }
    }

    /// Whether the server is being asked about it.
    #[cfg(test)]
    pub(in crate::gate) fn asks_earlier(&self) -> bool {
        matches!(
            self.phase,
            Phase::Checklist {
                earlier: EarlierRun::Asked(_),
                ..
            }
        )
    }

    /// As [`Machine::offer`], on the checklist.
    pub(super) fn offer_to_ask_earlier(&self) -> Offer {
        match (&self.phase, self.plan.mode) {
            (Phase::Checklist { earlier, .. }, Mode::Run) => match earlier {
                EarlierRun::Known => Offer::Absent,
                EarlierRun::LeftOpen => Offer::Open,
                EarlierRun::Asked(_) => Offer::Refused(Refusal::AskedAlready),
            },
            _ => Offer::Absent,
        }
    }

    pub(super) fn ask_earlier(&mut self) -> Vec<Effect> {
        let seq = self.requests.number_beside();
        if let Some(earlier) = self.earlier() {
            *earlier = EarlierRun::Asked(seq);
        }
        let request = Request::AskEarlier;
        vec![Effect::Request { seq, request }]
    }

    /// Whether there is one on the database that was reached. What is asked already is answered.
    pub(super) fn left_open(&mut self, any: bool) -> Vec<Effect> {
        match self.earlier() {
            None | Some(EarlierRun::Asked(_)) => {}
            Some(earlier) => {
                *earlier = match any {
                    true => EarlierRun::LeftOpen,
                    false => EarlierRun::Known,
                };
            }
        }
        Vec::new()
    }

    /// The answer. Whether another run is still open is told after it. With what is settled the evidence
    /// is another.
    pub(super) fn earlier_answered(&mut self, seq: Seq, answer: &OutcomeAnswer) -> Vec<Effect> {
        match self.earlier() {
            Some(earlier) if *earlier == EarlierRun::Asked(seq) => *earlier = EarlierRun::LeftOpen,
            _ => return Vec::new(),
        }
        let mut effects = vec![Effect::Say(answer.in_short().to_owned())];
        if answer.settled && self.phase.probes().is_none() {
            effects.extend(self.probe());
        }
        effects
    }
}
