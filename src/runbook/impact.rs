//! The impact of a script before it is applied: what it adds, changes and drops beside what the
//! instructions promise, which locks it is expected to take, which of its statements read or write
//! whole tables.
//!
//! Expected, from the text alone: which lock a statement took is read from the server after it. A
//! statement that cannot be looked into is listed as that and counts for nothing.

mod looking;
mod rules;
mod telling;

pub use telling::{ImpactLine, grouped};

use super::Runbook;
use super::lock::LockMode;
use super::objects::{self, Change, Deed, Name, Objects, OpaqueStatement, Sort};
use super::script::Script;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

/// What the instructions promise of one section of a script: `[[promise]]` in `runbook.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// A word of the section's title, such as `011`.
    pub section: String,
    /// How many objects of each kind it adds. A kind that is not named is not promised.
    pub adds: Vec<(Sort, usize)>,
    /// How many objects it drops, of whatever kind.
    pub drops: Option<usize>,
}

/// What a script is expected to do to a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Impact {
    pub parts: Vec<SectionImpact>,
    /// The tables that it touches, in the order of the script.
    pub tables: Vec<Touched>,
    /// These, and what else a statement names that is no query: indexes, sequences, views. Whoever
    /// asks the server about what the script touches asks for these.
    pub relations: Vec<Name>,
    /// The strongest lock that it is expected to take on each relation that is there before.
    pub locks: Vec<ExpectedLock>,
    /// Its statements that read or write whole tables.
    pub scans: Vec<Scan>,
    /// Its statements that were not looked into.
    pub unseen: Vec<OpaqueStatement>,
}

/// The impact of one runbook's script, from the first time that somebody asks for it. A copy of the
/// runbook may get another script, so it begins anew.
#[derive(Debug, Default)]
pub struct Weighed(OnceLock<Arc<Impact>>);

impl Clone for Weighed {
    fn clone(&self) -> Weighed {
        Weighed::default()
    }
}

impl Weighed {
    pub(super) fn of(&self, runbook: &Runbook) -> &Arc<Impact> {
        self.0.get_or_init(|| Arc::new(Impact::of(runbook)))
    }

    pub(super) fn is_known(&self) -> bool {
        self.0.get().is_some()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SectionImpact {
    pub title: Option<String>,
    pub adds: BTreeMap<Sort, usize>,
    pub changes: BTreeMap<Sort, usize>,
    pub drops: BTreeMap<Sort, usize>,
    pub promise: Option<Promise>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    pub name: Name,
    pub added: bool,
}

/// The strongest lock that is expected on a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedLock {
    /// The relation, or words for one that the script does not name.
    pub relation: String,
    pub mode: LockMode,
    /// The numbers of the statements that take it, in order.
    pub statements: Vec<usize>,
}

/// A statement that reads or writes a whole table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub statement: usize,
    /// Its line, from 1.
    pub line: usize,
    pub table: Name,
    /// Each row is, or may be, written anew; otherwise each is read.
    pub rewrites: bool,
    /// It only does so where the object is not there already.
    pub guarded: bool,
    /// What it does, in words.
    pub what: String,
}

/// How large the tables of a script are, as the server said at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measure {
    pub tables: Vec<MeasuredTable>,
    pub problem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredTable {
    pub name: Name,
    /// What was found; `None` where there is no such table.
    pub found: Option<TableSize>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSize {
    /// Table, indexes and TOAST, in words; `None` where it could not be read.
    pub total: Option<String>,
    /// The planner's estimate of its rows; `None` where it was never analysed.
    pub rows: Option<u64>,
}

impl SectionImpact {
    /// Where what was counted is not what was promised, in words.
    pub fn differences(&self) -> Vec<String> {
        let Some(promise) = &self.promise else {
            return Vec::new();
        };
        let mut differences = Vec::new();
        for (sort, promised) in &promise.adds {
            let counted = self.adds.get(sort).copied().unwrap_or_default();
            if counted != *promised {
                differences.push(format!(
                    "{promised} {} promised, {counted} counted in the script",
                    telling::plural(sort, *promised)
                ));
            }
        }
        let dropped: usize = self.drops.values().sum();
        if let Some(promised) = promise.drops.filter(|promised| *promised != dropped) {
            differences.push(format!(
                "{promised} to be dropped promised, {dropped} counted in the script"
            ));
        }
        differences
    }

    fn is_empty(&self) -> bool {
        self.adds.is_empty()
            && self.changes.is_empty()
            && self.drops.is_empty()
            && self.promise.is_none()
    }
}

impl Promise {
    pub fn is_of(&self, title: &str) -> bool {
        let mut words = title.split([' ', ':', ',']);
        self.section == title || words.any(|word| word == self.section)
    }
}

impl Impact {
    fn of(runbook: &Runbook) -> Impact {
        let objects = objects::list_objects(&runbook.script);
        Impact::of_objects(&runbook.script, &runbook.promises, objects)
    }

    pub fn of_objects(script: &Script, promises: &[Promise], objects: Objects) -> Impact {
        let mut impact = Impact {
            parts: parts(script, promises, &objects.changes),
            ..Impact::default()
        };
        let added: HashSet<&Name> = objects
            .changes
            .iter()
            .filter_map(|change| match &change.deed {
                Deed::AddTable(table) => Some(table),
                _ => None,
            })
            .collect();
        let is_added = |name: &Name| added.contains(name);
        let mut tables: Vec<Touched> = Vec::new();
        let mut known: HashSet<Name> = HashSet::new();
        let mut touch = |name: &Name| {
            if known.insert(name.clone()) {
                tables.push(Touched {
                    name: name.clone(),
                    added: is_added(name),
                });
            }
        };
        let mut strongest = StrongestLocks::default();
        rules::each_lock(script, &objects.changes, |lock| match &lock.on {
            rules::On::Table(name) => {
                touch(name);
                // What nobody else can see yet makes nobody wait.
                if !is_added(name) {
                    strongest.take(lock);
                }
            }
            rules::On::TableOf(_) => strongest.take(lock),
        });
        for change in &objects.changes {
            if let Some(table) = change.deed.table() {
                touch(table);
            }
        }
        impact.relations = relations(script, &tables);
        impact.tables = tables;
        impact.locks = strongest.locks;
        impact.scans = rules::scans(script, &objects.changes)
            .into_iter()
            .filter(|scan| !is_added(&scan.table))
            .collect();
        drop(added);
        impact.unseen = objects.unseen;
        impact
    }

    /// Where what was counted is not what was promised: each with its section's title.
    pub fn differences(&self) -> Vec<String> {
        self.parts
            .iter()
            .flat_map(|part| {
                let title = part.title.clone().unwrap_or_default();
                part.differences()
                    .into_iter()
                    .map(move |difference| format!("{title}: {difference}"))
            })
            .collect()
    }
}

/// The tables, and what other relations the statements name that are no queries.
fn relations(script: &Script, tables: &[Touched]) -> Vec<Name> {
    let mut names: Vec<Name> = tables.iter().map(|table| table.name.clone()).collect();
    let mut known: HashSet<Name> = names.iter().cloned().collect();
    let acting = script
        .sent()
        .filter(|statement| !matches!(statement.kind.as_str(), "SELECT" | "SHOW" | "SET"));
    // Most statements of a long script name what another one has named in the same words.
    let mut written = HashSet::new();
    for relation in acting.filter_map(|statement| statement.relation()) {
        if written.insert(relation)
            && let Some(name) = Name::parse(relation)
            && known.insert(name.clone())
        {
            names.push(name);
        }
    }
    names
}

fn parts(script: &Script, promises: &[Promise], changes: &[Change]) -> Vec<SectionImpact> {
    let sections = (0..script.sections.len()).map(Some);
    let mut parts: Vec<(Option<usize>, SectionImpact)> = std::iter::once(None)
        .chain(sections)
        .map(|section| {
            let title = section.and_then(|at| Some(script.sections.get(at)?.title.clone()));
            let promise = title
                .as_ref()
                .and_then(|title| promises.iter().find(|promise| promise.is_of(title)));
            let part = SectionImpact {
                promise: promise.cloned(),
                title,
                ..SectionImpact::default()
            };
            (section, part)
        })
        .collect();
    for change in changes {
        // The first part is for what stands in no section.
        let at = change.section.map_or(0, |section| section + 1);
        let Some((_, part)) = parts.get_mut(at) else {
            continue;
        };
        for (sort, into) in [
            (change.deed.adds(), &mut part.adds),
            (change.deed.changes(), &mut part.changes),
            (change.deed.drops(), &mut part.drops),
        ] {
            if let Some(sort) = sort {
                *into.entry(sort).or_default() += 1;
            }
        }
    }
    let parts = parts.into_iter().map(|(_, part)| part);
    parts.filter(|part| !part.is_empty()).collect()
}

/// Of the locks on each relation the strongest, with the statements that take it.
#[derive(Default)]
struct StrongestLocks {
    locks: Vec<ExpectedLock>,
    /// Where that of each relation is among them.
    places: HashMap<rules::On, usize>,
}

impl StrongestLocks {
    fn take(&mut self, lock: rules::TakenLock) {
        let known = self.places.get(&lock.on).copied();
        match known.and_then(|at| self.locks.get_mut(at)) {
            None => {
                let relation = match &lock.on {
                    rules::On::Table(name) => name.to_string(),
                    rules::On::TableOf(name) => format!("the table of index {name}"),
                };
                self.places.insert(lock.on, self.locks.len());
                self.locks.push(ExpectedLock {
                    relation,
                    mode: lock.mode,
                    statements: vec![lock.statement],
                });
            }
            Some(known) if lock.mode > known.mode => {
                known.mode = lock.mode;
                known.statements = vec![lock.statement];
            }
            Some(known) if lock.mode == known.mode => {
                if known.statements.last() != Some(&lock.statement) {
                    known.statements.push(lock.statement);
                }
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
