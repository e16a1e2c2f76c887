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
//! script can draw. Rows are made once for a document and a width, so that a large script scrolls as
//! fast as a small one.

pub(crate) mod perusal;

use super::sql;
use super::text::{counted, take, width, wrap};
use super::theme::{Appearance, Glyphs};
use crate::gate::event::Document;
use crate::runbook::Runbook;
use crate::runbook::highlight::{self, Highlight};
use crate::runbook::printable::misleads;
use crate::runbook::script::{Fate, Script};
use perusal::SeenLines;
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};
use std::collections::BTreeMap;
use std::ops::Range;

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

#[derive(Clone)]
enum PageRow {
    /// The name of a file that the script includes.
    File(String),
    /// A line of a file, or a further part of one that is wrapped.
    Code {
        source: usize,
        line: usize,
        span: Range<usize>,
        first: bool,
        marked: bool,
        /// How many columns it takes.
        wide: usize,
    },
    /// What the program or the linter says about the line above; the number of that line, where it is
    /// the first part of what is said of it.
    Note {
        text: String,
        grave: bool,
        line: Option<usize>,
    },
}

#[derive(Clone)]
pub(crate) struct DocumentPages {
    document: Document,
    width: usize,
    wrapped: bool,
    /// Columns of mark and line number; none where they give way to the text.
    gutter: usize,
    /// Columns of the margin in front of what the program says.
    margin: usize,
    rows: Vec<PageRow>,
    /// The number of the first line of each file, over all of them.
    bases: Vec<usize>,
    /// The rows at which a section begins, and those below which a finding stands.
    sections: Vec<usize>,
    findings: Vec<usize>,
    tokens: Vec<Vec<(Range<usize>, Highlight)>>,
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
    /// The rows of `document` at a width; its long lines are wrapped or not.
    pub(crate) fn new(
        runbook: &Runbook,
        look: Appearance,
        document: Document,
        (width, wrapped): (usize, bool),
    ) -> DocumentPages {
        let mut pages = DocumentPages {
            document,
            width,
            wrapped,
            gutter: 0,
            margin: 0,
            rows: Vec::new(),
            bases: Vec::new(),
            sections: Vec::new(),
            findings: Vec::new(),
            tokens: Vec::new(),
        };
        let Some(script) = document.script_of(runbook) else {
            return pages;
        };
        let longest = script.sources.iter().map(|s| s.text.lines().count()).max();
        let beside = 2 + longest.unwrap_or(0).to_string().len();
        let room = width.saturating_sub(beside + 1);
        let bare = !wrapped && room < ROOMY && is_wider(look, script, room);
        pages.gutter = if bare { 0 } else { beside };
        pages.margin = beside;
        let mut base = 0;
        for (number, source) in script.sources.iter().enumerate() {
            pages.bases.push(base);
            base += source.text.lines().count();
            pages.tokens.push(highlight::tokens(&source.text));
            if script.sources.len() > 1 {
                pages.rows.push(PageRow::File(look.clean(&source.name)));
            }
            pages.lay_out(look, script, number);
        }
        pages
    }

    /// The rows of one file.
    fn lay_out(&mut self, look: Appearance, script: &Script, number: usize) {
        let Some(source) = script.sources.get(number) else {
            return;
        };
        let begins = section_lines(script, number, &source.text);
        let mut notes = notes(script, number);
        let columns = if self.wrapped {
            self.inner()
        } else {
            usize::MAX
        };
        let mut start = 0;
        for (index, text) in source.text.split_inclusive('\n').enumerate() {
            let line = index + 1;
            let code = text.trim_end_matches(['\n', '\r']);
            let mut said = notes.remove(&line).unwrap_or_default();
            said.extend(far_text(look, code).map(|far| (far, true)));
            let marked = said.iter().any(|(_, grave)| *grave);
            if begins.contains(&line) {
                self.sections.push(self.rows.len());
            }
            if marked {
                self.findings.push(self.rows.len());
            }
            for (nth, (part, wide)) in broken(look, code, columns).into_iter().enumerate() {
                self.rows.push(PageRow::Code {
                    source: number,
                    line,
                    span: start + part.start..start + part.end,
                    first: nth == 0,
                    marked,
                    wide,
                });
            }
            for (text, grave) in said {
                self.say(look, &text, grave, line);
            }
            start += text.len();
        }
    }

    /// The rows of what is said about a line.
    fn say(&mut self, look: Appearance, text: &str, grave: bool, line: usize) {
        let room = self.width.saturating_sub(self.margin + 2).max(1);
        let parts = look.clean_lines(text).into_iter();
        let parts = parts.flat_map(|text| wrap(&text, room));
        for (nth, text) in parts.enumerate() {
            let line = (nth == 0).then_some(line);
            self.rows.push(PageRow::Note { text, grave, line });
        }
    }

    pub(crate) fn is_of(&self, document: Document) -> bool {
        self.document == document
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

    /// The line that a row is of, counted over all files, and how many columns the row takes.
    pub(crate) fn line_at(&self, index: usize) -> Option<(usize, usize)> {
        match self.rows.get(index)? {
            PageRow::Code {
                source, line, wide, ..
            } => Some((self.bases.get(*source)? + line - 1, *wide)),
            PageRow::File(_) | PageRow::Note { .. } => None,
        }
    }

    /// Where the rows of `range` lie in their files, and the one that was found among them, in words.
    pub(crate) fn position(
        &self,
        (look, runbook): (Appearance, &Runbook),
        range: Range<usize>,
        found: Option<usize>,
    ) -> String {
        let Some(script) = self.document.script_of(runbook) else {
            return String::new();
        };
        let place = |row: &PageRow| match row {
            PageRow::Code { source, line, .. } => Some((*source, *line)),
            PageRow::File(_) | PageRow::Note { .. } => None,
        };
        let rows = self.rows.get(range.clone()).unwrap_or_default();
        let mut places = rows.iter().filter_map(place);
        let Some(first) = places.next() else {
            return String::new();
        };
        let last = places.next_back().unwrap_or(first);
        let found = found.filter(|row| range.contains(row));
        let found = found.and_then(|row| self.rows.get(row)).and_then(place);
        let name = |source: usize| {
            let source = script.sources.get(source);
            look.clean(source.map_or("", |source| &source.name))
        };
        let ((from_file, from), (to_file, to)) = (first, last);
        if from_file != to_file {
            let (one, other) = (name(from_file), name(to_file));
            return format!("line {from} of {one} to {to} of {other}");
        }
        let all = match script.sources.as_slice() {
            [only] => only.text.lines().count().to_string(),
            _ => name(from_file),
        };
        match found {
            Some((_, line)) => format!("line {line}, {from}-{to} of {all}"),
            None if from == to => format!("line {from} of {all}"),
            None => format!("lines {from}-{to} of {all}"),
        }
    }

    /// The columns at which `needle` begins and ends in a row, from its first one on.
    pub(crate) fn columns_of(
        &self,
        look: Appearance,
        runbook: &Runbook,
        row: usize,
        needle: &str,
    ) -> Option<Range<usize>> {
        let PageRow::Code { .. } = self.rows.get(row)? else {
            return None;
        };
        let text = self.text(runbook, row)?;
        let needle = needle.to_lowercase();
        let lower =
            |text: &str| -> Vec<char> { text.chars().flat_map(char::to_lowercase).collect() };
        let letters = lower(&needle);
        let (at, _) = text.char_indices().find(|(at, _)| {
            let rest = text.get(*at..).unwrap_or_default().chars();
            (rest.flat_map(char::to_lowercase).take(letters.len())).eq(letters.iter().copied())
        })?;
        let from = width(&look.clean(text.get(..at)?));
        Some(from..from + width(&look.clean(&needle)))
    }

    pub(crate) fn line_from(&self, row: usize) -> Option<usize> {
        let mut rows = row..self.rows.len();
        rows.find_map(|row| self.line_at(row)).map(|(line, _)| line)
    }

    /// The first line of a file from a row on, whole: the file's name, its number, its text.
    pub(crate) fn whole_line<'a>(
        &self,
        runbook: &'a Runbook,
        row: usize,
    ) -> Option<(&'a str, usize, &'a str)> {
        let mut rows = self.rows.iter().skip(row);
        let (source, line) = rows.find_map(|row| match row {
            PageRow::Code { source, line, .. } => Some((*source, *line)),
            PageRow::File(_) | PageRow::Note { .. } => None,
        })?;
        let source = self.document.script_of(runbook)?.sources.get(source)?;
        let text = source.text.lines().nth(line.checked_sub(1)?)?;
        Some((&source.name, line, text))
    }

    pub(crate) fn row_of_line(&self, line: usize) -> Option<usize> {
        (0..self.rows.len()).find(|row| self.line_at(*row).is_some_and(|(at, _)| at == line))
    }

    /// How far the rows of `range` can be moved to the left, in columns.
    pub(crate) fn furthest(&self, range: Range<usize>) -> usize {
        let wide = |index: usize| self.line_at(index).map_or(0, |(_, wide)| wide);
        let most = range.map(wide).max().unwrap_or(0);
        most.saturating_sub(self.inner())
    }

    /// The row with the finding of this number in the script's order.
    pub(crate) fn finding(&self, runbook: &Runbook, number: usize) -> Option<usize> {
        let script = self.document.script_of(runbook)?;
        let group = script.findings_by_statement().into_iter().nth(number)?;
        let finding = group.first()?;
        self.row_of(finding.source, finding.line)
    }

    /// The next row behind (or before) `from` that has a finding below it, round the end.
    pub(crate) fn next_finding(&self, from: usize, forward: bool) -> Option<usize> {
        let behind = || self.findings.iter().copied();
        match forward {
            true => behind().find(|row| *row > from).or(behind().next()),
            false => behind().rfind(|row| *row < from).or(behind().last()),
        }
    }

    /// The next row behind (or before) `from` at which a section begins.
    pub(crate) fn next_section(&self, from: usize, forward: bool) -> Option<usize> {
        let mut sections = self.sections.iter().copied();
        match forward {
            true => sections.find(|row| *row > from),
            false => sections.rfind(|row| *row < from),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row where a line of one of the files begins.
    pub(crate) fn row_of(&self, file: usize, number: usize) -> Option<usize> {
        let begins = |row: &PageRow| match row {
            PageRow::Code { source, line, .. } => (*source, *line) == (file, number),
            PageRow::File(_) | PageRow::Note { .. } => false,
        };
        self.rows.iter().position(begins)
    }

    /// What stands in a row: of a file, or what is said of it.
    pub(crate) fn text<'a>(&'a self, runbook: &'a Runbook, index: usize) -> Option<&'a str> {
        match self.rows.get(index)? {
            PageRow::File(text) | PageRow::Note { text, .. } => Some(text),
            PageRow::Code { source, span, .. } => (self.document.script_of(runbook)?)
                .sources
                .get(*source)?
                .text
                .get(span.clone()),
        }
    }

    /// The rows of `range` as lines, from column `shift` on; the row `found` stands out.
    pub(crate) fn lines(
        &self,
        (look, runbook): (Appearance, &Runbook),
        range: Range<usize>,
        shift: usize,
        found: Option<usize>,
    ) -> Vec<Line<'static>> {
        let rows = self.rows.iter().enumerate();
        rows.skip(range.start)
            .take(range.len())
            .map(|(index, row)| {
                let line = match row {
                    PageRow::File(name) => look.heading(&format!(" {name}"), self.width),
                    PageRow::Note { text, grave, line } => self.note(look, text, *grave, *line),
                    PageRow::Code {
                        line,
                        first,
                        marked,
                        source,
                        span,
                        wide,
                    } => {
                        let numbered = first.then_some((*line, *marked));
                        let code = (*source, span.clone(), *wide);
                        self.code((look, runbook), numbered, code, shift)
                    }
                };
                if found == Some(index) {
                    line.patch_style(look.here())
                } else {
                    line
                }
            })
            .collect()
    }

    /// A row of what is said. Where no numbers stand beside the text its margin is reversed.
    fn note(
        &self,
        look: Appearance,
        text: &str,
        grave: bool,
        line: Option<usize>,
    ) -> Line<'static> {
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
        (look, runbook): (Appearance, &Runbook),
        numbered: Option<(usize, bool)>,
        (source, span, wide): (usize, Range<usize>, usize),
        shift: usize,
    ) -> Line<'static> {
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
            spans.extend(self.coloured((look, runbook), source, span));
            return Line::from(spans);
        }
        let cut = wide > shift + self.inner();
        let to = shift + self.inner() - usize::from(cut);
        let part = self.window((look, runbook), source, span, self.seen_from(shift)..to);
        spans.extend(self.coloured((look, runbook), source, part));
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
    pub(crate) fn goes_on(&self, index: usize, shift: usize) -> bool {
        !self.wrapped && (self.line_at(index)).is_some_and(|(_, wide)| wide > shift + self.inner())
    }

    /// What of a line is seen in these columns of it.
    fn window(
        &self,
        (look, runbook): (Appearance, &Runbook),
        source: usize,
        span: Range<usize>,
        columns: Range<usize>,
    ) -> Range<usize> {
        let text = (self.document.script_of(runbook))
            .and_then(|script| script.sources.get(source))
            .and_then(|source| source.text.get(span.clone()))
            .unwrap_or_default();
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
    fn coloured(
        &self,
        (look, runbook): (Appearance, &Runbook),
        source: usize,
        span: Range<usize>,
    ) -> Vec<Span<'static>> {
        let Some(text) = (self.document.script_of(runbook))
            .and_then(|script| script.sources.get(source))
            .map(|source| &*source.text)
        else {
            return Vec::new();
        };
        let mut spans = Vec::new();
        let mut at = span.start;
        let mut put = |range: Range<usize>, style: Style| {
            if let Some(part) = text.get(range).filter(|part| !part.is_empty()) {
                spans.push(look.clean(part).set_style(style));
            }
        };
        if let Some(tokens) = self.tokens.get(source) {
            let first = tokens.partition_point(|(range, _)| range.end <= span.start);
            for (range, token) in tokens.iter().skip(first) {
                if range.start >= span.end {
                    break;
                }
                let (start, end) = (range.start.max(at), range.end.min(span.end));
                put(at..start, Style::new());
                put(start..end, sql::style(look, *token));
                at = end;
            }
        }
        put(at..span.end, Style::new());
        spans
    }
}

/// Whether a line of a script takes more than so many columns.
fn is_wider(look: Appearance, script: &Script, columns: usize) -> bool {
    let lines = script.sources.iter().flat_map(|source| source.text.lines());
    let mut wide = lines.flat_map(|code| broken(look, code, usize::MAX));
    wide.any(|(_, wide)| wide > columns)
}

/// What is said of a line that has text far to the right, behind more blanks than any layout needs.
fn far_text(look: Appearance, code: &str) -> Option<String> {
    if code.len() <= FAR {
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

/// What there is to say about each line of a source; `true` is what a reader should weigh.
fn notes(script: &Script, source: usize) -> BTreeMap<usize, Vec<(String, bool)>> {
    let mut notes: BTreeMap<usize, Vec<(String, bool)>> = BTreeMap::new();
    for statement in script.statements.iter().filter(|s| s.source == source) {
        let what = match statement.fate {
            Fate::Sent => continue,
            Fate::TakenOver => "taken over by the gate: stagegate sends its own",
            Fate::Held => "held back: only the key for COMMIT sends it",
            Fate::Ends => "its author wants a rehearsal: the gate rolls back in any case",
            Fate::LeftOut => "left out by choice: this is not sent",
        };
        let said = notes.entry(statement.line).or_default();
        said.push((what.to_owned(), false));
    }
    for remark in script
        .sources
        .get(source)
        .into_iter()
        .flat_map(|s| &s.remarks)
    {
        let said = notes.entry(remark.line).or_default();
        said.push((remark.words(), false));
    }
    for refusal in script.refusals.iter().filter(|r| r.source == source) {
        let said = notes.entry(refusal.line).or_default();
        said.push((format!("REFUSED: {}", refusal.reason), true));
    }
    for finding in script.findings().iter().filter(|f| f.source == source) {
        let said = notes.entry(finding.line).or_default();
        said.push((format!("{}: {}", finding.rule, finding.message), true));
        if let Some(help) = &finding.help {
            said.push((format!("help: {help}"), false));
        }
    }
    notes
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
mod tests {
    use super::*;
    use crate::tui::theme::Palette;

    #[test]
    fn a_section_begins_at_the_rule_above_its_title() {
        let runbook = crate::runbook::Runbook::load(None).unwrap();
        let text = &runbook.script.sources[0].text;
        let begins = section_lines(&runbook.script, 0, text);
        assert!(begins.len() > 3, "{begins:?}");
        for line in begins {
            let above: Vec<&str> = text.lines().skip(line - 1).take(2).collect();
            assert!(above[0].starts_with("-- ===="), "{line}: {above:?}");
            assert!(!above[1].contains("===="), "{line}: {above:?}");
        }
    }

    #[test]
    fn a_line_of_megabytes_is_broken_in_one_pass() {
        // Where each letter looks at the whole rest of its line this test does not end.
        let look = Appearance {
            colour: Palette::Mono,
            glyphs: Glyphs::Unicode,
        };
        let code = "x".repeat(2_000_000);
        let parts = broken(look, &code, 80);
        assert_eq!(parts.len(), 25_000);
        assert!(
            parts
                .iter()
                .all(|(range, wide)| (range.len(), *wide) == (80, 80))
        );
        let hangs_on = "ne\u{301} x\u{7f}\u{e9}";
        let parts = broken(look, hangs_on, 1);
        let parts: Vec<&str> = parts
            .into_iter()
            .map(|(range, _)| &hangs_on[range])
            .collect();
        assert_eq!(parts, ["n", "e\u{301}", " ", "x", "\u{7f}", "\u{e9}"]);
    }

    #[test]
    fn long_lines_are_broken_between_words_and_nothing_is_lost() {
        let look = Appearance {
            colour: Palette::Mono,
            glyphs: Glyphs::Unicode,
        };
        let parts = |code: &str, columns| -> Vec<String> {
            let ranges = broken(look, code, columns);
            ranges
                .into_iter()
                .map(|(range, wide)| {
                    assert!(
                        wide <= columns.max(width(&look.clean(&code[range.clone()]))),
                        "{wide}"
                    );
                    code[range].to_owned()
                })
                .collect()
        };
        assert_eq!(parts("one two three", 8), ["one two ", "three"]);
        assert_eq!(parts("onetwothree", 8), ["onetwoth", "ree"]);
        assert_eq!(parts("a bcdefghijk", 6), ["a bcde", "fghijk"]);
        assert_eq!(parts("東京 東京", 5), ["東京 ", "東京"]);
        for columns in 1..20 {
            let text = "-- a lock \x1b[2J held: 東京都, \t e\u{301}nd";
            assert_eq!(parts(text, columns).concat(), text);
        }
        // Escapes are wider than what they stand for, whatever they hang on.
        for hanging in [
            "x\u{200b}\u{200b}\u{200b}",
            "\u{600}\u{600}'",
            "\u{d4e}\u{d4e}\u{d4e}'",
        ] {
            let text = format!("SELECT '{};DELETE FROM t", hanging.repeat(9));
            let rows = broken(look, &text, 20).into_iter();
            let shown = rows.map(|(range, _)| look.clean(&text[range]));
            assert!(shown.clone().all(|row| width(&row) <= 20), "{text:?}");
            assert_eq!(shown.collect::<String>(), look.clean(&text));
        }
    }
}
