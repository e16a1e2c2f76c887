//! Who is in the way before BEGIN: sessions that hold locks on the script's tables and keep them.
//!
//! Two looks half a second apart, so that an application's short transactions, which come and go,
//! are not told as an obstacle. It takes no lock of its own on those tables.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::actor::Actor;
use super::asked::question_of_traffic;
use super::read_only::{self, Flight, ReadOnlyLimits};
use crate::database::link::{BrokenLink, Link};
use crate::database::message;
use crate::database::others::{self, COLUMNS, WAIT};
use crate::facts::{Evidence, OtherSession as Other, Standing};
use crate::runbook::impact::Impact;
use crate::runbook::lock::LockMode;

/// How far the two looks are apart: long against an application's transaction, short against a
/// person's patience.
const APART: Duration = Duration::from_millis(500);

/// A lock that somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ForeignLock {
    transaction: String,
    mode: String,
    by: Other,
}

impl Actor {
    /// What the script touches. As long as it is linted for that, nothing else of the session is kept waiting.
    async fn impact(&self) -> Arc<Impact> {
        if !self.runbook.is_weighed() {
            let runbook = Arc::clone(&self.runbook);
            // Where that fails, it is weighed here.
            let _ = tokio::task::spawn_blocking(move || runbook.impact().tables.len()).await;
        }
        Arc::clone(self.runbook.impact())
    }

    /// The question who holds locks on what the script touches; `None` where it touches nothing.
    pub(super) async fn traffic_question(&self) -> Option<String> {
        let impact = self.impact().await;
        (!impact.relations.is_empty()).then(|| question_of_traffic(&impact.relations))
    }

    /// Asks it without waiting for the answer.
    pub(super) async fn send_traffic<'q>(
        &mut self,
        question: &'q str,
    ) -> Result<Flight<'q>, BrokenLink> {
        let limits = ReadOnlyLimits {
            statement: self.options.read_timeout,
            lock: Some(WAIT),
        };
        read_only::send(self.link()?, question, limits).await
    }

    /// Adds to `evidence` who held locks on what the script touches at the `first` look, and keeps
    /// them.
    pub(super) async fn add_traffic(
        &mut self,
        evidence: Evidence,
        first: Traffic,
    ) -> Result<Evidence, BrokenLink> {
        let Traffic { first, at } = first;
        if matches!(&first, Ok(held) if held.is_empty()) {
            return Ok(evidence);
        }
        let Some(question) = self.traffic_question().await else {
            return Ok(evidence);
        };
        tokio::time::sleep_until(at + APART).await;
        let flight = self.send_traffic(&question).await?;
        let second = Traffic::hear(self.link()?, flight).await?.first;
        read_only::close(self.link()?).await?;
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
}

/// What a first look saw, and when.
pub(super) struct Traffic {
    first: Result<Vec<ForeignLock>, String>,
    at: Instant,
}

impl Traffic {
    pub(super) async fn hear(link: &mut Link, flight: Flight<'_>) -> Result<Traffic, BrokenLink> {
        let rows = flight.rows(link).await?;
        let first = match rows {
            Ok(rows) => Ok(rows.iter().map(|row| held(row)).collect()),
            Err(why) => Err(message::line(&why)),
        };
        let at = Instant::now();
        Ok(Traffic { first, at })
    }
}

fn held(row: &[Option<String>]) -> ForeignLock {
    let cell = |i: usize| row.get(i).cloned().flatten();
    let behind = 1 + COLUMNS;
    ForeignLock {
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

fn told(evidence: Evidence, first: &[ForeignLock], second: Vec<ForeignLock>) -> Evidence {
    // The state may have changed in between; the lock is what counts.
    let lock = |held: &ForeignLock| {
        let (by, mode) = (&held.by, held.mode.clone());
        (by.pid, held.transaction.clone(), by.relation.clone(), mode)
    };
    let before: HashSet<_> = first.iter().map(lock).collect();
    let mut kept: Vec<ForeignLock> = second
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
