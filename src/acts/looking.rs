//! What can be asked of what is looked at. Nothing of it asks the gate for anything.

use crate::gate::Account;
use crate::runbook::Runbook;
use crate::runbook::impact::ImpactLine;

/// What changes only what is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewAct {
    /// It is the pager's, in whatever screen.
    Page(PageAct),
    NextPane,
    PreviousPane,
    /// To what an item of the checklist waits for; by lines all of its evidence.
    Item,
    Detail,
    Scripts,
    Locks,
    Messages,
    /// A pane that is told in the same lines wherever it is shown.
    Told(&'static ToldPane),
    Help,
    Close,
    Find,
    Repaint,
    Accept,
    Edit(FieldEdit),
    OpenEditor,
    LookAgain,
    Copy,
}

/// A pane that needs nothing of a screen to say what it has to.
#[derive(Debug)]
pub struct ToldPane {
    /// What it is called among others, as in `inspect`.
    pub name: &'static str,
    pub title: &'static str,
    pub told: fn(&Runbook, &Account) -> Vec<ImpactLine>,
}

impl PartialEq for ToldPane {
    fn eq(&self, other: &ToldPane) -> bool {
        self.name == other.name
    }
}

impl Eq for ToldPane {}

/// What can be asked of a pager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAct {
    Scroll(ScrollStep),
    Left,
    Right,
    FindNext,
    FindPrevious,
    NextSection,
    PreviousSection,
    Wrap,
    /// To what of a script was not on the screen yet; elsewhere a page down.
    ReadOn,
}

/// A step in what is scrolled, or from entry to entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrollStep {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    First,
    Last,
}

impl ScrollStep {
    /// Where it leads from row or entry `at`, with `last` as the furthest and `page` of them on a page.
    pub fn lead(self, at: usize, page: usize, last: usize) -> usize {
        let (page, half) = (page.max(1), (page / 2).max(1));
        match self {
            ScrollStep::Up => at.saturating_sub(1),
            ScrollStep::Down => at + 1,
            ScrollStep::PageUp => at.saturating_sub(page),
            ScrollStep::PageDown => at + page,
            ScrollStep::HalfUp => at.saturating_sub(half),
            ScrollStep::HalfDown => at + half,
            ScrollStep::First => 0,
            ScrollStep::Last => last,
        }
        .min(last)
    }
}

/// What a key does to a text that is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldEdit {
    Left,
    Right,
    Home,
    End,
    Erase,
    EraseAhead,
    EraseWord,
    EraseToEnd,
    EraseAll,
    Older,
    Newer,
    /// Begins a new line, in a text that has several.
    NewLine,
}
