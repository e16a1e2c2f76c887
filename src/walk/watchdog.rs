//! The end of a program that hangs: on a dead disk, or in a write of lines that nobody reads.
//!
//! Whoever is told to leave does so by itself, and this only watches. When the loop has not left in
//! time and gives no sign of life, its thread is stuck, and another one ends the process: the link is
//! closed first, so that the server rolls back; no COMMIT can go out after that; and what is said is
//! what is known. It must never come before an orderly leaving, nor say more than the loop knew.

use crate::database::session::Severer;
use crate::facts::ExitCode;
use crate::tui::{editor, terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long the loop has to leave: more than the four seconds that the machine gives the proof, and
/// less than the five that are promised.
const PATIENCE: Duration = Duration::from_millis(4_400);
/// A loop that was heard of in this time is not stuck. It is heard of ten times a second.
const SILENCE: Duration = Duration::from_millis(600);
/// How long the last words may take after it was told, where the loop has left in time: a terminal that
/// took nothing for a while may take them yet.
const CLOSING: Duration = Duration::from_millis(4_500);
/// How long they may take in any case.
const LEAST_CLOSING: Duration = Duration::from_millis(300);
/// How long after them the process may still be there.
const CLOSED: Duration = Duration::from_millis(350);
/// How long what still runs on the server has to be cancelled before the link is closed.
const CANCELLING: Duration = Duration::from_millis(150);
/// How long the last words may take, which a terminal may not want.
const WORDS: Duration = Duration::from_millis(100);
/// How long an orderly exit may take before the process is killed.
const EXIT: Duration = Duration::from_millis(600);

/// What would be true if the process ended now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EndingNow {
    #[default]
    Nothing,
    /// COMMIT was never sent: with the link the transaction is gone.
    Open {
        /// Its number, if it has one.
        xid: Option<String>,
    },
    Unknown {
        xid: Option<String>,
    },
    /// It is over, and that was proven.
    Over {
        word: &'static str,
        xid: Option<String>,
        /// The exit code, where the run has come to its end with it.
        code: Option<ExitCode>,
    },
}

#[derive(Debug)]
struct WatchdogState {
    /// When it was first told to leave, and what it leaves with after a rollback.
    told: Option<(Instant, ExitCode)>,
    /// Since when something is under way that locks must not wait for longer than for a leaving.
    tried: Option<Instant>,
    /// How often somebody pressed what leaves since the loop was heard of.
    pressed: u8,
    heard: Instant,
    /// The loop has left, and the last words may take until then.
    closes: Option<Instant>,
    known: EndingNow,
    link: Option<Severer>,
    journal: String,
    bites: bool,
}

/// The watch over one process.
#[derive(Debug, Clone)]
pub struct Watchdog(Arc<(Mutex<WatchdogState>, Condvar)>);

impl Watchdog {
    /// Starts to watch.
    pub fn start() -> std::io::Result<Watchdog> {
        let state = WatchdogState {
            told: None,
            tried: None,
            pressed: 0,
            heard: Instant::now(),
            closes: None,
            known: EndingNow::Nothing,
            link: None,
            journal: String::new(),
            bites: false,
        };
        let watchdog = Watchdog(Arc::new((Mutex::new(state), Condvar::new())));
        let watching = watchdog.clone();
        thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || watching.watch())?;
        Ok(watchdog)
    }

    fn lock(&self) -> MutexGuard<'_, WatchdogState> {
        self.0.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// The run has this journal, and this link to its server.
    pub fn goes_with(&self, journal: &str, link: Severer) {
        let mut state = self.lock();
        journal.clone_into(&mut state.journal);
        state.link = Some(link);
    }

    /// The program was told to leave. The first time counts.
    pub fn tell_to_leave(&self, code: ExitCode) {
        self.lock().told.get_or_insert((Instant::now(), code));
        self.0.1.notify_all();
    }

    /// The loop has left: nothing is open any more, and the journal has its end. Returns until when the
    /// terminal may be waited for, which has to be given back and to take the last words.
    pub fn let_close(&self) -> Instant {
        let now = Instant::now();
        let mut state = self.lock();
        let told = state.told.as_ref().map_or(now, |(told, _)| *told);
        let until = (told + CLOSING).max(now + LEAST_CLOSING);
        state.closes = Some(until);
        until
    }

    pub fn hear(&self) {
        let mut state = self.lock();
        state.heard = Instant::now();
        (state.tried, state.pressed) = (None, 0);
    }

    /// The loop turns to a disk that may hang, and is heard of behind that; ROLLBACK waits for it.
    pub fn try_to_write(&self) {
        self.lock().tried.get_or_insert(Instant::now());
        self.0.1.notify_all();
    }

    /// Somebody pressed what leaves. A loop that is stuck does not take it; pressed again, it counts as
    /// it would have there.
    pub fn hear_press(&self) {
        let mut state = self.lock();
        if state.heard.elapsed() < SILENCE {
            state.pressed = 0;
            return;
        }
        state.pressed = state.pressed.saturating_add(1);
        if state.pressed > 1 {
            state.tried.get_or_insert(Instant::now());
            self.0.1.notify_all();
        }
    }

    /// What would be true if the process ended now.
    pub fn learn(&self, known: EndingNow) {
        let mut state = self.lock();
        if !state.bites {
            state.known = known;
        }
    }

    /// Whether COMMIT may still be sent; from here on only the server knows then.
    pub fn lets_commit(&self, xid: &str) -> bool {
        let mut state = self.lock();
        if !state.bites {
            let xid = Some(xid.to_owned());
            state.known = EndingNow::Unknown { xid };
        }
        !state.bites
    }

    fn watch(&self) {
        let mut state = self.lock();
        let told = loop {
            let told = state.told;
            let Some(since) = told.map(|(at, _)| at).or(state.tried) else {
                let woken = self.0.1.wait(state);
                state = woken.unwrap_or_else(|broken| broken.into_inner());
                continue;
            };
            let due = match state.closes {
                Some(until) => until + CLOSED,
                None => (since + PATIENCE).max(state.heard + SILENCE),
            };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break told.map(|(_, code)| code);
            }
            let woken = self.0.1.wait_timeout(state, left);
            state = woken.unwrap_or_else(|broken| broken.into_inner()).0;
        };
        state.bites = true;
        let (known, link) = (state.known.clone(), state.link.take());
        let journal = std::mem::take(&mut state.journal);
        drop(state);
        // An exit hook or the terminal can block as well, so somebody has to stay outside.
        let _ = thread::Builder::new().spawn(move || end(&known, link.as_ref(), &journal, told));
        thread::sleep(CANCELLING + editor::ENDING + WORDS + EXIT);
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    }
}

/// Ends the process, which was `told` to leave with that code, or hangs where locks must not wait for it. What
/// is open is rolled back by the server, which sees its link closed.
fn end(known: &EndingNow, link: Option<&Severer>, journal: &str, told: Option<ExitCode>) -> ! {
    if let Some(link) = link {
        if let EndingNow::Open { .. } = known {
            link.cancel();
            thread::sleep(CANCELLING);
        }
        link.sever();
    }
    // Nobody else may read the keyboard beside the shell.
    editor::end_open_editor();
    let taken = terminal::give_back_settings();
    let (words, code) = last_words(known, journal, told);
    let (done, said) = std::sync::mpsc::channel();
    let _ = thread::Builder::new().spawn(move || {
        say(taken, &words);
        let _ = done.send(());
    });
    let _ = said.recv_timeout(WORDS);
    std::process::exit(code.code().into())
}

/// What is said, and what the process ends with.
fn last_words(known: &EndingNow, journal: &str, told: Option<ExitCode>) -> (String, ExitCode) {
    let when = told.map_or("", |_| " when it was told to leave");
    let told = told.unwrap_or(ExitCode::RolledBack);
    let of = |xid: &Option<String>| {
        let of = xid.as_ref().map(|xid| format!(" (transaction {xid})"));
        of.unwrap_or_default()
    };
    let (outcome, code) = match known {
        EndingNow::Nothing => ("Nothing was applied.".to_owned(), told),
        EndingNow::Open { xid } => {
            let of = of(xid);
            let text = format!("ROLLED BACK{of}: COMMIT was never sent, and the link was closed.");
            (text, told)
        }
        EndingNow::Unknown { xid } => {
            let ask = xid.as_deref().unwrap_or("?");
            let text = format!(
                "UNKNOWN{}: ask that server later: SELECT pg_xact_status('{ask}');",
                of(xid)
            );
            (text, ExitCode::OutcomeUnknown)
        }
        EndingNow::Over { word, xid, code } => {
            (format!("{word}{}.", of(xid)), code.unwrap_or(told))
        }
    };
    let journal = match journal {
        "" => String::new(),
        journal => format!("\r\nJournal: {journal}: it may lack the end of its run."),
    };
    let text =
        format!("\r\nstagegate hung{when}, so its process was ended. {outcome}{journal}\r\n");
    (text, code)
}

/// Writes past the locks of standard output and error, which the stuck thread may hold; not at all
/// where it would have to wait.
fn say(taken: bool, words: &str) {
    let stderr = rustix::stdio::stderr();
    let mut wanted = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if poll(&mut wanted, Some(&now)) != Ok(1) {
        return;
    }
    if taken {
        let _ = rustix::io::write(stderr, terminal::LEAVING);
    }
    let _ = rustix::io::write(stderr, words.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: ExitCode = ExitCode::Signalled(crate::facts::Signal::Terminate);

    #[test]
    fn no_more_is_said_than_what_is_known() {
        let xid = Some("7".to_owned());
        let said = |known: &EndingNow| last_words(known, "", Some(TOLD));
        let (text, code) = said(&EndingNow::Open { xid: xid.clone() });
        assert!(text.contains("ROLLED BACK (transaction 7): COMMIT was never sent"));
        assert_eq!(code, TOLD);
        let (text, code) = said(&EndingNow::Unknown { xid: xid.clone() });
        assert!(text.contains("UNKNOWN (transaction 7)"), "{text}");
        assert_eq!(code, ExitCode::OutcomeUnknown);
        let over = EndingNow::Over {
            word: "COMMITTED",
            xid,
            code: Some(ExitCode::Committed),
        };
        let (text, code) = said(&over);
        assert!(text.contains("COMMITTED (transaction 7)."), "{text}");
        assert_eq!(code, ExitCode::Committed);
        assert!(said(&EndingNow::Nothing).0.contains("Nothing was applied."));
    }

    #[test]
    fn a_commit_that_may_go_out_is_not_said_to_be_rolled_back_and_none_goes_out_after_that() {
        let watchdog = Watchdog::start().unwrap();
        watchdog.learn(EndingNow::Open { xid: None });
        assert!(watchdog.lets_commit("7"));
        let known = watchdog.lock().known.clone();
        assert!(matches!(known, EndingNow::Unknown { .. }), "{known:?}");
        watchdog.learn(EndingNow::Open { xid: None });
        watchdog.lock().bites = true;
        assert!(!watchdog.lets_commit("7"));
        assert_eq!(watchdog.lock().known, EndingNow::Open { xid: None });
    }
}
