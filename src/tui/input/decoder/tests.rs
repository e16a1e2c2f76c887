use super::*;
use crossterm::event::KeyCode::{self, *};
use proptest::prelude::*;

fn came_of(bytes: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    decoder.feed(bytes, &mut out);
    while decoder.waits().is_some() {
        decoder.paused(&mut out);
    }
    out
}

fn with(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

#[test]
fn every_key_of_common_terminals_is_known() {
    let (none, shift) = (KeyModifiers::NONE, KeyModifiers::SHIFT);
    let (alt, ctrl) = (KeyModifiers::ALT, KeyModifiers::CONTROL);
    let known: &[(&[u8], KeyCode, KeyModifiers)] = &[
        (b"a", Char('a'), none),
        (b"A", Char('A'), shift),
        ("ü".as_bytes(), Char('ü'), none),
        ("日".as_bytes(), Char('日'), none),
        ("😀".as_bytes(), Char('😀'), none),
        (b"\r", Enter, none),
        (b"\n", Char('j'), ctrl),
        (b"\t", Tab, none),
        (b"\x7f", Backspace, none),
        (b"\x00", Char(' '), ctrl),
        (b"\x03", Char('c'), ctrl),
        (b"\x1f", Char('7'), ctrl),
        (b"\x1b", Esc, none),
        (b"\x1ba", Char('a'), alt),
        (b"\x1bA", Char('A'), alt | shift),
        (b"\x1b\r", Enter, alt),
        (b"\x1b\x7f", Backspace, alt),
        ("\x1bü".as_bytes(), Char('ü'), alt),
        (b"\x1b[", Char('['), alt),
        (b"\x1bO", Char('O'), alt | shift),
        (b"\x1b]", Char(']'), alt),
        (b"\x1b[A", Up, none),
        (b"\x1bOA", Up, none),
        (b"\x1b[1;5D", Left, ctrl),
        (b"\x1b[1;2C", Right, shift),
        (b"\x1b[1;3:2B", Down, alt),
        (b"\x1b[H", Home, none),
        (b"\x1bOF", End, none),
        (b"\x1b[1~", Home, none),
        (b"\x1b[8~", End, none),
        (b"\x1b[2~", Insert, none),
        (b"\x1b[3;5~", Delete, ctrl),
        (b"\x1b[5~", PageUp, none),
        (b"\x1b[6~", PageDown, none),
        (b"\x1b[Z", BackTab, shift),
        (b"\x1bOP", F(1), none),
        (b"\x1b[P", F(1), none),
        (b"\x1b[[E", F(5), none),
        (b"\x1b[15~", F(5), none),
        (b"\x1b[24~", F(12), none),
        (b"\x1b[113u", Char('q'), none),
        (b"\x1b[13;5u", Enter, ctrl),
        (b"\x1b[27;5;99~", Char('c'), ctrl),
        (b"\x1b[97;2u", Char('A'), shift),
    ];
    for (bytes, code, modifiers) in known {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(came_of(bytes), [with(*code, *modifiers)], "{text:?}");
    }
}

#[test]
fn what_is_no_key_is_dropped_whole_and_the_next_key_is_one() {
    let none: &[&[u8]] = &[
        b"\x1b[?997;1n",
        b"\x1b[?1007;1$y",
        b"\x1b[?2026;2$y",
        b"\x1b[?62;22c",
        b"\x1b[?1u",
        b"\x1b[>41;354;0c",
        b"\x1b[0;0R",
        b"\x1b[12;40R",
        b"\x1b[32;0;0M",
        b"\x1b[M`\x20\x21",
        b"\x1b[M \x00!",
        b"\x1b[M !\x00",
        b"\x1b[<0;0;0M",
        b"\x1b[<64;10;5m",
        b"\x1b[I",
        b"\x1b[O",
        b"\x1b[201~",
        b"\x1b[113;1:3u",
        b"\x1b[57441u",
        b"\x1b[99999999999999999999A\x1b[999~",
        b"\x1b]11;rgb:0000/0000/0000\x1b\\",
        b"\x1b]52;c;cXE=\x07",
        b"\x1bP>|XTerm(390)\x1b\\",
        b"\x1b_Gi=1;OK\x1b\\",
        b"\xff\xfe",
        b"\xc0",
    ];
    for bytes in none {
        let text = String::from_utf8_lossy(bytes);
        let came = came_of(bytes);
        let cursor = came == [with(Up, KeyModifiers::NONE)];
        assert!(came.is_empty() || cursor, "{text:?} {came:?}");
        let with_a_key = [bytes, b"q".as_slice()].concat();
        let last = came_of(&with_a_key).pop();
        assert_eq!(last, Some(with(Char('q'), KeyModifiers::NONE)), "{text:?}");
    }
}

#[test]
fn what_never_ends_ends_by_a_key_that_cannot_belong_to_it() {
    for (bytes, last) in [
        (b"\x1b]11;rgb\x03".as_slice(), Char('c')),
        (b"\x1bPabc\r", Enter),
        (b"\x1b[12;\x03", Char('c')),
        (b"\x1b[12;\x1b[A", Up),
        (b"\x1b]11;\x1b[A", Up),
        (b"\xe6\x97q", Char('q')),
    ] {
        let came = came_of(bytes);
        let Some(Event::Key(key)) = came.last() else {
            panic!("{came:?}");
        };
        assert_eq!((key.code, came.len()), (last, 1), "{bytes:?}");
    }
}

#[test]
fn a_paste_is_one_event_whatever_is_in_it_and_ends_though_its_end_is_lost() {
    let text = "COMMIT;\r\x1b[A\x1b]11;\x03ü\x00";
    let whole = format!("\x1b[200~{text}\x1b[201~q");
    let q = with(Char('q'), KeyModifiers::NONE);
    assert_eq!(
        came_of(whole.as_bytes()),
        [Event::Paste(text.into()), q.clone()]
    );
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    decoder.feed(b"\x1b[200~aaa\x1b[201", &mut out);
    assert_eq!((out.len(), decoder.waits()), (0, Some(PASTE_PAUSE)));
    decoder.paused(&mut out);
    decoder.feed(b"q", &mut out);
    assert_eq!(out, [Event::Paste("aaa\x1b[201".into()), q]);
}

#[test]
fn a_paste_without_an_end_does_not_grow_without_one() {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    decoder.feed(b"\x1b[200~", &mut out);
    decoder.feed(&vec![b'x'; PASTE_CAP + 1], &mut out);
    assert_eq!(out.len(), 1);
    assert!(matches!(decoder.waits(), Some(PASTE_PAUSE)));
}

proptest! {
    #[test]
    fn no_bytes_stop_the_keyboard(
        bytes in proptest::collection::vec(
            prop_oneof![
                Just(ESC), Just(b'['), Just(b'O'), Just(b'M'), Just(b'~'), Just(b';'), Just(b']'),
                b'0'..=b'9', any::<u8>(),
            ],
            0..40,
        ),
        cut in 0_usize..40,
    ) {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        let (one, other) = bytes.split_at(cut.min(bytes.len()));
        decoder.feed(one, &mut out);
        decoder.feed(other, &mut out);
        if decoder.waits().is_some() {
            decoder.paused(&mut out);
        }
        prop_assert!(decoder.waits().is_none());
        prop_assert_eq!(&out, &came_of(&bytes));
        decoder.feed(b"q", &mut out);
        prop_assert_eq!(out.last(), Some(&with(Char('q'), KeyModifiers::NONE)));
    }
}
