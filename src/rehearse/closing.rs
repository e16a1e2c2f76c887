//! What a rehearsal says at its end: whether the way up and the way back hold, and how long others
//! would have waited.

use crate::account::{Account, Step};
use crate::facts::{Ending, ExitCode, Millis, Why};
use crate::gate::Machine;
use crate::runbook::Runbook;
use crate::runbook::check::Tally;
use crate::runbook::printable::printable;

/// The exit code of a rehearsal, and its closing lines. A rollback that was the plan all along is
/// success: 0 when every check passed.
pub(crate) fn close_rehearsal(
    runbook: &Runbook,
    rehearsal: &Runbook,
    machine: &Machine,
    account: &Account,
    code: ExitCode,
) -> (ExitCode, Vec<String>) {
    let mut lines = window(runbook, rehearsal, account);
    let passed = matches!(
        machine.ending(),
        Some(Ending::RolledBack {
            why: Why::Rehearsed,
            ..
        })
    );
    let code = match (passed, code) {
        (true, ExitCode::RolledBack) => ExitCode::Committed,
        (_, code) => code,
    };
    lines.extend(left(rehearsal, machine));
    let tally = machine.tally();
    lines.push(match machine.ending() {
        Some(_) if passed => format!(
            "REHEARSED: up, verified and down again, {} PASS, {} WARN; the structure came back as \
             it was at the start.",
            tally.pass, tally.warn
        ),
        Some(Ending::RolledBack { why, .. }) if tally.fail > 0 => format!(
            "REHEARSAL FAILED, because {why}: {} FAIL, each named above.",
            tally.fail
        ),
        Some(Ending::RolledBack { why, .. }) => {
            format!("REHEARSAL FAILED, because {why}; it did not come to its end.")
        }
        Some(_) => "REHEARSAL FAILED: it did not come to its end.".to_owned(),
        None => "NOT REHEARSED: nothing was applied.".to_owned(),
    });
    (code, lines)
}

/// The exit code of a rehearsal of a script alone, and its closing line. That it worked, that it
/// worked and nothing was checked, that a check failed and that a statement failed are four codes.
pub(crate) fn close_script_rehearsal(
    runbook: &Runbook,
    machine: &Machine,
    code: ExitCode,
) -> (ExitCode, Vec<String>) {
    let Some(Ending::RolledBack { why, .. }) = machine.ending() else {
        return (code, vec!["NOT REHEARSED: see above.".to_owned()]);
    };
    let tally = machine.tally();
    let (code, line) = match (why, code) {
        (Why::Rehearsed | Why::NothingPassed, _) if tally == Tally::default() => (
            ExitCode::Unchecked,
            "REHEARSED: every statement worked, and there was no check, so nothing shows that it did \
             what it should. A walk asks a person for the reason before COMMIT."
                .to_owned(),
        ),
        (Why::Rehearsed, ExitCode::RolledBack) => (
            ExitCode::Committed,
            format!(
                "REHEARSED: every statement worked, {} PASS, {} WARN.",
                tally.pass, tally.warn
            ),
        ),
        (why, code) => (
            code,
            format!("REHEARSAL FAILED, because {why}: {tally}."),
        ),
    };
    (
        code,
        left(runbook, machine).into_iter().chain([line]).collect(),
    )
}

/// What may be left of a rehearsal that went to the server, in one line.
fn left(rehearsal: &Runbook, machine: &Machine) -> Option<String> {
    machine.ending()?;
    let lasting = rehearsal.script.lasting();
    let calls: Vec<&str> = lasting.iter().map(|(lasts, _)| lasts.by.as_str()).collect();
    (!calls.is_empty()).then(|| {
        format!(
            "NOT ROLLED BACK with it, as far as it ran: {}. `show` says what of it stays.",
            printable(&calls.join(", "))
        )
    })
}

/// The time in which locks were held, and the strongest that each statement took.
fn window(runbook: &Runbook, rehearsal: &Runbook, account: &Account) -> Vec<String> {
    let up_to = runbook.rehearsed_up_to(&rehearsal.script);
    let (Some(first), Some(held)) = (account.transaction.locks.first_felt(), account.held()) else {
        return Vec::new();
    };
    let (mut before, mut up): (Millis, Millis) = (0, 0);
    let mut lines = Vec::new();
    for statement in &rehearsal.script.statements {
        let Step::Done(end) = account.step_of(statement) else {
            continue;
        };
        let strongest = end.locks.iter().filter(|lock| lock.mode.is_felt());
        let strongest = strongest.max_by_key(|lock| lock.mode);
        if statement.number < first {
            before += end.duration;
        } else if statement.number <= up_to {
            up += end.duration;
        }
        if let Some(lock) = strongest {
            lines.push(format!(
                "  {:>3} {}: {} on {}, {}; {} ms",
                statement.number,
                printable(&statement.kind),
                lock.mode.name(),
                printable(&lock.relation),
                lock.mode.blocks(),
                end.duration
            ));
        }
    }
    let mut told = vec![format!(
        "Lock window: about {} ms from the first lock that others feel (statement {first}) until \
         ROLLBACK was answered. The statements of the way up took {up} ms of it; a real run adds \
         the time of the decision.",
        held.saturating_sub(before)
    )];
    told.push("Strongest new lock of each statement:".to_owned());
    told.append(&mut lines);
    told
}
