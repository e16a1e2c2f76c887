//! `\d NAME` and `\dt` as questions to the catalogs: what a table looks like inside the transaction.
//!
//! Names and types are such that the server's own functions and operators match exactly, whatever somebody
//! created in `public`. Each becomes one SELECT, which goes the way of every other question; psql's
//! patterns and its other words stay unknown.

/// Every table that is not the server's own.
const TABLES: &str = "SELECT n.nspname AS schema, c.relname AS name, \
    CASE c.relkind WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind, \
    pg_catalog.pg_get_userbyid(c.relowner) AS owner \
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname::text !~ '^pg_'::text \
    AND n.nspname <> 'information_schema'::name \
    ORDER BY 1, 2";

/// Columns in their order, then indexes, constraints and triggers of the relation `$`. From 18 on NOT NULL is
/// a constraint as well, and stands with its column already.
const PARTS: &str = "SELECT what, name, definition FROM (\
    SELECT 1 AS rank, a.attnum::int AS place, 'column'::text AS what, a.attname::text AS name, \
    pg_catalog.format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END \
    || COALESCE(' default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') AS definition \
    FROM pg_catalog.pg_attribute AS a \
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attrelid = $ AND a.attnum > 0 AND NOT a.attisdropped \
    UNION ALL SELECT 2, 0, 'index', c.relname::text, pg_catalog.pg_get_indexdef(i.indexrelid) \
    || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END \
    FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid WHERE i.indrelid = $ \
    UNION ALL SELECT 3, 0, 'constraint', o.conname::text, pg_catalog.pg_get_constraintdef(o.oid) \
    FROM pg_catalog.pg_constraint AS o WHERE o.conrelid = $ AND o.contype <> 'n' \
    UNION ALL SELECT 4, 0, 'trigger', t.tgname::text, pg_catalog.pg_get_triggerdef(t.oid) \
    FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = $ AND NOT t.tgisinternal\
    ) AS parts ORDER BY rank, place, name";

/// The SELECT that `text` stands for; `None` for every other text.
pub(super) fn select_for(text: &str) -> Option<String> {
    let text = text.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    if matches!(text, "\\d" | "\\dt") {
        return Some(TABLES.to_owned());
    }
    let (word, name) = text.split_once(char::is_whitespace)?;
    let name = name.trim();
    // What would end the literal, or be read otherwise by some servers, is in no sane name.
    let safe = !name.is_empty() && !name.contains(['\'', '\\', '*', '?', ';', '\0']);
    (word == "\\d" && safe).then(|| {
        let relation = format!("pg_catalog.to_regclass('{name}')::pg_catalog.oid");
        PARTS.replace('$', &relation)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::question::{Question, Unfit};

    #[test]
    fn what_describes_is_one_select_and_nothing_else_is_known() {
        for text in [
            "\\d",
            "\\dt;",
            "\\d service_ops.packet_decision",
            "\\d \"Odd name\" ;",
        ] {
            let question = Question::read(text).unwrap();
            assert_eq!(question.text(), text.trim());
            let sent = select_for(text).unwrap();
            assert_eq!(
                question.statement(),
                Question::read(&sent).unwrap().statement()
            );
            assert_eq!(question.position(60), None);
        }
        for text in [
            "\\d t') IS NULL OR ('a",
            "\\d t\\",
            "\\d t; COMMIT",
            "\\d a*",
            "\\dn",
            "\\d+ t",
            "\\dt t",
            "\\! ls",
        ] {
            assert_eq!(Question::read(text).unwrap_err(), Unfit::Meta, "{text}");
        }
    }
}
