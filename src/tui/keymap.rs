//! What a key means that was pressed, by the table of acts.

use crate::acts::{Does, FieldEdit, KeyPlace, ViewAct, look_up, look_up_control};
use crossterm::event::KeyCode::{Char, Enter};
use crossterm::event::{KeyEvent, KeyEventKind, KeyModifiers};

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
            (Enter, KeyPlace::Query) => {
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
    match letter {
        'c' => KeyMeaning::Interrupt,
        'z' => KeyMeaning::Suspend,
        'l' => KeyMeaning::Bound(Does::View(ViewAct::Repaint)),
        letter => look_up_control(place, letter).map_or(KeyMeaning::Nothing, |binding| {
            KeyMeaning::Bound(binding.does)
        }),
    }
}
