//! A question to a server, from outside of the program that is tested.

use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

/// The first column of each row that `query` brings; NULL as that word.
pub fn ask(config: &Config, query: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, connection) = config.connect(NoTls).await.unwrap();
        let driving = tokio::spawn(connection);
        let answer = client.simple_query(query).await.unwrap();
        drop(client);
        let _ = driving.await;
        answer
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
                _ => None,
            })
            .collect()
    })
}
