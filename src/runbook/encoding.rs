//! Scripts that are not in UTF-8, where the person or the script itself says what they are in.
//!
//! The session speaks UTF-8. A file in another encoding is turned into it when it is read, into the
//! letters that the server would have made of its bytes, so that what reaches the database is what
//! psql would have put there. Only encodings of one byte a letter are: of longer ones the server makes
//! what it likes. The hash stays that of the file's own bytes.

mod names;
mod tables;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use tables::TABLES;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Charset {
    #[default]
    Utf8,
    /// One byte a letter; the number of its table.
    Single(usize),
}

/// A byte that has no letter.
const NONE: char = '\u{fffd}';

/// The letters of the bytes 80 to FF, and the way back.
struct Letters {
    of_bytes: Vec<char>,
    bytes_of: HashMap<char, u8>,
}

fn letters(table: usize) -> Option<&'static Letters> {
    static ALL: OnceLock<Vec<Letters>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        TABLES
            .iter()
            .map(|(_, table)| read_letter_table(table))
            .collect()
    });
    all.get(table)
}

/// Reads a table in the form that [`tables`] has it.
fn read_letter_table(table: &str) -> Letters {
    let letter = |text: &str| {
        let number = u32::from_str_radix(text, 16).ok();
        number.and_then(char::from_u32).unwrap_or(NONE)
    };
    let mut of_bytes = Vec::with_capacity(128);
    for word in table.split_ascii_whitespace() {
        if let Some(count) = word.strip_prefix('-') {
            let count = count.parse().unwrap_or(1);
            of_bytes.extend(std::iter::repeat_n(NONE, count));
        } else if let Some((from, to)) = word.split_once("..") {
            of_bytes.extend(letter(from)..=letter(to));
        } else {
            of_bytes.push(letter(word));
        }
    }
    let bytes = 0x80..=0xff_u8;
    let bytes_of = of_bytes
        .iter()
        .copied()
        .zip(bytes)
        .filter(|(letter, _)| *letter != NONE)
        .collect();
    Letters { of_bytes, bytes_of }
}

impl Charset {
    /// The encoding that psql is told by that name.
    ///
    /// # Errors
    /// In words, where a file in it is not read here, with the next step.
    pub fn named(name: &str) -> Result<Charset, String> {
        let single = TABLES.map(|(name, _)| name);
        match names::own(name, &single) {
            Some("UTF8") => Ok(Charset::Utf8),
            Some("SQL_ASCII") => Err(
                "SQL_ASCII says of no byte which letter it is; name the encoding that the script is \
                 written in, LATIN1 for instance"
                    .into(),
            ),
            Some(own) => match TABLES.iter().position(|(table, _)| *table == own) {
                Some(table) => Ok(Charset::Single(table)),
                None => Err(format!(
                    "{own} has letters of several bytes, of which a server makes what its own tables \
                     say; convert the script to UTF-8 (iconv -t UTF-8), and leave the name out"
                )),
            },
            None => Err("PostgreSQL has no encoding of this name; UTF8 and LATIN1 are two".into()),
        }
    }

    fn letters(self) -> Option<&'static Letters> {
        match self {
            Charset::Utf8 => None,
            Charset::Single(table) => letters(table),
        }
    }

    /// PostgreSQL's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Charset::Utf8 => "UTF8",
            Charset::Single(table) => TABLES.get(table).map_or("", |(name, _)| name),
        }
    }

    /// The text of the bytes, and where in the text the first stands that has no letter, if one has
    /// none; each such byte is a question mark.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> (String, Option<usize>) {
        let Some(letters) = self.letters() else {
            return decode_utf8(bytes);
        };
        let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
        let mut first_bad = None;
        for byte in bytes {
            let high = byte.checked_sub(0x80).map(usize::from);
            let letter = match high {
                None => char::from(*byte),
                Some(at) => letters.of_bytes.get(at).copied().unwrap_or(NONE),
            };
            match letter {
                NONE => {
                    first_bad.get_or_insert(text.len());
                    text.push('?');
                }
                letter => text.push(letter),
            }
        }
        (text, first_bad)
    }

    /// The letter of a byte beyond ASCII; `None` where it has none, and in UTF-8, where a byte is none.
    #[must_use]
    pub fn letter(self, byte: u8) -> Option<char> {
        let at = usize::from(byte.checked_sub(0x80)?);
        let letter = self.letters()?.of_bytes.get(at).copied()?;
        (letter != NONE).then_some(letter)
    }

    /// The bytes that a text has in it; `None` where a letter has none.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        let Some(letters) = self.letters() else {
            return Some(text.as_bytes().to_vec());
        };
        text.chars()
            .map(|letter| match u8::try_from(letter) {
                Ok(byte) if byte.is_ascii() => Some(byte),
                _ => letters.bytes_of.get(&letter).copied(),
            })
            .collect()
    }
}

/// As text of the same length, so that places in it are places in the file.
fn decode_utf8(bytes: &[u8]) -> (String, Option<usize>) {
    let mut text = String::with_capacity(bytes.len());
    let mut first_bad = None;
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        at += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            first_bad.get_or_insert(at);
            text.extend(chunk.invalid().iter().map(|_| '?'));
            at += chunk.invalid().len();
        }
    }
    (text, first_bad)
}

/// Where a file goes over to another encoding: behind that line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Switch {
    pub source: usize,
    pub line: usize,
    pub charset: Charset,
}

/// How often the files of one script may go over to another encoding.
pub(super) const MOST_SWITCHES: usize = 16;

/// The encodings of a file: the one that it begins in, and where others begin.
#[derive(Debug, Clone)]
pub(super) struct Charsets {
    first: Charset,
    /// By line, each behind the one before.
    switches: Vec<Switch>,
}

impl Charsets {
    pub fn new(first: Charset, source: usize, switches: &[Switch]) -> Charsets {
        let own = switches.iter().filter(|switch| switch.source == source);
        Charsets {
            first,
            switches: own.copied().collect(),
        }
    }

    pub fn at(&self, line: usize) -> Charset {
        let before = self.switches.iter().rev().find(|switch| switch.line < line);
        before.map_or(self.first, |switch| switch.charset)
    }

    /// The text of the file, and the place in it and encoding of the first byte that has no letter.
    pub fn decode<'b>(&self, bytes: &'b [u8]) -> (Cow<'b, str>, Option<(usize, Charset)>) {
        if self.switches.is_empty() {
            if self.first == Charset::Utf8
                && let Ok(text) = std::str::from_utf8(bytes)
            {
                return (text.into(), None);
            }
            let (text, bad) = self.first.decode(bytes);
            return (text.into(), bad.map(|at| (at, self.first)));
        }
        let mut text = String::new();
        let mut first_bad = None;
        let mut from = 0;
        let mut charset = self.first;
        let mut take = |range: std::ops::Range<usize>, charset: Charset| {
            let (part, bad) = charset.decode(bytes.get(range).unwrap_or_default());
            if let Some(bad) = bad {
                first_bad.get_or_insert((text.len() + bad, charset));
            }
            text.push_str(&part);
        };
        for switch in &self.switches {
            let to = behind_line(bytes, switch.line);
            take(from..to, charset);
            (from, charset) = (to, switch.charset);
        }
        take(from..bytes.len(), charset);
        (text.into(), first_bad)
    }

    /// Names of those in which letters beyond ASCII stand; none where that is UTF-8 alone.
    pub fn used(&self, bytes: &[u8]) -> Vec<&'static str> {
        let mut used = Vec::new();
        let mut from = 0;
        let ends = self.switches.iter().map(|switch| switch.line);
        let charsets = std::iter::once(self.first).chain(self.switches.iter().map(|s| s.charset));
        for (end, charset) in ends.map(Some).chain([None]).zip(charsets) {
            let to = end.map_or(bytes.len(), |line| behind_line(bytes, line));
            let ascii = bytes.get(from..to).is_none_or(<[u8]>::is_ascii);
            if !ascii && !used.contains(&charset.name()) {
                used.push(charset.name());
            }
            from = to;
        }
        match used.as_slice() {
            [only] if *only == Charset::Utf8.name() => Vec::new(),
            _ => used,
        }
    }
}

pub(super) fn behind_line(bytes: &[u8], line: usize) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    match line.checked_sub(1) {
        None => 0,
        Some(before) => ends
            .map(|(at, _)| at + 1)
            .nth(before)
            .unwrap_or(bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_letter_or_none_for_each_byte_and_no_letter_twice() {
        for (name, table) in TABLES {
            let letters = read_letter_table(table);
            assert_eq!(letters.of_bytes.len(), 128, "{name}");
            let known = letters.of_bytes.iter().filter(|c| **c != NONE).count();
            assert_eq!(letters.bytes_of.len(), known, "{name}");
            let charset = Charset::named(name).unwrap();
            assert_eq!(charset.name(), name);
            let all: Vec<u8> = (1..=255).collect();
            for byte in all {
                let (text, bad) = charset.decode(&[byte]);
                let back = charset.encode(&text).unwrap();
                assert_eq!(bad.is_none(), back == [byte], "{name} {byte:x}");
            }
        }
    }

    #[test]
    fn names_are_those_of_the_server() {
        for (name, own) in [
            ("iso-8859-1", "LATIN1"),
            ("Latin_9", "LATIN9"),
            ("windows-1252", "WIN1252"),
            ("utf-8", "UTF8"),
            ("KOI8", "KOI8R"),
        ] {
            assert_eq!(Charset::named(name).unwrap().name(), own);
        }
        for (name, why) in [
            ("sjis", "SJIS has letters of several bytes"),
            ("EUC_JP", "iconv"),
            ("sql_ascii", "name the encoding"),
            ("klingon", "no encoding of this name"),
        ] {
            let said = Charset::named(name).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
