//! A process of ours that ends our backend when we are stopped or gone in the middle of a hold.
//!
//! The server misses a client that says nothing while its backend waits *for us to say* something; it
//! does not while the backend waits on the socket in the middle of a statement (a result that nobody
//! reads, notices, COPY data that do not come), and there neither does `statement_timeout` count. So
//! somebody beside us has to: a process in a session of its own, which no signal to our group stops. It
//! hears a beat through a pipe, and holds no connection until it has to act. It needs no more rights than
//! our role has, and ends a backend only while that one runs our transaction. The password goes by the
//! pipe, never by arguments or environment (I9).

mod keeping;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{clean, conninfo_with_passphrase};
use super::pinned::Pinned;
use super::session::Identity;

pub use keeping::keep;

/// The one argument of the process.
pub const KEEP: &str = "keep-watch-over-a-hold";

/// What the process says once nothing that happens to us reaches it.
const READY: &str = "ready";

/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest time from one beat to the next.
const OFTEN: Duration = Duration::from_secs(1);

/// What goes through the pipe, a line each. It is never printed: it has the password.
#[derive(Serialize, Deserialize)]
enum Word {
    /// Where to connect, and how long silence is allowed, in milliseconds.
    Know {
        conninfo: String,
        password: Option<String>,
        silence: u64,
    },
    /// This transaction is held from now on.
    Hold { identity: Identity, xid: String },
    /// We are alive, and the hold is not over.
    Beat,
    /// Nothing is held any more.
    Free,
}

/// The process, from our side. When it is dropped, what is still held is ended by it.
#[derive(Debug)]
pub struct Sentry {
    pipe: Pipe,
    // Its end tells the beating thread to stop.
    beating: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    gone: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
struct Pipe(Arc<Mutex<Option<ChildStdin>>>);

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Option<ChildStdin>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn say(&self, word: &Word) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(word)?;
        line.push(b'\n');
        match &mut *self.lock() {
            Some(pipe) => pipe.write_all(&line),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// This program as it runs, also when its file was replaced since.
#[must_use]
pub fn own_program() -> Option<PathBuf> {
    let here = Path::new("/proc/self/exe");
    match here.exists() {
        true => Some(here.to_owned()),
        false => std::env::current_exe().ok(),
    }
}

impl Sentry {
    /// Starts `program`, which is ours, and waits until it is out of reach of what may happen to us.
    /// `silence` is how long it may hear nothing, `alive` whether the hold is not over.
    ///
    /// # Errors
    /// In words, when it cannot be started.
    pub fn post(
        program: &Path,
        pinned: &Pinned,
        silence: Duration,
        alive: impl Fn() -> bool + Send + 'static,
    ) -> Result<Sentry, String> {
        let mut child = clean(program)
            .arg(KEEP)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let pipe = Pipe(Arc::new(Mutex::new(child.stdin.take())));
        let know = Word::Know {
            conninfo: conninfo_with_passphrase(pinned),
            password: pinned
                .password()
                .map(|password| password.reveal().to_owned()),
            silence: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
        };
        let ready = pipe
            .say(&know)
            .map_err(|error| error.to_string())
            .and_then(|()| wait_until_ready(&mut child));
        if let Err(why) = ready {
            let _ = child.kill();
            let _ = child.wait();
            return Err(why);
        }
        let (beating, stop) = mpsc::channel();
        let (beats, between) = (pipe.clone(), (silence / 3).min(OFTEN));
        let gone = Arc::new(AtomicBool::new(false));
        let missed = Arc::clone(&gone);
        let beat = move || {
            while stop.recv_timeout(between) == Err(RecvTimeoutError::Timeout) {
                if alive() && beats.say(&Word::Beat).is_err() {
                    missed.store(true, Ordering::SeqCst);
                    break;
                }
            }
            // The end of the pipe is its cue.
            drop(beats.lock().take());
            let _ = child.wait();
        };
        let thread = std::thread::Builder::new()
            .name("beats".into())
            .spawn(beat)
            .map_err(|error| error.to_string())?;
        Ok(Sentry {
            pipe,
            beating: Some(beating),
            thread: Some(thread),
            gone,
        })
    }

    /// Whether the process was there when it was last spoken to.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !self.gone.load(Ordering::SeqCst)
    }

    /// The transaction that is to be ended when we fall silent.
    ///
    /// # Errors
    /// In words, when nobody keeps watch any more.
    pub fn hold(&self, identity: Identity, xid: String) -> Result<(), String> {
        let said = self.pipe.say(&Word::Hold { identity, xid });
        said.map_err(|error| error.to_string())
    }

    /// The transaction has ended, or nobody is to touch it.
    pub fn free(&self) {
        // Where it is gone there is nobody to be told.
        let _ = self.pipe.say(&Word::Free);
    }
}

impl Drop for Sentry {
    fn drop(&mut self) {
        drop(self.beating.take());
        // The pipe is closed before we go on; its process is on its own from there.
        drop(self.pipe.lock().take());
        drop(self.thread.take());
    }
}

fn wait_until_ready(child: &mut Child) -> Result<(), String> {
    let Some(out) = child.stdout.take() else {
        return Err("it has no output".into());
    };
    let (said, ready) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(out).read_line(&mut line);
        let _ = said.send(line);
    });
    match ready.recv_timeout(PATIENCE) {
        Ok(line) if line.trim_end() == READY => Ok(()),
        Ok(_) => Err("it did not start as it should".into()),
        Err(_) => Err(format!("it said nothing for {} s", PATIENCE.as_secs())),
    }
}
