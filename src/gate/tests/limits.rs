//! The limits on who waits for us: as many as they say, and as long, and no more.

use super::*;
use crate::facts::{Observation, OtherSession, Sight};

/// What the monitor sees: a session that waits for each of these times.
fn waiting(times: &[Millis]) -> Event {
    let waiters = times.iter().map(|since| OtherSession {
        since: Some(*since),
        ..OtherSession::default()
    });
    Event::Observed(Observation::Seen(Box::new(Sight {
        waiters: waiters.collect(),
        ..Sight::default()
    })))
}

#[test]
fn as_many_may_wait_as_the_limit_says_and_one_more_ends_it() {
    // --max-waiters 2
    let mut run = Run::applying();
    run.event(waiting(&[1])).event(waiting(&[1, 2]));
    assert_eq!(run.rolls_back_for(), None);
    run.event(waiting(&[1, 2, 3]));
    assert_eq!(run.rolls_back_for(), Some(&Why::TooManyWaiters));
}

#[test]
fn one_may_wait_as_long_as_the_limit_says_and_no_longer() {
    // --max-wait 5s
    let mut run = Run::applying();
    run.event(waiting(&[5_000, 4_999]));
    assert_eq!(run.rolls_back_for(), None);
    run.event(waiting(&[1, 5_001]));
    assert_eq!(run.rolls_back_for(), Some(&Why::WaitedTooLong));
}
