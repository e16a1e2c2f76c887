//! Files as the linter sees them, parsed in one piece, and the statements in them: each is parsed once.
//!
//! Where the parser divides a file as psql does, a statement's tree is the part of the file's that stands
//! there. Where it does not, or stumbles, the statement is parsed by itself: the parser never decides where
//! a statement ends.

use std::collections::HashMap;
use std::ops::Range;

use squawk_syntax::{Parse, SourceFile, SyntaxElement, SyntaxKind, SyntaxNode};

use super::Linted;
use crate::runbook::classify;
use crate::runbook::linting::Excerpt;
use crate::runbook::parsed::ParsedStatement;
use crate::runbook::script::{Source, Statement};

pub(in crate::runbook) struct ParsedFile {
    pub(in crate::runbook) excerpt: Excerpt,
    /// `None` where it is too large or too deeply nested.
    pub(in crate::runbook) parse: Option<Parse<SourceFile>>,
}

impl ParsedFile {
    pub(in crate::runbook) fn of_source(file: &Source, linted: &Linted) -> ParsedFile {
        let text = linted.text.as_ref().unwrap_or(&file.text);
        let excerpt = Excerpt::without(text, &linted.blanks, &linted.ended);
        let parsable = classify::is_parsable(&excerpt.text);
        let parse = parsable.then(|| SourceFile::parse(&excerpt.text));
        ParsedFile { excerpt, parse }
    }
}

/// The statements that files were divided into, by the file and where they begin there.
#[derive(Default)]
pub(in crate::runbook) struct ParsedFiles(HashMap<(usize, usize), ParsedPart>);

/// A statement in the tree of a file.
struct ParsedPart {
    node: SyntaxNode,
    /// How many of its children stand before the semicolon that ends it.
    before_end: usize,
    /// Where they end in the file.
    end: usize,
}

impl ParsedPart {
    fn of_node(node: SyntaxNode, excerpt: &Excerpt) -> Option<ParsedPart> {
        let children: Vec<SyntaxElement> = node.children_with_tokens().collect();
        let is_end = |element: &SyntaxElement| {
            matches!(
                element.kind(),
                SyntaxKind::SEMICOLON | SyntaxKind::WHITESPACE | SyntaxKind::COMMENT
            )
        };
        let last = children.iter().rposition(|element| !is_end(element))?;
        let until = usize::from(children.get(last)?.text_range().end());
        let from = usize::from(node.text_range().start());
        let end = excerpt.in_whole(until.checked_sub(1)?) + 1;
        // What was left out in the middle of it the parser has not seen.
        (end - excerpt.in_whole(from) == until - from).then_some(ParsedPart {
            node,
            before_end: last + 1,
            end,
        })
    }
}

impl ParsedFiles {
    /// Takes the statements of `files` that the parser had nothing to say against.
    pub(in crate::runbook) fn of<'f>(
        files: impl Iterator<Item = (&'f ParsedFile, &'f Linted)>,
    ) -> ParsedFiles {
        let mut found = HashMap::new();
        for (source, (file, linted)) in files.enumerate() {
            // What is laid otherwise than it is written has its places elsewhere.
            let (Some(parse), None) = (&file.parse, &linted.text) else {
                continue;
            };
            let root = parse.syntax_node();
            let mut nodes = root.children().peekable();
            let errors: Vec<usize> = parse
                .errors()
                .iter()
                .map(|error| error.range().start().into())
                .collect();
            while let Some(node) = nodes.next() {
                let here = Range::<usize>::from(node.text_range());
                let next = nodes.peek().map(|next| next.text_range().start().into());
                let until = next.unwrap_or(file.excerpt.text.len());
                let first = errors.partition_point(|at| *at < here.start);
                if errors.get(first).is_some_and(|at| *at <= until) {
                    continue;
                }
                if let Some(part) = ParsedPart::of_node(node, &file.excerpt) {
                    found.insert((source, file.excerpt.in_whole(here.start)), part);
                }
            }
        }
        ParsedFiles(found)
    }

    pub(in crate::runbook) fn tree_of(&self, statement: &Statement) -> Option<ParsedStatement> {
        let part = self.0.get(&(statement.source, statement.span.start))?;
        if part.end != statement.span.end || statement.text.len() != statement.span.len() {
            return None;
        }
        // Taken out, so that places in it are places in the statement's text.
        let green = part.node.green().splice_children(part.before_end.., None);
        let root = SyntaxNode::new_root(green);
        Some(ParsedStatement {
            parts: vec![root.clone()],
            error: None,
            root,
        })
    }
}

#[cfg(test)]
mod tests;
