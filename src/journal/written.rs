//! Journals for tests, in few words.

use super::{Entry, Journal};
use crate::facts::{OutcomeWord, Target};
use std::path::Path;

/// A journal of these entries, which its program writes on as long as it is kept.
pub(crate) fn write_journal(path: &Path, entries: &[Entry]) -> Journal {
    let mut journal = Journal::create(Some(path), |_| None).unwrap();
    for entry in entries {
        journal.record(entry).unwrap();
    }
    journal
}

pub(crate) fn connected(target: &Target) -> Entry {
    Entry::Connected {
        target: serde_json::to_value(target).unwrap(),
    }
}

pub(crate) fn begun(xid: &str) -> Entry {
    Entry::Begun {
        xid: xid.into(),
        added: Vec::new(),
    }
}

pub(crate) fn ended(outcome: OutcomeWord, proof: &str) -> Entry {
    Entry::Outcome {
        outcome,
        why: None,
        proof: proof.into(),
        rehearsed: false,
        tag_contradicted: false,
    }
}
