//! From the command to the first thing worth looking at.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use stagegate::sandbox::demo::{DemoOptions, Scenario};

use crate::delay::delayed;
use crate::ground::{Ground, run};
use crate::stage::{Stage, Walk};
use crate::table::Table;
use crate::terminal::{PROGRAM, Terminal};

pub fn measure(table: &mut Table) {
    first_evidence(table, 0);
    first_evidence(table, 20);
    many_tables(table);
}

/// Until all evidence of the checklist is on the screen, beside `psql -c 'select 1'`.
fn first_evidence(table: &mut Table, round_trip: u64) {
    let mut options = DemoOptions::for_tests(Scenario::Clean);
    options.sandbox.tcp = true;
    let stage = Stage::with(options);
    let ground = Ground::lay();
    let link = |address| {
        delayed(address, Duration::from_millis(round_trip))
            .port()
            .to_string()
    };
    let theirs = link(ground.server.tcp_address().unwrap());
    let ours = link(stage.tcp_address().unwrap());
    table.compare(
        &format!("start to all evidence on the screen, round trip {round_trip} ms"),
        (
            "ms",
            if round_trip == 0 {
                "≤ 1.3"
            } else {
                "≤ 2.0"
            },
        ),
        || {
            let since = Instant::now();
            run_at(&stage, &ours).wait_for_evidence();
            since.elapsed().as_secs_f64() * 1000.0
        },
        "psql -c 'select 1'",
        || {
            let mut command = ground.psql_command("select 1");
            command.args(["-h", "127.0.0.1", "-p", &theirs]);
            run(command).milliseconds
        },
    );
}

/// The walk on a screen, connected at that port of this machine.
pub fn run_at(stage: &Stage, port: &str) -> Terminal {
    let env = stage.env(&[]);
    let env: Vec<(&str, &OsStr)> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
    let mut arguments = stage.arguments(&[]);
    for (name, value) in [("-h", "127.0.0.1"), ("-p", port)] {
        let at = arguments.iter().position(|word| word == name).unwrap();
        arguments[at + 1] = value.to_owned();
    }
    Terminal::spawn(80, 24, &env, &arguments)
}

/// Looking on a database of very many tables, beside one of three.
fn many_tables(table: &mut Table) {
    let few = Stage::set(Scenario::Clean);
    let many = Stage::set(Scenario::Clean);
    let count = table.by_extent(1_000, 20_000, 20_000);
    many.ask(&format!(
        "DO $$BEGIN FOR n IN 1..{count} LOOP
             EXECUTE format('CREATE TABLE public.many_%s(id int PRIMARY KEY, note text)', n);
             IF n % 500 = 0 THEN COMMIT; END IF;
         END LOOP; END$$"
    ));
    let verify = |stage: &Stage| {
        let mut arguments = stage.arguments(&[]);
        arguments[0] = "verify".to_owned();
        let mut command = std::process::Command::new(PROGRAM);
        command.args(arguments).envs(stage.env(&[]));
        command.stdout(std::process::Stdio::null());
        run(command).milliseconds
    };
    table.compare(
        &format!("verify on a database of {count} tables"),
        ("ms", "≤ 2"),
        || verify(&many),
        "of a few",
        || verify(&few),
    );
    let rehearse = |stage: &Stage| {
        let mut arguments = stage.arguments(&[]);
        arguments[0] = "rehearse".to_owned();
        let mut command = std::process::Command::new(PROGRAM);
        command.args(arguments).envs(stage.env(&[]));
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        run(command).milliseconds
    };
    table.compare(
        &format!("rehearse on a database of {count} tables"),
        ("ms", ""),
        || rehearse(&many),
        "of a few",
        || rehearse(&few),
    );
    let checklist = |stage: &Stage| {
        let since = Instant::now();
        stage.run().wait_for_evidence();
        since.elapsed().as_secs_f64() * 1000.0
    };
    table.compare(
        &format!("checklist on a database of {count} tables"),
        ("ms", "≤ 2"),
        || checklist(&many),
        "of a few",
        || checklist(&few),
    );
}
