//! Which programs are run at all: none that the README does not bring along, so that a bare system
//! is enough; and no wait for one without an end.

use std::path::{Path, PathBuf};

use crate::sources;

/// What is run, as it is written in the code, and where it comes from.
const PROGRAMS: &[(&str, &str)] = &[
    (r#"env!("CARGO_BIN_EXE_stagegate")"#, "ourselves"),
    ("PROGRAM", "ourselves"),
    ("STAGEGATE", "ourselves"),
    ("std::env::current_exe().unwrap()", "a test, by itself"),
    (r#"env!("CARGO")"#, "what builds the tests"),
    (r#""/bin/sh""#, "every Unix has it"),
    (r#""sh""#, "every Unix has it"),
    (r#""cc""#, "what builds Rust's programs as well"),
    (r#""cp""#, "every Unix has it"),
    (r#""mkfifo""#, "every Unix has it"),
    (r#""ps""#, "without /proc alone: macOS, which has it"),
    (
        r#""ip""#,
        "the long run of the faults, which says so without",
    ),
    (r#""openssl""#, "what needs it says so without"),
    ("SSHD", "what needs it says so without"),
    (r#""ssh""#, "what needs it says so without"),
    (r#""ssh-keygen""#, "it comes with ssh"),
    (r#""tmux""#, "what needs it says so without"),
    (r#""psql""#, "PostgreSQL's; what needs it says so without"),
    (r#""pg_dump""#, "PostgreSQL's"),
    (r#""pg_restore""#, "PostgreSQL's"),
    (
        r#"find_client("pg_dump").expect("pg_dump")"#,
        "PostgreSQL's",
    ),
    (
        r#"find_client("pg_restore").expect("pg_restore")"#,
        "PostgreSQL's",
    ),
    ("&clients.pg_dump", "PostgreSQL's"),
    ("&clients.pg_restore", "PostgreSQL's"),
    ("&program", "a path, from one who is on this list"),
    ("program", "a path, from one who is on this list"),
    ("name", "a path, from one who is on this list"),
];

/// How a program is run, or looked for.
const WAYS: &[&str] = &[
    "Command::new(",
    "CommandBuilder::new(",
    "Process::new(",
    "find_client(",
    " clean(",
    "(clean(",
    "client::clean(",
];

/// What stands between `way` and the parenthesis that closes it, wherever `way` is called.
fn given<'a>(text: &'a str, way: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(way) {
        if text[..at].trim_end().ends_with("fn") {
            continue;
        }
        let rest = &text[at + way.len()..];
        let mut depth = 1_u32;
        let end = rest.find(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        found.extend(end.map(|end| rest[..end].trim()));
    }
    found
}

/// The files below those folders, and their texts, without this one.
fn texts(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        sources(&root.join(folder), &mut files);
    }
    files
        .into_iter()
        .filter(|file| !file.ends_with("house/programs.rs"))
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            (file, text)
        })
        .collect()
}

#[test]
fn no_program_is_run_that_a_bare_system_lacks() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (file, text) in texts(&["src", "tests"]) {
        for program in WAYS.iter().flat_map(|way| given(&text, way)) {
            seen += 1;
            if !PROGRAMS.iter().any(|(known, _)| *known == program) {
                wrong.push(format!("{}: {program}", file.display()));
            }
        }
    }
    assert!(seen > 40, "{seen}");
    assert!(
        wrong.is_empty(),
        "what brings these programs? Say it in tests/house/programs.rs:\n{}",
        wrong.join("\n")
    );
}

/// The waits for a child that can last for ever. What was killed is waited for without a limit; a
/// barrier is no child.
fn endless(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let ends = |at: usize| {
        let barrier = ["ready.", "struck.", "together."];
        barrier
            .iter()
            .any(|name| lines[at].trim().starts_with(name))
            || lines[at.saturating_sub(2)..at]
                .iter()
                .any(|line| line.to_lowercase().contains("kill"))
    };
    (0..lines.len())
        .filter(|at| {
            let line = lines[*at];
            let within = lines
                .get(at + 1)
                .is_some_and(|next| next.contains("within("));
            (line.contains(".output()") && !within)
                || line.contains(".status()")
                || line.contains(".wait_with_output()")
                || (line.contains(".wait()") && !ends(*at))
        })
        .map(|at| lines[at])
        .collect()
}

#[test]
fn no_test_waits_for_a_child_for_ever() {
    let mut wrong = Vec::new();
    for (file, text) in texts(&["tests"]) {
        for line in endless(&text) {
            wrong.push(format!("{}: {}", file.display(), line.trim()));
        }
    }
    assert!(
        wrong.is_empty(),
        "`finish` or `until` of tests/shared/child.rs ends these, and says what was waited for:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn what_these_tests_look_for_they_would_see() {
    let text = r#"fn clean(program) {} let x = Command::new("kill").args(["-INT"]).status();"#;
    let found: Vec<&str> = WAYS.iter().flat_map(|way| given(text, way)).collect();
    assert_eq!(found, [r#""kill""#]);
    assert_eq!(
        endless("child.kill();\nchild.wait();\n\nmore();\n child.wait();"),
        [" child.wait();"]
    );
    assert_eq!(endless(text).len(), 1);
}
