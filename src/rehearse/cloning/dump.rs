//! `pg_dump` and `pg_restore` as children: the schema of one server, put into another.
//!
//! A password reaches `pg_dump` through a passfile that its owner alone can read, never as an
//! argument or in the environment (I9). The archive and the passfile lie in the throw-away server's
//! folder, which goes with it however this process ends. What could reach from the clone to other
//! servers (user mappings, subscriptions) is not taken along.

use crate::database::client::{self, clean, conninfo};
use crate::database::passfile::{self, create_for_us_alone};
use crate::database::pinned::Pinned;
use crate::database::secret::Secret;
use crate::facts::Millis;
use crate::runbook::printable::printable;
use crate::sandbox::Sandbox;
use crate::sandbox::programs::{Clients, Programs, Search};
use color_eyre::eyre::{Report, WrapErr, eyre};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Those that came with the throw-away server, so that they say nothing it does not know; else the
/// newest.
///
/// # Errors
/// When there are none, or none for a server of major version `major`.
pub(super) fn find_clients(programs: &Programs, major: u32) -> Result<Clients, Report> {
    let own = Search {
        only: programs.postgres.parent().map(Path::to_owned),
        ..Search::default()
    };
    own.clients(major)
        .or_else(|_| Search::here().clients(major))
        .map_err(|why| eyre!("{}", printable(&why)))
}

/// Dumps the schema into an archive in `folder`.
pub(super) fn dump_schema(
    clients: &Clients,
    pinned: &Pinned,
    folder: &Path,
    lock_timeout: Millis,
) -> Result<PathBuf, Report> {
    // It lives until the dump is done.
    let passfile = ChildPassfile::of(pinned.password().as_ref(), folder)?;
    let archive = folder.join("schema.dump");
    let there = pinned.with(|settings| {
        settings.application_name = "stagegate rehearse".into();
        settings.add_options("-c default_transaction_read_only=on");
    });
    let passfile = passfile.as_ref().map(|file| file.0.as_path());
    let mut command = clean(&clients.pg_dump);
    let service = ChildPassfile(folder.join("service"));
    let handed = client::write_service(&service.0, pinned.settings())
        .wrap_err("the service file cannot be written")?;
    if handed {
        command.env("PGSERVICEFILE", &service.0);
    }
    command
        .args(["--schema-only", "--create", "--format=custom"])
        .args([
            "--no-subscriptions",
            "--no-security-labels",
            "--no-password",
        ])
        .arg(format!("--lock-wait-timeout={lock_timeout}"))
        .arg("--dbname")
        .arg(format!(
            "{}{}",
            conninfo(&there, passfile),
            if handed { client::BY_SERVICE } else { "" }
        ))
        // Through us, so that it ends by itself when we do.
        .stdout(Stdio::piped());
    let dumped = run_to_end(command, "pg_dump")?;
    create_for_us_alone(&archive)
        .and_then(|mut file| file.write_all(&dumped))
        .wrap_err("the dump cannot be written")?;
    Ok(archive)
}

/// Puts an archive into the throw-away server: the database of its name is made there.
pub(super) fn restore_schema(
    clients: &Clients,
    archive: &Path,
    sandbox: &Sandbox,
    maintenance: &str,
) -> Result<(), Report> {
    let mut command = clean(&clients.pg_restore);
    command.arg("--list").arg(archive).stdout(Stdio::piped());
    let list = run_to_end(command, "pg_restore --list")?;
    let list = String::from_utf8_lossy(&list);
    let path = archive.with_extension("list");
    create_for_us_alone(&path)
        .and_then(|mut file| file.write_all(without_other_servers(&list).as_bytes()))
        .wrap_err("the list of what is to be restored cannot be written")?;
    let mut command = clean(&clients.pg_restore);
    command
        .args(["--create", "--exit-on-error", "--no-tablespaces"])
        .args([
            "--no-subscriptions",
            "--no-security-labels",
            "--no-password",
        ])
        .arg("--use-list")
        .arg(&path)
        .arg("--host")
        .arg(sandbox.socket_dir())
        .args(["--port", &sandbox.port().to_string()])
        .args(["--username", sandbox.superuser()])
        .args(["--dbname", maintenance])
        .arg(archive)
        .stdout(Stdio::null());
    run_to_end(command, "pg_restore").map(|_| ())
}

/// Runs it to its end; its standard output, where it was piped.
fn run_to_end(mut command: Command, name: &str) -> Result<Vec<u8>, Report> {
    let output = command
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .wrap_err_with(|| format!("{name} cannot be run"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let hint = match said.contains("permission denied") {
        true => {
            " (it takes a role that may read every table of the database, such as a member of \
                 pg_read_all_data: name it with -U)"
        }
        false => "",
    };
    Err(eyre!(
        "{name} failed ({}): {}{hint}",
        output.status,
        printable(&lines.join(" | "))
    ))
}

/// A passfile for one child. It is gone when this is dropped.
struct ChildPassfile(PathBuf);

impl ChildPassfile {
    fn of(password: Option<&Secret>, folder: &Path) -> Result<Option<ChildPassfile>, Report> {
        let Some(password) = password else {
            return Ok(None);
        };
        let file = ChildPassfile(folder.join("passfile"));
        passfile::write_passfile(&file.0, password)
            .wrap_err("the password file cannot be written")?;
        Ok(Some(file))
    }
}

impl Drop for ChildPassfile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The list of an archive without its user mappings: they hold passwords of other servers.
fn without_other_servers(list: &str) -> String {
    list.lines()
        .filter(|line| {
            // `3456; 1418 16789 USER MAPPING - …`
            let mut words = line.splitn(4, ' ');
            !words
                .nth(3)
                .is_some_and(|rest| rest.starts_with("USER MAPPING "))
        })
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_is_in_a_file_for_its_owner_alone_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let password = Secret::new("a:b\\c".to_owned());
        let passfile = ChildPassfile::of(Some(&password), folder.path())
            .unwrap()
            .unwrap();
        let path = passfile.0.clone();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "*:*:*:*:a\\:b\\\\c\n"
        );
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(passfile);
        assert!(!path.exists());
    }

    #[test]
    fn what_reaches_other_servers_is_not_restored() {
        let list = "; 12; 3 USER MAPPING\n7; 1259 16386 TABLE public USER MAPPING dba\n\
                    9; 1418 16400 USER MAPPING - USER MAPPING dba SERVER far dba\n";
        let kept = without_other_servers(list);
        assert!(kept.contains("TABLE public"), "{kept}");
        assert!(!kept.contains("SERVER far"), "{kept}");
    }
}
