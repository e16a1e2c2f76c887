//! Deciding with nothing held: a pass is let go, reviewed, approved, and run a second time.
//!
//! What a person approves is a [`Basis`]; the typed name makes it an [`Approval`], and only a
//! [`Warrant`] takes that. It stands in the phases from there to the second pass's verdict, so that
//! whatever ends the second pass ends the approval (I13).

use super::Machine;
use crate::facts::{Consent, Ending, Millis, Proof, ServerMessage, Target, Why};
use crate::gate::approval::{Approval, Basis, LetGo};
use crate::gate::effect::{Effect, Request};
use crate::gate::offer::Refusal;
use crate::gate::pass::{Allowance, Compared, Pass, Structure};
use crate::gate::phase::{AfterRollback, Held, Onward, Phase, Prompt, RunningPass};
use crate::gate::plan::{self, Unheld};
use crate::gate::warrant::Warrant;
use crate::runbook::question::Question;
use std::sync::Arc;

/// Why a pass cannot be compared of which not every warning was kept.
const TOO_MUCH_SAID: &str =
    "the server said more than is kept, and a warning may be among the rest";

/// Whether the structure after the script is known.
fn is_taken_down(held: &Held) -> bool {
    let known = |pass: &Arc<Pass>| matches!(pass.structure, Structure::Known(_));
    held.came_out.as_ref().is_some_and(known)
}

impl Machine {
    /// As [`Phase::basis`].
    pub fn basis(&self) -> Option<&Basis> {
        self.phase.basis()
    }

    /// As [`Phase::approval`].
    pub fn approval(&self) -> Option<&Approval> {
        self.phase.approval()
    }

    /// What the newest second pass was different in.
    pub fn compared(&self) -> Option<&Compared> {
        self.newest.compared.as_deref()
    }

    /// Of which statements the numbers may differ in the second pass.
    pub fn allowance(&self) -> &Allowance {
        const NOTHING: &Allowance = &Allowance::Nothing;
        self.basis().map_or(NOTHING, Basis::allowance)
    }

    /// A person lets the numbers of all statements differ, or of this one; or not any more.
    pub(super) fn allow_numbers(&mut self, statement: Option<usize>) -> Vec<Effect> {
        let Phase::Reviewing { basis, .. } = &mut self.phase else {
            return vec![Effect::Refuse(Refusal::NothingToDoHere)];
        };
        match statement {
            Some(number) if !basis.shown().is_numbered(number) => {
                return vec![Effect::Refuse(Refusal::NoNumbers(number))];
            }
            Some(number) => basis.allow_numbers_of(number),
            None => basis.allow_numbers(),
        }
        Vec::new()
    }

    /// How long what is reviewed can still be approved.
    pub fn approvable_for(&self) -> Option<Millis> {
        let age = self.basis()?.age();
        Some(self.plan.approval_limit().saturating_sub(age))
    }

    /// Whether a query runs outside of any transaction.
    pub fn asks_outside(&self) -> bool {
        matches!(self.phase, Phase::Reviewing { .. }) && self.requests.awaiting.is_some()
    }

    /// What is not known of a pass that a second one has to be held against.
    pub(super) fn why_nothing_is_kept(&self, held: &Held) -> Option<String> {
        match (&held.came_out, self.target()) {
            (Some(pass), Some(_)) if pass.unkept > 0 => Some(TOO_MUCH_SAID.to_owned()),
            (Some(pass), Some(_)) => match &pass.before {
                Structure::Known(_) => None,
                Structure::Unknown(why) => Some(format!(
                    "the structure before the script could not be taken down, {why}"
                )),
            },
            _ => Some("what came out of it is not known".to_owned()),
        }
    }

    /// What of a pass that was let go by itself is not known, so that no second one can be the same.
    pub fn why_not_comparable(&self) -> Option<String> {
        let Phase::Reviewing { basis, .. } = &self.phase else {
            return None;
        };
        let shown = basis.shown();
        let unknown = |when: &str, structure: &Structure| match structure {
            Structure::Known(_) => None,
            Structure::Unknown(why) => Some(format!(
                "the structure {when} the script is not known, {why}"
            )),
        };
        unknown("before", &shown.before)
            .or_else(|| unknown("behind", &shown.structure))
            .or_else(|| (shown.unkept > 0).then(|| TOO_MUCH_SAID.to_owned()))
    }

    /// All of what the newest session reached, where it is kept.
    fn target(&self) -> Option<&Arc<Target>> {
        self.arrived.as_ref()?.target.as_ref()
    }

    /// A person lets the pass go: what is not known of it yet is looked at first.
    pub(super) fn let_go(&mut self) -> Vec<Effect> {
        match &self.phase {
            Phase::Deciding { held, .. } => {
                let held = held.clone();
                match is_taken_down(&held) {
                    true => self.take_time(&held),
                    false => self.take_down(RunningPass {
                        held,
                        cancelling: None,
                        approval: None,
                    }),
                }
            }
            _ => Vec::new(),
        }
    }

    /// It is looked at inside the transaction, and only where it is needed: the locks stay meanwhile.
    pub(super) fn take_down(&mut self, pass: RunningPass) -> Vec<Effect> {
        self.phase = Phase::TakingDown(pass);
        vec![self.request(Request::TakeDown)]
    }

    /// All of the pass is known now, as far as it can be.
    pub(super) fn taken_down(&mut self, pass: RunningPass, structure: &Structure) -> Vec<Effect> {
        let (mut held, cancelled) = (pass.held, pass.cancelling.is_some());
        if let Some(pass) = &mut held.came_out {
            Arc::make_mut(pass).structure = structure.clone();
        }
        if self.journal_lost {
            return self.must_roll_back(held, Why::JournalLost, true);
        }
        if let Some(approval) = pass.approval {
            return match cancelled {
                true => self.must_roll_back(held, Why::Cancelled, true),
                false => self.hold_against_approval(held, approval),
            };
        }
        match structure {
            _ if self.plan.lets_go_by_itself() => self.take_time(&held),
            _ if cancelled => self.come_to_the_gate(held),
            Structure::Known(_) => self.take_time(&held),
            Structure::Unknown(why) => {
                let why = format!("the structure could not be taken down, {why}");
                let mut effects = self.come_to_the_gate(held);
                effects.push(Effect::Refuse(Refusal::NothingKept(why)));
                effects
            }
        }
    }

    /// Rolls back now, and keeps what the pass showed.
    fn take_time(&mut self, held: &Held) -> Vec<Effect> {
        let onward = match (&held.came_out, self.target()) {
            (Some(shown), Some(reached)) => {
                Onward::Review(LetGo::new(Arc::clone(shown), Arc::clone(reached)))
            }
            _ => Onward::End(Why::ForReview),
        };
        self.roll_back_and(AfterRollback::Onward(onward), false)
    }

    /// The pass that was let go is proven to be gone: from here on nothing is held.
    pub(super) fn review(&mut self, let_go: LetGo, proof: Proof) -> Vec<Effect> {
        // Where the server could not be asked, something may be held still.
        let proven = match proof {
            Proof::Tag { .. } | Proof::Asked { .. } => true,
            Proof::Local { .. } | Proof::Refused | Proof::NeverSent { .. } | Proof::NeverBegun => {
                false
            }
        };
        let why = match (proven, self.journal_lost) {
            (false, _) => Why::SessionEnded,
            (true, true) => Why::JournalLost,
            (true, false) => {
                self.newest.decided = true;
                return self.open_review(Basis::new(let_go, proof));
            }
        };
        self.end(Ending::RolledBack { why, proof })
    }

    fn open_review(&mut self, basis: Basis) -> Vec<Effect> {
        self.requests.awaiting = None;
        self.phase = Phase::Reviewing {
            basis,
            prompt: Prompt::Closed,
            arming: plan::ARMING,
            consent: Consent::default(),
            cancelling: None,
        };
        Vec::new()
    }

    /// Nothing is held, so the run ends with what was proven when it was let go.
    pub(super) fn end_review(&mut self, why: Why) -> Vec<Effect> {
        let Some(basis) = self.basis() else {
            return Vec::new();
        };
        let proof = basis.proof().clone();
        self.end(Ending::RolledBack { why, proof })
    }

    /// The one place where an approval is made (I13): the name was typed below what is reviewed.
    pub(super) fn approve(&mut self, basis: Basis, consent: Consent) -> Vec<Effect> {
        if basis.is_expired(self.plan.approval_limit()) {
            self.open_review(basis);
            return vec![Effect::Refuse(Refusal::TooOld)];
        }
        self.newest.attempt = 0;
        self.newest.compared = None;
        vec![self.go_back(Approval::new(basis, consent))]
    }

    /// Each attempt at the second pass has a session of its own, so that it finds what the first one
    /// found, and says itself what it reached.
    pub(super) fn go_back(&mut self, approval: Approval) -> Effect {
        self.phase = Phase::Returning { approval };
        let effect = self.request(Request::Connect);
        self.requests.open_session();
        effect
    }

    /// Nothing was begun, so nothing but the approval is lost.
    pub(super) fn not_returned(&mut self, why: &str) -> Vec<Effect> {
        let Some(basis) = self.basis().cloned() else {
            return Vec::new();
        };
        self.open_review(basis);
        vec![Effect::Say(format!(
            "{why} Nothing was begun, and nothing is approved any more."
        ))]
    }

    pub(super) fn connected_for_second_pass(
        &mut self,
        approval: Approval,
        target: Target,
    ) -> Vec<Effect> {
        let compared = approval.differs_in_target(&target);
        if !compared.is_same() {
            self.newest.compared = Some(Arc::new(compared));
            return self.end_review(Why::OtherTarget);
        }
        if self.approvable_for() == Some(0) {
            return self.not_returned("What was approved is too old by now.");
        }
        if let Some(arrived) = &mut self.arrived {
            arrived.target = Some(Arc::new(target));
        }
        self.begin(Some(approval))
    }

    pub(super) fn not_connected_for_second_pass(&mut self, error: &ServerMessage) -> Vec<Effect> {
        self.not_returned(&format!(
            "The server could not be reached: {}.",
            error.message
        ))
    }

    /// The verdict is there and nothing stands against it: COMMIT follows by itself where the pass
    /// came out as approved, and a person decides otherwise.
    fn hold_against_approval(&mut self, held: Held, approval: Approval) -> Vec<Effect> {
        let (Some(xid), Some(reached)) = (self.newest.xid.clone(), self.target().cloned()) else {
            return self.must_roll_back(held, Why::OtherTransaction, true);
        };
        let limit = self.plan.approval_limit();
        match Warrant::on_approval(xid, approval, held.came_out.as_deref(), &reached, limit) {
            Ok(warrant) => {
                self.newest.decided = true;
                vec![self.send_commit(held, warrant)]
            }
            Err(compared) => {
                self.newest.compared = Some(Arc::new(compared));
                let again = matches!(
                    self.plan.unheld,
                    Unheld::Offered {
                        review_again: true,
                        ..
                    }
                );
                let whole = is_taken_down(&held) && self.why_nothing_is_kept(&held).is_none();
                if again && (whole || self.plan.lets_go_by_itself()) {
                    return self.take_time(&held);
                }
                self.come_to_the_gate(held)
            }
        }
    }

    /// What the second pass is different in, where only ROLLBACK is left of it.
    pub(super) fn tell_differences(&mut self, pass: &RunningPass) {
        let (Some(approval), Some(reached)) = (&pass.approval, self.target()) else {
            return;
        };
        let limit = self.plan.approval_limit();
        let now = pass.held.came_out.as_deref();
        let compared = approval.differs_in_what_came_out(now, reached, limit);
        self.newest.compared = Some(Arc::new(compared));
    }

    /// Asks outside of any transaction of ours, what there is now.
    pub(super) fn query_outside(&mut self, question: Question) -> Vec<Effect> {
        vec![self.request(Request::QueryOutside(question))]
    }
}
