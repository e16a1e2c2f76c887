//! What the lines say: each change of the run once, in the order in which it came.

mod checklist;
mod deciding;
mod running;

use crate::account::{Account, EarlierTold};
use crate::acts::{BINDINGS, Does, Front, KeyPlace, bindings_at, tell_refusal};
use crate::facts::{CommitWait, Millis, Standing, Why};
use crate::gate::event::Seq;
use crate::gate::phase::Prompt;
use crate::gate::plan::Mode;
use crate::gate::{Machine, Offer, Phase};
use crate::runbook::Runbook;
use crate::runbook::check::Check;
use crate::runbook::impact::Measure;
use crate::runbook::printable::printable;
use crate::runbook::script::Statement;

/// Turns the state of a run into lines.
#[derive(Debug)]
pub struct Teller<'a> {
    runbook: &'a Runbook,
    out: String,
    phase: Option<Phase>,
    standings: Vec<Standing>,
    signed: Vec<bool>,
    acknowledged: Vec<usize>,
    compares: Vec<bool>,
    steps: usize,
    messages: usize,
    hold_told: Option<Millis>,
    commit_wait: Option<CommitWait>,
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
    /// How many of the readings of earlier runs were told.
    read_before: usize,
    /// What was told last of a run before this one.
    earlier: Option<EarlierTold>,
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
            commit_wait: None,
            waiting: 0,
            blocked: Vec::new(),
            looks: 0,
            backup: None,
            backup_told: 0,
            backup_failed: None,
            measured: None,
            expected_told: false,
            read_before: 0,
            earlier: None,
            attended,
            long: Vec::new(),
            turned: false,
        }
    }

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
        if matches!(machine.phase(), Phase::Checklist { .. }) {
            self.arrive(machine, account);
        }
        self.backup(machine, account);
        self.read_before(account);
        self.earlier(machine, account);
        self.evidence(machine, account);
        self.impact(account);
        self.steps(account);
        self.messages(account);
        self.answer(account);
        self.arrive(machine, account);
        self.expect(machine, account);
        self.waits(account);
        self.commit_wait(account);
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

    #[expect(clippy::too_many_lines, reason = "one match over every phase")]
    fn arrived(&mut self, machine: &Machine, account: &Account) {
        // Of a rehearsal nobody is asked.
        let is_asked = machine.plan().mode == Mode::Run;
        match machine.phase() {
            Phase::Connecting => self.say("Connecting."),
            Phase::Checklist { .. } => {
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
            Phase::Beginning { .. } => self.say("BEGIN."),
            Phase::Applying { .. } => {
                for added in &account.transaction.added {
                    self.say(&format!("stagegate adds: {added}"));
                }
                if let Some(xid) = &account.transaction.xid {
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
                        format!("Checks: {tally}")
                    };
                    let data = self.runbook.script.data_in_words();
                    let data = data.map_or_else(String::new, |data| format!("; {data}"));
                    let asks = if is_asked { " Type commit or rollback." } else { "" };
                    self.say(&format!("TRANSACTION OPEN. {checks}{data}.{asks}"));
                }
                Prompt::RollBack if is_asked => self.say("ROLLBACK? Type yes or no."),
                Prompt::RollBack => {}
                prompt => self.asks_for_commit(*prompt, machine),
            },
            Phase::MustRollBack { asking: true, .. } if is_asked => {
                self.say("ROLLBACK? Type yes or no.");
            }
            Phase::MustRollBack { asking: true, .. } => {}
            Phase::MustRollBack { why, .. } => {
                self.differences(machine);
                let locks = match account.holds_locks(machine, &self.runbook.script) {
                    true => "OPEN, and it cannot be committed",
                    false => "FAILED, and it holds no lock any more",
                };
                let asks = if is_asked { " Type rollback." } else { "" };
                self.say(&format!("TRANSACTION {locks}: {why}.{asks}"));
            }
            Phase::Reviewing { basis, prompt, .. } => self.review(basis, *prompt, machine, account),
            Phase::TakingDown { .. } => {
                self.say("The structure of what the script touched is taken down, inside the transaction.");
            }
            Phase::Returning { .. } => {
                self.say("APPROVED. A session for the second pass is opened; COMMIT follows by itself if \
                    it comes out the same.");
            }
            Phase::Querying { question, .. } => {
                let text = format!("Asking inside the transaction: {}", question.text());
                self.say(&text);
            }
            Phase::Committing { .. } => self.say("COMMIT sent; waiting for its proof."),
            Phase::RollingBack { after, .. } => {
                self.say(&format!("ROLLBACK, because {}.", after.why()));
            }
            Phase::Inquiring { onward, .. } if *onward.why() == Why::OtherTransaction => self.say(
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
            Phase::Waiting { left, proof, .. } => {
                self.say(&format!("Rolled back: {proof}."));
                self.blockers(account);
                self.say(&format!(
                    "Attempt {} of {} did not get its lock; the next one starts in {} s. cancel stops it.",
                    machine.attempt(),
                    machine.plan().lock_attempts,
                    left.div_ceil(1_000)
                ));
            }
            Phase::PostVerifying { proof, .. } => {
                self.say(&format!("COMMITTED: {proof}."));
                self.say("Post-verification.");
            }
            Phase::Ended(ending) => self.ended(ending, machine, account),
            Phase::Left(_) => {}
        }
    }

    /// What can be typed now: what holds at this place, then what is offered beside.
    pub fn help(&mut self, machine: &Machine) {
        let everywhere = BINDINGS
            .iter()
            .filter(|binding| matches!(binding.does, Does::Gate(_)));
        let mut told: Vec<Does> = Vec::new();
        for binding in bindings_at(KeyPlace::of(machine)).chain(everywhere) {
            let not_now = match binding.does {
                Does::Gate(act) => match machine.offer(act) {
                    Offer::Absent => continue,
                    Offer::Open => String::new(),
                    Offer::Refused(refusal) => {
                        format!(" (not now: {})", tell_refusal(&refusal, Front::Lines))
                    }
                },
                Does::View(_) => String::new(),
            };
            if !binding.word.is_empty() && !told.contains(&binding.does) {
                told.push(binding.does);
                let help = binding.help(Front::Lines);
                let (word, after) = (binding.word, binding.after);
                self.say(&format!("  {word}{after}: {help}{not_now}"));
            }
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
