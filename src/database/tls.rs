//! TLS between the socket and the tap, by libpq's rules: which files, which checks, which name.
//!
//! OpenSSL does it because libpq has it too: what the PostgreSQL manual's own recipes make (X.509 v1,
//! self-signed leaves, encrypted traditional keys) must be read alike on both sides. It is done
//! before tokio-postgres sees the wire; a [`Seal`] tells that what a password is bound to.

mod context;
mod name;
mod shown;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::ssl::{Ssl, SslRef};
use openssl::x509::X509Ref;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_openssl::SslStream;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use shown::Watched;

pub use shown::CertificateShown;

use super::message;
use super::settings::{Protection, SslMode};
use super::stream::Wire;
use crate::facts::ServerMessage;

/// How the server's own protocol asks for TLS: a length and a number that no version has.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// What TLS is told the protocol above it is.
const ALPN: &[u8] = b"\x0apostgresql";

#[derive(Debug)]
pub enum NoTlsWhy {
    /// The files that were asked for cannot be used; no other way is tried.
    Unusable(ServerMessage),
    /// The server does not do it, and it has to.
    Refused(ServerMessage),
    /// The two sides did not come to an agreement.
    Failed(ServerMessage),
}

impl NoTlsWhy {
    #[must_use]
    pub fn said(self) -> ServerMessage {
        match self {
            NoTlsWhy::Unusable(said) | NoTlsWhy::Refused(said) | NoTlsWhy::Failed(said) => said,
        }
    }
}

/// Puts TLS on a wire, or leaves it as it is where the server has none and none is needed.
///
/// # Errors
/// Why there is none.
pub async fn negotiate(
    mut wire: Wire,
    host: &str,
    protection: &Protection,
) -> Result<(Wire, Option<Seal>), NoTlsWhy> {
    let required = protection.mode >= SslMode::Require;
    if !protection.direct {
        let answer = async {
            wire.write_all(&SSL_REQUEST).await?;
            wire.flush().await?;
            wire.read_u8().await
        };
        match answer.await {
            Ok(b'S') => {}
            Ok(b'N') if !required => return Ok((wire, None)),
            Ok(b'N') => {
                return Err(NoTlsWhy::Refused(message::own_with_hint(
                    format!(
                        "the server does not support TLS, and sslmode={} requires it",
                        protection.mode.word()
                    ),
                    "ssl = on in postgresql.conf turns it on there; sslmode=prefer does without it",
                )));
            }
            // An error from before TLS may come from anybody, so it is not read.
            Ok(b'E') => {
                return Err(NoTlsWhy::Refused(message::own_with_hint(
                    "the server sent an error response when asked for TLS",
                    "it may be full or starting up: wait and try again. sslmode=disable shows what it \
                     says, over a link that anybody can read and change",
                )));
            }
            Ok(_) => {
                return Err(NoTlsWhy::Refused(message::own_with_hint(
                    "what listens there gave no answer of PostgreSQL's when asked for TLS",
                    "something else than PostgreSQL has this port: is -p right? (5432 is the usual one)",
                )));
            }
            Err(error) => {
                return Err(NoTlsWhy::Refused(message::own(message::from_io(&error))));
            }
        }
    }
    secure(wire, host, protection).await
}

async fn secure(
    wire: Wire,
    host: &str,
    protection: &Protection,
) -> Result<(Wire, Option<Seal>), NoTlsWhy> {
    let context = context::build(protection).map_err(NoTlsWhy::Unusable)?;
    let failed = |text: String| NoTlsWhy::Failed(message::own(text));
    let mut ssl = Ssl::new(&context).map_err(|error| failed(error.to_string()))?;
    if protection.names_server && !host.is_empty() && !name::is_address(host) {
        ssl.set_hostname(host)
            .map_err(|error| failed(error.to_string()))?;
    }
    let objection: Arc<Mutex<Option<Objection>>> = Arc::default();
    if context::has_authorities(protection) {
        let heard = Arc::clone(&objection);
        ssl.set_verify_callback(openssl::ssl::SslVerifyMode::PEER, move |good, chain| {
            if !good {
                let found = Objection {
                    why: chain.error().error_string().to_owned(),
                    code: chain.error().as_raw(),
                    about: chain.current_cert().map(describe),
                };
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            }
            good
        });
    }
    let mut stream =
        SslStream::new(ssl, Watched::new(wire)).map_err(|error| failed(error.to_string()))?;
    if let Err(error) = Pin::new(&mut stream).connect().await {
        let objection = objection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        return Err(NoTlsWhy::Failed(match objection {
            Some(objection) => objection.told(),
            None => failure(&error),
        }));
    }
    if protection.direct && stream.ssl().selected_alpn_protocol() != Some(&b"postgresql"[..]) {
        return Err(failed(
            "direct TLS was established without the server naming the protocol (ALPN)".into(),
        ));
    }
    let Some(certificate) = stream.ssl().peer_certificate() else {
        return Err(failed("the server showed no certificate".into()));
    };
    if protection.mode == SslMode::VerifyFull {
        name::verify(&certificate, host).map_err(NoTlsWhy::Failed)?;
    }
    let seal = Seal {
        words: words(stream.ssl()),
        end_point: end_point(&certificate),
        shown: stream.get_mut().tell(),
    };
    Ok((Box::new(stream), Some(seal)))
}

struct Objection {
    why: String,
    code: i32,
    about: Option<String>,
}

/// `X509_V_ERR_…`, as far as a person can do something about them.
const EXPIRED: i32 = 10;
const NOT_YET: i32 = 9;
const UNKNOWN_AUTHORITY: [i32; 4] = [18, 19, 20, 21];
const NO_REVOCATION_LIST: i32 = 3;
const REVOKED: i32 = 23;

impl Objection {
    fn told(self) -> ServerMessage {
        let hint = match self.code {
            EXPIRED | NOT_YET => {
                "the server needs a new certificate, or this machine's clock is wrong"
            }
            code if UNKNOWN_AUTHORITY.contains(&code) => {
                "sslrootcert names the file with the authority that the server's certificate comes \
                 from; sslrootcert=system takes those that this machine trusts"
            }
            NO_REVOCATION_LIST => "sslcrl has no list of the authority that made this certificate",
            REVOKED => "do not connect: the authority has taken this certificate back",
            _ => "the server's certificate cannot be trusted as it is",
        };
        ServerMessage {
            detail: self.about,
            ..message::own_with_hint(
                format!("TLS: certificate verify failed: {}", self.why),
                hint,
            )
        }
    }
}

fn describe(certificate: &X509Ref) -> String {
    let named = |name: &openssl::x509::X509NameRef| {
        let common = name.entries_by_nid(Nid::COMMONNAME).next();
        common
            .and_then(|entry| entry.data().to_string().ok())
            .unwrap_or_else(|| "no name".into())
    };
    format!(
        "certificate for \"{}\" from \"{}\", valid from {} to {}",
        named(certificate.subject_name()),
        named(certificate.issuer_name()),
        certificate.not_before(),
        certificate.not_after()
    )
}

/// A handshake that did not come to an end.
pub(super) fn failure(error: &openssl::ssl::Error) -> ServerMessage {
    let reason = error
        .ssl_error()
        .and_then(|stack| stack.errors().first())
        .and_then(|first| first.reason())
        .map(str::to_owned);
    let text = match (&reason, error.io_error()) {
        (Some(reason), _) => format!("TLS: {reason}"),
        (None, Some(io)) => format!("TLS: {}", message::from_io(io)),
        (None, None) => "TLS: the server closed the connection".to_owned(),
    };
    match reason.as_deref() {
        Some(reason) if reason.contains("certificate required") => message::own_with_hint(
            text,
            "the server asks for a certificate of ours: sslcert and sslkey, or \
             ~/.postgresql/postgresql.crt and .key",
        ),
        Some(reason) if reason.contains("alert") => message::own_with_hint(
            text,
            "the server refused: its log says why; our certificate may be of an authority that it \
             does not know, expired or revoked",
        ),
        _ => message::own(text),
    }
}

fn words(ssl: &SslRef) -> String {
    match ssl.current_cipher() {
        Some(cipher) => format!("{}, {}", ssl.version_str(), cipher.name()),
        None => ssl.version_str().to_owned(),
    }
}

/// `tls-server-end-point` of RFC 5929; `None` for a signature that has no hash of its own.
fn end_point(certificate: &X509Ref) -> Option<Vec<u8>> {
    let signed = certificate.signature_algorithm().object().nid();
    let digest = match signed.signature_algorithms()?.digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        digest => MessageDigest::from_nid(digest)?,
    };
    certificate.digest(digest).ok().map(|hash| hash.to_vec())
}

/// What is known of the TLS below a stream; to tokio-postgres it is the TLS.
#[derive(Debug, Clone)]
pub struct Seal {
    pub words: String,
    /// What a password can be bound to.
    end_point: Option<Vec<u8>>,
    pub shown: CertificateShown,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for Seal {
    type Stream = Sealed<S>;
    type Error = Infallible;
    type Future = Ready<Result<Sealed<S>, Infallible>>;

    fn connect(self, inner: S) -> Self::Future {
        ready(Ok(Sealed {
            inner,
            end_point: self.end_point,
        }))
    }
}

/// A stream that has been under TLS all along.
#[derive(Debug)]
pub struct Sealed<S> {
    inner: S,
    end_point: Option<Vec<u8>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Sealed<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.end_point {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sealed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sealed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
