//! What the newest transaction came to, kept until the next one is begun.

use crate::facts::Ending;
use crate::gate::pass::Compared;
use crate::gate::phase::Stage;
use crate::runbook::check::Tally;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Newest {
    /// How often a transaction was begun since `apply`, this one included.
    pub(super) attempt: u32,
    pub(super) xid: Option<String>,
    /// The checks that the script's own statements returned.
    pub(super) tally: Tally,
    pub(super) committer: Committer,
    pub(super) got_to: Stage,
    /// It came before a person: at the gate, or where only ROLLBACK is left.
    pub(super) decided: bool,
    /// What it was different in from what was approved.
    pub(super) compared: Option<Arc<Compared>>,
    pub(super) ending: Option<Ending>,
}

/// Who may have committed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Committer {
    #[default]
    Nobody,
    /// COMMIT was handed to the session.
    Us,
    /// COMMIT was answered with its own tag, whatever a status says.
    Answered,
    /// It ended though nobody asked for that: only the server knows which way.
    Another,
}

impl Newest {
    pub(super) fn begin_another(&mut self) {
        *self = Newest {
            attempt: self.attempt + 1,
            ..Newest::default()
        };
    }
}

impl Committer {
    /// COMMIT is handed to the session; what another did counts for more.
    pub(super) fn send(&mut self) {
        if *self == Committer::Nobody {
            *self = Committer::Us;
        }
    }

    /// COMMIT was not sent after all.
    pub(super) fn take_back(&mut self) {
        if *self == Committer::Us {
            *self = Committer::Nobody;
        }
    }
}
