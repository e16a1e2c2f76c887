//! Evidence that comes from the runbook's files alone.

use crate::account::Backup;
use crate::facts::{Evidence, Standing};
use crate::gate::event::Document;
use crate::runbook::printable::counted;
use crate::runbook::script::{Fate, Script};
use crate::runbook::{ChecklistItem, ItemKind, Runbook};
use std::collections::BTreeMap;

/// The evidence for `item`, or `None` where only the server can give it.
pub fn from_files(runbook: &Runbook, item: &ChecklistItem, backup: &Backup) -> Option<Evidence> {
    match item.kind {
        ItemKind::Backup => Some(backup.evidence()),
        ItemKind::Attest => Some(Evidence {
            standing: Standing::Asks,
            summary: "your word is the evidence".into(),
            lines: item
                .text
                .iter()
                .flat_map(|text| text.lines())
                .map(str::to_owned)
                .collect(),
            ..Evidence::default()
        }),
        ItemKind::Review => Some(review(runbook)),
        ItemKind::Rollback => Some(rollback(runbook)),
        ItemKind::Connection | ItemKind::Structure | ItemKind::Checks => None,
    }
}

/// What is said of rollback scripts behind how many they are, where each was read in an earlier run.
const WAS_READ: &str = ", read to the end in an earlier run";

/// Tells in the evidence of an item, before the rest, which of the documents that it asks for were read in
/// an earlier run.
pub fn tell_readings(
    evidence: &mut Evidence,
    needed: &[Document],
    read_before: &[(Document, String)],
) {
    // What is not there yet is told anew.
    if evidence.summary.is_empty() {
        return;
    }
    let ours = read_before
        .iter()
        .filter(|(document, _)| needed.contains(document));
    let told: Vec<String> = ours.map(|(_, told)| told.clone()).collect();
    let is_rollback = |document: &Document| matches!(document, Document::Rollback(_));
    if !needed.is_empty() && told.len() == needed.len() && needed.iter().all(is_rollback) {
        let summary = &mut evidence.summary;
        let behind = summary.find(';').unwrap_or(summary.len());
        summary.insert_str(behind, WAS_READ);
    }
    evidence.lines.splice(0..0, told);
}

/// Whether only the server gives the evidence for items of that kind.
pub fn is_the_servers(kind: ItemKind) -> bool {
    matches!(
        kind,
        ItemKind::Connection | ItemKind::Structure | ItemKind::Checks
    )
}

fn counts(script: &Script) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for statement in script.sent() {
        *kinds.entry(&statement.kind).or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The hash of all that a script is, and of what it is made of where that is more than a file.
fn hashes(script: &Script) -> Vec<String> {
    let whole = format!("SHA-256 {}", script.sha256());
    let encodings = script.sources.iter().filter_map(|source| {
        let read = source.encoding_in_words()?;
        Some(format!(
            "{}: {read}; the hash is of its own bytes",
            source.name
        ))
    });
    if script.variables.is_empty() && script.data.is_empty() && script.sources.len() == 1 {
        return std::iter::once(whole).chain(encodings).collect();
    }
    let files = script
        .sources
        .iter()
        .map(|source| format!("{}: SHA-256 {}", source.name, source.sha256));
    let data = script.data.iter().map(|file| {
        let lines = counted(file.text.lines().count(), "line", "lines");
        format!(
            "\\copy loads {}: {lines}, SHA-256 {}",
            file.name, file.sha256
        )
    });
    let variables = script
        .variables
        .iter()
        .map(|(name, value)| match name.as_str() {
            "ENCODING" => format!("client_encoding {value}"),
            _ => format!("-v {name}={value}"),
        });
    std::iter::once(format!("{whole}, of all of these:"))
        .chain(files)
        .chain(encodings)
        .chain(data)
        .chain(variables)
        .collect()
}

/// The evidence for the script itself as long as the linter is under way. It can be signed only with what
/// the linter says.
pub fn linting(script: &Script) -> Evidence {
    Evidence {
        standing: Standing::Awaited,
        summary: format!(
            "the linter is under way, on {} of {}",
            counted(script.sent().count(), "statement", "statements"),
            script.name
        ),
        ..Evidence::default()
    }
}

/// What there is where the part of the program that lints failed.
pub fn not_linted() -> Evidence {
    Evidence {
        standing: Standing::Silent,
        summary: "the part of stagegate that lints the script failed: what it says is not known"
            .into(),
        ..Evidence::default()
    }
}

/// The evidence for the script itself. Where it is not linted yet, this waits for it.
pub fn review(runbook: &Runbook) -> Evidence {
    let script = &runbook.script;
    let mut lines = hashes(script);
    lines.push(counts(script));
    for statement in &script.statements {
        match statement.fate {
            Fate::Sent => {}
            Fate::TakenOver => lines.push(match statement.text.as_str() {
                text if text.eq_ignore_ascii_case("BEGIN") => {
                    format!("line {}: the gate sends this BEGIN itself", statement.line)
                }
                text => format!(
                    "line {}: the gate sends this itself: {text}",
                    statement.line
                ),
            }),
            Fate::Ends => lines.push(format!(
                "line {}: this ROLLBACK makes the run a rehearsal",
                statement.line
            )),
            Fate::Held => lines.push(format!(
                "line {}: this COMMIT is held back for your key",
                statement.line
            )),
            Fate::LeftOut => lines.push(format!(
                "line {}: {} is left out, by your choice",
                statement.line, statement.kind
            )),
        }
    }
    for refusal in &script.refusals {
        lines.push(format!(
            "refused, line {}: {}",
            refusal.line, refusal.reason
        ));
    }
    let findings = script.findings_in_words();
    for (index, finding) in findings.iter().enumerate() {
        lines.push(format!("finding {}: {finding}", index + 1));
    }
    let impact = runbook.impact();
    lines.push(format!("impact: {}", impact.brief()));
    let differences = impact.differences();
    for difference in &differences {
        lines.push(format!("WARN  {difference}"));
    }
    let statements = counted(script.sent().count(), "statement", "statements");
    let (standing, said) = if !script.refusals.is_empty() {
        let refused = counted(script.refusals.len(), "place", "places");
        (Standing::Fails, format!("cannot be run: {refused} refused"))
    } else if script.sent().next().is_none() {
        (Standing::Fails, "there is nothing to run in it".to_owned())
    } else {
        let mut said = Vec::new();
        if !differences.is_empty() {
            let differ = counted(differences.len(), "count differs", "counts differ");
            said.push(format!("{differ} from what the runbook promises"));
        }
        if !findings.is_empty() {
            said.push(counted(findings.len(), "lint finding", "lint findings"));
        }
        match said.is_empty() {
            true => (Standing::Holds, "the linter has nothing to say".to_owned()),
            false => (Standing::Warns, said.join(", ")),
        }
    };
    Evidence {
        standing,
        summary: format!("{}: {statements}, {said}", script.name),
        lines,
        findings: Some(findings.len()),
        ..Evidence::default()
    }
}

fn rollback(runbook: &Runbook) -> Evidence {
    if runbook.rollbacks.is_empty() {
        return Evidence {
            standing: Standing::Warns,
            summary: "the runbook has no rollback script".into(),
            lines: vec!["After COMMIT there is then no documented way back.".into()],
            ..Evidence::default()
        };
    }
    let mut lines = Vec::new();
    let mut refused = 0;
    for script in &runbook.rollbacks {
        lines.push(format!(
            "{}: {}, SHA-256 {}",
            script.name,
            counted(script.sent().count(), "statement", "statements"),
            script.sha256()
        ));
        for refusal in &script.refusals {
            refused += 1;
            lines.push(format!(
                "refused, line {}: {}",
                refusal.line, refusal.reason
            ));
        }
    }
    let scripts = counted(
        runbook.rollbacks.len(),
        "rollback script",
        "rollback scripts",
    );
    let (standing, summary) = if refused == 0 {
        (Standing::Asks, scripts)
    } else {
        let refused = counted(refused, "place", "places");
        (Standing::Fails, format!("{scripts}, {refused} refused"))
    };
    Evidence {
        standing,
        summary,
        lines,
        ..Evidence::default()
    }
}
