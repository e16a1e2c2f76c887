//! Whether a past rehearsal stands for reading the rollback scripts.
//!
//! It does when it passed with this script and these rollback scripts, byte for byte, and its
//! structure is the one that the target has now: that last part only the session can tell. The
//! newest rehearsal of the present scripts decides. Stale, failed or untrusted ones are told with
//! the reason, and then everything is read as without them. Journals can be long and on a slow disk, so
//! none is read where a person waits for a key (I14).

use crate::database::session::Claim;
use crate::facts::{Evidence, Millis, Standing};
use crate::journal::rehearsed::{self, End, Rehearsed};
use crate::runbook::Runbook;
use crate::runbook::script::Script;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct Weighing {
    /// The runbook, whose scripts were rehearsed or not.
    pub runbook: Arc<Runbook>,
    /// The evidence without any rehearsal.
    pub plain: Evidence,
    /// Where journals of rehearsals may lie.
    pub journals: Vec<PathBuf>,
}

impl Weighing {
    /// Reads the journals, which can take a while: the evidence for now, and what has to be compared
    /// before there is more.
    pub fn weigh(self) -> (Evidence, Option<Claim>) {
        weigh(
            &self.runbook,
            self.plain,
            &rehearsed::find_rehearsals(&self.journals),
        )
    }
}

/// What the rehearsals say: the evidence, and what would stand if the structure is one of theirs.
fn weigh(runbook: &Runbook, plain: Evidence, past: &[Rehearsed]) -> (Evidence, Option<Claim>) {
    if plain.standing != Standing::Asks {
        return (plain, None);
    }
    let ours: Vec<&Rehearsed> = past.iter().filter(|one| concerns(runbook, one)).collect();
    let mut evidence = plain.clone();
    for one in &ours {
        if let End::Untrusted(why) = &one.end {
            let path = one.path.display();
            evidence
                .lines
                .push(format!("a rehearsal is not counted, {path}: {why}"));
        }
    }
    let trusted = |one: &&&Rehearsed| matches!(one.end, End::Passed { .. } | End::Failed { .. });
    let present: Vec<&Rehearsed> = ours
        .iter()
        .filter(trusted)
        .filter(|one| changed(runbook, one).is_none())
        .copied()
        .collect();
    match (present.first(), ours.iter().find(trusted)) {
        (None, None) => {
            if evidence.lines.len() > plain.lines.len() {
                evidence
                    .summary
                    .push_str("; a rehearsal's journal cannot be trusted");
            }
            (evidence, None)
        }
        (None, Some(last)) => {
            let why = changed(runbook, last).unwrap_or_default();
            evidence.summary = stale(&plain, last, &why);
            (evidence, None)
        }
        (Some(last), _) => match &last.end {
            End::Failed { why, rows } => {
                evidence.standing = Standing::Warns;
                evidence.summary = format!(
                    "the rehearsal of {} FAILED, because {why}; the rollback scripts are to be read to the \
                     end",
                    when(last)
                );
                let told = rows
                    .iter()
                    .cloned()
                    .chain([format!("journal: {}", last.path.display())]);
                evidence.lines.splice(0..0, told);
                (evidence, None)
            }
            End::Passed { .. } | End::Unfinished | End::Untrusted(_) => {
                let rehearsed = present.iter().filter_map(|one| {
                    let End::Passed { structure, window } = &one.end else {
                        return None;
                    };
                    Some((structure.clone(), stands(&plain, one, *window)))
                });
                let rehearsed = rehearsed.collect();
                let meanwhile = Evidence {
                    standing: Standing::Awaited,
                    summary: format!(
                        "the structure is compared with that of the rehearsal of {}",
                        when(last)
                    ),
                    ..evidence.clone()
                };
                evidence.summary = stale(&plain, last, "the structure has changed since");
                let claim = Claim {
                    rehearsed,
                    otherwise: evidence,
                };
                (meanwhile, Some(claim))
            }
        },
    }
}

/// A rehearsal of this runbook, or of the present script under another title.
fn concerns(runbook: &Runbook, one: &Rehearsed) -> bool {
    one.of.script.sha256 == runbook.script.sha256()
        || (one.of.script.name == runbook.script.name
            && one.opened.runbook == Runbook::rehearsal_title(&runbook.title))
}

fn changed(runbook: &Runbook, one: &Rehearsed) -> Option<String> {
    if one.of.script.sha256 != runbook.script.sha256() {
        return Some("the script has changed since".to_owned());
    }
    let now: Vec<String> = runbook.rollbacks.iter().map(Script::sha256).collect();
    let then: Vec<&str> = one
        .of
        .rollbacks
        .iter()
        .map(|file| file.sha256.as_str())
        .collect();
    if now == then {
        return None;
    }
    let names: Vec<&str> = runbook
        .rollbacks
        .iter()
        .zip(&now)
        .filter(|(_, sha256)| !then.contains(&sha256.as_str()))
        .map(|(script, _)| script.name.as_str())
        .collect();
    Some(match names.as_slice() {
        [] => "the list of rollback scripts has changed since".to_owned(),
        names => format!("a rollback script has changed since: {}", names.join(", ")),
    })
}

fn stale(plain: &Evidence, one: &Rehearsed, why: &str) -> String {
    format!(
        "{}; the rehearsal of {} is stale: {why}",
        plain.summary,
        when(one)
    )
}

fn stands(plain: &Evidence, one: &Rehearsed, window: Option<Millis>) -> Evidence {
    let mut lines = vec![
        "Up, verified and down again with these scripts, on the structure that the target has now: \
         that stands for reading them to the end."
            .to_owned(),
        format!("journal: {}", one.path.display()),
    ];
    lines.extend(plain.lines.iter().cloned());
    let window = match window {
        Some(window) => format!(
            ", lock window {}.{} s",
            window / 1_000,
            window % 1_000 / 100
        ),
        None => String::new(),
    };
    Evidence {
        standing: Standing::Holds,
        summary: format!("rehearsed on {}{window}", when(one)),
        lines,
        rehearsal: Some(one.path.display().to_string()),
        ..Evidence::default()
    }
}

/// `2026-01-02 03:04 UTC against db1:5432/wiser_ops (clone)`
fn when(one: &Rehearsed) -> String {
    let at = one.at.strftime("%Y-%m-%d %H:%M UTC");
    let (target, clone) = match (&one.of.clone_of, &one.target) {
        (Some(source), _) => (Some(source), " (clone)"),
        (None, target) => (target.as_ref(), ""),
    };
    match target {
        Some(target) => format!(
            "{at} against {}:{}/{}{clone}",
            target.host, target.port, target.database
        ),
        None => at.to_string(),
    }
}
