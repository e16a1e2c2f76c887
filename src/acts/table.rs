//! The table itself: each act once, and below where it holds, in the footer's order.
//!
//! Where it means something else at a place than elsewhere, it says there what.

use super::place::KeyPlace;
use super::views::{
    ACCEPT, CLOSE, COPY, DETAIL, EDITING, EDITOR, IMPACT, ITEM, LOCKS, LOOK_AGAIN, LOOKING,
    MESSAGES, NEW_LINE, OLDER, READING, SCRIPTS,
};
use super::{Binding, gate};
use crate::gate::Act;
use KeyCode::{Char, Enter, Esc};
use crossterm::event::KeyCode;

/// Which acts hold where. A place may stand here more than once.
pub(super) const PLACES: &[(KeyPlace, &[Binding])] = &[
    (
        KeyPlace::Checklist,
        &[
            SIGN,
            WITHDRAW,
            ACKNOWLEDGE,
            ITEM,
            PROBE,
            LEAVE_OUT,
            APPLY,
            CANCEL.told(
                "cancel",
                "cancel what is probed, or the backup; nothing of it is left",
            ),
            BACK_UP,
            ASK.told(
                "outcome",
                "ask the server which way your run went that has no outcome",
            ),
        ],
    ),
    (
        KeyPlace::Running,
        &[
            CANCEL.told(
                "cancel",
                "cancel the statement (then only ROLLBACK) or next attempt",
            ),
            EXTEND,
            DETAIL.told(
                "statement",
                "all of the statement under the cursor: rows, messages, locks, text",
            ),
        ],
    ),
    (
        KeyPlace::Gate,
        &[
            COMMIT,
            ROLL_BACK,
            EXTEND,
            TAKE_TIME,
            QUERY,
            DETAIL.told("checks", "from the gate to the checks and back; on a statement: all of it"),
        ],
    ),
    (
        KeyPlace::Review,
        &[
            COMMIT.told(
                "COMMIT",
                "run it a second time and commit what comes out as shown here; asks as at the gate",
            ),
            ROLL_BACK.told("end", "end this run, which is rolled back; asks for {yes}"),
            NUMBERS,
            QUERY.told(
                "query",
                "ask what there is now, outside of any transaction, read-only",
            ),
            CANCEL.told("cancel", "cancel the query that runs"),
            DETAIL.told("checks", "from the review to the checks and back; on a statement: all of it"),
        ],
    ),
    (
        KeyPlace::Query,
        &[
            ACCEPT.told(
                "ask, Ctrl-J new line, Ctrl-X editor",
                "ask it: one SELECT, VALUES, WITH, TABLE, SHOW or EXPLAIN",
            ),
            CLOSE.told("back", "leave without asking"),
            OLDER.told("the one before", "a line up; on the first line the query before"),
            NEW_LINE,
            EDITOR,
        ],
    ),
    (
        KeyPlace::Querying,
        &[
            CANCEL.told("cancel", "cancel the query; the transaction stays as it is"),
            ROLL_BACK.told(
                "ROLLBACK",
                "cancel the query and undo everything; asks for {yes}",
            ),
            EXTEND,
        ],
    ),
    (
        KeyPlace::Consent,
        &[
            ANSWER.told("next", "take the answer; COMMIT asks for the database name last"),
            STEP_BACK.told(
                "back",
                "back to the gate; what was answered so far is forgotten",
            ),
        ],
    ),
    (KeyPlace::Name, &[ANSWER, STEP_BACK]),
    (
        KeyPlace::Question,
        &[
            YES,
            STEP_BACK
                .told("no, back", "back; nothing is sent")
                .on(&[Char('n'), Esc])
                .by_word("no", ""),
        ],
    ),
    (
        KeyPlace::Outcome,
        &[
            CANCEL.told(
                "end the wait",
                "end the wait of COMMIT for its standbys; it is committed on this server alone then",
            ),
            END_BACKEND,
            DETAIL,
        ],
    ),
    (
        KeyPlace::End,
        &[
            DETAIL,
            CANCEL.told(
                "cancel",
                "cancel the post-verification; what is committed stays committed",
            ),
            AGAIN,
            ASK,
        ],
    ),
    (
        KeyPlace::Reader,
        &[
            CLOSE.told("close", "close the pane").on(&[Esc, Char('q')]),
            ROLL_BACK.told(
                "ROLLBACK",
                "close the pane and ask for ROLLBACK, while a transaction is held",
            ),
            QUERY.told(
                "query",
                "close the pane and ask something inside the held transaction",
            ),
            CANCEL,
            EXTEND,
        ],
    ),
    (KeyPlace::Pager, READING),
    (KeyPlace::Everywhere, LOOKING),
    (KeyPlace::Everywhere, &[QUIT]),
    (
        KeyPlace::Text,
        &[ACCEPT, CLOSE.told("back", "leave without it")],
    ),
    (
        KeyPlace::Secret,
        &[
            ACCEPT.told("connect", "connect with it"),
            CLOSE.told("leave", "leave without connecting"),
        ],
    ),
    (KeyPlace::Field, EDITING),
    (
        KeyPlace::Inspect,
        &[
            LOOK_AGAIN,
            SCRIPTS.told("", "the scripts of the runbook"),
            LOCKS.told(
                "",
                "locks of other sessions on the script's tables, and long transactions",
            ),
            MESSAGES.told(
                "",
                "what could not be seen, and why; what to know of the server",
            ),
            IMPACT.told(
                "",
                "what the script is expected to do, beside the sizes of its tables",
            ),
            COPY.told(
                "",
                "copy into the terminal's clipboard: the script's line; elsewhere the line that was found",
            ),
            QUIT.told("", "close the help; else leave: nothing is held here"),
            CLOSE.told("", "close the help"),
        ],
    ),
];

const SIGN: Binding = gate(
    Act::SignOff,
    &[Char(' ')],
    "sign",
    "sign the item off, on the evidence shown",
)
.by_word("sign", " N [REFERENCE, DATABASE or WORDS]");

const WITHDRAW: Binding = gate(
    Act::Withdraw,
    &[Char('u')],
    "unsign",
    "take the sign-off back",
)
.by_word("withdraw", " N");

const ACKNOWLEDGE: Binding = gate(
    Act::Acknowledge,
    &[Char('f')],
    "",
    "acknowledge the next finding of the linter on the item",
)
.by_word("acknowledge", " N");

const PROBE: Binding = gate(
    Act::ProbeAgain,
    &[Char('p')],
    "probe",
    "look for the evidence of every item again",
)
.by_word("probe", "");

const LEAVE_OUT: Binding = gate(
    Act::LeaveOut,
    &[Char('d')],
    "do without",
    "in a rollback: do without what says (if needed), or not",
)
.by_word("leave-out", "");

const APPLY: Binding = gate(
    Act::Apply,
    &[Char('a')],
    "apply",
    "run the script in a transaction, once every item is signed",
)
.by_word("apply", "");

const CANCEL: Binding = gate(
    Act::Cancel,
    &[Char('x')],
    "cancel",
    "cancel what runs: the statement, the query, the probes, the backup, the wait of COMMIT",
)
.by_word("cancel", "");

const BACK_UP: Binding = gate(
    Act::BackUp,
    &[Char('b')],
    "backup",
    "back the database up with pg_dump{; asks for the folder| into that folder}",
)
.by_word("backup", " FOLDER");

const ASK: Binding = gate(
    Act::AskOutcome,
    &[Char('o')],
    "ask again",
    "ask the server once more which way the transaction went",
)
.by_word("ask", "");

const EXTEND: Binding = gate(
    Act::Extend,
    &[Char('+')],
    "extend",
    "extend the hold by its limit once more",
)
.by_word("extend", "");

const COMMIT: Binding = gate(
    Act::AskCommit,
    &[Char('c')],
    "COMMIT",
    "make it permanent; asks for the database name, and before it for what is needed beside",
)
.by_word("commit", "");

const ROLL_BACK: Binding = gate(
    Act::AskRollback,
    &[Char('r')],
    "ROLLBACK",
    "undo everything; asks for {yes}",
)
.by_word("rollback", "");

const TAKE_TIME: Binding = gate(
    Act::TakeTime,
    &[Char('t')],
    "take time",
    "roll back now and review with nothing held; {commit} then runs it again, and commits what comes \
     out the same",
)
.by_word("take-time", "");

const NUMBERS: Binding = gate(
    Act::AllowNumbers,
    &[Char('v')],
    "numbers",
    "let row counts and numbers differ in the second pass, or not any more; {among the statements: \
     those of the one under the cursor|with N those of statement N}",
)
.by_word("numbers", " [N]");

const QUERY: Binding = gate(
    Act::Query,
    &[Char(':')],
    "query",
    "ask something inside the held transaction, read-only",
)
.by_word("query", " SELECT …");

const ANSWER: Binding = gate(
    Act::Answer,
    &[Enter],
    "COMMIT",
    "send COMMIT, if the name is the right one",
);

const STEP_BACK: Binding = gate(
    Act::StepBack,
    &[Esc],
    "back",
    "back to the gate; nothing is sent",
)
.by_word("back", "");

const YES: Binding = gate(
    Act::ConfirmRollback,
    &[Char('y')],
    "yes, ROLLBACK",
    "send ROLLBACK; in a review, end the run",
)
.by_word("yes", "");

const END_BACKEND: Binding = gate(
    Act::EndBackend,
    &[Char('e')],
    "end the old session",
    "end our old session on the server, which still holds the transaction, then ask again",
)
.by_word("end-backend", "");

const AGAIN: Binding = gate(
    Act::Again,
    &[Char('w')],
    "walk again",
    "walk again from the checklist; sign-offs stay where the evidence still holds",
)
.by_word("again", "");

const QUIT: Binding = gate(
    Act::Quit,
    &[Char('q')],
    "quit",
    "leave; refused while a transaction is open; {pressed|typed} again, roll back and leave",
)
.by_word("quit", "");
