//! Where in the script a statement failed, as psql says it: file, line, column, the line itself, and a
//! caret below the character.

use crate::facts::ServerMessage;
use crate::runbook::printable::printable;
use crate::runbook::script::Script;

/// How much of a long line stands before the caret, and behind it, in characters.
const ABOUT: usize = 60;

pub(super) struct ScriptPosition<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    /// The line, where the server pointed at a character of it.
    text: Option<&'a str>,
}

impl<'a> ScriptPosition<'a> {
    /// Where the server means with `error` about the statement `number`; `None` for what is no error.
    pub(super) fn of(
        script: &'a Script,
        number: usize,
        error: &ServerMessage,
    ) -> Option<ScriptPosition<'a>> {
        if !matches!(error.severity.as_str(), "ERROR" | "FATAL" | "PANIC") {
            return None;
        }
        let statement = script.statement(number)?;
        let source = script.sources.get(statement.source)?;
        let pointed = error
            .position
            .and_then(|position| script.place(statement, position));
        let (line, column) = pointed.unwrap_or((statement.line, statement.column));
        Some(ScriptPosition {
            file: &source.name,
            line,
            column,
            text: pointed.and_then(|(line, _)| source.text.lines().nth(line.checked_sub(1)?)),
        })
    }

    /// `FILE:LINE:COLUMN`
    pub(super) fn head(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }

    /// The line and the caret, where there is one to point at. A long line is cut on both sides.
    pub(super) fn shown(&self) -> Vec<String> {
        let Some(text) = self.text else {
            return Vec::new();
        };
        let before: String = text.chars().take(self.column.saturating_sub(1)).collect();
        let behind: String = text.chars().skip(self.column.saturating_sub(1)).collect();
        // A tab would be as wide as the terminal likes.
        let shown = |text: &str| printable(&text.replace('\t', " ")).into_owned();
        let (before, behind) = (shown(&before), shown(&behind));
        let cut = before.chars().count().saturating_sub(ABOUT);
        let mut head = format!("LINE {}: ", self.line);
        if cut > 0 {
            head.push_str("...");
        }
        head.extend(before.chars().skip(cut));
        let caret = " ".repeat(head.chars().count());
        let mut line = head;
        line.extend(behind.chars().take(ABOUT));
        if behind.chars().nth(ABOUT).is_some() {
            line.push_str("...");
        }
        vec![line, format!("{caret}^")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(position: Option<usize>) -> ServerMessage {
        ServerMessage {
            severity: "ERROR".into(),
            position,
            ..ServerMessage::default()
        }
    }

    #[test]
    fn the_caret_stands_below_the_character_that_the_server_means() {
        let text = "CREATE TABLE ok(a int);\n\nSELECT\n  1,\n\t2 FRM x;\n";
        let script = Script::read("bare.sql", None, text.as_bytes());
        let place = ScriptPosition::of(&script, 2, &error(Some(20))).unwrap();
        assert_eq!(place.head(), "bare.sql:5:8");
        assert_eq!(place.shown(), ["LINE 5:  2 FRM x;", "               ^"]);
        // Without a position it is the statement's own place.
        let place = ScriptPosition::of(&script, 2, &error(None)).unwrap();
        assert_eq!(place.head(), "bare.sql:3:1");
        assert!(place.shown().is_empty());
        let notice = ServerMessage::default();
        assert!(ScriptPosition::of(&script, 2, &notice).is_none());
    }

    #[test]
    fn a_long_line_is_cut_on_both_sides() {
        let text = format!("SELECT '{}', x, '{}';", "a".repeat(500), "b".repeat(500));
        let script = Script::read("long.sql", None, text.as_bytes());
        let at = text.find(", x").unwrap() + 3;
        let [line, caret] = &ScriptPosition::of(&script, 1, &error(Some(at)))
            .unwrap()
            .shown()[..]
        else {
            panic!("no place");
        };
        assert!(
            line.starts_with("LINE 1: ...aaa") && line.ends_with("bbb..."),
            "{line}"
        );
        assert_eq!(
            line.chars().nth(caret.chars().count() - 1),
            Some('x'),
            "{line}"
        );
    }
}
