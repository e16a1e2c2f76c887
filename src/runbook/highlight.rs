//! Which parts of a script's text are to be coloured, for the script view.
//!
//! The same words as the script reader sees, so what looks like a string is one. Linear in the
//! length of the text; what is left between two tokens needs no colour.

use std::ops::Range;

use super::lexer::{Lexeme, Lexer};
use super::meta;
use super::scanner::{ScannedItem, Scanner};
use super::variables::Variables;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Highlight {
    /// A word of the SQL language.
    Keyword,
    /// A name, quoted or not.
    Name,
    String,
    Number,
    Comment,
    Operator,
    /// A psql meta-command or variable.
    Meta,
}

/// The parts of `text` that are coloured, in order, in bytes. They do not overlap; a part may
/// span lines.
pub fn tokens(text: &str) -> Vec<(Range<usize>, Highlight)> {
    let mut lexer = Lexer::new(text.as_bytes());
    let mut data = copy_data(text).into_iter().peekable();
    let mut tokens: Vec<(Range<usize>, Highlight)> = Vec::new();
    while let Some(lexed) = lexer.next() {
        let token = match lexed.kind {
            Lexeme::Space => continue,
            Lexeme::Newline => {
                // The data of COPY is no SQL; a quote in it would colour the rest of the file.
                if let Some(data) = data.next_if(|data| data.start <= lexed.range.end) {
                    lexer.seek(data.end);
                }
                continue;
            }
            Lexeme::LineComment | Lexeme::BlockComment => Highlight::Comment,
            Lexeme::Word if text.get(lexed.range.clone()).is_some_and(is_keyword) => {
                Highlight::Keyword
            }
            Lexeme::Word | Lexeme::QuotedName => Highlight::Name,
            Lexeme::String => Highlight::String,
            Lexeme::Number | Lexeme::Parameter => Highlight::Number,
            Lexeme::Variable => Highlight::Meta,
            Lexeme::Backslash => {
                let (_, end) = meta::parse_meta(text.as_bytes(), lexed.range.start, None);
                lexer.seek(end);
                tokens.push((lexed.range.start..end, Highlight::Meta));
                continue;
            }
            _ => Highlight::Operator,
        };
        tokens.push((lexed.range, token));
    }
    tokens
}

fn copy_data(text: &str) -> Vec<Range<usize>> {
    let mut scanner = Scanner::new(text.as_bytes());
    let mut data = Vec::new();
    let none = Variables::default();
    while let Some(item) = scanner.next(&none) {
        if let ScannedItem::Statement(piece) = item {
            data.extend(piece.copy_data);
        }
    }
    data
}

/// Words that are coloured as keywords, in order: the reserved ones, the usual ones of
/// definitions and the usual types. Words that are names more often than not are left out.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "ACCESS", "ADD", "AFTER", "ALL", "ALTER", "ALWAYS", "ANALYSE", "ANALYZE", "AND", "ANY",
    "ARRAY", "AS", "ASC", "ATOMIC", "BEFORE", "BEGIN", "BETWEEN", "BIGINT", "BIGSERIAL",
    "BOOLEAN", "BOTH", "BY", "BYTEA", "CASCADE", "CASE", "CAST", "CHAR", "CHARACTER", "CHECK",
    "CLUSTER", "COLLATE", "COLUMN", "COMMENT", "COMMIT", "CONCURRENTLY", "CONFLICT", "CONSTRAINT",
    "CONSTRAINTS", "COPY", "CREATE", "CROSS", "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_USER",
    "DATABASE", "DATE", "DECIMAL", "DECLARE", "DEFAULT", "DEFERRABLE", "DEFERRED", "DELETE",
    "DESC", "DISTINCT", "DO", "DOMAIN", "DOUBLE", "DROP", "EACH", "ELSE", "END", "ENUM", "EXCEPT",
    "EXCLUDE", "EXCLUSIVE", "EXECUTE", "EXISTS", "EXPLAIN", "EXTENSION", "FALSE", "FETCH",
    "FILTER", "FOR", "FOREIGN", "FROM", "FULL", "FUNCTION", "GENERATED", "GRANT", "GROUP",
    "HAVING", "IDENTITY", "IF", "ILIKE", "IMMEDIATE", "IMMUTABLE", "IN", "INCLUDE", "INDEX",
    "INHERITS", "INITIALLY", "INNER", "INSERT", "INT", "INTEGER", "INTERSECT", "INTERVAL", "INTO",
    "IS", "JOIN", "JSON", "JSONB", "KEY", "LANGUAGE", "LATERAL", "LEADING", "LEFT", "LIKE",
    "LIMIT", "LOCAL", "LOCK", "MATERIALIZED", "MERGE", "MODE", "NATURAL", "NOT", "NOTHING",
    "NOTIFY", "NULL", "NULLS", "NUMERIC", "OF", "OFFSET", "ON", "ONLY", "OPERATOR", "OR", "ORDER",
    "OUTER", "OVER", "OWNED", "OWNER", "PARTITION", "POLICY", "PRECISION", "PRIMARY", "PROCEDURE",
    "PUBLICATION", "RAISE", "READ", "REAL", "REFERENCES", "REFRESH", "REINDEX", "RELEASE",
    "RENAME", "REPLACE", "RESET", "RESTRICT", "RETURN", "RETURNING", "RETURNS", "REVOKE", "RIGHT",
    "ROLE", "ROLLBACK", "ROW", "ROWS", "RULE", "SAVEPOINT", "SCHEMA", "SELECT", "SEQUENCE",
    "SERIAL", "SESSION", "SET", "SHARE", "SHOW", "SIMILAR", "SMALLINT", "SOME", "STABLE", "START",
    "STATEMENT", "STRICT", "TABLE", "TABLESPACE", "TEMP", "TEMPORARY", "TEXT", "THEN", "TIME",
    "TIMESTAMP", "TIMESTAMPTZ", "TO", "TRAILING", "TRANSACTION", "TRIGGER", "TRUE", "TRUNCATE",
    "TYPE", "UNION", "UNIQUE", "UNLOGGED", "UPDATE", "USING", "UUID", "VACUUM", "VALID",
    "VALIDATE", "VALUES", "VARCHAR", "VARYING", "VIEW", "VOLATILE", "WHEN", "WHERE", "WINDOW",
    "WITH", "WITHOUT", "WRITE", "ZONE",
];

fn is_keyword(word: &str) -> bool {
    let longest = 20;
    word.len() <= longest
        && KEYWORDS
            .binary_search(&word.to_ascii_uppercase().as_str())
            .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_list_of_keywords_is_in_order() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn a_statement_is_coloured() {
        let text = "\\echo hi\nALTER table s.\"T\" -- c\n SET a = 'x' || 1;";
        let seen: Vec<(&str, Highlight)> = tokens(text)
            .into_iter()
            .map(|(range, token)| (&text[range], token))
            .collect();
        assert_eq!(
            seen,
            [
                ("\\echo hi", Highlight::Meta),
                ("ALTER", Highlight::Keyword),
                ("table", Highlight::Keyword),
                ("s", Highlight::Name),
                (".", Highlight::Operator),
                ("\"T\"", Highlight::Name),
                ("-- c", Highlight::Comment),
                ("SET", Highlight::Keyword),
                ("a", Highlight::Name),
                ("=", Highlight::Operator),
                ("'x'", Highlight::String),
                ("|", Highlight::Operator),
                ("|", Highlight::Operator),
                ("1", Highlight::Number),
                (";", Highlight::Operator),
            ]
        );
    }

    #[test]
    fn copy_data_is_left_alone() {
        let text = "COPY t FROM stdin;\n1\tit's\n\\.\nSELECT 'x';";
        let seen = tokens(text);
        assert!(seen.contains(&(36..39, Highlight::String)), "{seen:?}");
    }

    proptest! {
        #[test]
        fn tokens_are_in_order_and_on_characters(text in "[\\PC\n'$\\\\ab:()/*-]{0,60}") {
            let mut end = 0;
            for (range, _) in tokens(&text) {
                prop_assert!(range.start >= end && range.end > range.start);
                prop_assert!(text.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
