//! An expression as it is declared: a default, a check, what a column is generated from.

use super::super::Expression;
use super::super::form::{self, shown};
use super::Kind;
use squawk_syntax::SyntaxNode;

/// The expression among a node's children: what is no name of a constraint and no keyword of it.
pub(super) fn expression_in(node: &SyntaxNode) -> Option<Expression> {
    let is_other = |kind: Kind| {
        matches!(
            kind,
            Kind::CONSTRAINT_NAME_CLAUSE
                | Kind::GENERATED_ALWAYS
                | Kind::STORED
                | Kind::VIRTUAL
                | Kind::NOT_VALID
                | Kind::NO_INHERIT
        )
    };
    let inner = node.children().find(|child| !is_other(child.kind()))?;
    Some(expression(&inner))
}

pub(super) fn expression(node: &SyntaxNode) -> Expression {
    let volatile = node.descendants().any(|node| {
        // The time of the transaction is one value for all rows; of other calls nothing is known.
        node.kind() == Kind::CALL_EXPR
            && node.first_child().is_none_or(|called| {
                let called = shown(&called).to_ascii_lowercase();
                !matches!(
                    called.trim_start_matches("pg_catalog."),
                    "now" | "transaction_timestamp" | "statement_timestamp"
                )
            })
    });
    Expression {
        text: shown(node),
        form: form::normalize_expression(node),
        volatile,
    }
}
