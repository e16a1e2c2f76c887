//! The states of a run.

use super::approval::{Approval, Basis, LetGo};
use super::event::Seq;
use super::pass::Pass;
use crate::facts::{Consent, Ending, ExitCode, Millis, Proof, Why};
use crate::runbook::question::Question;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    Connecting,
    /// Evidence is looked for and items are signed. No transaction is open.
    Checklist {
        /// The evidence that is being looked for.
        probing: Option<Probing>,
        /// Whether a run before this one has no outcome.
        earlier: EarlierRun,
    },
    Beginning {
        /// As in [`RunningPass`].
        approval: Option<Approval>,
    },
    Applying(RunningPass),
    /// Deferred constraints and the transaction's identity are looked at.
    Verifying(RunningPass),
    /// The structure of what the script touched is taken down: the pass is let go with it, or held
    /// against what was approved.
    TakingDown(RunningPass),
    /// The gate: COMMIT or ROLLBACK.
    Deciding {
        held: Held,
        prompt: Prompt,
        /// How much longer it must be on screen until it is armed.
        arming: Millis,
        /// What was said to COMMIT so far; it falls with the prompt.
        consent: Consent,
    },
    /// Only ROLLBACK is left; the person looks first.
    MustRollBack {
        held: Held,
        why: Why,
        /// No statement of it failed, and nothing disturbed it: a query can run in it.
        whole: bool,
        /// The question whether to roll back is open.
        asking: bool,
    },
    /// A query runs inside the held transaction; it was asked at the gate, or where only ROLLBACK
    /// is left.
    Querying {
        held: Held,
        question: Question,
        /// Why only ROLLBACK is left, if that is so.
        why: Option<Why>,
        /// How much longer it may take before it is cancelled.
        left: Millis,
        /// As in [`RunningPass`]; or how long ago its time was over.
        cancelling: Option<Millis>,
        /// The question whether to roll back is open.
        asking: bool,
    },
    /// Nothing is held: what a pass showed that was rolled back is reviewed, and COMMIT can be given
    /// on it.
    Reviewing {
        basis: Basis,
        prompt: Prompt,
        /// As in [`Phase::Deciding`].
        arming: Millis,
        /// As in [`Phase::Deciding`].
        consent: Consent,
        /// As in [`RunningPass`], of a query that runs.
        cancelling: Option<Millis>,
    },
    /// A session for the second pass is being opened, to be held against that of the first one.
    Returning {
        approval: Approval,
    },
    /// COMMIT was handed to the session.
    Committing {
        held: Held,
        waits: bool,
        /// As in [`RunningPass`], of its wait.
        cancelling: Option<Millis>,
    },
    /// ROLLBACK was handed to the session.
    RollingBack {
        after: AfterRollback,
        /// How much longer to wait for the answer before the link is closed.
        patience: Millis,
        /// A statement may still be running and is cancelled until ROLLBACK gets its turn.
        busy: bool,
    },
    /// The link was lost; the server is asked which way the transaction went.
    Inquiring {
        commit_sent: bool,
        /// With why the transaction could only be rolled back, if it was so before the link was lost.
        onward: Onward,
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
        /// As in [`RunningPass`].
        approval: Option<Approval>,
    },
    /// The outcome is known to be COMMITTED and the post-verification runs.
    PostVerifying {
        proof: Proof,
        /// As in [`RunningPass`].
        cancelling: Option<Millis>,
    },
    Ended(Ending),
    Left(ExitCode),
}

/// A run before this one on the database that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EarlierRun {
    /// There is none whose outcome is not known.
    #[default]
    Known,
    LeftOpen,
    /// The server is being asked about it, by the request with this number.
    Asked(Seq),
}

/// Evidence that is looked for, beside whatever else is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Probing {
    pub(super) seq: Seq,
    /// As in [`RunningPass`].
    pub(super) cancelling: Option<Millis>,
}

/// A pass on its way to its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunningPass {
    pub(super) held: Held,
    /// How long ago a person asked to cancel, up to [`super::plan::CANCEL_PATIENCE`].
    pub(super) cancelling: Option<Millis>,
    /// COMMIT as it was given before, where this is the second pass. It is over wherever it is not
    /// carried on.
    pub(super) approval: Option<Approval>,
}

/// What follows when nothing is left of the transaction, and is proven to be gone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Onward {
    /// The run ends.
    End(Why),
    /// What it showed is reviewed.
    Review(LetGo),
}

/// What follows a ROLLBACK that the session answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AfterRollback {
    /// A lock was not granted in time: it is tried again on this session, on what was approved where
    /// that was so. With the session this is over.
    TryAgain(Option<Approval>),
    /// What needs no session.
    Onward(Onward),
}

/// The transaction while it is held: from BEGIN until its end is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Held {
    /// How much longer it may be held.
    pub(super) left: Millis,
    /// What came out of the pass so far, as it was shown, where that is kept for a decision.
    pub(super) came_out: Option<Arc<Pass>>,
}

impl Held {
    /// Nothing more is decided on what came out of it.
    pub(super) fn without_pass(self) -> Held {
        Held {
            came_out: None,
            ..self
        }
    }
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

/// What of a phase changes by itself; cheap to take on every tick, and to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moving {
    phase: PhaseKind,
    prompt: Prompt,
    counts: [Option<Millis>; 2],
}

/// The part of a pass that a transaction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Stage {
    #[default]
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

/// What a phase holds, for those who read it and those who change it.
macro_rules! held_of {
    ($phase:expr) => {
        match $phase {
            Phase::Applying(RunningPass { held, .. })
            | Phase::Verifying(RunningPass { held, .. })
            | Phase::TakingDown(RunningPass { held, .. })
            | Phase::Deciding { held, .. }
            | Phase::MustRollBack { held, .. }
            | Phase::Querying { held, .. }
            | Phase::Committing { held, .. } => Some(held),
            Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Beginning { .. }
            | Phase::Reviewing { .. }
            | Phase::Returning { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => None,
        }
    };
}

/// The time since what runs in a phase was cancelled, for those who read it and those who change it.
macro_rules! cancelling_of {
    ($phase:expr) => {
        match $phase {
            Phase::Checklist {
                probing: Some(Probing { cancelling, .. }),
                ..
            }
            | Phase::Applying(RunningPass { cancelling, .. })
            | Phase::Verifying(RunningPass { cancelling, .. })
            | Phase::TakingDown(RunningPass { cancelling, .. })
            | Phase::Querying { cancelling, .. }
            | Phase::Reviewing { cancelling, .. }
            | Phase::Committing { cancelling, .. }
            | Phase::PostVerifying { cancelling, .. } => Some(cancelling),
            Phase::Connecting
            | Phase::Checklist { probing: None, .. }
            | Phase::Beginning { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Returning { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => None,
        }
    };
}

/// COMMIT as it was given before, for those who read it and those who change it: it lives in these phases
/// and nowhere else (I13).
macro_rules! approval_of {
    ($phase:expr) => {
        match $phase {
            Phase::Returning { approval } => Some(approval),
            Phase::Beginning { approval }
            | Phase::Applying(RunningPass { approval, .. })
            | Phase::Verifying(RunningPass { approval, .. })
            | Phase::TakingDown(RunningPass { approval, .. })
            | Phase::RollingBack {
                after: AfterRollback::TryAgain(approval),
                ..
            }
            | Phase::Waiting { approval, .. } => Option::from(approval),
            Phase::RollingBack {
                after: AfterRollback::Onward(_),
                ..
            }
            | Phase::Inquiring { .. }
            | Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Querying { .. }
            | Phase::Reviewing { .. }
            | Phase::Committing { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => None,
        }
    };
}

impl RunningPass {
    /// Out of its phase, which has no approval any more.
    pub(super) fn take(&mut self) -> RunningPass {
        RunningPass {
            approval: self.approval.take(),
            held: self.held.clone(),
            cancelling: self.cancelling,
        }
    }
}

impl Onward {
    pub fn why(&self) -> &Why {
        match self {
            Onward::End(why) => why,
            Onward::Review(_) => &Why::ForReview,
        }
    }

    /// Out of its phase, which only ends the run from here on.
    pub(super) fn take(&mut self) -> Onward {
        let end = Onward::End(self.why().clone());
        std::mem::replace(self, end)
    }
}

impl AfterRollback {
    /// Why it is rolled back.
    pub fn why(&self) -> &Why {
        match self {
            AfterRollback::TryAgain(_) => &Why::LockTimeout,
            AfterRollback::Onward(onward) => onward.why(),
        }
    }

    /// As [`Onward::take`].
    pub(super) fn take(&mut self) -> AfterRollback {
        let end = AfterRollback::Onward(Onward::End(self.why().clone()));
        std::mem::replace(self, end)
    }

    /// What follows where the session is gone.
    pub(super) fn without_session(&mut self) -> Onward {
        match self.take() {
            AfterRollback::TryAgain(_) => Onward::End(Why::LockTimeout),
            AfterRollback::Onward(onward) => onward,
        }
    }
}

impl Phase {
    pub fn kind(&self) -> PhaseKind {
        match self {
            Phase::Connecting => PhaseKind::Connecting,
            Phase::Checklist { .. } => PhaseKind::Checklist,
            Phase::Beginning { .. } => PhaseKind::Beginning,
            Phase::Applying { .. } => PhaseKind::Applying,
            Phase::Verifying { .. } => PhaseKind::Verifying,
            Phase::TakingDown { .. } => PhaseKind::TakingDown,
            Phase::Deciding { .. } => PhaseKind::Deciding,
            Phase::MustRollBack { .. } => PhaseKind::MustRollBack,
            Phase::Querying { .. } => PhaseKind::Querying,
            Phase::Reviewing { .. } => PhaseKind::Reviewing,
            Phase::Returning { .. } => PhaseKind::Returning,
            Phase::Committing { .. } => PhaseKind::Committing,
            Phase::RollingBack { .. } => PhaseKind::RollingBack,
            Phase::Inquiring { .. } => PhaseKind::Inquiring,
            Phase::Waiting { .. } => PhaseKind::Waiting,
            Phase::PostVerifying { .. } => PhaseKind::PostVerifying,
            Phase::Ended(_) => PhaseKind::Ended,
            Phase::Left(_) => PhaseKind::Left,
        }
    }

    /// The held transaction, while it is held.
    pub fn held(&self) -> Option<&Held> {
        held_of!(self)
    }

    pub(super) fn held_mut(&mut self) -> Option<&mut Held> {
        held_of!(self)
    }

    /// How long ago a person asked to cancel what runs in it, up to [`super::plan::CANCEL_PATIENCE`].
    pub fn cancelling(&self) -> Option<Millis> {
        cancelling_of!(self).copied().flatten()
    }

    pub(super) fn cancelling_mut(&mut self) -> Option<&mut Option<Millis>> {
        cancelling_of!(self)
    }

    /// The request by which evidence is looked for.
    pub(super) fn probes(&self) -> Option<Seq> {
        match self {
            Phase::Checklist { probing, .. } => probing.map(|probing| probing.seq),
            _ => None,
        }
    }

    /// What time and the monitor change in it, beside how long it may be held.
    pub fn moving(&self) -> Moving {
        let counts = match self {
            Phase::Applying(pass) | Phase::Verifying(pass) | Phase::TakingDown(pass) => {
                [pass.cancelling, None]
            }
            Phase::Querying {
                left, cancelling, ..
            } => [*cancelling, Some(*left)],
            Phase::Deciding { arming, .. } | Phase::Reviewing { arming, .. } => {
                [Some(*arming), None]
            }
            Phase::RollingBack { patience, .. } => [Some(*patience), None],
            Phase::Inquiring { still_open, .. } => [*still_open, None],
            Phase::Waiting { left, .. } => [Some(*left), None],
            Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Beginning { .. }
            | Phase::MustRollBack { .. }
            | Phase::Returning { .. }
            | Phase::Committing { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => [None, None],
        };
        Moving {
            phase: self.kind(),
            prompt: self.prompt(),
            counts,
        }
    }

    /// What people said to COMMIT so far.
    pub fn consent(&self) -> &Consent {
        const NONE: &Consent = &Consent {
            reason: None,
            second_signer: None,
        };
        match self {
            Phase::Deciding { consent, .. } | Phase::Reviewing { consent, .. } => consent,
            _ => NONE,
        }
    }

    /// COMMIT as it was given on what was reviewed, until the second pass is held against it.
    pub fn approval(&self) -> Option<&Approval> {
        approval_of!(self)
    }

    /// What is reviewed, or what the second pass is held against.
    pub fn basis(&self) -> Option<&Basis> {
        match self {
            Phase::Reviewing { basis, .. } => Some(basis),
            phase => phase.approval().map(Approval::basis),
        }
    }

    /// What was let go, wherever it is kept.
    pub(super) fn let_go_mut(&mut self) -> Option<&mut LetGo> {
        match self {
            Phase::Reviewing { basis, .. } => Some(basis.let_go_mut()),
            Phase::RollingBack {
                after: AfterRollback::Onward(Onward::Review(let_go)),
                ..
            }
            | Phase::Inquiring {
                onward: Onward::Review(let_go),
                ..
            } => Some(let_go),
            phase => approval_of!(phase).map(Approval::let_go_mut),
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
            | Phase::Checklist { .. }
            | Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Returning { .. }
            | Phase::Committing { .. }
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
            Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Querying { .. }
            | Phase::Committing { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. } => true,
            Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Reviewing { .. }
            | Phase::Returning { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => false,
        }
    }
}
