//! An error of the server, and the place in the text that it points at.

use super::{Scene, messages};
use crate::facts::ServerMessage;
use crate::tui::text::{take, width};
use ratatui::style::Styled;
use ratatui::text::{Line, Span};

pub(crate) fn error(
    scene: &Scene<'_>,
    message: &ServerMessage,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = vec![scene.line(format!(" {}", messages::head(scene, message)), look.bad())];
    lines.extend(messages::body(scene, message, 3, columns.saturating_sub(1)));
    lines
}

/// The line of `text` that the server points at, with a caret below the character; `line` is the
/// number of its first one.
pub(crate) fn caret(
    scene: &Scene<'_>,
    text: &str,
    line: usize,
    position: usize,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let Some(before) = position.checked_sub(1) else {
        return Vec::new();
    };
    let at = text
        .char_indices()
        .nth(before)
        .map_or(text.len(), |(index, _)| index);
    let (head, tail) = text.split_at_checked(at).unwrap_or((text, ""));
    let number = line + head.matches('\n').count();
    let head = head.rsplit('\n').next().unwrap_or_default();
    let tail = tail
        .split('\n')
        .next()
        .unwrap_or_default()
        .trim_end_matches('\r');
    let (head, tail) = (look.clean(head), look.clean(tail));
    let gutter = 9;
    let room = columns.saturating_sub(gutter + 1);
    // A long line is cut at its beginning, so that the place itself is always to be seen.
    let head = look.clip_left(&head, room * 2 / 3);
    let tail = take(&tail, room.saturating_sub(width(&head))).0;
    let upright = look.glyphs.upright();
    vec![
        Line::from(vec![
            format!("{} {upright} ", look.fit_right(&number.to_string(), 6)).set_style(look.dim()),
            Span::raw(format!("{head}{tail}")),
        ]),
        Line::from(vec![
            format!("{} {upright} ", " ".repeat(6)).set_style(look.dim()),
            Span::raw(" ".repeat(width(&head))),
            "^".set_style(look.bad()),
        ]),
    ]
}
