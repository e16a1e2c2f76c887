//! `stagegate verify`: rows, JSON, exit codes.

use crate::session::Session;
use crate::stage::{SCRIPT, Stage, run};
use serde_json::Value;

/// The statements of the script between two of its section headings.
fn section(number: &str) -> String {
    let start = SCRIPT.find(&format!("-- Migration {number}:")).unwrap();
    let rest = &SCRIPT[start..];
    let end = rest
        .match_indices("-- Migration ")
        .nth(1)
        .map(|(at, _)| at)
        .or_else(|| rest.find("-- Verification"))
        .unwrap();
    rest[..end].to_owned()
}

fn applied(json: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json["applied"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (text(&m["migration"]), text(&m["applied"])))
        .collect()
}

fn extents(words: [&str; 3]) -> Vec<(String, String)> {
    let numbers = ["011", "012", "013"].into_iter();
    numbers
        .zip(words)
        .map(|(n, w)| (n.to_owned(), w.to_owned()))
        .collect()
}

#[test]
fn a_pristine_database_is_told_as_not_migrated() {
    let stage = Stage::pristine();
    let before = stage.content();
    let said = stage.verify(&[]);
    said.ended(9).said(&[
        "  011  no ",
        "  012  no ",
        "  013  no ",
        "  NOT APPLIED  012 packet_decision columns",
        "  PASS  message_id: no duplicates",
        "NOT APPLIED: ",
        ", 0 FAIL, ",
    ]);
    let json = stage.verify(&["--format", "json"]).ended(9).json();
    assert_eq!(applied(&json), extents(["no", "no", "no"]));
    assert_eq!(json["passes"], false);
    assert_eq!(json["tally"]["fail"], 0);
    assert_eq!(json["tally"]["not_applied"], 11);
    stage.assert_only_read();
    assert_eq!(stage.content(), before);
}

#[test]
fn a_migrated_database_passes_with_warnings() {
    let stage = Stage::migrated();
    let said = stage.verify(&[]);
    said.ended(0).said(&[
        "  011  yes ",
        "  012  yes ",
        "  013  yes ",
        "Verification, STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql: 0 FAIL, 0 WARN, 8 PASS",
        "Post-verification, post_migration_verification.sql: 0 FAIL, 0 WARN, 3 PASS",
    ]);
    assert!(said.out.lines().last().unwrap().starts_with("PASS: "));
    let json = stage.verify(&["--format", "json"]).ended(0).json();
    assert_eq!(applied(&json), extents(["yes", "yes", "yes"]));
    assert_eq!(json["passes"], true);
    assert_eq!(json["tally"]["fail"], 0);
    assert_eq!(json["tally"]["warn"], 3);
    let checks = json["checks"].as_array().unwrap();
    let own = checks.iter().filter(|c| c["stage"] == "verification");
    assert_eq!(own.count(), 8);
    assert_eq!(json["target"]["database"], "wiser_ops");
    stage.assert_only_read();
}

#[test]
fn a_half_applied_database_is_told_as_such() {
    let stage = Stage::pristine();
    stage.owner(&section("011"));
    stage.owner(
        "ALTER TABLE service_ops.packet_decision ADD COLUMN utn text;
         ALTER TABLE integration.integration_receive_serviceops ADD COLUMN payload_hash text",
    );
    let said = stage.verify(&[]);
    said.ended(4)
        .said(&["  011  yes ", "  012  partly ", "  013  partly "]);
    let json = stage.verify(&["--format", "json"]).ended(4).json();
    assert_eq!(applied(&json), extents(["yes", "partly", "partly"]));
}

#[test]
fn one_broken_object_is_one_failing_row() {
    let stage = Stage::migrated();
    stage.owner("ALTER TABLE service_ops.packet_decision ALTER COLUMN part_type TYPE varchar(10)");
    let json = stage.verify(&["--format", "json"]).ended(4).json();
    assert_eq!(applied(&json), extents(["yes", "partly", "yes"]));
    let failing: Vec<&Value> = json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["status"] == "FAIL")
        .collect();
    assert_eq!(failing.len(), 1, "{failing:?}");
    assert_eq!(failing[0]["check"], "012 packet_decision columns");
    assert_eq!(failing[0]["stage"], "verification");
    assert!(failing[0]["detail"].as_str().unwrap().contains("part_type"));
    // FAIL comes first within its stage.
    let text = stage.verify(&[]).out;
    let (_, own) = text.split_once("Verification, ").unwrap();
    let first = own.lines().nth(1).unwrap();
    assert_eq!(first, "  FAIL  012 packet_decision columns");
}

#[test]
fn without_a_connection_it_is_6() {
    let stage = Stage::pristine();
    let mut nowhere = vec!["verify".to_owned()];
    nowhere.extend(["-h", "/nonexistent", "-U", "me", "-d", "x"].map(str::to_owned));
    let said = run(stage.home(), &nowhere);
    said.ended(6);
    assert!(said.err.contains("NOT CONNECTED"), "{}", said.err);
    let said = stage.run_as("nobody_at_all", &["verify", "--format", "json"]);
    let json = said.ended(6).json();
    assert!(json["error"].as_str().unwrap().contains("28000"), "{json}");
    assert_eq!(json["passes"], false);
}

#[test]
fn a_wrong_password_is_6_and_never_shown() {
    use stagegate::sandbox::{Sandbox, SandboxOptions};
    let sandbox = Sandbox::start(SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    })
    .unwrap();
    let home = tempfile::tempdir().unwrap();
    let hba = sandbox.log_path().parent().unwrap();
    // The server's own rules: a password over TCP.
    let rules = find(hba, "pg_hba.conf").unwrap_or_else(|| panic!("no pg_hba.conf in {hba:?}"));
    std::fs::write(
        &rules,
        "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
    )
    .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = sandbox.connection(sandbox.superuser(), "postgres");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .batch_execute("CREATE ROLE looker LOGIN PASSWORD 'right'; SELECT pg_reload_conf()")
            .await
            .unwrap();
    });
    let address = sandbox.tcp_address().unwrap();
    let said = run(
        home.path(),
        &[
            "verify".into(),
            "-d".into(),
            format!(
                "postgresql://looker:wr0ng-secret@127.0.0.1:{}/postgres",
                address.port()
            ),
        ],
    );
    said.ended(6);
    assert!(said.err.contains("28P01"), "{}", said.err);
    assert!(!said.err.contains("wr0ng-secret"), "{}", said.err);
}

fn find(folder: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|n| n == name) {
            return Some(path);
        }
    }
    None
}

#[test]
fn wrong_usage_is_2() {
    let home = tempfile::tempdir().unwrap();
    let verify = |more: &str| run(home.path(), &["verify".into(), more.into()]);
    verify("--format=xml").ended(2);
    verify("/nonexistent/runbook").ended(2);
}

#[test]
fn without_a_terminal_inspect_is_verify() {
    let stage = Stage::migrated();
    let said = stage.run_as(stage.demo().role(), &["inspect"]);
    said.ended(0).said(&["What is applied", "  011  yes "]);
    stage.assert_only_read();
}

#[test]
fn a_role_with_nothing_but_connect_still_learns_something() {
    let stage = Stage::migrated();
    stage.superuser("CREATE ROLE guest LOGIN");
    let said = stage.run_as("guest", &["verify"]);
    said.ended(4).said(&[
        "note: role guest may not read the rows of service_ops.packet_decision",
        "note: role guest sees locks, roles and applications of other sessions",
        "guest has no USAGE on it",
        "cannot be read by guest",
        "  012  yes ",
    ]);
    stage.assert_only_read();
}

#[test]
fn a_bare_script_without_checks_is_no_pass() {
    let stage = Stage::pristine();
    let script = stage.file("bare.sql", "CREATE TABLE public.never (i int);");
    let before = stage.content();
    stage
        .verify(&[&script])
        .ended(4)
        .said(&["zero checks is not a pass", "public.never is not there"]);
    assert_eq!(stage.content(), before);
}

#[test]
fn behind_a_lock_there_is_no_answer_and_nothing_failed() {
    let stage = Stage::migrated();
    let config = stage
        .demo()
        .sandbox()
        .connection(stage.demo().role(), "wiser_ops");
    let mut config = config;
    config.application_name("stagegate");
    let somebody = Session::open(
        &config,
        "BEGIN; LOCK service_ops.packet_decision IN ACCESS EXCLUSIVE MODE",
    );
    let pid = stage
        .superuser("SELECT pid::text FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted");
    let said = stage.verify(&[]);
    said.ended(8).said(&[
        "  NO ANSWER  ",
        "a lock is held by somebody else: ACCESS EXCLUSIVE of pid ",
        &format!("pid {} ", pid[0]),
        "another stagegate on this database",
        "on service_ops.packet_decision",
        "  PASS  ",
    ]);
    assert!(!said.out.contains("  FAIL  "), "{}", said.out);
    assert!(said.out.lines().last().unwrap().starts_with("NO ANSWER: "));
    let json = stage.verify(&["--format", "json"]).ended(8).json();
    assert_eq!(json["passes"], false);
    assert_eq!(json["tally"]["fail"], 0);
    assert_ne!(json["tally"]["no_answer"], 0);
    // What is broken beside it is told as that.
    stage.superuser("DROP INDEX integration.idx_irs_attempt_count");
    stage
        .verify(&[])
        .ended(4)
        .said(&["  FAIL  ", "  NO ANSWER  "]);
    drop(somebody);
    stage.superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stagegate'");
    stage.assert_only_read();
}
