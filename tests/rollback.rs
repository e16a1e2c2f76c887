//! The way back and its rehearsal, by the real program on real servers: what would be lost is told
//! in words, what stands in the way is named, and the structure afterwards is the one before, as
//! pg_dump sees it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "shared/aloud.rs"]
mod aloud;
#[path = "shared/child.rs"]
mod child;
#[path = "shared/clients.rs"]
mod clients;
#[path = "rollback/cloning.rs"]
mod cloning;
#[path = "rollback/counting.rs"]
mod counting;
#[path = "rollback/rehearsing.rs"]
mod rehearsing;
#[path = "shared/session.rs"]
mod session;
#[path = "rollback/stage.rs"]
mod stage;
#[path = "rollback/trapped.rs"]
mod trapped;
#[path = "rollback/walking.rs"]
mod walking;
