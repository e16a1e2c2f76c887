//! Runs the script: statements in a pipeline, each followed by a look at the locks.
//!
//! Each statement is a request of one command: whatever the server makes of its text, it is never
//! two, so no COMMIT hides in it (I1). A session that has come to read texts in another way than
//! this program ends the run.
//!
//! At most [`WINDOW`] requests are under way, so a long script costs no memory. After the first
//! failure nothing more is sent, and what was sent is refused by the server (25P02).

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, noticed};
use super::answers::{millis, report};
use super::caps::{self, Caps};
use super::limits::{self, SessionLimits};
use super::looking::{self, Budget, Looks};
use crate::database::link::{Answer, BrokenLink, Link, Sent, Unsent};
use crate::database::message;
use crate::database::tap::Status;
use crate::facts::{Millis, ServerMessage, StatementReport};
use crate::gate::event::{Body, Seq};
use crate::runbook::check::TapPlan;
use crate::runbook::lasting::{Beyond, Lasting};
use crate::runbook::script::{Script, Statement};

/// How many statements are sent ahead of their answers.
const WINDOW: usize = 64;

/// At how few of them under way more are sent: many at once cost each side fewer turns.
const LOW: usize = WINDOW / 2;

/// A request that was sent and is not answered yet.
enum PendingRequest<'s> {
    Statement(&'s Statement, Sent),
    /// The limits again, perhaps a look at the locks and the way back from it.
    Between(&'s Statement, Between),
}

/// What of ours follows a statement.
struct Between {
    /// The limits before the statement, where it may have changed one on purpose and the answer tells.
    told: Option<SessionLimits>,
    first: Sent,
    /// Behind a look.
    back: Option<Sent>,
}

struct ScriptRun {
    seq: Seq,
    /// When the answer before came; the next statement is worked on since then.
    since: Instant,
    /// A statement that succeeded and waits for the look at its locks.
    waiting: Option<StatementReport>,
    failed: bool,
    /// The number of the script's last statement, and the plan of its pgTAP tests until then.
    last: usize,
    plan: TapPlan,
    budget: Budget,
    /// It was told that a look failed.
    blind: bool,
    looks: Looks,
    ours: SessionLimits,
    /// What stands: ours, and what the script made stricter, as far as the server has told it.
    standing: SessionLimits,
    /// The next statement waits for what is under way.
    waits: bool,
    /// How many statements are under way.
    ahead: usize,
    caps: Caps,
}

impl Actor {
    pub(super) async fn run_script(&mut self, seq: Seq) -> Result<(), BrokenLink> {
        let runbook = Arc::clone(&self.runbook);
        let script = &runbook.script;
        let mut rest = script.sent().peekable();
        let mut flight: VecDeque<PendingRequest<'_>> = VecDeque::new();
        let mut run = self.start_run(seq, script.sent().last());
        self.link()?;
        if let Some(first) = rest.peek().copied()
            && run.standing != run.ours
        {
            let part = self.set_standing(&run, first).await?;
            flight.push_back(part);
        }
        loop {
            self.send_ahead(&mut run, script, &mut rest, &mut flight)
                .await?;
            match flight.pop_front() {
                Some(part) => {
                    run.ahead -= usize::from(matches!(part, PendingRequest::Statement(..)));
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

    fn start_run(&self, seq: Seq, last: Option<&Statement>) -> ScriptRun {
        let ours = self.limits();
        ScriptRun {
            seq,
            since: Instant::now(),
            waiting: None,
            failed: false,
            last: last.map_or(0, |statement| statement.number),
            plan: TapPlan::default(),
            budget: Budget::default(),
            blind: false,
            looks: self.looks,
            standing: self.limits_found.clone().unwrap_or_else(|| ours.clone()),
            ours,
            waits: false,
            ahead: 0,
            caps: Caps::default(),
        }
    }

    /// Sends statements ahead of their answers, up to the first that needs to know them.
    async fn send_ahead<'s>(
        &mut self,
        run: &mut ScriptRun,
        script: &'s Script,
        rest: &mut Peekable<impl Iterator<Item = &'s Statement>>,
        flight: &mut VecDeque<PendingRequest<'s>>,
    ) -> Result<(), BrokenLink> {
        let room = match run.ahead <= LOW {
            true => WINDOW,
            false => 0,
        };
        while !run.failed && run.ahead < room {
            let Some(statement) = rest.peek().copied() else {
                break;
            };
            let data = script.copy_data(statement);
            // Data cannot share the wire with what is under way. And what goes back to a savepoint
            // would let the transaction live on behind a failure that nobody has read yet.
            let waits = data.is_some() || statement.goes_back || run.waits;
            if waits && !flight.is_empty() {
                break;
            }
            run.waits = false;
            match data {
                Some(data) => self.copy(run, statement, data).await?,
                None => match self.link()?.send_one(&statement.text).await {
                    Ok(sent) => {
                        flight.push_back(PendingRequest::Statement(statement, sent));
                        run.ahead += 1;
                    }
                    Err(Unsent::Gone(broken)) => return Err(broken),
                    Err(Unsent::Text(why)) if flight.is_empty() => {
                        self.finish(run, Vec::new());
                        self.started(run, statement);
                        self.fail(run, statement, why);
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
                run.budget.allows(statement, script.changes_of(statement))
            };
            self.between(run, statement, look, flight).await?;
        }
        Ok(())
    }

    /// Sends what comes after a statement: the limits again before the next one, whatever code it ran,
    /// in the same flight.
    async fn between<'s>(
        &mut self,
        run: &mut ScriptRun,
        statement: &'s Statement,
        look: bool,
        flight: &mut VecDeque<PendingRequest<'s>>,
    ) -> Result<(), BrokenLink> {
        if looking::may_unprepare(statement) {
            self.looks = Looks::InFull;
            run.looks = Looks::InFull;
        }
        let last = statement.number == run.last;
        // The last one is asked in full, whatever became of what was prepared.
        let looks = match last {
            true => Looks::InFull,
            false => run.looks,
        };
        let told = limits::may_change_limits(statement);
        run.waits |= told && limits::names_a_limit(statement);
        // Behind the last one everything is the program's, and under its own limit on statements.
        let limits = match last {
            true => run.standing.with_statements_of(&run.ours),
            false => run.standing.clone(),
        };
        let (first, back) = looking::between(&limits, told, look.then_some(looks));
        let link = self.link()?;
        let between = Between {
            told: told.then(|| run.standing.clone()),
            first: link.send_ours(&first).await?,
            back: match back {
                Some(back) => Some(link.send_ours(&back).await?),
                None => None,
            },
        };
        flight.push_back(PendingRequest::Between(statement, between));
        Ok(())
    }

    /// Sends what stands, before the next statement or behind what is under way.
    async fn set_standing<'s>(
        &mut self,
        run: &ScriptRun,
        statement: &'s Statement,
    ) -> Result<PendingRequest<'s>, BrokenLink> {
        let first = self.link()?.send_ours(&run.standing.set(false)).await?;
        let between = Between {
            told: None,
            first,
            back: None,
        };
        Ok(PendingRequest::Between(statement, between))
    }

    /// Reads one answer and says what it means.
    async fn read<'s>(
        &mut self,
        run: &mut ScriptRun,
        part: PendingRequest<'s>,
        flight: &mut VecDeque<PendingRequest<'s>>,
    ) -> Result<(), BrokenLink> {
        match part {
            PendingRequest::Statement(statement, sent) => {
                if !run.failed {
                    self.finish(run, Vec::new());
                    self.started(run, statement);
                }
                let answer = self.listen(run, statement, sent).await?;
                self.answered(run, statement, answer);
            }
            PendingRequest::Between(statement, between) => {
                let first = self.link()?.answer(between.first, &mut |_| {}).await?;
                let back = match between.back {
                    Some(back) => Some(self.link()?.answer(back, &mut |_| {}).await?),
                    None => None,
                };
                if run.failed {
                    return Ok(());
                }
                let found = between
                    .told
                    .as_ref()
                    .map(|before| (before, before.told(&first)));
                if let Some((before, Some(found))) = found {
                    let stood = run.standing.clone();
                    run.standing.follow(before, &found, &run.ours);
                    if run.standing != stood && statement.number != run.last {
                        let part = self.set_standing(run, statement).await?;
                        flight.push_back(part);
                    }
                }
                self.heard_behind(run, statement, first, back);
            }
        }
        Ok(())
    }

    /// Says what the answers to what was sent behind a statement mean for it.
    fn heard_behind(
        &mut self,
        run: &mut ScriptRun,
        statement: &Statement,
        first: Answer,
        back: Option<Answer>,
    ) {
        let at = back.as_ref().map_or(first.at, |back| back.at);
        let since = std::mem::replace(&mut run.since, at);
        let looked = first.tags.iter().any(|tag| tag == "SAVEPOINT");
        if back.is_some() {
            run.budget.looked(at.saturating_duration_since(since));
        }
        let lost = match (&first.error, back.as_ref().map(|back| &back.error)) {
            (Some(error), _) if !looked => Some(("SET LOCAL", error)),
            (_, Some(Some(error))) => Some(("way back from its look", error)),
            _ => None,
        };
        let cancelled = self.line.cancel_asked();
        let why = match (lost, &first.error) {
            (Some((what, error)), _) if !cancelled => {
                Some(limits::told_as_ours(what, error.clone()))
            }
            (Some((_, error)), _) => Some(error.clone()),
            (None, Some(error)) if cancelled => Some(error.clone()),
            (None, _) => None,
        };
        if let Some(why) = why {
            self.finish(run, Vec::new());
            self.fail(run, statement, why);
            if cancelled {
                // It fell between two statements; what is on its way must not go on.
                self.cancel_the_rest();
            }
            return;
        }
        let mut locks = Vec::new();
        match first.error {
            Some(error) => {
                if error.sqlstate.as_deref() == Some(looking::UNPREPARED) {
                    self.looks = Looks::InFull;
                    run.looks = Looks::InFull;
                }
                self.tell_blind(run, &error);
            }
            None if back.is_some() => {
                let rows = first.results.into_iter().next_back().unwrap_or_default();
                locks = self.ledger.look(&rows.set, statement);
            }
            None => {}
        }
        self.finish(run, locks);
    }

    /// A look that failed costs what it would have shown, and is told as ours, once.
    fn tell_blind(&self, run: &mut ScriptRun, error: &ServerMessage) {
        if !std::mem::replace(&mut run.blind, true) {
            let why = message::own_with_hint(
                format!(
                    "this program's own look at the locks failed: {}",
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
        let limit = Duration::from_millis(self.options.cancel_timeout);
        self.line.cancel_under_way(limit);
    }

    /// Tells what of the run was not kept.
    fn tell_cuts(&self, run: &mut ScriptRun) {
        if let Some(why) = run.caps.told() {
            noticed(&self.reports, run.seq, None, why);
        }
    }

    async fn listen(
        &mut self,
        run: &mut ScriptRun,
        statement: &Statement,
        sent: Sent,
    ) -> Result<Answer, BrokenLink> {
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
        run: &mut ScriptRun,
        statement: &Statement,
        data: &str,
    ) -> Result<(), BrokenLink> {
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

    fn started(&mut self, run: &ScriptRun, statement: &Statement) {
        let ends = |lasts: &Lasting| matches!(lasts.beyond, Beyond::Sessions | Beyond::Unknown);
        let ends = statement.lasting().iter().any(ends);
        self.ends_sessions = ends.then_some(statement.line);
        let number = statement.number;
        self.say(run.seq, Body::StatementStarted { number });
    }

    fn answered(&mut self, run: &mut ScriptRun, statement: &Statement, answer: Answer) {
        if run.failed {
            return;
        }
        if let Some(error) = answer.error {
            let duration = millis(run.since, answer.at);
            let error = match &self.link {
                Some(link) => link.placed(error, &statement.text),
                None => error,
            };
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
        let data = statement.returns_data();
        let mut report = report(number, duration, answer, &mut run.plan, data);
        if number == run.last {
            report.checks.extend(std::mem::take(&mut run.plan).end());
        }
        run.caps.trim(&mut report);
        run.waiting = Some(report);
    }

    /// Reports the statement that waits for its locks.
    fn finish(&self, run: &mut ScriptRun, locks: Vec<crate::facts::Lock>) {
        if let Some(mut report) = run.waiting.take() {
            report.locks = locks;
            self.say(run.seq, Body::StatementFinished(Box::new(report)));
        }
    }

    fn fail(&self, run: &mut ScriptRun, statement: &Statement, error: ServerMessage) {
        let duration = millis(run.since, Instant::now());
        self.failed_after(run, statement, duration, error);
    }

    fn failed_after(
        &self,
        run: &mut ScriptRun,
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
