//! From item to item of the checklist, into the script that one waits for, and back.
//!
//! The cursor goes on by itself after a sign-off, and only in a frame that is drawn. A key that is
//! held down signs nothing with it: the next signature needs a pause, or another key before it.

use super::{Cover, InScript, Screen, Scroll};
use crate::gate::event::{Millis, Standing};
use crate::gate::machine::Machine;
use crate::gate::phase::Phase;
use crate::gate::plan::Mode;
use crate::gate::{Account, Act, Event};
use crate::tui::keymap::ViewAct;
use crate::tui::reader;
use std::sync::Arc;

/// How long an item that the cursor came to by itself is looked at before Space signs it. A key that
/// is held down begins to repeat earlier than that.
const LOOKED_AT: Millis = 1_000;

impl Screen {
    /// Goes to the next open item, once the one under the cursor was signed.
    pub(super) fn go_on_after_sign_off(&mut self, machine: &Machine, account: &Account) {
        let signed: Vec<bool> = machine.items().iter().map(|item| item.signed).collect();
        let before = std::mem::replace(&mut self.signed, signed);
        let here = |items: &[bool]| items.get(self.cursor).copied();
        let fresh = here(&before) == Some(false) && here(&self.signed) == Some(true);
        if !fresh || !matches!(machine.phase(), Phase::Checklist) {
            return;
        }
        let all = self.signed.len();
        let next = (1..all)
            .map(|step| (self.cursor + step) % all)
            .find(|item| self.signed.get(*item) == Some(&false));
        if let Some(next) = next {
            self.cursor = next;
            self.evidence = Scroll::default();
            self.carried = Some(account.now);
        }
    }

    /// Whether a Space is still the one that signed the item before; says so.
    pub(super) fn is_carried_along(&mut self, now: Millis) -> bool {
        let carried = self.carried.is_some_and(|at| now < at + LOOKED_AT);
        self.carried = carried.then_some(now);
        if carried {
            self.say("This is the next item: look at it for a second, then press Space.".into());
        }
        carried
    }

    /// Goes to what the item under the cursor waits for; where it waits for nothing, its evidence is
    /// shown in full.
    pub(super) fn go_where_it_waits(&mut self, machine: &Machine) -> Vec<Event> {
        let item = machine.items().get(self.cursor);
        let needed = machine.plan().items.get(self.cursor);
        let (Some(item), Some(needed)) = (item, needed) else {
            return Vec::new();
        };
        let waits = machine.plan().mode == Mode::Run
            && !item.signed
            && item.standing != Standing::Awaited
            && !item.standing.forbids();
        let unread = item.to_read().next();
        if let (true, Some(document)) = (waits, unread) {
            let tabs = reader::documents(&self.runbook);
            if let Some(tab) = tabs.iter().position(|tab| *tab == document) {
                self.tab = tab;
                self.open_scripts();
            }
        } else if waits && item.acknowledged < needed.findings {
            self.tab = 0;
            self.open_scripts();
            self.place = Some(InScript::Finding(item.acknowledged));
        } else if waits && self.asks_for_text(machine).is_some() {
            return self.ask(Act::SignOff, machine);
        } else {
            self.toggle(Cover::Evidence);
        }
        Vec::new()
    }

    fn open_scripts(&mut self) {
        self.cover = None;
        self.toggle(Cover::Scripts);
    }

    /// Notes which document was opened or left since the last frame.
    pub(super) fn note_reading(&mut self, account: &Account) {
        let open = (self.cover == Some(Cover::Scripts)).then_some(self.tab);
        if self.reading.map(|(tab, _)| tab) == open {
            return;
        }
        let tabs = reader::documents(&self.runbook);
        let seen = Arc::make_mut(&mut self.seen);
        if let Some((tab, since)) = self.reading.take()
            && let (Some(seen), Some(document)) = (seen.get_mut(tab), tabs.get(tab))
        {
            let lasted = account.now.saturating_sub(since);
            self.events
                .push(Event::Perused(seen.close(*document, lasted)));
        }
        if let Some(tab) = open {
            self.reading = Some((tab, account.now));
            if let Some(seen) = seen.get_mut(tab) {
                seen.open();
            }
        }
    }

    /// Whether `n` goes from finding to finding: in a script, with nothing sought.
    pub(super) fn seeks_findings(&self) -> bool {
        self.cover == Some(Cover::Scripts) && self.sought.is_empty()
    }

    /// Goes to the next finding of the script, or the one before.
    pub(super) fn go_to_finding(&mut self, forward: bool) {
        let top = self.documents.get(self.tab).map_or(0, |scroll| scroll.top);
        let pages = self.pages.as_ref();
        let row = match (self.found, pages) {
            (found, Some(pages)) => pages.next_finding(found.unwrap_or(top), forward),
            (_, None) => None,
        };
        match row {
            Some(row) => {
                self.scroll_to(row);
                self.found = Some(row);
            }
            None => self.say("Nothing here is marked: no finding, and nothing is refused.".into()),
        }
    }

    /// Goes to the next section of the script, or the one before.
    pub(super) fn go_to_section(&mut self, forward: bool) {
        if self.cover != Some(Cover::Scripts) {
            return;
        }
        let top = self.documents.get(self.tab).map_or(0, |scroll| scroll.top);
        let pages = self.pages.as_ref();
        match pages.and_then(|pages| pages.next_section(top, forward)) {
            Some(row) => {
                if let Some(scroll) = self.documents.get_mut(self.tab) {
                    scroll.top = row.min(scroll.last());
                }
            }
            None if forward => self.say("No section begins further down.".into()),
            None => self.say("No section begins further up.".into()),
        }
    }

    /// Wraps a script's long lines, or lets them be moved sideways.
    pub(super) fn turn_wrapping(&mut self) {
        if self.cover != Some(Cover::Scripts) {
            return;
        }
        let top = self.documents.get(self.tab).map_or(0, |scroll| scroll.top);
        let line = self.pages.as_ref().and_then(|pages| pages.line_from(top));
        self.place = line.map(InScript::Line);
        self.wrapped = !self.wrapped;
        self.moved = 0;
        self.found = None;
        self.say(match self.wrapped {
            true => "Long lines are wrapped.".into(),
            false => "Long lines go on to the right.".into(),
        });
    }

    /// Whether something of the script on the screen goes on to the right.
    pub(super) fn goes_on(&self) -> bool {
        let shown = self.documents.get(self.tab).map(Scroll::shown);
        let mut rows = shown.unwrap_or_default();
        let pages = self.pages.as_ref();
        pages.is_some_and(|pages| rows.any(|row| pages.goes_on(row, self.moved)))
    }

    /// Moves the script to what was not on the screen yet: to the right, down, and from its end to what
    /// was passed over.
    pub(super) fn read_on(&mut self) {
        let scroll = self.documents.get_mut(self.tab);
        let (Some(pages), Some(seen), Some(scroll)) =
            (&self.pages, self.seen.get(self.tab), scroll)
        else {
            return;
        };
        let right = seen.next_column(pages, scroll.shown());
        match right.filter(|_| !self.wrapped) {
            Some(column) => self.moved = column,
            None => {
                self.moved = 0;
                if scroll.top < scroll.last() {
                    scroll.act(ViewAct::PageDown);
                } else if let Some(row) = seen.first_unseen(pages) {
                    scroll.top = row.min(scroll.last());
                } else {
                    self.say(
                        "This is its end, and every line of it was on the screen; Esc goes back."
                            .into(),
                    );
                }
            }
        }
    }

    /// Moves a long line so that what was found in it is seen.
    pub(super) fn move_to_match(&mut self, row: usize) {
        let Some(pages) = self.pages.as_ref().filter(|_| !self.wrapped) else {
            return;
        };
        let columns = pages.columns_of(self.look, &self.runbook, row, &self.sought);
        let Some(columns) = columns else { return };
        let inner = pages.inner();
        if columns.end < inner {
            self.moved = 0;
        } else if columns.start <= self.moved || columns.end >= self.moved + inner {
            self.moved = columns.start.saturating_sub(inner / 3);
        }
    }

    fn scroll_to(&mut self, row: usize) {
        self.moved = 0;
        if let Some(scroll) = self.documents.get_mut(self.tab) {
            scroll.top = row.saturating_sub(2).min(scroll.last());
        }
    }
}
