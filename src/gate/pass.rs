//! What came out of a pass, and how it is held against what another pass showed.
//!
//! It is kept from the reports that the screen shows. What cannot be told counts as a difference:
//! two passes are the same only where everything of both is known and equal.

use super::event::{ServerMessage, StatementReport};
use crate::runbook::check::{Check, ResultSet};
use crate::runbook::printable::hexadecimal;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The most warnings that are kept of a pass.
const MOST_WARNINGS: usize = 1_000;
/// The most differences that are told.
const MOST_TOLD: usize = 200;
/// Which of all the things of one name it is: how the kind of such a line begins.
const NUMBER: &str = "number of ";
/// SQLSTATE of a notice that says nothing but itself.
const PLAIN_NOTICE: &str = "00000";

/// What came out of a script, from BEGIN to the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pass {
    /// The SHA-256 of the script.
    pub script: String,
    /// What the statements came to, in their order.
    pub statements: Vec<CameOut>,
    /// What the server warned of, in its order.
    pub warnings: Vec<Warned>,
    /// How many warnings more there were.
    pub unkept: usize,
    /// The whole database before it: what a script takes away is seen there alone, and what it calls.
    pub before: Structure,
    /// The relations that the script touched, after it.
    pub structure: Structure,
}

/// What one statement came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CameOut {
    pub number: usize,
    pub tag: String,
    /// Its rows, where they are no checks: a digest of them, and one with all numbers alike.
    pub rows: Option<(String, String)>,
    /// Its rows as checks.
    pub checks: Vec<Check>,
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

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Difference {
    pub what: String,
    pub approved: String,
    pub now: String,
}

/// What two passes differ in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Compared {
    pub differences: Vec<Difference>,
    /// How many there are beside these.
    pub more: usize,
}

impl Compared {
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    pub(super) fn add(
        &mut self,
        what: impl Into<String>,
        approved: impl Into<String>,
        now: impl Into<String>,
    ) {
        if self.differences.len() >= MOST_TOLD {
            self.more += 1;
            return;
        }
        self.differences.push(Difference {
            what: what.into(),
            approved: approved.into(),
            now: now.into(),
        });
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: approved {}, now {}",
            self.what, self.approved, self.now
        )
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

    /// Keeps what a statement came to.
    pub fn keep(&mut self, report: &StatementReport) {
        let rows = report.result.as_ref();
        self.statements.push(CameOut {
            number: report.number,
            tag: report.tag.clone(),
            rows: rows.filter(|_| report.checks.is_empty()).map(digests_of),
            checks: report.checks.clone(),
        });
    }

    /// Keeps what the server said while the statement with this number ran, where it is a warning.
    pub fn warned(&mut self, number: Option<usize>, message: &ServerMessage) {
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

    /// The statements that touched rows, with how many.
    pub fn counts(&self) -> impl Iterator<Item = (usize, &str)> {
        let counted = |one: &&CameOut| split_tag(&one.tag).1.is_some_and(|count| count > 0);
        let statements = self.statements.iter().filter(counted);
        statements.map(|one| (one.number, one.tag.as_str()))
    }

    /// A digest of all of it, in hexadecimal: what an approval is bound to.
    pub fn digest(&self) -> String {
        // The derived form names every field; nothing of it depends on where or when it is made.
        hexadecimal(Sha256::digest(format!("{self:?}").as_bytes()))
    }

    /// What `now` is different in. With `numbers`, counts of rows may differ, and texts whose
    /// numbers alone differ; but nothing becomes 0 or begins at 0.
    pub fn differs(&self, now: &Pass, numbers: bool) -> Compared {
        let mut found = Compared::default();
        if self.script != now.script {
            found.add("the script's SHA-256", &self.script, &now.script);
        }
        let by_number = |pass: &Pass| -> BTreeMap<usize, CameOut> {
            let all = pass.statements.iter().cloned();
            all.map(|one| (one.number, one)).collect()
        };
        let (before, after) = (by_number(self), by_number(now));
        for number in union(&before, &after) {
            match (before.get(number), after.get(number)) {
                (Some(before), Some(after)) => before.differs(after, numbers, &mut found),
                (Some(before), None) => {
                    found.add(format!("statement {number}"), &before.tag, "not run")
                }
                (None, Some(after)) => {
                    found.add(format!("statement {number}"), "not run", &after.tag)
                }
                (None, None) => {}
            }
        }
        differing_warnings(self, now, numbers, &mut found);
        differing_structure("before the script: ", &self.before, &now.before, &mut found);
        differing_structure("", &self.structure, &now.structure, &mut found);
        found
    }
}

impl CameOut {
    fn differs(&self, now: &CameOut, numbers: bool, found: &mut Compared) {
        let what = format!("statement {}", self.number);
        let ((word, count), (word_now, count_now)) = (split_tag(&self.tag), split_tag(&now.tag));
        let same_count = count == count_now || numbers && both_some(count, count_now);
        if word != word_now || !same_count {
            found.add(&what, &self.tag, &now.tag);
        }
        let same_rows = match (&self.rows, &now.rows) {
            (Some((all, alike)), Some((all_now, alike_now))) => {
                all == all_now || numbers && alike == alike_now
            }
            // What has no rows where the other one has tells so by its tag or its checks.
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same_rows {
            found.add(format!("{what}, its rows"), "as shown", "others");
        }
        differing_checks(self, now, numbers, found);
    }
}

/// The checks by name; of the same name, in an order of their own.
fn by_name(checks: &[Check]) -> BTreeMap<&str, Vec<&Check>> {
    let mut named: BTreeMap<&str, Vec<&Check>> = BTreeMap::new();
    for check in checks {
        named.entry(&check.name).or_default().push(check);
    }
    for same in named.values_mut() {
        same.sort_by(|a, b| (a.verdict, &a.detail).cmp(&(b.verdict, &b.detail)));
    }
    named
}

fn differing_checks(before: &CameOut, now: &CameOut, numbers: bool, found: &mut Compared) {
    let (shown, present) = (by_name(&before.checks), by_name(&now.checks));
    for name in union(&shown, &present) {
        let all = |checks: &BTreeMap<&str, Vec<&Check>>| {
            let checks = checks.get(name).cloned().unwrap_or_default();
            checks.into_iter().cloned().collect::<Vec<Check>>()
        };
        let (before, after) = (all(&shown), all(&present));
        for at in 0..before.len().max(after.len()) {
            let (one, other) = (before.get(at), after.get(at));
            let same = match (one, other) {
                (Some(one), Some(other)) => {
                    one.verdict == other.verdict && same_text(&one.detail, &other.detail, numbers)
                }
                _ => false,
            };
            if !same {
                let told = |check: Option<&Check>| match check {
                    Some(check) if check.detail.is_empty() => check.verdict.word().to_owned(),
                    Some(check) => format!("{} {}", check.verdict.word(), check.detail),
                    None => "not there".to_owned(),
                };
                found.add(format!("check {name}"), told(one), told(other));
            }
        }
    }
}

fn differing_warnings(before: &Pass, now: &Pass, numbers: bool, found: &mut Compared) {
    let key = |one: &Warned| {
        let text = if numbers {
            alike(&one.text)
        } else {
            one.text.clone()
        };
        (one.number, one.sqlstate.clone(), text)
    };
    let mut counted: BTreeMap<_, (i64, &str)> = BTreeMap::new();
    for one in &before.warnings {
        counted.entry(key(one)).or_insert((0, &one.text)).0 += 1;
    }
    for one in &now.warnings {
        counted.entry(key(one)).or_insert((0, &one.text)).0 -= 1;
    }
    for ((number, sqlstate, _), (balance, text)) in counted {
        let of = number.map_or_else(String::new, |number| format!(" of statement {number}"));
        let what = format!("warning {sqlstate}{of}");
        match balance {
            0 => {}
            1.. => found.add(what, text, "not said"),
            _ => found.add(what, "not said", text),
        }
    }
    if before.unkept > 0 || now.unkept > 0 {
        let told = |pass: &Pass| (pass.warnings.len() + pass.unkept).to_string();
        found.add("warnings, too many to be compared", told(before), told(now));
    }
}

fn differing_structure(when: &str, before: &Structure, now: &Structure, found: &mut Compared) {
    match (before, now) {
        (Structure::Known(before), Structure::Known(now)) => {
            for name in union(before, now) {
                let (was, is) = (before.get(name), now.get(name));
                // What is new or gone is told by itself already.
                let numbered = name.starts_with(NUMBER) && (was.is_none() || is.is_none());
                if was != is && !numbered {
                    let told = |one: Option<&String>| {
                        one.cloned().unwrap_or_else(|| "not there".to_owned())
                    };
                    found.add(format!("{when}{name}"), told(was), told(is));
                }
            }
        }
        (before, now) => {
            let told = |one: &Structure| match one {
                Structure::Known(_) => "known".to_owned(),
                Structure::Unknown(why) => format!("not known: {why}"),
            };
            found.add(format!("{when}the structure"), told(before), told(now));
        }
    }
}

fn union<'a, K: Ord, V>(one: &'a BTreeMap<K, V>, other: &'a BTreeMap<K, V>) -> Vec<&'a K> {
    let mut keys: Vec<&K> = one.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// A count that is not 0 may be another one that is not 0.
fn both_some(before: Option<u64>, now: Option<u64>) -> bool {
    matches!((before, now), (Some(before), Some(now)) if before > 0 && now > 0)
}

fn same_text(before: &str, now: &str, numbers: bool) -> bool {
    before == now || numbers && alike(before) == alike(now)
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

/// The text with every number alike but 0, in however many digits.
fn alike(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_ascii_digit() {
            out.push(c);
            continue;
        }
        let mut zero = c == '0';
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            zero &= digit == '0';
        }
        out.push(if zero { '0' } else { '#' });
    }
    out
}

fn digests_of(rows: &ResultSet) -> (String, String) {
    let (mut all, mut same) = (Sha256::new(), Sha256::new());
    let mut take = |text: &str| {
        // The length stands before the text, so that no two rows run into one.
        all.update(format!("{} {text}", text.len()).as_bytes());
        let text = alike(text);
        same.update(format!("{} {text}", text.len()).as_bytes());
    };
    for column in &rows.columns {
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
    (hexadecimal(all.finalize()), hexadecimal(same.finalize()))
}
