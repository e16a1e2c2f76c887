//! What a person sits at, and the walk that is told there.

use super::Whose;
use crate::asking::Challenge;
use crate::cli::arguments::LookArguments;
use crate::cli::failure::Failure;
use crate::cli::finding::{env, is_dumb};
use crate::facts::{Alarm, Observation};
use crate::gate::event::Report;
use crate::headless;
use crate::tui::editor::{TextEditor, chosen_editor};
use crate::tui::input;
use crate::tui::terminal::{Ours, Terminal};
use crate::walk::WalkWires;
use crate::walk::watchdog::Watchdog;
use color_eyre::eyre::WrapErr;
use std::io::IsTerminal;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub(super) type Heard = (UnboundedReceiver<Report>, UnboundedReceiver<Observation>);

/// What a person sits at, or a log that nobody reads yet: it outlasts a walk that starts over.
pub(super) enum Seat {
    Screen {
        terminal: Box<Terminal<Ours>>,
        wires: WalkWires,
        _reader: input::Reader,
    },
    Lines(headless::Feed),
}

impl Seat {
    pub(super) fn screen(
        scrolls: bool,
        alarms: UnboundedReceiver<Alarm>,
        questions: UnboundedReceiver<Challenge>,
        watchdog: Watchdog,
    ) -> Result<Seat, Failure> {
        let terminal = Terminal::enter(scrolls).wrap_err("the screen cannot be set up")?;
        let (keys, input) = unbounded_channel();
        let reader = input::spawn(move |input| {
            if input.is_to_leave() {
                watchdog.hear_press();
            }
            keys.send(input).is_ok()
        })
        .wrap_err("the keyboard cannot be read")?;
        let editor = TextEditor {
            command: chosen_editor(env),
            rest: reader.rest(),
            scrolls,
        };
        Ok(Seat::Screen {
            terminal: Box::new(terminal),
            wires: WalkWires {
                reports: unbounded_channel().1,
                observations: unbounded_channel().1,
                alarms,
                questions,
                input,
                editor: Some(editor),
            },
            _reader: reader,
        })
    }

    pub(super) fn lines(
        alarms: UnboundedReceiver<Alarm>,
        questions: UnboundedReceiver<Challenge>,
        interactive: bool,
        look: &LookArguments,
    ) -> Seat {
        Seat::Lines(headless::Feed {
            reports: unbounded_channel().1,
            observations: unbounded_channel().1,
            alarms,
            questions,
            lines: interactive.then(headless::listen),
            prompts: interactive
                && std::io::stdin().is_terminal()
                && std::io::stdout().is_terminal(),
            ascii: look.ascii,
        })
    }

    /// Gives the terminal back; one that takes nothing is waited for until then.
    pub(super) fn leave(self, until: Instant) {
        if let Seat::Screen { terminal, .. } = self {
            terminal.leave(until);
        }
    }

    /// The next walk's session and monitor are heard from here on.
    pub(super) fn hear(&mut self, heard: Heard) {
        let (reports, observations) = match self {
            Seat::Screen { wires, .. } => (&mut wires.reports, &mut wires.observations),
            Seat::Lines(feed) => (&mut feed.reports, &mut feed.observations),
        };
        (*reports, *observations) = heard;
    }
}

/// Why a walk goes by lines.
pub(super) enum ByLines {
    Asked,
    Dumb,
    Piped,
}

impl ByLines {
    /// Whether it does, here and with that look.
    pub(super) fn find(look: &LookArguments) -> Option<ByLines> {
        if look.plain {
            Some(ByLines::Asked)
        } else if is_dumb() {
            Some(ByLines::Dumb)
        } else {
            (!std::io::stdout().is_terminal()).then_some(ByLines::Piped)
        }
    }
}

/// Says what kind of walk it is, where that is not what was typed.
pub(super) fn say_what_it_is(whose: &Whose<'_>, by_lines: Option<&ByLines>) {
    match whose {
        Whose::Nobodys(_, clone) => {
            let locks = match clone {
                None => "locks as the script does",
                Some(_) => "locks only the clone's tables",
            };
            eprintln!(
                "A rehearsal: it applies, verifies, goes back, compares and rolls back; it never commits, and {locks}."
            );
        }
        Whose::Script => eprintln!(
            "A rehearsal of the script alone: it applies, verifies and rolls back; it never commits, and locks as the script does."
        ),
        Whose::Persons { .. } => match by_lines {
            Some(ByLines::Dumb) => {
                eprintln!("TERM is dumb: the walk goes by lines, as with --plain.");
            }
            Some(ByLines::Piped) => {
                eprintln!(
                    "Standard output is no terminal: the walk goes by lines, as with --plain."
                );
            }
            Some(ByLines::Asked) | None => {}
        },
    }
}
