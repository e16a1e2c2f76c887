//! What the script makes of its tables: each object as it is to be once all of it is applied.
//!
//! Later statements of the script change what earlier ones add, so the end is what counts. What
//! the text does not say (a block of code, a table that is renamed on the way) is not expected, and
//! never told as missing.

use crate::runbook::objects::{
    Change, Constraint, DeclaredColumn, Deed, Expression, Facet, Generated, Index, Name, Objects,
    Sort,
};

/// One object as the script leaves it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expectation {
    /// The section that says so last.
    pub(super) section: Option<usize>,
    /// Its table; `None` for an index that is dropped by its name alone.
    pub(super) table: Option<Name>,
    pub(super) wanted: ExpectedObject,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExpectedObject {
    Column(DeclaredColumn),
    /// A column that was there before, in the respects that the script changes.
    Changed(ChangedColumn),
    Index(Index),
    Constraint(Constraint),
    Gone(Sort, String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ChangedColumn {
    pub(super) name: String,
    pub(super) kind: Option<String>,
    pub(super) default: Option<Option<Expression>>,
    pub(super) not_null: Option<bool>,
}

impl ExpectedObject {
    /// Its name; `None` where the server chooses one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            ExpectedObject::Column(column) => Some(&column.name),
            ExpectedObject::Changed(ChangedColumn { name, .. }) | ExpectedObject::Gone(_, name) => {
                Some(name)
            }
            ExpectedObject::Index(index) => index.name.as_deref(),
            ExpectedObject::Constraint(constraint) => constraint.name.as_deref(),
        }
    }

    pub(super) fn sort(&self) -> Sort {
        match self {
            ExpectedObject::Column(_) | ExpectedObject::Changed(_) => Sort::Column,
            ExpectedObject::Index(_) => Sort::Index,
            ExpectedObject::Constraint(_) => Sort::Constraint,
            ExpectedObject::Gone(sort, _) => sort.clone(),
        }
    }
}

/// Everything that the script leaves behind on tables, in its order.
pub(super) fn list_expected_objects(objects: &Objects) -> Vec<Expectation> {
    let mut all = Vec::new();
    for change in &objects.changes {
        take(&mut all, change);
    }
    all
}

fn take(all: &mut Vec<Expectation>, change: &Change) {
    let table = change.deed.table().cloned();
    let mut put = |wanted: ExpectedObject| {
        let expectation = Expectation {
            section: change.section,
            table: table.clone(),
            wanted,
        };
        // The last word on an object counts; what has no name is always another one.
        let name = expectation.wanted.name().map(str::to_owned);
        let same = |known: &Expectation| {
            name.is_some()
                && known.wanted.name() == name.as_deref()
                && known.wanted.sort() == expectation.wanted.sort()
                && (known.table == expectation.table || expectation.table.is_none())
        };
        match all.iter().position(same) {
            // IF NOT EXISTS behind an ADD of the same script changes nothing.
            Some(at) if change.guarded && is_there(&all[at].wanted) && adds(change) => {}
            Some(at) => {
                let table = expectation.table.clone().or_else(|| all[at].table.clone());
                all[at] = Expectation {
                    table,
                    ..expectation
                };
            }
            None => all.push(expectation),
        }
    };
    match &change.deed {
        Deed::AddColumn(column) => put(ExpectedObject::Column(column.clone())),
        Deed::AddIndex(index) => put(ExpectedObject::Index(index.clone())),
        Deed::AddConstraint(constraint) if !constraint.using_index => {
            put(ExpectedObject::Constraint(constraint.clone()));
        }
        Deed::Drop { sort, name, .. } => match sort {
            Sort::Column | Sort::Constraint | Sort::Index => {
                put(ExpectedObject::Gone(sort.clone(), name.name.clone()));
            }
            Sort::Table => all.retain(|known| known.table.as_ref() != Some(name)),
            _ => {}
        },
        Deed::AlterColumn { table, name, facet } => alter(all, change, table, name, facet),
        Deed::Alter {
            sort: Sort::Constraint,
            name,
            how,
            ..
        } if how.to_ascii_uppercase().starts_with("VALIDATE") => {
            for known in all.iter_mut() {
                if let ExpectedObject::Constraint(constraint) = &mut known.wanted
                    && known.table == table
                    && constraint.name.as_deref() == Name::parse(name).as_ref().map(|n| &*n.name)
                {
                    constraint.not_valid = false;
                }
            }
        }
        Deed::AddTable(_) | Deed::AddConstraint(_) | Deed::Add { .. } | Deed::Alter { .. } => {}
    }
}

fn adds(change: &Change) -> bool {
    change.deed.adds().is_some()
}

fn is_there(wanted: &ExpectedObject) -> bool {
    !matches!(wanted, ExpectedObject::Gone(..))
}

fn alter(all: &mut Vec<Expectation>, change: &Change, table: &Name, called: &str, facet: &Facet) {
    let known = all.iter().position(|known| {
        known.table.as_ref() == Some(table)
            && known.wanted.sort() == Sort::Column
            && known.wanted.name() == Some(called)
    });
    let at = known.unwrap_or_else(|| {
        all.push(Expectation {
            section: change.section,
            table: Some(table.clone()),
            wanted: ExpectedObject::Changed(ChangedColumn {
                name: called.to_owned(),
                ..ChangedColumn::default()
            }),
        });
        all.len() - 1
    });
    let Some(expectation) = all.get_mut(at) else {
        return;
    };
    expectation.section = change.section;
    match (&mut expectation.wanted, facet) {
        (ExpectedObject::Column(column), Facet::Kind(new)) => column.kind.clone_from(new),
        (ExpectedObject::Column(column), Facet::Default(new)) => {
            column.default.clone_from(new);
            if column.generated == Generated::Serial {
                column.generated = Generated::No;
            }
        }
        (ExpectedObject::Column(column), Facet::NotNull(new)) => column.not_null = *new,
        (ExpectedObject::Column(column), Facet::Name(new)) => column.name.clone_from(new),
        (ExpectedObject::Changed(change), Facet::Kind(new)) => change.kind = Some(new.clone()),
        (ExpectedObject::Changed(change), Facet::Default(new)) => {
            change.default = Some(new.clone());
        }
        (ExpectedObject::Changed(change), Facet::NotNull(new)) => change.not_null = Some(*new),
        (ExpectedObject::Changed(change), Facet::Name(new)) => change.name.clone_from(new),
        (ExpectedObject::Column(_) | ExpectedObject::Changed(_), Facet::Other(_))
        | (
            ExpectedObject::Index(_) | ExpectedObject::Constraint(_) | ExpectedObject::Gone(..),
            _,
        ) => {}
    }
}

/// The types that are to be asked for, as they are written.
pub(super) fn types(expectations: &[Expectation]) -> Vec<String> {
    let kinds = expectations.iter().filter_map(|one| match &one.wanted {
        ExpectedObject::Column(column) => Some(column.kind.clone()),
        ExpectedObject::Changed(change) => change.kind.clone(),
        ExpectedObject::Index(_) | ExpectedObject::Constraint(_) | ExpectedObject::Gone(..) => None,
    });
    let mut kinds: Vec<String> = kinds.filter(|kind| !kind.is_empty()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
