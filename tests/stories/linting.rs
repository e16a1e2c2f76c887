//! A large script: the walk begins while the linter is under way, and nothing is signed without it.

use crate::stage::{Stage, Walk};
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
