//! Whether the server can look for a vanished client in the middle of a statement, as tried out on a new
//! connection.

use crate::database::link::{BrokenLink, Link, Sent};
use crate::database::tap::Status;

/// First server that has `client_connection_check_interval`.
const CHECKS_CLIENT: u32 = 14;

/// Asks whether the server can look for a vanished client in the middle of a statement. Not on every
/// platform, and only trying tells. `None` where it is too old.
pub(super) async fn ask_for_client_checks(link: &mut Link) -> Result<Option<Sent>, BrokenLink> {
    if link.server_major() < CHECKS_CLIENT {
        return Ok(None);
    }
    let tried = "BEGIN READ ONLY; SET LOCAL client_connection_check_interval = '1s'; ROLLBACK";
    Ok(Some(link.send_ours(tried).await?))
}

/// Takes the answer; the link knows it then.
pub(super) async fn learn_client_checks(
    link: &mut Link,
    asked: Option<Sent>,
) -> Result<(), BrokenLink> {
    let Some(asked) = asked else {
        return Ok(());
    };
    let tried = link.answer(asked, &mut |_| {}).await?;
    if tried.error.is_some() && tried.status != Status::Idle {
        link.ask("ROLLBACK").await?;
    }
    link.knows_client_checks(tried.error.is_none());
    Ok(())
}
