//! One statement's tree as what it adds, changes and drops.
//!
//! Each statement of the kinds that define something gives its deeds, in the order in which it says
//! them. Where that may not be all, the reason is given beside them: nothing is left out silently.

mod column;
mod constraint;
mod expression;
mod index;
mod node;
mod table;

use super::form::shown;
use super::name::Name;
use super::{Action, Deed, Sort};
use crate::runbook::parsed::ParsedStatement;
use SyntaxKind as Kind;
use index::index;
use node::{guarded, has, name, relation, segments};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use table::{alter_table, create_table};

/// A deed, and whether it says IF [NOT] EXISTS.
type Guarded = (bool, Deed);

/// Why a statement may do more than can be read from it, by its kind.
pub(super) fn unseen(text: &str, kind: &str) -> Option<&'static str> {
    match kind.split(' ').next().unwrap_or_default() {
        "DO" => Some("a block of code, which may do anything"),
        "CALL" | "EXECUTE" => Some("what it calls may do anything"),
        "UNKNOWN" => Some("its kind is not known"),
        _ => match kind {
            "CREATE EXTENSION" | "ALTER EXTENSION" | "IMPORT FOREIGN SCHEMA" | "DROP OWNED" => {
                Some("the objects that come or go with it are not named")
            }
            "CREATE SCHEMA" if text.to_ascii_uppercase().contains("CREATE TABLE") => {
                Some("the objects in it are not looked into")
            }
            _ => None,
        },
    }
}

/// What the text of one statement does, and why that may not be all.
pub(super) fn deeds(
    parsed: &ParsedStatement,
    text: &str,
    kind: &str,
) -> (Vec<Guarded>, Option<&'static str>) {
    let why = unseen(text, kind);
    let defines = matches!(
        kind.split(' ').next().unwrap_or_default(),
        "CREATE" | "ALTER" | "DROP" | "COMMENT"
    );
    if defines && parsed.error.is_some() {
        return (Vec::new(), why.or(Some("its text could not be parsed")));
    }
    let mut deeds = Vec::new();
    let mut cascades = false;
    for statement in &parsed.parts {
        cascades |= kind.starts_with("DROP") && has(statement, Kind::CASCADE);
        of_statement(statement, kind, &mut deeds);
    }
    let why = why.or(cascades.then_some("CASCADE drops what depends on it too"));
    (deeds, why)
}

fn of_statement(statement: &SyntaxNode, kind: &str, deeds: &mut Vec<Guarded>) {
    let guard = guarded(statement);
    match statement.kind() {
        Kind::CREATE_TABLE => create_table(statement, deeds),
        Kind::CREATE_TABLE_AS => {
            let table = relation(statement).map(Deed::AddTable);
            deeds.extend(table.map(|deed| (guard, deed)));
        }
        Kind::ALTER_TABLE => {
            if let Some(table) = relation(statement) {
                for action in statement.children() {
                    alter_table(&table, &action, deeds);
                }
            }
        }
        Kind::CREATE_INDEX => {
            let index = index(statement).map(Deed::AddIndex);
            deeds.extend(index.map(|deed| (guard, deed)));
        }
        Kind::DROP_TABLE => dropped(statement, Kind::TABLE_NAME_REF, Sort::Table, deeds),
        Kind::DROP_INDEX => dropped(statement, Kind::INDEX_REF, Sort::Index, deeds),
        Kind::DROP_SEQUENCE => dropped(statement, Kind::SEQUENCE_REF, Sort::Sequence, deeds),
        Kind::COMMENT_ON => {
            let object = statement.children().next();
            let table = object
                .as_ref()
                .filter(|object| object.kind() == Kind::OBJECT_TABLE)
                .and_then(name);
            let column = object
                .as_ref()
                .filter(|object| object.kind() == Kind::OBJECT_COLUMN)
                .and_then(|object| {
                    let mut parts = segments(object);
                    parts.pop();
                    Name::of(parts)
                });
            let deed = Deed::Add {
                sort: Sort::Comment,
                name: object.map_or_else(String::new, |object| format!("on {}", shown(&object))),
                table: table.or(column),
            };
            deeds.push((false, deed));
        }
        _ => other(statement, kind, guard, deeds),
    }
}

/// What has no reading of its own: by the words of its kind.
fn other(statement: &SyntaxNode, kind: &str, guard: bool, deeds: &mut Vec<Guarded>) {
    let Some((verb, object)) = kind.split_once(' ') else {
        return;
    };
    let sort = match object {
        "SEQUENCE" => Sort::Sequence,
        "TABLE" => Sort::Table,
        "INDEX" => Sort::Index,
        object => Sort::Other(object.to_ascii_lowercase()),
    };
    let behind = shown(statement);
    let called = statement
        .children()
        .find(|node| {
            !matches!(
                node.kind(),
                Kind::IF_EXISTS | Kind::IF_NOT_EXISTS | Kind::OR_REPLACE
            )
        })
        .map_or_else(String::new, |node| shown(&node));
    let table = match object {
        "TRIGGER" | "POLICY" | "RULE" => relation(statement).or_else(|| {
            let mut inner = statement.descendants();
            let table = inner
                .find(|node| matches!(node.kind(), Kind::TABLE_NAME_REF | Kind::RELATION_NAME_REF));
            name(&table?)
        }),
        _ => None,
    };
    let deed = match (verb, kind) {
        (_, "ALTER DEFAULT PRIVILEGES" | "ALTER SYSTEM" | "ALTER DATABASE" | "ALTER ROLE") => {
            return;
        }
        ("SELECT", "SELECT INTO") => {
            let into = statement
                .descendants()
                .find(|node| node.kind() == Kind::INTO_CLAUSE);
            match into.as_ref().and_then(name) {
                Some(table) => Deed::AddTable(table),
                None => return,
            }
        }
        ("CREATE", _) => Deed::Add {
            sort,
            name: called,
            table,
        },
        ("ALTER", _) => Deed::Alter {
            sort,
            name: called,
            table,
            how: behind,
            action: Action::None,
        },
        ("DROP", _) => match Name::parse(&called) {
            Some(name) => Deed::Drop { sort, name, table },
            None => return,
        },
        _ => return,
    };
    deeds.push((guard, deed));
}

fn dropped(statement: &SyntaxNode, each: Kind, sort: Sort, deeds: &mut Vec<Guarded>) {
    let guard = guarded(statement);
    let named = statement.children().filter(|node| node.kind() == each);
    deeds.extend(named.filter_map(|node| name(&node)).map(|name| {
        let table = (sort == Sort::Table).then(|| name.clone());
        let sort = sort.clone();
        (guard, Deed::Drop { sort, name, table })
    }));
}
