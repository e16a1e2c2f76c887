//! A journal that is replayed gives the account that was live: random runs through the engine, each read
//! back from its journal and compared.

mod comparing;
mod leading;

use super::engine::{Engine, HeldSession, Log};
use crate::account::Account;
use crate::database::session::Order;
use crate::facts::{
    After, Evidence, Inquiry, Lock, Looked, Millis, Observation, OtherSession, Rows, ServerMessage,
    Sight, Standing, StatementReport, Target, XactStatus,
};
use crate::gate::event::*;
use crate::gate::exhaustive::{bare, commands, next_step, plan, unheld};
use crate::gate::plan::{Mode, Plan};
use crate::gate::{Machine, Phase};
use crate::journal::chain::verify;
use crate::journal::entry::Opened;
use crate::journal::replay::Replay;
use crate::journal::{Entry, Journal};
use crate::rehearse::weighing::Weighing;
use crate::runbook::Runbook;
use crate::runbook::check::{Check, ResultSet, Verdict};
use crate::runbook::lock::LockMode;
use crate::runbook::question::Question;
use comparing::compare;
use proptest::prelude::*;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

/// A session that answers nothing by itself, and knows for which transaction COMMIT was sent.
#[derive(Debug, Clone, Default)]
struct SilentSession {
    committed: Rc<RefCell<Vec<String>>>,
}

impl HeldSession for SilentSession {
    fn order(&self, _: Seq, order: Order) {
        if let Order::Commit(recorded) = order {
            self.committed.borrow_mut().push(recorded.xid().to_owned());
        }
    }
    fn weigh(&self, _: Seq, _: usize, _: Weighing) {}
    fn lint(&self, _: Seq, _: usize, _: Arc<Runbook>) {}
    fn cancel(&self) {}
    fn renew(&self, _: Millis) {}
    fn sever(&self) {}
    fn back_up(&self, _: Seq, _: Target, _: String) {}
    fn stop_backup(&self) {}
    fn ask_earlier(&self, _: Seq, _: PathBuf, _: String) {}
}

static RUNBOOK: LazyLock<Arc<Runbook>> = LazyLock::new(|| Arc::new(Runbook::load(None).unwrap()));

/// What a throw of the dice comes to, and where.
#[derive(Debug, Clone, Copy)]
struct Throw {
    which: u16,
    much: Millis,
}

impl Throw {
    /// One of so many, by another part of the throw each time.
    fn of(self, salt: u16, many: u16) -> u16 {
        (self.which / 7).wrapping_mul(31).wrapping_add(salt * 17) % many
    }
}

fn message(severity: &str, sqlstate: Option<&str>, number: u16) -> ServerMessage {
    ServerMessage {
        severity: severity.into(),
        sqlstate: sqlstate.map(str::to_owned),
        message: format!("said {number}"),
        ..ServerMessage::default()
    }
}

fn checks(throw: Throw) -> Vec<Check> {
    let verdicts = [Verdict::Pass, Verdict::Warn, Verdict::Pass, Verdict::Fail];
    let some = verdicts.into_iter().take(throw.of(1, 6).into());
    some.map(|verdict| Check {
        name: format!("check {}", throw.which),
        verdict,
        detail: "d".into(),
    })
    .collect()
}

/// A statement that is done: some lock, some look, some do neither.
fn done(number: usize, throw: Throw) -> Body {
    let locks = (0..throw.of(2, 3)).map(|nth| Lock {
        mode: LockMode::ALL[usize::from(throw.of(3 + nth, 8))],
        relation: format!("s.t{}", throw.of(5 + nth, 3)),
    });
    Body::StatementFinished(Box::new(StatementReport {
        number,
        duration: throw.much,
        tag: ["SELECT 3", "ALTER TABLE", "SELECT 0", "UPDATE 5"][usize::from(throw.of(8, 4))]
            .into(),
        checks: match throw.of(9, 4) {
            0 => checks(throw),
            _ => Vec::new(),
        },
        locks: locks.collect(),
        result: (throw.of(10, 3) == 0).then(|| ResultSet {
            total: throw.much,
            ..ResultSet::default()
        }),
    }))
}

fn failed(number: usize, throw: Throw) -> Body {
    let sqlstate = ["55P03", "23505"][usize::from(throw.of(4, 2))];
    Body::StatementFailed {
        number,
        duration: throw.much,
        error: Box::new(message("ERROR", Some(sqlstate), throw.which)),
    }
}

/// How a script goes on, or comes to its end.
fn goes_on(account: &Account, throw: Throw) -> Body {
    match RUNBOOK.script.sent().nth(account.transaction.done()) {
        Some(next) if throw.of(6, 6) > 0 => done(next.number, throw),
        _ => Body::ScriptFinished,
    }
}

fn commit_answer(throw: Throw) -> CommitAnswer {
    let said = |severity, sqlstate| Box::new(message(severity, sqlstate, throw.which));
    match throw.of(1, 6) {
        0 => CommitAnswer::LinkLost(said("", None)),
        1 => CommitAnswer::OtherTransaction { xact_status: None },
        2 => CommitAnswer::Tag {
            tag: "COMMIT".into(),
            idle: true,
            xact_status: Some(XactStatus::Aborted),
        },
        3 => CommitAnswer::Local {
            warning: said("WARNING", Some("01000")),
            idle: true,
            xact_status: Some(XactStatus::Committed),
        },
        _ => CommitAnswer::Refused {
            error: said("ERROR", Some("40001")),
            xact_status: Some(XactStatus::Aborted),
        },
    }
}

fn inquiry(throw: Throw) -> Inquiry {
    let answered = |status| Inquiry::Answered {
        status,
        server: "here".into(),
    };
    match throw.of(1, 6) {
        0 => answered(XactStatus::Committed),
        1 => answered(XactStatus::InProgress),
        2 => Inquiry::Prepared {
            gid: "g".into(),
            server: "here".into(),
        },
        3 => Inquiry::Unreachable("gone".into()),
        _ => answered(XactStatus::Aborted),
    }
}

fn looked(question: &Question, throw: Throw) -> Looked {
    Looked {
        question: question.clone(),
        duration: throw.much,
        answer: match throw.of(1, 3) {
            0 => Err(message("ERROR", Some("42P01"), throw.which)),
            _ => Ok(Rows {
                set: ResultSet {
                    total: throw.much,
                    ..ResultSet::default()
                },
                more: throw.of(2, 2) == 0,
            }),
        },
        after: match throw.of(3, 6) {
            0 => After::Disturbed("its locks".into()),
            _ => After::Unchanged,
        },
    }
}

/// What the session may say in this phase, beside what brings the walk forward.
fn session_says(machine: &Machine, account: &Account, throw: Throw) -> Option<Body> {
    let unharmed = account.failed().is_none();
    let next = RUNBOOK
        .script
        .sent()
        .nth(account.transaction.done())?
        .number;
    Some(match machine.phase() {
        Phase::Connecting => Body::ConnectFailed(message("", None, throw.which)),
        Phase::Checklist { .. } => Body::Probed {
            item: throw.of(1, 2).into(),
            evidence: Evidence {
                standing: [Standing::Warns, Standing::Fails, Standing::Holds]
                    [usize::from(throw.of(2, 3))],
                summary: format!("found {}", throw.which),
                lines: vec!["and more".into()],
                // As many as the linter has on the script.
                findings: Some(1),
                ..Evidence::default()
            },
        },
        Phase::Beginning { .. } if throw.of(1, 4) == 0 => {
            Body::BeginFailed(message("ERROR", Some("42501"), throw.which))
        }
        Phase::Beginning { .. } => Body::Begun {
            xid: throw.which.to_string(),
            added: vec![Added::Ahead(format!("SET LOCAL x = {}", throw.much))],
        },
        Phase::Applying { .. } if unharmed && account.running().is_none() => {
            Body::StatementStarted { number: next }
        }
        Phase::Applying { .. } if unharmed && throw.of(7, 9) == 0 => failed(next, throw),
        Phase::Applying { .. } if unharmed => done(next, throw),
        Phase::Verifying { .. } if throw.of(1, 3) == 0 => Body::SettleFailed {
            deferred: true,
            error: Box::new(message("ERROR", Some("23503"), throw.which)),
        },
        Phase::Verifying { .. } if throw.of(1, 9) == 1 => Body::Settled {
            same_transaction: false,
        },
        Phase::Committing { .. } => Body::CommitAnswered(commit_answer(throw)),
        Phase::RollingBack { .. } => Body::RollbackAnswered {
            tag: "ROLLBACK".into(),
            ended_ours: throw.of(1, 3) > 0,
            xact_status: [
                Some(XactStatus::Aborted),
                Some(XactStatus::Committed),
                Some(XactStatus::InProgress),
                None,
            ][usize::from(throw.of(2, 4))],
        },
        Phase::Inquiring { .. } => Body::Asked(inquiry(throw)),
        Phase::Querying { question, .. } => Body::Looked(Box::new(looked(question, throw))),
        Phase::PostVerifying { .. } => Body::PostVerified {
            results: vec![StatementReport {
                checks: checks(throw),
                ..StatementReport::default()
            }],
        },
        Phase::Deciding { .. } => match throw.of(1, 12) {
            0 | 1 => Body::SessionEnded(message("FATAL", Some("57P01"), throw.which)),
            2 => Body::TransactionGone,
            3 => Body::FoundFailed(Box::new(message("ERROR", Some("40P01"), throw.which))),
            _ => Body::NumberDurable,
        },
        _ => Body::Noticed {
            number: account.running().map(|(number, _)| number),
            message: Box::new(message("NOTICE", Some("00000"), throw.which)),
        },
    })
}

/// What the monitor sees: who waits for us, for whom we wait while the script runs, and how long.
fn seen(machine: &Machine, throw: Throw) -> Event {
    let sessions = |some: u16| {
        let some = (0..some).map(|pid| OtherSession {
            pid: i32::from(pid),
            role: "app".into(),
            since: Some(throw.much),
            ..OtherSession::default()
        });
        some.collect::<Vec<OtherSession>>()
    };
    let blocks = matches!(machine.phase(), Phase::Applying { .. });
    Event::Observed(Observation::Seen(Box::new(Sight {
        waiters: sessions(throw.of(1, 3)),
        blockers: sessions(throw.of(4, 3) * u16::from(blocks)),
        waits: (throw.of(2, 2) == 0).then_some(throw.much),
        ..Sight::default()
    })))
}

fn event(engine: &Engine<SilentSession>, throw: Throw) -> Event {
    let machine = engine.machine();
    let seq = machine.sequence_numbers().last().copied().unwrap_or(0);
    let report = |body| Event::Reported(Report { seq, body });
    match throw.which % 7 {
        0..=2 => match machine.phase() {
            Phase::Applying { .. } => report(goes_on(engine.account(), throw)),
            _ => next_step(machine),
        },
        3 | 4 => session_says(machine, engine.account(), throw).map_or(Event::Drawn, report),
        5 => match throw.of(1, 4) {
            0 => Event::Ticked {
                elapsed: throw.much,
            },
            _ => seen(machine, throw),
        },
        _ => {
            let asked = commands(2);
            Event::Asked(asked[usize::from(throw.which / 7) % asked.len()].clone())
        }
    }
}

/// Walks a random life and hands over what is live at its end, and its journal read back.
fn live(plan: Plan, throws: &[(u16, Millis)]) -> (Engine<SilentSession>, SilentSession, Replay) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let mut journal = Journal::create(Some(&path), |_| None).unwrap();
    journal
        .record(&Entry::Opened(Box::<Opened>::default()))
        .unwrap();
    let wire = SilentSession::default();
    let log = Log::Kept(Box::new(journal));
    let mut engine = Engine::new(Arc::clone(&RUNBOOK), plan, log, wire.clone());
    engine.start();
    for (which, much) in throws {
        if engine.left().is_some() {
            break;
        }
        let throw = Throw {
            which: *which,
            much: *much,
        };
        engine.take(event(&engine, throw));
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let replay = Replay::of(verify(&text).unwrap());
    (engine, wire, replay)
}

fn throws() -> impl Strategy<Value = Vec<(u16, Millis)>> {
    proptest::collection::vec((any::<u16>(), 0u64..900), 0..220)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_journal_that_is_replayed_gives_the_account_that_was_live(throws in throws()) {
        let (engine, wire, replay) = live(plan(Mode::Run, 2, true), &throws);
        compare(&engine, &wire, &replay);
    }

    #[test]
    fn so_it_does_of_other_plans(throws in throws()) {
        let mut linted = plan(Mode::Run, 2, false);
        linted.items[1].lints = true;
        for plan in [plan(Mode::Rehearse, 0, true), unheld(true, true), unheld(false, false), bare(), linted] {
            let (engine, wire, replay) = live(plan, &throws);
            compare(&engine, &wire, &replay);
        }
    }
}
