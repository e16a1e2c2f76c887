//! No half file: ends `pg_dump`, and removes the partial file and the password, when this process
//! drops the guard or is gone, however it went.
//!
//! As the sandbox's reaper does it: a small shell script in a process group of its own, whose
//! standard input is a pipe that only we hold. The kernel closes that pipe at exit, panic, SIGKILL
//! and crash alike, and the end of input is the script's one cue, also for an orderly end.

use crate::database::client::clean;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// `$1` is our private folder, `$2` the partial file. The `pid` file is written by the launched
/// process itself before it becomes `pg_dump`, so there is no moment at which one runs unknown.
/// SIGTERM lets `pg_dump` cancel its query on the server first. A zombie counts as gone. (No `--`
/// before a group: to `kill` of dash that is a process of that name.)
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM PIPE TSTP TTIN TTOU
cd /
while read -r _; do :; done
pid=
[ -f "$1/pid" ] && read -r pid <"$1/pid"
alive() {
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    case "$(cat "/proc/$pid/stat" 2>/dev/null)" in *') Z '*) return 1 ;; esac
}
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
    child: Child,
    cue: Option<ChildStdin>,
}

impl Guard {
    /// Starts to watch over the file `partial`, which from now on is removed in the end.
    pub(super) fn start(partial: &Path) -> Result<Guard, String> {
        let folder = private_folder()?;
        let started = clean("/bin/sh")
            .args(["-c", SCRIPT, "stagegate-backup"])
            .arg(&folder)
            .arg(partial)
            // A Ctrl-C or a hang-up of the terminal goes to our group: it must outlive that.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(mut child) => Ok(Guard {
                cue: child.stdin.take(),
                child,
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
        let mut command = clean("/bin/sh");
        command
            .args(["-c", r#"echo $$ >"$1" || exit 125; shift; exec "$@""#, "sh"])
            .arg(self.folder.join("pid"))
            .arg(program)
            .current_dir("/")
            .process_group(0);
        command
    }

    /// To be called once the launched process was waited for: its id may now be another's.
    pub(super) fn forget(&self) {
        let _ = fs::remove_file(self.folder.join("pid"));
    }
}

impl Drop for Guard {
    /// Waits until all is removed: some milliseconds, 4 s at worst.
    fn drop(&mut self) {
        drop(self.cue.take());
        // Nothing can be told from here; and if somebody killed the script, we do its work.
        let _ = self.child.wait();
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
