//! A program in a terminal of its own: the real stagegate walking by lines, or psql.
//!
//! Every wait is bounded, and what is left when it is dropped is killed.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command as Process;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use crate::child::Finish;
use crate::clients::find_client;
use crate::ground::{DATABASE, PATIENCE};
use crate::walking::Said;

/// The program under test.
pub const STAGEGATE: &str = env!("CARGO_BIN_EXE_stagegate");

/// What is said to a line that was typed before its question was there.
const TOO_EARLY: &str = "Typed before this was asked";

#[derive(Default)]
struct Output {
    text: String,
    ended: bool,
}

type Shared = Arc<(Mutex<Output>, Condvar)>;

pub struct Program {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Shared,
    /// Up to where the output was waited for.
    seen: usize,
    _master: Box<dyn MasterPty + Send>,
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// In another network namespace, where one is named.
fn command(namespace: Option<&str>, program: &Path) -> CommandBuilder {
    match namespace {
        None => CommandBuilder::new(program),
        Some(namespace) => {
            let mut command = CommandBuilder::new("ip");
            command.args(["netns", "exec", namespace]);
            command.arg(program);
            command
        }
    }
}

impl Program {
    /// stagegate, walking `script` by lines.
    pub fn stagegate(
        namespace: Option<&str>,
        address: SocketAddr,
        script: &Path,
        journal: &Path,
        more: &[&str],
    ) -> Program {
        let mut command = command(namespace, Path::new(STAGEGATE));
        command.args(["run", "--plain", "-U", "postgres", "-d", DATABASE]);
        command.args(["-h", &address.ip().to_string()]);
        command.args(["-p", &address.port().to_string()]);
        command.args([OsStr::new("--journal"), journal.as_os_str()]);
        command.args(more);
        command.arg(script);
        Program::start(command)
    }

    /// The same over the server's socket, where nothing tells the server that a client is stopped.
    pub fn stagegate_over_socket(
        (folder, port): (&Path, u16),
        script: &Path,
        journal: &Path,
        more: &[&str],
    ) -> Program {
        let mut command = command(None, Path::new(STAGEGATE));
        command.args(["run", "--plain", "-U", "postgres", "-d", DATABASE]);
        command.args([OsStr::new("-h"), folder.as_os_str()]);
        command.args(["-p", &port.to_string()]);
        command.args([OsStr::new("--journal"), journal.as_os_str()]);
        command.args(more);
        command.arg(script);
        Program::start(command)
    }

    /// psql as it is typed at a prompt.
    pub fn psql(namespace: Option<&str>, address: SocketAddr) -> Program {
        let mut command = command(namespace, &find_client("psql").expect("psql"));
        command.args(["-X", "-U", "postgres", "-d", DATABASE]);
        command.args(["-h", &address.ip().to_string()]);
        command.args(["-p", &address.port().to_string()]);
        Program::start(command)
    }

    /// The same over the server's socket.
    pub fn psql_over_socket(folder: &Path, port: u16) -> Program {
        let mut command = command(None, &find_client("psql").expect("psql"));
        command.args(["-X", "-U", "postgres", "-d", DATABASE]);
        command.args([OsStr::new("-h"), folder.as_os_str()]);
        command.args(["-p", &port.to_string()]);
        Program::start(command)
    }

    fn start(mut command: CommandBuilder) -> Program {
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "dumb");
        command.env("LC_ALL", "C.UTF-8");
        command.env("HOME", "/nonexistent");
        // For psql, whose first word would otherwise not be its startup message.
        command.env("PGSSLMODE", "disable");
        command.env("PGGSSENCMODE", "disable");
        command.cwd("/");
        let size = PtySize {
            // So many that the longest script is one page.
            rows: 20_000,
            cols: 500,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let output = Shared::default();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shared = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut bytes = [0; 16_384];
            loop {
                let read = reader.read(&mut bytes).unwrap_or(0);
                let mut output = shared.0.lock().unwrap();
                output
                    .text
                    .push_str(&String::from_utf8_lossy(&bytes[..read]));
                output.ended = read == 0;
                shared.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Program {
            child,
            keys: pair.master.take_writer().unwrap(),
            output,
            seen: 0,
            _master: pair.master,
        }
    }

    pub fn text(&self) -> String {
        self.output.0.lock().unwrap().text.clone()
    }

    /// Waits until one of these comes, after what was waited for before; which.
    pub fn wait_for(&mut self, texts: &[&str]) -> Option<usize> {
        let give_up = Instant::now() + PATIENCE;
        let mut output = self.output.0.lock().unwrap();
        loop {
            let new = &output.text[self.seen..];
            let found = (texts.iter().enumerate())
                .filter_map(|(i, text)| new.find(text).map(|at| (at + text.len(), i)))
                .min();
            if let Some((end, which)) = found {
                self.seen += end;
                return Some(which);
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if output.ended || left.is_zero() {
                return None;
            }
            output = self.output.1.wait_timeout(output, left).unwrap().0;
        }
    }

    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        assert!(
            self.wait_for(&[text]).is_some(),
            "never {text:?} in\n{}",
            self.text()
        );
    }

    pub fn line(&mut self, text: &str) {
        let _ = self.keys.write_all(format!("{text}\r").as_bytes());
        let _ = self.keys.flush();
    }

    pub fn process_id(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process_id()).unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        let _ = kill_process(pid, signal);
    }

    /// Waits for its end; `None` when it does not come.
    pub fn wait(&mut self, limit: Duration) -> Option<portable_pty::ExitStatus> {
        let give_up = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What it said last is still on its way.
                let mut output = self.output.0.lock().unwrap();
                while !output.ended && Instant::now() < give_up {
                    let waited = self
                        .output
                        .1
                        .wait_timeout(output, Duration::from_millis(100));
                    output = waited.unwrap().0;
                }
                return Some(status);
            }
            if Instant::now() > give_up {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    // ---- stagegate's walk ---------------------------------------------------------------------

    /// Reads, signs and applies.
    pub fn apply(&mut self) {
        // It warns of another run here that has no outcome yet.
        let there = "2. This is the right server, database and role: ";
        let found = self.wait_for(&[&format!("{there}HOLDS"), &format!("{there}WARNS")]);
        assert!(found.is_some(), "no connection in\n{}", self.text());
        self.line("read script");
        let findings = findings(&self.text());
        for nth in 1..=findings {
            let done = format!("{nth} of {findings} finding");
            self.insist("acknowledge 1", &done);
        }
        for (number, sentence) in [
            "The script was read to its end",
            "This is the right server, database and role",
            "A backup of the database exists",
            "The way back is planned: how to undo this is known",
        ]
        .into_iter()
        .enumerate()
        {
            let number = number + 1;
            let done = format!("{number}. {sentence}: signed.");
            // The reference to the backup, and the name on the connection.
            self.insist(&format!("sign {number} {DATABASE}"), &done);
        }
        // Where the server is quick the transaction is open before its BEGIN is told.
        self.insist("apply", "BEGIN");
    }

    /// Types a line until it is taken: one that comes too early is refused, and says so.
    pub fn insist(&mut self, line: &str, done: &str) {
        loop {
            self.line(line);
            match self.wait_for(&[done, TOO_EARLY]) {
                Some(0) => return,
                Some(_) => {}
                None => panic!("never {done:?} in\n{}", self.text()),
            }
        }
    }

    /// The gate, with the question for the name open. `false` where it never came to that.
    pub fn ask_to_commit(&mut self) -> bool {
        const ASKED: &str = "COMMIT: type the name of the database";
        loop {
            // It arms after it was looked at for a while.
            std::thread::sleep(Duration::from_millis(450));
            self.line("commit");
            match self.wait_for(&[ASKED, "not armed yet", TOO_EARLY]) {
                Some(0) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    pub fn wait_for_gate(&mut self) {
        self.expect("Type commit or rollback.");
    }

    /// What was said last of the transaction, where anything was.
    pub fn said(&self) -> Option<Said> {
        let text = self.text();
        text.lines().rev().find_map(|line| said(line.trim()))
    }
}

/// How many findings the linter has, as the evidence of the script says.
fn findings(text: &str) -> usize {
    let before = text.split(" lint finding").next().unwrap_or_default();
    let count = before.rsplit(' ').next().unwrap_or_default();
    match text.contains(" lint finding") {
        true => count.parse().unwrap(),
        false => 0,
    }
}

/// What a line says of the outcome.
pub fn said(line: &str) -> Option<Said> {
    use stagegate::facts::Inquiry;
    if line.starts_with("COMMITTED") {
        Some(Said::Committed(line.to_owned()))
    } else if line.starts_with("ROLLED BACK") {
        Some(Said::RolledBack(line.to_owned()))
    } else if line.starts_with("UNKNOWN") {
        Some(Said::Unknown(Inquiry::Unknowable(line.to_owned())))
    } else if line.starts_with("NOT CONNECTED") {
        Some(Said::NotConnected)
    } else {
        None
    }
}

/// `stagegate outcome`: what it says, and its exit code.
pub fn outcome(journal: &Path, address: SocketAddr, more: &[&str]) -> (String, Option<i32>) {
    let output = Process::new(STAGEGATE)
        .arg("outcome")
        .args(more)
        .args(["-h", &address.ip().to_string()])
        .args(["-p", &address.port().to_string()])
        .arg(journal)
        .env_clear()
        .finish("stagegate outcome");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match text.is_empty() {
        true => (errors, output.status.code()),
        false => (text, output.status.code()),
    }
}
