//! The present state as a frame: header, body, the line that says, keys; prompts above the body.
//!
//! What is noticed on the way, such as a script whose end was on screen, is kept for the loop.

use super::{Cover, NEEDS, Screen, Scroll, Typing};
use crate::account::Account;
use crate::facts::Ending;
use crate::gate::Event;
use crate::gate::machine::Machine;
use crate::gate::phase::{Phase, Prompt};
use crate::tui::paint::{
    Roll, Sheet, draw_box, draw_frame, draw_head, draw_roll, draw_sheet, guard, put, rows, split,
    upright,
};
use crate::tui::theme::Appearance;
use crate::tui::view::answer::{AnswerLines, AnswerPane, AnswerStamp};
use crate::tui::view::locks::LockPane;
use crate::tui::view::messages::MessagePane;
use crate::tui::view::statement::{Detail, OpenedStatement};
use crate::tui::view::stream::Stream;
use crate::tui::view::{self, PhasePane, Scene};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Styled;
use ratatui::text::{Line, Span};
use std::sync::Arc;

/// The least width of the statements where something stands beside them.
const STREAM: u16 = 72;
/// The same of the decision and of the checklist: their sentences fit into it.
const DECISION: u16 = 66;
/// With this many rows left beside the gate, the locks are shown there as well.
const LOCKS_FIT: u16 = 10;

impl Screen {
    pub fn draw(&mut self, frame: &mut Frame<'_>, machine: &Machine, account: &Account) {
        self.settle(machine);
        let toast = self.toast.take();
        self.toast = toast.filter(|notice| notice.is_so(machine, &self.runbook));
        self.take_answer(machine, account);
        self.go_on_after_sign_off(machine, account);
        self.note_reading(account);
        let area = frame.area();
        self.size = (area.width, area.height);
        let runbook = Arc::clone(&self.runbook);
        let journal = self.journal.clone();
        let outline = Arc::clone(&self.outline);
        let scene = Scene {
            look: self.look,
            runbook: &runbook,
            machine,
            account,
            cursor: self.cursor,
            outline: &outline,
            journal: journal.as_deref(),
        };
        let buffer = frame.buffer_mut();
        if self.cramped() {
            let asked = self.question.as_ref().map(view::prompt::asked);
            let no_room = self.no_room.map(|what| too_small(what, self.look));
            let said = self.toast.as_ref().map(|notice| &notice.text);
            let toast = asked.as_ref().or(said).or(no_room.as_ref());
            let toast = toast.map(|text| self.look.clean(text));
            let lines = view::cramped::draw_cramped(
                &scene,
                self.place(machine),
                NEEDS,
                self.size,
                toast.as_deref(),
            );
            put(buffer, area, &lines);
        } else {
            self.no_room = None;
            self.draw_whole(buffer, area, &scene);
        }
        guard(buffer, self.look.glyphs);
    }

    /// The title of the terminal's window.
    pub fn title(&self, machine: &Machine, account: &Account) -> String {
        self.in_scene(machine, account, view::title::title)
    }

    fn draw_whole(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>) {
        let columns = usize::from(area.width);
        let head = view::header::draw_header(scene, columns);
        let place = self.place(scene.machine);
        let panes = match self.cover {
            Some(Cover::Scripts) => self.pager.scripts() > 1,
            Some(_) => false,
            None => PhasePane::of(scene.machine).len() > 1,
        };
        let keys = view::footer::draw_footer(scene, place, panes, columns);
        let body = draw_frame(
            (buffer, area),
            scene.look,
            &head,
            &keys,
            self.toast.as_ref().map(|notice| notice.text.as_str()),
        );
        match self.cover {
            Some(cover) => self.draw_cover(buffer, body, scene, cover),
            None => self.draw_panes(buffer, body, scene),
        }
        self.draw_prompt(buffer, body, scene);
    }

    fn draw_panes(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let panes = PhasePane::of(scene.machine);
        let pane = panes.get(self.pane).or(panes.first()).copied();
        let Some(pane) = pane else { return };
        let body = if panes.len() > 1 {
            let tabs = pane_tabs(scene, panes, pane, usize::from(body.width));
            put(buffer, rows(body, 0, 1), &[tabs]);
            rows(body, 1, body.height.saturating_sub(1))
        } else {
            body
        };
        if pane == PhasePane::Checklist {
            self.draw_checklist(buffer, body, scene);
            return;
        }
        let beside = match pane {
            PhasePane::Gate | PhasePane::Review => Some(PhasePane::Checks),
            PhasePane::MustRollBack => Some(PhasePane::Stream),
            _ => None,
        };
        let wide = body.width >= view::TWO_COLUMNS;
        match beside {
            Some(beside) if wide => {
                let (left, right) = split(body, (body.width / 2).max(DECISION));
                self.draw_pane(buffer, left, scene, pane);
                let used = draw_aside(buffer, right, scene, beside) + 1;
                let below = rows(right, used, right.height.saturating_sub(used));
                if pane == PhasePane::Gate && below.height >= LOCKS_FIT {
                    draw_locks(buffer, below, scene);
                }
                upright(buffer, body, left.width + 1, scene.look);
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
                    scene.look,
                    &sheet,
                    &mut self.scroll,
                );
                let title = scene.heading("", usize::from(body.width).saturating_sub(1));
                put(buffer, rows(body, upper + 1, 1), &[title]);
                let lower = rows(body, upper + 2, body.height.saturating_sub(upper + 2));
                draw_aside(buffer, lower, scene, beside);
            }
            None if pane == PhasePane::Stream && wide => {
                let (left, right) = split(body, (body.width * 3 / 5).max(STREAM));
                self.draw_pane(buffer, left, scene, pane);
                let used = self.draw_statement_aside(buffer, right, scene);
                if scene.machine.phase().transaction_open() {
                    let below = rows(right, used, right.height.saturating_sub(used));
                    draw_locks(buffer, below, scene);
                }
                upright(buffer, body, left.width + 1, scene.look);
            }
            _ => self.draw_pane(buffer, body, scene, pane),
        }
    }

    fn draw_pane(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, pane: PhasePane) {
        if pane == PhasePane::Stream {
            self.draw_stream(buffer, area, scene);
            return;
        }
        let sheet = sheet_of(scene, pane, area);
        draw_sheet(buffer, area, scene.look, &sheet, &mut self.scroll);
    }

    fn draw_stream(&mut self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>) {
        let at = self.at.or(scene.account.newest());
        let stream = Stream::new(scene, usize::from(area.width), at);
        let head = stream.head();
        match self.at.and_then(|at| stream.line_of(at)) {
            Some(line) => {
                let height = usize::from(area.height).saturating_sub(head.len());
                self.scroll.keep_in_sight(line, height);
            }
            None => self.scroll.moved = false,
        }
        let area = draw_head(buffer, area, &head);
        draw_roll(buffer, area, scene.look, &stream, &mut self.scroll, None);
    }

    /// The statement under the cursor, or else the newest, beside the others: what fits into the upper
    /// half, for below it stand the locks. Returns how many rows it took.
    fn draw_statement_aside(&self, buffer: &mut Buffer, area: Rect, scene: &Scene<'_>) -> u16 {
        let Some(number) = self.at.or(scene.account.newest()) else {
            return 0;
        };
        let (columns, height) = (usize::from(area.width), usize::from(area.height / 2));
        let lines = view::statement::in_short(scene, number, columns, height);
        put(buffer, area, &lines);
        u16::try_from(lines.len()).unwrap_or(area.height) + 1
    }

    fn draw_checklist(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let wide = body.width >= view::TWO_COLUMNS;
        let (left, right) = if wide {
            split(body, (body.width / 2).max(DECISION))
        } else {
            let most = body.height * 2 / 3;
            let list = view::checklist::list(scene, usize::from(body.width), usize::from(most));
            let list = u16::try_from(list.head.len() + list.lines.len() + 1)
                .unwrap_or(u16::MAX)
                .min(most);
            (
                rows(body, 0, list),
                rows(body, list, body.height.saturating_sub(list)),
            )
        };
        let (columns, height) = (usize::from(left.width), usize::from(left.height));
        let list = view::checklist::list(scene, columns, height);
        draw_sheet(buffer, left, scene.look, &list, &mut Scroll::default());
        let evidence = view::checklist::evidence(
            scene,
            self.cursor,
            usize::from(right.width),
            usize::from(right.height),
        );
        let sheet = Sheet::of(evidence);
        draw_sheet(buffer, right, scene.look, &sheet, &mut self.evidence);
        if wide {
            upright(buffer, body, left.width + 1, scene.look);
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
            Cover::Locks | Cover::Messages | Cover::Statement(_) | Cover::Answer => {
                self.draw_long_cover(buffer, body, scene, cover);
                return;
            }
            Cover::Told(pane) => {
                let told = (pane.told)(&self.runbook, scene.account);
                (pane.title, view::told::draw_told(self.look, told, columns))
            }
            Cover::Help => ("KEYS", view::help::draw_help(scene, columns)),
            Cover::Evidence => (
                "EVIDENCE",
                // It can be scrolled, so nothing is cut to fit.
                view::checklist::evidence(scene, self.cursor, columns, usize::MAX),
            ),
        };
        put(
            buffer,
            rows(body, 0, 1),
            &[scene.line(format!(" {title}"), self.look.strong())],
        );
        (self.pager).draw_lines((buffer, below), lines, &mut self.cover_scroll);
    }

    /// A cover of any length: only what is seen of it is made.
    fn draw_long_cover(
        &mut self,
        buffer: &mut Buffer,
        body: Rect,
        scene: &Scene<'_>,
        cover: Cover,
    ) {
        self.make_ready(scene, cover, usize::from(body.width));
        let columns = usize::from(body.width);
        let head = match cover {
            Cover::Statement(number) => view::statement::head(scene, number, columns),
            Cover::Messages => vec![scene.line(" MESSAGES", self.look.strong())],
            Cover::Answer => self
                .answer
                .iter()
                .map(|answer| answer.title(self.look))
                .collect(),
            _ => vec![scene.line(" LOCKS", self.look.strong())],
        };
        let mut scroll = self.cover_scroll;
        if let Some(roll) = self.roll(scene, cover, (columns, self.sideways)) {
            let body = draw_head(buffer, body, &head);
            draw_roll(
                buffer,
                body,
                scene.look,
                &*roll,
                &mut scroll,
                self.pager.found(),
            );
        }
        self.cover_scroll = scroll;
    }

    /// Brings up to date what a long cover keeps from frame to frame.
    pub(super) fn make_ready(&mut self, scene: &Scene<'_>, cover: Cover, columns: usize) {
        match cover {
            Cover::Messages => Arc::make_mut(&mut self.heights).catch_up(scene, columns),
            Cover::Statement(number) => {
                let before = self.detail.take().map(Arc::unwrap_or_clone);
                let detail = Detail::of(scene, number, (columns, self.by_rows), before);
                self.sideways = self.sideways.min(detail.furthest());
                self.detail = Some(Arc::new(detail));
            }
            Cover::Answer => {
                let Some(looked) = &scene.account.looked else {
                    return;
                };
                let stamp = AnswerStamp {
                    number: scene.account.looks,
                    columns,
                    by_rows: self.by_rows,
                };
                let before = self.answer.take().map(Arc::unwrap_or_clone);
                let answer = AnswerLines::of(scene, looked, stamp, before);
                self.sideways = self.sideways.min(answer.furthest());
                self.answer = Some(Arc::new(answer));
            }
            _ => {}
        }
    }

    /// The lines of a long cover, made as they are asked for, moved sideways by some columns.
    pub(super) fn roll<'a>(
        &'a self,
        scene: &'a Scene<'a>,
        cover: Cover,
        (columns, sideways): (usize, usize),
    ) -> Option<Box<dyn Roll + 'a>> {
        match cover {
            Cover::Locks => Some(Box::new(LockPane::new(scene, columns))),
            Cover::Messages => Some(Box::new(MessagePane::new(scene, &self.heights, columns))),
            Cover::Statement(_) => Some(Box::new(OpenedStatement {
                scene,
                detail: self.detail.as_ref()?,
                sideways,
            })),
            Cover::Answer => Some(Box::new(AnswerPane {
                scene,
                looked: scene.account.looked.as_ref()?,
                answer: self.answer.as_ref()?,
                sideways,
            })),
            Cover::Scripts | Cover::Told(_) | Cover::Help | Cover::Evidence => None,
        }
    }

    /// What `ask` says of a cover that is made as it is asked for, between two frames, with nothing of it
    /// moved out of the screen; it is given none where the cover is not a long one.
    pub(super) fn ask_roll<T>(
        &mut self,
        machine: &Machine,
        account: &Account,
        cover: Cover,
        ask: impl FnOnce(Option<&dyn Roll>) -> T,
    ) -> T {
        let columns = usize::from(self.size.0);
        let (runbook, outline) = (Arc::clone(&self.runbook), Arc::clone(&self.outline));
        let scene = Scene {
            look: self.look,
            runbook: &runbook,
            machine,
            account,
            cursor: self.cursor,
            outline: &outline,
            journal: None,
        };
        self.make_ready(&scene, cover, columns);
        let roll = self.roll(&scene, cover, (columns, 0));
        ask(roll.as_deref())
    }

    fn draw_scripts(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let covered = self.typing.is_some() || self.prompt != Prompt::Closed;
        let read = self
            .pager
            .draw_script(buffer, body, &scene.standings(), covered);
        if let Some(document) = read.filter(|document| self.read.insert(*document)) {
            self.events.push(Event::ReadToEnd(document));
        }
        if self.toast.is_none() {
            self.pager.draw_going_on(buffer, body);
            self.pager.draw_unseen(buffer, body);
        }
    }

    fn draw_prompt(&mut self, buffer: &mut Buffer, body: Rect, scene: &Scene<'_>) {
        let columns = usize::from(body.width.saturating_sub(2).min(86));
        let inner = columns.saturating_sub(4);
        if let Some(question) = &self.question {
            let lines = view::prompt::secret(scene, question, &self.typed, columns);
            draw_box(buffer, body, &lines);
            return;
        }
        let (title, style, inside) = match (self.prompt, self.typing) {
            (Prompt::Reason, _) => (
                "COMMIT without checks",
                self.look.warn(),
                view::prompt::reason(scene, &self.typed, inner),
            ),
            (Prompt::SecondSigner, _) => (
                "SECOND SIGNER",
                self.look.warn(),
                view::prompt::second_signer(scene, &self.typed, inner),
            ),
            (Prompt::Name, _) => (
                "COMMIT",
                self.look.warn(),
                view::prompt::name(scene, &self.typed, inner),
            ),
            (Prompt::RollBack, _) if matches!(scene.machine.phase(), Phase::Reviewing { .. }) => (
                "END THIS RUN?",
                self.look.warn(),
                view::prompt::end_review(scene, inner),
            ),
            (Prompt::RollBack, _) => (
                "ROLLBACK?",
                self.look.warn(),
                view::prompt::roll_back(scene, inner),
            ),
            (Prompt::Closed, Some(Typing::Reference { item })) => (
                match scene
                    .runbook
                    .items
                    .get(item)
                    .is_some_and(|item| item.asks.is_some())
                {
                    true => "YOUR WORDS",
                    false => "REFERENCE",
                },
                self.look.key(),
                view::prompt::reference(scene, item, &self.typed, inner),
            ),
            (Prompt::Closed, Some(Typing::Folder)) => (
                "BACKUP",
                self.look.key(),
                view::prompt::folder(scene, &self.typed, inner),
            ),
            (Prompt::Closed, Some(Typing::DatabaseName { .. })) => (
                "DATABASE NAME",
                self.look.key(),
                view::prompt::database_name(scene, &self.typed, inner),
            ),
            (Prompt::Closed, Some(Typing::Query)) => (
                "QUERY",
                self.look.key(),
                view::prompt::query(scene, &self.typed, inner, usize::from(self.size.1 / 3)),
            ),
            (Prompt::Closed, Some(Typing::Find)) => {
                return view::prompt::draw_find(buffer, body, scene, &self.typed);
            }
            (Prompt::Closed, None) => return,
        };
        let lines = view::prompt::boxed(scene, title, style, inside, columns);
        draw_box(buffer, body, &lines);
    }
}

fn sheet_of(scene: &Scene<'_>, pane: PhasePane, area: Rect) -> Sheet {
    let columns = usize::from(area.width);
    match pane {
        PhasePane::Proving => view::proving::sheet(scene, columns),
        PhasePane::Checklist => view::checklist::list(scene, columns, usize::from(area.height)),
        PhasePane::Stream => Sheet::default(),
        PhasePane::Checks => view::checks::sheet(scene, columns, usize::from(area.height)),
        PhasePane::Gate => view::gate::sheet(scene, columns),
        PhasePane::Review => view::review::sheet(scene, columns),
        PhasePane::MustRollBack => view::must_roll_back::sheet(scene, columns),
        PhasePane::Querying => view::answer::asking(scene, columns),
        PhasePane::Ending => view::ending::sheet(scene, columns),
        PhasePane::Post => view::checks::post(scene, columns),
    }
}

/// A pane beside the one that is open: it shows what fits. Returns how many rows it took.
fn draw_aside(buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, pane: PhasePane) -> u16 {
    if pane == PhasePane::Stream {
        let stream = Stream::new(scene, usize::from(area.width), None);
        let head = stream.head();
        let all = u16::try_from(head.len() + stream.total()).unwrap_or(u16::MAX);
        let below = draw_head(buffer, area, &head);
        draw_roll(
            buffer,
            below,
            scene.look,
            &stream,
            &mut Scroll::default(),
            None,
        );
        return all.min(area.height);
    }
    let sheet = sheet_of(scene, pane, area);
    draw_sheet(buffer, area, scene.look, &sheet, &mut Scroll::default());
    let used = sheet.head.len() + sheet.lines.len() + sheet.pinned.len();
    u16::try_from(used).unwrap_or(u16::MAX).min(area.height)
}

/// The locks beside something else: what fits.
fn draw_locks(buffer: &mut Buffer, area: Rect, scene: &Scene<'_>) {
    let ledger = LockPane::new(scene, usize::from(area.width));
    draw_roll(
        buffer,
        area,
        scene.look,
        &ledger,
        &mut Scroll::default(),
        None,
    );
}

/// The names of the panes; the open one is marked.
fn pane_tabs(
    scene: &Scene<'_>,
    panes: &[PhasePane],
    open: PhasePane,
    columns: usize,
) -> Line<'static> {
    let look = scene.look;
    let mut spans = Vec::new();
    for pane in panes {
        let name = match (pane, scene.machine.phase()) {
            (PhasePane::Ending, Phase::Ended(Ending::NotConnected)) => "why",
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

fn too_small(what: &str, look: Appearance) -> String {
    format!(
        "{what} needs a screen of {}{}{}: enlarge the window. Nothing was sent.",
        NEEDS.0,
        look.glyphs.times(),
        NEEDS.1
    )
}
