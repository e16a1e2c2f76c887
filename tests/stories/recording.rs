//! The record: COMMIT never without a journal that people find, and no reader that takes a part of a
//! journal for the whole of it.

use crate::child::Finish;
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use stagegate::inspect::past;
use stagegate::journal::report::{RunReport, markdown};
use stagegate::sandbox::demo::Scenario;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What somebody does to a journal, and what is said of it.
type Deed = (fn(&Path), &'static str);

const DEEDS: [Deed; 5] = [
    (|path| fs::remove_file(path).unwrap(), "it was removed"),
    (
        |path| {
            let copy = path.with_extension("copy");
            fs::copy(path, &copy).unwrap();
            fs::rename(&copy, path).unwrap();
        },
        "something else stands under its name",
    ),
    (
        |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(100).unwrap();
        },
        "it was cut: it has 100 of",
    ),
    (
        |path| {
            let folder = path.parent().unwrap();
            fs::rename(folder, folder.with_extension("old")).unwrap();
        },
        "its folder was renamed",
    ),
    (
        |path| {
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b"{}\n").unwrap();
        },
        "somebody else wrote into it",
    ),
];

/// A screen's text without its line breaks.
fn unwrapped(screen: &str) -> String {
    let words: Vec<&str> = screen.split_whitespace().collect();
    words.join(" ")
}

#[test]
fn a_journal_that_is_gone_or_changed_refuses_commit() {
    let stage = Stage::set(Scenario::Clean);
    for (number, (deed, said)) in DEEDS.into_iter().enumerate() {
        let folder = stage.home().join(format!("journals {number}"));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("run.jsonl");
        let mut terminal = stage.run_with(&["--journal", path.to_str().unwrap()]);
        terminal.walk_to_the_gate();
        deed(&path);
        terminal
            .send_commit()
            .wait_for("ONLY ROLLBACK IS LEFT: the journal was lost")
            .wait_until(said, |screen| unwrapped(screen).contains(said));
        stage.assert_nothing_seen();
        terminal
            .roll_back()
            .wait_for("LOST: the journal")
            .wait_until(said, |screen| unwrapped(screen).contains(said))
            .key("q");
        assert_eq!(terminal.exit_code(), 3, "{}", terminal.picture());
        let left = terminal.screen_text();
        assert!(left.contains("Journal: LOST: "), "{left}");
        stage.assert_untouched();
        stage.assert_nobody_left();
    }
}

#[test]
fn a_journal_that_is_gone_before_anything_is_applied_lets_nothing_be_applied() {
    let stage = Stage::set(Scenario::Clean);
    let path = stage.home().join("gone.jsonl");
    let mut terminal = stage.run_with(&["--journal", path.to_str().unwrap()]);
    terminal.sign_everything();
    fs::remove_file(&path).unwrap();
    terminal
        .key("a")
        .wait_until("nothing is applied", |screen| {
            unwrapped(screen).contains("The journal was lost, so nothing is applied")
        })
        .shows(&["no transaction is open"]);
    stage.assert_nothing_seen();
    terminal.key("q");
    assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
    assert!(terminal.screen_text().contains("Journal: LOST: "));
    stage.assert_untouched();
    stage.assert_nobody_left();
}

/// Lets no file of the program in `terminal` grow beyond `bytes`, as `ulimit -f` does.
#[cfg(target_os = "linux")]
fn limit_files(terminal: &Terminal, bytes: u64) {
    let program = Pid::from_raw(i32::try_from(terminal.process_id()).unwrap());
    let limit = Rlimit {
        current: Some(bytes),
        maximum: None,
    };
    prlimit(program, Resource::Fsize, limit).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_journal_that_may_not_grow_refuses_commit_and_ends_nothing() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let written = u64::try_from(stage.journal_text().len()).unwrap();
    limit_files(&terminal, written + 10);
    terminal
        .send_commit()
        .wait_for("ONLY ROLLBACK IS LEFT: the journal was lost");
    stage.assert_nothing_seen();
    terminal.roll_back().wait_for("LOST: the journal").key("q");
    assert_eq!(terminal.exit_code(), 3, "{}", terminal.picture());
    stage.assert_untouched();
    stage.assert_nobody_left();
}

/// `stagegate outcome` on a journal with this text: what it says, and its exit code.
pub fn outcome(stage: &Stage, text: &[u8]) -> (String, Option<i32>) {
    outcome_at(stage, text, &[])
}

fn outcome_at(stage: &Stage, text: &[u8], place: &[&str]) -> (String, Option<i32>) {
    let path = stage.home().join("part.jsonl");
    fs::write(&path, text).unwrap();
    let output = Command::new(PROGRAM)
        .args(["outcome", "-w"])
        .args(place)
        .arg(&path)
        .env_clear()
        .envs(stage.env(&[]))
        .finish("stagegate");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code())
}

/// Every beginning of `journal` that ends with a line, and for each line one that ends in it: after
/// its first byte, in its middle, before its closing brace, before its line feed.
fn beginnings(journal: &str) -> Vec<(usize, bool)> {
    let mut at = 0;
    let mut cuts = Vec::new();
    for (number, line) in journal.split_inclusive('\n').enumerate() {
        let length = line.len();
        let within = [1, length / 2, length - 2, length - 1][number % 4];
        cuts.push((at + within, false));
        at += length;
        cuts.push((at, true));
    }
    cuts
}

#[test]
fn no_reader_takes_the_beginning_of_a_journal_for_the_whole() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    // Rolled back, then committed: of the two the first must not be told for the run.
    terminal
        .walk_to_the_gate()
        .roll_back()
        .key("w")
        .wait_for_evidence()
        .wait_for("a opens the transaction")
        .key("a")
        .wait_for_the_gate()
        .commit()
        .key("q");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
    let journal = stage.journal_text();
    let at = |what: &str| journal.find(what).unwrap_or_else(|| panic!("no {what}"));
    let first_end = at("\"outcome\":\"ROLLED BACK\"");
    let begun = |from: usize| {
        let rest = &journal[from..];
        let xid = rest.find("\"what\":\"begun\",\"xid\":\"").unwrap() + 22;
        let end = rest[xid..].find('"').unwrap();
        rest[xid..xid + end].to_owned()
    };
    let (first, second) = (begun(0), begun(first_end));
    assert_ne!(first, second);

    let folder = stage.home().join("beginnings");
    fs::create_dir(&folder).unwrap();
    for (length, whole_line) in beginnings(&journal) {
        let part = &journal[..length];
        let whole = length == journal.len();
        let told = format!("cut at {length} of {}", journal.len());

        // The server is there and knows: what it says of a transaction is true, and of no other.
        let (said, code) = outcome(&stage, part.as_bytes());
        match code {
            Some(0) => assert!(
                said.starts_with("COMMITTED (transaction "),
                "{told}: {said}"
            ),
            Some(3) => {
                assert!(whole_line && !whole, "{told}: {said}");
                let of_the_first = format!("ROLLED BACK (transaction {first})");
                assert!(said.starts_with(&of_the_first), "{told}: {said}");
                assert!(
                    said.contains("does not have the end of its run"),
                    "{told}: {said}"
                );
            }
            Some(5) => assert!(said.starts_with("UNKNOWN"), "{told}: {said}"),
            // Not one whole line.
            Some(2) => assert!(!part.contains('\n'), "{told}: {said}"),
            other => panic!("{told}: {other:?} {said}"),
        }
        assert!(!whole || code == Some(0), "{told}: {said}");

        let Ok(report) = RunReport::of(part, "part.jsonl") else {
            assert!(!part.contains('\n'), "{told}");
            continue;
        };
        let report = markdown::render(&report);
        let headline = report
            .lines()
            .find_map(|line| line.strip_prefix("> **"))
            .unwrap_or_else(|| panic!("{told}: {report}"));
        // Half a line takes nothing away from what stands before it.
        let lines = &part[..part.rfind('\n').map_or(0, |end| end + 1)];
        let recorded = lines.contains("\"outcome\":\"COMMITTED\"");
        assert_eq!(
            headline.starts_with("COMMITTED"),
            recorded,
            "{told}: {headline}"
        );
        for claim in [
            "There is nothing to undo",
            "NOTHING WAS APPLIED",
            "No server was reached",
        ] {
            assert!(!report.contains(claim), "{told}: {claim}");
        }
        if headline.starts_with("ROLLED BACK") {
            assert!(part.contains("\"outcome\":\"ROLLED BACK\""), "{told}");
            assert!(
                headline.contains("The end of the run is not recorded"),
                "{told}: {headline}"
            );
        }

        fs::write(folder.join("part.jsonl"), part).unwrap();
        let runs = past::runs(&folder).unwrap();
        let told_of = &runs[0].outcome;
        match told_of.as_str() {
            "COMMITTED" => assert!(recorded, "{told}"),
            "ROLLED BACK; the end of the run is not recorded" => {
                assert!(part.contains("\"outcome\":\"ROLLED BACK\""), "{told}");
            }
            "not read" => assert!(!part.contains('\n'), "{told}"),
            other => assert!(other.starts_with("not known: ask"), "{told}: {other}"),
        }

        let verified = Command::new(PROGRAM)
            .args(["report", "--verify"])
            .arg(folder.join("part.jsonl"))
            .finish("stagegate");
        let expected = match (whole, whole_line, part.contains('\n')) {
            (true, ..) => 0,
            (_, true, _) => 5,
            (_, false, _) => 4,
        };
        assert_eq!(verified.status.code(), Some(expected), "{told}");
    }
    // Where no server answers, a journal without its end proves nothing by what it lacks.
    let gate = first_end + journal[first_end..].find("\"phase\":\"deciding\"").unwrap();
    let line = gate + journal[gate..].find('\n').unwrap() + 1;
    let nowhere = ["-h", "/nonexistent"];
    let (said, code) = outcome_at(&stage, &journal.as_bytes()[..line], &nowhere);
    assert_eq!(code, Some(5), "{said}");
    for words in [
        "UNKNOWN (transaction ",
        "Up to where the journal ends COMMIT was not sent",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_run_killed_at_the_gate_is_told_first_by_the_next_until_the_server_was_asked() {
    let stage = Stage::set(Scenario::Clean);
    let command = |arguments: &[&str]| {
        let output = Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .envs(stage.env(&[]))
            .finish("stagegate");
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).unwrap(), output.status.code())
    };
    assert!(command(&["runs"]).0.starts_with("No run is recorded in "));
    assert_eq!(command(&["report"]).1, Some(2));
    let mut terminal = stage.run();
    terminal.walk_to_the_gate();
    let held = stage.held();
    // While it is under way a second one says so.
    let told = "UNDER WAY on this database since";
    let mut second = stage.run_in(120, 50, &[], &["--plain"]);
    second
        .wait_for("3. This is the right server")
        .wait_until("the run under way", |screen| {
            let screen = unwrapped(screen);
            screen.contains(told) && screen.contains(&format!("transaction {held}"))
        });
    second.line("quit");
    second.exit_code();
    terminal.signal(rustix::process::Signal::KILL);
    stage.assert_nobody_left();

    let (runs, _) = command(&["runs"]);
    assert_eq!(runs.matches(".jsonl").count(), 2, "{runs}");
    assert!(
        runs.contains("not known: ask `stagegate outcome`"),
        "{runs}"
    );
    assert!(
        runs.contains(" UTC  nothing was applied  wiser_ops on "),
        "{runs}"
    );
    assert!(
        runs.contains("\n    run of STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql\n"),
        "{runs}"
    );
    let first = runs.lines().rfind(|line| line.contains(".jsonl")).unwrap();
    let journal = first.trim().to_owned();

    let without =
        format!("NO OUTCOME: transaction {held}, its journal ends before COMMIT was sent");
    let mut whole = stage.run();
    whole.wait_for("has NO OUTCOME: o asks the server (item 3)");
    whole.key("q");
    whole.exit_code();
    let mut next = stage.run_in(120, 50, &[], &["--plain"]);
    next.wait_until("the run without an outcome", |screen| {
        let screen = unwrapped(screen);
        screen.contains("right server, database and role: WARNS.") && screen.contains(&without)
    });
    next.line("quit");
    next.exit_code();

    let (said, code) = command(&["outcome", "-w", &journal]);
    assert_eq!(code, Some(3), "{said}");
    let mut after = stage.run_in(120, 50, &[], &["--plain"]);
    after.wait_for("right server, database and role: HOLDS.");
    after.line("quit");
    after.exit_code();
    let (newest, _) = command(&["report"]);
    assert!(newest.contains("The newest run: "), "{newest}");
    assert!(newest.contains("NOTHING WAS APPLIED"), "{newest}");
}

/// The journal of the run that began last.
fn newest_journal(stage: &Stage) -> PathBuf {
    let folder = stage.home().join("state/stagegate");
    stagegate::journal::shelf::newest_first(&folder)
        .unwrap()
        .swap_remove(0)
}

#[test]
fn a_key_asks_the_server_about_a_run_without_an_outcome() {
    let stage = Stage::set(Scenario::Clean);
    let mut killed = stage.run();
    killed.walk_to_the_gate();
    let held = stage.held();
    let mut beside = stage.run();
    beside.wait_for("ANOTHER RUN IS UNDER WAY here since");
    beside.key("o");
    let open = format!("UNKNOWN (transaction {held}): pg_xact_status says in progress");
    beside.wait_until("that it is not over", |screen| {
        unwrapped(screen).contains(&open)
    });
    beside.key("q");
    beside.exit_code();
    killed.signal(rustix::process::Signal::KILL);
    stage.assert_nobody_left();

    let mut next = stage.run();
    next.wait_for("has NO OUTCOME: o asks the server (item 3)");
    next.key("o");
    let answer = format!("ROLLED BACK (transaction {held}): pg_xact_status says aborted");
    next.wait_until("the answer", |screen| unwrapped(screen).contains(&answer));
    next.wait_until("that nothing is left to be told", |screen| {
        !screen.contains("NO OUTCOME") && !screen.contains("o outcome")
    });
    next.key("q");
    next.exit_code();
    let recorded = fs::read_to_string(newest_journal(&stage)).unwrap();
    assert!(recorded.contains("\"earlier_asked\""), "{recorded}");
    assert!(recorded.contains(&answer), "{recorded}");

    let mut after = stage.run_in(120, 50, &[], &["--plain"]);
    after.wait_for("right server, database and role: HOLDS.");
    after.line("ask");
    after.wait_for("That does nothing here.");
    after.line("quit");
    after.exit_code();
}

#[test]
fn a_run_that_was_committed_after_all_is_told_as_that_before_the_next_one() {
    let stage = Stage::set(Scenario::Clean);
    let mut first = stage.run();
    first.walk_to_the_gate();
    let held = stage.held();
    first.commit();
    first.key("q");
    first.exit_code();
    let journal = newest_journal(&stage);
    let text = fs::read_to_string(&journal).unwrap();
    let intent = text.find("\"decision\":\"COMMIT\"").unwrap();
    let end = intent + text[intent..].find('\n').unwrap() + 1;
    fs::write(&journal, &text[..end]).unwrap();

    let mut next = stage.run_in(120, 50, &[], &["--plain"]);
    next.wait_for("has NO OUTCOME: type ask to ask the server, show 3 for more.");
    next.line("ask");
    let answer = format!("COMMITTED (transaction {held}): pg_xact_status says committed");
    next.wait_until("the answer", |screen| unwrapped(screen).contains(&answer));
    next.wait_for("UTC: COMMITTED: show 3 for more.");
    next.line("show 3");
    next.wait_until("it beside what was reached", |screen| {
        unwrapped(screen).contains(&format!("on this database: {answer}"))
    });
    next.line("quit");
    next.exit_code();
}
