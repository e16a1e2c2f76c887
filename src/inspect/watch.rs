//! The loop of `inspect`: news in, looks out, frames drawn.
//!
//! All it can send is a [`LookOrder`]. It looks by itself every few seconds; at the checks only while
//! they are cheap, because they may read whole tables.

use super::looking::{self, News};
use super::screen::{InspectScreen, Wish};
use super::{Inspection, LookOrder, past};
use crate::asking::Challenge;
use crate::database::settings::Settings;
use crate::facts::{Alarm, ExitCode, Millis};
use crate::runbook::Runbook;
use crate::tui::input::{Input, What};
use crate::tui::showing::Showing;
use crate::tui::terminal::{Surface, Terminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// How long after a look the next one begins.
const EVERY: Duration = Duration::from_secs(5);
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
    let mut showing = Showing::new();
    let mut cheap = true;
    let mut next: Option<Instant> = None;

    let look = |checks, screen: &mut InspectScreen| {
        order(&orders, screen, LookOrder { checks });
        read_runs(&journals, &runs);
    };
    look(true, screen);
    let code = loop {
        let due = showing.due(false);
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
                showing.change();
            }
            Some(question) = wires.questions.recv() => {
                screen.ask_for(question);
                showing.change();
            }
            Some(read) = found.recv() => {
                screen.take_runs(read);
                showing.change();
            }
            written = terminal.written(), if showing.is_under_way() => match written {
                Ok(_) => {
                    showing.arrive(&());
                }
                Err(_) => break Alarm::HungUp.exit_code(),
            },
            () = tokio::time::sleep_until(due.unwrap_or(began)), if due.is_some() => {
                screen.tick(since(began));
                if terminal.draw(|frame| screen.draw(frame)).is_err() {
                    break Alarm::HungUp.exit_code();
                }
                showing.hand_over(());
            }
            // A key is taken on the frame that it was pressed at, as in the walk.
            input = wires.input.recv(), if !showing.is_behind() => {
                showing.press();
                match obey(screen, terminal, input.map(|input| input.what)) {
                    Err(code) => break code,
                    Ok(false) => {}
                    Ok(true) => {
                        next = None;
                        look(true, screen);
                    }
                }
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                next = None;
                look(cheap, screen);
                showing.change();
            }
            () = tokio::time::sleep(CLOCK) => showing.count_on(),
        }
    };
    // The connection closes with it; a query that runs is ended by the server.
    task.abort();
    code
}

/// Does what a person wants, and says whether to look at everything now; or with which code it ends.
fn obey<B: Surface>(
    screen: &mut InspectScreen,
    terminal: &mut Terminal<B>,
    what: Option<What>,
) -> Result<bool, ExitCode> {
    let mut wish = Wish::None;
    match what {
        Some(What::Key(key)) => wish = screen.key(key),
        Some(What::Burst(burst)) if screen.is_typing() => screen.paste(&burst.text),
        Some(What::Burst(_)) => {
            screen.say("Keys came faster than a person types, as a paste does: they were refused.");
        }
        Some(What::Paste(text)) => screen.paste(&text),
        Some(What::Resize(..)) => wish = Wish::Repaint,
        Some(What::Gone(_)) | None => return Err(Alarm::HungUp.exit_code()),
    }
    if let Some(text) = screen.take_copied() {
        terminal.copy(&text);
    }
    match wish {
        Wish::None => Ok(false),
        Wish::Look => Ok(true),
        Wish::Leave => Err(ExitCode::Committed),
        Wish::Repaint => match terminal.repaint() {
            Ok(_) => Ok(false),
            Err(_) => Err(Alarm::HungUp.exit_code()),
        },
    }
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
