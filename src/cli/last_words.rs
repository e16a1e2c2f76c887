//! The outcome in a line or two, for the terminal's history when the screen is gone.
//!
//! It says no more than what was proven: of an unknown outcome, how to ask for it later.

use crate::account::Account;
use crate::facts::{Ending, Inquiry, LOOK_YOURSELF, how_to_end};
use crate::gate::Machine;
use crate::runbook::Runbook;
use crate::runbook::printable::printable;
use crate::tui::terminal::write_until;
use std::io::{IsTerminal, Write, stdout};
use std::time::Instant;

/// Says the last lines, behind what gives the terminal back. One that takes nothing is waited for until
/// then. Where it is gone there is nobody to tell; the outcome and its code stand.
pub(super) fn say_last(lines: Vec<String>, until: Instant) {
    let say = move || {
        for line in &lines {
            let _ = writeln!(stdout(), "{line}");
        }
    };
    if !stdout().is_terminal() {
        return say();
    }
    write_until(until, say);
}

/// The outcome, with what ROLLBACK does not take back and what was left out.
pub(super) fn last_words(machine: &Machine, account: &Account, runbook: &Runbook) -> String {
    let mut last = outcome(machine, account);
    let stays = account.outliving(&runbook.script).join(", ");
    match machine.ending() {
        Some(Ending::RolledBack { .. }) if !stays.is_empty() => last.push_str(&format!(
            " What ROLLBACK does not take back stays: {}.",
            printable(&stays)
        )),
        Some(Ending::Committed { .. }) => {
            if let Some(left_out) = runbook.left_out() {
                last.push_str(&format!(" {}.", printable(left_out)));
            }
        }
        Some(_) | None => {}
    }
    last
}

/// The outcome in a line or two.
fn outcome(machine: &Machine, account: &Account) -> String {
    let place = account.target.as_ref().map_or_else(String::new, |target| {
        format!(
            " {} on {}:{}",
            printable(&target.database),
            printable(&target.host),
            target.port
        )
    });
    let xid = account
        .transaction
        .xid
        .as_ref()
        .map_or_else(String::new, |xid| format!(" (transaction {xid})"));
    match machine.ending() {
        None => "Nothing was applied.".into(),
        Some(Ending::NotConnected) => {
            let why = account.last_error().map_or_else(String::new, |said| {
                format!(": {}", printable(&said.message.message))
            });
            format!("NOT CONNECTED{why}. Nothing was applied.")
        }
        Some(ending @ Ending::Committed { proof, post }) => {
            let post = match post {
                Some(tally) if tally.fail > 0 => {
                    format!(" Post-verification: {} FAIL.", tally.fail)
                }
                Some(tally) => format!(" Post-verification: {} PASS.", tally.pass),
                None if machine.plan().post_verification => {
                    " The post-verification gave no result.".to_owned()
                }
                None => String::new(),
            };
            format!("{}{place}{xid}: {proof}.{post}", ending.word())
        }
        Some(ending @ Ending::RolledBack { why, proof }) => {
            format!("{}{place}{xid}, because {why}: {proof}.", ending.word())
        }
        Some(ending @ Ending::Prepared { gid, server }) => format!(
            "{}{place}{xid} as '{}' ({server}): its locks are held until somebody ends it. {}",
            ending.word(),
            printable(gid),
            printable(&how_to_end(gid)),
        ),
        Some(
            ending @ Ending::Unknown {
                reason: reason @ Inquiry::Contradicted(_),
            },
        ) => format!("{}{place}{xid}: {reason}. {LOOK_YOURSELF}", ending.word()),
        Some(ending @ Ending::Unknown { reason }) => format!(
            "{}{place}{xid}: {reason}. Ask that server later: SELECT pg_xact_status('{}');",
            ending.word(),
            account.transaction.xid.as_deref().unwrap_or("?")
        ),
    }
}
