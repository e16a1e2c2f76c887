//! The impact as lines: one text for the full screen, the plain lines and `show`.

use super::{Impact, Measure, Scan, SectionImpact, TableSize};
use crate::runbook::lock::LockMode;
use crate::runbook::objects::{Name, Sort};
use crate::runbook::printable::{counted, printable};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImpactLine {
    /// What the lines below are about.
    Heading(String),
    Line(String),
    /// More about the line above.
    More(String),
    Warn(String),
}

pub(super) fn plural(sort: &Sort, count: usize) -> String {
    match count {
        1 => sort.word().to_owned(),
        _ => sort.words(),
    }
}

/// `21 columns, 5 indexes`.
fn kinds(counts: &BTreeMap<Sort, usize>) -> String {
    let each: Vec<String> = counts
        .iter()
        .map(|(sort, count)| format!("{count} {}", plural(sort, *count)))
        .collect();
    each.join(", ")
}

fn does(part: &SectionImpact) -> String {
    let each: Vec<String> = [
        ("adds", &part.adds),
        ("changes", &part.changes),
        ("drops", &part.drops),
    ]
    .into_iter()
    .filter(|(_, counts)| !counts.is_empty())
    .map(|(verb, counts)| format!("{verb} {}", kinds(counts)))
    .collect();
    match each.is_empty() {
        true => "no objects".to_owned(),
        false => each.join("; "),
    }
}

fn promised(part: &SectionImpact) -> Option<String> {
    let promise = part.promise.as_ref()?;
    let mut words: Vec<String> = promise
        .adds
        .iter()
        .map(|(sort, count)| format!("{count} {}", plural(sort, *count)))
        .collect();
    words.extend(promise.drops.map(|count| format!("{count} dropped")));
    Some(words.join(", "))
}

/// Statements by their numbers: `statement 3`, `statements 3, 5`.
fn statements(numbers: &[usize]) -> String {
    let list: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match list.len() {
        1 => format!("statement {}", list.concat()),
        _ => format!("statements {}", list.join(", ")),
    }
}

/// 1204 as `1,204`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A value with each of its texts printable (I8).
fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(cleaned).collect(),
        Value::Object(map) => {
            let each = map.into_iter();
            let each = each.map(|(key, value)| (printable(&key).into_owned(), cleaned(value)));
            Value::Object(each.collect())
        }
        other => other,
    }
}

impl Measure {
    fn of(&self, name: &Name) -> Option<Option<&TableSize>> {
        let measured = self.tables.iter().find(|table| table.name == *name)?;
        Some(measured.found.as_ref())
    }
}

fn size(size: &TableSize) -> String {
    let total = size.total.as_deref().unwrap_or("size not read");
    match size.rows {
        Some(rows) => format!("{total}, about {} rows", grouped(rows)),
        None => format!("{total}, never analysed, so nobody knows how many rows"),
    }
}

impl Impact {
    /// The lines. With `measure` the tables' sizes are among them; `None` where there is no server
    /// to ask, `Some(None)` where it was not asked yet.
    pub fn told(&self, measure: Option<Option<&Measure>>) -> Vec<ImpactLine> {
        let mut told = self.told_in_short(measure);
        self.tell_scans(measure.flatten(), &mut told);
        if !self.unseen.is_empty() {
            told.push(ImpactLine::Heading(
                "NOT LOOKED INTO: what these do is in none of the counts".into(),
            ));
            for one in &self.unseen {
                told.push(ImpactLine::Warn(format!(
                    "statement {} (line {}) {}: {}",
                    one.statement, one.line, one.kind, one.why
                )));
            }
        }
        told
    }

    /// The lines on tables, objects and locks alone.
    pub fn told_in_short(&self, measure: Option<Option<&Measure>>) -> Vec<ImpactLine> {
        let mut told = Vec::new();
        self.tell_tables(measure, &mut told);
        self.tell_parts(&mut told);
        self.tell_locks(&mut told);
        told
    }

    fn tell_tables(&self, measure: Option<Option<&Measure>>, told: &mut Vec<ImpactLine>) {
        told.push(ImpactLine::Heading("TABLES TOUCHED".into()));
        if self.tables.is_empty() {
            told.push(ImpactLine::Line("none".into()));
        }
        for table in &self.tables {
            let found = measure.flatten().map(|measure| measure.of(&table.name));
            let words = match (found, table.added) {
                (None, false) => String::new(),
                (None, true) => ": added by the script".to_owned(),
                (Some(None), _) => ": was not asked for".to_owned(),
                (Some(Some(None)), true) => ": not there yet; the script adds it".to_owned(),
                (Some(Some(None)), false) => {
                    let line = format!(
                        "{}: is not there, or its schema is not on the path",
                        table.name
                    );
                    told.push(ImpactLine::Warn(line));
                    continue;
                }
                (Some(Some(Some(found))), false) => format!(": {}", size(found)),
                (Some(Some(Some(found))), true) => format!(": is there already, {}", size(found)),
            };
            told.push(ImpactLine::Line(format!("{}{words}", table.name)));
        }
        match measure {
            Some(None) => told.push(ImpactLine::More(
                "their sizes were not asked for yet; the checklist's evidence brings them".into(),
            )),
            Some(Some(measure)) => {
                if let Some(problem) = &measure.problem {
                    told.push(ImpactLine::Warn(problem.clone()));
                }
                told.push(ImpactLine::More(
                    "sizes with indexes and TOAST; rows are the planner's estimate, nothing was counted"
                        .into(),
                ));
            }
            None => {}
        }
    }

    fn tell_parts(&self, told: &mut Vec<ImpactLine>) {
        told.push(ImpactLine::Heading("OBJECTS, counted in the script".into()));
        if self.parts.is_empty() {
            told.push(ImpactLine::Line("none".into()));
        }
        for part in &self.parts {
            let title = part.title.as_deref().unwrap_or("in no section");
            told.push(ImpactLine::Line(format!("{title}: {}", does(part))));
            let differences = part.differences();
            if let Some(promised) = promised(part).filter(|_| differences.is_empty()) {
                told.push(ImpactLine::More(format!(
                    "promised: {promised}; as counted"
                )));
            }
            for difference in differences {
                told.push(ImpactLine::Warn(format!("WARN  differs: {difference}")));
            }
        }
    }

    fn tell_locks(&self, told: &mut Vec<ImpactLine>) {
        told.push(ImpactLine::Heading(
            "LOCKS EXPECTED: the strongest on each table, held until COMMIT or ROLLBACK".into(),
        ));
        if self.locks.is_empty() {
            told.push(ImpactLine::Line("none".into()));
        }
        for lock in &self.locks {
            let line = format!(
                "{} on {}, {}: {}",
                lock.mode.name(),
                lock.relation,
                statements(&lock.statements),
                lock.mode.blocks()
            );
            told.push(match lock.mode >= LockMode::Share {
                true => ImpactLine::Warn(line),
                false => ImpactLine::Line(line),
            });
        }
    }

    fn tell_scans(&self, measure: Option<&Measure>, told: &mut Vec<ImpactLine>) {
        told.push(ImpactLine::Heading(
            "STATEMENTS THAT READ OR WRITE WHOLE TABLES".into(),
        ));
        if self.scans.is_empty() {
            told.push(ImpactLine::Line("none".into()));
        }
        // What is only looked at is told behind what is touched.
        let mut by_table: BTreeMap<&Name, Vec<&Scan>> = BTreeMap::new();
        for scan in &self.scans {
            by_table.entry(&scan.table).or_default().push(scan);
        }
        let touched = self.tables.iter().map(|table| &table.name);
        let looked_at = self.scans.iter().map(|scan| &scan.table);
        for table in touched.chain(looked_at) {
            let Some(own) = by_table.remove(table) else {
                continue;
            };
            let found = measure
                .and_then(|measure| measure.of(table))
                .flatten()
                .map(|found| format!(": {}", size(found)));
            told.push(ImpactLine::Line(format!(
                "{table}{}",
                found.unwrap_or_default()
            )));
            for scan in own {
                let line = format!(
                    "statement {}, line {}, {} {}{}",
                    scan.statement,
                    scan.line,
                    if scan.rewrites { "WRITES:" } else { "reads:" },
                    scan.what,
                    match scan.guarded {
                        true => " (if it is not there)",
                        false => "",
                    }
                );
                told.push(match scan.rewrites {
                    true => ImpactLine::Warn(line),
                    false => ImpactLine::More(line),
                });
            }
        }
    }

    /// It in a few words, for a line of evidence.
    pub fn brief(&self) -> String {
        let mut adds = BTreeMap::new();
        let mut drops = BTreeMap::new();
        for part in &self.parts {
            for (sort, count) in &part.adds {
                *adds.entry(sort.clone()).or_default() += count;
            }
            for (sort, count) in &part.drops {
                *drops.entry(sort.clone()).or_default() += count;
            }
        }
        let all = SectionImpact {
            adds,
            drops,
            ..SectionImpact::default()
        };
        let mut brief = format!(
            "{}; touches {}; {} that read or write a whole table",
            does(&all),
            counted(self.tables.len(), "table", "tables"),
            counted(self.scans.len(), "action", "actions"),
        );
        if !self.unseen.is_empty() {
            let unseen = counted(self.unseen.len(), "statement", "statements");
            brief.push_str(&format!("; {unseen} not looked into"));
        }
        brief
    }

    /// It as JSON, without sizes; every text in it is printable.
    pub fn json(&self) -> Value {
        let counts = |counts: &BTreeMap<Sort, usize>| -> Value {
            let each = counts
                .iter()
                .map(|(sort, count)| (sort.words(), json!(count)));
            Value::Object(each.collect())
        };
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|part| {
                let promised = part.promise.as_ref().map(|promise| {
                    let adds: BTreeMap<Sort, usize> = promise.adds.iter().cloned().collect();
                    json!({ "adds": counts(&adds), "drops": promise.drops })
                });
                json!({
                    "section": part.title,
                    "adds": counts(&part.adds),
                    "changes": counts(&part.changes),
                    "drops": counts(&part.drops),
                    "promised": promised,
                    "differences": part.differences(),
                })
            })
            .collect();
        let tables: Vec<Value> = self
            .tables
            .iter()
            .map(|table| json!({ "table": table.name.to_string(), "added": table.added }))
            .collect();
        let locks: Vec<Value> = self
            .locks
            .iter()
            .map(|lock| {
                json!({
                    "relation": lock.relation,
                    "mode": lock.mode.name(),
                    "statements": lock.statements,
                    "others": lock.mode.blocks(),
                })
            })
            .collect();
        let scans: Vec<Value> = self
            .scans
            .iter()
            .map(|scan| {
                json!({
                    "statement": scan.statement,
                    "line": scan.line,
                    "table": scan.table.to_string(),
                    "rewrites": scan.rewrites,
                    "unless_there": scan.guarded,
                    "what": scan.what,
                })
            })
            .collect();
        let unseen: Vec<Value> = self
            .unseen
            .iter()
            .map(|one| {
                json!({
                    "statement": one.statement,
                    "line": one.line,
                    "kind": one.kind,
                    "why": one.why,
                })
            })
            .collect();
        cleaned(json!({
            "tables": tables,
            "sections": parts,
            "locks": locks,
            "scans": scans,
            "not_looked_into": unseen,
        }))
    }
}
