//! The backup: begun from the checklist, and nothing is applied or left behind it.
//!
//! While it is under way its item is open and the script waits, because `pg_dump` holds a lock on
//! every table. Whoever leaves stops it first.

use super::Machine;
use crate::facts::Standing;
use crate::gate::effect::{Effect, Request};
use crate::gate::event::{Body, Seq};
use crate::gate::offer::{Offer, Refusal};
use crate::gate::plan::Mode;
use std::sync::Arc;

/// The backup as far as it decides something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct BackingUp {
    pub(super) under_way: Option<UnderWay>,
    /// A dump was made and is there: it stands for the typed reference.
    made: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct UnderWay {
    pub(super) seq: Seq,
    stopping: bool,
}

impl Machine {
    /// Whether a dump is under way.
    pub fn is_backing_up(&self) -> bool {
        self.backing_up.under_way.is_some()
    }

    /// Whether the item with this index is about a backup, and one was made in this run.
    pub fn is_backed_up(&self, item: usize) -> bool {
        self.backing_up.made && self.is_of_backup(item)
    }

    /// Whether the item with this index is about a backup.
    pub fn is_of_backup(&self, item: usize) -> bool {
        self.plan.items.get(item).is_some_and(|item| item.reference)
    }

    /// As [`Machine::offer`], on the checklist.
    pub(super) fn offer_to_back_up(&self) -> Offer {
        match self.plan.mode {
            Mode::Run if self.plan.items.iter().any(|item| item.reference) => {
                Offer::unless(self.is_backing_up().then_some(Refusal::BackupUnderWay))
            }
            Mode::Run | Mode::Rehearse | Mode::Inspect => Offer::Absent,
        }
    }

    /// As [`Machine::offer`], on the checklist.
    pub(super) fn offer_to_stop_backup(&self) -> Offer {
        match self.backing_up.under_way {
            Some(now) => Offer::unless(now.stopping.then_some(Refusal::AlreadyStopping)),
            None => Offer::Absent,
        }
    }

    pub(super) fn back_up(&mut self, folder: String) -> Vec<Effect> {
        // What was signed was other evidence.
        self.unsign_backup();
        let seq = self.requests.number_beside();
        self.backing_up.under_way = Some(UnderWay {
            seq,
            stopping: false,
        });
        let request = Request::BackUp { folder };
        vec![Effect::Request { seq, request }]
    }

    pub(super) fn stop_backup(&mut self) -> Vec<Effect> {
        match &mut self.backing_up.under_way {
            Some(under_way) => {
                under_way.stopping = true;
                vec![Effect::StopBackup]
            }
            None => Vec::new(),
        }
    }

    /// What is said of a backup. A dump that is whole before the wish to stop it arrives is whole.
    pub(super) fn backup_reported(&mut self, seq: Seq, body: &Body) {
        let current = self.backing_up.under_way.is_some_and(|now| now.seq == seq);
        let (made, standing) = match body {
            Body::BackedUp(_) if current => (true, Standing::Holds),
            Body::BackupFailed(_) if current && self.backing_up.made => (true, Standing::Holds),
            Body::BackupFailed(_) if current => (false, Standing::Warns),
            Body::BackupLost(_) if self.phase.probes() == Some(seq) && self.backing_up.made => {
                // What the signature rested on is not there any more.
                self.unsign_backup();
                self.backing_up.made = false;
                return;
            }
            _ => return,
        };
        self.backing_up = BackingUp {
            under_way: None,
            made,
        };
        for (item, needed) in Arc::make_mut(&mut self.items)
            .iter_mut()
            .zip(&self.plan.items)
        {
            if needed.reference && item.standing != Standing::Awaited {
                item.standing = standing;
            }
        }
    }

    fn unsign_backup(&mut self) {
        for (item, needed) in Arc::make_mut(&mut self.items)
            .iter_mut()
            .zip(&self.plan.items)
        {
            if needed.reference {
                item.signed = false;
            }
        }
    }
}

#[cfg(test)]
impl BackingUp {
    /// With the one number that the walk over all states uses for it.
    pub(super) fn canonical(self, seq: Seq) -> BackingUp {
        BackingUp {
            under_way: self.under_way.map(|now| UnderWay { seq, ..now }),
            ..self
        }
    }
}
