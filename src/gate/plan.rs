//! What the machine knows of a run before it begins.

use super::event::Document;
use crate::facts::Millis;
use crate::runbook::printable::misleads;
use crate::runbook::targets::Named;
use crate::runbook::{ItemKind, Runbook, RunbookOrigin};

/// The hold limit where the command line gives none: 5 minutes.
pub const HOLD_LIMIT: Millis = 5 * 60 * 1000;
/// How long the gate is on screen before it is armed (I5).
pub const ARMING: Millis = 400;
/// How long a rollback may go unanswered before the link is closed instead; the server then rolls
/// back by itself. Short enough for "ROLLBACK within two seconds" of a signal.
pub const PATIENCE: Millis = 1_500;
/// How long a cancel may be without effect until it is offered to close the link instead: what is
/// frozen takes no cancel, and the server rolls back by itself once the link is gone.
pub const CANCEL_PATIENCE: Millis = 5_000;
/// How often a transaction is begun when locks are not granted, where the command line says
/// nothing else.
pub const LOCK_ATTEMPTS: u32 = 5;
/// How often the server is asked about a transaction that is still in progress, before that is the
/// answer.
pub const INQUIRIES: u32 = 10;
/// How long a run that is to be left by all means still waits for its proof. The program is to be gone
/// 5 s after a signal, and needs the rest to put the terminal in order.
pub const LEAVING: Millis = 4_000;
/// How long `q` stands open to be pressed again, once it was refused.
pub const PARTING: Millis = 10_000;

/// How old what was shown may be that COMMIT is given on, where the command line says nothing else:
/// 30 minutes.
pub const APPROVAL_LIMIT: Millis = 30 * 60 * 1_000;

/// Whether COMMIT can be given on a pass that was rolled back, for a second one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Unheld {
    /// It has no meaning in this run.
    #[default]
    Never,
    /// It cannot: a second pass would do something twice. What, in words.
    Refused(String),
    Offered {
        /// How old what was shown may be.
        limit: Millis,
        /// Every pass is let go by itself the moment its verdict is there: nothing is held for a
        /// person.
        by_itself: bool,
        /// A second pass that comes out otherwise is rolled back and reviewed as well, instead of
        /// being held at the gate.
        review_again: bool,
    },
}

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
    pub mode: Mode,
    /// What each checklist item asks for beside its evidence.
    pub items: Vec<Requirement>,
    /// How long the transaction may be held, counted from BEGIN.
    pub hold_limit: Millis,
    /// A script that returns no check at all may be committed, with a typed reason. Only a bare
    /// script: a runbook promises checks.
    pub may_lack_checks: bool,
    /// COMMIT asks for a second person; who began the run, as far as that is known.
    pub second_signer: Option<FirstSigner>,
    /// Whether there is something to run after COMMIT.
    pub post_verification: bool,
    /// How often the transaction is begun when a lock is not granted in time.
    pub lock_attempts: u32,
    /// The servers that the runbook knows by name. Where there are several, the name of the one that
    /// was reached is what is typed.
    pub targets: Vec<Named>,
    /// The runbook has another form, which leaves something out or takes it back in.
    pub other_form: bool,
    /// Roll back when more sessions than this wait for us.
    pub max_waiters: Option<usize>,
    /// Roll back when a session waits for us longer than this.
    pub max_wait: Option<Millis>,
    /// Whether COMMIT can be given with nothing held.
    pub unheld: Unheld,
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

/// How long to wait before asking once more about a transaction that was found in progress `times`
/// times: 1, 2, 4, and then every 8 s.
pub fn ask_again(times: u32) -> Millis {
    1_000 << times.saturating_sub(1).min(3)
}

/// Who began a run for which a second person signs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FirstSigner(pub Option<String>);

impl FirstSigner {
    /// Whether `name` is theirs: spaces around it, case and what nobody sees do not make another person.
    pub fn is(&self, name: &str) -> bool {
        let seen = |name: &str| -> String {
            let seen = name.chars().filter(|c| !misleads(*c) && !c.is_control());
            seen.collect::<String>().trim().to_lowercase()
        };
        self.0
            .as_ref()
            .is_some_and(|first| seen(first) == seen(name))
    }
}

/// What a signature needs beside evidence that holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Requirement {
    /// The reference to a backup is typed with it.
    pub reference: bool,
    /// Words are typed with it, which are recorded: how to undo what is done, for instance.
    pub words: bool,
    /// The name of the database is typed with it: the guard against the wrong server.
    pub database_name: bool,
    /// The linter's findings are acknowledged first, one by one. How many they are comes with the evidence:
    /// until then it cannot be signed.
    pub lints: bool,
    /// These were read to their end.
    pub documents: Vec<Document>,
}

impl Plan {
    pub fn new(runbook: &Runbook, mode: Mode, hold_limit: Millis) -> Plan {
        let items = runbook
            .items
            .iter()
            .map(|item| match item.kind {
                ItemKind::Backup => Requirement {
                    reference: true,
                    ..Requirement::default()
                },
                ItemKind::Review => Requirement {
                    documents: vec![Document::Script],
                    lints: true,
                    ..Requirement::default()
                },
                ItemKind::Rollback => Requirement {
                    documents: (0..runbook.rollbacks.len())
                        .map(Document::Rollback)
                        .collect(),
                    ..Requirement::default()
                },
                ItemKind::Connection => Requirement {
                    database_name: true,
                    ..Requirement::default()
                },
                ItemKind::Structure | ItemKind::Attest | ItemKind::Checks => Requirement {
                    words: item.asks.is_some(),
                    ..Requirement::default()
                },
            })
            .collect();
        Plan {
            mode,
            items,
            hold_limit,
            may_lack_checks: matches!(mode, Mode::Run | Mode::Rehearse)
                && matches!(runbook.origin, RunbookOrigin::BareScript(_)),
            second_signer: None,
            post_verification: runbook.post_verification.is_some(),
            lock_attempts: LOCK_ATTEMPTS,
            targets: runbook.targets.clone(),
            other_form: false,
            max_waiters: None,
            max_wait: None,
            unheld: Unheld::Never,
        }
    }

    /// Where a run of it is decided, in words.
    pub fn where_decided(&self) -> &'static str {
        match self.lets_go_by_itself() {
            true => "decided with nothing held",
            false => "decided at the gate",
        }
    }

    pub fn lets_go_by_itself(&self) -> bool {
        matches!(
            self.unheld,
            Unheld::Offered {
                by_itself: true,
                ..
            }
        )
    }

    /// Whether what came out of a pass is kept.
    pub fn keeps(&self) -> bool {
        matches!(self.unheld, Unheld::Offered { .. })
    }

    /// How old what was shown may be that COMMIT is given on.
    pub fn approval_limit(&self) -> Millis {
        match self.unheld {
            Unheld::Offered { limit, .. } => limit,
            Unheld::Never | Unheld::Refused(_) => 0,
        }
    }
}
