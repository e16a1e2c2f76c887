//! One expectation, held against what is there: how the two stand to one another.
//!
//! What is not surely so is never marked so: an object that the script gives no name may be one
//! that the server named, and is then neither there nor missing.

use super::differences::Differences;
use super::{ComparedObject, FoundTable, Mark, NameExpectedActual, column, constraint, index};
use crate::inspect::expected::{Expectation, ExpectedObject};
use crate::inspect::{CatalogTable, TablePart};
use crate::runbook::objects::{ConstraintKind, Name, Sort, quoted};

/// What became of an expectation, and what the object is called where it is there.
pub(super) fn hold(
    expectation: &Expectation,
    there: &FoundTable<'_>,
) -> (ComparedObject, Option<String>) {
    let wanted = &expectation.wanted;
    let mut differences = Differences::default();
    let (name, expected, own) = match wanted {
        ExpectedObject::Column(column) => column::added(column, there, &mut differences),
        ExpectedObject::Changed(change) => column::changed(change, there, &mut differences),
        ExpectedObject::Index(index) => index::added(index, there, &mut differences),
        ExpectedObject::Constraint(constraint) => {
            constraint::added(constraint, there, &mut differences)
        }
        ExpectedObject::Gone(sort, name) => gone(sort, name, there.found),
    };
    let (actual_name, actual) = own.unzip();
    let candidates = match (&actual, wanted.name(), there.found) {
        (None, None, Some(found)) => candidates(wanted, there.table, found),
        _ => Vec::new(),
    };
    let Differences { sure, text } = differences;
    let mark = match (wanted, &actual) {
        (ExpectedObject::Gone(..), None) => Mark::Same,
        (ExpectedObject::Gone(..), Some(_)) => Mark::StillThere,
        (_, None) if candidates.is_empty() => Mark::Missing,
        (_, None) => Mark::Unsure,
        (_, Some(_)) if !sure.is_empty() => Mark::Differs,
        (_, Some(_)) if !text.is_empty() => Mark::Text,
        (_, Some(_)) => Mark::Same,
    };
    let mut why: Vec<String> = sure.into_iter().chain(text).collect();
    if !candidates.is_empty() {
        let candidates = candidates.join(", ");
        why.push(format!(
            "the script gives it no name; {candidates} may be it, and has another text"
        ));
    }
    let changes = matches!(
        wanted,
        ExpectedObject::Changed(_) | ExpectedObject::Gone(..)
    );
    let row = ComparedObject {
        table: there.table.to_owned(),
        section: expectation.section,
        sort: wanted.sort(),
        added: !changes,
        name,
        expected,
        actual,
        mark,
        why,
    };
    (row, actual_name)
}

fn gone(sort: &Sort, name: &str, found: Option<&CatalogTable>) -> NameExpectedActual {
    let part = |parts: &[TablePart]| {
        let found = parts.iter().find(|part| part.name == name);
        found.map(|part| part.definition.clone())
    };
    let there = found.and_then(|found| match sort {
        Sort::Column => {
            let mut columns = found.columns.iter();
            let column = columns.find(|one| one.name == name);
            column.map(|one| column::shown(one).1)
        }
        Sort::Constraint => part(&found.constraints),
        _ => part(&found.indexes),
    });
    let there = there.map(|text| (name.to_owned(), text));
    (quoted(name), "dropped".into(), there)
}

/// What the server may have made of an object without a name: named as it names them.
fn candidates(wanted: &ExpectedObject, table: &str, found: &CatalogTable) -> Vec<String> {
    let table = Name::parse(table).map_or_else(String::new, |table| table.name);
    let (parts, ending) = match wanted {
        ExpectedObject::Index(_) => (&found.indexes, "_idx"),
        ExpectedObject::Constraint(constraint) => match constraint.kind {
            ConstraintKind::Check => (&found.constraints, "_check"),
            ConstraintKind::Exclude => (&found.constraints, "_excl"),
            // These are known by their columns, whatever their text.
            ConstraintKind::Primary | ConstraintKind::Unique | ConstraintKind::Foreign => {
                return Vec::new();
            }
        },
        ExpectedObject::Column(_) | ExpectedObject::Changed(_) | ExpectedObject::Gone(..) => {
            return Vec::new();
        }
    };
    let named = parts.iter().filter(|part| {
        let name = part.name.trim_end_matches(|c: char| c.is_ascii_digit());
        part.name.starts_with(&table) && name.ends_with(ending)
    });
    named.map(|part| quoted(&part.name)).collect()
}
