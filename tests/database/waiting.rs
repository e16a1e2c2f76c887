//! COMMIT that waits for a standby that is not there, and a transaction that was prepared.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::{Inquiry, XactStatus};
use stagegate::gate::event::{Body, CommitAnswer};
use stagegate::sandbox::{Sandbox, SandboxOptions};

use crate::stage::{Stage, over_socket, psql, recorded, runbook, within};

async fn start(options: SandboxOptions) -> Sandbox {
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
    let server = start(SandboxOptions::for_tests()).await;
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
async fn a_commit_whose_answer_was_not_heard_is_not_known_to_be_replicated() {
    let server = start(SandboxOptions::for_tests()).await;
    let mut stage = waits_for_nobody(&server).await;
    let client = psql(&server, "postgres").await;
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    client.batch_execute(sql).await.unwrap();
    let asked = within("the end of the link", async {
        while !matches!(stage.next().await.body, Body::CommitAnswered(_)) {}
        stage.ask(Order::Inquire).await
    });
    let Body::Asked(Inquiry::Answered { status, server }) = asked.await else {
        panic!("nobody answers");
    };
    assert_eq!(status, XactStatus::Committed);
    assert!(
        server.contains("whether they have it is not known"),
        "{server}"
    );
}

#[tokio::test]
async fn a_commit_without_a_standby_to_wait_for_is_no_local_one_though_a_trigger_warns() {
    let server = start(SandboxOptions::for_tests()).await;
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
    let server = start(SandboxOptions::for_tests().with("max_prepared_transactions", "2")).await;
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

/// A trigger that defers itself anew, however often that is brought forward, and then takes its time.
const LATE: &str = "CREATE TABLE t (i int);
    CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.i > 5 THEN PERFORM pg_sleep(3600); RETURN NULL; END IF;
        SET CONSTRAINTS ALL DEFERRED; INSERT INTO t VALUES (NEW.i + 1); RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION late()";

/// A COMMIT that does not come to its end by itself, under such a limit on statements.
async fn commits_late(statement_limit: u64) -> Stage {
    let stage = Stage::set(LATE, &[]).await;
    let options = HoldOptions {
        statement_limit,
        ..HoldOptions::default()
    };
    let settings = over_socket(crate::stage::server(), &stage.database);
    let mut stage = Stage::with(settings, runbook(&["INSERT INTO t VALUES (1)"]), options);
    stage.connect().await;
    let (xid, _) = stage.apply().await;
    let same_transaction = true;
    assert_eq!(
        stage.ask(Order::Settle).await,
        Body::Settled { same_transaction }
    );
    stage.order(Order::Commit(recorded(&xid)));
    stage
}

/// That it was refused as cancelled, nothing of it is there, and nothing is held.
async fn was_cancelled(stage: &Stage, answer: CommitAnswer) {
    let CommitAnswer::Refused { error, xact_status } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(error.sqlstate.as_deref(), Some("57014"));
    assert_eq!(xact_status, Some(XactStatus::Aborted));
    let client = stage.psql().await;
    client
        .batch_execute("BEGIN; LOCK t NOWAIT; ROLLBACK")
        .await
        .unwrap();
    assert!(client.query("TABLE t", &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_trigger_does_inside_commit_is_told_and_ends_when_it_is_cancelled() {
    let mut stage = commits_late(3_600_000).await;
    loop {
        match stage.next().await.body {
            Body::CommitWaits(wait) => {
                assert_eq!(wait.event.as_deref(), Some("PgSleep"));
                break;
            }
            Body::NumberDurable => {}
            other => panic!("{other:?}"),
        }
    }
    stage.session.cancel();
    let Body::CommitAnswered(answer) = stage.next().await.body else {
        panic!("it is not answered");
    };
    was_cancelled(&stage, answer).await;
}

#[tokio::test]
async fn a_commit_that_runs_for_longer_than_a_statement_may_is_cancelled_by_itself() {
    let mut stage = commits_late(1_500).await;
    let mut told = None;
    let answer = loop {
        match stage.next().await.body {
            Body::CommitAnswered(answer) => break answer,
            Body::Noticed { message, .. } => told = Some(message.message),
            Body::CommitWaits(_) | Body::NumberDurable => {}
            other => panic!("{other:?}"),
        }
    };
    let told = told.expect("it is told");
    assert!(told.contains("a cancel request was sent"), "{told}");
    was_cancelled(&stage, answer).await;
}

#[tokio::test]
async fn a_commit_that_waits_for_a_standby_is_not_given_up_but_by_a_person() {
    let server = start(SandboxOptions::for_tests()).await;
    demand_nobody(&server).await;
    let options = HoldOptions {
        statement_limit: 1_000,
        answer_timeout: 500,
        ..HoldOptions::default()
    };
    let settings = over_socket(&server, "postgres");
    let mut stage = Stage::with(settings, runbook(&["CREATE TABLE t (i int)"]), options);
    stage.connect().await;
    commit_towards_nobody(&mut stage).await;
    let client = psql(&server, "postgres").await;
    let waits = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'
        AND clock_timestamp() - query_start > '4 s'";
    within("it waits for four times its limit", async {
        while client.query(waits, &[]).await.unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    stage.session.cancel();
    loop {
        match stage.next().await.body {
            Body::CommitAnswered(answer) => {
                assert!(matches!(answer, CommitAnswer::Local { .. }), "{answer:?}");
                break;
            }
            Body::Noticed { message, .. } => {
                let own = message.message.contains("a cancel request was sent");
                assert!(!own, "{message:?}");
            }
            Body::CommitWaits(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
