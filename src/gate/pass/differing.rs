//! How a pass is held against what another one showed.
//!
//! Two passes are the same only where everything of both is known and equal.

use super::{CameOut, Pass, Structure, Warned, alike, split_tag};
use crate::runbook::check::Check;
use std::collections::{BTreeMap, BTreeSet};

const MOST_TOLD: usize = 200;
/// Which of all the things of one name it is: how the kind of such a line begins.
const NUMBER: &str = "number of ";

/// Of which statements the numbers may come out otherwise: their count of rows, and what is a number
/// in their rows, their checks and their warnings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Allowance {
    #[default]
    Nothing,
    Of(BTreeSet<usize>),
    Everything,
}

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

impl Allowance {
    /// Whether it covers the statement with this number, or what belongs to none.
    pub fn covers(&self, number: Option<usize>) -> bool {
        match self {
            Allowance::Nothing => false,
            Allowance::Of(numbers) => number.is_some_and(|number| numbers.contains(&number)),
            Allowance::Everything => true,
        }
    }

    /// Everything where nothing is allowed, and else nothing any more.
    pub(in crate::gate) fn turn(&mut self) {
        *self = match self {
            Allowance::Nothing => Allowance::Everything,
            Allowance::Of(_) | Allowance::Everything => Allowance::Nothing,
        };
    }

    /// The statement with this number, or not that one any more; `all` can be allowed.
    pub(in crate::gate) fn turn_one(&mut self, number: usize, all: impl Iterator<Item = usize>) {
        let mut numbers = match std::mem::take(self) {
            Allowance::Nothing => BTreeSet::new(),
            Allowance::Of(numbers) => numbers,
            Allowance::Everything => all.collect(),
        };
        if !numbers.remove(&number) {
            numbers.insert(number);
        }
        if !numbers.is_empty() {
            *self = Allowance::Of(numbers);
        }
    }
}

impl Compared {
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    pub(in crate::gate) fn add(
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
    /// What `now` is different in. Where `allowance` covers a statement, its count of rows may
    /// differ, and texts whose numbers alone differ; but nothing becomes 0 or begins at 0.
    pub fn differs(&self, now: &Pass, allowance: &Allowance) -> Compared {
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
                (Some(before), Some(after)) => {
                    before.differs(after, allowance.covers(Some(*number)), &mut found)
                }
                (Some(before), None) => {
                    found.add(format!("statement {number}"), &*before.tag, "not run")
                }
                (None, Some(after)) => {
                    found.add(format!("statement {number}"), "not run", &*after.tag)
                }
                (None, None) => {}
            }
        }
        differing_warnings(self, now, allowance, &mut found);
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
            found.add(&what, &*self.tag, &*now.tag);
        }
        let same_rows = match (&self.rows, &now.rows) {
            (Some(rows), Some(rows_now)) => rows.0 == rows_now.0 || numbers && rows.1 == rows_now.1,
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

fn differing_warnings(before: &Pass, now: &Pass, allowance: &Allowance, found: &mut Compared) {
    let key = |one: &Warned| {
        let text = match allowance.covers(one.number) {
            true => alike(&one.text),
            false => one.text.clone(),
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
        let told = |pass: &Pass| match pass.unkept {
            0 => "all kept",
            _ => "more than are kept",
        };
        found.add("what the server warned of", told(before), told(now));
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
