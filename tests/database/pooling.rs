//! A pooler in between: it is refused, and nothing of ours stays on the session that the application
//! has next.

use std::process::Command;
use std::time::Duration;

use stagegate::database::monitor::{LogWanted, Monitor};
use stagegate::database::pinned::Pinned;
use stagegate::database::session::{HoldOptions, Identity, Order};
use stagegate::database::{connect, target};
use stagegate::facts::{Observation, Target};
use stagegate::gate::event::Body;
use stagegate::walk::engine::HeldSession;
use stagegate::walk::live::Live;
use tokio::sync::mpsc::unbounded_channel;
use tokio_postgres::NoTls;

use crate::child::Finish;
use crate::pooler::Pooler;
use crate::stage::{database, over_socket, psql, runbook, server, settings, within};

/// The next step.
const WAY_AROUND: &str = "connect to the server directly, with its own host and port (-h, -p)";

struct Behind {
    pooler: Pooler,
    database: String,
}

impl Behind {
    async fn a_pooler() -> Behind {
        Behind::a_pooler_of(database(server()).await).await
    }

    async fn a_pooler_of(database: String) -> Behind {
        let address = server().tcp_address().unwrap();
        let pooler = Pooler::before(address, "postgres", &database).await;
        Behind { pooler, database }
    }

    fn conninfo(&self) -> String {
        format!(
            "host=127.0.0.1 port={} user=postgres dbname={}",
            self.pooler.address.port(),
            self.database
        )
    }

    /// What somebody set on the session that the next client of the pooler has.
    async fn left_behind(&self) -> Vec<String> {
        let (client, connection) = tokio_postgres::connect(&self.conninfo(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let rows = client
            .simple_query(
                "SELECT name || ' = ' || setting FROM pg_settings WHERE source = 'session'",
            )
            .await
            .unwrap();
        rows.iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .collect()
    }

    /// Runs the program; what it said, and its exit code.
    async fn run(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagegate"));
        command
            .args(arguments)
            .args(["-w", "-d", &self.conninfo()])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home.path());
        // The pooler lives on this thread.
        let run = tokio::task::spawn_blocking(move || command.finish("stagegate"));
        let output = within("the program ends", run).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).unwrap(), output.status.code())
    }
}

#[tokio::test]
async fn the_pooler_of_these_tests_hands_one_session_to_all() {
    let behind = Behind::a_pooler().await;
    assert_eq!(behind.left_behind().await, Vec::<String>::new());
    let (client, connection) = tokio_postgres::connect(&behind.conninfo(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client.batch_execute("SET lock_timeout = 7").await.unwrap();
    client
        .batch_execute("BEGIN; SET LOCAL work_mem = '7MB'; COMMIT")
        .await
        .unwrap();
    assert_eq!(behind.left_behind().await, ["lock_timeout = 7"]);
    assert_eq!(behind.pooler.clients(), 3);
}

/// A pooler lets us in; what is refused is what it leads to.
async fn refused(conninfo: &str) -> [String; 2] {
    let mut link = connect::connect(&settings(conninfo)).await.unwrap();
    let why = within("an answer", target::prove_direct(&mut link)).await;
    let reached = within("an answer", target::read_target(&mut link))
        .await
        .unwrap();
    let objections = target::objections(&reached, None);
    [why.unwrap_err().message, objections.join("\n")]
}

#[tokio::test]
async fn a_pooler_is_refused_with_the_way_around_it() {
    let behind = Behind::a_pooler().await;
    for why in refused(&behind.conninfo()).await {
        assert!(why.starts_with("a pooler stands in between"), "{why}");
        assert!(why.ends_with(WAY_AROUND), "{why}");
    }
    // The step that is told leads there.
    let mut link = connect::connect(&over_socket(server(), &behind.database))
        .await
        .unwrap();
    target::prove_direct(&mut link).await.unwrap();
    let reached = target::read_target(&mut link).await.unwrap();
    assert_eq!(target::objections(&reached, None), Vec::<String>::new());
}

#[tokio::test]
async fn no_command_leaves_anything_on_a_poolers_session() {
    // The name that the built-in runbook expects, so that the pooler is what stands in the way.
    let own = psql(server(), &database(server()).await).await;
    within("a database is made", async {
        while own
            .batch_execute("CREATE DATABASE wiser_ops")
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let behind = Behind::a_pooler_of("wiser_ops".to_owned()).await;
    for (arguments, code) in [
        (&["run", "--rehearse"][..], 4),
        (&["rehearse"], 4),
        (&["rehearse", "--clone"], 6),
        (&["rollback", "--rehearse"], 4),
        (&["verify"], 6),
        (&["inspect"], 6),
    ] {
        let before = behind.pooler.clients();
        let (said, left_with) = behind.run(arguments).await;
        assert!(
            said.contains("a pooler stands in between"),
            "{arguments:?}: {said}"
        );
        assert!(said.contains(WAY_AROUND), "{arguments:?}: {said}");
        assert_eq!(left_with, Some(code), "{arguments:?}: {said}");
        assert!(behind.pooler.clients() > before, "{arguments:?}: {said}");
        let left = behind.left_behind().await;
        assert!(left.is_empty(), "{arguments:?} left {left:?}");
    }
}

#[tokio::test]
async fn the_monitor_sees_nothing_through_a_pooler_and_sets_nothing() {
    let behind = Behind::a_pooler().await;
    let (sender, mut observations) = unbounded_channel();
    let settings = settings(&behind.conninfo());
    let link = connect::connect(&settings).await.unwrap();
    let task = Monitor::spawn_every(
        &Pinned::of(&settings, &link),
        Identity::of(&Target::default()),
        sender,
        LogWanted::default(),
        Duration::from_millis(20),
    );
    let seen = within("the monitor says something", observations.recv()).await;
    let Some(Observation::Blind(why)) = seen else {
        panic!("{seen:?}");
    };
    assert!(why.contains("a pooler stands in between"), "{why}");
    task.abort();
    assert_eq!(behind.left_behind().await, Vec::<String>::new());
}

#[tokio::test]
async fn no_backup_is_made_through_a_pooler() {
    let behind = Behind::a_pooler().await;
    let folder = tempfile::tempdir().unwrap();
    let book = runbook(&["SELECT 1"]);
    let settings = settings(&behind.conninfo());
    let (live, mut reports, _observations) =
        Live::start(book.into(), settings, HoldOptions::default());
    live.order(1, Order::Connect);
    within("the session is there", async {
        while !matches!(reports.recv().await.unwrap().body, Body::Connected(_)) {}
    })
    .await;
    let there = psql(server(), &behind.database).await;
    let version = there
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .await
        .unwrap()
        .get::<_, i32>(0);
    let reached = Target {
        host: "127.0.0.1".into(),
        port: behind.pooler.address.port(),
        database: behind.database.clone(),
        server_version_num: version.unsigned_abs(),
        ..Target::default()
    };
    live.back_up(2, reached, folder.path().display().to_string());
    let why = within("the backup is refused", async {
        loop {
            match reports.recv().await.unwrap().body {
                Body::BackupFailed(why) => return why,
                Body::BackedUp(dump) => panic!("{dump:?}"),
                _ => {}
            }
        }
    })
    .await;
    assert!(why.contains("a pooler stands in between"), "{why}");
    assert_eq!(behind.left_behind().await, Vec::<String>::new());
}
