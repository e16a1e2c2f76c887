//! What is known of a document's lines before one of them is laid out: where each begins, what is said
//! of it, where its colours can be read from.
//!
//! It is made once for a document that is open, whatever its width, and looks at no more of a script
//! than where its lines and statements begin; the rest is looked for where it is asked for.

use super::{broken, far_text, section_lines};
use crate::gate::event::Document;
use crate::runbook::Runbook;
use crate::runbook::highlight::{Colouring, Highlight};
use crate::runbook::script::{Fate, Script, Source};
use crate::tui::theme::Appearance;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// So many bytes lie at most between two places from which the colours of a text are read again, but
/// where one word of it is longer.
const STRIDE: usize = 4_096;
/// So many coloured parts are kept of what was read last.
const MOST_PARTS: usize = 20_000;

pub(super) struct ScriptIndex {
    runbook: Arc<Runbook>,
    document: Document,
    look: Appearance,
    /// The number of the first line of each file, over all of them, and of how many there are.
    bases: Vec<usize>,
    lines: usize,
    files: Vec<FileIndex>,
    sections: OnceLock<Vec<usize>>,
    measured: Mutex<MeasuredWidth>,
}

#[derive(Default)]
struct FileIndex {
    /// Where each line begins, in bytes.
    starts: Vec<usize>,
    /// What is said of a line, by its number from 1.
    notes: Vec<(usize, NoteOf)>,
    /// Where a statement begins or its data end: no word is under way there.
    seams: Vec<usize>,
    data: Vec<Range<usize>>,
    colours: Mutex<ReadColours>,
}

/// Of what something is said, as indices into what the script has of it.
#[derive(Clone, Copy)]
enum NoteOf {
    Statement(Fate),
    Remark(usize),
    Refusal(usize),
    Finding(usize),
}

/// How many lines were measured, and how wide the widest of them is.
#[derive(Default)]
struct MeasuredWidth {
    lines: usize,
    widest: usize,
}

/// The coloured parts of a stretch of a file, the one that was read last.
#[derive(Default)]
struct ReadColours {
    stretch: Range<usize>,
    parts: Vec<(Range<usize>, Highlight)>,
    /// Where they can be read on from besides the seams.
    places: BTreeSet<usize>,
}

impl ScriptIndex {
    pub(super) fn of(runbook: &Arc<Runbook>, look: Appearance, document: Document) -> ScriptIndex {
        let mut index = ScriptIndex {
            runbook: Arc::clone(runbook),
            document,
            look,
            bases: Vec::new(),
            lines: 0,
            files: Vec::new(),
            sections: OnceLock::new(),
            measured: Mutex::default(),
        };
        let Some(script) = document.script_of(runbook) else {
            return index;
        };
        for source in &script.sources {
            let starts = line_starts(&source.text);
            index.bases.push(index.lines);
            index.lines += starts.len();
            index.files.push(FileIndex {
                starts,
                ..FileIndex::default()
            });
        }
        index.note_places(script);
        index
    }

    fn note_places(&mut self, script: &Script) {
        let mut note = |source: usize, line: usize, of: NoteOf| {
            if let Some(file) = self.files.get_mut(source) {
                file.notes.push((line, of));
            }
        };
        for statement in script.statements.iter().filter(|s| s.fate != Fate::Sent) {
            let of = NoteOf::Statement(statement.fate);
            note(statement.source, statement.line, of);
        }
        for (number, source) in script.sources.iter().enumerate() {
            for (index, remark) in source.remarks.iter().enumerate() {
                note(number, remark.line, NoteOf::Remark(index));
            }
        }
        for (index, refusal) in script.refusals.iter().enumerate() {
            note(refusal.source, refusal.line, NoteOf::Refusal(index));
        }
        for (index, finding) in script.findings().iter().enumerate() {
            note(finding.source, finding.line, NoteOf::Finding(index));
        }
        for statement in &script.statements {
            if let Some(file) = self.files.get_mut(statement.source) {
                file.seams.push(statement.span.start);
                if let Some(data) = statement.copy_data() {
                    file.seams.push(data.end);
                    file.data.push(data);
                }
            }
        }
        for file in &mut self.files {
            // What is said of one line stays in its order.
            file.notes.sort_by_key(|(line, _)| *line);
            file.seams.sort_unstable();
            file.data.sort_unstable_by_key(|data| data.start);
        }
    }

    pub(super) fn document(&self) -> Document {
        self.document
    }

    pub(super) fn script(&self) -> Option<&Script> {
        self.document.script_of(&self.runbook)
    }

    fn source(&self, number: usize) -> Option<&Source> {
        self.script()?.sources.get(number)
    }

    /// How many lines all its files have.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    pub(super) fn lines_of(&self, source: usize) -> usize {
        self.files.get(source).map_or(0, |file| file.starts.len())
    }

    /// The most lines that a file has.
    pub(super) fn longest(&self) -> usize {
        let files = self.files.iter().map(|file| file.starts.len());
        files.max().unwrap_or(0)
    }

    /// The files whose names stand above this line: those that begin with it, where there are several.
    pub(super) fn headings(&self, line: usize) -> Range<usize> {
        if self.bases.len() < 2 {
            return 0..0;
        }
        let before = self.bases.partition_point(|base| *base < line);
        before..self.bases.partition_point(|base| *base <= line)
    }

    /// The file of a line and its number there, from 1.
    pub(super) fn place_of(&self, line: usize) -> Option<(usize, usize)> {
        let source = self
            .bases
            .partition_point(|base| *base <= line)
            .checked_sub(1)?;
        let number = line - self.bases.get(source)? + 1;
        (line < self.lines).then_some((source, number))
    }

    /// The line of that number in a file, over all of them.
    pub(super) fn line_of(&self, source: usize, number: usize) -> Option<usize> {
        let at = number.checked_sub(1)?;
        (at < self.lines_of(source)).then_some(self.bases.get(source)? + at)
    }

    /// Where a line of a file begins, and its text without the line's end.
    pub(super) fn code(&self, source: usize, number: usize) -> Option<(usize, &str)> {
        let file = self.files.get(source)?;
        let start = *file.starts.get(number.checked_sub(1)?)?;
        let text = &self.source(source)?.text;
        let end = file.starts.get(number).copied().unwrap_or(text.len());
        let code = text.get(start..end)?;
        Some((start, code.trim_end_matches(['\n', '\r'])))
    }

    pub(super) fn text(&self, source: usize, span: Range<usize>) -> Option<&str> {
        self.source(source)?.text.get(span)
    }

    pub(super) fn name(&self, source: usize) -> &str {
        self.source(source).map_or("", |source| &source.name)
    }

    /// What is said of a line of a file; `true` is what a reader should weigh.
    pub(super) fn notes(&self, source: usize, number: usize) -> Vec<(String, bool)> {
        let mut said = Vec::new();
        let (Some(file), Some(script)) = (self.files.get(source), self.script()) else {
            return said;
        };
        let first = file.notes.partition_point(|(line, _)| *line < number);
        let notes = file.notes.iter().skip(first);
        for (_, of) in notes.take_while(|(line, _)| *line == number) {
            tell_note(script, source, *of, &mut said);
        }
        let code = self.code(source, number).map_or("", |(_, code)| code);
        said.extend(far_text(self.look, code).map(|far| (far, true)));
        said
    }

    /// Whether anything is said of a line of a file.
    pub(super) fn says(&self, source: usize, number: usize) -> bool {
        let notes = self.files.get(source).map(|file| &file.notes);
        let noted = notes.is_some_and(|notes| {
            notes
                .binary_search_by_key(&number, |(line, _)| *line)
                .is_ok()
        });
        let code = self.code(source, number).map_or("", |(_, code)| code);
        noted || far_text(self.look, code).is_some()
    }

    /// Whether something is said of a line that a reader should weigh.
    pub(super) fn is_marked(&self, line: usize) -> bool {
        let Some((source, number)) = self.place_of(line) else {
            return false;
        };
        self.notes(source, number).iter().any(|(_, grave)| *grave)
    }

    /// The lines at which a section begins, over all files.
    pub(super) fn sections(&self) -> &[usize] {
        self.sections.get_or_init(|| {
            let Some(script) = self.script() else {
                return Vec::new();
            };
            let files = script.sources.iter().enumerate();
            let begins = files.flat_map(|(source, file)| {
                let lines = section_lines(script, source, &file.text);
                let lines = lines.into_iter();
                lines.filter_map(move |number| self.line_of(source, number))
            });
            let begins: BTreeSet<usize> = begins.collect();
            begins.into_iter().collect()
        })
    }

    /// Whether a line takes more than so many columns. No line is measured twice.
    pub(super) fn is_wider(&self, columns: usize) -> bool {
        let mut measured = lock(&self.measured);
        while measured.widest <= columns && measured.lines < self.lines {
            let place = self.place_of(measured.lines);
            let code = place.and_then(|(source, number)| self.code(source, number));
            let parts = broken(self.look, code.map_or("", |(_, code)| code), usize::MAX);
            let wide = parts.first().map_or(0, |(_, wide)| *wide);
            measured.widest = measured.widest.max(wide);
            measured.lines += 1;
        }
        measured.widest > columns
    }

    /// The coloured parts that lie in a stretch of a file, or reach into it.
    pub(super) fn colours(
        &self,
        source: usize,
        span: Range<usize>,
    ) -> Vec<(Range<usize>, Highlight)> {
        let (Some(file), Some(text)) = (self.files.get(source), self.source(source)) else {
            return Vec::new();
        };
        let mut read = lock(&file.colours);
        read.reach(&text.text, file, &span);
        let first = read
            .parts
            .partition_point(|(part, _)| part.end <= span.start);
        let parts = read.parts.iter().skip(first);
        let parts = parts.take_while(|(part, _)| part.start < span.end);
        parts.cloned().collect()
    }
}

impl ReadColours {
    /// Reads on until the stretch is read, from as near before it as can be.
    fn reach(&mut self, text: &str, file: &FileIndex, span: &Range<usize>) {
        let seam = file.seams.partition_point(|seam| *seam <= span.start);
        let seam = seam.checked_sub(1).and_then(|at| file.seams.get(at));
        let place = self.places.range(..=span.start).next_back();
        let nearest = seam.max(place).copied().unwrap_or(0);
        let (from, to) = (self.stretch.start, self.stretch.end);
        if span.start < from || nearest > to || self.parts.len() > MOST_PARTS {
            self.stretch = nearest..nearest;
            self.parts.clear();
        }
        if span.end <= self.stretch.end {
            return;
        }
        let mut last = self.stretch.end;
        let mut colouring = Colouring::new(text, self.stretch.end, &file.data);
        while self.stretch.end < span.end {
            let Some((part, colour)) = colouring.next() else {
                self.stretch.end = text.len();
                break;
            };
            #[cfg(test)]
            COLOURED.with(|coloured| coloured.set(coloured.get() + 1));
            self.stretch.end = part.end;
            if part.end >= last + STRIDE {
                last = part.end;
                self.places.insert(part.end);
                // What lies far before is not asked for in this frame.
                if part.end < span.start {
                    self.stretch.start = part.end;
                    self.parts.clear();
                    continue;
                }
            }
            self.parts.push((part, colour));
        }
    }
}

pub(super) fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where each line of a text begins, in bytes.
fn line_starts(text: &str) -> Vec<usize> {
    let behind = text.match_indices('\n').map(|(at, _)| at + 1);
    let starts = std::iter::once(0).chain(behind);
    starts.filter(|start| *start < text.len()).collect()
}

fn tell_note(script: &Script, source: usize, of: NoteOf, said: &mut Vec<(String, bool)>) {
    match of {
        NoteOf::Statement(fate) => {
            let what = match fate {
                Fate::Sent => return,
                Fate::TakenOver => "taken over by the gate: stagegate sends its own",
                Fate::Held => "held back: only the key for COMMIT sends it",
                Fate::Ends => "its author wants a rehearsal: the gate rolls back in any case",
                Fate::LeftOut => "left out by choice: this is not sent",
            };
            said.push((what.to_owned(), false));
        }
        NoteOf::Remark(index) => {
            let source = script.sources.get(source);
            let remark = source.and_then(|source| source.remarks.get(index));
            said.extend(remark.map(|remark| (remark.words(), false)));
        }
        NoteOf::Refusal(index) => {
            let refusal = script.refusals.get(index);
            said.extend(refusal.map(|refusal| (format!("REFUSED: {}", refusal.reason), true)));
        }
        NoteOf::Finding(index) => {
            let Some(finding) = script.findings().get(index) else {
                return;
            };
            said.push((format!("{}: {}", finding.rule, finding.message), true));
            if let Some(help) = &finding.help {
                said.push((format!("help: {help}"), false));
            }
        }
    }
}

#[cfg(test)]
thread_local! {
    /// How many coloured parts were read, for the tests that bound what a frame costs.
    pub(super) static COLOURED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
