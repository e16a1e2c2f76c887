//! Habits of psql on the command line: what is found without being named, and what is told of words
//! that mean something else here.

use crate::child::Finish;
use crate::stage::Stage;
use crate::terminal::PROGRAM;
use stagegate::sandbox::demo::Scenario;
use std::process::{Command, Stdio};

/// Exit code and words of the program with the server's place in the environment.
fn told(stage: &Stage, arguments: &[&str], more: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .env_clear()
        .envs(stage.env(&[]))
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PGHOST", stage.host())
        .env("PGPORT", stage.port())
        .env("PGUSER", stage.role())
        .envs(more.iter().copied())
        .stdin(Stdio::null());
    let output = (&mut command).finish("stagegate");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

#[test]
fn the_database_is_the_roles_name_but_for_a_runbook_that_names_its_own() {
    let stage = Stage::set(Scenario::Clean);
    let one = stage.file("one.sql", "SELECT 'PASS' AS status;\n");
    let (code, said) = told(&stage, &["verify", &one], &[]);
    let none = format!("database \"{}\" does not exist", stage.role());
    assert!(code == Some(6) && said.contains(&none), "{code:?} {said}");
    let (code, said) = told(&stage, &["verify", &one], &[("PGDATABASE", "wiser_ops")]);
    assert_eq!(code, Some(0), "{said}");
    let (_, said) = told(&stage, &["verify"], &[]);
    assert!(
        said.contains("wiser_ops") && !said.contains("does not exist"),
        "{said}"
    );
    let (_, said) = told(&stage, &["verify"], &[("PGDATABASE", "postgres")]);
    assert!(
        said.contains("this is database postgres, and the runbook is for wiser_ops"),
        "{said}"
    );
    // Of an option that is given twice the last one counts, and it counts more than the variable.
    let host = stage.host();
    let twice = [
        "verify",
        &one,
        "-d",
        "x",
        "-d",
        "wiser_ops",
        "-h",
        "/nowhere",
        "-h",
        &host,
    ];
    let (code, said) = told(&stage, &twice, &[("PGHOST", "/nowhere/either")]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn words_that_mean_something_else_in_psql_are_told_by_what_they_are_here() {
    let stage = Stage::set(Scenario::Clean);
    for (arguments, words) in [
        (&["run", "mydb"][..], "If you mean a database: -d mydb"),
        (
            &["run", "-f", "x.sql"],
            "the script stands without an option: stagegate run SCRIPT.sql",
        ),
        (
            &["run", "-c", "SELECT 1"],
            "no commands are taken: put them into a script",
        ),
        (
            &["run", "-1", "x.sql"],
            "a script always runs in one transaction",
        ),
        (&["run", "x.sql", "mydb"], "A database is named with -d"),
        (
            &["run", "postgresql://dba@db1/wiser_ops"],
            "a connection string stands after -d here",
        ),
        (
            &["verify", "host=db1 dbname=wiser_ops"],
            "a connection string stands after -d here",
        ),
    ] {
        let (code, said) = told(&stage, arguments, &[]);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

/// The list of the run is in the environment still when it is asked how the run went.
#[test]
fn a_run_is_asked_after_in_the_environment_that_it_was_made_in() {
    let stage = Stage::set(Scenario::Clean);
    let one = stage.file(
        "one.sql",
        "CREATE TABLE made (i int);\nSELECT 'PASS' AS status;\n",
    );
    let places = [("PGDATABASE", "wiser_ops"), ("PGHOSTADDR", "")];
    let (code, said) = told(&stage, &["run", "--rehearse", &one], &places);
    assert_eq!(code, Some(0), "{said}");
    // As a list of addresses stands there where a service or a profile sets it.
    let lists = [
        ("PGHOSTADDR", "192.0.2.1,192.0.2.2"),
        ("PGPORT", "1,2"),
        ("PGHOST", "a,b"),
    ];
    let (code, said) = told(&stage, &["outcome"], &lists);
    assert!(
        code == Some(3) && said.contains("ROLLED BACK"),
        "{code:?} {said}"
    );
    assert!(said.contains("aborted"), "{said}");
}
