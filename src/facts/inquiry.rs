//! What the server says of a transaction whose end is to be proven.

use super::ExitCode;
use crate::runbook::printable::capital;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum XactStatus {
    Committed,
    Aborted,
    InProgress,
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

/// The answer to "which way did it go?", asked on a new connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Inquiry {
    Answered {
        status: XactStatus,
        /// Where it said so: system identifier and timeline, in words.
        server: String,
    },
    /// It was prepared for a two-phase COMMIT: no session runs it, its locks are held until somebody
    /// ends it by its name.
    Prepared {
        gid: String,
        /// Where it was found, in words.
        server: String,
    },
    /// Another server answers, or one that was promoted since: its word does not count.
    OtherServer(String),
    /// The server does not know the transaction any more.
    Unknowable(String),
    Unreachable(String),
    /// What is known contradicts what the server says: no word of it is a proof. Both, in words.
    Contradicted(String),
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

/// Which way the last transaction of a run went that is over, as far as anybody can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeAnswer {
    pub text: String,
    pub code: ExitCode,
    /// Nobody has to be asked again: all that can be known is said, and the run is over.
    pub settled: bool,
}

impl OutcomeAnswer {
    /// What its text begins with, one of them.
    pub const WORDS: [&str; 3] = ["COMMITTED", "ROLLED BACK", "UNKNOWN"];

    pub fn in_short(&self) -> &str {
        let end = self.text.find(". ").map_or(self.text.len(), |end| end + 1);
        self.text.get(..end).unwrap_or(&self.text)
    }

    pub fn word(&self) -> &'static str {
        let [committed, rolled_back, unknown] = OutcomeAnswer::WORDS;
        match self.code {
            ExitCode::Committed => committed,
            ExitCode::RolledBackOnError => rolled_back,
            _ => unknown,
        }
    }
}

/// What COMMIT was seen to wait for, on another connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CommitWait {
    /// The backend's `wait_event`, where it waits for anything.
    pub event: Option<String>,
    /// `synchronous_standby_names` of the server.
    pub standbys: String,
}

impl CommitWait {
    /// Whether it waits for synchronous standbys: then the transaction is committed on this server
    /// already, and is seen as soon as the wait ends.
    pub fn is_replication(&self) -> bool {
        self.event.as_deref() == Some("SyncRep")
    }

    /// What it waits for and what can be done about it, in sentences; `cancel` and `leave` are what is
    /// pressed or typed for that.
    pub fn told_with(&self, cancel: &str, leave: &str) -> Vec<String> {
        let (waits, cancels) = match self.is_replication() {
            true => (
                format!("It waits {self}."),
                "ends the wait: it then is COMMITTED here, and not known to be replicated",
            ),
            false => (
                format!("{}.", capital(&self.to_string())),
                "sends a cancel request",
            ),
        };
        vec![
            waits,
            format!("{cancel} {cancels}."),
            format!("{leave}, and {leave} again, leaves with UNKNOWN."),
        ]
    }
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
