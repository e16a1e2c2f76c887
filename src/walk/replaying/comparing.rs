//! What is live at the end of a walk, held against what its journal gives.

use super::{RUNBOOK, SilentSession};
use crate::gate::account::{Step, Transaction};
use crate::gate::event::{OtherSession, Standing};
use crate::gate::{Account, Ending, Machine, Phase, Stage, Why};
use crate::journal::replay::{Attempt, Replay};
use crate::walk::engine::Engine;

/// Holds what is known of the transaction against what its journal says of it.
fn compare_transaction(machine: &Machine, account: &Account, replayed: &Attempt) {
    assert_eq!(account.transaction, replayed.transaction);
    let steps = RUNBOOK.script.statements.iter().zip(&account.steps);
    let ended: Vec<_> = steps
        .filter_map(|(statement, step)| {
            let (tag, duration, error) = match step {
                Step::Done(report) => (Some(report.tag.to_string()), report.duration, None),
                Step::Failed { duration, error } => (None, *duration, Some((**error).clone())),
                Step::Waiting | Step::Gate(_) | Step::Running { .. } | Step::NotRun => return None,
            };
            let number = statement.number;
            Some((
                number,
                tag,
                duration,
                error,
                account.waited_for_locks(number),
            ))
        })
        .collect();
    let recorded = replayed.statements.iter().map(|one| (*one.ended).clone());
    let recorded: Vec<_> = recorded
        .map(|one| (one.number, one.tag, one.milliseconds, one.error, one.waited))
        .collect();
    assert_eq!(ended, recorded);
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

/// Holds what the server said, outside statements and within, against the journal; and the queries.
fn compare_messages(account: &Account, replay: &Replay) {
    let said = account.messages.iter();
    let mut said: Vec<String> = said
        .map(|said| format!("{:?} {:?}", said.number, said.message))
        .collect();
    let in_statements = replay.attempts.iter().flat_map(|one| &one.statements);
    let in_statements = in_statements.filter_map(|one| {
        let error = one.ended.error.as_ref()?;
        Some(format!("{:?} {error:?}", Some(one.ended.number)))
    });
    let beside = replay.messages.iter();
    let mut recorded: Vec<String> = beside
        .map(|said| format!("{:?} {:?}", said.number, said.message))
        .chain(in_statements)
        .collect();
    said.sort();
    recorded.sort();
    assert_eq!(said, recorded);
    assert_eq!(account.looks, replay.queries.len());
    if let Some(looked) = &account.looked {
        let last = replay.queries.last().unwrap();
        let rows = looked.answer.as_ref().ok();
        assert_eq!(looked.question.text(), last.text);
        assert_eq!(rows.map(|rows| rows.set.total), last.rows);
        assert_eq!(rows.is_some_and(|rows| rows.more), last.more);
        assert_eq!(looked.answer.as_ref().err(), last.error.as_ref());
    }
}

/// Holds the checklist against the journal's.
fn compare_checklist(machine: &Machine, account: &Account, replay: &Replay) {
    for (index, signature) in machine.items().iter().enumerate() {
        let id = &RUNBOOK.items[index].id;
        let item = replay.items.iter().find(|item| item.id == *id);
        let signed = item.is_some_and(|item| item.signed.is_some());
        assert_eq!(signature.signed, signed, "{id}");
        let acknowledged = item.map_or(0, |item| item.acknowledged.len());
        assert_eq!(signature.acknowledged, acknowledged, "{id}");
        if signed {
            assert_eq!(account.notes[index], item.unwrap().note, "{id}");
        }
        let found = &account.evidence[index];
        if found.standing != Standing::Awaited {
            let item = item.unwrap();
            assert_eq!(item.standing, Some(found.standing), "{id}");
            let told: Vec<String> = std::iter::once(found.summary.clone())
                .chain(found.told())
                .collect();
            assert_eq!(item.found, told, "{id}");
            assert_eq!(item.rehearsal, found.rehearsal, "{id}");
        }
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
