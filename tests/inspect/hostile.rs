//! Runbooks and catalogs that mean harm: nothing is written, and nothing of theirs is obeyed by the
//! terminal.

use crate::stage::Stage;

/// A runbook whose every file tries to write. Each attempt stands in a query, so that the program
/// has no reason of its own to leave it out.
fn runbook(stage: &Stage, verification: &str, before: &str, after: &str) -> String {
    stage.superuser(
        "CREATE TABLE public.victim (i int); GRANT ALL ON public.victim TO PUBLIC;
         CREATE SEQUENCE public.counter; GRANT ALL ON SEQUENCE public.counter TO PUBLIC;
         CREATE FUNCTION public.strike() RETURNS text LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM set_config('transaction_read_only', 'off', false);
             INSERT INTO public.victim VALUES (1);
             RETURN 'PASS';
         END $$;
         CREATE FUNCTION public.strike_plainly() RETURNS text LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.victim VALUES (2); RETURN 'PASS'; END $$;",
    );
    stage.file(
        "evil/runbook.toml",
        "title = \"evil\"\nscript = \"script.sql\"\nexpected_state = \"before.sql\"\n\
         post_verification = \"after.sql\"\n",
    );
    stage.file("evil/before.sql", before);
    stage.file("evil/after.sql", after);
    let script = stage.file("evil/script.sql", verification);
    script.strip_suffix("/script.sql").unwrap().to_owned()
}

#[test]
fn no_query_of_a_runbook_can_write() {
    let stage = Stage::pristine();
    let folder = runbook(
        &stage,
        "INSERT INTO public.victim VALUES (3);
         SELECT 'early' AS \"check\", public.strike_plainly() AS status;
         DELETE FROM public.victim;
         SELECT 'own' AS \"check\", public.strike() AS status;
         SELECT 'plain' AS \"check\", public.strike_plainly() AS status;
         SELECT 'counter' AS \"check\", 'PASS' AS status, nextval('public.counter');
         WITH gone AS (DELETE FROM public.victim RETURNING 1) SELECT 'PASS' AS status FROM gone;",
        "SELECT set_config('default_transaction_read_only', 'off', false);
         SELECT set_config('transaction_read_only', 'off', false);
         SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
         SELECT 'before' AS \"check\", public.strike_plainly() AS status;
         INSERT INTO public.victim VALUES (4);
         DO $$ BEGIN INSERT INTO public.victim VALUES (5); END $$;",
        "SELECT 'after' AS \"check\", public.strike() AS status;
         CREATE TABLE public.made (i int);",
    );
    let before = stage.content();
    let said = stage.verify(&[&folder]);
    said.ended(4).said(&["25006"]);
    // Neither way round: what the files leave behind in the session must not help a second look.
    stage.verify(&[&folder, "--format", "json"]).ended(4);
    assert_eq!(stage.content(), before);
    let sent = stage.logged();
    assert!(
        !sent
            .iter()
            .any(|s| s.contains("VALUES (3)") || s.contains("'early'")),
        "the script itself was sent"
    );
}

#[test]
fn a_file_that_ends_the_transaction_is_not_gone_on_with() {
    let stage = Stage::pristine();
    let folder = runbook(
        &stage,
        "SELECT 'own' AS \"check\", 'PASS' AS status;",
        "SELECT set_config('default_transaction_read_only', 'off', false);
         COMMIT;
         INSERT INTO public.victim VALUES (6);",
        "SELECT 'after' AS \"check\", public.strike_plainly() AS status;",
    );
    let before = stage.content();
    stage
        .verify(&[&folder])
        .ended(4)
        .said(&["before.sql, line 2", "not run: "]);
    assert_eq!(stage.content(), before);
    assert!(!stage.logged().iter().any(|s| s.contains("VALUES (6)")));
}

#[test]
fn what_read_only_does_not_prevent_is_not_sent() {
    let stage = Stage::pristine();
    let calls = [
        "SELECT pg_terminate_backend(pid), 'PASS' AS status FROM pg_stat_activity",
        "SELECT 'PASS' AS status FROM pg_create_restore_point('here')",
        "SELECT dblink_exec('dbname=wiser_ops', 'CREATE TABLE public.made (i int)') AS status",
        "SELECT pg_advisory_lock(1), 'PASS' AS status",
        "DO $$ BEGIN PERFORM pg_switch_wal(); END $$",
    ];
    for call in calls {
        let tail = format!("SELECT 'own' AS \"check\", 'PASS' AS status;\n{call};\n");
        let script = stage.file("tail.sql", &tail);
        let plain = stage.file("plain/script.sql", "CREATE TABLE public.other (i int);\n");
        stage.file("plain/before.sql", &format!("{call};\n"));
        stage.file(
            "plain/runbook.toml",
            "title = \"plain\"\nscript = \"script.sql\"\nexpected_state = \"before.sql\"\n",
        );
        let folder = plain.strip_suffix("/script.sql").unwrap();
        let words = &["not run where only looking is meant"];
        stage.verify(&[folder]).ended(4).said(words);
        // Of a script nothing is sent but its queries.
        let said = stage.verify(&[script.as_str()]);
        said.ended(4);
        if call.starts_with("SELECT") {
            said.said(words);
        }
    }
    let sent = stage.logged().join("\n");
    for word in ["restore_point", "dblink", "advisory", "switch_wal"] {
        assert!(!sent.contains(word), "{word} was sent");
    }
    assert!(!sent.contains("pg_terminate_backend(pid), "), "{sent}");
}

#[test]
fn settings_of_the_role_or_the_environment_do_not_lift_read_only() {
    let stage = Stage::pristine();
    stage.superuser("ALTER ROLE wiser_owner SET default_transaction_read_only = off");
    let script = stage.file(
        "look.sql",
        "SELECT 'default' AS \"check\", CASE current_setting('default_transaction_read_only')
             WHEN 'on' THEN 'PASS' ELSE 'FAIL' END AS status;
         SELECT 'now' AS \"check\", CASE current_setting('transaction_read_only')
             WHEN 'on' THEN 'PASS' ELSE 'FAIL' END AS status;",
    );
    let conninfo = format!(
        "host={} port={} user=wiser_owner dbname=wiser_ops options='-c default_transaction_read_only=off'",
        stage.demo().host().display(),
        stage.demo().port()
    );
    let arguments = ["verify", "-d", &conninfo, &script].map(str::to_owned);
    crate::stage::run(stage.home(), &arguments)
        .ended(0)
        .said(&["2 PASS"]);
}

#[test]
fn control_characters_of_the_catalog_reach_no_output() {
    let stage = Stage::pristine();
    let script = stage.file(
        "rude.sql",
        "ALTER TABLE public.rude ADD COLUMN i int;
         SELECT E'a\\x1b[2J\\u009b31m' AS \"check\", 'PASS' AS status, E'b\\u202e\\x07' AS detail;",
    );
    for format in ["text", "json"] {
        let said = stage.verify(&[&script, "--format", format]);
        let raw: Vec<char> = said
            .out
            .chars()
            .filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}')
            .collect();
        assert!(raw.is_empty(), "{raw:?} in {:?}", said.out);
        assert!(said.out.contains("[2J"), "{}", said.out);
    }
    let json = stage.verify(&[&script, "--format", "json"]).json();
    let checks = json["checks"].as_array().unwrap();
    let named = |check: &&serde_json::Value| check["check"] == "a\u{1b}[2J\u{9b}31m";
    assert!(checks.iter().any(|c| named(&c)), "{json}");
}
