//! What COMMIT asks of people beside the name: a reason where nothing was checked, a second signer.

use crate::stage::{Stage, Walk};
use crate::terminal::Terminal;
use stagegate::journal::Entry;
use stagegate::journal::entry::Decision;
use stagegate::sandbox::demo::Scenario;

/// A script that checks nothing.
const UNCHECKED: &str = "CREATE TABLE public.unchecked (id integer);\n";

/// Why it is committed.
const BECAUSE: &str = "ticket 4711 asks for an empty table";

/// Answers both questions that come before the name.
fn consent(terminal: &mut Terminal) -> &mut Terminal {
    terminal
        .type_slowly(BECAUSE)
        .key("Enter")
        .wait_for("SECOND SIGNER")
        .type_slowly("Ben Ops")
        .key("Enter")
        .wait_for("Type the name of the database")
}

#[test]
fn a_bare_script_without_checks_is_committed_for_a_typed_reason_and_with_a_second_person() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("unchecked.sql", UNCHECKED);
    let mut terminal = stage.run_with(&["--second-signer", &script]);
    terminal.walk_to_the_gate().shows(&[
        "NONE: nothing says whether the script did what it should",
        "asks why, who else, and the name",
    ]);
    terminal
        .key("c")
        .wait_for("COMMIT without checks")
        .key("Enter")
        .wait_for("COMMIT needs a reason");
    consent(&mut terminal)
        .shows(&[BECAUSE, "Ben Ops"])
        // On the way back all of it is forgotten.
        .key("Esc")
        .wait_for_the_gate()
        .key("c")
        .wait_for("COMMIT without checks");
    consent(&mut terminal)
        .type_slowly("wiser_ops")
        .key("Enter")
        .wait_for("C O M M I T T E D")
        .key("q");
    stage.assert_left(&mut terminal, 0, "COMMITTED wiser_ops on ");
    let there = stage.ask_one("SELECT to_regclass('public.unchecked') IS NOT NULL");
    assert_eq!(there, "t");
    stage.assert_journal(&["COMMITTED"], 0);
    let said = stage.journal().into_iter().find_map(|entry| match entry {
        Entry::Intent {
            decision: Decision::Commit,
            reason,
            second_signer,
            ..
        } => Some((reason, second_signer)),
        _ => None,
    });
    let expected = (Some(BECAUSE.to_owned()), Some("Ben Ops".to_owned()));
    assert_eq!(said, Some(expected));
}

#[test]
fn the_connection_takes_the_name_by_hand_and_only_the_right_one() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.wait_for_evidence().go_to_item(3);
    terminal
        .key("Space")
        .wait_for("DATABASE NAME")
        .paste_bracketed("wiser_ops")
        .wait_for("Pasted text was refused")
        .type_slowly("wiser_dev")
        .key("Enter")
        .wait_for("That is not the name that is asked for (wiser_ops).")
        .wait_for("CHECKLIST  0 of 5 signed");
    terminal
        .wait_for("DATABASE NAME")
        .type_slowly("wiser_ops")
        .key("Enter")
        .wait_for("CHECKLIST  1 of 5 signed")
        .key("q");
    stage.assert_untouched();
}
