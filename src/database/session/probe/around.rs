//! What is there around what the files of checks ask for: what was reached, who stands before a question, who
//! holds locks; all of it from one flight, with the first file of checks behind it.

use std::sync::Arc;

use crate::database::link::BrokenLink;
use crate::database::message;
use crate::database::others::Exclusive;
use crate::database::session::actor::Actor;
use crate::database::session::asked::{AskedFor, Looker, first_file};
use crate::database::session::read_only::{self, Flight};
use crate::database::session::traffic::Traffic;
use crate::database::target::Questions;
use crate::facts::{ServerMessage, Target};
use crate::runbook::Runbook;

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
    pub(in crate::database::session) fn looker(&self) -> Looker {
        Looker {
            runbook: Arc::clone(&self.runbook),
            read_timeout: self.options.read_timeout,
        }
    }

    /// What is on its way, if it is for these items.
    pub(super) async fn take_asked(
        &mut self,
        items: &[usize],
    ) -> Result<Option<AskedFor>, BrokenLink> {
        let checks_client = self.link()?.checks_client();
        let wanted =
            |asked: &AskedFor| asked.items == items && asked.checks_client == checks_client;
        match self.asked.take_if(|asked| wanted(asked)) {
            Some(asked) => Ok(Some(asked)),
            None => self.let_asked_pass().await.map(|()| None),
        }
    }

    /// Lets pass what nobody wants of what is on its way.
    pub(in crate::database::session) async fn let_asked_pass(&mut self) -> Result<(), BrokenLink> {
        let looker = self.looker();
        match self.asked.take() {
            Some(asked) => looker.let_pass(self.link()?, asked).await,
            None => Ok(()),
        }
    }

    /// What the program's own questions find out before files of checks are run, in one flight, with
    /// the first of these behind them. What was reached is asked afresh, unless that
    /// was just now: the server may have become a standby since.
    pub(super) async fn look_around<'r>(
        &mut self,
        items: &[usize],
        runbook: &'r Runbook,
    ) -> Result<Around<'r>, BrokenLink> {
        let asked = self.take_asked(items).await?;
        let (looker, known) = (self.looker(), self.target.clone());
        let link = self.link()?;
        let (reached, mut asked) = match asked {
            Some(asked) => (None, asked),
            None => {
                let reached = Questions::send(link, known.as_ref()).await;
                let reached = reached.map_err(BrokenLink::new)?;
                (Some(reached), looker.ask(link, items.to_vec()).await?)
            }
        };
        let traffic = self.traffic_question().await;
        let link = self.link()?;
        let behind = match asked.behind.take() {
            Some(behind) => behind,
            None => looker.ask_behind(link, items, traffic.as_deref()).await?,
        };
        let target = match reached {
            Some(reached) => reached.answer(link).await,
            None => known.ok_or_else(|| message::own("the server did not tell what it is")),
        };
        let exclusive = Exclusive::question();
        let before = asked.before.with_question(&exclusive);
        let before = Exclusive::hear(link, before).await?;
        let traffic = match (behind.traffic, &traffic) {
            (Some(sent), Some(question)) => {
                let sent = sent.with_question(question);
                Some(Traffic::hear(link, sent).await?)
            }
            (Some(_), None) | (None, _) => None,
        };
        let file = behind.file.zip(first_file(runbook, items));
        if file.is_none() {
            read_only::close(link).await?;
        }
        Ok(Around {
            target: match target {
                Err(why) if why.sqlstate.is_none() => return Err(BrokenLink::new(why)),
                target => target,
            },
            before,
            traffic,
            file: file.map(|(sent, script)| sent.with_script(script)),
        })
    }
}
