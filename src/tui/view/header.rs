//! The three lines at the top, on every screen.
//!
//! ```text
//! Stage 1 UTN Workflow      migrator@db1:5432/wiser_ops · TLSv1.3 · primary · PG 15.18
//! Checklist ✓ › Apply ✓ › Verify ✓ › [Decide] › Proof › Post-verify
//! TRANSACTION OPEN   held 0:23   rolls back by itself in 4:37   ██████████████░░░░
//! ```
//!
//! What is connected, where one is, what is open and for how much longer. They are never covered
//! by anything.

mod band;

use super::Scene;
use crate::facts::{Ending, Millis, Target, Why};
use crate::gate::Machine;
use crate::gate::phase::{Phase, PhaseKind, Stage};
use crate::gate::plan::Mode;
use crate::runbook::targets::Colour;
use crate::tui::text::width;
pub(crate) use band::{hold_left, words};
use ratatui::style::Styled;
use ratatui::text::{Line, Span};

/// Below this the hold is nearly over, in milliseconds.
pub(crate) const LAST_MINUTE: Millis = 60_000;
/// Below this there is time for one key, in milliseconds.
pub(crate) const LAST_SECONDS: Millis = 10_000;

/// The steps of the walk, as they stand in the header.
const STEPS: [&str; 6] = [
    "Checklist",
    "Apply",
    "Verify",
    "Decide",
    "Proof",
    "Post-verify",
];

pub(crate) fn draw_header(scene: &Scene<'_>, columns: usize) -> [Line<'static>; 3] {
    [
        title(scene, columns),
        steps(scene, columns),
        band(scene, columns),
    ]
}

fn title(scene: &Scene<'_>, columns: usize) -> Line<'static> {
    let look = scene.look;
    let mode = match scene.machine.plan().mode {
        Mode::Run => "",
        Mode::Rehearse => "REHEARSAL: ",
        Mode::Inspect => "READ-ONLY: ",
    };
    let name = format!("{mode}{}", look.clean(&scene.runbook.title));
    let chip = chip(scene);
    let for_chip = chip.as_ref().map_or(0, |chip| chip.width() + 1);
    let room = columns.saturating_sub(2 + for_chip);
    let target = match &scene.account.target {
        None => vec!["not connected".set_style(look.strong())],
        Some(target) => place(scene, target, room, width(mode), width(&name)),
    };
    let taken: usize = target.iter().map(Span::width).sum();
    let left = room.saturating_sub(taken + 2);
    // A letter of a title is none.
    let name = match mode.is_empty() && left < 6 && width(&name) > left {
        true => String::new(),
        // The band below says what only looks.
        false if scene.machine.plan().mode == Mode::Inspect && width(&name) > left && left > 11 => {
            look.clean(&scene.runbook.title)
        }
        // Nor is what is left of one behind the mode.
        false if !mode.is_empty() && left < width(mode) + 6 && width(&name) > left => {
            mode.trim_end_matches(": ").to_owned()
        }
        false => name,
    };
    let mut spans = vec![Span::raw(" ")];
    spans.extend(chip.into_iter().flat_map(|chip| [chip, Span::raw(" ")]));
    spans.push(look.fit(&name, left).set_style(look.strong()));
    spans.push(Span::raw("  "));
    spans.extend(target);
    spans.push(Span::raw(" "));
    Line::from(spans)
}

/// Where we are: `role@host:port/database`, how the link is protected, primary or standby; of a socket
/// `role@database`, and its folder and port behind that. The database is whole as long as a line can hold
/// it; what gives way to it is the server's version, the title, the beginning of the host, the end of the
/// role.
fn place(
    scene: &Scene<'_>,
    target: &Target,
    room: usize,
    mode: usize,
    title: usize,
) -> Vec<Span<'static>> {
    let look = scene.look;
    let dot = format!(" {} ", look.glyphs.dot());
    let protection = look.clean(target.protection());
    let database = look.clip(&look.clean(&target.database), room);
    let role = look.clean(&target.role);
    let host = look.clean(&target.host);
    let socket = host.starts_with(['/', '@']);
    // The folder of a socket can be long, and says less than the database: it stands behind it.
    let port = format!(":{}{}", target.port, if socket { "" } else { "/" });
    let version = format!("{dot}PG {}", scene.version(target));
    let after = width(&dot) * 2 + width(&protection) + width(target.part());
    let fixed = width("@") + width(&port) + width(&database) + after + usize::from(socket);
    let with_all = fixed + width(&role) + width(&host) + width(&version) + title + 2;
    let names = width(&role) + width(&host);
    // A piece of the title is worth less than who and where.
    let kept = match names + fixed + 14 > room {
        true => mode,
        false => mode.max(12),
    };
    let for_names = room.saturating_sub(fixed + kept + 2);
    let host = look.clip_left(&host, for_names.saturating_sub(width(&role)).max(8));
    let role = look.clip(&role, for_names.saturating_sub(width(&host)).max(4));
    let style = match (target.protection(), target.is_exposed()) {
        ("plaintext", true) => look.bad(),
        ("plaintext", false) => look.warn(),
        _ => ratatui::style::Style::new(),
    };
    let address = format!("{host}{port}");
    let (before, behind) = match socket {
        true => (String::new(), format!(" {address}")),
        false => (address, String::new()),
    };
    let mut spans = vec![
        Span::raw(format!("{role}@{before}")),
        database.set_style(look.here()),
        Span::raw(dot.clone()),
        protection.set_style(style),
        Span::raw(format!("{behind}{dot}")),
        match target.in_recovery {
            true => target.part().set_style(look.warn()),
            false => Span::raw(target.part()),
        },
    ];
    if with_all <= room {
        spans.push(Span::raw(version));
    }
    spans
}

/// Which of the runbook's servers it is, where it knows them: in the first cells, in its colour.
fn chip(scene: &Scene<'_>) -> Option<Span<'static>> {
    let (look, known) = (scene.look, &scene.runbook.targets);
    let target = scene.account.target.as_ref()?;
    let (name, colour) = match target.named(known) {
        _ if known.is_empty() => return None,
        Some(named) => (look.clean(&named.name), named.shown_in()),
        None => ("unknown server".to_owned(), Some(Colour::Yellow)),
    };
    let style = match colour {
        Some(Colour::Red) => look.band_bad(),
        Some(Colour::Yellow) => look.band_warn(),
        Some(Colour::Green) => look.band_good(),
        Some(Colour::Blue | Colour::Magenta | Colour::Cyan) => look.here(),
        None => look.strong(),
    };
    let name = look.clip(&name.to_uppercase(), 16);
    Some(format!(" {name} ").set_style(style))
}

#[derive(Clone, Copy, PartialEq)]
enum HeaderStep {
    Before,
    Done,
    Failed,
    Here,
}

fn standing(machine: &Machine) -> [HeaderStep; 6] {
    use HeaderStep::{Before, Done, Here};
    let [apply, verify, decide] = trodden(machine);
    match machine.phase() {
        Phase::Connecting | Phase::Checklist { .. } => {
            [Here, Before, Before, Before, Before, Before]
        }
        Phase::Beginning { .. }
        | Phase::Applying { .. }
        | Phase::Waiting { .. }
        | Phase::Returning { .. } => [Done, Here, Before, Before, Before, Before],
        Phase::Verifying { .. } => [Done, Done, Here, Before, Before, Before],
        Phase::TakingDown { .. }
        | Phase::Deciding { .. }
        | Phase::Reviewing { .. }
        | Phase::Querying { .. }
        | Phase::MustRollBack { .. } => [Done, apply, verify, Here, Before, Before],
        Phase::Committing { .. }
        | Phase::RollingBack { .. }
        | Phase::Inquiring { .. }
        | Phase::Ended(Ending::Prepared { .. } | Ending::Unknown { .. }) => {
            [Done, apply, verify, decide, Here, Before]
        }
        Phase::PostVerifying { .. } => [Done, apply, verify, decide, Done, Here],
        Phase::Ended(Ending::NotConnected) | Phase::Left(_) => [Before; 6],
        Phase::Ended(Ending::Committed { post, .. }) => {
            let after = match post {
                Some(tally) if tally.passes() => Done,
                Some(_) => HeaderStep::Failed,
                None => Before,
            };
            [Done, apply, verify, decide, Done, after]
        }
        Phase::Ended(Ending::RolledBack { .. }) => [Done, apply, verify, decide, Done, Before],
    }
}

/// How Apply, Verify and Decide stand, as far as the newest attempt came: where it was ended is what
/// failed, and what it never came to was not done.
fn trodden(machine: &Machine) -> [HeaderStep; 3] {
    use HeaderStep::{Before, Done, Failed};
    let [apply, verify] = match machine.got_to() {
        Stage::Apply => [Failed, Before],
        Stage::Verify => [Done, Failed],
        Stage::Decide => [Done, Done],
    };
    let decide = match machine.was_decided() {
        true if is_taken_away(machine.phase()) => Failed,
        true => Done,
        false => Before,
    };
    [apply, verify, decide]
}

/// Whether the decision was nobody's: the time was over, or who was to make it was gone.
fn is_taken_away(phase: &Phase) -> bool {
    let why = match phase {
        Phase::RollingBack { after, .. } => after.why(),
        Phase::Ended(Ending::RolledBack { why, .. }) => why,
        _ => return false,
    };
    matches!(
        why,
        Why::HoldLimit | Why::TooManyWaiters | Why::WaitedTooLong | Why::Alarmed(_)
    )
}

fn steps(scene: &Scene<'_>, columns: usize) -> Line<'static> {
    let look = scene.look;
    let mut spans = vec![Span::raw(" ")];
    for (index, (name, step)) in STEPS.into_iter().zip(standing(scene.machine)).enumerate() {
        if name == "Post-verify" && !scene.machine.plan().post_verification {
            continue;
        }
        if index > 0 {
            spans.push(format!(" {} ", look.glyphs.then()).set_style(look.dim()));
        }
        match step {
            HeaderStep::Before => spans.push(name.set_style(look.dim())),
            HeaderStep::Done => {
                spans.push(Span::raw(name));
                spans.push(format!(" {}", look.glyphs.tick()).set_style(look.good()));
            }
            HeaderStep::Failed => {
                spans.push(Span::raw(name));
                spans.push(format!(" {}", look.glyphs.cross()).set_style(look.bad()));
            }
            HeaderStep::Here => spans.push(format!("[{name}]").set_style(look.here())),
        }
    }
    let mut line = Line::from(spans);
    while line.width() > columns && line.spans.len() > 1 {
        line.spans.pop();
    }
    line
}

/// On the checklist: where this run is decided, and what is to be expected of its locks.
fn ahead(scene: &Scene<'_>) -> Vec<String> {
    let plan = scene.machine.plan();
    if scene.machine.phase().kind() != PhaseKind::Checklist || plan.mode != Mode::Run {
        return Vec::new();
    }
    let expected = scene.account.expected.as_ref();
    let expected = expected.map(|expected| scene.look.clean(&expected.in_short));
    std::iter::once(plan.where_decided().to_owned())
        .chain(expected)
        .collect()
}

fn band(scene: &Scene<'_>, columns: usize) -> Line<'static> {
    let look = scene.look;
    let Some((words, style)) = words(scene, false) else {
        let rule = look.glyphs.rule();
        let mut text = format!("{} no transaction is open ", rule.repeat(2));
        for part in ahead(scene) {
            let part = format!("{} {part} ", rule.repeat(2));
            if width(&text) + width(&part) < columns {
                text.push_str(&part);
            }
        }
        let rest = columns.saturating_sub(width(&text));
        return scene.line(format!("{text}{}", rule.repeat(rest)), look.dim());
    };
    let mut text = String::new();
    for word in words {
        let gap = if text.is_empty() { " " } else { "   " };
        if width(&text) + width(gap) + width(&word) < columns {
            text.push_str(gap);
            text.push_str(&word);
        }
    }
    // The bar of the hold takes what is left of the line, where that is enough to read it.
    let room = columns.saturating_sub(width(&text) + 4).min(40);
    if let (Some(left), Some(all), true) = (hold_left(scene), scene.hold_in_all(), room >= 8) {
        text.push_str("   ");
        text.push_str(&look.bar(left, all, room));
    }
    scene.band(&text, style, columns)
}
