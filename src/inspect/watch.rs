//! The loop of `inspect`: news in, looks out, frames drawn.
//!
//! All it can send is a [`LookOrder`]. It looks by itself every few seconds; at the checks only while
//! they are cheap, because they may read whole tables.

use super::looking::{self, News};
use super::past;
use super::screen::{InspectScreen, Wish};
use super::{Inspection, LookOrder};
use crate::asking::Challenge;
use crate::database::settings::Settings;
use crate::gate::ExitCode;
use crate::gate::event::{Alarm, Millis};
use crate::runbook::Runbook;
use crate::tui::input::{Input, What};
use crate::tui::terminal::{Surface, Terminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// How long after a look the next one begins.
const EVERY: Duration = Duration::from_secs(5);
/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(33);
/// How often the age of what was seen is drawn.
const CLOCK: Duration = Duration::from_millis(500);
/// Checks that took longer than this, in milliseconds, are looked at again only when a person asks.
const CHEAP: Millis = 500;

#[derive(Debug)]
pub struct WatchWires {
    pub alarms: UnboundedReceiver<Alarm>,
    /// What a person is asked for on the way in.
    pub questions: UnboundedReceiver<Challenge>,
    pub input: UnboundedReceiver<Input>,
}

/// Looks until it is left.
#[expect(clippy::too_many_lines, reason = "one select over all that wakes it")]
pub async fn watch<B: Surface>(
    runbook: Arc<Runbook>,
    settings: Settings,
    journals: Option<PathBuf>,
    screen: &mut InspectScreen,
    terminal: &mut Terminal<B>,
    mut wires: WatchWires,
) -> ExitCode {
    let (orders, queue) = unbounded_channel();
    let (news, mut arrived) = unbounded_channel();
    let task = tokio::spawn(looking::task(runbook, settings.into(), queue, news));
    let (runs, mut found) = unbounded_channel();
    let began = Instant::now();
    let mut drawn: Option<Instant> = None;
    let mut dirty = true;
    // A frame that the terminal has not taken yet. Nothing but keys waits for it.
    let mut under_way = false;
    let mut cheap = true;
    let mut next: Option<Instant> = None;

    let look = |checks, screen: &mut InspectScreen| {
        order(&orders, screen, LookOrder { checks });
        read_runs(&journals, &runs);
    };
    look(true, screen);
    let code = loop {
        let due = drawn.map_or(began, |drawn| drawn + FRAME);
        tokio::select! {
            biased;
            Some(alarm) = wires.alarms.recv() => break alarm.exit_code(),
            told = arrived.recv() => {
                screen.tick(since(began));
                // The task is gone: nothing can be looked at any more.
                let Some(told) = told else {
                    break ExitCode::RolledBackOnError;
                };
                if let News::Seen(sight) = &told {
                    cheap = is_cheap(sight, cheap);
                }
                screen.take(told);
                next = Some(Instant::now() + EVERY);
                dirty = true;
            }
            Some(question) = wires.questions.recv() => {
                screen.ask_for(question);
                dirty = true;
            }
            Some(read) = found.recv() => {
                screen.take_runs(read);
                dirty = true;
            }
            written = terminal.written(), if under_way => match written {
                Ok(_) => under_way = false,
                Err(_) => break Alarm::HungUp.exit_code(),
            },
            () = tokio::time::sleep_until(due), if dirty && !under_way => {
                screen.tick(since(began));
                if terminal.draw(|frame| screen.draw(frame)).is_err() {
                    break Alarm::HungUp.exit_code();
                }
                drawn = Some(Instant::now());
                dirty = false;
                under_way = true;
            }
            input = wires.input.recv(), if !dirty && !under_way => {
                dirty = true;
                let Some(wish) = hear(screen, input.map(|input| input.what)) else {
                    break Alarm::HungUp.exit_code();
                };
                if let Some(text) = screen.take_copied() {
                    terminal.copy(&text);
                }
                match wish {
                    Wish::None => {}
                    Wish::Leave => break ExitCode::Committed,
                    Wish::Look => {
                        next = None;
                        look(true, screen);
                    }
                    Wish::Repaint if terminal.repaint().is_ok() => {}
                    Wish::Repaint => break Alarm::HungUp.exit_code(),
                }
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                next = None;
                look(cheap, screen);
                dirty = true;
            }
            () = tokio::time::sleep(CLOCK) => dirty = true,
        }
    };
    // The connection closes with it; a query that runs is ended by the server.
    task.abort();
    code
}

/// What a person wants; nothing where the terminal is gone.
fn hear(screen: &mut InspectScreen, what: Option<What>) -> Option<Wish> {
    match what {
        Some(What::Key(key)) => return Some(screen.key(key)),
        Some(What::Burst(burst)) if screen.is_asked() => screen.paste(&burst.text),
        Some(What::Burst(_)) => {
            screen.say("Keys came faster than a person types: they were refused.");
        }
        Some(What::Paste(text)) => screen.paste(&text),
        Some(What::Resize(..)) => return Some(Wish::Repaint),
        Some(What::Gone(_)) | None => return None,
    }
    Some(Wish::None)
}

fn since(began: Instant) -> Millis {
    Millis::try_from(began.elapsed().as_millis()).unwrap_or(Millis::MAX)
}

fn order(orders: &UnboundedSender<LookOrder>, screen: &mut InspectScreen, look: LookOrder) {
    if orders.send(look).is_ok() {
        screen.looks();
    }
}

/// Whether the checks may be looked at again unasked.
fn is_cheap(sight: &Inspection, before: bool) -> bool {
    match sight.sets {
        Some(_) => sight.took <= CHEAP,
        None => before,
    }
}

type Runs = Result<Vec<past::PastRun>, String>;

/// Reads the journals on a thread of its own: a folder on a slow disk must not stop the screen.
fn read_runs(journals: &Option<PathBuf>, to: &UnboundedSender<Runs>) {
    let Some(folder) = journals.clone() else {
        return;
    };
    let to = to.clone();
    tokio::task::spawn_blocking(move || {
        let _ = to.send(past::runs(&folder));
    });
}
