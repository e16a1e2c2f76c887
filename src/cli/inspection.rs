//! The commands that only look: `verify` and `inspect`.
//!
//! Both work on connections that the server keeps read-only, and neither writes a file.

use super::arguments::{Connection, Format, Look};
use super::commands::{Failure, appearance, connect_to, load, print};
use crate::gate::ExitCode;
use crate::inspect::{looking, telling};
use crate::runbook::printable::printable;
use color_eyre::eyre::WrapErr;
use serde_json::json;
use std::path::Path;

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .wrap_err("the program's own tasks cannot be started")?)
}

/// `stagegate verify`: every check once; 0 when all pass, 4 on FAIL, 6 without a connection.
pub(super) fn verify(
    runbook: Option<&Path>,
    connection: &Connection,
    format: Format,
) -> Result<ExitCode, Failure> {
    let runbook = load(runbook)?;
    let settings = connect_to(connection, &runbook)?;
    let looked = runtime()?.block_on(looking::once(&runbook, &settings));
    let sight = match looked {
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
        Format::Text => telling::text(&runbook, &sight),
        Format::Json => telling::json(&runbook, &sight),
    })?;
    Ok(if telling::passes(&sight) {
        ExitCode::Committed
    } else {
        ExitCode::RolledBackOnFail
    })
}

/// `stagegate inspect`: on a full screen; by lines it is what `verify` prints.
pub(super) fn inspect(
    runbook: Option<&Path>,
    connection: &Connection,
    look: &Look,
) -> Result<ExitCode, Failure> {
    let _ = appearance(look);
    verify(runbook, connection, Format::Text)
}
