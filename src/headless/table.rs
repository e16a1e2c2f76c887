//! A result as lines, in psql's aligned form, cut where it would be too much for a log.
//!
//! ```text
//!  how_many | all
//! ----------+------
//!       100 | 5050
//! (1 row)
//! ```

use crate::runbook::check::ResultSet;
use crate::runbook::printable::{counted, printable};
use std::borrow::Cow;

/// The most rows that are printed of a result.
const PRINTED: usize = 100;
/// The widest column, in characters.
const WIDEST: usize = 200;

/// The lines of a result. Columns of numbers stand at the right, as psql sets them.
pub(super) fn format_table(set: &ResultSet) -> Vec<String> {
    let rows: Vec<Vec<String>> = set
        .rows
        .iter()
        .take(PRINTED)
        .map(|row| row.iter().map(|cell| shown(cell.as_deref())).collect())
        .collect();
    let names: Vec<String> = set
        .columns
        .iter()
        .map(|name| cut(printable(name)))
        .collect();
    let column = |nth: usize| rows.iter().filter_map(move |row| row.get(nth));
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(nth, name)| {
            let cells = column(nth).map(|cell| cell.chars().count());
            cells.max().unwrap_or(0).max(name.chars().count())
        })
        .collect();
    let numbers = set.columns_of_numbers();
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .zip(&numbers)
            .map(|((cell, wide), number)| match number {
                true => format!(" {cell:>wide$} "),
                false => format!(" {cell:<wide$} "),
            })
            .collect();
        cells.join("|").trim_end().to_owned()
    };
    let rule: Vec<String> = widths.iter().map(|wide| "-".repeat(wide + 2)).collect();
    let head: Vec<String> = names
        .iter()
        .zip(&widths)
        .map(|(name, wide)| format!(" {name:^wide$} "))
        .collect();
    let mut lines = vec![head.join("|").trim_end().to_owned(), rule.join("+")];
    lines.extend(rows.iter().map(|row| line(row)));
    let all = usize::try_from(set.total).unwrap_or(usize::MAX);
    let count = counted(all, "row", "rows");
    lines.push(match rows.len() < all {
        true => format!("({count}; the first {} are shown)", rows.len()),
        false => format!("({count})"),
    });
    lines
}

/// A value on one line. A text that reads like NULL is quoted.
fn shown(cell: Option<&str>) -> String {
    match cell {
        None => "NULL".to_owned(),
        Some("NULL") => "'NULL'".to_owned(),
        Some(text) => cut(printable(text)),
    }
}

fn cut(text: Cow<'_, str>) -> String {
    match text.char_indices().nth(WIDEST) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(columns: &[&str], rows: &[&[Option<&str>]], total: u64) -> ResultSet {
        let own = |cell: &Option<&str>| cell.map(str::to_owned);
        ResultSet {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows
                .iter()
                .map(|row| row.iter().map(own).collect())
                .collect(),
            total,
        }
    }

    #[test]
    fn a_result_reads_as_in_psql() {
        let rows: &[&[Option<&str>]] = &[
            &[Some("100"), Some("a"), None],
            &[Some("7"), Some("NULL"), Some("b\nc\x1b[2J")],
        ];
        assert_eq!(
            format_table(&set(&["how_many", "x", "y"], rows, 2)),
            [
                " how_many |   x    |      y",
                "----------+--------+-------------",
                "      100 | a      | NULL",
                "        7 | 'NULL' | b\\nc\\x1b[2J",
                "(2 rows)",
            ]
        );
        assert_eq!(
            format_table(&set(&["n"], &[], 0)),
            [" n", "---", "(0 rows)"]
        );
    }

    #[test]
    fn a_long_result_is_cut_and_says_so() {
        let row: &[Option<&str>] = &[Some("1")];
        let rows = vec![row; 300];
        let told = format_table(&set(&["n"], &rows, 2_400_000));
        assert_eq!(told.len(), 2 + 100 + 1);
        assert_eq!(
            told.last().unwrap(),
            "(2400000 rows; the first 100 are shown)"
        );
    }
}
