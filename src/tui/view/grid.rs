//! A result as psql shows it: a grid, or one value below the other.
//!
//! ```text
//!    id │ utn                  ── row 1 ──────
//!  ──────────                   id    7
//!     7 │ A-1                   utn   A-1
//! ```
//!
//! A grid is as wide as its values and moves sideways; a line of it is made where it is seen. Columns of
//! numbers stand at the right. A line break in a value is a line break only row by row.

use crate::runbook::check::ResultSet;
use crate::tui::paint::NAMES;
use crate::tui::text::{labelled, take, width};
use crate::tui::theme::Appearance;
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// The widest column of a grid, in columns of the screen.
const WIDEST: usize = 10_000;
/// The widest column of names, row by row.
const LONGEST_NAME: usize = 30;
/// What stands for NULL. A text that reads the same is quoted.
const NULL: &str = "NULL";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResultGrid {
    widths: Vec<usize>,
    numbers: Vec<bool>,
}

impl ResultGrid {
    pub(crate) fn of(look: Appearance, set: &ResultSet) -> ResultGrid {
        let names = set.columns.iter();
        let mut widths: Vec<usize> = names.map(|name| width(&look.clean(name))).collect();
        for row in &set.rows {
            for (slot, cell) in widths.iter_mut().zip(row) {
                *slot = (*slot).max(width(&shown(look, cell.as_ref()).0));
            }
        }
        widths
            .iter_mut()
            .for_each(|wide| *wide = (*wide).min(WIDEST));
        ResultGrid {
            widths,
            numbers: set.columns_of_numbers(),
        }
    }

    /// The length of its lines: a space, the columns, and what stands between two of them.
    fn wide(&self) -> usize {
        let all: usize = self.widths.iter().map(|wide| wide + 3).sum();
        all.saturating_sub(2)
    }

    /// How far it can be moved to the left on so many columns; zero where it fits.
    pub(crate) fn furthest(&self, columns: usize) -> usize {
        self.wide().saturating_sub(columns)
    }

    /// Its line of this number, without the first `moved` columns: the names, the line below them, the rows.
    pub(crate) fn line(
        &self,
        look: Appearance,
        set: &ResultSet,
        nth: usize,
        moved: usize,
    ) -> Option<Line<'static>> {
        if nth + 1 == NAMES {
            let all = self.wide().saturating_sub(moved.max(1));
            let rule = look.glyphs.rule().repeat(all);
            let before = if moved == 0 { " " } else { "" };
            return Some(Line::from(vec![
                Span::raw(before),
                rule.set_style(look.dim()),
            ]));
        }
        let row = nth.checked_sub(NAMES);
        let mut spans = Vec::new();
        for (index, (wide, number)) in self.widths.iter().zip(&self.numbers).enumerate() {
            let (text, style) = match row {
                None => (look.clean(set.columns.get(index)?), look.strong()),
                Some(row) => match shown(look, set.rows.get(row)?.get(index)?.as_ref()) {
                    (text, true) => (text, look.dim()),
                    (text, false) => (text, Style::new()),
                },
            };
            let before = match index {
                0 => " ".to_owned(),
                _ => format!(" {} ", look.glyphs.upright()),
            };
            spans.push(before.set_style(look.dim()));
            let text = match number {
                true => look.fit_right(&text, *wide),
                false => look.fit(&text, *wide),
            };
            spans.push(text.set_style(style));
        }
        Some(Line::from(move_left(spans, moved)))
    }
}

#[derive(Clone, PartialEq)]
pub(crate) enum ShownRows {
    Grid(ResultGrid),
    /// One value below the other.
    ByRows(Vec<Line<'static>>),
}

impl ShownRows {
    /// As somebody chose; by themselves as a grid, unless a value has lines, which no grid shows.
    pub(crate) fn of(
        look: Appearance,
        set: &ResultSet,
        columns: usize,
        by_rows: Option<bool>,
    ) -> ShownRows {
        let has_lines = || {
            let mut cells = set.rows.iter().flatten().flatten();
            cells.any(|text| text.contains('\n'))
        };
        match by_rows.unwrap_or_else(has_lines) {
            true => ShownRows::ByRows(row_by_row(look, set, columns)),
            false => ShownRows::Grid(ResultGrid::of(look, set)),
        }
    }

    pub(crate) fn is_by_rows(&self) -> bool {
        matches!(self, ShownRows::ByRows(_))
    }

    /// How far they can be moved to the left on so many columns.
    pub(crate) fn furthest(&self, columns: usize) -> usize {
        match self {
            ShownRows::Grid(grid) => grid.furthest(columns),
            ShownRows::ByRows(_) => 0,
        }
    }

    /// How many lines they take.
    pub(crate) fn height(&self, set: &ResultSet) -> usize {
        match self {
            ShownRows::Grid(_) => NAMES + set.rows.len(),
            ShownRows::ByRows(lines) => lines.len(),
        }
    }

    /// Their line of this number, moved to the left.
    pub(crate) fn line(
        &self,
        look: Appearance,
        set: &ResultSet,
        nth: usize,
        moved: usize,
    ) -> Option<Line<'static>> {
        match self {
            ShownRows::Grid(grid) => grid.line(look, set, nth, moved),
            ShownRows::ByRows(lines) => lines.get(nth).cloned(),
        }
    }
}

/// A value on one line, and whether it is NULL.
fn shown(look: Appearance, cell: Option<&String>) -> (String, bool) {
    match cell {
        None => (NULL.to_owned(), true),
        Some(text) if text == NULL => (format!("'{NULL}'"), false),
        Some(text) => (look.clean(text), false),
    }
}

/// The spans without their first columns.
fn move_left(spans: Vec<Span<'static>>, columns: usize) -> Vec<Span<'static>> {
    let mut left = columns;
    let mut kept = Vec::new();
    for span in spans {
        let wide = width(&span.content);
        if wide <= left {
            left -= wide;
            continue;
        }
        let (_, rest) = take(&span.content, left);
        left = 0;
        kept.push(rest.to_owned().set_style(span.style));
    }
    kept
}

/// One value below the other, and a heading for each row.
fn row_by_row(look: Appearance, set: &ResultSet, columns: usize) -> Vec<Line<'static>> {
    let names: Vec<String> = set.columns.iter().map(|name| look.clean(name)).collect();
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let indent = longest.min(LONGEST_NAME) + 3;
    let mut lines = Vec::new();
    for (index, row) in set.rows.iter().enumerate() {
        let mut values = Vec::new();
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
            values.extend(labelled(&name, look.dim(), &text, style, indent, columns));
        }
        let title = format!(" row {} ", index + 1);
        let wide = values.iter().map(Line::width).max().unwrap_or(0);
        let rest = wide.min(columns).saturating_sub(width(&title) + 2);
        let (rule, rest) = (look.glyphs.rule(), rest.max(2));
        lines.push(Line::from(
            format!("{}{title}{}", rule.repeat(2), rule.repeat(rest)).set_style(look.dim()),
        ));
        lines.extend(values);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_moves_sideways_by_columns_and_keeps_its_styles() {
        let spans = || vec![Span::raw("ab"), Span::raw(" | "), Span::raw("東京")];
        let text = |columns| {
            let moved = move_left(spans(), columns);
            moved
                .iter()
                .map(|span| span.content.clone())
                .collect::<String>()
        };
        assert_eq!(text(0), "ab | 東京");
        assert_eq!(text(1), "b | 東京");
        assert_eq!(text(5), "東京");
        assert_eq!(text(7), "京");
        assert_eq!(text(90), "");
    }
}
