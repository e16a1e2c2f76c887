//! The lock window as a picture: the transaction, what of it went to our own work, the script, waits for
//! locks and a person, and each relation from its first lock to the end, with what others could not do
//! meanwhile.
//!
//! Times are those at which the program took something down, so a lock is drawn from the start of
//! the statement that took it to the moment its end was known: never too short.

use super::words::{between, stretch};
use crate::journal::replay::{Attempt, HeldRelation};
use crate::runbook::lock::LockMode;
use jiff::Timestamp;

/// How many relations are drawn; a table lists the rest.
const RELATIONS: usize = 12;

#[derive(Debug)]
pub struct Timeline {
    /// Its whole length, in microseconds, at least 1.
    pub length: u64,
    pub bars: Vec<Bar>,
}

#[derive(Debug)]
pub struct Bar {
    pub label: String,
    /// What it says in words.
    pub note: String,
    /// Its pieces: from, to (microseconds from BEGIN), and what it kept from others.
    pub pieces: Vec<(u64, u64, Blocking)>,
}

/// What others could not do meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// No lock: what the time went to.
    Nothing,
    /// Only DDL and the like waited.
    Ddl,
    Writes,
    Everything,
}

impl Blocking {
    /// Every kind, with its words.
    pub const LEGEND: [(Blocking, &'static str); 4] = [
        (Blocking::Nothing, "time spent"),
        (Blocking::Ddl, "DDL waits"),
        (Blocking::Writes, "writes wait"),
        (Blocking::Everything, "reads and writes wait"),
    ];

    pub fn of(mode: LockMode) -> Blocking {
        match mode {
            LockMode::AccessShare
            | LockMode::RowShare
            | LockMode::RowExclusive
            | LockMode::ShareUpdateExclusive => Blocking::Ddl,
            LockMode::Share | LockMode::ShareRowExclusive | LockMode::Exclusive => Blocking::Writes,
            LockMode::AccessExclusive => Blocking::Everything,
        }
    }
}

impl Timeline {
    /// The picture of `attempt`, whose end is at `end`; `None` where there is nothing to draw.
    pub fn of(attempt: &Attempt, held: &[HeldRelation], end: Timestamp) -> Option<Timeline> {
        let began = attempt.began?;
        if attempt.places.is_empty() {
            return None;
        }
        let length = between(began, end).max(1);
        let place = |at: Timestamp| between(began, at).min(length);
        let mut bars = vec![Bar {
            label: "transaction".to_owned(),
            note: stretch(length),
            pieces: vec![(0, length, Blocking::Nothing)],
        }];
        let script = script(attempt, place);
        let person = attempt.decided.map(|decided| {
            let from = place(decided);
            (from, attempt.answered.map_or(length, place).max(from))
        });
        let taken = script.iter().chain(&person).copied().collect();
        bars.push(quiet("our own work", rest_of(length, taken)));
        let waits = waits(attempt, &script);
        bars.push(quiet("script", script));
        if !waits.is_empty() {
            let mut bar = quiet("waiting for locks", waits);
            bar.note.insert_str(0, "at least ");
            bars.push(bar);
        }
        if let Some(person) = person {
            bars.push(quiet("a person", vec![person]));
        }
        let strong = held.iter().filter(|held| {
            held.strongest()
                .is_some_and(|(_, mode)| mode > LockMode::RowShare)
        });
        bars.extend(strong.take(RELATIONS).map(|held| bar(held, length, place)));
        Some(Timeline { length, bars })
    }
}

/// Each statement from its start to its end.
fn script(attempt: &Attempt, place: impl Fn(Timestamp) -> u64) -> Vec<(u64, u64)> {
    let mut reached = 0;
    let statements = attempt.statements();
    let pieces = statements.map(|statement| {
        let to = place(statement.at);
        let from = place(statement.started()).max(reached).min(to);
        reached = to;
        (from, to)
    });
    pieces.collect()
}

/// For how long each statement was seen to wait, drawn at its beginning.
fn waits(attempt: &Attempt, script: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let statements = attempt.statements().zip(script);
    let waits = statements.filter_map(|(statement, piece)| {
        let waited = statement.end.waited.filter(|waited| *waited > 0)?;
        Some((waited, piece))
    });
    waits
        .map(|(waited, (from, to))| (*from, from.saturating_add(waited * 1_000).min(*to)))
        .collect()
}

/// What of a transaction of this length is in none of these pieces.
fn rest_of(length: u64, mut taken: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    taken.sort_unstable();
    let mut rest = Vec::new();
    let mut reached = 0;
    for (from, to) in taken {
        if from > reached {
            rest.push((reached, from));
        }
        reached = reached.max(to);
    }
    if reached < length {
        rest.push((reached, length));
    }
    rest
}

/// A bar that keeps nothing from anybody.
fn quiet(label: &str, pieces: Vec<(u64, u64)>) -> Bar {
    Bar {
        label: label.to_owned(),
        note: stretch(pieces.iter().map(|(from, to)| to - from).sum()),
        pieces: pieces
            .into_iter()
            .map(|(from, to)| (from, to, Blocking::Nothing))
            .collect(),
    }
}

fn bar(held: &HeldRelation, length: u64, place: impl Fn(Timestamp) -> u64) -> Bar {
    let mut pieces = Vec::new();
    for (index, (since, mode)) in held.modes.iter().enumerate() {
        let to = held
            .modes
            .get(index + 1)
            .map_or(length, |(next, _)| place(*next));
        pieces.push((place(*since).min(to), to, Blocking::of(*mode)));
    }
    let note = held.strongest().map_or_else(String::new, |(since, mode)| {
        format!("{} for {}", mode.name(), stretch(length - place(since)))
    });
    Bar {
        label: held.relation.clone(),
        note,
        pieces,
    }
}
