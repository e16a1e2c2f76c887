//! Queries that the server keeps read-only.
//!
//! Everything runs in a READ ONLY transaction that is rolled back, one command at a time, and behind
//! each the server proves that it is still the same transaction and READ ONLY ([`proof`]): it runs
//! nothing behind a query that got out, and the connection is closed. Whoever only looks connects through [`open`] on top, so that
//! even outside of a transaction nothing can be written (I4).

mod flight;
mod proof;

pub use flight::{Flight, OnItsWay};

use std::time::Duration;

use tokio::time::timeout;

use super::caps::Caps;
use crate::database::link::{BrokenLink, Link};
use crate::database::pinned::Aim;
use crate::database::settings::Settings;
use crate::database::{message, target};
use crate::facts::{Millis, ServerMessage, StatementReport, Target};
use crate::runbook::lasting::Lasting;
use crate::runbook::script::{Script, Statement};

/// How long a session that only looks may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOnlyLimits {
    /// One query, in milliseconds.
    pub statement: Millis,
    /// Waiting for one lock, in milliseconds; `None` leaves it to the server's setting.
    pub lock: Option<Millis>,
}

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct ReadOnlyQuery<'a> {
    /// The number under which it is reported.
    pub number: usize,
    /// The line where it stands.
    pub line: usize,
    pub text: &'a str,
    /// COPY, which may read and write files and run programs: READ ONLY does not prevent that.
    pub copies: bool,
    /// What it does that READ ONLY does not prevent and ROLLBACK does not take back.
    pub stays: Option<&'a Lasting>,
    /// Its rows are no checks, whatever they look like.
    pub data: bool,
}

impl<'a> From<&'a Statement> for ReadOnlyQuery<'a> {
    fn from(statement: &'a Statement) -> ReadOnlyQuery<'a> {
        ReadOnlyQuery {
            number: statement.number,
            line: statement.line,
            text: &statement.text,
            copies: statement.kind == "COPY",
            stays: (statement.lasting().iter()).find(|lasts| lasts.beyond.passes_read_only()),
            data: statement.returns_data(),
        }
    }
}

/// A query of the program's own.
impl<'a> From<&'a str> for ReadOnlyQuery<'a> {
    fn from(text: &'a str) -> ReadOnlyQuery<'a> {
        ReadOnlyQuery {
            number: 1,
            line: 0,
            text,
            copies: false,
            stays: None,
            data: false,
        }
    }
}

/// Where names without a schema are looked for, in every query of the program's own and in files of
/// checks: whoever may create something in another schema of a longer path could have it called by
/// whoever looks. `pg_temp` stands last, or it would be searched first.
pub const PINNED: &str = "pg_catalog, pg_temp";

/// The schemas of the session's own path as it was before it was pinned, as a `name[]`.
const OWN_SCHEMAS: &str = "pg_catalog.current_setting('stagegate.schemas')::pg_catalog.name[]";

/// Whether the session's own path leads to relation `c` in schema `n`, as a condition.
pub fn on_the_own_path() -> String {
    format!(
        "pg_catalog.array_position({OWN_SCHEMAS}, n.nspname) OPERATOR(pg_catalog.=) \
         (SELECT pg_catalog.min(pg_catalog.array_position({OWN_SCHEMAS}, near.nspname)) \
         FROM pg_catalog.pg_class named JOIN pg_catalog.pg_namespace near \
         ON near.oid OPERATOR(pg_catalog.=) named.relnamespace \
         WHERE named.relname OPERATOR(pg_catalog.=) c.relname)"
    )
}

/// A string constant, whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Sets the search path for a transaction, nothing being called on the way that is not the server's.
pub fn search_path(path: Option<&str>) -> String {
    format!(
        "SELECT pg_catalog.set_config('search_path', {}, true)",
        literal(path.unwrap_or(PINNED))
    )
}

/// Queries of the program's own, numbered from 1 in their order.
pub fn numbered(texts: &[String]) -> Vec<ReadOnlyQuery<'_>> {
    let numbers = 1..;
    numbers
        .zip(texts)
        .map(|(number, text)| ReadOnlyQuery {
            number,
            ..ReadOnlyQuery::from(text.as_str())
        })
        .collect()
}

/// Queries of the program's own that nobody asks for by number.
pub fn unnumbered(texts: &[String]) -> Vec<ReadOnlyQuery<'_>> {
    let texts = texts.iter().map(String::as_str);
    texts.map(ReadOnlyQuery::from).collect()
}

/// A query that did not succeed; nothing after it was sent.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// Its number; 0 where the transaction could not be opened.
    pub number: usize,
    pub line: usize,
    pub error: ServerMessage,
    /// It got out of the READ ONLY transaction, which no query does; the connection was closed.
    pub escaped: bool,
}

/// The name under which a session that only looks shows in `pg_stat_activity`.
pub const APPLICATION: &str = "stagegate inspect";

/// What makes every transaction of a session READ ONLY unless it says otherwise.
pub const STARTUP: &str = "-c default_transaction_read_only=on";

/// So that a query ends when nobody listens to it any more; older servers have no such setting.
const CHECK_CLIENT: &str = "SELECT pg_catalog.set_config(name, '1s', false) \
    FROM pg_catalog.pg_settings \
    WHERE name OPERATOR(pg_catalog.=) 'client_connection_check_interval'";

/// How much longer than its own limit an answer is waited for, before the server counts as silent.
const SILENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
enum Asker<'p> {
    /// The program itself, which asks the catalogs.
    Program,
    /// A file of checks; names without a schema are looked for on this path, else on [`PINNED`].
    File(Option<&'p str>),
    /// The same, sent before it is known how long it may wait for a lock: the server finds that.
    FileAhead {
        path: Option<&'p str>,
        lock: &'p str,
    },
}

/// Connects for looking only: read-only from the first packet on.
///
/// # Errors
/// What stood in the way, also when the server did not make the session read-only.
pub async fn open(settings: &Settings) -> Result<(Link, Target), ServerMessage> {
    open_where(&Aim::from(settings.clone())).await
}

/// The same where `aim` leads, which leads there from then on.
///
/// # Errors
/// What stood in the way, also when the server did not make the session read-only.
pub async fn open_where(aim: &Aim) -> Result<(Link, Target), ServerMessage> {
    let opened = aim.open_with(|settings| {
        settings.add_options(STARTUP);
        settings.application_name = APPLICATION.into();
    });
    let mut link = opened.await?;
    if let Some(why) = link.reads_otherwise() {
        return Err(why);
    }
    let reached = async {
        target::prove_direct(&mut link).await?;
        target::take_any_bytes(&mut link).await?;
        let row = link
            .row("SELECT pg_catalog.current_setting('default_transaction_read_only')")
            .await?;
        if row.first().and_then(Option::as_deref) != Some("on") {
            return Err(message::own(
                "the server did not make this session read-only, so nothing was looked at",
            ));
        }
        link.ask(CHECK_CLIENT).await.map_err(BrokenLink::why)?;
        target::read_target(&mut link)
            .await
            .map_err(|why| target::unread(&why))
    };
    let target = match timeout(aim.connect_timeout() + SILENCE, reached).await {
        Ok(target) => target?,
        Err(_) => return Err(silent()),
    };
    aim.pin(&link);
    Ok((link, target))
}

fn silent() -> ServerMessage {
    message::own("the server does not answer any more")
}

/// Runs the statements of a file one after the other, so that one which ends the transaction is
/// followed by nothing. Names without a schema are looked for on `path`, else on [`PINNED`].
pub async fn script(
    link: &mut Link,
    script: &Script,
    limits: ReadOnlyLimits,
    path: Option<&str>,
) -> Result<Result<Vec<StatementReport>, Stopped>, BrokenLink> {
    match send_script(link, script, limits, Asker::File(path)).await? {
        Ok(flight) => land_script(link, flight).await,
        Err(stopped) => Ok(Err(stopped)),
    }
}

/// Sends a file as [`script`] does, without waiting for the server. It has to be the last in its flight:
/// what gets out of its transaction must be the last that the connection carries. `lock` is an expression
/// that the server evaluates then, for how long it waits for one lock.
pub async fn send_script_ahead<'q>(
    link: &mut Link,
    script: &'q Script,
    limits: ReadOnlyLimits,
    path: Option<&str>,
    lock: &str,
) -> Result<Result<Flight<'q>, Stopped>, BrokenLink> {
    send_script(link, script, limits, Asker::FileAhead { path, lock }).await
}

async fn send_script<'q>(
    link: &mut Link,
    script: &'q Script,
    limits: ReadOnlyLimits,
    asker: Asker<'_>,
) -> Result<Result<Flight<'q>, Stopped>, BrokenLink> {
    if let Some(why) = link.objection_to_letters(script.letters_in()) {
        return Ok(Err(Stopped {
            number: 0,
            line: 0,
            error: message::own(why),
            escaped: false,
        }));
    }
    let queries = script.sent().map(ReadOnlyQuery::from).collect();
    Ok(Ok(flight::send(link, queries, limits, asker).await?))
}

/// Takes what a file answered.
pub async fn land_script(
    link: &mut Link,
    flight: Flight<'_>,
) -> Result<Result<Vec<StatementReport>, Stopped>, BrokenLink> {
    let (mut results, stopped) = land(link, flight).await?;
    let mut caps = Caps::default();
    for report in &mut results {
        caps.trim(report);
    }
    Ok(match stopped {
        Some(stopped) => Err(stopped),
        None => Ok(results),
    })
}

/// Runs each query, whatever becomes of the others: one that fails costs its own answer only. What
/// a query set for the ones after it is lost with a failure in between.
///
/// A query that gets out of the transaction is the last one that is sent on this connection.
///
/// # Errors
/// When the link breaks, or the server is silent for longer than the limits allow.
pub async fn each(
    link: &mut Link,
    queries: &[ReadOnlyQuery<'_>],
    limits: ReadOnlyLimits,
) -> Result<Vec<Result<StatementReport, Stopped>>, BrokenLink> {
    // The program's own questions, which are bounded by what they ask.
    each_capped(link, queries, limits, Asker::Program, &mut None).await
}

/// The same with the queries of a file of checks, and names looked for on `path`, else on [`PINNED`].
///
/// # Errors
/// When the link breaks, or the server is silent for longer than the limits allow.
pub async fn each_on(
    link: &mut Link,
    queries: &[ReadOnlyQuery<'_>],
    limits: ReadOnlyLimits,
    path: Option<&str>,
) -> Result<Vec<Result<StatementReport, Stopped>>, BrokenLink> {
    let caps = &mut Some(Caps::default());
    each_capped(link, queries, limits, Asker::File(path), caps).await
}

/// Sends one question of the program's own, without waiting for the server: others may follow it in the
/// same flight. Whoever has landed the last of them calls [`close`]. A file of SQL is never sent with
/// others behind it: what gets out of its transaction must be the last that the connection carries.
pub async fn send<'q>(
    link: &mut Link,
    question: &'q str,
    limits: ReadOnlyLimits,
) -> Result<Flight<'q>, BrokenLink> {
    let queries = vec![ReadOnlyQuery::from(question)];
    flight::send(link, queries, limits, Asker::Program).await
}

/// Ends what is still open behind flights that have landed.
pub async fn close(link: &mut Link) -> Result<(), BrokenLink> {
    flight::close(link).await
}

async fn each_capped(
    link: &mut Link,
    queries: &[ReadOnlyQuery<'_>],
    limits: ReadOnlyLimits,
    asker: Asker<'_>,
    caps: &mut Option<Caps>,
) -> Result<Vec<Result<StatementReport, Stopped>>, BrokenLink> {
    let mut answers = Vec::new();
    let mut rest = queries;
    while !rest.is_empty() {
        let (mut results, stopped) = together(link, rest, limits, asker).await?;
        if let Some(caps) = caps {
            for report in &mut results {
                caps.trim(report);
            }
        }
        let mut done = results.len();
        answers.extend(results.into_iter().map(Ok));
        match stopped {
            None => break,
            Some(stopped) => {
                let over = stopped.escaped || stopped.number == 0;
                done += 1;
                answers.push(Err(stopped));
                if over {
                    break;
                }
            }
        }
        rest = rest.get(done..).unwrap_or_default();
    }
    Ok(answers)
}

/// Runs queries in one READ ONLY transaction, up to the first that does not succeed.
async fn together(
    link: &mut Link,
    queries: &[ReadOnlyQuery<'_>],
    limits: ReadOnlyLimits,
    asker: Asker<'_>,
) -> Result<(Vec<StatementReport>, Option<Stopped>), BrokenLink> {
    let flight = flight::send(link, queries.to_vec(), limits, asker).await?;
    land(link, flight).await
}

/// Takes the last answer that is under way.
async fn land(
    link: &mut Link,
    flight: Flight<'_>,
) -> Result<(Vec<StatementReport>, Option<Stopped>), BrokenLink> {
    let (results, stopped) = flight.land(link).await?;
    if !stopped.as_ref().is_some_and(|stopped| stopped.escaped) {
        flight::close(link).await?;
    }
    Ok((results, stopped))
}
