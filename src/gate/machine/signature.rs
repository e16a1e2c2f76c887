//! The items of the checklist, as far as they decide something.

use super::Machine;
use crate::facts::{ExitCode, Standing};
use crate::gate::event::Document;
use crate::gate::plan::Requirement;

/// A checklist item as the machine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Signature {
    pub standing: Standing,
    /// Documents that are still to be read to their end.
    pub unread: Vec<Document>,
    /// How many findings the linter has; `None` until that is known.
    pub findings: Option<usize>,
    pub acknowledged: usize,
    /// The evidence has a rehearsal that stands for reading the rollback scripts.
    pub rehearsed: bool,
    pub signed: bool,
}

impl Signature {
    /// What is still to be read before it can be signed. No evidence stands for reading the script
    /// itself.
    pub fn to_read(&self) -> impl Iterator<Item = Document> {
        let unread = self.unread.iter().copied();
        unread.filter(|document| match document {
            Document::Script | Document::Checks(_) => true,
            Document::Rollback(_) => !self.rehearsed,
        })
    }
}

impl Signature {
    /// How many findings are known and not acknowledged yet.
    pub fn open_findings(&self) -> usize {
        let all = self.findings.unwrap_or_default();
        all.saturating_sub(self.acknowledged)
    }

    /// Whether the linter's findings are asked for, and not known yet.
    pub fn awaits_linter(&self, needed: &Requirement) -> bool {
        needed.lints && self.findings.is_none()
    }
}

impl Machine {
    /// Whether a person did what the evidence of an item cannot do for them: it is signed, or all that
    /// is to be read was read and nothing else is asked for.
    pub fn is_answered(&self, index: usize) -> bool {
        let (Some(item), Some(needed)) = (self.items.get(index), self.plan.items.get(index)) else {
            return true;
        };
        let read = item.to_read().next().is_none()
            && item.open_findings() == 0
            && !item.awaits_linter(needed);
        item.signed
            || match item.standing {
                Standing::Asks => read && !needed.documents.is_empty(),
                _ => read,
            }
    }

    /// Whether all evidence was looked at, and an item's fails: nothing can be applied.
    pub fn fails(&self) -> bool {
        let standings = || self.items.iter().map(|item| item.standing);
        standings().all(|standing| standing != Standing::Awaited)
            && standings().any(Standing::forbids)
    }

    /// What a walk that cannot be applied ends with: nothing failed where nothing answered.
    pub(super) fn fails_with(&self) -> ExitCode {
        let fails = |item: &Signature| item.standing == Standing::Fails;
        match self.items.iter().any(fails) {
            true => ExitCode::RolledBackOnFail,
            false => ExitCode::NoAnswer,
        }
    }
}
