//! What is under the cursor, as a text for the terminal's clipboard.
//!
//! Nothing comes back from a terminal, so nobody can say whether it took the text: what was handed to
//! it is said, and no more. It is what a person sees, printable (I8), for a ticket or for psql.

use super::{Cover, Screen};
use crate::gate::Account;
use crate::gate::machine::Machine;
use crate::gate::phase::Phase;
use crate::gate::query::Looked;
use crate::runbook::printable::printable_lines;
use crate::tui::text::counted;
use crate::tui::view::answer::{AnswerLines, AnswerPane, AnswerStamp};
use crate::tui::view::{self, PhasePane, Roll, Scene};
use ratatui::text::Line;

/// The longest text, in bytes: of longer ones terminals take a part or nothing.
const LONGEST: usize = 50_000;
/// A width at which nothing is wrapped.
const UNWRAPPED: usize = 10_000;

/// What is under the cursor, by name and as text; or why nothing is.
type UnderCursor = Result<(String, String), &'static str>;

/// A text for the clipboard, where it is fit for it, and what is said of that.
pub(crate) fn hand_over(under: UnderCursor, clipboard: bool) -> (Option<String>, String) {
    let (what, text) = match under {
        Ok(under) => under,
        Err(why) => return (None, why.to_owned()),
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

impl Screen {
    /// Copies what is under the cursor.
    pub(super) fn copy(&mut self, machine: &Machine, account: &Account) {
        let under = self.under_cursor(machine, account);
        let (copied, said) = hand_over(under, self.clipboard);
        self.copied = copied;
        self.say(said);
    }

    fn under_cursor(&mut self, machine: &Machine, account: &Account) -> UnderCursor {
        const NOWHERE: &str =
            "No cursor is here: Tab goes to the statements, s opens the scripts; then Y.";
        match (self.cover, self.found) {
            (Some(Cover::Scripts), found) => {
                let top = self.documents.get(self.tab).map_or(0, |scroll| scroll.top);
                let pages = self.pages.as_ref();
                let line =
                    pages.and_then(|pages| pages.whole_line(&self.runbook, found.unwrap_or(top)));
                let (name, number, text) = line.ok_or("No line of a file is on the screen.")?;
                Ok((format!("line {number} of {name}"), text.to_owned()))
            }
            (Some(cover), Some(row)) => {
                let line = self.shown_line(machine, account, cover, row);
                let line = line.ok_or("The line that was found is not there any more.")?;
                Ok(("the line that was found".to_owned(), line))
            }
            (Some(Cover::Statement(number)), None) => self.statement(number),
            (Some(Cover::Answer), None) => {
                let looked = account.looked.as_ref().ok_or("There is no answer yet.")?;
                Ok(self.answered_text(machine, account, looked))
            }
            (Some(Cover::Evidence), None) => Ok(self.evidence_text(machine, account)),
            (Some(Cover::Locks | Cover::Messages | Cover::Impact | Cover::Help), None) => {
                Err("Find a line first: / goes to it, then Y copies it.")
            }
            (None, _) => match (machine.phase(), self.open_pane(machine)) {
                (Phase::Checklist, _) => Ok(self.evidence_text(machine, account)),
                (_, Some(PhasePane::Stream)) => {
                    self.statement(self.at.or(account.newest()).ok_or(NOWHERE)?)
                }
                _ => self.failure(machine, account).ok_or(NOWHERE),
            },
        }
    }

    fn statement(&self, number: usize) -> UnderCursor {
        let statement = self.runbook.script.statement(number);
        let statement = statement.ok_or("That statement is not in the script.")?;
        Ok((format!("statement {number}"), statement.text.to_string()))
    }

    /// The one value of an answer, or else the whole of it in the shape that it is shown in, as wide as it
    /// is.
    fn answered_text(
        &self,
        machine: &Machine,
        account: &Account,
        looked: &Looked,
    ) -> (String, String) {
        if let Ok(rows) = &looked.answer
            && let ([row], false) = (rows.set.rows.as_slice(), rows.more)
            && let [value] = row.as_slice()
        {
            let value = value.as_deref().unwrap_or("NULL");
            return ("the value".to_owned(), value.to_owned());
        }
        let by_rows = self.answer.as_ref().and_then(|answer| answer.is_by_rows());
        let text = self.in_scene(machine, account, |scene| {
            let stamp = AnswerStamp {
                number: account.looks,
                columns: UNWRAPPED,
                by_rows,
            };
            let answer = &AnswerLines::of(scene, looked, stamp, None);
            let roll = AnswerPane {
                scene,
                looked,
                answer,
                sideways: 0,
            };
            // A grid's lines are as wide as its widest value: no more of them than is of use.
            let mut room = LONGEST + 1;
            let lines = (0..roll.total()).flat_map(|nth| roll.lines(nth..nth + 1));
            let lines = lines.map(|line| line.to_string());
            joined(lines.take_while(|line| {
                let fits = room > 0;
                room = room.saturating_sub(line.trim_end().len() + 1);
                fits
            }))
        });
        ("the answer".to_owned(), text)
    }

    fn evidence_text(&self, machine: &Machine, account: &Account) -> (String, String) {
        let lines = self.in_scene(machine, account, |scene| {
            view::checklist::evidence(scene, self.cursor, usize::from(self.size.0), usize::MAX)
        });
        let what = format!("the evidence of item {}", self.cursor + 1);
        (what, joined(lines.iter().map(Line::to_string)))
    }

    /// What failed: the server's words, and the statement below them.
    fn failure(&self, machine: &Machine, account: &Account) -> Option<(String, String)> {
        let (number, error) = account.failed()?;
        let lines = self.in_scene(machine, account, |scene| {
            view::server_error::error(scene, error, UNWRAPPED)
        });
        let statement = self.runbook.script.statement(number)?;
        let words = joined(lines.iter().map(Line::to_string));
        let what = format!("the error of statement {number}, with its text");
        Some((what, format!("{words}\n{}", statement.text)))
    }

    /// A line of a cover, as it is shown.
    fn shown_line(
        &mut self,
        machine: &Machine,
        account: &Account,
        cover: Cover,
        row: usize,
    ) -> Option<String> {
        let made = self.ask_roll(machine, account, cover, |roll| {
            roll.map(|roll| roll.lines(row..row + 1).first().map(Line::to_string))
        });
        let line = made.unwrap_or_else(|| self.cover_text.get(row).cloned());
        line.map(|line| line.trim().to_owned())
    }

    fn in_scene<T>(
        &self,
        machine: &Machine,
        account: &Account,
        make: impl FnOnce(&Scene<'_>) -> T,
    ) -> T {
        make(&Scene {
            look: self.look,
            runbook: &self.runbook,
            machine,
            account,
            cursor: self.cursor,
            outline: &self.outline,
            journal: None,
        })
    }
}

/// Lines of a screen as one text: without what stands at their ends for the eye alone.
fn joined(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let lines = lines.into_iter();
    let lines: Vec<String> = lines
        .map(|line| line.as_ref().trim_end().to_owned())
        .collect();
    lines.join("\n")
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
