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

/// What a terminal may say without having been asked by this program.
const UNASKED: [&str; 9] = [
    "\x1b[?997;1n",
    "\x1b[?1007;1$y",
    "\x1b[?2026;2$y",
    "\x1b[0;0R",
    "\x1b[M`\x20\x21",
    "\x1b[32;0;0M",
    "\x1b[<0;0;0M",
    "\x1b]11;rgb:0000/0000",
    "\x1bP1$r",
];

#[test]
fn nothing_that_a_terminal_says_and_no_end_that_is_lost_stops_the_keyboard() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    for said in UNASKED {
        terminal.paste_raw(said);
        hear(&mut terminal);
    }
    for lost in ["\x1b[200~", "\x1b[200~wiser_ops\x1b[201"] {
        terminal.paste_raw(lost).wait_for("Pasted text was refused");
        hear(&mut terminal);
    }
    terminal.roll_back().key("q");
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

#[test]
fn a_name_that_a_slow_link_held_up_is_typed_to_its_end() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal.key("c").wait_for("Type the name of the database");
    terminal.type_slowly("wis").breathe();
    // What is typed while nothing gets through arrives at once, and nothing of it is lost.
    terminal.paste_raw("er_o").wait_for("> wiser_o").breathe();
    terminal.key("p").wait_for("> wiser_op").breathe();
    terminal.key("s").wait_for("> wiser_ops");
    terminal.key("Enter").wait_for("C O M M I T T E D").key("q");
    stage.assert_committed(&mut terminal);
}

#[test]
fn keys_at_once_are_no_name_where_pastes_have_no_brackets() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(80, 24, &[("TERM", "vt220")], &[]);
    terminal.walk_to_the_gate();
    terminal.key("c").wait_for("Type the name of the database");
    terminal.type_slowly("wis").breathe();
    terminal
        .paste_raw("er_o")
        .wait_for("Emptied: keys came all at once")
        .breathe();
    // It says so until it is emptied by hand; until then nothing is taken.
    terminal.key("p").wait_while(REFUSED);
    terminal.shows(&["Emptied: keys came all at once"]);
    terminal.key("Enter").wait_while("Emptied").breathe();
    terminal.type_slowly("wiser_ops");
    terminal.key("Enter").wait_for("C O M M I T T E D").key("q");
    stage.assert_committed(&mut terminal);
}
