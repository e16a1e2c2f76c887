use super::*;
use crate::runbook::Runbook;
use crate::runbook::objects::list_objects;

fn read_script(text: &str) -> Script {
    Script::read("s.sql", None, text.as_bytes())
}

fn numbers(script: &Script) -> Vec<Option<usize>> {
    let statements = script.statements.iter();
    statements.map(Statement::own_number).collect()
}

#[test]
fn what_is_sent_is_numbered_from_1_and_what_is_the_gates_is_not() {
    let script = read_script(
        "SET a.b = 1; BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n\\echo here\nSELECT 1; \
         SELECT 2; COMMIT;",
    );
    assert_eq!(
        numbers(&script),
        [Some(1), None, None, Some(2), Some(3), None]
    );
    assert_eq!(script.last_number(), 3);
    assert_eq!(script.statement(0), None);
    assert_eq!(script.statement(4), None);
    let text = |number| script.statement(number).map(|found| found.text.to_string());
    assert_eq!(text(1).as_deref(), Some("SET a.b = 1"));
    assert_eq!(text(2).as_deref(), Some("SELECT 1"));
    assert_eq!(text(3).as_deref(), Some("SELECT 2"));
    assert_eq!(script.echoes[0].behind, 3);
}

#[test]
fn what_is_told_of_a_statement_names_its_number() {
    let script = read_script(
        "BEGIN;\nCREATE TABLE t (i int);\nSAVEPOINT s;\nINSERT INTO t VALUES (1);\nDELETE FROM t;\n\
         ROLLBACK TO s;\nSET lock_timeout = 0;\nCREATE INDEX i ON t (i);\nVACUUM;\n\\gset\n",
    );
    let rules: Vec<(&str, Option<usize>)> = script
        .findings()
        .iter()
        .map(|finding| (finding.rule.as_str(), finding.statement))
        .collect();
    assert!(rules.contains(&("undoes-a-part", Some(5))), "{rules:?}");
    assert!(rules.contains(&("changes-a-limit", Some(6))), "{rules:?}");
    let undone = script.findings().iter().find(|f| f.rule == "undoes-a-part");
    let said = &undone.unwrap().message;
    assert!(said.contains("what statements 3 to 4 did"), "{said}");
    assert!(
        script
            .refusals
            .iter()
            .any(|refusal| refusal.statement == Some(8))
    );
    let objects = list_objects(&script);
    let made: Vec<usize> = objects
        .changes
        .iter()
        .map(|change| change.statement)
        .collect();
    assert_eq!(made, [1, 1, 7]);
}

#[test]
fn which_results_are_called_data_is_said_in_words() {
    let words = |text: &str| read_script(text).data_in_words();
    assert_eq!(words("SELECT 1;"), None);
    let one = "BEGIN;\nSELECT 1;\n-- stagegate: data\nSELECT status FROM jobs;\nCOMMIT;";
    assert_eq!(
        words(one).as_deref(),
        Some("the rows of statement 2 are called data and count as no check")
    );
    let many = words(&"-- stagegate: data\nSELECT 1;\n".repeat(20)).unwrap();
    assert!(many.contains("statements 1, 2, 3"), "{many}");
    assert!(many.contains("12, and 8 more are"), "{many}");
}

#[test]
fn scripts_that_are_one_are_numbered_through() {
    let runbook = Runbook::load(None).unwrap();
    let alone: usize = runbook.rollbacks.iter().map(|one| one.sent().count()).sum();
    let script = runbook.rollback(None, false).unwrap().script;
    assert_eq!(script.last_number(), alone);
    let own: Vec<usize> = numbers(&script).into_iter().flatten().collect();
    let through: Vec<usize> = (1..=script.last_number()).collect();
    assert_eq!(own, through);
    for number in through {
        assert_eq!(script.statement(number).unwrap().number, number);
    }
}

#[test]
fn a_statement_is_named_by_what_it_does() {
    for (text, about) in [
        (
            "CREATE UNIQUE INDEX IF NOT EXISTS i ON s.t (a)",
            Some("i on s.t"),
        ),
        ("CREATE INDEX ON t (a)", Some("t")),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()",
            Some("g on t"),
        ),
        ("DROP POLICY IF EXISTS p ON t", Some("p on t")),
        (
            "SELECT 'it''s there' AS \"check\", 'PASS' AS status FROM pg_class",
            Some("it's there"),
        ),
        ("SELECT 'x'::regclass FROM t", Some("t")),
        ("SELECT count(*) FROM s.t", Some("s.t")),
        ("ALTER TABLE s.t ADD COLUMN a int", Some("s.t")),
        ("DO 'BEGIN END'", None),
        (
            "-- fills the gap. But\n-- slowly\nDO 'BEGIN END'",
            Some("fills the gap"),
        ),
    ] {
        let script = read_script(text);
        assert_eq!(script.statements[0].about().as_deref(), about, "{text}");
    }
}

#[test]
fn what_the_linter_does_not_understand_is_told_before_the_server_says_so() {
    let stumbles = |text: &str| -> Vec<usize> {
        let script = read_script(text);
        let found = script.findings().iter();
        found
            .filter(|finding| finding.rule == "not-understood")
            .map(|finding| finding.line)
            .collect()
    };
    assert_eq!(
        stumbles("SELECT 1;\n\nSELECT\n  1,\n  2 FRM x;\nSELECT 2;"),
        [5]
    );
    assert_eq!(
        stumbles("CREATE TABLE t (i int,);\nCREATE TABEL u (i int);").len(),
        2
    );
    for fine in [
        "BEGIN;\nCREATE TABLE t (i int);\nINSERT INTO t VALUES (1), (2) RETURNING i;\nCOMMIT;",
        "DO $$BEGIN PERFORM 1; END$$;\nCOPY t FROM STDIN;\n1\n\\.\nSELECT 1 AS \"check\";",
        "SELECT * FROM t WHERE a IS DISTINCT FROM 1 AND b ~ '^x' ORDER BY 1 NULLS LAST;",
    ] {
        assert_eq!(stumbles(fine), [0; 0], "{fine}");
    }
}
