//! The mouse's wheel: it comes as arrow keys, scrolls, and decides nothing; the mouse stays the terminal's.

use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;

/// What a terminal sends for the wheel, with cursor keys as they are and as applications want them.
const WHEEL: [(&str, &str); 2] = [("\x1b[A", "\x1b[B"), ("\x1bOA", "\x1bOB")];

/// What would take the mouse from the terminal.
const CAPTURES: [&str; 6] = ["9", "1000", "1002", "1003", "1006", "1015"];

#[test]
fn the_wheel_is_asked_for_put_back_and_the_mouse_is_never_taken() {
    let stage = Stage::set(Scenario::Clean);
    for (options, asks) in [(&[][..], 1), (&["--no-mouse"][..], 0)] {
        let mut terminal = stage.run_with(options);
        terminal.wait_for_evidence();
        assert_eq!(terminal.wrote(b"\x1b[?1007s"), 1, "{options:?}");
        assert_eq!(terminal.wrote(b"\x1b[?1007h"), asks, "{options:?}");
        assert_eq!(terminal.wrote(b"\x1b[?1007r"), 0, "{options:?}");
        terminal.key("q");
        stage.assert_left(&mut terminal, 1, "Nothing was applied.");
        assert_eq!(terminal.wrote(b"\x1b[?1007r"), 1, "{options:?}");
        for mode in CAPTURES {
            let taken = format!("\x1b[?{mode}h");
            assert_eq!(terminal.wrote(taken.as_bytes()), 0, "{taken:?}");
        }
    }
}

#[test]
fn the_wheel_scrolls_at_the_gate_and_no_heap_of_it_is_a_paste_or_a_decision() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let held = stage.held();
    terminal.key("s").wait_for("Tab next");
    for (up, down) in WHEEL {
        terminal
            .paste_raw(&up.repeat(3_000))
            .wait_for("lines 1-")
            .paste_raw(&down.repeat(3_000))
            .wait_for("-414 of 414, ")
            .shows_no("refused");
    }
    terminal.key("Esc").wait_for_the_gate();
    // Over the gate itself, its two questions, and the name.
    for (key, question) in [
        (None, "TRANSACTION OPEN"),
        (Some("r"), "ROLLBACK?"),
        (Some("c"), "Type the name of the database"),
    ] {
        if let Some(key) = key {
            terminal.key(key).wait_for(question);
        }
        for (up, down) in WHEEL {
            terminal
                .paste_raw(&down.repeat(500))
                .paste_raw(&up.repeat(500));
        }
        // A key behind them all is heard, and what was open before them still is.
        terminal
            .key("Ctrl-L")
            .shows(&[question])
            .shows_no("refused");
        if key.is_some() {
            terminal.key("Esc").wait_while(question);
        }
    }
    assert_eq!(stage.held(), held);
    // A query that is being typed is not lost to those that were asked before.
    for text in ["SELECT 1", "SELECT 2"] {
        terminal.key(":").wait_for("read-only by").type_slowly(text);
        terminal.key("Enter").wait_for("1 row in ");
    }
    terminal
        .key(":")
        .wait_for("read-only by")
        .type_slowly("SELECT 3");
    let (up, down) = WHEEL[0];
    terminal
        .paste_raw(&up.repeat(20))
        .wait_for("> SELECT 1")
        .paste_raw(&down.repeat(20))
        .wait_for("> SELECT 3");
    terminal
        .key("Esc")
        .wait_while("read-only by")
        .wait_for_the_gate();
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}
