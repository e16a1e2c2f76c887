//! The words that stand for keys.

use crate::acts::{Does, ToldPane, ViewAct, find_word};
use crate::gate::event::Document;
use crate::gate::phase::Prompt;
use crate::gate::{Act, Command, Machine};
use crate::runbook::Runbook;
use crate::runbook::printable::printable;

/// What a typed line means.
#[derive(Debug, PartialEq, Eq)]
pub enum TypedMeaning {
    /// A command for the machine.
    Command(Command),
    /// Show the evidence of the item with this index.
    Show(usize),
    /// Print a document, which counts as reading it to its end.
    Read(Document),
    Told(&'static ToldPane),
    /// Say what can be typed.
    Help,
    Nothing(String),
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
    let item = || read_item(rest, runbook.items.len());
    let of_item = |command: &dyn Fn(usize, Option<String>) -> Command| match item() {
        Ok((item, note)) => TypedMeaning::Command(command(item, note)),
        Err(why) => why,
    };
    if word.is_empty() {
        return TypedMeaning::Nothing("Type help to see what can be typed here.".into());
    }
    // Two keys are words as well.
    let asked = match word {
        "?" => Some(Does::View(ViewAct::Help)),
        ":" => Some(Does::Gate(Act::Query)),
        word => find_word(word),
    };
    match asked {
        Some(Does::Gate(act)) => match act {
            Act::SignOff => of_item(&|item, note| Command::SignOff { item, note }),
            Act::Withdraw => of_item(&|item, _| Command::Withdraw { item }),
            Act::Acknowledge => of_item(&|item, _| Command::Acknowledge { item }),
            Act::Query => TypedMeaning::Command(Command::Query(rest.to_owned())),
            Act::BackUp if rest.is_empty() => {
                TypedMeaning::Nothing("Say where to: backup and a folder. Nothing was done.".into())
            }
            Act::BackUp => TypedMeaning::Command(Command::BackUp {
                folder: rest.to_owned(),
            }),
            Act::AllowNumbers => match rest.parse() {
                _ if rest.is_empty() => TypedMeaning::Command(Command::AllowNumbers(None)),
                Ok(number) => TypedMeaning::Command(Command::AllowNumbers(Some(number))),
                Err(_) => {
                    TypedMeaning::Nothing("Say numbers, or numbers and a statement's.".into())
                }
            },
            act => match act.command() {
                Some(command) if rest.is_empty() => TypedMeaning::Command(command),
                Some(_) => TypedMeaning::Nothing(format!(
                    "{word} takes nothing after it; nothing was done."
                )),
                // An answer has no word.
                None => no_such_word(word),
            },
        },
        Some(Does::View(ViewAct::Told(pane))) => TypedMeaning::Told(pane),
        Some(Does::View(ViewAct::Item)) => match item() {
            Ok((item, _)) => TypedMeaning::Show(item),
            Err(why) => why,
        },
        Some(Does::View(ViewAct::Scripts)) => document(rest, runbook),
        Some(Does::View(ViewAct::Help)) => TypedMeaning::Help,
        Some(Does::View(_)) | None => no_such_word(word),
    }
}

fn no_such_word(word: &str) -> TypedMeaning {
    TypedMeaning::Nothing(format!(
        "No such word: {}. Type help to see what can be typed here.",
        printable(word)
    ))
}

/// The item that is numbered, and what is typed behind the number.
fn read_item(rest: &str, all: usize) -> Result<(usize, Option<String>), TypedMeaning> {
    let (number, note) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let numbered = number.parse::<usize>().ok();
    let Some(number) = numbered.filter(|number| (1..=all).contains(number)) else {
        let why = format!("Say which item: a number from 1 to {all}.");
        return Err(TypedMeaning::Nothing(why));
    };
    let note = note.trim();
    Ok((number - 1, (!note.is_empty()).then(|| note.to_owned())))
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
