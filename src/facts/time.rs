//! Time, as the gate has it: it comes in with events.

/// A stretch of time, in milliseconds.
pub type Millis = u64;

/// A stretch of time in words: `350 ms`, `12 s`, `7 min`.
pub fn in_words(time: Millis) -> String {
    match time {
        0..1_000 => format!("{time} ms"),
        1_000..120_000 => format!("{} s", time / 1_000),
        _ => format!("{} min", time / 60_000),
    }
}
