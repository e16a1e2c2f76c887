//! A check is a row with a verdict.
//!
//! One reader for all of them: the expected state before, the verification inside the held
//! transaction, the post-verification after. It must never turn what it does not understand into
//! a pass: every verdict other than PASS and WARN is FAIL.

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It does not hold; COMMIT is refused.
    Fail,
    /// It holds, with something a person should know.
    Warn,
    /// It holds.
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

/// One row of a result that carries a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// What was checked: the first column that is neither verdict nor detail.
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
    /// The rest of the row, in words.
    pub detail: String,
}

/// One result as text, as the simple query protocol delivers it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ResultSet {
    /// Column names.
    pub columns: Vec<String>,
    /// The rows that were kept; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows the server sent; more than `rows` holds where the rest was not kept.
    pub total: u64,
}

/// How many checks there are of each verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tally {
    /// Checks that say PASS.
    pub pass: u32,
    /// Checks that say WARN.
    pub warn: u32,
    /// Checks that say FAIL, unrecognised verdicts included.
    pub fail: u32,
}

impl Tally {
    /// Counts `checks`.
    pub fn of(checks: &[Check]) -> Tally {
        let mut tally = Tally::default();
        for check in checks {
            tally.count(check.verdict);
        }
        tally
    }

    /// Adds one verdict.
    pub fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Warn => self.warn += 1,
            Verdict::Fail => self.fail += 1,
        }
    }

    /// Adds another tally.
    pub fn add(&mut self, other: Tally) {
        self.pass += other.pass;
        self.warn += other.warn;
        self.fail += other.fail;
    }

    /// How many checks there are.
    pub fn total(self) -> u32 {
        self.pass + self.warn + self.fail
    }

    /// Whether this counts as verified: no FAIL and at least one PASS. Zero checks is not a pass.
    pub fn passes(self) -> bool {
        self.fail == 0 && self.pass > 0
    }
}

/// Reads a result as checks. Stands in until the real reader is here.
pub fn read(result: &ResultSet) -> Option<Vec<Check>> {
    let verdict =
        |cell: &Option<String>| match cell.as_deref()?.trim().to_ascii_uppercase().as_str() {
            "PASS" => Some(Verdict::Pass),
            "FAIL" => Some(Verdict::Fail),
            "WARN" => Some(Verdict::Warn),
            _ => None,
        };
    let column = (0..result.columns.len()).find(|i| {
        !result.rows.is_empty()
            && result
                .rows
                .iter()
                .all(|r| r.get(*i).and_then(verdict).is_some())
    })?;
    let checks = result.rows.iter().map(|row| {
        let mut rest = row
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != column)
            .map(|(_, c)| c.clone().unwrap_or_default());
        Check {
            name: rest.next().unwrap_or_default(),
            verdict: row.get(column).and_then(verdict).unwrap_or(Verdict::Fail),
            detail: rest.collect::<Vec<_>>().join(" "),
        }
    });
    Some(checks.collect())
}
