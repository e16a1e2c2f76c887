//! The questions about the script's tables, and what their rows mean.
//!
//! Safe for a role with nothing but CONNECT: names are compared as text, because looking one up
//! raises without USAGE on its schema. What needs a lock on a table (its size) is a question of its
//! own, so that a lock in the way costs only that.

use super::{CatalogColumn, CatalogTable, InspectedTable, TableLock, TablePart};
use crate::database::others::{self, COLUMNS, SESSION};
use crate::database::tables::{estimated_rows, named};
use crate::facts::{Millis, OtherSession};
use crate::runbook::check::{ResultRow, ResultSet};
use crate::runbook::lock::LockMode;
use crate::runbook::objects::Name;
use std::collections::HashMap;

/// From when on a transaction counts as long, in seconds.
pub(super) const LONG: u32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CatalogQuestion {
    Tables,
    Columns,
    Indexes,
    Constraints,
    Triggers,
    Sizes,
    Locks,
    Long,
    Sees,
}

impl CatalogQuestion {
    /// Each, and what it is about, for when it is not answered.
    pub(super) const ALL: [(CatalogQuestion, &str); 9] = [
        (CatalogQuestion::Tables, "the tables"),
        (CatalogQuestion::Columns, "the columns"),
        (CatalogQuestion::Indexes, "the indexes"),
        (CatalogQuestion::Constraints, "the constraints"),
        (CatalogQuestion::Triggers, "the triggers"),
        (CatalogQuestion::Sizes, "the sizes of tables and indexes"),
        (CatalogQuestion::Locks, "locks on the tables"),
        (CatalogQuestion::Long, "long transactions"),
        (
            CatalogQuestion::Sees,
            "what this role may see of other sessions",
        ),
    ];

    pub(super) fn sql(self, names: &[Name]) -> String {
        let tables = tables(names);
        match self {
            CatalogQuestion::Tables => format!(
                "SELECT t.oid, t.name, t.relkind, pg_catalog.pg_get_userbyid(t.relowner), \
                 {}, pg_catalog.has_schema_privilege(t.relnamespace, 'USAGE') \
                 AND pg_catalog.has_table_privilege(t.oid, 'SELECT') \
                 FROM ({tables}) t ORDER BY t.name",
                estimated_rows("t")
            ),
            CatalogQuestion::Columns => format!(
                "SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
                 pg_catalog.concat_ws(' ', CASE WHEN a.attnotnull THEN 'NOT NULL' END, \
                 CASE WHEN a.attidentity <> '' THEN 'GENERATED AS IDENTITY' \
                 WHEN a.attgenerated <> '' \
                 THEN 'GENERATED AS (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ')' \
                 ELSE 'DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) END), \
                 a.attnotnull, CASE WHEN a.attgenerated = '' \
                 THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END, \
                 a.attidentity::pg_catalog.text || a.attgenerated::pg_catalog.text \
                 FROM ({tables}) t \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid \
                 LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                 WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"
            ),
            CatalogQuestion::Indexes => format!(
                "SELECT i.indrelid, c.relname, pg_catalog.pg_get_indexdef(i.indexrelid), \
                 CASE WHEN NOT i.indisvalid THEN 'INVALID' WHEN NOT i.indisready THEN 'not ready' END, \
                 i.indexrelid \
                 FROM ({tables}) t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid \
                 JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
                 ORDER BY i.indrelid, NOT i.indisprimary, NOT i.indisunique, c.relname"
            ),
            CatalogQuestion::Constraints => format!(
                "SELECT k.conrelid, k.conname, pg_catalog.pg_get_constraintdef(k.oid), \
                 CASE WHEN NOT k.convalidated THEN 'not validated' END, NULL \
                 FROM ({tables}) t JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid \
                 WHERE k.contype <> 'n' \
                 ORDER BY k.conrelid, pg_catalog.strpos('pufxc', k.contype::pg_catalog.text), k.conname"
            ),
            CatalogQuestion::Triggers => format!(
                "SELECT g.tgrelid, g.tgname, pg_catalog.pg_get_triggerdef(g.oid), \
                 CASE WHEN g.tgenabled = 'D' THEN 'disabled' END, NULL \
                 FROM ({tables}) t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid \
                 WHERE NOT g.tgisinternal ORDER BY g.tgrelid, g.tgname"
            ),
            CatalogQuestion::Sizes => format!(
                "SELECT t.oid, pg_catalog.pg_size_pretty(pg_catalog.pg_table_size(t.oid)), \
                 pg_catalog.pg_size_pretty(pg_catalog.pg_indexes_size(t.oid)), \
                 pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size(t.oid)) \
                 FROM ({tables}) t WHERE t.relkind IN ('r', 'm', 'p') \
                 UNION ALL \
                 SELECT i.indexrelid, \
                 pg_catalog.pg_size_pretty(pg_catalog.pg_relation_size(i.indexrelid)), NULL, NULL \
                 FROM ({tables}) t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid"
            ),
            CatalogQuestion::Locks => format!(
                "SELECT l.pid, {SESSION}, t.name, l.mode, l.granted \
                 FROM pg_catalog.pg_locks l JOIN ({tables}) t ON t.oid = l.relation \
                 LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
                 WHERE l.locktype = 'relation' \
                 AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
                 AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                 WHERE datname = pg_catalog.current_database()) \
                 ORDER BY t.name, NOT l.granted, a.xact_start, l.pid"
            ),
            CatalogQuestion::Long => format!(
                "SELECT a.pid, {SESSION} \
                 FROM pg_catalog.pg_stat_activity a \
                 WHERE a.datname = pg_catalog.current_database() \
                 AND a.pid <> pg_catalog.pg_backend_pid() \
                 AND pg_catalog.clock_timestamp() - a.xact_start \
                 > pg_catalog.make_interval(secs => {LONG}) \
                 ORDER BY a.xact_start LIMIT 50"
            ),
            CatalogQuestion::Sees => {
                "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')".to_owned()
            }
        }
    }
}

/// The relations of those names, as a subquery. A name without a schema is what the role's search path
/// finds.
fn tables(names: &[Name]) -> String {
    format!(
        "SELECT DISTINCT c.oid, c.relkind, c.relowner, c.reltuples, c.relpages, c.relnamespace, \
         pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name \
         FROM {} WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v')",
        named(names, false)
    )
}

#[derive(Debug, Default)]
pub(super) struct CatalogAnswers {
    by: HashMap<u8, Vec<ResultRow>>,
}

fn read_cell(row: &ResultRow, at: usize) -> String {
    optional(row, at).unwrap_or_default()
}

fn optional(row: &ResultRow, at: usize) -> Option<String> {
    row.get(at).cloned().flatten()
}

fn number(row: &ResultRow, at: usize) -> Option<Millis> {
    optional(row, at)?.parse().ok()
}

impl CatalogAnswers {
    pub(super) fn take(&mut self, question: CatalogQuestion, set: Option<ResultSet>) {
        let rows = set.map(|set| set.rows).unwrap_or_default();
        self.by.insert(question as u8, rows);
    }

    fn rows(&self, question: CatalogQuestion) -> &[ResultRow] {
        self.by.get(&(question as u8)).map_or(&[], Vec::as_slice)
    }

    /// The tables; those of `wanted` that are not among them are told as missing.
    pub(super) fn tables(&self, wanted: &[Name]) -> Vec<InspectedTable> {
        let sizes: HashMap<String, &ResultRow> = self
            .rows(CatalogQuestion::Sizes)
            .iter()
            .map(|row| (read_cell(row, 0), row))
            .collect();
        let of = |question: CatalogQuestion, oid: &str| -> Vec<&ResultRow> {
            let rows = self.rows(question).iter();
            rows.filter(|row| read_cell(row, 0) == oid).collect()
        };
        let part = |row: &ResultRow| TablePart {
            name: read_cell(row, 1),
            definition: read_cell(row, 2),
            trouble: optional(row, 3),
            size: optional(row, 4).and_then(|oid| optional(sizes.get(&oid)?, 1)),
        };
        let parts = |question: CatalogQuestion, oid: &str| -> Vec<TablePart> {
            of(question, oid).into_iter().map(part).collect()
        };
        let mut tables: Vec<InspectedTable> = self
            .rows(CatalogQuestion::Tables)
            .iter()
            .map(|row| {
                let oid = read_cell(row, 0);
                let size = sizes.get(&oid);
                InspectedTable {
                    name: read_cell(row, 1),
                    found: Some(CatalogTable {
                        kind: kind(&read_cell(row, 2)).to_owned(),
                        owner: read_cell(row, 3),
                        rows: number(row, 4),
                        readable: read_cell(row, 5) == "t",
                        sizes: size
                            .map(|row| [read_cell(row, 1), read_cell(row, 2), read_cell(row, 3)]),
                        columns: of(CatalogQuestion::Columns, &oid)
                            .into_iter()
                            .map(|row| CatalogColumn {
                                name: read_cell(row, 1),
                                kind: read_cell(row, 2),
                                rest: read_cell(row, 3),
                                not_null: read_cell(row, 4) == "t",
                                default: optional(row, 5),
                                generated: read_cell(row, 6),
                            })
                            .collect(),
                        indexes: parts(CatalogQuestion::Indexes, &oid),
                        constraints: parts(CatalogQuestion::Constraints, &oid),
                        triggers: parts(CatalogQuestion::Triggers, &oid),
                    }),
                }
            })
            .collect();
        for name in wanted {
            let there =
                |table: &InspectedTable| Name::parse(&table.name).is_some_and(|t| t.fits(name));
            if !tables.iter().any(there) {
                tables.push(InspectedTable {
                    name: name.to_string(),
                    found: None,
                });
            }
        }
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        tables
    }

    pub(super) fn locks(&self) -> Vec<TableLock> {
        let rows = self.rows(CatalogQuestion::Locks).iter();
        rows.map(|row| {
            let mode = read_cell(row, 2 + COLUMNS);
            TableLock {
                by: others::session(row),
                relation: read_cell(row, 1 + COLUMNS),
                mode: LockMode::from_catalog(&mode).map_or(mode, |mode| mode.name().to_owned()),
                granted: read_cell(row, 3 + COLUMNS) == "t",
            }
        })
        .collect()
    }

    pub(super) fn long(&self) -> Vec<OtherSession> {
        let rows = self.rows(CatalogQuestion::Long).iter();
        rows.map(|row| others::session(row)).collect()
    }

    /// Whether the role sees everything of other sessions; `None` where that was not answered.
    pub(super) fn sees_others(&self) -> Option<bool> {
        let row = self.rows(CatalogQuestion::Sees).first()?;
        Some(read_cell(row, 0) == "t")
    }
}

fn kind(relkind: &str) -> &'static str {
    match relkind {
        "r" => "table",
        "p" => "partitioned table",
        "f" => "foreign table",
        "m" => "materialized view",
        "v" => "view",
        _ => "relation",
    }
}
