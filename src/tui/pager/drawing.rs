//! A pager's frame: a pane of lines, or the open script below its tabs.

use super::{InScript, Pager};
use crate::acts::name_keys;
use crate::gate::event::Document;
use crate::tui::paint::{Sheet, draw_sheet, more, put, rows};
use crate::tui::reader::perusal::SeenLines;
use crate::tui::reader::{self, DocumentPages, DocumentStanding};
use crate::tui::scroll::Scroll;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Styled;
use ratatui::text::Line;
use std::sync::Arc;

impl Pager {
    /// Draws a pane of lines; the one that was found stands out.
    pub(crate) fn draw_lines(
        &mut self,
        (buffer, area): (&mut Buffer, Rect),
        lines: Vec<Line<'static>>,
        scroll: &mut Scroll,
    ) {
        self.texts = Arc::new(lines.iter().map(Line::to_string).collect());
        let mut sheet = Sheet::of(lines);
        if let Some(line) = self.found.and_then(|found| sheet.lines.get_mut(found)) {
            *line = std::mem::take(line).patch_style(self.look.here());
        }
        draw_sheet(buffer, area, self.look, &sheet, scroll);
    }

    /// Draws the open script, below its tabs. What lies under a box is not seen; returns the document
    /// where by now each line of it was on the screen.
    pub(crate) fn draw_script(
        &mut self,
        buffer: &mut Buffer,
        body: Rect,
        standings: &[(Document, DocumentStanding)],
        covered: bool,
    ) -> Option<Document> {
        let runbook = Arc::clone(&self.runbook);
        let columns = usize::from(body.width);
        let below = rows(body, 2, body.height.saturating_sub(2));
        let (document, _) = standings.get(self.tab).copied()?;
        let pages = self.lay_out(document, columns);
        self.documents.get_mut(self.tab)?.height = usize::from(below.height);
        self.scroll_to(self.reading().top);
        self.go_there(&pages);
        let shown = self.shown();
        let furthest = pages.furthest(&shown).div_ceil(2) * 2;
        self.moved = self.moved.min(if self.wrapped { 0 } else { furthest });
        let lines = pages.lines(&shown, self.moved, self.found_row);
        put(buffer, below, &lines);
        if !pages.is_bare() {
            more(buffer, below, self.look, &pages.bar(&shown));
        }
        let position = pages.position(&shown, self.found_row);
        let moved = self.moved;
        let seen = self.seen_mut(self.tab)?;
        if !covered {
            seen.show(&pages, &shown, moved);
        }
        let read = !covered && seen.left() == 0;
        let open = (self.tab, self.seen.get(self.tab));
        let tabs = reader::tabs((self.look, &runbook), standings, open, &position, columns);
        put(buffer, rows(body, 0, 2), &tabs);
        read.then_some(document)
    }

    /// The open script at this width. Laid out anew, the same lines stay on the screen, and the one that
    /// was found.
    fn lay_out(&mut self, document: Document, columns: usize) -> Arc<DocumentPages> {
        let layout = (columns, self.wrapped);
        let before = self.pages.take();
        let pages = match before {
            Some(pages) if pages.fits(document, layout) => pages,
            before => {
                let before = before.as_deref();
                let pages = DocumentPages::new(&self.runbook, self.look, document, layout, before);
                if let Some(before) = before.filter(|before| before.is_of(document)) {
                    let top = before.line_from(self.reading().top).map(InScript::Line);
                    self.place = self.place.or(top);
                    let found = self.found_row.and_then(|row| before.line_from(row));
                    self.found_row = found.map(|line| pages.row_of_line(line));
                }
                Arc::new(pages)
            }
        };
        self.pages = Some(Arc::clone(&pages));
        pages
    }

    /// Goes where somebody wanted to in the script, now that its rows can be told.
    fn go_there(&mut self, pages: &DocumentPages) {
        let row = match self.place.take() {
            Some(InScript::Finding(number)) => pages.finding(number).map(|row| (row, 2)),
            // What stands above it belongs to it as often as not.
            Some(InScript::InQuestion(source, line)) => {
                let row = pages.row_of(source, line);
                row.map(|row| (row, self.reading().height / 3))
            }
            Some(InScript::Line(line)) => return self.scroll_to(pages.row_of_line(line)),
            None => return,
        };
        if let Some((row, above)) = row {
            self.show_below(row, above);
            self.found_row = Some(row);
        }
    }

    /// Says in the line below the script that lines of it go on to the right.
    pub(crate) fn draw_going_on(&self, buffer: &mut Buffer, body: Rect) {
        let said = match self.going_on() {
            0 => return,
            1 => "1 line goes on to the right".to_owned(),
            lines => format!("{lines} lines go on to the right"),
        };
        let keys = name_keys("{right} moves, {read on} reads on, {wrap} wraps");
        let sign = self.look.glyphs.to_right();
        let line = Line::from(vec![
            format!(" {sign}").set_style(self.look.here()),
            format!(" {said}: {keys}").set_style(self.look.warn()),
        ]);
        draw_below(buffer, body, line);
    }

    /// Says there that lines were not on the screen yet, where none goes on to the right.
    pub(crate) fn draw_unseen(&self, buffer: &mut Buffer, body: Rect) {
        let unseen = self.seen.get(self.tab).map_or(0, SeenLines::left);
        let said = match (self.going_on(), unseen) {
            (1.., _) | (_, 0) => return,
            (0, 1) => "1 line was not on the screen yet".to_owned(),
            (0, unseen) => format!("{unseen} lines were not on the screen yet"),
        };
        let keys =
            name_keys("{read on} reads on, {next section} next section, {find next} finding");
        let line = Line::from(format!(" {said}: {keys}").set_style(self.look.warn()));
        draw_below(buffer, body, line);
    }
}

fn draw_below(buffer: &mut Buffer, body: Rect, line: Line<'static>) {
    let below = Rect {
        y: body.bottom(),
        height: 1,
        ..body
    };
    put(buffer, below, &[line]);
}
