//! The run so far, as events told it: what screens, plain lines and the report are drawn from.
//!
//! It collects and never decides; the machine does not read it.

mod backups;
mod checklist;
mod locks_taken;
mod taking;
mod transaction;
mod waited;

use crate::facts::{
    CommitWait, Evidence, Looked, Millis, Observation, OtherSession, Said, ServerLog,
    ServerMessage, Sight, StatementEnd, StatementReport, Target, Why,
};
use crate::gate::event::{Body, Document, Event, Report, Seq};
use crate::gate::machine::Machine;
use crate::gate::pass::Pass;
use crate::gate::phase::Phase;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::impact::Measure;
use crate::runbook::lasting::{Beyond, Lasting};
use crate::runbook::script::{Fate, Script, Statement};
use crate::runbook::{ItemKind, Runbook};
pub use backups::Backup;
pub use checklist::{ItemAccount, ItemFact, SignedItem};
pub use locks_taken::WithLocks;
use std::collections::BTreeSet;
pub use transaction::{Transaction, TransactionFact};
pub use waited::WaitsInShort;
use waited::{LockWaits, Waited};

/// What a person has to know of a run before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierTold {
    /// In some 60 columns.
    pub told: String,
    /// The number of the item whose evidence says more.
    pub item: usize,
}

/// What is known of a run.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Time since the run began, in milliseconds, as the ticks told it.
    pub now: Millis,
    pub target: Option<Target>,
    /// How long the script held locks the last time, where that was measured.
    pub expected: Option<Expected>,
    /// The documents that need not be read again, for they were read in an earlier run; when and by whom,
    /// in words.
    pub read_before: Vec<(Document, String)>,
    /// A run before this one on the database that is reached, whose outcome is not known or was asked for.
    pub earlier: Option<EarlierTold>,
    /// The checklist, in its order.
    pub items: Vec<ItemAccount>,
    /// The latest look that evidence is of.
    probed: Seq,
    /// How large the tables were that the script touches, when the checklist's evidence was found.
    pub measure: Option<Measure>,
    pub backup: Backup,
    /// Which items are about a backup.
    backups: Vec<usize>,
    /// The transaction that was begun last.
    pub transaction: Transaction,
    /// How many of what the program added to it go behind the last statement.
    behind: usize,
    /// When BEGIN was answered, on the scale of `now`.
    pub begun_at: Option<Millis>,
    /// When the held transaction ended, on the scale of `now`.
    pub ended_at: Option<Millis>,
    /// The statement that runs, and since when, on the scale of `now`.
    running: Option<(usize, Millis)>,
    /// What came out of the pass so far, where that is to be kept.
    pub pass: Option<Pass>,
    /// How long it took to take down the structure of what the script touched, once that was done.
    pub taken_down: Option<Millis>,
    /// The newest answer to a query at the gate.
    pub looked: Option<Looked>,
    /// How many queries were answered so far.
    pub looks: usize,
    /// Everything the server said, oldest first, and when it came, on the scale of `now`.
    pub messages: Vec<(Millis, Said)>,
    /// What the post-verification showed.
    pub post: Vec<StatementReport>,
    /// The newest look of the monitor.
    pub sight: Option<Sight>,
    /// Who blocked us last, in this attempt or the one before: it outlives the wait it explains. Behind a
    /// statement that failed, whom that one waited for.
    pub blockers: Vec<OtherSession>,
    /// The statement that waited for them.
    blocked: Option<usize>,
    /// How long the one that runs was seen to wait for locks.
    lock_waits: LockWaits,
    /// Who waited for this transaction, or for the last one.
    waited: Waited,
    /// The end of the server's log, once somebody looked at it.
    pub log: Option<ServerLog>,
    /// What COMMIT was seen to wait for.
    pub commit_wait: Option<CommitWait>,
    /// Why the monitor cannot look, if it cannot.
    pub blind: Option<String>,
    /// What ended the session, while there is none after it.
    pub lost: Option<ServerMessage>,
    /// Nobody watches over the hold beside us.
    pub unguarded: bool,
    /// Why the journal does not hold this run, if it does not.
    pub unrecorded: Option<String>,
}

/// How long a script held locks before, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub in_short: String,
    /// With where and when that was.
    pub told: String,
}

/// What became of a statement so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// It has not had its turn.
    Waiting,
    /// It is not sent: BEGIN is taken over, COMMIT is held, or it is left out by choice.
    Gate(Fate),
    Running {
        /// When it started, on the scale of [`Account::now`].
        since: Millis,
    },
    Done(&'a StatementEnd),
    Failed {
        duration: Millis,
        error: &'a ServerMessage,
    },
    /// It was not run, because one before it failed.
    NotRun,
}

impl Account {
    /// The evidence for the item with this index.
    pub fn evidence_for(&self, item: usize) -> Option<&Evidence> {
        Some(&self.items.get(item)?.evidence)
    }

    /// What ROLLBACK does not take back of the statements of `script` that were sent, each once. Of one
    /// that failed it is not known how far it came.
    pub fn outliving(&self, script: &Script) -> Vec<String> {
        let lasting: BTreeSet<_> = self.lasting(script).collect();
        lasting.into_iter().map(|lasts| lasts.by.clone()).collect()
    }

    fn lasting<'a>(&'a self, script: &'a Script) -> impl Iterator<Item = &'a Lasting> {
        let unsent = |step: Step<'_>| matches!(step, Step::Waiting | Step::NotRun | Step::Gate(_));
        let any = |statement: &&Statement| !statement.lasting().is_empty();
        let any = script.statements.iter().filter(any);
        any.filter(move |statement| !unsent(self.step_of(statement)))
            .flat_map(Statement::lasting)
    }

    /// An account of a run of `runbook` that has not begun.
    pub fn new(runbook: &Runbook) -> Account {
        Account {
            items: vec![ItemAccount::default(); runbook.items.len()],
            backups: (0..)
                .zip(&runbook.items)
                .filter(|(_, item)| item.kind == ItemKind::Backup)
                .map(|(index, _)| index)
                .collect(),
            ..Account::default()
        }
    }

    /// Keeps what comes out of each pass from here on, of the script with this SHA-256.
    pub fn keep_passes(&mut self, script: &str) {
        self.pass = Some(Pass::of(script));
    }

    /// What came out of the pass, for good: the next one is kept anew.
    pub fn hand_out_pass(&mut self) -> Option<Pass> {
        let pass = self.pass.as_mut()?;
        let fresh = Pass::of(&pass.script);
        Some(std::mem::replace(pass, fresh))
    }

    /// Whether an observation tells something that is not known yet.
    pub fn is_news(&self, observation: &Observation) -> bool {
        match observation {
            Observation::Seen(sight) => self.sight.as_ref() != Some(&**sight),
            Observation::Logged(log) => self.log.as_ref() != Some(log),
            Observation::Blind(reason) => self.blind.as_ref() != Some(reason),
        }
    }

    /// Whether an event tells what was told already, or comes too late to be told.
    pub fn is_told(&self, event: &Event) -> bool {
        match event {
            Event::Reported(Report {
                seq,
                body: Body::Probed { .. },
            }) => *seq < self.probed,
            Event::Reported(Report {
                body: Body::SessionEnded(why),
                ..
            }) => self.lost.as_ref() == Some(why),
            _ => false,
        }
    }

    /// Whether the link is gone because this program closed it.
    pub fn closed_by_us(&self) -> bool {
        self.lost.as_ref().is_none_or(|why| why.closed_by_us)
    }

    /// Whom the statement that failed waited for, as far as anybody saw it.
    pub fn stopped_by(&self) -> &[OtherSession] {
        match self.transaction.failed() {
            Some(_) => &self.blockers,
            None => &[],
        }
    }

    /// How long the transaction has been held, or was.
    pub fn held(&self) -> Option<Millis> {
        let begun = self.begun_at?;
        Some(self.ended_at.unwrap_or(self.now).saturating_sub(begun))
    }

    /// Whether locks may be held. Once the server failed a statement of the transaction, it has let go of
    /// them all, unless that was behind a savepoint of the script; those that last as long as the session
    /// it has not.
    pub fn holds_locks(&self, machine: &Machine, script: &Script) -> bool {
        let why = match machine.phase() {
            Phase::MustRollBack { why, .. } => why,
            Phase::RollingBack { after, .. } => after.why(),
            _ => return machine.hold_left().is_some(),
        };
        let failed = match why {
            Why::StatementFailed | Why::LockTimeout | Why::Cancelled => {
                self.failed().map(|(_, error)| error)
            }
            Why::SettleFailed | Why::FailedWhileHeld => self.last_error().map(|said| &said.message),
            _ => None,
        };
        // What this program refused never came to the server.
        let by_server = failed.is_some_and(|error| error.sqlstate.is_some());
        let saved = script.sent().any(|statement| statement.kind == "SAVEPOINT");
        let outlives = |lasts: &Lasting| matches!(lasts.beyond, Beyond::Locks | Beyond::Unknown);
        !by_server || saved || self.lasting(script).any(outlives)
    }

    /// What became of a statement of the script.
    pub fn step_of(&self, statement: &Statement) -> Step<'_> {
        if statement.fate != Fate::Sent {
            return Step::Gate(statement.fate);
        }
        let number = statement.number;
        match (self.transaction.ended(number), self.running) {
            (Some(end), _) => match &end.error {
                None => Step::Done(end),
                Some(error) => Step::Failed {
                    duration: end.duration,
                    error,
                },
            },
            (None, Some((running, since))) if running == number => Step::Running { since },
            (None, _) => match self.transaction.failed() {
                Some(_) => Step::NotRun,
                None => Step::Waiting,
            },
        }
    }

    /// The statement that runs now: its number and since when it runs.
    pub fn running(&self) -> Option<(usize, Millis)> {
        let (number, since) = self.running?;
        Some((number, self.now.saturating_sub(since)))
    }

    /// The statement that failed: its number and what the server said.
    pub fn failed(&self) -> Option<(usize, &ServerMessage)> {
        let number = self.transaction.failed()?;
        let error = self.transaction.ended(number)?.error.as_deref()?;
        Some((number, error))
    }

    /// The statement to look at: the one that runs or failed, else the last that was done.
    pub fn newest(&self) -> Option<usize> {
        let running = self.running.map(|(number, _)| number);
        running.or(self.transaction.newest())
    }

    /// What the program adds ahead of the script's statements or between them, and what behind the last.
    pub fn added(&self) -> (&[String], &[String]) {
        let added = &self.transaction.added;
        added.split_at(added.len().saturating_sub(self.behind))
    }

    /// The checks of the script, FAIL first, then WARN, then PASS; otherwise in the script's order.
    pub fn checks_by_verdict(&self) -> Vec<&(usize, Check)> {
        let mut checks: Vec<_> = self.transaction.checks.iter().collect();
        checks.sort_by_key(|(_, check)| match check.verdict {
            Verdict::Fail => 0,
            Verdict::Warn => 1,
            Verdict::Pass => 2,
        });
        checks
    }

    /// The last message with a severity of ERROR or worse, or about the link.
    pub fn last_error(&self) -> Option<&Said> {
        let grave = |said: &&Said| {
            matches!(
                said.message.severity.as_str(),
                "" | "ERROR" | "FATAL" | "PANIC"
            )
        };
        self.messages.iter().rev().map(|(_, said)| said).find(grave)
    }
}
