//! What is on the screen: without colour, without Unicode, with others waiting.

use crate::lines::without_a_terminal;
use crate::stage::{Stage, Walk};
use stagegate::journal::Entry;
use stagegate::sandbox::demo::Scenario;

/// The parameters of every "select graphic rendition" sequence in `raw`.
fn renditions(raw: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(raw);
    text.split("\x1b[")
        .skip(1)
        .filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
            rest[end..].starts_with('m').then(|| rest[..end].to_owned())
        })
        .collect()
}

/// Whether a rendition sets a colour, rather than bold, reverse or the default.
fn colours(rendition: &str) -> bool {
    rendition.split([';', ':']).any(|number| {
        let number: u16 = number.parse().unwrap_or(0);
        matches!(number, 30..=38 | 40..=48 | 58 | 90..=97 | 100..=107)
    })
}

#[test]
fn no_color_writes_no_colour_and_says_everything_in_words() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(80, 24, &[("NO_COLOR", "1")], &[]);
    terminal
        .walk_to_the_gate()
        .shows(&["TRANSACTION OPEN", "8 PASS, 0 WARN, 0 FAIL"]);
    assert!(!terminal.has_colour());
    terminal.commit().key("q");
    stage.assert_committed(&mut terminal);
    let renditions = renditions(&terminal.raw());
    let coloured: Vec<&String> = renditions.iter().filter(|one| colours(one)).collect();
    assert!(coloured.is_empty(), "{coloured:?}");
    // What stands in for colour is there, and is not wiped out again right after it is set.
    assert!(renditions.iter().any(|one| one == "7"), "no reverse");
    assert!(!renditions.iter().any(|one| one == ";"), "an empty colour");
}

#[test]
fn the_c_locale_gets_ascii_and_nothing_else() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(80, 24, &[("LC_ALL", "C")], &[]);
    terminal.walk_to_the_gate();
    assert!(terminal.has_colour());
    terminal.roll_back().key("q");
    stage.assert_rolled_back(&mut terminal, 1, "you decided so");
    let raw = terminal.raw();
    let foreign = raw.iter().position(|byte| !byte.is_ascii());
    assert_eq!(foreign, None);
}

#[test]
fn a_busy_application_shows_as_waiting_sessions() {
    let stage = Stage::set(Scenario::Busy);
    let mut terminal = stage.run();
    terminal
        .walk_to_the_gate()
        .wait_for("sessions wait for us")
        .shows(&["wiser_app (serviceops-app)"]);
    terminal
        .key("l")
        .wait_for("WAITING FOR US")
        .wait_for("serviceops-app");
    terminal.key("Esc").wait_for_the_gate().commit().key("q");
    stage.assert_left(&mut terminal, 0, "COMMITTED wiser_ops on ");
    stage.assert_nobody_left();
    stage.assert_journal(&["COMMITTED"], 0);
    // Who waited is kept, and stands on the report's first page, above everything else.
    let journal = stage.journal();
    let waited = journal.iter().find_map(|entry| match entry {
        Entry::Waited { sessions, who, .. } => Some((*sessions, who.clone())),
        _ => None,
    });
    let (sessions, who) = waited.expect("a line of the journal");
    assert!(sessions > 1, "{sessions}");
    assert!(
        who.iter()
            .all(|one| one.contains("wiser_app (serviceops-app)") && one.contains(", for ")),
        "{who:?}"
    );
    let report = without_a_terminal(&stage, &["report".to_owned()], "").stdout;
    let report = String::from_utf8(report).expect("a report");
    let first = report.find("serviceops-app").expect("who waited");
    assert!(
        first < report.find("## Target").expect("a section"),
        "{report}"
    );
}

#[test]
fn the_script_and_what_it_includes_are_what_is_read_and_run() {
    let stage = Stage::set(Scenario::Clean);
    stage.file("parts/table.sql", "CREATE TABLE public.included (i int);\n");
    let row = stage.file("row.sql", "INSERT INTO public.included VALUES (8);\n");
    let script = stage.file(
        "main.sql",
        &format!(
            "\\ir parts/table.sql\n\
         \\i {row}\n\
         INSERT INTO public.included VALUES (7);\n\
         SELECT 'a row' AS check, CASE count(*) WHEN 2 THEN 'PASS' ELSE 'FAIL' END AS status\n\
         FROM public.included;\n\
         COMMIT;\n"
        ),
    );
    let mut terminal = stage.run_with(&[&script]);
    terminal.wait_for_evidence().key("s").wait_for("main.sql");
    // The checklist names these files as well.
    terminal.wait_for("held back: only the key for COMMIT sends it");
    terminal.shows(&["parts/table.sql"]);
    terminal.key("Esc").wait_for("CHECKLIST");
    terminal
        .walk_to_the_gate()
        .shows(&["4 of 4 statements succeeded", "1 PASS, 0 WARN, 0 FAIL"]);
    assert_eq!(
        stage.ask_one("SELECT to_regclass('public.included')"),
        "NULL"
    );
    terminal.commit().key("q");
    stage.assert_left(&mut terminal, 0, "COMMITTED wiser_ops on ");
    assert_eq!(stage.ask("SELECT i FROM public.included"), ["8", "7"]);
    stage.assert_nobody_left();
    stage.assert_journal(&["COMMITTED"], 0);
}

#[test]
fn signing_asks_for_reading_and_for_a_reference() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run();
    terminal.wait_for_evidence().go_to_item(2);
    terminal
        .key("Space")
        .wait_for("Read it to its end first: s opens the scripts.");
    terminal.go_to_item(1).key("Space").wait_for("REFERENCE");
    terminal.key("Enter").wait_for("It needs a reference");
    terminal
        .type_slowly("b7")
        .key("Enter")
        .wait_for("CHECKLIST  1 of 5 signed");
    terminal
        .go_to_item(1)
        .key("Space")
        .wait_for("Signed already; u withdraws it.");
    terminal.key("u").wait_for("CHECKLIST  0 of 5 signed");
    terminal
        .key("?")
        .wait_for("KEYS")
        .shows(&["sign the item off"]);
    terminal.key("q").wait_for("CHECKLIST");
    terminal.key("q");
    stage.assert_left(&mut terminal, 1, "Nothing was applied.");
    stage.assert_untouched();
}
