//! Runs the script: statements in a pipeline, each followed by a look at the locks.
//!
//! Each statement is a request of one command: whatever the server makes of its text, it is never
//! two, so no COMMIT hides in it (I1). A session that has come to read texts in another way than
//! this program ends the run.
//!
//! At most [`WINDOW`] requests are under way, so a long script costs no memory. After the first
//! failure nothing more is sent, and what was sent is refused by the server (25P02).

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::actor::{Actor, noticed};
use super::answers::{millis, report};
use crate::database::link::{Answer, Broken, Link, Sent, Unsent};
use crate::database::message;
use crate::database::tap::Status;
use crate::gate::event::{Body, Millis, Seq, ServerMessage, StatementReport};
use crate::runbook::check::Plan;
use crate::runbook::script::Statement;

/// How many requests are sent ahead of their answers.
const WINDOW: usize = 64;

/// With very many locks the looks would cost more than the script. Once they took this much longer
/// than the statements, in milliseconds, they become rarer; locks then show at the next look.
const LOOKING_ALLOWED: Millis = 500;

/// A look is never skipped for more statements than this.
const LONGEST_STRIDE: usize = 64;

/// A request that was sent and is not answered yet.
enum Part<'s> {
    Statement(&'s Statement, Sent),
    Look(&'s Statement, Sent),
}

/// Where a run stands.
struct Run {
    seq: Seq,
    /// When the answer before came; the next statement is worked on since then.
    since: Instant,
    /// A statement that succeeded and waits for the look at its locks.
    waiting: Option<StatementReport>,
    failed: bool,
    /// The number of the script's last statement, and the plan of its pgTAP tests until then.
    last: usize,
    plan: Plan,
    stride: usize,
    /// Time that the server spent on statements, and on looks at the locks.
    worked: Millis,
    looked: Millis,
}

impl Actor {
    pub(super) async fn run_script(&mut self, seq: Seq) -> Result<(), Broken> {
        let runbook = Arc::clone(&self.runbook);
        let script = &runbook.script;
        let mut rest = script.sent().enumerate().peekable();
        let mut flight: VecDeque<Part<'_>> = VecDeque::new();
        let mut run = Run {
            seq,
            since: Instant::now(),
            waiting: None,
            failed: false,
            last: script.sent().last().map_or(0, |statement| statement.number),
            plan: Plan::default(),
            stride: 1,
            worked: 0,
            looked: 0,
        };
        self.link()?;
        loop {
            while !run.failed && flight.len() < WINDOW {
                let Some((index, statement)) = rest.peek().copied() else {
                    break;
                };
                let data = script.copy_data(statement);
                if data.is_some() && !flight.is_empty() {
                    // Its data cannot share the wire with what is under way.
                    break;
                }
                match data {
                    Some(data) => self.copy(&mut run, statement, data).await?,
                    None => match self.link()?.send_one(&statement.text).await {
                        Ok(sent) => flight.push_back(Part::Statement(statement, sent)),
                        Err(Unsent::Gone(broken)) => return Err(broken),
                        Err(Unsent::Text(why)) if flight.is_empty() => {
                            self.finish(&mut run, Vec::new());
                            self.started(&run, statement);
                            self.fail(&mut run, statement, why);
                        }
                        // What was sent before is answered first; then this comes round again.
                        Err(Unsent::Text(_)) => break,
                    },
                }
                rest.next();
                let due = index % run.stride == 0 || rest.peek().is_none();
                if due && !run.failed {
                    match self.link()?.send_ours(super::LOCK_LOOK).await {
                        Ok(sent) => flight.push_back(Part::Look(statement, sent)),
                        Err(Unsent::Gone(broken)) => return Err(broken),
                        Err(Unsent::Text(_)) => {}
                    }
                }
            }
            match flight.pop_front() {
                Some(part) => self.read(&mut run, part).await?,
                None => break,
            }
        }
        if !run.failed {
            self.finish(&mut run, Vec::new());
            self.say(seq, Body::ScriptFinished);
        }
        Ok(())
    }

    /// Reads one answer and says what it means.
    async fn read(&mut self, run: &mut Run, part: Part<'_>) -> Result<(), Broken> {
        match part {
            Part::Statement(statement, sent) => {
                if !run.failed {
                    self.finish(run, Vec::new());
                    self.started(run, statement);
                }
                let answer = self.listen(run, statement, sent).await?;
                self.answered(run, statement, answer);
            }
            Part::Look(statement, sent) => {
                let answer = self.link()?.answer(sent, &mut |_| {}).await?;
                if run.failed {
                    return Ok(());
                }
                if let Some(error) = answer.error {
                    // A cancel request came between: the transaction is gone with it.
                    run.waiting = None;
                    self.fail(run, statement, error);
                    return Ok(());
                }
                run.looked += millis(run.since, answer.at);
                if run.looked > run.worked + LOOKING_ALLOWED {
                    run.stride = (run.stride * 2).min(LONGEST_STRIDE);
                }
                run.since = answer.at;
                let rows = answer.results.into_iter().next().unwrap_or_default().set;
                let locks = self.ledger.look(&rows, statement);
                self.finish(run, locks);
            }
        }
        Ok(())
    }

    async fn listen(
        &mut self,
        run: &Run,
        statement: &Statement,
        sent: Sent,
    ) -> Result<Answer, Broken> {
        let (reports, seq, number) = (self.reports.clone(), run.seq, statement.number);
        let failed = run.failed;
        let mut notice = move |message| {
            if !failed {
                noticed(&reports, seq, Some(number), message);
            }
        };
        self.link()?.answer(sent, &mut notice).await
    }

    async fn copy(
        &mut self,
        run: &mut Run,
        statement: &Statement,
        data: &str,
    ) -> Result<(), Broken> {
        self.finish(run, Vec::new());
        self.started(run, statement);
        let (reports, seq, number) = (self.reports.clone(), run.seq, statement.number);
        let mut notice = move |message| noticed(&reports, seq, Some(number), message);
        let copied = self.link()?.copy(&statement.text, data, &mut notice).await;
        match copied {
            Ok(answer) => self.answered(run, statement, answer),
            Err(Unsent::Text(why)) => self.fail(run, statement, why),
            Err(Unsent::Gone(broken)) => return Err(broken),
        }
        Ok(())
    }

    fn started(&self, run: &Run, statement: &Statement) {
        let number = statement.number;
        self.say(run.seq, Body::StatementStarted { number });
    }

    fn answered(&mut self, run: &mut Run, statement: &Statement, answer: Answer) {
        if run.failed {
            return;
        }
        if let Some(error) = answer.error {
            let duration = millis(run.since, answer.at);
            self.failed_after(run, statement, duration, error);
            return;
        }
        let duration = millis(run.since, answer.at);
        run.since = answer.at;
        run.worked += duration;
        if answer.status != Status::Open {
            // The reader of the script refuses every way to do this that it knows.
            let why = message::own_with_hint(
                "this statement ended the transaction",
                "what the script did so far may be committed already; look before anything else",
            );
            self.failed_after(run, statement, duration, why);
            return;
        }
        if let Some(why) = self.link.as_ref().and_then(Link::reads_otherwise) {
            // What is on its way already is one command a request; no more is sent.
            let why = ServerMessage {
                message: format!("after this statement {}", why.message),
                hint: Some("only ROLLBACK is left; take it out of the script".into()),
                ..why
            };
            self.failed_after(run, statement, duration, why);
            return;
        }
        let number = statement.number;
        let (is_last, data) = (number == run.last, statement.returns_data());
        run.waiting = Some(report(
            number,
            duration,
            answer,
            &mut run.plan,
            is_last,
            data,
        ));
    }

    /// Reports the statement that waits for its locks.
    fn finish(&self, run: &mut Run, locks: Vec<crate::gate::event::Lock>) {
        if let Some(mut report) = run.waiting.take() {
            report.locks = locks;
            self.say(run.seq, Body::StatementFinished(Box::new(report)));
        }
    }

    fn fail(&self, run: &mut Run, statement: &Statement, error: ServerMessage) {
        let duration = millis(run.since, Instant::now());
        self.failed_after(run, statement, duration, error);
    }

    fn failed_after(
        &self,
        run: &mut Run,
        statement: &Statement,
        duration: Millis,
        error: ServerMessage,
    ) {
        run.failed = true;
        let body = Body::StatementFailed {
            number: statement.number,
            duration,
            error: Box::new(error),
        };
        self.say(run.seq, body);
    }
}
