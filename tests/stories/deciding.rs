//! The decision: COMMIT and ROLLBACK, and what must never be taken for either.

use crate::recording::outcome;
use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;
use std::time::{Duration, Instant};

#[test]
fn commit_makes_exactly_the_documented_objects() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate().shows(&[
        "TRANSACTION OPEN",
        "24 of 24 statements succeeded",
        "8 PASS, 0 WARN, 0 FAIL",
        "ACCESS EXCLUSIVE on 3 relations",
    ]);
    // Nobody else sees any of it yet.
    stage.assert_nothing_seen();
    terminal
        .commit()
        .shows(&["says committed", "3 PASS, 0 WARN, 0 FAIL"])
        // A key that is refused takes nothing of it away.
        .key("w")
        .wait_for("That key does nothing here.")
        .shows(&["Held", "11 CREATE INDEX, 3 ALTER TABLE, 2 DO"])
        .key("Tab")
        .wait_for("after COMMIT: 3 PASS")
        .key("q");
    stage.assert_committed(&mut terminal);
}

#[test]
fn rollback_leaves_nothing_and_quit_is_refused_until_then() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let held = stage.held();
    let refused = "The transaction is open: r rolls back. q again rolls back and leaves.";
    terminal.key("q").wait_for(refused);
    // A question that is answered with no changes nothing, and a q before it is not the first of two.
    terminal.key("r").wait_for("ROLLBACK?");
    terminal.key("q").key("n").wait_while("ROLLBACK?");
    terminal.key("Ctrl-C").wait_for(refused);
    terminal.key("Ctrl-Z").wait_for("Suspending is refused");
    assert_eq!(stage.held(), held);
    terminal.wait_for_the_gate().roll_back().shows(&[
        "You decided so.",
        "The server answered ROLLBACK",
        "says aborted.",
        "as it was before BEGIN",
    ]);
    stage.assert_untouched();
    terminal.key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

#[test]
fn again_after_a_rollback_keeps_the_sign_offs() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate().roll_back();
    terminal
        .key("w")
        .wait_for_evidence()
        .wait_for("CHECKLIST  5 of 5 signed")
        .wait_for("a opens the transaction")
        .shows(&["reference: b7"])
        .key("a")
        .wait_for_the_gate()
        .commit()
        .key("q");
    stage.assert_left(&mut terminal, 0, "COMMITTED wiser_ops on ");
    stage.assert_migrated();
    stage.assert_nobody_left();
    stage.assert_journal(&["ROLLED BACK", "COMMITTED"], 0);
}

#[test]
fn a_wrong_name_sends_nothing_and_the_right_one_commits() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let held = stage.held();
    terminal
        .key("c")
        .wait_for("Type the name of the database")
        .type_slowly("wiser")
        .key("Enter")
        .wait_for("That is not the name that is asked for (wiser_ops). Nothing was sent")
        // It is typed anew, not gone on with.
        .shows_no("> wiser");
    assert_eq!(stage.held(), held);
    terminal.key("Enter").wait_for("That is not the name");
    terminal.type_slowly("WISER_OPS").key("Enter");
    terminal
        .wait_while("> WISER_OPS")
        .shows(&["That is not the name"]);
    assert_eq!(stage.held(), held);
    terminal.key("Esc").wait_for_the_gate().commit().key("q");
    stage.assert_committed(&mut terminal);
}

#[test]
fn pasted_text_never_commits() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let held = stage.held();
    let too_fast = "Keys came faster than a person types";
    let line = "c\rwiser_ops\r";

    terminal
        .paste_bracketed(line)
        .wait_for("Pasted text was refused: it never acts here.")
        .wait_for_the_gate();
    terminal.key("Down").wait_while("Pasted text");
    terminal
        .paste_raw(line)
        .wait_for(too_fast)
        .wait_for_the_gate()
        .breathe();

    // The same with the question for the name open already.
    terminal.key("c").wait_for("Type the name of the database");
    terminal
        .paste_bracketed("wiser_ops\r")
        .wait_for("Pasted text was refused: the name for COMMIT is typed by hand.")
        .shows(&["Type the name of the database"])
        .shows_no("> w");
    terminal
        .paste_raw("wiser_ops\r")
        .wait_for(too_fast)
        .shows(&["Type the name of the database"])
        .shows_no("> w");
    assert_eq!(stage.held(), held);
    terminal
        .key("Esc")
        .wait_for_the_gate()
        .shows(&["TRANSACTION OPEN"])
        .roll_back()
        .key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

/// The pause of a key that is held down, at the usual 30 a second.
const REPEAT: Duration = Duration::from_millis(33);
/// The gate arms after 400 ms without a key. Where this test's own pause between two keys came near
/// that, because the machine had other things to do, an armed gate is no fault of the program.
const STALLED: Duration = Duration::from_millis(200);

#[test]
fn a_key_typed_ahead_of_the_gate_or_held_down_never_commits() {
    let stage = Stage::set(Scenario::Blocked);
    let mut terminal = stage.run_with(&["--lock-timeout", "10min"]);
    terminal
        .sign_everything()
        .key("a")
        // Now it certainly is applying, for as long as we want.
        .wait_for("WAITS FOR");
    terminal.key("c").wait_for("That key does nothing here.");
    // The key goes down while the script runs, and stays down over the arrival of the gate.
    let mut longest = Duration::ZERO;
    let mut last = Instant::now();
    let mut gate_since = None;
    let mut freed = false;
    while gate_since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(2)) {
        terminal.key("c");
        longest = longest.max(last.elapsed());
        last = Instant::now();
        if !freed {
            assert_eq!(end_the_report(&stage), ["t"]);
            freed = true;
        }
        if gate_since.is_none() && terminal.screen_text().contains("[Decide]") {
            gate_since = Some(Instant::now());
        }
        std::thread::sleep(REPEAT);
    }
    let opened = terminal.screen_text().contains("Type the name");
    assert!(!opened || longest > STALLED, "{}", terminal.picture());
    if opened {
        terminal.key("Esc");
    } else {
        terminal.shows(&["The gate was not armed yet: let go of the keys"]);
    }
    // Let go of, it arms; and nothing was sent meanwhile.
    terminal.wait_for_the_gate().roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

/// Ends the session that holds the lock.
fn end_the_report(stage: &Stage) -> Vec<String> {
    stage.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'nightly report'",
    )
}

#[test]
fn a_blocked_statement_names_the_blocker_and_a_later_walk_commits() {
    let stage = Stage::set(Scenario::Blocked);
    let mut terminal = stage.run_with(&["--lock-attempts", "1"]);
    terminal
        .sign_everything()
        .key("a")
        .wait_for("WAITS FOR")
        .shows(&["wiser_app", "nightly report"])
        .wait_for("R O L L E D   B A C K")
        .shows(&["A lock was not granted in time", "nightly report", "55P03"]);
    stage.assert_untouched();
    assert_eq!(end_the_report(&stage), ["t"]);
    terminal
        .key("w")
        .wait_for("CHECKLIST  5 of 5 signed")
        .wait_for("a opens the transaction")
        .key("a")
        .wait_for_the_gate()
        .commit()
        .key("q");
    stage.assert_left(&mut terminal, 0, "COMMITTED wiser_ops on ");
    stage.assert_migrated();
    stage.assert_nobody_left();
    stage.assert_journal(&["ROLLED BACK", "COMMITTED"], 0);
}

#[test]
fn a_blocked_script_is_tried_again_by_itself_and_lets_go_in_between() {
    let stage = Stage::set(Scenario::Blocked);
    let mut terminal = stage.run_with(&["--lock-timeout", "1s"]);
    terminal
        .sign_everything()
        .key("a")
        .wait_for("WAITS FOR")
        .wait_for("BLOCKED, TRYING AGAIN");
    stage.assert_untouched();
    assert_eq!(end_the_report(&stage), ["t"]);
    terminal.wait_for_the_gate().commit().key("q");
    stage.assert_left(&mut terminal, 0, "COMMITTED wiser_ops on ");
    stage.assert_migrated();
    stage.assert_nobody_left();
}

#[test]
fn a_window_made_tiny_at_the_gate_forbids_commit_until_it_is_large_again() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal
        .resize(20, 5)
        .wait_for("TRANSACTION OPEN")
        .wait_for("Decide: COMMIT");
    // Had `c` opened the question for the name, `r` would be the first letter of it.
    terminal.key("c").key("r").wait_for("Really ROLLBACK?");
    terminal.key("n").wait_for("Decide: COMMIT");
    terminal
        .resize(1, 1)
        .wait_until("something on one cell", |screen| !screen.trim().is_empty());
    terminal
        .resize(40, 12)
        .wait_for("needs 80×24, has 40×12")
        .key("c")
        .wait_for("COMMIT needs a screen of 80×24");
    terminal
        .resize(80, 24)
        .wait_for_the_gate()
        .shows(&["8 PASS, 0 WARN, 0 FAIL", "? help"])
        .shows_no("COMMIT needs a screen");

    // The same while the name is being typed: what was typed stays, and nothing is added.
    terminal
        .key("c")
        .wait_for("Type the name of the database")
        .type_slowly("wiser");
    terminal.resize(20, 5).wait_for("Decide: the name").shows(&[
        "rolls back by",
        "itself in ",
        "Esc back",
    ]);
    terminal
        .resize(60, 15)
        .wait_for("needs 80×24, has 60×15")
        .key("_")
        .wait_for("COMMIT needs a screen of 80×24");
    terminal.key("Enter").wait_for("COMMIT needs a screen");
    let held = stage.held();
    assert_ne!(held, "NULL");
    terminal
        .resize(120, 40)
        .wait_for("> wiser")
        .shows_no("> wiser_");
    terminal.key("Esc").wait_for_the_gate().commit().key("q");
    stage.assert_committed(&mut terminal);
}

/// A server that says this of each transaction, whatever became of it.
fn always_saying(status: &str) -> Stage {
    let stage = Stage::set(Scenario::Clean);
    stage.ask(&format!(
        "SET allow_system_table_mods = on;
         CREATE OR REPLACE FUNCTION pg_catalog.pg_xact_status(xid8) RETURNS text LANGUAGE sql
         AS $$ SELECT '{status}' $$"
    ));
    stage
}

/// The other way round: COMMIT was answered, and is not called rolled back by a status, then or later.
#[test]
fn a_server_that_calls_aborted_what_it_answered_as_committed_is_not_believed() {
    let stage = always_saying("aborted");
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal
        .send_commit()
        .wait_for("OUTCOME UNKNOWN")
        .shows(&["what the server says contradicts itself"])
        .key("o")
        .wait_for("says aborted (")
        .shows(&["OUTCOME UNKNOWN"])
        .key("q");
    stage.assert_left(&mut terminal, 5, "UNKNOWN wiser_ops on ");
    stage.assert_migrated();
    let (said, code) = outcome(&stage, stage.journal_text().as_bytes());
    assert_eq!(code, Some(5), "{said}");
    for words in [
        "UNKNOWN (transaction ",
        "it answered COMMIT with the tag COMMIT, as the journal tells",
        "pg_xact_status says aborted (",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// Whoever may replace functions of the server's own can make it say anything: no word of it outweighs
/// what this program knows that it did.
#[test]
fn a_server_that_calls_committed_what_was_rolled_back_is_not_believed() {
    let stage = always_saying("committed");
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal
        .key("r")
        .wait_for("ROLLBACK?")
        .key("y")
        .wait_for("OUTCOME UNKNOWN")
        .shows(&[
            "What the server says cannot be true together.",
            "the server answered ROLLBACK, and",
            "pg_xact_status says committed.",
        ]);
    // Asked again it says the same, and that is no proof either.
    terminal
        .key("o")
        .wait_for("One contradicts the other: COMMIT was never sent, and")
        .key("q");
    stage.assert_left(&mut terminal, 5, "UNKNOWN wiser_ops on ");
    stage.assert_untouched();
    stage.assert_journal(&["UNKNOWN"], 5);
    // Nor is it later, when only the journal knows.
    let journal = stage.journal_text();
    let (said, code) = outcome(&stage, journal.as_bytes());
    assert_eq!(code, Some(5), "{said}");
    for words in [
        "UNKNOWN (transaction ",
        "COMMIT was never sent, as the journal tells",
        "pg_xact_status says committed (",
        "whether pg_catalog.pg_xact_status is the server's own",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Nor without the run's end, where ROLLBACK stands in its place.
    let last = journal.trim_end().rfind('\n').unwrap() + 1;
    let (said, code) = outcome(&stage, &journal.as_bytes()[..last]);
    assert_eq!(code, Some(5), "{said}");
    // What a journal without either lacks proves nothing: it may be a copy of before COMMIT.
    let intent = journal.find("\"decision\":\"ROLLBACK\"").unwrap();
    let before = journal[..intent].rfind('\n').unwrap() + 1;
    let (said, code) = outcome(&stage, &journal.as_bytes()[..before]);
    assert_eq!(code, Some(0), "{said}");
    for words in [
        "COMMITTED (transaction ",
        "The journal ends before COMMIT was sent",
        "or something else committed it",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
