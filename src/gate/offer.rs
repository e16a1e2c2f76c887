//! What a person can do now, and why not the rest.

use crate::facts::Why;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// It has no meaning here.
    Absent,
    Open,
    Refused(Refusal),
}

impl Offer {
    pub(super) fn open_if(open: bool) -> Offer {
        match open {
            true => Offer::Open,
            false => Offer::Absent,
        }
    }

    /// Open, unless there is a reason against it.
    pub(super) fn unless(reason: Option<Refusal>) -> Offer {
        reason.map_or(Offer::Open, Offer::Refused)
    }

    pub fn is_open(&self) -> bool {
        *self == Offer::Open
    }

    /// Whether its key means something here, if only to be told why not now.
    pub fn is_there(&self) -> bool {
        *self != Offer::Absent
    }
}

/// Why an act is refused; `acts` has the words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Refusal {
    NothingToDoHere,
    NotDrawn,
    NoSuchItem,
    AlreadySigned,
    NotSigned,
    EvidenceAwaited,
    EvidenceFails,
    NoEvidence,
    ItemFails,
    NotReadToEnd,
    FindingsOpen(usize),
    NothingToAcknowledge,
    ReferenceMissing,
    WordsMissing,
    NoReference,
    NameMissing,
    ItemsUnsigned(usize),
    JournalGone,
    BackupUnderWay,
    AlreadyStopping,
    AlreadyCancelling,
    CancelWithoutEffect,
    LookNotCancelled,
    CommitNotCancelled,
    NotArmed,
    RehearsalNeverCommits,
    MustRollBack(Why),
    WrongName { expected: String },
    ReasonMissing,
    SecondSignerMissing,
    SamePerson,
    HoldAtMost,
    TransactionFailed,
    TransactionOpen,
    ScriptRunning,
    CommitsByItself,
    OutcomeUnderWay,
    TooSoon,
    HappensTwice(String),
    NothingKept(String),
    NoNumbers(usize),
    TooOld,
    NotComparable(String),
    QueryRuns,
    AskedAlready,
}
