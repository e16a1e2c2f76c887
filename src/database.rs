//! HOW the server is reached: settings, the held session, the monitor, the proof of the outcome.
//!
//! It does what the gate asks and reports what the server said, no more: it decides nothing, and
//! it never claims an outcome that it did not read from the server.

pub mod admission;
pub mod client;
pub mod connect;
pub mod doorkeeper;
mod legible;
pub mod link;
pub mod locks;
pub mod message;
pub mod monitor;
pub mod others;
pub mod passfile;
pub mod pinned;
pub mod secret;
pub mod sentry;
pub mod session;
pub mod settings;
pub mod stream;
pub mod tables;
pub mod tap;
pub mod target;
pub mod tls;
