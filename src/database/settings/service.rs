//! Service files, read as libpq reads them: no spaces around `=`, no quotes, the first of a name wins.

use std::path::{Path, PathBuf};

use super::SettingsError;
use super::keywords::{Values, keyword};

/// libpq's buffer for a line, less its end.
const LONGEST_LINE: usize = 1022;

/// Where packagers let libpq look for the whole machine's file: Debian, PGDG's packages for Red Hat,
/// distributions that set `/etc`, and a build by hand.
const SYSTEM_FOLDERS: [&str; 4] = [
    "/etc/postgresql-common",
    "/etc/sysconfig/pgsql",
    "/etc/postgresql",
    "/usr/local/pgsql/etc",
];

/// Adds what the service `name` says to `values`; what is there already stays.
pub(super) fn add(
    values: &mut Values,
    name: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), SettingsError> {
    let home = environment("HOME").filter(|home| !home.is_empty());
    let own = match environment("PGSERVICEFILE") {
        Some(file) => Some(PathBuf::from(file)),
        None => home
            .map(|home| Path::new(&home).join(".pg_service.conf"))
            .filter(|path| path.exists()),
    };
    let system = match environment("PGSYSCONFDIR") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => SYSTEM_FOLDERS.iter().map(PathBuf::from).collect(),
    };
    let system = system
        .into_iter()
        .map(|folder| folder.join("pg_service.conf"))
        .find(|path| path.exists());
    for file in own.into_iter().chain(system) {
        if read_service(values, name, &file)? {
            return Ok(());
        }
    }
    Err(SettingsError::Service(format!(
        "definition of service \"{name}\" not found"
    )))
}

fn read_service(values: &mut Values, name: &str, file: &Path) -> Result<bool, SettingsError> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| {
        SettingsError::Service(match error.kind() {
            std::io::ErrorKind::NotFound => format!("service file \"{shown}\" not found"),
            _ => format!("service file \"{shown}\" cannot be read: {error}"),
        })
    })?;
    let wrong = |number: usize, what: &str| {
        SettingsError::Service(format!("{what} in service file \"{shown}\", line {number}"))
    };
    let mut here = false;
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = at + 1;
        if line.len() > LONGEST_LINE {
            return Err(wrong(number, "a line is too long"));
        }
        let Ok(line) = std::str::from_utf8(line) else {
            match here {
                true => return Err(wrong(number, "a line is not UTF-8")),
                false => continue,
            }
        };
        let line = line.trim_matches(super::conninfo::blank);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            // The next header ends the service.
            if here {
                return Ok(true);
            }
            here = header
                .strip_prefix(name)
                .is_some_and(|after| after.starts_with(']'));
            continue;
        }
        if !here {
            continue;
        }
        if line.starts_with("ldap") {
            return Err(wrong(
                number,
                "settings from an LDAP server are not supported",
            ));
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(wrong(number, "syntax error"));
        };
        if key == "service" {
            return Err(wrong(number, "nested service specifications not supported"));
        }
        let key = keyword(key).map_err(|_| wrong(number, "syntax error"))?;
        values.entry(key).or_insert_with(|| value.to_owned());
    }
    Ok(here)
}
