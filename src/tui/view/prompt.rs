//! What is asked of a person: the name for COMMIT, y for ROLLBACK, a reference, a folder, a query.
//!
//! ```text
//! ╭ COMMIT ───────────────────────────────────────────────────────────╮
//! │ This makes the work of 16 statements permanent, all at once, in   │
//! │   database  wiser_ops                                             │
//! │   host      db1:5432                                              │
//! │   role      migrator                                              │
//! │ Type the name of the database, then Enter. Esc goes back.         │
//! │ > wiser_█                                                         │
//! ╰───────────────────────────────────────────────────────────────────╯
//! ```

use super::{Scene, review};
use crate::acts::{Does, KeyPlace, at, name_keys};
use crate::asking::{Challenge, SecretKind};
use crate::gate::Act;
use crate::gate::pass::Allowance;
use crate::gate::phase::Phase;
use crate::tui::Appearance;
use crate::tui::field::TextField;
use crate::tui::paint::draw_box;
use crate::tui::text::{counted, width, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// The lines inside the box for COMMIT.
pub(crate) fn name(scene: &Scene<'_>, typed: &TextField, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let review = matches!(scene.machine.phase(), Phase::Reviewing { .. });
    let work = counted(scene.sent(), "statement", "statements");
    let mut lines = match review {
        // What it would do is not told beside that it does nothing any more.
        _ if review::too_late(scene).is_some() => Vec::new(),
        false => vec![Line::from(format!(
            "This makes {} permanent, all at once, in",
            scene.work()
        ))],
        true => sentences(
            &format!(
                "This runs the {work} a second time and commits by itself what comes out as shown{}, in",
                match scene.machine.allowance() {
                    Allowance::Nothing => "",
                    Allowance::Of(_) => ", the numbers that may differ aside",
                    Allowance::Everything => ", numbers aside",
                }
            ),
            columns,
        ),
    };
    if let Some(target) = &scene.account.target {
        if let Some(known) = target.named(&scene.runbook.targets) {
            lines.push(named(scene, "target", &look.clean(&known.name), columns));
        }
        for (label, value) in [
            ("database", look.clean(&target.database)),
            ("host", scene.host(target)),
            ("role", look.clean(&target.role)),
        ] {
            lines.push(named(scene, label, &value, columns));
        }
    }
    let consent = scene.machine.consent();
    for (label, value) in [
        ("because", &consent.reason),
        ("second", &consent.second_signer),
    ] {
        if let Some(value) = value {
            lines.push(Line::from(vec![
                format!("  {label:<10}").set_style(look.dim()),
                look.clip(&look.clean(value), columns.saturating_sub(12))
                    .set_style(look.strong()),
            ]));
        }
    }
    let asks = format!(
        "Type the name of the {}; {}",
        scene.machine.name_is_of(),
        name_keys(match review {
            false => "{next} sends COMMIT, {back} goes back.",
            true => "{next} begins the second pass, {back} goes back.",
        })
    );
    lines.extend(on_the_way_to_commit(scene, &asks, columns));
    lines.push(field(scene, typed, columns));
    lines
}

/// What a box asks for on the way to COMMIT, or that it is too late for it.
fn on_the_way_to_commit(scene: &Scene<'_>, asks: &str, columns: usize) -> Vec<Line<'static>> {
    match review::too_late(scene) {
        None => sentences(asks, columns),
        Some(late) => wrap(&late, columns)
            .into_iter()
            .map(|part| scene.line(part, scene.look.bad()))
            .collect(),
    }
}

/// The lines inside the box for the reason why a script without checks is committed.
pub(crate) fn reason(scene: &Scene<'_>, typed: &TextField, columns: usize) -> Vec<Line<'static>> {
    let mut lines = on_the_way_to_commit(
        scene,
        &name_keys(
            "No statement of this script returned a check, so nothing says whether it did what it \
             should. Why is it right to COMMIT? The answer is recorded. {next} goes on to the name of \
             the database, {back} back to the gate.",
        ),
        columns,
    );
    lines.push(field(scene, typed, columns));
    lines
}

/// The lines inside the box for the second signer.
pub(crate) fn second_signer(
    scene: &Scene<'_>,
    typed: &TextField,
    columns: usize,
) -> Vec<Line<'static>> {
    let first = scene
        .machine
        .plan()
        .second_signer
        .as_ref()
        .and_then(|first| first.0.as_ref())
        .map_or_else(
            || "who began this run".to_owned(),
            |name| scene.look.clean(name),
        );
    let mut lines = on_the_way_to_commit(
        scene,
        &format!(
            "This run needs two people. Somebody other than {first} looks at the checks and types \
             their own name; it is recorded with the COMMIT. {}",
            name_keys("{next} goes on, {back} back to the gate.")
        ),
        columns,
    );
    lines.push(field(scene, typed, columns));
    lines
}

/// The lines inside the box for the database's name on an item of the checklist.
pub(crate) fn database_name(
    scene: &Scene<'_>,
    typed: &TextField,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = sentences("Is this the server that you mean?", columns);
    // The box stands on the evidence, so it says itself what is signed for.
    if let Some(target) = &scene.account.target {
        if let Some(known) = target.named(&scene.runbook.targets) {
            lines.push(named(scene, "target", &look.clean(&known.name), columns));
        }
        lines.push(named(scene, "host", &scene.host(target), columns));
        lines.push(named(scene, "role", &look.clean(&target.role), columns));
    }
    lines.extend(sentences(
        &format!(
            "Type the name of the {}; {}",
            scene.machine.name_is_of(),
            name_keys(SIGNS)
        ),
        columns,
    ));
    lines.push(field(scene, typed, columns));
    lines
}

/// The lines inside the box for ROLLBACK.
pub(crate) fn roll_back(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = sentences(
        "This undoes everything the script did; the database is as it was before.",
        columns,
    );
    lines.push(answers(look, None));
    lines
}

/// The keys that answer whether to roll back, with their words; yes may have another one here.
fn answers(look: Appearance, yes: Option<&str>) -> Line<'static> {
    let mut spans = Vec::new();
    for binding in at(KeyPlace::Question) {
        let word = match binding.does {
            Does::Gate(Act::ConfirmRollback) => yes.unwrap_or(binding.label),
            _ => binding.label,
        };
        for (nth, key) in binding.each_key().enumerate() {
            if nth > 0 {
                spans.push(Span::raw(" or "));
            }
            spans.push(key.set_style(look.key()));
        }
        spans.push(Span::raw(format!(" {word:<18}")));
    }
    Line::from(spans)
}

/// The lines inside the box for the end of a review.
pub(crate) fn end_review(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = sentences(
        "Nothing is held and nothing was saved. What was kept for the review is forgotten.",
        columns,
    );
    lines.push(answers(look, Some("yes, end it")));
    lines
}

/// What becomes of what is typed for an item, in the wording of [`name_keys`].
const SIGNS: &str = "{done} signs, {close} leaves it unsigned.";

/// The lines inside the box for an item's reference.
pub(crate) fn reference(
    scene: &Scene<'_>,
    item: usize,
    typed: &TextField,
    columns: usize,
) -> Vec<Line<'static>> {
    let item = scene.runbook.items.get(item);
    let title = scene.look.clean(item.map_or("", |item| &item.title));
    let title = scene.look.clip(&title, columns.saturating_sub(6));
    let asks = match item.and_then(|item| item.asks.as_deref()) {
        Some(question) => scene.look.clean(question),
        None => format!("{title}: where can others find it?"),
    };
    let mut lines = sentences(
        &format!(
            "{asks} The answer is recorded with your signature. {}",
            name_keys(SIGNS)
        ),
        columns,
    );
    lines.push(field(scene, typed, columns));
    lines
}

/// The lines inside the box for a query, of which `most` are its own.
pub(crate) fn query(
    scene: &Scene<'_>,
    typed: &TextField,
    columns: usize,
    most: usize,
) -> Vec<Line<'static>> {
    let mut lines = sentences(
        "SELECT, VALUES, WITH, TABLE, SHOW, EXPLAIN, \\d NAME or \\dt, read-only by the server. What a \
         function does outside of the transaction stays done.",
        columns,
    );
    lines.extend(fields(scene, typed, columns, most));
    lines
}

/// A text of several lines with the cursor in it: at most so many, those around the cursor. An arrow says
/// that there are more.
fn fields(scene: &Scene<'_>, typed: &TextField, columns: usize, most: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let (before, behind) = typed.halves();
    let (above, before) = match before.rsplit_once('\n') {
        Some((above, before)) => (above.split('\n').collect(), before),
        None => (Vec::new(), before),
    };
    let (behind, below) = match behind.split_once('\n') {
        Some((behind, below)) => (behind, below.split('\n').collect()),
        None => (behind, Vec::new()),
    };
    let all = above.len() + 1 + below.len();
    let most = most.max(1).min(all);
    // The cursor's line stands last, unless what is below it needs less room than there is.
    let from = (above.len() + 1).saturating_sub(most);
    let (down, up) = look.glyphs.more();
    let other = |text: &&str| {
        let shown = look.clip(&look.clean(text), columns.saturating_sub(2));
        Line::from(vec![
            "  ".set_style(look.key()),
            shown.set_style(look.strong()),
        ])
    };
    let mut lines: Vec<Line<'static>> = above.iter().map(other).collect();
    lines.push(part(scene, before, behind, columns, "  "));
    lines.extend(below.iter().map(other));
    let mut shown: Vec<Line<'static>> = lines.drain(from..from + most).collect();
    let signs = [(0, from > 0, up), (most - 1, from + most < all, down)];
    for (row, more, sign) in signs {
        let sign = match (more, from + row) {
            (true, _) => sign,
            (false, 0) => ">",
            (false, _) => continue,
        };
        if let Some(begin) = shown.get_mut(row).and_then(|line| line.spans.first_mut()) {
            *begin = format!("{sign} ").set_style(look.key());
        }
    }
    shown
}

/// The lines inside the box for the folder of a backup.
pub(crate) fn folder(scene: &Scene<'_>, typed: &TextField, columns: usize) -> Vec<Line<'static>> {
    let mut lines = sentences(
        &name_keys(
            "pg_dump writes the whole database into a new file in this folder. {done} starts it, {empty} \
             empties the line, {close} goes back.",
        ),
        columns,
    );
    lines.push(field(scene, typed, columns));
    lines
}

/// Said where nothing of it was typed yet, in the wording of [`name_keys`].
pub(crate) const NOTHING_TYPED: &str = "Nothing was typed yet; {close} leaves without connecting.";

/// What is asked for on the way in, in one sentence.
pub(crate) fn asked(question: &Challenge) -> String {
    let what = match question.wanted {
        SecretKind::Password => "password",
        SecretKind::Passphrase => "pass phrase",
    };
    format!(
        "Type the {what} for {}, then {}",
        question.place,
        name_keys("{connect}; {close} leaves.")
    )
}

/// The whole box for a password or a passphrase: nothing of it is shown, not even its length.
pub(crate) fn secret(
    scene: &Scene<'_>,
    question: &Challenge,
    typed: &TextField,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let inner = columns.saturating_sub(4);
    let (title, why) = match question.wanted {
        SecretKind::Password => (
            "PASSWORD",
            "A password is needed to connect. It is kept in memory until the end of this run, for this \
             server alone, and written nowhere.",
        ),
        SecretKind::Passphrase => (
            "PASS PHRASE",
            "The key of the certificate that shows who you are is encrypted. Its pass phrase is kept in \
             memory until the end of this run, and written nowhere.",
        ),
    };
    let mut inside: Vec<Line<'static>> = wrap(&look.clean(&question.place), inner)
        .into_iter()
        .map(|part| scene.line(part, look.strong()))
        .collect();
    if let Some(wrong) = &question.wrong {
        let wrong = wrap(&look.clean(wrong), inner);
        inside.extend(wrong.into_iter().map(|part| scene.line(part, look.bad())));
    }
    inside.extend(sentences(why, inner));
    inside.extend(sentences(
        &name_keys("Type it, then {connect}; {close} leaves without connecting."),
        inner,
    ));
    inside.push(Line::from(vec![
        "> ".set_style(look.key()),
        match typed.is_empty() {
            true => Span::raw(""),
            false => "(typed, not shown) ".set_style(look.dim()),
        },
        look.glyphs.caret().set_style(look.key()),
    ]));
    boxed(scene, title, look.key(), inside, columns)
}

/// A thing by its name; of a long one the end is kept.
fn named(scene: &Scene<'_>, label: &str, value: &str, columns: usize) -> Line<'static> {
    let look = scene.look;
    Line::from(vec![
        format!("  {label:<10}").set_style(look.dim()),
        look.clip_left(value, columns.saturating_sub(12))
            .set_style(look.strong()),
    ])
}

fn sentences(text: &str, columns: usize) -> Vec<Line<'static>> {
    wrap(text, columns).into_iter().map(Line::from).collect()
}

/// Typed text with the cursor in it; of a long text the part around the cursor is shown.
pub(crate) fn field(scene: &Scene<'_>, typed: &TextField, columns: usize) -> Line<'static> {
    let look = scene.look;
    if typed.is_spoiled() {
        let why = name_keys("Emptied: keys came all at once. {erase}, then type it anew.");
        return Line::from(vec![
            "> ".set_style(look.key()),
            look.clip(&why, columns.saturating_sub(2))
                .set_style(look.warn()),
        ]);
    }
    let (before, behind) = typed.halves();
    part(scene, before, behind, columns, "> ")
}

/// A line with the cursor between what is before it and what is behind it.
fn part(
    scene: &Scene<'_>,
    before: &str,
    behind: &str,
    columns: usize,
    begin: &'static str,
) -> Line<'static> {
    let look = scene.look;
    let room = columns.saturating_sub(3);
    let (before, behind) = (look.clean(before), look.clean(behind));
    let mut letters = behind.chars();
    let under = letters.next();
    // A third of the room for what is behind the cursor, as far as there is anything.
    let ahead = width(letters.as_str()).min(room / 3);
    let shown = look.clip_left(&before, room.saturating_sub(ahead));
    let rest = room.saturating_sub(width(&shown));
    let mut spans = vec![begin.set_style(look.key()), shown.set_style(look.strong())];
    match under {
        None => spans.push(look.glyphs.caret().set_style(look.key())),
        Some(under) => {
            spans.push(under.to_string().set_style(look.here()));
            spans.push(look.clip(letters.as_str(), rest).set_style(look.strong()));
        }
    }
    Line::from(spans)
}

pub(crate) fn draw_find(buffer: &mut Buffer, body: Rect, scene: &Scene<'_>, typed: &TextField) {
    let columns = usize::from(body.width.saturating_sub(2).min(86));
    let inside = vec![field(scene, typed, columns.saturating_sub(4))];
    let lines = boxed(scene, "FIND", scene.look.key(), inside, columns);
    draw_box(buffer, body, &lines);
}

/// `inside` in a box of `columns` columns with `title` in its upper edge.
pub(crate) fn boxed(
    scene: &Scene<'_>,
    title: &str,
    style: Style,
    inside: Vec<Line<'static>>,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let [top_left, top_right, bottom_left, bottom_right] = look.glyphs.corners();
    let rule = look.glyphs.rule();
    let inner = columns.saturating_sub(4);
    let title = look.clip(title, inner);
    let rest = columns.saturating_sub(width(&title) + 4);
    let mut lines = vec![Line::from(vec![
        top_left.set_style(style),
        format!(" {title} ").set_style(style),
        rule.repeat(rest).set_style(style),
        top_right.set_style(style),
    ])];
    for line in inside {
        let gap = inner.saturating_sub(line.width());
        let mut spans = vec![look.glyphs.upright().set_style(style), Span::raw(" ")];
        spans.extend(line.spans);
        spans.push(Span::raw(" ".repeat(gap + 1)));
        spans.push(look.glyphs.upright().set_style(style));
        lines.push(Line::from(spans));
    }
    lines.push(Line::from(vec![
        bottom_left.set_style(style),
        rule.repeat(columns.saturating_sub(2)).set_style(style),
        bottom_right.set_style(style),
    ]));
    lines
}
