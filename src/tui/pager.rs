//! What is read page by page: the scripts, and any pane of lines. `run` and `inspect` hold one each.
//!
//! It knows what is sought and found, which script is open, how far each was read, and where it is
//! scrolled to. It asks nobody for anything: what a key means here is done, or said in words, or left
//! to whoever holds it.

pub(crate) mod clipboard;
mod drawing;
mod searching;

use super::reader::perusal::SeenLines;
use super::reader::{self, DocumentPages, RowPlace};
use super::scroll::{Scroll, page_of};
use super::theme::Appearance;
use crate::acts::{PageAct, ScrollStep};
use crate::runbook::Runbook;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InScript {
    /// The finding of this number, in the script's order.
    Finding(usize),
    /// This line, over all its files.
    Line(usize),
    /// What is in question: the file, as an index into its sources, and the line.
    InQuestion(usize, usize),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Paged {
    Done,
    /// It changed nothing, or what it changed is not plain to see: this is said.
    Said(String),
    /// It means nothing here.
    Beyond,
}

impl Paged {
    fn said_or_done(said: Option<String>) -> Paged {
        said.map_or(Paged::Done, Paged::Said)
    }
}

/// How far a document is scrolled: the row at the top, of so many.
#[derive(Debug, Clone, Copy, Default)]
struct ReadingPlace {
    top: RowPlace,
    height: usize,
}

#[derive(Clone)]
pub(crate) struct Pager {
    runbook: Arc<Runbook>,
    look: Appearance,
    /// The open document's tab, and how far each is scrolled.
    tab: usize,
    documents: Vec<ReadingPlace>,
    pages: Option<Arc<DocumentPages>>,
    /// What of each document was on the screen.
    seen: Arc<Vec<SeenLines>>,
    /// Whether a script's long lines are wrapped; else how far they are moved to the left, in columns.
    wrapped: bool,
    moved: usize,
    /// Where to go in the script once its rows are made.
    place: Option<InScript>,
    /// The lines of the pane that was drawn last.
    texts: Arc<Vec<String>>,
    sought: String,
    /// The texts that were sought, the last one last.
    searches: Vec<String>,
    /// The line that was found of the pane that is open, or the row of the script.
    found: Option<usize>,
    found_row: Option<RowPlace>,
}

impl Pager {
    pub(crate) fn new(runbook: Arc<Runbook>, look: Appearance) -> Pager {
        let kinds = reader::documents(&runbook);
        let seen = kinds
            .iter()
            .map(|kind| SeenLines::of(kind.script_of(&runbook)));
        Pager {
            documents: vec![ReadingPlace::default(); kinds.len()],
            seen: Arc::new(seen.collect()),
            runbook,
            look,
            tab: 0,
            pages: None,
            wrapped: false,
            moved: 0,
            place: None,
            texts: Arc::default(),
            sought: String::new(),
            searches: Vec::new(),
            found: None,
            found_row: None,
        }
    }

    pub(crate) fn set_look(&mut self, look: Appearance) {
        self.look = look;
        self.pages = None;
    }

    // ---- which script ---------------------------------------------------------------------------

    pub(crate) fn tab(&self) -> usize {
        self.tab
    }

    pub(crate) fn scripts(&self) -> usize {
        self.documents.len()
    }

    pub(crate) fn open_tab(&mut self, tab: usize) {
        self.tab = tab;
        self.leave();
    }

    /// Where to go in the open script, with its next frame.
    pub(crate) fn go_to_place(&mut self, place: InScript) {
        self.place = Some(place);
    }

    /// Something else is opened: nothing of it was found yet, and nothing is moved.
    pub(crate) fn leave(&mut self) {
        self.moved = 0;
        self.found = None;
        self.found_row = None;
    }

    pub(crate) fn seen_mut(&mut self, tab: usize) -> Option<&mut SeenLines> {
        Arc::make_mut(&mut self.seen).get_mut(tab)
    }

    fn reading(&self) -> ReadingPlace {
        self.documents.get(self.tab).copied().unwrap_or_default()
    }

    /// Has the open script begin with this row, or with the last one that leaves no room.
    fn scroll_to(&mut self, top: RowPlace) {
        let Some(pages) = &self.pages else { return };
        if let Some(reading) = self.documents.get_mut(self.tab) {
            let furthest = pages.furthest_top(reading.height);
            reading.top = pages.settle(top).min(furthest);
        }
    }

    /// The rows of the open script that are on the screen.
    fn shown(&self) -> Vec<RowPlace> {
        let ReadingPlace { top, height } = self.reading();
        let pages = self.pages.as_ref();
        pages.map_or_else(Vec::new, |pages| pages.shown(top, height))
    }

    // ---- keys -----------------------------------------------------------------------------------

    /// Does to the open script what a key asks for.
    pub(crate) fn page_script(&mut self, act: PageAct) -> Paged {
        Paged::said_or_done(match act {
            PageAct::Scroll(step) => {
                self.scroll_script(step);
                None
            }
            PageAct::Left | PageAct::Right => return self.move_sideways(act),
            PageAct::ReadOn => self.read_on(),
            PageAct::FindNext | PageAct::FindPrevious if self.sought.is_empty() => {
                self.go_to_finding(act == PageAct::FindNext)
            }
            PageAct::FindNext => self.find_in_script(true),
            PageAct::FindPrevious => self.find_in_script(false),
            PageAct::NextSection => self.go_to_section(true),
            PageAct::PreviousSection => self.go_to_section(false),
            PageAct::Wrap => Some(self.turn_wrapping()),
        })
    }

    fn scroll_script(&mut self, step: ScrollStep) {
        // Any row that is far enough from the first and the last one.
        const MIDDLE: usize = usize::MAX / 2;
        let ReadingPlace { top, height } = self.reading();
        let Some(pages) = &self.pages else { return };
        let to = match step {
            ScrollStep::First => RowPlace::default(),
            ScrollStep::Last => pages.furthest_top(height),
            _ => {
                let to = step.lead(MIDDLE, page_of(height), usize::MAX);
                match to.checked_sub(MIDDLE) {
                    Some(rows) => pages.down(top, rows),
                    None => pages.up(top, MIDDLE - to),
                }
            }
        };
        self.scroll_to(to);
    }

    /// Does to a pane of lines, drawn by [`Pager::draw_lines`], what a key asks for.
    pub(crate) fn page_lines(&mut self, act: PageAct, scroll: &mut Scroll) -> Paged {
        match act {
            PageAct::Scroll(step) => scroll.scroll_by(step),
            PageAct::ReadOn => scroll.scroll_by(ScrollStep::PageDown),
            PageAct::FindNext | PageAct::FindPrevious => {
                return Paged::said_or_done(self.find_in_lines(act == PageAct::FindNext, scroll));
            }
            // What only a script has.
            _ => return Paged::Beyond,
        }
        Paged::Done
    }

    /// Moves long lines by half a screen, where any goes on; what is moved to the left comes back first.
    fn move_sideways(&mut self, act: PageAct) -> Paged {
        let width = self.pages.as_ref().map_or(0, |pages| pages.layout().0);
        let step = (width / 2).max(1);
        match act {
            PageAct::Right if self.going_on() > 0 => self.moved += step,
            PageAct::Right if self.moved > 0 => {}
            PageAct::Left if self.moved > 0 => self.moved = self.moved.saturating_sub(step),
            _ => return Paged::Beyond,
        }
        Paged::Done
    }

    /// How many of the script's rows on the screen go on to the right.
    fn going_on(&self) -> usize {
        let pages = self.pages.as_ref();
        pages.map_or(0, |pages| {
            let shown = self.shown();
            let rows = shown.iter();
            rows.filter(|row| pages.goes_on(**row, self.moved)).count()
        })
    }

    /// Has a row stand below so many others, where there are so many.
    fn show_below(&mut self, row: RowPlace, above: usize) {
        let top = self.pages.as_ref().map(|pages| pages.up(row, above));
        self.scroll_to(top.unwrap_or_default());
    }

    /// Goes to the next finding of the script, or the one before.
    fn go_to_finding(&mut self, forward: bool) -> Option<String> {
        let from = self.found_row.unwrap_or(self.reading().top);
        let pages = self.pages.as_ref();
        let Some(row) = pages.and_then(|pages| pages.next_finding(from, forward)) else {
            return Some("Nothing here is marked: no finding, and nothing is refused.".into());
        };
        self.moved = 0;
        self.show_below(row, 2);
        self.found_row = Some(row);
        None
    }

    /// Goes to the next section of the script, or the one before.
    fn go_to_section(&mut self, forward: bool) -> Option<String> {
        let top = self.reading().top;
        let pages = self.pages.as_ref();
        match pages.and_then(|pages| pages.next_section(top, forward)) {
            Some(row) => {
                self.scroll_to(row);
                None
            }
            None if forward => Some("No section begins further down.".into()),
            None => Some("No section begins further up.".into()),
        }
    }

    /// Wraps a script's long lines, or lets them be moved sideways.
    fn turn_wrapping(&mut self) -> String {
        self.wrapped = !self.wrapped;
        self.leave();
        match self.wrapped {
            true => "Long lines are wrapped.".into(),
            false => "Long lines go on to the right.".into(),
        }
    }

    /// Moves the script to what was not on the screen yet: to the right, down, and from its end to what
    /// was passed over.
    fn read_on(&mut self) -> Option<String> {
        let (pages, seen) = (self.pages.clone()?, self.seen.get(self.tab)?);
        let ReadingPlace { top, height } = self.reading();
        let right = seen.next_column(&pages, &self.shown());
        match right.filter(|_| !self.wrapped) {
            Some(column) => self.moved = column,
            None => {
                let unseen = seen.first_unseen(&pages);
                self.moved = 0;
                if top < pages.furthest_top(height) {
                    self.scroll_script(ScrollStep::PageDown);
                } else if let Some(row) = unseen {
                    self.scroll_to(row);
                } else {
                    return Some("This is its end, and every line of it was on the screen.".into());
                }
            }
        }
        None
    }
}
