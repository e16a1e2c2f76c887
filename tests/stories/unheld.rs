//! Deciding with nothing held: `t` lets the pass go, and what comes out the same is committed.

use crate::child::Finish;
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use stagegate::journal::Entry;
use stagegate::journal::entry::PhaseWord;
use stagegate::sandbox::demo::Scenario;
use std::process::Command;

/// What stands on the screen where nothing is held.
const FREE: &str = "NOTHING IS HELD, NOTHING IS SAVED";

/// What stands on top of the gate where the second pass came out otherwise.
pub const DIFFERENT: &str = "WHAT WAS APPROVED: COMMIT did not follow";

/// Locks on the tables that the script touches.
const LOCKS: &str = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('service_ops', 'integration') AND l.pid <> pg_backend_pid()";

/// A script whose every part can come out otherwise, with the rows and the check that it is about.
pub const SCRIPT: &str = "BEGIN;
UPDATE service_ops.packet_decision SET packet_id = packet_id WHERE packet_decision_id <= 5;
ALTER TABLE service_ops.packet_decision ADD COLUMN looked_at timestamptz;
SELECT 'few rows' AS check, CASE WHEN count(*) < 40 THEN 'PASS' ELSE 'WARN' END AS status,
       'of the ones that are asked for' AS detail
FROM service_ops.packet_decision WHERE packet_decision_id <= 30
UNION ALL SELECT 'it ran', 'PASS', '';
COMMIT;
";

/// How often the structure was taken down, each time told with what it took.
fn taken_down(stage: &Stage) -> usize {
    let told = |entry: &Entry| matches!(entry, Entry::Phase { phase, why: Some(why), .. } if *phase == PhaseWord::TakenDown && why.ends_with(" ms"));
    let entries = stage.journal();
    entries.iter().filter(|entry| told(entry)).count()
}

/// At the gate: lets the pass go and waits until it is reviewed.
pub fn take_time(terminal: &mut Terminal) -> &mut Terminal {
    terminal.key("t").wait_for(FREE).wait_for_the_gate()
}

/// In a review: gives COMMIT.
pub fn approve(terminal: &mut Terminal) -> &mut Terminal {
    terminal.send_commit()
}

/// In a review: ends the run, of which nothing is left.
fn end_review(terminal: &mut Terminal) {
    terminal
        .key("r")
        .wait_for("END THIS RUN?")
        .key("y")
        .wait_for("R O L L E D   B A C K")
        .key("q");
    assert_eq!(terminal.exit_code(), 1);
}

/// Reviews the small script; what `change` does happens while nothing is held, and COMMIT then does
/// not follow. What the differences say is left on the screen.
fn stopped_by(change: &str, told: &[&str]) {
    let stage = Stage::set(Scenario::Clean);
    stop(&stage, SCRIPT, &[change], told);
}

/// The same of another script, on a server that stays.
pub fn stop(stage: &Stage, script: &str, changes: &[&str], told: &[&str]) {
    // The journal is that of this run.
    let _ = std::fs::remove_dir_all(stage.home().join("state"));
    let script = stage.file("small.sql", script);
    let mut terminal = stage.run_in(120, 50, &[], &[&script]);
    terminal.walk_to_the_gate();
    take_time(&mut terminal);
    for change in changes {
        stage.ask(change);
    }
    approve(&mut terminal).wait_for(DIFFERENT).shows(told);
    terminal.shows(&["TRANSACTION OPEN", "approved", "now"]);
    assert!(
        stage
            .ask("SELECT 1 FROM pg_attribute WHERE attname = 'looked_at'")
            .is_empty(),
        "it was committed"
    );
    let compared = |entry: &Entry| matches!(entry, Entry::Compared { same: false, differences, .. } if !differences.is_empty());
    assert!(stage.journal().iter().any(compared));
    // The ordinary gate, with every rule of it.
    terminal.wait_for_the_gate().roll_back().key("q");
    assert_eq!(terminal.exit_code(), 1);
    stage.assert_nobody_left();
}

#[test]
fn what_was_reviewed_with_nothing_held_is_committed_by_a_second_pass() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate().shows(&["take time"]);
    let first = stage.held();
    take_time(&mut terminal).shows(&["REVIEW", "8 PASS, 0 WARN, 0 FAIL", "can be approved for"]);
    stage.assert_untouched();
    stage.wait_until(LOCKS, "0");
    // A query is answered from outside: what there is now.
    terminal
        .key(":")
        .wait_for("QUERY")
        .type_slowly("SELECT count(*) FROM pg_attribute WHERE attname = 'utn_status'")
        .key("Enter")
        .wait_for("ANSWER")
        .wait_until("no such column yet", |screen| {
            screen.lines().any(|line| line.trim() == "0")
        })
        // With nothing held there is no ROLLBACK.
        .shows(&["r end"])
        .shows_no("r ROLLBACK")
        .key("Esc")
        .wait_for_the_gate();
    approve(&mut terminal)
        .wait_for("C O M M I T T E D")
        .shows(&["says committed", "3 PASS, 0 WARN, 0 FAIL"])
        .key("q");
    stage.assert_committed(&mut terminal);
    let entries = stage.journal();
    let shown = entries.iter().find_map(|entry| match entry {
        Entry::Approved { xid, digest, .. } => Some((xid.clone(), digest.clone())),
        _ => None,
    });
    let (xid, digest) = shown.expect("an approval in the journal");
    assert_eq!(xid, Some(first));
    let same = |entry: &Entry| matches!(entry, Entry::Compared { same: true, .. });
    assert!(entries.iter().any(same));
    assert_eq!(taken_down(&stage), 2, "once in each pass");
    let intent = entries.iter().find_map(|entry| match entry {
        Entry::Intent {
            approved: Some(approved),
            ..
        } => Some(approved.clone()),
        _ => None,
    });
    assert_eq!(intent, Some(digest));
}

#[test]
fn what_is_decided_at_the_gate_never_has_its_structure_taken_down() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate().shows(&["take time"]);
    assert_eq!(taken_down(&stage), 0, "before the decision");
    terminal
        .send_commit()
        .wait_for("C O M M I T T E D")
        .key("q");
    stage.assert_committed(&mut terminal);
    assert_eq!(taken_down(&stage), 0, "at the decision");
}

#[test]
fn a_column_a_right_and_a_check_that_changed_in_between_each_stop_commit() {
    stopped_by(
        "ALTER TABLE service_ops.packet_decision ADD COLUMN meanwhile int",
        &["column service_ops.packet_decision.meanwhile", "not there"],
    );
    stopped_by(
        "GRANT DELETE ON service_ops.packet_decision TO wiser_app",
        &["privileges table service_ops.packet_decision", "DELETE"],
    );
    stopped_by(
        "INSERT INTO service_ops.packet_decision (packet_decision_id, packet_id, decision_type)
         SELECT -n, packet_id, decision_type FROM service_ops.packet_decision, generate_series(1, 40) AS n
         WHERE packet_decision_id = 1",
        &["check few rows", "PASS of the", "WARN of the", "statement 1", "UPDATE 5", "UPDATE 45"],
    );
}

#[test]
fn numbers_that_may_differ_do_not_stop_commit() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("small.sql", SCRIPT);
    let mut terminal = stage.run_in(120, 50, &[], &[&script]);
    terminal.walk_to_the_gate();
    take_time(&mut terminal).shows(&["must be the same in the second pass", "UPDATE 5"]);
    terminal.key("v").wait_for("MAY DIFFER").wait_for_the_gate();
    stage.ask("DELETE FROM service_ops.packet_decision WHERE packet_decision_id = 5");
    approve(&mut terminal)
        .wait_for("C O M M I T T E D")
        .key("q");
    assert_eq!(terminal.exit_code(), 0);
    stage.assert_nobody_left();
}

#[test]
fn the_numbers_of_one_statement_may_differ_and_those_of_another_may_not() {
    let stage = Stage::set(Scenario::Clean);
    let script = SCRIPT.replace("ALTER TABLE", "UPDATE service_ops.packet_decision SET packet_id = packet_id WHERE packet_decision_id <= 3;\nALTER TABLE");
    let script = stage.file("small.sql", &script);
    let mut terminal = stage.run_in(120, 50, &[], &["--on-difference", "rollback", &script]);
    terminal.walk_to_the_gate();
    take_time(&mut terminal)
        .shows(&["statement 1: UPDATE 5", "statement 2: UPDATE 3"])
        .key("Tab")
        .key("Tab")
        .wait_for("4 of 4 statements done")
        .key("v")
        .wait_for("Choose the statement first");
    // Nothing is counted there, so there is nothing to allow.
    terminal
        .key("G")
        .key("Up")
        .key("v")
        .wait_for("Statement 3 showed no number that could differ");
    terminal
        .key("g")
        .key("v")
        .wait_for("MAY DIFFER UPDATE 5")
        .key("Tab")
        .wait_for("of 1 statement MAY DIFFER")
        .shows(&["statement 1: UPDATE 5  MAY DIFFER"])
        .wait_for_the_gate();
    stage.ask("DELETE FROM service_ops.packet_decision WHERE packet_decision_id = 3");
    // Both counts are others now, and one of them was not allowed.
    approve(&mut terminal)
        .wait_for(DIFFERENT)
        .wait_for(FREE)
        .wait_for_the_gate()
        .shows(&["1 DIFFERENCE FROM", "UPDATE 3", "UPDATE 2"])
        .wait_for("must be the same in the second pass");
    // It is allowed anew for what is shown now.
    terminal
        .key("Tab")
        .key("Tab")
        .key("g")
        .key("v")
        .wait_for("MAY DIFFER UPDATE 4")
        .key("Tab")
        .wait_for_the_gate();
    stage.ask("DELETE FROM service_ops.packet_decision WHERE packet_decision_id = 5");
    approve(&mut terminal)
        .wait_for("C O M M I T T E D")
        .key("q");
    assert_eq!(terminal.exit_code(), 0);
    let allowed = |entry: &Entry| matches!(entry, Entry::Approved { numbers_may_differ: true, numbers_of, .. } if numbers_of == &[1]);
    assert_eq!(
        stage
            .journal()
            .iter()
            .filter(|entry| allowed(entry))
            .count(),
        2
    );
}

#[test]
fn a_runbook_says_where_it_is_decided_and_the_command_line_goes_before_it() {
    let stage = Stage::set(Scenario::Clean);
    let folder = stage.home().join("book");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("small.sql"), SCRIPT).unwrap();
    let manifest =
        "title = 'Small'\ndatabase = 'wiser_ops'\nscript = 'small.sql'\ndecide = 'unheld'\n";
    std::fs::write(folder.join("runbook.toml"), manifest).unwrap();
    let runbook = folder.to_string_lossy();
    let mut terminal = stage.run_in(120, 50, &[], &[&runbook]);
    terminal
        .wait_for("decided with nothing held")
        .sign_everything()
        .key("a")
        .wait_for(FREE)
        .wait_for_the_gate();
    end_review(&mut terminal);
    let mut terminal = stage.run_in(120, 50, &[], &["--decide", "held", &runbook]);
    terminal
        .wait_for("decided at the gate")
        .shows(&[" ms the last time"])
        .wait_for(" in its last pass here, ")
        .walk_to_the_gate()
        .shows(&["TRANSACTION OPEN"])
        .roll_back()
        .key("q");
    assert_eq!(terminal.exit_code(), 1);
    stage.assert_untouched();
}

#[test]
fn a_run_that_holds_nothing_reviews_again_what_came_out_otherwise() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("small.sql", SCRIPT);
    let arguments = ["--decide", "unheld", "--on-difference", "rollback", &script];
    let mut terminal = stage.run_in(120, 50, &[], &arguments);
    terminal
        .sign_everything()
        .key("a")
        .wait_for(FREE)
        .wait_for_the_gate();
    stage.wait_until(LOCKS, "0");
    stage.ask("DELETE FROM service_ops.packet_decision WHERE packet_decision_id = 5");
    approve(&mut terminal)
        .wait_for(DIFFERENT)
        .wait_for(FREE)
        .wait_for_the_gate()
        .shows(&["UPDATE 5", "UPDATE 4"]);
    stage.wait_until(LOCKS, "0");
    // What is approved now is what was shown last.
    approve(&mut terminal)
        .wait_for("C O M M I T T E D")
        .key("q");
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn what_no_second_pass_can_be_held_against_cannot_be_approved() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask("REVOKE SELECT ON pg_catalog.pg_policy FROM PUBLIC");
    let script = stage.file("small.sql", SCRIPT);
    let arguments = ["--decide", "unheld", "--on-difference", "rollback", &script];
    let mut terminal = stage.run_in(120, 50, &[], &arguments);
    terminal
        .sign_everything()
        .key("a")
        .wait_for(FREE)
        .wait_for("NOT POSSIBLE")
        .shows(&["permission denied for table pg_policy"])
        .key("c")
        .wait_for("Nothing can be approved here");
    end_review(&mut terminal);
    // At the held gate the pass is not let go, and it can be committed there.
    let mut terminal = stage.run_in(120, 50, &[], &[&script]);
    terminal
        .walk_to_the_gate()
        .key("t")
        .wait_for("so it is decided here")
        .shows(&["TRANSACTION OPEN", "permission denied"])
        .wait_for_the_gate()
        .roll_back()
        .key("q");
    assert_eq!(terminal.exit_code(), 1);
    stage.assert_untouched();
}

#[test]
fn a_lock_that_is_not_granted_in_the_second_pass_is_tried_again_until_the_approval_is_too_old() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("small.sql", SCRIPT);
    let arguments = [
        "--lock-timeout",
        "500ms",
        "--approval-limit",
        "10s",
        &script,
    ];
    let mut terminal = stage.run_in(120, 50, &[], &arguments);
    terminal.walk_to_the_gate();
    take_time(&mut terminal);
    let other = stage.session("BEGIN; LOCK service_ops.packet_decision");
    approve(&mut terminal)
        .wait_for("BLOCKED, TRYING AGAIN")
        .wait_for("R O L L E D   B A C K")
        .shows(&["older than --approval-limit"])
        .key("q");
    drop(other);
    assert_eq!(terminal.exit_code(), 3);
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn a_review_that_is_too_old_cannot_be_approved_any_more() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("small.sql", SCRIPT);
    let mut terminal = stage.run_in(120, 50, &[], &["--approval-limit", "3s", &script]);
    terminal.walk_to_the_gate();
    terminal
        .key("t")
        .wait_for(FREE)
        .wait_for("too old to be approved");
    terminal
        .key("c")
        .wait_for("is too old to be approved (--approval-limit)");
    end_review(&mut terminal);
    stage.assert_untouched();
}

#[test]
fn what_happens_twice_is_decided_with_the_locks_held() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file(
        "numbers.sql",
        "CREATE TABLE service_ops.numbers (n bigint);
         SELECT setval(pg_get_serial_sequence('service_ops.packet_decision', 'packet_decision_id'), 9000000);
         SELECT 'made' AS check, 'PASS' AS status;",
    );
    let mut terminal = stage.run_in(120, 50, &[], &[&script]);
    terminal
        .walk_to_the_gate()
        .key("t")
        .wait_for("The script cannot be run twice")
        .shows(&["setval", "TRANSACTION OPEN"]);
    terminal.roll_back().key("q");
    terminal.exit_code();
    let arguments = stage.arguments(&["--decide", "unheld", &script]);
    let refused = Command::new(PROGRAM)
        .args(&arguments)
        .env_clear()
        .envs(stage.env(&[]))
        .finish("stagegate");
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("runs the script twice") && said.contains("setval"),
        "{said}"
    );
}

/// What `stagegate outcome` says, with its exit code.
pub fn outcome(stage: &Stage, journal: &[&str]) -> (String, Option<i32>) {
    let outcome = Command::new(PROGRAM)
        .args(["outcome", "-w"])
        .args(journal)
        .env_clear()
        .envs(stage.env(&[]))
        .finish("stagegate");
    let said = [outcome.stdout, outcome.stderr].concat();
    (String::from_utf8(said).unwrap(), outcome.status.code())
}

#[test]
fn of_a_run_that_was_killed_in_its_review_only_its_pass_is_said_to_be_rolled_back() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    take_time(&mut terminal);
    terminal.signal(rustix::process::Signal::KILL);
    stage.assert_nobody_left();
    let (said, code) = outcome(&stage, &[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.starts_with("UNKNOWN: the run was to go on"), "{said}");
    assert!(said.contains("it says: ROLLED BACK"), "{said}");
    stage.assert_untouched();
}

#[test]
fn a_journal_cut_before_its_second_pass_does_not_say_that_its_run_was_rolled_back() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    take_time(&mut terminal);
    approve(&mut terminal)
        .wait_for("C O M M I T T E D")
        .key("q");
    terminal.exit_code();
    let whole = stage.journal_text();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let second = lines
        .iter()
        .rposition(|line| line.contains("\"beginning\""))
        .unwrap();
    let first = lines
        .iter()
        .position(|line| line.contains("\"reviewing\""))
        .unwrap();
    for end in first + 1..=second {
        let part = stage.file("part.jsonl", &lines[..end].concat());
        let (said, code) = outcome(&stage, &[&part]);
        assert_eq!(code, Some(5), "{end}: {said}");
        assert!(said.starts_with("UNKNOWN"), "{end}: {said}");
    }
}

#[test]
fn a_hang_up_in_a_review_has_nothing_to_roll_back() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    take_time(&mut terminal);
    terminal.hang_up();
    assert_eq!(terminal.exit_code(), 129);
    stage.assert_nobody_left();
    stage.assert_untouched();
    stage.assert_journal(&["ROLLED BACK"], 129);
}
