//! Past runs, from the journals in their folder: the newest first.
//!
//! It reads files and writes none. A journal that does not read to its end is told as such; its
//! outcome counts only as far as the chain of its hashes holds.

use crate::journal::entry::Opened;
use crate::journal::report::{Believed, choose_headline};
use crate::journal::shelf::{ReadJournal, newest_first, read_journal};
use std::path::{Path, PathBuf};

const MOST: usize = 100;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct PastRun {
    pub path: PathBuf,
    /// When it began, UTC, in words.
    pub began: String,
    /// What is known of its beginning.
    pub opened: Opened,
    /// `database on host:port as role`, where it connected.
    pub target: Option<String>,
    pub outcome: String,
    /// Why the journal cannot be trusted, if it cannot.
    pub broken: Option<String>,
}

/// The runs whose journals lie in `folder`, the newest first. No folder is no runs.
///
/// # Errors
/// When the folder is there and cannot be read; in words.
pub fn runs(folder: &Path) -> Result<Vec<PastRun>, String> {
    let mut paths = match newest_first(folder) {
        Ok(paths) => paths,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", folder.display())),
    };
    paths.truncate(MOST);
    Ok(paths.into_iter().map(read_past_run).collect())
}

fn read_past_run(path: PathBuf) -> PastRun {
    let unread = |why: String| PastRun {
        path: path.clone(),
        outcome: "not read".into(),
        broken: Some(why),
        ..PastRun::default()
    };
    match read_journal(&path) {
        Ok(read) => told(path, read),
        Err(why) => unread(why),
    }
}

fn told(path: PathBuf, read: ReadJournal) -> PastRun {
    let replay = read.replay;
    let word = replay.outcome().map(|outcome| outcome.word);
    let told = choose_headline(&replay, None);
    let outcome = match (told.believed, word) {
        (Believed::RolledBack, _) if told.ask => {
            format!(
                "{}; the end of the run is not recorded",
                told.believed.word()
            )
        }
        (Believed::Committed | Believed::RolledBack, _) => told.believed.word().to_owned(),
        (Believed::NothingApplied, None) => "nothing was applied".into(),
        (Believed::NothingApplied | Believed::Unknown, Some(word)) => word.word().to_owned(),
        (Believed::NotRecorded | Believed::Unknown, _) if read.writing => "under way".into(),
        (Believed::Unknown, None) => {
            "not known: ask `stagegate outcome`; COMMIT may have been sent".into()
        }
        (Believed::NotRecorded, _) => {
            "not known: ask `stagegate outcome`; its end is not recorded".into()
        }
    };
    // What stood from there on may have been another transaction: as `outcome` and the report say it.
    let doubted = read.broken.is_some() && told.believed != Believed::Committed;
    let says = word.is_some()
        || matches!(
            told.believed,
            Believed::RolledBack | Believed::NothingApplied
        );
    let outcome = match doubted && says {
        true => format!("not known: ask `stagegate outcome`; up to where it breaks: {outcome}"),
        false => outcome,
    };
    PastRun {
        path,
        began: replay.began.map_or_else(String::new, |at| {
            at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
        }),
        opened: replay.opened.unwrap_or_default(),
        target: replay.target.map(|target| {
            format!(
                "{} on {}:{} as {}",
                target.database, target.host, target.port, target.role
            )
        }),
        outcome,
        broken: read.broken.map(|broken| broken.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::OutcomeWord;
    use crate::journal::entry::{Decision, Entry};
    use crate::journal::written::{begun, ended, write_journal};

    #[test]
    fn runs_are_told_the_newest_first_each_with_its_outcome() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path();
        let committed = ended(OutcomeWord::Committed, "tag");
        let intent = Entry::intent(Decision::Commit, Some("7".into()));
        for (day, entries) in [
            ("01", &[begun("7"), committed][..]),
            ("02", &[begun("7"), intent]),
            ("03", &[begun("7")]),
            ("04", &[Entry::Left { code: 1 }]),
        ] {
            let name = format!("202601{day}T000000Z-1.jsonl");
            write_journal(&folder.join(name), entries);
        }
        std::fs::write(folder.join("20260105T000000Z-1.jsonl"), "{}\n").unwrap();
        std::fs::write(folder.join("notes.txt"), "no journal").unwrap();
        let runs = runs(folder).unwrap();
        let outcomes: Vec<&str> = runs.iter().map(|run| run.outcome.as_str()).collect();
        assert_eq!(
            outcomes,
            [
                "not read",
                "nothing was applied",
                "not known: ask `stagegate outcome`; its end is not recorded",
                "not known: ask `stagegate outcome`; COMMIT may have been sent",
                "COMMITTED",
            ]
        );
        assert!(runs[0].broken.is_some());
    }

    #[test]
    fn of_a_journal_with_others_lines_behind_its_end_only_committed_is_believed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path();
        for (name, word) in [
            ("1", OutcomeWord::Committed),
            ("2", OutcomeWord::RolledBack),
        ] {
            let path = folder.join(format!("{name}.jsonl"));
            let left = Entry::Left { code: 1 };
            write_journal(&path, &[begun("7"), ended(word, "tag"), left]);
            let twice = std::fs::read_to_string(&path).unwrap().repeat(2);
            std::fs::write(&path, twice).unwrap();
        }
        let runs = runs(folder).unwrap();
        assert!(runs.iter().all(|run| run.broken.is_some()), "{runs:?}");
        let outcomes: Vec<&str> = runs.iter().map(|run| run.outcome.as_str()).collect();
        assert_eq!(
            outcomes,
            [
                "not known: ask `stagegate outcome`; up to where it breaks: ROLLED BACK",
                "COMMITTED"
            ]
        );
    }

    #[test]
    fn no_folder_is_no_runs() {
        assert_eq!(runs(Path::new("/nonexistent/stagegate")), Ok(Vec::new()));
    }
}
