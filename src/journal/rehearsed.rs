//! Past rehearsals, from their journals: of what, where, and how they ended.
//!
//! A rehearsal can stand for reading scripts, so its journal has to be trusted: its chain of hashes
//! must hold to the end, and nobody but its owner may have been able to write it. What cannot be
//! trusted is told with the reason, and never counts. It reads files and writes none.

use super::entry::{Opened, Rehearses};
use super::replay::Replay;
use super::shelf::{Head, is_guarded, journals_in, read_head, read_journal};
use crate::facts::{Millis, OutcomeWord, Target};
use crate::runbook::check::Verdict;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// How many journals are looked at, the newest.
const MOST: usize = 200;

#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsed {
    pub path: PathBuf,
    /// What its journal says of its beginning; not to be believed where `end` is not trusted.
    pub opened: Opened,
    pub of: Rehearses,
    pub at: Timestamp,
    /// Where it was done; for a clone, the throw-away server.
    pub target: Option<Target>,
    pub end: End,
}

#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Up, verified, down, and the structure came back.
    Passed {
        structure: String,
        /// From the first lock that others feel to the end, in milliseconds.
        window: Option<Millis>,
    },
    Failed {
        why: String,
        /// The rows that say FAIL.
        rows: Vec<String>,
    },
    /// It is under way, or its program died.
    Unfinished,
    /// Its journal is no evidence; why.
    Untrusted(String),
}

/// The rehearsals whose journals lie in these folders, the newest first. What is no journal of a
/// rehearsal is passed over, and so is a folder that is not there.
pub fn find_rehearsals(folders: &[PathBuf]) -> Vec<Rehearsed> {
    let mut paths: Vec<(std::time::SystemTime, PathBuf)> = folders
        .iter()
        .filter_map(|folder| journals_in(folder).ok())
        .flatten()
        .filter_map(|path| {
            let about = std::fs::metadata(&path).ok()?;
            Some((about.modified().ok()?, path))
        })
        .collect();
    paths.sort();
    paths.dedup();
    paths.reverse();
    paths.truncate(MOST);
    paths
        .iter()
        .filter_map(|(_, path)| read_rehearsal(path))
        .collect()
}

fn read_rehearsal(path: &Path) -> Option<Rehearsed> {
    let Head { opened, at, .. } = read_head(path)?;
    let of = opened.rehearses.clone()?;
    let mut rehearsed = Rehearsed {
        path: path.to_owned(),
        opened,
        of,
        at,
        target: None,
        end: End::Unfinished,
    };
    if let Err(why) = is_guarded(path) {
        rehearsed.end = End::Untrusted(why);
        return Some(rehearsed);
    }
    let read = match read_journal(path) {
        Ok(read) => read,
        Err(why) => {
            rehearsed.end = End::Untrusted(why);
            return Some(rehearsed);
        }
    };
    rehearsed.at = read.replay.ended.unwrap_or(at);
    rehearsed.target.clone_from(&read.replay.target);
    rehearsed.end = match read.broken {
        // Half a line is what one finds while it is written.
        Some(_) | None if read.writing => End::Unfinished,
        Some(broken) => End::Untrusted(format!("it is not as it was written, {broken}")),
        None => end_of(&read.replay),
    };
    Some(rehearsed)
}

/// Only the last transaction counts: the ones before it were retried.
fn end_of(replay: &Replay) -> End {
    let (true, Some(attempt), Some(outcome)) = (replay.is_whole(), replay.last(), replay.outcome())
    else {
        return End::Unfinished;
    };
    let transaction = &attempt.transaction;
    let checks = || transaction.script_checks().chain(&transaction.post_checks);
    let failed = checks().filter(|check| check.verdict == Verdict::Fail);
    let mut rows: Vec<String> = failed
        .map(|check| format!("FAIL  {}  {}", check.name, check.detail))
        .collect();
    rows.extend(attempt.failed().and_then(|statement| {
        let error = statement.end.error.as_ref()?;
        let number = statement.place.number;
        Some(format!("statement {number}: {}", error.message))
    }));
    let as_planned = outcome.word == OutcomeWord::RolledBack && outcome.rehearsed;
    match &attempt.structure {
        Some(structure) if as_planned && rows.is_empty() => End::Passed {
            structure: structure.clone(),
            window: attempt.first_felt().and_then(|from| {
                Millis::try_from(outcome.at.duration_since(from).as_millis()).ok()
            }),
        },
        Some(_) | None => End::Failed {
            why: outcome.why.clone().unwrap_or_default(),
            rows,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use crate::journal::entry::{CheckStage, Entry, PhaseWord};
    use crate::journal::written::write_journal;
    use crate::runbook::rehearsal;

    const DETAIL: &str = "3 objects and properties compared, md5 0123456789abcdef0123456789abcdef";

    fn opened(rehearses: Option<Rehearses>) -> Entry {
        Entry::Opened(Box::new(Opened {
            rehearses,
            ..Opened::default()
        }))
    }

    fn checked(name: &str, verdict: Verdict, detail: &str) -> Entry {
        Entry::Checked {
            stage: CheckStage::Verification,
            name: name.into(),
            verdict,
            detail: detail.into(),
            structure: None,
        }
    }

    /// As an earlier release wrote it.
    fn restored() -> Entry {
        checked(rehearsal::RESTORED, Verdict::Pass, DETAIL)
    }

    fn rolled_back(why: &str, rehearsed: bool) -> Entry {
        Entry::Outcome {
            outcome: OutcomeWord::RolledBack,
            why: Some(why.into()),
            proof: "tag".into(),
            rehearsed,
            tag_contradicted: false,
        }
    }

    fn as_planned() -> Entry {
        rolled_back("whatever the sentence is", true)
    }

    const LEFT: Entry = Entry::Left { code: 1 };

    /// A journal of a rehearsal, which is open as long as it is kept: a transaction with these entries.
    fn write_run(path: &Path, rehearses: Option<Rehearses>, entries: &[Entry]) -> Journal {
        let begun = [opened(rehearses), Entry::phase(PhaseWord::Beginning, None)];
        write_journal(path, &[&begun, entries].concat())
    }

    fn only(folder: &Path) -> End {
        let mut found = find_rehearsals(&[folder.to_owned(), folder.join("not there")]);
        assert_eq!(found.len(), 1);
        found.remove(0).end
    }

    /// What became of a rehearsal with these entries.
    fn end_of(entries: &[Entry]) -> End {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("1.jsonl");
        drop(write_run(&path, Some(Rehearses::default()), entries));
        only(home.path())
    }

    #[track_caller]
    fn structure_of(end: End) -> String {
        match end {
            End::Passed { structure, .. } => structure,
            other => panic!("not passed: {other:?}"),
        }
    }

    #[test]
    fn one_that_came_to_its_end_passed_and_tells_the_structure() {
        let home = tempfile::tempdir().unwrap();
        for (name, rehearses) in [("1.jsonl", Some(Rehearses::default())), ("2.jsonl", None)] {
            let entries = [restored(), as_planned(), LEFT];
            drop(write_run(&home.path().join(name), rehearses, &entries));
        }
        std::fs::write(home.path().join("3.jsonl"), "{}\n").unwrap();
        let structure = structure_of(only(home.path()));
        assert_eq!(structure, "0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn the_structure_is_the_one_of_its_field_whatever_the_sentence_says() {
        let mut came_back = checked("in other words", Verdict::Pass, "it came back");
        if let Entry::Checked { structure, .. } = &mut came_back {
            *structure = Some("fedcba9876543210fedcba9876543210".into());
        }
        let structure = structure_of(end_of(&[came_back, as_planned(), LEFT]));
        assert_eq!(structure, "fedcba9876543210fedcba9876543210");
    }

    #[test]
    fn one_of_the_first_release_counts_by_the_sentence_it_wrote() {
        for (why, passed) in [
            ("a rehearsal always ends in ROLLBACK", true),
            ("you decided so", false),
        ] {
            let end = end_of(&[restored(), rolled_back(why, false), LEFT]);
            assert_eq!(matches!(end, End::Passed { .. }), passed, "{why}: {end:?}");
        }
    }

    #[test]
    fn what_failed_or_stopped_on_the_way_did_not_pass() {
        let fail = checked("structure: index i", Verdict::Fail, "left behind");
        let cancelled = rolled_back("you cancelled the script", false);
        let short = checked(rehearsal::RESTORED, Verdict::Pass, "md5 x");
        for entries in [
            &[fail, restored(), as_planned(), LEFT][..],
            &[as_planned(), LEFT],
            &[restored(), cancelled, LEFT],
            &[short, as_planned(), LEFT],
        ] {
            let end = end_of(entries);
            assert!(matches!(end, End::Failed { .. }), "{end:?}");
        }
        // What may have followed is not known.
        for entries in [&[restored(), as_planned()][..], &[restored()]] {
            assert_eq!(end_of(entries), End::Unfinished);
        }
    }

    #[test]
    fn an_edited_journal_and_one_that_others_may_write_are_no_evidence() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("1.jsonl");
        let entries = [restored(), as_planned(), LEFT];
        drop(write_run(&path, Some(Rehearses::default()), &entries));
        let untrusted = || match only(home.path()) {
            End::Untrusted(why) => why,
            other => panic!("{other:?}"),
        };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
        assert_eq!(untrusted(), "others may write it");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        structure_of(only(home.path()));
        let text = std::fs::read_to_string(&path).unwrap();
        let edited = text.replace("0123456789abcdef01", "1123456789abcdef01");
        std::fs::write(&path, edited).unwrap();
        let why = untrusted();
        assert!(why.contains("line 3: it was edited"), "{why}");
    }

    #[test]
    fn a_rehearsal_under_way_is_not_finished_whatever_its_last_line_says() {
        let home = tempfile::tempdir().unwrap();
        let entries = [restored(), as_planned(), LEFT];
        let path = home.path().join("1.jsonl");
        let _writing = write_run(&path, Some(Rehearses::default()), &entries);
        assert_eq!(only(home.path()), End::Unfinished);
    }
}
