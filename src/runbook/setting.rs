//! Which setting a statement changes by its own words: SET and RESET.
//!
//! A setting may also change by `set_config`, in a DO or in a function; that only the server can
//! tell. What is written as SET is known before anything runs.

use super::classify::Words;
use super::lexer::Lexeme;

/// What SET or RESET names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SettingName {
    /// One setting, in lower case, as the server looks it up.
    Named(String),
    /// `RESET ALL`.
    All,
    /// The characteristics of a transaction: of this one, or of those after it.
    Transaction {
        /// `SET SESSION CHARACTERISTICS AS TRANSACTION`.
        later: bool,
    },
    /// A name that is written with Unicode escapes.
    Escaped,
    /// Something else: ROLE, SESSION AUTHORIZATION, CONSTRAINTS, TIME ZONE.
    Other,
}

/// What a statement sets, and where its value begins among the words; `None` for any other.
pub(super) fn target(words: Words<'_>) -> Option<(SettingName, usize)> {
    let resets = words.is(0, "RESET");
    if !resets && !words.is(0, "SET") {
        return None;
    }
    if words.are(1, &["SESSION", "CHARACTERISTICS"]) {
        return Some((SettingName::Transaction { later: true }, 0));
    }
    let at = match words.is(1, "SESSION") || words.is(1, "LOCAL") {
        true if !resets => 2,
        _ => 1,
    };
    let token = words.tokens().get(at)?;
    let written = words.text(token);
    let named = match token.kind {
        Lexeme::Word => written.to_ascii_lowercase(),
        Lexeme::QuotedName => match written.strip_prefix('"') {
            Some(inner) => inner.trim_end_matches('"').to_ascii_lowercase(),
            None => return Some((SettingName::Escaped, at + 1)),
        },
        _ => return Some((SettingName::Other, at + 1)),
    };
    let plain = token.kind == Lexeme::Word;
    let target = match named.as_str() {
        "transaction" if plain => SettingName::Transaction { later: false },
        "transaction_isolation" | "transaction_read_only" | "transaction_deferrable" => {
            SettingName::Transaction { later: false }
        }
        "all" if plain && resets => SettingName::All,
        "names" if plain => {
            return Some((SettingName::Named("client_encoding".to_owned()), at + 1));
        }
        "role" | "session" | "constraints" | "time" | "local" if plain => SettingName::Other,
        _ => SettingName::Named(named),
    };
    let behind = words.tokens().get(at + 1);
    let sign = behind.is_some_and(|token| words.text(token) == "=" || words.token_is(token, "TO"));
    Some((target, at + 1 + usize::from(sign)))
}

/// The value that follows from the word at `at` on: what is quoted without its quotes, in lower
/// case. `None` where it is not plainly one.
pub(super) fn value(words: Words<'_>, at: usize) -> Option<String> {
    let token = words.tokens().get(at)?;
    let text = words.text(token);
    let plain = match token.kind {
        Lexeme::Word | Lexeme::Number => text,
        Lexeme::String => text.strip_prefix('\'')?.strip_suffix('\'')?,
        _ => return None,
    };
    (words.len() == at + 1).then(|| plain.to_ascii_lowercase())
}

/// The settings on which the limits of a hold rest.
const LIMITS: &[&str] = &[
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "client_connection_check_interval",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "tcp_user_timeout",
];

/// What a person has to know of a statement that changes such a setting; `text` is the statement.
pub(super) fn limits_changed(words: Words<'_>, text: &str) -> Option<String> {
    let limits = |text: &str| -> Vec<&str> {
        let named = LIMITS.iter().copied().filter(|name| text.contains(name));
        named.collect()
    };
    let (does, what) = match target(words) {
        Some((SettingName::Named(name), _)) if LIMITS.contains(&name.as_str()) => ("changes", name),
        Some((SettingName::All, _)) => ("resets", "every setting".to_owned()),
        Some(_) => return None,
        // The name stands in a string: set_config, a DO, a function's own SET, UPDATE pg_settings.
        None if text.len() <= LONGEST_NAMING && may_name_limit(text) => {
            ("names", limits(&text.to_ascii_lowercase()).join(", "))
        }
        None => return None,
    };
    (!what.is_empty()).then(|| {
        format!(
            "It {does} {what}: limits of this kind bound how long the transaction waits for locks \
             and how soon the server ends it when nobody is there."
        )
    })
}

/// Whether there is `_t`, `_c` or `_k` in it, as there is in the name of each limit: most statements have
/// none, and are searched once instead of for every name.
fn may_name_limit(text: &str) -> bool {
    let mut pairs = text.as_bytes().windows(2);
    pairs.any(|pair| matches!(pair, [b'_', b't' | b'T' | b'c' | b'C' | b'k' | b'K']))
}

/// Longer statements are data, and are not searched for names, in bytes.
const LONGEST_NAMING: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::{LIMITS, may_name_limit};

    #[test]
    fn no_limit_is_passed_over() {
        for name in LIMITS {
            assert!(may_name_limit(name), "{name}");
            assert!(may_name_limit(&name.to_uppercase()), "{name}");
        }
    }
}
