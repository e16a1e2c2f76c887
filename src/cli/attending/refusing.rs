//! What cannot be run, rehearsed or decided as it was asked for: said before anything is connected to.

use super::Whose;
use crate::cli::arguments::Holding;
use crate::cli::failure::Failure;
use crate::gate::Mode;
use crate::runbook::Runbook;
use crate::runbook::lasting::Lasting;
use crate::runbook::printable::printable;
use color_eyre::eyre::eyre;

/// Whether it can be run at all, before anything is connected to.
pub(in crate::cli) fn may_be_run(runbook: &Runbook, holding: &Holding) -> Result<(), Failure> {
    if let Some(objection) = holding.objection() {
        return Err(Failure::usage(eyre!("{objection}")));
    }
    let refused = refusals_in(runbook);
    if !refused.is_empty() {
        for refusal in &refused {
            eprintln!("{refusal}");
        }
        let what = match runbook.script.refusals.is_empty() {
            false => "the script",
            true => "a file of checks",
        };
        return Err(Failure::usage(eyre!(
            "{what} cannot be run; nothing was sent to any server. stagegate show lists all of it"
        )));
    }
    Ok(())
}

/// What is refused in a runbook's files, each with its place.
pub(super) fn refusals_in(runbook: &Runbook) -> Vec<String> {
    runbook
        .refusals()
        .map(|(script, refusal)| {
            let file = script.sources.get(refusal.source);
            let file = file.map_or(script.name.as_str(), |source| source.name.as_str());
            let (line, column) = (refusal.line, refusal.column);
            format!(
                "{}:{line}:{column}: {}",
                printable(file),
                printable(&refusal.reason)
            )
        })
        .collect()
}

/// Whether a rehearsal, which nobody signs, would leave nothing behind; what is not known to is told.
pub(super) fn may_be_rehearsed(
    runbook: &Runbook,
    whose: &Whose<'_>,
    holding: &Holding,
) -> Result<(), Failure> {
    let script = &runbook.script;
    let on_a_copy = matches!(whose, Whose::Nobodys(_, Some(_)));
    let stays = |lasts: &Lasting| {
        // A throw-away copy takes what it was done to with it.
        lasts.is_known() && (!on_a_copy || lasts.beyond.leaves_the_server())
    };
    let (known, unknown): (Vec<_>, Vec<_>) = (script.lasting().into_iter())
        .filter(|(lasts, _)| !on_a_copy || !lasts.is_known() || stays(lasts))
        .partition(|(lasts, _)| stays(lasts));
    for (lasts, lines) in known.iter().chain(&unknown) {
        eprintln!("{}: {}", named(lines), printable(&lasts.message()));
    }
    if !known.is_empty() && !holding.limits.leave_traces {
        return Err(Failure::usage(eyre!(
            "ROLLBACK would not take back all that {} does (above); nothing was sent to any server. \
             Add --leave-traces to rehearse it all the same",
            printable(&script.name)
        )));
    }
    Ok(())
}

/// Lines of a script, in words.
fn named(lines: &[usize]) -> String {
    let shown: Vec<String> = lines.iter().take(12).map(ToString::to_string).collect();
    let more = match lines.len().saturating_sub(12) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    format!("{noun} {}{more}", shown.join(", "))
}

pub(super) fn may_be_decided(
    runbook: &Runbook,
    mode: Mode,
    holding: &Holding,
) -> Result<(), Failure> {
    match holding.objection_to(runbook) {
        Some(objection) if mode == Mode::Run => {
            Err(Failure::usage(eyre!("{}", printable(&objection))))
        }
        Some(_) | None => Ok(()),
    }
}
