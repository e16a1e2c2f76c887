//! What the catalog says of tables, spelt once.
//!
//! Operators are qualified: whoever may make one in a schema of the search path could otherwise act
//! with our role.

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
