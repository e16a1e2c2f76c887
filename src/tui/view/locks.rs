//! Locks: what is held and what it blocks, who waits for us, whom we wait for.
//!
//! ```text
//!  LOCKS HELD ──────────────────────────────────────────────────────────
//!  ACCESS EXCLUSIVE  service_ops.integration_inbox    reads and writes wait
//!  WAITING FOR US ──────────────────────────────────────────────────────
//!  pid 4242 app_writer (packet-api), for 0:12, on service_ops.packet_decision
//!  WHICH STATEMENT TOOK WHAT ───────────────────────────────────────────
//!     2 ALTER TABLE      ACCESS EXCLUSIVE  service_ops.integration_inbox
//! ```

use super::{Scene, stream};
use crate::gate::account::Step;
use crate::gate::event::LockMode;
use crate::tui::text::{count, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

fn lock_style(scene: &Scene<'_>, mode: LockMode) -> Style {
    if mode >= LockMode::Share {
        scene.look.bad()
    } else {
        Style::new()
    }
}

/// The locks that are held, each relation's strongest, grouped by strength; for the gate.
pub(crate) fn by_strength(scene: &Scene<'_>, columns: usize, most: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let locks = scene.account.locks();
    let mut lines = Vec::new();
    for mode in LockMode::ALL.into_iter().rev() {
        let relations: Vec<String> = locks
            .iter()
            .filter(|lock| lock.mode == mode)
            .map(|lock| look.clean(&lock.relation))
            .collect();
        if relations.is_empty() {
            continue;
        }
        lines.push(Line::from(vec![
            mode.name().set_style(lock_style(scene, mode)),
            Span::raw(format!(
                " on {}: {}",
                count(relations.len(), "relation", "relations"),
                mode.blocks()
            )),
        ]));
        let mut shown: Vec<String> = relations.iter().take(most).cloned().collect();
        if relations.len() > most {
            shown.push(format!("{} more", relations.len() - most));
        }
        for part in wrap(&shown.join(", "), columns.saturating_sub(2)) {
            lines.push(scene.line(format!("  {part}"), look.dim()));
        }
    }
    lines
}

/// The sessions that wait for us, a line each; `most` of them.
pub(crate) fn waiters(scene: &Scene<'_>, columns: usize, most: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let Some(sight) = &scene.account.sight else {
        let text = match &scene.account.blind {
            Some(reason) => format!("not known: {}", look.clean_lines(reason).join(" ")),
            None => "not looked at yet".to_owned(),
        };
        return vec![scene.line(look.clip(&text, columns), look.dim())];
    };
    if sight.waiters.is_empty() {
        return vec![Line::from("nobody waits for us")];
    }
    let mut lines: Vec<Line<'static>> = sight
        .waiters
        .iter()
        .take(most)
        .map(|waiter| {
            let mut text = stream::session(scene, waiter);
            if !waiter.behind.is_empty() {
                let behind: Vec<String> = waiter.behind.iter().map(i32::to_string).collect();
                text.push_str(&format!(", behind {}", behind.join(", ")));
            }
            scene.line(look.clip(&text, columns), look.warn())
        })
        .collect();
    if sight.waiters.len() > most {
        lines.push(scene.line(
            format!("and {} more; l shows all", sight.waiters.len() - most),
            look.warn(),
        ));
    }
    lines
}

/// The whole pane.
pub(crate) fn lines(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let inner = columns.saturating_sub(1);
    let shift = |line: Line<'static>| {
        let mut spans = vec![Span::raw(" ")];
        spans.extend(line.spans);
        Line::from(spans)
    };
    let mut lines = vec![scene.heading(" LOCKS HELD", inner)];
    let held = by_strength(scene, inner.saturating_sub(1), usize::MAX);
    if held.is_empty() {
        lines.push(Line::from(" none"));
    }
    lines.extend(held.into_iter().map(shift));
    lines.push(Line::default());
    lines.push(scene.heading(" WAITING FOR US", inner));
    lines.extend(
        waiters(scene, inner.saturating_sub(1), usize::MAX)
            .into_iter()
            .map(shift),
    );
    if let Some(sight) = &scene.account.sight {
        lines.push(Line::default());
        lines.push(scene.heading(" WE WAIT FOR", inner));
        if sight.blockers.is_empty() {
            lines.push(Line::from(" nobody"));
        }
        for blocker in &sight.blockers {
            for part in wrap(&stream::session(scene, blocker), inner.saturating_sub(1)) {
                lines.push(scene.line(format!(" {part}"), look.bad()));
            }
            if let Some(query) = &blocker.query {
                let query = look.clean_lines(query).join(" ");
                for part in wrap(&query, inner.saturating_sub(3)) {
                    lines.push(scene.line(format!("   {part}"), look.dim()));
                }
            }
        }
    }
    lines.push(Line::default());
    lines.push(scene.heading(" WHICH STATEMENT TOOK WHAT", inner));
    let mut any = false;
    for (index, step) in scene.account.steps.iter().enumerate() {
        let Step::Done(report) = step else { continue };
        let mut locks = report.locks.clone();
        locks.sort_by_key(|lock| std::cmp::Reverse(lock.mode));
        for (nth, lock) in locks.iter().enumerate() {
            any = true;
            let number = if nth == 0 {
                (index + 1).to_string()
            } else {
                String::new()
            };
            let room = inner.saturating_sub(5 + 23);
            lines.push(Line::from(vec![
                format!("{} ", look.fit_right(&number, 4)).set_style(look.dim()),
                look.fit(lock.mode.name(), 23)
                    .set_style(lock_style(scene, lock.mode)),
                Span::raw(look.clip_left(&look.clean(&lock.relation), room)),
            ]));
        }
    }
    if !any {
        lines.push(Line::from(" none so far"));
    }
    lines
}
