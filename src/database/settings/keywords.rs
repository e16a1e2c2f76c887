//! The keywords that libpq knows. One that it does not know is an error, never passed over.

use std::collections::BTreeMap;

use super::SettingsError;

/// Values by keyword. An empty one was given all the same: no other source is asked for it.
pub type Values = BTreeMap<&'static str, String>;

/// What libpq knows: the environment variable that sets it, and what it is when nobody says. From
/// `PQconninfoOptions` of libpq 18.
pub(super) const KEYWORDS: &[(&str, &str, &str)] = &[
    ("service", "PGSERVICE", ""),
    ("user", "PGUSER", ""),
    ("password", "PGPASSWORD", ""),
    ("passfile", "PGPASSFILE", ""),
    ("channel_binding", "PGCHANNELBINDING", "prefer"),
    ("connect_timeout", "PGCONNECT_TIMEOUT", ""),
    ("dbname", "PGDATABASE", ""),
    ("host", "PGHOST", ""),
    ("hostaddr", "PGHOSTADDR", ""),
    ("port", "PGPORT", "5432"),
    ("client_encoding", "PGCLIENTENCODING", ""),
    ("options", "PGOPTIONS", ""),
    ("application_name", "PGAPPNAME", ""),
    ("fallback_application_name", "", ""),
    ("keepalives", "", ""),
    ("keepalives_idle", "", ""),
    ("keepalives_interval", "", ""),
    ("keepalives_count", "", ""),
    ("tcp_user_timeout", "", ""),
    ("sslmode", "PGSSLMODE", "prefer"),
    ("sslnegotiation", "PGSSLNEGOTIATION", "postgres"),
    ("sslcompression", "PGSSLCOMPRESSION", "0"),
    ("sslcert", "PGSSLCERT", ""),
    ("sslkey", "PGSSLKEY", ""),
    ("sslcertmode", "PGSSLCERTMODE", "allow"),
    ("sslpassword", "", ""),
    ("sslrootcert", "PGSSLROOTCERT", ""),
    ("sslcrl", "PGSSLCRL", ""),
    ("sslcrldir", "PGSSLCRLDIR", ""),
    ("sslsni", "PGSSLSNI", "1"),
    ("sslkeylogfile", "", ""),
    ("requirepeer", "PGREQUIREPEER", ""),
    ("require_auth", "PGREQUIREAUTH", ""),
    ("min_protocol_version", "PGMINPROTOCOLVERSION", ""),
    ("max_protocol_version", "PGMAXPROTOCOLVERSION", ""),
    (
        "ssl_min_protocol_version",
        "PGSSLMINPROTOCOLVERSION",
        "TLSv1.2",
    ),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", ""),
    ("gssencmode", "PGGSSENCMODE", "prefer"),
    ("krbsrvname", "PGKRBSRVNAME", "postgres"),
    ("gsslib", "PGGSSLIB", ""),
    ("gssdelegation", "PGGSSDELEGATION", "0"),
    ("replication", "", ""),
    ("target_session_attrs", "PGTARGETSESSIONATTRS", "any"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS", "disable"),
    ("scram_client_key", "", ""),
    ("scram_server_key", "", ""),
    ("oauth_issuer", "", ""),
    ("oauth_client_id", "", ""),
    ("oauth_client_secret", "", ""),
    ("oauth_scope", "", ""),
];

/// The keyword as libpq spells it, or an error that names what was written.
pub(super) fn keyword(name: &str) -> Result<&'static str, SettingsError> {
    KEYWORDS
        .iter()
        .find(|(known, _, _)| *known == name)
        .map(|(known, _, _)| *known)
        .ok_or_else(|| SettingsError::UnknownKeyword(name.to_owned()))
}

/// Puts a value where it belongs. `requiressl` is the old spelling of `sslmode`.
pub(super) fn put(values: &mut Values, name: &str, value: String) -> Result<(), SettingsError> {
    if name == "requiressl" {
        let mode = match value.starts_with('1') {
            true => "require",
            false => "prefer",
        };
        values.insert("sslmode", mode.into());
        return Ok(());
    }
    values.insert(keyword(name)?, value);
    Ok(())
}
