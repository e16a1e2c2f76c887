//! Text as the screen takes it: printable, measured in columns, cut, wrapped.
//!
//! Every string of a server or script comes through [`Appearance::clean`] before it is put on a
//! line (I8). Widths are columns as the terminal counts them, never bytes or characters.

use super::theme::{Appearance, Glyphs};
use crate::facts::Millis;
use crate::runbook::printable::{ascii_only, printable};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// Columns that a tab stands for.
const TAB: &str = "    ";

impl Appearance {
    /// `text` on one line: tabs widened, control characters as escapes; ASCII only where that is
    /// all the terminal takes.
    pub(crate) fn clean(self, text: &str) -> String {
        let widened = text.replace('\t', TAB);
        let shown = printable(&widened);
        match self.glyphs {
            Glyphs::Unicode => shown.into_owned(),
            Glyphs::Ascii => ascii_only(&shown).into_owned(),
        }
    }

    /// A heading with a level line to the right of it.
    pub(crate) fn heading(self, text: &str, columns: usize) -> Line<'static> {
        let text = self.clip(text, columns);
        let rest = columns.saturating_sub(width(&text) + 1);
        Line::from(vec![
            text.set_style(self.strong()),
            Span::raw(" "),
            self.glyphs.rule().repeat(rest).set_style(self.dim()),
        ])
    }

    /// `text`, line by line, each cleaned.
    pub(crate) fn clean_lines(self, text: &str) -> Vec<String> {
        text.lines().map(|line| self.clean(line)).collect()
    }

    /// `text` cut to at most `columns`, with a sign that it was.
    pub(crate) fn clip(self, text: &str, columns: usize) -> String {
        if width(text) <= columns {
            return text.to_owned();
        }
        let sign = self.glyphs.ellipsis();
        let Some(room) = columns.checked_sub(width(sign)) else {
            return take(text, columns).0.to_owned();
        };
        format!("{}{sign}", take(text, room).0)
    }

    /// `text` cut at its beginning to at most `columns`, with a sign that it was.
    pub(crate) fn clip_left(self, text: &str, columns: usize) -> String {
        if width(text) <= columns {
            return text.to_owned();
        }
        let sign = self.glyphs.ellipsis();
        let Some(room) = columns.checked_sub(width(sign)) else {
            return take(text, columns).0.to_owned();
        };
        let mut rest = text;
        while width(rest) > room {
            let step = rest.chars().next().map_or(0, char::len_utf8);
            rest = rest.get(step..).unwrap_or_default();
        }
        format!("{sign}{rest}")
    }

    /// `text` cut or filled to exactly `columns`.
    pub(crate) fn fit(self, text: &str, columns: usize) -> String {
        let mut shown = self.clip(text, columns);
        let missing = columns.saturating_sub(width(&shown));
        shown.extend(std::iter::repeat_n(' ', missing));
        shown
    }

    /// `text` cut or filled to exactly `columns`, at the right edge.
    pub(crate) fn fit_right(self, text: &str, columns: usize) -> String {
        let shown = self.clip(text, columns);
        let missing = columns.saturating_sub(width(&shown));
        format!("{}{shown}", " ".repeat(missing))
    }

    pub(crate) fn bar(self, done: u64, total: u64, columns: usize) -> String {
        let (full, empty) = self.glyphs.bar();
        let share = done.min(total).checked_mul(columns as u64);
        let filled = share.and_then(|s| s.checked_div(total)).unwrap_or(0) as usize;
        format!(
            "{}{}",
            full.repeat(filled),
            empty.repeat(columns.saturating_sub(filled))
        )
    }
}

/// How many columns `text` takes.
pub(crate) fn width(text: &str) -> usize {
    // Cleaned text has no control characters, so its ASCII is a column a byte.
    if text.is_ascii() {
        return text.len();
    }
    Span::raw(text).width()
}

/// As much of `text` as fits into `columns`, and the rest. Never splits a character that is drawn
/// as one.
pub(crate) fn take(text: &str, columns: usize) -> (&str, &str) {
    if text.is_ascii() {
        return text.split_at_checked(columns).unwrap_or((text, ""));
    }
    let span = Span::raw(text);
    let mut used = 0;
    let mut bytes = 0;
    for grapheme in span.styled_graphemes(Style::new()) {
        let next = width(grapheme.symbol);
        if used + next > columns {
            break;
        }
        used += next;
        bytes += grapheme.symbol.len();
    }
    text.split_at_checked(bytes).unwrap_or((text, ""))
}

/// `text` in lines of at most `columns`, broken between words where that is possible.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        // An empty first word is a leading blank, not the beginning of nothing.
        let mut begun = false;
        for word in paragraph.split(' ') {
            let mut word = word;
            let gap = usize::from(begun);
            if width(&line) + gap + width(word) <= columns {
                if begun {
                    line.push(' ');
                }
                line.push_str(word);
                begun = true;
                continue;
            }
            if begun {
                lines.push(std::mem::take(&mut line));
            }
            while width(word) > columns {
                let (head, tail) = take(word, columns);
                if head.is_empty() {
                    // One character wider than the line: it cannot be shown at all.
                    word = "";
                    break;
                }
                lines.push(head.to_owned());
                word = tail;
            }
            line.push_str(word);
            begun = true;
        }
        lines.push(line);
    }
    lines
}

/// A label at the left and its text wrapped beside it, from column `indent` on; below it, where the label
/// goes beyond that column.
pub(crate) fn labelled(
    label: &str,
    label_style: Style,
    text: &str,
    text_style: Style,
    indent: usize,
    columns: usize,
) -> Vec<Line<'static>> {
    let head = label.to_owned().set_style(label_style);
    let mut parts = wrap(text, columns.saturating_sub(indent)).into_iter();
    let mut first = Line::from(head);
    if let Some(gap) = indent.checked_sub(width(label)) {
        first.push_span(" ".repeat(gap));
        first.extend(parts.next().map(|part| part.set_style(text_style)));
    }
    let below = parts.map(|part| {
        Line::from(vec![
            Span::raw(" ".repeat(indent)),
            part.set_style(text_style),
        ])
    });
    std::iter::once(first).chain(below).collect()
}

/// A text from column `indent` on, whose further lines stand a little more to the right.
pub(crate) fn hanging(
    text: &str,
    style: Style,
    indent: usize,
    columns: usize,
) -> Vec<Line<'static>> {
    wrap(text, columns.saturating_sub(indent + 2))
        .into_iter()
        .enumerate()
        .map(|(nth, part)| {
            let indent = if nth == 0 { indent } else { indent + 2 };
            Line::from(vec![Span::raw(" ".repeat(indent)), part.set_style(style)])
        })
        .collect()
}

/// A stretch of time as a clock: `0:07`, `12:34`, `1:02:03`.
pub(crate) fn clock(time: Millis) -> String {
    let seconds = time / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// What is left as a clock, rounded up: it shows 0:00 only when nothing is left.
pub(crate) fn countdown(time: Millis) -> String {
    clock(time.saturating_add(999))
}

/// How long something took: `12 ms`, `3.4 s`, `1:23`.
pub(crate) fn took(time: Millis) -> String {
    match time {
        0..1000 => format!("{time} ms"),
        1000..60_000 => format!("{}.{} s", time / 1000, time % 1000 / 100),
        _ => clock(time),
    }
}

pub(crate) use crate::runbook::printable::counted;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Palette;

    const LOOK: Appearance = Appearance {
        colour: Palette::Mono,
        glyphs: Glyphs::Unicode,
    };

    #[test]
    fn a_label_beyond_its_column_stands_above_its_text() {
        let shown = |label| {
            let lines = labelled(label, Style::new(), "one two", Style::new(), 4, 9);
            lines.iter().map(Line::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown("ab"), ["ab  one", "    two"]);
        assert_eq!(shown("abcde"), ["abcde", "    one", "    two"]);
    }

    #[test]
    fn control_characters_become_escapes() {
        assert_eq!(LOOK.clean("a\x1b[2Jb"), "a\\x1b[2Jb");
        assert_eq!(
            LOOK.clean("a\u{9b}b\u{202e}c\u{7f}"),
            "a\\x9bb\\u{202e}c\\x7f"
        );
        assert_eq!(LOOK.clean("Zürich 東京"), "Zürich 東京");
    }

    #[test]
    fn without_utf8_every_other_character_is_escaped() {
        let ascii = Appearance {
            glyphs: Glyphs::Ascii,
            ..LOOK
        };
        assert_eq!(ascii.clean("Zür"), "Z\\u{fc}r");
    }

    #[test]
    fn wide_characters_count_two_columns() {
        assert_eq!(LOOK.fit("東京都", 5), "東京…");
        assert_eq!(LOOK.fit("東京都", 4), "東… ");
        assert_eq!(width(&LOOK.fit("東京", 7)), 7);
        assert_eq!(wrap("東京都", 4), ["東京", "都"]);
        assert_eq!(LOOK.clip_left("schema.table", 7), "….table");
    }

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("  a  b c", 6), ["  a  b", "c"]);
    }

    #[test]
    fn times_are_short() {
        assert_eq!(took(12), "12 ms");
        assert_eq!(took(3_450), "3.4 s");
        assert_eq!(took(83_000), "1:23");
        assert_eq!(clock(3_723_000), "1:02:03");
        assert_eq!(countdown(1), "0:01");
        assert_eq!(countdown(60_000), "1:00");
    }
}
