//! A run for somebody who was not there: outcome and proof, target, people, checklist, statements
//! with their locks, checks, messages, the way back, and whether the journal can be believed.
//!
//! The report is built once, as blocks of plain text, and written as Markdown or HTML. Text of a
//! server or a script stands in it as data; only the two writers make markup, and they escape every
//! text they are given (I8).

mod headline;
pub mod html;
pub mod json;
pub mod markdown;
mod sections;
mod timeline;
mod words;

use super::chain::{self, Broken};
use super::replay::Replay;

pub use headline::{Believed, choose_headline};
pub use timeline::{Blocking, Timeline};

/// A report, not yet written in any markup.
#[derive(Debug)]
pub struct RunReport {
    pub title: String,
    pub blocks: Vec<Block>,
    /// Where the journal is not what was written.
    pub broken: Option<Broken>,
}

/// A piece of a report. Every string in it is plain text, as it came.
#[derive(Debug)]
pub enum Block {
    /// A heading; 2 is a section's, 3 one within a section.
    Heading(u8, String),
    /// A word that nobody may overlook, and a sentence to it.
    Banner(Tone, String, String),
    Text(String),
    List(Vec<String>),
    /// Lines that stand as they are: SQL, commands, hashes.
    Code(Vec<String>),
    Table(Table),
    /// The lock window as a picture.
    Timeline(Timeline),
}

#[derive(Debug)]
pub struct Table {
    /// The columns' names; empty for a table of names and values.
    pub head: Vec<&'static str>,
    pub rows: Vec<Row>,
}

#[derive(Debug)]
pub enum Row {
    /// A title over the rows that follow.
    Title(String),
    /// One cell a column.
    Cells(Vec<Cell>),
}

#[derive(Debug)]
pub struct Cell {
    /// What it says; the meaning is in these words, the tone only stresses it (I10).
    pub text: String,
    pub tone: Tone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Doubtful,
    /// Not as it should be.
    Bad,
}

impl RunReport {
    /// The report of the journal with this text; `name` is its file's name, for people and for the
    /// commands that the report gives.
    ///
    /// # Errors
    /// When not even the first line is one of a journal. A journal that breaks later is reported up
    /// to there.
    pub fn of(text: &str, name: &str) -> Result<RunReport, Broken> {
        let (lines, broken) = chain::read_chain(text);
        match broken {
            Some(broken) if lines.is_empty() => Err(broken),
            None if lines.is_empty() => Err(Broken {
                line: 1,
                what: "it is empty".to_owned(),
            }),
            broken => {
                let believed = lines.len();
                let replay = Replay::of(lines);
                let journal = headline::JournalFile {
                    name,
                    lines: text.lines().count(),
                    believed,
                    broken: broken.as_ref(),
                };
                Ok(RunReport {
                    title: sections::title(&replay),
                    blocks: sections::list_blocks(&replay, &journal),
                    broken,
                })
            }
        }
    }
}

impl Block {
    fn text(text: impl Into<String>) -> Block {
        Block::Text(text.into())
    }

    fn table<const N: usize>(
        head: [&'static str; N],
        rows: impl IntoIterator<Item = [Cell; N]>,
    ) -> Block {
        let rows = rows.into_iter().map(|row| Row::Cells(row.into()));
        Block::Table(Table {
            head: head.into(),
            rows: rows.collect(),
        })
    }
}

impl Cell {
    fn plain(text: impl Into<String>) -> Cell {
        Cell::toned(text, Tone::Plain)
    }

    fn toned(text: impl Into<String>, tone: Tone) -> Cell {
        let text = text.into();
        Cell { text, tone }
    }
}
