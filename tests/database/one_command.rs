//! Whatever a text means to the server, one request is one command: scripts that were split wrongly
//! neither commit nor leave the transaction. The statements here are given to the session as they
//! stand, without the reader of scripts, which may refuse some of them by itself.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::{ServerMessage, XactStatus};
use stagegate::gate::event::Body;

use crate::stage::{Stage, database, over_socket, psql, runbook, server};

const TABLE: &str = "CREATE TABLE t (i int)";

/// Runs statements that must fail, and proves that the transaction is rolled back and that nothing
/// of it, or after it, is there. What the failed statement was told with is returned.
async fn nothing_came_of(before: &str, statements: &[&str]) -> (usize, ServerMessage) {
    let mut stage = Stage::set(&format!("{TABLE}; {before}"), statements).await;
    let (number, error) = stage.fail().await;
    match stage.ask(Order::RollBack).await {
        Body::RollbackAnswered {
            tag, xact_status, ..
        } => {
            assert_eq!(tag, "ROLLBACK", "{statements:?}");
            assert_eq!(xact_status, Some(XactStatus::Aborted), "{statements:?}");
        }
        other => panic!("{statements:?}: {other:?}"),
    }
    let left = stage.psql().await;
    let rows = left.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), 0, "{statements:?}");
    (number, error)
}

#[tokio::test]
async fn a_text_of_several_commands_never_runs() {
    for hidden in [
        // A body that is none.
        "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMIT; SELECT 1 AS end",
        "SELECT 1; COMMIT",
        "COMMIT; SELECT 1",
        "SELECT 1;COMMIT;BEGIN",
        "SELECT 1; ROLLBACK; INSERT INTO t VALUES (2)",
    ] {
        let statements = [
            "INSERT INTO t VALUES (1)",
            hidden,
            "INSERT INTO t VALUES (3)",
        ];
        let (number, error) = nothing_came_of("", &statements).await;
        assert_eq!(number, 2, "{hidden}");
        assert_eq!(error.sqlstate.as_deref(), Some("42601"), "{error:?}");
        let hint = error.hint.unwrap_or_default();
        assert!(hint.contains("more than one command"), "{hint}");
        assert!(hint.contains("only ROLLBACK is left"), "{hint}");
    }
}

#[tokio::test]
async fn copy_data_opens_no_way_around_it() {
    for copy in [
        "COPY t FROM STDIN; COMMIT\x0c5\n",
        "COMMIT; COPY t FROM STDIN\x0c5\n",
    ] {
        let statements = ["INSERT INTO t VALUES (1)", copy];
        let (number, error) = nothing_came_of("", &statements).await;
        assert_eq!((number, error.sqlstate.as_deref()), (2, Some("42601")));
    }
}

/// What is one statement with conforming strings, and three without.
const BACKSLASH: &str = r"SELECT '\' || '; COMMIT; SELECT 1; --'";

#[tokio::test]
async fn strings_that_stop_conforming_stop_the_script_before_the_next_statement() {
    for switch in [
        "SET standard_conforming_strings = off",
        "SELECT set_config('standard_conforming_strings', 'off', true)",
        "DO 'BEGIN PERFORM set_config(''standard_conforming_strings'', ''off'', true); END'",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN \
         PERFORM set_config(''standard_conforming_strings'', ''off'', false); RETURN 1; END'",
    ] {
        let statements = [
            "INSERT INTO t VALUES (1)",
            switch,
            if switch.starts_with("CREATE") {
                "SELECT f()"
            } else {
                "SELECT 1"
            },
            BACKSLASH,
            "INSERT INTO t VALUES (2)",
        ];
        let (number, error) = nothing_came_of("", &statements).await;
        let expected = if switch.starts_with("CREATE") { 3 } else { 2 };
        assert_eq!(number, expected, "{switch}");
        assert_eq!(error.sqlstate, None, "{error:?}");
        let words = "after this statement standard_conforming_strings is off here";
        assert!(error.message.starts_with(words), "{}", error.message);
    }
}

#[tokio::test]
async fn an_encoding_that_hides_a_backslash_or_makes_other_letters_stops_the_script() {
    for encoding in [
        "SJIS",
        "BIG5",
        "GBK",
        "GB18030",
        "UHC",
        "JOHAB",
        "LATIN1",
        "SQL_ASCII",
    ] {
        for switch in [
            format!("SET client_encoding = '{encoding}'"),
            format!("SELECT set_config('client_encoding', '{encoding}', false)"),
            format!(
                "DO $$ BEGIN PERFORM set_config('client_encoding', '{encoding}', true); END $$"
            ),
        ] {
            let statements = ["INSERT INTO t VALUES (1)", switch.as_str(), "SELECT 1"];
            let (number, error) = nothing_came_of("", &statements).await;
            assert_eq!(number, 2, "{switch}");
            let words = format!("client_encoding is {encoding} here");
            assert!(error.message.contains(&words), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn what_is_set_as_it_is_does_not() {
    let mut stage = Stage::set(
        TABLE,
        &[
            "SET client_encoding = 'UTF8'",
            "SET standard_conforming_strings = on",
            "INSERT INTO t VALUES (1)",
        ],
    )
    .await;
    assert_eq!(stage.apply().await.1.len(), 3);
}

#[tokio::test]
async fn a_database_with_other_strings_is_refused_before_anything_is_asked() {
    let off = "DO $$ BEGIN EXECUTE format(\
        'ALTER DATABASE %I SET standard_conforming_strings = off', current_database()); END $$";
    let database = database(server()).await;
    let client = psql(server(), &database).await;
    client.batch_execute(off).await.unwrap();
    let mut settings = over_socket(server(), &database);
    let book = runbook(&[BACKSLASH]);
    let mut stage = Stage::with(settings.clone(), book.clone(), HoldOptions::default());
    match stage.ask(Order::Connect).await {
        Body::ConnectFailed(why) => {
            let said = why.message;
            assert!(
                said.starts_with("standard_conforming_strings is off"),
                "{said}"
            );
        }
        other => panic!("{other:?}"),
    }
    // As it says, this is the way out.
    settings.options = Some("-c standard_conforming_strings=on".into());
    let mut stage = Stage::with(settings, book, HoldOptions::default());
    stage.connect().await;
    assert_eq!(stage.apply().await.1.len(), 1);
}

#[tokio::test]
async fn a_parameter_is_told_in_words() {
    for text in ["SELECT $1", "INSERT INTO t VALUES ($1)"] {
        let (number, error) = nothing_came_of("", &[text]).await;
        assert_eq!(number, 1);
        let hint = error.hint.clone().unwrap_or_default();
        assert!(hint.contains("a parameter ($1)"), "{error:?}");
    }
}

#[tokio::test]
async fn a_text_without_a_command_is_one_of_none() {
    let mut stage = Stage::new(&["-- nothing", "SELECT 2", "\x0c"]).await;
    stage.begin().await;
    stage.order(Order::RunScript);
    let bodies = stage.all().await;
    assert_eq!(bodies.last(), Some(&Body::ScriptFinished), "{bodies:?}");
}

#[tokio::test]
async fn copy_to_stdout_is_shown_as_rows_and_capped_like_any_result() {
    let mut stage = Stage::new(&[
        "COPY (SELECT g, 'PASS' FROM generate_series(1, 10000) g) TO STDOUT",
        "COPY (SELECT 'PASS' FROM generate_series(1, 3)) TO STDOUT",
        "COPY (SELECT 1) TO STDOUT (FORMAT binary)",
        "SELECT 2",
    ])
    .await;
    let (_, statements) = stage.apply().await;
    let result = statements[0].result.as_ref().unwrap();
    assert_eq!(*result.columns, ["COPY"]);
    assert_eq!((result.total, result.rows.len()), (10_000, 1_000));
    assert_eq!(result.rows[0][0].as_deref(), Some("1\tPASS"));
    assert_eq!(&*statements[0].tag, "COPY 10000");
    // It is data: no row of it is a check.
    assert!(statements.iter().all(|s| s.checks.is_empty()));
    let row = &statements[3].result.as_ref().unwrap().rows[0];
    assert_eq!(row[0].as_deref(), Some("2"));
}
