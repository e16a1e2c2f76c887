//! A paste of any length, in any phase: nothing of it acts, and the next key does.

use crate::stage::{Stage, Walk};
use crate::terminal::Terminal;
use stagegate::sandbox::demo::Scenario;

/// A script that runs for as long as nobody stops it.
const ENDLESS: &str = "CREATE TABLE public.endless (i int);\nSELECT pg_sleep(3600);\n";
/// What a paste of every length is made of: keys that would decide, and the answer to their question.
const DECIDES: &str = "c\rwiser_ops\rr\ry\rx\rq\ra\r";
/// What is said of keys that came too fast.
const REFUSED: &str = "they were refused.";

/// Pastes from 1 to 100 KB, with and without brackets; after each a key is heard.
fn paste_all(terminal: &mut Terminal, lengths: &[usize]) {
    for length in lengths {
        let text = DECIDES.repeat(length / DECIDES.len());
        terminal.breathe();
        terminal.paste_raw(&text).wait_for(REFUSED);
        hear(terminal);
        terminal
            .paste_bracketed(&text)
            .wait_for("Pasted text was refused");
        hear(terminal);
    }
}

/// A person's key opens the help and closes it.
fn hear(terminal: &mut Terminal) {
    terminal.press_until("?", " KEYS");
    terminal.key("Esc").wait_while(" KEYS");
}

#[test]
fn a_paste_of_any_length_leaves_the_keys_alive_in_every_phase() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.wait_for_evidence();
    paste_all(&mut terminal, &[1_000, 20_000]);
    terminal.walk_to_the_gate();
    paste_all(&mut terminal, &[1_000, 5_000, 6_000, 100_000]);
    // The name's box takes no paste, and what was typed before it is not its beginning.
    terminal.key("c").wait_for("Type the name of the database");
    let text = DECIDES.repeat(300);
    terminal.breathe();
    terminal.paste_raw(&text).wait_for(REFUSED);
    terminal.breathe();
    terminal
        .key("Esc")
        .wait_while("Type the name of the database");
    terminal.roll_back();
    paste_all(&mut terminal, &[6_000]);
    terminal.key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

#[test]
fn a_paste_while_a_statement_runs_leaves_the_cancel_alive() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("endless.sql", ENDLESS);
    let mut terminal = stage.run_with(&[&script]);
    terminal.sign_everything();
    terminal.key("a").wait_for("RUNNING");
    paste_all(&mut terminal, &[6_000, 100_000]);
    terminal.key("x").wait_for("ONLY ROLLBACK IS LEFT");
    paste_all(&mut terminal, &[6_000]);
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 3, "you cancelled the script");
}
