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
    same_questions(table);
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
        || milliseconds_to_evidence(|| run_at(&stage, &ours)),
        "psql -c 'select 1'",
        || {
            let mut command = ground.psql_command("select 1");
            command.args(["-h", "127.0.0.1", "-p", &theirs]);
            run(command).milliseconds
        },
    );
    if ground.typed_psql_command("").is_none() {
        return;
    }
    table.compare(
        &format!("start, round trip {round_trip} ms, beside what PATH has as psql"),
        ("ms", ""),
        || milliseconds_to_evidence(|| run_at(&stage, &ours)),
        "its wrapper with -c 'select 1'",
        || {
            let mut command = ground.typed_psql_command("select 1").unwrap();
            command.args(["-h", "127.0.0.1", "-p", &theirs]);
            run(command).milliseconds
        },
    );
}

/// The same beside psql with the same questions, all of them in one command on one connection: what the
/// server takes to answer them, whoever asks. A new session has read no catalog yet.
fn same_questions(table: &mut Table) {
    let mut options = DemoOptions::for_tests(Scenario::Clean);
    options.sandbox = options.sandbox.with("log_line_prefix", "%a|");
    options.sandbox.tcp = true;
    let stage = Stage::with(options);
    let port = stage.tcp_address().unwrap().port().to_string();
    let questions = questions_asked(&stage, &port);
    let ground = Ground::lay();
    table.compare(
        "start to all evidence on the screen, beside psql with the same questions",
        ("ms", "≤ 1.3"),
        || milliseconds_to_evidence(|| run_at(&stage, &port)),
        "psql",
        || {
            let mut command = ground.psql_command(&questions);
            command.args(["-h", "127.0.0.1", "-p", &port]);
            command.args(["-U", stage.role(), "-d", "wiser_ops"]);
            run(command).milliseconds
        },
    );
}

/// What the program's own session asks until all evidence is there, as the server's log has it.
fn questions_asked(stage: &Stage, port: &str) -> String {
    let role = stage.role();
    stage.ask(&format!("ALTER ROLE {role} SET log_statement = 'all'"));
    run_at(stage, port).wait_for_evidence();
    stage.ask(&format!("ALTER ROLE {role} RESET log_statement"));
    let log = std::fs::read_to_string(stage.server().log_path()).unwrap();
    let mut questions: Vec<String> = Vec::new();
    let mut inside = false;
    for line in log.lines() {
        // What goes on after its first line is set in.
        if let Some(more) = line.strip_prefix('\t') {
            if inside && let Some(last) = questions.last_mut() {
                last.push('\n');
                last.push_str(more);
            }
            continue;
        }
        let said = line.strip_prefix("stagegate|LOG:  ");
        let question = said.and_then(|said| {
            said.strip_prefix("statement: ")
                .or_else(|| said.strip_prefix("execute <unnamed>: "))
        });
        inside = question.is_some();
        questions.extend(question.map(str::to_owned));
    }
    assert!(questions.len() > 20, "{questions:?}");
    questions.join(";\n")
}

/// How long a program takes from its start until all evidence is on its screen.
fn milliseconds_to_evidence(start: impl FnOnce() -> Terminal) -> f64 {
    let since = Instant::now();
    start().wait_for_evidence();
    since.elapsed().as_secs_f64() * 1000.0
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
    if !table.wants("verify rehearse checklist on a database of tables") {
        return;
    }
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
    let checklist = |stage: &Stage| milliseconds_to_evidence(|| stage.run());
    table.compare(
        &format!("checklist on a database of {count} tables"),
        ("ms", "≤ 2"),
        || checklist(&many),
        "of a few",
        || checklist(&few),
    );
}
