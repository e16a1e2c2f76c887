//! Two stagegates on one database: each names the other as that.

use crate::lines::without_a_terminal;
use crate::stage::{Stage, Walk};
use stagegate::journal::{Entry, chain};
use stagegate::sandbox::demo::Scenario;

/// What another stagegate is called wherever a session is named.
const NAMED: &str = "(stagegate: another stagegate on this database)";

/// The transaction that a stagegate holds with this table's lock.
const HOLDER: &str = "SELECT pid FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock'
    AND relation = 'service_ops.packet_decision'::regclass";

const WAITER: &str = "SELECT pid FROM pg_locks WHERE NOT granted";

/// The screen's words, however they are wrapped.
fn words(screen: &str) -> String {
    let kept = |c: &char| !['█', '▲', '▼', '│'].contains(c);
    let text: String = screen.chars().filter(kept).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_second_stagegate_names_the_first_before_begin_while_it_waits_and_when_it_stops() {
    let stage = Stage::set(Scenario::Clean);
    let mut first = stage.run();
    first.walk_to_the_gate();
    let holder = format!("pid {} {} {NAMED}", stage.ask_one(HOLDER), stage.role());
    let script = stage.file(
        "late.sql",
        "ALTER TABLE service_ops.packet_decision ADD COLUMN late int;\n",
    );

    let limit = ["--lock-timeout", "60s", &script];
    let mut second = stage.run_in(80, 50, &[], &limit);
    second.wait_for_evidence().go_to_item(2);
    let in_the_way = format!("in the way: ACCESS EXCLUSIVE of {holder}");
    second.wait_until("the first, in the way", |screen| {
        let said = words(screen);
        said.contains("1 session holds locks in the way")
            && said.contains("another run is UNDER WAY on this database since ")
            && said.contains(&in_the_way)
    });
    second.sign_everything().key("a");
    let waits_for = format!("WAITS FOR {holder}");
    second.wait_until("the first, as whom it waits for", |screen| {
        words(screen).contains(&waits_for)
    });

    // The first one is told of the second as well.
    let waiter = format!("pid {} {} {NAMED}", stage.ask_one(WAITER), stage.role());
    first
        .key("l")
        .wait_until("the second, in the queue", |screen| {
            words(screen).contains(&waiter)
        });
    first.key("Esc");

    // Whoever gives up still reads whom to ask.
    let waited_for = format!("waited for {holder}");
    second
        .key("x")
        .wait_until("whom it waited for, at the end", |screen| {
            let said = words(screen);
            said.contains("ONLY ROLLBACK IS LEFT: you cancelled the script")
                && said.contains(&waited_for)
        });
    second.roll_back().key("q");
    assert_eq!(second.exit_code(), 3);
    first.wait_for_the_gate().roll_back().key("q");
    assert_eq!(first.exit_code(), 1);
    stage.assert_untouched();
    stage.assert_nobody_left();
}

#[test]
fn by_lines_a_second_stagegate_names_the_first_too() {
    let stage = Stage::set(Scenario::Clean);
    let mut first = stage.run();
    first.walk_to_the_gate();
    let holder = format!("pid {} {} {NAMED}", stage.ask_one(HOLDER), stage.role());
    let script = stage.file("late.sql", "TRUNCATE service_ops.packet_decision;\n");
    let journal = stage.home().join("second").display().to_string();
    let limits = ["--lock-attempts", "1", "--lock-timeout", "4s"];
    let further = [&["--rehearse", "--journal", &journal, &script], &limits[..]].concat();
    let output = without_a_terminal(&stage, &stage.arguments(&further), "");
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    for line in [
        format!("Statement 1 waits for {holder}"),
        format!("blocked by {holder}"),
    ] {
        assert!(told.contains(&line), "no {line:?} in\n{told}");
    }
    let text = std::fs::read_to_string(&journal).unwrap();
    let lines = chain::verify(&text).unwrap();
    let waited = lines.iter().find_map(|line| match &line.entry {
        Entry::Statement(ended) => Some((ended.end.duration, ended.end.waited)),
        _ => None,
    });
    let (took, waited) = waited.expect("the statement");
    let waited = waited.expect("how long it waited for the lock");
    // It is as long as it was when somebody looked, and somebody did while it was told.
    assert!(0 < waited && waited <= took, "{waited} of {took} ms");
    let by = lines.into_iter().find_map(|line| match line.entry {
        Entry::Blocked { number, by } => Some((number, by)),
        _ => None,
    });
    let (number, by) = by.expect("who blocked it");
    assert_eq!(number, Some(1));
    assert!(by[0].contains(&holder), "{by:?}");

    first.roll_back().key("q");
    assert_eq!(first.exit_code(), 1);
    stage.assert_untouched();
}
