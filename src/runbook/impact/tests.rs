use super::*;

fn impact(sql: &str) -> Impact {
    let script = Script::read("t.sql", None, sql.as_bytes());
    Impact::of_objects(&script, &[], objects::list_objects(&script))
}

fn locks(sql: &str) -> Vec<String> {
    let locks = impact(sql).locks.into_iter();
    locks
        .map(|lock| {
            let numbers = lock.statements.iter().map(usize::to_string);
            let numbers: Vec<String> = numbers.collect();
            format!(
                "{} {} by {}",
                lock.relation,
                lock.mode.name(),
                numbers.join(",")
            )
        })
        .collect()
}

fn scans(sql: &str) -> Vec<String> {
    let scans = impact(sql).scans.into_iter();
    scans
        .map(|scan| {
            let verb = if scan.rewrites { "writes" } else { "reads" };
            format!("{} {verb} {}", scan.statement, scan.table)
        })
        .collect()
}

#[test]
fn the_built_in_script_does_what_its_runbook_promises() {
    let runbook = Runbook::load(None).unwrap();
    assert_eq!(runbook.promises.len(), 3);
    let impact = runbook.impact().clone();
    assert_eq!(impact.differences(), Vec::<String>::new());
    let adds = |sort: Sort| -> usize {
        let parts = impact.parts.iter();
        parts.filter_map(|part| part.adds.get(&sort)).sum()
    };
    assert_eq!(adds(Sort::Column), 27);
    assert_eq!(adds(Sort::Index), 11);
    assert_eq!(adds(Sort::Constraint), 1);
    let tables: Vec<String> = impact.tables.iter().map(|t| t.name.to_string()).collect();
    assert_eq!(
        tables,
        [
            "service_ops.integration_inbox",
            "service_ops.packet_decision",
            "integration.integration_receive_serviceops"
        ]
    );
    let modes: Vec<LockMode> = impact.locks.iter().map(|lock| lock.mode).collect();
    assert_eq!(modes, [LockMode::AccessExclusive; 3]);
    // Eleven indexes read the tables; the foreign key on its new column does not.
    assert_eq!(impact.scans.len(), 11);
    assert!(impact.scans.iter().all(|scan| !scan.rewrites));
    assert_eq!(impact.unseen.len(), 2);
}

#[test]
fn a_promise_that_is_not_kept_is_told() {
    let mut runbook = Runbook::load(None).unwrap();
    runbook.promises = vec![Promise {
        section: "012".into(),
        adds: vec![(Sort::Column, 20), (Sort::Index, 5), (Sort::Sequence, 1)],
        drops: Some(2),
    }];
    let impact = runbook.impact().clone();
    assert_eq!(
        impact.differences(),
        [
            "Migration 012: packet_decision: 20 columns promised, 21 counted in the script",
            "Migration 012: packet_decision: 1 sequence promised, 0 counted in the script",
            "Migration 012: packet_decision: 2 to be dropped promised, 0 counted in the script",
        ]
    );
    let told = impact.told(None);
    let difference = "WARN  differs: 20 columns promised, 21 counted in the script";
    assert!(
        told.contains(&ImpactLine::Warn(difference.into())),
        "{told:?}"
    );
}

#[test]
fn each_relation_is_told_once_with_its_strongest_lock() {
    assert_eq!(
        locks(
            "CREATE INDEX i ON t (a); ALTER TABLE t ADD COLUMN b int, ADD c int; CREATE INDEX j ON t (b);
             ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o (id); COMMENT ON TABLE n IS 'x';
             UPDATE u SET a = 1; DROP INDEX s.k; ALTER TABLE t DROP COLUMN d"
        ),
        [
            "t ACCESS EXCLUSIVE by 2,8",
            "o SHARE ROW EXCLUSIVE by 4",
            "n SHARE UPDATE EXCLUSIVE by 5",
            "u ROW EXCLUSIVE by 6",
            "the table of index s.k ACCESS EXCLUSIVE by 7",
        ]
    );
}

#[test]
fn each_kind_of_statement_has_the_lock_of_the_manual() {
    for (sql, mode) in [
        ("CREATE INDEX ON t (a)", "SHARE"),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES t",
            "SHARE ROW EXCLUSIVE",
        ),
        (
            "ALTER TABLE t ADD CHECK (a > 0) NOT VALID",
            "ACCESS EXCLUSIVE",
        ),
        (
            "ALTER TABLE t VALIDATE CONSTRAINT k",
            "SHARE UPDATE EXCLUSIVE",
        ),
        (
            "ALTER TABLE t ALTER a SET STATISTICS 100",
            "SHARE UPDATE EXCLUSIVE",
        ),
        (
            "ALTER TABLE t ALTER a SET STORAGE plain",
            "ACCESS EXCLUSIVE",
        ),
        (
            "ALTER TABLE t SET (fillfactor = 70)",
            "SHARE UPDATE EXCLUSIVE",
        ),
        ("ALTER TABLE t DISABLE TRIGGER g", "SHARE ROW EXCLUSIVE"),
        ("ALTER TABLE t RENAME TO u", "ACCESS EXCLUSIVE"),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()",
            "SHARE ROW EXCLUSIVE",
        ),
        ("CREATE POLICY p ON t", "ACCESS EXCLUSIVE"),
        ("DROP TABLE t", "ACCESS EXCLUSIVE"),
        (
            "LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE",
            "SHARE ROW EXCLUSIVE",
        ),
        ("LOCK TABLE t", "ACCESS EXCLUSIVE"),
        ("TRUNCATE t", "ACCESS EXCLUSIVE"),
        ("INSERT INTO t VALUES (1)", "ROW EXCLUSIVE"),
    ] {
        assert_eq!(locks(sql), [format!("t {mode} by 1")], "{sql}");
    }
    // Nobody waits for what nobody sees yet.
    assert_eq!(
        locks("CREATE TABLE t (a int PRIMARY KEY REFERENCES o); CREATE INDEX ON t (a)"),
        ["o SHARE ROW EXCLUSIVE by 1"]
    );
}

#[test]
fn only_what_touches_every_row_is_called_a_scan() {
    for sql in [
        "ALTER TABLE t ADD COLUMN a int",
        "ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 1",
        "ALTER TABLE t ADD COLUMN a timestamptz DEFAULT now()",
        "ALTER TABLE t ADD COLUMN a int DEFAULT 1, ADD b int REFERENCES t",
        "ALTER TABLE t ADD CHECK (a > 0) NOT VALID",
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o NOT VALID",
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i",
        "ALTER TABLE t ALTER a SET DEFAULT random()",
        "ALTER TABLE t ALTER a DROP NOT NULL, DROP COLUMN b",
        "CREATE TABLE t (a serial PRIMARY KEY CHECK (a > 0)); CREATE INDEX ON t (a)",
    ] {
        assert_eq!(scans(sql), Vec::<String>::new(), "{sql}");
    }
    for sql in [
        "CREATE INDEX ON t (a) WHERE b",
        "ALTER TABLE t ADD CHECK (a > 0)",
        "ALTER TABLE t ADD COLUMN a int CHECK (a > 0)",
        "ALTER TABLE t ADD COLUMN a int UNIQUE",
        "ALTER TABLE t ADD COLUMN a int NOT NULL",
        "ALTER TABLE t ADD COLUMN a int DEFAULT 1 REFERENCES t",
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t VALIDATE CONSTRAINT k",
        "UPDATE t SET a = 1",
    ] {
        assert_eq!(scans(sql), ["1 reads t"], "{sql}");
    }
    for sql in [
        "ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE t ADD COLUMN a bigserial",
        "ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (b * 2) STORED",
        "ALTER TABLE t ALTER a TYPE bigint",
        "ALTER TABLE t SET LOGGED",
    ] {
        assert_eq!(scans(sql), ["1 writes t"], "{sql}");
    }
}

#[test]
fn a_select_without_a_condition_reads_its_tables_whole() {
    for (sql, told) in [
        ("SELECT count(*) FROM s.t", vec!["1 reads s.t"]),
        (
            "SELECT 'n' AS \"check\", CASE WHEN count(*) > 0 THEN 'PASS' END AS status FROM ONLY t AS x",
            vec!["1 reads t"],
        ),
        (
            "SELECT count(*) FROM a, s.\"B\" AS b JOIN c ON true",
            vec!["1 reads a", "1 reads c", "1 reads s.\"B\""],
        ),
        (
            "SELECT (SELECT max(id) FROM t) UNION ALL SELECT 1",
            vec!["1 reads t"],
        ),
        ("SELECT count(*) FROM t WHERE id = 3", vec![]),
        ("SELECT id FROM t LIMIT 1", vec![]),
        ("SELECT count(*) FROM pg_class", vec![]),
        ("SELECT count(*) FROM pg_catalog.pg_class", vec![]),
        ("SELECT * FROM generate_series(1, 3) AS n", vec![]),
        (
            "SELECT extract(year FROM now()), trim(both FROM 'x'), 1 IS DISTINCT FROM two",
            vec![],
        ),
        ("SELECT 'FROM t'", vec![]),
    ] {
        assert_eq!(scans(sql), told, "{sql}");
    }
}

#[test]
fn a_table_is_told_as_far_as_it_is_known() {
    let impact = impact("ALTER TABLE s.t ADD a int; CREATE TABLE n (a int); UPDATE gone SET a = 1");
    let name = |text| Name::parse(text).unwrap();
    let size = |rows| TableSize {
        total: Some("12 MB".into()),
        rows,
    };
    let mut measure = Measure {
        tables: vec![
            MeasuredTable {
                name: name("s.t"),
                found: Some(size(Some(1_204))),
            },
            MeasuredTable {
                name: name("n"),
                found: None,
            },
            MeasuredTable {
                name: name("gone"),
                found: None,
            },
        ],
        problem: None,
    };
    let said = |measure: Option<Option<&Measure>>| format!("{:?}", impact.told(measure));
    let whole = said(Some(Some(&measure)));
    for words in [
        "Line(\"s.t: 12 MB, about 1,204 rows\")",
        "Line(\"n: not there yet; the script adds it\")",
        "Warn(\"gone: is not there, or its schema is not on the path\")",
    ] {
        assert!(whole.contains(words), "{words} in {whole}");
    }
    measure.tables[0].found = Some(size(None));
    measure.problem = Some("sizes could not be read: canceled".into());
    let whole = said(Some(Some(&measure)));
    assert!(whole.contains("12 MB, never analysed, so nobody knows how many rows"));
    assert!(whole.contains("Warn(\"sizes could not be read: canceled\")"));
    assert!(said(Some(None)).contains("not asked for yet"));
    assert!(!said(None).contains("size"));
}
