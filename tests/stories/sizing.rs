//! A terminal that says no size, or one of a single cell, from the start or in the middle of it: the
//! program goes on, and its keys work.

use crate::child::until;
use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;

/// What a terminal without a size is taken for, in whichever direction it has none.
const SIZELESS: [(u16, u16); 3] = [(0, 0), (0, 24), (80, 0)];

const FRAME_END: &[u8] = b"\x1b[?2026l";

#[test]
fn a_terminal_that_says_no_size_at_the_start_is_taken_for_the_usual_one() {
    for (columns, rows) in SIZELESS {
        let stage = Stage::set(Scenario::Clean);
        let mut terminal = stage.run_in(columns, rows, &[], &[]);
        terminal
            .walk_to_the_gate()
            .shows(&["8 PASS, 0 WARN, 0 FAIL", "? help"]);
        terminal.commit().key("q");
        stage.assert_committed(&mut terminal);
    }
}

#[test]
fn a_terminal_that_loses_its_size_at_the_gate_is_taken_for_the_usual_one() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 40, &[], &[]);
    terminal.walk_to_the_gate();
    for (columns, rows) in SIZELESS {
        terminal
            .resize(columns, rows)
            .wait_for_the_gate()
            .shows(&["8 PASS, 0 WARN, 0 FAIL", "? help"])
            .key("r")
            .wait_for("ROLLBACK?");
        terminal.key("n").wait_for_the_gate();
        terminal.resize(20, 5).wait_for("Decide: COMMIT");
    }
    terminal.resize(0, 0).wait_for_the_gate();
    terminal.commit().key("q");
    stage.assert_committed(&mut terminal);
}

#[test]
fn one_cell_at_the_start_is_waited_with_until_there_is_more() {
    for (columns, rows) in [(1, 1), (80, 1), (1, 24)] {
        let stage = Stage::set(Scenario::Clean);
        let mut terminal = stage.run_in(columns, rows, &[], &[]);
        // There may be no room for a letter.
        until("a frame was drawn", || {
            let drawn = terminal.raw();
            let mut ends = drawn.windows(FRAME_END.len());
            ends.any(|bytes| bytes == FRAME_END).then_some(())
        });
        for key in ["?", "Esc", "s", "G", "Esc"] {
            terminal.breathe().key(key);
        }
        terminal.resize(80, 24).walk_to_the_gate();
        terminal.roll_back().key("q");
        stage.assert_rolled_back(&mut terminal, 1, "you decided so");
    }
}

#[test]
fn on_one_cell_at_the_gate_rollback_is_decided_and_commit_is_not() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal
        .walk_to_the_gate()
        .resize(1, 1)
        .wait_until("something on one cell", |screen| !screen.trim().is_empty());
    terminal.breathe().key("c").breathe();
    // Had `c` opened the question for the name, these would be letters of it.
    until("the journal tells of the rollback", || {
        terminal.key("r").breathe().key("y").breathe();
        stage
            .journal_text()
            .contains("\"ROLLED BACK\"")
            .then_some(())
    });
    terminal.resize(80, 24).wait_for("R O L L E D   B A C K");
    terminal.key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}
