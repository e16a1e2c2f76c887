//! The part that asks the server, and the task that it is on a screen.
//!
//! Every text that reaches the server from here is one of [`catalog`]'s questions or a query of the
//! runbook's files, in a READ ONLY transaction. A question that is refused costs its own answer and
//! is told in words; so a role with nothing but CONNECT still sees the rest.

use super::catalog::{CatalogAnswers, CatalogQuestion};
use super::compare::compare;
use super::{CheckSet, InspectStage, Inspection, LookOrder, Silent, applied, expected, kinds};
use crate::database::link::{BrokenLink, Link};
use crate::database::message;
use crate::database::others::Exclusive;
use crate::database::pinned::Aim;
use crate::database::session::read_only::{self, ReadOnlyLimits, ReadOnlyQuery, Stopped};
use crate::database::session::{READ_TIMEOUT, measure};
use crate::database::settings::Settings;
use crate::facts::{Millis, ServerMessage, StatementReport, Target};
use crate::runbook::Runbook;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::objects::{self, Name};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// How long a question to the catalogs may take, in milliseconds; each waits for a lock as
/// [`Exclusive::wait`] says.
const CATALOGS: Millis = 5_000;

fn limits(statement: Millis, before: &Exclusive) -> ReadOnlyLimits {
    ReadOnlyLimits {
        statement,
        lock: Some(before.wait()),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Seen(Box<Inspection>),
    /// There is nothing to look at; why. The next look tries again.
    Blind(String),
}

/// Connects and looks once at everything: what `verify` does.
///
/// # Errors
/// When the server cannot be reached, or is lost on the way.
pub async fn once(runbook: &Runbook, settings: &Settings) -> Result<Inspection, ServerMessage> {
    let (mut link, target) = read_only::open(settings).await?;
    look(&mut link, target, runbook, LookOrder { checks: true })
        .await
        .map_err(BrokenLink::why)
}

/// The task: looks when it is told to, and connects anew where it must. It ends when nobody can
/// order or listen any more.
pub async fn task(
    runbook: Arc<Runbook>,
    aim: Aim,
    mut orders: UnboundedReceiver<LookOrder>,
    news: UnboundedSender<News>,
) {
    let mut reached: Option<(Link, Target)> = None;
    while let Some(order) = orders.recv().await {
        let looked = async {
            let (mut link, target) = match reached.take() {
                Some(reached) => reached,
                None => read_only::open_where(&aim).await?,
            };
            let sight = look(&mut link, target.clone(), &runbook, order)
                .await
                .map_err(BrokenLink::why)?;
            reached = Some((link, target));
            Ok::<_, ServerMessage>(sight)
        };
        let told = match looked.await {
            Ok(sight) => News::Seen(Box::new(sight)),
            Err(why) => News::Blind(words(&why)),
        };
        if news.send(told).is_err() {
            return;
        }
    }
}

pub fn words(why: &ServerMessage) -> String {
    let mut words = message::line(why);
    for more in [&why.detail, &why.hint, &why.context].into_iter().flatten() {
        words.push_str("; ");
        words.push_str(more);
    }
    words
}

async fn look(
    link: &mut Link,
    target: Target,
    runbook: &Runbook,
    order: LookOrder,
) -> Result<Inspection, BrokenLink> {
    let began = Instant::now();
    let mut sight = Inspection {
        target,
        ..Inspection::default()
    };
    let known = &runbook.targets;
    match (sight.target.named(known), &runbook.expected_database) {
        (Some(named), _) => sight.problems.push(format!("this is {}", named.name)),
        (None, _) if !known.is_empty() => sight
            .problems
            .push("this is an unknown server: none that runbook.toml names".to_owned()),
        (None, Some(expected)) if *expected != sight.target.database => {
            sight.problems.push(format!(
                "this is database {}, and the runbook is for {expected}",
                sight.target.database
            ));
        }
        (None, _) => {}
    }
    // Asked first: whoever only looks stands in no queue.
    let before = Exclusive::look(link).await?;
    for session in &before.sessions {
        sight.problems.push(format!(
            "in the way: ACCESS EXCLUSIVE of {}",
            session.in_the_way()
        ));
    }
    catalogs(link, runbook, &mut sight, &before).await?;
    if order.checks {
        let mut sets = Vec::new();
        let mut closed = None;
        for stage in InspectStage::all(runbook) {
            sets.extend(checks(link, runbook, stage, &before, &mut closed).await?);
        }
        applied::set_apart(runbook, &mut sets);
        sight.sets = Some(sets);
    }
    sight.took = Millis::try_from(began.elapsed().as_millis()).unwrap_or(Millis::MAX);
    Ok(sight)
}

async fn catalogs(
    link: &mut Link,
    runbook: &Runbook,
    sight: &mut Inspection,
    before: &Exclusive,
) -> Result<(), BrokenLink> {
    let impact = runbook.impact();
    let texts: Vec<String> = CatalogQuestion::ALL
        .iter()
        .map(|(question, _)| question.sql(&impact.relations))
        .collect();
    let queries = read_only::numbered(&texts);
    let answered = read_only::each(link, &queries, limits(CATALOGS, before)).await?;
    let mut answers = CatalogAnswers::default();
    for ((question, about), answer) in CatalogQuestion::ALL.into_iter().zip(answered) {
        match answer {
            Ok(report) => answers.take(question, report.result),
            Err(stopped) => sight.problems.push(format!(
                "{about} could not be read: {}",
                message::line(&stopped.error)
            )),
        }
    }
    let expectations = expected::list_expected_objects(&objects::list_objects(&runbook.script));
    let touched: Vec<Name> = impact.tables.iter().map(|t| t.name.clone()).collect();
    sight.measure = measure::measure_tables(link, &touched, before.wait()).await?;
    sight.tables = answers.tables(&touched);
    let spelt = spellings(link, &expected::types(&expectations), before).await?;
    sight.compared = compare(&expectations, &sight.tables, &spelt);
    sight.locks = answers.locks();
    sight.long = answers.long();
    for table in &sight.tables {
        match &table.found {
            None => sight.problems.push(format!(
                "{} is not there (or the script means another database)",
                table.name
            )),
            Some(found) if !found.readable => sight.problems.push(format!(
                "role {} may not read the rows of {}; what needs them is told as FAIL",
                sight.target.role, table.name
            )),
            Some(_) => {}
        }
    }
    if answers.sees_others() == Some(false) {
        sight.problems.push(format!(
            "role {} sees locks, roles and applications of other sessions, but not how long their \
             transactions are open nor what they run; that takes pg_read_all_stats",
            sight.target.role
        ));
    }
    Ok(())
}

/// How the server spells each of these types; one that it does not know, or that the role may not
/// look up, is left away.
async fn spellings(
    link: &mut Link,
    types: &[String],
    before: &Exclusive,
) -> Result<HashMap<String, String>, BrokenLink> {
    let texts: Vec<String> = types.iter().map(|kind| kinds::question(kind)).collect();
    let queries = read_only::numbered(&texts);
    let answers = read_only::each(link, &queries, limits(CATALOGS, before)).await?;
    let spelt = types.iter().zip(answers).filter_map(|(kind, answer)| {
        let set = answer.ok()?.result?;
        let spelt = set.rows.first()?.first()?.clone()?;
        Some((kind.clone(), spelt))
    });
    Ok(spelt.collect())
}

/// The checks of a stage; `None` where the runbook has none. `closed` says which file got out of its
/// READ ONLY transaction: nothing is asked on that connection any more.
async fn checks(
    link: &mut Link,
    runbook: &Runbook,
    stage: InspectStage,
    before: &Exclusive,
    closed: &mut Option<String>,
) -> Result<Option<CheckSet>, BrokenLink> {
    let Some(script) = stage.script(runbook) else {
        return Ok(None);
    };
    let statements = stage.queries(runbook);
    if stage == InspectStage::Verification && statements.is_empty() {
        return Ok(None);
    }
    let mut set = CheckSet {
        stage,
        file: script.name.clone(),
        checks: Vec::new(),
        unanswered: 0,
        absent: Vec::new(),
        silent: Vec::new(),
    };
    let refused = script.refusals.iter().find(|refusal| {
        stage != InspectStage::Verification
            || statements
                .iter()
                .any(|statement| Some(statement.number) == refusal.statement)
    });
    if let Some(refusal) = refused {
        set.unanswered = statements.len();
        set.checks.push((
            refusal.statement.unwrap_or(0),
            failed(
                format!("{}, line {}", script.name, refusal.line),
                format!("not run: {}", refusal.reason),
            ),
        ));
        return Ok(Some(set));
    }
    if let Some(file) = closed {
        set.unanswered = statements.len();
        let detail = format!("not run: {file} got out of its READ ONLY transaction");
        set.checks.push((0, failed(script.name.clone(), detail)));
        return Ok(Some(set));
    }
    let queries: Vec<ReadOnlyQuery<'_>> =
        statements.iter().map(|s| ReadOnlyQuery::from(*s)).collect();
    let path = runbook.search_path.checks.as_deref();
    let limits = limits(READ_TIMEOUT, before);
    let answered = read_only::each_on(link, &queries, limits, path).await?;
    let missing = statements.len().saturating_sub(answered.len());
    for answer in answered {
        if answer.as_ref().is_err_and(|stopped| stopped.escaped) {
            *closed = Some(script.name.clone());
        }
        let silence = match (&answer, &closed) {
            (Err(stopped), None) => before.silence(link, &stopped.error).await?,
            _ => None,
        };
        take(&mut set, answer, silence);
    }
    if missing > 0 {
        set.unanswered += missing;
        let (name, detail) = (
            format!("the rest of {}", script.name),
            format!("not run: {missing} statements after the one that stopped it"),
        );
        set.checks.push((0, failed(name, detail)));
    }
    if set.checks.is_empty() && set.silent.is_empty() {
        set.checks.push((
            0,
            failed(
                script.name.clone(),
                "returned no checks; zero checks is not a pass".into(),
            ),
        ));
    }
    Ok(Some(set))
}

fn take(set: &mut CheckSet, answer: Result<StatementReport, Stopped>, silence: Option<String>) {
    match answer {
        Ok(report) => {
            let checks = report.checks.into_iter();
            set.checks
                .extend(checks.map(|check| (report.number, check)));
        }
        Err(stopped) => {
            set.unanswered += 1;
            let name = match stopped.number {
                0 => format!("{}: READ ONLY transaction", set.file),
                number => format!("{}, statement {number} (line {})", set.file, stopped.line),
            };
            match silence {
                Some(why) => set.silent.push(Silent {
                    number: stopped.number,
                    name,
                    why,
                }),
                None => {
                    let check = failed(name, format!("no answer: {}", words(&stopped.error)));
                    set.checks.push((stopped.number, check));
                }
            }
        }
    }
}

fn failed(name: String, detail: String) -> Check {
    Check {
        name,
        verdict: Verdict::Fail,
        detail,
    }
}
