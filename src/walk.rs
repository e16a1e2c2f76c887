//! The one select loop: events in, effects out, frames drawn.
//!
//! It never waits for the database, and nothing that it listens to can starve anything else (I14).
//! What ends the run comes first, then time, which comes ten times a second and no more often.
//! Reports come in bounded batches. A key that arrives while something waits to be drawn has that
//! drawn at once, is taken on that frame before the next report (I5), and is itself drawn at once;
//! only what streams by itself waits for the frame clock. The terminal is never waited for: it says
//! itself when it has taken a frame.

pub mod engine;
pub mod evidence;
mod files;
pub mod live;
pub mod record;
pub mod rehearsed;
mod showing;
pub mod signals;
pub mod watchdog;

use crate::asking::Challenge;
use crate::gate::event::{Alarm, Body, Event, Millis, Observation, Report};
use crate::gate::{ExitCode, Phase};
use crate::tui::input::{Input, What};
use crate::tui::screen::{Motion, Screen};
use crate::tui::terminal::{Surface, Terminal};
use engine::{Engine, Held, Remark};
use showing::{STUCK, Showing};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

/// The most reports that are taken before somebody else is heard.
const BATCH: usize = 64;
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
    let mut showing = Showing::new();
    // When the present state came on screen: keys older than this were typed ahead of it.
    let mut face_since = Instant::now();
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
            showing.change();
        }
        engine.look_at_log(screen.shows_log());
        let due = showing.due(pending.is_some()).filter(|_| !screen_lost);
        // The session waits for the frame that a key is taken on, as long as that can be expected.
        let heard = pending.is_none() || !showing.is_under_way() || showing.is_stuck();
        tokio::select! {
            biased;
            Some(alarm) = wires.alarms.recv() => {
                engine.take(Event::Alarmed(alarm));
                showing.change();
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
                    Motion::Spins => showing.drawn_since(now).is_none_or(|since| since >= SPIN),
                    Motion::CountsSeconds => shown_seconds(engine) != seconds,
                    Motion::None => false,
                };
                if *engine.machine().phase() != before {
                    showing.change();
                } else if stale {
                    showing.count_on();
                }
                if matches!(engine.machine().phase(), Phase::Left(_)) {
                    showing.rest();
                }
            }
            written = terminal.written(), if showing.is_under_way() && !screen_lost => {
                if showing.arrive(&engine.machine().face()) && written.is_ok() {
                    if !engine.machine().is_shown() {
                        face_since = Instant::now();
                    }
                    engine.take(Event::Drawn);
                }
                match written {
                    Ok(()) => for event in screen.take_events() {
                        engine.take(event);
                        showing.change();
                    },
                    Err(_) => {
                        screen_lost = true;
                        engine.take(Event::Alarmed(Alarm::HungUp));
                    }
                }
                if !showing.is_behind() && !screen_lost && let Some(input) = pending.take() {
                    screen_lost = take_input(engine, screen, terminal, input, face_since);
                    showing.press();
                }
                // Keys in heaps have a frame each; the session is heard between them.
                if take_batch(engine, wires) {
                    showing.change();
                }
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let (machine, account) = (engine.machine(), engine.account());
                // A fault in drawing must not take the transaction's end with it (I2).
                let painted = catch_unwind(AssertUnwindSafe(|| {
                    terminal.set_title(&screen.title(machine, account));
                    terminal.draw(|frame| screen.draw(frame, machine, account))
                }));
                showing.hand_over(machine.face());
                match painted {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => {
                        screen_lost = true;
                        engine.take(Event::Alarmed(Alarm::HungUp));
                    }
                    Err(_) => {
                        screen_lost = true;
                        engine.take(Event::Alarmed(Alarm::PartDied("the screen")));
                    }
                }
            }
            input = wires.input.recv(),
                if !screen_lost && (pending.is_none() || showing.is_stuck()) => match input
            {
                // What needs no frame, such as the end of the terminal, waits for none.
                Some(input) if showing.is_behind() && matches!(input.what, What::Key(_) | What::Burst(_) | What::Paste(_)) => {
                    // Behind a key that a stuck terminal keeps waiting there is no second one.
                    pending.get_or_insert(input);
                }
                Some(input) => {
                    screen_lost = take_input(engine, screen, terminal, input, face_since);
                    showing.press();
                }
                None => {
                    screen_lost = true;
                    engine.take(Event::Alarmed(Alarm::PartDied("input")));
                }
            },
            Some(question) = wires.questions.recv() => {
                screen.ask_for(question);
                showing.change();
                showing.hurry();
            }
            Some(observation) = wires.observations.recv(), if heard => {
                let news = take_observation(engine, observation);
                if take_batch(engine, wires) || news {
                    showing.change();
                }
            }
            Some(report) = wires.reports.recv(), if heard => {
                // What a person waits for is drawn at once; none of these streams.
                if matches!(
                    report.body,
                    Body::Connected(_)
                        | Body::Probed { .. }
                        | Body::CommitAnswered(_)
                        | Body::RollbackAnswered { .. }
                        | Body::PostVerified { .. }
                ) {
                    showing.hurry();
                }
                engine.take(Event::Reported(report));
                showing.change();
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
            // asked, and what was typed so far is still there. So is one that waited for a stuck
            // terminal: by now somebody may want something else.
            let at = Instant::from_std(input.at);
            let ahead = at <= face_since || at.elapsed() >= STUCK;
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
    if let Some(text) = screen.take_copied() {
        terminal.copy(&text);
    }
    screen.take_repaint() && terminal.repaint().is_err()
}
