//! WHAT is to be done: the manifest, the script and its statements, the checks, and the runbook
//! that is built in.
//!
//! Files only: nothing here knows a server, a screen or a clock.

mod admission;
mod built_in;
pub mod check;
mod classify;
pub mod encoding;
pub mod error;
pub mod highlight;
pub mod impact;
mod join;
pub mod lasting;
mod letters;
mod lexer;
mod lint;
mod linting;
pub mod listing;
pub mod lock;
pub mod manifest;
mod meta;
pub mod objects;
pub(crate) mod ordinary;
mod parsed;
mod places;
pub mod printable;
pub mod question;
mod reading;
pub mod rehearsal;
pub mod rollback;
mod scanner;
pub mod script;
mod sections;
mod setting;
mod substitution;
pub mod targets;
pub mod text;
pub mod variables;

use impact::Impact;
use script::{Script, ScriptRefusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The manifest's name in a runbook's folder.
pub const MANIFEST: &str = "runbook.toml";

/// The name of the threads on which a foreign parser works, which may fail.
pub(crate) const PARSER_THREAD: &str = "squawk";

/// Everything for one change: script, checklist, expected state, post-verification, rollbacks.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// What the change is called, on every screen and in the journal.
    pub title: String,
    pub origin: RunbookOrigin,
    /// The database it is meant for; another one is a failed probe of the connection item.
    pub expected_database: Option<String>,
    /// The script that is applied in the held transaction.
    pub script: Script,
    /// The checklist, in the order in which it is shown.
    pub items: Vec<ChecklistItem>,
    /// Checks that must hold before the script is applied.
    pub expected_state: Option<Script>,
    /// Checks that are run, read-only, after COMMIT.
    pub post_verification: Option<Script>,
    /// The rollback scripts, in the order in which they would be run.
    pub rollbacks: Vec<Script>,
    /// What the instructions promise of the script, by section.
    pub promises: Vec<impact::Promise>,
    /// Where its names without a schema are looked for.
    pub search_path: SearchPath,
    /// The servers that it knows by name, `[[target]]` in `runbook.toml`.
    pub targets: Vec<targets::Named>,
    /// `runbook.toml` itself, where there is one.
    pub manifest: Option<script::Source>,
    /// Where a run of it is decided, unless the command line says otherwise.
    pub decide: Decide,
    /// What the script is expected to do, once somebody asked.
    pub weighed: impact::Weighed,
}

/// Where names without a schema are looked for, in the form of the server's setting `search_path`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchPath {
    /// In the files of checks and in the preview of a rollback; else in `pg_catalog` alone.
    pub checks: Option<String>,
    /// In the script and the rollback scripts; else where the session looks, as in psql.
    pub script: Option<String>,
}

/// Where a run is decided, `decide` in `runbook.toml`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decide {
    /// At the gate, with the transaction held.
    #[default]
    Held,
    /// With nothing held: each pass is rolled back the moment its verdict is there.
    Unheld,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunbookOrigin {
    BuiltIn,
    Folder(std::path::PathBuf),
    /// A bare script, without a manifest.
    BareScript(std::path::PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChecklistItem {
    /// Stable name, as in `runbook.toml`.
    pub id: String,
    pub title: String,
    /// Which evidence the program looks for.
    pub kind: ItemKind,
    /// What an [`ItemKind::Attest`] says in full.
    pub text: Option<String>,
    pub checks: Option<Script>,
    /// What a person is asked for with the signature, as a question; it is recorded.
    pub asks: Option<String>,
}

impl ChecklistItem {
    /// An item that brings neither a text nor checks of its own.
    pub fn new(id: &str, title: &str, kind: ItemKind) -> ChecklistItem {
        ChecklistItem {
            id: id.to_owned(),
            title: title.to_owned(),
            kind,
            text: None,
            checks: None,
            asks: None,
        }
    }
}

impl Runbook {
    /// What the script is expected to do: read from its text once, and the same for everybody.
    pub fn impact(&self) -> &Arc<Impact> {
        self.weighed.of(self)
    }

    /// Parses and lints all of its scripts, and weighs the impact. It waits for what somebody else has begun.
    /// The script that is applied comes first: what it touches is asked about. The others have every core but
    /// one, which is left to whoever goes on meanwhile.
    pub fn read_through(&self) {
        self.impact();
        let rest = self.scripts().skip(1).filter(|script| !script.is_linted());
        let rest: Vec<&Script> = rest.collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let readers = rest.len().min(cores.saturating_sub(1));
        let next = AtomicUsize::new(0);
        let read = || {
            while let Some(script) = rest.get(next.fetch_add(1, Ordering::Relaxed)) {
                script.findings();
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..readers {
                scope.spawn(read);
            }
            read();
        });
    }

    /// Whether the impact is weighed, so that nobody who asks for it waits.
    pub fn is_weighed(&self) -> bool {
        self.weighed.is_known()
    }

    /// Whether all of that is done, so that nobody who asks waits.
    pub fn is_read_through(&self) -> bool {
        self.is_weighed() && self.scripts().all(Script::is_linted)
    }

    /// A script alone, with nothing to sign and nothing beside it.
    pub fn bare(title: impl Into<String>, origin: RunbookOrigin, script: Script) -> Runbook {
        Runbook {
            title: title.into(),
            origin,
            expected_database: None,
            script,
            items: Vec::new(),
            expected_state: None,
            post_verification: None,
            rollbacks: Vec::new(),
            promises: Vec::new(),
            search_path: SearchPath::default(),
            targets: Vec::new(),
            manifest: None,
            decide: Decide::default(),
            weighed: impact::Weighed::default(),
        }
    }

    /// Another walk, of this script, where this runbook is meant for; its checklist and checks are to be
    /// given.
    fn derive(&self, title: String, script: Script) -> Runbook {
        Runbook {
            expected_database: self.expected_database.clone(),
            search_path: self.search_path.clone(),
            targets: self.targets.clone(),
            manifest: self.manifest.clone(),
            ..Runbook::bare(title, self.origin.clone(), script)
        }
    }

    /// The files whose rows are checks, in the order of the walk: before, on the checklist, after.
    pub fn check_files(&self) -> impl Iterator<Item = &Script> {
        let own = self.items.iter().filter_map(|item| item.checks.as_ref());
        (self.expected_state.iter())
            .chain(own)
            .chain(&self.post_verification)
    }

    /// All of its scripts, the one that is applied first.
    pub fn scripts(&self) -> impl Iterator<Item = &Script> {
        let own = std::iter::once(&self.script);
        own.chain(self.check_files()).chain(&self.rollbacks)
    }

    /// Why `run` would not start: what is refused in the script and in the files of checks. A
    /// rollback script that is refused stands against the item that signs for it.
    pub fn refusals(&self) -> impl Iterator<Item = (&Script, &ScriptRefusal)> {
        let scripts = std::iter::once(&self.script).chain(self.check_files());
        scripts.flat_map(|script| script.refusals.iter().map(move |refusal| (script, refusal)))
    }
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
    /// The rows of a file of checks that the runbook brings for this item.
    Checks,
}
