//! Which statements the held transaction can take, which the gate keeps, and why others are
//! refused.
//!
//! Everything here rests on a statement's own words, never on a parser: a statement that ends or
//! opens a transaction must not slip through because something did not parse. The list of what
//! cannot run in a transaction block was tried on PostgreSQL 15 (SQLSTATE 25001).

use super::classify::Words;
use super::lexer::Lexeme;
use super::setting::{self, SettingName};

/// How a statement stands to the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    Inside,
    /// A plain BEGIN: fine as the first statement.
    Begin,
    /// A plain COMMIT: fine as the last statement.
    Commit,
    /// A plain ROLLBACK: as the last statement it makes the run a rehearsal.
    RollBack,
    /// The isolation level of this transaction: fine before the first query.
    SetTransaction,
    Savepoint(String),
    Release(String),
    BackTo(String),
    /// Refused: why, and what to do.
    Refused(String),
}

/// How the statement (one, without `\;`) stands to the transaction.
pub(super) fn judge_admission(words: Words<'_>) -> Admission {
    match transaction_control(words) {
        Admission::Inside => match outside_only(words) {
            Some(reason) => Admission::Refused(reason),
            None => Admission::Inside,
        },
        other => other,
    }
}

fn transaction_control(words: Words<'_>) -> Admission {
    let refused = |reason: &str| Admission::Refused(reason.to_owned());
    match &*words.upper(0) {
        "BEGIN" => begin(words, 1),
        "START" if words.is(1, "TRANSACTION") => begin(words, 1),
        "COMMIT" | "ROLLBACK" if words.is(1, "PREPARED") => {
            refused("a prepared transaction cannot be ended inside another one; run it by itself")
        }
        "COMMIT" | "END" => commit(words),
        "ROLLBACK" if words.find("TO").is_some() => {
            let at = 1 + usize::from(words.is(1, "WORK") || words.is(1, "TRANSACTION"));
            match words.is(at, "TO") {
                true => savepoint(words, at + 1, Admission::BackTo),
                false => refused(NO_FORM),
            }
        }
        "ROLLBACK" | "ABORT" => roll_back(words),
        "SAVEPOINT" => savepoint(words, 0, Admission::Savepoint),
        "RELEASE" => savepoint(words, 1, Admission::Release),
        "PREPARE" if words.is(1, "TRANSACTION") => {
            refused("PREPARE TRANSACTION would take the transaction away from the gate; remove it")
        }
        "SET" if words.is(1, "TRANSACTION") => match modes(words, 2) {
            Ok(()) => Admission::SetTransaction,
            Err(reason) => Admission::Refused(reason),
        },
        "SET" | "RESET" => match setting::target(words) {
            Some((SettingName::Transaction { later: false }, _)) => refused(
                "the gate opens the transaction itself, and statements of its own run first; write \
                 SET TRANSACTION, or BEGIN with the option",
            ),
            Some((SettingName::Transaction { later: true }, _)) => refused(
                "it is about the transactions after this one, and the session has no other; \
                 remove it",
            ),
            _ => Admission::Inside,
        },
        _ => Admission::Inside,
    }
}

fn begin(words: Words<'_>, from: usize) -> Admission {
    let at = from + usize::from(words.is(from, "WORK") || words.is(from, "TRANSACTION"));
    match at >= words.len() {
        true => Admission::Begin,
        false => match modes(words, at) {
            Ok(()) => Admission::Begin,
            Err(reason) => Admission::Refused(reason),
        },
    }
}

/// The modes of a transaction from the word at `at` on.
fn modes(words: Words<'_>, mut at: usize) -> Result<(), String> {
    const LEVELS: [&[&str]; 4] = [
        &["SERIALIZABLE"],
        &["REPEATABLE", "READ"],
        &["READ", "COMMITTED"],
        &["READ", "UNCOMMITTED"],
    ];
    loop {
        if words.are(at, &["ISOLATION", "LEVEL"])
            && let Some(level) = LEVELS.iter().find(|level| words.are(at + 2, level))
        {
            at += 2 + level.len();
        } else if words.are(at, &["READ", "WRITE"]) || words.are(at, &["NOT", "DEFERRABLE"]) {
            at += 2;
        } else if words.is(at, "DEFERRABLE") {
            at += 1;
        } else if words.are(at, &["READ", "ONLY"]) {
            return Err(
                "a transaction that is READ ONLY has nothing to be committed; `stagegate verify` \
                 runs checks READ ONLY"
                    .to_owned(),
            );
        } else {
            return Err(
                "of the options of a transaction, ISOLATION LEVEL, READ WRITE and DEFERRABLE are \
                 taken over; remove this one"
                    .to_owned(),
            );
        }
        if at >= words.len() {
            return Ok(());
        }
        let comma = words.tokens().get(at);
        at += usize::from(comma.is_some_and(|token| words.text(token) == ","));
    }
}

/// Why a statement that begins like one about savepoints is refused.
const NO_FORM: &str = "this is no form of SAVEPOINT, RELEASE or ROLLBACK TO that is known here; write it \
                       plainly";

/// A statement about the savepoint that is named behind the word at `from`, or there.
fn savepoint(words: Words<'_>, from: usize, make: impl Fn(String) -> Admission) -> Admission {
    let at = from + usize::from(words.is(from, "SAVEPOINT"));
    let name = words.tokens().get(at).and_then(|token| {
        let text = words.text(token);
        match token.kind {
            Lexeme::Word => Some(text.to_lowercase()),
            Lexeme::QuotedName => {
                let inner = text.strip_prefix('"')?.strip_suffix('"')?;
                Some(inner.replace("\"\"", "\""))
            }
            _ => None,
        }
    });
    match name {
        // As the server cuts names; one that is written with escapes is not read here.
        Some(name) if words.len() == at + 1 && name.len() <= 63 => make(name),
        _ => Admission::Refused(NO_FORM.to_owned()),
    }
}

/// Whether COMMIT or ROLLBACK stands there with nothing that makes it another command.
fn is_plain_end(words: Words<'_>) -> bool {
    let mut at = 1;
    at += usize::from(words.is(at, "WORK") || words.is(at, "TRANSACTION"));
    if words.are(at, &["AND", "NO", "CHAIN"]) {
        at += 3;
    }
    at >= words.len()
}

fn roll_back(words: Words<'_>) -> Admission {
    match is_plain_end(words) {
        true => Admission::RollBack,
        false => Admission::Refused(
            "ROLLBACK with options is refused; write a plain ROLLBACK as the last statement, or none"
                .to_owned(),
        ),
    }
}

fn commit(words: Words<'_>) -> Admission {
    if is_plain_end(words) {
        return Admission::Commit;
    }
    Admission::Refused(
        "COMMIT with options cannot be held back for the gate; write a plain COMMIT as the last \
         statement, or none"
            .to_owned(),
    )
}

/// Why a statement cannot run in a transaction block, and what to do instead.
fn outside_only(words: Words<'_>) -> Option<String> {
    let cannot = |what: &str| {
        Some(format!(
            "{what} cannot run inside a transaction block, so it cannot be held open for a \
             decision; run it by itself, before or after this script"
        ))
    };
    let concurrently = |at: usize| words.is(at, "CONCURRENTLY");
    let object = words.object();
    match &*words.upper(0) {
        verb @ ("CREATE" | "DROP") => match &*words.upper(object) {
            what @ ("DATABASE" | "TABLESPACE") => cannot(&format!("{verb} {what}")),
            "INDEX" if concurrently(object + 1) => Some(format!(
                "{verb} INDEX CONCURRENTLY cannot run inside a transaction block; leave out \
                 CONCURRENTLY (writes wait until the decision), or run it by itself outside of \
                 this script"
            )),
            "SUBSCRIPTION" if verb == "CREATE" && makes_slot(words) => {
                cannot("CREATE SUBSCRIPTION with a replication slot")
            }
            _ => None,
        },
        "ALTER" => match &*words.upper(1) {
            "SYSTEM" => cannot("ALTER SYSTEM"),
            "DATABASE" if has_pair(words, "SET", "TABLESPACE") => {
                cannot("ALTER DATABASE … SET TABLESPACE")
            }
            "TABLE" if words.find("DETACH").is_some() && words.find("CONCURRENTLY").is_some() => {
                cannot("DETACH PARTITION … CONCURRENTLY")
            }
            "SUBSCRIPTION"
                if words.find("PUBLICATION").is_some() && !option_is_off(words, "REFRESH") =>
            {
                cannot("ALTER SUBSCRIPTION that refreshes its publications")
            }
            _ => None,
        },
        "VACUUM" => cannot("VACUUM"),
        "DISCARD" if words.is(1, "ALL") => cannot("DISCARD ALL"),
        "CLUSTER" if names_nothing(words) => cannot("CLUSTER without a table"),
        "REINDEX" => reindex(words),
        "SET" | "RESET" => reading_setting(words),
        _ => None,
    }
}

fn has_pair(words: Words<'_>, first: &str, second: &str) -> bool {
    (0..words.len()).any(|at| words.are(at, &[first, second]))
}

/// `CLUSTER`, `CLUSTER VERBOSE`, `CLUSTER (VERBOSE)`.
fn names_nothing(words: Words<'_>) -> bool {
    !words.tokens().iter().skip(1).any(|token| match token.kind {
        Lexeme::Word => token.depth == 0 && !words.token_is(token, "VERBOSE"),
        Lexeme::QuotedName => true,
        _ => false,
    })
}

fn reindex(words: Words<'_>) -> Option<String> {
    let target = words.tokens().iter().skip(1).find(|token| {
        token.depth == 0 && token.kind == Lexeme::Word && !words.token_is(token, "VERBOSE")
    })?;
    let target = words.text(target).to_ascii_uppercase();
    let concurrently = words
        .tokens()
        .iter()
        .take(24)
        .any(|token| words.token_is(token, "CONCURRENTLY"));
    if concurrently || matches!(target.as_str(), "SCHEMA" | "DATABASE" | "SYSTEM") {
        let what = if concurrently {
            "CONCURRENTLY"
        } else {
            &target
        };
        return Some(format!(
            "REINDEX {what} cannot run inside a transaction block; name one index or table, \
             without CONCURRENTLY, or run it by itself"
        ));
    }
    None
}

/// Whether an option in WITH (…) is switched off: `name = false`.
fn option_is_off(words: Words<'_>, name: &str) -> bool {
    words.tokens().windows(3).any(|triple| {
        matches!(triple, [option, equals, value]
        if words.token_is(option, name)
            && words.text(equals) == "="
            && matches!(
                words.text(value).trim_matches('\'').to_ascii_lowercase().as_str(),
                "false" | "off" | "0"
            ))
    })
}

fn makes_slot(words: Words<'_>) -> bool {
    !option_is_off(words, "CREATE_SLOT") && !option_is_off(words, "CONNECT")
}

/// Settings that would change how the bytes of the script itself are to be read.
fn reading_setting(words: Words<'_>) -> Option<String> {
    let (target, at) = setting::target(words)?;
    let name = match target {
        SettingName::Named(name) => name,
        SettingName::Escaped => {
            return Some(
                "the name of the setting is written with escapes, so it cannot be told which one \
                 it is; write it plainly"
                    .to_owned(),
            );
        }
        _ => return None,
    };
    let value = setting::value(words, at);
    match (name.as_str(), value.as_deref()) {
        ("standard_conforming_strings", Some("on" | "true" | "yes" | "1")) => None,
        ("standard_conforming_strings", _) => Some(
            "a script is read with standard_conforming_strings on; remove this and write \
             strings with backslashes as E'…'"
                .to_owned(),
        ),
        ("client_encoding", Some("utf8" | "utf-8" | "unicode" | "default")) => None,
        ("client_encoding", None) if words.is(0, "RESET") => None,
        ("client_encoding", _) => Some(
            "a script is sent as UTF-8; where the file is in another encoding, write \\encoding and its \
             name, \\encoding LATIN1 for instance, in the place of this statement"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The value of `SET standard_conforming_strings`, if the statement is that.
pub(super) fn sets_standard_strings(words: Words<'_>) -> Option<bool> {
    let (target, _) = setting::target(words)?;
    (target == SettingName::Named("standard_conforming_strings".to_owned()))
        .then(|| reading_setting(words).is_none())
}

/// Where a server ends a command inside what psql sends as one. psql takes `begin` in CREATE
/// FUNCTION for the start of a body, whatever it stands for; to a server only BEGIN ATOMIC is one.
pub(super) fn end_inside(words: Words<'_>) -> Option<usize> {
    let tokens = words.tokens();
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Lexeme::JoiningSemicolon => return Some(token.range().start),
            Lexeme::Semicolon if token.depth == 0 && depth == 0 => {
                return Some(token.range().start);
            }
            Lexeme::Word if token.depth > 0 => {}
            Lexeme::Word if words.are(index, &["BEGIN", "ATOMIC"]) => depth += 1,
            Lexeme::Word if depth > 0 && words.is(index, "CASE") => depth += 1,
            Lexeme::Word if words.is(index, "END") => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}
