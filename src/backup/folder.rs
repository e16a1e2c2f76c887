//! Where a dump goes: the folder that was typed, whether there is room, a name that is not taken.
//!
//! Nothing that is there is ever written over.

use crate::database::passfile::create_for_us_alone;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The typed folder as a path; `~` is the home folder.
pub(super) fn resolve_folder(typed: &str, home: Option<PathBuf>) -> Result<PathBuf, String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err("no folder was named".into());
    }
    let path = match (typed.strip_prefix('~'), home) {
        (None, _) => PathBuf::from(typed),
        (Some(""), Some(home)) => home,
        (Some(rest), Some(home)) if rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        (Some(_), _) => return Err(format!("{typed}: only ~ and ~/… are understood")),
    };
    let path = fs::canonicalize(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("there is no folder {}", path.display()),
        _ => format!("{} cannot be looked at: {error}", path.display()),
    })?;
    if !path.is_dir() {
        return Err(format!("{} is not a folder", path.display()));
    }
    Ok(path)
}

/// What is free for us in a folder, in bytes.
pub(super) fn free(folder: &Path) -> Result<u64, String> {
    let stat = rustix::fs::statvfs(folder)
        .map_err(|error| format!("the room in {} is not known: {error}", folder.display()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses what cannot fit. The custom format is compressed, most often to between a third and a
/// tenth of the database, and has no indexes in it: less than a tenth free is not enough. What lies
/// between a tenth and the whole is told and tried (see `Dumping::lines`).
pub(super) fn check_room(folder: &Path, free: u64, database: u64) -> Result<(), String> {
    use crate::facts::size_in_words;
    if free >= database / 10 {
        return Ok(());
    }
    Err(format!(
        "{} has {} free, less than a tenth of the database ({}): name another folder",
        folder.display(),
        size_in_words(free),
        size_in_words(database)
    ))
}

#[derive(Debug)]
pub(super) struct Reserved {
    /// The name that it has until it is whole.
    pub partial: PathBuf,
    /// The name that it gets.
    pub path: PathBuf,
}

/// Makes an empty file, mode 0600, with a name that says which database and when.
pub(super) fn reserve(folder: &Path, database: &str, when: &str) -> Result<Reserved, String> {
    let name: String = database
        .chars()
        .map(|c| match c {
            '_' => c,
            c if c.is_alphanumeric() => c,
            _ => '-',
        })
        .collect();
    for count in 1..100 {
        let number = match count {
            1 => String::new(),
            _ => format!("-{count}"),
        };
        let path = folder.join(format!("{name}-{when}{number}.dump"));
        let partial = folder.join(format!("{name}-{when}{number}.dump.partial"));
        if fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        match create_for_us_alone(&partial) {
            Ok(_) => return Ok(Reserved { partial, path }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(format!("cannot write into {}: {error}", folder.display()));
            }
        }
    }
    Err(format!(
        "{} is full of dumps of this second",
        folder.display()
    ))
}

impl Reserved {
    /// Gives the file its name, on disk before this returns. A file that has taken the name in the
    /// meantime stays as it is.
    pub(super) fn publish(&self) -> Result<(), String> {
        let named = match fs::hard_link(&self.partial, &self.path) {
            Ok(()) => fs::remove_file(&self.partial),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            // A file system without links.
            Err(_) if fs::symlink_metadata(&self.path).is_err() => {
                fs::rename(&self.partial, &self.path)
            }
            Err(error) => Err(error),
        };
        named
            .and_then(|()| match self.path.parent() {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            })
            .map_err(|error| format!("the file cannot be named {}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_is_found_as_a_shell_would_or_refused_in_words() {
        let home = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(home.path()).unwrap();
        fs::create_dir(real.join("b")).unwrap();
        fs::write(real.join("f"), "").unwrap();
        let found = |typed: &str| resolve_folder(typed, Some(real.clone()));
        assert_eq!(found(" ~ "), Ok(real.clone()));
        assert_eq!(found("~/b"), Ok(real.join("b")));
        assert_eq!(
            found(&real.join("b").display().to_string()),
            Ok(real.join("b"))
        );
        for (typed, why) in [
            ("", "no folder was named"),
            ("~/c", "there is no folder"),
            ("~/f", "is not a folder"),
            ("~somebody", "only ~ and ~/"),
        ] {
            let said = found(typed).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn less_than_a_tenth_of_the_database_free_is_refused() {
        let folder = Path::new("/b");
        assert_eq!(check_room(folder, 100, 1_000), Ok(()));
        let why = check_room(folder, 99, 1_000).unwrap_err();
        assert!(why.contains("/b has 99 bytes free"), "{why}");
        assert!(free(Path::new("/")).is_ok());
        assert!(free(Path::new("/no such folder")).is_err());
    }

    #[test]
    fn a_taken_name_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = reserve(folder.path(), "../a b", "T").unwrap();
        assert_eq!(first.path, folder.path().join("---a-b-T.dump"));
        let mode = fs::metadata(&first.partial).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = reserve(folder.path(), "../a b", "T").unwrap();
        assert_eq!(second.path, folder.path().join("---a-b-T-2.dump"));
        first.publish().unwrap();
        assert!(first.path.exists() && !first.partial.exists());
        fs::write(&second.path, "another's").unwrap();
        let why = second.publish().unwrap_err();
        assert!(why.contains("cannot be named"), "{why}");
        assert_eq!(fs::read_to_string(&second.path).unwrap(), "another's");
    }
}
