//! How often the program waits for the server while locks are held, counted at the wire.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::{Standing, XactStatus};
use stagegate::gate::event::{Body, CommitAnswer};
use stagegate::runbook::Runbook;

use crate::proxy::Proxy;
use crate::stage::{Stage, database, psql, runbook, script, server, settings};

/// A connected session, and the proxy that it is connected through.
async fn through_a_proxy(statements: &[&str]) -> (Stage, Proxy) {
    let mut book = runbook(statements);
    book.post_verification = Some(script(&["SELECT 'x' AS c, 'PASS' AS status", "SELECT 1"]));
    connected(book).await
}

async fn connected(book: Runbook) -> (Stage, Proxy) {
    let proxy = Proxy::to(server().tcp_address().unwrap()).await;
    let database = database(server()).await;
    let to = settings(&format!(
        "host=127.0.0.1 port={} user=postgres dbname={database} sslmode=disable",
        proxy.address.port()
    ));
    let mut stage = Stage::with(to, book, HoldOptions::default());
    stage.connect().await;
    proxy.linger(true);
    (stage, proxy)
}

/// How many round trips that took.
macro_rules! flights {
    ($proxy:expr, $done:expr) => {{
        let before = $proxy.flights();
        let done = $done;
        ($proxy.flights() - before, done)
    }};
}

#[tokio::test]
async fn from_begin_to_the_verdict_and_from_enter_to_the_outcome_each_step_is_one_round_trip() {
    let statements = [
        "CREATE TABLE public.t (i int)",
        "ALTER TABLE public.t ADD COLUMN j int",
        "INSERT INTO public.t VALUES (1, 2)",
        "SELECT 'x' AS c, 'PASS' AS status",
    ];
    let (mut stage, proxy) = through_a_proxy(&statements).await;
    let (begun, (xid, _)) = flights!(proxy, stage.begin().await);
    assert_eq!(begun, 1, "BEGIN, and what is prepared ahead of it");
    stage.order(Order::RunScript);
    let (ran, said) = flights!(proxy, stage.all().await);
    assert_eq!(said.last(), Some(&Body::ScriptFinished), "{said:?}");
    assert_eq!(ran, 1, "the script with the looks at its locks");
    let (settled, body) = flights!(proxy, stage.ask(Order::Settle).await);
    let same_transaction = true;
    assert_eq!(body, Body::Settled { same_transaction });
    assert_eq!(settled, 1, "what comes before the decision");
    let (committed, answer) = flights!(proxy, stage.commit(&xid).await);
    let proven = Some(XactStatus::Committed);
    assert!(
        matches!(&answer, CommitAnswer::Tag { xact_status, .. } if *xact_status == proven),
        "{answer:?}"
    );
    assert_eq!(committed, 1, "COMMIT and its proof");
    let (verified, body) = flights!(proxy, stage.ask(Order::PostVerify).await);
    assert!(matches!(body, Body::PostVerified { .. }), "{body:?}");
    assert_eq!(verified, 1, "the post-verification");
}

/// What a rehearsal asks at its end, with the script's locks held, is in the flight of what stands before it.
#[tokio::test]
async fn comparing_the_structure_at_the_end_of_a_rehearsal_takes_no_round_trip_of_its_own() {
    let rehearsal = Runbook::load(None).unwrap().rehearsal().unwrap();
    let asked: Vec<&str> = rehearsal.script.sent().map(|one| &*one.text).collect();
    let place = |words: &str| asked.iter().position(|sql| sql.contains(words)).unwrap();
    let start = &asked[..=place("INSERT INTO pg_temp.stagegate_structure_before")];
    let end = &asked[place("SET LOCAL jit") - 1..];
    let held = ["CREATE TABLE public.t (i int)", "DROP TABLE public.t"];
    let mut took = Vec::new();
    for statements in [[start, &held].concat(), [start, &held, end].concat()] {
        let (mut stage, proxy) = through_a_proxy(&statements).await;
        stage.begin().await;
        stage.order(Order::RunScript);
        let (ran, said) = flights!(proxy, stage.all().await);
        assert_eq!(said.last(), Some(&Body::ScriptFinished), "{said:?}");
        took.push(ran);
    }
    assert_eq!(took[0], took[1], "{end:?}");
}

/// Rare: where COMMIT would not wait for the disk, or its number may not be asked, something more is
/// said to the server before the decision.
#[tokio::test]
async fn what_only_some_servers_need_costs_those_one_round_trip_more_each() {
    let revoke =
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_current_xact_id_if_assigned() FROM PUBLIC";
    let cases: [(&[&str], usize); 3] = [
        (&["SET LOCAL synchronous_commit = off", "SELECT 1"], 2),
        (&[revoke, "SET ROLE pg_monitor", "SELECT 1"], 2),
        (
            &[
                revoke,
                "SET LOCAL synchronous_commit = off",
                "SET ROLE pg_monitor",
                "SELECT 1",
            ],
            3,
        ),
    ];
    for (statements, expected) in cases {
        let (mut stage, proxy) = through_a_proxy(statements).await;
        let (xid, _) = stage.apply().await;
        let (settled, body) = flights!(proxy, stage.ask(Order::Settle).await);
        let same_transaction = true;
        assert_eq!(body, Body::Settled { same_transaction }, "{statements:?}");
        assert_eq!(settled, expected, "{statements:?}");
        let answer = stage.commit(&xid).await;
        assert!(format!("{answer:?}").contains("COMMIT"), "{answer:?}");
    }
}

#[tokio::test]
async fn the_evidence_of_a_checklist_takes_one_round_trip_with_its_file_of_checks() {
    let statements = ["ALTER TABLE public.t ADD COLUMN j int"];
    let mut book = runbook(&statements);
    book.expected_state = Some(script(&["SELECT 'x' AS c, 'PASS' AS status", "SELECT 1"]));
    let (mut stage, proxy) = connected(book).await;
    let before = proxy.flights();
    stage.order(Order::Probe(vec![1, 2]));
    for item in [1, 2] {
        match stage.next().await.body {
            Body::Probed { item: found, .. } => assert_eq!(found, item),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(proxy.flights() - before, 1);
    assert!(matches!(stage.next().await.body, Body::Measured(_)));
    assert_eq!(
        proxy.flights() - before,
        2,
        "with the sizes, which are no evidence"
    );
}

#[tokio::test]
async fn where_nobody_may_ask_who_is_in_the_way_the_file_of_checks_is_run_all_the_same() {
    let database = database(server()).await;
    let by_hand = psql(server(), &database).await;
    let revoke = "REVOKE SELECT ON pg_catalog.pg_locks FROM PUBLIC;
        DO 'BEGIN CREATE ROLE locks_unseen LOGIN; EXCEPTION WHEN OTHERS THEN NULL; END'";
    by_hand.batch_execute(revoke).await.unwrap();
    let mut book = runbook(&["SELECT 1"]);
    book.expected_state = Some(script(&["SELECT 'x' AS c, 'PASS' AS status"]));
    let to = settings(&format!(
        "host={} port={} user=locks_unseen dbname={database}",
        server().socket_dir().display(),
        server().port()
    ));
    let mut stage = Stage::with(to, book, HoldOptions::default());
    stage.connect().await;
    stage.order(Order::Probe(vec![2]));
    match stage.next().await.body {
        Body::Probed { item, evidence } => {
            assert_eq!(item, 2);
            assert_eq!(evidence.standing, Standing::Holds, "{evidence:?}");
        }
        other => panic!("{other:?}"),
    }
}
