//! Deciding with nothing held: a pass is let go, reviewed, approved, and run a second time.
//!
//! What a person approves is a [`Basis`]; the typed name makes it an [`Approval`], and only a
//! [`Warrant`] takes that. It lives from there to the second pass's verdict and nowhere else:
//! whatever ends the second pass ends the approval (I13).

use super::Machine;
use crate::gate::approval::{Approval, Basis};
use crate::gate::consent::Consent;
use crate::gate::effect::{Effect, Request};
use crate::gate::ending::{Ending, Proof, Why};
use crate::gate::event::{Millis, ServerMessage, Target};
use crate::gate::offer::Refusal;
use crate::gate::pass::{Allowance, Compared, Pass, Structure};
use crate::gate::phase::{Held, Phase, Prompt};
use crate::gate::plan::{self, Unheld};
use crate::gate::warrant::Warrant;
use crate::runbook::question::Question;
use std::sync::Arc;

/// Why a pass cannot be compared of which not every warning was kept.
const TOO_MUCH_SAID: &str =
    "the server said more than is kept, and a warning may be among the rest";

/// What is reviewed with nothing held, or COMMIT as it was given on that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Reviewed {
    Nothing,
    Shown(Basis),
    /// Until the second pass is held against it.
    Approved(Approval),
}

impl Reviewed {
    pub(super) fn take_approval(&mut self) -> Option<Approval> {
        match std::mem::replace(self, Reviewed::Nothing) {
            Reviewed::Approved(approval) => Some(approval),
            other @ (Reviewed::Nothing | Reviewed::Shown(_)) => {
                *self = other;
                None
            }
        }
    }
}

/// Whether the structure after the script is known.
fn is_taken_down(held: &Held) -> bool {
    let known = |pass: &Arc<Pass>| matches!(pass.structure, Structure::Known(_));
    held.came_out.as_ref().is_some_and(known)
}

impl Machine {
    /// What is reviewed, or what the second pass is held against.
    pub fn basis(&self) -> Option<&Basis> {
        match &self.reviewed {
            Reviewed::Nothing => None,
            Reviewed::Shown(basis) => Some(basis),
            Reviewed::Approved(approval) => Some(approval.basis()),
        }
    }

    /// COMMIT as it was given on what was reviewed, until the second pass is held against it.
    pub fn approval(&self) -> Option<&Approval> {
        match &self.reviewed {
            Reviewed::Approved(approval) => Some(approval),
            Reviewed::Nothing | Reviewed::Shown(_) => None,
        }
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
        let Reviewed::Shown(basis) = &mut self.reviewed else {
            return vec![Effect::Refuse(Refusal::NothingToDoHere)];
        };
        let allowance = Arc::make_mut(&mut basis.allowance);
        let all = || basis.shown.numbered().map(|one| one.number);
        match statement {
            None => allowance.turn(),
            Some(number) if basis.shown.is_numbered(number) => allowance.turn_one(number, all()),
            Some(number) => return vec![Effect::Refuse(Refusal::NoNumbers(number))],
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
        let Reviewed::Shown(basis) = &self.reviewed else {
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
                    false => self.take_down(held),
                }
            }
            _ => Vec::new(),
        }
    }

    /// It is looked at inside the transaction, and only where it is needed: the locks stay meanwhile.
    pub(super) fn take_down(&mut self, held: Held) -> Vec<Effect> {
        self.phase = Phase::TakingDown {
            held,
            cancelling: None,
        };
        vec![self.request(Request::TakeDown)]
    }

    /// All of the pass is known now, as far as it can be.
    pub(super) fn taken_down(
        &mut self,
        mut held: Held,
        structure: &Structure,
        cancelled: bool,
    ) -> Vec<Effect> {
        if let Some(pass) = &mut held.came_out {
            Arc::make_mut(pass).structure = structure.clone();
        }
        if self.journal_lost {
            return self.must_roll_back(held, Why::JournalLost, true);
        }
        if let Some(approval) = self.reviewed.take_approval() {
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
        if let (Some(shown), Some(reached)) = (&held.came_out, self.target()) {
            let basis = Basis::new(Arc::clone(shown), Arc::clone(reached));
            self.reviewed = Reviewed::Shown(basis);
        }
        self.roll_back(Why::ForReview, false)
    }

    /// The pass that was let go is proven to be gone: from here on nothing is held.
    pub(super) fn review(&mut self, proof: Proof) -> Vec<Effect> {
        // Where the server could not be asked, something may be held still.
        let proven = match proof {
            Proof::Tag { .. } | Proof::Asked { .. } => true,
            Proof::Local { .. } | Proof::Refused | Proof::NeverSent { .. } | Proof::NeverBegun => {
                false
            }
        };
        let (Reviewed::Shown(basis), true) = (&mut self.reviewed, proven) else {
            return self.end(Ending::RolledBack {
                why: Why::ForReview,
                proof,
            });
        };
        if self.journal_lost {
            return self.end(Ending::RolledBack {
                why: Why::JournalLost,
                proof,
            });
        }
        basis.proof = Some(proof);
        self.newest.decided = true;
        self.reopen_review()
    }

    fn reopen_review(&mut self) -> Vec<Effect> {
        self.requests.awaiting = None;
        self.phase = Phase::Reviewing {
            prompt: Prompt::Closed,
            arming: plan::ARMING,
            consent: Consent::default(),
            cancelling: None,
        };
        Vec::new()
    }

    /// Nothing is held, so the run ends with what was proven when it was let go.
    pub(super) fn end_review(&mut self, why: Why) -> Vec<Effect> {
        let proof = self.basis().and_then(|basis| basis.proof.clone());
        let proof = proof.unwrap_or(Proof::NeverBegun);
        self.end(Ending::RolledBack { why, proof })
    }

    /// The one place where an approval is made (I13): the name was typed below what is reviewed.
    pub(super) fn approve(&mut self, consent: Consent) -> Vec<Effect> {
        if self.approvable_for() == Some(0) {
            self.reopen_review();
            return vec![Effect::Refuse(Refusal::TooOld)];
        }
        match std::mem::replace(&mut self.reviewed, Reviewed::Nothing) {
            Reviewed::Shown(basis) => {
                self.reviewed = Reviewed::Approved(Approval::new(basis, consent));
            }
            other @ (Reviewed::Nothing | Reviewed::Approved(_)) => {
                self.reviewed = other;
                return vec![Effect::Refuse(Refusal::NothingToDoHere)];
            }
        }
        self.newest.attempt = 0;
        self.newest.compared = None;
        vec![self.go_back()]
    }

    /// Each attempt at the second pass has a session of its own, so that it finds what the first one
    /// found, and says itself what it reached.
    pub(super) fn go_back(&mut self) -> Effect {
        self.phase = Phase::Returning;
        let effect = self.request(Request::Connect);
        self.requests.open_session();
        effect
    }

    /// Nothing was begun, so nothing but the approval is lost.
    pub(super) fn not_returned(&mut self, why: &str) -> Vec<Effect> {
        if let Some(approval) = self.reviewed.take_approval() {
            self.reviewed = Reviewed::Shown(approval.withdraw());
        }
        self.reopen_review();
        vec![Effect::Say(format!(
            "{why} Nothing was begun, and nothing is approved any more."
        ))]
    }

    pub(super) fn connected_for_second_pass(&mut self, target: Target) -> Vec<Effect> {
        let Some(approval) = self.approval() else {
            return self.end_review(Why::OtherTarget);
        };
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
        self.begin()
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
    pub(super) fn tell_differences(&mut self, held: &Held) {
        let (Some(approval), Some(reached)) = (self.reviewed.take_approval(), self.target()) else {
            return;
        };
        let limit = self.plan.approval_limit();
        let now = held.came_out.as_deref();
        let compared = approval.differs_in_what_came_out(now, reached, limit);
        self.newest.compared = Some(Arc::new(compared));
    }

    /// Time passes for what was shown, and for what was approved.
    pub(super) fn grow_older(&mut self, elapsed: Millis) {
        match &mut self.reviewed {
            Reviewed::Nothing => {}
            Reviewed::Shown(basis) => basis.age += elapsed,
            Reviewed::Approved(approval) => approval.grow_older(elapsed),
        }
    }

    /// Asks outside of any transaction of ours, what there is now.
    pub(super) fn query_outside(&mut self, question: Question) -> Vec<Effect> {
        vec![self.request(Request::QueryOutside(question))]
    }
}
