//! The real libpq of the machine, asked through a small C program that is built here.

use crate::aloud::skip;
use crate::child::Finish;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Names another libpq than the machine's `libpq.so.5`.
const LIBRARY: &str = "STAGEGATE_LIBPQ";

/// libpq, in a process of its own.
pub struct Libpq {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

/// What it makes of a question: its complaint, or values by name.
pub type Answer = Result<BTreeMap<String, String>, String>;

impl Libpq {
    /// Builds and starts it. Where there is no compiler or no libpq that is said, loudly.
    pub fn start() -> Option<Libpq> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ask");
        let built = Command::new("cc")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libpq/ask.c"))
            .arg("-o")
            .arg(&program)
            .arg("-ldl")
            .spawn();
        if !built.is_ok_and(|cc| cc.finish("cc").status.success()) {
            skip("without a C compiler, libpq cannot be asked");
            return None;
        }
        let library = std::env::var(LIBRARY).unwrap_or_else(|_| "libpq.so.5".into());
        let mut child = Command::new(&program)
            .arg(&library)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut libpq = Libpq {
            child,
            questions,
            answers,
            _folder: folder,
        };
        if libpq.try_ask("K").is_none() {
            skip(&format!(
                "{library} cannot be loaded, so libpq cannot be asked"
            ));
            return None;
        }
        Some(libpq)
    }

    fn try_ask(&mut self, question: &str) -> Option<Answer> {
        writeln!(self.questions, "{question}").ok()?;
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        match words.next()? {
            "E" => Some(Err(words.next().map(text).unwrap_or_default())),
            _ => Some(Ok(words
                .map(|word| word.split_once('=').unwrap())
                .map(|(name, value)| (name.to_owned(), text(value)))
                .collect())),
        }
    }

    fn ask(&mut self, question: &str) -> Answer {
        self.try_ask(question).expect("libpq answers")
    }

    pub fn keywords(&mut self) -> Vec<String> {
        self.ask("K").unwrap().into_keys().collect()
    }

    pub fn speaks_tls(&mut self) -> bool {
        self.ask("K").unwrap()["sslmode"] == "prefer"
    }

    /// Whether it takes a space in a URI as it is, as before 18.
    pub fn takes_spaces(&mut self) -> bool {
        self.parse("postgresql://a b").is_ok()
    }

    /// What it makes of a connection string alone.
    pub fn parse(&mut self, string: &str) -> Answer {
        self.ask(&format!("S {}", hex(string)))
    }

    /// What it makes of an environment and psql's options `h`, `p`, `u`, `d`.
    pub fn connect(
        &mut self,
        environment: &[(String, String)],
        options: &[(char, String)],
    ) -> Answer {
        let mut question = String::from("C");
        for (name, value) in environment {
            question.push_str(&format!(" {name}={}", hex(value)));
        }
        for (name, value) in options {
            question.push_str(&format!(" {name}:{}", hex(value)));
        }
        self.ask(&question)
    }

    /// Where it looks for a socket when nobody names a host.
    pub fn socket_directory(&mut self) -> Option<String> {
        let answer = self.connect(&[("PGPORT".into(), "1".into())], &[]).ok()?;
        Some(answer["HOST"].clone()).filter(|host| host.starts_with('/'))
    }
}

impl Drop for Libpq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn text(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
