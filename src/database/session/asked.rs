//! What is asked of the server for a checklist: the program's own questions, and the first file of checks
//! behind them. On a new connection it goes out behind the questions for what was reached, before anybody
//! orders it.
//!
//! Only the last of a flight may be a file: what gets out of its transaction must be the last that the
//! connection carries.

use std::sync::Arc;

use super::read_only::{self, Flight, OnItsWay, ReadOnlyLimits};
use crate::database::link::{BrokenLink, Link};
use crate::database::others::{Exclusive, SESSION, WAIT};
use crate::database::tables;
use crate::facts::Millis;
use crate::runbook::objects::Name;
use crate::runbook::script::Script;
use crate::runbook::{ItemKind, Runbook};

/// Asks for what is there around the files of checks.
pub(super) struct Looker {
    pub(super) runbook: Arc<Runbook>,
    pub(super) read_timeout: Millis,
}

/// What is on its way for the evidence of some items.
pub(super) struct AskedFor {
    /// Their indexes.
    pub(super) items: Vec<usize>,
    pub(super) before: OnItsWay,
    /// What is asked once it is known what the script touches.
    pub(super) behind: Option<AskedBehind>,
    /// The server was taken for one that looks for its client.
    pub(super) checks_client: bool,
}

pub(super) struct AskedBehind {
    pub(super) traffic: Option<OnItsWay>,
    pub(super) file: Option<OnItsWay>,
}

impl Looker {
    /// Asks for the evidence of all items, as far as it is known by now what the script touches: on a new
    /// connection, behind the questions for what was reached.
    pub(super) async fn ask_ahead(&self, link: &mut Link) -> Result<Option<AskedFor>, BrokenLink> {
        let items = self.runbook.items.iter().enumerate();
        let items = items.filter(|(_, item)| is_asked_of_server(item.kind));
        let items: Vec<usize> = items.map(|(index, _)| index).collect();
        if items.is_empty() {
            return Ok(None);
        }
        let mut asked = self.ask(link, items).await?;
        if self.runbook.is_weighed() {
            let relations = &self.runbook.impact().relations;
            let traffic = (!relations.is_empty()).then(|| question_of_traffic(relations));
            let behind = self.ask_behind(link, &asked.items, traffic.as_deref());
            asked.behind = Some(behind.await?);
        }
        Ok(Some(asked))
    }

    /// Asks who stands before questions for these items.
    pub(super) async fn ask(
        &self,
        link: &mut Link,
        items: Vec<usize>,
    ) -> Result<AskedFor, BrokenLink> {
        let question = Exclusive::question();
        let before = Exclusive::send(link, &question).await?.apart();
        Ok(AskedFor {
            items,
            before,
            behind: None,
            checks_client: link.checks_client(),
        })
    }

    /// Asks what else the program itself asks, with the first file of checks behind that.
    pub(super) async fn ask_behind(
        &self,
        link: &mut Link,
        items: &[usize],
        traffic: Option<&str>,
    ) -> Result<AskedBehind, BrokenLink> {
        let limits = ReadOnlyLimits {
            statement: self.read_timeout,
            lock: Some(WAIT),
        };
        let traffic = match traffic {
            Some(question) => Some(read_only::send(link, question, limits).await?.apart()),
            None => None,
        };
        let file = match first_file(&self.runbook, items) {
            Some(script) => self.send_checks(link, script).await?,
            None => None,
        };
        Ok(AskedBehind { traffic, file })
    }

    /// Sends a file of checks behind the question who stands in its way, whose answer says to the server
    /// how long the file may wait; `None` where it may not be sent.
    async fn send_checks(
        &self,
        link: &mut Link,
        script: &Script,
    ) -> Result<Option<OnItsWay>, BrokenLink> {
        let limits = ReadOnlyLimits {
            statement: self.read_timeout,
            lock: None,
        };
        let path = self.runbook.search_path.checks.as_deref();
        let lock = Exclusive::wait_found_there();
        let sent = read_only::send_script_ahead(link, script, limits, path, &lock);
        Ok(sent.await?.ok().map(Flight::apart))
    }

    /// Lets the answers pass that nobody wants.
    pub(super) async fn let_pass(
        &self,
        link: &mut Link,
        asked: AskedFor,
    ) -> Result<(), BrokenLink> {
        let (traffic, file) = match asked.behind {
            Some(AskedBehind { traffic, file }) => (traffic, file),
            None => (None, None),
        };
        for one in [Some(asked.before), traffic].into_iter().flatten() {
            one.with_question("").rows(link).await?.ok();
        }
        match file.zip(first_file(&self.runbook, &asked.items)) {
            Some((sent, script)) => {
                let file = sent.with_script(script);
                read_only::land_script(link, file).await.map(|_| ())
            }
            None => read_only::close(link).await,
        }
    }
}

/// Catalog lookups by name would raise without USAGE on a schema; comparing text does not. Operators
/// are qualified, because whoever may make one in a schema of the search path would act as us.
pub(super) fn question_of_traffic(relations: &[Name]) -> String {
    format!(
        "SELECT l.pid, {SESSION}, pg_catalog.concat(n.nspname, '.', c.relname), l.mode, \
         l.virtualtransaction \
         FROM {} JOIN pg_catalog.pg_locks l ON c.oid OPERATOR(pg_catalog.=) l.relation \
         LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted \
         AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
         AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
        tables::named(relations, true)
    )
}

/// Whether the server has something to say for an item of that kind.
fn is_asked_of_server(kind: ItemKind) -> bool {
    match kind {
        ItemKind::Connection | ItemKind::Structure | ItemKind::Checks => true,
        ItemKind::Backup | ItemKind::Review | ItemKind::Rollback | ItemKind::Attest => false,
    }
}

/// The file of checks that is run for the first of these items that the server is asked for; `None` where
/// it has none, or what is refused in it keeps it from being sent. Nothing of ours may be asked between
/// sending a file and its answer; where the structure is not looked at, who holds locks is asked a second
/// time before it.
pub(super) fn first_file<'r>(runbook: &'r Runbook, items: &[usize]) -> Option<&'r Script> {
    looks_at_structure(runbook).then_some(())?;
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

/// Whether any item of the checklist is about the structure.
pub(super) fn looks_at_structure(runbook: &Runbook) -> bool {
    (runbook.items.iter()).any(|item| item.kind == ItemKind::Structure)
}
