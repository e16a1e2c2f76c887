//! An answer while it is being read: what is kept of it, and how much.
//!
//! A result is counted to its end and kept only in part, so that no statement of a script can
//! fill this program's memory.

use tokio::time::Instant;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use crate::database::message;
use crate::database::tap::{Frame, Status, Tapped};
use crate::facts::ServerMessage;
use crate::runbook::check::ResultSet;

/// How many rows of one result are kept.
pub const ROW_CAP: usize = 1_000;

/// How many bytes of one result are kept.
pub const BYTE_CAP: usize = 1024 * 1024;

/// How many notices of one request are passed on. A loop that raises notices must not fill memory.
pub const NOTICE_CAP: u64 = 1_000;

/// What is shown for a value that is no text, where the row is too long to look at each byte.
const NO_TEXT: &str = "(not text, in a row of more than 1 MB)";

#[derive(Debug, Clone)]
pub struct Answer {
    pub tags: Vec<String>,
    pub results: Vec<Gathered>,
    pub error: Option<ServerMessage>,
    pub status: Status,
    pub at: Instant,
    /// When each command of it was done, in order.
    pub done: Vec<Done>,
}

#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub at: Instant,
    /// It was no command at all, and so has no tag.
    empty: bool,
}

impl Answer {
    pub fn tag(&self, command: usize) -> Option<&str> {
        let ahead = self.done.get(..command)?.iter();
        let index = command - ahead.filter(|done| done.empty).count();
        let tagged = !self.done.get(command)?.empty;
        self.tags.get(index).filter(|_| tagged).map(String::as_str)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Gathered {
    pub set: ResultSet,
    /// A row that was not kept has a cell that reads like a verdict.
    pub verdict_beyond: bool,
    /// The data of COPY … TO STDOUT, one row a line. It is data, not checks.
    pub copied: bool,
    /// How many commands of the request were done before the one that it is of.
    pub command: usize,
    bytes: usize,
}

impl Gathered {
    /// The first cell of the first row, where there is one that is not NULL.
    pub fn first_cell(&self) -> Option<&str> {
        self.set.rows.first()?.first()?.as_deref()
    }
}

#[derive(Default)]
pub(super) struct AnswerReading {
    pub(super) tags: Vec<String>,
    pub(super) results: Vec<Gathered>,
    pub(super) error: Option<ServerMessage>,
    pub(super) ready: Option<(Status, Instant)>,
    /// Its rows are lines of COPY data.
    copies_out: bool,
    notices: u64,
    /// When each command was done, as the tap saw it.
    done: Vec<Done>,
    /// How many of them tokio-postgres has handed on.
    passed: usize,
}

impl AnswerReading {
    pub(super) fn frame(&mut self, tapped: Tapped, notice: &mut (dyn FnMut(ServerMessage) + Send)) {
        match tapped.frame {
            Frame::Complete(tag) => {
                self.tags.push(tag);
                self.done.push(Done {
                    at: tapped.at,
                    empty: false,
                });
            }
            Frame::Empty => self.done.push(Done {
                at: tapped.at,
                empty: true,
            }),
            Frame::Ready(status) => self.ready = Some((status, tapped.at)),
            Frame::Notice(message) => self.notice(*message, notice),
            Frame::Error(error) => self.error = Some(*error),
            Frame::CopyOut => self.copies_out = true,
            Frame::CopyIn | Frame::Key(_) | Frame::Parameter(..) => {}
        }
    }

    pub(super) fn notice(
        &mut self,
        message: ServerMessage,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) {
        self.notices += 1;
        if self.notices <= NOTICE_CAP {
            notice(message);
        }
    }

    pub(super) fn item(&mut self, item: SimpleQueryMessage) {
        match item {
            SimpleQueryMessage::RowDescription(columns) => self.results.push(Gathered {
                set: ResultSet {
                    columns: columns.iter().map(|c| c.name().to_owned()).collect(),
                    ..ResultSet::default()
                },
                copied: self.copies_out,
                command: self.passed,
                ..Gathered::default()
            }),
            SimpleQueryMessage::Row(row) => {
                if let Some(last) = self.results.last_mut() {
                    last.row(&row);
                }
            }
            // The tag comes through the tap.
            SimpleQueryMessage::CommandComplete(_) => self.passed += 1,
            _ => {}
        }
    }

    pub(super) fn finish(self, notice: &mut (dyn FnMut(ServerMessage) + Send)) -> Option<Answer> {
        if self.notices > NOTICE_CAP {
            notice(message::not_kept(format!(
                "{} more notices were not kept",
                self.notices - NOTICE_CAP
            )));
        }
        let (status, at) = self.ready?;
        Some(Answer {
            tags: self.tags,
            results: self.results,
            error: self.error,
            status,
            at,
            done: self.done,
        })
    }
}

impl Gathered {
    fn row(&mut self, row: &SimpleQueryRow) {
        self.set.total += 1;
        let cells = (0..row.len()).map(|i| row.try_get(i));
        if self.set.rows.len() >= ROW_CAP || self.bytes >= BYTE_CAP {
            self.verdict_beyond |= cells.flatten().flatten().any(reads_like_a_verdict);
            return;
        }
        let kept: Vec<Option<String>> = cells
            .map(|cell| match cell {
                Ok(text) if self.copied => {
                    text.map(|line| line.strip_suffix('\n').unwrap_or(line).to_owned())
                }
                Ok(text) => text.map(str::to_owned),
                // In a row of more than TEXT_CAP the tap has not looked.
                Err(_) => Some(NO_TEXT.into()),
            })
            .collect();
        self.keep(kept);
    }

    fn keep(&mut self, kept: Vec<Option<String>>) {
        self.bytes += kept.iter().flatten().map(String::len).sum::<usize>();
        if self.set.rows.is_empty() {
            // Most results have one row, and they are kept to the end of the run.
            self.set.rows.reserve_exact(1);
        }
        self.set.rows.push(kept);
    }

    pub fn capped(&self) -> bool {
        self.set.total > self.set.rows.len() as u64
    }
}

/// A cell that [`crate::runbook::check`] might take for a verdict.
fn reads_like_a_verdict(cell: &str) -> bool {
    let cell = cell.trim();
    ["PASS", "FAIL", "WARN"]
        .iter()
        .any(|word| cell.eq_ignore_ascii_case(word))
        || cell.starts_with("ok ")
        || cell.starts_with("not ok")
}
