//! The panes of `inspect` as lines. Each is a function of what was seen; what comes from a server,
//! a file or a journal is cleaned before it is put on a line (I8).

use super::applied::{Extent, migrations};
use super::shown::{InspectPane, ShownPanes, nothing_yet, said};
use super::{CheckSet, InspectStage, absent, silent, structure, tally, telling};
use crate::acts::{Binding, Front, KeyPlace, at, bindings_at};
use crate::tui::text::{clock, counted, hanging, took, width};
use crate::tui::theme::Appearance;
use crate::tui::view::{
    Scene, checks, header as walk_header, help as walk_help, told as walk_told,
};
use crossterm::event::KeyCode;
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// The three lines at the top: what is looked at, the panes, how fresh it is.
pub(super) fn header(shown: &ShownPanes, scene: &Scene<'_>, columns: usize) -> [Line<'static>; 3] {
    let [title, _, _] = walk_header::draw_header(scene, columns);
    [
        title,
        tabs(shown, columns),
        freshness(shown, scene, columns),
    ]
}

fn tabs(shown: &ShownPanes, columns: usize) -> Line<'static> {
    let look = shown.look;
    let mut spans = vec![Span::raw(" ")];
    for pane in InspectPane::ALL {
        spans.push(if pane == shown.pane {
            format!("[{}]", pane.name()).set_style(look.here())
        } else {
            format!(" {} ", pane.name()).set_style(look.dim())
        });
    }
    let line = Line::from(spans);
    if line.width() <= columns {
        line
    } else {
        Line::from(vec![
            Span::raw(" "),
            format!("[{}]", shown.pane.name()).set_style(look.here()),
        ])
    }
}

fn freshness(shown: &ShownPanes, scene: &Scene<'_>, columns: usize) -> Line<'static> {
    let look = shown.look;
    let ago = |at: u64| {
        let age = shown.now.saturating_sub(at);
        match age {
            0..2_000 => "just now".to_owned(),
            2_000..100_000 => format!("{} s ago", age / 1000),
            _ => format!("{} ago", clock(age)),
        }
    };
    let mut parts = Vec::new();
    match (shown.seen_at, shown.looking, &shown.blind) {
        (None, true, _) => parts.push("looking".into()),
        (None, false, None) => {}
        (None, false, Some(_)) => parts.push("NOT CONNECTED".into()),
        (Some(at), _, None) => parts.push(format!("looked {}", ago(at))),
        (Some(at), _, Some(_)) => parts.push(format!("LOST, last looked {}", ago(at))),
    }
    let mut style = look.band_good();
    if let Some(checked) = &shown.checked {
        let tally = tally(&checked.sets);
        // The checks are looked at less often than the rest; their age is told where it is another.
        let age = match ago(checked.at) {
            age if shown.seen_at.map(ago) == Some(age.clone()) => String::new(),
            age => format!(", {age}"),
        };
        let silent = silent(&checked.sets);
        let counts = telling::counts(tally, silent, absent(&checked.sets));
        parts.push(format!("{counts}{age}"));
        if tally.fail > 0 || silent > 0 {
            style = look.band_warn();
        }
    }
    if shown.blind.is_some() {
        style = look.band_bad();
    }
    let dot = format!(" {} ", look.glyphs.dot());
    let parts = parts.join(&dot);
    let whole = format!(" READ-ONLY by the server{dot}{parts}");
    // What the checks say is worth more than by whom nothing can be written.
    let text = match width(&whole) > columns {
        true => format!(" READ-ONLY{dot}{}", parts.replace(", 0 WARN", "")),
        false => whole,
    };
    scene.band(text.trim_end_matches(&dot), style, columns)
}

pub(super) fn draw_pane(
    shown: &ShownPanes,
    scene: &Scene<'_>,
    columns: usize,
) -> Vec<Line<'static>> {
    match shown.pane {
        InspectPane::Applied => applied(shown, scene, columns),
        InspectPane::Checks => all_checks(shown, scene, columns),
        InspectPane::Structure => structure::draw_structure(shown, scene, columns),
        InspectPane::Impact => impact(shown, columns),
        InspectPane::Locks => locks(shown, scene, columns),
        InspectPane::Runs => runs(shown, scene, columns),
        InspectPane::Messages => messages(shown, scene, columns),
        // Drawn by the pager.
        InspectPane::Scripts => Vec::new(),
    }
}

/// A stage, its file and how its checks went; of a long file's name the end, so that the counts are whole.
fn heading(look: Appearance, set: &CheckSet, columns: usize) -> String {
    let around = width(&telling::heading(set, "")) + 1;
    let file = look.clip_left(
        &look.clean(&set.file),
        columns.saturating_sub(around).max(8),
    );
    format!(" {}", look.clean(&telling::heading(set, &file)))
}

fn applied(shown: &ShownPanes, scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = shown.look;
    let Some(checked) = &shown.checked else {
        return nothing_yet(shown, columns);
    };
    let mut lines = Vec::new();
    let migrations = migrations(&shown.runbook, &checked.sets);
    if migrations.is_empty() {
        lines.extend(said(
            shown,
            "The checks of this runbook name no migration by its number; see the checks.",
            Style::new(),
            columns,
        ));
    }
    for migration in migrations {
        let (word, style) = match migration.extent {
            Extent::No => ("NO", look.strong()),
            Extent::Partly => ("PARTLY", look.bad()),
            Extent::Yes => ("YES", look.good()),
            Extent::Unknown => ("UNKNOWN", look.warn()),
        };
        lines.push(Line::from(vec![
            Span::raw(" "),
            look.fit(&look.clean(&migration.number), 6)
                .set_style(look.strong()),
            look.fit(word, 9).set_style(style),
            look.clip(&look.clean(&migration.title), columns.saturating_sub(17))
                .set_style(look.strong()),
        ]));
        let why = look.clean(&migration.why);
        lines.extend(hanging(&why, look.dim(), 16, columns.saturating_sub(1)));
        if migration.extent == Extent::Partly {
            for lacking in &migration.lacking {
                let text = look.clean(lacking);
                lines.extend(hanging(&text, Style::new(), 16, columns.saturating_sub(1)));
            }
        }
        lines.push(Line::default());
    }
    for set in &checked.sets {
        lines.push(scene.line(
            look.clip(&heading(look, set, columns), columns),
            match set.tally().fail {
                0 => look.good(),
                _ => look.warn(),
            },
        ));
    }
    lines
}

fn all_checks(shown: &ShownPanes, scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = shown.look;
    let Some(checked) = &shown.checked else {
        return nothing_yet(shown, columns);
    };
    let mut sets: Vec<&CheckSet> = checked.sets.iter().collect();
    // What fails comes first, whatever stage it is of.
    sets.sort_by_key(|set| set.tally().fail == 0 && set.silent.is_empty());
    let mut lines = Vec::new();
    for set in sets {
        let heading = heading(look, set, columns.saturating_sub(1));
        lines.push(scene.heading(&heading, columns.saturating_sub(1)));
        for silent in &set.silent {
            let text = look.clean(&format!("NO ANSWER  {}: {}", silent.name, silent.why));
            lines.extend(hanging(&text, look.warn(), 3, columns.saturating_sub(1)));
        }
        // Only the numbers of the script itself can be looked up.
        let own = set.stage == InspectStage::Verification;
        let numbered = set
            .checks
            .iter()
            .map(|(number, check)| ((own && *number > 0).then_some(*number), check));
        lines.extend(checks::rows(scene, numbered, columns, usize::MAX));
        for (_, check) in &set.absent {
            let text = look.clean(&format!("NOT APPLIED  {}: {}", check.name, check.detail));
            lines.extend(hanging(&text, look.dim(), 3, columns.saturating_sub(1)));
        }
        lines.push(Line::default());
    }
    lines.pop();
    lines
}

fn impact(shown: &ShownPanes, columns: usize) -> Vec<Line<'static>> {
    let measure = shown.sight.as_ref().map(|sight| &sight.measure);
    walk_told::draw_told(shown.look, shown.impact.told(Some(measure)), columns)
}

/// How much of a query is told, in characters.
const QUERY_LENGTH: usize = 200;

fn locks(shown: &ShownPanes, scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = shown.look;
    let Some(sight) = &shown.sight else {
        return nothing_yet(shown, columns);
    };
    let inner = columns.saturating_sub(1);
    let mut lines = vec![scene.heading(
        &format!(
            " {} of other sessions on the script's tables",
            counted(sight.locks.len(), "lock", "locks")
        ),
        inner,
    )];
    for held in &sight.locks {
        let (word, style) = match held.granted {
            true => ("holds", look.warn()),
            false => ("waits for", look.bad()),
        };
        let who = match held.by.pid {
            0 => "a prepared transaction".into(),
            pid => format!("pid {pid} {}", held.by.who()),
        };
        let open = held.by.since;
        let open = open.map_or_else(String::new, |open| format!(", open for {}", took(open)));
        let text = look.clean(&format!(
            "{who}{open}: {word} {} on {}",
            held.mode, held.relation
        ));
        lines.extend(hanging(&text, style, 3, inner));
    }
    lines.push(Line::default());
    lines.push(scene.heading(
        &format!(
            " {} open for more than {} s in this database",
            counted(sight.long.len(), "transaction", "transactions"),
            super::catalog::LONG
        ),
        inner,
    ));
    for long in &sight.long {
        let query = long.query.as_ref().map_or_else(String::new, |query| {
            let begun: String = query.chars().take(QUERY_LENGTH).collect();
            format!(": {begun}")
        });
        let text = look.clean(&format!(
            "pid {} {}, open for {}{query}",
            long.pid,
            long.who(),
            took(long.since.unwrap_or(0))
        ));
        lines.extend(hanging(&text, Style::new(), 3, inner));
    }
    lines
}

fn runs(shown: &ShownPanes, scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = shown.look;
    let inner = columns.saturating_sub(1);
    let place = shown
        .folder
        .as_deref()
        .unwrap_or("(no folder: HOME is not set)");
    let runs = match &shown.runs {
        Ok(runs) => runs,
        Err(why) => return said(shown, why, look.warn(), columns),
    };
    let heading = format!(" {} in {place}", counted(runs.len(), "run", "runs"));
    let mut lines = vec![scene.heading(&look.clean(&heading), inner)];
    for run in runs {
        let style = match run.outcome.as_str() {
            "COMMITTED" => look.good(),
            "ROLLED BACK" => look.strong(),
            _ => look.warn(),
        };
        let head = format!("{}  {}", run.began, run.outcome);
        lines.extend(hanging(&look.clean(&head), style, 1, inner));
        let mut about = vec![format!("{} of {}", run.opened.mode, run.opened.runbook)];
        about.extend(run.target.clone());
        about.extend(run.opened.os_user.iter().map(|user| format!("by {user}")));
        if run.opened != Default::default() {
            lines.extend(hanging(
                &look.clean(&about.join(", ")),
                Style::new(),
                3,
                inner,
            ));
        }
        let path = run.path.display().to_string();
        lines.extend(hanging(&look.clean(&path), look.dim(), 3, inner));
        if let Some(broken) = &run.broken {
            let text = look.clean(&format!("not as it was written: {broken}"));
            lines.extend(hanging(&text, look.bad(), 3, inner));
        }
    }
    lines
}

fn messages(shown: &ShownPanes, scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = shown.look;
    let inner = columns.saturating_sub(1);
    let mut lines = vec![scene.heading(" What could not be seen, and what to know", inner)];
    if let Some(why) = &shown.blind {
        lines.extend(hanging(&look.clean(why), look.bad(), 1, inner));
    }
    let problems = shown.sight.iter().flat_map(|sight| &sight.problems);
    for problem in problems {
        lines.extend(hanging(&look.clean(problem), look.warn(), 1, inner));
    }
    if lines.len() == 1 {
        lines.extend(said(shown, "Nothing.", look.dim(), columns));
    }
    if let Some(sight) = &shown.sight {
        lines.push(Line::default());
        let text = look.clean(&telling::place(sight));
        lines.extend(hanging(&text, Style::new(), 1, inner));
        let took = took(sight.took);
        lines.extend(said(
            shown,
            &format!("The last look took {took}."),
            look.dim(),
            columns,
        ));
    }
    lines
}

/// The keys that do something in `inspect`.
pub(super) fn help(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let inner = columns.saturating_sub(1);
    let mut lines = vec![scene.heading(" Keys", inner)];
    let own: Vec<KeyCode> = at(KeyPlace::Inspect)
        .flat_map(|binding| binding.keys.iter().copied())
        .collect();
    let told = |binding: &&Binding| {
        binding.place == KeyPlace::Inspect || !binding.keys.iter().any(|key| own.contains(key))
    };
    let table = bindings_at(KeyPlace::Inspect)
        .filter(told)
        .chain(bindings_at(KeyPlace::Text))
        .map(|binding| (binding.key_names(), binding.help(Front::Keys)));
    lines.extend(walk_help::keys(
        scene,
        table.chain(walk_help::control()),
        inner,
    ));
    lines
}
