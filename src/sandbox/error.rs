//! Why a throw-away server could not be had, in words for the person who asked for it.
//!
//! What comes from the server's log or from a program's output is data: it is cleaned of control
//! characters before it gets in here.

use std::path::PathBuf;

/// Why a throw-away server could not be started, stopped or filled.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No usable `initdb` and `postgres` on this machine.
    #[error(
        "No PostgreSQL server programs (initdb and postgres, version {oldest} or newer) were found.\n\
         Looked in:\n{looked}\n\
         To install them:  {install}\n\
         If they are somewhere else, set {variable} to the folder that holds both.",
        oldest = super::programs::OLDEST_MAJOR,
        variable = super::programs::OVERRIDE_VARIABLE,
    )]
    NoPrograms {
        /// One line for each place that was searched, with what was wrong there.
        looked: String,
        /// The one line that installs them on this system.
        install: String,
    },

    /// The override variable points at a folder that does not hold what it should.
    #[error(
        "{variable} is set to {}, but {problem}.\n\
         Set it to a folder that holds initdb and postgres, or unset it to search the usual places.",
        folder.display(),
        variable = super::programs::OVERRIDE_VARIABLE,
    )]
    Override {
        /// The folder named by the variable.
        folder: PathBuf,
        problem: String,
    },

    /// No folder was fit to hold the server's files.
    #[error("No folder can hold the throw-away server's files:\n{tried}")]
    NoPlace {
        /// One line for each folder, with the reason.
        tried: String,
    },

    /// We are root, and there is nobody else to be.
    #[error(
        "PostgreSQL refuses to run as root, and this system has neither a user \"postgres\" nor \
         a user \"nobody\" to run it as. Start stagegate as an ordinary user."
    )]
    NoServerUser,

    #[error("Could not {doing}: {source}")]
    Io {
        /// What was being done, as the end of the sentence "Could not …".
        doing: String,
        source: std::io::Error,
    },

    #[error("initdb could not make the throw-away server's files ({status}):\n{output}")]
    Initdb {
        status: String,
        /// The end of what it printed.
        output: String,
    },

    /// The server ended before it was ready, or did not become ready.
    #[error("The throw-away server did not start: {why}.\nThe end of its log:\n{log_tail}")]
    NotStarted {
        why: String,
        /// The last lines of the server's log.
        log_tail: String,
    },

    #[error(
        "The throw-away server (process {pid}) did not stop within {seconds} s and was killed.\n\
         The end of its log:\n{log_tail}"
    )]
    NotStopped {
        pid: u32,
        /// How long it was given, in seconds.
        seconds: u64,
        /// The last lines of the server's log.
        log_tail: String,
    },

    /// The throw-away server refused what the demo asked of it.
    #[error("The throw-away server refused to {doing}: {problem}")]
    Sql {
        /// What was being done, as the end of the sentence "refused to …".
        doing: String,
        problem: String,
    },
}

impl SandboxError {
    /// Wraps what the system said about something we were doing ("Could not `doing`: …").
    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// The last `lines` lines of a program's output, indented, without control characters.
pub(super) fn tail(text: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let all: Vec<&str> = text.lines().collect();
    let kept: Vec<String> = all
        .iter()
        .skip(all.len().saturating_sub(lines))
        .map(|line| {
            let clean: String = line.chars().filter(|c| !c.is_control()).collect();
            format!("  {clean}")
        })
        .collect();
    if kept.is_empty() {
        "  (empty)".to_owned()
    } else {
        kept.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn tail_keeps_the_last_lines_and_no_control_characters() {
        assert_eq!(tail(b"one\ntwo\x1b[31m\nthree\n", 2), "  two[31m\n  three");
        assert_eq!(tail(b"", 2), "  (empty)");
    }
}
