//! Single faults that could make a program say more than it knows, one by one.

use std::sync::Arc;
use std::time::Duration;

use stagegate::database::session::{HoldOptions, Order, Session};
use stagegate::runbook::script::Script;
use stagegate::runbook::{ChecklistItem, ItemKind, Runbook};
use stagegate::sandbox::SandboxOptions;

use crate::ground::{DATABASE, Ground, settings, shared};
use crate::program::Program;
use crate::proxy::{Act, At, Proxy, Side, Strike};
use crate::striking::{SHORT, told_by_journal};
use crate::walking::{Decision, Said, Walk};

fn at_commit(side: Side, act: Act) -> Strike {
    Strike {
        at: At::Commit,
        side,
        act,
    }
}

/// Gives up on answers as soon as the long runs do.
fn impatient() -> HoldOptions {
    HoldOptions {
        answer_timeout: u64::try_from(SHORT.as_millis()).unwrap(),
        ..HoldOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_answer_to_commit_dropped_it_ends_at_committed_and_proven() {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let proxy = Proxy::striking(ground.address(), at_commit(Side::After, Act::Swallow)).await;
    let script = table.script_file(folder.path(), "");
    let journal = script.with_extension("jsonl");
    let address = proxy.address;
    let told = tokio::task::spawn_blocking(move || {
        let mut program = Program::stagegate(None, address, &script, &journal, &[]);
        program.apply();
        program.wait_for_gate();
        program.ask_to_commit();
        program.insist(DATABASE, "COMMIT sent; waiting for its proof.");
        program.expect("The link is lost; asking the server which way the transaction went.");
        program.expect("COMMITTED: asked on a new connection: pg_xact_status, system ");
        program.insist("quit", "Journal: ");
        (program.wait(crate::ground::PATIENCE), program.said())
    });
    let (status, said) = told.await.unwrap();
    assert_eq!(status.map(|status| status.exit_code()), Some(0));
    assert!(matches!(said, Some(Said::Committed(_))), "{said:?}");
    assert!(table.is_altered().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_into_a_black_hole_ends_unknown_and_is_told_later() {
    let folder = tempfile::tempdir().unwrap();
    let swallowed = |side, committed| {
        let folder = folder.path().to_owned();
        async move {
            let ground = shared().await;
            let table = ground.table().await;
            let proxy = Proxy::striking(ground.address(), at_commit(side, Act::Freeze)).await;
            let mut settings = settings(proxy.address);
            settings.connect_timeout = SHORT;
            let walk = Walk {
                // So that the server has let go before the frozen COMMIT comes through after all.
                options: HoldOptions {
                    dead_man: 5_000,
                    ..impatient()
                },
                ..Walk::of(&table, settings, Decision::Commit, &folder)
            };
            let journal = walk.journal.clone();
            let said = walk.go().await;
            assert!(matches!(said, Said::Unknown(_)), "{said:?}");
            drop(proxy);
            let later = told_by_journal(&journal, &ground).await;
            assert_eq!(matches!(later, Said::Committed(_)), committed, "{later:?}");
            assert_eq!(table.is_altered().await, committed);
        }
    };
    tokio::join!(swallowed(Side::After, true), swallowed(Side::Before, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_goes_dead_at_the_gate_is_given_up_when_beats_stay_unanswered() {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let proxy = Proxy::to(ground.address()).await;
    let mut settings = settings(proxy.address);
    settings.connect_timeout = SHORT;
    let walk = Walk {
        options: HoldOptions {
            dead_man: 1_000,
            ..impatient()
        },
        look: Duration::from_secs(60),
        ..Walk::of(&table, settings, Decision::Commit, folder.path())
    };
    let mut at_gate = walk.at_gate.subscribe();
    let walking = tokio::spawn(walk.go());
    at_gate.wait_for(|there| *there).await.unwrap();
    proxy.freeze();
    // Nobody presses a key, and it still comes to an end that says what happened.
    let said = walking.await.unwrap();
    let Said::RolledBack(why) = &said else {
        panic!("{said:?}");
    };
    assert!(why.contains("COMMIT was never sent"), "{why}");
    assert!(!table.is_altered().await);
}

/// Statistics that somebody resets look like a crash, and after a crash nobody else can be running
/// under our number. Here nobody crashed, and COMMIT is still on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_of_statistics_is_not_taken_for_a_crash() {
    let ground = Ground::start(SandboxOptions::for_tests()).await;
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let proxy = Proxy::striking(ground.address(), at_commit(Side::Before, Act::Late)).await;
    let walk = Walk {
        look: Duration::from_millis(200),
        ..Walk::of(
            &table,
            settings(proxy.address),
            Decision::Commit,
            folder.path(),
        )
    };
    let mut at_gate = walk.at_gate.subscribe();
    let walking = tokio::spawn(walk.go());
    at_gate.wait_for(|there| *there).await.unwrap();
    let client = ground.client(DATABASE).await;
    client
        .batch_execute("SELECT pg_stat_reset_shared('bgwriter')")
        .await
        .unwrap();
    proxy.struck().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    proxy.release();
    let said = walking.await.unwrap();
    let free = table
        .wait_until_free(&client, crate::ground::PATIENCE)
        .await;
    assert!(free.is_some());
    let altered = table.is_altered().await;
    match said {
        Said::Committed(_) => assert!(altered, "said COMMITTED, and nothing is there"),
        Said::RolledBack(_) => assert!(!altered, "said ROLLED BACK, and it is there"),
        // The number's WAL was not known to be on disk: it is not claimed either.
        Said::Unknown(_) => {}
        other => panic!("{other:?}"),
    }
}

/// Where the server does not wait for the disk, its word COMMIT would not outlive a crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_to_be_committed_outlives_a_crash_whatever_the_servers_default() {
    let options = SandboxOptions::for_tests()
        .with("synchronous_commit", "off")
        .with("wal_writer_delay", "10s");
    let ground = Ground::start(options).await;
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let client = ground.client(DATABASE).await;
    // The table itself is to be there afterwards.
    client.batch_execute("CHECKPOINT").await.unwrap();
    drop(client);
    let walk = Walk::of(
        &table,
        settings(ground.address()),
        Decision::Commit,
        folder.path(),
    );
    let said = walk.go().await;
    assert!(matches!(said, Said::Committed(_)), "{said:?}");
    ground
        .to_server(|server| {
            server.stop_immediate().unwrap();
            server.restart().unwrap();
        })
        .await;
    assert!(table.is_altered().await, "said COMMITTED, and it is gone");
}

/// A checklist holds locks, too, while a file of checks runs: weak ones, but a migration waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_lost_while_it_probes_leaves_no_transaction_open() {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let script = table.script_file(folder.path(), "");
    let mut runbook = Runbook::load(Some(&script)).unwrap();
    let state = format!(
        "SELECT count(*), pg_sleep(0.5) FROM public.{};\nSELECT 1;\n",
        table.name
    );
    runbook.expected_state = Some(Script::read("state.sql", None, state.as_bytes()));
    runbook.items = vec![ChecklistItem::new(
        "structure",
        "structure",
        ItemKind::Structure,
    )];
    let proxy = Proxy::to(ground.address()).await;
    let (reports, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let options = HoldOptions {
        read_timeout: 1_000,
        ..HoldOptions::default()
    };
    let settings = settings(proxy.address);
    let (session, _task) = Session::spawn(Arc::new(runbook), settings, options, reports);
    session.order(1, Order::Connect);
    heard.recv().await.unwrap();
    session.order(2, Order::Probe(vec![0]));
    let client = ground.client(DATABASE).await;
    assert!(table.wait_until_held(&client).await.is_some());
    proxy.freeze();
    let free = table
        .wait_until_free(&client, crate::ground::PATIENCE)
        .await;
    assert!(free.is_some(), "a probe of a lost client holds its locks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_between_is_refused_with_the_reason() {
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let proxy = Proxy::pooling(ground.address()).await;
    let walk = Walk::of(
        &table,
        settings(proxy.address),
        Decision::Commit,
        folder.path(),
    );
    let said = walk.go().await;
    let Said::Refused(why) = &said else {
        panic!("{said:?}");
    };
    assert!(why.contains("a pooler stands in between"), "{why}");
    assert!(!table.is_altered().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_is_refused_with_the_reason() {
    let options = SandboxOptions::for_tests();
    let ground = Ground::start(options).await;
    let folder = tempfile::tempdir().unwrap();
    let table = ground.table().await;
    let client = ground.client("postgres").await;
    let alter = "ALTER SYSTEM SET default_transaction_read_only = on";
    client.batch_execute(alter).await.unwrap();
    client
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    loop {
        // A new session learns of it as soon as the server has.
        let other = ground.client("postgres").await;
        let row = other.query_one("SHOW transaction_read_only", &[]).await;
        if row.unwrap().get::<_, &str>(0) == "on" {
            break;
        }
    }
    let walk = Walk::of(
        &table,
        settings(ground.address()),
        Decision::Commit,
        folder.path(),
    );
    let said = walk.go().await;
    let Said::Refused(why) = &said else {
        panic!("{said:?}");
    };
    assert!(why.contains("read-only"), "{why}");
    assert!(!table.is_altered().await);
}
