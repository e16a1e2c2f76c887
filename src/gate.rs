//! THE DECISION: phases, events, effects, offers.

pub mod effect;
pub mod event;
pub mod warrant;
