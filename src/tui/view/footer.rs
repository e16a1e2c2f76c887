//! The keys that do something here, in the two lines at the bottom.
//!
//! ```text
//! c COMMIT   r ROLLBACK   + extend   Enter detail   (q quit)
//! s script   l locks   m messages   Tab next pane   ? help
//! ```
//!
//! The first line is what the gate offers; what it refuses stands in brackets, and pressing it says
//! why. The second line is where to look. Both are read from the key table.

use super::Scene;
use crate::acts::{Binding, Does, KeyPlace, ViewAct, at, bindings_at};
use crate::gate::phase::Phase;
use crate::gate::{Act, Offer};
use crate::tui::text::width;
use ratatui::style::Styled;
use ratatui::text::{Line, Span};

/// The two lines for `place`; `panes` says whether there is a next pane.
pub(crate) fn draw_footer(
    scene: &Scene<'_>,
    place: KeyPlace,
    panes: bool,
    columns: usize,
) -> [Line<'static>; 2] {
    // Some(true): open, Some(false): refused, None: it has no meaning now.
    let standing = |binding: &Binding| match binding.does {
        Does::Gate(act) => match scene.machine.offer(act) {
            Offer::Open => Some(true),
            // Its room is needed by the key that cancels the one under way.
            Offer::Refused(_) if act == Act::BackUp => None,
            Offer::Refused(_) => Some(false),
            Offer::Absent => None,
        },
        Does::View(ViewAct::NextPane) => panes.then_some(true),
        Does::View(_) => Some(true),
    };
    let mut first: Vec<&'static Binding> = Vec::new();
    let mut second: Vec<&'static Binding> = Vec::new();
    for binding in bindings_at(place) {
        match (binding.place, binding.does) {
            (KeyPlace::Everywhere, Does::View(_)) => second.push(binding),
            (KeyPlace::Everywhere, Does::Gate(_)) if place == KeyPlace::Reader => {}
            _ => first.push(binding),
        }
    }
    [
        row(scene, &first, standing, columns),
        row(scene, &second, standing, columns),
    ]
}

/// What a screen too small to show the grounds for it refuses.
pub(crate) const NEEDS_ROOM: [Act; 6] = [
    Act::AskCommit,
    Act::Answer,
    Act::SignOff,
    Act::BackUp,
    Act::Apply,
    Act::Query,
];

/// The one line of a screen that is too small: what works there, and COMMIT, which does not.
pub(crate) fn cramped(scene: &Scene<'_>, place: KeyPlace, columns: usize) -> Line<'static> {
    let standing = |binding: &Binding| match binding.does {
        Does::Gate(act) => match scene.machine.offer(act) {
            Offer::Open => Some(!NEEDS_ROOM.contains(&act)),
            Offer::Refused(_) => Some(false),
            Offer::Absent => None,
        },
        Does::View(ViewAct::Close) => Some(true),
        Does::View(_) => None,
    };
    let bindings: Vec<&'static Binding> = bindings_at(place).collect();
    row(scene, &bindings, standing, columns)
}

/// Columns between two keys, and between two where there is little room.
const GAP: usize = 3;
const CLOSE: usize = 2;

fn row(
    scene: &Scene<'_>,
    bindings: &[&'static Binding],
    standing: impl Fn(&Binding) -> Option<bool>,
    columns: usize,
) -> Line<'static> {
    let look = scene.look;
    let mut shown: Vec<(&'static Binding, bool)> = bindings
        .iter()
        .filter(|binding| !binding.label.is_empty())
        .filter_map(|binding| Some((*binding, standing(binding)?)))
        .collect();
    let fits = |shown: &[(&'static Binding, bool)], gap: usize| {
        let long = |(binding, open): &(&'static Binding, bool)| {
            let brackets = if *open { 0 } else { 2 };
            width(&binding.first_key()) + 1 + width(word(scene, binding)) + brackets + gap
        };
        shown.iter().map(long).sum::<usize>() < columns + gap
    };
    while shown.len() > 1 && !fits(&shown, CLOSE) {
        shown.remove(gives_way(&shown));
    }
    let gap = if fits(&shown, GAP) { GAP } else { CLOSE };
    let mut spans = vec![Span::raw(" ")];
    for (binding, open) in shown {
        let key = binding.first_key();
        if open {
            let commits = binding.does == Does::Gate(Act::AskCommit);
            spans.push(key.set_style(if commits {
                look.band_warn()
            } else {
                look.key()
            }));
            spans.push(Span::raw(format!(" {}", word(scene, binding))));
        } else {
            spans.push(format!("({key} {})", word(scene, binding)).set_style(look.dim()));
        }
        spans.push(Span::raw(" ".repeat(gap)));
    }
    Line::from(spans)
}

/// What the key is called now: a pane that covers a review calls it what the review does.
fn word(scene: &Scene<'_>, binding: &'static Binding) -> &'static str {
    let reviews = matches!(scene.machine.phase(), Phase::Reviewing { .. });
    let there =
        |other: &&Binding| matches!(other.does, Does::Gate(_)) && other.does == binding.does;
    at(KeyPlace::Review)
        .find(|other| reviews && there(other))
        .map_or(binding.label, |other| other.label)
}

/// Which key is left to the help where there is no room for all: one that only changes the view,
/// then the one that takes a sign-off back, then one that is refused. How to go on and, the last
/// one, how to leave are not missed before that.
fn gives_way(shown: &[(&Binding, bool)]) -> usize {
    let view = |(binding, _): &(&Binding, bool)| matches!(binding.does, Does::View(_));
    let back = |(binding, _): &(&Binding, bool)| binding.does == Does::Gate(Act::Withdraw);
    let refused = |(binding, open): &(&Binding, bool)| {
        !open
            && !matches!(
                binding.does,
                Does::Gate(Act::Quit | Act::Apply | Act::AskCommit)
            )
    };
    shown
        .iter()
        .rposition(view)
        .or_else(|| shown.iter().position(back))
        .or_else(|| shown.iter().rposition(refused))
        .unwrap_or(shown.len().saturating_sub(2))
}
