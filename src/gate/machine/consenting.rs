//! What COMMIT asks, step by step. The one warrant for it is made here (I1).

use super::Machine;
use crate::facts::Consent;
use crate::gate::act::Command;
use crate::gate::effect::{Effect, Request};
use crate::gate::offer::Refusal;
use crate::gate::phase::{Held, Phase, Prompt};
use crate::gate::warrant::Warrant;
use crate::runbook::check::Tally;

impl Machine {
    /// Each step to COMMIT: an answer is taken by the prompt that asked for it alone.
    pub(super) fn asked_to_commit(&mut self, command: Command) -> Vec<Effect> {
        let (Phase::Deciding { prompt, .. } | Phase::Reviewing { prompt, .. }) = &self.phase else {
            return vec![Effect::Refuse(Refusal::NothingToDoHere)];
        };
        let refusal = match (*prompt, command) {
            (Prompt::Closed, Command::AskCommit) => {
                self.say_to_commit(|consent| *consent = Consent::default());
                return self.open_prompt(self.next_prompt());
            }
            (Prompt::Reason, Command::ReasonGiven(reason)) => match reason.trim() {
                "" => Refusal::ReasonMissing,
                reason => {
                    self.say_to_commit(|consent| consent.reason = Some(reason.to_owned()));
                    return self.open_prompt(self.next_prompt());
                }
            },
            (Prompt::SecondSigner, Command::SecondSigned(name)) => match name.trim() {
                "" => Refusal::SecondSignerMissing,
                name if self
                    .plan
                    .second_signer
                    .as_ref()
                    .is_some_and(|first| first.is(name)) =>
                {
                    Refusal::SamePerson
                }
                name => {
                    self.say_to_commit(|consent| consent.second_signer = Some(name.to_owned()));
                    return self.open_prompt(self.next_prompt());
                }
            },
            (Prompt::Name, Command::NameTyped(name)) => return self.commit(&name),
            _ => Refusal::NothingToDoHere,
        };
        vec![Effect::Refuse(refusal)]
    }

    pub(super) fn say_to_commit(&mut self, say: impl FnOnce(&mut Consent)) {
        if let Phase::Deciding { consent, .. } | Phase::Reviewing { consent, .. } = &mut self.phase
        {
            say(consent);
        }
    }

    /// What COMMIT still asks: the name of the database comes last.
    fn next_prompt(&self) -> Prompt {
        let consent = self.consent();
        if self.newest.tally == Tally::default() && consent.reason.is_none() {
            Prompt::Reason
        } else if self.plan.second_signer.is_some() && consent.second_signer.is_none() {
            Prompt::SecondSigner
        } else {
            Prompt::Name
        }
    }

    /// The one place where a warrant is made from an armed gate (I1), and from a review an approval.
    fn commit(&mut self, name: &str) -> Vec<Effect> {
        let (Some(xid), Some(arrived)) = (self.newest.xid.clone(), &self.arrived) else {
            return vec![Effect::Refuse(Refusal::NothingToDoHere)];
        };
        if name != arrived.name {
            let expected = arrived.name.clone();
            return vec![Effect::Refuse(Refusal::WrongName { expected })];
        }
        match &self.phase {
            Phase::Deciding { held, consent, .. } => {
                let (held, consent) = (held.clone(), consent.clone());
                vec![self.send_commit(held, Warrant::new(xid, consent))]
            }
            Phase::Reviewing { basis, consent, .. } => {
                let (basis, consent) = (basis.clone(), consent.clone());
                self.approve(basis, consent)
            }
            _ => vec![Effect::Refuse(Refusal::NothingToDoHere)],
        }
    }

    pub(super) fn send_commit(&mut self, held: Held, warrant: Warrant) -> Effect {
        self.phase = Phase::Committing {
            held: held.without_pass(),
            waits: false,
            cancelling: None,
        };
        self.request(Request::Commit(warrant))
    }
}
