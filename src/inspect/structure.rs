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

mod extent;
mod remainder;
mod rows;

pub(super) use extent::{extent, word};

use super::CatalogTable;
use super::shown::{ShownPanes, nothing_yet, said};
use crate::runbook::impact::grouped;
use crate::tui::view::Scene;
use ratatui::style::Style;
use ratatui::text::Line;
use remainder::{checks, others};
use rows::expected;

pub(super) fn draw_structure(
    shown: &ShownPanes,
    scene: &Scene<'_>,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = shown.look;
    let Some(sight) = &shown.sight else {
        return nothing_yet(shown, columns);
    };
    if sight.tables.is_empty() {
        let text = "The script changes no table that could be found.";
        return said(shown, text, Style::new(), columns);
    }
    let sets = shown
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
                lines.extend(said(shown, text, look.bad(), columns));
            }
            Some(found) => lines.extend(said(shown, &facts(found), Style::new(), columns)),
        }
        lines.extend(expected(shown, sight, sets, &table.name, columns));
        lines.extend(checks(shown, sight, table, columns));
        if let Some(found) = &table.found {
            lines.extend(others(shown, sight, &table.name, found, columns));
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
        lines.extend(expected(shown, sight, sets, "", columns));
        lines.push(Line::default());
    }
    if !shown.impact.unseen.is_empty() {
        let unseen: Vec<String> = shown
            .impact
            .unseen
            .iter()
            .map(|one| format!("{} on line {}", one.kind, one.line))
            .collect();
        let text = format!(
            "Expected is what the script's text says; what these do is not looked into: {}.",
            unseen.join(", ")
        );
        lines.extend(said(shown, &text, look.dim(), columns));
    }
    lines
}

fn facts(found: &CatalogTable) -> String {
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
