//! Whether a READ ONLY transaction is still the one that was opened, and READ ONLY.
//!
//! The server keeps a transaction READ ONLY, but not against everything: up to 15 `RESET
//! transaction_read_only` turns it off in the middle, and AND CHAIN opens another one that is still
//! to choose. Both are useless without a COMMIT behind them. So the server is asked behind every
//! query, in the same flight, and nothing follows a query that got out.

use crate::database::link::Answer;
use crate::database::tap::Status;

/// What tells one transaction from another, whether it is READ ONLY, and whether it wrote.
pub(super) const QUESTION: &str = "SELECT pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.now()), 'hex'), \
    pg_catalog.current_setting('transaction_read_only'), \
    pg_catalog.pg_current_xact_id_if_assigned() IS NULL";

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
pub(super) struct Proof {
    began: String,
}

fn row(answer: &Answer) -> Option<[Option<&str>; 3]> {
    let row = answer.results.last()?.set.rows.first()?;
    let cell = |column: usize| row.get(column).and_then(|cell| cell.as_deref());
    Some([cell(0), cell(1), cell(2)])
}

impl Proof {
    /// What the answer to [`QUESTION`] says of a transaction that was just opened; `None` where it is
    /// not READ ONLY.
    pub(super) fn of(answer: &Answer) -> Option<Proof> {
        match row(answer)? {
            [Some(began), Some("on"), Some("t")] => Some(Proof {
                began: began.to_owned(),
            }),
            _ => None,
        }
    }

    /// How a query got out of the transaction, by its own answer and by the one to [`QUESTION`]
    /// behind it; `None` where it did not. After an error nothing but ROLLBACK is taken.
    pub(super) fn broken_by(&self, answer: &Answer, behind: &Answer) -> Option<&'static str> {
        let fails = answer.error.is_some();
        match answer.status {
            Status::Failed if fails => return None,
            Status::Open if !fails => {}
            _ => return Some("this statement ended the READ ONLY transaction"),
        }
        if answer
            .tags
            .iter()
            .any(|tag| CONTROLS.contains(&tag.as_str()))
        {
            return Some("this statement ended or divided the READ ONLY transaction");
        }
        if Proof::of(behind).as_ref() == Some(self) {
            return None;
        }
        Some(match row(behind) {
            None => "whether the transaction is READ ONLY cannot be told after this statement",
            Some([_, Some("on"), Some("t")]) => "after this statement it is another transaction",
            Some([_, Some("on"), _]) => "this statement wrote",
            Some(_) => "this statement turned READ ONLY off",
        })
    }
}
