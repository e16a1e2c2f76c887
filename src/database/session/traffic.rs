//! Who is in the way before BEGIN: sessions that hold locks on the script's tables and keep them.
//!
//! Two looks half a second apart, so that an application's short transactions, which come and go,
//! are not told as an obstacle. It takes no lock of its own on those tables.

use std::collections::HashSet;
use std::time::Duration;

use super::actor::Actor;
use crate::database::link::Broken;
use crate::database::message;
use crate::gate::event::{Evidence, LockMode, Standing};
use crate::runbook::script::Script;

/// How far the two looks are apart: long against an application's transaction, short against a
/// person's patience.
const APART: Duration = Duration::from_millis(500);

/// A lock that somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Held {
    pid: String,
    transaction: String,
    relation: String,
    mode: String,
    words: String,
}

/// The relations that the script names in statements that change something.
pub fn relations(script: &Script) -> Vec<&str> {
    let mut names: Vec<&str> = script
        .sent()
        .filter(|statement| !matches!(statement.kind.as_str(), "SELECT" | "SHOW" | "SET"))
        .filter_map(|statement| statement.relation.as_deref())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Catalog lookups by name would raise without USAGE on a schema; comparing text does not. Operators
/// are qualified, because whoever may make one in a schema of the search path would act as us.
fn question(relations: &[&str]) -> String {
    let wanted: Vec<String> = relations
        .iter()
        .map(|name| format!("'{}'", name.replace('\'', "''")))
        .collect();
    format!(
        "SELECT l.pid, l.virtualtransaction, pg_catalog.concat(n.nspname, '.', c.relname), l.mode, \
         pg_catalog.concat_ws(' ', a.usename, CASE \
         WHEN a.application_name OPERATOR(pg_catalog.<>) '' \
         THEN pg_catalog.concat('(', a.application_name, ')') END, \
         CASE WHEN a.state IS NOT NULL THEN pg_catalog.concat(', ', a.state) END, \
         CASE WHEN a.xact_start IS NOT NULL THEN pg_catalog.concat('since ', \
         pg_catalog.to_char(a.xact_start, 'HH24:MI:SS')) END) \
         FROM pg_catalog.pg_locks l \
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted \
         AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
         AND l.database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database \
         WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) \
         AND (pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', \
         pg_catalog.quote_ident(c.relname)) OPERATOR(pg_catalog.=) ANY (ARRAY[{list}]) \
         OR pg_catalog.quote_ident(c.relname) OPERATOR(pg_catalog.=) ANY (ARRAY[{list}]))",
        list = wanted.join(", ")
    )
}

impl Actor {
    /// Adds to `evidence` who holds locks on the script's tables and keeps them.
    pub(super) async fn add_traffic(
        &mut self,
        evidence: Evidence,
        script: &Script,
    ) -> Result<Evidence, Broken> {
        let relations = relations(script);
        if relations.is_empty() {
            return Ok(evidence);
        }
        let question = question(&relations);
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

    async fn look(&mut self, question: &str) -> Result<Result<HashSet<Held>, String>, Broken> {
        let answer = self.link()?.ask(question).await?;
        if let Some(error) = &answer.error {
            return Ok(Err(message::line(error)));
        }
        let rows = answer.results.into_iter().flat_map(|r| r.set.rows);
        Ok(Ok(rows
            .map(|row| {
                let mut cells = row.into_iter();
                let mut cell = || cells.next().flatten().unwrap_or_default();
                Held {
                    pid: cell(),
                    transaction: cell(),
                    relation: cell(),
                    mode: cell(),
                    words: cell(),
                }
            })
            .collect()))
    }
}

fn warned(standing: Standing) -> Standing {
    match standing {
        Standing::Fails => Standing::Fails,
        Standing::Awaited | Standing::Holds | Standing::Warns => Standing::Warns,
    }
}

fn with(mut lines: Vec<String>, more: impl IntoIterator<Item = String>) -> Vec<String> {
    lines.extend(more);
    lines
}

fn told(evidence: Evidence, first: &HashSet<Held>, second: HashSet<Held>) -> Evidence {
    let mut kept: Vec<Held> = second
        .into_iter()
        .filter(|held| {
            // The state may have changed in between; the lock is what counts.
            first.iter().any(|before| {
                (
                    &before.pid,
                    &before.transaction,
                    &before.relation,
                    &before.mode,
                ) == (&held.pid, &held.transaction, &held.relation, &held.mode)
            })
        })
        .collect();
    if kept.is_empty() {
        return evidence;
    }
    kept.sort_by(|a, b| (&a.pid, &a.relation).cmp(&(&b.pid, &b.relation)));
    let sessions = kept
        .iter()
        .map(|held| held.pid.as_str())
        .collect::<HashSet<_>>()
        .len();
    let hold = match sessions {
        1 => "1 session holds".to_owned(),
        many => format!("{many} sessions hold"),
    };
    let lines: Vec<String> = kept
        .iter()
        .map(|held| {
            let mode =
                LockMode::from_catalog(&held.mode).map_or(held.mode.as_str(), |mode| mode.name());
            format!(
                "in the way: pid {} {}, {mode} on {}",
                held.pid, held.words, held.relation
            )
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
