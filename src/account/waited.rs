//! Who waited for the held transaction while it was open, each with its longest wait that was seen.
//!
//! A look is taken now and then, so a wait is told as long as it was when it was seen last: never longer
//! than it was. Bounded: an application can bring thousands of sessions (I15).

use crate::facts::{Millis, OtherSession};
use std::collections::BTreeMap;

/// How many sessions are kept, and how many of them are told.
const KEPT: usize = 1_000;
const TOLD: usize = 5;

/// The sessions that waited for one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waited {
    by_pid: BTreeMap<i32, (Millis, String)>,
    /// How often somebody looked, whoever waited then.
    looks: usize,
    /// There were more than are kept.
    more: bool,
}

/// What is told of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitsInShort {
    /// How many sessions waited; at least so many, where `more` says so. Nobody is only known to have
    /// waited where somebody looked.
    pub sessions: usize,
    pub looks: usize,
    pub more: bool,
    /// The longest wait, in milliseconds; 0 where nobody waited.
    pub longest: Millis,
    /// Those that waited longest, a line each.
    pub who: Vec<String>,
}

impl Waited {
    /// Takes down those who wait now.
    pub(super) fn take_down(&mut self, waiters: &[OtherSession]) {
        self.looks += 1;
        for waiter in waiters {
            let lasted = waiter.since.unwrap_or_default();
            match self.by_pid.get(&waiter.pid) {
                Some((known, _)) if *known >= lasted => {}
                None if self.by_pid.len() >= KEPT => self.more = true,
                Some(_) | None => {
                    let told = (lasted, waiter.in_the_queue());
                    self.by_pid.insert(waiter.pid, told);
                }
            }
        }
    }

    pub fn in_short(&self) -> WaitsInShort {
        let mut all: Vec<&(Millis, String)> = self.by_pid.values().collect();
        all.sort_by_key(|(lasted, _)| std::cmp::Reverse(*lasted));
        WaitsInShort {
            sessions: all.len(),
            looks: self.looks,
            more: self.more,
            longest: all.first().map_or(0, |(longest, _)| *longest),
            who: all.iter().take(TOLD).map(|(_, who)| who.clone()).collect(),
        }
    }
}

/// How long the statement that runs waited for locks, as far as somebody looked: the last look of each wait
/// counts, so it is never longer than it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LockWaits {
    /// `None` where it was not seen to wait.
    pub in_all: Option<Millis>,
    /// How long the wait that was seen last was then.
    last: Option<Millis>,
}

impl LockWaits {
    /// Takes down for how long it has waited, where it does.
    pub(super) fn take_down(&mut self, waits: Option<Millis>) {
        if let Some(waits) = waits {
            let known = self.last.filter(|known| *known <= waits).unwrap_or(0);
            *self.in_all.get_or_insert(0) += waits - known;
        }
        self.last = waits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_s_waits_are_added_up_and_each_counts_once() {
        let mut waits = LockWaits::default();
        waits.take_down(None);
        assert_eq!(waits.in_all, None);
        // The third is of another lock.
        for seen in [Some(400), Some(1_400), Some(200), None] {
            waits.take_down(seen);
        }
        assert_eq!(waits.in_all, Some(1_600));
    }

    fn waiter(pid: i32, since: Millis) -> OtherSession {
        OtherSession {
            pid,
            role: "app".into(),
            since: Some(since),
            ..OtherSession::default()
        }
    }

    #[test]
    fn each_session_counts_once_with_its_longest_wait() {
        let mut waited = Waited::default();
        waited.take_down(&[]);
        let told = waited.in_short();
        assert_eq!((told.sessions, told.looks, told.longest), (0, 1, 0));
        waited.take_down(&[waiter(7, 500), waiter(8, 100)]);
        waited.take_down(&[waiter(7, 1_500)]);
        // It waits anew: the longer wait stays.
        waited.take_down(&[waiter(7, 20), waiter(8, 2_000)]);
        let told = waited.in_short();
        assert_eq!((told.sessions, told.longest, told.more), (2, 2_000, false));
        assert_eq!(told.looks, 4);
        assert_eq!(told.who.len(), 2);
        assert!(told.who[0].starts_with("pid 8 app"), "{:?}", told.who);
        assert!(told.who[1].contains("for 1 s"), "{:?}", told.who);
    }

    #[test]
    fn thousands_of_sessions_are_bounded_and_that_is_told() {
        let mut waited = Waited::default();
        let crowd: Vec<OtherSession> = (0..5_000).map(|pid| waiter(pid, 10)).collect();
        waited.take_down(&crowd);
        let told = waited.in_short();
        assert_eq!((told.sessions, told.more), (KEPT, true));
        assert_eq!(told.who.len(), TOLD);
    }
}
