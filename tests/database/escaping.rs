//! Files of checks that try to write by every route there is, past the reader: the server and what
//! it is asked behind each query are all that stands against them here.

use stagegate::database::session::read_only::{self, ReadOnlyLimits, ReadOnlyQuery};
use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::Standing;
use stagegate::gate::event::Body;

use crate::proxy::Proxy;
use crate::stage::{Stage, database, over_socket, psql, runbook, script, server, settings};

const GROUND: &str = "CREATE TABLE victim (i int); CREATE SEQUENCE counter;
    CREATE FUNCTION strike() RETURNS text LANGUAGE plpgsql AS
        $$BEGIN INSERT INTO victim VALUES (1); RETURN 'PASS'; END$$;
    CREATE FUNCTION strike_reset() RETURNS text LANGUAGE plpgsql AS
        $$BEGIN RESET transaction_read_only; INSERT INTO victim VALUES (2); RETURN 'PASS'; END$$;
    CREATE FUNCTION lift() RETURNS text LANGUAGE plpgsql AS
        $$BEGIN RESET transaction_read_only; RETURN 'PASS'; END$$;
    CREATE PROCEDURE ending() LANGUAGE plpgsql AS $$BEGIN COMMIT; INSERT INTO victim VALUES (3); END$$";

const LIMITS: ReadOnlyLimits = ReadOnlyLimits {
    statement: 10_000,
    lock: None,
};

const WRITE: &str = "INSERT INTO victim VALUES (4)";

/// Each is followed by [`WRITE`], COMMIT and [`WRITE`] once more.
const ROUTES: &[&[&str]] = &[
    &["COMMIT WORK"],
    &["END TRANSACTION"],
    &["ROLLBACK"],
    &["ABORT"],
    &["COMMIT AND CHAIN", "SET TRANSACTION READ WRITE"],
    &["ROLLBACK AND CHAIN", "SET TRANSACTION READ WRITE"],
    &["COMMIT AND CHAIN", "SET transaction_read_only = off"],
    &[
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "COMMIT WORK",
    ],
    &[
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "COMMIT WORK",
    ],
    &[
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "COMMIT AND CHAIN",
    ],
    &["UPDATE pg_settings SET setting = 'off' WHERE name ~ 'transaction_read_only'"],
    &["SET TRANSACTION READ WRITE"],
    &["SET transaction_read_only = off"],
    &["SET LOCAL transaction_read_only = off"],
    &["SET transaction_read_only TO DEFAULT"],
    &["RESET transaction_read_only"],
    &["RESET ALL"],
    &["DISCARD ALL"],
    &["SELECT set_config('transaction_read_only', NULL, true)"],
    &["SELECT set_config('transaction_read_only', 'off', true)"],
    &["DO $$BEGIN PERFORM set_config('transaction_read_only', NULL, true); END$$"],
    &["DO $$BEGIN RESET transaction_read_only; INSERT INTO victim VALUES (5); END$$"],
    &["DO $$BEGIN COMMIT; INSERT INTO victim VALUES (6); END$$"],
    &["SELECT strike()"],
    &["SELECT strike_reset()"],
    &["SELECT lift()", "SELECT strike()"],
    &["CALL ending()"],
    &["SAVEPOINT s", "SET TRANSACTION READ WRITE"],
    &["SAVEPOINT s", "SELECT lift()", "RELEASE s"],
    &["PREPARE TRANSACTION 'gone'"],
    &["BEGIN READ WRITE"],
    &["START TRANSACTION READ WRITE"],
    &["SELECT 1; COMMIT; INSERT INTO victim VALUES (7)"],
    &["COMMIT; BEGIN; INSERT INTO victim VALUES (8); COMMIT"],
    &[
        "SELECT set_config('standard_conforming_strings', 'off', false)",
        "SELECT '\\' || '; COMMIT; INSERT INTO victim VALUES (9); --'",
    ],
    &["CREATE TABLE victim2 (i int)"],
    &["SELECT * INTO victim3 FROM victim"],
    &["CREATE TEMP TABLE t (i int)", "INSERT INTO t VALUES (1)"],
    &["WITH w AS (INSERT INTO victim VALUES (10) RETURNING i) SELECT i FROM w"],
    &["EXPLAIN ANALYZE INSERT INTO victim VALUES (11)"],
    &["PREPARE q AS INSERT INTO victim VALUES (12)", "EXECUTE q"],
    &["SELECT nextval('counter')"],
    &["SELECT setval('counter', 9)"],
    &["LOCK TABLE victim IN ACCESS EXCLUSIVE MODE"],
    &["SELECT * FROM victim FOR UPDATE"],
    &["NOTIFY x", "VACUUM victim"],
    &["COPY victim FROM PROGRAM 'echo 13'"],
    &["COPY (SELECT 14) TO '/dev/null'"],
    &["SELECT pg_catalog.lo_create(15)"],
    &["SET SESSION AUTHORIZATION DEFAULT", "SET ROLE NONE"],
    &["ALTER ROLE CURRENT_USER SET work_mem = '1MB'"],
];

/// What is there that only a write can have left.
async fn traces(name: &str) -> String {
    let client = psql(server(), name).await;
    let row = client
        .query_one(
            "SELECT concat_ws(', ', (SELECT string_agg(i::text, ' ') FROM victim),
                (SELECT string_agg(relname::text, ' ') FROM pg_class WHERE relname ~ 'victim.'),
                (SELECT 'counter' FROM counter WHERE is_called),
                (SELECT string_agg(gid, ' ') FROM pg_prepared_xacts),
                (SELECT 'object' FROM pg_largeobject_metadata),
                (SELECT 'setting' FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = setrole
                    WHERE rolname = current_user AND setdatabase = 0))",
            &[],
        )
        .await
        .unwrap();
    row.get(0)
}

fn routes() -> impl Iterator<Item = Vec<&'static str>> {
    ROUTES.iter().map(|route| {
        let behind = [WRITE, "COMMIT WORK", WRITE];
        route.iter().copied().chain(behind).collect()
    })
}

#[tokio::test]
async fn no_text_writes_on_a_session_that_only_looks() {
    let name = database(server()).await;
    psql(server(), &name)
        .await
        .batch_execute(GROUND)
        .await
        .unwrap();
    let settings = over_socket(server(), &name);
    let mut got_out = 0;
    for route in routes() {
        let (mut link, _) = read_only::open(&settings).await.unwrap();
        let ran = read_only::script(&mut link, &script(&route), LIMITS, Some("public")).await;
        let stopped = ran.unwrap().expect_err("something stands against it");
        if stopped.escaped {
            got_out += 1;
            let asked = link.row("SELECT 1").await;
            assert!(asked.is_err(), "{route:?}: the connection is still there");
        } else {
            // The next file finds the session as if nothing had been.
            let next = read_only::script(
                &mut link,
                &script(&["SELECT strike()"]),
                LIMITS,
                Some("public"),
            )
            .await;
            let stopped = next.unwrap().expect_err("it writes");
            assert_eq!(
                stopped.error.sqlstate.as_deref(),
                Some("25006"),
                "{route:?}"
            );
        }
        assert_eq!(traces(&name).await, "", "{route:?}: {stopped:?}");
    }
    // Otherwise the server alone did all of it, and what looks behind it was never tried.
    assert!(got_out >= 8, "{got_out}");
}

/// That a session is READ ONLY is not taken on trust: what stands in between may have dropped the wish.
#[tokio::test]
async fn a_session_that_the_server_did_not_make_read_only_is_not_used() {
    let name = database(server()).await;
    let proxy = Proxy::to(server().tcp_address().unwrap()).await;
    let port = proxy.address.port();
    let through = settings(&format!(
        "host=127.0.0.1 port={port} user=postgres dbname={name} sslmode=disable"
    ));
    // What hides nothing is fine.
    read_only::open(&through).await.unwrap();
    proxy.forget_read_only();
    let Err(why) = read_only::open(&through).await else {
        panic!("it looks through a session that may write");
    };
    assert_eq!(
        why.message,
        "the server did not make this session read-only, so nothing was looked at"
    );
}

#[tokio::test]
async fn whatever_becomes_of_one_query_the_others_write_nothing() {
    let name = database(server()).await;
    psql(server(), &name)
        .await
        .batch_execute(GROUND)
        .await
        .unwrap();
    let settings = over_socket(server(), &name);
    let limits = ReadOnlyLimits {
        statement: 10_000,
        lock: Some(500),
    };
    for route in routes() {
        let (mut link, _) = read_only::open(&settings).await.unwrap();
        let script = script(&route);
        let queries: Vec<ReadOnlyQuery<'_>> = script.sent().map(ReadOnlyQuery::from).collect();
        let answers = read_only::each(&mut link, &queries, limits).await.unwrap();
        assert!(answers.iter().any(Result::is_err), "{route:?}");
        assert_eq!(traces(&name).await, "", "{route:?}");
    }
}

#[tokio::test]
async fn what_is_run_after_a_commit_or_for_the_checklist_writes_nothing() {
    let name = database(server()).await;
    psql(server(), &name)
        .await
        .batch_execute(GROUND)
        .await
        .unwrap();
    for route in routes() {
        let connected = async || {
            let mut book = runbook(&["SELECT 1"]);
            book.post_verification = Some(script(&route));
            book.expected_state = Some(script(&route));
            let settings = over_socket(server(), &name);
            let mut stage = Stage::with(settings, book, HoldOptions::default());
            stage.connect().await;
            stage
        };
        let verified = connected().await.ask(Order::PostVerify).await;
        assert!(
            matches!(verified, Body::PostVerifyFailed(_)),
            "{route:?}: {verified:?}"
        );
        assert_eq!(traces(&name).await, "", "{route:?}");
        let probed = connected().await.ask(Order::Probe(vec![2])).await;
        let standing = match &probed {
            // What can be told about the tables comes behind it, and finds no connection.
            Body::SessionEnded(_) => Standing::Fails,
            Body::Probed { evidence, .. } => evidence.standing,
            _ => panic!("{route:?}: {probed:?}"),
        };
        assert_eq!(standing, Standing::Fails, "{route:?}");
        assert_eq!(traces(&name).await, "", "{route:?}");
    }
}
