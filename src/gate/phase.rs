//! The states of a run.

use super::exit::ExitCode;
use super::time::Millis;
use crate::runbook::question::Question;

pub use super::ending::{Ending, LOOK_YOURSELF, OutcomeWord, Proof, Why, how_to_end};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The session is being opened.
    Connecting,
    /// Evidence is looked for and items are signed. No transaction is open.
    Checklist,
    Beginning,
    Applying {
        /// How long ago a person asked to cancel, up to [`super::plan::CANCEL_PATIENCE`].
        cancelling: Option<Millis>,
    },
    /// Deferred constraints and the transaction's identity are looked at.
    Verifying {
        /// As in [`Phase::Applying`].
        cancelling: Option<Millis>,
    },
    /// The structure of what the script touched is taken down: the pass is let go with it, or held
    /// against what was approved.
    TakingDown {
        /// As in [`Phase::Applying`].
        cancelling: Option<Millis>,
    },
    /// The gate: COMMIT or ROLLBACK.
    Deciding {
        /// What is open on it.
        prompt: Prompt,
        /// How much longer it must be on screen until it is armed.
        arming: Millis,
    },
    /// Only ROLLBACK is left; the person looks first.
    MustRollBack {
        why: Why,
        /// The question whether to roll back is open.
        asking: bool,
    },
    /// A query runs inside the held transaction; it was asked at the gate, or where only ROLLBACK
    /// is left.
    Querying {
        question: Question,
        /// Why only ROLLBACK is left, if that is so.
        why: Option<Why>,
        /// How much longer it may take before it is cancelled.
        left: Millis,
        /// As in [`Phase::Applying`]; or how long ago its time was over.
        cancelling: Option<Millis>,
        /// The question whether to roll back is open.
        asking: bool,
    },
    /// Nothing is held: what a pass showed that was rolled back is reviewed, and COMMIT can be given
    /// on it.
    Reviewing {
        prompt: Prompt,
        /// As in [`Phase::Deciding`].
        arming: Millis,
    },
    /// A session for the second pass is being opened, to be held against that of the first one.
    Returning,
    /// COMMIT was handed to the session.
    Committing,
    /// ROLLBACK was handed to the session.
    RollingBack {
        why: Why,
        /// How much longer to wait for the answer before the link is closed.
        patience: Millis,
        /// A statement may still be running and is cancelled until ROLLBACK gets its turn.
        busy: bool,
    },
    /// The link was lost; the server is asked which way the transaction went.
    Inquiring {
        /// COMMIT may have been sent.
        commit_sent: bool,
        /// Why the transaction could only be rolled back, if it was so before the link was lost.
        why: Why,
        /// The server says `in progress`: asked again after this time.
        still_open: Option<Millis>,
        /// How often it has said so.
        times: u32,
    },
    /// Rolled back because a lock was not granted in time; it is tried again by itself.
    Waiting {
        left: Millis,
        /// The proof that nothing of the last attempt is left.
        proof: Proof,
    },
    /// The outcome is known to be COMMITTED and the post-verification runs.
    PostVerifying {
        proof: Proof,
    },
    Ended(Ending),
    Left(ExitCode),
}

/// A phase without what is known in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PhaseKind {
    Connecting,
    Checklist,
    Beginning,
    Applying,
    Verifying,
    TakingDown,
    Deciding,
    MustRollBack,
    Querying,
    Reviewing,
    Returning,
    Committing,
    RollingBack,
    Inquiring,
    Waiting,
    PostVerifying,
    Ended,
    Left,
}

/// The part of a pass that a transaction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Apply,
    /// What is looked at after the last one.
    Verify,
    Decide,
}

/// What is open on the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prompt {
    Closed,
    /// The reason is being typed why a script without checks is committed.
    Reason,
    /// The second signer's name is being typed.
    SecondSigner,
    /// The database name is being typed for COMMIT.
    Name,
    /// The question whether to roll back.
    RollBack,
}

impl Prompt {
    /// Whether it is one of those that COMMIT asks, one after the other.
    pub fn is_for_commit(self) -> bool {
        match self {
            Prompt::Reason | Prompt::SecondSigner | Prompt::Name => true,
            Prompt::Closed | Prompt::RollBack => false,
        }
    }
}

impl Phase {
    pub fn kind(&self) -> PhaseKind {
        match self {
            Phase::Connecting => PhaseKind::Connecting,
            Phase::Checklist => PhaseKind::Checklist,
            Phase::Beginning => PhaseKind::Beginning,
            Phase::Applying { .. } => PhaseKind::Applying,
            Phase::Verifying { .. } => PhaseKind::Verifying,
            Phase::TakingDown { .. } => PhaseKind::TakingDown,
            Phase::Deciding { .. } => PhaseKind::Deciding,
            Phase::MustRollBack { .. } => PhaseKind::MustRollBack,
            Phase::Querying { .. } => PhaseKind::Querying,
            Phase::Reviewing { .. } => PhaseKind::Reviewing,
            Phase::Returning => PhaseKind::Returning,
            Phase::Committing => PhaseKind::Committing,
            Phase::RollingBack { .. } => PhaseKind::RollingBack,
            Phase::Inquiring { .. } => PhaseKind::Inquiring,
            Phase::Waiting { .. } => PhaseKind::Waiting,
            Phase::PostVerifying { .. } => PhaseKind::PostVerifying,
            Phase::Ended(_) => PhaseKind::Ended,
            Phase::Left(_) => PhaseKind::Left,
        }
    }

    /// What is open on it: [`Prompt::Closed`] where nothing is, or where there is nothing to ask.
    pub fn prompt(&self) -> Prompt {
        match self {
            Phase::Deciding { prompt, .. } | Phase::Reviewing { prompt, .. } => *prompt,
            Phase::MustRollBack { asking: true, .. } | Phase::Querying { asking: true, .. } => {
                Prompt::RollBack
            }
            Phase::MustRollBack { asking: false, .. }
            | Phase::Querying { asking: false, .. }
            | Phase::Connecting
            | Phase::Checklist
            | Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Returning
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Prompt::Closed,
        }
    }

    /// Whether a transaction of ours may be open on the server.
    pub fn transaction_open(&self) -> bool {
        match self {
            Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Querying { .. }
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. } => true,
            Phase::Connecting
            | Phase::Checklist
            | Phase::Reviewing { .. }
            | Phase::Returning
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => false,
        }
    }
}
