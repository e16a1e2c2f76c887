//! A pane that is told in lines of a meaning, such as what the script is expected to do.
//!
//! ```text
//!  TABLES TOUCHED ──────────────────────────────────────────────────────
//!  service_ops.packet_decision: 48 MB, about 120,400 rows
//!  OBJECTS, counted in the script ──────────────────────────────────────
//!  Migration 012: packet_decision: adds 21 columns, 5 indexes
//!    promised: 21 columns, 5 indexes; as counted
//!  LOCKS EXPECTED: the strongest on each table … ───────────────────────
//!  ACCESS EXCLUSIVE on service_ops.packet_decision, statement 5: reads and writes wait
//! ```

use crate::runbook::impact::ImpactLine;
use crate::tui::text::{hanging, width};
use crate::tui::theme::Appearance;
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

pub(crate) fn draw_told(
    look: Appearance,
    told: Vec<ImpactLine>,
    columns: usize,
) -> Vec<Line<'static>> {
    let inner = columns.saturating_sub(1);
    let mut lines = Vec::new();
    for line in told {
        match line {
            ImpactLine::Heading(text) => {
                if !lines.is_empty() {
                    lines.push(Line::default());
                }
                lines.extend(heading(look, &text, inner));
            }
            ImpactLine::Line(text) => {
                lines.extend(hanging(&look.clean(&text), Style::new(), 1, inner))
            }
            ImpactLine::More(text) => {
                lines.extend(hanging(&look.clean(&text), look.dim(), 3, inner))
            }
            ImpactLine::Warn(text) => {
                lines.extend(hanging(&look.clean(&text), look.warn(), 1, inner))
            }
        }
    }
    lines
}

/// A heading, with a level line where there is room for one.
fn heading(look: Appearance, text: &str, columns: usize) -> Vec<Line<'static>> {
    let mut lines = hanging(&look.clean(text), look.strong(), 1, columns);
    if let [only] = lines.as_mut_slice() {
        let rest = columns.saturating_sub(width(&only.to_string()) + 1);
        only.push_span(Span::raw(" "));
        only.push_span(look.glyphs.rule().repeat(rest).set_style(look.dim()));
    }
    lines
}
