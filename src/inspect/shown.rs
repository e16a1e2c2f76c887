//! What was seen, as far as a pane shows it, and which pane is open.

use super::past::PastRun;
use super::{CheckSet, Inspection};
use crate::facts::Millis;
use crate::runbook::Runbook;
use crate::runbook::impact::Impact;
use crate::tui::text::wrap;
use crate::tui::theme::Appearance;
use ratatui::style::{Style, Styled};
use ratatui::text::Line;
use std::sync::Arc;

/// The panes, in the order of their tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectPane {
    Applied,
    Checks,
    Structure,
    Impact,
    Locks,
    Scripts,
    Runs,
    Messages,
}

impl InspectPane {
    pub const ALL: [InspectPane; 8] = [
        InspectPane::Applied,
        InspectPane::Checks,
        InspectPane::Structure,
        InspectPane::Impact,
        InspectPane::Locks,
        InspectPane::Scripts,
        InspectPane::Runs,
        InspectPane::Messages,
    ];

    pub fn name(self) -> &'static str {
        match self {
            InspectPane::Applied => "applied",
            InspectPane::Checks => "checks",
            InspectPane::Structure => "structure",
            InspectPane::Impact => "impact",
            InspectPane::Locks => "locks",
            InspectPane::Scripts => "scripts",
            InspectPane::Runs => "runs",
            InspectPane::Messages => "messages",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LastChecks {
    pub(super) sets: Vec<CheckSet>,
    pub(super) at: Millis,
}

pub(super) struct ShownPanes {
    pub(super) runbook: Arc<Runbook>,
    pub(super) impact: Arc<Impact>,
    pub(super) look: Appearance,
    pub(super) pane: InspectPane,
    /// Since the start, in milliseconds.
    pub(super) now: Millis,
    pub(super) sight: Option<Inspection>,
    /// When that was seen, by `now`.
    pub(super) seen_at: Option<Millis>,
    pub(super) checked: Option<LastChecks>,
    /// Why nothing can be seen now.
    pub(super) blind: Option<String>,
    pub(super) looking: bool,
    pub(super) runs: Result<Vec<PastRun>, String>,
    /// Where the journals lie, for people.
    pub(super) folder: Option<String>,
}

impl ShownPanes {
    pub(super) fn new(
        runbook: Arc<Runbook>,
        look: Appearance,
        folder: Option<String>,
    ) -> ShownPanes {
        ShownPanes {
            impact: Arc::clone(runbook.impact()),
            runbook,
            look,
            pane: InspectPane::Applied,
            now: 0,
            sight: None,
            seen_at: None,
            checked: None,
            blind: None,
            looking: false,
            runs: Ok(Vec::new()),
            folder,
        }
    }
}

pub(super) fn nothing_yet(shown: &ShownPanes, columns: usize) -> Vec<Line<'static>> {
    let text = match &shown.blind {
        Some(why) => format!("Nothing was seen yet: {why}"),
        None => "Looking. Nothing was seen yet.".to_owned(),
    };
    said(shown, &text, Style::new(), columns)
}

/// Text from the first column on, cleaned and wrapped.
pub(super) fn said(
    shown: &ShownPanes,
    text: &str,
    style: Style,
    columns: usize,
) -> Vec<Line<'static>> {
    shown
        .look
        .clean_lines(text)
        .iter()
        .flat_map(|text| wrap(text, columns.saturating_sub(2)))
        .map(|part| Line::from(format!(" {part}").set_style(style)))
        .collect()
}
