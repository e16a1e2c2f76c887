//! What can be said on the command line.

use crate::database::sentry;
use crate::database::session;
use crate::database::settings;
use crate::gate::event::Millis;
use crate::gate::plan::{self, Mode, Plan, Unheld};
use crate::runbook::{self, Runbook};
use crate::sandbox::demo::Scenario;
use crate::tui::Theme;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
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
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Walk a runbook: checklist, apply, verify, COMMIT or ROLLBACK, prove, verify again
    #[command(disable_help_flag = true)]
    Run {
        /// A runbook's folder or a script; without it the built-in Stage 1 UTN runbook
        #[arg(value_name = "RUNBOOK or SCRIPT.sql")]
        runbook: Option<PathBuf>,
        /// What its files are read with.
        #[command(flatten)]
        given: Given,
        /// Ask nobody: apply, verify and roll back, never commit. It takes the script's locks
        #[arg(long)]
        rehearse: bool,
        /// Where to connect.
        #[command(flatten)]
        connection: Connection,
        /// How to hold.
        #[command(flatten)]
        holding: Holding,
        /// How it looks.
        #[command(flatten)]
        look: LookArguments,
    },
    /// Walk the rollback scripts: what would be lost, checklist, apply, verify, decide
    #[command(disable_help_flag = true)]
    Rollback {
        /// A runbook's folder; without it the built-in Stage 1 UTN runbook
        #[arg(value_name = "RUNBOOK")]
        runbook: Option<PathBuf>,
        /// What its files are read with.
        #[command(flatten)]
        given: Given,
        /// Stop after the rollback script whose file name begins with this number
        #[arg(long, value_name = "NUMBER")]
        to: Option<String>,
        /// Leave out the sections that say (if needed), such as an old constraint that cannot come
        /// back; `d` on the checklist does the same
        #[arg(long)]
        without_restore: bool,
        /// Ask nobody: apply, verify and roll back, never commit. It takes the scripts' locks
        #[arg(long)]
        rehearse: bool,
        /// Where to connect.
        #[command(flatten)]
        connection: Connection,
        /// How to hold.
        #[command(flatten)]
        holding: Holding,
        /// How it looks.
        #[command(flatten)]
        look: LookArguments,
    },
    /// Rehearse: up, verify, down, compare the structure with the start, and ROLLBACK, always
    #[command(disable_help_flag = true)]
    Rehearse {
        /// A runbook's folder; without it the built-in Stage 1 UTN runbook
        #[arg(value_name = "RUNBOOK")]
        runbook: Option<PathBuf>,
        /// What its files are read with.
        #[command(flatten)]
        given: Given,
        /// Rehearse on a throw-away server with the target's schema and no rows; the target is only
        /// read
        #[arg(long)]
        clone: bool,
        /// Where to connect.
        #[command(flatten)]
        connection: Connection,
        /// How to hold.
        #[command(flatten)]
        holding: Holding,
    },
    /// Look only: what is applied, the checks, structure, impact, locks, scripts and past runs
    #[command(disable_help_flag = true)]
    Inspect {
        /// A runbook's folder or a script; without it the built-in Stage 1 UTN runbook
        #[arg(value_name = "RUNBOOK or SCRIPT.sql")]
        runbook: Option<PathBuf>,
        /// What its files are read with.
        #[command(flatten)]
        given: Given,
        /// Where to connect.
        #[command(flatten)]
        connection: Connection,
        /// How it looks.
        #[command(flatten)]
        look: LookArguments,
    },
    /// Run every check of a runbook, read-only: exit code 0 when all pass, 4 on FAIL, 8 where something got no answer
    #[command(disable_help_flag = true)]
    Verify {
        /// A runbook's folder or a script; without it the built-in Stage 1 UTN runbook
        #[arg(value_name = "RUNBOOK or SCRIPT.sql")]
        runbook: Option<PathBuf>,
        /// What its files are read with.
        #[command(flatten)]
        given: Given,
        /// Where to connect.
        #[command(flatten)]
        connection: Connection,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show every statement of a script, refusals, findings, the impact; needs no database
    #[command(disable_help_flag = true)]
    Show {
        /// A runbook's folder or a script; without it the built-in Stage 1 UTN runbook
        #[arg(value_name = "RUNBOOK or SCRIPT.sql")]
        runbook: Option<PathBuf>,
        /// What its files are read with.
        #[command(flatten)]
        given: Given,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Write the built-in runbook into a folder, to start one's own
    #[command(disable_help_flag = true)]
    Export {
        /// The folder; it is made if it is not there, and no file in it is written over
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Start a throw-away PostgreSQL with sample data and walk the built-in runbook on it
    #[command(disable_help_flag = true)]
    Demo {
        /// What the walk meets
        #[arg(long, value_enum, default_value_t = Scenario::Clean)]
        scenario: Scenario,
        /// How to hold.
        #[command(flatten)]
        holding: Holding,
        /// How it looks.
        #[command(flatten)]
        look: LookArguments,
    },
    /// Ask the server which way a run's transaction went, after the program or its host died
    #[command(disable_help_flag = true)]
    Outcome {
        /// The run's journal [default: the newest]
        #[arg(value_name = "JOURNAL")]
        journal: Option<PathBuf>,
        /// End the old session if it still holds the transaction; needs the same role
        #[arg(long)]
        end_backend: bool,
        /// Where to connect; without it, where the journal says.
        #[command(flatten)]
        connection: Connection,
    },
    /// Write a run down for people who were not there, or check its journal
    #[command(disable_help_flag = true)]
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
    #[command(disable_help_flag = true)]
    Runs,
    /// Print the key table as Markdown
    #[command(hide = true, disable_help_flag = true)]
    Keys,
    /// Print the man page, of everything or of one command
    #[command(hide = true, disable_help_flag = true)]
    Man {
        /// The command
        command: Option<String>,
        /// Write every page into this folder instead, for a package
        #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
        into: Option<PathBuf>,
    },
    /// Print what completes this command line in a shell
    #[command(disable_help_flag = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What the files of SQL are read with, in psql's words.
#[derive(Debug, Clone, Default, Args)]
pub struct Given {
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

/// Below this a pause of the machine would look like death.
const SHORTEST_DEAD_MAN: Millis = 3_000;

/// How the transaction is held.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Holding")]
pub struct Holding {
    /// How long the transaction may be held; then it is rolled back. No statement runs longer than
    /// twice of it
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5min")]
    pub hold_limit: Millis,
    /// How long a statement waits for a lock; then everything is rolled back and tried again
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "3s")]
    pub lock_timeout: Millis,
    /// After how long without a sign of life the server itself ends the session that waits for us;
    /// at least 3s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15s")]
    pub dead_man: Millis,
    /// How often the transaction is tried when a lock is not granted, from 1 to 100
    #[arg(long, value_name = "N", default_value_t = plan::LOCK_ATTEMPTS, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub lock_attempts: u32,
    /// Roll back when more sessions than this wait for the transaction [default: no limit]
    #[arg(long, value_name = "N")]
    pub max_waiters: Option<usize>,
    /// Roll back when a session waits for the transaction longer than this [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_wait: Option<Millis>,
    /// Ask for a second person's name before COMMIT, and write it into the journal
    #[arg(long)]
    pub second_signer: bool,
    /// Rehearse although ROLLBACK does not take everything back: numbers of sequences, files, programs,
    /// what other servers and sessions see. `show` lists what it is
    #[arg(long)]
    pub leave_traces: bool,
    /// Where it is decided: with the locks held, or with nothing held, after which the script runs a
    /// second time and commits what comes out the same [default: held, or what runbook.toml says]
    #[arg(long, value_enum, value_name = "HOW")]
    pub decide: Option<DecideArgument>,
    /// How old what was reviewed with nothing held may be when it is committed
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30min")]
    pub approval_limit: Millis,
    /// What happens to a second pass that comes out otherwise than approved
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = OnDifference::Gate)]
    pub on_difference: OnDifference,
    /// The number of the change that this run is for, for the journal and the report
    #[arg(long, value_name = "TEXT", value_parser = ticket)]
    pub ticket: Option<String>,
    /// The window that this change was given, as its plan says it, for the journal and the report
    #[arg(long, value_name = "TEXT", value_parser = window)]
    pub window: Option<String>,
    /// Where to write the journal [default: a new file in $XDG_STATE_HOME/stagegate]
    #[arg(long, value_name = "PATH")]
    pub journal: Option<PathBuf>,
    /// The folder that `b` on the checklist offers for a backup [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub backup_dir: Option<PathBuf>,
}

impl Holding {
    /// The plan of a run of `runbook` that is held so.
    pub fn plan(&self, runbook: &Runbook, mode: Mode) -> Plan {
        Plan {
            lock_attempts: self.lock_attempts,
            max_waiters: self.max_waiters,
            max_wait: self.max_wait,
            second_signer: self
                .second_signer
                .then(|| plan::FirstSigner(crate::database::settings::os_user())),
            unheld: self.unheld(runbook, mode),
            ..Plan::new(runbook, mode, self.hold_limit)
        }
    }

    /// Whether a run of `runbook` can be decided with nothing held.
    fn unheld(&self, runbook: &Runbook, mode: Mode) -> Unheld {
        match (mode, runbook.script.runs_once()) {
            (Mode::Rehearse | Mode::Inspect, _) => Unheld::Never,
            (Mode::Run, Some(what)) => Unheld::Refused(what),
            (Mode::Run, None) => Unheld::Offered {
                limit: self.approval_limit,
                by_itself: self.is_unheld(runbook),
                review_again: self.on_difference == OnDifference::Rollback,
            },
        }
    }

    /// Whether nothing is held for a person: the command line says so, and else the runbook.
    fn is_unheld(&self, runbook: &Runbook) -> bool {
        match self.decide {
            Some(decide) => decide == DecideArgument::Unheld,
            None => runbook.decide == runbook::Decide::Unheld,
        }
    }

    /// Why `runbook` cannot be decided in the way that was asked for, in words.
    pub fn objection_to(&self, runbook: &Runbook) -> Option<String> {
        let what = runbook.script.runs_once()?;
        let (asked, instead) = match self.decide {
            Some(_) => ("--decide unheld", "Leave it out"),
            None => ("decide = \"unheld\" in runbook.toml", "Say --decide held"),
        };
        self.is_unheld(runbook).then(|| {
            format!(
                "{asked} runs the script twice, and that cannot be done here: {what}. {instead} to \
                 decide with the locks held"
            )
        })
    }

    /// The same, as the database code takes it.
    pub fn options(&self, plan: &Plan) -> session::HoldOptions {
        session::HoldOptions {
            guard: sentry::own_program(),
            hold_limit: self.hold_limit,
            lock_timeout: self.lock_timeout,
            dead_man: self.dead_man,
            // As much as can be left of a hold at any time.
            statement_limit: self.hold_limit.saturating_mul(2),
            takes_down: plan.keeps(),
            ..session::HoldOptions::default()
        }
    }

    /// What cannot be meant, in words.
    pub fn objection(&self) -> Option<String> {
        if self.dead_man < SHORTEST_DEAD_MAN {
            return Some(format!(
                "--dead-man must be at least {}s: three signs of life have to fit into it, also when \
                 the machine is busy",
                SHORTEST_DEAD_MAN / 1_000
            ));
        }
        if self.hold_limit < 10_000 {
            return Some("--hold-limit must be at least 10s: nobody can decide in less".into());
        }
        None
    }
}

/// Where a run is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DecideArgument {
    /// At the gate, with the transaction held; `t` lets it go
    Held,
    /// With nothing held: each pass is rolled back the moment its verdict is there
    Unheld,
}

/// What happens to a second pass that comes out otherwise than approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnDifference {
    /// It is held at the gate, with the differences on top
    Gate,
    /// It is rolled back, and reviewed as well
    Rollback,
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

/// The longest name of a change, and of its window, in characters.
const LONGEST_TICKET: usize = 200;

/// The name of a change.
///
/// # Errors
/// When it is empty, or longer than a line.
fn ticket(text: &str) -> Result<String, String> {
    label(text, "say which change it is, such as CHG-4711")
}

/// The window of a change, in the words of whoever planned it.
///
/// # Errors
/// When it is empty, or longer than a line.
fn window(text: &str) -> Result<String, String> {
    label(
        text,
        "say from when to when, such as \"22:00 to 23:30 UTC\"",
    )
}

fn label(text: &str, without: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err(without.into()),
        long if long.chars().count() > LONGEST_TICKET => {
            Err(format!("at most {LONGEST_TICKET} characters"))
        }
        text => Ok(text.to_owned()),
    }
}

/// A time as PostgreSQL writes it: a number and one of ms, s, min, h. In milliseconds.
///
/// # Errors
/// Without a unit, with another unit, or when it is 0 (PostgreSQL's "no limit", which there is not
/// here) or more than a day.
pub fn duration(text: &str) -> Result<Millis, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("it needs a unit: ms, s, min or h, such as 30s or 5min".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "say it as a number and a unit, such as 30s".to_owned())?;
    match number.checked_mul(factor) {
        Some(0) => Err("there is no \"no limit\" here: say how long".into()),
        Some(time) if time <= 24 * 3_600_000 => Ok(time),
        Some(_) | None => Err("at most 24h".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_postgresql_writes_them() {
        assert_eq!(duration("500ms"), Ok(500));
        assert_eq!(duration("15s"), Ok(15_000));
        assert_eq!(duration("5min"), Ok(300_000));
        assert_eq!(duration("1 h"), Ok(3_600_000));
        for wrong in [
            "",
            "5",
            "s",
            "5m",
            "-5s",
            "0s",
            "25h",
            "99999999999999999999h",
            "1.5s",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn h_is_the_host_as_in_psql() {
        let arguments = Arguments::try_parse_from([
            "stagegate",
            "run",
            "-h",
            "db1",
            "-p",
            "5433",
            "-U",
            "dba",
            "-d",
            "wiser_ops",
            "-W",
        ])
        .unwrap();
        let CliCommand::Run { connection, .. } = arguments.command else {
            panic!("not run");
        };
        let options = connection.options();
        assert_eq!(options.host.as_deref(), Some("db1"));
        assert_eq!(options.database.as_deref(), Some("wiser_ops"));
        assert!(options.force_password);
    }

    #[test]
    fn what_is_given_twice_counts_as_it_was_given_last() {
        let given = [
            "stagegate",
            "run",
            "-h",
            "db1",
            "-w",
            "-W",
            "-hdb2",
            "-d",
            "a",
            "--host=db3",
            "-d",
            "b",
        ];
        let read = |given: &[&str]| match Arguments::try_parse_from(given).unwrap().command {
            CliCommand::Run { connection, .. } => connection.options(),
            _ => panic!("not run"),
        };
        let options = read(&given);
        assert_eq!(options.host.as_deref(), Some("db3"));
        assert_eq!(options.database.as_deref(), Some("b"));
        assert!(options.force_password && !options.no_password);
        let options = read(&["stagegate", "run", "-W", "-w"]);
        assert!(!options.force_password && options.no_password);
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let arguments = Arguments::try_parse_from(["stagegate", "run"]).unwrap();
        let CliCommand::Run { holding, .. } = arguments.command else {
            panic!("not run");
        };
        assert_eq!(holding.hold_limit, plan::HOLD_LIMIT);
        assert_eq!(holding.lock_timeout, session::LOCK_TIMEOUT);
        assert_eq!(holding.dead_man, session::DEAD_MAN);
        assert_eq!(holding.objection(), None);
    }
}
