//! Scripts of every size, written where they are needed.

use std::fmt::Write;

/// The check that lets a script's run be told as good.
pub const CHECK: &str = "SELECT 'done' AS check_name, 'PASS' AS status;\n";

/// So many small INSERTs into one table.
pub fn inserts(count: usize) -> String {
    let mut text = "CREATE TABLE bench_small(id int, note text);\n".to_owned();
    for n in 0..count {
        let _ = writeln!(text, "INSERT INTO bench_small VALUES ({n}, 'note {n}');");
    }
    text + CHECK
}

/// So many statements of one row each.
pub fn selects(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        let _ = writeln!(text, "SELECT {n} AS n;");
    }
    text + CHECK
}

/// So many statements of 3,000 rows of 1 kB each.
pub fn wide_results(count: usize) -> String {
    let one = "SELECT g, repeat('x', 1000) AS filler FROM generate_series(1, 3000) AS g;\n";
    one.repeat(count) + CHECK
}

/// So many notices of 20 kB, from a thousand in each statement.
pub fn notices(count: usize) -> String {
    let one = "DO $$ BEGIN FOR i IN 1..1000 LOOP RAISE NOTICE '%', repeat('x', 20000); END LOOP; END $$;\n";
    one.repeat(count / 1_000) + CHECK
}

/// So many statements, `bytes` in all.
pub fn bulk(count: usize, bytes: usize) -> String {
    let filler = "x".repeat((bytes / count).saturating_sub(60).max(1));
    let mut text = "CREATE TABLE bench_bulk(id int, note text);\n".to_owned();
    for n in 0..count {
        let _ = writeln!(text, "INSERT INTO bench_bulk VALUES ({n}, '{filler}');");
    }
    text + CHECK
}

/// So many lines of ADD COLUMN in one ALTER TABLE each.
pub fn add_columns(count: usize) -> String {
    let mut text = "CREATE TABLE bench_wide(id int);\n".to_owned();
    for n in 0..count {
        let _ = writeln!(text, "ALTER TABLE bench_wide ADD COLUMN c{n} int;");
    }
    text
}

pub fn one_insert(rows: usize) -> String {
    let mut text = "INSERT INTO bench_small VALUES\n".to_owned();
    for n in 0..rows {
        let end = if n + 1 == rows { ";" } else { "," };
        let _ = writeln!(text, "({n}, 'note {n}'){end}");
    }
    text
}

/// DDL as migrations have it, on tables of its own: 30 statements.
pub fn ddl() -> String {
    let mut text = String::new();
    for n in 0..10 {
        let _ = writeln!(
            text,
            "CREATE TABLE bench_ddl_{n}(id int PRIMARY KEY, note text);\n\
             ALTER TABLE bench_ddl_{n} ADD COLUMN at timestamptz;\n\
             CREATE INDEX bench_ddl_{n}_at ON bench_ddl_{n}(at);"
        );
    }
    text + CHECK
}

pub fn to_be_altered() -> String {
    let mut text = String::new();
    for n in 0..10 {
        let _ = writeln!(
            text,
            "CREATE TABLE bench_there_{n}(id int PRIMARY KEY, note text);"
        );
    }
    text
}

/// DDL on tables that are there already, which others may read: 30 statements.
pub fn alters() -> String {
    let mut text = String::new();
    for n in 0..10 {
        let _ = writeln!(
            text,
            "ALTER TABLE bench_there_{n} ADD COLUMN at timestamptz;\n\
             CREATE INDEX bench_there_{n}_at ON bench_there_{n}(at);\n\
             COMMENT ON COLUMN bench_there_{n}.at IS 'when';"
        );
    }
    text + CHECK
}

/// 30 columns, one a statement, on 3 tables that are there already.
pub fn columns() -> String {
    let mut text = String::new();
    for n in 0..30 {
        let table = n % 3;
        let _ = writeln!(text, "ALTER TABLE bench_there_{table} ADD COLUMN c{n} int;");
    }
    text + CHECK
}

/// Statements that take so long each, in seconds.
pub fn sleeps(count: usize, seconds: f64) -> String {
    let mut text = String::new();
    for _ in 0..count {
        let _ = writeln!(text, "SELECT pg_sleep({seconds});");
    }
    text + CHECK
}

/// The script with marks in the server's log around it, each with the server's clock in seconds, to the
/// microsecond.
pub fn marked(script: &str) -> String {
    let mark = |words: &str| {
        format!("DO $$BEGIN RAISE LOG '{words} %', extract(epoch FROM clock_timestamp()); END$$;\n")
    };
    format!("{}{script}{}", mark(OPENS), mark(CLOSES))
}

/// What stands before the time in the mark at the beginning.
pub const OPENS: &str = "bench window opens at";

/// The same at the end.
pub const CLOSES: &str = "bench window closes at";

/// The same as psql takes it: its own BEGIN, and ROLLBACK at the end.
pub fn for_psql(script: &str) -> String {
    format!("BEGIN;\n{script}ROLLBACK;\n")
}
