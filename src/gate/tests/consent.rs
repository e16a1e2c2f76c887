//! What is asked of people beside evidence: findings acknowledged, the name typed on the connection,
//! a reason where nothing was checked, a second signer.

use super::*;
use crate::gate::plan::FirstSigner;

/// A bare script whose one item asks for everything that an item can ask for.
fn bare() -> Plan {
    Plan {
        items: vec![Requirement {
            database_name: true,
            lints: true,
            ..Requirement::default()
        }],
        may_lack_checks: true,
        second_signer: Some(FirstSigner(Some("ann".into()))),
        ..Run::plan(Mode::Run)
    }
}

fn on_checklist(plan: Plan) -> Run {
    let mut run = Run::of(plan);
    run.report(reached());
    run.probed(0, Standing::Warns);
    run
}

#[test]
fn an_item_that_asks_for_words_is_not_signed_without_them() {
    let mut plan = bare();
    plan.items = vec![Requirement {
        words: true,
        ..Requirement::default()
    }];
    let mut run = on_checklist(plan);
    run.key(sign(0, None));
    assert!(run.says(&Refusal::WordsMissing));
    for nothing in ["", "  ", "x", "..."] {
        run.key(sign(0, Some(nothing)));
        assert!(run.says(&Refusal::WordsMissing), "{nothing}");
    }
    run.key(sign(0, Some("DROP INDEX i")));
    assert!(run.machine.items()[0].signed);
}

/// At the gate, with what the script returned.
fn at_gate(plan: Plan, verdicts: &[Verdict]) -> Run {
    let mut run = on_checklist(plan);
    run.key(Command::Acknowledge { item: 0 })
        .key(Command::Acknowledge { item: 0 })
        .key(sign(0, Some("wiser_ops")))
        .key(Command::Apply)
        .report(begun("7"));
    for verdict in verdicts {
        run.verdict(*verdict);
    }
    run.settle().event(Event::Drawn).tick(plan::ARMING);
    run
}

fn prompt(run: &Run) -> Prompt {
    match run.phase() {
        Phase::Deciding { prompt, .. } => *prompt,
        other => panic!("not at the gate: {other:?}"),
    }
}

#[test]
fn findings_are_acknowledged_one_by_one_before_the_signature() {
    let mut run = on_checklist(bare());
    run.key(sign(0, Some("wiser_ops")));
    assert!(run.says(&Refusal::FindingsOpen(2)));
    // A key that is held down acknowledges one: the next needs the frame that shows it.
    run.key(Command::Acknowledge { item: 0 })
        .event(Event::Asked(Command::Acknowledge { item: 0 }));
    assert!(run.says(&Refusal::NotDrawn));
    run.key(sign(0, Some("wiser_ops")));
    assert!(run.says(&Refusal::FindingsOpen(1)));
    run.key(Command::Acknowledge { item: 0 });
    run.key(Command::Acknowledge { item: 0 });
    assert!(run.says(&Refusal::NothingToDoHere));
    run.key(sign(0, Some("wiser_ops")));
    assert!(run.machine.items()[0].signed);
}

/// The evidence of the one item, with what the linter has to say if that is known.
fn linted(run: &mut Run, findings: Option<usize>) {
    run.report(Body::Probed {
        item: 0,
        evidence: Evidence {
            standing: Standing::Holds,
            findings,
            ..Evidence::default()
        },
    });
}

#[test]
fn nothing_is_signed_without_what_the_linter_says_and_more_of_it_takes_a_signature_back() {
    let mut run = Run::of(bare());
    run.report(reached());
    linted(&mut run, None);
    run.key(sign(0, Some("wiser_ops")));
    assert!(run.says(&Refusal::EvidenceAwaited));
    run.key(Command::Acknowledge { item: 0 });
    assert!(run.says(&Refusal::NothingToDoHere));
    assert!(!run.machine.is_answered(0));
    run.key(Command::Apply);
    assert!(run.says(&Refusal::ItemsUnsigned(1)));

    run.key(Command::ProbeAgain);
    linted(&mut run, Some(1));
    run.key(sign(0, Some("wiser_ops")));
    assert!(run.says(&Refusal::FindingsOpen(1)));
    run.key(Command::Acknowledge { item: 0 })
        .key(sign(0, Some("wiser_ops")));
    assert!(run.machine.items()[0].signed);

    run.key(Command::ProbeAgain);
    linted(&mut run, Some(2));
    assert!(!run.machine.items()[0].signed);
}

#[test]
fn the_connection_is_signed_with_the_name_of_the_database_that_was_reached() {
    let mut run = on_checklist(Plan {
        items: vec![Requirement {
            database_name: true,
            ..Requirement::default()
        }],
        ..bare()
    });
    run.key(sign(0, None));
    assert!(run.says(&Refusal::NameMissing));
    run.key(sign(0, Some("wiser_dev")));
    assert!(run.says(&Refusal::WrongName {
        expected: "wiser_ops".into()
    }));
    assert!(!run.machine.items()[0].signed);
    run.key(sign(0, Some(" wiser_ops ")));
    assert!(run.machine.items()[0].signed);
}

#[test]
fn a_script_without_checks_is_committed_only_with_a_reason_and_a_second_person() {
    let mut run = at_gate(bare(), &[]);
    run.key(Command::AskCommit);
    assert_eq!(prompt(&run), Prompt::Reason);
    // The name does not answer the question for the reason.
    run.key(Command::NameTyped("wiser_ops".into()));
    assert!(run.says(&Refusal::NothingToDoHere));
    run.key(Command::ReasonGiven("  ".into()));
    assert!(run.says(&Refusal::ReasonMissing));
    run.key(Command::ReasonGiven(" one grant, seen above ".into()));
    assert_eq!(prompt(&run), Prompt::SecondSigner);
    run.key(Command::SecondSigned("".into()));
    assert!(run.says(&Refusal::SecondSignerMissing));
    for same in ["ANN ", "a\u{200b}nn", "\u{2060} Ann\u{feff}"] {
        run.key(Command::SecondSigned(same.into()));
        assert!(run.says(&Refusal::SamePerson), "{same:?}");
    }
    run.key(Command::SecondSigned("ben".into()));
    assert_eq!(prompt(&run), Prompt::Name);
    run.key(Command::NameTyped("wiser_ops".into()));
    let [
        Effect::Request {
            request: Request::Commit(warrant),
            ..
        },
    ] = run.effects.as_slice()
    else {
        panic!("not committed: {:?}", run.effects);
    };
    let consent = warrant.consent();
    assert_eq!(consent.reason.as_deref(), Some("one grant, seen above"));
    assert_eq!(consent.second_signer.as_deref(), Some("ben"));
}

#[test]
fn what_was_answered_is_forgotten_on_the_way_back_to_the_gate() {
    let mut run = at_gate(bare(), &[]);
    run.key(Command::AskCommit)
        .key(Command::ReasonGiven("because".into()))
        .key(Command::SecondSigned("ben".into()))
        .key(Command::StepBack)
        .key(Command::AskCommit);
    assert_eq!(prompt(&run), Prompt::Reason);
}

#[test]
fn a_bare_script_with_checks_is_asked_for_no_reason_and_bound_by_them() {
    let mut run = at_gate(bare(), &[Verdict::Pass]);
    run.key(Command::AskCommit);
    assert_eq!(prompt(&run), Prompt::SecondSigner);

    for (verdicts, why) in [
        (vec![Verdict::Warn], Why::NothingPassed),
        (vec![Verdict::Pass, Verdict::Fail], Why::ChecksFailed),
    ] {
        let run = at_gate(bare(), &verdicts);
        assert_eq!(run.must_roll_back(), Some(why));
    }
}

#[test]
fn a_runbook_without_a_check_is_no_bare_script() {
    let run = at_gate(
        Plan {
            may_lack_checks: false,
            ..bare()
        },
        &[],
    );
    let why = Why::NothingPassed;
    assert_eq!(run.must_roll_back(), Some(why));
}
