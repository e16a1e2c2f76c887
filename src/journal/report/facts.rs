//! What a journal says, gathered under what a reader asks: who, where, what was signed, each
//! transaction with its statements, locks and checks, and how it ended.
//!
//! Nothing is judged here and nothing made up: what the journal does not say stays `None`.

use crate::gate::event::{LockMode, Target};
use crate::journal::chain::Line;
use crate::journal::entry::{Decision, Entry, Message, Opened};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A run as its journal tells it.
#[derive(Debug, Default)]
pub struct Facts {
    /// What was known when it began.
    pub opened: Option<Opened>,
    /// When it began.
    pub began: Option<Timestamp>,
    /// When its last line was written.
    pub ended: Option<Timestamp>,
    /// What the session reached.
    pub target: Option<Target>,
    /// The checklist, in its order.
    pub items: Vec<Item>,
    /// Every signature and withdrawal, in the order in which they were given.
    pub signatures: Vec<Signature>,
    /// The transactions, in order. All but the last were rolled back.
    pub attempts: Vec<Attempt>,
    /// Everything the server said outside a statement's own error.
    pub messages: Vec<Said>,
    /// The phases, decisions and alarms, in order.
    pub course: Vec<Step>,
    /// The outcome of the run where no transaction was begun.
    pub outcome: Option<Outcome>,
    /// The exit code with which the program was left.
    pub left: Option<u8>,
}

/// An item of the checklist.
#[derive(Debug, Default)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// The sentence to sign.
    pub title: Option<String>,
    /// Whether the evidence supported a signature, where any was found.
    pub standing: Option<String>,
    /// The evidence that was found last: a summary, then the rest.
    pub found: Vec<String>,
    /// The evidence that was on screen when it was signed.
    pub seen: Vec<String>,
    /// When it was signed, where it was signed to the end.
    pub signed: Option<Timestamp>,
    /// What was typed with the signature.
    pub note: Option<String>,
}

/// A signature, or its withdrawal.
#[derive(Debug)]
pub struct Signature {
    /// When.
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
    /// When the gate opened for a decision.
    pub decided: Option<Timestamp>,
    /// What the program itself sent.
    pub added: Vec<String>,
    /// The statements that ended.
    pub statements: Vec<Statement>,
    /// The checks of the script.
    pub verification: Vec<Checked>,
    /// The checks after COMMIT.
    pub post_verification: Vec<Checked>,
    /// Whether COMMIT may have been sent.
    pub commit_intended: bool,
    /// Why it was rolled back, where it was.
    pub why: Option<String>,
    /// How a rollback is known that another attempt followed by itself.
    pub retried: Option<String>,
    /// Its outcome as it was recorded last.
    pub outcome: Option<Outcome>,
}

/// A statement that ended.
#[derive(Debug)]
pub struct Statement {
    /// When its end was taken down.
    pub at: Timestamp,
    /// Its number.
    pub number: usize,
    /// `line 53`, with its file where it is not the script's own.
    pub place: String,
    /// Its section's title.
    pub section: Option<String>,
    /// Its kind and relation.
    pub what: String,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// The server's tag; `None` where it failed.
    pub tag: Option<String>,
    /// Rows returned.
    pub rows: Option<u64>,
    /// Locks newly taken, `mode relation`.
    pub locks: Vec<String>,
    /// What the server said, where it failed.
    pub error: Option<Message>,
}

/// A check.
#[derive(Debug)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// PASS, WARN or FAIL.
    pub verdict: String,
    /// The rest of the row.
    pub detail: String,
}

/// A message of the server.
#[derive(Debug)]
pub struct Said {
    /// When it was taken down.
    pub at: Timestamp,
    /// The statement that ran.
    pub number: Option<usize>,
    /// What it said.
    pub message: Message,
}

/// Something that moved the run.
#[derive(Debug)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// Why, where there is a reason.
    pub why: Option<String>,
}

/// An outcome as the program recorded it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When.
    pub at: Timestamp,
    /// COMMITTED, ROLLED BACK, UNKNOWN or NOT CONNECTED.
    pub word: String,
    /// Why, for a rollback.
    pub why: Option<String>,
    /// How it is known.
    pub proof: String,
}

/// What was held on one relation, and since when.
#[derive(Debug)]
pub struct Held {
    /// The relation.
    pub relation: String,
    /// Each mode when it became the strongest, the weakest first.
    pub modes: Vec<(Timestamp, LockMode)>,
}

impl Facts {
    /// Gathers what `lines` say.
    pub fn of(lines: &[Line]) -> Facts {
        let mut facts = Facts {
            began: lines.first().map(|line| line.at),
            ended: lines.last().map(|line| line.at),
            ..Facts::default()
        };
        for line in lines {
            facts.take(line.at, &line.entry);
        }
        facts
    }

    /// The transaction that counts: all before it were rolled back.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    fn take(&mut self, at: Timestamp, entry: &Entry) {
        match entry {
            Entry::Opened(opened) => {
                for item in &opened.checklist {
                    self.item(&item.id, |known| known.title = Some(item.title.clone()));
                }
                self.opened = Some((**opened).clone());
            }
            Entry::Connected { target } => {
                self.target = serde_json::from_value(target.clone()).ok();
            }
            Entry::Evidence {
                item,
                standing,
                summary,
                lines,
            } => {
                self.item(item, |item| {
                    item.standing = Some(standing.clone());
                    item.found = std::iter::once(summary).chain(lines).cloned().collect();
                });
            }
            Entry::Signed {
                item,
                title,
                note,
                evidence,
            } => {
                self.item(item, |item| {
                    item.title = Some(title.clone());
                    item.signed = Some(at);
                    item.note.clone_from(note);
                    item.seen.clone_from(evidence);
                });
                self.signatures.push(Signature {
                    at,
                    title: title.clone(),
                    note: note.clone(),
                    withdrawn: false,
                });
            }
            Entry::Withdrawn { item } => {
                let mut title = String::new();
                self.item(item, |item| {
                    item.signed = None;
                    item.note = None;
                    title = item.name().to_owned();
                });
                self.signatures.push(Signature {
                    at,
                    title,
                    note: None,
                    withdrawn: true,
                });
            }
            Entry::Said { number, message } => self.messages.push(Said {
                at,
                number: *number,
                message: message.clone(),
            }),
            Entry::Phase { phase, why } => self.phase(at, phase, why.as_deref()),
            Entry::Alarm { alarm } => self.step(at, format!("alarm: {alarm}"), None),
            Entry::Left { code } => {
                self.left = Some(*code);
                self.step(at, format!("left with exit code {code}"), None);
            }
            Entry::Begun { .. }
            | Entry::Statement { .. }
            | Entry::Checked { .. }
            | Entry::Intent { .. }
            | Entry::Outcome { .. } => self.of_transaction(at, entry),
        }
    }

    /// An outcome is of the transaction that was begun last, or of a run without any.
    fn ended(&mut self, outcome: Outcome) {
        self.step(outcome.at, outcome.word.clone(), Some(&outcome.proof));
        match self.attempts.last_mut() {
            None => self.outcome = Some(outcome),
            Some(attempt) => {
                // While it is unknown the locks may be held still. Asked for once more, an outcome
                // does not move the moment at which they went.
                if outcome.word != "UNKNOWN" {
                    attempt.ended.get_or_insert(outcome.at);
                }
                attempt.outcome = Some(outcome);
            }
        }
    }

    fn of_transaction(&mut self, at: Timestamp, entry: &Entry) {
        if let Entry::Outcome {
            outcome,
            why,
            proof,
        } = entry
        {
            self.ended(Outcome {
                at,
                word: outcome.clone(),
                why: why.as_deref().map(of_a_third),
                proof: proof.clone(),
            });
            return;
        }
        if let Entry::Intent { decision, xid } = entry {
            let word = match decision {
                Decision::Commit => "COMMIT",
                Decision::RollBack => "ROLLBACK",
            };
            let of = xid.as_ref().map(|xid| format!("for transaction {xid}"));
            self.step(at, format!("{word} is about to be sent"), of.as_deref());
        }
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        match entry {
            Entry::Begun { xid, added } => {
                attempt.xid = Some(xid.clone());
                attempt.added.clone_from(added);
            }
            Entry::Intent {
                decision: Decision::Commit,
                ..
            } => attempt.commit_intended = true,
            Entry::Checked {
                stage,
                name,
                verdict,
                detail,
            } => {
                let stage = if stage == "verification" {
                    &mut attempt.verification
                } else {
                    &mut attempt.post_verification
                };
                stage.push(Checked {
                    name: name.clone(),
                    verdict: verdict.clone(),
                    detail: detail.clone(),
                });
            }
            Entry::Statement {
                number,
                line,
                file,
                section,
                kind,
                relation,
                milliseconds,
                tag,
                rows,
                locks,
                error,
            } => attempt.statements.push(Statement {
                at,
                number: *number,
                place: match file {
                    Some(file) => format!("{file} line {line}"),
                    None => format!("line {line}"),
                },
                section: section.clone(),
                what: match relation {
                    Some(relation) => format!("{kind} {relation}"),
                    None => kind.clone(),
                },
                milliseconds: *milliseconds,
                tag: tag.clone(),
                rows: *rows,
                locks: locks.clone(),
                error: error.clone(),
            }),
            _ => {}
        }
    }

    fn phase(&mut self, at: Timestamp, phase: &str, why: Option<&str>) {
        self.step(at, phase.to_owned(), why);
        if phase == "beginning" {
            self.attempts.push(Attempt {
                began: Some(at),
                ..Attempt::default()
            });
            return;
        }
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        match phase {
            "deciding" => attempt.decided = Some(at),
            "must roll back" | "rolling back" => attempt.why = why.map(of_a_third),
            "waiting for the next attempt" => {
                attempt.ended.get_or_insert(at);
                attempt.retried = Some(why.unwrap_or("the server's answer").to_owned());
            }
            _ => {}
        }
    }

    fn step(&mut self, at: Timestamp, what: String, why: Option<&str>) {
        self.course.push(Step {
            at,
            what,
            why: why.map(of_a_third),
        });
    }

    fn item(&mut self, id: &str, change: impl FnOnce(&mut Item)) {
        if let Some(item) = self.items.iter_mut().find(|item| item.id == id) {
            return change(item);
        }
        let mut item = Item {
            id: id.to_owned(),
            ..Item::default()
        };
        change(&mut item);
        self.items.push(item);
    }
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
    /// The statement that failed.
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

impl Held {
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

/// A reason for somebody who was not there: the journal says "you" to the person who was.
fn of_a_third(why: &str) -> String {
    match why.strip_prefix("you ") {
        Some(rest) => format!("the person at the terminal {rest}"),
        None => why.to_owned(),
    }
}

/// `mode relation`, as the journal writes it. Some modes begin like others, so the longest counts.
fn parse(lock: &str) -> Option<(LockMode, &str)> {
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
}
