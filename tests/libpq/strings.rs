//! Connection strings and URIs: what libpq's parser makes of them, and what ours does.

use stagegate::database::settings::parse_string;

use crate::dice::Dice;
use crate::oracle::Libpq;

const PIECES: [&str; 44] = [
    " ",
    "  ",
    "\t",
    "\n",
    "=",
    "'",
    "\\",
    "\\'",
    "\\\\",
    "a",
    "b c",
    "'a b'",
    "é",
    "%41",
    "%4",
    "%",
    "%00",
    "%c3%a9",
    "%2F",
    "&",
    "?",
    "/",
    ":",
    "@",
    ",",
    "[",
    "]",
    "[::1]",
    "localhost",
    "/tmp",
    "127.0.0.1",
    "5432",
    "''",
    "ssl=true",
    "requiressl=1",
    "requiressl=0",
    "\r",
    "\u{b}",
    "\u{c}",
    "#",
    ";",
    "+",
    "*",
    "%zz",
];

fn pieces(dice: &mut Dice, most: usize) -> String {
    (0..dice.roll(most + 1))
        .map(|_| dice.word(&PIECES))
        .collect()
}

fn value(dice: &mut Dice) -> String {
    match dice.roll(4) {
        0 => format!("'{}'", pieces(dice, 3).replace('\'', "\\'")),
        1 => pieces(dice, 2),
        _ => (dice.word(&["x", "a,b", "/s", "5432", "1,2", "require", "1", "", "''"])).to_owned(),
    }
}

fn pairs(dice: &mut Dice, keywords: &[String]) -> String {
    let mut text = String::new();
    for _ in 0..dice.roll(5) {
        let keyword = match dice.once_in(12) {
            true => pieces(dice, 2),
            false => dice.pick(keywords).clone(),
        };
        let gap = |dice: &mut Dice| dice.word(&["", "", "", " ", "\t "]);
        text.push_str(&keyword);
        text.push_str(gap(dice));
        if !dice.once_in(20) {
            text.push('=');
        }
        text.push_str(gap(dice));
        text.push_str(&value(dice));
        text.push_str(dice.word(&[" ", " ", " ", "  ", "\n", ""]));
    }
    text
}

fn uri(dice: &mut Dice, keywords: &[String]) -> String {
    let mut text = String::from(dice.word(&["postgresql://", "postgres://"]));
    if dice.once_in(2) {
        text.push_str(dice.word(&["u", "u%40x", "", "a:b"]));
        if dice.once_in(2) {
            text.push(':');
            text.push_str(&pieces(dice, 2));
        }
        text.push('@');
    }
    for i in 0..dice.roll(4) {
        if i > 0 {
            text.push(',');
        }
        match dice.roll(5) {
            0 => text.push_str("[::1]"),
            1 => text.push_str(&pieces(dice, 2)),
            _ => text.push_str(dice.word(&["h", "%2Ftmp", "", "db1", "10.0.0.1", "[", "[]"])),
        }
        if dice.once_in(2) {
            text.push(':');
            text.push_str(dice.word(&["1", "", "x", "5432"]));
        }
    }
    if dice.once_in(2) {
        text.push('/');
        text.push_str(dice.word(&["d", "", "a%20b", "d/e"]));
    }
    if dice.once_in(2) {
        text.push('?');
        for _ in 0..dice.roll(4) {
            let keyword = match dice.once_in(8) {
                true => pieces(dice, 2),
                false => dice.pick(keywords).clone(),
            };
            text.push_str(&keyword);
            text.push('=');
            text.push_str(&pieces(dice, 2));
            text.push_str(dice.word(&["&", "&", "&", "", "&&"]));
        }
    }
    text
}

/// Holds `count` strings against libpq.
pub fn compare(count: usize, seed: u64) {
    let Some(mut libpq) = Libpq::start() else {
        return;
    };
    let keywords = libpq.keywords();
    let takes_spaces = libpq.takes_spaces();
    let mut dice = Dice(seed);
    let (mut taken, mut refused) = (0, 0);
    let mut differing = Vec::new();
    while taken + refused + differing.len() < count {
        let string = match dice.roll(8) {
            0 => pieces(&mut dice, 8),
            1 => format!("postgresql://{}", pieces(&mut dice, 6)),
            2..=4 => uri(&mut dice, &keywords),
            _ => pairs(&mut dice, &keywords),
        };
        // Named differences: what is not UTF-8 is refused here, and spaces in a URI are read as the
        // newest libpq reads them.
        let uri = string.starts_with("postgres://") || string.starts_with("postgresql://");
        if uri && (string.contains("%a1") || takes_spaces && string.contains(' ')) {
            continue;
        }
        let theirs = libpq.parse(&string);
        let ours = parse_string(&string);
        let same = match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => {
                taken += 1;
                theirs.len() == ours.len() && ours.iter().all(|(k, v)| theirs.get(*k) == Some(v))
            }
            (Err(_), Err(_)) => {
                refused += 1;
                true
            }
            _ => false,
        };
        if !same {
            differing.push(format!("{string:?}\n  libpq {theirs:?}\n  ours  {ours:?}"));
        }
    }
    println!(
        "{count} strings: {taken} taken, {refused} refused, {} differ",
        differing.len()
    );
    assert!(
        taken > count / 5 && refused > count / 5,
        "{taken} {refused}"
    );
    assert!(
        differing.is_empty(),
        "{}",
        differing[..differing.len().min(10)].join("\n")
    );
}
