//! A query inside the held transaction, as the machine takes it.

use super::*;
use crate::facts::{After, query};

impl Run {
    fn querying() -> Run {
        let mut run = Run::armed();
        run.key(Command::Query("SELECT 1".into()));
        run
    }
}

#[test]
fn while_a_query_runs_commit_is_out_of_reach_and_after_it_the_gate_arms_anew() {
    let mut run = Run::querying();
    assert!(matches!(
        run.effects.as_slice(),
        [Effect::Request {
            request: Request::Query {
                limit: query::LIMIT,
                ..
            },
            ..
        }]
    ));
    let before = run.machine.phase().clone();
    for command in [
        Command::AskCommit,
        Command::NameTyped("wiser_ops".into()),
        Command::Query("SELECT 2".into()),
        Command::Quit,
    ] {
        run.key(command);
        assert!(matches!(run.effects.as_slice(), [Effect::Refuse(_)]));
        assert_eq!(*run.machine.phase(), before);
    }
    run.report(looked(After::Unchanged));
    assert!(!run.machine.armed());
    run.key(Command::AskCommit);
    assert_eq!(run.effects, [Effect::Refuse(Refusal::NotArmed)]);
    run.event(Event::Drawn).tick(plan::ARMING);
    assert!(run.machine.armed());
}

#[test]
fn a_query_that_left_something_behind_forbids_commit_for_good() {
    let mut run = Run::querying();
    run.report(looked(After::Disturbed("locks were left".into())));
    assert_eq!(run.must_roll_back(), Some(Why::Disturbed));
    run.key(Command::Query("SELECT 1".into()));
    assert_eq!(run.effects, [Effect::Refuse(Refusal::TransactionFailed)]);
}

#[test]
fn an_answer_that_comes_too_late_is_not_acted_on() {
    let mut run = Run::querying();
    let old = run.seq;
    run.report(looked(After::Unchanged));
    run.event(Event::Drawn).tick(plan::ARMING);
    run.report_to(old, looked(After::Disturbed(String::new())));
    assert!(run.machine.armed());
}

#[test]
fn the_end_of_the_hold_cancels_a_query_and_rolls_back() {
    let mut run = Run::querying();
    run.tick(60_000);
    assert!(matches!(
        run.effects.as_slice(),
        [
            Effect::Cancel,
            Effect::Request {
                request: Request::RollBack,
                ..
            }
        ]
    ));
    // The answer of the query that was cancelled changes nothing any more.
    run.report(looked(After::Unchanged));
    assert_eq!(run.rolls_back_for(), Some(&Why::HoldLimit));
}

#[test]
fn rollback_during_a_query_cancels_it_first() {
    let mut run = Run::querying();
    run.key(Command::AskRollback).key(Command::ConfirmRollback);
    assert!(matches!(
        run.effects.as_slice(),
        [
            Effect::Cancel,
            Effect::Request {
                request: Request::RollBack,
                ..
            }
        ]
    ));
}

#[test]
fn the_question_for_rollback_stays_open_when_the_answer_comes() {
    let mut run = Run::querying();
    run.key(Command::AskRollback)
        .report(looked(After::Unchanged));
    assert!(matches!(
        run.machine.phase(),
        Phase::Deciding {
            prompt: Prompt::RollBack,
            ..
        }
    ));
}

#[test]
fn a_query_is_cancelled_until_it_is_answered_by_key_and_when_its_time_is_over() {
    let mut run = Run::querying();
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.tick(100);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Refuse(Refusal::AlreadyCancelling)]);
    // Once a query is answered, what was wished of it is over.
    run.report(looked(After::Unchanged))
        .tick(plan::CANCEL_PATIENCE);
    assert!(run.effects.is_empty());
    let mut run = Run::querying();
    run.tick(query::LIMIT);
    assert!(run.effects.is_empty(), "the server's own limit comes first");
    run.tick(query::GRACE);
    assert_eq!(run.effects, [Effect::Cancel]);
}

#[test]
fn after_a_failed_statement_no_query_runs_and_the_reason_is_told() {
    let mut run = Run::applying();
    run.report(statement_failed());
    run.key(Command::Query("SELECT 1".into()));
    assert_eq!(run.effects, [Effect::Refuse(Refusal::TransactionFailed)]);
}

#[test]
fn after_failed_checks_a_query_runs_and_only_rollback_is_left_after_it() {
    let mut run = Run::settled(&[Verdict::Fail]);
    run.key(Command::Query("SELECT 1".into()));
    let why = Why::ChecksFailed;
    assert!(matches!(
        run.machine.phase(),
        Phase::Querying { why: Some(known), .. } if *known == why
    ));
    run.report(looked(After::Disturbed(String::new())));
    assert_eq!(run.must_roll_back(), Some(why));
}

#[test]
fn what_is_no_query_is_refused_before_anything_is_sent() {
    let mut run = Run::armed();
    for text in [
        "COMMIT",
        "SELECT 1; COMMIT",
        "",
        "SET x = 1",
        "COPY t TO STDOUT",
    ] {
        run.key(Command::Query(text.into()));
        assert!(matches!(run.effects.as_slice(), [Effect::Say(_)]), "{text}");
        assert!(matches!(run.machine.phase(), Phase::Deciding { .. }));
    }
}

/// The server's own limit is a cancel too, and a function can catch both.
#[test]
fn a_query_that_no_cancel_ends_is_told_and_cancelled_again_it_is_rolled_back() {
    let by_key = |run: &mut Run| {
        run.key(Command::Cancel);
    };
    let by_its_limit = |run: &mut Run| {
        run.tick(query::LIMIT + query::GRACE);
    };
    type Ends<'a> = (&'a str, &'a dyn Fn(&mut Run));
    let ends: [Ends<'_>; 2] = [("x", &by_key), ("its limit", &by_its_limit)];
    for (by, end) in ends {
        let mut run = Run::querying();
        end(&mut run);
        assert_eq!(run.effects, [Effect::Cancel], "{by}");
        run.tick(plan::CANCEL_PATIENCE - 1);
        assert_eq!(run.effects, [Effect::Cancel], "{by}");
        run.key(Command::Cancel);
        assert!(run.says(&Refusal::AlreadyCancelling), "{by}");
        run.tick(1);
        let told = Effect::Refuse(Refusal::CancelWithoutEffect);
        assert_eq!(run.effects, [Effect::Cancel, told], "{by}");
        // Its key does something else from here on: not for who has not seen that (I5).
        run.event(Event::Asked(Command::Cancel));
        assert!(run.says(&Refusal::NotDrawn), "{by}");
        run.key(Command::Cancel);
        assert!(run.asks(rolls_back), "{by}");
        run.tick(plan::PATIENCE);
        assert_eq!(run.effects.first(), Some(&Effect::Sever), "{by}");
        assert!(matches!(
            run.phase(),
            Phase::Inquiring {
                commit_sent: false,
                onward: Onward::End(Why::Decision),
                ..
            }
        ));
    }
}
