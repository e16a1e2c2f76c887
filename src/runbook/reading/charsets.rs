//! Files in another encoding than UTF-8: where one begins, and what of a COPY depends on it.

use super::super::classify::Words;
use super::super::encoding::{Charset, Charsets, MOST_SWITCHES, Switch, behind_line};
use super::{At, ScriptFile, ScriptReading};

/// Why data that say their encoding are refused, where the file says another one.
pub(super) const DATA_ENCODING: &str = "the data are turned into UTF-8 with the script, and ENCODING \
                                        would have the server do it again; leave ENCODING out";

/// Why a file of the server is refused whose encoding is not said.
const SERVER_FILE: &str = "without ENCODING the server reads and writes a file of its own in the encoding of \
                           the session, which is UTF-8 here and another one under psql; add ENCODING";

/// Why a byte is refused that has no letter.
pub(super) fn not_in(charset: Charset) -> String {
    match charset {
        Charset::Utf8 => "this is not UTF-8; convert the file to UTF-8, or say what it is in: with \
                          PGCLIENTENCODING=LATIN1 for instance, or \\encoding LATIN1 as its first line"
            .to_owned(),
        Charset::Single(_) => format!(
            "this byte has no letter in {}; is the file in another encoding?",
            charset.name()
        ),
    }
}

pub(super) fn says_encoding(words: Words<'_>) -> bool {
    has(words, "ENCODING")
}

fn has(words: Words<'_>, word: &str) -> bool {
    (0..words.tokens().len()).any(|at| words.is(at, word))
}

impl ScriptReading {
    /// The encodings of the file that is read next.
    pub(super) fn charsets(&self, built_in: bool) -> Charsets {
        let first = match built_in {
            true => Charset::Utf8,
            false => self.charset,
        };
        Charsets::new(first, self.script.sources.len(), &self.switches)
    }

    /// What stands behind that line of the file is in this encoding, as `\encoding` says.
    pub(super) fn go_over(&mut self, file: &ScriptFile<'_>, line: usize, charset: Charset) {
        self.charset = charset;
        let is_ascii = |from: usize, to: usize| file.raw.get(from..to).is_none_or(<[u8]>::is_ascii);
        let behind = behind_line(file.raw, line);
        let known = file.charsets.at(line + 1) == charset;
        if known || is_ascii(behind, file.raw.len()) || self.unknown_switch.is_some() {
            return;
        }
        let begins = behind_line(file.raw, line.saturating_sub(1));
        let why = match is_ascii(begins, behind) {
            false => "\\encoding stands beside letters beyond ASCII; write it on a line of its own",
            true if self.switches.len() >= MOST_SWITCHES => {
                "the encoding changes too often; convert the file to UTF-8"
            }
            true => {
                self.unknown_switch = Some(Switch {
                    source: file.source,
                    line,
                    charset,
                });
                return;
            }
        };
        // `file` counts in the text that its bytes became.
        let place = file.places.start(line);
        self.refuse_in_file(file, place, None, why.to_owned());
    }

    /// What stands against a COPY in a file that is not in UTF-8.
    pub(super) fn objection_to_copy(
        &self,
        file: &ScriptFile<'_>,
        at: At<'_>,
        words: Words<'_>,
        data: Option<&std::ops::Range<usize>>,
        line: usize,
    ) -> Option<&'static str> {
        if file.charsets.at(line) == Charset::Utf8 {
            return None;
        }
        let of_client = has(words, "STDIN") || has(words, "STDOUT");
        match (says_encoding(words), data) {
            (true, Some(data)) => {
                let data = at.text.get(data.clone()).unwrap_or_default();
                (!data.is_ascii()).then_some(DATA_ENCODING)
            }
            (false, None) if !of_client => Some(SERVER_FILE),
            _ => None,
        }
    }
}
