//! What only looks: `stagegate verify` and `stagegate inspect`, on real servers.
//!
//! The checks on databases in every state, the exit codes, and that nothing is ever written: held
//! against the server's own log of every statement, under thousands of random keys.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "shared/answers.rs"]
mod answers;
#[path = "shared/child.rs"]
mod child;
#[path = "inspect/headless.rs"]
mod headless;
#[path = "inspect/hostile.rs"]
mod hostile;
#[path = "inspect/pane.rs"]
mod pane;
#[path = "inspect/screen.rs"]
mod screen;
#[path = "shared/session.rs"]
mod session;
#[path = "inspect/stage.rs"]
mod stage;
#[path = "inspect/structure.rs"]
mod structure;
