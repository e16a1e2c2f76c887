//! What a person is looking at: cursor, panes, scroll positions, typed text, the line that says.
//!
//! It turns keys into events for the gate and never decides itself whether one is open: it sends
//! the command, and the machine's refusal comes back as words. Only two things it refuses on its
//! own, both on the side of safety: COMMIT on a screen too small to show the gate, and pasted text.

mod copying;
mod drawing;
mod keys;
mod looking;
mod notice;
mod reading;

use super::field::{SECRET, TextField};
use super::pager::Pager;
use super::scroll::Scroll;
use super::theme::Appearance;
use super::view::answer::AnswerLines;
use super::view::messages::Heights;
use super::view::statement::Detail;
use super::view::stream::Outline;
use crate::acts::{Front, ToldPane, tell_refusal};
use crate::asking::Challenge;
use crate::facts::{Millis, Standing};
use crate::gate::event::Document;
use crate::gate::machine::{Machine, Signature};
use crate::gate::phase::{Phase, PhaseKind, Prompt};
use crate::gate::{Event, Refusal};
use crate::runbook::Runbook;
use notice::{Notice, NoticeLasts};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The size that a small screen is told to take.
pub const NEEDS: (u16, u16) = (80, 24);
/// The size from which everything is shown: half of a screen of 160 columns without the line between the
/// halves, and 24 rows without those that tmux and a second pane take.
pub const LEAST: (u16, u16) = (79, 20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Scripts,
    Locks,
    Messages,
    Told(&'static ToldPane),
    Help,
    Evidence,
    Answer,
    Statement(usize),
}

/// A text that is being typed for the screen itself; the name for COMMIT is the machine's prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typing {
    Reference {
        item: usize,
    },
    /// The database's name, for an item that guards against the wrong server.
    DatabaseName {
        item: usize,
    },
    Folder,
    Find,
    Query,
}

/// What was typed before. A name is typed by hand each time.
#[derive(Debug, Clone, Default)]
struct Past {
    references: Vec<String>,
    folders: Vec<String>,
    queries: Vec<String>,
    reasons: Vec<String>,
}

#[derive(Clone)]
pub struct Screen {
    runbook: Arc<Runbook>,
    /// What is counted once of the script.
    outline: Arc<Outline>,
    look: Appearance,
    journal: Option<String>,
    size: (u16, u16),
    cursor: usize,
    pane: usize,
    scroll: Scroll,
    /// The statement under the cursor of the stream; `None` follows what runs.
    at: Option<usize>,
    evidence: Scroll,
    cover: Option<Cover>,
    cover_scroll: Scroll,
    /// How far the rows of a statement, or of an answer, are moved to the left, in columns.
    sideways: usize,
    /// Whether an answer stands row by row, once somebody chose.
    by_rows: Option<bool>,
    detail: Option<Arc<Detail>>,
    heights: Arc<Heights>,
    /// What is read page by page: the scripts, and covers of lines.
    pager: Pager,
    /// The document that is open, and since when.
    reading: Option<(usize, Millis)>,
    /// Which items were signed in the last frame.
    signed: Vec<bool>,
    /// When the cursor went on by itself, or Space was pressed since; until another key is.
    carried: Option<Millis>,
    answer: Option<Arc<AnswerLines>>,
    typing: Option<Typing>,
    typed: TextField,
    /// What a person is asked for on the way in; it is typed too.
    question: Option<Challenge>,
    /// Texts of each kind that were typed, the last one last.
    past: Past,
    /// Whether a paste comes in brackets, so that keys in a heap are none.
    brackets: bool,
    /// The folder for a backup that was named last.
    folder: String,
    toast: Option<Notice>,
    /// What was refused because the screen is too small; said as long as it is.
    no_room: Option<&'static str>,
    events: Vec<Event>,
    read: BTreeSet<Document>,
    phase: Option<PhaseKind>,
    prompt: Prompt,
    /// The answers that were put in front so far: [`crate::account::Account::looks`]. A query can be asked and
    /// answered between two frames, so the phase alone does not tell that there is one.
    answered: usize,
    repaint: bool,
    /// Whether the terminal has a clipboard that takes a text, and what it is to take.
    clipboard: bool,
    copied: Option<String>,
    /// Whether the query that is being typed is to be opened in the editor.
    to_edit: bool,
}

impl Screen {
    pub fn new(runbook: Arc<Runbook>, appearance: Appearance) -> Screen {
        let outline = Arc::new(Outline::of(&runbook.script));
        Screen {
            pager: Pager::new(Arc::clone(&runbook), appearance),
            runbook,
            outline,
            look: appearance,
            journal: None,
            size: (0, 0),
            cursor: 0,
            pane: 0,
            scroll: Scroll::default(),
            at: None,
            evidence: Scroll::default(),
            cover: None,
            cover_scroll: Scroll::default(),
            sideways: 0,
            by_rows: None,
            detail: None,
            heights: Arc::default(),
            reading: None,
            signed: Vec::new(),
            carried: None,
            answer: None,
            typing: None,
            typed: TextField::default(),
            question: None,
            past: Past::default(),
            brackets: false,
            folder: String::new(),
            toast: None,
            no_room: None,
            events: Vec::new(),
            read: BTreeSet::new(),
            phase: None,
            prompt: Prompt::Closed,
            answered: 0,
            repaint: false,
            clipboard: false,
            copied: None,
            to_edit: false,
        }
    }

    /// Tells it where the journal is, for the end screen.
    pub fn set_journal(&mut self, path: &Path) {
        self.journal = Some(path.display().to_string());
    }

    pub fn set_backup_folder(&mut self, folder: &Path) {
        self.folder = folder.display().to_string();
    }

    /// Tells it whether the terminal puts brackets around what is pasted.
    pub fn set_brackets(&mut self, brackets: bool) {
        self.brackets = brackets;
    }

    /// Tells it whether the terminal has a clipboard that takes a text.
    pub fn set_clipboard(&mut self, clipboard: bool) {
        self.clipboard = clipboard;
    }

    pub fn set_appearance(&mut self, appearance: Appearance) {
        if self.look != appearance {
            self.look = appearance;
            self.pager.set_look(appearance);
            self.answer = None;
            self.detail = None;
            self.heights = Arc::default();
        }
    }

    /// Asks the person for what the server, or a key, wants to know.
    pub fn ask_for(&mut self, question: Challenge) {
        self.typed = TextField::new(SECRET);
        self.typing = None;
        self.cover = None;
        self.question = Some(question);
    }

    /// Says `text` in the line above the keys, until the next key.
    pub fn say(&mut self, text: String) {
        self.say_while(text, NoticeLasts::UntilKey);
    }

    /// Says why something was refused, until the next key and no longer than it is so.
    pub fn refuse(&mut self, refusal: Refusal) {
        let text = tell_refusal(&refusal, Front::Keys);
        self.say_while(text, NoticeLasts::WhileRefused(refusal));
    }

    fn say_while(&mut self, text: String, lasts: NoticeLasts) {
        self.toast = Some(Notice { text, lasts });
    }

    /// What was noticed while drawing, such as a document that was read to its end.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether a person asked for the whole screen to be drawn anew.
    pub fn take_repaint(&mut self) -> bool {
        std::mem::take(&mut self.repaint)
    }

    /// What the terminal's clipboard is to take.
    pub fn take_copied(&mut self) -> Option<String> {
        self.copied.take()
    }

    /// The query that is to be opened in the editor.
    pub fn take_to_edit(&mut self) -> Option<String> {
        let wanted = std::mem::take(&mut self.to_edit);
        wanted.then(|| self.typed.text().to_owned())
    }

    /// Whether the server's log is on screen.
    pub fn shows_log(&self) -> bool {
        self.cover == Some(Cover::Messages)
    }

    /// What time alone changes on the screen.
    pub fn motion(&self, machine: &Machine) -> Motion {
        match machine.phase() {
            Phase::Checklist { .. } => {
                let awaited = |item: &Signature| item.standing == Standing::Awaited;
                if machine.is_backing_up() || machine.items().iter().any(awaited) {
                    Motion::Spins
                } else {
                    Motion::None
                }
            }
            Phase::Deciding { .. } | Phase::MustRollBack { .. } => Motion::CountsSeconds,
            Phase::Reviewing { .. } if machine.asks_outside() => Motion::Spins,
            Phase::Reviewing { .. } => Motion::CountsSeconds,
            Phase::Connecting
            | Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Querying { .. }
            | Phase::Returning { .. }
            | Phase::Committing { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. } => Motion::Spins,
            Phase::Ended(_) | Phase::Left(_) => Motion::None,
        }
    }
}

/// What time alone changes on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    None,
    CountsSeconds,
    /// A spinner, or a clock whose seconds begin at any time.
    Spins,
}
