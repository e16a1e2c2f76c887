//! What a fact says and what a key is called are two things: lines and the report are read where no key
//! is pressed, so none is named there.

use crate::keyless::key_in;
use crate::lines::without_a_terminal;
use crate::stage::Stage;
use stagegate::sandbox::demo::Scenario;

#[track_caller]
fn names_no_key(what: &str, text: &str) {
    assert!(!text.trim().is_empty(), "{what} says nothing");
    // What the program adds to the transaction is SQL, with names of one letter in it.
    for line in text.lines().filter(|line| !line.contains("pg_catalog.")) {
        assert_eq!(key_in(line), None, "{what} names a key: {line}");
    }
}

/// The report of the newest run there.
fn report(stage: &Stage) -> String {
    let output = without_a_terminal(stage, &["report".to_owned()], "");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_key_that_is_named_would_be_seen() {
    for (line, key) in [
        ("Or b makes one now, with pg_dump.", Some("b")),
        ("press again", Some("press")),
        ("read it (s opens it)", Some("(s")),
        ("a reference to -h db1 is typed", None),
        ("it took 1.7 s", None),
    ] {
        assert_eq!(key_in(line), key, "{line}");
    }
}

#[test]
fn no_rehearsal_names_a_key_and_no_report_of_one() {
    let findings = "SET lock_timeout = 0;\nSELECT 1 2;\n";
    let savepoint = "SAVEPOINT once;\nCREATE TABLE public.made (id int);\nROLLBACK TO once;\n\
        SELECT 'is it there' AS \"check\", 'WARN' AS status;\nCOMMIT;\n";
    let refused = "VACUUM;\nSELECT id FRM made;\n";
    for (scenario, command, script) in [
        (Scenario::Clean, "run", None),
        (Scenario::Clean, "rollback", None),
        (Scenario::Clean, "run", Some(findings)),
        (Scenario::Clean, "run", Some(savepoint)),
        (Scenario::Clean, "run", Some(refused)),
        (Scenario::FailingCheck, "run", None),
        (Scenario::DuplicateMessageIds, "run", None),
    ] {
        let stage = Stage::set(scenario);
        let file = script.map(|text| stage.file("script.sql", text));
        let mut further = vec!["--rehearse"];
        further.extend(file.as_deref());
        let mut arguments = stage.arguments(&further);
        arguments[0] = command.to_owned();
        let output = without_a_terminal(&stage, &arguments, "");
        let what = format!("{command} {scenario:?} {script:?}");
        let said = [output.stdout, output.stderr].concat();
        names_no_key(&what, &String::from_utf8(said).unwrap());
        if script != Some(refused) {
            names_no_key(&format!("the report of {what}"), &report(&stage));
        }
        stage.assert_nobody_left();
    }
}

#[test]
fn no_walk_by_lines_names_a_key() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file(
        "script.sql",
        "CREATE TABLE public.made (id int);\nSELECT 'is it there' AS \"check\", 'FAIL' AS status;\n",
    );
    let mut terminal = stage.run_in(120, 200, &[], &["--plain", &script]);
    terminal.wait_for("2. This is the right server, database and role: HOLDS.");
    for (line, answer) in [
        ("help", "read checks N"),
        ("show 3", "with pg_dump."),
        ("apply", "4 items are not signed yet."),
        ("sign 1", "Read it to its end first"),
        ("read script", "is it there"),
        ("sign 1", "1. The script was read to its end: signed."),
        ("sign 2", "It needs the name of the database"),
        ("sign 2 wiser_ops", "role: signed."),
        ("sign 3 ..", "That is no reference"),
        ("sign 3 b7", "3. A backup of the database exists: signed."),
        ("sign 4", "It needs words"),
        ("sign 4 drop it", "is known: signed."),
        (
            "apply",
            "it cannot be committed: at least one check says FAIL.",
        ),
        ("help", "rollback"),
        ("commit", "COMMIT is refused"),
        ("quit", "The transaction is open"),
        ("rollback", "Type yes or no."),
        ("help", "  no: back; nothing is sent"),
        ("yes", "ROLLED BACK, because at least one check says FAIL"),
        ("help", "again"),
    ] {
        terminal.breathe().line(line).wait_for(answer);
    }
    names_no_key("the walk", &String::from_utf8(terminal.raw()).unwrap());
    terminal.line("quit");
    assert_eq!(terminal.exit_code(), 4, "{}", terminal.picture());
    let said = report(&stage);
    assert!(said.contains("drop it"), "{said}");
    names_no_key("its report", &said);
    stage.assert_untouched();
}
