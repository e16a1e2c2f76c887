//! What is cancelled beside the script: a look that holds nothing, and COMMIT.

use super::*;
use crate::facts::CommitWait;
use crate::runbook::question::Question;
use letting_go::reviewing;

fn asked_in_review() -> Run {
    let mut run = reviewing();
    run.key(Command::Query("SELECT pg_sleep(60)".into()));
    assert!(run.asks(|r| matches!(r, Request::QueryOutside(_))));
    run
}

fn post_verifying() -> Run {
    let mut run = Run::committing();
    run.report(tagged_commit());
    assert!(matches!(run.phase(), Phase::PostVerifying { .. }));
    run
}

#[test]
fn a_look_that_no_cancel_ends_is_told_and_cancelled_again_its_link_is_closed() {
    let kinds: [(&str, Run); 3] = [
        ("probes", Run::connected(Mode::Run)),
        ("a query in the review", asked_in_review()),
        ("the post-verification", post_verifying()),
    ];
    for (what, mut run) in kinds {
        run.key(Command::Cancel);
        assert_eq!(run.effects, [Effect::Cancel], "{what}");
        run.tick(plan::CANCEL_PATIENCE - 1);
        assert_eq!(
            run.effects,
            [Effect::Cancel],
            "{what}: it may have hit nothing"
        );
        run.key(Command::Cancel);
        assert!(run.says(&Refusal::AlreadyCancelling), "{what}");
        run.tick(1);
        let told = Effect::Refuse(Refusal::LookNotCancelled);
        assert_eq!(run.effects, [Effect::Cancel, told], "{what}");
        // Its key does something else from here on: not for who has not seen that (I5).
        run.event(Event::Asked(Command::Cancel));
        assert!(run.says(&Refusal::NotDrawn), "{what}");
        run.key(Command::Cancel);
        assert_eq!(run.effects, [Effect::Sever], "{what}");
    }
}

#[test]
fn what_was_cancelled_and_ended_is_not_cancelled_any_more() {
    let mut run = Run::connected(Mode::Run);
    run.key(Command::Cancel)
        .probed(0, Standing::Fails)
        .probed(1, Standing::Fails)
        .tick(plan::CANCEL_PATIENCE);
    assert!(run.effects.is_empty(), "{:?}", run.effects);
    run.key(Command::Cancel);
    assert!(run.says(&Refusal::NothingToDoHere));
    run.key(Command::ProbeAgain).key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel], "the next one is a new one");

    let mut run = asked_in_review();
    run.key(Command::Cancel)
        .report(Body::Looked(Box::new(crate::facts::Looked {
            question: Question::read("SELECT 1").unwrap(),
            duration: 0,
            answer: Err(ServerMessage::default()),
            after: crate::facts::After::Outside,
        })))
        .tick(plan::CANCEL_PATIENCE);
    assert!(run.effects.is_empty(), "{:?}", run.effects);
}

#[test]
fn a_cancelled_post_verification_leaves_what_is_committed() {
    let mut run = post_verifying();
    run.key(Command::Cancel);
    run.report(Body::PostVerifyFailed(error()));
    assert!(matches!(
        run.phase(),
        Phase::Ended(Ending::Committed { post: None, .. })
    ));
}

#[test]
fn a_commit_that_no_cancel_ends_is_told_and_asked_again_and_its_link_stays() {
    let mut run = Run::committing();
    run.key(Command::Cancel);
    assert!(
        run.says(&Refusal::NothingToDoHere),
        "nothing was seen of it yet"
    );
    run.report(Body::CommitWaits(CommitWait::default()));
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.key(Command::Cancel);
    assert!(run.says(&Refusal::AlreadyCancelling));
    run.tick(plan::CANCEL_PATIENCE - 1);
    assert!(run.effects.is_empty(), "COMMIT is one request, and it runs");
    run.tick(1);
    assert!(run.says(&Refusal::CommitNotCancelled));
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.tick(plan::CANCEL_PATIENCE);
    assert!(run.says(&Refusal::CommitNotCancelled), "and told again");
    assert!(matches!(run.phase(), Phase::Committing { .. }));
}

#[test]
fn a_commit_whose_wait_was_ended_leaves_the_post_verification_alone() {
    let mut run = Run::committing();
    run.report(Body::CommitWaits(CommitWait::default()));
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.report(tagged_commit());
    assert!(matches!(run.phase(), Phase::PostVerifying { .. }));
    run.tick(plan::CANCEL_PATIENCE);
    assert!(run.effects.is_empty(), "{:?}", run.effects);
}

#[test]
fn beside_a_backup_the_probes_are_cancelled_first() {
    let mut run = Run::backing_up();
    run.key(Command::ProbeAgain).key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::StopBackup]);
    run.key(Command::Cancel);
    assert!(run.says(&Refusal::AlreadyCancelling));

    // Whoever means the probes does not stop the backup when they end in that moment.
    let mut run = Run::backing_up();
    run.key(Command::ProbeAgain).event(Event::Drawn);
    run.probed(0, Standing::Holds)
        .probed(1, Standing::Holds)
        .event(Event::Asked(Command::Cancel));
    assert!(run.says(&Refusal::NotDrawn));
}
