//! Password files: the person's, looked up as libpq does it, and one of our own for a child that is
//! libpq, the one way in which a secret goes to another program.
//!
//! Arguments and environment of a process are open to others; a file with mode 0600 in a folder of
//! ours is not. Whoever writes it removes it.

use super::secret::Secret;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// A person's password file, as far as libpq would read it.
#[derive(Default)]
pub struct Passfile(Zeroizing<Vec<u8>>);

/// Whom a password is looked up for, as the file names it.
#[derive(Debug, Clone, Copy)]
pub struct PassfileEntry<'a> {
    /// Host name, address or socket directory; `localhost` for the default socket directory.
    pub host: &'a str,
    /// Port, as it was written.
    pub port: &'a str,
    pub database: &'a str,
    pub user: &'a str,
}

impl Passfile {
    /// Reads a file. One that is not there holds nothing; one that others may read, or that is no
    /// file, is left alone with a warning, which is the `Err`.
    ///
    /// # Errors
    /// The warning.
    pub fn read(path: &Path) -> Result<Passfile, String> {
        let Ok(found) = std::fs::metadata(path) else {
            return Ok(Passfile::default());
        };
        let shown = path.display();
        if !found.is_file() {
            return Err(format!("password file \"{shown}\" is not a plain file"));
        }
        if found.permissions().mode() & 0o077 != 0 {
            return Err(format!(
                "password file \"{shown}\" has group or world access, so it is not used; \
                 permissions should be u=rw (0600) or less: chmod 600 {shown}"
            ));
        }
        Ok(Passfile(Zeroizing::new(
            std::fs::read(path).unwrap_or_default(),
        )))
    }

    /// The password of the first line that fits.
    pub fn find(&self, entry: PassfileEntry<'_>) -> Option<Secret> {
        if entry.database.is_empty() || entry.user.is_empty() {
            return None;
        }
        self.0
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.starts_with(b"#"))
            .find_map(|line| {
                let end = line.iter().rposition(|byte| *byte != b'\r')?;
                let mut rest = line.get(..=end)?;
                for field in [entry.host, entry.port, entry.database, entry.user] {
                    rest = after_field(rest, field.as_bytes())?;
                }
                Some(unescape(rest))
            })
    }
}

/// What follows a field that is `*` or means `wanted`.
fn after_field<'l>(line: &'l [u8], wanted: &[u8]) -> Option<&'l [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let (mut line, mut wanted) = (line, wanted);
    loop {
        match (line, wanted) {
            ([b':', rest @ ..], []) => return Some(rest),
            ([b'\\', byte, rest @ ..], [first, others @ ..]) if byte == first => {
                (line, wanted) = (rest, others);
            }
            ([b'\\', ..], _) => return None,
            ([byte, rest @ ..], [first, others @ ..]) if byte == first => {
                (line, wanted) = (rest, others);
            }
            _ => return None,
        }
    }
}

/// A password up to the next field, which means nothing here.
fn unescape(text: &[u8]) -> Secret {
    let mut password = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => break,
            b'\\' => password.push(bytes.next().unwrap_or(b'\\')),
            byte => password.push(byte),
        }
    }
    Secret::new(String::from_utf8_lossy(&password))
}

/// Writes a password file for any server into `path`, which must not be there yet.
///
/// # Errors
/// When it cannot be written, or when the password holds what such a file cannot.
pub fn write_passfile(path: &Path, password: &Secret) -> std::io::Result<()> {
    let password = password.reveal();
    if password.contains(['\n', '\r', '\0']) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the password holds a line break, and a password file cannot",
        ));
    }
    let escaped = Zeroizing::new(password.replace('\\', "\\\\").replace(':', "\\:"));
    writeln!(create_for_us_alone(path)?, "*:*:*:*:{}", *escaped)
}

/// A file that is not there yet, and that nobody else can read.
pub fn create_for_us_alone(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

/// A service file of one service with the passphrase of a key in it.
pub(super) fn write_service(path: &Path, name: &str, secret: &Secret) -> std::io::Result<()> {
    let secret = secret.reveal();
    let held = secret.trim_end() == secret && !secret.contains(['\n', '\0']) && secret.len() < 900;
    if !held {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the key's passphrase ends in a space or holds a line break, and a service file cannot",
        ));
    }
    write!(
        create_for_us_alone(path)?,
        "[{name}]\nsslpassword={secret}\n"
    )
}
