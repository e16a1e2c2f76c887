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
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod written;

pub use entry::Entry;

use chain::Chain;
use footing::Footing;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    chain: Chain,
    footing: Footing,
    /// Lines that are made and not written yet.
    kept: String,
    /// The folder that it lies in, until its name there is on disk.
    folder: Option<PathBuf>,
    /// What was written so far is being put on disk.
    settling: Option<JoinHandle<std::io::Result<()>>>,
}

/// Waits until a file's lines are on disk, and its name in that folder.
fn put_on_disk(file: &File, folder: Option<&Path>) -> std::io::Result<()> {
    file.sync_data()?;
    // The name must survive a crash as well as the lines. Behind them it mostly is there already.
    match folder {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
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
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| JournalError::Open {
                path: path.clone(),
                source,
            })?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let mut journal = Journal::over(path.clone(), file);
        journal.folder = folder.map(Path::to_owned);
        Ok(journal)
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
            folder: None,
            settling: None,
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
        self.settle()?;
        let put = put_on_disk(&self.file, self.folder.as_deref());
        self.found_on_disk(put)
    }

    /// Appends a line, and has it put on disk by a thread of its own, in which time much else can be done:
    /// what rests on it waits with [`Journal::settle`] first, or is itself recorded durably.
    ///
    /// # Errors
    /// As [`Journal::record_durably`].
    pub fn record_beside(&mut self, entry: &Entry) -> Result<(), JournalError> {
        self.record(entry)?;
        let file = self.file.try_clone();
        let file = file.map_err(|source| self.write_error(source))?;
        let folder = self.folder.clone();
        let put = move || put_on_disk(&file, folder.as_deref());
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let settling = thread.spawn(put);
        self.settling = Some(settling.map_err(|source| self.write_error(source))?);
        Ok(())
    }

    /// Waits until what [`Journal::record_beside`] appended is on disk.
    ///
    /// # Errors
    /// As [`Journal::record_durably`].
    pub fn settle(&mut self) -> Result<(), JournalError> {
        let Some(settling) = self.settling.take() else {
            return Ok(());
        };
        let died = |_| {
            Err(std::io::Error::other(
                "the thread that waits for the disk died",
            ))
        };
        let put = settling.join().unwrap_or_else(died);
        self.found_on_disk(put)
    }

    /// The same, and that nothing became of the journal since.
    ///
    /// # Errors
    /// As [`Journal::settle`] and [`Journal::stands`].
    pub fn settle_where_it_stands(&mut self) -> Result<(), JournalError> {
        self.settle()?;
        self.stands()
    }

    /// The first without waiting, where that is over by now.
    ///
    /// # Errors
    /// As [`Journal::record_durably`].
    pub fn settle_by_now(&mut self) -> Result<(), JournalError> {
        let over = |settling: &JoinHandle<_>| settling.is_finished();
        match self.settling.as_ref().is_some_and(over) {
            true => self.settle(),
            false => Ok(()),
        }
    }

    /// Under its own name, with all that was written.
    fn found_on_disk(&mut self, put: std::io::Result<()>) -> Result<(), JournalError> {
        put.map_err(|source| self.write_error(source))?;
        self.folder = None;
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
