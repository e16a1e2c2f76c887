//! What ended though nobody asked for that: the transaction, or the session.

use super::Machine;
use crate::facts::{Ending, Proof, Standing, Why};
use crate::gate::effect::Effect;
use crate::gate::phase::{AfterRollback, Onward, Phase};

impl Machine {
    /// The script ended the transaction that was begun, in spite of all. Nothing of ours is open any
    /// more, and what the session is in now must not stay; which way it went, the server tells.
    pub(super) fn transaction_gone(&mut self) -> Vec<Effect> {
        match &self.phase {
            Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Querying { .. } => {
                // What a script ended by itself it may have committed.
                self.sever_and_inquire(true, Onward::End(Why::OtherTransaction))
            }
            // Its end was asked for, and is being proven or is told already; or there is none.
            Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Beginning { .. }
            | Phase::Reviewing { .. }
            | Phase::Returning { .. }
            | Phase::Committing { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Vec::new(),
        }
    }

    pub(super) fn session_ended(&mut self) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Connecting => self.end(Ending::NotConnected),
            // Nothing is open: connect again and look again.
            Phase::Checklist { .. } => {
                for item in self.items_mut() {
                    item.standing = Standing::Awaited;
                }
                vec![self.connect()]
            }
            Phase::Beginning { .. } => self.end(Ending::RolledBack {
                why: Why::SessionEnded,
                proof: Proof::NeverBegun,
            }),
            Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. } => self.inquire(false, Onward::End(Why::SessionEnded)),
            Phase::Querying { why, .. } => {
                let why = why.clone().unwrap_or(Why::SessionEnded);
                self.inquire(false, Onward::End(why))
            }
            Phase::MustRollBack { why, .. } => {
                let why = why.clone();
                self.inquire(false, Onward::End(why))
            }
            Phase::RollingBack { after, .. } => {
                let onward = after.without_session();
                match self.newest.xid {
                    None => self.go_on(AfterRollback::Onward(onward), Proof::NeverBegun),
                    Some(_) => self.inquire(false, onward),
                }
            }
            Phase::Committing { .. } => self.inquire(true, Onward::End(Why::SessionEnded)),
            // Nothing is held, and the second pass has a session of its own.
            Phase::Reviewing { cancelling, .. } => {
                *cancelling = None;
                self.requests.awaiting = None;
                Vec::new()
            }
            Phase::Returning { .. } => self.not_returned("The session ended."),
            Phase::PostVerifying { proof, .. } => {
                let proof = proof.clone();
                self.end(Ending::Committed { proof, post: None })
            }
            // The next attempt connects afresh.
            Phase::Waiting { proof, .. } => {
                let proof = proof.clone();
                let why = Why::LockTimeout;
                self.end(Ending::RolledBack { why, proof })
            }
            // It is asked on connections of its own, and the end needs no session.
            Phase::Inquiring { .. } | Phase::Ended(_) | Phase::Left(_) => Vec::new(),
        }
    }
}
