//! Keys and pasted text, as events for the gate.
//!
//! Whether a key is open is not decided here: the command is sent, and the machine's refusal comes
//! back as words.

use super::{Cover, LEAST, Screen, Scroll, Typing};
use crate::account::Account;
use crate::acts::{self, Does, FieldEdit, KeyPlace, name_keys};
use crate::facts::{Standing, Why};
use crate::gate::machine::Machine;
use crate::gate::phase::{Phase, Prompt};
use crate::gate::{Act, Command, Event};
use crate::tui::field::{KeysTaken, LONGEST, QUERY, TextField, remember};
use crate::tui::input::Burst;
use crate::tui::keymap::{KeyMeaning, read_key};
use crate::tui::view::{self, PhasePane};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

impl Screen {
    /// A key. What only changes the view returns nothing.
    pub fn key(&mut self, key: KeyEvent, machine: &Machine, account: &Account) -> Vec<Event> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        self.settle(machine);
        self.toast = None;
        self.no_room = None;
        if key.code != KeyCode::Char(' ') {
            self.carried = None;
        }
        let place = self.place(machine);
        match read_key(place, key) {
            KeyMeaning::Nothing => Vec::new(),
            KeyMeaning::Interrupt => vec![Event::Asked(Command::Quit)],
            KeyMeaning::Suspend => {
                self.say(if machine.phase().transaction_open() {
                    "Suspending is refused: the transaction would stay open with nobody watching."
                        .into()
                } else {
                    "Suspending is refused: open another window instead.".into()
                });
                Vec::new()
            }
            KeyMeaning::Letter(letter) => self.typed_character(letter, place),
            _ if self.typed.is_spoiled() && place.types() && key.code == KeyCode::Enter => {
                // Whoever did not see that it is empty has to see it now, and nothing is sent.
                self.edit(FieldEdit::EraseAll)
            }
            KeyMeaning::Bound(Does::Gate(Act::SignOff)) if self.is_carried_along(account.now) => {
                Vec::new()
            }
            KeyMeaning::Bound(Does::Gate(act)) => self.ask(act, machine),
            KeyMeaning::Bound(Does::View(act)) => self.look_at(act, machine, account),
            KeyMeaning::Unbound => {
                self.nothing_here(key.code, place, key.kind == KeyEventKind::Repeat)
            }
        }
    }

    /// Pasted text. It never acts; only a prompt for free text takes it in.
    pub fn paste(&mut self, text: &str, machine: &Machine) -> Vec<Event> {
        self.settle(machine);
        let place = self.place(machine);
        let by_hand = matches!(self.typing, Some(Typing::DatabaseName { .. }));
        match place {
            KeyPlace::Text if by_hand => {
                self.say("Pasted text was refused: the name is typed by hand.".into());
                Vec::new()
            }
            KeyPlace::Text | KeyPlace::Query | KeyPlace::Secret => self.insert(text),
            KeyPlace::Consent if self.prompt == Prompt::Reason => self.insert(text),
            KeyPlace::Consent => {
                self.say("Pasted text was refused: the second signer types the name.".into());
                Vec::new()
            }
            KeyPlace::Name => {
                self.say("Pasted text was refused: the name for COMMIT is typed by hand.".into());
                Vec::new()
            }
            _ => {
                self.say("Pasted text was refused: it never acts here. Press the keys.".into());
                Vec::new()
            }
        }
    }

    fn insert(&mut self, text: &str) -> Vec<Event> {
        self.typed.insert(text.chars());
        self.edited()
    }

    /// Keys that came faster than a person types: a paste without brackets, or a slow link that held
    /// them up. They never act; a prompt for free text takes their letters in, and one for a name that
    /// is typed by hand takes a few, where a paste would have come in brackets.
    pub fn burst(&mut self, burst: &Burst, machine: &Machine) -> Vec<Event> {
        self.settle(machine);
        let place = self.place(machine);
        let by_hand = match place {
            KeyPlace::Name => true,
            KeyPlace::Consent => self.prompt == Prompt::SecondSigner,
            KeyPlace::Text => matches!(self.typing, Some(Typing::DatabaseName { .. })),
            _ => false,
        };
        if place.types() && !by_hand {
            return self.paste(&burst.text, machine);
        }
        let taken = match by_hand && self.brackets && burst.letters_only && !self.cramped() {
            true => self.typed.insert_burst(&burst.text, burst.run),
            false if by_hand => {
                self.typed.spoil();
                KeysTaken::Nothing
            }
            false => KeysTaken::Nothing,
        };
        if taken == KeysTaken::Nothing {
            self.say(
                "Keys came faster than a person types, as a paste does: they were refused.".into(),
            );
        }
        // It is another text now, whatever became of them.
        self.edited()
    }

    /// An empty field for what is asked at the gate.
    fn field_for(&self, prompt: Prompt) -> TextField {
        match prompt {
            Prompt::Reason => TextField::opened(LONGEST, "", &self.past.reasons),
            Prompt::Closed | Prompt::SecondSigner | Prompt::Name | Prompt::RollBack => {
                TextField::default()
            }
        }
    }

    pub(super) fn place(&self, machine: &Machine) -> KeyPlace {
        let phase = KeyPlace::of(machine);
        if self.question.is_some() {
            return KeyPlace::Secret;
        }
        match (phase, self.typing, self.cover) {
            (KeyPlace::Consent | KeyPlace::Name | KeyPlace::Question, _, _) => phase,
            (_, Some(Typing::Query), _) => KeyPlace::Query,
            (_, Some(_), _) => KeyPlace::Text,
            (_, None, Some(_)) => KeyPlace::Reader,
            (_, None, None) => phase,
        }
    }

    pub(super) fn cramped(&self) -> bool {
        self.size.0 < LEAST.0 || self.size.1 < LEAST.1
    }

    /// What follows from a change of phase or prompt, before anything else is done.
    pub(super) fn settle(&mut self, machine: &Machine) {
        let phase = machine.phase().kind();
        if self.phase.is_some_and(|before| before != phase) {
            self.pane = 0;
            self.scroll = Scroll::default();
            self.at = None;
            self.typing = None;
            self.typed.clear();
            // What there is to decide or to know is never left behind something else.
            let news = matches!(
                machine.phase(),
                Phase::Deciding { .. }
                    | Phase::Reviewing { .. }
                    | Phase::MustRollBack { .. }
                    | Phase::RollingBack { .. }
                    | Phase::Inquiring { .. }
                    | Phase::Waiting { .. }
                    | Phase::Ended(_)
            );
            if news {
                self.cover = None;
            }
        }
        self.phase = Some(phase);
        let connecting = matches!(machine.phase(), Phase::Connecting);
        if self
            .question
            .take_if(|question| !connecting || question.is_over())
            .is_some()
        {
            self.typed.clear();
        }
        let prompt = machine.phase().prompt();
        if prompt != self.prompt {
            self.typed = self.field_for(prompt);
            self.typing = None;
            if prompt != Prompt::Closed {
                self.cover = None;
            }
        }
        self.prompt = prompt;
        self.cursor = self.cursor.min(machine.items().len().saturating_sub(1));
    }

    /// Puts an answer that came since the last frame in front.
    pub(super) fn take_answer(&mut self, machine: &Machine, account: &Account) {
        if account.looks != self.answered && back_as_it_was(machine.phase()) {
            self.cover = Some(Cover::Answer);
            self.cover_scroll = Scroll::default();
            self.sideways = 0;
            self.pager.leave();
        }
        self.answered = account.looks;
    }

    pub(super) fn edit(&mut self, edit: FieldEdit) -> Vec<Event> {
        match self.typed.edit(edit) {
            true => self.edited(),
            false => Vec::new(),
        }
    }

    /// What came back from the editor: a text for the field, or why there is none. It asks nothing.
    pub fn take_edited(&mut self, edited: Result<String, String>, machine: &Machine) -> Vec<Event> {
        self.settle(machine);
        let text = match edited {
            Ok(text) => text,
            Err(why) => {
                self.say(why);
                return Vec::new();
            }
        };
        if self.place(machine) != KeyPlace::Query {
            remember(&mut self.past.queries, &text);
            self.say(name_keys(
                "What you could ask ended while the editor was open. Nothing was asked; where {query} is \
                 offered, {the one before} brings your text back.",
            ));
            return Vec::new();
        }
        self.typed.clear();
        self.typed.insert(text.chars());
        self.say(name_keys(
            "Your text lies in the field, and is not asked yet: {done} asks it.",
        ));
        self.edited()
    }

    /// The typed text changed: what the gate's frame showed is no longer what is there (I5).
    pub(super) fn edited(&self) -> Vec<Event> {
        match self.typing {
            Some(Typing::Find) => Vec::new(),
            Some(
                Typing::Reference { .. }
                | Typing::DatabaseName { .. }
                | Typing::Folder
                | Typing::Query,
            ) => {
                vec![Event::Edited]
            }
            None if self.prompt.is_for_commit() => vec![Event::Edited],
            None => Vec::new(),
        }
    }

    fn typed_character(&mut self, c: char, place: KeyPlace) -> Vec<Event> {
        if self.cramped() && matches!(place, KeyPlace::Consent | KeyPlace::Name) {
            self.no_room = Some("COMMIT");
            return Vec::new();
        }
        self.typed.insert([c]);
        self.edited()
    }

    fn nothing_here(&mut self, code: KeyCode, place: KeyPlace, held_down: bool) -> Vec<Event> {
        match place {
            // In a prompt a stray key changes nothing.
            place if place.types() => return Vec::new(),
            KeyPlace::Reader => {
                let acknowledges = acts::elsewhere(code).map(|binding| binding.does)
                    == Some(Does::Gate(Act::Acknowledge));
                self.say(name_keys(
                    match acknowledges && self.cover == Some(Cover::Scripts) {
                        true => {
                            "{close} goes back to the checklist; {acknowledge} acknowledges the finding there."
                        }
                        false => "That key does nothing in this pane; {close} closes it.",
                    },
                ));
                return Vec::new();
            }
            _ => {}
        }
        if held_down || code == KeyCode::Esc {
            return Vec::new();
        }
        match acts::elsewhere(code).map(|binding| binding.does) {
            // The machine says why not, in its own words.
            Some(Does::Gate(act)) => match read_command(act, self.cursor) {
                Some(command) => vec![Event::Asked(command)],
                None => Vec::new(),
            },
            Some(Does::View(_)) => Vec::new(),
            None => {
                self.say(name_keys("That key does nothing; {help} shows the keys."));
                Vec::new()
            }
        }
    }

    pub(super) fn ask(&mut self, act: Act, machine: &Machine) -> Vec<Event> {
        if self.cramped() && view::footer::NEEDS_ROOM.contains(&act) {
            self.no_room = Some(match act {
                Act::AskCommit | Act::Answer => "COMMIT",
                _ => "That",
            });
            return Vec::new();
        }
        let offered = machine.offer(act).is_there();
        match act {
            Act::Answer => {
                // Whatever becomes of it, the next answer is typed anew.
                let typed = self.typed.take();
                let answer = match self.prompt {
                    Prompt::Reason => {
                        remember(&mut self.past.reasons, &typed);
                        Command::ReasonGiven(typed)
                    }
                    Prompt::SecondSigner => Command::SecondSigned(typed),
                    Prompt::Closed | Prompt::Name | Prompt::RollBack => Command::NameTyped(typed),
                };
                vec![Event::Asked(answer), Event::Edited]
            }
            Act::SignOff if offered && self.asks_for_text(machine).is_some() => {
                self.typing = self.asks_for_text(machine);
                self.typed = match self.typing {
                    // What was typed to one question is no answer to another.
                    Some(Typing::Reference { item }) if machine.is_of_backup(item) => {
                        TextField::opened(LONGEST, "", &self.past.references)
                    }
                    Some(Typing::Reference { .. }) => TextField::new(LONGEST),
                    _ => TextField::default(),
                };
                vec![Event::Edited]
            }
            Act::Query if machine.offer(act).is_open() => {
                self.cover = None;
                self.typed = TextField::of_lines(QUERY, &self.past.queries);
                self.typing = Some(Typing::Query);
                vec![Event::Edited]
            }
            Act::BackUp if offered && !machine.is_backing_up() => {
                // What becomes of it is shown with its item.
                let item = (0..machine.items().len()).find(|item| machine.is_of_backup(*item));
                self.cursor = item.unwrap_or(self.cursor);
                self.typed = TextField::opened(LONGEST, &self.folder, &self.past.folders);
                self.typing = Some(Typing::Folder);
                vec![Event::Edited]
            }
            // Among the statements it means the one under the cursor.
            Act::AllowNumbers if self.open_pane(machine) == Some(PhasePane::Stream) => {
                if self.at.is_none() {
                    self.say(name_keys(
                        "Choose the statement first, with the arrows; then {numbers}.",
                    ));
                    return Vec::new();
                }
                vec![Event::Asked(Command::AllowNumbers(self.at))]
            }
            Act::AskRollback if offered => {
                self.cover = None;
                vec![Event::Asked(Command::AskRollback)]
            }
            act => read_command(act, self.cursor)
                .map(Event::Asked)
                .into_iter()
                .collect(),
        }
    }

    /// What is typed to sign the item under the cursor, once nothing else is missing.
    pub(super) fn asks_for_text(&self, machine: &Machine) -> Option<Typing> {
        let needed = machine.plan().items.get(self.cursor)?;
        let signature = machine.items().get(self.cursor)?;
        let ready = !signature.signed
            && signature.unread.is_empty()
            && signature.open_findings() == 0
            && !signature.awaits_linter(needed)
            && signature.standing != Standing::Awaited
            && !signature.standing.forbids();
        let item = self.cursor;
        let dump = machine.is_backing_up() || machine.is_backed_up(item);
        if ready && (needed.words || needed.reference && !dump) {
            Some(Typing::Reference { item })
        } else if ready && needed.database_name {
            Some(Typing::DatabaseName { item })
        } else {
            None
        }
    }
}

/// Whether there is nothing more important to see than the answer of a query.
fn back_as_it_was(phase: &Phase) -> bool {
    match phase {
        Phase::Deciding { .. } | Phase::Reviewing { .. } => true,
        Phase::MustRollBack { why, .. } => *why != Why::Disturbed,
        _ => false,
    }
}

/// The command of an act, as far as a key alone says it.
fn read_command(act: Act, item: usize) -> Option<Command> {
    match act {
        Act::SignOff => Some(Command::SignOff { item, note: None }),
        Act::Withdraw => Some(Command::Withdraw { item }),
        Act::Acknowledge => Some(Command::Acknowledge { item }),
        // Only to be refused: the folder is typed.
        Act::BackUp => Some(Command::BackUp {
            folder: String::new(),
        }),
        Act::AllowNumbers => Some(Command::AllowNumbers(None)),
        // What is refused is refused whatever is typed.
        Act::Query => Some(Command::Query(String::new())),
        act => act.command(),
    }
}
