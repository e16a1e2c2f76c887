//! Which statement took which lock on which relation, and where the script's time went since: folded in
//! one way, for a run that goes on and for one that is read back from its journal.

use crate::facts::{Lock, Millis, StatementEnd};
use crate::runbook::lock::LockMode;
use std::collections::BTreeMap;

/// The locks that the statements of one transaction took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocksTaken {
    /// The strongest lock on each relation, the strongest first, and the same by relation.
    strongest: Vec<Lock>,
    by_relation: BTreeMap<String, LockMode>,
    /// Each lock with the statement that took it, in their order; of one statement the strongest first.
    taken: Vec<(usize, Lock)>,
    first_felt: Option<usize>,
    time: WithLocks,
}

/// The script's own time since its first lock that others feel, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WithLocks {
    pub all: Millis,
    /// What of it went to statements that only look, and lock nothing anew.
    pub looking: Millis,
}

impl LocksTaken {
    /// Takes down a statement that came to its end, whichever.
    pub fn take_down(&mut self, number: usize, end: &StatementEnd) {
        if end.locks.iter().any(|lock| lock.mode.is_felt()) {
            self.first_felt.get_or_insert(number);
        }
        if self.first_felt.is_some() {
            self.time.all += end.duration;
            if end.only_looks() {
                self.time.looking += end.duration;
            }
        }
        let mut sorted: Vec<&Lock> = end.locks.iter().collect();
        sorted.sort_by_key(|lock| std::cmp::Reverse(lock.mode));
        for lock in sorted {
            self.taken.push((number, lock.clone()));
            self.keep_strongest(lock);
        }
    }

    fn keep_strongest(&mut self, lock: &Lock) {
        let known = self.by_relation.get(&lock.relation).copied();
        if known.is_some_and(|known| known >= lock.mode) {
            return;
        }
        if let Some(mode) = known
            && let Ok(at) = self.place_of(mode, &lock.relation)
        {
            self.strongest.remove(at);
        }
        if let Err(at) = self.place_of(lock.mode, &lock.relation) {
            self.strongest.insert(at, lock.clone());
        }
        self.by_relation.insert(lock.relation.clone(), lock.mode);
    }

    /// Where a lock stands among the strongest, or belongs.
    fn place_of(&self, mode: LockMode, relation: &str) -> Result<usize, usize> {
        self.strongest.binary_search_by(|other| {
            let order = mode.cmp(&other.mode);
            order.then_with(|| other.relation.as_str().cmp(relation))
        })
    }

    /// The strongest lock on each relation, the strongest first.
    pub fn strongest(&self) -> &[Lock] {
        &self.strongest
    }

    /// Each lock with the number of the statement that took it, in the script's order.
    pub fn taken(&self) -> &[(usize, Lock)] {
        &self.taken
    }

    /// The number of the statement that took the first lock that reads or writes wait for.
    pub fn first_felt(&self) -> Option<usize> {
        self.first_felt
    }

    /// What the statements took since that lock.
    pub fn time(&self) -> WithLocks {
        self.time
    }
}
