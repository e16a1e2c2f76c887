//! A rehearsal on the checklist while its structure is compared: somebody's lock makes that wait, and
//! nothing else does.

use crate::child::Finish;
use crate::session::Session;
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use stagegate::facts::Standing;
use stagegate::journal::{Entry, chain};
use stagegate::sandbox::demo::Scenario;
use std::process::{Command, Stdio};

/// A database whose structure was rehearsed; a view in it is not touched by the script.
fn rehearsed() -> Stage {
    let stage = Stage::set(Scenario::Clean);
    stage.ask("CREATE TABLE public.watched (i int)");
    stage.ask("CREATE VIEW public.watching AS SELECT i FROM public.watched");
    let mut arguments = stage.arguments(&[]);
    arguments[0] = "rehearse".to_owned();
    let output = Command::new(PROGRAM)
        .args(arguments)
        .envs(stage.env(&[]))
        .stdin(Stdio::null())
        .finish("stagegate rehearse");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    stage
}

/// Nobody is told what the view is while this is there.
fn lock(stage: &Stage) -> Session {
    stage.session("BEGIN; LOCK TABLE public.watched IN ACCESS EXCLUSIVE MODE")
}

const PATIENT: [&str; 2] = ["--lock-timeout", "1min"];

#[test]
fn the_checklist_is_there_and_hears_keys_while_the_structure_is_compared() {
    let stage = rehearsed();
    let holder = lock(&stage);
    let journal = stage.home().join("run.jsonl");
    let mut arguments = PATIENT.to_vec();
    arguments.extend(["--journal", journal.to_str().unwrap()]);
    let mut terminal = stage.run_with(&arguments);
    terminal.wait_for("comparing");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    stage.wait_until(waits, "1");
    terminal
        .wait_until("all other evidence", |screen| {
            !screen.contains("looking") && screen.contains("NEEDS YOU")
        })
        .go_to_item(5)
        .wait_for("the structure is compared with that of the")
        .key("Space")
        .wait_for("still being looked for")
        .key("?")
        .wait_for("KEYS")
        .key("Esc")
        .wait_for("CHECKLIST");
    terminal
        .read_everything()
        .shows(&["0 of 5 signed", "comparing"]);
    stage.wait_until(waits, "1");
    drop(holder);
    terminal
        .wait_for("rehearsed on 2")
        .key("Space")
        .wait_for("1 of 5 signed");
    terminal.key("q");
    terminal.exit_code();
    let text = std::fs::read_to_string(journal).unwrap();
    let lines = chain::verify(&text).unwrap();
    let told: Vec<_> = lines
        .into_iter()
        .filter_map(|line| match line.entry {
            Entry::Evidence { item, standing, .. } if item == "rollback" => Some(standing),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [Standing::Holds],
        "only what was found is written down"
    );
}

#[test]
fn whoever_does_not_wait_for_the_comparison_leaves_and_nobody_stays() {
    let stage = rehearsed();
    let _holder = lock(&stage);
    let mut terminal = stage.run_with(&PATIENT);
    terminal.wait_for("comparing").key("q");
    terminal.exit_code();
    stage.assert_nobody_left();
}

#[test]
fn lines_are_taken_while_the_structure_is_compared() {
    let stage = rehearsed();
    let holder = lock(&stage);
    let mut terminal = stage.run_in(160, 50, &[], &[PATIENT[0], PATIENT[1], "--plain"]);
    let compares = "Item 5: the structure is compared with that of the rehearsal of 2";
    // All that is told while nobody has typed anything; what comes last depends on which was read first.
    terminal
        .wait_for(compares)
        .wait_for("Impact: ")
        .wait_for("Locks: ");
    answers(&mut terminal, "sign 5", "still being looked for");
    drop(holder);
    terminal.wait_for("HOLDS. rehearsed on 2");
    answers(
        &mut terminal,
        "sign 5",
        "the rollback scripts were read: signed.",
    );
    // What was signed before stays signed while it is compared anew.
    let holder = lock(&stage);
    answers(&mut terminal, "probe", compares);
    drop(holder);
    terminal.wait_for_times("HOLDS. rehearsed on 2", 2);
    assert!(!terminal.screen_text().contains("no longer signed"));
    answers(&mut terminal, "sign 5", "Signed already");
}

/// Types a line where one is asked for, and waits for what is said to it.
#[track_caller]
fn answers(terminal: &mut Terminal, line: &str, said: &str) {
    let before = String::from_utf8_lossy(&terminal.raw())
        .matches(said)
        .count();
    terminal
        .wait_until("a prompt", |screen| {
            screen.trim_end().ends_with("checklist>")
        })
        .type_slowly(line)
        .key("Enter")
        .wait_for_times(said, before + 1);
}
