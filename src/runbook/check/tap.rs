//! pgTAP's output as checks: one column of lines `ok 1 - …`, `not ok 2 - …`.
//!
//! pgTAP answers each call by itself: `SELECT plan(3)` is a result, and so is each test. [`TapPlan`]
//! therefore counts over the whole script. A directive never turns `not ok` into a pass, what is
//! no line of TAP is FAIL, and what only looks like a line of it is a test that failed.

use super::columns::seen;
use super::{Check, ResultSet, Verdict};

enum TapLine<'a> {
    Test {
        verdict: Verdict,
        about: &'a str,
    },
    Plan(u64),
    BailOut(&'a str),
    /// `# Looks like you …`: pgTAP's own complaint at the end.
    Complaint(&'a str),
    Diagnostic,
    Other,
}

/// Reads a result as TAP; `None` if no line of it is a test.
pub(super) fn read_tap(result: &ResultSet) -> Option<Vec<Check>> {
    if result.columns.len() != 1 {
        return None;
    }
    let rows: Vec<Option<&str>> = result
        .rows
        .iter()
        .map(|row| row.first().and_then(|value| value.as_deref()))
        .collect();
    let is_test = |text: &&str| {
        matches!(
            line(text),
            TapLine::Test { .. } | TapLine::BailOut(_) | TapLine::Complaint(_)
        )
    };
    rows.iter().flatten().find(|text| is_test(text))?;
    let mut checks = Vec::new();
    let mut plans = Vec::new();
    let mut tests = 0_u64;
    for (index, row) in rows.iter().enumerate() {
        let Some(text) = row else {
            checks.push(unrecognised(index, "NULL"));
            continue;
        };
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        match line(text) {
            TapLine::Test { verdict, about } => {
                // A subtest is indented; the line of its parent counts it.
                tests += u64::from(!first.starts_with(' '));
                checks.push(Check {
                    name: about.to_owned(),
                    verdict,
                    detail: rest.trim().to_owned(),
                });
            }
            TapLine::Plan(count) if !first.starts_with(' ') => plans.push(count),
            TapLine::BailOut(why) => checks.push(fail("Bail out!", why)),
            TapLine::Complaint(what) => checks.push(fail("pgTAP", what)),
            TapLine::Plan(_) | TapLine::Diagnostic => {}
            TapLine::Other => checks.push(unrecognised(index, first)),
        }
    }
    // Without a test here, the tests stand in results of their own, where a [`TapPlan`] counts them.
    if tests > 0 {
        let broken = plans.into_iter().find_map(|plan| compared(plan, tests));
        checks.extend(broken);
    }
    Some(checks)
}

/// A FAIL where other than the planned number of tests was run.
fn compared(planned: u64, ran: u64) -> Option<Check> {
    let detail = || format!("{planned} tests were planned, {ran} were run");
    (planned != ran).then(|| fail("plan", &detail()))
}

/// The plan of a script's TAP, where plan and tests are results of their own.
#[derive(Debug, Clone, Default)]
pub struct TapPlan {
    planned: Option<u64>,
    ran: u64,
    /// A plan came at the end of its tests; what runs behind it needs another one.
    ended: bool,
}

impl TapPlan {
    /// Counts a result. A FAIL where a plan ends with it that was not kept.
    pub fn count(&mut self, result: &ResultSet) -> Option<Check> {
        if result.columns.len() != 1 {
            return None;
        }
        let (mut plans, mut ran) = (Vec::new(), 0);
        for row in &result.rows {
            let text = row.first()?.as_deref().unwrap_or_default();
            if text.starts_with(' ') {
                continue;
            }
            match line(text) {
                TapLine::Plan(count) => plans.push(count),
                TapLine::Test { .. } => ran += 1,
                TapLine::BailOut(_) | TapLine::Complaint(_) | TapLine::Diagnostic => {}
                // A table may hold any text.
                TapLine::Other if ran == 0 => return None,
                TapLine::Other => {}
            }
        }
        match plans.as_slice() {
            [] => {
                self.ran += ran;
                None
            }
            // A plan beside its tests is held against them where they are read.
            _ if ran > 0 => None,
            // What `finish()` says where no number was planned.
            [count] if self.planned.is_none() && self.ran > 0 => {
                self.ended = true;
                compared(*count, std::mem::take(&mut self.ran))
            }
            [count] => {
                let before = std::mem::take(self);
                self.planned = Some(*count);
                before.end()
            }
            // A table of ranges.
            _ => None,
        }
    }

    /// At the end of the script: a FAIL where the plan was not kept.
    pub fn end(self) -> Option<Check> {
        match self.planned {
            Some(planned) => compared(planned, self.ran),
            None if self.ended => compared(0, self.ran),
            None => None,
        }
    }
}

fn fail(name: &str, detail: &str) -> Check {
    Check {
        name: name.to_owned(),
        verdict: Verdict::Fail,
        detail: detail.to_owned(),
    }
}

fn unrecognised(index: usize, text: &str) -> Check {
    let detail = format!("unrecognised verdict: {text}");
    fail(&format!("row {}", index + 1), &detail)
}

fn line(text: &str) -> TapLine<'_> {
    let text = text.split('\n').next().unwrap_or_default().trim_ascii();
    match plain_line(text) {
        TapLine::Other => blurred_line(text),
        plain => plain,
    }
}

fn plain_line(text: &str) -> TapLine<'_> {
    if let Some(rest) = text.strip_prefix("not ok").filter(|rest| ends_word(rest)) {
        return test(rest, false);
    }
    if let Some(rest) = text.strip_prefix("ok").filter(|rest| ends_word(rest)) {
        // Without a number or a dash it is a word that a table may hold.
        if begins_test(rest.trim_ascii_start()) {
            return test(rest, true);
        }
        return TapLine::Other;
    }
    if let Some(why) = text.strip_prefix("Bail out!") {
        return TapLine::BailOut(why.trim());
    }
    if let Some(count) = text.strip_prefix("1..") {
        // `1..0 # SKIP` says why nothing is run.
        let (count, rest) = count.split_once(' ').unwrap_or((count, "#"));
        return match count.parse() {
            Ok(count) if rest.trim_start().starts_with('#') => TapLine::Plan(count),
            _ => TapLine::Other,
        };
    }
    match text.strip_prefix('#').map(str::trim) {
        Some(what) if what.starts_with("Looks like you") => TapLine::Complaint(what),
        Some(_) => TapLine::Diagnostic,
        None if text.is_empty() => TapLine::Diagnostic,
        None => TapLine::Other,
    }
}

/// A line that a person would take for one of TAP, with characters in it that cannot be seen.
fn blurred_line(text: &str) -> TapLine<'_> {
    if text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return TapLine::Other;
    }
    let seen = seen(text);
    let test = (seen.strip_prefix("not").unwrap_or(&seen).strip_prefix("ok"))
        .is_some_and(|rest| begins_test(rest) || rest.is_empty());
    if test {
        return TapLine::Test {
            verdict: Verdict::Fail,
            about: text,
        };
    }
    match seen.strip_prefix("1..").map(str::parse) {
        Some(Ok(count)) => TapLine::Plan(count),
        _ => TapLine::Other,
    }
}

/// Whether this stands behind `ok` in a test: a number, a dash, or a directive.
fn begins_test(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '#')
}

fn ends_word(rest: &str) -> bool {
    !rest.starts_with(|c: char| !c.is_ascii_whitespace())
}

fn test(rest: &str, ok: bool) -> TapLine<'_> {
    let rest = rest.trim();
    let numberless = rest
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .trim_start();
    let about = numberless.strip_prefix('-').unwrap_or(numberless).trim();
    let verdict = match (ok, directive(about)) {
        (_, true) => Verdict::Warn,
        (true, false) => Verdict::Pass,
        (false, false) => Verdict::Fail,
    };
    let about = if about.is_empty() { rest } else { about };
    TapLine::Test { verdict, about }
}

/// Whether `# TODO` or `# SKIP` stands behind the description, where a `#` is written `\#`.
fn directive(about: &str) -> bool {
    about.match_indices('#').any(|(at, _)| {
        let escaped = about.get(..at).is_some_and(|before| before.ends_with('\\'));
        let word = about.get(at + 1..).unwrap_or_default().trim_start();
        let word: String = word.chars().take(4).collect();
        !escaped
            && ["todo", "skip"]
                .iter()
                .any(|name| word.eq_ignore_ascii_case(name))
    })
}
