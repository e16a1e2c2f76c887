//! The one server that a run is about, from the moment it was reached.
//!
//! A list of hosts, or a name with several addresses, serves to choose a server once. From then on
//! every connection of the run goes to the address that was reached: the monitor, the questions after
//! a lost link, what children and the sentry open. Another server of the list would be watched, asked
//! or ended in its place, by a process number that means somebody else there.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::link::Link;
use super::secret::Secret;
use super::settings::{Host, ServerAddress, SessionAttributes, Settings};
use super::stream::{Endpoint, numeric};
use super::{admission, connect};
use crate::facts::ServerMessage;

/// Why the rest of a list is left in peace.
const ALONE: &str = "no other host of the list is asked, because this one was reached first; to choose \
                     anew, leave and start again";

/// Settings that lead to one address. Only a link that was opened makes them.
#[derive(Debug, Clone)]
pub struct Pinned {
    settings: Settings,
    host: Host,
    endpoint: Endpoint,
    chosen: bool,
}

impl Pinned {
    /// What leads once more to where `link` leads, as protected as it is. What kind of server
    /// `target_session_attrs` asked for is no question any more.
    pub fn of(settings: &Settings, link: &Link) -> Pinned {
        let endpoint = link.endpoint().clone();
        let host = Host {
            place: match &endpoint {
                Endpoint::Tcp(address) => ServerAddress::Tcp {
                    host: link.host().place.name(),
                    address: Some(numeric(*address)),
                },
                Endpoint::Unix(_) => link.host().place.clone(),
            },
            ..link.host().clone()
        };
        Pinned {
            settings: Settings {
                hosts: vec![host.clone()],
                shuffled: false,
                session_attributes: SessionAttributes::Any,
                protection: match link.tls() {
                    Some(_) => settings.protection.enforced(),
                    None => settings.protection.clone(),
                },
                ..settings.clone()
            },
            host,
            endpoint,
            chosen: settings.hosts.len() > 1,
        }
    }

    /// The first host of `settings`, as if it had been reached.
    #[cfg(test)]
    pub(super) fn without_link(settings: &Settings) -> Pinned {
        Pinned {
            host: settings.hosts.first().cloned().unwrap(),
            settings: settings.clone(),
            endpoint: Endpoint::Unix(std::path::PathBuf::new()),
            chosen: false,
        }
    }

    /// The same with other settings beside the place, which stays.
    pub fn with(&self, change: impl FnOnce(&mut Settings)) -> Pinned {
        let mut other = self.clone();
        change(&mut other.settings);
        other
    }

    /// Opens a link there.
    pub async fn open(&self) -> Result<Link, ServerMessage> {
        connect::connect_at(&self.settings, &self.host, &self.endpoint)
            .await
            .map_err(|why| match self.chosen {
                true => ServerMessage {
                    hint: Some(match &why.hint {
                        Some(hint) => format!("{hint}; {ALONE}"),
                        None => ALONE.to_owned(),
                    }),
                    ..why
                },
                false => why,
            })
    }

    /// The host, with the address that was reached in place of a name to be looked up.
    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn password(&self) -> Option<Secret> {
        self.settings.password_for(&self.host)
    }
}

/// Where a run connects: to any server of its settings at first, and to that one only from then on.
/// Clones share what was reached.
#[derive(Debug, Clone)]
pub struct Aim {
    settings: Settings,
    reached: Arc<OnceLock<Pinned>>,
}

impl From<Settings> for Aim {
    fn from(settings: Settings) -> Aim {
        Aim {
            settings,
            reached: Arc::default(),
        }
    }
}

impl Aim {
    /// Opens a link.
    pub async fn open(&self) -> Result<Link, ServerMessage> {
        self.open_with(|_| {}).await
    }

    /// The same with `change` made to the settings.
    pub async fn open_with(
        &self,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Link, ServerMessage> {
        match self.reached.get() {
            Some(pinned) => pinned.with(change).open().await,
            None => {
                let mut settings = self.settings.clone();
                change(&mut settings);
                // Only here anybody is asked for a password: what was reached once is reached with what
                // is known by then.
                admission::connect_asking(&settings).await
            }
        }
    }

    /// The server that `link` leads to is the one, if there is none yet.
    pub fn pin(&self, link: &Link) {
        self.reached
            .get_or_init(|| Pinned::of(&self.settings, link));
    }

    /// The address that was asked for beside that name (`hostaddr`).
    pub fn address_asked(&self, name: &str, port: u16) -> Option<String> {
        let mut hosts = self.settings.hosts.iter();
        let named = hosts.find(|host| host.port == port && host.place.name() == name)?;
        match &named.place {
            ServerAddress::Tcp { address, host } => {
                address.clone().filter(|address| address != host)
            }
            ServerAddress::Socket(_) => None,
        }
    }

    pub fn pinned(&self) -> Option<&Pinned> {
        self.reached.get()
    }

    /// How long one address may take.
    pub fn connect_timeout(&self) -> Duration {
        self.settings.connect_timeout
    }
}
