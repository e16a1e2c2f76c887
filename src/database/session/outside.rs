//! A query while nothing is held: what there is now, in a READ ONLY transaction of its own.
//!
//! It stands beside what a pass showed that was rolled back, so it must be of the same server: a
//! session that is gone is opened anew, and one that reaches another place asks nothing there.

use tokio::time::Instant;

use super::actor::Actor;
use super::answers::millis;
use crate::database::link::BrokenLink;
use crate::database::message;
use crate::database::tap::Status;
use crate::facts::query::LIMIT;
use crate::facts::{After, Looked, Rows, ServerMessage, Target};
use crate::gate::event::{Body, Seq};
use crate::runbook::question::Question;

/// The idle limit is for a client that is lost between two requests.
const OPEN: &str = "BEGIN READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '15s'";

/// A query that no cancel ends does not outlive its closed link.
const ENDS_WITHOUT_US: &str = "SET LOCAL client_connection_check_interval = '1s'";

/// Session locks that a query took.
const LET_GO: &str = "SELECT pg_catalog.pg_advisory_unlock_all()";

impl Actor {
    pub(super) async fn query_outside(
        &mut self,
        seq: Seq,
        question: Question,
    ) -> Result<(), BrokenLink> {
        let since = Instant::now();
        let answer = match self.there_again().await {
            Ok(()) => self.answer_outside(seq, &question).await?,
            Err(why) => Err(why),
        };
        let looked = Looked {
            question,
            duration: millis(since, Instant::now()),
            answer,
            after: After::Outside,
        };
        self.say(seq, Body::Looked(Box::new(looked)));
        Ok(())
    }

    /// A session on the place that was reached last.
    async fn there_again(&mut self) -> Result<(), ServerMessage> {
        if self.link.is_some() {
            return Ok(());
        }
        let before = self.target.clone();
        let now = self.reach(None).await?;
        let place = |target: &Target| {
            (
                target.system_identifier.clone(),
                target.timeline,
                target.database.clone(),
                target.role.clone(),
            )
        };
        if before.as_ref().map(place) == Some(place(&now)) {
            return Ok(());
        }
        let why = message::own("another server, database or role answers now; nothing was asked");
        self.target = before;
        self.dropped(&why);
        Err(why)
    }

    async fn answer_outside(
        &mut self,
        seq: Seq,
        question: &Question,
    ) -> Result<Result<Rows, ServerMessage>, BrokenLink> {
        let link = self.link()?;
        let open = match link.checks_client() {
            true => format!("{OPEN}; {ENDS_WITHOUT_US}"),
            false => OPEN.to_owned(),
        };
        let answer = match link.ask(&open).await?.error {
            Some(error) => Err(error),
            None => self.answer_to(seq, question, LIMIT).await?,
        };
        let link = self.link()?;
        // A late cancel request may hit the first of them.
        for _ in 0..3 {
            if link.status() == Status::Idle {
                // What a query can leave behind without a transaction: nothing is held in a review.
                if link.ask(LET_GO).await?.error.is_some() {
                    link.sever();
                }
                return Ok(answer);
            }
            link.ask("ROLLBACK").await?;
        }
        if link.status() != Status::Idle {
            link.sever();
        }
        Ok(answer)
    }
}
