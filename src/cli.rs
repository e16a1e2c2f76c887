//! The command line: psql's names for options, and one function for each command.
//!
//! `-h` is the host, as in psql; help is `--help`. Wrong usage ends with exit code 2 before
//! anything is connected to.

mod aftermath;
mod arguments;
mod attending;
mod cloning;
mod commands;
mod inspection;
mod last_words;
mod man;
mod opening;
mod rehearsal;

pub use arguments::{Arguments, Command, Connection, Holding};

use crate::gate::ExitCode;
use crate::runbook::printable::printable_lines;
use clap::Parser;
use std::io::Write;

/// Parses the process's arguments and runs what they ask for.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::Usage
            } else {
                ExitCode::Committed
            };
        }
    };
    match commands::run(arguments) {
        Ok(code) => code,
        Err(failure) => {
            // Names of files and what stands in them is data (I8).
            let told = format!("{:#}", failure.report);
            // Standard error may be gone with the terminal.
            let _ = writeln!(std::io::stderr(), "stagegate: {}", printable_lines(&told));
            failure.code
        }
    }
}
