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
use crate::acts::{key_of, name_keys};
use crate::facts::OtherSession;
use crate::runbook::lock::LockMode;
use crate::tui::paint::Roll;
use crate::tui::text::{clock, counted, hanging, width, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};
use std::ops::Range;

/// The most relations that are named where they are only counted up; each stands with its statement
/// further down.
const NAMED: usize = 60;

fn lock_style(scene: &Scene<'_>, mode: LockMode) -> Style {
    if mode >= LockMode::Share {
        scene.look.bad()
    } else {
        Style::new()
    }
}

/// The locks that are held, each relation's strongest, grouped by strength. With `briefly`, only
/// those that make writers wait name their relations.
pub(crate) fn by_strength(scene: &Scene<'_>, columns: usize, briefly: bool) -> Vec<Line<'static>> {
    let look = scene.look;
    let locks = scene.account.transaction.locks.strongest();
    let mut lines = Vec::new();
    for mode in LockMode::ALL.into_iter().rev() {
        let relations: Vec<&String> = locks
            .iter()
            .filter(|lock| lock.mode == mode)
            .map(|lock| &lock.relation)
            .collect();
        if relations.is_empty() {
            continue;
        }
        let on = format!(" on {}", counted(relations.len(), "relation", "relations"));
        let blocks = format!(": {}", mode.blocks());
        let mut line = Line::from(vec![
            mode.name().set_style(lock_style(scene, mode)),
            Span::raw(on),
        ]);
        if line.width() + width(&blocks) <= columns {
            line.push_span(Span::raw(blocks));
            lines.push(line);
        } else {
            lines.push(line);
            for part in wrap(mode.blocks(), columns.saturating_sub(2)) {
                lines.push(Line::from(format!("  {part}")));
            }
        }
        if briefly && mode < LockMode::Share {
            continue;
        }
        let mut named: Vec<String> = relations
            .iter()
            .take(NAMED)
            .map(|relation| look.clean(relation))
            .collect();
        if let Some(more) = relations.len().checked_sub(NAMED).filter(|more| *more > 0) {
            named.push(format!(
                "and {more} more ({} shows which statement took them)",
                key_of("locks")
            ));
        }
        for part in wrap(&named.join(", "), columns.saturating_sub(2)) {
            lines.push(scene.line(format!("  {part}"), look.dim()));
        }
    }
    lines
}

/// Why nothing is known of other sessions, if nothing is.
fn unknown(scene: &Scene<'_>) -> Option<String> {
    match (&scene.account.sight, &scene.account.blind) {
        (Some(_), _) => None,
        (None, Some(reason)) => Some(format!(
            "not known: {}",
            scene.look.clean_lines(reason).join(" ")
        )),
        (None, None) => Some("not looked at yet".to_owned()),
    }
}

/// How many sessions wait for us, the longest wait, and the names of the first `most`.
pub(crate) fn waiters(scene: &Scene<'_>, columns: usize, most: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    if let Some(unknown) = unknown(scene) {
        return vec![scene.line(look.clip(&unknown, columns), look.dim())];
    }
    let waiters = scene
        .account
        .sight
        .as_ref()
        .map_or(&[][..], |sight| &sight.waiters);
    if waiters.is_empty() {
        return vec![Line::from("no session waits for this transaction")];
    }
    let mut text = format!(
        "{} for us",
        if waiters.len() == 1 {
            "1 session waits".to_owned()
        } else {
            format!("{} sessions wait", waiters.len())
        }
    );
    if let Some(longest) = waiters.iter().filter_map(|waiter| waiter.since).max() {
        text.push_str(&format!(", longest {}", clock(longest)));
    }
    if waiters.len() > most {
        text.push_str(&name_keys("; {locks} shows all"));
    }
    let mut lines = vec![scene.line(look.clip(&text, columns), look.warn())];
    for waiter in waiters.iter().take(most) {
        lines.push(Line::from(format!(
            "  {}",
            look.clip(&waiting(scene, waiter), columns.saturating_sub(2))
        )));
    }
    lines
}

/// A waiter in short: `0:12  app_writer (packet-api) on service_ops.packet_decision`.
fn waiting(scene: &Scene<'_>, waiter: &OtherSession) -> String {
    let look = scene.look;
    let since = waiter.since.map_or_else(|| "?".to_owned(), clock);
    let mut text = format!("{since}  {}", look.clean(&waiter.role));
    if !waiter.application.is_empty() {
        text.push_str(&format!(" ({})", look.clean(&waiter.application)));
    }
    if let Some(relation) = &waiter.relation {
        text.push_str(&format!(" on {}", look.clean(relation)));
    }
    text
}

/// The pane: who holds and waits, then every lock with its statement.
pub(crate) struct LockPane<'a> {
    scene: &'a Scene<'a>,
    inner: usize,
    above: Vec<Line<'static>>,
}

impl<'a> LockPane<'a> {
    pub(crate) fn new(scene: &'a Scene<'a>, columns: usize) -> LockPane<'a> {
        LockPane {
            scene,
            inner: columns.saturating_sub(1),
            above: above(scene, columns),
        }
    }

    fn lock(&self, nth: usize) -> Option<Line<'static>> {
        let (scene, inner) = (self.scene, self.inner);
        let look = scene.look;
        let taken = scene.account.transaction.locks.taken();
        let (number, lock) = taken.get(nth)?;
        let before = nth.checked_sub(1).and_then(|before| taken.get(before));
        let shown = match before {
            Some((before, _)) if before == number => String::new(),
            Some(_) | None => number.to_string(),
        };
        let room = inner.saturating_sub(5 + 23);
        Some(Line::from(vec![
            format!("{} ", look.fit_right(&shown, 4)).set_style(look.dim()),
            look.fit(lock.mode.name(), 23)
                .set_style(lock_style(scene, lock.mode)),
            Span::raw(look.clip_left(&look.clean(&lock.relation), room)),
        ]))
    }
}

impl Roll for LockPane<'_> {
    fn total(&self) -> usize {
        self.above.len() + self.scene.account.transaction.locks.taken().len()
    }

    fn lines(&self, range: Range<usize>) -> Vec<Line<'static>> {
        range
            .filter_map(|line| match line.checked_sub(self.above.len()) {
                None => self.above.get(line).cloned(),
                Some(nth) => self.lock(nth),
            })
            .collect()
    }
}

fn above(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let inner = columns.saturating_sub(1);
    let shift = |line: Line<'static>| {
        let mut spans = vec![Span::raw(" ")];
        spans.extend(line.spans);
        Line::from(spans)
    };
    let mut lines = vec![scene.heading(" LOCKS HELD", inner)];
    let held = by_strength(scene, inner.saturating_sub(1), false);
    if held.is_empty() {
        lines.push(Line::from(" none"));
    }
    lines.extend(held.into_iter().map(shift));
    lines.push(Line::default());
    lines.push(scene.heading(" WAITING FOR US", inner));
    if let Some(unknown) = unknown(scene) {
        for part in wrap(&unknown, inner.saturating_sub(1)) {
            lines.push(scene.line(format!(" {part}"), look.dim()));
        }
    }
    if let Some(sight) = &scene.account.sight {
        if sight.waiters.is_empty() {
            lines.push(Line::from(" nobody"));
        }
        for waiter in &sight.waiters {
            let mut text = stream::session(scene, waiter);
            if !waiter.behind.is_empty() {
                let ours = scene
                    .account
                    .target
                    .as_ref()
                    .map(|target| target.backend_pid);
                let name = |pid: &i32| match ours == Some(*pid) {
                    true => format!("{pid} (us)"),
                    false => pid.to_string(),
                };
                let behind: Vec<String> = waiter.behind.iter().map(name).collect();
                text.push_str(&format!(", behind {}", behind.join(", ")));
            }
            lines.extend(hanging(&text, look.warn(), 1, inner));
        }
    }
    if let Some(sight) = &scene.account.sight {
        lines.push(Line::default());
        lines.push(scene.heading(" WE WAIT FOR", inner));
        if sight.blockers.is_empty() {
            lines.push(Line::from(" nobody"));
        }
        for blocker in &sight.blockers {
            lines.extend(hanging(
                &stream::session(scene, blocker),
                look.bad(),
                1,
                inner,
            ));
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
    if scene.account.transaction.locks.taken().is_empty() {
        lines.push(Line::from(" none so far"));
    }
    lines
}
