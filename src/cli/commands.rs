//! What each command does.
//!
//! A command gets its runbook and its settings here, and goes on elsewhere with both.

use super::arguments::{
    Arguments, CliCommand, Format, Given, Holding, LookArguments, RehearseArguments,
    RollbackArguments, RunArguments,
};
use super::attending::{Whose, attend, may_be_run};
use super::failure::Failure;
use super::finding::{charset_of, connect_to, env, load, load_unlinted};
use super::printing::{print, unless_gone};
use super::questions::attended;
use super::runtime::start_runtime;
use super::{aftermath, inspection, man, outcome};
use crate::acts;
use crate::database::settings::{self, ConnectionOptions, Settings};
use crate::facts::{ExitCode, Millis};
use crate::rehearse::cloning;
use crate::runbook::encoding::Charset;
use crate::runbook::printable::printable;
use crate::runbook::{Runbook, listing};
use crate::sandbox::demo::{DemoOptions, Scenario};
use clap::CommandFactory;
use color_eyre::eyre::{Report, WrapErr, eyre};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

pub fn run_command(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        CliCommand::Run(run) => walk_runbook(&run),
        CliCommand::Rollback(rollback) => walk_back(&rollback),
        CliCommand::Rehearse(rehearse) => rehearse_runbook(rehearse),
        CliCommand::Inspect {
            given,
            connection,
            look,
        } => inspection::inspect(&given, &connection, &look),
        CliCommand::Verify {
            given,
            connection,
            format,
        } => inspection::verify(&given, &connection, format),
        CliCommand::Show { given, format } => show(&given, format),
        CliCommand::Export { folder } => export(&folder),
        CliCommand::Demo {
            scenario,
            holding,
            look,
        } => demo(scenario, &holding, &look),
        CliCommand::Outcome {
            journal,
            end_backend,
            connection,
        } => outcome::ask_outcome(&aftermath::or_newest(journal)?, &connection, end_backend),
        CliCommand::Report {
            journal,
            verify: true,
            ..
        } => aftermath::verify(&aftermath::or_newest(journal)?),
        CliCommand::Report {
            journal,
            format,
            output,
            verify: false,
        } => aftermath::report(&aftermath::or_newest(journal)?, format, output.as_deref()),
        CliCommand::Runs => aftermath::runs(),
        CliCommand::Keys => print(&acts::markdown()),
        CliCommand::Man { command, into } => match into {
            Some(folder) => {
                man::write_into(&folder)
                    .wrap_err_with(|| format!("cannot write man pages into {}", folder.display()))
                    .map_err(Failure::usage)?;
                Ok(ExitCode::Committed)
            }
            None => print(&man::page(command.as_deref()).map_err(Failure::usage)?),
        },
        CliCommand::Completions { shell } => print(&completions(shell)),
    }
}

fn walk_runbook(run: &RunArguments) -> Result<ExitCode, Failure> {
    let written_in = charset_of(&run.walk.connection)?;
    let runbook = load_unlinted(&run.given, written_in)?;
    let settings = connect_to(&run.walk.connection, &runbook)?;
    let by_wish = runbook.script.closing_rollback();
    if let (Some(last), false) = (by_wish, run.rehearse) {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(eyre!(
                "the script ends in ROLLBACK (line {}), so it would be run as a rehearsal, which \
                 takes its locks with nothing signed, and standard input is no terminal; nothing \
                 was sent to any server. Ask for that by its name: add --rehearse",
                last.line
            )));
        }
        print(&format!(
            "The script ends in ROLLBACK (line {}), as its author wants: it is run as a \
             rehearsal, and nothing of it stays.\n",
            last.line
        ))?;
    }
    let anew = || Ok((load_unlinted(&run.given, written_in)?, None));
    let whose = match run.rehearse || by_wish.is_some() {
        true => Whose::Script,
        false => Whose::Persons {
            other: None,
            anew: Some(&anew),
        },
    };
    let (holding, look) = (&run.walk.holding, &run.walk.look);
    attend(runbook, settings, holding, look, None, whose)
}

fn walk_back(rollback: &RollbackArguments) -> Result<ExitCode, Failure> {
    let written_in = charset_of(&rollback.walk.connection)?;
    let back = &rollback.back;
    let forms = || {
        let runbook = load(&rollback.given, written_in)?;
        let way_back = runbook
            .rollback(back.to.as_deref(), back.without_restore)
            .map_err(Failure::unread)?;
        // None where nothing says (if needed): then there is no choice.
        let other = runbook
            .rollback(back.to.as_deref(), !back.without_restore)
            .ok();
        Ok((Arc::new(way_back), other.map(Arc::new)))
    };
    let (way_back, other) = forms()?;
    let settings = connect_to(&rollback.walk.connection, &way_back)?;
    let whose = match back.rehearse {
        true => Whose::Script,
        false => Whose::Persons {
            other,
            anew: Some(&forms),
        },
    };
    let (holding, look) = (&rollback.walk.holding, &rollback.walk.look);
    attend(way_back, settings, holding, look, None, whose)
}

fn rehearse_runbook(rehearse: RehearseArguments) -> Result<ExitCode, Failure> {
    let runbook = load(&rehearse.given, charset_of(&rehearse.connection)?)?;
    let rehearsal = Arc::new(runbook.rehearsal().map_err(Failure::usage)?);
    let holding = Holding::from(rehearse.holding);
    may_be_run(&rehearsal, &holding)?;
    // Its letters are those of the way back too.
    let mut settings = connect_to(&rehearse.connection, &rehearsal)?;
    let lock_timeout = holding.limits.lock_timeout;
    let clone = match rehearse.clone {
        true => Some(clone_source(&runbook, &settings, lock_timeout)?),
        false => None,
    };
    if let Some(clone) = &clone {
        settings = clone.settings.clone();
    }
    let whose = Whose::Nobodys(&runbook, clone.as_ref());
    let look = LookArguments::default();
    attend(rehearsal, settings, &holding, &look, None, whose)
}

/// Where the source asks for a password, whoever sits at the terminal is asked.
fn clone_source(
    runbook: &Runbook,
    settings: &Settings,
    lock_timeout: Millis,
) -> Result<cloning::Clone, Failure> {
    let runtime = start_runtime()?;
    let reached = runtime.block_on(attended(settings, cloning::reach_source))?;
    let source = reached.map_err(|report| Failure {
        code: ExitCode::NoConnection,
        ..Failure::from(report)
    })?;
    let cloned = cloning::clone(&runtime, source, runbook, settings, lock_timeout);
    Ok(cloned?)
}

fn show(given: &Given, format: Format) -> Result<ExitCode, Failure> {
    let options = ConnectionOptions::default();
    let charset = settings::find_charset(&options).map_err(Failure::usage)?;
    let runbook = load(given, charset)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let written = match format {
        Format::Text => {
            let color = env("NO_COLOR").is_none_or(|v| v.is_empty());
            let color = color && std::io::stdout().is_terminal();
            listing::write_text(&runbook, color, &mut out)
        }
        Format::Json => listing::write_json(&runbook, &mut out).and_then(|()| writeln!(out)),
    };
    unless_gone(written.and_then(|()| out.flush()))?;
    Ok(if runbook.refusals().next().is_none() {
        ExitCode::Committed
    } else {
        ExitCode::Usage
    })
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "stagegate", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn export(folder: &Path) -> Result<ExitCode, Failure> {
    let written = Runbook::export(folder).map_err(Failure::usage)?;
    let mut text = String::new();
    for path in written {
        text.push_str(&format!("{}\n", printable(&path.display().to_string())));
    }
    print(&text)
}

fn demo(scenario: Scenario, holding: &Holding, look: &LookArguments) -> Result<ExitCode, Failure> {
    let runbook = load_unlinted(&Given::default(), Charset::Utf8)?;
    let demo = DemoOptions::new(scenario)
        .prepare(|line| eprintln!("{line}"))
        .map_err(|error| Failure::from(Report::from(error)))?;
    let options = ConnectionOptions {
        host: Some(demo.host().display().to_string()),
        port: Some(demo.port().to_string()),
        user: Some(demo.role().to_owned()),
        database: Some(demo.database().to_owned()),
        no_password: true,
        ..ConnectionOptions::default()
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
    // The server is the demo's own: where nobody is there to decide, a rehearsal hurts nobody.
    let whose = match std::io::stdin().is_terminal() {
        true => Whose::Persons {
            other: None,
            anew: None,
        },
        false => Whose::Script,
    };
    attend(runbook, settings, holding, look, Some(psql), whose)
}
