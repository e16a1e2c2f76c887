//! The fold: from the lines of a journal to a [`Replay`], line by line, in their order.

use super::{Approved, Attempt, RecordedOutcome, Replay, ReplayedItem, TimedSignature};
use crate::account::{ItemFact, SignedItem};
use crate::facts::{Evidence, LOCKS_NOT_KNOWN, OutcomeWord, Said};
use crate::journal::chain::Line;
use crate::journal::entry::{Decision, Entry, Opened, PhaseWord};
use jiff::Timestamp;

/// What journals said in a sentence before they had a field for it: that a rehearsal came to its end, that
/// something else ended the transaction, and that COMMIT's tag was contradicted.
const OLD_REHEARSED: &str = "a rehearsal always ends in ROLLBACK";
const OLD_STRAYED: &str = "the script itself ended the transaction";
const OLD_CONTRADICTED: &str = "it answered COMMIT with the tag COMMIT";

impl Replay {
    /// Folds the lines of a journal.
    pub fn of(lines: Vec<Line>) -> Replay {
        let mut replay = Replay {
            began: lines.first().map(|line| line.at),
            ended: lines.last().map(|line| line.at),
            ..Replay::default()
        };
        for line in lines {
            // Only the last line can be the end of the run.
            replay.left = None;
            if moves(&line.entry) {
                replay.course.push((line.at, line.entry.clone()));
            }
            replay.take(line.at, line.entry);
        }
        replay
    }

    fn take(&mut self, at: Timestamp, entry: Entry) {
        match entry {
            Entry::Opened(opened) => self.open(*opened),
            Entry::Connected { target } => self.target = serde_json::from_value(target).ok(),
            Entry::Said(said) => self.messages.push((at, said)),
            Entry::Queried(queried) => self.queries.push((at, queried)),
            Entry::Left { code } => self.left = Some(code),
            Entry::Evidence { .. }
            | Entry::Signed { .. }
            | Entry::Acknowledged { .. }
            | Entry::Withdrawn { .. } => self.take_of_checklist(at, entry),
            Entry::Perused(perused) => self.perusals.push((at, perused)),
            Entry::ReadBefore(reading) => self.read_before.push(*reading),
            Entry::Approved { .. } | Entry::Compared { .. } => self.take_of_approval(at, entry),
            Entry::Phase {
                phase,
                why,
                strayed,
            } => {
                self.come_to(at, phase, why);
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.strayed |= strayed;
                }
            }
            Entry::Outcome { .. } => self.end(at, entry),
            Entry::Begun { .. }
            | Entry::NumberDurable
            | Entry::Statement(_)
            | Entry::Checked { .. }
            | Entry::Blocked { .. }
            | Entry::Waited { .. }
            | Entry::Intent { .. } => {
                self.messages
                    .extend(error_of(&entry).map(|said| (at, said)));
                self.take_of_transaction(at, entry);
            }
            // They stand in the course.
            Entry::BackupStarted { .. }
            | Entry::BackedUp { .. }
            | Entry::BackupFailed { .. }
            | Entry::EarlierAsked { .. }
            | Entry::Alarm { .. } => {}
        }
    }

    /// A walk that started over has another checklist, and what was found, acknowledged or signed before
    /// was of another script.
    fn open(&mut self, opened: Opened) {
        let titled = opened.checklist.iter().map(|item| ReplayedItem {
            id: item.id.clone(),
            title: Some(item.title.clone()),
            ..ReplayedItem::default()
        });
        self.items = titled.collect();
        self.opened = Some(opened);
    }

    fn take_of_checklist(&mut self, at: Timestamp, entry: Entry) {
        match entry {
            Entry::Evidence {
                item,
                standing,
                summary,
                lines,
                rehearsal,
            } => {
                let found = ItemFact::Found(Evidence {
                    standing,
                    summary,
                    lines,
                    rehearsal,
                    ..Evidence::default()
                });
                self.item(item).known.take(found);
            }
            Entry::Signed {
                item,
                title,
                note,
                evidence,
            } => {
                let item = self.item(item);
                item.title = Some(title.clone());
                item.signed = Some(at);
                item.known.take(ItemFact::Signed(SignedItem {
                    note: note.clone(),
                    seen: evidence,
                }));
                self.signatures.push(TimedSignature {
                    at,
                    title,
                    note,
                    withdrawn: false,
                });
            }
            Entry::Withdrawn { item } => {
                let item = self.item(item);
                item.signed = None;
                item.known.take(ItemFact::Withdrawn);
                let title = item.name().to_owned();
                self.signatures.push(TimedSignature {
                    at,
                    title,
                    note: None,
                    withdrawn: true,
                });
            }
            Entry::Acknowledged { item, finding } => {
                self.item(item).known.take(ItemFact::Acknowledged(finding));
            }
            _ => {}
        }
    }

    fn item(&mut self, id: String) -> &mut ReplayedItem {
        let known = self.items.iter().position(|item| item.id == id);
        let at = known.unwrap_or_else(|| {
            self.items.push(ReplayedItem {
                id,
                ..ReplayedItem::default()
            });
            self.items.len() - 1
        });
        &mut self.items[at]
    }

    fn take_of_approval(&mut self, at: Timestamp, entry: Entry) {
        match entry {
            Entry::Approved {
                xid,
                digest,
                numbers_may_differ,
                numbers_of,
                reason,
                second_signer,
                ..
            } => {
                self.approved = Some(Approved {
                    at,
                    xid,
                    digest,
                    numbers_of: numbers_may_differ.then_some(numbers_of),
                    second_signer,
                    reason,
                });
            }
            Entry::Compared {
                mut differences,
                more,
                ..
            } => {
                if more > 0 {
                    differences.push(format!("and {more} more"));
                }
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.compared = Some(differences);
                }
            }
            _ => {}
        }
    }

    fn come_to(&mut self, at: Timestamp, phase: PhaseWord, why: Option<String>) {
        if phase == PhaseWord::Beginning {
            return self.begin(Some(at));
        }
        // What was approved is over where the run comes back to a person.
        if matches!(phase, PhaseWord::Reviewing | PhaseWord::Checklist) {
            self.approved = None;
        }
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        if attempt.is_verified(&phase) {
            attempt.verdict.get_or_insert(at);
        }
        match phase {
            // It opens anew after each query; the decision was there to be made from the first time on.
            PhaseWord::Deciding => {
                attempt.decided.get_or_insert(at);
            }
            PhaseWord::MustRollBack | PhaseWord::RollingBack => attempt.why = why,
            PhaseWord::TransactionGone => attempt.strayed = true,
            PhaseWord::Inquiring => {
                attempt.strayed |= why.as_deref() == Some(OLD_STRAYED);
            }
            PhaseWord::Reviewing | PhaseWord::Waiting => {
                attempt.ended.get_or_insert(at);
                attempt.let_go |= phase == PhaseWord::Reviewing;
                attempt.retried = why.or_else(|| Some("the server's answer".to_owned()));
            }
            // It connects anew first.
            PhaseWord::Connecting | PhaseWord::Checklist => attempt.back_at_checklist = true,
            _ => {}
        }
    }

    fn begin(&mut self, began: Option<Timestamp>) {
        self.attempts.push(Attempt {
            began,
            approved: self.approved.clone(),
            ..Attempt::default()
        });
    }

    /// An outcome is of the transaction that was begun last, or of a run without any.
    fn end(&mut self, at: Timestamp, entry: Entry) {
        let Entry::Outcome {
            outcome: word,
            why,
            proof,
            rehearsed,
            tag_contradicted,
        } = entry
        else {
            return;
        };
        let outcome = RecordedOutcome {
            at,
            may_hold_locks: proof.ends_with(LOCKS_NOT_KNOWN),
            rehearsed: rehearsed || why.as_deref() == Some(OLD_REHEARSED),
            word,
            why,
            proof,
        };
        let Some(attempt) = self.attempts.last_mut() else {
            self.unbegun = Some(outcome);
            return;
        };
        // While it is unknown the locks may be held still. Asked for once more, an outcome does not move
        // the moment at which they went.
        if outcome.word != OutcomeWord::Unknown {
            attempt.ended.get_or_insert(at);
        }
        attempt.tag_contradicted |= tag_contradicted || outcome.proof.contains(OLD_CONTRADICTED);
        // Whoever ends it may commit it.
        attempt.strayed |= outcome.word == OutcomeWord::Prepared;
        attempt.outcome = Some(outcome);
    }

    fn take_of_transaction(&mut self, at: Timestamp, entry: Entry) {
        // Neither a transaction nor that it may have been committed is lost, whatever stands before it.
        let begins = matches!(
            entry,
            Entry::Begun { .. }
                | Entry::Intent {
                    decision: Decision::Commit,
                    ..
                }
        );
        if begins && self.attempts.is_empty() {
            self.begin(None);
        }
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.take(at, entry);
        }
    }
}

/// What a statement failed of.
fn error_of(entry: &Entry) -> Option<Said> {
    let Entry::Statement(ended) = entry else {
        return None;
    };
    Some(Said {
        number: Some(ended.place.number),
        message: ended.end.error.as_deref()?.clone(),
    })
}

/// Whether a line moved the run, or says what it waited for.
fn moves(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::Approved { .. }
            | Entry::Compared { .. }
            | Entry::BackupStarted { .. }
            | Entry::BackedUp { .. }
            | Entry::BackupFailed { .. }
            | Entry::EarlierAsked { .. }
            | Entry::Phase { .. }
            | Entry::Alarm { .. }
            | Entry::Left { .. }
            | Entry::Blocked { .. }
            | Entry::Intent { .. }
            | Entry::Outcome { .. }
    )
}
