//! The client's messages on their way out: a request of one command is turned into the extended
//! protocol, where the server itself refuses a text that holds more than one.
//!
//! tokio-postgres writes every request as a simple query, whose text the server splits as it sees
//! fit: what we read as one statement might be several to it, a COMMIT among them. So the link
//! announces the form of each request, and this part writes Parse, Bind, Describe, Execute and
//! Sync in the place of the query where it is one command. A request that was not announced is
//! never sent: the connection ends (I1).
//!
//! tokio-postgres takes texts in UTF-8 only. Where the bytes of a database are in another encoding,
//! those of the text in it are announced with the form, and go in the place of what comes.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{BufMut, Bytes, BytesMut};

use crate::runbook::encoding::Charset;

/// How a request is put to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestForm {
    /// A simple query: requests of the program's own, of one or several commands.
    Several,
    /// Exactly one command; the server refuses any other text.
    One,
    /// Exactly one COPY … FROM STDIN. Its Sync comes through the side door, after the data or
    /// after what stood against it.
    CopyIn,
    /// Several texts of exactly one command each, with one Sync behind the last: after one that
    /// fails the server passes over all the others.
    Chain,
}

/// The forms of the requests that are not written yet, in order.
#[derive(Debug, Clone, Default)]
pub struct Forms(Arc<Mutex<VecDeque<Announced>>>);

/// A request that is to come: its form, and the length of its text, so that no other is taken
/// for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Announced {
    form: RequestForm,
    length: usize,
    instead: Option<Bytes>,
    /// The lengths of the links of a chain, which are what is sent one behind the other.
    links: VecDeque<usize>,
}

/// A letter that the encoding of a database does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoByte;

/// The bytes of a text, where they are not the text's own.
fn instead(text: &str, charset: Charset) -> Result<Option<Bytes>, NoByte> {
    if charset == Charset::Utf8 || text.is_ascii() {
        return Ok(None);
    }
    Ok(Some(charset.encode(text).ok_or(NoByte)?.into()))
}

impl Forms {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Announced>> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Says what the next request is, and what its letters are sent in.
    ///
    /// # Errors
    /// Where a letter cannot be sent; nothing is announced then.
    pub fn announce(&self, form: RequestForm, text: &str, charset: Charset) -> Result<(), NoByte> {
        let instead = instead(text, charset)?;
        self.lock().push_back(Announced {
            form,
            length: text.len(),
            instead,
            links: VecDeque::new(),
        });
        Ok(())
    }

    /// Says that the next request is a chain of these texts, of which there is at least one.
    ///
    /// # Errors
    /// Where a letter cannot be sent; nothing is announced then.
    pub fn announce_chain(&self, texts: &[&str], charset: Charset) -> Result<(), NoByte> {
        let instead = instead(&texts.concat(), charset)?;
        let sent = |text: &&str| match &instead {
            // One byte a letter.
            Some(_) => text.chars().count(),
            None => text.len(),
        };
        self.lock().push_back(Announced {
            form: RequestForm::Chain,
            length: texts.iter().map(|text| text.len()).sum(),
            links: texts.iter().map(sent).collect(),
            instead,
        });
        Ok(())
    }

    /// The request that was announced last does not come.
    pub fn withdraw(&self) {
        self.lock().pop_back();
    }
}

/// Follows the bytes that tokio-postgres writes, in whatever pieces they come.
#[derive(Debug)]
pub struct Outgoing {
    forms: Forms,
    header: [u8; 5],
    filled: usize,
    /// Length of the header: the very first message has no tag.
    head: usize,
    remaining: usize,
    /// What follows the body of the message that is passing.
    tail: &'static [u8],
    /// The lengths of the links of a chain that are still to pass.
    links: VecDeque<usize>,
    /// How much of the text is still to come in whose place something else went.
    replaced: usize,
}

/// No parameter types; then Bind of no parameters with every column as text, Describe, Execute
/// without a limit, Sync.
const ONE: &[u8] = b"\0\0\
    B\0\0\0\x0c\0\0\0\0\0\0\0\0\
    D\0\0\0\x06P\0\
    E\0\0\0\x09\0\0\0\0\0\
    S\0\0\0\x04";

/// Behind a link of a chain that others follow: the end of its text, and the same without Sync.
const LINK: &[u8] = b"\0\0\0\
    B\0\0\0\x0c\0\0\0\0\0\0\0\0\
    D\0\0\0\x06P\0\
    E\0\0\0\x09\0\0\0\0\0";

/// The same, but Flush in the place of Sync: a Sync that arrives during COPY is ignored, and one
/// that arrived before it would answer for it.
const COPY_IN: &[u8] = b"\0\0\
    B\0\0\0\x0c\0\0\0\0\0\0\0\0\
    D\0\0\0\x06P\0\
    E\0\0\0\x09\0\0\0\0\0\
    H\0\0\0\x04";

/// What a Parse holds besides the text: an empty name before it, a count of types behind it.
const AROUND: usize = 3;

impl Outgoing {
    pub fn new(forms: Forms) -> Outgoing {
        Outgoing {
            forms,
            header: [0; 5],
            filled: 0,
            head: 4,
            remaining: 0,
            tail: &[],
            links: VecDeque::new(),
            replaced: 0,
        }
    }

    /// Whether the last message was taken to its end.
    pub fn between_messages(&self) -> bool {
        self.filled == 0 && self.replaced == 0
    }

    /// Takes bytes of the client and puts what is to be written for them into `out`.
    ///
    /// # Errors
    /// On a message that nobody announced; nothing may be written after it.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut BytesMut) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.replaced > 0 {
                let here = self.replaced.min(bytes.len());
                self.replaced -= here;
                bytes = bytes.get(here..).unwrap_or_default();
                continue;
            }
            if self.filled < self.head {
                let here = (self.head - self.filled).min(bytes.len());
                let (head, rest) = bytes.split_at(here);
                for byte in head {
                    if let Some(slot) = self.header.get_mut(self.filled) {
                        *slot = *byte;
                    }
                    self.filled += 1;
                }
                bytes = rest;
                if self.filled < self.head {
                    return Ok(());
                }
                if let Some(instead) = self.begin(out)? {
                    self.pass_whole(&instead, out)?;
                    continue;
                }
            }
            bytes = self.pass(bytes, out)?;
        }
        Ok(())
    }

    /// Passes on of the body what there is; returns what lies behind it.
    fn pass<'b>(&mut self, bytes: &'b [u8], out: &mut BytesMut) -> io::Result<&'b [u8]> {
        let here = self.remaining.min(bytes.len());
        let (body, rest) = bytes.split_at(here);
        out.put_slice(body);
        self.remaining -= here;
        while self.remaining == 0 {
            out.put_slice(self.tail);
            self.tail = &[];
            if self.links.is_empty() {
                self.filled = 0;
                self.head = 5;
                break;
            }
            self.begin_link(out)?;
        }
        Ok(rest)
    }

    /// Passes this on, and the NUL of the query, in the place of the text that comes.
    fn pass_whole(&mut self, mut instead: &[u8], out: &mut BytesMut) -> io::Result<()> {
        while !instead.is_empty() {
            instead = self.pass(instead, out)?;
        }
        self.pass(&[0], out)?;
        Ok(())
    }

    /// The next link of a chain. Behind the last one stands the NUL of the query.
    fn begin_link(&mut self, out: &mut BytesMut) -> io::Result<()> {
        let Some(length) = self.links.pop_front() else {
            return Err(io::Error::other("a chain without a link"));
        };
        write_parse_head(length + 1, out)?;
        (self.remaining, self.tail) = match self.links.is_empty() {
            true => (length + 1, ONE),
            false => (length, LINK),
        };
        Ok(())
    }

    /// Begins a message. Returns what goes in the place of its text, if that is something else.
    fn begin(&mut self, out: &mut BytesMut) -> io::Result<Option<Bytes>> {
        let [a, b, c, d, e] = self.header;
        if self.head == 4 {
            self.remaining = body_length([a, b, c, d])?;
            out.put_slice(&[a, b, c, d]);
            return Ok(None);
        }
        self.remaining = body_length([b, c, d, e])?;
        match a {
            // An answer to the question for a password, Terminate.
            b'p' | b'X' => out.put_slice(&self.header),
            b'Q' => {
                let announced = self.forms.lock().pop_front();
                let announced = announced.filter(|a| a.length + 1 == self.remaining);
                let Some(announced) = announced else {
                    return Err(io::Error::other("a request that was not announced"));
                };
                if let Some(instead) = &announced.instead {
                    self.replaced = self.remaining;
                    self.remaining = instead.len() + 1;
                }
                match announced.form {
                    RequestForm::Several => query(self.remaining, out)?,
                    RequestForm::One => {
                        self.tail = ONE;
                        write_parse_head(self.remaining, out)?;
                    }
                    RequestForm::CopyIn => {
                        self.tail = COPY_IN;
                        write_parse_head(self.remaining, out)?;
                    }
                    RequestForm::Chain => {
                        self.links = announced.links;
                        self.begin_link(out)?;
                    }
                }
                return Ok(announced.instead);
            }
            _ => {
                return Err(io::Error::other(
                    "a message that this program does not send",
                ));
            }
        }
        Ok(None)
    }
}

/// The head of a simple query, for a text of that length with the NUL behind it.
fn query(length: usize, out: &mut BytesMut) -> io::Result<()> {
    let length = i32::try_from(4 + length).map_err(|_| too_long())?;
    out.put_u8(b'Q');
    out.put_i32(length);
    Ok(())
}

fn too_long() -> io::Error {
    io::Error::other("a request that is too long")
}

/// The head of a Parse without a name, for a text of that length with the NUL behind it.
fn write_parse_head(length: usize, out: &mut BytesMut) -> io::Result<()> {
    let length = i32::try_from(4 + length + AROUND).map_err(|_| too_long())?;
    out.put_u8(b'P');
    out.put_i32(length);
    out.put_u8(0);
    Ok(())
}

fn body_length(length: [u8; 4]) -> io::Result<usize> {
    usize::try_from(i32::from_be_bytes(length))
        .ok()
        .and_then(|length| length.checked_sub(4))
        .ok_or_else(|| io::Error::other("a message of an impossible length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(text: &str) -> Vec<u8> {
        let mut out = vec![b'Q'];
        out.extend((text.len() as i32 + 5).to_be_bytes());
        out.extend(text.as_bytes());
        out.push(0);
        out
    }

    const STARTUP: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";

    fn write_requests(requests: &[(RequestForm, &str)], cuts: &[usize]) -> Vec<u8> {
        write_in(Charset::Utf8, requests, cuts)
    }

    fn write_in(charset: Charset, requests: &[(RequestForm, &str)], cuts: &[usize]) -> Vec<u8> {
        let forms = Forms::default();
        let mut bytes = STARTUP.to_vec();
        for (form, text) in requests {
            match form {
                RequestForm::Chain => {
                    let links: Vec<&str> = text.split_inclusive('/').collect();
                    forms.announce_chain(&links, charset).unwrap();
                }
                form => forms.announce(*form, text, charset).unwrap(),
            }
            bytes.extend(query(text));
        }
        bytes.extend(b"X\0\0\0\x04");
        let mut outgoing = Outgoing::new(forms);
        let mut out = BytesMut::new();
        let mut from = 0;
        for cut in cuts.iter().copied().filter(|cut| *cut <= bytes.len()) {
            outgoing.feed(&bytes[from..cut], &mut out).unwrap();
            from = cut;
        }
        outgoing.feed(&bytes[from..], &mut out).unwrap();
        out.to_vec()
    }

    /// The tags of what is written, behind the startup message.
    fn tags(written: &[u8]) -> String {
        let mut tags = String::new();
        let mut rest = written.strip_prefix(STARTUP).unwrap();
        while let [tag, a, b, c, d, body @ ..] = rest {
            tags.push(*tag as char);
            rest = &body[i32::from_be_bytes([*a, *b, *c, *d]) as usize - 4..];
        }
        assert_eq!(rest, b"");
        tags
    }

    /// The same with one byte for each letter, all of which are of LATIN1.
    fn in_latin1(text: &str) -> Vec<u8> {
        text.chars().map(|c| u8::try_from(c).unwrap()).collect()
    }

    #[test]
    fn in_another_encoding_the_bytes_of_the_text_in_it_are_sent_and_their_number_is_told() {
        let latin1 = Charset::named("LATIN1").unwrap();
        let requests = [
            (RequestForm::One, "SELECT 'é'"),
            (RequestForm::Chain, "SELECT 'ü'/SELECT 2/Ã©"),
            (RequestForm::Several, "BEGIN; SELECT 'ß'"),
            (RequestForm::CopyIn, "COPY é FROM STDIN"),
            (RequestForm::One, "SELECT 3"),
        ];
        // Nothing else differs from what letters of one byte each make.
        let plain = requests.map(|(form, text)| {
            let text: String = text
                .chars()
                .map(|c| if c.is_ascii() { c } else { '?' })
                .collect();
            (form, text)
        });
        let plain: Vec<(RequestForm, &str)> = plain.iter().map(|(f, t)| (*f, t.as_str())).collect();
        let mut expected = write_requests(&plain, &[]);
        let mut letters = requests.iter().flat_map(|(_, text)| in_latin1(text));
        for byte in expected.iter_mut().filter(|byte| **byte == b'?') {
            *byte = letters.find(|letter| !letter.is_ascii()).unwrap();
        }
        let written = write_in(latin1, &requests, &[]);
        assert_eq!(written, expected);
        for cut in 0..200 {
            assert_eq!(
                write_in(latin1, &requests, &[cut, cut + 3]),
                written,
                "{cut}"
            );
        }
    }

    #[test]
    fn a_letter_without_a_byte_announces_nothing() {
        let forms = Forms::default();
        let latin1 = Charset::named("LATIN1").unwrap();
        assert_eq!(
            forms.announce(RequestForm::One, "SELECT '€'", latin1),
            Err(NoByte)
        );
        assert_eq!(forms.announce_chain(&["SELECT '€'"], latin1), Err(NoByte));
        assert!(forms.lock().is_empty());
    }

    #[test]
    fn one_command_is_parsed_bound_and_executed_and_ours_stay_as_they_are() {
        let written = write_requests(
            &[
                (RequestForm::Several, "BEGIN; SELECT 1"),
                (RequestForm::One, "SELECT 2"),
                (RequestForm::CopyIn, "COPY t FROM STDIN"),
            ],
            &[],
        );
        assert_eq!(tags(&written), "QPBDESPBDEHX");
        let parse = b"P\0\0\0\x10\0SELECT 2\0\0\0B";
        assert!(written.windows(parse.len()).any(|w| w == parse));
    }

    #[test]
    fn the_links_of_a_chain_have_one_sync_behind_the_last() {
        let written = write_requests(
            &[(RequestForm::Chain, "a/bc/d"), (RequestForm::Several, "e")],
            &[],
        );
        assert_eq!(tags(&written), "PBDEPBDEPBDESQX");
        for parse in [
            b"P\0\0\0\x0a\0a/\0\0\0B".as_slice(),
            b"P\0\0\0\x0b\0bc/\0\0\0B",
            b"P\0\0\0\x09\0d\0\0\0B",
        ] {
            assert!(written.windows(parse.len()).any(|w| w == parse));
        }
    }

    #[test]
    fn what_was_not_announced_is_not_sent() {
        for (announced, sent) in [
            (None, query("COMMIT")),
            (Some((RequestForm::One, "SELECT 1")), query("SELECT 12")),
            (
                Some((RequestForm::One, "S")),
                b"P\0\0\0\x08\0\0\0\0".to_vec(),
            ),
        ] {
            let forms = Forms::default();
            if let Some((form, text)) = announced {
                forms.announce(form, text, Charset::Utf8).unwrap();
            }
            let mut outgoing = Outgoing::new(forms);
            let mut out = BytesMut::new();
            outgoing.feed(STARTUP, &mut out).unwrap();
            assert!(outgoing.feed(&sent, &mut out).is_err());
            assert_eq!(out, STARTUP);
        }
    }

    proptest! {
        #[test]
        fn any_pieces_are_written_the_same(cuts in prop::collection::btree_set(0usize..150, 0..40)) {
            let requests = [
                (RequestForm::One, "SELECT 'one'"),
                (RequestForm::Several, "BEGIN; SELECT 1"),
                (RequestForm::One, ""),
                (RequestForm::Chain, "BEGIN/SELECT 1/"),
                (RequestForm::Chain, "SELECT 2"),
                (RequestForm::CopyIn, "COPY t FROM STDIN"),
            ];
            let cuts: Vec<usize> = cuts.into_iter().collect();
            prop_assert_eq!(write_requests(&requests, &cuts), write_requests(&requests, &[]));
        }
    }
}
