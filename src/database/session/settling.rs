//! What is sent after the script's last statement, before the decision, and when a COMMIT's guard
//! has to be another one.
//!
//! No command here needs a right that can be taken away: what does is asked behind a savepoint, and
//! where it is not answered the transaction stays as good as it was (I12). Only what COMMIT would run
//! into as well, a deferred constraint, costs it.

use super::actor::{Actor, noticed};
use super::caps::Caps;
use super::guard::{MARK, guard, is_guards};
use super::hold::idle_limit;
use super::limits::SessionLimits;
use super::{HoldOptions, looking};
use crate::database::link::BrokenLink;
use crate::database::message;
use crate::database::tap::Status;
use crate::facts::ServerMessage;
use crate::gate::event::{Added, Body, Seq};

/// What was deferred runs here, and not in COMMIT, where no limit ends it and nobody sees what it does.
/// More than once: a trigger can defer what it sets off itself.
const DEFERRED: &str = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL IMMEDIATE; \
                        SET CONSTRAINTS ALL IMMEDIATE";

/// Whether COMMIT would wait for the disk.
const WAITS: &str = "SHOW synchronous_commit";

/// Where the server's default or the script is not to wait for the disk, COMMIT waits all the same:
/// an answer that a crash takes back is no proof.
const WAIT_FOR_DISK: &str = "SET LOCAL synchronous_commit = on";

/// How far the WAL was written; the transaction's number is in it.
const WRITTEN: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn()";

/// SQLSTATEs that say nothing about a deferred constraint: cancelled, a lock not granted, aborted before.
const NOT_DEFERRED: &[&str] = &["57014", "55P03", "25P02"];

struct Unsettled {
    /// It is what was deferred to COMMIT.
    deferred: bool,
    error: ServerMessage,
}

impl Unsettled {
    fn ours(error: ServerMessage) -> Unsettled {
        Unsettled {
            deferred: false,
            error,
        }
    }
}

/// The requests of settling that cannot be missing, in their order.
fn requests(options: &HoldOptions, limits: &SessionLimits) -> [String; 2] {
    [
        format!("{}; {DEFERRED}", limits.set_statements()),
        format!("{}; {WAITS}", idle_limit(options)),
    ]
}

impl Actor {
    /// What the program will send besides what it sent with BEGIN, so that it is shown (I11).
    pub(super) fn still_to_come(&self) -> impl Iterator<Item = Added> + use<> {
        let limits = self.limits();
        let guard = self.xid.as_deref().and_then(guard).unwrap_or_default();
        let aside =
            |what: &str, sql: &str| format!("{what}: {}; {}", looking::aside(sql), looking::BACK);
        let between = [
            format!("behind each statement: {}", limits.set(false)),
            format!(
                "where it may have changed one on purpose: {}; a stricter one stands, and a short one on \
                 statements is set last",
                limits.set(true)
            ),
            aside("and for a look at the locks behind that", self.looks.sql()),
        ];
        let last = requests(&self.options, &limits).map(|sql| format!("after the last one: {sql}"));
        let behind = last.into_iter().chain([
            format!("where that one is off: {WAIT_FOR_DISK}"),
            aside("then, as before COMMIT", &guard),
            format!("where that is not answered: {MARK}"),
            aside("and at last", WRITTEN),
        ]);
        let behind = behind.chain(self.options.takes_down.then(|| {
            "where it is let go, or held against what was approved: the structure of what is locked, out \
             of the catalogs, behind a savepoint; that of the whole database was taken down before \
             BEGIN"
                .to_owned()
        }));
        let between = between.into_iter().map(Added::Ahead);
        between.chain(behind.map(Added::Behind))
    }

    pub(super) async fn settle(&mut self, seq: Seq) -> Result<(), BrokenLink> {
        let body = match self.settled(seq).await? {
            Ok(same_transaction) => Body::Settled { same_transaction },
            Err(Unsettled { deferred, error }) => Body::SettleFailed {
                deferred,
                error: Box::new(error),
            },
        };
        self.say(seq, body);
        Ok(())
    }

    /// Whether it is the same transaction still, or what made it fail. Everything is in one flight,
    /// for the locks are held meanwhile; behind what fails the server refuses the rest by itself.
    async fn settled(&mut self, seq: Seq) -> Result<Result<bool, Unsettled>, BrokenLink> {
        self.link()?;
        // Asked as COMMIT will ask it, because an error there would cost the transaction.
        let Some(guard) = self.xid.as_deref().and_then(guard) else {
            return Ok(Ok(false));
        };
        let limits = self.limits();
        let [deferred, rest] = requests(&self.options, &limits);
        let reports = self.reports.clone();
        let link = self.link()?;
        let deferred = link.send_ours(&deferred).await?;
        let rest = link.send_ours(&rest).await?;
        let guard = looking::send_aside(link, &guard).await?;
        let written = looking::send_aside(link, WRITTEN).await?;
        // What was deferred says what it has to say here, as it would in COMMIT.
        let mut caps = Caps::default();
        let deferred = {
            let mut notice = |message| {
                if let Some(message) = caps.notice(message) {
                    noticed(&reports, seq, None, message);
                }
            };
            link.answer(deferred, &mut notice).await?
        };
        if let Some(why) = caps.told() {
            noticed(&reports, seq, None, why);
        }
        let open = link.status() == Status::Open;
        let rest = link.answer(rest, &mut |_| {}).await?;
        let (guard, back) = guard.hear(link).await?;
        let (written, back_again) = written.hear(link).await?;
        if let Some(error) = deferred.error {
            let known = error.sqlstate.as_deref().unwrap_or_default();
            let deferred = !NOT_DEFERRED.contains(&known);
            return Ok(Err(Unsettled { deferred, error }));
        }
        if !open {
            return Ok(Ok(false));
        }
        let waits = first_cell(&rest);
        if let Some(error) = rest.error.or(back) {
            return Ok(Err(Unsettled::ours(error)));
        }
        let same = match &guard.error {
            None => true,
            Some(error) if is_guards(error.sqlstate.as_deref()) => false,
            // Each command was one, and none of them said that it ended a transaction.
            Some(_) => !self.ended_by_tag,
        };
        if !same {
            return Ok(Ok(false));
        }
        if let Some(error) = back_again {
            return Ok(Err(Unsettled::ours(error)));
        }
        let mark = guard.error.is_some();
        for (needed, command) in [
            (waits.as_deref() == Some("off"), WAIT_FOR_DISK),
            (mark, MARK),
        ] {
            if needed && let Some(error) = self.link()?.ask(command).await?.error {
                return Ok(Err(Unsettled::ours(error)));
            }
        }
        self.guarded_by_savepoint = mark;
        self.written_up_to = match &written.error {
            None => first_cell(&written),
            Some(_) => None,
        };
        Ok(match self.link()?.status() {
            Status::Open => Ok(true),
            Status::Idle | Status::Failed | Status::Unknown => Err(Unsettled::ours(message::own(
                "the transaction is no longer open",
            ))),
        })
    }
}

/// The one cell that was asked for; what sets something has no row.
fn first_cell(answer: &crate::database::link::Answer) -> Option<String> {
    let row = answer.results.iter().rev().find_map(|r| r.set.rows.first());
    row.and_then(|row| row.first().cloned().flatten())
}
