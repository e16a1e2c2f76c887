//! What is sought in the open script or pane, and where it was found.

use super::Pager;
use crate::acts::name_keys;
use crate::tui::field::remember;
use crate::tui::reader::RowPlace;
use crate::tui::scroll::Scroll;

const NOTHING_SOUGHT: &str = "Nothing is sought yet; {find} asks for a text.";

/// A text that is sought among lines, from one of them on and round the end.
pub(crate) struct Quest {
    needle: String,
    from: usize,
    forward: bool,
}

impl Quest {
    /// The first of so many lines that holds it.
    pub(crate) fn find_among(
        &self,
        all: usize,
        text_of: impl Fn(usize) -> Option<String>,
    ) -> Option<usize> {
        (0..all)
            .map(|step| (self.from + if self.forward { step } else { all - step }) % all)
            .find(|line| {
                text_of(*line).is_some_and(|text| text.to_lowercase().contains(&self.needle))
            })
    }
}

impl Pager {
    /// The texts that were sought, the last one last.
    pub(crate) fn searches(&self) -> &[String] {
        &self.searches
    }

    /// The line that was found of the pane that is open.
    pub(crate) fn found(&self) -> Option<usize> {
        self.found
    }

    pub(crate) fn seek(&mut self, sought: String) {
        remember(&mut self.searches, &sought);
        self.sought = sought;
        self.found = None;
        self.found_row = None;
    }

    /// What is sought, from where a pane is scrolled to; or why nothing is.
    pub(crate) fn begin_quest(&self, forward: bool, scroll: &Scroll) -> Result<Quest, String> {
        if self.sought.is_empty() {
            return Err(name_keys(NOTHING_SOUGHT));
        }
        let from = match (self.found, forward) {
            (Some(found), true) => found + 1,
            (Some(found), false) => found + scroll.total.saturating_sub(1),
            (None, _) => scroll.top,
        };
        Ok(Quest {
            needle: self.sought.to_lowercase(),
            from,
            forward,
        })
    }

    /// Takes what a search found, and scrolls to it; what is to be said of it.
    pub(crate) fn end_quest(
        &mut self,
        found: Option<usize>,
        scroll: &mut Scroll,
    ) -> Option<String> {
        self.found = found;
        let Some(row) = found else {
            return Some(self.tell_not_found());
        };
        if !(scroll.top..scroll.top + scroll.height).contains(&row) {
            scroll.top = row.saturating_sub(2).min(scroll.last());
        }
        None
    }

    fn tell_not_found(&self) -> String {
        format!("Not found: {}", self.look.clean(&self.sought))
    }

    /// Goes to the next place of the open script that holds what is sought.
    pub(crate) fn find_in_script(&mut self, forward: bool) -> Option<String> {
        if self.sought.is_empty() {
            return Some(name_keys(NOTHING_SOUGHT));
        }
        let behind = |row: RowPlace| RowPlace {
            part: row.part + 1,
            ..row
        };
        let top = self.reading().top;
        let from = match (self.found_row, forward) {
            (Some(found), true) => behind(found),
            (Some(found), false) => found,
            (None, true) => top,
            (None, false) => behind(top),
        };
        let needle = self.sought.to_lowercase();
        let pages = self.pages.as_ref();
        self.found_row = pages.and_then(|pages| pages.find(&needle, from, forward));
        let Some(row) = self.found_row else {
            return Some(self.tell_not_found());
        };
        if !self.shown().contains(&row) {
            self.show_below(row, 2);
        }
        self.move_to_match(row);
        None
    }

    /// Goes to the next line of the pane that holds what is sought.
    pub(crate) fn find_in_lines(&mut self, forward: bool, scroll: &mut Scroll) -> Option<String> {
        match self.begin_quest(forward, scroll) {
            Ok(quest) => {
                let found = quest.find_among(self.texts.len(), |row| self.line(row).cloned());
                self.end_quest(found, scroll)
            }
            Err(why) => Some(why),
        }
    }

    /// Moves a long line so that what was found in it is seen.
    fn move_to_match(&mut self, row: RowPlace) {
        let Some(pages) = self.pages.as_ref().filter(|_| !self.wrapped) else {
            return;
        };
        let columns = pages.columns_of(row, &self.sought);
        let Some(columns) = columns else { return };
        let inner = pages.inner();
        if columns.end < inner {
            self.moved = 0;
        } else if columns.start <= self.moved || columns.end >= self.moved + inner {
            self.moved = columns.start.saturating_sub(inner / 3);
        }
    }
}
