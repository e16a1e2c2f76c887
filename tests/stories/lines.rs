//! Lines instead of a screen: the walk in words, the rehearsal where nobody is there, and the
//! commands that need no database.

use crate::child::Finish;
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use rustix::process::Signal;
use serde_json::Value;
use stagegate::journal::Entry;
use stagegate::journal::entry::PhaseWord;
use stagegate::sandbox::demo::Scenario;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Reads a document page by page, until the prompt is there again.
pub fn read_out(terminal: &mut Terminal, document: &str) {
    let last = |screen: &str| {
        let lines = screen.lines().rev().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty());
        lines.next().unwrap_or_default().to_owned()
    };
    let mut word = format!("read {document}");
    loop {
        let before = terminal.screen_text();
        let seen = last(&before);
        terminal.line(&word);
        terminal.wait_until("another page, or the prompt", |screen| {
            let now = last(screen);
            let is_page = now.starts_with("-- ") && now != seen;
            screen != before && (is_page || now.ends_with("checklist>"))
        });
        if !last(&terminal.screen_text()).starts_with("-- ") {
            return;
        }
        word.clear();
    }
}

/// Signs everything by words, applies, and waits until the gate is there.
fn walk_to_the_gate(terminal: &mut Terminal) {
    terminal.wait_for("Checklist: type help");
    terminal.wait_for("5. The way back is planned: the rollback scripts were read: NEEDS YOU.");
    terminal.wait_for("4. The tables are as the migration expects them: HOLDS.");
    // In the order of the checklist, whose evidence came in another one.
    let text = terminal.screen_text();
    let items = ["1. A b", "2. The m", "3. This is", "4. The t", "5. The way"];
    let places: Vec<usize> = items.iter().filter_map(|item| text.find(item)).collect();
    assert!(places.len() > 2 && places.is_sorted(), "{text}");
    terminal
        .line("sign 1")
        .wait_for("It needs a reference: sign N REFERENCE.");
    terminal
        .line("sign 1 b7")
        .wait_for("1. A backup of the production database exists: signed.");
    terminal.line("sign 2").wait_for("Read it to its end first");
    for document in ["script", "1", "2", "3"] {
        read_out(terminal, document);
    }
    terminal
        .line("sign 2")
        .wait_for("1 finding is not acknowledged yet");
    // What is acknowledged was told.
    let raw = terminal.raw();
    assert!(String::from_utf8_lossy(&raw).contains("  finding 1 of 1: "));
    terminal
        .line("acknowledge 2")
        .wait_for("1 of 1 finding acknowledged.");
    terminal
        .line("sign 3 wiser_dev")
        .wait_for("That is not the name that is asked for (wiser_ops).");
    for (number, with, sentence) in [
        (2, "", "The migration script was read to its end"),
        (
            3,
            " wiser_ops",
            "This is the right server, database and role",
        ),
        (4, "", "The tables are as the migration expects them"),
        (
            5,
            "",
            "The way back is planned: the rollback scripts were read",
        ),
    ] {
        terminal
            .line(&format!("sign {number}{with}"))
            .wait_for(&format!("{number}. {sentence}: signed."));
    }
    terminal
        .line("apply")
        .wait_for("Checks: 8 PASS, 0 WARN, 0 FAIL.");
}

/// What is said when the name is asked for.
const ASKED: &str = "COMMIT: type the name of the database, then Enter.";

/// Asks for COMMIT until the gate is armed and the name is asked for.
fn ask_for_commit(terminal: &mut Terminal) {
    let answers = |screen: &str| {
        let answers = screen
            .lines()
            .filter(|line| line.contains("not armed yet") || line.contains(ASKED));
        answers.count()
    };
    loop {
        let before = answers(&terminal.screen_text());
        terminal
            .line("commit")
            .wait_until("an answer", |screen| answers(screen) > before);
        let asked = terminal.screen_text().contains(ASKED);
        // Nobody types it sooner: a line that comes within 400 ms is taken for pasted, and one that
        // comes before the gate is armed sets those 400 ms back to their beginning.
        std::thread::sleep(std::time::Duration::from_millis(500));
        if asked {
            return;
        }
    }
}

/// Lets the pass go, as soon as the gate is armed: a word that comes before that is refused.
fn take_time(terminal: &mut Terminal) {
    const FREE: &str = "NOTHING IS HELD, NOTHING IS SAVED.";
    let refused = |screen: &str| screen.matches("not armed yet").count();
    loop {
        let before = refused(&terminal.screen_text());
        terminal
            .line("take-time")
            .wait_until("an answer", |screen| {
                screen.contains(FREE) || refused(screen) > before
            });
        if terminal.screen_text().contains(FREE) {
            return;
        }
        // Too soon sets the arming back to its beginning.
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
}

#[test]
fn the_plain_walk_takes_time_and_commits_what_comes_out_the_same() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 60, &[], &["--plain"]);
    walk_to_the_gate(&mut terminal);
    take_time(&mut terminal);
    stage.assert_untouched();
    terminal.line("help").wait_for("numbers");
    ask_for_commit(&mut terminal);
    terminal
        .line("wiser_ops")
        .wait_for("APPROVED.")
        .wait_for("COMMITTED:")
        .wait_for("Type quit")
        .line("quit");
    stage.assert_committed(&mut terminal);
}

#[test]
fn the_plain_walk_signs_applies_and_commits_by_words() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 50, &[], &["--plain"]);
    terminal.wait_for("4. The tables are as the migration expects them: HOLDS.");
    terminal
        .line("apply")
        .wait_for("5 items are not signed yet.");
    walk_to_the_gate(&mut terminal);
    terminal.line("quit").wait_for("The transaction is open");
    stage.assert_nothing_seen();
    ask_for_commit(&mut terminal);
    terminal.line("wiser").wait_for("That is not the name");
    terminal
        .line("wiser_ops")
        .wait_for("COMMITTED: the server answered COMMIT");
    terminal
        .wait_for("Post-verification: 3 PASS, 0 WARN, 0 FAIL.")
        .line("quit");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
    stage.assert_migrated();
    stage.assert_nobody_left();
    stage.assert_journal(&["COMMITTED"], 0);
    let raw = terminal.raw();
    assert!(!raw.contains(&0x1b), "an escape sequence in plain lines");
}

#[test]
fn pasted_lines_never_commit() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 50, &[], &["--plain"]);
    walk_to_the_gate(&mut terminal);
    ask_for_commit(&mut terminal);
    let held = stage.held();
    let open = "TRANSACTION OPEN. Checks";
    let refused = "Typed before this was asked; type it again.";
    let times = |terminal: &Terminal, words: &str| {
        let said = String::from_utf8(terminal.raw()).unwrap();
        said.matches(words).count()
    };
    // The name is pasted with the word that asks for it: over and over, for the two lines race.
    for _ in 1..=25 {
        // Where the whole paste came too early, the name is not asked for, and the gate is still here.
        if times(&terminal, ASKED) == times(&terminal, open) {
            let before = times(&terminal, open);
            terminal.line("back").wait_for_times(open, before + 1);
        }
        let before = times(&terminal, refused);
        terminal
            .breathe()
            .paste_raw("commit\rwiser_ops\r")
            .wait_for_times(refused, before + 1);
    }
    assert_eq!(stage.held(), held);
    if times(&terminal, ASKED) == times(&terminal, open) {
        let before = times(&terminal, open);
        terminal.line("back").wait_for_times(open, before + 1);
    }
    // What decides nothing is answered whenever it was typed.
    let before = times(&terminal, refused);
    terminal
        .breathe()
        .paste_raw("rollback\rhelp\r")
        .wait_for("ROLLBACK? Type yes or no.")
        .wait_for("  yes: send ROLLBACK");
    assert_eq!(times(&terminal, refused), before);
    terminal
        .line("yes")
        .wait_for("ROLLED BACK, because you decided so");
    terminal.line("quit");
    assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn a_name_without_its_enter_commits_nothing() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 50, &[], &["--plain"]);
    walk_to_the_gate(&mut terminal);
    ask_for_commit(&mut terminal);
    // The first hands over what stands on the line, the second is the end.
    terminal.breathe().paste_raw("wiser_ops\x04");
    terminal.breathe().paste_raw("\x04");
    assert_eq!(terminal.exit_code(), 129, "{}", terminal.picture());
    stage.assert_untouched();
    stage.assert_nobody_left();
    stage.assert_journal(&["ROLLED BACK"], 129);
}

/// How many times the journal says that something was read.
fn perused(stage: &Stage) -> usize {
    let entries = stage.journal();
    let perused = entries.iter().filter(|e| matches!(e, Entry::Perused(_)));
    perused.count()
}

#[test]
fn what_was_being_read_when_the_terminal_went_stands_before_the_end_of_the_run() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(80, 24, &[], &["--plain"]);
    terminal.wait_for("wiser_ops checklist>");
    terminal
        .line("read script")
        .wait_for("lines more: Enter goes on, stop ends --")
        .paste_raw("\x04");
    assert_eq!(terminal.exit_code(), 129, "{}", terminal.picture());
    stage.assert_journal(&[], 129);
    assert_eq!(perused(&stage), 1);
}

#[test]
fn what_stood_on_the_screen_at_the_end_was_read_until_then() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.wait_for_evidence().key("s").wait_for(" unseen");
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.exit_code(), 143, "{}", terminal.picture());
    stage.assert_journal(&[], 143);
    assert_eq!(perused(&stage), 1);
}

#[test]
fn a_commit_that_waits_says_for_what_and_what_ends_it() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 50, &[], &["--plain"]);
    walk_to_the_gate(&mut terminal);
    stage.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    stage.ask("SELECT pg_reload_conf()");
    ask_for_commit(&mut terminal);
    terminal
        .breathe()
        .line("wiser_ops")
        .wait_for("It waits for synchronous standbys (synchronous_standby_names = \"nobody\");")
        .wait_for("cancel ends the wait")
        .wait_for("leaves with UNKNOWN.")
        .breathe()
        .line("cancel")
        .wait_for("COMMITTED");
    terminal.wait_for("wiser_ops ended>");
    let told = terminal.picture().matches("WARNING: ").count();
    assert_eq!(told, 1, "{}", terminal.picture());
    terminal.line("quit");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
    stage.assert_migrated();
    stage.assert_nobody_left();
}

#[test]
fn lines_are_ascii_where_that_is_asked_for() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("arrow.sql", "-- für → alle\nSELECT 1;\n");
    for (look, shown) in [
        (None, "-- für → alle"),
        (Some("--ascii"), r"-- f\u{fc}r \u{2192} alle"),
    ] {
        let arguments: Vec<&str> = ["--plain", &script].into_iter().chain(look).collect();
        let mut terminal = stage.run_in(80, 24, &[], &arguments);
        terminal
            .wait_for("checklist>")
            .line("read script")
            .wait_for(shown)
            .wait_for("checklist>")
            .line("quit");
        assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
        assert_eq!(terminal.raw().is_ascii(), look.is_some());
    }
}

/// Runs the program without a terminal, with `typed` on its standard input.
pub fn without_a_terminal(stage: &Stage, arguments: &[String], typed: &str) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .env_clear()
        .envs(stage.env(&[("PATH", &std::env::var("PATH").unwrap())]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that does not read it may be gone already.
    let _ = stdin.write_all(typed.as_bytes());
    drop(stdin);
    child.finish("stagegate without a terminal")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_rehearsal_never_commits_whatever_is_typed() {
    let stage = Stage::set(Scenario::Clean);
    let typed = "sign 1 b7\napply\ncommit\nwiser_ops\ncommit\nwiser_ops\n";
    let output = without_a_terminal(&stage, &stage.arguments(&["--rehearse"]), typed);
    let (said, noted) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{noted}");
    assert!(noted.contains("A rehearsal of the script alone"), "{noted}");
    assert!(
        said.contains("REHEARSED: every statement worked, 8 PASS, 0 WARN."),
        "{said}"
    );
    assert!(said.contains("Checks: 8 PASS, 0 WARN, 0 FAIL."), "{said}");
    for impact in [
        "Impact: adds 27 columns, 11 indexes, 1 constraint; drops 1 constraint; touches 3 tables; \
         11 actions that read or write a whole table; ",
        "    service_ops.packet_decision: ",
        " MB, about 50,000 rows",
        "    ACCESS EXCLUSIVE on service_ops.packet_decision, statement 5: reads and writes wait",
    ] {
        assert!(said.contains(impact), "no {impact:?} in {said}");
    }
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len() - 2];
    assert!(last.starts_with("ROLLED BACK wiser_ops on "), "{last}");
    assert!(
        last.contains("a rehearsal always ends in ROLLBACK"),
        "{last}"
    );
    stage.assert_untouched();
    stage.assert_nobody_left();
    stage.assert_journal(&["ROLLED BACK"], 1);
    assert!(matches!(
        stage.journal().first(),
        Some(Entry::Opened(opened)) if opened.mode == "rehearse"
    ));
}

#[test]
fn without_a_terminal_nothing_is_sent_and_the_rehearsal_is_named() {
    let stage = Stage::set(Scenario::Clean);
    // Its author wants it rolled back, and it would take its locks all the same.
    let undone = stage.file(
        "undone.sql",
        "BEGIN;\nCREATE TABLE public.undone (i int);\nROLLBACK;\n",
    );
    for (command, script) in [("run", None), ("rollback", None), ("run", Some(&undone))] {
        let script: Vec<&str> = script.into_iter().map(String::as_str).collect();
        let mut arguments = stage.arguments(&script);
        arguments[0] = command.to_owned();
        let output = without_a_terminal(&stage, &arguments, "apply\n");
        let noted = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{noted}");
        for words in ["standard input is no terminal", "--rehearse"] {
            assert!(noted.contains(words), "{noted}");
        }
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
    // Not even a journal was begun.
    assert!(!stage.home().join("state").exists());
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn with_its_output_in_a_pipe_the_walk_goes_by_lines_and_waits_for_the_person() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_into_a_pipe(&[]);
    terminal
        .wait_for("the walk goes by lines")
        .wait_for("Checklist: type help")
        .wait_for("4. The tables are as the migration expects them: HOLDS.");
    terminal
        .line("apply")
        .wait_for("5 items are not signed yet.");
    terminal.line("quit");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
    let entries = stage.journal();
    assert!(
        !entries
            .iter()
            .any(|entry| matches!(entry, Entry::Begun { .. })),
        "{entries:?}"
    );
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn a_rehearsal_tells_what_worked_what_was_checked_and_what_failed_by_its_exit_code() {
    let stage = Stage::set(Scenario::Clean);
    for (script, code, words) in [
        ("CREATE TABLE a (i int);", 7, "there was no check"),
        ("SELECT 'PASS' AS status;", 0, "1 PASS, 0 WARN"),
        (
            "SELECT 'FAIL' AS status;",
            4,
            "at least one check says FAIL",
        ),
        ("SELECT 'WARN' AS status;", 4, "no check says PASS"),
        ("SELECT 1/0;", 3, "a statement failed"),
    ] {
        let path = stage.file("script.sql", script);
        let output = without_a_terminal(&stage, &stage.arguments(&["--rehearse", &path]), "");
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{script}: {said}");
        assert!(said.contains(words), "{script}: {said}");
        if code == 7 {
            assert!(!said.contains("cannot be committed"), "{said}");
        }
    }
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn a_rehearsal_of_what_fails_says_so_by_its_exit_code() {
    let stage = Stage::set(Scenario::FailingCheck);
    let output = without_a_terminal(&stage, &stage.arguments(&["--rehearse"]), "");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("FAIL 012 packet_decision columns"), "{said}");
    stage.assert_untouched();

    let stage = Stage::set(Scenario::DuplicateMessageIds);
    let output = without_a_terminal(&stage, &stage.arguments(&["--rehearse"]), "");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("FAILS"), "{said}");
    assert!(!said.contains("BEGIN"), "{said}");
    stage.assert_untouched();
    stage.assert_nobody_left();
}

/// The answers to BEGIN and to the first statement may be there together.
#[test]
fn what_is_added_is_told_however_soon_the_first_statement_fails() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("fails.sql", "SELECT 1/0;\n");
    for _ in 0..12 {
        let arguments = stage.arguments(&["--rehearse", &script]);
        let output = without_a_terminal(&stage, &arguments, "");
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("\nstagegate adds: "), "{said}");
    }
}

/// Runs a command that needs no server; its exit code, output and errors.
fn stagegate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null())
        .finish("stagegate");
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn show_lists_the_built_in_script_for_programs() {
    let (code, out, err) = stagegate(&["show", "--format", "json"]);
    assert_eq!(code, Some(0), "{err}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    let statements = shown["statements"].as_array().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/stage_1_utn_workflow");
    let file = std::fs::read_to_string(folder.join("STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql")).unwrap();
    assert_eq!(statements.len(), 25, "24 are sent, BEGIN is taken over");
    let mut end = 0;
    for (index, statement) in statements.iter().enumerate() {
        let number = |name: &str| usize::try_from(statement[name].as_u64().unwrap()).unwrap();
        // BEGIN is the gate's, and has none.
        let own = (index > 0).then_some(index as u64);
        assert_eq!(statement["number"].as_u64(), own);
        assert!(number("start") >= end && number("end") > number("start"));
        end = number("end");
        let before = &file[..number("start")];
        assert_eq!(before.matches('\n').count() + 1, number("line"));
        let kind = statement["kind"].as_str().unwrap();
        let sent = file[number("start")..end].to_uppercase();
        let first = kind.split(' ').next().unwrap();
        assert!(sent.starts_with(first), "{kind}: {sent}");
        if kind == "CREATE INDEX" {
            let relation = statement["relation"].as_str().unwrap();
            assert!(
                sent.contains(&relation.to_uppercase()),
                "{relation}: {sent}"
            );
        }
    }
    let impact = &shown["impact"];
    let counts = |section: usize, kind: &str| impact["sections"][section]["adds"][kind].clone();
    assert_eq!([0, 1, 2].map(|at| counts(at, "columns")), [1, 21, 5]);
    assert_eq!([0, 1, 2].map(|at| counts(at, "indexes")), [2, 5, 4]);
    assert_eq!(impact["sections"][1]["promised"]["adds"]["columns"], 21);
    assert_eq!(
        impact["sections"][1]["differences"],
        Value::Array(Vec::new())
    );
    assert_eq!(impact["locks"][0]["mode"], "ACCESS EXCLUSIVE");
    assert_eq!(impact["scans"].as_array().unwrap().len(), 11);
    assert_eq!(impact["not_looked_into"][0]["kind"], "DO");
    let sections = statements.iter().filter_map(|one| one["section"].as_str());
    let sections: std::collections::BTreeSet<&str> = sections.collect();
    for migration in ["011", "012", "013"] {
        assert!(
            sections.iter().any(|title| title.contains(migration)),
            "{sections:?}"
        );
    }
}

#[test]
fn show_lists_a_script_that_run_refuses_before_it_connects() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("refused.sql");
    std::fs::write(
        &script,
        "CREATE TABLE t (i int);\nVACUUM t;\nPREPARE TRANSACTION 's';\n\\! rm -rf /\nINSERT INTO t VALUES (1);\n",
    )
    .unwrap();
    let script = script.to_str().unwrap();

    let (code, out, _) = stagegate(&["show", "--format", "json", script]);
    assert_eq!(code, Some(2));
    let shown: Value = serde_json::from_str(&out).unwrap();
    let kinds: Vec<&str> = shown["statements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| statement["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["CREATE TABLE", "VACUUM", "PREPARE TRANSACTION", "INSERT"]
    );
    let lines: Vec<u64> = shown["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| refusal["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [2, 3, 4]);
    let (code, out, _) = stagegate(&["show", script]);
    assert_eq!(code, Some(2));
    assert!(out.contains("INSERT"), "{out}");

    // No server there: a connection would end with another code, and a journal would be written.
    let state = folder.path().join("state");
    let output = Command::new(PROGRAM)
        .args(["run", "-h", "/nowhere", "-p", "1", script])
        .env("XDG_STATE_HOME", &state)
        .stdin(Stdio::null())
        .finish("stagegate");
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    for (line, word) in [(2, "VACUUM"), (3, "PREPARE TRANSACTION"), (4, "\\!")] {
        let place = format!("refused.sql:{line}:");
        let found = err.lines().find(|text| text.contains(&place));
        assert!(found.is_some_and(|text| text.contains(word)), "{err}");
    }
    assert!(err.contains("nothing was sent to any server"), "{err}");
    assert!(!state.exists());
}

#[test]
fn export_writes_a_runbook_once_and_it_runs_like_the_built_in_one() {
    let stage = Stage::set(Scenario::Clean);
    let folder = stage.home().join("mine");
    let folder = folder.to_str().unwrap();
    let (code, out, err) = stagegate(&["export", folder]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("mine/runbook.toml"), "{out}");
    let (_, built_in, _) = stagegate(&["show", "--format", "json"]);
    let (code, exported, _) = stagegate(&["show", "--format", "json", folder]);
    assert_eq!(code, Some(0));
    assert_eq!(exported, built_in);

    let manifest = Path::new(folder).join("runbook.toml");
    let mine = std::fs::read_to_string(&manifest)
        .unwrap()
        .replace("Stage 1 UTN", "Mine");
    std::fs::write(&manifest, &mine).unwrap();
    let (code, _, err) = stagegate(&["export", folder]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("mine/"), "{err}");
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), mine);

    // On 80 columns the title gives way to who and where we are.
    let mut terminal = stage.run_in(140, 30, &[], &[folder]);
    terminal
        .walk_to_the_gate()
        .shows(&["Mine"])
        .roll_back()
        .key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

#[test]
fn the_plain_walk_asks_inside_the_transaction() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(120, 50, &[], &["--plain"]);
    walk_to_the_gate(&mut terminal);
    terminal
        .line("query VALUES (1, NULL), (2, 'two')")
        .wait_for("1 | NULL")
        .wait_for("2 | two")
        .wait_for("The transaction is as it was before.");
    terminal
        .line(": SELECT utm FROM service_ops.packet_decision")
        .wait_for("column \"utm\" does not exist");
    terminal
        .line("query COMMIT")
        .wait_for("COMMIT is refused: only SELECT");
    terminal
        .line("rollback")
        .wait_for("ROLLBACK? Type yes or no.");
    terminal.line("yes").wait_for("ROLLED BACK");
    terminal.line("quit");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
}

#[test]
fn a_failed_statement_is_told_with_file_line_column_and_a_caret() {
    let stage = Stage::set(Scenario::Clean);
    let text = "CREATE TABLE public.ok (a int);\n\nSELECT\n  1,\n  2 FRM x;\n";
    let script = stage.file("bare.sql", text);
    let output = without_a_terminal(&stage, &stage.arguments(&["--rehearse", &script]), "");
    assert_eq!(output.status.code(), Some(3), "{}", text_of(&output));
    let told = text_of(&output);
    for line in [
        "bare.sql:5:9: ERROR: syntax error at or near \"x\"\n",
        "LINE 5:   2 FRM x;\n                ^\n",
        "TRANSACTION FAILED, and it holds no lock any more",
    ] {
        assert!(told.contains(line), "no {line:?} in\n{told}");
    }
}

#[test]
fn a_lock_of_the_session_outlives_a_failed_statement_and_is_not_called_gone() {
    let stage = Stage::set(Scenario::Clean);
    let text = "SELECT pg_advisory_lock(42);\nSELECT 1 / 0;\n";
    let script = stage.file("bare.sql", text);
    let arguments = ["--rehearse", "--leave-traces", &script];
    let output = without_a_terminal(&stage, &stage.arguments(&arguments), "");
    assert_eq!(output.status.code(), Some(3), "{}", text_of(&output));
    let told = text_of(&output);
    assert!(
        told.contains("TRANSACTION OPEN, and it cannot be committed"),
        "{told}"
    );
    assert!(!told.contains("holds no lock any more"), "{told}");
}

#[test]
fn who_did_not_give_the_lock_is_in_the_lines_the_journal_and_the_report() {
    let stage = Stage::set(Scenario::Clean);
    let hold = "SET application_name = 'month end'; BEGIN; \
                LOCK service_ops.packet_decision IN ACCESS SHARE MODE";
    let somebody = stage.session(hold);
    stage.ask(&format!("GRANT pg_read_all_stats TO {}", stage.role()));
    let script = stage.file("bare.sql", "TRUNCATE service_ops.packet_decision;");
    let arguments = [
        "--rehearse",
        "--lock-attempts",
        "1",
        "--lock-timeout",
        "4s",
        &script,
    ];
    let output = without_a_terminal(&stage, &stage.arguments(&arguments), "");
    assert_eq!(output.status.code(), Some(3), "{}", text_of(&output));
    let who = |line: &str| {
        line.contains("(month end), local, idle in transaction")
            && line.contains("on service_ops.packet_decision, open for ")
            && line.contains("LOCK service_ops.packet_decision IN ACCESS SHARE MODE")
    };
    let told = text_of(&output);
    let line = told.lines().find(|line| line.contains("blocked by pid "));
    assert!(line.is_some_and(who), "{told}");
    let blocked = stage.journal().into_iter().find_map(|entry| match entry {
        Entry::Blocked { number, by } => Some((number, by)),
        _ => None,
    });
    let (number, by) = blocked.expect("a line of the journal");
    assert_eq!(number, Some(1));
    assert!(who(&by[0]), "{by:?}");
    drop(somebody);
    let report = text(&without_a_terminal(&stage, &["report".to_owned()], "").stdout);
    let line = report.lines().find(|line| line.contains("Blocked by"));
    assert!(
        line.is_some_and(|line| line.contains("month end")),
        "{report}"
    );
}

fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// A walk by lines of a bare script, which is signed as read.
fn signed_by_lines(stage: &Stage, script: &str) -> Terminal {
    let mut terminal = stage.run_in(120, 60, &[], &["--plain", script]);
    terminal.wait_for("2. This is the right server, database and role: HOLDS");
    terminal.line("read script");
    terminal
        .line("sign 1")
        .wait_for("1. The script was read to its end: signed.");
    terminal
}

/// Looks at the files again: `name` has changed, and is read anew with nothing signed.
fn find_changed(terminal: &mut Terminal, name: &str) {
    terminal
        .line("probe")
        .wait_for(&format!("{name} has changed: its SHA-256 was "));
    find_unsigned(terminal, "signed yet.");
}

/// The checklist stands anew below these words, and asks for the reading again.
fn find_unsigned(terminal: &mut Terminal, words: &str) {
    let below = |screen: &str, words: &str| match screen.rsplit_once(words) {
        Some((_, below)) => below.to_owned(),
        None => String::new(),
    };
    terminal.wait_until("the checklist, anew", |screen| {
        below(screen, words).contains("2. This is the right server, database and role: HOLDS")
    });
    terminal
        .line("sign 1")
        .wait_until("the reading is asked for", |screen| {
            below(screen, words).contains("Read it to its end first")
        });
}

#[test]
fn a_file_that_changed_is_read_anew_before_the_walk_goes_on_with_it() {
    let stage = Stage::set(Scenario::Clean);
    let old = "CREATE TABLE public.old (a int);";
    let script = stage.file("bare.sql", old);
    let mut terminal = signed_by_lines(&stage, &script);
    stage.file("bare.sql", "CREATE TABLE public.new (a int);");
    find_changed(&mut terminal, "bare.sql");
    terminal.line("read script").wait_for("public.new");
    terminal.line("quit");
    terminal.exit_code();
    let journal = stage.journal();
    let opened: Vec<&str> = journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Opened(opened) => Some(opened.script_sha256.as_str()),
            _ => None,
        })
        .collect();
    let [was, is] = opened.as_slice() else {
        panic!("not two walks: {opened:?}");
    };
    assert_ne!(was, is);
    let told = journal.iter().any(|entry| {
        matches!(entry, Entry::Phase { phase, why: Some(why), .. }
            if *phase == PhaseWord::StartingOver && why.contains(was) && why.contains(is))
    });
    assert!(told, "{journal:?}");
    stage.assert_untouched();
}

#[test]
fn data_that_changed_are_read_anew_with_the_script_that_loads_them() {
    let stage = Stage::set(Scenario::Clean);
    let data = stage.file("numbers.txt", "1\n");
    let text = format!("CREATE TABLE public.new (a int);\n\\copy public.new FROM '{data}'\n");
    let script = stage.file("bare.sql", &text);
    let mut terminal = signed_by_lines(&stage, &script);
    stage.file("numbers.txt", "666\n");
    find_changed(&mut terminal, "numbers.txt");
    // They are not there any more: that is told as well, and nothing runs on what was read.
    std::fs::remove_file(&data).unwrap();
    terminal
        .line("probe")
        .wait_for("what was read before stays: what is there now cannot be run.")
        .shows(&["numbers.txt cannot be read"]);
    find_unsigned(&mut terminal, "is there now cannot be run.");
    terminal.line("quit");
    assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
    stage.assert_untouched();
    stage.assert_nobody_left();
}

/// What can stand in a file's place: nobody writes into the pipe, and the device never ends.
#[test]
fn a_file_that_is_none_any_more_is_told_and_never_waited_for() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("bare.sql", "CREATE TABLE public.new (a int);");
    let path = Path::new(&script);
    let none: [fn(&Path); 3] = [
        |path| {
            let made = Command::new("mkfifo").arg(path).finish("mkfifo");
            assert!(made.status.success());
        },
        |path| std::fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
    ];
    for replace in none {
        // What was read in the run before would be taken over.
        let _ = std::fs::remove_dir_all(stage.home().join("state"));
        let mut terminal = signed_by_lines(&stage, &script);
        let kept = path.with_extension("kept");
        std::fs::rename(path, &kept).unwrap();
        replace(path);
        terminal
            .line("probe")
            .wait_for(
                "bare.sql cannot be read any more (it is not an ordinary file); its SHA-256 was ",
            )
            .wait_until("the checklist once more, with nothing signed", |screen| {
                let stays = "what was read before stays: what is there now cannot be run.";
                let (_, anew) = screen.rsplit_once(stays).unwrap_or_default();
                anew.contains("2. This is the right server, database and role: HOLDS")
            });
        terminal.line("sign 1").wait_for("Read it to its end first");
        terminal.line("quit");
        assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
        if std::fs::remove_file(path).is_err() {
            std::fs::remove_dir(path).unwrap();
        }
        std::fs::rename(&kept, path).unwrap();
    }
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn where_a_runbook_knows_several_servers_the_name_of_the_one_that_was_reached_is_typed() {
    let stage = Stage::set(Scenario::Clean);
    let folder = stage.home().join("book");
    let folder = folder.to_str().unwrap();
    let (code, _, err) = stagegate(&["export", folder]);
    assert_eq!(code, Some(0), "{err}");
    let manifest = stage.home().join("book/runbook.toml");
    let known = std::fs::read_to_string(&manifest).unwrap();
    let with = |targets: &str| std::fs::write(&manifest, format!("{known}\n{targets}")).unwrap();
    let system = stage.ask_one("SELECT system_identifier FROM pg_control_system()");
    let there = format!(
        "[[target]]\nname = 'production'\nhost = 'db9'\n\
         [[target]]\nname = 'stage'\ndatabase = 'wiser_ops'\nsystem_identifier = '{system}'\n"
    );
    with(&there);
    let mut terminal = stage.run_with(&["--plain", folder]);
    terminal.wait_for("server, database and role: HOLDS. stage: wiser_ops on");
    terminal
        .line("sign 3 wiser_ops")
        .wait_for("That is not the name that is asked for (stage).");
    terminal
        .line("sign 3 stage")
        .wait_for("database and role: signed.");
    terminal.line("quit");
    terminal.exit_code();
    let Some(Entry::Opened(opened)) = stage.journal().into_iter().next() else {
        panic!("no opening");
    };
    assert_eq!(opened.files[0].name, "runbook.toml");
    assert!(opened.files.len() > 5, "{:?}", opened.files);

    // The screen has it in its first cells; an unknown server is a warning.
    stage.run_with(&[folder]).wait_for("  STAGE  ");
    with("[[target]]\nname = 'production'\nhost = 'db9'\n");
    let mut terminal = stage.run_with(&["--plain", folder]);
    terminal.wait_for("server, database and role: WARNS. UNKNOWN SERVER:");
}

#[test]
fn a_walk_by_lines_begins_on_one_screen_invites_and_turns_pages() {
    let stage = Stage::set(Scenario::Clean);
    let env = [("NO_COLOR", "1"), ("LC_ALL", "C")];
    let mut terminal = stage.run_in(80, 24, &env, &["--plain"]);
    terminal.wait_for("wiser_ops checklist>");
    terminal.shows(&["Connecting.", "Impact: adds 27", "impact shows all"]);
    terminal.shows_no("TABLES TOUCHED");
    // What stands below a page may be on the screen still when the next one comes.
    let more = "lines more: Enter goes on, stop ends --";
    terminal
        .line("impact")
        .wait_for_times(more, 1)
        .shows(&["TABLES TOUCHED"])
        .line("")
        .wait_for_times(more, 2)
        .wait_for_times("STATEMENTS THAT READ OR WRITE WHOLE TABLES", 1)
        .line("")
        .wait_for("NOT LOOKED INTO")
        .wait_for("wiser_ops checklist>");
    terminal.line("read script").wait_for_times(more, 3);
    // Another word ends the pages, and is taken.
    terminal.line("sign 2").wait_for("Read it to its end first");
    read_out(&mut terminal, "script");
    terminal
        .line("sign 2")
        .wait_for("1 finding is not acknowledged yet")
        .line("quit");
    assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
    let read: Vec<(usize, usize)> = (stage.journal().into_iter())
        .filter_map(|entry| match entry {
            Entry::Perused(read) => Some((read.perusal.lines, read.perusal.shown)),
            _ => None,
        })
        .collect();
    let [(lines, some), (all, whole)] = read[..] else {
        panic!("{read:?}");
    };
    assert_eq!((lines, whole), (all, all), "{read:?}");
    assert!(some > 0 && some < 24, "{read:?}");
}
