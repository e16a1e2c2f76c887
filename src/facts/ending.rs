//! How a run ends: which way it went, why, and how that is known.

use super::{Alarm, ExitCode, Inquiry, XactStatus};
use crate::runbook::check::Tally;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ending {
    /// No session could be opened. Nothing was changed.
    NotConnected,
    Committed {
        proof: Proof,
        /// What the post-verification says; `None` where there is none or it could not be run.
        post: Option<Tally>,
    },
    RolledBack {
        why: Why,
        proof: Proof,
    },
    /// PREPARED: neither committed nor rolled back until somebody says which.
    Prepared {
        /// The name it was prepared under.
        gid: String,
        /// Where it was found, in words.
        server: String,
    },
    Unknown {
        /// Why it cannot be known now.
        reason: Inquiry,
    },
}

/// Which way it went, without its proof: on screens, and in journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "&'static str", from = "String")]
pub enum OutcomeWord {
    NotConnected,
    Committed,
    RolledBack,
    Prepared,
    Unknown,
}

impl OutcomeWord {
    const ALL: [OutcomeWord; 5] = [
        OutcomeWord::NotConnected,
        OutcomeWord::Committed,
        OutcomeWord::RolledBack,
        OutcomeWord::Prepared,
        OutcomeWord::Unknown,
    ];

    pub fn word(self) -> &'static str {
        match self {
            OutcomeWord::NotConnected => "NOT CONNECTED",
            OutcomeWord::Committed => "COMMITTED",
            OutcomeWord::RolledBack => "ROLLED BACK",
            OutcomeWord::Prepared => "PREPARED",
            OutcomeWord::Unknown => "UNKNOWN",
        }
    }

    /// Whether no more than the server's word is needed to know it: of the others it is to be asked again.
    pub fn is_final(self) -> bool {
        match self {
            OutcomeWord::NotConnected | OutcomeWord::Committed | OutcomeWord::RolledBack => true,
            OutcomeWord::Prepared | OutcomeWord::Unknown => false,
        }
    }
}

impl From<OutcomeWord> for &'static str {
    fn from(outcome: OutcomeWord) -> &'static str {
        outcome.word()
    }
}

impl From<String> for OutcomeWord {
    /// What is none of these words tells nothing.
    fn from(word: String) -> OutcomeWord {
        let known = OutcomeWord::ALL.into_iter().find(|one| one.word() == word);
        known.unwrap_or(OutcomeWord::Unknown)
    }
}

impl Ending {
    /// The word that stands on the end screen.
    pub fn word(&self) -> &'static str {
        self.outcome().word()
    }

    pub fn outcome(&self) -> OutcomeWord {
        match self {
            Ending::NotConnected => OutcomeWord::NotConnected,
            Ending::Committed { .. } => OutcomeWord::Committed,
            Ending::RolledBack { .. } => OutcomeWord::RolledBack,
            Ending::Prepared { .. } => OutcomeWord::Prepared,
            Ending::Unknown { .. } => OutcomeWord::Unknown,
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Ending::NotConnected => ExitCode::NoConnection,
            Ending::Committed { .. } => ExitCode::Committed,
            Ending::RolledBack { why, .. } => why.exit_code(),
            Ending::Prepared { .. } | Ending::Unknown { .. } => ExitCode::OutcomeUnknown,
        }
    }
}

/// Why a transaction is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Why {
    Decision,
    Rehearsed,
    /// BEGIN or what belongs to it failed.
    BeginFailed,
    StatementFailed,
    /// A lock was not granted within `lock_timeout`.
    LockTimeout,
    /// More sessions waited for us than `--max-waiters` allows.
    TooManyWaiters,
    /// A session waited longer for us than `--max-wait` allows.
    WaitedTooLong,
    /// A person cancelled the script.
    Cancelled,
    /// A deferred constraint does not hold.
    SettleFailed,
    /// Something else than a deferred constraint failed on the way to the decision.
    NotSettled,
    ChecksFailed,
    NothingPassed,
    /// The script ended the transaction that was begun.
    OtherTransaction,
    /// The transaction failed while it was held, though nothing ran in it.
    FailedWhileHeld,
    /// A query at the gate did not leave the transaction as it was.
    Disturbed,
    CommitRefused,
    HoldLimit,
    /// The journal could not be written.
    JournalLost,
    /// The server ended the session, or the link broke.
    SessionEnded,
    /// What it showed is to be reviewed with nothing held.
    ForReview,
    /// What was approved is too old by now.
    ApprovalExpired,
    /// Another server, database or role was reached than the one that was approved.
    OtherTarget,
    /// The run was ended from outside.
    Alarmed(Alarm),
}

impl Why {
    /// The exit code of a run that was rolled back for this reason.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Why::Decision | Why::Rehearsed | Why::ForReview => ExitCode::RolledBack,
            Why::ChecksFailed | Why::NothingPassed => ExitCode::RolledBackOnFail,
            Why::Alarmed(alarm) => alarm.exit_code(),
            Why::BeginFailed
            | Why::StatementFailed
            | Why::LockTimeout
            | Why::TooManyWaiters
            | Why::WaitedTooLong
            | Why::Cancelled
            | Why::SettleFailed
            | Why::NotSettled
            | Why::OtherTransaction
            | Why::FailedWhileHeld
            | Why::Disturbed
            | Why::CommitRefused
            | Why::HoldLimit
            | Why::JournalLost
            | Why::ApprovalExpired
            | Why::OtherTarget
            | Why::SessionEnded => ExitCode::RolledBackOnError,
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Decision => "you decided so",
            Why::Rehearsed => "a rehearsal always ends in ROLLBACK",
            Why::BeginFailed => "the transaction could not be opened",
            Why::StatementFailed => "a statement failed",
            Why::LockTimeout => "a lock was not granted in time",
            Why::TooManyWaiters => "more sessions waited for it than --max-waiters allows",
            Why::WaitedTooLong => "a session waited for it longer than --max-wait allows",
            Why::Cancelled => "you cancelled the script",
            Why::SettleFailed => "a deferred constraint does not hold",
            Why::NotSettled => "it failed between the last statement and the decision",
            Why::ChecksFailed => "at least one check says FAIL",
            Why::NothingPassed => "no check says PASS; zero checks is not a pass",
            Why::FailedWhileHeld => "the transaction failed while it was held",
            Why::OtherTransaction => "the script itself ended the transaction",
            Why::Disturbed => "a query did not leave the transaction as it was",
            Why::CommitRefused => "the server refused COMMIT",
            Why::HoldLimit => "the hold limit was reached",
            Why::JournalLost => "the journal was lost",
            Why::SessionEnded => "the session ended",
            Why::ForReview => "what it showed is to be reviewed with nothing held",
            Why::ApprovalExpired => "what was approved is older than --approval-limit",
            Why::OtherTarget => {
                "another server, database or role was reached than the one approved"
            }
            Why::Alarmed(Alarm::HungUp) => "the terminal is gone",
            Why::Alarmed(Alarm::Interrupted) => "the program was interrupted",
            Why::Alarmed(Alarm::Terminated) => "the program was told to terminate",
            Why::Alarmed(Alarm::Quit) => "you left while it was open",
            Why::Alarmed(Alarm::PartDied(part)) => {
                return write!(f, "a part of stagegate failed ({part})");
            }
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The server's command tag, and `pg_xact_status` where it was asked.
    Tag {
        /// `COMMIT` or `ROLLBACK`.
        tag: String,
        /// The server's word on the transaction id.
        xact_status: Option<XactStatus>,
    },
    /// The server answered COMMIT after its wait for standbys was cancelled.
    Local {
        warning: String,
        /// The server's word on the transaction id.
        xact_status: Option<XactStatus>,
    },
    /// The server answered COMMIT with an error, and `pg_xact_status` says `aborted`.
    Refused,
    /// `pg_xact_status`, asked on a new connection to the same server.
    Asked {
        /// Which server said so, in words.
        server: String,
    },
    /// COMMIT was never sent, so nothing can have been committed; the server could not be asked.
    NeverSent {
        /// Why it could not be asked.
        reason: Inquiry,
    },
    /// BEGIN was never answered with success, so there was nothing to commit.
    NeverBegun,
}

impl Proof {
    /// Whether the transaction is known to be gone, and its locks with it.
    pub fn says_gone(&self) -> bool {
        !matches!(self, Proof::NeverSent { .. })
    }
}

/// What a proof ends with that does not say that the transaction is gone; journals are read by it.
pub const LOCKS_NOT_KNOWN: &str = "whether its session still holds locks is not known";

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Proof::Tag {
                tag,
                xact_status: Some(status),
            } => write!(
                f,
                "the server answered {tag}, and pg_xact_status says {}",
                status.word()
            ),
            Proof::Tag {
                tag,
                xact_status: None,
            } => write!(f, "the server answered {tag} and is idle"),
            Proof::Local {
                warning,
                xact_status,
            } => {
                write!(
                    f,
                    "the server answered COMMIT, committed locally and not known to be replicated \
                     ({warning})"
                )?;
                match xact_status {
                    Some(status) => write!(f, "; pg_xact_status says {}", status.word()),
                    None => Ok(()),
                }
            }
            Proof::Refused => f.write_str(
                "the server answered COMMIT with an error, and pg_xact_status says aborted",
            ),
            Proof::Asked { server } => {
                write!(f, "asked on a new connection: pg_xact_status, {server}")
            }
            Proof::NeverSent { reason } => {
                write!(f, "COMMIT was never sent; {reason}; {LOCKS_NOT_KNOWN}")
            }
            Proof::NeverBegun => f.write_str("no transaction was begun"),
        }
    }
}

/// What contradicts a status that says otherwise.
pub const ANSWERED_COMMIT: &str = "it answered COMMIT with the tag COMMIT";

/// What to do where an outcome is contradicted: the word that lies may be that of `pg_xact_status`.
pub const LOOK_YOURSELF: &str = "Look whether what the script makes is there (stagegate inspect), and \
    whether pg_catalog.pg_xact_status is the server's own.";

/// The statements that end a prepared transaction.
pub fn how_to_end(gid: &str) -> String {
    let quoted = gid.replace('\'', "''");
    format!(
        "Undo it with ROLLBACK PREPARED '{quoted}'; or keep it with COMMIT PREPARED '{quoted}';"
    )
}
