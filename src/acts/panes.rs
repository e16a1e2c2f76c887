//! The keys that open a pane, and the panes that are told in the same lines wherever they are shown: the
//! screen lays them out, lines print them.

use super::looking::{ToldPane, ViewAct};
use super::{Binding, view};
use crate::gate::Account;
use crate::runbook::Runbook;
use crate::runbook::impact::ImpactLine;
use crossterm::event::KeyCode::Char;

/// What is said for what the linter has its part in, as long as it is under way.
pub const UNREAD: &str = "The linter is under way; the scripts open with what it says of them.";

/// They hold everywhere, and stand in the footer in this order.
pub(super) const PANES: &[Binding] = &[SCRIPTS, LOCKS, MESSAGES, IMPACT];

pub(super) const SCRIPTS: Binding = view(
    ViewAct::Scripts,
    &[Char('s')],
    "script",
    "{read the scripts; the script opens at what failed, or at the statement under the cursor|\
     the script, rollback script N, the checks of item N}",
)
.by_word("read", " script, read N, read checks N");

pub(super) const LOCKS: Binding = view(
    ViewAct::Locks,
    &[Char('l')],
    "locks",
    "which statement took which lock, who waits for us, whom we wait for",
);

pub(super) const MESSAGES: Binding = view(
    ViewAct::Messages,
    &[Char('m')],
    "messages",
    "everything the server said, and where permitted the end of its log",
);

pub(super) const IMPACT: Binding = view(
    ViewAct::Told(&ToldPane {
        name: "impact",
        title: "IMPACT, as far as the script's text says",
        told: tell_impact,
    }),
    &[Char('i')],
    "impact",
    "what the script is expected to do: tables and sizes, objects, locks, whole-table reads",
)
.by_word("impact", "");

fn tell_impact(runbook: &Runbook, account: &Account) -> Vec<ImpactLine> {
    match runbook.is_read_through() {
        true => runbook.impact().told(Some(account.measure.as_ref())),
        false => vec![ImpactLine::Line(UNREAD.to_owned())],
    }
}
