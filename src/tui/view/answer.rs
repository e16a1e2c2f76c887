//! A query inside the held transaction: while it runs, and what it brought.
//!
//! ```text
//!  ANSWER  SELECT id, utn FROM service_ops.packet_decision
//!  2 rows in 12 ms. The transaction is as it was before.
//!
//!   id | utn
//!  ----+------
//!    7 | NULL
//! ```
//!
//! Rows that are too wide for the screen are shown one below the other, a column a line.

use super::{Scene, Sheet, must_roll_back};
use crate::gate::phase::Phase;
use crate::gate::query::{After, Looked, Rows};
use crate::runbook::printable::counted;
use crate::tui::text::{clock, hanging, labelled, took, width};
use crate::tui::theme::Appearance;
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// The widest column of names where each row is shown over several lines.
const LONGEST_NAME: usize = 30;

/// This many lines of what was asked are shown above its answer.
const MOST_ASKED: usize = 4;

/// What stands for NULL. A text that reads the same is quoted.
const NULL: &str = "NULL";

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
        true => "Cancelling; waiting for the server's answer.".to_owned(),
        false => format!(
            "{} The server works on it, read-only, inside the held transaction. It is cancelled by \
             itself in {}; x cancels it now.",
            look.glyphs.spinner(scene.account.now),
            clock(*left)
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

/// What was asked, how it went, and what it brought.
pub(crate) fn lines(scene: &Scene<'_>, looked: &Looked, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let columns = columns.saturating_sub(1);
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
    match &looked.answer {
        Ok(rows) => lines.extend(table(look, rows, columns)),
        Err(error) => {
            lines.extend(must_roll_back::error(scene, error, columns));
            if let Some(position) = error.position {
                let text = looked.question.text();
                lines.extend(must_roll_back::caret(scene, text, 1, position, columns));
            }
        }
    }
    lines
}

/// A value, and whether it is NULL.
fn shown(look: Appearance, cell: Option<&String>) -> (String, bool) {
    match cell {
        None => (NULL.to_owned(), true),
        Some(text) if text == NULL => (format!("'{NULL}'"), false),
        Some(text) => (look.clean(text), false),
    }
}

fn styled(look: Appearance, text: String, null: bool) -> Span<'static> {
    text.set_style(match null {
        true => look.dim(),
        false => Style::new(),
    })
}

/// The rows as a table where that fits, otherwise row by row.
fn table(look: Appearance, rows: &Rows, columns: usize) -> Vec<Line<'static>> {
    let set = &rows.set;
    let names: Vec<String> = set.columns.iter().map(|name| look.clean(name)).collect();
    let mut widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
    let mut one_line = true;
    let cells: Vec<Vec<(String, bool)>> = set
        .rows
        .iter()
        .map(|row| {
            let row: Vec<_> = row
                .iter()
                .map(|cell| {
                    one_line &= !cell.as_ref().is_some_and(|text| text.contains('\n'));
                    shown(look, cell.as_ref())
                })
                .collect();
            for (slot, (text, _)) in widths.iter_mut().zip(&row) {
                *slot = (*slot).max(width(text));
            }
            row
        })
        .collect();
    let all = widths.iter().sum::<usize>() + 3 * widths.len();
    if all > columns || !one_line {
        return row_by_row(look, &names, rows, columns);
    }
    let upright = look.glyphs.upright();
    let mut head = vec![Span::raw(" ")];
    let mut rule = String::from(" ");
    for (index, (name, wide)) in names.iter().zip(&widths).enumerate() {
        if index > 0 {
            head.push(format!(" {upright} ").set_style(look.dim()));
            rule.push_str(&look.glyphs.rule().repeat(3));
        }
        head.push(look.fit(name, *wide).set_style(look.strong()));
        rule.push_str(&look.glyphs.rule().repeat(*wide));
    }
    let mut lines = vec![Line::from(head), Line::from(rule.set_style(look.dim()))];
    for row in cells {
        let mut spans = vec![Span::raw(" ")];
        for (index, ((text, null), wide)) in row.into_iter().zip(&widths).enumerate() {
            if index > 0 {
                spans.push(format!(" {upright} ").set_style(look.dim()));
            }
            spans.push(styled(look, look.fit(&text, *wide), null));
        }
        lines.push(Line::from(spans));
    }
    lines
}

fn row_by_row(
    look: Appearance,
    names: &[String],
    rows: &Rows,
    columns: usize,
) -> Vec<Line<'static>> {
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let indent = longest.min(LONGEST_NAME) + 3;
    let mut lines = Vec::new();
    for (index, row) in rows.set.rows.iter().enumerate() {
        let title = format!(" row {} ", index + 1);
        let rest = columns.saturating_sub(width(&title) + 2);
        let rule = look.glyphs.rule();
        lines.push(Line::from(
            format!("{}{title}{}", rule.repeat(2), rule.repeat(rest)).set_style(look.dim()),
        ));
        for (name, cell) in names.iter().zip(row) {
            let name = format!(" {}", look.clip(name, LONGEST_NAME));
            let (text, style) = match cell {
                Some(text) if text.contains('\n') => {
                    (look.clean_lines(text).join("\n"), Style::new())
                }
                cell => match shown(look, cell.as_ref()) {
                    (text, true) => (text, look.dim()),
                    (text, false) => (text, Style::new()),
                },
            };
            lines.extend(labelled(&name, look.dim(), &text, style, indent, columns));
        }
    }
    lines
}
