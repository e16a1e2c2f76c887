//! The one select loop: events in, effects out, frames drawn.
//!
//! It never waits for the database, and nothing that it listens to can starve anything else (I14).
//! What ends the run comes first, then time, which comes ten times a second and no more often.
//! Reports come in bounded batches. A key that arrives while something waits to be drawn has that
//! drawn at once, is taken on that frame before the next report (I5), and is itself drawn at once;
//! only what streams by itself waits for the frame clock.

pub mod engine;
pub mod evidence;
mod files;
pub mod live;
pub mod record;
pub mod rehearsed;
pub mod signals;
pub mod watchdog;

use crate::asking::Challenge;
use crate::gate::event::{Alarm, Body, Event, Millis, Observation, Report};
use crate::gate::{ExitCode, Phase};
use crate::tui::input::{Input, What};
use crate::tui::screen::{Motion, Screen};
use crate::tui::terminal::{Surface, Terminal};
use engine::{Engine, Held, Remark};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

/// The most reports that are taken before somebody else is heard.
const BATCH: usize = 64;
/// The shortest time between two frames of what streams by itself: 30 a second.
const FRAME: Duration = Duration::from_millis(33);
/// How often time is told to the machine. The arming time is four of these.
const TICK: Duration = Duration::from_millis(100);
/// How often a screen with a spinner on it is drawn, if nothing else happens.
const SPIN: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub struct Wires {
    pub reports: UnboundedReceiver<Report>,
    pub observations: UnboundedReceiver<Observation>,
    /// Signals, and parts of the program that died.
    pub alarms: UnboundedReceiver<Alarm>,
    /// What a person is asked for on the way in.
    pub questions: UnboundedReceiver<Challenge>,
    pub input: UnboundedReceiver<Input>,
}

/// Walks from connect to the end, on a screen.
pub async fn walk<H: Held, B: Surface>(
    engine: &mut Engine<H>,
    screen: &mut Screen,
    terminal: &mut Terminal<B>,
    wires: &mut Wires,
    bell: bool,
) -> ExitCode {
    let mut clock = tokio::time::interval(TICK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = Instant::now();
    let mut drawn: Option<Instant> = None;
    // When the present state came on screen: keys older than this were typed ahead of it.
    let mut face_since = Instant::now();
    let mut dirty = true;
    // A person waits for the next frame, so it does not wait for the frame clock.
    let mut urgent = true;
    // A key that came while something else waited to be drawn.
    let mut pending: Option<Input> = None;
    let mut screen_lost = false;
    let mut hold_left = None;

    engine.start();
    loop {
        if let Some(code) = engine.left() {
            return code;
        }
        for remark in engine.take_said() {
            screen.say(match remark {
                Remark::Refused(refusal) => refusal.to_string(),
                Remark::Said(text) => text,
            });
            dirty = true;
        }
        engine.look_at_log(screen.shows_log());
        let due = match drawn {
            Some(drawn) if !urgent && pending.is_none() => drawn + FRAME,
            Some(_) | None => Instant::now(),
        };
        let may_draw = dirty && !screen_lost;
        tokio::select! {
            biased;
            Some(alarm) = wires.alarms.recv() => {
                engine.take(Event::Alarmed(alarm));
                dirty = true;
            }
            _ = clock.tick() => {
                let now = Instant::now();
                let elapsed = now.duration_since(told);
                told = now;
                let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                let before = engine.machine().phase().clone();
                let seconds = shown_seconds(engine);
                engine.take(Event::Ticked { elapsed });
                let left = engine.machine().hold_left();
                if bell && milestone(engine.machine().plan().hold_limit, hold_left, left) {
                    // A terminal that cannot ring is no reason to stop.
                    let _ = terminal.ring();
                }
                hold_left = left;
                let stale = match screen.motion(engine.machine()) {
                    Motion::Spins => drawn.is_none_or(|drawn| now.duration_since(drawn) >= SPIN),
                    Motion::CountsSeconds => shown_seconds(engine) != seconds,
                    Motion::None => false,
                };
                dirty |= stale || *engine.machine().phase() != before;
                if matches!(engine.machine().phase(), Phase::Left(_)) {
                    dirty = false;
                }
            }
            () = tokio::time::sleep_until(due), if may_draw => {
                let (machine, account) = (engine.machine(), engine.account());
                // A fault in drawing must not take the transaction's end with it (I2).
                let painted = catch_unwind(AssertUnwindSafe(|| {
                    terminal.draw(|frame| screen.draw(frame, machine, account))
                }));
                drawn = Some(Instant::now());
                dirty = false;
                urgent = false;
                match painted {
                    Ok(Ok(())) => {
                        if !engine.machine().is_shown() {
                            face_since = Instant::now();
                        }
                        engine.take(Event::Drawn);
                        for event in screen.take_events() {
                            engine.take(event);
                            dirty = true;
                        }
                    }
                    Ok(Err(_)) => {
                        screen_lost = true;
                        engine.take(Event::Alarmed(Alarm::HungUp));
                    }
                    Err(_) => {
                        screen_lost = true;
                        engine.take(Event::Alarmed(Alarm::PartDied("the screen")));
                    }
                }
                if !dirty && !screen_lost && let Some(input) = pending.take() {
                    screen_lost = take_input(engine, screen, terminal, input, face_since);
                    dirty = true;
                    urgent = true;
                }
                // Keys in heaps have a frame each; the session is heard between them.
                dirty |= take_batch(engine, wires);
            }
            input = wires.input.recv(), if pending.is_none() && !screen_lost => match input {
                Some(input) if dirty => pending = Some(input),
                Some(input) => {
                    screen_lost = take_input(engine, screen, terminal, input, face_since);
                    dirty = true;
                    urgent = true;
                }
                None => {
                    screen_lost = true;
                    engine.take(Event::Alarmed(Alarm::PartDied("input")));
                }
            },
            Some(question) = wires.questions.recv() => {
                screen.ask_for(question);
                dirty = true;
                urgent = true;
            }
            Some(observation) = wires.observations.recv() => {
                dirty |= take_observation(engine, observation);
                dirty |= take_batch(engine, wires);
            }
            Some(report) = wires.reports.recv() => {
                // What a person waits for is drawn at once; none of these streams.
                urgent |= matches!(
                    report.body,
                    Body::Connected(_)
                        | Body::Probed { .. }
                        | Body::CommitAnswered(_)
                        | Body::RollbackAnswered { .. }
                        | Body::PostVerified { .. }
                );
                engine.take(Event::Reported(report));
                dirty = true;
                take_batch(engine, wires);
            }
        }
    }
}

/// Takes what the session and the monitor have said, as much as a turn may take; says whether there
/// was something to draw.
fn take_batch<H: Held>(engine: &mut Engine<H>, wires: &mut Wires) -> bool {
    let mut news = false;
    for _ in 0..BATCH {
        // What comes after the end of a run belongs to nobody.
        if engine.left().is_some() {
            break;
        }
        let Ok(report) = wires.reports.try_recv() else {
            break;
        };
        engine.take(Event::Reported(report));
        news = true;
    }
    if engine.left().is_none()
        && let Ok(observation) = wires.observations.try_recv()
    {
        news |= take_observation(engine, observation);
    }
    news
}

/// Takes what the monitor saw; says whether it saw something new.
fn take_observation<H: Held>(engine: &mut Engine<H>, observation: Observation) -> bool {
    let phase = engine.machine().phase().clone();
    let news = engine.account().is_news(&observation);
    engine.take(Event::Observed(observation));
    news || *engine.machine().phase() != phase
}

/// The clocks on a screen that only counts: how long it is held, how much is left of that, and how
/// long what is reviewed can still be approved.
fn shown_seconds<H: Held>(engine: &Engine<H>) -> [Option<Millis>; 3] {
    let left = engine.machine().hold_left();
    [
        engine.account().held().map(|held| held / 1_000),
        left.map(|left| left.div_ceil(1_000)),
        engine
            .machine()
            .approvable_for()
            .map(|left| left.div_ceil(1_000)),
    ]
}

/// Whether the hold has just passed half of its limit, its last minute or its last ten seconds.
fn milestone(limit: Millis, before: Option<Millis>, now: Option<Millis>) -> bool {
    let (Some(before), Some(now)) = (before, now) else {
        return false;
    };
    [limit / 2, 60_000, 10_000]
        .into_iter()
        .any(|mark| before > mark && now <= mark)
}

/// Takes what the person did; says whether the terminal is gone.
fn take_input<H: Held, B: Surface>(
    engine: &mut Engine<H>,
    screen: &mut Screen,
    terminal: &mut Terminal<B>,
    input: Input,
    face_since: Instant,
) -> bool {
    let events = match input.what {
        What::Key(key) => {
            // A key from before its frame is tried on a copy: what it would have asked for is not
            // asked, and what was typed so far is still there.
            let ahead = Instant::from_std(input.at) <= face_since;
            let before = ahead.then(|| screen.clone());
            let events = screen.key(key, engine.machine(), engine.account());
            let asks = events.iter().any(|event| matches!(event, Event::Asked(_)));
            match before {
                Some(before) if asks => {
                    *screen = before;
                    let text = "Typed before this screen was drawn; look, then press again.";
                    screen.say(text.into());
                    Vec::new()
                }
                Some(_) | None => events,
            }
        }
        What::Burst(burst) => screen.burst(&burst, engine.machine()),
        What::Paste(text) => screen.paste(&text, engine.machine()),
        What::Resize(..) => {
            if terminal.repaint().is_err() {
                engine.take(Event::Alarmed(Alarm::HungUp));
                return true;
            }
            Vec::new()
        }
        What::Gone(_) => {
            engine.take(Event::Alarmed(Alarm::HungUp));
            return true;
        }
    };
    for event in events {
        engine.take(event);
    }
    screen.take_repaint() && terminal.repaint().is_err()
}
