//! All of one statement: how it went, the rows it brought, what the server said, its locks, its text.
//!
//! ```text
//!  STATEMENT 5 of 6, line 5: SELECT u1
//!  SELECT 1 in 2 ms
//!  ROWS: 1 ───────────────────────────────────────────────
//!   count
//!  ───────
//!   12245
//!  TEXT ──────────────────────────────────────────────────
//!  SELECT count(*) FROM u1
//! ```
//!
//! Rows are made where they are seen only, and wide ones scroll sideways. What is above and below
//! them is made once for a state and a width.

use super::grid::ShownRows;
use super::{Scene, messages, server_error};
use crate::account::Step;
use crate::acts::{key_of, name_keys};
use crate::facts::StatementEnd;
use crate::runbook::check::ResultSet;
use crate::runbook::script::{Fate, Statement};
use crate::tui::paint::Roll;
use crate::tui::text::{clock, counted, hanging, took, wrap};
use ratatui::style::Style;
use ratatui::text::Line;
use std::ops::Range;
use std::sync::Arc;

/// The most lines of a statement's text; the script has all of them.
const LONGEST_TEXT: usize = 2_000;

/// What was made of a statement for a state and a width.
#[derive(Clone, PartialEq)]
pub(crate) struct Detail {
    /// Which statement, at which width, in which state.
    of: Stamp,
    above: Vec<Line<'static>>,
    /// Its result, unpacked, and how that is shown.
    rows: Option<(Arc<ResultSet>, ShownRows)>,
    below: Vec<Line<'static>>,
}

/// What a detail is made of: when one of these changes, it is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    number: usize,
    columns: usize,
    by_rows: Option<bool>,
    /// Whether it failed; `None` where it has not come to its end.
    failed: Option<bool>,
    messages: usize,
}

/// A statement's detail on a screen, moved sideways by some columns.
pub(crate) struct OpenedStatement<'a> {
    pub scene: &'a Scene<'a>,
    pub detail: &'a Detail,
    pub sideways: usize,
}

fn statement<'a>(scene: &Scene<'a>, number: usize) -> Option<&'a Statement> {
    scene.runbook.script.statement(number)
}

fn step_of<'a>(scene: &Scene<'a>, number: usize) -> Step<'a> {
    let statement = statement(scene, number);
    statement.map_or(Step::Waiting, |one| scene.account.step_of(one))
}

pub(crate) fn head(scene: &Scene<'_>, number: usize, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let Some(statement) = statement(scene, number) else {
        return Vec::new();
    };
    let script = &scene.runbook.script;
    let file = match script.sources.get(statement.source) {
        Some(source) if statement.source > 0 => format!(" of {}", look.clean(&source.name)),
        Some(_) | None => String::new(),
    };
    let title = format!(
        " STATEMENT {number} of {}, line {}{file}: {} {}",
        script.last_number(),
        statement.line,
        look.clean(&statement.kind),
        look.clean(&statement.about().unwrap_or_default()),
    );
    vec![
        scene.line(look.clip(title.trim_end(), columns), look.strong()),
        state(scene, number, columns),
    ]
}

fn state(scene: &Scene<'_>, number: usize, columns: usize) -> Line<'static> {
    let look = scene.look;
    let (text, style) = match step_of(scene, number) {
        Step::Waiting => ("It has not had its turn.".to_owned(), look.dim()),
        Step::NotRun => (
            "Not run: a statement before it failed.".to_owned(),
            look.dim(),
        ),
        Step::Gate(Fate::TakenOver) => (
            "Not sent in its turn: stagegate opens the transaction with it.".to_owned(),
            look.dim(),
        ),
        Step::Gate(Fate::Held) => (
            "Held back: only the key for COMMIT sends it.".to_owned(),
            look.dim(),
        ),
        Step::Gate(Fate::Ends) => (
            "Not sent: the run is a rehearsal, and stagegate rolls back in any case.".to_owned(),
            look.dim(),
        ),
        Step::Gate(_) => ("Left out by choice.".to_owned(), look.dim()),
        Step::Running { since } => (
            format!(
                "RUNNING for {}; {} cancels it.",
                clock(scene.account.now.saturating_sub(since)),
                key_of("cancel")
            ),
            look.warn(),
        ),
        Step::Done(end) => (
            format!(
                "{} in {}",
                look.clean(end.tag.as_deref().unwrap_or_default()),
                took(end.duration)
            ),
            look.good(),
        ),
        Step::Failed { duration, .. } => (format!("FAILED after {}", took(duration)), look.bad()),
    };
    scene.line(look.clip(&format!(" {text}"), columns), style)
}

/// A statement beside the others: which one, how it went, and its text, in at most `height` lines. Of a
/// text of any length no more is looked at than can be shown.
pub(crate) fn in_short(
    scene: &Scene<'_>,
    number: usize,
    columns: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let Some(statement) = statement(scene, number) else {
        return Vec::new();
    };
    let line = statement.line;
    let title = format!(" STATEMENT {number}, line {line}");
    let mut lines = vec![
        heading(scene, &title, columns),
        state(scene, number, columns),
    ];
    let room = columns.saturating_sub(2);
    // Broken where all of it fits so; else line by line, each as far as it goes.
    let seen = |line: &str| {
        let end = line.char_indices().nth(room * height);
        let seen = line.get(..end.map_or(line.len(), |(end, _)| end));
        look.clean(seen.unwrap_or_default())
    };
    let text: Vec<String> = statement.text.lines().take(height).map(seen).collect();
    let broken = text.iter().flat_map(|line| wrap(line, room));
    let broken: Vec<String> = broken.take(height).collect();
    let fits = lines.len() + broken.len() <= height;
    let shown = match fits {
        true => broken,
        false => text.iter().map(|line| look.clip(line, room)).collect(),
    };
    lines.extend(shown.iter().map(|part| Line::from(format!(" {part}"))));
    if !fits {
        lines.truncate(height.saturating_sub(1));
        let key = key_of("detail");
        let more = format!(" {} {key} opens all of it", look.glyphs.ellipsis());
        lines.push(scene.line(look.clip(&more, columns), look.dim()));
    }
    lines
}

impl Detail {
    /// The detail of a statement, its rows as somebody chose; `before` is taken where nothing has changed
    /// since.
    pub(crate) fn of(
        scene: &Scene<'_>,
        number: usize,
        (columns, by_rows): (usize, Option<bool>),
        before: Option<Detail>,
    ) -> Detail {
        let of = Stamp {
            number,
            columns,
            by_rows,
            failed: (scene.account.transaction.ended(number)).map(|end| end.error.is_some()),
            messages: scene.account.messages.len(),
        };
        match before {
            Some(before) if before.of == of => before,
            Some(_) | None => {
                let room = columns.saturating_sub(1);
                let ended = scene.account.transaction.ended(number);
                let rows = ended.and_then(StatementEnd::result).map(|set| {
                    let shown = ShownRows::of(scene.look, &set, room, by_rows);
                    (Arc::new(set), shown)
                });
                Detail {
                    of,
                    above: above(scene, number, rows.as_ref(), columns),
                    rows,
                    below: below(scene, number, columns),
                }
            }
        }
    }

    /// The furthest that the result can be moved sideways.
    pub(crate) fn furthest(&self) -> usize {
        let room = self.of.columns.saturating_sub(1);
        let rows = self.rows.as_ref();
        rows.map_or(0, |(_, rows)| rows.furthest(room))
    }

    /// Whether its rows stand one value below the other; `None` where there are none.
    pub(crate) fn is_by_rows(&self) -> Option<bool> {
        self.rows.as_ref().map(|(_, rows)| rows.is_by_rows())
    }
}

fn heading(scene: &Scene<'_>, text: &str, columns: usize) -> Line<'static> {
    scene.heading(text, columns.saturating_sub(1))
}

/// What stands above the rows: why it failed, or how many rows there are.
fn above(
    scene: &Scene<'_>,
    number: usize,
    rows: Option<&(Arc<ResultSet>, ShownRows)>,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = Vec::new();
    match step_of(scene, number) {
        Step::Failed { error, .. } => {
            lines.extend(server_error::error(scene, error, columns));
            if let Some((statement, position)) = statement(scene, number).zip(error.position) {
                let (text, line) = (&statement.text, statement.line);
                let caret = server_error::caret(scene, text, line, position, columns);
                lines.extend(caret);
            }
        }
        Step::Done(_) => match rows {
            None => lines.push(scene.line(" It returned no rows.", look.dim())),
            Some((set, rows)) => {
                let kept = set.rows.len() as u64;
                let text = if kept < set.total {
                    format!(" ROWS: {kept} of {} kept", set.total)
                } else {
                    format!(" ROWS: {}", set.total)
                };
                let room = columns.saturating_sub(1);
                let keys = match rows {
                    _ if rows.furthest(room) > 0 => {
                        ", wider than the screen: {right} and {left} move it, {wrap} row by row"
                    }
                    ShownRows::ByRows(_) => "; {wrap} shows them as a grid",
                    ShownRows::Grid(_) => "",
                };
                let text = text + &name_keys(keys);
                lines.push(heading(scene, &text, columns));
            }
        },
        Step::Waiting | Step::Gate(_) | Step::Running { .. } | Step::NotRun => {}
    }
    lines
}

/// What stands below the rows: messages, locks, text.
fn below(scene: &Scene<'_>, number: usize, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = Vec::new();
    let failed = matches!(step_of(scene, number), Step::Failed { .. });
    let said = scene.account.messages.iter().map(|(_, said)| said);
    let said: Vec<_> = said
        .filter(|said| said.number == Some(number))
        // What it failed of stands above already.
        .filter(|said| !failed || !matches!(said.message.severity.as_str(), "ERROR" | "FATAL"))
        .collect();
    if !said.is_empty() {
        let text = format!(" MESSAGES: {}", said.len());
        lines.push(heading(scene, &text, columns));
        for said in said {
            let head = messages::head(scene, &said.message);
            lines.push(scene.line(format!(" {head}"), look.strong()));
            let body = messages::body(scene, &said.message, 3, columns.saturating_sub(1));
            lines.extend(body);
        }
    }
    if let Step::Done(end) = step_of(scene, number) {
        lines.push(heading(scene, " LOCKS that it took newly", columns));
        if end.locks.is_empty() {
            lines.push(scene.line(" none that is not held already", look.dim()));
        }
        for lock in &end.locks {
            let text = format!("{} on {}", lock.mode.name(), look.clean(&lock.relation));
            lines.extend(hanging(&text, Style::new(), 1, columns));
        }
    }
    if let Some(statement) = statement(scene, number) {
        lines.push(heading(scene, " TEXT", columns));
        let room = columns.saturating_sub(2);
        let text = statement.text.lines().take(LONGEST_TEXT);
        let text = text.flat_map(|line| wrap(&look.clean(line), room));
        let before = lines.len();
        lines.extend(
            text.take(LONGEST_TEXT)
                .map(|part| Line::from(format!(" {part}"))),
        );
        if lines.len() - before == LONGEST_TEXT {
            let text = name_keys(" and more: {script} shows the whole script");
            lines.push(scene.line(text, look.dim()));
        }
        if let Some(data) = statement.copy_data() {
            let bytes = counted(data.len(), "byte", "bytes");
            lines.push(scene.line(format!(" and {bytes} of data after it"), look.dim()));
        }
    }
    lines
}

impl OpenedStatement<'_> {
    /// How many lines the rows take, and what was not kept.
    fn table(&self) -> usize {
        match &self.detail.rows {
            None => 0,
            Some((set, rows)) => rows.height(set) + usize::from(self.rest(set) > 0),
        }
    }

    fn rest(&self, set: &ResultSet) -> u64 {
        set.total.saturating_sub(set.rows.len() as u64)
    }

    /// A line of the result, as much of it as is not moved out at the left.
    fn row(&self, nth: usize) -> Option<Line<'static>> {
        let (scene, look) = (self.scene, self.scene.look);
        let (set, rows) = self.detail.rows.as_ref()?;
        if nth == rows.height(set) {
            let text = format!(" and {} more rows, not kept", self.rest(set));
            return Some(scene.line(text, look.dim()));
        }
        rows.line(look, set, nth, self.sideways)
    }
}

impl Roll for OpenedStatement<'_> {
    fn total(&self) -> usize {
        self.detail.above.len() + self.table() + self.detail.below.len()
    }

    fn grid(&self) -> Range<usize> {
        let above = self.detail.above.len();
        match &self.detail.rows {
            Some((_, ShownRows::Grid(_))) => above..above + self.table(),
            Some((_, ShownRows::ByRows(_))) | None => 0..0,
        }
    }

    fn lines(&self, range: Range<usize>) -> Vec<Line<'static>> {
        let (above, table) = (self.detail.above.len(), self.table());
        range
            .filter_map(|line| match line.checked_sub(above) {
                None => self.detail.above.get(line).cloned(),
                Some(nth) if nth < table => self.row(nth),
                Some(nth) => self.detail.below.get(nth - table).cloned(),
            })
            .collect()
    }
}
