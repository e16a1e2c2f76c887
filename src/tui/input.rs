//! The thread that reads the keyboard.
//!
//! It reads and decodes on its own: crossterm's reader never ends once the terminal is gone
//! (crossterm #793), and waits for ever behind what it does not know. A hang-up is looked for before each
//! read, and by a second thread in case it falls between the look and the read. Whatever comes is read to its
//! end, however much it is: what is left in the terminal's queue would keep the next keys behind it. Keys that
//! come faster than a person types are told apart here and never reach a screen (I5).

mod decoder;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use decoder::Decoder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// This many keys that act or write, within [`BURST_WITHIN`], are no person: a paste without
/// brackets (`tmux paste-buffer`) or a macro. A fast typist has 60 ms between two keys, and a key
/// held down repeats every 16 ms at the very most, which makes three in this time.
pub const BURST_KEYS: usize = 4;
/// The time in which they come.
pub const BURST_WITHIN: Duration = Duration::from_millis(40);
/// How long it waits for more of what came.
const GLANCE: Duration = Duration::from_millis(1);
/// How long the reader waits before it looks for a change of size and for its own end.
const LOOK: Duration = Duration::from_millis(50);
/// How long it has to let go of the keyboard: it does so within a look.
const LETTING_GO: Duration = Duration::from_secs(2);
/// How much is read at once, in bytes.
const PIECE: usize = 16 * 1024;
/// What is handed on together of a flood that does not end, in pieces.
const PIECES: usize = 64;

/// Something came from the terminal.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    pub at: Instant,
    pub what: What,
}

impl Input {
    /// Whether it is what leaves wherever nothing is typed.
    pub fn is_to_leave(&self) -> bool {
        let What::Key(key) = &self.what else {
            return false;
        };
        match key.modifiers.contains(KeyModifiers::CONTROL) {
            true => key.code == KeyCode::Char('c'),
            false => key.code == KeyCode::Char('q'),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Key(KeyEvent),
    /// Keys that came too fast for a person. They are text, never keys.
    Burst(Burst),
    /// Text that the terminal says was pasted.
    Paste(String),
    /// The terminal has another size now: columns, rows.
    Resize(u16, u16),
    /// The terminal is gone; why. Nothing comes after it.
    Gone(String),
}

/// Keys that came too fast for a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Burst {
    pub text: String,
    /// Whether each of them is one: no Enter, and none that is held together with Ctrl.
    pub letters_only: bool,
    /// How many keys came without a pause up to these, the ones that were not told apart yet too.
    pub run: usize,
}

/// Whether a terminal of that kind puts brackets around what is pasted into it. It cannot be asked without
/// an answer among the keys; every kind of these has done it for years.
#[must_use]
pub fn brackets_pastes(term: &str) -> bool {
    let mut kinds =
        "xterm screen tmux rxvt alacritty kitty foot wezterm konsole gnome vte putty".split(' ');
    kinds.any(|kind| term.starts_with(kind))
}

/// The running reader; it ends when this is dropped.
#[derive(Debug)]
pub struct Reader {
    stop: Arc<AtomicBool>,
    rest: ReaderRest,
}

impl Reader {
    pub fn rest(&self) -> ReaderRest {
        self.rest.clone()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Resting {
    #[default]
    Reads,
    Asked,
    Rests,
}

/// Somebody else reads the keyboard for a while. That the terminal hung up is noticed all the same.
#[derive(Debug, Clone, Default)]
pub struct ReaderRest(Arc<(Mutex<Resting>, Condvar)>);

impl ReaderRest {
    /// Waits until nothing is read any more; says whether that is so.
    pub fn begin(&self) -> bool {
        self.set(Resting::Asked);
        let state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .0
            .1
            .wait_timeout_while(state, LETTING_GO, |state| *state != Resting::Rests);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let rests = *state == Resting::Rests;
        if !rests {
            *state = Resting::Reads;
        }
        rests
    }

    pub fn end(&self) {
        self.set(Resting::Reads);
    }

    fn set(&self, to: Resting) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
        self.0.1.notify_all();
    }

    /// Rests while that is wanted, and the program goes on.
    fn take(&self, stop: &AtomicBool) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *state != Resting::Reads && !stop.load(Ordering::SeqCst) {
            *state = Resting::Rests;
            self.0.1.notify_all();
            let waited = self.0.1.wait_timeout(state, LOOK);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Not joined: a read that hangs in a dead terminal must not hold up the end.
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Starts to read; `send` takes what comes and says whether anybody still wants more.
///
/// # Errors
/// When the terminal cannot be read, or a thread cannot be started.
pub fn spawn(send: impl Fn(Input) -> bool + Send + Sync + 'static) -> io::Result<Reader> {
    // From here on no change of size is lost.
    let sizes = Sizes::new()?;
    let stop = Arc::new(AtomicBool::new(false));
    let send = Arc::new(send);
    let gone = {
        let (stop, send) = (Arc::clone(&stop), Arc::clone(&send));
        move |why: String| {
            // Whoever notices first says it, once.
            if !stop.swap(true, Ordering::SeqCst) {
                send(Input {
                    at: Instant::now(),
                    what: What::Gone(why),
                });
            }
        }
    };
    {
        let (stop, gone) = (Arc::clone(&stop), gone.clone());
        std::thread::Builder::new()
            .name("terminal-watch".to_owned())
            .spawn(move || watch(&stop, &gone))?;
    }
    let stopped = Arc::clone(&stop);
    let rest = ReaderRest::default();
    let resting = rest.clone();
    let reader = std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || read_stdin(&stopped, &resting, sizes, &*send, &gone));
    if let Err(error) = reader {
        stop.store(true, Ordering::SeqCst);
        return Err(error);
    }
    Ok(Reader { stop, rest })
}

/// What a look at standard input found.
enum StdinState {
    Nothing,
    Input,
    HungUp(String),
}

/// Looks, and waits at most for so long; without a limit until there is something.
fn look(wanted: PollFlags, wait: Option<Duration>) -> StdinState {
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, wanted)];
    let wait = wait.map(|wait| Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(wait.subsec_nanos()),
    });
    match poll(&mut fds, wait.as_ref()) {
        Ok(_) => {}
        Err(error) if error == rustix::io::Errno::INTR => return StdinState::Nothing,
        Err(error) => {
            return StdinState::HungUp(format!("the terminal cannot be watched: {error}"));
        }
    }
    let found = fds.first().map_or(PollFlags::empty(), PollFd::revents);
    if found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        StdinState::HungUp("the terminal hung up".to_owned())
    } else if found.contains(PollFlags::IN) {
        StdinState::Input
    } else {
        StdinState::Nothing
    }
}

/// Waits for the terminal's end and is woken by nothing else: at a gate nobody pays for that. When the
/// reader ends before it, it waits on, and what it finds then is told to nobody.
fn watch(stop: &AtomicBool, gone: &impl Fn(String)) {
    while !stop.load(Ordering::SeqCst) {
        if let StdinState::HungUp(why) = look(PollFlags::empty(), None) {
            gone(why);
        }
    }
}

fn read_stdin(
    stop: &AtomicBool,
    rest: &ReaderRest,
    mut sizes: Sizes,
    send: &impl Fn(Input) -> bool,
    gone: &impl Fn(String),
) {
    let mut pace = Pace::default();
    let mut decoder = Decoder::default();
    let mut last = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        rest.take(stop);
        let mut batch = Vec::new();
        let pause = decoder.waits();
        let wait = pause.map_or(LOOK, |pause| pause.saturating_sub(last.elapsed()).min(LOOK));
        match look(PollFlags::IN, Some(wait)) {
            StdinState::HungUp(why) => return gone(why),
            StdinState::Input => {
                if let Err(why) = read_all(&mut decoder, &mut batch) {
                    return gone(why);
                }
                last = Instant::now();
            }
            StdinState::Nothing if pause.is_some_and(|pause| last.elapsed() >= pause) => {
                decoder.paused(&mut batch);
            }
            StdinState::Nothing => {}
        }
        batch.extend(sizes.changed());
        let at = Instant::now();
        for what in pace.judge(at, batch) {
            if !send(Input { at, what }) {
                stop.store(true, Ordering::SeqCst);
                return;
            }
        }
    }
}

/// Reads until nothing more comes, but no more than [`PIECES`]; or why nothing can be read.
fn read_all(decoder: &mut Decoder, batch: &mut Vec<Event>) -> Result<(), String> {
    let mut piece = [0; PIECE];
    for _ in 0..PIECES {
        match rustix::io::read(rustix::stdio::stdin(), &mut piece) {
            Ok(0) => return Err("the terminal hung up".to_owned()),
            Ok(count) => decoder.feed(piece.get(..count).unwrap_or_default(), batch),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(format!("the terminal cannot be read: {error}")),
        }
        match look(PollFlags::IN, Some(GLANCE)) {
            StdinState::Input => {}
            StdinState::Nothing => break,
            StdinState::HungUp(why) => return Err(why),
        }
    }
    Ok(())
}

/// The terminal's size, and whether it changed.
#[derive(Debug)]
struct Sizes {
    /// Set by SIGWINCH: a size that changed and came back between two looks has left its traces on the
    /// screen all the same.
    changed: Arc<AtomicBool>,
    last: Option<(u16, u16)>,
}

impl Sizes {
    fn new() -> io::Result<Sizes> {
        let changed = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGWINCH, Arc::clone(&changed))?;
        let last = Sizes::now();
        Ok(Sizes { changed, last })
    }

    fn now() -> Option<(u16, u16)> {
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stdin());
        size.ok().map(|size| (size.ws_col, size.ws_row))
    }

    fn changed(&mut self) -> Option<Event> {
        let told = self.changed.swap(false, Ordering::SeqCst);
        let size = Sizes::now();
        let differs = size != self.last;
        self.last = size;
        let (columns, rows) = size.filter(|_| told || differs)?;
        Some(Event::Resize(columns, rows))
    }
}

/// Tells a person's keys from a machine's, by when they came.
#[derive(Debug, Default)]
pub struct Pace {
    recent: VecDeque<Instant>,
    /// Keys since the last pause.
    run: usize,
}

impl Pace {
    /// What came together `at` a time, with keys that came too fast handed on as
    /// the text of a [`What::Burst`]. Arrows, paging and the like never count: they scroll, and over a slow link
    /// they come in heaps.
    pub fn judge(&mut self, at: Instant, batch: Vec<Event>) -> Vec<What> {
        self.recent
            .retain(|then| at.saturating_duration_since(*then) < BURST_WITHIN);
        if self.recent.is_empty() {
            self.run = 0;
        }
        let counted = batch.iter().filter(|event| counts(event)).count();
        self.run = self.run.saturating_add(counted);
        let burst = counted > 0 && self.recent.len() + counted >= BURST_KEYS;
        self.recent
            .extend(std::iter::repeat_n(at, counted.min(BURST_KEYS)));
        while self.recent.len() > BURST_KEYS {
            self.recent.pop_front();
        }
        let mut out = Vec::new();
        for event in batch {
            match event {
                Event::Key(key) if burst && counts(&Event::Key(key)) => {
                    let plain = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
                    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
                    let letter = match key.code {
                        KeyCode::Char(letter) if plain => Some(letter),
                        // What a paste sends for a line break, which is one where there are lines.
                        KeyCode::Enter => Some('\n'),
                        KeyCode::Char('j') if ctrl => Some('\n'),
                        _ => None,
                    };
                    if !matches!(out.last(), Some(What::Burst(_))) {
                        out.push(What::Burst(Burst {
                            letters_only: true,
                            run: self.run,
                            ..Burst::default()
                        }));
                    }
                    if let Some(What::Burst(burst)) = out.last_mut() {
                        burst.text.extend(letter);
                        burst.letters_only &= letter.is_some_and(|letter| letter != '\n');
                    }
                }
                Event::Key(key) => out.push(What::Key(key)),
                Event::Paste(text) => out.push(What::Paste(text)),
                Event::Resize(columns, rows) => out.push(What::Resize(columns, rows)),
                Event::FocusGained | Event::FocusLost | Event::Mouse(_) => {}
            }
        }
        out
    }
}

/// Whether a key acts or writes, rather than scrolls.
fn counts(event: &Event) -> bool {
    matches!(
        event,
        Event::Key(KeyEvent {
            code: KeyCode::Char(_) | KeyCode::Enter,
            kind: KeyEventKind::Press,
            ..
        })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> Event {
        Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn typed(text: &str) -> Vec<Event> {
        text.chars().map(|c| key(KeyCode::Char(c))).collect()
    }

    #[test]
    fn a_paste_without_brackets_is_one_burst() {
        let mut pace = Pace::default();
        let mut batch = typed("wiser_ops");
        batch.push(key(KeyCode::Enter));
        assert_eq!(
            pace.judge(Instant::now(), batch),
            [What::Burst(Burst {
                text: "wiser_ops\n".into(),
                letters_only: false,
                run: 10,
            })]
        );
    }

    #[test]
    fn a_paste_that_trickles_is_stopped_at_its_fourth_key() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for (nth, event) in typed("cwiser").into_iter().enumerate() {
            let at = start + Duration::from_millis(nth as u64);
            told.extend(pace.judge(at, vec![event]));
        }
        assert_eq!(told.iter().filter(|w| matches!(w, What::Key(_))).count(), 3);
        assert_eq!(
            told.iter().filter(|w| matches!(w, What::Burst(_))).count(),
            3
        );
    }

    #[test]
    fn a_typist_and_a_key_held_down_pass() {
        for gap in [16, 33, 60] {
            let mut pace = Pace::default();
            let start = Instant::now();
            for nth in 0..50 {
                let at = start + Duration::from_millis(nth * gap);
                let told = pace.judge(at, typed("a"));
                assert!(matches!(told.as_slice(), [What::Key(_)]), "gap {gap} ms");
            }
        }
    }

    #[test]
    fn arrows_in_heaps_pass() {
        let mut pace = Pace::default();
        let batch = vec![key(KeyCode::Down); 30];
        assert_eq!(pace.judge(Instant::now(), batch).len(), 30);
    }

    #[test]
    fn a_burst_leaves_sizes_and_arrows_alone() {
        let mut pace = Pace::default();
        let mut batch = typed("abcdef");
        batch.push(Event::Resize(100, 30));
        batch.push(key(KeyCode::Up));
        let told = pace.judge(Instant::now(), batch);
        assert_eq!(told.len(), 3);
        assert_eq!(
            told[0],
            What::Burst(Burst {
                text: "abcdef".into(),
                letters_only: true,
                run: 6,
            })
        );
        assert_eq!(told[1], What::Resize(100, 30));
    }
}
