//! What a terminal sends, as keys and pastes.
//!
//! crossterm's own reader waits for ever behind an answer that it does not know (`ESC [ ? 997 ; 1 n`) and
//! behind a paste whose end was lost, and panics on a position of 0: with a transaction held, a keyboard
//! that is dead is the worst there is. Here every sequence ends: by its last byte as ECMA-48 has it (5.4),
//! by what cannot belong to it, or by a pause ([`Decoder::paused`]). What nobody asked for is dropped whole,
//! so that no part of it is a key.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

/// Nothing came for so long behind ESC: it was the key. A sequence comes in one piece, but for a slow link.
pub(super) const ESCAPE_PAUSE: Duration = Duration::from_millis(25);
/// Nothing came for so long inside a sequence: the rest of it never comes.
pub(super) const SEQUENCE_PAUSE: Duration = Duration::from_millis(500);
/// Nothing came for so long inside a paste: its end was lost.
pub(super) const PASTE_PAUSE: Duration = Duration::from_secs(2);

/// The longest control sequence that is a key has some 20 bytes.
const LONGEST: usize = 64;
/// So much of one paste is kept together, in bytes.
const PASTE_CAP: usize = 16 << 20;
const PASTE_END: &[u8] = b"\x1b[201~";
/// X10's mouse: the button and the position, a byte each.
const X10_MOUSE: u8 = 3;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const DELETE: u8 = 0x7f;

#[derive(Debug, Default)]
enum Unfinished {
    #[default]
    Ground,
    Escape,
    /// Behind `ESC [`, with what came of it.
    Control(Vec<u8>),
    /// Behind `ESC O`.
    Shifted,
    /// Behind `ESC [ [`, which the console of Linux sends for F1 to F5.
    Console,
    /// A string for a program: its introducer, and whether anything came of it.
    Text(u8, bool),
    /// Behind the ESC that may end a string.
    TextEscape,
    /// The first bytes of a letter, and what is held with it.
    Letter(Vec<u8>, KeyModifiers),
    Paste(Vec<u8>),
    /// So many bytes that mean nothing here.
    Skip(u8),
}

/// Makes keys of bytes.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: Unfinished,
}

impl Decoder {
    /// Takes what came; what it means is added to `out`.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        for byte in bytes {
            self.take(*byte, out);
        }
    }

    /// After how long a pause [`Decoder::paused`] has something to do.
    pub(super) fn waits(&self) -> Option<Duration> {
        match &self.state {
            Unfinished::Ground => None,
            Unfinished::Escape => Some(ESCAPE_PAUSE),
            Unfinished::Paste(_) => Some(PASTE_PAUSE),
            Unfinished::Control(_)
            | Unfinished::Shifted
            | Unfinished::Console
            | Unfinished::Text(..)
            | Unfinished::TextEscape
            | Unfinished::Letter(..)
            | Unfinished::Skip(_) => Some(SEQUENCE_PAUSE),
        }
    }

    /// Nothing came for so long as [`Decoder::waits`] says: nothing that is half there stands in the way of
    /// the next key.
    pub(super) fn paused(&mut self, out: &mut Vec<Event>) {
        match std::mem::take(&mut self.state) {
            Unfinished::Escape => out.push(key(KeyCode::Esc)),
            Unfinished::Control(so_far) if so_far.is_empty() => out.push(alt(b'[')),
            Unfinished::Shifted => out.push(alt(b'O')),
            Unfinished::Text(introducer, false) => out.push(alt(introducer)),
            Unfinished::Paste(bytes) => out.push(paste(&bytes)),
            Unfinished::Ground
            | Unfinished::Control(_)
            | Unfinished::Console
            | Unfinished::Text(..)
            | Unfinished::TextEscape
            | Unfinished::Letter(..)
            | Unfinished::Skip(_) => {}
        }
    }

    fn take(&mut self, byte: u8, out: &mut Vec<Event>) {
        match std::mem::take(&mut self.state) {
            Unfinished::Ground => self.begin(byte, KeyModifiers::NONE, out),
            Unfinished::Escape => self.escaped(byte, out),
            Unfinished::Control(so_far) => self.control(so_far, byte, out),
            Unfinished::Shifted => match shifted(byte) {
                Some(code) => out.push(key(code)),
                None if byte < b' ' => self.begin(byte, KeyModifiers::NONE, out),
                None => {}
            },
            Unfinished::Console => match byte {
                b'A'..=b'E' => out.push(key(KeyCode::F(1 + byte - b'A'))),
                _ => self.begin(byte, KeyModifiers::NONE, out),
            },
            Unfinished::Text(introducer, _) => match byte {
                BEL => {}
                ESC => self.state = Unfinished::TextEscape,
                // No string has them: whoever presses such a key means the key.
                0..b' ' => self.begin(byte, KeyModifiers::NONE, out),
                _ => self.state = Unfinished::Text(introducer, true),
            },
            Unfinished::TextEscape if byte == b'\\' => {}
            Unfinished::TextEscape => self.escaped(byte, out),
            Unfinished::Letter(so_far, held) => self.letter(so_far, byte, held, out),
            Unfinished::Paste(so_far) => self.pasted(so_far, byte, out),
            Unfinished::Skip(left) if left > 1 => self.state = Unfinished::Skip(left - 1),
            Unfinished::Skip(_) => {}
        }
    }

    fn begin(&mut self, byte: u8, held: KeyModifiers, out: &mut Vec<Event>) {
        match byte {
            ESC => self.state = Unfinished::Escape,
            0..0x80 => out.push(single(byte, held)),
            _ if length(&[byte]) > 0 => self.state = Unfinished::Letter(vec![byte], held),
            // No letter begins with it.
            _ => {}
        }
    }

    fn escaped(&mut self, byte: u8, out: &mut Vec<Event>) {
        match byte {
            b'[' => self.state = Unfinished::Control(Vec::new()),
            b'O' => self.state = Unfinished::Shifted,
            b'P' | b'X' | b']' | b'^' | b'_' => self.state = Unfinished::Text(byte, false),
            ESC => {
                out.push(key(KeyCode::Esc));
                self.state = Unfinished::Escape;
            }
            _ => self.begin(byte, KeyModifiers::ALT, out),
        }
    }

    fn control(&mut self, mut so_far: Vec<u8>, byte: u8, out: &mut Vec<Event>) {
        match byte {
            b'[' if so_far.is_empty() => self.state = Unfinished::Console,
            b'M' if so_far.is_empty() => self.state = Unfinished::Skip(X10_MOUSE),
            b'~' if so_far == b"200" => self.state = Unfinished::Paste(Vec::new()),
            b'@'..=b'~' => out.extend(sequence(&so_far, byte)),
            b' '..=b'?' if so_far.len() < LONGEST => {
                so_far.push(byte);
                self.state = Unfinished::Control(so_far);
            }
            b' '..=b'?' | DELETE => {}
            // It cannot belong to a sequence, so that was none, and this begins anew.
            _ => self.begin(byte, KeyModifiers::NONE, out),
        }
    }

    fn letter(&mut self, mut bytes: Vec<u8>, byte: u8, held: KeyModifiers, out: &mut Vec<Event>) {
        if !(0x80..0xc0).contains(&byte) {
            // The letter was cut off, and this begins anew.
            return self.begin(byte, KeyModifiers::NONE, out);
        }
        bytes.push(byte);
        if bytes.len() < length(&bytes) {
            self.state = Unfinished::Letter(bytes, held);
            return;
        }
        let letter = str::from_utf8(&bytes).ok().and_then(|s| s.chars().next());
        out.extend(letter.map(|letter| typed(letter, held)));
    }

    fn pasted(&mut self, mut bytes: Vec<u8>, byte: u8, out: &mut Vec<Event>) {
        bytes.push(byte);
        if bytes.ends_with(PASTE_END) {
            bytes.truncate(bytes.len() - PASTE_END.len());
            out.push(paste(&bytes));
        } else if bytes.len() >= PASTE_CAP {
            out.push(paste(&bytes));
            self.state = Unfinished::Paste(Vec::new());
        } else {
            self.state = Unfinished::Paste(bytes);
        }
    }
}

/// How many bytes a letter has that begins like this; 0 where none does.
fn length(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 0,
    }
}

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn alt(letter: u8) -> Event {
    typed(char::from(letter), KeyModifiers::ALT)
}

fn paste(bytes: &[u8]) -> Event {
    Event::Paste(String::from_utf8_lossy(bytes).into_owned())
}

/// As crossterm has it, Shift is told of a capital.
fn typed(letter: char, mut modifiers: KeyModifiers) -> Event {
    if letter.is_uppercase() {
        modifiers |= KeyModifiers::SHIFT;
    }
    Event::Key(KeyEvent::new(KeyCode::Char(letter), modifiers))
}

/// A key of one byte, below 128.
fn single(byte: u8, modifiers: KeyModifiers) -> Event {
    let ctrl = |letter: u8| {
        let modifiers = modifiers | KeyModifiers::CONTROL;
        Event::Key(KeyEvent::new(KeyCode::Char(char::from(letter)), modifiers))
    };
    let code = match byte {
        b'\r' => KeyCode::Enter,
        b'\t' => KeyCode::Tab,
        DELETE => KeyCode::Backspace,
        0 => return ctrl(b' '),
        1..=0x1a => return ctrl(byte - 1 + b'a'),
        0x1c..=0x1f => return ctrl(byte - 0x1c + b'4'),
        _ => return typed(char::from(byte), modifiers),
    };
    Event::Key(KeyEvent::new(code, modifiers))
}

/// The keys behind `ESC O`, of terminals whose cursor keys are in application mode.
fn shifted(byte: u8) -> Option<KeyCode> {
    match byte {
        b'P'..=b'S' => Some(KeyCode::F(1 + byte - b'P')),
        b'M' => Some(KeyCode::Enter),
        _ => cursor(byte),
    }
}

fn cursor(byte: u8) -> Option<KeyCode> {
    Some(match byte {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        _ => return None,
    })
}

/// The key of `ESC [ PARAMETERS FINAL`; nothing for what is none: the mouse, the focus, answers to what
/// somebody asked.
fn sequence(parameters: &[u8], last: u8) -> Option<Event> {
    // Anything private (`?`, `<`, `>`, `=`) and anything with an intermediate byte is no key.
    let plain = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b';' | b':');
    if !parameters.iter().all(plain) {
        return None;
    }
    let text = str::from_utf8(parameters).ok()?;
    let mut fields = text.split(';').map(|field| {
        let mut parts = field.split(':').map(|part| part.parse::<u32>().ok());
        (parts.next().flatten(), parts.next().flatten())
    });
    let (first, _) = fields.next().unwrap_or_default();
    let (mask, kind) = fields.next().unwrap_or_default();
    let third = fields.next().and_then(|(third, _)| third);
    if kind == Some(RELEASED) {
        return None;
    }
    let modifiers = modifiers(mask);
    let code = match last {
        b'P' | b'Q' | b'S' => KeyCode::F(1 + last - b'P'),
        b'Z' => {
            let modifiers = modifiers | KeyModifiers::SHIFT;
            return Some(Event::Key(KeyEvent::new(KeyCode::BackTab, modifiers)));
        }
        b'~' if first == Some(27) => return coded(third?, modifiers),
        b'~' => numbered(first?)?,
        b'u' => return coded(first?, modifiers),
        _ => cursor(last)?,
    };
    Some(Event::Key(KeyEvent::new(code, modifiers)))
}

/// In kitty's protocol, behind the modifiers: pressed 1, repeated 2.
const RELEASED: u32 = 3;

/// xterm's: one more than the sum of Shift 1, Alt 2, Ctrl 4.
fn modifiers(mask: Option<u32>) -> KeyModifiers {
    let mask = mask.unwrap_or(1).saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
    ] {
        if mask & bit != 0 {
            modifiers |= modifier;
        }
    }
    modifiers
}

/// The keys of `ESC [ NUMBER ~`, as xterm, rxvt and the console of Linux have them.
fn numbered(number: u32) -> Option<KeyCode> {
    let f = |from: u32, first: u32| u8::try_from(number - from + first).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => f(11, 1),
        17..=21 => f(17, 6),
        23..=26 => f(23, 11),
        28..=29 => f(28, 15),
        31..=34 => f(31, 17),
        _ => None,
    }
}

/// A key by the number of its letter, which terminals send for what has no sequence of its own
/// (`modifyOtherKeys`, `CSI u`).
fn coded(code: u32, modifiers: KeyModifiers) -> Option<Event> {
    let code = match code {
        8 | 127 => KeyCode::Backspace,
        9 if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        // Below are controls, and from U+E000 on keys that no other terminal has.
        0..32 | 0xe000..=0xf8ff => return None,
        code => {
            let letter = char::from_u32(code)?;
            let shifted = modifiers.contains(KeyModifiers::SHIFT);
            let mut upper = letter.to_uppercase();
            let letter = match (shifted, upper.next(), upper.next()) {
                (true, Some(upper), None) => upper,
                _ => letter,
            };
            return Some(typed(letter, modifiers));
        }
    };
    Some(Event::Key(KeyEvent::new(code, modifiers)))
}

#[cfg(test)]
mod tests;
