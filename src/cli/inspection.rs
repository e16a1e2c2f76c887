//! The commands that only look: `verify` and `inspect`.
//!
//! Both work on connections that the server keeps read-only, and neither writes a file.

use super::arguments::{Connection, Format, Given, LookArguments};
use super::failure::Failure;
use super::finding::{appearance, charset_of, connect_to, is_dumb, load};
use super::printing::print;
use super::questions::{attended, seat_at_desk};
use super::runtime::start_runtime;
use crate::facts::ExitCode;
use crate::inspect::screen::InspectScreen;
use crate::inspect::watch::{WatchWires, watch};
use crate::inspect::{looking, telling};
use crate::journal;
use crate::runbook::printable::printable;
use crate::tui::input;
use crate::tui::terminal::{Terminal, takes_texts};
use crate::walk::signals;
use crate::walk::watchdog::Watchdog;
use color_eyre::eyre::WrapErr;
use serde_json::json;
use std::io::IsTerminal;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;

/// `stagegate verify`: every check once; 0 when all pass, 4 on FAIL, 6 without a connection,
/// 8 where something got no answer, 9 where nothing failed and something is not applied.
pub(super) fn verify(
    given: &Given,
    connection: &Connection,
    format: Format,
) -> Result<ExitCode, Failure> {
    let runbook = load(given, charset_of(connection)?)?;
    let settings = connect_to(connection, &runbook)?;
    let looked = start_runtime()?.block_on(attended(&settings, async |settings| {
        looking::once(&runbook, &settings).await
    }));
    let sight = match looked? {
        Ok(sight) => sight,
        Err(why) => {
            let why = looking::words(&why);
            if format == Format::Json {
                let told = json!({
                    "runbook": runbook.title,
                    "script": runbook.script.name,
                    "error": why,
                    "passes": false,
                });
                print(&telling::escaped(&format!("{told:#}\n")))?;
            }
            eprintln!(
                "stagegate: NOT CONNECTED, so nothing was checked and nothing changed: {}",
                printable(&why)
            );
            return Ok(ExitCode::NoConnection);
        }
    };
    print(&match format {
        Format::Text => telling::tell_inspection(&runbook, &sight),
        Format::Json => telling::json(&runbook, &sight),
    })?;
    Ok(match telling::result_of(&sight) {
        telling::Result::Passes => ExitCode::Committed,
        telling::Result::Fails => ExitCode::RolledBackOnFail,
        telling::Result::NoAnswer => ExitCode::NoAnswer,
        telling::Result::NotApplied => ExitCode::NotApplied,
    })
}

/// `stagegate inspect`: on a full screen; without one it is what `verify` prints.
pub(super) fn inspect(
    given: &Given,
    connection: &Connection,
    look: &LookArguments,
) -> Result<ExitCode, Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if look.plain || is_dumb() || !terminal {
        return verify(given, connection, Format::Text);
    }
    let runbook = load(given, charset_of(connection)?)?;
    let mut settings = connect_to(connection, &runbook)?;
    let questions = seat_at_desk(&mut settings)?;
    let runtime = start_runtime()?;
    let code = runtime.block_on(async {
        let (alarms, alarmed) = unbounded_channel();
        let watchdog = Watchdog::start().wrap_err("the program's own tasks cannot be started")?;
        signals::listen(&alarms, &watchdog).wrap_err("signals cannot be listened to")?;
        let journals = journal::folder(|name| std::env::var(name).ok());
        let shown = journals.as_ref().map(|folder| folder.display().to_string());
        let mut screen = InspectScreen::new(Arc::clone(&runbook), appearance(look), shown);
        screen.set_clipboard(takes_texts(&std::env::var("TERM").unwrap_or_default()));
        let mut terminal =
            Terminal::enter(!look.no_mouse).wrap_err("the screen cannot be set up")?;
        let (keys, input) = unbounded_channel();
        let _reader = input::spawn(move |input| keys.send(input).is_ok())
            .wrap_err("the keyboard cannot be read")?;
        let wires = WatchWires {
            alarms: alarmed,
            questions,
            input,
        };
        let watching = watch(
            runbook,
            settings,
            journals,
            &mut screen,
            &mut terminal,
            wires,
        );
        let code = watching.await;
        terminal.leave(watchdog.let_close());
        Ok::<_, Failure>(code)
    });
    // A thread that still waits for a key must not keep the program from leaving.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    code
}
