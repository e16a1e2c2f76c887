//! A run before this one without an outcome is asked about beside all else.

use super::*;
use crate::facts::OutcomeAnswer;
use std::path::PathBuf;

fn answered(settled: bool) -> Body {
    Body::EarlierAnswered {
        journal: PathBuf::from("1.jsonl"),
        answer: Box::new(OutcomeAnswer {
            text: "ROLLED BACK (transaction 7). The journal has no end.".into(),
            code: ExitCode::RolledBackOnError,
            settled,
        }),
    }
}

impl Run {
    fn offers_earlier(&self) -> Offer {
        self.machine.offer(Act::AskOutcome)
    }
}

#[test]
fn it_is_asked_about_where_there_is_one_and_once_at_a_time() {
    let mut run = Run::connected(Mode::Run);
    assert_eq!(run.offers_earlier(), Offer::Absent);
    run.event(Event::Drawn).event(Event::LeftOpen(true));
    assert!(!run.machine.is_shown(), "its key is drawn before it acts");
    run.event(Event::Asked(Command::AskOutcome));
    assert!(run.says(&Refusal::NotDrawn));
    run.key(Command::AskOutcome);
    let seq = run.seq;
    let request = Request::AskEarlier;
    assert_eq!(run.effects, [Effect::Request { seq, request }]);
    run.key(Command::AskOutcome);
    assert!(run.says(&Refusal::AskedAlready));
    // What is found meanwhile does not take the question back.
    run.event(Event::LeftOpen(true));
    assert!(run.machine.asks_earlier());
    run.report_to(seq + 1, answered(true));
    assert!(run.machine.asks_earlier(), "that is of another question");
    run.report_to(seq, answered(false));
    let said = Effect::Say("ROLLED BACK (transaction 7).".into());
    assert_eq!(run.effects, [said]);
    assert!(run.offers_earlier().is_open(), "it can be asked once more");
    run.event(Event::LeftOpen(false));
    assert_eq!(run.offers_earlier(), Offer::Absent);
}

#[test]
fn what_is_settled_is_other_evidence_and_what_is_not_is_none() {
    for (settled, probes) in [(true, true), (false, false)] {
        let mut run = Run::signed();
        run.event(Event::LeftOpen(true));
        run.key(Command::AskOutcome);
        run.report(answered(settled));
        assert_eq!(run.asks(|r| matches!(r, Request::Probe(_))), probes);
        assert!(run.machine.items().iter().all(|item| item.signed));
    }
}

#[test]
fn whoever_goes_on_without_the_answer_is_not_disturbed_by_it() {
    let mut run = Run::signed();
    run.event(Event::LeftOpen(true));
    run.key(Command::AskOutcome);
    let seq = run.seq;
    run.key(Command::Apply);
    assert!(matches!(run.phase(), Phase::Beginning { .. }));
    let before = run.machine.clone();
    run.report_to(seq, answered(true));
    run.event(Event::LeftOpen(true));
    assert_eq!((run.machine.clone(), run.effects.len()), (before, 0));
}

#[test]
fn a_rehearsal_asks_about_none() {
    let mut run = Run::connected(Mode::Rehearse);
    run.event(Event::LeftOpen(true));
    assert_eq!(run.offers_earlier(), Offer::Absent);
}
