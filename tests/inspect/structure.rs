//! The structure that the script leaves, expected beside actual.

use crate::stage::{Stage, plain};
use serde_json::Value;
use std::collections::BTreeMap;

/// Each object that the script leaves: kind and name, mark, why.
fn marks(stage: &Stage, further: &[&str]) -> BTreeMap<String, (String, String)> {
    let mut arguments = vec!["--format", "json"];
    arguments.extend(further);
    let json: Value = stage.verify(&arguments).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = json["structure"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            let why: Vec<String> = row["why"].as_array().unwrap().iter().map(text).collect();
            let name = format!("{} {}", text(&row["kind"]), text(&row["name"]));
            (name, (text(&row["mark"]), why.join("; ")))
        })
        .collect()
}

fn but(mark: &str, marks: &BTreeMap<String, (String, String)>) -> Vec<String> {
    let others = marks.iter().filter(|(_, (own, _))| own != mark);
    others
        .map(|(name, (mark, why))| match why.as_str() {
            "" => format!("{name}: {mark}"),
            why => format!("{name}: {mark}: {why}"),
        })
        .collect()
}

#[test]
fn before_the_migration_everything_is_not_yet_applied_and_after_it_the_same() {
    let stage = Stage::pristine();
    let before = marks(&stage, &[]);
    // 27 columns, 11 indexes, a key, and the constraint that goes.
    assert_eq!(before.len(), 40);
    assert_eq!(but("not yet applied", &before), Vec::<String>::new());
    stage.owner(&plain(crate::stage::SCRIPT));
    let after = marks(&stage, &[]);
    assert_eq!(after.len(), 40);
    assert_eq!(but("same", &after), Vec::<String>::new());
    stage.assert_only_read();
}

#[test]
fn whatever_differs_is_marked_and_said() {
    let stage = Stage::migrated();
    stage.owner(
        "ALTER TABLE service_ops.packet_decision
             ALTER utn TYPE varchar(20), ALTER requires_utn_fix SET NOT NULL,
             ALTER esmd_attempt_count SET DEFAULT 1, ALTER letter_medical_docs DROP DEFAULT,
             ALTER esmd_request_payload_history SET DEFAULT '{}', DROP COLUMN letter_owner;
         DROP INDEX service_ops.idx_packet_decision_letter_status,
             service_ops.idx_packet_decision_utn_status,
             service_ops.idx_packet_decision_decision_outcome,
             service_ops.uq_integration_inbox_message_id;
         CREATE INDEX idx_packet_decision_utn_status ON service_ops.packet_decision (utn_status)
             WHERE utn_status > 'a';
         CREATE INDEX idx_packet_decision_decision_outcome ON service_ops.packet_decision (utn);
         CREATE INDEX uq_integration_inbox_message_id ON service_ops.integration_inbox (message_id);
         ALTER TABLE service_ops.integration_inbox ADD CONSTRAINT uq_integration_inbox_decision_message
             UNIQUE (decision_tracking_id, message_type);
         ALTER TABLE integration.integration_receive_serviceops
             DROP CONSTRAINT fk_irs_resend_of_response_id",
    );
    assert_eq!(
        but("same", &marks(&stage, &[])),
        [
            "column esmd_attempt_count: differs: default is 1, expected 0",
            "column esmd_request_payload_history: differs in text: default differs in text: expected \
             '[]', actual '{}'::jsonb",
            "column letter_medical_docs: differs: no default, expected '[]'",
            "column letter_owner: missing",
            "column requires_utn_fix: differs: it is NOT NULL, expected nullable",
            "column utn: differs: type is character varying(20), expected text",
            "constraint fk_irs_resend_of_response_id: missing",
            "constraint uq_integration_inbox_decision_message: still there",
            "index idx_packet_decision_decision_outcome: differs: it is on: it is (utn), expected \
             (decision_outcome); no WHERE, expected decision_outcome IS NOT NULL",
            "index idx_packet_decision_letter_status: missing",
            "index idx_packet_decision_utn_status: differs in text: WHERE differs in text: expected \
             utn_status IS NOT NULL, actual (utn_status > 'a'::text)",
            "index uq_integration_inbox_message_id: differs: it is not unique, expected unique",
        ]
    );
}

/// Somebody else's two tables: one that is there, one that the script adds.
const FOREIGN: &str = r#"
-- Section: 1 the order book
ALTER TABLE "Shop"."Order Book"
    ADD COLUMN ref varchar ( 12 ) DEFAULT 'n/a' NOT NULL,
    ADD "Price" decimal(8) CHECK ("Price">=0 AND "Price" < 1e6),
    ADD COLUMN seen timestamptz(3) DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN made timestamp DEFAULT now(),
    ADD COLUMN tags text ARRAY DEFAULT NULL,
    ADD mood "Shop".mood DEFAULT 'glad',
    ADD low int DEFAULT -1,
    ALTER COLUMN amount TYPE int8, ALTER amount SET NOT NULL;
CREATE UNIQUE INDEX ON "Shop"."Order Book" (lower(ref) DESC, "Price" ASC NULLS LAST);

-- Section: 2 the lines
CREATE TABLE "Shop".line (
    id bigserial PRIMARY KEY,
    number int GENERATED ALWAYS AS IDENTITY UNIQUE,
    book int CONSTRAINT "Line Book" REFERENCES "Shop"."Order Book" (id) ON DELETE CASCADE
        DEFERRABLE INITIALLY DEFERRED,
    twice numeric(6,2) GENERATED ALWAYS AS (number * 2) STORED,
    short char, extra int,
    CONSTRAINT either CHECK (book IS NOT NULL OR short = 'x')
);
ALTER TABLE "Shop".line ALTER COLUMN short SET DEFAULT 'y', ALTER short TYPE char(3),
    DROP COLUMN extra;
CREATE INDEX line_short ON "Shop".line USING hash (short) WHERE (short <> 'z') AND book > 1;
"#;

#[test]
fn two_tables_of_somebody_elses_schema_are_compared_as_well() {
    let stage = Stage::pristine();
    stage.owner(
        r#"CREATE SCHEMA "Shop"; CREATE TYPE "Shop".mood AS ENUM ('glad', 'sad');
           CREATE TABLE "Shop"."Order Book" (id int PRIMARY KEY, amount int)"#,
    );
    stage.file("shop/up.sql", FOREIGN);
    let manifest = "title = \"t\"\nscript = \"up.sql\"\n";
    stage.file("shop/runbook.toml", manifest);
    let folder = stage.home().join("shop").display().to_string();
    let before = marks(&stage, &[&folder]);
    // It is added and dropped again, so it is not there at the end either.
    assert_eq!(but("not yet applied", &before), ["column extra: same"]);
    stage.owner(FOREIGN);
    let after = marks(&stage, &[&folder]);
    assert_eq!(
        but("same", &after),
        // What has no name is known by its text, and the server writes casts into that.
        [
            "constraint a CHECK: not sure: the script gives it no name; \"Order Book_Price_check\" may \
             be it, and has another text",
            "index an index: not sure: the script gives it no name; \"Order Book_lower_Price_idx\" may \
             be it, and has another text",
        ]
    );
    stage.owner(
        r#"ALTER TABLE "Shop".line DROP CONSTRAINT "Line Book", DROP CONSTRAINT line_number_key;
           ALTER TABLE "Shop"."Order Book" ALTER "Price" TYPE numeric(8,2), ALTER low SET DEFAULT 1,
               ALTER seen TYPE timestamptz, ALTER made SET DEFAULT clock_timestamp()"#,
    );
    let broken = but("same", &marks(&stage, &[&folder])).join("\n");
    for told in [
        "column \"Price\": differs: type is numeric(8,2), expected numeric(8,0)",
        "column low: differs: default is 1, expected -1",
        "column made: differs in text: default differs in text: expected now(), actual clock_timestamp()",
        "column seen: differs: type is timestamp with time zone, expected timestamp(3) with time zone",
        "constraint \"Line Book\": missing",
        "constraint a UNIQUE: missing",
    ] {
        assert!(broken.contains(told), "no {told:?} in\n{broken}");
    }
    stage.assert_only_read();
}

#[test]
fn a_role_that_may_only_connect_sees_the_same() {
    let stage = Stage::migrated();
    stage.superuser("CREATE ROLE guest LOGIN");
    let said = stage.run_as("guest", &["verify", "--format", "json"]);
    let json = said.json();
    let rows = json["structure"].as_array().unwrap();
    assert_eq!(rows.len(), 40);
    for row in rows {
        assert_eq!(row["mark"], "same", "{row}");
    }
}
