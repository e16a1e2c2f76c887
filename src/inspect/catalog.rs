//! The questions about the script's tables, and what their rows mean.
//!
//! Safe for a role with nothing but CONNECT: names are compared as text, because looking one up
//! raises without USAGE on its schema. What needs a lock on a table (its size) is a question of its
//! own, so that a lock in the way costs only that.

use super::{Column, Found, Held, Long, Part, Table};
use crate::database::others::{self, COLUMNS, SESSION};
use crate::database::tables::{estimated_rows, named};
use crate::gate::event::{LockMode, Millis};
use crate::runbook::check::ResultSet;
use crate::runbook::objects::Name;
use std::collections::HashMap;

/// From when on a transaction counts as long, in seconds.
pub(super) const LONG: u32 = 30;

/// How much of a query is told, in characters.
const QUERY_LENGTH: usize = 200;

/// What is asked, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
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

impl Question {
    pub(super) const ALL: [Question; 9] = [
        Question::Tables,
        Question::Columns,
        Question::Indexes,
        Question::Constraints,
        Question::Triggers,
        Question::Sizes,
        Question::Locks,
        Question::Long,
        Question::Sees,
    ];

    /// What it is about, for when it is not answered.
    pub(super) fn about(self) -> &'static str {
        match self {
            Question::Tables => "the tables",
            Question::Columns => "the columns",
            Question::Indexes => "the indexes",
            Question::Constraints => "the constraints",
            Question::Triggers => "the triggers",
            Question::Sizes => "the sizes of tables and indexes",
            Question::Locks => "locks on the tables",
            Question::Long => "long transactions",
            Question::Sees => "what this role may see of other sessions",
        }
    }

    pub(super) fn sql(self, names: &[Name]) -> String {
        let tables = tables(names);
        match self {
            Question::Tables => format!(
                "SELECT t.oid, t.name, t.relkind, pg_catalog.pg_get_userbyid(t.relowner), \
                 {}, pg_catalog.has_schema_privilege(t.relnamespace, 'USAGE') \
                 AND pg_catalog.has_table_privilege(t.oid, 'SELECT') \
                 FROM ({tables}) t ORDER BY t.name",
                estimated_rows("t")
            ),
            Question::Columns => format!(
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
            Question::Indexes => format!(
                "SELECT i.indrelid, c.relname, pg_catalog.pg_get_indexdef(i.indexrelid), \
                 CASE WHEN NOT i.indisvalid THEN 'INVALID' WHEN NOT i.indisready THEN 'not ready' END, \
                 i.indexrelid \
                 FROM ({tables}) t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid \
                 JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
                 ORDER BY i.indrelid, NOT i.indisprimary, NOT i.indisunique, c.relname"
            ),
            Question::Constraints => format!(
                "SELECT k.conrelid, k.conname, pg_catalog.pg_get_constraintdef(k.oid), \
                 CASE WHEN NOT k.convalidated THEN 'not validated' END, NULL \
                 FROM ({tables}) t JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid \
                 WHERE k.contype <> 'n' \
                 ORDER BY k.conrelid, pg_catalog.strpos('pufxc', k.contype::pg_catalog.text), k.conname"
            ),
            Question::Triggers => format!(
                "SELECT g.tgrelid, g.tgname, pg_catalog.pg_get_triggerdef(g.oid), \
                 CASE WHEN g.tgenabled = 'D' THEN 'disabled' END, NULL \
                 FROM ({tables}) t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid \
                 WHERE NOT g.tgisinternal ORDER BY g.tgrelid, g.tgname"
            ),
            Question::Sizes => format!(
                "SELECT t.oid, pg_catalog.pg_size_pretty(pg_catalog.pg_table_size(t.oid)), \
                 pg_catalog.pg_size_pretty(pg_catalog.pg_indexes_size(t.oid)), \
                 pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size(t.oid)) \
                 FROM ({tables}) t WHERE t.relkind IN ('r', 'm', 'p') \
                 UNION ALL \
                 SELECT i.indexrelid, \
                 pg_catalog.pg_size_pretty(pg_catalog.pg_relation_size(i.indexrelid)), NULL, NULL \
                 FROM ({tables}) t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid"
            ),
            Question::Locks => format!(
                "SELECT l.pid, {SESSION}, t.name, l.mode, l.granted \
                 FROM pg_catalog.pg_locks l JOIN ({tables}) t ON t.oid = l.relation \
                 LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
                 WHERE l.locktype = 'relation' \
                 AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
                 AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                 WHERE datname = pg_catalog.current_database()) \
                 ORDER BY t.name, NOT l.granted, a.xact_start, l.pid"
            ),
            Question::Long => format!(
                "SELECT a.pid, {SESSION} \
                 FROM pg_catalog.pg_stat_activity a \
                 WHERE a.datname = pg_catalog.current_database() \
                 AND a.pid <> pg_catalog.pg_backend_pid() \
                 AND pg_catalog.clock_timestamp() - a.xact_start \
                 > pg_catalog.make_interval(secs => {LONG}) \
                 ORDER BY a.xact_start LIMIT 50"
            ),
            Question::Sees => {
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

type Row = Vec<Option<String>>;

/// The answers so far, each under its question.
#[derive(Debug, Default)]
pub(super) struct Answers {
    by: HashMap<u8, Vec<Row>>,
}

fn text(row: &Row, at: usize) -> String {
    optional(row, at).unwrap_or_default()
}

fn optional(row: &Row, at: usize) -> Option<String> {
    row.get(at).cloned().flatten()
}

fn number(row: &Row, at: usize) -> Option<Millis> {
    optional(row, at)?.parse().ok()
}

impl Answers {
    pub(super) fn take(&mut self, question: Question, set: Option<ResultSet>) {
        let rows = set.map(|set| set.rows).unwrap_or_default();
        self.by.insert(question as u8, rows);
    }

    fn rows(&self, question: Question) -> &[Row] {
        self.by.get(&(question as u8)).map_or(&[], Vec::as_slice)
    }

    /// The tables; those of `wanted` that are not among them are told as missing.
    pub(super) fn tables(&self, wanted: &[Name]) -> Vec<Table> {
        let sizes: HashMap<String, &Row> = self
            .rows(Question::Sizes)
            .iter()
            .map(|row| (text(row, 0), row))
            .collect();
        let of = |question: Question, oid: &str| -> Vec<&Row> {
            let rows = self.rows(question).iter();
            rows.filter(|row| text(row, 0) == oid).collect()
        };
        let part = |row: &&Row| Part {
            name: text(row, 1),
            definition: text(row, 2),
            trouble: optional(row, 3),
            size: optional(row, 4).and_then(|oid| optional(sizes.get(&oid)?, 1)),
        };
        let mut tables: Vec<Table> = self
            .rows(Question::Tables)
            .iter()
            .map(|row| {
                let oid = text(row, 0);
                let size = sizes.get(&oid);
                Table {
                    name: text(row, 1),
                    found: Some(Found {
                        kind: kind(&text(row, 2)).to_owned(),
                        owner: text(row, 3),
                        rows: number(row, 4),
                        readable: text(row, 5) == "t",
                        sizes: size.map(|row| [text(row, 1), text(row, 2), text(row, 3)]),
                        columns: of(Question::Columns, &oid)
                            .into_iter()
                            .map(|row| Column {
                                name: text(row, 1),
                                kind: text(row, 2),
                                rest: text(row, 3),
                                not_null: text(row, 4) == "t",
                                default: optional(row, 5),
                                generated: text(row, 6),
                            })
                            .collect(),
                        indexes: of(Question::Indexes, &oid).iter().map(part).collect(),
                        constraints: of(Question::Constraints, &oid).iter().map(part).collect(),
                        triggers: of(Question::Triggers, &oid).iter().map(part).collect(),
                    }),
                }
            })
            .collect();
        for name in wanted {
            let there = |table: &Table| Name::parse(&table.name).is_some_and(|t| t.fits(name));
            if !tables.iter().any(there) {
                tables.push(Table {
                    name: name.to_string(),
                    found: None,
                });
            }
        }
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        tables
    }

    pub(super) fn locks(&self) -> Vec<Held> {
        let rows = self.rows(Question::Locks).iter();
        rows.map(|row| {
            let mode = text(row, 2 + COLUMNS);
            let by = others::session(row);
            Held {
                pid: Some(by.pid).filter(|pid| *pid != 0),
                who: by.who(),
                relation: text(row, 1 + COLUMNS),
                mode: LockMode::from_catalog(&mode).map_or(mode, |mode| mode.name().to_owned()),
                granted: text(row, 3 + COLUMNS) == "t",
                open: by.since,
            }
        })
        .collect()
    }

    pub(super) fn long(&self) -> Vec<Long> {
        let rows = self.rows(Question::Long).iter();
        rows.map(|row| {
            let by = others::session(row);
            Long {
                pid: by.pid,
                who: by.who(),
                open: by.since.unwrap_or(0),
                query: by
                    .query
                    .map(|query| query.chars().take(QUERY_LENGTH).collect()),
            }
        })
        .collect()
    }

    /// Whether the role sees everything of other sessions; `None` where that was not answered.
    pub(super) fn sees_others(&self) -> Option<bool> {
        let row = self.rows(Question::Sees).first()?;
        Some(text(row, 0) == "t")
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
