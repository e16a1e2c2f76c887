//! What can be asked of what is looked at: nothing of it asks the gate for anything.
//!
//! A pane that is told in the same lines on the screen and by lines needs no more than a row here.

use super::{Binding, control, view};
use crate::account::Account;
use crate::runbook::Runbook;
use crate::runbook::impact::ImpactLine;
use KeyCode::{
    BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right,
    Tab, Up,
};
use crossterm::event::KeyCode;

/// What changes only what is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewAct {
    /// It is the pager's, in whatever screen.
    Page(PageAct),
    NextPane,
    PreviousPane,
    /// To what an item of the checklist waits for; by lines all of its evidence.
    Item,
    Detail,
    Scripts,
    Locks,
    Messages,
    /// A pane that is told in the same lines wherever it is shown.
    Told(&'static ToldPane),
    Help,
    Close,
    Find,
    Repaint,
    Accept,
    Edit(FieldEdit),
    OpenEditor,
    LookAgain,
    Copy,
}

/// A pane that needs nothing of a screen to say what it has to.
#[derive(Debug)]
pub struct ToldPane {
    /// What it is called among others, as in `inspect`.
    pub name: &'static str,
    pub title: &'static str,
    pub told: fn(&Runbook, &Account) -> Vec<ImpactLine>,
}

impl PartialEq for ToldPane {
    fn eq(&self, other: &ToldPane) -> bool {
        self.name == other.name
    }
}

impl Eq for ToldPane {}

/// What can be asked of a pager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAct {
    Scroll(ScrollStep),
    Left,
    Right,
    FindNext,
    FindPrevious,
    NextSection,
    PreviousSection,
    Wrap,
    /// To what of a script was not on the screen yet; elsewhere a page down.
    ReadOn,
}

/// A step in what is scrolled, or from entry to entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrollStep {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    First,
    Last,
}

impl ScrollStep {
    /// Where it leads from row or entry `at`, with `last` as the furthest and `page` of them on a page.
    pub fn lead(self, at: usize, page: usize, last: usize) -> usize {
        let (page, half) = (page.max(1), (page / 2).max(1));
        match self {
            ScrollStep::Up => at.saturating_sub(1),
            ScrollStep::Down => at + 1,
            ScrollStep::PageUp => at.saturating_sub(page),
            ScrollStep::PageDown => at + page,
            ScrollStep::HalfUp => at.saturating_sub(half),
            ScrollStep::HalfDown => at + half,
            ScrollStep::First => 0,
            ScrollStep::Last => last,
        }
        .min(last)
    }
}

/// What a key does to a text that is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldEdit {
    Left,
    Right,
    Home,
    End,
    Erase,
    EraseAhead,
    EraseWord,
    EraseToEnd,
    EraseAll,
    Older,
    Newer,
    /// Begins a new line, in a text that has several.
    NewLine,
}

/// What is said for what the linter has its part in, as long as it is under way.
pub const UNREAD: &str = "The linter is under way; the scripts open with what it says of them.";

/// Where a pane is read page by page.
pub(super) const READING: &[Binding] = &[
    FIND,
    page(
        PageAct::FindNext,
        &[Char('n')],
        "go to the next match; in a script, with nothing sought, to the next finding",
    )
    .named("find next"),
    page(
        PageAct::FindPrevious,
        &[Char('N')],
        "go to the match, or the finding, before",
    ),
    page(
        PageAct::NextSection,
        &[Char(']')],
        "in a script: to the next section",
    )
    .named("next section"),
    page(
        PageAct::PreviousSection,
        &[Char('[')],
        "in a script: to the section before",
    ),
    page(
        PageAct::Wrap,
        &[Char('w')],
        "in a script: wrap long lines, or let Left and Right move them; in rows: one value below the \
         other, as psql's \\x, or as a grid",
    )
    .named("wrap"),
    page(
        PageAct::ReadOn,
        &[Char(' ')],
        "one page down; in a script: to what was not on the screen yet, to the right and then down",
    )
    .named("read on"),
];

/// Everywhere: what opens a pane first, in the footer's order.
pub(super) const LOOKING: &[Binding] = &[
    SCRIPTS,
    LOCKS,
    MESSAGES,
    IMPACT,
    view(
        ViewAct::NextPane,
        &[Tab],
        "next pane",
        "the next pane or the next script",
    ),
    view(
        ViewAct::PreviousPane,
        &[BackTab],
        "",
        "the pane or the script before",
    ),
    page(
        PageAct::Right,
        &[Right],
        "further to the right in long lines and in wide rows; else the next pane",
    )
    .named("right"),
    page(
        PageAct::Left,
        &[Left],
        "further to the left in them; else the pane before",
    )
    .named("left"),
    scroll(ScrollStep::Up, &[Up, Char('k')], "one line up"),
    scroll(ScrollStep::Down, &[Down, Char('j')], "one line down"),
    scroll(ScrollStep::PageUp, &[PageUp, control('b')], "one page up"),
    scroll(
        ScrollStep::PageDown,
        &[PageDown, control('f')],
        "one page down",
    ),
    scroll(ScrollStep::HalfUp, &[control('u')], "half a page up"),
    scroll(ScrollStep::HalfDown, &[control('d')], "half a page down"),
    scroll(ScrollStep::First, &[Char('g'), Home], "to the beginning"),
    scroll(ScrollStep::Last, &[Char('G'), End], "to the end"),
    COPY,
    HELP,
];

/// Where a text is typed.
pub(super) const EDITING: &[Binding] = &[
    edit(
        FieldEdit::Left,
        &[Left, control('b')],
        "one letter to the left",
    ),
    edit(
        FieldEdit::Right,
        &[Right, control('f')],
        "one letter to the right",
    ),
    edit(
        FieldEdit::Home,
        &[Home, control('a')],
        "to the beginning of the line",
    ),
    edit(FieldEdit::End, &[End, control('e')], "to its end"),
    OLDER,
    edit(FieldEdit::Newer, &[Down], "what was typed after it"),
    // Some terminals send Ctrl-H for Backspace.
    edit(
        FieldEdit::Erase,
        &[Backspace, control('h')],
        "erase the letter before the cursor",
    )
    .named("erase"),
    edit(
        FieldEdit::EraseAhead,
        &[Delete],
        "erase the letter under the cursor",
    ),
    edit(
        FieldEdit::EraseWord,
        &[control('w')],
        "erase the word before the cursor",
    ),
    edit(
        FieldEdit::EraseToEnd,
        &[control('k')],
        "erase what is behind the cursor",
    ),
    edit(FieldEdit::EraseAll, &[control('u')], "empty it").named("empty"),
];

pub(super) const SCRIPTS: Binding = view(
    ViewAct::Scripts,
    &[Char('s')],
    "script",
    "{read the scripts; the script opens at what failed, or at the statement under the cursor|\
     the script, rollback script N, the checks of item N}",
)
.by_word("read", " script, read N, read checks N");

pub(super) const LOCKS: Binding = view(
    ViewAct::Locks,
    &[Char('l')],
    "locks",
    "which statement took which lock, who waits for us, whom we wait for",
);

pub(super) const MESSAGES: Binding = view(
    ViewAct::Messages,
    &[Char('m')],
    "messages",
    "everything the server said, and where permitted the end of its log",
);

pub(super) const IMPACT: Binding = view(
    ViewAct::Told(&ToldPane {
        name: "impact",
        title: "IMPACT, as far as the script's text says",
        told: tell_impact,
    }),
    &[Char('i')],
    "impact",
    "what the script is expected to do: tables and sizes, objects, locks, whole-table reads",
)
.by_word("impact", "");

fn tell_impact(runbook: &Runbook, account: &Account) -> Vec<ImpactLine> {
    match runbook.is_read_through() {
        true => runbook.impact().told(Some(account.measure.as_ref())),
        false => vec![ImpactLine::Line(UNREAD.to_owned())],
    }
}

pub(super) const ITEM: Binding = view(
    ViewAct::Item,
    &[Enter],
    "detail",
    "{go to what the item waits for: the unread script, the next finding, the text to type; else its \
     whole evidence|all evidence of item N}",
)
.by_word("show", " N");

pub(super) const DETAIL: Binding = view(
    ViewAct::Detail,
    &[Enter],
    "",
    "to the checks and back; on a statement: all of it",
);

pub(super) const ACCEPT: Binding = view(ViewAct::Accept, &[Enter], "done", "take the text");

pub(super) const CLOSE: Binding = view(ViewAct::Close, &[Esc], "close", "leave it");

pub(super) const OLDER: Binding = edit(FieldEdit::Older, &[Up], "what was typed before");

pub(super) const NEW_LINE: Binding = edit(
    FieldEdit::NewLine,
    &[control('j')],
    "begin a new line, as Alt-Enter does; Enter asks. A paste keeps its lines",
);

pub(super) const EDITOR: Binding = view(
    ViewAct::OpenEditor,
    &[control('x')],
    "",
    "open it in your editor (PSQL_EDITOR, EDITOR, VISUAL, else vi), as psql's \\e",
)
.named("open editor");

pub(super) const FIND: Binding = view(ViewAct::Find, &[Char('/')], "find", "find a text");

pub(super) const COPY: Binding = view(
    ViewAct::Copy,
    &[Char('Y')],
    "",
    "copy into the terminal's clipboard: the statement under the cursor, the script's line, the \
     evidence, the answer, what failed; after a search the line that was found",
)
.named("copy");

pub(super) const HELP: Binding =
    view(ViewAct::Help, &[Char('?')], "help", "this help").by_word("help", "");

pub(super) const LOOK_AGAIN: Binding = view(
    ViewAct::LookAgain,
    &[Char('p')],
    "look again",
    "look at everything again, the checks too",
);

const fn page(act: PageAct, keys: &'static [KeyCode], help: &'static str) -> Binding {
    view(ViewAct::Page(act), keys, "", help)
}

const fn scroll(step: ScrollStep, keys: &'static [KeyCode], help: &'static str) -> Binding {
    page(PageAct::Scroll(step), keys, help)
}

const fn edit(act: FieldEdit, keys: &'static [KeyCode], help: &'static str) -> Binding {
    view(ViewAct::Edit(act), keys, "", help)
}
