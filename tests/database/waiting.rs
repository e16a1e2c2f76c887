//! COMMIT that waits for a standby that is not there, and a transaction that was prepared.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::gate::event::{Body, CommitAnswer, Inquiry, XactStatus};
use stagegate::sandbox::{Options, Sandbox};

use crate::stage::{Stage, over_socket, psql, recorded, runbook, within};

async fn start(options: Options) -> Sandbox {
    tokio::task::spawn_blocking(move || Sandbox::start(options).unwrap())
        .await
        .unwrap()
}

async fn on(server: &Sandbox, statements: &[&str]) -> Stage {
    let settings = over_socket(server, "postgres");
    let mut stage = Stage::with(settings, runbook(statements), HoldOptions::default());
    stage.connect().await;
    stage
}

/// Has COMMIT wait for a standby of that name, which nobody is.
pub async fn demand_nobody(server: &Sandbox) {
    let client = psql(server, "postgres").await;
    for sql in [
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(sql).await.unwrap();
    }
}

/// A COMMIT under way on such a server.
async fn waits_for_nobody(server: &Sandbox) -> Stage {
    demand_nobody(server).await;
    let mut stage = on(server, &["CREATE TABLE t (i int)"]).await;
    commit_towards_nobody(&mut stage).await;
    stage
}

/// Commits, and sees that it waits for nobody.
pub async fn commit_towards_nobody(stage: &mut Stage) {
    let (xid, _) = stage.apply().await;
    stage.order(Order::Commit(recorded(&xid)));
    loop {
        match stage.next().await.body {
            Body::CommitWaits(wait) if wait.is_replication() => {
                assert_eq!(wait.standbys, "nobody");
                return;
            }
            Body::CommitWaits(_) | Body::NumberDurable => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_commit_that_waits_for_a_dead_standby_says_so_and_is_let_go_of_as_committed_here() {
    let server = start(Options::for_tests()).await;
    let mut stage = waits_for_nobody(&server).await;
    stage.session.cancel();
    let answer = loop {
        match stage.next().await.body {
            Body::CommitAnswered(answer) => break answer,
            Body::Noticed { .. } | Body::CommitWaits(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let CommitAnswer::Local {
        warning,
        idle,
        xact_status,
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert!(idle);
    assert_eq!(xact_status, Some(XactStatus::Committed));
    assert!(
        warning.message.contains("synchronous replication"),
        "{}",
        warning.message
    );
    let client = psql(&server, "postgres").await;
    client.batch_execute("TABLE t").await.unwrap();
}

#[tokio::test]
async fn a_commit_without_a_standby_to_wait_for_is_no_local_one_though_a_trigger_warns() {
    let server = start(Options::for_tests()).await;
    let before = "CREATE TABLE t (i int);
        CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE WARNING 'as loud as it can'; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER w AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION warn()";
    let client = psql(&server, "postgres").await;
    client.batch_execute(before).await.unwrap();
    let mut stage = on(&server, &["INSERT INTO t VALUES (1)"]).await;
    let (xid, _) = stage.apply().await;
    stage.order(Order::Commit(recorded(&xid)));
    let answer = loop {
        match stage.next().await.body {
            Body::CommitAnswered(answer) => break answer,
            Body::Noticed { .. } | Body::NumberDurable => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(answer, CommitAnswer::Tag { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_prepared_transaction_is_found_by_its_name() {
    let server = start(Options::for_tests().with("max_prepared_transactions", "2")).await;
    // As if the reader of the script had let it through.
    let statements = ["CREATE TABLE t (i int)", "PREPARE TRANSACTION 'it''s left'"];
    let mut stage = on(&server, &statements).await;
    stage.fail().await;
    assert_eq!(stage.next().await.body, Body::TransactionGone);
    let client = psql(&server, "postgres").await;
    let Body::Asked(Inquiry::Prepared { gid, .. }) = stage.ask(Order::Inquire).await else {
        panic!("it is not found");
    };
    assert_eq!(gid, "it's left");
    // Ending the backend ends nothing of it, and says so instead of asking for ever.
    let asked = within("an answer", stage.ask(Order::EndBackend)).await;
    assert!(
        matches!(asked, Body::Asked(Inquiry::Prepared { .. })),
        "{asked:?}"
    );
    client
        .batch_execute("ROLLBACK PREPARED 'it''s left'")
        .await
        .unwrap();
    let Body::Asked(Inquiry::Answered { status, .. }) = stage.ask(Order::Inquire).await else {
        panic!("nobody answers");
    };
    assert_eq!(status, XactStatus::Aborted);
}
