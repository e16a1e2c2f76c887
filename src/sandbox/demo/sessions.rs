//! The other sessions of the demo: a report that holds a lock, an application that keeps working.
//!
//! Bounded: at most four sessions, each with one statement at a time and a pause after it. Every
//! statement is a transaction of its own, so the application never holds one lock while it waits
//! for another, and no deadlock can make the migration its victim.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::sleep;
use tokio_postgres::{Client, Config};

use super::load::{connect, refused};
use crate::sandbox::SandboxError;

/// The pause of an application's session between two statements: some 16 statements a second in all.
const PAUSE: Duration = Duration::from_millis(250);

/// How often we look whether anybody waits for the report.
const LOOK: Duration = Duration::from_millis(100);

/// A report that read a table, has not ended its transaction, and does nothing: its ACCESS SHARE
/// lock stands against ALTER TABLE, and against nothing that an application does.
pub(super) struct NightlyReport {
    client: Client,
}

impl NightlyReport {
    const NAME: &str = "nightly report";

    /// Reads the table; from here on the lock is held.
    pub(super) async fn begin(application: &Config) -> Result<Self, SandboxError> {
        let client = connect(application, Self::NAME).await?;
        for statement in [
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "SELECT operational_decision, count(*) FROM service_ops.packet_decision GROUP BY 1",
        ] {
            client
                .batch_execute(statement)
                .await
                .map_err(refused("begin the nightly report"))?;
        }
        Ok(Self { client })
    }

    /// Holds on until somebody has waited for so long, then ends its transaction and leaves.
    ///
    /// Whoever terminates the session ends it sooner, and that is no error.
    pub(super) async fn hold(self, superuser: &Config, patience: Duration) {
        let Ok(watch) = connect(superuser.clone().dbname(super::DATABASE), super::load::NAME).await
        else {
            // Without eyes it holds on to the end of the demo.
            return std::future::pending().await;
        };
        // pg_locks has what we need without a lock on the table.
        let waited_for = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted \
                          AND relation = to_regclass('service_ops.packet_decision'))";
        while !self.client.is_closed() {
            match watch.query_one(waited_for, &[]).await {
                Ok(row) if row.get(0) => break,
                _ => sleep(LOOK).await,
            }
        }
        sleep(patience).await;
        let _ = self.client.batch_execute("COMMIT").await;
    }
}

/// An application with four sessions that keep reading and writing, and never give up.
pub(super) struct Application {
    config: Config,
    sessions: Vec<Client>,
}

/// What its sessions do, each one thing over and over; right before and after the migration.
const WORK: [&str; 4] = [
    // The ids go on where the sample's end, so they stay unique.
    "INSERT INTO service_ops.integration_inbox
         (inbox_id, message_id, decision_tracking_id, message_type, source_created_at)
     SELECT n, 700000 + n, gen_random_uuid(), 'INTAKE', now()
     FROM nextval(pg_get_serial_sequence('service_ops.integration_inbox', 'inbox_id')) AS n",
    "UPDATE service_ops.integration_inbox
     SET status = 'DONE', attempt_count = attempt_count + 1, updated_at = now()
     WHERE inbox_id = (SELECT inbox_id FROM service_ops.integration_inbox
                       WHERE status = 'NEW' ORDER BY next_attempt_at
                       LIMIT 1 FOR UPDATE SKIP LOCKED)",
    "INSERT INTO service_ops.packet_decision (packet_id, decision_type, created_by)
     SELECT 1 + n % 50000, 'APPROVE', 'serviceops-app'
     FROM (SELECT floor(random() * 50000)::bigint) AS t (n)",
    "SELECT operational_decision, clinical_decision FROM service_ops.packet_decision
     WHERE is_active ORDER BY created_at DESC LIMIT 20",
];

impl Application {
    const NAME: &str = "serviceops-app";

    pub(super) async fn connect(config: &Config) -> Result<Self, SandboxError> {
        let sessions = WORK.map(|_| connect(config, Self::NAME));
        Ok(Self {
            config: config.clone(),
            sessions: try_join_all(sessions).await?,
        })
    }

    /// Works until it is dropped.
    pub(super) async fn run(self) {
        let work = self.sessions.into_iter().zip(WORK);
        join_all(work.map(|(session, statement)| repeat(session, &self.config, statement))).await;
    }
}

/// Errors are the application's daily life: it goes on, over a new connection where need be.
async fn repeat(mut session: Client, config: &Config, statement: &str) {
    loop {
        let _ = session.batch_execute(statement).await;
        sleep(PAUSE).await;
        if session.is_closed()
            && let Ok(again) = connect(config, Application::NAME).await
        {
            session = again;
        }
    }
}
