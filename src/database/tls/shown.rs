//! Whether the server asked for our certificate in the handshake, and was shown one.
//!
//! No call of the openssl crate tells it, so it is read from what our own side writes: a client sends a
//! Certificate only where it was asked for one. Up to TLS 1.2 that message is in plain sight; in 1.3 it
//! is encrypted, and what stands there without it is the Finished alone, whose length is known.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What became of our certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateShown {
    NotAsked,
    /// It was asked for, and there was none.
    Nothing,
    Yes,
}

/// Types of a record.
const CHANGE_CIPHER: u8 = 20;
const HANDSHAKE: u8 = 22;
const ENCRYPTED: u8 = 23;

/// The type of the message that holds certificates, and its length with none in it.
const CERTIFICATE: u8 = 11;
const NO_CERTIFICATE: usize = 7;

/// What is around a message of TLS 1.3: the head of its record and its own, its inner type, its seal.
const AROUND: usize = 5 + 4 + 1 + 16;
/// The longest Finished, and the same behind a Certificate that holds none.
const FINISHED: usize = AROUND + 48;
const FINISHED_WITHOUT: usize = FINISHED + AROUND + 4;

/// The records that our side wrote in the handshake.
#[derive(Debug, Default)]
struct Records {
    head: Vec<u8>,
    left: usize,
    changed_cipher: bool,
    certificate: Option<usize>,
    encrypted: usize,
}

impl Records {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.left > 0 {
                self.left -= 1;
                continue;
            }
            self.head.push(*byte);
            let [kind, _, _, a, b, first] = self.head.as_slice() else {
                continue;
            };
            let length = usize::from(u16::from_be_bytes([*a, *b]));
            match *kind {
                CHANGE_CIPHER => self.changed_cipher = true,
                HANDSHAKE if !self.changed_cipher && *first == CERTIFICATE => {
                    self.certificate.get_or_insert(length);
                }
                ENCRYPTED => self.encrypted += 5 + length,
                _ => {}
            }
            self.left = length.saturating_sub(1);
            self.head.clear();
        }
    }

    fn tell(&self) -> CertificateShown {
        match (self.certificate, self.encrypted) {
            (Some(length), _) if length > NO_CERTIFICATE => CertificateShown::Yes,
            (Some(_), _) => CertificateShown::Nothing,
            (None, length) if length > FINISHED_WITHOUT => CertificateShown::Yes,
            (None, length) if length > FINISHED => CertificateShown::Nothing,
            (None, _) => CertificateShown::NotAsked,
        }
    }
}

/// A stream that is watched until the handshake is over.
pub(super) struct Watched<S> {
    inner: S,
    records: Option<Records>,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S) -> Watched<S> {
        Watched {
            inner,
            records: Some(Records::default()),
        }
    }

    /// What became of our certificate; the handshake is over, and nothing is watched any more.
    pub(super) fn tell(&mut self) -> CertificateShown {
        self.records
            .take()
            .map_or(CertificateShown::NotAsked, |records| records.tell())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        if let (Poll::Ready(Ok(length)), Some(records)) = (&written, &mut this.records) {
            records.take(buf.get(..*length).unwrap_or_default());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
