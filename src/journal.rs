//! WHAT HAPPENED: the append-only record of one run.
//!
//! One file a run, JSON Lines, readable by its owner alone. Each line carries its number, the UTC
//! time, the hash of the line before and its own, so that an edit, a gap or a cut is found. The
//! intent to COMMIT is on disk before COMMIT is sent (I6). No secret ever comes here (I9).

pub mod chain;
pub mod earlier;
pub mod entry;
mod footing;
pub mod measured;
pub mod outcome;
pub mod read_before;
pub mod rehearsed;
pub mod replay;
pub mod report;
pub mod shelf;

pub use entry::Entry;

use chain::Chain;
use footing::Footing;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    chain: Chain,
    footing: Footing,
    /// Lines that are made and not written yet.
    kept: String,
}

/// So many bytes of lines are kept at the most, in bytes.
const MOST_KEPT: usize = 64 * 1024;

/// However a run ends, what was made is written.
impl Drop for Journal {
    fn drop(&mut self) {
        // What fails now has nobody who could be told.
        let _ = self.write_kept();
    }
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Neither `XDG_STATE_HOME` nor `HOME` says where journals belong.
    #[error("no place for the journal: neither XDG_STATE_HOME nor HOME is set; say --journal PATH")]
    NoPlace,
    #[error("the journal's folder {path} cannot be made: {source}")]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the journal {path} cannot be opened: {source}; say --journal PATH for another place")]
    Open {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The name no longer leads to what this run wrote.
    #[error("the journal {path} is not what this run wrote any more: {what}")]
    Displaced { path: PathBuf, what: String },
    #[error("the journal {path} cannot be written: {source}")]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Where journals lie: `$XDG_STATE_HOME/stagegate`, else `$HOME/.local/state/stagegate`.
pub fn folder(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let state = match set("XDG_STATE_HOME") {
        Some(state) => PathBuf::from(state),
        None => Path::new(&set("HOME")?).join(".local/state"),
    };
    Some(state.join("stagegate"))
}

/// Whether the program that writes this journal still runs, frozen or not.
pub fn is_being_written(path: &Path) -> bool {
    // To open a pipe waits for somebody who writes into it.
    if !std::fs::metadata(path).is_ok_and(|about| about.is_file()) {
        return false;
    }
    File::open(path).is_ok_and(|file| is_written_elsewhere(&file))
}

/// Whether somebody has it open to write it.
fn is_written_elsewhere(file: &File) -> bool {
    matches!(
        file.try_lock_shared(),
        Err(std::fs::TryLockError::WouldBlock)
    )
}

/// Writes a file that is not there yet, readable by its owner alone as a journal is. Where that fails nothing
/// is left of it: half of it would look like all.
pub fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    let written = opened.write_all(text.as_bytes());
    let written = written.and_then(|()| opened.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(file);
    }
    written
}

impl Journal {
    /// Opens the journal of a new run, at `path` or in [`folder`].
    ///
    /// # Errors
    /// When there is no place for it, or the place cannot be written. The walk is then refused:
    /// nothing was sent to any server yet.
    pub fn create(
        path: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Journal, JournalError> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => {
                let folder = folder(env).ok_or(JournalError::NoPlace)?;
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&folder)
                    .map_err(|source| JournalError::Folder {
                        path: folder.clone(),
                        source,
                    })?;
                let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
                folder.join(format!("{now}-{}.jsonl", std::process::id()))
            }
        };
        let open = |source| JournalError::Open {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(open)?;
        // The name must survive a crash as well as the lines.
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(parent)
                .and_then(|d| d.sync_all())
                .map_err(open)?;
        }
        Ok(Journal::over(path, file))
    }

    /// A journal onto a file that is open already; `path` is its name for people. As long as it is
    /// open the file is locked, so that [`is_being_written`] can tell; the system lets go of the lock
    /// however the program ends.
    pub fn over(path: PathBuf, file: File) -> Journal {
        // A file system without locks costs only that.
        let _ = file.try_lock();
        Journal {
            footing: Footing::of(&file),
            path,
            file,
            chain: Chain::default(),
            kept: String::new(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, with what was kept for later before it.
    ///
    /// # Errors
    /// When the system does not take it, or the file is no longer the one that its name leads to.
    pub fn record(&mut self, entry: &Entry) -> Result<(), JournalError> {
        self.keep(entry);
        self.write_kept()
    }

    /// Makes the next line, to be written together with those that follow: at the latest before anything
    /// is done that rests on it. Its place in the chain and its time are those of now.
    pub fn keep(&mut self, entry: &Entry) {
        self.kept
            .push_str(&self.chain.line(entry, jiff::Timestamp::now()));
    }

    /// Whether so much is kept that it is to be written.
    pub fn is_full(&self) -> bool {
        self.kept.len() >= MOST_KEPT
    }

    /// Appends what was kept.
    ///
    /// # Errors
    /// As [`Journal::record`].
    pub fn write_kept(&mut self) -> Result<(), JournalError> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.kept);
        self.stands()?;
        self.file
            .write_all(lines.as_bytes())
            .map_err(|source| self.write_error(source))?;
        self.footing.wrote(lines.as_bytes());
        Ok(())
    }

    /// Appends a line and waits until it is on disk, under the journal's own name: read back from
    /// there, all of it is what was written.
    ///
    /// # Errors
    /// When the system does not take it, does not say that it is on disk, or the file is no longer the
    /// one that its name leads to.
    pub fn record_durably(&mut self, entry: &Entry) -> Result<(), JournalError> {
        self.record(entry)?;
        self.file
            .sync_data()
            .map_err(|source| self.write_error(source))?;
        self.stands()?;
        self.footing
            .reads_back(&self.path)
            .map_err(|what| self.displaced(what))
    }

    /// Whether the journal's name leads to the open file, and the file holds what was written so far
    /// and no more: a journal that was removed, replaced or cut would be missed only afterwards.
    ///
    /// # Errors
    /// What became of it.
    pub fn stands(&self) -> Result<(), JournalError> {
        self.footing
            .holds(&self.path, &self.file)
            .map_err(|what| self.displaced(what))
    }

    fn displaced(&self, what: String) -> JournalError {
        JournalError::Displaced {
            path: self.path.clone(),
            what,
        }
    }

    fn write_error(&self, source: std::io::Error) -> JournalError {
        JournalError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Entry {
        Entry::Opened(Box::default())
    }

    #[test]
    fn lines_are_for_their_owner_alone_and_chained() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let state = home.path().to_str().unwrap().to_owned();
        let env = |name: &str| (name == "XDG_STATE_HOME").then(|| state.clone());
        let mut journal = Journal::create(None, env).unwrap();
        journal.record(&opened()).unwrap();
        journal
            .record_durably(&Entry::intent(entry::Decision::Commit, Some("7".into())))
            .unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(journal.path()), 0o600);
        assert_eq!(mode(journal.path().parent().unwrap()), 0o700);
        let text = std::fs::read_to_string(journal.path()).unwrap();
        assert_eq!(chain::verify(&text).unwrap().len(), 2);
    }

    #[test]
    fn lines_that_are_kept_stand_before_what_is_on_disk_and_are_written_at_the_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        let mut journal = Journal::create(Some(&path), |_| None).unwrap();
        let written = || {
            let text = std::fs::read_to_string(&path).unwrap();
            chain::verify(&text).unwrap().len()
        };
        journal.keep(&opened());
        journal.keep(&opened());
        assert_eq!(written(), 0, "one by one");
        let intent = Entry::intent(entry::Decision::Commit, Some("7".into()));
        journal.record_durably(&intent).unwrap();
        assert_eq!(written(), 3);
        journal.keep(&opened());
        drop(journal);
        assert_eq!(written(), 4);
    }

    #[test]
    fn a_journal_that_is_being_written_is_known_as_such() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        let journal = Journal::create(Some(&path), |_| None).unwrap();
        assert!(is_being_written(&path));
        drop(journal);
        assert!(!is_being_written(&path));
    }

    #[test]
    fn a_journal_never_writes_over_another_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        Journal::create(Some(&path), |_| None).unwrap();
        let error = Journal::create(Some(&path), |_| None).unwrap_err();
        assert!(matches!(error, JournalError::Open { .. }), "{error}");
    }

    #[test]
    fn a_full_disk_is_said() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut journal = Journal::over("/dev/full".into(), file);
        let error = journal.record_durably(&opened()).unwrap_err();
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}
