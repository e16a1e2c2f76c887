//! Messages that hold text, made readable for tokio-postgres: it takes nothing but UTF-8, and gives
//! the row, the result or the whole connection up over one byte that is none. Where the bytes of a
//! database are in another encoding, they become its letters.
//!
//! Each function gives the body that stands for another one, or `None` where that may pass as it is.
//! A body that is not what the protocol says passes too; tokio-postgres complains of it by itself.

use bytes::BufMut;

use crate::database::legible::legible_in;
use crate::runbook::encoding::Charset;

/// What stands behind the name of a column: numbers of its table and type.
const COLUMN_NUMBERS: usize = 18;

/// Whether bytes in that encoding may pass as they are.
fn is_text(bytes: &[u8], charset: Charset) -> bool {
    match charset {
        Charset::Utf8 => std::str::from_utf8(bytes).is_ok(),
        Charset::Single(_) => bytes.is_ascii(),
    }
}

/// The cells of a DataRow; `None` where the body is no row.
fn cells(body: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let count = usize::try_from(i16::from_be_bytes(*count)).ok()?;
    let mut cells = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        match usize::try_from(length) {
            Ok(length) => {
                cells.push(Some(behind.get(..length)?));
                rest = behind.get(length..)?;
            }
            Err(_) => {
                cells.push(None);
                rest = behind;
            }
        }
    }
    rest.is_empty().then_some(cells)
}

pub fn row(body: &[u8], charset: Charset) -> Option<Vec<u8>> {
    let cells = cells(body)?;
    if cells.iter().flatten().all(|cell| is_text(cell, charset)) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() + 64);
    out.put_slice(body.get(..2)?);
    for cell in cells {
        match cell {
            Some(bytes) => {
                let text = legible_in(charset, bytes);
                out.put_i32(i32::try_from(text.len()).ok()?);
                out.put_slice(text.as_bytes());
            }
            None => out.put_i32(-1),
        }
    }
    Some(out)
}

pub fn columns(body: &[u8], charset: Charset) -> Option<Vec<u8>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut out = count.to_vec();
    let mut escaped = false;
    for _ in 0..i16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let name = rest.get(..end)?;
        escaped |= !is_text(name, charset);
        out.put_slice(legible_in(charset, name).as_bytes());
        let numbers = rest.get(end..=end + COLUMN_NUMBERS)?;
        out.put_slice(numbers);
        rest = rest.get(end + 1 + COLUMN_NUMBERS..)?;
    }
    (escaped && rest.is_empty()).then_some(out)
}

/// ParameterStatus: two texts, each with a NUL behind it.
pub fn parameter(body: &[u8], charset: Charset) -> Option<Vec<u8>> {
    (!is_text(body, charset)).then(|| legible_in(charset, body).into_owned().into_bytes())
}

/// The line of COPY data, as it stands in a row of one column.
pub fn line(body: &[u8], charset: Charset) -> Vec<u8> {
    let text = legible_in(charset, body);
    let mut out = Vec::with_capacity(text.len() + 6);
    out.put_i16(1);
    out.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
    out.put_slice(text.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_bytes_that_are_no_text_is_written_anew_and_any_other_is_not() {
        let body = b"\0\x03\0\0\0\x02a\xe9\xff\xff\xff\xff\0\0\0\x02\xc3\xa9";
        let out = row(body, Charset::Utf8).unwrap();
        let anew = b"\0\x03\0\0\0\x05a\\xE9\xff\xff\xff\xff\0\0\0\x02\xc3\xa9";
        assert_eq!(out, anew);
        assert_eq!(row(&out, Charset::Utf8), None);
        for broken in [&b"\0"[..], b"\0\x01", b"\0\x01\0\0\0\x09\xe9", b"\0\0\xe9"] {
            assert_eq!(row(broken, Charset::Utf8), None);
        }
    }

    #[test]
    fn a_row_in_another_encoding_is_written_anew_though_its_bytes_may_be_utf_8() {
        let latin = Charset::named("LATIN1").unwrap();
        let body = b"\0\x02\0\0\0\x01\xe9\0\0\0\x02\xc3\xa9";
        let out = row(body, latin).unwrap();
        assert_eq!(out, "\0\x02\0\0\0\x02é\0\0\0\x04Ã©".as_bytes());
        assert_eq!(row(b"\0\x01\0\0\0\x01e", latin), None);
    }

    #[test]
    fn a_column_keeps_its_numbers() {
        let numbers = [7_u8; COLUMN_NUMBERS];
        let body = [b"\0\x02caf\xe9\0", &numbers[..], b"b\0", &numbers[..]].concat();
        let out = columns(&body, Charset::Utf8).unwrap();
        let anew = [b"\0\x02caf\\xE9\0", &numbers[..], b"b\0", &numbers[..]].concat();
        assert_eq!(out, anew);
        assert_eq!(columns(&out, Charset::Utf8), None);
        assert_eq!(columns(&body[..body.len() - 1], Charset::Utf8), None);
    }

    #[test]
    fn the_name_and_the_value_of_a_setting_stay_two() {
        let out = parameter(b"session_authorization\0caf\xe9\0", Charset::Utf8).unwrap();
        assert_eq!(out, b"session_authorization\0caf\\xE9\0");
        assert_eq!(parameter(b"a\0b\0", Charset::Utf8), None);
    }
}
