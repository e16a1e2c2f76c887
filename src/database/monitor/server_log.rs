//! The tail of the server's own log, where the role may read it; only while somebody looks at it.
//!
//! Asked over the monitor's connection, never over the held one. What stands in the way is said;
//! it costs this display and nothing else (I12).

use super::bounded;
use crate::database::legible::legible;
use crate::database::link::{Answer, BrokenLink, Link};
use crate::database::message;
use crate::facts::{ServerLog, ServerMessage};

/// How much of the end of the log is read, in bytes.
const BYTES: u64 = 64 * 1024;

/// How many lines of it are shown.
const LINES: usize = 200;

/// SQLSTATE of a missing privilege.
const NOT_PERMITTED: &str = "42501";

const MAY_READ: &str = "SELECT pg_catalog.current_setting('logging_collector'), \
    pg_catalog.has_function_privilege('pg_catalog.pg_current_logfile()', 'EXECUTE') \
    AND pg_catalog.has_function_privilege('pg_catalog.pg_stat_file(text)', 'EXECUTE') \
    AND pg_catalog.has_function_privilege('pg_catalog.pg_read_binary_file(text, bigint, bigint)', \
    'EXECUTE')";

const FILE: &str = "SELECT f, (pg_catalog.pg_stat_file(f)).size \
    FROM pg_catalog.pg_current_logfile() AS f WHERE f IS NOT NULL";

/// The file and its size when it was read last: as long as they stay the same there is nothing to
/// read.
#[derive(Debug, Default)]
pub(super) struct ReadLogFile(Option<(String, u64)>);

/// What there is to tell; `None` where it is what was told before.
///
/// # Errors
/// When the link breaks or is silent.
pub(super) async fn look(
    link: &mut Link,
    known: &mut ReadLogFile,
) -> Result<Option<ServerLog>, ServerMessage> {
    let first = match ask(link, MAY_READ).await? {
        Ok(row) => row,
        Err(error) => return Ok(Some(unreadable(&error))),
    };
    if first.first() == Some(&Some("off".into())) {
        return Ok(Some(ServerLog::NotCollected));
    }
    if first.get(1) != Some(&Some("t".into())) {
        return Ok(Some(ServerLog::NotPermitted));
    }
    let row = match ask(link, FILE).await? {
        Ok(row) => row,
        Err(error) => return Ok(Some(unreadable(&error))),
    };
    let cell = |i: usize| row.get(i).cloned().flatten();
    let (Some(file), Some(size)) = (cell(0), cell(1).and_then(|size| size.parse::<u64>().ok()))
    else {
        let why = "the server names no current log file".to_owned();
        return Ok(Some(ServerLog::Unreadable(why)));
    };
    let now = Some((file.clone(), size));
    if known.0 == now {
        return Ok(None);
    }
    let from = size.saturating_sub(BYTES);
    let sql = format!(
        "SELECT pg_catalog.encode(pg_catalog.pg_read_binary_file('{}', {from}, {BYTES}), 'hex')",
        file.replace('\'', "''")
    );
    let bytes = match ask(link, &sql).await? {
        Ok(row) => unhex(row.first().and_then(Option::as_deref).unwrap_or_default()),
        Err(error) => return Ok(Some(unreadable(&error))),
    };
    known.0 = now;
    let (lines, cut) = last_lines(&legible(&bytes), from > 0);
    Ok(Some(ServerLog::Tail { file, lines, cut }))
}

/// The first row of an answer, which may be empty, or the server's error.
async fn ask(
    link: &mut Link,
    sql: &str,
) -> Result<Result<Vec<Option<String>>, ServerMessage>, ServerMessage> {
    let answer: Answer = bounded(async { link.ask(sql).await.map_err(BrokenLink::why) }).await?;
    if let Some(error) = answer.error {
        return Ok(Err(error));
    }
    let rows = answer.results.into_iter().flat_map(|r| r.set.rows).next();
    Ok(Ok(rows.unwrap_or_default()))
}

fn unreadable(error: &ServerMessage) -> ServerLog {
    match error.sqlstate.as_deref() {
        Some(NOT_PERMITTED) => ServerLog::NotPermitted,
        _ => ServerLog::Unreadable(message::line(error)),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks_exact(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The last lines, and whether there are others before them. Where the text begins in the middle
/// of the file, its first line is a part of one.
fn last_lines(text: &str, middle: bool) -> (Vec<String>, bool) {
    let all: Vec<&str> = text.lines().skip(usize::from(middle)).collect();
    let skipped = all.len().saturating_sub(LINES);
    let lines = all.into_iter().skip(skipped).map(str::to_owned).collect();
    (lines, middle || skipped > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_and_only_the_last_ones() {
        assert_eq!(last_lines("", false), (vec![], false));
        assert_eq!(
            last_lines("a\nb\n", false),
            (vec!["a".into(), "b".into()], false)
        );
        assert_eq!(last_lines("lf\nb\n", true), (vec!["b".into()], true));
        let many: String = (0..LINES + 5).map(|n| format!("{n}\n")).collect();
        let (lines, cut) = last_lines(&many, false);
        assert_eq!((lines.len(), lines[0].as_str(), cut), (LINES, "5", true));
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        assert_eq!(unhex("00ff7a"), [0, 255, b'z']);
        assert_eq!(unhex(""), [0u8; 0]);
    }
}
