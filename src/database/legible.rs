//! Bytes of a server as text, whatever they are: one that is no text is shown as an escape.
//!
//! A SQL_ASCII database keeps and sends any bytes. None of them may cost a row, a message or the
//! connection, and none may be made into a letter that it is not.

use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::legible;

    #[test]
    fn what_is_no_text_is_an_escape_and_the_rest_stays() {
        assert_eq!(legible("plain, é".as_bytes()), "plain, é");
        assert_eq!(legible(b"caf\xe9 \xc3\xa9\xff"), "caf\\xE9 é\\xFF");
        assert_eq!(legible(b"\xe2\x82"), "\\xE2\\x82");
    }
}
