//! Nobody left behind: a watch over a folder, and over the one process that was launched for it.
//!
//! It is a small shell script in a process group of its own, whose standard input is a pipe that
//! only we hold. The kernel closes that pipe at exit, panic, SIGKILL and crash alike, and the end
//! of input is the script's one cue, also for an orderly end: so its only path is walked every
//! time. It must be running before there is anything to end.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Waits for the cue, then knows whom to end: `$1` is the folder. Its `pid` file is written by the
/// launched process itself, before it becomes the program (see [`launch`]), so there is no moment
/// at which one runs unknown. A zombie counts as gone: in a container there may be nobody to
/// collect it.
const CUE: &str = r#"
trap '' HUP INT QUIT TERM PIPE TSTP TTIN TTOU
cd /
while read -r _; do :; done
pid=
[ -f "$1/pid" ] && read -r pid <"$1/pid"
alive() {
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    case "$(cat "/proc/$pid/stat" 2>/dev/null)" in *') Z '*) return 1 ;; esac
}
"#;

/// The name, in a watched folder, of the file that tells whom to end.
const PID_FILE: &str = "pid";

/// A running watch. It ends when it is told to, or when this process does.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    cue: Option<ChildStdin>,
}

impl Watch {
    /// Starts `shell`, a command for `/bin/sh` whose environment is fit to outlive us, as `name`.
    /// `ending` is what it does on its cue, with `alive`, `$pid` and `paths` as `$1` and on.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub fn start(
        mut shell: Command,
        name: &str,
        ending: &str,
        paths: &[&Path],
    ) -> io::Result<Watch> {
        let mut child = shell
            .args(["-c", &format!("{CUE}{ending}"), name])
            .args(paths)
            // A Ctrl-C or a hang-up of the terminal goes to our group: it must outlive that.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let cue = child.stdin.take();
        Ok(Watch { child, cue })
    }

    /// Gives the cue and waits until all is done. What the script removes is to be removed once
    /// more by whoever calls this: nothing can be told from here, and somebody may have killed it.
    pub fn end(&mut self) {
        drop(self.cue.take());
        let _ = self.child.wait();
    }
}

/// `shell`, a command for `/bin/sh`, as one that notes its process id for the watch over `folder`,
/// then becomes `program`.
pub fn launch(mut shell: Command, folder: &Path, program: &Path) -> Command {
    shell
        .args(["-c", r#"echo $$ >"$1" || exit 125; shift; exec "$@""#, "sh"])
        .arg(folder.join(PID_FILE))
        .arg(program)
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    shell
}

/// To be called once the launched process was waited for: its id may now be another's.
pub fn forget(folder: &Path) {
    let _ = fs::remove_file(folder.join(PID_FILE));
}
