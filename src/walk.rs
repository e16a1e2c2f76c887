//! The one select loop: events in, effects out, frames drawn.
//!
//! It never waits for the database, and nothing that it listens to can starve anything else (I14).
//! What ends the run comes first, then time, which comes ten times a second and no more often.
//! Reports come in bounded batches. A key that arrives while something waits to be drawn has that
//! drawn at once, is taken on that frame before the next report (I5), and is itself drawn at once;
//! only what streams by itself waits for the frame clock. The terminal is never waited for: it says
//! itself when it has taken a frame.

mod asking_earlier;
pub mod engine;
pub mod evidence;
mod files;
pub mod live;
pub mod past;
pub mod record;
pub mod signals;
mod turn;
pub mod watchdog;

#[cfg(test)]
mod replaying;

use crate::asking::Challenge;
use crate::facts::{Alarm, ExitCode, Observation};
use crate::gate::event::Report;
use crate::tui::editor::{EditedText, OpenEditor, TextEditor};
use crate::tui::input::Input;
use crate::tui::screen::Screen;
use crate::tui::terminal::{Surface, Terminal};
use engine::{Engine, HeldSession};
pub use files::why_not_readable_anew;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use turn::Turn;

/// How often time is told to the machine. The arming time is four of these.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct WalkWires {
    pub reports: UnboundedReceiver<Report>,
    pub observations: UnboundedReceiver<Observation>,
    /// Signals, and parts of the program that died.
    pub alarms: UnboundedReceiver<Alarm>,
    /// What a person is asked for on the way in.
    pub questions: UnboundedReceiver<Challenge>,
    pub input: UnboundedReceiver<Input>,
    /// What a long query is written in, where there is a terminal for it.
    pub editor: Option<TextEditor>,
}

/// Walks to the end, on a screen, with an engine that was started.
pub async fn walk<H: HeldSession, B: Surface>(
    engine: &mut Engine<H>,
    screen: &mut Screen,
    terminal: &mut Terminal<B>,
    wires: &mut WalkWires,
    bell: bool,
) -> ExitCode {
    let mut clock = tokio::time::interval(TICK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut turn = Turn::new(engine, screen, terminal, bell);
    loop {
        if let Some(code) = turn.engine.left() {
            return code;
        }
        turn.say_remarks();
        turn.open_editor(wires.editor.as_ref());
        turn.engine.look_at_log(turn.screen.shows_log());
        let due = turn.frame_is_due();
        let heard = turn.hears_session();
        tokio::select! {
            biased;
            Some(alarm) = wires.alarms.recv() => turn.take_alarm(alarm),
            _ = clock.tick() => turn.take_tick(),
            written = turn.terminal.written(), if turn.awaits_frame() => {
                turn.take_frame(written.is_ok());
                // Keys in heaps have a frame each; the session is heard between them.
                turn.take_batch(wires);
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                turn.draw();
            }
            edited = edited(&mut turn.open), if turn.open.is_some() => turn.take_edited(edited),
            input = wires.input.recv(), if turn.takes_input() => match input {
                Some(input) => turn.take_or_keep(input),
                None => turn.lose_screen(Alarm::PartDied("input")),
            },
            () = turn.engine.hear_past() => turn.take_past(),
            Some(question) = wires.questions.recv() => turn.ask(question),
            Some(observation) = wires.observations.recv(), if heard => {
                turn.take_observation(observation);
                turn.take_batch(wires);
            }
            Some(report) = wires.reports.recv(), if heard => {
                turn.take_report(report);
                turn.take_batch(wires);
            }
        }
    }
}

async fn edited(open: &mut Option<OpenEditor>) -> EditedText {
    match open {
        Some(open) => open.ended().await,
        None => std::future::pending().await,
    }
}
