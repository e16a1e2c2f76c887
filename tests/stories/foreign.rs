//! A runbook for somebody else's tables, written from `assets/runbook.md` alone: its worked example
//! is copied off the page and walked, there and back.

use crate::child::Finish;
use crate::clients::find_client;
use crate::page;
use crate::stage::{Stage, Walk};
use crate::terminal::{PROGRAM, Terminal};
use serde_json::Value;
use stagegate::facts::Standing;
use stagegate::journal::{Entry, chain};
use stagegate::sandbox::demo::Scenario;
use std::process::{Command, Output};

/// The library's database: the page's tables, with some rows.
struct Library {
    stage: Stage,
}

impl Library {
    fn open() -> Library {
        let stage = Stage::set(Scenario::Clean);
        page::write(stage.home());
        // The one line that a reader would change: where it is.
        let library = Library { stage };
        library.change("runbook.toml", "\"library\"", "\"wiser_ops\"");
        let role = &library.stage.arguments(&[])[6];
        library
            .stage
            .ask(&format!("GRANT CREATE ON DATABASE wiser_ops TO {role}"));
        let schema = std::fs::read_to_string(library.stage.home().join("library.sql")).unwrap();
        library.ask(&schema);
        library.ask(
            "INSERT INTO library.members (name, email)
             VALUES ('Ada', 'ada@example.org'), ('Grace', 'grace@example.org');
             INSERT INTO library.loans (member_id, book, due)
             VALUES (1, 'Emma', '2026-05-01'), (2, 'Ulysses', '2026-05-08')",
        );
        library
    }

    /// Runs SQL as the owner of the library's tables.
    fn ask(&self, sql: &str) -> Vec<String> {
        let role = &self.stage.arguments(&[])[6];
        self.stage.ask(&format!("SET ROLE {role}; {sql}"))
    }

    /// Changes a file of the runbook.
    #[track_caller]
    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.stage.home().join("cards").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    fn folder(&self) -> String {
        self.stage.home().join("cards").display().to_string()
    }

    /// The arguments of a command on the runbook, with its journal if it keeps one.
    fn arguments(&self, command: &str, journal: Option<&str>, further: &[&str]) -> Vec<String> {
        let mut arguments = self.stage.arguments(further);
        arguments[0] = command.to_owned();
        arguments.insert(1, self.folder());
        if let Some(journal) = journal {
            arguments.extend(["--journal".into(), self.journal_path(journal)]);
        }
        arguments
    }

    fn journal_path(&self, name: &str) -> String {
        self.stage.home().join(name).display().to_string()
    }

    fn journal(&self, name: &str) -> Vec<Entry> {
        let text = std::fs::read_to_string(self.journal_path(name)).unwrap();
        let lines = chain::verify(&text).unwrap_or_else(|broken| panic!("{broken}\n{text}"));
        lines.into_iter().map(|line| line.entry).collect()
    }

    /// A command with nobody at a terminal.
    fn alone(&self, arguments: &[String]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .env("HOME", self.stage.home())
            .finish("stagegate with nobody at a terminal")
    }

    /// A walk in a terminal that shows the whole checklist at once.
    fn walk(&self, command: &str, journal: &str, further: &[&str]) -> Terminal {
        let env = self.stage.env(&[]);
        let env: Vec<_> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
        let arguments = self.arguments(command, Some(journal), further);
        Terminal::spawn(100, 40, &env, &arguments)
    }

    /// The library's schema as pg_dump sees it.
    fn structure(&self) -> String {
        let arguments = self.stage.arguments(&[]);
        let output = Command::new(find_client("pg_dump").expect("pg_dump"))
            .args(["-s", "-n", "library"])
            .args(&arguments[1..])
            .finish("pg_dump -s");
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        // Newer versions guard a dump with a word drawn for each.
        let lines = text.lines().filter(|line| !line.starts_with('\\'));
        lines.flat_map(|line| [line, "\n"]).collect()
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    said(output)
}

#[test]
fn a_runbook_from_the_documentation_alone_is_walked_there_and_back() {
    let library = Library::open();
    let before = library.structure();

    let show = ["show".to_owned(), library.folder()];
    let shown = ended(&library.alone(&show), 0);
    for words in [
        "checks    books.sql",
        "checks      No book is lent out twice, so the new index can be built [books.sql]",
        "              from the first statement until the decision.",
        "Migration 002: loans can be renewed",
    ] {
        assert!(shown.contains(words), "no {words:?} in\n{shown}");
    }

    let rehearse = library.arguments("rehearse", Some("rehearse.jsonl"), &[]);
    let rehearsed = ended(&library.alone(&rehearse), 0);
    let read_only = "No book is lent out twice, so the new index can be built: HOLDS.";
    assert!(rehearsed.contains(read_only), "{rehearsed}");
    assert_eq!(library.structure(), before);

    let mut terminal = library.walk("run", "run.jsonl", &[]);
    terminal.wait_for_evidence().go_to_item(5);
    terminal
        .wait_for("books.sql: 1 of 1 PASS")
        .wait_for("SHA-256");
    let row = "no book is lent out twice  none";
    assert_eq!(
        terminal.screen_text().matches(row).count(),
        1,
        "{}",
        terminal.picture()
    );
    terminal.go_to_item(6);
    terminal.wait_for("from the first statement until the decision.");
    terminal.walk_to_the_gate().commit().wait_for("2 PASS");
    terminal.key("q");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
    let after = library.structure();
    for object in ["card_no", "ck_members_card_no", "uq_members_card_no"]
        .into_iter()
        .chain(["renewals", "ck_loans_renewals", "uq_loans_open_book"])
    {
        assert!(after.contains(object), "no {object} in\n{after}");
    }

    let entries = library.journal("run.jsonl");
    let Some(Entry::Opened(opened)) = entries.first() else {
        panic!("{:?}", entries.first());
    };
    let files: Vec<&str> = opened
        .checks
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    let expected = ["expected_state.sql", "books.sql", "post_verification.sql"];
    assert_eq!(files, expected);
    let signed: Vec<(&str, String)> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Signed { item, evidence, .. } => Some((item.as_str(), evidence.join("\n"))),
            _ => None,
        })
        .collect();
    let evidence = |wanted: &str| &signed.iter().find(|(item, _)| *item == wanted).unwrap().1;
    let hash = format!("SHA-256 {}", opened.checks[1].sha256);
    assert!(evidence("books").contains(&hash), "{signed:?}");
    assert!(evidence("desk").contains("nobody can borrow"), "{signed:?}");

    let verified = ended(&library.alone(&library.arguments("verify", None, &[])), 0);
    let applied = [
        "  001  yes",
        "  002  yes",
        "Checklist, books.sql: 0 FAIL, 0 WARN, 1 PASS",
    ];
    for words in applied {
        assert!(verified.contains(words), "no {words:?} in\n{verified}");
    }

    // What bars a part of the way back is named, and that part can be left out.
    library.ask("UPDATE library.members SET email = 'home@example.org'");
    let rollback = |further: &[&str]| {
        let _ = std::fs::remove_file(library.journal_path("trial.jsonl"));
        let arguments = library.arguments("rollback", Some("trial.jsonl"), further);
        library.alone(&arguments)
    };
    let barred = ended(&rollback(&["--rehearse"]), 4);
    assert!(barred.contains("home@example.org"), "{barred}");
    let left_out = ended(&rollback(&["--rehearse", "--without-restore"]), 0);
    let said = "left out: Restore the index on email (if needed)";
    assert!(left_out.contains(said), "{left_out}");
    library.ask("UPDATE library.members SET email = NULL WHERE name = 'Ada'");

    // What was written since then is counted before it goes.
    library.ask("UPDATE library.members SET card_no = '00000001' WHERE name = 'Ada'");
    let mut terminal = library.walk("rollback", "rollback.jsonl", &[]);
    terminal.wait_for_evidence().go_to_item(4);
    terminal.wait_for("members with a card: 1");
    terminal.walk_to_the_gate().commit();
    terminal.key("q");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
    assert_eq!(library.structure(), before);
    library.stage.assert_nobody_left();
}

#[test]
fn checks_of_an_item_that_fail_stand_against_its_signature() {
    let library = Library::open();
    library
        .ask("INSERT INTO library.loans (member_id, book, due) VALUES (2, 'Emma', '2026-06-01')");
    let mut terminal = library.walk("run", "run.jsonl", &[]);
    terminal.wait_for_evidence().go_to_item(5);
    terminal
        .wait_for("books.sql: 1 FAIL, 0 of 1 PASS")
        .wait_for("Emma");
    terminal
        .key("Space")
        .wait_for("The evidence fails, so it cannot be signed");
    // Put right and probed again, it can.
    library.ask("UPDATE library.loans SET returned = due WHERE member_id = 1");
    terminal.key("p").wait_for("books.sql: 1 of 1 PASS");
    terminal.key("Space").wait_for("CHECKLIST  1 of 7 signed");
    // What was checked is there to be read.
    terminal.key("s").wait_for("[script]");
    terminal.key("Tab").wait_for("[rollback 1]");
    terminal.key("Tab").wait_for("[rollback 2]");
    terminal.key("Tab").wait_for("[checks 5]");
    terminal
        .wait_for("books.sql")
        .wait_for("HAVING count(*) > 1");
    terminal.key("Esc").wait_for("CHECKLIST").key("q");
    assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
    let mut lines = library.walk("run", "lines.jsonl", &["--plain"]);
    lines.wait_for("5. No book is lent out twice");
    lines
        .line("read checks 4")
        .wait_for("an item that brings a file");
    lines.line("read checks 5").wait_for("HAVING count(*) > 1");
    lines.line("quit");
    assert_eq!(lines.exit_code(), 1, "{}", lines.picture());
    let env = library.stage.env(&[]);
    let env: Vec<_> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
    let mut inspect = Terminal::spawn(100, 40, &env, &library.arguments("inspect", None, &[]));
    inspect.wait_for(" PASS").key("s").wait_for("[script]");
    inspect.key("Tab").wait_for("[rollback 1]");
    inspect.key("Tab").wait_for("[rollback 2]");
    inspect
        .key("Tab")
        .wait_for("[checks 5]")
        .wait_for("books.sql");
    inspect.key("q");
    assert_eq!(inspect.exit_code(), 0, "{}", inspect.picture());

    library
        .ask("INSERT INTO library.loans (member_id, book, due) VALUES (2, 'Emma', '2026-06-01')");
    library
        .ask("INSERT INTO library.loans (member_id, book, due) VALUES (1, 'Emma', '2026-06-01')");
    let mut verify = library.arguments("verify", None, &[]);
    verify.extend(["--format".to_owned(), "json".to_owned()]);
    let output = library.alone(&verify);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed = told["checks"].as_array().unwrap().iter().find(|check| {
        check["stage"] == "checklist" && check["file"] == "books.sql" && check["status"] == "FAIL"
    });
    assert_eq!(failed.unwrap()["detail"], "Emma");
}

#[test]
fn checks_of_an_item_that_do_not_answer_are_no_pass() {
    let library = Library::open();
    let evidence = |sql: &str| {
        let path = library.stage.home().join("cards/books.sql");
        std::fs::write(path, sql).unwrap();
        // A rehearsal tells all evidence.
        let arguments = library.arguments("run", Some("run.jsonl"), &["--rehearse"]);
        let output = library.alone(&arguments);
        let entries = match std::fs::exists(library.journal_path("run.jsonl")).unwrap() {
            true => library.journal("run.jsonl"),
            false => Vec::new(),
        };
        let _ = std::fs::remove_file(library.journal_path("run.jsonl"));
        let found = entries.into_iter().find_map(|entry| match entry {
            Entry::Evidence {
                item,
                standing,
                summary,
                ..
            } if item == "books" => Some((standing, summary)),
            _ => None,
        });
        (found, output)
    };
    let fails = |sql: &str, words: &str| {
        let (found, output) = evidence(sql);
        let (standing, summary) = found.unwrap_or_else(|| panic!("{}", said(&output)));
        assert_eq!(standing, Standing::Fails, "{summary}");
        assert!(summary.contains(words), "{summary}");
        assert_ne!(output.status.code(), Some(0), "{}", said(&output));
    };
    fails(
        "SELECT count(*) FROM library.loans;",
        "books.sql returned no checks; zero checks is not a pass",
    );
    fails(
        "SELECT 'a' AS \"check\", 'PASS' AS status;\n\nSELECT 'b',\n  borrowed FROM library.loans;",
        "books.sql stopped at statement 2 (line 4): ERROR: column",
    );
    fails(
        "SELECT 'a' AS \"check\", 'PASS' AS status;\nDELETE FROM library.loans;",
        "books.sql stopped at statement 2 (line 2): ERROR: cannot execute DELETE",
    );
    fails(
        "SELECT 'a' AS \"check\", 'WARN' AS status;",
        "0 of 1 PASS, 1 WARN",
    );
    assert_eq!(library.ask("SELECT count(*) FROM library.loans"), ["2"]);
    // What is refused in the file is told before anything is connected to.
    let (found, output) = evidence("SELECT 1;\n\\gset\n");
    assert_eq!(found, None);
    let told = ended(&output, 2);
    assert!(told.contains("books.sql:2:1: \\gset is refused"), "{told}");
    assert!(told.contains("a file of checks cannot be run"), "{told}");
}

/// pgTAP's calls, as far as their results go; the extension itself is not everywhere.
const TAP: &str = "
    CREATE FUNCTION library.plan(n int) RETURNS SETOF text LANGUAGE sql AS
        $$SELECT '1..' || n$$;
    CREATE FUNCTION library.ok(holds boolean, n int, about text) RETURNS text LANGUAGE sql AS
        $$SELECT CASE WHEN holds THEN 'ok ' ELSE 'not ok ' END || n || ' - ' || about
              || CASE WHEN holds THEN '' ELSE E'\\n# Failed test ' || n END$$;
    CREATE FUNCTION library.skip(n int) RETURNS text LANGUAGE sql AS
        $$SELECT 'ok ' || n || ' # SKIP no such version'$$;
    CREATE FUNCTION library.finish() RETURNS SETOF text LANGUAGE sql AS
        $$SELECT '' WHERE false$$;";

#[test]
fn pgtap_is_held_to_its_plan_on_a_real_server() {
    let library = Library::open();
    library.ask(TAP);
    let verify = |sql: &str| {
        let path = library.stage.home().join("cards/books.sql");
        std::fs::write(path, format!("SET search_path = library;\n{sql}")).unwrap();
        let mut arguments = library.arguments("verify", None, &[]);
        arguments.extend(["--format".to_owned(), "json".to_owned()]);
        let told: Value = serde_json::from_slice(&library.alone(&arguments).stdout).unwrap();
        let checks = told["checks"].as_array().unwrap().clone();
        let own = checks.iter().filter(|check| check["file"] == "books.sql");
        own.map(|check| {
            let text = |key: &str| check[key].as_str().unwrap().to_owned();
            format!("{} {} {}", text("status"), text("check"), text("detail"))
        })
        .collect::<Vec<_>>()
    };
    let apart = "SELECT plan(3); SELECT ok(true, 1, 'a'); SELECT skip(2);";
    assert_eq!(
        verify(&format!(
            "{apart} SELECT ok(false, 3, 'c'); SELECT * FROM finish();"
        )),
        [
            "PASS a ",
            "WARN # SKIP no such version ",
            "FAIL c # Failed test 3"
        ]
    );
    let short = "FAIL plan 3 tests were planned, 2 were run";
    assert_eq!(
        verify(&format!("{apart} SELECT * FROM finish();"))
            .last()
            .unwrap(),
        short
    );
    let together = "SELECT * FROM (VALUES ('1..3'), ('ok 1 - a'), ('# said'),
                    ('not ok 2 - b # TODO later')) AS tap (line);";
    assert_eq!(verify(together), ["PASS a ", "WARN b # TODO later ", short]);
    // In the script too, where a plan that was not kept stands against COMMIT.
    let script = library.stage.home().join("tap.sql");
    std::fs::write(&script, format!("SET search_path = library; {apart}")).unwrap();
    let mut arguments = library.arguments("run", Some("tap.jsonl"), &["--rehearse"]);
    arguments[1] = script.display().to_string();
    let told = ended(&library.alone(&arguments), 4);
    assert!(
        told.contains(&short["FAIL ".len()..].replacen("plan ", "", 1)),
        "{told}"
    );
}
