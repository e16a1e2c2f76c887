//! A password file for a child that is libpq: the one way in which a secret goes to another program.
//!
//! Arguments and environment of a process are open to others; a file with mode 0600 in a folder of
//! ours is not. Whoever writes it removes it.

use super::secret::Secret;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a password file for any server into `path`, which must not be there yet.
///
/// # Errors
/// When it cannot be written, or when the password holds what such a file cannot.
pub fn write(path: &Path, password: &Secret) -> std::io::Result<()> {
    let password = password.reveal();
    if password.contains(['\n', '\r', '\0']) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the password holds a line break, and a password file cannot",
        ));
    }
    let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "*:*:*:*:{escaped}")
}
