//! What the catalog says of tables, spelt once.
//!
//! Operators are qualified: whoever may make one in a schema of the search path could otherwise act
//! with our role.

use super::session::read_only::{literal, on_the_own_path};
use crate::runbook::objects::Name;

/// How many rows the planner thinks that the table `t` of the query has, NULL where it was never
/// analysed: the catalog has -1 then, and before PostgreSQL 14 it has 0. It needs `t.reltuples` and
/// `t.relpages`.
pub fn estimated_rows(t: &str) -> String {
    format!(
        "CASE WHEN {t}.reltuples OPERATOR(pg_catalog.<) 0 \
         OR ({t}.relpages OPERATOR(pg_catalog.=) 0 AND {t}.reltuples OPERATOR(pg_catalog.=) 0 \
         AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 \
         OPERATOR(pg_catalog.<) 140000) \
         THEN NULL ELSE {t}.reltuples::pg_catalog.int8 END"
    )
}

/// The relations of those names as `c`, in schema `n`, each with `w.number`, its place among them: to
/// stand behind FROM. A name without a schema is what the session's own path finds; with `elsewhere`,
/// where that finds nothing, whatever has the name, for a script may set a path of its own.
pub fn named(names: &[Name], elsewhere: bool) -> String {
    let row = |(number, name): (usize, &Name)| {
        let schema = name.schema.as_deref().map_or("NULL".to_owned(), literal);
        format!("({number}, {schema}, {})", literal(&name.name))
    };
    let rows: Vec<String> = names.iter().enumerate().map(row).collect();
    let rows = match rows.as_slice() {
        [] => "(0, NULL, NULL)".to_owned(),
        rows => rows.join(", "),
    };
    let own = match elsewhere {
        false => on_the_own_path(),
        true => format!("COALESCE({}, true)", on_the_own_path()),
    };
    format!(
        "(VALUES {rows}) AS w (number, space, name) \
         JOIN pg_catalog.pg_class c ON c.relname OPERATOR(pg_catalog.=) w.name::pg_catalog.name \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         AND (n.nspname OPERATOR(pg_catalog.=) w.space::pg_catalog.name \
         OR (w.space IS NULL AND {own}))"
    )
}
