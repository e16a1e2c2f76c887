//! Everything the server said, oldest first, with all it said; below it the end of the server's log.
//!
//! ```text
//!  0:04  statement 7  ERROR 23505
//!        could not create unique index "uq_integration_inbox_message_id"
//!        detail  Key (message_id)=(m-17) is duplicated.
//! ```

use super::Scene;
use crate::gate::event::{ServerLog, ServerMessage};
use crate::runbook::printable::counted;
use crate::tui::text::{clock, hanging, labelled, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// How grave a message looks.
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

/// The whole pane.
pub(crate) fn lines(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = Vec::new();
    if scene.account.messages.is_empty() {
        lines.push(Line::from(" The server has said nothing so far."));
    }
    for said in &scene.account.messages {
        let place = said
            .number
            .map_or_else(String::new, |number| format!("statement {number}  "));
        lines.push(Line::from(vec![
            format!(" {}  ", look.fit_right(&clock(said.at), 5)).set_style(look.dim()),
            Span::raw(place),
            head(scene, &said.message).set_style(style(scene, &said.message)),
        ]));
        lines.extend(body(scene, &said.message, 8, columns.saturating_sub(1)));
    }
    lines.push(Line::default());
    lines.extend(log(scene, columns));
    lines
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
