//! How a session ends that nobody wanted to end, and how the truth is found afterwards.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::facts::{Inquiry, ServerMessage, XactStatus};
use stagegate::gate::event::{Body, CommitAnswer};
use stagegate::runbook::question::Question;
use stagegate::runbook::script::Script;
use stagegate::sandbox::{Sandbox, SandboxOptions};
use tokio_postgres::Client;

use crate::proxy::Proxy;
use crate::stage::{
    Stage, database, over_socket, psql, recorded, runbook, script, server, settings, within,
};
use std::time::Duration;

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
    for order in [Order::RollBack, Order::Begin, Order::Settle] {
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
async fn a_session_that_ends_with_nothing_open_is_not_said_to_be_rolled_back() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)"]).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    stage.psql().await.batch_execute(others).await.unwrap();
    let why = ended(stage.next().await.body);
    let hint = why.hint.unwrap();
    assert!(
        hint.contains("the run had no transaction open, so nothing was rolled back"),
        "{hint}"
    );
}

/// Nobody who reads of it is to think that COMMIT had no effect.
#[tokio::test]
async fn a_session_that_ends_behind_commit_is_not_said_to_have_had_no_transaction() {
    for asked in [false, true] {
        let mut stage = Stage::new(&["CREATE TABLE t (i int)"]).await;
        let (xid, _) = stage.apply().await;
        stage.commit(&xid).await;
        let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let others = stage.psql().await.batch_execute(others).await;
        others.unwrap();
        if asked {
            stage.order(Order::PostVerify);
        }
        let why = ended(stage.next().await.body);
        let told = format!("transaction {xid} had its end before that, which stays as it is");
        let hint = why.hint.unwrap();
        assert!(hint.ends_with(&told), "{hint}");
    }
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

/// A session with little patience on either side, in the middle of a transaction.
async fn held(statements: &[&str], dead_man: u64, hold_limit: u64) -> (Stage, String) {
    let database = database(server()).await;
    let options = HoldOptions {
        dead_man,
        hold_limit,
        ..HoldOptions::default()
    };
    let book = runbook(statements);
    let mut stage = Stage::with(over_socket(server(), &database), book, options);
    stage.connect().await;
    let (xid, _) = stage.apply().await;
    (stage, xid)
}

/// Waits until that many requests more were answered in the only open transaction of the database:
/// how often its backend became idle tells it.
pub async fn wait_for_beats(stage: &Stage, how_many: usize) {
    let client = stage.psql().await;
    let sql = "SELECT state_change::text FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'";
    let mut seen = std::collections::BTreeSet::new();
    within("the session beats", async {
        while seen.len() <= how_many {
            for row in client.query(sql, &[]).await.unwrap() {
                seen.insert(row.get::<_, String>(0));
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_session_keeps_the_transaction_alive_by_itself_while_nobody_asks_anything() {
    let (mut stage, xid) = held(&["CREATE TABLE t (i int)"], 1_500, 60_000).await;
    // Four times what the server waits for a sign of life. Nobody orders or reads anything.
    wait_for_beats(&stage, 12).await;
    assert!(matches!(stage.commit(&xid).await, CommitAnswer::Tag { .. }));
    // Nothing is beaten for once it is over.
    let client = stage.psql().await;
    let open = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND xact_start \
        IS NOT NULL AND pid <> pg_backend_pid()";
    assert!(client.query(open, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn at_the_holds_end_the_session_lets_go_though_nobody_asks_it_to() {
    let (mut stage, _) = held(&["CREATE TABLE t (i int)"], 1_500, 1_000).await;
    let why = ended(stage.next().await.body);
    assert!(why.message.contains("hold limit"), "{}", why.message);
    assert!(aborted(&mut stage).await, "and nothing is left of it");
    // What was said of that session is not said of the next.
    stage.connect().await;
    stage.apply().await;
    stage.session.sever();
    let why = ended(stage.next().await.body);
    assert_eq!(why.message, "this program closed the link");
}

#[tokio::test]
async fn at_the_holds_end_a_statement_that_runs_is_let_go_of_too() {
    let database = database(server()).await;
    let options = HoldOptions {
        hold_limit: 1_000,
        ..HoldOptions::default()
    };
    let book = runbook(&["CREATE TABLE t (i int)", "SELECT pg_sleep(3600)"]);
    let mut stage = Stage::with(over_socket(server(), &database), book, options);
    stage.connect().await;
    stage.begin().await;
    stage.order(Order::RunScript);
    let said = stage.all().await;
    // The cancel that goes before may be answered first.
    let why = match said.last().unwrap() {
        Body::StatementFailed { .. } => ended(stage.next().await.body),
        other => ended(other.clone()),
    };
    assert!(why.message.contains("hold limit"), "{}", why.message);
    assert!(aborted(&mut stage).await);
}

#[tokio::test]
async fn a_renewed_hold_is_held_until_its_new_end() {
    let (mut stage, xid) = held(&["CREATE TABLE t (i int)"], 1_500, 2_000).await;
    stage.session.renew(60_000);
    // Longer than the first hold and its grace.
    wait_for_beats(&stage, 10).await;
    assert!(matches!(stage.commit(&xid).await, CommitAnswer::Tag { .. }));
}

/// Whether the server says so in the end; it may need a moment to notice.
async fn aborted(stage: &mut Stage) -> bool {
    loop {
        let Body::Asked(Inquiry::Answered { status, .. }) = stage.ask(Order::Inquire).await else {
            panic!("nobody answers");
        };
        if status != XactStatus::InProgress {
            return status == XactStatus::Aborted;
        }
    }
}

#[tokio::test]
async fn a_script_that_lifts_the_idle_limit_does_not_lift_the_dead_mans_switch() {
    let mut stage = Stage::new(&["SET idle_in_transaction_session_timeout = 0"]).await;
    stage.apply().await;
    stage.ask(Order::Settle).await;
    let question = Question::read("SHOW idle_in_transaction_session_timeout").unwrap();
    let Body::Looked(looked) = stage.ask(Order::Query(question, 10_000)).await else {
        panic!("no answer");
    };
    let rows = looked.answer.unwrap().set.rows;
    assert_eq!(rows, [[Some("15s".to_owned())]]);
}

#[tokio::test]
async fn a_transaction_that_a_script_ended_is_told_as_gone() {
    // As if the reader of the script had not known what END is.
    let mut stage = Stage::new(&["CREATE TABLE t (i int)", "END", "SELECT 1"]).await;
    let (number, _) = stage.fail().await;
    assert_eq!(number, 2);
    assert_eq!(stage.next().await.body, Body::TransactionGone);
    // It is told once, and not again of a session that has none.
    assert!(matches!(
        stage.ask(Order::Settle).await,
        Body::Settled {
            same_transaction: false
        }
    ));
}

#[tokio::test]
async fn a_script_that_does_not_wait_for_the_disk_waits_for_it_at_commit() {
    let mut stage = Stage::new(&["SET synchronous_commit = off"]).await;
    stage.apply().await;
    stage.ask(Order::Settle).await;
    let question = Question::read("SHOW synchronous_commit").unwrap();
    let Body::Looked(looked) = stage.ask(Order::Query(question, 10_000)).await else {
        panic!("no answer");
    };
    let rows = looked.answer.unwrap().set.rows;
    assert_eq!(rows, [[Some("on".to_owned())]]);
}

#[tokio::test]
async fn a_script_that_ends_its_own_session_is_told_as_that() {
    let ends = "SELECT pg_terminate_backend(pg_backend_pid())";
    let mut stage = Stage::new(&[]).await;
    let mut book = runbook(&["SELECT 1", ends]);
    // As the reader reads it.
    let read = Script::read("t.sql", None, format!("SELECT 1;\n{ends};").as_bytes());
    book.script = read;
    let settings = over_socket(server(), &stage.database);
    stage = Stage::with(settings, book, HoldOptions::default());
    stage.connect().await;
    stage.begin().await;
    stage.order(Order::RunScript);
    let why = ended(stage.all().await.pop().unwrap());
    assert_eq!(why.sqlstate.as_deref(), Some("57P01"));
    let hint = why.hint.unwrap();
    assert!(
        hint.starts_with("the statement on line 2 ends sessions"),
        "{hint}"
    );
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

/// Commits; the answer is swallowed in full, so the server has said its last word on it, and the link is
/// cut then.
pub async fn commit_without_its_answer(
    stage: &mut Stage,
    proxy: &mut Proxy,
    other: &Client,
    xid: &str,
) {
    proxy.swallow_answers(true);
    stage.order(Order::Commit(recorded(xid)));
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
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_to_be_committed() {
    let mut proxy = Proxy::to(server().tcp_address().unwrap()).await;
    let mut stage = through(&proxy, &["CREATE TABLE t (i int)"]).await;
    let (xid, _) = stage.apply().await;
    let other = stage.psql().await;
    commit_without_its_answer(&mut stage, &mut proxy, &other, &xid).await;
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
pub struct Own(Option<Sandbox>);

impl Own {
    pub async fn start(options: SandboxOptions) -> Own {
        let started = tokio::task::spawn_blocking(|| Sandbox::start(options));
        Own(Some(started.await.unwrap().unwrap()))
    }

    pub fn server(&self) -> &Sandbox {
        self.0.as_ref().unwrap()
    }

    pub async fn change(&mut self, change: impl FnOnce(&Sandbox) + Send + 'static) {
        let sandbox = self.0.take().unwrap();
        let changed = tokio::task::spawn_blocking(move || {
            change(&sandbox);
            sandbox
        });
        self.0 = Some(changed.await.unwrap());
    }

    pub async fn crash(&mut self) {
        self.change(|s| s.stop_immediate().unwrap()).await;
    }

    pub async fn restart(&mut self) {
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
    let mut own = Own::start(SandboxOptions::for_tests()).await;
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
    // Nothing of the transaction may be on disk by itself: its number would never be given out again.
    let options = SandboxOptions::for_tests().with("wal_writer_delay", "10s");
    let mut own = Own::start(options).await;
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
    let mut own = Own::start(SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    })
    .await;
    let mut proxy = Proxy::to(own.server().tcp_address().unwrap()).await;
    let settings = settings(&format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres",
        proxy.address.port()
    ));
    let book = runbook(&["CREATE TABLE t (i int)"]);
    let options = HoldOptions {
        dead_man: 1_500,
        ..HoldOptions::default()
    };
    let mut stage = Stage::with(settings, book, options);
    stage.connect().await;
    let (xid, _) = stage.apply().await;
    stage.ask(Order::Settle).await;
    psql(own.server(), "postgres")
        .await
        .batch_execute("CHECKPOINT")
        .await
        .unwrap();
    // A beat sees that the number is on disk.
    assert_eq!(stage.next().await.body, Body::NumberDurable);
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
    let tcp = || SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    };
    let first = Own::start(tcp()).await;
    // Servers from one template are copies of one another; this one is made from nothing.
    let cache = tempfile::tempdir().unwrap();
    let made = SandboxOptions {
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

/// Where the server's files lie.
pub fn data_of(server: &Sandbox) -> std::path::PathBuf {
    let pid = server.pid().unwrap();
    std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap()
}

/// A copy made after BEGIN has the transaction's number and its WAL, and knows nothing of a COMMIT
/// that the server itself may have seen.
#[tokio::test]
async fn a_copy_made_after_begin_is_not_believed() {
    let mut own = Own::start(SandboxOptions::for_tests()).await;
    let mut stage = own.stage(&["CREATE TABLE t (i int)"]).await;
    stage.apply().await;
    let data = data_of(own.server());
    own.crash().await;
    ended(after_notices(&mut stage).await);
    own.change(move |_| crate::copying::put_a_copy(&data)).await;
    own.restart().await;
    let inquiry = inquire(&mut stage).await;
    assert!(
        matches!(&inquiry, Inquiry::OtherServer(why) if why.contains("so it is a copy")),
        "{inquiry:?}"
    );
}

/// Only the files tell a server that was started again from a copy of it.
#[tokio::test]
async fn a_role_that_cannot_see_the_files_is_not_told_a_guess() {
    for may_see in [false, true] {
        let mut own = Own::start(SandboxOptions::for_tests()).await;
        let database = database(own.server()).await;
        let client = psql(own.server(), &database).await;
        let grant = match may_see {
            true => "GRANT EXECUTE ON FUNCTION pg_stat_file(text) TO plain",
            false => "",
        };
        client
            .batch_execute(&format!(
                "CREATE ROLE plain LOGIN; GRANT CREATE ON SCHEMA public TO plain; {grant}"
            ))
            .await
            .unwrap();
        drop(client);
        let mut settings = over_socket(own.server(), &database);
        settings.user = "plain".into();
        let book = runbook(&["CREATE TABLE t (i int)"]);
        let mut stage = Stage::with(settings, book, HoldOptions::default());
        stage.connect().await;
        stage.apply().await;
        own.crash().await;
        ended(after_notices(&mut stage).await);
        own.restart().await;
        let inquiry = inquire(&mut stage).await;
        let right = match &inquiry {
            Inquiry::Unknowable(why) => !may_see && why.contains("a copy of them"),
            Inquiry::Answered { status, .. } => may_see && *status == XactStatus::Aborted,
            _ => false,
        };
        assert!(right, "{may_see}: {inquiry:?}");
    }
}

/// Whoever leaves a checklist leaves no query behind, and nobody in the queue for a lock.
#[tokio::test]
async fn a_question_to_which_nobody_listens_any_more_ends() {
    let name = database(server()).await;
    let other = psql(server(), &name).await;
    let mut waiter = psql(server(), &name).await;
    other.batch_execute("CREATE TABLE t (i int)").await.unwrap();
    let lock = waiter.transaction().await.unwrap();
    let minutes = 600_000;
    for (asks, event) in [
        ("SELECT pg_sleep(600)", "PgSleep"),
        ("SELECT count(*) FROM public.t", "relation"),
    ] {
        let mut book = runbook(&["SELECT 1"]);
        book.post_verification = Some(script(&[asks]));
        let options = HoldOptions {
            read_timeout: minutes,
            ..HoldOptions::default()
        };
        let mut stage = Stage::with(over_socket(server(), &name), book, options);
        stage.connect().await;
        lock.batch_execute("LOCK TABLE t").await.unwrap();
        stage.order(Order::PostVerify);
        let there = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event = '{event}'"
        );
        let count = async || other.query_one(&there, &[]).await.unwrap().get::<_, i64>(0);
        within("the question is asked", async {
            while count().await == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        stage.task.abort();
        within("the question ends", async {
            while count().await > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}
