//! The terminal and the input thread on a real pty: this test program runs itself in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crossterm::event::KeyCode;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use stagegate::tui::input::{self, What};
use stagegate::tui::terminal::Terminal;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[path = "shared/typist.rs"]
mod typist;

const PART: &str = "STAGEGATE_TEST_PART";
const TOLD: &str = "STAGEGATE_TEST_TOLD";

/// What runs inside the pty. It draws the last thing that came in.
#[test]
#[ignore = "the other tests run it, on a pty of its own"]
fn inside() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let tell = |text: &str| std::fs::write(std::env::var(TOLD).unwrap(), text).unwrap();
    let mut terminal = Terminal::enter(true).unwrap();
    let (send, inputs) = mpsc::channel();
    let reader = input::spawn(move |input| send.send(input).is_ok()).unwrap();
    let mut draw = |text: &str| {
        let loud = Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED);
        // Once the terminal is gone it cannot be written to; the reader says so.
        let _ = terminal.draw(|frame| {
            let line = Line::from(Span::styled(format!("<{text}>"), loud));
            frame.render_widget(line, frame.area());
        });
    };
    draw("ready");
    for input in inputs {
        match input.what {
            What::Key(key) if key.code == KeyCode::Char('q') => break,
            What::Key(key) if key.code == KeyCode::Char('!') => {
                let part = std::thread::spawn(|| panic!("a part of it died"));
                assert!(part.join().is_err());
                // The terminal was given back: nothing is drawn over what the panic said.
                draw("over it");
            }
            What::Key(key) => draw(&format!("key {}", key.code)),
            What::Burst(_) => draw("burst"),
            What::Paste(text) => draw(&format!("paste {text}")),
            What::Resize(columns, rows) => draw(&format!("size {columns} {rows}")),
            What::Gone(why) => {
                tell(&format!("gone: {why}"));
                std::process::exit(7);
            }
        }
    }
    drop(reader);
    drop(terminal);
    tell("left");
    println!("left the {part}");
    std::process::exit(0);
}

fn size_of(cells: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(cells).unwrap()
}

struct Pty {
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    bytes: mpsc::Receiver<Vec<u8>>,
    raw: Vec<u8>,
    screen: vt100::Parser,
    told: tempfile::NamedTempFile,
}

impl Pty {
    fn start(environment: &[(&str, &str)]) -> Pty {
        let size = PtySize {
            rows: 24,
            cols: 80,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let told = tempfile::NamedTempFile::new().unwrap();
        // A shell that ignores the hang-up and hands that on: only the reader can notice it then.
        let mut command = CommandBuilder::new("sh");
        command.args([
            "-c",
            "trap '' HUP; exec \"$0\" --ignored --exact inside --nocapture",
        ]);
        command.arg(std::env::current_exe().unwrap());
        command.env(PART, "pty");
        command.env(TOLD, told.path());
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (send, bytes) = mpsc::channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read) = reader.read(&mut chunk) {
                if read == 0 || send.send(chunk[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Pty {
            keys: Box::new(typist::seat(pair.master.take_writer().unwrap())),
            master: Some(pair.master),
            child,
            bytes,
            raw: Vec::new(),
            screen: vt100::Parser::new(size_of(24), size_of(80), 0),
            told,
        }
    }

    /// Waits until `seen` holds of the screen.
    fn wait(&mut self, what: &str, seen: impl Fn(&vt100::Screen) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !seen(self.screen.screen()) {
            match self.bytes.recv_timeout(Duration::from_millis(100)) {
                Ok(bytes) => {
                    self.screen.process(&bytes);
                    self.raw.extend(bytes);
                }
                Err(_) => assert!(
                    Instant::now() < until,
                    "never saw {what}:\n{}",
                    self.screen.screen().contents()
                ),
            }
        }
    }

    fn wait_for(&mut self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Presses a key until it is seen as one: a person would not try for long.
    fn press(&mut self, key: char) {
        let mut tries = 0..20;
        let seen = format!("<key {key}>");
        while !self.screen.screen().contents().contains(&seen) {
            assert!(
                tries.next().is_some(),
                "the key {key} is never heard:\n{}",
                self.screen.screen().contents()
            );
            self.send(&key.to_string());
            // Until nothing comes any more; a key that is heard is drawn.
            while let Ok(bytes) = self.bytes.recv_timeout(Duration::from_millis(100)) {
                self.screen.process(&bytes);
                self.raw.extend(bytes);
            }
        }
    }

    fn told(&mut self, text: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while !std::fs::read_to_string(self.told.path())
            .unwrap()
            .starts_with(text)
        {
            assert!(Instant::now() < until, "never told {text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_takes_the_whole_terminal_and_gives_it_back() {
    let mut pty = Pty::start(&[]);
    pty.wait_for("<ready>");
    let screen = pty.screen.screen();
    assert!(screen.alternate_screen() && screen.hide_cursor() && screen.bracketed_paste());
    pty.send("x");
    pty.wait_for("<key x>");
    pty.send("q");
    pty.wait_for("left the pty");
    let screen = pty.screen.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
    // Every frame stands between the two marks of a synchronized update.
    let raw = String::from_utf8_lossy(&pty.raw).into_owned();
    let (begun, ended) = (raw.find("\x1b[?2026h"), raw.find("\x1b[?2026l"));
    assert!(begun < raw.find("<ready>") && raw.find("<ready>") < ended);
}

#[test]
fn it_never_asks_the_terminal_where_the_cursor_is() {
    let mut pty = Pty::start(&[]);
    pty.wait_for("<ready>");
    let master = pty.master.as_ref().unwrap();
    let size = PtySize {
        rows: 15,
        cols: 60,
        pixel_width: 0,
        pixel_height: 0,
    };
    master.resize(size).unwrap();
    pty.screen.screen_mut().set_size(size_of(15), size_of(60));
    pty.wait_for("<size 60 15>");
    assert!(!pty.raw.windows(4).any(|bytes| bytes == b"\x1b[6n"));
}

#[test]
fn without_colour_bold_and_reverse_stay() {
    let mut pty = Pty::start(&[("NO_COLOR", "1")]);
    pty.wait_for("<ready>");
    let cell = pty.screen.screen().cell(0, 0).unwrap();
    assert!(cell.bold() && cell.inverse(), "{cell:?}");
}

#[test]
fn pastes_are_told_from_keys_with_and_without_brackets() {
    let mut pty = Pty::start(&[]);
    pty.wait_for("<ready>");
    pty.send("\x1b[200~wiser_ops\x1b[201~");
    pty.wait_for("<paste wiser_ops>");
    pty.send("wiser_ops");
    pty.wait_for("<burst>");
}

#[test]
fn the_key_after_a_paste_of_any_length_is_heard() {
    let mut pty = Pty::start(&[]);
    pty.wait_for("<ready>");
    // Around what a reader takes at once, what a terminal's queue holds, and far more.
    for (nth, length) in [1_000, 1_024, 1_025, 4_095, 4_096, 6_000, 20_000, 100_000]
        .into_iter()
        .enumerate()
    {
        for brackets in [false, true] {
            let text = "word ".repeat(length / 5);
            if brackets {
                pty.send(&format!("\x1b[200~{text}\x1b[201~"));
                pty.wait_for("<paste word word");
            } else {
                pty.send(&text);
                pty.wait_for("<burst>");
            }
            // A person's key: far enough behind the paste to be none of it, so it is pressed until
            // it is seen, as a person would.
            let key = ['a', 'b', 'd', 'e', 'f', 'g', 'h', 'i'][nth];
            pty.press(key);
        }
    }
}

#[test]
fn a_panic_anywhere_gives_the_terminal_back_before_it_speaks() {
    let mut pty = Pty::start(&[]);
    pty.wait_for("<ready>");
    pty.send("!");
    pty.wait_for("a part of it died");
    let screen = pty.screen.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor());
    let raw = String::from_utf8_lossy(&pty.raw).into_owned();
    assert!(raw.find("\x1b[?1049l") < raw.find("a part of it died"));
    assert!(!raw.contains("over it"));
}

#[test]
fn a_terminal_that_is_gone_is_noticed() {
    let mut pty = Pty::start(&[]);
    pty.wait_for("<ready>");
    // Every copy of our end has to go; the reading thread's goes once nobody takes what it reads.
    drop(std::mem::replace(&mut pty.bytes, mpsc::channel().1));
    pty.send("x");
    pty.keys = Box::new(std::io::sink());
    pty.master = None;
    pty.told("gone: ");
}
