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
use crate::acts::name_keys;
use crate::gate::phase::Phase;
use crate::runbook::check::{Check, Tally, Verdict};
use crate::tui::paint::Sheet;
use crate::tui::text::{counted, labelled, width, wrap};
use ratatui::style::{Style, Styled};
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
            counted(all, "check", "checks")
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
        counted(all, "check", "checks"),
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

/// How the checks that pass are laid out: columns for their names, and whether there is room to
/// wrap what they say.
#[derive(Clone, Copy)]
struct ChecksLayout {
    name: usize,
    wrapped: bool,
}

/// Checks, the most urgent first, within `height` rows where that is possible.
pub(crate) fn rows<'a>(
    scene: &Scene<'_>,
    checks: impl Iterator<Item = (Option<usize>, &'a Check)>,
    columns: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let mut checks: Vec<(Option<usize>, &Check)> = checks.collect();
    checks.sort_by_key(|(_, check)| check.verdict);
    let inner = columns.saturating_sub(INDENT + 1);
    let name = checks
        .iter()
        .filter(|(_, check)| check.verdict == Verdict::Pass)
        .map(|(_, check)| width(&scene.look.clean(&check.name)))
        .max()
        .unwrap_or(0)
        .min(inner.saturating_sub(inner / 4));
    let lay = |wrapped: bool| -> Vec<Line<'static>> {
        checks
            .iter()
            .flat_map(|(number, check)| {
                row(
                    scene,
                    check,
                    *number,
                    columns,
                    ChecksLayout { name, wrapped },
                )
            })
            .collect()
    };
    let wrapped = lay(true);
    if wrapped.len() <= height {
        wrapped
    } else {
        lay(false)
    }
}

/// One check; FAIL and WARN with all they say, PASS in a line where there is no room for more.
fn row(
    scene: &Scene<'_>,
    check: &Check,
    statement: Option<usize>,
    columns: usize,
    layout: ChecksLayout,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let word = check.verdict.word();
    let name = look.clean(&check.name);
    let inner = columns.saturating_sub(INDENT + 1);
    let details = look.clean_lines(&check.detail);
    let below = |style: Style| {
        details
            .iter()
            .flat_map(|text| wrap(text, inner))
            .map(|part| Line::from(vec![Span::raw(" ".repeat(INDENT)), part.set_style(style)]))
            .collect::<Vec<_>>()
    };
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
            lines.extend(below(look.bad()));
            if let Some(place) = statement.and_then(|number| place(scene, number)) {
                lines.push(scene.line(
                    look.clip(&format!("{}{place}", " ".repeat(INDENT)), columns),
                    look.dim(),
                ));
            }
            lines
        }
        Verdict::Warn => {
            let mut lines = labelled(
                &format!(" {word}"),
                look.warn(),
                &name,
                look.strong(),
                INDENT,
                columns,
            );
            lines.extend(below(Style::new()));
            lines
        }
        Verdict::Pass => {
            let detail = details.join(" ");
            let room = inner.saturating_sub(layout.name + 2);
            let fits = width(&name) <= layout.name && width(&detail) <= room;
            let head = format!(" {word}  ").set_style(look.good());
            if layout.wrapped && !fits {
                let mut lines = labelled(
                    &format!(" {word}"),
                    look.good(),
                    &name,
                    Style::new(),
                    INDENT,
                    columns,
                );
                lines.extend(below(look.dim()));
                return lines;
            }
            vec![Line::from(vec![
                head,
                Span::raw(look.fit(&name, layout.name)),
                Span::raw("  "),
                look.clip(&detail, room).set_style(look.dim()),
            ])]
        }
    }
}

/// Where a statement stands, in words.
fn place(scene: &Scene<'_>, number: usize) -> Option<String> {
    let statement = scene.runbook.script.statement(number)?;
    Some(format!("from statement {number}, line {}", statement.line))
}

/// The checks of the script itself.
pub(crate) fn sheet(scene: &Scene<'_>, columns: usize, height: usize) -> Sheet {
    let look = scene.look;
    let phase = scene.machine.phase();
    let whose = match phase {
        Phase::Reviewing { .. } | Phase::Returning { .. } => "of the pass that was rolled back",
        phase if phase.transaction_open() => "in the transaction",
        _ => "of the script",
    };
    let mut head = vec![title(scene, scene.machine.tally(), whose, columns)];
    if matches!(phase, Phase::Verifying { .. }) {
        let text = format!(
            " {} Deferred constraints are checked now, then the gate opens.",
            look.glyphs.spinner(scene.account.now)
        );
        head.push(scene.line(look.clip(&text, columns), look.warn()));
    }
    let mut lines = Vec::new();
    if scene.account.transaction.checks.is_empty() {
        let text = match phase {
            Phase::Beginning { .. } | Phase::Applying { .. } => {
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
    let checks = scene.account.transaction.checks.iter();
    lines.extend(rows(
        scene,
        checks.map(|(number, check)| (Some(*number), check)),
        columns,
        height.saturating_sub(head.len()),
    ));
    Sheet {
        head,
        lines,
        ..Sheet::default()
    }
}

/// The checks of the script that fail.
pub(crate) fn failing(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let checks = scene.account.transaction.checks.iter();
    rows(
        scene,
        checks
            .filter(|(_, check)| check.verdict == Verdict::Fail)
            .map(|(number, check)| (Some(*number), check)),
        columns,
        usize::MAX,
    )
}

/// The post-verification: its checks, and the data of each query.
pub(crate) fn post(scene: &Scene<'_>, columns: usize) -> Sheet {
    let look = scene.look;
    if scene.account.post.is_empty() {
        let text = match scene.machine.phase() {
            Phase::PostVerifying { .. } => format!(
                "{} The post-verification runs, read-only. The transaction is committed already.",
                look.glyphs.spinner(scene.account.now)
            ),
            _ if scene.runbook.post_verification.is_none() => {
                "This runbook has no post-verification.".to_owned()
            }
            _ => name_keys(
                "The post-verification could not be run; {messages} shows what the server said.",
            ),
        };
        return Sheet::of(
            wrap(&text, columns.saturating_sub(2))
                .into_iter()
                .map(|part| Line::from(format!(" {part}")))
                .collect(),
        );
    }
    let checks = || scene.account.transaction.post_checks.iter();
    let mut tally = Tally::default();
    for check in checks() {
        tally.count(check.verdict);
    }
    let head = vec![title(scene, tally, "after COMMIT", columns)];
    let mut lines = rows(
        scene,
        checks().map(|check| (None, check)),
        columns,
        usize::MAX,
    );
    for result in &scene.account.post {
        let Some(set) = &result.result else { continue };
        lines.push(Line::default());
        lines.push(scene.heading(
            &format!(
                " query {}: {}",
                result.number,
                counted(set.total as usize, "row", "rows")
            ),
            columns.saturating_sub(1),
        ));
        lines.extend(table(scene, set, columns));
    }
    Sheet {
        head,
        lines,
        ..Sheet::default()
    }
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
    // The widest gives way until all of them fit.
    while widths.iter().map(|wide| wide + 2).sum::<usize>() >= columns {
        match widths.iter_mut().max() {
            Some(widest) if *widest > 8 => *widest -= 1,
            Some(_) | None => break,
        }
    }
    let render = |cells: Vec<String>| {
        let mut text = String::from(" ");
        for (value, wide) in cells.iter().zip(&widths) {
            text.push_str(&look.fit(value, *wide));
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
