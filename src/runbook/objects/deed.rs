//! What becomes of an object: it is added, changed or dropped; and what that is called.
//!
//! A deed says what is written in one statement, never what a server made of it.

use super::{Constraint, DeclaredColumn, Expression, Index, Name, quoted};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    AddTable(Name),
    /// A column is added, by ALTER TABLE or with its table.
    AddColumn(DeclaredColumn),
    AddIndex(Index),
    AddConstraint(Constraint),
    Add {
        sort: Sort,
        name: String,
        table: Option<Name>,
    },
    AlterColumn {
        table: Name,
        name: String,
        facet: Facet,
    },
    Alter {
        sort: Sort,
        name: String,
        table: Option<Name>,
        how: String,
        /// Which action of ALTER TABLE it is, for those that are one.
        action: Action,
    },
    Drop {
        sort: Sort,
        name: Name,
        /// The table that it is or belongs to, where the statement names it.
        table: Option<Name>,
    },
}

impl Deed {
    pub fn adds(&self) -> Option<Sort> {
        match self {
            Deed::AddTable(_) => Some(Sort::Table),
            Deed::AddColumn(_) => Some(Sort::Column),
            Deed::AddIndex(_) => Some(Sort::Index),
            Deed::AddConstraint(_) => Some(Sort::Constraint),
            Deed::Add { sort, .. } => Some(sort.clone()),
            Deed::AlterColumn { .. } | Deed::Alter { .. } | Deed::Drop { .. } => None,
        }
    }

    pub fn drops(&self) -> Option<Sort> {
        match self {
            Deed::Drop { sort, .. } => Some(sort.clone()),
            _ => None,
        }
    }

    pub fn changes(&self) -> Option<Sort> {
        match self {
            Deed::AlterColumn { .. } => Some(Sort::Column),
            Deed::Alter { sort, .. } => Some(sort.clone()),
            _ => None,
        }
    }

    /// The table that it is about, where the statement names it.
    pub fn table(&self) -> Option<&Name> {
        match self {
            Deed::AddTable(table) | Deed::AlterColumn { table, .. } => Some(table),
            Deed::AddColumn(column) => Some(&column.table),
            Deed::AddIndex(index) => Some(&index.table),
            Deed::AddConstraint(constraint) => Some(&constraint.table),
            Deed::Add { table, .. } | Deed::Alter { table, .. } | Deed::Drop { table, .. } => {
                table.as_ref()
            }
        }
    }

    /// The object in words: `column utn text`.
    pub fn words(&self) -> String {
        match self {
            Deed::AddTable(name) => format!("table {name}"),
            Deed::AddColumn(column) => format!("column {} {}", quoted(&column.name), column.kind),
            Deed::AddIndex(index) => match &index.name {
                Some(name) => format!("index {}", quoted(name)),
                None => format!("an index {}", index.definition),
            },
            Deed::AddConstraint(constraint) => match &constraint.name {
                Some(name) => format!("constraint {} {}", quoted(name), constraint.kind.word()),
                None => format!("a constraint {}", constraint.definition),
            },
            Deed::Add { sort, name, .. } | Deed::Alter { sort, name, .. } => {
                format!("{} {name}", sort.word())
            }
            Deed::AlterColumn { name, .. } => format!("column {}", quoted(name)),
            Deed::Drop { sort, name, .. } => format!("{} {name}", sort.word()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    Table,
    Column,
    Index,
    Constraint,
    Sequence,
    Comment,
    /// Another kind, in the words of the command, such as `trigger`.
    Other(String),
}

impl Sort {
    pub fn word(&self) -> &str {
        match self {
            Sort::Table => "table",
            Sort::Column => "column",
            Sort::Index => "index",
            Sort::Constraint => "constraint",
            Sort::Sequence => "sequence",
            Sort::Comment => "comment",
            Sort::Other(word) => word,
        }
    }

    /// What several of the kind are called.
    pub fn words(&self) -> String {
        match self {
            Sort::Index => "indexes".to_owned(),
            other if other.word().ends_with('y') => {
                format!("{}ies", other.word().trim_end_matches('y'))
            }
            other if other.word().ends_with('s') => other.word().to_owned(),
            other => format!("{}s", other.word()),
        }
    }
}

/// In which respect a column is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facet {
    /// Its type; the text as written.
    Kind(String),
    /// Its default, in one form; `None` drops it.
    Default(Option<Expression>),
    NotNull(bool),
    /// Its name; the new one.
    Name(String),
    /// Statistics, storage and the like; the words.
    Other(String),
}

/// Which action of ALTER TABLE, as far as its lock differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Validate,
    /// CLUSTER ON, SET WITHOUT CLUSTER, SET of storage parameters.
    Parameters,
    Trigger,
    Attach,
    /// SET LOGGED, SET UNLOGGED, SET TABLESPACE, SET ACCESS METHOD: each row is written anew.
    Rewrite,
    /// Any other, which takes the strongest lock.
    Other,
    /// It is no action of ALTER TABLE.
    None,
}
