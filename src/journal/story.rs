//! What a journal says of the outcome, for whoever comes after the program died.

use super::chain::Line;
use super::entry::{Decision, Entry};
use crate::gate::event::Target;

/// The end of a run, as far as its journal goes. Only the last transaction of a run counts: the
/// ones before it were rolled back with proof, or there would not have been another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Story {
    pub target: Option<Target>,
    /// The last transaction that was begun.
    pub xid: Option<String>,
    /// Its number was on the server's disk.
    pub durable: bool,
    /// COMMIT may have been sent for it.
    pub commit_intended: bool,
    /// Its outcome, where the program lived to write it: the word and its proof.
    pub outcome: Option<(String, String)>,
    /// The last transaction was not to be the last: the run was reviewed, was to be tried again, or was
    /// back at its checklist. What followed may have been committed.
    pub goes_on: bool,
    /// The journal has the end of its run. Without it, what the journal does not say may have
    /// happened all the same.
    pub ended: bool,
}

impl Story {
    /// Reads the lines of a journal.
    pub fn of(lines: &[Line]) -> Story {
        let mut story = Story::default();
        for line in lines {
            story.ended = matches!(line.entry, Entry::Left { .. });
            match &line.entry {
                Entry::Connected { target } => {
                    story.target = serde_json::from_value(target.clone()).ok();
                }
                Entry::Phase { phase, .. }
                    if matches!(
                        phase.as_str(),
                        "reviewing" | "waiting for the next attempt" | "checklist"
                    ) =>
                {
                    story.goes_on = story.xid.is_some();
                }
                Entry::Phase { phase, .. } if phase == "beginning" => {
                    story.goes_on = false;
                    story.xid = None;
                    story.durable = false;
                    story.commit_intended = false;
                    story.outcome = None;
                }
                Entry::Begun { xid, .. } => story.xid = Some(xid.clone()),
                Entry::NumberDurable => story.durable = true,
                Entry::Intent {
                    decision: Decision::Commit,
                    ..
                } => story.commit_intended = true,
                Entry::Outcome { outcome, proof, .. } => {
                    story.outcome = Some((outcome.clone(), proof.clone()));
                }
                _ => {}
            }
        }
        story
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::chain::{Chain, verify};

    fn story(entries: &[Entry]) -> Story {
        let mut chain = Chain::default();
        let text: String = entries
            .iter()
            .map(|entry| chain.line(entry, jiff::Timestamp::UNIX_EPOCH))
            .collect();
        Story::of(&verify(&text).unwrap())
    }

    fn phase(phase: &str) -> Entry {
        Entry::Phase {
            phase: phase.into(),
            why: None,
        }
    }

    fn begun(xid: &str) -> Entry {
        Entry::Begun {
            xid: xid.into(),
            added: Vec::new(),
        }
    }

    fn intent(decision: Decision) -> Entry {
        Entry::intent(decision, Some("7".into()))
    }

    #[test]
    fn a_run_that_died_before_its_decision_never_meant_to_commit() {
        let story = story(&[phase("beginning"), begun("7"), intent(Decision::RollBack)]);
        assert_eq!(story.xid.as_deref(), Some("7"));
        assert!(!story.commit_intended);
        assert_eq!(story.outcome, None);
    }

    #[test]
    fn a_run_that_died_after_its_intent_may_have_committed() {
        assert!(story(&[phase("beginning"), begun("7"), intent(Decision::Commit)]).commit_intended);
    }

    #[test]
    fn only_the_last_transaction_counts() {
        let rolled_back = Entry::Outcome {
            outcome: "ROLLED BACK".into(),
            why: None,
            proof: "tag".into(),
            rehearsed: false,
        };
        let story = story(&[
            phase("beginning"),
            begun("7"),
            Entry::NumberDurable,
            intent(Decision::Commit),
            rolled_back,
            phase("beginning"),
            begun("8"),
        ]);
        assert!(!story.durable);
        assert_eq!(story.xid.as_deref(), Some("8"));
        assert!(!story.commit_intended);
        assert_eq!(story.outcome, None);
    }

    #[test]
    fn a_run_that_was_to_go_on_is_known_until_it_does() {
        let one = [phase("checklist"), phase("beginning"), begun("7")];
        let then = |next: &[&str]| {
            let next = next.iter().map(|name| phase(name));
            story(&one.iter().cloned().chain(next).collect::<Vec<_>>()).goes_on
        };
        assert!(!then(&[]));
        assert!(!then(&["rolling back", "ended"]));
        for name in ["reviewing", "waiting for the next attempt", "checklist"] {
            assert!(then(&["rolling back", name]), "{name}");
        }
        assert!(then(&["reviewing", "second pass"]));
        assert!(!then(&["reviewing", "second pass", "beginning"]));
        assert!(!story(&[phase("checklist")]).goes_on, "nothing was begun");
    }

    #[test]
    fn only_the_last_line_can_be_the_end_of_the_run() {
        assert!(story(&[phase("ended"), Entry::Left { code: 0 }]).ended);
        assert!(!story(&[phase("ended")]).ended);
        assert!(!story(&[Entry::Left { code: 0 }, phase("beginning")]).ended);
        assert!(!story(&[]).ended);
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
        assert_eq!(story(&[entry]).target, Some(target));
    }
}
