//! A query inside the held transaction: while it runs, and what it brought.
//!
//! ```text
//!  ANSWER  SELECT id, utn FROM service_ops.packet_decision
//!  2 rows in 12 ms. The transaction is as it was before.
//!
//!   id | utn
//!  ----------
//!    7 | NULL
//! ```
//!
//! A grid that is too wide for the screen moves sideways; a key shows it row by row, a column a line, as
//! one is by itself whose values have lines.

use super::grid::ShownRows;
use super::{Scene, server_error};
use crate::acts::{Front, key_of, name_keys, tell_refusal};
use crate::facts::{After, Looked};
use crate::gate::phase::Phase;
use crate::gate::{Refusal, plan};
use crate::runbook::printable::counted;
use crate::tui::paint::{Roll, Sheet};
use crate::tui::text::{clock, hanging, took};
use crate::tui::theme::Appearance;
use ratatui::style::{Style, Styled};
use ratatui::text::Line;
use std::ops::Range;

/// This many lines of what was asked are shown above its answer.
const MOST_ASKED: usize = 4;

/// The pane while a query runs.
pub(crate) fn asking(scene: &Scene<'_>, columns: usize) -> Sheet {
    let look = scene.look;
    let Phase::Querying {
        question,
        left,
        cancelling,
        ..
    } = scene.machine.phase()
    else {
        return Sheet::default();
    };
    let mut lines = vec![Line::default()];
    lines.extend(asked(look, question.text(), columns));
    lines.push(Line::default());
    let state = match cancelling {
        Some(since) if *since < plan::CANCEL_PATIENCE => {
            "Cancelling; waiting for the server's answer.".to_owned()
        }
        Some(_) => tell_refusal(&Refusal::CancelWithoutEffect, Front::Keys),
        None => format!(
            "{} The server works on it, read-only, inside the held transaction. It is cancelled by \
             itself in {}; {} cancels it now.",
            look.glyphs.spinner(scene.account.now),
            clock(*left),
            key_of("cancel")
        ),
    };
    lines.extend(hanging(&state, Style::new(), 1, columns));
    Sheet {
        head: vec![scene.band(" A QUERY RUNS", look.band_warn(), columns)],
        lines,
        ..Sheet::default()
    }
}

/// What was asked, the beginning of it: the rows are what is looked for. Its lines stay lines, for a
/// comment ends with its own.
fn asked(look: Appearance, text: &str, columns: usize) -> Vec<Line<'static>> {
    let all = look.clean_lines(text);
    let shown = match all.len() > MOST_ASKED + 1 {
        true => MOST_ASKED,
        false => all.len(),
    };
    let parts = all.iter().take(shown);
    let mut lines: Vec<_> = parts
        .flat_map(|part| hanging(part, look.strong(), 1, columns))
        .collect();
    if shown < all.len() {
        let more = format!(
            "{} {} more lines",
            look.glyphs.ellipsis(),
            all.len() - shown
        );
        lines.extend(hanging(&more, look.dim(), 1, columns));
    }
    lines
}

/// What was asked, and how it went.
fn above(scene: &Scene<'_>, looked: &Looked, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = asked(look, looked.question.text(), columns);
    let took = took(looked.duration);
    let came = match &looked.answer {
        Ok(rows) if rows.more => format!(
            "The first {} in {took}; there are more.",
            counted(rows.set.rows.len(), "row", "rows")
        ),
        Ok(rows) => format!("{} in {took}.", counted(rows.set.rows.len(), "row", "rows")),
        Err(_) => format!("No answer, after {took}."),
    };
    let (after, style) = match &looked.after {
        After::Unchanged => (
            "The transaction is as it was before.".to_owned(),
            look.dim(),
        ),
        After::Outside => (
            "Asked outside of any transaction; nothing is held.".to_owned(),
            look.dim(),
        ),
        After::Disturbed(what) => (
            format!(
                "THE TRANSACTION IS NOT AS IT WAS: {}. Only ROLLBACK is left.",
                look.clean(what)
            ),
            look.bad(),
        ),
    };
    lines.extend(hanging(&came, Style::new(), 1, columns));
    lines.extend(hanging(&after, style, 1, columns));
    lines.push(Line::default());
    if let Err(error) = &looked.answer {
        lines.extend(server_error::error(scene, error, columns));
        if let Some(position) = error.position {
            let text = looked.question.text();
            lines.extend(server_error::caret(scene, text, 1, position, columns));
        }
    }
    lines
}

#[derive(Clone)]
pub(crate) struct AnswerLines {
    of: AnswerStamp,
    above: Vec<Line<'static>>,
    rows: Option<ShownRows>,
}

/// What an answer is made of: when one of these changes, it is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerStamp {
    /// Which answer it is: [`crate::account::Account::looks`].
    pub number: usize,
    pub columns: usize,
    /// Whether its rows stand one value below the other, where somebody chose.
    pub by_rows: Option<bool>,
}

impl AnswerLines {
    /// An answer; `before` is taken where nothing has changed since.
    pub(crate) fn of(
        scene: &Scene<'_>,
        looked: &Looked,
        of: AnswerStamp,
        before: Option<AnswerLines>,
    ) -> AnswerLines {
        if let Some(before) = before.filter(|before| before.of == of) {
            return before;
        }
        let columns = of.columns.saturating_sub(1);
        let rows = looked.answer.as_ref().ok();
        let rows = rows.map(|rows| ShownRows::of(scene.look, &rows.set, columns, of.by_rows));
        AnswerLines {
            of,
            above: above(scene, looked, columns),
            rows,
        }
    }

    /// Whether its rows stand one value below the other; `None` where there are none.
    pub(crate) fn is_by_rows(&self) -> Option<bool> {
        self.rows.as_ref().map(ShownRows::is_by_rows)
    }

    /// How far it can be moved to the left.
    pub(crate) fn furthest(&self) -> usize {
        let room = self.of.columns.saturating_sub(1);
        self.rows.as_ref().map_or(0, |rows| rows.furthest(room))
    }

    /// What it is, and which keys change how it is shown.
    pub(crate) fn title(&self, look: Appearance) -> Line<'static> {
        let keys = match self.is_by_rows() {
            Some(false) if self.furthest() > 0 => {
                "wider than the screen: {right} and {left} move it, {wrap} shows it row by row"
            }
            Some(false) => "{wrap} shows it row by row",
            Some(true) => "row by row; {wrap} shows it as a grid",
            None => "",
        };
        let keys = look.clip(&name_keys(keys), self.of.columns.saturating_sub(9));
        Line::from(vec![
            " ANSWER  ".set_style(look.strong()),
            keys.set_style(look.dim()),
        ])
    }
}

/// An answer on a screen, its grid moved sideways by some columns.
pub(crate) struct AnswerPane<'a> {
    pub scene: &'a Scene<'a>,
    pub looked: &'a Looked,
    pub answer: &'a AnswerLines,
    pub sideways: usize,
}

impl Roll for AnswerPane<'_> {
    fn total(&self) -> usize {
        let rows = self
            .answer
            .rows
            .as_ref()
            .zip(self.looked.answer.as_ref().ok());
        let height = rows.map_or(0, |(shown, rows)| shown.height(&rows.set));
        self.answer.above.len() + height
    }

    fn grid(&self) -> Range<usize> {
        match &self.answer.rows {
            Some(ShownRows::Grid(_)) => self.answer.above.len()..self.total(),
            Some(ShownRows::ByRows(_)) | None => 0..0,
        }
    }

    fn lines(&self, range: Range<usize>) -> Vec<Line<'static>> {
        let above = &self.answer.above;
        range
            .filter_map(|line| match line.checked_sub(above.len()) {
                None => above.get(line).cloned(),
                Some(nth) => {
                    let set = &self.looked.answer.as_ref().ok()?.set;
                    let rows = self.answer.rows.as_ref()?;
                    rows.line(self.scene.look, set, nth, self.sideways)
                }
            })
            .collect()
    }
}

/// All of an answer, as a grid where that fits.
pub(crate) fn draw_query_answer(
    scene: &Scene<'_>,
    looked: &Looked,
    columns: usize,
) -> Vec<Line<'static>> {
    let stamp = |by_rows| AnswerStamp {
        number: scene.account.looks,
        columns,
        by_rows,
    };
    let grid = AnswerLines::of(scene, looked, stamp(None), None);
    let answer = &match grid.furthest() {
        0 => grid,
        _ => AnswerLines::of(scene, looked, stamp(Some(true)), None),
    };
    let sideways = 0;
    let roll = AnswerPane {
        scene,
        looked,
        answer,
        sideways,
    };
    roll.lines(0..roll.total())
}
