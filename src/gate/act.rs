//! What a person can ask for: the act, and the command with what goes with it.
//!
//! Which key or word asks for an act stands in the table of `acts`; when it is offered, the machine says.

/// What a person can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Sign an item, with the typed reference where it takes one.
    SignOff {
        item: usize,
        /// The typed text, such as the reference to a backup.
        note: Option<String>,
    },
    Withdraw {
        item: usize,
    },
    /// Look for the evidence of every item again.
    ProbeAgain,
    /// Make a dump of the database.
    BackUp {
        /// The folder to put it into, as it was typed.
        folder: String,
    },
    /// Leave out what the runbook says can be left out, or take it back in.
    LeaveOut,
    /// Open the transaction and run the script.
    Apply,
    /// Cancel the statement that runs, or the dump under way.
    Cancel,
    /// Acknowledge the next finding of the linter on an item.
    Acknowledge {
        item: usize,
    },
    /// Open what COMMIT asks first.
    AskCommit,
    /// Why a script without checks is committed.
    ReasonGiven(String),
    SecondSigned(String),
    NameTyped(String),
    /// Open the question whether to roll back.
    AskRollback,
    ConfirmRollback,
    /// Ask something inside the held transaction.
    Query(String),
    /// Roll back now, and review what the pass showed with nothing held.
    TakeTime,
    /// Let counts and numbers differ in the second pass, or not any more: those of the statement with
    /// this number, or all.
    AllowNumbers(Option<usize>),
    StepBack,
    Extend,
    /// Back to the checklist after a rollback.
    Again,
    /// End the old backend that still holds the transaction of a lost link.
    EndBackend,
    /// Ask the server which way the transaction went: once more, or that of a run before this one.
    AskOutcome,
    Quit,
}

/// A command without what goes with it: what footer, help and dispatch share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    SignOff,
    Withdraw,
    Acknowledge,
    ProbeAgain,
    BackUp,
    LeaveOut,
    Apply,
    Cancel,
    AskCommit,
    Answer,
    AskRollback,
    ConfirmRollback,
    StepBack,
    TakeTime,
    AllowNumbers,
    Query,
    Extend,
    Again,
    EndBackend,
    AskOutcome,
    Quit,
}

impl Act {
    pub const ALL: [Act; 21] = [
        Act::SignOff,
        Act::Withdraw,
        Act::Acknowledge,
        Act::ProbeAgain,
        Act::BackUp,
        Act::LeaveOut,
        Act::Apply,
        Act::Cancel,
        Act::AskCommit,
        Act::Answer,
        Act::AskRollback,
        Act::ConfirmRollback,
        Act::StepBack,
        Act::TakeTime,
        Act::AllowNumbers,
        Act::Query,
        Act::Extend,
        Act::Again,
        Act::EndBackend,
        Act::AskOutcome,
        Act::Quit,
    ];

    /// The command of it, where nothing has to be typed with it.
    pub fn command(self) -> Option<Command> {
        match self {
            Act::SignOff
            | Act::Withdraw
            | Act::Acknowledge
            | Act::BackUp
            | Act::Answer
            | Act::AllowNumbers
            | Act::Query => None,
            Act::ProbeAgain => Some(Command::ProbeAgain),
            Act::LeaveOut => Some(Command::LeaveOut),
            Act::Apply => Some(Command::Apply),
            Act::Cancel => Some(Command::Cancel),
            Act::AskCommit => Some(Command::AskCommit),
            Act::AskRollback => Some(Command::AskRollback),
            Act::ConfirmRollback => Some(Command::ConfirmRollback),
            Act::StepBack => Some(Command::StepBack),
            Act::TakeTime => Some(Command::TakeTime),
            Act::Extend => Some(Command::Extend),
            Act::Again => Some(Command::Again),
            Act::EndBackend => Some(Command::EndBackend),
            Act::AskOutcome => Some(Command::AskOutcome),
            Act::Quit => Some(Command::Quit),
        }
    }
}

impl Command {
    pub fn act(&self) -> Act {
        match self {
            Command::SignOff { .. } => Act::SignOff,
            Command::Withdraw { .. } => Act::Withdraw,
            Command::Acknowledge { .. } => Act::Acknowledge,
            Command::ProbeAgain => Act::ProbeAgain,
            Command::BackUp { .. } => Act::BackUp,
            Command::LeaveOut => Act::LeaveOut,
            Command::Apply => Act::Apply,
            Command::Cancel => Act::Cancel,
            Command::AskCommit => Act::AskCommit,
            Command::ReasonGiven(_) | Command::SecondSigned(_) | Command::NameTyped(_) => {
                Act::Answer
            }
            Command::AskRollback => Act::AskRollback,
            Command::ConfirmRollback => Act::ConfirmRollback,
            Command::StepBack => Act::StepBack,
            Command::TakeTime => Act::TakeTime,
            Command::AllowNumbers(_) => Act::AllowNumbers,
            Command::Query(_) => Act::Query,
            Command::Extend => Act::Extend,
            Command::Again => Act::Again,
            Command::EndBackend => Act::EndBackend,
            Command::AskOutcome => Act::AskOutcome,
            Command::Quit => Act::Quit,
        }
    }
}
