//! How an answer is shown: as a grid that moves sideways, or row by row; and what is copied of it.

use crate::clipboard::copied;
use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;

/// Numbers, a text wider than the screen, and what stands behind it.
const WIDE: &str = "SELECT n, repeat('wide ', 30) w, n * 1.5 last FROM generate_series(8, 12) n";

#[test]
fn a_wide_answer_moves_sideways_is_read_row_by_row_and_copied_whole() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let held = stage.held();
    terminal
        .key(":")
        .wait_for("read-only by")
        .paste_bracketed(WIDE)
        .key("Enter")
        .wait_for("5 rows in ")
        .shows(&[
            "w shows it row by row",
            "\n  n │ w ",
            "\n  8 │ wide wide",
            "\n 12 │ wide wide",
        ])
        .shows_no("last\n")
        .shows_no("row 1");
    terminal.key("Y").wait_for("the answer, 11 lines");
    let grid = copied(&terminal).pop().unwrap();
    assert!(
        grid.contains(&format!(" 12 │ {} │ 18.0", "wide ".repeat(30))),
        "{grid}"
    );
    for _ in 0..3 {
        terminal.key("Right").breathe();
    }
    terminal
        .wait_for("│ last")
        .shows(&["│ 12.0", "│ 18.0"])
        .shows_no(" 12 │ wide");
    terminal
        .key("w")
        .wait_for("row by row; w shows it as a grid")
        .shows(&["── row 1 ", " n     8", " w     wide wide", " last  12.0"]);
    terminal.key("Y").wait_for("the answer, 24 lines");
    let rows = copied(&terminal).pop().unwrap();
    assert!(
        rows.contains(&format!(
            " w     {}\n last  18.0",
            "wide ".repeat(30).trim_end()
        )),
        "{rows}"
    );
    terminal.key("w").wait_for("\n  8 │ wide wide");
    assert_eq!(stage.held(), held);
    terminal.key("Esc").wait_for_the_gate().roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}
