//! Cut at every message of a whole walk, in both directions, one run each.

use std::sync::Arc;

use stagegate::sandbox::SandboxOptions;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::ground::{Ground, settings, shared};
use crate::proxy::{Act, At, Proxy, Side};
use crate::striking::{Fault, Moment, run};
use crate::tally::Tally;
use crate::walking::{Decision, Said, Walk};

/// How many walks are under way at once.
pub const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn undisturbed_walks_say_what_is() {
    // Of its own: a table that somebody else makes meanwhile is a difference between two passes.
    let ground = Ground::start(SandboxOptions::for_tests()).await;
    let folder = tempfile::tempdir().unwrap();
    for decision in [Decision::Commit, Decision::RollBack, Decision::TakeTime] {
        let table = ground.table().await;
        let proxy = Proxy::to(ground.address()).await;
        let walk = Walk::of(&table, settings(proxy.address), decision, folder.path());
        let said = walk.go().await;
        match decision {
            Decision::Commit | Decision::TakeTime => {
                assert!(matches!(said, Said::Committed(_)), "{said:?}");
            }
            Decision::RollBack => assert!(matches!(said, Said::RolledBack(_)), "{said:?}"),
        }
        assert_eq!(table.is_altered().await, decision != Decision::RollBack);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cut_at_any_message_leaves_nothing_wrong() {
    let ground = shared().await;
    let mut tally = Tally::default();
    cut_everywhere(&ground, Decision::Commit, &[Act::Cut], 1, &mut tally).await;
    println!("{}", tally.markdown());
    tally.assert_nothing_wrong();
    assert!(tally.runs() > 200, "{} runs", tally.runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cut_in_a_decision_with_nothing_held_leaves_nothing_wrong() {
    let ground = shared().await;
    let mut tally = Tally::default();
    // Two walks in one; every message of it is cut in the long run.
    cut_everywhere(&ground, Decision::TakeTime, &[Act::Cut], 3, &mut tally).await;
    println!("{}", tally.markdown());
    tally.assert_nothing_wrong();
    assert!(tally.runs() > 100, "{} runs", tally.runs());
}

/// A run for every message of a walk to COMMIT, or every `step`th, for both of its sides, for each kind
/// of cut.
pub async fn cut_everywhere(
    ground: &Ground,
    decision: Decision,
    kinds: &[Act],
    step: usize,
    tally: &mut Tally,
) {
    let folder = tempfile::tempdir().unwrap();
    // Each under way has a server of its own where what others make would be a difference.
    let mut free = vec![ground.clone(); AT_ONCE];
    if decision == Decision::TakeTime {
        for lane in &mut free {
            *lane = Ground::start(SandboxOptions::for_tests()).await;
        }
    }
    let table = free[0].table().await;
    let proxy = Proxy::to(free[0].address()).await;
    let walk = Walk::of(&table, settings(proxy.address), decision, folder.path());
    assert!(matches!(walk.go().await, Said::Committed(_)));
    let whole = proxy.counted();
    let ups = (1..=whole.up).map(At::Up);
    let downs = (1..=whole.down).map(At::Down);
    let places: Vec<At> = ups.chain(downs).step_by(step).collect();

    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let free = Arc::new(Mutex::new(free));
    let mut runs = JoinSet::new();
    for act in kinds {
        for at in &places {
            for side in [Side::Before, Side::After] {
                let (free, folder) = (Arc::clone(&free), folder.path().to_owned());
                let (turns, fault) = (Arc::clone(&turns), Fault::Link(*act));
                let moment = Moment::exactly(*at, side);
                runs.spawn(async move {
                    let _turn = turns.acquire().await.unwrap();
                    let seed = "every message:".to_owned();
                    let ground = free.lock().await.pop().unwrap();
                    let run = run(&ground, &folder, fault, moment, decision, seed).await;
                    free.lock().await.push(ground);
                    run
                });
            }
        }
    }
    while let Some(run) = runs.join_next().await {
        tally.add(run.unwrap());
    }
}
