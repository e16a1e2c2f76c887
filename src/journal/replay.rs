//! What a journal says, folded once for everybody who asks: who, where, what was signed, each
//! transaction with its statements, locks and checks, and how it ended.
//!
//! Nothing is judged here, nothing worded and nothing made up: what the journal does not say stays
//! `None`. A journal of the first release reads like one of today.

mod attempt;
mod folding;

pub use attempt::{Approved, Attempt, HeldRelation, RecordedOutcome, TimedStatement};

use super::entry::{Entry, Opened, ReadBefore};
use crate::gate::event::{ServerMessage, Standing, Target};
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
    /// Each time that a document was open before a person, in order.
    pub perusals: Vec<TimedPerusal>,
    /// The readings of earlier runs that were taken over, in order.
    pub read_before: Vec<ReadBefore>,
    /// The transactions, in order. All but the last were rolled back, or there would not have been
    /// another.
    pub attempts: Vec<Attempt>,
    /// Everything the server said outside a statement's own error.
    pub messages: Vec<TimedMessage>,
    /// The queries that were asked inside a transaction, in order.
    pub queries: Vec<TimedQuery>,
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
    /// Whether the evidence supported a signature, where any was found.
    pub standing: Option<Standing>,
    /// The evidence that was found last: a summary, then the rest.
    pub found: Vec<String>,
    /// The journal of the rehearsal that the evidence found last rests on.
    pub rehearsal: Option<String>,
    /// The evidence that was on screen when it was signed.
    pub seen: Vec<String>,
    /// The findings of the linter that a person acknowledged.
    pub acknowledged: Vec<String>,
    /// When it was signed, where it was signed to the end.
    pub signed: Option<Timestamp>,
    /// What was typed with the signature.
    pub note: Option<String>,
}

/// One time that a document was open before a person.
#[derive(Debug)]
pub struct TimedPerusal {
    pub left: Timestamp,
    /// How long it was open, in milliseconds.
    pub lasted: u64,
    pub document: String,
    /// How many lines it has, how many were on the screen this time, and in all so far.
    pub lines: usize,
    pub shown: usize,
    pub seen: usize,
    /// The hash of what was read, where the journal says it.
    pub sha256: Option<String>,
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

#[derive(Debug)]
pub struct TimedMessage {
    /// When it was taken down.
    pub at: Timestamp,
    pub number: Option<usize>,
    pub message: ServerMessage,
}

#[derive(Debug)]
pub struct TimedQuery {
    /// When its answer was taken down.
    pub at: Timestamp,
    pub text: String,
    /// How many rows were shown; `None` where it failed.
    pub rows: Option<u64>,
    pub more: bool,
    /// What the server said, where it failed.
    pub error: Option<ServerMessage>,
    /// What was not as before afterwards.
    pub disturbed: Option<String>,
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
    pub fn evidence(&self) -> &[String] {
        match self.signed {
            Some(_) => &self.seen,
            None => &self.found,
        }
    }
}

#[cfg(test)]
mod tests;
