//! Leaving by all means, and what is said when the proof does not come in time.

use super::*;
use crate::facts::CommitWait;

/// `q`, looked at for as long as it takes, and `q` again.
fn quit_twice(run: &mut Run) {
    run.key(Command::Quit);
    assert!(
        matches!(run.effects.as_slice(), [Effect::Refuse(_)]),
        "{:?}",
        run.effects
    );
    run.event(Event::Drawn).tick(plan::ARMING);
    run.key(Command::Quit);
}

fn pass(run: &mut Run, time: Millis) {
    for _ in 0..time / 100 {
        run.tick(100);
    }
}

#[test]
fn q_twice_at_the_gate_rolls_back_and_leaves() {
    let mut run = Run::armed();
    quit_twice(&mut run);
    assert!(run.asks(rolls_back));
    run.report(rolled_back(true, Some(XactStatus::Aborted)));
    assert_eq!(run.effects, [Effect::Leave(ExitCode::RolledBack)]);
    assert!(matches!(
        run.machine.ending(),
        Some(Ending::RolledBack {
            why: Why::Alarmed(Alarm::Quit),
            ..
        })
    ));
}

#[test]
fn a_q_that_is_held_down_never_leaves() {
    let mut run = Run::armed();
    run.key(Command::Quit);
    assert!(run.says(&Refusal::TransactionOpen), "{:?}", run.effects);
    for _ in 0..200 {
        run.event(Event::Drawn)
            .tick(33)
            .event(Event::Asked(Command::Quit));
        // Not in the words of the first, which ask for just that.
        assert!(run.says(&Refusal::TooSoon), "{:?}", run.effects);
    }
}

#[test]
fn a_q_long_ago_or_before_another_key_is_not_the_first_of_two() {
    let mut run = Run::armed();
    run.key(Command::Quit).event(Event::Drawn);
    run.tick(plan::PARTING);
    run.key(Command::Quit);
    assert!(run.says(&Refusal::TransactionOpen));
    run.event(Event::Drawn).tick(plan::ARMING);
    run.key(Command::Extend);
    run.key(Command::Quit);
    assert!(run.says(&Refusal::TransactionOpen));
}

#[test]
fn a_commit_that_is_never_answered_is_left_as_unknown() {
    let mut run = Run::committing();
    quit_twice(&mut run);
    assert!(
        matches!(run.phase(), Phase::Committing { .. }),
        "it is waited for"
    );
    pass(&mut run, plan::LEAVING - 100);
    assert!(matches!(run.phase(), Phase::Committing { .. }));
    run.tick(100);
    assert_eq!(run.effects.first(), Some(&Effect::Sever));
    assert_eq!(
        run.effects.last(),
        Some(&Effect::Leave(ExitCode::OutcomeUnknown))
    );
    assert!(matches!(run.machine.ending(), Some(Ending::Unknown { .. })));
}

#[test]
fn a_commit_that_is_answered_in_time_is_left_as_what_it_is() {
    let mut run = Run::committing();
    run.event(Event::Alarmed(Alarm::Terminated));
    pass(&mut run, plan::LEAVING - 100);
    run.report(tagged_commit());
    assert_eq!(run.effects, [Effect::Leave(ExitCode::Committed)]);
}

#[test]
fn a_server_that_answers_nothing_keeps_nobody_who_was_told_to_terminate() {
    let mut run = Run::armed();
    run.event(Event::Alarmed(Alarm::Terminated));
    assert!(run.asks(rolls_back));
    pass(&mut run, plan::LEAVING);
    assert!(matches!(run.phase(), Phase::Left(_)), "{:?}", run.phase());
    assert!(matches!(
        run.machine.ending(),
        Some(Ending::RolledBack {
            proof: Proof::NeverSent { .. },
            ..
        })
    ));
}

#[test]
fn a_transaction_in_progress_for_ever_is_asked_about_ever_more_rarely_and_not_for_ever() {
    let mut run = Run::armed();
    run.report(session_ended());
    let mut pauses = Vec::new();
    let mut asked = 1;
    while !matches!(run.phase(), Phase::Ended(_)) {
        run.report(answered(XactStatus::InProgress));
        asked += 1;
        let mut pause = 0;
        while !run.asks(|r| matches!(r, Request::EndBackend)) && pause < 60_000 {
            if matches!(run.phase(), Phase::Ended(_)) {
                break;
            }
            run.tick(1_000);
            pause += 1_000;
        }
        pauses.push(pause);
        assert!(asked < 100, "without end");
    }
    assert!(pauses.is_sorted_by(|a, b| a <= b || *b == 0), "{pauses:?}");
    assert!(pauses.contains(&8_000), "{pauses:?}");
    assert!(matches!(run.phase(), Phase::Ended(Ending::Unknown { .. })));
}

#[test]
fn a_prepared_transaction_is_an_outcome_of_its_own() {
    let mut run = Run::applying();
    run.report(Body::TransactionGone);
    run.report(Body::Asked(Inquiry::Prepared {
        gid: "it's".into(),
        server: "s".into(),
    }));
    let Phase::Ended(ending @ Ending::Prepared { gid, .. }) = run.phase() else {
        panic!("{:?}", run.phase());
    };
    assert_eq!(ending.exit_code(), ExitCode::OutcomeUnknown);
    let how = crate::facts::how_to_end(gid);
    assert!(how.contains("ROLLBACK PREPARED 'it''s';"), "{how}");
    // When somebody has ended it, the server is asked once more.
    let mut other = run.machine.clone();
    run.key(Command::AskOutcome);
    run.report(answered(XactStatus::Aborted));
    assert!(matches!(
        run.phase(),
        Phase::Ended(Ending::RolledBack { .. })
    ));
    // Whoever ended it may have committed it.
    std::mem::swap(&mut run.machine, &mut other);
    run.key(Command::AskOutcome);
    run.report(answered(XactStatus::Committed));
    assert!(matches!(
        run.machine.ending(),
        Some(Ending::Committed { .. })
    ));
}

#[test]
fn only_a_commit_that_is_seen_to_wait_can_be_let_go_of() {
    let mut run = Run::committing();
    run.key(Command::Cancel);
    assert!(run.says(&Refusal::NothingToDoHere));
    run.report(Body::CommitWaits(CommitWait {
        event: Some("SyncRep".into()),
        standbys: "nobody".into(),
    }));
    // Not on a frame from before it was said.
    run.event(Event::Asked(Command::Cancel));
    assert!(run.says(&Refusal::NotDrawn));
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.report(Body::CommitAnswered(CommitAnswer::Local {
        warning: error(),
        idle: true,
        xact_status: Some(XactStatus::Committed),
    }));
    assert!(matches!(
        run.machine.ending(),
        Some(Ending::Committed {
            proof: Proof::Local { .. },
            ..
        })
    ));
}
