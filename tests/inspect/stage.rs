//! A private server with the demo's database, and what the program says of it.

use crate::answers;
use crate::child::Finish;
use stagegate::sandbox::demo::{Demo, DemoOptions, Scenario};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_stagegate");

/// The script, as a person would apply it.
pub const SCRIPT: &str =
    include_str!("../../sql/stage_1_utn_workflow/STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql");

pub struct Stage {
    demo: Demo,
    home: tempfile::TempDir,
}

impl Stage {
    /// The schema as it is before the migration. Every statement is logged.
    pub fn pristine() -> Stage {
        let mut options = DemoOptions::for_tests(Scenario::Clean);
        options.sandbox = options
            .sandbox
            .with("log_statement", "all")
            .with("log_min_messages", "log");
        Stage {
            demo: options.prepare(|_| {}).unwrap(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub fn migrated() -> Stage {
        let stage = Stage::pristine();
        stage.owner(&plain(SCRIPT));
        stage
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn demo(&self) -> &Demo {
        &self.demo
    }

    /// Writes a file beside the program's home; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The options that lead to the demo's database as `role`.
    pub fn way(&self, role: &str) -> Vec<String> {
        vec![
            "-h".into(),
            self.demo.host().display().to_string(),
            "-p".into(),
            self.demo.port().to_string(),
            "-U".into(),
            role.into(),
            "-d".into(),
            self.demo.database().into(),
        ]
    }

    /// `stagegate COMMAND` as `role`.
    pub fn run_as(&self, role: &str, arguments: &[&str]) -> Said {
        let (command, further) = arguments.split_first().unwrap();
        let mut all = vec![(*command).to_owned()];
        all.extend(self.way(role));
        all.extend(further.iter().map(|text| (*text).to_owned()));
        run(self.home(), &all)
    }

    /// `stagegate verify` as the owner.
    pub fn verify(&self, further: &[&str]) -> Said {
        let mut arguments = vec!["verify"];
        arguments.extend(further);
        self.run_as(self.demo.role(), &arguments)
    }

    /// Runs SQL as a role; the first column of each row.
    pub fn ask_as(&self, role: &str, sql: &str) -> Vec<String> {
        let config = self.demo.sandbox().connection(role, self.demo.database());
        answers::ask(&config, sql)
    }

    /// Runs SQL as the owner of the tables.
    pub fn owner(&self, sql: &str) -> Vec<String> {
        self.ask_as(self.demo.role(), sql)
    }

    pub fn superuser(&self, sql: &str) -> Vec<String> {
        self.ask_as(self.demo.sandbox().superuser(), sql)
    }

    /// Everything that could have been written: structure, rows, sequences, settings, roles.
    pub fn content(&self) -> BTreeSet<String> {
        let rows = self.superuser(
            "SELECT format('%s.%s %s', nspname, relname, (SELECT word FROM ts_stat(
                 format('SELECT array_to_tsvector(ARRAY[md5(coalesce(string_agg(x::text, ''|'' ORDER BY x::text), ''-''))])
                         FROM (SELECT * FROM %I.%I) x', nspname, relname))))
             FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
             WHERE relkind IN ('r', 'S') AND nspname NOT LIKE 'pg\\_%'
               AND nspname <> 'information_schema'
             UNION ALL
             SELECT format('%s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod))
             FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
             JOIN pg_namespace n ON n.oid = relnamespace
             WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
             UNION ALL SELECT format('%s %s', setdatabase, setconfig) FROM pg_db_role_setting
             UNION ALL SELECT format('role %s %s', rolname, rolsuper) FROM pg_roles
             UNION ALL SELECT format('function %s', oid::regprocedure) FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace",
        );
        rows.into_iter().collect()
    }

    /// Every statement that the program's own sessions sent, as the server logged it.
    pub fn logged(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.demo.sandbox().log_path()).unwrap();
        let mut statements: Vec<String> = Vec::new();
        let mut ours = false;
        for line in log.lines() {
            // A line that goes on from the one before begins with a tab.
            if let Some(rest) = line.strip_prefix('\t') {
                if let (true, Some(last)) = (ours, statements.last_mut()) {
                    last.push('\n');
                    last.push_str(rest);
                }
                continue;
            }
            let ends = [
                "stagegate inspect LOG:  statement: ",
                "stagegate inspect LOG:  execute <unnamed>: ",
            ];
            let found = ends.iter().find_map(|end| line.split_once(end));
            ours = found.is_some();
            statements.extend(found.map(|(_, statement)| statement.to_owned()));
        }
        statements
    }

    /// Asserts that nothing but reading reached the server.
    #[track_caller]
    pub fn assert_only_read(&self) -> usize {
        let statements = self.logged();
        assert!(!statements.is_empty(), "nothing was logged");
        for statement in &statements {
            let text = without_comments(statement);
            let query = ["SELECT", "WITH", "VALUES", "TABLE"]
                .iter()
                .any(|word| text.starts_with(word));
            assert!(
                query || ["BEGIN READ ONLY", "ROLLBACK"].contains(&text.as_str()),
                "this reached the server: {statement}"
            );
        }
        statements.len()
    }
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Asserts the exit code.
    #[track_caller]
    pub fn ended(&self, code: i32) -> &Said {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    /// Asserts that it said each of these.
    #[track_caller]
    pub fn said(&self, texts: &[&str]) -> &Said {
        for text in texts {
            assert!(self.out.contains(text), "no {text:?} in\n{}", self.out);
        }
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// Runs the program with nothing of this process's environment but `PATH`.
pub fn run(home: &Path, arguments: &[String]) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .finish("stagegate that looks");
    Said {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A script without psql's own commands, committed.
pub fn plain(script: &str) -> String {
    let lines: Vec<&str> = script.lines().filter(|l| !l.starts_with('\\')).collect();
    format!("{}\nCOMMIT;", lines.join("\n"))
}

fn without_comments(statement: &str) -> String {
    let lines = statement
        .lines()
        .filter(|l| !l.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
