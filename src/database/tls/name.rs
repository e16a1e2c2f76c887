//! Whether a certificate is for the host that was asked for, by libpq's rules for `verify-full`.
//!
//! Names of the kind that was asked for come first; only where there is none the common name counts.
//! A wildcard stands for one label, the first.

use std::net::IpAddr;

use openssl::nid::Nid;
use openssl::x509::X509Ref;

use crate::database::message;
use crate::facts::ServerMessage;

/// How many names of a certificate are told.
const TOLD: usize = 6;

pub(super) fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// Holds a certificate against the host's name.
///
/// # Errors
/// When it is for another one; which names it has.
pub(super) fn verify(certificate: &X509Ref, host: &str) -> Result<(), ServerMessage> {
    if host.is_empty() {
        return Err(message::own(
            "host name must be specified for a verified TLS connection",
        ));
    }
    let address: Option<IpAddr> = host.parse().ok();
    let mut names = Vec::new();
    let mut same_kind = false;
    for alternative in certificate.subject_alt_names().into_iter().flatten() {
        if let Some(name) = alternative.dnsname() {
            no_hidden_end(name)?;
            same_kind |= address.is_none();
            if address.is_none() && fits(name, host) {
                return Ok(());
            }
            names.push(name.to_owned());
        } else if let Some(bytes) = alternative.ipaddress() {
            let named = address_of(bytes);
            same_kind |= address.is_some();
            if address.is_some() && named == address {
                return Ok(());
            }
            names.extend(named.map(|address| address.to_string()));
        }
    }
    if !same_kind {
        let common = certificate
            .subject_name()
            .entries_by_nid(Nid::COMMONNAME)
            .next()
            .and_then(|entry| entry.data().to_string().ok());
        if let Some(name) = common {
            no_hidden_end(&name)?;
            if fits(&name, host) {
                return Ok(());
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Err(mismatch(&names, host))
}

fn mismatch(names: &[String], host: &str) -> ServerMessage {
    let Some(first) = names.first() else {
        return message::own("could not get the server's host name from its certificate");
    };
    let others = match names.len() - 1 {
        0 => String::new(),
        1 => " (and 1 other name)".to_owned(),
        more => format!(" (and {more} other names)"),
    };
    let told: Vec<&str> = names.iter().take(TOLD).map(String::as_str).collect();
    message::own_with_hint(
        format!("server certificate for \"{first}\"{others} does not match host name \"{host}\""),
        format!(
            "connect to the server by a name that its certificate has: {}",
            told.join(", ")
        ),
    )
}

/// A NUL in a name would end it early for whoever reads it as C does.
fn no_hidden_end(name: &str) -> Result<(), ServerMessage> {
    match name.contains('\0') {
        true => Err(message::own(
            "TLS certificate's name contains embedded null",
        )),
        false => Ok(()),
    }
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn fits(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(rest) = pattern.strip_prefix('*').filter(|r| r.starts_with('.')) else {
        return false;
    };
    let Some(label) = host.len().checked_sub(rest.len()) else {
        return false;
    };
    rest.len() > 1
        && host.is_char_boundary(label)
        && !host[..label].contains('.')
        && host[label..].eq_ignore_ascii_case(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_the_first_label_alone() {
        assert!(fits("*.example.com", "db.EXAMPLE.com"));
        assert!(fits("db.example.com", "DB.example.com"));
        for (pattern, host) in [
            ("*.example.com", "a.b.example.com"),
            ("*.example.com", "example.com"),
            ("d*.example.com", "db.example.com"),
            ("*", "db"),
            ("*.", "db."),
            ("db.example.com", "db.example.org"),
        ] {
            assert!(!fits(pattern, host), "{pattern} {host}");
        }
    }
}
