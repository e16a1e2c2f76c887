//! The table itself, and what a key can ask of what is looked at.

use super::{Binding, Does, KeyPlace};
use crate::gate::Act;
use crate::tui::field::FieldEdit;
use crate::tui::pager::{MOVING_KEYS, PageAct, PageKey, READING_KEYS};
use KeyCode::{
    BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, Home, Left, Right, Tab, Up,
};
use crossterm::event::KeyCode;
use std::sync::LazyLock;

/// What changes only what is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewAct {
    /// It is the pager's, in whatever screen.
    Page(PageAct),
    NextPane,
    PreviousPane,
    Detail,
    Scripts,
    Locks,
    Messages,
    Impact,
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

/// Every key there is, the pager's as it tells them itself. Two more stand outside it, because raw mode
/// delivers them as keys: Ctrl-C does what `q` does, and Ctrl-Z is refused with the reason.
pub static BINDINGS: LazyLock<Vec<Binding>> = LazyLock::new(|| {
    let paged = |place, keys: &[PageKey]| -> Vec<Binding> {
        let page = |key: &PageKey| view(place, key.keys, ViewAct::Page(key.act), "", key.help);
        keys.iter().map(page).collect()
    };
    let reading = paged(KeyPlace::Pager, READING_KEYS);
    let moving = paged(KeyPlace::Everywhere, MOVING_KEYS);
    [FIRST, &reading, &moving, LAST].concat()
});

/// The keys of every place but the pager's, as far as they are told before those.
const FIRST: &[Binding] = &[
    gate(
        KeyPlace::Checklist,
        &[Char(' ')],
        Act::SignOff,
        "sign",
        "sign the item off, on the evidence shown",
    ),
    gate(
        KeyPlace::Checklist,
        &[Char('u')],
        Act::Withdraw,
        "unsign",
        "take the sign-off back",
    ),
    gate(
        KeyPlace::Checklist,
        &[Char('f')],
        Act::Acknowledge,
        "",
        "acknowledge the next finding of the linter on the item",
    ),
    view(
        KeyPlace::Checklist,
        &[Enter],
        ViewAct::Detail,
        "detail",
        "go to what the item waits for: the unread script, the next finding, the text to type; else its whole evidence",
    ),
    gate(
        KeyPlace::Checklist,
        &[Char('p')],
        Act::ProbeAgain,
        "probe",
        "look for the evidence of every item again",
    ),
    gate(
        KeyPlace::Checklist,
        &[Char('d')],
        Act::LeaveOut,
        "do without",
        "in a rollback: do without what says (if needed), or not",
    ),
    gate(
        KeyPlace::Checklist,
        &[Char('a')],
        Act::Apply,
        "apply",
        "run the script in a transaction, once every item is signed",
    ),
    gate(
        KeyPlace::Checklist,
        &[Char('x')],
        Act::Cancel,
        "cancel",
        "cancel what is probed, or the backup; nothing of it is left",
    ),
    gate(
        KeyPlace::Checklist,
        &[Char('b')],
        Act::BackUp,
        "backup",
        "back the database up with pg_dump; asks for the folder",
    ),
    gate(
        KeyPlace::Checklist,
        &[Char('o')],
        Act::AskOutcome,
        "outcome",
        "ask the server which way your run went that has no outcome",
    ),
    gate(
        KeyPlace::Running,
        &[Char('x')],
        Act::Cancel,
        "cancel",
        "cancel the statement (then only ROLLBACK) or next attempt",
    ),
    gate(
        KeyPlace::Running,
        &[Char('+')],
        Act::Extend,
        "extend",
        "extend the hold by its limit once more",
    ),
    view(
        KeyPlace::Running,
        &[Enter],
        ViewAct::Detail,
        "statement",
        "all of the statement under the cursor: rows, messages, locks, text",
    ),
    gate(
        KeyPlace::Gate,
        &[Char('c')],
        Act::AskCommit,
        "COMMIT",
        "make it permanent; asks for the database name, and before it for what is needed beside",
    ),
    gate(
        KeyPlace::Gate,
        &[Char('r')],
        Act::AskRollback,
        "ROLLBACK",
        "undo everything; asks for y",
    ),
    gate(
        KeyPlace::Gate,
        &[Char('+')],
        Act::Extend,
        "extend",
        "extend the hold by its limit once more",
    ),
    gate(
        KeyPlace::Gate,
        &[Char('t')],
        Act::TakeTime,
        "take time",
        "roll back now and review with nothing held; c then runs it again, and commits what comes \
         out the same",
    ),
    gate(
        KeyPlace::Gate,
        &[Char(':')],
        Act::Query,
        "query",
        "ask something inside the held transaction, read-only",
    ),
    gate(
        KeyPlace::Review,
        &[Char('c')],
        Act::AskCommit,
        "COMMIT",
        "run it a second time and commit what comes out as shown here; asks as at the gate",
    ),
    gate(
        KeyPlace::Review,
        &[Char('r')],
        Act::AskRollback,
        "end",
        "end this run, which is rolled back; asks for y",
    ),
    gate(
        KeyPlace::Review,
        &[Char('v')],
        Act::AllowNumbers,
        "numbers",
        "let row counts and numbers differ in the second pass, or not any more; among the statements: \
         those of the one under the cursor",
    ),
    gate(
        KeyPlace::Review,
        &[Char(':')],
        Act::Query,
        "query",
        "ask what there is now, outside of any transaction, read-only",
    ),
    gate(
        KeyPlace::Review,
        &[Char('x')],
        Act::Cancel,
        "cancel",
        "cancel the query that runs",
    ),
    view(
        KeyPlace::Review,
        &[Enter],
        ViewAct::Detail,
        "checks",
        "from the review to the checks and back; on a statement: all of it",
    ),
    view(
        KeyPlace::Query,
        &[Enter],
        ViewAct::Accept,
        "ask, Ctrl-J new line, Ctrl-X editor",
        "ask it: one SELECT, VALUES, WITH, TABLE, SHOW or EXPLAIN",
    ),
    view(
        KeyPlace::Query,
        &[Esc],
        ViewAct::Close,
        "back",
        "leave without asking",
    ),
    view(
        KeyPlace::Query,
        &[Up],
        ViewAct::Edit(FieldEdit::Older),
        "the one before",
        "a line up; on the first line the query before",
    ),
    gate(
        KeyPlace::Querying,
        &[Char('x')],
        Act::Cancel,
        "cancel",
        "cancel the query; the transaction stays as it is",
    ),
    gate(
        KeyPlace::Querying,
        &[Char('r')],
        Act::AskRollback,
        "ROLLBACK",
        "cancel the query and undo everything; asks for y",
    ),
    gate(
        KeyPlace::Querying,
        &[Char('+')],
        Act::Extend,
        "extend",
        "extend the hold by its limit once more",
    ),
    view(
        KeyPlace::Gate,
        &[Enter],
        ViewAct::Detail,
        "checks",
        "from the gate to the checks and back; on a statement: all of it",
    ),
    gate(
        KeyPlace::Consent,
        &[Enter],
        Act::Answer,
        "next",
        "take the answer; COMMIT asks for the database name last",
    ),
    gate(
        KeyPlace::Consent,
        &[Esc],
        Act::StepBack,
        "back",
        "back to the gate; what was answered so far is forgotten",
    ),
    gate(
        KeyPlace::Name,
        &[Enter],
        Act::Answer,
        "COMMIT",
        "send COMMIT, if the name is the right one",
    ),
    gate(
        KeyPlace::Name,
        &[Esc],
        Act::StepBack,
        "back",
        "back to the gate; nothing is sent",
    ),
    gate(
        KeyPlace::Question,
        &[Char('y')],
        Act::ConfirmRollback,
        "yes, ROLLBACK",
        "send ROLLBACK",
    ),
    gate(
        KeyPlace::Question,
        &[Char('n'), Esc],
        Act::StepBack,
        "no, back",
        "back; nothing is sent",
    ),
    gate(
        KeyPlace::Outcome,
        &[Char('x')],
        Act::Cancel,
        "end the wait",
        "end the wait of COMMIT for its standbys; it is committed on this server alone then",
    ),
    gate(
        KeyPlace::Outcome,
        &[Char('e')],
        Act::EndBackend,
        "end the old session",
        "end our old session on the server, which still holds the transaction, then ask again",
    ),
    view(
        KeyPlace::Outcome,
        &[Enter],
        ViewAct::Detail,
        "",
        "to the checks and back; on a statement: all of it",
    ),
    view(
        KeyPlace::End,
        &[Enter],
        ViewAct::Detail,
        "",
        "to the checks and back; on a statement: all of it",
    ),
    gate(
        KeyPlace::End,
        &[Char('x')],
        Act::Cancel,
        "cancel",
        "cancel the post-verification; what is committed stays committed",
    ),
    gate(
        KeyPlace::End,
        &[Char('w')],
        Act::Again,
        "walk again",
        "walk again from the checklist; sign-offs stay where the evidence still holds",
    ),
    gate(
        KeyPlace::End,
        &[Char('o')],
        Act::AskOutcome,
        "ask again",
        "ask the server once more which way the transaction went",
    ),
    view(
        KeyPlace::Reader,
        &[Esc, Char('q')],
        ViewAct::Close,
        "close",
        "close the pane",
    ),
    gate(
        KeyPlace::Reader,
        &[Char('r')],
        Act::AskRollback,
        "ROLLBACK",
        "close the pane and ask for ROLLBACK, while a transaction is held",
    ),
    gate(
        KeyPlace::Reader,
        &[Char(':')],
        Act::Query,
        "query",
        "close the pane and ask something inside the held transaction",
    ),
    gate(
        KeyPlace::Reader,
        &[Char('x')],
        Act::Cancel,
        "cancel",
        "cancel what runs: the statement, the query, the probes, the backup, the wait of COMMIT",
    ),
    gate(
        KeyPlace::Reader,
        &[Char('+')],
        Act::Extend,
        "extend",
        "extend the hold by its limit once more",
    ),
    view(
        KeyPlace::Pager,
        &[Char('/')],
        ViewAct::Find,
        "find",
        "find a text",
    ),
    view(
        KeyPlace::Everywhere,
        &[Char('s')],
        ViewAct::Scripts,
        "script",
        "read the scripts; the script opens at what failed, or at the statement under the cursor",
    ),
    view(
        KeyPlace::Everywhere,
        &[Char('l')],
        ViewAct::Locks,
        "locks",
        "which statement took which lock, who waits for us, whom we wait for",
    ),
    view(
        KeyPlace::Everywhere,
        &[Char('m')],
        ViewAct::Messages,
        "messages",
        "everything the server said, and where permitted the end of its log",
    ),
    view(
        KeyPlace::Everywhere,
        &[Char('i')],
        ViewAct::Impact,
        "impact",
        "what the script is expected to do: tables and sizes, objects, locks, whole-table reads",
    ),
    view(
        KeyPlace::Everywhere,
        &[Tab],
        ViewAct::NextPane,
        "next pane",
        "the next pane or the next script",
    ),
    view(
        KeyPlace::Everywhere,
        &[BackTab],
        ViewAct::PreviousPane,
        "",
        "the pane or the script before",
    ),
];

/// Those that are told behind them.
const LAST: &[Binding] = &[
    view(
        KeyPlace::Everywhere,
        &[Char('Y')],
        ViewAct::Copy,
        "",
        "copy into the terminal's clipboard: the statement under the cursor, the script's line, the \
         evidence, the answer, what failed; after a search the line that was found",
    ),
    view(
        KeyPlace::Everywhere,
        &[Char('?')],
        ViewAct::Help,
        "help",
        "this help",
    ),
    gate(
        KeyPlace::Everywhere,
        &[Char('q')],
        Act::Quit,
        "quit",
        "leave; refused while a transaction is open; pressed again, roll back and leave",
    ),
    view(
        KeyPlace::Text,
        &[Enter],
        ViewAct::Accept,
        "done",
        "take the text",
    ),
    view(
        KeyPlace::Text,
        &[Esc],
        ViewAct::Close,
        "back",
        "leave without it",
    ),
    view(
        KeyPlace::Secret,
        &[Enter],
        ViewAct::Accept,
        "connect",
        "connect with it",
    ),
    view(
        KeyPlace::Secret,
        &[Esc],
        ViewAct::Close,
        "leave",
        "leave without connecting",
    ),
    view(
        KeyPlace::Field,
        &[Left],
        ViewAct::Edit(FieldEdit::Left),
        "",
        "one letter to the left",
    ),
    view(
        KeyPlace::Field,
        &[Right],
        ViewAct::Edit(FieldEdit::Right),
        "",
        "one letter to the right",
    ),
    view(
        KeyPlace::Field,
        &[Home],
        ViewAct::Edit(FieldEdit::Home),
        "",
        "to the beginning of the line",
    ),
    view(
        KeyPlace::Field,
        &[End],
        ViewAct::Edit(FieldEdit::End),
        "",
        "to its end",
    ),
    view(
        KeyPlace::Field,
        &[Up],
        ViewAct::Edit(FieldEdit::Older),
        "",
        "what was typed before",
    ),
    view(
        KeyPlace::Field,
        &[Down],
        ViewAct::Edit(FieldEdit::Newer),
        "",
        "what was typed after it",
    ),
    view(
        KeyPlace::Field,
        &[Backspace],
        ViewAct::Edit(FieldEdit::Erase),
        "",
        "erase the letter before the cursor",
    ),
    view(
        KeyPlace::Field,
        &[Delete],
        ViewAct::Edit(FieldEdit::EraseAhead),
        "",
        "erase the letter under the cursor",
    ),
    view(
        KeyPlace::Inspect,
        &[Char('p')],
        ViewAct::LookAgain,
        "look again",
        "look at everything again, the checks too",
    ),
    view(
        KeyPlace::Inspect,
        &[Char('s')],
        ViewAct::Scripts,
        "",
        "the scripts of the runbook",
    ),
    view(
        KeyPlace::Inspect,
        &[Char('l')],
        ViewAct::Locks,
        "",
        "locks of other sessions on the script's tables, and long transactions",
    ),
    view(
        KeyPlace::Inspect,
        &[Char('m')],
        ViewAct::Messages,
        "",
        "what could not be seen, and why; what to know of the server",
    ),
    view(
        KeyPlace::Inspect,
        &[Char('i')],
        ViewAct::Impact,
        "",
        "what the script is expected to do, beside the sizes of its tables",
    ),
    view(
        KeyPlace::Inspect,
        &[Char('Y')],
        ViewAct::Copy,
        "",
        "copy into the terminal's clipboard: the script's line; elsewhere the line that was found",
    ),
    gate(
        KeyPlace::Inspect,
        &[Char('q')],
        Act::Quit,
        "",
        "close the help; else leave: nothing is held here",
    ),
    view(
        KeyPlace::Inspect,
        &[Esc],
        ViewAct::Close,
        "",
        "close the help",
    ),
];

const fn gate(
    place: KeyPlace,
    keys: &'static [KeyCode],
    act: Act,
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        place,
        keys,
        does: Does::Gate(act),
        label,
        help,
    }
}

const fn view(
    place: KeyPlace,
    keys: &'static [KeyCode],
    act: ViewAct,
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        place,
        keys,
        does: Does::View(act),
        label,
        help,
    }
}
