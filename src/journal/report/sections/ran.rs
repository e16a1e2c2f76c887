//! What ran: each transaction with its picture, its locks, its statements, and what the program
//! itself added to them.

use super::said::table_of;
use crate::account::WithLocks;
use crate::facts::{Lock, StatementEnd};
use crate::journal::entry::StatementPlace;
use crate::journal::replay::{Attempt, Replay, TimedStatement};
use crate::journal::report::timeline::Timeline;
use crate::journal::report::words::{between, counted, line, stretch, told_to_others};
use crate::journal::report::{Block, Cell, Row, Table, Tone};
use crate::runbook::lock::LockMode;
use jiff::Timestamp;

fn end_of(replay: &Replay, attempt: &Attempt) -> Option<(Timestamp, bool)> {
    let known = attempt.ended.map(|at| (at, true));
    known.or(replay.ended.map(|at| (at, false)))
}

/// From the first lock that others feel to the end, in words.
pub fn window(replay: &Replay, attempt: &Attempt) -> String {
    let held = attempt.held();
    let felt: Vec<_> = held
        .iter()
        .filter_map(|held| {
            let (_, strongest) = held.strongest()?;
            Some((held.felt_since()?, strongest))
        })
        .collect();
    let (Some(first), Some(strongest)) = (
        felt.iter().map(|(since, _)| *since).min(),
        felt.iter().map(|(_, mode)| *mode).max(),
    ) else {
        return "no lock is recorded that reads or writes wait for".to_owned();
    };
    let on = counted(felt.len(), "relation", "relations");
    let what = format!(
        "on {on}, up to {}: {}",
        strongest.name(),
        strongest.blocks()
    );
    let what = match attempt.transaction.locks.time() {
        WithLocks { looking: 0, .. } => what,
        WithLocks { all, looking } => format!(
            "{what}; of the {} that the script ran since then, {} went to statements that only look",
            stretch(all * 1_000),
            stretch(looking * 1_000)
        ),
    };
    match end_of(replay, attempt) {
        Some((end, true)) => format!("{}, {what}", stretch(between(first, end))),
        Some((end, false)) => format!(
            "at least {}, {what}; its end is not recorded",
            stretch(between(first, end))
        ),
        None => what,
    }
}

/// Who waited for it, in words: how many, the longest wait, and then each of those that waited longest;
/// or how it is known that nobody did.
pub fn waited(attempt: &Attempt) -> Vec<String> {
    let Some(waited) = &attempt.transaction.waits else {
        return vec!["not recorded".to_owned()];
    };
    match (waited.sessions, waited.looks) {
        (0, 0) => return vec!["not known: nobody looked while it was open".to_owned()],
        (0, looks) => {
            let looks = counted(looks, "look", "looks");
            return vec![format!("nobody, in {looks} while it was open")];
        }
        _ => {}
    }
    let sessions = counted(waited.sessions, "session", "sessions");
    let at_least = if waited.more { "at least " } else { "" };
    let longest = crate::facts::in_words(waited.longest);
    let mut told = vec![format!(
        "{at_least}{sessions}, the longest for {longest} or a little more"
    )];
    told.extend(waited.who.iter().cloned());
    let more = waited.sessions.saturating_sub(waited.who.len());
    if more > 0 || waited.more {
        told.push(format!("and {at_least}{more} more"));
    }
    told
}

/// The transaction with this number, of so many.
pub fn transaction(
    replay: &Replay,
    attempt: &Attempt,
    number: usize,
    count: usize,
    blocks: &mut Vec<Block>,
) {
    let xid = attempt
        .transaction
        .xid
        .as_deref()
        .unwrap_or("without an id");
    blocks.push(Block::Heading(
        2,
        match count {
            1 => format!("Transaction {xid}"),
            _ => format!("Transaction {xid} ({number} of {count})"),
        },
    ));
    if let Some(text) = ending(attempt, number < count) {
        blocks.push(Block::Text(text));
    }
    if let Some(text) = approval(attempt) {
        blocks.push(Block::Text(text));
    }
    if let Some(different) = attempt.compared.as_ref().filter(|found| !found.is_empty()) {
        let title = "Different from what was approved".to_owned();
        blocks.push(Block::Heading(3, title));
        blocks.push(Block::Code(different.clone()));
    }
    let held = attempt.held();
    if let Some((end, known)) = end_of(replay, attempt) {
        if let Some(timeline) = Timeline::of(attempt, &held, end) {
            blocks.push(Block::Timeline(timeline));
        }
        if !held.is_empty() {
            let until = if known { "for" } else { "for at least" };
            blocks.push(Block::Heading(3, "Locks".to_owned()));
            let rows = held.iter().filter_map(|held| {
                let (since, mode) = held.strongest()?;
                let tone = match mode {
                    LockMode::AccessExclusive => Tone::Doubtful,
                    _ => Tone::Plain,
                };
                Some([
                    Cell::plain(held.relation.clone()),
                    Cell::plain(mode.name()),
                    Cell::plain(stretch(between(since, end))),
                    Cell::toned(mode.blocks(), tone),
                ])
            });
            let head = ["relation", "strongest lock", until, "who waits for it"];
            blocks.push(Block::table(head, rows));
        }
    }
    if !attempt.places.is_empty() {
        blocks.push(Block::Heading(3, "Statements".to_owned()));
        blocks.push(Block::Table(statements(attempt)));
    }
    // The last one's have a section of their own.
    let transaction = &attempt.transaction;
    if number < count && !transaction.checks.is_empty() {
        blocks.push(Block::Heading(3, "Verification".to_owned()));
        blocks.push(table_of(transaction.script_checks()));
    }
    if !transaction.added.is_empty() {
        blocks.push(Block::Heading(3, "What the program added".to_owned()));
        blocks.push(Block::Code(transaction.added.clone()));
    }
}

/// What it was a second pass of, and what came of that.
fn approval(attempt: &Attempt) -> Option<String> {
    let approved = attempt.approved.as_ref()?;
    let shown = approved.xid.as_deref().unwrap_or("without an id");
    let mut text = format!(
        "A second pass: COMMIT was given on what transaction {shown} had shown (SHA-256 {}), {}, while \
         nothing was held{}",
        approved.digest,
        approved.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        match &approved.numbers_of {
            None => String::new(),
            Some(of) if of.is_empty() => "; row counts and numbers might differ".to_owned(),
            Some(of) => {
                let of: Vec<String> = of.iter().map(usize::to_string).collect();
                let of = of.join(", ");
                format!("; row counts and numbers of these statements might differ: {of}")
            }
        }
    );
    if let Some(name) = &approved.second_signer {
        text.push_str(&format!("; second signer {name}"));
    }
    if let Some(reason) = &approved.reason {
        text.push_str(&format!("; because {reason}"));
    }
    text.push_str(match &attempt.compared {
        Some(found) if found.is_empty() => {
            ". It came out as approved, and COMMIT followed with no person in between."
        }
        Some(_) => ". It came out otherwise, so COMMIT did not follow by itself.",
        None => ". It did not come to be held against that.",
    });
    Some(text)
}

fn ending(attempt: &Attempt, followed: bool) -> Option<String> {
    match (&attempt.outcome, &attempt.retried) {
        (Some(outcome), _) => {
            let why = outcome.why.as_ref();
            let why = why.map_or_else(String::new, |why| {
                format!(", because {}", told_to_others(why))
            });
            let word = outcome.word.word();
            Some(format!("{word}{why}: {}.", outcome.proof))
        }
        (None, Some(proof)) => {
            let why = attempt.why.as_deref().unwrap_or("it could not go on");
            let why = told_to_others(why);
            let next = match (followed, attempt.let_go) {
                (true, true) => " It was run a second time.",
                (true, false) => " It was tried again.",
                (false, _) => "",
            };
            Some(format!("ROLLED BACK, because {why}: {proof}.{next}"))
        }
        (None, None) => Some("No outcome of it is recorded.".to_owned()),
    }
}

fn statements(attempt: &Attempt) -> Table {
    let mut rows = Vec::new();
    let mut section = None;
    for TimedStatement { at, place, end } in attempt.statements() {
        if place.section != section {
            section.clone_from(&place.section);
            let title = section.as_deref().unwrap_or("Outside any section");
            rows.push(Row::Title(title.to_owned()));
        }
        let locks: Vec<String> = end.locks.iter().map(Lock::to_string).collect();
        rows.push(Row::Cells(vec![
            Cell::plain(place.number.to_string()),
            Cell::plain(where_it_stands(place)),
            Cell::plain(what(place)),
            result(end),
            Cell::plain(stretch(end.duration.saturating_mul(1_000))),
            Cell::plain(
                attempt
                    .began
                    .map_or_else(String::new, |began| stretch(between(began, at))),
            ),
            Cell::plain(locks.join(", ")),
        ]));
    }
    Table {
        head: vec![
            "no.",
            "where",
            "statement",
            "result",
            "took",
            "done, since BEGIN",
            "locks newly taken",
        ],
        rows,
    }
}

/// `line 53`, with its file where it is not the script's own.
fn where_it_stands(statement: &StatementPlace) -> String {
    let line = statement.line;
    match &statement.file {
        Some(file) => format!("{file} line {line}"),
        None => format!("line {line}"),
    }
}

fn what(statement: &StatementPlace) -> String {
    let kind = &statement.kind;
    match statement.about.as_ref().or(statement.relation.as_ref()) {
        Some(about) => format!("{kind} {about}"),
        None => kind.clone(),
    }
}

fn result(statement: &StatementEnd) -> Cell {
    match (&statement.error, &statement.tag) {
        (Some(error), _) => Cell::toned(format!("FAILED: {}", line(error)), Tone::Bad),
        (None, Some(tag)) => Cell::plain(match statement.rows {
            Some(rows) if !tag.ends_with(char::is_numeric) => {
                let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                format!("{tag}, {}", counted(rows, "row", "rows"))
            }
            _ => tag.to_string(),
        }),
        (None, None) => Cell::plain("not known"),
    }
}
