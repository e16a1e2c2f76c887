//! How a session ends that nobody wanted to end, and how the truth is found afterwards.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::gate::event::{Body, CommitAnswer, Inquiry, ServerMessage, XactStatus};
use stagegate::sandbox::{Options, Sandbox};

use crate::proxy::Proxy;
use crate::stage::{
    Stage, database, over_socket, psql, recorded, runbook, server, settings, within,
};

fn ended(body: Body) -> ServerMessage {
    match body {
        Body::SessionEnded(why) => why,
        other => panic!("{other:?}"),
    }
}

async fn through(proxy: &Proxy, statements: &[&str]) -> Stage {
    let database = database(server()).await;
    let settings = settings(&format!(
        "host=127.0.0.1 port={} user=postgres dbname={database} sslmode=disable",
        proxy.address.port()
    ));
    let mut stage = Stage::with(settings, runbook(statements), HoldOptions::default());
    stage.connect().await;
    stage
}

#[tokio::test]
async fn an_administrator_ending_the_session_is_noticed_at_once() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)"]).await;
    stage.apply().await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    stage.psql().await.batch_execute(others).await.unwrap();
    // Nothing is asked; the report comes by itself.
    let why = ended(stage.next().await.body);
    assert_eq!(why.sqlstate.as_deref(), Some("57P01"));
    assert!(
        why.hint
            .unwrap()
            .contains("rolled the open transaction back")
    );
    for order in [Order::Beat, Order::RollBack, Order::Begin, Order::Settle] {
        assert_eq!(
            ended(stage.ask(order).await).sqlstate.as_deref(),
            Some("57P01")
        );
    }
    // A COMMIT that comes too late is not sent, and is answered as one.
    let CommitAnswer::LinkLost(why) = stage.commit("1").await else {
        panic!()
    };
    assert!(
        why.message.contains("COMMIT was not sent"),
        "{}",
        why.message
    );
    // Connecting again makes a session that works.
    stage.connect().await;
    stage.apply().await;
}

#[tokio::test]
async fn after_the_session_was_ended_the_server_says_aborted() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)"]).await;
    stage.apply().await;
    stage.session.sever();
    ended(stage.next().await.body);
    let mut inquiry = stage.ask(Order::Inquire).await;
    // The server may need a moment to notice.
    while let Body::Asked(Inquiry::Answered {
        status: XactStatus::InProgress,
        ..
    }) = inquiry
    {
        inquiry = stage.ask(Order::Inquire).await;
    }
    let Body::Asked(Inquiry::Answered { status, server }) = inquiry else {
        panic!("{inquiry:?}")
    };
    assert_eq!(status, XactStatus::Aborted);
    assert!(
        server.starts_with("system ") && server.contains("timeline 1"),
        "{server}"
    );
}

#[tokio::test]
async fn without_beats_the_server_ends_the_session() {
    let database = database(server()).await;
    let options = HoldOptions {
        dead_man: 300,
        ..HoldOptions::default()
    };
    let book = runbook(&["CREATE TABLE t (i int)"]);
    let mut stage = Stage::with(over_socket(server(), &database), book, options);
    stage.connect().await;
    stage.apply().await;
    let why = ended(stage.next().await.body);
    assert_eq!(why.sqlstate.as_deref(), Some("25P03"));
    let hint = why.hint.unwrap();
    assert!(hint.contains("heard nothing"), "{hint}");
}

#[tokio::test]
async fn beats_keep_the_session_alive_until_they_stop() {
    let database = database(server()).await;
    let options = HoldOptions {
        dead_man: 2_000,
        ..HoldOptions::default()
    };
    let book = runbook(&["CREATE TABLE t (i int)"]);
    let mut stage = Stage::with(over_socket(server(), &database), book, options);
    stage.connect().await;
    let (xid, _) = stage.apply().await;
    let start = tokio::time::Instant::now();
    // Longer than the limit, each beat well inside it.
    while start.elapsed().as_millis() < 3_000 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert_eq!(stage.ask(Order::Beat).await, Body::Beaten);
    }
    assert!(matches!(stage.commit(&xid).await, CommitAnswer::Tag { .. }));
}

#[tokio::test]
async fn a_script_that_lifts_the_idle_limit_does_not_lift_the_dead_mans_switch() {
    let database = database(server()).await;
    let options = HoldOptions {
        dead_man: 300,
        ..HoldOptions::default()
    };
    let book = runbook(&["SET idle_in_transaction_session_timeout = 0"]);
    let mut stage = Stage::with(over_socket(server(), &database), book, options);
    stage.connect().await;
    stage.apply().await;
    assert_eq!(
        stage.ask(Order::Settle).await,
        Body::Settled {
            same_transaction: true
        }
    );
    assert_eq!(
        ended(stage.next().await.body).sqlstate.as_deref(),
        Some("25P03")
    );
}

#[tokio::test]
async fn a_beat_in_an_aborted_transaction_is_a_beat() {
    let mut stage = Stage::new(&["SELECT 1/0"]).await;
    stage.fail().await;
    assert_eq!(stage.ask(Order::Beat).await, Body::Beaten);
    // It did not end the transaction.
    assert!(matches!(
        stage.ask(Order::Begin).await,
        Body::BeginFailed(_)
    ));
}

#[tokio::test]
async fn severing_ends_a_statement_that_runs() {
    let mut stage = Stage::new(&["SELECT pg_sleep(3600)"]).await;
    stage.begin().await;
    stage.order(Order::RunScript);
    stage.next().await;
    stage.session.sever();
    let why = ended(stage.all().await.pop().unwrap());
    assert_eq!(why.message, "this program closed the link");
}

#[tokio::test]
async fn dropping_the_session_ends_it_and_its_transaction() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)"]).await;
    stage.apply().await;
    let other = stage.psql().await;
    let Stage { session, task, .. } = stage;
    drop(session);
    within("the task ends", task).await.unwrap();
    let rest = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL";
    within("the backend is gone", async {
        while other.query_one(rest, &[]).await.unwrap().get::<_, i64>(0) > 0 {}
    })
    .await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_to_be_committed() {
    let mut proxy = Proxy::to(server().tcp_address().unwrap()).await;
    let mut stage = through(&proxy, &["CREATE TABLE t (i int)"]).await;
    let (xid, _) = stage.apply().await;
    proxy.swallow_answers(true);
    stage.order(Order::Commit(recorded(&xid)));
    let other = stage.psql().await;
    // Swallowed in full: the server has said its last word on it.
    within("the server commits", async {
        let sql = format!("SELECT pg_xact_status('{xid}')");
        while other.query_one(&sql, &[]).await.unwrap().get::<_, &str>(0) != "committed" {}
        while *proxy.swallowed.borrow_and_update() == 0 {
            proxy.swallowed.changed().await.unwrap();
        }
    })
    .await;
    proxy.cut();
    let answer = stage.all().await.pop().unwrap();
    assert!(
        matches!(answer, Body::CommitAnswered(CommitAnswer::LinkLost(_))),
        "{answer:?}"
    );
    proxy.swallow_answers(false);
    let Body::Asked(Inquiry::Answered { status, .. }) = stage.ask(Order::Inquire).await else {
        panic!()
    };
    assert_eq!(status, XactStatus::Committed);
    assert!(matches!(
        stage.ask(Order::PostVerify).await,
        Body::PostVerified { .. }
    ));
}

#[tokio::test]
async fn an_old_backend_that_lives_on_can_be_ended() {
    let proxy = Proxy::to(server().tcp_address().unwrap()).await;
    let mut stage = through(&proxy, &["CREATE TABLE t (i int)"]).await;
    stage.begin().await;
    let other = psql(server(), &stage.database).await;
    let running = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_xid IS NOT NULL";
    assert_eq!(
        other
            .query_one(running, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        1
    );
    // To the server nothing happened.
    proxy.hold_open(true);
    stage.session.sever();
    ended(stage.next().await.body);
    let asked = stage.ask(Order::Inquire).await;
    assert!(
        matches!(
            asked,
            Body::Asked(Inquiry::Answered {
                status: XactStatus::InProgress,
                ..
            })
        ),
        "{asked:?}"
    );
    let asked = stage.ask(Order::EndBackend).await;
    assert!(
        matches!(
            asked,
            Body::Asked(Inquiry::Answered {
                status: XactStatus::Aborted,
                ..
            })
        ),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_crash_of_the_server_is_noticed_and_the_truth_is_found_when_it_is_back() {
    let own = tokio::task::spawn_blocking(|| Sandbox::start(Options::for_tests()).unwrap())
        .await
        .unwrap();
    let database = database(&own).await;
    let book = runbook(&["CREATE TABLE t (i int)"]);
    let mut stage = Stage::with(over_socket(&own, &database), book, HoldOptions::default());
    stage.connect().await;
    let (_, _) = stage.apply().await;
    let own = tokio::task::spawn_blocking(move || {
        own.stop_immediate().unwrap();
        own
    })
    .await
    .unwrap();
    ended(stage.next().await.body);
    stage.order(Order::Inquire);
    let own = tokio::task::spawn_blocking(move || {
        own.restart().unwrap();
        own
    })
    .await
    .unwrap();
    let Some(Body::Asked(Inquiry::Answered { status, .. })) = stage.all().await.pop() else {
        panic!()
    };
    assert_eq!(status, XactStatus::Aborted);
    drop(own);
}

#[tokio::test]
async fn another_server_at_the_same_address_is_not_believed() {
    let start = || {
        tokio::task::spawn_blocking(|| {
            Sandbox::start(Options {
                tcp: true,
                ..Options::for_tests()
            })
            .unwrap()
        })
    };
    let (first, second) = (start().await.unwrap(), start().await.unwrap());
    let proxy = Proxy::to(first.tcp_address().unwrap()).await;
    let settings = settings(&format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres",
        proxy.address.port()
    ));
    let book = runbook(&["CREATE TABLE t (i int)"]);
    let mut stage = Stage::with(settings, book, HoldOptions::default());
    stage.connect().await;
    stage.apply().await;
    proxy.redirect(second.tcp_address().unwrap());
    proxy.cut();
    ended(stage.next().await.body);
    match stage.ask(Order::Inquire).await {
        Body::Asked(Inquiry::OtherServer(why)) => {
            assert!(why.contains("was opened on system"), "{why}")
        }
        other => panic!("{other:?}"),
    }
}
