//! The question to a server which way a transaction went, and whether its word counts.
//!
//! The server's word counts only when it is the same server on the same timeline as at BEGIN, and
//! not a standby. Everything else is unknown, and is said to be. A copy of the server has its system
//! identifier, its timeline and all transaction numbers up to the copy; only the process that was
//! started then, or the files that it was started on, are the server itself.
//!
//! A crash in between needs care: a transaction's number is durable only with the first piece of
//! its WAL. Before that, the recovered server gives the same number to somebody else, whose
//! "committed" must not be taken for ours.

use super::status::{status_of, status_question};
use crate::database::link::{BrokenLink, Link};
use crate::database::{message, target};
use crate::facts::{Inquiry, ServerMessage, Target, XactStatus};

/// Which server a transaction was opened on, and by which backend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    pub system_identifier: Option<String>,
    pub timeline: Option<u32>,
    pub backend_pid: i32,
    /// [`Target::recovered`]
    pub recovered: Option<String>,
    /// [`Target::started`]
    pub started: Option<String>,
    /// [`Target::asked_at`]
    pub asked_at: Option<String>,
    /// [`Target::files_since`]
    pub files_since: Option<String>,
    /// WAL with the transaction's number in it is known to be on the server's disk.
    pub durable: bool,
}

impl Identity {
    /// The identity of what a session reached.
    pub fn of(target: &Target) -> Identity {
        Identity {
            system_identifier: target.system_identifier.clone(),
            timeline: target.timeline,
            backend_pid: target.backend_pid,
            recovered: target.recovered.clone(),
            started: target.started.clone(),
            asked_at: target.asked_at.clone(),
            files_since: target.files_since.clone(),
            durable: false,
        }
    }

    /// The same, of a run that a journal tells of; whether the transaction's number was on the server's
    /// disk, the journal says.
    pub fn of_journal(target: &Target, durable: bool) -> Identity {
        Identity {
            durable,
            ..Identity::of(target)
        }
    }
}

/// Asks over `link` for the transaction `xid` that was opened on `identity`.
///
/// # Errors
/// When the link breaks; then it is worth another try.
pub async fn ask(
    link: &mut Link,
    here: &Target,
    identity: &Identity,
    xid: &str,
) -> Result<Inquiry, ServerMessage> {
    if let Some(why) = another_server(here, identity) {
        return Ok(Inquiry::OtherServer(why));
    }
    match itself(here, identity) {
        Itself::Yes => {}
        Itself::No(why) => return Ok(Inquiry::OtherServer(why)),
        Itself::Untold(why) => return Ok(Inquiry::Unknowable(why)),
    }
    if xid.is_empty() || !xid.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Inquiry::Unknowable("the transaction has no number".into()));
    }
    let now = target::recovered(link).await.map_err(BrokenLink::why)?;
    let crashed = match (&identity.recovered, &now) {
        (Some(then), Some(now)) => Some(then != now),
        _ => None,
    };
    // Before the status: what has ended in between must not be taken for somebody else's.
    let runs = crashed == Some(true) && runs(link, identity, xid).await?;
    let answer = link
        .ask(&status_question(xid))
        .await
        .map_err(BrokenLink::why)?;
    let server = target::identity_words(here);
    let not_ours = format!("{server}; it crashed since, and what was not written is rolled back");
    if let Some(error) = answer.error {
        return Ok(match (error.sqlstate.as_deref(), crashed) {
            // The number was never given out here: lost in the crash, with all that had it. A number
            // that was on disk is not lost, so then this is another disk.
            (Some(FUTURE), Some(true)) if !identity.durable => Inquiry::Answered {
                status: XactStatus::Aborted,
                server: not_ours,
            },
            (Some(FUTURE), Some(_)) => Inquiry::OtherServer(format!(
                "{server}: it has not given out transaction number {xid} yet, so it is a copy"
            )),
            _ => Inquiry::Unknowable(message::line(&error)),
        });
    }
    let status = status_of(&answer);
    if status == Some(XactStatus::InProgress)
        && let Some(gid) = prepared(link, xid).await?
    {
        return Ok(Inquiry::Prepared { gid, server });
    }
    Ok(match (status, crashed) {
        (Some(XactStatus::Committed), Some(true) | None) if !identity.durable => {
            Inquiry::Unknowable(format!(
                "{server}: it says committed, but it crashed since and may have given number {xid} \
                 to another transaction; look for what the script makes"
            ))
        }
        // A crash ends every transaction: whoever runs under the number now is not ours. But
        // somebody who resets the statistics looks like a crash, too.
        (Some(XactStatus::InProgress), Some(true)) if !runs => Inquiry::Answered {
            status: XactStatus::Aborted,
            server: not_ours,
        },
        (Some(XactStatus::Committed), _) if waits_for_standbys(link).await? => Inquiry::Answered {
            status: XactStatus::Committed,
            server: format!(
                "{server}; its standbys are waited for, and whether they have it is not known"
            ),
        },
        (Some(status), _) => Inquiry::Answered { status, server },
        (None, _) => Inquiry::Unknowable(format!(
            "the server no longer keeps the status of transaction {xid}"
        )),
    })
}

/// Whether COMMIT waits for standbys there. Whoever did not hear its answer does not know whether it
/// waited to the end: a backend that is told to end gives the wait up, and the transaction is committed.
async fn waits_for_standbys(link: &mut Link) -> Result<bool, ServerMessage> {
    let sql = "SELECT pg_catalog.current_setting('synchronous_standby_names')";
    let row = link.row(sql).await?;
    Ok(row.first().is_some_and(|cell| {
        cell.as_deref()
            .is_some_and(|names| !names.trim().is_empty())
    }))
}

/// The name under which it was prepared, if it was.
async fn prepared(link: &mut Link, xid: &str) -> Result<Option<String>, ServerMessage> {
    let sql = format!(
        "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE transaction \
         OPERATOR(pg_catalog.=) pg_catalog.xid('{xid}'::pg_catalog.xid8)"
    );
    let answer = link.ask(&sql).await.map_err(BrokenLink::why)?;
    let row = answer
        .results
        .into_iter()
        .find_map(|result| result.set.rows.into_iter().next());
    Ok(row.and_then(|row| row.into_iter().next().flatten()))
}

/// Whether the transaction is run by the backend that it was begun on.
async fn runs(link: &mut Link, identity: &Identity, xid: &str) -> Result<bool, ServerMessage> {
    let sql = format!(
        "SELECT pg_catalog.count(*) {}",
        locked_by(identity.backend_pid, xid)
    );
    let row = link.row(&sql).await?;
    Ok(row.first() != Some(&Some("0".to_owned())))
}

/// The lock that a transaction holds on its own number, if that backend runs it.
pub(super) fn locked_by(pid: i32, xid: &str) -> String {
    format!(
        "FROM pg_catalog.pg_locks l \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND l.granted \
         AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock' \
         AND l.pid OPERATOR(pg_catalog.=) {pid} \
         AND l.transactionid OPERATOR(pg_catalog.=) \
         pg_catalog.xid('{xid}'::pg_catalog.xid8)"
    )
}

/// `invalid_parameter_value`: what `pg_xact_status` says of a number from the future.
const FUTURE: &str = "22023";

fn another_server(here: &Target, identity: &Identity) -> Option<String> {
    let words = target::identity_words(here);
    if here.in_recovery {
        return Some(format!(
            "{words}: a standby, which knows only what it replayed"
        ));
    }
    match (&identity.system_identifier, &here.system_identifier) {
        (Some(then), Some(now)) if then == now => {}
        (Some(then), Some(_)) => {
            return Some(format!(
                "{words}, and the transaction was opened on system {then}"
            ));
        }
        _ => {
            return Some(format!(
                "{words}: this role may not read the system identifier, so nobody can say whether \
                 it is the same server"
            ));
        }
    }
    match (identity.timeline, here.timeline) {
        (Some(then), Some(now)) if then == now => None,
        (Some(then), Some(_)) => Some(format!(
            "{words}, and the transaction was opened on timeline {then}: a standby was promoted \
             since"
        )),
        _ => Some(format!("{words}: the timelines cannot be compared")),
    }
}

/// Whether what answers is the server of then, and no copy of it.
enum Itself {
    Yes,
    No(String),
    Untold(String),
}

/// The same process is the same server. A process that was started later may run on the same files
/// or on a copy of them, made before BEGIN or after it: numbers and WAL of a copy look alike, so
/// nothing but the files themselves tells.
fn itself(here: &Target, identity: &Identity) -> Itself {
    let words = target::identity_words(here);
    let (Some(then), Some(now)) = (&identity.started, &here.started) else {
        return Itself::Untold(format!(
            "{words}: when the server was started is not known, so nobody can say whether it is the \
             same or a copy"
        ));
    };
    if then == now {
        return Itself::Yes;
    }
    let seconds = |at: &Option<String>| at.as_ref().and_then(|at| at.parse::<f64>().ok());
    let ran = seconds(&here.started).zip(seconds(&identity.asked_at));
    if ran.is_some_and(|(started, asked)| started < asked) {
        return Itself::No(format!(
            "{words}: it ran beside the server that the transaction was opened on, so it is a copy"
        ));
    }
    match (&identity.files_since, &here.files_since) {
        (Some(then), Some(now)) if then == now => Itself::Yes,
        (Some(_), Some(_)) => Itself::No(format!(
            "{words}: it was started since, on files that are not those of then, so it is a copy"
        )),
        _ => Itself::Untold(format!(
            "{words}: it crashed since, or was stopped, and started again, and this role cannot see \
             whether on the same files or on a copy of them (EXECUTE on pg_stat_file(text) shows \
             it); look for what the script makes"
        )),
    }
}
