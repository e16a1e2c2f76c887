//! The query inside the held transaction: on FAIL, before COMMIT, cancelled, overtaken by the end
//! of the hold and by the end of the session.

use crate::cancelling::SWALLOW;
use crate::child::Finish;
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use stagegate::journal::Entry;
use stagegate::sandbox::demo::Scenario;
use std::process::Command;

trait Asks {
    /// Opens the prompt, types a query and asks it.
    fn query(&mut self, text: &str) -> &mut Self;

    /// Asks a query that runs for longer than any of these stories, and sees it run.
    fn long_query(&mut self) -> &mut Self;
}

impl Asks for Terminal {
    fn query(&mut self, text: &str) -> &mut Self {
        self.key(":")
            .wait_for("read-only by")
            .type_slowly(text)
            .key("Enter")
    }

    fn long_query(&mut self) -> &mut Self {
        self.query("SELECT pg_sleep(600)").wait_for("A QUERY RUNS")
    }
}

/// The queries that the journal tells of, each with the number of its rows.
fn asked(stage: &Stage) -> Vec<(String, Option<u64>)> {
    let entries = stage.journal();
    let asked = entries.into_iter().filter_map(|entry| match entry {
        Entry::Queried(queried) => Some((queried.query, queried.rows)),
        _ => None,
    });
    asked.collect()
}

#[test]
fn on_fail_a_person_asks_sees_and_rolls_back() {
    let stage = Stage::set(Scenario::FailingCheck);
    let mut terminal = stage.run();
    terminal
        .sign_everything()
        .key("a")
        .wait_for("ONLY ROLLBACK IS LEFT: at least one check says FAIL");
    let held = stage.held();
    // The column is there for this transaction alone.
    let text = "SELECT count(utn_status) AS n FROM service_ops.packet_decision";
    terminal
        .query(text)
        .wait_for("ANSWER")
        .wait_for("1 row in ")
        .shows(&["The transaction is as it was before.", " n", " 0"]);
    assert_eq!(stage.held(), held);
    terminal
        .query("SELECT utm FROM service_ops.packet_decision")
        .wait_for("ERROR 42703")
        .shows(&[
            "column \"utm\" does not exist",
            "The transaction is as it was before.",
        ]);
    // What is no query is not sent.
    terminal
        .query("DROP TABLE service_ops.packet_decision")
        .wait_for("DROP is refused: only SELECT")
        .key("Esc")
        .wait_while("QUERY");
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 4, "at least one check says FAIL");
    let wrong = "SELECT utm FROM service_ops.packet_decision";
    assert_eq!(
        asked(&stage),
        [(text.to_owned(), Some(1)), (wrong.to_owned(), None)]
    );
    let journal = std::fs::read_dir(stage.home().join("state/stagegate"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let report = Command::new(PROGRAM)
        .arg("report")
        .arg(journal)
        .finish("stagegate report");
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(
        report.contains("Looked at inside the transaction"),
        "{report}"
    );
    assert!(
        report.contains("2 queries, read-only by the server"),
        "{report}"
    );
    assert!(report.contains("count(utn_status)"), "{report}");
}

#[test]
fn after_queries_that_try_everything_commit_makes_exactly_the_documented_objects() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal.long_query().shows(&["x cancels it now"]);
    // Neither key of the decision is there for COMMIT while it runs.
    terminal.key("c").wait_for("That key does nothing here.");
    terminal
        .key("x")
        .wait_for("ERROR 57014")
        .shows(&["canceling statement due to user request"])
        .shows(&["The transaction is as it was before."]);
    terminal
        .query("SELECT set_config('search_path', 'x', false)")
        .wait_for("1 row in ");
    terminal
        .query("SELECT pg_advisory_lock(7)")
        .wait_for("1 row in ")
        .shows(&["The transaction is as it was before."]);
    terminal.key("Esc").wait_for_the_gate().commit().key("q");
    stage.assert_committed(&mut terminal);
    assert_eq!(asked(&stage).len(), 3);
}

#[test]
fn the_end_of_the_hold_ends_a_query_too() {
    // On every pane: Enter may have opened the checks of a run that has just ended.
    const ENDED: &str = "no transaction is open";
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_with(&["--hold-limit", "10s"]);
    terminal.walk_to_the_gate();
    // Two of them, because one never gets more than half of what is left.
    for _ in 0..8 {
        terminal
            .key(":")
            .wait_until("a prompt or the end", |screen| {
                screen.contains("read-only by") || screen.contains(ENDED)
            });
        if terminal.screen_text().contains(ENDED) {
            break;
        }
        terminal.paste_bracketed("SELECT pg_sleep(60)").key("Enter");
        terminal.wait_until("an answer or the end", |screen| {
            screen.contains("ANSWER") || screen.contains(ENDED)
        });
    }
    terminal.wait_for(ENDED).key("q");
    stage.assert_rolled_back(&mut terminal, 3, "the hold limit was reached");
}

#[test]
fn a_session_that_ends_during_a_query_is_rolled_back_with_proof() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal.long_query();
    // The screen says that it runs as soon as it is asked; the server may still be about to.
    let sleeps = "FROM pg_stat_activity
         WHERE application_name LIKE 'stagegate%' AND wait_event = 'PgSleep'";
    stage.wait_until(&format!("SELECT count(*) {sleeps}"), "1");
    stage.ask(&format!("SELECT pg_terminate_backend(pid) {sleeps}"));
    terminal.wait_for("R O L L E D   B A C K").key("q");
    stage.assert_rolled_back(&mut terminal, 3, "the session ended");
}

/// A function that catches every cancel, the server's own limit too.
#[test]
fn a_query_that_no_cancel_ends_is_told_and_x_again_rolls_back() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask(SWALLOW);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal
        .query("SELECT public.swallow()")
        .wait_for("A QUERY RUNS")
        .key("x")
        .wait_for("Cancelling; waiting")
        .wait_for("CANCEL HAS NO EFFECT")
        .wait_for("x again rolls back, and closes the link")
        .key("x")
        .wait_for("R O L L E D   B A C K")
        .key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

#[test]
fn rollback_does_not_wait_for_a_query() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal.long_query().roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

/// As terminals send a statement that was copied with its lines.
const PASTED: &str = "SELECT 1 AS a, -- the first\r       2 AS b\r\nFROM (VALUES (7)) AS v(x)\n";

/// Types a text where there is one already, letter by letter, until the screen shows `shown`.
fn write(terminal: &mut Terminal, text: &str, shown: &str) {
    for letter in text.split("").filter(|letter| !letter.is_empty()) {
        terminal.paste_raw(letter).breathe();
    }
    terminal.wait_for(shown);
}

#[test]
fn a_statement_of_several_lines_is_pasted_typed_and_asked_as_it_stands() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    terminal.key(":").wait_for("read-only by");
    terminal
        .paste_bracketed(PASTED)
        .wait_for("> SELECT 1 AS a, -- the first ")
        .shows(&["          2 AS b ", "   FROM (VALUES (7)) AS v(x) "]);
    // The cursor stands on the empty line below them; from there it goes up.
    terminal.key("Up").breathe();
    write(&mut terminal, ", x ", "  , x FROM (VALUES (7)) AS v(x) ");
    terminal.key("Enter").wait_for("1 row in ");
    terminal.shows(&[" a │ b │ x", "\n , x FROM (VALUES (7)) AS v(x)"]);
    terminal.key(":").wait_for("read-only by");
    terminal.type_slowly("SELECT 8").breathe();
    // Ctrl-J and Alt-Enter begin a line; a paste without brackets has its lines as well, and asks nothing.
    write(&mut terminal, "\n", "> SELECT 8 ");
    write(&mut terminal, "AS", "   AS");
    write(&mut terminal, "\n", "> SELECT 8 ");
    terminal.paste_raw("\x1b\r").breathe();
    write(&mut terminal, "c", "   c");
    terminal.paste_raw(", 9\rAS d\r").wait_for("AS d").breathe();
    terminal.shows(&["> SELECT 8 ", "read-only by"]);
    terminal.key("Enter").wait_for(" c │ d");
    // No more of it than a third of the screen, and the cursor's line is among it.
    terminal.key(":").wait_for("read-only by");
    let many: Vec<String> = (1..=30).map(|line| format!("line{line:02}")).collect();
    terminal
        .paste_bracketed(&many.join("\r"))
        .wait_for("▲ line23")
        .shows(&["  line30"])
        .shows_no("line22");
    for line in (1..30).rev() {
        let text = format!("line{line:02}");
        terminal.key("Up").wait_for(&text);
    }
    terminal.shows(&["> line01", "▼ line08"]).shows_no("line09");
    terminal.key("Esc").wait_while("read-only by");
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
    let texts: Vec<String> = asked(&stage).into_iter().map(|(text, _)| text).collect();
    let pasted = "SELECT 1 AS a, -- the first\n       2 AS b\n, x FROM (VALUES (7)) AS v(x)";
    assert_eq!(texts, [pasted, "SELECT 8\nAS\n\nc, 9\nAS d"]);
}
