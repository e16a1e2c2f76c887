//! `\if`, `\elif`, `\else`, `\endif`: which lines of a file psql leaves out.
//!
//! As in psql, what is left out is read all the same, so that a quote in it hides an `\endif`; it may
//! stand in the middle of a statement.

use std::ops::Range;

use super::super::meta::{self, ParsedMeta};
use super::super::variables::Variables;
use super::{ScannedItem, Scanner};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BranchState {
    True,
    /// It is left out, and none before it was taken.
    False,
    /// It is left out whatever it says: one before it was taken, or all of this is left out.
    Ignored,
    ElseTrue,
    ElseFalse,
}

#[derive(Debug, Clone)]
struct Branch {
    state: BranchState,
    opened_at: usize,
}

/// The branches that are open, the innermost last.
#[derive(Debug, Clone, Default)]
pub(super) struct Branches {
    open: Vec<Branch>,
    /// Where the part begins that is left out, and how deep it stands in parentheses.
    left_out: Option<(usize, usize)>,
}

/// Deeper nesting is nothing that a person reviews.
const DEEPEST: usize = 1_000;

pub(super) fn is_one(name: &str) -> bool {
    matches!(name, "if" | "elif" | "else" | "endif")
}

impl Branches {
    pub(super) fn is_active(&self) -> bool {
        let last = self.open.last();
        last.is_none_or(|branch| matches!(branch.state, BranchState::True | BranchState::ElseTrue))
    }

    pub(super) fn open_since(&self) -> Option<usize> {
        self.open.last().map(|branch| branch.opened_at)
    }
}

impl Scanner<'_> {
    pub(super) fn branch(
        &mut self,
        start: usize,
        end: usize,
        parsed: ParsedMeta,
        variables: &Variables,
    ) {
        let was_active = self.branches.is_active();
        let name = parsed.name.as_str();
        let before = self.branches.open.last().map(|branch| branch.state);
        let next = match (name, before) {
            ("if", _) if self.branches.open.len() >= DEEPEST => {
                return self.trouble(start, "\\if is nested too deep to be reviewed".to_owned());
            }
            ("if", _) if !was_active => BranchState::Ignored,
            ("if", _) => self.condition(start, parsed.clone()),
            (_, None) => {
                return self.trouble(start, format!("\\{name} has no \\if before it; remove it"));
            }
            ("elif" | "else", Some(BranchState::ElseTrue | BranchState::ElseFalse)) => {
                return self.trouble(start, format!("\\{name} stands behind \\else; remove it"));
            }
            ("elif", Some(BranchState::True | BranchState::Ignored)) => BranchState::Ignored,
            ("elif", Some(BranchState::False)) => {
                // Only now its variables count.
                let (parsed, _) = meta::parse_meta(self.text(), start, Some(variables));
                self.condition(start, parsed)
            }
            ("else", Some(BranchState::False)) => BranchState::ElseTrue,
            ("else", Some(_)) => BranchState::ElseFalse,
            (_, Some(state)) => state,
        };
        if let Some(own) = self.branches.open.last_mut() {
            match name {
                "if" => {}
                "endif" => {
                    self.branches.open.pop();
                }
                _ => own.state = next,
            }
        }
        if name == "if" {
            self.branches.open.push(Branch {
                state: next,
                opened_at: start,
            });
        }
        self.leave_out(was_active, start..end);
        let comments = match self.started {
            true => Vec::new(),
            false => std::mem::take(&mut self.comments),
        };
        if name != "endif" {
            self.ready.push_back(ScannedItem::Branch {
                at: start,
                taken: self.branches.is_active(),
                comments,
            });
        } else if was_active {
            self.comments = comments;
        }
    }

    /// Takes out of the statement what the meta-command in `range` ends, and itself.
    fn leave_out(&mut self, was_active: bool, range: Range<usize>) {
        // psql forgets the end of a line on which nothing but the meta-command stands.
        let before = range.start.checked_sub(1);
        let newline = before.filter(|&at| self.text().get(at) == Some(&b'\n'));
        let from = newline.unwrap_or(range.start);
        let from = match (was_active, self.branches.is_active()) {
            (true, true) => from,
            (true, false) => {
                self.branches.left_out = Some((from, self.depth));
                return;
            }
            (false, true) => match self.branches.left_out.take() {
                Some((since, depth)) => {
                    self.depth = depth;
                    since
                }
                None => from,
            },
            (false, false) => return,
        };
        if self.started {
            self.piece.is_altered = true;
            self.piece.cuts.push(from..range.end);
        }
    }

    fn condition(&mut self, at: usize, parsed: ParsedMeta) -> BranchState {
        let words: Vec<&str> = parsed
            .arguments
            .iter()
            .map(|one| one.text.as_str())
            .collect();
        let words = words.join(" ");
        let what = format!("\\{}", parsed.name);
        let unknown = parsed
            .arguments
            .iter()
            .find_map(|one| one.unknown.as_deref());
        let why = if parsed.open_quote {
            format!("a quote in {what} never ends; close it on its line")
        } else if parsed.arguments.iter().any(|one| one.runs_shell) {
            format!("{what} would run a shell command in back-quotes; write its result instead")
        } else if let Some(variable) = unknown {
            format!("{what} has {variable}: {}", meta::BY_PSQL)
        } else {
            match meta::switch(&words) {
                Some(true) => return BranchState::True,
                Some(false) => return BranchState::False,
                None if words.contains(':') => format!(
                    "{what} asks for a variable that is not set ({words}); give it with -v \
                     NAME=VALUE, or set it before"
                ),
                None => format!(
                    "{what} takes on or off, true or false, yes or no, 1 or 0, and this is \
                     \"{words}\""
                ),
            }
        };
        self.trouble(at, why);
        BranchState::False
    }

    fn trouble(&mut self, at: usize, why: String) {
        self.ready.push_back(ScannedItem::Trouble(at, why));
    }
}
