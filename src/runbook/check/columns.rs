//! Which columns of a result decide, and what a cell of them says.
//!
//! A column that is called `status`, `verdict` or `result` decides, whatever it holds: what a
//! script says under such a name is never overruled by a column that happens to say PASS. What only
//! looks like a verdict, because something in it cannot be seen, is none.

use super::{ResultSet, Verdict, cell};

/// Names of columns that decide, where the result holds a verdict at all.
const NAMES: &[&str] = &["status", "verdict", "result"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// A verdict, and nothing beside it.
    Plainly(Verdict),
    /// A person would read a verdict, but something in it cannot be seen.
    Unseen,
    Nothing,
}

impl Says {
    pub(super) fn of(text: &str) -> Says {
        // Space around it is what char(n) adds.
        let plain = text.trim_matches(' ');
        if let Some(verdict) = word(plain) {
            return Says::Plainly(verdict);
        }
        match word(&seen(text)) {
            Some(_) => Says::Unseen,
            None => Says::Nothing,
        }
    }

    fn is_verdict(self) -> bool {
        self != Says::Nothing
    }
}

pub(super) fn word(text: &str) -> Option<Verdict> {
    [Verdict::Fail, Verdict::Warn, Verdict::Pass]
        .into_iter()
        .find(|verdict| text.eq_ignore_ascii_case(verdict.word()))
}

/// A text without all that a terminal may not show: white space of every kind, controls, marks of
/// no width. Everything beyond ASCII counts as that; verdicts have none of it.
pub(super) fn seen(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).collect()
}

fn is_named(name: &str) -> bool {
    let name = seen(name);
    NAMES.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// The columns that carry a verdict; empty for a result that is no set of checks.
pub(super) fn deciding(result: &ResultSet) -> Vec<usize> {
    let says = |row: &Vec<Option<String>>, column| {
        cell(row, column).is_some_and(|text| Says::of(text).is_verdict())
    };
    let named = |column: usize| result.columns.get(column).is_some_and(|n| is_named(n));
    let says_nothing_else = |column| result.rows.iter().all(|row| says(row, column));
    let columns: Vec<usize> = (0..result.columns.len())
        .filter(|&column| named(column) || says_nothing_else(column))
        .collect();
    let speaks = |&column: &usize| result.rows.iter().any(|row| says(row, column));
    match columns.iter().any(speaks) {
        true => columns,
        false => Vec::new(),
    }
}

/// Whether most of what a deciding column holds is no verdict: it may be data of an application.
pub(super) fn looks_like_data(result: &ResultSet, column: usize) -> bool {
    let said = |row: &&Vec<Option<String>>| {
        cell(row, column).is_some_and(|text| Says::of(text).is_verdict())
    };
    let verdicts = result.rows.iter().filter(said).count();
    verdicts > 0 && verdicts * 2 < result.rows.len()
}
