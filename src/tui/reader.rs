//! The script and the rollback scripts, to be read to their end before they are signed for.
//!
//! ```text
//!  [script]  rollback 1 read   rollback 2
//!  STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql  lines 1-9 of 212, 203 unseen
//!    1 -- Stage 1 UTN workflow
//!    2 BEGIN;
//!      taken over by the gate: stagegate sends its own
//! ▲  9 ALTER TABLE service_ops.packet_decision ADD COLUMN …
//!      adding-required-field: …
//! ```
//!
//! Long lines go on to the right, or on a key are wrapped, and never lost: who signs has seen
//! everything. Numbers stand beside the text where it fits beside them, or 80 columns of it do; else
//! they and the scroll bar give way to it, and what the program says has a margin of its own, which no
//! script can draw.

mod index;
pub(crate) mod perusal;
#[cfg(test)]
mod tests;

use super::scroll::Scroll;
use super::sql;
use super::text::{counted, take, width, wrap};
use super::theme::{Appearance, Glyphs};
use crate::gate::event::Document;
use crate::runbook::Runbook;
use crate::runbook::printable::misleads;
use crate::runbook::script::Script;
use index::ScriptIndex;
use perusal::SeenLines;
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};
use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// So many columns of a script are never cut for the sake of line numbers.
const ROOMY: usize = 80;
/// So many blanks in a line are more than any layout needs: what stands behind them, from this column
/// on, could lie beyond the edge of the screen without anybody missing it.
const BLANKS: usize = 32;
const FAR: usize = 70;

/// How far a signature asks for a document to be read, and whether it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentStanding {
    NotAsked,
    Unread,
    Read,
    /// To its end, but in an earlier run.
    ReadBefore,
}

/// A row of a document: the line that it stands with, over all its files, and which of the rows there.
/// The names of files that begin with a line stand above it, and what is said of it below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowPlace {
    pub line: usize,
    pub part: usize,
}

#[derive(Clone)]
enum PageRow {
    /// The name of a file that the script includes.
    File(String),
    /// A line of a file, or a further part of one that is wrapped.
    Code {
        source: usize,
        number: usize,
        span: Range<usize>,
        /// Which part of its line it is.
        nth: usize,
        marked: bool,
        /// How many columns it takes.
        wide: usize,
    },
    /// What the program or the linter says about the line above; the number of that line, where it is
    /// the first part of what is said of it.
    Note {
        text: String,
        grave: bool,
        number: Option<usize>,
    },
}

/// So many laid out lines are kept: those of some screens.
const MOST_LAID_OUT: usize = 2_000;

/// A document at a width. A line is laid out where it is seen, so that a frame costs what is on the
/// screen, however long the script is (I14).
pub(crate) struct DocumentPages {
    index: Arc<ScriptIndex>,
    look: Appearance,
    width: usize,
    wrapped: bool,
    /// Columns of mark and line number; none where they give way to the text.
    gutter: usize,
    /// Columns of the margin in front of what the program says.
    margin: usize,
    laid_out: Mutex<BTreeMap<usize, Arc<[PageRow]>>>,
}

/// The script, the rollback scripts and the items' files of checks, in the order of their tabs.
pub(crate) fn documents(runbook: &Runbook) -> Vec<Document> {
    std::iter::once(Document::Script)
        .chain((0..runbook.rollbacks.len()).map(Document::Rollback))
        .chain(
            (0..runbook.items.len())
                .filter(|&item| runbook.items.get(item).is_some_and(|i| i.checks.is_some()))
                .map(Document::Checks),
        )
        .collect()
}

impl DocumentPages {
    /// `document` at a width; its long lines are wrapped or not. What is known of it at another one is
    /// taken over.
    pub(crate) fn new(
        runbook: &Arc<Runbook>,
        look: Appearance,
        document: Document,
        (width, wrapped): (usize, bool),
        before: Option<&DocumentPages>,
    ) -> DocumentPages {
        let before = before.filter(|before| before.is_of(document));
        let index = before.map(|before| Arc::clone(&before.index));
        let index = index.unwrap_or_else(|| Arc::new(ScriptIndex::of(runbook, look, document)));
        let beside = 2 + index.longest().to_string().len();
        let room = width.saturating_sub(beside + 1);
        let bare = !wrapped && room < ROOMY && index.is_wider(room);
        DocumentPages {
            index,
            look,
            width,
            wrapped,
            gutter: if bare { 0 } else { beside },
            margin: beside,
            laid_out: Mutex::default(),
        }
    }

    /// The rows that stand with a line.
    fn rows(&self, line: usize) -> Arc<[PageRow]> {
        let mut laid_out = index::lock(&self.laid_out);
        if let Some(rows) = laid_out.get(&line) {
            return Arc::clone(rows);
        }
        if laid_out.len() >= MOST_LAID_OUT {
            laid_out.clear();
        }
        let rows: Arc<[PageRow]> = self.lay_out(line).into();
        laid_out.insert(line, Arc::clone(&rows));
        rows
    }

    fn lay_out(&self, line: usize) -> Vec<PageRow> {
        #[cfg(test)]
        LAID_OUT.with(|laid_out| laid_out.set(laid_out.get() + 1));
        let files = self.index.headings(line);
        let name = |file| PageRow::File(self.look.clean(self.index.name(file)));
        let mut rows: Vec<PageRow> = files.map(name).collect();
        let Some((source, number)) = self.index.place_of(line) else {
            return rows;
        };
        let (start, code) = self.index.code(source, number).unwrap_or_default();
        let said = self.index.notes(source, number);
        let marked = said.iter().any(|(_, grave)| *grave);
        let columns = if self.wrapped {
            self.inner()
        } else {
            usize::MAX
        };
        let parts = broken(self.look, code, columns).into_iter().enumerate();
        rows.extend(parts.map(|(nth, (part, wide))| PageRow::Code {
            source,
            number,
            span: start + part.start..start + part.end,
            nth,
            marked,
            wide,
        }));
        for (text, grave) in said {
            self.say(&text, (grave, number), &mut rows);
        }
        rows
    }

    /// The rows of what is said about a line.
    fn say(&self, text: &str, (grave, number): (bool, usize), rows: &mut Vec<PageRow>) {
        let room = self.width.saturating_sub(self.margin + 2).max(1);
        let parts = self.look.clean_lines(text).into_iter();
        let parts = parts.flat_map(|text| wrap(&text, room));
        for (nth, text) in parts.enumerate() {
            let number = (nth == 0).then_some(number);
            rows.push(PageRow::Note {
                text,
                grave,
                number,
            });
        }
    }

    pub(crate) fn is_of(&self, document: Document) -> bool {
        self.index.document() == document
    }

    pub(crate) fn fits(&self, document: Document, layout: (usize, bool)) -> bool {
        self.is_of(document) && self.layout() == layout
    }

    /// The width, and whether long lines are wrapped.
    pub(crate) fn layout(&self) -> (usize, bool) {
        (self.width, self.wrapped)
    }

    /// How many columns there are for the text of a line: all of them, or those between the numbers and
    /// the scroll bar.
    pub(crate) fn inner(&self) -> usize {
        match self.is_bare() {
            true => self.width,
            false => self.width.saturating_sub(self.gutter + 1).max(1),
        }
    }

    /// Whether numbers and scroll bar give way to the text.
    pub(crate) fn is_bare(&self) -> bool {
        self.gutter == 0
    }

    /// The first column that is seen of a line that is moved by so many: a sign may stand on one before it.
    pub(crate) fn seen_from(&self, shift: usize) -> usize {
        shift + usize::from(self.is_bare() && shift > 0)
    }

    // ---- from row to row ------------------------------------------------------------------------

    /// The last line that has rows: of a file, or one for the names of empty files behind them.
    fn last_line(&self) -> usize {
        let lines = self.index.lines();
        match self.index.headings(lines).is_empty() {
            true => lines.saturating_sub(1),
            false => lines,
        }
    }

    fn last_of(&self, line: usize) -> RowPlace {
        let part = self.rows(line).len().saturating_sub(1);
        RowPlace { line, part }
    }

    /// So many rows further down, or the last one.
    pub(crate) fn down(&self, from: RowPlace, mut steps: usize) -> RowPlace {
        let mut at = from;
        loop {
            let last = self.last_of(at.line);
            let left = last.part.saturating_sub(at.part);
            if steps <= left {
                at.part += steps;
                return at;
            }
            if at.line >= self.last_line() {
                return last;
            }
            steps -= left + 1;
            at = RowPlace {
                line: at.line + 1,
                part: 0,
            };
        }
    }

    /// So many rows further up, or the first one.
    pub(crate) fn up(&self, from: RowPlace, mut steps: usize) -> RowPlace {
        let mut at = from;
        while steps > at.part {
            let Some(line) = at.line.checked_sub(1) else {
                return RowPlace::default();
            };
            steps -= at.part + 1;
            at = self.last_of(line);
        }
        at.part -= steps;
        at
    }

    /// The furthest row that may stand at the top of so many.
    pub(crate) fn furthest_top(&self, height: usize) -> RowPlace {
        self.up(self.last_of(self.last_line()), height.saturating_sub(1))
    }

    /// So many rows from one on, as far as there are any.
    pub(crate) fn shown(&self, top: RowPlace, height: usize) -> Vec<RowPlace> {
        let mut shown = Vec::with_capacity(height);
        for line in top.line..=self.last_line() {
            let first = if line == top.line { top.part } else { 0 };
            let parts = first..self.rows(line).len();
            shown.extend(parts.map(|part| RowPlace { line, part }));
            if shown.len() >= height {
                break;
            }
        }
        shown.truncate(height);
        shown
    }

    /// The row, or where its line is laid out in fewer of them the line's first one.
    pub(crate) fn settle(&self, place: RowPlace) -> RowPlace {
        let line = place.line.min(self.last_line());
        match place.line == line && place.part < self.rows(line).len() {
            true => place,
            false => self.row_of_line(line),
        }
    }

    /// Where these rows lie in the whole, counted in lines: for the bar beside them.
    pub(crate) fn bar(&self, shown: &[RowPlace]) -> Scroll {
        let (first, last) = (shown.first(), shown.last());
        let (first, last) = (first.copied(), last.copied());
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        let cut = usize::from(last < self.last_of(last.line));
        let height = last.line + 1 - first.line;
        let top = first.line.max(usize::from(first.part > 0));
        Scroll {
            top,
            height,
            total: top + height + (self.last_line() - last.line).max(cut),
            moved: true,
        }
    }

    fn row(&self, place: RowPlace) -> Option<PageRow> {
        self.rows(place.line).get(place.part).cloned()
    }

    /// The line that a row is of, counted over all files, and how many columns the row takes.
    pub(crate) fn line_at(&self, place: RowPlace) -> Option<(usize, usize)> {
        match self.rows(place.line).get(place.part)? {
            PageRow::Code { wide, .. } => Some((place.line, *wide)),
            PageRow::File(_) | PageRow::Note { .. } => None,
        }
    }

    /// Which part of its line a row is, of how many.
    pub(crate) fn part_at(&self, place: RowPlace) -> Option<(usize, usize)> {
        let rows = self.rows(place.line);
        let PageRow::Code { nth, .. } = rows.get(place.part)? else {
            return None;
        };
        let parts = rows
            .iter()
            .filter(|row| matches!(row, PageRow::Code { .. }));
        Some((*nth, parts.count()))
    }

    /// Where these rows lie in their files, and the one that was found among them, in words.
    pub(crate) fn position(&self, shown: &[RowPlace], found: Option<RowPlace>) -> String {
        let place = |row: &RowPlace| {
            let (line, _) = self.line_at(*row)?;
            self.index.place_of(line)
        };
        let mut places = shown.iter().filter_map(place);
        let Some(first) = places.next() else {
            return String::new();
        };
        let last = places.next_back().unwrap_or(first);
        let found = found.filter(|row| shown.contains(row));
        let found = found.as_ref().and_then(place);
        let name = |source: usize| self.look.clean(self.index.name(source));
        let ((from_file, from), (to_file, to)) = (first, last);
        if from_file != to_file {
            let (one, other) = (name(from_file), name(to_file));
            return format!("line {from} of {one} to {to} of {other}");
        }
        let all = match self.index.script().map(|script| script.sources.len()) {
            Some(1) => self.index.lines().to_string(),
            _ => name(from_file),
        };
        match found {
            Some((_, line)) => format!("line {line}, {from}-{to} of {all}"),
            None if from == to => format!("line {from} of {all}"),
            None => format!("lines {from}-{to} of {all}"),
        }
    }

    /// The columns at which `needle` begins and ends in a row, from its first one on.
    pub(crate) fn columns_of(&self, place: RowPlace, needle: &str) -> Option<Range<usize>> {
        let PageRow::Code { source, span, .. } = self.row(place)? else {
            return None;
        };
        let text = self.index.text(source, span)?;
        let needle = needle.to_lowercase();
        let lower =
            |text: &str| -> Vec<char> { text.chars().flat_map(char::to_lowercase).collect() };
        let letters = lower(&needle);
        let (at, _) = text.char_indices().find(|(at, _)| {
            let rest = text.get(*at..).unwrap_or_default().chars();
            (rest.flat_map(char::to_lowercase).take(letters.len())).eq(letters.iter().copied())
        })?;
        let from = width(&self.look.clean(text.get(..at)?));
        Some(from..from + width(&self.look.clean(&needle)))
    }

    /// The first line of a file from a row on.
    pub(crate) fn line_from(&self, place: RowPlace) -> Option<usize> {
        let rows = self.rows(place.line);
        let mut rest = rows.iter().skip(place.part);
        let here = rest.any(|row| matches!(row, PageRow::Code { .. }));
        let line = if here { place.line } else { place.line + 1 };
        (line < self.index.lines()).then_some(line)
    }

    /// The first line of a file from a row on, whole: the file's name, its number, its text.
    pub(crate) fn whole_line(&self, place: RowPlace) -> Option<(&str, usize, &str)> {
        let (source, number) = self.index.place_of(self.line_from(place)?)?;
        let (_, text) = self.index.code(source, number)?;
        Some((self.index.name(source), number, text))
    }

    /// The row where a line begins.
    pub(crate) fn row_of_line(&self, line: usize) -> RowPlace {
        let part = self.index.headings(line).len();
        RowPlace { line, part }
    }

    /// How far these rows can be moved to the left, in columns.
    pub(crate) fn furthest(&self, shown: &[RowPlace]) -> usize {
        let wide = |row: &RowPlace| self.line_at(*row).map_or(0, |(_, wide)| wide);
        let most = shown.iter().map(wide).max().unwrap_or(0);
        most.saturating_sub(self.inner())
    }

    /// The row with the finding of this number in the script's order.
    pub(crate) fn finding(&self, number: usize) -> Option<RowPlace> {
        let script = self.index.script()?;
        let group = script.findings_by_statement().into_iter().nth(number)?;
        let finding = group.first()?;
        self.row_of(finding.source, finding.line)
    }

    /// The next row behind (or before) `from` that has a finding below it, round the end.
    pub(crate) fn next_finding(&self, from: RowPlace, forward: bool) -> Option<RowPlace> {
        let begins = self.row_of_line(from.line);
        let here = if forward {
            from < begins
        } else {
            begins < from
        };
        let mut lines = self.round(from.line, forward).enumerate();
        let line = lines.find(|(nth, line)| (here || *nth > 0) && self.index.is_marked(*line));
        line.map(|(_, line)| self.row_of_line(line))
    }

    /// The next row behind (or before) `from` at which a section begins.
    pub(crate) fn next_section(&self, from: RowPlace, forward: bool) -> Option<RowPlace> {
        let sections = self.index.sections().iter();
        let mut sections = sections.map(|line| self.row_of_line(*line));
        match forward {
            true => sections.find(|row| *row > from),
            false => sections.rfind(|row| *row < from),
        }
    }

    /// The row where a line of one of the files begins.
    pub(crate) fn row_of(&self, file: usize, number: usize) -> Option<RowPlace> {
        let line = self.index.line_of(file, number)?;
        Some(self.row_of_line(line))
    }

    /// The next row from `from` on, or before it, that holds `needle`, which is in small letters; round
    /// the end. Of a script no more is laid out than what may hold it.
    pub(crate) fn find(&self, needle: &str, from: RowPlace, forward: bool) -> Option<RowPlace> {
        let first = match forward {
            true => from.part..usize::MAX,
            false => 0..from.part,
        };
        let within = iter::once(first).chain(iter::repeat(0..usize::MAX));
        let mut lines = self.round(from.line, forward).zip(within);
        lines.find_map(|(line, within)| self.find_in_line(needle, line, within, forward))
    }

    /// The lines from this one on, or before it, round the end and to it once more.
    fn round(&self, from: usize, forward: bool) -> Box<dyn Iterator<Item = usize>> {
        let last = self.last_line();
        let here = from.min(last);
        match forward {
            true => Box::new((here..=last).chain(0..=here)),
            false => Box::new((0..=here).rev().chain((here..=last).rev())),
        }
    }

    /// The first row of a line, or the last one, that holds `needle`, among some of its rows.
    fn find_in_line(
        &self,
        needle: &str,
        line: usize,
        within: Range<usize>,
        forward: bool,
    ) -> Option<RowPlace> {
        let place = self.index.place_of(line);
        let code = place.and_then(|(source, number)| self.index.code(source, number));
        let holds = |text: &str| text.to_lowercase().contains(needle);
        let in_code = code.is_some_and(|(_, code)| holds(code));
        let said = place.is_some_and(|(source, number)| self.index.says(source, number));
        if !in_code && !said && self.index.headings(line).is_empty() {
            return None;
        }
        let rows = self.rows(line);
        let text = |row: &PageRow| match row {
            PageRow::File(text) | PageRow::Note { text, .. } => holds(text),
            PageRow::Code { source, span, .. } => {
                let text = self.index.text(*source, span.clone());
                text.is_some_and(holds)
            }
        };
        let mut parts = (0..rows.len()).filter(|part| rows.get(*part).is_some_and(text));
        let whole = (0..rows.len()).any(|part| rows.get(part).is_some_and(text));
        let mut fits = |part: &usize| within.contains(part);
        let part = match forward {
            true => parts.find(&mut fits),
            false => parts.rfind(&mut fits),
        };
        // It may go over the edge where its line is broken.
        let first = self.row_of_line(line).part;
        let broken = (in_code && !whole && within.contains(&first)).then_some(first);
        let part = part.or(broken)?;
        Some(RowPlace { line, part })
    }

    /// These rows as lines, from column `shift` on; the row `found` stands out.
    pub(crate) fn lines(
        &self,
        shown: &[RowPlace],
        shift: usize,
        found: Option<RowPlace>,
    ) -> Vec<Line<'static>> {
        let look = self.look;
        let rows = shown
            .iter()
            .filter_map(|place| Some((*place, self.row(*place)?)));
        rows.map(|(place, row)| {
            let line = match row {
                PageRow::File(name) => look.heading(&format!(" {name}"), self.width),
                PageRow::Note {
                    text,
                    grave,
                    number,
                } => self.note(&text, grave, number),
                PageRow::Code {
                    number,
                    nth,
                    marked,
                    source,
                    span,
                    wide,
                } => {
                    let numbered = (nth == 0).then_some((number, marked));
                    self.code(numbered, (source, span, wide), shift)
                }
            };
            if found == Some(place) {
                line.patch_style(look.here())
            } else {
                line
            }
        })
        .collect()
    }

    /// A row of what is said. Where no numbers stand beside the text its margin is reversed.
    fn note(&self, text: &str, grave: bool, line: Option<usize>) -> Line<'static> {
        let look = self.look;
        let style = if grave { look.warn() } else { look.dim() };
        let text = text.to_owned().set_style(style);
        if !self.is_bare() {
            return Line::from(vec![Span::raw(" ".repeat(self.margin)), text]);
        }
        let mark = match (grave, line) {
            (true, Some(_)) => look.glyphs.mark(),
            _ => " ",
        };
        let number = line.map_or_else(String::new, |line| line.to_string());
        let number = look.fit_right(&number, self.margin.saturating_sub(2));
        let margin = format!("{mark}{number} ");
        Line::from(vec![
            margin.set_style(look.margin(grave)),
            Span::raw(" "),
            text,
        ])
    }

    /// A row of a file, from column `shift` on: its number and whether it is marked, where they stand
    /// beside it, and what is seen of its text.
    fn code(
        &self,
        numbered: Option<(usize, bool)>,
        (source, span, wide): (usize, Range<usize>, usize),
        shift: usize,
    ) -> Line<'static> {
        let look = self.look;
        let before = (shift > 0 && wide > 0).then(|| look.glyphs.to_left());
        let mut spans = Vec::new();
        if self.is_bare() {
            spans.extend(before.map(|before| before.set_style(look.here())));
        } else {
            let mark = match numbered {
                Some((_, true)) => look.glyphs.mark(),
                _ => " ",
            };
            let number = numbered.map_or_else(String::new, |(line, _)| line.to_string());
            let number = look.fit_right(&number, self.gutter.saturating_sub(2));
            spans.push(mark.set_style(look.warn()));
            spans.push(number.set_style(look.dim()));
            spans.push(match before {
                Some(before) => before.set_style(look.here()),
                None => Span::raw(" "),
            });
        }
        if self.wrapped {
            spans.extend(self.coloured(source, span));
            return Line::from(spans);
        }
        let cut = wide > shift + self.inner();
        let to = shift + self.inner() - usize::from(cut);
        let part = self.window(source, span, self.seen_from(shift)..to);
        spans.extend(self.coloured(source, part));
        if cut {
            // Right at the edge, also where a wide letter would not have fitted before it.
            let used: usize = spans.iter().map(Span::width).sum();
            let edge = self.gutter + self.inner() - 1;
            spans.push(Span::raw(" ".repeat(edge.saturating_sub(used))));
            spans.push(look.glyphs.to_right().set_style(look.here()));
        }
        Line::from(spans)
    }

    /// Whether a row goes on to the right of what is seen of it.
    pub(crate) fn goes_on(&self, place: RowPlace, shift: usize) -> bool {
        !self.wrapped && (self.line_at(place)).is_some_and(|(_, wide)| wide > shift + self.inner())
    }

    /// What of a line is seen in these columns of it.
    fn window(&self, source: usize, span: Range<usize>, columns: Range<usize>) -> Range<usize> {
        let look = self.look;
        let text = self.index.text(source, span.clone()).unwrap_or_default();
        let (mut at, mut used) = (0, 0);
        let mut from = None;
        while at < text.len() {
            let (bytes, shown) = step(look, text.get(at..).unwrap_or_default());
            if used >= columns.start {
                from.get_or_insert(at);
            }
            if used + shown > columns.end {
                break;
            }
            used += shown;
            at += bytes;
        }
        span.start + from.unwrap_or(at)..span.start + at
    }

    /// A stretch of a source in the colours of its tokens.
    fn coloured(&self, source: usize, span: Range<usize>) -> Vec<Span<'static>> {
        let look = self.look;
        let mut spans = Vec::new();
        let mut at = span.start;
        let mut put = |range: Range<usize>, style: Style| {
            let part = self.index.text(source, range);
            if let Some(part) = part.filter(|part| !part.is_empty()) {
                spans.push(look.clean(part).set_style(style));
            }
        };
        for (range, colour) in self.index.colours(source, span.clone()) {
            let (start, end) = (range.start.max(at), range.end.min(span.end));
            put(at..start, Style::new());
            put(start..end, sql::style(look, colour));
            at = end;
        }
        put(at..span.end, Style::new());
        spans
    }
}

/// Whether so many blanks stand together as may be shown as [`BLANKS`] columns: most lines have none, and
/// whoever looks for the next mark in a long script waits for all of them.
fn has_gap(code: &str) -> bool {
    // What is shown widest of all blanks is an escaped one, in 8 columns.
    const FEWEST: usize = BLANKS / 8;
    let mut together = 0;
    code.chars().any(|letter| {
        together = if letter.is_whitespace() {
            together + 1
        } else {
            0
        };
        together >= FEWEST
    })
}

/// What is said of a line that has text far to the right, behind more blanks than any layout needs.
fn far_text(look: Appearance, code: &str) -> Option<String> {
    if code.len() <= FAR || !has_gap(code) {
        return None;
    }
    let (mut column, mut blanks) = (0, 0);
    for (at, letter) in code.char_indices() {
        let shown = look.clean(letter.encode_utf8(&mut [0; 4]));
        if letter.is_whitespace() {
            blanks += width(&shown);
        } else if blanks >= BLANKS && column >= FAR {
            let rest = look.clean(code.get(at..).unwrap_or_default().trim_end());
            let rest = look.clip(&rest, ROOMY * 2);
            return Some(format!("FAR TO THE RIGHT, behind {blanks} blanks: {rest}"));
        } else {
            blanks = 0;
        }
        column += width(&shown);
    }
    None
}

/// The first thing that is drawn of `rest`: how many bytes it is, and how many columns it takes.
fn step(look: Appearance, rest: &str) -> (usize, usize) {
    // Nothing hangs on it: the rest, which may be a megabyte, is not looked at for each of its letters.
    if let [first, behind @ ..] = rest.as_bytes()
        && (0x20..0x7f).contains(first)
        && behind.first().is_none_or(u8::is_ascii)
    {
        return (1, 1);
    }
    // One character as it is drawn; of those that are escaped, one character as it is shown.
    let bytes = match look.glyphs {
        Glyphs::Unicode if !rest.starts_with(char::is_control) => {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let (whole, _) = take(rest, width(rest.get(..first).unwrap_or_default()));
            // What is escaped in it has columns of its own: it must not be cut with what it hangs on.
            let escaped = |(at, c): (usize, char)| (at > 0 && misleads(c)).then_some(at);
            let whole = whole
                .char_indices()
                .find_map(escaped)
                .unwrap_or(whole.len());
            whole.max(first)
        }
        Glyphs::Unicode | Glyphs::Ascii => rest.chars().next().map_or(1, char::len_utf8),
    };
    let shown = width(&look.clean(rest.get(..bytes).unwrap_or_default()));
    (bytes, shown)
}

/// The lines at which a section begins in a file: its title's, with the rule above it, or else the
/// comment that leads its first statement.
fn section_lines(script: &Script, source: usize, text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let is_comment = |line: usize| {
        let text = line.checked_sub(1).and_then(|at| lines.get(at));
        text.is_some_and(|text| text.trim_start().starts_with("--"))
    };
    let titled = |line: usize, title: &str| {
        let text = line.checked_sub(1).and_then(|at| lines.get(at));
        is_comment(line) && text.is_some_and(|text| text.trim_end().ends_with(title))
    };
    let (mut before, mut ended) = (None, 0);
    let mut begins = Vec::new();
    for statement in script.statements.iter().filter(|s| s.source == source) {
        let section = statement.section.filter(|_| statement.section != before);
        if let Some(section) = section.and_then(|at| script.sections.get(at)) {
            let mut above = (ended + 1..statement.line).rev();
            let title = above.find(|line| titled(*line, &section.title));
            let mut line = title.unwrap_or(statement.line);
            while line > ended + 1 && is_comment(line - 1) {
                line -= 1;
            }
            begins.push(line);
        }
        before = statement.section;
        ended = statement.line;
    }
    begins
}

/// Where a line of code is broken, as byte ranges with the columns they take, so that each part fits
/// as it is shown.
fn broken(look: Appearance, code: &str, columns: usize) -> Vec<(Range<usize>, usize)> {
    let plain = code.is_ascii() && !code.contains(|c: char| c.is_control());
    if plain && code.len() <= columns {
        return vec![(0..code.len(), code.len())];
    }
    let mut parts = Vec::new();
    let (mut start, mut used) = (0, 0);
    // Behind the last blank of the part, and how wide the part was there.
    let mut blank: Option<(usize, usize)> = None;
    let mut at = 0;
    while at < code.len() {
        let rest = code.get(at..).unwrap_or_default();
        let (step, shown) = step(look, rest);
        if used + shown > columns && at > start {
            // Between words where that leaves no more than a third of the line empty.
            let (end, before) = blank
                .filter(|(_, before)| before * 3 >= columns * 2)
                .unwrap_or((at, used));
            parts.push((start..end, before));
            start = end;
            used = used.saturating_sub(before);
            blank = None;
        }
        used += shown;
        at += step;
        if rest.starts_with(' ') {
            blank = Some((at, used));
        }
    }
    parts.push((start..code.len(), used));
    parts
}

/// The tabs, and below them the name of the open document; each with whether it was read, where a
/// signature asks for that.
pub(crate) fn tabs(
    (look, runbook): (Appearance, &Runbook),
    standings: &[(Document, DocumentStanding)],
    (open, seen): (usize, Option<&SeenLines>),
    position: &str,
    columns: usize,
) -> [Line<'static>; 2] {
    let mut spans = Vec::new();
    let mut title = Line::default();
    for (index, (document, standing)) in standings.iter().enumerate() {
        let short = match document {
            Document::Script => "script".to_owned(),
            Document::Rollback(nth) => format!("rollback {}", nth + 1),
            Document::Checks(item) => format!("checks {}", item + 1),
        };
        spans.push(Span::raw(" "));
        if index == open {
            spans.push(format!("[{short}]").set_style(look.strong()));
            let script = document.script_of(runbook);
            let name = look.clean(script.map_or("", |script| script.name.as_str()));
            let sources = script.into_iter().flat_map(|script| &script.sources);
            let lines = seen.map_or_else(
                || sources.map(|source| source.text.lines().count()).sum(),
                SeenLines::all,
            );
            let at = match position {
                "" => counted(lines, "line", "lines"),
                position => position.to_owned(),
            };
            let after = match (standing, seen) {
                (DocumentStanding::ReadBefore, Some(seen)) if seen.left() > 0 => {
                    format!("  {at}, read in an earlier run")
                }
                (DocumentStanding::Read | DocumentStanding::ReadBefore, _) => {
                    format!("  {at}, each was on the screen")
                }
                (DocumentStanding::Unread, Some(seen)) => {
                    let part = match seen.begun() {
                        0 => String::new(),
                        begun => format!(" ({begun} in part)"),
                    };
                    format!("  {at}, {} unseen{part}", seen.left())
                }
                (DocumentStanding::Unread, None) => format!("  {at}, not read to the end yet"),
                (DocumentStanding::NotAsked, _) => format!("  {at}"),
            };
            let room = columns.saturating_sub(width(&after) + 2);
            title = Line::from(vec![
                Span::raw(" "),
                look.clip_left(&name, room).set_style(look.strong()),
                after.set_style(match standing {
                    DocumentStanding::Unread => look.warn(),
                    _ => look.dim(),
                }),
            ]);
        } else {
            let read = match standing {
                DocumentStanding::Read | DocumentStanding::ReadBefore => " read",
                DocumentStanding::NotAsked | DocumentStanding::Unread => "",
            };
            spans.push(format!(" {short}{read} ").set_style(look.dim()));
        }
    }
    [Line::from(spans), title]
}

#[cfg(test)]
thread_local! {
    /// How many lines were laid out, for the tests that bound what a frame costs.
    pub(crate) static LAID_OUT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
