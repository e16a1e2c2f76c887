//! A query inside the held transaction: what it sees, what the server refuses, and that the
//! transaction is as it was afterwards, whatever was asked.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::query::{LIMIT, ROWS};
use stagegate::facts::{After, Looked, ServerMessage, XactStatus};
use stagegate::gate::event::{Body, CommitAnswer};
use stagegate::runbook::question::Question;

use crate::proxy::Proxy;
use crate::stage::{Stage, database, psql, runbook, server, settings, within};

const BEFORE: &str = "CREATE TABLE t (i int); CREATE SEQUENCE q;
    CREATE FUNCTION w() RETURNS int LANGUAGE plpgsql VOLATILE AS
    'BEGIN INSERT INTO t VALUES (99); RETURN 1; END'";

const SCRIPT: [&str; 2] = [
    "ALTER TABLE t ADD COLUMN utn text",
    "INSERT INTO t VALUES (1, NULL)",
];

fn question(text: &str) -> Order {
    Order::Query(Question::read(text).unwrap(), LIMIT)
}

fn looked(body: Body) -> Looked {
    match body {
        Body::Looked(looked) => *looked,
        other => panic!("{other:?}"),
    }
}

/// Asks, and holds that the transaction is as it was.
async fn ask(stage: &mut Stage, text: &str) -> Result<Vec<Vec<Option<String>>>, ServerMessage> {
    let looked = looked(stage.ask(question(text)).await);
    assert_eq!(looked.after, After::Unchanged, "{text}");
    looked.answer.map(|rows| rows.set.rows)
}

async fn one(stage: &mut Stage, text: &str) -> String {
    let rows = ask(stage, text).await.unwrap();
    rows[0][0].clone().unwrap()
}

async fn refused(stage: &mut Stage, text: &str) -> String {
    let error = ask(stage, text).await.unwrap_err();
    error.sqlstate.unwrap_or(error.message)
}

async fn committed(stage: &mut Stage, xid: &str) {
    let settled = stage.ask(Order::Settle).await;
    assert_eq!(
        settled,
        Body::Settled {
            same_transaction: true
        }
    );
    let CommitAnswer::Tag {
        tag,
        idle: true,
        xact_status: Some(XactStatus::Committed),
    } = stage.commit(xid).await
    else {
        panic!("not committed")
    };
    assert_eq!(tag, "COMMIT");
}

/// Waits until the session is seen to work on something with `text` in it.
async fn works_on(stage: &Stage, text: &str) {
    let client = psql(server(), "postgres").await;
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event = '{text}'",
        stage.database
    );
    within("the query runs", async {
        while client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn rows_of_t(stage: &Stage) -> i64 {
    let client = stage.psql().await;
    let row = client.query_one("SELECT count(*) FROM t", &[]).await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn a_query_sees_what_is_not_committed_and_then_all_of_it_is() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    let (xid, _) = stage.apply().await;
    let Looked { answer, after, .. } =
        looked(stage.ask(question("SELECT * FROM t -- all of it")).await);
    let rows = answer.unwrap();
    assert_eq!(after, After::Unchanged);
    assert_eq!(*rows.set.columns, ["i", "utn"]);
    assert_eq!(rows.set.rows, [[Some("1".to_owned()), None]]);
    assert!(!rows.more);
    // No rows have columns all the same.
    let none = looked(stage.ask(question("SELECT utn FROM t WHERE false;")).await);
    assert_eq!(*none.answer.unwrap().set.columns, ["utn"]);
    assert_eq!(one(&mut stage, "TABLE t").await, "1");
    assert_eq!(one(&mut stage, "VALUES (1), (2)").await, "1");
    assert_eq!(one(&mut stage, "(SELECT 3)").await, "3");
    // The script's transaction writes again after each of them.
    committed(&mut stage, &xid).await;
    assert_eq!(rows_of_t(&stage).await, 1);
}

#[tokio::test]
async fn a_table_is_described_as_the_transaction_sees_it() {
    let before = "CREATE TABLE t (i int PRIMARY KEY DEFAULT 7);
        CREATE FUNCTION public.lies(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR public.!~ (LEFTARG = name, RIGHTARG = name, FUNCTION = public.lies);
        CREATE FUNCTION public.trap(oid, oid) RETURNS bool LANGUAGE plpgsql AS
            'BEGIN RAISE ''sprung''; END';
        CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = public.trap);
        CREATE FUNCTION public.trap(\"char\", \"char\") RETURNS bool LANGUAGE plpgsql AS
            'BEGIN RAISE ''sprung''; END';
        CREATE OPERATOR public.= (LEFTARG = \"char\", RIGHTARG = \"char\", FUNCTION = public.trap);
        CREATE FUNCTION public.trap(text, text) RETURNS text LANGUAGE plpgsql AS
            'BEGIN RAISE ''sprung''; END';
        CREATE OPERATOR public.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = public.trap)";
    let script = [
        "ALTER TABLE t ADD COLUMN utn text",
        "CREATE INDEX t_utn ON t (utn)",
        "SET LOCAL search_path = public, pg_catalog",
    ];
    let mut stage = Stage::set(before, &script).await;
    let (xid, _) = stage.apply().await;
    let told = ask(&mut stage, "\\d t").await.unwrap();
    let told: Vec<String> = (told.into_iter())
        .map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        told,
        [
            "column i integer not null default 7",
            "column utn text",
            "index t_pkey CREATE UNIQUE INDEX t_pkey ON public.t USING btree (i)",
            "index t_utn CREATE INDEX t_utn ON public.t USING btree (utn)",
            "constraint t_pkey PRIMARY KEY (i)",
        ]
    );
    let tables = ask(&mut stage, "\\dt").await.unwrap();
    assert!(tables.iter().any(|row| row[1].as_deref() == Some("t")));
    assert!(ask(&mut stage, "\\d nowhere").await.unwrap().is_empty());
    committed(&mut stage, &xid).await;
}

#[tokio::test]
async fn show_and_explain_answer_and_execute_nothing() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    let (xid, _) = stage.apply().await;
    assert_eq!(one(&mut stage, "SHOW transaction_read_only").await, "on");
    assert_eq!(one(&mut stage, "SHOW statement_timeout").await, "10s");
    let plan = one(&mut stage, "EXPLAIN DELETE FROM t").await;
    assert!(plan.contains("Delete on t"), "{plan}");
    let plan = one(&mut stage, "EXPLAIN (FORMAT json) SELECT * FROM t").await;
    assert!(plan.contains("\"Seq Scan\""), "{plan}");
    let all = ask(&mut stage, "SHOW ALL").await.unwrap();
    assert!(all.len() > 100 && all[0].len() == 3);
    committed(&mut stage, &xid).await;
    assert_eq!(rows_of_t(&stage).await, 1);
}

#[tokio::test]
async fn the_server_refuses_to_write_and_the_transaction_then_commits_what_it_held() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    let (xid, _) = stage.apply().await;
    for (text, sqlstate) in [
        ("SELECT w()", "25006"),
        ("SELECT nextval('q')", "25006"),
        ("SELECT * FROM t FOR UPDATE", "25006"),
        (
            "WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x",
            "0A000",
        ),
        ("WITH x AS (SELECT 1) INSERT INTO t VALUES (3)", "42601"),
        ("SELECT * INTO made FROM t", "42601"),
        (
            "SELECT set_config('transaction_read_only', 'off', true)",
            "25001",
        ),
        ("SELECT 1/0", "22012"),
        ("SELECT nothing", "42703"),
        ("SELECT $1::int", "08P01"),
    ] {
        assert_eq!(refused(&mut stage, text).await, sqlstate, "{text}");
    }
    // Servers before 16 let it through; the savepoint takes it back.
    let _ = ask(&mut stage, "SELECT lo_create(4711)").await;
    committed(&mut stage, &xid).await;
    assert_eq!(rows_of_t(&stage).await, 1);
    let client = stage.psql().await;
    let made = "SELECT to_regclass('made') IS NULL AND (SELECT NOT is_called FROM q)
        AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)";
    assert!(client.query_one(made, &[]).await.unwrap().get::<_, bool>(0));
}

/// The reader of questions refuses two statements before they are sent; this is the server's own
/// refusal, on a text that the reader takes for one string where plain strings have escapes.
#[tokio::test]
async fn the_position_of_an_error_is_one_in_what_was_typed() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    stage.apply().await;
    let error = ask(&mut stage, "SELECT ütn FROM t").await.unwrap_err();
    assert_eq!(error.position, Some(8));
    assert_eq!(error.sqlstate.as_deref(), Some("42703"));
    let error = ask(&mut stage, "SHOW nothing.at_all").await.unwrap_err();
    assert_eq!(error.sqlstate.as_deref(), Some("42704"));
}

#[tokio::test]
async fn rows_and_cells_are_capped() {
    let mut stage = Stage::new(&["SELECT 1"]).await;
    stage.apply().await;
    let text = "SELECT * FROM generate_series(1, 3000000)";
    let many = looked(stage.ask(question(text)).await).answer.unwrap();
    assert_eq!((many.set.rows.len(), many.more), (ROWS, true));
    let text = format!("SELECT * FROM generate_series(1, {ROWS})");
    let whole = looked(stage.ask(question(&text)).await).answer.unwrap();
    assert_eq!((whole.set.rows.len(), whole.more), (ROWS, false));
    let text = "SELECT repeat('é', 50000) FROM generate_series(1, 1000)";
    let wide = looked(stage.ask(question(text)).await).answer.unwrap();
    assert!(wide.more && wide.set.rows.len() < 200);
    let cell = wide.set.rows[0][0].as_ref().unwrap();
    assert!(cell.ends_with(" (cut here; 100000 bytes in all)"));
}

#[tokio::test]
async fn a_query_is_cancelled_and_the_transaction_goes_on() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    let (xid, _) = stage.apply().await;
    stage.order(question("SELECT pg_sleep(600)"));
    works_on(&stage, "PgSleep").await;
    stage.session.cancel();
    let looked = looked(stage.all().await.pop().unwrap());
    let error = looked.answer.unwrap_err();
    assert_eq!(error.sqlstate.as_deref(), Some("57014"));
    assert_eq!(looked.after, After::Unchanged);
    committed(&mut stage, &xid).await;
    assert_eq!(rows_of_t(&stage).await, 1);
}

/// Cancel requests all through a short query, from before its savepoint to after its end: the
/// transaction goes on, and none falls on what comes next.
#[tokio::test]
async fn cancel_requests_fall_on_nothing_but_the_query() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    let (xid, _) = stage.apply().await;
    for _ in 0..20 {
        stage.order(question("SELECT 1"));
        let cancelled = loop {
            tokio::select! {
                biased;
                report = stage.next() => if let Body::Looked(looked) = report.body {
                    break looked;
                },
                () = tokio::task::yield_now() => stage.session.cancel(),
            }
        };
        assert_eq!(cancelled.after, After::Unchanged);
        ask(&mut stage, "SELECT pg_sleep(0.02)").await.unwrap();
    }
    committed(&mut stage, &xid).await;
}

#[tokio::test]
async fn the_server_ends_a_query_that_takes_too_long() {
    let mut stage = Stage::new(&["SELECT 1"]).await;
    stage.apply().await;
    let order = Order::Query(Question::read("SELECT pg_sleep(600)").unwrap(), 50);
    let looked = looked(stage.ask(order).await);
    let error = looked.answer.unwrap_err();
    assert!(error.message.contains("statement timeout"), "{error:?}");
    assert_eq!(looked.after, After::Unchanged);
}

#[tokio::test]
async fn what_a_query_sets_goes_back_with_it() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    let (xid, _) = stage.apply().await;
    let text = "SELECT set_config('search_path', 'nowhere', false), \
        set_config('role', 'pg_monitor', false), set_config('lock_timeout', '0', false), \
        set_config('my.own', 'x', false), pg_notify('channel', 'text')";
    ask(&mut stage, text).await.unwrap();
    let text = "SELECT current_setting('search_path') || current_user || \
        coalesce(current_setting('my.own', true), '')";
    assert_eq!(one(&mut stage, text).await, "\"$user\", publicpostgres");
    committed(&mut stage, &xid).await;
}

#[tokio::test]
async fn advisory_locks_of_a_query_are_let_go() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    let (xid, _) = stage.apply().await;
    let text = "SELECT pg_advisory_lock(5), pg_advisory_lock(6), pg_advisory_lock_shared(1, 2), \
        pg_advisory_xact_lock(7) FROM generate_series(1, 3)";
    ask(&mut stage, text).await.unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let client = stage.psql().await;
    let count: i64 = client.query_one(held, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
    committed(&mut stage, &xid).await;
}

#[tokio::test]
async fn an_advisory_lock_of_the_script_that_a_query_lets_go_is_found_out() {
    let mut stage = Stage::new(&["SELECT pg_advisory_lock(5)"]).await;
    stage.apply().await;
    let looked = looked(stage.ask(question("SELECT pg_advisory_unlock(5)")).await);
    assert_eq!(
        looked.after,
        After::Disturbed("locks are no longer held (advisory ExclusiveLock)".into())
    );
}

#[tokio::test]
async fn an_advisory_lock_beside_one_of_the_script_is_found_out() {
    let mut stage = Stage::new(&["SELECT pg_advisory_lock(5)"]).await;
    stage.apply().await;
    let looked = looked(stage.ask(question("SELECT pg_advisory_lock(6)")).await);
    assert_eq!(
        looked.after,
        After::Disturbed("locks were left (advisory ExclusiveLock)".into())
    );
}

#[tokio::test]
async fn a_temporary_sequence_of_the_script_that_a_query_moves_is_found_out() {
    for text in [
        "SELECT nextval('kept')",
        "SELECT setval('kept', 55)",
        "SELECT setval('kept', 55, false)",
    ] {
        let script = ["CREATE TEMP SEQUENCE kept", "SELECT nextval('kept')"];
        let mut stage = Stage::new(&script).await;
        stage.apply().await;
        assert_eq!(one(&mut stage, "SELECT currval('kept')").await, "1");
        let looked = looked(stage.ask(question(text)).await);
        assert_eq!(
            looked.after,
            After::Disturbed("temporary sequences were moved (kept)".into()),
            "{text}"
        );
    }
}

#[tokio::test]
async fn in_a_failed_transaction_nothing_is_asked() {
    let mut stage = Stage::new(&["SELECT 1/0"]).await;
    stage.fail().await;
    let looked = looked(stage.ask(question("SELECT 1")).await);
    assert!(matches!(looked.after, After::Disturbed(_)));
    let Body::RollbackAnswered { tag, .. } = stage.ask(Order::RollBack).await else {
        panic!()
    };
    assert_eq!(tag, "ROLLBACK");
}

#[tokio::test]
async fn without_a_transaction_nothing_is_asked() {
    let mut stage = Stage::new(&["SELECT 1"]).await;
    let looked = looked(stage.ask(question("SELECT 1")).await);
    assert!(looked.answer.is_err() && matches!(looked.after, After::Disturbed(_)));
}

#[tokio::test]
async fn a_query_that_ends_its_own_session_ends_the_session() {
    let mut stage = Stage::set(BEFORE, &SCRIPT).await;
    stage.apply().await;
    let order = question("SELECT pg_terminate_backend(pg_backend_pid())");
    let Body::SessionEnded(why) = stage.ask(order).await else {
        panic!()
    };
    assert_eq!(why.sqlstate.as_deref(), Some("57P01"));
    assert_eq!(rows_of_t(&stage).await, 0);
}

#[tokio::test]
async fn a_cancel_key_that_is_held_down_is_no_flood_of_connections() {
    let (mut stage, proxy) = behind_a_proxy().await;
    stage.order(question("SELECT pg_sleep(600)"));
    works_on(&stage, "PgSleep").await;
    let before = proxy.connections();
    for _ in 0..1000 {
        stage.session.cancel();
    }
    // Its end waits for every request that is on its way.
    let cancelled = looked(stage.all().await.pop().unwrap());
    assert_eq!(cancelled.after, After::Unchanged);
    let error = cancelled.answer.unwrap_err();
    assert_eq!(error.sqlstate.as_deref(), Some("57014"));
    let cancels = proxy.connections() - before;
    assert!((1..=8).contains(&cancels), "{cancels} connections");
}

/// A session behind a proxy, its transaction held.
async fn behind_a_proxy() -> (Stage, Proxy) {
    let database = database(server()).await;
    let address = ([127, 0, 0, 1], server().port()).into();
    let proxy = Proxy::to(address).await;
    let settings = settings(&format!(
        "host=127.0.0.1 port={} user=postgres dbname={database} sslmode=disable",
        proxy.address.port()
    ));
    let mut stage = Stage::with(settings, runbook(&["SELECT 1"]), HoldOptions::default());
    stage.connect().await;
    stage.apply().await;
    (stage, proxy)
}

#[tokio::test]
async fn a_link_that_breaks_during_a_query_is_told() {
    let (mut stage, proxy) = behind_a_proxy().await;
    stage.order(question("SELECT pg_sleep(600)"));
    works_on(&stage, "PgSleep").await;
    proxy.cut();
    assert!(matches!(
        stage.all().await.pop().unwrap(),
        Body::SessionEnded(_)
    ));
}

#[tokio::test]
async fn the_locks_of_a_query_are_gone_with_it() {
    let mut stage = Stage::set("CREATE TABLE other (i int)", &["SELECT 1"]).await;
    stage.apply().await;
    ask(&mut stage, "SELECT * FROM other").await.unwrap();
    // Somebody else's DDL goes straight through.
    let client = psql(server(), &stage.database).await;
    within(
        "the table is free",
        client.batch_execute("ALTER TABLE other ADD COLUMN j int"),
    )
    .await
    .unwrap();
}
