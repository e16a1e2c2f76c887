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
use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, noticed};
use super::answers::{millis, report};
use super::caps::{self, Caps};
use super::looking::{self, Budget, Limits, Looks};
use crate::database::link::{Answer, Broken, Link, Sent, Unsent};
use crate::database::message;
use crate::database::tap::Status;
use crate::gate::event::{Body, Millis, Seq, ServerMessage, StatementReport};
use crate::runbook::check::Plan;
use crate::runbook::lasting::{Beyond, Lasting};
use crate::runbook::script::Statement;

/// How many statements are sent ahead of their answers.
const WINDOW: usize = 64;

/// At how few of them under way more are sent: many at once cost each side fewer turns.
const LOW: usize = WINDOW / 2;

/// A request that was sent and is not answered yet.
enum Part<'s> {
    Statement(&'s Statement, Sent),
    /// Limits, perhaps a look at the locks, and the way back from it.
    Between(&'s Statement, Between),
    /// The limits as they were before the statement.
    Again(&'s Statement, Sent),
}

/// Two requests of ours after a statement.
struct Between {
    look: bool,
    /// The limits are in it, to be compared.
    limits: bool,
    /// How many statements before may have changed a limit on purpose.
    changes: usize,
    first: Sent,
    back: Sent,
}

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
    budget: Budget,
    /// It was told that a look failed.
    blind: bool,
    /// What sets the limits again as they are: known once the server has said it after the last
    /// statement that may have changed one on purpose.
    again: Option<String>,
    changes: usize,
    looks: Looks,
    /// The limits cannot be compared any more, so ours are set whatever the script wants.
    forced: bool,
    limits: Limits,
    caps: Caps,
}

impl Actor {
    pub(super) async fn run_script(&mut self, seq: Seq) -> Result<(), Broken> {
        let runbook = Arc::clone(&self.runbook);
        let script = &runbook.script;
        let mut rest = script.sent().peekable();
        let mut flight: VecDeque<Part<'_>> = VecDeque::new();
        let mut run = Run {
            seq,
            since: Instant::now(),
            waiting: None,
            failed: false,
            last: script.sent().last().map_or(0, |statement| statement.number),
            plan: Plan::default(),
            budget: Budget::default(),
            blind: false,
            again: self.limits_found.clone(),
            changes: 0,
            looks: self.looks,
            forced: false,
            limits: looking::limits(&self.options, self.checks_client),
            caps: Caps::default(),
        };
        self.link()?;
        let mut ahead = 0;
        loop {
            let room = match ahead <= LOW {
                true => WINDOW,
                false => 0,
            };
            while !run.failed && ahead < room {
                let Some(statement) = rest.peek().copied() else {
                    break;
                };
                let data = script.copy_data(statement);
                // Data cannot share the wire with what is under way. And what goes back to a savepoint
                // would let the transaction live on behind a failure that nobody has read yet.
                if (data.is_some() || statement.goes_back) && !flight.is_empty() {
                    break;
                }
                match data {
                    Some(data) => self.copy(&mut run, statement, data).await?,
                    None => match self.link()?.send_one(&statement.text).await {
                        Ok(sent) => {
                            flight.push_back(Part::Statement(statement, sent));
                            ahead += 1;
                        }
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
                if run.failed {
                    break;
                }
                let look = if rest.peek().is_none() || statement.goes_back {
                    run.budget.must();
                    true
                } else {
                    run.budget.allows(statement)
                };
                self.between(&mut run, statement, look, &mut flight).await?;
            }
            match flight.pop_front() {
                Some(part) => {
                    ahead -= usize::from(matches!(part, Part::Statement(..)));
                    self.read(&mut run, part, &mut flight).await?;
                }
                None => break,
            }
        }
        self.ends_sessions = None;
        if !run.failed {
            self.finish(&mut run, Vec::new());
            self.tell_cuts(&mut run);
            self.say(seq, Body::ScriptFinished);
        }
        Ok(())
    }

    /// Sends what comes after a statement: its limits are set again before the next one, whatever
    /// code it ran, in the same flight.
    async fn between<'s>(
        &mut self,
        run: &mut Run,
        statement: &'s Statement,
        look: bool,
        flight: &mut VecDeque<Part<'s>>,
    ) -> Result<(), Broken> {
        let on_purpose = looking::may_change_limits(statement);
        let again = match run.forced {
            true => Some(run.limits.ours.clone()),
            false => run.again.clone().filter(|_| !on_purpose),
        };
        if looking::may_unprepare(statement) {
            self.looks = Looks::InFull;
            run.looks = Looks::InFull;
        }
        // The last one is asked in full, whatever became of what was prepared.
        let looks = match statement.number == run.last {
            true => Looks::InFull,
            false => run.looks,
        };
        let link = self.link()?;
        if let Some(again) = &again {
            flight.push_back(Part::Again(statement, link.send_ours(again).await?));
        }
        let first = match (&again, look) {
            (Some(_), false) => return Ok(()),
            (Some(_), true) => looking::aside(looks.sql()),
            (None, _) => looking::between(&run.limits, look, looks),
        };
        if on_purpose {
            run.again = None;
            run.changes += 1;
        }
        let between = Between {
            look,
            limits: again.is_none(),
            changes: run.changes,
            first: link.send_ours(&first).await?,
            back: link.send_ours(looking::BACK).await?,
        };
        flight.push_back(Part::Between(statement, between));
        Ok(())
    }

    /// Reads one answer and says what it means.
    async fn read<'s>(
        &mut self,
        run: &mut Run,
        part: Part<'s>,
        flight: &mut VecDeque<Part<'s>>,
    ) -> Result<(), Broken> {
        match part {
            Part::Statement(statement, sent) => {
                if !run.failed {
                    self.finish(run, Vec::new());
                    self.started(run, statement);
                }
                let answer = self.listen(run, statement, sent).await?;
                self.answered(run, statement, answer);
            }
            Part::Again(statement, sent) => {
                let answer = self.link()?.answer(sent, &mut |_| {}).await?;
                if run.failed {
                    return Ok(());
                }
                if let Some(error) = answer.error {
                    let ours = ServerMessage {
                        message: format!(
                            "the program's own SET LOCAL behind this statement failed: {}",
                            error.message
                        ),
                        ..error
                    };
                    self.finish(run, Vec::new());
                    self.fail(run, statement, ours);
                    if self.line.cancel_asked() {
                        self.cancel_the_rest();
                    }
                }
            }
            Part::Between(statement, between) => {
                let Between {
                    look,
                    limits,
                    changes,
                    ..
                } = between;
                let first = self.link()?.answer(between.first, &mut |_| {}).await?;
                let back = self.link()?.answer(between.back, &mut |_| {}).await?;
                if run.failed {
                    return Ok(());
                }
                if limits && !run.forced && first.error.is_some() && !looking::set_again(&first) {
                    run.forced = true;
                    // What is under way already runs with the limits that are there.
                    let ours = run.limits.ours.clone();
                    let sent = self.link()?.send_ours(&ours).await?;
                    flight.push_back(Part::Again(statement, sent));
                }
                if limits && changes == run.changes && looking::set_again(&first) {
                    let shown = first.results.get(1..).unwrap_or_default();
                    run.again = run.limits.as_found(shown);
                }
                let since = std::mem::replace(&mut run.since, back.at);
                if look {
                    run.budget.looked(back.at.saturating_duration_since(since));
                }
                if let Some(error) = back.error {
                    // The way back was cut off: the transaction is gone with it.
                    let why = match first.error {
                        Some(own) if first.tags.is_empty() => cut_short(own),
                        _ => error,
                    };
                    self.finish(run, Vec::new());
                    self.fail(run, statement, why);
                    return Ok(());
                }
                let mut locks = Vec::new();
                match first.error {
                    Some(error) if self.line.cancel_asked() => {
                        // It fell between two statements; what is on its way must not go on.
                        self.finish(run, Vec::new());
                        self.fail(run, statement, error);
                        self.cancel_the_rest();
                        return Ok(());
                    }
                    Some(error) => {
                        if error.sqlstate.as_deref() == Some(looking::UNPREPARED) {
                            self.looks = Looks::InFull;
                            run.looks = Looks::InFull;
                        }
                        self.tell_blind(run, &error);
                    }
                    None if look => {
                        let rows = first.results.into_iter().next_back().unwrap_or_default();
                        locks = self.ledger.look(&rows.set, statement);
                    }
                    None => {}
                }
                self.finish(run, locks);
            }
        }
        Ok(())
    }

    /// A look that failed costs what it would have shown, and is told as ours, once.
    fn tell_blind(&self, run: &mut Run, error: &ServerMessage) {
        if !std::mem::replace(&mut run.blind, true) {
            let why = message::own_with_hint(
                format!(
                    "this program's own look at the locks and limits failed: {}",
                    message::line(error)
                ),
                "the script and its transaction are not affected; its locks may be missing from \
                 the ledger",
            );
            noticed(&self.reports, run.seq, None, why);
        }
    }

    /// Cancels what is still on its way, where a cancel request fell on nothing of the script.
    fn cancel_the_rest(&self) {
        if let Some((there, under_way)) = self.line.to_be_cancelled() {
            let limit = Duration::from_millis(self.options.cancel_timeout);
            tokio::spawn(async move {
                let _under_way = under_way;
                let _ = tokio::time::timeout(limit, there.deliver_cancel()).await;
            });
        }
    }

    /// Tells what of the run was not kept.
    fn tell_cuts(&self, run: &mut Run) {
        if let Some(why) = run.caps.told() {
            noticed(&self.reports, run.seq, None, why);
        }
    }

    async fn listen(
        &mut self,
        run: &mut Run,
        statement: &Statement,
        sent: Sent,
    ) -> Result<Answer, Broken> {
        let (reports, seq, number) = (self.reports.clone(), run.seq, statement.number);
        let (failed, caps) = (run.failed, &mut run.caps);
        let mut notice = move |message| {
            if !failed && let Some(message) = caps.notice(message) {
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
        let caps = &mut run.caps;
        let mut notice = move |message| {
            if let Some(message) = caps.notice(message) {
                noticed(&reports, seq, Some(number), message);
            }
        };
        let copied = self.link()?.copy(&statement.text, data, &mut notice).await;
        match copied {
            Ok(answer) => self.answered(run, statement, answer),
            Err(Unsent::Text(why)) => self.fail(run, statement, why),
            Err(Unsent::Gone(broken)) => return Err(broken),
        }
        Ok(())
    }

    fn started(&mut self, run: &Run, statement: &Statement) {
        let ends = |lasts: &Lasting| matches!(lasts.beyond, Beyond::Sessions | Beyond::Unknown);
        let ends = statement.lasting.iter().any(ends);
        self.ends_sessions = ends.then_some(statement.line);
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
        let worked = answer.at.saturating_duration_since(run.since);
        run.budget.worked(worked);
        run.since = answer.at;
        self.ended_by_tag |=
            !statement.goes_back && answer.tags.iter().any(|tag| begins_or_ends(tag));
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
        let mut report = report(number, duration, answer, &mut run.plan, is_last, data);
        run.caps.trim(&mut report);
        run.waiting = Some(report);
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
        self.tell_cuts(run);
        let body = Body::StatementFailed {
            number: statement.number,
            duration,
            error: Box::new(caps::shorten(error)),
        };
        self.say(run.seq, body);
    }
}

/// Whether a command with this tag begins or ends a transaction. Going back to a savepoint has the
/// same tag as ROLLBACK.
fn begins_or_ends(tag: &str) -> bool {
    matches!(
        tag,
        "BEGIN" | "START TRANSACTION" | "COMMIT" | "ROLLBACK" | "PREPARE TRANSACTION"
    )
}

/// Our own savepoint failed, which no savepoint is around: said as ours, and why it can be.
fn cut_short(error: ServerMessage) -> ServerMessage {
    let limited = error.sqlstate.as_deref() == Some("57014");
    ServerMessage {
        message: format!(
            "the program's own SAVEPOINT behind this statement failed: {}",
            error.message
        ),
        hint: match limited {
            true => Some(
                "the statement_timeout that the script set counts for it, too; a longer one leaves \
                 room for it"
                    .to_owned(),
            ),
            false => error.hint,
        },
        ..error
    }
}
