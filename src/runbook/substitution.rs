//! How the text that is read was made of a file: which bytes of it stand in the place of which
//! variable, and what each line became.
//!
//! A place in the text can be told as a place in the file by it, which is what a person looks at.

use std::ops::Range;

use super::script::SentEdit;

/// The end of a value that is being read as SQL.
#[derive(Debug, Clone)]
pub(super) struct Fence {
    pub end: usize,
    /// The variable, which is not substituted again inside of its own value.
    pub name: String,
}

#[derive(Debug, Clone)]
struct Value {
    at: usize,
    len: usize,
    /// The variable's place in the file.
    written: Range<usize>,
}

/// A file with values in the places of its variables.
#[derive(Debug, Clone, Default)]
pub(super) struct Laid {
    /// In order; those inside of others belong to them.
    values: Vec<Value>,
    line_start: usize,
    /// Lines that are not as they were written: a place in the file, and what the line became.
    lines: Vec<(usize, String)>,
    /// How many values there were when the line began.
    before_line: usize,
}

impl Laid {
    /// `range` of the text is replaced by `len` bytes; `inside` the value that was put in last.
    pub(super) fn substitute(&mut self, range: &Range<usize>, len: usize, inside: bool) {
        match self.values.last_mut() {
            Some(last) if inside => last.len = last.len + len - range.len(),
            _ => {
                let start = self.in_file(range.start);
                self.values.push(Value {
                    at: range.start,
                    len,
                    written: start..start + range.len(),
                });
            }
        }
    }

    pub(super) fn line_starts(&mut self, at: usize) {
        self.line_start = at;
        self.before_line = self.values.len();
    }

    pub(super) fn line_ends(&mut self, text: &[u8], end: usize) {
        if self.values.len() > self.before_line {
            let line = text.get(self.line_start..end).unwrap_or_default();
            let line = String::from_utf8_lossy(line);
            let at = self.in_file(self.line_start);
            self.lines
                .push((at, line.trim_end_matches('\r').to_owned()));
            self.before_line = self.values.len();
        }
    }

    pub(super) fn is_altered(&self) -> bool {
        !self.values.is_empty()
    }

    /// Lines that are not as they were written: a place in the file, and what the line became.
    pub(super) fn lines(&self) -> &[(usize, String)] {
        &self.lines
    }

    fn last_before(&self, at: usize) -> Option<&Value> {
        let behind = self.values.partition_point(|value| value.at <= at);
        self.values.get(behind.checked_sub(1)?)
    }

    /// Where a byte of the text stands in the file; one of a value where its variable begins.
    pub(super) fn in_file(&self, at: usize) -> usize {
        match self.last_before(at) {
            None => at,
            Some(value) if at < value.at + value.len => value.written.start,
            Some(value) => value.written.end + (at - value.at - value.len),
        }
    }

    /// The bytes of the file that became this part of the text.
    pub(super) fn range_in_file(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.in_file(range.start);
        let end = match self.last_before(range.end.saturating_sub(1)) {
            Some(value) if range.end <= value.at + value.len => value.written.end,
            _ => self.in_file(range.end),
        };
        start..end.max(start)
    }

    /// Where the text that is sent of `span`, without `cuts`, differs from the file.
    pub(super) fn edits(&self, span: &Range<usize>, cuts: &[Range<usize>]) -> Vec<SentEdit> {
        let first = self
            .values
            .partition_point(|value| value.at + value.len <= span.start && value.at < span.start);
        let values = self.values.get(first..).unwrap_or_default();
        let values = values.iter().take_while(|value| value.at < span.end);
        let sent = |at: usize| {
            let at = at.clamp(span.start, span.end);
            let gone = cuts.iter().take_while(|cut| cut.start < at);
            let gone: usize = gone.map(|cut| cut.end.min(at) - cut.start).sum();
            at - span.start - gone
        };
        let mut edits: Vec<SentEdit> = values
            .map(|value| SentEdit {
                sent: sent(value.at)..sent(value.at + value.len),
                written: value.written.clone(),
            })
            .collect();
        let in_value = |at: usize| {
            self.last_before(at)
                .is_some_and(|value| at < value.at + value.len)
        };
        edits.extend(
            cuts.iter()
                .filter(|cut| !in_value(cut.start))
                .map(|cut| SentEdit {
                    sent: sent(cut.start)..sent(cut.start),
                    written: self.range_in_file(cut),
                }),
        );
        edits.sort_by_key(|edit| edit.written.start);
        edits
    }
}
