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
    use crate::journal::entry::{CheckStage, Entry, File, PhaseWord};
    use crate::runbook::rehearsal;

    const DETAIL: &str = "3 objects and properties compared, md5 0123456789abcdef0123456789abcdef";

    fn opened(rehearses: Option<Rehearses>) -> Entry {
        Entry::Opened(Box::new(Opened {
            rehearses,
            ..Opened::default()
        }))
    }

    fn make_rehearses() -> Option<Rehearses> {
        Some(Rehearses {
            script: File {
                name: "up.sql".into(),
                sha256: "1".into(),
            },
            ..Rehearses::default()
        })
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

    fn rolled_back(why: &str) -> Entry {
        Entry::Outcome {
            outcome: OutcomeWord::RolledBack,
            why: Some(why.into()),
            proof: "tag".into(),
            rehearsed: false,
            tag_contradicted: false,
        }
    }

    fn as_planned() -> Entry {
        Entry::Outcome {
            outcome: OutcomeWord::RolledBack,
            why: Some("whatever the sentence is".into()),
            proof: "tag".into(),
            rehearsed: true,
            tag_contradicted: false,
        }
    }

    const LEFT: Entry = Entry::Left { code: 1 };

    fn beginning() -> Entry {
        Entry::phase(PhaseWord::Beginning, None)
    }

    /// What it opens with, and then a transaction with the other entries.
    fn journal(folder: &Path, name: &str, entries: &[Entry]) -> PathBuf {
        let path = folder.join(name);
        let mut journal = Journal::create(Some(&path), |_| None).unwrap();
        let (opened, of_transaction) = entries.split_first().unwrap();
        for entry in [opened, &beginning()].into_iter().chain(of_transaction) {
            journal.record(entry).unwrap();
        }
        path
    }

    fn only(folder: &Path) -> Rehearsed {
        let mut found = find_rehearsals(&[folder.to_owned(), folder.join("not there")]);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    #[test]
    fn one_that_came_to_its_end_passed_and_tells_the_structure() {
        let home = tempfile::tempdir().unwrap();
        journal(
            home.path(),
            "1.jsonl",
            &[opened(make_rehearses()), restored(), as_planned(), LEFT],
        );
        journal(home.path(), "2.jsonl", &[opened(None), as_planned(), LEFT]);
        std::fs::write(home.path().join("3.jsonl"), "{}\n").unwrap();
        let End::Passed { structure, .. } = only(home.path()).end else {
            panic!("not passed");
        };
        assert_eq!(structure, "0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn the_structure_is_the_one_of_its_field_whatever_the_sentence_says() {
        let home = tempfile::tempdir().unwrap();
        let mut came_back = checked("in other words", Verdict::Pass, "it came back");
        if let Entry::Checked { structure, .. } = &mut came_back {
            *structure = Some("fedcba9876543210fedcba9876543210".into());
        }
        journal(
            home.path(),
            "1.jsonl",
            &[opened(make_rehearses()), came_back, as_planned(), LEFT],
        );
        let End::Passed { structure, .. } = only(home.path()).end else {
            panic!("not passed");
        };
        assert_eq!(structure, "fedcba9876543210fedcba9876543210");
    }

    #[test]
    fn one_of_the_first_release_counts_by_the_sentence_it_wrote() {
        for (why, passed) in [
            ("a rehearsal always ends in ROLLBACK", true),
            ("you decided so", false),
        ] {
            let home = tempfile::tempdir().unwrap();
            journal(
                home.path(),
                "1.jsonl",
                &[opened(make_rehearses()), restored(), rolled_back(why), LEFT],
            );
            let end = only(home.path()).end;
            assert_eq!(matches!(end, End::Passed { .. }), passed, "{why}: {end:?}");
        }
    }

    #[test]
    fn what_failed_or_stopped_on_the_way_did_not_pass() {
        let fail = || checked("structure: index i", Verdict::Fail, "left behind");
        let cases: [(&[Entry], bool); 6] = [
            (
                &[
                    opened(make_rehearses()),
                    fail(),
                    restored(),
                    as_planned(),
                    LEFT,
                ],
                true,
            ),
            (&[opened(make_rehearses()), as_planned(), LEFT], true),
            (
                &[
                    opened(make_rehearses()),
                    restored(),
                    rolled_back("you cancelled the script"),
                    LEFT,
                ],
                true,
            ),
            (
                &[
                    opened(make_rehearses()),
                    checked(rehearsal::RESTORED, Verdict::Pass, "md5 x"),
                    as_planned(),
                    LEFT,
                ],
                true,
            ),
            // What may have followed is not known.
            (&[opened(make_rehearses()), restored(), as_planned()], false),
            (&[opened(make_rehearses()), restored()], false),
        ];
        for (entries, finished) in cases {
            let home = tempfile::tempdir().unwrap();
            journal(home.path(), "1.jsonl", entries);
            let end = only(home.path()).end;
            match finished {
                true => assert!(matches!(end, End::Failed { .. }), "{end:?}"),
                false => assert_eq!(end, End::Unfinished),
            }
        }
    }

    #[test]
    fn an_edited_journal_and_one_that_others_may_write_are_no_evidence() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let path = journal(
            home.path(),
            "1.jsonl",
            &[opened(make_rehearses()), restored(), as_planned(), LEFT],
        );
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
        let End::Untrusted(why) = only(home.path()).end else {
            panic!("trusted");
        };
        assert_eq!(why, "others may write it");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(matches!(only(home.path()).end, End::Passed { .. }));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            text.replace("0123456789abcdef01", "1123456789abcdef01"),
        )
        .unwrap();
        let End::Untrusted(why) = only(home.path()).end else {
            panic!("trusted");
        };
        assert!(why.contains("line 3: it was edited"), "{why}");
    }

    #[test]
    fn a_rehearsal_under_way_is_not_finished_whatever_its_last_line_says() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("1.jsonl");
        let mut writing = Journal::create(Some(&path), |_| None).unwrap();
        for entry in [
            opened(make_rehearses()),
            beginning(),
            restored(),
            as_planned(),
            LEFT,
        ] {
            writing.record(&entry).unwrap();
        }
        assert_eq!(only(home.path()).end, End::Unfinished);
    }
}
