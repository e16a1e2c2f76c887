//! What a script did to rows, and the rows it brought, before the decision.

use crate::lines::without_a_terminal;
use crate::stage::{Stage, Walk};
use crate::terminal::Terminal;
use stagegate::sandbox::demo::Scenario;

/// What a person wants to see of each: a count, a result, a wide one, a notice.
const SCRIPT: &str = "CREATE TABLE public.u1 (a int, b text);
INSERT INTO public.u1 SELECT g FROM generate_series(1, 12345) g;
UPDATE public.u1 SET b = 'x' WHERE a < 0;
DELETE FROM public.u1 WHERE a > 100;
SELECT count(*) AS how_many, sum(a) AS \"all\" FROM public.u1;
SELECT 'left' AS l, repeat('-', 100) AS middle, 'at the ' || 'right end' AS r, NULL AS n;
DO $$ BEGIN RAISE NOTICE 'said by the script'; END $$;
SHOW search_path;
DELETE FROM public.u1 WHERE a = 1 RETURNING a, 'gone' AS what;
SELECT g FROM generate_series(1, 1500) g;
SELECT 'c' AS c, 'PASS' AS status;
";

/// Closes what is open, goes up to the statement whose row reads `row`, and opens it.
fn open(terminal: &mut Terminal, row: &str, title: &str) {
    terminal.key("Esc").wait_for("[statements]");
    // Escape and an arrow in one breath would be another key.
    terminal.breathe();
    terminal.key("Up").wait_for(row);
    terminal.key("Enter").wait_for(title);
}

#[test]
fn the_rows_that_a_script_touched_and_brought_are_there_before_the_decision() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("rows.sql", SCRIPT);
    let mut terminal = stage.run_with(&[&script]);
    terminal.walk_to_the_gate();
    terminal.key("Tab").key("Tab").wait_for("[statements]");
    terminal.shows(&["INSERT 0 12345", "UPDATE 0", "DELETE 12245", "DELETE 1 "]);

    // From the last statement up to each of interest.
    open(
        &mut terminal,
        "10▸SELECT",
        "STATEMENT 10 of 11, line 10: SELECT",
    );
    terminal.shows(&["ROWS: 1000 of 1500 kept"]);
    terminal
        .key("G")
        .wait_for("TEXT")
        .shows(&["and 500 more rows, not kept", "generate_series(1, 1500)"]);
    open(&mut terminal, "9▸DELETE", "STATEMENT 9 of 11");
    terminal.shows(&["DELETE 1 in", "ROWS: 1", "what", "gone"]);
    open(&mut terminal, "8▸SHOW", "STATEMENT 8 of 11");
    terminal.shows(&["search_path"]);
    open(&mut terminal, "7▸DO", "STATEMENT 7 of 11");
    terminal.shows(&["It returned no rows", "NOTICE", "said by the script"]);
    // A wide row is moved sideways.
    open(&mut terminal, "6▸SELECT", "STATEMENT 6 of 11");
    terminal
        .shows(&["left", "wider than the screen"])
        .shows_no("at the right end");
    terminal.key("Right").wait_while("left │");
    terminal
        .key("Right")
        .wait_for("at the right end")
        .shows(&["NULL"]);
    terminal.key("Left").wait_while("at the right end");
    terminal.key("Left").wait_for("left │");
    // Or it stands one value below the other, as wide as the screen.
    terminal
        .key("w")
        .wait_for("── row 1 ─")
        .shows(&["w shows them as a grid"])
        .shows_no("left │");
    terminal.key("w").wait_for("left │");
    open(&mut terminal, "5▸SELECT", "STATEMENT 5 of 11");
    terminal.shows(&["how_many", "100", "5050", "SELECT 1 in"]);
    terminal.key("/").wait_for("FIND");
    terminal
        .type_slowly("sum(a)")
        .key("Enter")
        .wait_while("FIND");
    terminal.shows_no("Not found");
    open(&mut terminal, "4▸DELETE", "STATEMENT 4 of 11");
    terminal.shows(&[
        "DELETE 12245 in",
        "It returned no rows",
        "DELETE FROM public.u1 WHERE a > 100",
    ]);
    terminal.key("Esc").wait_for("[statements]");
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

#[test]
fn lines_print_rows_as_psql_does() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("rows.sql", SCRIPT);
    let output = without_a_terminal(&stage, &stage.arguments(&["--rehearse", &script]), "");
    let said = String::from_utf8(output.stdout).unwrap();
    let noted = String::from_utf8(output.stderr).unwrap();
    for wanted in [
        "UPDATE 0 ",
        "DELETE 12245 ",
        " how_many | all\n----------+------\n      100 | 5050\n(1 row)\n",
        "search_path\n----",
        " a | what\n---+------\n 1 | gone\n(1 row)\n",
        "(1500 rows; the first 100 are shown)\n",
    ] {
        assert!(said.contains(wanted), "no {wanted:?} in\n{said}{noted}");
    }
    stage.assert_nobody_left();
}
