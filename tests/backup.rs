//! Backups of a real server: what is made can be restored, what is not made leaves nothing, and a
//! password is nowhere to be seen while `pg_dump` runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sha2::{Digest, Sha256};
use stagegate::backup::Backups;
use stagegate::database::pinned::Pinned;
use stagegate::database::secret::Secret;
use stagegate::database::settings::{ConnectionOptions as Given, Settings};
use stagegate::database::{connect, target};
use stagegate::facts::{Dump, Dumping, Target};
use stagegate::gate::event::{Body, Report};
use stagegate::sandbox::{Sandbox, SandboxOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{Client, NoTls};

#[path = "shared/child.rs"]
mod child;
#[path = "shared/clients.rs"]
mod clients;

use child::Finish;
use clients::find_client;

/// How long a condition may take to come true before a test gives up. Never part of a promise.
const PATIENCE: Duration = Duration::from_secs(60);

const PASSWORD: &str = r"it's se:cr\et";

struct Stage {
    server: Sandbox,
    folder: tempfile::TempDir,
    _rules: tempfile::TempDir,
}

impl Stage {
    /// A server that asks for a password over TCP, with a table of rows and an empty folder.
    async fn set() -> Stage {
        let rules = tempfile::tempdir().unwrap();
        std::fs::set_permissions(rules.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let hba = rules.path().join("hba.conf");
        let text = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(&hba, text).unwrap();
        let options = SandboxOptions {
            tcp: true,
            ..SandboxOptions::for_tests()
        }
        .with("hba_file", &hba.display().to_string());
        let server = tokio::task::spawn_blocking(|| Sandbox::start(options).unwrap())
            .await
            .unwrap();
        let stage = Stage {
            server,
            folder: tempfile::tempdir().unwrap(),
            _rules: rules,
        };
        let quoted = PASSWORD.replace('\'', "''");
        let client = stage.psql("postgres").await;
        client
            .batch_execute(&format!(
                "CREATE ROLE saver SUPERUSER LOGIN PASSWORD '{quoted}';
                 CREATE TABLE packet AS SELECT i, repeat('x', 100) AS t FROM generate_series(1, 5000) i"
            ))
            .await
            .unwrap();
        stage
    }

    async fn psql(&self, database: &str) -> Client {
        let config = self.server.connection("postgres", database);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn settings(&self, more: &str) -> Settings {
        let port = self.server.port();
        let given = Given {
            database: Some(format!("port={port} dbname=postgres {more}")),
            ..Given::default()
        };
        Settings::find(&given, &|_| None, None, &|_| false).unwrap()
    }

    fn over_socket(&self) -> Settings {
        let host = self.server.socket_dir().display();
        self.settings(&format!("host={host} user=postgres"))
    }

    fn with_password(&self) -> Settings {
        let quoted = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
        // The first of the hosts does not answer.
        let port = self.server.port();
        self.settings(&format!(
            "host=127.0.0.2,127.0.0.1 port=1,{port} user=saver password='{quoted}'"
        ))
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A session that keeps `pg_dump` waiting, until it is dropped.
    async fn block(&self) -> Client {
        let client = self.psql("postgres").await;
        client
            .batch_execute("BEGIN; LOCK TABLE packet IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        client
    }

    async fn until(&self, what: &str, query: &str) {
        let client = self.psql("postgres").await;
        within(what, async {
            while !client
                .query_one(query, &[])
                .await
                .unwrap()
                .get::<_, bool>(0)
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    async fn until_it_waits(&self) {
        let waiting = "SELECT count(*) = 1 FROM pg_stat_activity
                       WHERE application_name = 'stagegate backup' AND wait_event_type = 'Lock'";
        self.until("pg_dump waits for the lock", waiting).await;
    }

    async fn until_it_is_gone(&self) {
        let gone = "SELECT count(*) = 0 FROM pg_stat_activity
                    WHERE application_name = 'stagegate backup'";
        self.until("its session is gone", gone).await;
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("this never happened: {what}"),
    }
}

async fn reached(settings: &Settings) -> (Pinned, Target) {
    let mut link = connect::connect(settings).await.unwrap();
    let target = target::read_target(&mut link).await.unwrap();
    (Pinned::of(settings, &link), target)
}

/// A dump under way, as its reports tell it.
struct Job {
    backups: Backups,
    reports: UnboundedReceiver<Report>,
    told: Vec<Dumping>,
}

impl Job {
    async fn start(settings: Settings, folder: &Path) -> Job {
        let (pinned, target) = reached(&settings).await;
        Job::start_of(pinned, target, folder)
    }

    fn start_of(pinned: Pinned, target: Target, folder: &Path) -> Job {
        let (reports, told) = unbounded_channel();
        let backups = Backups::new(reports);
        backups.start(7, pinned, target, folder.display().to_string());
        Job {
            backups,
            reports: told,
            told: Vec::new(),
        }
    }

    async fn end(&mut self) -> Result<Dump, String> {
        loop {
            let report = within("a report", self.reports.recv()).await.unwrap();
            assert_eq!(report.seq, 7);
            match report.body {
                Body::BackupStarted(dumping) | Body::BackupProgressed(dumping) => {
                    self.told.push(*dumping);
                }
                Body::BackedUp(dump) => return Ok(*dump),
                Body::BackupFailed(why) => return Err(why),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The processes whose arguments name `folder`: their ids, arguments and environments.
fn processes(folder: &Path) -> Vec<(i32, String, String)> {
    let needle = folder.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let read = |name: &str| {
            let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let arguments = read("cmdline");
        if arguments.contains(&needle) {
            found.push((pid, arguments, read("environ")));
        }
    }
    found
}

async fn until_no_process_is_left(folder: &Path) {
    within("its processes are gone", async {
        while !processes(folder).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn pg_dump_of(folder: &Path) -> (i32, String, String) {
    let mut found = processes(folder);
    found.retain(|(_, arguments, _)| arguments.contains("--format=custom"));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[tokio::test]
async fn a_dump_is_whole_recorded_and_can_be_restored() {
    let stage = Stage::set().await;
    let mut job = Job::start(stage.over_socket(), stage.folder.path()).await;
    let dump = job.end().await.unwrap();
    let name = dump.path.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(
        name.starts_with("postgres-2") && name.ends_with("Z.dump"),
        "{name}"
    );
    assert_eq!(stage.files(), [name]);
    let found = std::fs::metadata(&dump.path).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(found.len(), dump.bytes);
    let hash = Sha256::digest(std::fs::read(&dump.path).unwrap());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(dump.sha256, hash);
    assert_eq!((dump.database.as_str(), dump.tables), ("postgres", 1));
    assert!(dump.entries > dump.tables);
    assert!(dump.system_identifier.is_some());
    assert_eq!(job.told[0].path, dump.path);
    assert!(job.told.iter().all(|told| told.database_bytes > 1_000_000));
    assert!(
        job.told
            .iter()
            .any(|told| told.doing.contains("pg_restore"))
    );

    let client = stage.psql("postgres").await;
    client.batch_execute("CREATE DATABASE again").await.unwrap();
    let restored = Command::new(find_client("pg_restore").expect("pg_restore"))
        .arg("-h")
        .arg(stage.server.socket_dir())
        .args(["-p", &stage.server.port().to_string(), "-U", "postgres"])
        .args(["-d", "again", "--exit-on-error"])
        .arg(&dump.path)
        .finish("pg_restore");
    assert!(restored.status.success(), "{restored:?}");
    let count = "SELECT count(*), sum(i) FROM packet";
    let ask = async |database| {
        let row = stage
            .psql(database)
            .await
            .query_one(count, &[])
            .await
            .unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    assert_eq!(ask("again").await, (5_000, 12_502_500));
    assert_eq!(ask("again").await, ask("postgres").await);
    until_no_process_is_left(stage.folder.path()).await;
}

#[tokio::test]
async fn the_password_reaches_pg_dump_and_nobody_else_can_see_it() {
    let stage = Stage::set().await;
    let blocker = stage.block().await;
    let mut job = Job::start(stage.with_password(), stage.folder.path()).await;
    stage.until_it_waits().await;
    let all = processes(stage.folder.path());
    assert!(all.len() >= 2, "pg_dump and its guard: {all:?}");
    for (_, arguments, environment) in &all {
        for text in [arguments, environment] {
            assert!(
                !text.contains("se:cr") && !text.contains(r"se\:cr"),
                "{text}"
            );
        }
        assert!(!environment.contains("PGPASSWORD"), "{environment}");
    }
    let (_, arguments, environment) = pg_dump_of(stage.folder.path());
    assert!(
        arguments.contains("hostaddr='127.0.0.1'"),
        "the one that answered: {arguments}"
    );
    let passfile = environment
        .split(' ')
        .find_map(|word| word.strip_prefix("PGPASSFILE="))
        .map(PathBuf::from)
        .unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&passfile), 0o600);
    assert_eq!(mode(passfile.parent().unwrap()), 0o700);
    drop(blocker);
    job.end().await.unwrap();
    assert!(!passfile.parent().unwrap().exists());
}

#[tokio::test]
async fn a_cancelled_dump_leaves_nothing_and_its_session_ends_at_once() {
    let stage = Stage::set().await;
    let _blocker = stage.block().await;
    let mut job = Job::start(stage.over_socket(), stage.folder.path()).await;
    stage.until_it_waits().await;
    assert!(
        stage.files()[0].ends_with(".dump.partial"),
        "{:?}",
        stage.files()
    );
    job.backups.stop();
    assert_eq!(job.end().await.unwrap_err(), "it was cancelled");
    assert_eq!(stage.files(), [""; 0]);
    assert_eq!(processes(stage.folder.path()), []);
    // The lock is still held: pg_dump had its query cancelled on the server before it went.
    stage.until_it_is_gone().await;
}

#[tokio::test]
async fn dropping_whoever_asked_ends_the_dump_as_well() {
    let stage = Stage::set().await;
    let _blocker = stage.block().await;
    let job = Job::start(stage.over_socket(), stage.folder.path()).await;
    stage.until_it_waits().await;
    drop(job);
    until_no_process_is_left(stage.folder.path()).await;
    assert_eq!(stage.files(), [""; 0]);
    stage.until_it_is_gone().await;
}

#[tokio::test]
async fn a_killed_pg_dump_is_told_and_leaves_nothing() {
    let stage = Stage::set().await;
    let _blocker = stage.block().await;
    let mut job = Job::start(stage.over_socket(), stage.folder.path()).await;
    stage.until_it_waits().await;
    let (pid, ..) = pg_dump_of(stage.folder.path());
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let why = job.end().await.unwrap_err();
    assert!(why.starts_with("pg_dump was ended by signal 9"), "{why}");
    assert_eq!(stage.files(), [""; 0]);
}

#[tokio::test]
async fn what_pg_dump_is_refused_is_told_in_its_words() {
    let stage = Stage::set().await;
    let client = stage.psql("postgres").await;
    client
        .batch_execute("CREATE ROLE weak LOGIN")
        .await
        .unwrap();
    let host = stage.server.socket_dir().display();
    let weak = stage.settings(&format!("host={host} user=weak"));
    let mut job = Job::start(weak, stage.folder.path()).await;
    let why = job.end().await.unwrap_err();
    assert!(why.starts_with("pg_dump: error: "), "{why}");
    assert!(why.contains("permission denied for table packet"), "{why}");
    assert_eq!(stage.files(), [""; 0]);
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let stage = Stage::set().await;
    let (pinned, target) = reached(&stage.with_password()).await;
    let wrong = pinned.with(|settings| {
        settings.password = Some(Secret::new("wrong-one".to_owned()));
    });
    let mut job = Job::start_of(wrong, target, stage.folder.path());
    let why = job.end().await.unwrap_err();
    assert!(why.contains("password authentication failed"), "{why}");
    assert!(!why.contains("wrong-one"), "{why}");
    assert_eq!(stage.files(), [""; 0]);
}

#[tokio::test]
async fn another_server_than_the_one_reached_is_not_saved() {
    let stage = Stage::set().await;
    let settings = stage.over_socket();
    let (pinned, there) = reached(&settings).await;
    let other = |other: Target| Job::start_of(pinned.clone(), other, stage.folder.path());
    for target in [
        Target {
            system_identifier: Some("1".into()),
            ..there.clone()
        },
        Target {
            started: Some("1".into()),
            ..there
        },
    ] {
        let why = other(target).end().await.unwrap_err();
        assert!(why.contains("another server answers"), "{why}");
    }
    assert_eq!(stage.files(), [""; 0]);
}

#[tokio::test]
async fn a_folder_that_will_not_do_is_refused_before_anything_runs() {
    let stage = Stage::set().await;
    let missing = stage.folder.path().join("missing");
    for (folder, words) in [
        (missing.as_path(), "there is no folder"),
        (Path::new("/dev/null"), "is not a folder"),
        // Nobody, root neither, makes a file there.
        (Path::new("/proc"), "/proc"),
    ] {
        let mut job = Job::start(stage.over_socket(), folder).await;
        let why = job.end().await.unwrap_err();
        assert!(why.contains(words), "{why}");
        assert!(job.told.is_empty());
    }
}
