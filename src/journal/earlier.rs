//! Earlier runs that nobody knows the outcome of: killed at the gate, or with an answer that never
//! came. The next run on the same database tells of them before anything else.
//!
//! It reads files, never on the thread of a walk, and of a journal that has its end
//! only the last few kilobytes.

use super::chain::Line;
use super::entry::Entry;
use super::shelf::{ReadJournal, ShelvedJournal, read_journal_with, size_of};
use crate::facts::{Evidence, ExitCode, OutcomeAnswer, OutcomeWord, Standing, Target};
use jiff::Timestamp;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

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
    pub commit_intended: bool,
    pub under_way: bool,
    /// What the server said of it since, asked in this run.
    pub answer: Option<OutcomeAnswer>,
}

/// Where an answer of the server is kept that was asked for after a run.
pub fn answer_beside(journal: &Path) -> PathBuf {
    journal.with_extension("outcome")
}

/// The runs without an outcome on that shelf, in its order.
pub fn find_earlier_runs(shelf: &[ShelvedJournal]) -> Vec<Earlier> {
    let paths = shelf.iter().map(|shelved| &shelved.path);
    paths.filter_map(|path| open_end(path)).collect()
}

/// Whether an answer is kept beside that journal: what else lies there says nothing.
pub(super) fn is_answered(journal: &Path) -> bool {
    let path = answer_beside(journal);
    // To open a pipe waits for somebody who writes into it.
    if !std::fs::metadata(&path).is_ok_and(|about| about.is_file()) {
        return false;
    }
    // What is not read stays 0, with which no word begins.
    let mut start = [0; 16];
    let read = File::open(&path).and_then(|file| file.read_at(&mut start, 0));
    let mut words = OutcomeAnswer::WORDS.iter();
    read.is_ok() && words.any(|word| start.starts_with(word.as_bytes()))
}

/// The run of that journal, where it began a transaction and its outcome is not known.
fn open_end(path: &Path) -> Option<Earlier> {
    if is_answered(path) || has_its_end(path)? {
        return None;
    }
    let ReadJournal {
        replay, writing, ..
    } = read_journal_with("begun", path).ok()?;
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
        under_way: writing,
        answer: None,
    })
}

/// Whether its last lines have the end of the run, and no outcome that is unknown.
fn has_its_end(path: &Path) -> Option<bool> {
    let length = size_of(path).ok()?;
    let from = length.saturating_sub(TAIL);
    let mut tail = vec![0; usize::try_from(length - from).ok()?];
    File::open(path).ok()?.read_exact_at(&mut tail, from).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let read = |line: &str| serde_json::from_str(line).ok().map(|line: Line| line.entry);
    let left = matches!(tail.lines().last().and_then(read), Some(Entry::Left { .. }));
    let is_open = |entry: Entry| match entry {
        Entry::Outcome { outcome, .. } => outcome == OutcomeWord::Unknown,
        _ => false,
    };
    // To look for its word takes less than to understand what has it not.
    let outcomes = tail.lines().filter(|line| line.contains("outcome"));
    Some(left && !outcomes.filter_map(read).any(is_open))
}

impl Earlier {
    pub fn concerns(&self, target: &Target) -> bool {
        self.target.is_same_database(target)
    }

    /// Whether it can be asked about: nobody was, or all is not said yet.
    pub fn is_open(&self) -> bool {
        self.answer.as_ref().is_none_or(|answer| !answer.settled)
    }

    /// Whether a person has to know of it before they go on: only that nothing is left of it is nothing to
    /// them.
    fn matters(&self) -> bool {
        let code = self.answer.as_ref().map(|answer| answer.code);
        self.is_open() || code != Some(ExitCode::RolledBackOnError)
    }

    /// In some 60 columns, to be followed by what can be done about it; `open` of those here can be asked
    /// about.
    pub fn told_in_short(&self, open: usize) -> String {
        let began = self.began.strftime("%Y-%m-%d %H:%M");
        match &self.answer {
            Some(answer) if answer.settled => {
                let more = match open {
                    0 => String::new(),
                    open => format!("; {open} more without outcome"),
                };
                format!("Your run of {began} UTC: {}{more}", answer.word())
            }
            _ if self.under_way => format!("ANOTHER RUN IS UNDER WAY here since {began} UTC"),
            _ if open > 1 => format!("Your run of {began} UTC has NO OUTCOME (1 of {open})"),
            _ => format!("Your run of {began} UTC has NO OUTCOME"),
        }
    }

    pub fn told(&self) -> String {
        let began = self.began.strftime("%Y-%m-%d %H:%M:%S UTC");
        let path = self.path.display();
        if self.under_way && self.is_open() {
            let answer = self.answer.as_ref();
            let asked = answer.map(|answer| format!("; asked about it: {}", answer.text));
            return format!(
                "another run is UNDER WAY on this database since {began}, transaction {}; its \
                 journal: {path}{}",
                self.xid,
                asked.unwrap_or_default()
            );
        }
        if let Some(answer) = &self.answer {
            return format!("the run of {began} on this database: {}", answer.text);
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

/// What of these is told above all else: the first that is known to matter, else the first that is open.
pub fn most_pressing<'a>(earlier: &'a [Earlier], target: &Target) -> Option<&'a Earlier> {
    let here = || earlier.iter().filter(|earlier| earlier.concerns(target));
    here()
        .find(|earlier| !earlier.is_open() && earlier.matters())
        .or_else(|| here().find(|earlier| earlier.is_open()))
}

/// `evidence` on what was reached, with the runs without an outcome told before it.
pub fn told_first(earlier: &[Earlier], target: &Target, mut evidence: Evidence) -> Evidence {
    let holds = evidence.standing == Standing::Holds;
    let first = most_pressing(earlier, target).filter(|_| holds);
    let rest = earlier.iter().filter(|earlier| {
        earlier.concerns(target) && !first.is_some_and(|first| std::ptr::eq(first, *earlier))
    });
    let mut told: Vec<String> = rest.map(Earlier::told).collect();
    if let Some(first) = first {
        evidence.standing = Standing::Warns;
        told.push(std::mem::replace(&mut evidence.summary, first.told()));
    }
    evidence.lines.splice(0..0, told);
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::entry::{Decision, Opened};
    use crate::journal::shelf::read_shelf;
    use crate::journal::written::{connected, ended, write_journal};

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
        let opened = Entry::Opened(Box::new(Opened {
            mode: mode.into(),
            ..Opened::default()
        }));
        let entries = [&[opened, connected(&target("1", "d"))], more].concat();
        write_journal(path, &entries);
    }

    fn found_in(folder: &Path, own: &Path) -> Vec<Earlier> {
        find_earlier_runs(&read_shelf(&[folder.to_owned()], own))
    }

    fn begun() -> Entry {
        crate::journal::written::begun("7")
    }

    const LEFT: Entry = Entry::Left { code: 5 };

    #[test]
    fn only_runs_whose_outcome_nobody_knows_are_found() {
        let home = tempfile::tempdir().unwrap();
        let intent = || Entry::intent(Decision::Commit, Some("7".into()));
        let outcome = |word| ended(word, "p");
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
            let found = found_in(&folder, &own);
            assert_eq!(!found.is_empty(), wanted, "{number}: {found:?}");
            for nothing in ["", "COMM", "no answer"] {
                std::fs::write(answer_beside(&path), nothing).unwrap();
                let found = found_in(&folder, &own);
                assert_eq!(
                    !found.is_empty(),
                    wanted,
                    "{number}: {nothing:?} is no answer"
                );
            }
            std::fs::write(answer_beside(&path), "COMMITTED").unwrap();
            assert_eq!(found_in(&folder, &own), Vec::new(), "{number}: asked since");
        }
    }

    #[test]
    fn it_is_told_on_its_own_database_alone_and_before_all_else() {
        let home = tempfile::tempdir().unwrap();
        journal(&home.path().join("1.jsonl"), "run", &[begun()]);
        let found = found_in(home.path(), Path::new("none"));
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
        assert_eq!(told.lines, ["d on h", "server h"]);
    }
}
