//! How large the tables are that the script touches: asked before BEGIN, in a READ ONLY transaction.
//!
//! Catalogs only: no row is read or counted. Names are compared as text, because looking one up
//! raises without USAGE on its schema. The sizes are a question of their own, for they take a lock
//! on each table: one in the way costs the sizes and nothing else. Operators are qualified: whoever
//! may make one in a schema of the search path could otherwise act with our role.

use super::read_only::{self, ReadOnlyLimits};
use crate::database::link::{BrokenLink, Link};
use crate::database::{message, tables};
use crate::facts::{Millis, StatementReport};
use crate::runbook::check::ResultRow;
use crate::runbook::impact::{Measure, MeasuredTable, TableSize};
use crate::runbook::objects::Name;

/// How long it may take, in milliseconds.
const LIMIT: Millis = 5_000;

/// Asks for the sizes of the tables `names`, waiting for a lock `lock` milliseconds at most.
///
/// # Errors
/// When the link breaks; a question that is refused is told in the answer.
pub async fn measure_tables(
    link: &mut Link,
    names: &[Name],
    lock: Millis,
) -> Result<Measure, BrokenLink> {
    if names.is_empty() {
        return Ok(Measure::default());
    }
    let limits = ReadOnlyLimits {
        statement: LIMIT,
        lock: Some(lock),
    };
    let asked = format!(
        "{} WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{{r,p,m,f,v}}'::pg_catalog.\"char\"[])",
        tables::named(names, false)
    );
    let texts = [
        format!(
            "SELECT w.number, c.oid, {} FROM {asked}",
            tables::estimated_rows("c")
        ),
        format!(
            "SELECT w.number, pg_catalog.pg_size_pretty(CASE \
             WHEN c.relkind OPERATOR(pg_catalog.=) 'p' \
             THEN (SELECT pg_catalog.sum(pg_catalog.pg_total_relation_size(p.relid)) \
             FROM pg_catalog.pg_partition_tree(c.oid) p) \
             ELSE pg_catalog.pg_total_relation_size(c.oid)::pg_catalog.numeric END) FROM {asked}"
        ),
    ];
    let queries = read_only::numbered(&texts);
    let mut answers = read_only::each(link, &queries, limits).await?.into_iter();
    let mut problem = None;
    let mut rows = |what: &str, problem: &mut Option<String>| match answers.next() {
        Some(Ok(report)) => rows_of(report),
        Some(Err(stopped)) => {
            let why = message::line(&stopped.error);
            problem.get_or_insert(format!("{what} could not be read: {why}"));
            Vec::new()
        }
        None => Vec::new(),
    };
    let there = rows("the tables", &mut problem);
    let are_told = problem.is_none();
    let sizes = rows("the sizes of the tables", &mut problem);
    if !are_told {
        // Nothing is known, which is not the same as nothing being there.
        return Ok(Measure {
            tables: Vec::new(),
            problem,
        });
    }
    let of = |rows: &[ResultRow], number: usize| -> Option<ResultRow> {
        let own = Some(number.to_string());
        rows.iter().find(|row| row.first() == Some(&own)).cloned()
    };
    let tables = names
        .iter()
        .enumerate()
        .map(|(number, name)| MeasuredTable {
            name: name.clone(),
            found: of(&there, number).map(|row| TableSize {
                total: of(&sizes, number).and_then(|row| row.get(1).cloned().flatten()),
                rows: row.get(2).and_then(|rows| rows.as_ref()?.parse().ok()),
            }),
        });
    Ok(Measure {
        tables: tables.collect(),
        problem,
    })
}

fn rows_of(report: StatementReport) -> Vec<ResultRow> {
    report.result.map(|set| set.rows).unwrap_or_default()
}
