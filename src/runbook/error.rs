//! Why a runbook cannot be loaded, walked or written.

use std::path::PathBuf;

/// Why a runbook cannot be loaded or written. No database was reached.
#[derive(Debug, thiserror::Error)]
pub enum RunbookError {
    #[error("{path} cannot be read: {why}", path = .path.display())]
    Unreadable { path: PathBuf, why: String },
    /// A bare word that is neither a folder nor a file.
    #[error("there is no runbook {path}. If you mean a database: -d {path}", path = .path.display())]
    NoSuchRunbook { path: PathBuf },
    /// Where psql takes a connection string. It may hold a password, so it is not repeated.
    #[error(
        "a connection string stands after -d here; without an option stands a runbook or a script"
    )]
    NoConnection,
    #[error(
        "{path} has no runbook.toml. Name a folder that has one, or a .sql file; \
         `stagegate export DIR` writes an example",
        path = .path.display()
    )]
    NoManifest { path: PathBuf },
    #[error("{path}:{line}: {key}{message}", path = .path.display(), key = shown_key(.key))]
    Manifest {
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        key: Option<String>,
        /// What is wrong and what to do.
        message: String,
    },
    /// A runbook without a way back.
    #[error(
        "the runbook names no rollback script, so there is none to walk. Name them in its \
         runbook.toml: rollback = [\"rollback/….sql\"]"
    )]
    NoRollback,
    #[error(
        "there is no rollback script whose name begins with {to}; there are {known}, in this \
         order"
    )]
    NoSuchRollback { to: String, known: String },
    /// Nothing in the rollback scripts says `(if needed)`.
    #[error(
        "--without-restore leaves out sections whose title ends with (if needed), and there is \
         none in {scripts}. Leave the flag away"
    )]
    NothingToLeaveOut { scripts: String },
    /// A file that would be written is there already.
    #[error("{path} exists already and is not overwritten; name another folder.", path = .path.display())]
    Exists { path: PathBuf },
    /// A file or folder cannot be written.
    #[error("{path} cannot be written: {error}.", path = .path.display())]
    Unwritable {
        path: PathBuf,
        error: std::io::Error,
    },
}

fn shown_key(key: &Option<String>) -> String {
    key.as_ref()
        .map_or_else(String::new, |key| format!("key `{key}`: "))
}
