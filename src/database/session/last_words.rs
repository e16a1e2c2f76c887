//! What a server's last word on a link means for the transaction, where it does not say so itself.

use super::HoldOptions;
use crate::facts::ServerMessage;

/// The server's last word where the run's transaction was not open. Of one that it had before, committed or
/// rolled back, nobody is to doubt that.
pub(super) fn explain_idle_end(why: ServerMessage, before: Option<&str>) -> ServerMessage {
    let ended = match why.sqlstate.as_deref() {
        Some("57P01") => "an administrator ended this session; ",
        Some("57P02") => "the server crashed or another backend did; ",
        Some("57P05") => "the session was idle for longer than its idle_session_timeout; ",
        Some(_) | None => "",
    };
    ServerMessage {
        hint: why.hint.or_else(|| {
            Some(match before {
                None => {
                    format!("{ended}the run had no transaction open, so nothing was rolled back")
                }
                Some(xid) => format!(
                    "{ended}the run's transaction {xid} had its end before that, which stays as it is"
                ),
            })
        }),
        ..why
    }
}

/// The server's last word with what it means for the transaction.
pub(super) fn explain_end(
    why: ServerMessage,
    options: &HoldOptions,
    ends_sessions: Option<usize>,
) -> ServerMessage {
    if why.hint.is_some() {
        return why;
    }
    let hint = match why.sqlstate.as_deref() {
        Some("25P03") => format!(
            "the server heard nothing from this program for {} s, or for less where the script sets a \
             shorter idle_in_transaction_session_timeout, and rolled the open transaction back",
            options.dead_man / 1000
        ),
        Some("57P01") if let Some(line) = ends_sessions => format!(
            "the statement on line {line} ends sessions and was running: it ended its own, unless an \
             administrator did at that moment; the server rolled the open transaction back"
        ),
        Some("57P01") => {
            "an administrator ended this session, or the process that watches over the \
                          hold, because this program was stopped; the server rolled the open \
                          transaction back"
                .into()
        }
        Some("57P02") => "the server crashed or another backend did; it rolls every open \
                          transaction back when it recovers"
            .into(),
        Some(_) => "the server ended the session and rolled the open transaction back".into(),
        None => "the server rolls an open transaction back as soon as it notices".into(),
    };
    ServerMessage {
        hint: Some(hint),
        ..why
    }
}
