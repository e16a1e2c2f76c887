//! What a line of the journal can say.
//!
//! These names are a file format: a field may be added, none renamed.

mod past_reading;
mod words;

pub use past_reading::ReadBefore;
pub use words::{CheckStage, PhaseWord};

use crate::facts::{OutcomeWord, Perusal, Said, ServerMessage, Standing, StatementEnd};
use crate::runbook::check::Verdict;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    Opened(Box<Opened>),
    Connected {
        target: serde_json::Value,
    },
    Evidence {
        item: String,
        /// Whether it supports a signature.
        #[serde(
            serialize_with = "words::write_standing",
            deserialize_with = "words::read_standing"
        )]
        standing: Standing,
        summary: String,
        #[serde(default)]
        lines: Vec<String>,
        /// The journal of the rehearsal that it rests on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rehearsal: Option<String>,
    },
    Signed {
        item: String,
        /// The sentence that was signed.
        title: String,
        /// What was typed with it.
        note: Option<String>,
        /// The evidence that was on screen.
        evidence: Vec<String>,
    },
    Withdrawn {
        item: String,
    },
    Perused(Perused),
    /// A reading of an earlier run was taken over: the document need not be read again.
    ReadBefore(Box<ReadBefore>),
    BackupStarted {
        /// The file that it is going to be.
        path: String,
        database_bytes: u64,
        free_bytes: u64,
    },
    BackedUp {
        path: String,
        bytes: u64,
        milliseconds: u64,
        sha256: String,
        entries: usize,
        tables: usize,
        /// The version of `pg_dump`.
        program: String,
        server: String,
    },
    /// No dump was made, or what was made is not there any more.
    BackupFailed {
        why: String,
    },
    /// The server was asked which way a run before this one went.
    EarlierAsked {
        journal: String,
        /// What is known of it since.
        answer: String,
    },
    Begun {
        xid: String,
        /// What the program itself sent.
        added: Vec<String>,
    },
    /// The transaction's number is on the server's disk, so that what the server says of it counts
    /// after a crash as well.
    NumberDurable,
    Statement(Box<StatementEnded>),
    /// But for what a statement failed of, which stands there.
    Said(Said),
    /// Whom the statement waited for that was ended by a lock it did not get.
    Blocked {
        number: Option<usize>,
        /// Each session in a line: pid, role, application, client, since when, its query.
        by: Vec<String>,
    },
    /// Who waited for the transaction while it was open, as far as somebody looked; also where nobody
    /// was seen to.
    Waited {
        /// How many sessions; where `more` says so there were more of them.
        sessions: usize,
        /// How often somebody looked; 0 in journals that do not say it.
        #[serde(default)]
        looks: usize,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
        /// The longest wait that was seen, in milliseconds.
        milliseconds: u64,
        /// Those that waited longest, each in a line.
        who: Vec<String>,
    },
    /// A check of the script, or of the post-verification.
    Checked {
        stage: CheckStage,
        name: String,
        verdict: Verdict,
        detail: String,
        /// The digest of the structure that a rehearsal came back to, where that is what was checked;
        /// journals of earlier releases have it in the detail alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        structure: Option<String>,
    },
    Queried(Queried),
    Phase {
        phase: PhaseWord,
        /// Why, where there is a reason.
        why: Option<String>,
        /// Something else than this program was found to have ended the transaction: it may have been
        /// committed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        strayed: bool,
    },
    /// COMMIT or ROLLBACK is about to be sent.
    Intent {
        decision: Decision,
        xid: Option<String>,
        /// Why a script without checks is committed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The second person who agreed to COMMIT.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        second_signer: Option<String>,
        /// The SHA-256 of what was approved, where COMMIT follows an approval by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved: Option<String>,
    },
    /// COMMIT was given on a pass that was rolled back, for a second one that comes out the same.
    Approved {
        /// The transaction that showed it.
        xid: Option<String>,
        /// The SHA-256 of what it showed.
        digest: String,
        /// How long ago it was let go, in milliseconds.
        age: u64,
        /// How old it may become, in milliseconds.
        limit: u64,
        /// Row counts and numbers may differ.
        numbers_may_differ: bool,
        /// Those of these statements; of all where there is none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        numbers_of: Vec<usize>,
        /// Why a script without checks is committed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        second_signer: Option<String>,
    },
    /// The second pass was held against what was approved.
    Compared {
        same: bool,
        /// What is, each in words; the first ones.
        #[serde(default)]
        differences: Vec<String>,
        /// How many there are beside these.
        #[serde(default)]
        more: usize,
    },
    /// A person acknowledged a finding of the linter.
    Acknowledged {
        item: String,
        finding: String,
    },
    Alarm {
        alarm: String,
    },
    Outcome {
        outcome: OutcomeWord,
        why: Option<String>,
        proof: String,
        /// It was rolled back because that was the plan of a rehearsal, which came to its end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rehearsed: bool,
        /// COMMIT was answered with the tag COMMIT, and the status contradicts it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        tag_contradicted: bool,
    },
    Left {
        code: u8,
    },
}

impl Opened {
    /// Whether it is of a rehearsal, which never commits.
    pub fn is_rehearsal(&self) -> bool {
        self.mode == "rehearse"
    }
}

impl Entry {
    /// The run came to this phase.
    pub fn phase(phase: PhaseWord, why: Option<String>) -> Entry {
        Entry::Phase {
            phase,
            why,
            strayed: false,
        }
    }

    /// The intent to do `decision`, with nothing said to it.
    pub fn intent(decision: Decision, xid: Option<String>) -> Entry {
        Entry::Intent {
            decision,
            xid,
            reason: None,
            second_signer: None,
            approved: None,
        }
    }
}

/// A document was before a person, and was left now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Perused {
    pub document: String,
    #[serde(flatten)]
    pub perusal: Perusal,
    /// [`Script::sha256_as_read`](crate::runbook::script::Script::sha256_as_read); journals of earlier
    /// releases do not say it, nor is it said where the text went into a pipe or a file, on no screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A query inside the transaction was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queried {
    pub query: String,
    pub milliseconds: u64,
    /// How many rows were shown; `None` where it failed.
    pub rows: Option<u64>,
    pub more: bool,
    /// What the server said, where it failed.
    pub error: Option<ServerMessage>,
    /// What was not as before afterwards.
    pub disturbed: Option<String>,
}

/// A statement of the script that came to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementEnded {
    #[serde(flatten)]
    pub place: StatementPlace,
    #[serde(flatten)]
    pub end: StatementEnd,
}

/// Which statement of the script it is: what a run knows from the script itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementPlace {
    pub number: usize,
    pub line: usize,
    /// Its file, where it is not the script's own.
    #[serde(default)]
    pub file: Option<String>,
    #[serde(default)]
    pub section: Option<String>,
    pub kind: String,
    pub relation: Option<String>,
    /// [`Statement::about`](crate::runbook::script::Statement::about)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// What is known when a run begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub version: String,
    /// `run`, `rehearse` or `inspect`.
    pub mode: String,
    pub runbook: String,
    pub script: String,
    pub script_sha256: String,
    pub os_user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
    /// The number of the user who logged in, whoever they became since by `su` or `sudo`; where the system
    /// keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// `SSH_CONNECTION`, where there is one.
    pub ssh_connection: Option<String>,
    /// The machine that the program runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The time of that machine's own zone, with its distance from UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time: Option<String>,
    /// The change that it is for, as `--ticket` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The window that it was given, as `--window` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// The hold limit, in milliseconds.
    pub hold_limit: u64,
    /// The checklist, so that an item nobody signed has its sentence too.
    #[serde(default)]
    pub checklist: Vec<Item>,
    /// The rollback scripts, in the order in which they would be run.
    #[serde(default)]
    pub rollbacks: Vec<File>,
    /// The files of checks: before, on the checklist, after.
    #[serde(default)]
    pub checks: Vec<File>,
    /// Every file that was read, `runbook.toml` first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// The runbook's folder, where it is not the built-in one.
    #[serde(default)]
    pub folder: Option<String>,
    /// What it rehearses, where it is a rehearsal up and down.
    #[serde(default)]
    pub rehearses: Option<Rehearses>,
    /// psql's variables of the command line, in the order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<(String, String)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearses {
    pub script: File,
    pub rollbacks: Vec<File>,
    /// The server whose schema it was done on, where that was a clone.
    #[serde(default)]
    pub clone_of: Option<crate::facts::Target>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub id: String,
    pub title: String,
}

/// A file of the runbook as it was at the time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub name: String,
    pub sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decision {
    Commit,
    #[serde(rename = "ROLLBACK")]
    RollBack,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_run_and_its_journal_know_alike_is_written_as_it_always_was() {
        let said = r#"{"severity":"ERROR","sqlstate":"55P03","message":"m","detail":null,"hint":"h","context":null}"#;
        let failed = format!(
            r#"{{"what":"statement","number":2,"line":20,"file":null,"section":"S","kind":"ALTER TABLE","relation":"a.b","milliseconds":200,"waited":150,"tag":null,"rows":null,"locks":[],"error":{said}}}"#
        );
        let done = r#"{"what":"statement","number":3,"line":21,"file":"b.sql","section":null,"kind":"SELECT","relation":null,"about":"a check","milliseconds":2,"tag":"SELECT 7","rows":7,"locks":["ROW SHARE a.\"b c\"","SHARE a.b"],"error":null}"#;
        let told = format!(r#"{{"what":"said","number":null,"message":{said}}}"#);
        let queried = r#"{"what":"queried","query":"TABLE t","milliseconds":3,"rows":null,"more":false,"error":null,"disturbed":null}"#;
        let perused = r#"{"what":"perused","document":"a.sql","milliseconds":9,"lines":3,"shown":1,"seen":2}"#;
        for line in [&failed, done, &told, queried, perused] {
            let entry: Entry = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&entry).unwrap(), line);
        }
    }
}
