//! A database that keeps bytes of any encoding.

use stagegate::database::session::{HoldOptions, Order};
use stagegate::gate::event::{Body, Standing};

use crate::stage::{Stage, database, over_socket, psql, runbook, server};

/// One byte that is no UTF-8, as a text, as a name and in what the server says.
const BYTES: [&str; 4] = [
    "SELECT convert_from('\\x66ff'::bytea, 'SQL_ASCII') AS bytes",
    "DO $$ BEGIN RAISE NOTICE '%', convert_from('\\xff'::bytea, 'SQL_ASCII'); \
     EXECUTE 'CREATE TABLE ' || quote_ident(convert_from('\\x74ff'::bytea, 'SQL_ASCII')) || ' (i int)'; \
     END $$",
    "LOCK TABLE kept",
    "SELECT 'ü' AS letter, 'PASS' AS status",
];

#[tokio::test]
async fn bytes_of_any_encoding_never_cost_the_transaction() {
    let name = format!("{}_bytes", database(server()).await);
    let client = psql(server(), "postgres").await;
    let made = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
    client.batch_execute(&made).await.unwrap();
    let client = psql(server(), &name).await;
    client.batch_execute("CREATE TABLE kept ()").await.unwrap();
    let settings = over_socket(server(), &name);
    let mut stage = Stage::with(settings, runbook(&BYTES), HoldOptions::default());
    stage.connect().await;

    stage.order(Order::Probe(vec![1]));
    let probed = loop {
        if let Body::Probed { evidence, .. } = stage.next().await.body {
            break evidence;
        }
    };
    assert_eq!(probed.standing, Standing::Warns);
    assert!(probed.summary.contains("SQL_ASCII"), "{}", probed.summary);

    let (xid, statements) = stage.apply().await;
    let cell = |at: usize| {
        let result = statements[at].result.as_ref().unwrap();
        result.rows[0][0].clone().unwrap()
    };
    assert_eq!(cell(0), "(not UTF-8)");
    assert_eq!(cell(3), "ü");
    let kept = |lock: &stagegate::gate::event::Lock| lock.relation.ends_with("kept");
    assert!(statements[2].locks.iter().any(kept), "{:?}", statements[2]);
    stage.commit(&xid).await;
    let row = client
        .query_one(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname::bytea = '\\x74ff'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}
