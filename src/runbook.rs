//! WHAT is to be done: the manifest, the script and its statements, the checks, and the runbook
//! that is built in.
//!
//! Files only: nothing here knows a server, a screen or a clock.

mod admission;
mod built_in;
pub mod check;
mod classify;
pub mod highlight;
mod join;
mod lexer;
mod lint;
pub mod listing;
pub mod manifest;
mod meta;
mod places;
pub mod printable;
mod reading;
pub mod rehearsal;
pub mod rollback;
mod scanner;
pub mod script;
mod sections;

use script::Script;

/// Everything for one change: script, checklist, expected state, post-verification, rollbacks.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// What the change is called, on every screen and in the journal.
    pub title: String,
    /// Where it was read from.
    pub origin: Origin,
    /// The database it is meant for; another one is a failed probe of the connection item.
    pub expected_database: Option<String>,
    /// The script that is applied in the held transaction.
    pub script: Script,
    /// The checklist, in the order in which it is shown.
    pub items: Vec<Item>,
    /// Checks that must hold before the script is applied.
    pub expected_state: Option<Script>,
    /// Checks that are run, read-only, after COMMIT.
    pub post_verification: Option<Script>,
    /// The rollback scripts, in the order in which they would be run.
    pub rollbacks: Vec<Script>,
}

/// Where a runbook was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled into the program.
    BuiltIn,
    /// A folder with a `runbook.toml`.
    Folder(std::path::PathBuf),
    /// A bare script, without a manifest.
    BareScript(std::path::PathBuf),
}

/// One item of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Stable name, as in `runbook.toml`.
    pub id: String,
    /// The sentence a person signs.
    pub title: String,
    /// Which evidence the program looks for.
    pub kind: ItemKind,
}

/// Which evidence belongs to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A backup exists: a reference to it is typed.
    Backup,
    /// The script was reviewed: its hash, its counts, what the linter says; read to its end.
    Review,
    /// The session reached the right server, database and role.
    Connection,
    /// The rows of the expected-state checks.
    Structure,
    /// The rollback scripts are present and were read to their end.
    Rollback,
    /// A sentence to sign, without evidence of the program's own.
    Attest,
}
