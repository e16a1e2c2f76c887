//! What a second pass was different in from what was approved.

use super::Scene;
use crate::gate::pass::Compared;
use crate::tui::text::{counted, width, wrap};
use ratatui::style::Styled;
use ratatui::text::{Line, Span};

/// From this width on what was approved stands beside what is now.
const SIDE_BY_SIDE: usize = 60;

/// How many differences a pane tells; the journal has more.
const MOST_TOLD: usize = 40;

/// What the second pass was different in, side by side; nothing where there was none.
pub(crate) fn differences(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let Some(compared) = scene.machine.compared().filter(|found| !found.is_same()) else {
        return Vec::new();
    };
    let all = compared.differences.len() + compared.more;
    let title = format!(
        " {} WHAT WAS APPROVED: COMMIT did not follow",
        counted(all, "DIFFERENCE FROM", "DIFFERENCES FROM")
    );
    let mut lines = vec![scene.band(&look.clip(&title, columns), look.band_bad(), columns)];
    lines.extend(table(scene, compared, columns));
    lines.push(Line::default());
    lines
}

fn table(scene: &Scene<'_>, compared: &Compared, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let inner = columns.saturating_sub(3);
    let mut lines = Vec::new();
    let half = inner.saturating_sub(2) / 2;
    let wide = columns >= SIDE_BY_SIDE;
    if wide {
        lines.push(Line::from(vec![
            Span::raw("   "),
            look.fit("approved", half).set_style(look.dim()),
            Span::raw("  "),
            "now".set_style(look.dim()),
        ]));
    }
    for one in compared.differences.iter().take(MOST_TOLD) {
        let what = look.clean_lines(&one.what).join(" ");
        lines.push(scene.line(look.clip(&format!(" {what}"), columns), look.strong()));
        let (approved, now) = (
            look.clean_lines(&one.approved).join(" "),
            look.clean_lines(&one.now).join(" "),
        );
        if !wide {
            for (word, text) in [("approved", approved), ("now", now)] {
                for part in wrap(&format!("{word}: {text}"), inner) {
                    lines.push(Line::from(format!("   {part}")));
                }
            }
            continue;
        }
        let (left, right) = (wrap(&approved, half), wrap(&now, half));
        for at in 0..left.len().max(right.len()) {
            let part = |side: &Vec<String>| side.get(at).cloned().unwrap_or_default();
            let left = part(&left);
            let gap = half.saturating_sub(width(&left)) + 2;
            lines.push(Line::from(vec![
                Span::raw("   "),
                Span::raw(left),
                Span::raw(" ".repeat(gap)),
                part(&right).set_style(look.warn()),
            ]));
        }
    }
    let untold = compared.differences.len().saturating_sub(MOST_TOLD) + compared.more;
    if untold > 0 {
        lines.push(scene.line(format!(" and {untold} more"), look.dim()));
    }
    lines
}
