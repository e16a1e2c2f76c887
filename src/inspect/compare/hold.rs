//! One expectation, held against what is there: how the two stand to one another.
//!
//! What is not surely so is never marked so: an object that the script gives no name may be one
//! that the server named, and is then neither there nor missing.

use super::differences::Differences;
use super::{FoundTable, Mark, column, constraint, index};
use crate::inspect::expected::ExpectedObject;
use crate::inspect::{CatalogTable, TablePart};
use crate::runbook::objects::{ConstraintKind, Name, Sort, quoted};

/// An expectation, held against what is there.
pub(super) struct HeldExpectation {
    pub(super) name: String,
    pub(super) expected: String,
    pub(super) actual: Option<String>,
    pub(super) actual_name: Option<String>,
    pub(super) mark: Mark,
    pub(super) why: Vec<String>,
}

/// Holds one expectation against what is there.
pub(super) fn hold(wanted: &ExpectedObject, there: &FoundTable<'_>) -> HeldExpectation {
    let mut differences = Differences::default();
    let (name, expected, own) = match wanted {
        ExpectedObject::Column(column) => column::added(column, there, &mut differences),
        ExpectedObject::Changed {
            name,
            kind,
            default,
            not_null,
        } => column::changed(
            name,
            kind.as_deref(),
            default.as_ref(),
            *not_null,
            there,
            &mut differences,
        ),
        ExpectedObject::Index(index) => index::added(index, there, &mut differences),
        ExpectedObject::Constraint(constraint) => {
            constraint::added(constraint, there, &mut differences)
        }
        ExpectedObject::Gone(sort, name) => return gone(sort, name, there.found),
    };
    let (actual_name, actual) = own.unzip();
    let candidates = match (&actual, wanted.name(), there.found) {
        (None, None, Some(found)) => candidates(wanted, there.table, found),
        _ => Vec::new(),
    };
    if !candidates.is_empty() {
        let candidates = candidates.join(", ");
        return HeldExpectation {
            name,
            expected,
            actual: None,
            actual_name: None,
            mark: Mark::Unsure,
            why: vec![format!(
                "the script gives it no name; {candidates} may be it, and has another text"
            )],
        };
    }
    let mark = match (
        &actual,
        differences.sure.is_empty(),
        differences.text.is_empty(),
    ) {
        (None, _, _) => Mark::Missing,
        (Some(_), false, _) => Mark::Differs,
        (Some(_), true, false) => Mark::Text,
        (Some(_), true, true) => Mark::Same,
    };
    let mut why = differences.sure;
    why.extend(differences.text);
    HeldExpectation {
        name,
        expected,
        actual,
        actual_name,
        mark,
        why,
    }
}

fn gone(sort: &Sort, name: &str, found: Option<&CatalogTable>) -> HeldExpectation {
    let part = |parts: &[TablePart]| {
        let found = parts.iter().find(|part| part.name == name);
        found.map(|part| part.definition.clone())
    };
    let there = found.and_then(|found| match sort {
        Sort::Column => found
            .columns
            .iter()
            .find(|one| one.name == name)
            .map(|one| column::shown(one).1),
        Sort::Constraint => part(&found.constraints),
        _ => part(&found.indexes),
    });
    HeldExpectation {
        name: quoted(name),
        expected: "dropped".into(),
        actual_name: there.as_ref().map(|_| name.to_owned()),
        mark: if there.is_some() {
            Mark::StillThere
        } else {
            Mark::Same
        },
        actual: there,
        why: Vec::new(),
    }
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
        ExpectedObject::Column(_) | ExpectedObject::Changed { .. } | ExpectedObject::Gone(..) => {
            return Vec::new();
        }
    };
    let named = parts.iter().filter(|part| {
        let name = part.name.trim_end_matches(|c: char| c.is_ascii_digit());
        part.name.starts_with(&table) && name.ends_with(ending)
    });
    named.map(|part| quoted(&part.name)).collect()
}
