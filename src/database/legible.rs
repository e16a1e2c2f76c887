//! Bytes of a server as text, whatever they are: one that is no text is shown as an escape.
//!
//! A SQL_ASCII database keeps and sends any bytes. None of them may cost a row, a message or the
//! connection, and none may be made into a letter that it is not.

use std::borrow::Cow;

use crate::runbook::encoding::Charset;

/// The text that the bytes are in UTF-8; each one that is none as `\xE9`.
pub fn legible(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    Cow::Owned(text)
}

/// The same for bytes in that encoding: one that has no letter in it is an escape.
pub fn legible_in(charset: Charset, bytes: &[u8]) -> Cow<'_, str> {
    if charset == Charset::Utf8 || bytes.is_ascii() {
        return legible(bytes);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        match byte.is_ascii().then(|| char::from(*byte)) {
            Some(letter) => text.push(letter),
            None => match charset.letter(*byte) {
                Some(letter) => text.push(letter),
                None => text.push_str(&format!("\\x{byte:02X}")),
            },
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::{legible, legible_in};
    use crate::runbook::encoding::Charset;

    #[test]
    fn in_a_named_encoding_a_byte_is_its_letter_though_it_may_be_utf_8_too() {
        let win = Charset::named("WIN1252").unwrap();
        assert_eq!(legible_in(win, b"caf\xe9 \x80"), "café €");
        assert_eq!(legible_in(win, "é".as_bytes()), "Ã©");
        assert_eq!(legible_in(win, b"a\x81"), "a\\x81");
        assert_eq!(legible_in(Charset::Utf8, "é\u{20ac}".as_bytes()), "é€");
    }

    #[test]
    fn what_is_no_text_is_an_escape_and_the_rest_stays() {
        assert_eq!(legible("plain, é".as_bytes()), "plain, é");
        assert_eq!(legible(b"caf\xe9 \xc3\xa9\xff"), "caf\\xE9 é\\xFF");
        assert_eq!(legible(b"\xe2\x82"), "\\xE2\\x82");
    }
}
