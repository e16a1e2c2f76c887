//! The script reader: what it makes of hand-written files, and that it is total.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test through and through.

use proptest::prelude::*;
use stagegate::runbook::script::{Fate, Script, Statement};

fn read(text: &str) -> Script {
    Script::read("test.sql", None, text.as_bytes())
}

fn texts(script: &Script) -> Vec<&str> {
    script.statements.iter().map(|s| s.text.as_str()).collect()
}

fn kinds(script: &Script) -> Vec<(&str, Option<&str>)> {
    script
        .statements
        .iter()
        .map(|s| (s.kind.as_str(), s.relation().map(|name| name.as_str())))
        .collect()
}

/// The reasons of the refusals with their lines and columns.
fn refusals(script: &Script) -> Vec<(usize, usize, &str)> {
    script
        .refusals
        .iter()
        .map(|r| (r.line, r.column, r.reason.as_str()))
        .collect()
}

#[track_caller]
fn refused(text: &str, line: usize, column: usize, words: &str) {
    let script = read(text);
    assert!(
        refusals(&script)
            .iter()
            .any(|(l, c, reason)| *l == line && *c == column && reason.contains(words)),
        "{text:?}: {:?}",
        refusals(&script)
    );
}

#[track_caller]
fn accepted(text: &str) -> Script {
    let script = read(text);
    assert!(
        script.refusals.is_empty(),
        "{text:?}: {:?}",
        script.refusals
    );
    script
}

#[test]
fn a_statement_ends_where_psql_ends_it() {
    let script = accepted(
        "SELECT ';' , $$;$$, $a$;$$;$a$, E'\\';', \";\", 1/*;/*;*/;*/ ; -- ;\n\
         CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);\n\
         CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;\n\
         ;;\n\
         /* only a comment */;\n\
         SELECT 'a' ''';' ;select 2",
    );
    assert_eq!(
        texts(&script),
        [
            "SELECT ';' , $$;$$, $a$;$$;$a$, E'\\';', \";\", 1",
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END",
            "SELECT 'a' ''';'",
            "select 2",
        ]
    );
}

#[test]
fn a_missing_semicolon_joins_two_statements_as_it_does_for_psql() {
    let script = read("CREATE TABLE a(i int)\nDELETE FROM x;");
    assert_eq!(script.statements.len(), 1);
}

#[test]
fn places_are_those_of_an_editor() {
    let script = read("\u{feff}SELECT 1;\r\nSELECT 'ü', \u{1f600} ; SELECT 3;\r\n");
    let places: Vec<_> = script
        .statements
        .iter()
        .map(|s| (s.line, s.column))
        .collect();
    assert_eq!(places, [(1, 1), (2, 1), (2, 17)]);
    let second = &script.statements[1];
    assert_eq!(script.place(second, 8), Some((2, 8)));
    let script = read("SELECT\n  1,\n  x;");
    assert_eq!(script.place(&script.statements[0], 15), Some((3, 3)));
}

#[test]
fn copy_data_is_no_sql() {
    let script = accepted("COPY t (a, b) FROM STDIN;\n1\t;'\n2\t\\N\n\\.\nSELECT 1;\n");
    assert_eq!(texts(&script), ["COPY t (a, b) FROM STDIN", "SELECT 1"]);
    assert_eq!(
        script.copy_data(&script.statements[0]),
        Some("1\t;'\n2\t\\N\n")
    );
    accepted("COPY t TO STDOUT;\nSELECT 1;");
    let script = accepted("COPY t FROM STDIN; SELECT 1;\r\nx\r\n\\.\r\nSELECT 2;");
    assert_eq!(
        texts(&script),
        ["COPY t FROM STDIN", "SELECT 1", "SELECT 2"]
    );
    let script = accepted("COPY t FROM STDIN;\n1\n");
    assert_eq!(script.copy_data(&script.statements[0]), Some("1\n"));
    assert_eq!(script.findings()[0].rule, "data-to-the-end");
    refused(
        "COPY t FROM STDIN; SELECT\n1\n\\.\n 2;",
        1,
        20,
        "behind its data",
    );
}

#[test]
fn begin_is_taken_over_and_a_last_commit_is_held() {
    let script = accepted("SET search_path = x;\nBEGIN;\nSELECT 1;\nCOMMIT;\n-- done\n");
    let fates: Vec<_> = script.statements.iter().map(|s| s.fate).collect();
    assert_eq!(fates, [Fate::Sent, Fate::TakenOver, Fate::Sent, Fate::Held]);
    accepted("START TRANSACTION READ WRITE; SELECT 1; END TRANSACTION AND NO CHAIN");
    for text in [
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1;",
        "BEGIN WORK READ WRITE, DEFERRABLE ISOLATION LEVEL REPEATABLE READ; SELECT 1;",
        "BEGIN; SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, NOT DEFERRABLE; SELECT 1;",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;",
    ] {
        accepted(text);
    }
    refused("BEGIN READ ONLY;", 1, 1, "nothing to be committed");
    refused("BEGIN ISOLATION LEVEL CHAOS;", 1, 1, "ISOLATION LEVEL");
    refused("SET TRANSACTION SNAPSHOT 'x';", 1, 1, "taken over");
    refused(
        "BEGIN; SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
        1,
        18,
        "before its first query",
    );
    refused(
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN; SELECT 1;",
        1,
        47,
        "no transaction",
    );
    refused("SELECT 1;\nBEGIN;", 2, 1, "which the gate opens");
    refused("BEGIN; COMMIT; SELECT 1;", 1, 8, "before the end");
    refused("BEGIN; SELECT 1;\n COMMIT AND CHAIN;", 2, 2, "with options");
    refused("BEGIN; ROLLBACK; SELECT 1;", 1, 8, "roll back by itself");
    refused("BEGIN; ROLLBACK AND CHAIN;", 1, 8, "with options");
    let script = accepted("BEGIN; SELECT 1; ABORT WORK;");
    assert_eq!(script.statements[2].fate, Fate::Ends);
    assert!(script.closing_rollback().is_some());
    refused(
        "PREPARE TRANSACTION 'x';",
        1,
        1,
        "take the transaction away",
    );
    refused("COMMIT PREPARED 'x';", 1, 1, "prepared");
    refused(
        "SET TRANSACTION READ ONLY;",
        1,
        1,
        "nothing to be committed",
    );
    for text in [
        "SET SESSION TRANSACTION READ ONLY",
        "SET transaction_isolation = 'serializable'",
        "set local \"TRANSACTION_read_only\" to off",
        "RESET transaction_read_only",
        "RESET \"transaction_isolation\"",
    ] {
        refused(text, 1, 1, "opens the transaction itself");
    }
    refused(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        1,
        1,
        "no other",
    );
    accepted("SET default_transaction_read_only = off; SET ROLE x; RESET ALL; SET TIME ZONE 'UTC'");
}

#[test]
fn savepoints_divide_the_transaction_and_never_leave_it() {
    let script = accepted(
        "SAVEPOINT a; SELECT 1; savepoint \"B\"; ROLLBACK TO \"B\"; SELECT 2; \
         ROLLBACK WORK TO SAVEPOINT A; RELEASE SAVEPOINT a;",
    );
    let back: Vec<usize> = script
        .statements
        .iter()
        .filter(|one| one.goes_back)
        .map(|one| one.number)
        .collect();
    assert_eq!(back, [4, 6]);
    let undone: Vec<usize> = (script.findings().iter())
        .filter(|finding| finding.rule == "undoes-a-part")
        .filter_map(|finding| finding.statement)
        .collect();
    assert_eq!(undone, [6]);
    for text in ["RELEASE a;", "ROLLBACK TO a;"] {
        refused(text, 1, 1, "no savepoint a is open");
    }
    refused(
        "SAVEPOINT a; RELEASE a; ROLLBACK TO a;",
        1,
        25,
        "no savepoint",
    );
    refused("SAVEPOINT Stagegate_look;", 1, 1, "the program's own");
    refused("SAVEPOINT \"stagegate_look\";", 1, 1, "the program's own");
    refused("SAVEPOINT U&\"stagegate\\005flook\";", 1, 1, "no form");
    refused("SAVEPOINT a b;", 1, 1, "no form");
}

/// What comes before the first word to a server, whichever it is; and what only looks like that.
#[test]
fn the_first_word_is_found_as_every_server_finds_it() {
    let commits: &[&str] = &[
        "COMMIT",
        "commit work",
        "END",
        "ROLLBACK",
        "abort",
        "ROLLBACK TO s",
        "RELEASE s",
        "PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'",
        "START TRANSACTION",
        "BEGIN",
    ];
    for text in commits {
        for before in [
            "\x0c",
            "\r",
            "\t\r\n",
            "/**/",
            "/*/**/*/",
            "/*/*/x*/*/",
            "--x\r",
            "--x\n",
            "/*\x0b*/",
            ";",
            "/*+ hint */",
            "/*'*/",
            "--'\n",
            "--\\\n",
            "-- /*\n",
            "/*-- */",
        ] {
            let script = read(&format!("SELECT 1;{before}{text};\nSELECT 2;"));
            let about = script.refusals.iter().filter(|r| r.statement == Some(2));
            assert_eq!(about.count(), 1, "{before:?}{text}: {:?}", script.refusals);
        }
        // A vertical tab is white space to some servers only.
        for shown in [format!("\x0b{text}"), text.replacen(' ', "\x0b", 1)] {
            if shown.contains('\x0b') {
                let script = read(&format!("SELECT 1;\n{shown};\nSELECT 2;"));
                let told = script
                    .refusals
                    .iter()
                    .any(|r| r.reason.contains("vertical tab"));
                assert!(told, "{shown:?}: {:?}", script.refusals);
            }
        }
    }
    // These are words of their own, or no words, to every server.
    for text in [
        "\u{a0}COMMIT",
        "\u{feff}COMMIT",
        "\"commit\"",
        "U&\"commit\"",
        "COMMIT1",
        "e'COMMIT'",
    ] {
        accepted(&format!("SELECT 1;{text};\nSELECT 2;"));
    }
    for control in (1..32_u8)
        .chain([127])
        .filter(|b| !b"\t\n\x0c\r".contains(b))
    {
        let control = char::from(control);
        assert!(!read(&format!("SELECT{control}1")).refusals.is_empty());
        accepted(&format!(
            "SELECT '{control}', \"{control}\", $${control}$$ /*{control}*/ --{control}"
        ));
    }
}

#[test]
fn what_a_server_takes_for_several_commands_is_refused_with_its_place() {
    for (text, line, column) in [
        (
            "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1';\nCOMMIT; SELECT 1 AS end;",
            1,
            63,
        ),
        (
            "CREATE PROCEDURE begin(a int)\n; COMMIT; SELECT 1 end;",
            2,
            1,
        ),
        (
            "create or replace function x.begin() AS '';\nCOMMIT; END;",
            1,
            43,
        ),
        (
            "CREATE FUNCTION begin() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT; SELECT 1 end;",
            1,
            63,
        ),
        ("SELECT 1 \\; COMMIT;", 1, 10),
        ("BEGIN \\; SELECT 1;", 1, 7),
        ("SELECT 1\\; SELECT 2;", 1, 9),
    ] {
        let script = read(text);
        let place = |r: &stagegate::runbook::script::ScriptRefusal| (r.line, r.column);
        assert!(
            script.refusals.iter().any(|r| place(r) == (line, column)),
            "{text}: {:?}",
            script.refusals
        );
    }
    accepted(
        "CREATE FUNCTION \"begin\"() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT 1 AS end;",
    );
    accepted(
        "CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT CASE a WHEN 1 THEN 2 END; SELECT 3; END;",
    );
}

#[test]
fn a_setting_on_which_reading_rests_is_refused_however_it_is_named() {
    for text in [
        "SET standard_conforming_strings = off",
        "set session \"Standard_Conforming_Strings\" to off",
        "SET LOCAL standard_conforming_strings TO DEFAULT",
        "RESET standard_conforming_strings",
        "SET U&\"\\0073tandard_conforming_strings\" = off",
        "SET client_encoding = 'SJIS'",
        "SET \"client_encoding\" = SJIS",
        "SET NAMES 'BIG5'",
    ] {
        assert!(!read(text).refusals.is_empty(), "{text}");
    }
    accepted(
        "SET client_encoding = 'UTF8'; SET NAMES 'utf-8'; SET standard_conforming_strings = on; \
         RESET client_encoding; SET \"search_path\" = x",
    );
}

#[test]
fn a_statement_that_changes_a_limit_is_a_finding() {
    let script = accepted(
        "SET statement_timeout = 0;\nSET LOCAL \"lock_timeout\" = 0;\nRESET ALL;\n\
         SELECT set_config('transaction_timeout', '0', false);\n\
         DO $$ BEGIN SET idle_in_transaction_session_timeout = 0; END $$;\nSET search_path = x;",
    );
    let found: Vec<_> = script
        .findings()
        .iter()
        .filter(|finding| finding.rule == "changes-a-limit")
        .map(|finding| (finding.line, finding.statement))
        .collect();
    assert_eq!(found, (1..=5).map(|n| (n, Some(n))).collect::<Vec<_>>());
}

#[test]
fn a_comment_says_that_rows_are_data() {
    let script = accepted(
        "-- the jobs\n-- Stagegate: DATA\nSELECT id, status FROM jobs;\n\
         -- stagegate: data\n\nSELECT 2;\n/* stagegate: data */ SELECT 3;\nSELECT 'stagegate: data';",
    );
    let data: Vec<bool> = script
        .statements
        .iter()
        .map(Statement::returns_data)
        .collect();
    assert_eq!(data, [true, false, true, false]);
    let found = |line| {
        let mut found = script.findings().iter();
        found.any(|f| f.line == line && f.rule == "result-is-data")
    };
    assert!(found(3) && found(7) && !found(6), "{:?}", script.findings());
}

#[test]
fn joined_statements_are_one_query_string() {
    let script = read("SELECT 1\\; SELECT 2;");
    assert_eq!(texts(&script), ["SELECT 1; SELECT 2"]);
    assert_eq!(script.statements[0].span, 0..19);
}

#[test]
fn what_cannot_run_in_a_transaction_is_refused() {
    for text in [
        "CREATE DATABASE d",
        "DROP DATABASE IF EXISTS d",
        "CREATE TABLESPACE s LOCATION '/x'",
        "DROP TABLESPACE s",
        "ALTER DATABASE d SET TABLESPACE s",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "VACUUM",
        "vacuum (full) t",
        "CLUSTER",
        "CLUSTER VERBOSE",
        "CLUSTER (VERBOSE)",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "CREATE UNIQUE INDEX CONCURRENTLY ON t (a)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (CONCURRENTLY) INDEX i",
        "REINDEX (VERBOSE) SCHEMA s",
        "REINDEX DATABASE d",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "DISCARD ALL",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
    ] {
        refused(text, 1, 1, "transaction block");
        refused(&format!("-- c\n/* c */ {text};"), 2, 9, "transaction block");
    }
    for text in [
        "ALTER DATABASE d SET work_mem = '1MB'",
        "CLUSTER t USING i",
        "CLUSTER (VERBOSE) t",
        "REINDEX TABLE t",
        "REINDEX (VERBOSE) INDEX i",
        "ALTER TYPE e ADD VALUE 'x'",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
        "DISCARD TEMP",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = false)",
        "SELECT 'VACUUM'",
        "CREATE TABLE vacuum (database int)",
    ] {
        accepted(text);
    }
}

#[test]
fn meta_commands_are_understood_or_refused() {
    let script = accepted(
        "\\set ON_ERROR_STOP on\n\\timing on\n\\pset pager off\n\\x\n\\echo 'a  b' c\n\
         SELECT 1;\n\\qecho done \\\\ SELECT 2;",
    );
    assert_eq!(texts(&script), ["SELECT 1", "SELECT 2"]);
    let echoes: Vec<_> = script
        .echoes
        .iter()
        .map(|e| (e.behind + 1, e.text.as_str()))
        .collect();
    assert_eq!(echoes, [(1, "a  b c"), (2, "done")]);
    refused("SELECT 1;\n\\! rm x\n", 2, 1, "outside of the database");
    refused("\\connect other", 1, 1, "one session");
    refused("\\set ON_ERROR_STOP off", 1, 1, "first error");
    refused("\\set AUTOCOMMIT off", 1, 1, "AUTOCOMMIT");
    refused("\\set x `date`", 1, 1, "shell");
    refused("\\echo 'x", 1, 1, "never ends");
    refused("SELECT 1 \\gset", 1, 10, "server's answers");
    refused("SELECT 1\n\\echo x\n+ 1;", 2, 1, "inside a statement");
    refused("\\i x.sql", 1, 1, "stands alone");
    refused("\\copy t from 'x'", 1, 1, "stands alone");
    assert_eq!(
        texts(&read("SELECT 1 \\g\nSELECT 2;")),
        ["SELECT 1", "SELECT 2"]
    );
}

#[test]
fn what_pg_dump_and_other_tools_write_is_taken() {
    let script = accepted(
        "\\restrict AbC1\nSELECT 1;\n\\unrestrict AbC1\n\\echo x\n\\unset ECHO\n\\unset x\n\
         \\encoding UTF8\n\\encoding 'utf-8'\n\\encoding\n\\t on\n\\a\n\\H\n\\f ,\n\\C 'a title'\n\\p\n\
         \\errverbose\n\\warn careful\nSELECT 2;\n\\unset ON_ERROR_ROLLBACK\n\\unset SINGLELINE\n",
    );
    assert_eq!(texts(&script), ["SELECT 1", "SELECT 2"]);
    let echoes: Vec<_> = script.echoes.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(echoes, ["x", "careful"]);
    for inside in [
        "\\echo x",
        "\\unset ECHO",
        "\\restrict b",
        "\\i x.sql",
        "\\! id",
        "\\t",
    ] {
        let text = format!("\\restrict a\nSELECT 1;\n{inside}\n\\unrestrict a\n");
        refused(&text, 3, 1, "behind \\restrict");
    }
    refused(
        "\\restrict a\nSELECT 1;\n\\unrestrict b",
        3,
        1,
        "another key",
    );
    refused("SELECT 1;\n\\unrestrict b", 2, 1, "no \\restrict");
    refused("\\restrict", 1, 1, "needs a name");
    // What is refused as \set is refused as \unset, for the same reason.
    accepted("\\unset ON_ERROR_STOP\nSELECT 1;");
    refused("\\unset AUTOCOMMIT", 1, 1, "AUTOCOMMIT");
    refused("\\encoding SJIS", 1, 1, "convert the script");
    // A variable that is unset is text again.
    accepted("\\set n 1\n\\unset n\nSELECT :n;");
}

#[test]
fn copy_of_the_client_is_a_copy_with_the_data_that_were_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it's.csv");
    std::fs::write(&path, "1,a\n2,b\n").unwrap();
    let name = path.display().to_string().replace('\'', "''");
    let read =
        |text: &str| Script::read("x.sql", Some(&folder.path().join("x.sql")), text.as_bytes());
    for (spelling, text) in [
        (
            format!("\\copy s.t (a, \"from\") FROM '{name}' (FORMAT csv)"),
            "COPY s.t (a, \"from\") FROM STDIN (FORMAT csv)",
        ),
        (
            format!("\\COPY t from '{name}' CSV DELIMITER ';' ;"),
            "COPY t FROM STDIN CSV DELIMITER ';'",
        ),
        (format!("\\copy t from '{name}';"), "COPY t FROM STDIN"),
    ] {
        let script = read(&format!("{spelling}\nSELECT 1;"));
        assert_eq!(script.refusals, [], "{spelling}");
        assert_eq!(texts(&script), [text, "SELECT 1"]);
        let first = &script.statements[0];
        assert_eq!((first.kind.as_str(), first.line), ("COPY", 1));
        assert_eq!(script.copy_data(first), Some("1,a\n2,b\n"));
    }
    let text = format!("\\copy t from '{name}'\n");
    let before = read(&text).sha256();
    std::fs::write(&path, "1,a\n2,c\n").unwrap();
    assert_ne!(before, read(&text).sha256());
    let script = read("\\copy t FROM stdin (DELIMITER ',')\n1;2\n\\.\nSELECT 1;");
    assert_eq!(script.refusals, []);
    assert_eq!(script.copy_data(&script.statements[0]), Some("1;2\n"));
    assert_eq!(
        texts(&script),
        ["COPY t FROM STDIN (DELIMITER ',')", "SELECT 1"]
    );
    for (text, why) in [
        ("\\copy t TO 'x'", "writes a file"),
        ("\\copy (SELECT 1 AS \"from\") to 'x'", "writes a file"),
        ("\\COPY t FROM PROGRAM 'cat x'", "runs a program"),
        ("\\copy t from pstdin", "psql's own input"),
        ("\\copy t from '/nowhere/x'", "cannot be read"),
        ("\\copy t from 'x", "never ends"),
        ("\\copy t", "no FROM"),
        ("\\copy t from '/dev/zero'", "not an ordinary file"),
    ] {
        let script = read(&format!("{text}\nSELECT 1;"));
        let reason = &script.refusals[0].reason;
        assert!(reason.contains(why), "{text}: {reason}");
    }
}

#[test]
fn a_file_with_both_halves_of_a_migration_is_a_finding() {
    for (up, down) in [
        ("-- migrate:up", "-- migrate:down transaction:false"),
        ("-- +goose Up", "-- +goose Down"),
        ("--  +migrate   Up", "/* +migrate Down */"),
    ] {
        let halves = |text: &str| -> Vec<usize> {
            let script = accepted(text);
            let found = script.findings().iter();
            found
                .filter(|finding| finding.rule == "both-halves")
                .map(|finding| finding.line)
                .collect()
        };
        let text = format!("{up}\nCREATE TABLE g (i int);\n\n{down}\nDROP TABLE g;\n");
        assert_eq!(halves(&text), [4], "{text}");
        let text = format!("{up}\nCREATE TABLE g (i int);\n{down}\n");
        assert_eq!(halves(&text), [3], "{text}");
        assert_eq!(halves(&format!("{up}\nSELECT 1;")), [] as [usize; 0]);
        assert_eq!(halves(&format!("{down}\nSELECT 1;")), [] as [usize; 0]);
    }
}

#[test]
fn a_variable_is_what_psql_makes_of_it() {
    let text = |text: &str| {
        let script = accepted(text);
        script
            .statements
            .into_iter()
            .map(|one| one.text)
            .collect::<Vec<_>>()
    };
    assert_eq!(text("\\set n 1\nSELECT :n;"), ["SELECT 1"]);
    assert_eq!(text("\\set n 'it''s'\nSELECT :'n';"), ["SELECT 'it''s'"]);
    assert_eq!(
        text("\\set n 'a\\\\b'\nSELECT :'n';"),
        ["SELECT  E'a\\\\b'"]
    );
    assert_eq!(
        text("\\set n 'a\"b'\nSELECT :\"n\";"),
        ["SELECT \"a\"\"b\""]
    );
    assert_eq!(text("SELECT :{?n};"), ["SELECT FALSE"]);
    assert_eq!(text("\\set n\nSELECT :{?n};"), ["SELECT TRUE"]);
    assert_eq!(
        text("\\set n 1\nSELECT ':n', $$ :n $$, a::n, b[1:m];"),
        ["SELECT ':n', $$ :n $$, a::n, b[1:m]"]
    );
    assert_eq!(
        text("\\set q 'SELECT 1; SELECT'\n:q 2;\nSELECT 3;"),
        ["SELECT 1", "SELECT 2", "SELECT 3"]
    );
    refused("SELECT :'DBNAME';", 1, 8, "psql sets that variable itself");
    refused(
        "\\if :SERVER_VERSION_NUM\n\\endif\nSELECT 1;",
        1,
        1,
        "psql sets",
    );
    refused("SELECT 1 \\gset\n", 1, 10, "server's answers");
    refused("\\set a-b 1\nSELECT 1;", 1, 1, "letters");
    refused("\\set ECHO loud\nSELECT 1;", 1, 1, "one of");
    refused("\\set n '\\\\g'\nSELECT 1 :n;", 2, 10, "backslash");
}

#[test]
fn places_are_those_of_the_file_whatever_was_put_into_it() {
    let text =
        "\\set long '1, 2, 3, 4, 5, 6, 7'\nSELECT :long,\n  :long, nothing\nFROM x; SELECT 9;";
    let script = accepted(text);
    let (first, second) = (&script.statements[0], &script.statements[1]);
    assert_eq!((first.line, first.column), (2, 1));
    assert_eq!((second.line, second.column), (4, 9));
    assert_eq!(&script.sources[0].text[second.span.clone()], "SELECT 9");
    let at = first.text.find("nothing").unwrap() + 1;
    assert_eq!(script.place(first, at), Some((3, 10)));
    let at = first.text.rfind('6').unwrap() + 1;
    assert_eq!(script.place(first, at), Some((3, 3)));
    let becomes: Vec<(usize, String)> = (script.sources[0].remarks.iter())
        .map(|remark| (remark.line, remark.words()))
        .collect();
    let line = (2, "sent as: SELECT 1, 2, 3, 4, 5, 6, 7,".to_owned());
    assert_eq!(becomes[0], line);
    assert_eq!(becomes.len(), 2);
}

#[test]
fn what_the_server_would_read_otherwise_than_psql_is_refused() {
    // psql reads each value by itself; the server sees what they make together.
    for text in [
        "\\set a '/* x *'\n:a/ COMMIT; --*/ SELECT 1;",
        "\\set a '''x'''\nSELECT :a' || b --';",
        "\\set a '-- '\nSELECT 1 :a + 2;",
        "\\set a sel\n\\set b ect\n:a:b 1;",
    ] {
        let script = read(text);
        let reasons: Vec<&str> = script
            .refusals
            .iter()
            .map(|one| one.reason.as_str())
            .collect();
        assert!(
            reasons.iter().any(|reason| {
                reason.contains("otherwise than psql") || reason.contains("do not see the same")
            }),
            "{text}: {reasons:?}"
        );
    }
}

#[test]
fn a_branch_that_is_left_out_is_not_sent() {
    let kept = |text: &str| texts(&accepted(text)).join("|");
    assert_eq!(
        kept("\\if true\nSELECT 1;\n\\else\nSELECT 2;\n\\endif"),
        "SELECT 1"
    );
    assert_eq!(
        kept("\\if 0\nSELECT 1;\n\\elif :{?x}\nSELECT 2;\n\\else\nSELECT 3;\n\\endif\nSELECT 4;"),
        "SELECT 3|SELECT 4"
    );
    assert_eq!(
        kept("\\if off\n\\if on\nSELECT 1;\n\\endif\n\\q\nSELECT 'a\\endif';\n\\endif\nSELECT 4;"),
        "SELECT 4"
    );
    assert_eq!(
        kept("SELECT 1\n\\if off\n, 2\n\\else\n, 3\n\\endif\n;"),
        "SELECT 1\n, 3"
    );
    refused("\\if on\nSELECT 1;", 1, 1, "no \\endif");
    refused("SELECT 1;\n\\endif", 2, 1, "no \\if");
    refused(
        "\\if on\n\\else\n\\else\nSELECT 1;\n\\endif",
        3,
        1,
        "behind \\else",
    );
    refused("\\if :x\nSELECT 1;\n\\endif\nSELECT 2;", 1, 1, "not set");
    refused(
        "\\if maybe\nSELECT 1;\n\\endif\nSELECT 2;",
        1,
        1,
        "on or off",
    );
    refused(
        "\\restrict a\n\\if on\n\\endif\n\\unrestrict a\nSELECT 1;",
        2,
        1,
        "\\restrict",
    );
}

#[test]
fn variables_of_the_command_line_are_part_of_what_a_script_is() {
    let given = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        stagegate::runbook::variables::Variables::given(&words)
    };
    let read =
        |words: &[&str]| Script::read_with("x.sql", None, b"SELECT :'x';", &given(words).unwrap());
    let one = read(&["x=1"]);
    assert_eq!(texts(&one), ["SELECT '1'"]);
    assert_ne!(one.sha256(), read(&["x=2"]).sha256());
    assert_ne!(one.sha256(), read(&[]).sha256());
    assert_eq!(one.sha256(), read(&["x=2", "x=1"]).sha256());
    assert_eq!(read(&["x=1", "x"]).sha256(), read(&[]).sha256());
    let told = read(&[]);
    let mut told = told.findings().iter();
    assert!(told.any(|finding| finding.rule == "variable-not-set"));
    given(&["ON_ERROR_STOP=1"]).unwrap();
    for wrong in ["AUTOCOMMIT=off", "a b=1", "VERBOSITY=loud"] {
        assert!(given(&[wrong]).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_not_text_is_refused_where_it_stands() {
    let script = Script::read("x.sql", None, b"SELECT 'a\xffb';\nSELECT 2;");
    assert_eq!(
        (script.refusals[0].line, script.refusals[0].column),
        (1, 10)
    );
    assert_eq!(script.statements[1].span, 14..22);
    let script = Script::read("x.sql", None, b"SELECT 1;\n\0");
    assert_eq!((script.refusals[0].line, script.refusals[0].column), (2, 1));
    refused("SELECT 1;\nSELECT 'a;\n", 2, 8, "string");
    refused("SELECT \"a;\n", 1, 8, "quoted name");
    refused("SELECT 1; /* a\n/* b */", 1, 11, "comment");
    refused("SELECT (1;\nSELECT 2;", 1, 8, "parenthesis");
    refused(
        "CREATE FUNCTION f() RETURNS int\nBEGIN ATOMIC SELECT 1;",
        2,
        1,
        "no END",
    );
    refused("SET standard_conforming_strings = off;", 1, 1, "E'");
    refused("SET client_encoding TO 'LATIN1';", 1, 1, "UTF-8");
    accepted("SET standard_conforming_strings = on; SET client_encoding = 'UTF8';");
}

#[test]
fn sections_and_comments_come_from_the_comments() {
    let script = accepted(
        "-- ======\n-- Some prose\n-- of two lines\n-- ======\n\n\
         BEGIN;\n\
         -- =====================\n-- Migration 011: inbox\n-- =====================\n\n\
         -- Why it is so:\n-- short.\nSELECT 1; -- behind it\n\
         -- of the next\nSELECT 2;\n\
         -- Section: Verification\nSELECT 3;\n",
    );
    let sections: Vec<_> = script
        .statements
        .iter()
        .map(|s| script.section_title(s))
        .collect();
    assert_eq!(
        sections,
        [
            None,
            Some("Migration 011: inbox"),
            Some("Migration 011: inbox"),
            Some("Verification")
        ]
    );
    let comments: Vec<_> = script.statements.iter().map(|s| s.comment()).collect();
    assert_eq!(
        comments,
        [
            None,
            Some("Why it is so:\nshort."),
            Some("of the next"),
            None
        ]
    );
}

#[test]
fn kind_and_relation_are_those_of_the_command_tag() {
    let cases: &[(&str, &str, Option<&str>)] = &[
        (
            "CREATE UNIQUE INDEX IF NOT EXISTS a.i ON ONLY s.t (x)",
            "CREATE INDEX",
            Some("s.t"),
        ),
        (
            "alter table if exists only s.\"T t\" add x int",
            "ALTER TABLE",
            Some("s.\"T t\""),
        ),
        (
            "WITH a AS (SELECT 1 FROM z) UPDATE s.t SET a = 1 FROM b",
            "UPDATE",
            Some("s.t"),
        ),
        ("UPDATE s /* c */ . t SET a = 1", "UPDATE", Some("s.t")),
        ("COMMENT ON COLUMN s.t.c IS 'x'", "COMMENT", Some("s.t")),
        ("COMMENT ON TABLE s.t IS 'x'", "COMMENT", Some("s.t")),
        (
            "SELECT (SELECT 1 FROM q), a FROM x JOIN y ON true",
            "SELECT",
            Some("x"),
        ),
        ("(SELECT 1)", "SELECT", None),
        (
            "WITH a AS (SELECT 1 FROM s.t), b AS (SELECT 1 FROM a) SELECT * FROM b",
            "SELECT",
            Some("s.t"),
        ),
        ("SELECT 1 INTO t FROM x", "SELECT INTO", Some("t")),
        (
            "CREATE TABLE IF NOT EXISTS s.t (a int)",
            "CREATE TABLE",
            Some("s.t"),
        ),
        (
            "CREATE TEMP TABLE t AS SELECT 1",
            "CREATE TABLE AS",
            Some("t"),
        ),
        (
            "CREATE OR REPLACE TRIGGER x BEFORE INSERT ON s.t EXECUTE FUNCTION f()",
            "CREATE TRIGGER",
            Some("s.t"),
        ),
        (
            "CREATE OR REPLACE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE FUNCTION",
            Some("s.f"),
        ),
        ("DROP INDEX IF EXISTS s.i", "DROP INDEX", Some("s.i")),
        ("TRUNCATE ONLY s.t", "TRUNCATE TABLE", Some("s.t")),
        ("LOCK s.t IN SHARE MODE", "LOCK TABLE", Some("s.t")),
        ("INSERT INTO s.t VALUES (1)", "INSERT", Some("s.t")),
        ("DELETE FROM s.t", "DELETE", Some("s.t")),
        ("DO $$ BEGIN END $$", "DO", None),
        ("SET search_path = a", "SET", None),
        (
            "REFRESH MATERIALIZED VIEW s.m",
            "REFRESH MATERIALIZED VIEW",
            Some("s.m"),
        ),
        ("GRANT SELECT ON s.t TO r", "GRANT", Some("s.t")),
        (
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r",
            "ALTER DEFAULT PRIVILEGES",
            None,
        ),
        ("CREATE USER u", "CREATE ROLE", Some("u")),
        ("COPY s.t (a) TO STDOUT", "COPY", Some("s.t")),
        ("CREATE INDEX ON", "CREATE INDEX", None),
        ("frobnicate x", "FROBNICATE", None),
        ("= 1", "UNKNOWN", None),
    ];
    for (text, kind, relation) in cases {
        let script = read(text);
        // Of some only the parse tells the relation.
        script.findings();
        assert_eq!(kinds(&script), [(*kind, *relation)], "{text}");
    }
}

#[test]
fn deep_and_long_statements_do_not_reach_the_parser() {
    for n in [400, 900, 2_900, 20_000] {
        let texts = [
            format!("SELECT {}1{};", "(".repeat(n), ")".repeat(n)),
            format!("SELECT 1{};", "+1".repeat(n)),
            format!("SELECT {} true FROM x;", "NOT ".repeat(n)),
            format!("SELECT {} 1;", "- ".repeat(n)),
            format!(
                "SELECT {}1{};",
                "CASE WHEN ".repeat(n),
                " THEN 1 END".repeat(n)
            ),
            format!("SELECT 1{};", " UNION ALL SELECT 1".repeat(n)),
            format!("SELECT a{};", "[1]".repeat(n)),
            format!("SELECT {}1{};", "ARRAY[".repeat(n), "]".repeat(n)),
            format!("SELECT a{} FROM x;", "::int".repeat(n)),
            format!("SELECT * FROM a{};", " JOIN b ON true".repeat(n)),
            format!("SELECT {} 1{};", "f(1, NOT ".repeat(n), ")".repeat(n)),
            format!("{} SELECT 1;", "EXPLAIN ".repeat(n)),
            format!("SELECT {};", "a.".repeat(n)),
            format!("CREATE SCHEMA s {};", "CREATE TABLE t (a int) ".repeat(n)),
            format!("{};", "BEGIN ATOMIC ".repeat(n)),
            format!("INSERT INTO t VALUES {} (1);", "(1, 'x'), ".repeat(n)),
        ];
        for text in texts {
            assert_eq!(read(&text).statements.len(), 1);
        }
    }
}

fn spans_are_in_order(script: &Script) -> Result<(), TestCaseError> {
    let (mut end, mut numbered) = (0, 0);
    for statement in &script.statements {
        let Statement {
            number, span, text, ..
        } = statement;
        numbered += usize::from(!statement.fate.is_the_gates());
        prop_assert_eq!(*number, numbered);
        prop_assert!(span.start >= end && span.start < span.end);
        let source = &script.sources[statement.source].text;
        prop_assert!(source.get(span.clone()).is_some());
        if script.refusals.is_empty() && !source[span.clone()].contains('\\') {
            prop_assert_eq!(text.as_str(), &source[span.clone()]);
        }
        if let Some(data) = statement.copy_data() {
            prop_assert!(data.start >= span.end && source.get(data).is_some());
        } else {
            end = span.end;
        }
    }
    for refusal in &script.refusals {
        prop_assert!(refusal.line >= 1 && refusal.column >= 1 && !refusal.reason.is_empty());
    }
    Ok(())
}

const PIECES: &[&str] = &[
    "SELECT",
    " ",
    "\n",
    "\r\n",
    ";",
    "'",
    "\"",
    "$$",
    "$a$",
    "(",
    ")",
    "--",
    "/*",
    "*/",
    "\\",
    "\\;",
    "\\:",
    ":a",
    ":'a'",
    "E'",
    "e'",
    "U&'",
    "b'",
    "BEGIN",
    "END",
    "CASE",
    "CREATE",
    "FUNCTION",
    "COPY t FROM STDIN;",
    "\\.\n",
    "\\g",
    "\\echo",
    "COMMIT",
    "1e-",
    "1",
    "$1",
    "..",
    "::",
    "[",
    "]",
    ",",
    "ü",
    "\u{202e}",
    "\u{feff}",
    "table",
    "a.b",
    "UPDATE t SET",
    "WITH",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        spans_are_in_order(&Script::read("x", None, &bytes))?;
    }

    #[test]
    fn any_mixture_of_sql_is_read(picks in proptest::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = picks.iter().map(|&pick| PIECES[pick]).collect();
        let script = read(&text);
        spans_are_in_order(&script)?;
        // The places agree with the text.
        for statement in &script.statements {
            let before = &script.sources[0].text[..statement.span.start];
            prop_assert_eq!(statement.line, before.matches('\n').count() + 1);
        }
    }
}
