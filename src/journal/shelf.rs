//! Where journals lie: which there are, what each opens with, and one read whole and followed to its end.
//!
//! It reads files and writes none. What a journal opens with is cheap and not to be trusted: it tells the
//! few that matter from the rest.

use super::chain::{Broken, Line, read_chain};
use super::entry::{Entry, Opened};
use super::replay::Replay;
use super::{is_being_written, is_written_elsewhere};
use crate::facts::Target;
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

/// The longest of those lines, in bytes: what has a longer one at its beginning is no journal of ours.
const LONGEST_HEAD_LINE: u64 = 1024 * 1024;

/// How many journals of a folder are looked at, the newest.
const MOST: usize = 100;

#[derive(Debug)]
pub struct Head {
    pub at: Timestamp,
    pub opened: Opened,
    /// What was reached, where its first lines say so.
    pub target: Option<Target>,
}

#[derive(Debug)]
pub struct ShelvedJournal {
    pub path: PathBuf,
    pub head: Head,
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

/// What the newest journals in each of these folders open with, the newest of a folder first and without
/// `own`; read once for all who look for earlier runs.
pub fn read_shelf(folders: &[PathBuf], own: &Path) -> Vec<ShelvedJournal> {
    let own = std::fs::canonicalize(own).unwrap_or_else(|_| own.to_owned());
    let paths = folders
        .iter()
        .filter_map(|folder| newest_first(folder).ok());
    let paths = paths.flat_map(|paths| paths.into_iter().take(MOST));
    let others = paths.filter(|path| std::fs::canonicalize(path).is_ok_and(|path| path != own));
    let shelved = others.filter_map(|path| {
        let head = read_head(&path)?;
        Some(ShelvedJournal { path, head })
    });
    shelved.collect()
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
pub(super) fn read_head(path: &Path) -> Option<Head> {
    size_of(path).ok()?;
    let mut file = BufReader::new(File::open(path).ok()?);
    let mut next = || read_head_line(&mut file);
    let first: Line = serde_json::from_str(&next()?).ok()?;
    let Entry::Opened(opened) = first.entry else {
        return None;
    };
    let target = (0..HEAD)
        .map_while(|_| next())
        // To look for its word takes less than to understand what has it not.
        .filter(|line| line.contains("connected"))
        .find_map(
            |line| match serde_json::from_str::<Line>(&line).ok()?.entry {
                Entry::Connected { target } => serde_json::from_value(target).ok(),
                _ => None,
            },
        );
    Some(Head {
        at: first.at,
        opened: *opened,
        target,
    })
}

/// The next line; `None` at the end, and where it is longer than any at the beginning of a journal.
fn read_head_line(file: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    file.take(LONGEST_HEAD_LINE).read_line(&mut line).ok()?;
    line.ends_with('\n').then_some(line)
}

/// Reads a journal.
///
/// # Errors
/// Why nothing of it can be read, in words.
pub fn read_journal(path: &Path) -> Result<ReadJournal, String> {
    let (text, writing) = read_with_writing(path)?;
    follow_journal(&text, writing)
}

/// The same of one that has an entry of that kind, as the file names it: to look for its word takes less
/// than to follow a chain that has it not.
pub(super) fn read_journal_with(kind: &str, path: &Path) -> Result<ReadJournal, String> {
    let (text, writing) = read_with_writing(path)?;
    must_mention(kind, &text)?;
    follow_journal(&text, writing)
}

fn read_with_writing(path: &Path) -> Result<(String, bool), String> {
    size_of(path)?;
    // Asked before the lines are read: what is read after it is the whole of what was written.
    let writing = is_being_written(path);
    Ok((read_text(path, LARGEST)?, writing))
}

/// Reads a journal with an entry of that kind that nobody else could have written: what is read is the very
/// file that was asked for that, whatever its name leads to meanwhile.
///
/// # Errors
/// Who could have written it, or why nothing of it can be read, in words.
pub(super) fn read_guarded_journal(kind: &str, path: &Path) -> Result<ReadJournal, String> {
    size_of(path)?;
    let file = File::open(path).map_err(|error| error.to_string())?;
    guards(&file.metadata().map_err(|error| error.to_string())?)?;
    let writing = is_written_elsewhere(&file);
    let text = read_text_of(file, LARGEST)?;
    must_mention(kind, &text)?;
    follow_journal(&text, writing)
}

/// Whether a journal may have an entry of that kind.
fn must_mention(kind: &str, text: &str) -> Result<(), String> {
    match text.contains(&format!("\"what\":\"{kind}\"")) {
        true => Ok(()),
        false => Err(format!("nothing in it is {kind}")),
    }
}

/// The text of a journal, followed to its end; `writing` where its program ran when it was read.
///
/// # Errors
/// Why it is none, in words.
pub fn follow_journal(text: &str, writing: bool) -> Result<ReadJournal, String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::written::write_journal;

    fn shelf_of(folder: &Path) -> Vec<PathBuf> {
        let shelf = read_shelf(&[folder.to_owned()], Path::new("/none"));
        shelf.into_iter().map(|shelved| shelved.path).collect()
    }

    #[test]
    fn a_journal_opens_with_lines_of_some_length_and_what_has_a_longer_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.jsonl");
        let _writing = write_journal(&path, &[Entry::Opened(Box::default())]);
        assert_eq!(shelf_of(folder.path()).len(), 1);
        let text = std::fs::read_to_string(&path).unwrap();
        let room = usize::try_from(LONGEST_HEAD_LINE).unwrap() - text.len();
        let longer = |by: usize| " ".repeat(room + by) + &text;
        std::fs::write(&path, longer(0)).unwrap();
        assert_eq!(shelf_of(folder.path()).len(), 1);
        std::fs::write(&path, longer(1)).unwrap();
        assert_eq!(shelf_of(folder.path()), Vec::<PathBuf>::new());
    }

    #[test]
    fn no_more_is_read_of_a_line_without_an_end_than_it_may_have() {
        let mut endless = BufReader::new(std::io::repeat(b' '));
        assert_eq!(read_head_line(&mut endless), None);
    }
}
