//! How a run is left: by what, and with which code.

/// What ends a run from outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// SIGHUP, or the terminal is gone.
    HungUp,
    Interrupted,
    Terminated,
    /// A part of the program itself died; its name.
    PartDied(&'static str),
    /// A person asked a second time to leave, whatever is open.
    Quit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Committed, or: all checks pass.
    Committed,
    /// Rolled back by decision. Also: left before anything was applied.
    RolledBack,
    Usage,
    /// Rolled back after an error.
    RolledBackOnError,
    /// Rolled back or refused on FAIL.
    RolledBackOnFail,
    OutcomeUnknown,
    NoConnection,
    /// Rehearsed: every statement worked, and there was no check.
    Unchecked,
    /// Nothing failed, and a question got no answer: somebody holds a lock, for instance.
    NoAnswer,
    /// Nothing failed, and something of the script is not applied.
    NotApplied,
    /// Ended by a hang-up, an interrupt or a termination; rolled back.
    Signalled(Signal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGHUP, or the terminal is gone.
    HangUp,
    Interrupt,
    Terminate,
}

impl ExitCode {
    /// The number for the shell.
    pub fn code(self) -> u8 {
        match self {
            ExitCode::Committed => 0,
            ExitCode::RolledBack => 1,
            ExitCode::Usage => 2,
            ExitCode::RolledBackOnError => 3,
            ExitCode::RolledBackOnFail => 4,
            ExitCode::OutcomeUnknown => 5,
            ExitCode::NoConnection => 6,
            ExitCode::Unchecked => 7,
            ExitCode::NoAnswer => 8,
            ExitCode::NotApplied => 9,
            ExitCode::Signalled(Signal::HangUp) => 129,
            ExitCode::Signalled(Signal::Interrupt) => 130,
            ExitCode::Signalled(Signal::Terminate) => 143,
        }
    }
}

impl Alarm {
    /// The exit code of a run that it ended after a rollback.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Alarm::HungUp => ExitCode::Signalled(Signal::HangUp),
            Alarm::Interrupted => ExitCode::Signalled(Signal::Interrupt),
            Alarm::Terminated => ExitCode::Signalled(Signal::Terminate),
            Alarm::PartDied(_) => ExitCode::RolledBackOnError,
            Alarm::Quit => ExitCode::RolledBack,
        }
    }
}
