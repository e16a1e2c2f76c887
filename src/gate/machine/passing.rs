//! What comes by itself: time, alarms, a lost journal, and who waits for us.
//!
//! Whatever it is, an open transaction is led to its end by it (I2, I7).

use super::Machine;
use super::leaving::Leaving;
use crate::facts::{Alarm, Ending, ExitCode, Millis, Observation, Why};
use crate::gate::effect::{Effect, Request};
use crate::gate::offer::Refusal;
use crate::gate::phase::{Phase, Prompt};
use crate::gate::plan::{self, Mode};

impl Machine {
    pub(super) fn ticked(&mut self, elapsed: Millis) -> Vec<Effect> {
        if let Some(held) = self.phase.held_mut() {
            held.left = held.left.saturating_sub(elapsed);
        }
        self.part(elapsed);
        if let Some(let_go) = self.phase.let_go_mut() {
            let_go.grow_older(elapsed);
        }
        if self.is_out_of_time(elapsed) {
            return self.leave_unproven();
        }
        let hold_over = self.hold_left() == Some(0);
        match &mut self.phase {
            Phase::Applying { .. } | Phase::Verifying { .. } | Phase::TakingDown { .. }
                if hold_over =>
            {
                self.roll_back(Why::HoldLimit, true)
            }
            Phase::Deciding { .. } | Phase::MustRollBack { .. } if hold_over => {
                self.roll_back(Why::HoldLimit, false)
            }
            Phase::Applying { .. } | Phase::Verifying { .. } | Phase::TakingDown { .. } => {
                self.cancel_again(elapsed)
            }
            Phase::Deciding { arming, prompt, .. } | Phase::Reviewing { arming, prompt, .. } => {
                if self.shown && *prompt == Prompt::Closed {
                    *arming = arming.saturating_sub(elapsed);
                }
                Vec::new()
            }
            Phase::Querying { .. } => self.ticked_while_querying(elapsed, hold_over),
            Phase::RollingBack { .. } => self.ticked_while_rolling_back(elapsed),
            Phase::Inquiring { .. } => self.ask_again_in_time(elapsed),
            Phase::Waiting { .. } => self.begin_again_in_time(elapsed),
            Phase::MustRollBack { .. }
            | Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Returning { .. }
            | Phase::Beginning { .. }
            | Phase::Committing { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Vec::new(),
        }
    }

    /// A cancel request can fall between two statements and hit nothing, so it is repeated.
    fn cancel_again(&mut self, elapsed: Millis) -> Vec<Effect> {
        let (again, cancelling) = match &mut self.phase {
            Phase::Applying(pass) | Phase::Verifying(pass) => (true, &mut pass.cancelling),
            // Sent once: a late one would cost the transaction, which is to be kept.
            Phase::TakingDown(pass) => (false, &mut pass.cancelling),
            _ => return Vec::new(),
        };
        let again = cancelling.filter(|_| again).map(|_| Effect::Cancel);
        let told = wait_for_cancel(cancelling, elapsed).map(Effect::Refuse);
        again.into_iter().chain(told).collect()
    }

    fn ticked_while_rolling_back(&mut self, elapsed: Millis) -> Vec<Effect> {
        let Phase::RollingBack {
            patience,
            busy,
            after,
        } = &mut self.phase
        else {
            return Vec::new();
        };
        *patience = patience.saturating_sub(elapsed);
        if *patience == 0 {
            let onward = after.without_session();
            return self.sever_and_inquire(false, onward);
        }
        match busy {
            true => vec![Effect::Cancel],
            false => Vec::new(),
        }
    }

    /// The pause before the server is asked once more about what it still had open.
    fn ask_again_in_time(&mut self, elapsed: Millis) -> Vec<Effect> {
        let Phase::Inquiring {
            still_open,
            commit_sent,
            ..
        } = &mut self.phase
        else {
            return Vec::new();
        };
        match still_open {
            Some(wait) if *wait <= elapsed => {
                *still_open = None;
                // Nothing is lost by ending what can only be rolled back.
                let next = match commit_sent {
                    true => Request::Inquire,
                    false => Request::EndBackend,
                };
                vec![self.request(next)]
            }
            Some(wait) => {
                *wait -= elapsed;
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The pause before the next attempt, or before the second pass is tried again.
    fn begin_again_in_time(&mut self, elapsed: Millis) -> Vec<Effect> {
        let limit = self.plan.approval_limit();
        let lost = self.journal_lost && self.plan.mode == Mode::Run;
        let Phase::Waiting {
            left,
            proof,
            approval,
        } = &mut self.phase
        else {
            return Vec::new();
        };
        if lost {
            let (why, proof) = (Why::JournalLost, proof.clone());
            return self.end(Ending::RolledBack { why, proof });
        }
        *left = left.saturating_sub(elapsed);
        let over = *left == 0;
        match approval.take() {
            Some(given) if given.basis().is_expired(limit) => {
                let (why, proof) = (Why::ApprovalExpired, proof.clone());
                self.end(Ending::RolledBack { why, proof })
            }
            Some(given) if over => vec![self.go_back(given)],
            None if over => self.begin(None),
            still => {
                *approval = still;
                Vec::new()
            }
        }
    }

    /// The limits on who waits for us, where they were asked for. A monitor that sees nothing
    /// changes nothing (I12).
    pub(super) fn observed(&mut self, observation: &Observation) -> Vec<Effect> {
        let Observation::Seen(sight) = observation else {
            return Vec::new();
        };
        let too_many = self
            .plan
            .max_waiters
            .is_some_and(|most| sight.waiters.len() > most);
        let longest = sight.waiters.iter().filter_map(|w| w.since).max();
        let too_long = self
            .plan
            .max_wait
            .is_some_and(|most| longest.is_some_and(|longest| longest > most));
        let why = if too_many {
            Why::TooManyWaiters
        } else if too_long {
            Why::WaitedTooLong
        } else {
            return Vec::new();
        };
        match &self.phase {
            Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Querying { .. } => self.roll_back(why, true),
            Phase::Deciding { .. } | Phase::MustRollBack { .. } => self.roll_back(why, false),
            Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Beginning { .. }
            | Phase::Reviewing { .. }
            | Phase::Returning { .. }
            | Phase::Committing { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => Vec::new(),
        }
    }

    pub(super) fn alarmed(&mut self, alarm: Alarm) -> Vec<Effect> {
        let code = alarm.exit_code();
        let why = Why::Alarmed(alarm.clone());
        if self.leaving.is_none() {
            self.leaving = Some(Leaving {
                alarm,
                left: plan::LEAVING,
            });
        }
        match &self.phase {
            Phase::Connecting | Phase::Checklist { .. } => self.leave(code),
            Phase::Waiting { proof, .. } => {
                let proof = proof.clone();
                self.end(Ending::RolledBack { why, proof })
            }
            Phase::Reviewing { .. } | Phase::Returning { .. } => self.end_review(why),
            Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Querying { .. } => self.roll_back(why, true),
            Phase::Deciding { .. } | Phase::MustRollBack { .. } => self.roll_back(why, false),
            // Under way already; the proof is waited for.
            Phase::Committing { .. } | Phase::RollingBack { .. } | Phase::Inquiring { .. } => {
                Vec::new()
            }
            Phase::PostVerifying { .. } => self.leave(ExitCode::Committed),
            Phase::Ended(ending) => {
                let code = ending.exit_code();
                self.leave(code)
            }
            Phase::Left(_) => Vec::new(),
        }
    }

    pub(super) fn journal_lost(&mut self) -> Vec<Effect> {
        self.journal_lost = true;
        match &mut self.phase {
            Phase::Deciding { held, .. } => {
                let held = held.clone();
                self.leave_only_rollback(held, Why::JournalLost, true);
            }
            Phase::Querying { why, .. } => {
                why.get_or_insert(Why::JournalLost);
            }
            // No approval could be written down any more, and nothing is held.
            Phase::Reviewing { .. } | Phase::Returning { .. } => {
                return self.end_review(Why::JournalLost);
            }
            Phase::Connecting
            | Phase::Checklist { .. }
            | Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            // What follows from it sees that the journal is lost.
            | Phase::TakingDown { .. }
            | Phase::MustRollBack { .. }
            | Phase::Committing { .. }
            | Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Waiting { .. }
            | Phase::PostVerifying { .. }
            | Phase::Ended(_)
            | Phase::Left(_) => {}
        }
        Vec::new()
    }

    pub(super) fn intent_lost(&mut self) -> Vec<Effect> {
        self.journal_lost = true;
        let Phase::Committing { held, .. } = &self.phase else {
            return Vec::new();
        };
        let held = held.clone();
        self.newest.committer.take_back();
        match self.leaving().cloned() {
            Some(alarm) => self.roll_back(Why::Alarmed(alarm), false),
            None if self.plan.lets_go_by_itself() => self.roll_back(Why::JournalLost, false),
            None => {
                self.leave_only_rollback(held, Why::JournalLost, true);
                Vec::new()
            }
        }
    }
}

/// Time passes for what was cancelled; once, that it has had no effect for too long.
pub(super) fn wait_for_cancel(cancelling: &mut Option<Millis>, elapsed: Millis) -> Option<Refusal> {
    let since = cancelling.as_mut()?;
    let before = *since;
    *since = (before + elapsed).min(plan::CANCEL_PATIENCE);
    let told = before < plan::CANCEL_PATIENCE && *since == plan::CANCEL_PATIENCE;
    told.then_some(Refusal::CancelWithoutEffect)
}
