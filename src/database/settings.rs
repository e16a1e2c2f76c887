//! Where to connect and as whom, found the way psql finds it.
//!
//! Precedence: what was given > service file > environment > default. A connection string says
//! what libpq would understand; a keyword that nobody knows is an error that names it, and one
//! that asks for protection this build cannot give is refused rather than ignored.

mod conninfo;
mod hosts;
mod keywords;
mod uri;

use std::path::Path;
use std::time::Duration;

use super::secret::Secret;
use hosts::hosts;
use keywords::{KEYWORDS, Values};

pub use hosts::{Host, Place};

/// What the command line gives.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `-h`: host names or socket directories, separated by commas.
    pub host: Option<String>,
    /// `-p`: ports, separated by commas.
    pub port: Option<String>,
    /// `-U`: role.
    pub user: Option<String>,
    /// `-d`: a database name, a conninfo string or a URI.
    pub database: Option<String>,
    /// `-w`: never ask for a password.
    pub no_password: bool,
    /// `-W`: ask for a password before connecting.
    pub force_password: bool,
}

/// `sslmode`, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    /// libpq's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }
}

/// `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum SessionAttributes {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// Everything that is needed to connect.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Tried in order.
    pub hosts: Vec<Host>,
    /// Role.
    pub user: String,
    /// Database.
    pub database: String,
    /// Password, where one was given.
    pub password: Option<Secret>,
    /// Whether the person wants to be asked for a password first (`-W`).
    pub ask_password: bool,
    /// Whether the person must not be asked for one (`-w`).
    pub never_ask_password: bool,
    /// How much protection the link needs.
    pub sslmode: SslMode,
    /// For one host, from the first packet to a session that is ready.
    pub connect_timeout: Duration,
    /// `application_name`.
    pub application_name: String,
    /// `options` for the server's command line.
    pub options: Option<String>,
    /// Which kind of server will do.
    pub session_attributes: SessionAttributes,
}

/// Time for one host when nobody set another. libpq has none and waits as long as the network does.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why settings make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The connection string cannot be read.
    #[error("{0}")]
    Syntax(String),
    /// A keyword that nobody knows.
    #[error("invalid connection option \"{0}\"")]
    UnknownKeyword(String),
    /// A value that means nothing.
    #[error("invalid value \"{value}\" for connection option \"{keyword}\"{help}")]
    Value {
        /// The keyword.
        keyword: &'static str,
        /// What was given.
        value: String,
        /// What would do.
        help: String,
    },
    /// Something that libpq can do and this build cannot.
    #[error("connection option \"{keyword}\" is not supported: {reason}")]
    Unsupported {
        /// The keyword.
        keyword: &'static str,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// Lists of hosts, addresses and ports of different lengths.
    #[error("{0}")]
    Lists(String),
    /// Nobody knows whom to connect as.
    #[error("cannot find out who you are; name the database role with -U or PGUSER")]
    NoUser,
}

impl Settings {
    /// Finds the settings from the command line and the environment.
    ///
    /// `environment` looks a variable up; `exists` says whether a directory is there, for the
    /// default socket directory.
    ///
    /// # Errors
    /// Anything that libpq would refuse, and what this build cannot do.
    pub fn find(
        options: &Options,
        environment: &dyn Fn(&str) -> Option<String>,
        os_user: Option<String>,
        exists: &dyn Fn(&Path) -> bool,
    ) -> Result<Settings, SettingsError> {
        let mut values = given(options)?;
        // The service file takes its place here, between what was given and the environment.
        for (keyword, variable) in KEYWORDS {
            if !variable.is_empty()
                && !values.contains_key(keyword)
                && let Some(value) = environment(variable).filter(|v| !v.is_empty())
            {
                values.insert(keyword, value);
            }
        }
        refuse_unsupported(&values)?;
        let user = match values.remove("user").or(os_user) {
            Some(user) => user,
            None => return Err(SettingsError::NoUser),
        };
        Ok(Settings {
            hosts: hosts(&values, exists)?,
            database: values.remove("dbname").unwrap_or_else(|| user.clone()),
            user,
            password: values.remove("password").map(Secret::new),
            ask_password: options.force_password,
            never_ask_password: options.no_password,
            sslmode: sslmode(values.get("sslmode"))?,
            connect_timeout: connect_timeout(values.get("connect_timeout"))?,
            application_name: values
                .remove("application_name")
                .or_else(|| values.remove("fallback_application_name"))
                .unwrap_or_else(|| "stagegate".into()),
            options: values.remove("options"),
            session_attributes: session_attributes(values.get("target_session_attrs"))?,
        })
    }

    /// From the command line and this process's environment.
    ///
    /// # Errors
    /// As [`Settings::find`].
    pub fn from_process(options: &Options) -> Result<Settings, SettingsError> {
        Settings::find(
            options,
            &|name| std::env::var(name).ok(),
            os_user(),
            &|path| path.is_dir(),
        )
    }
}

/// The name of the OS user whose rights this process has, as libpq asks for it.
pub fn os_user() -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == uid).then(|| name.to_owned())
        })
        // A user from a directory service stands in no file.
        .or_else(|| std::env::var("USER").ok())
        .or_else(|| std::env::var("LOGNAME").ok())
        .filter(|name| !name.is_empty())
}

/// What the command line says. As in psql, a connection string overrides `-h`, `-p` and `-U`.
fn given(options: &Options) -> Result<Values, SettingsError> {
    let mut values = Values::new();
    let plain = [
        ("host", &options.host),
        ("port", &options.port),
        ("user", &options.user),
    ];
    for (keyword, value) in plain {
        if let Some(value) = value {
            values.insert(keyword, value.clone());
        }
    }
    match options.database.as_deref() {
        None => {}
        Some(text) if uri::looks_like_one(text) => values.extend(uri::parse(text)?),
        Some(text) if text.contains('=') => values.extend(conninfo::parse(text)?),
        Some(name) => {
            values.insert("dbname", name.to_owned());
        }
    }
    values.retain(|_, value| !value.is_empty());
    Ok(values)
}

fn refuse_unsupported(values: &Values) -> Result<(), SettingsError> {
    let refuse = |keyword, reason| Err(SettingsError::Unsupported { keyword, reason });
    let is = |keyword, value| values.get(keyword).is_some_and(|v: &String| v == value);
    if values.contains_key("service") {
        return refuse("service", "write its settings into the connection string");
    }
    if values.contains_key("replication") {
        return refuse(
            "replication",
            "a replication connection cannot hold a transaction",
        );
    }
    if is("channel_binding", "require") {
        return refuse(
            "channel_binding",
            "it needs TLS, which this build does not speak yet",
        );
    }
    if is("gssencmode", "require") {
        return refuse("gssencmode", "this build does not speak GSSAPI");
    }
    if values.contains_key("require_auth") {
        return refuse(
            "require_auth",
            "this build cannot choose the way of authentication",
        );
    }
    if values.contains_key("requirepeer") {
        return refuse(
            "requirepeer",
            "this build does not look at the socket's owner",
        );
    }
    if is("sslnegotiation", "direct") {
        return refuse("sslnegotiation", "this build does not speak TLS yet");
    }
    if let Some(encoding) = values.get("client_encoding") {
        let plain = encoding.replace(['-', '_'], "").to_ascii_uppercase();
        if !matches!(plain.as_str(), "UTF8" | "UNICODE" | "AUTO") {
            return refuse("client_encoding", "the session speaks UTF-8");
        }
    }
    Ok(())
}

fn sslmode(value: Option<&String>) -> Result<SslMode, SettingsError> {
    match value.map(String::as_str) {
        Some("disable") => Ok(SslMode::Disable),
        Some("allow") => Ok(SslMode::Allow),
        None | Some("prefer") => Ok(SslMode::Prefer),
        Some("require") => Ok(SslMode::Require),
        Some("verify-ca") => Ok(SslMode::VerifyCa),
        Some("verify-full") => Ok(SslMode::VerifyFull),
        Some(other) => Err(SettingsError::Value {
            keyword: "sslmode",
            value: other.to_owned(),
            help: ": use disable, allow, prefer, require, verify-ca or verify-full".into(),
        }),
    }
}

/// As libpq: 0 and below mean no limit, and 1 is taken as 2. No limit becomes a day, because an
/// attempt that never ends is a screen that never says anything.
fn connect_timeout(value: Option<&String>) -> Result<Duration, SettingsError> {
    const NO_LIMIT: Duration = Duration::from_secs(86_400);
    let Some(value) = value else {
        return Ok(CONNECT_TIMEOUT);
    };
    match value.trim().parse::<i32>() {
        Ok(1) => Ok(Duration::from_secs(2)),
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.unsigned_abs().into())),
        Ok(_) => Ok(NO_LIMIT),
        Err(_) => Err(SettingsError::Value {
            keyword: "connect_timeout",
            value: value.clone(),
            help: ": whole seconds".into(),
        }),
    }
}

fn session_attributes(value: Option<&String>) -> Result<SessionAttributes, SettingsError> {
    match value.map(String::as_str) {
        None | Some("any") => Ok(SessionAttributes::Any),
        Some("read-write") => Ok(SessionAttributes::ReadWrite),
        Some("read-only") => Ok(SessionAttributes::ReadOnly),
        Some("primary") => Ok(SessionAttributes::Primary),
        Some("standby") => Ok(SessionAttributes::Standby),
        Some("prefer-standby") => Ok(SessionAttributes::PreferStandby),
        Some(other) => Err(SettingsError::Value {
            keyword: "target_session_attrs",
            value: other.to_owned(),
            help: ": use any, read-write, read-only, primary, standby or prefer-standby".into(),
        }),
    }
}

#[cfg(test)]
mod tests;
