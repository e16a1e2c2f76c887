//! The scanner held against psql itself.
//!
//! What psql sends is what its `-L` log says, on a private server. Two sets of files:
//!
//! - `tests/fixtures/psql/*.sql`, small and nasty, with what psql 15 sent recorded beside them:
//!   always compared with the recording, and the recording with psql where there is one. After
//!   a new file: `STAGEGATE_RECORD=1 cargo test --test scanner_oracle`.
//! - PostgreSQL's own regression suite, which nobody wrote for us:
//!
//!   ```text
//!   apt-get source --download-only postgresql-15    # needs deb-src in the apt sources
//!   tar xjf postgresql-15_*.orig.tar.bz2 --wildcards '*/src/test/regress'
//!   STAGEGATE_REGRESS_DIR=$PWD/postgresql-15.18/src/test/regress \
//!       cargo test --test scanner_oracle -- --ignored --nocapture
//!   ```
//!
//! Three things about that suite only a server knows, and no scanner of text can: the values of
//! psql's variables, which COPY the server refused (psql then takes its data for SQL), and which
//! branch of `\if` was taken. The test is told the first two and counts the third by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test through and through.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use stagegate::runbook::script::{Script, Statement};
use stagegate::sandbox::{Sandbox, SandboxOptions};

#[path = "shared/aloud.rs"]
mod aloud;
#[path = "shared/child.rs"]
mod child;
#[path = "shared/clients.rs"]
mod clients;
#[path = "shared/random.rs"]
mod dice;
#[path = "shared/psql.rs"]
mod psql;
#[path = "scanner_oracle/variables.rs"]
mod variables;

use child::Finish;

/// A private server, and the `psql` that talks to it.
struct Server {
    sandbox: Sandbox,
    program: PathBuf,
    logs: tempfile::TempDir,
}

impl Server {
    /// None where there is no `psql`.
    fn start() -> Option<Server> {
        let program = clients::find_client("psql")?;
        let options = SandboxOptions::for_tests()
            .with("max_prepared_transactions", "2")
            .with("max_locks_per_transaction", "256")
            .with("statement_timeout", "120s");
        let sandbox = Sandbox::start(options).unwrap_or_else(|error| panic!("{error}"));
        Some(Server {
            sandbox,
            program,
            logs: tempfile::tempdir().unwrap(),
        })
    }

    fn psql(&self, database: &str) -> Command {
        psql::psql(&self.program, &self.sandbox, database)
    }

    /// What psql sends when it runs `file`.
    fn sent(&self, database: &str, file: &Path, configure: impl Fn(&mut Command)) -> Vec<String> {
        let log = self.logs.path().join("psql.log");
        let _ = std::fs::remove_file(&log);
        let mut psql = self.psql(database);
        psql.arg("-qL").arg(&log).arg("-f").arg(file);
        configure(&mut psql);
        psql.finish(&format!("psql -f {}", file.display()));
        let log = std::fs::read(&log).unwrap_or_else(|error| {
            panic!("psql wrote no log of {}: {error}", file.display());
        });
        parse_log(&text_of(&log))
    }
}

/// As the script reader does: a byte that is not UTF-8 becomes one question mark.
fn text_of(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// The queries in a log of `psql -L`, and what stands before and behind each: since version 17 that
/// is a comment of SQL.
fn parse_log(log: &str) -> Vec<String> {
    let mut queries = Vec::new();
    let mut rest = log;
    let (before, behind_it) = match log.contains("/******** QUERY *********/\n") {
        true => (
            "/******** QUERY *********/\n",
            "\n/************************/\n\n",
        ),
        false => (
            "********* QUERY **********\n",
            "\n**************************\n\n",
        ),
    };
    while let Some((_, behind)) = rest.split_once(before) {
        let Some((query, behind)) = behind.split_once(behind_it) else {
            break;
        };
        queries.push(query.to_owned());
        rest = behind;
    }
    queries.retain(|query| !without_trivia(query).trim_end_matches(';').is_empty());
    queries
}

/// Without white space and comments at its start. (psql takes line comments there away, and
/// sends block comments.)
fn without_trivia(text: &str) -> &str {
    let mut text = text.trim_start();
    loop {
        if text.starts_with("--") {
            text = text
                .split_once('\n')
                .map_or("", |(_, rest)| rest)
                .trim_start();
        } else if text.starts_with("/*") && !text.starts_with("/*+") {
            let mut depth = 0;
            let mut at = 0;
            while at < text.len() {
                let here = &text.as_bytes()[at..];
                if here.starts_with(b"/*") {
                    depth += 1;
                    at += 2;
                } else if here.starts_with(b"*/") {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        break;
                    }
                } else {
                    at += 1;
                }
            }
            text = text[at..].trim_start();
        } else {
            return text;
        }
    }
}

/// Whether psql's text is ours: the same but for the lines that psql leaves out because they are
/// empty, and for comments and a semicolon behind it.
fn same(ours: &str, theirs: &str) -> bool {
    let mut theirs = without_trivia(theirs).chars().peekable();
    for c in ours.chars() {
        if c.is_ascii_whitespace() {
            continue;
        }
        while theirs.next_if(char::is_ascii_whitespace).is_some() {}
        if theirs.next() != Some(c) {
            return false;
        }
    }
    let rest: String = theirs.collect();
    let rest = without_trivia(&rest);
    let rest = rest.strip_prefix(';').unwrap_or(rest);
    without_trivia(rest).is_empty()
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/psql");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "sql"))
        .collect();
    files.sort();
    files
}

const DIVIDER: &str = "\n=====8<=====\n";

#[test]
fn nasty_files_are_split_as_psql_splits_them() {
    let server = Server::start();
    if server.is_none() {
        aloud::skip("no psql on this machine: compared with the recordings alone");
    }
    let mut wrong = Vec::new();
    for file in fixtures() {
        let recording = file.with_extension("sent");
        if let Some(server) = &server {
            let sent = server.sent("postgres", &file, |_| {}).join(DIVIDER);
            if std::env::var_os("STAGEGATE_RECORD").is_some() {
                std::fs::write(&recording, &sent).unwrap();
            }
            let recorded = std::fs::read_to_string(&recording).unwrap_or_default();
            assert_eq!(
                sent,
                recorded,
                "{}: this psql sends something else",
                file.display()
            );
        }
        let recorded = std::fs::read_to_string(&recording).unwrap();
        let theirs: Vec<&str> = recorded
            .split(DIVIDER)
            .filter(|text| !text.is_empty())
            .collect();
        let script = Script::read("fixture", Some(&file), &std::fs::read(&file).unwrap());
        let ours: Vec<&str> = script.statements.iter().map(|s| s.text.as_str()).collect();
        let agree = ours.len() == theirs.len()
            && ours
                .iter()
                .zip(&theirs)
                .all(|(ours, theirs)| same(ours, theirs));
        if !agree {
            wrong.push(format!(
                "{}:\nours {ours:#?}\npsql {theirs:#?}",
                file.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How one of psql's statements stands to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The same.
    Same,
    /// The same but for the values of variables; or the value of a variable is the statement.
    Variable,
    /// The COPY that psql itself writes for `\copy`.
    CopyCommand,
    /// A result that `\gexec` sent as a statement.
    Generated,
    /// The last statement again: `\g` by itself.
    Again,
    /// None of these.
    Unexplained,
}

struct Comparison {
    classes: BTreeMap<Class, usize>,
    only_ours: Vec<String>,
    unexplained: Vec<String>,
    /// The index of our first statement that does not agree, without explanation.
    first: Option<usize>,
}

impl Comparison {
    fn count(&self, class: Class) -> usize {
        self.classes.get(&class).copied().unwrap_or_default()
    }

    fn agree(&self) -> usize {
        self.count(Class::Same) + self.count(Class::Variable)
    }
}

fn squeeze(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}

/// What a statement can be that psql sent and that the file does not hold.
fn explain(file: &str, theirs: &[String], index: usize) -> Class {
    let text = &theirs[index];
    let plain = squeeze(text.trim_end_matches(';'));
    let in_a_variable = || {
        let settings = file.lines().filter(|line| line.starts_with("\\set "));
        settings
            .map(|line| squeeze(&line.replace("''", "'")))
            .any(|line| line.contains(&plain))
    };
    if text.starts_with("COPY  ") {
        Class::CopyCommand
    } else if in_a_variable() {
        Class::Variable
    } else if theirs[..index]
        .iter()
        .any(|before| squeeze(before.trim_end_matches(';')) == plain)
        && ["\\g", "\\crosstabview"].iter().any(|command| {
            file.lines()
                .any(|line| line.trim_start().starts_with(command))
        })
    {
        Class::Again
    } else if file.contains("\\gexec") {
        Class::Generated
    } else {
        Class::Unexplained
    }
}

/// Walks both lists, and finds the way back after a difference.
fn compare(file: &str, ours: &[String], theirs: &[String]) -> Comparison {
    let mut result = Comparison {
        classes: BTreeMap::new(),
        only_ours: Vec::new(),
        unexplained: Vec::new(),
        first: None,
    };
    let (mut a, mut b) = (0, 0);
    while b < theirs.len() {
        let class = match ours.get(a) {
            Some(own) if same(own, &theirs[b]) => Class::Same,
            Some(own) if is_substituted(own, &theirs[b]) => Class::Variable,
            _ => {
                let ahead = (1..200).find_map(|steps| {
                    (0..=steps).find_map(|skip_ours| {
                        let (x, y) = (a + skip_ours, b + steps - skip_ours);
                        let agree = same(ours.get(x)?, theirs.get(y)?);
                        agree.then_some((x, y))
                    })
                });
                let (x, y) = ahead.unwrap_or((ours.len(), theirs.len()));
                for (index, text) in theirs.iter().enumerate().take(y).skip(b) {
                    let class = explain(file, theirs, index);
                    *result.classes.entry(class).or_default() += 1;
                    if class == Class::Unexplained {
                        result.first.get_or_insert(a);
                        result.unexplained.push(text.clone());
                    }
                }
                result.only_ours.extend(ours[a..x].iter().cloned());
                (a, b) = (x, y);
                continue;
            }
        };
        *result.classes.entry(class).or_default() += 1;
        a += 1;
        b += 1;
    }
    if let Some(rest) = ours.get(a..) {
        result.only_ours.extend(rest.iter().cloned());
    }
    result
}

/// Whether `theirs` is `ours` with something in the place of each `:name`.
fn is_substituted(ours: &str, theirs: &str) -> bool {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = ours;
    while let Some(c) = rest.chars().next() {
        let name = |text: &str| {
            text.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(text.len())
        };
        let behind = rest.strip_prefix(':').filter(|_| !literal.ends_with(':'));
        let variable = behind.and_then(|behind| match behind.chars().next()? {
            quote @ ('\'' | '"') => {
                let end = name(&behind[1..]) + 1;
                (end > 1 && behind[end..].starts_with(quote)).then_some(end + 2)
            }
            c if c.is_alphabetic() || c == '_' => Some(name(behind) + 1),
            _ => None,
        });
        match variable {
            Some(length) => {
                parts.push(std::mem::take(&mut literal));
                rest = &rest[length..];
            }
            None => {
                literal.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    if parts.is_empty() {
        return false;
    }
    parts.push(literal);
    let theirs = squeeze(without_trivia(theirs));
    let mut at = 0;
    for (index, part) in parts.iter().enumerate() {
        let part = squeeze(part);
        match theirs[at..].find(&part) {
            Some(found) if index > 0 || found == 0 => at += found + part.len(),
            _ => return false,
        }
    }
    true
}

/// The files in the order of the suite's own schedule, the others behind them.
fn schedule(regress: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(regress.join("parallel_schedule")).unwrap_or_default();
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("test: "))
        .flat_map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let mut others: Vec<String> = std::fs::read_dir(regress.join("sql"))
        .unwrap()
        .filter_map(|entry| {
            Some(
                entry
                    .unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".sql")?
                    .to_owned(),
            )
        })
        .filter(|name| !names.contains(name))
        .collect();
    others.sort();
    names.extend(others);
    names.retain(|name| regress.join("sql").join(format!("{name}.sql")).is_file());
    names
}

/// Our statements, and the indices and places of those that take COPY data, where the COPYs at
/// the places `refused` are known to take none.
fn ours(bytes: &[u8], path: &Path, refused: &[usize]) -> (Vec<String>, Vec<(usize, usize)>) {
    let original = text_of(bytes);
    let mut patched = bytes.to_vec();
    loop {
        let script = Script::read("oracle", Some(path), &patched);
        let takes_data = |s: &&Statement| s.source == 0 && s.copy_data().is_some();
        let mut copies = script.statements.iter().filter(takes_data);
        // Such a COPY is made one that takes no data, at the same length, and all is read again.
        if let Some(copy) = copies.clone().find(|s| refused.contains(&s.span.start)) {
            let text = copy.text.to_ascii_lowercase();
            let word = text
                .rfind("stdin")
                .or_else(|| text.rfind("stdout"))
                .unwrap();
            patched[copy.span.start + word] = b'#';
            continue;
        }
        let copies = copies
            .by_ref()
            .map(|s| (s.number - 1, s.span.start))
            .collect();
        let as_written = |s: &Statement| {
            let read = script.sources[s.source].text.get(s.span.clone());
            let whole = s.source == 0 && read == Some(s.text.as_str());
            let text = original.get(s.span.clone()).filter(|_| whole);
            text.unwrap_or(&s.text).to_owned()
        };
        return (script.statements.iter().map(as_written).collect(), copies);
    }
}

/// One file, told of one refused COPY after another as long as that moves the first difference
/// down the file. Also how many of psql's statements agree when nothing is told.
fn compare_file(bytes: &[u8], path: &Path, theirs: &[String]) -> (Comparison, usize, usize) {
    let file = text_of(bytes);
    let mut refused: Vec<usize> = Vec::new();
    let (texts, mut copies) = ours(bytes, path, &refused);
    let mut best = compare(&file, &texts, theirs);
    let untold = best.agree();
    while let Some(first) = best.first {
        // Mostly the COPY right before it; an earlier one where several read the same.
        let before = copies
            .iter()
            .rev()
            .filter(|(index, _)| *index < first)
            .take(8);
        let moved = before.into_iter().find_map(|(_, place)| {
            let mut trial = refused.clone();
            trial.push(*place);
            let (texts, copies_now) = ours(bytes, path, &trial);
            let now = compare(&file, &texts, theirs);
            let is_better = now.first.is_none_or(|first_now| first_now > first);
            is_better.then_some((trial, now, copies_now))
        });
        match moved {
            Some((trial, now, copies_now)) => (refused, best, copies) = (trial, now, copies_now),
            None => break,
        }
    }
    (best, untold, refused.len())
}

#[test]
#[ignore = "needs STAGEGATE_REGRESS_DIR, see the head of this file"]
fn the_regression_suite_is_split_as_psql_splits_it() {
    let regress = std::env::var_os("STAGEGATE_REGRESS_DIR").expect("STAGEGATE_REGRESS_DIR");
    let regress = PathBuf::from(regress).canonicalize().unwrap();
    let server = Server::start().expect("psql");
    let made = server
        .psql("postgres")
        .args(["-qc", "CREATE DATABASE regression TEMPLATE template0"])
        .finish("psql that makes a database");
    assert!(made.status.success());
    let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
    let (mut files, mut only_ours, mut told, mut untold) = (0, 0, 0, 0);
    for name in schedule(&regress) {
        let file = regress.join("sql").join(format!("{name}.sql"));
        let bytes = std::fs::read(&file).unwrap();
        let theirs = server.sent("regression", &file, |psql| {
            psql.current_dir(&regress)
                .env("PG_ABS_SRCDIR", &regress)
                .env("PG_ABS_BUILDDIR", &regress)
                .env("PG_LIBDIR", "/nowhere")
                .env("PG_DLSUFFIX", ".so")
                .args(["-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on"]);
        });
        let (result, untold_here, told_here) = compare_file(&bytes, &file, &theirs);
        files += 1;
        told += told_here;
        untold += untold_here;
        only_ours += result.only_ours.len();
        for (class, count) in &result.classes {
            *classes.entry(*class).or_default() += count;
        }
        for text in &result.unexplained {
            println!("{name}: only psql's: {text:.300?}");
        }
        for text in &result.only_ours {
            println!("{name}: only ours: {text:.100?}");
        }
    }
    let count = |class| classes.get(&class).copied().unwrap_or_default();
    let total: usize = classes.values().sum();
    println!(
        "{files} files; psql sent {total} statements. {} are the same, {} the same but for the \
         values of psql's variables. Not in the files: {} of \\copy, {} of \\gexec, {} sent again \
         by \\g. Unexplained: {}. Only ours: {only_ours}. It was told of {told} refused COPYs; \
         without that {untold} agree.",
        count(Class::Same),
        count(Class::Variable),
        count(Class::CopyCommand),
        count(Class::Generated),
        count(Class::Again),
        count(Class::Unexplained),
    );
    assert!(total > 10_000, "the suite did not run");
    assert_eq!(count(Class::Unexplained), 0);
}
