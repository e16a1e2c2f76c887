//! The arrows of the house: who may know whom. And: the documents say what the program does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "shared/child.rs"]
mod child;

#[path = "house/circles.rs"]
mod circles;
#[path = "house/dependencies.rs"]
mod dependencies;
#[path = "shared/keyless.rs"]
mod keyless;
#[path = "house/keys.rs"]
mod keys;
#[path = "house/lengths.rs"]
mod lengths;
#[path = "house/names.rs"]
mod names;

#[path = "house/programs.rs"]
mod programs;
#[path = "house/wording.rs"]
mod wording;

use child::Finish;

/// Each module and the ones it may use. `crate::` paths to anything else are an arrow that points
/// the wrong way.
const ARROWS: &[(&str, &[&str])] = &[
    ("asking", &[]),
    ("runbook", &[]),
    ("facts", &["runbook"]),
    ("gate", &["facts", "runbook"]),
    ("acts", &["account", "facts", "gate", "runbook"]),
    ("account", &["facts", "gate", "runbook"]),
    ("database", &["asking", "facts", "gate", "runbook"]),
    ("journal", &["account", "facts", "gate", "runbook"]),
    (
        "tui",
        &["account", "acts", "asking", "facts", "gate", "runbook"],
    ),
    ("sandbox", &[]),
    (
        "rehearse",
        &[
            "account", "database", "facts", "gate", "inspect", "journal", "runbook", "sandbox",
        ],
    ),
    (
        "backup",
        &["facts", "gate", "runbook", "database", "sandbox"],
    ),
    (
        "walk",
        &[
            "account", "acts", "asking", "backup", "database", "facts", "gate", "journal",
            "rehearse", "runbook", "tui",
        ],
    ),
    (
        "inspect",
        &[
            "account", "acts", "asking", "database", "facts", "gate", "journal", "runbook", "tui",
        ],
    ),
    (
        "headless",
        &[
            "account", "acts", "asking", "facts", "gate", "runbook", "walk",
        ],
    ),
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

/// The modules of ours that a text names, one by one or as a `use` tree's branches.
fn named(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line))
        .collect();
    let code = code.join("\n");
    code.split("crate::")
        .skip(1)
        .flat_map(branches)
        .filter(|name| ARROWS.iter().any(|(module, _)| module == name))
        .collect()
}

/// The first names of what follows `crate::`: one, or that of each branch between braces.
fn branches(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(tree) = rest.trim_start().strip_prefix('{') else {
        return vec![name(rest)];
    };
    let mut names = vec![name(tree)];
    let mut depth = 0;
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&tree[at + 1..])),
            _ => {}
        }
    }
    names
}

/// Words of what a server may have been built without, or be without: libxml, LZ4, ICU, JIT, and
/// what comes with an extension.
const OPTIONAL: &[&str] = &[
    "query_to_xml",
    "table_to_xml",
    "cursor_to_xml",
    "schema_to_xml",
    "xmlelement",
    "xmlforest",
    "xmlagg",
    "xmlparse",
    "xmlserialize",
    "xmltable",
    "xpath",
    "::xml",
    "compression lz4",
    "-x-icu",
    "provider = icu",
    "unicode_version",
    "pg_jit_available",
    "uuid_generate",
    "gen_salt",
    "digest(",
    "dblink",
    "plpython",
    "plperl",
    "pg_stat_statements",
    "hstore",
];

/// The first of those words in a text.
fn optional_part(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    OPTIONAL.iter().copied().find(|word| text.contains(word))
}

#[test]
fn no_sql_of_ours_needs_an_optional_part_of_the_server() {
    fn files(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, ending, into);
            } else if path.extension().is_some_and(|own| own == ending) {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    files(&root.join("sql"), "sql", &mut texts);
    assert!(texts.len() > 8, "{texts:?}");
    // Statements of the program's own stand in string constants.
    for folder in ["database", "inspect", "cli", "backup"] {
        files(&root.join("src").join(folder), "rs", &mut texts);
    }
    let mut wrong = Vec::new();
    for path in texts {
        let text = std::fs::read_to_string(&path).unwrap();
        let is_sql = path.extension().is_some_and(|own| own == "sql");
        for (number, line) in text.lines().enumerate() {
            // A function of Rust is none of the server's.
            let sent = is_sql || line.contains("pg_catalog.");
            if let Some(word) = optional_part(line).filter(|_| sent) {
                wrong.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn an_optional_part_of_the_server_would_be_seen() {
    assert_eq!(
        optional_part("SELECT query_to_xml('SELECT 1', false, false, '')"),
        Some("query_to_xml")
    );
    assert_eq!(optional_part("SELECT word FROM ts_stat('SELECT 1')"), None);
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
                if name != *module && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} uses {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_arrow_that_points_back_would_be_seen() {
    for (text, expected) in [
        (
            "use crate::database::session;\n// use crate::tui;\nlet x = crate::gate::plan::ARMING;",
            &["database", "gate"][..],
        ),
        ("use crate::{tui::screen::Screen, gate};", &["gate", "tui"]),
        (
            "use crate::{\n    gate::{Machine, event::{Body, Event}},\n    // journal,\n    walk::engine,\n};",
            &["gate", "walk"],
        ),
        (
            "pub(crate) use crate::{runbook as r, tui::{self}};",
            &["runbook", "tui"],
        ),
        ("use crate::lines::gate;", &[]),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(named(text), expected, "{text}");
    }
}

fn stagegate(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stagegate"))
        .args(arguments)
        .finish("stagegate");
    String::from_utf8(output.stdout).unwrap()
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The pages whose tables name what the program has: the headings of the instructions, the stages, the
/// commands.
fn tables() -> String {
    page("assets/built-in.md") + &page("assets/walk.md") + &page("assets/commands.md")
}

#[test]
fn the_page_of_keys_has_the_key_table_of_the_program() {
    assert!(
        page("assets/keys.md").contains(stagegate(&["keys"]).trim()),
        "put the output of `stagegate keys` into assets/keys.md"
    );
}

#[test]
fn the_pages_name_every_command_and_the_man_page_every_option() {
    let help = stagegate(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        // What is set farther in goes on with a description.
        .filter_map(|line| {
            line.strip_prefix("  ")
                .filter(|rest| !rest.starts_with(' '))
        })
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help" && name.chars().all(char::is_alphabetic))
        .collect();
    assert!(commands.len() >= 6, "{help}");
    let tables = tables();
    let man = stagegate(&["man"]).replace("\\-", "-");
    for command in commands {
        assert!(
            tables.contains(&format!("`stagegate {command}")),
            "assets/commands.md does not name stagegate {command}"
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

/// The rows of the table whose head begins with `head`.
fn rows<'a>(pages: &'a str, head: &str) -> Vec<&'a str> {
    pages
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect()
}

/// What a text has in back-quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn each_command_option_and_key_that_the_tables_name_is_there() {
    let tables = tables();
    let keys = stagegate(&["keys"]);
    let keys: BTreeSet<&str> = keys
        .lines()
        .filter_map(|line| line.split(" | ").nth(1))
        .flat_map(quoted)
        .collect();
    let help: Vec<(String, String)> = stagegate(&["--help"])
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|word| word.len() > 2 && word.chars().all(char::is_alphabetic))
        .filter(|word| *word != "help")
        .map(|word| (word.to_owned(), stagegate(&[word, "--help"])))
        .collect();
    let mut wrong = Vec::new();
    let mut named = 0;
    for head in ["| heading ", "| stage ", "| command "] {
        for row in rows(&tables, head) {
            for said in quoted(row) {
                named += 1;
                let words: Vec<&str> = said.split_whitespace().collect();
                let right = match words.as_slice() {
                    ["stagegate", command, rest @ ..] => help
                        .iter()
                        .find(|(name, _)| name == command)
                        .is_some_and(|(_, help)| {
                            rest.iter()
                                .filter(|word| word.starts_with('-'))
                                .all(|option| help.contains(option))
                        }),
                    [option, ..] if option.starts_with('-') => {
                        help.iter().any(|(_, help)| help.contains(option))
                    }
                    // A command's name alone, or a program that is not ours.
                    [word] => {
                        keys.contains(word)
                            || *word == "pg_dump"
                            || help.iter().any(|(name, _)| name == word)
                    }
                    _ => false,
                };
                if !right {
                    wrong.push(format!("{said} in {row}"));
                }
            }
        }
    }
    assert!(named >= 50, "{named}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_heading_of_the_instructions_has_its_row() {
    let tables = tables();
    let rows = rows(&tables, "| heading ").join("\n");
    for heading in [
        "Overview |",
        "Pre-Migration Checklist: backup",
        "Pre-Migration Checklist: review the script",
        "Pre-Migration Checklist: database connection",
        "Pre-Migration Checklist: table structures",
        "Pre-Migration Checklist: plan the rollback",
        "How to Run, option 1",
        "How to Run, option 2",
        "What This Migration Does",
        "Verification: the eight checks",
        "Verification, 1: DO NOT COMMIT",
        "Verification, 2: investigate",
        "Verification, 3: check error logs",
        "Verification, 4: rollback if needed",
        "Rollback Procedure: 013, 012, 011",
        "Post-Migration Verification",
        "Impact Assessment",
        "Support: error logs",
        "Support: contact the development team",
    ] {
        assert!(rows.contains(&format!("| {heading}")), "{heading}");
    }
}

#[test]
fn each_link_of_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for page in [
        "README.md",
        "assets/built-in.md",
        "assets/commands.md",
        "assets/connecting.md",
        "assets/limits.md",
        "assets/promises.md",
        "assets/proof.md",
        "assets/runbook.md",
        "assets/unheld.md",
        "assets/walk.md",
    ] {
        let path = root.join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1) {
            let (link, _) = link.split_once(')').unwrap();
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            assert!(target.is_file(), "{page}: {link}");
            links += 1;
            if !place.is_empty() {
                let text = std::fs::read_to_string(target).unwrap();
                let found = text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(|line| line.trim_start_matches('#').trim().to_lowercase())
                    .any(|title| {
                        let title: String = title
                            .chars()
                            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                            .collect();
                        title.replace(' ', "-") == place
                    });
                assert!(found, "{page}: {link}");
            }
        }
    }
    assert!(links >= 15, "{links}");
}
