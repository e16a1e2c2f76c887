//! A large script: the walk begins while the linter is under way, and nothing is signed without it. One that
//! changed on the disk is read as carefully.

use crate::stage::{Stage, Walk};
use stagegate::journal::Entry;
use stagegate::journal::entry::PhaseWord;
use stagegate::sandbox::demo::Scenario;

/// So many tables that the linter takes seconds for them.
fn large() -> String {
    let table = |number: usize| {
        format!(
            "CREATE TABLE public.t{number} (id bigint PRIMARY KEY, note text CHECK (note <> ''));\n\
             COMMENT ON COLUMN public.t{number}.note IS 'what there is to say of number {number}';\n"
        )
    };
    let tables: String = (0..20_000).map(table).collect();
    format!("BEGIN;\n{tables}DROP TABLE public.t0;\n")
}

#[test]
fn the_checklist_is_there_before_the_linter_and_the_script_is_signed_after_it() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("large.sql", &large());
    let mut terminal = stage.run_with(&[&script]);
    terminal
        .wait_for("CHECKLIST")
        .wait_for("linting  the linter is under way, on 40001 statements of large.sql")
        .shows(&["wiser_owner@wiser_ops"])
        .key("s")
        .wait_for("The linter is under way; the scripts open with what it says of them.")
        .key("Space")
        .wait_for("The evidence is still being looked for")
        .key("a")
        .wait_for("items are not signed yet")
        .shows(&["linting", "0 of 4 signed"])
        .wait_for_evidence()
        .shows(&["1 lint finding"])
        .key("Space")
        .wait_for("read")
        .shows(&["0 of 4 signed"])
        .key("q");
    assert_eq!(terminal.exit_code(), 1);
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn a_file_that_cannot_be_run_any_more_ends_no_walk_and_nothing_runs_on_what_was_read() {
    let stage = Stage::set(Scenario::Clean);
    let right = "CREATE TABLE public.right (a int);";
    let script = stage.file("bare.sql", "CREATE TABLE public.old (a int);");
    let mut terminal = stage.run_with(&[&script]);
    terminal.wait_for_evidence();
    stage.file("bare.sql", &format!("{right}\nCOMMIT;\nSELECT 1;\n"));
    terminal
        .key("p")
        .wait_for("what was read before stays")
        .wait_for_evidence()
        .shows(&["bare.sql:2:1: a COMMIT before the end", "0 of 4 signed"]);
    // An editor that writes a file anew takes it away first.
    std::fs::remove_file(&script).unwrap();
    terminal
        .key("p")
        .wait_for("bare.sql cannot be read")
        .wait_for_evidence();
    stage.file("bare.sql", right);
    terminal
        .key("p")
        .wait_for("It was read anew; nothing is signed yet.")
        .wait_for_evidence()
        .key("s")
        .wait_for("public.right")
        .key("Esc")
        .wait_while("public.right")
        .key("q");
    assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
    let journal = stage.journal();
    assert!(
        matches!(journal.last(), Some(Entry::Left { .. })),
        "{journal:?}"
    );
    let told = |why: &str| {
        journal.iter().any(|entry| {
            matches!(entry, Entry::Phase { phase: PhaseWord::StartingOver, why: Some(told), .. }
                if told.contains(why))
        })
    };
    assert!(told("a COMMIT before the end"), "{journal:?}");
    assert!(told("cannot be read"), "{journal:?}");
    stage.assert_untouched();
    stage.assert_nobody_left();
}
