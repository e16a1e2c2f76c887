//! What a command works with: its runbook, its settings and how it looks, found the way psql finds them.
//!
//! Whatever is wrong with the first two is a usage error, and nothing was sent to a server.

use super::arguments::{Connection, Given, LookArguments};
use super::failure::Failure;
use crate::database::settings::{self, ConnectionOptions, Settings};
use crate::runbook::Runbook;
use crate::runbook::encoding::Charset;
use crate::runbook::printable::printable;
use crate::runbook::variables::Variables;
use crate::tui::theme::Appearance;
use color_eyre::eyre::eyre;
use std::sync::Arc;

pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a runbook whose files of SQL are in that encoding where they do not say otherwise, all of it.
pub(super) fn load(given: &Given, charset: Charset) -> Result<Arc<Runbook>, Failure> {
    let runbook = load_unlinted(given, charset)?;
    runbook.read_through();
    Ok(runbook)
}

/// Reads it as far as it has to be known before a walk begins: what is refused, and what is sent.
pub(super) fn load_unlinted(given: &Given, charset: Charset) -> Result<Arc<Runbook>, Failure> {
    let variables = Variables::given(&given.variables)
        .map_err(|why| Failure::unread(eyre!("{why}")))?
        .in_encoding(charset);
    let runbook =
        Runbook::load_with(given.runbook.as_deref(), &variables).map_err(Failure::unread)?;
    Ok(Arc::new(runbook))
}

/// Whether the terminal can show lines and nothing else.
pub(super) fn is_dumb() -> bool {
    env("TERM").as_deref() == Some("dumb")
}

/// What scripts are written in, as psql would be told it.
pub(super) fn charset_of(connection: &Connection) -> Result<Charset, Failure> {
    settings::find_charset(&connection.options()).map_err(Failure::usage)
}

/// Settings the way psql finds them; the runbook's database stands in where none is named.
pub(super) fn connect_to(connection: &Connection, runbook: &Runbook) -> Result<Settings, Failure> {
    let mut settings = settings_of(ConnectionOptions {
        usual_database: runbook.expected_database.clone(),
        ..connection.options()
    })?;
    // What the files say goes before what was said of them. Where they are not at one the connection
    // item says so, if the database is one for which that counts.
    if let Ok(Some(charset)) = runbook.letters_in() {
        settings.charset = charset;
    }
    Ok(settings)
}

/// Settings from the command line and the environment.
pub(super) fn settings(connection: &Connection) -> Result<Settings, Failure> {
    settings_of(connection.options())
}

fn settings_of(options: ConnectionOptions) -> Result<Settings, Failure> {
    let settings = Settings::from_process(&options).map_err(Failure::usage)?;
    if let Some(objection) = super::secrecy::misread(&settings) {
        return Err(Failure::usage(eyre!("{objection}")));
    }
    for warning in &settings.warnings {
        eprintln!("WARNING: {}", printable(warning));
    }
    Ok(settings)
}

/// Flag before environment before terminal.
pub(super) fn appearance(look: &LookArguments) -> Appearance {
    Appearance::detect(
        |name| match name {
            "NO_COLOR" if look.no_color => Some("1".into()),
            "LC_ALL" if look.ascii => Some("C".into()),
            _ => env(name),
        },
        true,
    )
    .on(look.theme, env)
}
