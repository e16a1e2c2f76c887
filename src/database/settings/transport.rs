//! How the link is to be protected: everything that libpq's `ssl…` keywords say.

use std::path::{Path, PathBuf};

use super::keywords::Values;
use super::{SettingsError, choice, look_up_keyword};
use crate::database::admission::Typed;
use crate::database::secret::Secret;

/// `sslmode`, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    const ALL: [SslMode; 6] = [
        SslMode::Disable,
        SslMode::Allow,
        SslMode::Prefer,
        SslMode::Require,
        SslMode::VerifyCa,
        SslMode::VerifyFull,
    ];

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

/// Whether something that can be used is used, may be, or has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    Never,
    Possible,
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    V1,
    V1_1,
    V1_2,
    V1_3,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorities {
    /// Those that the operating system trusts.
    System,
    /// Those in a file, which may not be there.
    File(PathBuf),
}

/// What the `ssl…` keywords say. `None` for a file means that there is no home to look into.
#[derive(Debug, Clone)]
pub struct Protection {
    /// How much of it the link needs.
    pub mode: SslMode,
    /// TLS from the first byte, without asking for it in the server's own protocol.
    pub direct: bool,
    pub authorities: Option<Authorities>,
    pub revoked: Option<PathBuf>,
    pub revoked_folder: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// What the key is encrypted with, where it was given.
    pub key_password: Option<Secret>,
    pub typed_passphrase: Typed,
    /// Whether our certificate is shown.
    pub show_certificate: Use,
    /// Whether the server is told the name that it is asked for by.
    pub names_server: bool,
    pub oldest: Option<TlsVersion>,
    pub newest: Option<TlsVersion>,
    /// Whether a password is bound to this very link.
    pub channel_binding: Use,
    /// The keywords that were given, for a child that is libpq; no secret is among them.
    given: Vec<(&'static str, String)>,
}

/// What a child that is libpq is told, as it was given to us.
const PASSED_ON: &str = "sslmode sslcert sslkey sslcertmode sslrootcert sslcrl sslcrldir sslsni \
    channel_binding ssl_min_protocol_version ssl_max_protocol_version require_auth requirepeer \
    sslnegotiation keepalives keepalives_idle keepalives_interval keepalives_count \
    tcp_user_timeout";

/// How a keyword says that something is to be used; `possible` is its word for what is usual.
fn use_of(
    values: &Values,
    keyword: &'static str,
    possible: &'static str,
) -> Result<Use, SettingsError> {
    let words = [
        ("disable", Use::Never),
        (possible, Use::Possible),
        ("require", Use::Required),
    ];
    Ok(choice(values, keyword, &words)?.unwrap_or(Use::Possible))
}

impl Protection {
    pub(super) fn read(values: &Values, home: Option<&Path>) -> Result<Protection, SettingsError> {
        let mode = choice(
            values,
            "sslmode",
            &SslMode::ALL.map(|mode| (mode.word(), mode)),
        )?
        .unwrap_or(SslMode::Prefer);
        let file = |keyword: &str, usual: &str| match look_up_keyword(values, keyword) {
            Some(path) => Some(PathBuf::from(path)),
            None => Some(home?.join(".postgresql").join(usual)),
        };
        let authorities = match look_up_keyword(values, "sslrootcert") {
            Some("system") if mode != SslMode::VerifyFull => {
                return Err(SettingsError::Lists(format!(
                    "weak sslmode \"{}\" may not be used with sslrootcert=system (use \
                     \"verify-full\")",
                    mode.word()
                )));
            }
            Some("system") => Some(Authorities::System),
            _ => file("sslrootcert", "root.crt").map(Authorities::File),
        };
        let direct = choice(
            values,
            "sslnegotiation",
            &[("postgres", false), ("direct", true)],
        )?
        .unwrap_or(false);
        if direct && mode < SslMode::Require {
            return Err(SettingsError::Lists(format!(
                "weak sslmode \"{}\" may not be used with sslnegotiation=direct (use \"require\", \
                 \"verify-ca\", or \"verify-full\")",
                mode.word()
            )));
        }
        let revoked_folder = look_up_keyword(values, "sslcrldir").map(PathBuf::from);
        let revoked = match (&revoked_folder, look_up_keyword(values, "sslcrl")) {
            (Some(_), None) => None,
            _ => file("sslcrl", "root.crl"),
        };
        let oldest = version(values, "ssl_min_protocol_version")?;
        let newest = version(values, "ssl_max_protocol_version")?;
        if oldest.zip(newest).is_some_and(|(old, new)| old > new) {
            return Err(SettingsError::Lists(
                "invalid SSL protocol version range".into(),
            ));
        }
        Ok(Protection {
            mode,
            direct,
            authorities,
            revoked,
            revoked_folder,
            certificate: file("sslcert", "postgresql.crt"),
            key: file("sslkey", "postgresql.key"),
            key_password: look_up_keyword(values, "sslpassword").map(Secret::new),
            typed_passphrase: Typed::default(),
            show_certificate: use_of(values, "sslcertmode", "allow")?,
            names_server: values.get("sslsni").is_none_or(|v| v.starts_with('1')),
            oldest,
            newest,
            channel_binding: use_of(values, "channel_binding", "prefer")?,
            given: passed_on(values),
        })
    }

    /// What the key is encrypted with, given or typed.
    pub fn passphrase(&self) -> Option<Secret> {
        let typed = || self.typed_passphrase.secret();
        self.key_password.clone().or_else(typed)
    }

    /// The same, and never without TLS.
    pub fn enforced(&self) -> Protection {
        let mut enforced = self.clone();
        enforced.mode = enforced.mode.max(SslMode::Require);
        enforced.given.retain(|(keyword, _)| *keyword != "sslmode");
        let mode = enforced.mode.word().to_owned();
        enforced.given.insert(0, ("sslmode", mode));
        enforced
    }

    /// Keywords for a child that is libpq: what it would not find out by itself, and no secret.
    pub fn passed_on(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given.iter().map(|(k, v)| (*k, v.as_str()))
    }
}

/// An older libpq knows not every keyword, so one that says what it does anyway is left out.
fn passed_on(values: &Values) -> Vec<(&'static str, String)> {
    let usual = |keyword: &str, value: &str| {
        super::keywords::KEYWORDS
            .iter()
            .any(|(known, _, default)| *known == keyword && *default == value)
    };
    PASSED_ON
        .split(' ')
        .filter_map(|keyword| Some((keyword, values.get(keyword)?)))
        .filter(|(keyword, value)| {
            !value.is_empty() && (*keyword == "sslmode" || !usual(keyword, value))
        })
        .map(|(keyword, value)| (keyword, value.clone()))
        .collect()
}

fn version(values: &Values, keyword: &'static str) -> Result<Option<TlsVersion>, SettingsError> {
    let Some(given) = look_up_keyword(values, keyword) else {
        return Ok(None);
    };
    match given.to_ascii_lowercase().as_str() {
        "tlsv1" => Ok(Some(TlsVersion::V1)),
        "tlsv1.1" => Ok(Some(TlsVersion::V1_1)),
        "tlsv1.2" => Ok(Some(TlsVersion::V1_2)),
        "tlsv1.3" => Ok(Some(TlsVersion::V1_3)),
        _ => Err(SettingsError::Value {
            keyword,
            value: given.to_owned(),
            help: ": use TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3".into(),
        }),
    }
}
