//! A pass that was rolled back, reviewed with nothing held; and what a second pass differs in.
//!
//! ```text
//!  REVIEW  Nothing is held, nothing is saved. Take your time.
//!
//!  Target    wiser_ops on db1:5432 as migrator
//!  Script    24 of 24 statements succeeded, transaction id 748, rolled back
//!  Checks    8 PASS, 0 WARN, 0 FAIL
//!  Was held  0:02 from BEGIN to ROLLBACK
//!  Approve   within 29:10 (--approval-limit)
//!  Numbers   of 1 statement MAY DIFFER in the second pass; 2 statements showed rows or numbers
//!            statement 7: UPDATE 1200  MAY DIFFER
//!            statement 9: DELETE 3
//!
//!  c  COMMIT    runs it a second time; what comes out as shown is committed
//!  v  numbers   lets them differ; on a statement (Tab): its own
//!  r  end       ends this run, rolled back; asks for y
//!  :  query     asks what there is now, read-only
//! ```

use super::{Scene, gate, locks};
use crate::acts::{KeyPlace, key_of, name_keys};
use crate::gate::Act;
use crate::gate::approval::Basis;
use crate::gate::pass::{Allowance, CameOut, Structure};
use crate::gate::phase::{Phase, Prompt};
use crate::tui::paint::Sheet;
use crate::tui::text::{clock, countdown, counted, took};
use ratatui::style::{Style, Styled};
use ratatui::text::Line;

/// How many statements with a count are named.
const MOST_COUNTS: usize = 6;

/// What is said where it cannot be approved any more.
const TOO_OLD: &str = "NOT ANY MORE: what is shown here is too old (--approval-limit)";

/// What a box that asks for something on the way to COMMIT says, once its answer leads nowhere: the box
/// stands on the line that says it.
pub(crate) fn too_late(scene: &Scene<'_>) -> Option<String> {
    let reviewed = matches!(scene.machine.phase(), Phase::Reviewing { .. });
    let late = reviewed && scene.machine.approvable_for() == Some(0);
    let back = "Whatever is typed commits nothing; {back} goes back.";
    late.then(|| format!("{TOO_OLD}. {}", name_keys(back)))
}

pub(crate) fn sheet(scene: &Scene<'_>, columns: usize) -> Sheet {
    let said = "  Nothing is held, nothing is saved. Take your time.";
    let (facts, keys) = (facts(scene, columns), keys(scene, columns));
    gate::lay_out_decision(scene, columns, (" REVIEW", said), facts, keys)
}

fn facts(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = gate::told(scene, ", rolled back", columns);
    if let Some(held) = scene.account.held() {
        let text = format!("{} from BEGIN to ROLLBACK", clock(held));
        lines.extend(gate::fact(scene, "Was held", &text, Style::new(), columns));
    }
    lines.extend(gate::beside(
        scene,
        "Locked",
        locks::by_strength(scene, gate::inner(columns), true),
    ));
    let (text, style) = match scene.machine.approvable_for() {
        _ if scene.machine.why_not_comparable().is_some() => (
            name_keys(
                "NOT POSSIBLE: no second pass can be held against this one; {rollback}, then --decide held",
            ),
            look.bad(),
        ),
        None | Some(0) => (TOO_OLD.to_owned(), look.bad()),
        Some(left) => (
            format!("within {} (--approval-limit)", countdown(left)),
            Style::new(),
        ),
    };
    lines.extend(gate::fact(scene, "Approve", &text, style, columns));
    if let Some(basis) = scene.machine.basis() {
        let (text, style) = match (scene.machine.why_not_comparable(), &basis.shown().structure) {
            (Some(why), _) => (look.clean(&why), look.warn()),
            (None, structure) => {
                let all = match structure {
                    Structure::Known(all) => all.len(),
                    Structure::Unknown(_) => 0,
                };
                let text = format!(
                    "{}, taken down in {} of that",
                    counted(all, "object or property", "objects and properties"),
                    took(scene.account.taken_down.unwrap_or_default()),
                );
                (text, Style::new())
            }
        };
        lines.extend(gate::fact(scene, "Structure", &text, style, columns));
        lines.extend(numbers(scene, basis, columns));
    }
    lines
}

/// Of which statements the numbers may differ in the second pass.
fn numbers(scene: &Scene<'_>, basis: &Basis, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let all: Vec<&CameOut> = basis.shown().numbered().collect();
    let showed = format!(
        "{} showed rows or numbers",
        counted(all.len(), "statement", "statements")
    );
    let (text, style) = match basis.allowance() {
        Allowance::Nothing => (
            format!("must be the same in the second pass; {showed}"),
            Style::new(),
        ),
        Allowance::Of(some) => {
            let of = counted(some.len(), "statement", "statements");
            let text = format!("of {of} MAY DIFFER in the second pass; {showed}");
            (text, look.warn())
        }
        Allowance::Everything => (
            format!("MAY DIFFER in the second pass; {showed}"),
            look.warn(),
        ),
    };
    let mut lines = gate::fact(scene, "Numbers", &text, style, columns);
    for one in all.iter().take(MOST_COUNTS) {
        let mut text = format!("statement {}: {}", one.number, look.clean(&one.tag));
        let mut style = look.dim();
        if scene.may_differ(one.number) {
            text.push_str("  MAY DIFFER");
            style = look.warn();
        }
        lines.extend(gate::fact(scene, "", &text, style, columns));
    }
    if all.len() > MOST_COUNTS {
        let more = all.len() - MOST_COUNTS;
        let text = format!("and {more} more; {} shows them", key_of("next pane"));
        lines.extend(gate::fact(scene, "", &text, look.dim(), columns));
    }
    lines
}

fn keys(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let armed = scene.open(Act::AskCommit);
    let state = match scene.machine.phase() {
        Phase::Reviewing {
            prompt: Prompt::Closed,
            ..
        } if armed => " ARMED".set_style(look.good()),
        Phase::Reviewing {
            prompt: Prompt::Closed,
            ..
        } => " NOT ARMED: look, then press".set_style(look.warn()),
        _ => " Waiting for your answer".set_style(look.warn()),
    };
    let numbers = match scene.machine.allowance() {
        Allowance::Nothing => "lets numbers differ, never from or to 0; on a statement its own",
        Allowance::Of(_) | Allowance::Everything => {
            "all must be the same again; on a statement its own"
        }
    };
    let commit = "runs it again; what comes out as shown is committed by itself";
    let end = name_keys("ends this run, rolled back; asks for {yes}");
    let query = "asks what there is now, read-only";
    let mut lines = vec![Line::default(), Line::from(state)];
    for (act, said, open) in [
        (Act::AskCommit, commit, armed),
        (Act::AllowNumbers, numbers, scene.open(Act::AllowNumbers)),
        (Act::AskRollback, &end, true),
        (Act::Query, query, scene.open(Act::Query)),
    ] {
        let there = (KeyPlace::Review, act);
        lines.extend(gate::key(scene, there, said, open, columns));
    }
    lines
}
