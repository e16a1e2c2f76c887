//! A constraint of the script beside the constraint of the catalog.
//!
//! One without a name is known by its columns, and a CHECK by its expression, because the server
//! chose its name.

use super::differences::Differences;
use super::{FoundTable, NameExpectedActual};
use crate::inspect::{CatalogTable, TablePart};
use crate::runbook::objects::{Constraint, ConstraintKind, Deed, quoted};

pub(super) fn added(
    constraint: &Constraint,
    there: &FoundTable<'_>,
    differences: &mut Differences,
) -> NameExpectedActual {
    let own = there
        .found
        .and_then(|found| same_constraint(constraint, there, found));
    if let Some(own) = own {
        if !constraint.not_valid {
            differences.trouble(own);
        }
        match there.definition('c', &own.name) {
            Some(Deed::AddConstraint(actual)) => {
                compare_constraint(constraint, actual, differences);
            }
            _ => differences
                .text
                .push("its definition could not be read".into()),
        }
    }
    let name = constraint.name.as_deref();
    let name = name.map_or_else(|| format!("a {}", constraint.kind.word()), quoted);
    (
        name,
        constraint.definition.clone(),
        own.map(|part| (part.name.clone(), part.definition.clone())),
    )
}

fn same_constraint<'a>(
    wanted: &Constraint,
    there: &FoundTable<'_>,
    found: &'a CatalogTable,
) -> Option<&'a TablePart> {
    let mut parts = found.constraints.iter();
    match &wanted.name {
        Some(name) => parts.find(|part| part.name == *name),
        None => parts.find(|part| match there.definition('c', &part.name) {
            Some(Deed::AddConstraint(actual)) if actual.kind == wanted.kind => match wanted.kind {
                ConstraintKind::Check | ConstraintKind::Exclude => {
                    let form = |one: &Constraint| one.expression.as_ref().map(|e| e.form.clone());
                    form(actual) == form(wanted)
                }
                _ => actual.columns == wanted.columns,
            },
            _ => false,
        }),
    }
}

fn compare_constraint(wanted: &Constraint, actual: &Constraint, differences: &mut Differences) {
    differences.value("it", wanted.kind.word(), actual.kind.word());
    if wanted.kind != actual.kind {
        return;
    }
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        format!("({})", names.join(", "))
    };
    if wanted.kind != ConstraintKind::Check {
        differences.value(
            "it is on: it",
            &list(&wanted.columns),
            &list(&actual.columns),
        );
    }
    if let (Some((to, columns)), Some((other, own))) = (&wanted.references, &actual.references) {
        if !to.fits(other) {
            differences.value("its target", &to.to_string(), &other.to_string());
        }
        // Without columns it leads to the primary key, which the server writes out.
        if !columns.is_empty() {
            differences.value("its target", &list(columns), &list(own));
        }
    }
    let rest = |one: &Constraint| match one.rest.as_str() {
        "" => "nothing more".to_owned(),
        rest => rest.to_owned(),
    };
    differences.value("what it says beside", &rest(wanted), &rest(actual));
    differences.expression(
        "what it holds to",
        wanted.expression.as_ref(),
        actual.expression.as_ref(),
    );
}
