//! While something is under way that no key hurries: connecting, COMMIT, ROLLBACK, asking.
//!
//! It says what is waited for and what it will prove.

use super::ending::capital;
use super::{Scene, Sheet, must_roll_back};
use crate::gate::phase::Phase;
use crate::tui::text::{countdown, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// What COMMIT is seen to wait for, and what can be done about it.
fn waits(scene: &Scene<'_>) -> Vec<String> {
    let Some(wait) = &scene.account.commit_wait else {
        return Vec::new();
    };
    let look = scene.look;
    let mut sentences = Vec::new();
    if wait.is_replication() {
        sentences.push(format!(
            "It waits for synchronous standbys (synchronous_standby_names = {}). The transaction is \
             committed on this server already; others see it when the wait ends.",
            look.clean(&wait.standbys)
        ));
        sentences.push(
            "x ends the wait: it then is COMMITTED here, and not known to be replicated."
                .to_owned(),
        );
    } else {
        sentences.push(format!("{}.", look.clean(&capital(&wait.to_string()))));
        sentences.push("x sends a cancel request.".to_owned());
    }
    sentences.push("q, and q again, leaves with UNKNOWN.".to_owned());
    sentences
}

pub(crate) fn sheet(scene: &Scene<'_>, columns: usize) -> Sheet {
    let look = scene.look;
    let xid = look.clean(scene.account.xid.as_deref().unwrap_or("unknown"));
    let (word, style, sentences): (&str, Style, Vec<String>) = match scene.machine.phase() {
        Phase::Connecting => (
            "CONNECTING",
            look.strong(),
            std::iter::once("The session is being opened. Nothing has been changed.".to_owned())
                .chain(scene.account.messages.last().filter(|said| said.message.is_not_ready()).map(|said| {
                    let hint = said.message.hint.as_deref().unwrap_or_default();
                    look.clean(&format!("{}: {hint}.", said.message.message))
                }))
                .collect(),
        ),
        Phase::Committing => (
            "COMMIT IS UNDER WAY",
            look.warn(),
            waits(scene).into_iter().chain([
                "The server's answer is awaited. A key cannot take it back any more.".to_owned(),
                format!(
                    "It counts as committed when the server answers COMMIT and is idle afterwards, \
                     or pg_xact_status('{xid}') says committed."
                ),
            ]).collect(),
        ),
        Phase::RollingBack { why, busy, .. } => {
            let mut sentences = vec![format!("Because {}.", look.clean(&why.to_string()))];
            if *busy {
                sentences.push(
                    "A statement may still be running; it is being cancelled, and ROLLBACK follows it."
                        .to_owned(),
                );
            }
            sentences.push(
                "If no answer comes the link is closed, and the server rolls back by itself."
                    .to_owned(),
            );
            ("ROLLBACK IS UNDER WAY", look.warn(), sentences)
        }
        Phase::Inquiring {
            commit_sent,
            still_open,
            ..
        } => {
            let mut sentences = vec![if scene.machine.is_strayed() {
                "The script ended the transaction itself, in spite of all that is done against it: \
                 nothing of it is held any more, and it may be committed."
                    .to_owned()
            } else if scene.account.closed_by_us() {
                let what = match commit_sent {
                    true => "COMMIT may have been sent",
                    false => "COMMIT was never sent, so nothing can have been committed",
                };
                format!("No proof came over the link, so this program closed it. {what}.")
            } else if *commit_sent {
                "The link was lost after COMMIT may have been sent.".to_owned()
            } else {
                "The link was lost. COMMIT was never sent, so nothing can have been committed."
                    .to_owned()
            }];
            sentences.push(format!(
                "A new connection asks the same server: pg_xact_status('{xid}')."
            ));
            if still_open.is_some() {
                sentences.push(
                    "It answers: in progress. Our old session has not noticed the loss yet and \
                     still holds its locks; it is asked again after a while."
                        .to_owned(),
                );
                sentences.push(
                    "e ends that old session on the server at once, then asks again.".to_owned(),
                );
            }
            ("WHICH WAY DID IT GO?", look.bad(), sentences)
        }
        Phase::TakingDown { .. } => (
            "THE STRUCTURE IS TAKEN DOWN",
            look.warn(),
            vec![
                "Inside the transaction, of what the script touched, so that one pass can be held against \
                 the other. The locks are held meanwhile, for 5 s at most."
                    .to_owned(),
                match scene.machine.approval() {
                    Some(_) => "If all of it is as approved, COMMIT follows by itself.",
                    None => "ROLLBACK follows by itself. Then nothing is held any more.",
                }
                .to_owned(),
                "x stops it; x again rolls back.".to_owned(),
            ],
        ),
        Phase::Returning => (
            "APPROVED: THE SECOND PASS BEGINS",
            look.strong(),
            vec![
                "A session of its own is opened for it, and what it reaches is held against what was \
                 approved."
                    .to_owned(),
                "Then BEGIN, the same script, the same checks. If all of it comes out as approved, \
                 COMMIT follows by itself; if not, it is yours to decide."
                    .to_owned(),
                "x goes back to the review; nothing is approved then.".to_owned(),
            ],
        ),
        Phase::Waiting { left, proof } => {
            let (attempt, attempts) = (scene.machine.attempt(), scene.machine.plan().lock_attempts);
            let sentences = vec![
                format!(
                    "Attempt {attempt} of {attempts} did not get a lock in time. All of it was rolled \
                     back, so nobody waits for us meanwhile: {}.",
                    look.clean(&proof.to_string())
                ),
                format!(
                    "The next attempt starts by itself in {}. x stops it.",
                    countdown(*left)
                ),
            ];
            ("BLOCKED, TRYING AGAIN", look.warn(), sentences)
        }
        _ => ("", Style::new(), Vec::new()),
    };
    let mut lines = vec![
        Line::from(vec![
            format!(" {} ", look.glyphs.spinner(scene.account.now)).set_style(look.key()),
            word.set_style(style),
        ]),
        Line::default(),
    ];
    for sentence in sentences {
        lines.extend(
            wrap(&sentence, columns.saturating_sub(4))
                .into_iter()
                .map(|part| Line::from(vec![Span::raw("   "), Span::raw(part)])),
        );
    }
    if matches!(scene.machine.phase(), Phase::Waiting { .. }) {
        lines.push(Line::default());
        lines.extend(must_roll_back::blockers(scene, columns));
    }
    Sheet::of(lines)
}
