//! What of an event goes into the journal.

use crate::account::Account;
use crate::facts::{
    After, Ending, Evidence, Inquiry, Millis, OtherSession, Said, ServerMessage, Standing, Why,
};
use crate::gate::event::{Added, Body, Event, Report};
use crate::gate::machine::Before;
use crate::gate::pass::{Allowance, Structure};
use crate::gate::{Command, Machine, Phase, PhaseKind};
use crate::journal::Entry;
use crate::journal::entry::{
    CheckStage, Perused, PhaseWord, Queried, StatementEnded, StatementPlace,
};
use crate::runbook::check::Check;
use crate::runbook::rehearsal::restored_structure;
use crate::runbook::script::{Script, Statement};
use crate::runbook::{ChecklistItem, ItemKind, Runbook};

/// The lines for an event as it arrives.
pub fn of_event(event: &Event, runbook: &Runbook, account: &Account) -> Vec<Entry> {
    match event {
        Event::Reported(report) => of_report(&report.body, runbook, account),
        Event::Alarmed(alarm) => vec![Entry::Alarm {
            alarm: Why::Alarmed(alarm.clone()).to_string(),
        }],
        Event::Perused {
            document,
            on_screen,
            perusal,
        } => {
            let script = document.script_of(runbook);
            vec![Entry::Perused(Perused {
                document: script.map_or_else(String::new, |script| script.name.clone()),
                perusal: *perusal,
                // What was on no screen is no reading that a later run may take over.
                sha256: script.filter(|_| *on_screen).map(Script::sha256_as_read),
            })]
        }
        Event::Observed(_)
        | Event::Drawn
        | Event::Edited
        | Event::CameOut(_)
        | Event::LeftOpen(_)
        | Event::Ticked { .. }
        | Event::ReadToEnd(_)
        | Event::JournalLost(_)
        | Event::IntentLost(_)
        // Sign-offs are written once the machine has taken them: see `of_change`.
        | Event::Asked(_) => Vec::new(),
    }
}

/// The lines for what an event changed in the machine.
pub fn of_change(
    before: &Before,
    after: &Machine,
    event: &Event,
    runbook: &Runbook,
    account: &Account,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Event::Reported(Report {
        body: Body::BackedUp(_) | Body::BackupFailed(_),
        ..
    }) = event
    {
        let evidence = account.backup.evidence();
        let of_backup = |item: &&ChecklistItem| item.kind == ItemKind::Backup;
        let items = runbook.items.iter().filter(of_backup);
        entries.extend(items.map(|item| found(item, &evidence)));
    }
    let items = runbook.items.iter().zip(&account.items);
    let changes = before.items.iter().zip(after.items());
    for ((item, known), (was, is)) in items.zip(changes) {
        let id = || item.id.clone();
        match (&known.signed, was.signed) {
            (Some(signed), false) => entries.push(Entry::Signed {
                item: id(),
                title: item.title.clone(),
                note: signed.note.clone(),
                evidence: signed.seen.clone(),
            }),
            (None, true) => entries.push(Entry::Withdrawn { item: id() }),
            (Some(_), true) | (None, false) => {}
        }
        if is.acknowledged > was.acknowledged {
            let finding = known.acknowledged.last().cloned();
            let item = id();
            entries.extend(finding.map(|finding| Entry::Acknowledged { item, finding }));
        }
    }
    entries.extend(blocked(before, after, account));
    entries.extend(waited(before, after, account));
    entries.extend(of_approval(before, after));
    if after.ending().map(Ending::outcome) != before.outcome {
        entries.extend(after.ending().map(|ending| of_ending(ending, after)));
    }
    if before.phase != after.phase().kind() {
        entries.extend(match event {
            Event::Asked(Command::LeaveOut) => Some(Entry::phase(
                PhaseWord::StartingOver,
                Some("what says (if needed) is left out by choice, or taken back in".into()),
            )),
            _ => of_phase(after),
        });
    }
    entries
}

/// Who was in the way when the script stopped for a lock, or for a wish to stop while it waited.
fn blocked(before: &Before, after: &Machine, account: &Account) -> Option<Entry> {
    let applies = |phase: PhaseKind| phase == PhaseKind::Applying;
    if !applies(before.phase) || applies(after.phase().kind()) {
        return None;
    }
    let (number, by) = match account.failed() {
        Some((number, _)) => (Some(number), account.stopped_by()),
        None => (
            None,
            (account.sight.as_ref()).map_or(&[][..], |sight| sight.blockers.as_slice()),
        ),
    };
    let by: Vec<String> = by.iter().map(OtherSession::in_the_way).collect();
    (!by.is_empty()).then_some(Entry::Blocked { number, by })
}

/// Who waited for a transaction that is over now.
fn waited(before: &Before, after: &Machine, account: &Account) -> Option<Entry> {
    if !before.transaction_open || after.phase().transaction_open() {
        return None;
    }
    let told = account.transaction.waits.as_ref()?;
    Some(Entry::Waited {
        sessions: told.sessions,
        looks: told.looks,
        more: told.more,
        milliseconds: told.longest,
        who: told.who.clone(),
    })
}

/// What was approved, and what the second pass was found to be.
fn of_approval(before: &Before, after: &Machine) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let (false, Some(approval)) = (before.approved, after.approval()) {
        entries.push(Entry::Approved {
            xid: after.xid().map(str::to_owned),
            digest: approval.digest().to_owned(),
            age: approval.basis().age(),
            limit: after.plan().approval_limit(),
            numbers_may_differ: *approval.basis().allowance() != Allowance::Nothing,
            numbers_of: match approval.basis().allowance() {
                Allowance::Nothing | Allowance::Everything => Vec::new(),
                Allowance::Of(numbers) => numbers.iter().copied().collect(),
            },
            reason: approval.consent().reason.clone(),
            second_signer: approval.consent().second_signer.clone(),
        });
    }
    if before.approved && after.phase().kind() == PhaseKind::Committing {
        entries.push(Entry::Compared {
            same: true,
            differences: Vec::new(),
            more: 0,
        });
    }
    if let (Some(compared), true) = (
        after.compared(),
        before.compared.as_deref() != after.compared(),
    ) {
        entries.push(Entry::Compared {
            same: false,
            differences: compared
                .differences
                .iter()
                .map(|one| one.to_string())
                .collect(),
            more: compared.more,
        });
    }
    entries
}

fn of_phase(after: &Machine) -> Option<Entry> {
    let (phase, why) = match after.phase() {
        Phase::Connecting => (PhaseWord::Connecting, None),
        Phase::Checklist { .. } => (PhaseWord::Checklist, None),
        Phase::Beginning { .. } => (PhaseWord::Beginning, None),
        Phase::Applying { .. } => (PhaseWord::Applying, None),
        Phase::Verifying { .. } => (PhaseWord::Verifying, None),
        Phase::TakingDown { .. } => (PhaseWord::TakingDown, None),
        Phase::Deciding { .. } => (PhaseWord::Deciding, None),
        Phase::MustRollBack { why, .. } => (PhaseWord::MustRollBack, Some(why.to_string())),
        Phase::Querying { question, .. } => (PhaseWord::Querying, Some(question.text().to_owned())),
        Phase::Reviewing { basis, .. } => (PhaseWord::Reviewing, Some(basis.proof().to_string())),
        Phase::Returning { .. } => (PhaseWord::SecondPass, None),
        Phase::Committing { .. } => (PhaseWord::Committing, None),
        Phase::RollingBack { after, .. } => (PhaseWord::RollingBack, Some(after.why().to_string())),
        Phase::Inquiring { onward, .. } => {
            let why = onward.why();
            return Some(Entry::Phase {
                phase: PhaseWord::Inquiring,
                why: Some(why.to_string()),
                strayed: *why == Why::OtherTransaction,
            });
        }
        Phase::Waiting { proof, .. } => (PhaseWord::Waiting, Some(proof.to_string())),
        Phase::PostVerifying { .. } => (PhaseWord::PostVerifying, None),
        Phase::Ended(_) => (PhaseWord::Ended, None),
        Phase::Left(code) => return Some(Entry::Left { code: code.code() }),
    };
    Some(Entry::phase(phase, why))
}

fn of_ending(ending: &Ending, after: &Machine) -> Entry {
    let (why, proof) = match ending {
        Ending::NotConnected => (None, "no session was opened".to_owned()),
        Ending::Committed { proof, .. } => (None, proof.to_string()),
        Ending::RolledBack { why, proof } => (Some(why.to_string()), proof.to_string()),
        Ending::Prepared { gid, server } => {
            let inquiry = Inquiry::Prepared {
                gid: gid.clone(),
                server: server.clone(),
            };
            (None, inquiry.to_string())
        }
        Ending::Unknown { reason } => (None, reason.to_string()),
    };
    Entry::Outcome {
        outcome: ending.outcome(),
        why,
        proof,
        rehearsed: matches!(
            ending,
            Ending::RolledBack {
                why: Why::Rehearsed,
                ..
            }
        ),
        tag_contradicted: after.is_tag_contradicted(),
    }
}

#[expect(clippy::too_many_lines, reason = "one match over every report")]
fn of_report(body: &Body, runbook: &Runbook, account: &Account) -> Vec<Entry> {
    match body {
        Body::Connected(target) => vec![Entry::Connected {
            target: serde_json::to_value(target).unwrap_or_default(),
        }],
        Body::ConnectFailed(error) | Body::BeginFailed(error) | Body::SessionEnded(error) => {
            vec![said(None, error)]
        }
        // It is written down once it is there.
        Body::Probed { evidence, .. } if evidence.standing == Standing::Awaited => Vec::new(),
        Body::Probed { item, evidence } => runbook
            .items
            .get(*item)
            .map(|item| found(item, evidence))
            .into_iter()
            .collect(),
        Body::BackupStarted(dumping) => vec![Entry::BackupStarted {
            path: dumping.path.display().to_string(),
            database_bytes: dumping.database_bytes,
            free_bytes: dumping.free_bytes,
        }],
        Body::BackedUp(dump) => vec![Entry::BackedUp {
            path: dump.path.display().to_string(),
            bytes: dump.bytes,
            milliseconds: dump.took,
            sha256: dump.sha256.clone(),
            entries: dump.entries,
            tables: dump.tables,
            program: dump.program.clone(),
            server: dump.server.clone(),
        }],
        Body::BackupFailed(why) | Body::BackupLost(why) => {
            vec![Entry::BackupFailed { why: why.clone() }]
        }
        Body::EarlierAnswered { journal, answer } => vec![Entry::EarlierAsked {
            journal: journal.display().to_string(),
            answer: answer.text.clone(),
        }],
        Body::Begun { xid, added } => vec![Entry::Begun {
            xid: xid.clone(),
            added: added.iter().map(Added::to_string).collect(),
        }],
        Body::NumberDurable => vec![Entry::NumberDurable],
        Body::StatementFinished(report) => {
            let mut entries = ended(runbook, account);
            entries.extend(
                report
                    .checks
                    .iter()
                    .map(|c| checked(CheckStage::Verification, c)),
            );
            entries
        }
        Body::StatementFailed { .. } => ended(runbook, account),
        Body::Noticed { number, message } => vec![said(*number, message)],
        Body::Guard { missing } => missing.iter().map(|why| said(None, why)).collect(),
        // It is for the screen: no signature rests on it.
        Body::Measured(_) => Vec::new(),
        Body::Looked(looked) => vec![Entry::Queried(Queried {
            query: looked.question.text().to_owned(),
            milliseconds: looked.duration,
            rows: looked.answer.as_ref().ok().map(|rows| rows.set.total),
            more: looked.answer.as_ref().is_ok_and(|rows| rows.more),
            error: looked.answer.as_ref().err().cloned(),
            disturbed: match &looked.after {
                After::Unchanged | After::Outside => None,
                After::Disturbed(what) => Some(what.clone()),
            },
        })],
        Body::SettleFailed { error, .. }
        | Body::PostVerifyFailed(error)
        | Body::FoundFailed(error) => vec![said(None, error)],
        Body::CommitAnswered(answer) => {
            use crate::gate::event::CommitAnswer;
            match answer {
                CommitAnswer::Refused { error, .. } | CommitAnswer::LinkLost(error) => {
                    vec![said(None, error)]
                }
                // The server's warning was written down when it came.
                CommitAnswer::Local { .. }
                | CommitAnswer::Tag { .. }
                | CommitAnswer::OtherTransaction { .. } => Vec::new(),
            }
        }
        Body::PostVerified { results } => results
            .iter()
            .flat_map(|result| &result.checks)
            .map(|check| checked(CheckStage::PostVerification, check))
            .collect(),
        Body::Asked(inquiry) => vec![Entry::phase(PhaseWord::Asked, Some(inquiry.to_string()))],
        Body::BackupProgressed(_)
        | Body::StatementStarted { .. }
        | Body::ScriptFinished
        | Body::Settled { .. }
        | Body::RollbackAnswered { .. } => Vec::new(),
        Body::StoodBefore {
            structure,
            duration,
        } => vec![looked_at(PhaseWord::StoodBefore, structure, *duration)],
        Body::TakenDown {
            structure,
            duration,
        } => vec![looked_at(PhaseWord::TakenDown, structure, *duration)],
        Body::CommitWaits(wait) => {
            vec![Entry::phase(PhaseWord::CommitWaits, Some(wait.to_string()))]
        }
        Body::TransactionGone => vec![Entry::phase(
            PhaseWord::TransactionGone,
            Some("it ended although nobody asked for that".into()),
        )],
    }
}

/// What a look at the structure came to, and what it took.
fn looked_at(which: PhaseWord, structure: &Structure, duration: Millis) -> Entry {
    let came_to = match structure {
        Structure::Known(all) => format!("{} objects and properties, in {duration} ms", all.len()),
        Structure::Unknown(why) => format!("not known, after {duration} ms: {why}"),
    };
    Entry::phase(which, Some(came_to))
}

fn found(item: &ChecklistItem, evidence: &Evidence) -> Entry {
    Entry::Evidence {
        item: item.id.clone(),
        standing: evidence.standing,
        summary: evidence.summary.clone(),
        lines: evidence.told().collect(),
        rehearsal: evidence.rehearsal.clone(),
    }
}

fn said(number: Option<usize>, message: &ServerMessage) -> Entry {
    Entry::Said(Said {
        number,
        message: message.clone(),
    })
}

fn checked(stage: CheckStage, check: &Check) -> Entry {
    Entry::Checked {
        stage,
        name: check.name.clone(),
        verdict: check.verdict,
        detail: check.detail.clone(),
        structure: restored_structure(check).map(str::to_owned),
    }
}

/// The statement that came to its end last.
fn ended(runbook: &Runbook, account: &Account) -> Vec<Entry> {
    let last = account.transaction.statements.last();
    let ended = last.map(|(number, end)| StatementEnded {
        place: place(runbook, *number),
        end: end.clone(),
    });
    ended
        .map(|ended| Entry::Statement(Box::new(ended)))
        .into_iter()
        .collect()
}

fn place(runbook: &Runbook, number: usize) -> StatementPlace {
    let known = runbook.script.statement(number);
    StatementPlace {
        number,
        line: known.map_or(0, |s| s.line),
        file: known
            .filter(|s| s.source > 0)
            .and_then(|s| runbook.script.sources.get(s.source))
            .map(|source| source.name.clone()),
        section: known
            .and_then(|s| runbook.script.section_title(s))
            .map(str::to_owned),
        kind: known.map_or_else(String::new, |s| s.kind.to_string()),
        relation: known.and_then(|s| s.relation().map(ToString::to_string)),
        about: known.and_then(Statement::about),
    }
}
