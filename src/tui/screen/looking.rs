//! Keys that change only what is looked at: panes, scrolling, searching, the texts of prompts.

use super::{Cover, Screen, Scroll, Typing};
use crate::account::Account;
use crate::acts::{PageAct, ScrollStep, ViewAct, name_keys};
use crate::asking::Challenge;
use crate::gate::machine::Machine;
use crate::gate::phase::Phase;
use crate::gate::{Command, Event};
use crate::runbook::check::Verdict;
use crate::runbook::question::Question;
use crate::tui::field::{LONGEST, TextField, remember};
use crate::tui::pager::{InScript, Paged};
use crate::tui::view::PhasePane;
use crate::tui::view::prompt::NOTHING_TYPED;
use ratatui::text::Line;

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
                if let (Some((source, line)), true) = (goal, self.toggle_scripts()) {
                    self.pager.open_tab(0);
                    (self.pager).go_to_place(InScript::InQuestion(source, line));
                }
            }
            ViewAct::Locks => self.toggle(Cover::Locks),
            ViewAct::Messages => self.toggle(Cover::Messages),
            ViewAct::Told(pane) => self.toggle(Cover::Told(pane)),
            ViewAct::Help => self.toggle(Cover::Help),
            ViewAct::Repaint => self.repaint = true,
            ViewAct::Copy => self.copy(machine, account),
            ViewAct::Item => return self.go_where_it_waits(machine),
            ViewAct::Detail => match self.open_pane(machine) {
                Some(PhasePane::Stream) => {
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
            ViewAct::NextPane => self.turn(true, machine),
            ViewAct::PreviousPane => self.turn(false, machine),
            ViewAct::Page(act) => self.page(act, machine, account),
            ViewAct::OpenEditor => self.to_edit = true,
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
                self.typed = TextField::opened(LONGEST, "", self.pager.searches());
                self.typing = Some(Typing::Find);
            }
            // Only `inspect` looks again by itself; here the evidence is the gate's.
            ViewAct::LookAgain => {}
        }
        Vec::new()
    }

    /// Keys that scroll and search. In a script they are the pager's; elsewhere it depends on what is open.
    fn page(&mut self, act: PageAct, machine: &Machine, account: &Account) {
        if self.cover == Some(Cover::Scripts) {
            match self.pager.page_script(act) {
                Paged::Done => return,
                Paged::Said(text) => return self.say(text),
                Paged::Beyond => {}
            }
        }
        match act {
            PageAct::Left | PageAct::Right => self.move_sideways(act, machine),
            PageAct::FindNext => self.find(true, machine, account),
            PageAct::FindPrevious => self.find(false, machine, account),
            PageAct::ReadOn => self.move_by(ScrollStep::PageDown, machine, account),
            PageAct::Wrap => self.turn_rows(match self.cover {
                Some(Cover::Answer) => self.answer.as_ref().and_then(|rows| rows.is_by_rows()),
                Some(Cover::Statement(_)) => {
                    self.detail.as_ref().and_then(|rows| rows.is_by_rows())
                }
                _ => None,
            }),
            PageAct::Scroll(step) => self.move_by(step, machine, account),
            // What only a script has.
            _ => {}
        }
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
        self.pager.leave();
    }

    fn turn(&mut self, forward: bool, machine: &Machine) {
        let (here, all) = match self.cover {
            Some(Cover::Scripts) => (self.pager.tab(), self.pager.scripts()),
            Some(_) => return,
            None => (self.pane, PhasePane::of(machine).len()),
        };
        let next = here + if forward { 1 } else { all.saturating_sub(1) };
        let next = next.checked_rem(all).unwrap_or(0);
        match self.cover {
            Some(_) => self.pager.open_tab(next),
            None => {
                self.pager.leave();
                self.pane = next;
                self.scroll = Scroll::default();
                self.at = None;
            }
        }
    }

    fn move_by(&mut self, step: ScrollStep, machine: &Machine, account: &Account) {
        match (self.cover, machine.phase()) {
            (Some(_), _) => self.cover_scroll.scroll_by(step),
            (None, Phase::Checklist { .. }) => {
                let last = machine.items().len().saturating_sub(1);
                let before = self.cursor;
                match step {
                    ScrollStep::Up | ScrollStep::Down | ScrollStep::First | ScrollStep::Last => {
                        self.cursor = step.lead(before, 1, last);
                    }
                    _ => self.evidence.scroll_by(step),
                }
                if self.cursor != before {
                    self.evidence = Scroll::default();
                }
            }
            (None, _) if self.open_pane(machine) == Some(PhasePane::Stream) => {
                self.move_in_stream(step, account);
            }
            (None, _) => self.scroll.scroll_by(step),
        }
    }

    pub(super) fn open_pane(&self, machine: &Machine) -> Option<PhasePane> {
        let panes = PhasePane::of(machine);
        panes.get(self.pane).or(panes.first()).copied()
    }

    /// Moves the cursor from statement to statement.
    fn move_in_stream(&mut self, step: ScrollStep, account: &Account) {
        let last = self.runbook.script.last_number();
        let from = self.at.or(account.newest()).unwrap_or(1);
        // Whoever goes to the end of what still runs follows it again.
        let follows = step == ScrollStep::Last && account.running().is_some();
        let to = step.lead(from, self.scroll.height.saturating_sub(2), last);
        self.at = (!follows).then_some(to.max(1));
    }

    /// Moves rows and long lines; anywhere else it is the next pane or script.
    fn move_sideways(&mut self, act: PageAct, machine: &Machine) {
        let step = usize::from(self.size.0 / 2).max(1);
        match (self.cover, act) {
            // How far they can be moved is known when they are drawn.
            (Some(Cover::Statement(_) | Cover::Answer), PageAct::Right) => self.sideways += step,
            (Some(Cover::Statement(_) | Cover::Answer), _) => {
                self.sideways = self.sideways.saturating_sub(step);
            }
            (_, PageAct::Right) => self.turn(true, machine),
            _ => self.turn(false, machine),
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
        self.pager.leave();
    }

    fn answer(&mut self, question: &Challenge) {
        if self.typed.is_empty() {
            self.question = Some(question.clone());
            self.say(name_keys(NOTHING_TYPED));
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
                self.pager.seek(self.typed.take());
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
        let said = match self.cover {
            Some(Cover::Scripts) => self.pager.find_in_script(forward),
            Some(
                cover @ (Cover::Locks | Cover::Messages | Cover::Statement(_) | Cover::Answer),
            ) => match self.pager.begin_quest(forward, &self.cover_scroll) {
                Ok(quest) => {
                    let found = self.ask_roll(machine, account, cover, |roll| {
                        let line = |nth| roll?.lines(nth..nth + 1).first().map(Line::to_string);
                        quest.find_among(roll?.total(), line)
                    });
                    self.pager.end_quest(found, &mut self.cover_scroll)
                }
                Err(why) => Some(why),
            },
            _ => (self.pager).find_in_lines(forward, &mut self.cover_scroll),
        };
        if let Some(said) = said {
            self.say(said);
        }
    }
}
