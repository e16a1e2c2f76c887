//! A server, and the two programs on it: how long they take, what memory, what the server saw.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stagegate::sandbox::{Sandbox, SandboxOptions};

use crate::scripts::{CLOSES, OPENS};
use crate::terminal::PROGRAM;
use crate::{clients, psql};

/// A server of the benchmark's own.
pub struct Ground {
    pub server: Sandbox,
    psql: PathBuf,
    folder: tempfile::TempDir,
}

/// What a program took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub milliseconds: f64,
    /// The most memory that it had, in bytes; less than the truth where it ended within some
    /// milliseconds after.
    pub peak: f64,
}

impl Ground {
    pub fn lay() -> Ground {
        let mut options = SandboxOptions::for_tests().with("max_locks_per_transaction", "512");
        options.tcp = true;
        Ground {
            server: Sandbox::start(options).unwrap(),
            psql: clients::find_client("psql").expect("psql to compare with"),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// psql on a file, as `psql -f` is run.
    pub fn psql(&self, file: &Path) -> Command {
        let mut command = psql::psql(&self.psql, &self.server, "postgres");
        command.args(["-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f"]);
        command
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    pub fn psql_command(&self, sql: &str) -> Command {
        self.command_of(&self.psql, sql)
    }

    /// The same by what a person gets who types `psql`, where that is another program than the one at the
    /// server's side: Debian has a wrapper in Perl there, which looks for a cluster first.
    pub fn typed_psql_command(&self, sql: &str) -> Option<Command> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut typed = std::env::split_paths(&path).map(|folder| folder.join("psql"));
        let typed = typed.find(|program| program.is_file())?;
        let place = |program: &Path| std::fs::canonicalize(program).ok();
        (place(&typed) != place(&self.psql)).then(|| self.command_of(&typed, sql))
    }

    fn command_of(&self, program: &Path, sql: &str) -> Command {
        let mut command = psql::psql(program, &self.server, "postgres");
        command.args(["-c", sql]).stdout(Stdio::null());
        command
    }

    /// stagegate with these arguments, connected here, or at `port` of this machine.
    pub fn stagegate(&self, arguments: &[&str], port: Option<u16>) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        command.args(self.connection(port));
        self.at_home(&mut command);
        command
    }

    /// stagegate without a server.
    pub fn offline(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        self.at_home(&mut command);
        command
    }

    fn at_home(&self, command: &mut Command) {
        command
            .env("HOME", self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
    }

    /// Where this server is, as options of the command line.
    fn connection(&self, port: Option<u16>) -> Vec<String> {
        let host = match port {
            Some(_) => "127.0.0.1".to_owned(),
            None => self.server.socket_dir().display().to_string(),
        };
        let port = port.unwrap_or(self.server.port()).to_string();
        [
            "-h",
            &host,
            "-p",
            &port,
            "-U",
            self.server.superuser(),
            "-d",
            "postgres",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The last lock window that the log tells of, in milliseconds. Whoever writes the marks asks the
    /// server's clock: a line's own time has whole milliseconds alone.
    pub fn window(&self) -> f64 {
        let log = std::fs::read_to_string(self.server.log_path()).unwrap();
        // A float holds seconds since 1970 to a quarter of a microsecond.
        let at = |mark: &str| -> f64 {
            let mut lines = log.lines().rev();
            // The statement that writes the mark stands in the log as well.
            let told = lines.find_map(|line| line.split_once("LOG:  ")?.1.strip_prefix(mark));
            told.and_then(|seconds| seconds.trim_start().parse::<f64>().ok())
                .unwrap_or_else(|| panic!("no {mark:?} in the log"))
        };
        (at(CLOSES) - at(OPENS)) * 1000.0
    }
}

/// Runs a program to its end.
pub fn run(mut command: Command) -> Cost {
    let since = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    loop {
        if let Some(exit) = child.try_wait().unwrap() {
            let milliseconds = since.elapsed().as_secs_f64() * 1000.0;
            assert!(
                matches!(exit.code(), Some(0 | 4 | 7 | 9)),
                "{command:?} ended with {exit}"
            );
            return Cost { milliseconds, peak };
        }
        if let Some(now) = high_water(&status) {
            peak = now;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `VmHWM` of a process, in bytes.
pub fn high_water(status: &str) -> Option<f64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// The machine and the server, for the page.
pub fn machine_in_words() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let version = stagegate::sandbox::programs::Programs::find().map(|found| found.version);
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    format!(
        "{cores} cores, PostgreSQL {}, a {build} build",
        version.unwrap_or_default()
    )
}
