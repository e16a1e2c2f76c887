//! Somebody else's session on the server.

use tokio_postgres::{Config, NoTls};

/// It stays until it is dropped.
pub struct Session {
    _client: tokio_postgres::Client,
    _runtime: tokio::runtime::Runtime,
}

impl Session {
    pub fn open(config: &Config, sql: &str) -> Session {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(sql).await.unwrap();
            client
        });
        Session {
            _client: client,
            _runtime: runtime,
        }
    }
}
