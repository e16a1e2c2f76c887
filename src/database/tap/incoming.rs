//! The server's messages on their way in: cut, tapped, and turned into what a simple query's
//! answer is made of.
//!
//! A request of one command goes out by the extended protocol (see [`super::outgoing`]), whose
//! answer holds messages that tokio-postgres' simple query does not know: they are left out here.
//! The data of COPY … TO STDOUT becomes rows of one column. In what holds text, bytes that are none
//! become escapes, and those of another encoding its letters ([`escaping`]). Everything else passes as it is. It survives any bytes, and holds
//! at most [`TEXT_CAP`] bytes of one message.

use bytes::{BufMut, BytesMut};

use super::escaping;
use crate::database::legible::legible_in;
use crate::database::message;
use crate::facts::ServerMessage;
use crate::runbook::encoding::Charset;

/// How much of one message is kept, in bytes. What an error or notice says beyond is lost to us.
pub const PAYLOAD_CAP: usize = 64 * 1024;

/// How long a message may be whose text is looked at, in bytes. In a longer one a value that is no
/// text is lost as a whole; nothing else is.
pub const TEXT_CAP: usize = 1024 * 1024;

/// A message of the server that matters for the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Complete(String),
    /// EmptyQueryResponse: the text held no command.
    Empty,
    /// ReadyForQuery: the answer to one request is over.
    Ready(Status),
    /// BackendKeyData, with the process id that the wire protocol names.
    Key(i32),
    /// ParameterStatus: a setting of the session and its value from here on.
    Parameter(String, String),
    Notice(Box<ServerMessage>),
    Error(Box<ServerMessage>),
    /// CopyInResponse: the server waits for data.
    CopyIn,
    /// CopyOutResponse: the rows that follow are lines of COPY data.
    CopyOut,
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

/// What becomes of the message that is passing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fare {
    #[default]
    Passes,
    LeftOut,
    /// It waits until it is whole, and is looked at then.
    Held,
}

/// Cuts a stream of bytes into messages, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Incoming {
    header: [u8; 5],
    filled: usize,
    remaining: usize,
    payload: Vec<u8>,
    fare: Fare,
    lost: bool,
    /// What the bytes of a database that converts none are in.
    bytes_in: Charset,
    /// What the server's texts are in, as far as it is known.
    charset: Charset,
}

impl Incoming {
    /// Reads texts in UTF-8, and those of a database that converts no bytes in that encoding.
    pub fn new(bytes_in: Charset) -> Incoming {
        Incoming {
            bytes_in,
            ..Incoming::default()
        }
    }

    /// Takes the next bytes, puts what tokio-postgres is to read into `out`, and hands every
    /// message that they complete to `sink`.
    ///
    /// After a length that no message can have everything passes as it is; tokio-postgres then
    /// gives up the connection by itself.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut BytesMut, mut sink: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            if self.lost {
                out.put_slice(bytes);
                return;
            }
            if self.filled < self.header.len() {
                bytes = self.fill_header(bytes, out);
            }
            if self.lost {
                continue;
            }
            if self.filled < self.header.len() {
                return;
            }
            let here = self.remaining.min(bytes.len());
            let (body, rest) = bytes.split_at(here);
            self.remaining -= here;
            bytes = rest;
            let tag = self.header[0];
            match self.fare {
                Fare::Held if self.remaining == 0 && self.payload.is_empty() => {
                    let frame = let_in(tag, body, self.charset, out);
                    self.let_go(frame, &mut sink);
                }
                Fare::Held => self.payload.extend_from_slice(body),
                fare => {
                    if matches!(tag, b'C' | b'Z' | b'K' | b'N' | b'E') {
                        let room = PAYLOAD_CAP.saturating_sub(self.payload.len());
                        self.payload.extend(body.iter().take(room));
                    }
                    if fare == Fare::Passes {
                        out.put_slice(body);
                    }
                }
            }
            if self.remaining == 0 {
                let frame = match self.fare {
                    Fare::Held if self.payload.is_empty() => None,
                    Fare::Held => let_in(tag, &self.payload, self.charset, out),
                    _ => frame(tag, &self.payload, self.charset),
                };
                self.let_go(frame, &mut sink);
                self.filled = 0;
                self.payload = Vec::new();
            }
        }
    }

    /// Hands a message on, and notes where it says that the database converts no bytes.
    fn let_go(&mut self, frame: Option<Frame>, sink: &mut impl FnMut(Frame)) {
        let Some(frame) = frame else {
            return;
        };
        if let Frame::Parameter(name, value) = &frame
            && name == "server_encoding"
        {
            self.charset = match value.as_str() {
                "SQL_ASCII" => self.bytes_in,
                _ => Charset::Utf8,
            };
        }
        sink(frame);
    }

    fn fill_header<'b>(&mut self, bytes: &'b [u8], out: &mut BytesMut) -> &'b [u8] {
        let here = (self.header.len() - self.filled).min(bytes.len());
        let (head, rest) = bytes.split_at(here);
        for byte in head {
            if let Some(slot) = self.header.get_mut(self.filled) {
                *slot = *byte;
            }
            self.filled += 1;
        }
        if self.filled == self.header.len() {
            let [tag, a, b, c, d] = self.header;
            let length = i32::from_be_bytes([a, b, c, d]);
            // The length counts itself.
            match usize::try_from(length) {
                Ok(all) if all >= 4 && length <= i32::MAX - ROW_AROUND => {
                    self.remaining = all - 4;
                    self.fare = head_of(tag, length, out);
                }
                _ => {
                    self.lost = true;
                    out.put_slice(&self.header);
                }
            }
            // A message without a body is complete here, even when no byte follows.
        }
        rest
    }
}

/// How much longer a row is than the line of COPY data that it holds.
const ROW_AROUND: i32 = 6;

/// Puts a message that was held, or what stands for it, into `out`.
fn let_in(tag: u8, body: &[u8], charset: Charset, out: &mut BytesMut) -> Option<Frame> {
    let (tag_out, anew) = match tag {
        b'd' => (b'D', Some(escaping::line(body, charset))),
        b'D' => (tag, escaping::row(body, charset)),
        b'T' => (tag, escaping::columns(body, charset)),
        _ => (tag, escaping::parameter(body, charset)),
    };
    let body_out = anew.as_deref().unwrap_or(body);
    out.put_u8(tag_out);
    // It is no longer than four times TEXT_CAP.
    out.put_i32(i32::try_from(body_out.len() + 4).unwrap_or(i32::MAX));
    out.put_slice(body_out);
    frame(tag, body, charset)
}

/// Puts the head of a message into `out`, or of what stands for it; says whether its body follows.
fn head_of(tag: u8, length: i32, out: &mut BytesMut) -> Fare {
    let held = usize::try_from(length).is_ok_and(|length| length <= TEXT_CAP);
    match tag {
        // ParseComplete, BindComplete, CloseComplete, NoData, PortalSuspended,
        // ParameterDescription, CopyDone; NotificationResponse, for which nobody listens here.
        b'1' | b'2' | b'3' | b'n' | b's' | b't' | b'c' | b'A' => Fare::LeftOut,
        b'D' | b'T' | b'S' | b'd' if held => Fare::Held,
        b'H' => {
            out.put_slice(COPY_COLUMN);
            Fare::LeftOut
        }
        b'd' => {
            out.put_u8(b'D');
            out.put_i32(length + ROW_AROUND);
            out.put_i16(1);
            out.put_i32(length - 4);
            Fare::Passes
        }
        _ => {
            out.put_u8(tag);
            out.put_i32(length);
            Fare::Passes
        }
    }
}

/// RowDescription of the one column of text, `COPY`, that COPY data is shown in.
const COPY_COLUMN: &[u8] =
    b"T\0\0\0\x1d\0\x01COPY\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";

fn frame(tag: u8, payload: &[u8], charset: Charset) -> Option<Frame> {
    let mut texts = payload
        .split(|b| *b == 0)
        .map(|text| legible_in(charset, text).into_owned());
    match tag {
        b'C' => Some(Frame::Complete(texts.next().unwrap_or_default())),
        b'I' => Some(Frame::Empty),
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
        b'S' => Some(Frame::Parameter(texts.next()?, texts.next()?)),
        b'N' => Some(Frame::Notice(Box::new(message::from_fields(
            payload, charset,
        )))),
        b'E' => Some(Frame::Error(Box::new(message::from_fields(
            payload, charset,
        )))),
        // CopyBothResponse waits for data as well.
        b'G' | b'W' => Some(Frame::CopyIn),
        b'H' => Some(Frame::CopyOut),
        _ => None,
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

    /// The frames, and what tokio-postgres gets to read.
    fn read_frames(chunks: &[&[u8]]) -> (Vec<Frame>, Vec<u8>) {
        let mut incoming = Incoming::default();
        let mut frames = Vec::new();
        let mut out = BytesMut::new();
        for chunk in chunks {
            incoming.feed(chunk, &mut out, |f| frames.push(f));
        }
        (frames, out.to_vec())
    }

    fn read_all_frames(chunks: &[&[u8]]) -> Vec<Frame> {
        read_frames(chunks).0
    }

    fn conversation() -> Vec<u8> {
        [
            wire(b'K', &[0, 0, 1, 2, 9, 9, 9, 9]),
            wire(b'1', &[]),
            wire(b'2', &[]),
            wire(b'n', &[]),
            wire(b'D', &[7; 300]),
            wire(b'S', b"client_encoding\0UTF8\0"),
            wire(
                b'N',
                b"SWARNUNG\0VWARNING\0C01000\0Mcareful\0Ddetail\0Hhint\0Wwhere\0P12\0\0",
            ),
            wire(b'C', b"CREATE TABLE\0"),
            wire(b'Z', b"T"),
            wire(b'H', &[0, 0, 1, 0, 0]),
            wire(b'd', b"1\tone\n"),
            wire(b'c', &[]),
            wire(b'G', &[0, 0, 0]),
            wire(b'E', b"VERROR\0C57014\0Mcanceled\0\0"),
            wire(b'Z', b"E"),
        ]
        .concat()
    }

    #[test]
    fn messages_are_read_whole() {
        let frames = read_all_frames(&[&conversation()]);
        assert_eq!(frames.len(), 9);
        assert_eq!(frames[0], Frame::Key(258));
        let parameter = Frame::Parameter("client_encoding".into(), "UTF8".into());
        assert_eq!(frames[1], parameter);
        let Frame::Notice(notice) = &frames[2] else {
            panic!("{frames:?}")
        };
        assert_eq!(notice.severity, "WARNING");
        assert_eq!(notice.sqlstate.as_deref(), Some("01000"));
        assert_eq!(notice.message, "careful");
        assert_eq!(notice.detail.as_deref(), Some("detail"));
        assert_eq!(notice.hint.as_deref(), Some("hint"));
        assert_eq!(notice.context.as_deref(), Some("where"));
        assert_eq!(notice.position, Some(12));
        assert_eq!(frames[3], Frame::Complete("CREATE TABLE".into()));
        assert_eq!(frames[4], Frame::Ready(Status::Open));
        assert_eq!(frames[5], Frame::CopyOut);
        assert_eq!(frames[6], Frame::CopyIn);
        assert_eq!(frames[8], Frame::Ready(Status::Failed));
    }

    #[test]
    fn what_a_simple_query_does_not_know_is_left_out_and_copy_data_becomes_rows() {
        let (_, out) = read_frames(&[&conversation()]);
        let mut tags = Vec::new();
        let mut rest = out.as_slice();
        while let [tag, a, b, c, d, body @ ..] = rest {
            let length = i32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
            if *tag == b'T' {
                assert_eq!(
                    &body[..length],
                    b"\0\x01COPY\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
                );
            }
            if *tag == b'D' && length < 300 {
                assert_eq!(&body[..length], b"\0\x01\0\0\0\x061\tone\n");
            }
            tags.push(*tag as char);
            rest = &body[length..];
        }
        assert_eq!(rest, b"");
        assert_eq!(tags.iter().collect::<String>(), "KDSNCZTDGEZ");
    }

    #[test]
    fn a_huge_message_is_not_kept_whole() {
        let mut body = b"VNOTICE\0M".to_vec();
        body.extend(vec![b'x'; 3 * PAYLOAD_CAP]);
        body.extend(b"\0\0");
        let mut bytes = wire(b'N', &body);
        bytes.extend(wire(b'Z', b"I"));
        let frames = read_all_frames(&[&bytes]);
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
            assert_eq!(read_all_frames(&[&bytes]), []);
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
            prop_assert_eq!(read_frames(&chunks), read_frames(&[&bytes]));
        }

        #[test]
        fn any_bytes_in_any_pieces_are_survived(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..32),
        ) {
            let pieces: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let whole = chunks.concat();
            prop_assert_eq!(read_frames(&pieces), read_frames(&[&whole]));
        }
    }
}
