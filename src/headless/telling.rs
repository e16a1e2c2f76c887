//! What the lines say: each change of the run once, in the order in which it came.

use super::place::ScriptPosition;
use super::{refusals, table, words};
use crate::gate::account::Step;
use crate::gate::event::{CLOSED_BY_US, Document, Millis, Seq, ServerMessage, Standing};
use crate::gate::pass::CameOut;
use crate::gate::phase::{Prompt, Why, how_to_end};
use crate::gate::plan::Mode;
use crate::gate::query::After;
use crate::gate::{Account, Act, Ending, Machine, Offer, Phase};
use crate::runbook::Runbook;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::impact::{ImpactLine, Measure};
use crate::runbook::printable::{counted, printable, printable_lines};
use crate::runbook::script::{Fate, Statement};
use std::sync::Arc;

/// Turns the state of a run into lines.
#[derive(Debug)]
pub struct Teller<'a> {
    runbook: &'a Runbook,
    out: String,
    phase: Option<Phase>,
    standings: Vec<Standing>,
    signed: Vec<bool>,
    acknowledged: Vec<usize>,
    /// That it is being compared was told.
    compares: Vec<bool>,
    steps: usize,
    messages: usize,
    hold_told: Option<Millis>,
    waiting: usize,
    /// For whom the statement that runs waits, as it was told last.
    blocked: Vec<i32>,
    looks: usize,
    backup: Option<Seq>,
    backup_told: Millis,
    backup_failed: Option<String>,
    measured: Option<Measure>,
    /// What is to be expected of the locks was told on this checklist.
    expected_told: bool,
    /// Whether a person reads along at a terminal: what is long is asked for, and shown in pages.
    attended: bool,
    long: Vec<String>,
    turned: bool,
}

/// The milestones of a hold at which its countdown is told: one minute and ten seconds.
const MILESTONES: [Millis; 2] = [60_000, 10_000];

/// How often a dump is told.
const BACKUP_TOLD: Millis = 10_000;

impl<'a> Teller<'a> {
    pub fn new(runbook: &'a Runbook, attended: bool) -> Teller<'a> {
        Teller {
            runbook,
            out: String::new(),
            phase: None,
            standings: vec![Standing::Awaited; runbook.items.len()],
            signed: vec![false; runbook.items.len()],
            acknowledged: vec![0; runbook.items.len()],
            compares: vec![false; runbook.items.len()],
            steps: 0,
            messages: 0,
            hold_told: None,
            waiting: 0,
            blocked: Vec::new(),
            looks: 0,
            backup: None,
            backup_told: 0,
            backup_failed: None,
            measured: None,
            expected_told: false,
            attended,
            long: Vec::new(),
            turned: false,
        }
    }

    /// What is to be shown in pages.
    pub fn take_long(&mut self) -> Vec<String> {
        std::mem::take(&mut self.long)
    }

    /// Whether the walk came to another place since the last time.
    pub fn take_turn(&mut self) -> bool {
        std::mem::take(&mut self.turned)
    }

    /// A line of something that may be long.
    fn say_at_length(&mut self, text: &str) {
        match self.attended {
            true => self.long.push(printable(text).into_owned()),
            false => self.say(text),
        }
    }

    /// The lines since the last time.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// A line of our own.
    pub fn say(&mut self, text: &str) {
        self.out.push_str(&printable(text));
        self.out.push('\n');
    }

    /// Everything that changed since the last time.
    pub fn tell(&mut self, machine: &Machine, account: &Account) {
        // Where one is comes before what is found there; what a stage came to, before the next one.
        if *machine.phase() == Phase::Checklist {
            self.arrive(machine, account);
        }
        self.backup(machine, account);
        self.evidence(machine, account);
        self.impact(account);
        self.steps(account);
        self.messages(account);
        self.answer(account);
        self.arrive(machine, account);
        self.expect(machine, account);
        self.waits(account);
        self.hold(machine);
        let waiting = account
            .sight
            .as_ref()
            .map_or(0, |sight| sight.waiters.len());
        if waiting != self.waiting && account.begun_at.is_some() && account.ended_at.is_none() {
            self.waiting = waiting;
            let sessions = if waiting == 1 {
                "session waits"
            } else {
                "sessions wait"
            };
            self.say(&format!("{waiting} {sessions} for this transaction."));
        }
    }

    /// What is to be expected of the locks, before there are any: as soon as journals were read.
    fn expect(&mut self, machine: &Machine, account: &Account) {
        if let (Phase::Checklist, false, Some(expected)) =
            (machine.phase(), self.expected_told, &account.expected)
        {
            self.expected_told = true;
            self.say(&format!("Locks: {}.", expected.told));
        }
    }

    /// Whom the statement that runs waits for, when that becomes known and when it changes.
    fn waits(&mut self, account: &Account) {
        let running = account.running().map(|(number, _)| number);
        let seen = account.sight.as_ref().filter(|_| running.is_some());
        let blockers = seen.map_or(&[][..], |sight| sight.blockers.as_slice());
        let blocked: Vec<i32> = blockers.iter().map(|session| session.pid).collect();
        if blocked == self.blocked {
            return;
        }
        for session in blockers {
            let number = running.unwrap_or_default();
            self.say(&format!(
                "Statement {number} waits for {}",
                session.in_the_way()
            ));
        }
        self.blocked = blocked;
    }

    fn arrive(&mut self, machine: &Machine, account: &Account) {
        let moved = match &self.phase {
            Some(told) => told != machine.phase() && !same_screen(told, machine.phase()),
            None => true,
        };
        if moved {
            self.arrived(machine, account);
            self.phase = Some(machine.phase().clone());
            self.turned = true;
        }
    }

    /// A dump: its start, how far it is now and then, and what became of it.
    fn backup(&mut self, machine: &Machine, account: &Account) {
        match &account.backup.under_way {
            Some((seq, dumping)) if machine.is_backing_up() => {
                let first = self.backup != Some(*seq);
                if first {
                    self.backup = Some(*seq);
                    let file = dumping.path.display();
                    self.say(&format!("Backing up into {file}. cancel stops it."));
                }
                if first || dumping.elapsed >= self.backup_told + BACKUP_TOLD {
                    self.backup_told = dumping.elapsed;
                    for line in dumping.lines() {
                        self.say(&format!("  {line}"));
                    }
                }
            }
            Some(_) | None => {
                if self.backup_failed != account.backup.failed {
                    self.backup_failed.clone_from(&account.backup.failed);
                    if let Some(why) = &account.backup.failed {
                        self.say("No dump:");
                        for line in why.lines() {
                            self.say(&format!("  {line}"));
                        }
                    }
                }
                if self.backup.take().is_some()
                    && account.backup.failed.is_none()
                    && let Some(dump) = account.backup.made.as_ref()
                {
                    self.say(&format!("Backed up: {}.", dump.reference()));
                }
            }
        }
    }

    fn evidence(&mut self, machine: &Machine, account: &Account) {
        for (index, item) in machine.items().iter().enumerate() {
            let (Some(named), Some(evidence)) =
                (self.runbook.items.get(index), account.evidence.get(index))
            else {
                continue;
            };
            if self.standings.get(index) != Some(&item.standing) {
                if let Some(slot) = self.standings.get_mut(index) {
                    *slot = item.standing;
                }
                if item.standing != Standing::Awaited {
                    self.say(&format!(
                        "{}. {}: {}. {}",
                        index + 1,
                        named.title,
                        shown(machine, index, item.standing),
                        evidence.summary
                    ));
                    for check in evidence
                        .checks
                        .iter()
                        .filter(|c| c.verdict != Verdict::Pass)
                    {
                        self.check(check);
                    }
                }
            }
            let compares = item.standing == Standing::Awaited && evidence.is_under_way();
            if let Some(slot) = self.compares.get_mut(index)
                && std::mem::replace(slot, compares) != compares
                && compares
                && self.attended
            {
                self.say(&format!("Item {}: {}.", index + 1, evidence.summary));
            }
            if let Some(slot) = self.acknowledged.get_mut(index)
                && *slot != item.acknowledged
            {
                *slot = item.acknowledged;
                let all = machine.plan().items.get(index).map_or(0, |i| i.findings);
                self.say(&format!(
                    "{}. {}: {} of {} acknowledged.",
                    index + 1,
                    named.title,
                    item.acknowledged,
                    counted(all, "finding", "findings")
                ));
            }
            if self.signed.get(index) != Some(&item.signed) {
                if let Some(slot) = self.signed.get_mut(index) {
                    *slot = item.signed;
                }
                let what = if item.signed {
                    "signed"
                } else {
                    "no longer signed"
                };
                self.say(&format!("{}. {}: {what}.", index + 1, named.title));
            }
        }
    }

    /// What the script is expected to do, once the tables were measured; anew when they changed.
    fn impact(&mut self, account: &Account) {
        if self.measured == account.measure {
            return;
        }
        let brief = self.runbook.impact().brief();
        match self.attended {
            true => self.say(&format!("Impact: {brief}; impact shows all of it.")),
            false => {
                self.say(&format!("Impact: {brief}."));
                self.impact_in_full(account);
            }
        }
        self.measured.clone_from(&account.measure);
    }

    /// What the script is expected to do to each table.
    pub fn impact_in_full(&mut self, account: &Account) {
        let impact = Arc::clone(self.runbook.impact());
        for told in impact.told_in_short(Some(account.measure.as_ref())) {
            match told {
                ImpactLine::Heading(text) => self.say_at_length(&format!("  {text}")),
                ImpactLine::Line(text) | ImpactLine::Warn(text) => {
                    self.say_at_length(&format!("    {text}"))
                }
                ImpactLine::More(text) => self.say_at_length(&format!("      {text}")),
            }
        }
    }

    fn steps(&mut self, account: &Account) {
        if account.begun_at.is_none() {
            self.steps = 0;
        }
        while let (Some(step), Some(statement)) = (
            account.steps.get(self.steps),
            self.runbook.script.statements.get(self.steps),
        ) {
            let line = match step {
                Step::Waiting | Step::Running { .. } => return,
                Step::NotRun if account.failed().is_none() => return,
                Step::Gate(_) if account.begun_at.is_none() => return,
                Step::Gate(Fate::LeftOut) => format!("{} left out by choice", name(statement)),
                Step::Gate(_) => format!("{} (the gate's)", name(statement)),
                Step::NotRun => format!("{} not run", name(statement)),
                Step::Done(report) => {
                    let mut line =
                        format!("{} {} {} ms", name(statement), report.tag, report.duration);
                    for lock in &report.locks {
                        line.push_str(&format!(", {} on {}", lock.mode.name(), lock.relation));
                    }
                    line
                }
                Step::Failed { duration, error } => {
                    let mut line = format!("{} FAILED after {duration} ms", name(statement));
                    if let Some(sqlstate) = &error.sqlstate {
                        line.push_str(&format!(" ({sqlstate})"));
                    }
                    line
                }
            };
            self.say(&line);
            if let Step::Done(report) = step {
                for check in &report.checks {
                    self.check(check);
                }
                // What is a set of checks was told as that.
                if let (Some(set), true) = (&report.result, report.checks.is_empty()) {
                    for line in table::format_table(set) {
                        self.say(&line);
                    }
                }
            }
            self.steps += 1;
        }
    }

    fn messages(&mut self, account: &Account) {
        let asking = matches!(self.phase, Some(Phase::Inquiring { .. }));
        for said in account.messages.iter().skip(self.messages) {
            // It was told when the asking began.
            if asking && said.message.message == CLOSED_BY_US {
                continue;
            }
            let place = said
                .number
                .and_then(|number| ScriptPosition::of(&self.runbook.script, number, &said.message));
            match place {
                Some(place) => {
                    self.say_message(&format!("{}: ", place.head()), &said.message);
                    for line in place.shown() {
                        self.say(&line);
                    }
                }
                None => self.message(&said.message),
            }
        }
        self.messages = account.messages.len();
    }

    /// The answer to a query, once.
    fn answer(&mut self, account: &Account) {
        if self.looks == account.looks {
            return;
        }
        self.looks = account.looks;
        let Some(looked) = &account.looked else {
            return;
        };
        match &looked.answer {
            Ok(rows) => {
                self.say_at_length(&rows.set.columns.join(" | "));
                for row in &rows.set.rows {
                    let cells: Vec<&str> = row
                        .iter()
                        .map(|cell| match cell.as_deref() {
                            None => "NULL",
                            Some("NULL") => "'NULL'",
                            Some(text) => text,
                        })
                        .collect();
                    self.say_at_length(&cells.join(" | "));
                }
                let count = rows.set.rows.len();
                self.say_at_length(&match rows.more {
                    true => format!(
                        "The first {}; there are more.",
                        counted(count, "row", "rows")
                    ),
                    false => format!("{}.", counted(count, "row", "rows")),
                });
            }
            Err(error) => self.message(error),
        }
        self.say_at_length(&match &looked.after {
            After::Unchanged => "The transaction is as it was before.".to_owned(),
            After::Outside => "Asked outside of any transaction; nothing is held.".to_owned(),
            After::Disturbed(what) => format!("The transaction is not as it was: {what}."),
        });
    }

    fn message(&mut self, message: &ServerMessage) {
        self.say_message("", message);
    }

    fn say_message(&mut self, place: &str, message: &ServerMessage) {
        let severity = if message.severity.is_empty() {
            "stagegate"
        } else {
            &message.severity
        };
        self.say(&format!("{place}{severity}: {}", message.message));
        for (word, text) in [
            ("DETAIL", &message.detail),
            ("HINT", &message.hint),
            ("CONTEXT", &message.context),
        ] {
            if let Some(text) = text {
                self.say(&format!("{word}: {text}"));
            }
        }
    }

    fn check(&mut self, check: &Check) {
        self.say(&check_in_a_line(check));
    }

    fn hold(&mut self, machine: &Machine) {
        // A COMMIT on its way is not called back.
        let counts = !matches!(machine.phase(), Phase::Committing { .. });
        let Some(left) = machine.hold_left().filter(|_| counts) else {
            self.hold_told = None;
            return;
        };
        let half = machine.plan().hold_limit / 2;
        let told = self.hold_told.unwrap_or(Millis::MAX);
        for milestone in std::iter::once(half).chain(MILESTONES) {
            if left <= milestone && told > milestone {
                self.say(&format!(
                    "The hold ends in {} s; then it is rolled back. extend extends it.",
                    left.div_ceil(1_000)
                ));
                break;
            }
        }
        self.hold_told = Some(left);
    }

    #[expect(clippy::too_many_lines, reason = "one match over every phase")]
    fn arrived(&mut self, machine: &Machine, account: &Account) {
        match machine.phase() {
            Phase::Connecting => self.say("Connecting."),
            Phase::Checklist => {
                if let Some(target) = &account.target {
                    self.say(&format!(
                        "Connected to {} on {}:{} as {}, PostgreSQL {}; {}, {}.",
                        target.database,
                        target.host,
                        target.port,
                        target.role,
                        target.server_version,
                        target.protection(),
                        target.part()
                    ));
                }
                if machine.plan().mode == Mode::Run {
                    self.say(&format!("This run is {}.", machine.plan().where_decided()));
                }
                self.expected_told = false;
                self.expect(machine, account);
                self.say("Checklist: type help to see what can be typed.");
            }
            Phase::Beginning => self.say("BEGIN."),
            Phase::Applying { .. } => {
                for added in &account.added {
                    self.say(&format!("stagegate adds: {added}"));
                }
                if let Some(xid) = &account.xid {
                    self.say(&format!("TRANSACTION OPEN, id {xid}."));
                }
            }
            Phase::Verifying { .. } => self.say("SET CONSTRAINTS ALL IMMEDIATE."),
            Phase::Deciding { prompt, .. } => match prompt {
                Prompt::Closed => {
                    self.differences(machine);
                    let tally = machine.tally();
                    let checks = if tally.total() == 0 {
                        "No checks: nothing says whether the script did what it should".to_owned()
                    } else {
                        format!(
                            "Checks: {} PASS, {} WARN, {} FAIL",
                            tally.pass, tally.warn, tally.fail
                        )
                    };
                    let data = self.runbook.script.data_in_words();
                    let data = data.map_or_else(String::new, |data| format!("; {data}"));
                    self.say(&format!(
                        "TRANSACTION OPEN. {checks}{data}. Type commit or rollback."
                    ));
                }
                Prompt::RollBack => self.say("ROLLBACK? Type yes or no."),
                prompt => self.asks_for_commit(*prompt, machine),
            },
            Phase::MustRollBack { why, asking, .. } => {
                if *asking {
                    self.say("ROLLBACK? Type yes or no.");
                } else {
                    self.differences(machine);
                    self.say(&match account.holds_locks(machine, &self.runbook.script) {
                        true => format!(
                            "TRANSACTION OPEN, and it cannot be committed: {why}. Type rollback."
                        ),
                        false => format!(
                            "TRANSACTION FAILED, and it holds no lock any more: {why}. Type rollback."
                        ),
                    });
                }
            }
            Phase::Reviewing { prompt, .. } => self.review(*prompt, machine, account),
            Phase::TakingDown { .. } => {
                self.say("The structure of what the script touched is taken down, inside the transaction.");
            }
            Phase::Returning => {
                self.say("APPROVED. A session for the second pass is opened; COMMIT follows by itself if \
                    it comes out the same.");
            }
            Phase::Querying { question, .. } => {
                let text = format!("Asking inside the transaction: {}", question.text());
                self.say(&text);
            }
            Phase::Committing { .. } => self.say("COMMIT sent; waiting for its proof."),
            Phase::RollingBack { why, .. } => self.say(&format!("ROLLBACK, because {why}.")),
            Phase::Inquiring {
                why: Why::OtherTransaction,
                ..
            } => self.say(
                "The script ended the transaction itself, so nothing of it is held any more; asking \
                 the server which way it went.",
            ),
            Phase::Inquiring { .. } if account.closed_by_us() => self.say(
                "No proof came over the link, so this program closed it; asking the server which way \
                 the transaction went.",
            ),
            Phase::Inquiring { .. } => {
                self.say("The link is lost; asking the server which way the transaction went.");
            }
            Phase::Waiting { left, proof } => {
                self.say(&format!("Rolled back: {proof}."));
                self.blockers(account);
                self.say(&format!(
                    "Attempt {} of {} did not get its lock; the next one starts in {} s. cancel stops it.",
                    machine.attempt(),
                    machine.plan().lock_attempts,
                    left.div_ceil(1_000)
                ));
            }
            Phase::PostVerifying { proof } => {
                self.say(&format!("COMMITTED: {proof}."));
                self.say("Post-verification.");
            }
            Phase::Ended(ending) => self.ended(ending, machine, account),
            Phase::Left(_) => {}
        }
    }

    /// Who did not let the script have its lock.
    fn blockers(&mut self, account: &Account) {
        if account.blockers.is_empty() {
            self.say("  Who held the lock was not seen.");
        }
        for session in &account.blockers {
            self.say(&format!("  blocked by {}", session.in_the_way()));
        }
    }

    fn ended(&mut self, ending: &Ending, machine: &Machine, account: &Account) {
        for report in &account.post {
            for check in &report.checks {
                self.check(check);
            }
        }
        match ending {
            Ending::NotConnected => self.say("NOT CONNECTED. Nothing was applied."),
            Ending::Committed { proof, post } => {
                // It was said when it was proven, before the post-verification.
                if !matches!(self.phase, Some(Phase::PostVerifying { .. })) {
                    self.say(&format!("COMMITTED: {proof}."));
                }
                match post {
                    Some(tally) => self.say(&format!(
                        "Post-verification: {} PASS, {} WARN, {} FAIL. Type quit.",
                        tally.pass, tally.warn, tally.fail
                    )),
                    None => self.say("Type quit. stagegate report writes this run down for others; stagegate rollback walks the way back."),
                }
            }
            Ending::RolledBack { why, proof } => {
                self.differences(machine);
                if *why == Why::LockTimeout || !account.stopped_by().is_empty() {
                    self.blockers(account);
                }
                self.say(&format!("ROLLED BACK, because {why}: {proof}."));
            }
            Ending::Prepared { gid, server } => {
                self.say(&format!(
                    "PREPARED as {gid:?} ({server}): its locks are held until somebody ends it."
                ));
                self.say(&how_to_end(gid));
            }
            Ending::Unknown { reason } => self.say(&format!("UNKNOWN: {reason}.")),
        }
    }

    /// What is reviewed with nothing held, and what can be typed there.
    fn review(&mut self, prompt: Prompt, machine: &Machine, account: &Account) {
        match prompt {
            Prompt::Closed => {}
            Prompt::RollBack => {
                return self.say("End this run, which is rolled back? Type yes or no.");
            }
            prompt => return self.asks_for_commit(prompt, machine),
        }
        self.differences(machine);
        let tally = machine.tally();
        let proof = machine.basis().and_then(|basis| basis.proof());
        let proof = proof.map_or_else(String::new, |proof| format!(": {proof}"));
        self.say(&format!(
            "NOTHING IS HELD, NOTHING IS SAVED. Rolled back{proof}."
        ));
        if let Some(held) = account.held() {
            self.say(&format!(
                "It was held {}.{} s. Checks: {} PASS, {} WARN, {} FAIL.",
                held / 1_000,
                held % 1_000 / 100,
                tally.pass,
                tally.warn,
                tally.fail
            ));
        }
        if let Some(basis) = machine.basis() {
            let counts = |one: &&CameOut| one.tag.ends_with(|c: char| c.is_ascii_digit());
            for one in basis.shown().statements.iter().filter(counts) {
                self.say(&format!("  statement {}: {}", one.number, one.tag));
            }
        }
        if let Some(why) = machine.why_not_comparable() {
            return self.say(&format!(
                "It cannot be approved, because no second pass can be held against it: {why}. rollback ends \
                 this run; walk it again with --decide held."
            ));
        }
        let left = machine.approvable_for().unwrap_or_default() / 1_000;
        self.say(&format!(
            "commit runs it a second time and commits by itself what comes out as shown; within {}:{:02}. \
             numbers lets counts and numbers differ (numbers 7: those of statement 7), query asks what there is now, rollback ends this run.",
            left / 60,
            left % 60
        ));
    }

    /// What the second pass was different in.
    fn differences(&mut self, machine: &Machine) {
        let Some(compared) = machine.compared().filter(|found| !found.is_same()) else {
            return;
        };
        self.say("DIFFERENT FROM WHAT WAS APPROVED, so COMMIT did not follow:");
        for one in &compared.differences {
            self.say(&format!("  {one}"));
        }
        if compared.more > 0 {
            self.say(&format!("  and {} more", compared.more));
        }
    }

    /// What COMMIT asks for before it is given.
    fn asks_for_commit(&mut self, prompt: Prompt, machine: &Machine) {
        match prompt {
            Prompt::Reason => {
                self.say("COMMIT of a script without checks: type why, then Enter. back goes back.")
            }
            Prompt::SecondSigner => self
                .say("COMMIT needs a second person: type their name, then Enter. back goes back."),
            Prompt::Name => {
                self.say(&format!(
                    "COMMIT: type the name of the {}, then Enter. back goes back.",
                    machine.name_is_of()
                ));
            }
            Prompt::Closed | Prompt::RollBack => {}
        }
    }

    /// The evidence of an item, whole.
    pub fn show_item(&mut self, account: &Account, index: usize) {
        let Some(evidence) = account.evidence.get(index) else {
            return;
        };
        self.say_at_length(&evidence.summary);
        for line in &evidence.lines {
            self.say_at_length(&format!("  {line}"));
        }
        for check in &evidence.checks {
            self.say_at_length(&check_in_a_line(check));
        }
    }

    /// A document, line by line.
    pub fn read_out(&self, document: Document) -> Vec<String> {
        let script = document.script_of(self.runbook);
        let sources = script.into_iter().flat_map(|script| &script.sources);
        sources
            .flat_map(|source| source.text.lines())
            .map(|line| printable_lines(line).into())
            .collect()
    }

    /// What can be typed now.
    pub fn help(&mut self, machine: &Machine) {
        for act in Act::ALL {
            match machine.offer(act) {
                Offer::Absent => {}
                Offer::Open => self.say(&format!("  {}", words::name_act(act))),
                Offer::Refused(refusal) => {
                    let (word, why) = (words::name_act(act), refusals::in_words(&refusal));
                    self.say(&format!("  {word} (not now: {why})"));
                }
            }
        }
        if *machine.phase() == Phase::Checklist {
            self.say(
                "  impact, show N, read script, read N (a rollback script), read checks N (of item N)",
            );
        }
    }
}

fn check_in_a_line(check: &Check) -> String {
    let verdict = check.verdict.word();
    format!("  {verdict} {} {}", check.name, check.detail)
}

/// What an item's standing is called: what waits for a person says so.
fn shown(machine: &Machine, index: usize, standing: Standing) -> &'static str {
    match standing {
        Standing::Holds if !machine.is_answered(index) => Standing::Asks.word(),
        standing => standing.word(),
    }
}

fn name(statement: &Statement) -> String {
    let number = statement.own_number();
    let number = number.map_or_else(String::new, |number| number.to_string());
    match statement.about() {
        Some(about) => format!("{number:>3} {} {about}:", statement.kind),
        None => format!("{number:>3} {}:", statement.kind),
    }
}

/// Whether the two phases are told in the same words.
fn same_screen(a: &Phase, b: &Phase) -> bool {
    match (a, b) {
        (Phase::Deciding { prompt: a, .. }, Phase::Deciding { prompt: b, .. })
        | (Phase::Reviewing { prompt: a, .. }, Phase::Reviewing { prompt: b, .. }) => a == b,
        (Phase::MustRollBack { asking: a, .. }, Phase::MustRollBack { asking: b, .. }) => a == b,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}
