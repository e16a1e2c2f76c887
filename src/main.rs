//! The program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = color_eyre::install() {
        eprintln!("stagegate: {error}");
    }
    ExitCode::from(stagegate::cli::run().code())
}
