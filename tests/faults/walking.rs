//! The real engine and the real session, and a person who does as they were told: signs, applies,
//! decides, and asks the server where the screen offers it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stagegate::database::session::HoldOptions;
use stagegate::database::settings::Settings;
use stagegate::facts::{Alarm, Ending, Inquiry, Standing};
use stagegate::gate::event::{Document, Event};
use stagegate::gate::phase::Prompt;
use stagegate::gate::plan::{APPROVAL_LIMIT, ARMING, Unheld};
use stagegate::gate::{Act, Command, Mode, Phase, Plan};
use stagegate::journal::{Entry, Journal, chain};
use stagegate::runbook::Runbook;
use stagegate::walk::engine::{Engine, Log};
use stagegate::walk::live::Live;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ground::{DATABASE, PATIENCE, Table};

/// What ends a walk on a link that is silent without being broken, in milliseconds: nobody can tell
/// it from a statement that takes its time. Longer than anything else takes here.
const HOLD_LIMIT: u64 = 15_000;

/// How long a checklist without evidence is looked at.
const IMPATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Commit,
    RollBack,
    /// Let go, reviewed with nothing held, approved, run a second time.
    TakeTime,
}

/// What a person does about a COMMIT that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    Watch,
    /// `x`: what is committed here is let be.
    LetGo,
    /// Told to terminate.
    Leave,
}

/// The word of a statement that is to be another one.
pub const SLIPS: &str = "slips";

pub struct Walk {
    pub settings: Settings,
    pub script: String,
    pub decision: Decision,
    pub options: HoldOptions,
    /// How long the gate is looked at.
    pub look: Duration,
    /// An alarm to be raised at the gate instead of a decision.
    pub alarm: Option<Alarm>,
    /// What is done about a COMMIT that is seen to wait.
    pub waiting: Waiting,
    /// How long an old session that still holds the transaction is let be before it is ended.
    pub let_be: Duration,
    /// A statement that slips past the reader, in place of the one that says [`SLIPS`].
    pub slips: Option<String>,
    /// Told when the gate is reached.
    pub at_gate: watch::Sender<bool>,
    pub journal: PathBuf,
}

/// What was said of the transaction in the end.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Committed(String),
    RolledBack(String),
    Unknown(Inquiry),
    /// Under that name.
    Prepared(String),
    NotConnected,
    /// Nothing was begun: the checklist refuses, and why.
    Refused(String),
    /// Nothing, for longer than anybody waits; where it stood.
    Nothing(String),
}

impl Walk {
    pub fn of(table: &Table, settings: Settings, decision: Decision, folder: &Path) -> Walk {
        Walk {
            settings,
            script: table.script(""),
            decision,
            options: HoldOptions::default(),
            look: Duration::ZERO,
            alarm: None,
            waiting: Waiting::Watch,
            let_be: Duration::ZERO,
            slips: None,
            at_gate: watch::channel(false).0,
            journal: folder.join(format!("{}.jsonl", table.name)),
        }
    }

    /// Walks to the end.
    pub async fn go(self) -> Said {
        let path = self.journal.with_extension("sql");
        std::fs::write(&path, &self.script).unwrap();
        let mut runbook = Runbook::load(Some(&path)).unwrap();
        assert_eq!(runbook.script.refusals, Vec::new());
        if let Some(text) = &self.slips {
            let mut statements = runbook.script.statements.iter_mut();
            let slips = statements.find(|statement| statement.text.contains(SLIPS));
            slips.unwrap().text = text[..].into();
        }
        let runbook = Arc::new(runbook);
        let journal = Journal::create(Some(&self.journal), |_| None).unwrap();
        let (live, mut reports, mut observations) = Live::start(
            Arc::clone(&runbook),
            self.settings.clone(),
            HoldOptions {
                takes_down: self.decision == Decision::TakeTime,
                ..self.options.clone()
            },
        );
        let unheld = match self.decision {
            Decision::TakeTime => Unheld::Offered {
                limit: APPROVAL_LIMIT,
                by_itself: false,
                review_again: false,
            },
            Decision::Commit | Decision::RollBack => Unheld::Never,
        };
        let plan = Plan {
            unheld,
            ..Plan::new(&runbook, Mode::Run, HOLD_LIMIT)
        };
        let log = Log::Kept(Box::new(journal));
        let mut engine = Engine::new(Arc::clone(&runbook), plan, log, live);
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        let mut told = Instant::now();
        let began = Instant::now();
        let mut gate_since = None;
        let mut open_since = None;
        engine.start();
        let ending = loop {
            if let Phase::Ended(ending) = engine.machine().phase() {
                break Some(ending.clone());
            }
            if matches!(engine.machine().phase(), Phase::Checklist { .. }) {
                let fails = engine.machine().items().iter();
                let failing = fails
                    .map(|item| item.standing)
                    .position(|s| s == Standing::Fails);
                if let Some(item) = failing {
                    return Said::Refused(engine.account().items[item].evidence.summary.clone());
                }
            }
            if engine.left().is_some() {
                break engine.machine().ending().cloned();
            }
            if began.elapsed() > PATIENCE {
                return Said::Nothing(format!("{:?}", engine.machine().phase()));
            }
            tokio::select! {
                biased;
                Some(report) = reports.recv() => engine.take(Event::Reported(report)),
                Some(seen) = observations.recv() => engine.take(Event::Observed(seen)),
                _ = clock.tick() => {
                    let now = Instant::now();
                    let elapsed = now.duration_since(told).as_millis();
                    told = now;
                    engine.take(Event::Ticked { elapsed: u64::try_from(elapsed).unwrap() });
                }
            }
            engine.take(Event::Drawn);
            if let Phase::Inquiring {
                still_open: Some(_),
                ..
            } = engine.machine().phase()
                && open_since.get_or_insert_with(Instant::now).elapsed() >= self.let_be
            {
                engine.take(Event::Asked(Command::EndBackend));
            }
            self.act(&mut engine, began, &mut gate_since);
        };
        let said = match ending {
            None => Said::NotConnected,
            Some(Ending::NotConnected) => Said::NotConnected,
            Some(Ending::Committed { proof, .. }) => Said::Committed(proof.to_string()),
            Some(Ending::RolledBack { why, proof }) => Said::RolledBack(format!("{why}: {proof}")),
            Some(Ending::Prepared { gid, .. }) => Said::Prepared(gid),
            Some(Ending::Unknown { reason }) => Said::Unknown(reason),
        };
        drop(engine);
        journal_agrees(&self.journal, &said);
        said
    }

    fn act(&self, engine: &mut Engine<Live>, began: Instant, gate_since: &mut Option<Instant>) {
        let ask = |engine: &mut Engine<Live>, command| {
            engine.take(Event::Drawn);
            engine.take(Event::Asked(command));
        };
        match engine.machine().phase().clone() {
            // Nothing is open yet, and nobody looks for ever at a checklist that does not come.
            Phase::Connecting | Phase::Checklist { .. } if began.elapsed() > IMPATIENCE => {
                ask(engine, Command::Quit);
            }
            Phase::Checklist { .. } => {
                engine.take(Event::ReadToEnd(Document::Script));
                for item in 0..engine.machine().items().len() {
                    let state = &engine.machine().items()[item];
                    let holds = state.standing != Standing::Awaited && !state.standing.forbids();
                    if holds && !state.signed {
                        // The reference to the backup, and the name on the connection.
                        let note = Some(DATABASE.to_owned());
                        ask(engine, Command::SignOff { item, note });
                    }
                }
                if engine.machine().offer(Act::Apply).is_open() {
                    ask(engine, Command::Apply);
                }
            }
            Phase::Deciding { prompt, .. } => {
                let since = *gate_since.get_or_insert_with(Instant::now);
                self.at_gate.send_replace(true);
                if since.elapsed() < self.look {
                    return;
                }
                if let Some(alarm) = &self.alarm {
                    engine.take(Event::Alarmed(alarm.clone()));
                    return;
                }
                match (self.decision, prompt) {
                    (Decision::Commit, Prompt::Closed) => {
                        // Time comes with events; nothing is gained by waiting for it.
                        engine.take(Event::Ticked { elapsed: ARMING });
                        ask(engine, Command::AskCommit);
                    }
                    (Decision::Commit, Prompt::Name) => {
                        ask(engine, Command::NameTyped(DATABASE.to_owned()));
                    }
                    // Where the second pass came out otherwise, it is decided there.
                    (Decision::TakeTime, Prompt::Closed) => {
                        engine.take(Event::Ticked { elapsed: ARMING });
                        let first = engine.machine().compared().is_none();
                        ask(
                            engine,
                            if first {
                                Command::TakeTime
                            } else {
                                Command::AskRollback
                            },
                        );
                    }
                    (Decision::RollBack, Prompt::Closed) => ask(engine, Command::AskRollback),
                    (_, Prompt::RollBack) => ask(engine, Command::ConfirmRollback),
                    (Decision::RollBack | Decision::TakeTime, Prompt::Name) => {
                        ask(engine, Command::StepBack);
                    }
                    (_, Prompt::Reason | Prompt::SecondSigner) => panic!("nothing asks for it"),
                }
            }
            Phase::Committing { .. } if engine.account().commit_wait.is_some() => {
                match self.waiting {
                    Waiting::Watch => {}
                    Waiting::LetGo => ask(engine, Command::Cancel),
                    Waiting::Leave => engine.take(Event::Alarmed(Alarm::Terminated)),
                }
            }
            Phase::Reviewing { .. } if began.elapsed() > IMPATIENCE * 2 => {
                ask(engine, Command::Quit);
            }
            Phase::Reviewing { prompt, .. } => match prompt {
                Prompt::Closed => {
                    engine.take(Event::Ticked { elapsed: ARMING });
                    ask(engine, Command::AskCommit);
                }
                Prompt::Name => ask(engine, Command::NameTyped(DATABASE.to_owned())),
                _ => ask(engine, Command::StepBack),
            },
            Phase::MustRollBack { asking: false, .. } => ask(engine, Command::AskRollback),
            Phase::MustRollBack { asking: true, .. } => ask(engine, Command::ConfirmRollback),
            _ => {}
        }
    }
}

/// The journal's last outcome is what was said, and every line of it is as it was written.
fn journal_agrees(path: &Path, said: &Said) {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = chain::verify(&text).unwrap();
    let last = lines.iter().rev().find_map(|line| match &line.entry {
        Entry::Outcome { outcome, .. } => Some(outcome.word()),
        _ => None,
    });
    let word = match said {
        Said::Committed(_) => Some("COMMITTED"),
        Said::RolledBack(_) => Some("ROLLED BACK"),
        Said::Unknown(_) => Some("UNKNOWN"),
        Said::Prepared(_) => Some("PREPARED"),
        Said::NotConnected | Said::Refused(_) => return,
        Said::Nothing(_) => None,
    };
    assert_eq!(last, word, "{}", path.display());
}
