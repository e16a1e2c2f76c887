//! A pass that is let go: its structure is looked at first, inside the transaction, and only then.

use super::*;
use crate::gate::pass::{Pass, Structure};
use std::collections::BTreeMap;
use std::sync::Arc;

/// At the gate of a run that can be decided with nothing held.
fn at_the_gate() -> Run {
    at_the_gate_after(Structure::Known(BTreeMap::new()))
}

fn at_the_gate_after(before: Structure) -> Run {
    let pass = Pass {
        before,
        ..Pass::of("script")
    };
    let mut run = Run::of(Plan {
        items: Vec::new(),
        unheld: Unheld::Offered {
            limit: plan::APPROVAL_LIMIT,
            by_itself: false,
            review_again: false,
        },
        ..Run::plan(Mode::Run)
    });
    run.report(reached());
    run.key(Command::Apply).report(begun("7"));
    run.verdict(Verdict::Pass)
        .report(Body::ScriptFinished)
        .event(Event::CameOut(Arc::new(pass)))
        .report(Body::Settled {
            same_transaction: true,
        });
    assert!(
        !run.asks(takes_down),
        "nobody needs it before it is decided"
    );
    run.event(Event::Drawn).tick(plan::ARMING);
    assert!(run.machine.armed());
    run
}

fn takes_down(request: &Request) -> bool {
    matches!(request, Request::TakeDown)
}

fn taken_down(structure: Structure) -> Body {
    Body::TakenDown {
        structure: Box::new(structure),
        duration: 3,
    }
}

fn let_go() -> Run {
    let mut run = at_the_gate();
    run.key(Command::TakeTime);
    assert!(run.asks(takes_down));
    assert!(matches!(
        run.phase(),
        Phase::TakingDown(RunningPass {
            cancelling: None,
            ..
        })
    ));
    run
}

/// A pass that was let go, with nothing held.
pub(super) fn reviewing() -> Run {
    let mut run = let_go();
    run.report(taken_down(known()));
    assert!(run.asks(rolls_back));
    run.report(rolled_back(true, Some(XactStatus::Aborted)));
    assert!(matches!(run.phase(), Phase::Reviewing { .. }));
    run
}

fn known() -> Structure {
    let column = ("column a.b".to_owned(), "bigint".to_owned());
    Structure::Known(BTreeMap::from([column]))
}

#[test]
fn a_pass_is_let_go_as_soon_as_its_structure_is_known() {
    let run = reviewing();
    let kept = run.machine.basis().map(|basis| &basis.shown().structure);
    assert_eq!(kept, Some(&known()));
}

#[test]
fn a_structure_that_cannot_be_taken_down_leaves_the_decision_at_the_gate() {
    let mut run = let_go();
    run.report(taken_down(Structure::Unknown("a lock".into())));
    assert!(!run.asks(rolls_back));
    assert!(matches!(run.phase(), Phase::Deciding { .. }));
    assert!(matches!(
        run.effects[..],
        [Effect::Refuse(Refusal::NothingKept(_))]
    ));
    // It can be tried again, once the gate was looked at.
    run.event(Event::Drawn).tick(plan::ARMING);
    run.key(Command::TakeTime);
    assert!(run.asks(takes_down));
}

#[test]
fn a_pass_whose_beginning_is_not_known_is_decided_at_the_gate() {
    let mut run = at_the_gate_after(Structure::Unknown("a lock".into()));
    run.key(Command::TakeTime);
    assert!(matches!(
        run.effects[..],
        [Effect::Refuse(Refusal::NothingKept(_))]
    ));
    assert!(matches!(run.phase(), Phase::Deciding { .. }));
}

#[test]
fn what_is_cancelled_stays_at_the_gate_and_cancelled_in_vain_is_rolled_back() {
    let mut run = let_go();
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.report(taken_down(Structure::Known(BTreeMap::new())));
    assert!(matches!(run.phase(), Phase::Deciding { .. }));

    let mut run = let_go();
    run.key(Command::Cancel).key(Command::Cancel);
    assert!(run.says(&Refusal::AlreadyCancelling));

    let mut run = let_go();
    run.key(Command::Cancel).tick(plan::CANCEL_PATIENCE);
    let told = Effect::Refuse(Refusal::CancelWithoutEffect);
    assert_eq!(run.effects, [told]);
    run.tick(100);
    assert!(run.effects.is_empty(), "it is told once");
    run.key(Command::Cancel);
    assert!(run.asks(rolls_back));
}

#[test]
fn nothing_keeps_the_hold_from_its_end_meanwhile() {
    let mut run = let_go();
    run.tick(60_000);
    assert!(run.asks(rolls_back));
    assert_eq!(run.rolls_back_for(), Some(&Why::HoldLimit));
}

#[test]
fn a_transaction_that_fails_meanwhile_never_comes_back_to_an_armed_gate() {
    let mut run = let_go();
    run.report(Body::FoundFailed(error()));
    let failed = Why::FailedWhileHeld;
    assert!(matches!(run.phase(), Phase::MustRollBack { why, .. } if *why == failed));
}

#[test]
fn without_a_journal_nothing_is_reviewed_and_nothing_comes_back_to_the_gate() {
    let mut run = let_go();
    run.event(Event::JournalLost("disk full".into()))
        .report(taken_down(Structure::Unknown("a lock".into())));
    let lost = Why::JournalLost;
    assert!(matches!(run.phase(), Phase::MustRollBack { why, .. } if *why == lost));
}

#[test]
fn a_pass_that_is_not_known_to_be_gone_is_not_reviewed_and_its_link_is_why() {
    let mut run = let_go();
    run.report(taken_down(known()))
        .report(session_ended())
        .report(Body::Asked(Inquiry::Unreachable("refused".into())));
    assert!(
        matches!(
            run.phase(),
            Phase::Ended(Ending::RolledBack {
                why: Why::SessionEnded,
                proof: Proof::NeverSent { .. },
            })
        ),
        "{:?}",
        run.phase()
    );
}

/// Who lets a pass go and leaves, before it is known to be gone or right after.
#[test]
fn who_leaves_before_the_pass_is_known_to_be_gone_is_not_told_that_it_is_reviewed() {
    let left = Why::Alarmed(Alarm::Quit);
    let mut asked = let_go();
    asked
        .report(taken_down(known()))
        .report(Body::SessionEnded(ServerMessage::default()));
    let mut rolling_back = let_go();
    rolling_back.report(taken_down(known()));
    for mut run in [asked, rolling_back] {
        run.key(Command::Quit).event(Event::Drawn);
        run.tick(plan::ARMING).key(Command::Quit);
        // The server says in time that it is gone.
        let mut answered = run.machine.clone();
        std::mem::swap(&mut run.machine, &mut answered);
        match run.phase() {
            Phase::Inquiring { .. } => run.report(Body::Asked(Inquiry::Answered {
                status: XactStatus::Aborted,
                server: "s".into(),
            })),
            _ => run.report(Body::RollbackAnswered {
                tag: "ROLLBACK".into(),
                ended_ours: true,
                xact_status: Some(XactStatus::Aborted),
            }),
        };
        let ending = run.machine.ending();
        assert!(
            matches!(ending, Some(Ending::RolledBack { why, .. }) if *why == left),
            "{ending:?}"
        );
        // It says nothing.
        std::mem::swap(&mut run.machine, &mut answered);
        for _ in 0..plan::LEAVING / 100 {
            run.tick(100);
        }
        let ending = run.machine.ending();
        assert!(
            matches!(
                ending,
                Some(Ending::RolledBack { why, proof: Proof::NeverSent { .. } }) if *why == left
            ),
            "{ending:?}"
        );
        assert!(matches!(run.phase(), Phase::Left(_)));
    }
}

/// A second pass of which the script runs.
fn second_pass() -> Run {
    let mut run = reviewing();
    run.event(Event::Drawn).tick(plan::ARMING);
    run.key(Command::AskCommit)
        .key(Command::NameTyped("wiser_ops".into()))
        .report(reached())
        .report(begun("8"));
    assert!(matches!(run.phase(), Phase::Applying(_)));
    assert!(run.machine.approval().is_some());
    run
}

#[test]
fn who_wants_out_of_a_second_pass_is_told_what_ends_it_and_is_out_with_two_quick_qs() {
    let mut run = second_pass();
    run.key(Command::AskRollback);
    assert!(run.says(&Refusal::CommitsByItself), "{:?}", run.effects);
    run.key(Command::Quit);
    assert!(run.says(&Refusal::ScriptRunning), "{:?}", run.effects);
    run.event(Event::Drawn).tick(100);
    run.key(Command::Quit);
    assert!(run.asks(rolls_back));
    assert_eq!(run.rolls_back_for(), Some(&Why::Alarmed(Alarm::Quit)));

    let mut run = second_pass();
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
}
