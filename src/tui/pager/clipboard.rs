//! A text for the terminal's clipboard.
//!
//! Nothing comes back from a terminal, so nobody can say whether it took the text: what was handed to
//! it is said, and no more. It is printable (I8).

use super::Pager;
use crate::acts::name_keys;
use crate::runbook::printable::printable_lines;
use crate::tui::text::counted;

/// The longest text, in bytes: of longer ones terminals take a part or nothing.
pub(crate) const LONGEST: usize = 50_000;
/// Where a pane has no cursor.
pub(crate) const FIND_FIRST: &str = "Find a line first: {find} goes to it, then {copy} copies it.";

/// What is under the cursor, by name and as text; or why nothing is, in the wording of [`name_keys`].
pub(crate) type UnderCursor = Result<(String, String), &'static str>;

/// A text for the clipboard, where it is fit for it, and what is said of that.
pub(crate) fn hand_over(under: UnderCursor, clipboard: bool) -> (Option<String>, String) {
    let (what, text) = match under {
        Ok(under) => under,
        Err(why) => return (None, name_keys(why)),
    };
    let text = printable_lines(&text);
    let text = text.trim_end();
    if !clipboard {
        let said = "Not copied: a terminal of this kind has no clipboard for programs.";
        (None, said.to_owned())
    } else if text.len() > LONGEST {
        let said =
            format!("Not copied: {what} is longer than the {LONGEST} bytes that terminals take.");
        (None, said)
    } else {
        let lines = counted(text.lines().count(), "line", "lines");
        let said = format!(
            "Handed to the terminal for its clipboard: {what}, {lines}. Some terminals ask or refuse."
        );
        (Some(text.to_owned()), said)
    }
}

impl Pager {
    /// A line of the pane that was drawn last.
    pub(crate) fn line(&self, row: usize) -> Option<&String> {
        self.texts.get(row)
    }

    /// The script's line that was found, or the first on the screen.
    pub(crate) fn script_line(&self) -> UnderCursor {
        let row = self.found_row.unwrap_or(self.reading().top);
        let pages = self.pages.as_ref();
        let line = pages.and_then(|pages| pages.whole_line(row));
        let (name, number, text) = line.ok_or("No line of a file is on the screen.")?;
        Ok((format!("line {number} of {name}"), text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed(text: &str, clipboard: bool) -> (Option<String>, String) {
        hand_over(Ok(("it".to_owned(), text.to_owned())), clipboard)
    }

    #[test]
    fn what_is_copied_is_printable_and_said() {
        let (copied, said) = handed("SELECT '\x1b]52;c;\u{9b}'\n  FROM t\u{202e};\r\n\n", true);
        let expected = "SELECT '\\x1b]52;c;\\x9b'\n  FROM t\\u{202e};";
        assert_eq!(copied.as_deref(), Some(expected));
        assert!(said.contains("it, 2 lines"), "{said}");
    }

    #[test]
    fn what_no_terminal_takes_is_not_sent() {
        assert_eq!(handed("x", false).0, None);
        assert_eq!(handed(&"x".repeat(LONGEST + 1), true).0, None);
        assert!(handed(&"x".repeat(LONGEST), true).0.is_some());
    }
}
