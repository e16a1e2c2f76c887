//! Host, address and port lists, matched up as libpq does it.

use std::path::{Path, PathBuf};

use super::SettingsError;
use super::keywords::Values;

/// One place where a server may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// How to reach it.
    pub place: Place,
    /// Port, also part of a socket's name.
    pub port: u16,
}

/// A socket directory or a name on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory that holds the server's unix socket.
    Socket(PathBuf),
    /// TCP.
    Tcp {
        /// Host name, as asked for.
        host: String,
        /// Address to use instead of looking the name up.
        address: Option<String>,
    },
}

impl Place {
    /// The socket directory or the host name, as a target is called by it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Place::Socket(directory) => directory.display().to_string(),
            Place::Tcp { host, .. } => host.clone(),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Socket(directory) => {
                write!(f, "socket {}/.s.PGSQL.{}", directory.display(), self.port)
            }
            Place::Tcp { host, .. } => write!(f, "{host} port {}", self.port),
        }
    }
}

/// libpq's built-in port.
const PORT: u16 = 5432;

/// Where servers put their sockets when nobody says otherwise: Debian's place, then upstream's.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The places to try, in order.
pub(super) fn hosts(
    values: &Values,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<Vec<Host>, SettingsError> {
    let list = |keyword: &str| -> Vec<&str> {
        values
            .get(keyword)
            .map_or(Vec::new(), |v| v.split(',').collect())
    };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(SettingsError::Lists(format!(
            "could not match {} host names to {} hostaddr values",
            names.len(),
            addresses.len()
        )));
    }
    let count = names.len().max(addresses.len()).max(1);
    if ports.len() > 1 && ports.len() != count {
        return Err(SettingsError::Lists(format!(
            "could not match {} port numbers to {count} hosts",
            ports.len()
        )));
    }
    (0..count)
        .map(|i| {
            let one_for_all = if ports.len() == 1 { 0 } else { i };
            let port = port(ports.get(one_for_all).copied().unwrap_or_default())?;
            let name = names.get(i).copied().unwrap_or_default();
            let address = addresses.get(i).copied().unwrap_or_default();
            Ok(Host {
                place: place(name, address, exists),
                port,
            })
        })
        .collect()
}

fn place(name: &str, address: &str, exists: &dyn Fn(&Path) -> bool) -> Place {
    if !address.is_empty() {
        let host = if name.is_empty() { address } else { name };
        return Place::Tcp {
            host: host.to_owned(),
            address: Some(address.to_owned()),
        };
    }
    // `@` leads an abstract socket.
    if name.starts_with('/') || name.starts_with('@') {
        return Place::Socket(PathBuf::from(name));
    }
    if !name.is_empty() {
        return Place::Tcp {
            host: name.to_owned(),
            address: None,
        };
    }
    match SOCKET_DIRECTORIES.iter().find(|d| exists(Path::new(d))) {
        Some(directory) => Place::Socket(PathBuf::from(directory)),
        None => Place::Tcp {
            host: "localhost".into(),
            address: None,
        },
    }
}

fn port(text: &str) -> Result<u16, SettingsError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(PORT);
    }
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(SettingsError::Value {
            keyword: "port",
            value: text.to_owned(),
            help: ": a number from 1 to 65535".into(),
        }),
    }
}
