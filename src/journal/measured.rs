//! How long the same script held locks before, on the same database: from the journal of its newest pass
//! or rehearsal there. It is measured or it is not told; nothing is made up of it.

use super::entry::Opened;
use super::replay::Attempt;
use super::shelf::{Head, ReadJournal, ShelvedJournal, is_guarded, read_journal_with, size_of};
use crate::account::Expected;
use crate::facts::{Millis, Target, in_words};
use crate::runbook::Runbook;
use jiff::Timestamp;
use std::cell::LazyCell;
use std::path::{Path, PathBuf};

/// How many bytes of journals are read.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// A pass whose statements all succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// When its last statement was done.
    pub at: Timestamp,
    pub target: Target,
    /// It was the way up of a rehearsal of both ways.
    pub rehearsed: bool,
    /// From the first lock that others feel to the end of the last statement; `None` where there was
    /// none.
    pub locked: Option<Millis>,
}

/// What was measured of the script of `runbook`, on each database the newest, the newest first. What cannot be
/// read or was changed is left out. Of a journal that is of another script, or older than one
/// of the same database that counts, no more is read than what it opens with.
pub fn find_measured_passes(shelf: &[ShelvedJournal], runbook: &Runbook) -> Vec<Measured> {
    let sha256 = runbook.script.sha256();
    // Up and down as one script, and the last statement of the way up; put together only where there is
    // a journal of that.
    let both = LazyCell::new(|| {
        let both = runbook.rehearsal().ok()?;
        let up_to = runbook.rehearsed_up_to(&both.script);
        Some((both.script.sha256(), up_to))
    });
    let last = |opened: &Opened| match &opened.rehearses {
        None => (opened.script_sha256 == sha256).then_some(usize::MAX),
        // A clone is another server, and perhaps another's data.
        Some(of) if of.clone_of.is_some() || of.script.sha256 != sha256 => None,
        Some(_) => {
            let (sha256, up_to) = both.as_ref()?;
            (opened.script_sha256 == *sha256).then_some(*up_to)
        }
    };
    let heads = shelf.iter().filter_map(|ShelvedJournal { path, head }| {
        let last = last(&head.opened)?;
        Some((last, head, path))
    });
    let mut heads: Vec<(usize, &Head, &PathBuf)> = heads.collect();
    heads.sort_by_key(|(_, head, _)| std::cmp::Reverse(head.at));
    let mut found: Vec<Measured> = Vec::new();
    let mut left = MOST_BYTES;
    for (up_to, head, path) in heads {
        let known = |target: &Target| found.iter().any(|one| one.target.is_same_database(target));
        if !head.target.as_ref().is_some_and(known) {
            found.extend(read_measured_pass(path, head, up_to, &mut left));
        }
    }
    found
}

/// The pass of that journal up to this statement.
fn read_measured_pass(path: &Path, head: &Head, up_to: usize, left: &mut u64) -> Option<Measured> {
    let size = size_of(path).ok().filter(|size| *size <= *left)?;
    is_guarded(path).ok()?;
    *left -= size;
    let ReadJournal { replay, broken, .. } = read_journal_with("statement", path).ok()?;
    // Where a walk started over, the last opening is of another script perhaps.
    if broken.is_some() || replay.opened.as_ref()?.script_sha256 != head.opened.script_sha256 {
        return None;
    }
    let whole = |attempt: &&Attempt| attempt.verdict.is_some() && attempt.failed().is_none();
    let attempt = replay.attempts.iter().rfind(whole)?;
    let mut counted = attempt.statements().filter(|one| one.place.number <= up_to);
    let at = counted.next_back()?.at;
    let locked = attempt.first_felt().filter(|first| *first <= at);
    Some(Measured {
        at,
        target: replay.target?,
        rehearsed: head.opened.rehearses.is_some(),
        locked: locked
            .and_then(|first| Millis::try_from(at.duration_since(first).as_millis()).ok()),
    })
}

/// The newest of these that was on this database, in words.
pub fn told(all: &[Measured], target: &Target) -> Option<Expected> {
    let newest = all.iter().find(|one| one.target.is_same_database(target))?;
    let of = match newest.rehearsed {
        true => "its rehearsal",
        false => "its last pass here",
    };
    let at = newest.at.strftime("%Y-%m-%d %H:%M UTC");
    Some(match newest.locked.map(in_words) {
        Some(locked) => Expected {
            in_short: format!("locks {locked} the last time"),
            told: format!("{locked} in {of}, {at}, without anybody's reading"),
        },
        None => Expected {
            in_short: "no lock that others feel the last time".to_owned(),
            told: format!("none that reads or writes wait for in {of}, {at}"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Lock, StatementEnd};
    use crate::journal::entry::{Entry, PhaseWord, StatementEnded, StatementPlace};
    use crate::journal::shelf::read_shelf;
    use crate::journal::written::{connected, write_journal};

    fn target(database: &str) -> Target {
        Target {
            host: "db1".into(),
            port: 5432,
            database: database.into(),
            ..Target::default()
        }
    }

    fn statement(number: usize, locks: &[&str]) -> Entry {
        Entry::Statement(Box::new(StatementEnded {
            place: StatementPlace {
                number,
                line: number,
                kind: "ALTER TABLE".into(),
                ..StatementPlace::default()
            },
            end: StatementEnd {
                duration: 200,
                tag: Some("ALTER TABLE".into()),
                locks: locks.iter().map(|lock| Lock::read(lock).unwrap()).collect(),
                ..StatementEnd::default()
            },
        }))
    }

    fn phase(phase: PhaseWord) -> Entry {
        Entry::phase(phase, None)
    }

    /// A journal of `runbook`'s script with these lines behind its target.
    fn journal(folder: &Path, name: &str, runbook: &Runbook, lines: &[Entry]) -> PathBuf {
        let path = folder.join(name);
        let opened = Entry::Opened(Box::new(Opened {
            script_sha256: runbook.script.sha256(),
            ..Opened::default()
        }));
        let entries = [&[opened, connected(&target("d"))], lines].concat();
        write_journal(&path, &entries);
        path
    }

    fn found(folder: &Path, runbook: &Runbook) -> Vec<Option<String>> {
        let found = find_measured_passes(
            &read_shelf(&[folder.to_owned()], Path::new("/none")),
            runbook,
        );
        let told = |database| told(&found, &target(database)).map(|expected| expected.told);
        vec![told("d"), told("e")]
    }

    #[test]
    fn only_a_whole_pass_of_the_same_script_on_the_same_database_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let runbook = Runbook::load(None).unwrap();
        let locked = statement(1, &["ACCESS EXCLUSIVE s.t"]);
        let pass = |statement, end| [phase(PhaseWord::Beginning), statement, phase(end)];
        let whole = pass(locked.clone(), PhaseWord::Deciding);
        let failed = pass(locked, PhaseWord::MustRollBack);
        assert_eq!(found(folder, &runbook), [None, None]);
        journal(folder, "1.jsonl", &runbook, &failed[..2]);
        assert_eq!(found(folder, &runbook), [None, None], "without a verdict");
        let mut other = runbook.clone();
        other.script = crate::runbook::script::Script::read("other.sql", None, b"SELECT 1;");
        journal(folder, "2.jsonl", &other, &whole);
        assert_eq!(found(folder, &runbook), [None, None], "another script");
        let path = journal(folder, "3.jsonl", &runbook, &whole);
        let told = found(folder, &runbook);
        let words = told[0].as_deref().unwrap();
        assert!(words.contains(" ms in its last pass here, "), "{words}");
        assert_eq!(told[1], None, "another database");
        let with_mode = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, mode).unwrap();
        };
        with_mode(0o666);
        assert_eq!(found(folder, &runbook), [None, None], "others may write it");
        with_mode(0o600);
        assert!(found(folder, &runbook)[0].is_some());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            text.replace("\"milliseconds\":200", "\"milliseconds\":100"),
        )
        .unwrap();
        assert_eq!(found(folder, &runbook), [None, None], "changed");
        let quiet = pass(statement(1, &[]), PhaseWord::Deciding);
        journal(folder, "4.jsonl", &runbook, &quiet);
        let told = found(folder, &runbook);
        assert!(
            told[0].as_deref().unwrap().starts_with("none that reads"),
            "{told:?}"
        );
    }
}
