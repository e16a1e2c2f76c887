//! The monitor's questions, and what their rows mean.
//!
//! Safe for ordinary roles: what a role may not see of other sessions is NULL, and nothing is
//! filtered on it.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use super::FirstWaits;
use crate::database::others::{self, COLUMNS, SESSION};
use crate::facts::{Millis, OtherSession, Progress, Sight};
use crate::runbook::check::ResultRow;

/// First server with `pg_locks.waitstart` and `pg_stat_progress_copy`.
const WAITSTART: u32 = 140_000;

/// The questions, one request each: within one request the server would answer the second from
/// the picture of its sessions that it took for the first.
pub(super) fn queries(pid: i32, version: u32) -> [String; 2] {
    let waitstart = match version {
        WAITSTART.. => "l.waitstart",
        _ => "NULL::pg_catalog.timestamptz",
    };
    [progress_query(pid, version), sessions_query(waitstart)]
}

fn progress_query(pid: i32, version: u32) -> String {
    let mut parts = vec![
        format!(
            "SELECT command || ': ' || phase, blocks_done, blocks_total, tuples_done, tuples_total, \
             lockers_done, lockers_total, NULL::pg_catalog.int8, NULL::pg_catalog.int8 \
             FROM pg_catalog.pg_stat_progress_create_index WHERE pid = {pid}"
        ),
        format!(
            "SELECT command || ': ' || phase, heap_blks_scanned, heap_blks_total, NULL, NULL, NULL, \
             NULL, NULL, NULL FROM pg_catalog.pg_stat_progress_cluster WHERE pid = {pid}"
        ),
    ];
    if version >= WAITSTART {
        parts.push(format!(
            "SELECT command, NULL, NULL, tuples_processed, NULL, NULL, NULL, bytes_processed, \
             bytes_total FROM pg_catalog.pg_stat_progress_copy WHERE pid = {pid}"
        ));
    }
    parts.join(" UNION ALL ")
}

/// The sessions in and around every wait for a lock. Which of them matter to us is found out here,
/// not by the server. `pg_blocking_pids` locks the whole lock table for a moment, so it is asked only for sessions
/// that do wait.
fn sessions_query(waitstart: &str) -> String {
    format!(
        "WITH waiting AS MATERIALIZED (\
         SELECT DISTINCT ON (l.pid) l.pid, {waitstart} AS since, \
         pg_catalog.pg_blocking_pids(l.pid) AS behind, \
         (SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid = l.relation AND l.database IN (0, \
         (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))) \
         AS relation \
         FROM pg_catalog.pg_locks l WHERE NOT l.granted AND l.pid IS NOT NULL ORDER BY l.pid), \
         involved AS (SELECT pid FROM waiting UNION SELECT pg_catalog.unnest(behind) FROM waiting) \
         SELECT i.pid, {SESSION}, w.relation, \
         pg_catalog.floor(1000 * pg_catalog.date_part('epoch', \
         pg_catalog.clock_timestamp() - w.since))::pg_catalog.int8, \
         pg_catalog.array_to_string(w.behind, ','), w.pid IS NOT NULL \
         FROM involved i LEFT JOIN waiting w ON w.pid = i.pid \
         LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = i.pid \
         WHERE a.pid IS NOT NULL OR i.pid = 0 ORDER BY i.pid"
    )
}

/// A session in or around a wait, as the server shows it.
struct Involved {
    session: OtherSession,
    /// How long its transaction has been open.
    open: Option<Millis>,
}

/// What the rows mean for the session `pid`.
pub(super) fn read_sight(
    pid: i32,
    progress: &[ResultRow],
    sessions: &[ResultRow],
    seen: &mut FirstWaits,
) -> Sight {
    let now = Instant::now();
    let involved: HashMap<i32, Involved> = sessions
        .iter()
        .filter_map(|row| Some((row.first()?.as_deref()?.parse().ok()?, involved(row))))
        .map(|(id, (waits, mut it))| {
            if waits {
                let first = *seen.since.entry(id).or_insert(now);
                let watched = now.saturating_duration_since(first).as_millis();
                let watched = Millis::try_from(watched).unwrap_or(Millis::MAX);
                it.session.since = Some(it.session.since.unwrap_or(watched));
            }
            (id, it)
        })
        .collect();
    seen.since.retain(|id, _| {
        involved
            .get(id)
            .is_some_and(|i| !i.session.behind.is_empty())
    });
    Sight {
        progress: progress.first().and_then(read_progress),
        waiters: waiters(pid, &involved),
        blockers: blockers(pid, &involved),
        waits: involved.get(&pid).and_then(|ours| ours.session.since),
    }
}

fn involved(row: &ResultRow) -> (bool, Involved) {
    let cell = |i: usize| row.get(i).cloned().flatten();
    let behind = 1 + COLUMNS;
    let waits = cell(behind + 3).as_deref() == Some("t");
    let mut session = others::session(row);
    let open = session.since.take();
    session.relation = cell(behind);
    session.since = cell(behind + 1).and_then(|n| n.parse().ok());
    session.behind = cell(behind + 2)
        .unwrap_or_default()
        .split(',')
        .filter_map(|p| p.parse().ok())
        .collect();
    (waits, Involved { session, open })
}

/// Everybody who waits for us, directly or behind somebody who does; the longest wait first.
fn waiters(pid: i32, involved: &HashMap<i32, Involved>) -> Vec<OtherSession> {
    let mut reached = BTreeSet::from([pid]);
    loop {
        let more: Vec<i32> = involved
            .values()
            .filter(|i| !reached.contains(&i.session.pid))
            .filter(|i| i.session.behind.iter().any(|b| reached.contains(b)))
            .map(|i| i.session.pid)
            .collect();
        if more.is_empty() {
            break;
        }
        reached.extend(more);
    }
    reached.remove(&pid);
    let mut waiters: Vec<OtherSession> = reached
        .iter()
        .filter_map(|p| involved.get(p))
        .map(|i| i.session.clone())
        .collect();
    waiters.sort_by_key(|w| std::cmp::Reverse(w.since));
    waiters
}

/// Whom we wait for, and whom they wait for; the nearest first.
fn blockers(pid: i32, involved: &HashMap<i32, Involved>) -> Vec<OtherSession> {
    let Some(ours) = involved.get(&pid) else {
        return Vec::new();
    };
    let mut found: Vec<i32> = Vec::new();
    let mut next = ours.session.behind.clone();
    while !next.is_empty() {
        next.retain(|p| *p != pid && !found.contains(p));
        next.sort_unstable();
        next.dedup();
        found.extend(&next);
        next = next
            .iter()
            .filter_map(|p| involved.get(p))
            .flat_map(|i| i.session.behind.clone())
            .collect();
    }
    found
        .iter()
        .filter_map(|p| involved.get(p))
        .map(|i| OtherSession {
            relation: ours.session.relation.clone(),
            since: i.open,
            ..i.session.clone()
        })
        .collect()
}

/// The unit that has a total, the coarsest first.
fn read_progress(row: &ResultRow) -> Option<Progress> {
    let phase = row.first().cloned().flatten()?;
    let number = |i: usize| {
        let cell = row.get(i).and_then(Option::as_ref);
        cell.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    let units = [("lockers", 5), ("blocks", 1), ("tuples", 3), ("bytes", 7)];
    let units = units.map(|(unit, i)| (unit, number(i), number(i + 1)));
    let under_way = |(_, done, total): &&(_, u64, u64)| *total > 0 && done < total;
    let begun = |(_, done, total): &&(_, u64, u64)| *total > 0 || *done > 0;
    let found = units.iter().find(under_way);
    let found = found.or_else(|| units.iter().find(begun));
    let (unit, done, total) = found.copied().unwrap_or(("blocks", 0, 0));
    Some(Progress {
        phase,
        done,
        total,
        unit,
    })
}
