//! The same file in psql, as the instructions would have it run, and the trap in that.

use std::process::Command;

use crate::aloud::skip;
use crate::child::Finish;
use crate::cluster::cluster;
use crate::runbook::{ROLLBACKS, SCRIPT, migrated, path, pristine, versions};

/// `psql` on that database, or a word that the test is left out.
fn psql(database: &str) -> Option<Command> {
    let psql = cluster().psql(database);
    if psql.is_none() {
        skip("no psql on this machine");
    }
    psql
}

#[tokio::test]
async fn psql_f_alone_says_pass_eight_times_exits_0_and_saves_nothing() {
    let (name, client) = pristine().await;
    let before = versions(&client).await;
    let Some(mut psql) = psql(&name) else { return };
    let output = psql.args(["-At", "-f"]).arg(path(SCRIPT)).finish("psql -f");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text.matches("|PASS|").count(), 8, "{text}");
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.starts_with("NOTHING IS SAVED YET"), "{warned}");
    assert_eq!(versions(&client).await, before);
}

#[tokio::test]
async fn psql_with_a_commit_after_the_file_saves_it() {
    let (name, client) = pristine().await;
    let Some(mut psql) = psql(&name) else { return };
    let output = psql
        .args(["-At", "-f"])
        .arg(path(SCRIPT))
        .args(["-c", "COMMIT"])
        .finish("psql -f");
    assert_eq!(output.status.code(), Some(0));
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.starts_with("NOTHING IS SAVED YET"), "{warned}");
    assert_eq!(warned.lines().count(), 1, "{warned}");
    let count: i64 = client
        .query_one(
            "SELECT count(message_type_id) FROM service_ops.integration_inbox",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 300);
}

#[tokio::test]
async fn on_an_error_psql_stops_at_once() {
    let (name, client) = pristine().await;
    client
        .batch_execute("DROP TABLE service_ops.packet_decision")
        .await
        .unwrap();
    let Some(mut psql) = psql(&name) else { return };
    let output = psql
        .args(["-At", "-f"])
        .arg(path(SCRIPT))
        .args(["-c", "COMMIT"])
        .finish("psql -f");
    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.matches("ERROR").count(), 1, "{errors}");
}

#[tokio::test]
async fn psql_f_alone_rolls_back_in_an_emergency() {
    let (name, client) = migrated().await;
    assert!(added(&client).await > 0);
    for script in ROLLBACKS {
        let Some(mut psql) = psql(&name) else { return };
        let output = psql.args(["-At", "-f"]).arg(path(script)).finish("psql -f");
        assert_eq!(output.status.code(), Some(0), "{script}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("columns gone|PASS|"), "{script}: {text}");
        assert!(!text.contains("|FAIL|"), "{script}: {text}");
    }
    assert_eq!(added(&client).await, 0);
}

/// How many columns there are of these names, which the migrations add, with those of indexes.
async fn added(client: &tokio_postgres::Client) -> i64 {
    let columns = "SELECT count(*) FROM pg_attribute WHERE NOT attisdropped
                   AND attname IN ('message_type_id', 'utn_status', 'payload_hash')";
    client.query_one(columns, &[]).await.unwrap().get(0)
}
