//! What a script adds, changes and drops, read from its statements: tables, columns, indexes,
//! constraints and the rest.
//!
//! It reads text, so it says what is written and never what a server did with it. A block of
//! procedural code, and whatever it cannot read, is listed as not looked into: nothing is left out
//! silently. The parser recurses, so it runs on a thread with a stack of known size.

mod declared;
mod deed;
mod form;
mod name;
mod tree;

pub use declared::{Column, Constraint, ConstraintKind, Expression, Generated, Index};
pub use deed::{Action, Deed, Facet, Sort};
pub use name::{Name, quoted};

use super::classify::{PARSER_STACK, is_parsable};
use super::script::{Fate, Script};

/// What a script does to the structure of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Each object that is added, changed or dropped, in the order of the script.
    pub changes: Vec<Change>,
    /// The statements that may do more than can be read from them.
    pub unseen: Vec<Unseen>,
}

/// One object that a statement adds, changes or drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The number of the statement.
    pub statement: usize,
    /// The file it stands in, as an index into [`Script::sources`].
    pub source: usize,
    /// The line on which that statement begins, from 1.
    pub line: usize,
    /// Its section, as an index into [`Script::sections`].
    pub section: Option<usize>,
    /// It says IF EXISTS or IF NOT EXISTS.
    pub guarded: bool,
    /// What becomes of what.
    pub deed: Deed,
}

/// A statement that may do more than can be read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// Its number.
    pub statement: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its section, as an index into [`Script::sections`].
    pub section: Option<usize>,
    /// Its kind, such as `DO`.
    pub kind: String,
    /// Why it was not looked into.
    pub why: &'static str,
}

/// What `script` does to the structure, as far as its text says.
pub fn of(script: &Script) -> Objects {
    let sent = script
        .statements
        .iter()
        .filter(|statement| statement.fate == Fate::Sent);
    parsing(|| {
        let mut objects = Objects::default();
        for statement in sent {
            let (deeds, why) = if is_parsable(&statement.text) {
                tree::deeds(&statement.text, &statement.kind)
            } else {
                (Vec::new(), Some("it is too large or too deeply nested"))
            };
            objects
                .changes
                .extend(deeds.into_iter().map(|(guarded, deed)| Change {
                    statement: statement.number,
                    source: statement.source,
                    line: statement.line,
                    section: statement.section,
                    guarded,
                    deed,
                }));
            objects.unseen.extend(why.map(|why| Unseen {
                statement: statement.number,
                line: statement.line,
                section: statement.section,
                kind: statement.kind.clone(),
                why,
            }));
        }
        objects
    })
    .unwrap_or_else(|| Objects {
        changes: Vec::new(),
        unseen: script
            .sent()
            .map(|statement| Unseen {
                statement: statement.number,
                line: statement.line,
                section: statement.section,
                kind: statement.kind.clone(),
                why: "the parser failed",
            })
            .collect(),
    })
}

/// Each `ALTER TABLE … ADD …` of `texts` as what it adds; `None` for what cannot be read. For the
/// definitions that a server gives, which are read as a script's are.
pub fn definitions(texts: &[String]) -> Vec<Option<Deed>> {
    parsing(|| {
        let one = |text: &String| {
            if !is_parsable(text) {
                return None;
            }
            let (deeds, why) = tree::deeds(text, "ALTER TABLE");
            let mut deeds = deeds.into_iter().map(|(_, deed)| deed);
            deeds.next().filter(|_| why.is_none())
        };
        texts.iter().map(one).collect()
    })
    .unwrap_or_else(|| texts.iter().map(|_| None).collect())
}

/// Works on a thread with the parser's stack; `None` if that thread fails.
fn parsing<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("squawk".to_owned())
            .stack_size(PARSER_STACK)
            .spawn_scoped(scope, work);
        worker.ok().and_then(|worker| worker.join().ok())
    })
}

#[cfg(test)]
mod tests;
