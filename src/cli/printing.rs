//! Standard output, whose reader may have seen enough.

use super::failure::Failure;
use crate::facts::ExitCode;
use color_eyre::eyre::Report;
use std::io::Write;

pub(super) fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    unless_gone(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What became of writing to standard output.
pub(super) fn unless_gone(written: std::io::Result<()>) -> Result<ExitCode, Failure> {
    match written {
        Ok(()) => Ok(ExitCode::Committed),
        // A reader that has seen enough, such as `head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::Committed),
        Err(error) => Err(Report::from(error)
            .wrap_err("cannot write to standard output")
            .into()),
    }
}
