//! The script and the rollback scripts, to be read to their end before they are signed for.
//!
//! ```text
//!  [script]  rollback 1 read   rollback 2
//!  STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql  212 lines, 187 not on the screen yet
//!    1 -- Stage 1 UTN workflow
//!    2 BEGIN;
//!      taken over by the gate: stagegate sends its own
//! ▲  9 ALTER TABLE service_ops.packet_decision ADD COLUMN …
//!      adding-required-field: …
//! ```
//!
//! Long lines are wrapped, or on a key scrolled sideways, and never lost: who signs has seen
//! everything. Rows are made once for a document and a width, so that a large script scrolls as fast
//! as a small one.

pub(crate) mod perusal;

use super::sql;
use super::text::{counted, take, width, wrap};
use super::theme::{Appearance, Glyphs};
use super::view::Scene;
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

/// One row of the view.
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
    /// What the program or the linter says about the line above.
    Note { text: String, grave: bool },
}

/// A document as rows of one width.
#[derive(Clone)]
pub(crate) struct DocumentPages {
    document: Document,
    width: usize,
    wrapped: bool,
    /// Columns of mark and line number.
    gutter: usize,
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
        pages.gutter = 3 + longest.unwrap_or(0).to_string().len().max(2);
        let inner = pages.inner();
        let mut base = 0;
        for (number, source) in script.sources.iter().enumerate() {
            pages.bases.push(base);
            base += source.text.lines().count();
            let begins = section_lines(script, number, &source.text);
            pages.tokens.push(highlight::tokens(&source.text));
            if script.sources.len() > 1 {
                pages.rows.push(PageRow::File(look.clean(&source.name)));
            }
            let notes = notes(script, number);
            let mut start = 0;
            for (index, text) in source.text.split_inclusive('\n').enumerate() {
                let line = index + 1;
                let said = notes.get(&line);
                let code = text.trim_end_matches(['\n', '\r']);
                let marked = said.is_some_and(|said| said.iter().any(|(_, grave)| *grave));
                if begins.contains(&line) {
                    pages.sections.push(pages.rows.len());
                }
                if marked {
                    pages.findings.push(pages.rows.len());
                }
                let columns = if wrapped { inner } else { usize::MAX };
                let parts = broken(look, code, columns);
                for (nth, (part, wide)) in parts.into_iter().enumerate() {
                    pages.rows.push(PageRow::Code {
                        source: number,
                        line,
                        span: start + part.start..start + part.end,
                        first: nth == 0,
                        marked,
                        wide,
                    });
                }
                for (text, grave) in said.into_iter().flatten() {
                    for text in look.clean_lines(text) {
                        for text in wrap(&text, inner) {
                            pages.rows.push(PageRow::Note {
                                text,
                                grave: *grave,
                            });
                        }
                    }
                }
                start += text.len();
            }
        }
        pages
    }

    /// Whether these are the rows of `document` in that layout.
    pub(crate) fn fits(&self, document: Document, layout: (usize, bool)) -> bool {
        self.document == document && self.layout() == layout
    }

    /// The width, and whether long lines are wrapped.
    pub(crate) fn layout(&self) -> (usize, bool) {
        (self.width, self.wrapped)
    }

    /// How many columns there are for the text of a line; the last one is the scroll bar's.
    pub(crate) fn inner(&self) -> usize {
        self.width.saturating_sub(self.gutter + 1).max(1)
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

    /// The first line from a row on.
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

    /// The first row of a line.
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

    /// How many rows there are.
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

    /// The first row from `from` on, in the given direction and round the end, that holds `needle`.
    pub(crate) fn find(
        &self,
        runbook: &Runbook,
        needle: &str,
        from: usize,
        forward: bool,
    ) -> Option<usize> {
        let all = self.rows.len();
        let needle = needle.to_lowercase();
        (0..all)
            .map(|step| {
                if forward {
                    (from + step) % all
                } else {
                    (from + all - step) % all
                }
            })
            .find(|index| {
                self.text(runbook, *index)
                    .is_some_and(|text| text.to_lowercase().contains(&needle))
            })
    }

    fn text<'a>(&'a self, runbook: &'a Runbook, index: usize) -> Option<&'a str> {
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
        scene: &Scene<'_>,
        range: Range<usize>,
        shift: usize,
        found: Option<usize>,
    ) -> Vec<Line<'static>> {
        let look = scene.look;
        let rows = self.rows.iter().enumerate();
        rows.skip(range.start)
            .take(range.len())
            .map(|(index, row)| {
                let line = match row {
                    PageRow::File(name) => scene.heading(&format!(" {name}"), self.width),
                    PageRow::Note { text, grave } => Line::from(vec![
                        Span::raw(" ".repeat(self.gutter)),
                        text.clone()
                            .set_style(if *grave { look.warn() } else { look.dim() }),
                    ]),
                    PageRow::Code {
                        line,
                        first,
                        marked,
                        source,
                        span,
                        wide,
                    } => {
                        let number = if *first {
                            line.to_string()
                        } else {
                            String::new()
                        };
                        let mark = if *marked && *first {
                            look.glyphs.mark()
                        } else {
                            " "
                        };
                        let digits = self.gutter.saturating_sub(3);
                        let before = if shift > 0 && *wide > 0 {
                            look.glyphs.to_left()
                        } else {
                            " "
                        };
                        let mut spans = vec![
                            format!("{mark} ").set_style(look.warn()),
                            format!("{}{before}", look.fit_right(&number, digits))
                                .set_style(look.dim()),
                        ];
                        let cut = !self.wrapped && *wide > shift + self.inner();
                        let columns = self.inner() - usize::from(cut);
                        let part = match self.wrapped {
                            true => span.clone(),
                            false => self.window(scene, *source, span.clone(), (shift, columns)),
                        };
                        spans.extend(self.coloured(scene, *source, part));
                        if cut {
                            spans.push(look.glyphs.to_right().set_style(look.here()));
                        }
                        Line::from(spans)
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

    /// What of a line is seen from column `shift` on, in so many columns.
    fn window(
        &self,
        scene: &Scene<'_>,
        source: usize,
        span: Range<usize>,
        (shift, columns): (usize, usize),
    ) -> Range<usize> {
        let text = (self.document.script_of(scene.runbook))
            .and_then(|script| script.sources.get(source))
            .and_then(|source| source.text.get(span.clone()))
            .unwrap_or_default();
        let (mut at, mut used) = (0, 0);
        let mut from = None;
        while at < text.len() {
            let (bytes, shown) = step(scene.look, text.get(at..).unwrap_or_default());
            if used >= shift {
                from.get_or_insert(at);
            }
            if used + shown > shift + columns {
                break;
            }
            used += shown;
            at += bytes;
        }
        span.start + from.unwrap_or(at)..span.start + at
    }

    /// A stretch of a source in the colours of its tokens.
    fn coloured(&self, scene: &Scene<'_>, source: usize, span: Range<usize>) -> Vec<Span<'static>> {
        let look = scene.look;
        let Some(text) = (self.document.script_of(scene.runbook))
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

/// The first thing that is drawn of `rest`: how many bytes it is, and how many columns it takes.
fn step(look: Appearance, rest: &str) -> (usize, usize) {
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

/// The lines at which a section begins in a file: the comment that leads its first statement.
fn section_lines(script: &Script, source: usize, text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut before = None;
    let mut begins = Vec::new();
    for statement in script.statements.iter().filter(|s| s.source == source) {
        if statement.section.is_some() && statement.section != before {
            let mut line = statement.line;
            let comment = |line: usize| {
                let above = line.checked_sub(2).and_then(|above| lines.get(above));
                above.is_some_and(|text| text.trim_start().starts_with("--"))
            };
            while comment(line) {
                line -= 1;
            }
            begins.push(line);
        }
        before = statement.section;
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
    for finding in script.findings.iter().filter(|f| f.source == source) {
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
    scene: &Scene<'_>,
    (open, seen): (usize, Option<&SeenLines>),
    columns: usize,
) -> [Line<'static>; 2] {
    let look = scene.look;
    let mut spans = Vec::new();
    let mut title = Line::default();
    for (index, document) in documents(scene.runbook).into_iter().enumerate() {
        let short = match document {
            Document::Script => "script".to_owned(),
            Document::Rollback(nth) => format!("rollback {}", nth + 1),
            Document::Checks(item) => format!("checks {}", item + 1),
        };
        let state = state(scene, document);
        spans.push(Span::raw(" "));
        if index == open {
            spans.push(format!("[{short}]").set_style(look.strong()));
            let script = document.script_of(scene.runbook);
            let name = look.clean(script.map_or("", |script| script.name.as_str()));
            let sources = script.into_iter().flat_map(|script| &script.sources);
            let lines = seen.map_or_else(
                || sources.map(|source| source.text.lines().count()).sum(),
                SeenLines::all,
            );
            let after = format!(
                "  {}{}",
                counted(lines, "line", "lines"),
                match (state, seen) {
                    (Some(true), _) => ", each was on the screen".to_owned(),
                    (Some(false), Some(seen)) => format!(", {} not on the screen yet", seen.left()),
                    (Some(false), None) => ", not read to the end yet".to_owned(),
                    (None, _) => String::new(),
                }
            );
            let room = columns.saturating_sub(width(&after) + 2);
            title = Line::from(vec![
                Span::raw(" "),
                look.clip_left(&name, room).set_style(look.strong()),
                after.set_style(if state == Some(false) {
                    look.warn()
                } else {
                    look.dim()
                }),
            ]);
        } else {
            let read = if state == Some(true) { " read" } else { "" };
            spans.push(format!(" {short}{read} ").set_style(look.dim()));
        }
    }
    [Line::from(spans), title]
}

/// Whether a document was read, where a signature asks for that.
fn state(scene: &Scene<'_>, document: Document) -> Option<bool> {
    let mut needed = scene.machine.plan().items.iter();
    needed
        .any(|item| item.documents.contains(&document))
        .then(|| {
            let mut items = scene.machine.items().iter();
            !items.any(|item| item.unread.contains(&document))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Palette;

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
