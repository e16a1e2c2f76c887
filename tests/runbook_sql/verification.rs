//! The eight checks of the script: each sees every way in which its own objects can be wrong, and
//! only its own.

use crate::runbook::{Row, SCRIPT, assert_not_pass, file, migrated, pristine, run, section};

const TYPE_ID: &str = "011 inbox message_type_id";
const UNIQUE: &str = "011 inbox unique message_id";
const OLD: &str = "011 inbox old constraint gone";
const TYPE_INDEX: &str = "011 inbox message_type_id index";
const COLUMNS_12: &str = "012 packet_decision columns";
const INDEXES_12: &str = "012 packet_decision indexes";
const COLUMNS_13: &str = "013 receive_serviceops columns, key";
const INDEXES_13: &str = "013 receive_serviceops indexes";

const INBOX: &str = "service_ops.integration_inbox";
const DECISION: &str = "service_ops.packet_decision";
const IRS: &str = "integration.integration_receive_serviceops";

/// Breaks a migrated database in each of these ways by itself, and expects just that row to FAIL,
/// with these words in its detail.
async fn each_is_seen_by_its_own_check(cases: &[(String, &str, String)]) {
    let (_, client) = migrated().await;
    for (damage, check, words) in cases {
        let rows = verify_broken(&client, damage).await;
        assert_not_pass(&rows, damage, &[(check, "FAIL", words)]);
    }
}

async fn verify_broken(client: &tokio_postgres::Client, damage: &str) -> Vec<Row> {
    client
        .batch_execute(&format!("BEGIN; {damage}"))
        .await
        .unwrap_or_else(|error| panic!("{damage}: {error:?}"));
    let rows = run(client, &section(SCRIPT, "Verification")).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows.len(), 8);
    rows
}

fn case(damage: &str, check: &'static str, words: &str) -> (String, &'static str, String) {
    let damage = damage
        .replace("{inbox}", INBOX)
        .replace("{decision}", DECISION)
        .replace("{irs}", IRS)
        .replace("{unique}", "uq_integration_inbox_message_id")
        .replace("{key}", "fk_irs_resend_of_response_id");
    (damage, check, words.to_owned())
}

#[tokio::test]
async fn the_inbox_column_and_its_back_fill() {
    each_is_seen_by_its_own_check(&[
        case(
            "UPDATE {inbox} SET message_type_id = NULL WHERE inbox_id <= 3",
            TYPE_ID,
            "3 rows have no message_type_id",
        ),
        case(
            "ALTER TABLE {inbox} ALTER message_type_id TYPE bigint",
            TYPE_ID,
            "message_type_id is bigint, expected integer",
        ),
        case(
            "CREATE ROLE app; GRANT USAGE ON SCHEMA service_ops TO app; SET LOCAL ROLE app",
            TYPE_ID,
            "message_type_id cannot be read by app",
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_unique_index() {
    let again = "DROP INDEX service_ops.{unique}; CREATE";
    let name = "uq_integration_inbox_message_id";
    each_is_seen_by_its_own_check(&[
        case("DROP INDEX service_ops.{unique}", UNIQUE, "uq_integration_inbox_message_id is missing"),
        case(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'service_ops.{unique}'::regclass",
            UNIQUE,
            "uq_integration_inbox_message_id is invalid",
        ),
        case(&format!("{again} INDEX {name} ON {{inbox}} (message_id)"), UNIQUE, "message_id is not unique"),
        case(
            &format!("{again} UNIQUE INDEX {name} ON {{inbox}} (inbox_id)"),
            UNIQUE,
            "message_id is on (inbox_id), expected (message_id)",
        ),
        case(
            &format!("{again} UNIQUE INDEX {name} ON {{inbox}} (message_id, inbox_id)"),
            UNIQUE,
            "message_id is on (message_id, inbox_id)",
        ),
        case(
            &format!("{again} UNIQUE INDEX {name} ON {{inbox}} (message_id) WHERE status = 'NEW'"),
            UNIQUE,
            "message_id covers only rows WHERE",
        ),
        case(
            &format!("{again} UNIQUE INDEX {name} ON service_ops.packet (packet_id)"),
            UNIQUE,
            "message_id is on the table service_ops.packet",
        ),
        case(&format!("{again} TABLE service_ops.{name} ()"), UNIQUE, "message_id is not an index"),
        case(
            "DROP INDEX service_ops.{unique}; ALTER TABLE {inbox} ADD CONSTRAINT {unique} UNIQUE (message_id) DEFERRABLE",
            UNIQUE,
            "message_id is deferrable",
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_old_constraint_under_any_name() {
    each_is_seen_by_its_own_check(&[
        case(
            "ALTER TABLE {inbox} ADD CONSTRAINT uq_integration_inbox_decision_message UNIQUE (decision_tracking_id, message_type)",
            OLD,
            "constraint uq_integration_inbox_decision_message still makes (decision_tracking_id, message_type) unique",
        ),
        case(
            "ALTER TABLE {inbox} ADD CONSTRAINT once_a_decision UNIQUE (message_type, decision_tracking_id)",
            OLD,
            "constraint once_a_decision still makes",
        ),
        case(
            "CREATE UNIQUE INDEX by_hand ON {inbox} (decision_tracking_id, message_type)",
            OLD,
            "index by_hand still makes",
        ),
        case(
            "CREATE UNIQUE INDEX by_hand ON {inbox} (decision_tracking_id)",
            OLD,
            "index by_hand still makes (decision_tracking_id) unique",
        ),
    ])
    .await;
}

#[tokio::test]
async fn every_other_index() {
    let mut cases = vec![
        case(
            "DROP INDEX service_ops.idx_packet_decision_utn_status;
             CREATE INDEX idx_packet_decision_utn_status ON {decision} (utn_status) WHERE utn_status = 'NONE'",
            INDEXES_12,
            "idx_packet_decision_utn_status covers only rows WHERE (utn_status = 'NONE'::text)",
        ),
        case(
            "DROP INDEX service_ops.idx_integration_inbox_message_type_id;
             CREATE INDEX idx_integration_inbox_message_type_id ON {inbox} (message_type_id) WHERE message_type_id > 1",
            TYPE_INDEX,
            "covers only rows WHERE (message_type_id > 1)",
        ),
        case(
            "DROP INDEX integration.idx_irs_decision_attempt;
             CREATE INDEX idx_irs_decision_attempt ON {irs} (decision_tracking_id, attempt_count) WHERE attempt_count > 1",
            INDEXES_13,
            "idx_irs_decision_attempt covers only rows WHERE (attempt_count > 1)",
        ),
    ];
    let indexes = [
        (
            "service_ops",
            INBOX,
            "idx_integration_inbox_message_type_id",
            TYPE_INDEX,
        ),
        (
            "service_ops",
            DECISION,
            "idx_packet_decision_utn_status",
            INDEXES_12,
        ),
        (
            "service_ops",
            DECISION,
            "idx_packet_decision_requires_utn_fix",
            INDEXES_12,
        ),
        (
            "service_ops",
            DECISION,
            "idx_packet_decision_esmd_request_status",
            INDEXES_12,
        ),
        (
            "service_ops",
            DECISION,
            "idx_packet_decision_letter_status",
            INDEXES_12,
        ),
        (
            "service_ops",
            DECISION,
            "idx_packet_decision_decision_outcome",
            INDEXES_12,
        ),
        ("integration", IRS, "idx_irs_correlation_id", INDEXES_13),
        (
            "integration",
            IRS,
            "idx_irs_resend_of_response_id",
            INDEXES_13,
        ),
        ("integration", IRS, "idx_irs_attempt_count", INDEXES_13),
        ("integration", IRS, "idx_irs_decision_attempt", INDEXES_13),
    ];
    for (schema, table, name, check) in indexes {
        let drop = format!("DROP INDEX {schema}.{name}");
        cases.extend([
            case(&drop, check, &format!("{name} is missing")),
            case(
                &format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{schema}.{name}'::regclass"),
                check,
                &format!("{name} is invalid"),
            ),
            case(
                &format!("{drop}; CREATE INDEX {name} ON {table} (created_at)"),
                check,
                &format!("{name} is on (created_at), expected ("),
            ),
            case(
                &format!("{drop}; CREATE TABLE {schema}.other (i integer); CREATE INDEX {name} ON {schema}.other (i)"),
                check,
                &format!("{name} is on the table {schema}.other"),
            ),
            case(
                &format!("{drop}; CREATE SEQUENCE {schema}.{name}"),
                check,
                &format!("{name} is not an index"),
            ),
        ]);
    }
    each_is_seen_by_its_own_check(&cases).await;
}

#[tokio::test]
async fn a_full_index_does_as_well_as_a_partial_one() {
    let (_, client) = migrated().await;
    let full = "DROP INDEX service_ops.idx_packet_decision_utn_status;
                CREATE INDEX idx_packet_decision_utn_status ON service_ops.packet_decision (utn_status)";
    let rows = verify_broken(&client, full).await;
    assert_not_pass(&rows, full, &[]);
}

#[tokio::test]
async fn every_column_by_name() {
    let (_, client) = migrated().await;
    let decision = "decision_subtype decision_outcome+ part_type esmd_request_status+ esmd_request_payload \
        esmd_request_payload_history esmd_attempt_count esmd_last_sent_at esmd_last_error utn utn_status+ \
        utn_received_at utn_fail_payload utn_action_required requires_utn_fix+ letter_owner letter_status+ \
        letter_package letter_medical_docs letter_generated_at letter_sent_to_integration_at";
    let irs = "correlation_id+ attempt_count+ resend_of_response_id+ payload_hash payload_version";
    let mut seen = 0;
    for (table, columns, check, index_check) in [
        (DECISION, decision, COLUMNS_12, INDEXES_12),
        (IRS, irs, COLUMNS_13, INDEXES_13),
    ] {
        for column in columns.split_whitespace() {
            let (column, indexed) = match column.strip_suffix('+') {
                Some(column) => (column, true),
                None => (column, false),
            };
            let damage = format!("ALTER TABLE {table} RENAME {column} TO elsewhere");
            let words = format!("{column} is missing");
            let mut expected = vec![(check, "FAIL", words.as_str())];
            if indexed {
                // The index follows its column.
                expected.push((index_check, "FAIL", "elsewhere"));
            }
            let rows = verify_broken(&client, &damage).await;
            assert_not_pass(&rows, &damage, &expected);
            seen += 1;
        }
    }
    assert_eq!(seen, 21 + 5);
}

#[tokio::test]
async fn columns_by_type_and_the_foreign_key() {
    each_is_seen_by_its_own_check(&[
        case(
            "ALTER TABLE {decision} ALTER utn TYPE varchar(20)",
            COLUMNS_12,
            "utn is character varying(20), expected text",
        ),
        case(
            "ALTER TABLE {decision} ALTER utn_received_at TYPE timestamp, DROP letter_owner",
            COLUMNS_12,
            "utn_received_at is timestamp without time zone, expected timestamp with time zone; letter_owner is missing",
        ),
        case(
            "ALTER TABLE {irs} ALTER payload_version TYPE bigint",
            COLUMNS_13,
            "payload_version is bigint, expected integer",
        ),
        case(
            "ALTER TABLE {irs} DROP CONSTRAINT {key}",
            COLUMNS_13,
            "fk_irs_resend_of_response_id is missing",
        ),
        case(
            "ALTER TABLE {irs} DROP CONSTRAINT {key}, ADD CONSTRAINT {key} CHECK (resend_of_response_id > 0)",
            COLUMNS_13,
            "fk_irs_resend_of_response_id is not a foreign key",
        ),
        case(
            "ALTER TABLE {irs} DROP CONSTRAINT {key},
             ADD CONSTRAINT {key} FOREIGN KEY (resend_of_response_id) REFERENCES {irs} NOT VALID",
            COLUMNS_13,
            "fk_irs_resend_of_response_id is not validated",
        ),
        case(
            "ALTER TABLE {irs} DROP CONSTRAINT {key},
             ADD CONSTRAINT {key} FOREIGN KEY (resend_of_response_id) REFERENCES service_ops.packet",
            COLUMNS_13,
            "fk_irs_resend_of_response_id is FOREIGN KEY (resend_of_response_id) REFERENCES service_ops.packet",
        ),
        case(
            "ALTER TABLE {irs} DROP CONSTRAINT {key},
             ADD CONSTRAINT {key} FOREIGN KEY (workflow_id) REFERENCES {irs} NOT VALID",
            COLUMNS_13,
            "fk_irs_resend_of_response_id is FOREIGN KEY (workflow_id)",
        ),
        case(
            "CREATE UNIQUE INDEX by_hand ON {irs} (workflow_id);
             ALTER TABLE {irs} DROP CONSTRAINT {key},
             ADD CONSTRAINT {key} FOREIGN KEY (resend_of_response_id) REFERENCES {irs} (workflow_id)",
            COLUMNS_13,
            "(workflow_id), expected FOREIGN KEY (resend_of_response_id) to the primary key of its own table",
        ),
    ])
    .await;
}

#[tokio::test]
async fn before_the_migration_every_check_fails_and_none_is_an_error() {
    let (_, client) = pristine().await;
    let everything_gone =
        "DROP SCHEMA service_ops, integration CASCADE; SET LOCAL transaction_read_only = on";
    for damage in ["SET LOCAL transaction_read_only = on", everything_gone] {
        let rows = verify_broken(&client, damage).await;
        assert!(rows.iter().all(|row| row.status == "FAIL"), "{rows:#?}");
    }
}

/// What `CREATE UNIQUE INDEX IF NOT EXISTS` steps over in silence.
#[tokio::test]
async fn an_index_left_invalid_by_a_failed_concurrent_build() {
    let (_, client) = pristine().await;
    let duplicates = file("demo/duplicate_message_ids.sql");
    client.batch_execute(&duplicates).await.unwrap();
    client
        .simple_query(
            "CREATE UNIQUE INDEX CONCURRENTLY uq_integration_inbox_message_id ON service_ops.integration_inbox (message_id)",
        )
        .await
        .unwrap_err();
    client
        .batch_execute(
            "DELETE FROM service_ops.integration_inbox WHERE message_type = 'INTAKE_RESENT'",
        )
        .await
        .unwrap();
    let rows = run(&client, &file(SCRIPT)).await.unwrap();
    assert_eq!(rows.len(), 8);
    let invalid = "uq_integration_inbox_message_id is invalid";
    assert_not_pass(&rows, "invalid index", &[(UNIQUE, "FAIL", invalid)]);
}
