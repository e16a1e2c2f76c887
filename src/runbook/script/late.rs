//! What the linter has to say of a script: parsed and linted when somebody asks first.
//!
//! To divide a script into statements takes moments, to parse and lint them can take seconds, and a walk
//! begins without. Whoever asks while that is under way waits for it: nobody ever takes a script for one
//! of which there is nothing to say.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Finding, Script};
use crate::runbook::text::CommonText;

/// What parses a script and finds what there is to say of it.
type Lint = dyn Fn(&Script) -> Vec<Finding> + Send + Sync;

/// The findings of a script, as soon as somebody asked for them.
#[derive(Default)]
pub struct LateFindings {
    /// Those that are known without the linter.
    known: Vec<Finding>,
    /// Which ones nobody says of it.
    left_out: Option<fn(&Finding) -> bool>,
    /// `None` only where all is known.
    lint: Mutex<Option<Arc<Lint>>>,
    all: OnceLock<Vec<Finding>>,
    /// All of them as a person weighs them, once somebody asked.
    words: OnceLock<Vec<String>>,
}

impl LateFindings {
    /// Of a script that is to be linted; `known` is said of it besides.
    pub(in crate::runbook) fn to_be_found(
        lint: impl Fn(&Script) -> Vec<Finding> + Send + Sync + 'static,
        known: Vec<Finding>,
    ) -> LateFindings {
        LateFindings {
            known,
            lint: Mutex::new(Some(Arc::new(lint))),
            ..LateFindings::default()
        }
    }

    pub(in crate::runbook) fn add(&mut self, more: impl IntoIterator<Item = Finding>) {
        self.words.take();
        match self.all.get_mut() {
            None => self.known.extend(more),
            Some(all) => {
                all.extend(more);
                all.sort_by_key(|finding| (finding.source, finding.line));
            }
        }
    }

    /// Leaves out those for which `which` holds.
    pub(in crate::runbook) fn leave_out(&mut self, which: fn(&Finding) -> bool) {
        self.words.take();
        self.left_out = Some(which);
        if let Some(all) = self.all.get_mut() {
            all.retain(|finding| !which(finding));
        }
    }

    fn find(&self, script: &Script) -> Vec<Finding> {
        let lint = self.lock().clone();
        let mut all = lint.map_or_else(Vec::new, |lint| lint(script));
        all.extend(self.known.iter().cloned());
        all.sort_by_key(|finding| (finding.source, finding.line));
        if let Some(which) = self.left_out {
            all.retain(|finding| !which(finding));
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Lint>>> {
        self.lint.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LateFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("LateFindings");
        told.field("known", &self.known);
        told.field("all", &self.all).finish_non_exhaustive()
    }
}

/// All of them, known already.
impl From<Vec<Finding>> for LateFindings {
    fn from(all: Vec<Finding>) -> LateFindings {
        LateFindings {
            all: OnceLock::from(all),
            ..LateFindings::default()
        }
    }
}

impl Clone for LateFindings {
    fn clone(&self) -> LateFindings {
        // In this order: the linter goes only once all is there.
        let lint = self.lock().clone();
        LateFindings {
            known: self.known.clone(),
            left_out: self.left_out,
            lint: Mutex::new(lint),
            all: self.all.clone(),
            words: self.words.clone(),
        }
    }
}

/// What the linter says follows from the rest of a script.
impl PartialEq for LateFindings {
    fn eq(&self, other: &LateFindings) -> bool {
        (&self.known, self.left_out.is_some()) == (&other.known, other.left_out.is_some())
    }
}

impl Eq for LateFindings {}

impl Script {
    /// What is to be said of it, by file and line. Where the linter is not done yet, this waits for it: for
    /// seconds, with a large script.
    pub fn findings(&self) -> &[Finding] {
        let late = &self.findings;
        let all = late.all.get_or_init(|| late.find(self));
        late.lock().take();
        all
    }

    /// What [`Script::findings_by_statement`] groups, each in words, with its lines and what the linter
    /// advises. It waits as [`Script::findings`] does.
    pub fn findings_in_words(&self) -> &[String] {
        let words = &self.findings.words;
        words.get_or_init(|| {
            let groups = self.findings_by_statement().into_iter();
            groups.filter_map(|group| self.in_words(&group)).collect()
        })
    }

    /// Whether the linter is done, so that [`Script::findings`] waits for nothing.
    pub fn is_linted(&self) -> bool {
        self.findings.all.get().is_some()
    }
}

/// The relation that a statement is about: as its words tell it, and as its parse does, once it was parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedRelation {
    by_words: Option<CommonText>,
    parsed: OnceLock<CommonText>,
}

impl NamedRelation {
    pub fn get(&self) -> Option<&CommonText> {
        self.parsed.get().or(self.by_words.as_ref())
    }

    /// Takes down what the parse says, where that is not the same.
    pub(in crate::runbook) fn settle(&self, parsed: String) {
        // It is parsed once.
        let _ = self.parsed.set(parsed.into());
    }
}

impl From<Option<CommonText>> for NamedRelation {
    fn from(by_words: Option<CommonText>) -> NamedRelation {
        NamedRelation {
            by_words,
            parsed: OnceLock::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Script;

    const SQL: &str = "BEGIN;\nDROP TABLE s.t;\nCOMMENT ON COLUMN s.u.c IS 'x';\n";

    #[test]
    fn a_script_is_linted_when_somebody_asks_and_so_is_a_copy_from_before() {
        let script = Script::read("t.sql", None, SQL.as_bytes());
        assert!(!script.is_linted());
        let before = script.clone();
        let rules = |script: &Script| -> Vec<String> {
            let findings = script.findings().iter();
            findings.map(|finding| finding.rule.clone()).collect()
        };
        assert_eq!(rules(&script), ["ban-drop-table"]);
        assert!(script.is_linted() && !before.is_linted());
        assert_eq!(rules(&before), ["ban-drop-table"]);
        assert_eq!(rules(&script.clone()), ["ban-drop-table"]);
        let comment = script.statement(2).unwrap();
        assert_eq!(comment.relation().unwrap(), &"s.u");
    }

    #[test]
    fn whoever_asks_while_it_is_linted_waits_and_is_told_all() {
        let script = Script::read("t.sql", None, SQL.repeat(50).as_bytes());
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| script.findings().len()))
                .collect();
            let told: Vec<usize> = asking.into_iter().map(|one| one.join().unwrap()).collect();
            assert_eq!(told, [script.findings().len(); 4]);
            assert!(told[0] >= 50, "{told:?}");
        });
    }
}
