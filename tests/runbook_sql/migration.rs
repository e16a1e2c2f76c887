//! What the migration adds and removes, what it leaves alone, and how it completes what is half done.

use crate::cluster::{cluster, within};
use crate::runbook::{
    SCRIPT, assert_not_pass, file, full, heaps, migrated, pristine, run, section, structure,
    versions,
};

/// Every line by which the structure must grow: the objects of the instructions and nothing else.
const ADDED: [&str; 50] = [
    "CREATE INDEX idx_integration_inbox_message_type_id ON service_ops.integration_inbox USING btree (message_type_id) valid true",
    "CREATE INDEX idx_irs_attempt_count ON integration.integration_receive_serviceops USING btree (attempt_count) WHERE (attempt_count > 1) valid true",
    "CREATE INDEX idx_irs_correlation_id ON integration.integration_receive_serviceops USING btree (correlation_id) WHERE (correlation_id IS NOT NULL) valid true",
    "CREATE INDEX idx_irs_decision_attempt ON integration.integration_receive_serviceops USING btree (decision_tracking_id, attempt_count) valid true",
    "CREATE INDEX idx_irs_resend_of_response_id ON integration.integration_receive_serviceops USING btree (resend_of_response_id) WHERE (resend_of_response_id IS NOT NULL) valid true",
    "CREATE INDEX idx_packet_decision_decision_outcome ON service_ops.packet_decision USING btree (decision_outcome) WHERE (decision_outcome IS NOT NULL) valid true",
    "CREATE INDEX idx_packet_decision_esmd_request_status ON service_ops.packet_decision USING btree (esmd_request_status) WHERE (esmd_request_status IS NOT NULL) valid true",
    "CREATE INDEX idx_packet_decision_letter_status ON service_ops.packet_decision USING btree (letter_status) WHERE (letter_status IS NOT NULL) valid true",
    "CREATE INDEX idx_packet_decision_requires_utn_fix ON service_ops.packet_decision USING btree (requires_utn_fix) WHERE requires_utn_fix valid true",
    "CREATE INDEX idx_packet_decision_utn_status ON service_ops.packet_decision USING btree (utn_status) WHERE (utn_status IS NOT NULL) valid true",
    "CREATE UNIQUE INDEX uq_integration_inbox_message_id ON service_ops.integration_inbox USING btree (message_id) valid true",
    "column integration.integration_receive_serviceops attempt_count 12 integer default 1 not null f identity ",
    "column integration.integration_receive_serviceops correlation_id 11 uuid default - not null f identity ",
    "column integration.integration_receive_serviceops payload_hash 14 text default - not null f identity ",
    "column integration.integration_receive_serviceops payload_version 15 integer default 1 not null f identity ",
    "column integration.integration_receive_serviceops resend_of_response_id 13 bigint default - not null f identity ",
    "column service_ops.integration_inbox message_type_id 14 integer default 1 not null f identity ",
    "column service_ops.packet_decision decision_outcome 14 text default - not null f identity ",
    "column service_ops.packet_decision decision_subtype 13 text default - not null f identity ",
    "column service_ops.packet_decision esmd_attempt_count 19 integer default 0 not null f identity ",
    "column service_ops.packet_decision esmd_last_error 21 text default - not null f identity ",
    "column service_ops.packet_decision esmd_last_sent_at 20 timestamp with time zone default - not null f identity ",
    "column service_ops.packet_decision esmd_request_payload 17 jsonb default - not null f identity ",
    "column service_ops.packet_decision esmd_request_payload_history 18 jsonb default '[]'::jsonb not null f identity ",
    "column service_ops.packet_decision esmd_request_status 16 text default - not null f identity ",
    "column service_ops.packet_decision letter_generated_at 32 timestamp with time zone default - not null f identity ",
    "column service_ops.packet_decision letter_medical_docs 31 jsonb default '[]'::jsonb not null f identity ",
    "column service_ops.packet_decision letter_owner 28 text default - not null f identity ",
    "column service_ops.packet_decision letter_package 30 jsonb default - not null f identity ",
    "column service_ops.packet_decision letter_sent_to_integration_at 33 timestamp with time zone default - not null f identity ",
    "column service_ops.packet_decision letter_status 29 text default - not null f identity ",
    "column service_ops.packet_decision part_type 15 text default - not null f identity ",
    "column service_ops.packet_decision requires_utn_fix 27 boolean default false not null f identity ",
    "column service_ops.packet_decision utn 22 text default - not null f identity ",
    "column service_ops.packet_decision utn_action_required 26 text default - not null f identity ",
    "column service_ops.packet_decision utn_fail_payload 25 jsonb default - not null f identity ",
    "column service_ops.packet_decision utn_received_at 24 timestamp with time zone default - not null f identity ",
    "column service_ops.packet_decision utn_status 23 text default - not null f identity ",
    "constraint fk_irs_resend_of_response_id on integration.integration_receive_serviceops FOREIGN KEY (resend_of_response_id) REFERENCES integration.integration_receive_serviceops(response_id) validated t",
    "relation integration.idx_irs_attempt_count i - -",
    "relation integration.idx_irs_correlation_id i - -",
    "relation integration.idx_irs_decision_attempt i - -",
    "relation integration.idx_irs_resend_of_response_id i - -",
    "relation service_ops.idx_integration_inbox_message_type_id i - -",
    "relation service_ops.idx_packet_decision_decision_outcome i - -",
    "relation service_ops.idx_packet_decision_esmd_request_status i - -",
    "relation service_ops.idx_packet_decision_letter_status i - -",
    "relation service_ops.idx_packet_decision_requires_utn_fix i - -",
    "relation service_ops.idx_packet_decision_utn_status i - -",
    "relation service_ops.uq_integration_inbox_message_id i - -",
];

/// Every line that must go.
const REMOVED: [&str; 3] = [
    "CREATE UNIQUE INDEX uq_integration_inbox_decision_message ON service_ops.integration_inbox USING btree (decision_tracking_id, message_type) valid true",
    "constraint uq_integration_inbox_decision_message on service_ops.integration_inbox UNIQUE (decision_tracking_id, message_type) validated t",
    "relation service_ops.uq_integration_inbox_decision_message i - -",
];

#[tokio::test]
async fn adds_and_removes_exactly_the_documented_objects() {
    let (_, client) = pristine().await;
    let before = structure(&client).await;
    let rows = run(&client, &file(SCRIPT)).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    let after = structure(&client).await;

    assert_eq!(rows.len(), 8, "{rows:#?}");
    assert_not_pass(&rows, "after the migration", &[]);
    let added: Vec<&String> = after.iter().filter(|l| !before.contains(l)).collect();
    let removed: Vec<&String> = before.iter().filter(|l| !after.contains(l)).collect();
    assert_eq!(added, ADDED);
    assert_eq!(removed, REMOVED);
}

#[tokio::test]
async fn existing_rows_end_with_type_1_and_later_ones_start_with_it() {
    let (_, client) = migrated().await;
    let types = "SELECT DISTINCT message_type_id FROM service_ops.integration_inbox";
    client
        .batch_execute(
            "INSERT INTO service_ops.integration_inbox (message_id, decision_tracking_id, message_type, source_created_at)
             VALUES (1, gen_random_uuid(), 'INTAKE', now())",
        )
        .await
        .unwrap();
    let rows = client.query(types, &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, i32>(0), 1);
}

#[tokio::test]
async fn a_second_run_changes_nothing_and_passes() {
    let (_, client) = migrated().await;
    let before = versions(&client).await;
    let rows = run(&client, &file(SCRIPT)).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(rows.len(), 8);
    assert_not_pass(&rows, "second run", &[]);
    assert_eq!(versions(&client).await, before);
}

#[tokio::test]
async fn rolled_back_it_leaves_nothing() {
    let (_, client) = pristine().await;
    let before = versions(&client).await;
    run(&client, &file(SCRIPT)).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(versions(&client).await, before);
}

#[tokio::test]
async fn rewrites_no_table_and_touches_no_row() {
    let (_, client) = full().await;
    let heaps_before = heaps(&client).await;
    let rows_before: Vec<String> = versions(&client)
        .await
        .into_iter()
        .filter(|line| {
            ["inbox ", "decision ", "response "]
                .iter()
                .any(|t| line.starts_with(t))
        })
        .collect();
    run(&client, &file(SCRIPT)).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(heaps(&client).await, heaps_before);
    assert_eq!(rows_before.len(), 3);
    let after = versions(&client).await;
    for line in rows_before {
        assert!(after.contains(&line), "rows were written: {line}");
    }
}

#[tokio::test]
async fn completes_what_was_applied_in_part() {
    let (_, fresh) = migrated().await;
    let whole = structure(&fresh).await;
    let by_hand = [
        ("011 without back-fill, default or index", "ALTER TABLE service_ops.integration_inbox ADD COLUMN message_type_id integer;
             UPDATE service_ops.integration_inbox SET message_type_id = 2 WHERE inbox_id % 10 = 0"),
        ("011 without the old constraint", "ALTER TABLE service_ops.integration_inbox DROP CONSTRAINT uq_integration_inbox_decision_message"),
        ("011 whole", &section(SCRIPT, "Migration 011: integration_inbox")),
        ("012 with an index missing", "DROP INDEX service_ops.idx_packet_decision_letter_status"),
        ("013 without its key", "ALTER TABLE integration.integration_receive_serviceops
             ADD COLUMN correlation_id uuid, ADD COLUMN attempt_count integer DEFAULT 1, ADD COLUMN resend_of_response_id bigint;
             UPDATE integration.integration_receive_serviceops SET resend_of_response_id = 1 WHERE response_id = 2"),
    ];
    for (what, sql) in by_hand {
        let (_, client) = pristine().await;
        if what.starts_with("012") {
            run(&client, &section(SCRIPT, "Migration 012: packet_decision"))
                .await
                .unwrap();
        }
        run(&client, sql).await.unwrap();
        let rows = run(&client, &file(SCRIPT)).await.unwrap();
        client.batch_execute("COMMIT").await.unwrap();
        assert_eq!(rows.len(), 8, "{what}");
        assert_not_pass(&rows, what, &[]);
        assert_eq!(structure(&client).await, whole, "{what}");
        if what.contains("back-fill") {
            let types = client
                .query("SELECT message_type_id, count(*) FROM service_ops.integration_inbox GROUP BY 1 ORDER BY 1", &[])
                .await
                .unwrap();
            let types: Vec<(i32, i64)> = types.iter().map(|r| (r.get(0), r.get(1))).collect();
            assert_eq!(
                types,
                [(1, 270), (2, 30)],
                "only rows without a type are filled"
            );
        }
    }
}

/// The order of statements in a section: were the index builds first, this would be a deadlock.
#[tokio::test]
async fn a_session_that_reads_and_then_writes_does_not_deadlock_with_it() {
    let (name, client) = pristine().await;
    let application = cluster().connect(&name).await;
    let watch = cluster().connect(&name).await;
    for table in [
        "service_ops.integration_inbox",
        "service_ops.packet_decision",
        "integration.integration_receive_serviceops",
    ] {
        application
            .batch_execute(&format!("BEGIN; SELECT count(*) FROM {table}"))
            .await
            .unwrap();
        let script = file(SCRIPT);
        let migration = run(&client, &script);
        let update = async {
            while watch
                .query_one("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass", &[&table])
                .await
                .unwrap()
                .get::<_, i64>(0)
                == 0
            {
                tokio::task::yield_now().await;
            }
            application
                .batch_execute(&format!(
                    "UPDATE {table} SET created_at = created_at; COMMIT"
                ))
                .await
        };
        let (rows, updated) = within("the migration waits for the table, and goes on", async {
            tokio::join!(migration, update)
        })
        .await;
        updated.unwrap();
        assert_not_pass(&rows.unwrap(), table, &[]);
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[test]
fn every_file_is_ascii() {
    // A server or client in another encoding would refuse a statement for a character of a comment.
    let mut seen = 0;
    for name in [
        SCRIPT,
        "expected_state.sql",
        "post_migration_verification.sql",
    ]
    .into_iter()
    .chain(crate::runbook::ROLLBACKS)
    .chain(crate::demo::FILES)
    {
        assert!(file(name).is_ascii(), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[test]
fn the_manifest_names_files_that_exist_and_the_five_items_in_their_order() {
    let manifest: toml::Table = file("runbook.toml").parse().unwrap();
    assert_eq!(manifest["database"].as_str(), Some("wiser_ops"));
    let rollbacks = manifest["rollback"].as_array().unwrap().iter();
    let named = ["script", "expected_state", "post_verification"].map(|key| &manifest[key]);
    let named: Vec<&str> = named
        .into_iter()
        .chain(rollbacks)
        .map(|v| v.as_str().unwrap())
        .collect();
    assert_eq!(named.len(), 6);
    for name in named {
        assert!(!file(name).is_empty());
    }
    let kinds: Vec<&str> = manifest["checklist"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["backup", "review", "connection", "structure", "rollback"]
    );
}
