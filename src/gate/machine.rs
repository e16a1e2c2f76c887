//! The machine itself: one function per kind of event, each naming every phase.
//!
//! It must never act on a report of a request it no longer waits for, and never say COMMITTED
//! without the server's word. There is no `_` arm over phases: a new phase has to say what each
//! event means in it.

use super::effect::{Effect, ExitCode, Request};
use super::event::{
    Alarm, Body, Command, CommitAnswer, Document, Event, Inquiry, Millis, Observation, Report, Seq,
    Standing, XactStatus,
};
use super::offer::{Act, Offer, Refusal};
use super::phase::{Ending, Phase, Prompt, Proof, Why};
use super::plan::{self, Mode, Plan};
use super::warrant::Warrant;
use crate::runbook::check::Tally;

/// SQLSTATE of a lock that was not granted within `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The gate of one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine {
    plan: Plan,
    phase: Phase,
    items: Vec<Signature>,
    tally: Tally,
    database: Option<String>,
    xid: Option<String>,
    hold_left: Option<Millis>,
    beat_due: Millis,
    /// The present state is on the screen.
    shown: bool,
    leaving: Option<Alarm>,
    ending: Option<Ending>,
    /// How often the transaction was begun since `apply`.
    attempt: u32,
    journal_lost: bool,
    last_seq: Seq,
    awaiting: Option<Seq>,
    probing: Option<Seq>,
    /// The first request of the present session: what an older session says is stale.
    session_since: Seq,
}

/// A checklist item as the machine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Signature {
    /// What the evidence says.
    pub standing: Standing,
    /// Documents that are still to be read to their end.
    pub unread: Vec<Document>,
    /// A person signed it.
    pub signed: bool,
}

/// What must be drawn anew before a key acts on it (I5).
#[derive(PartialEq)]
struct Face {
    screen: std::mem::Discriminant<Phase>,
    prompt: Option<Prompt>,
    signed: Vec<bool>,
}

impl Machine {
    /// A run of `plan`, before anything happened; [`Machine::start`] sets it off.
    pub fn new(plan: Plan) -> Machine {
        let items = plan
            .items
            .iter()
            .map(|needed| Signature {
                unread: needed.documents.clone(),
                ..Signature::default()
            })
            .collect();
        Machine {
            plan,
            phase: Phase::Connecting,
            items,
            tally: Tally::default(),
            database: None,
            xid: None,
            hold_left: None,
            beat_due: plan::BEAT,
            shown: false,
            leaving: None,
            ending: None,
            attempt: 0,
            journal_lost: false,
            last_seq: 0,
            awaiting: None,
            probing: None,
            session_since: 0,
        }
    }

    /// The first effects of a run.
    pub fn start(&mut self) -> Vec<Effect> {
        vec![self.connect()]
    }

    /// Where the run is.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// What the run was planned as.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The checklist items, in the plan's order.
    pub fn items(&self) -> &[Signature] {
        &self.items
    }

    /// The checks that the script's own statements returned.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How the run ended, as soon as it is proven; until the next one begins.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Whether the present state is on the screen.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Which attempt this is, from 1; 0 before the first.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What is left of the hold, in milliseconds, while a transaction is held.
    pub fn hold_left(&self) -> Option<Millis> {
        self.hold_left
    }

    /// Whether the gate would take `c` now.
    pub fn armed(&self) -> bool {
        self.refusal(Act::AskCommit) == Some(None)
    }

    /// What a person can do now: open, or refused with the reason.
    pub fn offers(&self) -> Vec<Offer> {
        Act::ALL
            .into_iter()
            .filter_map(|act| self.refusal(act).map(|refused| Offer { act, refused }))
            .collect()
    }

    /// Takes an event and says what is to be done about it, in order.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        let before = self.face();
        let effects = match event {
            Event::Reported(report) => self.reported(report),
            Event::Observed(observation) => self.observed(&observation),
            Event::Asked(command) => self.asked(command),
            Event::Drawn => {
                self.shown = true;
                return Vec::new();
            }
            Event::Edited => {
                self.shown = false;
                Vec::new()
            }
            Event::Ticked { elapsed } => self.ticked(elapsed),
            Event::ReadToEnd(document) => {
                for item in &mut self.items {
                    item.unread.retain(|unread| *unread != document);
                }
                Vec::new()
            }
            Event::Alarmed(alarm) => self.alarmed(alarm),
            Event::JournalLost(_) => self.journal_lost(),
            Event::IntentLost(_) => self.intent_lost(),
        };
        if self.face() != before {
            self.shown = false;
        }
        effects
    }

    fn face(&self) -> Face {
        let prompt = match self.phase {
            Phase::Deciding { prompt, .. } => Some(prompt),
            Phase::MustRollBack { asking: true, .. } => Some(Prompt::RollBack),
            _ => None,
        };
        Face {
            screen: std::mem::discriminant(&self.phase),
            prompt,
            signed: self.items.iter().map(|item| item.signed).collect(),
        }
    }

    // ---- requests -------------------------------------------------------------------------

    fn request(&mut self, make: impl FnOnce(Seq) -> Request) -> Effect {
        self.last_seq += 1;
        let seq = self.last_seq;
        self.awaiting = Some(seq);
        Effect::Request {
            seq,
            request: make(seq),
        }
    }

    fn connect(&mut self) -> Effect {
        self.phase = Phase::Connecting;
        let effect = self.request(|_| Request::Connect);
        self.session_since = self.last_seq;
        effect
    }

    /// Asks for all evidence. Sign-offs stay; they fall when the evidence no longer holds.
    fn probe(&mut self) -> Vec<Effect> {
        for item in &mut self.items {
            item.standing = Standing::Awaited;
        }
        if self.items.is_empty() {
            return Vec::new();
        }
        let all = (0..self.items.len()).collect();
        let effect = self.request(|_| Request::Probe(all));
        self.probing = self.awaiting.take();
        vec![effect]
    }

    fn begin(&mut self) -> Vec<Effect> {
        self.phase = Phase::Beginning;
        self.attempt += 1;
        self.tally = Tally::default();
        self.xid = None;
        vec![self.request(|_| Request::Begin)]
    }

    fn roll_back(&mut self, why: Why, busy: bool) -> Vec<Effect> {
        self.hold_left = None;
        self.phase = Phase::RollingBack {
            why,
            patience: plan::PATIENCE,
            busy,
        };
        let mut effects = Vec::new();
        if busy {
            effects.push(Effect::Cancel);
        }
        effects.push(self.request(|_| Request::RollBack));
        effects
    }

    fn inquire(&mut self, commit_sent: bool, why: Why) -> Vec<Effect> {
        self.hold_left = None;
        self.phase = Phase::Inquiring {
            commit_sent,
            why,
            still_open: None,
        };
        vec![self.request(|_| Request::Inquire)]
    }

    fn end(&mut self, ending: Ending) -> Vec<Effect> {
        self.hold_left = None;
        self.awaiting = None;
        let code = ending.exit_code();
        self.ending = Some(ending.clone());
        self.phase = Phase::Ended(ending);
        match self.leaving {
            Some(_) => self.leave(code),
            None => Vec::new(),
        }
    }

    fn leave(&mut self, code: ExitCode) -> Vec<Effect> {
        self.phase = Phase::Left(code);
        vec![Effect::Leave(code)]
    }

    fn rolled_back(&mut self, why: Why, proof: Proof) -> Vec<Effect> {
        let waited = matches!(self.phase, Phase::Waiting { .. });
        if why == Why::LockTimeout
            && !waited
            && self.attempt < self.plan.lock_attempts
            && self.leaving.is_none()
        {
            let left = plan::back_off(self.attempt, self.xid.as_deref().unwrap_or_default());
            self.awaiting = None;
            self.phase = Phase::Waiting { left, proof };
            return Vec::new();
        }
        self.end(Ending::RolledBack { why, proof })
    }

    fn committed(&mut self, proof: Proof) -> Vec<Effect> {
        self.hold_left = None;
        self.ending = Some(Ending::Committed {
            proof: proof.clone(),
            post: None,
        });
        if self.plan.post_verification && self.leaving.is_none() {
            self.phase = Phase::PostVerifying { proof };
            return vec![self.request(|_| Request::PostVerify)];
        }
        self.end(Ending::Committed { proof, post: None })
    }

    // ---- what a person asks ---------------------------------------------------------------

    /// `None`: the act has no meaning here. `Some(None)`: it is open. Offers and dispatch both ask
    /// this, so what is shown is what happens.
    fn refusal(&self, act: Act) -> Option<Option<Refusal>> {
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

    fn asked(&mut self, command: Command) -> Vec<Effect> {
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
            Command::Apply => {
                self.attempt = 0;
                self.ending = None;
                self.begin()
            }
            Command::Cancel if matches!(self.phase, Phase::Waiting { .. }) => {
                let proof = match &self.phase {
                    Phase::Waiting { proof, .. } => proof.clone(),
                    _ => Proof::NeverBegun,
                };
                self.rolled_back(Why::LockTimeout, proof)
            }
            Command::Cancel if self.phase == Phase::Beginning => {
                self.roll_back(Why::Cancelled, true)
            }
            Command::Cancel => {
                if let Phase::Applying { cancelling } | Phase::Verifying { cancelling } =
                    &mut self.phase
                {
                    *cancelling = true;
                }
                vec![Effect::Cancel]
            }
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
                vec![self.request(|_| Request::EndBackend)]
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
                Standing::Holds | Standing::Warns if !item.unread.is_empty() => {
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
        vec![self.request(|seq| Request::Commit(Warrant::new(xid, seq)))]
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

    // ---- time, alarms, the journal ----------------------------------------------------------

    fn ticked(&mut self, elapsed: Millis) -> Vec<Effect> {
        if let Some(left) = &mut self.hold_left {
            *left = left.saturating_sub(elapsed);
        }
        let hold_over = self.hold_left == Some(0);
        match &mut self.phase {
            Phase::Applying { cancelling } | Phase::Verifying { cancelling } => {
                if hold_over {
                    return self.roll_back(Why::HoldLimit, true);
                }
                // A cancel request can fall between two statements and hit nothing.
                if *cancelling {
                    return vec![Effect::Cancel];
                }
                Vec::new()
            }
            Phase::Deciding { arming, prompt } => {
                if hold_over {
                    return self.roll_back(Why::HoldLimit, false);
                }
                if self.shown && *prompt == Prompt::Closed {
                    *arming = arming.saturating_sub(elapsed);
                }
                self.beat(elapsed)
            }
            Phase::MustRollBack { .. } => {
                if hold_over {
                    return self.roll_back(Why::HoldLimit, false);
                }
                self.beat(elapsed)
            }
            Phase::RollingBack {
                patience,
                busy,
                why,
            } => {
                *patience = patience.saturating_sub(elapsed);
                if *patience == 0 {
                    let why = why.clone();
                    let mut effects = vec![Effect::Sever];
                    effects.extend(self.inquire(false, why));
                    effects
                } else if *busy {
                    vec![Effect::Cancel]
                } else {
                    Vec::new()
                }
            }
            Phase::Inquiring { still_open, .. } => match still_open {
                Some(wait) if *wait <= elapsed => {
                    *still_open = None;
                    vec![self.request(|_| Request::Inquire)]
                }
                Some(wait) => {
                    *wait -= elapsed;
                    Vec::new()
                }
                None => Vec::new(),
            },
            Phase::Waiting { left, .. } => {
                *left = left.saturating_sub(elapsed);
                if *left == 0 { self.begin() } else { Vec::new() }
            }
            Phase::Connecting
            | Phase::Checklist
            | Phase::Beginning
            | Phase::Committing
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Vec::new(),
        }
    }

    /// The limits on who waits for us, where they were asked for. A monitor that sees nothing
    /// changes nothing (I12).
    fn observed(&mut self, observation: &Observation) -> Vec<Effect> {
        let Observation::Seen(sight) = observation else {
            return Vec::new();
        };
        let too_many = self
            .plan
            .max_waiters
            .is_some_and(|most| sight.waiters.len() > most);
        let longest = sight.waiters.iter().filter_map(|w| w.since).max();
        let too_long = self
            .plan
            .max_wait
            .is_some_and(|most| longest.is_some_and(|longest| longest > most));
        let why = if too_many {
            Why::TooManyWaiters
        } else if too_long {
            Why::WaitedTooLong
        } else {
            return Vec::new();
        };
        match &self.phase {
            Phase::Applying { .. } | Phase::Verifying { .. } => self.roll_back(why, true),
            Phase::Deciding { .. } | Phase::MustRollBack { .. } => self.roll_back(why, false),
            Phase::Connecting
            | Phase::Checklist
            | Phase::Beginning
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Vec::new(),
        }
    }

    /// Shows the server that we are alive, while the transaction is held and idle.
    fn beat(&mut self, elapsed: Millis) -> Vec<Effect> {
        self.beat_due = self.beat_due.saturating_sub(elapsed);
        if self.beat_due > 0 {
            return Vec::new();
        }
        self.beat_due = plan::BEAT;
        let effect = self.request(|_| Request::Beat);
        // Nothing waits for it: the server's own limit is what notices a missing beat.
        self.awaiting = None;
        vec![effect]
    }

    fn alarmed(&mut self, alarm: Alarm) -> Vec<Effect> {
        let code = alarm.exit_code();
        let why = Why::Alarmed(alarm.clone());
        if self.leaving.is_none() {
            self.leaving = Some(alarm);
        }
        match &self.phase {
            Phase::Connecting | Phase::Checklist => self.leave(code),
            Phase::Waiting { proof, .. } => {
                let proof = proof.clone();
                self.rolled_back(why, proof)
            }
            Phase::Beginning | Phase::Applying { .. } | Phase::Verifying { .. } => {
                self.roll_back(why, true)
            }
            Phase::Deciding { .. } | Phase::MustRollBack { .. } => self.roll_back(why, false),
            // Under way already; the proof is waited for.
            Phase::Committing | Phase::RollingBack { .. } | Phase::Inquiring { .. } => Vec::new(),
            Phase::PostVerifying { .. } => self.leave(ExitCode::Committed),
            Phase::Ended(ending) => {
                let code = ending.exit_code();
                self.leave(code)
            }
            Phase::Left(_) => Vec::new(),
        }
    }

    fn journal_lost(&mut self) -> Vec<Effect> {
        self.journal_lost = true;
        match &self.phase {
            Phase::Deciding { .. } => {
                self.phase = Phase::MustRollBack {
                    why: Why::JournalLost,
                    asking: false,
                };
            }
            Phase::Connecting
            | Phase::Checklist
            | Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::MustRollBack { .. }
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

    fn intent_lost(&mut self) -> Vec<Effect> {
        self.journal_lost = true;
        match (&self.phase, &self.leaving) {
            (Phase::Committing, Some(alarm)) => {
                let why = Why::Alarmed(alarm.clone());
                self.roll_back(why, false)
            }
            (Phase::Committing, None) => {
                self.phase = Phase::MustRollBack {
                    why: Why::JournalLost,
                    asking: false,
                };
                Vec::new()
            }
            (
                Phase::Connecting
                | Phase::Checklist
                | Phase::Beginning
                | Phase::Applying { .. }
                | Phase::Verifying { .. }
                | Phase::Deciding { .. }
                | Phase::MustRollBack { .. }
                | Phase::RollingBack { .. }
                | Phase::Inquiring { .. }
                | Phase::Waiting { .. }
                | Phase::PostVerifying { .. }
                | Phase::Ended(_)
                | Phase::Left(_),
                _,
            ) => Vec::new(),
        }
    }

    // ---- what the session reports -------------------------------------------------------------

    fn reported(&mut self, report: Report) -> Vec<Effect> {
        let Report { seq, body } = report;
        // Two reports are facts rather than answers, and are taken whatever is waited for.
        match body {
            Body::SessionEnded(_) => {
                if seq >= self.session_since {
                    self.session_ended()
                } else {
                    Vec::new()
                }
            }
            Body::Probed { item, evidence } => {
                if self.probing == Some(seq) {
                    self.probed(item, evidence.standing);
                }
                Vec::new()
            }
            body => {
                if self.awaiting != Some(seq) {
                    return Vec::new();
                }
                self.answered(body)
            }
        }
    }

    fn probed(&mut self, index: usize, standing: Standing) {
        if let Some(item) = self.items.get_mut(index) {
            item.standing = standing;
            if standing == Standing::Fails {
                item.signed = false;
            }
        }
        if self
            .items
            .iter()
            .all(|item| item.standing != Standing::Awaited)
        {
            self.probing = None;
        }
    }

    /// An answer to the request that is waited for. What a request cannot be answered with in the
    /// present phase changes nothing.
    fn answered(&mut self, body: Body) -> Vec<Effect> {
        match body {
            Body::Connected(target) => {
                if self.phase != Phase::Connecting {
                    return Vec::new();
                }
                self.database = Some(target.database);
                self.phase = Phase::Checklist;
                self.awaiting = None;
                self.probe()
            }
            Body::ConnectFailed(_) => match self.phase {
                Phase::Connecting => self.end(Ending::NotConnected),
                _ => Vec::new(),
            },
            Body::Begun { xid, .. } => {
                if self.phase != Phase::Beginning {
                    return Vec::new();
                }
                self.xid = Some(xid);
                self.hold_left = Some(self.plan.hold_limit);
                self.beat_due = plan::BEAT;
                self.phase = Phase::Applying { cancelling: false };
                vec![self.request(|_| Request::RunScript)]
            }
            Body::BeginFailed(_) => match self.phase {
                // The connection's own ROLLBACK makes sure that nothing stays open.
                Phase::Beginning => self.roll_back(Why::BeginFailed, false),
                _ => Vec::new(),
            },
            Body::StatementFinished(statement) => {
                if matches!(self.phase, Phase::Applying { .. }) {
                    self.tally.add(Tally::of(&statement.checks));
                }
                Vec::new()
            }
            // Nothing that was done so far is worth keeping its locks while somebody else is waited
            // for: all of it goes back, and is tried again.
            Body::StatementFailed { error, .. }
                if self.phase == Phase::Applying { cancelling: false }
                    && error.sqlstate.as_deref() == Some(LOCK_NOT_AVAILABLE) =>
            {
                self.roll_back(Why::LockTimeout, false)
            }
            Body::StatementFailed { .. } => match self.phase {
                Phase::Applying { cancelling } => self.must_roll_back(if cancelling {
                    Why::Cancelled
                } else {
                    Why::StatementFailed
                }),
                _ => Vec::new(),
            },
            Body::ScriptFinished => match self.phase {
                Phase::Applying { cancelling: false } => {
                    self.phase = Phase::Verifying { cancelling: false };
                    vec![self.request(|_| Request::Settle)]
                }
                // The cancel came too late to stop anything; it was still a wish to stop.
                Phase::Applying { cancelling: true } => self.must_roll_back(Why::Cancelled),
                _ => Vec::new(),
            },
            Body::Settled { same_transaction } => match self.phase {
                Phase::Verifying { cancelling } => self.settled(same_transaction, cancelling),
                _ => Vec::new(),
            },
            Body::SettleFailed(_) => match self.phase {
                Phase::Verifying { cancelling } => self.must_roll_back(if cancelling {
                    Why::Cancelled
                } else {
                    Why::SettleFailed
                }),
                _ => Vec::new(),
            },
            Body::CommitAnswered(answer) => match self.phase {
                Phase::Committing => self.commit_answered(answer),
                _ => Vec::new(),
            },
            Body::RollbackAnswered { tag, xact_status } => match &self.phase {
                Phase::RollingBack { why, .. } => {
                    let why = why.clone();
                    self.rollback_answered(why, tag, xact_status)
                }
                _ => Vec::new(),
            },
            Body::Asked(inquiry) => match &self.phase {
                Phase::Inquiring {
                    commit_sent, why, ..
                } => {
                    let (commit_sent, why) = (*commit_sent, why.clone());
                    self.inquired(inquiry, commit_sent, why)
                }
                _ => Vec::new(),
            },
            Body::PostVerified { results } => match &self.phase {
                Phase::PostVerifying { proof } => {
                    let proof = proof.clone();
                    let mut tally = Tally::default();
                    for result in &results {
                        tally.add(Tally::of(&result.checks));
                    }
                    self.end(Ending::Committed {
                        proof,
                        post: Some(tally),
                    })
                }
                _ => Vec::new(),
            },
            Body::PostVerifyFailed(_) => match &self.phase {
                Phase::PostVerifying { proof } => {
                    let proof = proof.clone();
                    self.end(Ending::Committed { proof, post: None })
                }
                _ => Vec::new(),
            },
            Body::StatementStarted { .. }
            | Body::Noticed { .. }
            | Body::Beaten
            | Body::Probed { .. }
            | Body::SessionEnded(_) => Vec::new(),
        }
    }

    fn must_roll_back(&mut self, why: Why) -> Vec<Effect> {
        self.awaiting = None;
        self.beat_due = plan::BEAT;
        self.phase = Phase::MustRollBack { why, asking: false };
        Vec::new()
    }

    fn settled(&mut self, same_transaction: bool, cancelling: bool) -> Vec<Effect> {
        if !same_transaction {
            return self.must_roll_back(Why::OtherTransaction);
        }
        if cancelling {
            return self.must_roll_back(Why::Cancelled);
        }
        if self.tally.fail > 0 {
            return self.must_roll_back(Why::ChecksFailed);
        }
        if !self.tally.passes() {
            return self.must_roll_back(Why::NothingPassed);
        }
        if self.journal_lost {
            return self.must_roll_back(Why::JournalLost);
        }
        self.awaiting = None;
        self.beat_due = plan::BEAT;
        self.phase = Phase::Deciding {
            prompt: Prompt::Closed,
            arming: plan::ARMING,
        };
        Vec::new()
    }

    fn commit_answered(&mut self, answer: CommitAnswer) -> Vec<Effect> {
        match answer {
            CommitAnswer::Tag {
                tag,
                idle: true,
                xact_status: xact_status @ (None | Some(XactStatus::Committed)),
            } if tag == "COMMIT" => self.committed(Proof::Tag { tag, xact_status }),
            CommitAnswer::Tag {
                xact_status: Some(XactStatus::Committed),
                tag,
                ..
            } => self.committed(Proof::Tag {
                tag,
                xact_status: Some(XactStatus::Committed),
            }),
            CommitAnswer::Tag {
                xact_status: Some(XactStatus::Aborted),
                tag,
                ..
            } if tag == "ROLLBACK" => self.rolled_back(
                Why::CommitRefused,
                Proof::Tag {
                    tag,
                    xact_status: Some(XactStatus::Aborted),
                },
            ),
            CommitAnswer::Refused {
                xact_status: Some(XactStatus::Aborted),
                ..
            } => self.rolled_back(Why::CommitRefused, Proof::Refused),
            CommitAnswer::OtherTransaction { .. } => {
                // Another transaction may be open on that session now: it must not stay.
                let mut effects = vec![Effect::Sever];
                effects.extend(self.inquire(true, Why::OtherTransaction));
                effects
            }
            // Anything less than a proof is asked for afresh.
            CommitAnswer::Tag { .. } | CommitAnswer::Refused { .. } => {
                let mut effects = vec![Effect::Sever];
                effects.extend(self.inquire(true, Why::CommitRefused));
                effects
            }
            CommitAnswer::LinkLost(_) => self.inquire(true, Why::SessionEnded),
        }
    }

    fn rollback_answered(
        &mut self,
        why: Why,
        tag: String,
        xact_status: Option<XactStatus>,
    ) -> Vec<Effect> {
        if self.xid.is_none() {
            return self.rolled_back(why, Proof::NeverBegun);
        }
        match xact_status {
            Some(XactStatus::Aborted) => self.rolled_back(why, Proof::Tag { tag, xact_status }),
            // The script had committed by itself; the truth goes before what was wished.
            Some(XactStatus::Committed) => self.committed(Proof::Tag { tag, xact_status }),
            Some(XactStatus::InProgress) | None => {
                let mut effects = vec![Effect::Sever];
                effects.extend(self.inquire(false, why));
                effects
            }
        }
    }

    fn inquired(&mut self, inquiry: Inquiry, sent: bool, reason: Why) -> Vec<Effect> {
        match inquiry {
            Inquiry::Answered {
                status: XactStatus::Committed,
                server,
            } => self.committed(Proof::Asked { server }),
            Inquiry::Answered {
                status: XactStatus::Aborted,
                server,
            } => self.rolled_back(reason, Proof::Asked { server }),
            // Nothing is lost by ending it where it can only be rolled back, or nobody is there to ask.
            Inquiry::Answered {
                status: XactStatus::InProgress,
                ..
            } if !sent || self.leaving.is_some() => {
                vec![self.request(|_| Request::EndBackend)]
            }
            Inquiry::Answered {
                status: XactStatus::InProgress,
                ..
            } => {
                if let Phase::Inquiring { still_open, .. } = &mut self.phase {
                    *still_open = Some(plan::ASK_AGAIN);
                }
                self.awaiting = None;
                Vec::new()
            }
            Inquiry::OtherServer(_) | Inquiry::Unknowable(_) | Inquiry::Unreachable(_) => {
                if sent {
                    self.end(Ending::Unknown { reason: inquiry })
                } else if self.xid.is_none() {
                    self.rolled_back(reason, Proof::NeverBegun)
                } else {
                    self.rolled_back(reason, Proof::NeverSent { reason: inquiry })
                }
            }
        }
    }

    fn session_ended(&mut self) -> Vec<Effect> {
        match &self.phase {
            Phase::Connecting => self.end(Ending::NotConnected),
            // Nothing is open: connect again and look again.
            Phase::Checklist => {
                for item in &mut self.items {
                    item.standing = Standing::Awaited;
                }
                self.probing = None;
                vec![self.connect()]
            }
            Phase::Beginning if self.xid.is_none() => {
                self.rolled_back(Why::SessionEnded, Proof::NeverBegun)
            }
            Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::Deciding { .. } => self.inquire(false, Why::SessionEnded),
            Phase::MustRollBack { why, .. } | Phase::RollingBack { why, .. } => {
                let why = why.clone();
                if self.xid.is_none() {
                    return self.rolled_back(why, Proof::NeverBegun);
                }
                self.inquire(false, why)
            }
            Phase::Committing => self.inquire(true, Why::SessionEnded),
            Phase::PostVerifying { proof } => {
                let proof = proof.clone();
                self.end(Ending::Committed { proof, post: None })
            }
            // The next attempt connects afresh.
            Phase::Waiting { proof, .. } => {
                let proof = proof.clone();
                self.rolled_back(Why::LockTimeout, proof)
            }
            // It is asked on connections of its own, and the end needs no session.
            Phase::Inquiring { .. } | Phase::Ended(_) | Phase::Left(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
impl Machine {
    /// Request numbers that are waited for now.
    pub(super) fn sequence_numbers(&self) -> Vec<Seq> {
        let mut current: Vec<Seq> = self.awaiting.into_iter().chain(self.probing).collect();
        // A session's end may come with any number of the present session.
        if current.is_empty() && self.last_seq >= self.session_since {
            current.push(self.last_seq);
        }
        current
    }

    /// Reduces what is unbounded to what the machine can tell apart.
    pub(super) fn canonical(&mut self) {
        self.session_since = 1;
        self.probing = self.probing.map(|_| 2);
        self.awaiting = self.awaiting.map(|_| 3);
        self.last_seq = 3;
        self.tally.pass = self.tally.pass.min(1);
        self.tally.warn = 0;
        self.tally.fail = self.tally.fail.min(1);
        // Kept for whoever asks later; no decision reads it.
        self.ending = None;
        // A beat changes nothing but itself; the walk need not tell its moments apart.
        self.beat_due = super::plan::BEAT;
    }
}
