//! What would lock a person in at the gate, or outlast them: a transaction that was prepared, a paste,
//! a COPY to nobody, a COMMIT that waits for a standby that is not there, a backend that stands still.
//! The walk comes to an end, and what it says is what is.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use stagegate::facts::Alarm;
use stagegate::gate::plan::ARMING;
use stagegate::sandbox::SandboxOptions;
use stagegate::sandbox::demo::Scenario;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cutting::AT_ONCE;
use crate::dice::{Dice, seed};
use crate::ground::{DATABASE, Ground, PATIENCE, Table, settings, shared};
use crate::program::{Program, said};
use crate::proxy::Proxy;
use crate::stage::{Stage, Walk as _};
use crate::striking::told_by_journal;
use crate::tally::{Run, Tally};
use crate::walking::{Decision, SLIPS, Said, Waiting, Walk};

/// How many runs of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub prepared: usize,
    pub pasted: usize,
    pub copied: usize,
    pub standby: usize,
    pub frozen: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_locked_in_at_the_gate() {
    let seed = seed();
    let mut tally = Tally::default();
    let share = Share {
        prepared: 4,
        pasted: 2,
        copied: 4,
        standby: 4,
        frozen: 8,
    };
    lock_in(seed, share, &mut tally).await;
    println!("{}", tally.markdown());
    tally.assert_nothing_wrong();
    assert_eq!(tally.runs(), 22);
}

/// How the real program is told to leave.
#[derive(Debug, Clone, Copy)]
enum Told {
    QuitTwice,
    Terminate,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_program_leaves_a_dead_link_and_a_backend_that_stands_still() {
    let ground = shared().await;
    let mut runs = JoinSet::new();
    for dead in [Dead::Link, Dead::Backend] {
        for told in [Told::QuitTwice, Told::Terminate] {
            runs.spawn(leave(ground.clone(), dead, told));
        }
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

async fn leave(ground: Ground, dead: Dead, told: Told) {
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let client = ground.client(DATABASE).await;
    let proxy = Proxy::to(ground.address()).await;
    let script = table.script_file(folder.path(), "");
    let journal = script.with_extension("jsonl");
    let address = proxy.address;
    let mut program = tokio::task::spawn_blocking(move || {
        let mut program = Program::stagegate(None, address, &script, &journal, &[]);
        program.apply();
        program.wait_for_gate();
        program
    })
    .await
    .unwrap();
    let pid = table.wait_until_held(&client).await.unwrap();
    match dead {
        Dead::Link => proxy.freeze(),
        Dead::Backend => signal(pid, Signal::STOP),
    }
    let (status, text) = tokio::task::spawn_blocking(move || {
        match told {
            Told::QuitTwice => {
                program.insist("quit", "quit again rolls back and leaves");
                // As slowly as a person: what comes at once is no answer.
                std::thread::sleep(Duration::from_millis(ARMING * 2));
                program.line("quit");
            }
            Told::Terminate => program.signal(Signal::TERM),
        }
        (program.wait(PATIENCE), program.text())
    })
    .await
    .unwrap();
    if dead == Dead::Backend {
        signal(pid, Signal::CONT);
    }
    let code = match told {
        Told::QuitTwice => 1,
        Told::Terminate => 143,
    };
    let status = status.map(|status| status.exit_code());
    assert_eq!(status, Some(code), "{dead:?} {told:?}:\n{text}");
    assert!(text.contains("ROLLED BACK"), "{dead:?} {told:?}:\n{text}");
    let closed = text.matches("this program closed").count();
    assert_eq!(closed, 1, "{dead:?} {told:?}:\n{text}");
    let free = table.wait_until_free(&client, PATIENCE).await;
    assert!(free.is_some(), "{dead:?} {told:?}: still held");
    assert!(!table.is_altered_as_seen_by(&client).await);
}

pub async fn lock_in(seed: u64, share: Share, tally: &mut Tally) {
    prepare(share.prepared, tally).await;
    copy(share.copied, tally).await;
    wait_for_standbys(share.standby, tally).await;
    freeze(seed, share.frozen, tally).await;
    for number in 0..share.pasted {
        let mut dice = Dice::new(seed.wrapping_add(2_000_000 + number as u64));
        let run = tokio::task::spawn_blocking(move || paste(&mut dice, number % 2 == 0));
        tally.add_wanted(run.await.unwrap(), "RolledBack(");
    }
}

/// A PREPARE TRANSACTION that the reader did not know as one, for half of them ended in COMMIT.
async fn prepare(runs: usize, tally: &mut Tally) {
    let options = SandboxOptions::for_tests().with("max_prepared_transactions", "10");
    let ground = Ground::start(options).await;
    let folder = tempfile::tempdir().unwrap();
    for number in 0..runs {
        let table = ground.table().await;
        let gid = format!("it's {}", table.name);
        let quoted = gid.replace('\'', "''");
        let walk = Walk {
            script: table.script(&format!("SELECT '{SLIPS}';\n")),
            slips: Some(format!("PREPARE TRANSACTION '{quoted}'")),
            ..Walk::of(
                &table,
                settings(ground.address()),
                Decision::Commit,
                folder.path(),
            )
        };
        let journal = walk.journal.clone();
        let said = walk.go().await;
        let client = ground.client(DATABASE).await;
        assert!(
            !table.is_altered_as_seen_by(&client).await,
            "nobody ended it yet"
        );
        let (word, excuse) = match &said {
            Said::Prepared(name) if *name == gid => (
                ["COMMIT", "ROLLBACK"][number % 2],
                Some("it was prepared, and told as that, with the statements that end it"),
            ),
            _ => ("ROLLBACK", None),
        };
        client
            .batch_execute(&format!("{word} PREPARED '{quoted}'"))
            .await
            .unwrap();
        let run = Run {
            fault: "PREPARE TRANSACTION slipped through",
            seed: format!("#{number}, then {word} PREPARED"),
            altered: table.is_altered_as_seen_by(&client).await,
            later: Some(told_by_journal(&journal, &ground).await),
            excuse,
            said,
        };
        tally.add_wanted(run, "Prepared(");
    }
}

/// A result that goes nowhere, of more rows than fit into any buffer.
async fn copy(runs: usize, tally: &mut Tally) {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    for number in 0..runs {
        let table = ground.table().await;
        let decision = [Decision::Commit, Decision::RollBack][number % 2];
        let copy = "COPY (SELECT repeat('x', 100) FROM generate_series(1, 200000)) TO STDOUT;\n";
        let walk = Walk {
            script: table.script(copy),
            ..Walk::of(&table, settings(ground.address()), decision, folder.path())
        };
        let run = walk_through(
            "COPY TO STDOUT of 200,000 rows",
            format!("#{number} {decision:?}"),
            &ground,
            &table,
            walk,
        );
        tally.add_wanted(run.await, decided(decision));
    }
}

/// What is said where it went as a person decided.
fn decided(decision: Decision) -> &'static str {
    match decision {
        Decision::Commit => "Committed(",
        Decision::RollBack | Decision::TakeTime => "RolledBack(\"you decided so",
    }
}

/// COMMIT that waits for a standby that nobody is: let go of, or left.
async fn wait_for_standbys(runs: usize, tally: &mut Tally) {
    let ground = Ground::start(SandboxOptions::for_tests()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut tables = Vec::new();
    for _ in 0..runs {
        tables.push(ground.table().await);
    }
    let client = ground.client(DATABASE).await;
    for sql in [
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(sql).await.unwrap();
    }
    for (number, table) in tables.into_iter().enumerate() {
        let waiting = [Waiting::LetGo, Waiting::Leave][number % 2];
        let walk = Walk {
            waiting,
            ..Walk::of(
                &table,
                settings(ground.address()),
                Decision::Commit,
                folder.path(),
            )
        };
        let run = walk_through(
            "COMMIT waits for a standby that is gone",
            format!("#{number} {waiting:?}"),
            &ground,
            &table,
            walk,
        );
        let mut run = run.await;
        let wanted = match waiting {
            Waiting::Leave => {
                run.excuse =
                    Some("the program was told to leave while COMMIT waited for a standby");
                "Unknown("
            }
            Waiting::LetGo | Waiting::Watch => {
                "Committed(\"the server answered COMMIT, committed locally and not known to be \
                 replicated"
            }
        };
        tally.add_wanted(run, wanted);
    }
}

/// What stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dead {
    Link,
    Backend,
}

/// How long the gate is looked at before the decision.
const LOOK: Duration = Duration::from_millis(500);

/// The backend or the link stopped at the gate, and what a person or a signal asks then.
async fn freeze(seed: u64, runs: usize, tally: &mut Tally) {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut walks = JoinSet::new();
    for number in 0..runs {
        let (ground, folder) = (ground.clone(), folder.path().to_owned());
        let turns = Arc::clone(&turns);
        let mut dice = Dice::new(seed.wrapping_add(3_000_000 + number as u64));
        walks.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            let table = ground.table().await;
            let dead = [Dead::Backend, Dead::Link][number / 4 % 2];
            let proxy = Proxy::to(ground.address()).await;
            let (alarm, decision) = match number % 4 {
                0 => (Some(Alarm::Quit), Decision::RollBack),
                1 => (Some(Alarm::Terminated), Decision::RollBack),
                2 => (None, Decision::RollBack),
                _ => (None, Decision::Commit),
            };
            let walk = Walk {
                look: LOOK,
                alarm: alarm.clone(),
                ..Walk::of(&table, settings(proxy.address), decision, &folder)
            };
            let mut at_gate = walk.at_gate.subscribe();
            let client = ground.client(DATABASE).await;
            let journal = walk.journal.clone();
            let walking = tokio::spawn(walk.go());
            at_gate.wait_for(|there| *there).await.unwrap();
            let pid = table.wait_until_held(&client).await.unwrap();
            let stop = || match dead {
                Dead::Backend => signal(pid, Signal::STOP),
                Dead::Link => proxy.freeze(),
            };
            let go_on = || match dead {
                Dead::Backend => signal(pid, Signal::CONT),
                Dead::Link => proxy.thaw(),
            };
            stop();
            // For good as far as an alarm is concerned; else for some time.
            let said = match &alarm {
                Some(_) => {
                    let said = walking.await.unwrap();
                    go_on();
                    said
                }
                None => {
                    // Past the decision, or nothing stood still in it.
                    let past = LOOK + Duration::from_millis(500);
                    tokio::time::sleep(past + dice.up_to(Duration::from_secs(3))).await;
                    go_on();
                    walking.await.unwrap()
                }
            };
            let free = table.wait_until_free(&client, PATIENCE).await;
            assert!(free.is_some(), "still held: {said:?}");
            let wanted = match &alarm {
                Some(Alarm::Quit) => "RolledBack(\"you left while it was open",
                Some(_) => "RolledBack(\"the program was told to terminate",
                None => decided(decision),
            };
            let run = Run {
                fault: match dead {
                    Dead::Backend => "backend SIGSTOP at the gate",
                    Dead::Link => "link frozen at the gate",
                },
                seed: format!("FAULTS_SEED={seed} #{number} {alarm:?} {decision:?}"),
                altered: table.is_altered_as_seen_by(&client).await,
                later: Some(told_by_journal(&journal, &ground).await),
                excuse: None,
                said,
            };
            (run, wanted)
        });
    }
    while let Some(run) = walks.join_next().await {
        let (run, wanted) = run.unwrap();
        tally.add_wanted(run, wanted);
    }
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

async fn walk_through(
    fault: &'static str,
    seed: String,
    ground: &Ground,
    table: &Table,
    walk: Walk,
) -> Run {
    let journal = walk.journal.clone();
    let said = walk.go().await;
    // It ends what of it is still there.
    let later = told_by_journal(&journal, ground).await;
    let client = ground.client(DATABASE).await;
    let free = table.wait_until_free(&client, PATIENCE).await;
    assert!(free.is_some(), "still held: {fault} {seed} {said:?}");
    Run {
        fault,
        seed,
        altered: table.is_altered_as_seen_by(&client).await,
        later: Some(later),
        excuse: None,
        said,
    }
}

/// A paste of keys that would decide, at the gate on a full screen; then a person's own decision.
fn paste(dice: &mut Dice, brackets: bool) -> Run {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let bytes = usize::try_from(dice.of(1_000..100_000)).unwrap();
    let keys = "c\rwiser_ops\rr\ry\rx\rq\ra\r";
    let text = keys.repeat(bytes / keys.len());
    terminal.breathe();
    match brackets {
        true => terminal.paste_bracketed(&text).wait_for("Pasted text was"),
        false => terminal.paste_raw(&text).wait_for("they were refused."),
    };
    terminal.breathe();
    terminal.roll_back().key("q");
    let code = terminal.exit_code();
    let screen = terminal.screen_text();
    let said = screen.lines().rev().find_map(said);
    stage.assert_nobody_left();
    let added = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attname = 'message_type_id' \
        AND attrelid = 'service_ops.integration_inbox'::regclass)";
    Run {
        fault: "a paste at the gate",
        seed: format!("{bytes} bytes, brackets {brackets}, exit code {code}"),
        altered: stage.ask_one(added) == "t",
        later: None,
        excuse: None,
        said: said.unwrap_or(Said::Nothing(screen)),
    }
}
