//! The fold itself: what each event adds to what is known.

use super::{Account, ItemFact, LockWaits, SignedItem, Transaction, TransactionFact, Waited};
use crate::facts::{Dump, Observation, Said, ServerMessage, StatementEnd};
use crate::gate::act::Command;
use crate::gate::event::{Added, Body, CommitAnswer, Event, Report};
use crate::gate::machine::{Before, LOCK_NOT_AVAILABLE, Machine, Signature};
use crate::gate::pass::{Pass, Structure};
use crate::gate::phase::PhaseKind;
use crate::runbook::script::Script;

impl Account {
    /// Takes down an event. Give it the event before the machine gets it.
    pub fn take_down(&mut self, event: &Event) {
        match event {
            Event::Ticked { elapsed } => self.now += elapsed,
            Event::Reported(report) => self.reported(report),
            Event::Observed(Observation::Seen(sight)) => {
                if !sight.blockers.is_empty() {
                    self.blockers.clone_from(&sight.blockers);
                    self.blocked = self.newest();
                }
                if self.begun_at.is_some() && self.ended_at.is_none() {
                    self.waited.take_down(&sight.waiters);
                    let waits = sight.waits.filter(|_| self.running.is_some());
                    self.lock_waits.take_down(waits);
                }
                self.sight = Some((**sight).clone());
                self.blind = None;
            }
            Event::Observed(Observation::Logged(log)) => self.log = Some(log.clone()),
            Event::Observed(Observation::Blind(reason)) => {
                self.sight = None;
                self.blind = Some(reason.clone());
            }
            // What a person asks for counts once the machine has taken it.
            Event::Asked(_)
            | Event::Drawn
            | Event::Edited
            | Event::ReadToEnd(_)
            | Event::Perused { .. }
            | Event::CameOut(_)
            | Event::LeftOpen(_)
            | Event::Alarmed(_) => {}
            Event::JournalLost(why) | Event::IntentLost(why) => {
                self.unrecorded.get_or_insert_with(|| why.clone());
            }
        }
    }

    /// Takes down what an event came to in the machine, which was `before`.
    pub fn take_change(
        &mut self,
        before: &Before,
        after: &Machine,
        event: &Event,
        script: &Script,
    ) {
        for (index, (was, is)) in before.items.iter().zip(after.items()).enumerate() {
            self.take_of_item(index, (was, is), after, event, script);
        }
        let phase = after.phase().kind();
        match event {
            Event::Asked(Command::Again) if phase != before.phase => {
                self.forget_transaction();
                self.blockers.clear();
            }
            // What is known is of the one before. Where BEGIN is not answered, no report says so.
            _ if phase == PhaseKind::Beginning && phase != before.phase => {
                self.forget_transaction();
            }
            _ => {}
        }
        if before.transaction_open && !after.phase().transaction_open() {
            self.close_transaction();
        }
    }

    fn take_of_item(
        &mut self,
        index: usize,
        (was, is): (&Signature, &Signature),
        after: &Machine,
        event: &Event,
        script: &Script,
    ) {
        let Some(item) = self.items.get_mut(index) else {
            return;
        };
        if is.acknowledged > was.acknowledged {
            let finding = script.findings_in_words().get(was.acknowledged);
            if let Some(finding) = finding {
                item.take(ItemFact::Acknowledged(finding.clone()));
            }
        }
        match (was.signed, is.signed) {
            (false, true) => {
                let typed = match event {
                    Event::Asked(Command::SignOff { note, .. }) => note.clone(),
                    _ => None,
                };
                let dumped = self.backup.made.as_ref().map(Dump::reference);
                let dumped = dumped.filter(|_| after.is_backed_up(index));
                item.take(ItemFact::Signed(SignedItem {
                    note: typed.or(dumped),
                    seen: item.evidence.in_lines(),
                }));
            }
            (true, false) => item.take(ItemFact::Withdrawn),
            (false, false) | (true, true) => {}
        }
    }

    /// It is proven to be over, or nothing more can be known of it.
    fn close_transaction(&mut self) {
        if self.begun_at.is_some() {
            self.ended_at.get_or_insert(self.now);
            let waits = self.waited.in_short();
            self.transaction.take(TransactionFact::WaitedFor(waits));
        }
    }

    fn forget_transaction(&mut self) {
        self.running = None;
        self.transaction = Transaction::default();
        self.behind = 0;
        self.begun_at = None;
        self.ended_at = None;
        self.post.clear();
        self.looked = None;
        self.taken_down = None;
        self.commit_wait = None;
        self.sight = None;
        self.waited = Waited::default();
        self.lock_waits = LockWaits::default();
        self.pass = self.pass.take().map(|pass| Pass::of(&pass.script));
    }

    #[expect(clippy::too_many_lines, reason = "one match over every report")]
    fn reported(&mut self, report: &Report) {
        if self.backup.take_down(report.seq, &report.body) {
            for index in &self.backups {
                if let Some(item) = self.items.get_mut(*index) {
                    item.take(ItemFact::Found(self.backup.evidence()));
                }
            }
        }
        match &report.body {
            Body::Connected(target) => {
                self.lost = None;
                self.target = Some((**target).clone());
            }
            Body::ConnectFailed(error) | Body::BeginFailed(error) => self.say(None, error),
            // One of an earlier look comes too late.
            Body::Probed { .. } if report.seq < self.probed => {}
            Body::Probed { item, evidence } => {
                self.probed = report.seq;
                if let Some(item) = self.items.get_mut(*item) {
                    item.take(ItemFact::Found(evidence.clone()));
                }
            }
            Body::Begun { xid, added } => {
                self.transaction.take(TransactionFact::Begun {
                    xid: xid.clone(),
                    added: added.iter().map(Added::to_string).collect(),
                });
                let behind = |one: &&Added| matches!(one, Added::Behind(_));
                self.behind = added.iter().filter(behind).count();
                self.begun_at = Some(self.now);
                self.lost = None;
            }
            Body::StatementStarted { number } => {
                self.running = Some((*number, self.now));
                // What was seen of the statement before says nothing about this one.
                if let Some(sight) = &mut self.sight {
                    sight.progress = None;
                    sight.blockers.clear();
                }
            }
            Body::StatementFinished(report) => {
                if let Some(pass) = &mut self.pass {
                    pass.keep(report);
                }
                self.end_statement(report.number, StatementEnd::from(&**report));
                for check in &report.checks {
                    self.transaction
                        .take(TransactionFact::Checked(check.clone()));
                }
            }
            Body::StatementFailed {
                number,
                duration,
                error,
            } => {
                self.say(Some(*number), error);
                self.keep_who_stopped(*number, error);
                let end = StatementEnd {
                    duration: *duration,
                    error: Some(error.clone()),
                    ..StatementEnd::default()
                };
                self.end_statement(*number, end);
            }
            Body::Noticed { number, message } => {
                if let Some(pass) = &mut self.pass {
                    pass.warned(*number, message);
                }
                self.say(*number, message);
            }
            Body::StoodBefore { structure, .. } => {
                if let Some(pass) = &mut self.pass {
                    pass.before = Structure::clone(structure);
                }
            }
            Body::TakenDown { duration, .. } => self.taken_down = Some(*duration),
            Body::Looked(looked) => {
                self.looked = Some((**looked).clone());
                self.looks += 1;
            }
            Body::Measured(measure) => self.measure = Some(measure.clone()),
            Body::SettleFailed { error, .. } | Body::PostVerifyFailed(error) => {
                self.say(None, error);
            }
            Body::CommitAnswered(answer) => {
                self.ended_at = Some(self.now);
                match answer {
                    CommitAnswer::Refused { error, .. } => self.say(None, error),
                    CommitAnswer::LinkLost(error) => self.lose(error),
                    // The server's warning was told when it came.
                    CommitAnswer::Local { .. }
                    | CommitAnswer::Tag { .. }
                    | CommitAnswer::OtherTransaction { .. } => {}
                }
            }
            Body::RollbackAnswered { .. } => self.ended_at = Some(self.now),
            Body::SessionEnded(error) => {
                if self.begun_at.is_some() && self.ended_at.is_none() {
                    self.ended_at = Some(self.now);
                }
                self.lose(error);
            }
            Body::PostVerified { results } => {
                self.post.clone_from(results);
                for check in results.iter().flat_map(|result| &result.checks) {
                    self.transaction
                        .take(TransactionFact::PostChecked(check.clone()));
                }
            }
            Body::BackupStarted(_)
            | Body::BackupProgressed(_)
            | Body::BackedUp(_)
            | Body::BackupFailed(_)
            | Body::BackupLost(_)
            | Body::EarlierAnswered { .. }
            | Body::ScriptFinished
            | Body::Settled { .. }
            | Body::Asked(_) => {}
            Body::NumberDurable => self.transaction.take(TransactionFact::NumberDurable),
            Body::CommitWaits(wait) => self.commit_wait = Some(wait.clone()),
            Body::TransactionGone => self.ended_at = Some(self.now),
            Body::FoundFailed(error) => self.say(None, error),
            Body::Guard { missing } => {
                self.unguarded = missing.is_some();
                if let Some(why) = missing {
                    self.say(None, why);
                }
            }
        }
    }

    /// Each order that finds the session gone is answered with why: that is told once.
    fn lose(&mut self, why: &ServerMessage) {
        if self.lost.as_ref() != Some(why) {
            self.say(None, why);
            self.lost = Some(why.clone());
        }
    }

    fn say(&mut self, number: Option<usize>, message: &ServerMessage) {
        let message = message.clone();
        self.messages.push((self.now, Said { number, message }));
    }

    fn end_statement(&mut self, number: usize, end: StatementEnd) {
        self.running = None;
        let waited = std::mem::take(&mut self.lock_waits).in_all;
        let end = StatementEnd { waited, ..end };
        self.transaction
            .take(TransactionFact::StatementEnded(number, end));
    }

    /// Keeps of those who blocked us the ones that this failure is about: it did not get its lock, or
    /// ended while it waited.
    fn keep_who_stopped(&mut self, number: usize, error: &ServerMessage) {
        let about = match error.sqlstate.as_deref() {
            Some(LOCK_NOT_AVAILABLE) => self.blocked == Some(number),
            _ => (self.sight.as_ref()).is_some_and(|sight| !sight.blockers.is_empty()),
        };
        if !about {
            self.blockers.clear();
        }
    }
}
