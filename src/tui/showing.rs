//! What of a run, or of a look, is on the terminal, and what is still on its way there.
//!
//! A frame counts when the terminal has taken it, not when it was made: until then no key acts on it
//! (I5). Clocks and spinners are drawn, but no key waits for them. A terminal that takes nothing keeps
//! the keys waiting that need to be seen first, and nothing else.

use std::time::Duration;
use tokio::time::Instant;

/// The shortest time between two frames of what streams by itself: 30 a second.
const FRAME: Duration = Duration::from_millis(33);
/// How long the session may be kept waiting for the frame that a key is taken on. A frame that takes
/// longer is stuck, and no key that waited for it says what somebody wants now.
pub(crate) const STUCK: Duration = Duration::from_secs(1);

/// What a frame shows: `F` is what a machine says of its face.
#[derive(Debug)]
struct FrameUnderWay<F> {
    since: Instant,
    news: u64,
    pressed: u64,
    face: F,
}

#[derive(Debug)]
pub(crate) struct Showing<F> {
    /// Counts what changed, but for clocks.
    news: u64,
    /// How much of it the terminal shows.
    shown: u64,
    /// Counts the keys that were taken.
    pressed: u64,
    under_way: Option<FrameUnderWay<F>>,
    drawn: Option<Instant>,
    dirty: bool,
    urgent: bool,
}

impl<F: PartialEq> Showing<F> {
    /// Nothing is on the terminal yet.
    pub(crate) fn new() -> Showing<F> {
        Showing {
            news: 1,
            shown: 0,
            pressed: 0,
            under_way: None,
            drawn: None,
            dirty: true,
            urgent: true,
        }
    }

    pub(crate) fn change(&mut self) {
        self.news += 1;
        self.dirty = true;
    }

    /// A person waits to see what changed, so it does not wait for the frame clock.
    pub(crate) fn hurry(&mut self) {
        self.urgent = true;
    }

    /// A key was taken, and may have changed what is typed or chosen.
    pub(crate) fn press(&mut self) {
        self.pressed += 1;
        self.change();
        self.hurry();
    }

    /// Only a clock went on.
    pub(crate) fn count_on(&mut self) {
        self.dirty = true;
    }

    /// There is nothing to draw any more.
    pub(crate) fn rest(&mut self) {
        self.dirty = false;
    }

    /// When the next frame may be drawn, if there is one to be; with a key that waits for it, at once.
    pub(crate) fn due(&self, awaited: bool) -> Option<Instant> {
        let wanted = self.under_way.is_none() && self.dirty;
        wanted.then(|| match self.drawn {
            Some(drawn) if !self.urgent && !awaited => drawn + FRAME,
            Some(_) | None => Instant::now(),
        })
    }

    pub(crate) fn drawn_since(&self, now: Instant) -> Option<Duration> {
        self.drawn.map(|drawn| now.duration_since(drawn))
    }

    /// A frame was made, and goes to the terminal.
    pub(crate) fn hand_over(&mut self, face: F) {
        let now = Instant::now();
        self.drawn = Some(now);
        self.dirty = false;
        self.urgent = false;
        self.under_way = Some(FrameUnderWay {
            since: now,
            news: self.news,
            pressed: self.pressed,
            face,
        });
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether the terminal has not taken the last frame for so long that nobody may wait for it.
    pub(crate) fn is_stuck(&self) -> bool {
        let since = self.under_way.as_ref().map(|frame| frame.since);
        since.is_some_and(|since| since.elapsed() >= STUCK)
    }

    /// The terminal has the last frame; says whether it shows this face, with what was typed since.
    pub(crate) fn arrive(&mut self, face: &F) -> bool {
        let Some(frame) = self.under_way.take() else {
            return false;
        };
        self.shown = frame.news;
        frame.face == *face && frame.pressed == self.pressed
    }

    /// Whether something changed that nobody can have seen.
    pub(crate) fn is_behind(&self) -> bool {
        self.shown != self.news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_face_that_changed_on_the_way_or_was_typed_into_was_not_drawn() {
        let mut showing = Showing::new();
        showing.hand_over("gate");
        assert!(!showing.arrive(&"prompt"), "another face");
        showing.hand_over("prompt");
        showing.press();
        assert!(!showing.arrive(&"prompt"), "a key was taken since");
        assert!(showing.is_behind());
        showing.hand_over("prompt");
        assert!(showing.is_behind(), "it is not there yet");
        showing.change();
        assert!(showing.arrive(&"prompt"), "a report leaves the face");
        assert!(showing.is_behind(), "and nobody has seen the report");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_is_drawn_and_no_key_waits_for_it() {
        let mut showing = Showing::new();
        showing.hand_over(0);
        assert!(showing.arrive(&0));
        showing.count_on();
        assert!(showing.due(false).is_some());
        assert!(!showing.is_behind());
        showing.hand_over(0);
        assert!(!showing.is_behind(), "nor for one that is under way");
        assert_eq!(showing.due(true), None, "one frame at a time");
        assert!(!showing.is_stuck());
        tokio::time::advance(STUCK).await;
        assert!(showing.is_stuck());
    }
}
