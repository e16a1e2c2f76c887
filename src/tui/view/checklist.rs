//! The checklist: what is to be signed, and on what evidence.
//!
//! ```text
//! CHECKLIST  2 of 5 signed
//!
//!   1 signed  Backup production database              HOLDS
//! ▸ 2         Review the migration script             HOLDS  read it to its end (s)
//!   3         Verify the database connection          FAILS
//!
//! 2 Review the migration script ─────────────────────────────────────────
//! HOLDS  36 statements in 3 sections, 2 findings of the linter
//! …
//! ```
//!
//! A signature is on the evidence that is on screen, so the evidence of the item under the cursor
//! always is.

use super::Scene;
use crate::account::EarlierTold;
use crate::acts::{key_of, name_keys};
use crate::facts::{Dumping, Evidence, Standing};
use crate::gate::plan::Mode;
use crate::gate::{Act, Offer};
use crate::runbook::ItemKind;
use crate::tui::paint::Sheet;
use crate::tui::text::{counted, labelled, width, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// What the standing of an item is called, and how it looks.
fn word(scene: &Scene<'_>, index: usize, standing: Standing) -> (String, Style) {
    let look = scene.look;
    if scene.machine.is_backing_up() && scene.machine.is_of_backup(index) {
        let spinner = look.glyphs.spinner(scene.account.now);
        return (
            format!("{spinner} dumping{}", look.glyphs.ellipsis()),
            look.warn(),
        );
    }
    let evidence = scene.account.evidence_for(index);
    match standing {
        Standing::Awaited if evidence.is_some_and(Evidence::is_under_way) => {
            let spinner = look.glyphs.spinner(scene.account.now);
            let kind = scene.runbook.items.get(index).map(|item| item.kind);
            let doing = match kind {
                Some(ItemKind::Review) => "linting",
                _ => "comparing",
            };
            (format!("{spinner} {doing}"), look.warn())
        }
        Standing::Awaited => (
            format!(
                "{} looking{}",
                look.glyphs.spinner(scene.account.now),
                look.glyphs.ellipsis()
            ),
            look.warn(),
        ),
        Standing::Asks if scene.machine.is_answered(index) => ("HOLDS".to_owned(), look.good()),
        Standing::Holds if !scene.machine.is_answered(index) => {
            (Standing::Asks.word().to_owned(), look.warn())
        }
        Standing::Holds => (standing.word().to_owned(), look.good()),
        Standing::Warns | Standing::Asks => (standing.word().to_owned(), look.warn()),
        Standing::Fails | Standing::Silent => (standing.word().to_owned(), look.band_bad()),
    }
}

/// The dump that is under way for the item with this index.
fn dumping<'a>(scene: &Scene<'a>, index: usize) -> Option<&'a Dumping> {
    let (_, dumping) = scene.account.backup.under_way.as_ref()?;
    (scene.machine.is_backing_up() && scene.machine.is_of_backup(index)).then_some(dumping)
}

/// The list in at most `height` rows where that can be: where it cannot hold every item in full, it
/// does so with the one under the cursor alone.
pub(crate) fn list(scene: &Scene<'_>, columns: usize, height: usize) -> Sheet {
    let items = scene.machine.items();
    let signed = items.iter().filter(|item| item.signed).count();
    let title = title(scene, signed, items.len(), columns);
    let mut head = match &scene.account.earlier {
        Some(told) => {
            let told = look_first(scene, told, columns);
            vec![told, title]
        }
        None => vec![title],
    };
    let told_before = head.len() - 1;
    let height = height.saturating_sub(told_before);
    let (lines, _) = rows(scene, columns, false);
    if lines.len() < height {
        let locks = locks(scene, columns);
        let room = height - lines.len();
        if locks.len() + 1 < room {
            head.extend(locks);
        }
        if head.len() < room + told_before {
            head.push(Line::default());
        }
        return Sheet {
            head,
            lines,
            ..Sheet::default()
        };
    }
    let (lines, cursor) = rows(scene, columns, true);
    Sheet {
        head,
        lines,
        follow: Some(cursor),
        ..Sheet::default()
    }
}

/// A run before this one that is to be cleared up before anything else.
fn look_first(scene: &Scene<'_>, earlier: &EarlierTold, columns: usize) -> Line<'static> {
    let look = scene.look;
    let EarlierTold { told, item } = earlier;
    let (long, short) = match scene.machine.offer(Act::AskOutcome) {
        Offer::Open => (
            format!(": {} asks the server (item {item})", key_of("ask")),
            name_keys(": {ask} asks"),
        ),
        Offer::Refused(_) => (
            ": the server is being asked".to_owned(),
            ": asked".to_owned(),
        ),
        Offer::Absent => (format!(": see item {item}"), String::new()),
    };
    let fits = width(told) + width(&long) < columns;
    let text = look.clean(&format!(" {told}{}", if fits { long } else { short }));
    scene.band(&text, look.band_warn(), columns)
}

/// The items as rows, and the last row of the one under the cursor.
fn rows(scene: &Scene<'_>, columns: usize, close: bool) -> (Vec<Line<'static>>, usize) {
    let look = scene.look;
    let items = scene.machine.items();
    let mut lines = Vec::new();
    let mut cursor = 0;
    for (index, item) in scene.runbook.items.iter().enumerate() {
        let Some(signature) = items.get(index) else {
            continue;
        };
        let here = index == scene.cursor;
        let (standing, standing_style) = word(scene, index, signature.standing);
        let mark = if signature.signed {
            format!("{} signed", look.glyphs.signed())
        } else {
            "  open  ".to_owned()
        };
        let whole = here || !close;
        let need = need(scene, index).filter(|_| whole);
        let head = 5 + 8 + 2;
        let tail = 12;
        let room = columns.saturating_sub(head + tail);
        let title = look.clean(&item.title);
        let parts = if whole {
            wrap(&title, room.saturating_sub(1))
        } else {
            vec![title]
        };
        let mut title = parts.into_iter();
        let first = look.fit(&title.next().unwrap_or_default(), room.saturating_sub(1));
        let pointer = if here { look.glyphs.cursor() } else { " " };
        let row_style = if here { look.strong() } else { Style::new() };
        lines.push(Line::from(vec![
            format!(" {pointer} ").set_style(look.key()),
            format!("{} ", index + 1).set_style(row_style),
            mark.set_style(if signature.signed {
                look.good()
            } else {
                look.dim()
            }),
            Span::raw("  "),
            first.set_style(row_style),
            Span::raw(" "),
            standing.set_style(standing_style),
        ]));
        for part in title {
            lines.push(Line::from(vec![
                Span::raw(" ".repeat(head)),
                part.set_style(row_style),
            ]));
        }
        if let Some(need) = need {
            lines.push(Line::from(vec![
                Span::raw(" ".repeat(head)),
                look.clip(&need, columns.saturating_sub(head))
                    .set_style(look.warn()),
            ]));
        }
        if here {
            cursor = lines.len().saturating_sub(1);
        }
    }
    (lines, cursor)
}

fn title(scene: &Scene<'_>, signed: usize, all: usize, columns: usize) -> Line<'static> {
    let look = scene.look;
    let next = match scene.machine.plan().mode {
        Mode::Inspect => "read-only: nothing here can change the database",
        Mode::Rehearse => "a rehearsal needs no signatures; it always rolls back",
        Mode::Run if scene.open(Act::Apply) => "{apply} opens the transaction and runs the script",
        Mode::Run if signed == all => "every item is signed",
        Mode::Run => "{sign} signs an item on its evidence",
    };
    let next = name_keys(next);
    let head = format!(" CHECKLIST  {signed} of {all} signed");
    let gap = columns.saturating_sub(width(&head) + 2);
    Line::from(vec![
        head.set_style(look.strong()),
        format!("  {}", look.clip(&next, gap)).set_style(if scene.open(Act::Apply) {
            look.good()
        } else {
            Style::new()
        }),
    ])
}

/// How long the script held its locks the last time.
fn locks(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let expected = scene.account.expected.as_ref();
    let expected = expected.filter(|_| scene.machine.plan().mode == Mode::Run);
    expected.map_or_else(Vec::new, |expected| {
        let text = look.clean(&expected.told);
        labelled(" Locks", look.dim(), &text, Style::new(), 8, columns)
    })
}

/// What is missing before an item can be signed, beside its evidence.
fn need(scene: &Scene<'_>, index: usize) -> Option<String> {
    let signature = scene.machine.items().get(index)?;
    if signature.signed {
        let note = (scene.account.items.get(index)?.signed.as_ref()?.note).as_ref()?;
        let asked = scene.machine.plan().items.get(index)?;
        let label = if asked.words { "as typed" } else { "reference" };
        return (!asked.database_name).then(|| format!("{label}: {}", scene.look.clean(note)));
    }
    if scene.machine.plan().mode != Mode::Run {
        return None;
    }
    let to_read = signature.to_read().count();
    if to_read > 0 {
        return Some(format!(
            "{} not read yet: {} opens",
            counted(to_read, "script", "scripts"),
            key_of("detail")
        ));
    }
    let plan = scene.machine.plan().items.get(index)?;
    let findings = signature.open_findings();
    if findings > 0 {
        return Some(format!(
            "{} to acknowledge: {}",
            counted(findings, "finding", "findings"),
            key_of("acknowledge")
        ));
    }
    let keys = if index != scene.cursor {
        return None;
    } else if plan.reference && scene.machine.is_backing_up() {
        "{cancel} cancels it; nothing half is left"
    } else if scene.machine.is_backed_up(index) {
        "{sign} signs on the dump; {backup} makes another"
    } else if plan.reference {
        "{sign} asks for its reference; {backup} runs pg_dump"
    } else if plan.words {
        "{sign} asks for the words"
    } else if plan.database_name {
        "{sign} asks for the database name"
    } else {
        return None;
    };
    Some(name_keys(keys))
}

/// The finding that `f` acknowledges next, in full; or that all of them are acknowledged.
fn next_finding(
    scene: &Scene<'_>,
    index: usize,
    indent: usize,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let (needed, done) = scene.machine.items().get(index).map_or((0, 0), |item| {
        (item.findings.unwrap_or_default(), item.acknowledged)
    });
    if scene.machine.plan().mode != Mode::Run || needed == 0 {
        return Vec::new();
    }
    if done >= needed {
        let text = format!("{} acknowledged", counted(needed, "finding", "findings"));
        return labelled("", look.good(), &text, look.good(), indent, columns);
    }
    let script = &scene.runbook.script;
    // No frame waits for the linter.
    let findings = match script.is_linted() {
        true => script.findings_in_words(),
        false => &[],
    };
    let Some(finding) = findings.get(done) else {
        return Vec::new();
    };
    let text = format!(
        "acknowledges {} of {needed}, {}",
        done + 1,
        look.clean(finding)
    );
    let key = format!(" {}", key_of("acknowledge"));
    labelled(&key, look.key(), &text, look.warn(), indent, columns)
}

pub(crate) fn evidence(
    scene: &Scene<'_>,
    index: usize,
    columns: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let (Some(item), Some(signature)) = (
        scene.runbook.items.get(index),
        scene.machine.items().get(index),
    ) else {
        return Vec::new();
    };
    let inner = columns.saturating_sub(2);
    let mut lines = vec![scene.heading(
        &format!(" {} {}", index + 1, look.clean(&item.title)),
        columns.saturating_sub(1),
    )];
    let Some(evidence) = scene.account.evidence_for(index) else {
        return lines;
    };
    let (standing, style) = word(scene, index, signature.standing);
    let dump_lines = dumping(scene, index).map(Dumping::lines);
    let summary = if let Some([doing, ..]) = dump_lines.as_deref() {
        look.clean(doing)
    } else if scene.machine.is_backing_up() && scene.machine.is_of_backup(index) {
        "the folder, pg_dump and the server are looked at first".to_owned()
    } else if signature.standing == Standing::Awaited && !evidence.is_under_way() {
        "the evidence is being looked for".to_owned()
    } else {
        look.clean(&evidence.summary)
    };
    let indent = width(&standing) + 3;
    lines.extend(labelled(
        &format!(" {standing}"),
        style,
        &summary,
        look.strong(),
        indent,
        inner,
    ));
    lines.extend(next_finding(scene, index, indent, inner));
    let rest = match &dump_lines {
        Some(lines) => lines.get(1..).unwrap_or_default(),
        None => &evidence.lines,
    };
    for text in rest {
        for line in look.clean_lines(text) {
            lines.extend(
                wrap(&line, inner.saturating_sub(1))
                    .into_iter()
                    .map(|part| Line::from(format!(" {part}"))),
            );
        }
    }
    lines.extend(super::checks::rows(
        scene,
        evidence.checks.iter().map(|check| (None, check)),
        columns,
        height.saturating_sub(lines.len()),
    ));
    lines
}
