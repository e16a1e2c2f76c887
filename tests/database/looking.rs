//! What the program puts between the statements: it never costs the transaction, and a limit that
//! the script makes wider is back before the next statement.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::gate::event::Body;
use stagegate::runbook::script::Script;
use stagegate::sandbox::{Sandbox, SandboxOptions};

use crate::stage::{Stage, over_socket, psql, runbook, server};

const PG_DUMP: [&str; 4] = [
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SELECT pg_catalog.set_config('search_path', '', false)",
];

#[tokio::test]
async fn a_look_that_is_refused_costs_what_it_would_show_and_is_told_as_ours() {
    let before = "REVOKE SELECT ON pg_locks FROM PUBLIC;
        DO 'BEGIN CREATE ROLE looked_away; EXCEPTION WHEN OTHERS THEN NULL; END';
        CREATE SCHEMA s; GRANT ALL ON SCHEMA s TO looked_away";
    let mut stage = Stage::set(
        before,
        &[
            "SET ROLE looked_away",
            "CREATE TABLE s.t (a int)",
            "SELECT 'x' AS c, 'PASS' AS status",
        ],
    )
    .await;
    let (xid, _) = stage.begin().await;
    stage.order(Order::RunScript);
    let bodies = stage.all().await;
    assert_eq!(bodies.last(), Some(&Body::ScriptFinished), "{bodies:?}");
    let told = bodies.iter().filter(|body| match body {
        Body::Noticed { number, message } => {
            number.is_none() && message.message.starts_with("this program's own look")
        }
        _ => false,
    });
    assert_eq!(told.count(), 1, "{bodies:?}");
    let answer = stage.commit(&xid).await;
    assert!(format!("{answer:?}").contains("Committed"), "{answer:?}");
}

#[tokio::test]
async fn the_limits_are_back_before_the_next_statement() {
    let show = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), \
        current_setting('idle_in_transaction_session_timeout'), \
        current_setting('client_connection_check_interval')";
    let lifts: [&[&str]; 4] = [
        &PG_DUMP,
        &["RESET ALL"],
        &["SET client_connection_check_interval = 0"],
        &["DO 'BEGIN PERFORM set_config(''lock_timeout'', ''0'', false); END'"],
    ];
    for lift in lifts {
        let mut statements = lift.to_vec();
        statements.push(show);
        let mut stage = Stage::new(&statements).await;
        let (_, reports) = stage.apply().await;
        let row = &reports.last().unwrap().result.as_ref().unwrap().rows[0];
        let row: Vec<&str> = row.iter().map(|c| c.as_deref().unwrap()).collect();
        assert_eq!(row, ["3s", "10min", "15s", "1s"], "{lift:?}");
    }
}

/// Lifts every limit, in the body of a function.
const LIFT: &str = "PERFORM set_config(name, ''0'', false) FROM pg_settings WHERE name IN \
    (''lock_timeout'', ''statement_timeout'', ''idle_in_transaction_session_timeout'', \
    ''client_connection_check_interval'')";

#[tokio::test]
async fn code_that_a_statement_runs_without_naming_it_lifts_no_limit() {
    let before = format!(
        "CREATE FUNCTION on_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {LIFT}; RETURN NEW; END';
        CREATE FUNCTION lift() RETURNS int LANGUAGE plpgsql AS 'BEGIN {LIFT}; RETURN 1; END';
        CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN {LIFT}; END';
        CREATE TABLE plain (i int); CREATE TABLE trapped (i int);
        CREATE VIEW hiding AS SELECT lift() AS i;
        CREATE TRIGGER lifts BEFORE INSERT OR UPDATE ON trapped FOR EACH ROW EXECUTE FUNCTION on_row();
        CREATE EVENT TRIGGER lifts ON ddl_command_end WHEN TAG IN ('CREATE SEQUENCE')
        EXECUTE FUNCTION on_ddl();"
    );
    let show = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), \
        current_setting('idle_in_transaction_session_timeout'), \
        current_setting('client_connection_check_interval')";
    let plain = "INSERT INTO plain VALUES (1)";
    for lifts in [
        "INSERT INTO trapped VALUES (1)",
        "INSERT INTO plain SELECT i FROM hiding",
        "UPDATE plain SET i = lift()",
        "ALTER TABLE plain ADD COLUMN j int DEFAULT lift()",
        "CREATE TABLE made AS SELECT lift()",
        "CREATE SEQUENCE made",
        "TABLE hiding",
    ] {
        // So many that not every one is followed by a look at the locks, which sets limits too.
        let mut statements = vec![plain; 100];
        statements.extend([lifts, show]);
        statements.extend([plain; 100]);
        let again = !lifts.contains("made") && !lifts.contains("ALTER");
        statements.extend(again.then_some(lifts));
        statements.push(show);
        let mut stage = Stage::set(&before, &statements).await;
        let (_, reports) = stage.apply().await;
        let shown = reports.iter().filter(|report| &*report.tag == "SELECT 1");
        let shown: Vec<_> = shown
            .filter_map(|report| report.result.as_ref()?.rows.first().cloned())
            .filter(|row| row.len() == 4)
            .collect();
        assert_eq!(shown.len(), 2, "{lifts}");
        for row in shown {
            let row: Vec<&str> = row.iter().map(|c| c.as_deref().unwrap()).collect();
            assert_eq!(row, ["3s", "10min", "15s", "1s"], "{lifts}");
        }
    }
}

#[tokio::test]
async fn a_stricter_limit_of_the_script_stands() {
    let set = "SET lock_timeout = '1500ms'";
    let plain = "INSERT INTO t VALUES (1)";
    let mut statements = vec!["CREATE TABLE t (i int)", plain, set];
    statements.extend([plain; 200]);
    statements.push("SHOW lock_timeout");
    let mut stage = Stage::new(&statements).await;
    let (_, reports) = stage.apply().await;
    let row = &reports.last().unwrap().result.as_ref().unwrap().rows[0];
    assert_eq!(row[0].as_deref(), Some("1500ms"));
}

#[tokio::test]
async fn a_dump_that_lifts_the_lock_limit_does_not_wait_for_ever() {
    let stage = Stage::set("CREATE TABLE t (i int)", &[]).await;
    let mut other = stage.psql().await;
    let holder = other.transaction().await.unwrap();
    holder.batch_execute("LOCK t").await.unwrap();
    let options = HoldOptions {
        lock_timeout: 100,
        ..HoldOptions::default()
    };
    let settings = over_socket(server(), &stage.database);
    let mut statements = PG_DUMP.to_vec();
    statements.push("ALTER TABLE public.t ADD COLUMN j int");
    let mut stage = Stage::with(settings, runbook(&statements), options);
    stage.connect().await;
    let (number, error) = stage.fail().await;
    assert_eq!((number, error.sqlstate.as_deref()), (5, Some("55P03")));
}

#[tokio::test]
async fn a_short_limit_of_the_script_does_not_end_a_look() {
    let mut statements = vec!["SET statement_timeout = '1s'".to_owned()];
    statements.extend((0..2_000).map(|i| format!("SELECT pg_advisory_xact_lock({i})")));
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&statements).await;
    assert_eq!(stage.apply().await.1.len(), statements.len());
}

/// What each statement locked, as it was told.
fn locked(bodies: &[Body]) -> Vec<(usize, Vec<String>)> {
    let finished = bodies.iter().filter_map(|body| match body {
        Body::StatementFinished(report) => Some(report),
        _ => None,
    });
    let told = finished.map(|report| {
        let relations = report.locks.iter().map(|lock| lock.relation.clone());
        (report.number, relations.collect::<Vec<_>>())
    });
    told.filter(|(_, relations)| !relations.is_empty())
        .collect()
}

#[tokio::test]
async fn whatever_becomes_of_the_prepared_look_every_lock_is_told_and_the_transaction_lives() {
    let replaced = "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; EXECUTE 'PREPARE stagegate_look AS \
        SELECT set_config(''lock_timeout'', ''0'', false), ''public.never'', 1'; END $$";
    // Where the text tells that it is gone, nothing is missed; where code takes it, what is told is told
    // by the end.
    let cases = [
        ("SELECT 2", 3, 0),
        ("DEALLOCATE ALL", 3, 0),
        ("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$", 5, 1),
        (replaced, 5, 0),
    ];
    for (takes, told_at, notices) in cases {
        let statements = [
            "LOCK TABLE public.a IN SHARE MODE",
            takes,
            "LOCK TABLE public.b IN SHARE MODE",
            "SHOW lock_timeout",
            "SHOW lock_timeout",
        ];
        let mut stage = Stage::set("CREATE TABLE a (); CREATE TABLE b ()", &statements).await;
        // And in the next transaction of the session again.
        for round in 1..=2 {
            let (xid, _) = stage.begin().await;
            stage.order(Order::RunScript);
            let bodies = stage.all().await;
            assert_eq!(bodies.last(), Some(&Body::ScriptFinished), "{bodies:?}");
            let own = |body: &&Body| matches!(body, Body::Noticed { number: None, .. });
            assert_eq!(bodies.iter().filter(own).count(), notices, "{bodies:?}");
            let locked = locked(&bodies);
            let all: Vec<&String> = locked.iter().flat_map(|(_, relations)| relations).collect();
            assert_eq!(
                all,
                ["public.a", "public.b"],
                "{takes}, {round}: {locked:?}"
            );
            assert_eq!(locked[0].0, 1, "{takes}, {round}");
            if round == 1 {
                assert_eq!(locked[1].0, told_at, "{takes}");
            }
            let limits = bodies.iter().filter_map(|body| match body {
                Body::StatementFinished(report) if &*report.tag == "SHOW" => report.result.as_ref(),
                _ => None,
            });
            for limit in limits {
                assert_eq!(limit.rows, [[Some("3s".to_owned())]], "{takes}, {round}");
            }
            let settled = stage.ask(Order::Settle).await;
            let same_transaction = true;
            assert_eq!(settled, Body::Settled { same_transaction }, "{takes}");
            match round {
                1 => drop(stage.ask(Order::RollBack).await),
                _ => {
                    let answer = stage.commit(&xid).await;
                    assert!(format!("{answer:?}").contains("Committed"), "{answer:?}");
                }
            }
        }
    }
}

/// How many looks at the locks a server tells of in its log.
fn count_looks(log: &str) -> usize {
    log.matches("SAVEPOINT stagegate_look; SET LOCAL").count()
}

#[tokio::test]
async fn what_a_look_would_tell_nothing_new_behind_is_not_looked_at_and_no_lock_is_lost() {
    let options = SandboxOptions::for_tests().with("log_statement", "all");
    let own = Sandbox::start(options).unwrap();
    let psql = psql(&own, "postgres").await;
    let tables = "CREATE TABLE a (); CREATE TABLE b (); CREATE TABLE c (i int PRIMARY KEY);
        CREATE FUNCTION lock_c() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN LOCK c; END';
        CREATE EVENT TRIGGER locks ON ddl_command_end WHEN TAG IN ('COMMENT')
        EXECUTE FUNCTION lock_c();";
    psql.batch_execute(tables).await.unwrap();
    let mut columns = Vec::new();
    for n in 0..15 {
        columns.extend(
            ["a", "b"].map(|table| format!("ALTER TABLE public.{table} ADD COLUMN c{n} int")),
        );
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let check = "SELECT 'x' AS c, 'PASS' AS status";
    let comment = "COMMENT ON COLUMN public.a.c1 IS 'it locks c as well'";
    let back = [
        "SAVEPOINT s",
        "ROLLBACK TO s",
        "ALTER TABLE public.a ADD COLUMN d int",
    ];
    let locks = |number: usize, table: &str| (number, vec![format!("public.{table}")]);
    let [a, b] = [locks(1, "a"), locks(2, "b")];
    // Each with how many looks it takes: behind each table's first statement, behind what goes back and the
    // one after it, and behind the last.
    for (more, looks, locked_too) in [
        (&[check][..], 3, None),
        // Code that no text tells of: what it locked is found by the end.
        (&[comment, check], 3, Some(locks(32, "c"))),
        (&[back[0], back[1], back[2], check], 6, None),
    ] {
        let text = [&columns, more].concat().join(";\n") + ";\n";
        let mut book = runbook(&[]);
        book.script = Script::read("script.sql", None, text.as_bytes());
        // Whoever signs it has waited for the linter, and with it the script is parsed.
        book.script.findings();
        let settings = over_socket(&own, "postgres");
        let mut stage = Stage::with(settings, book, HoldOptions::default());
        stage.connect().await;
        let before = count_looks(&std::fs::read_to_string(own.log_path()).unwrap());
        stage.begin().await;
        stage.order(Order::RunScript);
        let bodies = stage.all().await;
        assert_eq!(bodies.last(), Some(&Body::ScriptFinished), "{bodies:?}");
        let expected: Vec<_> = [a.clone(), b.clone()]
            .into_iter()
            .chain(locked_too)
            .collect();
        assert_eq!(locked(&bodies), expected, "{more:?}");
        stage.ask(Order::RollBack).await;
        let after = count_looks(&std::fs::read_to_string(own.log_path()).unwrap());
        assert_eq!(after - before, looks, "{more:?}");
    }
}

/// What `log_planner_stats` has in the log for each planning.
const PLANNED: &str = "PLANNER STATISTICS";

#[tokio::test]
async fn no_look_between_the_statements_is_planned_with_locks_held() {
    let own = Sandbox::start(SandboxOptions::for_tests()).unwrap();
    let tables = "CREATE TABLE a (); CREATE TABLE b ()";
    let psql = psql(&own, "postgres").await;
    psql.batch_execute(tables).await.unwrap();
    // The first relation of a server has the number that divides its own from those of others.
    let first = "SELECT 'public.a'::regclass::oid::int8";
    let first: i64 = psql.query_one(first, &[]).await.unwrap().get(0);
    assert_eq!(first, 16_384);
    for path in [None, Some("public")] {
        let statements = [
            "SET log_planner_stats = on",
            "ALTER TABLE public.a ADD COLUMN i int",
            "CREATE INDEX ON public.a (i)",
            "ALTER TABLE public.b ADD COLUMN i int",
            "SET log_planner_stats = off",
            "SHOW lock_timeout",
        ];
        let mut book = runbook(&statements);
        book.search_path.script = path.map(str::to_owned);
        let settings = over_socket(&own, "postgres");
        let mut stage = Stage::with(settings, book, HoldOptions::default());
        stage.connect().await;
        // And in the next transaction of the session again.
        for _ in 0..2 {
            stage.begin().await;
            stage.order(Order::RunScript);
            let bodies = stage.all().await;
            assert_eq!(bodies.last(), Some(&Body::ScriptFinished), "{bodies:?}");
            assert_eq!(locked(&bodies).len(), 2, "{bodies:?}");
            stage.ask(Order::RollBack).await;
        }
        let log = std::fs::read_to_string(own.log_path()).unwrap();
        assert_eq!(log.matches(PLANNED).count(), 0, "{path:?}");
    }
    psql.batch_execute("SET log_planner_stats = on; SELECT 1")
        .await
        .unwrap();
    let log = std::fs::read_to_string(own.log_path()).unwrap();
    assert!(log.contains(PLANNED), "the server tells it in other words");
}
