//! The gate: everything that bears on the decision, and the two keys.
//!
//! ```text
//!  DECIDE  Nothing is saved yet.
//!
//!  Target    wiser_ops on db1:5432 as migrator
//!  Script    24 of 24 statements succeeded, transaction 748
//!  Checks    8 PASS, 0 WARN, 0 FAIL
//!  Hold      5:00 at most from BEGIN; + extends it
//!  Waiting   pid 4242 app_writer (packet-api), for 0:12, on service_ops.packet_decision
//!  Locks     ACCESS EXCLUSIVE on 3 relations: reads and writes wait
//!              service_ops.integration_inbox, …
//!
//!  c  COMMIT    makes the work of 16 statements permanent; asks for the name of the database
//!  r  ROLLBACK  undoes everything; asks for y
//!  :  query     asks inside the transaction, read-only
//! ```

use super::header::{LAST_MINUTE, LAST_SECONDS};
use super::{Scene, differences, locks, stream};
use crate::account::WithLocks;
use crate::acts::{Does, KeyPlace, at, name_keys};
use crate::facts::Millis;
use crate::gate::Act;
use crate::gate::phase::{Phase, Prompt};
use crate::gate::plan::Mode;
use crate::tui::paint::Sheet;
use crate::tui::text::{clock, counted, labelled, width, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

const INDENT: usize = 11;

/// Columns before what is said of a key.
const KEYED: usize = 14;

/// A labelled fact of one style.
pub(crate) fn fact(
    scene: &Scene<'_>,
    label: &str,
    text: &str,
    style: Style,
    columns: usize,
) -> Vec<Line<'static>> {
    labelled(
        &format!(" {label}"),
        scene.look.dim(),
        text,
        style,
        INDENT,
        columns.saturating_sub(1),
    )
}

/// A label beside lines that are made already.
pub(crate) fn beside(
    scene: &Scene<'_>,
    label: &str,
    lines: Vec<Line<'static>>,
) -> Vec<Line<'static>> {
    lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| {
            let head = if index == 0 { label } else { "" };
            let gap = INDENT.saturating_sub(1 + width(head));
            let mut spans = vec![
                format!(" {head}").set_style(scene.look.dim()),
                Span::raw(" ".repeat(gap)),
            ];
            spans.extend(line.spans);
            Line::from(spans)
        })
        .collect()
}

/// Columns that stand beside a label.
pub(crate) fn inner(columns: usize) -> usize {
    columns.saturating_sub(INDENT + 1)
}

pub(crate) fn sheet(scene: &Scene<'_>, columns: usize) -> Sheet {
    let said = "  Nothing is saved yet. Look at the checks, then decide.";
    let (facts, keys) = (facts(scene, columns), keys(scene, columns));
    lay_out_decision(scene, columns, (" DECIDE", said), facts, keys)
}

/// Where a person decides: what differs first, then what is known, and the keys below it.
pub(crate) fn lay_out_decision(
    scene: &Scene<'_>,
    columns: usize,
    (title, said): (&'static str, &'static str),
    facts: Vec<Line<'static>>,
    keys: Vec<Line<'static>>,
) -> Sheet {
    let mut lines = vec![Line::default()];
    lines.extend(differences::differences(scene, columns));
    lines.extend(facts);
    Sheet {
        head: vec![Line::from(vec![
            title.set_style(scene.look.strong()),
            Span::raw(said),
        ])],
        lines,
        pinned: keys,
        follow: None,
    }
}

/// Target, script, checks, hold, waiters, locks.
pub(crate) fn facts(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let mut lines = told(scene, "", columns);
    lines.extend(hold(scene, columns));
    lines.extend(beside(
        scene,
        "Waiting",
        locks::waiters(scene, inner(columns), 2),
    ));
    let held = locks::by_strength(scene, inner(columns), true);
    if held.is_empty() {
        lines.extend(fact(scene, "Locks", "none known", Style::new(), columns));
    }
    lines.extend(beside(scene, "Locks", held));
    lines
}

/// Target, script, checks: what a pass came to. `after` is said of its transaction.
pub(crate) fn told(scene: &Scene<'_>, after: &str, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = Vec::new();
    if let Some(target) = &scene.account.target {
        let text = format!(
            "{} on {} as {}",
            look.clean(&target.database),
            scene.host(target),
            look.clean(&target.role)
        );
        lines.extend(fact(scene, "Target", &text, look.strong(), columns));
        if target.standbys > 0 {
            let text = format!(
                "{} standby servers follow it; reads there wait too",
                target.standbys
            );
            lines.extend(fact(scene, "", &text, look.warn(), columns));
        }
    }
    let xid = scene
        .account
        .transaction
        .xid
        .as_deref()
        .map_or_else(String::new, |xid| {
            format!(", transaction id {}{after}", look.clean(xid))
        });
    let text = format!(
        "{} of {} statements succeeded{xid}",
        stream::done(scene),
        scene.sent()
    );
    lines.extend(fact(scene, "Script", &text, Style::new(), columns));
    let tally = scene.machine.tally();
    let text = if tally.total() == 0 {
        "NONE: nothing says whether the script did what it should".to_owned()
    } else {
        let counts = format!(
            "{} PASS, {} WARN, {} FAIL",
            tally.pass, tally.warn, tally.fail
        );
        match scene.account.transaction.locks.time() {
            WithLocks { looking: 0, .. } => counts,
            WithLocks { looking, all, .. } => {
                format!("{counts}; checks took {looking} of {all} ms under locks")
            }
        }
    };
    let style = if tally.fail > 0 || tally.pass == 0 {
        look.bad()
    } else if tally.warn > 0 {
        look.warn()
    } else {
        look.good()
    };
    lines.extend(fact(scene, "Checks", &text, style, columns));
    if let Some(data) = &scene.outline.data {
        lines.extend(fact(scene, "", data, look.warn(), columns));
    }
    lines
}

/// How long it is held, how much is left, and the warning where that is little.
pub(crate) fn hold(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let (Some(left), Some(all)) = (super::header::hold_left(scene), scene.hold_in_all()) else {
        return Vec::new();
    };
    // How much of it is left is counted down in the header, and there alone.
    let more = match scene.open(Act::Extend) {
        true => "; {extend} extends it",
        false => "",
    };
    let text = format!("{} at most from BEGIN{}", clock(all), name_keys(more));
    let style = if left <= LAST_MINUTE {
        look.bad()
    } else if left * 2 <= all {
        look.warn()
    } else {
        Style::new()
    };
    let mut lines = fact(scene, "Hold", &text, style, columns);
    if let Some((warning, grave)) = warning(left, all) {
        let style = if grave { look.band_bad() } else { look.warn() };
        lines.extend(beside(
            scene,
            "",
            vec![scene.line(format!(" {warning} "), style)],
        ));
    }
    if scene.account.unguarded {
        let text = name_keys(
            "nobody beside this program ends it if this program is stopped; {messages} says why",
        );
        lines.extend(fact(scene, "", &text, look.warn(), columns));
    }
    lines
}

/// The warning that belongs to what is left of the hold, and whether it is grave.
fn warning(left: Millis, all: Millis) -> Option<(String, bool)> {
    if left <= LAST_SECONDS {
        Some(("ROLLS BACK BY ITSELF IN A MOMENT".to_owned(), true))
    } else if left <= LAST_MINUTE {
        Some((
            name_keys("LESS THAN A MINUTE LEFT: decide, or {extend} extends the hold"),
            true,
        ))
    } else if left * 2 <= all {
        Some(("half of the hold is used".to_owned(), false))
    } else {
        None
    }
}

/// What taking time would spare others, where it is offered.
fn price_of_staying(scene: &Scene<'_>) -> Option<String> {
    if !scene.machine.offer(Act::TakeTime).is_there() {
        return None;
    }
    let waiters = scene.account.sight.as_ref().map(|sight| &sight.waiters);
    let waiters = waiters.filter(|waiters| !waiters.is_empty());
    Some(match waiters {
        Some(waiters) => {
            let longest = waiters.iter().filter_map(|waiter| waiter.since).max();
            format!(
                "RECOMMENDED: {}, up to {}; this lets them go on",
                if waiters.len() == 1 {
                    "1 session waits".to_owned()
                } else {
                    format!("{} wait", counted(waiters.len(), "session", "sessions"))
                },
                clock(longest.unwrap_or_default())
            )
        }
        None => name_keys("rolls back now, to review with nothing held; {commit} runs it again"),
    })
}

fn asked(scene: &Scene<'_>) -> &'static str {
    let second = scene.machine.plan().second_signer.is_some();
    match (scene.machine.tally().total() == 0, second) {
        (true, true) => "why, who else, and the name",
        (true, false) => "why, and the name",
        (false, true) => "who else, and the name",
        (false, false) => "for the name",
    }
}

fn keys(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let rehearsal = scene.machine.plan().mode != Mode::Run;
    let armed = scene.machine.armed();
    let state = match scene.machine.phase() {
        Phase::Deciding {
            prompt: Prompt::Closed,
            ..
        } if rehearsal => " A rehearsal: it never commits.".set_style(look.warn()),
        Phase::Deciding {
            prompt: Prompt::Closed,
            ..
        } if armed => " ARMED".set_style(look.good()),
        Phase::Deciding {
            prompt: Prompt::Reason | Prompt::SecondSigner | Prompt::Name | Prompt::RollBack,
            ..
        } => " Waiting for your answer".set_style(look.warn()),
        _ => " NOT ARMED YET: let go of the keys and look".set_style(look.warn()),
    };
    let mut lines = vec![Line::default(), Line::from(state)];
    let key = |act, said: &str, open| key(scene, (KeyPlace::Gate, act), said, open, columns);
    if !rehearsal {
        let text = format!("makes {} permanent; asks {}", scene.work(), asked(scene));
        let whole = format!("{text} of the {}", scene.machine.name_is_of());
        let text = match width(&whole) > columns.saturating_sub(KEYED + 1) {
            true => text,
            false => whole,
        };
        lines.extend(key(Act::AskCommit, &text, armed));
    }
    lines.extend(key(Act::AskRollback, &name_keys(UNDOES), true));
    if let Some(text) = price_of_staying(scene) {
        lines.extend(key(Act::TakeTime, &text, scene.open(Act::TakeTime)));
    }
    lines.extend(key(Act::Query, ASKS, true));
    lines
}

/// What ROLLBACK does, in the wording of [`name_keys`], and what a query does.
pub(crate) const UNDOES: &str = "undoes everything; asks for {yes}";
pub(crate) const ASKS: &str = "asks inside the transaction, read-only";

/// An act with its key and its word, which are the table's there, and what is said of it: on a screen for a
/// decision nothing is cut.
pub(crate) fn key(
    scene: &Scene<'_>,
    (place, act): (KeyPlace, Act),
    said: &str,
    open: bool,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let Some(binding) = at(place).find(|binding| binding.does == Does::Gate(act)) else {
        return Vec::new();
    };
    let (key_style, word_style) = match open {
        // It looks like no other key, and only while it would be taken.
        true if act == Act::AskCommit => (look.band_warn(), look.strong()),
        true => (look.key(), look.strong()),
        false => (look.dim(), look.dim()),
    };
    let mut parts = wrap(said, columns.saturating_sub(KEYED + 1)).into_iter();
    let mut lines = vec![Line::from(vec![
        Span::raw(" "),
        binding.first_key().set_style(key_style),
        Span::raw("  "),
        look.fit(binding.label, 10).set_style(word_style),
        Span::raw(parts.next().unwrap_or_default()),
    ])];
    lines.extend(parts.map(|part| Line::from(format!("{:KEYED$}{part}", ""))));
    lines
}
