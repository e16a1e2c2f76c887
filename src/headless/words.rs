//! The words that stand for keys.

use crate::gate::event::Document;
use crate::gate::phase::Prompt;
use crate::gate::{Act, Command, Machine};
use crate::runbook::Runbook;

/// What a typed line means.
#[derive(Debug, PartialEq, Eq)]
pub enum TypedMeaning {
    /// A command for the machine.
    Command(Command),
    /// Show the evidence of the item with this index.
    Show(usize),
    /// Print a document, which counts as reading it to its end.
    Read(Document),
    /// Show what the script is expected to do.
    Impact,
    /// Say what can be typed.
    Help,
    Nothing(String),
}

/// The word for an act, with what goes with it.
pub fn name_act(act: Act) -> String {
    let (word, after) = act.word();
    format!("{word}{after}")
}

/// What typing that word does, in a line.
pub fn explain_act(act: Act) -> &'static str {
    match act {
        Act::SignOff => "signs item N, with what it asks for typed behind the number",
        Act::Withdraw => "takes the signature of item N back",
        Act::Acknowledge => "acknowledges the next finding of the linter on item N",
        Act::ProbeAgain => "looks for the evidence of every item again",
        Act::BackUp => "makes a dump with pg_dump into that folder",
        Act::LeaveOut => "one or the other, in turn",
        Act::Apply => "runs the script in a transaction, once every item is signed",
        Act::Cancel => "cancels what runs: the probes, the dump, the statement, the next attempt",
        Act::AskCommit => "makes it permanent; asks for the name of the database",
        Act::Answer => "is typed as it is",
        Act::AskRollback => "undoes everything; asks for yes",
        Act::ConfirmRollback => "undoes everything",
        Act::StepBack => "goes back; nothing is decided",
        Act::TakeTime => {
            "rolls back now, for a review with nothing held; commit then runs it again"
        }
        Act::AllowNumbers => {
            "lets row counts and numbers differ in the second pass, or not any more"
        }
        Act::Query => "asks something, read-only by the server",
        Act::Extend => "extends the hold by its limit once more",
        Act::Again => "goes back to the checklist; what still holds stays signed",
        Act::EndBackend => "ends the old session that still holds the transaction",
        Act::AskOutcome => "asks the server which way the transaction went",
        Act::Quit => "leaves; refused while a transaction is open",
    }
}

pub fn read_typed_line(text: &str, machine: &Machine, runbook: &Runbook) -> TypedMeaning {
    let text = text.trim();
    // An open question of COMMIT takes every line but `back`: a database may have any name.
    let prompt = machine.phase().prompt();
    if prompt.is_for_commit() {
        let text = text.to_owned();
        return TypedMeaning::Command(match prompt {
            _ if text == "back" => Command::StepBack,
            Prompt::Reason => Command::ReasonGiven(text),
            Prompt::SecondSigner => Command::SecondSigned(text),
            Prompt::Closed | Prompt::Name | Prompt::RollBack => Command::NameTyped(text),
        });
    }
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let item = |rest: &str| -> Result<(usize, Option<String>), TypedMeaning> {
        let (number, note) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match number.parse::<usize>() {
            Ok(number) if (1..=runbook.items.len()).contains(&number) => {
                let note = note.trim();
                Ok((number - 1, (!note.is_empty()).then(|| note.to_owned())))
            }
            Ok(_) | Err(_) => Err(TypedMeaning::Nothing(format!(
                "Say which item: a number from 1 to {}.",
                runbook.items.len()
            ))),
        }
    };
    let simple = |command| {
        if rest.is_empty() {
            TypedMeaning::Command(command)
        } else {
            TypedMeaning::Nothing(format!("{word} takes nothing after it; nothing was done."))
        }
    };
    match word {
        "sign" => match item(rest) {
            Ok((item, note)) => TypedMeaning::Command(Command::SignOff { item, note }),
            Err(why) => why,
        },
        "withdraw" => match item(rest) {
            Ok((item, _)) => TypedMeaning::Command(Command::Withdraw { item }),
            Err(why) => why,
        },
        "acknowledge" => match item(rest) {
            Ok((item, _)) => TypedMeaning::Command(Command::Acknowledge { item }),
            Err(why) => why,
        },
        "impact" => TypedMeaning::Impact,
        "show" => match item(rest) {
            Ok((item, _)) => TypedMeaning::Show(item),
            Err(why) => why,
        },
        "read" => document(rest, runbook),
        "query" | ":" => TypedMeaning::Command(Command::Query(rest.to_owned())),
        "backup" if rest.is_empty() => {
            TypedMeaning::Nothing("Say where to: backup and a folder. Nothing was done.".into())
        }
        "backup" => TypedMeaning::Command(Command::BackUp {
            folder: rest.to_owned(),
        }),
        "no" => simple(Command::StepBack),
        "numbers" if rest.is_empty() => TypedMeaning::Command(Command::AllowNumbers(None)),
        "numbers" => match rest.parse() {
            Ok(number) => TypedMeaning::Command(Command::AllowNumbers(Some(number))),
            Err(_) => TypedMeaning::Nothing("Say numbers, or numbers and a statement's.".into()),
        },
        "help" | "?" => TypedMeaning::Help,
        "" => TypedMeaning::Nothing("Type help to see what can be typed here.".into()),
        word => match find_command(word) {
            Some(command) => simple(command),
            None => TypedMeaning::Nothing(format!(
                "No such word: {}. Type help to see what can be typed here.",
                crate::runbook::printable::printable(word)
            )),
        },
    }
}

/// The command that a word alone stands for.
fn find_command(word: &str) -> Option<Command> {
    let mut acts = Act::ALL.into_iter();
    acts.find(|act| act.word().0 == word)?.command()
}

fn document(rest: &str, runbook: &Runbook) -> TypedMeaning {
    match rest {
        "script" | "" => TypedMeaning::Read(Document::Script),
        words if words.starts_with("checks") => checks(words.trim_start_matches("checks"), runbook),
        number => match number.parse::<usize>() {
            Ok(number) if (1..=runbook.rollbacks.len()).contains(&number) => {
                TypedMeaning::Read(Document::Rollback(number - 1))
            }
            Ok(_) | Err(_) => TypedMeaning::Nothing(format!(
                "Say read script, or read and the number of a rollback script, 1 to {}.",
                runbook.rollbacks.len()
            )),
        },
    }
}

/// The file of checks of an item, by the item's number.
fn checks(number: &str, runbook: &Runbook) -> TypedMeaning {
    let item = number.trim().parse::<usize>().ok().and_then(|number| {
        let item = number.checked_sub(1)?;
        runbook.items.get(item)?.checks.as_ref().map(|_| item)
    });
    match item {
        Some(item) => TypedMeaning::Read(Document::Checks(item)),
        None => TypedMeaning::Nothing(
            "Say read checks and the number of an item that brings a file of checks.".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_an_act_is_read_as_that_act_and_no_other() {
        let words = Act::ALL.map(|act| act.word().0);
        for (act, word) in Act::ALL.into_iter().zip(words) {
            assert_eq!(
                words.iter().filter(|other| **other == word).count(),
                1,
                "{word}"
            );
            assert!(
                !["impact", "show", "read", "help", "no"].contains(&word),
                "{word}"
            );
            let command = act.command();
            assert!(command.as_ref().is_none_or(|command| command.act() == act));
            assert_eq!(find_command(word), command, "{word}");
        }
    }
}
