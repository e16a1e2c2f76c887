//! While something is under way that no key hurries: connecting, COMMIT, ROLLBACK, asking.
//!
//! It says what is waited for and what it will prove.

use super::{Scene, must_roll_back};
use crate::acts::{key_of, name_keys};
use crate::facts::{Millis, Proof};
use crate::gate::phase::Phase;
use crate::tui::paint::Sheet;
use crate::tui::text::{countdown, wrap};
use ratatui::style::{Style, Styled};
use ratatui::text::{Line, Span};

/// What COMMIT is seen to wait for, and what can be done about it.
fn waits(scene: &Scene<'_>) -> Vec<String> {
    let Some(wait) = &scene.account.commit_wait else {
        return Vec::new();
    };
    let told = wait
        .told_with(&key_of("cancel"), &key_of("quit"))
        .into_iter();
    told.map(|sentence| scene.look.clean(&sentence)).collect()
}

pub(crate) fn sheet(scene: &Scene<'_>, columns: usize) -> Sheet {
    let look = scene.look;
    let (word, style, sentences) = say_what_is_under_way(scene);
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

/// In a word, how it is painted, and in sentences.
fn say_what_is_under_way(scene: &Scene<'_>) -> (&'static str, Style, Vec<String>) {
    let look = scene.look;
    match scene.machine.phase() {
        Phase::Connecting => ("CONNECTING", look.strong(), connecting(scene)),
        Phase::Committing { .. } => ("COMMIT IS UNDER WAY", look.warn(), committing(scene)),
        Phase::RollingBack { after, busy, .. } => (
            "ROLLBACK IS UNDER WAY",
            look.warn(),
            rolling_back(&look.clean(&after.why().to_string()), *busy),
        ),
        Phase::Inquiring {
            commit_sent,
            still_open,
            ..
        } => {
            let mut sentences = inquiring(scene, *commit_sent);
            if still_open.is_some() {
                sentences.extend(STILL_OPEN.map(name_keys));
            }
            ("WHICH WAY DID IT GO?", look.bad(), sentences)
        }
        Phase::TakingDown { .. } => {
            let follows = match scene.machine.approval() {
                Some(_) => "If all of it is as approved, COMMIT follows by itself.",
                None => "ROLLBACK follows by itself. Then nothing is held any more.",
            };
            let sentences = [
                "Inside the transaction, of what the script touched, so that one pass can be held against \
                 the other. The locks are held meanwhile, for 5 s at most.",
                follows,
                "{cancel} stops it; {cancel} again rolls back.",
            ];
            (
                "THE STRUCTURE IS TAKEN DOWN",
                look.warn(),
                sentences.map(name_keys).to_vec(),
            )
        }
        Phase::Returning { .. } => {
            let sentences = [
                "A session of its own is opened for it, and what it reaches is held against what was \
                 approved.",
                "Then BEGIN, the same script, the same checks. If all of it comes out as approved, \
                 COMMIT follows by itself; if not, it is yours to decide.",
                "{cancel} goes back to the review; nothing is approved then.",
            ];
            (
                "APPROVED: THE SECOND PASS BEGINS",
                look.strong(),
                sentences.map(name_keys).to_vec(),
            )
        }
        Phase::Waiting { left, proof, .. } => (
            "BLOCKED, TRYING AGAIN",
            look.warn(),
            waiting(scene, *left, proof),
        ),
        _ => ("", Style::new(), Vec::new()),
    }
}

fn connecting(scene: &Scene<'_>) -> Vec<String> {
    let mut sentences = vec!["The session is being opened. Nothing has been changed.".to_owned()];
    let last = scene.account.messages.last().map(|(_, said)| said);
    sentences.extend(last.filter(|said| said.message.is_not_ready()).map(|said| {
        let hint = said.message.hint.as_deref().unwrap_or_default();
        scene
            .look
            .clean(&format!("{}: {hint}.", said.message.message))
    }));
    sentences
}

fn committing(scene: &Scene<'_>) -> Vec<String> {
    let mut sentences = waits(scene);
    sentences
        .push("The server's answer is awaited. A key cannot take it back any more.".to_owned());
    sentences.push(format!(
        "It counts as committed when the server answers COMMIT and is idle afterwards, or \
         pg_xact_status('{}') says committed.",
        scene.xid()
    ));
    sentences
}

fn rolling_back(why: &str, busy: bool) -> Vec<String> {
    let mut sentences = vec![format!("Because {why}.")];
    if busy {
        sentences.push(
            "A statement may still be running; it is being cancelled, and ROLLBACK follows it."
                .to_owned(),
        );
    }
    sentences.push(
        "If no answer comes the link is closed, and the server rolls back by itself.".to_owned(),
    );
    sentences
}

/// What is said more where the server still has the lost session's transaction open.
const STILL_OPEN: [&str; 2] = [
    "It answers: in progress. Our old session has not noticed the loss yet and still holds its locks; \
     it is asked again after a while.",
    "{end-backend} ends that old session on the server at once, then asks again.",
];

fn inquiring(scene: &Scene<'_>, commit_sent: bool) -> Vec<String> {
    let lost = if scene.machine.is_strayed() {
        "The script ended the transaction itself, in spite of all that is done against it: nothing of \
         it is held any more, and it may be committed."
            .to_owned()
    } else if scene.account.closed_by_us() {
        let what = match commit_sent {
            true => "COMMIT may have been sent",
            false => "COMMIT was never sent, so nothing can have been committed",
        };
        format!("No proof came over the link, so this program closed it. {what}.")
    } else if commit_sent {
        "The link was lost after COMMIT may have been sent.".to_owned()
    } else {
        "The link was lost. COMMIT was never sent, so nothing can have been committed.".to_owned()
    };
    let asks = format!(
        "A new connection asks the same server: pg_xact_status('{}').",
        scene.xid()
    );
    vec![lost, asks]
}

fn waiting(scene: &Scene<'_>, left: Millis, proof: &Proof) -> Vec<String> {
    let (attempt, attempts) = (scene.machine.attempt(), scene.machine.plan().lock_attempts);
    vec![
        format!(
            "Attempt {attempt} of {attempts} did not get a lock in time. All of it was rolled back, so \
             no session waits for it meanwhile: {}.",
            scene.look.clean(&proof.to_string())
        ),
        format!(
            "The next attempt starts by itself in {}. {} stops it.",
            countdown(left),
            key_of("cancel")
        ),
    ]
}
