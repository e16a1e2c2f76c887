//! What the lines say while the transaction is open: statements, messages, answers, the hold.

use super::{MILESTONES, Teller, check_in_a_line, name};
use crate::account::{Account, Step};
use crate::facts::{After, Millis, ServerMessage};
use crate::gate::{Machine, Phase};
use crate::headless::place::ScriptPosition;
use crate::headless::table;
use crate::runbook::check::Check;
use crate::runbook::printable::counted;
use crate::runbook::script::Fate;

impl Teller<'_> {
    /// What COMMIT waits for, when that becomes known and when it changes.
    pub(super) fn commit_wait(&mut self, account: &Account) {
        if self.commit_wait == account.commit_wait {
            return;
        }
        self.commit_wait.clone_from(&account.commit_wait);
        let waits = account.commit_wait.iter();
        for sentence in waits.flat_map(|wait| wait.told_with("cancel", "quit")) {
            self.say(&sentence);
        }
    }

    pub(super) fn steps(&mut self, account: &Account) {
        if account.begun_at.is_none() {
            self.steps = 0;
        }
        while let Some(statement) = self.runbook.script.statements.get(self.steps) {
            let step = account.step_of(statement);
            let line = match step {
                Step::Waiting | Step::Running { .. } => return,
                Step::NotRun if account.failed().is_none() => return,
                Step::Gate(_) if account.begun_at.is_none() => return,
                Step::Gate(Fate::LeftOut) => format!("{} left out by choice", name(statement)),
                Step::Gate(_) => format!("{} (the gate's)", name(statement)),
                Step::NotRun => format!("{} not run", name(statement)),
                Step::Done(end) => {
                    let tag = end.tag.as_deref().unwrap_or_default();
                    let mut line = format!("{} {tag} {} ms", name(statement), end.duration);
                    for lock in &end.locks {
                        line.push_str(&format!(", {} on {}", lock.mode.name(), lock.relation));
                    }
                    line
                }
                Step::Failed { duration, error } => {
                    let mut line = format!("{} FAILED after {duration} ms", name(statement));
                    if let Some(sqlstate) = &error.sqlstate {
                        line.push_str(&format!(" ({sqlstate})"));
                    }
                    line
                }
            };
            self.say(&line);
            if let Step::Done(end) = step {
                let checks = account.transaction.checks_of(statement.number);
                for (_, check) in checks {
                    self.check(check);
                }
                // What is a set of checks was told as that.
                let untold = checks.is_empty().then(|| end.result()).flatten();
                if let Some(set) = untold {
                    for line in table::format_table(&set) {
                        self.say(&line);
                    }
                }
            }
            self.steps += 1;
        }
    }

    pub(super) fn messages(&mut self, account: &Account) {
        let asking = matches!(self.phase, Some(Phase::Inquiring { .. }));
        for (_, said) in account.messages.iter().skip(self.messages) {
            // It was told when the asking began.
            if asking && said.message.closed_by_us {
                continue;
            }
            let place = said
                .number
                .and_then(|number| ScriptPosition::of(&self.runbook.script, number, &said.message));
            match place {
                Some(place) => {
                    self.say_message(&format!("{}: ", place.head()), &said.message);
                    for line in place.shown() {
                        self.say(&line);
                    }
                }
                None => self.message(&said.message),
            }
        }
        self.messages = account.messages.len();
    }

    pub(super) fn answer(&mut self, account: &Account) {
        if self.looks == account.looks {
            return;
        }
        self.looks = account.looks;
        let Some(looked) = &account.looked else {
            return;
        };
        match &looked.answer {
            Ok(rows) => {
                self.say_at_length(&rows.set.columns.join(" | "));
                for row in &rows.set.rows {
                    let cells: Vec<&str> = row
                        .iter()
                        .map(|cell| match cell.as_deref() {
                            None => "NULL",
                            Some("NULL") => "'NULL'",
                            Some(text) => text,
                        })
                        .collect();
                    self.say_at_length(&cells.join(" | "));
                }
                let count = rows.set.rows.len();
                self.say_at_length(&match rows.more {
                    true => format!(
                        "The first {}; there are more.",
                        counted(count, "row", "rows")
                    ),
                    false => format!("{}.", counted(count, "row", "rows")),
                });
            }
            Err(error) => self.message(error),
        }
        self.say_at_length(&match &looked.after {
            After::Unchanged => "The transaction is as it was before.".to_owned(),
            After::Outside => "Asked outside of any transaction; nothing is held.".to_owned(),
            After::Disturbed(what) => format!("The transaction is not as it was: {what}."),
        });
    }

    pub(super) fn message(&mut self, message: &ServerMessage) {
        self.say_message("", message);
    }

    pub(super) fn say_message(&mut self, place: &str, message: &ServerMessage) {
        let severity = if message.severity.is_empty() {
            "stagegate"
        } else {
            &message.severity
        };
        self.say(&format!("{place}{severity}: {}", message.message));
        for (word, text) in [
            ("DETAIL", &message.detail),
            ("HINT", &message.hint),
            ("CONTEXT", &message.context),
        ] {
            if let Some(text) = text {
                self.say(&format!("{word}: {text}"));
            }
        }
    }

    pub(super) fn check(&mut self, check: &Check) {
        self.say(&check_in_a_line(check));
    }

    pub(super) fn hold(&mut self, machine: &Machine) {
        // A COMMIT on its way is not called back.
        let counts = !matches!(machine.phase(), Phase::Committing { .. });
        let Some(left) = machine.hold_left().filter(|_| counts) else {
            self.hold_told = None;
            return;
        };
        let half = machine.plan().hold_limit / 2;
        let told = self.hold_told.unwrap_or(Millis::MAX);
        for milestone in std::iter::once(half).chain(MILESTONES) {
            if left <= milestone && told > milestone {
                self.say(&format!(
                    "The hold ends in {} s; then it is rolled back. extend extends it.",
                    left.div_ceil(1_000)
                ));
                break;
            }
        }
        self.hold_told = Some(left);
    }

    /// Who did not let the script have its lock.
    pub(super) fn blockers(&mut self, account: &Account) {
        if account.blockers.is_empty() {
            self.say("  Who held the lock was not seen.");
        }
        for session in &account.blockers {
            self.say(&format!("  blocked by {}", session.in_the_way()));
        }
    }
}
