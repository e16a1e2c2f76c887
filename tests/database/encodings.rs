//! A database that keeps bytes of any encoding.

use stagegate::database::session::{HoldOptions, Order, read_only};
use stagegate::facts::Standing;
use stagegate::gate::event::Body;

use crate::stage::{Stage, database, over_socket, psql, runbook, server};

/// One byte that is no UTF-8, as a text, as a name and in what the server says.
const BYTES: [&str; 6] = [
    "SELECT convert_from('\\x66ff'::bytea, 'SQL_ASCII') AS bytes",
    "DO $$ BEGIN RAISE NOTICE '%', convert_from('\\xff'::bytea, 'SQL_ASCII'); \
     EXECUTE 'CREATE TABLE ' || quote_ident(convert_from('\\x74ff'::bytea, 'SQL_ASCII')) || ' (i int)'; \
     END $$",
    "LOCK TABLE kept",
    "SELECT 'ü' AS letter, 'PASS' AS status",
    "DO $$ BEGIN EXECUTE 'CREATE VIEW odd AS SELECT ''WARN''::text AS status, 1 AS ' \
     || quote_ident(convert_from('\\x63ff'::bytea, 'SQL_ASCII')); END $$",
    "SELECT * FROM odd",
];

pub async fn sql_ascii() -> String {
    let name = format!("{}_bytes", database(server()).await);
    let client = psql(server(), "postgres").await;
    let made = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
    client.batch_execute(&made).await.unwrap();
    name
}

#[tokio::test]
async fn bytes_of_any_encoding_never_cost_the_transaction() {
    let name = sql_ascii().await;
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
    assert_eq!(cell(0), "f\\xFF");
    assert_eq!(cell(3), "ü");
    // Neither is a result lost over the name of a column, nor the checks in it.
    let odd = statements[5].result.as_ref().unwrap();
    assert_eq!(*odd.columns, ["status", "c\\xFF"]);
    assert_eq!(statements[5].checks.len(), 1);
    let kept = |lock: &stagegate::facts::Lock| lock.relation.ends_with("kept");
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

/// The server tells the name of the session's role by itself, and tokio-postgres would give the
/// connection up over it. The role is gone with the transaction: other databases see the same roles.
#[tokio::test]
async fn a_setting_that_is_no_text_costs_nothing() {
    let name = sql_ascii().await;
    let settings = over_socket(server(), &name);
    let script = [
        "DO $$ DECLARE who text := quote_ident(convert_from('\\x72ff'::bytea, 'SQL_ASCII')); BEGIN \
         EXECUTE 'CREATE ROLE ' || who; EXECUTE 'SET LOCAL SESSION AUTHORIZATION ' || who; END $$",
        "SELECT session_user AS who, 'PASS' AS status",
    ];
    let mut stage = Stage::with(settings, runbook(&script), HoldOptions::default());
    stage.connect().await;
    let (_, statements) = stage.apply().await;
    let row = &statements[1].result.as_ref().unwrap().rows[0];
    assert_eq!(row[0].as_deref(), Some("r\\xFF"));
}

#[tokio::test]
async fn what_only_looks_is_shown_bytes_of_any_encoding() {
    let name = sql_ascii().await;
    let settings = over_socket(server(), &name);
    let (mut link, _) = read_only::open(&settings).await.unwrap();
    let limits = read_only::ReadOnlyLimits {
        statement: 10_000,
        lock: None,
    };
    let query = "SELECT convert_from('\\xe9'::bytea, 'SQL_ASCII')";
    let asked = [read_only::ReadOnlyQuery::from(query)];
    let mut answers = read_only::each(&mut link, &asked, limits).await.unwrap();
    let report = answers.remove(0).unwrap();
    assert_eq!(report.result.unwrap().rows[0][0].as_deref(), Some("\\xE9"));
    // And a question outside of such a transaction, as the monitor asks them.
    assert_eq!(link.row(query).await.unwrap()[0].as_deref(), Some("\\xE9"));
}
