//! Reads the server's messages as they pass on their way to tokio-postgres.
//!
//! tokio-postgres throws away the command tag and the transaction status (rust-postgres #1334,
//! #1342), the two things that tell a COMMIT from a ROLLBACK; the tap keeps them. It changes no
//! byte, survives any bytes, and holds at most [`PAYLOAD_CAP`] bytes of one message.
//!
//! It also has a side door for COPY data: tokio-postgres sends such data only by the extended
//! protocol, and loses count of the answers when the COPY fails at once (its request holds a Sync
//! before the data and one after). Through the side door a COPY goes as psql sends it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::message;
use crate::gate::event::ServerMessage;

/// How much of one message is kept, in bytes. What an error or notice says beyond is lost to us.
pub const PAYLOAD_CAP: usize = 64 * 1024;

/// A message of the server that matters for the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// CommandComplete, with its tag.
    Complete(String),
    /// ReadyForQuery: the answer to one request is over.
    Ready(Status),
    /// BackendKeyData, with the process id that the wire protocol names.
    Key(i32),
    /// NoticeResponse.
    Notice(Box<ServerMessage>),
    /// ErrorResponse.
    Error(Box<ServerMessage>),
    /// CopyInResponse: the server waits for data.
    CopyIn,
}

/// The transaction status that ReadyForQuery carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// `I`: no transaction is open.
    Idle,
    /// `T`: in a transaction.
    Open,
    /// `E`: in a transaction that failed.
    Failed,
    /// None that the protocol knows.
    Unknown,
}

/// A frame and when it arrived.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// When it was read from the socket.
    pub at: Instant,
    /// What it was.
    pub frame: Frame,
}

/// Cuts a stream of bytes into messages, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Reader {
    header: [u8; 5],
    filled: usize,
    remaining: usize,
    payload: Vec<u8>,
    lost: bool,
}

impl Reader {
    /// Takes the next bytes and hands every message that they complete to `sink`.
    ///
    /// After a length that no message can have it reads no further; tokio-postgres then gives up
    /// the connection by itself.
    pub fn feed(&mut self, mut bytes: &[u8], mut sink: impl FnMut(Frame)) {
        while !self.lost && !bytes.is_empty() {
            if self.filled < self.header.len() {
                bytes = self.fill_header(bytes);
            }
            if self.lost || self.filled < self.header.len() {
                return;
            }
            let here = self.remaining.min(bytes.len());
            let (body, rest) = bytes.split_at(here);
            if matches!(self.header[0], b'C' | b'Z' | b'K' | b'N' | b'E' | b'G') {
                let room = PAYLOAD_CAP.saturating_sub(self.payload.len());
                self.payload.extend(body.iter().take(room));
            }
            self.remaining -= here;
            bytes = rest;
            if self.remaining == 0 {
                if let Some(frame) = frame(self.header[0], &self.payload) {
                    sink(frame);
                }
                self.filled = 0;
                self.payload = Vec::new();
            }
        }
    }

    fn fill_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let here = (self.header.len() - self.filled).min(bytes.len());
        let (head, rest) = bytes.split_at(here);
        for byte in head {
            if let Some(slot) = self.header.get_mut(self.filled) {
                *slot = *byte;
            }
            self.filled += 1;
        }
        if self.filled == self.header.len() {
            let [_, a, b, c, d] = self.header;
            // The length counts itself.
            match usize::try_from(i32::from_be_bytes([a, b, c, d])) {
                Ok(length) if length >= 4 => self.remaining = length - 4,
                _ => self.lost = true,
            }
            // A message without a body is complete here, even when no byte follows.
        }
        rest
    }
}

fn frame(tag: u8, payload: &[u8]) -> Option<Frame> {
    match tag {
        b'C' => {
            let text = payload.split(|b| *b == 0).next().unwrap_or_default();
            Some(Frame::Complete(String::from_utf8_lossy(text).into_owned()))
        }
        b'Z' => Some(Frame::Ready(match payload.first() {
            Some(b'I') => Status::Idle,
            Some(b'T') => Status::Open,
            Some(b'E') => Status::Failed,
            _ => Status::Unknown,
        })),
        b'K' => {
            let pid: [u8; 4] = payload.get(..4)?.try_into().ok()?;
            Some(Frame::Key(i32::from_be_bytes(pid)))
        }
        b'N' => Some(Frame::Notice(Box::new(message::from_fields(payload)))),
        b'E' => Some(Frame::Error(Box::new(message::from_fields(payload)))),
        b'G' => Some(Frame::CopyIn),
        _ => None,
    }
}

/// A message on its way through the side door, and who waits for it to be written.
type Extra = (Bytes, oneshot::Sender<()>);

/// Puts frontend messages on the wire that tokio-postgres knows nothing of. Only while it has
/// nothing to write itself: between the server's CopyInResponse and the end of that request.
#[derive(Debug)]
pub struct SideDoor(mpsc::Sender<Extra>);

impl SideDoor {
    /// CopyData. Returns when it is written; `false` when the connection is gone.
    pub async fn copy_data(&self, data: &[u8]) -> bool {
        self.put(b'd', data).await
    }

    /// CopyDone.
    pub async fn copy_done(&self) -> bool {
        self.put(b'c', &[]).await
    }

    /// CopyFail.
    pub async fn copy_fail(&self, reason: &str) -> bool {
        let mut body = reason.as_bytes().to_vec();
        body.push(0);
        self.put(b'f', &body).await
    }

    async fn put(&self, tag: u8, body: &[u8]) -> bool {
        let Ok(length) = i32::try_from(body.len() + 4) else {
            return false;
        };
        let mut message = BytesMut::with_capacity(body.len() + 5);
        message.put_u8(tag);
        message.put_i32(length);
        message.put_slice(body);
        let (written, done) = oneshot::channel();
        let put = self.0.send((message.freeze(), written)).await;
        put.is_ok() && done.await.is_ok()
    }
}

/// A stream with a tap on what is read from it.
#[derive(Debug)]
pub struct Tap<S> {
    inner: S,
    reader: Reader,
    frames: mpsc::UnboundedSender<Tapped>,
    side_door: mpsc::Receiver<Extra>,
    extra: Option<Extra>,
}

impl<S> Tap<S> {
    /// Puts a tap on `inner`. The receiver ends when the stream is dropped, which is how the end
    /// of a connection is noticed.
    pub fn new(inner: S) -> (Tap<S>, mpsc::UnboundedReceiver<Tapped>, SideDoor) {
        let (frames, receiver) = mpsc::unbounded_channel();
        let (door, side_door) = mpsc::channel(1);
        let tap = Tap {
            inner,
            reader: Reader::default(),
            frames,
            side_door,
            extra: None,
        };
        (tap, receiver, SideDoor(door))
    }
}

impl<S: AsyncWrite + Unpin> Tap<S> {
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
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let at = Instant::now();
        let read = buf.filled().get(before..).unwrap_or_default();
        this.reader.feed(read, |frame| {
            // Nobody listens any more: the session is being torn down.
            let _ = this.frames.send(Tapped { at, frame });
        });
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        out.extend((body.len() as i32 + 4).to_be_bytes());
        out.extend(body);
        out
    }

    fn all(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut reader = Reader::default();
        let mut frames = Vec::new();
        for chunk in chunks {
            reader.feed(chunk, |f| frames.push(f));
        }
        frames
    }

    fn conversation() -> Vec<u8> {
        [
            wire(b'K', &[0, 0, 1, 2, 9, 9, 9, 9]),
            wire(b'n', &[]),
            wire(b'D', &[7; 300]),
            wire(
                b'N',
                b"SWARNUNG\0VWARNING\0C01000\0Mcareful\0Ddetail\0Hhint\0Wwhere\0P12\0\0",
            ),
            wire(b'C', b"CREATE TABLE\0"),
            wire(b'Z', b"T"),
            wire(b'G', &[0, 0, 0]),
            wire(b'E', b"VERROR\0C57014\0Mcanceled\0\0"),
            wire(b'Z', b"E"),
        ]
        .concat()
    }

    #[test]
    fn messages_are_read_whole() {
        let frames = all(&[&conversation()]);
        assert_eq!(frames.len(), 7);
        assert_eq!(frames[0], Frame::Key(258));
        let Frame::Notice(notice) = &frames[1] else {
            panic!("{frames:?}")
        };
        assert_eq!(notice.severity, "WARNING");
        assert_eq!(notice.sqlstate.as_deref(), Some("01000"));
        assert_eq!(notice.message, "careful");
        assert_eq!(notice.detail.as_deref(), Some("detail"));
        assert_eq!(notice.hint.as_deref(), Some("hint"));
        assert_eq!(notice.context.as_deref(), Some("where"));
        assert_eq!(notice.position, Some(12));
        assert_eq!(frames[2], Frame::Complete("CREATE TABLE".into()));
        assert_eq!(frames[3], Frame::Ready(Status::Open));
        assert_eq!(frames[4], Frame::CopyIn);
        assert_eq!(frames[6], Frame::Ready(Status::Failed));
    }

    #[test]
    fn a_huge_message_is_not_kept_whole() {
        let mut body = b"VNOTICE\0M".to_vec();
        body.extend(vec![b'x'; 3 * PAYLOAD_CAP]);
        body.extend(b"\0\0");
        let mut bytes = wire(b'N', &body);
        bytes.extend(wire(b'Z', b"I"));
        let frames = all(&[&bytes]);
        let Frame::Notice(notice) = &frames[0] else {
            panic!("no notice")
        };
        assert!(notice.message.len() <= PAYLOAD_CAP && notice.message.len() > PAYLOAD_CAP / 2);
        assert_eq!(frames[1], Frame::Ready(Status::Idle));
    }

    #[test]
    fn an_impossible_length_ends_the_reading() {
        for length in [3i32, 0, -1, i32::MIN] {
            let mut bytes = vec![b'C'];
            bytes.extend(length.to_be_bytes());
            bytes.extend(conversation());
            assert_eq!(all(&[&bytes]), []);
        }
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(cuts in prop::collection::vec(0usize..600, 0..40)) {
            let bytes = conversation();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|c| *c <= bytes.len()).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&bytes[from..cut]);
                from = cut;
            }
            chunks.push(&bytes[from..]);
            prop_assert_eq!(all(&chunks), all(&[&bytes]));
        }

        #[test]
        fn any_bytes_in_any_pieces_are_survived(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..32),
        ) {
            let pieces: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let whole = chunks.concat();
            prop_assert_eq!(all(&pieces), all(&[&whole]));
        }
    }
}
