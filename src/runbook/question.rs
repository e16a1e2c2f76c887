//! A query as a person types it at the gate: which ones may go into the held transaction at all.
//!
//! A [`Question`] is made only here, and what is sent of it is either `DECLARE … CURSOR FOR` with
//! the typed text, which takes nothing but a query, or a SHOW or an EXPLAIN that executes nothing.
//! Nothing here is the only guard: the text goes by the extended protocol, which takes one
//! statement, and the server keeps it read-only.

mod describe;

use super::lexer::{Lexeme, Token, tokens};

/// What stands before a query, so that it cannot be anything else.
const CURSOR: &str = "DECLARE stagegate_query NO SCROLL CURSOR FOR ";

/// Fetches the next rows of the query; the number of rows follows after `FORWARD`.
const FETCH: &str = "FETCH FORWARD";

/// The words with which a query begins.
const QUERIES: [&str; 4] = ["SELECT", "VALUES", "WITH", "TABLE"];

/// The words that may stand in the options of EXPLAIN. ANALYZE is none of them: it executes, and
/// the server lets it make a table even in a read-only transaction.
const EXPLAINS: [&str; 17] = [
    "VERBOSE",
    "COSTS",
    "SETTINGS",
    "GENERIC_PLAN",
    "BUFFERS",
    "SUMMARY",
    "MEMORY",
    "FORMAT",
    "TEXT",
    "XML",
    "JSON",
    "YAML",
    "ON",
    "OFF",
    "TRUE",
    "FALSE",
    "NONE",
];

/// A text that may be asked inside the held transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    text: String,
    /// The query that it stands for, where it is none itself.
    select: Option<String>,
    cursor: bool,
}

/// Why a text may not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfit {
    #[error("There is nothing to ask: type SELECT …, VALUES, WITH, TABLE, SHOW or EXPLAIN.")]
    Empty,
    #[error(
        "{0} is refused: only SELECT, VALUES, WITH, TABLE, SHOW and EXPLAIN may be asked here. \
         Nothing was sent."
    )]
    Other(String),
    #[error("One query at a time: there is something behind the semicolon. Nothing was sent.")]
    Several,
    #[error(
        "Of psql's backslash commands \\d NAME and \\dt are known here; ask for the rest with SELECT. \
         Nothing was sent."
    )]
    Meta,
    #[error(
        "EXPLAIN takes no ANALYZE here, because that executes the statement, nor an option that is \
         not known ({0}). Nothing was sent."
    )]
    Executes(String),
    #[error("The text holds a NUL character, which the protocol cannot carry. Nothing was sent.")]
    Nul,
}

impl Question {
    /// Reads what was typed.
    ///
    /// # Errors
    /// Why it may not be asked.
    pub fn read(text: &str) -> Result<Question, Unfit> {
        let text = text.trim();
        if text.contains('\0') {
            return Err(Unfit::Nul);
        }
        if let Some(select) = describe::select_for(text) {
            return Ok(Question {
                text: text.to_owned(),
                select: Some(select),
                cursor: true,
            });
        }
        let tokens = tokens(text);
        let Some(first) = tokens.first() else {
            return Err(Unfit::Empty);
        };
        let meta =
            |token: &Token<'_>| matches!(token.kind, Lexeme::Backslash | Lexeme::JoiningSemicolon);
        if tokens.iter().any(meta) {
            return Err(Unfit::Meta);
        }
        let end = tokens.iter().position(|t| t.kind == Lexeme::Semicolon);
        if end == Some(0) {
            return Err(Unfit::Empty);
        }
        let behind = end.and_then(|end| tokens.get(end..)).unwrap_or_default();
        if behind.iter().any(|t| t.kind != Lexeme::Semicolon) {
            return Err(Unfit::Several);
        }
        let cursor = first.kind == Lexeme::Open || first.is_one_of(&QUERIES);
        if first.is("EXPLAIN") {
            only_plans(tokens.get(1..).unwrap_or_default())?;
        } else if !cursor && !first.is("SHOW") {
            let word: String = first.text.chars().take(30).collect();
            return Err(Unfit::Other(word.to_uppercase()));
        }
        Ok(Question {
            text: text.to_owned(),
            select: None,
            cursor,
        })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is sent: one statement, by the extended protocol.
    pub fn statement(&self) -> String {
        let query = self.select.as_ref().unwrap_or(&self.text);
        match self.cursor {
            true => format!("{CURSOR}{query}"),
            false => query.clone(),
        }
    }

    /// What is sent after it to get the next `rows` rows; `None` where they came at once.
    pub fn fetch(&self, rows: usize) -> Option<String> {
        self.cursor
            .then(|| format!("{FETCH} {rows} FROM stagegate_query"))
    }

    /// A position in what was sent, in characters from 1, as one in what was typed.
    pub fn position(&self, sent: usize) -> Option<usize> {
        if self.select.is_some() {
            return None;
        }
        let before = if self.cursor { CURSOR.len() } else { 0 };
        sent.checked_sub(before).filter(|position| *position > 0)
    }
}

/// EXPLAIN with options that execute nothing. What is not known counts as executing: an option's
/// name may be quoted and escaped.
fn only_plans(tokens: &[Token<'_>]) -> Result<(), Unfit> {
    let unknown = |token: Option<&Token<'_>>| {
        let text = token.map_or("nothing", |token| token.text);
        Unfit::Executes(text.chars().take(30).collect())
    };
    let bracketed = matches!(tokens, [open, then, ..] if open.kind == Lexeme::Open
        && then.kind != Lexeme::Open && !then.is_one_of(&QUERIES));
    if !bracketed {
        let first = tokens.iter().find(|token| !token.is("VERBOSE"));
        return match first {
            // A sign may be white space to the server, with ANALYZE behind it.
            Some(token)
                if matches!(token.kind, Lexeme::Word | Lexeme::Open)
                    && !token.is_one_of(&["ANALYZE", "ANALYSE"]) =>
            {
                Ok(())
            }
            other => Err(unknown(other)),
        };
    }
    for token in tokens.iter().skip(1) {
        let known = match token.kind {
            Lexeme::Close => return Ok(()),
            Lexeme::Word => token.is_one_of(&EXPLAINS),
            Lexeme::Symbol => token.text == ",",
            _ => false,
        };
        if !known {
            return Err(unknown(Some(token)));
        }
    }
    Err(unknown(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_go_into_a_cursor_as_they_were_typed() {
        for text in [
            "SELECT 1",
            "select ';' ; ",
            "  VALUES (1)",
            "WITH a AS (SELECT 1) SELECT * FROM a;;",
            "TABLE t -- ; COMMIT",
            "(SELECT 1) UNION SELECT 2",
            "/* COMMIT; */ SELECT 'x\\y'",
        ] {
            let question = Question::read(text).unwrap();
            assert_eq!(question.text(), text.trim());
            assert_eq!(question.statement(), format!("{CURSOR}{}", text.trim()));
            assert!(question.fetch(7).unwrap().contains(" 7 "));
        }
    }

    #[test]
    fn show_and_explain_go_as_they_are() {
        for text in [
            "SHOW search_path",
            "EXPLAIN SELECT 1",
            "explain verbose DELETE FROM t",
            "EXPLAIN (FORMAT json, costs off) SELECT 1",
            "EXPLAIN (SELECT 1)",
            "EXPLAIN ((SELECT 1))",
        ] {
            let question = Question::read(text).unwrap();
            assert_eq!(question.statement(), text);
            assert_eq!(question.fetch(7), None);
        }
    }

    #[test]
    fn whatever_is_no_query_is_refused_by_its_name() {
        let words = "COMMIT ROLLBACK SAVEPOINT RELEASE END BEGIN SET RESET COPY LOCK INSERT UPDATE DELETE MERGE \
                     CREATE DROP DO CALL DECLARE FETCH PREPARE EXECUTE LISTEN NOTIFY DISCARD ALTER CLOSE \
                     \"SELECT\"";
        for word in words.split(' ') {
            let refused = Question::read(&format!("{word} x")).unwrap_err();
            assert_eq!(refused, Unfit::Other(word.to_owned()));
        }
    }

    #[test]
    fn explain_never_executes() {
        for text in [
            "EXPLAIN ANALYZE SELECT 1",
            "EXPLAIN analyse SELECT 1",
            "EXPLAIN /* */ VERBOSE -- x\n ANALYZE SELECT 1",
            "EXPLAIN (ANALYZE) SELECT 1",
            "EXPLAIN (verbose, analyze on) SELECT 1",
            "EXPLAIN (\"analyze\") SELECT 1",
            "EXPLAIN (U&\"\\0061nalyze\") SELECT 1",
            "EXPLAIN (verbose",
            "EXPLAIN",
            // White space to a server from 16 on.
            "EXPLAIN \x0bANALYZE SELECT 1",
            "EXPLAIN VERBOSE\x0b ANALYZE SELECT 1",
        ] {
            let refused = Question::read(text).unwrap_err();
            assert!(
                matches!(refused, Unfit::Executes(_) | Unfit::Meta),
                "{text}: {refused}"
            );
        }
    }

    #[test]
    fn two_statements_nothing_and_backslashes_are_refused() {
        let refused = |text| Question::read(text).unwrap_err();
        assert_eq!(refused("SELECT 1; COMMIT"), Unfit::Several);
        assert_eq!(refused("SELECT 1; ; SELECT 2"), Unfit::Several);
        assert_eq!(refused(" -- only words"), Unfit::Empty);
        assert_eq!(refused(";"), Unfit::Empty);
        assert_eq!(refused("\\gexec"), Unfit::Meta);
        assert_eq!(refused("SELECT 1 \\; COMMIT"), Unfit::Meta);
        assert_eq!(refused("SELECT '\0'"), Unfit::Nul);
    }

    #[test]
    fn a_position_is_counted_in_what_was_typed() {
        let question = Question::read("SELECT x").unwrap();
        let sent = question.statement().find(" x").unwrap() + 2;
        assert_eq!(question.position(sent), Some(8));
        assert_eq!(question.position(3), None);
        assert_eq!(Question::read("SHOW x").unwrap().position(6), Some(6));
    }
}
