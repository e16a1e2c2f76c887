//! `keyword = value` strings, after libpq's `conninfo_parse`.

use super::SettingsError;
use super::keywords::{Values, put};

pub(super) fn parse_conninfo(text: &str) -> Result<Values, SettingsError> {
    let mut values = Values::new();
    let mut rest = text.trim_start_matches(blank);
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || blank(c))
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(after) = after.trim_start_matches(blank).strip_prefix('=') else {
            return Err(SettingsError::Syntax(format!(
                "missing \"=\" after \"{name}\" in connection info string"
            )));
        };
        let (value, after) = value(after.trim_start_matches(blank))?;
        put(&mut values, name, value)?;
        rest = after.trim_start_matches(blank);
    }
    Ok(values)
}

/// What C's isspace() calls a blank.
pub(super) fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// A value and what follows it. A backslash takes the next character as it is.
fn value(text: &str) -> Result<(String, &str), SettingsError> {
    let quoted = text.starts_with('\'');
    let mut out = String::new();
    let mut chars = text.char_indices();
    if quoted {
        chars.next();
    }
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((out, text.get(at + 1..).unwrap_or_default())),
            c if !quoted && blank(c) => return Ok((out, text.get(at..).unwrap_or_default())),
            c => out.push(c),
        }
    }
    if quoted {
        return Err(SettingsError::Syntax(
            "unterminated quoted string in connection info string".into(),
        ));
    }
    Ok((out, ""))
}
