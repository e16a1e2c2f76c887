//! What the session really reached.

use crate::runbook::targets::{self, Named, Reached};

/// The server, database and role that the session really reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Target {
    /// Host name or socket directory, as asked for.
    pub host: String,
    /// The address that was asked for beside the name (`hostaddr`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostaddr: Option<String>,
    /// The server's own address, where it has one.
    pub address: Option<String>,
    pub port: u16,
    /// `current_database()`
    pub database: String,
    /// `current_user`
    pub role: String,
    /// `session_user`, where it differs.
    pub session_role: Option<String>,
    pub server_version: String,
    pub server_version_num: u32,
    /// `system_identifier`, where the role may see it.
    pub system_identifier: Option<String>,
    /// `timeline_id`, where the role may see it.
    pub timeline: Option<u32>,
    /// When the server's statistics began, in seconds. They survive a clean restart and start anew
    /// after a crash, and every role may see it: so this tells whether the server crashed since.
    pub recovered: Option<String>,
    /// When the server process was started, in seconds: no two have the same.
    #[serde(default)]
    pub started: Option<String>,
    /// The server's clock when it was asked all this, in seconds.
    #[serde(default)]
    pub asked_at: Option<String>,
    /// Since when the server's data directory is the one it is (the change time of a file that
    /// nobody changes), in seconds, where the role may see it. A copy has another.
    #[serde(default)]
    pub files_since: Option<String>,
    /// `pg_is_in_recovery()`: a standby.
    pub in_recovery: bool,
    /// `transaction_read_only` is on for new transactions.
    pub read_only: bool,
    pub backend_pid: i32,
    /// The process id that the wire protocol named; a different one means a pooler.
    pub protocol_pid: i32,
    /// TLS version and cipher, or `None` for plain text.
    pub tls: Option<String>,
    /// How far it is to the address that was reached.
    #[serde(default)]
    pub reach: Reach,
    /// Replication clients that this server feeds; their sessions wait too.
    pub standbys: u32,
}

/// How far it is to the address that was reached; what it is called does not count.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Socket,
    ThisMachine,
    Network,
    /// An older journal does not say it, or one says it otherwise.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Target {
    /// Whether it is the same database, as far as both tell.
    pub fn is_same_database(&self, other: &Target) -> bool {
        self.database == other.database
            && match (&self.system_identifier, &other.system_identifier) {
                (Some(one), Some(other)) => one == other,
                _ => self.host == other.host && self.port == other.port,
            }
    }

    /// `role@host:port/database`.
    pub fn place(&self) -> String {
        let Target {
            role,
            host,
            port,
            database,
            ..
        } = self;
        format!("{role}@{host}:{port}/{database}")
    }

    /// How the link is protected, in a word: the version of TLS, `plaintext`, or `socket`, which is neither.
    pub fn protection(&self) -> &str {
        let socket = match self.reach {
            Reach::Socket => true,
            Reach::Unknown => self.host.starts_with(['/', '@']),
            Reach::ThisMachine | Reach::Network => false,
        };
        match &self.tls {
            Some(tls) => tls.split(',').next().unwrap_or(tls),
            None if socket => "socket",
            None => "plaintext",
        }
    }

    /// Whether whoever is on the way can read and change what is sent.
    pub fn is_exposed(&self) -> bool {
        self.tls.is_none() && self.reach == Reach::Network
    }

    /// `primary` or `standby`.
    pub fn part(&self) -> &'static str {
        match self.in_recovery {
            true => "standby",
            false => "primary",
        }
    }

    /// What a runbook calls it, where it knows it.
    pub fn named<'a>(&self, known: &'a [Named]) -> Option<&'a Named> {
        let reached = Reached {
            host: &self.host,
            address: self.address.as_deref(),
            port: self.port,
            database: &self.database,
            system_identifier: self.system_identifier.as_deref(),
        };
        targets::find_target(known, reached)
    }
}
