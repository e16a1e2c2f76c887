//! What was read before it was signed: on the screen of this run, or in an earlier one.

use crate::journal::entry::Perused;
use crate::journal::replay::Replay;
use crate::journal::report::words::{instant, stretch};
use crate::journal::report::{Block, Cell};
use crate::runbook::printable::counted;

/// What was not read again, for the same person had read the same text in an earlier run.
fn list_earlier_readings(replay: &Replay, blocks: &mut Vec<Block>) {
    if replay.read_before.is_empty() {
        return;
    }
    blocks.push(Block::Heading(3, "Read in an earlier run".to_owned()));
    let told = replay.read_before.iter().map(|reading| {
        format!(
            "{}; its text is the same. Its {} on the screen, the last by {}. SHA-256 {}. Journal: {}",
            reading.told(),
            counted(reading.lines, "line was", "lines were"),
            instant(reading.at),
            reading.sha256,
            reading.journal
        )
    });
    blocks.push(Block::List(told.collect()));
}

/// How long each document was open, and how much of it was on the screen.
pub(super) fn list_readings(replay: &Replay, blocks: &mut Vec<Block>) {
    list_earlier_readings(replay, blocks);
    if replay.perusals.is_empty() {
        return;
    }
    blocks.push(Block::Heading(3, "What was on the screen".to_owned()));
    let rows = replay.perusals.iter().map(
        |(
            left,
            Perused {
                document, perusal, ..
            },
        )| {
            let lasted = std::time::Duration::from_millis(perusal.milliseconds);
            let opened = left.checked_sub(lasted).unwrap_or(*left);
            [
                Cell::plain(document.clone()),
                Cell::plain(instant(opened)),
                Cell::plain(stretch(perusal.milliseconds.saturating_mul(1_000))),
                Cell::plain(format!("{} of {}", perusal.shown, perusal.lines)),
                Cell::plain(format!("{} of {}", perusal.seen, perusal.lines)),
            ]
        },
    );
    let head = [
        "document",
        "opened",
        "left after",
        "lines shown",
        "lines shown so far",
    ];
    blocks.push(Block::table(head, rows));
}
