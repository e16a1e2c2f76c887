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
pub(super) fn constraint(table: &Name, node: &SyntaxNode, of: Option<&str>) -> Option<Constraint> {
    let kind = kind_of(node)?;
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
        rest: rest_of(node),
        not_valid: has(node, Kind::NOT_VALID),
        using_index: has(node, Kind::USING_INDEX_NAME),
        with_column: of.is_some(),
        with_table: false,
        definition,
    })
}

fn kind_of(node: &SyntaxNode) -> Option<ConstraintKind> {
    match node.kind() {
        Kind::PRIMARY_KEY_CONSTRAINT => Some(ConstraintKind::Primary),
        Kind::UNIQUE_CONSTRAINT => Some(ConstraintKind::Unique),
        Kind::REFERENCES_CONSTRAINT | Kind::FOREIGN_KEY_CONSTRAINT => Some(ConstraintKind::Foreign),
        Kind::CHECK_CONSTRAINT => Some(ConstraintKind::Check),
        Kind::EXCLUDE_CONSTRAINT => Some(ConstraintKind::Exclude),
        _ => None,
    }
}

/// Its actions and options, in an order of their own.
fn rest_of(node: &SyntaxNode) -> String {
    let told = node.children().filter(|child| {
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
    });
    // What is said without being said.
    let said = |text: &String| !text.ends_with(" no action");
    let mut rest: Vec<String> = told.map(|child| words(&child)).filter(said).collect();
    rest.sort();
    rest.join(" ")
}
