//! An item of the checklist as its facts tell it: folded in one way, for a run that goes on and for one
//! that is read back from its journal.

use crate::facts::Evidence;

/// What is known of an item of the checklist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemAccount {
    /// What was found last. A journal has its checks among its lines, and nothing of what is awaited.
    pub evidence: Evidence,
    /// The findings of the linter that a person acknowledged.
    pub acknowledged: Vec<String>,
    /// Where it was signed to the end.
    pub signed: Option<SignedItem>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedItem {
    /// What was typed with it.
    pub note: Option<String>,
    /// The evidence that was on screen.
    pub seen: Vec<String>,
}

/// What can be said of an item.
#[derive(Debug)]
pub enum ItemFact {
    Found(Evidence),
    Acknowledged(String),
    Signed(SignedItem),
    Withdrawn,
}

impl ItemAccount {
    pub fn take(&mut self, fact: ItemFact) {
        match fact {
            ItemFact::Found(evidence) => self.evidence = evidence,
            ItemFact::Acknowledged(finding) => self.acknowledged.push(finding),
            ItemFact::Signed(signed) => self.signed = Some(signed),
            ItemFact::Withdrawn => self.signed = None,
        }
    }
}
