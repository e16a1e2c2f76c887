//! A screen too small for the walk: what it needs, and what cannot wait.
//!
//! ```text
//! TRANSACTION OPEN   held 0:23   rolls back by itself in 4:37
//! At the gate: decide
//! r ROLLBACK   + extend   (q quit)
//! migrator@db1:5432/wiser_ops · TLSv1.3 · primary
//!
//! needs 80×24, has 60×15: enlarge the window.
//! The keys above work here; COMMIT waits for the window.
//! ```

use super::{Scene, footer, header};
use crate::acts::{KeyPlace, name_keys};
use crate::facts::Ending;
use crate::gate::phase::{Phase, Prompt};
use crate::tui::text::{countdown, counted, width, wrap};
use ratatui::style::Style;
use ratatui::text::Line;

/// Every line, the most important first.
pub(crate) fn draw_cramped(
    scene: &Scene<'_>,
    place: KeyPlace,
    needs: (u16, u16),
    has: (u16, u16),
    toast: Option<&str>,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let columns = usize::from(has.0);
    let inner = columns.saturating_sub(1);
    let said = |text: &str, style: Style| {
        wrap(text, inner)
            .into_iter()
            .map(move |part| scene.line(format!(" {part}"), style))
            .collect::<Vec<_>>()
    };
    let mut lines = Vec::new();
    let scarce = has.1 <= 6;
    match header::words(scene, scarce) {
        Some((words, style)) => {
            // Each of them whole, as many on a line as it takes.
            let mut text = String::new();
            for word in words.iter().flat_map(|word| wrap(word, inner)) {
                let gap = if text.is_empty() { " " } else { "   " };
                if !text.is_empty() && width(&text) + width(gap) + width(&word) > columns {
                    lines.push(scene.band(&std::mem::take(&mut text), style, columns));
                    text.push_str(&format!(" {word}"));
                } else {
                    text.push_str(gap);
                    text.push_str(&word);
                }
            }
            lines.push(scene.band(&text, style, columns));
        }
        None => lines.extend(said("no transaction is open", look.dim())),
    }
    lines.extend(said(&phase(scene), look.strong()));
    // Whatever else there is no room for, a key is shown.
    lines.truncate(usize::from(has.1).saturating_sub(1).max(1));
    lines.push(footer::cramped(scene, place, columns));
    if let Some(toast) = toast {
        lines.extend(said(toast, look.warn()));
    }
    if !scarce {
        if let Some(target) = &scene.account.target {
            // Of a long one its end is kept: the database, how the link is protected, the part.
            let dot = look.glyphs.dot();
            let place = format!(
                "{} {dot} {} {dot} {}",
                look.clean(&target.place()),
                look.clean(target.protection()),
                target.part()
            );
            let place = look.clip_left(&place, inner.saturating_sub(1));
            lines.push(scene.line(format!(" {place}"), look.strong()));
        }
        lines.push(Line::default());
    }
    let times = look.glyphs.times();
    let needs = format!(
        "needs {}{times}{}, has {}{times}{}: enlarge the window.",
        needs.0, needs.1, has.0, has.1
    );
    lines.extend(said(&needs, look.warn()));
    if scene.machine.phase().transaction_open() {
        lines.extend(said(
            "The keys above work here; COMMIT waits for the window.",
            Style::new(),
        ));
    }
    lines
}

/// Where one is, in a few words.
fn phase(scene: &Scene<'_>) -> String {
    match scene.machine.phase() {
        Phase::Connecting => "Connecting".to_owned(),
        Phase::Checklist { .. } => "Checklist".to_owned(),
        Phase::Beginning { .. } => "Apply: BEGIN is under way".to_owned(),
        Phase::Applying { .. } => format!(
            "Apply: {} of {} done",
            super::stream::done(scene),
            counted(scene.sent(), "statement", "statements")
        ),
        Phase::Verifying { .. } => "Verify".to_owned(),
        Phase::TakingDown { .. } => "The structure is taken down".to_owned(),
        Phase::Deciding { prompt, .. } => match prompt {
            Prompt::Closed => "Decide: COMMIT or ROLLBACK".to_owned(),
            Prompt::Reason => "Decide: why it is committed".to_owned(),
            Prompt::SecondSigner => "Decide: the second signer".to_owned(),
            Prompt::Name => "Decide: the name for COMMIT".to_owned(),
            Prompt::RollBack => name_keys("Really ROLLBACK? {yes} or {no}"),
        },
        Phase::Reviewing { prompt, .. } => match prompt {
            Prompt::Closed => "Review: approve it, or end it".to_owned(),
            Prompt::RollBack => name_keys("Really end this run? {yes} or {no}"),
            Prompt::Reason | Prompt::SecondSigner | Prompt::Name => {
                match super::review::too_late(scene) {
                    None => "Review: what COMMIT asks".to_owned(),
                    Some(_) => "Review: too old for COMMIT".to_owned(),
                }
            }
        },
        Phase::Returning { .. } => "Approved; a session is opened".to_owned(),
        Phase::MustRollBack { asking: true, .. } | Phase::Querying { asking: true, .. } => {
            name_keys("Really ROLLBACK? {yes} or {no}")
        }
        Phase::Querying { .. } => "A query runs inside the transaction".to_owned(),
        Phase::MustRollBack { why, .. } => {
            format!("Only ROLLBACK: {}", scene.look.clean(&why.to_string()))
        }
        Phase::Committing { .. } => "COMMIT is under way".to_owned(),
        Phase::RollingBack { .. } => "ROLLBACK is under way".to_owned(),
        Phase::Inquiring { .. } => "Asking which way it went".to_owned(),
        Phase::Waiting { left, .. } => format!("Blocked; next attempt in {}", countdown(*left)),
        Phase::PostVerifying { .. } => "COMMITTED; post-verification runs".to_owned(),
        Phase::Ended(Ending::Prepared { .. }) => "PREPARED: its locks are still held".to_owned(),
        Phase::Ended(Ending::Unknown { .. }) => "UNKNOWN which way it went".to_owned(),
        Phase::Ended(ending) => ending.word().to_owned(),
        Phase::Left(_) => String::new(),
    }
}
