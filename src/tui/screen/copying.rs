//! What is under the cursor in the walk: a statement, an answer, evidence, a failure, a line.
//!
//! It is what a person sees, for a ticket or for psql.

use super::{Cover, Screen};
use crate::account::Account;
use crate::facts::Looked;
use crate::gate::machine::Machine;
use crate::gate::phase::Phase;
use crate::tui::pager::clipboard::{FIND_FIRST, LONGEST, UnderCursor, hand_over};
use crate::tui::paint::Roll;
use crate::tui::view::answer::{AnswerLines, AnswerPane, AnswerStamp};
use crate::tui::view::{self, PhasePane, Scene};
use ratatui::text::Line;

/// A width at which nothing is wrapped.
const UNWRAPPED: usize = 10_000;

impl Screen {
    /// Copies what is under the cursor.
    pub(super) fn copy(&mut self, machine: &Machine, account: &Account) {
        let under = self.under_cursor(machine, account);
        let (copied, said) = hand_over(under, self.clipboard);
        self.copied = copied;
        self.say(said);
    }

    fn under_cursor(&mut self, machine: &Machine, account: &Account) -> UnderCursor {
        const NOWHERE: &str = "No cursor is here: {next pane} goes to the statements, {script} opens the scripts; then {copy}.";
        match (self.cover, self.pager.found()) {
            (Some(Cover::Scripts), _) => self.pager.script_line(),
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
            (Some(Cover::Locks | Cover::Messages | Cover::Told(_) | Cover::Help), None) => {
                Err(FIND_FIRST)
            }
            (None, _) => match (machine.phase(), self.open_pane(machine)) {
                (Phase::Checklist { .. }, _) => Ok(self.evidence_text(machine, account)),
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
        let line = made.unwrap_or_else(|| self.pager.line(row).cloned());
        line.map(|line| line.trim().to_owned())
    }

    pub(super) fn in_scene<T>(
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
