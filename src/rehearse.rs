//! A rehearsal, beside what a run has: the clone it can be done on, what it says at its end, and whether a
//! past one stands for reading the rollback scripts. The rehearsal itself is a runbook
//! ([`crate::runbook::rehearsal`]) that the walk walks, and its journal is read where journals are.

pub(crate) mod cloning;
pub(crate) mod closing;
pub mod weighing;
