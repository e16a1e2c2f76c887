//! Only ROLLBACK is left: why, in words, with everything the server said about it.
//!
//! ```text
//!  ONLY ROLLBACK IS LEFT: a statement failed
//!
//!  Statement 7 of 36, line 120: CREATE INDEX service_ops.integration_inbox
//!  ERROR 23505
//!        could not create unique index "uq_integration_inbox_message_id"
//!        detail  Key (message_id)=(m-17) is duplicated.
//!    120 │ CREATE UNIQUE INDEX IF NOT EXISTS uq_integration_inbox_message_id
//!        │                                   ^
//!
//!  Nothing is saved. Look as long as the hold lasts; then r rolls back.
//! ```

use super::{Scene, answer, checks, differences, gate, server_error, stream};
use crate::acts::{KeyPlace, name_keys};
use crate::facts::{ServerMessage, Why};
use crate::gate::Act;
use crate::gate::phase::Phase;
use crate::tui::paint::Sheet;
use crate::tui::text::{hanging, wrap};
use ratatui::text::Line;

pub(crate) fn sheet(scene: &Scene<'_>, columns: usize) -> Sheet {
    let look = scene.look;
    let Phase::MustRollBack { why, .. } = scene.machine.phase() else {
        return Sheet::default();
    };
    let mut lines = vec![Line::default()];
    lines.extend(differences::differences(scene, columns));
    lines.extend(reason(scene, why, columns));
    lines.push(Line::default());
    lines.extend(gate::hold(scene, columns));
    lines.extend(gate::beside(
        scene,
        "Waiting",
        super::locks::waiters(scene, gate::inner(columns), 2),
    ));
    let advice = match scene.holds_locks() {
        true => {
            "Nothing is saved, and nothing can be committed any more. Look as long as the hold \
             lasts: {next pane} shows checks and statements, {messages} all messages, {script} the script."
        }
        false => {
            "Nothing is saved, and the server has let go of every lock: nobody waits while you look. \
             {next pane} shows checks and statements, {messages} all messages, {script} the script."
        }
    };
    let mut pinned = vec![Line::default()];
    for part in wrap(&name_keys(advice), columns.saturating_sub(2)) {
        pinned.push(Line::from(format!(" {part}")));
    }
    let key = |act, said: &str| gate::key(scene, (KeyPlace::Gate, act), said, true, columns);
    pinned.extend(key(Act::AskRollback, &name_keys(gate::UNDOES)));
    if scene.open(Act::Query) {
        pinned.extend(key(Act::Query, gate::ASKS));
    }
    Sheet {
        head: vec![scene.band(
            &format!(" ONLY ROLLBACK IS LEFT: {}", look.clean(&why.to_string())),
            look.band_bad(),
            columns,
        )],
        lines,
        pinned,
        follow: None,
    }
}

/// What lies behind `why`: the failing checks, the error, or one sentence.
pub(crate) fn reason(scene: &Scene<'_>, why: &Why, columns: usize) -> Vec<Line<'static>> {
    let sentence = |text: &str| -> Vec<Line<'static>> {
        wrap(text, columns.saturating_sub(2))
            .into_iter()
            .map(|part| Line::from(format!(" {part}")))
            .collect()
    };
    let keyed = |wording: &str| sentence(&name_keys(wording));
    match why {
        Why::ChecksFailed => checks::failing(scene, columns),
        Why::NothingPassed => keyed(
            "The script ran, but no row of it says PASS, so nothing shows that it did what it \
             should. {next pane} shows the statements.",
        ),
        Why::OtherTransaction => keyed(
            "The transaction that is open now is not the one that was begun: something in the \
             script ended it and began another. What the script did before that may be committed; \
             {messages} shows what the server said.",
        ),
        Why::Disturbed => match &scene.account.looked {
            Some(looked) => answer::draw_query_answer(scene, looked, columns),
            None => Vec::new(),
        },
        Why::JournalLost => {
            let what = scene.account.unrecorded.as_deref();
            sentence(&format!(
                "What happens here could no longer be recorded, so COMMIT is forbidden{}. Put that \
                 right, or choose another place for the journal, and walk again.",
                what.map_or_else(String::new, |why| format!(": {}", scene.look.clean(why)))
            ))
        }
        Why::TooManyWaiters | Why::WaitedTooLong => keyed(
            "The limit on who may wait for this transaction was reached; {locks} shows who waited.",
        ),
        Why::ForReview => keyed(
            "It was rolled back to be reviewed with nothing held. {messages} shows what the server said.",
        ),
        Why::ApprovalExpired | Why::OtherTarget => Vec::new(),
        Why::Decision | Why::Rehearsed | Why::HoldLimit | Why::Alarmed(_) => Vec::new(),
        Why::LockTimeout => blockers(scene, columns),
        Why::BeginFailed
        | Why::StatementFailed
        | Why::Cancelled
        | Why::SettleFailed
        | Why::NotSettled
        | Why::CommitRefused
        | Why::FailedWhileHeld
        | Why::SessionEnded => match scene.account.failed() {
            Some(_) if !scene.account.stopped_by().is_empty() => blockers(scene, columns),
            Some((number, error)) => failed(scene, number, error, columns),
            None => match scene.account.last_error() {
                Some(said) => server_error::error(scene, &said.message, columns),
                None => Vec::new(),
            },
        },
    }
}

/// Whom we waited for last.
pub(crate) fn blockers(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let mut lines = Vec::new();
    if let Some((number, error)) = scene.account.failed() {
        lines.extend(failed(scene, number, error, columns));
    }
    if scene.account.blockers.is_empty() {
        lines.extend(hanging(
            "Who held the lock was not seen.",
            look.dim(),
            1,
            columns,
        ));
    }
    for blocker in &scene.account.blockers {
        let text = format!("waited for {}", stream::session(scene, blocker));
        lines.extend(hanging(&text, look.bad(), 1, columns));
        if let Some(query) = &blocker.query {
            let query = look.clean_lines(query).join(" ");
            lines.extend(hanging(&query, look.dim(), 3, columns));
        }
    }
    lines
}

fn failed(
    scene: &Scene<'_>,
    number: usize,
    message: &ServerMessage,
    columns: usize,
) -> Vec<Line<'static>> {
    let look = scene.look;
    let script = &scene.runbook.script;
    let statement = script.statement(number);
    let mut lines = Vec::new();
    if let Some(statement) = statement {
        let text = format!(
            " Statement {number} of {}, line {}: {} {}",
            script.last_number(),
            statement.line,
            look.clean(&statement.kind),
            look.clean(&statement.about().unwrap_or_default())
        );
        lines.push(scene.line(look.clip(&text, columns), look.strong()));
    }
    lines.extend(server_error::error(scene, message, columns));
    if let Some((statement, position)) = statement.zip(message.position) {
        let (text, line) = (&statement.text, statement.line);
        lines.extend(server_error::caret(scene, text, line, position, columns));
    }
    lines
}
