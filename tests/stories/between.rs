//! What can change between a pass that was let go and the second one: each of it stops COMMIT, named.

use crate::answers;
use crate::child::Finish;
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use crate::unheld::{DIFFERENT, SCRIPT, approve, stop, take_time};
use stagegate::journal::Entry;
use stagegate::sandbox::demo::Scenario;
use std::process::Command;

/// Calls a function that its text does not name: it makes the default of a column.
const CALLING: &str = "BEGIN; INSERT INTO service_ops.noted (m) VALUES (1);
    SELECT 'it ran' AS check, 'PASS' AS status; COMMIT;";

/// A walk of the small script, let go at the gate.
fn reviewed(stage: &Stage, options: &[&str]) -> Terminal {
    let script = stage.file("small.sql", SCRIPT);
    let mut terminal = stage.run_in(120, 50, &[], &[options, &[&script]].concat());
    terminal.walk_to_the_gate();
    take_time(&mut terminal);
    terminal
}

#[test]
fn what_a_script_takes_away_is_held_against_what_it_was_when_it_was_approved() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask("ALTER TABLE service_ops.packet_decision ADD COLUMN once int");
    // Afterwards nothing of it is there, whatever it was.
    stop(
        &stage,
        "BEGIN; ALTER TABLE service_ops.packet_decision DROP COLUMN once;
         SELECT 'it ran' AS check, 'PASS' AS status; COMMIT;",
        &["ALTER TABLE service_ops.packet_decision ALTER COLUMN once TYPE text"],
        &[
            "before the script: column service_ops.packet_decision.once",
            "integer",
            "text",
        ],
    );
    // It was not there when it was approved, and is no less gone for that.
    stop(
        &stage,
        "BEGIN; DROP TABLE IF EXISTS service_ops.ledger CASCADE;
         SELECT 'it ran' AS check, 'PASS' AS status; COMMIT;",
        &[
            "CREATE TABLE service_ops.ledger (n int)",
            "CREATE VIEW service_ops.balance AS SELECT sum(n) FROM service_ops.ledger",
        ],
        &[
            "before the script: column service_ops.ledger.n",
            "not there",
        ],
    );
    assert_eq!(
        stage.ask_one("SELECT count(*) FROM service_ops.ledger"),
        "0"
    );
}

#[test]
fn a_function_a_role_and_a_setting_that_changed_each_stop_commit() {
    let stage = Stage::set(Scenario::Clean);
    let function = |body: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION service_ops.made() RETURNS int IMMUTABLE LANGUAGE sql \
             AS 'SELECT {body}'"
        )
    };
    stage.ask(&function("1"));
    let role = stage.role().to_owned();
    stage.ask("CREATE TABLE service_ops.noted (n int DEFAULT service_ops.made(), m int)");
    stage.ask(&format!("GRANT ALL ON service_ops.noted TO {role}"));
    stage.ask(&format!("CREATE ROLE reader; GRANT reader TO {role}"));
    stage.ask("CREATE TABLE service_ops.up (n int PRIMARY KEY)");
    stage.ask("CREATE TABLE service_ops.down (n int CONSTRAINT held REFERENCES service_ops.up)");
    let changed: [(&[&str], &str); 6] = [
        // The foreign key is there still, and holds nobody to anything.
        (
            &["ALTER TABLE service_ops.down DISABLE TRIGGER ALL"],
            "before the script: enforcement held on service_ops.down",
        ),
        (
            &["GRANT CREATE ON TABLESPACE pg_default TO reader"],
            "before the script: privileges tablespace pg_default",
        ),
        (
            &[&function("2")],
            "before the script: function service_ops.made()",
        ),
        // One step away.
        (
            &["GRANT pg_read_all_data TO reader"],
            "before the script: membership reader in pg_read_all_data",
        ),
        (
            &["ALTER ROLE reader CREATEDB"],
            "before the script: role reader",
        ),
        (
            &[
                "ALTER SYSTEM SET datestyle = 'SQL, DMY'",
                "SELECT pg_reload_conf()",
            ],
            "before the script: setting in effect DateStyle",
        ),
    ];
    for (changes, told) in changed {
        stop(&stage, CALLING, changes, &[told]);
    }
}

#[test]
fn another_database_of_the_same_name_is_not_the_one_that_was_approved() {
    let stage = Stage::set(Scenario::Clean);
    let sandbox = stage.server();
    let beside = sandbox.connection(sandbox.superuser(), "postgres");
    answers::ask(&beside, "CREATE DATABASE twin TEMPLATE wiser_ops");
    let mut terminal = reviewed(&stage, &[]);
    answers::ask(&beside, "DROP DATABASE wiser_ops WITH (FORCE)");
    answers::ask(&beside, "ALTER DATABASE twin RENAME TO wiser_ops");
    approve(&mut terminal)
        .wait_for(DIFFERENT)
        .shows(&["before the script: database wiser_ops", "number"]);
    terminal.wait_for_the_gate().roll_back().key("q");
    assert_eq!(terminal.exit_code(), 1);
}

/// Where a server was started anew in between, only its files tell it from a copy of it.
#[test]
fn a_server_that_was_started_anew_is_the_one_that_was_approved_only_where_that_is_seen() {
    for may_see in [false, true] {
        let stage = Stage::set(Scenario::Clean);
        if may_see {
            let role = stage.role().to_owned();
            stage.ask(&format!(
                "GRANT EXECUTE ON FUNCTION pg_stat_file(text) TO {role}"
            ));
        }
        let mut terminal = reviewed(&stage, &[]);
        stage.server().restart().unwrap();
        approve(&mut terminal);
        match may_see {
            true => terminal.wait_for("C O M M I T T E D").key("q"),
            false => terminal
                .wait_for("R O L L E D   B A C K")
                .shows(&["start of the server", "cannot see whether its files"])
                .key("q"),
        };
        assert_eq!(terminal.exit_code(), if may_see { 0 } else { 3 });
        stage.assert_nobody_left();
    }
}

#[test]
fn a_copy_at_the_same_address_is_not_the_server_that_was_approved() {
    let stage = Stage::set(Scenario::Clean);
    let role = stage.role().to_owned();
    stage.ask(&format!(
        "GRANT EXECUTE ON FUNCTION pg_stat_file(text) TO {role}"
    ));
    let mut terminal = reviewed(&stage, &[]);
    let pid = stage.server().pid().unwrap();
    let data = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    stage.server().stop_immediate().unwrap();
    crate::copying::put_a_copy(&data);
    stage.server().restart().unwrap();
    approve(&mut terminal)
        .wait_for("R O L L E D   B A C K")
        .shows(&["age of the server's files"])
        .key("q");
    assert_eq!(terminal.exit_code(), 3);
    stage.assert_untouched();
}

#[test]
fn a_run_that_is_killed_in_its_second_pass_was_rolled_back_and_says_so() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = reviewed(&stage, &["--lock-timeout", "60s"]);
    let other = stage.session("BEGIN; LOCK service_ops.packet_decision IN SHARE MODE");
    approve(&mut terminal);
    stage.wait_until(
        "SELECT count(*) FROM pg_stat_activity
         WHERE application_name = 'stagegate' AND wait_event_type = 'Lock'",
        "1",
    );
    terminal.signal(rustix::process::Signal::KILL);
    drop(other);
    stage.assert_nobody_left();
    let entries = stage.journal();
    let approved = |entry: &Entry| matches!(entry, Entry::Approved { .. });
    assert!(entries.iter().any(approved), "the approval is on disk");
    let begun = |entry: &&Entry| matches!(entry, Entry::Begun { .. });
    assert_eq!(entries.iter().filter(begun).count(), 2, "two passes");
    let outcome = Command::new(PROGRAM)
        .args(["outcome", "-w"])
        .env_clear()
        .envs(stage.env(&[]))
        .finish("stagegate");
    let said = String::from_utf8([outcome.stdout, outcome.stderr].concat()).unwrap();
    assert_eq!(outcome.status.code(), Some(3), "{said}");
    assert!(said.contains("ROLLED BACK"), "{said}");
    stage.assert_untouched();
}

#[test]
fn a_query_in_a_review_leaves_no_lock_behind() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 50, &[], &[]);
    terminal.walk_to_the_gate();
    take_time(&mut terminal)
        .key(":")
        .wait_for("QUERY")
        .type_slowly("SELECT pg_advisory_lock(77)")
        .key("Enter")
        .wait_for("Asked outside of any transaction; nothing is held.");
    stage.wait_until(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
        "0",
    );
    terminal.key("Esc").wait_for_the_gate().key("q");
    assert_eq!(terminal.exit_code(), 1);
    stage.assert_untouched();
}

/// Both were shown the same; only one of them can be right about what it commits.
#[test]
fn what_a_second_stagegate_committed_in_between_stops_the_first_one() {
    let stage = Stage::set(Scenario::Clean);
    let script = SCRIPT.replace("ADD COLUMN", "ADD COLUMN IF NOT EXISTS");
    let script = stage.file("small.sql", &script);
    let walk = || {
        let mut terminal = stage.run_in(120, 50, &[], &[&script]);
        terminal.walk_to_the_gate();
        take_time(&mut terminal);
        terminal
    };
    let (mut first, mut second) = (walk(), walk());
    approve(&mut second).wait_for("C O M M I T T E D").key("q");
    assert_eq!(second.exit_code(), 0);
    approve(&mut first).wait_for(DIFFERENT).shows(&[
        "TRANSACTION OPEN",
        "before the script: column service_ops.packet_decision.looked_at",
        "not there",
    ]);
    first.wait_for_the_gate().roll_back().key("q");
    assert_eq!(first.exit_code(), 1);
    stage.assert_nobody_left();
}

/// What a deferred trigger warns of is said where it runs, and counts like any other warning.
#[test]
fn a_warning_of_a_deferred_trigger_is_told_and_another_one_stops_commit() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask("CREATE TABLE public.state (word text); INSERT INTO public.state VALUES ('few')");
    stage.ask("GRANT SELECT ON public.state TO PUBLIC");
    stop(
        &stage,
        "BEGIN;
         CREATE FUNCTION service_ops.warns() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             RAISE WARNING '% rows are wrong', (SELECT word FROM public.state); RETURN NULL; END$$;
         CREATE TABLE service_ops.late (n int);
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON service_ops.late
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION service_ops.warns();
         INSERT INTO service_ops.late VALUES (1);
         SELECT 'it ran' AS check, 'PASS' AS status; COMMIT;",
        &["UPDATE public.state SET word = 'many'"],
        &["few rows are wrong", "many rows are wrong", "not said"],
    );
    let said = |entry: &Entry| matches!(entry, Entry::Said(said) if said.message.message == "few rows are wrong");
    assert!(stage.journal().iter().any(said));
}

/// A warning may be among what the server said beyond what is kept.
#[test]
fn where_more_was_said_than_is_kept_nothing_can_be_approved() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file(
        "loud.sql",
        "DO $$BEGIN FOR n IN 1..1001 LOOP RAISE NOTICE '%', n; END LOOP;
             RAISE WARNING 'the last one'; END$$;
         SELECT 'it ran' AS check, 'PASS' AS status;",
    );
    let mut terminal = stage.run_in(120, 50, &[], &["--decide", "unheld", &script]);
    terminal
        .sign_everything()
        .key("a")
        .wait_for("NOT POSSIBLE")
        .shows(&["the server said more than is kept"])
        .key("c")
        .wait_for("Nothing can be approved here")
        .key("q");
    assert_eq!(terminal.exit_code(), 1);
    let mut terminal = stage.run_in(120, 50, &[], &[&script]);
    terminal
        .walk_to_the_gate()
        .key("t")
        .wait_for("so it is decided here")
        .wait_for_the_gate()
        .roll_back()
        .key("q");
    assert_eq!(terminal.exit_code(), 1);
}
