//! Where psql would end each statement, and which lines are meta-commands or COPY data.
//!
//! Pull-based and total: [`Scanner::next`] gives the pieces of a file one by one, for any bytes,
//! in linear time. It counts what psql counts (parentheses, `BEGIN … END` in the body of a
//! function, `\;`) and knows no SQL beyond that. It must never end a statement where psql would
//! not: a script that psql's server rejects as one statement must not run here as two.

mod branches;

use std::collections::VecDeque;
use std::ops::Range;

use super::lexer::{Lexed, Lexeme, Lexer};
use super::meta::{self, MetaEffect};
use super::printable::printable;
use super::substitution::Laid;
use super::variables::{self, KnownVariable, Variables};
use branches::Branches;

/// How many bytes may be moved to make room for values, in bytes: it is lines of many megabytes with
/// thousands of variables that need more.
const MOST_MOVED: usize = 1 << 30;

/// How large a text may become by values, in bytes.
const LARGEST: usize = 64 << 20;

/// A word of a statement: white space and comments are left out. One INSERT may have millions of them,
/// so that it has 12 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatementWord {
    start: u32,
    end: u32,
    /// How many parentheses it stands in; of more than 65,535 no more is counted.
    pub depth: u16,
    pub kind: Lexeme,
}

/// How large a text may be whose words are told by [`StatementWord`], in bytes: with the values of its
/// variables a file may become twice as large.
pub(super) const MOST_BYTES: usize = (u32::MAX / 2) as usize;

const _: () = assert!(size_of::<StatementWord>() == 12);

impl StatementWord {
    /// `range` in bytes of a text of at most twice [`MOST_BYTES`].
    pub(super) fn new(kind: Lexeme, range: &Range<usize>, depth: usize) -> StatementWord {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        StatementWord {
            start: place(range.start),
            end: place(range.end),
            depth: u16::try_from(depth).unwrap_or(u16::MAX),
            kind,
        }
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What never ends in a file that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    String,
    QuotedName,
    Comment,
    Parenthesis,
    RoutineBody,
    CopyData,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// From its first word to its last.
    pub span: Range<usize>,
    /// What of `span` is not sent: the backslash of `\;`, meta-commands, COPY data.
    pub cuts: Vec<Range<usize>>,
    pub tokens: Vec<StatementWord>,
    /// The comments before it that stand in no statement.
    pub comments: Vec<Range<usize>>,
    /// The inline data of COPY … FROM STDIN.
    pub copy_data: Option<Range<usize>>,
    /// Where something starts that never ends.
    pub open: Option<(Open, usize)>,
    /// Whether a meta-command such as `\g` ended it instead of a semicolon.
    pub ended_by_meta: bool,
    /// Whether COPY data of a statement before it lies between its lines.
    pub spans_data: bool,
    /// Whether its text is not the file's: a value is in it, or a branch of `\if` is not.
    pub is_altered: bool,
    /// Variables that nobody has set, so that psql leaves them as they are written.
    pub unset: Vec<Range<usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MetaCommand {
    pub span: Range<usize>,
    /// Its name, without the backslash.
    pub name: String,
    pub arguments: Vec<meta::Argument>,
    pub open_quote: bool,
    pub inside_statement: bool,
    pub comments: Vec<Range<usize>>,
    /// The lines behind a `\copy … FROM STDIN`.
    pub copy_data: Option<Range<usize>>,
}

/// What comes next in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScannedItem {
    Statement(Box<Piece>),
    Meta(Box<MetaCommand>),
    /// A branch of `\if` was looked at: the place of the meta-command, and what became of it.
    Branch {
        at: usize,
        taken: bool,
        comments: Vec<Range<usize>>,
    },
    /// Something stands against the script there.
    Trouble(usize, String),
    /// The file ends; comments that nothing follows.
    End {
        comments: Vec<Range<usize>>,
        open: Option<(Open, usize)>,
    },
}

/// Reads a file piece by piece.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    lexer: Lexer<'a>,
    ready: VecDeque<ScannedItem>,
    piece: Piece,
    started: bool,
    comments: Vec<Range<usize>>,
    depth: usize,
    opened_at: usize,
    body: RoutineBody,
    strings_from_next_line: Option<bool>,
    branches: Branches,
    /// How many bytes were moved for values.
    moved: usize,
    ended: bool,
}

/// psql's guess whether it is in the SQL-standard body of a routine: `CREATE [OR REPLACE]
/// {FUNCTION|PROCEDURE} … BEGIN … END`, with CASE … END inside it.
#[derive(Debug, Default)]
struct RoutineBody {
    words: usize,
    first: [u8; 4],
    depth: usize,
    opened_at: usize,
}

impl RoutineBody {
    fn word(&mut self, word: &[u8], at: usize, parentheses: usize) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if self.words == 0 {
            self.first = [0; 4];
        }
        if ["create", "function", "procedure", "or", "replace"]
            .into_iter()
            .any(is)
            && let Some(slot) = self.first.get_mut(self.words)
        {
            *slot = word
                .first()
                .copied()
                .unwrap_or_default()
                .to_ascii_lowercase();
        }
        self.words += 1;
        let routine = matches!(
            self.first,
            [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']
        );
        if !routine || parentheses > 0 {
            return;
        }
        if is("begin") {
            if self.depth == 0 {
                self.opened_at = at;
            }
            self.depth += 1;
        } else if is("case") && self.depth > 0 {
            self.depth += 1;
        } else if is("end") {
            self.depth = self.depth.saturating_sub(1);
        }
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Scanner<'a> {
        Scanner {
            lexer: Lexer::new(bytes),
            ready: VecDeque::new(),
            piece: Piece::default(),
            started: false,
            comments: Vec::new(),
            depth: 0,
            opened_at: 0,
            body: RoutineBody::default(),
            strings_from_next_line: None,
            branches: Branches::default(),
            moved: 0,
            ended: false,
        }
    }

    /// The text that is read, in which all places are: the file, with the values of variables.
    pub(super) fn text(&self) -> &[u8] {
        self.lexer.text()
    }

    /// How that text was made of the file.
    pub(super) fn laid(&self) -> &Laid {
        self.lexer.laid()
    }

    /// Tells how plain strings are read from the next line on, as psql asks at each line.
    pub(super) fn set_standard_strings(&mut self, on: bool) {
        self.strings_from_next_line = Some(on);
    }

    /// The next piece. After [`ScannedItem::End`] there is nothing more: `None`.
    pub(super) fn next(&mut self, variables: &Variables) -> Option<ScannedItem> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.ended {
                return None;
            }
            let data = self.lexer.skipped();
            let Some(lexed) = self.lexer.next() else {
                self.finish();
                continue;
            };
            if let Some(data) = data
                && self.started
                && lexed.range.contains(&data.start)
                && !data.is_empty()
            {
                self.piece.cuts.push(data);
                self.piece.spans_data = true;
            }
            self.take(lexed, variables);
        }
    }

    fn take(&mut self, lexed: Lexed, variables: &Variables) {
        match lexed.kind {
            Lexeme::Space => {}
            // What is skipped counts for psql's guess about bodies, and for nothing else.
            _ if !self.branches.is_active() && lexed.kind != Lexeme::Backslash => {
                match lexed.kind {
                    Lexeme::Newline => self.standard_strings(),
                    Lexeme::Open => self.depth += 1,
                    Lexeme::Close => self.depth = self.depth.saturating_sub(1),
                    Lexeme::Semicolon if self.depth == 0 && self.body.depth == 0 => {
                        self.body.words = 0;
                    }
                    Lexeme::JoiningSemicolon => self.body.words = 0,
                    Lexeme::Word => {
                        let word = self.lexer.text().get(lexed.range.clone());
                        let word = word.unwrap_or_default();
                        self.body.word(word, lexed.range.start, self.depth);
                    }
                    _ => {}
                }
            }
            Lexeme::Variable => self.variable(lexed, variables),
            Lexeme::Newline => self.standard_strings(),
            Lexeme::LineComment | Lexeme::BlockComment => {
                if !lexed.closed {
                    self.piece.open = Some((Open::Comment, lexed.range.start));
                }
                let text = self.text().get(lexed.range.clone()).unwrap_or_default();
                let is_one = |text| {
                    let alone = Lexer::new(text).next();
                    alone.is_some_and(|alone| alone.range.len() == lexed.range.len())
                };
                if lexed.closed && self.laid().is_altered() && !is_one(text) {
                    self.ready.push_back(ScannedItem::Trouble(
                        lexed.range.start,
                        "this comment begins in one value of a variable and ends elsewhere, so psql \
                         and the server do not see the same; write it into the script"
                            .to_owned(),
                    ));
                }
                let text = self.text().get(lexed.range.clone()).unwrap_or_default();
                if self.started {
                    // Sent with its statement if a word follows.
                } else if text.starts_with(b"/*+") {
                    // A planner hint belongs to its statement, wherever it stands.
                    self.begin(lexed.range.start);
                } else {
                    self.comments.push(lexed.range);
                }
            }
            Lexeme::Semicolon if self.depth == 0 && self.body.depth == 0 => {
                self.body.words = 0;
                self.end_statement(false);
            }
            Lexeme::Backslash if self.lexer.in_value() => {
                self.ready.push_back(ScannedItem::Trouble(
                    lexed.range.start,
                    "the value of a variable has a backslash outside of quotes, which would be a \
                 command to psql; write it into the script"
                        .to_owned(),
                ))
            }
            Lexeme::Backslash => self.meta_command(lexed.range.start, variables),
            _ => self.word(lexed),
        }
    }

    fn standard_strings(&mut self) {
        if let Some(on) = self.strings_from_next_line.take() {
            self.lexer.standard_strings = on;
        }
    }

    /// Puts the value of a variable in its place, where it has one.
    fn variable(&mut self, lexed: Lexed, variables: &Variables) {
        let range = lexed.range.clone();
        let bytes = self.text().get(range.clone()).unwrap_or_default();
        let written = String::from_utf8_lossy(bytes).into_owned();
        let (form, name) = variables::written(&written);
        let known = variables.look_up(name);
        let trouble = |why: &str| {
            let why = format!("{}: {why}", printable(&written));
            ScannedItem::Trouble(range.start, why)
        };
        let Some(value) = form.of(known) else {
            match known {
                KnownVariable::ByPsql => self.ready.push_back(trouble(meta::BY_PSQL)),
                _ => self.piece.unset.push(range.clone()),
            }
            return self.word(lexed);
        };
        let is_sql = form == variables::ValueForm::Plain;
        if is_sql && self.lexer.in_value_of(name) {
            // psql warns, and leaves it as it is written.
            return self.word(lexed);
        }
        if self.lexer.has_data_behind() {
            let why = "it stands on the line of a COPY, behind it; put it on a line of its own";
            self.ready.push_back(trouble(why));
            return self.word(lexed);
        }
        self.moved += self.text().len() - range.end.min(self.text().len());
        // Before the first one the text is the whole file; only its line is moved.
        if self.moved > MOST_MOVED && self.laid().is_altered() {
            self.ready
                .push_back(trouble("there are too many variables on lines that long"));
            return self.word(lexed);
        }
        if self.text().len() + value.len() > LARGEST.max(self.lexer.file_len() * 2) {
            let why = "with the values of its variables the script is too large to review";
            self.ready.push_back(trouble(why));
            return self.word(lexed);
        }
        if is_sql {
            self.lexer.substitute(range, &value, Some(name));
            self.piece.is_altered = true;
        } else {
            let end = range.start + value.len();
            let start = end - value.trim_start().len();
            self.lexer.substitute(range, &value, None);
            let kind = match form {
                variables::ValueForm::Literal => Lexeme::String,
                variables::ValueForm::Identifier => Lexeme::QuotedName,
                variables::ValueForm::Plain | variables::ValueForm::Test => Lexeme::Word,
            };
            self.word(Lexed {
                kind,
                range: start..end,
                closed: true,
            });
            self.piece.is_altered = true;
        }
    }

    fn begin(&mut self, at: usize) {
        if !self.started {
            self.started = true;
            self.piece.span = at..at;
            self.piece.comments = std::mem::take(&mut self.comments);
        }
    }

    fn word(&mut self, lexed: Lexed) {
        let Lexed {
            kind,
            range,
            closed,
        } = lexed;
        self.begin(range.start);
        let mut depth = self.depth;
        match kind {
            Lexeme::Open => {
                if self.depth == 0 {
                    self.opened_at = range.start;
                }
                self.depth += 1;
            }
            Lexeme::Close => {
                self.depth = self.depth.saturating_sub(1);
                depth = self.depth;
            }
            Lexeme::Word => {
                let word = self.lexer.text().get(range.clone()).unwrap_or_default();
                self.body.word(word, range.start, self.depth);
            }
            Lexeme::JoiningSemicolon => {
                self.body.words = 0;
                self.piece.cuts.push(range.start..range.start + 1);
            }
            Lexeme::EscapedColon => self.piece.cuts.push(range.start..range.start + 1),
            _ => {}
        }
        if !closed {
            let what = if kind == Lexeme::QuotedName {
                Open::QuotedName
            } else {
                Open::String
            };
            self.piece.open = Some((what, range.start));
        }
        self.piece.span.end = range.end;
        let word = StatementWord::new(kind, &range, depth);
        self.piece.tokens.push(word);
    }

    /// The statement ends here. One of comments alone is none.
    fn end_statement(&mut self, ended_by_meta: bool) {
        let mut piece = std::mem::take(&mut self.piece);
        self.started = false;
        if piece.tokens.is_empty() {
            self.comments.extend(piece.comments);
            return;
        }
        piece.ended_by_meta = ended_by_meta;
        let end = piece.span.end;
        piece.cuts.retain(|cut| cut.start < end);
        let copies = copies_from_stdin(self.text(), &piece.tokens);
        for _ in 0..copies {
            let (data, closed) = self.copy_data();
            if !closed && piece.open.is_none() {
                piece.open = Some((Open::CopyData, data.start));
            }
            piece.copy_data = Some(data);
        }
        self.ready
            .push_back(ScannedItem::Statement(Box::new(piece)));
    }

    /// The lines from the next one on, up to `\.`.
    fn copy_data(&mut self) -> (Range<usize>, bool) {
        let start = self.lexer.next_line();
        let mut next = start;
        loop {
            let line = self.lexer.data_line(next);
            if line.is_empty() {
                break;
            }
            let text = self.text().get(line.clone()).unwrap_or_default();
            if matches!(text, b"\\.\n" | b"\\.\r\n" | b"\\." | b"\\.\r") {
                self.lexer.skip_lines(line.end);
                return (start..line.start, true);
            }
            next = line.end;
        }
        self.lexer.skip_lines(next);
        (start..next, false)
    }

    fn meta_command(&mut self, start: usize, variables: &Variables) {
        let is_active = self.branches.is_active();
        let (parsed, end) = meta::parse_meta(self.text(), start, is_active.then_some(variables));
        self.lexer.seek(end);
        if branches::is_one(&parsed.name) {
            return self.branch(start, end, parsed, variables);
        }
        if !is_active {
            return;
        }
        let effect = meta::effect(&parsed.name);
        let inside_statement = self.started && !self.piece.tokens.is_empty();
        match effect {
            MetaEffect::Send if self.started => {
                self.end_statement(true);
                self.forget_nesting();
            }
            MetaEffect::Send => self.forget_nesting(),
            MetaEffect::Reset => {
                self.piece = Piece::default();
                self.started = false;
                self.forget_nesting();
            }
            MetaEffect::None if self.started => self.piece.cuts.push(start..end),
            MetaEffect::None => {}
        }
        let copy_data = meta::takes_data(&parsed).then(|| self.copy_data().0);
        let comments = if self.started {
            Vec::new()
        } else {
            std::mem::take(&mut self.comments)
        };
        self.ready
            .push_back(ScannedItem::Meta(Box::new(MetaCommand {
                span: start..end,
                name: parsed.name,
                arguments: parsed.arguments,
                open_quote: parsed.open_quote,
                inside_statement,
                comments,
                copy_data,
            })));
    }

    fn forget_nesting(&mut self) {
        self.depth = 0;
        self.body = RoutineBody::default();
    }

    fn finish(&mut self) {
        self.ended = true;
        self.lexer.end_line();
        if let Some(at) = self.branches.open_since() {
            let why = "the \\if that stands here has no \\endif in its file; end it";
            self.ready
                .push_back(ScannedItem::Trouble(at, why.to_owned()));
        }
        if self.piece.open.is_none() {
            self.piece.open = if self.depth > 0 {
                Some((Open::Parenthesis, self.opened_at))
            } else if self.body.depth > 0 {
                Some((Open::RoutineBody, self.body.opened_at))
            } else {
                None
            };
        }
        let open = self.piece.open.take();
        if self.started && !self.piece.tokens.is_empty() {
            self.piece.open = open;
            self.end_statement(false);
            self.ready.push_back(ScannedItem::End {
                comments: std::mem::take(&mut self.comments),
                open: None,
            });
        } else {
            self.ready.push_back(ScannedItem::End {
                comments: std::mem::take(&mut self.comments),
                open,
            });
        }
    }
}

/// How many of the `\;`-joined statements are COPY … FROM STDIN. (To the server `FROM STDOUT`
/// is the same, so psql reads data for it too.)
fn copies_from_stdin(bytes: &[u8], tokens: &[StatementWord]) -> usize {
    let is = |token: &StatementWord, name: &str| {
        token.kind == Lexeme::Word
            && bytes
                .get(token.range())
                .is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    tokens
        .split(|token| token.kind == Lexeme::JoiningSemicolon)
        .filter(|statement| {
            statement.first().is_some_and(|first| is(first, "copy"))
                && statement.windows(2).any(|pair| {
                    matches!(pair, [from, source]
                        if from.depth == 0
                            && is(from, "from")
                            && (is(source, "stdin") || is(source, "stdout")))
                })
        })
        .count()
}
