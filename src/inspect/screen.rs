//! What a person is looking at in `inspect`: pane, scroll positions, typed text, the line that says.
//!
//! A key becomes a [`Wish`], and a wish is to look again, to leave, or to have the screen painted
//! anew. Keys that ask the gate for something in the walk have nobody to ask here.

use super::looking::News;
use super::past::PastRun;
use super::shown::{InspectPane, LastChecks, ShownPanes};
use super::view;
use crate::asking::Challenge;
use crate::gate::event::{Document, Millis};
use crate::gate::machine::Machine;
use crate::gate::plan::{Mode, Plan};
use crate::gate::{Account, Act};
use crate::runbook::Runbook;
use crate::tui::field::{LONGEST, SECRET, TextField, remember};
use crate::tui::keymap::{self, Does, KeyPlace, ViewAct};
use crate::tui::reader::{self, DocumentPages};
use crate::tui::screen::copying::hand_over;
use crate::tui::screen::drawing::draw_box;
use crate::tui::screen::paint::{draw_sheet, guard, more, put, rows};
use crate::tui::screen::scroll::Scroll;
use crate::tui::text::wrap;
use crate::tui::theme::Appearance;
use crate::tui::view::stream::Outline;
use crate::tui::view::{Scene, Sheet, footer, prompt};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use std::sync::Arc;

/// What a key asks for beside another view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    None,
    /// To look at everything again.
    Look,
    Leave,
    /// To have the whole screen drawn anew.
    Repaint,
}

pub struct InspectScreen {
    /// What the views show of it.
    shown: ShownPanes,
    /// For the views that the walk shares: a machine that was never told anything.
    machine: Machine,
    account: Account,
    scrolls: [Scroll; InspectPane::ALL.len()],
    tab: usize,
    documents: Vec<Scroll>,
    pages: Option<DocumentPages>,
    /// The lines of the open pane, for a search.
    texts: Vec<String>,
    question: Option<Challenge>,
    typing: bool,
    typed: TextField,
    past: Vec<String>,
    sought: String,
    found: Option<usize>,
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
        let documents = vec![Scroll::default(); reader::documents(&runbook).len()];
        InspectScreen {
            shown: ShownPanes::new(runbook, look, folder),
            machine: Machine::new(plan),
            account: Account::default(),
            scrolls: [Scroll::default(); InspectPane::ALL.len()],
            tab: 0,
            documents,
            pages: None,
            texts: Vec::new(),
            question: None,
            typing: false,
            typed: TextField::default(),
            past: Vec::new(),
            sought: String::new(),
            found: None,
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

    /// Tells it that a look was ordered.
    pub fn looks(&mut self) {
        self.shown.looking = true;
    }

    /// Takes what the task found.
    pub fn take(&mut self, news: News) {
        self.shown.looking = false;
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
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        if key
            .modifiers
            .intersects(KeyModifiers::ALT | KeyModifiers::META | KeyModifiers::SUPER)
        {
            return Wish::None;
        }
        if self
            .question
            .take_if(|question| question.is_over())
            .is_some()
        {
            self.typed.clear();
        }
        let typing = self.typing || self.is_asked();
        if let (true, KeyCode::Char(c)) = (typing, key.code) {
            self.typed.insert([c]);
            return Wish::None;
        }
        match keymap::lookup(self.place(), key.code).map(|binding| binding.does) {
            Some(Does::View(act)) => self.look_at(act),
            Some(Does::Gate(Act::Quit)) if self.help => {
                self.help = false;
                Wish::None
            }
            Some(Does::Gate(Act::Quit)) => Wish::Leave,
            // Nothing of the gate is here: not even a machine that could refuse it.
            Some(Does::Gate(_)) | None => {
                if !typing && key.code != KeyCode::Esc {
                    self.say("That key does nothing here: inspect only looks. ? shows the keys.");
                }
                Wish::None
            }
        }
    }

    /// Pasted text: only a search takes it.
    pub fn paste(&mut self, text: &str) {
        if self.typing || self.is_asked() {
            self.typed.insert(text.chars());
        } else {
            self.say("Pasted text was refused. Press the keys.");
        }
    }

    fn control(&mut self, code: KeyCode) -> Wish {
        match code {
            KeyCode::Char('c') => return Wish::Leave,
            KeyCode::Char('l') => return Wish::Repaint,
            KeyCode::Char('z') => self.say("Suspending is refused: open another window instead."),
            KeyCode::Char(letter) if self.typing || self.is_asked() => {
                if let Some(edit) = keymap::control_edit(letter) {
                    self.typed.edit(edit);
                }
            }
            KeyCode::Char(letter) => {
                if let Some(act) = keymap::control_look(letter) {
                    return self.look_at(act);
                }
            }
            _ => {}
        }
        Wish::None
    }

    fn look_at(&mut self, act: ViewAct) -> Wish {
        match act {
            ViewAct::LookAgain if self.shown.looking => self.say("A look is under way."),
            ViewAct::LookAgain => return Wish::Look,
            ViewAct::Repaint => return Wish::Repaint,
            ViewAct::Copy => self.copy(),
            ViewAct::Scripts => self.open(InspectPane::Scripts),
            ViewAct::Locks => self.open(InspectPane::Locks),
            ViewAct::Messages => self.open(InspectPane::Messages),
            ViewAct::Impact => self.open(InspectPane::Impact),
            ViewAct::Help => {
                self.help = !self.help;
                self.help_scroll = Scroll::default();
            }
            ViewAct::NextPane | ViewAct::Right => self.turn(true),
            ViewAct::PreviousPane | ViewAct::Left => self.turn(false),
            ViewAct::Close if self.question.take().is_some() => {
                self.typed.clear();
                return Wish::Leave;
            }
            ViewAct::Close => {
                if !std::mem::take(&mut self.typing) {
                    self.help = false;
                }
                self.typed.clear();
            }
            ViewAct::Find => {
                self.help = false;
                self.typing = true;
                self.typed = TextField::opened(LONGEST, "", &self.past);
            }
            ViewAct::Accept if self.is_asked() => {
                if self.typed.is_empty() {
                    self.say("Nothing was typed yet; Esc leaves without connecting.");
                } else if let Some(question) = self.question.take() {
                    question.answer(self.typed.take_secret());
                }
            }
            ViewAct::Accept => {
                self.typing = false;
                self.sought = self.typed.take();
                remember(&mut self.past, &self.sought);
                self.found = None;
                self.find(true);
            }
            ViewAct::Edit(edit) => {
                self.typed.edit(edit);
            }
            ViewAct::FindNext => self.find(true),
            ViewAct::FindPrevious => self.find(false),
            ViewAct::Detail | ViewAct::Wrap | ViewAct::NextSection | ViewAct::PreviousSection => {}
            ViewAct::Up
            | ViewAct::Down
            | ViewAct::PageUp
            | ViewAct::PageDown
            | ViewAct::ReadOn
            | ViewAct::HalfUp
            | ViewAct::HalfDown
            | ViewAct::First
            | ViewAct::Last => {
                if self.help {
                    self.help_scroll.act(act);
                } else if let Some(scroll) = self.scroll() {
                    scroll.act(act);
                }
            }
        }
        Wish::None
    }

    fn open(&mut self, pane: InspectPane) {
        self.help = false;
        self.found = None;
        self.shown.pane = pane;
    }

    /// To the next pane; within the scripts first to the next script.
    fn turn(&mut self, forward: bool) {
        self.found = None;
        let last = self.documents.len().saturating_sub(1);
        if self.shown.pane == InspectPane::Scripts && !self.help {
            if forward && self.tab < last {
                self.tab += 1;
                return;
            }
            if !forward && self.tab > 0 {
                self.tab -= 1;
                return;
            }
        }
        let all = InspectPane::ALL.len();
        let here = self.shown.pane as usize;
        let next = if forward {
            (here + 1) % all
        } else {
            (here + all - 1) % all
        };
        self.open(
            InspectPane::ALL
                .get(next)
                .copied()
                .unwrap_or(InspectPane::Applied),
        );
        if self.shown.pane == InspectPane::Scripts {
            self.tab = if forward { 0 } else { last };
        }
    }

    fn scroll(&mut self) -> Option<&mut Scroll> {
        match self.shown.pane {
            InspectPane::Scripts => self.documents.get_mut(self.tab),
            pane => self.scrolls.get_mut(pane as usize),
        }
    }

    /// Copies the script's line, or the line that was found.
    fn copy(&mut self) {
        let under = match (self.shown.pane, self.found) {
            (InspectPane::Scripts, found) if !self.help => {
                let top = self.documents.get(self.tab).map_or(0, |scroll| scroll.top);
                let pages = self.pages.as_ref();
                let line = pages
                    .and_then(|pages| pages.whole_line(&self.shown.runbook, found.unwrap_or(top)));
                line.map(|(name, number, text)| {
                    (format!("line {number} of {name}"), text.to_owned())
                })
            }
            (_, Some(row)) if !self.help => {
                let line = self.texts.get(row).map(|line| line.trim().to_owned());
                line.map(|line| ("the line that was found".to_owned(), line))
            }
            _ => None,
        };
        let under = under.ok_or("Find a line first: / goes to it, then Y copies it.");
        let (copied, said) = hand_over(under, self.clipboard);
        self.copied = copied;
        self.say(said);
    }

    /// Tells it whether the terminal has a clipboard that takes a text.
    pub fn set_clipboard(&mut self, clipboard: bool) {
        self.clipboard = clipboard;
    }

    /// What the terminal's clipboard is to take.
    pub fn take_copied(&mut self) -> Option<String> {
        self.copied.take()
    }

    /// Goes to the next place that holds what is sought.
    fn find(&mut self, forward: bool) {
        if self.sought.is_empty() {
            self.say("Nothing is sought yet; / asks for a text.");
            return;
        }
        let scroll = self.scroll().map_or_else(Scroll::default, |scroll| *scroll);
        let from = match (self.found, forward) {
            (Some(found), true) => found + 1,
            (Some(found), false) => found + scroll.total.saturating_sub(1),
            (None, _) => scroll.top,
        };
        let found = if self.shown.pane == InspectPane::Scripts {
            let pages = self.pages.as_ref();
            pages.and_then(|pages| pages.find(&self.shown.runbook, &self.sought, from, forward))
        } else {
            let needle = self.sought.to_lowercase();
            let all = self.texts.len();
            (0..all)
                .map(|step| (from + if forward { step } else { all - step }) % all)
                .find(|index| {
                    let text = self.texts.get(*index);
                    text.is_some_and(|text| text.to_lowercase().contains(&needle))
                })
        };
        self.found = found;
        match (found, self.scroll()) {
            (Some(row), Some(scroll)) => {
                let last = scroll.total.saturating_sub(scroll.height);
                if row < scroll.top || row >= scroll.top + scroll.height {
                    scroll.top = row.saturating_sub(2).min(last);
                }
            }
            _ => {
                let sought = self.shown.look.clean(&self.sought);
                self.say(format!("Not found: {sought}"));
            }
        }
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
        put(
            buffer,
            rows(area, 0, 3),
            &view::header(&self.shown, &scene, columns),
        );
        let keys = footer::draw_footer(&scene, self.place(), true, columns);
        put(buffer, rows(area, area.height.saturating_sub(2), 2), &keys);
        let toast = self.toast_lines(&scene, columns);
        let said = u16::try_from(toast.len()).unwrap_or(1).max(1);
        let below = area.height.saturating_sub(2 + said);
        put(buffer, rows(area, below, said), &toast);
        let body = rows(area, 3, area.height.saturating_sub(5 + said));
        if self.help {
            let sheet = Sheet::of(view::help(&scene, columns));
            draw_sheet(buffer, body, &scene, &sheet, &mut self.help_scroll);
        } else if self.shown.pane == InspectPane::Scripts {
            self.draw_script(buffer, body, &scene);
        } else {
            self.draw_pane(buffer, body, &scene);
        }
        if let Some(question) = &self.question {
            let columns = usize::from(body.width.saturating_sub(2).min(86));
            let lines = prompt::secret(&scene, question, &self.typed, columns);
            draw_box(buffer, body, &lines);
        } else if self.typing {
            draw_find(buffer, body, &scene, &self.typed);
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

    fn toast_lines(&self, scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
        let text = match (&self.toast, &self.shown.blind) {
            (Some(toast), _) => toast.clone(),
            (None, Some(why)) => format!("Cannot look: {why}. It goes on trying; p tries now."),
            (None, None) => return Vec::new(),
        };
        wrap(&self.shown.look.clean(&text), columns.saturating_sub(2))
            .into_iter()
            .take(3)
            .map(|part| scene.line(format!(" {part}"), self.shown.look.warn()))
            .collect()
    }

    fn draw_pane(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let mut sheet = view::sheet(&self.shown, scene, usize::from(body.width));
        self.texts = sheet.lines.iter().map(Line::to_string).collect();
        if let Some(line) = self.found.and_then(|found| sheet.lines.get_mut(found)) {
            *line = std::mem::take(line).patch_style(self.shown.look.here());
        }
        if let Some(scroll) = self.scroll() {
            draw_sheet(buffer, body, scene, &sheet, scroll);
        }
    }

    fn draw_script(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let columns = usize::from(body.width);
        let tabs = reader::documents(&self.shown.runbook);
        let document = tabs.get(self.tab).copied().unwrap_or(Document::Script);
        let area = rows(body, 2, body.height.saturating_sub(2));
        if !self
            .pages
            .as_ref()
            .is_some_and(|pages| pages.fits(document, (columns, true)))
        {
            let layout = (columns, true);
            self.pages = Some(DocumentPages::new(
                &self.shown.runbook,
                self.shown.look,
                document,
                layout,
            ));
        }
        let (Some(pages), Some(scroll)) = (&self.pages, self.documents.get_mut(self.tab)) else {
            return;
        };
        scroll.settle(pages.len(), usize::from(area.height), None);
        let lines = pages.lines(scene, scroll.shown(), 0, self.found);
        put(buffer, area, &lines);
        more(buffer, area, scene, scroll);
        let position = pages.position((scene.look, scene.runbook), scroll.shown(), self.found);
        let tabs = reader::tabs(scene, (self.tab, None), &position, columns);
        put(buffer, rows(body, 0, 2), &tabs);
    }
}

fn draw_find(buffer: &mut Buffer, body: Rect, scene: &Scene<'_>, typed: &TextField) {
    let columns = usize::from(body.width.saturating_sub(2).min(86));
    let inside = vec![prompt::field(scene, typed, columns.saturating_sub(4))];
    let lines = prompt::boxed(scene, "FIND", scene.look.key(), inside, columns);
    draw_box(buffer, body, &lines);
}
