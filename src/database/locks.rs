//! The lock ledger's source: which locks on relations our session holds, read from pg_locks.
//!
//! What a statement locks is read after it, never guessed from its text. The query goes through
//! the script's own session, so everything in it is qualified: whatever search_path or role the
//! script has set, it means the same.

use std::collections::{HashMap, HashSet};

use crate::facts::Lock;
use crate::runbook::check::ResultSet;
use crate::runbook::lock::LockMode;
use crate::runbook::script::Statement;

/// Mode, name and oid of each lock; the name is NULL where the relation was dropped by us.
///
/// Left out: what reading catalogs leaves behind, TOAST tables, indexes in the weak modes that go
/// with every use of their table, and relations made in this very transaction (nobody else can see
/// them yet; `age(xmin) <= 0` is "not older than our own transaction"). The server's own relations have
/// numbers below 16384 (`FirstNormalObjectId`): most of what is left out goes before anything is joined.
/// It is written as a number that is no `oid`: a plan with the number of a relation in it is made anew
/// when that relation is altered. The age is asked of one row, by relation and number: joined, it reads
/// all columns of a table.
pub const QUERY: &str = "SELECT l.mode, \
    n.nspname OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) c.relname, \
    l.relation \
    FROM pg_catalog.pg_locks l \
    LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation \
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
    WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
    AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted \
    AND NOT (l.relation::pg_catalog.int8 OPERATOR(pg_catalog.<) 16384 \
    AND l.mode OPERATOR(pg_catalog.=) ANY ('{AccessShareLock,RowShareLock,RowExclusiveLock}'::pg_catalog.text[])) \
    AND (c.oid IS NULL OR c.relkind OPERATOR(pg_catalog.<>) 't') \
    AND NOT (l.mode OPERATOR(pg_catalog.=) ANY ('{AccessShareLock,RowShareLock,RowExclusiveLock}'::pg_catalog.text[]) \
    AND (c.oid IS NULL OR c.relkind OPERATOR(pg_catalog.=) ANY ('{i,I}'::pg_catalog.\"char\"[]) \
    OR n.nspname OPERATOR(pg_catalog.=) ANY ('{pg_catalog,information_schema}'::pg_catalog.name[]))) \
    AND ((SELECT pg_catalog.age(a.xmin) FROM pg_catalog.pg_attribute a \
    WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid \
    AND a.attnum OPERATOR(pg_catalog.=) CASE \
    WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{i,I,v,c}'::pg_catalog.\"char\"[]) THEN 1 ELSE -6 END) \
    OPERATOR(pg_catalog.<=) 0) IS NOT TRUE";

/// What our session holds so far.
#[derive(Debug, Default)]
pub struct LockLedger {
    held: HashSet<(String, LockMode)>,
    names: HashMap<String, String>,
}

impl LockLedger {
    /// Takes a fresh look and says what is new since the last, the strongest first. A stronger
    /// mode on a relation that was locked already is new; where it was ACCESS EXCLUSIVE nothing is, as
    /// nobody else waits longer for any other.
    pub fn look(&mut self, rows: &ResultSet, after: &Statement) -> Vec<Lock> {
        let mut fresh = Vec::new();
        let mut now = HashSet::new();
        let mut shut_now = HashSet::new();
        for row in &rows.rows {
            let [Some(mode), name, Some(oid)] = row.as_slice() else {
                continue;
            };
            let Some(mode) = LockMode::from_catalog(mode) else {
                continue;
            };
            if let Some(name) = name {
                self.names.insert(oid.clone(), name.clone());
            }
            now.insert((oid.clone(), mode));
            if !self.held.insert((oid.clone(), mode)) {
                continue;
            }
            if mode == LockMode::AccessExclusive {
                shut_now.insert(oid);
            } else if !shut_now.contains(oid)
                && (self.held).contains(&(oid.clone(), LockMode::AccessExclusive))
            {
                continue;
            }
            let relation = match self.names.get(oid) {
                Some(name) => name.clone(),
                None => match dropped(after) {
                    Some(name) => name,
                    // Transient: the old file of a rewritten table, the index of a constraint.
                    None => continue,
                },
            };
            let lock = Lock { mode, relation };
            if !fresh.contains(&lock) {
                fresh.push(lock);
            }
        }
        if after.goes_back {
            // What was locked since the savepoint is free again.
            self.held.retain(|held| now.contains(held));
        }
        fresh.sort_by(|a, b| (b.mode, &a.relation).cmp(&(a.mode, &b.relation)));
        fresh
    }
}

/// What to call a relation that is gone and was never seen: by the name that the script uses.
fn dropped(statement: &Statement) -> Option<String> {
    if !statement.kind.starts_with("DROP") {
        return None;
    }
    let name = statement
        .relation()
        .map_or("a relation", |name| name.as_str());
    Some(format!("{name} (dropped)"))
}
