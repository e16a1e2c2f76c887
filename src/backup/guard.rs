//! No half file: ends `pg_dump`, and removes the partial file and the password, when this process
//! drops the guard or is gone, however it went.
//!
//! It is a [`Watch`], as the sandbox's reaper is, over a private folder and the partial file.

use crate::database::client::clean;
use crate::sandbox::watch::{self, Watch};
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// `$1` is our private folder, `$2` the partial file. SIGTERM lets `pg_dump` cancel its query on the
/// server first. (No `--` before a group: to `kill` of dash that is a process of that name.)
const ENDING: &str = r#"
n=0
alive && kill -TERM "-$pid"
while alive; do
    n=$((n + 1))
    [ "$n" -eq 100 ] && kill -KILL "-$pid"
    [ "$n" -ge 200 ] && break
    sleep 0.02 || sleep 1
done
rm -f -- "$2"
rm -rf -- "$1"
"#;

/// Watches over a dump until it is dropped, or until this process ends.
#[derive(Debug)]
pub(super) struct Guard {
    folder: PathBuf,
    partial: PathBuf,
    watch: Watch,
}

impl Guard {
    /// Starts to watch over the file `partial`, which from now on is removed in the end.
    pub(super) fn start(partial: &Path) -> Result<Guard, String> {
        let folder = private_folder()?;
        let paths = [folder.as_path(), partial];
        match Watch::start(clean("/bin/sh"), "stagegate-backup", ENDING, &paths) {
            Ok(watch) => Ok(Guard {
                watch,
                folder,
                partial: partial.to_owned(),
            }),
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                Err(format!("/bin/sh cannot be started: {error}"))
            }
        }
    }

    /// Where the password is to be written; others cannot enter the folder.
    pub(super) fn passfile(&self) -> PathBuf {
        self.folder.join("passfile")
    }

    /// A command that notes its process id for the guard, then becomes `program`.
    pub(super) fn launch(&self, program: &Path) -> Command {
        watch::launch(clean("/bin/sh"), &self.folder, program)
    }

    /// To be called once the launched process was waited for: its id may now be another's.
    pub(super) fn forget(&self) {
        watch::forget(&self.folder);
    }
}

impl Drop for Guard {
    /// Waits until all is removed: some milliseconds, 4 s at worst.
    fn drop(&mut self) {
        self.watch.end();
        let _ = fs::remove_file(&self.partial);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An empty folder that only we may enter; in memory where the system offers that.
fn private_folder() -> Result<PathBuf, String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute());
    let mut tried = String::new();
    for parent in runtime.into_iter().chain([std::env::temp_dir()]) {
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("stagegate-backup-{}-{count}", std::process::id());
            let folder = parent.join(name);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    tried = format!("{}: {error}", parent.display());
                    break;
                }
            }
        }
    }
    Err(format!("there is no place for a private folder: {tried}"))
}
