//! What can be said on the command line.

mod holding;

use crate::database::settings;
use crate::sandbox::demo::Scenario;
use crate::tui::Theme;
use clap::{Arg, ArgAction, Args, Parser, Subcommand, ValueEnum};
pub use holding::{Holding, HoldingLimits};
use std::path::PathBuf;

/// Holds one PostgreSQL transaction open between a reviewed script and your decision.
#[derive(Debug, Parser)]
#[command(
    name = "stagegate",
    version,
    disable_help_flag = true,
    // As psql: of an option that is given twice the last one counts.
    args_override_self = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit codes: 0 committed; rehearse, verify: every check passes · 1 rolled back by decision, or \
    left before anything was applied · 2 wrong usage · 3 rolled back after an error · 4 rolled back or \
    refused on FAIL; verify: a check fails, or there was none · 5 outcome unknown · 6 could not connect · \
    7 rehearsed: every statement worked, and there was no check · 8 nothing failed, and a question got no answer (a lock in the way) · 9 nothing failed, and something is not applied · 129, 130, 143 hang-up, interrupt, terminate (rolled back)"
)]
pub struct Arguments {
    /// Print help
    #[arg(long, action = ArgAction::Help, global = true, display_order = 1000)]
    help: Option<bool>,
    #[command(subcommand)]
    pub command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Walk a runbook: checklist, apply, verify, COMMIT or ROLLBACK, prove, verify again
    Run(RunArguments),
    /// Walk the rollback scripts: what would be lost, checklist, apply, verify, decide
    #[command(mut_arg("runbook", a_folder))]
    Rollback(RollbackArguments),
    /// Rehearse: up, verify, down, compare the structure with the start, and ROLLBACK, always
    #[command(mut_arg("runbook", a_folder))]
    Rehearse(RehearseArguments),
    /// Look only: what is applied, the checks, structure, impact, locks, scripts and past runs
    Inspect {
        #[command(flatten)]
        given: Given,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        look: LookArguments,
    },
    /// Run every check of a runbook, read-only: exit code 0 when all pass, 4 on FAIL, 8 where something got no answer
    Verify {
        #[command(flatten)]
        given: Given,
        #[command(flatten)]
        connection: Connection,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show every statement of a script, refusals, findings, the impact; needs no database
    Show {
        #[command(flatten)]
        given: Given,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Write the built-in runbook into a folder, to start one's own
    Export {
        /// The folder; it is made if it is not there, and no file in it is written over
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Start a throw-away PostgreSQL with sample data and walk the built-in runbook on it
    Demo {
        /// What the walk meets
        #[arg(long, value_enum, default_value_t = Scenario::Clean)]
        scenario: Scenario,
        #[command(flatten)]
        holding: Holding,
        #[command(flatten)]
        look: LookArguments,
    },
    /// Ask the server which way a run's transaction went, after the program or its host died
    Outcome {
        /// The run's journal [default: the newest]
        #[arg(value_name = "JOURNAL")]
        journal: Option<PathBuf>,
        /// End the old session if it still holds the transaction; needs the same role
        #[arg(long)]
        end_backend: bool,
        // Without it, where the journal says.
        #[command(flatten)]
        connection: Connection,
    },
    /// Write a run down for people who were not there, or check its journal
    Report {
        /// The run's journal [default: the newest]
        #[arg(value_name = "JOURNAL")]
        journal: Option<PathBuf>,
        /// How to write it [default: html for an output file that ends in .html, else markdown]
        #[arg(long, value_enum)]
        format: Option<Markup>,
        /// Write into this file, which must not exist yet, instead of to standard output
        #[arg(short = 'o', long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Only follow the chain of hashes through the journal: no edit, no gap, no cut
        #[arg(long, conflicts_with_all = ["format", "output"])]
        verify: bool,
    },
    /// List past runs, the newest first: when, on what, how they ended, where the journal is
    Runs,
    /// Print the key table as Markdown
    #[command(hide = true)]
    Keys,
    /// Print the man page, of everything or of one command
    #[command(hide = true)]
    Man {
        /// The command
        command: Option<String>,
        /// Write every page into this folder instead, for a package
        #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
        into: Option<PathBuf>,
    },
    /// Print what completes this command line in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct RunArguments {
    #[command(flatten)]
    pub given: Given,
    /// Ask nobody: apply, verify and roll back, never commit. It takes the script's locks
    #[arg(long)]
    pub rehearse: bool,
    #[command(flatten)]
    pub walk: WalkArguments,
}

#[derive(Debug, Args)]
pub struct RollbackArguments {
    #[command(flatten)]
    pub given: Given,
    #[command(flatten)]
    pub back: GoingBack,
    #[command(flatten)]
    pub walk: WalkArguments,
}

/// What every walk of somebody's own is told.
#[derive(Debug, Args)]
pub struct WalkArguments {
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub holding: Holding,
    #[command(flatten)]
    pub look: LookArguments,
}

#[derive(Debug, Args)]
pub struct RehearseArguments {
    #[command(flatten)]
    pub given: Given,
    /// Rehearse on a throw-away server with the target's schema and no rows; the target is only
    /// read
    #[arg(long)]
    pub clone: bool,
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub holding: HoldingLimits,
}

/// A bare script has no way back.
fn a_folder(runbook: Arg) -> Arg {
    let help = "A runbook's folder; without it the built-in Stage 1 UTN runbook";
    runbook.value_name("RUNBOOK").help(help)
}

/// The files of SQL, and what they are read with, in psql's words.
#[derive(Debug, Clone, Default, Args)]
pub struct Given {
    /// A runbook's folder or a script; without it the built-in Stage 1 UTN runbook
    #[arg(value_name = "RUNBOOK or SCRIPT.sql")]
    pub runbook: Option<PathBuf>,
    /// Set a psql variable for the script; may be given several times. The values are in the journal:
    /// no place for a password
    #[arg(
        short = 'v',
        long = "set",
        alias = "variable",
        value_name = "NAME=VALUE"
    )]
    pub variables: Vec<String>,
}

/// How far the rollback scripts go back, and whether that is decided by anybody.
#[derive(Debug, Clone, Default, Args)]
pub struct GoingBack {
    /// Stop after the rollback script whose file name begins with this number
    #[arg(long, value_name = "NUMBER")]
    pub to: Option<String>,
    /// Leave out the sections that say (if needed), such as an old constraint that cannot come
    /// back; `d` on the checklist does the same
    #[arg(long)]
    pub without_restore: bool,
    /// Ask nobody: apply, verify and roll back, never commit. It takes the scripts' locks
    #[arg(long)]
    pub rehearse: bool,
}

/// Where to connect, in psql's words.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection options")]
pub struct Connection {
    /// Database server host or socket directory
    #[arg(short = 'h', long, value_name = "HOSTNAME")]
    pub host: Option<String>,
    /// Database server port
    #[arg(short = 'p', long, value_name = "PORT")]
    pub port: Option<String>,
    /// Database role
    #[arg(short = 'U', long, value_name = "USERNAME")]
    pub username: Option<String>,
    /// Database name, conninfo string or URI
    #[arg(short = 'd', long, value_name = "DBNAME")]
    pub dbname: Option<String>,
    /// Never prompt for a password
    #[arg(short = 'w', long, overrides_with = "password")]
    pub no_password: bool,
    /// Prompt for a password before connecting
    #[arg(short = 'W', long, overrides_with = "no_password")]
    pub password: bool,
}

impl Connection {
    /// The same, as the database code takes it.
    pub fn options(&self) -> settings::ConnectionOptions {
        settings::ConnectionOptions {
            host: self.host.clone(),
            port: self.port.clone(),
            user: self.username.clone(),
            database: self.dbname.clone(),
            usual_database: None,
            no_password: self.no_password,
            force_password: self.password,
        }
    }
}

/// How the run looks.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Look")]
pub struct LookArguments {
    /// Walk line by line instead of on a full screen
    #[arg(long)]
    pub plain: bool,
    /// No colours, whatever the terminal can do
    #[arg(long)]
    pub no_color: bool,
    /// The ground of this terminal, for colours that can be read on it
    #[arg(long, value_enum, value_name = "GROUND", default_value_t = Theme::Own)]
    pub theme: Theme,
    /// No bell when the hold is half over, in its last minute and in its last ten seconds
    #[arg(long)]
    pub quiet: bool,
    /// Leave the mouse's wheel to the terminal, instead of having it send arrow keys
    #[arg(long)]
    pub no_mouse: bool,
    /// ASCII only, whatever the locale says
    #[arg(long)]
    pub ascii: bool,
}

/// How `show` and `verify` print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How `report` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Markup {
    /// For a ticket
    Markdown,
    /// One page that needs nothing else
    Html,
    /// For programs
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::session;
    use crate::gate::plan;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn h_is_the_host_as_in_psql() {
        let typed = "stagegate run -h db1 -p 5433 -U dba -d wiser_ops -W";
        let arguments = Arguments::try_parse_from(typed.split(' ')).unwrap();
        let CliCommand::Run(run) = arguments.command else {
            panic!("not run");
        };
        let options = run.walk.connection.options();
        assert_eq!(options.host.as_deref(), Some("db1"));
        assert_eq!(options.database.as_deref(), Some("wiser_ops"));
        assert!(options.force_password);
    }

    #[test]
    fn what_is_given_twice_counts_as_it_was_given_last() {
        let given = "stagegate run -h db1 -w -W -hdb2 -d a --host=db3 -d b";
        let read = |given: &str| match Arguments::try_parse_from(given.split(' ')).unwrap().command
        {
            CliCommand::Run(run) => run.walk.connection.options(),
            _ => panic!("not run"),
        };
        let options = read(given);
        assert_eq!(options.host.as_deref(), Some("db3"));
        assert_eq!(options.database.as_deref(), Some("b"));
        assert!(options.force_password && !options.no_password);
        let options = read("stagegate run -W -w");
        assert!(!options.force_password && options.no_password);
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let arguments = Arguments::try_parse_from(["stagegate", "run"]).unwrap();
        let CliCommand::Run(run) = arguments.command else {
            panic!("not run");
        };
        let holding = run.walk.holding;
        assert_eq!(holding.limits.hold_limit, plan::HOLD_LIMIT);
        assert_eq!(holding.limits.lock_timeout, session::LOCK_TIMEOUT);
        assert_eq!(holding.limits.dead_man, session::DEAD_MAN);
        assert_eq!(holding.objection(), None);
    }
}
