//! The small questions that every reading puts to a syntax tree: which child, which name, which words.
//!
//! A question that the tree has no answer to is answered with nothing, never with a guess.

use super::super::form::{shown, word};
use super::super::name::{Name, identifier};
use super::Kind;
use squawk_syntax::SyntaxNode;

pub(super) fn child(node: &SyntaxNode, kind: Kind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

pub(super) fn has(node: &SyntaxNode, kind: Kind) -> bool {
    child(node, kind).is_some()
}

pub(super) fn has_word(node: &SyntaxNode, kind: Kind) -> bool {
    node.children_with_tokens()
        .any(|element| element.as_token().is_some_and(|token| token.kind() == kind))
}

pub(super) fn guarded(node: &SyntaxNode) -> bool {
    has(node, Kind::IF_NOT_EXISTS) || has(node, Kind::IF_EXISTS)
}

/// The name in a node: its segments, the outermost first.
pub(super) fn name(node: &SyntaxNode) -> Option<Name> {
    Name::of(segments(node))
}

pub(super) fn segments(node: &SyntaxNode) -> Vec<String> {
    let segments: Vec<String> = node
        .descendants()
        .filter(|node| matches!(node.kind(), Kind::PATH_SEGMENT | Kind::PATH_SEGMENT_REF))
        .map(|segment| identifier(&shown(&segment)))
        .collect();
    if segments.is_empty() {
        return vec![identifier(&shown(node))];
    }
    segments
}

/// The last part of a name that stands in a child of that kind.
pub(super) fn own_name(node: &SyntaxNode, kind: Kind) -> Option<String> {
    Some(name(&child(node, kind)?)?.name)
}

pub(super) fn relation(statement: &SyntaxNode) -> Option<Name> {
    let named = |node: &SyntaxNode| {
        matches!(
            node.kind(),
            Kind::TABLE_RELATION_NAME
                | Kind::TABLE_NAME
                | Kind::TABLE_NAME_REF
                | Kind::RELATION_NAME_REF
                | Kind::ON_RELATION
        )
    };
    let node = statement.children().find(named)?;
    let inner = node.descendants().find(|node| {
        matches!(
            node.kind(),
            Kind::TABLE_NAME | Kind::TABLE_NAME_REF | Kind::RELATION_NAME_REF
        )
    });
    name(&inner.unwrap_or(node))
}

/// A node's words in their one form.
pub(super) fn words(node: &SyntaxNode) -> String {
    let tokens = node.descendants_with_tokens();
    let words: Vec<String> = tokens
        .filter_map(|element| element.into_token())
        .filter_map(|token| word(&token))
        .collect();
    words.join(" ")
}
