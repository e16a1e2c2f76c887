//! The database code on real servers: what the session says is held against what the server has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "database/ahead.rs"]
mod ahead;
#[path = "shared/aloud.rs"]
mod aloud;
#[path = "database/bytes.rs"]
mod bytes;
#[path = "shared/child.rs"]
mod child;
#[path = "shared/psql.rs"]
mod client;
#[path = "shared/clients.rs"]
mod clients;
#[path = "database/compiling.rs"]
mod compiling;
#[path = "database/connecting.rs"]
mod connecting;
#[path = "shared/copying.rs"]
mod copying;
#[path = "database/counting.rs"]
mod counting;
#[path = "database/decoding.rs"]
mod decoding;
#[path = "database/dividing.rs"]
mod dividing;
#[path = "database/encodings.rs"]
mod encodings;
#[path = "database/ending.rs"]
mod ending;
#[path = "database/escaping.rs"]
mod escaping;
#[path = "database/guarding.rs"]
mod guarding;
#[path = "database/hijacking.rs"]
mod hijacking;
#[path = "database/limiting.rs"]
mod limiting;
#[path = "database/looking.rs"]
mod looking;
#[path = "database/many.rs"]
mod many;
#[path = "database/monitoring.rs"]
mod monitoring;
#[path = "database/one_command.rs"]
mod one_command;
#[path = "database/outcome.rs"]
mod outcome;
#[path = "database/pooler.rs"]
mod pooler;
#[path = "database/pooling.rs"]
mod pooling;
#[path = "database/proxy.rs"]
mod proxy;
#[path = "database/querying.rs"]
mod querying;
#[path = "database/refusing.rs"]
mod refusing;
#[path = "database/script.rs"]
mod script;
#[path = "database/stage.rs"]
mod stage;
#[path = "database/starting.rs"]
mod starting;
#[path = "database/unharmed.rs"]
mod unharmed;
#[path = "database/waiting.rs"]
mod waiting;
