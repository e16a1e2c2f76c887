//! The command line: psql's names for options, and one function for each command.
//!
//! `-h` is the host, as in psql; help is `--help`. Wrong usage ends with exit code 2 before
//! anything is connected to.

mod aftermath;
mod arguments;
mod attending;
mod commands;
mod examples;
mod failure;
mod finding;
mod inspection;
mod last_words;
mod man;
mod opening;
mod outcome;
mod printing;
mod questions;
mod runtime;
mod secrecy;
mod usage;

pub use arguments::{Arguments, CliCommand, Connection, Holding};

use crate::facts::ExitCode;
use crate::runbook::printable::printable_lines;
use clap::{CommandFactory, FromArgMatches};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write;
use std::sync::Arc;

/// Parses the process's arguments and runs what they ask for.
pub fn run_program() -> ExitCode {
    keep_memory_to_itself();
    outlive_full_files();
    let typed: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    if let Some(objection) = secrecy::objection(&typed, environment()) {
        complain(&objection, &typed);
        return ExitCode::Usage;
    }
    let command = examples::with_examples(Arguments::command());
    let read = command
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match read {
        Ok(arguments) => arguments,
        Err(error) => {
            if let Some(told) = usage::in_our_words(&error) {
                complain(&told, &typed);
            } else {
                let _ = error.print();
            }
            return if error.use_stderr() {
                ExitCode::Usage
            } else {
                ExitCode::Committed
            };
        }
    };
    match commands::run_command(arguments) {
        Ok(code) => code,
        Err(failure) => {
            let mut told = told_once(&failure.report);
            if let Some(besides) = failure.besides {
                told.push_str(&format!(". {besides}"));
            }
            complain(&told, &typed);
            failure.code
        }
    }
}

/// A crash leaves no picture of memory on a disk: passwords stand in it (I9).
fn keep_memory_to_itself() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    // Where it cannot be set, it is as it always was.
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum,
        },
    );
}

/// A file that may not grow further (`ulimit -f`) is an error of the write, as a full disk is, and no end
/// of the program: it may hold a transaction, and the terminal.
fn outlive_full_files() {
    // Where it cannot be caught, it ends the program as it always did.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// The environment, as far as it is text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    })
}

/// Tells an error on standard error, which may be gone with the terminal.
fn complain(text: &str, typed: &[String]) {
    let text = secrecy::without_passwords(text, typed, environment());
    // Names of files and what stands in them is data (I8).
    let _ = writeln!(std::io::stderr(), "stagegate: {}", printable_lines(&text));
}

/// An error with its causes, each told once: many a sentence has its cause in it already.
fn told_once(report: &color_eyre::Report) -> String {
    let mut told = String::new();
    for cause in report.chain().map(ToString::to_string) {
        if told.contains(&cause) {
            continue;
        }
        if !told.is_empty() {
            told.push_str(": ");
        }
        told.push_str(&cause);
    }
    told
}
