//! THE DECISION: a pure machine that holds one transaction between a script and a person.
//!
//! [`Machine::handle`] takes an [`Event`] and returns [`Effect`]s; [`Machine::offers`] says what a
//! person can do now and why not the rest. No clock, no I/O, no async: time comes in with events,
//! and everything is done by somebody else. So a test can walk every reachable state.
//!
//! What it holds, by number (the rest of the house holds the others):
//!
//! - **I1** COMMIT is sent at most once, and only from an armed gate: every item signed, every
//!   statement succeeded, at least one PASS, no FAIL, the same transaction as at BEGIN, the name
//!   typed. The request carries a [`warrant::Warrant`], which is made in one place.
//! - **I2** From every state with an open transaction a key leads to ROLLBACK; a hang-up, a timer,
//!   a lost screen or a dead task leads there by itself.
//! - **I3** "Committed" is said only after the server's tag COMMIT with an idle status, or
//!   `pg_xact_status = committed`. Otherwise it is rolled back with proof, or UNKNOWN.
//! - **I4** A read-only mode has no effect that writes.
//! - **I5** A command acts only on a frame that was drawn with it; the gate arms after it has been
//!   on screen for [`plan::ARMING`]. (Pasted text is kept out by the input's reader.)
//! - **I6** COMMIT is handed out as a warrant that has to be recorded before it can be sent.
//! - **I7** Every hold has a limit: at its end the machine rolls back, and its beats stop.
//! - **I12** What the monitor sees changes nothing here.

pub mod account;
pub mod effect;
pub mod event;
pub mod machine;
pub mod offer;
pub mod phase;
pub mod plan;
pub mod warrant;

#[cfg(test)]
mod exhaustive;
#[cfg(test)]
mod tests;

pub use account::Account;
pub use effect::{Effect, ExitCode, Request};
pub use event::{Command, Event};
pub use machine::Machine;
pub use offer::{Act, Offer, Refusal};
pub use phase::{Ending, Phase, Proof, Why};
pub use plan::{Mode, Plan};
