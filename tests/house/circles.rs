//! Within a room no two modules need each other, not even by way of a third: each can be read, and moved,
//! with what it stands on and without what stands on it.
//!
//! Looked at are the modules of one folder, each with what lies below it. What a module has from the one
//! that it lies in is no circle, and neither is a method that is called where its type is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::sources;

/// Circles that stay, by the folder and its modules, and why.
const EXCEPTIONS: &[(&str, &[&str], &str)] = &[
    (
        "database",
        &[
            "admission",
            "client",
            "connect",
            "doorkeeper",
            "link",
            "others",
            "pinned",
            "sentry",
            "session",
            "settings",
            "stream",
            "tables",
            "target",
            "tls",
        ],
        "the way to a server: what is reached (target, link) says what it was reached by (settings, \
         stream, tls), and settings carry the desk of whoever types a password",
    ),
    (
        "runbook",
        &[
            "classify",
            "lasting",
            "lexer",
            "lint",
            "linting",
            "meta",
            "objects",
            "scanner",
            "script",
            "substitution",
            "variables",
        ],
        "one reading of a script in one pass: a lexeme knows what was put in place of a variable, and a \
         variable's value is read by the same lexer",
    ),
];

/// The path of a module, without the crate: `tui/screen.rs` is `[tui, screen]`.
fn path_of(file: &Path) -> Vec<String> {
    file.with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect()
}

/// The code of a file that is no test's, without comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = text.lines();
    let lines = lines.map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<&str>>().join("\n")
}

/// Every path that a `use` tree names: `a::{b, c::{d}}` is `a::b` and `a::c::d`.
fn flatten(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![path.trim().to_owned()];
    };
    let mut depth = 1;
    let mut from = 0;
    let mut all = Vec::new();
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            let branches = flatten(&rest[from..at]).into_iter();
            all.extend(branches.map(|branch| format!("{}{branch}", head.trim())));
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    all
}

/// Every path in a text that begins with a module: of `use` and of the code.
fn paths(code: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = String::new();
    for (number, part) in code.split("use ").enumerate() {
        let begins = number > 0
            && rest
                .chars()
                .next_back()
                .is_none_or(|before| before.is_whitespace() || before == ')');
        match part.split_once(';').filter(|_| begins) {
            Some((tree, after)) => {
                all.extend(flatten(tree));
                rest.push_str(after);
            }
            None => rest.push_str(part),
        }
    }
    let words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let named = words.filter(|word| word.contains("::"));
    all.extend(named.map(str::to_owned));
    all
}

/// The module that a path leads to from `here`, as far as it leads to one of `all`.
fn resolve(here: &[String], path: &str, all: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut parts: Vec<String> = path
        .split("::")
        .map(|part| part.trim().to_owned())
        .collect();
    let mut whole = match parts.first()?.as_str() {
        "crate" => Vec::new(),
        "super" => {
            let ups = parts.iter().take_while(|part| *part == "super").count();
            parts.drain(1..ups);
            here[..here.len().checked_sub(ups)?].to_vec()
        }
        "self" => here.to_vec(),
        first => {
            let mut inside = here.to_vec();
            inside.push(first.to_owned());
            all.contains(&inside).then_some(())?;
            parts.insert(0, String::new());
            here.to_vec()
        }
    };
    whole.extend(parts.drain(1..));
    while !whole.is_empty() && !all.contains(&whole) {
        whole.pop();
    }
    (!whole.is_empty()).then_some(whole)
}

type Needs = BTreeMap<String, BTreeSet<String>>;

/// For each folder, which of its modules needs which other.
fn read_needs(files: &[(Vec<String>, String)]) -> BTreeMap<String, Needs> {
    let all: BTreeSet<Vec<String>> = files.iter().map(|(path, _)| path.clone()).collect();
    let mut folders: BTreeMap<String, Needs> = BTreeMap::new();
    for (here, code) in files {
        for path in paths(code) {
            let Some(there) = resolve(here, &path, &all) else {
                continue;
            };
            let common = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
            // At the top the arrows of the rooms say more.
            let (Some(one), Some(other), true) = (here.get(common), there.get(common), common > 0)
            else {
                continue;
            };
            let folder = folders.entry(here[..common].join("/")).or_default();
            folder.entry(one.clone()).or_default().insert(other.clone());
        }
    }
    folders
}

/// Everything that `from` needs, by whatever way.
fn reach<'a>(from: &str, needs: &'a Needs) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut ahead: Vec<&str> = needs
        .get(from)
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    while let Some(one) = ahead.pop() {
        if found.insert(one) {
            ahead.extend(needs.get(one).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// The circles of a folder, each as its modules.
fn circles(needs: &Needs) -> BTreeSet<Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = needs
        .keys()
        .map(|module| (module.as_str(), reach(module, needs)))
        .collect();
    let in_one = reached
        .iter()
        .filter(|(module, all)| all.contains(**module));
    in_one
        .map(|(module, all)| {
            let back = |other: &&str| reached.get(other).is_some_and(|all| all.contains(module));
            all.iter().copied().filter(back).collect()
        })
        .collect()
}

#[test]
fn no_two_modules_of_a_room_need_each_other() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let texts: Vec<(Vec<String>, String)> = files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            (path_of(file.strip_prefix("src").unwrap()), text)
        })
        .collect();
    // Whole files of tests, as the module that they lie in names them.
    let tests: BTreeSet<Vec<String>> = texts
        .iter()
        .flat_map(|(path, text)| {
            let named = text.split("#[cfg(test)]\nmod ").skip(1);
            named.filter_map(move |rest| {
                let name = rest.split_once(';')?.0;
                name.chars()
                    .all(|c| c.is_alphanumeric() || c == '_')
                    .then(|| {
                        let mut path = path.clone();
                        path.push(name.to_owned());
                        path
                    })
            })
        })
        .collect();
    let files: Vec<(Vec<String>, String)> = texts
        .into_iter()
        .filter(|(path, _)| !tests.iter().any(|test| path.starts_with(test)))
        .map(|(path, text)| (path, code(&text)))
        .collect();
    let needs = read_needs(&files);
    let arrows: usize = needs
        .values()
        .flat_map(Needs::values)
        .map(BTreeSet::len)
        .sum();
    assert!(arrows > 500, "only {arrows} arrows were found");
    let mut wrong = Vec::new();
    let mut met = BTreeSet::new();
    for (folder, needs) in &needs {
        for circle in circles(needs) {
            let known = EXCEPTIONS.iter().position(|(place, modules, _)| {
                place == folder && circle.iter().all(|module| modules.contains(module))
            });
            match known {
                Some(known) => {
                    met.insert((known, circle.len()));
                }
                None => wrong.push(format!("{folder}: {}", circle.join(", "))),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "modules that need each other");
    let whole: BTreeSet<(usize, usize)> = EXCEPTIONS
        .iter()
        .enumerate()
        .map(|(at, (_, modules, _))| (at, modules.len()))
        .collect();
    assert_eq!(met, whole, "an exception that is smaller by now, or none");
}

#[test]
fn a_circle_would_be_seen() {
    let file = |path: &str, text: &str| (path_of(Path::new(path)), code(text));
    let files = [
        file("room.rs", "mod a; mod b; mod c;"),
        file(
            "room/a.rs",
            "use super::{b::B, c};\n// use super::a;\nfn f() { c::g() }",
        ),
        file(
            "room/b.rs",
            "use crate::room::c::{\n    C,\n    D as E,\n};",
        ),
        file("room/c.rs", "mod inner; fn reuse_it() {}"),
        file(
            "room/c/inner.rs",
            "pub(super) use super::super::a::A;\n#[cfg(test)]\nmod tests {}",
        ),
        file("room/d.rs", "use super::Room; fn f() { super::a::go() }"),
    ];
    let needs = read_needs(&files);
    assert_eq!(
        circles(&needs["room"]),
        BTreeSet::from([vec!["a", "b", "c"]])
    );
    let open = [
        file("room.rs", ""),
        file("room/a.rs", "use super::b::B;"),
        file(
            "room/b.rs",
            "use super::Room;\n#[cfg(test)]\nmod tests { use super::super::a; }",
        ),
    ];
    assert_eq!(circles(&read_needs(&open)["room"]), BTreeSet::new());
}
