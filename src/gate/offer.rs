//! What a person can do now, and why not the rest.

use super::ending::Why;

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

/// Why a key is refused, in words.
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

impl std::fmt::Display for Refusal {
    #[expect(clippy::too_many_lines, reason = "one match over every refusal")]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NothingToDoHere => f.write_str("That key does nothing here."),
            Refusal::NotDrawn => {
                f.write_str("The screen changed as you pressed; look, then press again.")
            }
            Refusal::NoSuchItem => f.write_str("There is no such item."),
            Refusal::AlreadySigned => f.write_str("Signed already; u withdraws it."),
            Refusal::NotSigned => f.write_str("It is not signed."),
            Refusal::EvidenceAwaited => {
                f.write_str("The evidence is still being looked for; wait a moment.")
            }
            Refusal::EvidenceFails => f.write_str(
                "The evidence fails, so it cannot be signed; Enter shows it, p probes again.",
            ),
            Refusal::NoEvidence => f.write_str(
                "Nothing answered, so it cannot be signed; Enter shows who is in the way, p probes again.",
            ),
            Refusal::ItemFails => {
                f.write_str("The evidence of an item fails, so nothing is applied.")
            }
            Refusal::NotReadToEnd => f.write_str("Read it to its end first: s opens the scripts."),
            Refusal::FindingsOpen(1) => {
                f.write_str("1 finding is not acknowledged yet: f acknowledges it.")
            }
            Refusal::FindingsOpen(n) => write!(
                f,
                "{n} findings are not acknowledged yet: f acknowledges one after the other."
            ),
            Refusal::NothingToAcknowledge => {
                f.write_str("There is no finding left to acknowledge on this item.")
            }
            Refusal::NameMissing => {
                f.write_str("Type the name of the database that you mean, then it is signed.")
            }
            Refusal::ReferenceMissing => f.write_str("It needs a reference: type one."),
            Refusal::WordsMissing => {
                f.write_str("It needs words that tell somebody else: type them.")
            }
            Refusal::NoReference => f.write_str(
                "That is no reference: say where the backup lies, so that somebody else finds it.",
            ),
            Refusal::ItemsUnsigned(1) => f.write_str("1 item is not signed yet."),
            Refusal::ItemsUnsigned(n) => write!(f, "{n} items are not signed yet."),
            Refusal::BackupUnderWay => f.write_str("The backup is still being made; x cancels it."),
            Refusal::AlreadyStopping => f.write_str("The backup is being stopped already."),
            Refusal::AlreadyCancelling => {
                f.write_str("Cancelling already; waiting for the server's answer.")
            }
            Refusal::CancelWithoutEffect => f.write_str(
                "The cancel has no effect yet. x again rolls back, and closes the link if it is silent.",
            ),
            Refusal::LookNotCancelled => f.write_str(
                "The cancel has no effect yet. x again closes the link; nothing is held on it.",
            ),
            Refusal::CommitNotCancelled => f.write_str(
                "The cancel has no effect yet: COMMIT goes on. x asks once more; q, and q again, leave \
                 it to the server.",
            ),
            Refusal::NotArmed => f.write_str(
                "The gate is not armed yet: let go of the keys, look, then press again.",
            ),
            Refusal::RehearsalNeverCommits => {
                f.write_str("This is a rehearsal: it never commits. r rolls back.")
            }
            Refusal::MustRollBack(why) => {
                write!(f, "COMMIT is refused: {why}. r rolls back.")
            }
            Refusal::WrongName { expected } => write!(
                f,
                "That is not the name that is asked for ({expected}). Nothing was sent; type it again, or Esc."
            ),
            Refusal::ReasonMissing => f.write_str(
                "Nothing checks what the script did, so COMMIT needs a reason: type one, or Esc.",
            ),
            Refusal::SecondSignerMissing => {
                f.write_str("COMMIT needs a second person: type the name, or Esc.")
            }
            Refusal::SamePerson => f.write_str(
                "That is who began this run. The second signer is somebody else; type the name, or Esc.",
            ),
            Refusal::HoldAtMost => f.write_str("The hold cannot be extended further than this."),
            Refusal::TransactionFailed => f.write_str(
                "No query can run in this transaction any more. m shows what the server said; \
                 stagegate inspect, in another window, shows the database as it was before.",
            ),
            Refusal::TransactionOpen => {
                f.write_str("The transaction is open: r rolls back. q again rolls back and leaves.")
            }
            Refusal::ScriptRunning => {
                f.write_str(
                    "The script is running: x cancels it. q again cancels, rolls back and leaves.",
                )
            }
            Refusal::HappensTwice(what) => write!(
                f,
                "The script cannot be run twice, so it is decided here, with the locks held: {what}."
            ),
            Refusal::NothingKept(why) => write!(
                f,
                "A second pass could not be held against this one, so it is decided here: {why}."
            ),
            Refusal::NoNumbers(number) => write!(
                f,
                "Statement {number} showed no number that could differ: no rows, or 0."
            ),
            Refusal::TooOld => f.write_str(
                "What is reviewed here is too old to be approved (--approval-limit). r ends this run; \
                 then walk again.",
            ),
            Refusal::NotComparable(why) => write!(
                f,
                "Nothing can be approved here, because a second pass cannot be held against this one: {why}. \
                 r ends this run; walk it again with --decide held."
            ),
            Refusal::QueryRuns => {
                f.write_str("A query is still running; x cancels it, or wait for its answer.")
            }
            Refusal::AskedAlready => f.write_str("The server is being asked already; wait for its answer."),
            Refusal::OutcomeUnderWay => {
                f.write_str("The outcome is being proven. q again leaves, if need be without it.")
            }
            Refusal::TooSoon => f.write_str(
                "That q came too soon after the first: let go, look, then press q again to leave.",
            ),
        }
    }
}
