//! Files that end: what is not an ordinary file is not waited for.
//!
//! A pipe may stand where a file was, and nobody may ever write into it.

use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why anything else is not read.
pub(crate) const NOT_ORDINARY: &str = "it is not an ordinary file";

/// The bytes of an ordinary file. It never waits for somebody to write.
///
/// # Errors
/// Where it cannot be read, or is a folder, a pipe, a device: [`NOT_ORDINARY`].
pub(crate) fn read_ordinary_file(path: &Path) -> io::Result<Vec<u8>> {
    let not_ordinary = || io::Error::other(NOT_ORDINARY);
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let mut file = match opened {
        // A socket cannot be opened at all.
        Err(_) if path.exists() && !path.is_file() => return Err(not_ordinary()),
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(not_ordinary());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
