//! What can be asked for, each told once: its keys and where they hold, its word by lines, what the
//! footer calls it and what the help says of it. Dispatch, footer, help, `assets/keys.md`, man page and the
//! walk by lines all read it.
//!
//! It decides nothing: whether an act is open is the machine's to say, so no condition stands here.

mod place;
mod refusals;
mod table;
mod views;
mod wording;

pub use place::KeyPlace;
pub use refusals::tell_refusal;
pub use views::{FieldEdit, PageAct, ScrollStep, ToldPane, UNREAD, ViewAct};
pub use wording::{Front, key_of, name_keys, word_for};

use crate::gate::Act;
use KeyCode::{BackTab, Char, Down, Left, PageDown, PageUp, Right, Up};
use crossterm::event::KeyCode;
use std::sync::LazyLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// It asks the gate for something.
    Gate(Act),
    /// It changes only what is looked at.
    View(ViewAct),
}

/// An act at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    pub place: KeyPlace,
    /// The keys, the one that is shown first.
    pub keys: &'static [KeyCode],
    pub does: Does,
    /// Its word by lines, and what is typed behind it; empty where only a key asks for it.
    pub word: &'static str,
    pub after: &'static str,
    /// The word in the footer; empty for what only the help tells.
    pub label: &'static str,
    /// What a sentence calls it that has neither.
    name: &'static str,
    /// In the wording of [`word_for`].
    help: &'static str,
}

/// Every act at every place. Two more keys stand outside it, because raw mode delivers them as keys:
/// Ctrl-C does what `q` does, and Ctrl-Z is refused with the reason.
pub static BINDINGS: LazyLock<Vec<Binding>> = LazyLock::new(|| {
    let placed = |(place, acts): &(KeyPlace, &[Binding])| -> Vec<Binding> {
        let acts = acts.iter();
        acts.map(|act| Binding {
            place: *place,
            ..*act
        })
        .collect()
    };
    table::PLACES.iter().flat_map(placed).collect()
});

const fn gate(
    act: Act,
    keys: &'static [KeyCode],
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        // Until it is placed.
        place: KeyPlace::Everywhere,
        keys,
        does: Does::Gate(act),
        word: "",
        after: "",
        label,
        name: "",
        help,
    }
}

const fn view(
    act: ViewAct,
    keys: &'static [KeyCode],
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        does: Does::View(act),
        ..gate(Act::Quit, keys, label, help)
    }
}

/// A letter that is held together with Ctrl, as the character that a terminal has for it.
const fn control(letter: char) -> KeyCode {
    Char((letter as u8 & 0x1f) as char)
}

impl Binding {
    const fn by_word(self, word: &'static str, after: &'static str) -> Binding {
        Binding {
            word,
            after,
            ..self
        }
    }

    const fn told(self, label: &'static str, help: &'static str) -> Binding {
        Binding {
            label,
            help,
            ..self
        }
    }

    const fn on(self, keys: &'static [KeyCode]) -> Binding {
        Binding { keys, ..self }
    }

    const fn named(self, name: &'static str) -> Binding {
        Binding { name, ..self }
    }

    /// What the help says of it.
    pub fn help(&self, front: Front) -> String {
        word_for(front, self.help, "")
    }

    /// Its keys as they are written in help: `g, Home`.
    pub fn key_names(&self) -> String {
        self.each_key().collect::<Vec<String>>().join(", ")
    }

    pub fn each_key(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|key| name_key(*key))
    }

    /// The first of its keys, as the footer shows it.
    pub fn first_key(&self) -> String {
        self.each_key().next().unwrap_or_default()
    }
}

/// What `key` does at `place`.
pub fn look_up(place: KeyPlace, key: KeyCode) -> Option<&'static Binding> {
    bindings_at(place).find(|binding| binding.keys.contains(&key))
}

/// What a letter does at `place` that is held together with Ctrl.
pub fn look_up_control(place: KeyPlace, letter: char) -> Option<&'static Binding> {
    let letter = Some(letter).filter(char::is_ascii_lowercase)?;
    look_up(place, control(letter))
}

/// The bindings that hold at a place, those of its own first.
pub fn bindings_at(place: KeyPlace) -> impl Iterator<Item = &'static Binding> {
    let shared = [
        (place.pages(), KeyPlace::Pager),
        (place.shares(), KeyPlace::Everywhere),
        (place.types(), KeyPlace::Field),
    ];
    let shared = shared
        .into_iter()
        .filter(move |(holds, other)| *holds && *other != place);
    // `inspect` shows the told panes that it tells something of itself.
    let shown = move |binding: &&'static Binding| match binding.does {
        Does::View(ViewAct::Told(_)) if place == KeyPlace::Inspect => {
            at(place).any(|own| own.does == binding.does)
        }
        Does::Gate(_) | Does::View(_) => true,
    };
    let shared = shared.flat_map(|(_, other)| at(other));
    at(place).chain(shared.filter(shown))
}

/// What `key` does anywhere at all: for saying why it does nothing here.
pub fn elsewhere(key: KeyCode) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.keys.contains(&key))
}

/// What a word by lines asks for.
pub fn find_word(word: &str) -> Option<Does> {
    let mut bindings = BINDINGS.iter().filter(|binding| !binding.word.is_empty());
    bindings
        .find(|binding| binding.word == word)
        .map(|binding| binding.does)
}

/// A key as it is written on screen.
fn name_key(key: KeyCode) -> String {
    match key {
        Char(' ') => "Space".to_owned(),
        Char(c @ '\x01'..='\x1a') => format!("Ctrl-{}", char::from(c as u8 | 0x40)),
        Char(c) => c.to_string(),
        Up => "Up".to_owned(),
        Down => "Down".to_owned(),
        Left => "Left".to_owned(),
        Right => "Right".to_owned(),
        PageUp => "PgUp".to_owned(),
        PageDown => "PgDn".to_owned(),
        BackTab => "Shift-Tab".to_owned(),
        other => other.to_string(),
    }
}

/// The bindings of a place, in the table's order.
pub fn at(place: KeyPlace) -> impl Iterator<Item = &'static Binding> {
    BINDINGS
        .iter()
        .filter(move |binding| binding.place == place)
}

/// The table as Markdown, for `assets/keys.md`.
pub fn markdown() -> String {
    let mut out = String::from("| where | key | what it does |\n| --- | --- | --- |\n");
    for (place, keys, help) in rows() {
        let keys: Vec<String> = keys
            .split(", ")
            .map(|key| format!("`{}`", key.replace('|', "\\|")))
            .collect();
        out.push_str(&format!("| {place} | {} | {help} |\n", keys.join(" ")));
    }
    out
}

/// The table as rows of a man page: a place, its keys, what they do.
pub fn roff_rows() -> Vec<String> {
    rows()
        .map(|(place, keys, help)| {
            let keys = keys.replace('\\', "\\e").replace('-', "\\-");
            let help = help.replace('\\', "\\e");
            format!(".TP\n.B {keys}\n{place}: {help}.")
        })
        .collect()
}

/// Place, keys and help of every binding, in the order of the help; the keys outside the table come last.
pub fn rows() -> impl Iterator<Item = (&'static str, String, String)> {
    let table = KeyPlace::ALL.into_iter().flat_map(at).map(|binding| {
        let help = binding.help(Front::Keys);
        (binding.place.title(), binding.key_names(), help)
    });
    let outside = CONTROL.iter();
    table.chain(outside.map(|(key, help)| {
        let place = KeyPlace::Everywhere.title();
        (place, (*key).to_owned(), (*help).to_owned())
    }))
}

/// The keys that hold in every place, prompts too.
pub const CONTROL: [(&str, &str); 3] = [
    ("Ctrl-C", "as q"),
    ("Ctrl-Z", "refused: open another window instead"),
    ("Ctrl-L", "draw the whole screen anew"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_act_has_a_key() {
        for act in Act::ALL {
            assert!(
                BINDINGS.iter().any(|b| b.does == Does::Gate(act)),
                "{act:?} has no key"
            );
        }
    }

    #[test]
    fn no_two_bindings_of_a_place_share_a_key() {
        for place in KeyPlace::ALL {
            let mut seen = Vec::new();
            let lent = |binding: &&Binding| binding.place != place;
            let all = bindings_at(place).filter(|binding| match place {
                // A pane is closed by a key that leaves elsewhere, and inspect tells some in its own words.
                KeyPlace::Reader | KeyPlace::Inspect => !lent(binding),
                // A text takes what is told of it in its own words before what holds of every text.
                _ => !lent(binding) || binding.place != KeyPlace::Field,
            });
            for binding in all {
                for key in binding.keys {
                    assert!(!seen.contains(key), "{key:?} twice at {place:?}");
                    seen.push(*key);
                }
            }
        }
    }

    #[test]
    fn only_q_means_something_else_in_a_pane() {
        let everywhere: Vec<KeyCode> = at(KeyPlace::Everywhere)
            .flat_map(|b| b.keys.iter().copied())
            .collect();
        let shadowed: Vec<KeyCode> = at(KeyPlace::Reader)
            .flat_map(|b| b.keys.iter().copied())
            .filter(|key| everywhere.contains(key))
            .collect();
        assert_eq!(shadowed, [Char('q')]);
    }

    #[test]
    fn what_inspect_tells_in_its_own_words_is_what_the_key_does() {
        for binding in at(KeyPlace::Inspect) {
            for key in binding.keys {
                let lent = bindings_at(KeyPlace::Inspect).filter(|b| b.place != KeyPlace::Inspect);
                let mut lent = lent.filter(|other| other.keys.contains(key));
                assert!(lent.all(|other| other.does == binding.does), "{key:?}");
            }
        }
    }

    #[test]
    fn one_key_never_asks_the_gate_for_two_things() {
        // The same key at two places may not ask for two different acts: hands learn keys, not
        // places. (Enter and Esc are the keys of prompts.)
        let mut acts: Vec<(KeyCode, Act)> = Vec::new();
        for binding in BINDINGS.iter() {
            if let Does::Gate(act) = binding.does {
                for key in binding.keys {
                    if let Some((_, other)) = acts.iter().find(|(k, _)| k == key) {
                        assert_eq!(*other, act, "{key:?}");
                    }
                    acts.push((*key, act));
                }
            }
        }
    }

    #[test]
    fn commit_and_apply_are_bound_where_they_belong_alone() {
        for (act, places) in [
            (Act::AskCommit, &[KeyPlace::Gate, KeyPlace::Review][..]),
            (Act::Answer, &[KeyPlace::Consent, KeyPlace::Name]),
            (Act::Apply, &[KeyPlace::Checklist]),
        ] {
            let bound = BINDINGS.iter().filter(|b| b.does == Does::Gate(act));
            let bound: Vec<KeyPlace> = bound.map(|binding| binding.place).collect();
            assert_eq!(bound, places, "{act:?}");
        }
    }

    #[test]
    fn a_word_asks_for_one_thing() {
        for act in Act::ALL {
            let mut words = BINDINGS
                .iter()
                .filter(|binding| binding.does == Does::Gate(act));
            let worded = words.any(|binding| !binding.word.is_empty());
            // An answer is typed as it is.
            assert_eq!(worded, act != Act::Answer, "{act:?}");
        }
        for binding in BINDINGS.iter().filter(|binding| !binding.word.is_empty()) {
            assert_eq!(
                find_word(binding.word),
                Some(binding.does),
                "{}",
                binding.word
            );
        }
        assert_eq!(find_word(""), None);
    }

    #[test]
    fn every_sentence_is_whole_on_both_fronts() {
        for binding in BINDINGS.iter() {
            for front in [Front::Keys, Front::Lines] {
                let help = binding.help(front);
                let left = help.is_empty() || help.contains(['{', '}', '|']);
                assert!(!left, "{help}");
            }
        }
    }

    #[test]
    fn markdown_and_man_page_have_every_binding() {
        let listed = rows().count();
        assert_eq!(listed, BINDINGS.len() + CONTROL.len());
        assert_eq!(markdown().lines().count(), listed + 2);
        assert_eq!(roff_rows().len(), listed);
        let places: BTreeSet<KeyPlace> = BINDINGS.iter().map(|b| b.place).collect();
        assert_eq!(places.len(), KeyPlace::ALL.len());
    }
}
