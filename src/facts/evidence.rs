//! What the program found out for an item of the checklist.

use crate::runbook::check::Check;

/// What the program found out for a checklist item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize)]
pub struct Evidence {
    /// Whether it supports a signature.
    pub standing: Standing,
    pub summary: String,
    pub lines: Vec<String>,
    /// Rows that carry a verdict, where the evidence is a set of checks.
    #[serde(skip)]
    pub checks: Vec<Check>,
    /// The journal of a rehearsal that stands for reading the rollback scripts: of these scripts, on
    /// the structure that the target has now.
    pub rehearsal: Option<String>,
    /// How many findings of the linter there are; `None` where it says nothing of that.
    #[serde(skip)]
    pub findings: Option<usize>,
}

impl Evidence {
    /// Whether it is not there yet, and what takes a while is known.
    pub fn is_under_way(&self) -> bool {
        self.standing == Standing::Awaited && !self.summary.is_empty()
    }

    /// All of it, the summary first, a line each; nothing where nothing was found.
    pub fn in_lines(&self) -> Vec<String> {
        let summary = Some(&self.summary).filter(|summary| !summary.is_empty());
        summary.cloned().into_iter().chain(self.told()).collect()
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
