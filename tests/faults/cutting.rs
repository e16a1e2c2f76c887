//! Cut at every message of a whole walk, in both directions, one run each.

use crate::ground::{settings, shared};
use crate::proxy::Proxy;
use crate::walking::{Decision, Said, Walk};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn undisturbed_walks_say_what_is() {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    for decision in [Decision::Commit, Decision::RollBack] {
        let table = ground.table().await;
        let proxy = Proxy::to(ground.address()).await;
        let began = std::time::Instant::now();
        let walk = Walk::of(&table, settings(proxy.address), decision, folder.path());
        let said = walk.go().await;
        eprintln!("{said:?} {:?} {:?}", began.elapsed(), proxy.counted());
        match decision {
            Decision::Commit => assert!(matches!(said, Said::Committed(_)), "{said:?}"),
            Decision::RollBack => assert!(matches!(said, Said::RolledBack(_)), "{said:?}"),
        }
        assert_eq!(table.is_altered().await, decision == Decision::Commit);
    }
}
