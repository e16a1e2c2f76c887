//! Other sessions: who they are, as far as our role may see it, and who of them holds the locks that a
//! question of ours would stand behind.
//!
//! What a role may not see is NULL, and nothing is filtered on it.

use super::link::{BrokenLink, Link};
use super::message;
use super::session::read_only::{self, Flight, ReadOnlyLimits};
use crate::facts::{Millis, OtherSession, ServerMessage};

/// What `pg_stat_activity.query` says to a role that may not see it.
const HIDDEN: &str = "<insufficient privilege>";

/// Columns about the session `a` of `pg_stat_activity`: to stand behind its process id, and to be read
/// by [`session`].
pub const SESSION: &str = "a.usename, a.application_name, CASE \
     WHEN a.client_port OPERATOR(pg_catalog.=) -1 THEN 'local' \
     ELSE pg_catalog.host(a.client_addr) END, a.state, \
     pg_catalog.left(a.query, 1000), \
     pg_catalog.floor(1000 OPERATOR(pg_catalog.*) pg_catalog.date_part('epoch', \
     pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start))::pg_catalog.int8";

pub const COLUMNS: usize = 6;

/// The session of a row that begins with its process id and [`SESSION`]; `since` is how long its
/// transaction has been open.
pub fn session(row: &[Option<String>]) -> OtherSession {
    let cell = |i: usize| row.get(i).cloned().flatten();
    let pid = cell(0).and_then(|p| p.parse().ok()).unwrap_or(0);
    OtherSession {
        pid,
        role: cell(1).unwrap_or_default(),
        application: match pid {
            0 => "a prepared transaction".into(),
            _ => cell(2).unwrap_or_default(),
        },
        client: cell(3).filter(|client| !client.is_empty()),
        state: cell(4),
        query: cell(5).filter(|q| !q.is_empty() && q != HIDDEN),
        since: cell(6).and_then(|open| open.parse().ok()),
        relation: None,
        behind: Vec::new(),
    }
}

/// A lock on a relation that lets nobody else read it, held or waited for: whoever asks for another
/// one stands behind it. The two-phase ones have no process.
const SHUTS_OUT: &str = "l.locktype OPERATOR(pg_catalog.=) 'relation' \
     AND l.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock' \
     AND (l.pid IS NULL OR l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()) \
     AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
     WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())";

/// How long a question waits for a lock where nobody is seen in the way, in milliseconds. Short:
/// whoever only asks must not stand in a queue in front of others.
pub const WAIT: Millis = 500;

/// How long it waits where somebody is: it is told at once, and what that one does not lock answers.
const NO_WAIT: Millis = 1;

/// Who stands before a question of ours.
#[derive(Debug, Clone, Default)]
pub struct Exclusive {
    /// Who holds a lock that lets nobody read, or waits for one.
    pub sessions: Vec<OtherSession>,
    /// Nobody knows: `pg_locks` may not be asked.
    pub unseen: bool,
}

/// So many relations of a session are named, in the way of one question.
const NAMED: usize = 3;

/// Each session once, with all that it holds.
fn each_once(seen: Vec<OtherSession>) -> Vec<OtherSession> {
    let mut held: Vec<(OtherSession, Vec<String>)> = Vec::new();
    for session in seen {
        let relation = session.relation.clone();
        match held.iter_mut().find(|(known, _)| known.pid == session.pid) {
            Some((_, relations)) => relations.extend(relation),
            None => held.push((session, relation.into_iter().collect())),
        }
    }
    let once = held.into_iter().map(|(session, relations)| {
        let more = relations.len().saturating_sub(NAMED);
        let mut named = relations.get(..NAMED).unwrap_or(&relations).join(", ");
        if more > 0 {
            named.push_str(&format!(" and {more} more"));
        }
        OtherSession {
            relation: (!named.is_empty()).then_some(named),
            ..session
        }
    });
    once.collect()
}

impl Exclusive {
    /// Asks `pg_locks`, which waits for nobody. Where it may not be asked nobody is seen.
    pub async fn look(link: &mut Link) -> Result<Exclusive, BrokenLink> {
        let question = Exclusive::question();
        let flight = Exclusive::send(link, &question).await?;
        let found = Exclusive::hear(link, flight).await?;
        read_only::close(link).await?;
        Ok(found)
    }

    /// What [`Exclusive::send`] sends.
    pub fn question() -> String {
        format!(
            "SELECT l.pid, {SESSION}, \
             pg_catalog.concat(n.nspname, '.', c.relname, \
             CASE WHEN NOT l.granted THEN ' (waits for it)' END) \
             FROM pg_catalog.pg_locks l \
             JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation \
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
             LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid \
             WHERE {SHUTS_OUT} \
             ORDER BY NOT l.granted, a.xact_start, l.pid, c.relname LIMIT 20"
        )
    }

    /// [`Exclusive::wait`] as the server finds it, for what is sent before the answer is there: a value
    /// of `lock_timeout`. It fails where [`Exclusive::unseen`] says that nobody may ask.
    pub fn wait_found_there() -> String {
        format!(
            "(SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE {SHUTS_OUT}) \
             THEN '{NO_WAIT}ms' ELSE '{WAIT}ms' END)"
        )
    }

    /// Asks without waiting for the answer.
    pub async fn send<'q>(link: &mut Link, question: &'q str) -> Result<Flight<'q>, BrokenLink> {
        let limits = ReadOnlyLimits {
            statement: 5_000,
            lock: Some(WAIT),
        };
        read_only::send(link, question, limits).await
    }

    /// Takes the answer.
    pub async fn hear(link: &mut Link, flight: Flight<'_>) -> Result<Exclusive, BrokenLink> {
        let rows = flight.rows(link).await?;
        let unseen = rows.is_err();
        let rows = rows.unwrap_or_default();
        let sessions = rows.iter().map(|row| OtherSession {
            relation: row.get(1 + COLUMNS).cloned().flatten(),
            ..session(row)
        });
        Ok(Exclusive {
            sessions: sessions.collect(),
            unseen,
        })
    }

    /// How long a question may wait for a lock, in milliseconds.
    pub fn wait(&self) -> Millis {
        match self.sessions.is_empty() {
            true => WAIT,
            false => NO_WAIT,
        }
    }

    /// Why a question got no answer, if the only reason is that somebody was in its way or time ran
    /// out: nothing that it asked about failed. Who came in between is seen as well.
    pub async fn silence(
        &self,
        link: &mut Link,
        error: &ServerMessage,
    ) -> Result<Option<String>, BrokenLink> {
        let why = match error.sqlstate.as_deref() {
            Some("55P03") => "a lock is held by somebody else",
            Some("57014") => "the server did not answer in time",
            Some("40P01") => "two sessions waited for each other",
            _ => return Ok(None),
        };
        let seen = match self.sessions.is_empty() {
            true => Exclusive::look(link).await?.sessions,
            false => self.sessions.clone(),
        };
        let seen = each_once(seen);
        let holders: Vec<String> = seen.iter().map(OtherSession::in_the_way).collect();
        Ok(Some(match holders.is_empty() {
            true => format!("{why} ({})", message::line(error)),
            false => format!("{why}: ACCESS EXCLUSIVE of {}", holders.join("; and of ")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_in_the_way_is_told_once_with_what_it_holds() {
        let on = |pid, relation: &str| OtherSession {
            pid,
            relation: Some(relation.into()),
            ..OtherSession::default()
        };
        let seen = vec![
            on(7, "a"),
            on(8, "x"),
            on(7, "b"),
            on(7, "c"),
            on(7, "d"),
            on(7, "e"),
        ];
        assert_eq!(each_once(seen), [on(7, "a, b, c and 2 more"), on(8, "x")]);
    }
}
