//! The sections of a report, in the order in which a reader asks: which way did it go, where, who
//! signed for what, what ran, what was checked, what the server said, how to get back.

mod closing;
mod course;
mod ran;
mod reading;
mod said;

use super::headline::{JournalFile, choose_headline};
use super::words::{between, exit_code, instant, shell, stretch};
use super::{Block, Cell, Row, Table, Tone};
use crate::facts::Standing;
use crate::journal::entry::Opened;
use crate::journal::replay::{Attempt, Replay};

pub fn title(replay: &Replay) -> String {
    match &replay.opened {
        Some(opened) if !opened.runbook.trim().is_empty() => opened.runbook.clone(),
        _ => "A run of stagegate".to_owned(),
    }
}

pub fn list_blocks(replay: &Replay, journal: &JournalFile<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    outcome(replay, journal, &mut blocks);
    target(replay, &mut blocks);
    people(replay, &mut blocks);
    checklist(replay, &mut blocks);
    let count = replay.attempts.len();
    for (index, attempt) in replay.attempts.iter().enumerate() {
        ran::transaction(replay, attempt, index + 1, count, &mut blocks);
    }
    said::checks(replay, &mut blocks);
    said::queries(replay, &mut blocks);
    said::messages(replay, &mut blocks);
    closing::way_back(replay, journal, &mut blocks);
    closing::course(replay, &mut blocks);
    closing::integrity(journal, replay, &mut blocks);
    blocks
}

/// The column of what a person typed with a signature.
const TYPED: &str = "reference, name or words typed";

fn heading(text: &str) -> Block {
    Block::Heading(2, text.to_owned())
}

fn named(rows: Vec<(&str, String)>) -> Block {
    let rows = rows.into_iter();
    let rows = rows.map(|(name, value)| Row::Cells(vec![Cell::plain(name), Cell::plain(value)]));
    Block::Table(Table {
        head: Vec::new(),
        rows: rows.collect(),
    })
}

type NamedFact = (&'static str, String);

fn tell_what_was_planned(opened: &Opened) -> Vec<NamedFact> {
    let mut rows = Vec::new();
    for (name, value) in [
        ("Ticket", &opened.ticket),
        ("Planned window", &opened.window),
    ] {
        rows.extend(value.iter().map(|value| (name, value.clone())));
    }
    if opened.is_rehearsal() {
        rows.push((
            "Kind of run",
            "rehearsal: without signatures, and it always ends in ROLLBACK".to_owned(),
        ));
    } else {
        rows.push(("Kind of run", opened.mode.clone()));
    }
    rows.push(("Script", opened.script.clone()));
    rows.push(("Its SHA-256", opened.script_sha256.clone()));
    for (name, value) in &opened.variables {
        rows.push(("psql variable", format!("{name} = {value}")));
    }
    rows
}

fn tell_last_transaction(replay: &Replay, attempt: &Attempt) -> Vec<NamedFact> {
    let mut rows = Vec::new();
    let xid = attempt
        .transaction
        .xid
        .as_deref()
        .unwrap_or("no answer to BEGIN is recorded");
    let of = match replay.attempts.len() {
        1 => String::new(),
        count => format!(", the last of {count}"),
    };
    rows.push(("Transaction", format!("{xid}{of}")));
    rows.push((
        "Verification",
        said::tally(attempt.transaction.script_checks()),
    ));
    if let Some(reason) = &attempt.reason {
        rows.push(("COMMIT without checks, because", reason.clone()));
    }
    let post = &attempt.transaction.post_checks;
    if !post.is_empty() {
        rows.push(("Post-verification", said::tally(post)));
    }
    for who in &attempt.blocked {
        rows.push(("Blocked by", who.clone()));
    }
    rows.push(("Lock window", ran::window(replay, attempt)));
    let waited = ran::waited(attempt).into_iter();
    rows.extend(waited.map(|text| ("Waited for it", text)));
    rows
}

fn outcome(replay: &Replay, journal: &JournalFile<'_>, blocks: &mut Vec<Block>) {
    let headline = choose_headline(replay, journal.broken);
    blocks.push(Block::Banner(
        headline.tone,
        headline.believed.word().to_owned(),
        headline.sentence,
    ));
    if headline.ask {
        blocks.push(Block::text("Ask the server which way it went:"));
        blocks.push(Block::Code(vec![format!(
            "stagegate outcome {}",
            shell(journal.name)
        )]));
    }
    let mut rows = Vec::new();
    if let Some(opened) = &replay.opened {
        rows.extend(tell_what_was_planned(opened));
    }
    if let Some(attempt) = replay.last() {
        rows.extend(tell_last_transaction(replay, attempt));
    }
    if let (Some(began), Some(ended)) = (replay.began, replay.ended) {
        rows.push((
            "Run",
            format!(
                "{} to {} ({})",
                instant(began),
                instant(ended),
                stretch(between(began, ended))
            ),
        ));
    }
    let local = replay
        .opened
        .iter()
        .filter_map(|opened| opened.local_time.as_ref());
    rows.extend(local.map(|local| ("Begun, by the clock of that machine", local.clone())));
    rows.push((
        "Left with",
        match replay.left {
            Some(code) => format!("exit code {code}: {}", exit_code(code)),
            None => {
                "no exit code is recorded: the journal does not have the end of the run".to_owned()
            }
        },
    ));
    blocks.push(named(rows));
}

fn target(replay: &Replay, blocks: &mut Vec<Block>) {
    blocks.push(heading("Target"));
    let Some(target) = &replay.target else {
        blocks.push(Block::text(match replay.left {
            Some(_) => "No server was reached.",
            None => "No server is recorded.",
        }));
        return;
    };
    let unseen = || "the role may not see it".to_owned();
    let address = target.address.as_deref();
    let mut rows = vec![
        ("Database", target.database.clone()),
        ("Host", target.host.clone()),
        (
            "Address",
            address.unwrap_or("none: a unix socket").to_owned(),
        ),
        ("Port", target.port.to_string()),
        ("Role", target.role.clone()),
    ];
    if let Some(session) = &target.session_role {
        rows.push(("Session role", session.clone()));
    }
    rows.push(("Server", format!("PostgreSQL {}", target.server_version)));
    rows.push((
        "System identifier",
        target.system_identifier.clone().unwrap_or_else(unseen),
    ));
    rows.push((
        "Timeline",
        target
            .timeline
            .map_or_else(unseen, |timeline| timeline.to_string()),
    ));
    rows.push((
        "Standing",
        match (target.in_recovery, target.read_only) {
            (true, _) => "standby".to_owned(),
            (false, true) => "primary, read-only by default".to_owned(),
            (false, false) => "primary".to_owned(),
        },
    ));
    rows.push((
        "Standbys",
        match target.standbys {
            0 => "none seen".to_owned(),
            count => format!("{count} fed by it; their sessions wait too"),
        },
    ));
    rows.push((
        "Encryption",
        match (&target.tls, target.is_exposed()) {
            (Some(tls), _) => tls.clone(),
            (None, true) => "none: plaintext over the network".to_owned(),
            (None, false) if target.protection() == "socket" => "none: unix socket".to_owned(),
            (None, false) => "none: plaintext".to_owned(),
        },
    ));
    let pooled = match target.backend_pid != target.protocol_pid {
        true => ", behind a pooler",
        false => "",
    };
    rows.push(("Backend", format!("process {}{pooled}", target.backend_pid)));
    blocks.push(named(rows));
}

fn people(replay: &Replay, blocks: &mut Vec<Block>) {
    blocks.push(heading("People"));
    let unknown = || "not known".to_owned();
    let mut rows = Vec::new();
    if let Some(opened) = &replay.opened {
        rows.push((
            "Operating system's user",
            opened.os_user.clone().unwrap_or_else(unknown),
        ));
        if let Some(before) = &opened.sudo_user {
            rows.push(("Became that user by sudo", before.clone()));
        }
        if let Some(machine) = &opened.machine {
            rows.push(("On the machine", machine.clone()));
        }
        let ssh = opened.ssh_connection.clone();
        rows.push((
            "SSH connection",
            ssh.unwrap_or_else(|| "none: at the machine itself, or not handed on".to_owned()),
        ));
    }
    let role = replay.target.as_ref().map(|target| {
        let session = target.session_role.as_ref();
        session.map_or_else(
            || target.role.clone(),
            |session| format!("{} (logged in as {session})", target.role),
        )
    });
    rows.push(("Database role", role.unwrap_or_else(unknown)));
    if let Some(name) = replay.last().and_then(|a| a.second_signer.clone()) {
        rows.push(("Second signer, for COMMIT", name));
    }
    blocks.push(named(rows));
    if replay.signatures.is_empty() {
        blocks.push(Block::text("Nobody signed anything in this run."));
        return;
    }
    blocks.push(Block::text(
        "Signed by the operating system's user, in this order:",
    ));
    let rows = replay.signatures.iter().map(|signature| {
        let what = match signature.withdrawn {
            true => "withdrawn, or fallen with its evidence",
            false => "signed",
        };
        [
            Cell::plain(instant(signature.at)),
            Cell::plain(what),
            Cell::plain(signature.title.clone()),
            Cell::plain(signature.note.clone().unwrap_or_default()),
        ]
    });
    blocks.push(Block::table(["when", "what", "item", TYPED], rows));
}

fn checklist(replay: &Replay, blocks: &mut Vec<Block>) {
    if replay.items.is_empty() {
        return;
    }
    blocks.push(heading("Checklist"));
    let rows = replay.items.iter().map(|item| {
        let (standing, tone) = match item.known.evidence.standing {
            Standing::Holds => ("evidence holds", Tone::Good),
            Standing::Warns => ("evidence holds, with a warning", Tone::Doubtful),
            Standing::Fails => ("evidence FAILS", Tone::Bad),
            Standing::Asks => ("for a person to answer", Tone::Plain),
            Standing::Silent => ("NO ANSWER", Tone::Doubtful),
            Standing::Awaited => ("no evidence was looked for", Tone::Plain),
        };
        let typed = item.known.signed.as_ref();
        let typed = typed.and_then(|signed| signed.note.as_ref());
        let signed = match item.signed {
            Some(at) => Cell::toned(format!("signed {}", instant(at)), Tone::Good),
            None => Cell::plain("not signed"),
        };
        [
            Cell::plain(item.name()),
            signed,
            Cell::toned(standing, tone),
            Cell::plain(typed.cloned().unwrap_or_default()),
        ]
    });
    blocks.push(Block::table(["item", "signature", "standing", TYPED], rows));
    for item in &replay.items {
        let (evidence, acknowledged) = (item.evidence(), &item.known.acknowledged);
        if evidence.is_empty() && acknowledged.is_empty() {
            continue;
        }
        blocks.push(Block::Heading(3, item.name().to_owned()));
        if !evidence.is_empty() {
            blocks.push(Block::List(evidence));
        }
        if !acknowledged.is_empty() {
            blocks.push(Block::text("Acknowledged, one by one:"));
            blocks.push(Block::List(acknowledged.clone()));
        }
    }
    reading::list_readings(replay, blocks);
}
