//! What was asked of the session, by number, and what is still waited for.

use crate::gate::event::Seq;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Requests {
    last: Seq,
    /// The first request of the present session: what an older session says is stale.
    session_since: Seq,
    pub(super) awaiting: Option<Seq>,
}

impl Requests {
    /// The number of a request that is answered whatever else is waited for.
    pub(super) fn number_beside(&mut self) -> Seq {
        self.last += 1;
        self.last
    }

    /// The number of a request whose answer is waited for from here on.
    pub(super) fn number(&mut self) -> Seq {
        let seq = self.number_beside();
        self.awaiting = Some(seq);
        seq
    }

    /// The request that was numbered last opens a session.
    pub(super) fn open_session(&mut self) {
        self.session_since = self.last;
    }

    /// Whether what echoes this number is said by the present session.
    pub(super) fn is_of_session(&self, seq: Seq) -> bool {
        seq >= self.session_since
    }
}

#[cfg(test)]
impl Requests {
    /// Which numbers are waited for; where there is none, one with which a session's end may come.
    pub(super) fn expected(&self, probing: Option<Seq>, dump: Option<Seq>) -> Vec<Seq> {
        let awaited = self.awaiting.into_iter().chain(probing);
        let mut current: Vec<Seq> = awaited.chain(dump).collect();
        if current.is_empty() && self.is_of_session(self.last) {
            current.push(self.last);
        }
        current
    }

    /// For the walk over all states: one number for each thing that is waited for.
    pub(super) fn canonical(&mut self) {
        self.session_since = 1;
        self.awaiting = self.awaiting.map(|_| 3);
        self.last = 4;
    }
}
