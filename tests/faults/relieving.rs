//! The process that watches over the hold is killed itself: another one takes its place at once, whatever
//! the server is at, and knows what is held and what is not.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Handle;
use tokio_postgres::Client;

use crate::ground::{DATABASE, Ground, PATIENCE, Table};
use crate::program::{Program, outcome};
use stagegate::sandbox::SandboxOptions;

/// No statement ends by the server's own clock in this time: the limit is twice of it.
const HOLD: &str = "10min";

/// What the program says of it.
const RELIEVED: &str = "the process that watches over the hold died (signal: 9 (SIGKILL)); another one \
    has taken its place";

/// Waits until there is something.
fn until<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_running(pid: u32) -> bool {
    // What nobody has waited for is no longer running.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// The process that watches for the one with this id.
fn watcher_of(parent: u32) -> Option<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let watches = |pid: &u32| {
        let of = |what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&of("stat")).into_owned();
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        let is_child = rest.split(' ').nth(1) == Some(&parent.to_string());
        let named = String::from_utf8_lossy(&of("cmdline")).contains("keep-watch-over-a-hold");
        is_child && named && is_running(*pid)
    };
    pids.into_iter().find(watches)
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Kills whoever watches, and waits until the program says that another one does.
fn kill_the_watcher(program: &mut Program) -> u32 {
    let first = until("somebody watches", || watcher_of(program.process_id()));
    kill(first);
    program.expect(RELIEVED);
    let second = watcher_of(program.process_id()).expect("nobody watches");
    assert_ne!(first, second);
    second
}

struct Held {
    program: Program,
    client: Client,
    table: Table,
    pid: i32,
}

/// A walk in which `middle` runs behind what takes the lock.
fn hold(ground: &Ground, handle: &Handle, folder: &Path, middle: &str) -> Held {
    let table = handle.block_on(ground.table());
    let client = handle.block_on(ground.client(DATABASE));
    let script = table.script_file(folder, middle);
    let place = (ground.sandbox.socket_dir(), ground.sandbox.port());
    let more = ["--dead-man", "3s", "--hold-limit", HOLD];
    let journal = script.with_extension("jsonl");
    let mut program = Program::stagegate_over_socket(place, &script, &journal, &more);
    program.apply();
    let held = handle.block_on(table.wait_until_held(&client));
    let pid = held.unwrap_or_else(|| panic!("never held:\n{}", program.text()));
    Held {
        program,
        client,
        table,
        pid,
    }
}

fn waits_for(handle: &Handle, client: &Client, pid: i32) -> Option<String> {
    let sql = "SELECT wait_event FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
    let row = handle.block_on(client.query_opt(sql, &[&pid])).unwrap();
    row.and_then(|row| row.get(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_while_a_statement_runs_it_is_replaced_then_and_the_new_one_ends_the_hold() {
    if !Path::new("/proc/self/stat").exists() {
        return crate::aloud::skip("without /proc nobody can be found");
    }
    let ground = Ground::start(SandboxOptions::for_tests()).await;
    let folder = tempfile::tempdir().unwrap();
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let middle = "SELECT pg_sleep(2000);\n";
        let mut held = hold(&ground, &handle, folder.path(), middle);
        until("it sleeps", || {
            let event = waits_for(&handle, &held.client, held.pid);
            event.filter(|event| event == "PgSleep")
        });
        let second = kill_the_watcher(&mut held.program);
        // And that one, once more.
        let third = kill_the_watcher(&mut held.program);
        assert_ne!(second, third);
        held.program.signal(Signal::STOP);
        let free = held.table.wait_until_free(&held.client, PATIENCE);
        assert!(handle.block_on(free).is_some(), "still held");
        held.program.signal(Signal::KILL);
        let journal = folder.path().join(format!("{}.jsonl", held.table.name));
        let (told, code) = outcome(&journal, ground.address(), &["--end-backend"]);
        assert!(told.starts_with("ROLLED BACK"), "{told}");
        assert_eq!(code, Some(3));
    })
    .await
    .unwrap();
}

/// What was free before stays free: the wait for a standby is nobody's to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_while_commit_waits_the_new_one_ends_nothing() {
    if !Path::new("/proc/self/stat").exists() {
        return crate::aloud::skip("without /proc nobody can be found");
    }
    let ground = Ground::start(SandboxOptions::for_tests()).await;
    let folder = tempfile::tempdir().unwrap();
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut held = hold(&ground, &handle, folder.path(), "");
        held.program.wait_for_gate();
        for sql in [
            "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
            "SELECT pg_reload_conf()",
        ] {
            handle.block_on(held.client.batch_execute(sql)).unwrap();
        }
        assert!(held.program.ask_to_commit());
        held.program
            .insist(DATABASE, "COMMIT sent; waiting for its proof.");
        let waits = |held: &Held| {
            let event = waits_for(&handle, &held.client, held.pid);
            event.filter(|event| event == "SyncRep")
        };
        until("COMMIT waits for a standby", || waits(&held));
        let second = kill_the_watcher(&mut held.program);
        held.program.signal(Signal::KILL);
        // With something to end it would have tried to before it was gone.
        until("it is gone", || (!is_running(second)).then_some(()));
        assert!(waits(&held).is_some(), "the wait was ended");
    })
    .await
    .unwrap();
}
