//! Names are used once: who looks for a type finds one, and who reads a function's name away from its
//! file knows what it is about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::sources;

/// Words that say nothing without the file around them.
const BARE: &[&str] = &[
    "of", "read", "lines", "text", "parse", "find", "run", "all", "write",
];

/// What is defined in a text: the types, and the functions outside of any `impl` or `trait`. Both are
/// told from what belongs to a type by their distance from the left, which is rustfmt's.
#[derive(Default)]
struct Defined {
    types: Vec<String>,
    functions: Vec<String>,
}

fn list_definitions(text: &str) -> Defined {
    let mut defined = Defined::default();
    // How far a definition stands from the left that belongs to the file, or to a module inside it.
    let mut own = 0;
    for line in text.lines() {
        let distance = line.len() - line.trim_start().len();
        if own > 0 && distance == own - 4 && line.trim_start() == "}" {
            own -= 4;
        }
        let mut words = after_visibility(line.trim_start())
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .skip_while(|word| matches!(*word, "const" | "async"));
        let (Some(kind), Some(name)) = (words.next(), words.next()) else {
            continue;
        };
        match kind {
            "struct" | "enum" | "trait" => defined.types.push(name.to_owned()),
            "type" if distance == own => defined.types.push(name.to_owned()),
            "fn" if distance == own => defined.functions.push(name.to_owned()),
            "mod" if distance == own && line.trim_end().ends_with('{') => own += 4,
            _ => {}
        }
    }
    defined
}

/// A line without its `pub`, and without what that is in parentheses.
fn after_visibility(line: &str) -> &str {
    match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ").map_or(rest, |(_, rest)| rest),
        Some(rest) => rest.trim_start(),
        None => line,
    }
}

fn read_definitions() -> Vec<(PathBuf, Defined)> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    assert!(!files.is_empty(), "no file in src");
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        (file, list_definitions(&text))
    };
    files.into_iter().map(read).collect()
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, defined) in read_definitions() {
        for name in defined.types {
            let at = file.display().to_string();
            found.entry(name).or_default().push(at);
        }
    }
    assert!(found.len() > 300, "only {} types were found", found.len());
    found.retain(|_, files| files.len() > 1);
    assert!(found.is_empty(), "defined more than once: {found:#?}");
}

#[test]
fn a_function_says_what_it_does_to_what() {
    let mut found = Vec::new();
    let mut all = 0;
    for (file, defined) in read_definitions() {
        all += defined.functions.len();
        for name in defined.functions {
            if BARE.contains(&name.as_str()) {
                found.push(format!("{}: fn {name}", file.display()));
            }
        }
    }
    assert!(all > 1000, "only {all} functions were found");
    assert!(found.is_empty(), "a verb alone: {found:#?}");
}

#[test]
fn a_definition_is_told_from_what_belongs_to_a_type() {
    let text = "\
pub(in crate::gate) struct One(u8);
pub(super) enum Two {
    Three,
}
/// struct Comment
impl Deref for One {
    type Target = str;
    fn read() {}
}
type Four = u8;
pub const fn five() {}
pub(in crate::gate) async fn six() {}
mod tests {
    fn seven() {
        struct Eight;
    }
}
impl Two {
    fn of() {}
}
";
    let defined = list_definitions(text);
    assert_eq!(defined.types, ["One", "Two", "Four", "Eight"]);
    assert_eq!(defined.functions, ["five", "six", "seven"]);
}
