//! What must be drawn anew before a key acts on it (I5), and what the machine was before an event.
//!
//! Both are taken on every event, so nothing in them is copied but counters: what is long is shared.

use super::backing_up::BackingUp;
use super::{Machine, Signature};
use crate::facts::{Ending, OutcomeWord};
use crate::gate::pass::{Allowance, Compared};
use crate::gate::phase::{EarlierRun, Phase, PhaseKind, Prompt};
use crate::gate::plan;
use std::sync::Arc;

/// What a frame of a state shows.
#[derive(Debug, PartialEq)]
pub struct Face {
    screen: PhaseKind,
    prompt: Prompt,
    items: ShownItems,
    backing_up: BackingUp,
    /// With both, `x` cancels one after the other.
    probes_beside_backup: bool,
    parting: bool,
    earlier: Option<EarlierRun>,
    waits: bool,
    /// It is told that a cancel has no effect: pressed again, its key does something else.
    cancel_failed: bool,
    allowance: Option<Arc<Allowance>>,
}

/// The same as long as nothing was signed, withdrawn or acknowledged.
#[derive(Debug)]
struct ShownItems(Arc<Vec<Signature>>);

impl PartialEq for ShownItems {
    fn eq(&self, other: &ShownItems) -> bool {
        let shown = |item: &Signature| (item.signed, item.acknowledged);
        Arc::ptr_eq(&self.0, &other.0) || self.0.iter().map(shown).eq(other.0.iter().map(shown))
    }
}

/// What the machine was, as far as a change of it is told.
#[derive(Debug)]
pub struct Before {
    pub phase: PhaseKind,
    pub transaction_open: bool,
    pub items: Arc<Vec<Signature>>,
    /// A second pass was under way, or about to be.
    pub approved: bool,
    pub compared: Option<Arc<Compared>>,
    pub outcome: Option<OutcomeWord>,
}

impl Machine {
    /// What a frame of the present state shows.
    pub fn face(&self) -> Face {
        Face {
            screen: self.phase.kind(),
            prompt: self.phase.prompt(),
            items: ShownItems(Arc::clone(&self.items)),
            backing_up: self.backing_up,
            probes_beside_backup: self.is_backing_up() && self.phase.probes().is_some(),
            parting: self.parting.is_some(),
            earlier: match self.phase {
                Phase::Checklist { earlier, .. } => Some(earlier),
                _ => None,
            },
            waits: matches!(self.phase, Phase::Committing { waits: true, .. }),
            cancel_failed: self.phase.cancelling() == Some(plan::CANCEL_PATIENCE),
            allowance: self.basis().map(|basis| Arc::clone(&basis.allowance)),
        }
    }

    /// What it is, to be held against what it becomes.
    pub fn before(&self) -> Before {
        Before {
            phase: self.phase.kind(),
            transaction_open: self.phase.transaction_open(),
            items: Arc::clone(&self.items),
            approved: self.approval().is_some(),
            compared: self.newest.compared.clone(),
            outcome: self.ending().map(Ending::outcome),
        }
    }
}
