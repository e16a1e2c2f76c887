//! One throw-away server: started, stopped, started again, and gone in the end.
//!
//! The postmaster is our own child, so that its end is seen and its process id is never mistaken
//! for another's. Ready is what its `postmaster.pid` says, not a connection that happens to work.

use std::fs::{self, DirBuilder, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::account::{SystemAccount, run_as};
use super::error::tail;
use super::options::{SETTINGS, SandboxOptions};
use super::place::{self, socket_folder};
use super::port::find_port;
use super::programs::Programs;
use super::reaper::{self, Reaper};
use super::template::{self, Provided, TemplateSlot};
use super::{SandboxError, copy};

/// The port of a server without TCP: it names the socket's file, and each server has its own folder.
const SOCKET_PORT: u16 = 5432;

/// How long a server may take to become ready. A loaded machine takes 2 s.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long an ordered stop may take. PostgreSQL itself kills lingering sessions after 5 s.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How long an immediate stop may take before the postmaster itself is killed. The server kills what
/// lingers after 5 s; up to 17 it goes on taking connections until then, and waits for one that
/// says nothing as long as `authentication_timeout` (60 s).
const CRASH_LIMIT: Duration = Duration::from_secs(8);

/// How long a start is tried again after a crash: the kernel may still hold the dead server's
/// shared memory (2 starts in 50).
const RESTART_LIMIT: Duration = Duration::from_secs(10);

/// How often a free TCP port is picked anew when somebody else was quicker to take it.
const PORT_ATTEMPTS: u32 = 5;

/// A running (or stopped) throw-away server. Dropping it ends the server and removes its files.
#[derive(Debug)]
pub struct Sandbox {
    folder: PathBuf,
    socket_folder: PathBuf,
    log_path: PathBuf,
    programs: Programs,
    account: Option<SystemAccount>,
    settings: Vec<(String, String)>,
    tcp: bool,
    port: u16,
    postmaster: Mutex<Option<Child>>,
    filled: bool,
    slot: Option<TemplateSlot>,
    /// Only dropped, and last: it removes the folder.
    _reaper: Reaper,
}

impl Sandbox {
    /// Makes a cluster and starts a server on it. Blocks until it accepts connections.
    pub fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let programs = match options.programs {
            Some(programs) => programs,
            None => Programs::find()?,
        };
        let account = SystemAccount::for_server()?;
        let folder = options
            .place
            .make_folder(account.as_ref(), &programs.postgres)?;
        let reaper = Reaper::start(&folder).inspect_err(|_| {
            let _ = fs::remove_dir(&folder);
        })?;
        let own = |path: &Path| {
            copy::give(path, account.as_ref())
                .map_err(SandboxError::io(format!("give {} away", path.display())))
        };
        own(&folder)?;
        let socket_folder = socket_folder(&folder);
        DirBuilder::new()
            .mode(0o700)
            .create(&socket_folder)
            .map_err(SandboxError::io("make the folder of the server's socket"))?;
        own(&socket_folder)?;
        let cache = place::cache_folder(options.cache.as_deref());
        let origin = template::TemplateOrigin {
            programs: &programs,
            account: account.as_ref(),
            cache: cache.as_deref(),
            folder: &folder,
        };
        let provided =
            template::provide(&origin, options.content.as_deref(), &folder.join("data"))?;
        let (filled, slot) = match provided {
            Provided::Filled => (true, None),
            Provided::Fresh(slot) => (false, slot),
        };
        let mut sandbox = Self {
            log_path: folder.join("server.log"),
            socket_folder,
            folder,
            programs,
            account,
            settings: options.settings,
            tcp: options.tcp,
            port: SOCKET_PORT,
            postmaster: Mutex::new(None),
            filled,
            slot,
            _reaper: reaper,
        };
        sandbox.first_start()?;
        Ok(sandbox)
    }

    fn first_start(&mut self) -> Result<(), SandboxError> {
        let mut attempt = 1;
        loop {
            if self.tcp {
                self.port = find_port()?;
            }
            match self.launch(&mut self.lock()) {
                Err(SandboxError::NotStarted { log_tail, .. })
                    if self.tcp
                        && attempt < PORT_ATTEMPTS
                        && log_tail.contains("could not bind") =>
                {
                    attempt += 1;
                }
                ended => return ended,
            }
        }
    }

    /// The folder that holds all of it: what lies there is removed with the server, however this
    /// process ends.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the server's socket, to be given as the host.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_folder
    }

    /// The port: of the socket, and of 127.0.0.1 where [`SandboxOptions::tcp`] asked for it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens on TCP, if it does.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp
            .then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))
    }

    /// The superuser's role; nobody is asked for a password.
    pub fn superuser(&self) -> &'static str {
        "postgres"
    }

    /// The version of the server, such as `15.18`.
    pub fn version(&self) -> &str {
        &self.programs.version
    }

    /// The file that holds what the server logs.
    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// Settings to connect over the socket with.
    pub fn connection(&self, role: &str, database: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(&self.socket_folder)
            .port(self.port)
            .user(role)
            .dbname(database);
        config
    }

    /// The postmaster's process id; none while the server is stopped or when it has died.
    pub fn pid(&self) -> Option<u32> {
        let mut postmaster = self.lock();
        let child = postmaster.as_mut()?;
        match child.try_wait() {
            Ok(None) => Some(child.id()),
            _ => None,
        }
    }

    /// Stops it as a crash would: sessions are cut off, the next start has to recover.
    pub fn stop_immediate(&self) -> Result<(), SandboxError> {
        self.stop(&mut self.lock(), Signal::QUIT)
    }

    /// Stops it in order: transactions are rolled back, sessions told (57P01).
    pub fn stop_fast(&self) -> Result<(), SandboxError> {
        self.stop(&mut self.lock(), Signal::INT)
    }

    /// Starts it again on the same cluster, socket and port: after a stop, after somebody killed
    /// the postmaster, or with a fast stop first where it still runs.
    pub fn restart(&self) -> Result<(), SandboxError> {
        let mut postmaster = self.lock();
        self.stop(&mut postmaster, Signal::INT)?;
        let give_up = Instant::now() + RESTART_LIMIT;
        loop {
            match self.launch(&mut postmaster) {
                Err(SandboxError::NotStarted { .. }) if Instant::now() < give_up => {
                    sleep(Duration::from_millis(100));
                }
                ended => return ended,
            }
        }
    }

    /// Whether it already held [`SandboxOptions::content`] when it was started.
    pub fn is_filled(&self) -> bool {
        self.filled
    }

    /// Keeps a copy of the cluster as it is now for later starts with the same
    /// [`SandboxOptions::content`]. The server is restarted for it. Without a folder to keep it in, or
    /// when there is one already, nothing happens.
    pub fn keep(&mut self) -> Result<(), SandboxError> {
        let Some(slot) = self.slot.take() else {
            return Ok(());
        };
        self.stop_fast()?;
        slot.fill(&self.data());
        self.restart()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.postmaster
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn launch(&self, postmaster: &mut Option<Child>) -> Result<(), SandboxError> {
        let log = |why: &str| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.log_path)
                .map_err(SandboxError::io(format!("open the server's log {why}")))
        };
        let seen = fs::metadata(&self.log_path).map_or(0, |log| log.len());
        let mut command = reaper::launch(&self.folder, &self.programs.postgres);
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.socket_folder)
            .args(["-p", &self.port.to_string()])
            .args(["-h", if self.tcp { "127.0.0.1" } else { "" }]);
        for (name, value) in SETTINGS {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
            .stdout(Stdio::from(log("for its output")?))
            .stderr(Stdio::from(log("for its errors")?));
        super::environment::clean_environment(&mut command);
        run_as(&mut command, self.account.as_ref());
        let child = command.spawn().map_err(SandboxError::io(format!(
            "run {}",
            self.programs.postgres.display()
        )))?;
        self.wait_until_ready(postmaster.insert(child), seen)
    }

    /// `seen` is the length of the log before this start, in bytes.
    fn wait_until_ready(&self, child: &mut Child, seen: u64) -> Result<(), SandboxError> {
        let give_up = Instant::now() + START_LIMIT;
        let why = loop {
            if let Some(status) = child
                .try_wait()
                .map_err(SandboxError::io("wait for the server"))?
            {
                reaper::forget(&self.folder);
                break format!("it ended at once ({status})");
            }
            if self.says_ready(child.id()) {
                return Ok(());
            }
            if Instant::now() > give_up {
                let seconds = START_LIMIT.as_secs();
                break format!("it was not ready after {seconds} s");
            }
            sleep(Duration::from_millis(1));
        };
        let log = fs::read(&self.log_path).unwrap_or_default();
        let this_start = usize::try_from(seen).ok().and_then(|seen| log.get(seen..));
        Err(SandboxError::NotStarted {
            why,
            log_tail: tail(this_start.unwrap_or_default(), 20),
        })
    }

    /// Line 1 is the postmaster's process id (a dead one's file may still be there), line 8 its
    /// state, padded with blanks.
    fn says_ready(&self, pid: u32) -> bool {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines();
        lines.next().and_then(|line| line.parse().ok()) == Some(pid)
            && lines
                .nth(6)
                .is_some_and(|state| state.trim_end() == "ready")
    }

    fn stop(&self, postmaster: &mut Option<Child>, signal: Signal) -> Result<(), SandboxError> {
        let Some(mut child) = postmaster.take() else {
            return Ok(());
        };
        let pid = child.id();
        // Only a child that has not been waited for is sure to keep its process id to itself.
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&child), signal);
        }
        let crash = signal == Signal::QUIT;
        let limit = if crash { CRASH_LIMIT } else { STOP_LIMIT };
        let in_time = wait(&mut child, limit);
        if !in_time {
            let _ = child.kill();
            let _ = child.wait();
        }
        reaper::forget(&self.folder);
        // A postmaster that had to be killed has crashed as well as any.
        if in_time || crash {
            Ok(())
        } else {
            Err(SandboxError::NotStopped {
                pid,
                seconds: limit.as_secs(),
                log_tail: tail(&fs::read(&self.log_path).unwrap_or_default(), 20),
            })
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.stop_immediate();
    }
}

/// Whether the child ended within that time.
fn wait(child: &mut Child, limit: Duration) -> bool {
    let give_up = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(_)) | Err(_) => return true,
            Ok(None) if Instant::now() > give_up => return false,
            Ok(None) => sleep(Duration::from_millis(1)),
        }
    }
}
