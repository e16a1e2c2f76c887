//! The machine itself: one function per kind of event, each naming every phase.
//!
//! It must never act on a report of a request it no longer waits for, and never say COMMITTED
//! without the server's word. Where an event can come by itself (time, an alarm, the session's end,
//! a lost journal) there is no `_` arm over phases: a new phase has to say what it means there. An
//! answer is taken in the one phase that asked for it.

mod asking;
mod backing_up;
mod cancelling;
#[cfg(test)]
mod canonical;
mod leaving;
mod offering;
mod passing;
mod proving;
mod querying;
mod reporting;
mod reviewing;

use super::approval::{Approval, Basis};
use super::consent::Consent;
use super::effect::{Effect, Request};
use super::ending::{Ending, Proof, Why};
use super::event::{Alarm, Document, Event, Millis, Seq, Standing, Target};
use super::exit::ExitCode;
use super::offer::Act;
use super::pass::{Allowance, Compared, Pass};
use super::phase::{Phase, PhaseKind, Prompt, Stage};
use super::plan::{self, Plan};
use crate::runbook::check::Tally;
use std::sync::Arc;

/// SQLSTATE of a lock that was not granted within `lock_timeout`.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The gate of one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine {
    /// It never changes, and is shared by all copies.
    plan: Arc<Plan>,
    phase: Phase,
    items: Vec<Signature>,
    tally: Tally,
    database: Option<String>,
    /// What was signed was signed for this.
    place: Option<Arc<TargetIdentity>>,
    /// What the present session reached.
    reached: Option<Arc<Target>>,
    /// What came out of the pass so far, as it was shown.
    came_out: Option<Arc<Pass>>,
    /// What is reviewed with nothing held.
    basis: Option<Basis>,
    /// COMMIT as it was given on that, until the second pass is held against it.
    approval: Option<Approval>,
    /// What the newest second pass was different in.
    compared: Option<Arc<Compared>>,
    xid: Option<String>,
    /// What was said to COMMIT so far; it falls with the prompt.
    consent: Consent,
    hold_left: Option<Millis>,
    /// The present state is on the screen.
    shown: bool,
    leaving: Option<Alarm>,
    /// How much longer the proof is waited for, once the run is to be left by all means.
    leave_in: Option<Millis>,
    /// `q` was refused, and has stood open for so long to be pressed again.
    parting: Option<Millis>,
    /// COMMIT was seen to wait.
    waits: bool,
    /// How long ago a person cancelled what is no part of the script, up to [`plan::CANCEL_PATIENCE`].
    cancelled: Option<Millis>,
    /// COMMIT was handed to the session.
    sent: bool,
    /// The transaction ended though nobody asked for that: only the server knows which way.
    strayed: bool,
    ending: Option<Ending>,
    /// How often the transaction was begun since `apply`.
    attempt: u32,
    /// How far the newest attempt came.
    got_to: Stage,
    /// It came before a person: at the gate, or where only ROLLBACK is left.
    decided: bool,
    journal_lost: bool,
    /// The transaction that was begun is open, and no statement of it failed: a query can run in it.
    whole: bool,
    last_seq: Seq,
    awaiting: Option<Seq>,
    probing: Option<Seq>,
    backing_up: backing_up::BackingUp,
    /// The first request of the present session: what an older session says is stale.
    session_since: Seq,
}

/// The server, database and role that were reached, as far as they can be told from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TargetIdentity {
    host: String,
    address: Option<String>,
    port: u16,
    database: String,
    role: String,
    session_role: Option<String>,
    system_identifier: Option<String>,
    timeline: Option<u32>,
}

impl TargetIdentity {
    fn of(target: &Target) -> TargetIdentity {
        TargetIdentity {
            host: target.host.clone(),
            address: target.address.clone(),
            port: target.port,
            database: target.database.clone(),
            role: target.role.clone(),
            session_role: target.session_role.clone(),
            system_identifier: target.system_identifier.clone(),
            timeline: target.timeline,
        }
    }
}

/// A checklist item as the machine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Signature {
    pub standing: Standing,
    /// Documents that are still to be read to their end.
    pub unread: Vec<Document>,
    /// How many findings of the linter were acknowledged.
    pub acknowledged: usize,
    /// The evidence has a rehearsal that stands for reading the rollback scripts.
    pub rehearsed: bool,
    pub signed: bool,
}

impl Signature {
    /// What is still to be read before it can be signed. No evidence stands for reading the script
    /// itself.
    pub fn to_read(&self) -> impl Iterator<Item = Document> {
        let unread = self.unread.iter().copied();
        unread.filter(|document| match document {
            Document::Script | Document::Checks(_) => true,
            Document::Rollback(_) => !self.rehearsed,
        })
    }
}

/// What must be drawn anew before a key acts on it (I5).
#[derive(Debug, PartialEq)]
pub struct Face {
    screen: PhaseKind,
    prompt: Prompt,
    signed: Vec<(bool, usize)>,
    backing_up: backing_up::BackingUp,
    /// With both, `x` cancels one after the other.
    probes_beside_backup: bool,
    parting: bool,
    waits: bool,
    /// It is told that a cancel has no effect: pressed again, its key does something else.
    cancel_failed: bool,
    allowance: Allowance,
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
            plan: Arc::new(plan),
            phase: Phase::Connecting,
            items,
            tally: Tally::default(),
            database: None,
            place: None,
            reached: None,
            came_out: None,
            basis: None,
            approval: None,
            compared: None,
            xid: None,
            consent: Consent::default(),
            hold_left: None,
            shown: false,
            leaving: None,
            leave_in: None,
            parting: None,
            waits: false,
            cancelled: None,
            sent: false,
            strayed: false,
            ending: None,
            attempt: 0,
            got_to: Stage::Apply,
            decided: false,
            journal_lost: false,
            whole: false,
            last_seq: 0,
            awaiting: None,
            probing: None,
            backing_up: backing_up::BackingUp::default(),
            session_since: 0,
        }
    }

    /// The first effects of a run.
    pub fn start(&mut self) -> Vec<Effect> {
        vec![self.connect()]
    }

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

    /// How far the newest attempt came, whatever it was ended by.
    pub fn got_to(&self) -> Stage {
        self.got_to
    }

    /// Whether the newest attempt came before a person.
    pub fn was_decided(&self) -> bool {
        self.decided
    }

    /// Whether the transaction ended though nobody asked for that.
    pub fn is_strayed(&self) -> bool {
        self.strayed
    }

    /// By what the run is to be left by all means, once it is.
    pub fn leaving(&self) -> Option<&Alarm> {
        self.leaving.as_ref()
    }

    /// What people said to COMMIT so far.
    pub fn consent(&self) -> &Consent {
        &self.consent
    }

    /// The transaction that was begun last.
    pub fn xid(&self) -> Option<&str> {
        self.xid.as_deref()
    }

    /// What is left of the hold, in milliseconds, while a transaction is held.
    pub fn hold_left(&self) -> Option<Millis> {
        self.hold_left
    }

    /// What is typed so that nobody takes one server for another: the name that the runbook has for it,
    /// where it knows several, and else its database's.
    fn name_of(&self, target: &Target) -> String {
        let named = target.named(&self.plan.targets);
        match (named, self.plan.targets.len()) {
            (Some(named), 2..) => named.name.clone(),
            (Some(_) | None, _) => target.database.clone(),
        }
    }

    /// Of what the name is that is typed: `database`, or `target` where the runbook knows several.
    pub fn name_is_of(&self) -> &'static str {
        let name = self.database.as_deref();
        let targets = &self.plan.targets;
        match targets.len() > 1
            && targets
                .iter()
                .any(|known| Some(known.name.as_str()) == name)
        {
            true => "target",
            false => "database",
        }
    }

    /// Whether a person did what the evidence of an item cannot do for them: it is signed, or all that
    /// is to be read was read and nothing else is asked for.
    pub fn is_answered(&self, index: usize) -> bool {
        let (Some(item), Some(needed)) = (self.items.get(index), self.plan.items.get(index)) else {
            return true;
        };
        let read = item.to_read().next().is_none() && item.acknowledged >= needed.findings;
        item.signed
            || match item.standing {
                Standing::Asks => read && !needed.documents.is_empty(),
                _ => read,
            }
    }

    /// Whether all evidence was looked at, and an item's fails: nothing can be applied.
    pub fn fails(&self) -> bool {
        let standings = || self.items.iter().map(|item| item.standing);
        standings().all(|standing| standing != Standing::Awaited)
            && standings().any(Standing::forbids)
    }

    /// What a walk that cannot be applied ends with: nothing failed where nothing answered.
    fn fails_with(&self) -> ExitCode {
        let fails = |item: &Signature| item.standing == Standing::Fails;
        match self.items.iter().any(fails) {
            true => ExitCode::RolledBackOnFail,
            false => ExitCode::NoAnswer,
        }
    }

    /// Whether the gate would take `c` now.
    pub fn armed(&self) -> bool {
        self.offer(Act::AskCommit).is_open()
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
            Event::Ticked { elapsed } => {
                let mut effects = self.ticked(elapsed);
                effects.extend(self.ticked_beside(elapsed));
                effects
            }
            Event::ReadToEnd(document) => {
                for item in &mut self.items {
                    item.unread.retain(|unread| *unread != document);
                }
                Vec::new()
            }
            Event::Perused(_) => Vec::new(),
            Event::Alarmed(alarm) => self.alarmed(alarm),
            Event::CameOut(pass) => {
                if self.plan.keeps() && matches!(self.phase, Phase::Verifying { .. }) {
                    self.came_out = Some(pass);
                }
                Vec::new()
            }
            Event::JournalLost(_) => self.journal_lost(),
            Event::IntentLost(_) => self.intent_lost(),
        };
        self.forget_cancelled();
        if self.face() != before {
            self.shown = false;
        }
        effects
    }

    /// What a frame of the present state shows.
    pub fn face(&self) -> Face {
        Face {
            screen: self.phase.kind(),
            prompt: self.phase.prompt(),
            signed: self
                .items
                .iter()
                .map(|item| (item.signed, item.acknowledged))
                .collect(),
            backing_up: self.backing_up,
            probes_beside_backup: self.is_backing_up() && self.probing.is_some(),
            parting: self.parting.is_some(),
            waits: self.waits,
            cancel_failed: match self.phase {
                Phase::Applying { cancelling }
                | Phase::Verifying { cancelling }
                | Phase::TakingDown { cancelling }
                | Phase::Querying { cancelling, .. } => cancelling == Some(plan::CANCEL_PATIENCE),
                _ => self.cancelled == Some(plan::CANCEL_PATIENCE),
            },
            allowance: self.allowance().clone(),
        }
    }

    fn request(&mut self, request: Request) -> Effect {
        self.last_seq += 1;
        let seq = self.last_seq;
        self.awaiting = Some(seq);
        self.sent |= matches!(request, Request::Commit(_));
        Effect::Request { seq, request }
    }

    fn connect(&mut self) -> Effect {
        self.phase = Phase::Connecting;
        let effect = self.request(Request::Connect);
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
        let effect = self.request(Request::Probe(all));
        self.probing = self.awaiting.take();
        vec![effect]
    }

    fn begin(&mut self) -> Vec<Effect> {
        self.phase = Phase::Beginning;
        self.attempt += 1;
        self.got_to = Stage::Apply;
        self.decided = false;
        self.tally = Tally::default();
        self.xid = None;
        self.whole = false;
        self.sent = false;
        self.strayed = false;
        self.waits = false;
        self.came_out = None;
        vec![self.request(Request::Begin)]
    }

    fn roll_back(&mut self, why: Why, busy: bool) -> Vec<Effect> {
        self.hold_left = None;
        self.whole = false;
        self.phase = Phase::RollingBack {
            why,
            patience: plan::PATIENCE,
            busy,
        };
        let mut effects = Vec::new();
        if busy {
            effects.push(Effect::Cancel);
        }
        effects.push(self.request(Request::RollBack));
        effects
    }

    fn inquire(&mut self, commit_sent: bool, why: Why) -> Vec<Effect> {
        self.hold_left = None;
        self.whole = false;
        self.phase = Phase::Inquiring {
            commit_sent,
            why,
            still_open: None,
            times: 0,
        };
        vec![self.request(Request::Inquire)]
    }

    /// What may be open on that session must not stay.
    fn sever_and_inquire(&mut self, commit_sent: bool, why: Why) -> Vec<Effect> {
        let mut effects = vec![Effect::Sever];
        effects.extend(self.inquire(commit_sent, why));
        effects
    }

    fn end(&mut self, ending: Ending) -> Vec<Effect> {
        self.hold_left = None;
        self.awaiting = None;
        self.basis = None;
        self.approval = None;
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
        self.basis = None;
        self.approval = None;
        let mut effects = self.stop_backup();
        self.backing_up.under_way = None;
        effects.push(Effect::Leave(code));
        effects
    }

    fn rolled_back(&mut self, why: Why, proof: Proof) -> Vec<Effect> {
        if why == Why::ForReview && self.leaving.is_none() {
            return self.review(proof);
        }
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
        self.basis = None;
        self.approval = None;
        self.whole = false;
        self.ending = Some(Ending::Committed {
            proof: proof.clone(),
            post: None,
        });
        if self.plan.post_verification && self.leaving.is_none() {
            self.phase = Phase::PostVerifying { proof };
            return vec![self.request(Request::PostVerify)];
        }
        self.end(Ending::Committed { proof, post: None })
    }
}
