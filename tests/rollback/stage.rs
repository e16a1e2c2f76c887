//! A private server with the demo's database, and the program on it: by lines in a terminal, or
//! with nobody there.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::child::{Finish, until};
use crate::clients::find_client;
use crate::session::Session;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use stagegate::journal::{Entry, chain};
use stagegate::sandbox::demo::{Demo, DemoOptions, Scenario};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// How long something may take to happen before a test gives up. Never part of a promise.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a person takes to type a line.
const TYPING: Duration = Duration::from_millis(500);
/// What the program says when a line came sooner than that.
const TOO_QUICK: [&str; 2] = ["Typed before this was asked", "not armed yet"];

pub struct Stage {
    demo: Demo,
    home: tempfile::TempDir,
}

impl Stage {
    pub fn set() -> Stage {
        Stage::with(DemoOptions::for_tests(Scenario::Clean))
    }

    fn with(options: DemoOptions) -> Stage {
        Stage {
            demo: options.prepare(|_| {}).unwrap(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// A server that logs every statement, and listens on TCP as well.
    pub fn logged() -> Stage {
        let mut options = DemoOptions::for_tests(Scenario::Clean);
        options.sandbox.tcp = true;
        options.sandbox = options.sandbox.with("log_statement", "all");
        Stage::with(options)
    }

    pub fn sandbox(&self) -> &stagegate::sandbox::Sandbox {
        self.demo.sandbox()
    }

    /// Runs SQL as the superuser, each statement for itself.
    pub fn superuser(&self, statements: &[&str]) {
        let sandbox = self.demo.sandbox();
        let config = sandbox.connection(sandbox.superuser(), self.demo.database());
        runtime().block_on(async {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            for statement in statements {
                client.batch_execute(statement).await.unwrap();
            }
        });
    }

    /// What the last of these statements returns, in the first column, all in one session of the superuser.
    pub fn answer(&self, statements: &[&str]) -> Vec<String> {
        let sandbox = self.demo.sandbox();
        let config = sandbox.connection(sandbox.superuser(), self.demo.database());
        runtime().block_on(async {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            let mut last = Vec::new();
            for statement in statements {
                last = client.simple_query(statement).await.unwrap();
            }
            let rows = last.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            rows.collect()
        })
    }

    /// Keeps a lock on tables in a session of its own, until it is dropped.
    pub fn lock(&self, tables: &str, mode: &str) -> Session {
        let config = self
            .demo
            .sandbox()
            .connection(self.demo.role(), self.demo.database());
        let sql = format!("BEGIN; LOCK TABLE {tables} IN {mode} MODE");
        Session::open(&config, &sql)
    }

    /// The same with the migration committed, without the program.
    pub fn migrated() -> Stage {
        let stage = Stage::set();
        stage.apply(&script());
        stage
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs SQL as the owner of the tables and commits it.
    pub fn apply(&self, sql: &str) {
        let sql: String = sql
            .lines()
            .filter(|line| !line.starts_with('\\'))
            .flat_map(|line| [line, "\n"])
            .collect();
        let sandbox = self.demo.sandbox();
        let config = sandbox.connection(self.demo.role(), self.demo.database());
        runtime().block_on(async {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            let driving = tokio::spawn(connection);
            client.batch_execute(&sql).await.unwrap();
            client.batch_execute("COMMIT").await.unwrap();
            drop(client);
            let _ = driving.await;
        });
    }

    /// The schema as pg_dump sees it, which knows nothing of our catalog queries.
    pub fn dump(&self) -> String {
        let output = Command::new(find_client("pg_dump").expect("pg_dump"))
            .arg("-s")
            .args(self.target())
            .finish("pg_dump -s");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let text = String::from_utf8(output.stdout).unwrap();
        // Newer versions guard a dump with a word drawn for each.
        text.lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    pub fn target(&self) -> Vec<String> {
        vec![
            "-h".into(),
            self.demo.host().display().to_string(),
            "-p".into(),
            self.demo.port().to_string(),
            "-U".into(),
            self.demo.role().into(),
            "-d".into(),
            self.demo.database().into(),
        ]
    }

    fn arguments(&self, role: Option<&str>, command: &[&str]) -> (Vec<String>, PathBuf) {
        let journal = tempfile::Builder::new()
            .prefix("journal")
            .tempdir_in(self.home())
            .unwrap()
            .keep()
            .join("run.jsonl");
        let mut arguments: Vec<String> = command.iter().map(|text| (*text).into()).collect();
        let mut target = self.target();
        if let Some(role) = role {
            let own = target.iter().position(|word| word == "-U").unwrap();
            target[own + 1] = role.to_owned();
        }
        arguments.extend(target);
        // What only looks keeps no journal.
        if !command.contains(&"verify") {
            arguments.extend(["--journal".into(), journal.display().to_string()]);
        }
        (arguments, journal)
    }

    /// The program with nobody at a terminal: its output, and its journal.
    pub fn alone(&self, command: &[&str]) -> (Output, Vec<Entry>) {
        self.alone_with(None, command)
    }

    /// The same as another role.
    pub fn alone_as(&self, role: &str, command: &[&str]) -> (Output, Vec<Entry>) {
        self.alone_with(Some(role), command)
    }

    fn alone_with(&self, role: Option<&str>, command: &[&str]) -> (Output, Vec<Entry>) {
        let (arguments, journal) = self.arguments(role, command);
        let output = Command::new(env!("CARGO_BIN_EXE_stagegate"))
            .args(arguments)
            .env("HOME", self.home())
            .stdin(Stdio::null())
            .finish("stagegate with nobody at a terminal");
        (output, entries(&journal))
    }

    /// The program in a terminal, by lines, as another role.
    pub fn typed_as(&self, role: &str, command: &[&str]) -> Person {
        let (arguments, journal) = self.arguments(Some(role), command);
        Person::sit_down(&arguments, self.home(), journal)
    }

    /// The program in a terminal, by lines.
    pub fn typed(&self, command: &[&str]) -> Person {
        let (arguments, journal) = self.arguments(None, command);
        Person::sit_down(&arguments, self.home(), journal)
    }
}

pub fn script() -> String {
    file("STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql")
}

pub fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/stage_1_utn_workflow");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

pub fn entries(journal: &Path) -> Vec<Entry> {
    let Ok(text) = std::fs::read_to_string(journal) else {
        return Vec::new();
    };
    let lines = chain::verify(&text).unwrap_or_else(|broken| panic!("{broken}\n{text}"));
    lines.into_iter().map(|line| line.entry).collect()
}

#[derive(Clone, Default)]
struct Heard(Arc<(Mutex<(String, bool)>, Condvar)>);

/// Somebody who reads lines and types lines.
pub struct Person {
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    heard: Heard,
    journal: PathBuf,
}

impl Person {
    fn sit_down(arguments: &[String], home: &Path, journal: PathBuf) -> Person {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_stagegate"));
        command.args(arguments);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home);
        command.env("TERM", "dumb");
        let size = PtySize {
            cols: 200,
            // So many that the longest script is one page.
            rows: 20_000,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let heard = Heard::default();
        let (mut output, into) = (pair.master.try_clone_reader().unwrap(), heard.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let read = output.read(&mut bytes).unwrap_or_default();
                let mut heard = into.0.0.lock().unwrap();
                heard.0.push_str(&String::from_utf8_lossy(&bytes[..read]));
                heard.1 |= read == 0;
                into.0.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Person {
            keys: pair.master.take_writer().unwrap(),
            _master: pair.master,
            child,
            heard,
            journal,
        }
    }

    /// All that was said so far.
    pub fn text(&self) -> String {
        self.heard.0.0.lock().unwrap().0.clone()
    }

    /// Waits until one of `texts` was said behind byte `from`, wherever its line was broken; which.
    #[track_caller]
    fn wait_for_any(&self, texts: &[&str], from: usize) -> usize {
        let found = |said: &str| {
            let said = said.get(from..).unwrap_or_default();
            let whole = said.replace("\r\n  ", " ");
            let said = |text: &&str| said.contains(*text) || whole.contains(*text);
            texts.iter().position(said)
        };
        self.until(&format!("{texts:?}"), found)
    }

    #[track_caller]
    pub fn wait_until(&mut self, holds: impl Fn(&str) -> bool) -> &mut Person {
        self.until("what was waited for", |said| holds(said).then_some(()));
        self
    }

    /// Waits until `find` finds something in all that was said.
    #[track_caller]
    fn until<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let give_up = Instant::now() + PATIENCE;
        let mut heard = self.heard.0.0.lock().unwrap();
        loop {
            if let Some(found) = find(&heard.0) {
                return found;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            assert!(
                !heard.1 && !left.is_zero(),
                "never said {what}:\n{}",
                heard.0
            );
            heard = self.heard.0.1.wait_timeout(heard, left).unwrap().0;
        }
    }

    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Person {
        self.wait_for_any(&[text], 0);
        self
    }

    /// Types a line until it is answered with `answer`; the program refuses what comes too quickly.
    #[track_caller]
    pub fn line(&mut self, line: &str, answer: &str) -> &mut Person {
        let answers = [answer, TOO_QUICK[0], TOO_QUICK[1]];
        loop {
            let from = self.text().len();
            self.keys.write_all(format!("{line}\r").as_bytes()).unwrap();
            self.keys.flush().unwrap();
            if self.wait_for_any(&answers, from) == 0 {
                return self;
            }
            std::thread::sleep(TYPING);
        }
    }

    /// Reads the scripts, signs all items, applies, and waits for the gate.
    #[track_caller]
    pub fn walk_to_the_gate(&mut self, items: usize) -> &mut Person {
        for item in 1..=items {
            self.wait_for(&format!("\n{item}. "));
        }
        self.line("read script", "stagegate holds it back");
        self.line("sign 1 b7", ": signed.");
        for item in 2..=items {
            // The connection asks for the name of the database; the others take a note.
            self.line(&format!("sign {item} wiser_ops"), ": signed.");
        }
        self.line("apply", "Type commit or rollback.")
    }

    #[track_caller]
    pub fn commit(&mut self) -> &mut Person {
        self.line("commit", "COMMIT: type the name of the database");
        self.line("wiser_ops", "COMMITTED: the server answered COMMIT");
        self.wait_for("Post-verification: ")
    }

    /// Waits for the end: the exit code, and the journal.
    #[track_caller]
    pub fn leave(&mut self) -> (u32, Vec<Entry>) {
        self.line("quit", "Journal: ");
        let code = until("the program ends after quit", || {
            self.child.try_wait().unwrap()
        });
        let code = code.exit_code();
        (code, entries(&self.journal))
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
