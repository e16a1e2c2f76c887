//! The tables of which a statement that only looks reads each row, as far as its text tells.
//!
//! A WHERE may be answered by an index, so nothing is said where there is one. The server is not asked:
//! to plan a script runs functions of it, before anybody has signed it.

use crate::runbook::lexer::{Lexeme, Token, tokens};
use crate::runbook::objects::Name;
use crate::runbook::script::Statement;

/// With one of these it may read less than all of it.
const LESS: [&str; 3] = ["WHERE", "LIMIT", "FETCH"];

pub(super) fn read_whole(statement: &Statement) -> Vec<Name> {
    if statement.kind != "SELECT" {
        return Vec::new();
    }
    let mut fours = statement.text.as_bytes().windows(4);
    if !fours.any(|four| four.eq_ignore_ascii_case(b"FROM") || four.eq_ignore_ascii_case(b"JOIN")) {
        return Vec::new();
    }
    let words = tokens(&statement.text);
    if words.iter().any(|word| word.is_one_of(&LESS)) {
        return Vec::new();
    }
    // What a WITH names is no table.
    if words.first().is_none_or(|first| !first.is("SELECT")) {
        return Vec::new();
    }
    let mut found: Vec<Name> = Vec::new();
    // For each parenthesis that is open, whether a query begins behind it: else FROM is a word of a call.
    let mut queries = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match word.kind {
            Lexeme::Open => queries.push(words.get(at + 1).is_some_and(|next| next.is("SELECT"))),
            Lexeme::Close => drop(queries.pop()),
            _ => {}
        }
        let of_query = queries.last().copied().unwrap_or(true);
        let distinct = at > 0 && words.get(at - 1).is_some_and(|word| word.is("DISTINCT"));
        if of_query && (word.is("JOIN") || word.is("FROM") && !distinct) {
            let named = tables(words.get(at + 1..).unwrap_or_default());
            found.extend(named.into_iter().filter(|name| !is_the_servers(name)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The names of a list behind FROM, up to whatever is none.
fn tables(words: &[Token<'_>]) -> Vec<Name> {
    let mut found = Vec::new();
    let mut rest = words;
    loop {
        if rest.first().is_some_and(|word| word.is("ONLY")) {
            rest = rest.get(1..).unwrap_or_default();
        }
        let mut length = 0;
        while rest.get(length).is_some_and(Token::is_name) {
            length += 1;
            match rest.get(length) {
                Some(dot) if dot.text == "." => length += 1,
                _ => break,
            }
        }
        let (name, behind) = rest.split_at(length);
        // A name with a parenthesis behind it is a function's.
        if name.is_empty() || behind.first().is_some_and(|word| word.kind == Lexeme::Open) {
            return found;
        }
        let text: String = name.iter().map(|word| word.text).collect();
        found.extend(Name::parse(&text));
        let comma = behind.iter().take(3).position(|word| word.text == ",");
        match comma {
            Some(comma) => rest = behind.get(comma + 1..).unwrap_or_default(),
            None => return found,
        }
    }
}

fn is_the_servers(name: &Name) -> bool {
    match &name.schema {
        Some(schema) => schema == "pg_catalog" || schema == "information_schema",
        None => name.name.starts_with("pg_"),
    }
}
