//! A terminal that takes nothing keeps nothing waiting. A program that is stuck itself, on a dead disk,
//! still leaves when it is told to, in time and with the truth.

use crate::aloud::skip;
use crate::child::{Finish, until};
use crate::stage::{Stage, Walk};
use crate::terminal::Terminal;
use rustix::process::Signal;
use stagegate::facts::OutcomeWord;
use stagegate::gate::plan::ARMING;
use stagegate::journal::Entry;
use stagegate::sandbox::demo::Scenario;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Asserts that the program ends by itself with that code, and its transaction with it.
fn assert_gone(stage: &Stage, terminal: &mut Terminal, code: u32, since: Instant) {
    assert_eq!(terminal.exit_code(), code, "{}", terminal.picture());
    println!("gone after {:?}", since.elapsed());
    stage.assert_nobody_left();
    stage.assert_untouched();
}

// ---- a terminal that takes nothing ----------------------------------------------------------------

/// Waits until a thread of the program waits in a write to its terminal; `false` where that cannot be
/// seen.
fn wait_until_it_writes(terminal: &Terminal) -> bool {
    let tasks = format!("/proc/{}/task", terminal.process_id());
    let writing = || {
        let tasks = std::fs::read_dir(&tasks).ok()?;
        let calls = tasks.filter_map(|task| {
            let task = task.ok()?.path();
            let call = std::fs::read_to_string(task.join("syscall")).ok()?;
            let to_terminal = call.split_whitespace().nth(1) == Some("0x1");
            to_terminal.then_some((task, call))
        });
        Some(calls.collect::<Vec<_>>())
    };
    let readable = |path: &Path| std::fs::read_to_string(path).is_ok();
    let own = format!("/proc/{}/syscall", terminal.process_id());
    if !readable(Path::new(&own)) {
        return false;
    }
    until("it waits in a write to its terminal", || {
        let before = writing()?;
        std::thread::sleep(Duration::from_millis(300));
        (!before.is_empty() && writing()? == before).then_some(())
    });
    true
}

fn stall_at_the_gate(stage: &Stage, arguments: &[&str]) -> Terminal {
    let mut terminal = stage.run_with(arguments);
    terminal.walk_to_the_gate().stall();
    if !wait_until_it_writes(&terminal) {
        skip("whether a program waits in a write is seen in /proc alone");
    }
    terminal
}

fn told_to_leave_a_stalled_terminal(signal: Signal, code: u8) {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stall_at_the_gate(&stage, &[]);
    let since = Instant::now();
    terminal.signal(signal);
    assert_gone(&stage, &mut terminal, code.into(), since);
    // By itself: the watchdog would have left the journal without its end.
    let journal = stage.journal();
    let last = journal.last();
    assert!(matches!(last, Some(Entry::Left { .. })), "{last:?}");
    let rolled_back = |entry: &Entry| {
        matches!(
            entry,
            Entry::Outcome {
                outcome: OutcomeWord::RolledBack,
                ..
            }
        )
    };
    assert!(journal.iter().any(rolled_back), "{journal:?}");
}

#[test]
fn a_terminal_that_takes_nothing_keeps_the_hold_limit_and_shows_its_end_when_it_is_back() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stall_at_the_gate(&stage, &["--hold-limit", "10s"]);
    until("the journal tells how it ended", || {
        stage
            .journal_text()
            .contains("\"ROLLED BACK\"")
            .then_some(())
    });
    stage.assert_untouched();
    terminal
        .listen_again()
        .wait_for("no transaction is open")
        // What filled the terminal is still among it.
        .key("Ctrl-L")
        .wait_while("xxx")
        .shows(&["R O L L E D   B A C K", "The hold limit was reached"])
        .key("q");
    assert_eq!(terminal.exit_code(), 3, "{}", terminal.picture());
}

#[test]
fn terminated_in_front_of_a_terminal_that_takes_nothing() {
    told_to_leave_a_stalled_terminal(Signal::TERM, 143);
}

#[test]
fn hung_up_in_front_of_a_terminal_that_takes_nothing() {
    told_to_leave_a_stalled_terminal(Signal::HUP, 129);
}

/// How long the reader of a terminal that is full pauses: longer than a moment, and within the time in
/// which the program leaves.
const PAUSE: Duration = Duration::from_secs(2);

#[test]
fn a_terminal_that_is_read_again_in_time_is_given_back_and_hears_the_last_words() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let stage = Stage::set(Scenario::Clean);
        let mut terminal = stall_at_the_gate(&stage, &[]);
        terminal.signal(signal);
        let told = Instant::now();
        // Neither the transaction nor the journal waits for the terminal.
        until("the journal has its end", || {
            let left = |entry: &Entry| matches!(entry, Entry::Left { .. });
            stage.journal().last().is_some_and(left).then_some(())
        });
        stage.assert_nobody_left();
        std::thread::sleep(PAUSE.saturating_sub(told.elapsed()));
        terminal.listen_again();
        assert_eq!(terminal.exit_code(), code, "{}", terminal.picture());
        assert_said(&terminal, &["ROLLED BACK", "Journal: "]);
    }
}

// ---- a dead disk ----------------------------------------------------------------------------------

/// In place of the system's own, for the time in which `$DEAD_DISK` is there. Whoever waits on it makes
/// `$DEAD_DISK.waited`.
const DEAD_DISK: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int fdatasync(int fd) {
    const char *dead = getenv("DEAD_DISK");
    char waited[4096];
    while (dead && access(dead, F_OK) == 0) {
        snprintf(waited, sizeof waited, "%s.waited", dead);
        int told = open(waited, O_CREAT | O_WRONLY, 0600);
        if (told >= 0) close(told);
        usleep(10000);
    }
    return syscall(SYS_fdatasync, fd);
}
"#;

/// The program on a disk that dies when [`Disk::die`] says so.
pub struct Disk {
    dead: String,
    preload: String,
}

impl Disk {
    /// `None`, said aloud, where it cannot be had.
    pub fn new(stage: &Stage) -> Option<Disk> {
        let source = stage.file("disk.c", DEAD_DISK);
        let preload = stage.home().join("disk.so").display().to_string();
        if !cfg!(target_os = "linux") {
            skip("a disk can be made to die on Linux alone");
            return None;
        }
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o", &preload, &source])
            .finish("cc");
        assert!(built.status.success(), "{built:?}");
        let dead = stage.home().join("dead").display().to_string();
        Some(Disk { dead, preload })
    }

    /// What a program on it has in its environment.
    pub fn variables(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", &self.preload), ("DEAD_DISK", &self.dead)]
    }

    fn run(&self, stage: &Stage) -> Terminal {
        stage.run_in(80, 24, &self.variables(), &[])
    }

    pub fn die(&self) {
        std::fs::write(&self.dead, "").unwrap();
    }

    pub fn wait_until_waited_for(&self) {
        let waited = format!("{}.waited", self.dead);
        until("somebody waits for the disk", || {
            Path::new(&waited).exists().then_some(())
        });
    }
}

/// Asserts that nothing more is said than what is known, on a terminal that was given back.
pub fn assert_said(terminal: &Terminal, words: &[&str]) {
    let said = terminal.screen_text().replace('\n', " ");
    for words in words {
        assert!(
            said.contains(words),
            "no {words:?}:\n{}",
            terminal.picture()
        );
    }
    assert_eq!(terminal.is_taken(), [false; 3], "{}", terminal.picture());
}

fn told_to_leave_on_a_dead_disk(code: u32, tell: impl FnOnce(&mut Terminal)) {
    let stage = Stage::set(Scenario::Clean);
    let Some(disk) = Disk::new(&stage) else {
        return;
    };
    let mut terminal = disk.run(&stage);
    terminal.walk_to_the_gate();
    disk.die();
    let since = Instant::now();
    tell(&mut terminal);
    assert_gone(&stage, &mut terminal, code, since);
    disk.wait_until_waited_for();
    assert_said(
        &terminal,
        &["ROLLED BACK (transaction", "COMMIT was never sent"],
    );
    let told = |entry: &Entry| matches!(entry, Entry::Outcome { .. } | Entry::Left { .. });
    assert!(
        !stage.journal().iter().any(told),
        "{}",
        stage.journal_text()
    );
}

#[test]
fn terminated_at_the_gate_on_a_dead_disk() {
    told_to_leave_on_a_dead_disk(143, |terminal| {
        terminal.signal(Signal::TERM);
    });
}

#[test]
fn q_twice_at_the_gate_on_a_dead_disk() {
    told_to_leave_on_a_dead_disk(1, |terminal| {
        terminal.key("q").wait_for("q again rolls back and leaves");
        // As slowly as a person: what comes at once is a key held down.
        std::thread::sleep(Duration::from_millis(ARMING * 2));
        terminal.key("q");
    });
}

#[test]
fn rollback_on_a_dead_disk_keeps_no_lock_waiting() {
    let stage = Stage::set(Scenario::Clean);
    let Some(disk) = Disk::new(&stage) else {
        return;
    };
    let mut terminal = disk.run(&stage);
    terminal.walk_to_the_gate();
    disk.die();
    let since = Instant::now();
    terminal.key("r").wait_for("yes, ROLLBACK").key("y");
    assert_gone(&stage, &mut terminal, 1, since);
    assert_said(
        &terminal,
        &[
            "stagegate hung, so",
            "ROLLED BACK (transaction",
            "COMMIT was never sent",
        ],
    );
}

#[test]
fn q_twice_while_the_intent_to_commit_waits_for_a_dead_disk() {
    told_while_the_intent_to_commit_waits(1, |terminal| {
        // Nobody takes a key any more: there is nothing on the screen to wait for.
        std::thread::sleep(Duration::from_millis(1_000));
        let since = Instant::now();
        terminal.key("q");
        std::thread::sleep(Duration::from_millis(ARMING * 2));
        terminal.key("q");
        since
    });
}

#[test]
fn q_on_the_checklist_on_a_dead_disk() {
    let stage = Stage::set(Scenario::Clean);
    let Some(disk) = Disk::new(&stage) else {
        return;
    };
    disk.die();
    let mut terminal = disk.run(&stage);
    terminal.wait_for_evidence();
    disk.wait_until_waited_for();
    let since = Instant::now();
    terminal.key("q");
    assert_gone(&stage, &mut terminal, 1, since);
    assert_said(&terminal, &["Nothing was applied."]);
}

#[test]
fn terminated_while_the_intent_to_commit_waits_for_a_dead_disk() {
    told_while_the_intent_to_commit_waits(143, |terminal| {
        let since = Instant::now();
        terminal.signal(Signal::TERM);
        since
    });
}

/// `tell` tells it to leave, and says since when.
fn told_while_the_intent_to_commit_waits(code: u32, tell: impl FnOnce(&mut Terminal) -> Instant) {
    let stage = Stage::set(Scenario::Clean);
    let Some(disk) = Disk::new(&stage) else {
        return;
    };
    let mut terminal = disk.run(&stage);
    terminal.walk_to_the_gate();
    terminal
        .key("c")
        .wait_for("Type the name of the database")
        .type_slowly("wiser_ops");
    disk.die();
    terminal.key("Enter");
    disk.wait_until_waited_for();
    let since = tell(&mut terminal);
    assert_gone(&stage, &mut terminal, code, since);
    // The intent may be in the journal; COMMIT was not sent, and that is what is said.
    assert_said(
        &terminal,
        &["ROLLED BACK (transaction", "COMMIT was never sent"],
    );
}
