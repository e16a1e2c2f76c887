//! What of an event goes into the journal.

use crate::gate::event::{Body, Event, ServerMessage, Standing, StatementReport};
use crate::gate::{Account, Command, Ending, Machine, Phase};
use crate::journal::Entry;
use crate::journal::entry::Message;
use crate::runbook::Runbook;
use crate::runbook::check::Check;

/// The lines for an event as it arrives.
pub fn of_event(event: &Event, runbook: &Runbook) -> Vec<Entry> {
    match event {
        Event::Reported(report) => of_report(&report.body, runbook),
        Event::Alarmed(alarm) => vec![Entry::Alarm {
            alarm: crate::gate::Why::Alarmed(alarm.clone()).to_string(),
        }],
        Event::Observed(_)
        | Event::Drawn
        | Event::Edited
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
    before: &Machine,
    after: &Machine,
    event: &Event,
    runbook: &Runbook,
    account: &Account,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (index, item) in runbook.items.iter().enumerate() {
        let signed = |machine: &Machine| machine.items().get(index).is_some_and(|i| i.signed);
        if signed(after) && !signed(before) {
            let evidence = account.evidence.get(index);
            entries.push(Entry::Signed {
                item: item.id.clone(),
                title: item.title.clone(),
                note: match event {
                    Event::Asked(Command::SignOff { note, .. }) => note.clone(),
                    _ => None,
                },
                evidence: evidence.map_or_else(Vec::new, |e| {
                    std::iter::once(&e.summary)
                        .chain(&e.lines)
                        .cloned()
                        .collect()
                }),
            });
        } else if signed(before) && !signed(after) {
            entries.push(Entry::Withdrawn {
                item: item.id.clone(),
            });
        }
    }
    let word = |machine: &Machine| machine.ending().map(Ending::word);
    if word(after) != word(before) {
        entries.extend(after.ending().map(of_ending));
    }
    if std::mem::discriminant(before.phase()) != std::mem::discriminant(after.phase()) {
        entries.extend(match event {
            Event::Asked(Command::LeaveOut) => Some(Entry::Phase {
                phase: "starting over".into(),
                why: Some("what says (if needed) is left out by choice, or taken back in".into()),
            }),
            _ => of_phase(after.phase()),
        });
    }
    entries
}

fn of_phase(phase: &Phase) -> Option<Entry> {
    let (name, why) = match phase {
        Phase::Connecting => ("connecting", None),
        Phase::Checklist => ("checklist", None),
        Phase::Beginning => ("beginning", None),
        Phase::Applying { .. } => ("applying", None),
        Phase::Verifying { .. } => ("verifying", None),
        Phase::Deciding { .. } => ("deciding", None),
        Phase::MustRollBack { why, .. } => ("must roll back", Some(why.to_string())),
        Phase::Committing => ("committing", None),
        Phase::RollingBack { why, .. } => ("rolling back", Some(why.to_string())),
        Phase::Inquiring { why, .. } => ("asking the server", Some(why.to_string())),
        Phase::Waiting { proof, .. } => ("waiting for the next attempt", Some(proof.to_string())),
        Phase::PostVerifying { .. } => ("post-verifying", None),
        Phase::Ended(_) => ("ended", None),
        Phase::Left(code) => return Some(Entry::Left { code: code.code() }),
    };
    Some(Entry::Phase {
        phase: name.into(),
        why,
    })
}

fn of_ending(ending: &Ending) -> Entry {
    let (why, proof) = match ending {
        Ending::NotConnected => (None, "no session was opened".to_owned()),
        Ending::Committed { proof, .. } => (None, proof.to_string()),
        Ending::RolledBack { why, proof } => (Some(why.to_string()), proof.to_string()),
        Ending::Unknown { reason } => (None, reason.to_string()),
    };
    Entry::Outcome {
        outcome: ending.word().into(),
        why,
        proof,
    }
}

fn of_report(body: &Body, runbook: &Runbook) -> Vec<Entry> {
    match body {
        Body::Connected(target) => vec![Entry::Connected {
            target: serde_json::to_value(target).unwrap_or_default(),
        }],
        Body::ConnectFailed(error) | Body::BeginFailed(error) | Body::SessionEnded(error) => {
            vec![said(None, error)]
        }
        Body::Probed { item, evidence } => runbook
            .items
            .get(*item)
            .map(|item| Entry::Evidence {
                item: item.id.clone(),
                standing: match evidence.standing {
                    Standing::Awaited => "awaited",
                    Standing::Holds => "holds",
                    Standing::Warns => "warns",
                    Standing::Fails => "fails",
                }
                .into(),
                summary: evidence.summary.clone(),
                lines: evidence.lines.clone(),
                rehearsal: evidence.rehearsal.clone(),
            })
            .into_iter()
            .collect(),
        Body::Begun { xid, added } => vec![Entry::Begun {
            xid: xid.clone(),
            added: added.clone(),
        }],
        Body::StatementFinished(report) => {
            let mut entries = vec![statement(runbook, report)];
            entries.extend(report.checks.iter().map(|c| checked("verification", c)));
            entries
        }
        Body::StatementFailed {
            number,
            duration,
            error,
        } => {
            let report = StatementReport {
                number: *number,
                duration: *duration,
                ..StatementReport::default()
            };
            let mut entry = statement(runbook, &report);
            if let Entry::Statement {
                tag, error: slot, ..
            } = &mut entry
            {
                *tag = None;
                *slot = Some(Message::from(&**error));
            }
            vec![entry]
        }
        Body::Noticed { number, message } => vec![said(*number, message)],
        Body::SettleFailed(error) | Body::PostVerifyFailed(error) => vec![said(None, error)],
        Body::CommitAnswered(answer) => {
            use crate::gate::event::CommitAnswer;
            match answer {
                CommitAnswer::Refused { error, .. } | CommitAnswer::LinkLost(error) => {
                    vec![said(None, error)]
                }
                CommitAnswer::Tag { .. } | CommitAnswer::OtherTransaction { .. } => Vec::new(),
            }
        }
        Body::PostVerified { results } => results
            .iter()
            .flat_map(|result| &result.checks)
            .map(|check| checked("post-verification", check))
            .collect(),
        Body::Asked(inquiry) => vec![Entry::Phase {
            phase: "asked the server".into(),
            why: Some(inquiry.to_string()),
        }],
        Body::StatementStarted { .. }
        | Body::ScriptFinished
        | Body::Settled { .. }
        | Body::RollbackAnswered { .. }
        | Body::Beaten => Vec::new(),
    }
}

fn said(number: Option<usize>, message: &ServerMessage) -> Entry {
    Entry::Said {
        number,
        message: Message::from(message),
    }
}

fn checked(stage: &str, check: &Check) -> Entry {
    Entry::Checked {
        stage: stage.into(),
        name: check.name.clone(),
        verdict: check.verdict.word().into(),
        detail: check.detail.clone(),
    }
}

fn statement(runbook: &Runbook, report: &StatementReport) -> Entry {
    let known = report
        .number
        .checked_sub(1)
        .and_then(|index| runbook.script.statements.get(index));
    Entry::Statement {
        number: report.number,
        line: known.map_or(0, |s| s.line),
        file: known
            .filter(|s| s.source > 0)
            .and_then(|s| runbook.script.sources.get(s.source))
            .map(|source| source.name.clone()),
        section: known
            .and_then(|s| runbook.script.section_title(s))
            .map(str::to_owned),
        kind: known.map_or_else(String::new, |s| s.kind.clone()),
        relation: known.and_then(|s| s.relation.clone()),
        milliseconds: report.duration,
        tag: Some(report.tag.clone()),
        rows: report.result.as_ref().map(|result| result.total),
        locks: report
            .locks
            .iter()
            .map(|lock| format!("{} {}", lock.mode.name(), lock.relation))
            .collect(),
        error: None,
    }
}
