//! The way back: from every state, to the structure before, with what is lost counted first.

use crate::runbook::{
    ROLLBACKS, SCRIPT, assert_not_pass, file, migrated, pristine, run, section, structure,
};

#[tokio::test]
async fn from_every_state_the_structure_before_comes_back() {
    let eleven = section(SCRIPT, "Migration 011: integration_inbox");
    let twelve = section(SCRIPT, "Migration 012: packet_decision");
    let thirteen = section(SCRIPT, "Migration 013: integration_receive_serviceops");
    let all = format!("{eleven}\n{twelve}\n{thirteen}");
    let states = [
        ("nothing", String::new()),
        ("011", eleven.clone()),
        ("011, 012", format!("{eleven}\n{twelve}")),
        ("all", all.clone()),
        ("012 only", twelve.clone()),
        ("013 only", thirteen),
        ("half of 011", "ALTER TABLE service_ops.integration_inbox ADD message_type_id integer".into()),
        ("the other half of 011", "ALTER TABLE service_ops.integration_inbox DROP CONSTRAINT uq_integration_inbox_decision_message;
            CREATE UNIQUE INDEX uq_integration_inbox_message_id ON service_ops.integration_inbox (message_id)".into()),
        ("011 with a constraint in the index's place", "ALTER TABLE service_ops.integration_inbox
            ADD CONSTRAINT uq_integration_inbox_message_id UNIQUE (message_id)".into()),
        ("half of 012", format!("{eleven}; ALTER TABLE service_ops.packet_decision ADD utn text, ADD utn_status integer, ADD letter_owner text;
            CREATE INDEX idx_packet_decision_utn_status ON service_ops.packet_decision (utn_status)")),
        ("012 without its indexes", format!("{twelve}; DROP INDEX service_ops.idx_packet_decision_utn_status, service_ops.idx_packet_decision_letter_status")),
        ("012 with an index of that name on another column", format!("{twelve}; DROP INDEX service_ops.idx_packet_decision_utn_status;
            CREATE INDEX idx_packet_decision_utn_status ON service_ops.packet_decision (notes)")),
        ("013 without its key", format!("{all}; ALTER TABLE integration.integration_receive_serviceops DROP CONSTRAINT fk_irs_resend_of_response_id")),
        ("half of 013", "ALTER TABLE integration.integration_receive_serviceops ADD attempt_count integer, ADD payload_version text;
            CREATE INDEX idx_irs_decision_attempt ON integration.integration_receive_serviceops (decision_tracking_id, attempt_count)".into()),
        ("migrated twice", format!("{all}\n{all}")),
    ];
    for (state, sql) in states {
        let (_, client) = pristine().await;
        let before = structure(&client).await;
        run(&client, &sql)
            .await
            .unwrap_or_else(|error| panic!("{state}: {error:?}"));
        for script in ROLLBACKS {
            let rows = run(&client, &file(script))
                .await
                .unwrap_or_else(|error| panic!("{state}, {script}: {error:?}"));
            client.batch_execute("COMMIT").await.unwrap();
            assert!(rows.len() >= 5, "{state}, {script}");
            assert_not_pass(&rows, &format!("{state}, {script}"), &[]);
        }
        assert_eq!(structure(&client).await, before, "{state}");
    }
}

#[tokio::test]
async fn forward_again_after_the_way_back() {
    let (_, client) = migrated().await;
    let whole = structure(&client).await;
    for script in ROLLBACKS {
        run(&client, &file(script)).await.unwrap();
        client.batch_execute("COMMIT").await.unwrap();
    }
    let rows = run(&client, &file(SCRIPT)).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(rows.len(), 8);
    assert_not_pass(&rows, "forward again", &[]);
    assert_eq!(structure(&client).await, whole);
}

#[tokio::test]
async fn what_would_be_lost_is_counted() {
    let (_, client) = migrated().await;
    client
        .batch_execute(
            "UPDATE service_ops.packet_decision SET utn = 'U' || packet_decision_id, esmd_attempt_count = 1 WHERE packet_decision_id <= 12;
             UPDATE service_ops.packet_decision SET requires_utn_fix = true, letter_medical_docs = '[\"a\"]' WHERE packet_decision_id <= 4;
             UPDATE integration.integration_receive_serviceops SET attempt_count = 2, resend_of_response_id = 1 WHERE response_id = 2;
             UPDATE service_ops.integration_inbox SET message_type_id = 3 WHERE inbox_id <= 5",
        )
        .await
        .unwrap();
    let expected: [&[(&str, &str, &str)]; 3] = [
        &[
            (
                "013 loses attempt_count",
                "WARN",
                "1 response has an attempt_count other than 1",
            ),
            (
                "013 loses resend_of_response_id",
                "WARN",
                "1 response has a resend_of_response_id",
            ),
        ],
        &[
            (
                "012 loses esmd_attempt_count",
                "WARN",
                "12 decisions have an esmd_attempt_count other than 0",
            ),
            ("012 loses utn", "WARN", "12 decisions have a utn"),
            (
                "012 loses requires_utn_fix",
                "WARN",
                "4 decisions have a requires_utn_fix other than false",
            ),
            ("012 loses letter_medical_docs", "WARN", "4 decisions"),
        ],
        &[(
            "011 loses message_type_id",
            "WARN",
            "5 messages have a message_type_id other than 1",
        )],
    ];
    for (script, expected) in ROLLBACKS.iter().zip(expected) {
        let rows = run(&client, &file(script)).await.unwrap();
        assert_not_pass(&rows, script, expected);
        client.batch_execute("COMMIT").await.unwrap();
    }
}

#[tokio::test]
async fn retries_that_stand_in_the_way_of_the_old_constraint_are_named_first() {
    let (_, client) = migrated().await;
    client
        .batch_execute(
            "INSERT INTO service_ops.integration_inbox (message_id, decision_tracking_id, message_type, message_type_id, source_created_at)
             SELECT n, md5('packet 7')::uuid, 'UTN_FAIL', 3, now() FROM generate_series(1, 3) AS n",
        )
        .await
        .unwrap();
    let title = "What would be lost: can the old constraint come back (if needed)";
    let sql = section(ROLLBACKS[2], "What would be lost") + &section(ROLLBACKS[2], title);
    let rows = run(&client, &sql).await.unwrap();
    assert_not_pass(
        &rows,
        "retries",
        &[
            ("011 loses message_type_id", "WARN", "3 messages"),
            ("011 repeated pairs", "WARN", "1 pair is there"),
            (
                "011 old constraint can come back",
                "FAIL",
                ", UTN_FAIL) 3 times",
            ),
        ],
    );
    let error = run(&client, &file(ROLLBACKS[2])).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23505");
    assert!(
        error
            .as_db_error()
            .unwrap()
            .message()
            .contains("uq_integration_inbox_decision_message")
    );
}

/// Each check of what is left sees what a rollback script forgot.
#[tokio::test]
async fn what_was_forgotten_is_seen() {
    let (_, client) = migrated().await;
    let expected: [&[(&str, &str, &str)]; 3] = [
        &[
            ("013 columns gone", "FAIL", "payload_hash is still there"),
            (
                "013 indexes gone",
                "FAIL",
                "idx_irs_decision_attempt is still there",
            ),
            (
                "013 foreign key gone",
                "FAIL",
                "fk_irs_resend_of_response_id is still there",
            ),
        ],
        &[
            ("012 columns gone", "FAIL", "utn is still there"),
            (
                "012 indexes gone",
                "FAIL",
                "idx_packet_decision_letter_status is still there",
            ),
        ],
        &[
            ("011 columns gone", "FAIL", "message_type_id is still there"),
            (
                "011 indexes gone",
                "FAIL",
                "uq_integration_inbox_message_id is still there",
            ),
            (
                "011 old constraint is back",
                "FAIL",
                "uq_integration_inbox_decision_message is missing",
            ),
        ],
    ];
    for (script, expected) in ROLLBACKS.iter().zip(expected) {
        let mut sql = section(script, "What is left");
        if *script == ROLLBACKS[2] {
            sql += &section(script, "What is left: the old constraint (if needed)");
        }
        let rows = run(&client, &sql).await.unwrap();
        assert_not_pass(&rows, script, expected);
    }
}
