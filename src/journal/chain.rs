//! The chain of hashes through a journal, and its verification.
//!
//! A line is `{"n":…,"at":…,"prev":…,"entry":…,"hash":…}`; `hash` is SHA-256 over the bytes of the
//! line before `,"hash"`, `prev` the `hash` of the line before. It finds accidents and careless
//! edits; who can write the file can also compute the chain anew.

use super::entry::Entry;
use crate::runbook::printable::{hexadecimal, misleads};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What stands as `prev` on the first line.
pub const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The state of the chain while a journal is written.
#[derive(Debug)]
pub struct Chain {
    next: u64,
    prev: String,
}

impl Default for Chain {
    fn default() -> Chain {
        Chain {
            next: 1,
            prev: FIRST.to_owned(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 1.
    pub n: u64,
    pub at: jiff::Timestamp,
    pub prev: String,
    pub entry: Entry,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Broken {
    pub line: usize,
    pub what: String,
}

fn hash(bytes: &[u8]) -> String {
    hexadecimal(Sha256::digest(bytes))
}

/// `json` with every character that misleads a reader as `\uXXXX`: it reads back as the same.
fn escape_what_misleads(json: &str) -> Cow<'_, str> {
    // Of ASCII DEL alone misleads; the controls before it JSON writes as escapes.
    let is_plain = json.is_ascii() && !json.as_bytes().contains(&0x7f);
    if is_plain || !json.chars().any(misleads) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if misleads(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

impl Chain {
    /// The next line, with its line feed.
    pub fn line(&mut self, entry: &Entry, at: jiff::Timestamp) -> String {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            n: u64,
            at: jiff::Timestamp,
            prev: &'a str,
            entry: &'a Entry,
        }
        let body = serde_json::to_string(&Borrowed {
            n: self.next,
            at,
            prev: &self.prev,
            entry,
        })
        .unwrap_or_else(|error| format!("{{\"unwritable\":\"{error}\"}}"));
        // Outside of its strings JSON is ASCII, so an escape stands for what misleads wherever it is.
        let body = escape_what_misleads(&body);
        let body = body.strip_suffix('}').unwrap_or(&body);
        let own = hash(body.as_bytes());
        let line = format!("{body},\"hash\":\"{own}\"}}\n");
        self.next += 1;
        self.prev = own;
        line
    }
}

/// Reads a journal and follows its chain to the end.
///
/// # Errors
/// The first place where a line was edited, is missing, was cut, or does not read.
pub fn verify(text: &str) -> Result<Vec<Line>, Broken> {
    match read_chain(text) {
        (lines, None) => Ok(lines),
        (_, Some(broken)) => Err(broken),
    }
}

/// Reads a journal up to where its chain holds, and says where it no longer does: a program that
/// died while it wrote leaves half a line at the end.
pub fn read_chain(text: &str) -> (Vec<Line>, Option<Broken>) {
    let mut lines = Vec::new();
    let broken = follow(text, &mut lines).err();
    (lines, broken)
}

fn follow(text: &str, lines: &mut Vec<Line>) -> Result<(), Broken> {
    let mut prev = FIRST.to_owned();
    let mut rest = text;
    while !rest.is_empty() {
        let number = lines.len() + 1;
        let broken = |what: &str| Broken {
            line: number,
            what: what.to_owned(),
        };
        let Some((line, after)) = rest.split_once('\n') else {
            return Err(broken("it was cut in the middle"));
        };
        rest = after;
        let (body, own) = line
            .strip_suffix("\"}")
            .and_then(|line| line.rsplit_once(",\"hash\":\""))
            .ok_or_else(|| broken("it carries no hash"))?;
        if hash(body.as_bytes()) != own {
            return Err(broken("it was edited: its hash does not fit"));
        }
        let read: Line = serde_json::from_str(line)
            .map_err(|error| broken(&format!("it does not read: {error}")))?;
        if read.n != number as u64 {
            return Err(broken(&format!(
                "lines are missing before it: it is number {}",
                read.n
            )));
        }
        if read.prev != prev {
            return Err(broken("the line before it was replaced"));
        }
        prev = own.to_owned();
        lines.push(read);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::entry::Decision;

    fn journal() -> String {
        let mut chain = Chain::default();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let decide = |decision| Entry::intent(decision, Some("7".into()));
        [Decision::Commit, Decision::RollBack, Decision::Commit]
            .into_iter()
            .map(|decision| chain.line(&decide(decision), at))
            .collect()
    }

    #[test]
    fn what_was_written_verifies() {
        assert_eq!(verify(&journal()).unwrap().len(), 3);
    }

    #[test]
    fn a_line_holds_nothing_raw_that_misleads_and_reads_back_as_it_was() {
        let said = "a\x1b[2J\u{7f}\u{85}\u{9b}31m\u{ad}\u{200b}\u{200d}\u{202e}\u{2028}\u{2029}\u{2066}\
                    \u{feff}\u{fff9}\u{e0041}\u{1d173}ü—日本😀\n";
        let entry = Entry::BackupFailed { why: said.into() };
        let line = Chain::default().line(&entry, jiff::Timestamp::UNIX_EPOCH);
        let raw = line
            .trim_end_matches('\n')
            .chars()
            .find(|c| c.is_control() || misleads(*c));
        assert_eq!(raw, None, "{line}");
        assert!(line.contains("ü—日本😀"), "{line}");
        let read = verify(&line).unwrap();
        assert_eq!(read[0].entry, entry);
    }

    /// Each by its number, and not by what the program takes for misleading: DEL and the C1 controls, the
    /// soft hyphen, marks of direction, what has no width, separators of lines, overrides, tags.
    #[test]
    fn each_character_that_misleads_is_an_escape_in_the_line() {
        let alone = [
            0xad, 0x34f, 0x61c, 0x115f, 0x180e, 0x3164, 0xfeff, 0xffa0, 0x1d173, 0xe0001,
        ];
        let ranges = [
            0x7f..=0x9f,
            0x200b..=0x200f,
            0x2028..=0x202e,
            0x2060..=0x206f,
            0xfff9..=0xfffb,
            0xe0020..=0xe007f,
        ];
        for code in alone.into_iter().chain(ranges.into_iter().flatten()) {
            let raw = char::from_u32(code).expect("a character");
            let said = format!("x{raw}y");
            let entry = Entry::BackupFailed { why: said };
            let line = Chain::default().line(&entry, jiff::Timestamp::UNIX_EPOCH);
            assert!(line.is_ascii(), "U+{code:04X} in {line}");
            assert!(line.contains("x\\u"), "{line}");
            assert_eq!(verify(&line).unwrap()[0].entry, entry);
        }
    }

    #[test]
    fn an_edit_of_any_single_byte_is_found() {
        let journal = journal();
        for position in 0..journal.len() {
            let mut bytes = journal.clone().into_bytes();
            bytes[position] = if bytes[position] == b'x' { b'y' } else { b'x' };
            let edited = String::from_utf8(bytes).unwrap();
            assert!(verify(&edited).is_err(), "byte {position}");
        }
    }

    #[test]
    fn a_line_that_another_chain_wrote_is_found_though_its_own_hash_fits() {
        let ours = journal();
        let mut other = Chain::default();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let theirs: String = [Decision::RollBack, Decision::RollBack, Decision::Commit]
            .into_iter()
            .map(|decision| other.line(&Entry::intent(decision, Some("8".into())), at))
            .collect();
        let ours: Vec<&str> = ours.split_inclusive('\n').collect();
        let theirs: Vec<&str> = theirs.split_inclusive('\n').collect();
        // Number and hash are right; only the hash of the line before is not.
        let broken = verify(&[ours[0], theirs[1]].concat()).unwrap_err();
        assert_eq!(broken.line, 2);
        assert_eq!(broken.what, "the line before it was replaced");
        let broken = verify(&[theirs[0], ours[1], ours[2]].concat()).unwrap_err();
        assert_eq!(broken.line, 2);
    }

    #[test]
    fn a_gap_a_swap_and_a_cut_are_found() {
        let journal = journal();
        let lines: Vec<&str> = journal.split_inclusive('\n').collect();
        let gap = [lines[0], lines[2]].concat();
        assert_eq!(verify(&gap).unwrap_err().line, 2);
        let swap = [lines[1], lines[0], lines[2]].concat();
        assert_eq!(verify(&swap).unwrap_err().line, 1);
        let cut = &journal[..journal.len() - 10];
        assert_eq!(verify(cut).unwrap_err().line, 3);
    }
}
