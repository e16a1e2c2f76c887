//! Servers and databases whose settings help a script that means harm.

use std::time::Duration;

use stagegate::database::settings::{ConnectionOptions as Given, Settings};
use stagegate::sandbox::{Sandbox, SandboxOptions};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// How long a condition may take to come true before the run is given up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What each database is like: how it is made, and what its sessions find set.
const KINDS: &[(&str, &str)] = &[
    ("TEMPLATE template0 ENCODING 'UTF8'", ""),
    ("TEMPLATE template0 ENCODING 'UTF8'", "backslash_quote = on"),
    (
        "TEMPLATE template0 ENCODING 'EUC_JP' LOCALE 'C'",
        "search_path = trap, public, pg_catalog",
    ),
    (
        "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
        "default_transaction_isolation = 'serializable'",
    ),
    (
        "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
        "escape_string_warning = off",
    ),
];

/// What every database has.
const CONTENT: &str = "CREATE TABLE mark (n serial); CREATE SCHEMA trap;
    CREATE FUNCTION trap.begin() RETURNS int LANGUAGE sql AS 'SELECT 1'";

/// One database and whoever watches it.
pub struct Ground {
    pub name: String,
    settings: Settings,
    watcher: Client,
}

/// A server with a role of its own for each ground: what a script does to its role waits for nobody.
pub fn server() -> Sandbox {
    let options = SandboxOptions::for_tests()
        .with("max_prepared_transactions", "10")
        .with("log_min_messages", "fatal");
    Sandbox::start(options).unwrap()
}

async fn connected(server: &Sandbox, database: &str) -> Client {
    let config = server.connection(server.superuser(), database);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Ground {
    pub async fn new(server: &Sandbox, number: usize) -> Ground {
        let name = format!("ground{number}");
        let (made, set) = KINDS[number % KINDS.len()];
        let client = connected(server, "postgres").await;
        for sql in [
            format!("CREATE ROLE {name} SUPERUSER LOGIN"),
            format!("CREATE DATABASE {name} OWNER {name} {made}"),
        ] {
            client.batch_execute(&sql).await.unwrap();
        }
        let watcher = connected(server, &name).await;
        watcher.batch_execute(CONTENT).await.unwrap();
        if !set.is_empty() {
            let sql = format!("ALTER DATABASE {name} SET {set}");
            client.batch_execute(&sql).await.unwrap();
        }
        let conninfo = format!(
            "host={} port={} user={name} dbname={name}",
            server.socket_dir().display(),
            server.port()
        );
        let given = Given {
            database: Some(conninfo),
            ..Given::default()
        };
        let settings = Settings::find(&given, &|_| None, None, &|_| false).unwrap();
        Ground {
            name,
            settings,
            watcher,
        }
    }

    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    async fn asked(&self, sql: &str) -> String {
        let asked = tokio::time::timeout(PATIENCE, self.watcher.simple_query(sql)).await;
        let answer = asked.expect("the watcher is answered").unwrap();
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        row.unwrap_or_default().to_owned()
    }

    /// What is there that only a commit, or a transaction that was put aside, can have left.
    pub async fn traces(&self) -> String {
        self.asked(
            "SELECT concat_ws(', ',
                (SELECT count(*) || ' marks' FROM mark HAVING count(*) > 0),
                to_regclass('made')::text,
                (SELECT string_agg(gid, ' ') FROM pg_prepared_xacts WHERE database = current_database()),
                (SELECT 'routines' FROM pg_proc
                    WHERE pronamespace = 'public'::regnamespace HAVING count(*) > 0))",
        )
        .await
    }

    /// Which way the server says that a transaction went.
    pub async fn status(&self, xid: &str) -> String {
        self.asked(&format!("SELECT pg_xact_status('{xid}')")).await
    }
}
