//! One transaction as its facts tell it: folded in one way, for a run that goes on and for one that is
//! read back from its journal.

use super::locks_taken::LocksTaken;
use super::waited::WaitsInShort;
use crate::facts::StatementEnd;
use crate::runbook::check::Check;

/// What is known of the transaction that was begun last; nothing yet where BEGIN is not answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    pub xid: Option<String>,
    /// What the program itself sent after BEGIN.
    pub added: Vec<String>,
    /// Its number is on the server's disk.
    pub durable: bool,
    /// Each statement that came to its end, with its number; in the script's order.
    pub statements: Vec<(usize, StatementEnd)>,
    /// Who took which lock, and where the script's time went since.
    pub locks: LocksTaken,
    /// The checks that the script returned, each with its statement's number.
    pub checks: Vec<(usize, Check)>,
    pub post_checks: Vec<Check>,
    /// Who waited for it, as far as somebody looked; told when it is over.
    pub waits: Option<WaitsInShort>,
    done: usize,
    failed: Option<usize>,
}

/// What can be said of a transaction.
#[derive(Debug)]
pub enum TransactionFact {
    Begun {
        xid: String,
        added: Vec<String>,
    },
    NumberDurable,
    /// A statement of the script came to its end, whichever.
    StatementEnded(usize, StatementEnd),
    /// A check of the statement that ended last.
    Checked(Check),
    PostChecked(Check),
    /// It is over; who waited for it meanwhile, also where nobody was seen to.
    WaitedFor(WaitsInShort),
}

impl Transaction {
    pub fn take(&mut self, fact: TransactionFact) {
        match fact {
            TransactionFact::Begun { xid, added } => {
                self.xid = Some(xid);
                self.added = added;
            }
            TransactionFact::NumberDurable => self.durable = true,
            TransactionFact::StatementEnded(number, end) => {
                match end.tag {
                    Some(_) => self.done += 1,
                    None => self.failed = Some(number),
                }
                self.locks.take_down(number, &end);
                self.statements.push((number, end));
            }
            TransactionFact::Checked(check) => {
                let number = self.last_ended().unwrap_or_default();
                self.checks.push((number, check));
            }
            TransactionFact::PostChecked(check) => self.post_checks.push(check),
            TransactionFact::WaitedFor(waits) => self.waits = Some(waits),
        }
    }

    pub fn done(&self) -> usize {
        self.done
    }

    pub fn failed(&self) -> Option<usize> {
        self.failed
    }

    /// Whether a statement came to its end, and none failed.
    pub fn is_unfailed(&self) -> bool {
        self.done > 0 && self.failed.is_none()
    }

    /// The number of the statement that failed, or else of the last one that was done.
    pub fn newest(&self) -> Option<usize> {
        self.failed.or(self.last_ended())
    }

    fn last_ended(&self) -> Option<usize> {
        self.statements.last().map(|(number, _)| *number)
    }

    /// How the statement with this number came to its end, where it did.
    pub fn ended(&self, number: usize) -> Option<&StatementEnd> {
        let (_, end) = self.statements.get(self.place_of(number)?)?;
        Some(end)
    }

    /// Where that one stands among those that came to their end.
    pub fn place_of(&self, number: usize) -> Option<usize> {
        let at = self
            .statements
            .binary_search_by_key(&number, |(one, _)| *one);
        at.ok()
    }

    /// The checks that the statement with this number returned.
    pub fn checks_of(&self, number: usize) -> &[(usize, Check)] {
        let from = self.checks.partition_point(|(one, _)| *one < number);
        let to = self.checks.partition_point(|(one, _)| *one <= number);
        self.checks.get(from..to).unwrap_or_default()
    }

    /// The checks of the script, without their statements.
    pub fn script_checks(&self) -> impl DoubleEndedIterator<Item = &Check> {
        self.checks.iter().map(|(_, check)| check)
    }
}
