//! A file tells one story. One that is longer than 400 lines says here why it is one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sources;

/// From so many lines on a file has to have a reason.
const LONG: usize = 400;

/// The long ones, and why each of them is one file.
const REASONS: &[(&str, &str)] = &[
    (
        "database/session/script.rs",
        "one loop: the pipeline of statements and looks, and what ends it",
    ),
    (
        "database/settings.rs",
        "one table: every setting, from where it comes and what stands against it",
    ),
    (
        "database/tap/incoming.rs",
        "one machine over one stream of bytes, and its tests",
    ),
    (
        "database/tap/outgoing.rs",
        "one machine over one stream of bytes, and its tests",
    ),
    (
        "gate/exhaustive.rs",
        "a test: the walk over every state, and the witness that it is held against",
    ),
    (
        "gate/phase.rs",
        "one table: every phase with what it holds, and the matches over all of them",
    ),
    ("gate/tests.rs", "tests, one story each"),
    (
        "runbook/classify.rs",
        "one table: the leading words of every kind of statement",
    ),
    (
        "runbook/lasting/calls.rs",
        "one table: every function whose effect outlasts ROLLBACK",
    ),
    (
        "runbook/lexer.rs",
        "psql's rules for words, in the order of its own source",
    ),
    (
        "runbook/lint.rs",
        "the linter's thread and its bounds, and their tests",
    ),
    ("runbook/meta.rs", "one table: every meta-command of psql"),
    (
        "runbook/reading.rs",
        "one pass over a file, with what each piece of it becomes",
    ),
    (
        "runbook/scanner.rs",
        "psql's rules for the end of a statement, in the order of its own source",
    ),
    (
        "runbook/script.rs",
        "what a script is: its types, with what can be asked of each",
    ),
    (
        "tui/editor.rs",
        "one loan of the terminal to an editor, from its file to what came back",
    ),
    (
        "tui/field.rs",
        "one text field: every edit of it, and their tests",
    ),
    ("tui/input.rs", "one thread: the keyboard, and its tests"),
    (
        "tui/reader.rs",
        "one document on pages, from its lines to the end that was read",
    ),
    (
        "tui/screen/drawing.rs",
        "one frame, from its head to its keys",
    ),
    ("tui/screen/keys.rs", "one match over what a key asks for"),
    (
        "tui/theme.rs",
        "one table: colours and glyphs, and their tests",
    ),
    (
        "tui/view/ending.rs",
        "one screen, with the words of each ending",
    ),
    ("tui/view/prompt.rs", "every prompt in one box of one shape"),
    ("tui/view/stream.rs", "one screen, and its tests"),
    (
        "walk/engine.rs",
        "one engine: the state of a walk, what an event does to it, what an effect asks for",
    ),
    (
        "walk/record.rs",
        "one match over what happens, into the journal's entries",
    ),
];

/// The length of every file of the program.
fn measure_files() -> BTreeMap<String, usize> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let measure = |file: &std::path::PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        let name = file.strip_prefix("src").unwrap();
        (name.display().to_string(), text.lines().count())
    };
    files.iter().map(measure).collect()
}

/// The files that are long and have no reason, and the reasons of files that are not long.
fn list_faults(lengths: &BTreeMap<String, usize>, reasons: &[(&str, &str)]) -> Vec<String> {
    let has_reason = |name: &str| reasons.iter().any(|(file, _)| *file == name);
    let long = |name: &str| lengths.get(name).is_some_and(|lines| *lines > LONG);
    let without = lengths
        .iter()
        .filter(|(name, _)| long(name) && !has_reason(name))
        .map(|(name, lines)| format!("{name}: {lines} lines, and no reason"));
    let stale = reasons
        .iter()
        .filter(|(name, _)| !long(name))
        .map(|(name, _)| format!("{name}: a reason, and no more than {LONG} lines"));
    without.chain(stale).collect()
}

#[test]
fn a_long_file_says_why_it_is_one() {
    let lengths = measure_files();
    assert!(
        lengths.len() > 200,
        "only {} files were found",
        lengths.len()
    );
    let faults = list_faults(&lengths, REASONS);
    assert!(
        faults.is_empty(),
        "divide it, or give it a reason in tests/house/lengths.rs: {faults:#?}"
    );
    let sorted = REASONS.is_sorted_by_key(|(file, _)| *file);
    assert!(sorted, "the reasons stand in the order of their files");
}

#[test]
fn a_long_file_and_a_stale_reason_would_be_seen() {
    let lengths = BTreeMap::from([("a.rs".to_owned(), 401), ("b.rs".to_owned(), 400)]);
    assert_eq!(list_faults(&lengths, &[("a.rs", "")]), Vec::<String>::new());
    assert_eq!(list_faults(&lengths, &[]).len(), 1);
    let stale = [("a.rs", ""), ("b.rs", ""), ("gone.rs", "")];
    assert_eq!(list_faults(&lengths, &stale).len(), 2);
}
