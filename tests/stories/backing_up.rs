//! A backup from the checklist: made, signed on without a question, looked at again; and what is
//! left when it fails, is cancelled or its program dies: nothing.

use crate::child::Finish;
use crate::session::Session;
use crate::stage::{Stage, Walk};
use crate::terminal::{PATIENCE, PROGRAM, Terminal};
use rustix::process::Signal;
use stagegate::journal::Entry;
use stagegate::sandbox::demo::Scenario;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The folder for backups, and what is in it.
fn files(stage: &Stage) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(stage.home().join("b")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Waits until neither a file nor a process of a backup is left.
#[track_caller]
fn assert_nothing_left(stage: &Stage) {
    let give_up = Instant::now() + PATIENCE;
    let folder = stage.home().join("b").display().to_string();
    let running = || {
        std::fs::read_dir("/proc").unwrap().any(|entry| {
            let arguments = std::fs::read(entry.unwrap().path().join("cmdline"));
            let arguments = arguments.unwrap_or_default();
            let text = String::from_utf8_lossy(&arguments);
            text.contains(&folder) && text.contains(".partial")
        })
    };
    while !files(stage).is_empty() || running() {
        assert!(Instant::now() < give_up, "left: {:?}", files(stage));
        std::thread::sleep(Duration::from_millis(10));
    }
    stage.wait_until(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stagegate backup'",
        "0",
    );
}

fn set() -> Stage {
    let stage = Stage::set(Scenario::Clean);
    std::fs::create_dir(stage.home().join("b")).unwrap();
    stage
}

/// The program, with the folder already offered.
fn run(stage: &Stage, env: &[(&str, &str)]) -> Terminal {
    let mut terminal = stage.run_in(80, 24, env, &["--backup-dir", "~/b"]);
    terminal.wait_for_evidence();
    terminal
}

/// Signs the item of the backup with what a person types, and not with a dump.
fn sign_by_reference(terminal: &mut Terminal) -> &mut Terminal {
    terminal
        .key("Space")
        .wait_for("REFERENCE")
        .type_slowly("b7")
        .key("Enter")
        .wait_for("CHECKLIST  1 of 5 signed")
}

/// Keeps `pg_dump` waiting for a lock.
pub fn block(stage: &Stage) -> Session {
    // No evidence looks at this one.
    stage.ask(
        "CREATE TABLE service_ops.held (i int);
         ALTER TABLE service_ops.held OWNER TO wiser_owner",
    );
    stage.session("BEGIN; LOCK TABLE service_ops.held IN ACCESS EXCLUSIVE MODE")
}

/// Begins a dump that waits.
fn begin(stage: &Stage, terminal: &mut Terminal) {
    terminal
        .key("b")
        .wait_for("> ~/b")
        .key("Enter")
        .wait_for("dumping")
        .wait_for("x cancels it");
    stage.wait_until(
        "SELECT count(*) FROM pg_stat_activity
         WHERE application_name = 'stagegate backup' AND wait_event_type = 'Lock'",
        "1",
    );
}

/// A folder with programs of these texts, for `STAGEGATE_PG_BIN`.
fn programs(stage: &Stage, texts: [(&str, &str); 2]) -> String {
    for (name, text) in texts {
        let path = stage.file(&format!("bin/{name}"), text);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    stage.home().join("bin").display().to_string()
}

fn real() -> PathBuf {
    let programs = stagegate::sandbox::programs::Programs::find().unwrap();
    programs.postgres.parent().unwrap().to_owned()
}

#[test]
fn a_backup_is_made_signed_without_a_question_and_looked_at_again() {
    let stage = set();
    let mut terminal = run(&stage, &[]);
    terminal
        .key("Down")
        .key("b")
        .wait_for("> ~/b")
        .key("Enter")
        .wait_for("HOLDS  wiser_ops is dumped: ")
        .wait_for("Space signs on the dump")
        .shows(&["entries, 4 tables with data", "SHA-256"])
        .key("Enter")
        .wait_for("EVIDENCE")
        .shows(&[
            "by       pg_dump 1",
            "pg_restore reads the table of contents",
        ])
        .key("Esc")
        .wait_for("CHECKLIST  0 of 5 signed");
    let made = files(&stage);
    assert_eq!(made.len(), 1, "{made:?}");
    terminal
        .key("Space")
        .wait_for("CHECKLIST  1 of 5 signed")
        .shows(&["reference: /"])
        .key("p")
        .wait_for_evidence()
        .go_to_item(1)
        .shows(&["CHECKLIST  1 of 5 signed", "wiser_ops is dumped: "]);
    // Another session sees it as the first one did.
    stage.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stagegate'",
    );
    terminal
        .wait_for_evidence()
        .key("m")
        .wait_for("57P01")
        .key("Esc")
        .wait_for("CHECKLIST  1 of 5 signed");
    std::fs::remove_file(&made[0]).unwrap();
    // The new session may still be looking for its evidence; then it is asked again.
    let (fallen, too_soon) = ("CHECKLIST  0 of 5 signed", "still being looked for");
    loop {
        terminal.key("p").wait_until("an answer to p", |screen| {
            screen.contains(fallen) || screen.contains(too_soon)
        });
        if terminal.screen_text().contains(fallen) {
            break;
        }
    }
    terminal.wait_for("cannot be found any more");
    sign_by_reference(&mut terminal).key("q");
    terminal.exit_code();
    let journal = stage.journal();
    let made = journal.iter().find_map(|entry| match entry {
        Entry::BackedUp { path, sha256, .. } => Some((path.clone(), sha256.clone())),
        _ => None,
    });
    let (path, sha256) = made.expect("the journal has the dump");
    let notes: Vec<Option<String>> = journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Signed { note, .. } => Some(note.clone()),
            _ => None,
        })
        .collect();
    let reference = format!("{path}, SHA-256 {sha256}");
    assert_eq!(notes, [Some(reference.clone()), Some("b7".into())]);
    let lost = |entry: &Entry| matches!(entry, Entry::BackupFailed { .. });
    assert_eq!(journal.iter().filter(|entry| lost(entry)).count(), 1);
}

#[test]
fn while_it_is_made_nothing_is_applied_and_x_leaves_nothing_of_it() {
    let stage = set();
    let _blocker = block(&stage);
    let mut terminal = run(&stage, &[("PGPASSWORD", "se:cret")]);
    begin(&stage, &mut terminal);
    for key in ["a", "b", "Space"] {
        terminal
            .key(key)
            .wait_for("The backup is still being made; x cancels it.")
            // Any other key takes the words away again.
            .key("j")
            .wait_while("The backup is still being made")
            .key("k");
    }
    for entry in std::fs::read_dir("/proc").unwrap() {
        let folder = entry.unwrap().path();
        let read = |name: &str| {
            let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let arguments = read("cmdline");
        if arguments.contains(&stage.home().join("b").display().to_string())
            && arguments.contains(".partial")
        {
            assert!(!arguments.contains("se:cret"), "{arguments}");
            let environment = read("environ");
            assert!(!environment.contains("cret"), "{environment}");
        }
    }
    terminal
        .key("x")
        .wait_for("WARNS  no dump: it was cancelled");
    assert_nothing_left(&stage);
    terminal
        .key("Space")
        .wait_for("REFERENCE")
        .key("Esc")
        .wait_while("REFERENCE")
        .key("q");
    terminal.exit_code();
}

#[test]
fn whoever_leaves_takes_the_dump_along() {
    let stage = set();
    let _blocker = block(&stage);
    let mut terminal = run(&stage, &[]);
    begin(&stage, &mut terminal);
    terminal.key("q");
    assert_eq!(terminal.exit_code(), 1);
    assert_nothing_left(&stage);

    let mut terminal = run(&stage, &[]);
    begin(&stage, &mut terminal);
    terminal.hang_up();
    assert_eq!(terminal.exit_code(), 129);
    assert_nothing_left(&stage);

    let mut terminal = run(&stage, &[]);
    begin(&stage, &mut terminal);
    terminal.signal(Signal::KILL);
    assert_nothing_left(&stage);
}

#[test]
fn a_folder_that_fills_up_is_told_and_nothing_is_left_in_it() {
    let stage = set();
    let real = real();
    let restore = format!("#!/bin/sh\nexec {}/pg_restore \"$@\"\n", real.display());
    // A file may have one block of 512 bytes, and going over it is an error as a full disk is.
    let dump = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] || {{ trap '' XFSZ; ulimit -f 1; }}\nexec {}/pg_dump \"$@\"\n",
        real.display()
    );
    let folder = programs(&stage, [("pg_dump", &dump), ("pg_restore", &restore)]);
    let mut terminal = run(&stage, &[("STAGEGATE_PG_BIN", &folder)]);
    terminal
        .key("b")
        .wait_for("> ~/b")
        .key("Enter")
        .wait_for("WARNS  no dump: pg_dump: error: could not write to output file: File too");
    assert_nothing_left(&stage);
    terminal.key("q");
    terminal.exit_code();
}

#[test]
fn a_pg_dump_older_than_the_server_is_named_and_a_typed_reference_still_signs() {
    let stage = set();
    let text = "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n";
    let folder = programs(&stage, [("pg_dump", text), ("pg_restore", text)]);
    let mut terminal = run(&stage, &[("STAGEGATE_PG_BIN", &folder)]);
    terminal
        .key("b")
        .wait_for("> ~/b")
        .key("Enter")
        .wait_for("WARNS  no dump: ")
        .wait_for("is version 9.6.24, too old");
    sign_by_reference(&mut terminal).key("q");
    terminal.exit_code();
    assert_nothing_left(&stage);
}

#[test]
fn the_plain_walk_backs_up_by_a_word() {
    let stage = set();
    let mut terminal = stage.run_in(120, 50, &[], &["--plain"]);
    terminal
        .wait_for("5. The way back is planned: the rollback scripts were read: NEEDS YOU.")
        .wait_for("4. The tables are as the migration expects them: HOLDS.")
        .line("backup")
        .wait_for("Say where to: backup and a folder.")
        .line("backup ~/nowhere")
        .wait_for("there is no folder")
        .line("backup ~/b")
        .wait_for("Backing up into /")
        .wait_for("Backed up: /")
        .line("sign 1")
        .wait_for("1. A backup of the production database exists: signed.")
        .line("quit");
    assert_eq!(terminal.exit_code(), 1);
    let made = files(&stage);
    assert_eq!(made.len(), 1);
    // Whoever was not there finds it in the report.
    let journals = std::fs::read_dir(stage.home().join("state/stagegate")).unwrap();
    let journal = journals.map(|entry| entry.unwrap().path()).next().unwrap();
    let report = Command::new(PROGRAM)
        .arg("report")
        .arg(journal)
        .finish("stagegate report");
    let report = String::from_utf8(report.stdout).unwrap();
    let name = made[0].file_name().unwrap().to_str().unwrap();
    for words in [name, "SHA-256", "backed up in", "there is no folder"] {
        assert!(report.contains(words), "no {words:?} in {report}");
    }
}
