//! The person's own editor on a long query: the screen is given back, and taken again when it ends.
//!
//! A thread waits for it, so that nobody else does: the session, the hold's limit and the signals go on as
//! ever (I2, I7, I14). Its text comes back as text for the field; nothing that was typed in it is a key here
//! (I5). What was saved in it and cannot be taken is kept, and where is said. It is in our process group, as
//! psql's is: Ctrl-C there is not for us, and it cannot be suspended, for then nobody would have the
//! terminal. Where we leave first, it ends with all that it started, so that nobody reads the keyboard
//! beside the shell.

use super::field::QUERY;
use super::input::ReaderRest;
use super::terminal;
use crate::runbook::printable::printable;
use rustix::fs::OFlags;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, test_kill_process, waitid,
};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What begins a line of ours in the file; such lines do not come back.
const OURS: &str = "-- stagegate: ";
/// The longest file that is read back, in bytes.
const LONGEST: u64 = 1 << 20;
/// How long it has to end when the program leaves, and to be gone when it was made to.
const LEAVING: Duration = Duration::from_millis(300);
const GONE: Duration = Duration::from_millis(100);
/// The same where the process ends without its loop, and both together.
const HASTE: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(50)];
pub(crate) const ENDING: Duration = Duration::from_millis(150);
/// How often it is looked at then.
const LOOK: Duration = Duration::from_millis(5);
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

#[derive(Debug)]
pub struct EditedText {
    /// The text, or why it is as it was.
    pub text: Result<String, String>,
    /// Whether the screen is ours again.
    pub screen: io::Result<()>,
}

/// The editor that is open, for whom the process ends by.
static OPEN: Mutex<Option<Arc<Mutex<Running>>>> = Mutex::new(None);

#[derive(Debug, Default)]
struct Running {
    pid: Option<Pid>,
    /// The program leaves: the screen is not taken again.
    leaving: bool,
    /// Where what was saved is kept, to be said once its screen is left.
    kept: Option<String>,
}

/// An editor that is open. It ends with this.
#[derive(Debug)]
pub struct OpenEditor {
    running: Arc<Mutex<Running>>,
    edited: oneshot::Receiver<EditedText>,
    done: mpsc::Receiver<()>,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TextEditor {
    /// Opens it on a text, with lines below it that say what a person has to know meanwhile: the cursor of
    /// an editor begins at the top, and what is typed there is the query.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(&self, text: &str, notes: &[String]) -> io::Result<OpenEditor> {
        let notes = notes.iter().map(|note| format!("{OURS}{note}\n"));
        let whole: String = [format!("{text}\n\n")].into_iter().chain(notes).collect();
        let running = Arc::new(Mutex::new(Running::default()));
        let (tell, edited) = oneshot::channel();
        let (end, done) = mpsc::channel();
        let (shared, rest) = (Arc::clone(&running), self.rest.clone());
        *lock(&OPEN) = Some(Arc::clone(&running));
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
        end_editor(&self.running, [LEAVING, GONE]);
        *lock(&OPEN) = None;
        // Also where its thread has failed, and nobody says so any more.
        let _ = self.done.recv_timeout(GONE);
        if let Some(kept) = lock(&self.running).kept.take() {
            terminal::say_foreign_line(&kept);
        }
    }
}

/// Ends the editor that is open, if one is, where the process ends without its loop.
pub(crate) fn end_open_editor() {
    // Whoever hangs with this in hand must not hold up the end.
    let open = OPEN.try_lock().ok().and_then(|open| open.clone());
    if let Some(running) = &open {
        end_editor(running, HASTE);
        terminal::put_settings_back();
    }
}

/// Ends the editor with all that it started, and leaves its screen where it did not do so itself.
fn end_editor(running: &Mutex<Running>, times: [Duration; 2]) {
    let pid = {
        let mut running = lock(running);
        running.leaving = true;
        running.pid
    };
    let Some(pid) = pid else { return };
    let started = started_by(pid);
    for (signal, time) in [Signal::TERM, Signal::KILL].into_iter().zip(times) {
        {
            // Until it is waited for, its number is nobody else's.
            let running = lock(running);
            for pid in running.pid.iter().chain(&started) {
                let _ = kill_process(*pid, signal);
            }
        }
        let since = Instant::now();
        while since.elapsed() < time {
            let gone = started.iter().all(|pid| test_kill_process(*pid).is_err());
            if gone && lock(running).pid.is_none() {
                if signal == Signal::KILL {
                    terminal::leave_foreign_screen();
                }
                return;
            }
            std::thread::sleep(LOOK);
        }
    }
    terminal::leave_foreign_screen();
}

/// Every process that `pid` has started, and those that they have, as far as the system tells.
fn started_by(pid: Pid) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(Pid, Pid)> = processes
        .filter_map(|entry| {
            let number = |text: &str| text.parse().ok().and_then(Pid::from_raw);
            let pid = number(entry.file_name().to_str()?)?;
            let state = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // Its name stands in brackets, and may hold anything.
            let (_, behind) = state.rsplit_once(')')?;
            Some((pid, number(behind.split_whitespace().nth(1)?)?))
        })
        .collect();
    let mut all = vec![pid];
    let mut looked = 0;
    while let Some(parent) = all.get(looked).copied() {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        all.extend(children.map(|(pid, _)| *pid));
        looked += 1;
    }
    all.split_off(1)
}

fn edit(
    command: &str,
    text: &str,
    running: &Mutex<Running>,
    rest: &ReaderRest,
    scrolls: bool,
) -> EditedText {
    let mut folder = match PrivateFolder::make(text) {
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
    let text = match ended {
        Ok(()) => folder.take(),
        // Ended by a signal or by us: whoever saved in it does not lose that.
        Err(EditorEnd::Struck(why)) => Err(folder.keep_changed(text, &why)),
        Err(EditorEnd::Refused(why)) => Err(why),
    };
    let text = text.map_err(|why| format!("Nothing was taken: {why}. The query is as it was."));
    lock(running).kept = folder.kept().filter(|_| leaving);
    EditedText { text, screen }
}

/// How an editor ended from which nothing is taken.
enum EditorEnd {
    /// By its own choice, or it never began.
    Refused(String),
    Struck(String),
}

/// Runs the editor as psql does, by a shell.
fn run_editor(command: &str, file: &Path, running: &Mutex<Running>) -> Result<(), EditorEnd> {
    let mut child = {
        let mut running = lock(running);
        if running.leaving {
            return Err(EditorEnd::Refused("the program leaves".into()));
        }
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("exec {command} \"$@\""), "sh"]);
        shell.arg(file);
        SECRETS.iter().for_each(|name| {
            shell.env_remove(name);
        });
        let child = shell.spawn();
        let child = child.map_err(|error| {
            EditorEnd::Refused(format!(
                "{} cannot be started ({error})",
                printable(command)
            ))
        })?;
        running.pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        child
    };
    let pid = lock(running).pid;
    wait_for_end(pid);
    // Behind this its number may be somebody else's.
    lock(running).pid = None;
    let status = child
        .wait()
        .map_err(|error| EditorEnd::Struck(error.to_string()))?;
    let refused = |why| Err(EditorEnd::Refused(why));
    match status.code() {
        Some(0) => Ok(()),
        Some(126 | 127) => refused(format!("{} cannot be started", printable(command))),
        Some(code) if code < 128 && !lock(running).leaving => {
            refused(format!("the editor ended with code {code}"))
        }
        // As a shell says that a signal ended what it ran.
        Some(_) | None => Err(EditorEnd::Struck("the editor was ended by a signal".into())),
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

/// A folder that is ours alone, with the text in it; it goes with this, and what else the editor left there,
/// unless it is kept.
#[derive(Debug)]
struct PrivateFolder {
    path: PathBuf,
    keeps: bool,
}

impl PrivateFolder {
    fn make(text: &str) -> io::Result<PrivateFolder> {
        let mut count = 0_u32;
        let folder = loop {
            let name = format!("stagegate-query-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break PrivateFolder { path, keeps: false },
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
        self.path.join("query.sql")
    }

    /// What is in the file now, without our lines and without what ends it; what cannot be taken is kept.
    fn take(&mut self) -> Result<String, String> {
        self.read().map_err(|why| self.keep(&why))
    }

    fn read(&self) -> Result<String, String> {
        let mut bytes = Vec::new();
        // A pipe in its place would let nobody go on before somebody writes into it.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(self.file());
        file.and_then(|file| match file.metadata()?.is_file() {
            true => file.take(LONGEST + 1).read_to_end(&mut bytes),
            false => Err(io::Error::other("it is no file")),
        })
        .map_err(|error| format!("the editor's file cannot be read ({error})"))?;
        if bytes.len() as u64 > LONGEST {
            return Err(format!("the editor's file has more than {LONGEST} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "the editor's file is not in UTF-8")?;
        let text = without_ours(&text);
        let letters = text.chars().count();
        if letters > QUERY {
            return Err(format!(
                "a query has {QUERY} characters at most, and this has {letters}"
            ));
        }
        Ok(text)
    }

    fn keep(&mut self, why: &str) -> String {
        self.keeps = true;
        format!("{why}. It is kept in {}", self.file().display())
    }

    /// Keeps what was saved since `before` was written; where nothing was, nothing is kept.
    fn keep_changed(&mut self, before: &str, why: &str) -> String {
        match self.read() {
            Ok(text) if text == without_ours(before) => why.to_owned(),
            Ok(_) | Err(_) => self.keep(&format!("{why}, and what was saved in it is not lost")),
        }
    }

    /// Where the text is kept, in a sentence.
    fn kept(&self) -> Option<String> {
        let file = self.file();
        let said = || {
            format!(
                "What was saved in the editor is kept in {}.",
                file.display()
            )
        };
        self.keeps.then(said)
    }
}

/// A text without the lines above it that are ours, and without what ends it.
fn without_ours(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with(OURS.trim()));
    let lines: Vec<&str> = lines.collect();
    lines.join("\n").trim_end().to_owned()
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if !self.keeps {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let mut folder = PrivateFolder::make("SELECT 1").unwrap();
        assert_eq!(folder.take(), Ok("SELECT 1".to_owned()));
        std::fs::remove_file(folder.file()).unwrap();
        mknodat(CWD, folder.file(), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let (say, said) = mpsc::channel();
        std::thread::spawn(move || say.send(folder.read()));
        let refused = said.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(refused.unwrap_err().contains("it is no file"));
    }

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
