//! How far something is scrolled: by a person, or by what it follows.

use crate::acts::ScrollStep;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scroll {
    pub(crate) top: usize,
    pub(crate) height: usize,
    pub(crate) total: usize,
    /// A person moved it; what it follows no longer moves it.
    pub(crate) moved: bool,
}

/// How many of so many rows are a page. Two stay: the signs for more cover the end of the first and the
/// last one, and whoever pages through a script has to see each row whole.
pub(crate) fn page_of(height: usize) -> usize {
    height.saturating_sub(2)
}

impl Scroll {
    pub(crate) fn scroll_by(&mut self, step: ScrollStep) {
        let page = page_of(self.height);
        // Whoever goes to its end follows it again.
        self.moved = step != ScrollStep::Last;
        self.top = step.lead(self.top, page, self.last());
    }

    /// Fits it to what there is to show, following `follow` unless a person moved it.
    pub(crate) fn settle(&mut self, total: usize, height: usize, follow: Option<usize>) {
        self.total = total;
        self.height = height;
        if let (Some(line), false) = (follow, self.moved) {
            // A few lines of what comes next stay in sight.
            let ahead = 4.min(height / 3);
            self.top = (line + ahead + 1).saturating_sub(height);
        }
        self.top = self.top.min(total.saturating_sub(height));
    }

    /// Moves no further than needed for `line` to be seen. The signs for more cover the end of the
    /// first and the last row, so it stands on neither where that is possible.
    pub(crate) fn keep_in_sight(&mut self, line: usize, height: usize) {
        self.moved = true;
        let margin = usize::from(height > 2);
        let lowest = (line + 1 + margin).saturating_sub(height);
        self.top = self
            .top
            .clamp(lowest, line.saturating_sub(margin).max(lowest));
    }

    /// How far it can be scrolled.
    pub(crate) fn last(&self) -> usize {
        self.total.saturating_sub(self.height)
    }
}
