//! The throw-away server on real PostgreSQL: it starts, starts again, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use stagegate::sandbox::demo::{Demo, DemoOptions, Scenario};
use stagegate::sandbox::programs::{Programs, Search};
use stagegate::sandbox::{ClusterPlace, Sandbox, SandboxError, SandboxOptions};
use tokio_postgres::{Client, NoTls};

#[path = "shared/child.rs"]
mod child;

use child::{Finish, until};

/// How long a condition may take to come true before a test gives up. Never part of a promise.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for a condition; the message says what did not happen.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// A folder that any user may enter (the server may run as another one), removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory
        } else {
            Path::new("/tmp")
        };
        let folder = parent.join(format!("sg-test-{}-{count}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn entries(&self) -> Vec<OsString> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn connect(config: tokio_postgres::Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The first column of the first row, as text.
fn ask(sandbox: &Sandbox, query: &str) -> String {
    runtime().block_on(async {
        let client = connect(sandbox.connection("postgres", "postgres")).await;
        client.query_one(query, &[]).await.unwrap().get(0)
    })
}

fn start() -> Sandbox {
    Sandbox::start(SandboxOptions::for_tests()).unwrap_or_else(|error| panic!("{error}"))
}

fn exists(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    match stat {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) if Path::new("/proc/self").exists() => false,
        Err(_) => rustix::process::test_kill_process(Pid::from_raw(pid as i32).unwrap()).is_ok(),
    }
}

/// Processes that have to do with a folder: by their arguments, or by where they are.
fn processes_in(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let Ok(processes) = fs::read_dir("/proc") else {
        let all = Command::new("ps")
            .args(["-axww", "-o", "pid=,args="])
            .finish("ps");
        let all = String::from_utf8_lossy(&all.stdout).into_owned();
        return all
            .lines()
            .filter(|line| line.contains(name))
            .map(str::to_owned)
            .collect();
    };
    processes
        .filter_map(|process| {
            let process = process.ok()?.path();
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            // A postmaster's bootstrap child names no folder, but works in it, even once removed.
            let place = fs::read_link(process.join("cwd")).unwrap_or_default();
            let related = arguments.contains(name) || place.starts_with(folder);
            related.then(|| format!("{} {arguments}", process.display()))
        })
        .collect()
}

#[test]
fn a_server_answers_and_is_gone_after_drop() {
    let sandbox = start();
    let folder = sandbox.socket_dir().parent().unwrap().to_owned();
    let pid = sandbox.pid().unwrap();
    assert_eq!(
        ask(&sandbox, "SELECT current_setting('listen_addresses')"),
        ""
    );
    let version = ask(&sandbox, "SELECT current_setting('server_version')");
    assert_eq!(version.split(' ').next(), Some(sandbox.version()));
    assert!(sandbox.log_path().is_file());
    assert!(exists(pid));
    drop(sandbox);
    assert!(!exists(pid), "the postmaster is still there");
    assert!(!folder.exists(), "its files are still there");
}

#[test]
fn two_servers_at_once_are_two() {
    let (one, two) = (start(), start());
    let identity = "SELECT current_setting('data_directory')";
    assert_ne!(ask(&one, identity), ask(&two, identity));
}

#[test]
fn settings_are_on_top_of_the_sandboxes_own() {
    let options = SandboxOptions::for_tests()
        .with("autovacuum", "on")
        .with("wal_level", "logical");
    let sandbox = Sandbox::start(options).unwrap();
    assert_eq!(
        ask(&sandbox, "SELECT current_setting('autovacuum')"),
        "on",
        "the last of a name wins"
    );
    assert_eq!(
        ask(&sandbox, "SELECT current_setting('wal_level')"),
        "logical"
    );
    assert_eq!(
        ask(&sandbox, "SELECT current_setting('synchronous_commit')"),
        "on"
    );
}

#[test]
fn tcp_is_on_loopback_only_and_only_when_asked_for() {
    assert_eq!(start().tcp_address(), None);
    let options = SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    };
    let sandbox = Sandbox::start(options).unwrap();
    let address = sandbox.tcp_address().unwrap();
    assert!(address.ip().is_loopback());
    let mut config = tokio_postgres::Config::new();
    config
        .host(address.ip().to_string())
        .port(address.port())
        .user("postgres");
    let seen: String = runtime().block_on(async {
        let client = connect(config).await;
        let query = "SELECT host(inet_server_addr())";
        client.query_one(query, &[]).await.unwrap().get(0)
    });
    assert_eq!(seen, address.ip().to_string());
}

#[test]
fn many_starts_from_a_cold_cache_make_one_template() {
    let cache = Folder::new();
    let start = || {
        Sandbox::start(SandboxOptions {
            cache: Some(cache.0.clone()),
            ..SandboxOptions::for_tests()
        })
        .unwrap_or_else(|error| panic!("{error}"))
    };
    // initdb draws the identifier: clusters that share it are copies of one.
    let identity = "SELECT system_identifier::text FROM pg_control_system()";
    let together = Barrier::new(4);
    let identities: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    ask(&start(), identity)
                })
            })
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    let mut entries = cache.entries();
    entries.sort();
    assert_eq!(entries.len(), 2, "a template and its lock: {entries:?}");
    for other in identities {
        assert_eq!(other, ask(&start(), identity));
    }
}

#[test]
fn a_template_cut_short_is_made_anew() {
    let cache = Folder::new();
    let begin = || {
        let options = SandboxOptions {
            cache: Some(cache.0.clone()),
            ..SandboxOptions::for_tests()
        };
        let sandbox = Sandbox::start(options).unwrap_or_else(|error| panic!("{error}"));
        ask(
            &sandbox,
            "SELECT system_identifier::text FROM pg_control_system()",
        )
    };
    let first = begin();
    let template = cache
        .entries()
        .into_iter()
        .map(|name| cache.0.join(name).join("data"))
        .find(|data| data.is_dir())
        .unwrap();
    // As a power failure leaves it: the file is there, its content is not.
    fs::write(template.join("global/pg_control"), "").unwrap();
    assert_ne!(begin(), first);
}

#[test]
fn restart_after_every_kind_of_stop() {
    let sandbox = start();
    let committed = |expected: i64| {
        runtime().block_on(async {
            let client = connect(sandbox.connection("postgres", "postgres")).await;
            let rows = client
                .query_one("SELECT count(*) FROM kept", &[])
                .await
                .unwrap();
            assert_eq!(rows.get::<_, i64>(0), expected);
            client
                .execute("INSERT INTO kept VALUES (1)", &[])
                .await
                .unwrap();
        });
    };
    runtime().block_on(async {
        let client = connect(sandbox.connection("postgres", "postgres")).await;
        client
            .execute("CREATE TABLE kept (i int)", &[])
            .await
            .unwrap();
    });
    committed(0);

    let before = sandbox.pid().unwrap();
    let postmaster = Pid::from_raw(before as i32).unwrap();
    kill_process(postmaster, Signal::KILL).unwrap();
    wait_for("the postmaster is dead", || sandbox.pid().is_none());
    sandbox.restart().unwrap();
    assert_ne!(sandbox.pid().unwrap(), before);
    committed(1);

    sandbox.stop_immediate().unwrap();
    assert_eq!(sandbox.pid(), None);
    sandbox.restart().unwrap();
    committed(2);

    sandbox.stop_fast().unwrap();
    assert_eq!(sandbox.pid(), None);
    sandbox.restart().unwrap();
    committed(3);

    // Still running: stopped in order first.
    sandbox.restart().unwrap();
    committed(4);
}

/// Up to 17 a client that connects late and says nothing keeps the postmaster for a minute.
#[test]
fn an_immediate_stop_waits_for_no_silent_client() {
    let sandbox = start();
    let socket = sandbox.socket_dir().join(".s.PGSQL.5432");
    let over = AtomicBool::new(false);
    let mut silent = Vec::new();
    silent.extend(UnixStream::connect(&socket));
    // It connects after that one and is answered: that one has a process by now.
    assert_eq!(ask(&sandbox, "SELECT 'here'"), "here");
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                silent.extend(UnixStream::connect(&socket));
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let stopped = sandbox.stop_immediate();
        over.store(true, Ordering::Relaxed);
        stopped.unwrap();
    });
    sandbox.restart().unwrap();
    assert_eq!(ask(&sandbox, "SELECT 'there again'"), "there again");
}

#[test]
fn a_start_that_fails_shows_the_log() {
    let options = SandboxOptions::for_tests().with("shared_preload_libraries", "no_such_library");
    let error = Sandbox::start(options).unwrap_err();
    assert!(matches!(error, SandboxError::NotStarted { .. }));
    let text = error.to_string();
    assert!(text.contains("did not start"), "{text}");
    assert!(text.contains("no_such_library"), "{text}");
}

#[test]
fn without_programs_it_says_where_it_looked_and_what_installs_them() {
    let empty = Folder::new();
    let search = Search {
        only: None,
        path: Some(empty.0.clone().into_os_string()),
        folders: vec!["/usr/lib/postgresql-of-nobody/*/bin".to_owned()],
    };
    let text = search.newest().unwrap_err().to_string();
    assert!(
        text.contains("/usr/lib/postgresql-of-nobody/*/bin"),
        "{text}"
    );
    assert!(text.contains("PATH"), "{text}");
    assert!(text.contains("STAGEGATE_PG_BIN"), "{text}");
    assert!(text.contains("To install them:"), "{text}");
    if fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("ID=debian")) {
        assert!(text.contains("apt-get install -y postgresql"), "{text}");
    }

    let search = Search {
        only: Some(empty.0.clone()),
        ..Search::default()
    };
    let text = search.newest().unwrap_err().to_string();
    assert!(text.contains(empty.0.to_str().unwrap()), "{text}");
    assert!(text.contains("no initdb"), "{text}");
}

#[test]
fn programs_are_found_through_links_in_path_and_newest_first() {
    let real = Programs::find().unwrap();
    let links = Folder::new();
    std::os::unix::fs::symlink(&real.initdb, links.0.join("initdb")).unwrap();
    let search = Search {
        path: Some(links.0.clone().into_os_string()),
        ..Search::default()
    };
    let found = search.newest().unwrap();
    assert_eq!(found.version, real.version);

    let old = links.0.join("9.6/bin");
    let new = links.0.join("99/bin");
    for (folder, version) in [(&old, "9.6.24"), (&new, "99.1")] {
        fs::create_dir_all(folder).unwrap();
        for name in ["initdb", "postgres"] {
            let program = folder.join(name);
            let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n");
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let search = Search {
        path: Some(links.0.clone().into_os_string()),
        folders: vec![format!("{}/*/bin", links.0.display())],
        only: None,
    };
    let all: Vec<u32> = search.all().iter().map(|programs| programs.major).collect();
    assert_eq!(all, [99, real.major], "9.6 is too old to be used");
}

#[test]
fn a_folder_that_the_server_cannot_reach_is_named() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root has to become somebody else");
        return;
    }
    let parent = Folder::new();
    let private = parent.0.join("private");
    let inner = private.join("inner");
    fs::create_dir_all(&inner).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let options = SandboxOptions {
        place: ClusterPlace::In(inner.clone()),
        ..SandboxOptions::default()
    };
    let text = Sandbox::start(options).unwrap_err().to_string();
    assert!(text.contains("cannot enter"), "{text}");
    assert!(text.contains(inner.to_str().unwrap()), "{text}");
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
}

/// Tells the test program, run again by one of its tests, how it is to end.
const END: &str = "STAGEGATE_TEST_END";
/// Tells it where: `servers/` for the sandbox, `cache/` for the template, `ready` when it runs.
const STAGE: &str = "STAGEGATE_TEST_STAGE";

/// Not a test: a process that starts a server and then ends in the way it was told.
#[test]
#[ignore = "started by the tests of orphans"]
fn a_process_with_a_server() {
    let (Some(end), Some(stage)) = (std::env::var_os(END), std::env::var_os(STAGE)) else {
        return;
    };
    let stage = PathBuf::from(stage);
    let sandbox = Sandbox::start(SandboxOptions {
        place: ClusterPlace::In(stage.join("servers")),
        cache: Some(stage.join("cache")),
        ..SandboxOptions::default()
    })
    .unwrap();
    fs::write(stage.join("starting"), sandbox.pid().unwrap().to_string()).unwrap();
    fs::rename(stage.join("starting"), stage.join("ready")).unwrap();
    match end.to_str().unwrap() {
        "exit" => std::process::exit(0),
        "panic" => panic!("as told"),
        "abort" => std::process::abort(),
        // It wakes for no reason, too.
        _ => loop {
            std::thread::park();
        },
    }
}

/// A stage for such a process, in which any user may move.
fn stage() -> Folder {
    let stage = Folder::new();
    fs::create_dir(stage.0.join("servers")).unwrap();
    fs::set_permissions(stage.0.join("servers"), fs::Permissions::from_mode(0o755)).unwrap();
    stage
}

fn process_that_ends(stage: &Folder, end: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_with_a_server", "--ignored"])
        .env(END, end)
        .env(STAGE, &stage.0)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn assert_nothing_is_left(stage: &Folder, after: &str) {
    let servers = stage.0.join("servers");
    wait_for(&format!("no files left after {after}"), || {
        fs::read_dir(&servers).unwrap().count() == 0
    });
    let give_up = Instant::now() + PATIENCE;
    loop {
        let left = processes_in(&servers);
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < give_up, "left after {after}: {left:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_orphan_however_the_process_ends() {
    let signals = [
        ("SIGKILL", Signal::KILL),
        ("SIGTERM", Signal::TERM),
        ("SIGINT", Signal::INT),
        ("SIGHUP", Signal::HUP),
        ("SIGQUIT", Signal::QUIT),
        ("SIGSEGV", Signal::SEGV),
    ];
    let stage = stage();
    let ready = stage.0.join("ready");
    for (end, signal) in ["exit", "panic", "abort"]
        .map(|end| (end, None))
        .into_iter()
        .chain(signals.map(|(name, signal)| (name, Some(signal))))
    {
        let mut process = process_that_ends(&stage, end);
        wait_for("the server runs", || ready.exists());
        let postmaster: u32 = fs::read_to_string(&ready).unwrap().parse().unwrap();
        fs::remove_file(&ready).unwrap();
        if signal.is_some() {
            assert!(exists(postmaster), "{end}");
        }
        wait_for(&format!("the process ends by {end}"), || {
            if let Some(signal) = signal {
                // To the whole group, as a terminal does it; and again, since Rust's own handler
                // of SIGSEGV only steps aside for the fault to come back.
                let _ = kill_process_group(Pid::from_child(&process), signal);
            }
            process.try_wait().unwrap().is_some()
        });
        assert_nothing_is_left(&stage, end);
        assert!(!exists(postmaster), "{end}");
    }
}

#[test]
fn no_orphan_whenever_the_process_is_killed() {
    // From before the first file to after the server is ready; a cold cache each other time.
    for moment in 0..12_u64 {
        let stage = stage();
        let cold = moment % 2 == 0;
        if !cold {
            Sandbox::start(SandboxOptions {
                place: ClusterPlace::In(stage.0.join("servers")),
                cache: Some(stage.0.join("cache")),
                ..SandboxOptions::default()
            })
            .unwrap();
        }
        let mut process = process_that_ends(&stage, "wait");
        let step = Duration::from_millis(if cold { 70 } else { 7 });
        std::thread::sleep(step * u32::try_from(moment).unwrap());
        process.kill().unwrap();
        process.wait().unwrap();
        assert_nothing_is_left(&stage, &format!("SIGKILL, moment {moment}"));
        // What it left in the cache is in nobody's way.
        let next = Sandbox::start(SandboxOptions {
            place: ClusterPlace::In(stage.0.join("servers")),
            cache: Some(stage.0.join("cache")),
            ..SandboxOptions::default()
        })
        .unwrap();
        assert_eq!(ask(&next, "SELECT 'here'"), "here");
    }
}

#[test]
fn a_template_of_long_ago_is_removed() {
    let cache = Folder::new();
    let template = |name: &str, days: u64| {
        let folder = cache.0.join(name);
        fs::create_dir(&folder).unwrap();
        let made = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        fs::File::open(&folder).unwrap().set_modified(made).unwrap();
        folder
    };
    let old = template("postgresql-14.0-000000000000", 31);
    let recent = template("postgresql-14.1-000000000000", 29);
    let foreign = template("something-else", 31);
    Sandbox::start(SandboxOptions {
        cache: Some(cache.0.clone()),
        ..SandboxOptions::for_tests()
    })
    .unwrap();
    assert!(!old.exists());
    assert!(recent.exists());
    assert!(foreign.exists());
}

/// A demo, and a runtime with a session of the superuser in the demo's database.
fn demo(options: DemoOptions) -> (Demo, tokio::runtime::Runtime, Client) {
    let demo = options
        .prepare(|_| {})
        .unwrap_or_else(|error| panic!("{error}"));
    let runtime = runtime();
    let config = demo.sandbox().connection("postgres", demo.database());
    let client = runtime.block_on(connect(config));
    (demo, runtime, client)
}

fn number(runtime: &tokio::runtime::Runtime, client: &Client, query: &str) -> i64 {
    let row = runtime.block_on(client.query_one(query, &[])).unwrap();
    row.get(0)
}

/// Inbox messages whose id another one has too.
const DUPLICATES: &str = "SELECT count(*) FROM (SELECT FROM service_ops.integration_inbox \
                          GROUP BY message_id HAVING count(*) > 1) AS t";
/// Columns of the migration that are there already.
const LEFTOVERS: &str = "SELECT count(*) FROM information_schema.columns \
                         WHERE table_schema = 'service_ops' AND column_name = 'utn_status'";

#[test]
fn demo_clean_is_the_state_before_the_migration() {
    for kept in [false, true, true] {
        let mut said = Vec::new();
        let options = DemoOptions {
            kept,
            ..DemoOptions::for_tests(Scenario::Clean)
        };
        let demo = options.prepare(|line| said.push(line.to_owned())).unwrap();
        assert!(said[0].starts_with("starting PostgreSQL "), "{said:?}");
        let (runtime, mut owner) = (runtime(), tokio_postgres::Config::new());
        owner
            .host_path(demo.host())
            .port(demo.port())
            .user(demo.role())
            .dbname(demo.database());
        let owner = runtime.block_on(connect(owner));
        let count = |query: &str| number(&runtime, &owner, query);
        assert_eq!(
            count("SELECT count(*) FROM pg_roles WHERE rolname = current_user AND NOT rolsuper"),
            1
        );
        assert_eq!(
            count(
                "SELECT count(*) FROM pg_tables WHERE tableowner = current_user \
                 AND schemaname IN ('service_ops', 'integration') \
                 AND tablename IN ('integration_inbox', 'packet_decision', \
                                   'integration_receive_serviceops')"
            ),
            3
        );
        for table in [
            "service_ops.integration_inbox",
            "service_ops.packet_decision",
            "integration.integration_receive_serviceops",
        ] {
            assert_eq!(count(&format!("SELECT count(*) FROM {table}")), 50_000);
            let estimate =
                format!("SELECT reltuples::bigint FROM pg_class WHERE oid = '{table}'::regclass");
            assert_eq!(count(&estimate), 50_000, "{table} is analyzed");
        }
        assert_eq!(count(DUPLICATES), 0);
        assert_eq!(count(LEFTOVERS), 0);
    }
}

#[test]
fn demo_failing_check_has_a_leftover_in_the_way() {
    let (_demo, runtime, client) = demo(DemoOptions::for_tests(Scenario::FailingCheck));
    assert_eq!(number(&runtime, &client, LEFTOVERS), 1);
    assert_eq!(number(&runtime, &client, DUPLICATES), 0);
}

#[test]
fn demo_duplicate_message_ids_has_duplicates() {
    let (_demo, runtime, client) = demo(DemoOptions::for_tests(Scenario::DuplicateMessageIds));
    assert!(number(&runtime, &client, DUPLICATES) > 0);
    assert_eq!(number(&runtime, &client, LEFTOVERS), 0);
}

#[test]
fn demo_blocked_holds_its_lock_until_it_was_waited_for() {
    let (demo, runtime, client) = demo(DemoOptions {
        blocker_patience: Duration::from_millis(300),
        ..DemoOptions::for_tests(Scenario::Blocked)
    });
    let held = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                WHERE relation = 'service_ops.packet_decision'::regclass AND granted \
                AND mode = 'AccessShareLock' AND application_name = 'nightly report' \
                AND usename = 'wiser_app' AND state = 'idle in transaction'";
    assert_eq!(number(&runtime, &client, held), 1);

    let owner = runtime.block_on(connect(
        demo.sandbox().connection(demo.role(), demo.database()),
    ));
    let attempt = "SET lock_timeout = '100ms'; \
                   ALTER TABLE service_ops.packet_decision ADD COLUMN IF NOT EXISTS i int";
    let refused = runtime.block_on(owner.batch_execute(attempt)).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55P03");
    assert_eq!(number(&runtime, &client, held), 1, "still held");
    wait_for("an attempt succeeds", || {
        runtime.block_on(owner.batch_execute(attempt)).is_ok()
    });
    assert_eq!(number(&runtime, &client, held), 0);
}

#[test]
fn demo_blocked_ends_while_it_still_blocks() {
    let (demo, runtime, client) = demo(DemoOptions {
        blocker_patience: Duration::from_secs(1_000_000),
        ..DemoOptions::for_tests(Scenario::Blocked)
    });
    let postmaster = demo.sandbox().pid().unwrap();
    let blocked = "SET lock_timeout = '200ms'; LOCK TABLE service_ops.packet_decision";
    runtime.block_on(client.batch_execute(blocked)).unwrap_err();
    drop(demo);
    assert!(!exists(postmaster));
}

#[test]
fn demo_busy_keeps_working_within_bounds_whatever_happens() {
    let (_demo, runtime, client) = demo(DemoOptions::for_tests(Scenario::Busy));
    let count = |query: &str| number(&runtime, &client, query);
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE application_name = 'serviceops-app' AND usename = 'wiser_app'";
    let waiters = "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                   WHERE NOT granted AND application_name = 'serviceops-app'";
    let written = "SELECT (SELECT count(*) FROM service_ops.integration_inbox) \
                   + (SELECT count(*) FROM service_ops.packet_decision) \
                   + (SELECT sum(attempt_count) FROM service_ops.integration_inbox)";
    let progress = || {
        let before = count(written);
        // Each of the three writers several times over.
        wait_for("the application writes", || count(written) > before + 12);
    };
    assert_eq!(count(sessions), 4);
    progress();

    // What the migration does to it.
    runtime
        .block_on(client.batch_execute(
            "BEGIN; ALTER TABLE service_ops.integration_inbox ADD COLUMN i int; \
             ALTER TABLE service_ops.packet_decision ADD COLUMN i int",
        ))
        .unwrap();
    wait_for("every session waits", || count(waiters) == 4);
    runtime.block_on(client.batch_execute("COMMIT")).unwrap();
    progress();

    let ended = count(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE application_name = 'serviceops-app'",
    );
    assert_eq!(ended, 4);
    progress();
    wait_for("all are back", || count(sessions) == 4);

    let hurry = "SELECT count(*) FROM (SELECT created_at - lag(created_at) OVER (ORDER BY inbox_id) \
                 AS pause FROM service_ops.integration_inbox WHERE inbox_id > 50000) AS t \
                 WHERE pause < interval '240 ms'";
    assert_eq!(count(hurry), 0, "never faster than its pause");
}

#[test]
#[ignore = "prints figures; run by hand"]
fn how_long_a_start_takes() {
    let mut cold = Vec::new();
    for _ in 0..3 {
        let cache = Folder::new();
        let begin = Instant::now();
        let options = SandboxOptions {
            cache: Some(cache.0.clone()),
            ..SandboxOptions::for_tests()
        };
        let _sandbox = Sandbox::start(options).unwrap();
        cold.push(begin.elapsed());
    }
    for place in [ClusterPlace::Memory, ClusterPlace::Temporary] {
        let (mut warm, mut stop) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            let begin = Instant::now();
            let options = SandboxOptions {
                place: place.clone(),
                ..SandboxOptions::default()
            };
            let sandbox = Sandbox::start(options).unwrap();
            warm.push(begin.elapsed());
            let begin = Instant::now();
            drop(sandbox);
            stop.push(begin.elapsed());
        }
        warm.sort();
        stop.sort();
        println!(
            "{place:?}: warm {:?} (worst {:?}), drop {:?}",
            warm[10], warm[19], stop[10]
        );
    }
    println!("cold {cold:?}");
}

#[test]
#[ignore = "prints figures; run by hand"]
fn how_long_a_demo_takes() {
    for kept in [false, false, true, true, true] {
        let begin = Instant::now();
        let mut lines = Vec::new();
        let demo = DemoOptions {
            kept,
            ..DemoOptions::new(Scenario::Clean)
        }
        .prepare(|line| lines.push(format!("{:?} {line}", begin.elapsed())))
        .unwrap();
        println!("{lines:#?} ready {:?}", begin.elapsed());
        let size = "SELECT pg_size_pretty(sum(pg_database_size(oid))) FROM pg_database";
        println!("databases of {}", ask(demo.sandbox(), size));
    }
}
