//! The promise proven by faults: whatever happens to the client, the link or the server, nothing
//! wrong is said of the transaction, and no lock is left behind.
//!
//! Real servers, the real session, the real program. After each run the truth is read from the
//! server (is the object there?) and held against what was said. A seed is printed; give it back
//! as `FAULTS_SEED` to draw the same faults again.
//!
//! The long run: `cargo test --release --test faults -- --ignored --nocapture`. It writes
//! `assets/faults.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "shared/aloud.rs"]
mod aloud;
#[path = "shared/answers.rs"]
mod answers;
#[path = "faults/believing.rs"]
mod believing;
#[path = "shared/child.rs"]
mod child;
#[path = "shared/clients.rs"]
mod clients;
#[path = "faults/cutting.rs"]
mod cutting;
#[path = "faults/dice.rs"]
mod dice;
#[path = "faults/drawing.rs"]
mod drawing;
#[path = "faults/ground.rs"]
mod ground;
#[path = "faults/killing.rs"]
mod killing;
#[path = "faults/leaving.rs"]
mod leaving;
#[path = "faults/locks.rs"]
mod locks;
#[path = "faults/long.rs"]
mod long;
#[path = "faults/namespace.rs"]
mod namespace;
#[path = "faults/program.rs"]
mod program;
#[path = "faults/proxy.rs"]
mod proxy;
#[path = "shared/random.rs"]
mod random;
#[path = "faults/relieving.rs"]
mod relieving;
#[allow(dead_code)]
#[path = "shared/session.rs"]
mod session;
#[allow(dead_code)]
#[path = "stories/stage.rs"]
mod stage;
#[path = "faults/stopping.rs"]
mod stopping;
#[path = "faults/striking.rs"]
mod striking;
#[path = "faults/tally.rs"]
mod tally;
#[allow(dead_code)]
#[path = "stories/terminal.rs"]
mod terminal;
#[path = "shared/typist.rs"]
mod typist;
#[path = "faults/walking.rs"]
mod walking;
