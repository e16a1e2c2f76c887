//! Looks at how the server wants us to prove who we are, before anything is answered.
//!
//! It sits below the tap, so that a way which `require_auth` does not allow, or which is not spoken
//! here, ends the attempt before a password can go out.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::settings::{Way, Ways};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuthenticationSeen {
    pub asked: Option<Way>,
    /// The server let us in; what it says from now on is no longer about who we are.
    pub admitted: bool,
}

/// A stream that is watched until the server lets us in.
pub struct Doorkeeper<S> {
    inner: S,
    ways: Option<Ways>,
    seen: Arc<Mutex<AuthenticationSeen>>,
    head: Vec<u8>,
    skip: usize,
    done: bool,
}

/// Tag, length and the number of a way.
const HEAD: usize = 9;

impl<S> Doorkeeper<S> {
    /// Watches `inner`; what was seen can be asked for at any time.
    pub fn new(inner: S, ways: Option<Ways>) -> (Doorkeeper<S>, Arc<Mutex<AuthenticationSeen>>) {
        let seen = Arc::<Mutex<AuthenticationSeen>>::default();
        let keeper = Doorkeeper {
            inner,
            ways,
            seen: Arc::clone(&seen),
            head: Vec::new(),
            skip: 0,
            done: false,
        };
        (keeper, seen)
    }

    fn look(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            if self.done {
                return Ok(());
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.head.push(*byte);
            let [tag, a, b, c, d, rest @ ..] = self.head.as_slice() else {
                continue;
            };
            let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(0);
            match (*tag, rest) {
                (b'R', [a, b, c, d]) => {
                    let number = u32::from_be_bytes([*a, *b, *c, *d]);
                    self.skip = length.saturating_sub(HEAD - 1);
                    self.head.clear();
                    self.judge(number)?;
                }
                (b'R', _) if length >= HEAD - 1 => {}
                _ => {
                    self.skip = length.saturating_sub(4);
                    self.head.clear();
                }
            }
        }
        Ok(())
    }

    fn judge(&mut self, number: u32) -> io::Result<()> {
        let way = match number {
            0 => None,
            3 => Some(Way::Password),
            5 => Some(Way::Md5),
            2 | 7 => Some(Way::Gss),
            9 => Some(Way::Sspi),
            10 => Some(Way::ScramSha256),
            // The rest of an exchange, or what tokio-postgres has no answer to.
            _ => return Ok(()),
        };
        let asked = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.admitted = way.is_none();
            seen.asked = way.or(seen.asked);
            seen.asked
        };
        self.done = way.is_none();
        // The server lets us in: without having asked is a way too.
        let used = way.or(asked).unwrap_or(Way::None);
        if let Some(ways) = self.ways.as_ref().filter(|ways| !ways.allow(used)) {
            let did = match used {
                Way::None => "did not ask who we are at all".to_owned(),
                way => format!("asked for {}", in_words(way)),
            };
            return Err(io::Error::other(format!(
                "require_auth=\"{}\" is not met: the server {did}",
                ways.written
            )));
        }
        if matches!(used, Way::Gss | Way::Sspi) {
            return Err(io::Error::other(format!(
                "the server asks for {}, which is not spoken here; a line in its pg_hba.conf for \
                 scram-sha-256 or cert lets this role in",
                in_words(used)
            )));
        }
        Ok(())
    }
}

fn in_words(way: Way) -> &'static str {
    match way {
        Way::Password => "a cleartext password",
        Way::Md5 => "an MD5-hashed password",
        Way::Gss => "GSSAPI authentication",
        Way::Sspi => "SSPI authentication",
        Way::ScramSha256 => "SCRAM-SHA-256 authentication",
        Way::None => "nothing",
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Doorkeeper<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        if !this.done
            && let Some(new) = buf.filled().get(before..)
        {
            let new = new.to_vec();
            this.look(&new)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Doorkeeper<S> {
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
