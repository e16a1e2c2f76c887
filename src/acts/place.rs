//! Where a key, or a word, means something.

use crate::gate::machine::Machine;
use crate::gate::phase::{Phase, Prompt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyPlace {
    /// On every screen of the walk.
    Everywhere,
    Checklist,
    Running,
    /// At the gate, and where only ROLLBACK is left.
    Gate,
    /// Where a pass is reviewed with nothing held.
    Review,
    /// While COMMIT asks for a reason or a second signer.
    Consent,
    /// While the database name is typed for COMMIT.
    Name,
    /// While the question whether to roll back is open.
    Question,
    /// While the outcome is being proven.
    Outcome,
    End,
    /// In a pane that covers the screen: scripts, locks, messages, evidence, help.
    Reader,
    /// In those, and in every pane of `inspect`.
    Pager,
    /// While a text is typed: a reference, a folder, a search.
    Text,
    /// While a password or a passphrase is typed.
    Secret,
    /// In every text that is typed.
    Field,
    /// While a query is typed.
    Query,
    /// While a query runs inside the transaction.
    Querying,
    Inspect,
}

impl KeyPlace {
    /// Every place, in the order of the help.
    pub const ALL: [KeyPlace; 18] = [
        KeyPlace::Checklist,
        KeyPlace::Running,
        KeyPlace::Gate,
        KeyPlace::Review,
        KeyPlace::Query,
        KeyPlace::Querying,
        KeyPlace::Consent,
        KeyPlace::Name,
        KeyPlace::Question,
        KeyPlace::Outcome,
        KeyPlace::End,
        KeyPlace::Everywhere,
        KeyPlace::Reader,
        KeyPlace::Pager,
        KeyPlace::Secret,
        KeyPlace::Text,
        KeyPlace::Field,
        KeyPlace::Inspect,
    ];

    /// What it is called in help and `assets/keys.md`.
    pub fn title(self) -> &'static str {
        match self {
            KeyPlace::Everywhere => "Everywhere",
            KeyPlace::Checklist => "Checklist",
            KeyPlace::Running => "While the script runs",
            KeyPlace::Gate => "At the gate",
            KeyPlace::Review => "In a review, with nothing held",
            KeyPlace::Consent => "When COMMIT asks for a reason or a second signer",
            KeyPlace::Name => "Typing the name for COMMIT",
            KeyPlace::Question => "When asked whether to roll back",
            KeyPlace::Outcome => "While the outcome is proven",
            KeyPlace::End => "At the end",
            KeyPlace::Reader => "In a pane that covers the screen",
            KeyPlace::Pager => "Reading such a pane, and in inspect",
            KeyPlace::Text => "While typing a reference, a folder or a search",
            KeyPlace::Secret => "Typing a password or a passphrase",
            KeyPlace::Field => "In every text that is typed",
            KeyPlace::Query => "Typing a query",
            KeyPlace::Querying => "While a query runs",
            KeyPlace::Inspect => "In inspect",
        }
    }

    /// The place that the machine's phase is, whatever the screen covers it with.
    pub fn of(machine: &Machine) -> KeyPlace {
        match machine.phase() {
            Phase::Connecting => KeyPlace::Everywhere,
            Phase::Checklist { .. } => KeyPlace::Checklist,
            Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Returning { .. }
            | Phase::Waiting { .. } => KeyPlace::Running,
            Phase::Deciding { prompt, .. } | Phase::Reviewing { prompt, .. } => match prompt {
                Prompt::Closed if matches!(machine.phase(), Phase::Reviewing { .. }) => {
                    KeyPlace::Review
                }
                Prompt::Closed => KeyPlace::Gate,
                Prompt::Reason | Prompt::SecondSigner => KeyPlace::Consent,
                Prompt::Name => KeyPlace::Name,
                Prompt::RollBack => KeyPlace::Question,
            },
            Phase::MustRollBack { asking: true, .. } | Phase::Querying { asking: true, .. } => {
                KeyPlace::Question
            }
            Phase::Querying { asking: false, .. } => KeyPlace::Querying,
            Phase::MustRollBack { asking: false, .. } => KeyPlace::Gate,
            Phase::Committing { .. } | Phase::RollingBack { .. } | Phase::Inquiring { .. } => {
                KeyPlace::Outcome
            }
            Phase::PostVerifying { .. } | Phase::Ended(_) | Phase::Left(_) => KeyPlace::End,
        }
    }

    /// Whether the keys of [`KeyPlace::Everywhere`] hold here too.
    pub fn shares(self) -> bool {
        let asks = matches!(self, KeyPlace::Question | KeyPlace::Field);
        !asks && !self.types()
    }

    /// Whether something is read here page by page, so that the keys of [`KeyPlace::Pager`] hold too.
    pub fn pages(self) -> bool {
        matches!(self, KeyPlace::Reader | KeyPlace::Inspect)
    }

    /// Whether a text is typed here, so that a letter is a letter and the keys of [`KeyPlace::Field`] hold.
    pub fn types(self) -> bool {
        use KeyPlace::{Consent, Name, Query, Secret, Text};
        matches!(self, Consent | Name | Text | Secret | Query)
    }
}
