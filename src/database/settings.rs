//! Where to connect and as whom, found the way psql finds it.
//!
//! Precedence: what was given > service file > environment > default. A connection string says
//! what libpq would understand; a keyword that nobody knows is an error that names it, and one
//! that asks for protection this build cannot give is refused rather than ignored.

mod conninfo;
mod hosts;
mod keywords;
mod service;
mod sources;
mod transport;
mod uri;
mod ways;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::admission::Typed;
use super::passfile::Passfile;
use super::secret::Secret;
use crate::asking::Desk;
use crate::runbook::encoding::Charset;
use hosts::{hosts, look_passwords_up};
use rustix::process::geteuid;

pub use hosts::{Host, ServerAddress};
pub use keywords::Values;
pub use sources::{parse_string, resolve};
pub use transport::{Authorities, Protection, SslMode, TlsVersion, Use};
pub use ways::{Way, Ways};

#[derive(Debug, Clone, Default)]
pub struct ConnectionOptions {
    /// `-h`: host names or socket directories, separated by commas.
    pub host: Option<String>,
    /// `-p`: ports, separated by commas.
    pub port: Option<String>,
    /// `-U`: role.
    pub user: Option<String>,
    /// `-d`: a database name, a conninfo string or a URI.
    pub database: Option<String>,
    /// The database where nobody names one; the role's name without it.
    pub usual_database: Option<String>,
    /// `-w`: never ask for a password.
    pub no_password: bool,
    /// `-W`: ask for a password before connecting.
    pub force_password: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionAttributes {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub hosts: Vec<Host>,
    pub user: String,
    pub database: String,
    pub password: Option<Secret>,
    /// Password that was typed, by whoever was asked for it; it goes before the others.
    pub typed_password: Typed,
    /// Where a person can be asked; `None` where nobody is there or must not be asked.
    pub desk: Option<Desk>,
    /// Whether the person wants to be asked for a password first (`-W`).
    pub ask_password: bool,
    /// Whether the person must not be asked for one (`-w`).
    pub never_ask_password: bool,
    /// The password file that was looked into.
    pub passfile: Option<PathBuf>,
    pub protection: Protection,
    /// In which ways the server may have us prove who we are; `None` for any.
    pub ways: Option<Ways>,
    /// The OS user that a server on a unix socket has to run as.
    pub peer: Option<String>,
    /// When a silent peer counts as gone.
    pub keepalive: Keepalive,
    /// Whether hosts and addresses are tried in an order of chance.
    pub shuffled: bool,
    /// What a person should know before connecting, a line each.
    pub warnings: Vec<String>,
    /// For one address, from the first packet to a session that is ready.
    pub connect_timeout: Duration,
    pub application_name: String,
    /// `options` for the server's command line.
    pub options: Option<String>,
    /// Which kind of server will do.
    pub session_attributes: SessionAttributes,
    /// What the bytes of a database are in that converts none.
    pub charset: Charset,
}

/// When a peer that says nothing counts as gone. `None` leaves it to this program's own times, zero
/// to the operating system's, as libpq has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keepalive {
    /// `keepalives=0`.
    pub off: bool,
    /// `keepalives_idle`, in seconds.
    pub idle: Option<u32>,
    /// `keepalives_interval`, in seconds.
    pub interval: Option<u32>,
    /// `keepalives_count`.
    pub count: Option<u32>,
    /// `tcp_user_timeout`, in milliseconds.
    pub user_timeout: Option<u32>,
}

/// Time for one address when nobody set another. libpq has none and waits as long as the network does.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{0}")]
    Syntax(String),
    #[error("invalid connection option \"{0}\"")]
    UnknownKeyword(String),
    #[error("invalid value \"{value}\" for connection option \"{keyword}\"{help}")]
    Value {
        keyword: &'static str,
        value: String,
        help: String,
    },
    /// Something that libpq can do and this build cannot.
    #[error("connection option \"{keyword}\" is not supported: {reason}")]
    Unsupported {
        keyword: &'static str,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// Values that do not go together.
    #[error("{0}")]
    Lists(String),
    /// A service that cannot be read.
    #[error("{0}")]
    Service(String),
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
        options: &ConnectionOptions,
        environment: &dyn Fn(&str) -> Option<String>,
        os_user: Option<String>,
        exists: &dyn Fn(&Path) -> bool,
    ) -> Result<Settings, SettingsError> {
        let mut values = resolve(options, environment)?;
        refuse_unsupported(&values)?;
        // The session speaks UTF-8 whatever it says; scripts are read by it.
        let charset = read_charset(&values, environment)?;
        let user = match given(&mut values, "user").or(os_user) {
            Some(user) => user,
            None => return Err(SettingsError::NoUser),
        };
        let database = given(&mut values, "dbname")
            .or_else(|| options.usual_database.clone())
            .unwrap_or_else(|| user.clone());
        let password = given(&mut values, "password").map(Secret::new);
        let home = environment("HOME").filter(|home| !home.is_empty());
        let home = home.as_deref().map(Path::new);
        let passfile = match look_up_keyword(&values, "passfile") {
            Some(path) => Some(PathBuf::from(path)),
            None => home.map(|home| home.join(".pgpass")),
        };
        let mut hosts = hosts(&values, exists)?;
        let mut warnings = Vec::new();
        if password.is_none()
            && let Some(path) = &passfile
        {
            match Passfile::read(path) {
                Ok(file) => {
                    look_passwords_up(&mut hosts, &values, &file, (&database, &user), exists);
                }
                Err(warning) => warnings.push(warning),
            }
        }
        Ok(Settings {
            hosts,
            user,
            database,
            password,
            typed_password: Typed::default(),
            desk: None,
            ask_password: options.force_password,
            never_ask_password: options.no_password,
            passfile,
            protection: Protection::read(&values, home)?,
            ways: look_up_keyword(&values, "require_auth")
                .map(Ways::read)
                .transpose()?,
            peer: look_up_keyword(&values, "requirepeer").map(str::to_owned),
            keepalive: keepalive(&values)?,
            shuffled: choice(
                &values,
                "load_balance_hosts",
                &[("disable", false), ("random", true)],
            )?
            .unwrap_or(false),
            warnings,
            connect_timeout: connect_timeout(look_up_keyword(&values, "connect_timeout"))?,
            // As psql does it, the program's name stands in, whatever the string calls its own.
            application_name: given(&mut values, "application_name")
                .unwrap_or_else(|| "stagegate".into()),
            options: server_options(given(&mut values, "options"), environment),
            session_attributes: session_attributes(&values)?,
            charset,
        })
    }

    /// The password for that host, typed, given or out of the password file.
    pub fn password_for(&self, host: &Host) -> Option<Secret> {
        let known = || self.password.as_ref().or(host.password.as_ref()).cloned();
        self.typed_password.secret().or_else(known)
    }

    /// Options for the server's command line behind those that there are: the last of a name wins.
    pub fn add_options(&mut self, more: &str) {
        let options = self.options.iter().map(String::as_str);
        self.options = Some(options.chain([more]).collect::<Vec<_>>().join(" "));
    }

    /// From the command line and this process's environment.
    ///
    /// # Errors
    /// As [`Settings::find`].
    pub fn from_process(options: &ConnectionOptions) -> Result<Settings, SettingsError> {
        Settings::find(
            options,
            &|name| match (name, std::env::var(name).ok()) {
                ("HOME", None) => home(),
                (_, value) => value,
            },
            os_user(),
            &|path| path.is_dir(),
        )
    }
}

/// The field of that number in a user's line of /etc/passwd.
pub(super) fn look_up_user(uid: u32, field: usize) -> Option<String> {
    let uid = uid.to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2) == Some(&uid.as_str()))
            .then(|| fields.get(field).map(|f| (*f).to_owned()))?
    })
}

/// The name of the OS user whose rights this process has, as libpq asks for it.
pub fn os_user() -> Option<String> {
    look_up_user(geteuid().as_raw(), 0)
        // A user from a directory service stands in no file.
        .or_else(|| std::env::var("USER").ok())
        .or_else(|| std::env::var("LOGNAME").ok())
        .filter(|name| !name.is_empty())
}

fn home() -> Option<String> {
    look_up_user(geteuid().as_raw(), 5)
}

fn look_up_keyword<'v>(values: &'v Values, keyword: &str) -> Option<&'v str> {
    values
        .get(keyword)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

fn given(values: &mut Values, keyword: &str) -> Option<String> {
    values.remove(keyword).filter(|value| !value.is_empty())
}

/// One of the words that a keyword may have; an empty one is none of them, as in libpq.
fn choice<T: Copy>(
    values: &Values,
    keyword: &'static str,
    words: &[(&str, T)],
) -> Result<Option<T>, SettingsError> {
    let Some(value) = values.get(keyword) else {
        return Ok(None);
    };
    match words.iter().find(|(word, _)| *word == value) {
        Some((_, meant)) => Ok(Some(*meant)),
        None => {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let (last, before) = words.split_last().unwrap_or((&"", &[]));
            Err(SettingsError::Value {
                keyword,
                value: value.clone(),
                help: format!(": use {} or {last}", before.join(", ")),
            })
        }
    }
}

/// A whole number as libpq reads one: white space around it and a sign are no harm.
fn whole(keyword: &'static str, text: &str) -> Result<i32, SettingsError> {
    text.trim_matches(conninfo::blank)
        .parse::<i32>()
        .map_err(|_| SettingsError::Value {
            keyword,
            value: text.to_owned(),
            help: ": a whole number".into(),
        })
}

fn keepalive(values: &Values) -> Result<Keepalive, SettingsError> {
    let number = |keyword| {
        look_up_keyword(values, keyword)
            .map(|text| whole(keyword, text))
            .transpose()
            // Below zero is taken as zero.
            .map(|number| number.map(|n| u32::try_from(n).unwrap_or(0)))
    };
    Ok(Keepalive {
        off: look_up_keyword(values, "keepalives")
            .map(|text| whole("keepalives", text))
            .transpose()?
            == Some(0),
        idle: number("keepalives_idle")?,
        interval: number("keepalives_interval")?,
        count: number("keepalives_count")?,
        user_timeout: number("tcp_user_timeout")?,
    })
}

/// Settings that libpq sends along when these variables are set. Sent after the options, they win
/// over them in the server; written behind them, they do too.
const SESSION_VARIABLES: [(&str, &str); 3] = [
    ("PGDATESTYLE", "datestyle"),
    ("PGTZ", "timezone"),
    ("PGGEQO", "geqo"),
];

fn server_options(
    options: Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut parts: Vec<String> = options.into_iter().collect();
    for (variable, setting) in SESSION_VARIABLES {
        if let Some(value) = environment(variable)
            && !value.eq_ignore_ascii_case("default")
        {
            let escaped: String = value
                .chars()
                .flat_map(|c| match c {
                    '\\' => vec!['\\', c],
                    c if c.is_ascii_whitespace() => vec!['\\', c],
                    c => vec![c],
                })
                .collect();
            parts.push(format!("-c {setting}={escaped}"));
        }
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// What libpq can do and this program cannot, so that it is never passed over.
fn refuse_unsupported(values: &Values) -> Result<(), SettingsError> {
    let refuse = |keyword, reason| Err(SettingsError::Unsupported { keyword, reason });
    choice(
        values,
        "gssencmode",
        &[("disable", ()), ("prefer", ()), ("require", ())],
    )?;
    if look_up_keyword(values, "gssencmode") == Some("require") {
        return refuse("gssencmode", "GSSAPI is not spoken here; use TLS");
    }
    if look_up_keyword(values, "replication")
        .is_some_and(|v| !matches!(v, "false" | "off" | "no" | "0" | "f" | "n"))
    {
        return refuse(
            "replication",
            "a replication connection cannot hold a transaction",
        );
    }
    for keyword in ["scram_client_key", "scram_server_key"] {
        if look_up_keyword(values, keyword).is_some() {
            return refuse(keyword, "give the password instead");
        }
    }
    if look_up_keyword(values, "sslkeylogfile").is_some() {
        return refuse(
            "sslkeylogfile",
            "the keys of a session that changes a database are not written down",
        );
    }
    for keyword in ["oauth_issuer", "oauth_client_id", "oauth_client_secret"] {
        if look_up_keyword(values, keyword).is_some() {
            return refuse(keyword, "OAuth is not spoken here");
        }
    }
    // The one protocol that is spoken here is 3.0.
    choice(
        values,
        "max_protocol_version",
        &[("3.0", ()), ("3.2", ()), ("latest", ())],
    )
    .or_else(|error| match values.get("max_protocol_version") {
        Some(none) if none.is_empty() => Ok(None),
        _ => Err(error),
    })?;
    match look_up_keyword(values, "min_protocol_version") {
        None | Some("3.0") => {}
        Some(_) => {
            return refuse(
                "min_protocol_version",
                "version 3.0 of the protocol is spoken here",
            );
        }
    }
    Ok(())
}

/// What scripts are written in, as psql is told it. `auto` asks the locale, as libpq does.
fn read_charset(
    values: &Values,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Charset, SettingsError> {
    let Some(name) = look_up_keyword(values, "client_encoding") else {
        return Ok(Charset::Utf8);
    };
    let of_locale;
    let name = match name {
        "auto" => {
            let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .find_map(|variable| environment(variable).filter(|value| !value.is_empty()));
            let locale = locale.unwrap_or_default();
            let behind = locale.split_once('.').map_or("UTF-8", |(_, behind)| behind);
            of_locale = behind.split('@').next().unwrap_or_default().to_owned();
            of_locale.as_str()
        }
        name => name,
    };
    Charset::named(name).map_err(|why| SettingsError::Value {
        keyword: "client_encoding",
        value: name.to_owned(),
        help: format!(": {why}"),
    })
}

/// What scripts are written in, from the command line and this process's environment.
///
/// # Errors
/// As [`Settings::find`].
pub fn find_charset(options: &ConnectionOptions) -> Result<Charset, SettingsError> {
    let environment = |name: &str| std::env::var(name).ok();
    read_charset(&resolve(options, &environment)?, &environment)
}

/// As libpq: 0 and below mean no limit, and 1 is taken as 2. No limit becomes a day, because an
/// attempt that never ends is a screen that never says anything.
fn connect_timeout(value: Option<&str>) -> Result<Duration, SettingsError> {
    const NO_LIMIT: Duration = Duration::from_secs(86_400);
    let Some(value) = value else {
        return Ok(CONNECT_TIMEOUT);
    };
    match whole("connect_timeout", value)? {
        1 => Ok(Duration::from_secs(2)),
        seconds if seconds > 0 => Ok(Duration::from_secs(seconds.unsigned_abs().into())),
        _ => Ok(NO_LIMIT),
    }
}

fn session_attributes(values: &Values) -> Result<SessionAttributes, SettingsError> {
    let words = [
        ("any", SessionAttributes::Any),
        ("read-write", SessionAttributes::ReadWrite),
        ("read-only", SessionAttributes::ReadOnly),
        ("primary", SessionAttributes::Primary),
        ("standby", SessionAttributes::Standby),
        ("prefer-standby", SessionAttributes::PreferStandby),
    ];
    Ok(choice(values, "target_session_attrs", &words)?.unwrap_or(SessionAttributes::Any))
}

#[cfg(test)]
mod tests;
