//! Running a script: what each statement reports, and where it stops.

use stagegate::database::session::{HoldOptions, Order, caps};
use stagegate::facts::{Lock, StatementReport, XactStatus};
use stagegate::gate::event::Body;
use stagegate::runbook::check::Verdict;
use stagegate::runbook::lock::LockMode;
use stagegate::runbook::script::SeldomParts;

use crate::stage::{Stage, database, over_socket, runbook, server, within};

fn notices(bodies: &[Body]) -> Vec<(Option<usize>, String)> {
    let notices = bodies.iter().filter_map(|body| match body {
        Body::Noticed { number, message } => Some((*number, message.message.clone())),
        _ => None,
    });
    notices.collect()
}

fn locks(report: &StatementReport) -> Vec<(LockMode, &str)> {
    let locks = report.locks.iter();
    locks
        .map(|l: &Lock| (l.mode, l.relation.as_str()))
        .collect()
}

#[tokio::test]
async fn an_error_in_the_middle_stops_the_rest_and_says_where() {
    let mut stage = Stage::new(&[
        "CREATE TABLE t (i int PRIMARY KEY)",
        "INSERT INTO t VALUES (1), (1)",
        "DO 'BEGIN RAISE NOTICE ''this must not run''; END'",
        "INSERT INTO nowhere VALUES (1)",
    ])
    .await;
    stage.begin().await;
    stage.order(Order::RunScript);
    let bodies = stage.all().await;
    let names: Vec<String> = bodies.iter().map(word).collect();
    assert_eq!(names, ["started 1", "finished 1", "started 2", "failed 2"]);
    let Some(Body::StatementFailed { error, .. }) = bodies.last() else {
        panic!("{bodies:?}")
    };
    assert_eq!(error.severity, "ERROR");
    assert_eq!(error.sqlstate.as_deref(), Some("23505"));
    assert_eq!(error.detail.as_deref(), Some("Key (i)=(1) already exists."));
    // Nothing more comes for this order, and the session goes on.
    assert!(matches!(
        stage.ask(Order::RollBack).await,
        Body::RollbackAnswered { .. }
    ));
}

fn word(body: &Body) -> String {
    match body {
        Body::StatementStarted { number } => format!("started {number}"),
        Body::StatementFinished(report) => format!("finished {}", report.number),
        Body::StatementFailed { number, .. } => format!("failed {number}"),
        Body::Noticed { number, message } => {
            format!("noticed {} {}", number.unwrap_or(0), message.message)
        }
        Body::ScriptFinished => "script finished".into(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_has_its_place_in_characters_and_its_inner_place() {
    let mut stage = Stage::new(&["SELECT 'ää', nothing"]).await;
    let (_, error) = stage.fail().await;
    assert_eq!(error.position, Some(14));

    let body = "BEGIN PERFORM nothing FROM nowhere; END";
    let mut stage = Stage::new(&[&format!("DO '{body}'")]).await;
    let (_, error) = stage.fail().await;
    assert_eq!(error.position, None);
    let context = error.context.unwrap();
    assert!(context.contains("line 1 at PERFORM"), "{context}");
    assert!(
        context.contains("inner query (at character 21): SELECT nothing FROM nowhere"),
        "{context}"
    );
}

#[tokio::test]
async fn notices_belong_to_their_statement_even_in_a_pipeline() {
    let raise =
        |n: usize| format!("DO 'BEGIN RAISE NOTICE ''from {n}''; RAISE WARNING ''and {n}''; END'");
    let statements: Vec<String> = (1..=100).map(raise).collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&statements).await;
    stage.begin().await;
    stage.order(Order::RunScript);
    let bodies = stage.all().await;
    let expected: Vec<_> = (1..=100)
        .flat_map(|n| {
            [
                (Some(n), format!("from {n}")),
                (Some(n), format!("and {n}")),
            ]
        })
        .collect();
    assert_eq!(notices(&bodies), expected);
    // In order with what surrounds them.
    let words: Vec<String> = bodies.iter().map(word).collect();
    assert_eq!(
        words[..5],
        [
            "started 1",
            "noticed 1 from 1",
            "noticed 1 and 1",
            "finished 1",
            "started 2"
        ]
    );
}

#[tokio::test]
async fn a_notice_comes_while_its_statement_runs() {
    let gate = "CREATE TABLE latch (i int)";
    // Says something, then waits for a lock that only the test gives away.
    let wait = "DO 'BEGIN RAISE NOTICE ''waiting''; LOCK latch; RAISE NOTICE ''through''; END'";
    let mut stage = Stage::set(gate, &[wait]).await;
    let mut other = stage.psql().await;
    let holder = other.transaction().await.unwrap();
    holder.batch_execute("LOCK latch").await.unwrap();
    stage.begin().await;
    stage.order(Order::RunScript);
    assert_eq!(word(&stage.next().await.body), "started 1");
    assert_eq!(word(&stage.next().await.body), "noticed 1 waiting");
    holder.commit().await.unwrap();
    let rest: Vec<String> = stage.all().await.iter().map(word).collect();
    assert_eq!(rest, ["noticed 1 through", "finished 1", "script finished"]);
}

#[tokio::test]
async fn a_flood_of_notices_is_counted_and_not_kept() {
    let flood = "DO 'BEGIN FOR i IN 1..5000 LOOP RAISE NOTICE ''%'', i; END LOOP; END'";
    let mut stage = Stage::new(&[flood]).await;
    stage.begin().await;
    stage.order(Order::RunScript);
    let notices = notices(&stage.all().await);
    assert_eq!(notices.len(), 1001);
    assert_eq!(notices[1000].1, "4000 more notices were not kept");
}

#[tokio::test]
async fn locks_are_reported_by_the_statement_that_took_them() {
    let before = "CREATE SCHEMA s; CREATE TABLE s.a (i int); CREATE TABLE s.b (i int);
        CREATE INDEX b_i ON s.b (i); CREATE TABLE s.c (i int PRIMARY KEY)";
    let mut stage = Stage::set(
        before,
        &[
            "SELECT * FROM s.a",
            "SELECT * FROM s.a",
            "CREATE INDEX a_i ON s.a (i)",
            "ALTER TABLE s.a ADD COLUMN j int",
            "INSERT INTO s.b VALUES (1)",
            "REINDEX INDEX s.b_i",
            "DROP TABLE s.c",
            "CREATE TABLE s.new (i int)",
            "ALTER TABLE s.b ALTER COLUMN i TYPE bigint",
        ],
    )
    .await;
    let (_, statements) = stage.apply().await;
    use LockMode::*;
    let seen: Vec<_> = statements.iter().map(locks).collect();
    let expected: [&[(LockMode, &str)]; 9] = [
        &[(AccessShare, "s.a")],
        &[],
        &[(Share, "s.a")],
        &[(AccessExclusive, "s.a")],
        &[(RowExclusive, "s.b")],
        &[(AccessExclusive, "s.b_i"), (Share, "s.b")],
        &[(AccessExclusive, "s.c (dropped)")],
        &[],
        &[(AccessExclusive, "s.b")],
    ];
    for (i, expected) in expected.iter().enumerate() {
        assert_eq!(seen[i], *expected, "statement {}", i + 1);
    }
}

#[tokio::test]
async fn on_what_is_shut_nothing_more_is_told_and_what_follows_is_told_where_it_was_locked() {
    let mut stage = Stage::set(
        "CREATE TABLE public.a (i int); CREATE TABLE public.b (i int)",
        &[
            "ALTER TABLE public.a ADD COLUMN n int",
            "CREATE INDEX a_n ON public.a (n)",
            "COMMENT ON COLUMN public.a.n IS 'when'",
            "CREATE INDEX b_i ON public.b (i)",
            "ALTER TABLE public.a ADD COLUMN m int",
            "COMMENT ON TABLE public.b IS 'what'",
        ],
    )
    .await;
    let (_, statements) = stage.apply().await;
    use LockMode::*;
    let seen: Vec<_> = statements.iter().map(locks).collect();
    let expected: [&[(LockMode, &str)]; 6] = [
        &[(AccessExclusive, "public.a")],
        &[],
        &[],
        &[(Share, "public.b")],
        &[],
        &[(ShareUpdateExclusive, "public.b")],
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn locks_are_read_whatever_the_script_has_set() {
    let before = "CREATE TABLE public.a (i int); CREATE SCHEMA trick;
        CREATE FUNCTION trick.no(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR trick.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = trick.no);
        DO 'BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ''nobody_special'') THEN
            CREATE ROLE nobody_special; END IF; EXCEPTION WHEN OTHERS THEN NULL; END';
        GRANT ALL ON public.a TO nobody_special";
    let mut stage = Stage::set(
        before,
        &[
            "SET LOCAL search_path = trick, pg_catalog",
            "SET LOCAL ROLE nobody_special",
            "LOCK TABLE public.a IN EXCLUSIVE MODE",
        ],
    )
    .await;
    let (_, statements) = stage.apply().await;
    assert_eq!(locks(&statements[2]), [(LockMode::Exclusive, "public.a")]);
}

#[tokio::test]
async fn a_large_result_is_counted_and_kept_in_part() {
    let mut stage =
        Stage::new(&["SELECT g, repeat('x', 10) FROM generate_series(1, 200000) g"]).await;
    let (_, statements) = stage.apply().await;
    let result = statements[0].result.clone().unwrap();
    assert_eq!(result.total, 200_000);
    assert_eq!(result.rows.len(), 1_000);
    assert_eq!(&*statements[0].tag, "SELECT 200000");
    assert_eq!(result.rows[999][0].as_deref(), Some("1000"));
}

#[tokio::test]
async fn wide_rows_are_kept_up_to_a_number_of_bytes() {
    let mut stage = Stage::new(&["SELECT repeat('x', 100000) FROM generate_series(1, 100)"]).await;
    let (_, statements) = stage.apply().await;
    let result = statements[0].result.clone().unwrap();
    assert_eq!(result.total, 100);
    assert!(
        (10..=12).contains(&result.rows.len()),
        "{}",
        result.rows.len()
    );
}

#[tokio::test]
async fn a_verdict_among_rows_that_were_not_kept_is_a_fail() {
    let far = "SELECT 'c' AS \"check\", CASE WHEN g = 5000 THEN 'FAIL' ELSE 'PASS' END AS status
        FROM generate_series(1, 5000) g";
    let near = "SELECT g, CASE WHEN g = 5000 THEN 'FAIL' ELSE 'fine' END AS status
        FROM generate_series(1, 5000) g";
    let none = "SELECT g, 'fine' AS status FROM generate_series(1, 5000) g";
    let mut stage = Stage::new(&[far, near, none]).await;
    let (_, statements) = stage.apply().await;
    for statement in &statements[..2] {
        let last = statement.checks.last().unwrap();
        assert_eq!(last.verdict, Verdict::Fail);
        assert!(last.detail.contains("5000 rows"), "{}", last.detail);
    }
    assert_eq!(statements[2].checks, []);
}

#[tokio::test]
async fn copy_data_reaches_its_table_and_the_pipeline_goes_on_around_it() {
    let mut stage = Stage::new(&[
        "CREATE TABLE t (i int, s text)",
        "CREATE TABLE u (i int)",
        "COPY t FROM STDIN\x0c1\tone\n2\t\\N\n3\tdrei ä\n",
        "INSERT INTO u SELECT i FROM t",
        "COPY u FROM STDIN\x0c",
        "SELECT count(*), max(s) FROM t",
    ])
    .await;
    let (xid, statements) = stage.apply().await;
    let tags: Vec<&str> = statements.iter().map(|s| &*s.tag).collect();
    assert_eq!(
        tags,
        [
            "CREATE TABLE",
            "CREATE TABLE",
            "COPY 3",
            "INSERT 0 3",
            "COPY 0",
            "SELECT 1"
        ]
    );
    let row = &statements[5].result.as_ref().unwrap().rows[0];
    assert_eq!(row[0].as_deref(), Some("3"));
    let answer = stage.commit(&xid).await;
    assert!(format!("{answer:?}").contains("Committed"), "{answer:?}");
}

#[tokio::test]
async fn a_lot_of_copy_data_flows() {
    let rows: String = (0..200_000).map(|i| format!("{i}\n")).collect();
    let copy = format!("COPY t FROM STDIN\x0c{rows}");
    let mut stage = Stage::new(&["CREATE TABLE t (i int)", &copy]).await;
    let (_, statements) = stage.apply().await;
    assert_eq!(&*statements[1].tag, "COPY 200000");
}

#[tokio::test]
async fn bad_copy_data_is_a_failed_statement_and_the_session_goes_on() {
    for bad in [
        "COPY t FROM STDIN\x0c1\nx\n",
        "COPY nowhere FROM STDIN\x0c1\n",
        "COPY t FROM\x0c1\n",
    ] {
        let mut stage = Stage::new(&["CREATE TABLE t (i int)", bad, "SELECT 1"]).await;
        let (number, error) = stage.fail().await;
        assert_eq!(number, 2);
        assert!(error.sqlstate.is_some());
        match stage.ask(Order::RollBack).await {
            Body::RollbackAnswered { xact_status, .. } => {
                assert_eq!(xact_status, Some(XactStatus::Aborted));
            }
            other => panic!("{other:?}"),
        }
        // The session goes on.
        stage.begin().await;
    }
}

#[tokio::test]
async fn copy_without_its_data_does_not_hang() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)", "COPY t FROM STDIN", "SELECT 1"]).await;
    stage.begin().await;
    match stage.ask(Order::RunScript).await {
        Body::SessionEnded(why) => assert!(why.message.contains("COPY data"), "{why:?}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn copy_to_stdout_does_not_disturb_the_pipeline() {
    let mut stage = Stage::new(&["COPY (SELECT 1) TO STDOUT", "SELECT 2"]).await;
    let (_, statements) = stage.apply().await;
    assert_eq!(&*statements[0].tag, "COPY 1");
    let row = &statements[1].result.as_ref().unwrap().rows[0];
    assert_eq!(row[0].as_deref(), Some("2"));
}

#[tokio::test]
async fn cancel_ends_the_running_statement_and_only_that() {
    let latch = "CREATE TABLE latch (i int)";
    let mut stage = Stage::set(latch, &["SELECT 1", "SELECT pg_sleep(3600)", "SELECT 3"]).await;
    stage.begin().await;
    stage.order(Order::RunScript);
    loop {
        if word(&stage.next().await.body) == "started 2" {
            break;
        }
    }
    // Started means that the one before is done; the server may still be about to begin this one.
    let other = stage.psql().await;
    let sleeps = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'";
    within("the statement sleeps", async {
        while other.query_one(sleeps, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
    })
    .await;
    stage.session.cancel();
    let bodies = stage.all().await;
    let [
        Body::StatementFailed {
            number: 2, error, ..
        },
    ] = bodies.as_slice()
    else {
        panic!("{bodies:?}")
    };
    assert_eq!(error.sqlstate.as_deref(), Some("57014"));
    assert!(matches!(
        stage.ask(Order::RollBack).await,
        Body::RollbackAnswered {
            xact_status: Some(XactStatus::Aborted),
            ..
        }
    ));
}

#[tokio::test]
async fn a_thousand_statements_flow_and_their_answers_stay_in_order() {
    let statements: Vec<String> = (1..=1000).map(|n| format!("SELECT {n}")).collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&statements).await;
    let (_, reports) = stage.apply().await;
    assert_eq!(reports.len(), 1000);
    for (i, report) in reports.iter().enumerate() {
        let cell = report.result.as_ref().unwrap().rows[0][0].clone();
        assert_eq!((report.number, cell), (i + 1, Some((i + 1).to_string())));
    }
}

#[tokio::test]
async fn durations_are_measured_from_answer_to_answer() {
    let mut stage = Stage::new(&["SELECT 1", "SELECT pg_sleep(0.3)", "SELECT 1"]).await;
    let (_, statements) = stage.apply().await;
    // A busy machine may notice the answer before it late, and this one then seems the shorter.
    assert!(statements[1].duration >= 150, "{}", statements[1].duration);
    // In one pipeline the others must not be charged for it.
    assert!(statements[0].duration < statements[1].duration);
    assert!(statements[2].duration < statements[1].duration);
}

#[tokio::test]
async fn a_lock_that_does_not_come_ends_the_statement_with_55p03() {
    let stage = Stage::set(
        "CREATE TABLE t (i int)",
        &["ALTER TABLE t ADD COLUMN j int"],
    )
    .await;
    let mut other = stage.psql().await;
    let holder = other.transaction().await.unwrap();
    holder.batch_execute("LOCK t").await.unwrap();
    let options = HoldOptions {
        lock_timeout: 100,
        ..HoldOptions::default()
    };
    let settings = crate::stage::over_socket(server(), &stage.database);
    let book = crate::stage::runbook(&["ALTER TABLE t ADD COLUMN j int"]);
    let mut stage = Stage::with(settings, book, options);
    stage.connect().await;
    let (_, error) = stage.fail().await;
    assert_eq!(error.sqlstate.as_deref(), Some("55P03"));
}

#[tokio::test]
async fn a_statement_ends_by_the_servers_clock_whatever_becomes_of_the_client() {
    for (own, limit, ends) in [
        // Nobody is told anything: the client is as good as stopped.
        ("SELECT 1", 300, true),
        // A stricter limit stands.
        ("SET LOCAL statement_timeout = '200ms'", 3_600_000, true),
        ("SELECT 1", 0, false),
    ] {
        let statements = [own, "SELECT pg_sleep(1)"];
        let stage = Stage::new(&[]).await;
        let settings = crate::stage::over_socket(server(), &stage.database);
        let options = HoldOptions {
            statement_limit: limit,
            ..HoldOptions::default()
        };
        let mut stage = Stage::with(settings, crate::stage::runbook(&statements), options);
        stage.connect().await;
        if ends {
            let (number, error) = stage.fail().await;
            assert_eq!((number, error.sqlstate.as_deref()), (2, Some("57014")));
        } else {
            assert_eq!(stage.apply().await.1.len(), 2);
        }
    }
}

#[tokio::test]
async fn a_stricter_limit_of_the_database_is_left_alone() {
    let stage = Stage::set(
        "DO $$ BEGIN EXECUTE format(
             'ALTER DATABASE %I SET statement_timeout = ''250ms''', current_database()); END $$",
        &["SHOW statement_timeout"],
    )
    .await;
    let settings = crate::stage::over_socket(server(), &stage.database);
    let book = crate::stage::runbook(&["SHOW statement_timeout"]);
    let mut stage = Stage::with(settings, book, HoldOptions::default());
    stage.connect().await;
    let (_, statements) = stage.apply().await;
    let shown = statements[0].result.as_ref().unwrap().rows[0][0].clone();
    assert_eq!(shown.as_deref(), Some("250ms"));
}

#[tokio::test]
async fn a_text_that_cannot_be_sent_fails_where_it_stands() {
    let mut stage = Stage::new(&["SELECT 1", "SELECT '\0'", "SELECT 3"]).await;
    let (number, error) = stage.fail().await;
    assert_eq!(number, 2);
    assert!(error.message.contains("NUL"), "{}", error.message);
}

#[tokio::test]
async fn an_empty_script_finishes() {
    let mut stage = Stage::new(&["BEGIN", "COMMIT"]).await;
    assert!(stage.apply().await.1.is_empty());
}

#[tokio::test]
async fn rows_that_the_script_calls_data_are_no_checks() {
    let book = |comment: &str| {
        let mut book = runbook(&[
            "SELECT * FROM (VALUES (1, 'done'), (2, 'fail')) jobs (id, status)",
            "SELECT 'jobs' AS name, 'PASS' AS verdict",
        ]);
        let comment = Some(comment.into());
        book.script.statements[0].seldom = SeldomParts {
            comment,
            ..SeldomParts::default()
        }
        .if_any();
        book
    };
    for (comment, verdicts) in [("the jobs", [2, 1]), ("the jobs\nstagegate: data", [0, 1])] {
        let name = database(server()).await;
        let settings = over_socket(server(), &name);
        let mut stage = Stage::with(settings, book(comment), HoldOptions::default());
        stage.connect().await;
        let (_, reports) = stage.apply().await;
        let found: Vec<usize> = reports.iter().map(|r| r.checks.len()).collect();
        assert_eq!(found, verdicts, "{comment}");
        // They are shown all the same.
        assert_eq!(reports[0].result.as_ref().unwrap().total, 2);
    }
}

/// What a run keeps is bounded over all of its statements, and told where it is cut.
#[tokio::test]
async fn rows_and_notices_of_a_run_are_bounded_and_told() {
    let rows = "SELECT g, repeat('x', 1000) FROM generate_series(1, 3000) AS g";
    let says =
        "DO 'BEGIN FOR i IN 1..500 LOOP RAISE NOTICE ''%'', repeat(''x'', 20000); END LOOP; END'";
    let mut statements = vec![rows; 30];
    statements.push(says);
    statements.push("SELECT 42");
    let mut stage = Stage::new(&statements).await;
    stage.begin().await;
    stage.order(Order::RunScript);
    let bodies = stage.all().await;
    assert_eq!(bodies.last(), Some(&Body::ScriptFinished));
    let (mut kept, mut total, mut last) = (0, 0, None);
    for body in &bodies {
        if let Body::StatementFinished(report) = body
            && let Some(result) = &report.result
        {
            let texts = result.rows.iter().flatten().flatten();
            kept += texts.map(String::len).sum::<usize>();
            total += result.total;
            last = result.rows.first().cloned();
        }
    }
    assert!(kept <= caps::ROWS * 2, "{kept} bytes of rows were kept");
    assert_eq!(total, 90_001);
    assert_eq!(last, Some(vec![Some("42".to_owned())]));
    let said = notices(&bodies);
    let bytes: usize = said.iter().map(|(_, text)| text.len()).sum();
    assert!(bytes <= caps::NOTICES, "{bytes} bytes of notices were kept");
    let (_, told) = said.last().unwrap();
    assert!(
        told.contains("of 90,001 rows of this run were kept") && told.contains("of 500 notices"),
        "{told}"
    );
}
