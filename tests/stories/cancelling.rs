//! `x` where nothing is held (evidence, a query in the review, the post-verification), and of COMMIT.

use crate::stage::{Stage, Walk};
use crate::terminal::Terminal;
use crate::unheld::{SCRIPT, take_time};
use rustix::process::{Pid, Signal, kill_process};
use stagegate::sandbox::demo::Scenario;

/// Catches every cancel, the server's own limit too. One that comes while another is being caught is
/// caught farther out.
pub const SWALLOW: &str = "CREATE FUNCTION public.swallow(within int DEFAULT 4) RETURNS int
     LANGUAGE plpgsql AS $$ BEGIN LOOP
     BEGIN
     IF within > 0 THEN PERFORM public.swallow(within - 1); ELSE PERFORM pg_sleep(100); END IF;
     EXCEPTION WHEN query_canceled THEN NULL; END;
     END LOOP; END $$";

/// What is slow as long as it has a row.
const SLOW: &str = "CREATE TABLE public.slow AS SELECT 1 AS i;
     GRANT SELECT ON public.slow TO PUBLIC";

const SLEEPS: &str = "SELECT count(*) FROM pg_stat_activity
     WHERE application_name LIKE 'stagegate%' AND wait_event = 'PgSleep'";

/// What passes, as fast as a server answers.
const PASSES: &str = "SELECT 'it' AS check, 'PASS' AS status, '' AS detail;\n";

/// A runbook of one statement with `state` as the evidence of its structure and `after` as its
/// post-verification.
fn run(stage: &Stage, state: &str, after: &str) -> Terminal {
    let manifest = "title = \"book\"\ndatabase = \"wiser_ops\"\nscript = \"script.sql\"\n\
         expected_state = \"state.sql\"\npost_verification = \"after.sql\"\n";
    let path = stage.file("book/runbook.toml", manifest);
    let script = format!("BEGIN;\nCREATE TABLE public.made (i int);\n{PASSES}COMMIT;\n");
    stage.file("book/script.sql", &script);
    stage.file("book/state.sql", state);
    stage.file("book/after.sql", after);
    let folder = std::path::Path::new(&path).parent().unwrap();
    stage.run_with(&[folder.to_str().unwrap()])
}

#[test]
fn a_post_verification_is_cancelled_and_what_is_committed_stays() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = run(&stage, PASSES, &format!("SELECT pg_sleep(600);\n{PASSES}"));
    terminal.walk_to_the_gate();
    terminal.send_commit().wait_for("no transaction is open");
    stage.wait_until(SLEEPS, "1");
    terminal
        .shows(&["x cancel"])
        .key("x")
        .wait_for("C O M M I T T E D")
        .shows(&["The post-verification could not be run; m shows why."])
        .key("m")
        .wait_for("canceling statement due to user request")
        .key("Esc")
        .wait_for("C O M M I T T E D")
        .key("q");
    stage.assert_left(&mut terminal, 0, "COMMITTED wiser_ops on ");
    assert_eq!(stage.ask_one("SELECT count(*) FROM public.made"), "0");
}

#[test]
fn a_post_verification_that_no_cancel_ends_is_told_and_x_again_closes_its_link() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask(SWALLOW);
    let after = format!("SELECT public.swallow();\n{PASSES}");
    let mut terminal = run(&stage, PASSES, &after);
    terminal.walk_to_the_gate();
    terminal.send_commit().wait_for("no transaction is open");
    stage.wait_until(SLEEPS, "1");
    terminal
        .key("x")
        .wait_for("CANCELLING")
        .wait_for("CANCEL HAS NO EFFECT")
        .wait_for("x again closes the link; nothing is held on it")
        .key("x")
        .wait_for("C O M M I T T E D")
        .shows(&["The post-verification could not be run"])
        .key("q");
    stage.assert_left(&mut terminal, 0, "COMMITTED wiser_ops on ");
    terminal.shows(&["The post-verification gave no result."]);
}

#[test]
fn a_commit_that_no_cancel_ends_is_told_and_goes_on() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    // It waits for a standby that nobody is, and then its process stands still.
    stage.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    stage.ask("SELECT pg_reload_conf()");
    terminal.send_commit().wait_for("x end the wait");
    let commits = "SELECT pid FROM pg_stat_activity
         WHERE application_name = 'stagegate' AND wait_event = 'SyncRep'";
    let backend = Pid::from_raw(stage.ask_one(commits).parse().unwrap()).unwrap();
    kill_process(backend, Signal::STOP).unwrap();
    terminal
        .key("x")
        .wait_for("CANCELLING")
        .wait_for("CANCEL HAS NO EFFECT")
        .wait_for("COMMIT goes on. x asks once more");
    kill_process(backend, Signal::CONT).unwrap();
    terminal
        .wait_for("C O M M I T T E D")
        .wait_for("NOT KNOWN TO BE")
        .key("q");
    stage.assert_committed(&mut terminal);
}

#[test]
fn evidence_is_cancelled_and_can_be_looked_for_again() {
    let stage = Stage::set(Scenario::Clean);
    let state = format!("SELECT pg_sleep(600) FROM public.slow;\n{PASSES}");
    stage.ask(SLOW);
    let mut terminal = run(&stage, &state, PASSES);
    stage.wait_until(SLEEPS, "1");
    terminal
        .wait_for("x cancel")
        .key("x")
        .wait_for("NO ANSWER")
        .wait_while("x cancel")
        .go_to_item(4)
        .shows(&["state.sql: it was cancelled"]);
    // What is still on its way hits nothing of what comes next.
    stage.ask("DELETE FROM public.slow");
    terminal.key("p").wait_while("it was cancelled");
    terminal.walk_to_the_gate();
    terminal.roll_back().key("q");
    assert_eq!(terminal.exit_code(), 1);
}

#[test]
fn evidence_that_no_cancel_ends_is_told_and_x_again_looks_anew_on_another_link() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask(SWALLOW);
    stage.ask(SLOW);
    let state = format!("SELECT public.swallow() FROM public.slow;\n{PASSES}");
    let mut terminal = run(&stage, &state, PASSES);
    stage.wait_until(SLEEPS, "1");
    terminal.wait_for("x cancel").key("x");
    stage.ask("DELETE FROM public.slow");
    terminal
        .wait_for("x again closes the link; nothing is held on it")
        .key("x")
        .wait_for_evidence();
    terminal.walk_to_the_gate().roll_back().key("q");
    assert_eq!(terminal.exit_code(), 1);
    stage.wait_until(SLEEPS, "0");
}

#[test]
fn a_query_in_the_review_that_no_cancel_ends_is_told_and_x_again_closes_its_link() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask(SWALLOW);
    let script = stage.file("small.sql", SCRIPT);
    let mut terminal = stage.run_with(&[&script]);
    terminal.walk_to_the_gate();
    take_time(&mut terminal);
    let ask = |terminal: &mut Terminal, text: &str| {
        terminal
            .key(":")
            .wait_for("QUERY")
            .type_slowly(text)
            .key("Enter");
    };
    ask(&mut terminal, "SELECT public.swallow()");
    terminal.wait_for("A QUERY RUNS");
    stage.wait_until(SLEEPS, "1");
    terminal
        .key("x")
        .wait_for("CANCELLING")
        .wait_for("CANCEL HAS NO EFFECT")
        .wait_for("x again closes the link; nothing is held on it")
        .key("x")
        .wait_while("CANCEL HAS NO EFFECT")
        .shows(&["NOTHING IS HELD, NOTHING IS SAVED"]);
    stage.wait_until(SLEEPS, "0");
    // The review goes on, with a link of its own.
    ask(&mut terminal, "SELECT 'still ' || 'there'");
    terminal.wait_for("still there").key("Esc");
    terminal
        .wait_for_the_gate()
        .key("r")
        .wait_for("END THIS RUN?")
        .key("y")
        .wait_for("R O L L E D   B A C K")
        .key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}
