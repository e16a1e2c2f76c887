//! What a script adds, changes and drops, read from its statements: tables, columns, indexes,
//! constraints and the rest.
//!
//! It reads text, so it says what is written and never what a server did with it. A block of
//! procedural code, and whatever it cannot read, is listed as not looked into: nothing is left out
//! silently. The parser recurses, so it runs on a thread with a stack of known size.

mod form;
mod name;
mod tree;

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

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A table is added.
    AddTable(Name),
    /// A column is added, by ALTER TABLE or with its table.
    AddColumn(Column),
    /// An index is added.
    AddIndex(Index),
    /// A constraint is added.
    AddConstraint(Constraint),
    /// Something else is added.
    Add {
        /// What kind of object.
        sort: Sort,
        /// Its name, as far as it has one.
        name: String,
        /// The table that it belongs to.
        table: Option<Name>,
    },
    /// A column is changed.
    AlterColumn {
        /// Its table.
        table: Name,
        /// Its name.
        name: String,
        /// In which respect.
        facet: Facet,
    },
    /// Something else is changed.
    Alter {
        /// What kind of object.
        sort: Sort,
        /// Its name.
        name: String,
        /// The table that it is or belongs to.
        table: Option<Name>,
        /// The words of the statement.
        how: String,
        /// Which action of ALTER TABLE it is, for those that are one.
        action: Action,
    },
    /// Something is dropped.
    Drop {
        /// What kind of object.
        sort: Sort,
        /// Its name.
        name: Name,
        /// The table that it is or belongs to, where the statement names it.
        table: Option<Name>,
    },
}

/// A kind of object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// A table.
    Table,
    /// A column.
    Column,
    /// An index.
    Index,
    /// A constraint.
    Constraint,
    /// A sequence.
    Sequence,
    /// A comment.
    Comment,
    /// Another kind, in the words of the command, such as `trigger`.
    Other(String),
}

impl Sort {
    /// What one of the kind is called.
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
    /// NOT NULL is set or dropped.
    NotNull(bool),
    /// Its name; the new one.
    Name(String),
    /// Statistics, storage and the like; the words.
    Other(String),
}

/// Which action of ALTER TABLE, as far as its lock differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// VALIDATE CONSTRAINT.
    Validate,
    /// CLUSTER ON, SET WITHOUT CLUSTER, SET of storage parameters.
    Parameters,
    /// ENABLE, DISABLE TRIGGER.
    Trigger,
    /// ATTACH PARTITION.
    Attach,
    /// SET LOGGED, SET UNLOGGED, SET TABLESPACE, SET ACCESS METHOD: each row is written anew.
    Rewrite,
    /// Any other, which takes the strongest lock.
    Other,
    /// It is no action of ALTER TABLE.
    None,
}

/// An expression, as it is written and in its one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// As the script or the server writes it.
    pub text: String,
    /// In the form in which two can be compared.
    pub form: String,
    /// It calls something or is not constant, so the server may work it out for each row.
    pub volatile: bool,
}

/// A column, as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its table.
    pub table: Name,
    /// Its name.
    pub name: String,
    /// Its type, as written.
    pub kind: String,
    /// Its default.
    pub default: Option<Expression>,
    /// NOT NULL, said or implied by PRIMARY KEY, IDENTITY or a serial type.
    pub not_null: bool,
    /// What the server gives it itself, if it does.
    pub generated: Generated,
    /// Its table is added by the same statement.
    pub with_table: bool,
}

/// What the server gives a column itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    /// Nothing.
    No,
    /// A number of its own sequence: IDENTITY.
    Identity,
    /// The same by a serial type, which is a default.
    Serial,
    /// A value worked out and stored.
    Stored,
    /// A value worked out when it is read.
    Virtual,
}

/// An index, as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its table.
    pub table: Name,
    /// Its name; `None` lets the server choose one.
    pub name: Option<String>,
    /// It is unique.
    pub unique: bool,
    /// Its access method.
    pub method: String,
    /// What it is on, in one form each.
    pub keys: Vec<String>,
    /// The columns that it only carries.
    pub include: Vec<String>,
    /// Which rows it covers; `None` for all.
    pub predicate: Option<Expression>,
    /// What else it says, in one form.
    pub rest: String,
    /// The definition, for people: what stands behind the table's name.
    pub definition: String,
}

/// What kind of constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConstraintKind {
    /// PRIMARY KEY.
    Primary,
    /// UNIQUE.
    Unique,
    /// FOREIGN KEY, REFERENCES.
    Foreign,
    /// CHECK.
    Check,
    /// EXCLUDE.
    Exclude,
}

impl ConstraintKind {
    /// What SQL calls it.
    pub fn word(self) -> &'static str {
        match self {
            ConstraintKind::Primary => "PRIMARY KEY",
            ConstraintKind::Unique => "UNIQUE",
            ConstraintKind::Foreign => "FOREIGN KEY",
            ConstraintKind::Check => "CHECK",
            ConstraintKind::Exclude => "EXCLUDE",
        }
    }
}

/// A constraint, as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Its table.
    pub table: Name,
    /// Its name; `None` lets the server choose one.
    pub name: Option<String>,
    /// Its kind.
    pub kind: ConstraintKind,
    /// Its columns; those of a CHECK are not read.
    pub columns: Vec<String>,
    /// The table and the columns that a foreign key leads to; without columns it is the primary key.
    pub references: Option<(Name, Vec<String>)>,
    /// What it checks or excludes, in one form.
    pub expression: Option<Expression>,
    /// ON DELETE, DEFERRABLE and the like, in one form.
    pub rest: String,
    /// It says NOT VALID: existing rows are not looked at.
    pub not_valid: bool,
    /// It takes an index over that is there already.
    pub using_index: bool,
    /// It is declared with a column that is added by the same action.
    pub with_column: bool,
    /// Its table is added by the same statement.
    pub with_table: bool,
    /// The definition, for people.
    pub definition: String,
}

impl Deed {
    /// The kind of what is added.
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

    /// The kind of what is dropped.
    pub fn drops(&self) -> Option<Sort> {
        match self {
            Deed::Drop { sort, .. } => Some(sort.clone()),
            _ => None,
        }
    }

    /// The kind of what is changed.
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
