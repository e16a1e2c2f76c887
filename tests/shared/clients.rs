//! `psql`, `pg_dump` and `pg_restore` as the tests run them.

use std::path::{Path, PathBuf};

use stagegate::sandbox::programs::Programs;

/// Where a client program is: beside the server's programs, else in PATH.
pub fn find_client(name: &str) -> Option<PathBuf> {
    let programs = Programs::find().unwrap_or_else(|error| panic!("{error}"));
    let own = programs.postgres.parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    own.into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
