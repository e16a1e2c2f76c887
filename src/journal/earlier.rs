//! Earlier runs that nobody knows the outcome of: killed at the gate, or with an answer that never
//! came. The next run on the same database tells of them before anything else.
//!
//! It reads files before a walk begins, never while one goes on, and of a journal that has its end
//! only the last few kilobytes.

use super::chain;
use super::entry::{Entry, Opened};
use super::is_being_written;
use super::replay::Replay;
use crate::gate::event::{Evidence, Standing, Target};
use crate::gate::phase::OutcomeWord;
use jiff::Timestamp;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How many journals are looked at, the newest.
const MOST: usize = 100;

/// The largest journal that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// So many bytes at the end of a journal hold its last outcome and the end of its run.
const TAIL: u64 = 8 * 1024;

/// A run without an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    pub path: PathBuf,
    pub began: Timestamp,
    pub target: Target,
    /// The last transaction that it began.
    pub xid: String,
    /// COMMIT may have been sent.
    pub commit_intended: bool,
    pub under_way: bool,
}

/// The journals in a folder, the newest first: names begin with the time.
pub fn newest_first(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    paths.sort_by(|a, b| b.file_name().cmp(&a.file_name()));
    Ok(paths)
}

/// What a journal opens with, without trust in it: to tell the few that matter from the rest. No more than
/// `most` bytes are read.
pub fn opening(path: &Path, most: u64) -> Option<Opened> {
    let mut first = String::new();
    let file = File::open(path).ok()?;
    BufReader::new(file.take(most)).read_line(&mut first).ok()?;
    let line: chain::Line = serde_json::from_str(&first).ok()?;
    match line.entry {
        Entry::Opened(opened) => Some(*opened),
        _ => None,
    }
}

/// Where an answer of the server is kept that was asked for after a run.
pub fn answer_beside(journal: &Path) -> PathBuf {
    journal.with_extension("outcome")
}

/// The runs without an outcome whose journals lie in these folders, the newest first in each; `own` is
/// left out.
pub fn find_earlier_runs(folders: &[PathBuf], own: &Path) -> Vec<Earlier> {
    let own = std::fs::canonicalize(own).unwrap_or_else(|_| own.to_owned());
    folders
        .iter()
        .filter_map(|folder| newest_first(folder).ok())
        .flat_map(|paths| paths.into_iter().take(MOST))
        .filter(|path| std::fs::canonicalize(path).is_ok_and(|path| path != own))
        .filter_map(|path| open_end(&path))
        .collect()
}

/// The run of that journal, where it began a transaction and its outcome is not known.
fn open_end(path: &Path) -> Option<Earlier> {
    let about = std::fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > LARGEST || answer_beside(path).exists() {
        return None;
    }
    if has_its_end(path, about.len())? {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let replay = Replay::of(chain::read_chain(&text).0);
    let outcome = replay.outcome();
    let known = outcome.is_some_and(|outcome| outcome.word != OutcomeWord::Unknown);
    if replay.is_rehearsal() || known {
        return None;
    }
    Some(Earlier {
        path: path.to_owned(),
        began: replay.began?,
        xid: replay.xid()?.to_owned(),
        commit_intended: replay.commit_intended(),
        target: replay.target?,
        under_way: is_being_written(path),
    })
}

/// Whether its last lines have the end of the run, and no outcome that is unknown.
fn has_its_end(path: &Path, length: u64) -> Option<bool> {
    let from = length.saturating_sub(TAIL);
    let mut tail = vec![0; usize::try_from(length - from).ok()?];
    File::open(path).ok()?.read_exact_at(&mut tail, from).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let last = tail.trim_end_matches('\n').rsplit('\n').next()?;
    Some(last.contains("\"what\":\"left\"") && !tail.contains("\"outcome\":\"UNKNOWN\""))
}

impl Earlier {
    /// Whether it was on this database.
    pub fn concerns(&self, target: &Target) -> bool {
        self.target.is_same_database(target)
    }

    pub fn told(&self) -> String {
        let began = self.began.strftime("%Y-%m-%d %H:%M:%S UTC");
        let path = self.path.display();
        if self.under_way {
            return format!(
                "another run is UNDER WAY on this database since {began}, transaction {}; its journal: \
                 {path}",
                self.xid
            );
        }
        let sent = match self.commit_intended {
            true => "COMMIT may have been sent",
            false => "its journal ends before COMMIT was sent",
        };
        format!(
            "the run of {began} on this database has NO OUTCOME: transaction {}, {sent}. Ask first: \
             stagegate outcome {path}",
            self.xid
        )
    }
}

/// `evidence` on what was reached, with the runs without an outcome told before it.
pub fn told_first(earlier: &[Earlier], target: &Target, mut evidence: Evidence) -> Evidence {
    let told: Vec<String> = earlier
        .iter()
        .filter(|earlier| earlier.concerns(target))
        .map(Earlier::told)
        .collect();
    let Some(first) = told.first() else {
        return evidence;
    };
    if evidence.standing == Standing::Holds {
        evidence.standing = Standing::Warns;
        evidence.summary = first.clone();
    }
    evidence.lines.splice(0..0, told);
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use crate::journal::entry::Decision;

    fn target(system: &str, database: &str) -> Target {
        Target {
            host: "h".into(),
            port: 5432,
            database: database.into(),
            system_identifier: Some(system.into()),
            ..Target::default()
        }
    }

    fn journal(path: &Path, mode: &str, more: &[Entry]) {
        let mut journal = Journal::create(Some(path), |_| None).unwrap();
        let opened = Opened {
            mode: mode.into(),
            ..Opened::default()
        };
        let connected = Entry::Connected {
            target: serde_json::to_value(target("1", "d")).unwrap(),
        };
        for entry in [&Entry::Opened(Box::new(opened)), &connected]
            .into_iter()
            .chain(more)
        {
            journal.record(entry).unwrap();
        }
    }

    fn begun() -> Entry {
        Entry::Begun {
            xid: "7".into(),
            added: Vec::new(),
        }
    }

    fn outcome(outcome: OutcomeWord) -> Entry {
        Entry::Outcome {
            outcome,
            why: None,
            proof: "p".into(),
            rehearsed: false,
        }
    }

    const LEFT: Entry = Entry::Left { code: 5 };

    #[test]
    fn only_runs_whose_outcome_nobody_knows_are_found() {
        let home = tempfile::tempdir().unwrap();
        let intent = || Entry::intent(Decision::Commit, Some("7".into()));
        let cases: [(&str, &[Entry], bool); 8] = [
            ("run", &[begun()], true),
            ("run", &[begun(), intent()], true),
            (
                "run",
                &[begun(), intent(), outcome(OutcomeWord::Unknown), LEFT],
                true,
            ),
            (
                "run",
                &[begun(), intent(), outcome(OutcomeWord::Committed), LEFT],
                false,
            ),
            ("run", &[begun(), outcome(OutcomeWord::RolledBack)], false),
            ("run", &[], false),
            ("run", &[LEFT], false),
            ("rehearse", &[begun()], false),
        ];
        for (number, (mode, entries, wanted)) in cases.into_iter().enumerate() {
            let folder = home.path().join(number.to_string());
            std::fs::create_dir(&folder).unwrap();
            let path = folder.join("1.jsonl");
            journal(&path, mode, entries);
            let own = folder.join("2.jsonl");
            journal(&own, "run", &[begun()]);
            let found = find_earlier_runs(std::slice::from_ref(&folder), &own);
            assert_eq!(!found.is_empty(), wanted, "{number}: {found:?}");
            std::fs::write(answer_beside(&path), "COMMITTED").unwrap();
            assert_eq!(
                find_earlier_runs(&[folder], &own),
                Vec::new(),
                "{number}: asked since"
            );
        }
    }

    #[test]
    fn it_is_told_on_its_own_database_alone_and_before_all_else() {
        let home = tempfile::tempdir().unwrap();
        journal(&home.path().join("1.jsonl"), "run", &[begun()]);
        let found = find_earlier_runs(&[home.path().to_owned()], Path::new("none"));
        let evidence = || Evidence {
            standing: Standing::Holds,
            summary: "d on h".into(),
            lines: vec!["server h".into()],
            ..Evidence::default()
        };
        for other in [target("2", "d"), target("1", "e")] {
            assert_eq!(told_first(&found, &other, evidence()), evidence());
        }
        let told = told_first(&found, &target("1", "d"), evidence());
        assert_eq!(told.standing, Standing::Warns);
        assert!(
            told.summary.contains("has NO OUTCOME: transaction 7"),
            "{told:?}"
        );
        assert_eq!(told.lines[0], told.summary);
        assert_eq!(told.lines[1], "server h");
    }
}
