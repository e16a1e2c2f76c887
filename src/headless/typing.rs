//! What is typed, line by line: commands, and what nobody may see.
//!
//! A line may be a password, so it is kept in memory that is wiped, and there is one reader of standard
//! input: two would take each other's lines.

use crate::asking::{Challenge, SecretKind};
use crate::runbook::printable::printable;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::Write;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A line that was typed, and when it was read.
#[derive(Debug)]
pub struct TypedLine {
    pub at: Instant,
    pub text: Zeroizing<String>,
}

/// The longest line that a terminal hands over.
const LONGEST_LINE: usize = 4096;

/// Reads lines from standard input, on a thread of its own.
pub fn listen() -> UnboundedReceiver<TypedLine> {
    let (lines, typed) = unbounded_channel();
    std::thread::spawn(move || {
        let stdin = rustix::stdio::stdin();
        let mut chunk = Zeroizing::new([0_u8; LONGEST_LINE]);
        let mut held = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
        loop {
            let read = match rustix::io::read(stdin, chunk.as_mut_slice()) {
                Ok(read) => read,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            };
            let at = Instant::now();
            for byte in chunk.iter().take(read) {
                if *byte != b'\n' {
                    held.push(*byte);
                    continue;
                }
                if lines.send(line(at, &mut held)).is_err() {
                    return;
                }
            }
            // What nobody put an Enter behind is no line: a name that is half typed commits nothing.
            if read == 0 {
                return;
            }
        }
    });
    typed
}

fn line(at: Instant, held: &mut Zeroizing<Vec<u8>>) -> TypedLine {
    let whole = std::mem::replace(held, Zeroizing::new(Vec::with_capacity(LONGEST_LINE)));
    let text = String::from_utf8_lossy(whole.strip_suffix(b"\r").unwrap_or(&whole));
    TypedLine {
        at,
        text: Zeroizing::new(text.into_owned()),
    }
}

/// A terminal that does not show what is typed, until this is dropped.
pub struct EchoOff {
    before: Termios,
}

impl EchoOff {
    /// What was typed ahead is thrown away. `None` where standard input is no terminal. With `keys` each key
    /// comes by itself, Ctrl-C too; without, a line is edited as always.
    #[must_use]
    pub fn begin(keys: bool) -> Option<EchoOff> {
        let stdin = rustix::stdio::stdin();
        let before = tcgetattr(stdin).ok()?;
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ECHO);
        match keys {
            true => now
                .local_modes
                .remove(LocalModes::ICANON | LocalModes::ISIG),
            false => now.local_modes.insert(LocalModes::ECHONL),
        }
        tcsetattr(stdin, OptionalActions::Flush, &now).ok()?;
        Some(EchoOff { before })
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        // A terminal that is gone has nothing to show.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

/// A question that is open, with nothing shown of what is typed.
pub struct Asked {
    question: Challenge,
    since: Instant,
    _unseen: EchoOff,
}

impl Asked {
    /// Puts it at the terminal; `None` where there is none, and then it stays without an answer.
    #[must_use]
    pub fn put(question: Challenge) -> Option<Asked> {
        let unseen = EchoOff::begin(false)?;
        write_prompt(&question);
        Some(Asked {
            question,
            since: Instant::now(),
            _unseen: unseen,
        })
    }

    /// Whether that line was typed after it was put.
    pub fn takes(&self, line: &TypedLine) -> bool {
        line.at > self.since
    }

    /// Whether nobody waits for it any more.
    pub fn is_over(&self) -> bool {
        self.question.is_over()
    }

    pub fn answer(self, line: TypedLine) {
        match line.text.is_empty() {
            true => self.question.decline(),
            false => self.question.answer(line.text),
        }
    }
}

/// Writes a question to the terminal itself: standard output may be a log.
pub fn write_prompt(question: &Challenge) {
    let mut text = match &question.wrong {
        Some(wrong) => format!("{}\n", printable(wrong)),
        None => String::new(),
    };
    text.push_str(match question.wanted {
        SecretKind::Password => "Password for ",
        SecretKind::Passphrase => "Pass phrase for ",
    });
    text.push_str(&printable(&question.place));
    text.push_str(" (not shown): ");
    write_to_terminal(&text);
}

pub fn write_to_terminal(text: &str) {
    let tty = std::fs::OpenOptions::new().write(true).open("/dev/tty");
    // Where neither can be written to, nobody reads it.
    let _ = match tty {
        Ok(mut tty) => tty.write_all(text.as_bytes()),
        Err(_) => std::io::stderr().write_all(text.as_bytes()),
    };
}
