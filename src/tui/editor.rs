//! The person's own editor on a long query: the screen is given back, and taken again when it ends.
//!
//! A thread waits for it, so that nobody else does: the session, the hold's limit and the signals go on as
//! ever (I2, I7, I14). Its text comes back as text for the field; nothing that was typed in it is a key here
//! (I5). It is in our process group, as psql's is: Ctrl-C there is not for us, and it cannot be suspended,
//! for then nobody would have the terminal.

use super::input::ReaderRest;
use super::terminal;
use crate::runbook::printable::printable;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// What begins a line of ours in the file; such lines do not come back.
const OURS: &str = "-- stagegate: ";
/// The longest file that is read back, in bytes.
const LONGEST: u64 = 1 << 20;
/// How long it has to end when the program leaves, and to be gone when it was made to.
const LEAVING: Duration = Duration::from_millis(300);
const GONE: Duration = Duration::from_millis(100);
/// What a child is not told (I9).
const SECRETS: [&str; 2] = ["PGPASSWORD", "PGSSLPASSWORD"];

/// Which editor, as psql chooses it: the first of its variables that is set, else vi.
#[must_use]
pub fn chosen_editor(variable: impl Fn(&str) -> Option<String>) -> String {
    let names = ["PSQL_EDITOR", "EDITOR", "VISUAL"];
    let mut set = names.into_iter().filter_map(variable);
    let chosen = set.find(|command| !command.trim().is_empty());
    chosen.unwrap_or_else(|| "vi".to_owned())
}

/// The editor that can be opened, on the terminal that is ours.
#[derive(Debug)]
pub struct TextEditor {
    /// As the shell takes it: with options, where it has some.
    pub command: String,
    /// Who reads the keyboard otherwise.
    pub rest: ReaderRest,
    /// Whether the wheel is to send arrow keys again afterwards.
    pub scrolls: bool,
}

/// What became of a text.
#[derive(Debug)]
pub struct EditedText {
    /// The text, or why it is as it was.
    pub text: Result<String, String>,
    /// Whether the screen is ours again.
    pub screen: io::Result<()>,
}

#[derive(Debug, Default)]
struct Running {
    pid: Option<Pid>,
    /// The program leaves: the screen is not taken again.
    leaving: bool,
}

/// An editor that is open. It ends with this.
#[derive(Debug)]
pub struct OpenEditor {
    running: Arc<Mutex<Running>>,
    edited: oneshot::Receiver<EditedText>,
    done: mpsc::Receiver<()>,
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TextEditor {
    /// Opens it on a text, with lines above it that say what a person has to know meanwhile.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(&self, text: &str, notes: &[String]) -> io::Result<OpenEditor> {
        let notes = notes.iter().map(|note| format!("{OURS}{note}\n"));
        let whole: String = notes.chain([format!("{text}\n")]).collect();
        let running = Arc::new(Mutex::new(Running::default()));
        let (tell, edited) = oneshot::channel();
        let (end, done) = mpsc::channel();
        let (shared, rest) = (Arc::clone(&running), self.rest.clone());
        let (command, scrolls) = (self.command.clone(), self.scrolls);
        std::thread::Builder::new()
            .name("editor".to_owned())
            .spawn(move || {
                let edited = edit(&command, &whole, &shared, &rest, scrolls);
                let _ = tell.send(edited);
                let _ = end.send(());
            })?;
        Ok(OpenEditor {
            running,
            edited,
            done,
        })
    }
}

impl OpenEditor {
    /// Waits until it has ended and the screen is ours again. The wait can be given up at any time.
    pub async fn ended(&mut self) -> EditedText {
        let edited = (&mut self.edited).await;
        edited.unwrap_or_else(|_| EditedText {
            text: Err("The part of stagegate that opens the editor failed.".into()),
            screen: Err(ErrorKind::BrokenPipe.into()),
        })
    }
}

impl Drop for OpenEditor {
    fn drop(&mut self) {
        for (signal, time) in [(Signal::TERM, LEAVING), (Signal::KILL, GONE)] {
            {
                let mut running = lock(&self.running);
                running.leaving = true;
                if let Some(pid) = running.pid {
                    let _ = kill_process(pid, signal);
                }
            }
            // Also where its thread has failed, and nobody says so any more.
            let ended = self.done.recv_timeout(time);
            if ended != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
        }
        terminal::leave_foreign_screen();
    }
}

fn edit(
    command: &str,
    text: &str,
    running: &Mutex<Running>,
    rest: &ReaderRest,
    scrolls: bool,
) -> EditedText {
    let folder = match PrivateFolder::make(text) {
        Ok(folder) => folder,
        Err(error) => {
            return EditedText {
                text: Err(format!(
                    "The editor was not opened: no file for it ({error})."
                )),
                screen: Ok(()),
            };
        }
    };
    if !rest.begin() {
        return EditedText {
            text: Err("The editor was not opened: the keyboard is being read.".into()),
            screen: Ok(()),
        };
    }
    terminal::lend();
    let ended = run_editor(command, &folder.file(), running);
    if ended.is_err() {
        terminal::end_foreign_line();
    }
    let leaving = lock(running).leaving;
    let screen = match leaving {
        true => {
            terminal::put_settings_back();
            Ok(())
        }
        false => terminal::take_back(scrolls),
    };
    if !leaving {
        rest.end();
    }
    let text = ended
        .and_then(|()| folder.read())
        .map_err(|why| format!("Nothing was taken: {why}. The query is as it was."));
    EditedText { text, screen }
}

/// Runs the editor as psql does, by a shell.
fn run_editor(command: &str, file: &Path, running: &Mutex<Running>) -> Result<(), String> {
    let mut child = {
        let mut running = lock(running);
        if running.leaving {
            return Err("the program leaves".into());
        }
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("exec {command} \"$@\""), "sh"]);
        shell.arg(file);
        SECRETS.iter().for_each(|name| {
            shell.env_remove(name);
        });
        let child = shell.spawn();
        let child =
            child.map_err(|error| format!("{} cannot be started ({error})", printable(command)))?;
        running.pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        child
    };
    let pid = lock(running).pid;
    wait_for_end(pid);
    // Behind this its number may be somebody else's.
    lock(running).pid = None;
    let status = child.wait().map_err(|error| error.to_string())?;
    match status.code() {
        Some(0) => Ok(()),
        Some(126 | 127) => Err(format!("{} cannot be started", printable(command))),
        Some(code) => Err(format!("the editor ended with code {code}")),
        None => Err("the editor was ended by a signal".into()),
    }
}

/// Waits until it has ended, and wakes it where it was stopped. It is still to be waited for then.
fn wait_for_end(pid: Option<Pid>) {
    let Some(pid) = pid else { return };
    let both = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::Pid(pid), both) {
            Ok(Some(status)) if status.stopped() => {
                let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
                let _ = waitid(WaitId::Pid(pid), stopped);
                let _ = rustix::process::kill_current_process_group(Signal::CONT);
            }
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// A folder that is ours alone, with the text in it; it goes with this, and what else the editor left there.
#[derive(Debug)]
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn make(text: &str) -> io::Result<PrivateFolder> {
        let mut count = 0_u32;
        let folder = loop {
            let name = format!("stagegate-query-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break PrivateFolder(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && count < 1_000 => {
                    count += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(folder.file())?;
        file.write_all(text.as_bytes())?;
        Ok(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("query.sql")
    }

    /// What is in the file now, without our lines and without what ends it.
    fn read(&self) -> Result<String, String> {
        let mut bytes = Vec::new();
        let file = OpenOptions::new().read(true).open(self.file());
        file.and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
            .map_err(|error| format!("the editor's file cannot be read ({error})"))?;
        if bytes.len() as u64 > LONGEST {
            return Err(format!("the editor's file has more than {LONGEST} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "the editor's file is not in UTF-8")?;
        let lines = text.lines().filter(|line| !line.starts_with(OURS.trim()));
        let lines: Vec<&str> = lines.collect();
        Ok(lines.join("\n").trim_end().to_owned())
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_editor_is_the_one_that_psql_would_open() {
        let chosen = |set: &[(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(set, _)| *set == name);
            chosen_editor(|name| find(name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(chosen(&[]), "vi");
        assert_eq!(chosen(&[("VISUAL", "nano")]), "nano");
        assert_eq!(chosen(&[("VISUAL", "nano"), ("EDITOR", "ed -s")]), "ed -s");
        assert_eq!(chosen(&[("PSQL_EDITOR", "a"), ("EDITOR", "b")]), "a");
        assert_eq!(chosen(&[("PSQL_EDITOR", " "), ("EDITOR", "b")]), "b");
    }
}
