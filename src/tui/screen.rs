//! What a person is looking at: cursor, panes, scroll positions, typed text, the line that says.
//!
//! It turns keys into events for the gate and never decides itself whether one is open: it sends
//! the command, and the machine's refusal comes back as words. Only two things it refuses on its
//! own, both on the side of safety: COMMIT on a screen too small to show the gate, and pasted text.

use super::keymap::{self, Does, Place, ViewAct};
use super::reader::{self, Pages};
use super::theme::{Appearance, Glyphs};
use super::view::{self, Pane, Scene, Sheet};
use crate::gate::event::{Document, Standing};
use crate::gate::machine::Machine;
use crate::gate::phase::{Ending, Phase, Prompt};
use crate::gate::{Account, Act, Command, Event};
use crate::runbook::Runbook;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The size that a small screen is told to take.
pub const NEEDS: (u16, u16) = (80, 24);
/// The size from which everything is shown: a row less, because tmux takes one of 24 for itself.
pub const LEAST: (u16, u16) = (80, 23);
/// From this width on the locks stand beside the statements.
const STREAM_AND_LOCKS: u16 = 118;
/// With this many rows left beside the gate, the locks are shown there as well.
const LOCKS_FIT: u16 = 10;
/// The longest text that a prompt takes, in characters: far more than a name (63 bytes) needs.
const LONGEST: usize = 200;

/// What covers the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Scripts,
    Locks,
    Messages,
    Help,
    Evidence,
}

/// A text that is being typed for the screen itself; the name for COMMIT is the machine's prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typing {
    Reference { item: usize },
    Find,
}

/// How far something is scrolled.
#[derive(Debug, Clone, Copy, Default)]
struct Scroll {
    top: usize,
    height: usize,
    total: usize,
    /// A person moved it; what it follows no longer moves it.
    moved: bool,
}

impl Scroll {
    fn act(&mut self, act: ViewAct) {
        let page = self.height.saturating_sub(1).max(1);
        let last = self.total.saturating_sub(self.height);
        self.moved = true;
        self.top = match act {
            ViewAct::Up => self.top.saturating_sub(1),
            ViewAct::Down => self.top + 1,
            ViewAct::PageUp => self.top.saturating_sub(page),
            ViewAct::PageDown => self.top + page,
            ViewAct::First => 0,
            ViewAct::Last => {
                self.moved = false;
                last
            }
            _ => self.top,
        }
        .min(last);
    }

    /// Fits it to what there is to show, following `follow` unless a person moved it.
    fn settle(&mut self, total: usize, height: usize, follow: Option<usize>) {
        self.total = total;
        self.height = height;
        if let (Some(line), false) = (follow, self.moved) {
            // A few lines of what comes next stay in sight.
            let ahead = 4.min(height / 3);
            self.top = (line + ahead + 1).saturating_sub(height);
        }
        self.top = self.top.min(total.saturating_sub(height));
    }

    fn at_end(&self) -> bool {
        self.height > 0 && self.top + self.height >= self.total
    }
}

/// The screen of one run.
pub struct Screen {
    runbook: Arc<Runbook>,
    look: Appearance,
    journal: Option<String>,
    size: (u16, u16),
    cursor: usize,
    pane: usize,
    scroll: Scroll,
    evidence: Scroll,
    cover: Option<Cover>,
    cover_scroll: Scroll,
    /// The open document's tab, and how far each is scrolled.
    tab: usize,
    documents: Vec<Scroll>,
    pages: Option<Pages>,
    cover_text: Vec<String>,
    typing: Option<Typing>,
    typed: String,
    sought: String,
    found: Option<usize>,
    toast: Option<String>,
    events: Vec<Event>,
    read: BTreeSet<Document>,
    phase: Option<std::mem::Discriminant<Phase>>,
    prompt: Prompt,
    repaint: bool,
}

impl Screen {
    /// A screen for a run of `runbook`.
    pub fn new(runbook: Arc<Runbook>, appearance: Appearance) -> Screen {
        let documents = vec![Scroll::default(); reader::documents(&runbook).len()];
        Screen {
            runbook,
            look: appearance,
            journal: None,
            size: (0, 0),
            cursor: 0,
            pane: 0,
            scroll: Scroll::default(),
            evidence: Scroll::default(),
            cover: None,
            cover_scroll: Scroll::default(),
            tab: 0,
            documents,
            pages: None,
            cover_text: Vec::new(),
            typing: None,
            typed: String::new(),
            sought: String::new(),
            found: None,
            toast: None,
            events: Vec::new(),
            read: BTreeSet::new(),
            phase: None,
            prompt: Prompt::Closed,
            repaint: false,
        }
    }

    /// Tells it where the journal is, for the end screen.
    pub fn set_journal(&mut self, path: &Path) {
        self.journal = Some(path.display().to_string());
    }

    /// Changes how everything looks.
    pub fn set_appearance(&mut self, appearance: Appearance) {
        if self.look != appearance {
            self.look = appearance;
            self.pages = None;
        }
    }

    /// Says `text` in the line above the keys, until the next key.
    pub fn say(&mut self, text: String) {
        self.toast = Some(text);
    }

    /// What was noticed while drawing, such as a document that was read to its end.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether a person asked for the whole screen to be drawn anew.
    pub fn take_repaint(&mut self) -> bool {
        std::mem::take(&mut self.repaint)
    }

    /// Whether a clock, a countdown or a spinner is on screen, so that time alone changes it.
    pub fn wants_animation(&self, machine: &Machine) -> bool {
        match machine.phase() {
            Phase::Checklist => machine
                .items()
                .iter()
                .any(|item| item.standing == Standing::Awaited),
            Phase::Connecting
            | Phase::Beginning
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Committing
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. } => true,
            Phase::Ended(_) | Phase::Left(_) => false,
        }
    }

    // ---- input ------------------------------------------------------------------------------

    /// A key. What only changes the view returns nothing.
    pub fn key(&mut self, key: KeyEvent, machine: &Machine, account: &Account) -> Vec<Event> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        self.settle(machine);
        let held_down = key.kind == KeyEventKind::Repeat;
        self.toast = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if held_down {
                Vec::new()
            } else {
                self.control(key.code, machine)
            };
        }
        if key
            .modifiers
            .intersects(KeyModifiers::ALT | KeyModifiers::META | KeyModifiers::SUPER)
        {
            return Vec::new();
        }
        let place = self.place(machine);
        if let (Place::Name | Place::Text, KeyCode::Char(c)) = (place, key.code) {
            return if held_down {
                Vec::new()
            } else {
                self.typed_character(c, place)
            };
        }
        match keymap::lookup(place, key.code) {
            Some(binding) => match binding.does {
                Does::Gate(_) if held_down => Vec::new(),
                Does::Gate(act) => self.ask(act, machine),
                Does::View(act) => self.look_at(act, machine, account),
            },
            None => self.nothing_here(key.code, place, held_down),
        }
    }

    /// Pasted text. It never acts; only a prompt for free text takes it in.
    pub fn paste(&mut self, text: &str, machine: &Machine) -> Vec<Event> {
        self.settle(machine);
        match self.place(machine) {
            Place::Text => {
                let room = LONGEST.saturating_sub(self.typed.chars().count());
                let taken = text.chars().filter(|c| !c.is_control()).take(room);
                self.typed.extend(taken);
                self.edited()
            }
            Place::Name => {
                self.say("Pasted text was refused: the name for COMMIT is typed by hand.".into());
                Vec::new()
            }
            _ => {
                self.say("Pasted text was refused: it never acts here. Press the keys.".into());
                Vec::new()
            }
        }
    }

    /// Keys that came faster than a person types: they were refused by the input's reader.
    pub fn burst(&mut self) {
        self.typed.clear();
        self.say(
            "Keys came faster than a person types, as a paste does: they were refused.".into(),
        );
    }

    fn place(&self, machine: &Machine) -> Place {
        let phase = Place::of(machine);
        match (phase, self.typing, self.cover) {
            (Place::Name | Place::Question, _, _) => phase,
            (_, Some(_), _) => Place::Text,
            (_, None, Some(_)) => Place::Reader,
            (_, None, None) => phase,
        }
    }

    fn cramped(&self) -> bool {
        self.size.0 < LEAST.0 || self.size.1 < LEAST.1
    }

    /// What follows from a change of phase or prompt, before anything else is done.
    fn settle(&mut self, machine: &Machine) {
        let phase = std::mem::discriminant(machine.phase());
        if self.phase.is_some_and(|before| before != phase) {
            self.pane = 0;
            self.scroll = Scroll::default();
            self.typing = None;
            self.typed.clear();
            // What there is to decide or to know is never left behind something else.
            let news = matches!(
                machine.phase(),
                Phase::Deciding { .. }
                    | Phase::MustRollBack { .. }
                    | Phase::RollingBack { .. }
                    | Phase::Inquiring { .. }
                    | Phase::Ended(_)
            );
            if news {
                self.cover = None;
            }
        }
        self.phase = Some(phase);
        let prompt = match machine.phase() {
            Phase::Deciding { prompt, .. } => *prompt,
            Phase::MustRollBack { asking: true, .. } => Prompt::RollBack,
            _ => Prompt::Closed,
        };
        if prompt != self.prompt {
            self.typed.clear();
            self.typing = None;
            if prompt != Prompt::Closed {
                self.cover = None;
            }
        }
        self.prompt = prompt;
        self.cursor = self.cursor.min(machine.items().len().saturating_sub(1));
    }

    fn control(&mut self, code: KeyCode, machine: &Machine) -> Vec<Event> {
        match code {
            KeyCode::Char('c') => vec![Event::Asked(Command::Quit)],
            KeyCode::Char('z') => {
                self.say(if machine.phase().transaction_open() {
                    "Suspending is refused: the transaction would stay open with nobody watching."
                        .into()
                } else {
                    "Suspending is refused: open another window instead.".into()
                });
                Vec::new()
            }
            KeyCode::Char('l') => {
                self.repaint = true;
                Vec::new()
            }
            KeyCode::Char('u') => {
                self.typed.clear();
                self.edited()
            }
            _ => Vec::new(),
        }
    }

    /// The typed text changed: what the gate's frame showed is no longer what is there (I5).
    fn edited(&self) -> Vec<Event> {
        match self.typing {
            Some(Typing::Find) => Vec::new(),
            Some(Typing::Reference { .. }) => vec![Event::Edited],
            None if self.prompt == Prompt::Name => vec![Event::Edited],
            None => Vec::new(),
        }
    }

    fn typed_character(&mut self, c: char, place: Place) -> Vec<Event> {
        if self.cramped() && place == Place::Name {
            self.say(too_small("COMMIT", self.look));
            return Vec::new();
        }
        if self.typed.chars().count() < LONGEST {
            self.typed.push(c);
        }
        self.edited()
    }

    fn nothing_here(&mut self, code: KeyCode, place: Place, held_down: bool) -> Vec<Event> {
        match place {
            // In a prompt a stray key changes nothing.
            Place::Name | Place::Text => return Vec::new(),
            Place::Reader => {
                self.say("That key does nothing in this pane; Esc closes it.".into());
                return Vec::new();
            }
            _ => {}
        }
        if held_down || code == KeyCode::Esc {
            return Vec::new();
        }
        match keymap::elsewhere(code).map(|binding| binding.does) {
            // The machine says why not, in its own words.
            Some(Does::Gate(act)) => match plain_command(act, self.cursor) {
                Some(command) => vec![Event::Asked(command)],
                None => Vec::new(),
            },
            Some(Does::View(_)) => Vec::new(),
            None => {
                self.say("That key does nothing; ? shows the keys.".into());
                Vec::new()
            }
        }
    }

    /// Asks the gate for `act`.
    fn ask(&mut self, act: Act, machine: &Machine) -> Vec<Event> {
        if self.cramped() && view::footer::NEEDS_ROOM.contains(&act) {
            let what = match act {
                Act::AskCommit | Act::NameTyped => "COMMIT",
                _ => "That",
            };
            self.say(too_small(what, self.look));
            return Vec::new();
        }
        let offered = machine.offers().iter().any(|offer| offer.act == act);
        match act {
            Act::NameTyped => {
                // Whatever becomes of it, the next name is typed anew.
                let name = std::mem::take(&mut self.typed);
                vec![Event::Asked(Command::NameTyped(name)), Event::Edited]
            }
            Act::SignOff if offered && self.needs_reference(machine) => {
                self.typed.clear();
                self.typing = Some(Typing::Reference { item: self.cursor });
                vec![Event::Edited]
            }
            Act::AskRollback if offered => {
                self.cover = None;
                vec![Event::Asked(Command::AskRollback)]
            }
            act => plain_command(act, self.cursor)
                .map(Event::Asked)
                .into_iter()
                .collect(),
        }
    }

    /// Whether signing the item under the cursor needs nothing more than its reference.
    fn needs_reference(&self, machine: &Machine) -> bool {
        let plan = machine.plan().items.get(self.cursor);
        let item = machine.items().get(self.cursor);
        plan.is_some_and(|needed| needed.reference)
            && item.is_some_and(|item| {
                !item.signed
                    && item.unread.is_empty()
                    && matches!(item.standing, Standing::Holds | Standing::Warns)
            })
    }

    fn look_at(&mut self, act: ViewAct, machine: &Machine, _account: &Account) -> Vec<Event> {
        match act {
            ViewAct::Scripts => self.toggle(Cover::Scripts),
            ViewAct::Locks => self.toggle(Cover::Locks),
            ViewAct::Messages => self.toggle(Cover::Messages),
            ViewAct::Help => self.toggle(Cover::Help),
            ViewAct::Repaint => self.repaint = true,
            ViewAct::Detail => match machine.phase() {
                Phase::Checklist => self.toggle(Cover::Evidence),
                _ => {
                    let panes = Pane::of(machine).len();
                    self.pane = usize::from(self.pane == 0 && panes > 1);
                    self.scroll = Scroll::default();
                }
            },
            ViewAct::NextPane | ViewAct::PreviousPane => self.turn(act, machine),
            ViewAct::Close => {
                if self.typing.take().is_some() {
                    self.typed.clear();
                } else {
                    self.cover = None;
                }
            }
            ViewAct::Accept => return self.accept(),
            ViewAct::Erase => {
                self.typed.pop();
                return self.edited();
            }
            ViewAct::EraseAll => {
                self.typed.clear();
                return self.edited();
            }
            ViewAct::Find => {
                self.typed.clear();
                self.typing = Some(Typing::Find);
            }
            ViewAct::FindNext => self.find(true),
            ViewAct::FindPrevious => self.find(false),
            ViewAct::Up
            | ViewAct::Down
            | ViewAct::PageUp
            | ViewAct::PageDown
            | ViewAct::First
            | ViewAct::Last => self.move_by(act, machine),
        }
        Vec::new()
    }

    fn toggle(&mut self, cover: Cover) {
        self.cover = (self.cover != Some(cover)).then_some(cover);
        self.cover_scroll = Scroll::default();
        self.found = None;
    }

    fn turn(&mut self, act: ViewAct, machine: &Machine) {
        let forward = act == ViewAct::NextPane;
        let (slot, all) = match self.cover {
            Some(Cover::Scripts) => (&mut self.tab, self.documents.len()),
            Some(_) => return,
            None => (&mut self.pane, Pane::of(machine).len()),
        };
        if all == 0 {
            return;
        }
        *slot = if forward {
            (*slot + 1) % all
        } else {
            (*slot + all - 1) % all
        };
        self.found = None;
        if self.cover.is_none() {
            self.scroll = Scroll::default();
        }
    }

    fn move_by(&mut self, act: ViewAct, machine: &Machine) {
        match (self.cover, machine.phase()) {
            (Some(Cover::Scripts), _) => {
                if let Some(scroll) = self.documents.get_mut(self.tab) {
                    scroll.act(act);
                }
            }
            (Some(_), _) => self.cover_scroll.act(act),
            (None, Phase::Checklist) => {
                let last = machine.items().len().saturating_sub(1);
                let before = self.cursor;
                match act {
                    ViewAct::Up => self.cursor = self.cursor.saturating_sub(1),
                    ViewAct::Down => self.cursor = (self.cursor + 1).min(last),
                    ViewAct::First => self.cursor = 0,
                    ViewAct::Last => self.cursor = last,
                    _ => self.evidence.act(act),
                }
                if self.cursor != before {
                    self.evidence = Scroll::default();
                }
            }
            (None, _) => self.scroll.act(act),
        }
    }

    fn accept(&mut self) -> Vec<Event> {
        match self.typing {
            Some(Typing::Reference { item }) => {
                let text = self.typed.trim().to_owned();
                if !text.is_empty() {
                    self.typing = None;
                    self.typed.clear();
                }
                vec![Event::Asked(Command::SignOff {
                    item,
                    note: Some(text),
                })]
            }
            Some(Typing::Find) => {
                self.typing = None;
                self.sought = std::mem::take(&mut self.typed);
                self.found = None;
                self.find(true);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Goes to the next place that holds what is sought.
    fn find(&mut self, forward: bool) {
        if self.sought.is_empty() {
            self.say("Nothing is sought yet; / asks for a text.".into());
            return;
        }
        let scripts = self.cover == Some(Cover::Scripts);
        let scroll = if scripts {
            self.documents.get(self.tab).copied().unwrap_or_default()
        } else {
            self.cover_scroll
        };
        let from = match (self.found, forward) {
            (Some(found), true) => found + 1,
            (Some(found), false) => found + scroll.total.saturating_sub(1),
            (None, _) => scroll.top,
        };
        let found = if scripts {
            self.pages
                .as_ref()
                .and_then(|pages| pages.find(&self.runbook, &self.sought, from, forward))
        } else {
            let needle = self.sought.to_lowercase();
            let all = self.cover_text.len();
            (0..all)
                .map(|step| (from + if forward { step } else { all - step }) % all)
                .find(|index| {
                    self.cover_text
                        .get(*index)
                        .is_some_and(|text| text.to_lowercase().contains(&needle))
                })
        };
        self.found = found;
        match found {
            Some(row) => {
                let slot = if scripts {
                    self.documents.get_mut(self.tab)
                } else {
                    Some(&mut self.cover_scroll)
                };
                if let Some(scroll) = slot {
                    let last = scroll.total.saturating_sub(scroll.height);
                    if row < scroll.top || row >= scroll.top + scroll.height {
                        scroll.top = row.saturating_sub(2).min(last);
                    }
                }
            }
            None => {
                let sought = self.look.clean(&self.sought);
                self.say(format!("Not found: {sought}"));
            }
        }
    }

    // ---- drawing ----------------------------------------------------------------------------

    /// Draws the present state.
    pub fn draw(&mut self, frame: &mut Frame<'_>, machine: &Machine, account: &Account) {
        self.settle(machine);
        let area = frame.area();
        self.size = (area.width, area.height);
        let runbook = Arc::clone(&self.runbook);
        let journal = self.journal.clone();
        let scene = Scene {
            look: self.look,
            runbook: &runbook,
            machine,
            account,
            cursor: self.cursor,
            journal: journal.as_deref(),
        };
        let buffer = frame.buffer_mut();
        if self.cramped() {
            let toast = self.toast.as_ref().map(|text| self.look.clean(text));
            let lines = view::cramped::lines(
                &scene,
                self.place(machine),
                NEEDS,
                self.size,
                toast.as_deref(),
            );
            put(buffer, area, &lines);
        } else {
            self.draw_whole(buffer, area, &scene);
        }
        guard(buffer, self.look.glyphs);
    }

    fn draw_whole(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>) {
        let columns = usize::from(area.width);
        let head = view::header::lines(scene, columns);
        put(buffer, rows(area, 0, 3), &head);

        let place = self.place(scene.machine);
        let panes = match self.cover {
            Some(Cover::Scripts) => self.documents.len() > 1,
            Some(_) => false,
            None => Pane::of(scene.machine).len() > 1,
        };
        let keys = view::footer::lines(scene, place, panes, columns);
        put(buffer, rows(area, area.height.saturating_sub(2), 2), &keys);

        let toast = self.toast_lines(scene, columns);
        let said = u16::try_from(toast.len()).unwrap_or(1).max(1);
        put(
            buffer,
            rows(area, area.height.saturating_sub(2 + said), said),
            &toast,
        );

        let body = rows(area, 3, area.height.saturating_sub(5 + said));
        match self.cover {
            Some(cover) => self.draw_cover(buffer, body, scene, cover),
            None => self.draw_panes(buffer, body, scene),
        }
        self.draw_prompt(buffer, body, scene);
    }

    fn toast_lines(&self, scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
        let Some(toast) = &self.toast else {
            return Vec::new();
        };
        let text = self.look.clean(toast);
        super::text::wrap(&text, columns.saturating_sub(2))
            .into_iter()
            .take(3)
            .map(|part| scene.line(format!(" {part}"), self.look.warn()))
            .collect()
    }

    fn draw_panes(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let panes = Pane::of(scene.machine);
        let pane = panes.get(self.pane).or(panes.first()).copied();
        let Some(pane) = pane else { return };
        let body = if panes.len() > 1 {
            let tabs = pane_tabs(scene, panes, pane, usize::from(body.width));
            put(buffer, rows(body, 0, 1), &[tabs]);
            rows(body, 1, body.height.saturating_sub(1))
        } else {
            body
        };
        if pane == Pane::Checklist {
            self.draw_checklist(buffer, body, scene);
            return;
        }
        let beside = match pane {
            Pane::Gate => Some(Pane::Checks),
            Pane::MustRollBack => Some(Pane::Stream),
            _ => None,
        };
        let wide = body.width >= view::TWO_COLUMNS;
        match beside {
            Some(beside) if wide => {
                let (left, right) = split(body, body.width / 2);
                self.draw_pane(buffer, left, scene, pane);
                let used = draw_aside(buffer, right, scene, beside) + 1;
                let below = rows(right, used, right.height.saturating_sub(used));
                if pane == Pane::Gate && below.height >= LOCKS_FIT {
                    let columns = usize::from(below.width);
                    let sheet = Sheet::of(view::locks::lines(scene, columns));
                    draw_sheet(buffer, below, scene, &sheet, &mut Scroll::default());
                }
                upright(buffer, body, left.width + 1, scene);
            }
            Some(beside) if body.height >= view::TWO_ROWS => {
                let sheet = sheet_of(scene, pane, body);
                let all = sheet.head.len() + sheet.lines.len() + sheet.pinned.len();
                let upper = u16::try_from(all)
                    .unwrap_or(u16::MAX)
                    .min(body.height * 2 / 3);
                draw_sheet(
                    buffer,
                    rows(body, 0, upper),
                    scene,
                    &sheet,
                    &mut self.scroll,
                );
                let title = scene.heading("", usize::from(body.width).saturating_sub(1));
                put(buffer, rows(body, upper + 1, 1), &[title]);
                let lower = rows(body, upper + 2, body.height.saturating_sub(upper + 2));
                draw_aside(buffer, lower, scene, beside);
            }
            None if pane == Pane::Stream
                && body.width >= STREAM_AND_LOCKS
                && scene.machine.phase().transaction_open() =>
            {
                let (left, right) = split(body, (body.width * 3 / 5).max(82));
                self.draw_pane(buffer, left, scene, pane);
                let columns = usize::from(right.width);
                let sheet = Sheet::of(view::locks::lines(scene, columns));
                draw_sheet(buffer, right, scene, &sheet, &mut Scroll::default());
                upright(buffer, body, left.width + 1, scene);
            }
            _ => self.draw_pane(buffer, body, scene, pane),
        }
    }

    fn draw_pane(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, pane: Pane) {
        let sheet = sheet_of(scene, pane, area);
        draw_sheet(buffer, area, scene, &sheet, &mut self.scroll);
    }

    fn draw_checklist(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let wide = body.width >= view::TWO_COLUMNS;
        let (left, right) = if wide {
            split(body, body.width / 2)
        } else {
            let list = view::checklist::list(scene, usize::from(body.width)).len() + 1;
            let list = u16::try_from(list)
                .unwrap_or(u16::MAX)
                .min(body.height * 2 / 3);
            (
                rows(body, 0, list),
                rows(body, list, body.height.saturating_sub(list)),
            )
        };
        let list = view::checklist::list(scene, usize::from(left.width));
        let mut scroll = Scroll::default();
        // Two lines of title, then at least one a item: enough to keep the cursor in sight.
        let follow = (list.len() > usize::from(left.height)).then_some(2 + self.cursor * 2);
        scroll.settle(list.len(), usize::from(left.height), follow);
        let shown: Vec<Line<'static>> = list.into_iter().skip(scroll.top).collect();
        put(buffer, left, &shown);
        let evidence = view::checklist::evidence(
            scene,
            self.cursor,
            usize::from(right.width),
            usize::from(right.height),
        );
        let sheet = Sheet::of(evidence);
        draw_sheet(buffer, right, scene, &sheet, &mut self.evidence);
        if wide {
            upright(buffer, body, left.width + 1, scene);
        }
    }

    fn draw_cover(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>, cover: Cover) {
        let columns = usize::from(body.width);
        let below = rows(body, 1, body.height.saturating_sub(1));
        let (title, lines) = match cover {
            Cover::Scripts => {
                self.draw_scripts(buffer, body, scene);
                return;
            }
            Cover::Locks => ("LOCKS", view::locks::lines(scene, columns)),
            Cover::Messages => ("MESSAGES", view::messages::lines(scene, columns)),
            Cover::Help => ("KEYS", view::help::lines(scene, columns)),
            Cover::Evidence => (
                "EVIDENCE",
                view::checklist::evidence(scene, self.cursor, columns, usize::from(below.height)),
            ),
        };
        put(
            buffer,
            rows(body, 0, 1),
            &[scene.line(format!(" {title}"), self.look.strong())],
        );
        self.cover_text = lines.iter().map(Line::to_string).collect();
        let mut sheet = Sheet::of(lines);
        if let Some(line) = self.found.and_then(|found| sheet.lines.get_mut(found)) {
            *line = std::mem::take(line).patch_style(self.look.here());
        }
        draw_sheet(buffer, below, scene, &sheet, &mut self.cover_scroll);
    }

    fn draw_scripts(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let columns = usize::from(body.width);
        let tabs = reader::tabs(scene, self.tab, columns);
        put(buffer, rows(body, 0, 2), &tabs);
        let below = rows(body, 2, body.height.saturating_sub(2));
        let Some(document) = reader::documents(scene.runbook).get(self.tab).copied() else {
            return;
        };
        let fresh = match self.pages.take() {
            Some(pages) if pages.fits(document, columns) => pages,
            Some(_) | None => Pages::new(scene.runbook, self.look, document, columns),
        };
        let pages = self.pages.insert(fresh);
        let Some(scroll) = self.documents.get_mut(self.tab) else {
            return;
        };
        scroll.settle(pages.len(), usize::from(below.height), None);
        let range = scroll.top..scroll.top + scroll.height;
        put(buffer, below, &pages.lines(scene, range, self.found));
        more(buffer, below, scene, scroll);
        if scroll.at_end() && self.read.insert(document) {
            self.events.push(Event::ReadToEnd(document));
        }
    }

    fn draw_prompt(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let columns = usize::from(body.width.saturating_sub(2).min(86));
        let inner = columns.saturating_sub(4);
        let (title, style, inside) = match (self.prompt, self.typing) {
            (Prompt::Name, _) => (
                "COMMIT",
                self.look.warn(),
                view::prompt::name(scene, &self.typed, inner),
            ),
            (Prompt::RollBack, _) => (
                "ROLLBACK?",
                self.look.warn(),
                view::prompt::roll_back(scene, inner),
            ),
            (Prompt::Closed, Some(Typing::Reference { item })) => (
                "REFERENCE",
                self.look.key(),
                view::prompt::reference(scene, item, &self.typed, inner),
            ),
            (Prompt::Closed, Some(Typing::Find)) => (
                "FIND",
                self.look.key(),
                vec![view::prompt::field(scene, &self.typed, inner)],
            ),
            (Prompt::Closed, None) => return,
        };
        let lines = view::prompt::boxed(scene, title, style, inside, columns);
        let height = u16::try_from(lines.len())
            .unwrap_or(u16::MAX)
            .min(body.height);
        let area = Rect {
            x: body.x + 1,
            y: body.bottom().saturating_sub(height),
            width: body.width.saturating_sub(2).min(86),
            height,
        };
        put(buffer, area, &lines);
    }
}

/// The command of an act that needs nothing typed.
fn plain_command(act: Act, item: usize) -> Option<Command> {
    match act {
        Act::SignOff => Some(Command::SignOff { item, note: None }),
        Act::Withdraw => Some(Command::Withdraw { item }),
        Act::ProbeAgain => Some(Command::ProbeAgain),
        Act::Apply => Some(Command::Apply),
        Act::Cancel => Some(Command::Cancel),
        Act::AskCommit => Some(Command::AskCommit),
        Act::NameTyped => None,
        Act::AskRollback => Some(Command::AskRollback),
        Act::ConfirmRollback => Some(Command::ConfirmRollback),
        Act::StepBack => Some(Command::StepBack),
        Act::Extend => Some(Command::Extend),
        Act::Again => Some(Command::Again),
        Act::EndBackend => Some(Command::EndBackend),
        Act::AskAgain => Some(Command::AskAgain),
        Act::Quit => Some(Command::Quit),
    }
}

fn too_small(what: &str, look: Appearance) -> String {
    format!(
        "{what} needs a screen of {}{}{}: enlarge the window. Nothing was sent.",
        NEEDS.0,
        look.glyphs.times(),
        NEEDS.1
    )
}

fn sheet_of(scene: &Scene<'_>, pane: Pane, area: Rect) -> Sheet {
    let columns = usize::from(area.width);
    match pane {
        Pane::Proving => view::proving::sheet(scene, columns),
        Pane::Checklist => Sheet::of(view::checklist::list(scene, columns)),
        Pane::Stream => view::stream::sheet(scene, columns),
        Pane::Checks => view::checks::sheet(scene, columns, usize::from(area.height)),
        Pane::Gate => view::gate::sheet(scene, columns),
        Pane::MustRollBack => view::must_roll_back::sheet(scene, columns),
        Pane::Ending => view::ending::sheet(scene, columns),
        Pane::Post => view::checks::post(scene, columns),
    }
}

/// A pane beside the one that is open: it shows what fits. Returns how many rows it took.
fn draw_aside(buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, pane: Pane) -> u16 {
    let sheet = sheet_of(scene, pane, area);
    draw_sheet(buffer, area, scene, &sheet, &mut Scroll::default());
    let used = sheet.head.len() + sheet.lines.len() + sheet.pinned.len();
    u16::try_from(used).unwrap_or(u16::MAX).min(area.height)
}

/// The names of the panes; the open one is marked.
fn pane_tabs(scene: &Scene<'_>, panes: &[Pane], open: Pane, columns: usize) -> Line<'static> {
    use ratatui::style::Styled;
    use ratatui::text::Span;
    let look = scene.look;
    let mut spans = Vec::new();
    for pane in panes {
        let name = match (pane, scene.machine.phase()) {
            (Pane::Ending, Phase::Ended(Ending::NotConnected)) => "why",
            (pane, _) => pane.name(),
        };
        spans.push(Span::raw(" "));
        if *pane == open {
            spans.push(format!("[{name}]").set_style(look.strong()));
        } else {
            spans.push(format!(" {name} ").set_style(look.dim()));
        }
    }
    let line = Line::from(spans);
    if line.width() <= columns {
        line
    } else {
        Line::default()
    }
}

fn draw_sheet(
    buffer: &mut Buffer,
    area: Rect,
    scene: &Scene<'_>,
    sheet: &Sheet,
    scroll: &mut Scroll,
) {
    let head = u16::try_from(sheet.head.len()).unwrap_or(u16::MAX);
    put(buffer, rows(area, 0, head), &sheet.head);
    let area = rows(area, head, area.height.saturating_sub(head));
    let pinned = u16::try_from(sheet.pinned.len())
        .unwrap_or(u16::MAX)
        .min(area.height / 2);
    let upper = rows(area, 0, area.height.saturating_sub(pinned));
    scroll.settle(sheet.lines.len(), usize::from(upper.height), sheet.follow);
    let end = (scroll.top + scroll.height).min(sheet.lines.len());
    if let Some(shown) = sheet.lines.get(scroll.top..end) {
        put(buffer, upper, shown);
    }
    more(buffer, upper, scene, scroll);
    // What is pinned stands right below the rest where there is room, so that the eye need not jump.
    let y = u16::try_from(end.saturating_sub(scroll.top))
        .unwrap_or(u16::MAX)
        .min(upper.height);
    put(buffer, rows(area, y, area.height - y), &sheet.pinned);
}

/// Says at the right edge that there is more above or below.
fn more(buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, scroll: &Scroll) {
    let look = scene.look;
    let (below, above) = look.glyphs.more();
    let hidden = scroll.total.saturating_sub(scroll.top + scroll.height);
    for (number, sign, y) in [
        (scroll.top, above, area.y),
        (hidden, below, area.bottom().saturating_sub(1)),
    ] {
        if number == 0 || area.height < 2 {
            continue;
        }
        let text = format!(" {sign} {number} more ");
        let wide = u16::try_from(super::text::width(&text)).unwrap_or(0);
        if wide < area.width {
            buffer.set_string(area.right() - wide, y, text, look.here());
        }
    }
}

fn upright(buffer: &mut Buffer, body: Rect, x: u16, scene: &Scene<'_>) {
    for y in body.top()..body.bottom() {
        buffer.set_string(body.x + x, y, scene.look.glyphs.upright(), scene.look.dim());
    }
}

/// `height` rows of `area` from its row `from` on.
fn rows(area: Rect, from: u16, height: u16) -> Rect {
    Rect {
        x: area.x,
        y: area.y.saturating_add(from),
        width: area.width,
        height,
    }
    .intersection(area)
}

/// Two columns, the left one `left` wide, with room for a line between them.
fn split(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.saturating_sub(2);
    (
        Rect {
            width: left,
            ..area
        },
        Rect {
            x: area.x + left + 3,
            width: area.width.saturating_sub(left + 3),
            ..area
        },
    )
}

fn put(buffer: &mut Buffer, area: Rect, lines: &[Line<'_>]) {
    let area = area.intersection(buffer.area);
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        // What lies below a box must not shine through.
        let blank = Rect {
            y,
            height: 1,
            ..area
        };
        for position in blank.positions() {
            if let Some(cell) = buffer.cell_mut(position) {
                cell.reset();
            }
        }
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// The last line of defence of I8: no cell holds a control character, and none a byte that a
/// terminal without UTF-8 could take for one.
fn guard(buffer: &mut Buffer, glyphs: Glyphs) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        let hostile =
            symbol.contains(char::is_control) || (glyphs == Glyphs::Ascii && !symbol.is_ascii());
        if hostile {
            cell.set_symbol("?");
        }
    }
}
