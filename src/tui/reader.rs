//! The script and the rollback scripts, to be read to their end before they are signed for.
//!
//! ```text
//!  [script]  rollback 1 read   rollback 2
//!  STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql  212 lines, not read to its end yet
//!     1   -- Stage 1 UTN workflow
//!     2   BEGIN;
//!         taken over by the gate: stagegate sends its own
//!  ▲  9   ALTER TABLE service_ops.packet_decision ADD COLUMN …
//!         adding-required-field: …
//! ```
//!
//! Long lines are wrapped, never cut: who signs has seen everything. Rows are made once for a
//! document and a width, so that a large script scrolls as fast as a small one.

use super::sql;
use super::text::{take, width, wrap};
use super::theme::{Appearance, Glyphs};
use super::view::Scene;
use crate::gate::event::Document;
use crate::runbook::Runbook;
use crate::runbook::highlight::{self, Token};
use crate::runbook::script::{Fate, Script};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};
use std::collections::BTreeMap;
use std::ops::Range;

/// Columns of line number and mark.
const GUTTER: usize = 9;

/// One row of the view.
#[derive(Clone)]
enum Row {
    /// The name of a file that the script includes.
    File(String),
    /// A line of a file, or a further part of one that is wrapped.
    Code {
        source: usize,
        line: usize,
        span: Range<usize>,
        first: bool,
        marked: bool,
    },
    /// What the program or the linter says about the line above.
    Note { text: String, grave: bool },
}

/// A document as rows of one width.
#[derive(Clone)]
pub(crate) struct Pages {
    document: Document,
    width: usize,
    rows: Vec<Row>,
    tokens: Vec<Vec<(Range<usize>, Token)>>,
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

fn script(runbook: &Runbook, document: Document) -> Option<&Script> {
    match document {
        Document::Script => Some(&runbook.script),
        Document::Rollback(index) => runbook.rollbacks.get(index),
        Document::Checks(item) => runbook.items.get(item)?.checks.as_ref(),
    }
}

impl Pages {
    /// The rows of `document` at `width`.
    pub(crate) fn new(
        runbook: &Runbook,
        look: Appearance,
        document: Document,
        width: usize,
    ) -> Pages {
        let mut pages = Pages {
            document,
            width,
            rows: Vec::new(),
            tokens: Vec::new(),
        };
        let Some(script) = script(runbook, document) else {
            return pages;
        };
        let inner = width.saturating_sub(GUTTER + 1).max(1);
        for (number, source) in script.sources.iter().enumerate() {
            pages.tokens.push(highlight::tokens(&source.text));
            if script.sources.len() > 1 {
                pages.rows.push(Row::File(look.clean(&source.name)));
            }
            let notes = notes(script, number);
            let mut start = 0;
            for (index, text) in source.text.split_inclusive('\n').enumerate() {
                let line = index + 1;
                let said = notes.get(&line);
                let code = text.trim_end_matches(['\n', '\r']);
                let marked = said.is_some_and(|said| said.iter().any(|(_, grave)| *grave));
                let parts = broken(look, code, inner);
                for (nth, part) in parts.into_iter().enumerate() {
                    pages.rows.push(Row::Code {
                        source: number,
                        line,
                        span: start + part.start..start + part.end,
                        first: nth == 0,
                        marked,
                    });
                }
                for (text, grave) in said.into_iter().flatten() {
                    for text in look.clean_lines(text) {
                        for text in wrap(&text, inner) {
                            pages.rows.push(Row::Note {
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

    /// Whether these are the rows of `document` at `width`.
    pub(crate) fn fits(&self, document: Document, width: usize) -> bool {
        self.document == document && self.width == width
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row where a line of one of the files begins.
    pub(crate) fn row_of(&self, file: usize, number: usize) -> Option<usize> {
        let begins = |row: &Row| match row {
            Row::Code { source, line, .. } => (*source, *line) == (file, number),
            Row::File(_) | Row::Note { .. } => false,
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
            Row::File(text) | Row::Note { text, .. } => Some(text),
            Row::Code { source, span, .. } => script(runbook, self.document)?
                .sources
                .get(*source)?
                .text
                .get(span.clone()),
        }
    }

    /// The rows of `range` as lines; the row `found` stands out.
    pub(crate) fn lines(
        &self,
        scene: &Scene<'_>,
        range: Range<usize>,
        found: Option<usize>,
    ) -> Vec<Line<'static>> {
        let look = scene.look;
        let rows = self.rows.iter().enumerate();
        rows.skip(range.start)
            .take(range.len())
            .map(|(index, row)| {
                let line = match row {
                    Row::File(name) => scene.heading(&format!(" {name}"), self.width),
                    Row::Note { text, grave } => Line::from(vec![
                        Span::raw(" ".repeat(GUTTER)),
                        text.clone()
                            .set_style(if *grave { look.warn() } else { look.dim() }),
                    ]),
                    Row::Code {
                        line,
                        first,
                        marked,
                        source,
                        span,
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
                        let mut spans = vec![
                            format!(" {mark}").set_style(look.warn()),
                            format!("{}  ", look.fit_right(&number, 5)).set_style(look.dim()),
                        ];
                        spans.extend(self.coloured(scene, *source, span.clone()));
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

    /// A stretch of a source in the colours of its tokens.
    fn coloured(&self, scene: &Scene<'_>, source: usize, span: Range<usize>) -> Vec<Span<'static>> {
        let look = scene.look;
        let Some(text) = script(scene.runbook, self.document)
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

/// Where a line of code is broken, as byte ranges, so that each part fits as it is shown.
fn broken(look: Appearance, code: &str, columns: usize) -> Vec<Range<usize>> {
    let plain = code.is_ascii() && !code.contains(|c: char| c.is_control());
    if plain && code.len() <= columns {
        return std::iter::once(0..code.len()).collect();
    }
    let mut parts = Vec::new();
    let (mut start, mut used) = (0, 0);
    // Behind the last blank of the part, and how wide the part was there.
    let mut blank: Option<(usize, usize)> = None;
    let mut at = 0;
    while at < code.len() {
        let rest = code.get(at..).unwrap_or_default();
        // One character as it is drawn; of those that are escaped, one character as it is shown.
        let step = match look.glyphs {
            Glyphs::Unicode if !rest.starts_with(char::is_control) => {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let (whole, _) = take(rest, width(rest.get(..first).unwrap_or_default()));
                whole.len().max(first)
            }
            Glyphs::Unicode | Glyphs::Ascii => rest.chars().next().map_or(1, char::len_utf8),
        };
        let shown = width(&look.clean(rest.get(..step).unwrap_or_default()));
        if used + shown > columns && at > start {
            // Between words where that leaves no more than a third of the line empty.
            let (end, before) = blank
                .filter(|(_, before)| before * 3 >= columns * 2)
                .unwrap_or((at, used));
            parts.push(start..end);
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
    parts.push(start..code.len());
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
pub(crate) fn tabs(scene: &Scene<'_>, open: usize, columns: usize) -> [Line<'static>; 2] {
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
            let script = script(scene.runbook, document);
            let name = look.clean(script.map_or("", |script| script.name.as_str()));
            let lines: usize = script.map_or(0, |script| {
                let sources = script.sources.iter();
                sources.map(|source| source.text.lines().count()).sum()
            });
            let after = format!(
                "  {lines} lines{}",
                match state {
                    Some(true) => ", read to its end",
                    Some(false) => ", not read to its end yet",
                    None => "",
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
                .map(|range| code[range].to_owned())
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
    }
}
