//! The machine itself: one function per kind of event, each naming every phase.
//!
//! It must never act on a report of a request it no longer waits for, and never say COMMITTED
//! without the server's word. Where an event can come by itself (time, an alarm, the session's end,
//! a lost journal) there is no `_` arm over phases: a new phase has to say what it means there. An
//! answer is taken in the one phase that asked for it.

mod arrived;
mod asking;
mod backing_up;
mod cancelling;
#[cfg(test)]
mod canonical;
mod consenting;
mod earlier;
mod face;
mod leaving;
mod losing;
mod newest;
mod offering;
mod passing;
mod proving;
mod querying;
mod reporting;
mod requests;
mod reviewing;
mod signature;

pub use face::{Before, Face};
pub use signature::Signature;

use super::act::Act;
use super::approval::Approval;
use super::effect::{Effect, Request};
use super::event::Event;
use super::phase::{AfterRollback, Onward, Phase, Probing, Stage};
use super::plan::{self, Plan};
use crate::facts::{Alarm, Consent, Ending, ExitCode, Millis, Proof, Standing, Why};
use crate::runbook::check::Tally;
use arrived::Arrived;
use backing_up::BackingUp;
use leaving::Leaving;
use newest::{Committer, Newest};
use requests::Requests;
use std::sync::Arc;

/// SQLSTATE of a lock that was not granted within `lock_timeout`.
pub(crate) const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The gate of one run. What has a meaning in some phases alone stands in those; what is here outlasts
/// them, and each field says why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine {
    /// It never changes, and is shared by all copies.
    plan: Arc<Plan>,
    phase: Phase,
    /// What is signed stays signed through an attempt and a new session. Shared with what was, until
    /// they change.
    items: Arc<Vec<Signature>>,
    /// A dump runs beside the session, outlasts a lost one, and stands for the reference once made.
    backing_up: BackingUp,
    /// Numbers are never used twice in a run, and one answer at most is waited for in any phase.
    requests: Requests,
    /// What the newest session reached, or the one before it: the next one is held against it.
    arrived: Option<Arrived>,
    /// Told until the next transaction is begun, whatever this one was ended by.
    newest: Newest,
    /// The present state is on the screen.
    shown: bool,
    /// The run is to be left by all means: once that is so it stays so, and one deadline holds for all
    /// that is still to be proven.
    leaving: Option<Leaving>,
    /// `q` was refused, and has stood open for so long to be pressed again, wherever the script got to
    /// meanwhile.
    parting: Option<Millis>,
    /// It does not come back.
    journal_lost: bool,
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
            items: Arc::new(items),
            backing_up: BackingUp::default(),
            requests: Requests::default(),
            arrived: None,
            newest: Newest::default(),
            shown: false,
            leaving: None,
            parting: None,
            journal_lost: false,
        }
    }

    pub fn start(&mut self) -> Vec<Effect> {
        vec![self.connect()]
    }

    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The checklist items, in the plan's order.
    pub fn items(&self) -> &[Signature] {
        &self.items
    }

    fn items_mut(&mut self) -> &mut Vec<Signature> {
        Arc::make_mut(&mut self.items)
    }

    /// The checks that the script's own statements returned.
    pub fn tally(&self) -> Tally {
        self.newest.tally
    }

    /// How the run ended, as soon as it is proven; until the next one begins.
    pub fn ending(&self) -> Option<&Ending> {
        self.newest.ending.as_ref()
    }

    /// Whether the present state is on the screen.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Which attempt this is, from 1; 0 before the first.
    pub fn attempt(&self) -> u32 {
        self.newest.attempt
    }

    /// How far the newest attempt came, whatever it was ended by.
    pub fn got_to(&self) -> Stage {
        self.newest.got_to
    }

    /// Whether the newest attempt came before a person.
    pub fn was_decided(&self) -> bool {
        self.newest.decided
    }

    /// Whether the transaction ended though nobody asked for that.
    pub fn is_strayed(&self) -> bool {
        self.newest.committer == Committer::Another
    }

    /// Whether COMMIT was answered with its own tag, and the status contradicted it.
    pub fn is_tag_contradicted(&self) -> bool {
        self.newest.committer == Committer::Answered
    }

    /// By what the run is to be left by all means, once it is.
    pub fn leaving(&self) -> Option<&Alarm> {
        self.leaving.as_ref().map(|leaving| &leaving.alarm)
    }

    /// What people said to COMMIT so far.
    pub fn consent(&self) -> &Consent {
        self.phase.consent()
    }

    /// The transaction that was begun last.
    pub fn xid(&self) -> Option<&str> {
        self.newest.xid.as_deref()
    }

    /// What is left of the hold, in milliseconds, while a transaction is held.
    pub fn hold_left(&self) -> Option<Millis> {
        self.phase.held().map(|held| held.left)
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
                if self
                    .items
                    .iter()
                    .any(|item| item.unread.contains(&document))
                {
                    for item in self.items_mut() {
                        item.unread.retain(|unread| *unread != document);
                    }
                }
                Vec::new()
            }
            Event::Perused { .. } => Vec::new(),
            Event::Alarmed(alarm) => self.alarmed(alarm),
            Event::CameOut(pass) => {
                if let (true, Phase::Verifying(running)) = (self.plan.keeps(), &mut self.phase) {
                    running.held.came_out = Some(pass);
                }
                Vec::new()
            }
            Event::LeftOpen(any) => self.left_open(any),
            Event::JournalLost(_) => self.journal_lost(),
            Event::IntentLost(_) => self.intent_lost(),
        };
        if self.face() != before {
            self.shown = false;
        }
        effects
    }

    fn request(&mut self, request: Request) -> Effect {
        let seq = self.requests.number();
        if matches!(request, Request::Commit(_)) {
            self.newest.committer.send();
        }
        Effect::Request { seq, request }
    }

    fn connect(&mut self) -> Effect {
        self.phase = Phase::Connecting;
        let effect = self.request(Request::Connect);
        self.requests.open_session();
        effect
    }

    /// Asks for all evidence. Sign-offs stay; they fall when the evidence no longer holds.
    fn probe(&mut self) -> Vec<Effect> {
        for item in self.items_mut() {
            item.standing = Standing::Awaited;
        }
        if self.items.is_empty() {
            return Vec::new();
        }
        let all = (0..self.items.len()).collect();
        let effect = self.request(Request::Probe(all));
        let probing = self.requests.awaiting.take();
        self.probe_for(probing.map(|seq| Probing {
            seq,
            cancelling: None,
        }));
        vec![effect]
    }

    fn probe_for(&mut self, asked: Option<Probing>) {
        if let Phase::Checklist { probing, .. } = &mut self.phase {
            *probing = asked;
        }
    }

    fn begin(&mut self, approval: Option<Approval>) -> Vec<Effect> {
        self.phase = Phase::Beginning { approval };
        self.newest.begin_another();
        vec![self.request(Request::Begin)]
    }

    /// Rolls back and ends the run: nothing is reviewed, tried again or approved any more.
    fn roll_back(&mut self, why: Why, busy: bool) -> Vec<Effect> {
        self.roll_back_and(AfterRollback::Onward(Onward::End(why)), busy)
    }

    fn roll_back_and(&mut self, after: AfterRollback, busy: bool) -> Vec<Effect> {
        self.phase = Phase::RollingBack {
            after,
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

    fn inquire(&mut self, commit_sent: bool, onward: Onward) -> Vec<Effect> {
        self.phase = Phase::Inquiring {
            commit_sent,
            onward,
            still_open: None,
            times: 0,
        };
        vec![self.request(Request::Inquire)]
    }

    /// What may be open on that session must not stay.
    fn sever_and_inquire(&mut self, commit_sent: bool, onward: Onward) -> Vec<Effect> {
        let mut effects = vec![Effect::Sever];
        effects.extend(self.inquire(commit_sent, onward));
        effects
    }

    fn end(&mut self, ending: Ending) -> Vec<Effect> {
        self.requests.awaiting = None;
        let code = ending.exit_code();
        self.newest.ending = Some(ending.clone());
        self.phase = Phase::Ended(ending);
        match self.leaving {
            Some(_) => self.leave(code),
            None => Vec::new(),
        }
    }

    fn leave(&mut self, code: ExitCode) -> Vec<Effect> {
        self.phase = Phase::Left(code);
        let mut effects = self.stop_backup();
        self.backing_up.under_way = None;
        effects.push(Effect::Leave(code));
        effects
    }

    /// What was being rolled back, or asked about, is proven to be gone.
    fn rolled_back(&mut self, proof: Proof) -> Vec<Effect> {
        let after = match &mut self.phase {
            Phase::RollingBack { after, .. } => after.take(),
            Phase::Inquiring { onward, .. } => AfterRollback::Onward(onward.take()),
            _ => return Vec::new(),
        };
        self.go_on(after, proof)
    }

    fn go_on(&mut self, after: AfterRollback, proof: Proof) -> Vec<Effect> {
        match after {
            AfterRollback::Onward(Onward::Review(let_go)) if self.leaving.is_none() => {
                self.review(let_go, proof)
            }
            AfterRollback::TryAgain(approval) if self.leaving.is_none() => {
                self.requests.awaiting = None;
                self.phase = Phase::Waiting {
                    left: plan::back_off(
                        self.newest.attempt,
                        self.newest.xid.as_deref().unwrap_or_default(),
                    ),
                    proof,
                    approval,
                };
                Vec::new()
            }
            after => {
                let why = self.why_it_ends(after.why());
                self.end(Ending::RolledBack { why, proof })
            }
        }
    }

    fn committed(&mut self, proof: Proof) -> Vec<Effect> {
        self.newest.ending = Some(Ending::Committed {
            proof: proof.clone(),
            post: None,
        });
        if self.plan.post_verification && self.leaving.is_none() {
            self.phase = Phase::PostVerifying {
                proof,
                cancelling: None,
            };
            return vec![self.request(Request::PostVerify)];
        }
        self.end(Ending::Committed { proof, post: None })
    }
}
