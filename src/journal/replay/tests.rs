use super::*;
use crate::facts::OutcomeWord;
use crate::journal::chain::{Chain, verify};
use crate::journal::entry::{Decision, Item, PhaseWord};
use crate::journal::written::{begun, ended};

fn replayed(entries: &[Entry]) -> Replay {
    let mut chain = Chain::default();
    let text: String = entries
        .iter()
        .map(|entry| chain.line(entry, jiff::Timestamp::UNIX_EPOCH))
        .collect();
    Replay::of(verify(&text).unwrap())
}

fn phase(phase: &str) -> Entry {
    Entry::phase(PhaseWord::from(phase.to_owned()), None)
}

fn intent(decision: Decision) -> Entry {
    Entry::intent(decision, Some("7".into()))
}

#[test]
fn a_run_that_died_before_its_decision_never_meant_to_commit() {
    let replay = replayed(&[phase("beginning"), begun("7"), intent(Decision::RollBack)]);
    assert_eq!(replay.xid(), Some("7"));
    assert!(!replay.commit_intended());
    assert!(replay.outcome().is_none());
}

#[test]
fn a_run_that_died_after_its_intent_may_have_committed() {
    assert!(
        replayed(&[phase("beginning"), begun("7"), intent(Decision::Commit)]).commit_intended()
    );
}

#[test]
fn that_nothing_was_committed_is_proven_by_what_is_there_and_never_by_what_is_missing() {
    let left = || Entry::Left { code: 5 };
    let asking = |why: &str| Entry::phase(PhaseWord::Inquiring, Some(why.into()));
    let prepared = || ended(OutcomeWord::Prepared, "");
    let proves = |more: Vec<Entry>| {
        let mut entries = vec![phase("beginning"), begun("7")];
        entries.extend(more);
        replayed(&entries).never_committed()
    };
    assert!(proves(vec![left()]));
    assert!(proves(vec![intent(Decision::RollBack)]));
    assert!(!proves(vec![phase("deciding")]), "it may go on");
    assert!(!proves(vec![intent(Decision::Commit), left()]));
    let refused = vec![intent(Decision::Commit), intent(Decision::RollBack), left()];
    assert!(!proves(refused));
    // Somebody else may have committed it.
    assert!(!proves(vec![phase("the transaction is gone"), left()]));
    let strayed = asking("the script itself ended the transaction");
    assert!(!proves(vec![strayed, left()]));
    assert!(!proves(vec![prepared(), left()]));
    assert!(proves(vec![asking("the session ended"), left()]));
}

#[test]
fn what_decides_has_a_field_of_its_own_and_journals_without_it_are_read_by_their_sentence() {
    let outcome = |proof: &str, tag_contradicted| Entry::Outcome {
        outcome: OutcomeWord::Unknown,
        why: None,
        proof: proof.into(),
        rehearsed: false,
        tag_contradicted,
    };
    let asked = |why: &str, strayed| Entry::Phase {
        phase: PhaseWord::Inquiring,
        why: Some(why.into()),
        strayed,
    };
    let told = |line: Entry| {
        let replay = replayed(&[phase("beginning"), begun("7"), line]);
        let last = replay.last().unwrap();
        (last.strayed, last.tag_contradicted)
    };
    let old = "one contradicts the other: it answered COMMIT with the tag COMMIT, and so on";
    assert_eq!(told(outcome("in other words", true)), (false, true));
    assert_eq!(told(outcome(old, false)), (false, true));
    assert_eq!(told(outcome("in other words", false)), (false, false));
    let old = "the script itself ended the transaction";
    assert_eq!(told(asked("in other words", true)), (true, false));
    assert_eq!(told(asked(old, false)), (true, false));
    assert_eq!(told(asked("in other words", false)), (false, false));
}

#[test]
fn only_the_last_transaction_counts() {
    let rolled_back = ended(OutcomeWord::RolledBack, "tag");
    let replay = replayed(&[
        phase("beginning"),
        begun("7"),
        Entry::NumberDurable,
        intent(Decision::Commit),
        rolled_back,
        phase("beginning"),
        begun("8"),
    ]);
    assert!(!replay.last().unwrap().transaction.durable);
    assert_eq!(replay.xid(), Some("8"));
    assert!(!replay.commit_intended());
    assert!(replay.outcome().is_none());
}

#[test]
fn a_run_that_was_to_go_on_is_known_until_it_does() {
    let one = [phase("checklist"), phase("beginning"), begun("7")];
    let then = |next: &[&str]| {
        let next = next.iter().map(|name| phase(name));
        replayed(&one.iter().cloned().chain(next).collect::<Vec<_>>()).goes_on()
    };
    assert!(!then(&[]));
    assert!(!then(&["rolling back", "ended"]));
    for name in ["reviewing", "waiting for the next attempt", "checklist"] {
        assert!(then(&["rolling back", name]), "{name}");
    }
    assert!(then(&["reviewing", "second pass"]));
    assert!(!then(&["reviewing", "second pass", "beginning"]));
    assert!(
        !replayed(&[phase("checklist")]).goes_on(),
        "nothing was begun"
    );
}

#[test]
fn only_the_last_line_can_be_the_end_of_the_run() {
    assert!(replayed(&[phase("ended"), Entry::Left { code: 0 }]).is_whole());
    assert!(!replayed(&[phase("ended")]).is_whole());
    assert!(!replayed(&[Entry::Left { code: 0 }, phase("beginning")]).is_whole());
    assert!(!replayed(&[]).is_whole());
}

#[test]
fn the_target_is_read_back_whole() {
    let target = Target {
        database: "d".into(),
        recovered: Some("1.5".into()),
        ..Target::default()
    };
    let entry = Entry::Connected {
        target: serde_json::to_value(&target).unwrap(),
    };
    assert_eq!(replayed(&[entry]).target, Some(target));
}

#[test]
fn what_was_acknowledged_before_a_walk_started_over_is_not_told_of_the_one_after() {
    let opened = || {
        Entry::Opened(Box::new(Opened {
            checklist: vec![Item {
                id: "review".into(),
                title: "Read".into(),
            }],
            ..Opened::default()
        }))
    };
    let acknowledged = Entry::Acknowledged {
        item: "review".into(),
        finding: "of the other script".into(),
    };
    let replay = replayed(&[opened(), acknowledged, opened()]);
    assert_eq!(replay.items.len(), 1);
    assert_eq!(replay.items[0].known.acknowledged, Vec::<String>::new());
}
