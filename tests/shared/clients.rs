//! Client programs as the tests run them: those that came with the server's programs, else those of
//! PATH.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stagegate::sandbox::Sandbox;
use stagegate::sandbox::programs::Programs;

/// Where it is. An older one than the server will do: it sends a file's text all the same.
pub fn find_psql() -> Option<PathBuf> {
    let programs = Programs::find().unwrap_or_else(|error| panic!("{error}"));
    let own = programs.postgres.parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    own.into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join("psql"))
        .find(|program| program.is_file())
}

/// `psql` at a database of that server, which reads nothing but what it is given.
pub fn psql(program: &Path, sandbox: &Sandbox, database: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["-X", "-d", database, "-U", sandbox.superuser(), "-h"])
        .arg(sandbox.socket_dir())
        .args(["-p", &sandbox.port().to_string()]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}
