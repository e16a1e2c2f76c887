//! Expected beside actual: the script's objects on a table, side by side where there is room, else
//! one below the other.
//!
//! What has to be weighed is never below what is in order.

use super::extent::{NOT_YET, extent, word};
use crate::inspect::applied::Extent;
use crate::inspect::compare::{ComparedObject, Mark};
use crate::inspect::shown::ShownPanes;
use crate::inspect::{CheckSet, Inspection};
use crate::tui::text::{hanging, labelled, wrap};
use crate::tui::view::TWO_COLUMNS;
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

const MARKS: usize = 18;

/// The objects of the script on a table; of none of the tables, where `table` is empty.
pub(super) fn expected(
    shown: &ShownPanes,
    sight: &Inspection,
    sets: &[CheckSet],
    table: &str,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = shown.look;
    let is_own = |row: &&ComparedObject| match table {
        "" => !sight.tables.iter().any(|table| table.name == row.table),
        table => row.table == table,
    };
    let own: Vec<&ComparedObject> = sight.compared.rows.iter().filter(is_own).collect();
    let mut lines = Vec::new();
    let mut sections: Vec<Option<usize>> = own.iter().map(|row| row.section).collect();
    sections.dedup();
    sections.sort_unstable();
    sections.dedup();
    for section in sections {
        let extent = extent(&shown.runbook, sets, &sight.compared, section);
        let mut rows: Vec<&&ComparedObject> =
            own.iter().filter(|row| row.section == section).collect();
        // What has to be weighed is never below what is in order.
        rows.sort_by_key(|row| match row.mark {
            Mark::Differs | Mark::Missing | Mark::StillThere => 0,
            Mark::Text | Mark::Unsure => 1,
            Mark::Same => 2,
        });
        let title = section.and_then(|at| shown.runbook.script.sections.get(at));
        let title = title.map_or("the script", |section| section.title.as_str());
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for row in &rows {
            let word = word(row, extent);
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        let counts: Vec<String> = counts
            .into_iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let head = format!(
            "{title}, applied: {}; of its objects {}",
            extent.word(),
            counts.join(", ")
        );
        lines.extend(hanging(
            &look.clean(&head),
            look.strong(),
            1,
            columns.saturating_sub(1),
        ));
        let wide = columns >= usize::from(TWO_COLUMNS);
        if wide {
            lines.push(titles(shown, columns));
        }
        for row in rows {
            lines.extend(match wide {
                true => beside(shown, row, extent, columns),
                false => stacked(shown, row, extent, columns),
            });
        }
    }
    lines
}

fn style(shown: &ShownPanes, word: &str) -> Style {
    match word {
        "same" => shown.look.good(),
        NOT_YET => shown.look.dim(),
        "differs in text" | "not sure" => shown.look.warn(),
        _ => shown.look.bad(),
    }
}

/// One below the other: a line where expected says it all.
fn stacked(
    shown: &ShownPanes,
    row: &ComparedObject,
    extent: Extent,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = shown.look;
    let word = word(row, extent);
    let style = style(shown, word);
    let inner = columns.saturating_sub(1);
    let whole = matches!(row.mark, Mark::Same) || word == NOT_YET;
    let name = format!("{} {}", row.sort.word(), row.name);
    let text = match whole {
        true => format!("{name}: {}", row.expected),
        false if row.why.is_empty() => name,
        false => format!("{name}: {}", row.why.join("; ")),
    };
    let put = |label: &str, text: &str, of: Style| {
        labelled(label, style, &look.clean(text), of, MARKS, inner)
    };
    let mut lines = put(&format!(" {word}"), &text, Style::new());
    if !whole {
        lines.extend(put(
            "",
            &format!("expected  {}", row.expected),
            Style::new(),
        ));
        let actual = row.actual.as_deref().unwrap_or("not there");
        lines.extend(put("", &format!("actual    {actual}"), style));
    }
    lines
}

/// How wide the names are, and expected and actual each.
fn shares(columns: usize) -> (usize, usize) {
    let room = columns.saturating_sub(MARKS + 1);
    (room * 28 / 100, room * 36 / 100)
}

fn titles(shown: &ShownPanes, columns: usize) -> Line<'static> {
    let look = shown.look;
    let (name, half) = shares(columns);
    let titles = [
        ("", MARKS),
        ("object", name),
        ("expected", half),
        ("actual", half),
    ];
    let titles = titles.map(|(title, columns)| look.fit(title, columns));
    Line::from(format!(" {}", titles.concat()).set_style(look.dim()))
}

/// Side by side: mark, name, expected, actual.
fn beside(
    shown: &ShownPanes,
    row: &ComparedObject,
    extent: Extent,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = shown.look;
    let word = word(row, extent);
    let style = style(shown, word);
    let (name, half) = shares(columns);
    let cell = |text: &str, columns: usize| wrap(&look.clean(text), columns.saturating_sub(2));
    let cells = [
        (vec![word.to_owned()], MARKS, style),
        (
            cell(&format!("{} {}", row.sort.word(), row.name), name),
            name,
            Style::new(),
        ),
        (cell(&row.expected, half), half, Style::new()),
        (
            cell(row.actual.as_deref().unwrap_or("not there"), half),
            half,
            style,
        ),
    ];
    let height = cells
        .iter()
        .map(|(parts, _, _)| parts.len())
        .max()
        .unwrap_or(1);
    let mut lines: Vec<Line<'static>> = (0..height)
        .map(|at| {
            let mut line = Line::from(Span::raw(" "));
            for (parts, columns, style) in &cells {
                let part = parts.get(at).map_or("", String::as_str);
                line.push_span(look.fit(part, *columns).set_style(*style));
            }
            line
        })
        .collect();
    for why in &row.why {
        lines.extend(hanging(
            &look.clean(why),
            style,
            MARKS + 1,
            columns.saturating_sub(1),
        ));
    }
    lines
}
