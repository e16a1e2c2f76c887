//! Whether a READ ONLY transaction is still the one that was opened, and READ ONLY.
//!
//! The server keeps a transaction READ ONLY, but not against everything: up to 15 `RESET
//! transaction_read_only` turns it off in the middle, and AND CHAIN opens another one that is still
//! to choose. Both are useless without a COMMIT behind them. So behind every query goes a guard that
//! fails on the server where the query got out, and what it says is looked at here once more.

use crate::database::link::Gathered;
use crate::facts::ServerMessage;

/// The moment that tells one transaction from another.
pub(super) const BEGAN: &str =
    "pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.now()), 'hex')";

/// What tells one transaction from another, whether it is READ ONLY, and whether it wrote.
pub(super) const QUESTION: &str = "SELECT \
    pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.now()), 'hex'), \
    pg_catalog.current_setting('transaction_read_only'), \
    pg_catalog.pg_current_xact_id_if_assigned() IS NULL";

/// The same, and an error that holds one of [`SIGNS`] where the answer is not as it was: a text that
/// is no number, since a plain division by zero would not say which. That the strings of the texts
/// behind it end where they do here belongs to it.
pub(super) const GUARD: &str = "SELECT \
    pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.now()), 'hex'), \
    pg_catalog.current_setting('transaction_read_only'), \
    pg_catalog.pg_current_xact_id_if_assigned() IS NULL, \
    (CASE WHEN NOT COALESCE(pg_catalog.current_setting('stagegate.began', true) \
    OPERATOR(pg_catalog.=) \
    pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.now()), 'hex'), false) \
    THEN 'stagegate: another' \
    WHEN pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.<>) 'on' \
    THEN 'stagegate: off' \
    WHEN pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL THEN 'stagegate: wrote' \
    WHEN pg_catalog.current_setting('standard_conforming_strings') OPERATOR(pg_catalog.<>) 'on' \
    THEN 'stagegate: strings' \
    ELSE '1' END)::pg_catalog.int4";

/// What a guard says, and what it means.
const SIGNS: [(&str, &str); 3] = [
    ("stagegate: off", "this statement turned READ ONLY off"),
    ("stagegate: wrote", "this statement wrote"),
    (ANOTHER, "after this statement it is another transaction"),
];

const ANOTHER: &str = "stagegate: another";

/// The tags of commands that end, open or divide a transaction, as the server calls what it did.
const CONTROLS: [&str; 9] = [
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "PREPARE TRANSACTION",
    "COMMIT PREPARED",
    "ROLLBACK PREPARED",
];

/// A transaction that was opened READ ONLY.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadOnlyProof {
    began: String,
}

impl ReadOnlyProof {
    /// What the answer to [`QUESTION`] says of a transaction that was just opened; `None` where it is
    /// not READ ONLY.
    pub(super) fn of(answer: &Gathered) -> Option<ReadOnlyProof> {
        let row = answer.set.rows.first()?;
        let cell = |column: usize| row.get(column).and_then(|cell| cell.as_deref());
        match [cell(0), cell(1), cell(2)] {
            [Some(began), Some("on"), Some("t")] => Some(ReadOnlyProof {
                began: began.to_owned(),
            }),
            _ => None,
        }
    }

    /// How a query got out of the transaction that the guard behind it let pass, by its own tag and
    /// the guard's answer; `None` where it did not.
    pub(super) fn broken_by(&self, tag: &str, guard: Option<&Gathered>) -> Option<&'static str> {
        if CONTROLS.contains(&tag) {
            return Some(DIVIDED);
        }
        match guard.and_then(ReadOnlyProof::of).as_ref() == Some(self) {
            true => None,
            false => Some(UNTOLD),
        }
    }
}

const DIVIDED: &str = "this statement ended or divided the READ ONLY transaction";

const UNTOLD: &str = "whether the transaction is READ ONLY cannot be told after this statement";

/// How a query got out that the guard behind it stopped at.
pub(super) fn broken_in_words(tag: &str, error: Option<&ServerMessage>) -> &'static str {
    let said = error.map_or("", |error| error.message.as_str());
    match SIGNS.iter().find(|(sign, _)| said.contains(sign)) {
        Some((ANOTHER, _)) if CONTROLS.contains(&tag) => {
            "this statement ended the READ ONLY transaction"
        }
        _ if CONTROLS.contains(&tag) => DIVIDED,
        Some((_, words)) => words,
        None => UNTOLD,
    }
}

/// The guard stopped because texts are not read here as they are there.
pub(super) fn is_reading(error: &ServerMessage) -> bool {
    error.message.contains("stagegate: strings")
}
