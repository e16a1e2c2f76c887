//! Faults of the link and of the server, drawn at random, most of them around COMMIT.

use std::sync::Arc;
use std::time::Duration;

use stagegate::sandbox::SandboxOptions;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::cutting::AT_ONCE;
use crate::dice::{Dice, seed};
use crate::ground::{Ground, shared};
use crate::proxy::Act;
use crate::striking::{Fault, LATEST, Moment, run};
use crate::tally::Tally;
use crate::walking::{Decision, Said};

/// How many runs of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub links: usize,
    pub terminated: usize,
    pub cancelled: usize,
    pub crashes: usize,
    pub black_holes: usize,
    pub late: usize,
    pub slow: usize,
    /// How many in a hundred last longer than the server is asked for.
    pub for_good: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_at_random_moments_leave_nothing_wrong() {
    let seed = seed();
    let mut tally = Tally::default();
    let share = Share {
        links: 24,
        terminated: 16,
        cancelled: 12,
        crashes: 12,
        black_holes: 20,
        late: 8,
        slow: 4,
        for_good: 8,
    };
    draw(seed, share, &mut tally).await;
    println!("{}", tally.markdown());
    tally.assert_nothing_wrong();
}

/// Draws that many faults.
pub async fn draw(seed: u64, share: Share, tally: &mut Tally) {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let own = own_servers(2).await;
    let own_turns = Arc::new(Semaphore::new(2));
    let mut runs = JoinSet::new();
    let faults = faults(&mut Dice::new(seed), share);
    for (number, fault) in faults.into_iter().enumerate() {
        let mut dice = Dice::new(seed.wrapping_add(1 + number as u64));
        let moment = Moment::draw(&mut dice);
        let decision = if dice.percent(85) {
            Decision::Commit
        } else {
            Decision::RollBack
        };
        let name = format!("FAULTS_SEED={seed} #{number}");
        let folder = folder.path().to_owned();
        if let Fault::Crash { .. } = fault {
            let (own, turns) = (Arc::clone(&own), Arc::clone(&own_turns));
            runs.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                let ground = own.lock().await.pop().unwrap();
                let run = run(&ground, &folder, fault, moment, decision, name).await;
                own.lock().await.push(ground);
                run
            });
        } else {
            let (ground, turns) = (ground.clone(), Arc::clone(&turns));
            runs.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                run(&ground, &folder, fault, moment, decision, name).await
            });
        }
    }
    let mut came_through = 0;
    while let Some(run) = runs.join_next().await {
        let run = run.unwrap();
        let late = run.fault == Fault::Late(LATEST).name();
        came_through += usize::from(late && matches!(run.said, Said::Committed(_)));
        tally.add(run);
    }
    // Else the old session was ended before its COMMIT arrived, each time.
    assert!(
        share.late < 30 || came_through >= 5,
        "{came_through} came through"
    );
}

fn faults(dice: &mut Dice, share: Share) -> Vec<Fault> {
    let ms = Duration::from_millis;
    let mut faults = Vec::new();
    for _ in 0..share.links {
        faults.push(Fault::Link(match dice.of(0..4) {
            0 => Act::Cut,
            1 => Act::Reset,
            2 => Act::CutClient,
            _ => Act::Swallow,
        }));
    }
    faults.extend(std::iter::repeat_n(Fault::Terminated, share.terminated));
    faults.extend(std::iter::repeat_n(Fault::Cancelled, share.cancelled));
    for _ in 0..share.crashes {
        let down = if dice.percent(share.for_good) {
            // Longer than the server is asked for.
            ms(16_000)
        } else {
            dice.up_to(ms(1_500))
        };
        let busy = dice.percent(50);
        faults.push(Fault::Crash { down, busy });
    }
    for _ in 0..share.black_holes {
        faults.push(Fault::BlackHole(if dice.percent(share.for_good) {
            None
        } else {
            Some(dice.up_to(ms(3_000)))
        }));
    }
    for _ in 0..share.late {
        faults.push(Fault::Late(dice.up_to(LATEST)));
    }
    for _ in 0..share.slow {
        faults.push(Fault::Slow(dice.up_to(ms(20))));
    }
    faults
}

async fn own_servers(count: usize) -> Arc<Mutex<Vec<Ground>>> {
    let mut servers = Vec::new();
    for _ in 0..count {
        servers.push(Ground::start(SandboxOptions::for_tests()).await);
    }
    Arc::new(Mutex::new(servers))
}
