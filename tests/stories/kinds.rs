//! Kinds and sizes of terminals: the checklist is there, a key leaves, and the terminal is given back.

use crate::stage::{Stage, Walk};
use stagegate::journal::Entry;
use stagegate::sandbox::demo::Scenario;

/// Each kind that the README names, and whether its window gets a title.
const KINDS: [(&str, bool); 6] = [
    ("xterm-256color", true),
    ("screen-256color", true),
    ("tmux-256color", true),
    ("linux", false),
    ("vt100", false),
    ("ansi", false),
];

#[test]
fn on_every_kind_of_terminal_the_checklist_is_shown_and_left() {
    let stage = Stage::set(Scenario::Clean);
    for (kind, titled) in KINDS {
        for locale in ["C", "C.UTF-8", "en_US.ISO-8859-1"] {
            let env = [("TERM", kind), ("LC_ALL", locale)];
            let mut terminal = stage.run_in(80, 24, &env, &[]);
            terminal
                .wait_for_evidence()
                .shows(&["CHECKLIST  0 of 5 signed"]);
            let raw = terminal.raw();
            let sent = |bytes: &[u8]| raw.windows(bytes.len()).any(|part| part == bytes);
            assert_eq!(sent(b"\x1b]0;CHECKLIST wiser_ops\x07"), titled, "{kind}");
            // Outside of UTF-8 a byte of it would be another letter.
            assert_eq!(
                raw.is_ascii(),
                kind == "linux" || locale != "C.UTF-8",
                "{kind} {locale}"
            );
            terminal.key("q");
            stage.assert_left(&mut terminal, 1, "Nothing was applied.");
        }
    }
}

#[test]
fn at_every_size_something_is_shown_and_a_key_leaves() {
    let stage = Stage::set(Scenario::Clean);
    let sizes = [
        (20, 5),
        (78, 24),
        (80, 19),
        (79, 20),
        (80, 23),
        (200, 50),
        (500, 200),
    ];
    for (columns, rows) in sizes {
        let mut terminal = stage.run_in(columns, rows, &[], &[]);
        match columns < 79 || rows < 20 {
            // Not the one that is shown while it connects.
            true => terminal.wait_for("Checklist").wait_for("q quit"),
            false => terminal.wait_for_evidence(),
        };
        terminal.key("q");
        assert_eq!(
            terminal.exit_code(),
            1,
            "{columns}x{rows}: {}",
            terminal.picture()
        );
        assert_eq!(terminal.is_taken(), [false; 3], "{columns}x{rows}");
    }
}

#[test]
fn a_dumb_terminal_walks_by_lines_and_the_journal_knows_the_ticket() {
    let stage = Stage::set(Scenario::Clean);
    let env = [("TERM", "dumb"), ("SUDO_USER", "kim")];
    let mut terminal = stage.run_in(
        80,
        24,
        &env,
        &["--ticket", "CHG-4711", "--window", "22:00 to 23:30 UTC"],
    );
    terminal
        .wait_for("TERM is dumb: the walk goes by lines")
        .wait_for("Checklist: type help");
    assert_eq!(terminal.is_taken(), [false; 3]);
    terminal.line("quit");
    assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
    assert!(
        !terminal.raw().contains(&0x1b),
        "an escape on a dumb terminal"
    );
    let journal = stage.journal();
    let Some(Entry::Opened(opened)) = journal.first() else {
        panic!("{journal:?}");
    };
    assert_eq!(opened.ticket.as_deref(), Some("CHG-4711"));
    assert_eq!(opened.window.as_deref(), Some("22:00 to 23:30 UTC"));
    assert_eq!(opened.sudo_user.as_deref(), Some("kim"));
    assert!(opened.machine.is_some());
    let local = opened.local_time.as_deref().unwrap();
    assert!(local.contains(" +") || local.contains(" -"), "{local}");
}
