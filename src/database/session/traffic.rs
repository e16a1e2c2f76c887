//! Who is in the way before BEGIN: sessions that hold locks on the script's tables and keep them.
//!
//! Two looks half a second apart, so that an application's short transactions, which come and go,
//! are not told as an obstacle. It takes no lock of its own on those tables.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::actor::Actor;
use super::read_only::{self, Limits, Query};
use crate::database::link::Broken;
use crate::database::others::{self, COLUMNS, SESSION, WAIT};
use crate::database::{message, tables};
use crate::gate::event::{Evidence, LockMode, Session as Other, Standing};
use crate::runbook::objects::Name;

/// How far the two looks are apart: long against an application's transaction, short against a
/// person's patience.
const APART: Duration = Duration::from_millis(500);

/// A lock that somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    transaction: String,
    mode: String,
    by: Other,
}

/// Catalog lookups by name would raise without USAGE on a schema; comparing text does not. Operators
/// are qualified, because whoever may make one in a schema of the search path would act as us.
fn question(relations: &[Name]) -> String {
    format!(
        "SELECT l.pid, {SESSION}, pg_catalog.concat(n.nspname, '.', c.relname), l.mode, \
         l.virtualtransaction \
         FROM {} JOIN pg_catalog.pg_locks l ON c.oid OPERATOR(pg_catalog.=) l.relation \
         LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted \
         AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
         AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
        tables::named(relations, true)
    )
}

impl Actor {
    /// Adds to `evidence` who holds locks on what the script touches and keeps them.
    pub(super) async fn add_traffic(&mut self, evidence: Evidence) -> Result<Evidence, Broken> {
        let impact = Arc::clone(self.runbook.impact());
        if impact.relations.is_empty() {
            return Ok(evidence);
        }
        let question = question(&impact.relations);
        let first = self.look(&question).await?;
        if matches!(&first, Ok(held) if held.is_empty()) {
            return Ok(evidence);
        }
        tokio::time::sleep(APART).await;
        let second = self.look(&question).await?;
        Ok(match (first, second) {
            (Ok(first), Ok(second)) => told(evidence, &first, second),
            (Err(why), _) | (_, Err(why)) => Evidence {
                standing: warned(evidence.standing),
                lines: with(
                    evidence.lines,
                    [format!(
                        "who holds locks on the tables cannot be seen: {why}"
                    )],
                ),
                ..evidence
            },
        })
    }

    async fn look(&mut self, question: &str) -> Result<Result<Vec<Held>, String>, Broken> {
        let limits = Limits {
            statement: self.options.read_timeout,
            lock: Some(WAIT),
        };
        let queries = [Query::from(question)];
        let answers = read_only::each(self.link()?, &queries, limits).await?;
        let report = match answers.into_iter().next() {
            Some(Ok(report)) => report,
            Some(Err(stopped)) => return Ok(Err(message::line(&stopped.error))),
            None => return Ok(Ok(Vec::new())),
        };
        let rows = report.result.map(|set| set.rows).unwrap_or_default();
        Ok(Ok(rows.iter().map(|row| held(row)).collect()))
    }
}

fn held(row: &[Option<String>]) -> Held {
    let cell = |i: usize| row.get(i).cloned().flatten();
    let behind = 1 + COLUMNS;
    Held {
        by: Other {
            relation: cell(behind),
            ..others::session(row)
        },
        mode: cell(behind + 1).unwrap_or_default(),
        transaction: cell(behind + 2).unwrap_or_default(),
    }
}

fn warned(standing: Standing) -> Standing {
    match standing {
        Standing::Fails | Standing::Silent => standing,
        Standing::Awaited | Standing::Holds | Standing::Warns | Standing::Asks => Standing::Warns,
    }
}

fn with(mut lines: Vec<String>, more: impl IntoIterator<Item = String>) -> Vec<String> {
    lines.extend(more);
    lines
}

fn told(evidence: Evidence, first: &[Held], second: Vec<Held>) -> Evidence {
    // The state may have changed in between; the lock is what counts.
    let lock = |held: &Held| {
        let (by, mode) = (&held.by, held.mode.clone());
        (by.pid, held.transaction.clone(), by.relation.clone(), mode)
    };
    let before: HashSet<_> = first.iter().map(lock).collect();
    let mut kept: Vec<Held> = second
        .into_iter()
        .filter(|held| before.contains(&lock(held)))
        .collect();
    if kept.is_empty() {
        return evidence;
    }
    kept.sort_by(|a, b| (a.by.pid, &a.by.relation).cmp(&(b.by.pid, &b.by.relation)));
    let transactions: HashSet<&str> = kept.iter().map(|held| held.transaction.as_str()).collect();
    let hold = match transactions.len() {
        1 => "1 session holds".to_owned(),
        many => format!("{many} sessions hold"),
    };
    let lines: Vec<String> = kept
        .iter()
        .map(|held| {
            let mode =
                LockMode::from_catalog(&held.mode).map_or(held.mode.as_str(), |mode| mode.name());
            format!("in the way: {mode} of {}", held.by.in_the_way())
        })
        .collect();
    Evidence {
        standing: warned(evidence.standing),
        summary: format!("{}; {hold} locks in the way", evidence.summary),
        // Before the checks: it is what may stop the script.
        lines: with(lines, evidence.lines),
        ..evidence
    }
}
