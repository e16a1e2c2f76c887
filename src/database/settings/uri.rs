//! `postgresql://` URIs, after libpq's `conninfo_uri_parse_options`.

use super::SettingsError;
use super::keywords::{Values, put};

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Whether libpq would take it for a URI.
pub(super) fn looks_like_one(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Reads a URI. Errors never repeat it whole, because it may hold a password.
pub(super) fn parse_uri(text: &str) -> Result<Values, SettingsError> {
    let mut rest = SCHEMES
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    let mut values = Values::new();
    // Credentials only where an `@` comes before the first slash.
    let at = rest.find(['@', '/']).unwrap_or(rest.len());
    if rest[at..].starts_with('@') {
        let (credentials, after) = rest.split_at(at);
        rest = &after[1..];
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, password),
            None => (credentials, ""),
        };
        store(&mut values, "user", user)?;
        store(&mut values, "password", password)?;
    }
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    loop {
        let (host, after) = host(rest)?;
        rest = after;
        let mut port = "";
        if let Some(after) = rest.strip_prefix(':') {
            let end = after.find(['/', '?', ',']).unwrap_or(after.len());
            (port, rest) = after.split_at(end);
        }
        hosts.push(host);
        ports.push(port);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
    }
    store(&mut values, "host", &hosts.join(","))?;
    store(&mut values, "port", &ports.join(","))?;
    if let Some(after) = rest.strip_prefix('/') {
        let end = after.find('?').unwrap_or(after.len());
        let (database, after) = after.split_at(end);
        store(&mut values, "dbname", database)?;
        rest = after;
    }
    let mut parameters = rest.strip_prefix('?').unwrap_or_default();
    // An `&` may end the list; an empty parameter before another one is an error.
    while !parameters.is_empty() {
        let (parameter, after) = parameters.split_once('&').unwrap_or((parameters, ""));
        parameter_into(&mut values, parameter)?;
        parameters = after;
    }
    Ok(values)
}

/// A host and what follows it; square brackets hold an IPv6 address.
fn host(text: &str) -> Result<(&str, &str), SettingsError> {
    let Some(inside) = text.strip_prefix('[') else {
        let end = text.find([':', '/', '?', ',']).unwrap_or(text.len());
        return Ok(text.split_at(end));
    };
    let Some((address, after)) = inside.split_once(']') else {
        return Err(SettingsError::Syntax(
            "end of string reached when looking for matching \"]\" in IPv6 host address in URI"
                .into(),
        ));
    };
    if address.is_empty() {
        return Err(SettingsError::Syntax(
            "IPv6 host address may not be empty in URI".into(),
        ));
    }
    match after.chars().next() {
        None | Some(':' | '/' | '?' | ',') => Ok((address, after)),
        Some(other) => Err(SettingsError::Syntax(format!(
            "unexpected character \"{other}\" in URI after an IPv6 address (expected \":\" or \"/\")"
        ))),
    }
}

fn parameter_into(values: &mut Values, parameter: &str) -> Result<(), SettingsError> {
    let Some((name, value)) = parameter.split_once('=') else {
        return Err(SettingsError::Syntax(format!(
            "missing key/value separator \"=\" in URI query parameter: \"{parameter}\""
        )));
    };
    let name = decode(name)?;
    if value.contains('=') {
        return Err(SettingsError::Syntax(format!(
            "extra key/value separator \"=\" in URI query parameter: \"{name}\""
        )));
    }
    let value = decode(value)?;
    // JDBC's spelling.
    if name == "ssl" && value == "true" {
        values.insert("sslmode", "require".into());
        return Ok(());
    }
    put(values, &name, value)
        .map_err(|_| SettingsError::Syntax(format!("invalid URI query parameter: \"{name}\"")))
}

fn store(values: &mut Values, keyword: &'static str, text: &str) -> Result<(), SettingsError> {
    if !text.is_empty() {
        values.insert(keyword, decode(text)?);
    }
    Ok(())
}

/// As libpq 18 and later: spaces around a value are none of it, and one inside has to be written
/// as `%20`. Older ones take it as it is.
fn decode(text: &str) -> Result<String, SettingsError> {
    let text = text.trim_matches(' ');
    if text.contains(' ') {
        return Err(SettingsError::Syntax(
            "unexpected spaces found in a URI, use percent-encoded spaces (%20) instead".into(),
        ));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = bytes.next().and_then(|b| char::from(b).to_digit(16));
        let low = bytes.next().and_then(|b| char::from(b).to_digit(16));
        match (high, low) {
            (Some(0), Some(0)) => {
                return Err(SettingsError::Syntax(
                    "forbidden value %00 in percent-encoded value".into(),
                ));
            }
            (Some(high), Some(low)) => out.extend(u8::try_from(high * 16 + low)),
            _ => {
                return Err(SettingsError::Syntax(
                    "invalid percent-encoded token in URI".into(),
                ));
            }
        }
    }
    String::from_utf8(out)
        .map_err(|_| SettingsError::Syntax("a percent-encoded value is not UTF-8".into()))
}
