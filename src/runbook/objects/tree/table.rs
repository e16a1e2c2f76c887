//! CREATE TABLE and ALTER TABLE: a table with what it brings, and each action on one.
//!
//! An action that has no reading of its own is told by its words and counted among those with the
//! strongest lock, so that none is ever taken for less than it may be.

use super::super::form::shown;
use super::super::name::{Name, quoted};
use super::super::{Action, Deed, Facet, Sort};
use super::column::{ColumnOf, column, is_type};
use super::constraint::constraint;
use super::expression::expression_in;
use super::node::{child, guarded, own_name, relation};
use super::{Guarded, Kind};
use squawk_syntax::SyntaxNode;

pub(super) fn create_table(statement: &SyntaxNode, deeds: &mut Vec<Guarded>) {
    let Some(table) = relation(statement) else {
        return;
    };
    let guard = guarded(statement);
    deeds.push((guard, Deed::AddTable(table.clone())));
    let list = child(statement, Kind::TABLE_ARG_LIST);
    for part in list.iter().flat_map(SyntaxNode::children) {
        if part.kind() == Kind::COLUMN {
            column(&table, &part, guard, ColumnOf::NewTable, deeds);
        } else if let Some(mut constraint) = constraint(&table, &part, None) {
            constraint.with_table = true;
            deeds.push((guard, Deed::AddConstraint(constraint)));
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table of actions")]
pub(super) fn alter_table(table: &Name, action: &SyntaxNode, deeds: &mut Vec<Guarded>) {
    let guard = guarded(action);
    let before = deeds.len();
    let named = |sort: Sort, name: Option<String>| {
        name.map(|name| Deed::Drop {
            sort,
            name: Name { schema: None, name },
            table: Some(table.clone()),
        })
    };
    let alter = |sort, name: String, action_of| Deed::Alter {
        sort,
        name,
        table: Some(table.clone()),
        how: shown(action),
        action: action_of,
    };
    let constraint_name = || {
        own_name(action, Kind::CONSTRAINT_NAME_REF)
            .as_deref()
            .map(quoted)
            .unwrap_or_default()
    };
    let deed = match action.kind() {
        kind if is_no_action(kind) => None,
        Kind::ADD_COLUMN => {
            column(table, action, guard, ColumnOf::Table, deeds);
            None
        }
        Kind::ADD_CONSTRAINT => {
            let added = action.children().find_map(|c| constraint(table, &c, None));
            match added {
                Some(constraint) => Some(Deed::AddConstraint(constraint)),
                None => Some(alter(Sort::Table, table.to_string(), Action::Other)),
            }
        }
        Kind::DROP_COLUMN => named(Sort::Column, own_name(action, Kind::COLUMN_NAME_REF)),
        Kind::DROP_CONSTRAINT => named(
            Sort::Constraint,
            own_name(action, Kind::CONSTRAINT_NAME_REF),
        ),
        Kind::ALTER_COLUMN => own_name(action, Kind::COLUMN_NAME_REF)
            .zip(action.children().find_map(|part| facet(&part)))
            .map(|(name, facet)| Deed::AlterColumn {
                table: table.clone(),
                name,
                facet,
            }),
        Kind::RENAME_COLUMN => own_name(action, Kind::COLUMN_NAME_REF)
            .zip(own_name(action, Kind::COLUMN_NAME))
            .map(|(name, to)| Deed::AlterColumn {
                table: table.clone(),
                name,
                facet: Facet::Name(to),
            }),
        Kind::VALIDATE_CONSTRAINT => {
            Some(alter(Sort::Constraint, constraint_name(), Action::Validate))
        }
        Kind::ALTER_CONSTRAINT | Kind::RENAME_CONSTRAINT => {
            Some(alter(Sort::Constraint, constraint_name(), Action::Other))
        }
        kind => {
            let of = match kind {
                Kind::CLUSTER_ON
                | Kind::SET_WITHOUT_CLUSTER
                | Kind::SET_OPTIONS
                | Kind::RESET_OPTIONS
                | Kind::OPTION_ITEM_LIST
                | Kind::ALTER_OPTION_LIST => Action::Parameters,
                Kind::ENABLE_TRIGGER
                | Kind::DISABLE_TRIGGER
                | Kind::ENABLE_ALWAYS_TRIGGER
                | Kind::ENABLE_REPLICA_TRIGGER => Action::Trigger,
                Kind::ATTACH_PARTITION => Action::Attach,
                Kind::SET_LOGGED
                | Kind::SET_UNLOGGED
                | Kind::SET_TABLESPACE
                | Kind::SET_ACCESS_METHOD => Action::Rewrite,
                _ => Action::Other,
            };
            Some(alter(Sort::Table, table.to_string(), of))
        }
    };
    let other = || alter(Sort::Table, table.to_string(), Action::Other);
    let is_read = deeds.len() > before || is_no_action(action.kind());
    let deed = deed.or_else(|| (!is_read).then(other));
    deeds.extend(deed.map(|deed| (guard, deed)));
}

/// What stands ahead of the actions.
fn is_no_action(kind: Kind) -> bool {
    matches!(kind, Kind::TABLE_RELATION_NAME | Kind::IF_EXISTS)
}

fn facet(part: &SyntaxNode) -> Option<Facet> {
    Some(match part.kind() {
        Kind::COLUMN_NAME_REF => return None,
        Kind::SET_TYPE => {
            let kind = part.children().find(|child| is_type(child.kind()))?;
            Facet::Kind(shown(&kind))
        }
        Kind::SET_DEFAULT => {
            let default = expression_in(part);
            Facet::Default(default.filter(|default| default.form != "null"))
        }
        Kind::DROP_DEFAULT => Facet::Default(None),
        Kind::SET_NOT_NULL => Facet::NotNull(true),
        Kind::DROP_NOT_NULL => Facet::NotNull(false),
        _ => Facet::Other(shown(part)),
    })
}
