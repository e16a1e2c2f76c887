//! What is live at the end of a walk, held against what its journal gives.

use super::{RUNBOOK, SilentSession};
use crate::account::{Account, ItemAccount, Transaction};
use crate::facts::{Ending, Evidence, OtherSession, Said, Standing, Why};
use crate::gate::{Machine, Phase, Stage};
use crate::journal::replay::{Attempt, Replay};
use crate::walk::engine::Engine;

/// Holds what is known of the transaction against what its journal says of it.
fn compare_transaction(machine: &Machine, account: &Account, replayed: &Attempt) {
    let mut live = account.transaction.clone();
    for (_, end) in &mut live.statements {
        assert_eq!(end.kept.is_some(), end.rows.is_some());
        // No journal holds rows.
        end.kept = None;
    }
    assert_eq!(live, replayed.transaction);
    if !machine.plan().lets_go_by_itself() {
        let came_to_the_gate = machine.got_to() == Stage::Decide;
        assert_eq!(came_to_the_gate, replayed.decided.is_some());
    }
    if account.failed().is_some() {
        let stopped_by = account.stopped_by().iter().map(OtherSession::in_the_way);
        assert_eq!(stopped_by.collect::<Vec<String>>(), replayed.blocked);
    }
    let why = match machine.phase() {
        Phase::MustRollBack { why, .. } => Some(why),
        Phase::RollingBack { after, .. } => Some(after.why()),
        _ => None,
    };
    if let Some(why) = why {
        assert_eq!(replayed.why.as_ref(), Some(&why.to_string()));
    }
    if machine.is_strayed() {
        assert!(replayed.strayed);
    }
    if machine.is_tag_contradicted() {
        assert!(replayed.tag_contradicted);
    }
    if let Some(compared) = machine.compared() {
        let mut told: Vec<String> = compared
            .differences
            .iter()
            .map(|one| one.to_string())
            .collect();
        if compared.more > 0 {
            told.push(format!("and {} more", compared.more));
        }
        assert_eq!(replayed.compared.as_ref(), Some(&told));
    }
}

/// Holds what the server said against the journal; and the queries.
fn compare_messages(account: &Account, replay: &Replay) {
    let live: Vec<&Said> = account.messages.iter().map(|(_, said)| said).collect();
    let recorded: Vec<&Said> = replay.messages.iter().map(|(_, said)| said).collect();
    assert_eq!(live, recorded);
    assert_eq!(account.looks, replay.queries.len());
    if let Some(looked) = &account.looked {
        let (_, last) = replay.queries.last().unwrap();
        let rows = looked.answer.as_ref().ok();
        assert_eq!(looked.question.text(), last.query);
        assert_eq!(rows.map(|rows| rows.set.total), last.rows);
        assert_eq!(rows.is_some_and(|rows| rows.more), last.more);
        assert_eq!(looked.answer.as_ref().err(), last.error.as_ref());
    }
}

/// Holds the checklist against the journal's.
fn compare_checklist(machine: &Machine, account: &Account, replay: &Replay) {
    for (index, signature) in machine.items().iter().enumerate() {
        let id = &RUNBOOK.items[index].id;
        let live = &account.items[index];
        assert_eq!(signature.signed, live.signed.is_some(), "{id}");
        assert_eq!(signature.acknowledged, live.acknowledged.len(), "{id}");
        let item = replay.items.iter().find(|item| item.id == *id);
        let mut recorded = item.map_or_else(ItemAccount::default, |item| item.known.clone());
        let found = &live.evidence;
        match found.standing {
            // No journal holds what is awaited.
            Standing::Awaited => recorded.evidence = found.clone(),
            _ => {
                assert_eq!(recorded.evidence.in_lines(), found.in_lines(), "{id}");
                recorded.evidence = Evidence {
                    lines: found.lines.clone(),
                    checks: found.checks.clone(),
                    findings: found.findings,
                    ..recorded.evidence
                };
            }
        }
        assert_eq!(*live, recorded, "{id}");
    }
}

/// Holds what was live at its end against its journal.
pub(super) fn compare(engine: &Engine<SilentSession>, wire: &SilentSession, replay: &Replay) {
    let (machine, account) = (engine.machine(), engine.account());
    assert_eq!(account.target, replay.target);
    assert_eq!(engine.left().map(|code| code.code()), replay.left);
    if let Some(ending) = machine.ending() {
        let recorded = replay.outcome().unwrap();
        assert_eq!(ending.outcome(), recorded.word);
        let why = match ending {
            Ending::RolledBack { why, proof } => {
                assert_eq!(proof.to_string(), recorded.proof);
                Some(why)
            }
            _ => None,
        };
        assert_eq!(why.map(Why::to_string), recorded.why);
        assert_eq!(why == Some(&Why::Rehearsed), recorded.rehearsed);
    }
    compare_messages(account, replay);
    compare_checklist(machine, account, replay);
    for xid in &*wire.committed.borrow() {
        let of = |attempt: &&Attempt| attempt.transaction.xid.as_ref() == Some(xid);
        let intended = replay
            .attempts
            .iter()
            .filter(of)
            .any(|one| one.commit_intended);
        assert!(intended, "COMMIT of {xid} was sent");
    }
    let open = machine.phase().transaction_open();
    match replay.last() {
        Some(attempt) if !attempt.back_at_checklist => {
            compare_transaction(machine, account, attempt);
        }
        // What was before is forgotten with the walk that it was of.
        Some(_) | None => assert_eq!(account.transaction, Transaction::default()),
    }
    assert!(!open || replay.outcome().is_none_or(|one| !one.word.is_final()));
}
