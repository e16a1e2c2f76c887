//! Keys that change only what is looked at: panes, scrolling, searching, the texts of prompts.

use super::{Cover, InScript, Screen, Scroll, Typing};
use crate::asking::Challenge;
use crate::gate::machine::Machine;
use crate::gate::phase::Phase;
use crate::gate::{Account, Command, Event};
use crate::runbook::check::Verdict;
use crate::runbook::question::Question;
use crate::tui::field::{LONGEST, TextField, remember};
use crate::tui::keymap::ViewAct;
use crate::tui::view::PhasePane;

impl Screen {
    pub(super) fn look_at(
        &mut self,
        act: ViewAct,
        machine: &Machine,
        account: &Account,
    ) -> Vec<Event> {
        match act {
            ViewAct::Scripts => {
                let goal = self.place_in_question(machine, account);
                self.toggle(Cover::Scripts);
                if goal.is_some() && self.cover == Some(Cover::Scripts) {
                    self.tab = 0;
                    self.place = goal.map(|(source, line)| InScript::InQuestion(source, line));
                }
            }
            ViewAct::Locks => self.toggle(Cover::Locks),
            ViewAct::Messages => self.toggle(Cover::Messages),
            ViewAct::Impact => self.toggle(Cover::Impact),
            ViewAct::Help => self.toggle(Cover::Help),
            ViewAct::Repaint => self.repaint = true,
            ViewAct::Copy => self.copy(machine, account),
            ViewAct::Detail => match (machine.phase(), self.open_pane(machine)) {
                (Phase::Checklist, _) => return self.go_where_it_waits(machine),
                (_, Some(PhasePane::Stream)) => {
                    if let Some(number) = self.at.or(account.newest()) {
                        self.toggle(Cover::Statement(number));
                    }
                }
                _ => {
                    let panes = PhasePane::of(machine).len();
                    self.pane = usize::from(self.pane == 0 && panes > 1);
                    self.scroll = Scroll::default();
                }
            },
            ViewAct::NextPane | ViewAct::PreviousPane => self.turn(act, machine),
            ViewAct::Left | ViewAct::Right => self.move_sideways(act, machine),
            ViewAct::Close if self.question.is_some() => {
                self.question = None;
                self.typed.clear();
                return vec![Event::Asked(Command::Quit)];
            }
            ViewAct::Close => {
                if self.typing.take().is_some() {
                    self.typed.clear();
                } else {
                    self.cover = None;
                }
            }
            ViewAct::Accept => return self.accept(machine, account),
            ViewAct::Edit(edit) => return self.edit(edit),
            ViewAct::Find => {
                self.typed = TextField::opened(LONGEST, "", &self.past.searches);
                self.typing = Some(Typing::Find);
            }
            ViewAct::FindNext | ViewAct::FindPrevious if self.seeks_findings() => {
                self.go_to_finding(act == ViewAct::FindNext);
            }
            ViewAct::FindNext => self.find(true, machine, account),
            ViewAct::FindPrevious => self.find(false, machine, account),
            ViewAct::NextSection => self.go_to_section(true),
            ViewAct::PreviousSection => self.go_to_section(false),
            ViewAct::ReadOn if self.cover == Some(Cover::Scripts) => self.read_on(),
            ViewAct::ReadOn => self.move_by(ViewAct::PageDown, machine, account),
            ViewAct::Wrap => match self.cover {
                Some(Cover::Answer) => {
                    self.turn_rows(self.answer.as_ref().and_then(|rows| rows.is_by_rows()));
                }
                Some(Cover::Statement(_)) => {
                    self.turn_rows(self.detail.as_ref().and_then(|rows| rows.is_by_rows()));
                }
                _ => self.turn_wrapping(),
            },
            // Only `inspect` looks again by itself; here the evidence is the gate's.
            ViewAct::LookAgain => {}
            ViewAct::Up
            | ViewAct::Down
            | ViewAct::PageUp
            | ViewAct::PageDown
            | ViewAct::HalfUp
            | ViewAct::HalfDown
            | ViewAct::First
            | ViewAct::Last => self.move_by(act, machine, account),
        }
        Vec::new()
    }

    /// Where in the script stands what a person looks at: the statement that is open or under the cursor,
    /// else the one that failed, or whose check says FAIL.
    fn place_in_question(&self, machine: &Machine, account: &Account) -> Option<(usize, usize)> {
        let script = &self.runbook.script;
        let is_over = matches!(
            machine.phase(),
            Phase::MustRollBack { .. } | Phase::RollingBack { .. } | Phase::Ended(_)
        );
        let chosen = match self.cover {
            Some(Cover::Statement(number)) => Some(number),
            _ if self.open_pane(machine) == Some(PhasePane::Stream) => self.at,
            _ => None,
        };
        let failed = account.failed().filter(|_| is_over);
        let fails = || {
            let mut checks = account.transaction.checks.iter();
            let fail = checks.find(|(_, check)| check.verdict == Verdict::Fail);
            fail.filter(|_| is_over).map(|(number, _)| *number)
        };
        let number = chosen.or(failed.map(|(number, _)| number)).or_else(fails)?;
        let statement = script.statement(number)?;
        let pointed = failed
            .filter(|(failed, _)| *failed == number)
            .and_then(|(_, error)| script.place(statement, error.position?));
        let line = pointed.map_or(statement.line, |(line, _)| line);
        Some((statement.source, line))
    }

    pub(super) fn toggle(&mut self, cover: Cover) {
        self.cover = (self.cover != Some(cover)).then_some(cover);
        self.cover_scroll = Scroll::default();
        self.sideways = 0;
        self.moved = 0;
        self.found = None;
    }

    fn turn(&mut self, act: ViewAct, machine: &Machine) {
        let forward = act == ViewAct::NextPane;
        let (slot, all) = match self.cover {
            Some(Cover::Scripts) => (&mut self.tab, self.documents.len()),
            Some(_) => return,
            None => (&mut self.pane, PhasePane::of(machine).len()),
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
        self.moved = 0;
        if self.cover.is_none() {
            self.scroll = Scroll::default();
            self.at = None;
        }
    }

    fn move_by(&mut self, act: ViewAct, machine: &Machine, account: &Account) {
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
            (None, _) if self.open_pane(machine) == Some(PhasePane::Stream) => {
                self.move_in_stream(act, account);
            }
            (None, _) => self.scroll.act(act),
        }
    }

    /// The pane that is open.
    pub(super) fn open_pane(&self, machine: &Machine) -> Option<PhasePane> {
        let panes = PhasePane::of(machine);
        panes.get(self.pane).or(panes.first()).copied()
    }

    /// Moves the cursor from statement to statement.
    fn move_in_stream(&mut self, act: ViewAct, account: &Account) {
        let last = self.runbook.script.last_number();
        let from = self.at.or(account.newest()).unwrap_or(1);
        let page = self.scroll.height.saturating_sub(2).max(1);
        let to = match act {
            ViewAct::Up => from.saturating_sub(1),
            ViewAct::Down => from + 1,
            ViewAct::PageUp => from.saturating_sub(page),
            ViewAct::PageDown => from + page,
            ViewAct::HalfUp => from.saturating_sub((page / 2).max(1)),
            ViewAct::HalfDown => from + (page / 2).max(1),
            ViewAct::First => 1,
            // Whoever goes to the end of what still runs follows it again.
            ViewAct::Last if account.running().is_some() => {
                self.at = None;
                return;
            }
            _ => last,
        };
        self.at = Some(to.clamp(1, last.max(1)));
    }

    /// Moves rows and long lines; anywhere else it is the next pane or script.
    fn move_sideways(&mut self, act: ViewAct, machine: &Machine) {
        let step = usize::from(self.size.0 / 2).max(1);
        match (self.cover, act) {
            // How far they can be moved is known when they are drawn.
            (Some(Cover::Statement(_) | Cover::Answer), ViewAct::Right) => self.sideways += step,
            (Some(Cover::Statement(_) | Cover::Answer), _) => {
                self.sideways = self.sideways.saturating_sub(step);
            }
            (Some(Cover::Scripts), ViewAct::Right) if self.goes_on() => self.moved += step,
            (Some(Cover::Scripts), _) if self.moved > 0 => {
                self.moved = match act {
                    ViewAct::Right => self.moved,
                    _ => self.moved.saturating_sub(step),
                };
            }
            (_, ViewAct::Right) => self.turn(ViewAct::NextPane, machine),
            _ => self.turn(ViewAct::PreviousPane, machine),
        }
    }

    /// Shows the rows of an answer, or of a statement, one value below the other, or as a grid again.
    fn turn_rows(&mut self, by_rows: Option<bool>) {
        let Some(by_rows) = by_rows else {
            return;
        };
        self.by_rows = Some(!by_rows);
        self.cover_scroll = Scroll::default();
        self.sideways = 0;
        self.found = None;
    }

    /// Answers the question with what was typed.
    fn answer(&mut self, question: &Challenge) {
        if self.typed.is_empty() {
            self.question = Some(question.clone());
            self.say("Nothing was typed yet; Esc leaves without connecting.".into());
            return;
        }
        question.answer(self.typed.take_secret());
    }

    fn accept(&mut self, machine: &Machine, account: &Account) -> Vec<Event> {
        if let Some(question) = self.question.take() {
            self.answer(&question);
            return Vec::new();
        }
        match self.typing {
            Some(Typing::Reference { item } | Typing::DatabaseName { item }) => {
                let text = self.typed.text().trim().to_owned();
                // The gate judges the name; the box only stays open where it will be typed again.
                let database = account.target.as_ref().map(|target| &target.database);
                let again = matches!(self.typing, Some(Typing::DatabaseName { .. }))
                    && database != Some(&text);
                if !text.is_empty() {
                    self.typed.clear();
                    if !again
                        && let Some(Typing::Reference { .. }) = self.typing.take()
                        && machine.is_of_backup(item)
                    {
                        remember(&mut self.past.references, &text);
                    }
                }
                vec![Event::Asked(Command::SignOff {
                    item,
                    note: Some(text),
                })]
            }
            Some(Typing::Folder) => {
                self.typing = None;
                self.folder = self.typed.take();
                remember(&mut self.past.folders, &self.folder);
                let folder = self.folder.clone();
                vec![Event::Asked(Command::BackUp { folder })]
            }
            Some(Typing::Find) => {
                self.typing = None;
                self.sought = self.typed.take();
                remember(&mut self.past.searches, &self.sought);
                self.found = None;
                self.find(true, machine, account);
                Vec::new()
            }
            Some(Typing::Query) => self.accept_query(),
            None => Vec::new(),
        }
    }

    /// Asks what was typed; what may not be asked stays in the prompt.
    fn accept_query(&mut self) -> Vec<Event> {
        let text = self.typed.text().trim().to_owned();
        if let Err(unfit) = Question::read(&text) {
            self.say(unfit.to_string());
            return Vec::new();
        }
        self.typing = None;
        self.typed.clear();
        remember(&mut self.past.queries, &text);
        vec![Event::Asked(Command::Query(text))]
    }

    /// Goes to the next place that holds what is sought.
    fn find(&mut self, forward: bool, machine: &Machine, account: &Account) {
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
        } else if let Some(found) = {
            let needle = self.sought.to_lowercase();
            self.find_in_roll(machine, account, &needle, (from, forward))
        } {
            found
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
                if scripts {
                    self.move_to_match(row);
                }
            }
            None => {
                let sought = self.look.clean(&self.sought);
                self.say(format!("Not found: {sought}"));
            }
        }
    }
}
