//! What the header's band says while a transaction is open, or may be.

use super::LAST_MINUTE;
use crate::facts::{Ending, Inquiry, Millis, Why};
use crate::gate::phase::Phase;
use crate::gate::plan;
use crate::tui::text::{clock, countdown, counted};
use crate::tui::view::Scene;
use ratatui::style::Style;

/// What is left of the hold, while its end would still roll back by itself.
pub(crate) fn hold_left(scene: &Scene<'_>) -> Option<Millis> {
    match scene.machine.phase() {
        Phase::Applying { .. }
        | Phase::Verifying { .. }
        | Phase::TakingDown { .. }
        | Phase::Deciding { .. }
        | Phase::Querying { .. } => scene.machine.hold_left(),
        Phase::MustRollBack { .. } => (scene.machine.hold_left()).filter(|_| scene.holds_locks()),
        Phase::Connecting
        | Phase::Checklist { .. }
        | Phase::Beginning { .. }
        | Phase::Reviewing { .. }
        | Phase::Returning { .. }
        | Phase::Committing { .. }
        | Phase::RollingBack { .. }
        | Phase::Inquiring { .. }
        | Phase::Waiting { .. }
        | Phase::PostVerifying { .. }
        | Phase::Ended(_)
        | Phase::Left(_) => None,
    }
}

/// What the band says: its words, the most important first, and its style. Told `briefly`, how long it is
/// held leaves its room to when that ends.
pub(crate) fn words(scene: &Scene<'_>, briefly: bool) -> Option<(Vec<String>, Style)> {
    let look = scene.look;
    let cancelled = scene.machine.cancelled_for().map(cancelled_for);
    let cancelled = cancelled.map(str::to_owned);
    let (mut words, mut style) = match say_phase(scene)? {
        BandWords::Alone(mut words, style) => {
            words.splice(1..1, cancelled);
            return Some((words, style));
        }
        BandWords::WithHold(words, style) => (words, style),
    };
    words.extend(cancelled);
    if scene.machine.approval().is_some() {
        words.push("SECOND PASS".to_owned());
    }
    if let Some(held) = scene.account.held().filter(|_| !briefly) {
        words.push(format!("held {}", clock(held)));
    }
    if let Some(left) = hold_left(scene) {
        words.push(format!("rolls back by itself in {}", countdown(left)));
        if left <= LAST_MINUTE {
            style = look.band_bad();
        }
    }
    let sight = scene.account.sight.as_ref();
    match sight.map_or(0, |sight| sight.waiters.len()) {
        0 => {}
        1 => words.push("1 session waits for us".to_owned()),
        waiters => words.push(format!(
            "{} wait for us",
            counted(waiters, "session", "sessions")
        )),
    }
    Some((words, style))
}

/// What the band says of a phase: all of it, or what stands before the hold's clocks and waiters.
enum BandWords {
    Alone(Vec<String>, Style),
    WithHold(Vec<String>, Style),
}

impl BandWords {
    fn alone<const N: usize>(style: Style, words: [&str; N]) -> BandWords {
        BandWords::Alone(words.map(str::to_owned).to_vec(), style)
    }

    fn with_hold<const N: usize>(style: Style, words: [&str; N]) -> BandWords {
        BandWords::WithHold(words.map(str::to_owned).to_vec(), style)
    }
}

fn say_phase(scene: &Scene<'_>) -> Option<BandWords> {
    const OPEN: &str = "TRANSACTION OPEN";
    const ONLY_ROLLBACK: &str = "ONLY ROLLBACK";
    let look = scene.look;
    let (good, warn, bad) = (look.band_good(), look.band_warn(), look.band_bad());
    Some(match scene.machine.phase() {
        Phase::Connecting
        | Phase::Checklist { .. }
        | Phase::Left(_)
        | Phase::Ended(Ending::NotConnected | Ending::Committed { .. }) => return None,
        Phase::Ended(Ending::RolledBack { proof, .. }) => match proof.says_gone() {
            true => return None,
            false => BandWords::alone(
                bad,
                ["COMMIT WAS NEVER SENT", "its locks may still be held"],
            ),
        },
        Phase::Waiting { left, .. } => BandWords::alone(
            warn,
            ["NO TRANSACTION IS OPEN", &waits_for_attempt(scene, *left)],
        ),
        Phase::Reviewing { .. } => BandWords::Alone(say_review(scene), good),
        Phase::Returning { .. } => {
            BandWords::alone(warn, ["NO TRANSACTION IS OPEN", "the second pass begins"])
        }
        Phase::Beginning { .. } => BandWords::with_hold(warn, ["TRANSACTION OPENING"]),
        Phase::Applying(_) | Phase::Verifying(_) | Phase::TakingDown(_) => {
            match scene.machine.phase().cancelling() {
                None => BandWords::with_hold(warn, [OPEN]),
                Some(since) => BandWords::with_hold(warn, [OPEN, cancelled_for(since)]),
            }
        }
        Phase::Deciding { .. } => BandWords::with_hold(warn, [OPEN]),
        Phase::MustRollBack { .. } => match scene.holds_locks() {
            true => BandWords::with_hold(bad, [OPEN, ONLY_ROLLBACK]),
            false => BandWords::alone(
                bad,
                [
                    "TRANSACTION FAILED",
                    ONLY_ROLLBACK,
                    "no lock is held any more",
                ],
            ),
        },
        Phase::Querying {
            why, cancelling, ..
        } => {
            let runs = cancelling.map_or("A QUERY RUNS", cancelled_for);
            match why {
                Some(_) => BandWords::with_hold(bad, [OPEN, ONLY_ROLLBACK, runs]),
                None => BandWords::with_hold(warn, [OPEN, runs]),
            }
        }
        Phase::Committing { .. } => BandWords::with_hold(warn, [OPEN, "COMMIT is under way"]),
        Phase::RollingBack { .. } => {
            let open = match scene.holds_locks() {
                true => OPEN,
                false => "TRANSACTION FAILED",
            };
            BandWords::with_hold(warn, [open, "ROLLBACK is under way"])
        }
        Phase::Inquiring { onward, .. } => match onward.why() {
            Why::OtherTransaction => {
                BandWords::with_hold(bad, ["TRANSACTION GONE", "it may be committed"])
            }
            _ => BandWords::with_hold(bad, ["LINK LOST", "the transaction may still be open"]),
        },
        Phase::PostVerifying { .. } => {
            BandWords::alone(good, ["COMMITTED", "no transaction is open"])
        }
        Phase::Ended(Ending::Prepared { .. }) => BandWords::alone(
            bad,
            [
                "PREPARED TRANSACTION",
                "its locks are held until somebody ends it",
            ],
        ),
        Phase::Ended(Ending::Unknown { reason }) => {
            BandWords::alone(bad, ["OUTCOME UNKNOWN", say_unknown(reason)])
        }
    })
}

/// Where the server contradicts itself, one of its words is that the transaction has ended.
fn say_unknown(reason: &Inquiry) -> &'static str {
    match reason {
        Inquiry::Contradicted(_) => "what the server says contradicts itself",
        Inquiry::Answered { .. }
        | Inquiry::Prepared { .. }
        | Inquiry::OtherServer(_)
        | Inquiry::Unknowable(_)
        | Inquiry::Unreachable(_) => "the transaction may still be open",
    }
}

fn waits_for_attempt(scene: &Scene<'_>, left: Millis) -> String {
    format!(
        "attempt {} of {} did not get its lock, the next starts in {}",
        scene.machine.attempt(),
        scene.machine.plan().lock_attempts,
        clock(left)
    )
}

fn say_review(scene: &Scene<'_>) -> Vec<String> {
    let approvable = match scene.machine.approvable_for() {
        None | Some(0) => "too old to be approved".to_owned(),
        Some(left) => format!("can be approved for {}", countdown(left)),
    };
    let mut words = vec!["NOTHING IS HELD, NOTHING IS SAVED".to_owned(), approvable];
    if scene.machine.asks_outside() && scene.machine.cancelled_for().is_none() {
        words.push("A QUERY RUNS".to_owned());
    }
    words
}

fn cancelled_for(since: Millis) -> &'static str {
    match since < plan::CANCEL_PATIENCE {
        true => "CANCELLING",
        false => "CANCEL HAS NO EFFECT",
    }
}
