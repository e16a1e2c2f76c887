//! The files that TLS needs, found and judged as libpq does it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslContext, SslContextBuilder, SslFiletype, SslMethod, SslVersion};
use openssl::x509::store::X509Lookup;
use openssl::x509::verify::X509VerifyFlags;
use zeroize::Zeroizing;

use crate::database::message;
use crate::database::settings::{Authorities, Protection, SslMode, TlsVersion, Use};
use crate::facts::ServerMessage;

/// Where distributions keep the authorities that everybody trusts: an OpenSSL that was built along
/// looks where nobody puts any.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whether somebody vouches for the server: a file that is there is used in every mode.
pub(super) fn has_authorities(protection: &Protection) -> bool {
    match &protection.authorities {
        Some(Authorities::System) => true,
        Some(Authorities::File(path)) => path.exists(),
        None => false,
    }
}

/// OpenSSL's first words about an error.
fn reason(error: &ErrorStack) -> String {
    error
        .errors()
        .first()
        .and_then(|first| first.reason())
        .map_or_else(|| "it holds nothing of the kind".to_owned(), str::to_owned)
}

/// A context with the person's files in it.
pub(super) fn build(protection: &Protection) -> Result<SslContext, ServerMessage> {
    let broken = |error: ErrorStack| message::own(format!("TLS: {}", reason(&error)));
    let mut context = SslContext::builder(SslMethod::tls_client()).map_err(broken)?;
    context
        .set_min_proto_version(protection.oldest.map(version))
        .map_err(broken)?;
    context
        .set_max_proto_version(protection.newest.map(version))
        .map_err(broken)?;
    context.set_alpn_protos(super::ALPN).map_err(broken)?;
    trust(&mut context, protection)?;
    if protection.show_certificate != Use::Never {
        identify(&mut context, protection)?;
    }
    Ok(context.build())
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::V1 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    }
}

fn trust(context: &mut SslContextBuilder, protection: &Protection) -> Result<(), ServerMessage> {
    let unread = |path: &Path, error: &ErrorStack| {
        message::own(format!(
            "could not read root certificate file \"{}\": {}",
            path.display(),
            reason(error)
        ))
    };
    match &protection.authorities {
        Some(Authorities::System) => {
            let known = SYSTEM_AUTHORITIES.iter().map(Path::new);
            let set = std::env::var_os("SSL_CERT_FILE").is_some();
            match known.into_iter().find(|path| path.exists()) {
                Some(path) if !set => context
                    .set_ca_file(path)
                    .map_err(|error| unread(path, &error))?,
                _ => context
                    .set_default_verify_paths()
                    .map_err(|error| message::own(format!("TLS: {}", reason(&error))))?,
            }
        }
        Some(Authorities::File(path)) if path.exists() => {
            context
                .set_ca_file(path)
                .map_err(|error| unread(path, &error))?;
        }
        authorities => {
            if protection.mode < SslMode::VerifyCa {
                return Ok(());
            }
            let what = match authorities {
                Some(Authorities::File(path)) => {
                    format!(
                        "root certificate file \"{}\" does not exist",
                        path.display()
                    )
                }
                _ => "there is no home folder to look for root.crt in".into(),
            };
            return Err(message::own_with_hint(
                what,
                "provide the file, use the system's trusted roots with sslrootcert=system, or change \
                 sslmode to disable server certificate verification",
            ));
        }
    }
    revoke(context, protection);
    Ok(())
}

/// Lists that can be read are held against every certificate; as in libpq, others are not there.
fn revoke(context: &mut SslContextBuilder, protection: &Protection) {
    let store = context.cert_store_mut();
    let mut found = false;
    if let Some(file) = protection.revoked.as_deref().filter(|path| path.exists()) {
        found |= store
            .add_lookup(X509Lookup::file())
            .and_then(|lookup| lookup.load_crl_file(file, SslFiletype::PEM))
            .is_ok();
    }
    if let Some(folder) = protection.revoked_folder.as_deref().and_then(Path::to_str) {
        found |= store
            .add_lookup(X509Lookup::hash_dir())
            .and_then(|lookup| lookup.add_dir(folder, SslFiletype::PEM))
            .is_ok();
    }
    if found {
        let flags = X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
        // It fails only when there is no memory.
        let _ = store.set_flags(flags);
    }
}

/// Our certificate and its key, where there is a certificate.
fn identify(context: &mut SslContextBuilder, protection: &Protection) -> Result<(), ServerMessage> {
    let Some(certificate) = protection.certificate.as_deref() else {
        return Ok(());
    };
    match std::fs::metadata(certificate) {
        Ok(_) => {}
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        Err(error) => {
            return Err(message::own(format!(
                "could not open certificate file \"{}\": {}",
                certificate.display(),
                message::from_io(&error)
            )));
        }
    }
    context
        .set_certificate_chain_file(certificate)
        .map_err(|error| {
            message::own(format!(
                "could not read certificate file \"{}\": {}",
                certificate.display(),
                reason(&error)
            ))
        })?;
    let Some(path) = protection.key.as_deref() else {
        return Ok(());
    };
    let key = key(path, protection)?;
    context
        .set_private_key(&key)
        .and_then(|()| context.check_private_key())
        .map_err(|error| {
            message::own(format!(
                "certificate does not match private key file \"{}\": {}",
                path.display(),
                reason(&error)
            ))
        })
}

/// What nobody but its owner may do with a key; one of root's may be read by a group.
const OTHERS: u32 = 0o077;
const OTHERS_THAN_ROOT: u32 = 0o037;

fn key(path: &Path, protection: &Protection) -> Result<PKey<Private>, ServerMessage> {
    let shown = path.display();
    let Ok(found) = std::fs::metadata(path) else {
        return Err(message::own(format!(
            "certificate present, but not private key file \"{shown}\""
        )));
    };
    if !found.is_file() {
        return Err(message::own(format!(
            "private key file \"{shown}\" is not a regular file"
        )));
    }
    let forbidden = match found.uid() {
        0 => OTHERS_THAN_ROOT,
        _ => OTHERS,
    };
    if found.mode() & forbidden != 0 {
        return Err(message::own_with_hint(
            format!("private key file \"{shown}\" has group or world access"),
            "file must have permissions u=rw (0600) or less if owned by the current user, or \
             permissions u=rw,g=r (0640) or less if owned by root",
        ));
    }
    let bytes = std::fs::read(path).map(Zeroizing::new).map_err(|error| {
        message::own(format!(
            "could not load private key file \"{shown}\": {}",
            message::from_io(&error)
        ))
    })?;
    let mut asked = false;
    let passphrase = protection.passphrase();
    // Always with an answer of ours: OpenSSL would ask the terminal by itself.
    let read = PKey::private_key_from_pem_callback(&bytes, |room| {
        asked = true;
        let password = passphrase.as_ref().map_or("", |p| p.reveal());
        let length = password.len().min(room.len());
        if let (Some(into), Some(from)) =
            (room.get_mut(..length), password.as_bytes().get(..length))
        {
            into.copy_from_slice(from);
        }
        Ok(length)
    });
    read.or_else(|error| PKey::private_key_from_der(&bytes).map_err(|_| error))
        .inspect_err(|_| {
            // One that was given is told to be wrong; only for one that was typed, or for none, is
            // anybody asked.
            if asked && protection.key_password.is_none() {
                protection.typed_passphrase.miss(format!("key {shown}"));
            }
        })
        .map_err(|error| match (asked, &passphrase) {
            (true, None) => message::own_with_hint(
                format!("private key file \"{shown}\" is encrypted, and no passphrase was given"),
                "sslpassword in the connection string or service file is its passphrase",
            ),
            (true, Some(_)) => message::own(format!(
                "private key file \"{shown}\" does not open with this passphrase"
            )),
            (false, _) => message::own(format!(
                "could not load private key file \"{shown}\": {}",
                reason(&error)
            )),
        })
}
