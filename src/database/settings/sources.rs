//! The sources of settings in libpq's order: what was given, the service, the environment, the
//! default.

use super::keywords::{KEYWORDS, Values};
use super::{ConnectionOptions, SettingsError, conninfo, service, uri};

/// A connection string as libpq would take it, with nothing else added.
///
/// # Errors
/// What cannot be read in it.
pub fn parse_string(text: &str) -> Result<Values, SettingsError> {
    match uri::looks_like_one(text) {
        true => uri::parse_uri(text),
        false => conninfo::parse_conninfo(text),
    }
}

/// Every keyword that has a value, from whichever source.
///
/// # Errors
/// A string or a service that cannot be read.
pub fn resolve(
    options: &ConnectionOptions,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Values, SettingsError> {
    let mut values = given(options)?;
    // As in libpq, PGSERVICE counts only where nothing names a service, and an empty name is none.
    let service = match values.get("service") {
        Some(name) => Some(name.clone()),
        None => environment("PGSERVICE"),
    };
    if let Some(name) = service {
        service::add(&mut values, &name, environment)?;
    }
    let mut default_mode = false;
    for (keyword, variable, default) in KEYWORDS {
        if values.contains_key(keyword) {
            continue;
        }
        let set = match variable.is_empty() {
            true => None,
            false => environment(variable),
        };
        let old = || {
            (*keyword == "sslmode" && environment("PGREQUIRESSL")?.starts_with('1'))
                .then(|| "require".to_owned())
        };
        if let Some(value) = set.or_else(old) {
            values.insert(keyword, value);
        } else if !default.is_empty() {
            default_mode |= *keyword == "sslmode";
            values.insert(keyword, (*default).to_owned());
        }
    }
    // The public's authorities vouch for names, so the name must be looked at.
    if default_mode && values.get("sslrootcert").is_some_and(|v| v == "system") {
        values.insert("sslmode", "verify-full".into());
    }
    Ok(values)
}

/// What the command line says. As in psql, a connection string overrides `-h`, `-p` and `-U`, and an
/// option that is empty is not given.
fn given(options: &ConnectionOptions) -> Result<Values, SettingsError> {
    let mut values = Values::new();
    let plain = [
        ("host", &options.host),
        ("port", &options.port),
        ("user", &options.user),
    ];
    for (keyword, value) in plain {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            values.insert(keyword, value.clone());
        }
    }
    match options.database.as_deref() {
        None | Some("") => {}
        Some(text) if uri::looks_like_one(text) || text.contains('=') => {
            values.extend(parse_string(text)?);
        }
        Some(name) => {
            values.insert("dbname", name.to_owned());
        }
    }
    Ok(values)
}
