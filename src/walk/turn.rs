//! What a turn of the loop does with the one thing that it was woken by.
//!
//! Every change asks for a frame, a key is taken on the frame that it was typed at (I5), and a screen
//! that is lost, in whatever way, is told to the machine (I2).

use super::WalkWires;
use super::engine::{Engine, EngineRemark, HeldSession};
use crate::acts::name_keys;
use crate::asking::Challenge;
use crate::facts::{Alarm, Millis, Observation};
use crate::gate::Phase;
use crate::gate::event::{Body, Event, Report};
use crate::gate::machine::Face;
use crate::tui::editor::{EditedText, OpenEditor, TextEditor};
use crate::tui::input::{Input, What};
use crate::tui::screen::{Motion, Screen};
use crate::tui::showing::{STUCK, Showing};
use crate::tui::terminal::{Surface, Terminal};
use crossterm::event::KeyEvent;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::time::Instant;

/// The most reports that are taken before somebody else is heard.
const BATCH: usize = 64;
/// How often a screen with a spinner on it is drawn, if nothing else happens.
const SPIN: Duration = Duration::from_millis(250);

/// The loop between two wake-ups.
pub(super) struct Turn<'a, H, B: Surface> {
    pub(super) engine: &'a mut Engine<H>,
    pub(super) screen: &'a mut Screen,
    pub(super) terminal: &'a mut Terminal<B>,
    /// Whether the terminal may ring.
    bell: bool,
    showing: Showing<Face>,
    /// When the present state came on screen: keys older than this were typed ahead of it.
    face_since: Instant,
    /// A key that came while something else waited to be drawn.
    pending: Option<Input>,
    screen_lost: bool,
    /// The query that the editor is to be opened on, once no frame is under way.
    to_edit: Option<String>,
    pub(super) open: Option<OpenEditor>,
    /// When time was told last.
    told: Instant,
    /// What was left of the hold then.
    hold_left: Option<Millis>,
}

impl<'a, H: HeldSession, B: Surface> Turn<'a, H, B> {
    pub(super) fn new(
        engine: &'a mut Engine<H>,
        screen: &'a mut Screen,
        terminal: &'a mut Terminal<B>,
        bell: bool,
    ) -> Turn<'a, H, B> {
        Turn {
            engine,
            screen,
            terminal,
            bell,
            showing: Showing::new(),
            face_since: Instant::now(),
            pending: None,
            screen_lost: false,
            to_edit: None,
            open: None,
            told: Instant::now(),
            hold_left: None,
        }
    }

    pub(super) fn say_remarks(&mut self) {
        for remark in self.engine.take_said() {
            match remark {
                EngineRemark::Refused(refusal) => self.screen.refuse(refusal),
                EngineRemark::Said(text) => self.screen.say(text),
            }
            self.showing.change();
        }
    }

    /// When the next frame is to be drawn, if one is.
    pub(super) fn frame_is_due(&self) -> Option<Instant> {
        let due = self.showing.due(self.pending.is_some());
        due.filter(|_| !self.screen_lost && !self.is_with_editor())
    }

    /// The session waits for the frame that a key is taken on, as long as that can be expected.
    pub(super) fn hears_session(&self) -> bool {
        self.pending.is_none() || !self.showing.is_under_way() || self.showing.is_stuck()
    }

    pub(super) fn awaits_frame(&self) -> bool {
        self.showing.is_under_way() && !self.screen_lost
    }

    pub(super) fn takes_input(&self) -> bool {
        !self.screen_lost && (self.pending.is_none() || self.showing.is_stuck())
    }

    pub(super) fn take_event(&mut self, event: Event) {
        self.engine.take(event);
        self.showing.change();
    }

    pub(super) fn lose_screen(&mut self, alarm: Alarm) {
        self.screen_lost = true;
        self.take_alarm(alarm);
    }

    /// What is being read is put away first: it may be the end of the run.
    pub(super) fn take_alarm(&mut self, alarm: Alarm) {
        if let Some(left) = self.screen.stop_reading(self.engine.account()) {
            self.engine.take(left);
        }
        self.take_event(Event::Alarmed(alarm));
    }

    pub(super) fn take_tick(&mut self) {
        let now = Instant::now();
        let elapsed = now.duration_since(self.told);
        self.told = now;
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let before = self.engine.machine().phase().moving();
        let seconds = self.shown_seconds();
        self.engine.take(Event::Ticked { elapsed });
        self.ring_at_milestone();
        let stale = match self.screen.motion(self.engine.machine()) {
            Motion::Spins => {
                let drawn = self.showing.drawn_since(now);
                drawn.is_none_or(|since| since >= SPIN)
            }
            Motion::CountsSeconds => self.shown_seconds() != seconds,
            Motion::None => false,
        };
        if self.engine.machine().phase().moving() != before {
            self.showing.change();
        } else if stale {
            self.showing.count_on();
        }
        if matches!(self.engine.machine().phase(), Phase::Left(_)) {
            self.showing.rest();
        }
    }

    fn ring_at_milestone(&mut self) {
        let left = self.engine.machine().hold_left();
        let limit = self.engine.machine().plan().hold_limit;
        if self.bell && milestone(limit, self.hold_left, left) {
            // A terminal that cannot ring is no reason to stop.
            let _ = self.terminal.ring();
        }
        self.hold_left = left;
    }

    /// The clocks on a screen that only counts: how long it is held, how much is left of that, and
    /// how long what is reviewed can still be approved.
    fn shown_seconds(&self) -> [Option<Millis>; 3] {
        let machine = self.engine.machine();
        let left = |left: Option<Millis>| left.map(|left| left.div_ceil(1_000));
        [
            self.engine.account().held().map(|held| held / 1_000),
            left(machine.hold_left()),
            left(machine.approvable_for()),
        ]
    }

    pub(super) fn draw(&mut self) {
        let (machine, account) = (self.engine.machine(), self.engine.account());
        // A fault in drawing must not take the transaction's end with it (I2).
        let painted = catch_unwind(AssertUnwindSafe(|| {
            self.terminal
                .set_title(&self.screen.title(machine, account));
            (self.terminal).draw(|frame| self.screen.draw(frame, machine, account))
        }));
        self.showing.hand_over(machine.face());
        match painted {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.lose_screen(Alarm::HungUp),
            Err(_) => self.lose_screen(Alarm::PartDied("the screen")),
        }
    }

    /// The terminal has taken the last frame, or cannot be written to.
    pub(super) fn take_frame(&mut self, written: bool) {
        if self.showing.arrive(&self.engine.machine().face()) && written {
            if !self.engine.machine().is_shown() {
                self.face_since = Instant::now();
            }
            self.engine.take(Event::Drawn);
        }
        if !written {
            return self.lose_screen(Alarm::HungUp);
        }
        for event in self.screen.take_events() {
            self.take_event(event);
        }
        if !self.showing.is_behind()
            && let Some(input) = self.pending.take()
        {
            self.take_input(input);
        }
    }

    /// Whether the terminal is the editor's, or about to be: a frame that nobody sees would count as drawn.
    fn is_with_editor(&self) -> bool {
        self.to_edit.is_some() || self.open.is_some()
    }

    /// Opens the editor on the query that is being typed, where that was asked for.
    pub(super) fn open_editor(&mut self, editor: Option<&TextEditor>) {
        if self.showing.is_under_way() || self.screen_lost {
            return;
        }
        let Some(text) = self.to_edit.take() else {
            return;
        };
        let notes = self.notes();
        let opened = match editor {
            Some(editor) => editor.open(&text, &notes),
            None => Err(std::io::ErrorKind::Unsupported.into()),
        };
        match opened {
            Ok(open) => self.open = Some(open),
            Err(error) => {
                self.screen.say(format!("No editor is opened: {error}."));
                self.repaint();
                self.showing.press();
            }
        }
    }

    /// What has to be known while the screen cannot say it (I7).
    fn notes(&self) -> Vec<String> {
        let mut notes = vec![name_keys(
            "Save and quit: the text comes back into the query field, where {done} asks it.",
        )];
        if let Some(left) = self.engine.machine().hold_left() {
            let left = Duration::from_millis(left);
            let end = jiff::Zoned::now().saturating_add(
                jiff::Span::new().seconds(i64::try_from(left.as_secs()).unwrap_or(i64::MAX)),
            );
            notes.push(format!(
                "THE TRANSACTION IS HELD; it is rolled back by itself at {}.",
                end.strftime("%H:%M:%S")
            ));
        }
        notes
    }

    pub(super) fn take_edited(&mut self, edited: EditedText) {
        self.open = None;
        if edited.screen.is_err() || self.terminal.come_back().is_err() {
            return self.lose_screen(Alarm::HungUp);
        }
        for event in self.screen.take_edited(edited.text, self.engine.machine()) {
            self.engine.take(event);
        }
        self.showing.press();
    }

    /// Takes what the person did, or keeps it for the frame that it has to be taken on.
    pub(super) fn take_or_keep(&mut self, input: Input) {
        match input.what {
            // It was meant for the editor.
            What::Key(_) | What::Burst(_) | What::Paste(_) | What::Resize(..)
                if self.is_with_editor() => {}
            // Behind a key that a stuck terminal keeps waiting there is no second one.
            What::Key(_) | What::Burst(_) | What::Paste(_) if self.showing.is_behind() => {
                self.pending.get_or_insert(input);
            }
            // What needs no frame, such as the end of the terminal, waits for none.
            _ => self.take_input(input),
        }
    }

    fn take_input(&mut self, input: Input) {
        let events = match input.what {
            What::Key(key) => self.press(key, Instant::from_std(input.at)),
            What::Burst(burst) => self.screen.burst(&burst, self.engine.machine()),
            What::Paste(text) => self.screen.paste(&text, self.engine.machine()),
            What::Resize(..) => {
                self.repaint();
                Vec::new()
            }
            What::Gone(_) => {
                self.lose_screen(Alarm::HungUp);
                Vec::new()
            }
        };
        for event in events {
            self.engine.take(event);
        }
        if let Some(text) = self.screen.take_copied() {
            self.terminal.copy(&text);
        }
        if self.screen.take_repaint() {
            self.repaint();
        }
        self.to_edit = self.screen.take_to_edit();
        self.showing.press();
    }

    /// A key from before its frame is tried on a copy: what it would have asked for is not asked, and
    /// what was typed so far is still there. So is one that waited for a stuck terminal: by now
    /// somebody may want something else.
    fn press(&mut self, key: KeyEvent, at: Instant) -> Vec<Event> {
        let ahead = at <= self.face_since || at.elapsed() >= STUCK;
        let before = ahead.then(|| self.screen.clone());
        let (machine, account) = (self.engine.machine(), self.engine.account());
        let events = self.screen.key(key, machine, account);
        let of_frame =
            |event: &Event| matches!(event, Event::Asked(act) if machine.needs_frame(act));
        let asks = events.iter().any(of_frame);
        match before {
            Some(before) if asks => {
                *self.screen = before;
                let text = "Typed before this screen was drawn; look, then press again.";
                self.screen.say(text.into());
                Vec::new()
            }
            Some(_) | None => events,
        }
    }

    fn repaint(&mut self) {
        if !self.screen_lost && self.terminal.repaint().is_err() {
            self.lose_screen(Alarm::HungUp);
        }
    }

    pub(super) fn ask(&mut self, question: Challenge) {
        self.screen.ask_for(question);
        self.showing.change();
        self.showing.hurry();
    }

    pub(super) fn take_report(&mut self, report: Report) {
        // What a person waits for is drawn at once; none of these streams.
        if matches!(
            report.body,
            Body::Connected(_)
                | Body::Probed { .. }
                | Body::CommitAnswered(_)
                | Body::RollbackAnswered { .. }
                | Body::PostVerified { .. }
        ) {
            self.showing.hurry();
        }
        self.take_event(Event::Reported(report));
    }

    /// What earlier passes measured is known now.
    pub(super) fn take_past(&mut self) {
        self.showing.change();
    }

    /// What the monitor saw; only what is new is drawn.
    pub(super) fn take_observation(&mut self, observation: Observation) {
        let before = self.engine.machine().phase().moving();
        let news = self.engine.account().is_news(&observation);
        self.engine.take(Event::Observed(observation));
        if news || self.engine.machine().phase().moving() != before {
            self.showing.change();
        }
    }

    /// Takes what the session and the monitor have said, as much as a turn may take.
    pub(super) fn take_batch(&mut self, wires: &mut WalkWires) {
        for _ in 0..BATCH {
            // What comes after the end of a run belongs to nobody.
            if self.engine.left().is_some() {
                break;
            }
            let Ok(report) = wires.reports.try_recv() else {
                break;
            };
            self.engine.take_among(report);
            self.showing.change();
        }
        self.engine.write_down();
        if self.engine.left().is_none()
            && let Ok(observation) = wires.observations.try_recv()
        {
            self.take_observation(observation);
        }
    }
}

/// Whether the hold has just passed half of its limit, its last minute or its last ten seconds.
fn milestone(limit: Millis, before: Option<Millis>, now: Option<Millis>) -> bool {
    let (Some(before), Some(now)) = (before, now) else {
        return false;
    };
    [limit / 2, 60_000, 10_000]
        .into_iter()
        .any(|mark| before > mark && now <= mark)
}
