//! Limits of a script: a short one for its statements counts for one command of the program's own and no
//! other, none is lifted whatever right is gone, and a stricter one stands.
//!
//! What is to be slow is made slow at the wire: the server hears a sleep in the place of a command.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::XactStatus;
use stagegate::gate::event::{Body, CommitAnswer};
use stagegate::runbook::Runbook;
use stagegate::runbook::script::Script;

use crate::outcome::exists;
use crate::proxy::Proxy;
use crate::stage::{Stage, database, psql, runbook, server, settings};

/// Longer than [`SHORT`].
const SLOW: &str = "SELECT pg_sleep(.6)";

const SHORT: &str = "250ms";

const HIDING: &str = "CREATE FUNCTION hidden() RETURNS int LANGUAGE plpgsql AS \
    'BEGIN PERFORM set_config(''statement_timeout'', ''250ms'', false); RETURN 1; END'";

async fn through_a_proxy(user: &str, before: &str, book: Runbook) -> (Stage, Proxy) {
    let proxy = Proxy::to(server().tcp_address().unwrap()).await;
    let database = database(server()).await;
    psql(server(), &database)
        .await
        .batch_execute(before)
        .await
        .unwrap();
    let to = settings(&format!(
        "host=127.0.0.1 port={} user={user} dbname={database} sslmode=disable",
        proxy.address.port()
    ));
    let mut stage = Stage::with(to, book, HoldOptions::default());
    stage.connect().await;
    (stage, proxy)
}

/// Each way to shorten the limit.
fn shortens() -> [String; 5] {
    [
        format!("SET statement_timeout = '{SHORT}'"),
        format!("SET LOCAL statement_timeout TO '{SHORT}'"),
        format!("SELECT set_config('statement_timeout', '{SHORT}', false)"),
        format!("DO $$ BEGIN EXECUTE 'SET statement_timeout = ''{SHORT}'''; END $$"),
        "SELECT public.hidden()".to_owned(),
    ]
}

async fn outlives_slow_commands(shortens: String) {
    // Two more, so that the limit is known and was set again by the program.
    let statements = [
        shortens.as_str(),
        "CREATE TABLE public.t (i int)",
        "SELECT 1",
    ];
    let (mut stage, proxy) = through_a_proxy("postgres", HIDING, runbook(&statements)).await;
    let slow = [
        "SET LOCAL lock_timeout = '3000ms'",
        "SET LOCAL idle_in_transaction_session_timeout = '15000ms'",
        "SET LOCAL client_connection_check_interval = '1000ms'",
        "RELEASE SAVEPOINT stagegate_look",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "SHOW synchronous_commit",
    ];
    let (xid, _) = stage.begin().await;
    proxy.mishear(&slow, SLOW);
    stage.order(Order::RunScript);
    let said = stage.all().await;
    let last = said.last();
    assert_eq!(last, Some(&Body::ScriptFinished), "{shortens}: {said:?}");
    let settled = stage.ask(Order::Settle).await;
    let same_transaction = true;
    assert_eq!(settled, Body::Settled { same_transaction }, "{shortens}");
    proxy.mishear(&[], SLOW);
    let answer = stage.commit(&xid).await;
    let committed = format!("{answer:?}").contains("COMMIT");
    assert!(committed, "{shortens}: {answer:?}");
    assert!(exists(&stage, "t").await, "{shortens}");
}

#[tokio::test]
async fn a_short_limit_of_the_script_does_not_end_what_the_program_sends_behind_its_first_command()
{
    let walks = shortens().map(|shortens| tokio::spawn(outlives_slow_commands(shortens)));
    for walk in walks {
        walk.await.unwrap();
    }
}

/// A script whose limit outlives COMMIT, up to there; the transaction's number.
async fn up_to_commit(shortens: &str) -> (Stage, Proxy, String) {
    let book = runbook(&["CREATE TABLE public.t (i int)", shortens]);
    let (mut stage, proxy) = through_a_proxy("postgres", HIDING, book).await;
    let (xid, _) = stage.apply().await;
    let same_transaction = true;
    let settled = stage.ask(Order::Settle).await;
    assert_eq!(settled, Body::Settled { same_transaction }, "{shortens}");
    (stage, proxy, xid)
}

/// What the answer is with the whole of the proof.
fn proven() -> CommitAnswer {
    CommitAnswer::Tag {
        tag: "COMMIT".into(),
        idle: true,
        xact_status: Some(XactStatus::Committed),
    }
}

async fn asks_a_slow_server(shortens: String) {
    let (mut stage, proxy, xid) = up_to_commit(&shortens).await;
    let asked = format!("SELECT pg_catalog.pg_xact_status('{xid}'::pg_catalog.xid8)");
    let slow = format!("SELECT pg_xact_status('{xid}') FROM pg_sleep(.6)");
    proxy.mishear(&[asked.leak()], slow.leak());
    // Nobody to ask but that session.
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    proxy.redirect(nobody.local_addr().unwrap());
    assert_eq!(stage.commit(&xid).await, proven(), "{shortens}");
}

#[tokio::test]
async fn a_short_limit_that_outlives_commit_does_not_cut_the_question_which_way_it_went() {
    let walks = shortens().map(|shortens| tokio::spawn(asks_a_slow_server(shortens)));
    for walk in walks {
        walk.await.unwrap();
    }
}

#[tokio::test]
async fn where_lifting_the_limit_is_itself_cut_short_the_question_is_asked_on_another_connection() {
    let (mut stage, proxy, xid) = up_to_commit(&shortens()[0]).await;
    proxy.mishear(&["SET LOCAL statement_timeout = 0"], SLOW);
    assert_eq!(stage.commit(&xid).await, proven());
}

#[tokio::test]
async fn where_the_first_one_is_cut_short_it_is_told_as_the_programs_and_rolled_back() {
    for shortens in shortens() {
        let book = runbook(&["CREATE TABLE public.t (i int)", &shortens, "SELECT 1"]);
        let (mut stage, proxy) = through_a_proxy("postgres", HIDING, book).await;
        stage.begin().await;
        proxy.mishear(&["SET LOCAL statement_timeout = '600000ms'"], SLOW);
        let Body::StatementFailed { number, error, .. } = stage.ask(Order::RunScript).await else {
            panic!("{shortens}");
        };
        assert_eq!((number, error.sqlstate.as_deref()), (2, Some("57014")));
        assert!(error.message.starts_with("the program's own"), "{error:?}");
        let hint = error.hint.unwrap_or_default();
        assert!(hint.contains("the script set"), "{hint}");
        let Body::RollbackAnswered { tag, .. } = stage.ask(Order::RollBack).await else {
            panic!("{shortens}");
        };
        assert_eq!(tag, "ROLLBACK");
        assert!(!exists(&stage, "t").await);
    }
}

#[tokio::test]
async fn a_short_limit_of_the_role_ends_nothing_but_begin_and_is_told_as_that() {
    let before = "CREATE ROLE short LOGIN; GRANT CREATE ON SCHEMA public TO short;
        ALTER ROLE short SET statement_timeout = '250ms'";
    let book = runbook(&["SHOW statement_timeout", "CREATE TABLE public.t (i int)"]);
    let (mut stage, proxy) = through_a_proxy("short", before, book).await;
    proxy.mishear(&["SHOW statement_timeout"], SLOW);
    let Body::BeginFailed(why) = stage.ask(Order::Begin).await else {
        panic!("it was not cut short");
    };
    assert_eq!(why.sqlstate.as_deref(), Some("57014"));
    let hint = why.hint.unwrap_or_default();
    assert!(hint.contains("the role or the database"), "{hint}");
    // Nothing is open, and it can be tried again.
    let slow = [
        "SET LOCAL lock_timeout = '3000ms'",
        "RELEASE SAVEPOINT stagegate_look",
    ];
    proxy.mishear(&slow, SLOW);
    let (xid, statements) = stage.apply().await;
    let shown = &statements[0].result.as_ref().unwrap().rows[0];
    assert_eq!(shown[0].as_deref(), Some(SHORT), "the stricter one stands");
    proxy.mishear(&[], SLOW);
    stage.ask(Order::Settle).await;
    let answer = stage.commit(&xid).await;
    assert!(format!("{answer:?}").contains("COMMIT"), "{answer:?}");
}

#[tokio::test]
async fn whatever_right_is_gone_no_statement_runs_without_a_limit() {
    let show = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), \
        current_setting('idle_in_transaction_session_timeout'), \
        current_setting('client_connection_check_interval')";
    let lift = "DO $$ DECLARE name text; BEGIN FOREACH name IN ARRAY ARRAY['lock_timeout', \
        'statement_timeout', 'idle_in_transaction_session_timeout', \
        'client_connection_check_interval'] LOOP EXECUTE 'SET ' || name || ' = 0'; END LOOP; END $$";
    for lift in [
        lift,
        "RESET ALL",
        "SET statement_timeout = 0",
        "SELECT public.lift()",
    ] {
        let mut statements = vec![
            "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, bool) FROM PUBLIC",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.interval_eq(interval, interval) FROM PUBLIC",
            "SET ROLE pg_monitor",
            lift,
        ];
        statements.extend([show; 80]);
        let before = "CREATE FUNCTION lift() RETURNS int LANGUAGE plpgsql AS \
            'BEGIN SET lock_timeout = 0; SET statement_timeout = 0; RETURN 1; END'";
        let mut stage = Stage::set(before, &statements).await;
        let (_, reports) = stage.apply().await;
        for report in &reports[4..] {
            let row = &report.result.as_ref().unwrap().rows[0];
            let row: Vec<&str> = row.iter().map(|c| c.as_deref().unwrap()).collect();
            let number = report.number;
            assert_eq!(row, ["3s", "10min", "15s", "1s"], "{lift}, {number}");
        }
    }
}

/// What the last statement shows.
async fn shown_last(before: &str, book: Runbook) -> String {
    let (mut stage, _proxy) = through_a_proxy("postgres", before, book).await;
    let (_, reports) = stage.apply().await;
    let set = reports.last().unwrap().result.clone().unwrap();
    set.rows[0][0].clone().unwrap()
}

#[tokio::test]
async fn a_stricter_limit_stands_from_the_next_statement_on_whichever_way_its_text_sets_it() {
    for shortens in &shortens()[..4] {
        let book = runbook(&[shortens, "SHOW statement_timeout"]);
        assert_eq!(shown_last("", book).await, SHORT, "{shortens}");
    }
    // Going back to a savepoint brings the limit back that stood there, and no wider one.
    let text = "SET lock_timeout = '1s'; SAVEPOINT a; SET lock_timeout = '250ms'; \
        SET lock_timeout = 0; ROLLBACK TO a; SHOW lock_timeout;";
    let mut book = runbook(&[]);
    book.script = Script::read("t.sql", None, text.as_bytes());
    assert_eq!(shown_last("", book).await, "1s");
}

#[tokio::test]
async fn a_stricter_limit_that_code_sets_stands_as_soon_as_it_is_heard_of() {
    let mut statements = vec!["SELECT public.hidden()"];
    statements.extend(["SELECT 1"; 100]);
    statements.push("SHOW statement_timeout");
    assert_eq!(shown_last(HIDING, runbook(&statements)).await, SHORT);
}
