//! `pg_dump` and `pg_restore` as children: what they may know of us, and where they connect.
//!
//! Arguments and environment of a process are open to others, so neither ever holds a password: it
//! goes through a passfile (I9). Nothing is run from here.

use super::passfile;
use super::pinned::Pinned;
use super::settings::{ServerAddress, Settings};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a child may know of our environment: none of libpq's variables, and no secret of others.
const ENVIRONMENT: &str = "PATH HOME USER LOGNAME TMPDIR TZ LD_LIBRARY_PATH SSL_CERT_FILE \
    SSL_CERT_DIR OPENSSL_CONF KRB5CCNAME KRB5_CONFIG";

/// A command that inherits no secret, reads nothing, and speaks untranslated.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ENVIRONMENT.split(' ') {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// What the service is called that a key's passphrase is handed over by.
const SERVICE: &str = "stagegate";

/// What leads a child to that service, behind its connection string.
pub const BY_SERVICE: &str = " service='stagegate'";

/// Writes the service file for a child into `path`, which must not be there yet, where there is a
/// passphrase to hand over: libpq takes one from a file in no other way. The child finds it by
/// `PGSERVICEFILE`.
///
/// # Errors
/// When it cannot be written, or when the passphrase is one that such a file cannot hold.
pub fn write_service(path: &Path, settings: &Settings) -> std::io::Result<bool> {
    let Some(secret) = settings.protection.passphrase() else {
        return Ok(false);
    };
    passfile::write_service(path, SERVICE, &secret)?;
    Ok(true)
}

/// The connection string that leads a child where `pinned` leads, and nowhere else. There is no
/// password in it; `passfile` names the file that has one, where there is such a file.
#[must_use]
pub fn conninfo(pinned: &Pinned, passfile: Option<&Path>) -> String {
    let (settings, host) = (pinned.settings(), pinned.host());
    let name = match host.nameless {
        // There is no name that a certificate could be for.
        true => None,
        false => Some(host.place.name()),
    };
    let address = match &host.place {
        ServerAddress::Tcp { address, .. } => address.clone(),
        ServerAddress::Socket(_) => None,
    };
    let timeout = settings.connect_timeout.as_secs().max(2);
    let values = [
        ("host", name),
        ("hostaddr", address),
        ("port", Some(host.port.to_string())),
        ("user", Some(settings.user.clone())),
        ("dbname", Some(settings.database.clone())),
        ("connect_timeout", Some(timeout.to_string())),
        ("application_name", Some(settings.application_name.clone())),
        ("options", settings.options.clone()),
        ("passfile", passfile.map(|path| path.display().to_string())),
    ];
    let protection = settings.protection.passed_on();
    let given = values
        .into_iter()
        .chain(protection.map(|(keyword, value)| (keyword, Some(value.to_owned()))))
        .filter_map(|(keyword, value)| Some((keyword, value.filter(|value| !value.is_empty())?)));
    given
        .map(|(keyword, value)| quote(keyword, &value))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The same with the passphrase of a key in it, for a pipe that nobody else reads.
pub(super) fn conninfo_with_passphrase(pinned: &Pinned) -> String {
    let mut conninfo = conninfo(pinned, None);
    if let Some(secret) = pinned.settings().protection.passphrase() {
        conninfo.push(' ');
        conninfo.push_str(&quote("sslpassword", secret.reveal()));
    }
    conninfo
}

fn quote(keyword: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('\'', "\\'");
    format!("{keyword}='{value}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::secret::Secret;
    use crate::database::settings::{ConnectionOptions, Host};
    use std::path::PathBuf;

    fn settings() -> Settings {
        let options = ConnectionOptions {
            host: Some("/tmp/o'dd \\ one".into()),
            user: Some("dba".into()),
            database: Some("wiser".into()),
            ..ConnectionOptions::default()
        };
        let mut settings = Settings::find(&options, &|_| None, None, &Path::is_dir).unwrap();
        settings.password = Some(Secret::new("a:b\\c".to_owned()));
        settings.application_name = "stagegate backup".into();
        settings
    }

    #[test]
    fn a_connection_string_is_quoted_and_names_the_passfile_never_the_password() {
        let pinned = Pinned::without_link(&settings());
        assert_eq!(
            conninfo(&pinned, Some(&PathBuf::from("/run/its own"))),
            r"host='/tmp/o\'dd \\ one' port='5432' user='dba' dbname='wiser' connect_timeout='10' application_name='stagegate backup' passfile='/run/its own' sslmode='prefer'"
        );
    }

    #[test]
    fn a_name_on_the_network_goes_with_the_one_address_that_answered() {
        let host = Host {
            place: ServerAddress::Tcp {
                host: "db.example".into(),
                address: Some("192.0.2.7".into()),
            },
            port: 5433,
            password: None,
            nameless: false,
        };
        let told = |nameless| {
            let hosts = vec![Host {
                nameless,
                ..host.clone()
            }];
            let settings = Settings {
                hosts,
                ..settings()
            };
            conninfo(&Pinned::without_link(&settings), None)
        };
        let said = told(false);
        let place = "host='db.example' hostaddr='192.0.2.7' port='5433' ";
        assert!(said.starts_with(place), "{said}");
        assert!(!said.contains("passfile"), "{said}");
        // Where only the address was given there is no name for a certificate to be compared with.
        let said = told(true);
        assert!(said.starts_with("hostaddr='192.0.2.7' port="), "{said}");
    }
}
