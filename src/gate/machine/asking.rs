//! What a person asks, where it is open to them now.

use super::Machine;
use crate::facts::{Consent, Ending, ExitCode, Standing, Why};
use crate::gate::act::Command;
use crate::gate::effect::{Effect, Request};
use crate::gate::offer::{Offer, Refusal};
use crate::gate::phase::{Onward, Phase, Prompt, RunningPass};
use crate::gate::plan::{self, Mode};
use crate::runbook::check::Tally;

impl Machine {
    pub(super) fn asked(&mut self, command: Command) -> Vec<Effect> {
        if let Some(refusal) = self.refusal_of(&command) {
            return self.refuse(&command, refusal);
        }
        if command == Command::Quit && self.phase.transaction_open() {
            return self.part_now();
        }
        self.parting = None;
        match command {
            Command::SignOff { item, note } => self.sign_off(item, note),
            Command::Withdraw { item } => self.withdraw(item),
            Command::ProbeAgain => self.probe(),
            Command::BackUp { folder } => self.back_up(folder),
            Command::LeaveOut => self.leave_out(),
            Command::Apply => {
                self.newest.attempt = 0;
                self.begin(None)
            }
            Command::Cancel => self.cancel(),
            Command::Acknowledge { item } => self.acknowledge(item),
            Command::AskCommit
            | Command::ReasonGiven(_)
            | Command::SecondSigned(_)
            | Command::NameTyped(_) => self.asked_to_commit(command),
            Command::AskRollback => self.open_prompt(Prompt::RollBack),
            Command::TakeTime => self.let_go(),
            Command::AllowNumbers(statement) => self.allow_numbers(statement),
            Command::ConfirmRollback => self.decide_to_roll_back(),
            Command::Query(text) => self.query(&text),
            Command::StepBack => {
                self.say_to_commit(|consent| *consent = Consent::default());
                self.open_prompt(Prompt::Closed)
            }
            Command::Extend => self.extend_hold(),
            Command::Again => self.again(),
            Command::EndBackend => {
                if let Phase::Inquiring { still_open, .. } = &mut self.phase {
                    *still_open = None;
                }
                vec![self.request(Request::EndBackend)]
            }
            Command::AskOutcome => match self.phase {
                Phase::Checklist { .. } => self.ask_earlier(),
                _ => self.inquire(true, Onward::End(Why::SessionEnded)),
            },
            Command::Quit => self.quit(),
        }
    }

    /// Why a command is not taken now, if it is not: it has no meaning here, is refused, or its
    /// frame was not drawn yet (I5).
    fn refusal_of(&self, command: &Command) -> Option<Refusal> {
        match self.offer(command.act()) {
            Offer::Absent => Some(Refusal::NothingToDoHere),
            Offer::Refused(refusal) => Some(refusal),
            Offer::Open => (!self.shown && self.needs_frame(command)).then_some(Refusal::NotDrawn),
        }
    }

    /// Whether it is taken only from who has seen the present state. Leaving is not where it ends nothing
    /// that was begun: a screen that changes all the time, on a server that is lost again and again, must
    /// not keep anybody.
    pub fn needs_frame(&self, command: &Command) -> bool {
        let begun = !matches!(self.phase, Phase::Connecting | Phase::Checklist { .. });
        begun || *command != Command::Quit
    }

    fn refuse(&mut self, command: &Command, refusal: Refusal) -> Vec<Effect> {
        // A key that is held down, or typed ahead, never finds the gate armed.
        if let (
            Refusal::NotArmed,
            Phase::Deciding { arming, .. } | Phase::Reviewing { arming, .. },
        ) = (&refusal, &mut self.phase)
        {
            *arming = plan::ARMING;
        }
        if refusal != Refusal::NotDrawn {
            self.parting = (*command == Command::Quit).then_some(0);
        }
        vec![Effect::Refuse(refusal)]
    }

    fn withdraw(&mut self, index: usize) -> Vec<Effect> {
        match self.items_mut().get_mut(index) {
            Some(signature) if signature.signed => {
                signature.signed = false;
                Vec::new()
            }
            Some(_) => vec![Effect::Refuse(Refusal::NotSigned)],
            None => vec![Effect::Refuse(Refusal::NoSuchItem)],
        }
    }

    /// Starts over with the runbook's other form. What was signed was signed for another script.
    fn leave_out(&mut self) -> Vec<Effect> {
        for item in self.items_mut() {
            item.signed = false;
        }
        let mut effects = self.stop_backup();
        self.phase = Phase::Left(ExitCode::RolledBack);
        effects.push(Effect::StartOver);
        effects
    }

    fn decide_to_roll_back(&mut self) -> Vec<Effect> {
        if matches!(self.phase, Phase::Reviewing { .. }) {
            return self.end_review(Why::Decision);
        }
        let busy = matches!(self.phase, Phase::Querying { .. });
        let why = match &self.phase {
            Phase::MustRollBack { why, .. } | Phase::Querying { why: Some(why), .. } => why.clone(),
            _ if self.plan.mode == Mode::Rehearse => Why::Rehearsed,
            _ => Why::Decision,
        };
        self.roll_back(why, busy)
    }

    fn extend_hold(&mut self) -> Vec<Effect> {
        let Some(held) = self.phase.held_mut() else {
            return Vec::new();
        };
        let left = &mut held.left;
        *left += self.plan.hold_limit;
        let (by, now) = (self.plan.hold_limit / 1_000, *left / 1_000);
        let renew = Effect::Renew(*left);
        let say = Effect::Say(format!(
            "Extended by {}:{:02}: {}:{:02} were left then, until it is rolled back by itself.",
            by / 60,
            by % 60,
            now / 60,
            now % 60
        ));
        vec![renew, say]
    }

    fn quit(&mut self) -> Vec<Effect> {
        if matches!(
            self.phase,
            Phase::Reviewing { .. } | Phase::Returning { .. }
        ) {
            let mut effects = self.end_review(Why::Decision);
            effects.extend(self.leave(ExitCode::RolledBack));
            return effects;
        }
        let code = match &self.phase {
            Phase::Ended(ending) => ending.exit_code(),
            Phase::PostVerifying { .. } => ExitCode::Committed,
            Phase::Connecting => ExitCode::NoConnection,
            Phase::Waiting { .. } => Why::LockTimeout.exit_code(),
            Phase::Checklist { .. } if self.fails() => self.fails_with(),
            _ => ExitCode::RolledBack,
        };
        self.leave(code)
    }

    /// What runs is cancelled; what only waits for its next attempt is over.
    fn cancel(&mut self) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Beginning { .. } => self.roll_back(Why::Cancelled, true),
            Phase::Applying(pass) | Phase::Verifying(pass) => {
                match &mut pass.cancelling {
                    since @ None => {
                        *since = Some(0);
                        vec![Effect::Cancel]
                    }
                    // Asked once more after it had no effect: the link is closed if need be.
                    Some(_) => self.roll_back(Why::Cancelled, true),
                }
            }
            Phase::Querying {
                cancelling: Some(_),
                ..
            } => self.decide_to_roll_back(),
            Phase::TakingDown(RunningPass {
                cancelling: Some(_),
                ..
            }) => self.roll_back(Why::Cancelled, true),
            Phase::Querying { cancelling, .. }
            | Phase::TakingDown(RunningPass { cancelling, .. }) => {
                *cancelling = Some(0);
                vec![Effect::Cancel]
            }
            Phase::Waiting { proof, .. } => {
                let proof = proof.clone();
                let why = Why::LockTimeout;
                self.end(Ending::RolledBack { why, proof })
            }
            Phase::Returning { .. } => {
                let mut effects = vec![Effect::Sever];
                effects.extend(self.not_returned("Cancelled."));
                effects
            }
            Phase::Checklist { .. } => self.cancel_on_checklist(),
            Phase::Reviewing { .. } | Phase::Committing { .. } | Phase::PostVerifying { .. } => {
                self.cancel_beside()
            }
            Phase::Connecting
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Vec::new(),
        }
    }

    fn sign_off(&mut self, index: usize, note: Option<String>) -> Vec<Effect> {
        let needed = self.plan.items.get(index).cloned().unwrap_or_default();
        let note = note.as_deref().map(str::trim).unwrap_or_default();
        let (backing_up, backed_up) = (self.is_backing_up(), self.is_backed_up(index));
        let name = self.arrived.as_ref().map(|arrived| arrived.name.clone());
        let refusal = match self.items_mut().get_mut(index) {
            None => Refusal::NoSuchItem,
            Some(item) if item.signed => Refusal::AlreadySigned,
            Some(_) if needed.reference && backing_up => Refusal::BackupUnderWay,
            Some(item) => match item.standing {
                Standing::Awaited => Refusal::EvidenceAwaited,
                Standing::Fails => Refusal::EvidenceFails,
                Standing::Silent => Refusal::NoEvidence,
                Standing::Holds | Standing::Warns | Standing::Asks
                    if item.awaits_linter(&needed) =>
                {
                    Refusal::EvidenceAwaited
                }
                Standing::Holds | Standing::Warns | Standing::Asks
                    if item.to_read().next().is_some() =>
                {
                    Refusal::NotReadToEnd
                }
                Standing::Holds | Standing::Warns | Standing::Asks if item.open_findings() > 0 => {
                    Refusal::FindingsOpen(item.open_findings())
                }
                Standing::Holds | Standing::Warns | Standing::Asks
                    if needed.reference && !backed_up && note.is_empty() =>
                {
                    Refusal::ReferenceMissing
                }
                Standing::Holds | Standing::Warns | Standing::Asks
                    if needed.reference && !backed_up && !is_reference(note) =>
                {
                    Refusal::NoReference
                }
                Standing::Holds | Standing::Warns | Standing::Asks
                    if needed.words && !is_reference(note) =>
                {
                    Refusal::WordsMissing
                }
                Standing::Holds | Standing::Warns | Standing::Asks
                    if needed.database_name && note.is_empty() =>
                {
                    Refusal::NameMissing
                }
                Standing::Holds | Standing::Warns | Standing::Asks
                    if needed.database_name && name.as_deref() != Some(note) =>
                {
                    Refusal::WrongName {
                        expected: name.unwrap_or_default(),
                    }
                }
                Standing::Holds | Standing::Warns | Standing::Asks => {
                    item.signed = true;
                    return Vec::new();
                }
            },
        };
        vec![Effect::Refuse(refusal)]
    }

    fn acknowledge(&mut self, index: usize) -> Vec<Effect> {
        let refusal = match self.items_mut().get_mut(index) {
            None => Refusal::NoSuchItem,
            Some(item) if item.open_findings() == 0 => Refusal::NothingToAcknowledge,
            Some(item) => {
                item.acknowledged += 1;
                return Vec::new();
            }
        };
        vec![Effect::Refuse(refusal)]
    }

    pub(super) fn open_prompt(&mut self, which: Prompt) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Deciding { prompt, .. } | Phase::Reviewing { prompt, .. } => *prompt = which,
            Phase::MustRollBack { asking, .. } | Phase::Querying { asking, .. } => {
                *asking = which == Prompt::RollBack;
            }
            Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Committing { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Returning { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => {}
        }
        Vec::new()
    }

    fn again(&mut self) -> Vec<Effect> {
        self.newest.tally = Tally::default();
        self.newest.xid = None;
        // A rollback stays what happened until the next transaction; a failed attempt to connect
        // does not.
        if self.newest.ending == Some(Ending::NotConnected) {
            self.newest.ending = None;
        }
        // A fresh look at everything, on a fresh session: the old one may be gone.
        for item in self.items_mut() {
            item.standing = Standing::Awaited;
        }
        vec![self.connect()]
    }
}

/// Whether it can tell somebody else anything: one letter, or dots, do not.
fn is_reference(note: &str) -> bool {
    note.chars()
        .filter(|c| c.is_alphanumeric())
        .nth(1)
        .is_some()
}
