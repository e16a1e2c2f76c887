//! Everything the server said, oldest first, with all it said; below it the end of the server's log.
//!
//! ```text
//!  0:04  statement 7  ERROR 23505
//!        could not create unique index "uq_integration_inbox_message_id"
//!        detail  Key (message_id)=(m-17) is duplicated.
//! ```

use super::Scene;
use crate::facts::{Millis, Said, ServerLog, ServerMessage};
use crate::runbook::printable::counted;
use crate::tui::paint::Roll;
use crate::tui::text::{clock, hanging, labelled, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};
use std::ops::Range;

fn style(scene: &Scene<'_>, message: &ServerMessage) -> Style {
    match message.severity.as_str() {
        "" | "ERROR" | "FATAL" | "PANIC" => scene.look.bad(),
        "WARNING" => scene.look.warn(),
        _ => scene.look.strong(),
    }
}

/// `ERROR 23505`, or that it is about the link.
pub(crate) fn head(scene: &Scene<'_>, message: &ServerMessage) -> String {
    let severity = if message.severity.is_empty() {
        "LINK"
    } else {
        message.severity.as_str()
    };
    let code = message.sqlstate.as_deref().unwrap_or_default();
    scene.look.clean(format!("{severity} {code}").trim_end())
}

/// A message with all it says, from column `indent` on.
pub(crate) fn body(
    scene: &Scene<'_>,
    message: &ServerMessage,
    indent: usize,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = Vec::new();
    for text in look.clean_lines(&message.message) {
        for part in wrap(&text, columns.saturating_sub(indent)) {
            lines.push(Line::from(format!("{}{part}", " ".repeat(indent))));
        }
    }
    for (label, text) in [
        ("detail", &message.detail),
        ("hint", &message.hint),
        ("context", &message.context),
    ] {
        let Some(text) = text else { continue };
        let text = look.clean_lines(text).join("\n");
        lines.extend(labelled(
            &format!("{}{label}", " ".repeat(indent)),
            look.dim(),
            &text,
            Style::new(),
            indent + 9,
            columns,
        ));
    }
    lines
}

/// How many lines each message takes at a width; it grows with the messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heights {
    columns: usize,
    /// For each message, the lines up to its end.
    ends: Vec<usize>,
}

impl Heights {
    /// Counts the messages that came since this was asked last, or all of them at another width.
    pub(crate) fn catch_up(&mut self, scene: &Scene<'_>, columns: usize) {
        let said = &scene.account.messages;
        if self.columns != columns || self.ends.len() > said.len() {
            self.columns = columns;
            self.ends.clear();
        }
        let mut end = self.ends.last().copied().unwrap_or(0);
        for said in said.iter().skip(self.ends.len()) {
            end += message(scene, said, columns).len();
            self.ends.push(end);
        }
    }
}

fn message(scene: &Scene<'_>, (at, said): &(Millis, Said), columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let place = said
        .number
        .map_or_else(String::new, |number| format!("statement {number}  "));
    let mut lines = vec![Line::from(vec![
        format!(" {}  ", look.fit_right(&clock(*at), 5)).set_style(look.dim()),
        Span::raw(place),
        head(scene, &said.message).set_style(style(scene, &said.message)),
    ])];
    lines.extend(body(scene, &said.message, 8, columns.saturating_sub(1)));
    lines
}

/// The pane: every message, then the server's log.
pub(crate) struct MessagePane<'a> {
    scene: &'a Scene<'a>,
    heights: &'a Heights,
    below: Vec<Line<'static>>,
}

impl<'a> MessagePane<'a> {
    /// The pane as it is now; the heights have caught up.
    pub(crate) fn new(
        scene: &'a Scene<'a>,
        heights: &'a Heights,
        columns: usize,
    ) -> MessagePane<'a> {
        let mut below = Vec::new();
        if scene.account.messages.is_empty() {
            below.push(Line::from(" The server has said nothing so far."));
        }
        below.push(Line::default());
        below.extend(log(scene, columns));
        MessagePane {
            scene,
            heights,
            below,
        }
    }

    fn above(&self) -> usize {
        self.heights.ends.last().copied().unwrap_or(0)
    }
}

impl Roll for MessagePane<'_> {
    fn total(&self) -> usize {
        self.above() + self.below.len()
    }

    fn lines(&self, range: Range<usize>) -> Vec<Line<'static>> {
        let ends = &self.heights.ends;
        let mut lines = Vec::new();
        let first = ends.partition_point(|end| *end <= range.start);
        let before = first.checked_sub(1).and_then(|before| ends.get(before));
        let mut at = before.copied().unwrap_or(0);
        for said in self.scene.account.messages.iter().skip(first) {
            if at >= range.end {
                break;
            }
            for line in message(self.scene, said, self.heights.columns) {
                if range.contains(&at) {
                    lines.push(line);
                }
                at += 1;
            }
        }
        let above = self.above();
        let below = self.below.iter().enumerate();
        lines.extend(
            below
                .filter(|(nth, _)| range.contains(&(above + nth)))
                .map(|(_, line)| line.clone()),
        );
        lines
    }
}

/// The end of the server's own log, or why it is not shown. Lines that name our backend's process
/// id as `log_line_prefix` does by default are marked.
fn log(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = vec![scene.heading(" SERVER LOG", columns.saturating_sub(1))];
    let mut say = |text: &str, style| lines.extend(hanging(text, style, 1, columns));
    match &scene.account.log {
        None => match &scene.account.blind {
            Some(why) => say(
                &format!("It cannot be looked at: {}", look.clean(why)),
                look.dim(),
            ),
            None => say("Looking for it.", look.dim()),
        },
        Some(ServerLog::NotCollected) => say(
            "Not shown: this server collects no log files (logging_collector is off).",
            look.dim(),
        ),
        Some(ServerLog::NotPermitted) => say(
            "Not shown: this role may not read it (EXECUTE on pg_current_logfile, pg_stat_file and \
             pg_read_binary_file).",
            look.dim(),
        ),
        Some(ServerLog::Unreadable(why)) => {
            say(&format!("Not shown: {}", look.clean(why)), look.dim());
        }
        Some(ServerLog::Tail {
            file,
            lines: tail,
            cut,
        }) => {
            let which = if *cut { "the last " } else { "" };
            let count = counted(tail.len(), "line", "lines");
            let mark = look.glyphs.mark();
            say(
                &format!(
                    "{}: {which}{count}; {mark} is our own session",
                    look.clean(file)
                ),
                look.dim(),
            );
            let pid = scene
                .account
                .target
                .as_ref()
                .map(|target| target.backend_pid);
            let ours = pid.map(|pid| format!("[{pid}]"));
            for line in tail {
                let own = ours.as_ref().is_some_and(|ours| line.contains(ours));
                let (mark, style) = match own {
                    true => (mark, look.strong()),
                    false => (" ", Style::new()),
                };
                let text = format!("{mark} {}", look.clean(line));
                lines.extend(hanging(&text, style, 1, columns));
            }
        }
    }
    lines
}
