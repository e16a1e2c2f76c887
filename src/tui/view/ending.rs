//! How it ended, how that is known, what changed, what to do next.
//!
//! ```text
//!
//!  C O M M I T T E D
//!
//!  Proof     The server answered COMMIT and pg_xact_status('748') says committed.
//!  Target    wiser_ops on db1:5432 as migrator
//!  Held      0:34 from BEGIN to the end
//!  Changed   24 statements …
//!  After     3 PASS, 0 WARN, 0 FAIL
//!  Journal   …
//!  Next      …
//! ```

use super::{Scene, differences, gate, must_roll_back, server_error};
use crate::account::Step;
use crate::acts::{Front, key_of, name_keys, word_for};
use crate::facts::{Ending, Inquiry, LOOK_YOURSELF, Proof, Why, XactStatus, how_to_end};
use crate::gate::phase::Phase;
use crate::gate::plan::Mode;
use crate::runbook::check::{Tally, Verdict};
use crate::runbook::printable::capital;
use crate::tui::paint::Sheet;
use crate::tui::text::clock;
use ratatui::style::Style;
use ratatui::text::Line;
use std::collections::BTreeMap;

pub(crate) fn sheet(scene: &Scene<'_>, columns: usize) -> Sheet {
    let look = scene.look;
    let Phase::Ended(ending) = scene.machine.phase() else {
        return Sheet::default();
    };
    let style = match ending {
        Ending::Committed { .. } => look.band_good(),
        Ending::RolledBack { .. } => look.band_warn(),
        Ending::Prepared { .. } | Ending::Unknown { .. } | Ending::NotConnected => look.band_bad(),
    };
    let spaced: Vec<String> = ending.word().chars().map(String::from).collect();
    let word = format!("   {}", spaced.join(" "));
    let mut lines = vec![
        scene.band("", style, columns),
        scene.band(&word, style, columns),
        scene.band("", style, columns),
        Line::default(),
    ];
    lines.extend(match ending {
        Ending::NotConnected => not_connected(scene, columns),
        Ending::Committed { proof, post } => committed(scene, proof, post.as_ref(), columns),
        Ending::RolledBack { why, proof } => rolled_back(scene, why, proof, columns),
        Ending::Prepared { gid, server } => prepared(scene, gid, server, columns),
        Ending::Unknown { reason } => unknown(scene, reason, columns),
    });
    Sheet::of(lines)
}

fn committed(
    scene: &Scene<'_>,
    proof: &Proof,
    post: Option<&Tally>,
    columns: usize,
) -> Vec<Line<'static>> {
    let proof = proved(scene, proof, "committed");
    let mut lines = fact(scene, "Proof", &proof, columns);
    lines.extend(common(scene, columns));
    lines.extend(fact(scene, "Changed", &changed(scene), columns));
    let (after, style) = checked_after(scene, post);
    lines.extend(gate::fact(scene, "After", &after, style, columns));
    lines.extend(journal(scene, columns));
    let next = match post {
        Some(tally) if !tally.passes() => {
            "Look into the checks that fail: the change is live. The rollback scripts are under {script}."
        }
        Some(_) | None => {
            "It is done. stagegate report writes it down for the ticket, stagegate rollback is the way \
             back; {quit} leaves."
        }
    };
    lines.extend(fact(scene, "Next", &name_keys(next), columns));
    lines
}

fn checked_after(scene: &Scene<'_>, post: Option<&Tally>) -> (String, Style) {
    let look = scene.look;
    match post {
        Some(tally) => (
            format!(
                "{} PASS, {} WARN, {} FAIL in the post-verification; {} shows it",
                tally.pass,
                tally.warn,
                tally.fail,
                key_of("next pane")
            ),
            match tally.passes() {
                true => look.good(),
                false => look.bad(),
            },
        ),
        None if scene.machine.plan().post_verification => (
            name_keys(
                "The post-verification could not be run; {messages} shows why. What is committed stays \
                 committed.",
            ),
            look.warn(),
        ),
        None => (
            "This runbook has no post-verification.".to_owned(),
            Style::new(),
        ),
    }
}

fn rolled_back(scene: &Scene<'_>, why: &Why, proof: &Proof, columns: usize) -> Vec<Line<'static>> {
    let because = because(scene, why);
    let strong = scene.look.strong();
    let mut lines = gate::fact(scene, "Because", &because, strong, columns);
    lines.extend(fact(
        scene,
        "Proof",
        &proved(scene, proof, "aborted"),
        columns,
    ));
    lines.extend(common(scene, columns));
    let stays = scene.account.outliving(&scene.runbook.script);
    let (changed, locks) = match (stays.is_empty(), proof.says_gone()) {
        (true, true) => (
            "Nothing. The database is as it was before BEGIN",
            "no lock is held",
        ),
        (true, false) => ("Nothing", OLD_SESSION),
        (false, true) => ("No row and no object", "no lock of the transaction is held"),
        (false, false) => ("No row and no object", OLD_SESSION),
    };
    let mut changed = format!("{changed}; {locks}.");
    if !stays.is_empty() {
        let stays = stays.join(", ");
        changed.push_str(&format!(
            " What ROLLBACK does not take back stays: {stays}."
        ));
    }
    lines.extend(fact(scene, "Changed", &changed, columns));
    lines.extend(journal(scene, columns));
    let next = next_after_rollback(scene.machine.plan().mode, why);
    lines.extend(fact(scene, "Next", &next, columns));
    for more in [
        differences::differences(scene, columns),
        must_roll_back::reason(scene, why, columns),
    ] {
        if !more.is_empty() {
            lines.push(Line::default());
            lines.extend(more);
        }
    }
    lines
}

/// Of locks, where the server could not be asked.
const OLD_SESSION: &str = "whether the old session still holds its locks is not known: the server ends \
    it when it notices that the link is gone";

fn next_after_rollback(mode: Mode, why: &Why) -> String {
    let back = name_keys("{again} goes back to the checklist");
    let [extend, quit] = ["extend", "quit"].map(key_of);
    match (mode, why) {
        (Mode::Rehearse, _) => format!("That was the rehearsal. {back}, {quit} leaves."),
        (_, Why::Decision) => format!("{back}, {quit} leaves."),
        (_, Why::ApprovalExpired) => format!(
            "Walk again and review what comes out then; --approval-limit sets how long that counts. \
             {back}, {quit} leaves."
        ),
        (_, Why::HoldLimit) => format!(
            "No decision came in time; {extend} extends a hold, --hold-limit sets it. {back}, {quit} leaves."
        ),
        (_, Why::LockTimeout) => {
            format!("End what held the lock, or wait for it; then {back}. {quit} leaves.")
        }
        (_, Why::TooManyWaiters | Why::WaitedTooLong) => {
            format!("Choose a quieter moment, then {back}. {quit} leaves.")
        }
        (_, Why::JournalLost) => {
            format!("Put right what became of the journal, then {back}. {quit} leaves.")
        }
        _ => format!("Put right what failed, then {back}. {quit} leaves."),
    }
}

fn prepared(scene: &Scene<'_>, gid: &str, server: &str, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let because = format!(
        "The transaction was prepared for a two-phase COMMIT, as '{}'. Whoever said so, it was not the \
         gate.",
        look.clean(gid)
    );
    let mut lines = gate::fact(scene, "Because", &because, look.strong(), columns);
    lines.extend(fact(scene, "Proof", &look.clean(server), columns));
    lines.extend(common(scene, columns));
    let held = "No session runs it, and no restart ends it: every lock stays until somebody does.";
    lines.extend(fact(scene, "Held", held, columns));
    lines.extend(journal(scene, columns));
    lines.extend(fact(scene, "Next", &look.clean(&how_to_end(gid)), columns));
    lines
}

fn fact(scene: &Scene<'_>, label: &str, text: &str, columns: usize) -> Vec<Line<'static>> {
    gate::fact(scene, label, text, Style::new(), columns)
}

/// Why it was rolled back, with the error or the failing checks in short.
fn because(scene: &Scene<'_>, why: &Why) -> String {
    let look = scene.look;
    let mut text = capital(&look.clean(&why.to_string()));
    match why {
        Why::StatementFailed | Why::LockTimeout | Why::Cancelled => {
            if let Some((number, error)) = scene.account.failed() {
                let line = scene
                    .runbook
                    .script
                    .statement(number)
                    .map_or(0, |statement| statement.line);
                text.push_str(&format!(
                    ": statement {number}, line {line}: {}",
                    look.clean_lines(&error.message).join(" ")
                ));
            }
        }
        Why::ChecksFailed => {
            let failing: Vec<String> = scene
                .account
                .checks_by_verdict()
                .into_iter()
                .filter(|(_, check)| check.verdict == Verdict::Fail)
                .map(|(_, check)| look.clean_lines(&check.name).join(" "))
                .collect();
            text.push_str(&format!(": {}", failing.join("; ")));
        }
        _ => {}
    }
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

fn common(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(held) = scene.account.held() {
        let text = format!("{} from BEGIN to the end", clock(held));
        lines.extend(fact(scene, "Held", &text, columns));
    }
    lines
}

fn journal(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    match (scene.journal, &scene.account.unrecorded) {
        // A name under which the run is not to be found would send people there in vain.
        (_, Some(why)) => {
            let text = format!("LOST: {}", scene.look.clean(why));
            fact(scene, "Journal", &text, columns)
        }
        (Some(path), None) => fact(scene, "Journal", &scene.look.clean(path), columns),
        (None, None) => Vec::new(),
    }
}

/// `24 statements: 11 CREATE INDEX, 3 ALTER TABLE, …`, without those that only read.
fn changed(scene: &Scene<'_>) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for statement in &scene.runbook.script.statements {
        let done = matches!(scene.account.step_of(statement), Step::Done(_));
        if done && !statement.only_looks() {
            *kinds.entry(&statement.kind).or_default() += 1;
        }
    }
    if kinds.is_empty() {
        return "No statement of the script changes anything.".to_owned();
    }
    let mut kinds: Vec<(&str, usize)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let list: Vec<String> = kinds
        .into_iter()
        .map(|(kind, number)| format!("{number} {}", scene.look.clean(kind)))
        .collect();
    list.join(", ")
}

/// How an outcome is known, in a sentence.
fn proved(scene: &Scene<'_>, proof: &Proof, word: &str) -> String {
    let look = scene.look;
    let xid = scene.xid();
    match proof {
        Proof::Tag { tag, xact_status } => {
            let tag = look.clean(tag);
            match xact_status {
                Some(status) => format!(
                    "The server answered {tag}; pg_xact_status('{xid}') says {}.",
                    status_word(*status)
                ),
                None => format!(
                    "The server answered {tag} and was idle afterwards (transaction id {xid})."
                ),
            }
        }
        Proof::Local {
            warning,
            xact_status,
        } => {
            let status = match xact_status {
                Some(status) => format!("; pg_xact_status('{xid}') says {}", status_word(*status)),
                None => String::new(),
            };
            format!(
                "The server answered COMMIT{status}. Committed on this server, NOT KNOWN TO BE \
                 REPLICATED: {}.",
                look.clean_lines(warning).join(" ")
            )
        }
        Proof::Refused => format!(
            "The server answered COMMIT with an error, and pg_xact_status('{xid}') says aborted."
        ),
        Proof::Asked { server } => format!(
            "The link was lost. Asked on a new connection, pg_xact_status('{xid}') says {word} ({}).",
            look.clean(server)
        ),
        Proof::NeverSent { reason } => format!(
            "COMMIT was never sent, so nothing can have been committed. The server could not be \
             asked: {}.",
            inquiry(scene, reason)
        ),
        Proof::NeverBegun => {
            "The transaction was never begun, so there was nothing to commit.".to_owned()
        }
    }
}

fn status_word(status: XactStatus) -> &'static str {
    match status {
        XactStatus::Committed => "committed",
        XactStatus::Aborted => "aborted",
        XactStatus::InProgress => "in progress",
    }
}

/// Why the server could not say, in words.
fn inquiry(scene: &Scene<'_>, reason: &Inquiry) -> String {
    let look = scene.look;
    let joined = |text: &str| look.clean_lines(text).join(" ");
    match reason {
        Inquiry::Answered { status, server } => {
            format!("{} says {}", joined(server), status_word(*status))
        }
        Inquiry::Prepared { gid, server } => {
            format!("{} has it prepared as '{}'", joined(server), joined(gid))
        }
        Inquiry::OtherServer(text) => format!(
            "another server answers, or one promoted since, and its word does not count: {}",
            joined(text)
        ),
        Inquiry::Unknowable(text) => {
            format!(
                "the server does not know the transaction any more: {}",
                joined(text)
            )
        }
        Inquiry::Unreachable(text) => format!("no server answers: {}", joined(text)),
        Inquiry::Contradicted(text) => format!("one contradicts the other: {}", joined(text)),
    }
}

fn unknown(scene: &Scene<'_>, reason: &Inquiry, columns: usize) -> Vec<Line<'static>> {
    let look = scene.look;
    let xid = scene.xid();
    let mut lines = gate::fact(
        scene,
        "Because",
        match (reason, scene.machine.is_strayed()) {
            (Inquiry::Contradicted(_), _) => {
                "What the server says cannot be true together. It may be committed, or not."
            }
            (_, true) => "The script ended the transaction itself. It may be committed, or not.",
            (_, false) => {
                "COMMIT may have been sent, and no answer proves it. It may be committed, or not."
            }
        },
        look.strong(),
        columns,
    );
    let why = capital(&format!("{}.", inquiry(scene, reason)));
    lines.extend(fact(scene, "Proof", &format!("None. {why}"), columns));
    lines.extend(common(scene, columns));
    lines.extend(journal(scene, columns));
    if matches!(reason, Inquiry::Contradicted(_)) {
        let next = format!("Do not run the script again yet. {LOOK_YOURSELF}");
        lines.extend(fact(scene, "Next", &next, columns));
        return lines;
    }
    lines.extend(fact(
        scene,
        "Next",
        &name_keys(
            "Do not run the script again yet. {ask} asks once more. Later, on that same server:",
        ),
        columns,
    ));
    lines.extend(gate::fact(
        scene,
        "",
        &format!("SELECT pg_xact_status('{xid}'::xid8);"),
        look.strong(),
        columns,
    ));
    lines.extend(fact(
        scene,
        "",
        "committed: it is done. aborted: nothing was changed. in progress: the old session still \
         holds its locks.",
        columns,
    ));
    lines
}

fn not_connected(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let mut lines = fact(
        scene,
        "Changed",
        "Nothing. No transaction was opened.",
        columns,
    );
    lines.push(Line::default());
    let said = scene.account.last_error();
    if let Some(said) = said {
        lines.extend(server_error::error(scene, &said.message, columns));
        lines.push(Line::default());
    }
    let code = said.and_then(|said| said.message.sqlstate.as_deref());
    let advice = match code {
        Some("28P01" | "28000") => {
            "Check the role (-U), the password (PGPASSWORD) and what pg_hba.conf lets in."
        }
        Some("3D000") => "Check the database name (-d); psql -l lists those there are.",
        Some("53300") => "Every connection slot is taken: wait, or ask who holds them.",
        Some("57P03") => "The server is starting up or shutting down: wait.",
        _ => {
            "Check host (-h), port (-p), database (-d) and role (-U): psql with the same options \
             must get in."
        }
    };
    let advice = word_for(Front::Keys, "{} {again} tries again.", advice);
    lines.extend(fact(scene, "Try", &advice, columns));
    lines
}
