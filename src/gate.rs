//! THE DECISION: a pure machine that holds one transaction between a script and a person.
//!
//! [`Machine::handle`] takes an [`Event`] and returns [`Effect`]s; [`Machine::offer`] says what a
//! key would do now, or why not. No clock, no I/O, no async: time comes in with events,
//! and everything is done by somebody else. So a test can walk every reachable state.
//!
//! The invariants, by number; what the machine cannot hold alone names who does:
//!
//! - **I1** COMMIT is sent at most once, and only from an armed gate: every item signed, every
//!   statement succeeded, at least one PASS, no FAIL, the same transaction as at BEGIN, the name
//!   typed; or on an approval (I13), to which the same was typed. One exception, asked for in words: a bare script that returned no check at all may be
//!   committed for a typed reason, which the journal keeps. The request carries a [`warrant::Warrant`], which is made in one place.
//! - **I2** From every state with an open transaction a key leads to ROLLBACK; a hang-up, a timer,
//!   a lost screen or a dead task leads there by itself.
//! - **I3** "Committed" is said only after the server's tag COMMIT with an idle status, or
//!   `pg_xact_status = committed`. Otherwise it is rolled back with proof, or UNKNOWN.
//! - **I4** A read-only mode has no effect that writes; the server refuses to write as well.
//! - **I5** A command acts only on a frame that was drawn with it; the gate arms after it has been
//!   on screen for [`plan::ARMING`]. `tui::input` keeps pasted text from being keys, and the walk
//!   drops keys that are older than their frame.
//! - **I6** COMMIT is handed out as a warrant that has to be recorded before it can be sent; the
//!   walk's engine writes the intent of a ROLLBACK first as well.
//! - **I7** Every hold has a limit: at its end the machine rolls back. The session has it as a lease
//!   that only the machine renews, and lets go of the transaction when nobody else has ended it.
//! - **I8** What the server or a script says is data: `runbook::printable` stands before every screen,
//!   line and report.
//! - **I9** A secret is a `database::secret::Secret`, which cannot be printed, and no event carries one.
//! - **I10** Every meaning is in words as well as in colour: `tui::theme`.
//! - **I11** A script's statements reach the server byte for byte (`database::session`); what the
//!   program adds is part of [`event::Body::Begun`] and so on the screen and in the journal.
//! - **I12** The monitor's failure changes nothing here; what it sees matters only where a limit on
//!   who may wait was asked for.
//! - **I13** An approval commits only a pass that came out as approved, at most once, within its
//!   limit, on the target it was given for. It is an [`approval::Approval`], made by one edge and
//!   consumed by the warrant.

pub mod act;
pub mod approval;
pub mod effect;
pub mod event;
pub mod machine;
pub mod offer;
pub mod pass;
pub mod phase;
pub mod plan;
pub mod warrant;

#[cfg(test)]
pub(crate) mod bodies;
#[cfg(test)]
pub(crate) mod exhaustive;
#[cfg(test)]
mod tests;

pub use act::{Act, Command};
pub use effect::{Effect, Request};
pub use event::Event;
pub use machine::Machine;
pub use offer::{Offer, Refusal};
pub use phase::{Phase, PhaseKind, Stage};
pub use plan::{Mode, Plan};
