//! The checks before and after: each sees what it is for, and nothing else.

use crate::runbook::{SCRIPT, assert_not_pass, file, migrated, pristine, run, section};

/// Breaks one thing, runs the checks, and undoes it.
async fn broken(
    client: &tokio_postgres::Client,
    damage: &str,
    checks: &str,
    expected: &[(&str, &str, &str)],
) {
    client
        .batch_execute(&format!("BEGIN; {damage}"))
        .await
        .unwrap_or_else(|error| panic!("{damage}: {error}"));
    let rows = run(client, checks)
        .await
        .unwrap_or_else(|error| panic!("{damage}: {error:?}"));
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_not_pass(&rows, damage, expected);
}

#[tokio::test]
async fn the_expected_state_passes_read_only_on_a_pristine_database() {
    let (_, client) = pristine().await;
    client.batch_execute("BEGIN READ ONLY").await.unwrap();
    let rows = run(&client, &file("expected_state.sql")).await.unwrap();
    assert_eq!(rows.len(), 16);
    assert_not_pass(&rows, "pristine", &[]);
    let details = |check| {
        rows.iter()
            .find(|r| r.check == check)
            .map(|r| r.detail.as_str())
    };
    assert_eq!(
        details("message_id: no NULL"),
        Some("the column is NOT NULL")
    );
    assert_eq!(
        details("primary key for the resend chain"),
        Some("response_id bigint")
    );
}

#[tokio::test]
async fn rows_are_told_where_a_table_was_analysed_and_nowhere_else() {
    let (_, client) = pristine().await;
    let inbox = "service_ops.integration_inbox";
    let checks = file("expected_state.sql");
    let cases = [
        (format!("ANALYZE {inbox}"), "about 300 rows, "),
        // It takes the count away with the rows.
        (
            format!("TRUNCATE {inbox} CASCADE"),
            "not analysed, so nobody knows how many rows, ",
        ),
    ];
    for (change, words) in cases {
        client.batch_execute(&change).await.unwrap();
        let rows = run(&client, &checks).await.unwrap();
        let name = format!("table {inbox}");
        let row = rows.iter().find(|row| row.check == name).unwrap();
        assert!(row.detail.starts_with(words), "{change}: {}", row.detail);
    }
}

#[tokio::test]
async fn the_expected_state_names_each_broken_precondition() {
    let (_, client) = pristine().await;
    let checks = file("expected_state.sql");
    let inbox = "service_ops.integration_inbox";
    let irs = "integration.integration_receive_serviceops";
    let resend = "primary key for the resend chain";
    let no_pk = format!("ALTER TABLE {irs} DROP CONSTRAINT integration_receive_serviceops_pkey;");
    let one = |damage: String, check: &'static str, verdict: &'static str, words: &'static str| {
        (damage, vec![(check, verdict, words)])
    };
    let cases = [
        one("CREATE ROLE app; GRANT USAGE, CREATE ON SCHEMA service_ops, integration TO app;
             GRANT SELECT ON ALL TABLES IN SCHEMA service_ops TO app; SET LOCAL ROLE app".into(),
            "role owns the tables", "FAIL", "integration_inbox is owned by postgres, not by app; integration_receive_serviceops is owned"),
        one(format!("ALTER TABLE {inbox} RENAME decision_tracking_id TO tracking"), "columns of integration_inbox", "FAIL", "decision_tracking_id is missing"),
        one(format!("ALTER TABLE {irs} RENAME decision_tracking_id TO tracking"), "columns of integration_receive_serviceops", "FAIL", "decision_tracking_id is missing"),
        one(no_pk.clone(), resend, "FAIL", "has no primary key"),
        one(format!("{no_pk} ALTER TABLE {irs} ADD PRIMARY KEY (response_id, decision_tracking_id)"), resend, "FAIL", "has 2 columns"),
        one(format!("{no_pk} ALTER TABLE {irs} ADD PRIMARY KEY (decision_tracking_id)"), resend, "FAIL", "decision_tracking_id is uuid"),
        one(format!("{no_pk} ALTER TABLE {irs} ADD PRIMARY KEY (response_id) DEFERRABLE"), resend, "FAIL", "is deferrable"),
        one(format!("UPDATE {inbox} SET message_id = 700001 WHERE inbox_id <= 3; UPDATE {inbox} SET message_id = 700009 WHERE inbox_id = 10"),
            "message_id: no duplicates", "FAIL", "2 message_ids are there more than once: 700001 (3 rows), 700009 (2 rows)"),
        one(format!("UPDATE {inbox} SET message_id = inbox_id / 2"), "message_id: no duplicates", "FAIL", "149 message_ids are there more than once: 1 (2 rows), 2 (2 rows), 3 (2 rows), 4 (2 rows), 5 (2 rows), ..."),
        one(format!("ALTER TABLE {inbox} ALTER message_id DROP NOT NULL; UPDATE {inbox} SET message_id = NULL WHERE inbox_id <= 7"),
            "message_id: no NULL", "FAIL", "7 rows have none, by inbox_id: 1, 2, 3, 4, 5, ..."),
        (format!("ALTER TABLE {inbox} ALTER message_id DROP NOT NULL; UPDATE {inbox} SET message_id = nullif(700000 + inbox_id / 2, 700000) WHERE inbox_id <= 4"),
            vec![("message_id: no duplicates", "FAIL", "1 message_ids are there more than once: 700001 (2 rows)"),
                 ("message_id: no NULL", "FAIL", "1 rows have none, by inbox_id: 1")]),
        one(format!("CREATE UNIQUE INDEX by_hand ON {inbox} (decision_tracking_id, message_type)"), "old unique constraint", "FAIL", "by_hand makes (decision_tracking_id, message_type) unique"),
        (format!("ALTER TABLE {inbox} RENAME CONSTRAINT uq_integration_inbox_decision_message TO once_only"),
            vec![("old unique constraint", "FAIL", "once_only makes"), ("migration 011", "WARN", "partly applied, 1 of 4; there: old constraint removed")]),
        one("ALTER TABLE service_ops.packet_decision ADD utn text, ADD part_type text".into(), "migration 012", "WARN", "partly applied, 2 of 26; there: part_type, utn"),
        one("CREATE INDEX idx_irs_attempt_count ON integration.integration_receive_serviceops (workflow_id)".into(),
            "migration 013", "WARN", "partly applied, 1 of 10; there: idx_irs_attempt_count"),
        one(format!("{} DROP INDEX service_ops.idx_packet_decision_utn_status", section(SCRIPT, "Migration 012: packet_decision")),
            "migration 012", "WARN", "partly applied, 25 of 26; missing: idx_packet_decision_utn_status"),
        ("CREATE ROLE app; SET LOCAL ROLE app".into(), vec![
            ("schema service_ops", "FAIL", "app has no USAGE on it"),
            ("schema integration", "FAIL", "app has no USAGE on it"),
            ("role owns the tables", "FAIL", "not by app"),
            ("message_id: no duplicates", "FAIL", "message_id cannot be read by app")]),
        ("DROP TABLE integration.integration_receive_serviceops".into(), vec![
            ("table integration.integration_receive_serviceops", "FAIL", "is missing"),
            ("columns of integration_receive_serviceops", "FAIL", "decision_tracking_id is missing"),
            (resend, "FAIL", "is missing")]),
        ("DROP TABLE service_ops.packet_decision".into(), vec![("table service_ops.packet_decision", "FAIL", "is missing")]),
        ("ALTER TABLE service_ops.packet_decision RENAME TO old; CREATE VIEW service_ops.packet_decision AS TABLE service_ops.old".into(),
            vec![("table service_ops.packet_decision", "FAIL", "is not a table")]),
    ];
    for (damage, expected) in &cases {
        broken(&client, damage, &checks, expected).await;
    }
    // The owner's members count as owners, and a schema may be closed to them.
    broken(
        &client,
        "CREATE ROLE house; CREATE ROLE dba IN ROLE house; GRANT USAGE ON SCHEMA service_ops, integration TO house;
         ALTER TABLE service_ops.integration_inbox OWNER TO house; ALTER TABLE service_ops.packet_decision OWNER TO house;
         ALTER TABLE integration.integration_receive_serviceops OWNER TO house; SET LOCAL ROLE dba",
        &checks,
        &[("schema service_ops", "FAIL", "dba has no CREATE on it"), ("schema integration", "FAIL", "dba has no CREATE on it")],
    )
    .await;
}

#[tokio::test]
async fn the_expected_state_of_an_empty_database_is_fail_rows_and_no_error() {
    let (_, client) = pristine().await;
    client
        .batch_execute("DROP SCHEMA service_ops, integration CASCADE; BEGIN READ ONLY")
        .await
        .unwrap();
    let rows = run(&client, &file("expected_state.sql")).await.unwrap();
    assert_eq!(rows.len(), 16);
    let passing: Vec<&str> = rows
        .iter()
        .filter(|r| r.status == "PASS")
        .map(|r| r.check.as_str())
        .collect();
    assert_eq!(
        passing,
        ["server", "migration 011", "migration 012", "migration 013"]
    );
}

#[tokio::test]
async fn the_expected_state_of_a_migrated_database_says_so() {
    let (_, client) = migrated().await;
    let rows = run(&client, &file("expected_state.sql")).await.unwrap();
    let expected = [
        ("migration 011", "all 4 objects"),
        ("migration 012", "all 26 objects"),
        ("migration 013", "all 10 objects"),
    ];
    let expected = expected.map(|(check, words)| (check, "WARN", words));
    assert_not_pass(&rows, "migrated", &expected);
}

#[tokio::test]
async fn the_post_verification_fails_before_and_passes_after() {
    let (_, client) = pristine().await;
    let checks = file("post_migration_verification.sql");
    let names = [
        "integration_inbox: routing column",
        "packet_decision: nine of the new columns",
        "receive_serviceops: resend columns",
    ];
    let rows = run(&client, &checks).await.unwrap();
    assert_not_pass(
        &rows,
        "before",
        &[
            (names[0], "FAIL", "0 of 1: message_type_id is missing"),
            (names[1], "FAIL", "0 of 9: missing decision_subtype"),
            (names[2], "FAIL", "0 of 3: correlation_id is missing"),
        ],
    );
    let (_, client) = migrated().await;
    client.batch_execute("BEGIN READ ONLY").await.unwrap();
    let rows = run(&client, &checks).await.unwrap();
    assert_not_pass(&rows, "after", &[]);
    let details: Vec<&str> = rows.iter().map(|row| row.detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "1 of 1: message_type_id integer",
            "9 of 9",
            "3 of 3: correlation_id uuid, attempt_count integer, payload_version integer",
        ]
    );
}

#[tokio::test]
async fn a_primary_key_of_any_type_that_the_expected_state_passes_carries_the_foreign_key() {
    for key in ["smallint", "integer", "bigint", "numeric"] {
        let (_, client) = pristine().await;
        client
            .batch_execute(&format!(
                "ALTER TABLE integration.integration_receive_serviceops
                     ALTER response_id DROP IDENTITY;
                 ALTER TABLE integration.integration_receive_serviceops ALTER response_id TYPE {key}"
            ))
            .await
            .unwrap();
        for checks in ["expected_state.sql", SCRIPT] {
            let rows = run(&client, &file(checks)).await.unwrap();
            assert_not_pass(&rows, &format!("{checks} on {key}"), &[]);
        }
    }
}
