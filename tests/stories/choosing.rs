//! A list of hosts on the command line: the walk stays with the server that was reached.

use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;

/// How many sessions of the program a server has let in since it writes them down.
fn let_in(stage: &Stage) -> usize {
    let log = std::fs::read_to_string(stage.server().log_path()).unwrap();
    log.lines()
        .filter(|line| line.contains("connection authorized") && line.contains("=stagegate"))
        .count()
}

fn two() -> [Stage; 2] {
    let stages = [Stage::set(Scenario::Clean), Stage::set(Scenario::Clean)];
    for stage in &stages {
        stage.ask("ALTER SYSTEM SET log_connections = on");
        stage.ask("SELECT pg_reload_conf()");
        stage.wait_until("SELECT current_setting('log_connections')", "on");
    }
    stages
}

#[test]
fn the_first_host_is_back_before_commit_and_is_left_alone() {
    let [away, stage] = two();
    away.server().stop_immediate().unwrap();
    let hosts = format!("{},{}", away.host(), stage.host());
    let ports = format!("{},{}", away.port(), stage.port());
    // As in psql, of options that are given twice the last ones count.
    let mut terminal = stage.run_with(&["-h", &hosts, "-p", &ports]);
    terminal.wait_for_evidence();
    away.server().restart().unwrap();
    terminal.walk_to_the_gate();
    assert!(!stage.held().is_empty());
    terminal.commit().key("q");
    stage.assert_committed(&mut terminal);
    away.assert_untouched();
    assert_eq!(let_in(&away), 0);
    assert!(let_in(&stage) >= 2, "the session and its monitor");
}

#[test]
fn what_happens_to_the_host_that_was_not_chosen_is_no_matter() {
    let [one, other] = two();
    let conninfo = format!(
        "host={},{} port={},{} dbname=wiser_ops load_balance_hosts=random \
         target_session_attrs=read-write",
        one.host(),
        other.host(),
        one.port(),
        other.port()
    );
    let mut terminal = one.run_with(&["-d", &conninfo]);
    terminal.walk_to_the_gate();
    let holds = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'stagegate' AND state LIKE 'idle in transaction%'";
    let (chosen, left) = match one.ask_one(holds).as_str() {
        "1" => (&one, &other),
        _ => (&other, &one),
    };
    assert_eq!(chosen.ask_one(holds), "1");
    assert_eq!(let_in(left), 0);
    left.server().stop_immediate().unwrap();
    terminal
        .roll_back()
        .shows(&["You decided so.", "says aborted."])
        .key("q");
    one.assert_left(&mut terminal, 1, "ROLLED BACK wiser_ops on ");
    one.assert_journal(&["ROLLED BACK"], 1);
    left.server().restart().unwrap();
    chosen.assert_untouched();
    chosen.assert_nobody_left();
    left.assert_untouched();
}
