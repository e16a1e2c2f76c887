//! What the machine knows of a run before it begins.

use super::event::{Document, Millis};
use crate::runbook::{ItemKind, Runbook};

/// The hold limit where the command line gives none: 5 minutes.
pub const HOLD_LIMIT: Millis = 5 * 60 * 1000;
/// How long the gate is on screen before it is armed (I5).
pub const ARMING: Millis = 400;
/// How often the session shows the server that it is alive, while the gate is open. Three beats
/// fit into the server's own limit of 15 s.
pub const BEAT: Millis = 4_000;
/// How long a rollback may go unanswered before the link is closed instead; the server then rolls
/// back by itself. Short enough for "ROLLBACK within two seconds" of a signal.
pub const PATIENCE: Millis = 1_500;
/// How often a transaction is begun when locks are not granted, where the command line says
/// nothing else.
pub const LOCK_ATTEMPTS: u32 = 5;
/// How long to wait before asking once more about a transaction that is still in progress.
pub const ASK_AGAIN: Millis = 2_000;

/// What kind of run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The whole walk; the person decides.
    Run,
    /// The whole walk without sign-offs, which always ends in ROLLBACK.
    Rehearse,
    /// Looking only. Nothing that writes is reachable (I4).
    Inspect,
}

/// The run as the machine needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Plan {
    /// What kind of run it is.
    pub mode: Mode,
    /// What each checklist item asks for beside its evidence.
    pub items: Vec<Requirement>,
    /// How long the transaction may be held, counted from BEGIN.
    pub hold_limit: Millis,
    /// Whether there is something to run after COMMIT.
    pub post_verification: bool,
    /// How often the transaction is begun when a lock is not granted in time.
    pub lock_attempts: u32,
    /// The runbook has another form, which leaves something out or takes it back in.
    pub other_form: bool,
    /// Roll back when more sessions than this wait for us.
    pub max_waiters: Option<usize>,
    /// Roll back when a session waits for us longer than this.
    pub max_wait: Option<Millis>,
}

/// How long to wait after attempt `attempt` (from 1) before the next: 1, 2, 4, 8 s and so on to
/// 10 s, and up to half as much again, so that two runs do not keep in step. The jitter is drawn
/// from the transaction id, so that the machine stays pure.
pub fn back_off(attempt: u32, xid: &str) -> Millis {
    let base = 1_000 * 2u64.saturating_pow(attempt.saturating_sub(1)).min(10);
    let drawn = xid.bytes().fold(2_166_136_261u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(16_777_619)
    });
    base + (drawn >> 8) % (base / 2)
}

/// What a signature needs beside evidence that holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Requirement {
    /// A text is typed with it, such as the reference to a backup.
    pub reference: bool,
    /// These were read to their end.
    pub documents: Vec<Document>,
}

impl Plan {
    /// The plan of `runbook`.
    pub fn new(runbook: &Runbook, mode: Mode, hold_limit: Millis) -> Plan {
        let items = runbook
            .items
            .iter()
            .map(|item| match item.kind {
                ItemKind::Backup => Requirement {
                    reference: true,
                    documents: Vec::new(),
                },
                ItemKind::Review => Requirement {
                    reference: false,
                    documents: vec![Document::Script],
                },
                ItemKind::Rollback => Requirement {
                    reference: false,
                    documents: (0..runbook.rollbacks.len())
                        .map(Document::Rollback)
                        .collect(),
                },
                ItemKind::Connection | ItemKind::Structure | ItemKind::Attest => {
                    Requirement::default()
                }
            })
            .collect();
        Plan {
            mode,
            items,
            hold_limit,
            post_verification: runbook.post_verification.is_some(),
            lock_attempts: LOCK_ATTEMPTS,
            other_form: false,
            max_waiters: None,
            max_wait: None,
        }
    }
}
