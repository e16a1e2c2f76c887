//! Files with both halves of a migration, up and down, as other tools keep them.
//!
//! Those tools run one half; psql and this program run the whole file. That is allowed, and told.

use super::super::script::Finding;
use super::ScriptReading;

/// How the tools mark where a half begins: of both halves, the first word of the mark.
const MARKS: &[(&str, &str)] = &[
    ("migrate:up", "migrate:down"),
    ("+goose up", "+goose down"),
    ("+migrate up", "+migrate down"),
    ("+micrate up", "+micrate down"),
    ("rambler up", "rambler down"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Half {
    source: usize,
    line: usize,
    mark: &'static str,
    down: bool,
}

pub(super) fn find_half_marks(comment: &str, source: usize, first: usize) -> Vec<Half> {
    let mut found = Vec::new();
    for (line, text) in (first..).zip(comment.lines()) {
        let text = text.trim_start_matches(['-', '/', '*', ' ', '\t']);
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let text = words.join(" ");
        let begins = |mark: &str| {
            text.strip_prefix(mark)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        for (up, down) in MARKS {
            for (mark, down) in [(*up, false), (*down, true)] {
                if begins(mark) {
                    found.push(Half {
                        source,
                        line,
                        mark,
                        down,
                    });
                }
            }
        }
    }
    found
}

impl ScriptReading {
    /// A finding at the first mark of the way back, where there is one of the way there too.
    pub(super) fn tell_halves(&mut self) {
        let Some(down) = self.halves.iter().find(|half| half.down) else {
            return;
        };
        let Some(up) = self.halves.iter().find(|half| !half.down) else {
            return;
        };
        self.own_findings.push(Finding {
            source: down.source,
            line: down.line,
            statement: None,
            rule: "both-halves".to_owned(),
            message: format!(
                "This file holds both halves of a migration, {} on line {} and {} here. Both run, one \
                 after the other, as with psql.",
                up.mark, up.line, down.mark
            ),
            help: Some("Keep the way back in a file of its own.".to_owned()),
        });
    }
}
