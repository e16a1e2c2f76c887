//! Events in, effects out: the part of the walk that the full screen and the plain lines share.
//!
//! It enqueues and never waits for the database. Journal first, then the wire: a COMMIT whose
//! intent is not on disk is not sent (I6).

use super::past::LookingBack;
use super::watchdog::{EndingNow, Watchdog};
use super::{evidence, files, record};
use crate::account::{Account, EarlierTold};
use crate::backup;
use crate::database::session::Order;
use crate::facts::{Ending, Evidence, ExitCode, Millis, OutcomeAnswer, Standing, Target};
use crate::gate::act::Command;
use crate::gate::event::{Body, Event, Report, Seq};
use crate::gate::warrant::Warrant;
use crate::gate::{Effect, Machine, Mode, Phase, Plan, Refusal, Request};
use crate::journal::earlier::{Earlier, most_pressing, told_first};
use crate::journal::entry::{Decision, PhaseWord};
use crate::journal::{Entry, Journal, JournalError, measured};
use crate::rehearse::weighing::Weighing;
use crate::runbook::{ItemKind, Runbook};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The held session as the engine needs it. None of it waits.
pub trait HeldSession {
    /// Puts an order into the session's queue; its reports carry `seq`.
    fn order(&self, seq: Seq, order: Order);
    /// Weighs rehearsals for the item with this index, which are read from disk; its reports carry `seq`.
    fn weigh(&self, seq: Seq, item: usize, weighing: Weighing);
    /// Waits until all of a runbook's scripts were parsed and linted, for the item with this index; its
    /// report carries `seq`.
    fn lint(&self, seq: Seq, item: usize, runbook: Arc<Runbook>);
    /// Sends a cancel request for what runs, on a connection of its own.
    fn cancel(&self);
    /// The transaction may be held for so long from now on.
    fn renew(&self, left: Millis);
    /// Closes the link, whatever is under way on it.
    fn sever(&self);
    /// Somebody looks at the server's log now, or does not any more.
    fn look_at_log(&self, _wanted: bool) {}
    /// Begins a dump of what was reached; its reports carry `seq`.
    fn back_up(&self, seq: Seq, target: Target, folder: String);
    /// Stops the dump that is under way.
    fn stop_backup(&self);
    /// Asks which way this transaction of the run of this journal went; its report carries `seq`.
    fn ask_earlier(&self, seq: Seq, journal: PathBuf, xid: String);
}

/// One run: the machine, what is known, the journal, the session.
#[derive(Debug)]
pub struct Engine<H> {
    machine: Machine,
    account: Account,
    runbook: Arc<Runbook>,
    log: Log,
    held: H,
    /// Where journals of rehearsals may lie.
    journals: Vec<PathBuf>,
    /// Runs before this one that nobody knows the outcome of.
    earlier: Vec<Earlier>,
    /// The evidence on what was reached, without them, and the index of its item.
    reached: Option<(usize, Evidence)>,
    /// What earlier runs bring into this one.
    past: LookingBack,
    /// What was found of the server while it is not known whether an earlier run there has no outcome, which
    /// is told before it.
    held_back: VecDeque<Event>,
    /// Who ends the process when this hangs.
    watchdog: Option<Watchdog>,
    said: Vec<EngineRemark>,
    left: Option<ExitCode>,
    over: bool,
    /// Look at the files again before the walk goes on with them.
    looks_at_files: bool,
    /// Those that are not what was read.
    changed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineRemark {
    /// Why what they asked for was not done.
    Refused(Refusal),
    Said(String),
}

/// Where the run is written down.
#[derive(Debug)]
pub enum Log {
    Kept(Box<Journal>),
    /// Nowhere, as agreed: a run that can never commit.
    Unwanted,
    /// Nowhere any more: the journal failed, and ends at what still holds.
    Lost,
}

impl<H: HeldSession> Engine<H> {
    /// A run that has not begun.
    pub fn new(runbook: Arc<Runbook>, plan: Plan, log: Log, held: H) -> Engine<H> {
        let mut account = Account::new(&runbook);
        if plan.keeps() {
            account.keep_passes(&runbook.script.sha256());
        }
        Engine {
            account,
            machine: Machine::new(plan),
            runbook,
            log,
            held,
            journals: Vec::new(),
            earlier: Vec::new(),
            reached: None,
            past: LookingBack::default(),
            held_back: VecDeque::new(),
            watchdog: None,
            said: Vec::new(),
            left: None,
            over: false,
            looks_at_files: false,
            changed: Vec::new(),
        }
    }

    /// Looks for rehearsals in the journals of these folders.
    pub fn with_journals(mut self, folders: Vec<PathBuf>) -> Engine<H> {
        self.journals = folders;
        self
    }

    /// Tells what is to be expected of the locks, where it was measured on the database that is reached, and
    /// takes over what was read in earlier runs.
    pub fn with_past(mut self, past: LookingBack) -> Engine<H> {
        self.past = past;
        self
    }

    /// Waits until it is known what earlier runs bring into this one, and takes it in where a server was
    /// reached; for ever, where nobody looks. To be dropped at any time.
    pub async fn hear_past(&mut self) {
        if let Some(earlier) = self.past.hear().await {
            self.earlier = earlier;
            let mut held_back = std::mem::take(&mut self.held_back);
            held_back.push_front(self.tell_left_open());
            self.drain(held_back);
            return self.write_down();
        }
        if let Some(target) = self.account.target.clone() {
            self.expect_locks(&target);
            self.take_over_readings();
        }
    }

    /// Takes over what earlier passes measured on that database.
    fn expect_locks(&mut self, target: &Target) {
        self.account.expected = measured::told(self.past.measured(), target);
    }

    /// What this person read in earlier runs need not be read again. It stands in the journal first: where
    /// there is none, everything is read.
    fn take_over_readings(&mut self) {
        let unread = |machine: &Machine, document| {
            let mut items = machine.items().iter();
            items.any(|item| item.unread.contains(&document))
        };
        let mut readings = self.past.take_readings();
        readings.retain(|(document, _)| unread(&self.machine, *document));
        let wanted = self.machine.plan().mode == Mode::Run && matches!(self.log, Log::Kept(_));
        if readings.is_empty() || !wanted {
            return;
        }
        for (_, reading) in &readings {
            let entry = Entry::ReadBefore(Box::new(reading.clone()));
            if let Err(error) = self.write(&entry, false) {
                return self.drain(VecDeque::from([Event::JournalLost(error.to_string())]));
            }
        }
        if let Err(error) = self.write_kept() {
            return self.drain(VecDeque::from([Event::JournalLost(error.to_string())]));
        }
        for (document, reading) in &readings {
            self.account.read_before.push((*document, reading.told()));
        }
        let needed = self.machine.plan().items.iter();
        for (item, needed) in self.account.items.iter_mut().zip(needed) {
            evidence::tell_readings(
                &mut item.evidence,
                &needed.documents,
                &self.account.read_before,
            );
        }
        let read = readings.into_iter();
        self.drain(
            read.map(|(document, _)| Event::ReadToEnd(document))
                .collect(),
        );
    }

    pub fn with_watchdog(mut self, watchdog: Watchdog) -> Engine<H> {
        self.watchdog = Some(watchdog);
        self
    }

    /// Looks at the files again before a person has the walk go on with them: where they are not what
    /// was read, this walk is left for one of what they are now.
    pub fn with_files(mut self, looks: bool) -> Engine<H> {
        self.looks_at_files = looks;
        self
    }

    /// The files that are not what was read, in words, where this walk was left for that.
    pub fn changed_files(&self) -> &[String] {
        &self.changed
    }

    pub fn start(&mut self) {
        let effects = self.machine.start();
        let mut events = VecDeque::new();
        self.enact(effects, &mut events);
        if matches!(self.log, Log::Lost) {
            let why = "The journal failed before this walk began";
            self.said.push(EngineRemark::Said(format!(
                "{why}. COMMIT is forbidden from here on."
            )));
            events.push_back(Event::JournalLost(why.to_owned()));
        }
        self.drain(events);
        self.write_down();
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Tells whether somebody looks at the server's log now.
    pub fn look_at_log(&self, wanted: bool) {
        self.held.look_at_log(wanted);
    }

    /// What was said to the person since this was asked last.
    pub fn take_said(&mut self) -> Vec<EngineRemark> {
        std::mem::take(&mut self.said)
    }

    pub fn left(&self) -> Option<ExitCode> {
        self.left
    }

    /// Whether this walk was left, with nothing applied, for one of the runbook's other form.
    pub fn starts_over(&self) -> bool {
        self.over
    }

    /// The journal, for the walk that follows this one. The session ends here.
    pub fn into_log(self) -> Log {
        self.log
    }

    /// Takes an event to its end: account, journal, machine, effects, and what follows from them.
    pub fn take(&mut self, event: Event) {
        if self.goes_on_with_files(&event) {
            self.changed = files::changed(&self.runbook);
            if !self.changed.is_empty() {
                let why = Some(self.changed.join("; "));
                // What cannot be written down ends the next walk before it begins.
                let _ = self.write(&Entry::phase(PhaseWord::StartingOver, why), true);
                self.over = true;
                self.left = Some(ExitCode::RolledBack);
                return;
            }
        }
        if self.is_let(&event, Command::Apply)
            && let Err(error) = self.hear_disk(Journal::settle_where_it_stands)
        {
            self.drain(VecDeque::from([Event::JournalLost(error.to_string())]));
        }
        self.drain(VecDeque::from([event]));
        self.write_down();
        if let Err(error) = self.hear_disk(Journal::settle_by_now) {
            self.drain(VecDeque::from([Event::JournalLost(error.to_string())]));
        }
    }

    /// Hears whether the journal's first line is on disk.
    fn hear_disk(
        &mut self,
        hear: fn(&mut Journal) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let Log::Kept(journal) = &mut self.log else {
            return Ok(());
        };
        let heard = hear(journal);
        self.note_loss(heard)
    }

    /// Takes one of many reports that wait: what it has for the journal may be written with what the next
    /// ones have, by [`Engine::write_down`], and is written before anything is done that follows from it.
    pub fn take_among(&mut self, report: Report) {
        self.drain(VecDeque::from([Event::Reported(report)]));
    }

    /// Writes into the journal what was taken so far.
    pub fn write_down(&mut self) {
        if let Err(error) = self.write_kept() {
            self.drain(VecDeque::from([Event::JournalLost(error.to_string())]));
        }
    }

    /// Whether that is asked for, and let.
    fn is_let(&self, event: &Event, command: Command) -> bool {
        let let_now = self.machine.is_shown() && self.machine.offer(command.act()).is_open();
        *event == Event::Asked(command) && let_now
    }

    /// Whether a person asks for something, and is let, that rests on the files as they were read.
    fn goes_on_with_files(&self, event: &Event) -> bool {
        let Event::Asked(command @ (Command::Again | Command::ProbeAgain | Command::Apply)) = event
        else {
            return false;
        };
        let open = || self.machine.offer(command.act()).is_open();
        self.looks_at_files && self.machine.is_shown() && open()
    }

    fn drain(&mut self, mut events: VecDeque<Event>) {
        while let Some(event) = events.pop_front() {
            if self.past.is_looking() && self.tells_connection(&event) {
                self.held_back.push_back(event);
                continue;
            }
            let event = self.held_against_target(event);
            let told = self.account.is_told(&event);
            self.account.take_down(&event);
            if let Event::Reported(Report {
                body: Body::Connected(target),
                ..
            }) = &event
            {
                self.expect_locks(target);
            }
            if let Event::Reported(Report {
                body: Body::EarlierAnswered { journal, answer },
                ..
            }) = &event
            {
                self.take_answer(journal, answer);
            }
            let mut entries = match told {
                true => Vec::new(),
                false => record::of_event(&event, &self.runbook, &self.account),
            };
            let before = self.machine.before();
            if let Event::Reported(Report {
                body: Body::Settled { .. },
                ..
            }) = &event
                && let Some(pass) = self.account.hand_out_pass()
            {
                // It asks for nothing; the verdict that follows is decided on it.
                self.machine.handle(Event::CameOut(Arc::new(pass)));
            }
            let effects = self.machine.handle(event.clone());
            if let Event::Reported(Report {
                body: Body::Connected(_) | Body::EarlierAnswered { .. },
                ..
            }) = &event
            {
                events.push_front(self.tell_left_open());
            }
            // Before anything is written: a disk can be what hangs.
            self.tell_watchdog();
            (self.account).take_change(&before, &self.machine, &event, &self.runbook.script);
            entries.extend(record::of_change(
                &before,
                &self.machine,
                &event,
                &self.runbook,
                &self.account,
            ));
            for entry in &entries {
                let durable = matches!(
                    entry,
                    Entry::Approved { .. } | Entry::Outcome { .. } | Entry::Left { .. }
                );
                if let Err(error) = self.write(entry, durable) {
                    events.push_back(Event::JournalLost(error.to_string()));
                }
            }
            // The journal first, then the wire.
            if !effects.is_empty()
                && let Err(error) = self.write_kept()
            {
                events.push_back(Event::JournalLost(error.to_string()));
            }
            self.enact(effects, &mut events);
        }
        if self.account.target.is_some() {
            self.take_over_readings();
        }
    }

    /// That this loop lives, whether it is to be left, and what is known.
    fn tell_watchdog(&self) {
        let Some(watchdog) = &self.watchdog else {
            return;
        };
        watchdog.hear();
        if let Some(alarm) = self.machine.leaving() {
            watchdog.tell_to_leave(alarm.exit_code());
        }
        // Its last line goes to a disk that may hang.
        if let Phase::Left(code) = self.machine.phase() {
            watchdog.tell_to_leave(*code);
        }
        let xid = self.account.transaction.xid.clone();
        let known = match self.machine.phase() {
            // Whether it was sent is told where it is sent.
            Phase::Committing { .. } => return,
            Phase::Inquiring {
                commit_sent: true, ..
            } => EndingNow::Unknown { xid },
            phase if phase.transaction_open() => match self.machine.is_strayed() {
                true => EndingNow::Unknown { xid },
                false => EndingNow::Open { xid },
            },
            phase => match self.machine.ending() {
                None => EndingNow::Nothing,
                Some(ending) => EndingNow::Over {
                    word: ending.word(),
                    xid,
                    code: match phase {
                        Phase::Left(code) => Some(*code),
                        Phase::Ended(_) | Phase::PostVerifying { .. } => Some(ending.exit_code()),
                        // It is of the walk before this one.
                        _ => None,
                    },
                },
            },
        };
        watchdog.learn(known);
    }

    /// Whether it is evidence on what was reached.
    fn tells_connection(&self, event: &Event) -> bool {
        match event {
            Event::Reported(Report {
                body: Body::Probed { item, .. },
                ..
            }) => self.is_of_connection(*item),
            _ => false,
        }
    }

    fn is_of_connection(&self, item: usize) -> bool {
        let of = self.runbook.items.get(item);
        of.is_some_and(|of| of.kind == ItemKind::Connection)
    }

    /// The session may have reached another server while a dump of the one before was made: that is no
    /// backup of this one.
    fn held_against_target(&mut self, event: Event) -> Event {
        match event {
            Event::Reported(Report {
                seq,
                body: Body::BackedUp(dump),
            }) => {
                let body = match backup::look_again(&dump, self.account.target.as_ref()) {
                    Ok(()) => Body::BackedUp(dump),
                    Err(why) => Body::BackupFailed(why),
                };
                Event::Reported(Report { seq, body })
            }
            Event::Reported(Report {
                seq,
                body: Body::Probed { item, evidence },
            }) => {
                let mut evidence = evidence;
                if self.is_of_connection(item) {
                    self.reached = Some((item, evidence.clone()));
                    evidence = self.with_earlier_told(item, evidence);
                }
                if let Some(needed) = self.machine.plan().items.get(item) {
                    let read = &self.account.read_before;
                    evidence::tell_readings(&mut evidence, &needed.documents, read);
                }
                let body = Body::Probed { item, evidence };
                Event::Reported(Report { seq, body })
            }
            event => event,
        }
    }

    /// The evidence on what was reached, with the runs without an outcome told before it.
    fn with_earlier_told(&mut self, item: usize, evidence: Evidence) -> Evidence {
        let Some(target) = &self.account.target else {
            return evidence;
        };
        let pressing = most_pressing(&self.earlier, target);
        self.account.earlier = pressing.map(|earlier| EarlierTold {
            told: earlier.told_in_short(self.left_open().count()),
            item: item + 1,
        });
        told_first(&self.earlier, target, evidence)
    }

    /// What came of asking about a run before this one is told in its place at once.
    fn take_answer(&mut self, journal: &Path, answer: &OutcomeAnswer) {
        for earlier in &mut self.earlier {
            if earlier.path == journal {
                earlier.answer = Some(answer.clone());
            }
        }
        if let Some((item, evidence)) = self.reached.clone() {
            let told = self.with_earlier_told(item, evidence);
            if let Some(item) = self.account.items.get_mut(item) {
                item.evidence = told;
            }
        }
    }

    /// The runs before this one on the database that was reached that can be asked about, the first first.
    fn left_open(&self) -> impl Iterator<Item = &Earlier> {
        let here = self.account.target.as_ref();
        let here = move |one: &&Earlier| here.is_some_and(|target| one.concerns(target));
        self.earlier
            .iter()
            .filter(here)
            .filter(|earlier| earlier.is_open())
    }

    fn tell_left_open(&self) -> Event {
        Event::LeftOpen(self.left_open().next().is_some())
    }

    fn write(&mut self, entry: &Entry, durable: bool) -> Result<(), JournalError> {
        let Log::Kept(journal) = &mut self.log else {
            return Ok(());
        };
        let written = if durable {
            journal.record_durably(entry)
        } else {
            journal.keep(entry);
            match journal.is_full() {
                true => journal.write_kept(),
                false => Ok(()),
            }
        };
        self.note_loss(written)
    }

    fn write_kept(&mut self) -> Result<(), JournalError> {
        let Log::Kept(journal) = &mut self.log else {
            return Ok(());
        };
        let written = journal.write_kept();
        self.note_loss(written)
    }

    fn note_loss(&mut self, written: Result<(), JournalError>) -> Result<(), JournalError> {
        if let Err(error) = &written {
            let rest = match self.machine.ending() {
                Some(Ending::Committed { .. }) => {
                    "What was committed stands; take the outcome down by hand."
                }
                _ => "COMMIT is forbidden from here on.",
            };
            self.said
                .push(EngineRemark::Said(format!("{error}. {rest}")));
            self.log = Log::Lost;
        }
        written
    }

    fn enact(&mut self, effects: Vec<Effect>, events: &mut VecDeque<Event>) {
        for effect in effects {
            match effect {
                Effect::Request { seq, request } => self.request(seq, request, events),
                Effect::Cancel => self.held.cancel(),
                Effect::Renew(left) => self.held.renew(left),
                Effect::Sever => self.held.sever(),
                Effect::StopBackup => self.held.stop_backup(),
                Effect::Refuse(refusal) => self.said.push(EngineRemark::Refused(refusal)),
                Effect::Say(text) => self.said.push(EngineRemark::Said(text)),
                Effect::Leave(code) => self.left = Some(code),
                Effect::StartOver => {
                    self.over = true;
                    self.left = Some(ExitCode::RolledBack);
                }
            }
        }
    }

    fn request(&mut self, seq: Seq, request: Request, events: &mut VecDeque<Event>) {
        let order = match request {
            Request::Connect => Order::Connect,
            Request::Probe(items) => {
                let kind = |item: &usize| self.runbook.items.get(*item).map(|item| item.kind);
                let (asked, items): (Vec<usize>, Vec<usize>) = items
                    .into_iter()
                    .partition(|item| kind(item).is_some_and(evidence::is_the_servers));
                // The server works on it while the files are looked at.
                if !asked.is_empty() {
                    self.held.order(seq, Order::Probe(asked));
                }
                return self.evidence_from_files(seq, items, events);
            }
            Request::BackUp { folder } => {
                let target = self.account.target.clone().unwrap_or_default();
                return self.held.back_up(seq, target, folder);
            }
            Request::AskEarlier => {
                let asked = self.left_open().next();
                let (journal, xid) = asked
                    .map(|earlier| (earlier.path.clone(), earlier.xid.clone()))
                    .unwrap_or_default();
                return self.held.ask_earlier(seq, journal, xid);
            }
            Request::Begin => Order::Begin,
            Request::RunScript => Order::RunScript,
            Request::Settle => Order::Settle,
            Request::TakeDown => Order::TakeDown,
            Request::Commit(warrant) => return self.commit(seq, warrant, events),
            Request::RollBack => {
                // A rollback is sent in any case: keeping the locks would be worse than a gap.
                let entry = Entry::intent(Decision::RollBack, self.account.transaction.xid.clone());
                if let Some(watchdog) = &self.watchdog {
                    watchdog.try_to_write();
                }
                if let Err(error) = self.write(&entry, true) {
                    events.push_back(Event::JournalLost(error.to_string()));
                }
                if let Some(watchdog) = &self.watchdog {
                    watchdog.hear();
                }
                Order::RollBack
            }
            Request::Query { question, limit } => Order::Query(question, limit),
            Request::QueryOutside(question) => Order::QueryOutside(question),
            Request::Inquire => Order::Inquire,
            Request::EndBackend => Order::EndBackend,
            Request::PostVerify => Order::PostVerify,
        };
        self.held.order(seq, order);
    }

    fn commit(&mut self, seq: Seq, warrant: Warrant, events: &mut VecDeque<Event>) {
        let recorded = warrant.record(|warrant| {
            if !matches!(self.log, Log::Kept(_)) {
                return Err("there is no journal".to_owned());
            }
            let entry = Entry::Intent {
                decision: Decision::Commit,
                xid: Some(warrant.xid().to_owned()),
                reason: warrant.consent().reason.clone(),
                second_signer: warrant.consent().second_signer.clone(),
                approved: warrant.approved().map(str::to_owned),
            };
            self.write(&entry, true).map_err(|error| error.to_string())
        });
        match recorded {
            Ok(recorded) => {
                let watchdog = self.watchdog.as_ref();
                if watchdog.is_none_or(|watchdog| watchdog.lets_commit(recorded.xid())) {
                    self.held.order(seq, Order::Commit(recorded));
                }
            }
            Err(error) => events.push_back(Event::IntentLost(error)),
        }
    }

    /// Reports the evidence that the files of the runbook give. What journals say besides is read by the
    /// session, off this loop.
    fn evidence_from_files(&self, seq: Seq, items: Vec<usize>, events: &mut VecDeque<Event>) {
        let mut backup = self.account.backup.clone();
        if let Some(dump) = &backup.made
            && let Err(why) = backup::look_again(dump, self.account.target.as_ref())
        {
            // Told before the evidence that it leaves.
            let body = Body::BackupLost(why);
            backup.take_down(seq, &body);
            events.push_back(Event::Reported(Report { seq, body }));
        }
        for index in items {
            let Some(item) = self.runbook.items.get(index) else {
                continue;
            };
            if item.kind == ItemKind::Review && !self.runbook.is_read_through() {
                let evidence = evidence::linting(&self.runbook.script);
                let body = Body::Probed {
                    item: index,
                    evidence,
                };
                events.push_back(Event::Reported(Report { seq, body }));
                self.held.lint(seq, index, Arc::clone(&self.runbook));
                continue;
            }
            let found = evidence::from_files(&self.runbook, item, &backup);
            if let (Some(plain), ItemKind::Rollback) = (&found, item.kind)
                && plain.standing == Standing::Asks
                && !self.journals.is_empty()
            {
                let weighing = Weighing {
                    runbook: Arc::clone(&self.runbook),
                    plain: plain.clone(),
                    journals: self.journals.clone(),
                };
                self.held.weigh(seq, index, weighing);
                continue;
            }
            if let Some(evidence) = found {
                events.push_back(Event::Reported(Report {
                    seq,
                    body: Body::Probed {
                        item: index,
                        evidence,
                    },
                }));
            }
        }
    }
}
