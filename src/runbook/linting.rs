//! What of a script the parser and the linter are given: what may have something to say to them.
//!
//! Rows are most of a long script, and no rule says anything of them. So a statement that only puts
//! rows in, takes rows out or asks for some is left out of the linter's text, unless it holds what
//! its rules look at; and a statement whose words tell its relation is not parsed.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::classify::{self, Words};
use super::lexer::Lexeme;
use super::objects;
use super::scanner::Piece;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsing {
    /// Its words tell what there is to know.
    Needless,
    /// It is too large or too deeply nested for the parser.
    Impossible,
    Wanted,
}

/// What the parser needs to see, and what the linter has seen.
#[derive(Debug, Default)]
pub(super) struct Linting {
    parsing: Vec<Parsing>,
    /// What stood before VALUES where columns were named: told once is told.
    heads: HashSet<Box<[u8]>>,
    /// The statement before has no semicolon that ends it.
    unended: bool,
}

/// The longest name that PostgreSQL keeps whole, in bytes.
const NAME: usize = 63;

impl Linting {
    /// Takes down one statement, with the relation that its words tell; what of it the linter need not or must not see.
    pub(super) fn note(
        &mut self,
        words: Words<'_>,
        kind: &str,
        relation: Option<&str>,
        piece: &Piece,
        text: &str,
    ) -> Option<Range<usize>> {
        let needed =
            classify::relation_needs_parse(words, kind, relation) || objects::may_define(kind);
        let rows = self.rows(words, &piece.span);
        let linted = rows.as_ref() != Some(&piece.span);
        let parsable = (needed || linted) && classify::is_parsable(text);
        self.parsing.push(match needed {
            false => Parsing::Needless,
            true if parsable => Parsing::Wanted,
            true => Parsing::Impossible,
        });
        let unseen = match rows {
            None if !parsable => Some(piece.span.clone()),
            rows => rows,
        };
        let ended = (!piece.ended_by_meta).then(|| words.end_of_statement(piece.span.end));
        let was_unended = std::mem::replace(&mut self.unended, ended.flatten().is_none());
        match (unseen, ended.flatten()) {
            // Nothing of it is left, unless its semicolon ends the one before as well.
            (Some(unseen), Some(end)) if unseen == piece.span && !was_unended => {
                Some(unseen.start..end)
            }
            (unseen, _) => unseen,
        }
    }

    /// Takes down a statement that is read otherwise, with all that there is to know of it.
    pub(super) fn pass(&mut self) {
        self.parsing.push(Parsing::Needless);
    }

    /// Whether the statement at that place in the script is parsed.
    pub(super) fn parsing(&self, index: usize) -> Parsing {
        self.parsing
            .get(index)
            .copied()
            .unwrap_or(Parsing::Needless)
    }

    /// What of a statement no rule looks at. Three rules look into statements about rows: names that
    /// are too long, columns that are named twice in SET or behind INTO.
    fn rows(&mut self, words: Words<'_>, span: &Range<usize>) -> Option<Range<usize>> {
        let first = words.upper(0);
        if !matches!(&*first, "SELECT" | "VALUES" | "INSERT" | "DELETE") {
            return None;
        }
        let told = words.tokens().iter().any(|token| {
            matches!(token.kind, Lexeme::Word | Lexeme::QuotedName)
                && (token.range().len() > NAME
                    || words.token_is(token, "SET")
                    || words.token_is(token, "MERGE"))
        });
        if told {
            return None;
        }
        if first != "INSERT" {
            return Some(span.clone());
        }
        let source = words.tokens().iter().find(|token| {
            token.depth == 0
                && ["VALUES", "SELECT", "DEFAULT", "TABLE", "WITH"]
                    .iter()
                    .any(|word| words.token_is(token, word))
        })?;
        let head = words.bytes(span.start..source.range().start);
        if head.contains(&b'(') && self.heads.insert(head.into()) {
            return Some(source.range().end..span.end);
        }
        Some(span.clone())
    }
}

/// A text without what was cut out of it.
#[derive(Debug, Default)]
pub(super) struct Excerpt {
    pub(super) text: String,
    /// Where each piece begins here and in the whole text.
    starts: Vec<(usize, usize)>,
}

impl Excerpt {
    /// `ended` is where statements end without a semicolon: they have one here.
    pub(super) fn without(text: &str, cuts: &[Range<usize>], ended: &[usize]) -> Excerpt {
        let mut cuts = Cow::from(cuts);
        if !cuts.is_sorted_by_key(|cut| cut.start) {
            cuts.to_mut().sort_by_key(|cut| cut.start);
        }
        let mut excerpt = Excerpt::default();
        let mut from = 0;
        for cut in cuts.iter() {
            if cut.start > from {
                excerpt.push_ended(text, from..cut.start, ended);
            }
            from = from.max(cut.end);
        }
        excerpt.push_ended(text, from..text.len(), ended);
        excerpt
    }

    fn push_ended(&mut self, text: &str, range: Range<usize>, ended: &[usize]) {
        let first = ended.partition_point(|&end| end <= range.start);
        let ends = ended.get(first..).unwrap_or_default().iter();
        let mut from = range.start;
        for &end in ends.take_while(|&&end| end <= range.end) {
            self.push(text, from..end);
            self.text.push(';');
            from = end;
        }
        self.push(text, from..range.end);
    }

    fn push(&mut self, text: &str, range: Range<usize>) {
        self.starts.push((self.text.len(), range.start));
        self.text.push_str(text.get(range).unwrap_or_default());
    }

    /// Where byte `at` stands in the whole text.
    pub(super) fn in_whole(&self, at: usize) -> usize {
        let piece = self.starts.partition_point(|(here, _)| *here <= at);
        match piece
            .checked_sub(1)
            .and_then(|piece| self.starts.get(piece))
        {
            Some((here, there)) => there + (at - here),
            None => at,
        }
    }
}
