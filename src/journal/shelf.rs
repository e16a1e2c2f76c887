//! Where journals lie: which there are, what each opens with, and one read whole and followed to its end.
//!
//! It reads files and writes none. What a journal opens with is cheap and not to be trusted: it tells the
//! few that matter from the rest.

use super::chain::{Broken, Line, read_chain};
use super::entry::{Entry, Opened};
use super::replay::Replay;
use super::{is_being_written, is_written_elsewhere};
use crate::gate::event::Target;
use jiff::Timestamp;
use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest journal that the program reads of itself, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The largest that is read when a person names it, in bytes: that of a long run is the one that must
/// not be refused.
const LARGEST_NAMED: u64 = 1024 * 1024 * 1024;

/// In so many lines at its beginning a journal names the server that it reached.
const HEAD: usize = 8;

/// What a journal opens with.
#[derive(Debug)]
pub struct Head {
    pub at: Timestamp,
    pub opened: Opened,
    /// What was reached, where its first lines say so.
    pub target: Option<Target>,
}

/// A journal that was read to its end, or to where it no longer is what was written.
#[derive(Debug)]
pub struct ReadJournal {
    pub replay: Replay,
    pub broken: Option<Broken>,
    /// Its program still ran when it was read.
    pub writing: bool,
}

/// The journals in a folder, in no order.
pub(super) fn journals_in(folder: &Path) -> std::io::Result<impl Iterator<Item = PathBuf>> {
    let paths = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")))
}

/// The journals in a folder, the newest first: names begin with the time.
pub fn newest_first(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = journals_in(folder)?.collect();
    paths.sort_by(|a, b| b.file_name().cmp(&a.file_name()));
    Ok(paths)
}

/// The newest journals in each of these folders, as many as `most`, without `own`.
pub fn newest_of_each(folders: &[PathBuf], most: usize, own: &Path) -> Vec<PathBuf> {
    let own = std::fs::canonicalize(own).unwrap_or_else(|_| own.to_owned());
    let paths = folders
        .iter()
        .filter_map(|folder| newest_first(folder).ok());
    let paths = paths.flat_map(|paths| paths.into_iter().take(most));
    let others = paths.filter(|path| std::fs::canonicalize(path).is_ok_and(|path| path != own));
    others.collect()
}

/// The size of a journal that can be read.
///
/// # Errors
/// Why it cannot, in words.
pub(super) fn size_of(path: &Path) -> Result<u64, String> {
    size_up_to(path, LARGEST)
}

fn size_up_to(path: &Path, most: u64) -> Result<u64, String> {
    // Asked of the name first: to open a pipe waits for somebody who writes into it.
    match std::fs::metadata(path) {
        Ok(about) if !about.is_file() => Err("it is no regular file".into()),
        Ok(about) if about.len() > most => {
            Err(format!("it is larger than {} MB", most / 1024 / 1024))
        }
        Ok(about) => Ok(about.len()),
        Err(error) => Err(error.to_string()),
    }
}

/// The text of a journal that a person named.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn read_named(path: &Path) -> Result<String, String> {
    size_up_to(path, LARGEST_NAMED)?;
    read_text(path, LARGEST_NAMED)
}

/// At most that many bytes of a file: one that is written may have grown since it was asked for its size.
fn read_text(path: &Path, most: u64) -> Result<String, String> {
    read_text_of(File::open(path).map_err(|error| error.to_string())?, most)
}

fn read_text_of(file: File, most: u64) -> Result<String, String> {
    let mut text = String::new();
    let read = file.take(most).read_to_string(&mut text);
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err("it is not text".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What a journal opens with; `None` where it is none.
pub fn read_head(path: &Path) -> Option<Head> {
    size_of(path).ok()?;
    let mut lines = BufReader::new(File::open(path).ok()?.take(LARGEST)).lines();
    let mut next = || -> Option<Line> { serde_json::from_str(&lines.next()?.ok()?).ok() };
    let first = next()?;
    let Entry::Opened(opened) = first.entry else {
        return None;
    };
    let target = (0..HEAD)
        .map_while(|_| next())
        .find_map(|line| match line.entry {
            Entry::Connected { target } => serde_json::from_value(target).ok(),
            _ => None,
        });
    Some(Head {
        at: first.at,
        opened: *opened,
        target,
    })
}

/// Reads a journal.
///
/// # Errors
/// Why nothing of it can be read, in words.
pub fn read_journal(path: &Path) -> Result<ReadJournal, String> {
    size_of(path)?;
    // Asked before the lines are read: what is read after it is the whole of what was written.
    let writing = is_being_written(path);
    let text = read_text(path, LARGEST)?;
    follow_journal(&text, writing)
}

/// Reads a journal that nobody else could have written: what is read is the very file that was asked for
/// that, whatever its name leads to meanwhile.
///
/// # Errors
/// Who could have written it, or why nothing of it can be read, in words.
pub(super) fn read_guarded_journal(path: &Path) -> Result<ReadJournal, String> {
    size_of(path)?;
    let file = File::open(path).map_err(|error| error.to_string())?;
    guards(&file.metadata().map_err(|error| error.to_string())?)?;
    let writing = is_written_elsewhere(&file);
    let text = read_text_of(file, LARGEST)?;
    follow_journal(&text, writing)
}

fn follow_journal(text: &str, writing: bool) -> Result<ReadJournal, String> {
    let (lines, broken) = read_chain(text);
    if lines.is_empty() {
        return Err(broken.map_or("it is empty".into(), |broken| broken.to_string()));
    }
    Ok(ReadJournal {
        replay: Replay::of(lines),
        broken,
        writing,
    })
}

/// Whether nobody else could have written it.
///
/// # Errors
/// Who could, in words.
pub fn is_guarded(path: &Path) -> Result<(), String> {
    guards(&std::fs::metadata(path).map_err(|error| error.to_string())?)
}

fn guards(about: &Metadata) -> Result<(), String> {
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    if about.mode() & 0o022 != 0 {
        return Err("others may write it".to_owned());
    }
    Ok(())
}
