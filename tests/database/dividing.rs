//! A script that divides its transaction by savepoints, opens it in its own way, or loads a file.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::gate::event::Body;
use stagegate::runbook::Runbook;
use stagegate::runbook::script::Script;

use crate::stage::{Stage, database, over_socket, psql, runbook, server};

/// A session on a new database with a script that is read as a file is.
async fn stage(before: &str, text: &str) -> Stage {
    let path = std::path::Path::new("divided.sql");
    let script = Script::read("divided.sql", Some(path), text.as_bytes());
    assert_eq!(script.refusals, [], "{text}");
    let name = database(server()).await;
    let client = psql(server(), &name).await;
    client.batch_execute(before).await.unwrap();
    let runbook = Runbook {
        script,
        ..runbook(&[])
    };
    let settings = over_socket(server(), &name);
    let mut stage = Stage::with(settings, runbook, HoldOptions::default());
    stage.connect().await;
    stage
}

#[tokio::test]
async fn what_is_behind_a_savepoint_can_be_undone_and_the_rest_stays() {
    let mut stage = stage(
        "CREATE TABLE t (i int)",
        "INSERT INTO t VALUES (1); SAVEPOINT a; INSERT INTO t VALUES (2); SAVEPOINT b; \
         INSERT INTO t VALUES (3); ROLLBACK TO b; RELEASE b; ROLLBACK TO SAVEPOINT a; \
         INSERT INTO t VALUES (4); RELEASE a; \
         SELECT 'rows' AS c, CASE WHEN array_agg(i ORDER BY i) = '{1,4}' THEN 'PASS' END AS status \
         FROM t;",
    )
    .await;
    let (xid, statements) = stage.apply().await;
    assert_eq!(statements.len(), 11);
    assert!(matches!(
        stage.ask(Order::Settle).await,
        Body::Settled {
            same_transaction: true
        }
    ));
    stage.commit(&xid).await;
    let client = stage.psql().await;
    let row = client
        .query_one("SELECT array_agg(i ORDER BY i) FROM t", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, Vec<i32>>(0), [1, 4]);
}

/// Sent ahead, ROLLBACK TO would let the transaction live on behind the failure, and what follows run.
#[tokio::test]
async fn a_failure_is_never_survived_by_going_back() {
    let mut stage = stage(
        "CREATE SEQUENCE ran",
        "SAVEPOINT a; SELECT 1; SELECT 1/0; ROLLBACK TO a; SELECT nextval('ran'); RELEASE a; SELECT 2;",
    )
    .await;
    let (number, error) = stage.fail().await;
    assert_eq!((number, error.sqlstate.as_deref()), (3, Some("22012")));
    stage.ask(Order::RollBack).await;
    // A sequence keeps what a transaction took of it, whichever way that went.
    let client = stage.psql().await;
    let row = client
        .query_one("SELECT is_called FROM ran", &[])
        .await
        .unwrap();
    assert!(!row.get::<_, bool>(0), "something ran behind the failure");
}

#[tokio::test]
async fn locks_that_are_free_again_are_taken_anew() {
    let mut stage = stage(
        "CREATE TABLE t (i int)",
        "SAVEPOINT a; LOCK t IN SHARE MODE; ROLLBACK TO a; LOCK t IN SHARE MODE;",
    )
    .await;
    let (_, statements) = stage.apply().await;
    let locks: Vec<usize> = statements.iter().map(|one| one.locks.len()).collect();
    assert_eq!(locks, [0, 1, 0, 1]);
}

#[tokio::test]
async fn the_transaction_is_opened_as_the_script_words_it() {
    for (text, expected) in [
        ("BEGIN ISOLATION LEVEL SERIALIZABLE; ", "serializable"),
        (
            "BEGIN; SET search_path = public; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; ",
            "repeatable read",
        ),
        (
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; ",
            "serializable",
        ),
        ("BEGIN READ WRITE, DEFERRABLE; ", "read committed"),
    ] {
        let text = format!(
            "{text} CREATE TABLE t (i int); SELECT 'level' AS c, CASE \
             current_setting('transaction_isolation') WHEN '{expected}' THEN 'PASS' ELSE 'FAIL' END \
             AS status; COMMIT;"
        );
        let mut stage = stage("", &text).await;
        let (_, statements) = stage.apply().await;
        let checks = statements.last().map(|one| one.checks.clone());
        let verdicts: Vec<String> = (checks.into_iter().flatten())
            .map(|check| format!("{:?}", check.verdict))
            .collect();
        assert_eq!(verdicts, ["Pass"], "{text}");
    }
}

#[tokio::test]
async fn a_file_is_loaded_as_it_was_when_the_script_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("t.csv");
    std::fs::write(&data, "1;\"a\"\n2;\"b;c\"\n").unwrap();
    let text = format!(
        "SELECT 1;\n\\copy t (i, w) FROM '{}' (FORMAT csv, DELIMITER ';')\n\
         SELECT 'loaded' AS c, CASE string_agg(w, '|' ORDER BY i) WHEN 'a|b;c' THEN 'PASS' END \
         AS status FROM t;",
        data.display()
    );
    let mut stage = stage("CREATE TABLE t (i int, w text)", &text).await;
    std::fs::write(&data, "3;other\n").unwrap();
    let (_, statements) = stage.apply().await;
    assert_eq!(&*statements[1].tag, "COPY 2");
    assert_eq!(format!("{:?}", statements[2].checks[0].verdict), "Pass");
}
