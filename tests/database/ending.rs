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
async fn a_beat_that_fails_the_transaction_says_so() {
    // Any error in the beat will do: here the script took on a role that may not ask what it asks.
    let before = "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_current_wal_flush_lsn() FROM PUBLIC";
    let statements = ["CREATE TABLE t (i int)", "SET LOCAL ROLE pg_monitor"];
    let mut stage = Stage::set(before, &statements).await;
    stage.apply().await;
    let settled = Body::Settled {
        same_transaction: true,
    };
    assert_eq!(stage.ask(Order::Settle).await, settled);
    assert_eq!(stage.ask(Order::Beat).await, Body::Beaten);
    let Body::FoundFailed(error) = stage.next().await.body else {
        panic!("nothing was said of it");
    };
    assert_eq!(error.sqlstate.as_deref(), Some("42501"));
    // It is told once: the next beats find what is known.
    assert_eq!(stage.ask(Order::Beat).await, Body::Beaten);
    assert!(matches!(
        stage.ask(Order::RollBack).await,
        Body::RollbackAnswered { .. }
    ));
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

/// A server of the test's own, started and stopped beside the tests that share a thread with it.
struct Own(Option<Sandbox>);

impl Own {
    async fn start(options: Options) -> Own {
        let started = tokio::task::spawn_blocking(|| Sandbox::start(options));
        Own(Some(started.await.unwrap().unwrap()))
    }

    fn server(&self) -> &Sandbox {
        self.0.as_ref().unwrap()
    }

    async fn change(&mut self, change: impl FnOnce(&Sandbox) + Send + 'static) {
        let sandbox = self.0.take().unwrap();
        let changed = tokio::task::spawn_blocking(move || {
            change(&sandbox);
            sandbox
        });
        self.0 = Some(changed.await.unwrap());
    }

    async fn crash(&mut self) {
        self.change(|s| s.stop_immediate().unwrap()).await;
    }

    async fn restart(&mut self) {
        self.change(|s| s.restart().unwrap()).await;
    }

    async fn stage(&self, statements: &[&str]) -> Stage {
        let database = database(self.server()).await;
        let settings = over_socket(self.server(), &database);
        let mut stage = Stage::with(settings, runbook(statements), HoldOptions::default());
        stage.connect().await;
        stage
    }
}

/// The next report that is no notice.
async fn after_notices(stage: &mut Stage) -> Body {
    loop {
        match stage.next().await.body {
            Body::Noticed { .. } => {}
            body => return body,
        }
    }
}

async fn inquire(stage: &mut Stage) -> Inquiry {
    match stage.ask(Order::Inquire).await {
        Body::Asked(inquiry) => inquiry,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_crash_of_the_server_is_noticed_and_the_truth_is_found_when_it_is_back() {
    let mut own = Own::start(Options::for_tests()).await;
    let mut stage = own.stage(&["CREATE TABLE t (i int)"]).await;
    stage.apply().await;
    own.crash().await;
    // With a word of farewell, if the backend found the time for it.
    let why = ended(after_notices(&mut stage).await);
    assert!(why.hint.unwrap().contains("open transaction"));
    // Asked while the server is still down: it is waited for.
    stage.order(Order::Inquire);
    own.restart().await;
    let asked = stage.all().await.pop();
    let Some(Body::Asked(Inquiry::Answered { status, .. })) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(status, XactStatus::Aborted);
}

#[tokio::test]
async fn after_a_crash_another_transaction_with_our_number_is_not_taken_for_ours() {
    let mut own = Own::start(Options::for_tests()).await;
    let mut stage = own.stage(&["CREATE TABLE t (i int)"]).await;
    let (xid, _) = stage.apply().await;
    own.crash().await;
    ended(after_notices(&mut stage).await);
    own.restart().await;
    let other = psql(own.server(), &stage.database).await;
    // Somebody else gets the number and commits under it.
    let status = format!("SELECT pg_xact_status('{xid}')");
    within("the number is given out again", async {
        let next = "SELECT pg_current_xact_id()::text";
        let reached = |row: tokio_postgres::Row| {
            row.get::<_, &str>(0).parse::<u64>().unwrap() >= xid.parse().unwrap()
        };
        while !reached(other.query_one(next, &[]).await.unwrap()) {}
    })
    .await;
    let said = other.query_one(&status, &[]).await.unwrap();
    assert_eq!(said.get::<_, &str>(0), "committed");
    let inquiry = inquire(&mut stage).await;
    assert!(
        matches!(&inquiry, Inquiry::Unknowable(why) if why.contains("crashed")),
        "{inquiry:?}"
    );
}

#[tokio::test]
async fn a_commit_that_is_on_disk_is_found_after_a_crash() {
    let mut own = Own::start(Options {
        tcp: true,
        ..Options::for_tests()
    })
    .await;
    let mut proxy = Proxy::to(own.server().tcp_address().unwrap()).await;
    let settings = settings(&format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres",
        proxy.address.port()
    ));
    let book = runbook(&["CREATE TABLE t (i int)"]);
    let mut stage = Stage::with(settings, book, HoldOptions::default());
    stage.connect().await;
    let (xid, _) = stage.apply().await;
    stage.ask(Order::Settle).await;
    psql(own.server(), "postgres")
        .await
        .batch_execute("CHECKPOINT")
        .await
        .unwrap();
    // The beat sees that the number is on disk.
    assert_eq!(stage.ask(Order::Beat).await, Body::NumberDurable);
    assert_eq!(stage.next().await.body, Body::Beaten);
    proxy.swallow_answers(true);
    stage.order(Order::Commit(recorded(&xid)));
    within("the answer is lost", async {
        while *proxy.swallowed.borrow_and_update() == 0 {
            proxy.swallowed.changed().await.unwrap();
        }
    })
    .await;
    own.crash().await;
    proxy.cut();
    stage.all().await;
    own.restart().await;
    proxy.swallow_answers(false);
    let inquiry = inquire(&mut stage).await;
    assert!(
        matches!(
            inquiry,
            Inquiry::Answered {
                status: XactStatus::Committed,
                ..
            }
        ),
        "{inquiry:?}"
    );
}

#[tokio::test]
async fn another_server_at_the_same_address_is_not_believed() {
    let tcp = || Options {
        tcp: true,
        ..Options::for_tests()
    };
    let first = Own::start(tcp()).await;
    // Servers from one template are copies of one another; this one is made from nothing.
    let cache = tempfile::tempdir().unwrap();
    let made = Options {
        cache: Some(cache.path().to_owned()),
        ..tcp()
    };
    let (copy, stranger) = (Own::start(tcp()).await, Own::start(made).await);
    for (second, words) in [
        (copy, "so it is a copy"),
        (stranger, "was opened on system"),
    ] {
        let proxy = Proxy::to(first.server().tcp_address().unwrap()).await;
        let settings = settings(&format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres",
            proxy.address.port()
        ));
        let book = runbook(&["CREATE TABLE t (i int)"]);
        let mut stage = Stage::with(settings, book, HoldOptions::default());
        stage.connect().await;
        stage.apply().await;
        proxy.redirect(second.server().tcp_address().unwrap());
        proxy.cut();
        ended(stage.next().await.body);
        let inquiry = inquire(&mut stage).await;
        assert!(
            matches!(&inquiry, Inquiry::OtherServer(why) if why.contains(words)),
            "{inquiry:?}"
        );
    }
}
