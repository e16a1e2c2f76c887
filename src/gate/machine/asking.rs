//! What a person asks: whether it is open to them now, and what it does.
//!
//! Offers and dispatch ask the same function, so what is shown is what happens. The one warrant for
//! COMMIT is made here (I1).

use super::Machine;
use super::Signature;
use crate::gate::effect::{Effect, ExitCode, Request};
use crate::gate::event::{Command, Millis, Standing};
use crate::gate::offer::{Act, Refusal};
use crate::gate::phase::{Ending, Phase, Prompt, Why};
use crate::gate::plan::{self, Mode};
use crate::gate::warrant::Warrant;
use crate::runbook::check::Tally;

impl Machine {
    /// `None`: the act has no meaning here. `Some(None)`: it is open. Offers and dispatch both ask
    /// this, so what is shown is what happens.
    pub(super) fn refusal(&self, act: Act) -> Option<Option<Refusal>> {
        match &self.phase {
            Phase::Connecting => match act {
                Act::Quit => Some(None),
                _ => None,
            },
            Phase::Checklist => self.refusal_on_checklist(act),
            Phase::Waiting { .. } => match act {
                Act::Cancel | Act::Quit => Some(None),
                _ => None,
            },
            Phase::Beginning => match act {
                Act::Cancel => Some(None),
                Act::Quit => Some(Some(Refusal::ScriptRunning)),
                _ => None,
            },
            Phase::Applying { cancelling } | Phase::Verifying { cancelling } => match act {
                Act::Cancel => Some(cancelling.then_some(Refusal::AlreadyCancelling)),
                Act::Extend => Some(self.refusal_to_extend()),
                Act::Quit => Some(Some(Refusal::ScriptRunning)),
                _ => None,
            },
            Phase::Deciding { prompt, arming } => self.refusal_at_gate(act, *prompt, *arming),
            Phase::MustRollBack { why, asking } => match act {
                Act::AskRollback => (!asking).then_some(None),
                Act::ConfirmRollback | Act::StepBack => asking.then_some(None),
                Act::AskCommit => Some(Some(Refusal::MustRollBack(why.clone()))),
                Act::Extend => Some(self.refusal_to_extend()),
                Act::Quit => Some(Some(Refusal::TransactionOpen)),
                _ => None,
            },
            Phase::Committing | Phase::RollingBack { .. } => match act {
                Act::Quit => Some(Some(Refusal::OutcomeUnderWay)),
                _ => None,
            },
            Phase::Inquiring { still_open, .. } => match act {
                Act::EndBackend => still_open.is_some().then_some(None),
                Act::Quit => Some(Some(Refusal::OutcomeUnderWay)),
                _ => None,
            },
            Phase::PostVerifying { .. } => match act {
                Act::Quit => Some(None),
                _ => None,
            },
            Phase::Ended(ending) => match act {
                Act::Quit => Some(None),
                Act::Again => matches!(ending, Ending::RolledBack { .. } | Ending::NotConnected)
                    .then_some(None),
                Act::AskAgain => matches!(ending, Ending::Unknown { .. }).then_some(None),
                _ => None,
            },
            Phase::Left(_) => None,
        }
    }

    fn refusal_on_checklist(&self, act: Act) -> Option<Option<Refusal>> {
        match act {
            Act::SignOff | Act::Withdraw => match self.plan.mode {
                Mode::Run if !self.items.is_empty() => Some(None),
                Mode::Run | Mode::Rehearse | Mode::Inspect => None,
            },
            Act::ProbeAgain => Some(self.probing.is_some().then_some(Refusal::EvidenceAwaited)),
            Act::Apply => match self.plan.mode {
                Mode::Inspect => None,
                Mode::Rehearse => Some(if self.probing.is_some() {
                    Some(Refusal::EvidenceAwaited)
                } else {
                    let fails = |item: &Signature| item.standing == Standing::Fails;
                    self.items.iter().any(fails).then_some(Refusal::ItemFails)
                }),
                Mode::Run => {
                    let unsigned = self.items.iter().filter(|item| !item.signed).count();
                    if unsigned > 0 {
                        Some(Some(Refusal::ItemsUnsigned(unsigned)))
                    } else if self.probing.is_some() {
                        Some(Some(Refusal::EvidenceAwaited))
                    } else {
                        Some(None)
                    }
                }
            },
            Act::LeaveOut => self.plan.other_form.then_some(None),
            Act::Quit => Some(None),
            Act::Cancel
            | Act::AskCommit
            | Act::NameTyped
            | Act::AskRollback
            | Act::ConfirmRollback
            | Act::StepBack
            | Act::Extend
            | Act::Again
            | Act::EndBackend
            | Act::AskAgain => None,
        }
    }

    fn refusal_at_gate(&self, act: Act, prompt: Prompt, arming: Millis) -> Option<Option<Refusal>> {
        match act {
            Act::AskCommit => match (self.plan.mode, prompt) {
                (Mode::Rehearse | Mode::Inspect, _) => Some(Some(Refusal::RehearsalNeverCommits)),
                (Mode::Run, Prompt::Closed) if arming > 0 => Some(Some(Refusal::NotArmed)),
                (Mode::Run, Prompt::Closed) => Some(None),
                (Mode::Run, Prompt::Name | Prompt::RollBack) => None,
            },
            Act::NameTyped => (prompt == Prompt::Name).then_some(None),
            Act::AskRollback => (prompt == Prompt::Closed).then_some(None),
            Act::ConfirmRollback => (prompt == Prompt::RollBack).then_some(None),
            Act::StepBack => (prompt != Prompt::Closed).then_some(None),
            Act::Extend => Some(self.refusal_to_extend()),
            Act::Quit => Some(Some(Refusal::TransactionOpen)),
            Act::SignOff
            | Act::Withdraw
            | Act::ProbeAgain
            | Act::LeaveOut
            | Act::Apply
            | Act::Cancel
            | Act::Again
            | Act::EndBackend
            | Act::AskAgain => None,
        }
    }

    fn refusal_to_extend(&self) -> Option<Refusal> {
        let most = self.plan.hold_limit * 2;
        match self.hold_left {
            Some(left) if left + self.plan.hold_limit <= most => None,
            Some(_) | None => Some(Refusal::HoldAtMost),
        }
    }

    pub(super) fn asked(&mut self, command: Command) -> Vec<Effect> {
        let refused = match self.refusal(command.act()) {
            None => Some(Refusal::NothingToDoHere),
            Some(Some(refusal)) => Some(refusal),
            Some(None) if !self.shown => Some(Refusal::NotDrawn),
            Some(None) => None,
        };
        if let Some(refusal) = refused {
            // A key that is held down, or typed ahead, never finds the gate armed.
            if let (Refusal::NotArmed, Phase::Deciding { arming, .. }) = (&refusal, &mut self.phase)
            {
                *arming = plan::ARMING;
            }
            return vec![Effect::Say(refusal.to_string())];
        }
        match command {
            Command::SignOff { item, note } => self.sign_off(item, note),
            Command::Withdraw { item } => match self.items.get_mut(item) {
                Some(signature) if signature.signed => {
                    signature.signed = false;
                    Vec::new()
                }
                Some(_) => vec![Effect::Say(Refusal::NotSigned.to_string())],
                None => vec![Effect::Say(Refusal::NoSuchItem.to_string())],
            },
            Command::ProbeAgain => self.probe(),
            // What was signed was signed for another script.
            Command::LeaveOut => {
                for item in &mut self.items {
                    item.signed = false;
                }
                self.phase = Phase::Left(ExitCode::RolledBack);
                vec![Effect::StartOver]
            }
            Command::Apply => {
                self.attempt = 0;
                self.ending = None;
                self.begin()
            }
            Command::Cancel => self.cancel(),
            Command::AskCommit => self.open_prompt(Prompt::Name),
            Command::NameTyped(name) => self.commit(&name),
            Command::AskRollback => self.open_prompt(Prompt::RollBack),
            Command::ConfirmRollback => {
                let why = match &self.phase {
                    Phase::MustRollBack { why, .. } => why.clone(),
                    _ if self.plan.mode == Mode::Rehearse => Why::Rehearsed,
                    _ => Why::Decision,
                };
                self.roll_back(why, false)
            }
            Command::StepBack => self.open_prompt(Prompt::Closed),
            Command::Extend => {
                let Some(left) = &mut self.hold_left else {
                    return Vec::new();
                };
                *left += self.plan.hold_limit;
                let (by, now) = (self.plan.hold_limit / 1_000, *left / 1_000);
                vec![Effect::Say(format!(
                    "Extended by {}:{:02}: it is rolled back by itself in {}:{:02} now.",
                    by / 60,
                    by % 60,
                    now / 60,
                    now % 60
                ))]
            }
            Command::Again => self.again(),
            Command::EndBackend => {
                if let Phase::Inquiring { still_open, .. } = &mut self.phase {
                    *still_open = None;
                }
                vec![self.request(Request::EndBackend)]
            }
            Command::AskAgain => self.inquire(true, Why::SessionEnded),
            Command::Quit => {
                let code = match &self.phase {
                    Phase::Ended(ending) => ending.exit_code(),
                    Phase::PostVerifying { .. } => ExitCode::Committed,
                    Phase::Connecting => ExitCode::NoConnection,
                    Phase::Waiting { .. } => Why::LockTimeout.exit_code(),
                    _ => ExitCode::RolledBack,
                };
                self.leave(code)
            }
        }
    }

    /// What runs is cancelled; what only waits for its next attempt is over.
    fn cancel(&mut self) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Beginning => self.roll_back(Why::Cancelled, true),
            Phase::Applying { cancelling } | Phase::Verifying { cancelling } => {
                *cancelling = true;
                vec![Effect::Cancel]
            }
            Phase::Waiting { proof, .. } => {
                let proof = proof.clone();
                self.rolled_back(Why::LockTimeout, proof)
            }
            Phase::Connecting
            | Phase::Checklist
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Vec::new(),
        }
    }

    fn sign_off(&mut self, index: usize, note: Option<String>) -> Vec<Effect> {
        let needs_reference = self
            .plan
            .items
            .get(index)
            .is_some_and(|needed| needed.reference);
        let refusal = match self.items.get_mut(index) {
            None => Refusal::NoSuchItem,
            Some(item) if item.signed => Refusal::AlreadySigned,
            Some(item) => match item.standing {
                Standing::Awaited => Refusal::EvidenceAwaited,
                Standing::Fails => Refusal::EvidenceFails,
                Standing::Holds | Standing::Warns if item.to_read().next().is_some() => {
                    Refusal::NotReadToEnd
                }
                Standing::Holds | Standing::Warns
                    if needs_reference
                        && note.as_deref().is_none_or(|text| text.trim().is_empty()) =>
                {
                    Refusal::ReferenceMissing
                }
                Standing::Holds | Standing::Warns => {
                    item.signed = true;
                    return Vec::new();
                }
            },
        };
        vec![Effect::Say(refusal.to_string())]
    }

    fn open_prompt(&mut self, which: Prompt) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Deciding { prompt, .. } => *prompt = which,
            Phase::MustRollBack { asking, .. } => *asking = which == Prompt::RollBack,
            Phase::Connecting
            | Phase::Checklist
            | Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => {}
        }
        Vec::new()
    }

    /// The one place where a warrant is made (I1).
    fn commit(&mut self, name: &str) -> Vec<Effect> {
        let (Some(xid), Some(database)) = (self.xid.clone(), self.database.clone()) else {
            return vec![Effect::Say(Refusal::NothingToDoHere.to_string())];
        };
        if name != database {
            let wrong = Refusal::WrongName { expected: database };
            return vec![Effect::Say(wrong.to_string())];
        }
        self.phase = Phase::Committing;
        vec![self.request(Request::Commit(Warrant::new(xid)))]
    }

    fn again(&mut self) -> Vec<Effect> {
        self.tally = Tally::default();
        self.xid = None;
        // A rollback stays what happened until the next transaction; a failed attempt to connect
        // does not.
        if self.ending == Some(Ending::NotConnected) {
            self.ending = None;
        }
        // A fresh look at everything, on a fresh session: the old one may be gone.
        for item in &mut self.items {
            item.standing = Standing::Awaited;
        }
        vec![self.connect()]
    }
}
