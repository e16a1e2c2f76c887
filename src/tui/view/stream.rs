//! The statements as they run.
//!
//! ```text
//!  12 of 24 statements done                                                 0:04
//!  + BEGIN                                              sent by stagegate itself
//!    1 BEGIN                                            taken over by the gate
//!  Migration 011: integration_inbox ────────────────────────────────────────────
//!    2 ALTER TABLE service_ops.integration_inbox     done    12 ms  ACCESS EXCL.
//!    3 CREATE INDEX service_ops.integration_inbox    RUNNING  / 0:03
//!      CREATE UNIQUE INDEX IF NOT EXISTS uq_integration_inbox_message_id ON service_op..
//!      building index: scanning table   ███████████░░░░░░░  61 %  1234 of 2000 blocks
//! ```
//!
//! The lock column names the strongest lock that a statement took newly.

use super::{Scene, Sheet};
use crate::gate::account::Step;
use crate::gate::event::{LockMode, Session, StatementReport};
use crate::runbook::script::{Fate, Statement};
use crate::tui::text::{clock, hanging, took, width, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// From this width on lock modes are written in full.
const LONG_LOCKS: usize = 100;

/// The whole stream.
pub(crate) fn sheet(scene: &Scene<'_>, columns: usize) -> Sheet {
    let look = scene.look;
    let script = &scene.runbook.script;
    let mut lines = Vec::new();
    let mut follow = None;
    for sent in &scene.account.added {
        lines.push(aside(
            scene,
            "  +",
            &look.clean(sent),
            "sent by stagegate",
            columns,
        ));
    }
    let mut section = None;
    for (index, statement) in script.statements.iter().enumerate() {
        if statement.section != section {
            section = statement.section;
            if let Some(title) = script.section_title(statement) {
                lines.push(scene.heading(
                    &format!(" {}", look.clean(title)),
                    columns.saturating_sub(1),
                ));
            }
        }
        for echo in &script.echoes {
            if echo.before == statement.number {
                for text in look.clean_lines(&echo.text) {
                    let text = look.clip(&format!("      {text}"), columns);
                    lines.push(scene.line(text, look.dim()));
                }
            }
        }
        let step = scene.account.steps.get(index).unwrap_or(&Step::Waiting);
        if matches!(step, Step::Running { .. } | Step::Failed { .. }) {
            follow = Some(lines.len());
        }
        lines.extend(rows(scene, statement, step, columns));
        if matches!(step, Step::Done(_)) && scene.account.running().is_none() {
            follow = follow.max(Some(lines.len().saturating_sub(1)));
        }
    }
    Sheet {
        head: vec![title(scene, columns)],
        lines,
        pinned: Vec::new(),
        follow,
    }
}

/// How many statements are done.
pub(crate) fn done(scene: &Scene<'_>) -> usize {
    let steps = scene.account.steps.iter();
    steps.filter(|step| matches!(step, Step::Done(_))).count()
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

fn rows(
    scene: &Scene<'_>,
    statement: &Statement,
    step: &Step,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let number = look.fit_right(&statement.number.to_string(), 4);
    match step {
        Step::Gate(fate) => {
            let what = match fate {
                Fate::TakenOver => "taken over by the gate",
                Fate::Held => "held back: only the key sends it",
                Fate::LeftOut => "left out by choice",
                Fate::Sent => "",
            };
            vec![aside(
                scene,
                &number,
                &look.clean(&statement.kind),
                what,
                columns,
            )]
        }
        Step::Waiting => vec![row(
            scene,
            &number,
            statement,
            "",
            look.dim(),
            "",
            None,
            look.dim(),
            columns,
        )],
        Step::NotRun => vec![row(
            scene,
            &number,
            statement,
            "not run",
            look.dim(),
            "",
            None,
            look.dim(),
            columns,
        )],
        Step::Running { since } => {
            let mut lines = vec![row(
                scene,
                &number,
                statement,
                "RUNNING",
                look.warn(),
                &format!(
                    "{} {}",
                    look.glyphs.spinner(scene.account.now),
                    clock(scene.account.now.saturating_sub(*since))
                ),
                None,
                look.strong(),
                columns,
            )];
            let text = look.clean_lines(&statement.text).join(" ");
            let words: Vec<&str> = text.split_whitespace().collect();
            let text = look.clip(&format!("      {}", words.join(" ")), columns);
            lines.push(scene.line(text, look.dim()));
            lines.extend(progress(scene, columns));
            lines
        }
        Step::Done(report) => vec![row(
            scene,
            &number,
            statement,
            "done",
            look.good(),
            &took(report.duration),
            strongest(report),
            Style::new(),
            columns,
        )],
        Step::Failed { duration, error } => {
            let mut lines = vec![row(
                scene,
                &number,
                statement,
                "FAILED",
                look.band_bad(),
                &took(*duration),
                None,
                look.bad(),
                columns,
            )];
            let text = format!(
                "{} {}: {}",
                error.severity,
                error.sqlstate.as_deref().unwrap_or("no SQLSTATE"),
                error.message
            );
            for part in wrap(
                &look.clean_lines(&text).join(" "),
                columns.saturating_sub(7),
            ) {
                lines.push(scene.line(format!("      {part}"), look.bad()));
            }
            lines
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn row(
    scene: &Scene<'_>,
    number: &str,
    statement: &Statement,
    state: &str,
    state_style: Style,
    time: &str,
    lock: Option<LockMode>,
    style: Style,
    columns: usize,
) -> Line<'static> {
    let look = scene.look;
    let long = columns >= LONG_LOCKS;
    let for_lock = if long { 22 } else { 13 };
    // number, state, time, lock, and a gap before each.
    let room = columns.saturating_sub(4 + 1 + 1 + 7 + 1 + 7 + 1 + for_lock);
    let lock_style = match lock {
        Some(mode) if mode >= LockMode::Share => look.bad(),
        Some(_) | None => look.dim(),
    };
    let lock = lock.map_or("", |mode| if long { mode.name() } else { short(mode) });
    Line::from(vec![
        format!("{number} ").set_style(look.dim()),
        what(scene, statement, room).set_style(style),
        Span::raw(" "),
        look.fit(state, 7).set_style(state_style),
        Span::raw(" "),
        look.fit_right(time, 7).set_style(style),
        Span::raw(" "),
        look.fit(lock, for_lock).set_style(lock_style),
    ])
}

/// Kind and relation in exactly `room` columns; of a long relation the end is kept, which tells
/// tables apart.
fn what(scene: &Scene<'_>, statement: &Statement, room: usize) -> String {
    let look = scene.look;
    let kind = look.clean(&statement.kind);
    let Some(relation) = &statement.relation else {
        return look.fit(&kind, room);
    };
    let relation = look.clean(relation);
    let left = room.saturating_sub(width(&kind) + 1);
    look.fit(
        &format!("{kind} {}", look.clip_left(&relation, left.max(8))),
        room,
    )
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

fn strongest(report: &StatementReport) -> Option<LockMode> {
    report.locks.iter().map(|lock| lock.mode).max()
}

/// Below the statement that runs: how far its index is, and whom it waits for.
fn progress(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = Vec::new();
    let Some(sight) = &scene.account.sight else {
        if let Some(reason) = &scene.account.blind {
            let text = format!(
                "      progress is not known: {} (the script is not affected)",
                look.clean_lines(reason).join(" ")
            );
            lines.push(scene.line(look.clip(&text, columns), look.dim()));
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
pub(crate) fn session(scene: &Scene<'_>, session: &Session) -> String {
    let look = scene.look;
    let mut text = format!("pid {} {}", session.pid, look.clean(&session.role));
    if !session.application.is_empty() {
        text.push_str(&format!(" ({})", look.clean(&session.application)));
    }
    if let Some(state) = &session.state {
        text.push_str(&format!(", {}", look.clean(state)));
    }
    if let Some(since) = session.since {
        text.push_str(&format!(", for {}", clock(since)));
    }
    if let Some(relation) = &session.relation {
        text.push_str(&format!(", on {}", look.clean(relation)));
    }
    text
}
