//! The first thing a reader sees: which way it went, and how far that can be believed (I3).
//!
//! It never says COMMITTED or ROLLED BACK where the journal does not prove it.

use super::Tone;
use super::words::told_to_others;
use crate::facts::OutcomeWord;
use crate::journal::chain::Broken;
use crate::journal::replay::{Attempt, RecordedOutcome, Replay};
use crate::runbook::check::Tally;

pub struct JournalFile<'a> {
    pub name: &'a str,
    pub lines: usize,
    pub believed: usize,
    pub broken: Option<&'a Broken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Believed {
    Committed,
    RolledBack,
    NothingApplied,
    NotRecorded,
    Unknown,
}

impl Believed {
    pub fn word(self) -> &'static str {
        match self {
            Believed::Committed => OutcomeWord::Committed.word(),
            Believed::RolledBack => OutcomeWord::RolledBack.word(),
            Believed::NothingApplied => "NOTHING WAS APPLIED",
            Believed::NotRecorded => "NOT RECORDED",
            Believed::Unknown => OutcomeWord::Unknown.word(),
        }
    }
}

pub struct Headline {
    pub tone: Tone,
    pub believed: Believed,
    pub sentence: String,
    pub ask: bool,
}

/// Why a journal can end before its run does.
const ENDS_EARLY: &str = "the program or its host died, the run goes on, or the journal was cut";

/// Of a journal that is as it was written up to where it is `broken`, if it is.
pub fn choose_headline(replay: &Replay, broken: Option<&Broken>) -> Headline {
    let told = told(replay);
    match broken {
        // What stood after the break may have been another transaction.
        Some(broken) if told.believed != Believed::Committed => Headline {
            tone: Tone::Bad,
            believed: Believed::Unknown,
            sentence: format!(
                "The journal is not as it was written ({broken}), and what stood from there on may \
                 have been another transaction. Up to there it says: {}. {}",
                told.believed.word(),
                told.sentence
            ),
            ask: true,
        },
        Some(broken) => Headline {
            tone: Tone::Doubtful,
            sentence: format!(
                "{} But the journal is not as it was written ({broken}); what stood from there on \
                 is left out.",
                told.sentence
            ),
            ask: true,
            ..told
        },
        None => told,
    }
}

fn told(replay: &Replay) -> Headline {
    match replay.last() {
        None => nothing_begun(replay),
        Some(attempt) => match (&attempt.outcome, &attempt.retried) {
            (Some(outcome), _) => recorded(replay, attempt, outcome),
            (None, Some(proof)) => match replay.left {
                None => left_open(attempt.why.as_deref(), proof),
                Some(_) => Headline {
                    tone: Tone::Doubtful,
                    believed: Believed::RolledBack,
                    sentence: format!(
                        "{}: {proof}. No other attempt was made.",
                        because(attempt.why.as_deref())
                    ),
                    ask: false,
                },
            },
            (None, None) => unrecorded(attempt),
        },
    }
}

/// A pass that was not to be the last one, at the end of a journal that does not have the run's.
fn left_open(why: Option<&str>, proof: &str) -> Headline {
    Headline {
        tone: Tone::Bad,
        believed: Believed::NotRecorded,
        sentence: format!(
            "The last transaction that is recorded was rolled back ({}: {proof}), and the run was to go \
             on after it: a review, another attempt, or the checklist. The journal does not have the \
             end of its run: {ENDS_EARLY}. What followed may have been committed.",
            because(why)
        ),
        ask: true,
    }
}

fn because(why: Option<&str>) -> String {
    match why {
        Some(why) => format!("Because {}", told_to_others(why)),
        None => "The transaction was rolled back".to_owned(),
    }
}

fn nothing_begun(replay: &Replay) -> Headline {
    if replay.left.is_none() {
        return Headline {
            tone: Tone::Bad,
            believed: Believed::NotRecorded,
            sentence: format!(
                "The journal ends before a transaction was begun, and does not have the end of its \
                 run: {ENDS_EARLY}. What followed is not in it."
            ),
            ask: true,
        };
    }
    let sentence = match replay.outcome() {
        Some(outcome) if outcome.word == OutcomeWord::NotConnected => {
            "No server was reached; the messages say why."
        }
        _ => "The program was left before a transaction was begun.",
    };
    Headline {
        tone: Tone::Doubtful,
        believed: Believed::NothingApplied,
        sentence: sentence.to_owned(),
        ask: false,
    }
}

fn recorded(replay: &Replay, attempt: &Attempt, outcome: &RecordedOutcome) -> Headline {
    let proof = &outcome.proof;
    match outcome.word {
        OutcomeWord::Committed => {
            let post = Tally::of(&attempt.transaction.post_checks);
            let (tone, rest) = match (post.fail, post.total(), replay.left) {
                (0, 0, None) => (
                    Tone::Doubtful,
                    " The journal ends there: no post-verification is recorded.",
                ),
                (0, _, _) => (Tone::Good, ""),
                (_, _, _) => (
                    Tone::Doubtful,
                    " But the post-verification says FAIL: see below.",
                ),
            };
            Headline {
                tone,
                believed: Believed::Committed,
                sentence: format!("Proof: {proof}.{rest}"),
                ask: false,
            }
        }
        OutcomeWord::RolledBack => {
            let again = match (attempt.back_at_checklist, replay.is_whole()) {
                (true, false) => return left_open(outcome.why.as_deref(), proof),
                (false, false) => {
                    " The end of the run is not recorded, and whether another transaction followed \
                     is not either."
                }
                (true, true) => {
                    " The walk went back to the checklist; no other transaction was begun."
                }
                (false, true) => "",
            };
            Headline {
                tone: Tone::Doubtful,
                believed: Believed::RolledBack,
                sentence: format!(
                    "{}. Proof: {proof}.{again}",
                    because(outcome.why.as_deref())
                ),
                ask: replay.left.is_none(),
            }
        }
        OutcomeWord::NotConnected => nothing_begun(replay),
        OutcomeWord::Prepared | OutcomeWord::Unknown => Headline {
            tone: Tone::Bad,
            believed: Believed::Unknown,
            sentence: format!("The outcome could not be proven: {proof}."),
            ask: true,
        },
    }
}

/// The program did not live to write the outcome, or has not come to it.
fn unrecorded(attempt: &Attempt) -> Headline {
    if attempt.commit_intended {
        Headline {
            tone: Tone::Bad,
            believed: Believed::Unknown,
            sentence: format!(
                "The journal ends after COMMIT was about to be sent and before an answer: \
                     {ENDS_EARLY}. It may have been committed."
            ),
            ask: true,
        }
    } else {
        Headline {
            tone: Tone::Bad,
            believed: Believed::NotRecorded,
            sentence: format!(
                "The journal ends before an outcome: {ENDS_EARLY}. Up to there COMMIT was not sent, \
                 or its intent would stand here. The server's own word is still to be asked."
            ),
            ask: true,
        }
    }
}
