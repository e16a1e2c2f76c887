//! A key is told by the table of acts: no sentence elsewhere has its letter, so that a key that is moved is
//! moved in every sentence.

use std::path::{Path, PathBuf};

use stagegate::acts::{BINDINGS, name_keys};

use crate::sources;

/// A string constant: on which line it begins, and its text, of which escapes stay as they are written.
struct Literal {
    line: usize,
    text: String,
}

/// The string constants of a file of ours, its tests aside.
fn list_literals(source: &str) -> Vec<Literal> {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap();
    let letters: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1);
        match letter {
            '\n' => line += 1,
            '/' if next == Some(&'/') => {
                while letters.get(at + 1).is_some_and(|c| *c != '\n') {
                    at += 1;
                }
            }
            // A quote as a character.
            '\'' if letters.get(at + 2) == Some(&'\'') => at += 2,
            '\'' if next == Some(&'\\') => at += 3,
            '"' => {
                let raw = letters[..at].ends_with(&['r', '#']);
                let mut literal = Literal {
                    line,
                    text: String::new(),
                };
                at += 1;
                while let Some(&inside) = letters.get(at) {
                    let behind = letters.get(at + 1);
                    match inside {
                        '"' if !raw || behind == Some(&'#') => break,
                        // The line goes on in the next one.
                        '\\' if !raw && behind == Some(&'\n') => {
                            while letters.get(at + 1).is_some_and(|c| c.is_whitespace()) {
                                line += usize::from(letters[at + 1] == '\n');
                                at += 1;
                            }
                        }
                        '\\' if !raw => {
                            literal.text.extend([inside, *behind.unwrap()]);
                            at += 1;
                        }
                        _ => literal.text.push(inside),
                    }
                    line += usize::from(inside == '\n');
                    at += 1;
                }
                found.push(literal);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The key that a text names: a letter of its own that is bound and has words beside it, or stands alone
/// in a view; or the name of a key. The article `a` is none.
fn key_in(text: &str, keys: &[String], room: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let worded = |word: &&&str| word.len() > 1 && word.starts_with(char::is_alphabetic);
    let told = words.iter().any(|word| worded(&word));
    let mut unit = false;
    words.iter().enumerate().find_map(|(nth, whole)| {
        // What stands behind a number, or a value, is its unit.
        let was = std::mem::replace(
            &mut unit,
            whole.ends_with(|c: char| c.is_ascii_digit() || c == '}'),
        );
        let word = whole.trim_end_matches([',', ';', '.']);
        let word = match word.len() {
            1 => word,
            _ => word.trim_matches(|c| matches!(c, '(' | ')' | ':')),
        };
        // A sentence that goes on behind a colon.
        let goes_on = word == ":" && nth == 0;
        let key = keys
            .iter()
            .find(|key| *key == word && *key != "a" && !goes_on)?;
        let letter = key.chars().count() == 1;
        let alone = words.len() == 1 && key.chars().all(char::is_alphabetic);
        match letter {
            true => (told && !was) || (alone && room == "src/tui/view"),
            // Lines are ended by it.
            false => key != "Enter" || room != "src/headless",
        }
        .then(|| key.clone())
    })
}

/// Every key of the table by the name that a screen gives it, but for those that are words as well.
fn key_names() -> Vec<String> {
    let names = BINDINGS.iter().flat_map(|binding| binding.each_key());
    let words = ["Up", "Down", "Left", "Home", "End", "Delete"];
    names.filter(|key| !words.contains(&key.as_str())).collect()
}

/// The files that may say something to a person, tests aside: each with its text.
fn read_told() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let tests = |path: &Path| {
        let name = path.display().to_string();
        name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("exhaustive.rs")
    };
    // The table tells them.
    let table = |path: &Path| path.starts_with("src/acts") || path == Path::new("src/acts.rs");
    files.retain(|path| !table(path) && !tests(path));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn no_sentence_has_a_key_of_its_own() {
    let keys = key_names();
    let mut wrong = Vec::new();
    let mut all = 0;
    for (path, text) in read_told() {
        let mut rooms = ["src/tui/view", "src/headless"].into_iter();
        let room = rooms.find(|room| path.starts_with(room));
        let room = room.unwrap_or_default();
        for literal in list_literals(&text) {
            all += 1;
            // What a server or a shell reads has names of one letter in it; a second is s, and a URI has
            // marks of its own.
            let code = [
                "SELECT",
                "pg_catalog.",
                "ALTER ",
                "SET ",
                "DROP ",
                "\"$",
                "kill -",
            ];
            let other = ["ms, s, min", "%3A"];
            if code
                .iter()
                .chain(&other)
                .any(|of| literal.text.contains(of))
            {
                continue;
            }
            if let Some(key) = key_in(&literal.text, &keys, room) {
                let (path, line) = (path.display(), literal.line);
                wrong.push(format!("{path}:{line}: {key} in {:?}", literal.text));
            }
        }
    }
    assert!(all > 3000, "only {all} texts were found");
    assert!(
        wrong.is_empty(),
        "take it from the table:\n{}",
        wrong.join("\n")
    );
}

/// Of a wording that is kept before it is handed on nobody can tell here what its braces are; what stays
/// of them is on a screen, where a snapshot has it.
#[test]
fn each_act_that_a_sentence_names_is_in_the_table() {
    let mut named = 0;
    for (path, text) in read_told() {
        for call in text.split("key_of(\"").skip(1) {
            let act = call.split('"').next().unwrap();
            let key = name_keys(&format!("{{{act}}}"));
            assert!(!key.contains('{'), "{}: {act}", path.display());
            named += 1;
        }
        for call in text.split("name_keys(").skip(1) {
            let wording = list_literals(call).into_iter().next();
            let direct = call.trim_start().starts_with('"');
            if let Some(literal) = wording.filter(|_| direct) {
                let told = name_keys(&literal.text);
                assert!(!told.contains('{'), "{}: {told}", path.display());
                named += 1;
            }
        }
    }
    assert!(named > 30, "{named}");
}

#[test]
fn a_key_in_a_sentence_would_be_seen() {
    let source = "// \"; y says it\"\nlet c = '\"'; let x = \"; + extends it\";\n\
                  say(\"one \\\n  c runs it\", r#\"a \"q\" \"#);\n#[cfg(test)]\nmod tests { \"x y\" }";
    let literals = list_literals(source);
    let literals: Vec<(usize, &str)> = literals.iter().map(|l| (l.line, l.text.as_str())).collect();
    let expected = [(2, "; + extends it"), (3, "one c runs it"), (4, "a \"q\" ")];
    assert_eq!(literals, expected);
    let keys = key_names();
    for (text, room, key) in [
        ("; + extends it", "src", Some("+")),
        ("Find a line first: / goes to it", "src", Some("/")),
        ("undoes everything; asks for y", "src", Some("y")),
        ("read it (s opens it).", "src", Some("s")),
        ("c", "src/tui/view", Some("c")),
        ("c", "src", None),
        (" r  ", "src/tui/view", Some("r")),
        ("Esc closes it", "src/tui/view", Some("Esc")),
        ("then Enter", "src", Some("Enter")),
        ("then Enter", "src/headless", None),
        ("it took {} s", "src", None),
        ("a line", "src/tui/view", None),
        ("{cancel} stops it", "src/tui/view", None),
    ] {
        assert_eq!(key_in(text, &keys, room).as_deref(), key, "{text}");
    }
}
