//! CREATE INDEX: what an index is on, in the one form in which two can be compared.
//!
//! An order that the server takes as said without being said is left away.

use super::super::Index;
use super::super::form::{self, shown};
use super::super::name::identifier;
use super::Kind;
use super::expression::expression_in;
use super::node::{child, has, has_word, name, relation, words};
use squawk_syntax::SyntaxNode;

pub(super) fn index(statement: &SyntaxNode) -> Option<Index> {
    let table = relation(statement)?;
    let keys = child(statement, Kind::PARTITION_ITEM_LIST);
    let include = child(statement, Kind::INDEX_INCLUDE_CLAUSE)
        .and_then(|clause| child(&clause, Kind::PARTITION_ITEM_LIST));
    let method = child(statement, Kind::USING_METHOD)
        .and_then(|clause| clause.children().next())
        .map(|method| identifier(&shown(&method)));
    let predicate = child(statement, Kind::WHERE_CLAUSE).and_then(|clause| expression_in(&clause));
    let named = child(statement, Kind::TABLE_RELATION_NAME)?;
    let text = shown(statement);
    let behind = usize::from(named.text_range().end() - statement.text_range().start());
    // What is shown has other blanks than the text; so it is taken from the text and shown anew.
    let definition = statement
        .text()
        .to_string()
        .get(behind..)
        .map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or(text);
    let rest: Vec<String> = statement
        .children()
        .filter(|child| matches!(child.kind(), Kind::NULLS_NOT_DISTINCT))
        .map(|child| words(&child))
        .collect();
    Some(Index {
        table,
        name: child(statement, Kind::INDEX).and_then(|node| Some(name(&node)?.name)),
        unique: has_word(statement, Kind::UNIQUE_KW),
        method: method.unwrap_or_else(|| "btree".to_owned()),
        keys: keys.iter().flat_map(items).collect(),
        include: include.iter().flat_map(items).collect(),
        predicate,
        rest: rest.join(" "),
        definition,
    })
}

/// The items of an index in one form: expression, operator class, order.
fn items(list: &SyntaxNode) -> Vec<String> {
    let of_kind = list.children();
    of_kind
        .filter(|item| item.kind() == Kind::PARTITION_ITEM)
        .map(|item| {
            let mut parts: Vec<String> = Vec::new();
            let descends = has(&item, Kind::SORT_DESC);
            for (at, part) in item.children().enumerate() {
                match part.kind() {
                    Kind::SORT_ASC => {}
                    // What is said without being said.
                    Kind::NULLS_FIRST if descends => {}
                    Kind::NULLS_LAST if !descends => {}
                    _ if at == 0 => parts.push(form::normalize_expression(&part)),
                    _ => parts.push(words(&part)),
                }
            }
            parts.join(" ")
        })
        .collect()
}
