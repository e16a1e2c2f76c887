//! What differs, in words: surely, or only in its text.
//!
//! The server rewrites expressions, so two of another text may be the same; only of constants is
//! another text another value.

use crate::inspect::TablePart;
use crate::runbook::objects::Expression;

/// What differs: surely, or only in its text.
#[derive(Default)]
pub(super) struct Differences {
    pub(super) sure: Vec<String>,
    pub(super) text: Vec<String>,
}

impl Differences {
    pub(super) fn value(&mut self, what: &str, expected: &str, actual: &str) {
        if expected != actual {
            let words = format!("{what} is {actual}, expected {expected}");
            self.sure.push(words);
        }
    }

    pub(super) fn expression(
        &mut self,
        what: &str,
        expected: Option<&Expression>,
        actual: Option<&Expression>,
    ) {
        match (expected, actual) {
            (None, None) => {}
            (Some(expected), None) => self
                .sure
                .push(format!("no {what}, expected {}", expected.text)),
            (None, Some(actual)) => self
                .sure
                .push(format!("{what} {}, expected none", actual.text)),
            (Some(expected), Some(actual)) => {
                let bare = |one: &Expression| one.form.trim_matches('\'').to_owned();
                if expected.form == actual.form
                    || (is_constant(expected)
                        && is_constant(actual)
                        && bare(expected) == bare(actual))
                {
                    return;
                }
                let (was, is) = (&expected.text, &actual.text);
                if is_plain(expected) && is_plain(actual) {
                    self.sure.push(format!("{what} is {is}, expected {was}"));
                } else {
                    self.text.push(format!(
                        "{what} differs in text: expected {was}, actual {is}"
                    ));
                }
            }
        }
    }

    /// What the catalog says against an index or a constraint, such as that it is not valid.
    pub(super) fn trouble(&mut self, part: &TablePart) {
        let trouble = part.trouble.iter();
        self.sure
            .extend(trouble.map(|trouble| format!("it is {trouble}")));
    }
}

fn is_constant(expression: &Expression) -> bool {
    expression.form.starts_with('\'') || is_plain(expression)
}

/// A number or a truth value: two of another text are two.
fn is_plain(expression: &Expression) -> bool {
    matches!(expression.form.as_str(), "true" | "false") || expression.form.parse::<f64>().is_ok()
}
