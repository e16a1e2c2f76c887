//! For looking, at any time, with any role that may connect: what is applied, the checks, the
//! structure of the script's tables, who holds locks on them, the scripts, past runs.
//!
//! Nothing here can write. The only order that its task with the server takes is [`LookOrder`]; there is
//! no word for anything else. The connection is read-only by the server, each query runs in a READ
//! ONLY transaction, and of the script itself only the queries behind its last statement that
//! changes something are ever sent (I4).

pub mod applied;
mod catalog;
pub mod compare;
mod expected;
mod kinds;
pub mod looking;
pub mod past;
pub mod screen;
mod shown;
mod structure;
pub mod telling;
mod view;
pub mod watch;

use crate::facts::{Millis, OtherSession, Target};
use crate::runbook::Runbook;
use crate::runbook::check::{Check, Tally};
use crate::runbook::impact::Measure;
use crate::runbook::script::{Script, Statement};
use compare::Comparison;

/// The one thing that can be ordered: to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookOrder {
    /// The checks as well, which may read whole tables; otherwise catalogs and locks only.
    pub checks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InspectStage {
    ExpectedState,
    /// The checks that the checklist item with this index brings.
    Item(usize),
    Verification,
    PostVerification,
}

impl InspectStage {
    pub fn all(runbook: &Runbook) -> Vec<InspectStage> {
        let items = (0..runbook.items.len()).map(InspectStage::Item);
        let own = items.filter(|item| item.script(runbook).is_some());
        std::iter::once(InspectStage::ExpectedState)
            .chain(own)
            .chain([InspectStage::Verification, InspectStage::PostVerification])
            .collect()
    }

    /// What it is called on screens.
    pub fn title(self) -> &'static str {
        match self {
            InspectStage::ExpectedState => "expected state",
            InspectStage::Item(_) => "checklist",
            InspectStage::Verification => "verification",
            InspectStage::PostVerification => "post-verification",
        }
    }

    /// What it is called in JSON.
    pub fn word(self) -> String {
        self.title().replace([' ', '-'], "_")
    }

    /// The file its checks stand in.
    pub fn script(self, runbook: &Runbook) -> Option<&Script> {
        match self {
            InspectStage::ExpectedState => runbook.expected_state.as_ref(),
            InspectStage::Item(item) => runbook.items.get(item)?.checks.as_ref(),
            InspectStage::Verification => Some(&runbook.script),
            InspectStage::PostVerification => runbook.post_verification.as_ref(),
        }
    }

    pub fn queries(self, runbook: &Runbook) -> Vec<&Statement> {
        match (self, self.script(runbook)) {
            (_, None) => Vec::new(),
            (InspectStage::Verification, Some(script)) => own_checks(script),
            (_, Some(script)) => script.sent().collect(),
        }
    }
}

/// The plain queries behind the last statement of a script that is no query: its own verification.
/// What stands before that is never sent, for it may need what the script makes on its way.
pub fn own_checks(script: &Script) -> Vec<&Statement> {
    let sent: Vec<&Statement> = script.sent().collect();
    let behind = sent
        .iter()
        .rposition(|statement| statement.kind != "SELECT" || statement.copy_data().is_some())
        .map_or(0, |last| last + 1);
    sent.into_iter().skip(behind).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSet {
    pub stage: InspectStage,
    pub file: String,
    pub checks: Vec<(usize, Check)>,
    /// The checks that say FAIL because nothing of their migration is there: no fault, it is not
    /// applied.
    pub absent: Vec<(usize, Check)>,
    /// How many statements did not answer. A FAIL among the checks, or a silence, says why for each.
    pub unanswered: usize,
    /// Statements that got no answer though nothing failed: somebody else holds a lock.
    pub silent: Vec<Silent>,
}

/// A statement of checks that nothing answered, and that says nothing about what it would check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    pub number: usize,
    pub name: String,
    /// Why, with who is in the way.
    pub why: String,
}

/// How many statements of all stages nothing answered.
pub fn silent(sets: &[CheckSet]) -> usize {
    sets.iter().map(|set| set.silent.len()).sum()
}

/// How many checks of all stages are of what is not applied.
pub fn absent(sets: &[CheckSet]) -> usize {
    sets.iter().map(|set| set.absent.len()).sum()
}

impl CheckSet {
    pub fn tally(&self) -> Tally {
        Tally::of(self.checks.iter().map(|(_, check)| check))
    }
}

pub fn tally(sets: &[CheckSet]) -> Tally {
    let mut all = Tally::default();
    for set in sets {
        all.add(set.tally());
    }
    all
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inspection {
    pub target: Target,
    /// The checks, where they were asked for.
    pub sets: Option<Vec<CheckSet>>,
    pub tables: Vec<InspectedTable>,
    /// What the script makes of its tables, beside what is there.
    pub compared: Comparison,
    /// How large the tables are that the script touches.
    pub measure: Measure,
    /// Locks of others on those tables, held and waited for.
    pub locks: Vec<TableLock>,
    /// Transactions of others in this database that have been open for long.
    pub long: Vec<OtherSession>,
    pub problems: Vec<String>,
    /// How long the look took, in milliseconds.
    pub took: Millis,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InspectedTable {
    /// Its name, with its schema, quoted where it must be.
    pub name: String,
    /// What the catalog says; `None` where there is no such table, or none that is visible.
    pub found: Option<CatalogTable>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogTable {
    /// `table`, `partitioned table`, `view` …
    pub kind: String,
    pub owner: String,
    /// The planner's estimate; `None` where it was never analysed.
    pub rows: Option<u64>,
    /// Whether this role may read its rows.
    pub readable: bool,
    /// Table, its indexes, all of it, in words; `None` where they could not be read.
    pub sizes: Option<[String; 3]>,
    pub columns: Vec<CatalogColumn>,
    pub indexes: Vec<TablePart>,
    pub constraints: Vec<TablePart>,
    pub triggers: Vec<TablePart>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogColumn {
    pub name: String,
    pub kind: String,
    /// `NOT NULL`, `DEFAULT …`, as it would be declared.
    pub rest: String,
    pub not_null: bool,
    pub default: Option<String>,
    /// `a`, `d` for IDENTITY, `s`, `v` for a generated column, else empty, as the catalog says.
    pub generated: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TablePart {
    pub name: String,
    pub definition: String,
    /// `INVALID`, `not validated`: what keeps it from doing its work.
    pub trouble: Option<String>,
    /// Its size in words, for an index.
    pub size: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableLock {
    /// Without a process where it is a prepared transaction's.
    pub by: OtherSession,
    pub relation: String,
    pub mode: String,
    /// It is held; otherwise it is waited for.
    pub granted: bool,
}
