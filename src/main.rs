//! The program: arguments in, exit code out.

use stagegate::database::sentry::{KEEP, keep};
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == KEEP)
    {
        return match keep() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        };
    }
    if let Err(error) = color_eyre::install() {
        eprintln!("stagegate: {error}");
    }
    ExitCode::from(stagegate::cli::run_program().code())
}
