//! The words of a script as psql sees them (the rules of its `psqlscan.l`).
//!
//! psql reads line by line, and two of its rules only show there: a string literal is continued
//! by another one on the *same* line alone, and the data of COPY takes whole lines out of the
//! middle. This reads the same way, so that a statement ends exactly where psql would end it.
//! It is total and linear: every byte is looked at a bounded number of times, any byte is
//! accepted, and nothing here decides what a word means.

use std::borrow::Cow;
use std::ops::Range;

use super::substitution::{Fence, Laid};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// White space inside a line.
    Space,
    /// The end of a line.
    Newline,
    /// `-- …`, without its end of line.
    LineComment,
    /// `/* … */`, nested.
    BlockComment,
    /// A keyword or an unquoted name.
    Word,
    /// `"…"`, `U&"…"`.
    QuotedName,
    /// `'…'` with its prefix, or `$tag$…$tag$`.
    String,
    Number,
    /// `$1`.
    Parameter,
    /// `:name`, `:'name'`, `:"name"` or `:{?name}`: psql would look it up.
    Variable,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `;`.
    Semicolon,
    /// `\;`: a semicolon that does not end the query string.
    JoiningSemicolon,
    /// `\:`: a colon that starts no variable.
    EscapedColon,
    /// A backslash: a psql meta-command starts.
    Backslash,
    Symbol,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lexed {
    pub kind: Lexeme,
    pub range: Range<usize>,
    /// False for a comment, string or quoted name that the file ends in the middle of.
    pub closed: bool,
}

/// Whole lines that are not SQL: the data of COPY. Reading goes on behind them.
#[derive(Debug, Clone, Copy)]
struct Skip {
    /// The newline after which the lines start.
    newline: usize,
    resume: usize,
}

/// Reads a script word by word.
///
/// What it reads is the file, until the first variable is substituted; from then on it is a text of
/// its own, to which the file's lines come one by one, so that each byte is moved a bounded number
/// of times.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    file: &'a [u8],
    bytes: Cow<'a, [u8]>,
    /// Where the file goes on behind what is in `bytes`.
    unread: usize,
    pos: usize,
    /// Values that are being read, the innermost last.
    fences: Vec<Fence>,
    laid: Laid,
    skip: Option<Skip>,
    /// The end of the line that was asked for last: a line may hold many statements.
    known_line_end: usize,
    /// Whether a backslash in a plain string is just a backslash.
    pub standard_strings: bool,
}

/// A word or a sign of a text that means something.
pub(super) struct Token<'a> {
    pub kind: Lexeme,
    pub text: &'a str,
}

impl Token<'_> {
    /// Whether it is this word, unquoted.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Lexeme::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, Lexeme::Word | Lexeme::QuotedName)
    }
}

/// Those of a text that is all SQL, without white space and comments.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer::new(text.as_bytes());
    std::iter::from_fn(move || lexer.next())
        .filter(|lexed| {
            !matches!(
                lexed.kind,
                Lexeme::Space | Lexeme::Newline | Lexeme::LineComment | Lexeme::BlockComment
            )
        })
        .map(|lexed| Token {
            kind: lexed.kind,
            text: text.get(lexed.range).unwrap_or_default(),
        })
        .collect()
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// Variable names have no `$`.
pub(super) fn is_variable_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit()
}

pub(super) fn is_space(byte: u8) -> bool {
    // A vertical tab is no white space to psql 15; to the server it is from 16 on.
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// Where the first of these bytes stands. What comes before it is looked at many bytes at a time.
pub(super) fn find_one_of<const N: usize>(bytes: &[u8], stops: [u8; N]) -> Option<usize> {
    let is_stop = |byte: &u8| stops.iter().any(|stop| stop == byte);
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    // A block is looked at whole, with no way out in its middle.
    let has_stop = |block: &[u8; BLOCK]| block.iter().fold(false, |any, byte| any | is_stop(byte));
    match blocks.iter().position(has_stop) {
        Some(at) => {
            let within = blocks.get(at)?.iter().position(is_stop)?;
            Some(at * BLOCK + within)
        }
        None => Some(blocks.len() * BLOCK + rest.iter().position(is_stop)?),
    }
}

/// Which quote closes a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closes {
    First,
    /// One that is not doubled.
    Doubled,
    /// One that is neither doubled nor behind a backslash.
    Escaped,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Lexer<'a> {
        let pos = if bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        Lexer {
            file: bytes,
            bytes: Cow::Borrowed(bytes),
            unread: bytes.len(),
            pos,
            fences: Vec::new(),
            laid: Laid::default(),
            skip: None,
            known_line_end: 0,
            standard_strings: true,
        }
    }

    /// Goes on at `pos`, which lies on the current line.
    pub(super) fn seek(&mut self, pos: usize) {
        self.pos = pos.min(self.bytes.len());
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn file_len(&self) -> usize {
        self.file.len()
    }

    /// How it was made of the file.
    pub(super) fn laid(&self) -> &Laid {
        &self.laid
    }

    /// A character of the piece that is being read: no piece but a string, a quoted name or a
    /// comment goes on where the value of a variable ends.
    fn at(&self, ahead: usize) -> Option<u8> {
        let at = self.pos + ahead;
        if self.fences.last().is_some_and(|fence| at >= fence.end) {
            return None;
        }
        self.bytes.get(at).copied()
    }

    /// The next character, also behind the end of a value.
    fn cross(&mut self) -> Option<u8> {
        while self
            .fences
            .last()
            .is_some_and(|fence| self.pos >= fence.end)
        {
            self.fences.pop();
        }
        self.at(0)
    }

    /// Passes over what is none of these bytes, at most to where the value of a variable ends.
    fn pass_to<const N: usize>(&mut self, stops: [u8; N]) {
        let end = self
            .fences
            .last()
            .map_or(self.bytes.len(), |fence| fence.end.min(self.bytes.len()));
        let rest = self.bytes.get(self.pos..end).unwrap_or_default();
        self.pos += find_one_of(rest, stops).unwrap_or(rest.len());
    }

    /// Whether what is read stands in the value of a variable.
    pub(super) fn in_value(&self) -> bool {
        !self.fences.is_empty()
    }

    pub(super) fn in_value_of(&self, name: &str) -> bool {
        self.fences.iter().any(|fence| fence.name == name)
    }

    /// The newline that ends the current line, or the end of the file.
    fn line_end(&mut self) -> usize {
        if matches!(self.bytes, Cow::Owned(_)) {
            return self.known_line_end;
        }
        if self.pos > self.known_line_end || self.known_line_end == 0 {
            let rest = self.bytes.get(self.pos..).unwrap_or_default();
            self.known_line_end =
                find_one_of(rest, [b'\n']).map_or(self.bytes.len(), |offset| self.pos + offset);
        }
        self.known_line_end
    }

    /// Where psql would read its next line from.
    pub(super) fn next_line(&mut self) -> usize {
        let end = self.line_end();
        match self.skip {
            Some(skip) if skip.newline == end => skip.resume,
            _ => (end + 1).min(self.bytes.len()),
        }
    }

    /// Takes the lines up to `resume` out of the text: they are data.
    pub(super) fn skip_lines(&mut self, resume: usize) {
        let newline = self.line_end();
        self.skip = Some(Skip { newline, resume });
    }

    /// The lines that are to be skipped at the end of this line, if there are any.
    pub(super) fn skipped(&self) -> Option<Range<usize>> {
        let skip = self.skip?;
        Some((skip.newline + 1).min(skip.resume)..skip.resume)
    }

    fn cross_newline(&mut self) {
        let ends_line = matches!(self.bytes, Cow::Owned(_)) && self.pos == self.known_line_end;
        match self.skip {
            Some(skip) if skip.newline == self.pos => {
                self.pos = skip.resume;
                self.skip = None;
            }
            _ => self.pos += 1,
        }
        if ends_line {
            self.laid.line_ends(&self.bytes, self.known_line_end);
            self.known_line_end = self.read_line().end;
            let ended = self.bytes.get(self.known_line_end.saturating_sub(1)) == Some(&b'\n');
            self.known_line_end -= usize::from(ended && self.known_line_end > self.pos);
            self.laid.line_starts(self.pos);
        }
    }

    /// Takes the next line of the file into the text.
    fn read_line(&mut self) -> Range<usize> {
        let rest = self.file.get(self.unread..).unwrap_or_default();
        let length = find_one_of(rest, [b'\n']).map_or(rest.len(), |at| at + 1);
        let start = self.bytes.len();
        if length > 0 {
            let line = rest.get(..length).unwrap_or_default();
            self.bytes.to_mut().extend_from_slice(line);
            self.unread += length;
        }
        start..start + length
    }

    /// The line of the text at `from`, its newline with it, where it is no more to be read as SQL.
    pub(super) fn data_line(&mut self, from: usize) -> Range<usize> {
        if from >= self.bytes.len() {
            return self.read_line();
        }
        let rest = self.bytes.get(from..).unwrap_or_default();
        let length = find_one_of(rest, [b'\n']);
        from..length.map_or(self.bytes.len(), |at| from + at + 1)
    }

    /// Puts `value` in the place of `range`, the variable that was read last. `name`: the value is
    /// read as SQL, up to its end.
    pub(super) fn substitute(&mut self, range: Range<usize>, value: &str, name: Option<&str>) {
        let line_end = self.line_end();
        if let Cow::Borrowed(file) = self.bytes {
            let end = (line_end + 1).min(file.len());
            self.unread = end;
            self.bytes = Cow::Owned(file.get(..end).unwrap_or_default().to_vec());
            let before = file.get(..range.start).unwrap_or_default();
            let newline = before.iter().rposition(|&byte| byte == b'\n');
            self.laid.line_starts(newline.map_or(0, |at| at + 1));
        }
        self.laid.substitute(&range, value.len(), self.in_value());
        let text = self.bytes.to_mut();
        text.splice(range.clone(), value.bytes());
        let moved = |place: usize| place + value.len() - range.len();
        self.known_line_end = moved(line_end);
        for fence in &mut self.fences {
            fence.end = moved(fence.end);
        }
        self.pos = range.start;
        match name {
            Some(name) => self.fences.push(Fence {
                end: range.start + value.len(),
                name: name.to_owned(),
            }),
            None => self.pos += value.len(),
        }
    }

    pub(super) fn end_line(&mut self) {
        if matches!(self.bytes, Cow::Owned(_)) {
            self.laid.line_ends(&self.bytes, self.bytes.len());
        }
    }

    /// Whether lines behind the current one are data already, so that it must not grow.
    pub(super) fn has_data_behind(&self) -> bool {
        self.skip.is_some()
    }

    #[expect(
        clippy::too_many_lines,
        reason = "a table of what a lexeme begins with"
    )]
    pub(super) fn next(&mut self) -> Option<Lexed> {
        let first = self.cross()?;
        let start = self.pos;
        let mut closed = true;
        let kind = match first {
            b'\n' => {
                let in_value = self.in_value();
                self.cross_newline();
                // A line of a value is no line of the file.
                if in_value {
                    Lexeme::Space
                } else {
                    Lexeme::Newline
                }
            }
            b' ' | b'\t' | b'\r' | 0x0c => {
                while matches!(self.at(0), Some(b' ' | b'\t' | b'\r' | 0x0c)) {
                    self.pos += 1;
                }
                Lexeme::Space
            }
            b'-' if self.at(1) == Some(b'-') => {
                while !matches!(self.at(0), None | Some(b'\n' | b'\r')) {
                    self.pos += 1;
                }
                Lexeme::LineComment
            }
            b'/' if self.at(1) == Some(b'*') => {
                closed = self.block_comment();
                Lexeme::BlockComment
            }
            b'\'' => {
                self.pos += 1;
                closed = self.quoted(b'\'', self.plain_strings());
                Lexeme::String
            }
            b'"' => {
                self.pos += 1;
                closed = self.quoted(b'"', Closes::Doubled);
                Lexeme::QuotedName
            }
            b'b' | b'B' | b'x' | b'X' if self.at(1) == Some(b'\'') => {
                self.pos += 2;
                closed = self.quoted(b'\'', Closes::First);
                Lexeme::String
            }
            b'e' | b'E' if self.at(1) == Some(b'\'') => {
                self.pos += 2;
                closed = self.quoted(b'\'', Closes::Escaped);
                Lexeme::String
            }
            b'n' | b'N' if self.at(1) == Some(b'\'') => {
                self.pos += 2;
                closed = self.quoted(b'\'', self.plain_strings());
                Lexeme::String
            }
            b'u' | b'U' if self.at(1) == Some(b'&') && self.at(2) == Some(b'\'') => {
                self.pos += 3;
                closed = self.quoted(b'\'', Closes::Doubled);
                Lexeme::String
            }
            b'u' | b'U' if self.at(1) == Some(b'&') && self.at(2) == Some(b'"') => {
                self.pos += 3;
                closed = self.quoted(b'"', Closes::Doubled);
                Lexeme::QuotedName
            }
            b if is_name_start(b) => {
                self.name();
                Lexeme::Word
            }
            b if b.is_ascii_digit() => {
                self.number();
                Lexeme::Number
            }
            b'.' if self.at(1).is_some_and(|b| b.is_ascii_digit()) => {
                self.number();
                Lexeme::Number
            }
            b'.' if self.at(1) == Some(b'.') => {
                // `..` is one symbol, so that its second dot starts no number.
                self.pos += 2;
                Lexeme::Symbol
            }
            b'$' => return Some(self.dollar()),
            b':' => self.colon(),
            b'(' => self.single(Lexeme::Open),
            b')' => self.single(Lexeme::Close),
            b';' => self.single(Lexeme::Semicolon),
            b'\\' => match self.at(1) {
                Some(b';') => {
                    self.pos += 2;
                    Lexeme::JoiningSemicolon
                }
                Some(b':') => {
                    self.pos += 2;
                    Lexeme::EscapedColon
                }
                _ => self.single(Lexeme::Backslash),
            },
            _ => self.single(Lexeme::Symbol),
        };
        Some(Lexed {
            kind,
            range: start..self.pos,
            closed,
        })
    }

    fn single(&mut self, kind: Lexeme) -> Lexeme {
        self.pos += 1;
        kind
    }

    fn name(&mut self) {
        while self.at(0).is_some_and(is_name_part) {
            self.pos += 1;
        }
    }

    fn digits(&mut self) {
        while self.at(0).is_some_and(|b| b.is_ascii_digit()) {
            self.pos += 1;
        }
    }

    fn number(&mut self) {
        self.digits();
        if self.at(0) == Some(b'.') && self.at(1) != Some(b'.') {
            self.pos += 1;
            self.digits();
        }
        if matches!(self.at(0), Some(b'e' | b'E')) && matches!(self.at(1), Some(b'+' | b'-')) {
            // Also where no digit follows: to psql `1e--x` is `1e-` and `-x`, and no comment.
            self.pos += 2;
            let exponent = self.pos;
            self.digits();
            if self.pos == exponent {
                return;
            }
        }
        if self.at(0).is_some_and(is_name_start) {
            self.name();
        }
    }

    fn colon(&mut self) -> Lexeme {
        let variable = |from: usize, close: Option<u8>| -> Option<usize> {
            let mut end = from;
            while self.at(end - self.pos).is_some_and(is_variable_part) {
                end += 1;
            }
            match close {
                _ if end == from => None,
                None => Some(end),
                Some(byte) if self.at(end - self.pos) == Some(byte) => Some(end + 1),
                Some(_) => None,
            }
        };
        let end = match (self.at(1), self.at(2)) {
            (Some(b':' | b'='), _) => {
                self.pos += 2;
                return Lexeme::Symbol;
            }
            (Some(quote @ (b'\'' | b'"')), _) => variable(self.pos + 2, Some(quote)),
            (Some(b'{'), Some(b'?')) => variable(self.pos + 3, Some(b'}')),
            _ => variable(self.pos + 1, None),
        };
        match end {
            Some(end) => {
                self.pos = end;
                Lexeme::Variable
            }
            None => self.single(Lexeme::Symbol),
        }
    }

    fn dollar(&mut self) -> Lexed {
        let start = self.pos;
        let mut tag_end = self.pos + 1;
        if self.at(1).is_some_and(is_name_start) {
            while self.at(tag_end - start).is_some_and(is_variable_part) {
                tag_end += 1;
            }
        }
        let (kind, closed) = if self.at(tag_end - start) == Some(b'$') {
            let tag = start..tag_end + 1;
            self.pos = tag.end;
            (Lexeme::String, self.dollar_quoted(tag))
        } else if self.at(1).is_some_and(|b| b.is_ascii_digit()) {
            self.pos += 1;
            self.digits();
            if self.at(0).is_some_and(is_name_start) {
                self.name();
            }
            (Lexeme::Parameter, true)
        } else {
            self.pos += 1;
            (Lexeme::Symbol, true)
        };
        Lexed {
            kind,
            range: start..self.pos,
            closed,
        }
    }

    /// The tag has a `$` at its ends only, so comparing it at each `$` stays linear.
    fn dollar_quoted(&mut self, tag: Range<usize>) -> bool {
        let tag = self.bytes.get(tag).unwrap_or_default().to_vec();
        while let Some(byte) = self.cross() {
            match byte {
                b'\n' => self.cross_newline(),
                b'$' if self.at(tag.len() - 1).is_some()
                    && self
                        .bytes
                        .get(self.pos..)
                        .unwrap_or_default()
                        .starts_with(&tag) =>
                {
                    self.pos += tag.len();
                    return true;
                }
                b'$' => self.pos += 1,
                _ => self.pass_to([b'\n', b'$']),
            }
        }
        false
    }

    fn block_comment(&mut self) -> bool {
        self.pos += 2;
        let mut depth = 1_usize;
        while let Some(byte) = self.cross() {
            match (byte, self.at(1)) {
                (b'\n', _) => self.cross_newline(),
                (b'/', Some(b'*')) => {
                    self.pos += 2;
                    depth += 1;
                }
                (b'*', Some(b'/')) => {
                    self.pos += 2;
                    depth -= 1;
                    if depth == 0 {
                        return true;
                    }
                }
                _ => self.pos += 1,
            }
        }
        false
    }

    fn plain_strings(&self) -> Closes {
        match self.standard_strings {
            true => Closes::Doubled,
            false => Closes::Escaped,
        }
    }

    /// Behind an opening quote: reads to the closing one.
    fn quoted(&mut self, quote: u8, closes: Closes) -> bool {
        while let Some(byte) = self.cross() {
            if byte == b'\n' {
                self.cross_newline();
            } else if byte == b'\\' && closes == Closes::Escaped {
                self.pos += 1;
                // psql's line ends here: the newline is no escaped character to it.
                if !matches!(self.at(0), None | Some(b'\n')) {
                    self.pos += 1;
                }
            } else if byte == quote {
                self.pos += 1;
                if closes != Closes::First && self.at(0) == Some(quote) {
                    self.pos += 1;
                } else if quote == b'\'' {
                    match self.continuation() {
                        Some(behind) => self.pos = behind,
                        None => return true,
                    }
                } else {
                    return true;
                }
            } else if byte == b'\\' {
                self.pos += 1;
            } else {
                self.pass_to([b'\n', b'\\', quote]);
            }
        }
        false
    }

    /// Behind a closing quote: where the string goes on, if white space with a carriage return
    /// and another quote follow on this line.
    fn continuation(&self) -> Option<usize> {
        let mut pos = self.pos;
        let mut returned = false;
        let at = |pos: usize| self.at(pos - self.pos);
        loop {
            match at(pos)? {
                b'\r' => {
                    returned = true;
                    pos += 1;
                }
                b' ' | b'\t' | 0x0c => pos += 1,
                b'-' if at(pos + 1) == Some(b'-') => {
                    while !matches!(at(pos), None | Some(b'\n' | b'\r')) {
                        pos += 1;
                    }
                }
                b'\'' if returned => return Some(pos + 1),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_of_some_bytes_is_found_wherever_it_stands(
            bytes in prop::collection::vec(prop_oneof![30 => Just(b'x'), 1 => any::<u8>()], 0..300),
            stops in any::<[u8; 2]>(),
        ) {
            let first = bytes.iter().position(|byte| stops.contains(byte));
            prop_assert_eq!(find_one_of(&bytes, stops), first);
        }
    }
}
