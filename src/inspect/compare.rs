//! Expected beside actual: each object that the script leaves on a table, held against the catalog.
//!
//! The server's definitions are read by the same reading as the script's. Where two expressions
//! differ only in their text, that is what is said, and as a warning: the server rewrites
//! expressions, so a difference of the text need be none of the meaning.

mod column;
mod constraint;
mod differences;
mod hold;
mod index;

use super::expected::Expectation;
use super::{CatalogColumn, CatalogTable, InspectedTable};
use crate::runbook::objects::{self, Deed, Name, Sort, quoted};
use hold::hold;
use std::collections::{BTreeSet, HashMap};

/// How an object stands to what the script makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// As the script leaves it.
    Same,
    /// It is there, and not as the script leaves it.
    Differs,
    /// An expression of it has another text, which need not be another meaning.
    Text,
    Missing,
    /// The script gives it no name, and what is there has another text: it may be it.
    Unsure,
    /// The script drops it, and it is there.
    StillThere,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedObject {
    /// The table as the catalog or the script names it; empty where it is not known.
    pub table: String,
    /// The section of the script that leaves it so, as an index.
    pub section: Option<usize>,
    pub sort: Sort,
    /// The script adds it; otherwise it was there before, and is changed or dropped.
    pub added: bool,
    /// Its name, or words for one that has none.
    pub name: String,
    pub expected: String,
    pub actual: Option<String>,
    pub mark: Mark,
    pub why: Vec<String>,
}

/// Everything that was held against one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    pub rows: Vec<ComparedObject>,
    /// Which of what is there a row tells of: the table, and kind and name.
    pub told: BTreeSet<(String, String)>,
}

/// The definitions of the server, read.
type Read = HashMap<(String, String), Deed>;

/// What is there to hold against: a table as it was found, if it was.
struct FoundTable<'a> {
    table: &'a str,
    found: Option<&'a CatalogTable>,
    read: &'a Read,
    spelt: &'a HashMap<String, String>,
}

impl FoundTable<'_> {
    fn column(&self, name: &str) -> Option<&CatalogColumn> {
        let mut columns = self.found?.columns.iter();
        columns.find(|column| column.name == name)
    }

    /// The server's definition of an index `i`, a constraint `c` or the default of a column `d`.
    fn definition(&self, of: char, name: &str) -> Option<&Deed> {
        self.read
            .get(&(self.table.to_owned(), format!("{of} {name}")))
    }
}

/// The name of an object in words, what is expected of it, and what it is called and is.
type NameExpectedActual = (String, String, Option<(String, String)>);

/// Holds every expectation against the tables; `spelt` is the server's spelling of each type.
pub(super) fn compare(
    expectations: &[Expectation],
    tables: &[InspectedTable],
    spelt: &HashMap<String, String>,
) -> Comparison {
    let read = definitions(tables);
    let mut comparison = Comparison::default();
    for expectation in expectations {
        let of_table = |table: &&InspectedTable| {
            let own = Name::parse(&table.name);
            match (&expectation.table, &table.found) {
                (Some(name), _) => own.is_some_and(|own| own.fits(name)),
                // An index that is dropped by its name alone: where it is.
                (None, Some(found)) => found
                    .indexes
                    .iter()
                    .any(|index| Some(index.name.as_str()) == expectation.wanted.name()),
                (None, None) => false,
            }
        };
        let table = tables.iter().find(of_table);
        let place = match (table, &expectation.table) {
            (Some(table), _) => table.name.clone(),
            (None, Some(name)) => name.to_string(),
            (None, None) => String::new(),
        };
        let (row, called) = hold(
            expectation,
            &FoundTable {
                table: &place,
                found: table.and_then(|table| table.found.as_ref()),
                read: &read,
                spelt,
            },
        );
        if let Some(name) = called {
            let told = (place, format!("{} {name}", row.sort.word()));
            comparison.told.insert(told);
        }
        comparison.rows.push(row);
    }
    comparison
}

/// The server's definitions of all indexes and constraints, by table and name.
fn definitions(tables: &[InspectedTable]) -> Read {
    let mut names = Vec::new();
    let mut texts = Vec::new();
    for table in tables {
        let Some(found) = &table.found else { continue };
        for index in &found.indexes {
            names.push((table.name.clone(), format!("i {}", index.name)));
            texts.push(index.definition.clone());
        }
        for constraint in &found.constraints {
            names.push((table.name.clone(), format!("c {}", constraint.name)));
            texts.push(format!(
                "ALTER TABLE {} ADD CONSTRAINT {} {}",
                table.name,
                quoted(&constraint.name),
                constraint.definition
            ));
        }
        for column in &found.columns {
            if let Some(default) = &column.default {
                names.push((table.name.clone(), format!("d {}", column.name)));
                texts.push(format!(
                    "ALTER TABLE t ADD COLUMN c text DEFAULT ({default})"
                ));
            }
        }
    }
    let read = objects::definitions(&texts);
    let read = names.into_iter().zip(read);
    read.filter_map(|(name, deed)| Some((name, deed?)))
        .collect()
}
