//! `stagegate rehearse --clone`: on a throw-away server, with the source only read.

use crate::aloud::skip;
use crate::child::Finish;
use crate::clients::find_client;
use crate::rehearsing::{forgetful, said};
use crate::stage::{Stage, entries};
use stagegate::journal::Entry;
use stagegate::sandbox::programs::{OVERRIDE_VARIABLE, Programs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const TABLES: &str = "service_ops.packet_decision, service_ops.integration_inbox, \
    integration.integration_receive_serviceops";

/// A table that pg_dump locks and no catalog query does.
const PLAIN: &str = "CREATE TABLE service_ops.plain (); \
    ALTER TABLE service_ops.plain OWNER TO wiser_owner";

const PATIENCE: Duration = Duration::from_secs(60);

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < give_up, "never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The folders of the throw-away servers of a process.
fn folders_of(pid: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in ["/dev/shm", "/tmp", "/var/tmp"] {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name
                .to_string_lossy()
                .starts_with(&format!("stagegate-{pid}-"))
            {
                found.push(entry.path());
            }
        }
    }
    found
}

fn start(stage: &Stage, more: &[&str], environment: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_stagegate"))
        .args(["rehearse", "--clone"])
        .args(more)
        .env("HOME", stage.home())
        .envs(environment.iter().copied())
        .env_remove("TMPDIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// To its end, with nothing left of the throw-away server.
fn finish(child: Child) -> (Output, String) {
    let pid = child.id();
    let output = child.finish("stagegate rehearse --clone");
    assert_eq!(folders_of(pid), Vec::<PathBuf>::new());
    let text = said(&output) + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

/// Where `pg_dump` is not the server's own, as on a machine that has a server alone, a clone need not
/// come about: a newer one says what an older server does not know.
pub fn cannot_clone() -> bool {
    let major = Programs::find().unwrap().major;
    let asked = Command::new(find_client("pg_dump").expect("pg_dump"))
        .arg("--version")
        .finish("pg_dump --version");
    let version = said(&asked);
    let own = version.contains(&format!(") {major}"));
    if !own {
        skip(&format!("a clone of a {major} by {}", version.trim()));
    }
    !own
}

pub fn clone(stage: &Stage, more: &[&str]) -> (Output, String) {
    let target = stage.target();
    let target = target.iter().map(String::as_str);
    let arguments: Vec<&str> = more.iter().copied().chain(target).collect();
    finish(start(stage, &arguments, &[]))
}

fn journal(stage: &Stage) -> Vec<Entry> {
    let folder = stage.home().join(".local/state/stagegate");
    let journals: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(journals.len(), 1);
    entries(&journals[0])
}

#[test]
fn the_source_sees_no_lock_but_access_share_and_no_writing_statement() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::logged();
    let before = stage.dump();
    // Whatever is stronger than ACCESS SHARE would wait for this, and fail.
    let locked = stage.lock(TABLES, "EXCLUSIVE");
    let log = stage.sandbox().log_path().to_owned();
    let seen = std::fs::read_to_string(&log).unwrap().len();
    let (output, text) = clone(&stage, &["--lock-timeout", "500ms"]);
    let logged = std::fs::read_to_string(&log).unwrap().split_off(seen);
    drop(locked);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in [
        "takes ACCESS SHARE on its tables and nothing stronger",
        "locks only the clone's tables",
        "REHEARSED: up, verified and down again",
        "On a clone of the schema of wiser_ops on ",
        "the clone's structure is the source's, object by object",
        "service_ops.packet_decision: about 50,000 rows there (estimate), ",
        "the clone has no rows: its lock window is that of empty tables",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(logged.contains("pg_catalog.pg_class"), "{logged}");
    let writes = |line: &&str| {
        let sent = line
            .split_once("statement: ")
            .or(line.split_once("execute <unnamed>: "));
        sent.is_some_and(|(_, sql)| {
            let word = sql.split_whitespace().next().unwrap_or_default();
            !matches!(
                word.to_uppercase().trim_end_matches(';'),
                "SELECT" | "SET" | "BEGIN" | "ROLLBACK" | "WITH" | "PREPARE" | "EXECUTE" | "LOCK"
            ) || (word == "LOCK" && !sql.contains("ACCESS SHARE MODE"))
        })
    };
    let writing: Vec<&str> = logged.lines().filter(writes).collect();
    assert_eq!(writing, Vec::<&str>::new());
    assert_eq!(stage.dump(), before);

    let journal = journal(&stage);
    let Some(Entry::Opened(opened)) = journal.first() else {
        panic!("{journal:?}");
    };
    let rehearses = opened.rehearses.as_ref().unwrap();
    let source = rehearses.clone_of.as_ref().unwrap();
    assert_eq!(source.database, "wiser_ops");
    assert_eq!(Path::new(&source.host), stage.sandbox().socket_dir());
    assert_eq!(rehearses.rollbacks.len(), 3);
}

#[test]
fn a_forgotten_index_is_caught_on_a_clone() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let folder = forgetful(&stage);
    let (output, text) = clone(&stage, &[&folder]);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(
        text.contains(
            "FAIL structure: index service_ops.uq_integration_inbox_message_id left behind"
        ),
        "{text}"
    );
}

#[test]
fn owners_privileges_and_settings_of_roles_come_along() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let script = stage.home().join("owned");
    stage.superuser(&[
        "CREATE ROLE \"odd \"\"one\" NOLOGIN",
        "CREATE ROLE auditor NOINHERIT",
        "GRANT \"odd \"\"one\" TO wiser_owner WITH ADMIN OPTION",
        "ALTER ROLE wiser_owner SET search_path = service_ops, \"$user\"",
        "ALTER DATABASE wiser_ops SET lock_timeout = '7s'",
        "CREATE TABLE service_ops.owned (id int, secret text CHECK (secret IN ('a', 'b)]')))",
        "ALTER TABLE service_ops.owned OWNER TO \"odd \"\"one\"",
        "GRANT SELECT (id) ON service_ops.owned TO auditor, wiser_app WITH GRANT OPTION",
        "GRANT SELECT ON service_ops.owned TO wiser_owner",
        "ALTER TABLE service_ops.owned ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY who ON service_ops.owned FOR SELECT TO auditor, wiser_app USING (id > 0)",
        "ALTER DEFAULT PRIVILEGES FOR ROLE wiser_owner GRANT SELECT ON TABLES TO auditor",
    ]);
    std::fs::create_dir(&script).unwrap();
    let write = |name: &str, text: &str| std::fs::write(script.join(name), text).unwrap();
    write(
        "runbook.toml",
        "title = \"own\"\nscript = \"up.sql\"\nrollback = [\"1_down.sql\"]\n",
    );
    write(
        "up.sql",
        "BEGIN;\nREVOKE SELECT (id) ON service_ops.owned FROM auditor;\n\
         SELECT 'search_path' AS \"check\", CASE current_setting('search_path') \
         WHEN 'service_ops, \"$user\"' THEN 'PASS' ELSE 'FAIL' END AS status, \
         current_setting('search_path') AS detail;\n\
         SELECT 'lock' AS \"check\", 'PASS' AS status, current_user AS detail;\n",
    );
    write(
        "1_down.sql",
        "GRANT SELECT (id) ON service_ops.owned TO auditor;\n",
    );
    // The grant comes back without its option, and only somebody in the owning role may do it.
    let (output, text) = clone(&stage, &[script.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(
        text.contains("PASS search_path service_ops, \"$user\""),
        "{text}"
    );
    assert!(
        text.contains("FAIL structure: privileges column service_ops.owned.id was: auditor SELECT with grant option"),
        "{text}"
    );
    assert!(
        text.contains("the clone's structure is the source's, object by object"),
        "{text}"
    );
}

#[test]
fn nobodys_operators_are_called_and_no_program_is_told_a_password() {
    use std::os::unix::fs::PermissionsExt;
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    stage.superuser(&[
        "CREATE FUNCTION public.trap(real, integer) RETURNS boolean LANGUAGE plpgsql AS \
         $$BEGIN RAISE EXCEPTION 'hijacked'; END$$",
        "CREATE OPERATOR public.>= (LEFTARG = real, RIGHTARG = integer, FUNCTION = public.trap)",
    ]);
    // The first place where programs are looked for: its own tell what they were told.
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    for name in ["pg_dump", "pg_restore", "initdb", "postgres"] {
        let path = folder.path().join(name);
        let script = format!("#!/bin/sh\necho $0 >>{0}\nenv >>{0}\n", told.display());
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    // The real ones come next, wherever they are on this machine.
    let real = Programs::find().unwrap().postgres;
    let path = std::env::var_os("PATH").unwrap();
    let path = [folder.path(), real.parent().unwrap()]
        .map(Path::to_owned)
        .into_iter()
        .chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).unwrap();
    let environment = [
        ("PGPASSWORD", "s3cr3t"),
        ("PATH", path.to_str().unwrap()),
        (OVERRIDE_VARIABLE, ""),
    ];
    let target = stage.target();
    let target: Vec<&str> = target.iter().map(String::as_str).collect();
    let (output, text) = finish(start(&stage, &target, &environment));
    assert!(!text.contains("hijacked"), "{text}");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let told = std::fs::read_to_string(told).unwrap();
    assert!(told.contains("PATH="), "{told}");
    assert!(!told.contains("s3cr3t"), "{told}");
}

/// The children of a process, with their command lines and environments.
fn children(pid: u32) -> Vec<(String, String)> {
    let read = |path: String| {
        let bytes = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|child| {
            let status = read(format!("/proc/{child}/status"));
            status
                .lines()
                .any(|line| line.strip_prefix("PPid:").map(str::trim) == Some(&pid.to_string()))
        })
        .map(|child| {
            (
                read(format!("/proc/{child}/cmdline")),
                read(format!("/proc/{child}/environ")),
            )
        })
        .collect()
}

/// A clone that is being made: pg_dump waits for a lock until `locked` is dropped.
fn wait_for_pg_dump(child: &Child) -> (String, String) {
    let dump = || {
        let children = children(child.id());
        children
            .into_iter()
            .find(|(line, _)| line.contains("--schema-only"))
    };
    wait_until("pg_dump", || dump().is_some());
    dump().unwrap()
}

#[test]
fn a_password_reaches_pg_dump_in_a_file_alone() {
    const SECRET: &str = "s3cr3t:of\\mine";
    if cannot_clone() {
        return;
    }
    let stage = Stage::logged();
    std::fs::write(
        stage.sandbox().folder().join("data/pg_hba.conf"),
        "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
    )
    .unwrap();
    stage.superuser(&[
        &format!("ALTER ROLE wiser_owner PASSWORD '{SECRET}'"),
        "SELECT pg_reload_conf()",
    ]);
    let port = stage.sandbox().tcp_address().unwrap().port().to_string();
    let arguments = [
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-U",
        "wiser_owner",
        "-d",
        "wiser_ops",
        "--lock-timeout",
        "1min",
    ];
    stage.superuser(&[PLAIN]);
    let locked = stage.lock("service_ops.plain", "ACCESS EXCLUSIVE");
    let child = start(&stage, &arguments, &[("PGPASSWORD", SECRET)]);
    let (line, environment) = wait_for_pg_dump(&child);
    assert!(line.contains("passfile="), "{line}");
    for text in [&line, &environment] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    let others = children(child.id());
    assert!(
        others.len() > 1,
        "the throw-away server has somebody who removes it"
    );
    for (line, environment) in others {
        assert!(!environment.contains("s3cr3t"), "{line}");
    }
    drop(locked);
    let (output, text) = finish(child);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
    assert!(!format!("{:?}", journal(&stage)).contains("s3cr3t"));

    let child = start(&stage, &arguments, &[("PGPASSWORD", "wr0ng-secret")]);
    let (output, text) = finish(child);
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(
        text.contains("nothing was cloned") && !text.contains("wr0ng"),
        "{text}"
    );
}

#[test]
fn no_server_is_left_when_it_is_ended_on_the_way() {
    use rustix::process::{Pid, Signal, kill_process};
    let stage = Stage::set();
    stage.superuser(&[PLAIN]);
    for signal in [Signal::TERM, Signal::KILL] {
        let locked = stage.lock("service_ops.plain", "ACCESS EXCLUSIVE");
        let target = stage.target();
        let arguments: Vec<&str> = target
            .iter()
            .map(String::as_str)
            .chain(["--lock-timeout", "1min"])
            .collect();
        let child = start(&stage, &arguments, &[]);
        wait_for_pg_dump(&child);
        let id = child.id();
        let folders = folders_of(id);
        assert_eq!(folders.len(), 1, "{folders:?}");
        assert!(folders[0].join("data/postmaster.pid").exists());
        let pid = Pid::from_child(&child);
        kill_process(pid, signal).unwrap();
        child.finish("stagegate that was ended");
        wait_until("gone", || folders_of(id).is_empty());
        drop(locked);
    }
}

#[test]
fn what_stands_in_the_way_of_a_clone_is_said_and_nothing_is_left() {
    let stage = Stage::set();
    let locked = stage.lock(TABLES, "ACCESS EXCLUSIVE");
    let (output, text) = clone(&stage, &["--lock-timeout", "100ms"]);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("the source cannot be looked at, so nothing was rehearsed"),
        "{text}"
    );
    assert!(text.contains("lock timeout"), "{text}");
    drop(locked);

    stage.superuser(&[PLAIN]);
    let locked = stage.lock("service_ops.plain", "ACCESS EXCLUSIVE");
    let (output, text) = clone(&stage, &["--lock-timeout", "100ms"]);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("was not cloned, and nothing changed there: pg_dump failed"),
        "{text}"
    );
    drop(locked);

    stage.superuser(&["CREATE TABLE service_ops.theirs ()"]);
    let (output, text) = clone(&stage, &[]);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("permission denied for table theirs"),
        "{text}"
    );
    assert!(text.contains("a role that may read every table"), "{text}");

    stage.superuser(&[
        "DROP TABLE service_ops.theirs",
        "INSERT INTO pg_extension SELECT 77777, 'far_away', extowner, extnamespace, false, '9.1', NULL, NULL \
         FROM pg_extension WHERE extname = 'plpgsql'",
    ]);
    let (output, text) = clone(&stage, &[]);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("extensions that are not installed"), "{text}");
    assert!(
        text.contains("far_away 9.1. Install their packages"),
        "{text}"
    );
}
