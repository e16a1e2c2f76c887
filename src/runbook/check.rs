//! A check is a row with a verdict.
//!
//! One reader for all of them: the expected state before, the verification inside the held
//! transaction, the post-verification after. It must never turn what it does not understand into
//! a pass: every verdict other than PASS and WARN is FAIL.

mod columns;
mod packed;
mod tap;

use columns::Says;

pub use packed::PackedRows;
pub use tap::TapPlan;

use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", from = "String")]
pub enum Verdict {
    /// It does not hold; COMMIT is refused.
    Fail,
    /// It holds, with something a person should know.
    Warn,
    Pass,
}

impl Verdict {
    /// The word for it, as scripts and screens write it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Fail => "FAIL",
            Verdict::Warn => "WARN",
            Verdict::Pass => "PASS",
        }
    }
}

impl From<Verdict> for &'static str {
    fn from(verdict: Verdict) -> &'static str {
        verdict.word()
    }
}

impl From<String> for Verdict {
    /// What is none of the words is FAIL.
    fn from(word: String) -> Verdict {
        columns::word(&word).unwrap_or(Verdict::Fail)
    }
}

/// One row of a result that carries a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// What was checked: the first column that is neither verdict nor detail.
    pub name: String,
    pub verdict: Verdict,
    /// The rest of the row, in words.
    pub detail: String,
}

/// One row of a result; `None` is NULL.
pub type ResultRow = Vec<Option<String>>;

/// One result as text, as the simple query protocol delivers it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ResultSet {
    /// Those of many results are kept once.
    pub columns: Arc<[String]>,
    pub rows: Vec<ResultRow>,
    /// How many rows the server sent; more than `rows` holds where the rest was not kept.
    pub total: u64,
}

impl ResultSet {
    /// Which columns hold nothing but numbers and NULL, as far as their values say: psql sets these at
    /// the right.
    pub fn columns_of_numbers(&self) -> Vec<bool> {
        let columns = 0..self.columns.len();
        columns
            .map(|nth| {
                let cells = self.rows.iter().filter_map(|row| row.get(nth)?.as_deref());
                let mut cells = cells.peekable();
                cells.peek().is_some() && cells.all(|cell| cell.parse::<f64>().is_ok())
            })
            .collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tally {
    pub pass: u32,
    pub warn: u32,
    /// Checks that say FAIL, unrecognised verdicts included.
    pub fail: u32,
}

impl Tally {
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Tally {
        let mut tally = Tally::default();
        for check in checks {
            tally.count(check.verdict);
        }
        tally
    }

    pub fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Warn => self.warn += 1,
            Verdict::Fail => self.fail += 1,
        }
    }

    pub fn add(&mut self, other: Tally) {
        self.pass += other.pass;
        self.warn += other.warn;
        self.fail += other.fail;
    }

    pub fn total(self) -> u32 {
        self.pass + self.warn + self.fail
    }

    /// Whether this counts as verified: no FAIL and at least one PASS. Zero checks is not a pass.
    pub fn passes(self) -> bool {
        self.fail == 0 && self.pass > 0
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally { pass, warn, fail } = self;
        write!(f, "{pass} PASS, {warn} WARN, {fail} FAIL")
    }
}

/// Names of columns that say what was checked.
const NAME_COLUMNS: &[&str] = &["check", "check_name", "name", "test"];

/// Names of columns that never say what was checked.
const DETAIL_COLUMNS: &[&str] = &["detail", "details"];

/// Reads a result as a set of checks; `None` if it is not one.
///
/// It is one when a column of it holds nothing but PASS, FAIL and WARN (any case), when a column
/// named `status`, `verdict` or `result` holds at least one of them, or when it is pgTAP output.
/// In a set of checks the columns of those names decide, whatever they hold, and so do those that
/// hold nothing but verdicts; the worst one of a row counts. Every other verdict, NULL included, is
/// FAIL, and so is a set that was not read to its end.
pub fn read_checks(result: &ResultSet) -> Option<Vec<Check>> {
    let mut checks = match columns::deciding(result).as_slice() {
        [] => tap::read_tap(result)?,
        verdicts => {
            let layout = CheckColumns::of(result, verdicts);
            let rows = result.rows.iter().enumerate();
            rows.map(|(index, row)| layout.check(result, index, row))
                .collect()
        }
    };
    let read = u64::try_from(result.rows.len()).unwrap_or(u64::MAX);
    if read < result.total {
        checks.push(Check {
            name: "all rows read".to_owned(),
            verdict: Verdict::Fail,
            detail: format!("only {read} of {} rows were read", result.total),
        });
    }
    Some(checks)
}

fn cell(row: &[Option<String>], column: usize) -> Option<&str> {
    row.get(column)?.as_deref()
}

struct CheckColumns<'a> {
    verdicts: &'a [usize],
    name: Option<usize>,
    detail: Vec<usize>,
    /// Those of `verdicts` that may be data.
    data: Vec<usize>,
}

/// What is said of a row whose verdict may be data.
const LIKE_DATA: &str = "most of this column is no verdict, so it looks like data: if it is, write \
                         -- stagegate: data above the statement, or name it in runbook.toml, \
                         data_results";

impl CheckColumns<'_> {
    fn of<'a>(result: &ResultSet, verdicts: &'a [usize]) -> CheckColumns<'a> {
        let named = |names: &[&str], column: usize| {
            let own = result.columns.get(column);
            own.is_some_and(|own| names.iter().any(|name| own.eq_ignore_ascii_case(name)))
        };
        let others: Vec<usize> = (0..result.columns.len())
            .filter(|column| !verdicts.contains(column))
            .collect();
        let name = NAME_COLUMNS
            .iter()
            .find_map(|name| others.iter().find(|&&column| named(&[name], column)))
            .or_else(|| {
                others
                    .iter()
                    .find(|&&column| !named(DETAIL_COLUMNS, column))
            })
            .copied();
        let detail = others
            .into_iter()
            .filter(|column| Some(*column) != name)
            .collect();
        let data = (verdicts.iter().copied())
            .filter(|&column| columns::looks_like_data(result, column))
            .collect();
        CheckColumns {
            verdicts,
            name,
            detail,
            data,
        }
    }

    fn check(&self, result: &ResultSet, index: usize, row: &[Option<String>]) -> Check {
        let mut verdict = Verdict::Pass;
        let mut detail = Vec::new();
        for &column in self.verdicts {
            let text = cell(row, column).unwrap_or("NULL");
            verdict = verdict.min(match Says::of(text) {
                Says::Plainly(verdict) => verdict,
                says => {
                    detail.push(format!("unrecognised verdict: {text}"));
                    if says == Says::Unseen {
                        detail.push("it holds characters that cannot be seen".to_owned());
                    } else if self.data.contains(&column) {
                        detail.push(LIKE_DATA.to_owned());
                    }
                    Verdict::Fail
                }
            });
        }
        match self.detail.as_slice() {
            [only] => detail.extend(cell(row, *only).map(str::to_owned)),
            several => detail.extend(several.iter().map(|&column| {
                let name = result.columns.get(column).map_or("", String::as_str);
                format!("{name}: {}", cell(row, column).unwrap_or("NULL"))
            })),
        }
        detail.retain(|part| !part.is_empty());
        let name = self
            .name
            .and_then(|column| cell(row, column))
            .unwrap_or_default();
        Check {
            name: if name.trim().is_empty() {
                format!("row {}", index + 1)
            } else {
                name.to_owned()
            },
            verdict,
            detail: detail.join(", "),
        }
    }
}

#[cfg(test)]
mod tests;
