//! A long query is written in the person's own editor: it comes back as text, and what holds a
//! transaction goes on meanwhile.

use crate::child::until;
use crate::hanging::{Disk, assert_said};
use crate::stage::{Stage, Walk};
use crate::terminal::Terminal;
use rustix::process::Signal;
use stagegate::journal::Entry;
use stagegate::sandbox::demo::Scenario;
use std::os::unix::fs::PermissionsExt;

/// An editor that says what it was given, writes down what is typed into it, and ends with `$LAST`.
const SCRIPT: &str = r#"
umask 077
ls -ld "$1" "$(dirname "$1")" >"$HOME/seen"
env >>"$HOME/seen"
cat "$1" >>"$HOME/seen"
echo "EDITOR IS OPEN"
read -r first
read -r second
echo "it read $first and $second"
printf 'SELECT 41 + 1\n  AS n -- %s\n' "$first" >"$1"
eval "$LAST"
"#;

/// A walk to the armed gate with that editor, and the prompt for a query open.
fn at_the_prompt(stage: &Stage, last: &str, arguments: &[&str]) -> Terminal {
    with_editor(stage, SCRIPT, &[("LAST", last)], arguments)
}

/// The same with another editor, and other variables.
fn with_editor(
    stage: &Stage,
    editor: &str,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Terminal {
    let script = stage.file("editor.sh", editor);
    let temporary = stage.home().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let env = [
        ("PSQL_EDITOR", "/bin/sh".to_owned() + " " + &script),
        ("EDITOR", "/nonexistent".to_owned()),
        ("TMPDIR", temporary.display().to_string()),
        ("PGPASSWORD", "hunter2".to_owned()),
    ];
    let env = env.iter().map(|(n, v)| (*n, v.as_str()));
    let env: Vec<(&str, &str)> = env.chain(variables.iter().copied()).collect();
    let mut terminal = stage.run_in(80, 24, &env, arguments);
    terminal.walk_to_the_gate();
    terminal
        .key(":")
        .wait_for("Ctrl-X editor")
        .type_slowly("SELECT 1");
    terminal
}

/// What the editor was given.
fn seen(stage: &Stage) -> String {
    std::fs::read_to_string(stage.home().join("seen")).unwrap()
}

/// Asserts that nothing of the editor's files is left.
#[track_caller]
fn assert_removed(stage: &Stage) {
    let left = std::fs::read_dir(stage.home().join("tmp")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Closes the prompt and rolls back: nothing that was typed in the editor has decided anything.
#[track_caller]
fn close_and_roll_back(stage: &Stage, terminal: &mut Terminal) {
    terminal
        .key("Esc")
        .wait_while("╭ QUERY")
        .wait_for_the_gate()
        .roll_back()
        .key("q");
    stage.assert_rolled_back(terminal, 1, "you decided so");
}

fn asked(stage: &Stage) -> Vec<String> {
    let entries = stage.journal().into_iter();
    let asked = entries.filter_map(|entry| match entry {
        Entry::Queried(queried) => Some(queried.query),
        _ => None,
    });
    asked.collect()
}

#[test]
fn a_query_comes_back_from_the_editor_as_text_and_the_transaction_outlives_the_dead_man() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = at_the_prompt(&stage, "exit 0", &["--dead-man", "5s"]);
    let held = stage.held();
    terminal
        .paste_raw("\x18")
        .wait_for("EDITOR IS OPEN")
        .shows_no("HELD");
    assert_eq!(terminal.is_taken(), [false, false, false]);
    // Longer than the server waits for a sign of life.
    stage.wait_until(
        "SELECT bool_or(xact_start < clock_timestamp() - interval '12 s') FROM pg_stat_activity
         WHERE application_name = 'stagegate' AND backend_xid IS NOT NULL",
        "t",
    );
    assert_eq!(stage.held(), held);
    // At the gate these would be COMMIT, ROLLBACK and its confirmation. Suspending it is no way out.
    terminal.paste_raw("\x1a").breathe();
    terminal.paste_raw("c\r").breathe();
    terminal
        .paste_raw("ry\rry\r:")
        .wait_for("is not asked yet: Enter asks it")
        .wait_for("> SELECT 41 + 1")
        .shows(&["    AS n -- c"]);
    assert_eq!(terminal.is_taken(), [true, true, true]);
    assert_removed(&stage);
    assert_eq!(stage.held(), held);
    terminal.key("Enter").wait_for("1 row in ").shows(&[" 42"]);
    terminal.key("Esc").wait_for_the_gate().commit().key("q");
    stage.assert_committed(&mut terminal);
    assert_eq!(asked(&stage), ["SELECT 41 + 1\n  AS n -- c"]);
    let seen = seen(&stage);
    assert!(
        seen.contains("drwx------ ") && seen.contains("-rw------- "),
        "{seen}"
    );
    assert!(!seen.contains("hunter2"), "{seen}");
    assert!(
        seen.contains("-- stagegate: THE TRANSACTION IS HELD; it is rolled back by itself at "),
        "{seen}"
    );
    // Where an editor begins is the query, and not a line of ours.
    let top =
        "\nSELECT 1\n\n-- stagegate: Save and quit: the text comes back into the query field,";
    assert!(seen.contains(top), "{seen}");
}

#[test]
fn the_hold_ends_while_the_editor_is_open_and_that_is_what_is_seen_at_the_return() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = at_the_prompt(&stage, "exit 0", &["--hold-limit", "12s"]);
    terminal.paste_raw("\x18").wait_for("EDITOR IS OPEN");
    stage.wait_until(
        "SELECT count(*) FROM pg_stat_activity
         WHERE application_name = 'stagegate' AND backend_xid IS NOT NULL",
        "0",
    );
    stage.assert_untouched();
    terminal.shows(&["EDITOR IS OPEN"]);
    terminal
        .paste_raw("c\rwiser_ops\r")
        .wait_for("R O L L E D   B A C K")
        .wait_for("Nothing was asked");
    assert_removed(&stage);
    terminal.key("q");
    stage.assert_rolled_back(&mut terminal, 3, "the hold limit was reached");
    assert_eq!(asked(&stage), [""; 0]);
}

#[test]
fn an_editor_that_fails_changes_nothing_and_says_so() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = at_the_prompt(&stage, "exit 3", &[]);
    let held = stage.held();
    terminal
        .paste_raw("\x18")
        .wait_for("EDITOR IS OPEN")
        .paste_raw("c\ry\r")
        .wait_for("Nothing was taken: the editor ended with code 3. The query is as it was.")
        .wait_for("> SELECT 1");
    // What Ctrl-C ends is the editor, and nothing behind it.
    terminal
        .paste_raw("\x18")
        .wait_for_times("EDITOR IS OPEN", 2)
        .paste_raw("\x03")
        .wait_for("the editor was ended by a signal. The query is as")
        .wait_for("> SELECT 1");
    assert_removed(&stage);
    assert_eq!(stage.held(), held);
    close_and_roll_back(&stage, &mut terminal);
}

#[test]
fn an_editor_that_is_not_there_is_said_to_be_so() {
    let stage = Stage::set(Scenario::Clean);
    let env = [("VISUAL", "/nonexistent/editor")];
    let mut terminal = stage.run_in(80, 24, &env, &[]);
    terminal.walk_to_the_gate();
    terminal
        .key(":")
        .wait_for("read-only by")
        .type_slowly("SELECT 1")
        .paste_raw("\x18")
        .wait_for("/nonexistent/editor cannot be started.")
        .wait_for("> SELECT 1");
    close_and_roll_back(&stage, &mut terminal);
}

#[test]
fn told_to_leave_while_the_editor_is_open() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let stage = Stage::set(Scenario::Clean);
        let mut terminal = at_the_prompt(&stage, "exit 0", &[]);
        terminal.paste_raw("\x18").wait_for("EDITOR IS OPEN");
        terminal.signal(signal);
        assert_eq!(terminal.exit_code(), code, "{}", terminal.picture());
        terminal.shows(&["ROLLED BACK"]);
        stage.assert_untouched();
        stage.assert_nobody_left();
        assert_removed(&stage);
        assert_eq!(terminal.is_taken(), [false, false, false]);
    }
}

/// The file that is kept of what was saved in the editor; its folder is nobody else's.
fn kept(stage: &Stage) -> String {
    let folders = std::fs::read_dir(stage.home().join("tmp")).unwrap();
    let [folder] = folders.collect::<Vec<_>>().try_into().unwrap();
    let folder = folder.unwrap().path();
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::read_to_string(folder.join("query.sql")).unwrap()
}

#[test]
fn a_text_that_is_longer_than_a_query_is_kept_and_where_is_said() {
    let stage = Stage::set(Scenario::Clean);
    let long = r#"head -c 20001 /dev/zero | tr '\0' x >"$1"; exit 0"#;
    let mut terminal = at_the_prompt(&stage, long, &[]);
    terminal
        .paste_raw("\x18")
        .wait_for("EDITOR IS OPEN")
        .paste_raw("a\rb\r")
        .wait_for("Nothing was taken: a query has 20000 characters at most, and this has 20001.")
        .wait_for("It is kept in")
        .wait_for("> SELECT 1");
    assert_eq!(kept(&stage), "x".repeat(20_001));
    close_and_roll_back(&stage, &mut terminal);
}

/// An editor that is a program behind a script, has saved something, and does not want to end.
const STUBBORN: &str = r#"
sh -c 'trap "" TERM HUP; echo $$ >"$HOME/child"; printf "SELECT saved" >"$1"
    printf "\033[?1049hEDITOR IS OPEN"; for one in $(seq 100); do sleep 0.1; done
    : >"$HOME/outlived"' sh "$1"
"#;

/// Asserts that nothing of it is left, on the terminal or among the processes.
#[track_caller]
fn assert_ended(stage: &Stage, terminal: &Terminal) {
    let child = std::fs::read_to_string(stage.home().join("child")).unwrap();
    let child = std::path::Path::new("/proc")
        .join(child.trim())
        .join("cmdline");
    // One that nobody waited for yet has no command line any more.
    until("the editor has ended", || {
        let line = std::fs::read(&child).unwrap_or_default();
        line.is_empty().then_some(())
    });
    assert!(
        !stage.home().join("outlived").exists(),
        "it ended by itself"
    );
    assert_eq!(terminal.is_taken(), [false; 3], "{}", terminal.picture());
}

#[test]
fn whoever_leaves_ends_an_editor_with_all_that_it_started_and_keeps_what_was_saved() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = with_editor(&stage, STUBBORN, &[], &[]);
    terminal.paste_raw("\x18").wait_for("EDITOR IS OPEN");
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.exit_code(), 143, "{}", terminal.picture());
    assert_ended(&stage, &terminal);
    terminal
        .shows(&["What was saved in the editor is kept in", "ROLLED BACK"])
        .shows_no("EDITOR IS OPEN");
    assert_eq!(kept(&stage), "SELECT saved");
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn a_program_that_hangs_ends_its_editor_before_it_is_ended_itself() {
    let stage = Stage::set(Scenario::Clean);
    let Some(disk) = Disk::new(&stage) else {
        return;
    };
    let mut terminal = with_editor(&stage, STUBBORN, &disk.variables(), &[]);
    terminal.paste_raw("\x18").wait_for("EDITOR IS OPEN");
    disk.die();
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.exit_code(), 143, "{}", terminal.picture());
    disk.wait_until_waited_for();
    assert_ended(&stage, &terminal);
    assert_said(&terminal, &["stagegate hung", "COMMIT was never sent"]);
    terminal.shows_no("EDITOR IS OPEN");
    stage.assert_nobody_left();
    stage.assert_untouched();
}
