//! Whether the server can look for a vanished client in the middle of a statement, as tried out on a new
//! connection.

use crate::database::link::{BrokenLink, Link, Sent};
use crate::database::tap::Status;

use super::asked::{AskedFor, Looker};

/// First server that has `client_connection_check_interval`.
const CHECKS_CLIENT: u32 = 14;

/// Asks whether the server can look for a vanished client in the middle of a statement. Not on every
/// platform, and only trying tells. `None` where it is too old.
pub(super) async fn ask_for_client_checks(link: &mut Link) -> Result<Option<Sent>, BrokenLink> {
    if link.server_major() < CHECKS_CLIENT {
        return Ok(None);
    }
    let tried = "BEGIN READ ONLY; SET LOCAL client_connection_check_interval = '1s'; ROLLBACK";
    let sent = link.send_ours(tried).await?;
    // Most servers can; what is asked behind this is asked again where this one cannot.
    link.knows_client_checks(true);
    Ok(Some(sent))
}

/// Takes the answer; the link knows it then. What was asked behind it comes back, unless it was in vain.
pub(super) async fn learn_client_checks(
    link: &mut Link,
    tried: Option<Sent>,
    mut behind: Option<(Looker, AskedFor)>,
) -> Result<Option<AskedFor>, BrokenLink> {
    if let Some(tried) = tried {
        let tried = link.answer(tried, &mut |_| {}).await?;
        if tried.error.is_some() {
            link.knows_client_checks(false);
            if let Some((looker, asked)) = behind.take() {
                looker.let_pass(link, asked).await?;
            }
            if link.status() != Status::Idle {
                link.ask("ROLLBACK").await?;
            }
        }
    }
    Ok(behind.map(|(_, asked)| asked))
}
