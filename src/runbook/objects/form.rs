//! Expressions in one form, so that what a script writes can be held against what the server writes
//! of the same: parentheses by the tree and not by the hand, words in lower case, no cast of a
//! constant.
//!
//! Two forms that are the same are the same expression. Two that differ may still be: the server
//! rewrites more than is undone here. So a difference is only ever told as one of the text.

use super::name::{identifier, quoted};
use squawk_syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

pub(super) fn normalize_expression(node: &SyntaxNode) -> String {
    match node.kind() {
        SyntaxKind::PAREN_EXPR => node
            .first_child()
            .map_or_else(String::new, |inner| normalize_expression(&inner)),
        SyntaxKind::CAST_EXPR => cast(node),
        SyntaxKind::PREFIX_EXPR => {
            let minus = node.first_token().is_some_and(|sign| sign.text() == "-");
            match node.first_child() {
                Some(number) if minus && number.kind() == SyntaxKind::LITERAL => {
                    format!("-{}", normalize_expression(&number))
                }
                _ => composed(node),
            }
        }
        _ => composed(node),
    }
}

/// The parts in their forms; in parentheses where the tree groups them.
fn composed(node: &SyntaxNode) -> String {
    let parts: Vec<String> = node
        .children_with_tokens()
        .filter_map(|part| match (part.as_node(), part.as_token()) {
            (Some(node), _) => Some(normalize_expression(node)),
            (None, Some(token)) => word(token),
            (None, None) => None,
        })
        .filter(|part| !part.is_empty())
        .collect();
    let groups = matches!(
        node.kind(),
        SyntaxKind::BIN_EXPR
            | SyntaxKind::PREFIX_EXPR
            | SyntaxKind::POSTFIX_EXPR
            | SyntaxKind::BETWEEN_EXPR
    );
    let text = parts.join(" ");
    if groups { format!("({text})") } else { text }
}

/// A word in its one form; nothing for blanks and comments.
pub(super) fn word(token: &SyntaxToken) -> Option<String> {
    let text = token.text();
    match token.kind() {
        SyntaxKind::WHITESPACE | SyntaxKind::COMMENT => None,
        SyntaxKind::STRING => Some(text.to_owned()),
        SyntaxKind::IDENT => Some(quoted(&identifier(text))),
        _ => Some(text.to_ascii_lowercase()),
    }
}

/// The server casts constants where a script does not.
fn cast(node: &SyntaxNode) -> String {
    let mut operand = node.first_child();
    while let Some(inner) = operand
        .as_ref()
        .filter(|operand| operand.kind() == SyntaxKind::PAREN_EXPR)
        .and_then(SyntaxNode::first_child)
    {
        operand = Some(inner);
    }
    let Some(operand) = operand else {
        return composed(node);
    };
    let text = normalize_expression(&operand);
    let constant = match operand.kind() {
        SyntaxKind::LITERAL | SyntaxKind::CAST_EXPR => true,
        SyntaxKind::PREFIX_EXPR => !text.starts_with('('),
        _ => false,
    };
    if !constant {
        return composed(node);
    }
    // '-1'::integer is -1, but '1'::text is not 1.
    let of_number = node.last_child().is_some_and(|kind| {
        let kind = kind.text().to_string().to_ascii_lowercase();
        ["int", "smallint", "numeric", "double", "real", "float"]
            .iter()
            .any(|number| kind.contains(number))
    });
    let inside = text.trim_matches('\'');
    if of_number && inside.parse::<f64>().is_ok() {
        inside.to_owned()
    } else {
        text
    }
}

/// A node's text with each run of blanks and comments as one blank: for people.
pub(super) fn shown(node: &SyntaxNode) -> String {
    let mut out = String::new();
    let tokens = node.descendants_with_tokens();
    for token in tokens.filter_map(|element| element.into_token()) {
        if matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT) {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push_str(token.text());
        }
    }
    out.trim().to_owned()
}
