//! The key table as help, the place one is at first.

use super::Scene;
use crate::tui::keymap::{self, KeyPlace};
use crate::tui::text::labelled;
use ratatui::style::Style;
use ratatui::text::Line;

pub(crate) fn draw_help(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let here = KeyPlace::of(scene.machine);
    let mut places: Vec<KeyPlace> = KeyPlace::ALL.to_vec();
    places.retain(|place| *place != KeyPlace::Inspect);
    places.sort_by_key(|place| *place != here);
    let inner = columns.saturating_sub(1);
    let mut lines = Vec::new();
    for place in places {
        let title = if place == here && place != KeyPlace::Everywhere {
            format!(" {} (here)", place.title())
        } else {
            format!(" {}", place.title())
        };
        lines.push(scene.heading(&title, inner));
        let mut rows: Vec<(String, &str)> = keymap::at(place)
            .map(|binding| (binding.key_names(), binding.help))
            .collect();
        if place == KeyPlace::Everywhere {
            rows.extend(control());
        }
        lines.extend(keys(scene, rows, inner));
        lines.push(Line::default());
    }
    lines.pop();
    lines
}

/// The keys that hold in every place, as rows of a help.
pub(crate) fn control() -> impl Iterator<Item = (String, &'static str)> {
    let keys = keymap::CONTROL.iter();
    keys.map(|(key, help)| ((*key).to_owned(), *help))
}

/// Keys, and what each does.
pub(crate) fn keys<'a>(
    scene: &Scene<'_>,
    rows: impl IntoIterator<Item = (String, &'a str)>,
    columns: usize,
) -> Vec<Line<'static>> {
    let (key, plain) = (scene.look.key(), Style::new());
    rows.into_iter()
        .flat_map(|(keys, help)| labelled(&format!("   {keys}"), key, help, plain, 20, columns))
        .collect()
}
