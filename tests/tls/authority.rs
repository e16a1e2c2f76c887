//! Certificates of every kind that the matrix needs, made by OpenSSL in the test itself.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::Finish;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

/// What a certificate says of its owner.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    pub common: &'a str,
    /// Alternative names; addresses among them are written as such.
    pub names: &'a [&'a str],
    /// It has ended already.
    pub expired: bool,
    /// X.509 version 1: no extensions.
    pub old: bool,
    pub serial: u32,
}

/// A key and its certificate.
pub struct Pair {
    pub key: PKey<Private>,
    pub certificate: X509,
}

fn name(common: &str) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", common).unwrap();
    name.build()
}

fn builder(wanted: &Wanted<'_>, key: &PKey<Private>) -> X509Builder {
    let mut x509 = X509::builder().unwrap();
    x509.set_version(if wanted.old { 0 } else { 2 }).unwrap();
    let serial = BigNum::from_u32(wanted.serial.max(1)).unwrap();
    x509.set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    x509.set_subject_name(&name(wanted.common)).unwrap();
    x509.set_pubkey(key).unwrap();
    let (from, to) = match wanted.expired {
        true => (1_500_000_000, 1_600_000_000),
        false => (1_500_000_000, 4_000_000_000),
    };
    x509.set_not_before(&Asn1Time::from_unix(from).unwrap())
        .unwrap();
    x509.set_not_after(&Asn1Time::from_unix(to).unwrap())
        .unwrap();
    x509
}

/// A key; RSA, because the manual's recipes make such.
fn key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

/// One that vouches for itself: an authority, or a server's own certificate.
pub fn self_signed(wanted: &Wanted<'_>, authority: bool) -> Pair {
    let key = key();
    let mut x509 = builder(wanted, &key);
    x509.set_issuer_name(&name(wanted.common)).unwrap();
    if authority {
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        x509.append_extension(constraints).unwrap();
    }
    name_all(&mut x509, wanted, None);
    x509.sign(&key, MessageDigest::sha256()).unwrap();
    Pair {
        key,
        certificate: x509.build(),
    }
}

fn name_all(x509: &mut X509Builder, wanted: &Wanted<'_>, issuer: Option<&X509>) {
    if wanted.names.is_empty() || wanted.old {
        return;
    }
    let mut names = SubjectAlternativeName::new();
    for name in wanted.names {
        match name.parse::<IpAddr>() {
            Ok(_) => names.ip(name),
            Err(_) => names.dns(name),
        };
    }
    let names = names
        .build(&x509.x509v3_context(issuer.map(|i| &**i), None))
        .unwrap();
    x509.append_extension(names).unwrap();
}

impl Pair {
    /// A certificate of this authority.
    pub fn issue(&self, wanted: &Wanted<'_>) -> Pair {
        let key = key();
        let mut x509 = builder(wanted, &key);
        x509.set_issuer_name(self.certificate.subject_name())
            .unwrap();
        name_all(&mut x509, wanted, Some(&self.certificate));
        x509.sign(&self.key, MessageDigest::sha256()).unwrap();
        Pair {
            key,
            certificate: x509.build(),
        }
    }

    /// Writes `NAME.crt`; its path.
    pub fn write_certificate(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.crt"));
        std::fs::write(&path, self.certificate.to_pem().unwrap()).unwrap();
        path
    }

    /// The key as PKCS#8, as OpenSSL 1.0 wrote it, or as DER; the first two with a passphrase too.
    pub fn key_bytes(&self, form: &str) -> Vec<u8> {
        let cipher = Cipher::aes_256_cbc();
        let rsa = self.key.rsa().unwrap();
        match form {
            "pkcs8" => self.key.private_key_to_pem_pkcs8().unwrap(),
            "traditional" => rsa.private_key_to_pem().unwrap(),
            "der" => self.key.private_key_to_der().unwrap(),
            "pkcs8 encrypted" => self
                .key
                .private_key_to_pem_pkcs8_passphrase(cipher, b"open sesame")
                .unwrap(),
            "traditional encrypted" => rsa
                .private_key_to_pem_passphrase(cipher, b"open sesame")
                .unwrap(),
            other => panic!("{other}"),
        }
    }

    /// A list of revoked certificates with that serial number in it. OpenSSL's own program makes it,
    /// because its library for Rust cannot.
    pub fn revoke(&self, folder: &Path, serial: u32) -> Option<PathBuf> {
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
        write("ca.key", &self.key.private_key_to_pem_pkcs8().unwrap());
        self.write_certificate(folder, "ca-own");
        write(
            "index.txt",
            format!("R\t400101000000Z\t200101000000Z\t{serial:02X}\tunknown\t/CN=x\n").as_bytes(),
        );
        write("crlnumber", b"01\n");
        write(
            "ca.cnf",
            b"[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\n\
              default_crl_days=3650\n",
        );
        let made = Command::new("openssl")
            .args(["ca", "-gencrl", "-config", "ca.cnf", "-keyfile", "ca.key"])
            .args(["-cert", "ca-own.crt", "-out", "revoked.crl"])
            .current_dir(folder)
            .stdin(std::process::Stdio::null())
            .spawn();
        match made.map(|openssl| openssl.finish("openssl").status.success()) {
            Ok(true) => Some(folder.join("revoked.crl")),
            _ => {
                crate::aloud::skip("without the program `openssl` nothing can be revoked");
                None
            }
        }
    }
}
