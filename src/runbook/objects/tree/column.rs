//! A column as it is declared, with the constraints that it brings, and the expressions in it.
//!
//! What the server gives a column by itself (NOT NULL of a primary key, the number of a serial) is
//! said here, so that a declaration can be held against the catalog.

use super::super::form::shown;
use super::super::name::Name;
use super::super::{ConstraintKind, DeclaredColumn, Deed, Generated};
use super::constraint::constraint;
use super::expression::expression_in;
use super::node::{has, own_name};
use super::{Guarded, Kind};
use squawk_syntax::SyntaxNode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnOf {
    NewTable,
    Table,
}

/// A column that is added, and the constraints that it brings.
pub(super) fn column(
    table: &Name,
    node: &SyntaxNode,
    guard: bool,
    owner: ColumnOf,
    deeds: &mut Vec<Guarded>,
) {
    let Some(called) = own_name(node, Kind::COLUMN_NAME) else {
        return;
    };
    let kind = node
        .children()
        .find(|child| is_type(child.kind()))
        .map_or_else(String::new, |kind| shown(&kind));
    let serial = kind.to_ascii_lowercase();
    let mut column = DeclaredColumn {
        table: table.clone(),
        name: called.clone(),
        generated: match serial.as_str() {
            "serial" | "serial2" | "serial4" | "serial8" | "bigserial" | "smallserial" => {
                Generated::Serial
            }
            _ => Generated::No,
        },
        not_null: serial.contains("serial"),
        kind,
        default: None,
        with_table: owner == ColumnOf::NewTable,
    };
    let mut constraints = Vec::new();
    for part in node.children() {
        match part.kind() {
            Kind::NOT_NULL_CONSTRAINT => column.not_null = true,
            Kind::DEFAULT_CONSTRAINT => column.default = expression_in(&part),
            Kind::GENERATED_CONSTRAINT if has(&part, Kind::GENERATED_IDENTITY) => {
                column.generated = Generated::Identity;
                column.not_null = true;
            }
            Kind::GENERATED_CONSTRAINT => {
                column.generated = match has(&part, Kind::GENERATED_STORED) {
                    true => Generated::Stored,
                    false => Generated::Virtual,
                };
                column.default = part.children().find_map(|inner| expression_in(&inner));
            }
            _ => {
                if let Some(mut constraint) = constraint(table, &part, Some(&called)) {
                    constraint.with_table = owner == ColumnOf::NewTable;
                    column.not_null |= constraint.kind == ConstraintKind::Primary;
                    constraints.push((guard, Deed::AddConstraint(constraint)));
                }
            }
        }
    }
    // NULL is what a column has without a default.
    column.default = column.default.filter(|default| default.form != "null");
    deeds.push((guard, Deed::AddColumn(column)));
    deeds.extend(constraints);
}

pub(super) fn is_type(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::PATH_TYPE
            | Kind::ARRAY_TYPE
            | Kind::BIT_TYPE
            | Kind::BIT_VARYING_TYPE
            | Kind::CHARACTER_TYPE
            | Kind::VARCHAR_TYPE
            | Kind::DOUBLE_TYPE
            | Kind::INTERVAL_TYPE
            | Kind::TIME_TYPE
            | Kind::TIMESTAMP_TYPE
            | Kind::PERCENT_TYPE
    )
}
