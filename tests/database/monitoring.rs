//! The second connection: what it sees, and that it never matters to the first.

use std::time::Duration;

use stagegate::database::monitor::{APPLICATION, LogWanted, Monitor};
use stagegate::database::pinned::Pinned;
use stagegate::database::session::{HoldOptions, Identity, Order};
use stagegate::database::settings::Settings;
use stagegate::database::{connect, target};
use stagegate::facts::{Observation, Progress, ServerLog, Sight};
use stagegate::gate::event::Body;
use stagegate::sandbox::{Sandbox, SandboxOptions};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::stage::{Stage, database, over_socket, psql, runbook, server, settings, within};

struct Watch {
    task: JoinHandle<()>,
    observations: UnboundedReceiver<Observation>,
}

impl Watch {
    async fn over(stage: &mut Stage) -> Watch {
        let target = stage.connect().await;
        let pinned = stage.session.pinned().unwrap();
        Watch::with(pinned, Identity::of(&target))
    }

    /// As `settings` say, of the backend `pid` of the server that they lead to.
    async fn of(settings: &Settings, pid: i32) -> Watch {
        let mut link = connect::connect(settings).await.unwrap();
        let target = target::read_target(&mut link).await.unwrap();
        let identity = Identity {
            backend_pid: pid,
            ..Identity::of(&target)
        };
        Watch::with(&Pinned::of(settings, &link), identity)
    }

    fn with(pinned: &Pinned, identity: Identity) -> Watch {
        let (sender, observations) = unbounded_channel();
        let log = LogWanted::default();
        log.set(true);
        let task = Monitor::spawn_every(pinned, identity, sender, log, Duration::from_millis(20));
        Watch { task, observations }
    }

    /// The first look for which `wanted` holds.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Sight) -> bool) -> Sight {
        within(what, async {
            loop {
                match self.observations.recv().await.unwrap() {
                    Observation::Seen(sight) if wanted(&sight) => return *sight,
                    Observation::Seen(_) | Observation::Logged(_) => {}
                    Observation::Blind(why) => panic!("{why}"),
                }
            }
        })
        .await
    }
}

/// A client that waits for `sql` in a task of its own.
async fn waits(stage: &Stage, application: &str, sql: &'static str) -> JoinHandle<()> {
    let client = stage.psql().await;
    let name = format!("SET application_name = '{application}'");
    client.batch_execute(&name).await.unwrap();
    tokio::spawn(async move {
        let _ = client.batch_execute(sql).await;
    })
}

#[tokio::test]
async fn it_sees_who_waits_for_us_and_who_waits_behind_them() {
    let mut stage = Stage::set("CREATE TABLE t (i int)", &["LOCK TABLE t IN SHARE MODE"]).await;
    let mut watch = Watch::over(&mut stage).await;
    let sight = watch.until("a look", |_| true).await;
    assert_eq!(sight, Sight::default());
    stage.apply().await;
    let first = waits(
        &stage,
        "first",
        "LOCK TABLE t IN ACCESS EXCLUSIVE MODE; INSERT INTO t VALUES (1)",
    );
    // LOCK needs a transaction block: an implicit one does.
    let first = first.await;
    watch
        .until("the first waits", |s| s.waiters.len() == 1)
        .await;
    let second = waits(&stage, "second", "SELECT * FROM t").await;
    let sight = watch.until("both wait", |s| s.waiters.len() == 2).await;
    let [a, b] = sight.waiters.as_slice() else {
        panic!("{sight:?}")
    };
    assert_eq!(
        (a.application.as_str(), b.application.as_str()),
        ("first", "second")
    );
    assert_eq!(a.relation.as_deref(), Some("public.t"));
    assert_eq!(a.role, "postgres");
    assert!(a.query.as_ref().unwrap().contains("LOCK TABLE t"));
    assert_eq!(b.behind, [a.pid]);
    assert!(a.since >= b.since && a.since.is_some());
    assert!(sight.blockers.is_empty());
    stage.ask(Order::RollBack).await;
    watch.until("nobody waits", |s| s.waiters.is_empty()).await;
    let _ = tokio::join!(first, second);
}

#[tokio::test]
async fn it_sees_whom_we_wait_for() {
    let mut stage = Stage::set(
        "CREATE TABLE t (i int)",
        &["ALTER TABLE t ADD COLUMN j int"],
    )
    .await;
    let mut watch = Watch::over(&mut stage).await;
    let mut other = stage.psql().await;
    other
        .batch_execute("SET application_name = 'holder'")
        .await
        .unwrap();
    let holder = other.transaction().await.unwrap();
    holder.batch_execute("SELECT * FROM t").await.unwrap();
    stage.begin().await;
    stage.order(Order::RunScript);
    let sight = watch.until("we wait", |s| !s.blockers.is_empty()).await;
    let [blocker] = sight.blockers.as_slice() else {
        panic!("{sight:?}")
    };
    assert_eq!(blocker.application, "holder");
    assert_eq!(blocker.state.as_deref(), Some("idle in transaction"));
    assert_eq!(blocker.relation.as_deref(), Some("public.t"));
    assert_eq!(blocker.query.as_deref(), Some("SELECT * FROM t"));
    assert!(blocker.since.is_some());
    holder.commit().await.unwrap();
    assert_eq!(stage.all().await.pop(), Some(Body::ScriptFinished));
}

#[tokio::test]
async fn it_sees_an_index_being_built() {
    // Slow by a function that waits for the test, so that the phase is there to be seen.
    let before = "CREATE TABLE t AS SELECT g AS i FROM generate_series(1, 20000) g;
        CREATE FUNCTION slow(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN IF i = 15000 THEN PERFORM pg_advisory_xact_lock(1); END IF; RETURN i; END'";
    let mut stage = Stage::set(before, &["CREATE INDEX ON t (slow(i))"]).await;
    let mut watch = Watch::over(&mut stage).await;
    let mut other = stage.psql().await;
    let holder = other.transaction().await.unwrap();
    holder
        .batch_execute("SELECT pg_advisory_xact_lock(1)")
        .await
        .unwrap();
    stage.begin().await;
    stage.order(Order::RunScript);
    let scanning = "CREATE INDEX: building index: scanning table";
    let half_way =
        |p: &Progress| p.phase == scanning && p.unit == "blocks" && 0 < p.done && p.done < p.total;
    watch
        .until("progress", |s| s.progress.as_ref().is_some_and(half_way))
        .await;
    holder.commit().await.unwrap();
    assert_eq!(stage.all().await.pop(), Some(Body::ScriptFinished));
    watch.until("no progress", |s| s.progress.is_none()).await;
}

#[tokio::test]
async fn an_ordinary_role_sees_enough() {
    let admin = psql(server(), "postgres").await;
    let _ = admin.batch_execute("CREATE ROLE ordinary LOGIN").await;
    let mut stage = Stage::set("CREATE TABLE t (i int)", &["LOCK TABLE t IN SHARE MODE"]).await;
    let pid = stage.connect().await.backend_pid;
    let settings = settings(&format!(
        "host={} port={} user=ordinary dbname={}",
        server().socket_dir().display(),
        server().port(),
        stage.database
    ));
    let mut watch = Watch::of(&settings, pid).await;
    stage.apply().await;
    let waiter = waits(&stage, "app", "INSERT INTO t VALUES (1)").await;
    let sight = watch.until("it waits", |s| s.waiters.len() == 1).await;
    let waiter_seen = &sight.waiters[0];
    assert_eq!(waiter_seen.application, "app", "{sight:?}");
    assert_eq!((&waiter_seen.query, &waiter_seen.state), (&None, &None));
    assert!(waiter_seen.since.is_some());
    stage.ask(Order::RollBack).await;
    waiter.await.unwrap();
}

#[tokio::test]
async fn it_is_read_only_and_its_end_does_not_touch_the_transaction() {
    let mut stage = Stage::new(&["CREATE TABLE t (i int)"]).await;
    let mut watch = Watch::over(&mut stage).await;
    let (xid, _) = stage.apply().await;
    watch.until("a look", |_| true).await;
    let kill = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = '{APPLICATION}' AND datname = current_database()"
    );
    stage.psql().await.batch_execute(&kill).await.unwrap();
    let why = within("it is blind", async {
        loop {
            if let Observation::Blind(why) = watch.observations.recv().await.unwrap() {
                return why;
            }
        }
    })
    .await;
    assert!(why.contains("57P01"), "{why}");
    // It comes back by itself, and the transaction never noticed.
    watch.until("a look", |_| true).await;
    assert!(format!("{:?}", stage.commit(&xid).await).contains("Committed"));
}

#[tokio::test]
async fn without_a_server_it_says_so_and_ends_when_nobody_listens() {
    let own = tokio::task::spawn_blocking(|| Sandbox::start(SandboxOptions::for_tests()).unwrap())
        .await
        .unwrap();
    let settings = over_socket(&own, "postgres");
    let mut link = connect::connect(&settings).await.unwrap();
    let identity = Identity::of(&target::read_target(&mut link).await.unwrap());
    let pinned = Pinned::of(&settings, &link);
    tokio::task::spawn_blocking(|| drop(own)).await.unwrap();
    let mut watch = Watch::with(&pinned, identity);
    match within("it is blind", watch.observations.recv())
        .await
        .unwrap()
    {
        Observation::Blind(why) => assert_eq!(why, "no such socket: no server listens there"),
        other => panic!("{other:?}"),
    }
    drop(watch.observations);
    within("the task ends", watch.task).await.unwrap();
}

#[tokio::test]
async fn a_catalog_that_is_locked_makes_it_blind_and_nothing_more() {
    let own = tokio::task::spawn_blocking(|| Sandbox::start(SandboxOptions::for_tests()).unwrap())
        .await
        .unwrap();
    let name = database(&own).await;
    let mut stage = Stage::with(
        over_socket(&own, &name),
        runbook(&["LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE"]),
        HoldOptions::default(),
    );
    let pid = stage.connect().await.backend_pid;
    let mut watch = Watch::of(&over_socket(&own, &name), pid).await;
    watch.until("a look", |_| true).await;
    let (xid, _) = stage.apply().await;
    within("it is blind", async {
        while !matches!(
            watch.observations.recv().await.unwrap(),
            Observation::Blind(_)
        ) {}
    })
    .await;
    assert!(format!("{:?}", stage.commit(&xid).await).contains("Committed"));
    within("it sees again", async {
        while !matches!(
            watch.observations.recv().await.unwrap(),
            Observation::Seen(_)
        ) {}
    })
    .await;
}

impl Watch {
    /// The first word on the server's log for which `wanted` holds.
    async fn until_log(&mut self, what: &str, wanted: impl Fn(&ServerLog) -> bool) -> ServerLog {
        within(what, async {
            loop {
                if let Observation::Logged(log) = self.observations.recv().await.unwrap()
                    && wanted(&log)
                {
                    return log;
                }
            }
        })
        .await
    }
}

#[tokio::test]
async fn a_server_that_collects_no_log_is_told_as_one() {
    let mut stage = Stage::new(&[]).await;
    let mut watch = Watch::over(&mut stage).await;
    let log = watch.until_log("a word on the log", |_| true).await;
    assert_eq!(log, ServerLog::NotCollected);
}

#[tokio::test]
async fn the_log_is_shown_to_whoever_may_read_it_and_follows_what_comes() {
    let options = SandboxOptions::for_tests()
        .with("logging_collector", "on")
        .with("log_destination", "stderr");
    let server = Sandbox::start(options).unwrap();
    let client = psql(&server, "postgres").await;
    client
        .batch_execute("CREATE ROLE plain LOGIN; DO 'BEGIN RAISE LOG ''grüße eins''; END'")
        .await
        .unwrap();
    let holds = |text: &'static str| move |log: &ServerLog| matches!(log, ServerLog::Tail { lines, .. } if lines.iter().any(|l| l.contains(text)));
    let mut watch = Watch::of(&over_socket(&server, "postgres"), 0).await;
    watch.until_log("the log", holds("grüße eins")).await;
    client
        .batch_execute("DO 'BEGIN RAISE LOG ''number two''; END'")
        .await
        .unwrap();
    watch.until_log("the next line", holds("number two")).await;

    let plain = settings(&format!(
        "host={} port={} user=plain dbname=postgres",
        server.socket_dir().display(),
        server.port()
    ));
    let mut watch = Watch::of(&plain, 0).await;
    let log = watch.until_log("a word on the log", |_| true).await;
    assert_eq!(log, ServerLog::NotPermitted);
}
