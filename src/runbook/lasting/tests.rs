use super::Beyond;
use crate::runbook::script::{Script, Statement};

/// What outlives ROLLBACK of each statement of a script.
fn lasting(sql: &str) -> Vec<Vec<(Beyond, String)>> {
    let script = Script::read("t.sql", None, sql.as_bytes());
    let one = |statement: &Statement| {
        let lasting = statement.lasting().iter();
        lasting
            .map(|lasts| (lasts.beyond, lasts.by.clone()))
            .collect()
    };
    script.statements.iter().map(one).collect()
}

fn only(sql: &str) -> Vec<(Beyond, String)> {
    let all = lasting(sql);
    assert_eq!(all.len(), 1, "{sql}: {all:?}");
    all.into_iter().next().unwrap()
}

#[test]
fn what_stays_is_found_however_it_is_written() {
    for (sql, beyond) in [
        ("SELECT nextval('s');", Beyond::Numbers),
        ("SELECT pg_catalog . \"nextval\" ('s');", Beyond::Numbers),
        (
            "INSERT INTO t (a, b) VALUES (1, NEXTVAL ('s'))",
            Beyond::Numbers,
        ),
        (
            "SELECT pg_catalog.setval('public.t_id_seq', 7, true);",
            Beyond::Numbers,
        ),
        (
            "DO $$ BEGIN PERFORM setval('s', 9); END $$;",
            Beyond::Numbers,
        ),
        (
            "DO 'BEGIN EXECUTE ''SELECT nextval(''''s'''')''; END';",
            Beyond::Numbers,
        ),
        (
            "ALTER TABLE t ADD COLUMN n bigint DEFAULT nextval('s');",
            Beyond::Numbers,
        ),
        (
            "SELECT query_to_xml('select setval(''s'', 3)', true, true, '');",
            Beyond::Numbers,
        ),
        ("COPY t TO '/tmp/t';", Beyond::File),
        ("COPY (SELECT a FROM t) TO E'/tmp/t' CSV;", Beyond::File),
        ("SELECT lo_export(1, '/tmp/t');", Beyond::File),
        ("COPY t FROM PROGRAM 'curl x';", Beyond::Program),
        (
            "DO $$ BEGIN COPY t TO PROGRAM 'mail'; END $$;",
            Beyond::Program,
        ),
        (
            "CREATE FOREIGN TABLE f (a int) SERVER s OPTIONS (program 'date');",
            Beyond::Program,
        ),
        (
            "SELECT dblink_exec('host=x', 'DELETE FROM t');",
            Beyond::Elsewhere,
        ),
        (
            "SELECT * FROM public.dblink('x', 'SELECT 1') AS d (i int);",
            Beyond::Elsewhere,
        ),
        (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity;",
            Beyond::Sessions,
        ),
        ("SELECT 1 WHERE pg_try_advisory_lock(1);", Beyond::Locks),
        ("PREPARE p AS SELECT 1;", Beyond::Session),
        ("SELECT pg_reload_conf();", Beyond::Server),
        (
            "SELECT pg_create_physical_replication_slot('s', true);",
            Beyond::Server,
        ),
        ("CHECKPOINT;", Beyond::Server),
        ("SELECT do_it(1);", Beyond::Unknown),
        (
            "UPDATE t SET a = app.change(a) WHERE b IN (1, 2);",
            Beyond::Unknown,
        ),
        ("CALL app.nightly();", Beyond::Unknown),
        ("DO LANGUAGE plpython3u $$ import os $$;", Beyond::Unknown),
        ("DO $$ BEGIN EXECUTE cmd; END $$;", Beyond::Unknown),
    ] {
        let found = only(sql);
        let kinds: Vec<Beyond> = found.iter().map(|(beyond, _)| *beyond).collect();
        assert_eq!(kinds, [beyond], "{sql}: {found:?}");
    }
}

#[test]
fn what_rolls_back_and_what_is_only_named_is_left_alone() {
    for sql in [
        "CREATE TABLE t (id bigint DEFAULT nextval('s'), p numeric(10, 2), UNIQUE (id), CHECK (p > 0));",
        "ALTER TABLE t ALTER COLUMN id SET DEFAULT nextval('s'::regclass);",
        "CREATE INDEX CONCURRENTLY i ON t USING gin (lower(a) gin_trgm_ops);",
        "CREATE VIEW v AS SELECT nextval('s');",
        "COMMENT ON FUNCTION do_it(int) IS 'nextval(1)';",
        "GRANT EXECUTE ON FUNCTION do_it(int) TO bob;",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION set_stamp();",
        "INSERT INTO t (a) VALUES ('nextval(''s'')'), ('COPY t TO PROGRAM');",
        "WITH a (x) AS (SELECT 1), b (y) AS (SELECT 2) SELECT * FROM a, b WHERE (x = y) AND (x IN (1));",
        "SELECT pg_advisory_xact_lock(1), pg_notify('a', 'b'), set_config('a.b', 'c', true);",
        "SELECT coalesce(sum(x) FILTER (WHERE (x > 1)), 0)::numeric(9, 2) FROM (VALUES (1)) AS v (x);",
        "INSERT INTO t (a) SELECT 1 FROM x JOIN y ON (x.a = y.a) ON CONFLICT (a) DO UPDATE SET (a) = ROW (1);",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM t) THEN CREATE TABLE u (a int, UNIQUE (a)); END IF; END $$;",
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD a int', 't'); END $$;",
        "COPY t (a, b) FROM '/tmp/t';",
        "COPY t (a, b) TO STDOUT;",
        "COPY t FROM STDIN (FORMAT csv);\n\\.\n",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT nextval('s')::int $$;",
        "NOTIFY a;",
    ] {
        assert_eq!(only(sql), [], "{sql}");
    }
}

#[test]
fn a_function_of_the_script_is_looked_into_where_it_is_called() {
    let sql = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN g(); END $$;
        CREATE FUNCTION public.g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT nextval('s'); END;
        CREATE OR REPLACE FUNCTION h() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN h(); END';
        CREATE FUNCTION c() RETURNS int LANGUAGE c AS 'lib', 'c';
        SELECT f(); SELECT h(); SELECT c();
        CREATE TRIGGER x AFTER INSERT ON t EXECUTE PROCEDURE f();";
    let nextval = vec![(Beyond::Numbers, "nextval".to_owned())];
    let c = vec![(Beyond::Unknown, "code in the language c".to_owned())];
    let none = Vec::new;
    assert_eq!(
        lasting(sql),
        [
            none(),
            none(),
            none(),
            none(),
            nextval.clone(),
            none(),
            c,
            nextval
        ]
    );
}

#[test]
fn a_sequence_of_the_script_goes_with_what_is_done_to_it() {
    let sql = "CREATE SEQUENCE app.own; SELECT setval('app.own', 5); SELECT nextval('\"own\"');
        SELECT setval('other', 5);
        CREATE SEQUENCE IF NOT EXISTS other; SELECT nextval('other');
        ALTER TABLE t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME app.t_id_seq);
        SELECT setval('app.t_id_seq', 7);";
    let found = lasting(sql).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(found, [0, 0, 0, 1, 0, 1, 0, 0]);
}

#[test]
fn one_thing_that_many_statements_do_is_one_finding() {
    let sql = "SELECT nextval('s');\n".repeat(30);
    let script = Script::read("t.sql", None, sql.as_bytes());
    let words = script.findings_in_words();
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].starts_with("lines 1, 2, "), "{words:?}");
    assert!(
        words[0].contains(", and 18 more: ROLLBACK does not take"),
        "{words:?}"
    );
    let lasting = script.lasting();
    assert_eq!(lasting.len(), 1);
    assert_eq!(lasting[0].1.len(), 30);
}
