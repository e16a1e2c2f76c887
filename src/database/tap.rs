//! Stands between tokio-postgres and the wire, and follows both directions.
//!
//! tokio-postgres throws away the command tag and the transaction status (rust-postgres #1334,
//! #1342), the two things that tell a COMMIT from a ROLLBACK; on the way in the tap keeps them. On
//! the way out it turns a request of one command into the extended protocol.
//!
//! It also has a side door for COPY data: tokio-postgres loses count of the answers when a COPY
//! fails at once (its request holds a Sync before the data and one after). Through the side door
//! exactly one Sync follows a COPY, whatever becomes of it.

mod escaping;
mod incoming;
mod outgoing;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::runbook::encoding::Charset;
use incoming::Incoming;
use outgoing::{Forms, Outgoing};

pub use incoming::{Frame, Status};
pub use outgoing::{NoByte, RequestForm};

/// A frame and when it arrived.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// When it was read from the socket.
    pub at: Instant,
    pub frame: Frame,
}

/// A message on its way through the side door, and who waits for it to be written.
type Extra = (Bytes, oneshot::Sender<()>);

/// Puts frontend messages on the wire that tokio-postgres knows nothing of, only while it has
/// nothing to write itself; and tells the tap what form each of its requests has.
#[derive(Debug)]
pub struct SideDoor {
    extras: mpsc::Sender<Extra>,
    forms: Forms,
}

/// CopyDone, then the one Sync of a COPY.
const COPY_DONE: &[u8] = b"c\0\0\0\x04S\0\0\0\x04";

const SYNC: &[u8] = b"S\0\0\0\x04";

impl SideDoor {
    /// Says what the next request of tokio-postgres is, and what its letters are sent in.
    ///
    /// # Errors
    /// Where a letter cannot be sent.
    pub fn announce(&self, form: RequestForm, text: &str, charset: Charset) -> Result<(), NoByte> {
        self.forms.announce(form, text, charset)
    }

    /// Says that the next request of tokio-postgres is a chain of these texts.
    ///
    /// # Errors
    /// Where a letter cannot be sent.
    pub fn announce_chain(&self, texts: &[&str], charset: Charset) -> Result<(), NoByte> {
        self.forms.announce_chain(texts, charset)
    }

    /// The request that was announced last does not come.
    pub fn withdraw(&self) {
        self.forms.withdraw();
    }

    /// CopyData. Returns when it is written; `false` when the connection is gone.
    pub async fn copy_data(&self, data: &[u8]) -> bool {
        let Ok(length) = i32::try_from(data.len() + 4) else {
            return false;
        };
        let mut message = BytesMut::with_capacity(data.len() + 5);
        message.put_u8(b'd');
        message.put_i32(length);
        message.put_slice(data);
        self.put(message.freeze()).await
    }

    /// The end of the data, with the Sync behind it.
    pub async fn copy_done(&self) -> bool {
        self.put(Bytes::from_static(COPY_DONE)).await
    }

    /// The Sync of a COPY that has no more data to come.
    pub async fn sync(&self) -> bool {
        self.put(Bytes::from_static(SYNC)).await
    }

    async fn put(&self, message: Bytes) -> bool {
        let (written, done) = oneshot::channel();
        let put = self.extras.send((message, written)).await;
        put.is_ok() && done.await.is_ok()
    }
}

/// How much is read from the wire, or taken from tokio-postgres, at a time.
const PIECE: usize = 16 * 1024;

#[derive(Debug)]
pub struct Tap<S> {
    inner: S,
    incoming: Incoming,
    /// What was read and tokio-postgres has not taken yet.
    read: BytesMut,
    outgoing: Outgoing,
    /// What tokio-postgres wrote and the wire has not taken yet.
    written: BytesMut,
    frames: mpsc::UnboundedSender<Tapped>,
    side_door: mpsc::Receiver<Extra>,
    extra: Option<Extra>,
}

/// The other end of a tap: what it hears comes out here, and what is put in here it lets out.
#[derive(Debug)]
pub struct Outlet {
    pub frames: mpsc::UnboundedReceiver<Tapped>,
    pub side_door: SideDoor,
}

impl<S> Tap<S> {
    /// Puts a tap on `inner`. The receiver ends when the stream is dropped, which is how the end
    /// of a connection is noticed. The bytes of a database that converts none are in `charset`.
    pub fn new(inner: S, charset: Charset) -> (Tap<S>, Outlet) {
        let (frames, heard) = mpsc::unbounded_channel();
        let (extras, side_door) = mpsc::channel(1);
        let forms = Forms::default();
        let tap = Tap {
            inner,
            incoming: Incoming::new(charset),
            read: BytesMut::new(),
            outgoing: Outgoing::new(forms.clone()),
            written: BytesMut::new(),
            frames,
            side_door,
            extra: None,
        };
        let outlet = Outlet {
            frames: heard,
            side_door: SideDoor { extras, forms },
        };
        (tap, outlet)
    }
}

impl<S: AsyncWrite + Unpin> Tap<S> {
    /// Moves what is written to the wire, to its end.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written.has_remaining() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, &self.written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what came through the side door, as far as the socket takes it.
    fn poll_side_door(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if self.extra.is_none() {
                match self.side_door.poll_recv(cx) {
                    Poll::Ready(Some(extra)) => self.extra = Some(extra),
                    // Closed: the link is being let go of.
                    Poll::Ready(None) | Poll::Pending => return Ok(()),
                }
            }
            if !self.outgoing.between_messages() {
                return Err(io::Error::other("a message in the middle of another"));
            }
            if self.poll_written(cx)?.is_pending() {
                return Ok(());
            }
            let Some((bytes, _)) = &mut self.extra else {
                return Ok(());
            };
            while bytes.has_remaining() {
                match Pin::new(&mut self.inner).poll_write(cx, bytes)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(written) => bytes.advance(written),
                    Poll::Pending => return Ok(()),
                }
            }
            if Pin::new(&mut self.inner).poll_flush(cx)?.is_pending() {
                return Ok(());
            }
            if let Some((_, written)) = self.extra.take() {
                let _ = written.send(());
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The connection is always reading, so this is where the side door is looked at.
        this.poll_side_door(cx)?;
        // A piece may hold nothing that tokio-postgres is to see.
        while !this.read.has_remaining() {
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let at = Instant::now();
            let frames = &this.frames;
            this.incoming.feed(piece.filled(), &mut this.read, |frame| {
                // Nobody listens any more: the session is being torn down.
                let _ = frames.send(Tapped { at, frame });
            });
        }
        let here = this.read.len().min(buf.remaining());
        buf.put_slice(&this.read.split_to(here));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_written(cx))?;
        let piece = buf.get(..PIECE).unwrap_or(buf);
        this.outgoing.feed(piece, &mut this.written)?;
        // What the wire does not take now goes with the next write or flush.
        if let Poll::Ready(Err(error)) = this.poll_written(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_written(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_written(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}
