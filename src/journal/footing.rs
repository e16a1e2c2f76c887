//! Whether a journal's name still leads to what this run wrote.
//!
//! A file that was removed, replaced or covered by a mount takes every line without a word, and
//! nobody finds them. So the open file is held against its name: device, inode, number of names,
//! and length as far as it was written; where it decides, every byte is read back as well.

use sha2::{Digest, Sha256};
use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// What the file was when it was opened, and how much was written since.
#[derive(Debug)]
pub(super) struct Footing {
    /// Device and inode; `None` where the system does not say, or it is no regular file.
    born: Option<(u64, u64)>,
    /// How long it was then.
    found: u64,
    length: u64,
    written: Sha256,
}

/// How much is read back at once.
const PIECE: usize = 64 * 1024;

impl Footing {
    pub(super) fn of(file: &File) -> Footing {
        let about = file.metadata().ok().filter(Metadata::is_file);
        let found = about.as_ref().map_or(0, Metadata::len);
        Footing {
            found,
            length: found,
            written: Sha256::new(),
            born: about.map(|about| (about.dev(), about.ino())),
        }
    }

    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.written.update(bytes);
    }

    /// Whether `path` leads to `file`, and `file` holds what was written and no more; otherwise what
    /// became of it, in words.
    pub(super) fn holds(&self, path: &Path, file: &File) -> Result<(), String> {
        let Some(born) = self.born else {
            // Such a file has neither a length nor a name of its own.
            return Ok(());
        };
        let open = file
            .metadata()
            .map_err(|error| format!("the open file cannot be looked at: {error}"))?;
        let named = match std::fs::symlink_metadata(path) {
            Ok(named) => named,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err("it was removed, or its folder was renamed or unmounted".to_owned());
            }
            Err(error) => return Err(format!("its name cannot be looked at: {error}")),
        };
        if (named.dev(), named.ino()) != born {
            return Err("something else stands under its name".to_owned());
        }
        if open.nlink() != 1 {
            return Err(format!("it has {} names", open.nlink()));
        }
        match (open.len(), self.length) {
            (is, was) if is < was => Err(format!("it was cut: it has {is} of {was} bytes")),
            (is, was) if is > was => Err(format!(
                "somebody else wrote into it: it has {is} bytes, and this run wrote {was}"
            )),
            _ => Ok(()),
        }
    }

    /// Whether every byte that was written stands in the file under this name; otherwise what stands
    /// against it.
    pub(super) fn reads_back(&self, path: &Path) -> Result<(), String> {
        if self.born.is_none() {
            return Ok(());
        }
        let read = || -> std::io::Result<Sha256> {
            let file = OpenOptions::new()
                .read(true)
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)?;
            let mut hash = Sha256::new();
            let mut piece = vec![0; PIECE];
            let mut at = self.found;
            while at < self.length {
                let left = usize::try_from(self.length - at).unwrap_or(PIECE);
                let (piece, _) = piece.split_at_mut(left.min(PIECE));
                file.read_exact_at(piece, at)?;
                hash.update(&piece);
                at += piece.len() as u64;
            }
            Ok(hash)
        };
        let read =
            read().map_err(|error| format!("what was written cannot be read back: {error}"))?;
        match read.finalize() == self.written.clone().finalize() {
            true => Ok(()),
            false => {
                Err("somebody else wrote into it: what was written is not what is read back".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::journal::Entry;
    use crate::journal::written::write_journal;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    /// What the journal says after somebody did `deed` to it between two lines.
    fn after(deed: impl Fn(&Path)) -> String {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("run.jsonl");
        let opened = Entry::Opened(Box::default());
        let mut journal = write_journal(&path, std::slice::from_ref(&opened));
        journal.record_durably(&opened).unwrap();
        deed(&path);
        let error = journal.record_durably(&opened).unwrap_err().to_string();
        assert!(journal.record(&opened).is_err(), "taken after all");
        assert!(journal.stands().is_err());
        error
    }

    #[test]
    fn a_journal_that_is_no_longer_there_takes_no_line() {
        let removed = after(|path| std::fs::remove_file(path).unwrap());
        assert!(removed.contains("it was removed"), "{removed}");
        let renamed = after(|path| {
            let folder = path.parent().unwrap();
            std::fs::rename(folder, folder.with_file_name("old")).unwrap();
        });
        assert!(renamed.contains("its folder was renamed"), "{renamed}");
    }

    #[test]
    fn another_file_under_its_name_is_found() {
        let replaced = after(|path| {
            let copy = path.with_extension("copy");
            std::fs::copy(path, &copy).unwrap();
            std::fs::rename(&copy, path).unwrap();
        });
        assert!(replaced.contains("something else stands"), "{replaced}");
        let led_away = after(|path| {
            let moved = path.with_extension("moved");
            std::fs::rename(path, &moved).unwrap();
            std::os::unix::fs::symlink(&moved, path).unwrap();
        });
        assert!(led_away.contains("something else stands"), "{led_away}");
        let linked = after(|path| {
            std::fs::hard_link(path, path.with_extension("second")).unwrap();
        });
        assert!(linked.contains("it has 2 names"), "{linked}");
    }

    #[test]
    fn what_was_cut_or_written_by_somebody_else_is_found() {
        let open = |path: &Path| OpenOptions::new().append(true).open(path).unwrap();
        let cut = after(|path| open(path).set_len(10).unwrap());
        assert!(cut.contains("it was cut: it has 10 of"), "{cut}");
        let longer = after(|path| open(path).write_all(b"x\n").unwrap());
        assert!(longer.contains("somebody else wrote into it"), "{longer}");
    }

    #[test]
    fn a_byte_that_somebody_else_changed_in_place_is_found_before_a_decision() {
        for at in [10, 300] {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("run.jsonl");
            let opened = Entry::Opened(Box::default());
            let mut journal = write_journal(&path, &[opened.clone(), opened.clone()]);
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(b"~", at).unwrap();
            let error = journal.record_durably(&opened).unwrap_err().to_string();
            assert!(error.contains("somebody else wrote into it"), "{error}");
        }
    }
}
