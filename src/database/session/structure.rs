//! The structure of what the script touched, as the transaction sees it: for a second pass to be held
//! against it.
//!
//! What was touched is what the transaction holds locks on, never guessed from a text. It is taken
//! down behind a savepoint with limits of its own, so that nothing of it can cost the transaction
//! (I12); where it cannot be taken down, no pass is the same as this one.

use std::collections::BTreeMap;

use super::actor::Actor;
use super::looking;
use crate::database::link::Broken;
use crate::database::message;
use crate::gate::event::{Body, Seq, ServerMessage};
use crate::gate::pass::Structure;
use crate::runbook::rehearsal;

/// How long it may take, in PostgreSQL's words.
const LIMIT: &str = "5s";

impl Actor {
    /// Takes the structure down and says it.
    pub(super) async fn take_down(&mut self, seq: Seq) -> Result<(), Broken> {
        let [names, rows] = rehearsal::touched_now();
        let asked = format!("{names} {rows}");
        let (answer, back) = looking::ask_aside_within(self.link()?, LIMIT, &asked).await?;
        let structure = match answer.error.or(back) {
            Some(error) => Structure::Unknown(message::line(&error)),
            None => {
                let last = answer.results.into_iter().next_back().unwrap_or_default();
                read(&last.set.rows, last.set.total)
                    .unwrap_or_else(|why| Structure::Unknown(message::line(&why)))
            }
        };
        self.say(seq, Body::TakenDown(Box::new(structure)));
        Ok(())
    }
}

fn read(rows: &[Vec<Option<String>>], total: u64) -> Result<Structure, ServerMessage> {
    if u64::try_from(rows.len()).unwrap_or(u64::MAX) < total {
        return Err(message::own("there is too much of it to be kept"));
    }
    let mut known = BTreeMap::new();
    for row in rows {
        let [Some(kind), Some(name), definition] = row.as_slice() else {
            return Err(message::own("the server told it in another form"));
        };
        let definition = definition.clone().unwrap_or_default();
        known.insert(format!("{kind} {name}"), definition);
    }
    if known.is_empty() {
        // Not even the role that runs the script: whatever it is, it is no structure.
        return Err(message::own("the server did not tell it"));
    }
    Ok(Structure::Known(known))
}
