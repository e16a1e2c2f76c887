//! The one table of keys: dispatch, footer, `?` help, `assets/keys.md` and man page all read it.
//!
//! A key does one thing in one place. Whether a gate key is open is the machine's to say, so the
//! table never repeats a condition; it only says which key asks for which act, and where.

mod table;

pub use table::{BINDINGS, ViewAct};

use super::field::FieldEdit;
use super::pager::PageAct;
use super::scroll::ScrollStep;
use crate::gate::Act;
use crate::gate::machine::Machine;
use crate::gate::phase::{Phase, Prompt};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// It asks the gate for something.
    Gate(Act),
    /// It changes only what is looked at.
    View(ViewAct),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyPlace {
    /// On every screen of the walk.
    Everywhere,
    Checklist,
    Running,
    /// At the gate, and where only ROLLBACK is left.
    Gate,
    /// Where a pass is reviewed with nothing held.
    Review,
    /// While COMMIT asks for a reason or a second signer.
    Consent,
    /// While the database name is typed for COMMIT.
    Name,
    /// While the question whether to roll back is open.
    Question,
    /// While the outcome is being proven.
    Outcome,
    End,
    /// In a pane that covers the screen: scripts, locks, messages, evidence, help.
    Reader,
    /// In those, and in every pane of `inspect`.
    Pager,
    /// While a text is typed: a reference, a folder, a search.
    Text,
    /// While a password or a passphrase is typed.
    Secret,
    /// In every text that is typed.
    Field,
    /// While a query is typed.
    Query,
    /// While a query runs inside the transaction.
    Querying,
    Inspect,
}

impl KeyPlace {
    /// Every place, in the order of the help.
    pub const ALL: [KeyPlace; 18] = [
        KeyPlace::Checklist,
        KeyPlace::Running,
        KeyPlace::Gate,
        KeyPlace::Review,
        KeyPlace::Query,
        KeyPlace::Querying,
        KeyPlace::Consent,
        KeyPlace::Name,
        KeyPlace::Question,
        KeyPlace::Outcome,
        KeyPlace::End,
        KeyPlace::Everywhere,
        KeyPlace::Reader,
        KeyPlace::Pager,
        KeyPlace::Secret,
        KeyPlace::Text,
        KeyPlace::Field,
        KeyPlace::Inspect,
    ];

    /// What it is called in help and `assets/keys.md`.
    pub fn title(self) -> &'static str {
        match self {
            KeyPlace::Everywhere => "Everywhere",
            KeyPlace::Checklist => "Checklist",
            KeyPlace::Running => "While the script runs",
            KeyPlace::Gate => "At the gate",
            KeyPlace::Review => "In a review, with nothing held",
            KeyPlace::Consent => "When COMMIT asks for a reason or a second signer",
            KeyPlace::Name => "Typing the name for COMMIT",
            KeyPlace::Question => "When asked whether to roll back",
            KeyPlace::Outcome => "While the outcome is proven",
            KeyPlace::End => "At the end",
            KeyPlace::Reader => "In a pane that covers the screen",
            KeyPlace::Pager => "Reading such a pane, and in inspect",
            KeyPlace::Text => "While typing a reference, a folder or a search",
            KeyPlace::Secret => "Typing a password or a passphrase",
            KeyPlace::Field => "In every text that is typed",
            KeyPlace::Query => "Typing a query",
            KeyPlace::Querying => "While a query runs",
            KeyPlace::Inspect => "In inspect",
        }
    }

    /// The place that the machine's phase is, whatever the screen covers it with.
    pub fn of(machine: &Machine) -> KeyPlace {
        match machine.phase() {
            Phase::Connecting => KeyPlace::Everywhere,
            Phase::Checklist { .. } => KeyPlace::Checklist,
            Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Returning { .. }
            | Phase::Waiting { .. } => KeyPlace::Running,
            Phase::Deciding { prompt, .. } | Phase::Reviewing { prompt, .. } => match prompt {
                Prompt::Closed if matches!(machine.phase(), Phase::Reviewing { .. }) => {
                    KeyPlace::Review
                }
                Prompt::Closed => KeyPlace::Gate,
                Prompt::Reason | Prompt::SecondSigner => KeyPlace::Consent,
                Prompt::Name => KeyPlace::Name,
                Prompt::RollBack => KeyPlace::Question,
            },
            Phase::MustRollBack { asking: true, .. } | Phase::Querying { asking: true, .. } => {
                KeyPlace::Question
            }
            Phase::Querying { asking: false, .. } => KeyPlace::Querying,
            Phase::MustRollBack { asking: false, .. } => KeyPlace::Gate,
            Phase::Committing { .. } | Phase::RollingBack { .. } | Phase::Inquiring { .. } => {
                KeyPlace::Outcome
            }
            Phase::PostVerifying { .. } | Phase::Ended(_) | Phase::Left(_) => KeyPlace::End,
        }
    }

    /// Whether the keys of [`KeyPlace::Everywhere`] hold here too.
    pub fn shares(self) -> bool {
        match self {
            KeyPlace::Everywhere
            | KeyPlace::Checklist
            | KeyPlace::Running
            | KeyPlace::Gate
            | KeyPlace::Review
            | KeyPlace::Querying
            | KeyPlace::Outcome
            | KeyPlace::End
            | KeyPlace::Reader
            | KeyPlace::Pager
            | KeyPlace::Inspect => true,
            KeyPlace::Consent
            | KeyPlace::Name
            | KeyPlace::Question
            | KeyPlace::Text
            | KeyPlace::Secret
            | KeyPlace::Field
            | KeyPlace::Query => false,
        }
    }

    /// Whether something is read here page by page, so that the keys of [`KeyPlace::Pager`] hold too.
    pub fn pages(self) -> bool {
        matches!(self, KeyPlace::Reader | KeyPlace::Inspect)
    }

    /// Whether a text is typed here, so that a letter is a letter and the keys of [`KeyPlace::Field`] hold.
    pub fn types(self) -> bool {
        match self {
            KeyPlace::Consent
            | KeyPlace::Name
            | KeyPlace::Text
            | KeyPlace::Secret
            | KeyPlace::Query => true,
            KeyPlace::Everywhere
            | KeyPlace::Checklist
            | KeyPlace::Running
            | KeyPlace::Gate
            | KeyPlace::Review
            | KeyPlace::Question
            | KeyPlace::Outcome
            | KeyPlace::End
            | KeyPlace::Reader
            | KeyPlace::Pager
            | KeyPlace::Field
            | KeyPlace::Querying
            | KeyPlace::Inspect => false,
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    pub place: KeyPlace,
    /// The keys, the one that is shown first.
    pub keys: &'static [KeyCode],
    pub does: Does,
    /// The word in the footer; empty for what only the help tells.
    pub label: &'static str,
    pub help: &'static str,
}

use KeyCode::{BackTab, Char, Down, Left, PageDown, PageUp, Right, Up};

/// What a key that was pressed means, before anybody is asked for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMeaning {
    /// It is not heard: a key that is held down and would act, or one with a modifier that means nothing.
    Nothing,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// A letter of a text.
    Letter(char),
    Bound(Does),
    /// No key of the table at that place.
    Unbound,
}

/// What a key means at `place`, on whatever screen.
pub fn read_key(place: KeyPlace, key: KeyEvent) -> KeyMeaning {
    let held_down = key.kind == KeyEventKind::Repeat;
    let other = KeyModifiers::ALT | KeyModifiers::META | KeyModifiers::SUPER;
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        match key.code {
            Char(letter) if !held_down => read_control(place, letter),
            _ => KeyMeaning::Nothing,
        }
    } else if key.modifiers.intersects(other) {
        match (key.code, place) {
            // As in many a shell; where one line is typed it does nothing.
            (KeyCode::Enter, KeyPlace::Query) => {
                KeyMeaning::Bound(Does::View(ViewAct::Edit(FieldEdit::NewLine)))
            }
            _ => KeyMeaning::Nothing,
        }
    } else if let (true, Char(letter)) = (place.types(), key.code) {
        match held_down {
            true => KeyMeaning::Nothing,
            false => KeyMeaning::Letter(letter),
        }
    } else {
        match look_up(place, key.code).map(|binding| binding.does) {
            Some(Does::Gate(_)) if held_down => KeyMeaning::Nothing,
            Some(does) => KeyMeaning::Bound(does),
            None => KeyMeaning::Unbound,
        }
    }
}

/// What a letter means that is held together with Ctrl.
fn read_control(place: KeyPlace, letter: char) -> KeyMeaning {
    let view = match letter {
        'c' => return KeyMeaning::Interrupt,
        'z' => return KeyMeaning::Suspend,
        'l' => Some(ViewAct::Repaint),
        'x' if place == KeyPlace::Query => Some(ViewAct::OpenEditor),
        letter if place.types() => control_edit(letter).map(ViewAct::Edit),
        letter => control_page(letter).map(ViewAct::Page),
    };
    view.map_or(KeyMeaning::Nothing, |act| {
        KeyMeaning::Bound(Does::View(act))
    })
}

/// What `key` does at `place`.
fn look_up(place: KeyPlace, key: KeyCode) -> Option<&'static Binding> {
    bindings_at(place).find(|binding| binding.keys.contains(&key))
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
    at(place).chain(shared.flat_map(|(_, other)| at(other)))
}

/// What `key` does to a text that is typed, held together with Ctrl: the shell's habits.
fn control_edit(key: char) -> Option<FieldEdit> {
    match key {
        'a' => Some(FieldEdit::Home),
        'e' => Some(FieldEdit::End),
        'b' => Some(FieldEdit::Left),
        'f' => Some(FieldEdit::Right),
        // What some terminals send for Backspace.
        'h' => Some(FieldEdit::Erase),
        'j' => Some(FieldEdit::NewLine),
        'k' => Some(FieldEdit::EraseToEnd),
        'u' => Some(FieldEdit::EraseAll),
        'w' => Some(FieldEdit::EraseWord),
        _ => None,
    }
}

/// What `key` does held together with Ctrl where nothing is typed: the habits of vi and less.
fn control_page(key: char) -> Option<PageAct> {
    match key {
        'f' => Some(PageAct::Scroll(ScrollStep::PageDown)),
        'b' => Some(PageAct::Scroll(ScrollStep::PageUp)),
        'd' => Some(PageAct::Scroll(ScrollStep::HalfDown)),
        'u' => Some(PageAct::Scroll(ScrollStep::HalfUp)),
        _ => None,
    }
}

/// What `key` does anywhere at all: for saying why it does nothing here.
pub fn elsewhere(key: KeyCode) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.keys.contains(&key))
}

/// The first key that asks the gate for `act`, for sentences that name it.
pub fn key_of(act: Act) -> String {
    BINDINGS
        .iter()
        .find(|binding| binding.does == Does::Gate(act))
        .map_or_else(String::new, Binding::first_key)
}

/// A key as it is written on screen.
pub fn name(key: KeyCode) -> String {
    match key {
        Char(' ') => "Space".to_owned(),
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

impl Binding {
    /// Its keys as they are written in help: `g, Home`.
    pub fn key_names(&self) -> String {
        let names: Vec<String> = self.keys.iter().map(|key| name(*key)).collect();
        names.join(", ")
    }

    /// The first of its keys, as the footer shows it.
    pub fn first_key(&self) -> String {
        self.keys.first().map_or_else(String::new, |key| name(*key))
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

/// Place, keys and help of every binding, in the order of the help; the two keys outside the table
/// come last.
pub fn rows() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let table = KeyPlace::ALL
        .into_iter()
        .flat_map(at)
        .map(|binding| (binding.place.title(), binding.key_names(), binding.help));
    table.chain(
        CONTROL
            .iter()
            .map(|(key, help)| (KeyPlace::Everywhere.title(), (*key).to_owned(), *help)),
    )
}

/// The keys with Ctrl, which hold in every place, prompts too.
pub const CONTROL: [(&str, &str); 8] = [
    ("Ctrl-C", "as q"),
    ("Ctrl-Z", "refused: open another window instead"),
    ("Ctrl-L", "draw the whole screen anew"),
    (
        "Ctrl-A, Ctrl-E, Ctrl-W, Ctrl-U",
        "in a text: to its beginning, to its end, erase a word, empty it",
    ),
    ("Ctrl-K", "in a text: erase what is behind the cursor"),
    (
        "Ctrl-J, Alt-Enter",
        "in a query: begin a new line; Enter asks. A paste keeps its lines",
    ),
    (
        "Ctrl-X",
        "in a query: open it in your editor (PSQL_EDITOR, EDITOR, VISUAL, else vi), as psql's \\e",
    ),
    (
        "Ctrl-F, Ctrl-B, Ctrl-D, Ctrl-U",
        "a page down or up, half a page down or up",
    ),
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
    fn markdown_and_man_page_have_every_binding() {
        let listed = rows().count();
        assert_eq!(listed, BINDINGS.len() + CONTROL.len());
        assert_eq!(markdown().lines().count(), listed + 2);
        assert_eq!(roff_rows().len(), listed);
        let places: BTreeSet<KeyPlace> = BINDINGS.iter().map(|b| b.place).collect();
        assert_eq!(places.len(), KeyPlace::ALL.len());
    }
}
