//! One statement as the parser reads it, for all that is asked of its tree.

use squawk_syntax::{SourceFile, SyntaxNode};

pub(super) struct ParsedStatement {
    pub(super) root: SyntaxNode,
    /// What it consists of; one, as a rule.
    pub(super) parts: Vec<SyntaxNode>,
    /// Where it was not understood first, in bytes of its text, and why.
    pub(super) error: Option<(usize, String)>,
}

impl ParsedStatement {
    pub(super) fn of_text(text: &str) -> ParsedStatement {
        let parse = SourceFile::parse(text);
        let errors = parse.errors();
        let first = errors.iter().min_by_key(|error| error.range().start());
        let root = parse.syntax_node();
        ParsedStatement {
            parts: root.children().collect(),
            error: first.map(|first| {
                let at = first.range().start().into();
                (at, first.message().to_owned())
            }),
            root,
        }
    }
}
