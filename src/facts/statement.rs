//! What a statement left behind, and what the server said.

use super::Millis;
use crate::runbook::check::{Check, PackedRows, ResultSet};
use crate::runbook::lock::LockMode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// What a statement that succeeded left behind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StatementReport {
    pub number: usize,
    /// From the answer before it to its own.
    pub duration: Millis,
    /// The server's command tag, such as `CREATE INDEX`; that of many is kept once.
    pub tag: Arc<str>,
    pub result: Option<ResultSet>,
    /// The checks among its rows, as [`crate::runbook::check`] reads them.
    pub checks: Vec<Check>,
    /// Locks held after it that were not held before.
    pub locks: Vec<Lock>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lock {
    pub mode: LockMode,
    /// The relation, qualified with its schema.
    pub relation: String,
}

impl std::fmt::Display for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.mode.name(), self.relation)
    }
}

impl Lock {
    /// From `mode relation`, as a journal writes it. Some modes begin like others, so the longest counts.
    pub fn read(told: &str) -> Option<Lock> {
        let fits = LockMode::ALL.into_iter().filter_map(|mode| {
            let relation = told.strip_prefix(mode.name())?.strip_prefix(' ')?;
            Some((mode, relation))
        });
        let (mode, relation) = fits.max_by_key(|(mode, _)| mode.name().len())?;
        Some(Lock {
            mode,
            relation: relation.to_owned(),
        })
    }
}

/// How a statement of the script came to its end, as its run knows it and a journal holds it: a journal
/// is written with these names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StatementEnd {
    #[serde(rename = "milliseconds")]
    pub duration: Millis,
    /// For how much of that it was seen to wait for locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Millis>,
    /// The server's tag; `None` where it failed.
    #[serde(default, serialize_with = "write_tag", deserialize_with = "read_tag")]
    pub tag: Option<Arc<str>>,
    /// How many rows it returned, where it returned any.
    pub rows: Option<u64>,
    /// Locks newly taken.
    #[serde(serialize_with = "write_locks", deserialize_with = "read_locks")]
    pub locks: Box<[Lock]>,
    /// What the server said, where it failed.
    pub error: Option<Box<ServerMessage>>,
    /// Those of its rows that are kept; no journal holds them.
    #[serde(skip)]
    pub kept: Option<PackedRows>,
}

impl From<&StatementReport> for StatementEnd {
    fn from(report: &StatementReport) -> StatementEnd {
        StatementEnd {
            duration: report.duration,
            tag: Some(Arc::clone(&report.tag)),
            rows: report.result.as_ref().map(|result| result.total),
            locks: report.locks.as_slice().into(),
            kept: report.result.as_ref().map(PackedRows::pack),
            ..StatementEnd::default()
        }
    }
}

impl StatementEnd {
    /// Its result, with those of the rows that are kept: unpacked anew each time.
    pub fn result(&self) -> Option<ResultSet> {
        Some(self.kept.as_ref()?.unpack(self.rows?))
    }

    /// Whether it read, and locked nothing anew.
    pub fn only_looks(&self) -> bool {
        let reads = |tag: &str| tag.starts_with("SELECT");
        self.locks.is_empty() && self.tag.as_deref().is_some_and(reads)
    }
}

fn write_tag<S: Serializer>(tag: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
    tag.as_deref().serialize(to)
}

fn read_tag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<str>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Arc::from))
}

fn write_locks<S: Serializer>(locks: &[Lock], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(locks.iter().map(Lock::to_string))
}

fn read_locks<'de, D: Deserializer<'de>>(from: D) -> Result<Box<[Lock]>, D::Error> {
    let told = Vec::<String>::deserialize(from)?;
    Ok(told.iter().filter_map(|told| Lock::read(told)).collect())
}

/// An error or notice, from the server or about the link to it. A journal is written with these names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ServerMessage {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE` …; empty when it does not come from the server.
    pub severity: String,
    /// SQLSTATE; `None` when it does not come from the server.
    pub sqlstate: Option<String>,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// The context (call stack, or the file and statement of a post-verification).
    #[serde(default)]
    pub context: Option<String>,
    /// Where in the statement, in characters from 1; no journal holds it.
    #[serde(skip)]
    pub position: Option<usize>,
    /// It is of a session whose link this program closed itself; no journal holds it.
    #[serde(skip)]
    pub closed_by_us: bool,
}

/// A message, and what it is of. A journal is written with these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The statement that ran then; `None` outside the script.
    pub number: Option<usize>,
    pub message: ServerMessage,
}

impl ServerMessage {
    /// Whether the server says that it starts up, recovers or shuts down (`cannot_connect_now`).
    pub fn is_not_ready(&self) -> bool {
        self.sqlstate.as_deref() == Some("57P03")
    }
}

/// The severity of what this program says of messages of the server that it did not keep.
pub const NOT_KEPT: &str = "NOT KEPT";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_back_from_the_way_it_is_written() {
        for mode in LockMode::ALL {
            let relation = "a.\"b c\"".to_owned();
            let lock = Lock { mode, relation };
            assert_eq!(Lock::read(&lock.to_string()), Some(lock));
        }
        assert_eq!(Lock::read("nonsense"), None);
    }
}
