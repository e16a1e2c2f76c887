//! Everything that can happen to a run, as data.
//!
//! The database reports in the past tense, a person asks, time passes, the world ends. Payloads
//! are carried whole so that screens and the journal can show them; the machine reads only what it
//! decides on.

use super::act::Command;
use super::pass::{Pass, Structure};
use crate::facts::{
    Alarm, CommitWait, Dump, Dumping, Evidence, Inquiry, Looked, Millis, Observation,
    OutcomeAnswer, Perusal, ServerMessage, StatementReport, Target, XactStatus,
};
use crate::runbook::Runbook;
use crate::runbook::impact::Measure;
use crate::runbook::script::Script;
use std::path::PathBuf;
use std::sync::Arc;

/// The number of a database request; its reports echo it.
pub type Seq = u32;

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Reported(Report),
    /// The monitor saw something. It is shown and never acted on (I12).
    Observed(Observation),
    Asked(Command),
    /// A frame of the present state is on the screen.
    Drawn,
    /// The text in the open prompt changed; the frame that shows it is not drawn yet.
    Edited,
    Ticked {
        elapsed: Millis,
    },
    /// Each line of a document was on the screen.
    ReadToEnd(Document),
    /// A document was opened, looked at and left. It is recorded and never acted on.
    Perused {
        document: Document,
        /// It was on a screen whose size is known, and did not go into a pipe or a file.
        on_screen: bool,
        perusal: Perusal,
    },
    /// Something ends the run, whatever a person wants.
    Alarmed(Alarm),
    /// Whether a run before this one on the database that was reached has no outcome. It may come at any
    /// time.
    LeftOpen(bool),
    /// The journal cannot be written any more; why. COMMIT is forbidden from here on.
    JournalLost(String),
    /// What came out of the pass, as it was shown, but for its structure; told before
    /// [`Body::Settled`].
    CameOut(Arc<Pass>),
    /// The intent to COMMIT could not be put on disk, so COMMIT was not sent (I6); why.
    IntentLost(String),
}

/// A text that a person reads before signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Document {
    Script,
    Rollback(usize),
    /// The file of checks that the item with this index brings.
    Checks(usize),
}

impl Document {
    pub fn script_of(self, runbook: &Runbook) -> Option<&Script> {
        match self {
            Document::Script => Some(&runbook.script),
            Document::Rollback(index) => runbook.rollbacks.get(index),
            Document::Checks(item) => runbook.items.get(item)?.checks.as_ref(),
        }
    }
}

/// A report of the held session, with the number of the request it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub seq: Seq,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Connected(Box<Target>),
    ConnectFailed(ServerMessage),
    /// Evidence for the item with this index was found, or found missing; with [`Standing::Awaited`] it
    /// says what it is that takes a while.
    Probed {
        item: usize,
        evidence: Evidence,
    },
    BackupStarted(Box<Dumping>),
    BackupProgressed(Box<Dumping>),
    /// It is made, and was read back.
    BackedUp(Box<Dump>),
    /// There is none, and nothing of it was left; why.
    BackupFailed(String),
    /// Looked for again, the dump of this run is not what it was; why.
    BackupLost(String),
    /// Which way a run before this one went, as far as anybody can tell.
    EarlierAnswered {
        journal: PathBuf,
        answer: Box<OutcomeAnswer>,
    },
    /// How large the tables are that the script touches. It is shown and never acted on.
    Measured(Measure),
    /// The transaction is open and has its identity.
    Begun {
        /// `pg_current_xact_id()`.
        xid: String,
        /// What the program itself sends, BEGIN first, in order (I11).
        added: Vec<Added>,
    },
    /// BEGIN or what the program adds to it failed.
    BeginFailed(ServerMessage),
    /// A statement went to the server and is being worked on.
    StatementStarted {
        number: usize,
    },
    StatementFinished(Box<StatementReport>),
    /// A statement failed; those after it were not run.
    StatementFailed {
        number: usize,
        duration: Millis,
        error: Box<ServerMessage>,
    },
    /// A notice or warning, while the statement with this number ran.
    Noticed {
        /// The statement; `None` outside the script.
        number: Option<usize>,
        message: Box<ServerMessage>,
    },
    ScriptFinished,
    /// The structure of the whole database, as it was before BEGIN.
    StoodBefore {
        structure: Box<Structure>,
        duration: Millis,
    },
    /// The structure of what the script touched, taken down inside the transaction.
    TakenDown {
        structure: Box<Structure>,
        duration: Millis,
    },
    /// Deferred constraints hold, and the transaction was looked at.
    Settled {
        same_transaction: bool,
    },
    /// The transaction failed on the way to the decision.
    SettleFailed {
        /// What was deferred to COMMIT does not hold; otherwise it was something else.
        deferred: bool,
        error: Box<ServerMessage>,
    },
    /// COMMIT was sent some time ago and is not answered; what the server is seen to wait for.
    CommitWaits(CommitWait),
    CommitAnswered(CommitAnswer),
    /// ROLLBACK was answered: the tag and the status after it.
    RollbackAnswered {
        tag: String,
        /// It ended the transaction that was begun: the server did not warn that there was none, and
        /// nothing of the script was answered as what begins or ends one.
        ended_ours: bool,
        /// What `pg_xact_status` says of the transaction, where it could be asked.
        xact_status: Option<XactStatus>,
    },
    /// What the server says of the transaction, asked afresh after a lost link.
    Asked(Inquiry),
    /// A query inside the transaction was answered, and the transaction looked at.
    Looked(Box<Looked>),
    /// The transaction that was begun is not open any more, although nobody asked for its end: what
    /// became of it is not known.
    TransactionGone,
    /// A beat was refused, and the transaction has failed since: somebody cancelled the beat, or
    /// the server gave the transaction up.
    FoundFailed(Box<ServerMessage>),
    /// Whether a process of ours watches over the hold; why none does.
    Guard {
        /// `None`: it is there.
        missing: Option<Box<ServerMessage>>,
    },
    /// The transaction's number is on the server's disk: no crash gives it to another transaction.
    NumberDurable,
    /// The session is gone: the server ended it, or the link broke.
    SessionEnded(ServerMessage),
    PostVerified {
        results: Vec<StatementReport>,
    },
    /// The post-verification could not be run.
    PostVerifyFailed(Box<ServerMessage>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum CommitAnswer {
    /// With a tag and a transaction status.
    Tag {
        /// `COMMIT`, or `ROLLBACK` for a transaction that was aborted.
        tag: String,
        /// Whether the session is idle afterwards (status `I`).
        idle: bool,
        /// What `pg_xact_status` says of the transaction, where it could be asked.
        xact_status: Option<XactStatus>,
    },
    /// With an error: the transaction is rolled back.
    Refused {
        error: Box<ServerMessage>,
        /// What `pg_xact_status` says of the transaction, where it could be asked.
        xact_status: Option<XactStatus>,
    },
    /// The guard before COMMIT found another transaction than the one begun: the script ended it.
    OtherTransaction {
        /// What `pg_xact_status` says of the transaction that was begun.
        xact_status: Option<XactStatus>,
    },
    /// With the tag COMMIT, after the wait for synchronous standbys was cancelled: it is committed on
    /// this server, and nobody knows whether anywhere else.
    Local {
        warning: Box<ServerMessage>,
        /// Whether the session is idle afterwards.
        idle: bool,
        /// What `pg_xact_status` says of the transaction, where it could be asked.
        xact_status: Option<XactStatus>,
    },
    /// Not at all: the link broke after COMMIT may have been sent.
    LinkLost(Box<ServerMessage>),
}

/// Something that the program itself sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Added {
    /// Ahead of the script's statements, or between them.
    Ahead(String),
    /// Behind the last one.
    Behind(String),
}

impl std::fmt::Display for Added {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Added::Ahead(sql) | Added::Behind(sql)) = self;
        f.write_str(sql)
    }
}
