//! How long our locks stay when the client goes away, beside a plain psql that holds the same
//! transaction open at the same point.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use rustix::process::Signal;
use stagegate::sandbox::SandboxOptions;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clients::find_client;
use crate::ground::{Ground, PATIENCE, Table, shared};
use crate::namespace::Namespace;
use crate::program::{Program, outcome};
use crate::proxy::Proxy;

/// How the client goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    Kill,
    HangUp,
    Terminate,
    Stop,
    /// The link frozen by a proxy, whose kernel goes on answering for it.
    Freeze,
    /// Packets dropped on a link of a network namespace.
    Drop,
}

impl Loss {
    /// How long the statement takes that runs then, in seconds. Nobody can tell a frozen client
    /// from one that waits for a long statement, so there it is the server's idle limit after the
    /// statement that counts.
    fn sleep(self) -> u32 {
        match self {
            Loss::Kill | Loss::HangUp | Loss::Terminate | Loss::Drop => 120,
            Loss::Stop | Loss::Freeze => 3,
        }
    }
}

/// What it does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    Waiting,
    Working,
    /// The same two, after a script that lifts every limit, as a dump's header does.
    WaitingUnbounded,
    WorkingUnbounded,
    /// In the middle of a statement that the server does not see as one that runs: it waits for its
    /// client on the socket.
    Reading,
    Noticing,
    Copying,
}

/// What a dump begins with, and more of the kind.
const LIFTS: &str = "SET statement_timeout = 0;\nSET lock_timeout = 0;\n\
    SET idle_in_transaction_session_timeout = 0;\nSET client_connection_check_interval = 0;\n";

impl Doing {
    /// What the script does beside what locks.
    fn middle(self, loss: Loss) -> String {
        let sleep = format!("SELECT pg_sleep({});\n", loss.sleep());
        match self {
            Doing::Waiting => String::new(),
            Doing::Working => sleep,
            Doing::WaitingUnbounded => LIFTS.to_owned(),
            Doing::WorkingUnbounded => format!("{LIFTS}{sleep}"),
            // Made row by row, and more than anybody reads.
            Doing::Reading => {
                "SELECT repeat('x', 1000) FROM (SELECT generate_series(1, 200000000)) AS rows;\n"
                    .to_owned()
            }
            Doing::Noticing => "DO $$ BEGIN FOR i IN 1..200000000 LOOP \
                RAISE NOTICE '%', repeat('x', 1000); END LOOP; END $$;\n"
                .to_owned(),
            Doing::Copying => {
                let lines = format!("{}\n", "x".repeat(2_000)).repeat(1_500);
                format!("COPY slow_target FROM STDIN;\n{lines}\\.\n")
            }
        }
    }

    /// How the backend looks then: its state, and its query.
    fn seen_as(self) -> (&'static str, &'static str) {
        match self {
            Doing::Waiting | Doing::WaitingUnbounded => ("idle in transaction", "%"),
            Doing::Working | Doing::WorkingUnbounded => ("active", "%pg_sleep(%"),
            Doing::Reading => ("active", "%generate_series%"),
            Doing::Noticing => ("active", "%RAISE NOTICE%"),
            Doing::Copying => ("active", "%COPY slow_target%"),
        }
    }

    fn is_at_the_gate(self) -> bool {
        matches!(self, Doing::Waiting | Doing::WaitingUnbounded)
    }

    /// Nothing tells a server over its own socket that a client is stopped; over TCP the link's
    /// limits do.
    fn goes_over_socket(self) -> bool {
        matches!(self, Doing::Reading | Doing::Noticing | Doing::Copying)
    }

    fn words(self, loss: Loss) -> String {
        let lifted = "after SET statement_timeout = 0 and the like";
        match self {
            Doing::Waiting => "waiting for the decision".to_owned(),
            Doing::Working => format!("a statement of {} s runs", loss.sleep()),
            Doing::WaitingUnbounded => format!("waiting for the decision, {lifted}"),
            Doing::WorkingUnbounded => {
                format!("a statement of {} s runs, {lifted}", loss.sleep())
            }
            Doing::Reading => "a big result is read (unix socket)".to_owned(),
            Doing::Noticing => "notices are read (unix socket)".to_owned(),
            Doing::Copying => "COPY FROM STDIN (unix socket)".to_owned(),
        }
    }
}

/// Each loss with what is lost in it, and those to measure it on.
fn cases() -> Vec<(Loss, Doing, Client)> {
    let mut cases = Vec::new();
    for client in clients() {
        for loss in [
            Loss::Kill,
            Loss::HangUp,
            Loss::Terminate,
            Loss::Stop,
            Loss::Freeze,
        ] {
            cases.extend([Doing::Waiting, Doing::Working].map(|doing| (loss, doing, client)));
        }
        // Behind a frozen link nobody but the server's own limits can act.
        for loss in [Loss::Stop, Loss::Freeze] {
            let unbounded = [Doing::WaitingUnbounded, Doing::WorkingUnbounded];
            cases.extend(unbounded.map(|doing| (loss, doing, client)));
        }
        let reading = [Doing::Reading, Doing::Noticing];
        cases.extend(reading.map(|doing| (Loss::Stop, doing, client)));
    }
    // Three megabytes are not typed into psql.
    cases.push((Loss::Stop, Doing::Copying, Client::Stagegate));
    cases
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    Stagegate,
    Psql,
}

/// psql only where it is installed.
fn clients() -> Vec<Client> {
    match find_client("psql") {
        Some(_) => vec![Client::Stagegate, Client::Psql],
        None => vec![Client::Stagegate],
    }
}

/// How long until the locks were gone; `None` when they still were held at the end of the watch.
pub type Releases = BTreeMap<(Loss, Doing, Client), Vec<Option<Duration>>>;

#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// How often, for a loss that is noticed at once.
    pub quick: usize,
    /// How often, for one that takes its time.
    pub slow: usize,
    /// How often in a namespace.
    pub dropped: usize,
    /// How long psql is watched. stagegate is watched until its locks are gone.
    pub watch: Duration,
    /// `--dead-man`, where it is not the default.
    pub dead_man: Option<&'static str>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_lock_outlives_a_lost_client() {
    let extent = Extent {
        quick: 2,
        slow: 2,
        dropped: 2,
        watch: Duration::from_secs(5),
        dead_man: Some("12s"),
    };
    let (releases, skipped) = measure(extent).await;
    println!("{}", markdown(&releases, extent.watch));
    for reason in skipped {
        println!("SKIPPED: {reason}");
    }
    let held = releases.iter().filter(|((.., client), times)| {
        *client == Client::Stagegate && times.iter().any(Option::is_none)
    });
    let held: Vec<_> = held.map(|((loss, doing, _), _)| (loss, doing)).collect();
    assert_eq!(held, [], "still held");
}

/// Measures everything; with it, what could not be measured here and why.
pub async fn measure(extent: Extent) -> (Releases, Vec<String>) {
    let mut releases = Releases::new();
    let ground = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let turns = Arc::new(Semaphore::new(24));
    let mut runs = JoinSet::new();
    crate::stopping::make_slow_target(&ground).await;
    for (loss, doing, client) in cases() {
        let times = match loss {
            Loss::Kill | Loss::HangUp | Loss::Terminate => extent.quick,
            Loss::Stop | Loss::Freeze | Loss::Drop => extent.slow,
        };
        for _ in 0..times {
            let ground = ground.clone();
            let (turns, folder) = (Arc::clone(&turns), folder.path().to_owned());
            runs.spawn(async move {
                let _turn = turns.acquire_owned().await.unwrap();
                let proxy = Arc::new(Proxy::to(ground.address()).await);
                let link = Arc::clone(&proxy);
                let address = match loss {
                    Loss::Freeze => proxy.address,
                    _ => ground.address(),
                };
                let table = ground.table().await;
                let held = Held {
                    ground,
                    table,
                    client,
                    doing,
                    loss,
                    namespace: None,
                    address,
                };
                let handle = Handle::current();
                let blow = move |program: &Program| match loss {
                    Loss::Kill => program.signal(Signal::KILL),
                    Loss::HangUp => program.signal(Signal::HUP),
                    Loss::Terminate => program.signal(Signal::TERM),
                    Loss::Stop => program.signal(Signal::STOP),
                    Loss::Freeze | Loss::Drop => {
                        let since = Instant::now();
                        while client == Client::Stagegate && !link.counted().is_between_requests() {
                            assert!(since.elapsed() < PATIENCE, "{}", link.counted().letters);
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        link.freeze();
                    }
                };
                let release = tokio::task::spawn_blocking(move || {
                    held.release(&handle, &folder, extent, blow)
                });
                let release = release.await.unwrap();
                drop(proxy);
                ((loss, doing, client), release)
            });
        }
    }
    // A server and a namespace of its own, while the others are measured.
    let dropped = drop_packets(extent, folder.path()).await;
    while let Some(run) = runs.join_next().await {
        let (key, release) = run.unwrap();
        releases.entry(key).or_default().push(release);
    }
    let mut skipped = Vec::new();
    if clients().len() < 2 {
        skipped.push("psql, which is not in PATH".to_owned());
    }
    match dropped {
        Ok(dropped) => releases.extend(dropped),
        Err(why) => skipped.push(format!("packets dropped in a network namespace: {why}")),
    }
    (releases, skipped)
}

/// Everybody on one link, which then drops every packet.
async fn drop_packets(extent: Extent, folder: &Path) -> Result<Releases, String> {
    let namespace = Namespace::make()?;
    let listen = format!("127.0.0.1,{}", namespace.server);
    let options = SandboxOptions::for_tests().with("listen_addresses", &listen);
    let ground = Ground::start(options).await;
    let data = ground.sandbox.log_path().with_file_name("data");
    let admission = format!("\nhost all all {} trust\n", namespace.network());
    let file = std::fs::OpenOptions::new()
        .append(true)
        .open(data.join("pg_hba.conf"));
    std::io::Write::write_all(&mut file.unwrap(), admission.as_bytes()).unwrap();
    let client = ground.client("postgres").await;
    client
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    let address = SocketAddr::from((namespace.server, ground.sandbox.port()));
    let mut keys = Vec::new();
    for doing in [Doing::Waiting, Doing::Working] {
        for client in clients() {
            keys.extend(std::iter::repeat_n((doing, client), extent.dropped));
        }
    }
    // One thread strikes, when everybody holds.
    let ready = Arc::new(Barrier::new(keys.len() + 1));
    let struck = Arc::new(Barrier::new(keys.len() + 1));
    let mut runs = JoinSet::new();
    for (doing, client) in keys {
        let table = ground.table().await;
        let held = Held {
            ground: ground.clone(),
            table,
            client,
            doing,
            loss: Loss::Drop,
            namespace: Some(namespace.name.clone()),
            address,
        };
        let (ready, struck) = (Arc::clone(&ready), Arc::clone(&struck));
        let (handle, folder) = (Handle::current(), folder.to_owned());
        runs.spawn_blocking(move || {
            // Whoever fails on the way must not keep the others waiting.
            let mut arrival = Arrival(Some((ready, struck)));
            let release = held.release(&handle, &folder, extent, |_| arrival.arrive());
            ((Loss::Drop, doing, client), release)
        });
    }
    let done = tokio::task::spawn_blocking(move || {
        ready.wait();
        let done = namespace.drop_packets();
        struck.wait();
        done.map(|()| namespace)
    });
    // Kept until everybody is through.
    let done = done.await.unwrap();
    let mut releases = Releases::new();
    while let Some(run) = runs.join_next().await {
        let (key, release) = run.unwrap();
        releases.entry(key).or_default().push(release);
    }
    done.map(|_| releases)
}

/// One of those who are struck together: at the latest when it is dropped it has arrived.
struct Arrival(Option<(Arc<Barrier>, Arc<Barrier>)>);

impl Arrival {
    fn arrive(&mut self) {
        if let Some((ready, struck)) = self.0.take() {
            ready.wait();
            struck.wait();
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.arrive();
    }
}

/// A client that is to hold the table.
struct Held {
    ground: Ground,
    table: Table,
    client: Client,
    doing: Doing,
    loss: Loss,
    namespace: Option<String>,
    address: SocketAddr,
}

impl Held {
    /// Has the client hold the table, strikes, and measures until nobody holds it.
    fn release(
        self,
        handle: &Handle,
        folder: &Path,
        extent: Extent,
        strike: impl FnOnce(&Program),
    ) -> Option<Duration> {
        let namespace = self.namespace.as_deref();
        let own = handle.block_on(self.ground.client(crate::ground::DATABASE));
        let middle = self.doing.middle(self.loss);
        let middle = middle.as_str();
        let more: Vec<&str> = match extent.dead_man {
            Some(time) => vec!["--dead-man", time],
            None => Vec::new(),
        };
        let script = self.table.script_file(folder, middle);
        let journal = script.with_extension("jsonl");
        let program = match self.client {
            Client::Stagegate => {
                let sandbox = &self.ground.sandbox;
                let place = (sandbox.socket_dir(), sandbox.port());
                let mut program = match self.doing.goes_over_socket() {
                    true => Program::stagegate_over_socket(place, &script, &journal, &more),
                    false => Program::stagegate(namespace, self.address, &script, &journal, &more),
                };
                program.apply();
                if self.doing.is_at_the_gate() {
                    program.wait_for_gate();
                }
                program
            }
            Client::Psql => {
                let mut program = match self.doing.goes_over_socket() {
                    true => {
                        let sandbox = &self.ground.sandbox;
                        Program::psql_over_socket(sandbox.socket_dir(), sandbox.port())
                    }
                    false => Program::psql(namespace, self.address),
                };
                for line in self.table.script(middle).lines() {
                    if line != "COMMIT;" {
                        program.line(line);
                    }
                }
                program
            }
        };
        let pid = handle
            .block_on(self.table.wait_until_held(&own))
            .unwrap_or_else(|| panic!("{} is never held:\n{}", self.table.name, program.text()));
        handle.block_on(wait_until(&own, pid, self.doing));
        let since = Instant::now();
        strike(&program);
        let watch = match self.client {
            Client::Stagegate => PATIENCE,
            Client::Psql => extent.watch,
        };
        let free = handle.block_on(self.table.wait_until_free(&own, watch));
        let release = free.map(|_| since.elapsed());
        handle.block_on(self.table.free());
        assert!(
            !handle.block_on(self.table.is_altered_as_seen_by(&own)),
            "nobody committed, and it is there"
        );
        if self.client == Client::Stagegate {
            let (told, code) = outcome(&journal, self.ground.address(), &["--end-backend"]);
            assert!(
                told.starts_with("ROLLED BACK"),
                "{told}\n{}",
                program.text()
            );
            assert_eq!(code, Some(3), "{told}");
        }
        release
    }
}

/// Waits until that backend sleeps in its statement, or has nothing left to do.
async fn wait_until(client: &tokio_postgres::Client, pid: i32, doing: Doing) {
    let (state, query) = doing.seen_as();
    let since = Instant::now();
    loop {
        let there = client
            .query(
                "SELECT FROM pg_stat_activity WHERE pid = $1 AND state = $2 AND query LIKE $3",
                &[&pid, &state, &query],
            )
            .await
            .unwrap();
        if !there.is_empty() {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{pid} is never {state}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The longest that is in them, in seconds.
pub fn longest(releases: &Releases, losses: &[Loss]) -> Option<Duration> {
    let ours = releases
        .iter()
        .filter(|((loss, _, client), _)| losses.contains(loss) && *client == Client::Stagegate);
    ours.flat_map(|(_, times)| times)
        .map(|time| time.unwrap_or(Duration::MAX))
        .max()
}

pub fn markdown(releases: &Releases, watch: Duration) -> String {
    let mut text = String::from(
        "| client lost by | while | stagegate: runs | median | longest | psql: runs | median | longest |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let none = Vec::new();
    let keys: std::collections::BTreeSet<(Loss, Doing)> = releases
        .keys()
        .map(|(loss, doing, _)| (*loss, *doing))
        .collect();
    for (loss, doing) in keys {
        let of = |client| releases.get(&(loss, doing, client)).unwrap_or(&none);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            match loss {
                Loss::Kill => "SIGKILL",
                Loss::HangUp => "SIGHUP",
                Loss::Terminate => "SIGTERM",
                Loss::Stop => "SIGSTOP",
                Loss::Freeze => "link frozen, sockets open",
                Loss::Drop => "packets dropped (network namespace)",
            },
            doing.words(loss),
            cells(of(Client::Stagegate), watch),
            cells(of(Client::Psql), watch),
        );
    }
    text
}

fn cells(times: &[Option<Duration>], watch: Duration) -> String {
    let mut sorted: Vec<Duration> = times.iter().map(|t| t.unwrap_or(Duration::MAX)).collect();
    sorted.sort();
    let word = |time: Option<&Duration>| match time {
        None => "–".to_owned(),
        Some(&Duration::MAX) => format!("held, watched {} s", watch.as_secs()),
        Some(time) => format!("{:.2} s", time.as_secs_f64()),
    };
    format!(
        "{} | {} | {}",
        times.len(),
        word(sorted.get(sorted.len() / 2)),
        word(sorted.last())
    )
}
