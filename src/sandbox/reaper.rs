//! No orphan: ends the server and removes its files when this process is gone, however it went.
//!
//! It is a [`Watch`] over the server's folder, and waits until PostgreSQL is down.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::watch::{self, Watch};
use super::{SandboxError, environment};

/// SIGQUIT is PostgreSQL's immediate stop: it takes its sessions along, within 5 s at worst.
/// A postmaster that was killed outright leaves a 56-byte System V segment, named in its pid file.
const ENDING: &str = r#"
if alive; then
    kill -QUIT "$pid"
    n=0
    while alive; do
        n=$((n + 1))
        [ "$n" -eq 400 ] && kill -KILL "$pid"
        [ "$n" -ge 800 ] && break
        sleep 0.02 || sleep 1
    done
fi
segment=$(sed -n '7s/^ *[0-9-]* *//p' "$1/data/postmaster.pid" 2>/dev/null)
[ -n "$segment" ] && ipcrm -m "$segment"
n=0
while rm -rf -- "$1"; [ -e "$1" ] && [ "$n" -lt 50 ]; do
    n=$((n + 1))
    sleep 0.1 || sleep 1
done
"#;

/// Watches over one server's folder until it is dropped, or until this process ends.
#[derive(Debug)]
pub(super) struct Reaper {
    folder: PathBuf,
    watch: Watch,
}

impl Reaper {
    /// Starts to watch over a folder, which from now on is removed in the end.
    pub(super) fn start(folder: &Path) -> Result<Self, SandboxError> {
        let mut shell = Command::new("/bin/sh");
        // It lives as long as we do, and a password may be in our environment (I9).
        environment::clean_environment(&mut shell);
        let watch = Watch::start(shell, "stagegate-reaper", ENDING, &[folder])
            .map_err(SandboxError::io("start the sandbox's reaper (/bin/sh)"))?;
        Ok(Self {
            folder: folder.to_owned(),
            watch,
        })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.watch.end();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A command that notes its process id for the reaper, then becomes `program`. Its environment is
/// still ours.
pub(super) fn launch(folder: &Path, program: &Path) -> Command {
    watch::launch(Command::new("/bin/sh"), folder, program)
}

pub(super) use watch::forget;
