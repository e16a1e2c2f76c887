//! Lines into cells: areas, sheets with what stays above and below them, and the guard of I8.

use super::scroll::Scroll;
use super::text::wrap;
use super::theme::{Appearance, Glyphs};
use ratatui::buffer::Buffer;
use ratatui::layout::{Offset, Rect};
use ratatui::style::Styled;
use ratatui::text::Line;

/// So many lines of a grid name its columns.
pub(crate) const NAMES: usize = 2;

/// A pane's lines, and those that stay above and below them however far it is scrolled.
#[derive(Default)]
pub(crate) struct Sheet {
    pub head: Vec<Line<'static>>,
    pub lines: Vec<Line<'static>>,
    pub pinned: Vec<Line<'static>>,
    /// The line to keep in sight, where the pane follows something.
    pub follow: Option<usize>,
}

/// Lines that are made only where they are seen: a pane of any length costs what is visible.
pub(crate) trait Roll {
    fn total(&self) -> usize;
    /// The line to keep in sight, where the pane follows something.
    fn follow(&self) -> Option<usize> {
        None
    }
    /// Where a grid stands in it, whose first [`NAMES`] lines name its columns; empty where none does.
    fn grid(&self) -> std::ops::Range<usize> {
        0..0
    }
    fn lines(&self, range: std::ops::Range<usize>) -> Vec<Line<'static>>;
}

impl Sheet {
    pub(crate) fn of(lines: Vec<Line<'static>>) -> Sheet {
        Sheet {
            lines,
            ..Sheet::default()
        }
    }
}

/// What stands around the body of every screen: three lines at the top, the keys at the bottom, and above
/// them what is said, up to three lines. Returns the body.
pub(crate) fn draw_frame(
    (buffer, area): (&mut Buffer, Rect),
    look: Appearance,
    head: &[Line<'static>],
    keys: &[Line<'static>],
    said: Option<&str>,
) -> Rect {
    put(buffer, rows(area, 0, 3), head);
    put(buffer, rows(area, area.height.saturating_sub(2), 2), keys);
    let columns = usize::from(area.width);
    let said = said.map(|text| wrap(&look.clean(text), columns.saturating_sub(2)));
    let said: Vec<Line<'static>> = (said.into_iter().flatten().take(3))
        .map(|part| Line::from(format!(" {part}").set_style(look.warn())))
        .collect();
    let height = u16::try_from(said.len()).unwrap_or(1).max(1);
    let above = area.height.saturating_sub(2 + height);
    put(buffer, rows(area, above, height), &said);
    rows(area, 3, area.height.saturating_sub(5 + height))
}

/// A prompt over the lower edge of the body.
pub(crate) fn draw_box(buffer: &mut Buffer, body: Rect, lines: &[Line<'static>]) {
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .min(body.height);
    let area = Rect {
        x: body.x + 1,
        y: body.bottom().saturating_sub(height),
        width: body.width.saturating_sub(2).min(86),
        height,
    };
    // No piece of a scroll bar is left beside it.
    let margin = Rect { width: 1, ..area };
    let margin = margin.offset(Offset::new(i32::from(area.width), 0));
    put(
        buffer,
        margin.intersection(body),
        &vec![Line::default(); lines.len()],
    );
    put(buffer, area, lines);
}

pub(crate) fn draw_sheet(
    buffer: &mut Buffer,
    area: Rect,
    look: Appearance,
    sheet: &Sheet,
    scroll: &mut Scroll,
) {
    let area = draw_head(buffer, area, &sheet.head);
    let pinned = u16::try_from(sheet.pinned.len())
        .unwrap_or(u16::MAX)
        .min(area.height / 2);
    let upper = rows(area, 0, area.height.saturating_sub(pinned));
    scroll.settle(sheet.lines.len(), usize::from(upper.height), sheet.follow);
    let end = (scroll.top + scroll.height).min(sheet.lines.len());
    if let Some(shown) = sheet.lines.get(scroll.top..end) {
        put(buffer, upper, shown);
    }
    more(buffer, upper, look, scroll);
    // What is pinned stands right below the rest where there is room, so that the eye need not jump.
    let y = u16::try_from(end.saturating_sub(scroll.top))
        .unwrap_or(u16::MAX)
        .min(upper.height);
    put(buffer, rows(area, y, area.height - y), &sheet.pinned);
}

/// Draws what stays on top, and says what is left below it.
pub(crate) fn draw_head(buffer: &mut Buffer, area: Rect, head: &[Line<'static>]) -> Rect {
    let top = u16::try_from(head.len()).unwrap_or(u16::MAX);
    put(buffer, rows(area, 0, top), head);
    rows(area, top, area.height.saturating_sub(top))
}

/// Draws as much of a roll as fits, and no more is made.
pub(crate) fn draw_roll(
    buffer: &mut Buffer,
    area: Rect,
    look: Appearance,
    roll: &dyn Roll,
    scroll: &mut Scroll,
    found: Option<usize>,
) {
    scroll.settle(roll.total(), usize::from(area.height), roll.follow());
    let end = (scroll.top + scroll.height).min(scroll.total);
    let mut shown = roll.lines(scroll.top..end);
    // The names of a grid stay above its rows. What they cover was seen: a page keeps two rows.
    let grid = roll.grid();
    if scroll.top > grid.start && scroll.top + NAMES < grid.end {
        let names = roll.lines(grid.start..grid.start + NAMES);
        shown.splice(..NAMES.min(shown.len()), names);
    }
    let found = found.and_then(|found| found.checked_sub(scroll.top));
    if let Some(line) = found.and_then(|found| shown.get_mut(found)) {
        *line = std::mem::take(line).patch_style(look.here());
    }
    put(buffer, area, &shown);
    more(buffer, area, look, scroll);
}

/// A scroll bar in the last column, where there is more than fits: how much of all is seen, and where
/// that lies. An arrow at its end says that there is more in that direction.
pub(crate) fn more(buffer: &mut Buffer, area: Rect, look: Appearance, scroll: &Scroll) {
    let (below, above) = look.glyphs.more();
    let hidden = scroll.total.saturating_sub(scroll.top + scroll.height);
    if scroll.top + hidden == 0 || area.height < 2 || area.width < 2 {
        return;
    }
    let rows = usize::from(area.height);
    let long = (rows * rows / scroll.total.max(1)).clamp(1, rows);
    // Of what the bar can be moved by, as much as the text is of what it can.
    let from = (rows - long) * scroll.top / (scroll.top + hidden);
    for (row, y) in (area.top()..area.bottom()).enumerate() {
        let (sign, style) = if row == 0 && scroll.top > 0 {
            (above, look.key())
        } else if row + 1 == rows && hidden > 0 {
            (below, look.key())
        } else if (from..from + long).contains(&row) {
            (look.glyphs.bar().0, look.dim())
        } else {
            (look.glyphs.upright(), look.dim())
        };
        let column = area.right() - 1;
        // Nothing of the colour of what it covers.
        if let Some(cell) = buffer.cell_mut((column, y)) {
            cell.reset();
        }
        buffer.set_string(column, y, sign, style);
    }
}

pub(crate) fn upright(buffer: &mut Buffer, body: Rect, x: u16, look: Appearance) {
    for y in body.top()..body.bottom() {
        buffer.set_string(body.x + x, y, look.glyphs.upright(), look.dim());
    }
}

pub(crate) fn rows(area: Rect, from: u16, height: u16) -> Rect {
    Rect {
        x: area.x,
        y: area.y.saturating_add(from),
        width: area.width,
        height,
    }
    .intersection(area)
}

/// Two columns, the left one `left` wide, with room for a line between them.
pub(crate) fn split(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.saturating_sub(2);
    (
        Rect {
            width: left,
            ..area
        },
        Rect {
            x: area.x + left + 3,
            width: area.width.saturating_sub(left + 3),
            ..area
        },
    )
}

pub(crate) fn put(buffer: &mut Buffer, area: Rect, lines: &[Line<'_>]) {
    let area = area.intersection(buffer.area);
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        // What lies below a box must not shine through.
        let blank = Rect {
            y,
            height: 1,
            ..area
        };
        for position in blank.positions() {
            if let Some(cell) = buffer.cell_mut(position) {
                cell.reset();
            }
        }
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// The last line of defence of I8: no cell holds a control character, and none a byte that a
/// terminal without UTF-8 could take for one.
pub(crate) fn guard(buffer: &mut Buffer, glyphs: Glyphs) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        let hostile =
            symbol.contains(char::is_control) || (glyphs == Glyphs::Ascii && !symbol.is_ascii());
        if hostile {
            cell.set_symbol("?");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_lets_nothing_through_that_a_terminal_could_obey() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 1));
        for (cell, symbol) in buffer.content.iter_mut().zip(["\x1b", "\u{9b}", "\u{db}"]) {
            cell.set_symbol(symbol);
        }
        let mut ascii = buffer.clone();
        guard(&mut buffer, Glyphs::Unicode);
        guard(&mut ascii, Glyphs::Ascii);
        let symbols = |buffer: &Buffer| -> String {
            buffer
                .content
                .iter()
                .map(ratatui::buffer::Cell::symbol)
                .collect()
        };
        assert_eq!(symbols(&buffer), "??\u{db}");
        assert_eq!(symbols(&ascii), "???");
    }
}
