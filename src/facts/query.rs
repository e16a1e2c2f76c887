//! A query inside the held transaction: what it brought, and what it left behind.

use super::{Millis, ServerMessage};
use crate::runbook::check::ResultSet;
use crate::runbook::question::Question;

/// How long a query may take at the very most, in milliseconds; never more than half of what is
/// left of the hold.
pub const LIMIT: Millis = 10_000;
/// How much longer than that the server's own limit is waited for before the query is cancelled.
pub const GRACE: Millis = 1_000;
/// How many rows of an answer are shown.
pub const ROWS: usize = 1_000;

/// The answer to a query, and the proof that it changed nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    pub question: Question,
    /// How long it took, with everything around it.
    pub duration: Millis,
    pub answer: Result<Rows, ServerMessage>,
    pub after: After,
}

/// Rows of an answer, as far as they were fetched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// The rows; `total` counts only these.
    pub set: ResultSet,
    /// There are more: they were not fetched.
    pub more: bool,
}

/// What the transaction is like after a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum After {
    /// As before: the same transaction, open, with the same locks, role and settings.
    Unchanged,
    /// There was none: it was asked outside of any.
    Outside,
    /// Not as before, or it cannot be proven; what, in words.
    Disturbed(String),
}
