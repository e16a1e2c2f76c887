//! The statements as they run.
//!
//! ```text
//!  12 of 24 statements done                                                 0:04
//!  + BEGIN                                              sent by stagegate itself
//!    1 BEGIN                                            taken over by the gate
//!  Migration 011: integration_inbox ────────────────────────────────────────────
//!    2 ALTER TABLE service_ops.integration_inbox        done   12 ms ACCESS EXCL.
//!    3 UPDATE service_ops.integration_inbox       UPDATE 512    4 ms ROW EXCL.
//! >  4 CREATE INDEX service_ops.integration_inbox    RUNNING  / 0:03
//!      CREATE UNIQUE INDEX IF NOT EXISTS uq_integration_inbox_message_id ON service_op..
//!      building index: scanning table   ███████████░░░░░░░  61 %  1234 of 2000 blocks
//! ```
//!
//! The lock column names the strongest lock that a statement took newly. Only the lines on screen
//! are made, however long the script is (I14).

use super::Scene;
use crate::account::Step;
use crate::facts::{OtherSession, ServerMessage, StatementEnd};
use crate::runbook::lock::LockMode;
use crate::runbook::script::{Fate, Script, Statement};
use crate::tui::paint::Roll;
use crate::tui::text::{clock, hanging, took, width, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};
use std::collections::BTreeMap;
use std::ops::Range;

/// From this width on lock modes are written in full.
const LONG_LOCKS: usize = 100;

/// What is counted once of a script: how many lines stand above each statement's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outline {
    pub sent: usize,
    /// How many of them do more than look.
    pub working: usize,
    /// Which results are called data, in words.
    pub data: Option<String>,
    /// For each statement, the lines from the first one to its own, with headings and echoes.
    ends: Vec<usize>,
}

impl Outline {
    pub(crate) fn of(script: &Script) -> Outline {
        let mut echoes: BTreeMap<usize, usize> = BTreeMap::new();
        for echo in &script.echoes {
            *echoes.entry(echo.behind).or_default() += echo.text.lines().count();
        }
        let (mut lines, mut section) = (0, None);
        let ends = script
            .statements
            .iter()
            .enumerate()
            .map(|(index, statement)| {
                if statement.section != section {
                    section = statement.section;
                    lines += usize::from(script.section_title(statement).is_some());
                }
                lines += echoes.get(&index).copied().unwrap_or(0) + 1;
                lines
            })
            .collect();
        Outline {
            sent: script.sent().count(),
            working: script.sent().filter(|one| !one.only_looks()).count(),
            data: script.data_in_words(),
            ends,
        }
    }
}

/// The stream: what the program sent itself, then the statements.
pub(crate) struct Stream<'a> {
    scene: &'a Scene<'a>,
    columns: usize,
    /// The statement under the cursor.
    at: Option<usize>,
    /// What stands below the statement that runs or failed, and where that is among all.
    below: Vec<Line<'static>>,
    newest: Option<usize>,
}

impl<'a> Stream<'a> {
    /// The stream as it is now; the cursor stands on statement `at`, where there is one.
    pub(crate) fn new(scene: &'a Scene<'a>, columns: usize, at: Option<usize>) -> Stream<'a> {
        let script = &scene.runbook.script;
        let newest = scene.account.newest();
        let newest = newest.and_then(|number| script.index_of(number));
        let mut below = newest
            .and_then(|index| script.statements.get(index))
            .map(|statement| rows(scene, statement, columns, false))
            .unwrap_or_default();
        below.drain(..below.len().min(1));
        Stream {
            scene,
            columns,
            at,
            below,
            newest,
        }
    }

    /// How many statements are done, above the rest.
    pub(crate) fn head(&self) -> [Line<'static>; 1] {
        [title(self.scene, self.columns)]
    }

    pub(crate) fn line_of(&self, number: usize) -> Option<usize> {
        let index = self.scene.runbook.script.index_of(number)?;
        let end = self.scene.outline.ends.get(index)?;
        let below = match self.newest {
            Some(newest) if newest < index => self.below.len(),
            Some(_) | None => 0,
        };
        let (ahead, _) = self.scene.account.added();
        Some(ahead.len() + below + end - 1)
    }

    /// Of what the program sends, each in a line, those whose lines are in the range; the first one
    /// stands on line `start`.
    fn added(&self, all: &[String], start: usize, range: &Range<usize>) -> Vec<Line<'static>> {
        let scene = self.scene;
        let shown = (start..).zip(all).filter(|(line, _)| range.contains(line));
        let lines = shown.map(|(_, sent)| {
            let text = scene.look.clean(sent);
            aside(scene, "  +", &text, "sent by stagegate", self.columns)
        });
        lines.collect()
    }

    /// The lines of a statement: its heading and echoes, its own, and what stands below it.
    fn block(&self, index: usize, statement: &Statement) -> Vec<Line<'static>> {
        let (scene, columns) = (self.scene, self.columns);
        let look = scene.look;
        let script = &scene.runbook.script;
        let before = index
            .checked_sub(1)
            .and_then(|before| script.statements.get(before)?.section);
        let mut lines = Vec::new();
        if statement.section != before
            && let Some(title) = script.section_title(statement)
        {
            let title = format!(" {}", look.clean(title));
            lines.push(scene.heading(&title, columns.saturating_sub(1)));
        }
        let first = script.echoes.partition_point(|e| e.behind < index);
        let echoes = script.echoes.iter().skip(first);
        for echo in echoes.take_while(|e| e.behind == index) {
            for text in look.clean_lines(&echo.text) {
                let text = look.clip(&format!("      {text}"), columns);
                lines.push(scene.line(text, look.dim()));
            }
        }
        let here = self.at.is_some() && self.at == statement.own_number();
        let own = rows(scene, statement, columns, here);
        if self.newest == Some(index) {
            lines.extend(own.into_iter().take(1));
            lines.extend(self.below.iter().cloned());
        } else {
            lines.extend(own);
        }
        lines
    }
}

impl Roll for Stream<'_> {
    fn total(&self) -> usize {
        let ends = self.scene.outline.ends.last().copied().unwrap_or(0);
        self.scene.account.transaction.added.len() + ends + self.below.len()
    }

    fn follow(&self) -> Option<usize> {
        self.line_of(self.at.or_else(|| self.scene.account.newest())?)
    }

    fn lines(&self, range: Range<usize>) -> Vec<Line<'static>> {
        let (before, after) = self.scene.account.added();
        let ahead = before.len();
        let mut lines = self.added(before, 0, &range);
        // The statement whose block reaches into the range, or one a little before it.
        let wanted = range.start.saturating_sub(ahead);
        let ends = &self.scene.outline.ends;
        let first = ends.partition_point(|end| end + self.below.len() <= wanted);
        let before = first.checked_sub(1).and_then(|index| ends.get(index));
        let above = match self.newest {
            Some(newest) if newest < first => self.below.len(),
            Some(_) | None => 0,
        };
        let start = ahead + before.copied().unwrap_or(0) + above;
        lines.extend(self.from(first, start, &range));
        let behind = ahead + ends.last().copied().unwrap_or(0) + self.below.len();
        lines.extend(self.added(after, behind, &range));
        lines
    }
}

impl Stream<'_> {
    /// The lines of `range`, made from the statement at `index` on, whose block begins at `line`.
    fn from(&self, index: usize, line: usize, range: &Range<usize>) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut line = line;
        let statements = self.scene.runbook.script.statements.iter().enumerate();
        for (index, statement) in statements.skip(index) {
            if line >= range.end {
                break;
            }
            for made in self.block(index, statement) {
                if range.contains(&line) {
                    lines.push(made);
                }
                line += 1;
            }
        }
        lines
    }
}

pub(crate) fn done(scene: &Scene<'_>) -> usize {
    scene.account.transaction.done()
}

fn title(scene: &Scene<'_>, columns: usize) -> Line<'static> {
    let look = scene.look;
    let (done, sent) = (done(scene), scene.sent());
    let mut text = format!(" {done} of {sent} statements done");
    if scene.machine.attempt() > 1 {
        let all = scene.machine.plan().lock_attempts;
        text.push_str(&format!(", attempt {} of {all}", scene.machine.attempt()));
    }
    let mut style = look.strong();
    if let Some((number, _)) = scene.account.failed() {
        text.push_str(&format!(", statement {number} FAILED, the rest not run"));
        style = look.bad();
    } else if let Some((number, since)) = scene.account.running() {
        text.push_str(&format!(", {number} runs for {}", clock(since)));
    } else if done == sent && sent > 0 {
        style = look.good();
    }
    let mut line = Line::from(look.clip(&text, columns).set_style(style));
    let room = columns.saturating_sub(width(&text) + 4).min(30);
    if room >= 8 && done < sent {
        let bar = look.bar(done as u64, sent as u64, room);
        line.push_span(Span::raw("  "));
        line.push_span(bar.set_style(look.good()));
    }
    line
}

/// A line that is not a statement's own: a mark, a text, and what it is at the right.
fn aside(scene: &Scene<'_>, mark: &str, text: &str, what: &str, columns: usize) -> Line<'static> {
    let look = scene.look;
    let room = columns.saturating_sub(width(mark) + width(what) + 4);
    Line::from(vec![
        format!("{mark} ").set_style(look.dim()),
        look.fit(text, room).set_style(look.dim()),
        format!("  {what}").set_style(look.dim()),
    ])
}

/// What stands to the right of a statement's name.
struct StatementMark {
    state: String,
    state_style: Style,
    time: String,
    lock: Option<LockMode>,
    style: Style,
}

impl StatementMark {
    fn of(state: impl Into<String>, style: Style) -> StatementMark {
        StatementMark {
            state: state.into(),
            state_style: style,
            time: String::new(),
            lock: None,
            style,
        }
    }
}

/// The lines of a statement itself, the first of which is its row.
fn rows(
    scene: &Scene<'_>,
    statement: &Statement,
    columns: usize,
    here: bool,
) -> Vec<Line<'static>> {
    let look = scene.look;
    #[cfg(test)]
    MADE.with(|made| made.set(made.get() + 1));
    let mark = if here { look.glyphs.cursor() } else { " " };
    let digits = scene.runbook.script.statements.len().to_string().len();
    let shown = statement.own_number();
    let shown = shown.map_or_else(String::new, |number| number.to_string());
    let number = look.fit_right(&shown, digits.max(4));
    let mut below = Vec::new();
    let told = match scene.account.step_of(statement) {
        Step::Gate(fate) => {
            let kind = look.clean(&statement.kind);
            let head = format!("{number}{mark}");
            // Its own gap stands behind it.
            let head = head.strip_suffix(' ').unwrap_or(&head);
            return vec![aside(scene, head, &kind, say_fate(fate), columns)];
        }
        Step::Waiting => StatementMark::of("", look.dim()),
        Step::NotRun => StatementMark::of("not run", look.dim()),
        Step::Running { since } => {
            below.push(running(scene, statement, columns));
            below.extend(progress(scene, columns));
            StatementMark {
                state_style: look.warn(),
                time: format!(
                    "{} {}",
                    look.glyphs.spinner(scene.account.now),
                    clock(scene.account.now.saturating_sub(since))
                ),
                ..StatementMark::of("RUNNING", look.strong())
            }
        }
        Step::Done(end) => StatementMark {
            state_style: look.good(),
            time: took(end.duration),
            lock: end.locks.iter().map(|lock| lock.mode).max(),
            ..StatementMark::of(brought(scene, statement.number, end), Style::new())
        },
        Step::Failed { duration, error } => {
            below.extend(failed(scene, error, columns));
            StatementMark {
                state_style: look.band_bad(),
                time: took(duration),
                ..StatementMark::of("FAILED", look.bad())
            }
        }
    };
    let head = format!("{number}{mark}");
    let mut lines = vec![row(scene, &head, statement, told, columns)];
    lines.append(&mut below);
    lines
}

/// What becomes of a statement that is not sent.
fn say_fate(fate: Fate) -> &'static str {
    match fate {
        Fate::TakenOver => "taken over by the gate",
        Fate::Held => "held back: only the key sends it",
        Fate::Ends => "makes the run a rehearsal",
        Fate::LeftOut => "left out by choice",
        Fate::Sent => "",
    }
}

fn running(scene: &Scene<'_>, statement: &Statement, columns: usize) -> Line<'static> {
    let look = scene.look;
    // What is longer than the line is not even looked at.
    let text: String = statement.text.chars().take(columns * 4).collect();
    let text = look.clean_lines(&text).join(" ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = look.clip(&format!("      {}", words.join(" ")), columns);
    scene.line(text, look.dim())
}

fn failed(scene: &Scene<'_>, error: &ServerMessage, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let text = format!(
        "{} {}: {}",
        error.severity,
        error.sqlstate.as_deref().unwrap_or("no SQLSTATE"),
        error.message
    );
    let text = look.clean_lines(&text).join(" ");
    wrap(&text, columns.saturating_sub(7))
        .into_iter()
        .map(|part| scene.line(format!("      {part}"), look.bad()))
        .collect()
}

/// What a statement that succeeded says for itself: the command tag where it counts rows, `DELETE
/// 12245`, and else that it is done, because its name is on the line already.
fn brought(scene: &Scene<'_>, number: usize, end: &StatementEnd) -> String {
    let tag = end.tag.as_deref().unwrap_or_default();
    let counts = tag.ends_with(|c: char| c.is_ascii_digit());
    let told = match counts {
        true => scene.look.clean(tag),
        false => "done".to_owned(),
    };
    match scene.may_differ(number) {
        true => format!("MAY DIFFER {told}"),
        false => told,
    }
}

#[cfg(test)]
thread_local! {
    /// How many statements were made into lines, for the tests that bound what a frame costs.
    pub(crate) static MADE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn row(
    scene: &Scene<'_>,
    number: &str,
    statement: &Statement,
    told: StatementMark,
    columns: usize,
) -> Line<'static> {
    let look = scene.look;
    let long = columns >= LONG_LOCKS;
    let for_lock = if long { 22 } else { 13 };
    // A longer state takes its room from the name, so that times and locks stay below one another.
    let for_state = width(&told.state).max(7);
    // number, state, time, lock, and a gap before each.
    let room = columns.saturating_sub(width(number) + 1 + for_state + 1 + 7 + 1 + for_lock);
    let lock_style = match told.lock {
        Some(mode) if mode >= LockMode::Share => look.bad(),
        Some(_) | None => look.dim(),
    };
    let lock = told
        .lock
        .map_or("", |mode| if long { mode.name() } else { short(mode) });
    Line::from(vec![
        number.to_owned().set_style(look.dim()),
        what(scene, statement, room).set_style(told.style),
        Span::raw(" "),
        look.fit_right(&told.state, for_state)
            .set_style(told.state_style),
        Span::raw(" "),
        look.fit_right(&told.time, 7).set_style(told.style),
        Span::raw(" "),
        look.fit(lock, for_lock).set_style(lock_style),
    ])
}

/// Kind and name in exactly `room` columns. The table of an index gives way to its name; of a long name
/// the end is kept, which tells names apart, of a check's the beginning.
fn what(scene: &Scene<'_>, statement: &Statement, room: usize) -> String {
    let look = scene.look;
    let kind = look.clean(&statement.kind);
    let left = room.saturating_sub(width(&kind) + 1).max(8);
    let clean = |name: &str| look.clean_lines(name).join(" ");
    let name = match (statement.about(), statement.subject()) {
        (None, _) => return look.fit(&kind, room),
        (Some(_), Some(check)) if statement.kind == "SELECT" => look.clip(&clean(check), left),
        (Some(about), Some(name)) if width(&clean(&about)) > left => {
            look.clip_left(&clean(name), left)
        }
        (Some(about), _) => look.clip_left(&clean(&about), left),
    };
    look.fit(&format!("{kind} {name}"), room)
}

/// A lock mode in 13 columns.
fn short(mode: LockMode) -> &'static str {
    match mode {
        LockMode::AccessShare => "ACCESS SHARE",
        LockMode::RowShare => "ROW SHARE",
        LockMode::RowExclusive => "ROW EXCL.",
        LockMode::ShareUpdateExclusive => "SH. UPD. EXCL",
        LockMode::Share => "SHARE",
        LockMode::ShareRowExclusive => "SH. ROW EXCL.",
        LockMode::Exclusive => "EXCLUSIVE",
        LockMode::AccessExclusive => "ACCESS EXCL.",
    }
}

/// Below the statement that runs: how far its index is, and whom it waits for.
fn progress(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = Vec::new();
    let Some(sight) = &scene.account.sight else {
        if let Some(reason) = &scene.account.blind {
            let text = format!(
                "progress is not known, asked on a connection beside the script's: {}",
                look.clean_lines(reason).join(" ")
            );
            lines.extend(hanging(&text, look.dim(), 6, columns));
        }
        return lines;
    };
    if let Some(progress) = &sight.progress {
        let phase = look.clean(&progress.phase);
        let mut spans = vec![Span::raw(format!("      {phase}"))];
        let done = progress.done.min(progress.total).saturating_mul(100);
        if let Some(percent) = done.checked_div(progress.total) {
            let figures = format!(
                "{percent:>3} %  {} of {} {}",
                progress.done, progress.total, progress.unit
            );
            let room = columns
                .saturating_sub(6 + width(&phase) + width(&figures) + 4)
                .min(30);
            if room >= 6 {
                spans.push(Span::raw("  "));
                spans.push(
                    look.bar(progress.done, progress.total, room)
                        .set_style(look.warn()),
                );
            }
            spans.push(Span::raw(format!("  {figures}")));
        }
        lines.push(Line::from(spans));
    }
    for blocker in &sight.blockers {
        let text = format!("WAITS FOR {}", session(scene, blocker));
        lines.extend(hanging(&text, look.bad(), 6, columns));
    }
    lines
}

/// A session in words: `pid 4242 app_writer (packet-api), idle in transaction, 0:12, on inbox`.
pub(crate) fn session(scene: &Scene<'_>, session: &OtherSession) -> String {
    let look = scene.look;
    let mut text = format!("pid {} {}", session.pid, look.clean(&session.who()));
    if let Some(since) = session.since {
        text.push_str(&format!(", for {}", clock(since)));
    }
    if let Some(relation) = &session.relation {
        text.push_str(&format!(", on {}", look.clean(relation)));
    }
    text
}
