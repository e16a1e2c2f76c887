//! The program in a terminal, in small: keys go in, whole frames are looked at.

use crate::stage::PROGRAM;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use stagegate::tui::input::BURST_WITHIN;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a wait goes on before the test has failed. Never part of a promise.
const PATIENCE: Duration = Duration::from_secs(60);

struct Shown {
    parser: vt100::Parser,
    raw: Vec<u8>,
    torn: bool,
    ended: bool,
}

type Shared = Arc<(Mutex<Shown>, Condvar)>;

pub struct Pane {
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    shared: Shared,
    /// When the last key was pressed.
    pressed: Instant,
}

fn lock(shared: &Shared) -> MutexGuard<'_, Shown> {
    shared.0.lock().unwrap_or_else(|broken| broken.into_inner())
}

impl Pane {
    pub fn open(home: &Path, columns: u16, rows: u16, arguments: &[String]) -> Pane {
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(arguments);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("HOME", home);
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let [high, wide] = [rows, columns].map(|n| NonZeroU16::new(n).unwrap());
        let shared: Shared = Arc::new((
            Mutex::new(Shown {
                parser: vt100::Parser::new(high, wide, 0),
                raw: Vec::new(),
                torn: false,
                ended: false,
            }),
            Condvar::new(),
        ));
        let output = pair.master.try_clone_reader().unwrap();
        let reader = Arc::clone(&shared);
        std::thread::spawn(move || read(output, &reader));
        Pane {
            keys: pair.master.take_writer().unwrap(),
            _master: pair.master,
            child,
            shared,
            pressed: Instant::now(),
        }
    }

    /// Waits until a whole frame satisfies `holds`.
    #[track_caller]
    pub fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> &mut Pane {
        let give_up = Instant::now() + PATIENCE;
        let mut shown = lock(&self.shared);
        while shown.torn || !holds(&shown.parser.screen().contents()) {
            let left = give_up.saturating_duration_since(Instant::now());
            assert!(
                !shown.ended && !left.is_zero(),
                "this never came: {what}\n{}",
                shown.parser.screen().contents()
            );
            let waited = self.shared.1.wait_timeout(shown, left);
            shown = waited.unwrap_or_else(|broken| broken.into_inner()).0;
        }
        drop(shown);
        self
    }

    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Pane {
        self.until(text, |screen| screen.contains(text))
    }

    pub fn screen(&self) -> String {
        lock(&self.shared).parser.screen().contents()
    }

    /// Everything that was written to the terminal.
    pub fn raw(&self) -> Vec<u8> {
        lock(&self.shared).raw.clone()
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Presses a key, or pastes, no faster than a person: more keys in that time are taken for a paste.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Pane {
        let pace = BURST_WITHIN / 2;
        std::thread::sleep(pace.saturating_sub(self.pressed.elapsed()));
        self.pressed = Instant::now();
        // The program may have left by one of the keys before.
        let _ = self.keys.write_all(bytes);
        let _ = self.keys.flush();
        self
    }

    /// Seeks a text, as a person types it: the next key when the last one is on the screen.
    #[track_caller]
    pub fn sought(&mut self, text: &str) -> &mut Pane {
        self.send(b"/").wait_for("FIND");
        for (at, c) in text.char_indices() {
            self.send(c.encode_utf8(&mut [0; 4]).as_bytes());
            let typed = format!("> {}", &text[..at + c.len_utf8()]);
            self.wait_for(typed.trim_end());
        }
        self.send(b"\r")
            .until("the end of the search", |s| !s.contains("FIND"))
    }

    /// Waits for the end; the exit code.
    #[track_caller]
    pub fn exit_code(&mut self) -> u32 {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < give_up, "it goes on\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut output: Box<dyn Read + Send>, shared: &Shared) {
    let mut bytes = [0; 65_536];
    loop {
        let count = output.read(&mut bytes).unwrap_or(0);
        let mut shown = lock(shared);
        if count == 0 {
            shown.ended = true;
            shared.1.notify_all();
            return;
        }
        shown.parser.process(&bytes[..count]);
        shown.raw.extend_from_slice(&bytes[..count]);
        // Only the last marks matter, and they are within the last two reads.
        let from = shown.raw.len().saturating_sub(200_000);
        let tail = &shown.raw[from..];
        let last = |mark: &[u8]| tail.windows(mark.len()).rposition(|part| part == mark);
        let torn = last(b"\x1b[?2026h") > last(b"\x1b[?2026l");
        shown.torn = torn;
        shared.1.notify_all();
    }
}
