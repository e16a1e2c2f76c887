//! Everything that can happen to a run, as data.
//!
//! The database reports in the past tense, a person asks, time passes, the world ends. Payloads
//! are carried whole so that screens and the journal can show them; the machine reads only what it
//! decides on.

use super::backup::{Dump, Dumping};
use super::pass::{Pass, Structure};
use crate::runbook::Runbook;
use crate::runbook::check::{Check, ResultSet};
use crate::runbook::impact::Measure;
use crate::runbook::script::Script;
use crate::runbook::targets::{self, Named, Reached};
use std::sync::Arc;

pub use crate::runbook::lock::LockMode;

/// A stretch of time, in milliseconds.
pub type Millis = u64;

/// The number of a database request; its reports echo it.
pub type Seq = u32;

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Reported(Report),
    /// The monitor saw something. It is shown and never acted on (I12).
    Observed(Observation),
    /// A person asks for something.
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
    Perused(Perusal),
    /// Something ends the run, whatever a person wants.
    Alarmed(Alarm),
    /// The journal cannot be written any more; why. COMMIT is forbidden from here on.
    JournalLost(String),
    /// What came out of the pass, as it was shown, but for its structure; told before
    /// [`Body::Settled`].
    CameOut(Arc<Pass>),
    /// The intent to COMMIT could not be put on disk, so COMMIT was not sent (I6); why.
    IntentLost(String),
}

/// What a person can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Sign an item, with the typed reference where it takes one.
    SignOff {
        item: usize,
        /// The typed text, such as the reference to a backup.
        note: Option<String>,
    },
    Withdraw {
        item: usize,
    },
    /// Look for the evidence of every item again.
    ProbeAgain,
    /// Make a dump of the database.
    BackUp {
        /// The folder to put it into, as it was typed.
        folder: String,
    },
    /// Leave out what the runbook says can be left out, or take it back in.
    LeaveOut,
    /// Open the transaction and run the script.
    Apply,
    /// Cancel the statement that runs, or the dump under way.
    Cancel,
    /// Acknowledge the next finding of the linter on an item.
    Acknowledge {
        item: usize,
    },
    /// Open what COMMIT asks first.
    AskCommit,
    /// Why a script without checks is committed.
    ReasonGiven(String),
    /// The second person's name.
    SecondSigned(String),
    /// COMMIT, with the name that was typed.
    NameTyped(String),
    /// Open the question whether to roll back.
    AskRollback,
    ConfirmRollback,
    /// Ask something inside the held transaction.
    Query(String),
    /// Roll back now, and review what the pass showed with nothing held.
    TakeTime,
    /// Let counts and numbers differ in the second pass, or not any more: those of the statement with
    /// this number, or all.
    AllowNumbers(Option<usize>),
    StepBack,
    Extend,
    /// Back to the checklist after a rollback.
    Again,
    /// End the old backend that still holds the transaction of a lost link.
    EndBackend,
    /// Ask the server again which way the transaction went.
    AskAgain,
    Quit,
}

/// One time that a document was open before a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Perusal {
    pub document: Document,
    /// From when it was opened until it was left.
    pub lasted: Millis,
    /// How many lines it has.
    pub lines: usize,
    /// How many of them were on the screen this time.
    pub shown: usize,
    /// How many of them were on the screen at any time so far.
    pub seen: usize,
}

/// A text that a person reads before signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Document {
    Script,
    /// The rollback script with this index.
    Rollback(usize),
    /// The file of checks that the item with this index brings.
    Checks(usize),
}

impl Document {
    /// The file that it is.
    pub fn script_of(self, runbook: &Runbook) -> Option<&Script> {
        match self {
            Document::Script => Some(&runbook.script),
            Document::Rollback(index) => runbook.rollbacks.get(index),
            Document::Checks(item) => runbook.items.get(item)?.checks.as_ref(),
        }
    }
}

/// What ends a run from outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// SIGHUP, or the terminal is gone.
    HungUp,
    Interrupted,
    Terminated,
    /// A part of the program itself died; its name.
    PartDied(&'static str),
    /// A person asked a second time to leave, whatever is open.
    Quit,
}

/// A report of the held session, with the number of the request it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The request that it answers.
    pub seq: Seq,
    pub body: Body,
}

/// What is said of a session whose link this program closed.
pub const CLOSED_BY_US: &str = "this program closed the link";

/// What the held session reports.
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
    /// A dump is being made.
    BackupStarted(Box<Dumping>),
    BackupProgressed(Box<Dumping>),
    /// It is made, and was read back.
    BackedUp(Box<Dump>),
    /// There is none, and nothing of it was left; why.
    BackupFailed(String),
    /// Looked for again, the dump of this run is not what it was; why.
    BackupLost(String),
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
        /// It is the one that was begun.
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
    /// COMMIT was answered, or was not.
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
    Looked(Box<super::query::Looked>),
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
}

/// What `pg_xact_status` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum XactStatus {
    /// `committed`
    Committed,
    /// `aborted`
    Aborted,
    /// `in progress`
    InProgress,
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

/// The server, database and role that the session really reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Target {
    /// Host name or socket directory, as asked for.
    pub host: String,
    /// The address that was asked for beside the name (`hostaddr`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostaddr: Option<String>,
    /// The server's own address, where it has one.
    pub address: Option<String>,
    pub port: u16,
    /// `current_database()`
    pub database: String,
    /// `current_user`
    pub role: String,
    /// `session_user`, where it differs.
    pub session_role: Option<String>,
    /// `server_version`
    pub server_version: String,
    /// `server_version_num`
    pub server_version_num: u32,
    /// `system_identifier`, where the role may see it.
    pub system_identifier: Option<String>,
    /// `timeline_id`, where the role may see it.
    pub timeline: Option<u32>,
    /// When the server's statistics began, in seconds. They survive a clean restart and start anew
    /// after a crash, and every role may see it: so this tells whether the server crashed since.
    pub recovered: Option<String>,
    /// When the server process was started, in seconds: no two have the same.
    #[serde(default)]
    pub started: Option<String>,
    /// The server's clock when it was asked all this, in seconds.
    #[serde(default)]
    pub asked_at: Option<String>,
    /// Since when the server's data directory is the one it is (the change time of a file that
    /// nobody changes), in seconds, where the role may see it. A copy has another.
    #[serde(default)]
    pub files_since: Option<String>,
    /// `pg_is_in_recovery()`: a standby.
    pub in_recovery: bool,
    /// `transaction_read_only` is on for new transactions.
    pub read_only: bool,
    pub backend_pid: i32,
    /// The process id that the wire protocol named; a different one means a pooler.
    pub protocol_pid: i32,
    /// TLS version and cipher, or `None` for plain text.
    pub tls: Option<String>,
    /// How far it is to the address that was reached.
    #[serde(default)]
    pub reach: Reach,
    /// Replication clients that this server feeds; their sessions wait too.
    pub standbys: u32,
}

/// How far it is to the address that was reached; what it is called does not count.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Socket,
    ThisMachine,
    Network,
    /// An older journal does not say it, or one says it otherwise.
    #[default]
    #[serde(other)]
    Unknown,
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

/// The severity of what this program says of messages of the server that it did not keep.
pub const NOT_KEPT: &str = "NOT KEPT";

impl Target {
    /// Whether it is the same database, as far as both tell.
    pub fn is_same_database(&self, other: &Target) -> bool {
        self.database == other.database
            && match (&self.system_identifier, &other.system_identifier) {
                (Some(one), Some(other)) => one == other,
                _ => self.host == other.host && self.port == other.port,
            }
    }

    /// `role@host:port/database`.
    pub fn place(&self) -> String {
        let Target {
            role,
            host,
            port,
            database,
            ..
        } = self;
        format!("{role}@{host}:{port}/{database}")
    }

    /// How the link is protected, in a word: the version of TLS, `plaintext`, or `socket`, which is neither.
    pub fn protection(&self) -> &str {
        let socket = match self.reach {
            Reach::Socket => true,
            Reach::Unknown => self.host.starts_with(['/', '@']),
            Reach::ThisMachine | Reach::Network => false,
        };
        match &self.tls {
            Some(tls) => tls.split(',').next().unwrap_or(tls),
            None if socket => "socket",
            None => "plaintext",
        }
    }

    /// Whether whoever is on the way can read and change what is sent.
    pub fn is_exposed(&self) -> bool {
        self.tls.is_none() && self.reach == Reach::Network
    }

    /// `primary` or `standby`.
    pub fn part(&self) -> &'static str {
        match self.in_recovery {
            true => "standby",
            false => "primary",
        }
    }

    /// What a runbook calls it, where it knows it.
    pub fn named<'a>(&self, known: &'a [Named]) -> Option<&'a Named> {
        let reached = Reached {
            host: &self.host,
            address: self.address.as_deref(),
            port: self.port,
            database: &self.database,
            system_identifier: self.system_identifier.as_deref(),
        };
        targets::find_target(known, reached)
    }
}

/// What the program found out for a checklist item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize)]
pub struct Evidence {
    /// Whether it supports a signature.
    pub standing: Standing,
    pub summary: String,
    /// The rest, a line each.
    pub lines: Vec<String>,
    /// Rows that carry a verdict, where the evidence is a set of checks.
    #[serde(skip)]
    pub checks: Vec<Check>,
    /// The journal of a rehearsal that stands for reading the rollback scripts: of these scripts, on
    /// the structure that the target has now.
    pub rehearsal: Option<String>,
}

impl Evidence {
    /// Whether it is not there yet, and what takes a while is known.
    pub fn is_under_way(&self) -> bool {
        self.standing == Standing::Awaited && !self.summary.is_empty()
    }

    /// All of it below the summary, a line each: the lines, then the checks.
    pub fn told(&self) -> impl Iterator<Item = String> {
        let checks = self.checks.iter();
        let checks = checks.map(|c| format!("{}  {}  {}", c.verdict.word(), c.name, c.detail));
        self.lines.iter().cloned().chain(checks)
    }
}

/// Whether evidence supports a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
pub enum Standing {
    #[default]
    Awaited,
    Holds,
    /// It does, with a warning.
    Warns,
    /// There is none but what a person says or reads.
    Asks,
    /// It does not: the item cannot be signed.
    Fails,
    /// Nothing answered, for somebody holds a lock for instance: it cannot be signed either.
    Silent,
}

impl Standing {
    /// Whether the item cannot be signed on it.
    pub fn forbids(self) -> bool {
        match self {
            Standing::Fails | Standing::Silent => true,
            Standing::Awaited | Standing::Holds | Standing::Warns | Standing::Asks => false,
        }
    }

    /// What it is called once it was looked at, before a person did their part.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Awaited => "being looked at",
            Standing::Holds => "HOLDS",
            Standing::Warns => "WARNS",
            Standing::Asks => "NEEDS YOU",
            Standing::Fails => "FAILS",
            Standing::Silent => "NO ANSWER",
        }
    }
}

/// What a statement that succeeded left behind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StatementReport {
    pub number: usize,
    /// From the answer before it to its own.
    pub duration: Millis,
    /// The server's command tag, such as `CREATE INDEX`.
    pub tag: String,
    /// Its result, where it returned rows.
    pub result: Option<ResultSet>,
    /// The checks among its rows, as [`crate::runbook::check`] reads them.
    pub checks: Vec<Check>,
    /// Locks held after it that were not held before.
    pub locks: Vec<Lock>,
}

/// A lock on a relation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lock {
    pub mode: LockMode,
    /// The relation, qualified with its schema.
    pub relation: String,
}

/// An error or notice, from the server or about the link to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ServerMessage {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE` …; empty when it does not come from the server.
    pub severity: String,
    /// SQLSTATE; `None` when it does not come from the server.
    pub sqlstate: Option<String>,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<usize>,
}

impl ServerMessage {
    /// Whether the server says that it starts up, recovers or shuts down (`cannot_connect_now`).
    pub fn is_not_ready(&self) -> bool {
        self.sqlstate.as_deref() == Some("57P03")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Observation {
    /// A look at the server.
    Seen(Box<Sight>),
    /// The end of the server's log, or why it is not shown.
    Logged(ServerLog),
    /// The monitor cannot look; why. The transaction is not affected.
    Blind(String),
}

/// The server's own log, as far as the role may see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerLog {
    Tail {
        /// The file, as the server names it.
        file: String,
        /// The lines, the last one last.
        lines: Vec<String>,
        /// There are others before them.
        cut: bool,
    },
    /// The server collects no log of its own.
    NotCollected,
    /// The role may not read it.
    NotPermitted,
    /// It cannot be read; why.
    Unreadable(String),
}

/// One look at the server by the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Sight {
    /// Progress of the command that our session runs, where the server reports it.
    pub progress: Option<Progress>,
    /// Sessions that wait for us, the longest wait first.
    pub waiters: Vec<OtherSession>,
    /// Sessions that we wait for.
    pub blockers: Vec<OtherSession>,
    /// How long we have waited for them so far, where we do.
    pub waits: Option<Millis>,
}

/// Progress of a long command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Progress {
    /// Its phase in the server's words, such as `building index: scanning table`.
    pub phase: String,
    pub done: u64,
    /// Units in all; 0 where the server does not know.
    pub total: u64,
    /// `blocks`, `tuples` or `lockers`.
    pub unit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OtherSession {
    pub pid: i32,
    pub role: String,
    /// Its `application_name`.
    pub application: String,
    /// Where it comes from, an address or `local`, as far as our role may see it.
    pub client: Option<String>,
    /// Its state, as far as our role may see it.
    pub state: Option<String>,
    /// Its query, as far as our role may see it.
    pub query: Option<String>,
    /// The relation it waits on, or that we wait on.
    pub relation: Option<String>,
    /// How long it has waited, or for a blocker how long its transaction has been open.
    pub since: Option<Millis>,
    /// The sessions it waits for.
    pub behind: Vec<i32>,
}

impl OtherSession {
    /// Role, application, client and state, as far as they are known. Another stagegate is called one.
    pub fn who(&self) -> String {
        let mut text = self.role.clone();
        match self.application.as_str() {
            "" => {}
            ours if ours == "stagegate" || ours.starts_with("stagegate ") => {
                text.push_str(&format!(" ({ours}: another stagegate on this database)"));
            }
            other => text.push_str(&format!(" ({other})")),
        }
        if let Some(client) = &self.client {
            text.push_str(&format!(", {client}"));
        }
        if let Some(state) = &self.state {
            text.push_str(&format!(", {state}"));
        }
        text.trim_start().to_owned()
    }

    /// The session with its process number, and the relation that it is about.
    fn who_on_what(&self) -> String {
        let mut text = match self.pid {
            // A transaction that is prepared has no session.
            0 => self.who(),
            pid => format!("pid {pid} {}", self.who()),
        };
        if let Some(relation) = &self.relation {
            text.push_str(&format!(", on {relation}"));
        }
        text
    }

    /// A session that waits for us, in one line: on what, and for how long.
    pub fn in_the_queue(&self) -> String {
        let mut text = self.who_on_what();
        if let Some(since) = self.since {
            text.push_str(&format!(", for {}", in_words(since)));
        }
        text
    }

    /// All of a session that is in the way, in one line: its transaction's age, and its query as far as
    /// our role may see it.
    pub fn in_the_way(&self) -> String {
        let mut text = self.who_on_what();
        if let Some(since) = self.since {
            text.push_str(&format!(", open for {}", in_words(since)));
        }
        match (&self.query, &self.state) {
            (Some(query), _) => {
                let words: Vec<&str> = query.split_whitespace().collect();
                text.push_str(&format!(": {}", words.join(" ")));
            }
            (None, None) if self.pid != 0 => {
                text.push_str("; its state and query are hidden from this role");
            }
            (None, _) => {}
        }
        text
    }
}

/// A stretch of time in words: `350 ms`, `12 s`, `7 min`.
pub fn in_words(time: Millis) -> String {
    match time {
        0..1_000 => format!("{time} ms"),
        1_000..120_000 => format!("{} s", time / 1_000),
        _ => format!("{} min", time / 60_000),
    }
}
