//! An index of the script beside the index of the catalog.
//!
//! One without a name is known by what it is on, because the server chose its name.

use super::differences::Differences;
use super::{FoundTable, NameExpectedActual};
use crate::inspect::{CatalogTable, TablePart};
use crate::runbook::objects::{Deed, Index, quoted};

pub(super) fn added(
    index: &Index,
    there: &FoundTable<'_>,
    differences: &mut Differences,
) -> NameExpectedActual {
    let own = there
        .found
        .and_then(|found| same_index(index, there, found));
    if let Some(own) = own {
        differences.trouble(own);
        match there.definition('i', &own.name) {
            Some(Deed::AddIndex(actual)) => compare_index(index, actual, differences),
            _ => differences
                .text
                .push("its definition could not be read".into()),
        }
    }
    let unique = if index.unique { "UNIQUE " } else { "" };
    let name = index.name.as_deref().map_or("an index".to_owned(), quoted);
    let definition = format!("{unique}{}", index.definition);
    (
        name,
        definition,
        own.map(|part| (part.name.clone(), behind_table(&part.definition))),
    )
}

fn same_index<'a>(
    wanted: &Index,
    there: &FoundTable<'_>,
    found: &'a CatalogTable,
) -> Option<&'a TablePart> {
    let mut parts = found.indexes.iter();
    match &wanted.name {
        Some(name) => parts.find(|part| part.name == *name),
        // One that the server named itself is known by what it is on.
        None => parts.find(|part| match there.definition('i', &part.name) {
            Some(Deed::AddIndex(index)) => {
                index.keys == wanted.keys && index.unique == wanted.unique
            }
            _ => false,
        }),
    }
}

fn compare_index(wanted: &Index, actual: &Index, differences: &mut Differences) {
    let unique = |yes| if yes { "unique" } else { "not unique" };
    differences.value("it", unique(wanted.unique), unique(actual.unique));
    differences.value("its method", &wanted.method, &actual.method);
    let list = |keys: &[String]| format!("({})", keys.join(", "));
    let (keys, own) = (list(&wanted.keys), list(&actual.keys));
    if keys.matches('(').count() > 1 && keys != own {
        differences.text.push(format!(
            "what it is on differs in text: expected {keys}, actual {own}"
        ));
    } else {
        differences.value("it is on: it", &keys, &own);
    }
    differences.value(
        "what it carries",
        &list(&wanted.include),
        &list(&actual.include),
    );
    differences.value("it says: it", &wanted.rest, &actual.rest);
    differences.expression(
        "WHERE",
        wanted.predicate.as_ref(),
        actual.predicate.as_ref(),
    );
}

/// What stands behind the table's name in the server's definition of an index.
fn behind_table(definition: &str) -> String {
    let unique = if definition.starts_with("CREATE UNIQUE") {
        "UNIQUE "
    } else {
        ""
    };
    match definition.find(" USING ") {
        Some(at) => format!("{unique}{}", definition.get(at + 1..).unwrap_or_default()),
        None => definition.to_owned(),
    }
}
