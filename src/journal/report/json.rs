//! The report as JSON, for programs: the outcome, then the sections in their order.
//!
//! Texts stand in it as they are in the journal, made printable: no control character of a server or a
//! script comes through, not even as an escape (I8).

use super::{Block, Row, RunReport, Table, Timeline};
use crate::runbook::printable::printable;
use serde_json::{Value, json};

pub fn render(report: &RunReport) -> String {
    let mut sections: Vec<(&str, Vec<Value>)> = vec![("", Vec::new())];
    let mut outcome = Value::Null;
    for block in &report.blocks {
        match block {
            Block::Heading(2, title) => sections.push((title, Vec::new())),
            Block::Banner(_, word, sentence) if outcome.is_null() => {
                outcome = json!({ "word": clean_text(word), "sentence": clean_text(sentence) });
            }
            block => {
                if let Some((_, section)) = sections.last_mut() {
                    section.push(content(block));
                }
            }
        }
    }
    let sections: Vec<Value> = sections
        .into_iter()
        .map(|(title, content)| json!({ "title": clean_text(title), "content": content }))
        .collect();
    let whole = json!({
        "title": clean_text(&report.title),
        "outcome": outcome,
        "journal_as_written": report.broken.is_none(),
        "sections": sections,
    });
    format!("{whole:#}\n")
}

fn clean_text(raw: &str) -> String {
    printable(raw).into_owned()
}

fn content(block: &Block) -> Value {
    let texts = |all: &[String]| all.iter().map(|one| clean_text(one)).collect::<Vec<_>>();
    match block {
        Block::Heading(_, title) => json!({ "heading": clean_text(title) }),
        Block::Banner(_, word, sentence) => {
            json!({ "banner": { "word": clean_text(word), "sentence": clean_text(sentence) } })
        }
        Block::Text(sentence) => json!({ "text": clean_text(sentence) }),
        Block::List(items) => json!({ "list": texts(items) }),
        Block::Code(lines) => json!({ "code": texts(lines) }),
        Block::Table(table) => json!({ "table": rows(table) }),
        Block::Timeline(timeline) => json!({ "timeline": bars(timeline) }),
    }
}

fn rows(table: &Table) -> Value {
    let rows: Vec<Value> = table
        .rows
        .iter()
        .map(|row| match row {
            Row::Title(title) => json!({ "title": clean_text(title) }),
            Row::Cells(cells) => json!(
                cells
                    .iter()
                    .map(|c| clean_text(&c.text))
                    .collect::<Vec<_>>()
            ),
        })
        .collect();
    json!({ "head": table.head, "rows": rows })
}

/// From and to of each piece in microseconds from BEGIN.
fn bars(timeline: &Timeline) -> Value {
    let bars = timeline.bars.iter().map(|bar| {
        let pieces: Vec<_> = bar
            .pieces
            .iter()
            .map(|(from, to, _)| [*from, *to])
            .collect();
        json!({ "label": clean_text(&bar.label), "note": clean_text(&bar.note), "pieces": pieces })
    });
    json!({ "length": timeline.length, "bars": bars.collect::<Vec<_>>() })
}
