//! The SQL of the built-in runbook, held against a real PostgreSQL: what it adds, what its checks
//! see, how it comes back, and what it leaves alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "shared/aloud.rs"]
mod aloud;
#[path = "shared/child.rs"]
mod child;
#[path = "shared/clients.rs"]
mod clients;
#[path = "shared/psql.rs"]
mod session_of_psql;

#[path = "runbook_sql/before_and_after.rs"]
mod before_and_after;
#[path = "runbook_sql/cluster.rs"]
mod cluster;
#[path = "runbook_sql/demo.rs"]
mod demo;
#[path = "runbook_sql/migration.rs"]
mod migration;
#[path = "runbook_sql/psql.rs"]
mod psql;
#[path = "runbook_sql/rollback.rs"]
mod rollback;
#[path = "runbook_sql/runbook.rs"]
mod runbook;
#[path = "runbook_sql/verification.rs"]
mod verification;
