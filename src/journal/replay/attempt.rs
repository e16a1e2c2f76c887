//! One transaction, from BEGIN to its end, as a journal tells it.

use crate::account::{Transaction, TransactionFact, WaitsInShort};
use crate::facts::{OutcomeWord, StatementEnd};
use crate::journal::entry::{CheckStage, Decision, Entry, PhaseWord, StatementPlace};
use crate::runbook::check::Check;
use crate::runbook::lock::LockMode;
use crate::runbook::rehearsal::{RESTORED, restored_structure};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Attempt {
    /// What the run knew of it as well while it went on.
    pub transaction: Transaction,
    /// When BEGIN was about to be sent.
    pub began: Option<Timestamp>,
    /// When its end was recorded; a little after the locks were let go.
    pub ended: Option<Timestamp>,
    /// When its last statement had come to its end and the verdict was known.
    pub verdict: Option<Timestamp>,
    /// When the gate opened for a decision, and when the decision was made there.
    pub decided: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    /// Of each of the transaction's statements which it is, and when its end was taken down.
    pub places: Vec<(Timestamp, StatementPlace)>,
    /// Whom it waited for when it stopped.
    pub blocked: Vec<String>,
    /// Whether COMMIT may have been sent.
    pub commit_intended: bool,
    /// ROLLBACK was about to be sent: for this transaction COMMIT was not, and is not any more.
    pub rollback_intended: bool,
    /// COMMIT was answered with the tag COMMIT, and the status contradicted it.
    pub tag_contradicted: bool,
    /// Something else than this program was seen to end it, or may end it: it may have been committed.
    pub strayed: bool,
    /// The reason that was given for committing a script without checks.
    pub reason: Option<String>,
    /// The second person who agreed to COMMIT.
    pub second_signer: Option<String>,
    /// The digest of the structure that a rehearsal came back to.
    pub structure: Option<String>,
    /// Why it was rolled back, where it was.
    pub why: Option<String>,
    /// How a rollback is known that another attempt was to follow.
    pub retried: Option<String>,
    /// It was rolled back to be reviewed with nothing held.
    pub let_go: bool,
    /// The walk went back to its checklist after it.
    pub back_at_checklist: bool,
    /// What was approved before it, for which it is the second pass.
    pub approved: Option<Approved>,
    /// What it was different in from that; empty where it came out as approved.
    pub compared: Option<Vec<String>>,
    /// Its outcome as it was recorded last.
    pub outcome: Option<RecordedOutcome>,
}

/// COMMIT as it was given on a pass that was rolled back.
#[derive(Debug, Clone)]
pub struct Approved {
    pub at: Timestamp,
    /// The transaction that showed it.
    pub xid: Option<String>,
    /// The SHA-256 of what it showed.
    pub digest: String,
    /// Of which statements row counts and numbers might differ, where they might: none means of all.
    pub numbers_of: Option<Vec<usize>>,
    /// Who agreed to it beside.
    pub second_signer: Option<String>,
    /// Why a script without checks is committed.
    pub reason: Option<String>,
}

/// A statement that came to its end.
#[derive(Debug, Clone, Copy)]
pub struct TimedStatement<'a> {
    /// When its end was taken down.
    pub at: Timestamp,
    pub place: &'a StatementPlace,
    pub end: &'a StatementEnd,
}

/// An outcome as the program recorded it.
#[derive(Debug, Clone)]
pub struct RecordedOutcome {
    pub at: Timestamp,
    pub word: OutcomeWord,
    pub why: Option<String>,
    pub proof: String,
    /// Nobody could say whether its session still held locks.
    pub may_hold_locks: bool,
    /// It was rolled back because that was the plan of a rehearsal, which came to its end.
    pub rehearsed: bool,
}

/// What was held on one relation, and since when.
#[derive(Debug)]
pub struct HeldRelation {
    pub relation: String,
    /// Each mode when it became the strongest, the weakest first.
    pub modes: Vec<(Timestamp, LockMode)>,
}

impl Attempt {
    pub(super) fn take(&mut self, at: Timestamp, entry: Entry) {
        match entry {
            Entry::Begun { xid, added } => {
                self.transaction.take(TransactionFact::Begun { xid, added });
            }
            Entry::NumberDurable => self.transaction.take(TransactionFact::NumberDurable),
            Entry::Statement(ended) => {
                let ended = *ended;
                let end = TransactionFact::StatementEnded(ended.place.number, ended.end);
                self.transaction.take(end);
                self.places.push((at, ended.place));
            }
            Entry::Checked {
                stage,
                name,
                verdict,
                detail,
                structure,
            } => {
                let check = Check {
                    name,
                    verdict,
                    detail,
                };
                if structure.is_some() || check.name == RESTORED {
                    let told = || restored_structure(&check).map(str::to_owned);
                    self.structure = structure.or_else(told);
                }
                self.transaction.take(match stage {
                    CheckStage::Verification => TransactionFact::Checked(check),
                    CheckStage::PostVerification => TransactionFact::PostChecked(check),
                });
            }
            Entry::Blocked { by, .. } => self.blocked = by,
            Entry::Waited {
                sessions,
                looks,
                more,
                milliseconds,
                who,
            } => {
                let waits = WaitsInShort {
                    sessions,
                    looks,
                    more,
                    longest: milliseconds,
                    who,
                };
                self.transaction.take(TransactionFact::WaitedFor(waits));
            }
            Entry::Intent {
                decision: Decision::Commit,
                reason,
                second_signer,
                ..
            } => {
                self.answered = Some(at);
                self.commit_intended = true;
                self.reason = reason;
                self.second_signer = second_signer;
            }
            Entry::Intent {
                decision: Decision::RollBack,
                ..
            } => {
                self.answered.get_or_insert(at);
                self.rollback_intended = true;
            }
            _ => {}
        }
    }

    /// Whether the run came to this phase because the last statement's end was known.
    pub(super) fn is_verified(&self, phase: &PhaseWord) -> bool {
        self.transaction.is_unfailed()
            && matches!(
                phase,
                PhaseWord::Deciding
                    | PhaseWord::MustRollBack
                    | PhaseWord::TakingDown
                    | PhaseWord::Committing
                    | PhaseWord::RollingBack
            )
    }

    pub fn statements(&self) -> impl DoubleEndedIterator<Item = TimedStatement<'_>> {
        (0..self.places.len()).filter_map(|at| self.statement_at(at))
    }

    fn statement_at(&self, at: usize) -> Option<TimedStatement<'_>> {
        let ((at, place), (_, end)) = (self.places.get(at)?, self.transaction.statements.get(at)?);
        Some(TimedStatement {
            at: *at,
            place,
            end,
        })
    }

    pub fn failed(&self) -> Option<TimedStatement<'_>> {
        self.statements().find(|one| one.end.error.is_some())
    }

    /// It was not to be the last: it was let go for a review, was to be tried again, or the walk went back
    /// to its checklist.
    pub fn goes_on(&self) -> bool {
        self.retried.is_some() || self.back_at_checklist
    }

    /// Which relations were locked how strongly, and since when; the first one locked first. A
    /// statement's locks count from its start: it took them somewhere on its way.
    pub fn held(&self) -> Vec<HeldRelation> {
        let mut held: Vec<HeldRelation> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, lock) in self.transaction.locks.taken() {
            let Some(since) = self.started(*number) else {
                continue;
            };
            let index = *known.entry(&lock.relation).or_insert_with(|| {
                held.push(HeldRelation {
                    relation: lock.relation.clone(),
                    modes: Vec::new(),
                });
                held.len() - 1
            });
            let Some(held) = held.get_mut(index) else {
                continue;
            };
            if held.strongest().is_none_or(|(_, mode)| mode < lock.mode) {
                held.modes.push((since, lock.mode));
            }
        }
        held
    }

    /// When the statement with this number began.
    fn started(&self, number: usize) -> Option<Timestamp> {
        let statement = self.statement_at(self.transaction.place_of(number)?)?;
        Some(statement.started())
    }

    /// When the first lock was asked for that reads or writes wait for.
    pub fn first_felt(&self) -> Option<Timestamp> {
        self.started(self.transaction.locks.first_felt()?)
    }
}

impl HeldRelation {
    /// Since when reads or writes wait for it.
    pub fn felt_since(&self) -> Option<Timestamp> {
        let mut modes = self.modes.iter();
        let (since, _) = modes.find(|(_, mode)| mode.is_felt())?;
        Some(*since)
    }

    /// The strongest mode, and since when.
    pub fn strongest(&self) -> Option<(Timestamp, LockMode)> {
        self.modes.last().copied()
    }
}

impl TimedStatement<'_> {
    /// When it began, as far as its end and its duration tell.
    pub fn started(&self) -> Timestamp {
        let took = i64::try_from(self.end.duration).unwrap_or(i64::MAX);
        self.at
            .checked_sub(SignedDuration::from_millis(took))
            .unwrap_or(self.at)
    }
}
