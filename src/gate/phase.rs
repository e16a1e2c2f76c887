//! The states of a run, the reasons for a rollback, and the proofs of an outcome.

use super::effect::ExitCode;
use super::event::{Alarm, CommitWait, Inquiry, Millis, XactStatus};
use crate::runbook::check::Tally;
use crate::runbook::question::Question;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The session is being opened.
    Connecting,
    /// Evidence is looked for and items are signed. No transaction is open.
    Checklist,
    Beginning,
    Applying {
        /// How long ago a person asked to cancel, up to [`super::plan::CANCEL_PATIENCE`].
        cancelling: Option<Millis>,
    },
    /// Deferred constraints and the transaction's identity are looked at.
    Verifying {
        /// As in [`Phase::Applying`].
        cancelling: Option<Millis>,
    },
    /// The structure of what the script touched is taken down: the pass is let go with it, or held
    /// against what was approved.
    TakingDown {
        /// As in [`Phase::Applying`].
        cancelling: Option<Millis>,
    },
    /// The gate: COMMIT or ROLLBACK.
    Deciding {
        /// What is open on it.
        prompt: Prompt,
        /// How much longer it must be on screen until it is armed.
        arming: Millis,
    },
    /// Only ROLLBACK is left; the person looks first.
    MustRollBack {
        why: Why,
        /// The question whether to roll back is open.
        asking: bool,
    },
    /// A query runs inside the held transaction; it was asked at the gate, or where only ROLLBACK
    /// is left.
    Querying {
        question: Question,
        /// Why only ROLLBACK is left, if that is so.
        why: Option<Why>,
        /// How much longer it may take before it is cancelled.
        left: Millis,
        /// As in [`Phase::Applying`]; or how long ago its time was over.
        cancelling: Option<Millis>,
        /// The question whether to roll back is open.
        asking: bool,
    },
    /// Nothing is held: what a pass showed that was rolled back is reviewed, and COMMIT can be given
    /// on it.
    Reviewing {
        prompt: Prompt,
        /// As in [`Phase::Deciding`].
        arming: Millis,
    },
    /// A session for the second pass is being opened, to be held against that of the first one.
    Returning,
    /// COMMIT was handed to the session.
    Committing,
    /// ROLLBACK was handed to the session.
    RollingBack {
        why: Why,
        /// How much longer to wait for the answer before the link is closed.
        patience: Millis,
        /// A statement may still be running and is cancelled until ROLLBACK gets its turn.
        busy: bool,
    },
    /// The link was lost; the server is asked which way the transaction went.
    Inquiring {
        /// COMMIT may have been sent.
        commit_sent: bool,
        /// Why the transaction could only be rolled back, if it was so before the link was lost.
        why: Why,
        /// The server says `in progress`: asked again after this time.
        still_open: Option<Millis>,
        /// How often it has said so.
        times: u32,
    },
    /// Rolled back because a lock was not granted in time; it is tried again by itself.
    Waiting {
        left: Millis,
        /// The proof that nothing of the last attempt is left.
        proof: Proof,
    },
    /// The outcome is known to be COMMITTED and the post-verification runs.
    PostVerifying {
        proof: Proof,
    },
    Ended(Ending),
    Left(ExitCode),
}

/// The part of a pass that a transaction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Apply,
    /// What is looked at after the last one.
    Verify,
    Decide,
}

/// What is open on the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prompt {
    Closed,
    /// The reason is being typed why a script without checks is committed.
    Reason,
    /// The second signer's name is being typed.
    SecondSigner,
    /// The database name is being typed for COMMIT.
    Name,
    /// The question whether to roll back.
    RollBack,
}

impl Prompt {
    /// Whether it is one of those that COMMIT asks, one after the other.
    pub fn is_for_commit(self) -> bool {
        match self {
            Prompt::Reason | Prompt::SecondSigner | Prompt::Name => true,
            Prompt::Closed | Prompt::RollBack => false,
        }
    }
}

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
    /// At least one check says FAIL.
    ChecksFailed,
    NothingPassed,
    /// The script ended the transaction that was begun.
    OtherTransaction,
    /// The transaction failed while it was held, though nothing ran in it.
    FailedWhileHeld,
    /// A query at the gate did not leave the transaction as it was.
    Disturbed,
    CommitRefused,
    /// The hold limit was reached.
    HoldLimit,
    /// The journal could not be written.
    JournalLost,
    /// The server ended the session, or the link broke.
    SessionEnded,
    /// What it showed is reviewed with nothing held.
    ForReview,
    /// What was approved is too old by now.
    ApprovalExpired,
    /// Another server, database or role was reached than the one that was approved.
    OtherTarget,
    /// The run was ended from outside.
    Alarmed(Alarm),
}

/// How an outcome is known.
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
            Why::ForReview => "what it showed is reviewed with nothing held",
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

    /// The exit code of a run that ended so.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Ending::NotConnected => ExitCode::NoConnection,
            Ending::Committed { .. } => ExitCode::Committed,
            Ending::RolledBack { why, .. } => why.exit_code(),
            Ending::Prepared { .. } | Ending::Unknown { .. } => ExitCode::OutcomeUnknown,
        }
    }
}

impl Phase {
    /// Whether a transaction of ours may be open on the server.
    pub fn transaction_open(&self) -> bool {
        match self {
            Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Querying { .. }
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. } => true,
            Phase::Connecting
            | Phase::Checklist
            | Phase::Reviewing { .. }
            | Phase::Returning
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => false,
        }
    }
}

impl std::fmt::Display for Inquiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Inquiry::Answered { status, server } => {
                write!(f, "pg_xact_status says {} ({server})", status.word())
            }
            Inquiry::Prepared { gid, server } => {
                write!(
                    f,
                    "it was prepared for a two-phase COMMIT as {gid:?} ({server})"
                )
            }
            Inquiry::OtherServer(what) => write!(f, "another server answers: {what}"),
            Inquiry::Unknowable(what) => write!(f, "the server cannot tell: {what}"),
            Inquiry::Unreachable(what) => write!(f, "the server cannot be asked: {what}"),
            Inquiry::Contradicted(what) => write!(f, "one contradicts the other: {what}"),
        }
    }
}

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

impl std::fmt::Display for CommitWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.event {
            Some(_) if self.is_replication() => write!(
                f,
                "for synchronous standbys (synchronous_standby_names = {:?}); the transaction is \
                 committed on this server, and seen by others when the wait ends",
                self.standbys
            ),
            Some(event) => write!(f, "the server is seen to wait ({event})"),
            None => f.write_str("the server is seen to work on it, or its process is stopped"),
        }
    }
}

impl XactStatus {
    /// The word that `pg_xact_status` uses.
    pub fn word(self) -> &'static str {
        match self {
            XactStatus::Committed => "committed",
            XactStatus::Aborted => "aborted",
            XactStatus::InProgress => "in progress",
        }
    }
}

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
                write!(f, "COMMIT was never sent; {reason}")
            }
            Proof::NeverBegun => f.write_str("no transaction was begun"),
        }
    }
}
