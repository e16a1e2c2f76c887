//! Whether the number of the open transaction is on the server's disk: from then on no crash can give it to
//! another one.

use super::actor::Actor;
use super::looking;
use crate::database::link::{Answer, BrokenLink};
use crate::facts::ServerMessage;
use crate::gate::event::{Body, Seq};

impl Actor {
    /// Whether the transaction's number is on the server's disk by now: then no crash can give it
    /// to another transaction. Where the server does not answer that, it is not asked again, and
    /// the number is not known to be. An error is returned only where it cost the transaction.
    pub(super) async fn look_at_durability(
        &mut self,
        seq: Seq,
    ) -> Result<Option<ServerMessage>, BrokenLink> {
        let Some(lsn) = self.written_up_to.clone() else {
            return Ok(None);
        };
        let (answer, back) = looking::ask_aside(self.link()?, &flushed(&lsn)).await?;
        self.note_durability(seq, &answer);
        Ok(back)
    }

    /// Takes the answer to [`flushed`].
    pub(super) fn note_durability(&mut self, seq: Seq, answer: &Answer) {
        let first = answer.results.last().and_then(|r| r.set.rows.first());
        let yes = first.is_some_and(|row| row.first() == Some(&Some("t".into())));
        if answer.error.is_some() {
            self.written_up_to = None;
        } else if yes && let Some(identity) = &mut self.identity {
            identity.durable = true;
            self.written_up_to = None;
            self.say(seq, Body::NumberDurable);
        }
    }
}

/// Whether the WAL is on the server's disk up to there.
pub(super) fn flushed(lsn: &str) -> String {
    format!(
        "SELECT pg_catalog.pg_current_wal_flush_lsn() OPERATOR(pg_catalog.>=) \
         '{lsn}'::pg_catalog.pg_lsn"
    )
}
