//! What a person is looking at in `inspect`: pane, scroll positions, typed text, the line that says.
//!
//! A key becomes a [`Wish`], and a wish is to look again, to leave, or to have the screen painted
//! anew. Keys that ask the gate for something in the walk have nobody to ask here.

use super::looking::News;
use super::past::PastRun;
use super::shown::{InspectPane, LastChecks, ShownPanes};
use super::view;
use crate::account::Account;
use crate::acts::{Does, KeyPlace, PageAct, ViewAct, key_of, name_keys};
use crate::asking::Challenge;
use crate::facts::Millis;
use crate::gate::Act;
use crate::gate::machine::Machine;
use crate::gate::plan::{Mode, Plan};
use crate::runbook::Runbook;
use crate::tui::field::{LONGEST, SECRET, TextField};
use crate::tui::keymap::{KeyMeaning, read_key};
use crate::tui::pager::clipboard::{FIND_FIRST, hand_over};
use crate::tui::pager::{Paged, Pager};
use crate::tui::paint::{draw_box, draw_frame, guard};
use crate::tui::scroll::Scroll;
use crate::tui::theme::Appearance;
use crate::tui::view::prompt::NOTHING_TYPED;
use crate::tui::view::stream::Outline;
use crate::tui::view::{Scene, footer, prompt};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use ratatui::Frame;
use std::sync::Arc;

/// Where a look was asked for while there is one.
const UNDER_WAY: &str = "A look is under way.";

/// What a key asks for beside another view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    None,
    Look,
    Leave,
    /// To have the whole screen drawn anew.
    Repaint,
}

pub struct InspectScreen {
    shown: ShownPanes,
    /// For the views that the walk shares: a machine that was never told anything.
    machine: Machine,
    account: Account,
    /// How far each pane but the scripts is scrolled.
    scrolls: [Scroll; InspectPane::ALL.len()],
    pager: Pager,
    question: Option<Challenge>,
    typing: bool,
    typed: TextField,
    help: bool,
    help_scroll: Scroll,
    toast: Option<String>,
    clipboard: bool,
    copied: Option<String>,
}

impl InspectScreen {
    /// A screen for `runbook`; `folder` is where the journals lie, for people.
    pub fn new(runbook: Arc<Runbook>, look: Appearance, folder: Option<String>) -> InspectScreen {
        let plan = Plan {
            // Nothing is signed here, so nothing has to be read first.
            items: Vec::new(),
            ..Plan::new(&runbook, Mode::Inspect, 0)
        };
        InspectScreen {
            pager: Pager::new(Arc::clone(&runbook), look),
            shown: ShownPanes::new(runbook, look, folder),
            machine: Machine::new(plan),
            account: Account::default(),
            scrolls: [Scroll::default(); InspectPane::ALL.len()],
            question: None,
            typing: false,
            typed: TextField::default(),
            help: false,
            help_scroll: Scroll::default(),
            toast: None,
            clipboard: false,
            copied: None,
        }
    }

    /// Tells it the time since the start.
    pub fn tick(&mut self, now: Millis) {
        self.shown.now = now;
    }

    pub fn looks(&mut self) {
        self.shown.looking = true;
    }

    pub fn take(&mut self, news: News) {
        self.shown.looking = false;
        // It is said of this look.
        self.toast.take_if(|said| said == UNDER_WAY);
        match news {
            News::Seen(sight) => {
                self.shown.blind = None;
                self.shown.seen_at = Some(self.shown.now);
                let mut sight = *sight;
                if let Some(sets) = sight.sets.take() {
                    let at = self.shown.now;
                    self.shown.checked = Some(LastChecks { sets, at });
                }
                self.account.target = Some(sight.target.clone());
                self.shown.sight = Some(sight);
            }
            // What was seen before stays, with its age beside it.
            News::Blind(why) => self.shown.blind = Some(why),
        }
    }

    pub fn take_runs(&mut self, runs: Result<Vec<PastRun>, String>) {
        self.shown.runs = runs;
    }

    /// Asks the person for what the server, or a key, wants to know.
    pub fn ask_for(&mut self, question: Challenge) {
        self.typing = false;
        self.help = false;
        self.typed = TextField::new(SECRET);
        self.question = Some(question);
    }

    /// Whether a person is asked for something that nobody may see.
    pub fn is_asked(&self) -> bool {
        self.question.is_some()
    }

    /// Says `text` in the line above the keys, until the next key.
    pub fn say(&mut self, text: impl Into<String>) {
        self.toast = Some(text.into());
    }

    // ---- keys -----------------------------------------------------------------------------------

    pub fn key(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::None;
        }
        self.toast = None;
        if self
            .question
            .take_if(|question| question.is_over())
            .is_some()
        {
            self.typed.clear();
        }
        let place = self.place();
        match read_key(place, key) {
            KeyMeaning::Nothing => {}
            KeyMeaning::Interrupt => return Wish::Leave,
            KeyMeaning::Suspend => {
                self.say("Suspending is refused: open another window instead.");
            }
            KeyMeaning::Letter(letter) => self.typed.insert([letter]),
            KeyMeaning::Bound(Does::View(act)) => return self.look_at(act),
            KeyMeaning::Bound(Does::Gate(Act::Quit)) if self.help => self.turn_help(),
            KeyMeaning::Bound(Does::Gate(Act::Quit)) => return Wish::Leave,
            // Nothing of the gate is here: not even a machine that could refuse it.
            KeyMeaning::Bound(Does::Gate(_)) | KeyMeaning::Unbound => {
                if !place.types() && key.code != KeyCode::Esc {
                    self.say(name_keys(
                        "That key does nothing here: inspect only looks. {help} shows the keys.",
                    ));
                }
            }
        }
        Wish::None
    }

    pub fn is_typing(&self) -> bool {
        self.place().types()
    }

    /// Pasted text, or keys that came as fast: only what is being typed takes it.
    pub fn paste(&mut self, text: &str) {
        if self.is_typing() {
            self.typed.insert(text.chars());
        } else {
            self.say("Pasted text was refused: it never acts here. Press the keys.");
        }
    }

    fn look_at(&mut self, act: ViewAct) -> Wish {
        match act {
            ViewAct::Page(act) => self.page(act),
            ViewAct::LookAgain if self.shown.looking => self.say(UNDER_WAY),
            ViewAct::LookAgain => return Wish::Look,
            ViewAct::Repaint => return Wish::Repaint,
            ViewAct::Copy => self.copy(),
            ViewAct::Scripts => self.open(InspectPane::Scripts),
            ViewAct::Locks => self.open(InspectPane::Locks),
            ViewAct::Messages => self.open(InspectPane::Messages),
            ViewAct::Told(pane) => {
                let mut panes = InspectPane::ALL.into_iter();
                let pane = panes.find(|own| own.name() == pane.name);
                pane.into_iter().for_each(|pane| self.open(pane));
            }
            ViewAct::Help => self.turn_help(),
            ViewAct::NextPane => self.turn(true),
            ViewAct::PreviousPane => self.turn(false),
            ViewAct::Close if self.question.take().is_some() => {
                self.typed.clear();
                return Wish::Leave;
            }
            ViewAct::Close => {
                if std::mem::take(&mut self.typing) {
                    self.typed.clear();
                } else if self.help {
                    self.turn_help();
                }
            }
            ViewAct::Find => {
                self.typing = true;
                self.typed = TextField::opened(LONGEST, "", self.pager.searches());
            }
            ViewAct::Accept if self.is_asked() => {
                if self.typed.is_empty() {
                    self.say(name_keys(NOTHING_TYPED));
                } else if let Some(question) = self.question.take() {
                    question.answer(self.typed.take_secret());
                }
            }
            ViewAct::Accept => {
                self.typing = false;
                self.pager.seek(self.typed.take());
                let said = match self.scroll() {
                    Some((pager, scroll)) => pager.find_in_lines(true, scroll),
                    None => self.pager.find_in_script(true),
                };
                self.toast = said;
            }
            ViewAct::Edit(edit) => {
                self.typed.edit(edit);
            }
            // What only the walk has: nothing is asked here, and no statement has run.
            _ => {}
        }
        Wish::None
    }

    fn page(&mut self, act: PageAct) {
        let paged = match self.scroll() {
            Some((pager, scroll)) => pager.page_lines(act, scroll),
            None => self.pager.page_script(act),
        };
        match (paged, act) {
            (Paged::Said(text), _) => self.say(text),
            (Paged::Beyond, PageAct::Right) => self.turn(true),
            (Paged::Beyond, PageAct::Left) => self.turn(false),
            (Paged::Done | Paged::Beyond, _) => {}
        }
    }

    fn turn_help(&mut self) {
        self.help = !self.help;
        self.help_scroll = Scroll::default();
        self.pager.leave();
    }

    fn open(&mut self, pane: InspectPane) {
        self.help = false;
        self.pager.leave();
        self.shown.pane = pane;
    }

    /// To the next pane; within the scripts first to the next script.
    fn turn(&mut self, forward: bool) {
        let last = self.pager.scripts().saturating_sub(1);
        let tab = self.pager.tab();
        if self.shown.pane == InspectPane::Scripts && !self.help {
            let next = match forward {
                true => Some(tab + 1).filter(|next| *next <= last),
                false => tab.checked_sub(1),
            };
            if let Some(next) = next {
                return self.pager.open_tab(next);
            }
        }
        let all = InspectPane::ALL.len();
        let next = self.shown.pane as usize + if forward { 1 } else { all - 1 };
        let next = InspectPane::ALL.get(next % all).copied();
        self.open(next.unwrap_or(InspectPane::Applied));
        if self.shown.pane == InspectPane::Scripts {
            self.pager.open_tab(if forward { 0 } else { last });
        }
    }

    /// How far the open pane is scrolled, beside the pager; of the scripts the pager knows it itself.
    fn scroll(&mut self) -> Option<(&mut Pager, &mut Scroll)> {
        let scroll = match self.shown.pane {
            _ if self.help => &mut self.help_scroll,
            InspectPane::Scripts => return None,
            pane => self.scrolls.get_mut(pane as usize)?,
        };
        Some((&mut self.pager, scroll))
    }

    /// Copies the script's line, or the line that was found.
    fn copy(&mut self) {
        let under = match (self.scroll().is_none(), self.pager.found()) {
            (true, _) => self.pager.script_line(),
            (false, found) => {
                let line = found.and_then(|row| self.pager.line(row));
                line.map(|line| ("the line that was found".to_owned(), line.trim().to_owned()))
                    .ok_or(FIND_FIRST)
            }
        };
        let (copied, said) = hand_over(under, self.clipboard);
        self.copied = copied;
        self.say(said);
    }

    /// Tells it whether the terminal has a clipboard that takes a text.
    pub fn set_clipboard(&mut self, clipboard: bool) {
        self.clipboard = clipboard;
    }

    pub fn take_copied(&mut self) -> Option<String> {
        self.copied.take()
    }

    // ---- frames ---------------------------------------------------------------------------------

    /// Draws the present state. Nothing here acts, so it is drawn at any size, as far as it fits.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let columns = usize::from(area.width);
        let runbook = Arc::clone(&self.shown.runbook);
        let outline = Outline::default();
        // Taken out for the frame: the scene looks at them while the scrolls are settled.
        let machine = self.machine.clone();
        let account = std::mem::take(&mut self.account);
        let scene = Scene {
            look: self.shown.look,
            runbook: &runbook,
            machine: &machine,
            account: &account,
            cursor: 0,
            outline: &outline,
            journal: None,
        };
        let buffer = frame.buffer_mut();
        let head = view::header(&self.shown, &scene, columns);
        let keys = footer::draw_footer(&scene, self.place(), true, columns);
        let blind = self.shown.blind.as_ref();
        let now = key_of("look again");
        let blind =
            blind.map(|why| format!("Cannot look: {why}. It goes on trying; {now} tries now."));
        let said = self.toast.clone().or(blind);
        let body = draw_frame((buffer, area), scene.look, &head, &keys, said.as_deref());
        let lines = match self.help {
            true => view::help(&scene, columns),
            false => view::draw_pane(&self.shown, &scene, columns),
        };
        match self.scroll() {
            Some((pager, scroll)) => pager.draw_lines((buffer, body), lines, scroll),
            None => {
                self.pager
                    .draw_script(buffer, body, &scene.standings(), self.typing);
                if said.is_none() {
                    self.pager.draw_going_on(buffer, body);
                }
            }
        }
        if let Some(question) = &self.question {
            let columns = usize::from(body.width.saturating_sub(2).min(86));
            let lines = prompt::secret(&scene, question, &self.typed, columns);
            draw_box(buffer, body, &lines);
        } else if self.typing {
            prompt::draw_find(buffer, body, &scene, &self.typed);
        }
        guard(buffer, self.shown.look.glyphs);
        self.account = account;
    }

    fn place(&self) -> KeyPlace {
        if self.is_asked() {
            KeyPlace::Secret
        } else if self.typing {
            KeyPlace::Text
        } else {
            KeyPlace::Inspect
        }
    }
}
