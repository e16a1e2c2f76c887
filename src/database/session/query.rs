//! A query inside the held transaction, and the proof that it left nothing behind.
//!
//! Everything happens behind a savepoint, so that nothing of it can cost the transaction: a look at
//! the transaction, READ ONLY and limits for this part of it, the query in a cursor, fetched as far
//! as it is shown; then back to the savepoint, whatever became of it, and a second look. That one
//! finds what the server does not take back at a savepoint.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, noticed};
use super::answers::millis;
use crate::database::link::{Answer, BYTE_CAP, BrokenLink, Unsent};
use crate::database::message;
use crate::database::tap::Status;
use crate::facts::query::ROWS;
use crate::facts::{After, Looked, Millis, Rows, ServerMessage};
use crate::gate::event::{Body, Seq};
use crate::runbook::question::Question;

/// How many rows are fetched at a time: what is not shown need not come.
const BATCH: usize = 100;

/// How much of one cell is kept, in bytes.
const CELL_CAP: usize = 16 * 1024;

/// How long the query waits for a lock: others may be waiting for ours meanwhile.
const LOCK_TIMEOUT: Millis = 1_000;

/// How often the way back to the savepoint is tried when a late cancel request hits it.
const TRIES: u32 = 5;

const SAVEPOINT: &str = "SAVEPOINT stagegate_query";

/// For the looks at the transaction: the script's own limits must not keep them.
const LOOKS_LIMITS: &str = "SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '1s'";

const BACK: &str = "ROLLBACK TO SAVEPOINT stagegate_query; RELEASE SAVEPOINT stagegate_query";

/// What a query must not change: the transaction's number, the roles, what this session has set,
/// the locks, and the session's own temporary sequences, which READ ONLY lets through and no savepoint
/// takes back. Two kinds of locks stay by design and are left out: the weak one of whoever so
/// much as reads a sequence by `currval` (the server ties it to the whole transaction), and the
/// predicate locks of SERIALIZABLE, which can do no more than make the server refuse COMMIT.
const LOOK: &str = "SELECT pg_catalog.pg_current_xact_id_if_assigned(), \
    pg_catalog.concat_ws(' ', session_user, current_user, \
    pg_catalog.current_setting('transaction_read_only')), \
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', name, setting), E'\\n' ORDER BY name) \
    FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) 'session'), \
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', l.locktype, l.mode, l.database, \
    l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid), \
    E'\\n') FROM pg_catalog.pg_locks l WHERE l.pid OPERATOR(pg_catalog.=) \
    pg_catalog.pg_backend_pid() AND l.mode OPERATOR(pg_catalog.<>) 'SIReadLock' \
    AND NOT (l.mode OPERATOR(pg_catalog.=) 'RowExclusiveLock' AND EXISTS (SELECT \
    FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) l.relation \
    AND c.relkind OPERATOR(pg_catalog.=) 'S'))), \
    CASE WHEN pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0 THEN \
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_catalog.quote_ident(c.relname), \
    pg_catalog.pg_sequence_last_value(c.oid)), E'\\n') FROM pg_catalog.pg_class c \
    WHERE c.relkind OPERATOR(pg_catalog.=) 'S' \
    AND c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) END";

/// The transaction as a look saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TransactionState {
    xid: Option<String>,
    role: Option<String>,
    settings: BTreeSet<String>,
    locks: BTreeSet<String>,
    sequences: BTreeSet<String>,
}

impl TransactionState {
    fn read(row: &[Option<String>]) -> TransactionState {
        let cell = |i: usize| row.get(i).cloned().flatten();
        let lines = |i: usize| {
            let text = cell(i).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        TransactionState {
            xid: cell(0),
            role: cell(1),
            settings: lines(2),
            locks: lines(3),
            sequences: lines(4),
        }
    }

    /// What is not as it was `before`, in words.
    fn differs(&self, before: &TransactionState) -> Option<String> {
        let names = |lines: Vec<&String>, words: usize| -> String {
            let cut = |line: &&String| {
                let words: Vec<&str> = line.split(' ').take(words).collect();
                words.join(" ")
            };
            let names: BTreeSet<String> = lines.iter().map(cut).collect();
            names.into_iter().collect::<Vec<_>>().join(", ")
        };
        let mut found = Vec::new();
        if self.xid != before.xid {
            found.push("it is another transaction".to_owned());
        }
        if self.role != before.role {
            found.push("the role is another one".to_owned());
        }
        let settings: Vec<&String> = self
            .settings
            .symmetric_difference(&before.settings)
            .collect();
        if !settings.is_empty() {
            found.push(format!("settings changed ({})", names(settings, 1)));
        }
        let gone: Vec<&String> = before.locks.difference(&self.locks).collect();
        if !gone.is_empty() {
            found.push(format!("locks are no longer held ({})", names(gone, 2)));
        }
        let new: Vec<&String> = self.locks.difference(&before.locks).collect();
        if !new.is_empty() {
            found.push(format!("locks were left ({})", names(new, 2)));
        }
        let counted: Vec<&String> = self
            .sequences
            .symmetric_difference(&before.sequences)
            .collect();
        if !counted.is_empty() {
            found.push(format!(
                "temporary sequences were moved ({})",
                names(counted, 1)
            ));
        }
        (!found.is_empty()).then(|| found.join("; "))
    }

    fn advisory(&self) -> bool {
        self.locks.iter().any(|lock| lock.starts_with("advisory "))
    }
}

impl Actor {
    pub(super) async fn query(
        &mut self,
        seq: Seq,
        question: Question,
        limit: Millis,
    ) -> Result<(), BrokenLink> {
        let since = Instant::now();
        // Before the savepoint an error would cost the transaction. Whoever wants to cancel asks again.
        self.line.close_to_cancels().await;
        let (answer, after) = self.look_inside(seq, &question, limit).await?;
        let looked = Looked {
            question,
            duration: millis(since, Instant::now()),
            answer,
            after,
        };
        self.say(seq, Body::Looked(Box::new(looked)));
        Ok(())
    }

    async fn look_inside(
        &mut self,
        seq: Seq,
        question: &Question,
        limit: Millis,
    ) -> Result<(Result<Rows, ServerMessage>, After), BrokenLink> {
        let opened = match self.link()?.status() {
            Status::Open => self.link()?.ask(SAVEPOINT).await?.error,
            Status::Idle | Status::Failed | Status::Unknown => Some(message::own(
                "no transaction is open in which a query could run",
            )),
        };
        if let Some(error) = opened {
            let after = After::Disturbed(message::line(&error));
            return Ok((Err(error), after));
        }
        let before = self.sight().await?;
        let answer = match &before {
            Ok(_) => {
                self.line.open_to_cancels();
                self.answer_to(seq, question, limit).await?
            }
            Err(error) => Err(not_asked(error)),
        };
        let back = self.back().await?;
        // A cancel request that is still on its way would hit what comes next, and that may be COMMIT.
        self.line.close_to_cancels().await;
        let after = match (back, before) {
            (Ok(()), Ok(before)) => self.compared(before).await?,
            // The query was not asked, and what was is taken back.
            (Ok(()), Err(_)) => After::Unchanged,
            (Err(why), _) => After::Disturbed(why),
        };
        Ok((answer, after))
    }

    /// READ ONLY, and the query as far as it is shown.
    pub(super) async fn answer_to(
        &mut self,
        seq: Seq,
        question: &Question,
        limit: Millis,
    ) -> Result<Result<Rows, ServerMessage>, BrokenLink> {
        let until = Instant::now() + Duration::from_millis(limit);
        let bounds = format!(
            "SET LOCAL transaction_read_only = on; \
             SET LOCAL statement_timeout = '{}ms'; \
             SET LOCAL lock_timeout = '{}ms'",
            limit.max(1),
            LOCK_TIMEOUT.min(limit).max(1)
        );
        if let Some(error) = self.link()?.ask(&bounds).await?.error {
            return Ok(Err(error));
        }
        let placed = |error: ServerMessage| ServerMessage {
            position: error.position.and_then(|at| question.position(at)),
            ..error
        };
        let reports = self.reports.clone();
        let mut notice = move |message| noticed(&reports, seq, None, message);
        let sent = question.statement();
        let answer = match self.link()?.ask_one(&sent, &mut notice).await {
            Ok(answer) => answer,
            Err(Unsent::Gone(broken)) => return Err(broken),
            Err(Unsent::Text(why)) => return Ok(Err(why)),
        };
        let link = self.link()?;
        let answer = Answer {
            error: answer.error.map(|error| link.placed(error, &sent)),
            ..answer
        };
        let mut rows = Rows::default();
        let mut bytes = 0;
        match take(answer, &mut rows, &mut bytes) {
            Ok(_) => {}
            Err(error) => return Ok(Err(placed(error))),
        }
        while let Some(fetch) = question.fetch(BATCH) {
            let answer = match self.link()?.send_one(&fetch).await {
                Ok(sent) => self.link()?.answer(sent, &mut notice).await?,
                Err(Unsent::Gone(broken)) => return Err(broken),
                Err(Unsent::Text(why)) => return Ok(Err(why)),
            };
            match take(answer, &mut rows, &mut bytes) {
                Ok(came) if came < BATCH => break,
                Ok(_) => {}
                Err(error) => return Ok(Err(placed(error))),
            }
            if rows.set.rows.len() > ROWS || bytes >= BYTE_CAP || Instant::now() >= until {
                rows.more = true;
                break;
            }
        }
        if rows.set.rows.len() > ROWS {
            rows.more = true;
            rows.set.rows.truncate(ROWS);
        }
        rows.set.total = rows.set.rows.len() as u64;
        Ok(Ok(rows))
    }

    /// Back to the savepoint, which is then gone; or why not.
    async fn back(&mut self) -> Result<Result<(), String>, BrokenLink> {
        let mut why = String::new();
        for _ in 0..TRIES {
            let answer = self.link()?.ask(BACK).await?;
            match answer.error {
                None if answer.status == Status::Open => return Ok(Ok(())),
                Some(error) => why = message::line(&error),
                None => why = "the transaction is no longer open".to_owned(),
            }
        }
        Ok(Err(why))
    }

    async fn sight(&mut self) -> Result<Result<TransactionState, ServerMessage>, BrokenLink> {
        let answer = self.link()?.ask(&format!("{LOOKS_LIMITS}; {LOOK}")).await?;
        if let Some(error) = answer.error {
            return Ok(Err(error));
        }
        let row = answer.results.first().and_then(|r| r.set.rows.first());
        Ok(row
            .map(|row| TransactionState::read(row))
            .ok_or_else(|| message::own("the server answered without a row")))
    }

    /// The second look, behind a savepoint of its own.
    async fn compared(&mut self, before: TransactionState) -> Result<After, BrokenLink> {
        let unknown = |error: &ServerMessage| {
            After::Disturbed(format!("it cannot be looked at: {}", message::line(error)))
        };
        if before.xid != self.xid {
            return Ok(After::Disturbed("it is another transaction".into()));
        }
        if let Some(error) = self.link()?.ask(SAVEPOINT).await?.error {
            return Ok(unknown(&error));
        }
        let mut after = self.sight().await?;
        // Locks of the session outlive a savepoint. All of them are the query's, where there were
        // none before.
        if matches!(&after, Ok(after) if after.advisory() && !before.advisory()) {
            let unlock = "SELECT pg_catalog.pg_advisory_unlock_all()";
            if let Some(error) = self.link()?.ask(unlock).await?.error {
                after = Err(error);
            } else {
                after = self.sight().await?;
            }
        }
        if let Err(why) = self.back().await? {
            return Ok(After::Disturbed(why));
        }
        Ok(match after {
            Ok(after) => match after.differs(&before) {
                None => After::Unchanged,
                Some(what) => After::Disturbed(what),
            },
            Err(error) => unknown(&error),
        })
    }
}

/// Why a query was not asked: without a look before it nobody could tell what it left behind.
fn not_asked(error: &ServerMessage) -> ServerMessage {
    message::own_with_hint(
        format!(
            "the query was not asked: this program's own look at the transaction before it failed: {}",
            message::line(error)
        ),
        "the transaction is as it was",
    )
}

/// Adds the rows of an answer; how many came, or the error.
fn take(answer: Answer, rows: &mut Rows, bytes: &mut usize) -> Result<usize, ServerMessage> {
    if let Some(error) = answer.error {
        return Err(error);
    }
    let Some(result) = answer.results.into_iter().next() else {
        return Ok(0);
    };
    rows.more |= result.capped();
    let came = usize::try_from(result.set.total).unwrap_or(usize::MAX);
    if rows.set.columns.is_empty() {
        rows.set.columns = result.set.columns;
    }
    for mut row in result.set.rows {
        for cell in row.iter_mut().flatten() {
            shorten(cell);
            *bytes += cell.len();
        }
        rows.set.rows.push(row);
    }
    Ok(came)
}

/// A cell that nobody can read on a screen is cut, and says so.
fn shorten(cell: &mut String) {
    let all = cell.len();
    if all > CELL_CAP {
        let end = (0..=CELL_CAP).rev().find(|at| cell.is_char_boundary(*at));
        cell.truncate(end.unwrap_or_default());
        cell.push_str(&format!(" (cut here; {all} bytes in all)"));
    }
}
