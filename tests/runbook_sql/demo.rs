//! The demonstrations do what they say.

use crate::runbook::{SCRIPT, assert_not_pass, file, full, pristine, run};

/// Every SQL file of the demonstration.
pub const FILES: [&str; 4] = [
    "demo/schema.sql",
    "demo/sample_data.sql",
    "demo/duplicate_message_ids.sql",
    "demo/failing_check.sql",
];

#[tokio::test]
async fn the_sample_has_fifty_thousand_rows_a_table_and_is_always_the_same() {
    let (_, client) = full().await;
    let row = client
        .query_one(
            "SELECT (SELECT count(*) FROM service_ops.integration_inbox), (SELECT count(*) FROM service_ops.packet_decision),
                    (SELECT count(*) FROM integration.integration_receive_serviceops),
                    (SELECT md5(string_agg(md5(t::text), '' ORDER BY packet_decision_id)) FROM service_ops.packet_decision AS t)",
            &[],
        )
        .await
        .unwrap();
    let counts: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(counts, [50_000; 3]);
    let again = client
        .batch_execute(&format!(
            "SET timezone = 'UTC'; TRUNCATE service_ops.packet CASCADE; TRUNCATE service_ops.integration_inbox;
             TRUNCATE integration.integration_receive_serviceops; {}",
            file("demo/sample_data.sql")
        ))
        .await;
    again.unwrap();
    client.batch_execute("RESET timezone").await.unwrap();
    let hash: String = client
        .query_one("SELECT md5(string_agg(md5(t::text), '' ORDER BY packet_decision_id)) FROM service_ops.packet_decision AS t", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(hash, row.get::<_, String>(3));
    // An application can go on where it ends.
    client
        .batch_execute("INSERT INTO integration.integration_receive_serviceops (decision_tracking_id, payload) VALUES (gen_random_uuid(), '{}')")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_clean_demonstration_passes_before_and_inside() {
    let (_, client) = full().await;
    assert_not_pass(
        &run(&client, &file("expected_state.sql")).await.unwrap(),
        "before",
        &[],
    );
    assert_not_pass(&run(&client, &file(SCRIPT)).await.unwrap(), "inside", &[]);
}

#[tokio::test]
async fn failing_check_reaches_the_gate_and_fails_there_once() {
    let (_, client) = pristine().await;
    client
        .batch_execute(&file("demo/failing_check.sql"))
        .await
        .unwrap();
    assert_not_pass(
        &run(&client, &file("expected_state.sql")).await.unwrap(),
        "before",
        &[(
            "migration 012",
            "WARN",
            "partly applied, 1 of 26; there: utn_status",
        )],
    );
    let rows = run(&client, &file(SCRIPT)).await.unwrap();
    assert_eq!(rows.len(), 8);
    assert_not_pass(
        &rows,
        "inside",
        &[(
            "012 packet_decision columns",
            "FAIL",
            "utn_status is integer, expected text",
        )],
    );
}

#[tokio::test]
async fn duplicate_message_ids_fail_before_and_would_stop_the_script() {
    let (_, client) = pristine().await;
    client
        .batch_execute(&file("demo/duplicate_message_ids.sql"))
        .await
        .unwrap();
    assert_not_pass(
        &run(&client, &file("expected_state.sql")).await.unwrap(),
        "before",
        &[(
            "message_id: no duplicates",
            "FAIL",
            "3 message_ids are there more than once: 700017 (2 rows), 700171 (2 rows), 700240 (2 rows)",
        )],
    );
    let error = run(&client, &file(SCRIPT)).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23505");
}
