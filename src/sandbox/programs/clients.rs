//! Finds `pg_dump` and `pg_restore` for a server of a given version.
//!
//! `pg_dump` refuses a server newer than itself, so the newest that is on this machine is taken, and
//! one that is too old is told with what to install.

use super::{OVERRIDE_VARIABLE, Search, asked_for_version, expand, leading_number, version_in};
use std::fs;
use std::path::{Path, PathBuf};

/// A pair of client programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    pub pg_dump: PathBuf,
    pub pg_restore: PathBuf,
    /// The version as `pg_dump` tells it, such as `15.18`.
    pub version: String,
}

impl Search {
    /// The newest programs that can dump a server of this major version.
    ///
    /// # Errors
    /// In words, with what to install, when there are none or they are too old.
    pub fn clients(&self, server_major: u32) -> Result<Clients, String> {
        let mut folders: Vec<PathBuf> = match &self.only {
            Some(folder) => vec![folder.clone()],
            None => {
                let path = self.path.clone().unwrap_or_default();
                let usual = self.folders.iter().flat_map(|pattern| expand(pattern));
                std::env::split_paths(&path).chain(usual).collect()
            }
        };
        let mut seen = Vec::new();
        folders.retain(|folder| {
            let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
            let new = !seen.contains(&real);
            seen.push(real);
            new
        });
        let mut found: Vec<Clients> = folders.iter().filter_map(|f| examine(f)).collect();
        found.sort_by_key(|clients| {
            let minor = clients.version.split('.').nth(1).map_or(0, leading_number);
            std::cmp::Reverse((leading_number(&clients.version), minor))
        });
        let install = format!(
            "install PostgreSQL {server_major}'s client programs (Debian and Ubuntu: \
             postgresql-client-{server_major}, RPM: postgresql{server_major}), or name their folder \
             in {OVERRIDE_VARIABLE}"
        );
        match found.into_iter().next() {
            Some(clients) if leading_number(&clients.version) >= server_major => Ok(clients),
            Some(clients) => Err(format!(
                "{} is version {}, too old for a server of version {server_major}: {install}",
                clients.pg_dump.display(),
                clients.version
            )),
            None => Err(match &self.only {
                Some(folder) => format!(
                    "there is no pg_dump with its pg_restore in {}, which {OVERRIDE_VARIABLE} \
                     names: {install}",
                    folder.display()
                ),
                None => format!("no pg_dump with its pg_restore is on this machine: {install}"),
            }),
        }
    }
}

fn examine(folder: &Path) -> Option<Clients> {
    let (pg_dump, pg_restore) = (folder.join("pg_dump"), folder.join("pg_restore"));
    // Debian's wrapper picks a version of its own mind; the real ones are in their usual folder.
    let real = fs::canonicalize(&pg_dump).ok()?;
    if real.ends_with("pg_wrapper") || !pg_restore.is_file() {
        return None;
    }
    let output = asked_for_version(&pg_dump).ok()?;
    let version = version_in(&String::from_utf8_lossy(&output.stdout))?.to_owned();
    Some(Clients {
        pg_dump,
        pg_restore,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn programs(folder: &Path, version: &str) {
        fs::create_dir_all(folder).unwrap();
        for name in ["pg_dump", "pg_restore"] {
            let path = folder.join(name);
            let text = format!("#!/bin/sh\necho '{name} (PostgreSQL) {version} (Debian x)'\n");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn the_newest_that_is_not_older_than_the_server_is_taken() {
        let home = tempfile::tempdir().unwrap();
        for version in ["9.6.24", "15.9", "15.18"] {
            programs(&home.path().join(version).join("bin"), version);
        }
        let search = Search {
            folders: vec![format!("{}/*/bin", home.path().display())],
            ..Search::default()
        };
        assert_eq!(search.clients(13).unwrap().version, "15.18");
        assert_eq!(search.clients(15).unwrap().version, "15.18");
        let why = search.clients(17).unwrap_err();
        assert!(why.contains("version 15.18, too old for a server"), "{why}");
        assert!(why.contains("postgresql-client-17"), "{why}");
    }

    #[test]
    fn the_named_folder_is_the_only_one() {
        let home = tempfile::tempdir().unwrap();
        programs(&home.path().join("16/bin"), "16.1");
        let search = Search {
            only: Some(home.path().join("empty")),
            path: None,
            folders: vec![format!("{}/*/bin", home.path().display())],
        };
        let why = search.clients(13).unwrap_err();
        assert!(why.contains("STAGEGATE_PG_BIN names"), "{why}");
    }
}
