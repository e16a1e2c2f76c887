//! What the lines say while items are signed: evidence, the backup, what the script will touch.

use super::{BACKUP_TOLD, Teller, check_in_a_line, same_screen, shown};
use crate::account::{Account, EarlierTold};
use crate::acts::ToldPane;
use crate::facts::Standing;
use crate::gate::event::Document;
use crate::gate::{Act, Machine, Offer, Phase};
use crate::runbook::check::Verdict;
use crate::runbook::impact::ImpactLine;
use crate::runbook::printable::{counted, printable_lines};
use std::sync::Arc;

impl Teller<'_> {
    /// What is to be expected of the locks, before there are any: as soon as journals were read.
    pub(super) fn expect(&mut self, machine: &Machine, account: &Account) {
        if let (Phase::Checklist { .. }, false, Some(expected)) =
            (machine.phase(), self.expected_told, &account.expected)
        {
            self.expected_told = true;
            self.say(&format!("Locks: {}.", expected.told));
        }
    }

    /// What need not be read again, as soon as journals were read.
    pub(super) fn read_before(&mut self, account: &Account) {
        for (_, told) in account.read_before.iter().skip(self.read_before) {
            self.say(&format!(
                "{told}; its text is the same, so it need not be read again."
            ));
        }
        self.read_before = account.read_before.len();
    }

    /// A run before this one that is to be cleared up before anything else.
    pub(super) fn earlier(&mut self, machine: &Machine, account: &Account) {
        if self.earlier == account.earlier {
            return;
        }
        self.earlier.clone_from(&account.earlier);
        if let Some(EarlierTold { told, item }) = &account.earlier {
            let next = match machine.offer(Act::AskOutcome) {
                Offer::Open => format!("type ask to ask the server, show {item} for more."),
                Offer::Absent | Offer::Refused(_) => format!("show {item} for more."),
            };
            self.say(&format!("{told}: {next}"));
        }
    }

    /// Whom the statement that runs waits for, when that becomes known and when it changes.
    pub(super) fn waits(&mut self, account: &Account) {
        let running = account.running().map(|(number, _)| number);
        let seen = account.sight.as_ref().filter(|_| running.is_some());
        let blockers = seen.map_or(&[][..], |sight| sight.blockers.as_slice());
        let blocked: Vec<i32> = blockers.iter().map(|session| session.pid).collect();
        if blocked == self.blocked {
            return;
        }
        for session in blockers {
            let number = running.unwrap_or_default();
            self.say(&format!(
                "Statement {number} waits for {}",
                session.in_the_way()
            ));
        }
        self.blocked = blocked;
    }

    pub(super) fn arrive(&mut self, machine: &Machine, account: &Account) {
        let moved = match &self.phase {
            Some(told) => told != machine.phase() && !same_screen(told, machine.phase()),
            None => true,
        };
        if moved {
            self.arrived(machine, account);
            self.phase = Some(machine.phase().clone());
            self.turned = true;
        }
    }

    /// A dump: its start, how far it is now and then, and what became of it.
    pub(super) fn backup(&mut self, machine: &Machine, account: &Account) {
        match &account.backup.under_way {
            Some((seq, dumping)) if machine.is_backing_up() => {
                let first = self.backup != Some(*seq);
                if first {
                    self.backup = Some(*seq);
                    let file = dumping.path.display();
                    self.say(&format!("Backing up into {file}. cancel stops it."));
                }
                if first || dumping.elapsed >= self.backup_told + BACKUP_TOLD {
                    self.backup_told = dumping.elapsed;
                    for line in dumping.lines() {
                        self.say(&format!("  {line}"));
                    }
                }
            }
            Some(_) | None => {
                if self.backup_failed != account.backup.failed {
                    self.backup_failed.clone_from(&account.backup.failed);
                    if let Some(why) = &account.backup.failed {
                        self.say("No dump:");
                        for line in why.lines() {
                            self.say(&format!("  {line}"));
                        }
                    }
                }
                if self.backup.take().is_some()
                    && account.backup.failed.is_none()
                    && let Some(dump) = account.backup.made.as_ref()
                {
                    self.say(&format!("Backed up: {}.", dump.reference()));
                }
            }
        }
    }

    pub(super) fn evidence(&mut self, machine: &Machine, account: &Account) {
        // In the order of the checklist, however the answers came.
        let mut first_awaited = machine.items().len();
        if matches!(machine.phase(), Phase::Checklist { .. }) {
            let mut items = machine.items().iter().zip(&account.items);
            let awaited = items.position(|(item, known)| {
                item.standing == Standing::Awaited && !known.evidence.is_under_way()
            });
            first_awaited = awaited.unwrap_or(first_awaited);
        }
        for (index, item) in machine.items().iter().enumerate() {
            let (Some(named), Some(evidence)) =
                (self.runbook.items.get(index), account.evidence_for(index))
            else {
                continue;
            };
            if self.standings.get(index) != Some(&item.standing) && index <= first_awaited {
                if let Some(slot) = self.standings.get_mut(index) {
                    *slot = item.standing;
                }
                if item.standing != Standing::Awaited {
                    self.say(&format!(
                        "{}. {}: {}. {}",
                        index + 1,
                        named.title,
                        shown(machine, index, item.standing),
                        evidence.summary
                    ));
                    for check in evidence
                        .checks
                        .iter()
                        .filter(|c| c.verdict != Verdict::Pass)
                    {
                        self.check(check);
                    }
                    self.next_finding(machine, index);
                }
            }
            let compares = item.standing == Standing::Awaited && evidence.is_under_way();
            if let Some(slot) = self.compares.get_mut(index)
                && std::mem::replace(slot, compares) != compares
                && compares
                && self.attended
            {
                self.say(&format!("Item {}: {}.", index + 1, evidence.summary));
            }
            if let Some(slot) = self.acknowledged.get_mut(index)
                && *slot != item.acknowledged
            {
                *slot = item.acknowledged;
                let all = item.findings.unwrap_or_default();
                self.say(&format!(
                    "{}. {}: {} of {} acknowledged.",
                    index + 1,
                    named.title,
                    item.acknowledged,
                    counted(all, "finding", "findings")
                ));
                self.next_finding(machine, index);
            }
            if self.signed.get(index) != Some(&item.signed) {
                if let Some(slot) = self.signed.get_mut(index) {
                    *slot = item.signed;
                }
                let what = if item.signed {
                    "signed"
                } else {
                    "no longer signed"
                };
                self.say(&format!("{}. {}: {what}.", index + 1, named.title));
            }
        }
    }

    /// What is acknowledged next is told before it is.
    fn next_finding(&mut self, machine: &Machine, index: usize) {
        let signature = machine.items().get(index);
        let Some((done, all)) =
            signature.and_then(|item| Some((item.acknowledged, item.findings?)))
        else {
            return;
        };
        let findings = self.runbook.script.findings_in_words();
        if let Some(finding) = findings.get(done).filter(|_| done < all) {
            self.say(&format!("  finding {} of {all}: {finding}", done + 1));
        }
    }

    /// What the script is expected to do, once the tables were measured; anew when they changed.
    pub(super) fn impact(&mut self, account: &Account) {
        if self.measured == account.measure {
            return;
        }
        let brief = self.runbook.impact().brief();
        match self.attended {
            true => self.say(&format!("Impact: {brief}; impact shows all of it.")),
            false => {
                self.say(&format!("Impact: {brief}."));
                let impact = Arc::clone(self.runbook.impact());
                self.say_lines(impact.told_in_short(Some(account.measure.as_ref())));
            }
        }
        self.measured.clone_from(&account.measure);
    }

    pub fn tell_pane(&mut self, pane: &ToldPane, account: &Account) {
        self.say_lines((pane.told)(self.runbook, account));
    }

    fn say_lines(&mut self, lines: Vec<ImpactLine>) {
        for told in lines {
            match told {
                ImpactLine::Heading(text) => self.say_at_length(&format!("  {text}")),
                ImpactLine::Line(text) | ImpactLine::Warn(text) => {
                    self.say_at_length(&format!("    {text}"))
                }
                ImpactLine::More(text) => self.say_at_length(&format!("      {text}")),
            }
        }
    }

    pub fn show_item(&mut self, account: &Account, index: usize) {
        let Some(evidence) = account.evidence_for(index) else {
            return;
        };
        self.say_at_length(&evidence.summary);
        for line in &evidence.lines {
            self.say_at_length(&format!("  {line}"));
        }
        for check in &evidence.checks {
            self.say_at_length(&check_in_a_line(check));
        }
    }

    /// A document, line by line.
    pub fn read_out(&self, document: Document) -> Vec<String> {
        let script = document.script_of(self.runbook);
        let sources = script.into_iter().flat_map(|script| &script.sources);
        sources
            .flat_map(|source| source.text.lines())
            .map(|line| printable_lines(line).into())
            .collect()
    }
}
