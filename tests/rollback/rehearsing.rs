//! `stagegate rehearse`.

use crate::child::Finish;
use crate::stage::Stage;
use stagegate::journal::Entry;
use stagegate::runbook::Runbook;
use std::path::Path;

pub fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_built_in_runbook_goes_up_and_down_and_leaves_nothing() {
    let stage = Stage::set();
    let before = stage.dump();
    let (output, journal) = stage.alone(&["rehearse"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in [
        "PASS structure is the one at the start ",
        "PASS 011 old constraint is back ",
        "Lock window: about ",
        "ACCESS EXCLUSIVE on service_ops.packet_decision, reads and writes wait",
        "REHEARSED: up, verified and down again",
        "ROLLED BACK wiser_ops on ",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(!text.contains("FAIL "), "{text}");
    assert_eq!(stage.dump(), before);
    let structures = journal.iter().filter_map(|entry| match entry {
        Entry::Checked { structure, .. } => structure.as_deref(),
        _ => None,
    });
    let structures: Vec<&str> = structures.collect();
    let [structure] = structures.as_slice() else {
        panic!("one digest, in a field of its own: {structures:?}");
    };
    assert_eq!(structure.len(), 32);
    // The server counts what it compared; asked in another way it tells as many.
    let [names, digests] = stagegate::runbook::rehearsal::digests_now();
    let told = stage.answer(&["BEGIN", &names, &digests]);
    let told: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    let count = told.as_object().unwrap().len();
    let line = format!(
        "PASS structure is the one at the start {count} objects and properties compared, md5 {structure}"
    );
    assert!(text.contains(&line), "{line:?} is not in\n{text}");
    let outcomes: Vec<&Entry> = journal
        .iter()
        .filter(|entry| matches!(entry, Entry::Outcome { .. } | Entry::Intent { .. }))
        .collect();
    assert_eq!(outcomes.len(), 2, "one ROLLBACK and its proof");
    assert!(!format!("{outcomes:?}").contains("Commit"), "{outcomes:?}");
}

#[test]
fn somebody_at_a_terminal_cannot_make_it_commit() {
    let stage = Stage::set();
    let before = stage.dump();
    let mut person = stage.typed(&["rehearse"]);
    person.wait_for("REHEARSED").wait_for("Journal: ");
    assert_eq!(stage.dump(), before);
}

#[test]
fn a_rehearsal_that_would_leave_something_behind_is_asked_for_by_its_name() {
    let stage = Stage::set();
    let script = stage.home().join("taking.sql");
    let taking = "SELECT setval('service_ops.packet_packet_id_seq', 70000);\n\
        SELECT 'it is set' AS \"check\", 'PASS' AS status;\n";
    std::fs::write(&script, taking).unwrap();
    let script = script.to_str().unwrap();
    let (output, journal) = stage.alone(&["run", "--rehearse", script]);
    let said_aside = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said_aside}");
    for words in [
        "line 1: ROLLBACK does not take all of it back: setval: ",
        "nothing was sent to any server",
        "--leave-traces",
    ] {
        assert!(
            said_aside.contains(words),
            "{words:?} is not in\n{said_aside}"
        );
    }
    assert_eq!(journal, []);

    let (output, _) = stage.alone(&["run", "--rehearse", "--leave-traces", script]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("NOT ROLLED BACK with it, as far as it ran: setval."),
        "{text}"
    );
    assert!(text.contains("REHEARSED: every statement worked"), "{text}");
    let last = " What ROLLBACK does not take back stays: setval.";
    assert!(text.contains(last), "{text}");
}

/// The built-in runbook as a folder, with the text of one file changed.
pub fn changed(stage: &Stage, name: &str, from: &str, to: &str) -> String {
    let folder = stage.home().join("runbook");
    Runbook::export(&folder).unwrap();
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    folder.display().to_string()
}

/// The built-in runbook with a rollback script that forgot an index.
pub fn forgetful(stage: &Stage) -> String {
    let folder = changed(
        stage,
        "rollback/011_integration_inbox.sql",
        "DROP INDEX IF EXISTS service_ops.uq_integration_inbox_message_id;",
        "",
    );
    // Its own closing check is made blind, so that only the comparison is left.
    let script = Path::new(&folder).join("rollback/011_integration_inbox.sql");
    let text = std::fs::read_to_string(&script).unwrap();
    std::fs::write(
        &script,
        text.replace(", 'uq_integration_inbox_message_id')", ")"),
    )
    .unwrap();
    folder
}

#[test]
fn an_index_that_a_rollback_script_forgot_is_named() {
    let stage = Stage::set();
    let before = stage.dump();
    let folder = forgetful(&stage);
    let (output, _) = stage.alone(&["rehearse", &folder]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert_eq!(text.matches("  FAIL ").count(), 1, "{text}");
    assert!(
        text.contains(
            "  FAIL structure: index service_ops.uq_integration_inbox_message_id left behind: \
             CREATE UNIQUE INDEX"
        ),
        "{text}"
    );
    assert_eq!(stage.dump(), before);
}

/// The folder of a runbook with a script and its way back, and what writes a file into it.
fn own_runbook(stage: &Stage) -> (String, impl Fn(&str, &str)) {
    let folder = stage.home().join("own");
    std::fs::create_dir(&folder).unwrap();
    let named = folder.display().to_string();
    let write = move |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "runbook.toml",
        "title = \"own\"\nscript = \"up.sql\"\nrollback = [\"1_down.sql\"]\n",
    );
    (named, write)
}

/// Whatever a script can leave behind or fail to restore, each is named.
#[test]
fn every_kind_of_difference_is_seen() {
    let stage = Stage::set();
    let t = "service_ops.packet_decision";
    let cases: &[(&str, &str)] = &[
        (
            "ALTER TABLE service_ops.packet_decision ADD forgotten text",
            "column service_ops.packet_decision.forgotten left behind: ",
        ),
        (
            "ALTER TABLE service_ops.packet_decision ALTER notes SET DEFAULT 'x'",
            "column service_ops.packet_decision.notes was: ",
        ),
        (
            "ALTER TABLE service_ops.packet_decision ALTER notes SET NOT NULL",
            "",
        ),
        (
            "ALTER TABLE service_ops.integration_inbox ALTER message_type TYPE varchar(500)",
            "column service_ops.integration_inbox.message_type was: ",
        ),
        (
            "ALTER TABLE service_ops.packet_decision ADD CONSTRAINT late CHECK (true) NOT VALID",
            "constraint late on service_ops.packet_decision left behind: ",
        ),
        (
            "ALTER TABLE service_ops.integration_inbox DROP CONSTRAINT uq_integration_inbox_decision_message",
            "constraint uq_integration_inbox_decision_message on service_ops.integration_inbox not restored: UNIQUE (decision_tracking_id, message_type)",
        ),
        (
            "COMMENT ON TABLE service_ops.packet_decision IS 'new'",
            "comment table service_ops.packet_decision ",
        ),
        (
            "COMMENT ON COLUMN service_ops.packet_decision.notes IS 'new'",
            "comment column service_ops.packet_decision.notes ",
        ),
        (
            "GRANT SELECT ON service_ops.packet_decision TO PUBLIC",
            "privileges table service_ops.packet_decision was: ",
        ),
        (
            "GRANT SELECT (notes) ON service_ops.packet_decision TO PUBLIC",
            "privileges column service_ops.packet_decision.notes left behind: ",
        ),
        (
            "CREATE SEQUENCE service_ops.left_seq",
            "sequence service_ops.left_seq left behind: ",
        ),
        (
            "CREATE FUNCTION service_ops.left_fn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "function service_ops.left_fn() left behind: ",
        ),
        (
            "CREATE TRIGGER left_tg AFTER INSERT ON service_ops.packet_decision EXECUTE FUNCTION service_ops.left_fn()",
            "trigger left_tg on service_ops.packet_decision left behind: ",
        ),
        (
            "CREATE POLICY left_po ON service_ops.packet_decision USING (true)",
            "policy left_po on service_ops.packet_decision left behind: ",
        ),
        (
            "CREATE VIEW service_ops.left_vw AS SELECT 1 AS one",
            "view service_ops.left_vw left behind: ",
        ),
        (
            "CREATE TYPE service_ops.left_ty AS ENUM ('a', 'b')",
            "type service_ops.left_ty left behind: ",
        ),
        (
            "ALTER TABLE service_ops.integration_inbox SET (fillfactor = 70)",
            "table service_ops.integration_inbox was: ",
        ),
        (
            "ALTER INDEX service_ops.packet_decision_pkey SET (fillfactor = 70)",
            "index service_ops.packet_decision_pkey was: ",
        ),
        (
            "ALTER TABLE integration.integration_receive_serviceops SET (toast.autovacuum_enabled = false)",
            "table integration.integration_receive_serviceops was: ",
        ),
        (
            "ALTER TABLE service_ops.packet_decision ALTER clinical_decision SET (n_distinct = 3)",
            "column service_ops.packet_decision.clinical_decision was: ",
        ),
        ("SET LOCAL search_path = service_ops, pg_catalog", ""),
        (
            "CREATE TABLE service_ops.left_tb (a int)",
            "table service_ops.left_tb left behind: ",
        ),
    ];
    let (folder, write) = own_runbook(&stage);
    let up: Vec<&str> = cases
        .iter()
        .filter(|(sql, _)| !sql.contains("SET NOT NULL"))
        .map(|(sql, _)| *sql)
        .collect();
    write("up.sql", &format!("BEGIN;\n{};\n", up.join(";\n")));
    write(
        "1_down.sql",
        "SELECT 'down' AS \"check\", 'PASS' AS status;\n",
    );
    let (output, _) = stage.alone(&["rehearse", &folder]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    for (sql, expected) in cases {
        assert!(
            text.contains(&format!("  FAIL structure: {expected}")),
            "{sql}: {text}"
        );
    }
    // The changed search_path changes how names are shown, and is no difference.
    assert!(!text.contains("fk_"), "{text}");

    // The same runbook with nothing left behind.
    write(
        "up.sql",
        &format!(
            "BEGIN;\nALTER TABLE {t} ADD passing text;\nSET LOCAL search_path = service_ops;\n"
        ),
    );
    write(
        "1_down.sql",
        &format!(
            "BEGIN;\nALTER TABLE {t} DROP passing;\nSELECT 'down' AS \"check\", 'PASS' AS status;\nCOMMIT;\n"
        ),
    );
    let (output, _) = stage.alone(&["rehearse", &folder]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// The server compares with the script's locks held, and sorting what is compared would take most of it.
#[test]
fn the_structure_is_compared_without_sorting_it_or_starting_a_process() {
    let stage = Stage::set();
    let rehearsal = Runbook::load(None).unwrap().rehearsal().unwrap();
    let asked: Vec<&str> = rehearsal.script.sent().map(|one| &*one.text).collect();
    let place = |words: &str| asked.iter().position(|sql| sql.contains(words)).unwrap();
    let start = &asked[..=place("INSERT INTO pg_temp.stagegate_structure_before")];
    let (question, asked_with) = asked[place("SET LOCAL jit")..].split_last().unwrap();
    // What a script may set, for a server that starts processes whenever it can.
    let eager = [
        "SET LOCAL parallel_setup_cost = 0",
        "SET LOCAL parallel_tuple_cost = 0",
        "SET LOCAL min_parallel_table_scan_size = 0",
        "SET LOCAL max_parallel_workers_per_gather = 4",
    ];
    let explained = format!("EXPLAIN {question}");
    let plan = [&["BEGIN"], start, &eager, asked_with, &[&explained]].concat();
    let plan = stage.answer(&plan).join("\n");
    assert!(plan.contains("Hash Full Join"), "{plan}");
    assert!(
        !plan.contains("Merge") && !plan.contains("Gather"),
        "{plan}"
    );
}

/// The script's own limit stands for the program's last question too: nothing is compared then, and nothing
/// is said to have come back.
#[test]
fn a_comparison_that_runs_out_of_time_is_a_failure_and_no_verdict() {
    let stage = Stage::set();
    let before = stage.dump();
    let (folder, write) = own_runbook(&stage);
    write(
        "up.sql",
        "ALTER TABLE service_ops.packet_decision ADD passing text;\n",
    );
    let down = "ALTER TABLE service_ops.packet_decision DROP passing;\n\
        SELECT 'down' AS \"check\", 'PASS' AS status;\n";
    write(
        "1_down.sql",
        &format!("{down}SET LOCAL statement_timeout = '2ms';\n"),
    );
    let (output, _) = stage.alone(&["rehearse", &folder]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for words in [
        "canceling statement due to statement timeout",
        "REHEARSAL FAILED, because a statement failed; it did not come to its end.",
        "the server answered ROLLBACK, and pg_xact_status says aborted",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(!text.contains("structure is the one"), "{text}");
    assert_eq!(stage.dump(), before);

    write("1_down.sql", down);
    let (output, _) = stage.alone(&["rehearse", &folder]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// What a dump has beside tables, and what is in no dump at all.
#[test]
fn what_is_forgotten_beside_the_tables_is_seen_too() {
    let stage = Stage::set();
    let cases: &[(&str, &str)] = &[
        (
            "DROP COLLATION public.was_co",
            "collation public.was_co not restored: ",
        ),
        (
            "DROP OPERATOR public.==% (int, int)",
            "operator public.==% (integer, integer) not restored: ",
        ),
        (
            "ALTER TEXT SEARCH CONFIGURATION public.was_ts DROP MAPPING FOR word",
            "text search configuration public.was_ts was: ",
        ),
        (
            "CREATE CONVERSION public.left_cv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
            "conversion public.left_cv left behind: ",
        ),
        (
            "CREATE OPERATOR FAMILY public.left_of USING btree",
            "operator family public.left_of using btree left behind: ",
        ),
        (
            "ALTER STATISTICS public.was_st SET STATISTICS 5",
            "statistics public.was_st was: ",
        ),
        (
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO was_role",
            "privileges default tables of ",
        ),
        (
            "ALTER EVENT TRIGGER was_ev DISABLE",
            "event trigger was_ev was: ",
        ),
        (
            "ALTER PUBLICATION was_pb SET (publish = 'insert')",
            "publication was_pb was: ",
        ),
        (
            "ALTER PUBLICATION was_pb ADD TABLE service_ops.packet_decision",
            "published service_ops.packet_decision by was_pb left behind: ",
        ),
        (
            "DROP CAST (public.was_en AS integer)",
            "cast public.was_en as integer not restored: ",
        ),
        (
            "CREATE LANGUAGE left_la HANDLER plpgsql_call_handler",
            "language left_la left behind: ",
        ),
        (
            "CREATE ACCESS METHOD left_am TYPE TABLE HANDLER heap_tableam_handler",
            "access method left_am left behind: ",
        ),
        (
            "CREATE FOREIGN DATA WRAPPER left_fw",
            "foreign-data wrapper left_fw left behind: ",
        ),
        (
            "ALTER SERVER was_sv OPTIONS (host 'x')",
            "server was_sv was: ",
        ),
        (
            "ALTER FOREIGN TABLE public.was_ft OPTIONS (name 'z')",
            "foreign table public.was_ft was: ",
        ),
        (
            "ALTER FOREIGN TABLE public.was_ft ALTER a OPTIONS (name 'z')",
            "column public.was_ft.a was: ",
        ),
        (
            "DROP USER MAPPING FOR public SERVER was_sv",
            "user mapping public on was_sv not restored: ",
        ),
        (
            "GRANT USAGE ON FOREIGN SERVER was_sv TO was_role",
            "privileges server was_sv was: ",
        ),
        (
            "GRANT CREATE ON DATABASE wiser_ops TO was_role",
            "database wiser_ops was: ",
        ),
        (
            "ALTER DATABASE wiser_ops SET work_mem = '5MB'",
            "setting work_mem of the database left behind: ",
        ),
        (
            "ALTER ROLE was_role SET work_mem = '5MB'",
            "setting work_mem of was_role left behind: ",
        ),
        ("ALTER ROLE was_role SUPERUSER", "role was_role was: "),
        ("CREATE ROLE left_role", "role left_role left behind: "),
        (
            "GRANT was_role TO pg_monitor",
            "membership pg_monitor in was_role by ",
        ),
        (
            "CREATE SUBSCRIPTION left_sb CONNECTION 'host=x' PUBLICATION p WITH (connect = false)",
            "subscription left_sb left behind: ",
        ),
    ];
    stage.superuser(&[
        "CREATE ROLE was_role",
        "CREATE COLLATION public.was_co FROM \"C\"",
        "CREATE OPERATOR public.==% (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "CREATE TEXT SEARCH CONFIGURATION public.was_ts (COPY = simple)",
        "CREATE TABLE public.was_tb (a int, b int)",
        "CREATE STATISTICS public.was_st ON a, b FROM public.was_tb",
        "CREATE FUNCTION public.was_fn() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "CREATE EVENT TRIGGER was_ev ON sql_drop EXECUTE FUNCTION public.was_fn()",
        "CREATE PUBLICATION was_pb FOR TABLE public.was_tb",
        "CREATE TYPE public.was_en AS ENUM ('a')",
        "CREATE FUNCTION public.was_ca(public.was_en) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE CAST (public.was_en AS int) WITH FUNCTION public.was_ca(public.was_en)",
        "CREATE FOREIGN DATA WRAPPER was_fw",
        "CREATE SERVER was_sv FOREIGN DATA WRAPPER was_fw",
        "CREATE FOREIGN TABLE public.was_ft (a int) SERVER was_sv",
        "CREATE USER MAPPING FOR public SERVER was_sv OPTIONS (password 'never-told')",
    ]);
    let (folder, write) = own_runbook(&stage);
    let up: Vec<&str> = cases.iter().map(|(sql, _)| *sql).collect();
    write("up.sql", &format!("BEGIN;\n{};\n", up.join(";\n")));
    write(
        "1_down.sql",
        "SELECT 'down' AS \"check\", 'PASS' AS status;\n",
    );
    let (output, _) = stage.alone_as("postgres", &["rehearse", &folder]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    for (sql, expected) in cases {
        assert!(
            text.contains(&format!("  FAIL structure: {expected}")),
            "{sql}: {text}"
        );
    }
    assert!(!text.contains("never-told"), "{text}");
}

#[test]
fn an_error_on_the_way_is_told_as_one() {
    let stage = Stage::set();
    let before = stage.dump();
    let folder = changed(
        &stage,
        "rollback/012_packet_decision.sql",
        "DROP INDEX IF EXISTS service_ops.idx_packet_decision_utn_status;",
        "DROP INDEX service_ops.idx_packet_decision_utn_statuz;",
    );
    let (output, _) = stage.alone(&["rehearse", &folder]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("REHEARSAL FAILED, because a statement failed"),
        "{text}"
    );
    assert_eq!(stage.dump(), before);
}

#[test]
fn a_runbook_without_a_way_back_has_nothing_to_rehearse() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("up.sql");
    std::fs::write(&script, "SELECT 1;\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stagegate"))
        .arg("rehearse")
        .arg(&script)
        .finish("stagegate rehearse");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("names no rollback script"), "{said}");
}
