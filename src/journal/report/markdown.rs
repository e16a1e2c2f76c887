//! The report as Markdown, for a ticket.
//!
//! Every text goes through [`escape_markdown`], or into a fenced block whose fence is longer than any in it.
//! A cell or an item is one line: line breaks come out as `\n`, never as new Markdown.

use super::{Block, Blocking, Cell, Row, RunReport, Table, Timeline, Tone};
use crate::runbook::printable::printable;

/// How many characters wide a bar is.
const WIDTH: u64 = 60;

pub fn render(report: &RunReport) -> String {
    let mut out = format!("# {}\n", escape_markdown(&report.title));
    for block in &report.blocks {
        out.push('\n');
        match block {
            Block::Heading(level, title) => {
                let level = usize::from(*level).clamp(1, 6);
                out.push_str(&format!(
                    "{} {}\n",
                    "#".repeat(level),
                    escape_markdown(title)
                ));
            }
            Block::Banner(_, word, sentence) => {
                out.push_str(&format!(
                    "> **{}.** {}\n",
                    escape_markdown(word),
                    escape_markdown(sentence)
                ));
            }
            Block::Text(sentence) => out.push_str(&format!("{}\n", escape_markdown(sentence))),
            Block::List(items) => {
                for item in items {
                    out.push_str(&format!("- {}\n", escape_markdown(item)));
                }
            }
            Block::Code(lines) => fenced(lines.iter().map(|line| printable(line)), &mut out),
            Block::Table(rows) => table(rows, &mut out),
            Block::Timeline(timeline) => fenced(bars(timeline).into_iter(), &mut out),
        }
    }
    out
}

/// A text inside a line: nothing of it is markup.
fn escape_markdown(raw: &str) -> String {
    let shown = printable(raw);
    let shown = shown.trim();
    let mut out = String::with_capacity(shown.len() + 8);
    let characters: Vec<char> = shown.chars().collect();
    let word = |index: Option<usize>| {
        index
            .and_then(|index| characters.get(index))
            .is_some_and(|c| c.is_alphanumeric())
    };
    let numbered = characters.iter().take_while(|c| c.is_ascii_digit()).count();
    for (index, c) in characters.iter().enumerate() {
        match c {
            // As entities: no reader of Markdown takes these for markup, not even in a table.
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' => out.push_str("&#124;"),
            '$' => out.push_str("&#36;"),
            // No link is made of an address.
            ':' if characters.get(index + 1) == Some(&'/') => out.push_str("&#58;"),
            // Between two letters an underscore is no markup, and names read better without.
            '_' if word(index.checked_sub(1)) && word(Some(index + 1)) => out.push('_'),
            '\\' | '`' | '#' | '*' | '_' | '[' | ']' | '{' | '}' | '~' | '^' => {
                out.push('\\');
                out.push(*c);
            }
            // At the beginning these would make a list, a definition or a rule.
            '+' | '-' | '=' | ':' if index == 0 => {
                out.push('\\');
                out.push(*c);
            }
            '.' | ')'
                if index > 0
                    && index == numbered
                    && characters.get(index + 1).is_none_or(|c| c.is_whitespace()) =>
            {
                out.push('\\');
                out.push(*c);
            }
            c => out.push(*c),
        }
    }
    out
}

fn cell(cell: &Cell) -> String {
    match cell.tone {
        Tone::Plain | Tone::Good => escape_markdown(&cell.text),
        // A verdict to be looked at stands out.
        Tone::Doubtful | Tone::Bad => format!("**{}**", escape_markdown(&cell.text)),
    }
}

fn table(table: &Table, out: &mut String) {
    let width = match table.head.len() {
        0 => 2,
        width => width,
    };
    let head: Vec<String> = match table.head.as_slice() {
        [] => vec![String::new(); width],
        names => names.iter().map(|name| escape_markdown(name)).collect(),
    };
    out.push_str(&format!("| {} |\n", head.join(" | ")));
    out.push_str(&format!("|{}\n", " --- |".repeat(width)));
    for row in &table.rows {
        let cells: Vec<String> = match row {
            Row::Title(title) => std::iter::once(String::new())
                .chain([format!("**{}**", escape_markdown(title))])
                .chain(std::iter::repeat_n(String::new(), width.saturating_sub(2)))
                .collect(),
            Row::Cells(cells) => cells.iter().map(cell).collect(),
        };
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

/// Lines as they are, in a fence that none of them can close.
fn fenced(lines: impl Iterator<Item = impl AsRef<str>> + Clone, out: &mut String) {
    let longest = lines
        .clone()
        .flat_map(|line| {
            line.as_ref()
                .split(|c| c != '`')
                .map(str::len)
                .collect::<Vec<_>>()
        })
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    out.push_str(&format!("{fence}text\n"));
    for line in lines {
        out.push_str(line.as_ref());
        out.push('\n');
    }
    out.push_str(&format!("{fence}\n"));
}

fn sign(blocking: Blocking) -> char {
    match blocking {
        Blocking::Nothing => '+',
        Blocking::Ddl => '-',
        Blocking::Writes => '=',
        Blocking::Everything => '#',
    }
}

fn bars(timeline: &Timeline) -> Vec<String> {
    let labels: Vec<String> = timeline
        .bars
        .iter()
        .map(|bar| printable(&bar.label).into_owned())
        .collect();
    let longest = labels.iter().map(|label| label.chars().count()).max();
    let longest = longest.unwrap_or(0);
    let place = |micros: u64| {
        let place = u128::from(micros) * u128::from(WIDTH) / u128::from(timeline.length.max(1));
        usize::try_from(place).unwrap_or(usize::MAX)
    };
    let mut lines: Vec<String> = timeline
        .bars
        .iter()
        .zip(&labels)
        .map(|(bar, label)| {
            let mut cells = vec!['.'; usize::try_from(WIDTH).unwrap_or(0)];
            for (from, to, blocking) in &bar.pieces {
                // Whatever took any time at all is seen.
                let last = cells.len().saturating_sub(1);
                let from = place(*from).min(last);
                let to = place(*to).max(from + 1);
                for cell in cells.iter_mut().take(to).skip(from) {
                    *cell = sign(*blocking);
                }
            }
            let picture: String = cells.into_iter().collect();
            let note = printable(&bar.note);
            format!("{label:longest$} {picture} {note}")
        })
        .collect();
    let legend: Vec<String> = Blocking::LEGEND
        .iter()
        .map(|(blocking, words)| format!("{} {words}", sign(*blocking)))
        .collect();
    lines.push(String::new());
    lines.push(legend.join("   "));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    /// What a reader of Markdown makes of it: the text, and every kind of markup it met.
    fn read_rendered(markdown: &str) -> (String, Vec<String>) {
        let (mut shown, mut markup) = (String::new(), Vec::new());
        // Typographic quotes would change the text on purpose; no ticket system turns them on.
        let options = Options::all().difference(Options::ENABLE_SMART_PUNCTUATION);
        for event in Parser::new_ext(markdown, options) {
            match event {
                Event::Text(text) => shown.push_str(&text),
                Event::Start(
                    Tag::Paragraph
                    | Tag::Heading { id: None, .. }
                    | Tag::List(None)
                    | Tag::Item
                    | Tag::Table(_)
                    | Tag::TableHead
                    | Tag::TableRow
                    | Tag::TableCell,
                )
                | Event::End(_) => {}
                other => markup.push(format!("{other:?}")),
            }
        }
        (shown, markup)
    }

    fn table_of(raw: &str) -> String {
        let mut out = String::new();
        let rows = vec![Row::Cells(vec![Cell::plain(raw), Cell::plain("end")])];
        table(
            &Table {
                head: Vec::new(),
                rows,
            },
            &mut out,
        );
        out
    }

    proptest! {
        /// A reader sees the very text, wherever it stands, and no markup.
        #[test]
        fn no_text_becomes_markup(raw in "([-+#=*_~`|<>&$:/{}^\\\\()\\[\\]!.0-9 a-z\\n\u{1b}]|https://a.b|\\PC){0,24}") {
            let expected = printable(&raw).trim().to_owned();
            prop_assume!(!expected.is_empty());
            let none: Vec<String> = Vec::new();
            prop_assert_eq!(read_rendered(&escape_markdown(&raw)), (expected.clone(), none.clone()));
            prop_assert_eq!(read_rendered(&format!("- {}\n", escape_markdown(&raw))), (expected.clone(), none.clone()));
            prop_assert_eq!(read_rendered(&format!("## {}\n", escape_markdown(&raw))), (expected.clone(), none.clone()));
            prop_assert_eq!(read_rendered(&table_of(&raw)), (format!("{expected}end"), none));
        }

        /// A fence holds whatever stands in it.
        #[test]
        fn no_line_ends_its_fence(lines in proptest::collection::vec("[`~ a\\n]{0,12}", 0..5)) {
            let mut out = String::new();
            fenced(lines.iter().map(|line| printable(line)), &mut out);
            let expected: String = lines.iter().map(|line| format!("{}\n", printable(line))).collect();
            let events: Vec<Event<'_>> = Parser::new(&out).collect();
            let starts = events.iter().filter(|e| matches!(e, Event::Start(_))).count();
            let shown: String = events
                .iter()
                .filter_map(|event| match event {
                    Event::Text(text) => Some(text.as_ref()),
                    _ => None,
                })
                .collect();
            prop_assert_eq!((starts, shown), (1, expected));
        }
    }
}
