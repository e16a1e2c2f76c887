//! What goes wrong: the reason is on the screen, COMMIT is refused, and nothing is left behind.

use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;

#[test]
fn a_failing_statement_shows_its_sqlstate_and_line() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file(
        "broken.sql",
        "BEGIN;\n\
         ALTER TABLE service_ops.packet_decision ADD COLUMN walked boolean;\n\
         UPDATE service_ops.packet_decision\n    SET walkd = true;\n\
         SELECT 'never reached' AS check, 'PASS' AS status;\n",
    );
    let mut terminal = stage.run_with(&[&script]);
    terminal
        .sign_everything()
        .key("a")
        .wait_for("ONLY ROLLBACK IS LEFT: a statement failed")
        .shows(&[
            "Statement 2 of 3, line 3: UPDATE service_ops.packet_decision",
            "ERROR 42703",
            "column \"walkd\" of relation \"packet_decision\" does not exist",
            "4 │     SET walkd = true",
        ]);
    terminal
        .key("c")
        .wait_for("COMMIT is refused: a statement failed. r rolls back.");
    terminal.key("Tab").key("Tab").wait_for("not run");
    terminal.roll_back().shows(&["ERROR 42703"]).key("q");
    stage.assert_rolled_back(&mut terminal, 3, "a statement failed");
}

#[test]
fn a_script_without_a_statement_has_nothing_to_do() {
    let stage = Stage::set(Scenario::Clean);
    for text in ["", "-- only words\n", "BEGIN;\nCOMMIT;\n", "\\timing on\n"] {
        let script = stage.file("nothing.sql", text);
        let mut terminal = stage.run_with(&[&script]);
        terminal.wait_for("nothing.sql: nothing to do");
        assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
    }
    stage.assert_nothing_seen();
}

#[test]
fn a_failing_check_refuses_commit_and_says_which() {
    let stage = Stage::set(Scenario::FailingCheck);
    let mut terminal = stage.run();
    terminal
        .sign_everything()
        .key("a")
        .wait_for("ONLY ROLLBACK IS LEFT: at least one check says FAIL")
        .shows(&[
            "FAIL  012 packet_decision columns",
            "utn_status is integer, expected text",
        ]);
    terminal
        .key("c")
        .wait_for("COMMIT is refused: at least one check says FAIL. r rolls back.");
    terminal
        .key("Enter")
        .wait_for("1 FAIL of 8 checks in the transaction: COMMIT is refused");
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 4, "at least one check says FAIL");
}

#[test]
fn a_script_whose_checks_only_warn_is_no_pass() {
    let stage = Stage::set(Scenario::Clean);
    let text = "CREATE TABLE public.doubtful (i int);\nSELECT 'c' AS name, 'WARN' AS status;\n";
    let script = stage.file("doubtful.sql", text);
    let mut terminal = stage.run_with(&[&script]);
    terminal
        .sign_everything()
        .key("a")
        .wait_for("ONLY ROLLBACK IS LEFT: no check says PASS; zero checks is not a pass");
    terminal
        .key("c")
        .wait_for("COMMIT is refused: no check says PASS");
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 4, "no check says PASS");
}

#[test]
fn a_cancelled_statement_leaves_only_rollback() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file(
        "slow.sql",
        "CREATE TABLE public.slow (i int);\n\
         SELECT pg_sleep(3600);\n\
         SELECT 'it came' AS check, 'PASS' AS status;\n",
    );
    let mut terminal = stage.run_with(&[&script]);
    terminal.sign_everything().key("a").wait_for("RUNNING");
    terminal
        .key("q")
        .wait_for("The script is running: x cancels it. q again cancels, rolls back and leaves.");
    terminal
        .key("x")
        .wait_for("ONLY ROLLBACK IS LEFT: you cancelled the script")
        .shows(&["Statement 2 of 3, line 2: SELECT", "ERROR 57014"]);
    terminal
        .key("c")
        .wait_for("COMMIT is refused: you cancelled the script.");
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 3, "you cancelled the script");
}

#[test]
fn duplicate_message_ids_cannot_be_signed_away() {
    let stage = Stage::set(Scenario::DuplicateMessageIds);
    let mut terminal = stage.run();
    terminal
        .wait_for_evidence()
        .go_to_item(4)
        .wait_for("FAIL")
        .key("Enter")
        .wait_for("EVIDENCE")
        .shows(&["FAIL", "message_id", "3"]);
    terminal.key("Esc").wait_for("CHECKLIST");
    terminal
        .key("Space")
        .wait_for("The evidence fails, so it cannot be signed")
        .shows(&["CHECKLIST  0 of 5 signed"]);
    terminal.key("a").wait_for("5 items are not signed yet.");
    terminal.key("q");
    stage.assert_left(&mut terminal, 4, "Nothing was applied.");
    stage.assert_untouched();
    stage.assert_nobody_left();
    stage.assert_journal(&[], 4);
}

#[test]
fn another_database_fails_the_connection() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_with(&["-d", "postgres"]);
    terminal
        .wait_for_evidence()
        .go_to_item(3)
        .wait_for("FAILS")
        .shows(&["postgres", "wiser_ops"]);
    terminal
        .key("Space")
        .wait_for("The evidence fails, so it cannot be signed");
    terminal.key("q");
    stage.assert_left(&mut terminal, 4, "Nothing was applied.");
    stage.assert_untouched();
}

#[test]
fn a_server_that_takes_no_writes_fails_the_connection() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask("ALTER ROLE wiser_owner SET default_transaction_read_only = on");
    let mut terminal = stage.run();
    terminal
        .wait_for_evidence()
        .go_to_item(3)
        .wait_for("FAILS")
        .shows(&["read-only"]);
    terminal
        .key("Space")
        .wait_for("The evidence fails, so it cannot be signed");
    // Put right, it is looked at again and holds.
    stage.ask("ALTER ROLE wiser_owner RESET default_transaction_read_only");
    terminal.key("q");
    stage.assert_left(&mut terminal, 4, "Nothing was applied.");
    stage.assert_untouched();
}

#[test]
fn no_server_and_no_database_say_what_to_try() {
    let stage = Stage::set(Scenario::Clean);
    // The last one wins, as with psql.
    let mut terminal = stage.run_with(&["-d", "no_such_database"]);
    terminal
        .wait_for("N O T   C O N N E C T E D")
        .shows(&[
            "FATAL 3D000",
            "no_such_database",
            "Check the database name (-d)",
        ])
        .key("q");
    stage.assert_left(&mut terminal, 6, "NOT CONNECTED");
    assert!(terminal.screen_text().contains("Nothing was applied."));

    let mut terminal = stage.run_at("1");
    terminal.wait_for("N O T   C O N N E C T E D").shows(&[
        "Nothing. No transaction was opened.",
        "Check host (-h), port (-p)",
    ]);
    terminal.key("q");
    stage.assert_left(&mut terminal, 6, "NOT CONNECTED");
    stage.assert_untouched();
}

#[test]
fn a_server_that_lets_nobody_in_is_tried_again() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask("ALTER ROLE wiser_owner NOLOGIN");
    let mut terminal = stage.run();
    terminal
        .wait_for("N O T   C O N N E C T E D")
        .shows(&["FATAL 28000", "Check the role (-U)"]);
    stage.ask("ALTER ROLE wiser_owner LOGIN");
    terminal.key("w").wait_for_evidence();
    terminal.key("q");
    stage.assert_left(&mut terminal, 1, "Nothing was applied.");
    stage.assert_journal(&["NOT CONNECTED"], 1);
}
