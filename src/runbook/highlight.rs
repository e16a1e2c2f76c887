//! Which parts of a script's text are to be coloured, for the script view.
//!
//! The same words as the script reader sees, so what looks like a string is one. Linear in the
//! length of the text; what is left between two tokens needs no colour.

use std::ops::Range;

use super::lexer::{Lexeme, Lexer};
use super::meta;

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

/// The parts of a text that are coloured, from a place on where no word is under way: its beginning, the
/// beginning of a statement, the end of what COPY takes, or of a part. They come in order, in bytes, and do
/// not overlap; a part may span lines.
pub struct Colouring<'a> {
    text: &'a str,
    from: usize,
    lexer: Lexer<'a>,
    /// What COPY takes. It is no SQL; a quote in it would colour the rest of the file.
    data: &'a [Range<usize>],
}

impl<'a> Colouring<'a> {
    /// From a place of a text on; `data` lie in order.
    pub fn new(text: &'a str, from: usize, data: &'a [Range<usize>]) -> Colouring<'a> {
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        Colouring {
            text,
            from,
            lexer: Lexer::new(rest),
            data,
        }
    }

    /// Goes on behind the data that begin on the line that ended at `end`.
    fn pass_over_data(&mut self, end: usize) {
        let next = self.data.partition_point(|data| data.end <= end);
        let begun = self.data.get(next).filter(|data| data.start <= end);
        if let Some(data) = begun {
            self.lexer.seek(data.end - self.from);
        }
    }
}

impl Iterator for Colouring<'_> {
    type Item = (Range<usize>, Highlight);

    fn next(&mut self) -> Option<(Range<usize>, Highlight)> {
        while let Some(lexed) = self.lexer.next() {
            let range = self.from + lexed.range.start..self.from + lexed.range.end;
            let colour = match lexed.kind {
                Lexeme::Space => continue,
                Lexeme::Newline => {
                    self.pass_over_data(range.end);
                    continue;
                }
                Lexeme::LineComment | Lexeme::BlockComment => Highlight::Comment,
                Lexeme::Word if self.text.get(range.clone()).is_some_and(is_keyword) => {
                    Highlight::Keyword
                }
                Lexeme::Word | Lexeme::QuotedName => Highlight::Name,
                Lexeme::String => Highlight::String,
                Lexeme::Number | Lexeme::Parameter => Highlight::Number,
                Lexeme::Variable => Highlight::Meta,
                Lexeme::Backslash => {
                    let (_, end) = meta::parse_meta(self.text.as_bytes(), range.start, None);
                    self.lexer.seek(end - self.from);
                    return Some((range.start..end, Highlight::Meta));
                }
                _ => Highlight::Operator,
            };
            return Some((range, colour));
        }
        None
    }
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
        let seen: Vec<(&str, Highlight)> = Colouring::new(text, 0, &[])
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
        let data = Range { start: 19, end: 26 };
        let seen: Vec<_> = Colouring::new(text, 0, &[data]).collect();
        assert!(seen.contains(&(36..39, Highlight::String)), "{seen:?}");
    }

    proptest! {
        #[test]
        fn tokens_are_in_order_and_on_characters(text in "[\\PC\n'$\\\\ab:()/*-]{0,60}") {
            let mut end = 0;
            for (range, _) in Colouring::new(&text, 0, &[]) {
                prop_assert!(range.start >= end && range.end > range.start);
                prop_assert!(text.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
