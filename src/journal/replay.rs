//! What a journal says, folded once for everybody who asks: who, where, what was signed, each
//! transaction with its statements, locks and checks, and how it ended.
//!
//! Nothing is judged here, nothing worded and nothing made up: what the journal does not say stays
//! `None`. A journal of the first release reads like one of today.

mod attempt;
mod folding;

pub use attempt::{Approved, Attempt, HeldRelation, RecordedOutcome, TimedStatement};

use super::entry::{Entry, Opened, Perused, Queried, ReadBefore};
use crate::account::ItemAccount;
use crate::facts::{Said, Target};
use jiff::Timestamp;

/// A run as its journal tells it.
#[derive(Debug, Default)]
pub struct Replay {
    /// What was known when it began, or when it started over.
    pub opened: Option<Opened>,
    pub began: Option<Timestamp>,
    /// When its last line was written.
    pub ended: Option<Timestamp>,
    pub target: Option<Target>,
    /// The checklist, in its order.
    pub items: Vec<ReplayedItem>,
    /// Every signature and withdrawal, in the order in which they were given.
    pub signatures: Vec<TimedSignature>,
    /// Each time that a document was open before a person, and when it was left; in order.
    pub perusals: Vec<(Timestamp, Perused)>,
    /// The readings of earlier runs that were taken over, in order.
    pub read_before: Vec<ReadBefore>,
    /// The transactions, in order. All but the last were rolled back, or there would not have been
    /// another.
    pub attempts: Vec<Attempt>,
    /// Everything the server said, oldest first, and when it was taken down.
    pub messages: Vec<(Timestamp, Said)>,
    /// The queries that were asked inside a transaction, and when each was answered; in order.
    pub queries: Vec<(Timestamp, Queried)>,
    /// The lines that moved the run, in order: phases, decisions, backups, alarms.
    pub course: Vec<(Timestamp, Entry)>,
    /// The exit code with which the program was left, where that is the journal's last line. Without it,
    /// what the journal does not say may have happened all the same.
    pub left: Option<u8>,
    /// The outcome of the run where no transaction was begun.
    unbegun: Option<RecordedOutcome>,
    /// What was approved last, for the attempts that follow.
    approved: Option<Approved>,
}

#[derive(Debug, Default)]
pub struct ReplayedItem {
    pub id: String,
    pub title: Option<String>,
    /// What the run knew of it as well while it went on.
    pub known: ItemAccount,
    /// When it was signed, where it was signed to the end.
    pub signed: Option<Timestamp>,
}

/// A signature, or its withdrawal.
#[derive(Debug)]
pub struct TimedSignature {
    pub at: Timestamp,
    /// The item's sentence, or its id where the sentence is not known.
    pub title: String,
    /// What was typed with it.
    pub note: Option<String>,
    /// Whether it was withdrawn rather than given.
    pub withdrawn: bool,
}

impl Replay {
    /// The transaction that counts: all before it were rolled back.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The number of that transaction, where BEGIN was answered.
    pub fn xid(&self) -> Option<&str> {
        self.last()?.transaction.xid.as_deref()
    }

    /// Its outcome, or that of a run that began none, where the program lived to write it.
    pub fn outcome(&self) -> Option<&RecordedOutcome> {
        match self.last() {
            Some(attempt) => attempt.outcome.as_ref(),
            None => self.unbegun.as_ref(),
        }
    }

    /// Whether the journal has the end of its run.
    pub fn is_whole(&self) -> bool {
        self.left.is_some()
    }

    /// Whether COMMIT may have been sent for the transaction that counts.
    pub fn commit_intended(&self) -> bool {
        self.last().is_some_and(|attempt| attempt.commit_intended)
    }

    /// Whether it proves that nothing of this run committed the transaction that counts: COMMIT stands in
    /// it before it is sent, and it has the run's end or the ROLLBACK in its place. Without either it may
    /// be a copy that was made in the middle of the run, or have lost its last lines with the disk.
    pub fn never_committed(&self) -> bool {
        let rolled_back = |attempt: &Attempt| attempt.rollback_intended;
        let strayed = |attempt: &Attempt| attempt.strayed;
        (self.is_whole() || self.last().is_some_and(rolled_back))
            && !self.commit_intended()
            && !self.last().is_some_and(strayed)
    }

    /// It ended with nobody who could say whether its session still held locks.
    pub fn may_hold_locks(&self) -> bool {
        self.outcome().is_some_and(|outcome| outcome.may_hold_locks)
    }

    /// The transaction that counts was not to be the last: what followed may have been committed.
    pub fn goes_on(&self) -> bool {
        self.last().is_some_and(Attempt::goes_on)
    }

    /// Whether it is of a rehearsal, which never commits.
    pub fn is_rehearsal(&self) -> bool {
        self.opened.as_ref().is_some_and(Opened::is_rehearsal)
    }
}

impl ReplayedItem {
    /// Its sentence, or its id where no line gives the sentence.
    pub fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }

    /// What its signature rests on, or else what was found last.
    pub fn evidence(&self) -> Vec<String> {
        match &self.known.signed {
            Some(signed) => signed.seen.clone(),
            None => self.known.evidence.in_lines(),
        }
    }
}

#[cfg(test)]
mod tests;
