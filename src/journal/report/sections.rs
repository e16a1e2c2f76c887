//! The sections of a report, in the order in which a reader asks: which way did it go, where, who
//! signed for what, what ran, what was checked, what the server said, how to get back.

use super::facts::{Attempt, Checked, Facts, Statement};
use super::timeline::{Blocking, Timeline};
use super::words::{between, clock, exit_code, instant, plural, shell, stretch};
use super::{Block, Cell, Row, Table, Tone, headline};
use crate::gate::event::LockMode;
use crate::journal::chain::Broken;
use crate::journal::entry::Message;
use jiff::Timestamp;

/// The journal as a file.
pub struct Journal<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many lines it has.
    pub lines: usize,
    /// How many of them are as they were written.
    pub believed: usize,
    /// Where it breaks.
    pub broken: Option<&'a Broken>,
}

/// The title of the report.
pub fn title(facts: &Facts) -> String {
    match &facts.opened {
        Some(opened) if !opened.runbook.trim().is_empty() => opened.runbook.clone(),
        _ => "A run of stagegate".to_owned(),
    }
}

/// Every block, from the top.
pub fn all(facts: &Facts, journal: &Journal<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    outcome(facts, journal, &mut blocks);
    target(facts, &mut blocks);
    people(facts, &mut blocks);
    checklist(facts, &mut blocks);
    let count = facts.attempts.len();
    for (index, attempt) in facts.attempts.iter().enumerate() {
        transaction(facts, attempt, index + 1, count, &mut blocks);
    }
    checks(facts, &mut blocks);
    messages(facts, &mut blocks);
    way_back(facts, journal, &mut blocks);
    course(facts, &mut blocks);
    integrity(journal, facts, &mut blocks);
    blocks
}

fn heading(text: &str) -> Block {
    Block::Heading(2, text.to_owned())
}

fn named(rows: Vec<(&str, String)>) -> Block {
    let rows = rows
        .into_iter()
        .map(|(name, value)| Row::Cells(vec![Cell::plain(name), Cell::plain(value)]))
        .collect();
    Block::Table(Table {
        head: Vec::new(),
        rows,
    })
}

fn outcome(facts: &Facts, journal: &Journal<'_>, blocks: &mut Vec<Block>) {
    let headline = headline::of(facts, journal);
    blocks.push(Block::Banner(
        headline.tone,
        headline.word.to_owned(),
        headline.sentence,
    ));
    if headline.ask {
        blocks.push(Block::Text("Ask the server which way it went:".to_owned()));
        blocks.push(Block::Code(vec![format!(
            "stagegate outcome {}",
            shell(journal.name)
        )]));
    }
    let mut rows = Vec::new();
    if let Some(opened) = &facts.opened {
        if opened.mode == "rehearse" {
            rows.push((
                "Kind of run",
                "rehearsal: without signatures, and it always ends in ROLLBACK".to_owned(),
            ));
        } else {
            rows.push(("Kind of run", opened.mode.clone()));
        }
        rows.push(("Script", opened.script.clone()));
        rows.push(("Its SHA-256", opened.script_sha256.clone()));
    }
    if let Some(attempt) = facts.last() {
        let xid = attempt.xid.as_deref().unwrap_or("BEGIN was not answered");
        let of = match facts.attempts.len() {
            1 => String::new(),
            count => format!(", the last of {count}"),
        };
        rows.push(("Transaction", format!("{xid}{of}")));
        rows.push(("Verification", tally(&attempt.verification)));
        if !attempt.post_verification.is_empty() {
            rows.push(("Post-verification", tally(&attempt.post_verification)));
        }
        rows.push(("Lock window", window(facts, attempt)));
    }
    if let (Some(began), Some(ended)) = (facts.began, facts.ended) {
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
    rows.push((
        "Left with",
        match facts.left {
            Some(code) => format!("exit code {code}: {}", exit_code(code)),
            None => "no exit code is recorded: the run did not come to its end".to_owned(),
        },
    ));
    blocks.push(named(rows));
}

fn tally(checks: &[Checked]) -> String {
    let count = |verdict| checks.iter().filter(|c| c.verdict == verdict).count();
    match checks.len() {
        0 => "no checks; zero checks is not a pass".to_owned(),
        total => {
            let (pass, warn) = (count("PASS"), count("WARN"));
            format!("{pass} PASS, {warn} WARN, {} FAIL", total - pass - warn)
        }
    }
}

/// Where an attempt ended, and whether that is recorded.
fn end_of(facts: &Facts, attempt: &Attempt) -> Option<(Timestamp, bool)> {
    let known = attempt.ended.map(|at| (at, true));
    known.or(facts.ended.map(|at| (at, false)))
}

/// From the first lock that others feel to the end, in words.
fn window(facts: &Facts, attempt: &Attempt) -> String {
    let held = attempt.held();
    let felt: Vec<_> = held
        .iter()
        .filter_map(|held| {
            let (since, _) = held
                .modes
                .iter()
                .find(|(_, mode)| Blocking::of(*mode) != Blocking::Ddl)?;
            let (_, strongest) = held.strongest()?;
            Some((*since, strongest))
        })
        .collect();
    let (Some(first), Some(strongest)) = (
        felt.iter().map(|(since, _)| *since).min(),
        felt.iter().map(|(_, mode)| *mode).max(),
    ) else {
        return "no lock was taken that reads or writes wait for".to_owned();
    };
    let on = plural(felt.len(), "relation", "relations");
    let what = format!(
        "on {on}, up to {}: {}",
        strongest.name(),
        strongest.blocks()
    );
    match end_of(facts, attempt) {
        Some((end, true)) => format!("{}, {what}", stretch(between(first, end))),
        Some((end, false)) => format!(
            "at least {}, {what}; its end is not recorded",
            stretch(between(first, end))
        ),
        None => what,
    }
}

fn target(facts: &Facts, blocks: &mut Vec<Block>) {
    blocks.push(heading("Target"));
    let Some(target) = &facts.target else {
        blocks.push(Block::Text("No server was reached.".to_owned()));
        return;
    };
    let unseen = || "the role may not see it".to_owned();
    let mut rows = vec![
        ("Database", target.database.clone()),
        ("Host", target.host.clone()),
        (
            "Address",
            target
                .address
                .clone()
                .unwrap_or_else(|| "none: a unix socket".to_owned()),
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
        target
            .tls
            .clone()
            .unwrap_or_else(|| "none: plain text".to_owned()),
    ));
    let pooled = target.backend_pid != target.protocol_pid;
    rows.push((
        "Backend",
        match pooled {
            true => format!("process {}, behind a pooler", target.backend_pid),
            false => format!("process {}", target.backend_pid),
        },
    ));
    blocks.push(named(rows));
}

fn people(facts: &Facts, blocks: &mut Vec<Block>) {
    blocks.push(heading("People"));
    let unknown = || "not known".to_owned();
    let mut rows = Vec::new();
    if let Some(opened) = &facts.opened {
        rows.push((
            "Operating system's user",
            opened.os_user.clone().unwrap_or_else(unknown),
        ));
        let ssh = opened.ssh_connection.clone();
        rows.push((
            "SSH connection",
            ssh.unwrap_or_else(|| "none: at the machine itself, or not handed on".to_owned()),
        ));
    }
    let role = facts.target.as_ref().map(|target| {
        let session = target.session_role.as_ref();
        session.map_or_else(
            || target.role.clone(),
            |session| format!("{} (logged in as {session})", target.role),
        )
    });
    rows.push(("Database role", role.unwrap_or_else(unknown)));
    blocks.push(named(rows));
    if facts.signatures.is_empty() {
        blocks.push(Block::Text(
            "Nobody signed anything in this run.".to_owned(),
        ));
        return;
    }
    let rows = facts
        .signatures
        .iter()
        .map(|signature| {
            let what = if signature.withdrawn {
                "withdrawn, or fallen with its evidence"
            } else {
                "signed"
            };
            Row::Cells(vec![
                Cell::plain(instant(signature.at)),
                Cell::plain(what),
                Cell::plain(signature.title.clone()),
                Cell::plain(signature.note.clone().unwrap_or_default()),
            ])
        })
        .collect();
    blocks.push(Block::Table(Table {
        head: vec!["when", "what", "item", "note"],
        rows,
    }));
}

fn checklist(facts: &Facts, blocks: &mut Vec<Block>) {
    if facts.items.is_empty() {
        return;
    }
    blocks.push(heading("Checklist"));
    for item in &facts.items {
        blocks.push(Block::Heading(3, item.name().to_owned()));
        let evidence = match item.standing.as_deref() {
            Some("holds") => ("evidence holds", Tone::Good),
            Some("warns") => ("evidence holds, with a warning", Tone::Doubtful),
            Some("fails") => ("evidence FAILS", Tone::Bad),
            _ => ("no evidence was looked for", Tone::Plain),
        };
        let (signed, tone) = match item.signed {
            Some(at) => (format!("signed {}", instant(at)), Tone::Good),
            None => ("not signed".to_owned(), Tone::Plain),
        };
        let mut cells = vec![
            Cell { text: signed, tone },
            Cell {
                text: evidence.0.to_owned(),
                tone: evidence.1,
            },
        ];
        cells.push(Cell::plain(item.note.clone().unwrap_or_default()));
        blocks.push(Block::Table(Table {
            head: vec!["signature", "standing", "note"],
            rows: vec![Row::Cells(cells)],
        }));
        if !item.evidence().is_empty() {
            blocks.push(Block::List(item.evidence().to_vec()));
        }
    }
}

fn transaction(
    facts: &Facts,
    attempt: &Attempt,
    number: usize,
    count: usize,
    blocks: &mut Vec<Block>,
) {
    let xid = attempt.xid.as_deref().unwrap_or("without an id");
    blocks.push(Block::Heading(
        2,
        match count {
            1 => format!("Transaction {xid}"),
            _ => format!("Transaction {xid} ({number} of {count})"),
        },
    ));
    if let Some(text) = ending(attempt, number < count) {
        blocks.push(Block::Text(text));
    }
    let held = attempt.held();
    if let Some((end, known)) = end_of(facts, attempt) {
        if let Some(timeline) = Timeline::of(attempt, &held, end) {
            blocks.push(Block::Timeline(timeline));
        }
        if !held.is_empty() {
            let until = if known { "for" } else { "for at least" };
            blocks.push(Block::Heading(3, "Locks".to_owned()));
            blocks.push(Block::Table(Table {
                head: vec!["relation", "strongest lock", until, "who waits for it"],
                rows: held
                    .iter()
                    .filter_map(|held| held.strongest().map(|strongest| (held, strongest)))
                    .map(|(held, (since, mode))| {
                        Row::Cells(vec![
                            Cell::plain(held.relation.clone()),
                            Cell::plain(mode.name()),
                            Cell::plain(stretch(between(since, end))),
                            Cell {
                                text: mode.blocks().to_owned(),
                                tone: match mode {
                                    LockMode::AccessExclusive => Tone::Doubtful,
                                    _ => Tone::Plain,
                                },
                            },
                        ])
                    })
                    .collect(),
            }));
        }
    }
    if !attempt.statements.is_empty() {
        blocks.push(Block::Heading(3, "Statements".to_owned()));
        blocks.push(Block::Table(statements(attempt)));
    }
    // The last one's have a section of their own.
    if number < count && !attempt.verification.is_empty() {
        blocks.push(Block::Heading(3, "Verification".to_owned()));
        blocks.push(table_of(&attempt.verification));
    }
    if !attempt.added.is_empty() {
        blocks.push(Block::Heading(3, "What the program added".to_owned()));
        blocks.push(Block::Code(attempt.added.clone()));
    }
}

fn ending(attempt: &Attempt, followed: bool) -> Option<String> {
    match (&attempt.outcome, &attempt.retried) {
        (Some(outcome), _) => {
            let why = outcome.why.as_ref();
            let why = why.map_or_else(String::new, |why| format!(", because {why}"));
            Some(format!("{}{why}: {}.", outcome.word, outcome.proof))
        }
        (None, Some(proof)) => {
            let why = attempt.why.as_deref().unwrap_or("it could not go on");
            let next = if followed { " It was tried again." } else { "" };
            Some(format!("ROLLED BACK, because {why}: {proof}.{next}"))
        }
        (None, None) => Some("No outcome of it is recorded.".to_owned()),
    }
}

fn statements(attempt: &Attempt) -> Table {
    let mut rows = Vec::new();
    let mut section = None;
    for statement in &attempt.statements {
        if statement.section != section {
            section.clone_from(&statement.section);
            rows.push(Row::Title(
                section
                    .clone()
                    .unwrap_or_else(|| "Outside any section".to_owned()),
            ));
        }
        rows.push(Row::Cells(vec![
            Cell::plain(statement.number.to_string()),
            Cell::plain(statement.place.clone()),
            Cell::plain(statement.what.clone()),
            result(statement),
            Cell::plain(stretch(statement.milliseconds.saturating_mul(1_000))),
            Cell::plain(
                attempt
                    .began
                    .map_or_else(String::new, |began| stretch(between(began, statement.at))),
            ),
            Cell::plain(statement.locks.join(", ")),
        ]));
    }
    Table {
        head: vec![
            "no.",
            "where",
            "statement",
            "result",
            "took",
            "done after",
            "locks newly taken",
        ],
        rows,
    }
}

fn result(statement: &Statement) -> Cell {
    match (&statement.error, &statement.tag) {
        (Some(error), _) => Cell {
            text: format!("FAILED: {}", line(error)),
            tone: Tone::Bad,
        },
        (None, Some(tag)) => Cell::plain(match statement.rows {
            Some(rows) if !tag.ends_with(char::is_numeric) => {
                format!(
                    "{tag}, {}",
                    plural(usize::try_from(rows).unwrap_or(usize::MAX), "row", "rows")
                )
            }
            _ => tag.clone(),
        }),
        (None, None) => Cell::plain("not known"),
    }
}

fn line(message: &Message) -> String {
    let mut text = String::new();
    if !message.severity.is_empty() {
        text.push_str(&message.severity);
        text.push_str(": ");
    }
    text.push_str(&message.message);
    if let Some(sqlstate) = &message.sqlstate {
        text.push_str(&format!(" ({sqlstate})"));
    }
    text
}

fn checks(facts: &Facts, blocks: &mut Vec<Block>) {
    let Some(attempt) = facts.last() else {
        return;
    };
    blocks.push(heading("Verification, inside the transaction"));
    blocks.push(table_of(&attempt.verification));
    blocks.push(heading("Post-verification, after COMMIT"));
    if attempt.post_verification.is_empty() {
        blocks.push(Block::Text("None is recorded.".to_owned()));
    } else {
        blocks.push(table_of(&attempt.post_verification));
    }
}

/// FAIL first, then WARN, then PASS; a word that is none of them counts as FAIL.
fn table_of(checks: &[Checked]) -> Block {
    if checks.is_empty() {
        return Block::Text("No check is recorded; zero checks is not a pass.".to_owned());
    }
    let rank = |check: &Checked| match check.verdict.as_str() {
        "PASS" => (2, Tone::Good),
        "WARN" => (1, Tone::Doubtful),
        _ => (0, Tone::Bad),
    };
    let mut sorted: Vec<&Checked> = checks.iter().collect();
    sorted.sort_by_key(|check| rank(check).0);
    Block::Table(Table {
        head: vec!["verdict", "check", "detail"],
        rows: sorted
            .into_iter()
            .map(|check| {
                Row::Cells(vec![
                    Cell {
                        text: check.verdict.clone(),
                        tone: rank(check).1,
                    },
                    Cell::plain(check.name.clone()),
                    Cell::plain(check.detail.clone()),
                ])
            })
            .collect(),
    })
}

fn messages(facts: &Facts, blocks: &mut Vec<Block>) {
    let failed = facts.attempts.iter().filter_map(|attempt| {
        let statement = attempt.failed()?;
        Some((
            statement.at,
            Some(statement.number),
            statement.error.as_ref()?,
        ))
    });
    let said = facts
        .messages
        .iter()
        .map(|said| (said.at, said.number, &said.message));
    let mut all: Vec<_> = failed.chain(said).collect();
    all.sort_by_key(|(at, _, _)| *at);
    blocks.push(heading("Messages"));
    if all.is_empty() {
        blocks.push(Block::Text(
            "The server said nothing beside its answers.".to_owned(),
        ));
        return;
    }
    let rows = all
        .into_iter()
        .map(|(at, number, message)| {
            let parts = [
                ("DETAIL", &message.detail),
                ("HINT", &message.hint),
                ("CONTEXT", &message.context),
            ];
            let rest: Vec<String> = parts
                .into_iter()
                .filter_map(|(name, part)| part.as_ref().map(|part| format!("{name}: {part}")))
                .collect();
            let tone = match message.severity.as_str() {
                "ERROR" | "FATAL" | "PANIC" => Tone::Bad,
                "WARNING" => Tone::Doubtful,
                _ => Tone::Plain,
            };
            Row::Cells(vec![
                Cell::plain(clock(at)),
                Cell::plain(number.map_or_else(String::new, |number| number.to_string())),
                Cell {
                    text: line(message),
                    tone,
                },
                Cell::plain(rest.join(" ")),
            ])
        })
        .collect();
    blocks.push(Block::Table(Table {
        head: vec!["when", "statement", "message", "more"],
        rows,
    }));
}

fn way_back(facts: &Facts, journal: &Journal<'_>, blocks: &mut Vec<Block>) {
    blocks.push(heading("Way back"));
    let headline = headline::of(facts, journal);
    if matches!(headline.word, "ROLLED BACK" | "NOTHING WAS APPLIED") {
        blocks.push(Block::Text(
            "There is nothing to undo: nothing of this run is left in the database, beside numbers \
             that a sequence gave out."
                .to_owned(),
        ));
        return;
    }
    if headline.word != "COMMITTED" {
        blocks.push(Block::Text(
            "Undo nothing before the server has said which way the transaction went.".to_owned(),
        ));
    }
    let scripts = facts
        .opened
        .as_ref()
        .map(|opened| opened.rollbacks.as_slice());
    match scripts.unwrap_or_default() {
        [] => blocks.push(Block::Text(
            "The journal names no rollback script: there is no documented way back.".to_owned(),
        )),
        scripts => {
            let when = match headline.word {
                "COMMITTED" => "These",
                _ => "If it is committed, these",
            };
            blocks.push(Block::Text(format!(
                "{when} scripts of the runbook lead back, in this order. What was written into the \
                 new columns since then goes with them, so count it first."
            )));
            let rows = scripts
                .iter()
                .enumerate()
                .map(|(index, script)| {
                    Row::Cells(vec![
                        Cell::plain((index + 1).to_string()),
                        Cell::plain(script.name.clone()),
                        Cell::plain(script.sha256.clone()),
                    ])
                })
                .collect();
            blocks.push(Block::Table(Table {
                head: vec!["order", "script", "SHA-256 at the time"],
                rows,
            }));
        }
    }
}

fn course(facts: &Facts, blocks: &mut Vec<Block>) {
    blocks.push(heading("Course of the run"));
    let rows = facts
        .course
        .iter()
        .map(|step| {
            Row::Cells(vec![
                Cell::plain(clock(step.at)),
                Cell::plain(step.what.clone()),
                Cell::plain(step.why.clone().unwrap_or_default()),
            ])
        })
        .collect();
    blocks.push(Block::Table(Table {
        head: vec!["when (UTC)", "what", "why or proof"],
        rows,
    }));
}

fn integrity(journal: &Journal<'_>, facts: &Facts, blocks: &mut Vec<Block>) {
    blocks.push(heading("Journal"));
    let lines = plural(journal.lines, "line", "lines");
    let text = match journal.broken {
        None => format!("{lines}, every one as it was written: the chain of hashes holds."),
        Some(broken) => format!(
            "NOT AS IT WAS WRITTEN, {broken}. Of {lines} the first {} are as they were written and \
             stand in this report; the rest is left out.",
            journal.believed
        ),
    };
    blocks.push(Block::Text(text));
    let version = facts
        .opened
        .as_ref()
        .map_or("", |opened| opened.version.as_str());
    blocks.push(named(vec![
        ("File", journal.name.to_owned()),
        ("Written by", format!("stagegate {version}")),
    ]));
    blocks.push(Block::Text(
        "The chain finds accidents and careless edits; who can write the file can also compute it \
         anew."
            .to_owned(),
    ));
}
