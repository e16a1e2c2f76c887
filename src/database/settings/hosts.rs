//! Host, address and port lists, matched up as libpq does it.

use std::path::{Path, PathBuf};

use super::SettingsError;
use super::keywords::Values;
use crate::database::passfile::{Passfile, PassfileEntry};
use crate::database::secret::Secret;

/// One place where a server may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub place: ServerAddress,
    /// Port, also part of a socket's name.
    pub port: u16,
    /// Its password out of the password file, where nobody gave another.
    pub password: Option<Secret>,
    /// Only its address was given: there is no name that a certificate could be for.
    pub nameless: bool,
}

/// A socket directory or a name on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAddress {
    /// A directory that holds the server's unix socket.
    Socket(PathBuf),
    Tcp {
        /// Host name, as asked for.
        host: String,
        /// Address to use instead of looking the name up.
        address: Option<String>,
    },
}

impl ServerAddress {
    /// The socket directory or the host name, as a target is called by it.
    pub fn name(&self) -> String {
        match self {
            ServerAddress::Socket(directory) => directory.display().to_string(),
            ServerAddress::Tcp { host, .. } => host.clone(),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            ServerAddress::Socket(directory) => {
                write!(f, "socket {}/.s.PGSQL.{}", directory.display(), self.port)
            }
            ServerAddress::Tcp { host, .. } => write!(f, "{host} port {}", self.port),
        }
    }
}

const PORT: u16 = 5432;

/// Where servers put their sockets when nobody says otherwise: Debian's place, then upstream's.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// What a host is called in a password file when it is the usual one.
const LOCALHOST: &str = "localhost";

/// The list in `keyword`; `None` where it is not given.
fn list<'v>(values: &'v Values, keyword: &str) -> Option<Vec<&'v str>> {
    super::look_up_keyword(values, keyword).map(|text| text.split(',').collect())
}

/// The places to try, in order.
pub(super) fn hosts(
    values: &Values,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<Vec<Host>, SettingsError> {
    let names = list(values, "host");
    let addresses = list(values, "hostaddr");
    let ports = list(values, "port").unwrap_or_default();
    let count = match (&addresses, &names) {
        (Some(addresses), Some(names)) if names.len() != addresses.len() => {
            return Err(SettingsError::Lists(format!(
                "could not match {} host names to {} hostaddr values",
                names.len(),
                addresses.len()
            )));
        }
        (Some(list), _) | (None, Some(list)) => list.len(),
        (None, None) => 1,
    };
    if ports.len() > 1 && ports.len() != count {
        return Err(SettingsError::Lists(format!(
            "could not match {} port numbers to {count} hosts",
            ports.len()
        )));
    }
    let at = |list: &Option<Vec<&'_ str>>, i: usize| {
        list.as_ref()
            .and_then(|list| list.get(i).map(|text| (*text).to_owned()))
            .unwrap_or_default()
    };
    (0..count)
        .map(|i| {
            let one_for_all = if ports.len() == 1 { 0 } else { i };
            Ok(Host {
                place: place(&at(&names, i), &at(&addresses, i), exists),
                port: port(ports.get(one_for_all).copied().unwrap_or_default())?,
                password: None,
                nameless: at(&names, i).is_empty() && !at(&addresses, i).is_empty(),
            })
        })
        .collect()
}

/// Looks each host's password up. A file names a host as it was asked for, and the default socket
/// directory alone counts as `localhost`.
pub(super) fn look_passwords_up(
    hosts: &mut [Host],
    values: &Values,
    file: &Passfile,
    (database, user): (&str, &str),
    exists: &dyn Fn(&Path) -> bool,
) {
    let ports = list(values, "port").unwrap_or_default();
    let usual = usual_directory(exists);
    for (i, host) in hosts.iter_mut().enumerate() {
        let one_for_all = if ports.len() == 1 { 0 } else { i };
        let port = match ports.get(one_for_all) {
            Some(port) if !port.is_empty() => (*port).to_owned(),
            Some(_) | None => PORT.to_string(),
        };
        let name = match &host.place {
            ServerAddress::Socket(directory) if Some(directory.as_path()) == usual => {
                LOCALHOST.to_owned()
            }
            place => place.name(),
        };
        let entry = PassfileEntry {
            host: &name,
            port: &port,
            database,
            user,
        };
        host.password = file.find(entry).filter(|found| !found.is_empty());
    }
}

fn usual_directory(exists: &dyn Fn(&Path) -> bool) -> Option<&'static Path> {
    SOCKET_DIRECTORIES
        .into_iter()
        .map(Path::new)
        .find(|directory| exists(directory))
}

fn place(name: &str, address: &str, exists: &dyn Fn(&Path) -> bool) -> ServerAddress {
    let tcp = |host: &str, address: Option<&str>| ServerAddress::Tcp {
        host: host.to_owned(),
        address: address.map(str::to_owned),
    };
    if !address.is_empty() {
        let host = if name.is_empty() { address } else { name };
        return tcp(host, Some(address));
    }
    // `@` leads an abstract socket.
    if name.starts_with('/') || name.starts_with('@') {
        return ServerAddress::Socket(PathBuf::from(name));
    }
    if !name.is_empty() {
        return tcp(name, None);
    }
    match usual_directory(exists) {
        Some(directory) => ServerAddress::Socket(directory.to_owned()),
        None => tcp(LOCALHOST, None),
    }
}

fn port(text: &str) -> Result<u16, SettingsError> {
    if text.is_empty() {
        return Ok(PORT);
    }
    match super::whole("port", text).ok().map(u16::try_from) {
        Some(Ok(port)) if port > 0 => Ok(port),
        _ => Err(SettingsError::Value {
            keyword: "port",
            value: text.to_owned(),
            help: ": a number from 1 to 65535".into(),
        }),
    }
}
