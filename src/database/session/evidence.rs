//! Evidence in words: of the connection, and of the checks of an item.

use super::read_only::Stopped;
use crate::database::message;
use crate::database::target::{self};
use crate::facts::{Evidence, Standing, StatementReport, Target};
use crate::runbook::Runbook;
use crate::runbook::check::{Check, Tally};
use crate::runbook::printable::counted;
use crate::runbook::script::{Script, ScriptRefusal};

pub(super) fn connection_evidence(target: &Target, runbook: &Runbook) -> Evidence {
    let path = runbook.search_path.checks.as_deref();
    let known = &runbook.targets;
    let named = target.named(known);
    // Where the runbook knows its servers by name, its database is only what is taken by itself.
    let expected_database = match known.is_empty() {
        true => runbook.expected_database.as_deref(),
        false => None,
    };
    let which = match named {
        _ if known.is_empty() => None,
        Some(named) => Some(format!("target     {}", named.name)),
        None => {
            let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
            Some(format!(
                "target     UNKNOWN SERVER: it is none that runbook.toml names ({})",
                names.join(", ")
            ))
        }
    };
    let unknown = !known.is_empty() && named.is_none();
    // Whoever made what is found there first, it runs with the rights of whoever looks.
    let risk = path.map(|path| {
        format!(
            "risk       the runbook's checks look for names in {path}: whoever may create something \
             in one of these schemas can have it run as {}; a superuser risks the whole server",
            target.role
        )
    });
    let objections = target::objections(target, expected_database);
    let name = match named {
        Some(named) => format!("{}: ", named.name),
        None if unknown => "UNKNOWN SERVER: ".to_owned(),
        None => String::new(),
    };
    let reached = format!(
        "{name}{} on {} port {} as {}, PostgreSQL {}",
        target.database, target.host, target.port, target.role, target.server_version
    );
    Evidence {
        standing: match (objections.is_empty(), target.is_exposed() || unknown) {
            (true, false) => Standing::Holds,
            (true, true) => Standing::Warns,
            (false, _) => Standing::Fails,
        },
        summary: match objections.first() {
            None if target.is_exposed() => format!("PLAINTEXT over the network; {reached}"),
            None => reached,
            Some(first) => first.clone(),
        },
        lines: objections
            .into_iter()
            .chain(which)
            .chain(target::describe_target(target))
            .chain(risk)
            .collect(),
        ..Evidence::default()
    }
}

/// What stands against running a file of checks.
pub(super) fn refused(script: &Script) -> Evidence {
    let places = counted(script.refusals.len(), "place", "places");
    let said =
        |refusal: &ScriptRefusal| format!("refused, line {}: {}", refusal.line, refusal.reason);
    Evidence {
        standing: Standing::Fails,
        summary: format!("{} cannot be run: {places} refused", script.name),
        lines: script.refusals.iter().map(said).collect(),
        ..Evidence::default()
    }
}

/// The statement that did not succeed: its number, the line, what the server said.
pub(super) fn stopped_evidence(script: &Script, stopped: &Stopped) -> Evidence {
    let error = &stopped.error;
    let mut lines = vec![message::line(error)];
    lines.extend(error.detail.iter().map(|d| format!("DETAIL: {d}")));
    lines.extend(error.hint.iter().map(|h| format!("HINT: {h}")));
    let statement = script
        .statements
        .iter()
        .find(|s| s.number == stopped.number);
    // The line that the server means, where it says so; a long query has many.
    let line = statement
        .zip(error.position)
        .and_then(|(statement, position)| script.place(statement, position))
        .map_or(stopped.line, |(line, _)| line);
    let file = statement
        .and_then(|statement| script.sources.get(statement.source))
        .map_or(&script.name, |source| &source.name);
    Evidence {
        standing: Standing::Fails,
        summary: format!(
            "{file} stopped at statement {} (line {line}): {}",
            stopped.number,
            message::line(error)
        ),
        lines,
        ..Evidence::default()
    }
}

pub(super) fn evidence_of_checks(name: &str, results: Vec<StatementReport>) -> Evidence {
    let mut checks: Vec<Check> = results.into_iter().flat_map(|r| r.checks).collect();
    // What a person has to weigh is never below what is in order.
    checks.sort_by_key(|check| check.verdict);
    let tally = Tally::of(&checks);
    let standing = match tally {
        Tally {
            fail: 0, warn: 0, ..
        } if tally.pass > 0 => Standing::Holds,
        Tally { fail: 0, .. } if tally.passes() => Standing::Warns,
        _ => Standing::Fails,
    };
    let summary = match tally.total() {
        0 => format!("{name} returned no checks; zero checks is not a pass"),
        total => {
            let mut parts = vec![format!("{} of {total} PASS", tally.pass)];
            if tally.fail > 0 {
                parts.insert(0, format!("{} FAIL", tally.fail));
            }
            if tally.warn > 0 {
                parts.push(format!("{} WARN", tally.warn));
            }
            format!("{name}: {}", parts.join(", "))
        }
    };
    Evidence {
        standing,
        summary,
        lines: Vec::new(),
        checks,
        ..Evidence::default()
    }
}
