//! Checks: FAIL first, impossible to miss, counted in the title.
//!
//! ```text
//!  2 FAIL of 8 checks: COMMIT is refused
//!  FAIL  inbox unique index on message_id
//!        missing: service_ops.uq_integration_inbox_message_id
//!        from statement 31, line 402
//!  WARN  …
//!  PASS  packet_decision: 21 columns            all present, types as expected
//! ```

use super::Scene;
use crate::gate::phase::Phase;
use crate::runbook::check::{Check, Tally, Verdict};
use crate::tui::text::{count, width, wrap};
use ratatui::style::Styled;
use ratatui::text::{Line, Span};

/// Columns of the verdict with its margins.
const INDENT: usize = 7;

/// The title: the tally as a band where something fails, as a line where not.
pub(crate) fn title(scene: &Scene<'_>, tally: Tally, what: &str, columns: usize) -> Line<'static> {
    let look = scene.look;
    let all = tally.total() as usize;
    if tally.fail > 0 {
        let text = format!(
            " {} FAIL of {} {what}: COMMIT is refused",
            tally.fail,
            count(all, "check", "checks")
        );
        let text = if matches!(scene.machine.phase(), Phase::Ended(_)) {
            text.replace(": COMMIT is refused", "")
        } else {
            text
        };
        return scene.band(&text, look.band_bad(), columns);
    }
    let text = format!(
        " {} {what}: {} PASS, {} WARN, 0 FAIL",
        count(all, "check", "checks"),
        tally.pass,
        tally.warn
    );
    let style = if tally.passes() {
        look.good()
    } else {
        look.strong()
    };
    scene.line(look.clip(&text, columns), style)
}

/// One check; FAIL and WARN with all they say, PASS in a line.
pub(crate) fn row(
    scene: &Scene<'_>,
    check: &Check,
    statement: Option<usize>,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let word = check.verdict.word();
    let name = look.clean(&check.name);
    let inner = columns.saturating_sub(INDENT + 1);
    match check.verdict {
        Verdict::Fail => {
            let mut lines: Vec<Line<'static>> = wrap(&name, inner)
                .into_iter()
                .enumerate()
                .map(|(index, part)| {
                    let head = if index == 0 { word } else { "    " };
                    scene.band(&format!(" {head}  {part}"), look.band_bad(), columns)
                })
                .collect();
            for text in look.clean_lines(&check.detail) {
                lines.extend(wrap(&text, inner).into_iter().map(|part| {
                    Line::from(vec![
                        Span::raw(" ".repeat(INDENT)),
                        part.set_style(look.bad()),
                    ])
                }));
            }
            if let Some(place) = statement.and_then(|number| place(scene, number)) {
                lines.push(scene.line(
                    look.clip(&format!("{}{place}", " ".repeat(INDENT)), columns),
                    look.dim(),
                ));
            }
            lines
        }
        Verdict::Warn => {
            let mut lines = super::super::text::labelled(
                &format!(" {word}"),
                look.warn(),
                &name,
                look.strong(),
                INDENT,
                columns,
            );
            for text in look.clean_lines(&check.detail) {
                lines.extend(
                    wrap(&text, inner)
                        .into_iter()
                        .map(|part| Line::from(format!("{}{part}", " ".repeat(INDENT)))),
                );
            }
            lines
        }
        Verdict::Pass => {
            let for_name = (inner * 2 / 5).max(width(&name).min(inner * 3 / 5));
            let for_detail = inner.saturating_sub(for_name + 2);
            let detail = look.clean_lines(&check.detail).join(" ");
            vec![Line::from(vec![
                format!(" {word}  ").set_style(look.good()),
                Span::raw(look.fit(&name, for_name)),
                Span::raw("  "),
                look.clip(&detail, for_detail).set_style(look.dim()),
            ])]
        }
    }
}

/// Where a statement stands, in words.
fn place(scene: &Scene<'_>, number: usize) -> Option<String> {
    let statement = scene
        .runbook
        .script
        .statements
        .get(number.checked_sub(1)?)?;
    Some(format!("from statement {number}, line {}", statement.line))
}

/// The checks of the script itself.
pub(crate) fn lines(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = vec![title(
        scene,
        scene.machine.tally(),
        "in the transaction",
        columns,
    )];
    if scene.account.checks.is_empty() {
        let text = match scene.machine.phase() {
            Phase::Beginning | Phase::Applying { .. } => {
                "No check has come yet; they are the rows of the script that say PASS, WARN or FAIL."
            }
            _ => "The script returned no check, and zero checks is not a pass.",
        };
        lines.extend(
            wrap(text, columns.saturating_sub(2))
                .into_iter()
                .map(|part| scene.line(format!(" {part}"), look.dim())),
        );
    }
    for (number, check) in scene.account.checks_by_verdict() {
        lines.extend(row(scene, check, Some(*number), columns));
    }
    lines
}

/// The post-verification: its checks, and the data of each query.
pub(crate) fn post(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut tally = Tally::default();
    let mut checks: Vec<&Check> = Vec::new();
    for result in &scene.account.post {
        tally.add(Tally::of(&result.checks));
        checks.extend(&result.checks);
    }
    checks.sort_by_key(|check| check.verdict);
    if scene.account.post.is_empty() {
        let text = match scene.machine.phase() {
            Phase::PostVerifying { .. } => format!(
                "{} The post-verification runs, read-only. The transaction is committed already.",
                look.glyphs.spinner(scene.account.now)
            ),
            _ if scene.runbook.post_verification.is_none() => {
                "This runbook has no post-verification.".to_owned()
            }
            _ => "The post-verification could not be run; m shows what the server said.".to_owned(),
        };
        return wrap(&text, columns.saturating_sub(2))
            .into_iter()
            .map(|part| Line::from(format!(" {part}")))
            .collect();
    }
    let mut lines = vec![title(scene, tally, "after COMMIT", columns)];
    for check in checks {
        lines.extend(row(scene, check, None, columns));
    }
    for result in &scene.account.post {
        let Some(set) = &result.result else { continue };
        lines.push(Line::default());
        lines.push(scene.heading(
            &format!(
                " query {}: {}",
                result.number,
                count(set.total as usize, "row", "rows")
            ),
            columns.saturating_sub(1),
        ));
        lines.extend(table(scene, set, columns));
    }
    lines
}

/// A result as a table, cut to the screen.
fn table(
    scene: &Scene<'_>,
    set: &crate::runbook::check::ResultSet,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let cell = |value: &Option<String>| match value {
        Some(text) => look.clean_lines(text).join(" "),
        None => "NULL".to_owned(),
    };
    let mut widths: Vec<usize> = set
        .columns
        .iter()
        .map(|name| width(&look.clean(name)))
        .collect();
    for row in &set.rows {
        for (slot, value) in widths.iter_mut().zip(row) {
            *slot = (*slot).max(width(&cell(value)));
        }
    }
    let most = (columns / widths.len().max(1)).max(12);
    let render = |cells: Vec<String>| {
        let mut text = String::from(" ");
        for (value, wide) in cells.iter().zip(&widths) {
            text.push_str(&look.fit(value, (*wide).min(most)));
            text.push_str("  ");
        }
        look.clip(text.trim_end(), columns)
    };
    let mut lines = vec![scene.line(
        render(set.columns.iter().map(|name| look.clean(name)).collect()),
        look.strong(),
    )];
    for row in &set.rows {
        lines.push(Line::from(render(row.iter().map(cell).collect())));
    }
    let missing = set.total.saturating_sub(set.rows.len() as u64);
    if missing > 0 {
        lines.push(scene.line(format!(" and {missing} more rows, not kept"), look.dim()));
    }
    lines
}
