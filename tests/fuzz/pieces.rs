//! Scripts that are made to be read in two ways.
//!
//! A script is a handful of pieces, one behind the other. A piece hides a word that ends or divides
//! the transaction where the reader and some server, or the same server with another setting, may
//! see the end of a statement at different places.

use crate::random::Dice;

/// What must never reach a server as a command of its own.
const CONTROL: &[&str] = &[
    "COMMIT",
    "COMMIT",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
    "COMMIT WORK",
    "END TRANSACTION",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "ABORT AND NO CHAIN",
    "COMMIT AND NO CHAIN",
    "BEGIN",
    "START TRANSACTION",
    "SAVEPOINT s",
    "RELEASE s",
    "ROLLBACK TO s",
    "PREPARE TRANSACTION 'x'",
    "COMMIT PREPARED 'x'",
    "SET TRANSACTION READ WRITE",
    "SET transaction_read_only = off",
    "RESET transaction_read_only",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "DISCARD ALL",
];

/// What may stand between words: white space of some servers, of all, of none.
const GAPS: &[&str] = &[
    " ",
    " ",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\u{85}",
    "\u{a0}",
    "\u{feff}",
    "\u{2028}",
    "\u{200b}",
    "\u{3000}",
    "/**/",
    "/*/*x*/*/",
    "/*'*/",
    "/*\\*/",
    "/*あ*/",
    "/*表*/",
    "--x\n",
    "--x\r",
    "--'\n",
    "--\\\n",
    "--表\n",
    "-- /*\n",
    "\\;",
    ";",
    "/*+ x */",
    "",
];

/// Characters whose bytes end like ASCII to somebody.
const WIDE: &[&str] = &[
    "あ",
    "表",
    "é",
    "ß",
    "ソ",
    "\u{a0}",
    "€",
    "한",
    "\u{10ffff}",
    "能",
    "～",
];

/// Statements in which a command is hidden (`@`); `~` is a wide character, `^` a gap.
const HIDERS: &[&str] = &[
    "SELECT '\\' || '; @; SELECT 1; --';",
    "SELECT '\\'^; @; --';",
    "SELECT '~\\' || '; @; --';",
    "SELECT n'\\'; @; --';",
    "SELECT E'~\\'; @; --';",
    "SELECT E'~~\\'; @; --';",
    "SELECT E'~\\\\'; @; --';",
    "SELECT '~'; @; --';",
    "SELECT \"~\\\"; @; --\";",
    "SELECT E'a'\n'\\'; @; --';",
    "SELECT E'a'^'\\'; @; --';",
    "SELECT E'a' --\r'\\'; @; --';",
    "SELECT U&'\\0027; @; --';",
    "SELECT U&'!0027; @; --' UESCAPE '!';",
    "SELECT U&\"\\0022; @; --\";",
    "SELECT b'0''; @; --';",
    "SELECT x'1'^'; @; --';",
    "SELECT 0e'\\'; @; --';",
    "SELECT 0x'\\'; @; --';",
    "SELECT 1e--\n1; @;",
    "SELECT 1.e'\\'; @; --';",
    "SELECT $1e'\\'; @; --';",
    "SELECT $$; @; $$;",
    "SELECT $a$; @; $A$; @; $a$;",
    "SELECT $~$; @; $~$;",
    "SELECT a$a$; @; $a$ FROM (SELECT 1) t(a$a$);",
    "SELECT 1$a$; @; --$a$;",
    "SELECT (1; @; SELECT 2);",
    "SELECT [1; @; SELECT 2];",
    "CREATE RULE r AS ON INSERT TO mark DO ALSO (SELECT 1; @);",
    "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'; @; SELECT 1 AS end;",
    "CREATE^FUNCTION^begin() RETURNS int LANGUAGE sql AS 'SELECT 1'; @; SELECT 1 AS end;",
    "CREATE OR REPLACE PROCEDURE begin() LANGUAGE sql AS 'SELECT 1'; @; SELECT 1 AS end;",
    "CREATE FUNCTION begin() RETURNS int BEGIN ATOMIC SELECT 1; END; @; SELECT 1 AS end;",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; @; END;",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;",
    "CREATE FUNCTION f(case int) RETURNS int BEGIN ATOMIC SELECT 1; END; @;",
    "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC @; END;",
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$BEGIN @; END$$; CALL p();",
    "CREATE PROCEDURE p() LANGUAGE sql AS '@'; CALL p();",
    "CREATE SCHEMA begin CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; @; END;",
    "DO $$ BEGIN @; END $$;",
    "DO 'BEGIN EXECUTE ''@''; END';",
    "DO LANGUAGE plpgsql $x$ BEGIN PERFORM 1; @; EXCEPTION WHEN OTHERS THEN @; END $x$;",
    "PREPARE q AS @;",
    "PREPARE q AS SELECT 1; EXECUTE q; DEALLOCATE q;",
    "EXPLAIN ANALYZE @;",
    "EXPLAIN @;",
    "DECLARE c CURSOR FOR @;",
    "SELECT 1^;^@;",
    "SELECT 1 \\; @;",
    "SELECT 1 \\g @;",
    "SELECT 1 \\: @;",
    "SELECT 1 \\gset\n@;",
    "\\echo x \\\\ @;",
    "\\set x '; @;'\nSELECT :x;",
    "SELECT :'x; @; ';",
    "SELECT 1 :: int; SELECT a[1:2] FROM (SELECT ARRAY[1]) t(a);",
    "SELECT 1 /*^@^*/;",
    "SELECT 1 --^@;\n;",
    "SELECT 1 /*/*/ @ */;",
    "SELECT 1 +/* @; */ 1; SELECT 1 @-- @;\n 1;",
    "COPY mark FROM STDIN;\n1\n\\.\n",
    "COPY mark FROM STDIN; @;\n1\n\\.\n",
    "COPY mark FROM STDIN;\n@;\n",
    "COPY mark TO STDOUT; @;",
    "COPY (SELECT '\\'; @; --') TO STDOUT;",
    "^@^;",
    "~@;",
    "\"@\";",
    "@",
];

/// Statements that change how a server reads what follows.
const SWITCHES: &[&str] = &[
    "SELECT set_config('standard_conforming_strings', 'off', false);",
    "SELECT set_config('standard_conforming_strings', 'off', true);",
    "DO $$ BEGIN SET standard_conforming_strings = off; END $$;",
    "DO $$ BEGIN SET LOCAL backslash_quote = on; END $$;",
    "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings';",
    "SET \"standard_conforming_strings\" = off;",
    "SET backslash_quote = on;",
    "SELECT set_config('client_encoding', '#', false);",
    "SELECT set_config('client_encoding', '#', true);",
    "DO $$ BEGIN SET client_encoding = '#'; END $$;",
    "UPDATE pg_settings SET setting = '#' WHERE name = 'client_encoding';",
    "CREATE FUNCTION g() RETURNS text LANGUAGE sql SET client_encoding = '#' AS $$SELECT 'x'$$; SELECT g();",
    "CREATE FUNCTION h() RETURNS text LANGUAGE sql SET standard_conforming_strings = off AS $$SELECT 'x'$$; SELECT h();",
    "RESET client_encoding;",
    "RESET ALL;",
    "SELECT set_config('transaction_read_only', 'off', false);",
    "SELECT set_config('transaction_read_only', NULL, true);",
    "SELECT set_config('default_transaction_read_only', 'off', false);",
    "DO $$ BEGIN RESET transaction_read_only; INSERT INTO mark DEFAULT VALUES; END $$;",
    "DO $$ BEGIN PERFORM set_config('transaction_read_only', NULL, true); END $$;",
    "SELECT set_config('transaction_isolation', 'serializable', true);",
    "SET search_path = trap, public;",
    "SET ROLE NONE;",
];

const ENCODINGS: &[&str] = &[
    "SJIS",
    "SHIFT_JIS_2004",
    "BIG5",
    "GBK",
    "GB18030",
    "UHC",
    "JOHAB",
    "EUC_JP",
    "LATIN1",
    "WIN1252",
    "SQL_ASCII",
    "MULE_INTERNAL",
    "UTF8",
];

/// What would show that a transaction was committed.
const MARKS: &[&str] = &[
    "INSERT INTO mark DEFAULT VALUES;",
    "INSERT INTO mark DEFAULT VALUES;",
    "CREATE TABLE made (i int);",
    "WITH m AS (INSERT INTO mark DEFAULT VALUES RETURNING 1) SELECT 'PASS' AS status FROM m;",
    "SELECT 'PASS' AS status;",
];

/// What is put anywhere, to break something.
const SHARDS: &[&str] = &[
    "'", "\"", "\\", ";", "$", "$$", "(", ")", "--", "/*", "*/", "\n", "\r", "\x0b", "\x0c", "E'",
    "U&'", "b'", "x'", ":", "::", "\\;", "begin", "end", "case", "あ", "表", "é", "\u{a0}",
    "\u{feff}", "0x", "1e", "$a$", "\\.", "\\g", "COMMIT", ";COMMIT;", " ",
];

fn one<'a>(dice: &mut Dice, of: &[&'a str]) -> &'a str {
    of[dice.of(0..of.len() as u64) as usize]
}

/// A command that ends or divides, as somebody may write it.
fn control(dice: &mut Dice) -> String {
    let mut text = String::new();
    if dice.percent(25) {
        text.push_str(one(dice, GAPS));
    }
    for (index, word) in one(dice, CONTROL).split(' ').enumerate() {
        if index > 0 {
            text.push_str(if dice.percent(70) {
                " "
            } else {
                one(dice, GAPS)
            });
        }
        match dice.of(0..12) {
            0 => text.push_str(&word.to_lowercase()),
            1 => text.extend(word.chars().map(|c| match dice.percent(50) {
                true => c.to_ascii_lowercase(),
                false => c,
            })),
            2 => text.push_str(&format!("\"{word}\"")),
            _ => text.push_str(word),
        }
    }
    if dice.percent(10) {
        text.push_str(one(dice, GAPS));
    }
    text
}

fn filled(dice: &mut Dice, template: &str) -> String {
    let mut text = String::new();
    for c in template.chars() {
        match c {
            '@' => text.push_str(&control(dice)),
            '~' => text.push_str(one(dice, WIDE)),
            '^' => text.push_str(one(dice, GAPS)),
            '#' => text.push_str(one(dice, ENCODINGS)),
            other => text.push(other),
        }
    }
    text
}

/// A script. Its first statement would be seen by everybody if it were committed.
pub fn script(dice: &mut Dice) -> String {
    let mut text = "INSERT INTO mark DEFAULT VALUES;\n".to_owned();
    if dice.percent(35) {
        let switch = one(dice, SWITCHES);
        text.push_str(&filled(dice, switch));
        text.push('\n');
    }
    for _ in 0..dice.of(1..4) {
        let piece = match dice.of(0..10) {
            0 => one(dice, SWITCHES),
            1 | 2 => one(dice, MARKS),
            _ => one(dice, HIDERS),
        };
        text.push_str(&filled(dice, piece));
        text.push_str(if dice.percent(80) {
            "\n"
        } else {
            one(dice, GAPS)
        });
    }
    if dice.percent(20) {
        for _ in 0..dice.of(1..4) {
            let at: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = at[dice.of(0..at.len() as u64) as usize];
            match dice.of(0..3) {
                0 => {
                    text.remove(at);
                }
                _ => text.insert_str(at, one(dice, SHARDS)),
            }
        }
    }
    text
}

/// The same for a session that only looks: nothing of it may write.
pub fn checks(dice: &mut Dice) -> String {
    let text = script(dice);
    let behind = text.split_once('\n').map_or("", |(_, behind)| behind);
    let mut checks = "SELECT 'PASS' AS status;\n".to_owned();
    checks.push_str(behind);
    if dice.percent(50) {
        checks.push_str("\nINSERT INTO mark DEFAULT VALUES;");
    }
    checks
}
