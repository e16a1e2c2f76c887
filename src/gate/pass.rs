//! What came out of a pass, kept from the reports that the screen shows.

mod differing;
#[cfg(test)]
mod tests;

pub use differing::{Allowance, Compared, Difference};

use crate::facts::{NOT_KEPT, ServerMessage, StatementReport};
use crate::runbook::check::{Check, ResultSet};
use crate::runbook::printable::hexadecimal;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

const MOST_WARNINGS: usize = 1_000;
/// SQLSTATE of a notice that says nothing but itself.
const PLAIN_NOTICE: &str = "00000";

/// What came out of a script, from BEGIN to the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pass {
    /// The SHA-256 of the script.
    pub script: String,
    pub statements: Vec<CameOut>,
    /// What the server warned of, in its order.
    pub warnings: Vec<Warned>,
    /// How often there were more than are kept: what was left out might differ.
    pub unkept: usize,
    /// The whole database before it: what a script takes away is seen there alone, and what it calls.
    pub before: Structure,
    /// The relations that the script touched, after it.
    pub structure: Structure,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CameOut {
    pub number: usize,
    /// That of many statements is kept once.
    pub tag: Arc<str>,
    /// Its rows, where they are no checks: a digest of them, and one with all numbers alike, which many
    /// statements of a long script share.
    pub rows: Option<Box<(RowsDigest, Arc<RowsDigest>)>>,
    pub checks: Box<[Check]>,
}

/// SHA-256 of rows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowsDigest([u8; 32]);

impl fmt::Debug for RowsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(self.0).fmt(f)
    }
}

/// Text that is hashed as it comes: that of a long script's pass is several times its size.
struct HashedText(Sha256);

impl fmt::Write for HashedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// A warning, or a notice with an SQLSTATE of its own such as "already exists, skipping".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Warned {
    pub number: Option<usize>,
    pub sqlstate: String,
    pub text: String,
}

/// The structure of what a script touched, and of what depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Structure {
    /// Each object or property by kind and name, with its definition.
    Known(BTreeMap<String, String>),
    /// It could not be taken down; why.
    Unknown(String),
}

impl Default for Structure {
    fn default() -> Structure {
        Structure::Unknown("it was not looked at".into())
    }
}

impl Pass {
    /// Nothing came out yet of the script with this SHA-256.
    pub fn of(script: &str) -> Pass {
        Pass {
            script: script.to_owned(),
            ..Pass::default()
        }
    }

    pub fn keep(&mut self, report: &StatementReport) {
        let rows = report.result.as_ref();
        let before = self.statements.last().and_then(|one| one.rows.as_ref());
        let rows = rows.filter(|_| report.checks.is_empty()).map(|rows| {
            let (all, same) = digests_of(rows);
            let kept = before.map(|rows| &rows.1).filter(|kept| ***kept == same);
            Box::new((all, kept.map_or_else(|| Arc::new(same), Arc::clone)))
        });
        self.statements.push(CameOut {
            number: report.number,
            tag: Arc::clone(&report.tag),
            rows,
            checks: report.checks.as_slice().into(),
        });
    }

    /// Keeps what the server said while the statement with this number ran, where it is a warning.
    pub fn warned(&mut self, number: Option<usize>, message: &ServerMessage) {
        if message.severity == NOT_KEPT {
            self.unkept += 1;
        }
        let Some(sqlstate) = &message.sqlstate else {
            return;
        };
        if sqlstate == PLAIN_NOTICE {
            return;
        }
        if self.warnings.len() >= MOST_WARNINGS {
            self.unkept += 1;
            return;
        }
        self.warnings.push(Warned {
            number,
            sqlstate: sqlstate.clone(),
            text: told_whole(message),
        });
    }

    /// The statements with numbers that can be another time: counts of rows that are not 0, and
    /// numbers in rows, in details of checks and in warnings.
    pub fn numbered(&self) -> impl Iterator<Item = &CameOut> {
        let statements = self.statements.iter();
        statements.filter(|one| self.has_numbers(one))
    }

    /// Whether the statement with this number is one of these.
    pub fn is_numbered(&self, number: usize) -> bool {
        let found = self
            .statements
            .binary_search_by_key(&number, |one| one.number);
        let one = found.ok().and_then(|at| self.statements.get(at));
        one.is_some_and(|one| self.has_numbers(one))
    }

    fn has_numbers(&self, one: &CameOut) -> bool {
        let mut warnings = self.warnings.iter();
        one.has_numbers()
            || warnings.any(|warned| {
                warned.number == Some(one.number) && alike(&warned.text) != warned.text
            })
    }

    /// A digest of all of it, in hexadecimal: what an approval is bound to.
    pub fn digest(&self) -> String {
        // The derived form names every field; nothing of it depends on where or when it is made.
        let mut hashed = HashedText(Sha256::new());
        let _ = write!(hashed, "{self:?}");
        hexadecimal(hashed.0.finalize())
    }
}

impl CameOut {
    fn has_numbers(&self) -> bool {
        let counted = split_tag(&self.tag).1.is_some_and(|count| count > 0);
        let rows = self.rows.as_ref();
        let rows = rows.is_some_and(|rows| rows.0 != *rows.1);
        let mut details = self.checks.iter().map(|check| &check.detail);
        counted || rows || details.any(|detail| alike(detail) != *detail)
    }
}

/// The tag without the count at its end, and the count.
fn split_tag(tag: &str) -> (&str, Option<u64>) {
    match tag.rsplit_once(' ') {
        Some((word, count)) => match count.parse() {
            Ok(count) => (word, Some(count)),
            Err(_) => (tag, None),
        },
        None => (tag, None),
    }
}

/// What was said, with what was said beside it.
fn told_whole(message: &ServerMessage) -> String {
    let beside = [("detail", &message.detail), ("hint", &message.hint)];
    let mut text = message.message.clone();
    for (word, said) in beside {
        if let Some(said) = said {
            let _ = write!(text, "; {word}: {said}");
        }
    }
    text
}

/// The text with every number alike but 0, in however many digits, also behind a point.
fn alike(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(number);
        let behind = number[whole..].strip_prefix('.').map_or(0, digits);
        let length = whole + behind + usize::from(behind > 0);
        let (number, after) = number.split_at(length);
        let zero = number.bytes().all(|c| matches!(c, b'0' | b'.'));
        out.push_str(before);
        out.push(if zero { '0' } else { '#' });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn digests_of(rows: &ResultSet) -> (RowsDigest, RowsDigest) {
    // So many columns, so that no name runs into the rows.
    let columns = Sha256::new().chain_update(format!("{} ", rows.columns.len()));
    let (mut all, mut same) = (columns.clone(), columns);
    let mut take = |text: &str| {
        // The length stands before the text, so that no two rows run into one.
        all.update(format!("{} {text}", text.len()).as_bytes());
        let text = alike(text);
        same.update(format!("{} {text}", text.len()).as_bytes());
    };
    for column in rows.columns.iter() {
        take(column);
    }
    for row in &rows.rows {
        for cell in row {
            match cell {
                Some(text) => take(text),
                None => take("\u{0}"),
            }
        }
    }
    (
        RowsDigest(all.finalize().into()),
        RowsDigest(same.finalize().into()),
    )
}
