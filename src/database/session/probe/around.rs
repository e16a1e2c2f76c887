//! One flight to the server for a checklist: the program's own questions, and the first file of checks
//! behind them.
//!
//! Only the last of a flight may be a file: what gets out of its transaction must be the last that the
//! connection carries.

use std::sync::Arc;

use crate::database::link::BrokenLink;
use crate::database::others::Exclusive;
use crate::database::session::actor::Actor;
use crate::database::session::read_only::{self, Flight, ReadOnlyLimits};
use crate::database::session::traffic::Traffic;
use crate::database::target::Questions;
use crate::gate::event::{ServerMessage, Target};
use crate::runbook::script::Script;
use crate::runbook::{ItemKind, Runbook};

/// What is there around what the files of checks ask for.
pub(super) struct Around<'r> {
    /// What was reached, or why the server does not say.
    pub(super) target: Result<Target, ServerMessage>,
    /// Who stands before a question.
    pub(super) before: Exclusive,
    /// Who holds locks on what the script touches; until it is told.
    pub(super) traffic: Option<Traffic>,
    /// The first file of checks, which is under way behind the questions for this.
    pub(super) file: Option<Flight<'r>>,
}

impl Actor {
    /// What the program's own questions find out before files of checks are run, in one flight, with
    /// the first of these behind them. What was reached is asked afresh: the server may have become a
    /// standby since.
    pub(super) async fn look_around<'r>(
        &mut self,
        ahead: Option<&'r Script>,
    ) -> Result<Around<'r>, BrokenLink> {
        let known = self.target.clone();
        let traffic = self.traffic_question().await;
        let exclusive = Exclusive::question();
        let link = self.link()?;
        let asked = Questions::send(link, known.as_ref()).await;
        let asked = asked.map_err(BrokenLink::new)?;
        let before = Exclusive::send(link, &exclusive).await?;
        let traffic = match &traffic {
            Some(question) => Some(self.send_traffic(question).await?),
            None => None,
        };
        let file = match ahead {
            // What was reached may have to be asked again behind its answers.
            Some(script) if known.is_some() => self.send_checks(script).await?,
            Some(_) | None => None,
        };
        let link = self.link()?;
        let answers = asked.hear(link).await.map_err(BrokenLink::new)?;
        let before = Exclusive::hear(link, before).await?;
        let traffic = match traffic {
            Some(traffic) => Some(Traffic::hear(link, traffic).await?),
            None => None,
        };
        if file.is_none() {
            read_only::close(link).await?;
        }
        let target = match answers.complete(link).await {
            Err(why) if why.sqlstate.is_none() => return Err(BrokenLink::new(why)),
            target => target,
        };
        Ok(Around {
            target,
            before,
            traffic,
            file,
        })
    }

    /// Sends a file of checks behind the question who stands in its way, whose answer says to the server
    /// how long the file may wait; `None` where it may not be sent.
    async fn send_checks<'r>(
        &mut self,
        script: &'r Script,
    ) -> Result<Option<Flight<'r>>, BrokenLink> {
        let limits = ReadOnlyLimits {
            statement: self.options.read_timeout,
            lock: None,
        };
        let runbook = Arc::clone(&self.runbook);
        let path = runbook.search_path.checks.as_deref();
        let lock = Exclusive::wait_found_there();
        let sent = read_only::send_script_ahead(self.link()?, script, limits, path, &lock);
        Ok(sent.await?.ok())
    }
}

/// The file of checks that is run for the first of these items that the server is asked for; `None` where
/// it has none, or what is refused in it keeps it from being sent.
pub(super) fn first_file<'r>(runbook: &'r Runbook, items: &[usize]) -> Option<&'r Script> {
    let items = items.iter().filter_map(|item| runbook.items.get(*item));
    let mut asked = items.filter_map(|item| match item.kind {
        ItemKind::Structure => Some(runbook.expected_state.as_ref()),
        ItemKind::Checks => Some(item.checks.as_ref()),
        ItemKind::Connection
        | ItemKind::Backup
        | ItemKind::Review
        | ItemKind::Rollback
        | ItemKind::Attest => None,
    });
    let first = asked.next().flatten()?;
    first.refusals.is_empty().then_some(first)
}
