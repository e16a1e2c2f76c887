//! The program is ended from outside: the server has rolled back, the terminal is as it was.

use crate::stage::{Stage, Walk};
use crate::terminal::{PATIENCE, Terminal};
use crate::unheld::outcome;
use rustix::process::{Pid, Signal, kill_process};
use stagegate::journal::Entry;
use stagegate::journal::entry::PhaseWord;
use stagegate::sandbox::demo::Scenario;
use std::time::Instant;

/// A script that runs for as long as nobody stops it.
const ENDLESS: &str = "CREATE TABLE public.endless (i int);\nSELECT pg_sleep(3600);\n";

/// At the gate the program gets `signal`: it rolls back, gives the terminal back and says so with
/// `code`.
fn signalled(signal: Signal, code: u8, because: &str) {
    let stage = Stage::set(Scenario::Clean);
    let (mut terminal, pid) = stage.run_from_shell();
    terminal.walk_to_the_gate();
    assert_eq!(terminal.is_taken(), [true; 3]);
    let pid: i32 = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    terminal.wait_for(&format!("exit code {code}."));
    assert_eq!(terminal.exit_code(), 0, "the shell's own");

    let said = terminal.screen_text();
    assert_eq!(terminal.is_taken(), [false; 3], "{said}");
    assert!(said.contains("ROLLED BACK wiser_ops on "), "{said}");
    assert!(said.contains(&format!("because {because}")), "{said}");
    let settings: Vec<&str> = said.split([' ', ';', '\n']).collect();
    for cooked in ["icanon", "echo", "isig", "icrnl", "opost"] {
        assert!(settings.contains(&cooked), "no {cooked}:\n{said}");
    }
    stage.assert_untouched();
    stage.assert_nobody_left();
    stage.assert_journal(&["ROLLED BACK"], code);
}

#[test]
fn terminated_at_the_gate_rolls_back() {
    signalled(Signal::TERM, 143, "the program was told to terminate");
}

#[test]
fn interrupted_at_the_gate_rolls_back() {
    signalled(Signal::INT, 130, "the program was interrupted");
}

#[test]
fn hung_up_at_the_gate_rolls_back() {
    signalled(Signal::HUP, 129, "the terminal is gone");
}

/// Asserts that the program is gone after its window was closed, and so is its transaction.
fn assert_window_closed(stage: &Stage, terminal: &mut Terminal) {
    assert_eq!(terminal.exit_code(), 129);
    stage.assert_nobody_left();
    stage.assert_untouched();
    stage.assert_journal(&["ROLLED BACK"], 129);
    let alarmed = stage
        .journal()
        .iter()
        .any(|entry| matches!(entry, Entry::Alarm { .. }));
    assert!(alarmed, "the journal does not say why");
}

#[test]
fn a_window_closed_at_the_gate_rolls_back() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal.hang_up();
    assert_window_closed(&stage, &mut terminal);
}

#[test]
fn a_window_closed_in_the_middle_of_a_statement_rolls_back() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("endless.sql", ENDLESS);
    let mut terminal = stage.run_with(&[&script]);
    terminal.sign_everything().key("a").wait_for("RUNNING");
    terminal.hang_up();
    assert_window_closed(&stage, &mut terminal);
}

#[test]
fn terminated_in_the_middle_of_a_statement_rolls_back() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("endless.sql", ENDLESS);
    let mut terminal = stage.run_with(&[&script]);
    terminal.sign_everything().key("a").wait_for("RUNNING");
    terminal.signal(Signal::TERM);
    stage.assert_rolled_back(&mut terminal, 143, "the program was told to terminate");
}

#[test]
fn killed_at_the_gate_the_server_rolls_back_and_the_journal_still_verifies() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal.signal(Signal::KILL);
    stage.assert_nobody_left();
    stage.assert_untouched();
    let entries = stage.journal();
    assert!(matches!(
        entries.last(),
        Some(Entry::Phase { phase, .. }) if *phase == PhaseWord::Deciding
    ));
}

#[test]
fn the_hold_limit_rolls_back_by_itself() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_with(&["--hold-limit", "10s"]);
    let since = Instant::now();
    terminal
        .walk_to_the_gate()
        .wait_for("ROLLS BACK BY ITSELF IN")
        .wait_for("R O L L E D   B A C K")
        .shows(&["The hold limit was reached."]);
    assert!(since.elapsed() < PATIENCE);
    stage.assert_untouched();
    terminal.key("q");
    stage.assert_rolled_back(&mut terminal, 3, "the hold limit was reached");
}

#[test]
fn a_window_closed_on_the_plain_walk_rolls_back() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("endless.sql", ENDLESS);
    let mut terminal = stage.run_in(120, 50, &[], &["--plain", &script]);
    terminal.wait_for("2. This is the right server, database and role: HOLDS.");
    terminal
        .line("read script")
        .wait_for("SELECT pg_sleep(3600)");
    for (line, signed) in [
        ("sign 1", "1. The script was read to its end: signed."),
        (
            "sign 2 wiser_ops",
            "2. This is the right server, database and role: signed.",
        ),
        ("sign 3 b7", "3. A backup of the database exists: signed."),
        (
            "sign 4 drop it",
            "4. The way back is planned: how to undo this is known: signed.",
        ),
    ] {
        terminal.line(line).wait_for(signed);
    }
    terminal
        .line("apply")
        .wait_for("CREATE TABLE public.endless: CREATE TABLE");
    terminal.hang_up();
    assert_window_closed(&stage, &mut terminal);
}

/// Its backend stands still, so that nobody can say what became of it before the program is gone.
#[test]
fn a_run_that_was_left_with_its_locks_not_known_has_the_server_asked_for_them() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let holds = "SELECT pid FROM pg_stat_activity
         WHERE application_name = 'stagegate' AND state = 'idle in transaction'";
    let backend = Pid::from_raw(stage.ask_one(holds).parse().unwrap()).unwrap();
    kill_process(backend, Signal::STOP).unwrap();
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.exit_code(), 143);
    let left = terminal.screen_text();
    assert!(left.contains("whether its session still holds"), "{left}");

    let (said, code) = outcome(&stage, &[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("pg_xact_status says in progress"), "{said}");
    assert!(said.contains("until then it holds its locks."), "{said}");

    kill_process(backend, Signal::CONT).unwrap();
    stage.assert_nobody_left();
    let (said, code) = outcome(&stage, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.starts_with("ROLLED BACK (transaction "), "{said}");
    assert!(said.contains("pg_xact_status says aborted"), "{said}");
    assert!(said.contains("Its locks went with it."), "{said}");
    stage.assert_untouched();
}
