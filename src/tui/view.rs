//! One view a region. Each is a function from what is known to lines; none keeps a state, so what
//! is on screen is always what the machine and the account say.

pub(crate) mod answer;
pub(crate) mod checklist;
pub(crate) mod checks;
pub(crate) mod cramped;
pub(crate) mod differences;
pub(crate) mod ending;
pub(crate) mod footer;
pub(crate) mod gate;
pub(crate) mod grid;
pub(crate) mod header;
pub(crate) mod help;
pub(crate) mod locks;
pub(crate) mod messages;
pub(crate) mod must_roll_back;
pub(crate) mod prompt;
pub(crate) mod proving;
pub(crate) mod review;
#[cfg(test)]
mod rolls;
pub(crate) mod server_error;
pub(crate) mod statement;
pub(crate) mod stream;
pub(crate) mod title;
pub(crate) mod told;

use super::reader::{DocumentStanding, documents};
use super::text::counted;
use super::theme::Appearance;
use crate::account::Account;
use crate::facts::{Ending, Millis, Target};
use crate::gate::Act;
use crate::gate::event::Document;
use crate::gate::machine::Machine;
use crate::gate::phase::Phase;
use crate::runbook::Runbook;
use ratatui::style::{Style, Styled};
use ratatui::text::Line;

/// From this width on there are two columns.
pub(crate) const TWO_COLUMNS: u16 = 120;
/// From this height of the body on a second pane stands below the first.
pub(crate) const TWO_ROWS: u16 = 28;

#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub look: Appearance,
    pub runbook: &'a Runbook,
    pub machine: &'a Machine,
    pub account: &'a Account,
    pub cursor: usize,
    /// What is counted once of the script.
    pub outline: &'a stream::Outline,
    pub journal: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PhasePane {
    Proving,
    Checklist,
    Stream,
    Checks,
    Gate,
    Review,
    MustRollBack,
    Querying,
    Ending,
    Post,
}

impl PhasePane {
    /// The panes of a phase; the first is the one that it opens with.
    pub(crate) fn of(machine: &Machine) -> &'static [PhasePane] {
        match machine.phase() {
            Phase::Connecting => &[PhasePane::Proving],
            Phase::Checklist { .. } => &[PhasePane::Checklist],
            Phase::Beginning { .. } | Phase::Applying { .. } => {
                &[PhasePane::Stream, PhasePane::Checks]
            }
            Phase::Verifying { .. } => &[PhasePane::Checks, PhasePane::Stream],
            Phase::Deciding { .. } => &[PhasePane::Gate, PhasePane::Checks, PhasePane::Stream],
            Phase::Reviewing { .. } => &[PhasePane::Review, PhasePane::Checks, PhasePane::Stream],
            Phase::MustRollBack { .. } => &[
                PhasePane::MustRollBack,
                PhasePane::Checks,
                PhasePane::Stream,
            ],
            Phase::Querying { .. } => &[PhasePane::Querying, PhasePane::Checks, PhasePane::Stream],
            Phase::TakingDown { .. }
            | Phase::Committing { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Returning { .. }
            | Phase::Waiting { .. } => &[PhasePane::Proving, PhasePane::Checks, PhasePane::Stream],
            Phase::PostVerifying { .. } => &[PhasePane::Post, PhasePane::Checks, PhasePane::Stream],
            Phase::Ended(Ending::NotConnected) => &[PhasePane::Ending],
            Phase::Ended(Ending::Committed { .. }) => &[
                PhasePane::Ending,
                PhasePane::Post,
                PhasePane::Checks,
                PhasePane::Stream,
            ],
            Phase::Ended(
                Ending::RolledBack { .. } | Ending::Prepared { .. } | Ending::Unknown { .. },
            )
            | Phase::Left(_) => &[PhasePane::Ending, PhasePane::Checks, PhasePane::Stream],
        }
    }

    /// Its name among its neighbours.
    pub(crate) fn name(self) -> &'static str {
        match self {
            PhasePane::Proving => "now",
            PhasePane::Checklist => "checklist",
            PhasePane::Stream => "statements",
            PhasePane::Checks => "checks",
            PhasePane::Gate => "gate",
            PhasePane::Review => "review",
            PhasePane::MustRollBack => "why",
            PhasePane::Querying => "query",
            PhasePane::Ending => "outcome",
            PhasePane::Post => "post-verify",
        }
    }
}

impl Scene<'_> {
    /// Whether the open transaction may hold locks.
    pub(crate) fn holds_locks(&self) -> bool {
        self.account.holds_locks(self.machine, &self.runbook.script)
    }

    /// The transaction's id, or that it is unknown.
    pub(crate) fn xid(&self) -> String {
        let xid = self.account.transaction.xid.as_deref();
        self.look.clean(xid.unwrap_or("unknown"))
    }

    pub(crate) fn open(&self, act: Act) -> bool {
        self.machine.offer(act).is_open()
    }

    /// How many statements the script sends.
    pub(crate) fn sent(&self) -> usize {
        self.outline.sent
    }

    /// Whether this statement's numbers may come out otherwise in a second pass, and are told so.
    pub(crate) fn may_differ(&self, number: usize) -> bool {
        let allowance = self.machine.allowance();
        let basis = self.machine.basis();
        allowance.covers(Some(number))
            && basis.is_some_and(|basis| basis.shown().is_numbered(number))
    }

    /// What COMMIT makes permanent: what only looks leaves nothing behind that could be.
    pub(crate) fn work(&self) -> String {
        match self.outline.working {
            0 => "what the script did".to_owned(),
            working => counted(working, "statement", "statements"),
        }
    }

    /// The whole length of the hold as it stands now.
    pub(crate) fn hold_in_all(&self) -> Option<Millis> {
        Some(self.account.held()? + self.machine.hold_left()?)
    }

    /// `host:port`, or the socket's directory and port.
    pub(crate) fn host(&self, target: &Target) -> String {
        self.look.clean(&format!("{}:{}", target.host, target.port))
    }

    /// The first word of the server's version.
    pub(crate) fn version(&self, target: &Target) -> String {
        let version = target.server_version.split(' ').next().unwrap_or_default();
        self.look.clean(version)
    }

    pub(crate) fn line(&self, text: impl Into<String>, style: Style) -> Line<'static> {
        Line::from(text.into().set_style(style))
    }

    /// A band: `text` on a coloured ground, across `width`.
    pub(crate) fn band(&self, text: &str, style: Style, width: usize) -> Line<'static> {
        self.line(self.look.fit(text, width), style)
    }

    /// A heading with a level line to the right of it.
    pub(crate) fn heading(&self, text: &str, width: usize) -> Line<'static> {
        self.look.heading(text, width)
    }

    /// For each document of the runbook, how far a signature asks for it to be read.
    pub(crate) fn standings(&self) -> Vec<(Document, DocumentStanding)> {
        let standing = |document: &Document| {
            let mut needed = self.machine.plan().items.iter();
            let mut items = self.machine.items().iter();
            let mut before = self.account.read_before.iter();
            if !needed.any(|item| item.documents.contains(document)) {
                DocumentStanding::NotAsked
            } else if items.any(|item| item.unread.contains(document)) {
                DocumentStanding::Unread
            } else if before.any(|(one, _)| one == document) {
                DocumentStanding::ReadBefore
            } else {
                DocumentStanding::Read
            }
        };
        let documents = documents(self.runbook).into_iter();
        documents
            .map(|document| (document, standing(&document)))
            .collect()
    }
}
