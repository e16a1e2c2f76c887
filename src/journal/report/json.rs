//! The report as JSON, for programs: the outcome, then the sections in their order.
//!
//! Texts stand in it as they are in the journal, made printable: no control character of a server or a
//! script comes through, not even as an escape (I8).

use super::{Block, Report, Row, Table, Timeline};
use crate::runbook::printable::printable;
use serde_json::{Value, json};

/// Writes `report`.
pub fn render(report: &Report) -> String {
    let mut sections: Vec<Section> = vec![Section::of(String::new())];
    let mut outcome = Value::Null;
    for block in &report.blocks {
        match block {
            Block::Heading(2, title) => sections.push(Section::of(title.clone())),
            Block::Banner(_, word, sentence) if outcome.is_null() => {
                outcome = json!({ "word": text(word), "sentence": text(sentence) });
            }
            block => {
                if let Some(section) = sections.last_mut() {
                    section.content.push(content(block));
                }
            }
        }
    }
    let sections: Vec<Value> = sections
        .into_iter()
        .map(|section| json!({ "title": text(&section.title), "content": section.content }))
        .collect();
    let whole = json!({
        "title": text(&report.title),
        "outcome": outcome,
        "journal_as_written": report.broken.is_none(),
        "sections": sections,
    });
    format!("{whole:#}\n")
}

struct Section {
    title: String,
    content: Vec<Value>,
}

impl Section {
    fn of(title: String) -> Section {
        Section {
            title,
            content: Vec::new(),
        }
    }
}

fn text(raw: &str) -> String {
    printable(raw).into_owned()
}

fn content(block: &Block) -> Value {
    let texts = |all: &[String]| all.iter().map(|one| text(one)).collect::<Vec<_>>();
    match block {
        Block::Heading(_, title) => json!({ "heading": text(title) }),
        Block::Banner(_, word, sentence) => {
            json!({ "banner": { "word": text(word), "sentence": text(sentence) } })
        }
        Block::Text(sentence) => json!({ "text": text(sentence) }),
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
            Row::Title(title) => json!({ "title": text(title) }),
            Row::Cells(cells) => json!(cells.iter().map(|c| text(&c.text)).collect::<Vec<_>>()),
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
        json!({ "label": text(&bar.label), "note": text(&bar.note), "pieces": pieces })
    });
    json!({ "length": timeline.length, "bars": bars.collect::<Vec<_>>() })
}
