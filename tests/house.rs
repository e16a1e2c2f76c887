//! The arrows of the house: who may know whom. And: the documents say what the program does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each module and the ones it may use. `crate::` paths to anything else are an arrow that points
/// the wrong way.
const ARROWS: &[(&str, &[&str])] = &[
    ("runbook", &[]),
    ("gate", &["runbook"]),
    ("database", &["gate", "runbook"]),
    ("journal", &["gate", "runbook"]),
    ("tui", &["gate", "runbook"]),
    ("sandbox", &[]),
    ("backup", &["gate", "runbook", "database", "sandbox"]),
    (
        "walk",
        &["gate", "runbook", "database", "journal", "tui", "backup"],
    ),
    (
        "inspect",
        &["gate", "runbook", "database", "journal", "tui"],
    ),
    ("headless", &["gate", "runbook", "walk"]),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// The modules of ours that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        })
        .filter(|name| ARROWS.iter().any(|(module, _)| module == name))
        .collect()
}

#[test]
fn no_arrow_points_back() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (module, allowed) in ARROWS {
        let mut files = vec![src.join(format!("{module}.rs"))];
        let folder = src.join(module);
        if folder.is_dir() {
            sources(&folder, &mut files);
        }
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for name in named(&text) {
                if name != *module && !allowed.contains(&name) {
                    wrong.push(format!("{} uses {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_arrow_that_points_back_would_be_seen() {
    assert_eq!(
        named(
            "use crate::database::session;\n// use crate::tui;\nlet x = crate::gate::plan::BEAT;"
        ),
        BTreeSet::from(["database", "gate"])
    );
}

fn stagegate(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stagegate"))
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_readme_has_the_key_table_of_the_program() {
    assert!(
        readme().contains(stagegate(&["keys"]).trim()),
        "put the output of `stagegate keys` into README.md"
    );
}

#[test]
fn the_readme_names_every_command_and_the_man_page_every_option() {
    let help = stagegate(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|name| *name != "help" && name.chars().all(char::is_alphabetic))
        .collect();
    assert!(commands.len() >= 6, "{help}");
    let readme = readme();
    let man = stagegate(&["man"]).replace("\\-", "-");
    for command in commands {
        assert!(
            readme.contains(&format!("`stagegate {command}")),
            "README.md does not name stagegate {command}"
        );
        for option in stagegate(&[command, "--help"])
            .split_whitespace()
            .filter(|word| word.starts_with("--") && word.len() > 2)
            .map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric()))
        {
            assert!(
                man.contains(option),
                "{command}: {option} is not in the man page"
            );
        }
    }
}
