//! What a look found, as text and as JSON: the headless form.
//!
//! Everything of the server's is made printable, in JSON too, so that no control character of it
//! reaches a terminal or a log (I8).

use super::applied::migrations;
use super::{CheckSet, Inspection, absent, silent, structure, tally};
use crate::facts::Reach;
use crate::runbook::Runbook;
use crate::runbook::check::{Check, Tally};
use crate::runbook::printable::{printable, printable_lines};
use serde_json::{Value, json};

/// Where it was looked, in a line.
pub fn place(sight: &Inspection) -> String {
    let target = &sight.target;
    format!(
        "{} on {} port {} as {}, PostgreSQL {}, {}, {}; read-only by the server",
        target.database,
        target.host,
        target.port,
        target.role,
        target.server_version,
        target.protection(),
        if target.in_recovery {
            "a standby"
        } else {
            "primary"
        }
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Result {
    /// At least one PASS, no FAIL, and an answer to every question.
    Passes,
    /// A FAIL, or no check at all.
    Fails,
    /// Nothing failed, and something was not answered.
    NoAnswer,
    /// Nothing failed, everything answered, and something is not applied.
    NotApplied,
}

pub fn result_of(sight: &Inspection) -> Result {
    let sets = sight.sets.as_deref().unwrap_or_default();
    match (tally(sets), silent(sets)) {
        (tally, 1..) if tally.fail == 0 => Result::NoAnswer,
        (tally, 0) if tally.fail == 0 && absent(sets) > 0 => Result::NotApplied,
        (tally, 0) if tally.passes() => Result::Passes,
        _ => Result::Fails,
    }
}

/// The verdict over all in a line.
pub fn result(tally: Tally, silent: usize, absent: usize) -> String {
    let mut counts = format!(
        "{} PASS, {} WARN, {} FAIL",
        tally.pass, tally.warn, tally.fail
    );
    if silent > 0 {
        counts.push_str(&format!(", {silent} NO ANSWER"));
    }
    if absent > 0 {
        counts.push_str(&format!(", {absent} NOT APPLIED"));
    }
    match (tally.fail, tally.pass, silent) {
        (0, _, 1..) => format!("NO ANSWER: {counts}"),
        (0, _, 0) if absent > 0 => format!("NOT APPLIED: {counts}"),
        (0, 0, _) => format!("FAIL: no check passed, and zero checks is not a pass ({counts})"),
        (0, _, _) => format!("PASS: {counts}"),
        (_, _, _) => format!("FAIL: {counts}"),
    }
}

pub fn tell_inspection(runbook: &Runbook, sight: &Inspection) -> String {
    let sets = sight.sets.as_deref().unwrap_or_default();
    let mut out = format!("{}\n{}\n", runbook.title, place(sight));
    for problem in &sight.problems {
        out.push_str(&format!("note: {problem}\n"));
    }
    out.push_str("\nWhat is applied\n");
    let migrations = migrations(runbook, sets);
    if migrations.is_empty() {
        out.push_str("  the checks of this runbook name no migration by its number\n");
    }
    for migration in &migrations {
        out.push_str(&format!(
            "  {}  {:7}  {}\n               {}\n",
            migration.number,
            migration.extent.word(),
            migration.title,
            migration.why
        ));
    }
    for set in sets {
        out.push_str(&format!("\n{}\n", heading(set, &set.file)));
        for silent in &set.silent {
            out.push_str(&format!(
                "  NO ANSWER  {}\n        {}\n",
                silent.name, silent.why
            ));
        }
        let told = sorted(set).into_iter();
        let told = told.map(|check| (check.verdict.word(), check));
        let absent = set.absent.iter().map(|(_, check)| ("NOT APPLIED", check));
        for (word, check) in told.chain(absent) {
            out.push_str(&format!("  {word}  {}\n", check.name));
            for line in check.detail.lines() {
                out.push_str(&format!("        {line}\n"));
            }
        }
    }
    out.push_str(&format!(
        "\n{}\n",
        result(tally(sets), silent(sets), absent(sets))
    ));
    printable_lines(&out).into_owned()
}

/// A stage, its file, as it is to be named, and how its checks went.
pub fn heading(set: &CheckSet, file: &str) -> String {
    let tally = set.tally();
    let mut title = set.stage.title().to_owned();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let counts = counts(tally, set.silent.len(), set.absent.len());
    format!("{title}, {file}: {counts}")
}

/// How many checks came out how, the worst first.
pub fn counts(tally: Tally, silent: usize, absent: usize) -> String {
    let mut counts = String::new();
    for (number, word) in [(silent, "NO ANSWER"), (absent, "NOT APPLIED")] {
        if number > 0 {
            counts.push_str(&format!("{number} {word}, "));
        }
    }
    counts.push_str(&format!(
        "{} FAIL, {} WARN, {} PASS",
        tally.fail, tally.warn, tally.pass
    ));
    counts
}

fn sorted(set: &CheckSet) -> Vec<&Check> {
    let mut checks: Vec<&Check> = set.checks.iter().map(|(_, check)| check).collect();
    checks.sort_by_key(|check| check.verdict);
    checks
}

pub fn json(runbook: &Runbook, sight: &Inspection) -> String {
    let sets = sight.sets.as_deref().unwrap_or_default();
    let target = &sight.target;
    let all = tally(sets);
    let checks: Vec<_> = sets.iter().flat_map(checks_as_json).collect();
    let applied: Vec<_> = migrations(runbook, sets)
        .into_iter()
        .map(|migration| {
            json!({
                "migration": migration.number,
                "title": migration.title,
                "applied": migration.extent.word(),
                "why": migration.why,
            })
        })
        .collect();
    let structure: Vec<_> = sight
        .compared
        .rows
        .iter()
        .map(|row| {
            let extent = structure::extent(runbook, sets, &sight.compared, row.section);
            let section = row.section.and_then(|at| runbook.script.sections.get(at));
            json!({
                "table": row.table,
                "section": section.map(|section| &section.title),
                "kind": row.sort.word(),
                "name": row.name,
                "expected": row.expected,
                "actual": row.actual,
                "mark": structure::word(row, extent).to_lowercase(),
                "why": row.why,
            })
        })
        .collect();
    let whole = json!({
        "runbook": runbook.title,
        "script": runbook.script.name,
        "script_sha256": runbook.script.sha256(),
        "target": {
            "host": target.host,
            "port": target.port,
            "database": target.database,
            "role": target.role,
            "server_version": target.server_version,
            "standby": target.in_recovery,
            "protection": target.protection(),
            "tls": target.tls,
            "over_network": target.reach == Reach::Network,
        },
        "applied": applied,
        "checks": checks,
        "structure": structure,
        "notes": sight.problems,
        "tally": {
            "pass": all.pass,
            "warn": all.warn,
            "fail": all.fail,
            "no_answer": silent(sets),
            "not_applied": absent(sets),
        },
        "passes": result_of(sight) == Result::Passes,
    });
    escaped(&format!("{whole:#}\n"))
}

/// What was asked in a set, and what came of it: what got no answer first.
fn checks_as_json(set: &CheckSet) -> Vec<Value> {
    let one = |number: usize, name: &str, status: &str, detail: &str| {
        json!({
            "stage": set.stage.word(),
            "file": set.file,
            "statement": (number > 0).then_some(number),
            "check": name,
            "status": status,
            "detail": detail,
        })
    };
    let silent = set.silent.iter();
    let silent = silent.map(|silent| one(silent.number, &silent.name, "NO ANSWER", &silent.why));
    let absent = set.absent.iter();
    let absent =
        absent.map(|(number, check)| one(*number, &check.name, "NOT APPLIED", &check.detail));
    let checks = set.checks.iter();
    let checks = checks
        .map(|(number, check)| one(*number, &check.name, check.verdict.word(), &check.detail));
    silent.chain(absent).chain(checks).collect()
}

/// JSON whose text holds no control character at all: what JSON itself lets through, such as the
/// second set of control codes, becomes its escape.
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut buffer = [0; 4];
    for c in json.chars() {
        let text: &str = c.encode_utf8(&mut buffer);
        if c == '\n' || printable(text) == text {
            out.push(c);
        } else {
            // Everything that is not printable is in the first plane: one unit.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    out
}
