//! What a test leaves out on this machine, said where a passing test's words are seen too.

use std::io::Write;

/// One line on the test program's own standard error, past the harness, which keeps to itself what
/// a passing test prints.
pub fn skip(what: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {what}");
}
