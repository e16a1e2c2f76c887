//! What the script makes of its tables: each object as it is to be once all of it is applied.
//!
//! Later statements of the script change what earlier ones add, so the end is what counts. What
//! the text does not say (a block of code, a table that is renamed on the way) is not expected, and
//! never told as missing.

use crate::runbook::objects::{
    Change, Column, Constraint, Deed, Expression, Facet, Generated, Index, Name, Objects, Sort,
};

/// One object as the script leaves it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expectation {
    /// The section that says so last.
    pub(super) section: Option<usize>,
    /// Its table; `None` for an index that is dropped by its name alone.
    pub(super) table: Option<Name>,
    pub(super) wanted: Wanted,
}

/// What is expected of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// A column as the script declares it.
    Column(Column),
    /// A column that was there before, in the respects that the script changes.
    Changed {
        name: String,
        kind: Option<String>,
        default: Option<Option<Expression>>,
        not_null: Option<bool>,
    },
    Index(Index),
    Constraint(Constraint),
    Gone(Sort, String),
}

impl Wanted {
    /// Its name; `None` where the server chooses one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Wanted::Column(column) => Some(&column.name),
            Wanted::Changed { name, .. } | Wanted::Gone(_, name) => Some(name),
            Wanted::Index(index) => index.name.as_deref(),
            Wanted::Constraint(constraint) => constraint.name.as_deref(),
        }
    }

    pub(super) fn sort(&self) -> Sort {
        match self {
            Wanted::Column(_) | Wanted::Changed { .. } => Sort::Column,
            Wanted::Index(_) => Sort::Index,
            Wanted::Constraint(_) => Sort::Constraint,
            Wanted::Gone(sort, _) => sort.clone(),
        }
    }
}

/// Everything that the script leaves behind on tables, in its order.
pub(super) fn of(objects: &Objects) -> Vec<Expectation> {
    let mut all = Vec::new();
    for change in &objects.changes {
        take(&mut all, change);
    }
    all
}

fn take(all: &mut Vec<Expectation>, change: &Change) {
    let table = change.deed.table().cloned();
    let mut put = |wanted: Wanted| {
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
        Deed::AddColumn(column) => put(Wanted::Column(column.clone())),
        Deed::AddIndex(index) => put(Wanted::Index(index.clone())),
        Deed::AddConstraint(constraint) if !constraint.using_index => {
            put(Wanted::Constraint(constraint.clone()));
        }
        Deed::Drop { sort, name, .. } => match sort {
            Sort::Column | Sort::Constraint | Sort::Index => {
                put(Wanted::Gone(sort.clone(), name.name.clone()));
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
                if let Wanted::Constraint(constraint) = &mut known.wanted
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

fn is_there(wanted: &Wanted) -> bool {
    !matches!(wanted, Wanted::Gone(..))
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
            wanted: Wanted::Changed {
                name: called.to_owned(),
                kind: None,
                default: None,
                not_null: None,
            },
        });
        all.len() - 1
    });
    let Some(expectation) = all.get_mut(at) else {
        return;
    };
    expectation.section = change.section;
    match (&mut expectation.wanted, facet) {
        (Wanted::Column(column), Facet::Kind(new)) => column.kind.clone_from(new),
        (Wanted::Column(column), Facet::Default(new)) => {
            column.default.clone_from(new);
            if column.generated == Generated::Serial {
                column.generated = Generated::No;
            }
        }
        (Wanted::Column(column), Facet::NotNull(new)) => column.not_null = *new,
        (Wanted::Column(column), Facet::Name(new)) => column.name.clone_from(new),
        (Wanted::Changed { kind, .. }, Facet::Kind(new)) => *kind = Some(new.clone()),
        (Wanted::Changed { default, .. }, Facet::Default(new)) => *default = Some(new.clone()),
        (Wanted::Changed { not_null, .. }, Facet::NotNull(new)) => *not_null = Some(*new),
        (Wanted::Changed { name, .. }, Facet::Name(new)) => name.clone_from(new),
        (Wanted::Column(_) | Wanted::Changed { .. }, Facet::Other(_))
        | (Wanted::Index(_) | Wanted::Constraint(_) | Wanted::Gone(..), _) => {}
    }
}

/// The types that are to be asked for, as they are written.
pub(super) fn types(expectations: &[Expectation]) -> Vec<String> {
    let kinds = expectations.iter().filter_map(|one| match &one.wanted {
        Wanted::Column(column) => Some(column.kind.clone()),
        Wanted::Changed { kind, .. } => kind.clone(),
        Wanted::Index(_) | Wanted::Constraint(_) | Wanted::Gone(..) => None,
    });
    let mut kinds: Vec<String> = kinds.filter(|kind| !kind.is_empty()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
