//! A query inside the held transaction: asked at the gate or where only ROLLBACK is left.
//!
//! While it runs COMMIT is out of reach, and everything that ends a hold works as at the gate.
//! After it the gate arms anew; a transaction that is not proven to be as before is never
//! committed.

use super::Machine;
use super::passing::wait_for_cancel;
use crate::facts::{After, Consent, Looked, Millis, Why, query};
use crate::gate::effect::{Effect, Request};
use crate::gate::phase::{Phase, Prompt};
use crate::gate::plan;
use crate::runbook::question::Question;

impl Machine {
    pub(super) fn query(&mut self, text: &str) -> Vec<Effect> {
        let question = match Question::read(text) {
            Ok(question) => question,
            Err(unfit) => return vec![Effect::Say(unfit.to_string())],
        };
        if matches!(self.phase, Phase::Reviewing { .. }) {
            return self.query_outside(question);
        }
        let why = match &self.phase {
            Phase::MustRollBack { why, .. } => Some(why.clone()),
            _ => None,
        };
        let Some(held) = self.phase.held().cloned() else {
            return Vec::new();
        };
        let limit = query::LIMIT.min(held.left / 2).max(1);
        self.phase = Phase::Querying {
            held,
            question: question.clone(),
            why,
            left: limit + query::GRACE,
            cancelling: None,
            asking: false,
        };
        vec![self.request(Request::Query { question, limit })]
    }

    /// Time passes while a query runs. The server has its own limit; this one is for a query that
    /// took that away.
    pub(super) fn ticked_while_querying(&mut self, elapsed: Millis, over: bool) -> Vec<Effect> {
        if over {
            return self.roll_back(Why::HoldLimit, true);
        }
        let Phase::Querying {
            left, cancelling, ..
        } = &mut self.phase
        else {
            return Vec::new();
        };
        *left = left.saturating_sub(elapsed);
        if *left == 0 && cancelling.is_none() {
            *cancelling = Some(0);
            return vec![Effect::Cancel];
        }
        // A cancel request can fall between two requests and hit nothing.
        let again = cancelling.map(|_| Effect::Cancel);
        let told = wait_for_cancel(cancelling, elapsed).map(Effect::Refuse);
        again.into_iter().chain(told).collect()
    }

    /// Back to where it was asked, unless the transaction is no longer what it was.
    pub(super) fn looked(&mut self, looked: &Looked) -> Vec<Effect> {
        if let Phase::Reviewing {
            arming, cancelling, ..
        } = &mut self.phase
        {
            (*arming, *cancelling) = (plan::ARMING, None);
            self.requests.awaiting = None;
            return Vec::new();
        }
        let Phase::Querying {
            held, why, asking, ..
        } = &self.phase
        else {
            return Vec::new();
        };
        let (held, why, asking) = (held.clone(), why.clone(), *asking);
        self.requests.awaiting = None;
        let whole = looked.after == After::Unchanged;
        let why = why.or((!whole).then_some(Why::Disturbed));
        let effects = match &looked.after {
            After::Unchanged | After::Outside => Vec::new(),
            After::Disturbed(what) => vec![Effect::Say(format!(
                "The query did not leave the transaction as it was: {what}."
            ))],
        };
        self.phase = match why {
            Some(why) => Phase::MustRollBack {
                held: held.without_pass(),
                why,
                whole,
                asking,
            },
            None => Phase::Deciding {
                held,
                consent: Consent::default(),
                prompt: match asking {
                    true => Prompt::RollBack,
                    false => Prompt::Closed,
                },
                arming: plan::ARMING,
            },
        };
        effects
    }
}
