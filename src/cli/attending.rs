//! A walk from its journal's first entry to the last line in the terminal: on a full screen, by
//! lines, or as a rehearsal that was asked for by its name.
//!
//! What cannot be run is refused before anything is connected to. The journal and the seat in front
//! of it outlast a walk that starts over; nothing that was signed does.

mod refusing;
mod seat;

use super::arguments::{Holding, LookArguments};
use super::failure::Failure;
use super::finding::{appearance, env};
use super::last_words::{last_words, say_last};
use super::opening::{journals, opened, rehearses};
use super::questions::seat_at_desk;
use super::runtime::start_runtime;
use crate::database::pinned::Aim;
use crate::database::settings::Settings;
use crate::facts::ExitCode;
use crate::gate::{Mode, Plan};
use crate::headless;
use crate::journal::entry::{Opened, PhaseWord, Rehearses};
use crate::journal::{Entry, Journal};
use crate::rehearse::{cloning, closing};
use crate::runbook::printable::printable;
use crate::runbook::{ItemKind, Runbook, RunbookOrigin};
use crate::tui::input;
use crate::tui::screen::Screen;
use crate::tui::terminal::takes_texts;
use crate::walk::engine::{Engine, Log};
use crate::walk::live::Live;
use crate::walk::past::LookingBack;
use crate::walk::watchdog::Watchdog;
use crate::walk::{self, signals, why_not_readable_anew};
use color_eyre::eyre::{WrapErr, eyre};
pub(super) use refusing::may_be_run;
use refusing::{may_be_decided, may_be_rehearsed, refusals_in};
use seat::{ByLines, Heard, Seat, say_what_it_is};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::unbounded_channel;

pub(super) enum Whose<'a> {
    /// The person's at the terminal; without one it is refused.
    Persons {
        /// The runbook's other form, where it has one to choose instead.
        other: Option<Arc<Runbook>>,
        /// How the files are read once more, where they are.
        anew: Option<&'a Anew<'a>>,
    },
    /// Nobody's: the script alone is rehearsed, because that was asked for.
    Script,
    /// Nobody's: it is the rehearsal of this runbook, on the target or on a clone of it.
    Nobodys(&'a Runbook, Option<&'a cloning::Clone>),
}

impl Whose<'_> {
    /// What it rehearses, where it is the rehearsal of another runbook.
    fn rehearses(&self) -> Option<Rehearses> {
        match self {
            Whose::Persons { .. } | Whose::Script => None,
            Whose::Nobodys(of, clone) => {
                Some(rehearses(of, clone.map(|clone| clone.source.clone())))
            }
        }
    }
}

/// Reads the runbook's files again: the runbook, and its other form where it has one to choose.
pub(super) type Anew<'a> = dyn Fn() -> Result<(Arc<Runbook>, Option<Arc<Runbook>>), Failure> + 'a;

/// Attends to a walk and to those that follow it, until one is left or ended.
pub(super) fn attend(
    runbook: Arc<Runbook>,
    mut settings: Settings,
    holding: &Holding,
    look: &LookArguments,
    greeting: Option<String>,
    whose: Whose<'_>,
) -> Result<ExitCode, Failure> {
    if matches!(runbook.origin, RunbookOrigin::BareScript(_)) && runbook.script.does_nothing() {
        // As psql: what does nothing has done it.
        println!(
            "{}: nothing to do: there is no statement in it. Nothing was sent to any server.",
            printable(&runbook.script.name)
        );
        return Ok(ExitCode::Committed);
    }
    let (mode, interactive) = match whose {
        Whose::Persons { .. } => (Mode::Run, true),
        Whose::Script | Whose::Nobodys(..) => (Mode::Rehearse, false),
    };
    may_be_walked(&runbook, mode, holding)?;
    if interactive && !std::io::stdin().is_terminal() {
        // To fall into a rehearsal would take the script's locks on somebody's server unasked.
        return Err(Failure::usage(eyre!(
            "standard input is no terminal, so nobody can decide; nothing was sent to any server. Come \
             with a terminal (ssh -t), or ask for a rehearsal, which applies, verifies and always rolls \
             back: add --rehearse, or `stagegate rehearse` for up and down"
        )));
    }
    if mode == Mode::Rehearse {
        may_be_rehearsed(&runbook, &whose, holding)?;
    }
    let by_lines = ByLines::find(look);
    let on_screen = interactive && by_lines.is_none();
    lint_scripts(&runbook, on_screen);
    say_what_it_is(&whose, by_lines.as_ref());
    let not_begun = Failure::unwritten("nothing was sent");
    let mut journal =
        Journal::create(holding.limits.journal.as_deref(), env).map_err(&not_begun)?;
    let path = journal.path().to_owned();
    let folders = journals(&path);
    let mut attendance = Attendance {
        folders,
        runbook,
        other: match &whose {
            Whose::Persons { other, .. } => other.clone(),
            Whose::Script | Whose::Nobodys(..) => None,
        },
        mode,
        whose: &whose,
        holding,
        look,
        greeting,
        not_read: None,
        path,
    };
    let first = attendance.first_line();
    journal.record_beside(&first).map_err(not_begun)?;

    let runtime = start_runtime()?;
    let result = runtime.block_on(async {
        let questions = seat_at_desk(&mut settings)?;
        let (alarms, alarmed) = unbounded_channel();
        let watchdog = Watchdog::start().wrap_err("the program's own tasks cannot be started")?;
        signals::listen(&alarms, &watchdog).wrap_err("signals cannot be listened to")?;
        let take_seat = || match on_screen {
            true => Seat::screen(!look.no_mouse, alarmed, questions, watchdog.clone()),
            false => Ok(Seat::lines(alarmed, questions, interactive, look)),
        };
        // The walks after the first go to the server that was reached then.
        let aim = Aim::from(settings);
        attendance
            .walk_on(take_seat, &aim, journal, &watchdog)
            .await
    });
    let told = result.map(|(code, lines, until)| {
        say_last(lines, until);
        code
    });
    // Not before: signals are heard until the last word is said. A thread that still waits for a key
    // must not keep the program from leaving.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    told
}

/// Whether a runbook can be walked as it was asked for, before anything is connected to.
fn may_be_walked(runbook: &Runbook, mode: Mode, holding: &Holding) -> Result<(), Failure> {
    may_be_run(runbook, holding)?;
    may_be_decided(runbook, mode, holding)
}

/// Parses and lints the scripts: beside the first frame and the connection where a person signs on a screen
/// for what comes of it, and has it on the screen then; else before anything is begun.
fn lint_scripts(runbook: &Arc<Runbook>, on_screen: bool) {
    let signed = (runbook.items.iter()).any(|item| item.kind == ItemKind::Review);
    if on_screen && signed {
        let beside = Arc::clone(runbook);
        let thread = std::thread::Builder::new().name("linter".to_owned());
        // The rest follows the evidence.
        if thread.spawn(move || beside.impact().tables.len()).is_ok() {
            return;
        }
    }
    runbook.read_through();
}

/// Walks that follow each other. A choice between two forms of a runbook, or files that changed, are
/// a walk of their own, with a session, a plan and sign-offs of its own: so nothing of the one can be
/// taken for the other's. Only the journal and the seat in front of it go on. The gate lets it happen
/// where no transaction is open.
struct Attendance<'a> {
    runbook: Arc<Runbook>,
    /// The runbook's other form, where it has one to choose instead.
    other: Option<Arc<Runbook>>,
    mode: Mode,
    whose: &'a Whose<'a>,
    holding: &'a Holding,
    look: &'a LookArguments,
    /// What the next screen says first.
    greeting: Option<String>,
    /// Why the files that changed could not be read anew, for the journal.
    not_read: Option<String>,
    path: PathBuf,
    folders: Vec<PathBuf>,
}

impl<'a> Attendance<'a> {
    /// What the journal says of the runbook that is walked from here on.
    fn first_line(&self) -> Entry {
        Entry::Opened(Box::new(Opened {
            rehearses: self.whose.rehearses(),
            ..opened(&self.runbook, self.mode, self.holding)
        }))
    }

    /// One walk after the other, at the seat that is taken; the exit code of the last, the last words, and
    /// until when a terminal that takes nothing is waited for.
    async fn walk_on(
        &mut self,
        take_seat: impl FnOnce() -> Result<Seat, Failure>,
        aim: &Aim,
        journal: Journal,
        watchdog: &Watchdog,
    ) -> Result<(ExitCode, Vec<String>, Instant), Failure> {
        let log = Log::Kept(Box::new(journal));
        // The way to the server takes longer than the one to the screen.
        let (mut engine, mut heard) = self.start(aim, log, watchdog);
        let mut seat = take_seat()?;
        loop {
            seat.hear(heard);
            let code = self.walk(&mut seat, &mut engine).await;
            if !self.starts_over(&engine, &seat) {
                let (code, lines) = self.close(&engine, code);
                // The session ends first: it must not wait for a terminal.
                drop(engine);
                let until = watchdog.let_close();
                seat.leave(until);
                return Ok((code, lines, until));
            }
            let mut log = engine.into_log();
            if let Log::Kept(journal) = &mut log {
                let unwritten = Failure::unwritten("nothing was applied");
                let first = self.first_line();
                journal.record_durably(&first).map_err(&unwritten)?;
                if let Some(why) = self.not_read.take() {
                    let kept = Entry::phase(PhaseWord::StartingOver, Some(why));
                    journal.record_durably(&kept).map_err(&unwritten)?;
                }
            }
            (engine, heard) = self.start(aim, log, watchdog);
        }
    }

    /// A session of its own, and the engine that has it, which is started.
    fn start(&mut self, aim: &Aim, log: Log, watchdog: &Watchdog) -> (Engine<Live>, Heard) {
        let plan = Plan {
            other_form: self.other.is_some(),
            ..self.holding.plan(&self.runbook, self.mode)
        };
        let options = self.holding.options(&plan);
        let (live, reports, observations) =
            Live::start(Arc::clone(&self.runbook), aim.clone(), options);
        let (folders, own) = (self.folders.clone(), self.path.clone());
        let opened = opened(&self.runbook, self.mode, self.holding);
        let past = LookingBack::begin(folders, own, Arc::clone(&self.runbook), &opened);
        let shown = self.path.display().to_string();
        watchdog.goes_with(&printable(&shown), live.severer());
        let mut engine = Engine::new(Arc::clone(&self.runbook), plan, log, live)
            .with_watchdog(watchdog.clone())
            .with_past(past)
            .with_journals(self.folders.clone())
            .with_files(self.anew().is_some());
        engine.start();
        (engine, (reports, observations))
    }

    fn anew(&self) -> Option<&'a Anew<'a>> {
        match self.whose {
            Whose::Persons { anew, .. } => *anew,
            Whose::Script | Whose::Nobodys(..) => None,
        }
    }

    async fn walk(&mut self, seat: &mut Seat, engine: &mut Engine<Live>) -> ExitCode {
        match seat {
            Seat::Screen {
                terminal, wires, ..
            } => {
                let mut screen = self.screen();
                walk::walk(engine, &mut screen, terminal, wires, !self.look.quiet).await
            }
            Seat::Lines(feed) => {
                headless::walk(engine, &self.runbook, &mut std::io::stdout(), feed).await
            }
        }
    }

    fn screen(&mut self) -> Screen {
        let mut screen = Screen::new(Arc::clone(&self.runbook), appearance(self.look));
        screen.set_journal(&self.path);
        let kind = env("TERM").unwrap_or_default();
        screen.set_brackets(input::brackets_pastes(&kind));
        screen.set_clipboard(takes_texts(&kind));
        let here = std::env::current_dir().unwrap_or_default();
        screen.set_backup_folder(self.holding.deciding.backup_dir.as_deref().unwrap_or(&here));
        if let Some(greeting) = self.greeting.take() {
            screen.say(greeting);
        }
        screen
    }

    /// Whether another walk follows the one that was left; its runbook is read then. Where that cannot be
    /// walked it is the one before, with nothing signed: nothing of it is applied, since what would go on
    /// with it looks at the files first.
    fn starts_over(&mut self, left: &Engine<Live>, seat: &Seat) -> bool {
        let changed = left.changed_files().join(". ");
        if let (false, Some(anew)) = (changed.is_empty(), self.anew()) {
            let became = match self.read_anew(anew) {
                Ok((runbook, other)) => {
                    (self.runbook, self.other) = (runbook, other);
                    lint_scripts(&self.runbook, matches!(seat, Seat::Screen { .. }));
                    "It was read anew; nothing is signed yet.".to_owned()
                }
                Err(why) => {
                    let kept = format!(
                        "Nothing is signed any more, and what was read before stays: what is there \
                         now cannot be run. {why}."
                    );
                    self.not_read = Some(kept.clone());
                    kept
                }
            };
            if let Seat::Lines(_) = seat {
                println!("{}", printable(&format!("{changed}. {became}")));
            }
            // What does not fit on the screen is cut at its end.
            self.greeting = Some(format!("{became} {changed}."));
            return true;
        }
        if left.starts_over()
            && let Some(chosen) = self.other.take()
        {
            self.greeting = Some(format!(
                "{}. Nothing is signed yet.",
                chosen.left_out().unwrap_or("Nothing is left out")
            ));
            self.other = Some(std::mem::replace(&mut self.runbook, chosen));
            return true;
        }
        false
    }

    /// The runbook as its files are now, with its other form.
    ///
    /// # Errors
    /// Why it cannot be walked, in words.
    fn read_anew(&self, anew: &Anew<'_>) -> Result<(Arc<Runbook>, Option<Arc<Runbook>>), String> {
        if let Some(why) = why_not_readable_anew(&self.runbook) {
            return Err(why);
        }
        let in_words = |failure: Failure| failure.report.to_string();
        let (runbook, other) = anew().map_err(in_words)?;
        let refused = refusals_in(&runbook);
        if let Some((first, more)) = refused.split_first() {
            return Err(match more.len() {
                0 => first.clone(),
                more => format!("{first}, and {more} more, which stagegate show lists"),
            });
        }
        may_be_walked(&runbook, self.mode, self.holding).map_err(in_words)?;
        Ok((runbook, other))
    }

    /// The exit code of the last walk, and the last words.
    fn close(&self, left: &Engine<Live>, code: ExitCode) -> (ExitCode, Vec<String>) {
        let (machine, account) = (left.machine(), left.account());
        let (code, mut lines) = match self.whose {
            Whose::Persons { .. } => (code, Vec::new()),
            Whose::Script => closing::close_script_rehearsal(&self.runbook, machine, code),
            Whose::Nobodys(of, clone) => {
                let (code, mut lines) =
                    closing::close_rehearsal(of, &self.runbook, machine, account, code);
                lines.extend(clone.iter().flat_map(|clone| clone.closing()));
                (code, lines)
            }
        };
        let journal = match &account.unrecorded {
            Some(why) => format!("LOST: {why}"),
            None => self.path.display().to_string(),
        };
        lines.push(last_words(machine, account, &self.runbook));
        lines.push(format!("Journal: {}", printable(&journal)));
        (code, lines)
    }
}
