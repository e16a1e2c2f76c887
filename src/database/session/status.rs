//! Which way a transaction went, as the server itself keeps it.
//!
//! The session may have been left with limits of the script that outlive COMMIT, and too short for any
//! question. So the question lifts them for itself; and where even that was cut short, it is asked once
//! more where no script has been.

use crate::database::link::{Answer, BrokenLink, Link};
use crate::database::pinned::Pinned;
use crate::database::target;
use crate::facts::{ServerMessage, XactStatus};

use super::Identity;
use super::answers::xact_status;

/// The question which way a transaction went; who asks it bounds how long that may take. Outside of a
/// transaction this is one of its own, and what it sets ends with it.
pub(super) fn status_question(xid: &str) -> String {
    format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
         SELECT pg_catalog.pg_xact_status('{xid}'::pg_catalog.xid8)"
    )
}

pub(super) fn status_of(answer: &Answer) -> Option<XactStatus> {
    let cell = answer.results.last().and_then(|r| r.first_cell());
    xact_status(cell.filter(|_| answer.error.is_none()))
}

/// Asks on a connection of its own, to the same server.
pub(super) async fn ask_elsewhere(
    pinned: &Pinned,
    identity: &Identity,
    xid: &str,
) -> Result<Option<XactStatus>, ServerMessage> {
    let mut link = pinned.open().await?;
    target::prove_same(&mut link, identity).await?;
    ask_status(&mut link, xid).await.map_err(BrokenLink::why)
}

/// Asks for the status alone, and hears the answer.
pub(super) async fn ask_status(
    link: &mut Link,
    xid: &str,
) -> Result<Option<XactStatus>, BrokenLink> {
    Ok(status_of(&link.ask(&status_question(xid)).await?))
}
