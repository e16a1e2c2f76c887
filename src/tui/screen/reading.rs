//! From item to item of the checklist, into the script that one waits for, and back.
//!
//! The cursor goes on by itself after a sign-off, and only in a frame that is drawn. A key that is
//! held down signs nothing with it: the next signature needs a pause, or another key before it.

use super::notice::NoticeLasts;
use super::{Cover, Screen, Scroll};
use crate::account::Account;
use crate::acts::{UNREAD, name_keys};
use crate::facts::{Millis, Standing};
use crate::gate::machine::Machine;
use crate::gate::phase::Phase;
use crate::gate::plan::Mode;
use crate::gate::{Act, Event};
use crate::tui::pager::InScript;
use crate::tui::reader;

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
        if !fresh || !matches!(machine.phase(), Phase::Checklist { .. }) {
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
            self.say(name_keys(
                "This is the next item: look at it for a second, then press {sign}.",
            ));
        }
        carried
    }

    /// Goes to what the item under the cursor waits for; where it waits for nothing, its evidence is
    /// shown in full.
    pub(super) fn go_where_it_waits(&mut self, machine: &Machine) -> Vec<Event> {
        let Some(item) = machine.items().get(self.cursor) else {
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
                self.open_script(tab);
            }
        } else if waits && item.open_findings() > 0 {
            self.open_script(0);
            (self.pager).go_to_place(InScript::Finding(item.acknowledged));
            let keys = name_keys("{close} goes back, and {acknowledge} acknowledges it there.");
            self.say(format!(
                "Finding {} of {}: {keys}",
                item.acknowledged + 1,
                item.findings.unwrap_or_default()
            ));
        } else if waits && self.asks_for_text(machine).is_some() {
            return self.ask(Act::SignOff, machine);
        } else {
            self.toggle(Cover::Evidence);
        }
        Vec::new()
    }

    fn open_script(&mut self, tab: usize) {
        self.cover = None;
        if self.toggle_scripts() {
            self.pager.open_tab(tab);
        }
    }

    /// Opens the scripts, or closes them; whether they are open. What the linter says stands among their
    /// lines, so that nothing is read before it is there.
    pub(super) fn toggle_scripts(&mut self) -> bool {
        match self.runbook.is_read_through() {
            true => self.toggle(Cover::Scripts),
            false => self.say_while(UNREAD.to_owned(), NoticeLasts::WhileLinted),
        }
        self.cover == Some(Cover::Scripts)
    }

    /// Notes which document was opened or left since the last frame.
    pub(super) fn note_reading(&mut self, account: &Account) {
        let open = (self.cover == Some(Cover::Scripts)).then_some(self.pager.tab());
        if self.reading.map(|(tab, _)| tab) == open {
            return;
        }
        let left = self.stop_reading(account);
        self.events.extend(left);
        if let Some(tab) = open {
            self.reading = Some((tab, account.now));
            if let Some(seen) = self.pager.seen_mut(tab) {
                seen.open();
            }
        }
    }

    /// The document that is open is left now, whatever stays on the screen.
    pub fn stop_reading(&mut self, account: &Account) -> Option<Event> {
        let (tab, since) = self.reading.take()?;
        let document = *reader::documents(&self.runbook).get(tab)?;
        let lasted = account.now.saturating_sub(since);
        Some(Event::Perused {
            document,
            on_screen: true,
            perusal: self.pager.seen_mut(tab)?.close(lasted),
        })
    }
}
