//! `psql` at a database of a sandbox.

use std::path::Path;
use std::process::{Command, Stdio};

use stagegate::sandbox::Sandbox;

/// It reads nothing but what it is given: no settings of anybody's, no variable of libpq's.
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
