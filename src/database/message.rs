//! What a server says, or what became of the link to it, as words for a person.
//!
//! Never a Debug print, and never more certainty than there is: a message that did not come from
//! the server has no SQLSTATE.

use std::error::Error;
use std::io::ErrorKind;

use super::legible::legible_in;
use crate::facts::{NOT_KEPT, ServerMessage};
use crate::runbook::encoding::Charset;

/// Reads the fields of an ErrorResponse or NoticeResponse. Total: what it cannot read it leaves out.
pub fn from_fields(payload: &[u8], charset: Charset) -> ServerMessage {
    let mut message = ServerMessage::default();
    let mut localised = String::new();
    let mut internal_query = None;
    let mut internal_position = None;
    let mut routine = String::new();
    for field in payload.split(|b| *b == 0) {
        let Some((code, text)) = field.split_first() else {
            break;
        };
        let text = legible_in(charset, text).into_owned();
        match code {
            b'S' => localised = text,
            // The same in every language (9.6 and later): what the program decides on.
            b'V' => message.severity = text,
            b'C' => message.sqlstate = Some(text),
            b'M' => message.message = text,
            b'D' => message.detail = Some(text),
            b'H' => message.hint = Some(text),
            b'W' => message.context = Some(text),
            b'P' => message.position = text.parse().ok(),
            b'q' => internal_query = Some(text),
            b'p' => internal_position = Some(text),
            b'R' => routine = text,
            _ => {}
        }
    }
    if message.severity.is_empty() {
        message.severity = localised;
    }
    if let Some(query) = internal_query {
        let at = internal_position.map_or(String::new(), |p| format!(" (at character {p})"));
        let inner = format!("inner query{at}: {query}");
        message.context = Some(match message.context.take() {
            Some(context) => format!("{context}\n{inner}"),
            None => inner,
        });
    }
    if message.hint.is_none() {
        message.hint = hint_of_one_command(message.sqlstate.as_deref(), &routine);
    }
    message
}

/// What a refusal of the extended protocol means for a statement of a script. The text of it may
/// be in any language; the routine of the server that refuses is the same in all.
fn hint_of_one_command(sqlstate: Option<&str>, routine: &str) -> Option<String> {
    let hint = match (sqlstate?, routine) {
        ("42601", "exec_parse_message") => {
            "to the server this text is more than one command: it ends the statement elsewhere \
             than this program does; nothing of it ran, and only ROLLBACK is left"
        }
        ("08P01", "exec_bind_message") | ("42P18", "pg_analyze_and_rewrite_varparams") => {
            "to the server this text has a parameter ($1), and a script has no values for one; \
             nothing of it ran, and only ROLLBACK is left"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whether the session cannot go on after it.
pub fn is_fatal(message: &ServerMessage) -> bool {
    matches!(message.severity.as_str(), "FATAL" | "PANIC")
}

/// A message of the program's own.
pub fn own(text: impl Into<String>) -> ServerMessage {
    ServerMessage {
        message: text.into(),
        ..ServerMessage::default()
    }
}

/// Of a session whose link this program closed.
pub fn closed_by_us() -> ServerMessage {
    ServerMessage {
        closed_by_us: true,
        ..own("this program closed the link")
    }
}

pub fn not_kept(text: impl Into<String>) -> ServerMessage {
    ServerMessage {
        severity: NOT_KEPT.to_owned(),
        ..own(text)
    }
}

/// The same, with what to do about it.
pub fn own_with_hint(text: impl Into<String>, hint: impl Into<String>) -> ServerMessage {
    ServerMessage {
        hint: Some(hint.into()),
        ..own(text)
    }
}

/// A message in one line: severity, text, SQLSTATE.
pub fn line(message: &ServerMessage) -> String {
    let mut out = String::new();
    if !message.severity.is_empty() {
        out.push_str(&message.severity);
        out.push_str(": ");
    }
    out.push_str(&message.message);
    if let Some(sqlstate) = &message.sqlstate {
        out.push_str(&format!(" ({sqlstate})"));
    }
    out
}

pub fn from_error(error: &tokio_postgres::Error) -> ServerMessage {
    if let Some(db) = error.as_db_error() {
        let severity = match db.parsed_severity() {
            Some(severity) => severity.to_string(),
            None => db.severity().to_owned(),
        };
        return ServerMessage {
            severity,
            sqlstate: Some(db.code().code().to_owned()),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
            context: db.where_().map(str::to_owned),
            position: match db.position() {
                Some(tokio_postgres::error::ErrorPosition::Original(at)) => {
                    usize::try_from(*at).ok()
                }
                _ => None,
            },
            closed_by_us: false,
        };
    }
    if error.is_closed() {
        return own("the server closed the connection");
    }
    match error.source() {
        Some(cause) => match cause.downcast_ref::<std::io::Error>() {
            Some(io) => own(from_io(io)),
            None => own(format!("{error}: {cause}")),
        },
        None => own(error.to_string()),
    }
}

/// An error of the operating system in words.
pub fn from_io(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused: no server listens there".into(),
        ErrorKind::NotFound => "no such socket: no server listens there".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
            "the connection was reset by the other side".into()
        }
        ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            "the server closed the connection".into()
        }
        ErrorKind::TimedOut => "the server does not answer any more".into(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "the network does not reach it".into()
        }
        _ => {
            // std adds "(os error 111)", which tells an operator nothing.
            let text = error.to_string();
            match text.split_once(" (os error") {
                Some((words, _)) => words.to_lowercase(),
                None => text,
            }
        }
    }
}
