//! One transaction as its facts tell it: folded in one way, for a run that goes on and for one that is
//! read back from its journal.

use super::locks_taken::{LocksTaken, StatementEnd};
use super::waited::WaitsInShort;
use crate::runbook::check::Check;

/// What is known of the transaction that was begun last; nothing yet where BEGIN is not answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    pub xid: Option<String>,
    /// What the program itself sent after BEGIN.
    pub added: Vec<String>,
    /// Its number is on the server's disk.
    pub durable: bool,
    /// Who took which lock, and where the script's time went since.
    pub locks: LocksTaken,
    /// The checks that the script returned, each with its statement's number.
    pub checks: Vec<(usize, Check)>,
    pub post_checks: Vec<Check>,
    /// Who waited for it, as far as somebody looked; told when it is over.
    pub waits: Option<WaitsInShort>,
    done: usize,
    /// The statement that came to its end last.
    newest: Option<usize>,
    failed: Option<usize>,
}

/// What can be said of a transaction.
#[derive(Debug)]
pub enum TransactionFact<'a> {
    Begun {
        xid: String,
        added: Vec<String>,
    },
    NumberDurable,
    /// A statement of the script came to its end, whichever.
    StatementEnded(StatementEnd<'a>),
    /// A check of the statement that ended last.
    Checked(Check),
    PostChecked(Check),
    /// It is over; who waited for it meanwhile, also where nobody was seen to.
    WaitedFor(WaitsInShort),
}

impl Transaction {
    pub fn take(&mut self, fact: TransactionFact<'_>) {
        match fact {
            TransactionFact::Begun { xid, added } => {
                self.xid = Some(xid);
                self.added = added;
            }
            TransactionFact::NumberDurable => self.durable = true,
            TransactionFact::StatementEnded(end) => {
                self.newest = Some(end.number);
                match end.tag {
                    Some(_) => self.done += 1,
                    None => self.failed = Some(end.number),
                }
                self.locks.take_down(end);
            }
            TransactionFact::Checked(check) => {
                let number = self.newest.unwrap_or_default();
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
        self.failed.or(self.newest)
    }

    /// The checks of the script, without their statements.
    pub fn script_checks(&self) -> impl DoubleEndedIterator<Item = &Check> {
        self.checks.iter().map(|(_, check)| check)
    }
}
