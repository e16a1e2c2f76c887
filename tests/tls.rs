//! TLS on real servers, with certificates made here, beside the psql of this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "shared/aloud.rs"]
mod aloud;
#[path = "tls/authority.rs"]
mod authority;
#[path = "tls/cancelling.rs"]
mod cancelling;
#[path = "shared/child.rs"]
mod child;
#[path = "tls/children.rs"]
mod children;
#[path = "shared/encrypting.rs"]
mod encrypting;
#[path = "tls/ground.rs"]
mod ground;
#[path = "tls/matrix.rs"]
mod matrix;
#[path = "tls/ways.rs"]
mod ways;
#[path = "tls/words.rs"]
mod words;
