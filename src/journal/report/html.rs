//! The report as one HTML page that needs nothing else: no script, no font, no picture from
//! elsewhere, and a policy in its head that forbids them.
//!
//! Every text goes through [`escape_html`]; none stands in an attribute without quotes, and none in a
//! style or a script.

use super::{Block, Blocking, Cell, Row, RunReport, Table, Timeline, Tone};
use crate::runbook::printable::printable;

const STYLE: &str = include_str!("report.css");

pub fn render(report: &RunReport) -> String {
    let title = escape_html(&report.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    for block in &report.blocks {
        match block {
            Block::Heading(level, title) => {
                let level = (*level).clamp(2, 6);
                out.push_str(&format!("<h{level}>{}</h{level}>\n", escape_html(title)));
            }
            Block::Banner(tone, word, sentence) => out.push_str(&format!(
                "<div class=\"banner {}\"><strong>{}</strong> <span>{}</span></div>\n",
                class(*tone),
                escape_html(word),
                escape_html(sentence)
            )),
            Block::Text(sentence) => out.push_str(&format!("<p>{}</p>\n", escape_html(sentence))),
            Block::List(items) => {
                out.push_str("<ul>\n");
                for item in items {
                    out.push_str(&format!("<li>{}</li>\n", escape_html(item)));
                }
                out.push_str("</ul>\n");
            }
            Block::Code(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| escape_html(line)).collect();
                out.push_str(&format!("<pre>{}</pre>\n", lines.join("\n")));
            }
            Block::Table(rows) => table(rows, &mut out),
            Block::Timeline(timeline) => picture(timeline, &mut out),
        }
    }
    out.push_str("</body>\n</html>\n");
    out
}

/// A text between tags or inside a quoted attribute: nothing of it is markup.
fn escape_html(raw: &str) -> String {
    let shown = printable(raw);
    let mut out = String::with_capacity(shown.len() + 8);
    for c in shown.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Doubtful => "doubtful",
        Tone::Bad => "bad",
    }
}

/// The most letters that a word has which is never broken, however narrow the paper.
const WHOLE: usize = 12;

/// `crowded`: among many columns, where a narrow one would break its words in their middle.
fn cell(cell: &Cell, crowded: bool) -> String {
    let mut words = cell.text.split_whitespace();
    let whole = crowded && words.all(|word| word.chars().count() <= WHOLE);
    let classes = match (cell.tone, whole) {
        (Tone::Plain, false) => String::new(),
        (Tone::Plain, true) => " class=\"whole\"".to_owned(),
        (tone, false) => format!(" class=\"{}\"", class(tone)),
        (tone, true) => format!(" class=\"{} whole\"", class(tone)),
    };
    format!("<td{classes}>{}</td>", escape_html(&cell.text))
}

fn table(table: &Table, out: &mut String) {
    let named = table.head.is_empty();
    out.push_str("<div class=\"wide\"><table>\n");
    if !named {
        let head: Vec<String> = table
            .head
            .iter()
            .map(|name| format!("<th scope=\"col\">{}</th>", escape_html(name)))
            .collect();
        out.push_str(&format!("<thead><tr>{}</tr></thead>\n", head.concat()));
    }
    out.push_str("<tbody>\n");
    for row in &table.rows {
        match row {
            Row::Title(title) => out.push_str(&format!(
                "<tr class=\"section\"><th colspan=\"{}\" scope=\"colgroup\">{}</th></tr>\n",
                table.head.len().max(2),
                escape_html(title)
            )),
            Row::Cells(cells) => {
                let cells: Vec<String> = cells
                    .iter()
                    .enumerate()
                    .map(|(index, one)| match (named, index) {
                        (true, 0) => format!("<th scope=\"row\">{}</th>", escape_html(&one.text)),
                        _ => cell(one, !named),
                    })
                    .collect();
                out.push_str(&format!("<tr>{}</tr>\n", cells.concat()));
            }
        }
    }
    out.push_str("</tbody></table></div>\n");
}

/// The picture's width, in units of its own.
const WIDTH: u64 = 900;
/// The height of one bar with its label over it.
const ROW: usize = 34;

fn look(blocking: Blocking) -> &'static str {
    match blocking {
        Blocking::Nothing => "own",
        Blocking::Ddl => "ddl",
        Blocking::Writes => "writes",
        Blocking::Everything => "all",
    }
}

fn picture(timeline: &Timeline, out: &mut String) {
    let place = |micros: u64| {
        let place = u128::from(micros) * u128::from(WIDTH) / u128::from(timeline.length.max(1));
        u64::try_from(place).unwrap_or(WIDTH).min(WIDTH)
    };
    let height = timeline.bars.len() * ROW + 30;
    out.push_str(&format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"The lock window; the table of locks says the same in words\">\n"
    ));
    for (index, bar) in timeline.bars.iter().enumerate() {
        let top = index * ROW;
        out.push_str(&format!(
            "<text x=\"0\" y=\"{}\">{}: {}</text>\n<rect class=\"rail\" x=\"0\" y=\"{}\" \
             width=\"{WIDTH}\" height=\"12\"/>\n",
            top + 13,
            escape_html(&bar.label),
            escape_html(&bar.note),
            top + 17
        ));
        for (from, to, blocking) in &bar.pieces {
            let from = place(*from).min(WIDTH - 2);
            // Whatever took any time at all is seen.
            let width = place(*to).saturating_sub(from).max(2);
            out.push_str(&format!(
                "<rect class=\"{}\" x=\"{from}\" y=\"{}\" width=\"{width}\" height=\"12\"/>\n",
                look(*blocking),
                top + 17
            ));
        }
    }
    let base = timeline.bars.len() * ROW;
    for (index, (blocking, words)) in Blocking::LEGEND.iter().enumerate() {
        let left = index * 200;
        out.push_str(&format!(
            "<rect class=\"{}\" x=\"{left}\" y=\"{}\" width=\"12\" height=\"12\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>\n",
            look(*blocking),
            base + 10,
            left + 18,
            base + 20,
            escape_html(words)
        ));
    }
    out.push_str("</svg>\n");
}
