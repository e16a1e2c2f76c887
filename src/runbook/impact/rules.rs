//! Which lock a statement takes and which rows it reads, by PostgreSQL's manual.
//!
//! Locks: section 13.3.1 "Table-Level Locks", and the pages ALTER TABLE ("An ACCESS EXCLUSIVE lock is
//! acquired unless explicitly noted"), CREATE INDEX, CREATE TRIGGER, COMMENT. Scans and rewrites: the
//! notes of ALTER TABLE. That REFERENCES on a column that is added without a default reads nothing
//! was tried on servers; the manual does not say so.

use super::{Scan, looking};
use crate::runbook::lock::LockMode;
use crate::runbook::objects::{
    self, Action, Change, ConstraintKind, DeclaredColumn, Deed, Facet, Generated, Name, Sort,
};
use crate::runbook::script::{Script, Statement};
use crate::runbook::text::CommonText;
use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum On {
    Table(Name),
    /// The table of this index, which a DROP INDEX does not name.
    TableOf(Name),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TakenLock {
    pub(super) statement: usize,
    pub(super) on: On,
    pub(super) mode: LockMode,
}

/// Hands over every lock that matters to others, in the order of the script: a long script has many.
pub(super) fn each_lock(script: &Script, changes: &[Change], mut taken: impl FnMut(TakenLock)) {
    let mut names: HashMap<&CommonText, Option<Name>> = HashMap::new();
    for statement in script.sent() {
        let mut take = |on, mode| {
            taken(TakenLock {
                statement: statement.number,
                on,
                mode,
            });
        };
        for change in objects::changes_of(changes, statement.number) {
            of_deed(&change.deed, &mut take);
        }
        if let Some(mode) = of_rows(statement)
            && let Some(relation) = statement.relation()
        {
            let name = names.entry(relation);
            let name = name.or_insert_with(|| Name::parse(relation)).as_ref();
            if let Some(name) = name {
                take(On::Table(name.clone()), mode);
            }
        }
    }
}

fn of_deed(deed: &Deed, take: &mut impl FnMut(On, LockMode)) {
    use LockMode::{AccessExclusive, Share, ShareRowExclusive, ShareUpdateExclusive};
    let mut on = |table: &Name, mode| take(On::Table(table.clone()), mode);
    match deed {
        Deed::AddTable(_) => {}
        Deed::AddColumn(column) => {
            if !column.with_table {
                on(&column.table, AccessExclusive);
            }
        }
        Deed::AddIndex(index) => on(&index.table, Share),
        Deed::AddConstraint(constraint) => {
            let foreign = constraint.kind == ConstraintKind::Foreign;
            if !constraint.with_table && !constraint.with_column {
                let mode = if foreign {
                    ShareRowExclusive
                } else {
                    AccessExclusive
                };
                on(&constraint.table, mode);
            }
            // The triggers that guard a foreign key are made on both tables.
            if let Some((target, _)) = &constraint.references {
                on(target, ShareRowExclusive);
            }
        }
        Deed::Add { sort, table, .. } => {
            let Some(table) = table else { return };
            match sort {
                Sort::Comment => on(table, ShareUpdateExclusive),
                Sort::Other(word) if word == "trigger" => on(table, ShareRowExclusive),
                Sort::Other(word) if word == "policy" || word == "rule" => {
                    on(table, AccessExclusive);
                }
                _ => {}
            }
        }
        Deed::AlterColumn { table, facet, .. } => match facet {
            Facet::Other(words)
                if words.to_ascii_uppercase().starts_with("SET STATISTICS")
                    || words.to_ascii_uppercase().starts_with("SET (")
                    || words.to_ascii_uppercase().starts_with("RESET (") =>
            {
                on(table, ShareUpdateExclusive);
            }
            Facet::Kind(_)
            | Facet::Default(_)
            | Facet::NotNull(_)
            | Facet::Name(_)
            | Facet::Other(_) => on(table, AccessExclusive),
        },
        Deed::Alter { table, action, .. } => {
            let Some(table) = table else { return };
            on(
                table,
                match action {
                    Action::Validate | Action::Parameters | Action::Attach => ShareUpdateExclusive,
                    Action::Trigger => ShareRowExclusive,
                    Action::Rewrite | Action::Other | Action::None => AccessExclusive,
                },
            );
        }
        Deed::Drop { sort, name, table } => match (sort, table) {
            (Sort::Index, _) => take(On::TableOf(name.clone()), AccessExclusive),
            (_, Some(table)) => on(table, AccessExclusive),
            (_, None) => {}
        },
    }
}

/// The lock of a statement about rows, or of one that has no deed, on the relation that it is about.
fn of_rows(statement: &Statement) -> Option<LockMode> {
    use LockMode::{AccessExclusive, Exclusive, RowExclusive, Share, ShareUpdateExclusive};
    let upper = || statement.text.to_ascii_uppercase();
    let concurrently = || upper().contains("CONCURRENTLY");
    Some(match statement.kind.as_str() {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" => RowExclusive,
        "COPY" if statement.copy_data().is_some() || upper().contains(" FROM ") => RowExclusive,
        "TRUNCATE TABLE" | "CLUSTER" => AccessExclusive,
        "REFRESH MATERIALIZED VIEW" if concurrently() => Exclusive,
        "REFRESH MATERIALIZED VIEW" => AccessExclusive,
        "REINDEX" => Share,
        "ANALYZE" => ShareUpdateExclusive,
        "LOCK TABLE" => {
            let text = upper();
            let words: Vec<&str> = text.split_whitespace().collect();
            let words = words.join(" ");
            // Without a mode it is the strongest.
            let named = |mode: &LockMode| words.contains(&format!(" IN {} MODE", mode.name()));
            let mut modes = LockMode::ALL.into_iter();
            modes.find(named).unwrap_or(AccessExclusive)
        }
        _ => return None,
    })
}

/// The statements that read or write whole tables, in the order of the script.
pub(super) fn scans(script: &Script, changes: &[Change]) -> Vec<Scan> {
    let mut scans = Vec::new();
    for statement in script.sent() {
        let mut column: Option<&DeclaredColumn> = None;
        for change in objects::changes_of(changes, statement.number) {
            if let Deed::AddColumn(added) = &change.deed {
                column = Some(added);
            }
            let found = scan(&change.deed, column);
            if let (Some((rewrites, what)), Some(table)) = (found, change.deed.table()) {
                scans.push(Scan {
                    statement: statement.number,
                    line: statement.line,
                    table: table.clone(),
                    rewrites,
                    guarded: change.guarded,
                    what,
                });
            }
        }
        scans.extend(
            looking::read_whole(statement)
                .into_iter()
                .map(|table| Scan {
                    statement: statement.number,
                    line: statement.line,
                    table,
                    rewrites: false,
                    guarded: false,
                    what: "SELECT without a condition: each row is read, with the locks held"
                        .to_owned(),
                }),
        );
        let (rewrites, what) = match statement.kind.as_str() {
            "UPDATE" | "DELETE" | "MERGE" => (false, "seeks the rows that it changes"),
            "CLUSTER" => (true, "writes each row anew, in the order of an index"),
            "REINDEX" => (false, "reads each row and builds indexes"),
            _ => continue,
        };
        let relation = statement.relation().and_then(|name| Name::parse(name));
        scans.extend(relation.map(|table| Scan {
            statement: statement.number,
            line: statement.line,
            table,
            rewrites,
            guarded: false,
            what: what.to_owned(),
        }));
    }
    scans
}

/// Whether a deed reads (`false`) or writes (`true`) every row; `column` is the one that was added
/// last by the same statement.
fn scan(deed: &Deed, column: Option<&DeclaredColumn>) -> Option<(bool, String)> {
    let words = deed.words();
    let reads = |what: &str| Some((false, format!("{words}: {what}")));
    let rewrites = |what: &str| Some((true, format!("{words}: {what}")));
    match deed {
        Deed::AddColumn(column) if column.with_table => None,
        Deed::AddColumn(column) => match (column.generated, &column.default) {
            (Generated::Identity | Generated::Serial, _) => {
                rewrites("each row gets its number, so each is written anew")
            }
            (Generated::Stored, _) => rewrites("each row gets its value, so each is written anew"),
            (_, Some(default)) if default.volatile => rewrites(
                "the default calls a function; if it is volatile, each row is written anew",
            ),
            (Generated::No, None) if column.not_null => {
                reads("NOT NULL without a default: each row is read, and none may be there")
            }
            (Generated::No | Generated::Virtual, _) => None,
        },
        Deed::AddIndex(_) => reads("each row is read, the index is built"),
        Deed::AddConstraint(constraint) if constraint.with_table => None,
        Deed::AddConstraint(constraint) => match constraint.kind {
            _ if constraint.not_valid => None,
            ConstraintKind::Foreign => {
                // A new column without a default holds nothing that could lead nowhere.
                let empty =
                    constraint.with_column && column.is_some_and(|column| column.default.is_none());
                if empty {
                    None
                } else {
                    reads("each row is held against the table that it refers to")
                }
            }
            ConstraintKind::Check => reads("each row is checked"),
            ConstraintKind::Primary | ConstraintKind::Unique if constraint.using_index => None,
            ConstraintKind::Primary | ConstraintKind::Unique | ConstraintKind::Exclude => {
                reads("each row is read, its index is built")
            }
        },
        Deed::AlterColumn { facet, .. } => match facet {
            Facet::Kind(kind) => rewrites(&format!(
                "to type {kind}; unless the old one is stored alike, each row is written anew and \
                 each index on it built again"
            )),
            Facet::NotNull(true) => {
                reads("SET NOT NULL: each row is read, unless a valid CHECK proves it")
            }
            Facet::Other(words) if words.to_ascii_uppercase().contains("GENERATED") => None,
            Facet::Default(_) | Facet::NotNull(false) | Facet::Name(_) | Facet::Other(_) => None,
        },
        Deed::Alter { action, .. } => match action {
            Action::Validate => reads("each row is checked"),
            Action::Attach => reads("each row of the partition is checked"),
            Action::Rewrite => rewrites("each row is written anew"),
            Action::Parameters | Action::Trigger | Action::Other | Action::None => None,
        },
        Deed::AddTable(_) | Deed::Add { .. } | Deed::Drop { .. } => None,
    }
}
