//! What is asked for a checklist on a new connection, together with what was reached.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::{Evidence, Standing};
use stagegate::gate::event::Body;
use stagegate::runbook::Runbook;

use crate::proxy::Proxy;
use crate::stage::{Stage, database, psql, runbook, script, server, settings, within};

/// A runbook with a file of checks. What its script touches is known before anything is connected to.
fn weighed() -> Runbook {
    let mut book = runbook(&["ALTER TABLE public.t ADD COLUMN j int"]);
    book.expected_state = Some(script(&["SELECT 'x' AS c, 'PASS' AS status", "SELECT 1"]));
    book.read_through();
    book
}

/// A session of it that is connected through this proxy, and its database.
async fn connected(proxy: &Proxy) -> (Stage, String) {
    let database = database(server()).await;
    let to = settings(&format!(
        "host=127.0.0.1 port={} user=postgres dbname={database} sslmode=disable",
        proxy.address.port()
    ));
    let mut stage = Stage::with(to, weighed(), HoldOptions::default());
    stage.connect().await;
    (stage, database)
}

/// The evidence for the connection and for the structure.
async fn evidence(stage: &mut Stage) -> [Evidence; 2] {
    stage.order(Order::Probe(vec![1, 2]));
    let mut found = Vec::new();
    for item in [1, 2] {
        match stage.next().await.body {
            Body::Probed { item: of, evidence } => {
                assert_eq!(of, item);
                found.push(evidence);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(stage.next().await.body, Body::Measured(_)));
    found.try_into().unwrap()
}

#[tokio::test]
async fn the_first_evidence_comes_with_what_was_reached_and_the_next_one_is_asked_for_anew() {
    let proxy = Proxy::to(server().tcp_address().unwrap()).await;
    proxy.linger(true);
    let (mut stage, _) = connected(&proxy).await;
    let mut before = proxy.flights();
    for (flights, when) in [(1, "the sizes alone"), (2, "the evidence, and the sizes")] {
        let found = evidence(&mut stage).await;
        let standings = found.map(|found| found.standing);
        assert_eq!(standings, [Standing::Holds, Standing::Holds], "{when}");
        assert_eq!(proxy.flights() - before, flights, "{when}");
        before = proxy.flights();
    }
}

#[tokio::test]
async fn whoever_begins_without_a_checklist_lets_what_was_asked_for_one_pass() {
    let proxy = Proxy::to(server().tcp_address().unwrap()).await;
    let (mut stage, database) = connected(&proxy).await;
    let by_hand = psql(server(), &database).await;
    by_hand
        .batch_execute("CREATE TABLE public.t (i int)")
        .await
        .unwrap();
    let (xid, _) = stage.apply().await;
    let answer = stage.commit(&xid).await;
    assert!(format!("{answer:?}").contains("COMMIT"), "{answer:?}");
    let columns =
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attname = 'j'";
    let row = by_hand.query_one(columns, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn the_end_of_a_session_is_noticed_where_nobody_orders_a_checklist() {
    let proxy = Proxy::to(server().tcp_address().unwrap()).await;
    let (mut stage, database) = connected(&proxy).await;
    let by_hand = psql(server(), &database).await;
    let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    by_hand.batch_execute(ends).await.unwrap();
    let next = within("the end is told", stage.next()).await;
    assert!(matches!(next.body, Body::SessionEnded(_)), "{next:?}");
}

/// What is asked runs in transactions that only read, and one of them is open when the link breaks.
#[tokio::test]
async fn a_link_that_breaks_while_questions_are_answered_is_not_said_to_roll_back() {
    for ordered in [false, true] {
        let proxy = Proxy::to(server().tcp_address().unwrap()).await;
        proxy.cut_when_open();
        let (mut stage, _) = connected(&proxy).await;
        if ordered {
            stage.order(Order::Probe(vec![1, 2]));
        }
        let why = within("the end is told", async {
            loop {
                if let Body::SessionEnded(why) = stage.next().await.body {
                    return why;
                }
            }
        })
        .await;
        let hint = why.hint.unwrap();
        assert!(hint.ends_with("nothing was rolled back"), "{hint}");
    }
}

/// As on a system that cannot tell whether a client has vanished.
#[tokio::test]
async fn what_was_asked_in_vain_of_a_server_that_cannot_look_for_its_client_is_asked_again() {
    let proxy = Proxy::to(server().tcp_address().unwrap()).await;
    proxy.mishear(
        &["client_connection_check_interval"],
        "client_connection_check_never",
    );
    let (mut stage, _) = connected(&proxy).await;
    let found = evidence(&mut stage).await;
    let standings = found.map(|found| found.standing);
    assert_eq!(standings, [Standing::Holds, Standing::Holds]);
}
