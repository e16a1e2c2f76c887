//! COMMIT and ROLLBACK, and every way in which a transaction can end that somebody would take for
//! one of them.

use stagegate::database::session::Order;
use stagegate::facts::XactStatus;
use stagegate::gate::event::{Body, CommitAnswer};

use crate::stage::Stage;

pub async fn exists(stage: &Stage, relation: &str) -> bool {
    let sql = format!("SELECT to_regclass('{relation}') IS NOT NULL");
    let row = stage.psql().await.query_one(&sql, &[]).await.unwrap();
    row.get(0)
}

fn sqlstate(answer: &CommitAnswer) -> &str {
    match answer {
        CommitAnswer::Refused { error, .. } => error.sqlstate.as_deref().unwrap_or("none"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_commit_is_proven_by_tag_status_and_the_servers_own_record() {
    let mut stage = Stage::new(&["BEGIN", "CREATE TABLE t (i int)", "COMMIT"]).await;
    let (xid, statements) = stage.apply().await;
    assert_eq!(statements.len(), 1);
    assert!(!exists(&stage, "t").await);
    let settled = stage.ask(Order::Settle).await;
    assert_eq!(
        settled,
        Body::Settled {
            same_transaction: true
        }
    );
    let answer = stage.commit(&xid).await;
    let proven = CommitAnswer::Tag {
        tag: "COMMIT".into(),
        idle: true,
        xact_status: Some(XactStatus::Committed),
    };
    assert_eq!(answer, proven);
    assert!(exists(&stage, "t").await);
}

#[tokio::test]
async fn a_rollback_is_proven_and_leaves_nothing() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)"]).await;
    stage.apply().await;
    let rolled_back = Body::RollbackAnswered {
        tag: "ROLLBACK".into(),
        ended_ours: true,
        xact_status: Some(XactStatus::Aborted),
    };
    assert_eq!(stage.ask(Order::RollBack).await, rolled_back);
    assert!(!exists(&stage, "t").await);
    // And again: the session can be used for the next try.
    stage.apply().await;
    assert_eq!(stage.ask(Order::RollBack).await, rolled_back);
}

#[tokio::test]
async fn an_aborted_transaction_does_not_commit_and_does_not_say_so() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)", "SELECT 1/0"]).await;
    let (xid, _) = stage.begin().await;
    let failed = stage.ask(Order::RunScript).await;
    assert!(matches!(failed, Body::StatementFailed { number: 2, .. }));
    let answer = stage.commit(&xid).await;
    assert_eq!(sqlstate(&answer), "25P02");
    assert!(
        matches!(
            answer,
            CommitAnswer::Refused {
                xact_status: Some(XactStatus::Aborted),
                ..
            }
        ),
        "{answer:?}"
    );
    assert!(!exists(&stage, "t").await);
}

#[tokio::test]
async fn rollback_of_an_aborted_transaction_is_proven_too() {
    let mut stage = Stage::new(&["SELECT 1/0"]).await;
    stage.fail().await;
    let rolled_back = Body::RollbackAnswered {
        tag: "ROLLBACK".into(),
        ended_ours: true,
        xact_status: Some(XactStatus::Aborted),
    };
    assert_eq!(stage.ask(Order::RollBack).await, rolled_back);
}

#[tokio::test]
async fn a_deferred_constraint_is_caught_before_the_decision() {
    let deferred = "CREATE TABLE t (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)";
    let mut stage = Stage::set(deferred, &["INSERT INTO t VALUES (1), (1)"]).await;
    let (xid, _) = stage.apply().await;
    match stage.ask(Order::Settle).await {
        Body::SettleFailed { deferred, error } => {
            assert_eq!((deferred, error.sqlstate.as_deref()), (true, Some("23505")));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(sqlstate(&stage.commit(&xid).await), "25P02");
}

#[tokio::test]
async fn what_a_deferred_trigger_defers_itself_is_caught_before_the_decision() {
    let chain = "CREATE TABLE t (i int); CREATE TABLE log (i int);
        CREATE FUNCTION early() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN SET CONSTRAINTS ALL DEFERRED; INSERT INTO log VALUES (1); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER early AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION early();
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RAISE EXCEPTION ''late''; END';
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION late()";
    let mut stage = Stage::set(chain, &["INSERT INTO t VALUES (1)"]).await;
    stage.apply().await;
    match stage.ask(Order::Settle).await {
        Body::SettleFailed { deferred, error } => {
            assert_eq!((deferred, error.message.as_str()), (true, "late"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_deferred_constraint_that_fails_at_commit_is_no_commit() {
    let deferred = "CREATE TABLE t (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)";
    let mut stage = Stage::set(deferred, &["INSERT INTO t VALUES (1), (1)"]).await;
    let (xid, _) = stage.apply().await;
    let answer = stage.commit(&xid).await;
    assert_eq!(sqlstate(&answer), "23505");
    assert!(
        matches!(
            answer,
            CommitAnswer::Refused {
                xact_status: Some(XactStatus::Aborted),
                ..
            }
        ),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_division_by_zero_at_commit_is_not_mistaken_for_the_guard() {
    let trap = "CREATE TABLE t (i int);
        CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1/0; RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION trap()";
    let mut stage = Stage::set(trap, &["INSERT INTO t VALUES (1)"]).await;
    let (xid, _) = stage.apply().await;
    assert_eq!(sqlstate(&stage.commit(&xid).await), "22012");
}

/// The reader refuses such scripts; here they are run all the same. What was committed behind our
/// back must not be called rolled back, and another transaction must never be committed.
#[tokio::test]
async fn a_script_that_ends_the_transaction_by_itself_is_seen_through() {
    let cases: [(&[&str], XactStatus); 4] = [
        (
            &["CREATE TABLE t (i int)", "COMMIT "],
            XactStatus::Committed,
        ),
        (
            &["CREATE TABLE t (i int)", "ROLLBACK "],
            XactStatus::Aborted,
        ),
        (
            &["CREATE TABLE t (i int)", "COMMIT AND CHAIN"],
            XactStatus::Committed,
        ),
        (
            &["CREATE TABLE t (i int)", "ROLLBACK AND CHAIN"],
            XactStatus::Aborted,
        ),
    ];
    for (statements, went) in cases {
        let mut stage = Stage::new(statements).await;
        let (xid, _) = stage.begin().await;
        let ran = stage.ask(Order::RunScript).await;
        let chained = statements.iter().any(|s| s.ends_with("CHAIN"));
        if chained {
            assert_eq!(ran, Body::ScriptFinished);
            let settled = stage.ask(Order::Settle).await;
            assert_eq!(
                settled,
                Body::Settled {
                    same_transaction: false
                },
                "{statements:?}"
            );
        } else {
            assert!(
                matches!(ran, Body::StatementFailed { number: 2, .. }),
                "{ran:?}"
            );
            assert_eq!(stage.next().await.body, Body::TransactionGone);
        }
        let answer = stage.commit(&xid).await;
        let expected = CommitAnswer::OtherTransaction {
            xact_status: Some(went),
        };
        assert_eq!(answer, expected, "{statements:?}");
        assert_eq!(exists(&stage, "t").await, went == XactStatus::Committed);
    }
}

/// ROLLBACK alone cannot tell whose transaction it ended; with what the script was answered, it can.
#[tokio::test]
async fn a_rollback_says_whether_it_ended_the_transaction_that_was_begun() {
    let cases: [(&[&str], bool); 4] = [
        (&["SELECT 1"], true),
        (&["SELECT 1/0"], true),
        // There is none any more, and the server warns.
        (&["SELECT 1", "COMMIT "], false),
        // There is one, and it is another.
        (&["SELECT 1", "COMMIT AND CHAIN"], false),
    ];
    for (statements, expected) in cases {
        let mut stage = Stage::new(statements).await;
        stage.begin().await;
        stage.ask(Order::RunScript).await;
        if statements.contains(&"COMMIT ") {
            assert_eq!(stage.next().await.body, Body::TransactionGone);
        }
        let Body::RollbackAnswered {
            tag, ended_ours, ..
        } = stage.ask(Order::RollBack).await
        else {
            panic!("{statements:?}");
        };
        let told = (tag.as_str(), ended_ours);
        assert_eq!(told, ("ROLLBACK", expected), "{statements:?}");
    }
}

#[tokio::test]
async fn another_transaction_that_was_begun_since_is_not_committed() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)"]).await;
    let (old, _) = stage.apply().await;
    stage.ask(Order::RollBack).await;
    stage.apply().await;
    let answer = stage.commit(&old).await;
    let expected = CommitAnswer::OtherTransaction {
        xact_status: Some(XactStatus::Aborted),
    };
    assert_eq!(answer, expected);
    assert!(!exists(&stage, "t").await);
}

#[tokio::test]
async fn a_do_block_or_a_procedure_cannot_end_the_transaction() {
    let procedure = "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'";
    for statement in ["DO 'BEGIN COMMIT; END'", "CALL p()"] {
        let mut stage = Stage::set(procedure, &["CREATE TABLE t (i int)", statement]).await;
        let (number, error) = stage.fail().await;
        assert_eq!((number, error.sqlstate.as_deref()), (2, Some("2D000")));
        assert!(!exists(&stage, "t").await);
    }
}

#[tokio::test]
async fn a_hostile_search_path_does_not_bend_the_guard() {
    let trick = "CREATE SCHEMA trick;
        CREATE FUNCTION trick.eq(xid8, xid8) RETURNS bool LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR trick.= (LEFTARG = xid8, RIGHTARG = xid8, FUNCTION = trick.eq);
        CREATE FUNCTION trick.pg_current_xact_id_if_assigned() RETURNS xid8 LANGUAGE sql
        AS 'SELECT ''1''::xid8'";
    let statements = ["SET search_path = trick, pg_catalog", "ROLLBACK AND CHAIN"];
    let mut stage = Stage::set(trick, &statements).await;
    let (xid, _) = stage.begin().await;
    stage.ask(Order::RunScript).await;
    let answer = stage.commit(&xid).await;
    let expected = CommitAnswer::OtherTransaction {
        xact_status: Some(XactStatus::Aborted),
    };
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn what_the_program_adds_ends_with_the_transaction() {
    let mut stage = Stage::new(&["SHOW lock_timeout"]).await;
    let (_, added) = stage.begin().await;
    assert!(added[0].starts_with("PREPARE stagegate_look "), "{added:?}");
    assert_eq!(added[1], "BEGIN");
    for setting in [
        "lock_timeout = '3000ms'",
        "session_timeout = '15000ms'",
        "check_interval",
    ] {
        assert!(added.iter().any(|s| s.contains(setting)), "{added:?}");
    }
    stage.order(Order::RunScript);
    let bodies = stage.all().await;
    let shown = |bodies: &[Body]| {
        bodies.iter().find_map(|b| match b {
            Body::StatementFinished(s) => s.result.clone().unwrap().rows[0][0].clone(),
            _ => None,
        })
    };
    assert_eq!(shown(&bodies).as_deref(), Some("3s"));
    stage.ask(Order::RollBack).await;
    stage.order(Order::RunScript);
    // Outside a transaction now: the first statement is taken for one that ended it.
    let bodies = stage.all().await;
    assert!(matches!(bodies.last(), Some(Body::StatementFailed { .. })));
}

#[tokio::test]
async fn the_scripts_own_begin_keeps_its_words() {
    let mut stage = Stage::new(&["SHOW transaction_isolation"]).await;
    drop(stage.psql().await);
    let mut book = crate::stage::runbook(&["BEGIN", "SHOW transaction_isolation"]);
    book.script.statements[0].text = "BEGIN ISOLATION LEVEL SERIALIZABLE".into();
    let settings = crate::stage::over_socket(crate::stage::server(), &stage.database);
    stage = Stage::with(settings, book, Default::default());
    stage.connect().await;
    let (_, statements) = stage.apply().await;
    let row = &statements[0].result.as_ref().unwrap().rows[0];
    assert_eq!(row[0].as_deref(), Some("serializable"));
}
