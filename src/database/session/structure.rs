//! The structure of the database before BEGIN, and of what the script touched as the transaction sees
//! it: for a second pass to be held against it.
//!
//! Before BEGIN it is all of it, with nothing held. After that what was touched is what the transaction
//! holds locks on, never guessed from a text. It is taken down behind a savepoint with limits of its
//! own, so that nothing of it can cost the transaction (I12); where it cannot be taken down, no pass is
//! the same as this one.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::actor::Actor;
use super::answers::millis;
use super::looking;
use super::read_only::{self, ReadOnlyLimits};
use crate::database::link::BrokenLink;
use crate::database::message;
use crate::database::tap::Status;
use crate::facts::{Millis, ServerMessage};
use crate::gate::event::{Body, Seq};
use crate::gate::pass::Structure;
use crate::runbook::rehearsal;

/// How long it may take.
const LIMIT: Millis = 5_000;

impl Actor {
    /// All that stands in the database before BEGIN: nothing is held for it, and whatever goes wrong costs
    /// nothing else.
    pub(super) async fn stands_before(&mut self) -> Result<Structure, BrokenLink> {
        let texts = rehearsal::standing_now();
        let queries = read_only::numbered(&texts);
        let limits = ReadOnlyLimits {
            statement: LIMIT,
            // Whoever waits to read is in nobody's way but that of an ACCESS EXCLUSIVE lock.
            lock: Some(self.options.lock_timeout.min(LIMIT)),
        };
        let mut last = None;
        for answer in read_only::each(self.link()?, &queries, limits).await? {
            match answer {
                Ok(report) => last = report.result,
                Err(stopped) => return Ok(Structure::Unknown(message::line(&stopped.error))),
            }
        }
        let set = last.unwrap_or_default();
        let known = read_structure(&set.rows, set.total);
        Ok(known.unwrap_or_else(|why| Structure::Unknown(message::line(&why))))
    }

    /// Takes the structure down and says it. Where the transaction is lost over it that is said
    /// instead, here or by whoever looks at what an order leaves behind.
    pub(super) async fn take_down(&mut self, seq: Seq) -> Result<(), BrokenLink> {
        let [names, rows] = rehearsal::touched_now();
        let asked = format!("{names} {rows}");
        let began = Instant::now();
        let limit = format!("{LIMIT}ms");
        let (answer, back) = looking::ask_aside_within(self.link()?, &limit, &asked).await?;
        let duration = millis(began, Instant::now());
        match (self.link()?.status(), &back) {
            (Status::Open, None) => {}
            (Status::Idle, _) => return Ok(()),
            (_, failed) => {
                let why = failed
                    .clone()
                    .unwrap_or_else(|| message::own("the transaction failed"));
                self.say(seq, Body::FoundFailed(Box::new(why)));
                return Ok(());
            }
        }
        let structure = match answer.error {
            Some(error) => Structure::Unknown(message::line(&error)),
            None => {
                let last = answer.results.into_iter().next_back().unwrap_or_default();
                read_structure(&last.set.rows, last.set.total)
                    .unwrap_or_else(|why| Structure::Unknown(message::line(&why)))
            }
        };
        let structure = Box::new(structure);
        self.say(
            seq,
            Body::TakenDown {
                structure,
                duration,
            },
        );
        Ok(())
    }
}

fn read_structure(rows: &[Vec<Option<String>>], total: u64) -> Result<Structure, ServerMessage> {
    if u64::try_from(rows.len()).unwrap_or(u64::MAX) < total {
        return Err(message::own("there is too much of it to be kept"));
    }
    let mut known = BTreeMap::<String, String>::new();
    for row in rows {
        let [Some(kind), Some(name), definition] = row.as_slice() else {
            return Err(message::own("the server told it in another form"));
        };
        let definition = definition.clone().unwrap_or_default();
        // Two of one name are both kept, so that neither hides what became of the other.
        let told = known.entry(format!("{kind} {name}")).or_default();
        told.push_str(&definition);
    }
    if known.is_empty() {
        // Not even the role that runs the script: whatever it is, it is no structure.
        return Err(message::own("the server did not tell it"));
    }
    Ok(Structure::Known(known))
}
