//! The program itself killed, stopped or told to go at random moments, most of them around COMMIT.
//! What it said, or else what `stagegate outcome` says on its journal, against what is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::dice::{Dice, seed};
use crate::ground::{DATABASE, Ground, Table, shared};
use crate::program::{Program, outcome, said};
use crate::tally::{Run, Tally};
use crate::walking::Said;

/// What happens to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    Kill,
    HangUp,
    Terminate,
    /// Stopped, and continued after the server let go of the locks or after that time.
    Stop(Option<Duration>),
}

impl Blow {
    fn name(self) -> &'static str {
        match self {
            Blow::Kill => "client SIGKILL",
            Blow::HangUp => "client SIGHUP",
            Blow::Terminate => "client SIGTERM",
            Blow::Stop(_) => "client SIGSTOP, SIGCONT",
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_program_leaves_a_journal_that_tells_the_truth() {
    let seed = seed();
    let mut tally = Tally::default();
    kill(
        seed,
        Share {
            kill: 16,
            hang_up: 5,
            terminate: 5,
            stop: 4,
        },
        &mut tally,
    )
    .await;
    println!("{}", tally.markdown());
    tally.assert_nothing_wrong();
}

/// How many runs of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub kill: usize,
    pub hang_up: usize,
    pub terminate: usize,
    pub stop: usize,
}

pub async fn kill(seed: u64, share: Share, tally: &mut Tally) {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let turns = Arc::new(Semaphore::new(6));
    let mut dice = Dice::new(seed ^ 0x6B69_6C6C);
    let mut blows = vec![Blow::Kill; share.kill];
    blows.extend(vec![Blow::HangUp; share.hang_up]);
    blows.extend(vec![Blow::Terminate; share.terminate]);
    for _ in 0..share.stop {
        blows.push(Blow::Stop(match dice.percent(30) {
            true => None,
            false => Some(dice.up_to(Duration::from_secs(2))),
        }));
    }
    let mut runs = JoinSet::new();
    for (number, blow) in blows.into_iter().enumerate() {
        let (ground, folder) = (ground.clone(), folder.path().to_owned());
        let turns = Arc::clone(&turns);
        let dice = Dice::new(seed.wrapping_add(1_000_000 + number as u64));
        runs.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            let table = ground.table().await;
            let name = format!("FAULTS_SEED={seed} killing #{number} {blow:?}");
            let handle = Handle::current();
            tokio::task::spawn_blocking(move || {
                run(&handle, &ground, &table, &folder, blow, (dice, name))
            })
            .await
            .unwrap()
        });
    }
    let before = tally.said_committed();
    while let Some(run) = runs.join_next().await {
        tally.add(run.unwrap());
    }
    // Else no blow fell where it matters.
    assert!(tally.said_committed() > before, "nothing was committed");
}

/// The moments of a walk by lines at which a blow can fall.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Applying,
    Gate,
    Name,
    Commit,
    RollBack,
}

fn run(
    handle: &Handle,
    ground: &Ground,
    table: &Table,
    folder: &Path,
    blow: Blow,
    (mut dice, seed): (Dice, String),
) -> Run {
    let script = table.script_file(folder, "");
    let journal = script.with_extension("jsonl");
    let more: &[&str] = match blow {
        Blow::Stop(_) => &["--dead-man", "12s"],
        _ => &[],
    };
    let mut program = Program::stagegate(None, ground.address(), &script, &journal, more);
    let moment = match dice.of(0..100) {
        0..10 => Moment::Applying,
        10..20 => Moment::Gate,
        20..30 => Moment::Name,
        30..90 => Moment::Commit,
        _ => Moment::RollBack,
    };
    program.apply();
    let pause = match moment {
        Moment::Applying => dice.up_to(Duration::from_millis(40)),
        Moment::Gate | Moment::Name => {
            program.wait_for_gate();
            if let Moment::Name = moment {
                program.ask_to_commit();
            }
            dice.up_to(Duration::from_millis(20))
        }
        Moment::Commit => {
            program.wait_for_gate();
            program.ask_to_commit();
            // A name that comes quicker than a person types it is refused.
            std::thread::sleep(Duration::from_millis(500));
            program.line(DATABASE);
            dice.up_to(Duration::from_millis(8))
        }
        Moment::RollBack => {
            program.wait_for_gate();
            program.insist("rollback", "ROLLBACK? Type yes or no.");
            std::thread::sleep(Duration::from_millis(50));
            program.line("yes");
            dice.up_to(Duration::from_millis(8))
        }
    };
    std::thread::sleep(pause);
    let seed = format!("{seed} {moment:?} + {pause:?}");
    let client = handle.block_on(ground.client(DATABASE));
    match blow {
        Blow::Kill => program.signal(Signal::KILL),
        Blow::HangUp => program.signal(Signal::HUP),
        Blow::Terminate => program.signal(Signal::TERM),
        Blow::Stop(long) => {
            program.signal(Signal::STOP);
            match long {
                Some(long) => std::thread::sleep(long),
                None => {
                    let watch = Duration::from_secs(40);
                    let free = handle.block_on(table.wait_until_free(&client, watch));
                    assert!(free.is_some(), "still held: {seed}");
                }
            }
            program.signal(Signal::CONT);
            // It goes on as if nothing had been: the person asks for the end of it.
            finish(&mut program);
        }
    }
    let status = program.wait(Duration::from_secs(60));
    let said = match (&status, program.said()) {
        (None, _) => Some(Said::Nothing(format!("goes on:\n{}", program.text()))),
        (_, said) => said,
    };
    let free = handle.block_on(table.wait_until_free(&client, Duration::from_secs(40)));
    assert!(free.is_some(), "still held: {seed}");
    let altered = handle.block_on(table.is_altered_as_seen_by(&client));
    // What the journal tells, whatever the program itself still said.
    let (told, code) = outcome(&journal, ground.address(), &["--end-backend"]);
    let told = match said_by_command(&told, code) {
        Some(told) => told,
        None => Said::Nothing(format!("stagegate outcome: {told}")),
    };
    let (said, later) = match said {
        Some(said) => (said, Some(told)),
        None => (told, None),
    };
    Run {
        fault: blow.name(),
        excuse: excuse(blow, &said),
        seed,
        said,
        altered,
        later,
    }
}

/// A program that is killed at BEGIN may not have written its number down; then nobody can ask.
fn excuse(blow: Blow, said: &Said) -> Option<&'static str> {
    let cut = "the journal ends before a transaction was begun";
    match (blow, said) {
        (Blow::Kill, Said::Unknown(why)) if why.to_string().contains(cut) => {
            Some("the program was killed before the transaction's number was in its journal")
        }
        _ => None,
    }
}

/// What the command says, when its exit code says the same.
fn said_by_command(text: &str, code: Option<i32>) -> Option<Said> {
    let said = text.lines().find_map(said)?;
    let fits = match &said {
        Said::Committed(_) => code == Some(0),
        Said::RolledBack(_) => code == Some(3),
        Said::Unknown(_) | Said::Prepared(_) => code == Some(5),
        Said::NotConnected => code == Some(6),
        Said::Refused(_) | Said::Nothing(_) => false,
    };
    fits.then_some(said)
}

/// Brings a walk that goes on to its end, whatever it stands at.
fn finish(program: &mut Program) {
    let give_up = std::time::Instant::now() + Duration::from_secs(45);
    while std::time::Instant::now() < give_up {
        if program.wait(Duration::from_millis(250)).is_some() {
            return;
        }
        // Each means something at one place only.
        for word in ["back", "rollback", "yes", "quit"] {
            program.line(word);
            std::thread::sleep(Duration::from_millis(60));
        }
    }
}
