//! Which lines of a document were on the screen, so that "read" is said of what was shown alone.
//!
//! A line counts once all of it was there: each of its rows where it is wrapped, and from its first
//! column to its last where it is scrolled sideways. What lies under a box was not on the screen.

use super::{DocumentPages, RowPlace};
use crate::facts::{Millis, Perusal};
use crate::runbook::script::Script;
use std::collections::BTreeMap;

/// Of what was seen, so many columns are seen again further to the right: no character is shown on more
/// of them, so that none is lost between the two.
const OVERLAP: usize = 10;

#[derive(Clone, Default)]
pub(crate) struct SeenLines {
    /// By line, over all its files.
    lines: Vec<bool>,
    left: usize,
    /// Of the lines of which a part was seen, as they are laid out now: up to which column each of its
    /// rows was seen from its first one on.
    begun: BTreeMap<usize, Vec<usize>>,
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
        self.begun.len()
    }

    fn reach_of(&self, line: usize, part: usize) -> usize {
        let begun = self.begun.get(&line);
        begun
            .and_then(|parts| parts.get(part))
            .map_or(0, |reach| *reach)
    }

    /// From which column on these rows are to be seen next, where something of them was not.
    pub(crate) fn next_column(&self, pages: &DocumentPages, shown: &[RowPlace]) -> Option<usize> {
        let reached = shown.iter().filter_map(|row| {
            let (line, wide) = pages.line_at(*row)?;
            let reach = self.reach_of(line, pages.part_at(*row)?.0);
            (reach <= wide && !*self.lines.get(line)?).then_some(reach)
        });
        let reached = reached.min()?;
        Some(reached.saturating_sub(OVERLAP + 1))
    }

    /// The first row of a line that was not seen whole.
    pub(crate) fn first_unseen(&self, pages: &DocumentPages) -> Option<RowPlace> {
        let line = self.lines.iter().position(|seen| !seen)?;
        Some(pages.row_of_line(line))
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

    /// These rows are on the screen, from column `shift` on.
    pub(crate) fn show(&mut self, pages: &DocumentPages, shown: &[RowPlace], shift: usize) {
        let layout = Some(pages.layout());
        if self.layout != layout {
            // What was seen of a line in part is seen again.
            self.layout = layout;
            self.begun.clear();
        }
        let inner = pages.inner();
        for row in shown {
            let Some(((line, wide), (part, parts))) = pages.line_at(*row).zip(pages.part_at(*row))
            else {
                continue;
            };
            if let (Some(now), true) = (self.now.get_mut(line), wide <= shift + inner)
                && !*now
            {
                *now = true;
                self.shown += 1;
            }
            let reach = self.reach_of(line, part);
            if self.lines.get(line) != Some(&false) || reach > wide {
                continue;
            }
            // A sign that there is more stands on the last column of what is cut.
            let to = match wide > shift + inner {
                true => shift + inner.saturating_sub(1),
                false => wide + 1,
            };
            let from = pages.seen_from(shift);
            if from > 0 && from + OVERLAP > reach || to <= reach {
                continue;
            }
            let begun = self.begun.entry(line).or_insert_with(|| vec![0; parts]);
            if let Some(reach) = begun.get_mut(part) {
                // What is seen to its end is seen for good.
                *reach = if to > wide { usize::MAX } else { to };
            }
            if begun.iter().all(|reach| *reach == usize::MAX) {
                self.begun.remove(&line);
                self.left -= 1;
                if let Some(seen) = self.lines.get_mut(line) {
                    *seen = true;
                }
            }
        }
    }
}
