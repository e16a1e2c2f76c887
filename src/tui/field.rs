//! A text that is being typed, with a cursor in it and what was typed before: one line, a query's more.
//!
//! Every prompt has one of these, a password's too, so what is in it is wiped when it goes. It takes
//! letters and judges none; which of them may come in is told to it.

use crate::acts::FieldEdit;
use zeroize::{Zeroize, Zeroizing};

/// The longest text in characters, unless another is said: far more than a name (63 bytes) needs.
pub const LONGEST: usize = 200;

/// The longest password or passphrase, in characters.
pub const SECRET: usize = 1_000;

/// The longest query, in characters.
pub const QUERY: usize = 20_000;

/// How many keys that came at once are still a person's, held up on a slow link.
pub const TYPED_AT_ONCE: usize = 6;

/// What became of keys that came at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysTaken {
    /// They are in the field.
    All,
    /// None of them is, and what was there is gone.
    Nothing,
}

#[derive(Debug)]
pub struct TextField {
    text: Zeroizing<String>,
    /// Where the cursor stands, in bytes; always between two characters.
    at: usize,
    most: usize,
    /// Whether it has as many lines as are typed.
    lines: bool,
    /// A part of what was typed was refused: nothing is taken until the field is emptied.
    spoiled: bool,
    past: Vec<String>,
    /// Which of them is in the field; as many as there are for none.
    recalled: usize,
    /// What was typed when the first of them was brought back.
    draft: Zeroizing<String>,
}

impl Default for TextField {
    fn default() -> TextField {
        TextField::new(LONGEST)
    }
}

impl Clone for TextField {
    fn clone(&self) -> TextField {
        let mut copy = TextField::new(self.most);
        copy.text.push_str(&self.text);
        copy.at = self.at;
        copy.lines = self.lines;
        copy.spoiled = self.spoiled;
        copy.past.clone_from(&self.past);
        copy.recalled = self.recalled;
        copy.draft.clone_from(&self.draft);
        copy
    }
}

impl TextField {
    /// An empty field for at most so many characters.
    #[must_use]
    pub fn new(most: usize) -> TextField {
        TextField {
            // All the room it can ever need, so that no piece of a secret is left where it was moved from.
            text: Zeroizing::new(String::with_capacity(most * 4)),
            at: 0,
            most,
            lines: false,
            spoiled: false,
            past: Vec::new(),
            recalled: 0,
            draft: Zeroizing::default(),
        }
    }

    /// A field with `text` in it, and with what was typed into its like before, the last one last.
    #[must_use]
    pub fn opened(most: usize, text: &str, past: &[String]) -> TextField {
        let mut field = TextField::new(most);
        field.set(text);
        field.past = past.to_vec();
        field.recalled = past.len();
        field
    }

    /// The same, for a text of several lines.
    #[must_use]
    pub fn of_lines(most: usize, past: &[String]) -> TextField {
        let mut field = TextField::opened(most, "", past);
        field.lines = true;
        field
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is in it before the cursor and behind it.
    pub fn halves(&self) -> (&str, &str) {
        self.text
            .split_at_checked(self.at)
            .unwrap_or((&self.text, ""))
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it takes nothing until it is emptied.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    pub fn clear(&mut self) {
        self.text.zeroize();
        self.at = 0;
        self.spoiled = false;
    }

    /// Empties it and gives what was in it, for what is wiped as well.
    pub fn take_secret(&mut self) -> Zeroizing<String> {
        std::mem::replace(self, TextField::new(self.most)).text
    }

    /// Empties it and gives what was in it.
    pub fn take(&mut self) -> String {
        let text = self.text.as_str().to_owned();
        self.clear();
        text
    }

    fn set(&mut self, text: &str) {
        self.clear();
        self.text.extend(text.chars().take(self.most));
        self.at = self.text.len();
    }

    /// Puts letters in at the cursor, as many as there is room for. Terminals send a line break as `\r`,
    /// or as it was copied.
    pub fn insert(&mut self, letters: impl IntoIterator<Item = char>) {
        if self.spoiled {
            return;
        }
        let room = self.most.saturating_sub(self.text.chars().count());
        let mut last = None;
        let lines = self.lines;
        let taken = letters.into_iter().filter_map(|letter| {
            let before = last.replace(letter);
            match letter {
                '\n' if before == Some('\r') => None,
                '\r' | '\n' => lines.then_some('\n'),
                '\t' => lines.then_some('\t'),
                letter => (!letter.is_control()).then_some(letter),
            }
        });
        for letter in taken.take(room) {
            self.text.insert(self.at, letter);
            self.at += letter.len_utf8();
        }
    }

    /// Takes keys that came at once, of which `run` came without a pause: a few of them into what was
    /// begun before them are a typist's on a slow link. More, or all that there is, are not; then nothing
    /// of it stays, and nothing is taken until the field is emptied.
    pub fn insert_burst(&mut self, letters: &str, run: usize) -> KeysTaken {
        let count = letters.chars().count();
        let begun = self.text.chars().count() + count > run;
        if self.spoiled || !begun || run > TYPED_AT_ONCE {
            self.spoil();
            return KeysTaken::Nothing;
        }
        self.insert(letters.chars());
        KeysTaken::All
    }

    /// Empties it, and takes nothing until a person empties it as well.
    pub fn spoil(&mut self) {
        self.clear();
        self.spoiled = true;
    }

    /// Does what a key does; whether the text is another one now.
    pub fn edit(&mut self, edit: FieldEdit) -> bool {
        if self.spoiled {
            self.spoiled = !matches!(
                edit,
                FieldEdit::Erase | FieldEdit::EraseWord | FieldEdit::EraseAll
            );
            return true;
        }
        let (before, behind) = self.halves();
        let [last, next] = [before.chars().next_back(), behind.chars().next()]
            .map(|letter| letter.map_or(0, char::len_utf8));
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let end = self.at + behind.find('\n').unwrap_or(behind.len());
        match edit {
            FieldEdit::Left => self.at -= last,
            FieldEdit::Right => self.at += next,
            FieldEdit::Home => self.at = begin,
            FieldEdit::End => self.at = end,
            FieldEdit::Older if begin > 0 => self.at = self.beside(begin, edit),
            FieldEdit::Newer if end < self.text.len() => self.at = self.beside(begin, edit),
            FieldEdit::NewLine => {
                self.insert(['\n']);
                return self.lines;
            }
            FieldEdit::Erase => return self.erase(self.at - last..self.at),
            FieldEdit::EraseAhead => return self.erase(self.at..self.at + next),
            FieldEdit::EraseWord => {
                let rest = before.trim_end();
                let mut letters = rest.char_indices().rev();
                let space = letters.find(|(_, letter)| letter.is_whitespace());
                let word = space.map_or(0, |(at, space)| at + space.len_utf8());
                return self.erase(word..self.at);
            }
            FieldEdit::EraseToEnd => return self.erase(self.at..self.text.len()),
            FieldEdit::EraseAll => return self.erase(0..self.text.len()),
            FieldEdit::Older | FieldEdit::Newer => return self.recall(edit),
        }
        false
    }

    fn erase(&mut self, part: std::ops::Range<usize>) -> bool {
        if part.is_empty() {
            return false;
        }
        let mut kept = Zeroizing::new(String::with_capacity(self.most * 4));
        kept.push_str(self.text.get(..part.start).unwrap_or_default());
        kept.push_str(self.text.get(part.end..).unwrap_or_default());
        self.text = kept;
        self.at = part.start;
        true
    }

    /// Where the cursor goes in the line above or below its own, which begins at `begin`.
    fn beside(&self, begin: usize, edit: FieldEdit) -> usize {
        let (above, line) = self.text.split_at_checked(begin).unwrap_or_default();
        let column = self
            .text
            .get(begin..self.at)
            .map_or(0, |text| text.chars().count());
        let from = match edit {
            FieldEdit::Older => {
                let above = above.strip_suffix('\n').unwrap_or(above);
                above.rfind('\n').map_or(0, |at| at + 1)
            }
            _ => begin + line.find('\n').map_or(line.len(), |at| at + 1),
        };
        let rest = self.text.get(from..).unwrap_or_default();
        let rest = rest.split('\n').next().unwrap_or_default();
        let letters = rest.char_indices().map(|(at, _)| at);
        from + letters
            .chain([rest.len()])
            .nth(column)
            .unwrap_or(rest.len())
    }

    /// Brings back what was typed before, and behind the last of it what is being typed: arrow keys can
    /// come from the mouse's wheel.
    fn recall(&mut self, edit: FieldEdit) -> bool {
        let newest = self.past.len();
        let to = match edit {
            FieldEdit::Older => self.recalled.saturating_sub(1),
            _ => (self.recalled + 1).min(newest),
        };
        if to == self.recalled {
            return false;
        }
        if self.recalled == newest {
            self.draft = self.text.clone();
        }
        self.recalled = to;
        let text = self.past.get(to).cloned();
        let text = text.unwrap_or_else(|| self.draft.as_str().to_owned());
        self.set(&text);
        true
    }
}

/// Keeps what was typed, unless it was typed just before as well.
pub fn remember(past: &mut Vec<String>, text: &str) {
    if !text.is_empty() && past.last().map(String::as_str) != Some(text) {
        past.push(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> TextField {
        TextField::opened(LONGEST, text, &[])
    }

    #[test]
    fn a_letter_goes_where_the_cursor_is() {
        let mut field = typed("wisr_öps");
        for _ in 0..5 {
            field.edit(FieldEdit::Left);
        }
        field.insert(['e']);
        assert_eq!(field.text(), "wiser_öps");
        assert_eq!(field.halves(), ("wise", "r_öps"));
        field.edit(FieldEdit::Home);
        assert!(field.edit(FieldEdit::EraseAhead));
        assert!(!field.edit(FieldEdit::Left), "beyond the beginning");
        field.edit(FieldEdit::End);
        for _ in 0..2 {
            field.edit(FieldEdit::Left);
        }
        assert!(field.edit(FieldEdit::Erase));
        assert_eq!(field.text(), "iser_ps");
    }

    #[test]
    fn words_go_as_in_a_shell() {
        let mut field = typed("SELECT 1  FROM t  ");
        assert!(field.edit(FieldEdit::EraseWord));
        assert_eq!(field.text(), "SELECT 1  FROM ");
        assert!(field.edit(FieldEdit::EraseWord));
        assert_eq!(field.text(), "SELECT 1  ");
        field.edit(FieldEdit::Home);
        field.edit(FieldEdit::Right);
        assert!(field.edit(FieldEdit::EraseToEnd));
        assert_eq!(field.text(), "S");
        assert!(field.edit(FieldEdit::EraseAll));
        assert!(!field.edit(FieldEdit::EraseAll));
        assert!(!field.edit(FieldEdit::EraseWord));
    }

    #[test]
    fn what_was_typed_before_comes_back() {
        let past = ["one".to_owned(), "two".to_owned()];
        let mut field = TextField::opened(LONGEST, "", &past);
        for expected in ["two", "one", "one"] {
            field.edit(FieldEdit::Older);
            assert_eq!(field.text(), expected);
        }
        for expected in ["two", "", ""] {
            field.edit(FieldEdit::Newer);
            assert_eq!(field.text(), expected);
        }
        // Arrow keys on their way through it cost nothing of what was typed.
        field.insert("three".chars());
        for edit in [
            FieldEdit::Newer,
            FieldEdit::Older,
            FieldEdit::Older,
            FieldEdit::Newer,
        ] {
            field.edit(edit);
        }
        assert_eq!(field.text(), "two");
        field.edit(FieldEdit::Newer);
        assert_eq!(field.text(), "three");
    }

    #[test]
    fn a_text_of_several_lines_keeps_them_and_the_cursor_goes_from_line_to_line() {
        let past = ["SELECT 0".to_owned()];
        let mut field = TextField::of_lines(LONGEST, &past);
        field.insert("SELECT 1 -- öne\r\n\tFROM t\rLIMIT 1\n\x1b".chars());
        assert_eq!(field.text(), "SELECT 1 -- öne\n\tFROM t\nLIMIT 1\n");
        assert!(field.edit(FieldEdit::Erase));
        for (edit, before) in [
            (FieldEdit::Older, "SELECT 1 -- öne\n\tFROM t"),
            (FieldEdit::Home, "SELECT 1 -- öne\n"),
            (FieldEdit::End, "SELECT 1 -- öne\n\tFROM t"),
            (FieldEdit::Older, "SELECT "),
            (FieldEdit::Newer, "SELECT 1 -- öne\n\tFROM t"),
            (FieldEdit::Newer, "SELECT 1 -- öne\n\tFROM t\nLIMIT 1"),
        ] {
            assert!(!field.edit(edit));
            assert_eq!(field.halves().0, before, "{edit:?}");
        }
        // Above the first line is what was asked before, and the text is not lost to it.
        for _ in 0..2 {
            field.edit(FieldEdit::Older);
        }
        assert!(field.edit(FieldEdit::Older));
        assert_eq!(field.text(), "SELECT 0");
        assert!(field.edit(FieldEdit::Newer));
        assert!(field.edit(FieldEdit::NewLine));
        assert_eq!(field.text(), "SELECT 1 -- öne\n\tFROM t\nLIMIT 1\n");
        let mut line = typed("a");
        assert!(!line.edit(FieldEdit::NewLine));
        line.insert("\r\nb\tc".chars());
        assert_eq!(line.text(), "abc");
    }

    #[test]
    fn a_few_keys_at_once_continue_what_was_begun() {
        let mut field = typed("wis");
        assert_eq!(field.insert_burst("er_o", 4), KeysTaken::All);
        assert_eq!(field.text(), "wiser_o");
        assert_eq!(field.insert_burst("abcdefg", 7), KeysTaken::Nothing);
        assert!(field.is_spoiled() && field.is_empty());
    }

    #[test]
    fn what_came_in_one_run_from_the_first_letter_on_is_no_typing() {
        let mut field = typed("");
        assert_eq!(field.insert_burst("prod", 4), KeysTaken::Nothing);
        // The first three keys of a run come as keys, the fourth tells what they were.
        let mut field = typed("pro");
        assert_eq!(field.insert_burst("d", 4), KeysTaken::Nothing);
        assert!(field.is_empty());
    }

    #[test]
    fn a_spoiled_field_takes_nothing_until_it_is_emptied() {
        let mut field = typed("x");
        field.spoil();
        field.insert("abc".chars());
        field.edit(FieldEdit::Left);
        assert_eq!(field.insert_burst("abcd", 4), KeysTaken::Nothing);
        assert!(field.is_empty() && field.is_spoiled());
        field.edit(FieldEdit::Erase);
        field.insert("abc".chars());
        assert_eq!(field.text(), "abc");
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let mut field = TextField::new(3);
        field.insert("a\tb\ncd".chars());
        assert_eq!(field.text(), "abc");
    }
}
