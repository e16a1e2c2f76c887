//! What the program puts between the statements of a script: its limits again, and a look at the
//! locks; how much of the script's time that may take; and how it asks anything else.
//!
//! Everything runs behind a savepoint of its own and goes back to it, so that nothing of it can
//! cost the transaction: no missing right, no name in another encoding, no limit of the script
//! (I12). It is sent in the same flight as the statement before it. The look is planned once, ahead of
//! BEGIN: to plan it takes the server three times as long as to run it, with the script's locks held.

use std::time::Duration;

use super::HoldOptions;
use crate::database::link::{Answer, Broken, Gathered, Link, Sent};
use crate::database::locks::QUERY;
use crate::gate::event::ServerMessage;
use crate::runbook::script::Statement;

/// What is sent before the next statement, in two requests: where the first one fails, the second
/// takes it back; where it does not, the limits stay and the look is undone.
pub(super) fn between(limits: &Limits, look: bool, looks: Looks) -> String {
    let again = format!(
        "SAVEPOINT stagegate_look; {}; RELEASE SAVEPOINT stagegate_look; SAVEPOINT stagegate_look",
        wider_and_shown(limits)
    );
    match look {
        true => format!("{again}; {}; {}", own_limits(SHORT), looks.sql()),
        false => again,
    }
}

/// How the locks are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Looks {
    /// By the statement that was prepared.
    Prepared,
    /// By its text: nothing is prepared on this session, or not any more.
    #[default]
    InFull,
}

impl Looks {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Looks::Prepared => "EXECUTE stagegate_look",
            Looks::InFull => QUERY,
        }
    }
}

/// Prepares the look, ahead of BEGIN: a failure costs nothing there. What was prepared for a transaction
/// before is made anew, whatever its script made of it.
pub(super) fn preparing(before: Looks) -> String {
    let anew = match before {
        Looks::Prepared => "DEALLOCATE stagegate_look; ",
        Looks::InFull => "",
    };
    format!("{anew}PREPARE stagegate_look AS {QUERY}")
}

/// SQLSTATE of what was prepared and is not there any more.
pub(super) const UNPREPARED: &str = "26000";

/// Whether a statement may take away what is prepared.
pub(super) fn may_unprepare(statement: &Statement) -> bool {
    let first = statement.kind.split(' ').next().unwrap_or_default();
    ["DEALLOCATE", "PREPARE", "DISCARD"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word))
}

fn wider_and_shown(limits: &Limits) -> String {
    format!("{}; {}", limits.where_wider, limits.shown().join("; "))
}

/// How long a question of ours may take, in PostgreSQL's words.
const SHORT: &str = "2s";

/// For a question of ours: neither the script's limits nor a lock on a catalog may keep it.
fn own_limits(statement: &str) -> String {
    format!("SET LOCAL statement_timeout = '{statement}'; SET LOCAL lock_timeout = '100ms'")
}

/// A question of ours in the held transaction, as it is sent before [`BACK`].
pub(super) fn aside(sql: &str) -> String {
    aside_within(SHORT, sql)
}

fn aside_within(limit: &str, sql: &str) -> String {
    format!("SAVEPOINT stagegate_look; {}; {sql}", own_limits(limit))
}

/// A question of ours on its way, with the way back from it.
pub(super) struct Aside {
    asked: Sent,
    back: Sent,
}

/// Sends something that is asked in the held transaction, and the way back to where it was.
pub(super) async fn send_aside(link: &mut Link, sql: &str) -> Result<Aside, Broken> {
    send_aside_within(link, SHORT, sql).await
}

async fn send_aside_within(link: &mut Link, limit: &str, sql: &str) -> Result<Aside, Broken> {
    Ok(Aside {
        asked: link.send_ours(&aside_within(limit, sql)).await?,
        back: link.send_ours(BACK).await?,
    })
}

impl Aside {
    /// What the server has against the question is in the answer and costs nothing else; what it has
    /// against the way back comes beside it, and the transaction has failed.
    pub(super) async fn hear(
        self,
        link: &mut Link,
    ) -> Result<(Answer, Option<ServerMessage>), Broken> {
        let answer = link.answer(self.asked, &mut |_| {}).await?;
        let back = link.answer(self.back, &mut |_| {}).await?;
        Ok((answer, back.error))
    }
}

/// Asks something in the held transaction and goes back to where it was, as [`Aside::hear`] tells it.
pub(super) async fn ask_aside(
    link: &mut Link,
    sql: &str,
) -> Result<(Answer, Option<ServerMessage>), Broken> {
    send_aside(link, sql).await?.hear(link).await
}

/// The same for what may take as long as `limit`, in PostgreSQL's words.
pub(super) async fn ask_aside_within(
    link: &mut Link,
    limit: &str,
    sql: &str,
) -> Result<(Answer, Option<ServerMessage>), Broken> {
    send_aside_within(link, limit, sql).await?.hear(link).await
}

/// The second request.
pub(super) const BACK: &str =
    "ROLLBACK TO SAVEPOINT stagegate_look; RELEASE SAVEPOINT stagegate_look";

/// The limits that keep the hold safe, as SQL that sets them again.
pub(super) struct Limits {
    names: Vec<&'static str>,
    /// Where the script made one wider; a stricter one stands. Calls functions, so it goes behind a
    /// savepoint.
    where_wider: String,
    /// Whatever the script made of them. Needs no right.
    pub(super) ours: String,
}

impl Limits {
    /// What tells the limits as they are, one row each. Needs no right.
    pub(super) fn shown(&self) -> Vec<String> {
        let names = self.names.iter();
        names.map(|name| format!("SHOW {name}")).collect()
    }

    /// SQL that sets the limits to what they were shown to be; `None` where they were not told.
    pub(super) fn as_found(&self, shown: &[Gathered]) -> Option<String> {
        let mut results = shown.iter();
        let mut set = Vec::new();
        for name in &self.names {
            let [Some(value)] = results.next()?.set.rows.first()?.as_slice() else {
                return None;
            };
            set.push(set_local(name, value));
        }
        Some(set.join("; "))
    }
}

fn set_local(name: &str, value: &str) -> String {
    format!("SET LOCAL {name} = '{}'", value.replace('\'', "''"))
}

/// Whether the limits were set again before what failed.
pub(super) fn set_again(answer: &Answer) -> bool {
    answer.tags.iter().any(|tag| tag == "RELEASE")
}

pub(super) fn limits(options: &HoldOptions, checks_client: bool) -> Limits {
    let mut wanted = vec![
        ("lock_timeout", options.lock_timeout.max(1)),
        (
            "idle_in_transaction_session_timeout",
            options.dead_man.max(1),
        ),
    ];
    if options.statement_limit > 0 {
        wanted.push(("statement_timeout", options.statement_limit));
    }
    if checks_client {
        wanted.push(("client_connection_check_interval", 1_000));
    }
    let rows: Vec<String> = wanted
        .iter()
        .map(|(name, limit)| format!("('{name}', '{limit}ms')"))
        .collect();
    let names: Vec<&'static str> = wanted.iter().map(|(name, _)| *name).collect();
    let ours: Vec<String> = wanted
        .iter()
        .map(|(name, limit)| set_local(name, &format!("{limit}ms")))
        .collect();
    let where_wider = format!(
        "SELECT pg_catalog.set_config(w.name, w.value, true) FROM (VALUES {}) AS w (name, value) \
         WHERE pg_catalog.current_setting(w.name)::pg_catalog.interval OPERATOR(pg_catalog.=) \
         '0'::pg_catalog.interval \
         OR pg_catalog.current_setting(w.name)::pg_catalog.interval OPERATOR(pg_catalog.>) \
         w.value::pg_catalog.interval",
        rows.join(", ")
    );
    Limits {
        names,
        where_wider,
        ours: ours.join("; "),
    }
}

/// Whether a statement may change a limit on purpose: SET and its kind, and what calls functions.
/// What a trigger changes behind any other is set back to what it was.
pub(super) fn may_change_limits(statement: &Statement) -> bool {
    const LONG: usize = 64 * 1024;
    if statement.text.len() > LONG {
        return true;
    }
    let first = statement.kind.split(' ').next().unwrap_or_default();
    match first.to_ascii_uppercase().as_str() {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "CREATE" | "ALTER" | "DROP" | "COPY"
        | "COMMENT" | "GRANT" | "REVOKE" | "LOCK" | "TRUNCATE" => {
            let text = statement.text.to_ascii_lowercase();
            text.contains("set_config") || text.contains("pg_settings")
        }
        "SELECT" | "VALUES" => statement.text.contains('('),
        _ => true,
    }
}

/// The text says that a lock is taken that others wait for.
fn is_strong(statement: &Statement) -> bool {
    let first = statement.kind.split(' ').next().unwrap_or_default();
    let strong = [
        "ALTER", "CREATE", "DROP", "LOCK", "TRUNCATE", "REINDEX", "CLUSTER", "REFRESH", "DO",
    ];
    strong.iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// How many looks a short script has whatever they cost.
const FREE: u32 = 16;

/// How long the looks after strong locks may take in all, beyond the budget.
const STRONG: Duration = Duration::from_millis(100);

/// The looks may take this part of the script's own time.
const PART: u32 = 20;

/// What one look is taken to cost until one was measured.
const GUESS: Duration = Duration::from_micros(300);

/// What the looks cost, and may cost.
#[derive(Debug, Default)]
pub(super) struct Budget {
    worked: Duration,
    looked: Duration,
    done: u32,
    sent: u32,
}

impl Budget {
    pub(super) fn worked(&mut self, time: Duration) {
        self.worked += time;
    }

    pub(super) fn looked(&mut self, time: Duration) {
        self.looked += time;
        self.done += 1;
    }

    /// Whether a look follows this statement. Looks that are on their way count as done.
    pub(super) fn allows(&mut self, statement: &Statement) -> bool {
        let one = self.looked.checked_div(self.done).unwrap_or(GUESS);
        let cost = self.looked + one * (self.sent - self.done + 1);
        let mut allowed = self.worked / PART;
        if is_strong(statement) {
            allowed += STRONG;
        }
        let allows = self.sent < FREE || cost <= allowed;
        self.sent += u32::from(allows);
        allows
    }

    /// A look that is sent whatever it costs.
    pub(super) fn must(&mut self) {
        self.sent += 1;
    }
}
