//! What the machine wants done, as data. It does nothing itself.

use super::event::Seq;
use super::offer::Refusal;
use super::warrant::Warrant;
use crate::facts::{ExitCode, Millis};
use crate::runbook::question::Question;

#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a request to the held session.
    Request {
        /// Its number, which the reports echo.
        seq: Seq,
        request: Request,
    },
    /// Send a cancel request for the statement that runs, on a connection of its own.
    Cancel,
    /// Stop the dump that is under way; nothing of it is left.
    StopBackup,
    /// The transaction may be held for so long from now on; the session ends it by itself then, if it
    /// hears nothing else.
    Renew(Millis),
    /// Close the link to the server, whatever is under way on it.
    Sever,
    /// Tell the person why something was refused. Each front puts it into its own words: keys on
    /// the screen, words by lines.
    Refuse(Refusal),
    /// Tell the person what changed.
    Say(String),
    Leave(ExitCode),
    /// Leave this walk, in which nothing was applied, for one of the runbook's other form.
    StartOver,
}

/// What the held session can be asked to do. Only the ones for which [`Request::writes`] is true can
/// change the database, and no read-only mode has an effect with one of them (I4).
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Connect and find out what was reached.
    Connect,
    /// Look for the evidence of the items with these indexes, in a READ ONLY transaction.
    Probe(Vec<usize>),
    /// Make a dump of the database into this folder, as it was typed. It has a session of its own,
    /// and is answered by [`super::event::Body::BackedUp`] or its failure, whatever else is asked
    /// meanwhile.
    BackUp {
        folder: String,
    },
    /// Ask the server which way the run before this one went that has no outcome, on a connection of its
    /// own. It is answered by [`super::event::Body::EarlierAnswered`], whatever else is asked meanwhile.
    AskEarlier,
    Begin,
    RunScript,
    /// `SET CONSTRAINTS ALL IMMEDIATE`, and whether it is still the same transaction.
    Settle,
    /// Take down the structure of what the transaction touched, as it sees it: for a pass that is let
    /// go, or one that is held against what was approved.
    TakeDown,
    /// COMMIT. Needs a [`Warrant`], which only an armed gate gives out (I1).
    Commit(Warrant),
    RollBack,
    /// Ask something inside the held transaction, read-only by the server, and prove that the
    /// transaction is as it was.
    Query {
        question: Question,
        /// How long the server works on it.
        limit: Millis,
    },
    /// Ask something outside of any transaction of ours, read-only by the server: what there is now.
    QueryOutside(Question),
    /// After a lost link: connect anew and ask `pg_xact_status`.
    Inquire,
    /// End the backend of the lost link (`pg_terminate_backend`, same role), then ask as `Inquire` does.
    EndBackend,
    /// Run the post-verification in a READ ONLY transaction.
    PostVerify,
}

#[cfg(test)]
impl Request {
    /// Whether this can change the database.
    pub fn writes(&self) -> bool {
        match self {
            Request::Begin | Request::RunScript | Request::Settle | Request::Commit(_) => true,
            Request::Connect
            | Request::Probe(_)
            | Request::BackUp { .. }
            | Request::AskEarlier
            | Request::TakeDown
            | Request::RollBack
            | Request::Query { .. }
            | Request::QueryOutside(_)
            | Request::Inquire
            | Request::EndBackend
            | Request::PostVerify => false,
        }
    }
}
