//! The structure pane: each object of the script expected beside actual, differences marked, and
//! below them what else is on its tables.
//!
//! ```text
//!  service_ops.packet_decision ─────────────────────────────────────────
//!  table of wiser_owner, about 50,000 rows, 10 MB (table 5 MB, indexes 5 MB)
//!  Migration 012: packet_decision: applied: partly; 24 same, 1 differs, 1 missing
//!  same             column part_type: text
//!  DIFFERS          column utn: type is integer, expected text
//!                   expected  text
//!                   actual    integer
//! ```
//!
//! An object that is not there is MISSING only where its section is applied, wholly or in part.

use super::applied::{Extent, migrations};
use super::compare::{Compared, Comparison, Mark};
use super::screen::Screen;
use super::view::{nothing_yet, said};
use super::{CheckSet, Found, Part, Sight, Stage, Table};
use crate::runbook::Runbook;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::impact::grouped;
use crate::tui::text::{hanging, labelled, width, wrap};
use crate::tui::view::{Scene, TWO_COLUMNS};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// Where what is said of a column or an index begins.
const BESIDE: usize = 35;
/// How wide the column of marks is.
const MARKS: usize = 18;

/// The word for what is as it was before, where the section is not applied.
const NOT_YET: &str = "not yet applied";

/// How far a section of the script is applied: by its checks, or by its objects where no check
/// says so.
pub(super) fn extent(
    runbook: &Runbook,
    sets: &[CheckSet],
    comparison: &Comparison,
    section: Option<usize>,
) -> Extent {
    let title = section.and_then(|at| runbook.script.sections.get(at));
    let by_checks = title.and_then(|section| {
        let words: Vec<&str> = section.title.split([' ', ':', ',']).collect();
        migrations(runbook, sets)
            .into_iter()
            .find(|migration| words.contains(&migration.number.as_str()))
            .map(|migration| migration.extent)
    });
    match by_checks {
        Some(extent @ (Extent::No | Extent::Partly | Extent::Yes)) => extent,
        Some(Extent::Unknown) | None => by_objects(comparison, section),
    }
}

fn by_objects(comparison: &Comparison, section: Option<usize>) -> Extent {
    let own: Vec<Mark> = comparison
        .rows
        .iter()
        .filter(|row| row.section == section && row.added && row.mark != Mark::Unsure)
        .map(|row| row.mark)
        .collect();
    let absent = own.iter().filter(|mark| **mark == Mark::Missing).count();
    match (absent, own.len()) {
        (_, 0) => Extent::Unknown,
        (absent, all) if absent == all => Extent::No,
        (0, _) => Extent::Yes,
        (_, _) => Extent::Partly,
    }
}

/// The word for a row in a section that is applied so far.
pub(super) fn word(row: &Compared, extent: Extent) -> &'static str {
    match (row.mark, extent) {
        (Mark::Differs | Mark::Text, Extent::No) if !row.added => NOT_YET,
        (Mark::Same, _) => "same",
        (Mark::Differs, _) => "DIFFERS",
        (Mark::Text, _) => "differs in text",
        (Mark::Missing | Mark::StillThere | Mark::Unsure, Extent::No) => NOT_YET,
        (Mark::Missing, _) => "MISSING",
        (Mark::Unsure, _) => "not sure",
        (Mark::StillThere, _) => "STILL THERE",
    }
}

/// The pane.
pub(super) fn lines(screen: &Screen, scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = screen.look;
    let Some(sight) = &screen.sight else {
        return nothing_yet(screen, columns);
    };
    if sight.tables.is_empty() {
        let text = "The script changes no table that could be found.";
        return said(screen, text, Style::new(), columns);
    }
    let sets = screen
        .checked
        .as_ref()
        .map_or(&[][..], |checked| &checked.sets);
    let mut lines = Vec::new();
    for table in &sight.tables {
        let name = look.clean(&table.name);
        lines.push(scene.heading(&format!(" {name}"), columns.saturating_sub(1)));
        match &table.found {
            None => {
                let text = "is not there, or not visible to this role";
                lines.extend(said(screen, text, look.bad(), columns));
            }
            Some(found) => lines.extend(said(screen, &facts(found), Style::new(), columns)),
        }
        lines.extend(expected(screen, sight, sets, &table.name, columns));
        lines.extend(checks(screen, sight, table, columns));
        if let Some(found) = &table.found {
            lines.extend(others(screen, sight, &table.name, found, columns));
        }
        lines.push(Line::default());
    }
    let elsewhere = sight
        .compared
        .rows
        .iter()
        .any(|row| !sight.tables.iter().any(|table| table.name == row.table));
    if elsewhere {
        lines.push(scene.heading(" On none of these tables", columns.saturating_sub(1)));
        lines.extend(expected(screen, sight, sets, "", columns));
        lines.push(Line::default());
    }
    if !screen.impact.unseen.is_empty() {
        let unseen: Vec<String> = screen
            .impact
            .unseen
            .iter()
            .map(|one| format!("{} on line {}", one.kind, one.line))
            .collect();
        let text = format!(
            "Expected is what the script's text says; what these do is not looked into: {}.",
            unseen.join(", ")
        );
        lines.extend(said(screen, &text, look.dim(), columns));
    }
    lines
}

/// A table in a line.
fn facts(found: &Found) -> String {
    let rows = match found.rows {
        Some(rows) => format!("about {} rows", grouped(rows)),
        None => "never analysed, so nobody knows how many rows".into(),
    };
    let sizes = match &found.sizes {
        Some([table, indexes, all]) => format!("{all} (table {table}, indexes {indexes})"),
        None => "size not read".into(),
    };
    format!("{} of {}, {rows}, {sizes}", found.kind, found.owner)
}

/// The objects of the script on a table; of none of the tables, where `table` is empty.
fn expected(
    screen: &Screen,
    sight: &Sight,
    sets: &[CheckSet],
    table: &str,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = screen.look;
    let is_own = |row: &&Compared| match table {
        "" => !sight.tables.iter().any(|table| table.name == row.table),
        table => row.table == table,
    };
    let own: Vec<&Compared> = sight.compared.rows.iter().filter(is_own).collect();
    let mut lines = Vec::new();
    let mut sections: Vec<Option<usize>> = own.iter().map(|row| row.section).collect();
    sections.dedup();
    sections.sort_unstable();
    sections.dedup();
    for section in sections {
        let extent = extent(&screen.runbook, sets, &sight.compared, section);
        let mut rows: Vec<&&Compared> = own.iter().filter(|row| row.section == section).collect();
        // What has to be weighed is never below what is in order.
        rows.sort_by_key(|row| match row.mark {
            Mark::Differs | Mark::Missing | Mark::StillThere => 0,
            Mark::Text | Mark::Unsure => 1,
            Mark::Same => 2,
        });
        let title = section.and_then(|at| screen.runbook.script.sections.get(at));
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
            lines.push(titles(screen, columns));
        }
        for row in rows {
            lines.extend(match wide {
                true => beside(screen, row, extent, columns),
                false => stacked(screen, row, extent, columns),
            });
        }
    }
    lines
}

fn style(screen: &Screen, word: &str) -> Style {
    match word {
        "same" => screen.look.good(),
        NOT_YET => screen.look.dim(),
        "differs in text" | "not sure" => screen.look.warn(),
        _ => screen.look.bad(),
    }
}

/// One below the other: a line where expected says it all.
fn stacked(screen: &Screen, row: &Compared, extent: Extent, columns: usize) -> Vec<Line<'static>> {
    let look = screen.look;
    let word = word(row, extent);
    let style = style(screen, word);
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

fn titles(screen: &Screen, columns: usize) -> Line<'static> {
    let look = screen.look;
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
fn beside(screen: &Screen, row: &Compared, extent: Extent, columns: usize) -> Vec<Line<'static>> {
    let look = screen.look;
    let word = word(row, extent);
    let style = style(screen, word);
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

/// What the checks say of this table that does not pass.
fn checks(screen: &Screen, sight: &Sight, table: &Table, columns: usize) -> Vec<Line<'static>> {
    let look = screen.look;
    let differences = differences(screen, sight, table);
    if differences.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::from(
        " the checks on it that do not pass".set_style(look.strong()),
    )];
    for check in differences {
        let word = check.verdict.word();
        let text = look.clean(&format!("{word} {}: {}", check.name, check.detail));
        let style = match check.verdict {
            Verdict::Fail => look.bad(),
            Verdict::Warn | Verdict::Pass => look.warn(),
        };
        lines.extend(hanging(&text, style, 3, columns.saturating_sub(1)));
    }
    lines
}

/// The checks that say of this table that it is not as expected.
fn differences<'a>(screen: &'a Screen, sight: &Sight, table: &Table) -> Vec<&'a Check> {
    let bare = |table: &Table| {
        let name = table.name.rsplit_once('.').map_or(&*table.name, |(_, n)| n);
        name.to_owned()
    };
    let own = bare(table);
    let others: Vec<String> = sight
        .tables
        .iter()
        .filter(|other| other.name != table.name)
        .map(bare)
        .collect();
    let sets = screen.checked.iter().flat_map(|checked| &checked.sets);
    sets.flat_map(|set| {
        set.checks
            .iter()
            .map(move |(number, check)| (set.stage, *number, check))
    })
    .filter(|(stage, number, check)| {
        let says = format!("{} {}", check.name, check.detail);
        check.verdict != Verdict::Pass
            && (says.contains(&own)
                || statement(&screen.runbook, *stage, *number).is_some_and(|text| {
                    text.contains(&own) && !others.iter().any(|other| text.contains(other.as_str()))
                }))
    })
    .map(|(_, _, check)| check)
    .collect()
}

fn statement(runbook: &Runbook, stage: Stage, number: usize) -> Option<&str> {
    let statements = &stage.script(runbook)?.statements;
    Some(&statements.get(number.checked_sub(1)?)?.text)
}

/// What is on a table and not of the script.
fn others(
    screen: &Screen,
    sight: &Sight,
    table: &str,
    found: &Found,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = screen.look;
    let told = &sight.compared.told;
    let inner = columns.saturating_sub(1);
    let mut lines = Vec::new();
    let mut row = |sort: &str, name: &str, text: String| {
        let is_told = |sort| told.contains(&(table.to_owned(), format!("{sort} {name}")));
        // The index of a constraint goes by the constraint's name.
        if is_told(sort) || (sort == "index" && is_told("constraint")) {
            return;
        }
        let mut label = format!("   {}", look.clean(name));
        // A name is never cut; a long one has a line of its own.
        if width(&label) >= BESIDE {
            lines.extend(wrap(&label, inner).into_iter().map(Line::from));
            label.clear();
        }
        let text = look.clean(&text);
        lines.extend(labelled(
            &label,
            Style::new(),
            &text,
            Style::new(),
            BESIDE,
            inner,
        ));
    };
    for column in &found.columns {
        row(
            "column",
            &column.name,
            format!("{} {}", column.kind, column.rest),
        );
    }
    let part = |part: &Part| {
        let mut text = part.definition.clone();
        if let Some(size) = &part.size {
            text = format!("{text}, {size}");
        }
        if let Some(trouble) = &part.trouble {
            text = format!("{}: {text}", trouble.to_uppercase());
        }
        text
    };
    for constraint in &found.constraints {
        row(
            "constraint",
            &constraint.name,
            format!("CONSTRAINT {}", part(constraint)),
        );
    }
    for index in &found.indexes {
        row("index", &index.name, part(index));
    }
    for trigger in &found.triggers {
        row("trigger", &trigger.name, part(trigger));
    }
    if !lines.is_empty() {
        let head = " not of this script, so without an expectation";
        lines.insert(0, Line::from(head.set_style(look.strong())));
    }
    lines
}
