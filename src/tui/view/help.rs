//! The key table as help, the place one is at first.

use super::Scene;
use crate::acts::{CONTROL, Front, KeyPlace, at};
use crate::tui::text::labelled;
use ratatui::style::Style;
use ratatui::text::Line;

pub(crate) fn draw_help(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let here = KeyPlace::of(scene.machine);
    let mut places: Vec<KeyPlace> = KeyPlace::ALL.to_vec();
    places.retain(|place| *place != KeyPlace::Inspect);
    places.sort_by_key(|place| *place != here);
    // Two columns where there is room for two.
    let inner = match columns {
        TWO.. => columns / 2 - 2,
        _ => columns.saturating_sub(1),
    };
    let mut groups = Vec::new();
    for place in places {
        let mut lines = Vec::new();
        let title = if place == here && place != KeyPlace::Everywhere {
            format!(" {} (here)", place.title())
        } else {
            format!(" {}", place.title())
        };
        lines.push(scene.heading(&title, inner));
        let mut rows: Vec<(String, String)> = at(place)
            .map(|binding| (binding.key_names(), binding.help(Front::Keys)))
            .collect();
        if place == KeyPlace::Everywhere {
            rows.extend(control());
        }
        lines.extend(keys(scene, rows, inner));
        lines.push(Line::default());
        groups.push(lines);
    }
    let mut lines = match columns {
        TWO.. => side_by_side(groups, columns / 2),
        _ => groups.concat(),
    };
    lines.pop();
    lines
}

/// From so many columns on the help has two of its own.
const TWO: usize = 150;

/// The groups in two columns, read down the left one first; the right one begins at column `at`.
fn side_by_side(groups: Vec<Vec<Line<'static>>>, at: usize) -> Vec<Line<'static>> {
    let all: usize = groups.iter().map(Vec::len).sum();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for group in groups {
        match left.len() + group.len() / 2 <= all / 2 && right.is_empty() {
            true => left.extend(group),
            false => right.extend(group),
        }
    }
    left.resize(left.len().max(right.len()), Line::default());
    for (line, beside) in left.iter_mut().zip(right) {
        line.push_span(" ".repeat(at.saturating_sub(line.width())));
        line.extend(beside);
    }
    left
}

/// The keys that hold in every place, as rows of a help.
pub(crate) fn control() -> impl Iterator<Item = (String, String)> {
    let keys = CONTROL.iter();
    keys.map(|(key, help)| ((*key).to_owned(), (*help).to_owned()))
}

pub(crate) fn keys(
    scene: &Scene<'_>,
    rows: impl IntoIterator<Item = (String, String)>,
    columns: usize,
) -> Vec<Line<'static>> {
    let (key, plain) = (scene.look.key(), Style::new());
    rows.into_iter()
        .flat_map(|(keys, help)| labelled(&format!("   {keys}"), key, &help, plain, 20, columns))
        .collect()
}
