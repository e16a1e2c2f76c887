//! The page about runbooks says what the program does: every key is on it, every example loads, and
//! every message on it is the program's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test through and through.

use std::path::Path;

use stagegate::runbook::{ItemKind, Runbook};

#[path = "stories/page.rs"]
mod page;

fn refused(folder: &Path) -> String {
    Runbook::load(Some(folder)).unwrap_err().to_string()
}

/// The words in back-quotes behind `after`.
fn words(told: &str, after: &str) -> Vec<String> {
    let (_, rest) = told.split_once(after).unwrap_or_else(|| panic!("{told}"));
    let words = rest.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

#[test]
fn every_key_and_kind_of_the_manifest_is_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = |text: &str| {
        std::fs::write(folder.path().join("runbook.toml"), text).unwrap();
        refused(folder.path())
    };
    let keys = words(&manifest("nonsense = 1"), "there are ");
    assert!(keys.len() >= 7, "{keys:?}");
    let keys_of_item = words(&manifest("[[checklist]]\nnonsense = 1"), "there are ");
    assert!(keys_of_item.len() >= 5, "{keys_of_item:?}");
    let kinds = words(
        &manifest("[[checklist]]\nkind = \"nonsense\""),
        "there are ",
    );
    assert!(kinds.len() >= 7, "{kinds:?}");
    let page = page::text();
    let keys_of_promise = words(&manifest("[[promise]]\nnonsense = 1"), "there are ");
    assert!(keys_of_promise.len() >= 8, "{keys_of_promise:?}");
    let items = keys_of_item.iter().chain(&kinds);
    for word in keys.iter().chain(items).chain(&keys_of_promise) {
        let rows = [format!("\n| `{word}` |"), format!("\n| `[[{word}]]` |")];
        assert!(
            rows.iter().any(|row| page.contains(row)),
            "assets/runbook.md has no row for {word}"
        );
    }
}

#[test]
fn the_worked_example_loads_whole_and_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = page::write(folder.path());
    files.retain(|name| name.starts_with("cards/"));
    assert_eq!(files.len(), 7, "{files:?}");
    let runbook = Runbook::load(Some(&folder.path().join("cards"))).unwrap();
    assert_eq!(runbook.refusals().count(), 0);
    assert_eq!(runbook.rollbacks.len(), 2);
    for script in &runbook.rollbacks {
        assert_eq!(script.refusals, [], "{}", script.name);
    }
    assert_eq!(runbook.check_files().count(), 3);
    let kinds: std::collections::HashSet<ItemKind> =
        runbook.items.iter().map(|item| item.kind).collect();
    assert_eq!(kinds.len(), 7, "not every kind: {kinds:?}");
    let of_kind = |kind| runbook.items.iter().find(|item| item.kind == kind).unwrap();
    let books = of_kind(ItemKind::Checks).checks.as_ref().unwrap();
    assert_eq!(books.name, "books.sql");
    let text = of_kind(ItemKind::Attest).text.as_ref().unwrap();
    assert!(text.contains("until the decision."), "{text}");
}

/// What is in a file that an example only names: with the sections that it makes promises of.
const STANDS_FOR_IT: &str =
    "-- Section: Migration 001\nSELECT 1;\n-- Section: Migration 002\nSELECT 2;\n";

#[test]
fn every_other_example_loads_too() {
    let mut seen = 0;
    for block in page::blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = match block.language.as_str() {
            "toml" => {
                let named = block.text.split('"').skip(1).step_by(2);
                for name in named.filter(|name| name.ends_with(".sql")) {
                    let file = folder.path().join(name);
                    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                    std::fs::write(file, STANDS_FOR_IT).unwrap();
                }
                folder.path().join("runbook.toml")
            }
            "sql" => folder.path().join("example.sql"),
            "text" | "console" => continue,
            other => panic!("an example in {other}"),
        };
        seen += 1;
        std::fs::write(&path, &block.text).unwrap();
        let runbook = Runbook::load(Some(&path)).unwrap_or_else(|error| panic!("{error}"));
        let refusals: Vec<_> = runbook.refusals().map(|(_, refusal)| refusal).collect();
        assert!(refusals.is_empty(), "{refusals:?} in\n{}", block.text);
    }
    assert!(seen >= 11, "{seen}");
}

/// A file of the example, what is changed in it, and what becomes of it.
const WRONG: &[(&str, &str, &str)] = &[
    ("runbook.toml", "expected_state = ", "expected_stat = "),
    (
        "runbook.toml",
        "title = \"Library: cards for members, renewals for loans\"\n",
        "",
    ),
    ("runbook.toml", "\"cards.sql\"", "3"),
    ("runbook.toml", "rollback/001_members.sql", "../001.sql"),
    ("runbook.toml", "post_verification.sql", "after.sql"),
    ("runbook.toml", "file = \"books.sql\"\n", ""),
    ("runbook.toml", "kind = \"backup\"", "kind = \"oath\""),
    ("cards.sql", "DROP INDEX library.uq_members_email", "VACUUM"),
    (
        "books.sql",
        "FROM (SELECT book",
        "\\gset\nFROM (SELECT book",
    ),
];

#[test]
fn every_message_on_the_page_is_what_the_program_says() {
    let mut said = Vec::new();
    for (file, from, to) in WRONG {
        let folder = tempfile::tempdir().unwrap();
        page::write(folder.path());
        let path = folder.path().join("cards").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        match Runbook::load(Some(&folder.path().join("cards"))) {
            Err(error) => {
                let prefix = format!("{}/", folder.path().display());
                said.push(error.to_string().replace(&prefix, ""));
            }
            Ok(runbook) => said.extend(told(&runbook)),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hours.sql");
    std::fs::write(&path, "-- Monday to Friday\n").unwrap();
    said.extend(told(&Runbook::load(Some(&path)).unwrap()));
    let promised = page::blocks().into_iter().filter(|b| b.language == "text");
    let promised: String = promised.map(|block| block.text).collect();
    assert_eq!(promised.lines().count(), WRONG.len() + 1);
    for line in promised.lines() {
        let found = said.iter().any(|said| match line.strip_suffix('…') {
            Some(beginning) => said.starts_with(beginning),
            None => said == line,
        });
        assert!(found, "nobody says\n{line}\nbut\n{}", said.join("\n"));
    }
}

fn told(runbook: &Runbook) -> Vec<String> {
    let refusals = runbook.refusals();
    let told = refusals.map(|(script, refusal)| {
        let file = &script.sources[refusal.source].name;
        format!(
            "{file}:{}:{}: {}",
            refusal.line, refusal.column, refusal.reason
        )
    });
    told.collect()
}
