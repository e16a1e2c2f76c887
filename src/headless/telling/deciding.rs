//! What the lines say of a decision: a pass under review, what was different, how it ended.

use super::Teller;
use crate::account::Account;
use crate::facts::{Ending, Why, how_to_end};
use crate::gate::approval::Basis;
use crate::gate::pass::CameOut;
use crate::gate::phase::Prompt;
use crate::gate::{Machine, Phase};

impl Teller<'_> {
    pub(super) fn ended(&mut self, ending: &Ending, machine: &Machine, account: &Account) {
        for check in &account.transaction.post_checks {
            self.check(check);
        }
        match ending {
            Ending::NotConnected => self.say("NOT CONNECTED. Nothing was applied."),
            Ending::Committed { proof, post } => {
                // It was said when it was proven, before the post-verification.
                if !matches!(self.phase, Some(Phase::PostVerifying { .. })) {
                    self.say(&format!("COMMITTED: {proof}."));
                }
                match post {
                    Some(tally) => {
                        self.say(&format!("Post-verification: {tally}. Type quit."));
                    }
                    None => self.say("Type quit. stagegate report writes this run down for others; stagegate rollback walks the way back."),
                }
            }
            Ending::RolledBack { why, proof } => {
                self.differences(machine);
                if *why == Why::LockTimeout || !account.stopped_by().is_empty() {
                    self.blockers(account);
                }
                self.say(&format!("ROLLED BACK, because {why}: {proof}."));
            }
            Ending::Prepared { gid, server } => {
                self.say(&format!(
                    "PREPARED as {gid:?} ({server}): its locks are held until somebody ends it."
                ));
                self.say(&how_to_end(gid));
            }
            Ending::Unknown { reason } => self.say(&format!("UNKNOWN: {reason}.")),
        }
    }

    /// What is reviewed with nothing held, and what can be typed there.
    pub(super) fn review(
        &mut self,
        basis: &Basis,
        prompt: Prompt,
        machine: &Machine,
        account: &Account,
    ) {
        match prompt {
            Prompt::Closed => {}
            Prompt::RollBack => {
                return self.say("End this run, which is rolled back? Type yes or no.");
            }
            prompt => return self.asks_for_commit(prompt, machine),
        }
        self.differences(machine);
        let tally = machine.tally();
        self.say(&format!(
            "NOTHING IS HELD, NOTHING IS SAVED. Rolled back: {}.",
            basis.proof()
        ));
        if let Some(held) = account.held() {
            self.say(&format!(
                "It was held {}.{} s. Checks: {tally}.",
                held / 1_000,
                held % 1_000 / 100,
            ));
        }
        let counts = |one: &&CameOut| one.tag.ends_with(|c: char| c.is_ascii_digit());
        for one in basis.shown().statements.iter().filter(counts) {
            self.say(&format!("  statement {}: {}", one.number, one.tag));
        }
        if let Some(why) = machine.why_not_comparable() {
            return self.say(&format!(
                "It cannot be approved, because no second pass can be held against it: {why}. rollback ends \
                 this run; walk it again with --decide held."
            ));
        }
        let left = machine.approvable_for().unwrap_or_default() / 1_000;
        self.say(&format!(
            "commit runs it a second time and commits by itself what comes out as shown; within {}:{:02}. \
             numbers lets counts and numbers differ (numbers 7: those of statement 7), query asks what there is now, rollback ends this run.",
            left / 60,
            left % 60
        ));
    }

    pub(super) fn differences(&mut self, machine: &Machine) {
        let Some(compared) = machine.compared().filter(|found| !found.is_same()) else {
            return;
        };
        self.say("DIFFERENT FROM WHAT WAS APPROVED, so COMMIT did not follow:");
        for one in &compared.differences {
            self.say(&format!("  {one}"));
        }
        if compared.more > 0 {
            self.say(&format!("  and {} more", compared.more));
        }
    }

    /// What COMMIT asks for before it is given.
    pub(super) fn asks_for_commit(&mut self, prompt: Prompt, machine: &Machine) {
        match prompt {
            Prompt::Reason => {
                self.say("COMMIT of a script without checks: type why, then Enter. back goes back.")
            }
            Prompt::SecondSigner => self
                .say("COMMIT needs a second person: type their name, then Enter. back goes back."),
            Prompt::Name => {
                self.say(&format!(
                    "COMMIT: type the name of the {}, then Enter. back goes back.",
                    machine.name_is_of()
                ));
            }
            Prompt::Closed | Prompt::RollBack => {}
        }
    }
}
