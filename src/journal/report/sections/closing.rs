//! What a reader does next, and what the report rests on: the way back, the course of the run, the
//! journal.

use super::{course, heading, named};
use crate::journal::replay::Replay;
use crate::journal::report::headline::{Believed, JournalFile, choose_headline};
use crate::journal::report::words::{clock, counted, shell, told_to_others};
use crate::journal::report::{Block, Cell};
use crate::runbook::rollback::number_of;

/// The rollback scripts, or why none is needed.
pub fn way_back(replay: &Replay, journal: &JournalFile<'_>, blocks: &mut Vec<Block>) {
    blocks.push(heading("Way back"));
    let headline = choose_headline(replay, journal.broken);
    let ended = replay.is_whole();
    let believed = headline.believed;
    if ended && matches!(believed, Believed::RolledBack | Believed::NothingApplied) {
        blocks.push(Block::text(
            "There is nothing to undo: nothing of this run is left in the database, beside numbers \
             that a sequence gave out.",
        ));
        return;
    }
    if believed != Believed::Committed {
        blocks.push(Block::text(
            "Undo nothing before the server has said which way the transaction went.",
        ));
    }
    let opened = replay.opened.as_ref();
    match opened.map_or(&[][..], |opened| &opened.rollbacks) {
        [] => blocks.push(Block::text(
            "The journal names no rollback script: there is no documented way back.",
        )),
        scripts => {
            let when = match believed {
                Believed::Committed => "These",
                _ => "If it is committed, these",
            };
            blocks.push(Block::Text(format!(
                "{when} scripts of the runbook lead back, in this order. What was written into the \
                 new columns since then goes with them, so count it first."
            )));
            let rows = scripts.iter().zip(1..).map(|(script, order)| {
                [
                    Cell::plain(i32::to_string(&order)),
                    Cell::plain(script.name.clone()),
                    Cell::plain(script.sha256.clone()),
                ]
            });
            let head = ["order", "script", "SHA-256 at the time"];
            blocks.push(Block::table(head, rows));
            blocks.push(Block::text(
                "This walks them in one held transaction, counts first what would be lost, and \
                 leaves the decision to a person:",
            ));
            blocks.push(Block::Code(vec![command(replay)]));
            let rehearsed = replay.items.iter().find_map(|item| {
                let evidence = &item.known.evidence;
                Some((&evidence.summary, evidence.rehearsal.as_ref()?))
            });
            let numbers = scripts.iter().filter_map(|script| number_of(&script.name));
            let numbers: Vec<&str> = numbers.map(|(digits, _)| digits).collect();
            if let [first, .., _] = numbers.as_slice() {
                blocks.push(Block::Text(format!(
                    "With --to and a number ({}) it stops after the script of that number; with --to \
                     {first} only the first is run.",
                    numbers.join(", ")
                )));
            }
            blocks.push(Block::Text(match rehearsed {
                Some((summary, journal)) => {
                    format!(
                        "These scripts were {summary}; the journal of that rehearsal: {journal}"
                    )
                }
                None => "No rehearsal of them stood behind this run; stagegate rehearse --clone \
                         rehearses them without a lock on this database."
                    .to_owned(),
            }));
        }
    }
}

fn command(replay: &Replay) -> String {
    let mut words = vec!["stagegate rollback".to_owned()];
    let opened = replay.opened.as_ref();
    words.extend(opened.and_then(|opened| Some(shell(opened.folder.as_ref()?))));
    if let Some(target) = &replay.target {
        let role = target.session_role.as_ref().unwrap_or(&target.role);
        for (option, value) in [
            ("-h", &target.host),
            ("-p", &target.port.to_string()),
            ("-U", role),
            ("-d", &target.database),
        ] {
            words.push(format!("{option} {}", shell(value)));
        }
    }
    words.join(" ")
}

/// Phases, decisions and alarms, in order.
pub fn course(replay: &Replay, blocks: &mut Vec<Block>) {
    blocks.push(heading("Course of the run"));
    let told = replay.course.iter().flat_map(|(at, entry)| {
        let steps = course::tell_steps(entry).into_iter();
        steps.map(|(what, why)| (*at, what, why))
    });
    let rows = told.map(|(at, what, why)| {
        [
            Cell::plain(clock(at)),
            Cell::plain(what),
            Cell::plain(why.map_or_else(String::new, |why| told_to_others(&why))),
        ]
    });
    blocks.push(Block::table(["when (UTC)", "what", "why or proof"], rows));
}

pub fn integrity(journal: &JournalFile<'_>, replay: &Replay, blocks: &mut Vec<Block>) {
    blocks.push(heading("Journal"));
    let lines = counted(journal.lines, "line", "lines");
    let text = match journal.broken {
        None => format!(
            "{lines}, every one as it was written: the chain of hashes holds.{}",
            match replay.is_whole() {
                true => "",
                false => " The end of the run is not among them.",
            }
        ),
        Some(broken) => format!(
            "NOT AS IT WAS WRITTEN, {broken}. Of {lines} the first {} are as they were written and \
             stand in this report; the rest is left out.",
            journal.believed
        ),
    };
    blocks.push(Block::Text(text));
    let version = replay
        .opened
        .as_ref()
        .map_or("", |opened| opened.version.as_str());
    blocks.push(named(vec![
        ("File", journal.name.to_owned()),
        ("Written by", format!("stagegate {version}")),
    ]));
    blocks.push(Block::text(
        "The chain finds accidents and careless edits; who can write the file can also compute it \
         anew.",
    ));
}
