//! Passwords that were typed where none belongs (I9).
//!
//! What is echoed in an error, connected to as a host or written down as a database's name is refused
//! by its form and without its text, before anything else looks at it. A password has its own ways in:
//! it is asked for, stands in `PGPASSWORD` or in a passfile, or in a URI or conninfo string after `-d`.

use crate::database::settings::{ServerAddress, Settings};
use std::path::Path;

/// Names under which a conninfo string, a URI or an option has a password.
const KEYS: [&str; 5] = ["sslpassword", "password", "passphrase", "passwd", "pwd"];

/// Environment variables of libpq that may hold a secret.
const SECRET_VARIABLES: [&str; 3] = ["PGPASSWORD", "PGPASSFILE", "PGSSLPASSWORD"];

/// The passwords that `text` holds, as far as its form tells: `scheme://user:PASSWORD@`,
/// `user:PASSWORD@`, `password=PASSWORD`.
pub(super) fn passwords_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (scheme, rest) = match text.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, text),
    };
    // A password may hold what ends it elsewhere, so the last @ counts.
    if let Some((login, _)) = rest.rsplit_once('@')
        && let Some((user, password)) = login.split_once(':')
        && !password.is_empty()
        && (scheme || !user.contains(['/', ' ', '=']))
    {
        found.push(password.to_owned());
        // What a reader of URIs takes for the host's name.
        found.extend(password.split(['@', '/', '?', '#']).map(str::to_owned));
    }
    let lower = text.to_ascii_lowercase();
    for key in KEYS {
        for (at, _) in lower.match_indices(key) {
            let Some(value) = text
                .get(at + key.len()..)
                .and_then(|after| after.trim_start().strip_prefix('='))
            else {
                continue;
            };
            let value = value.trim_start();
            let value = match value.strip_prefix('\'') {
                Some(quoted) => quoted.split('\'').next(),
                None if scheme => value.split('&').next(),
                None => value.split_whitespace().next(),
            };
            found.extend(value.map(str::to_owned));
        }
    }
    found.retain(|password| !password.is_empty());
    found
}

/// Why the command line is refused as it stands, without any text of it that may be a password.
pub(super) fn objection(
    arguments: &[String],
    environment: impl Iterator<Item = (String, String)>,
) -> Option<String> {
    const WAYS: &str = "A password is asked for (-W), or stands in PGPASSWORD, or in a URI or conninfo \
                        string after -d";
    let mut place = false;
    for (index, argument) in arguments.iter().enumerate() {
        let value = std::mem::replace(&mut place, matches!(argument.as_str(), "-d" | "--dbname"));
        let of_a_place = value || argument.starts_with("--dbname=") || argument.starts_with("-d");
        if argument.starts_with("--password=") || (argument.starts_with("-W") && argument.len() > 2)
        {
            return Some(format!(
                "-W (--password) takes nothing behind it. {WAYS}; nothing was sent"
            ));
        }
        if !of_a_place && !passwords_in(argument).is_empty() {
            return Some(format!(
                "argument {} holds a password, and is not shown here. {WAYS}; a database is named \
                 with -d, too. Nothing was sent",
                index + 1
            ));
        }
        if matches!(argument.as_str(), "-W" | "--password")
            && let Some(next) = arguments.get(index + 1)
            && !next.starts_with('-')
            && !Path::new(next).exists()
        {
            return Some(format!(
                "what follows {argument} is neither a runbook nor a script, and is not shown here. \
                 {WAYS}; a database is named with -d. Nothing was sent"
            ));
        }
    }
    for (name, value) in environment {
        if name.starts_with("PG")
            && !SECRET_VARIABLES.contains(&name.as_str())
            && !passwords_in(&value).is_empty()
        {
            return Some(format!(
                "{name} holds a password, and is not shown here. {WAYS}; nothing was sent"
            ));
        }
    }
    None
}

/// Why what is to be connected to cannot be meant: a name that is made of a piece of a password would
/// be shown as the host's or the database's.
pub(super) fn misread(settings: &Settings) -> Option<&'static str> {
    let hosts = settings.hosts.iter().filter_map(|host| match &host.place {
        ServerAddress::Tcp { host, .. } => Some(host.as_str()),
        // A name that begins with @ is one of the abstract sockets.
        ServerAddress::Socket(folder) => folder.to_str().map(|name| name.trim_start_matches('@')),
    });
    for host in hosts {
        if host.contains('@') || host.contains("://") || !passwords_in(host).is_empty() {
            return Some(
                "the host's name holds an @ or a URI, so a piece of a password may stand in it, and it \
                 is not shown here. In a URI an @ within a password is written %40, a / is %2F, a : is \
                 %3A; a whole URI goes after -d. Nothing was sent",
            );
        }
    }
    if [&settings.database, &settings.user]
        .into_iter()
        .any(|name| name.contains("://") || !passwords_in(name).is_empty())
    {
        return Some(
            "the name of the database or role holds a password, or a URI, and is not shown here. A URI \
             begins with postgresql://. Nothing was sent",
        );
    }
    None
}

/// `text` without any password that the command line or the environment holds.
pub(super) fn without_passwords(
    text: &str,
    arguments: &[String],
    environment: impl Iterator<Item = (String, String)>,
) -> String {
    let mut passwords: Vec<String> = arguments.iter().flat_map(|a| passwords_in(a)).collect();
    for (name, value) in environment {
        match name.as_str() {
            "PGPASSWORD" | "PGSSLPASSWORD" => passwords.push(value),
            name if name.starts_with("PG") => passwords.extend(passwords_in(&value)),
            _ => {}
        }
    }
    // The longest first, so that none is left in pieces. A shorter one hides nothing: it would be
    // found in any sentence.
    passwords.retain(|password| password.chars().count() > 3);
    passwords.sort_by_key(|password| std::cmp::Reverse(password.len()));
    passwords.iter().fold(text.to_owned(), |text, password| {
        text.replace(password.as_str(), "(not shown)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_form() {
        for text in [
            "postgresql://u:PW@h/db",
            "postgres://u:PW@h:5432,h2/db?sslmode=require",
            "http://u:PW@h",
            "u:PW@h/db",
            "host=h password=PW",
            "host=h PASSWORD = 'PW' user=u",
            "postgresql://h/db?user=u&password=PW&x=y",
            "--password=PW",
            "PGPASSWORD=PW",
        ] {
            assert!(passwords_in(text).contains(&"PW".to_owned()), "{text}");
        }
        let pieces = passwords_in("postgresql://u:a@b/c@h/db");
        for piece in ["a@b/c", "a", "b", "c"] {
            assert!(pieces.contains(&piece.to_owned()), "{piece}: {pieces:?}");
        }
        for text in [
            "",
            "migrate.sql",
            "/srv/run:books/a@b.sql",
            "postgresql://u@h/db",
            "host=h port=5432",
            "me@host",
            "5min",
        ] {
            assert_eq!(passwords_in(text), Vec::<String>::new(), "{text}");
        }
    }
}
