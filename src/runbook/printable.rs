//! Text of a script or a server, made safe to show (I8).
//!
//! A control character in it could move the cursor, hide a line or fake a prompt, and a bidi
//! override could make a statement read as another one. Each becomes a visible escape in ASCII;
//! nothing else is changed.

use std::borrow::Cow;

/// Whether a character beyond ASCII's controls shows another text than there is: DEL and the C1
/// controls, marks and overrides of the writing direction, line breaks that are no `\n`, what has no
/// width, the other format characters of Unicode, and letters that hang on the next one, to which a
/// terminal gives a column and a table of widths none.
pub fn misleads(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}'
        | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{d4e}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{a8fa}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{111c2}' | '\u{111c3}' | '\u{1193f}' | '\u{11941}' | '\u{11a84}'..='\u{11a89}' | '\u{11d46}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}

/// Bytes, such as a hash, in lower-case hexadecimal.
pub fn hexadecimal(bytes: impl AsRef<[u8]>) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16);
    let bytes = bytes.as_ref().iter();
    let halves = bytes.flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves.filter_map(digit).collect()
}

/// `text` as a sentence begins.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// `text` with an escape for each character beyond ASCII: where a terminal expects other bytes, those of
/// UTF-8 can be control codes.
pub fn ascii_only(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => out.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

/// `text` on one line: every control character, line breaks and tabs included, as an escape.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_plain = |byte| matches!(byte, b' '..=b'~');
    if text.bytes().all(is_plain) || !text.chars().any(|c| c.is_control() || misleads(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c.is_control() || misleads(c) {
            push_escaped(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// `text` on as many lines as it has: `\n` (and `\r\n`) stays a line break, a tab becomes spaces
/// up to the next multiple of 8, every other control character an escape.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    if !text
        .chars()
        .any(|c| c != '\n' && (c.is_control() || misleads(c)))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut column = 0_usize;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' => {
                out.push('\n');
                column = 0;
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            '\t' => {
                let width = 8 - column % 8;
                out.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            c if c.is_control() || misleads(c) => {
                let before = out.len();
                push_escaped(&mut out, c);
                column += out.len() - before;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// A count with its noun: `1 session`, `2 sessions`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_escape_sequence_is_shown_and_not_obeyed() {
        assert_eq!(
            printable("a\x1b[2Jb\r\n\u{9b}x\u{7f}"),
            "a\\x1b[2Jb\\r\\n\\x9bx\\x7f"
        );
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
        assert!(matches!(printable("plain — ü"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_mark_of_direction_is_escaped() {
        let marks = [0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0xfeff];
        for code in marks
            .into_iter()
            .chain(0x202a..=0x202e)
            .chain(0x2066..=0x2069)
        {
            let mark = char::from_u32(code).expect("a character").to_string();
            assert_eq!(printable(&mark), format!("\\u{{{code:x}}}"));
            assert_eq!(printable_lines(&mark), format!("\\u{{{code:x}}}"));
        }
    }

    #[test]
    fn letters_that_hang_on_the_next_one_are_escaped() {
        for code in [
            0xd4e, 0xa8fa, 0x111c2, 0x111c3, 0x1193f, 0x11941, 0x11a84, 0x11a89, 0x11d46,
        ] {
            let letter = char::from_u32(code).expect("a character").to_string();
            assert_eq!(printable(&letter), format!("\\u{{{code:x}}}"));
        }
    }

    #[test]
    fn lines_stay_lines_and_tabs_become_spaces() {
        assert_eq!(
            printable_lines("a\tb\r\n\tc\rd"),
            "a       b\n        c\\rd"
        );
    }

    proptest! {
        #[test]
        fn nothing_that_controls_is_left(text in "\\PC*|[\\x00-\\x9f\\u{202a}-\\u{202e}a]*") {
            prop_assert!(!printable(&text).chars().any(|c| c.is_control() || misleads(c)));
            prop_assert!(!printable_lines(&text)
                .chars().any(|c| c != '\n' && (c.is_control() || misleads(c))));
        }
    }
}
