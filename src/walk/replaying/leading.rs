//! Single walks, led to one place: what is known there is of that walk alone.

use super::{RUNBOOK, SilentSession, message};
use crate::account::Transaction;
use crate::facts::Standing;
use crate::gate::PhaseKind;
use crate::gate::act::Command;
use crate::gate::event::{Body, Event, Report};
use crate::gate::exhaustive::{next_step, plan};
use crate::gate::plan::{Mode, Plan};
use crate::walk::engine::{Engine, Log};
use std::sync::Arc;

/// A walk without a journal, led by what brings it forward until it is in that phase.
fn lead_to(plan: Plan, phase: PhaseKind) -> Engine<SilentSession> {
    let wire = SilentSession::default();
    let mut engine = Engine::new(Arc::clone(&RUNBOOK), plan, Log::Unwanted, wire);
    engine.start();
    lead_on(&mut engine, phase);
    engine
}

fn lead_on(engine: &mut Engine<SilentSession>, phase: PhaseKind) {
    for _ in 0..100 {
        if engine.machine().phase().kind() == phase {
            return;
        }
        engine.take(next_step(engine.machine()));
    }
    panic!(
        "{phase:?} is not reached from {:?}",
        engine.machine().phase()
    );
}

#[test]
fn an_attempt_whose_begin_is_not_answered_has_nothing_of_the_one_before() {
    let mut engine = lead_to(plan(Mode::Run, 0, false), PhaseKind::Applying);
    assert_eq!(engine.account().transaction.xid.as_deref(), Some("7"));
    let seq = engine.machine().sequence_numbers()[0];
    let body = Body::StatementFailed {
        number: 1,
        duration: 5,
        error: Box::new(message("ERROR", Some("55P03"), 1)),
    };
    engine.take(Event::Reported(Report { seq, body }));
    lead_on(&mut engine, PhaseKind::Waiting);
    assert!(engine.account().failed().is_some());
    lead_on(&mut engine, PhaseKind::Beginning);
    assert_eq!(engine.account().transaction, Transaction::default());
    assert!(engine.account().failed().is_none());
}

#[test]
fn what_is_typed_with_a_refused_signature_is_not_shown_with_the_one_that_was_given() {
    let mut engine = lead_to(plan(Mode::Run, 1, false), PhaseKind::Checklist);
    let sign = |engine: &mut Engine<SilentSession>, note: &str| {
        engine.take(Event::Drawn);
        engine.take(Event::Asked(Command::SignOff {
            item: 0,
            note: Some(note.into()),
        }));
    };
    while !engine.machine().is_shown() || engine.machine().items()[0].standing == Standing::Awaited
    {
        engine.take(next_step(engine.machine()));
    }
    sign(&mut engine, "the dump of today");
    assert!(engine.machine().items()[0].signed);
    sign(&mut engine, "another");
    let signed = engine.account().items[0].signed.as_ref();
    assert_eq!(signed.unwrap().note.as_deref(), Some("the dump of today"));
}
