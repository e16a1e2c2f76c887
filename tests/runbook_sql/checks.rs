//! The checks before, inside and after: each sees what it is for, and nothing else.

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

const TYPE_ID: &str = "011 inbox message_type_id";
const UNIQUE: &str = "011 inbox unique message_id";
const OLD: &str = "011 inbox old constraint gone";
const TYPE_INDEX: &str = "011 inbox message_type_id index";
const COLUMNS_12: &str = "012 packet_decision columns";
const INDEXES_12: &str = "012 packet_decision indexes";
const COLUMNS_13: &str = "013 receive_serviceops columns, key";
const INDEXES_13: &str = "013 receive_serviceops indexes";

#[tokio::test]
async fn each_check_of_the_script_fails_for_its_own_objects_only() {
    let (_, client) = migrated().await;
    let checks = section(SCRIPT, "Verification");
    let inbox = "service_ops.integration_inbox";
    let decision = "service_ops.packet_decision";
    let irs = "integration.integration_receive_serviceops";
    let mut cases: Vec<(String, &str, String)> = Vec::new();
    let mut case = |damage: String, check: &'static str, words: &str| {
        cases.push((damage, check, words.to_owned()));
    };

    case(
        format!("UPDATE {inbox} SET message_type_id = NULL WHERE inbox_id <= 3"),
        TYPE_ID,
        "3 rows have no message_type_id",
    );
    case(
        format!("ALTER TABLE {inbox} ALTER message_type_id TYPE bigint"),
        TYPE_ID,
        "message_type_id is bigint, expected integer",
    );

    let unique = "uq_integration_inbox_message_id";
    case(
        format!("DROP INDEX service_ops.{unique}"),
        UNIQUE,
        "uq_integration_inbox_message_id is missing",
    );
    case(
        format!(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'service_ops.{unique}'::regclass"
        ),
        UNIQUE,
        "is invalid",
    );
    for (on, words) in [
        ("INDEX {i} ON {inbox} (message_id)", "is not unique"),
        (
            "UNIQUE INDEX {i} ON {inbox} (inbox_id)",
            "is on (inbox_id), expected (message_id)",
        ),
        (
            "UNIQUE INDEX {i} ON {inbox} (message_id, inbox_id)",
            "is on (message_id, inbox_id)",
        ),
        (
            "UNIQUE INDEX {i} ON {inbox} (message_id) WHERE status = 'NEW'",
            "covers only rows WHERE",
        ),
        (
            "UNIQUE INDEX {i} ON service_ops.packet (packet_id)",
            "is on the table service_ops.packet",
        ),
        ("TABLE service_ops.{i} ()", "is not an index"),
    ] {
        let on = on.replace("{i}", unique).replace("{inbox}", inbox);
        case(
            format!("DROP INDEX service_ops.{unique}; CREATE {on}"),
            UNIQUE,
            &format!("{unique} {words}"),
        );
    }
    case(
        format!(
            "DROP INDEX service_ops.{unique}; ALTER TABLE {inbox} ADD CONSTRAINT {unique} UNIQUE (message_id) DEFERRABLE"
        ),
        UNIQUE,
        "is deferrable",
    );

    for (add, words) in [
        (
            "ALTER TABLE {inbox} ADD CONSTRAINT uq_integration_inbox_decision_message UNIQUE (decision_tracking_id, message_type)",
            "constraint uq_integration_inbox_decision_message still makes (decision_tracking_id, message_type) unique",
        ),
        (
            "ALTER TABLE {inbox} ADD CONSTRAINT once_a_decision UNIQUE (message_type, decision_tracking_id)",
            "constraint once_a_decision",
        ),
        (
            "CREATE UNIQUE INDEX inbox_by_hand ON {inbox} (decision_tracking_id, message_type)",
            "index inbox_by_hand",
        ),
        (
            "CREATE UNIQUE INDEX inbox_one ON {inbox} (decision_tracking_id)",
            "index inbox_one still makes (decision_tracking_id) unique",
        ),
    ] {
        case(add.replace("{inbox}", inbox), OLD, words);
    }

    let mut indexes = vec![(
        "service_ops",
        inbox,
        "idx_integration_inbox_message_type_id",
        TYPE_INDEX,
    )];
    indexes.extend(
        [
            "utn_status",
            "requires_utn_fix",
            "esmd_request_status",
            "letter_status",
            "decision_outcome",
        ]
        .map(|name| {
            let name: &str = Box::leak(format!("idx_packet_decision_{name}").into_boxed_str());
            ("service_ops", decision, name, INDEXES_12)
        }),
    );
    indexes.extend(
        [
            "idx_irs_correlation_id",
            "idx_irs_resend_of_response_id",
            "idx_irs_attempt_count",
            "idx_irs_decision_attempt",
        ]
        .map(|name| ("integration", irs, name, INDEXES_13)),
    );
    assert_eq!(indexes.len(), 10);
    for (schema, table, name, check) in indexes {
        let gone = format!("DROP INDEX {schema}.{name}");
        case(gone.clone(), check, &format!("{name} is missing"));
        case(
            format!(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{schema}.{name}'::regclass"
            ),
            check,
            &format!("{name} is invalid"),
        );
        case(
            format!("{gone}; CREATE INDEX {name} ON {table} (created_at)"),
            check,
            &format!("{name} is on (created_at), expected ("),
        );
        case(
            format!(
                "CREATE TABLE {schema}.other (i integer); {gone}; CREATE INDEX {name} ON {schema}.other (i)"
            ),
            check,
            &format!("{name} is on the table {schema}.other"),
        );
        case(
            format!("{gone}; CREATE SEQUENCE {schema}.{name}"),
            check,
            &format!("{name} is not an index"),
        );
    }
    case(
        format!(
            "DROP INDEX service_ops.idx_packet_decision_utn_status; CREATE INDEX idx_packet_decision_utn_status ON {decision} (utn_status) WHERE utn_status = 'NONE'"
        ),
        INDEXES_12,
        "idx_packet_decision_utn_status covers only rows WHERE",
    );

    for (table, check, columns) in [
        (
            decision,
            COLUMNS_12,
            "decision_subtype decision_outcome part_type esmd_request_status esmd_request_payload esmd_request_payload_history \
          esmd_attempt_count esmd_last_sent_at esmd_last_error utn utn_status utn_received_at utn_fail_payload \
          utn_action_required requires_utn_fix letter_owner letter_status letter_package letter_medical_docs \
          letter_generated_at letter_sent_to_integration_at",
        ),
        (
            irs,
            COLUMNS_13,
            "correlation_id attempt_count resend_of_response_id payload_hash payload_version",
        ),
    ] {
        for column in columns.split_whitespace() {
            // A name taken in between, so that the index on the column stays as it was.
            case(
                format!(
                    "UPDATE pg_attribute SET attname = 'elsewhere' WHERE attrelid = '{table}'::regclass AND attname = '{column}'"
                ),
                check,
                &format!("{column} is missing"),
            );
        }
    }
    case(
        format!("ALTER TABLE {decision} ALTER utn TYPE varchar(20)"),
        COLUMNS_12,
        "utn is character varying(20), expected text",
    );
    case(
        format!("ALTER TABLE {decision} ALTER utn_received_at TYPE timestamp, DROP letter_owner"),
        COLUMNS_12,
        "utn_received_at is timestamp without time zone, expected timestamp with time zone; letter_owner is missing",
    );
    case(
        format!("ALTER TABLE {irs} ALTER payload_version TYPE bigint"),
        COLUMNS_13,
        "payload_version is bigint, expected integer",
    );
    let key = "fk_irs_resend_of_response_id";
    let no_key = format!("ALTER TABLE {irs} DROP CONSTRAINT {key}");
    case(
        no_key.clone(),
        COLUMNS_13,
        "fk_irs_resend_of_response_id is missing",
    );
    for (add, words) in [
        (
            "FOREIGN KEY (resend_of_response_id) REFERENCES service_ops.packet",
            "REFERENCES service_ops.packet",
        ),
        (
            "FOREIGN KEY (workflow_id) REFERENCES integration.integration_receive_serviceops NOT VALID",
            "is FOREIGN KEY (workflow_id)",
        ),
        (
            "FOREIGN KEY (resend_of_response_id) REFERENCES integration.integration_receive_serviceops NOT VALID",
            "is not validated",
        ),
        ("CHECK (resend_of_response_id > 0)", "is not a foreign key"),
    ] {
        case(
            format!("{no_key}; ALTER TABLE {irs} ADD CONSTRAINT {key} {add}"),
            COLUMNS_13,
            words,
        );
    }

    for (damage, check, words) in &cases {
        // A renamed column takes the name of its index's column along; the index check may say so too.
        if damage.starts_with("UPDATE pg_attribute") {
            client
                .batch_execute(&format!("BEGIN; {damage}"))
                .await
                .unwrap();
            let rows = run(&client, &checks).await.unwrap();
            client.batch_execute("ROLLBACK").await.unwrap();
            let row = rows.iter().find(|row| row.check == *check).unwrap();
            assert_eq!(
                (row.status.as_str(), row.detail.contains(words)),
                ("FAIL", true),
                "{damage}: {row:?}"
            );
            let others = rows.iter().filter(|row| {
                row.status != "PASS" && row.check != *check && !row.check.ends_with("indexes")
            });
            assert_eq!(others.count(), 0, "{damage}: {rows:#?}");
        } else {
            broken(&client, damage, &checks, &[(check, "FAIL", words)]).await;
        }
    }
    println!("{} breakages seen, each by its own check", cases.len());
}

#[tokio::test]
async fn before_the_migration_every_check_fails_and_none_is_an_error() {
    let (_, client) = pristine().await;
    let checks = section(SCRIPT, "Verification");
    let rows = run(&client, &checks).await.unwrap();
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row.status == "FAIL"), "{rows:#?}");
    client
        .batch_execute("DROP SCHEMA service_ops, integration CASCADE; BEGIN READ ONLY")
        .await
        .unwrap();
    let rows = run(&client, &checks).await.unwrap();
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row.status == "FAIL"), "{rows:#?}");
}

/// What `CREATE UNIQUE INDEX IF NOT EXISTS` steps over in silence.
#[tokio::test]
async fn an_index_left_invalid_by_a_failed_concurrent_build_is_seen() {
    let (_, client) = pristine().await;
    client
        .batch_execute(&file("demo/duplicate_message_ids.sql"))
        .await
        .unwrap();
    let build = "CREATE UNIQUE INDEX CONCURRENTLY uq_integration_inbox_message_id ON service_ops.integration_inbox (message_id)";
    client.simple_query(build).await.unwrap_err();
    client
        .batch_execute(
            "DELETE FROM service_ops.integration_inbox WHERE message_type = 'INTAKE_RESENT'",
        )
        .await
        .unwrap();
    let rows = run(&client, &file(SCRIPT)).await.unwrap();
    assert_not_pass(
        &rows,
        "invalid index",
        &[(UNIQUE, "FAIL", "uq_integration_inbox_message_id is invalid")],
    );
}

#[tokio::test]
async fn the_expected_state_passes_read_only_on_a_pristine_database() {
    let (_, client) = pristine().await;
    client.batch_execute("BEGIN READ ONLY").await.unwrap();
    let rows = run(&client, &file("expected_state.sql")).await.unwrap();
    assert_eq!(rows.len(), 16);
    assert_not_pass(&rows, "pristine", &[]);
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
            ("message_id: no duplicates", "FAIL", "message_id cannot be read by app"),
            ("message_id: no NULL", "FAIL", "integration_inbox cannot be read by app")]),
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
