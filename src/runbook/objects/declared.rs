//! Columns, indexes and constraints as they are declared, by a script or by the server.
//!
//! Both are read into the same shape, so that one can be held against the other. Where a text is
//! said to be in one form, two of the same form mean the same; two that differ still may.

use super::Name;

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredColumn {
    pub table: Name,
    pub name: String,
    pub kind: String,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub table: Name,
    /// Its name; `None` lets the server choose one.
    pub name: Option<String>,
    pub unique: bool,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConstraintKind {
    Primary,
    Unique,
    Foreign,
    Check,
    Exclude,
}

impl ConstraintKind {
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    pub table: Name,
    /// Its name; `None` lets the server choose one.
    pub name: Option<String>,
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
    pub definition: String,
}
