//! Reaching a server: what was reached, what the checklist learns of it, and what is said when it
//! cannot be reached.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use stagegate::database::session::{HoldOptions, Order, read_only};
use stagegate::facts::{Evidence, ServerMessage, Standing};
use stagegate::gate::event::Body;
use stagegate::runbook::impact::Measure;
use stagegate::runbook::script::Script;
use stagegate::runbook::{ItemKind, Runbook};
use stagegate::sandbox::{Sandbox, SandboxOptions};
use tokio::net::TcpListener;

use crate::stage::{Stage, database, over_socket, psql, runbook, script, server, settings, within};

async fn refused(conninfo: &str) -> ServerMessage {
    let mut stage = Stage::with(settings(conninfo), runbook(&[]), HoldOptions::default());
    match stage.ask(Order::Connect).await {
        Body::ConnectFailed(why) => why,
        other => panic!("{conninfo}: {other:?}"),
    }
}

fn tcp(more: &str) -> String {
    let port = server().tcp_address().unwrap().port();
    format!("host=127.0.0.1 port={port} user=postgres dbname=postgres {more}")
}

/// So that whoever asks for the outcome later asks there, and not where the name leads then.
#[tokio::test]
async fn the_address_that_was_asked_for_beside_a_name_is_told() {
    let port = server().tcp_address().unwrap().port();
    let named = "host=db.example.invalid hostaddr=127.0.0.1";
    for (place, address) in [(named, Some("127.0.0.1")), ("host=127.0.0.1", None)] {
        let way = settings(&format!(
            "{place} port={port} user=postgres dbname=postgres"
        ));
        let mut stage = Stage::with(way, runbook(&[]), HoldOptions::default());
        for _ in ["at first", "and on a session of its own"] {
            let target = stage.connect().await;
            assert_eq!(target.hostaddr.as_deref(), address, "{place}");
            assert!(place.contains(&target.host), "{target:?}");
        }
    }
}

#[tokio::test]
async fn what_was_reached_is_told_in_full() {
    let name = database(server()).await;
    let settings = over_socket(server(), &name);
    let mut stage = Stage::with(settings, runbook(&[]), HoldOptions::default());
    let target = stage.connect().await;
    assert_eq!(target.database, name);
    assert_eq!(
        (target.role.as_str(), target.session_role.as_deref()),
        ("postgres", None)
    );
    assert_eq!(target.host, server().socket_dir().display().to_string());
    assert_eq!(target.port, server().port());
    assert_eq!(target.address, None);
    assert!(
        server()
            .version()
            .starts_with(target.server_version.split(' ').next().unwrap())
    );
    assert!(target.server_version_num >= 130_000);
    assert_eq!(target.timeline, Some(1));
    assert!(target.system_identifier.unwrap().parse::<u64>().is_ok());
    assert_eq!(target.protocol_pid, target.backend_pid);
    assert!(!target.in_recovery && !target.read_only);
    assert_eq!((target.tls, target.standbys), (None, 0));

    let mut stage = Stage::with(
        crate::stage::settings(&tcp("")),
        runbook(&[]),
        HoldOptions::default(),
    );
    let target = stage.connect().await;
    assert_eq!(
        (target.host.as_str(), target.address.as_deref()),
        ("127.0.0.1", Some("127.0.0.1"))
    );
    // Over the network the server's own keepalives are set too.
    let (_, added) = stage.begin().await;
    for setting in ["tcp_keepalives_idle = 3", "tcp_user_timeout = '6s'"] {
        let sent = format!("SET LOCAL {setting}");
        assert!(added.contains(&sent), "{added:?}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_read_the_control_file_still_gets_a_target() {
    let own = tokio::task::spawn_blocking(|| Sandbox::start(SandboxOptions::for_tests()).unwrap())
        .await
        .unwrap();
    let admin = psql(&own, "postgres").await;
    admin
        .batch_execute(
            "CREATE ROLE guest LOGIN; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC;
             REVOKE EXECUTE ON FUNCTION pg_control_checkpoint() FROM PUBLIC",
        )
        .await
        .unwrap();
    let conninfo = format!(
        "host={} user=guest dbname=postgres",
        own.socket_dir().display()
    );
    let mut stage = Stage::with(settings(&conninfo), runbook(&[]), HoldOptions::default());
    let target = stage.connect().await;
    assert_eq!(
        (
            target.role.as_str(),
            target.system_identifier,
            target.timeline
        ),
        ("guest", None, Some(1))
    );
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_in_words() {
    let why = refused(&tcp("dbname=nosuch")).await;
    assert_eq!(why.sqlstate.as_deref(), Some("3D000"));
    assert_eq!(why.message, "database \"nosuch\" does not exist");
    assert_eq!(why.severity, "FATAL");
    let port = server().tcp_address().unwrap().port();
    assert_eq!(
        why.context.unwrap(),
        format!("while connecting to 127.0.0.1 port {port}")
    );

    let why = refused("host=/nowhere user=u dbname=d").await;
    assert_eq!(why.message, "no such socket: no server listens there");
    assert_eq!(
        why.context.unwrap(),
        "while connecting to socket /nowhere/.s.PGSQL.5432"
    );

    // A port that was just free.
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let why = refused(&format!("host=127.0.0.1 port={closed} user=u dbname=d")).await;
    assert_eq!(why.message, "connection refused: no server listens there");

    let why = refused("host=no.such.host.invalid user=u dbname=d").await;
    assert!(
        why.message.starts_with("cannot look the host name up"),
        "{}",
        why.message
    );
}

#[tokio::test]
async fn tls_that_is_asked_for_is_refused_rather_than_forgotten() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let conninfo = tcp(&format!("sslmode={mode}"));
        let why = refused(&conninfo).await;
        assert_eq!(
            why.message,
            format!("the server does not support TLS, and sslmode={mode} requires it")
        );
    }
    // psql ignores it on a unix socket.
    let conninfo = format!(
        "host={} port={} user=postgres dbname=postgres sslmode=verify-full",
        server().socket_dir().display(),
        server().port()
    );
    let mut stage = Stage::with(settings(&conninfo), runbook(&[]), HoldOptions::default());
    stage.connect().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_does_not_hold_the_attempt_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let why = refused(&format!(
        "host=127.0.0.1 port={port} user=u dbname=d connect_timeout=2"
    ))
    .await;
    assert_eq!(why.message, "no answer within 2 s");
}

#[tokio::test]
async fn severing_gives_an_attempt_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let settings = settings(&format!(
        "host=127.0.0.1 port={port} user=u dbname=d connect_timeout=0"
    ));
    let mut stage = Stage::with(settings, runbook(&[]), HoldOptions::default());
    stage.order(Order::Connect);
    within("the attempt is made", silent.accept())
        .await
        .unwrap();
    stage.session.sever();
    match stage.all().await.pop() {
        Some(Body::ConnectFailed(why)) => assert_eq!(why.message, "the attempt was given up"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_next_host_is_tried_only_when_the_first_gives_no_answer() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let real = server().tcp_address().unwrap().port();
    let list =
        format!("host=127.0.0.1,127.0.0.1 port={closed},{real} user=postgres dbname=postgres");
    let mut stage = Stage::with(settings(&list), runbook(&[]), HoldOptions::default());
    assert_eq!(stage.connect().await.port, real);

    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second_port = second.local_addr().unwrap().port();
    let list =
        format!("host=127.0.0.1,127.0.0.1 port={real},{second_port} user=postgres dbname=nosuch");
    assert_eq!(refused(&list).await.sqlstate.as_deref(), Some("3D000"));
    // Nobody knocked there.
    assert!(
        tokio::time::timeout(Duration::ZERO, second.accept())
            .await
            .is_err()
    );

    let list = format!("host=/nowhere,127.0.0.1 port=1,{closed} user=u dbname=d");
    let why = refused(&list).await;
    assert_eq!(why.message, "connection refused: no server listens there");
    assert!(why.detail.unwrap().contains("/nowhere/.s.PGSQL.1"));
}

#[tokio::test]
async fn the_kind_of_server_that_is_asked_for_is_looked_for() {
    let why = refused(&tcp("target_session_attrs=standby")).await;
    assert_eq!(
        why.message,
        "the server is not a standby (target_session_attrs)"
    );
    for wanted in ["primary", "read-write", "prefer-standby"] {
        let conninfo = tcp(&format!("target_session_attrs={wanted}"));
        Stage::with(settings(&conninfo), runbook(&[]), HoldOptions::default())
            .connect()
            .await;
        // Whoever only looks made the session read-only; that says nothing of the server.
        read_only::open(&settings(&conninfo)).await.unwrap();
    }
    let conninfo = tcp("target_session_attrs=read-only");
    let Err(why) = read_only::open(&settings(&conninfo)).await else {
        panic!("a primary is taken for read-only");
    };
    assert_eq!(
        why.message,
        "the session is not read-only (target_session_attrs)"
    );
}

#[tokio::test]
async fn a_password_is_used_and_a_wrong_or_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let hba = folder.path().join("hba.conf");
    let rules = "local all all trust\nhost all scram 127.0.0.1/32 scram-sha-256\nhost all plain 127.0.0.1/32 password\n";
    std::fs::write(&hba, rules).unwrap();
    let options = SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    }
    .with("hba_file", &hba.display().to_string());
    let own = tokio::task::spawn_blocking(|| Sandbox::start(options).unwrap())
        .await
        .unwrap();
    psql(&own, "postgres")
        .await
        .batch_execute(
            "CREATE ROLE scram LOGIN PASSWORD 'it''s secret'; CREATE ROLE plain LOGIN PASSWORD 'it''s secret'",
        )
        .await
        .unwrap();
    let port = own.port();
    for role in ["scram", "plain"] {
        let base = format!("host=127.0.0.1 port={port} user={role} dbname=postgres");
        let right = format!("{base} password='it\\'s secret'");
        Stage::with(settings(&right), runbook(&[]), HoldOptions::default())
            .connect()
            .await;
        let why = refused(&format!("{base} password=wrong")).await;
        assert_eq!(why.sqlstate.as_deref(), Some("28P01"));
        assert!(!format!("{why:?}").contains("wrong"));
        let why = refused(&base).await;
        assert_eq!(
            why.message,
            "the server asks for a password, and none was given"
        );
        assert!(why.hint.unwrap().contains("PGPASSWORD"));
    }
}

async fn evidence(stage: &mut Stage, item: usize) -> Evidence {
    match stage.ask(Order::Probe(vec![0, item])).await {
        Body::Probed {
            item: got,
            evidence,
        } if got == item => evidence,
        other => panic!("{other:?}"),
    }
}

async fn probed(book: Runbook, before: &str) -> Stage {
    let name = database(server()).await;
    psql(server(), &name)
        .await
        .batch_execute(before)
        .await
        .unwrap();
    let options = HoldOptions {
        read_timeout: 500,
        ..HoldOptions::default()
    };
    let mut stage = Stage::with(over_socket(server(), &name), book, options);
    stage.connect().await;
    stage
}

/// The sizes that a probe brings.
async fn measured(stage: &mut Stage) -> Measure {
    stage.order(Order::Probe(vec![0]));
    loop {
        if let Body::Measured(measure) = stage.next().await.body {
            return measure;
        }
    }
}

#[tokio::test]
async fn a_probe_brings_the_sizes_of_the_tables_that_the_script_touches() {
    let book = runbook(&[
        "ALTER TABLE full_one ADD COLUMN x int",
        "ALTER TABLE \"S s\".\"It's \\ T\" ADD COLUMN x int",
        "ALTER TABLE parts ADD COLUMN x int",
        "CREATE TABLE new_one (a int)",
        "ALTER TABLE gone ADD COLUMN x int",
        "SELECT 1",
    ]);
    let before =
        "CREATE TABLE full_one (a int); INSERT INTO full_one SELECT generate_series(1, 5000);
         ANALYZE full_one;
         CREATE SCHEMA \"S s\"; CREATE TABLE \"S s\".\"It's \\ T\" (a int);
         CREATE TABLE parts (a int) PARTITION BY LIST (a);
         CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
         INSERT INTO parts SELECT 1 FROM generate_series(1, 5000)";
    let mut stage = probed(book, before).await;
    let measure = measured(&mut stage).await;
    assert_eq!(measure.problem, None);
    assert_eq!(measure.tables.len(), 5);
    let found = |name: &str| {
        let mut tables = measure.tables.iter();
        let table = tables.find(|table| table.name.to_string() == name);
        let size = table.unwrap().found.clone()?;
        Some((size.total.unwrap(), size.rows))
    };
    let (size, rows) = found("full_one").unwrap();
    assert!(
        size.ends_with(" kB") && rows == Some(5000),
        "{size} {rows:?}"
    );
    assert_eq!(
        found("\"S s\".\"It's \\ T\""),
        Some(("0 bytes".into(), None))
    );
    assert_ne!(found("parts").unwrap().0, "0 bytes");
    assert_eq!(found("new_one"), None);
    assert_eq!(found("gone"), None);
}

#[tokio::test]
async fn a_lock_in_the_way_costs_the_sizes_alone() {
    let book = runbook(&["ALTER TABLE held ADD COLUMN x int"]);
    let mut stage = probed(book, "CREATE TABLE held (a int)").await;
    let other = stage.psql().await;
    other
        .batch_execute("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let measure = measured(&mut stage).await;
    let problem = measure.problem.unwrap();
    assert!(
        problem.starts_with("the sizes of the tables could not be read: "),
        "{problem}"
    );
    let found = measure.tables[0].found.clone().unwrap();
    assert_eq!(found.total, None);
    // The session goes on as if nothing had been asked.
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(measured(&mut stage).await.problem, None);
}

#[tokio::test]
async fn the_connection_item_fails_where_no_transaction_can_be_held() {
    let mut stage = probed(runbook(&[]), "").await;
    let good = evidence(&mut stage, 1).await;
    assert_eq!(good.standing, Standing::Holds);
    assert!(
        good.summary.starts_with(&format!("{} on ", stage.database)),
        "{}",
        good.summary
    );

    let mut book = runbook(&[]);
    book.expected_database = Some("wiser_ops".into());
    let mut stage = probed(book, "").await;
    let wrong = evidence(&mut stage, 1).await;
    assert_eq!(wrong.standing, Standing::Fails);
    assert!(
        wrong.summary.ends_with("the runbook is for wiser_ops"),
        "{}",
        wrong.summary
    );

    let read_only = "DO 'BEGIN EXECUTE format(''ALTER DATABASE %I SET default_transaction_read_only = on'', current_database()); END'";
    let mut stage = probed(runbook(&[]), read_only).await;
    let evidence = evidence(&mut stage, 1).await;
    assert_eq!(evidence.standing, Standing::Fails);
    assert!(
        evidence.summary.contains("read-only"),
        "{}",
        evidence.summary
    );
}

#[tokio::test]
async fn the_structure_item_stands_as_its_checks_say() {
    let row =
        |verdict: &str| format!("SELECT 'c' AS \"check\", '{verdict}' AS status, 'd' AS detail");
    let (pass, warn, fail) = (row("PASS"), row("WARN"), row("FAIL"));
    let cases: [(&[&str], Standing, &str); 9] = [
        (&[&pass, &pass], Standing::Holds, "script.sql: 2 of 2 PASS"),
        (
            &[&pass, &warn],
            Standing::Warns,
            "script.sql: 1 of 2 PASS, 1 WARN",
        ),
        (
            &[&pass, &fail],
            Standing::Fails,
            "script.sql: 1 FAIL, 1 of 2 PASS",
        ),
        (&[&warn], Standing::Fails, "script.sql: 0 of 1 PASS, 1 WARN"),
        (
            &["SELECT 1"],
            Standing::Fails,
            "script.sql returned no checks; zero checks is not a pass",
        ),
        (
            &[&pass, "SELECT nothing"],
            Standing::Fails,
            "script.sql stopped at statement 2 (line 2): ERROR: column \"nothing\" does not exist (42703)",
        ),
        (
            &[&pass, "CREATE TABLE t ()"],
            Standing::Fails,
            "script.sql stopped at statement 2 (line 2): ERROR: cannot execute CREATE TABLE in a read-only transaction (25006)",
        ),
        (
            &["SET TRANSACTION READ WRITE", "CREATE TABLE t ()"],
            Standing::Fails,
            "script.sql stopped at statement 1 (line 1): ERROR: transaction read-write mode must be set before any query (25001)",
        ),
        (
            &["COMMIT ", "CREATE TABLE t ()"],
            Standing::Fails,
            "script.sql stopped at statement 1 (line 1): this statement ended the READ ONLY transaction",
        ),
    ];
    for (statements, standing, summary) in cases {
        let mut book = runbook(&[]);
        book.expected_state = Some(script(statements));
        let mut stage = probed(book, "").await;
        let evidence = evidence(&mut stage, 2).await;
        assert_eq!(
            (evidence.standing, evidence.summary.as_str()),
            (standing, summary)
        );
        let made = "SELECT to_regclass('t') IS NULL";
        let row = stage.psql().await.query_one(made, &[]).await.unwrap();
        assert!(row.get::<_, bool>(0), "{statements:?} made a table");
        // The session is free again, or closed where a file got out of its transaction.
        if statements[0] == "COMMIT " {
            while !matches!(stage.next().await.body, Body::SessionEnded(_)) {}
            stage.connect().await;
        }
        stage.begin().await;
    }
}

#[tokio::test]
async fn a_probe_that_takes_too_long_is_ended_and_a_missing_file_is_a_warning() {
    let mut book = runbook(&[]);
    book.expected_state = Some(script(&["SELECT pg_sleep(3600)"]));
    let mut stage = probed(book, "").await;
    let slow = evidence(&mut stage, 2).await;
    // Nothing failed: nothing answered.
    assert_eq!(slow.standing, Standing::Silent);
    assert!(
        slow.summary.contains("statement timeout (57014)"),
        "{}",
        slow.summary
    );

    let mut stage = probed(runbook(&[]), "").await;
    assert_eq!(evidence(&mut stage, 2).await.standing, Standing::Warns);
}

#[tokio::test]
async fn the_post_verification_shows_its_data_and_writes_nothing() {
    let mut book = runbook(&["CREATE TABLE t (i int)"]);
    book.post_verification = Some(script(&[
        "SELECT 'made' AS \"check\", 'PASS' AS status",
        "SELECT count(*) FROM public.t",
    ]));
    let mut stage = probed(book.clone(), "").await;
    let (xid, _) = stage.apply().await;
    stage.commit(&xid).await;
    let Body::PostVerified { results } = stage.ask(Order::PostVerify).await else {
        panic!()
    };
    assert_eq!(results.len(), 2);
    assert_eq!(results[0].checks.len(), 1);
    assert_eq!(
        results[1].result.as_ref().unwrap().rows[0][0].as_deref(),
        Some("0")
    );

    // The session may be gone by then; a new one is made.
    stage.session.sever();
    stage.next().await;
    assert!(matches!(
        stage.ask(Order::PostVerify).await,
        Body::PostVerified { .. }
    ));

    book.post_verification = Some(script(&["SELECT 1", "INSERT INTO public.t VALUES (1)"]));
    let settings = over_socket(server(), &stage.database);
    let mut stage = Stage::with(settings, book, HoldOptions::default());
    let Body::PostVerifyFailed(why) = stage.ask(Order::PostVerify).await else {
        panic!()
    };
    assert_eq!(why.sqlstate.as_deref(), Some("25006"));
    assert_eq!(why.context.unwrap(), "script.sql, statement 2 (line 2)");
}

#[tokio::test]
async fn before_it_is_connected_every_order_says_so() {
    let mut stage = Stage::with(settings(&tcp("")), runbook(&[]), HoldOptions::default());
    for order in [
        Order::Begin,
        Order::RunScript,
        Order::Settle,
        Order::RollBack,
    ] {
        match stage.ask(order).await {
            Body::SessionEnded(why) => assert_eq!(why.message, "there is no session yet"),
            other => panic!("{other:?}"),
        }
    }
    let asked = stage.ask(Order::Inquire).await;
    assert!(
        format!("{asked:?}").contains("no transaction was opened"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn who_holds_locks_on_the_scripts_tables_is_told_before_begin() {
    let mut book = runbook(&["ALTER TABLE public.orders ADD COLUMN n int"]);
    book.expected_state = Some(script(&["SELECT 'c' AS \"check\", 'PASS' AS status"]));
    let mut stage = probed(book, "CREATE TABLE public.orders (id int)").await;
    let quiet = evidence(&mut stage, 2).await;
    assert_eq!(quiet.standing, Standing::Holds, "{}", quiet.summary);

    let report = stage.psql().await;
    report
        .batch_execute("SET application_name = 'nightly report'; BEGIN; SELECT FROM public.orders")
        .await
        .unwrap();
    let busy = evidence(&mut stage, 2).await;
    assert_eq!(busy.standing, Standing::Warns);
    assert!(
        busy.summary.ends_with("1 session holds locks in the way"),
        "{}",
        busy.summary
    );
    let line = &busy.lines[0];
    assert!(line.contains("(nightly report)"), "{line}");
    assert!(line.contains("idle in transaction"), "{line}");
    assert!(line.contains("in the way: ACCESS SHARE of pid "), "{line}");
    assert!(line.contains(", on public.orders, open for "), "{line}");
    assert!(line.ends_with("SELECT FROM public.orders"), "{line}");

    report.batch_execute("ROLLBACK").await.unwrap();
    let quiet = evidence(&mut stage, 2).await;
    assert_eq!(quiet.standing, Standing::Holds, "{}", quiet.summary);
}

#[tokio::test]
async fn whatever_the_script_touches_is_looked_at_though_a_bare_script_has_no_item_for_it() {
    // The referenced table is named by no statement of its own.
    let statement = "CREATE TABLE public.parts (of int REFERENCES public.orders (id))";
    let mut book = runbook(&[]);
    book.script = Script::read("bare.sql", None, format!("{statement};").as_bytes());
    book.items.retain(|item| item.kind != ItemKind::Structure);
    let mut stage = probed(book, "CREATE TABLE public.orders (id int PRIMARY KEY)").await;
    let quiet = evidence(&mut stage, 1).await;
    assert_eq!(quiet.standing, Standing::Holds, "{}", quiet.summary);
    let other = stage.psql().await;
    let hold =
        "SET application_name = 'stagegate'; BEGIN; LOCK public.orders IN ROW EXCLUSIVE MODE";
    other.batch_execute(hold).await.unwrap();
    let busy = evidence(&mut stage, 1).await;
    assert_eq!(busy.standing, Standing::Warns, "{}", busy.summary);
    let line = &busy.lines[0];
    assert!(line.contains("ROW EXCLUSIVE of pid "), "{line}");
    assert!(
        line.contains("another stagegate on this database"),
        "{line}"
    );
}

#[tokio::test]
async fn a_file_of_checks_behind_a_lock_gives_no_answer_and_does_not_fail() {
    let mut book = runbook(&["SELECT 1"]);
    book.expected_state = Some(script(&[
        "SELECT 'c' AS \"check\", 'PASS' AS status FROM public.orders",
    ]));
    let before = "CREATE TABLE public.orders (id int); INSERT INTO public.orders VALUES (1)";
    let mut stage = probed(book, before).await;
    let other = stage.psql().await;
    other
        .batch_execute("BEGIN; LOCK public.orders IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let silent = evidence(&mut stage, 2).await;
    assert_eq!(silent.standing, Standing::Silent, "{}", silent.summary);
    assert!(
        silent
            .summary
            .contains("a lock is held by somebody else: ACCESS EXCLUSIVE of pid "),
        "{}",
        silent.summary
    );
    other.batch_execute("ROLLBACK").await.unwrap();
    let found = evidence(&mut stage, 2).await;
    assert_eq!(found.standing, Standing::Holds, "{}", found.summary);
}
