//! A walk from its journal's first entry to the last line in the terminal: on a full screen, by
//! lines, or as a rehearsal that was asked for by its name.
//!
//! What cannot be run is refused before anything is connected to. The journal and the seat in front
//! of it outlast a walk that starts over; nothing that was signed does.

use super::arguments::{Holding, LookArguments};
use super::commands::{Failure, appearance, env, is_dumb};
use super::last_words::{last_words, say_last};
use super::opening::{journals, opened, rehearses};
use super::questions::seat_at_desk;
use super::{cloning, rehearsal};
use crate::asking::Challenge;
use crate::database::pinned::Aim;
use crate::database::settings::Settings;
use crate::gate::event::Alarm;
use crate::gate::{ExitCode, Mode, Plan};
use crate::headless;
use crate::journal::earlier;
use crate::journal::entry::Opened;
use crate::journal::measured;
use crate::journal::{Entry, Journal};
use crate::runbook::lasting::Lasting;
use crate::runbook::printable::printable;
use crate::runbook::{Origin, Runbook};
use crate::tui::input;
use crate::tui::screen::Screen;
use crate::tui::terminal::{Ours, Terminal, takes_texts};
use crate::walk::engine::{Engine, Log};
use crate::walk::live::Live;
use crate::walk::watchdog::Watchdog;
use crate::walk::{self, Wires, signals};
use color_eyre::eyre::{Report, WrapErr, eyre};

use std::io::IsTerminal;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub(super) enum Whose<'a> {
    /// The person's at the terminal; without one it is refused. With the runbook's other form, where
    /// it has one to choose instead.
    Persons(Option<Arc<Runbook>>),
    /// Nobody's: the script alone is rehearsed, because that was asked for.
    Script,
    /// Nobody's: it is the rehearsal of this runbook, on the target or on a clone of it.
    Nobodys(&'a Runbook, Option<&'a cloning::Clone>),
}

/// Reads the runbook's files again: the runbook, and its other form where it has one to choose.
pub(super) type Anew<'a> = dyn Fn() -> Result<(Arc<Runbook>, Option<Arc<Runbook>>), Failure> + 'a;

/// Whether it can be run at all, before anything is connected to.
pub(super) fn may_be_run(runbook: &Runbook, holding: &Holding) -> Result<(), Failure> {
    if let Some(objection) = holding.objection() {
        return Err(Failure::usage(eyre!("{objection}")));
    }
    if runbook.refusals().next().is_some() {
        for (script, refusal) in runbook.refusals() {
            let file = script.sources.get(refusal.source);
            let file = file.map_or(script.name.as_str(), |source| source.name.as_str());
            let (line, column) = (refusal.line, refusal.column);
            eprintln!(
                "{}:{line}:{column}: {}",
                printable(file),
                printable(&refusal.reason)
            );
        }
        let what = match runbook.script.refusals.is_empty() {
            false => "the script",
            true => "a file of checks",
        };
        return Err(Failure::usage(eyre!(
            "{what} cannot be run; nothing was sent to any server. stagegate show lists all of it"
        )));
    }
    Ok(())
}

/// What a person sits at, or a log that nobody reads yet: it outlasts a walk that starts over.
enum Seat {
    Screen {
        terminal: Box<Terminal<Ours>>,
        wires: Wires,
        _reader: input::Reader,
    },
    Lines(headless::Feed),
}

impl Seat {
    fn screen(
        scrolls: bool,
        alarms: UnboundedReceiver<Alarm>,
        questions: UnboundedReceiver<Challenge>,
    ) -> Result<Seat, Failure> {
        let terminal = Terminal::enter(scrolls).wrap_err("the screen cannot be set up")?;
        let (keys, input) = unbounded_channel();
        let reader = input::spawn(move |input| keys.send(input).is_ok())
            .wrap_err("the keyboard cannot be read")?;
        Ok(Seat::Screen {
            terminal: Box::new(terminal),
            wires: Wires {
                reports: unbounded_channel().1,
                observations: unbounded_channel().1,
                alarms,
                questions,
                input,
            },
            _reader: reader,
        })
    }

    fn lines(
        alarms: UnboundedReceiver<Alarm>,
        questions: UnboundedReceiver<Challenge>,
        interactive: bool,
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
        })
    }
}

/// Whether a rehearsal, which nobody signs, would leave nothing behind; what is not known to is told.
fn may_be_rehearsed(runbook: &Runbook, on_a_copy: bool, leave_traces: bool) -> Result<(), Failure> {
    let script = &runbook.script;
    let stays = |lasts: &Lasting| {
        // A throw-away copy takes what it was done to with it.
        lasts.is_known() && (!on_a_copy || lasts.beyond.leaves_the_server())
    };
    let (known, unknown): (Vec<_>, Vec<_>) = (script.lasting().into_iter())
        .filter(|(lasts, _)| !on_a_copy || !lasts.is_known() || stays(lasts))
        .partition(|(lasts, _)| stays(lasts));
    for (lasts, lines) in known.iter().chain(&unknown) {
        eprintln!("{}: {}", named(lines), printable(&lasts.message()));
    }
    if !known.is_empty() && !leave_traces {
        return Err(Failure::usage(eyre!(
            "ROLLBACK would not take back all that {} does (above); nothing was sent to any server. \
             Add --leave-traces to rehearse it all the same",
            printable(&script.name)
        )));
    }
    Ok(())
}

/// Lines of a script, in words.
fn named(lines: &[usize]) -> String {
    let shown: Vec<String> = lines.iter().take(12).map(ToString::to_string).collect();
    let more = match lines.len().saturating_sub(12) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    format!("{noun} {}{more}", shown.join(", "))
}

/// Whether it can be decided in the way that was asked for.
fn may_be_decided(runbook: &Runbook, mode: Mode, holding: &Holding) -> Result<(), Failure> {
    match holding.objection_to(runbook) {
        Some(objection) if mode == Mode::Run => {
            Err(Failure::usage(eyre!("{}", printable(&objection))))
        }
        Some(_) | None => Ok(()),
    }
}

/// Says what kind of walk it is, where that is not what was typed.
fn say_what_it_is(whose: &Whose<'_>, by_lines: bool, dumb: bool, look: &LookArguments) {
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
        Whose::Persons(_) if look.plain => {}
        Whose::Persons(_) if dumb => {
            eprintln!("TERM is dumb: the walk goes by lines, as with --plain.");
        }
        Whose::Persons(_) if by_lines => {
            eprintln!("Standard output is no terminal: the walk goes by lines, as with --plain.");
        }
        Whose::Persons(_) => {}
    }
}

/// Attends to one walk, until it is left or ended.
pub(super) fn attend(
    runbook: Arc<Runbook>,
    settings: Settings,
    holding: &Holding,
    look: &LookArguments,
    greeting: Option<String>,
    whose: Whose<'_>,
    anew: Option<&Anew<'_>>,
) -> Result<ExitCode, Failure> {
    if matches!(runbook.origin, Origin::BareScript(_)) && runbook.script.does_nothing() {
        // As psql: what does nothing has done it.
        println!(
            "{}: nothing to do: there is no statement in it. Nothing was sent to any server.",
            printable(&runbook.script.name)
        );
        return Ok(ExitCode::Committed);
    }
    let interactive = matches!(whose, Whose::Persons(_));
    let mode = match interactive {
        true => Mode::Run,
        false => Mode::Rehearse,
    };
    may_be_run(&runbook, holding)?;
    may_be_decided(&runbook, mode, holding)?;
    // Read from the script's text here, where no key waits for it.
    runbook.impact();
    let dumb = is_dumb();
    let by_lines = look.plain || dumb || !std::io::stdout().is_terminal();
    if interactive && !std::io::stdin().is_terminal() {
        // To fall into a rehearsal would take the script's locks on somebody's server unasked.
        return Err(Failure::usage(eyre!(
            "standard input is no terminal, so nobody can decide; nothing was sent to any server. Come \
             with a terminal (ssh -t), or ask for a rehearsal, which applies, verifies and always rolls \
             back: add --rehearse, or `stagegate rehearse` for up and down"
        )));
    }
    if mode == Mode::Rehearse {
        let on_a_copy = matches!(whose, Whose::Nobodys(_, Some(_)));
        may_be_rehearsed(&runbook, on_a_copy, holding.leave_traces)?;
    }
    say_what_it_is(&whose, by_lines, dumb, look);
    let mut journal = Journal::create(holding.journal.as_deref(), env)
        .map_err(|error| Failure::usage(Report::from(error).wrap_err("nothing was sent")))?;
    let path = journal.path().to_owned();
    journal
        .record_durably(&Entry::Opened(Box::new(Opened {
            rehearses: rehearses(&whose),
            ..opened(&runbook, mode, holding)
        })))
        .map_err(|error| Failure::usage(Report::from(error).wrap_err("nothing was sent")))?;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .wrap_err("the program's own tasks cannot be started")?;
    let result = runtime.block_on(async {
        let mut settings = settings;
        let questions = seat_at_desk(&mut settings)?;
        let (alarms, alarmed) = unbounded_channel();
        let watchdog = Watchdog::start().wrap_err("the program's own tasks cannot be started")?;
        signals::listen(&alarms, &watchdog).wrap_err("signals cannot be listened to")?;
        let mut seat = match interactive && !by_lines {
            true => Seat::screen(!look.no_mouse, alarmed, questions)?,
            false => Seat::lines(alarmed, questions, interactive),
        };
        let mut other = match &whose {
            Whose::Persons(other) => other.clone(),
            Whose::Script | Whose::Nobodys(..) => None,
        };
        let mut runbook = runbook;
        let mut greeting = greeting;
        let mut log = Log::Kept(Box::new(journal));
        // The walks after the first go to the server that was reached then.
        let aim = Aim::from(settings);
        // A choice between two forms of a runbook is a walk of its own, with a session, a plan and
        // sign-offs of its own: so nothing of the one can be taken for the other's. Only the
        // journal and the seat in front of it go on. The gate lets it happen on the checklist alone,
        // where no transaction is open.
        loop {
            let plan = Plan {
                other_form: other.is_some(),
                ..holding.plan(&runbook, mode)
            };
            let options = holding.options(&plan);
            let (live, reports, observations) =
                Live::start(Arc::clone(&runbook), aim.clone(), options);
            let folders = journals(&path);
            let earlier = earlier::find(&folders, &path);
            let shown = path.display().to_string();
            watchdog.goes_with(&printable(&shown), live.severer());
            let mut engine = Engine::new(Arc::clone(&runbook), plan, log, live)
                .with_watchdog(watchdog.clone())
                .with_earlier(earlier)
                .with_measured(measured::find(&folders, &path, &runbook))
                .with_journals(folders)
                .with_files(anew.is_some());
            let code = match &mut seat {
                Seat::Screen {
                    terminal, wires, ..
                } => {
                    let mut screen = Screen::new(Arc::clone(&runbook), appearance(look));
                    screen.set_journal(&path);
                    let kind = env("TERM").unwrap_or_default();
                    screen.set_brackets(input::brackets_pastes(&kind));
                    screen.set_clipboard(takes_texts(&kind));
                    let here = std::env::current_dir().unwrap_or_default();
                    screen.set_backup_folder(holding.backup_dir.as_deref().unwrap_or(&here));
                    if let Some(greeting) = greeting.take() {
                        screen.say(greeting);
                    }
                    wires.reports = reports;
                    wires.observations = observations;
                    walk::walk(&mut engine, &mut screen, terminal, wires, !look.quiet).await
                }
                Seat::Lines(feed) => {
                    feed.reports = reports;
                    feed.observations = observations;
                    headless::walk(&mut engine, &runbook, &mut std::io::stdout(), feed).await
                }
            };
            let changed = engine.changed_files().join(". ");
            if let (false, Some(anew)) = (changed.is_empty(), anew) {
                log = engine.into_log();
                (runbook, other) = anew()?;
                may_be_run(&runbook, holding)?;
                may_be_decided(&runbook, mode, holding)?;
                runbook.impact();
                if let Log::Kept(journal) = &mut log {
                    journal
                        .record_durably(&Entry::Opened(Box::new(opened(&runbook, mode, holding))))
                        .map_err(|error| {
                            Failure::usage(Report::from(error).wrap_err("nothing was applied"))
                        })?;
                }
                let said = format!("{changed}. It was read anew; nothing is signed yet.");
                if let Seat::Lines(_) = seat {
                    println!("{}", printable(&said));
                }
                greeting = Some(said);
                continue;
            }
            if engine.starts_over()
                && let Some(chosen) = other.take()
            {
                log = engine.into_log();
                if let Log::Kept(journal) = &mut log {
                    journal
                        .record_durably(&Entry::Opened(Box::new(opened(&chosen, mode, holding))))
                        .map_err(|error| {
                            Failure::usage(Report::from(error).wrap_err("nothing was applied"))
                        })?;
                }
                greeting = Some(format!(
                    "{}. Nothing is signed yet.",
                    chosen.left_out().unwrap_or("Nothing is left out")
                ));
                other = Some(std::mem::replace(&mut runbook, chosen));
                continue;
            }
            let last = last_words(engine.machine(), engine.account(), &runbook);
            let (machine, account) = (engine.machine(), engine.account());
            let (code, closing) = match whose {
                Whose::Persons(_) => (code, Vec::new()),
                Whose::Script => rehearsal::closing_of_script(&runbook, machine, code),
                Whose::Nobodys(of, clone) => {
                    let (code, mut lines) =
                        rehearsal::closing(of, &runbook, machine, account, code);
                    lines.extend(clone.into_iter().flat_map(cloning::Clone::closing));
                    (code, lines)
                }
            };
            let unrecorded = account.unrecorded.clone();
            return Ok::<_, Failure>((code, closing, last, unrecorded));
        }
    });
    let told = result.map(|(code, closing, last, unrecorded)| {
        let journal = match unrecorded {
            Some(why) => format!("LOST: {why}"),
            None => path.display().to_string(),
        };
        let mut lines = closing;
        lines.push(last);
        lines.push(format!("Journal: {}", printable(&journal)));
        say_last(lines);
        code
    });
    // Not before: signals are heard until the last word is said. A thread that still waits for a key
    // must not keep the program from leaving.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    told
}
