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

pub use declared::{Constraint, ConstraintKind, DeclaredColumn, Expression, Generated, Index};
pub use deed::{Action, Deed, Facet, Sort};
pub use name::{Name, quoted};

use super::classify::is_parsable;
use super::lint;
use super::parsed::ParsedStatement;
use super::script::{Fate, Script, Statement};

/// What a script does to the structure of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Each object that is added, changed or dropped, in the order of the script.
    pub changes: Vec<Change>,
    /// The statements that may do more than can be read from them.
    pub unseen: Vec<OpaqueStatement>,
}

/// One object that a statement adds, changes or drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub statement: usize,
    /// The file it stands in, as an index into [`Script::sources`].
    pub source: usize,
    /// The line on which that statement begins, from 1.
    pub line: usize,
    /// Its section, as an index into [`Script::sections`].
    pub section: Option<usize>,
    /// It says IF EXISTS or IF NOT EXISTS.
    pub guarded: bool,
    pub deed: Deed,
}

/// A statement that may do more than can be read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaqueStatement {
    pub statement: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its section, as an index into [`Script::sections`].
    pub section: Option<usize>,
    pub kind: String,
    pub why: &'static str,
}

/// What `script` does to the structure, as far as its text says.
pub fn list_objects(script: &Script) -> Objects {
    let sent = |number: usize| {
        let statement = script.statement(number);
        statement.is_some_and(|statement| statement.fate == Fate::Sent)
    };
    // Where it was read as one, they come with its findings.
    script.findings();
    let read = || lint::objects_of(&script.statements);
    let Objects { changes, unseen } = script.objects.get_or_init(read);
    Objects {
        changes: changes
            .iter()
            .filter(|change| sent(change.statement))
            .cloned()
            .collect(),
        unseen: unseen
            .iter()
            .filter(|unseen| sent(unseen.statement))
            .cloned()
            .collect(),
    }
}

/// Those of `changes` that one statement makes; they stand in the order of the script.
pub fn changes_of(changes: &[Change], statement: usize) -> &[Change] {
    let from = changes.partition_point(|change| change.statement < statement);
    let rest = changes.get(from..).unwrap_or_default();
    let until = rest.partition_point(|change| change.statement == statement);
    rest.get(..until).unwrap_or_default()
}

pub(super) fn may_define(kind: &str) -> bool {
    let first = kind.split(' ').next().unwrap_or_default();
    matches!(first, "CREATE" | "ALTER" | "DROP" | "COMMENT") || kind == "SELECT INTO"
}

impl Objects {
    /// Takes down what one statement does; `root` is its parse, where it was parsed.
    pub(super) fn read(&mut self, statement: &Statement, parse: ParsedText<'_>) {
        let (deeds, why) = match parse {
            ParsedText::Not => (Vec::new(), tree::unseen(&statement.text, &statement.kind)),
            ParsedText::TooLarge => (Vec::new(), Some("it is too large or too deeply nested")),
            ParsedText::As(parsed) => tree::deeds(parsed, &statement.text, &statement.kind),
        };
        self.changes
            .extend(deeds.into_iter().map(|(guarded, deed)| Change {
                statement: statement.number,
                source: statement.source,
                line: statement.line,
                section: statement.section,
                guarded,
                deed,
            }));
        self.unseen.extend(why.map(|why| unseen(statement, why)));
    }

    /// What is known where the parser failed: nothing, of any statement.
    pub(super) fn unread(statements: &[Statement]) -> Objects {
        let unread = statements
            .iter()
            .map(|statement| unseen(statement, "the parser failed"));
        Objects {
            changes: Vec::new(),
            unseen: unread.collect(),
        }
    }
}

/// What was made of the text of a statement.
pub(super) enum ParsedText<'t> {
    /// Nothing: its kind defines nothing.
    Not,
    /// Nothing: the parser cannot take it.
    TooLarge,
    As(&'t ParsedStatement),
}

fn unseen(statement: &Statement, why: &'static str) -> OpaqueStatement {
    OpaqueStatement {
        statement: statement.number,
        line: statement.line,
        section: statement.section,
        kind: statement.kind.to_string(),
        why,
    }
}

/// Each `ALTER TABLE … ADD …` of `texts` as what it adds; `None` for what cannot be read. For the
/// definitions that a server gives, which are read as a script's are.
pub fn definitions(texts: &[String]) -> Vec<Option<Deed>> {
    lint::on_a_deep_stack(|| {
        let one = |text: &String| {
            if !is_parsable(text) {
                return None;
            }
            let (deeds, why) = tree::deeds(&ParsedStatement::of_text(text), text, "ALTER TABLE");
            let mut deeds = deeds.into_iter().map(|(_, deed)| deed);
            deeds.next().filter(|_| why.is_none())
        };
        texts.iter().map(one).collect()
    })
    .unwrap_or_else(|| texts.iter().map(|_| None).collect())
}

#[cfg(test)]
mod tests;
