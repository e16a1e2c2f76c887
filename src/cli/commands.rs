//! What each command does.

use super::arguments::{Arguments, Command, Connection, Format, Holding, Look};
use super::{aftermath, cloning, inspection, rehearsal};
use crate::database::secret::Secret;
use crate::database::settings::{Options, Settings};
use crate::gate::event::Alarm;
use crate::gate::{Account, Ending, ExitCode, Machine, Mode, Plan};
use crate::headless;
use crate::journal::entry::{self, Opened};
use crate::journal::{Entry, Journal};
use crate::runbook::printable::printable;
use crate::runbook::script::Script;
use crate::runbook::{Origin, Runbook, listing};
use crate::sandbox::demo::{DemoOptions, Scenario};
use crate::tui::screen::Screen;
use crate::tui::terminal::Terminal;
use crate::tui::theme::Appearance;
use crate::tui::{input, keymap};
use crate::walk::engine::{Engine, Log};
use crate::walk::live::Live;
use crate::walk::{self, Wires, signals};
use color_eyre::eyre::{Report, WrapErr, eyre};
use ratatui::backend::CrosstermBackend;
use std::io::{IsTerminal, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A command that could not be carried out.
#[derive(Debug)]
pub struct Failure {
    /// What to tell.
    pub report: Report,
    /// The exit code.
    pub code: ExitCode,
}

impl Failure {
    pub(super) fn usage(report: impl Into<Report>) -> Failure {
        Failure {
            report: report.into(),
            code: ExitCode::Usage,
        }
    }
}

/// Any error in setting up: nothing was sent to a server.
impl From<Report> for Failure {
    fn from(report: Report) -> Failure {
        Failure {
            report,
            code: ExitCode::RolledBackOnError,
        }
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs a command to its exit code.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Run {
            runbook,
            connection,
            holding,
            look,
        } => {
            let runbook = load(runbook.as_deref())?;
            let settings = connect_to(&connection, &runbook)?;
            walk(runbook, settings, &holding, &look, None)
        }
        Command::Rollback {
            runbook,
            to,
            without_restore,
            connection,
            holding,
            look,
        } => {
            let runbook = load(runbook.as_deref())?;
            let way_back = runbook
                .rollback(to.as_deref(), without_restore)
                .map_err(Failure::usage)?;
            // None where nothing says (if needed): then there is no choice.
            let other = runbook.rollback(to.as_deref(), !without_restore).ok();
            let settings = connect_to(&connection, &way_back)?;
            let whose = Whose::Persons(other.map(Arc::new));
            attend(Arc::new(way_back), settings, &holding, &look, None, whose)
        }
        Command::Rehearse {
            runbook,
            clone,
            connection,
            holding,
        } => {
            let runbook = load(runbook.as_deref())?;
            let rehearsal = Arc::new(runbook.rehearsal().map_err(Failure::usage)?);
            may_be_run(&rehearsal, &holding)?;
            let mut settings = connect_to(&connection, &runbook)?;
            let clone = match clone {
                true => Some(cloning::clone(&runbook, &settings, holding.lock_timeout)?),
                false => None,
            };
            if let Some(clone) = &clone {
                settings = clone.settings.clone();
            }
            let whose = Whose::Nobodys(&runbook, clone.as_ref());
            attend(rehearsal, settings, &holding, &Look::default(), None, whose)
        }
        Command::Inspect {
            runbook,
            connection,
            look,
        } => inspection::inspect(runbook.as_deref(), &connection, &look),
        Command::Verify {
            runbook,
            connection,
            format,
        } => inspection::verify(runbook.as_deref(), &connection, format),
        Command::Show { runbook, format } => show(runbook.as_deref(), format),
        Command::Export { folder } => export(&folder),
        Command::Demo {
            scenario,
            holding,
            look,
        } => demo(scenario, &holding, &look),
        Command::Outcome {
            journal,
            end_backend,
            connection,
        } => aftermath::outcome(&journal, &connection, end_backend),
        Command::Report {
            journal,
            verify: true,
            ..
        } => aftermath::verify(&journal),
        Command::Report {
            journal,
            format,
            output,
            verify: false,
        } => aftermath::report(&journal, format, output.as_deref()),
        Command::Keys => print(&keymap::markdown()),
        Command::Man => print(&super::man::page()),
    }
}

pub(super) fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::Committed),
        // A reader that has seen enough, such as `head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::Committed),
        Err(error) => Err(Report::from(error)
            .wrap_err("cannot write to standard output")
            .into()),
    }
}

pub(super) fn load(path: Option<&Path>) -> Result<Arc<Runbook>, Failure> {
    let runbook = Runbook::load(path).map_err(Failure::usage)?;
    Ok(Arc::new(runbook))
}

fn show(path: Option<&Path>, format: Format) -> Result<ExitCode, Failure> {
    let runbook = load(path)?;
    let text = match format {
        Format::Text => listing::text(
            &runbook,
            std::io::stdout().is_terminal() && env("NO_COLOR").is_none_or(|v| v.is_empty()),
        ),
        Format::Json => format!("{:#}\n", listing::json(&runbook)),
    };
    print(&text)?;
    Ok(if runbook.refusals().next().is_none() {
        ExitCode::Committed
    } else {
        ExitCode::Usage
    })
}

fn export(folder: &Path) -> Result<ExitCode, Failure> {
    let written = Runbook::export(folder).map_err(Failure::usage)?;
    let mut text = String::new();
    for path in written {
        text.push_str(&format!("{}\n", printable(&path.display().to_string())));
    }
    print(&text)
}

/// Settings the way psql finds them; the runbook's database stands in where none is named.
pub(super) fn connect_to(connection: &Connection, runbook: &Runbook) -> Result<Settings, Failure> {
    let mut connection = connection.clone();
    if connection.dbname.is_none() && env("PGDATABASE").is_none_or(|name| name.is_empty()) {
        connection.dbname.clone_from(&runbook.expected_database);
    }
    settings(&connection)
}

/// Settings from the command line and the environment, with the password asked for if it is to be.
pub(super) fn settings(connection: &Connection) -> Result<Settings, Failure> {
    let options = connection.options();
    let mut settings = Settings::from_process(&options).map_err(Failure::usage)?;
    if settings.ask_password {
        let prompt = format!("Password for role {}: ", printable(&settings.user));
        let password = rpassword::prompt_password(prompt)
            .wrap_err("the password could not be read from the terminal")
            .map_err(Failure::usage)?;
        settings.password = Some(Secret::new(password));
    }
    Ok(settings)
}

fn demo(scenario: Scenario, holding: &Holding, look: &Look) -> Result<ExitCode, Failure> {
    let runbook = load(None)?;
    let demo = DemoOptions::new(scenario)
        .prepare(|line| eprintln!("{line}"))
        .map_err(|error| Failure::from(Report::from(error)))?;
    let options = Options {
        host: Some(demo.host().display().to_string()),
        port: Some(demo.port().to_string()),
        user: Some(demo.role().to_owned()),
        database: Some(demo.database().to_owned()),
        no_password: true,
        force_password: false,
    };
    // The demo's own server, whatever the environment says.
    let settings =
        Settings::find(&options, &|_| None, None, &Path::is_dir).map_err(Failure::usage)?;
    let psql = format!(
        "A throw-away server; look at it with: psql -h {} -p {} -U {} {}",
        demo.host().display(),
        demo.port(),
        demo.role(),
        demo.database()
    );
    eprintln!("{psql}");
    walk(runbook, settings, holding, look, Some(psql))
}

/// The walk, on a full screen, by lines, or as a rehearsal where nobody is there to decide.
fn walk(
    runbook: Arc<Runbook>,
    settings: Settings,
    holding: &Holding,
    look: &Look,
    greeting: Option<String>,
) -> Result<ExitCode, Failure> {
    attend(
        runbook,
        settings,
        holding,
        look,
        greeting,
        Whose::Persons(None),
    )
}

/// Whose decision it is.
enum Whose<'a> {
    /// The person's at the terminal; without a terminal, nobody's. With the runbook's other form,
    /// where it has one to choose instead.
    Persons(Option<Arc<Runbook>>),
    /// Nobody's: it is the rehearsal of this runbook, on the target or on a clone of it.
    Nobodys(&'a Runbook, Option<&'a cloning::Clone>),
}

/// Whether it can be run at all, before anything is connected to.
fn may_be_run(runbook: &Runbook, holding: &Holding) -> Result<(), Failure> {
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
    /// A full screen.
    Screen {
        terminal: Box<Terminal<CrosstermBackend<Stdout>>>,
        wires: Wires,
        _reader: input::Reader,
    },
    /// Lines.
    Lines(headless::Feed),
}

impl Seat {
    fn screen(alarms: UnboundedReceiver<Alarm>) -> Result<Seat, Failure> {
        let terminal = Terminal::enter().wrap_err("the screen cannot be set up")?;
        let (keys, input) = unbounded_channel();
        let reader = input::spawn(move |input| keys.send(input).is_ok())
            .wrap_err("the keyboard cannot be read")?;
        Ok(Seat::Screen {
            terminal: Box::new(terminal),
            wires: Wires {
                reports: unbounded_channel().1,
                observations: unbounded_channel().1,
                alarms,
                input,
            },
            _reader: reader,
        })
    }

    fn lines(alarms: UnboundedReceiver<Alarm>, interactive: bool) -> Seat {
        Seat::Lines(headless::Feed {
            reports: unbounded_channel().1,
            observations: unbounded_channel().1,
            alarms,
            lines: interactive.then(headless::listen),
        })
    }
}

fn attend(
    runbook: Arc<Runbook>,
    settings: Settings,
    holding: &Holding,
    look: &Look,
    greeting: Option<String>,
    whose: Whose<'_>,
) -> Result<ExitCode, Failure> {
    may_be_run(&runbook, holding)?;
    let interactive = matches!(whose, Whose::Persons(_))
        && std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal();
    let mode = if interactive {
        Mode::Run
    } else {
        Mode::Rehearse
    };
    if let Whose::Nobodys(_, clone) = whose {
        let locks = match clone {
            None => "locks as the script does",
            Some(_) => "locks only the clone's tables",
        };
        eprintln!(
            "A rehearsal: it applies, verifies, goes back, compares and rolls back; it never commits, and {locks}."
        );
    } else if !interactive {
        eprintln!(
            "No terminal, so nobody can decide: this is a rehearsal. It applies, verifies and rolls back, and never commits."
        );
    }
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
        let (alarms, alarmed) = unbounded_channel();
        signals::listen(&alarms).wrap_err("signals cannot be listened to")?;
        let mut seat = match interactive && !look.plain {
            true => Seat::screen(alarmed)?,
            false => Seat::lines(alarmed, interactive),
        };
        let mut other = match &whose {
            Whose::Persons(other) => other.clone().filter(|_| interactive),
            Whose::Nobodys(..) => None,
        };
        let mut runbook = runbook;
        let mut greeting = greeting;
        let mut log = Log::Kept(Box::new(journal));
        // A choice between two forms of a runbook is a walk of its own, with a session, a plan and
        // sign-offs of its own: so nothing of the one can be taken for the other's. Only the
        // journal and the seat in front of it go on. The gate lets it happen on the checklist alone,
        // where no transaction is open.
        loop {
            let (live, reports, observations) =
                Live::start(Arc::clone(&runbook), settings.clone(), holding.options());
            let plan = Plan {
                other_form: other.is_some(),
                ..holding.plan(&runbook, mode)
            };
            let mut engine =
                Engine::new(Arc::clone(&runbook), plan, log, live).with_journals(journals(&path));
            let code = match &mut seat {
                Seat::Screen {
                    terminal, wires, ..
                } => {
                    let mut screen = Screen::new(Arc::clone(&runbook), appearance(look));
                    screen.set_journal(&path);
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
            // One line that stays in the terminal's history when the screen is gone.
            let mut last = last_words(engine.machine(), engine.account());
            if let (Some(left_out), Some(Ending::Committed { .. })) =
                (runbook.left_out(), engine.machine().ending())
            {
                last.push_str(&format!(" {}.", printable(left_out)));
            }
            let (machine, account) = (engine.machine(), engine.account());
            let (code, closing) = match whose {
                Whose::Persons(_) => (code, Vec::new()),
                Whose::Nobodys(of, clone) => {
                    let (code, mut lines) =
                        rehearsal::closing(of, &runbook, machine, account, code);
                    lines.extend(clone.into_iter().flat_map(cloning::Clone::closing));
                    (code, lines)
                }
            };
            return Ok::<_, Failure>((code, closing, last));
        }
    });
    // A thread that still waits for a key must not keep the program from leaving.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    let (code, closing, last) = result?;
    // Where the terminal is gone there is nobody to tell; the outcome and its code stand.
    let mut out = std::io::stdout();
    for line in closing.iter().chain(std::iter::once(&last)) {
        let _ = writeln!(out, "{line}");
    }
    let journal = path.display().to_string();
    let _ = writeln!(out, "Journal: {}", printable(&journal));
    Ok(code)
}

/// Where journals lie, and where this one does.
fn journals(own: &Path) -> Vec<PathBuf> {
    let usual = crate::journal::folder(env);
    let beside = own
        .parent()
        .map(|folder| match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        });
    let canonical = |folder: PathBuf| std::fs::canonicalize(&folder).unwrap_or(folder);
    let mut folders: Vec<PathBuf> = usual.into_iter().chain(beside).map(canonical).collect();
    folders.dedup();
    folders
}

fn opened(runbook: &Runbook, mode: Mode, holding: &Holding) -> Opened {
    Opened {
        version: env!("CARGO_PKG_VERSION").into(),
        mode: match mode {
            Mode::Run => "run",
            Mode::Rehearse => "rehearse",
            Mode::Inspect => "inspect",
        }
        .into(),
        runbook: runbook.title.clone(),
        script: runbook.script.name.clone(),
        script_sha256: runbook.script.sha256(),
        os_user: crate::database::settings::os_user(),
        ssh_connection: env("SSH_CONNECTION"),
        hold_limit: holding.hold_limit,
        checklist: runbook
            .items
            .iter()
            .map(|item| entry::Item {
                id: item.id.clone(),
                title: item.title.clone(),
            })
            .collect(),
        rollbacks: runbook.rollbacks.iter().map(file).collect(),
        checks: runbook.check_files().map(file).collect(),
        folder: match &runbook.origin {
            Origin::BuiltIn => None,
            Origin::Folder(path) | Origin::BareScript(path) => {
                let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                Some(whole.display().to_string())
            }
        },
        rehearses: None,
    }
}

fn file(script: &Script) -> entry::File {
    entry::File {
        name: script.name.clone(),
        sha256: script.sha256(),
    }
}

fn rehearses(whose: &Whose<'_>) -> Option<entry::Rehearses> {
    match whose {
        Whose::Persons(_) => None,
        Whose::Nobodys(of, clone) => Some(entry::Rehearses {
            script: file(&of.script),
            rollbacks: of.rollbacks.iter().map(file).collect(),
            clone_of: clone.map(|clone| clone.source.clone()),
        }),
    }
}

/// Flag before environment before terminal.
pub(super) fn appearance(look: &Look) -> Appearance {
    Appearance::detect(
        |name| match name {
            "NO_COLOR" if look.no_color => Some("1".into()),
            "LC_ALL" if look.ascii => Some("C".into()),
            _ => env(name),
        },
        true,
    )
}

/// The outcome in a line or two.
fn last_words(machine: &Machine, account: &Account) -> String {
    let place = account.target.as_ref().map_or_else(String::new, |target| {
        format!(
            " {} on {}:{}",
            printable(&target.database),
            printable(&target.host),
            target.port
        )
    });
    let xid = account
        .xid
        .as_ref()
        .map_or_else(String::new, |xid| format!(" (transaction {xid})"));
    match machine.ending() {
        None => "Nothing was applied.".into(),
        Some(Ending::NotConnected) => {
            let why = account.last_error().map_or_else(String::new, |said| {
                format!(": {}", printable(&said.message.message))
            });
            format!("NOT CONNECTED{why}. Nothing was applied.")
        }
        Some(ending @ Ending::Committed { proof, post }) => {
            let post = match post {
                Some(tally) if tally.fail > 0 => {
                    format!(" Post-verification: {} FAIL.", tally.fail)
                }
                Some(tally) => format!(" Post-verification: {} PASS.", tally.pass),
                None => String::new(),
            };
            format!("{}{place}{xid}: {proof}.{post}", ending.word())
        }
        Some(ending @ Ending::RolledBack { why, proof }) => {
            format!("{}{place}{xid}, because {why}: {proof}.", ending.word())
        }
        Some(ending @ Ending::Unknown { reason }) => format!(
            "{}{place}{xid}: {reason}. Ask that server later: SELECT pg_xact_status('{}');",
            ending.word(),
            account.xid.as_deref().unwrap_or("?")
        ),
    }
}
