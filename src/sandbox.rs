//! A throw-away PostgreSQL server: for `stagegate demo`, for rehearsals on a clone, for the tests.
//!
//! It needs the server's programs on this machine and nothing else: no network, no service, no
//! root and no sudo (as root it runs the server as `postgres`, else `nobody`). The server listens
//! on a Unix socket in a folder that only its owner may enter, and whatever becomes of this
//! process, neither the server nor its files outlive it: a reaper sees to that.
//! Never use it for data that anyone wants to keep: it runs with `fsync = off`.

mod account;
mod copy;
pub mod demo;
mod environment;
mod error;
mod options;
mod place;
mod port;
pub mod programs;
mod reaper;
mod server;
mod template;
pub mod watch;

pub use error::SandboxError;
pub use options::SandboxOptions;
pub use place::ClusterPlace;
pub use server::Sandbox;
