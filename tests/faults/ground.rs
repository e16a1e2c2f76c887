//! Servers, the tables that runs work on, and what the server itself knows of a run afterwards.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stagegate::database::settings::{ConnectionOptions as Given, Settings};
use stagegate::sandbox::{Sandbox, SandboxOptions};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

/// How long anything may take before a run counts as hanging. Never part of a promise.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The database on every server here; its name is what is typed for COMMIT.
pub const DATABASE: &str = "faults";

/// A server, with the database in it.
#[derive(Clone)]
pub struct Ground {
    pub sandbox: Arc<Sandbox>,
}

/// The server that runs share which do not harm it.
pub async fn shared() -> Ground {
    static SHARED: OnceLock<Ground> = OnceLock::new();
    static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = STARTING.lock().await;
    if let Some(ground) = SHARED.get() {
        return ground.clone();
    }
    let ground = Ground::start(SandboxOptions::for_tests()).await;
    SHARED.get_or_init(|| ground).clone()
}

impl Ground {
    /// A server of one's own.
    pub async fn start(options: SandboxOptions) -> Ground {
        let options = SandboxOptions {
            tcp: true,
            ..options.with("max_connections", "200")
        };
        let started = tokio::task::spawn_blocking(|| Sandbox::start(options));
        let sandbox = Arc::new(started.await.unwrap().unwrap());
        let ground = Ground { sandbox };
        let client = ground.client("postgres").await;
        let make = format!("CREATE DATABASE {DATABASE}");
        client.batch_execute(&make).await.unwrap();
        ground
    }

    pub fn address(&self) -> SocketAddr {
        self.sandbox.tcp_address().unwrap()
    }

    /// A connection of the test's own, over the socket, past every proxy.
    pub async fn client(&self, database: &str) -> Client {
        self.try_client(database).await.unwrap()
    }

    pub async fn try_client(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = self.sandbox.connection("postgres", database);
        config.application_name("faults");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Does something to the server that takes its time.
    pub async fn to_server(&self, act: impl FnOnce(&Sandbox) + Send + 'static) {
        let sandbox = Arc::clone(&self.sandbox);
        tokio::task::spawn_blocking(move || act(&sandbox))
            .await
            .unwrap();
    }

    /// A new table for one run.
    pub async fn table(&self) -> Table {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let client = self.client(DATABASE).await;
        client
            .batch_execute(&format!("CREATE TABLE {name} (id int)"))
            .await
            .unwrap();
        Table {
            name,
            ground: self.clone(),
        }
    }
}

/// The table that one run alters.
#[derive(Clone)]
pub struct Table {
    pub name: String,
    ground: Ground,
}

impl Table {
    /// A script that alters the table and checks itself; `middle` stands before the check.
    pub fn script(&self, middle: &str) -> String {
        let name = &self.name;
        format!(
            "BEGIN;\nALTER TABLE {name} ADD COLUMN done int;\n\
             CREATE INDEX {name}_done ON {name} (done);\n{middle}\
             SELECT 'done is there' AS \"check\", \
             CASE WHEN count(*) = 1 THEN 'PASS' ELSE 'FAIL' END AS status \
             FROM pg_attribute WHERE attrelid = '{name}'::regclass AND attname = 'done';\nCOMMIT;\n"
        )
    }

    pub fn script_file(&self, folder: &std::path::Path, middle: &str) -> PathBuf {
        let path = folder.join(format!("{}.sql", self.name));
        std::fs::write(&path, self.script(middle)).unwrap();
        path
    }

    /// The truth: whether what the script makes is there.
    pub async fn is_altered(&self) -> bool {
        let client = self.ground.client(DATABASE).await;
        self.is_altered_as_seen_by(&client).await
    }

    /// The same, over a connection that is there already.
    pub async fn is_altered_as_seen_by(&self, client: &Client) -> bool {
        // By the catalog alone: a question to the table itself would wait for its lock.
        let made: Vec<bool> = client
            .query_one(
                "SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid \
                 WHERE relname = $1 AND attname = 'done' AND NOT attisdropped), \
                 EXISTS (SELECT FROM pg_class WHERE relname = $1 || '_done')",
                &[&self.name],
            )
            .await
            .map(|row| vec![row.get(0), row.get(1)])
            .unwrap();
        assert_eq!(made[0], made[1], "half of the script is there");
        made[0]
    }

    /// The backends that hold a lock on the table.
    pub async fn holders(&self, client: &Client) -> Vec<i32> {
        client
            .query(
                "SELECT DISTINCT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                 WHERE c.relname = $1 AND l.granted AND l.pid <> pg_backend_pid()",
                &[&self.name],
            )
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    }

    /// Waits until somebody holds it; who.
    pub async fn wait_until_held(&self, client: &Client) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(pid) = self.holders(client).await.first() {
                return Some(*pid);
            }
            if since.elapsed() > PATIENCE {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How long it takes until nobody holds it; `None` when somebody still does after `watch`.
    pub async fn wait_until_free(&self, client: &Client, watch: Duration) -> Option<Duration> {
        let since = Instant::now();
        loop {
            if self.holders(client).await.is_empty() {
                return Some(since.elapsed());
            }
            if since.elapsed() > watch {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends whoever holds it, and waits until nobody does.
    pub async fn free(&self) {
        let client = self.ground.client(DATABASE).await;
        for pid in self.holders(&client).await {
            client
                .execute("SELECT pg_terminate_backend($1)", &[&pid])
                .await
                .unwrap();
        }
        assert!(self.wait_until_free(&client, PATIENCE).await.is_some());
    }
}

/// Settings to reach the database at that address.
pub fn settings(address: SocketAddr) -> Settings {
    let given = Given {
        database: Some(format!(
            "host={} port={} user=postgres dbname={DATABASE} sslmode=disable",
            address.ip(),
            address.port()
        )),
        ..Given::default()
    };
    Settings::find(&given, &|_| None, None, &|_| false).unwrap()
}
