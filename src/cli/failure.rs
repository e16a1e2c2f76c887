//! What ends a command before its work is done: why, and with which exit code.

use crate::facts::ExitCode;
use crate::journal::JournalError;
use color_eyre::eyre::Report;

/// A command that could not be carried out.
#[derive(Debug)]
pub(super) struct Failure {
    pub report: Report,
    pub code: ExitCode,
    /// What the server has of it, told behind it where the program ends with it.
    pub besides: Option<&'static str>,
}

impl Failure {
    pub(super) fn usage(report: impl Into<Report>) -> Failure {
        Failure {
            report: report.into(),
            code: ExitCode::Usage,
            besides: None,
        }
    }

    /// Files that cannot be read, or not as they were asked for.
    pub(super) fn unread(report: impl Into<Report>) -> Failure {
        Failure {
            besides: Some("Nothing was sent to a database."),
            ..Failure::usage(report)
        }
    }

    /// What cannot be written into the journal, and is not done for that.
    pub(super) fn unwritten(so: &'static str) -> impl Fn(JournalError) -> Failure {
        move |error| Failure::usage(Report::from(error).wrap_err(so))
    }
}

/// Any error in setting up: nothing was sent to a server.
impl From<Report> for Failure {
    fn from(report: Report) -> Failure {
        Failure {
            report,
            code: ExitCode::RolledBackOnError,
            besides: None,
        }
    }
}
