//! Times, counts and exit codes in words.

use crate::facts::ServerMessage;
pub use crate::runbook::printable::counted;
use jiff::Timestamp;

/// A point in time, UTC, to the second.
pub fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A time of day, UTC, to the millisecond.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}

/// From `from` to `to` in microseconds; 0 where a clock was set back.
pub fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_micros()).unwrap_or(0)
}

/// A stretch of time, given in microseconds.
pub fn stretch(micros: u64) -> String {
    let millis = micros / 1_000;
    match millis {
        0 => "under 1 ms".to_owned(),
        1..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000.. => format!("{} min {:02} s", millis / 60_000, millis / 1_000 % 60),
    }
}

pub fn exit_code(code: u8) -> &'static str {
    match code {
        0 => "committed",
        1 => "rolled back by decision, or left before anything was applied",
        2 => "wrong usage",
        3 => "rolled back after an error",
        4 => "rolled back or refused on FAIL",
        5 => "outcome unknown",
        6 => "could not connect",
        7 => "rehearsed: every statement worked, and there was no check",
        8 => "nothing failed, and a question got no answer",
        9 => "nothing failed, and something is not applied",
        129 => "hang-up; rolled back",
        130 => "interrupted; rolled back",
        143 => "told to terminate; rolled back",
        _ => "no exit code of this version",
    }
}

pub fn shell(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !argument.is_empty() && !argument.starts_with('-') && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// A reason for somebody who was not there: the journal says "you" to the person who was.
pub fn told_to_others(why: &str) -> String {
    match why.strip_prefix("you ") {
        Some(rest) => format!("the person at the terminal {rest}"),
        None => why.to_owned(),
    }
}

pub fn line(message: &ServerMessage) -> String {
    let mut text = String::new();
    if !message.severity.is_empty() {
        text.push_str(&message.severity);
        text.push_str(": ");
    }
    text.push_str(&message.message);
    if let Some(sqlstate) = &message.sqlstate {
        text.push_str(&format!(" ({sqlstate})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_told_in_the_unit_a_person_would_use() {
        let told: Vec<String> = [
            0,
            999,
            1_000,
            999_999,
            1_000_000,
            59_999_999,
            60_000_000,
            3_725_000_000,
        ]
        .into_iter()
        .map(stretch)
        .collect();
        assert_eq!(
            told,
            [
                "under 1 ms",
                "under 1 ms",
                "1 ms",
                "999 ms",
                "1.0 s",
                "59.9 s",
                "1 min 00 s",
                "62 min 05 s"
            ]
        );
    }

    #[test]
    fn a_shell_takes_an_argument_as_one() {
        assert_eq!(shell("/a/b-1.jsonl"), "/a/b-1.jsonl");
        assert_eq!(shell("a b'; rm"), "'a b'\\''; rm'");
        assert_eq!(shell(""), "''");
    }
}
