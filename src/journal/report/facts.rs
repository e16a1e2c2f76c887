//! What a journal says, gathered under what a reader asks: who, where, what was signed, each
//! transaction with its statements, locks and checks, and how it ended.
//!
//! Nothing is judged here and nothing made up: what the journal does not say stays `None`.

mod gathering;

use crate::gate::account::WaitsInShort;
use crate::gate::event::{LockMode, Target};
use crate::journal::entry::{Message, Opened};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A run as its journal tells it.
#[derive(Debug, Default)]
pub struct Facts {
    /// What was known when it began.
    pub opened: Option<Opened>,
    pub began: Option<Timestamp>,
    /// When its last line was written.
    pub ended: Option<Timestamp>,
    pub target: Option<Target>,
    /// The checklist, in its order.
    pub items: Vec<Item>,
    /// Every signature and withdrawal, in the order in which they were given.
    pub signatures: Vec<Signature>,
    /// Each time that a document was open before a person, in order.
    pub perusals: Vec<Perusal>,
    /// The transactions, in order. All but the last were rolled back.
    pub attempts: Vec<Attempt>,
    /// Everything the server said outside a statement's own error.
    pub messages: Vec<Said>,
    /// The queries that were asked inside a transaction, in order.
    pub queries: Vec<Query>,
    /// The phases, decisions and alarms, in order.
    pub course: Vec<Step>,
    /// The outcome of the run where no transaction was begun.
    pub outcome: Option<Outcome>,
    /// The exit code with which the program was left.
    pub left: Option<u8>,
    /// What was approved last, for the attempts that follow.
    pub approved: Option<Approved>,
}

/// An item of the checklist.
#[derive(Debug, Default)]
pub struct Item {
    pub id: String,
    pub title: Option<String>,
    /// Whether the evidence supported a signature, where any was found.
    pub standing: Option<String>,
    /// The evidence that was found last: a summary, then the rest.
    pub found: Vec<String>,
    /// The journal of the rehearsal that the evidence found last rests on.
    pub rehearsal: Option<String>,
    /// The evidence that was on screen when it was signed.
    pub seen: Vec<String>,
    /// The findings of the linter that a person acknowledged.
    pub acknowledged: Vec<String>,
    /// When it was signed, where it was signed to the end.
    pub signed: Option<Timestamp>,
    /// What was typed with the signature.
    pub note: Option<String>,
}

/// One time that a document was open before a person.
#[derive(Debug)]
pub struct Perusal {
    /// When it was left.
    pub left: Timestamp,
    /// How long it was open, in milliseconds.
    pub lasted: u64,
    pub document: String,
    /// How many lines it has, how many were on the screen this time, and in all so far.
    pub lines: usize,
    pub shown: usize,
    pub seen: usize,
}

/// A signature, or its withdrawal.
#[derive(Debug)]
pub struct Signature {
    pub at: Timestamp,
    /// The item's sentence, or its id where the sentence is not known.
    pub title: String,
    /// What was typed with it.
    pub note: Option<String>,
    /// Whether it was withdrawn rather than given.
    pub withdrawn: bool,
}

/// One transaction, from BEGIN to its end.
#[derive(Debug, Default)]
pub struct Attempt {
    /// Its id; `None` where BEGIN was not answered.
    pub xid: Option<String>,
    /// When BEGIN was about to be sent.
    pub began: Option<Timestamp>,
    /// When its end was recorded; a little after the locks were let go.
    pub ended: Option<Timestamp>,
    /// When its last statement had come to its end and the verdict was known.
    pub verdict: Option<Timestamp>,
    /// When the gate opened for a decision, and when the decision was made there.
    pub decided: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    /// What the program itself sent.
    pub added: Vec<String>,
    pub statements: Vec<Statement>,
    /// Whom it waited for when it stopped.
    pub blocked: Vec<String>,
    /// Who waited for it, where anybody was seen to.
    pub waited: Option<WaitsInShort>,
    /// The checks of the script.
    pub verification: Vec<Checked>,
    pub post_verification: Vec<Checked>,
    /// Whether COMMIT may have been sent.
    pub commit_intended: bool,
    /// The reason that was given for committing a script without checks.
    pub reason: Option<String>,
    /// The second person who agreed to COMMIT.
    pub second_signer: Option<String>,
    /// Why it was rolled back, where it was.
    pub why: Option<String>,
    /// How a rollback is known that another attempt followed by itself.
    pub retried: Option<String>,
    /// It was rolled back to be reviewed with nothing held.
    pub let_go: bool,
    /// What was approved before it, for which it is the second pass.
    pub approved: Option<Approved>,
    /// What it was different in from that; empty where it came out as approved.
    pub compared: Option<Vec<String>>,
    /// Its outcome as it was recorded last.
    pub outcome: Option<Outcome>,
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

#[derive(Debug)]
pub struct Statement {
    /// When its end was taken down.
    pub at: Timestamp,
    pub number: usize,
    /// `line 53`, with its file where it is not the script's own.
    pub place: String,
    pub section: Option<String>,
    pub what: String,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// For how much of that it was seen to wait for locks.
    pub waited: u64,
    /// The server's tag; `None` where it failed.
    pub tag: Option<String>,
    pub rows: Option<u64>,
    /// Locks newly taken, `mode relation`.
    pub locks: Vec<String>,
    /// What the server said, where it failed.
    pub error: Option<Message>,
}

#[derive(Debug)]
pub struct Checked {
    pub name: String,
    pub verdict: String,
    /// The rest of the row.
    pub detail: String,
}

/// A message of the server.
#[derive(Debug)]
pub struct Said {
    /// When it was taken down.
    pub at: Timestamp,
    pub number: Option<usize>,
    pub message: Message,
}

/// A query inside the transaction.
#[derive(Debug)]
pub struct Query {
    /// When its answer was taken down.
    pub at: Timestamp,
    pub text: String,
    /// How it went, in words.
    pub brought: String,
    /// The transaction was not as before afterwards.
    pub disturbed: bool,
}

/// Something that moved the run.
#[derive(Debug)]
pub struct Step {
    pub at: Timestamp,
    pub what: String,
    /// Why, where there is a reason.
    pub why: Option<String>,
}

/// An outcome as the program recorded it.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub at: Timestamp,
    /// COMMITTED, ROLLED BACK, UNKNOWN or NOT CONNECTED.
    pub word: String,
    pub why: Option<String>,
    pub proof: String,
}

/// What was held on one relation, and since when.
#[derive(Debug)]
pub struct Held {
    pub relation: String,
    /// Each mode when it became the strongest, the weakest first.
    pub modes: Vec<(Timestamp, LockMode)>,
}

impl Item {
    /// Its sentence, or its id where no line gives the sentence.
    pub fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }

    /// What its signature rests on, or else what was found last.
    pub fn evidence(&self) -> &[String] {
        match self.signed {
            Some(_) => &self.seen,
            None => &self.found,
        }
    }
}

impl Attempt {
    pub fn failed(&self) -> Option<&Statement> {
        self.statements.iter().find(|s| s.error.is_some())
    }

    /// Which relations were locked how strongly, and since when; the first one locked first. A
    /// statement's locks count from its start: it took them somewhere on its way.
    pub fn held(&self) -> Vec<Held> {
        let mut held: Vec<Held> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for statement in &self.statements {
            let since = statement.started();
            for lock in &statement.locks {
                let Some((mode, relation)) = parse(lock) else {
                    continue;
                };
                let index = *known.entry(relation.to_owned()).or_insert_with(|| {
                    held.push(Held {
                        relation: relation.to_owned(),
                        modes: Vec::new(),
                    });
                    held.len() - 1
                });
                let Some(held) = held.get_mut(index) else {
                    continue;
                };
                match held.modes.last_mut() {
                    Some((_, strongest)) if *strongest >= mode => {}
                    // Two locks of one statement: only the stronger one is worth telling.
                    Some((at, weaker)) if *at == since => *weaker = mode,
                    Some(_) | None => held.modes.push((since, mode)),
                }
            }
        }
        held
    }
}

impl Attempt {
    /// When the first lock was asked for that reads or writes wait for.
    pub fn first_felt(&self) -> Option<Timestamp> {
        let held = self.held();
        let felt = held.iter().filter_map(Held::felt_since);
        felt.min()
    }

    /// Of the script's own time from the first lock on that others feel to its end: how much
    /// there was, and for how much of it statements only looked, in milliseconds.
    pub fn looking(&self) -> Option<(u64, u64)> {
        let first = self.first_felt()?;
        let behind = || self.statements.iter().filter(|one| one.started() >= first);
        let looks = |one: &&Statement| {
            one.locks.is_empty()
                && one
                    .tag
                    .as_ref()
                    .is_some_and(|tag| tag.starts_with("SELECT"))
        };
        let all = behind().map(|one| one.milliseconds).sum();
        Some((
            all,
            behind().filter(looks).map(|one| one.milliseconds).sum(),
        ))
    }
}

impl Held {
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

impl Statement {
    /// When it began, as far as its end and its duration tell.
    pub fn started(&self) -> Timestamp {
        let took = i64::try_from(self.milliseconds).unwrap_or(i64::MAX);
        self.at
            .checked_sub(jiff::SignedDuration::from_millis(took))
            .unwrap_or(self.at)
    }
}

/// `mode relation`, as the journal writes it. Some modes begin like others, so the longest counts.
pub(in crate::journal) fn parse(lock: &str) -> Option<(LockMode, &str)> {
    LockMode::ALL
        .into_iter()
        .filter_map(|mode| {
            let relation = lock.strip_prefix(mode.name())?.strip_prefix(' ')?;
            Some((mode, relation))
        })
        .max_by_key(|(mode, _)| mode.name().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_back_from_the_way_it_is_written() {
        for mode in LockMode::ALL {
            let written = format!("{} a.\"b c\"", mode.name());
            assert_eq!(parse(&written), Some((mode, "a.\"b c\"")));
        }
        assert_eq!(
            parse("SHARE ROW EXCLUSIVE a.b"),
            Some((LockMode::ShareRowExclusive, "a.b"))
        );
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn what_was_acknowledged_before_a_walk_started_over_is_not_told_of_the_one_after() {
        use crate::journal::chain::{Chain, verify};
        use crate::journal::entry;
        let opened = || {
            crate::journal::Entry::Opened(Box::new(Opened {
                checklist: vec![entry::Item {
                    id: "review".into(),
                    title: "Read".into(),
                }],
                ..Opened::default()
            }))
        };
        let acknowledged = crate::journal::Entry::Acknowledged {
            item: "review".into(),
            finding: "of the other script".into(),
        };
        let mut chain = Chain::default();
        let text: String = [opened(), acknowledged, opened()]
            .iter()
            .map(|entry| chain.line(entry, Timestamp::UNIX_EPOCH))
            .collect();
        let facts = Facts::of(&verify(&text).unwrap());
        assert_eq!(facts.items.len(), 1);
        assert_eq!(facts.items[0].acknowledged, Vec::<String>::new());
    }
}
