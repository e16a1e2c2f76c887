//! A constraint as it is declared, of a table or of one of its columns.
//!
//! What the server takes as said without being said (NO ACTION) is left away, so that two
//! declarations of the same constraint read the same.

use super::super::form::shown;
use super::super::name::{Name, identifier};
use super::super::{Constraint, ConstraintKind};
use super::Kind;
use super::expression::{expression, expression_in};
use super::node::{child, has, name, own_name, words};
use squawk_syntax::SyntaxNode;

/// A constraint of a table, or of the column `of`.
#[expect(
    clippy::too_many_lines,
    reason = "one match over every kind of constraint"
)]
pub(super) fn constraint(table: &Name, node: &SyntaxNode, of: Option<&str>) -> Option<Constraint> {
    let kind = match node.kind() {
        Kind::PRIMARY_KEY_CONSTRAINT => ConstraintKind::Primary,
        Kind::UNIQUE_CONSTRAINT => ConstraintKind::Unique,
        Kind::REFERENCES_CONSTRAINT | Kind::FOREIGN_KEY_CONSTRAINT => ConstraintKind::Foreign,
        Kind::CHECK_CONSTRAINT => ConstraintKind::Check,
        Kind::EXCLUDE_CONSTRAINT => ConstraintKind::Exclude,
        _ => return None,
    };
    let called = child(node, Kind::CONSTRAINT_NAME_CLAUSE);
    let lists: Vec<SyntaxNode> = node
        .children()
        .flat_map(|child| match child.kind() {
            Kind::INDEX_PARAMETERS => child.children().collect(),
            _ => vec![child],
        })
        .filter(|child| {
            matches!(
                child.kind(),
                Kind::FOREIGN_KEY_COLUMN_LIST | Kind::CONSTRAINT_COLUMN_REF_LIST
            )
        })
        .collect();
    let columns = |list: Option<&SyntaxNode>| -> Vec<String> {
        let list = list.into_iter().flat_map(SyntaxNode::descendants);
        list.filter(|node| node.kind() == Kind::COLUMN_NAME_REF)
            .map(|node| identifier(&shown(&node)))
            .collect()
    };
    let target = child(node, Kind::TABLE_NAME_REF).and_then(|node| name(&node));
    let own = match of {
        Some(column) => vec![column.to_owned()],
        None => columns(lists.first()),
    };
    let references = target.map(|target| {
        let columns = match of {
            // REFERENCES table (column) has its column beside the table.
            Some(_) => own_name(node, Kind::COLUMN_NAME_REF).into_iter().collect(),
            None => columns(lists.get(1)),
        };
        (target, columns)
    });
    let expression = match kind {
        ConstraintKind::Check => expression_in(node),
        ConstraintKind::Exclude => child(node, Kind::CONSTRAINT_EXCLUSION_LIST)
            .as_ref()
            .map(expression),
        _ => None,
    };
    let rest: Vec<String> = node
        .children()
        .filter(|child| {
            matches!(
                child.kind(),
                Kind::ON_DELETE_ACTION
                    | Kind::ON_UPDATE_ACTION
                    | Kind::MATCH_FULL
                    | Kind::DEFERRABLE_CONSTRAINT_OPTION
                    | Kind::INITIALLY_DEFERRED_CONSTRAINT_OPTION
                    | Kind::NULLS_NOT_DISTINCT
                    | Kind::WHERE_CONDITION_CLAUSE
            )
        })
        .map(|child| words(&child))
        // What is said without being said.
        .filter(|text| !text.ends_with(" no action"))
        .collect();
    let mut rest = rest;
    rest.sort();
    let mut definition = shown(node);
    if let Some(called) = &called
        && let Some(behind) = definition.strip_prefix(&shown(called))
    {
        definition = behind.trim_start().to_owned();
    }
    Some(Constraint {
        table: table.clone(),
        name: called
            .as_ref()
            .and_then(|called| own_name(called, Kind::CONSTRAINT_NAME)),
        kind,
        columns: own,
        references,
        expression,
        rest: rest.join(" "),
        not_valid: has(node, Kind::NOT_VALID),
        using_index: has(node, Kind::USING_INDEX_NAME),
        with_column: of.is_some(),
        with_table: false,
        definition,
    })
}
