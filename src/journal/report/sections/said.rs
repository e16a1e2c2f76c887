//! What was said of it: the checks, FAIL first, and the server's messages.

use super::heading;
use crate::facts::Said;
use crate::journal::entry::Queried;
use crate::journal::replay::Replay;
use crate::journal::report::words::{clock, counted, line};
use crate::journal::report::{Block, Cell, Tone};
use crate::runbook::check::{Check, Tally, Verdict};

pub fn tally<'a>(checks: impl IntoIterator<Item = &'a Check>) -> String {
    let tally = Tally::of(checks);
    match tally.total() {
        0 => "no checks; zero checks is not a pass".to_owned(),
        _ => tally.to_string(),
    }
}

/// The checks of the transaction that counts.
pub fn checks(replay: &Replay, blocks: &mut Vec<Block>) {
    let Some(attempt) = replay.last() else {
        return;
    };
    blocks.push(heading("Verification, inside the transaction"));
    blocks.push(table_of(attempt.transaction.script_checks()));
    blocks.push(heading("Post-verification, after COMMIT"));
    let post = &attempt.transaction.post_checks;
    if post.is_empty() {
        blocks.push(Block::text("None is recorded."));
    } else {
        blocks.push(table_of(post));
    }
}

/// FAIL first, then WARN, then PASS.
pub fn table_of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Block {
    let mut sorted: Vec<&Check> = checks.into_iter().collect();
    if sorted.is_empty() {
        return Block::text("No check is recorded; zero checks is not a pass.");
    }
    let rank = |check: &Check| match check.verdict {
        Verdict::Pass => (2, Tone::Good),
        Verdict::Warn => (1, Tone::Doubtful),
        Verdict::Fail => (0, Tone::Bad),
    };
    sorted.sort_by_key(|check| rank(check).0);
    let rows = sorted.into_iter().map(|check| {
        [
            Cell::toned(check.verdict.word(), rank(check).1),
            Cell::plain(check.name.clone()),
            Cell::plain(check.detail.clone()),
        ]
    });
    Block::table(["verdict", "check", "detail"], rows)
}

/// The queries that a person asked inside the transaction, where there were any.
pub fn queries(replay: &Replay, blocks: &mut Vec<Block>) {
    if replay.queries.is_empty() {
        return;
    }
    let count = counted(replay.queries.len(), "query", "queries");
    blocks.push(heading("Looked at inside the transaction"));
    blocks.push(Block::text(format!(
        "{count}, read-only by the server and undone at a savepoint."
    )));
    let rows = replay.queries.iter().map(|(at, query)| {
        let tone = match query.disturbed {
            Some(_) => Tone::Bad,
            None => Tone::Plain,
        };
        [
            Cell::plain(clock(*at)),
            Cell::plain(query.query.clone()),
            Cell::toned(brought(query), tone),
        ]
    });
    blocks.push(Block::table(["when", "query", "answer"], rows));
}

/// How a query went, in words.
fn brought(query: &Queried) -> String {
    let mut brought = match (query.rows, &query.error) {
        (Some(rows), _) if query.more => format!("the first {rows} rows"),
        (Some(1), _) => "1 row".to_owned(),
        (Some(rows), _) => format!("{rows} rows"),
        (None, Some(error)) => line(error),
        (None, None) => "no answer".to_owned(),
    };
    if let Some(what) = &query.disturbed {
        brought.push_str("; the transaction was not as before: ");
        brought.push_str(what);
    }
    brought
}

/// Everything the server said, errors of statements among it.
pub fn messages(replay: &Replay, blocks: &mut Vec<Block>) {
    blocks.push(heading("Messages"));
    if replay.messages.is_empty() {
        blocks.push(Block::text("The server said nothing beside its answers."));
        return;
    }
    let rows = replay.messages.iter().map(|(at, said)| {
        let Said { number, message } = said;
        let parts = [
            ("DETAIL", &message.detail),
            ("HINT", &message.hint),
            ("CONTEXT", &message.context),
        ];
        let rest: Vec<String> = parts
            .into_iter()
            .filter_map(|(name, part)| part.as_ref().map(|part| format!("{name}: {part}")))
            .collect();
        let tone = match message.severity.as_str() {
            "ERROR" | "FATAL" | "PANIC" => Tone::Bad,
            "WARNING" => Tone::Doubtful,
            _ => Tone::Plain,
        };
        [
            Cell::plain(clock(*at)),
            Cell::plain(number.map_or_else(String::new, |number| number.to_string())),
            Cell::toned(line(message), tone),
            Cell::plain(rest.join(" ")),
        ]
    });
    blocks.push(Block::table(["when", "statement", "message", "more"], rows));
}
