//! Which lines of a document were on the screen, so that "read" is said of what was shown alone.
//!
//! A line counts once all of it was there: each of its rows where it is wrapped, and from its first
//! column to its last where it is scrolled sideways. What lies under a box was not on the screen.

use super::DocumentPages;
use crate::facts::{Millis, Perusal};
use crate::runbook::script::Script;
use std::ops::Range;

/// Of what was seen, so many columns are seen again further to the right: no character is shown on more
/// of them, so that none is lost between the two.
const OVERLAP: usize = 10;

#[derive(Clone, Default)]
pub(crate) struct SeenLines {
    /// By line, over all its files.
    lines: Vec<bool>,
    left: usize,
    /// By line: how many of its rows, as they are laid out now, were not on the screen yet.
    pending: Vec<usize>,
    /// By row: up to which column it was seen from its first one on.
    reach: Vec<usize>,
    /// By line: whether a part of it was seen as it is laid out now; and of how many lines no more was.
    partly: Vec<bool>,
    begun: usize,
    layout: Option<(usize, bool)>,
    /// By line, while the document is open: whether it was on the screen this time.
    now: Vec<bool>,
    shown: usize,
}

impl SeenLines {
    /// Nothing of `script` yet.
    pub(crate) fn of(script: Option<&Script>) -> SeenLines {
        let sources = script.into_iter().flat_map(|script| &script.sources);
        let all = sources.map(|source| source.text.lines().count()).sum();
        SeenLines {
            lines: vec![false; all],
            left: all,
            ..SeenLines::default()
        }
    }

    /// How many lines were never on the screen.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Of how many of them a part was.
    pub(crate) fn begun(&self) -> usize {
        self.begun
    }

    /// From which column on the rows of `range` are to be seen next, where something of them was not.
    pub(crate) fn next_column(&self, pages: &DocumentPages, range: Range<usize>) -> Option<usize> {
        let reached = range.filter_map(|index| {
            let (line, wide) = pages.line_at(index)?;
            let reach = *self.reach.get(index)?;
            (reach <= wide && !*self.lines.get(line)?).then_some(reach)
        });
        let reached = reached.min()?;
        Some(reached.saturating_sub(OVERLAP + 1))
    }

    /// The first row of a line that was not seen whole.
    pub(crate) fn first_unseen(&self, pages: &DocumentPages) -> Option<usize> {
        let line = self.lines.iter().position(|seen| !seen)?;
        pages.row_of_line(line)
    }

    pub(crate) fn all(&self) -> usize {
        self.lines.len()
    }

    /// Begins to count what is seen this time.
    pub(crate) fn open(&mut self) {
        self.now = vec![false; self.lines.len()];
        self.shown = 0;
    }

    /// What became of it since it was opened.
    pub(crate) fn close(&mut self, milliseconds: Millis) -> Perusal {
        self.now = Vec::new();
        Perusal {
            milliseconds,
            lines: self.lines.len(),
            shown: self.shown,
            seen: self.lines.len() - self.left,
        }
    }

    /// The rows of `range` are on the screen, from column `shift` on.
    pub(crate) fn show(&mut self, pages: &DocumentPages, range: Range<usize>, shift: usize) {
        self.lay_out(pages);
        let inner = pages.inner();
        for index in range {
            let Some((line, wide)) = pages.line_at(index) else {
                continue;
            };
            if let (Some(now), true) = (self.now.get_mut(line), wide <= shift + inner)
                && !*now
            {
                *now = true;
                self.shown += 1;
            }
            let Some(reach) = self.reach.get_mut(index).filter(|reach| **reach < wide + 1) else {
                continue;
            };
            // A sign that there is more stands on the last column of what is cut.
            let to = match wide > shift + inner {
                true => shift + inner.saturating_sub(1),
                false => wide + 1,
            };
            let from = pages.seen_from(shift);
            if from > 0 && from + OVERLAP > *reach || to <= *reach {
                continue;
            }
            *reach = to;
            if let (Some(partly), Some(false)) = (self.partly.get_mut(line), self.lines.get(line))
                && !std::mem::replace(partly, true)
            {
                self.begun += 1;
            }
            if to <= wide {
                continue;
            }
            let (Some(pending), Some(seen)) =
                (self.pending.get_mut(line), self.lines.get_mut(line))
            else {
                continue;
            };
            *pending = pending.saturating_sub(1);
            if *pending == 0 && !*seen {
                *seen = true;
                self.left -= 1;
                self.begun -= 1;
            }
        }
    }

    /// Counts the rows of each line anew where they are laid out otherwise than before. What was
    /// seen of a line in part is seen again then.
    fn lay_out(&mut self, pages: &DocumentPages) {
        let layout = Some(pages.layout());
        if self.layout == layout {
            return;
        }
        self.layout = layout;
        self.pending = vec![0; self.lines.len()];
        self.reach = vec![0; pages.len()];
        self.partly = vec![false; self.lines.len()];
        self.begun = 0;
        for index in 0..pages.len() {
            if let Some((line, _)) = pages.line_at(index)
                && let Some(pending) = self.pending.get_mut(line)
            {
                *pending += 1;
            }
        }
    }
}
