//! Sections and leading comments, read from the comments between statements.
//!
//! A section starts at a title between two rules, on three lines that follow one another,
//!
//! ```sql
//! -- ==========================================
//! -- Migration 011: integration_inbox
//! -- ==========================================
//! ```
//!
//! or at a line `-- Section: title`. A rule is a comment of at least five `=`, `-`, `*` or `#`.
//! A framed text of more than one line is prose, not a title. Comments inside statements start
//! no section.

use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq)]
struct CommentLine {
    number: usize,
    text: String,
    is_rule: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CommentsBefore {
    /// Titles of sections that start here, in order.
    pub titles: Vec<String>,
    /// The comment directly above the statement.
    pub comment: Option<String>,
}

/// Reads `comments`, which stand between two statements. `line_of` numbers the lines; a comment
/// on line `after`, behind the statement before, belongs to that one; `before` is the line of
/// the statement that they lead.
pub(super) fn read_comments(
    text: &str,
    comments: &[Range<usize>],
    line_of: impl Fn(usize) -> usize,
    after: Option<usize>,
    before: Option<usize>,
) -> CommentsBefore {
    let mut lines = Vec::new();
    for range in comments {
        let first = line_of(range.start);
        if Some(first) == after {
            continue;
        }
        let comment = text.get(range.clone()).unwrap_or_default();
        lines.extend(comment_lines(comment, first));
    }
    let mut said = CommentsBefore::default();
    let mut titles = vec![false; lines.len()];
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        match lines.get(at..at + 3) {
            Some([top, title, bottom])
                if top.is_rule
                    && bottom.is_rule
                    && !title.is_rule
                    && !title.text.is_empty()
                    && top.number + 1 == title.number
                    && title.number + 1 == bottom.number =>
            {
                said.titles.push(title.text.clone());
                titles[at..at + 3].fill(true);
                at += 3;
            }
            _ => {
                if let Some(title) = section_title(&line.text) {
                    said.titles.push(title.to_owned());
                    titles[at..=at].fill(true);
                }
                at += 1;
            }
        }
    }
    said.comment = before.and_then(|before| leading(&lines, &titles, before));
    said
}

/// The lines directly above line `before`, without a gap.
fn leading(lines: &[CommentLine], titles: &[bool], before: usize) -> Option<String> {
    let mut next = before;
    let mut texts = Vec::new();
    for (line, is_title) in lines.iter().zip(titles).rev() {
        if *is_title || line.number + 1 < next {
            break;
        }
        next = line.number;
        if !line.is_rule {
            texts.push(line.text.as_str());
        }
    }
    texts.reverse();
    let comment = texts.join("\n").trim().to_owned();
    (!comment.is_empty()).then_some(comment)
}

fn section_title(text: &str) -> Option<&str> {
    let (word, title) = text.split_once(':')?;
    let title = title.trim();
    (word.trim().eq_ignore_ascii_case("section") && !title.is_empty()).then_some(title)
}

fn comment_lines(comment: &str, first: usize) -> Vec<CommentLine> {
    let (body, is_block) = match comment.strip_prefix("--") {
        Some(body) => (body, false),
        None => {
            let body = comment.strip_prefix("/*").unwrap_or(comment);
            (body.strip_suffix("*/").unwrap_or(body), true)
        }
    };
    body.split('\n')
        .enumerate()
        .map(|(offset, line)| {
            let line = line.trim();
            let is_rule =
                line.len() >= 5 && line.bytes().all(|b| matches!(b, b'=' | b'-' | b'*' | b'#'));
            let text = if is_block {
                line.trim_start_matches('*').trim()
            } else {
                line
            };
            CommentLine {
                number: first + offset,
                text: text.to_owned(),
                is_rule,
            }
        })
        .collect()
}
