//! How the transaction is held, and where the run is decided.

use crate::database::{sentry, session};
use crate::facts::Millis;
use crate::gate::plan::{self, Mode, Plan, Unheld};
use crate::runbook::{self, Runbook};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Below this a pause of the machine would look like death.
const SHORTEST_DEAD_MAN: Millis = 3_000;

/// How the transaction of a walk is held, and how it is decided.
#[derive(Debug, Clone, Args)]
pub struct Holding {
    #[command(flatten)]
    pub limits: HoldingLimits,
    #[command(flatten)]
    pub deciding: DecidingArguments,
}

/// What a rehearsal has as well, where nobody decides anything.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Holding")]
pub struct HoldingLimits {
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
    /// Rehearse although ROLLBACK does not take everything back: numbers of sequences, files, programs,
    /// what other servers and sessions see. `show` lists what it is
    #[arg(long)]
    pub leave_traces: bool,
    /// The number of the change that this run is for, for the journal and the report
    #[arg(long, value_name = "TEXT", value_parser = ticket)]
    pub ticket: Option<String>,
    /// The window that this change was given, as its plan says it, for the journal and the report
    #[arg(long, value_name = "TEXT", value_parser = window)]
    pub window: Option<String>,
    /// Where to write the journal [default: a new file in $XDG_STATE_HOME/stagegate]
    #[arg(long, value_name = "PATH")]
    pub journal: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Deciding")]
pub struct DecidingArguments {
    /// Ask for a second person's name before COMMIT, and write it into the journal
    #[arg(long)]
    pub second_signer: bool,
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
    /// The folder that `b` on the checklist offers for a backup [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub backup_dir: Option<PathBuf>,
}

impl From<HoldingLimits> for Holding {
    fn from(limits: HoldingLimits) -> Holding {
        let deciding = DecidingArguments::default();
        Holding { limits, deciding }
    }
}

impl Holding {
    /// The plan of a run of `runbook` that is held so.
    pub fn plan(&self, runbook: &Runbook, mode: Mode) -> Plan {
        Plan {
            lock_attempts: self.limits.lock_attempts,
            max_waiters: self.limits.max_waiters,
            max_wait: self.limits.max_wait,
            second_signer: self
                .deciding
                .second_signer
                .then(|| plan::FirstSigner(crate::database::settings::os_user())),
            unheld: self.unheld(runbook, mode),
            ..Plan::new(runbook, mode, self.limits.hold_limit)
        }
    }

    /// Whether a run of `runbook` can be decided with nothing held.
    fn unheld(&self, runbook: &Runbook, mode: Mode) -> Unheld {
        match (mode, runbook.script.runs_once()) {
            (Mode::Rehearse | Mode::Inspect, _) => Unheld::Never,
            (Mode::Run, Some(what)) => Unheld::Refused(what),
            (Mode::Run, None) => Unheld::Offered {
                limit: self.deciding.approval_limit,
                by_itself: self.is_unheld(runbook),
                review_again: self.deciding.on_difference == OnDifference::Rollback,
            },
        }
    }

    /// Whether nothing is held for a person: the command line says so, and else the runbook.
    fn is_unheld(&self, runbook: &Runbook) -> bool {
        match self.deciding.decide {
            Some(decide) => decide == DecideArgument::Unheld,
            None => runbook.decide == runbook::Decide::Unheld,
        }
    }

    /// Why `runbook` cannot be decided in the way that was asked for, in words.
    pub fn objection_to(&self, runbook: &Runbook) -> Option<String> {
        let what = runbook.script.runs_once()?;
        let (asked, instead) = match self.deciding.decide {
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
            hold_limit: self.limits.hold_limit,
            lock_timeout: self.limits.lock_timeout,
            dead_man: self.limits.dead_man,
            // As much as can be left of a hold at any time.
            statement_limit: self.limits.hold_limit.saturating_mul(2),
            takes_down: plan.keeps(),
            ..session::HoldOptions::default()
        }
    }

    /// What cannot be meant, in words.
    pub fn objection(&self) -> Option<String> {
        if self.limits.dead_man < SHORTEST_DEAD_MAN {
            return Some(format!(
                "--dead-man must be at least {}s: three signs of life have to fit into it, also when \
                 the machine is busy",
                SHORTEST_DEAD_MAN / 1_000
            ));
        }
        if self.limits.hold_limit < 10_000 {
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnDifference {
    /// It is held at the gate, with the differences on top
    #[default]
    Gate,
    /// It is rolled back, and reviewed as well
    Rollback,
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
}
