//! What the server's word on a transaction comes to beside its journal, in words.
//!
//! Pure: it asks nobody, and says COMMITTED only where the server does (I3).

use crate::facts::{ExitCode, Inquiry, LOOK_YOURSELF, XactStatus, how_to_end};

/// What the end of a journal says beside the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JournalEnd {
    /// The end of its run is there, and no COMMIT was sent before it.
    CommitNeverSent,
    StillWritten,
    Reached,
}

/// The answer in words. What was never asked to commit, in a journal that has the end of its run,
/// cannot have been committed, whoever is there to ask; anything else needs the same server's word.
pub(super) fn told(inquiry: &Inquiry, xid: &str, end: JournalEnd) -> (String, ExitCode) {
    match inquiry {
        Inquiry::Answered {
            status: XactStatus::Committed,
            ..
        } => (
            format!("COMMITTED (transaction {xid}): {inquiry}."),
            ExitCode::Committed,
        ),
        Inquiry::Answered {
            status: XactStatus::Aborted,
            ..
        } => (
            format!("ROLLED BACK (transaction {xid}): {inquiry}."),
            ExitCode::RolledBackOnError,
        ),
        Inquiry::Answered {
            status: XactStatus::InProgress,
            ..
        } if end == JournalEnd::StillWritten => (
            format!("UNKNOWN (transaction {xid}): {inquiry}. Whoever began it holds it still."),
            ExitCode::OutcomeUnknown,
        ),
        Inquiry::Answered {
            status: XactStatus::InProgress,
            ..
        } => (
            format!(
                "UNKNOWN (transaction {xid}): {inquiry}. The old session has not noticed that the \
                 program is gone; ask again in a moment, or end it with --end-backend."
            ),
            ExitCode::OutcomeUnknown,
        ),
        Inquiry::Prepared { gid, .. } => (
            format!(
                "PREPARED (transaction {xid}): {inquiry}. Its locks are held until somebody ends it. {}",
                how_to_end(gid)
            ),
            ExitCode::OutcomeUnknown,
        ),
        Inquiry::OtherServer(_) | Inquiry::Unknowable(_) | Inquiry::Unreachable(_)
            if end == JournalEnd::CommitNeverSent =>
        {
            (
                format!("ROLLED BACK (transaction {xid}): COMMIT was never sent; {inquiry}."),
                ExitCode::RolledBackOnError,
            )
        }
        Inquiry::OtherServer(_) | Inquiry::Unknowable(_) | Inquiry::Unreachable(_) => (
            format!(
                "UNKNOWN (transaction {xid}): {inquiry}. Ask the server it was on: \
                 SELECT pg_xact_status('{xid}');"
            ),
            ExitCode::OutcomeUnknown,
        ),
        Inquiry::Contradicted(_) => (
            format!("UNKNOWN (transaction {xid}): {inquiry}. {LOOK_YOURSELF}"),
            ExitCode::OutcomeUnknown,
        ),
    }
}

/// What it says of the locks of a transaction that COMMIT was never sent for, behind what else is told; and
/// whether it is known then.
pub(super) fn told_of_locks(inquiry: &Inquiry) -> (&'static str, bool) {
    match inquiry {
        Inquiry::Answered {
            status: XactStatus::Aborted,
            ..
        } => (" Its locks went with it.", true),
        Inquiry::Answered {
            status: XactStatus::InProgress,
            ..
        } => (
            " COMMIT was never sent, so it can only be rolled back; until then it holds its locks.",
            false,
        ),
        Inquiry::Answered {
            status: XactStatus::Committed,
            ..
        }
        | Inquiry::Prepared { .. }
        | Inquiry::Contradicted(_) => ("", true),
        Inquiry::OtherServer(_) | Inquiry::Unknowable(_) | Inquiry::Unreachable(_) => (
            " Whether its session still holds locks is not known; ask again where the server can be asked.",
            false,
        ),
    }
}
