//! `\d NAME` and `\dt` as questions to the catalogs: what a table looks like inside the transaction.
//!
//! Functions, operators and types are named with their schema, whatever somebody created in `public` and
//! wherever the script's search_path leads. Each becomes one SELECT, which goes the way of every other
//! question; psql's patterns and its other words stay unknown.

/// Every table that is not the server's own.
const TABLES: &str = "SELECT n.nspname AS schema, c.relname AS name, \
    CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN 'partitioned table' \
    WHEN c.relkind OPERATOR(pg_catalog.=) 'f' THEN 'foreign table' ELSE 'table' END AS kind, \
    pg_catalog.pg_get_userbyid(c.relowner) AS owner \
    FROM pg_catalog.pg_class AS c \
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
    WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,f}'::pg_catalog.\"char\"[]) \
    AND n.nspname::pg_catalog.text OPERATOR(pg_catalog.!~) '^pg_'::pg_catalog.text \
    AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'::pg_catalog.name \
    ORDER BY 1, 2";

/// Columns in their order, then indexes, constraints and triggers of the relation `$`. From 18 on NOT NULL is
/// a constraint as well, and stands with its column already.
const PARTS: &str = "SELECT what, name, definition FROM (\
    SELECT 1 AS rank, a.attnum::pg_catalog.int4 AS place, 'column'::pg_catalog.text AS what, \
    a.attname::pg_catalog.text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) \
    OPERATOR(pg_catalog.||) CASE WHEN a.attnotnull THEN ' not null' ELSE '' END \
    OPERATOR(pg_catalog.||) COALESCE(' default ' OPERATOR(pg_catalog.||) \
    pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') AS definition \
    FROM pg_catalog.pg_attribute AS a \
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid OPERATOR(pg_catalog.=) a.attrelid \
    AND d.adnum OPERATOR(pg_catalog.=) a.attnum \
    WHERE a.attrelid OPERATOR(pg_catalog.=) $ AND a.attnum OPERATOR(pg_catalog.>) 0 \
    AND NOT a.attisdropped \
    UNION ALL SELECT 2, 0, 'index', c.relname::pg_catalog.text, pg_catalog.pg_get_indexdef(i.indexrelid) \
    OPERATOR(pg_catalog.||) CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END \
    FROM pg_catalog.pg_index AS i \
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
    WHERE i.indrelid OPERATOR(pg_catalog.=) $ \
    UNION ALL SELECT 3, 0, 'constraint', o.conname::pg_catalog.text, pg_catalog.pg_get_constraintdef(o.oid) \
    FROM pg_catalog.pg_constraint AS o WHERE o.conrelid OPERATOR(pg_catalog.=) $ \
    AND o.contype OPERATOR(pg_catalog.<>) 'n' \
    UNION ALL SELECT 4, 0, 'trigger', t.tgname::pg_catalog.text, pg_catalog.pg_get_triggerdef(t.oid) \
    FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid OPERATOR(pg_catalog.=) $ AND NOT t.tgisinternal\
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
