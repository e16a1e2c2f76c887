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
    // A word wakes the beating thread, its end tells it to stop.
    beating: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    gone: Arc<AtomicBool>,
}

/// What became of a process that died before its time.
#[derive(Debug)]
pub struct Relieved {
    pub how: String,
    /// Why nobody stands in its place.
    pub by_nobody: Option<String>,
}

/// What is said to the process that listens now.
#[derive(Debug)]
struct Voice {
    to: Option<ChildStdin>,
    /// What was said to be held, for whoever listens next.
    held: Option<(Identity, String)>,
}

impl Voice {
    fn say(&mut self, word: &Word) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(word)?;
        line.push(b'\n');
        match &mut self.to {
            Some(pipe) => pipe.write_all(&line),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Who is to end nothing waits for no sign: none fills the pipe of one that was stopped.
    fn beat(&mut self) -> std::io::Result<()> {
        match self.held {
            Some(_) => self.say(&Word::Beat),
            None => Ok(()),
        }
    }

    fn say_held(&mut self) -> std::io::Result<()> {
        match self.held.clone() {
            Some((identity, xid)) => self.say(&Word::Hold { identity, xid }),
            None => Ok(()),
        }
    }
}

/// Under one lock: what is held, and who hears of it. What is free stays free, whoever listens then.
#[derive(Debug, Clone)]
struct Pipe(Arc<Mutex<Voice>>);

impl Pipe {
    fn to(listener: ChildStdin) -> Pipe {
        Pipe(Arc::new(Mutex::new(Voice {
            to: Some(listener),
            held: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Voice> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
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
    /// `silence` is how long it may hear nothing, `alive` whether the hold is not over. One that dies is
    /// replaced, once for each death, within a second and whatever else is under way; `tell` hears of it.
    ///
    /// # Errors
    /// In words, when it cannot be started.
    pub fn post(
        program: &Path,
        pinned: &Pinned,
        silence: Duration,
        alive: impl Fn() -> bool + Send + 'static,
        tell: impl Fn(Relieved) + Send + 'static,
    ) -> Result<Sentry, String> {
        let post = Post {
            program: program.to_owned(),
            pinned: pinned.clone(),
            silence,
        };
        let (mut child, listener) = post.fill()?;
        let pipe = Pipe::to(listener);
        let (beating, stop) = mpsc::channel();
        let (beats, between) = (pipe.clone(), (silence / 3).min(OFTEN));
        let gone = Arc::new(AtomicBool::new(false));
        let missed = Arc::clone(&gone);
        let beat = move || {
            while stop.recv_timeout(between) != Err(RecvTimeoutError::Disconnected) {
                let died = how_it_died(&mut child);
                let heard = !alive() || beats.lock().beat().is_ok();
                let how = match died {
                    None if heard => continue,
                    None => "it does not listen any more".to_owned(),
                    Some(how) => how,
                };
                let by_nobody = relieve(&post, &beats, &mut child).err();
                // Whoever is to begin something new tries it again, and says so where it cannot be.
                missed.store(by_nobody.is_some(), Ordering::SeqCst);
                let over = by_nobody.is_some();
                tell(Relieved { how, by_nobody });
                if over {
                    break;
                }
            }
            // The end of the pipe is its cue.
            drop(beats.lock().to.take());
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

    /// Whether the process was there when it was last spoken to, or another one in its place.
    pub fn is_there(&self) -> bool {
        !self.gone.load(Ordering::SeqCst)
    }

    /// The transaction that is to be ended when we fall silent. One that has died hears of it from the one
    /// that is started in its place.
    pub fn hold(&self, identity: Identity, xid: String) {
        let mut voice = self.pipe.lock();
        voice.held = Some((identity, xid));
        if voice.say_held().is_err()
            && let Some(beating) = &self.beating
        {
            // Where that thread has ended nobody is there, and it was told.
            let _ = beating.send(());
        }
    }

    /// The transaction has ended, or nobody is to touch it: neither the process that listens, nor one that
    /// is being started in its place.
    pub fn free(&self) {
        let mut voice = self.pipe.lock();
        voice.held = None;
        // Where it is gone there is nobody to be told.
        let _ = voice.say(&Word::Free);
    }
}

impl Drop for Sentry {
    fn drop(&mut self) {
        drop(self.beating.take());
        // The pipe is closed before we go on; its process is on its own from there.
        drop(self.pipe.lock().to.take());
        drop(self.thread.take());
    }
}

/// How a process is started that watches.
struct Post {
    program: PathBuf,
    pinned: Pinned,
    silence: Duration,
}

impl Post {
    /// Starts one and waits until it is out of reach.
    fn fill(&self) -> Result<(Child, ChildStdin), String> {
        let program = &self.program;
        let mut child = clean(program)
            .arg(KEEP)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let know = Word::Know {
            conninfo: conninfo_with_passphrase(&self.pinned),
            password: (self.pinned.password()).map(|password| password.reveal().to_owned()),
            silence: u64::try_from(self.silence.as_millis()).unwrap_or(u64::MAX),
        };
        let mut voice = Voice {
            to: child.stdin.take(),
            held: None,
        };
        let ready = voice
            .say(&know)
            .map_err(|error| error.to_string())
            .and_then(|()| wait_until_ready(&mut child));
        match (ready, voice.to) {
            (Ok(()), Some(listener)) => Ok((child, listener)),
            (ready, _) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(ready.err().unwrap_or_else(|| "it has no input".into()))
            }
        }
    }
}

/// Starts another process in the place of one that is gone; it hears what is held at that moment.
fn relieve(post: &Post, pipe: &Pipe, child: &mut Child) -> Result<(), String> {
    let (new, listener) = post.fill()?;
    let mut voice = pipe.lock();
    voice.to = Some(listener);
    // It is spoken to again with the next beat.
    let _ = voice.say_held();
    drop(voice);
    let mut old = std::mem::replace(child, new);
    let _ = old.kill();
    let _ = old.wait();
    Ok(())
}

/// How a process ended, if it has.
fn how_it_died(child: &mut Child) -> Option<String> {
    let ended = child.try_wait().ok()?;
    ended.map(|status| status.to_string())
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
