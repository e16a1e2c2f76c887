//! No orphan: ends the server and removes its files when this process is gone, however it went.
//!
//! The reaper is a small shell script in a process group of its own, whose standard input is a
//! pipe that only we hold. The kernel closes that pipe at exit, panic, SIGKILL and crash alike, and
//! the end of input is the reaper's one cue, also for an orderly end: so its only path is walked
//! at every stop of every server. It must be running before there is anything to reap.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{SandboxError, template};

/// `$1` is the server's folder. Its `pid` file is written by the launched process itself, before
/// it becomes the server (see [`launch`]), so there is no moment at which a server runs unknown.
///
/// SIGQUIT is PostgreSQL's immediate stop: it takes its sessions along, within 5 s at worst.
/// A zombie counts as gone: in a container there may be nobody to collect it.
/// A postmaster that was killed outright leaves a 56-byte System V segment, named in its pid file.
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

/// The name, in a server's folder, of the file that tells the reaper whom to stop.
const PID_FILE: &str = "pid";

/// Watches over one server's folder until it is dropped, or until this process ends.
#[derive(Debug)]
pub(super) struct Reaper {
    folder: PathBuf,
    child: Child,
    cue: Option<ChildStdin>,
}

impl Reaper {
    /// Starts to watch over a folder, which from now on is removed in the end.
    pub(super) fn start(folder: &Path) -> Result<Self, SandboxError> {
        let mut command = Command::new("/bin/sh");
        // It lives as long as we do, and a password may be in our environment (I9).
        template::clean_environment(&mut command);
        let mut child = command
            .args(["-c", SCRIPT, "stagegate-reaper"])
            .arg(folder)
            // A Ctrl-C or a hang-up of the terminal goes to our group: the reaper must outlive it.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(SandboxError::io("start the sandbox's reaper (/bin/sh)"))?;
        let cue = child.stdin.take();
        Ok(Self {
            folder: folder.to_owned(),
            child,
            cue,
        })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.cue.take());
        // Nothing can be told from here; and if somebody killed the reaper, we do its work.
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A command that notes its process id for the reaper, then becomes `program`.
pub(super) fn launch(folder: &Path, program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"echo $$ >"$1" || exit 125; shift; exec "$@""#, "sh"])
        .arg(folder.join(PID_FILE))
        .arg(program)
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    command
}

/// To be called once the launched process has been waited for: its id may now be another's.
pub(super) fn forget(folder: &Path) {
    let _ = fs::remove_file(folder.join(PID_FILE));
}
