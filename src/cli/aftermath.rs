//! After the run: the journals there are, what one tells, and whether it is what was written.

use super::arguments::Markup;
use super::failure::Failure;
use super::finding::env;
use super::printing::print;
use crate::facts::ExitCode;
use crate::inspect::past;
use crate::journal;
use crate::journal::chain;
use crate::journal::replay::Replay;
use crate::journal::report::{RunReport as Told, html, json, markdown};
use crate::journal::shelf::{newest_first, read_named};
use crate::runbook::printable::printable;
use color_eyre::eyre::{Report, eyre};
use std::path::{Path, PathBuf};

pub(super) fn read_journal_text(path: &Path) -> Result<String, Failure> {
    read_named(path).map_err(|why| {
        let shown = printable(&path.display().to_string()).into_owned();
        Failure::usage(eyre!("the journal {shown} cannot be read: {why}"))
    })
}

/// Where journals lie that were not given a place of their own.
fn usual_folder() -> Result<PathBuf, Failure> {
    journal::folder(env)
        .ok_or(journal::JournalError::NoPlace)
        .map_err(|error| Failure::usage(Report::from(error)))
}

/// The journal that was named, or the newest of those in their usual place.
pub(super) fn or_newest(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path);
    }
    let folder = usual_folder()?;
    let shown = printable(&folder.display().to_string()).into_owned();
    let newest = newest_first(&folder)
        .ok()
        .and_then(|paths| paths.into_iter().next());
    let Some(path) = newest else {
        return Err(Failure::usage(eyre!(
            "there is no journal in {shown}; say which one is meant"
        )));
    };
    eprintln!("The newest run: {}", printable(&path.display().to_string()));
    Ok(path)
}

/// `stagegate runs`: past runs, the newest first.
pub(super) fn runs() -> Result<ExitCode, Failure> {
    let folder = usual_folder()?;
    let runs = past::runs(&folder).map_err(|why| Failure::usage(eyre!("{why}")))?;
    let mut text = String::new();
    let longest = runs.iter().map(|run| run.outcome.chars().count());
    // What is longer than an outcome pushes its own line alone aside.
    let outcomes = longest.filter(|length| *length <= 20).max().unwrap_or(0);
    for run in &runs {
        let place = run.target.as_deref().unwrap_or("no server reached");
        let mut told = format!(
            "{}  {:outcomes$}  {place}\n    {} of {}\n    {}",
            run.began,
            run.outcome,
            run.opened.mode,
            run.opened.script,
            run.path.display()
        );
        if let Some(why) = &run.broken {
            told.push_str(&format!("  NOT AS IT WAS WRITTEN: {why}"));
        }
        for line in told.lines() {
            text.push_str(&format!("{}\n", printable(line)));
        }
    }
    if runs.is_empty() {
        let shown = printable(&folder.display().to_string()).into_owned();
        text = format!("No run is recorded in {shown}.\n");
    }
    print(&text)
}

/// `stagegate report --verify`: follows the chain of hashes from the first line to the last, which
/// has to be the end of the run.
pub(super) fn verify(path: &Path) -> Result<ExitCode, Failure> {
    let shown = printable(&path.display().to_string()).into_owned();
    let still_runs = journal::is_being_written(path);
    match chain::verify(&read_journal_text(path)?) {
        Ok(lines) if lines.is_empty() => Err(Failure::usage(eyre!("{shown} is empty"))),
        Ok(lines) => {
            let count = lines.len();
            let (end, code) = match (Replay::of(lines).is_whole(), still_runs) {
                (true, _) => ("to the end of its run", ExitCode::Committed),
                (false, true) => (
                    "but THE END OF ITS RUN IS NOT THERE: the program still runs",
                    ExitCode::OutcomeUnknown,
                ),
                (false, false) => (
                    "but THE END OF ITS RUN IS NOT THERE, so more may have happened than it tells: \
                     ask `stagegate outcome` which way it went",
                    ExitCode::OutcomeUnknown,
                ),
            };
            print(&format!(
                "{shown}: {count} lines, every one as it was written, {end}\n"
            ))?;
            Ok(code)
        }
        Err(broken) => {
            print(&format!("{shown}: NOT AS IT WAS WRITTEN, {broken}\n"))?;
            Ok(ExitCode::RolledBackOnFail)
        }
    }
}

/// `stagegate report`: the run for people who were not there. A journal that breaks is reported up to
/// there, and the exit code says so.
pub(super) fn report(
    path: &Path,
    format: Option<Markup>,
    output: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let name = path.display().to_string();
    let report = Told::of(&read_journal_text(path)?, &name).map_err(|broken| {
        let shown = printable(&name);
        Failure::usage(eyre!(
            "{shown} is no journal, or nothing in it can be believed: {broken}"
        ))
    })?;
    let ends_in = |known: &[&str]| {
        let ending = output.and_then(Path::extension);
        ending.is_some_and(|e| known.iter().any(|known| e.eq_ignore_ascii_case(known)))
    };
    let written = match format {
        Some(Markup::Html) => html::render(&report),
        None if ends_in(&["html", "htm"]) => html::render(&report),
        Some(Markup::Json) => json::render(&report),
        None if ends_in(&["json"]) => json::render(&report),
        Some(Markup::Markdown) | None => markdown::render(&report),
    };
    match output {
        Some(file) => journal::write_new(file, &written).map_err(|error| {
            let shown = printable(&file.display().to_string()).into_owned();
            Failure::usage(eyre!(
                "{shown} cannot be written: {error}; nothing was written"
            ))
        })?,
        None => {
            print(&written)?;
        }
    }
    Ok(match &report.broken {
        None => ExitCode::Committed,
        Some(broken) => {
            let shown = printable(&name);
            eprintln!(
                "stagegate: {shown} is NOT AS IT WAS WRITTEN, {broken}; the report ends there"
            );
            ExitCode::RolledBackOnFail
        }
    })
}
