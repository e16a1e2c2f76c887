//! One PostgreSQL for all tests of this file, and a database of its own for each of them.
//!
//! Nothing drops what a static holds: it is the sandbox's reaper that stops the server and removes
//! its files when the test program ends.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stagegate::sandbox::{Sandbox, SandboxOptions};
use tokio_postgres::{Client, NoTls};

use crate::clients::find_client;
use crate::session_of_psql::psql;

/// What `wanted` brings; `what` says what was waited for when it brings nothing for minutes.
pub async fn within<T>(what: &str, wanted: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(300);
    tokio::time::timeout(limit, wanted)
        .await
        .unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// A running server.
pub struct Cluster {
    sandbox: Sandbox,
}

/// The one server of this test program, started on first use.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster {
        sandbox: Sandbox::start(SandboxOptions::for_tests())
            .unwrap_or_else(|error| panic!("{error}")),
    })
}

impl Cluster {
    /// A new connection, as superuser.
    pub async fn connect(&self, database: &str) -> Client {
        let config = self.sandbox.connection(self.sandbox.superuser(), database);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A new database made from `template`.
    pub async fn database(&self, template: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres")
            .await
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .unwrap();
        name
    }

    /// `psql` on one of its databases; none where there is none on this machine.
    pub fn psql(&self, database: &str) -> Option<Command> {
        let program = find_client("psql")?;
        Some(psql(&program, &self.sandbox, database))
    }
}
