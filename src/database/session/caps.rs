//! How much of what the server says one run keeps, whatever it says (I15).
//!
//! A result is bounded where it is read, and so are the notices of a request; here all of them together
//! are, because a script may have any number of statements. What is cut is told, and nothing that is cut
//! ever counts as a PASS.

use crate::database::message;
use crate::facts::{NOT_KEPT, ServerMessage, StatementReport};
use crate::runbook::check::{Check, ResultSet, Verdict};
use crate::runbook::printable::hexadecimal;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How many bytes of rows are kept in a run.
pub const ROWS: usize = 8 << 20;

/// So much of each result is kept besides, so that a long one does not take the place of a count.
const FIRST_ROWS: usize = 16 << 10;

/// How many bytes all of these may be together.
const ALL_FIRST_ROWS: usize = 8 << 20;

/// How many bytes of checks are kept in a run.
pub const CHECKS: usize = 8 << 20;

/// How many bytes of notices are kept in a run.
pub const NOTICES: usize = 4 << 20;

/// How many bytes of one text of a message are kept.
const TEXT: usize = 16 << 10;

/// What a value costs besides its text, in bytes.
const CELL: usize = 48;

/// What is left of a run's bounds.
#[derive(Debug)]
pub(super) struct Caps {
    rows: usize,
    first_rows: usize,
    checks: usize,
    notices: usize,
    /// How many rows, checks and notices were left out, and how many there were.
    cut_rows: Cut,
    cut_checks: u64,
    cut_notices: Cut,
    /// The tag and the columns that came last: most statements of a long script are like the one before.
    last_tag: Arc<str>,
    last_columns: Arc<[String]>,
}

/// How much was kept of how much.
#[derive(Debug, Default, Clone, Copy)]
struct Cut {
    kept: u64,
    all: u64,
}

impl Cut {
    fn words(self, what: &str) -> Option<String> {
        let grouped = |number: u64| {
            let digits = number.to_string();
            let mut told = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    told.push(',');
                }
                told.push(digit);
            }
            told
        };
        (self.kept < self.all).then(|| {
            format!(
                "{} of {} {what} of this run were kept",
                grouped(self.kept),
                grouped(self.all)
            )
        })
    }
}

impl Default for Caps {
    fn default() -> Caps {
        Caps {
            rows: ROWS,
            first_rows: ALL_FIRST_ROWS,
            checks: CHECKS,
            notices: NOTICES,
            cut_rows: Cut::default(),
            cut_checks: 0,
            cut_notices: Cut::default(),
            last_tag: Arc::default(),
            last_columns: Arc::default(),
        }
    }
}

impl Caps {
    /// Leaves out of a report what the run may not keep. Its checks were read before.
    pub(super) fn trim(&mut self, report: &mut StatementReport) {
        share(&mut report.tag, &mut self.last_tag);
        if let Some(result) = &mut report.result {
            share(&mut result.columns, &mut self.last_columns);
            self.trim_rows(result);
        }
        let mut left = self.checks;
        let mut fits = |check: &Check| {
            let cost = check.name.len() + check.detail.len() + 2 * CELL;
            left.checked_sub(cost)
                .inspect(|rest| left = *rest)
                .is_some()
        };
        let kept = report.checks.iter().take_while(|check| fits(check)).count();
        self.checks = left;
        let cut = report.checks.len() - kept;
        if cut > 0 || self.cut_checks > 0 && !report.checks.is_empty() {
            // No more are kept from here on: what nobody can read is no PASS.
            self.checks = 0;
            let is_first = self.cut_checks == 0;
            self.cut_checks += report.checks.len() as u64 - kept as u64;
            report.checks.truncate(kept);
            if is_first {
                report.checks.push(Check {
                    name: "checks that were not kept".into(),
                    verdict: Verdict::Fail,
                    detail: format!(
                        "the checks of a run must fit into {} MB; from here on none is kept",
                        CHECKS >> 20
                    ),
                });
            }
        }
    }

    fn trim_rows(&mut self, result: &mut ResultSet) {
        let (mut kept, mut used) = (0, 0);
        for row in &result.rows {
            let texts: usize = row.iter().flatten().map(String::len).sum();
            let cost = texts + CELL * (row.len() + 1);
            let first = FIRST_ROWS.min(self.first_rows);
            if used + cost > first && used + cost > first + self.rows {
                break;
            }
            used += cost;
            kept += 1;
        }
        let of_first = used.min(FIRST_ROWS).min(self.first_rows);
        self.first_rows -= of_first;
        self.rows = self.rows.saturating_sub(used - of_first);
        if kept < result.rows.len() {
            result.rows.truncate(kept);
            result.rows.shrink_to_fit();
        }
        self.cut_rows.kept += kept as u64;
        self.cut_rows.all += result.total;
    }

    /// A notice as far as it is kept; `None` where no more are.
    pub(super) fn notice(&mut self, notice: ServerMessage) -> Option<ServerMessage> {
        self.cut_notices.all += 1;
        let notice = shorten(notice);
        let cost = [&notice.detail, &notice.hint, &notice.context]
            .into_iter()
            .flatten()
            .chain([&notice.message])
            .map(|text| text.len() + CELL)
            .sum();
        self.notices = self.notices.checked_sub(cost)?;
        self.cut_notices.kept += 1;
        Some(notice)
    }

    /// What was cut, in words, once.
    pub(super) fn told(&mut self) -> Option<ServerMessage> {
        let rows = std::mem::take(&mut self.cut_rows).words("rows");
        let notices = std::mem::take(&mut self.cut_notices).words("notices");
        let severity = notices.as_ref().map(|_| NOT_KEPT.to_owned());
        let words: Vec<String> = rows.into_iter().chain(notices).collect();
        (!words.is_empty()).then(|| ServerMessage {
            severity: severity.unwrap_or_default(),
            ..message::own_with_hint(
                words.join("; "),
                "everything was sent and counted; only what is kept here is bounded",
            )
        })
    }
}

/// Has what reads like the last one be the last one.
fn share<T: ?Sized + PartialEq>(new: &mut Arc<T>, last: &mut Arc<T>) {
    match *new == *last {
        true => *new = Arc::clone(last),
        false => *last = Arc::clone(new),
    }
}

/// A message with no text that is longer than anybody reads.
pub(super) fn shorten(mut message: ServerMessage) -> ServerMessage {
    cut(&mut message.message);
    let texts = [&mut message.detail, &mut message.hint, &mut message.context];
    for text in texts.into_iter().flatten() {
        cut(text);
    }
    message
}

fn cut(text: &mut String) {
    let all = text.len();
    if all > TEXT {
        let mut end = TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // Two texts that differ only in what is cut are told apart by it.
        let whole = hexadecimal(Sha256::digest(text.as_bytes()));
        text.truncate(end);
        text.push_str(&format!(
            " … ({end} of {all} bytes kept, SHA-256 of all {whole})"
        ));
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: usize, checks: usize) -> StatementReport {
        let check = Check {
            name: "c".repeat(1_000),
            verdict: Verdict::Pass,
            detail: String::new(),
        };
        StatementReport {
            number: 1,
            duration: 0,
            tag: "SELECT".into(),
            result: Some(ResultSet {
                columns: vec!["x".into()].into(),
                rows: vec![vec![Some("x".repeat(1_000))]; rows],
                total: rows as u64,
            }),
            checks: vec![check; checks],
            locks: Vec::new(),
        }
    }

    #[test]
    fn rows_are_bounded_over_the_run_and_a_short_result_keeps_its_own() {
        let mut caps = Caps::default();
        let mut kept = 0;
        for _ in 0..50 {
            let mut one = report(1_000, 0);
            caps.trim(&mut one);
            kept += one.result.unwrap().rows.len();
        }
        assert!(kept * 1_000 < ROWS + ALL_FIRST_ROWS, "{kept}");
        let mut short = report(3, 0);
        caps.trim(&mut short);
        assert_eq!(short.result.unwrap().rows.len(), 3);
        let told = caps.told().unwrap().message;
        assert!(
            told.ends_with("of 50,003 rows of this run were kept"),
            "{told}"
        );
        assert_eq!(caps.told(), None);
    }

    #[test]
    fn what_many_results_have_in_common_is_kept_once() {
        let mut caps = Caps::default();
        let mut reports = [report(1, 0), report(1, 0)];
        for one in &mut reports {
            caps.trim(one);
        }
        let [first, second] = &reports;
        assert!(Arc::ptr_eq(&first.tag, &second.tag));
        let columns = |of: &StatementReport| Arc::clone(&of.result.as_ref().unwrap().columns);
        assert!(Arc::ptr_eq(&columns(first), &columns(second)));
    }

    #[test]
    fn checks_that_are_not_kept_are_one_fail() {
        let mut caps = Caps::default();
        let mut all = Vec::new();
        for _ in 0..30 {
            let mut one = report(0, 1_000);
            caps.trim(&mut one);
            all.extend(one.checks);
        }
        let fails = all.iter().filter(|one| one.verdict == Verdict::Fail);
        assert_eq!(fails.count(), 1);
        assert!(all.len() > 1_000 && all.len() < 10_000, "{}", all.len());
    }

    #[test]
    fn notices_are_bounded_in_length_and_over_the_run() {
        let mut caps = Caps::default();
        let notice = || ServerMessage {
            message: "ä".repeat(20_000),
            ..ServerMessage::default()
        };
        let first = caps.notice(notice()).unwrap().message;
        assert!(
            first.contains("ä … (16384 of 40000 bytes kept, SHA-256 of all "),
            "{:.40}",
            first
        );
        let kept = (0..1_000).filter_map(|_| caps.notice(notice())).count();
        assert!(kept * TEXT < NOTICES, "{kept}");
        let told = caps.told().unwrap().message;
        assert!(told.contains("of 1,001 notices"), "{told}");
    }
}
