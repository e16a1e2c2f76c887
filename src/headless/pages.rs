//! What is longer than the screen, page by page, where a person sits before it: Enter goes on, any
//! other word ends it.
//!
//! It never stands between a person and the transaction: what happens meanwhile is told at once, and a
//! word that is typed is taken.

use crate::facts::Perusal;
use crate::gate::event::{Document, Event};
use ratatui::text::Span;
use std::time::Instant;

/// Lines of which the first ones were shown.
pub(super) struct LinePages {
    lines: Vec<String>,
    shown: usize,
    /// Which document they are, where they are one.
    document: Option<Document>,
    opened: Instant,
    /// Each page of them that was shown so far fitted a screen.
    on_screen: bool,
}

impl LinePages {
    /// Lines that nobody has seen yet; at least one.
    pub(super) fn of(lines: Vec<String>, document: Option<Document>) -> LinePages {
        LinePages {
            lines,
            shown: 0,
            document,
            opened: Instant::now(),
            on_screen: true,
        }
    }

    /// The next lines that fit on a screen of `rows` with `columns`, with one row left for the prompt. A line
    /// that is longer than the screen is shown all the same. Without a screen they are all shown.
    pub(super) fn turn(&mut self, screen: Option<(usize, usize)>) -> &[String] {
        self.on_screen &= screen.is_some();
        let (columns, rows) = screen.unwrap_or((usize::MAX, usize::MAX));
        let from = self.shown;
        let mut room = rows.saturating_sub(1).max(1);
        while let Some(line) = self.lines.get(self.shown) {
            let wide = Span::raw(line.as_str()).width();
            let takes = wide.div_ceil(columns.max(1)).max(1);
            if takes > room && self.shown > from {
                break;
            }
            self.shown += 1;
            room = room.saturating_sub(takes);
            if room == 0 {
                break;
            }
        }
        self.lines.get(from..self.shown).unwrap_or_default()
    }

    /// How many lines nobody has seen yet.
    pub(super) fn left(&self) -> usize {
        self.lines.len() - self.shown
    }

    /// How the document was before a person until now, and then that its end was, if so.
    pub(super) fn leave(&self) -> Vec<Event> {
        let Some(document) = self.document else {
            return Vec::new();
        };
        let perusal = Perusal {
            milliseconds: u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX),
            lines: self.lines.len(),
            shown: self.shown,
            seen: self.shown,
        };
        let mut events = vec![Event::Perused {
            document,
            on_screen: self.on_screen,
            perusal,
        }];
        events.extend((self.left() == 0).then_some(Event::ReadToEnd(document)));
        events
    }
}

/// Our own lines, broken between words where they are longer than the screen; what goes on below a line
/// stands a little to its right. A word that is longer than the screen is left to the terminal.
pub(super) fn break_lines(text: &str, columns: usize) -> String {
    let wide = |text: &str| Span::raw(text).width();
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let mut used = 0;
        for (nth, word) in line.split(' ').enumerate() {
            let takes = wide(word);
            if used + 1 + takes > columns && used > indent {
                out.push_str(&format!("\n{:1$}", "", indent + 2));
                used = indent + 2;
            } else if nth > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += takes;
        }
        out.push('\n');
    }
    out
}

/// Columns and rows of the terminal that standard output is; `None` where it is none, or does not say.
pub(super) fn screen() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    (size.ws_row > 1 && size.ws_col > 1)
        .then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it was on a screen, how many lines there are, how many of them were shown, and whether its
    /// end was, if it is left now.
    fn left(pages: &LinePages) -> (bool, usize, usize, bool) {
        let events = pages.leave();
        let Some(Event::Perused {
            on_screen, perusal, ..
        }) = events.first()
        else {
            panic!("{events:?}");
        };
        let whole = events.get(1) == Some(&Event::ReadToEnd(Document::Script));
        (*on_screen, perusal.lines, perusal.shown, whole)
    }

    #[test]
    fn a_page_leaves_a_row_for_the_prompt_and_counts_rows_that_are_wrapped() {
        let lines = ["a", "bbbbbbbbbbbb", "c", "", "d"].map(str::to_owned);
        let mut pages = LinePages::of(lines.into(), Some(Document::Script));
        // Three rows: the second line takes two of them.
        assert_eq!(pages.turn(Some((10, 4))), ["a", "bbbbbbbbbbbb"]);
        assert_eq!(pages.left(), 3);
        assert_eq!(left(&pages), (true, 5, 2, false));
        assert_eq!(pages.turn(Some((10, 4))), ["c", "", "d"]);
        assert_eq!(left(&pages), (true, 5, 5, true));
        assert!(pages.turn(Some((10, 4))).is_empty());
    }

    #[test]
    fn a_line_longer_than_the_screen_does_not_stop_the_pages() {
        let mut pages = LinePages::of(vec!["x".repeat(1_000), "y".into()], None);
        assert_eq!(pages.turn(Some((10, 5))).len(), 1);
        assert_eq!(pages.turn(Some((10, 5))), ["y"]);
        assert_eq!(pages.leave(), Vec::new());
    }

    #[test]
    fn lines_are_broken_between_words_and_go_on_to_the_right() {
        let text = "short\n  a word and another word of it\n";
        assert_eq!(break_lines(text, 80), text);
        assert_eq!(
            break_lines(text, 24),
            "short\n  a word and another\n    word of it\n"
        );
        assert_eq!(break_lines("a\n\nb", 80), "a\n\nb\n", "a blank line stays");
        let path = format!("{}\n", "x".repeat(50));
        assert_eq!(break_lines(&path, 30).matches('x').count(), 50);
    }

    #[test]
    fn what_went_into_a_pipe_was_on_no_screen() {
        let lines = || ["a", "b", "c"].map(str::to_owned).into();
        let mut pages = LinePages::of(lines(), Some(Document::Script));
        assert_eq!(pages.turn(None).len(), 3);
        assert_eq!(left(&pages), (false, 3, 3, true));
        let mut pages = LinePages::of(lines(), Some(Document::Script));
        pages.turn(Some((10, 2)));
        assert_eq!(left(&pages), (true, 3, 1, false));
        // The terminal went away, or no longer says how large it is.
        pages.turn(None);
        assert_eq!(left(&pages), (false, 3, 3, true));
    }
}
