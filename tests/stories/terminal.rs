//! A terminal with the program in it: keys go in, and a test waits for what the screen then shows.
//!
//! A wait looks at whole frames only, ends as soon as its condition holds, and says what was on
//! the screen when it never did. Nothing here sleeps for luck.

use crate::typist;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use stagegate::tui::input::BURST_WITHIN;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a wait goes on before the test has failed. Never part of a promise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The shortest time from a frame to the key that answers it. Keys that are asked for sooner wait.
const GLANCE: Duration = Duration::from_millis(30);

/// How long nothing comes behind a whole frame, where its end is not told.
const SETTLED: Duration = Duration::from_millis(50);

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_stagegate");

/// What came out of the terminal so far.
struct Shown {
    parser: vt100::Parser,
    raw: Vec<u8>,
    /// Inside a synchronized update: the frame is not whole yet.
    torn: bool,
    /// When it came.
    last: Instant,
    /// The program's side of the terminal is closed.
    ended: bool,
}

#[derive(Clone)]
struct Shared(Arc<(Mutex<Shown>, Condvar)>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    fn changed(&self) {
        self.0.1.notify_all();
    }
}

pub struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    shared: Shared,
    closing: Arc<AtomicBool>,
    deaf: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    code: Option<u32>,
    /// The last key, for as long as it may be pressed again.
    pressed: Option<Pressed>,
    /// What is between the program and us does not pass on where a frame ends: it is whole when
    /// nothing has come for a while.
    settles: bool,
}

struct Pressed {
    bytes: String,
    at: Instant,
    times: usize,
}

/// On a busy machine a key may still come between a frame's last byte and the program's note of when
/// it was drawn, or together with those before it. It is then refused with one of these words, and
/// like a person we press again.
const TOO_QUICK: [&str; 3] = [
    "Typed before this screen was drawn; look, then press again.",
    "The screen changed as you pressed; look, then press again.",
    "Keys came faster than a person types, as a paste does: they were refused.",
];
/// How long those words stand before the key is pressed again, and how often it is.
const PRESS_AGAIN_AFTER: Duration = Duration::from_millis(400);
const PRESSES: usize = 5;

impl Terminal {
    /// Starts the program with `args` in a terminal of that size. Nothing of this process's own
    /// environment reaches it but `PATH`; the terminal has colours and takes UTF-8 unless `env`
    /// says otherwise.
    pub fn spawn(
        columns: u16,
        rows: u16,
        env: &[(&str, &OsStr)],
        args: &[impl AsRef<OsStr>],
    ) -> Terminal {
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(args);
        Self::start(columns, rows, env, command)
    }

    /// The same from a shell, as a person starts it: when the program is gone the shell goes on in
    /// the terminal, tells its settings and the exit code. The program's process id is written
    /// into `pid`.
    pub fn spawn_from_shell(
        columns: u16,
        rows: u16,
        env: &[(&str, &OsStr)],
        args: &[impl AsRef<OsStr>],
        pid: &Path,
    ) -> Terminal {
        let mut command = CommandBuilder::new("/bin/sh");
        let script =
            r#"sh -c 'echo $$ > "$0"; exec "$@"' "$@"; code=$?; stty -a; echo "exit code $code.""#;
        command.args(["-c", script, "sh"]);
        command.arg(pid);
        command.arg(PROGRAM);
        command.args(args);
        Self::start(columns, rows, env, command)
    }

    /// The same with standard output in a pipe to `tee "$LOG"`; the exit code is that of `tee`.
    pub fn spawn_into_a_pipe(
        columns: u16,
        rows: u16,
        env: &[(&str, &OsStr)],
        args: &[impl AsRef<OsStr>],
    ) -> Terminal {
        let mut command = CommandBuilder::new("/bin/sh");
        command.args(["-c", r#"exec "$@" | tee "$LOG""#, "sh", PROGRAM]);
        command.args(args);
        Self::start(columns, rows, env, command)
    }

    /// Another program, which leads to ours.
    pub fn spawn_by(
        columns: u16,
        rows: u16,
        env: &[(&str, &OsStr)],
        program: &str,
        args: &[impl AsRef<OsStr>],
    ) -> Terminal {
        let mut command = CommandBuilder::new(program);
        command.args(args);
        let mut terminal = Self::start(columns, rows, env, command);
        terminal.settles = true;
        terminal
    }

    fn start(
        columns: u16,
        rows: u16,
        env: &[(&str, &OsStr)],
        mut command: CommandBuilder,
    ) -> Terminal {
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for (name, value) in env {
            command.env(name, value);
        }
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let shared = Shared(Arc::new((
            Mutex::new(Shown {
                parser: parser(columns, rows),
                raw: Vec::new(),
                torn: false,
                last: Instant::now(),
                ended: false,
            }),
            Condvar::new(),
        )));
        let closing = Arc::new(AtomicBool::new(false));
        let output = pair.master.try_clone_reader().unwrap();
        let deaf = Arc::new(AtomicBool::new(false));
        let reader = {
            let (shared, closing) = (shared.clone(), Arc::clone(&closing));
            let deaf = Arc::clone(&deaf);
            std::thread::spawn(move || read(output, &shared, &closing, &deaf))
        };
        Terminal {
            keys: Some(Box::new(typist::seat(pair.master.take_writer().unwrap()))),
            master: Some(pair.master),
            child,
            shared,
            closing,
            deaf,
            reader: Some(reader),
            code: None,
            pressed: None,
            settles: false,
        }
    }

    // ---- waiting ----------------------------------------------------------------------------

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        self.until(&format!("{text:?} on the screen"), |shown| {
            shown.parser.screen().contents().contains(text)
        })
    }

    /// Waits until the screen does not show `text` any more.
    #[track_caller]
    pub fn wait_while(&mut self, text: &str) -> &mut Self {
        self.until(&format!("no {text:?} on the screen"), |shown| {
            !shown.parser.screen().contents().contains(text)
        })
    }

    /// Waits until `holds` of the screen's text.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> &mut Self {
        self.until(what, |shown| holds(&shown.parser.screen().contents()))
    }

    /// Waits until the program has said `text` so many times, counted from its start.
    #[track_caller]
    pub fn wait_for_times(&mut self, text: &str, times: usize) -> &mut Self {
        self.until(&format!("{text:?} {times} times"), |shown| {
            String::from_utf8_lossy(&shown.raw).matches(text).count() >= times
        })
    }

    #[track_caller]
    fn until(&mut self, what: &str, holds: impl Fn(&Shown) -> bool) -> &mut Self {
        let give_up = Instant::now() + PATIENCE;
        let mut shown = self.shared.lock();
        loop {
            let coming = self.settles && shown.last.elapsed() < SETTLED;
            let whole = !(shown.torn || coming);
            if whole && holds(&shown) {
                break;
            }
            if whole && too_quick(shown.parser.screen()) {
                press_again(&mut self.pressed, &mut self.keys);
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if shown.ended || left.is_zero() {
                let why = if shown.ended {
                    "the program is gone"
                } else {
                    "time is up"
                };
                let text = framed(shown.parser.screen());
                drop(shown);
                panic!("this never came: {what} ({why})\n{text}");
            }
            let next = match whole {
                true => PRESS_AGAIN_AFTER,
                false => SETTLED,
            };
            let waited = self.shared.0.1.wait_timeout(shown, left.min(next));
            shown = waited.unwrap_or_else(|broken| broken.into_inner()).0;
        }
        drop(shown);
        self
    }

    pub fn screen_text(&self) -> String {
        loop {
            let shown = self.shared.lock();
            if !self.settles || shown.last.elapsed() >= SETTLED {
                return shown.parser.screen().contents();
            }
            drop(shown);
            std::thread::sleep(SETTLED);
        }
    }

    pub fn with_screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.shared.lock().parser.screen())
    }

    /// The screen with a frame around it, for the message of a failed assertion.
    pub fn picture(&self) -> String {
        framed(self.shared.lock().parser.screen())
    }

    /// Asserts that the screen shows each of these now.
    #[track_caller]
    pub fn shows(&mut self, texts: &[&str]) -> &mut Self {
        let screen = self.screen_text();
        for text in texts {
            assert!(screen.contains(text), "no {text:?} on\n{}", self.picture());
        }
        self
    }

    /// Asserts that the screen does not show this now.
    #[track_caller]
    pub fn shows_no(&mut self, text: &str) -> &mut Self {
        assert!(
            !self.screen_text().contains(text),
            "{text:?} on\n{}",
            self.picture()
        );
        self
    }

    /// How often the program wrote these bytes so far.
    pub fn wrote(&self, bytes: &[u8]) -> usize {
        let shown = self.shared.lock();
        let parts = shown.raw.windows(bytes.len());
        parts.filter(|part| *part == bytes).count()
    }

    /// Every byte that the program wrote.
    pub fn raw(&self) -> Vec<u8> {
        self.shared.lock().raw.clone()
    }

    /// Whether any cell on the screen has a colour, as far as the screen shows it now.
    pub fn has_colour(&self) -> bool {
        let shown = self.shared.lock();
        let screen = shown.parser.screen();
        let (rows, columns) = screen.size();
        (0..rows.get()).any(|row| {
            (0..columns.get()).any(|column| {
                screen.cell(row, column).is_some_and(|cell| {
                    cell.fgcolor() != vt100::Color::Default
                        || cell.bgcolor() != vt100::Color::Default
                })
            })
        })
    }

    /// Whether the program has the terminal: alternate screen, bracketed paste, hidden cursor.
    pub fn is_taken(&self) -> [bool; 3] {
        let shown = self.shared.lock();
        let screen = shown.parser.screen();
        [
            screen.alternate_screen(),
            screen.bracketed_paste(),
            screen.hide_cursor(),
        ]
    }

    // ---- what a person does -------------------------------------------------------------------

    /// Presses a key: one character, or one of Space, Enter, Esc, Tab, Down, Up, Left, Right, Ctrl-C, Ctrl-L, Ctrl-Z.
    ///
    /// Like a person, it looks first: a key in the same instant as the frame would count as typed
    /// before it.
    #[track_caller]
    pub fn key(&mut self, name: &str) -> &mut Self {
        if ![
            "Tab", "Down", "Up", "Left", "Right", "PgUp", "PgDn", "s", "G",
        ]
        .contains(&name)
        {
            self.look();
        }
        let bytes = match name {
            "Space" => " ",
            "Enter" => "\r",
            "Esc" => "\x1b",
            "Tab" => "\t",
            "Down" => "\x1b[B",
            "Up" => "\x1b[A",
            "Left" => "\x1b[D",
            "Right" => "\x1b[C",
            "PgUp" => "\x1b[5~",
            "PgDn" => "\x1b[6~",
            "Backspace" => "\x7f",
            "Ctrl-C" => "\x03",
            "Ctrl-L" => "\x0c",
            "Ctrl-Z" => "\x1a",
            one if one.chars().count() == 1 => one,
            other => panic!("no such key: {other}"),
        };
        self.send(bytes);
        // Enter is not pressed again: what it was meant for may be closed.
        self.pressed = (name != "Enter").then(|| Pressed {
            bytes: bytes.to_owned(),
            at: Instant::now(),
            times: 1,
        });
        self
    }

    /// Looks at the screen until it has stood still for as long as the fastest eye needs.
    fn look(&self) {
        loop {
            let still = self.shared.lock().last.elapsed();
            if still >= GLANCE {
                return;
            }
            std::thread::sleep(GLANCE - still);
        }
    }

    /// Takes a breath, longer than the time in which keys count as one burst.
    pub fn breathe(&mut self) -> &mut Self {
        std::thread::sleep(BURST_WITHIN * 2);
        self
    }

    /// Presses a key as one who was not heard does, again after a pause, until the screen shows
    /// `text`: what is left of a flood may still be on its way when the first press comes.
    #[track_caller]
    pub fn press_until(&mut self, key: &str, text: &str) -> &mut Self {
        for _ in 0..5 {
            self.breathe().key(key);
            if self.comes(text, Duration::from_secs(2)) {
                return self;
            }
        }
        self.wait_for(text)
    }

    /// Whether the screen shows `text` within this time.
    fn comes(&self, text: &str, within: Duration) -> bool {
        let end = Instant::now() + within;
        let mut shown = self.shared.lock();
        loop {
            if !shown.torn && shown.parser.screen().contents().contains(text) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if shown.ended || left.is_zero() {
                return false;
            }
            let waited = self.shared.0.1.wait_timeout(shown, left);
            shown = waited.unwrap_or_else(|broken| broken.into_inner()).0;
        }
    }

    /// Types a text into an open prompt, the next key when the last one is on the screen.
    #[track_caller]
    pub fn type_slowly(&mut self, text: &str) -> &mut Self {
        for (at, c) in text.char_indices() {
            // A letter is on the screen at once, and the next one as fast would be a burst.
            self.look();
            self.send(c.encode_utf8(&mut [0; 4]));
            let typed = format!("> {}", &text[..at + c.len_utf8()]);
            self.wait_for(&typed);
        }
        self
    }

    /// Looks, then types a line and Enter at once, as into a program that reads lines.
    #[track_caller]
    pub fn line(&mut self, text: &str) -> &mut Self {
        self.look();
        self.send(&format!("{text}\r"))
    }

    /// Pastes as a terminal with bracketed paste does.
    #[track_caller]
    pub fn paste_bracketed(&mut self, text: &str) -> &mut Self {
        self.send(&format!("\x1b[200~{text}\x1b[201~"))
    }

    /// Pastes as `tmux paste-buffer` does: plain keys, all at once.
    #[track_caller]
    pub fn paste_raw(&mut self, text: &str) -> &mut Self {
        self.send(text)
    }

    #[track_caller]
    fn send(&mut self, bytes: &str) -> &mut Self {
        self.pressed = None;
        let keys = self.keys.as_mut().expect("the terminal is closed");
        keys.write_all(bytes.as_bytes()).unwrap();
        keys.flush().unwrap();
        self
    }

    /// Gives the window another size.
    pub fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        let (wide, high) = cells(columns, rows);
        // Emptied, so that nothing of the old size is taken for the new frame.
        let mut shown = self.shared.lock();
        shown.parser.set_size(high, wide);
        shown.parser.process(b"\x1b[2J");
        drop(shown);
        let master = self.master.as_ref().expect("the terminal is closed");
        master.resize(size(columns, rows)).unwrap();
        self
    }

    /// The program's process id.
    pub fn process_id(&self) -> u32 {
        self.child.process_id().expect("the program is gone")
    }

    /// Reads again, after [`Terminal::stall`].
    #[allow(dead_code)]
    pub fn listen_again(&mut self) -> &mut Self {
        self.deaf.store(false, Ordering::SeqCst);
        self
    }

    // ---- ends ---------------------------------------------------------------------------------

    /// Sends a signal to the program.
    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        let pid = self.child.process_id().unwrap();
        kill_process(pid_of(pid), signal).unwrap();
        self
    }

    /// Closes the window: the program's terminal is gone.
    ///
    /// The reader lets go of it with the next frame, so something must be drawing.
    pub fn hang_up(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        self.keys = None;
        self.master = None;
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Reads nothing more of what the program writes, as a link that stalls, and fills what lies
    /// between, so that whoever writes has to wait.
    #[allow(dead_code)]
    pub fn stall(&mut self) -> &mut Self {
        self.deaf.store(true, Ordering::SeqCst);
        let master = self.master.as_ref().expect("the terminal is closed");
        let tty = master.tty_name().expect("a terminal has a name");
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK;
        let tty = rustix::fs::open(tty, flags, rustix::fs::Mode::empty()).unwrap();
        // A read that was under way takes once more; then it stays full.
        let since = Instant::now();
        let mut full = 0;
        while full < 20 {
            assert!(since.elapsed() < PATIENCE, "it is never full");
            match rustix::io::write(&tty, &[b'x'; 1_024]) {
                Ok(_) => full = 0,
                Err(_) => {
                    full += 1;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
        self
    }

    #[allow(dead_code)]
    pub fn unstall(&mut self) -> &mut Self {
        self.deaf.store(false, Ordering::SeqCst);
        self
    }

    /// Waits until the program is gone; the signal that ended it, if one did.
    #[track_caller]
    pub fn ended_by(&mut self) -> Option<String> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.code = Some(status.exit_code());
                return status.signal().map(str::to_owned);
            }
            assert!(
                Instant::now() < give_up,
                "the program goes on\n{}",
                self.picture()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the program is gone; its exit code.
    #[track_caller]
    pub fn exit_code(&mut self) -> u32 {
        if let Some(code) = self.code {
            return code;
        }
        let give_up = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if too_quick(self.shared.lock().parser.screen()) {
                press_again(&mut self.pressed, &mut self.keys);
            }
            assert!(
                Instant::now() < give_up,
                "the program goes on\n{}",
                self.picture()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.signal(), None, "the program did not end by itself");
        self.code = Some(status.exit_code());
        self.unstall();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status.exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.code.is_none() && matches!(self.child.try_wait(), Ok(None)) {
            if let Some(pid) = self.child.process_id() {
                let _ = kill_process(pid_of(pid), Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

fn too_quick(screen: &vt100::Screen) -> bool {
    let text = screen.contents();
    let narrow = screen.size().1.get() < 80;
    TOO_QUICK.iter().any(|words| {
        // A small window cuts them behind a word.
        let begin = words.match_indices(' ').nth(2).map(|(at, _)| at);
        text.contains(match begin.filter(|_| narrow) {
            Some(end) => &words[..end],
            None => words,
        })
    })
}

/// Presses the last key once more, when the words have stood for a while.
fn press_again(pressed: &mut Option<Pressed>, keys: &mut Option<Box<dyn Write + Send>>) {
    if let (Some(last), Some(keys)) = (pressed, keys)
        && last.times < PRESSES
        && last.at.elapsed() >= PRESS_AGAIN_AFTER
    {
        keys.write_all(last.bytes.as_bytes()).unwrap();
        last.at = Instant::now();
        last.times += 1;
    }
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn parser(columns: u16, rows: u16) -> vt100::Parser {
    let (wide, high) = cells(columns, rows);
    vt100::Parser::new(high, wide, 0)
}

/// What is on the desk of whoever has a terminal that says no size.
fn cells(columns: u16, rows: u16) -> (NonZeroU16, NonZeroU16) {
    let both = NonZeroU16::new(columns).zip(NonZeroU16::new(rows));
    both.unwrap_or_else(|| (NonZeroU16::new(80).unwrap(), NonZeroU16::new(24).unwrap()))
}

fn read(
    mut output: Box<dyn Read + Send>,
    shared: &Shared,
    closing: &AtomicBool,
    deaf: &AtomicBool,
) {
    let mut bytes = [0; 65_536];
    loop {
        while deaf.load(Ordering::SeqCst) && !closing.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let read = output.read(&mut bytes).unwrap_or(0);
        if closing.load(Ordering::SeqCst) {
            break;
        }
        let mut shown = shared.lock();
        if read == 0 {
            shown.ended = true;
            shared.changed();
            break;
        }
        shown.parser.process(&bytes[..read]);
        shown.raw.extend_from_slice(&bytes[..read]);
        let last = |mark: &[u8]| shown.raw.windows(mark.len()).rposition(|part| part == mark);
        let torn = last(b"\x1b[?2026h") > last(b"\x1b[?2026l");
        shown.torn = torn;
        shown.last = Instant::now();
        shared.changed();
    }
}

fn framed(screen: &vt100::Screen) -> String {
    let rule = "-".repeat(usize::from(screen.size().1.get()));
    let rows: Vec<String> = screen
        .rows(0, screen.size().1.get())
        .map(|row| format!("|{row}"))
        .collect();
    format!("+{rule}\n{}\n+{rule}", rows.join("\n"))
}
