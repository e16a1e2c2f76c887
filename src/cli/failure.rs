//! What ends a command before its work is done: why, and with which exit code.

use crate::facts::ExitCode;
use color_eyre::eyre::Report;

/// A command that could not be carried out.
#[derive(Debug)]
pub(super) struct Failure {
    pub report: Report,
    pub code: ExitCode,
}

impl Failure {
    pub(super) fn usage(report: impl Into<Report>) -> Failure {
        Failure {
            report: report.into(),
            code: ExitCode::Usage,
        }
    }
}

/// Any error in setting up: nothing was sent to a server.
impl From<Report> for Failure {
    fn from(report: Report) -> Failure {
        Failure {
            report,
            code: ExitCode::RolledBackOnError,
        }
    }
}
