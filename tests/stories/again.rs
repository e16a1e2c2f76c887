//! The same runbook on the next server: what was read is not read again, everything else is done again,
//! and a text that changed is read.

use crate::child::Finish;
use crate::lines::read_out;
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use stagegate::journal::entry::ReadBefore;
use stagegate::journal::{Entry, chain};
use stagegate::sandbox::demo::Scenario;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program on the server of `stage`, started by the person whose home is that of `home`.
fn run_from(home: &Stage, stage: &Stage, rows: u16, arguments: &[&str]) -> Terminal {
    let state = home.home().join("state");
    let env = [
        ("HOME", home.home().to_str().unwrap()),
        ("XDG_STATE_HOME", state.to_str().unwrap()),
    ];
    stage.run_in(80, rows, &env, arguments)
}

/// The journals of that home, the oldest first, each with its lines.
fn journals(home: &Stage) -> Vec<(PathBuf, Vec<Entry>)> {
    let folder = home.home().join("state/stagegate");
    let paths = std::fs::read_dir(folder).unwrap();
    let mut journals: Vec<_> = paths
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = chain::verify(&text).unwrap();
            let at = lines[0].at;
            let entries = lines.into_iter().map(|line| line.entry).collect();
            (at, path, entries)
        })
        .collect();
    journals.sort_by_key(|(at, ..)| *at);
    let without_time = journals.into_iter();
    without_time
        .map(|(_, path, entries)| (path, entries))
        .collect()
}

fn read_before(journal: &[Entry]) -> Vec<&ReadBefore> {
    let readings = journal.iter().filter_map(|entry| match entry {
        Entry::ReadBefore(reading) => Some(&**reading),
        _ => None,
    });
    readings.collect()
}

fn report(home: &Stage, journal: &Path) -> String {
    let output = Command::new(PROGRAM)
        .args(["report".as_ref(), journal.as_os_str()])
        .env_clear()
        .envs(home.env(&[]))
        .finish("stagegate");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn on_the_next_server_what_was_read_is_signed_without_reading_it_again() {
    let (one, two) = (Stage::set(Scenario::Clean), Stage::set(Scenario::Clean));
    let mut first = one.run();
    first.walk_to_the_gate().roll_back().key("q");
    assert_eq!(first.exit_code(), 1, "{}", first.picture());

    let mut second = run_from(&one, &two, 24, &[]);
    second.wait_for_evidence().go_to_item(2);
    // Findings and the name are this server's, and still to be answered.
    second.wait_for("was read to its end by");
    second.shows(&["1 finding to acknowledge: f"]);
    second.key("s").wait_for("read in an earlier run");
    second
        .key("Esc")
        .wait_for("CHECKLIST  ")
        .go_to_item(5)
        .wait_for("read to the end in an earlier run");
    second.go_to_item(1).sign_every_item();
    second.key("a").wait_for_the_gate().commit().key("q");
    assert_eq!(second.exit_code(), 0, "{}", second.picture());
    two.assert_migrated();
    one.assert_untouched();

    let journals = journals(&one);
    let [(path_of_first, of_first), (path, of_second)] = &journals[..] else {
        panic!("{journals:?}");
    };
    assert!(read_before(of_first).is_empty());
    let readings = read_before(of_second);
    assert_eq!(readings.len(), 4, "the script, three rollback scripts");
    for reading in readings {
        assert_eq!(reading.journal, path_of_first.display().to_string());
        assert_eq!(
            reading.target,
            Some(format!("{}:{}/wiser_ops", one.host(), one.port()))
        );
        let whole = of_first.iter().any(|entry| match entry {
            Entry::Perused(read) => {
                let same = (&read.document, read.perusal.lines, read.sha256.as_ref())
                    == (&reading.document, reading.lines, Some(&reading.sha256));
                same && read.perusal.lines == read.perusal.seen
            }
            _ => false,
        });
        assert!(whole, "{reading:?}");
    }
    let told = report(&one, path);
    assert!(told.contains("### Read in an earlier run"), "{told}");
    assert!(told.contains("its text is the same"), "{told}");
    let own = report(&one, path_of_first);
    assert!(!own.contains("earlier run"), "{own}");
}

#[test]
fn a_script_that_changed_by_one_byte_is_read_again_and_what_did_not_change_is_not() {
    let (one, two) = (Stage::set(Scenario::Clean), Stage::set(Scenario::Clean));
    let folder = one.home().join("runbook");
    let folder = folder.to_str().unwrap();
    let exported = Command::new(PROGRAM)
        .args(["export", folder])
        .env_clear()
        .envs(one.env(&[]))
        .finish("stagegate");
    assert!(exported.status.success());

    let walk = |stage: &Stage| {
        let mut terminal = run_from(&one, stage, 50, &["--plain", folder]);
        terminal.wait_for("checklist>");
        terminal
    };
    let mut first = walk(&one);
    for document in ["script", "1", "2", "3"] {
        read_out(&mut first, document);
    }
    first.line("quit");
    assert_eq!(first.exit_code(), 1, "{}", first.picture());

    let script = Path::new(folder).join("STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql");
    let text = std::fs::read_to_string(&script).unwrap();
    let was = "-- ";
    std::fs::write(&script, text.replacen(was, "--\t", 1)).unwrap();

    let mut second = walk(&two);
    // They are told together: what is not among them now is not told any more.
    let unwrapped = |screen: &str| screen.split_whitespace().collect::<Vec<_>>().join(" ");
    second.wait_until("the rollback scripts", |screen| {
        unwrapped(screen)
            .matches("so it need not be read again")
            .count()
            == 3
    });
    second.shows_no("MIGRATIONS.sql was read");
    second.line("sign 5").wait_for("were read: signed.");
    second.line("sign 2").wait_for("Read it to its end first");
    second.line("quit");
    assert_eq!(second.exit_code(), 1, "{}", second.picture());

    std::fs::write(&script, text).unwrap();
    let mut third = walk(&two);
    third.wait_until("the script", |screen| {
        unwrapped(screen)
            .matches("so it need not be read again")
            .count()
            == 4
    });
    third
        .line("sign 2")
        .wait_for("1 finding is not acknowledged yet")
        .line("quit");
    assert_eq!(third.exit_code(), 1, "{}", third.picture());

    let journals = journals(&one);
    let (first, _) = &journals[0];
    for (_, later) in &journals[1..] {
        // The second run took them over, and is no source of them for the third.
        for reading in read_before(later) {
            assert_eq!(reading.journal, first.display().to_string());
        }
    }
}

#[test]
fn what_went_into_a_pipe_was_on_no_screen_and_is_read_on_the_next_server() {
    let one = Stage::set(Scenario::Clean);
    let state = one.home().join("state");
    let mut first = one.run_into_a_pipe(&["--plain"]);
    first.wait_for("Checklist: type help");
    first.line("read script").line("read 1").line("quit");
    first.exit_code();
    let [(path, entries)] = &journals(&one)[..] else {
        panic!("one journal in {}", state.display());
    };
    let whole = entries.iter().filter(|entry| match entry {
        Entry::Perused(read) => read.perusal.lines == read.perusal.seen,
        _ => false,
    });
    assert_eq!(whole.count(), 2, "{}", path.display());

    let mut second = run_from(&one, &one, 50, &["--plain"]);
    second.wait_for("checklist>");
    second.line("sign 2").wait_for("Read it to its end first");
    second.line("quit");
    assert_eq!(second.exit_code(), 1, "{}", second.picture());
    let journals = journals(&one);
    assert!(journals.iter().all(|(_, run)| read_before(run).is_empty()));
}
