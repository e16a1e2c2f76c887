//! Which migrations are applied: no, partly or yes, each by its checks.
//!
//! A check belongs to a migration by its name: `012 packet_decision columns` in the script's own
//! verification, `migration 012` in the expected state. "Yes" is said only where every check of the
//! verification passes and was answered; never on names alone.

use super::{CheckSet, InspectStage};
use crate::runbook::Runbook;
use crate::runbook::check::{Check, Verdict};
use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Nothing of it is there.
    No,
    /// Some of it is there, or not as it should be.
    Partly,
    /// All of it is there, and right.
    Yes,
    /// The checks did not say.
    Unknown,
}

impl Extent {
    pub fn word(self) -> &'static str {
        match self {
            Extent::No => "no",
            Extent::Partly => "partly",
            Extent::Yes => "yes",
            Extent::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number, as the checks write it.
    pub number: String,
    /// Its title, from the script's section.
    pub title: String,
    pub extent: Extent,
    pub why: String,
    /// What its checks say that do not pass.
    pub lacking: Vec<String>,
}

pub fn migrations(runbook: &Runbook, sets: &[CheckSet]) -> Vec<Migration> {
    let own: Vec<(&str, &Check)> = select_checks(sets, InspectStage::Verification)
        .filter_map(|check| Some((leading_number(&check.name)?, check)))
        .collect();
    let before: Vec<(&str, &Check)> = select_checks(sets, InspectStage::ExpectedState)
        .filter_map(|check| {
            let rest = check.name.strip_prefix("migration ")?;
            Some((leading_number(rest)?, check))
        })
        .collect();
    let unanswered = sets
        .iter()
        .any(|set| set.stage == InspectStage::Verification && set.unanswered > 0);
    let numbers: BTreeSet<&str> = own.iter().chain(&before).map(|(n, _)| *n).collect();
    numbers
        .into_iter()
        .map(|number| {
            let named = |all: &[(&'_ str, &'_ Check)]| -> Vec<Check> {
                let mine = all.iter().filter(|(n, _)| *n == number);
                mine.map(|(_, check)| (*check).clone()).collect()
            };
            migration(runbook, number, &named(&own), &named(&before), unanswered)
        })
        .collect()
}

fn select_checks(sets: &[CheckSet], stage: InspectStage) -> impl Iterator<Item = &Check> {
    let sets = sets.iter().filter(move |set| set.stage == stage);
    sets.flat_map(|set| set.checks.iter().chain(&set.absent).map(|(_, check)| check))
}

/// Sets apart what says FAIL only because its migration is not applied: its own checks, and those
/// that come after all of it where nothing of any migration is there. FAIL stays what should be there
/// and is not; so does whatever gave no answer.
pub(super) fn set_apart(runbook: &Runbook, sets: &mut [CheckSet]) {
    let migrations = migrations(runbook, sets);
    let not_applied = |number: &str| {
        let mut all = migrations.iter();
        all.any(|migration| migration.number == number && migration.extent == Extent::No)
    };
    let nothing = !migrations.is_empty() && migrations.iter().all(|m| m.extent == Extent::No);
    for set in sets.iter_mut().filter(|set| set.unanswered == 0) {
        let stage = set.stage;
        let absent = |check: &Check| {
            check.verdict == Verdict::Fail
                && match stage {
                    InspectStage::ExpectedState | InspectStage::Item(_) => false,
                    InspectStage::Verification => {
                        leading_number(&check.name).is_some_and(not_applied)
                    }
                    InspectStage::PostVerification => nothing,
                }
        };
        let all = std::mem::take(&mut set.checks).into_iter();
        (set.absent, set.checks) = all.partition(|(_, check)| absent(check));
    }
}

/// The number that a name begins with: `012` of `012 packet_decision columns`.
fn leading_number(name: &str) -> Option<&str> {
    let word = name.split([' ', ':']).next()?;
    let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    digits.then_some(word)
}

fn migration(
    runbook: &Runbook,
    number: &str,
    own: &[Check],
    before: &[Check],
    unanswered: bool,
) -> Migration {
    let passed = own.iter().filter(|c| c.verdict != Verdict::Fail).count();
    let all = own.len();
    // By name only, but it sees a single column of many.
    let untouched = before.iter().all(|c| c.verdict == Verdict::Pass);
    let extent = match (own.is_empty(), before.is_empty()) {
        (false, _) if passed == all && unanswered => Extent::Unknown,
        (false, _) if passed == all => Extent::Yes,
        (false, _) if passed == 0 && untouched => Extent::No,
        (false, _) => Extent::Partly,
        (true, false) if untouched => Extent::No,
        // What is there by name may still be wrong, and nothing said that it is right.
        (true, _) => Extent::Unknown,
    };
    let mut why = match all {
        0 => "no check of the verification".to_owned(),
        all => format!("{passed} of {all} checks of the verification pass"),
    };
    if extent == Extent::Unknown && unanswered {
        why.push_str(", and others gave no answer");
    }
    for check in before {
        why.push_str("; ");
        why.push_str(&check.detail);
    }
    let lacking = own
        .iter()
        .filter(|check| check.verdict != Verdict::Pass)
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    Migration {
        number: number.to_owned(),
        title: title(runbook, number),
        extent,
        why,
        lacking,
    }
}

/// What the script's section says behind the number.
fn title(runbook: &Runbook, number: &str) -> String {
    let mut sections = runbook.script.sections.iter();
    sections
        .find_map(|section| {
            let mut words = section.title.split([' ', ':']);
            words.any(|word| word == number).then(|| {
                let (_, rest) = section.title.split_once(number)?;
                Some(rest.trim_start_matches([':', ' ']).to_owned())
            })?
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, verdict: Verdict) -> (usize, Check) {
        let check = Check {
            name: name.into(),
            verdict,
            detail: String::new(),
        };
        (1, check)
    }

    fn set(stage: InspectStage, checks: Vec<(usize, Check)>, unanswered: usize) -> CheckSet {
        CheckSet {
            stage,
            file: String::new(),
            checks,
            absent: Vec::new(),
            unanswered,
            silent: Vec::new(),
        }
    }

    fn extent(own: &[Verdict], before: Option<Verdict>, unanswered: usize) -> Option<Extent> {
        let own = own
            .iter()
            .map(|verdict| check("012 it", *verdict))
            .collect();
        let before = before.map(|verdict| check("migration 012", verdict));
        let sets = [
            set(InspectStage::ExpectedState, before.into_iter().collect(), 0),
            set(InspectStage::Verification, own, unanswered),
        ];
        let runbook = Runbook::load(None).unwrap();
        migrations(&runbook, &sets).first().map(|m| m.extent)
    }

    #[test]
    fn what_is_not_applied_is_set_apart_and_what_should_be_there_is_not() {
        use Verdict::{Fail, Pass};
        let apart = |own: [Verdict; 2], before, unanswered| {
            let own = own
                .iter()
                .map(|verdict| check("012 it", *verdict))
                .collect();
            let mut sets = [
                set(
                    InspectStage::ExpectedState,
                    vec![check("migration 012", before), check("it", Fail)],
                    0,
                ),
                set(InspectStage::Verification, own, unanswered),
                set(InspectStage::PostVerification, vec![check("rows", Fail)], 0),
            ];
            set_apart(&Runbook::load(None).unwrap(), &mut sets);
            sets.map(|set| set.absent.len())
        };
        assert_eq!(apart([Fail, Fail], Pass, 0), [0, 2, 1]);
        assert_eq!(apart([Fail, Pass], Pass, 0), [0, 0, 0]);
        assert_eq!(apart([Fail, Fail], Fail, 0), [0, 0, 0]);
        assert_eq!(apart([Fail, Fail], Pass, 1), [0, 0, 1]);
    }

    #[test]
    fn yes_is_said_only_of_checks_that_all_pass_and_were_all_answered() {
        use Verdict::{Fail, Pass, Warn};
        assert_eq!(extent(&[Pass, Pass], Some(Warn), 0), Some(Extent::Yes));
        assert_eq!(extent(&[Pass, Pass], Some(Warn), 1), Some(Extent::Unknown));
        assert_eq!(extent(&[Pass, Fail], None, 0), Some(Extent::Partly));
        assert_eq!(extent(&[Fail, Fail], Some(Pass), 0), Some(Extent::No));
        // One column of many: no check passes, and yet it was touched.
        assert_eq!(extent(&[Fail, Fail], Some(Warn), 0), Some(Extent::Partly));
        assert_eq!(extent(&[], Some(Pass), 0), Some(Extent::No));
        assert_eq!(extent(&[], Some(Warn), 0), Some(Extent::Unknown));
        assert_eq!(extent(&[], None, 0), None);
    }
}
