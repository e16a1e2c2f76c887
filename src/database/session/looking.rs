//! What the program puts between the statements of a script: its limits again, and a look at the
//! locks; and how much of the script's time that may take.
//!
//! Everything runs behind a savepoint of its own and goes back to it, so that nothing of it can
//! cost the transaction: no missing right, no name in another encoding, no limit of the script
//! (I12). It is sent in the same flight as the statement before it.

use std::time::Duration;

use super::HoldOptions;
use crate::runbook::script::Statement;

/// What is sent before the next statement, in two requests: where the first one fails, the second
/// takes it back; where it does not, the limits stay and the look is undone.
pub(super) fn between(limits: &str, look: bool) -> String {
    let again = format!(
        "SAVEPOINT stagegate_look; {limits}; RELEASE SAVEPOINT stagegate_look; \
         SAVEPOINT stagegate_look"
    );
    match look {
        // Its own limits: neither the script's nor a lock on a catalog may keep it.
        true => format!(
            "{again}; SET LOCAL statement_timeout = '2s'; SET LOCAL lock_timeout = '100ms'; {}",
            crate::database::locks::QUERY
        ),
        false => again,
    }
}

/// The second request.
pub(super) const BACK: &str =
    "ROLLBACK TO SAVEPOINT stagegate_look; RELEASE SAVEPOINT stagegate_look";

/// Sets the limits that keep the hold safe again where the script made them wider. A stricter one
/// stands.
pub(super) fn limits(options: &HoldOptions, checks_client: bool) -> String {
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
    format!(
        "SELECT pg_catalog.set_config(w.name, w.value, true) FROM (VALUES {}) AS w (name, value) \
         WHERE pg_catalog.current_setting(w.name)::pg_catalog.interval OPERATOR(pg_catalog.=) \
         '0'::pg_catalog.interval \
         OR pg_catalog.current_setting(w.name)::pg_catalog.interval OPERATOR(pg_catalog.>) \
         w.value::pg_catalog.interval",
        rows.join(", ")
    )
}

/// Whether a statement may change a limit: SET and its kind, and what calls functions.
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
const GUESS: Duration = Duration::from_micros(700);

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
