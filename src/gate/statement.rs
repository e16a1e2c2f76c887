//! What a statement left behind, and what the server said.

use super::time::Millis;
use crate::runbook::check::{Check, ResultSet};
use crate::runbook::lock::LockMode;
use serde::{Deserialize, Serialize};
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

impl ServerMessage {
    /// Whether the server says that it starts up, recovers or shuts down (`cannot_connect_now`).
    pub fn is_not_ready(&self) -> bool {
        self.sqlstate.as_deref() == Some("57P03")
    }
}

/// The severity of what this program says of messages of the server that it did not keep.
pub const NOT_KEPT: &str = "NOT KEPT";
