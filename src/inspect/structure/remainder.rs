//! What else there is to say of a table: the checks on it that do not pass, and what is on it that is
//! not of the script.
//!
//! Of the latter nothing is expected, so nothing is marked; but a name is never cut.

use crate::inspect::shown::ShownPanes;
use crate::inspect::{CatalogTable, InspectStage, InspectedTable, Inspection, TablePart};
use crate::runbook::Runbook;
use crate::runbook::check::{Check, Verdict};
use crate::tui::text::{hanging, labelled, width, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::Line;

/// Where what is said of a column or an index begins.
const BESIDE: usize = 35;

/// What the checks say of this table that does not pass.
pub(super) fn checks(
    shown: &ShownPanes,
    sight: &Inspection,
    table: &InspectedTable,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = shown.look;
    let differences = differences(shown, sight, table);
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
fn differences<'a>(
    shown: &'a ShownPanes,
    sight: &Inspection,
    table: &InspectedTable,
) -> Vec<&'a Check> {
    let bare = |table: &InspectedTable| {
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
    let sets = shown.checked.iter().flat_map(|checked| &checked.sets);
    sets.flat_map(|set| {
        set.checks
            .iter()
            .map(move |(number, check)| (set.stage, *number, check))
    })
    .filter(|(stage, number, check)| {
        let says = format!("{} {}", check.name, check.detail);
        check.verdict != Verdict::Pass
            && (says.contains(&own)
                || statement(&shown.runbook, *stage, *number).is_some_and(|text| {
                    text.contains(&own) && !others.iter().any(|other| text.contains(other.as_str()))
                }))
    })
    .map(|(_, _, check)| check)
    .collect()
}

fn statement(runbook: &Runbook, stage: InspectStage, number: usize) -> Option<&str> {
    Some(&stage.script(runbook)?.statement(number)?.text)
}

/// What is on a table and not of the script.
pub(super) fn others(
    shown: &ShownPanes,
    sight: &Inspection,
    table: &str,
    found: &CatalogTable,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = shown.look;
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
    let part = |part: &TablePart| {
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
