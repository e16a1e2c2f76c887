//! How far something is scrolled: by a person, or by what it follows.

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

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scroll {
    pub(crate) top: usize,
    pub(crate) height: usize,
    pub(crate) total: usize,
    /// A person moved it; what it follows no longer moves it.
    pub(crate) moved: bool,
}

impl Scroll {
    pub(crate) fn scroll_by(&mut self, step: ScrollStep) {
        // Two rows stay: the signs for more cover the end of the first and the last one, and
        // whoever pages through a script has to see each row whole.
        let page = self.height.saturating_sub(2).max(1);
        let last = self.total.saturating_sub(self.height);
        self.moved = true;
        self.top = match step {
            ScrollStep::Up => self.top.saturating_sub(1),
            ScrollStep::Down => self.top + 1,
            ScrollStep::PageUp => self.top.saturating_sub(page),
            ScrollStep::PageDown => self.top + page,
            ScrollStep::HalfUp => self.top.saturating_sub((page / 2).max(1)),
            ScrollStep::HalfDown => self.top + (page / 2).max(1),
            ScrollStep::First => 0,
            ScrollStep::Last => {
                self.moved = false;
                last
            }
        }
        .min(last);
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

    /// The rows that are on the screen.
    pub(crate) fn shown(&self) -> std::ops::Range<usize> {
        self.top..(self.top + self.height).min(self.total)
    }

    /// How far it can be scrolled.
    pub(crate) fn last(&self) -> usize {
        self.total.saturating_sub(self.height)
    }
}
