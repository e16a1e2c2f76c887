//! From the server's answers to the words of the gate.

use crate::database::link::{Answer, Gathered, ROW_CAP};
use crate::facts::{Millis, StatementReport, XactStatus};
use crate::runbook::check::{self, Check, TapPlan, Verdict};

/// What a statement that succeeded left behind; locks come later. `plan` counts pgTAP's tests over
/// the script. Rows that are `data` are no checks.
pub(super) fn report(
    number: usize,
    duration: Millis,
    answer: Answer,
    plan: &mut TapPlan,
    data: bool,
) -> StatementReport {
    let mut found = Vec::new();
    for result in answer.results.iter().filter(|_| !data) {
        found.extend(checks(result));
        if !result.copied {
            found.extend(plan.count(&result.set));
        }
    }
    StatementReport {
        number,
        duration,
        tag: answer.tags.last().cloned().unwrap_or_default().into(),
        checks: found,
        result: answer.results.into_iter().next_back().map(|r| r.set),
        locks: Vec::new(),
    }
}

/// The checks of a result. Rows that were not kept might say FAIL, so where there may be verdicts
/// among them, one FAIL stands for all: what was not read is not a pass.
pub(super) fn checks(result: &Gathered) -> Vec<Check> {
    if result.copied {
        return Vec::new();
    }
    let read = check::read_checks(&result.set);
    let unread = result.capped() && (read.is_some() || result.verdict_beyond);
    let mut checks = read.unwrap_or_default();
    if unread {
        checks.push(Check {
            name: "rows that were not read".into(),
            verdict: Verdict::Fail,
            detail: format!(
                "the result has {} rows and {} were kept (at most {ROW_CAP}); a set of checks must \
                 fit in that",
                result.set.total,
                result.set.rows.len()
            ),
        });
    }
    checks
}

/// `pg_xact_status` in the gate's words; `None` where the server does not know any more.
pub(super) fn xact_status(word: Option<&str>) -> Option<XactStatus> {
    match word {
        Some("committed") => Some(XactStatus::Committed),
        Some("aborted") => Some(XactStatus::Aborted),
        Some("in progress") => Some(XactStatus::InProgress),
        _ => None,
    }
}

/// Whole milliseconds from one moment to another.
pub(super) fn millis(from: tokio::time::Instant, to: tokio::time::Instant) -> Millis {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
