//! The limits that keep the hold safe: set again behind every statement of a script, whatever code it
//! ran, in the same flight.
//!
//! SET and SHOW alone: no script can take the right to them away. What a script makes stricter on
//! purpose stands, what it makes wider goes back to ours. The limit on statements is set first, for
//! until then the one that the script may have set counts for what the program sends as well.

use super::HoldOptions;
use crate::database::link::Answer;
use crate::facts::{Millis, ServerMessage};
use crate::runbook::script::Statement;

/// For a statement of ours, where the script's is shorter.
const OWN: Millis = 2_000;

/// Under a limit of so much nothing of ours is ever cut short, but by what would cut it short anyway.
const ROOMY: Millis = 1_000;

/// Limits in milliseconds; 0 is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionLimits {
    statement: Millis,
    others: Vec<(&'static str, Millis)>,
}

impl SessionLimits {
    pub(super) fn ours(options: &HoldOptions, checks_client: bool) -> SessionLimits {
        let mut others = vec![
            ("lock_timeout", options.lock_timeout.max(1)),
            (
                "idle_in_transaction_session_timeout",
                options.dead_man.max(1),
            ),
        ];
        if checks_client {
            others.push(("client_connection_check_interval", 1_000));
        }
        SessionLimits {
            statement: options.statement_limit,
            others,
        }
    }

    /// These with another limit on statements.
    pub(super) fn with_statements_of(&self, other: &SessionLimits) -> SessionLimits {
        SessionLimits {
            statement: other.statement,
            others: self.others.clone(),
        }
    }

    fn is_roomy(&self) -> bool {
        self.statement == 0 || self.statement >= ROOMY
    }

    pub(super) fn set_statements(&self) -> String {
        set_local("statement_timeout", self.statement)
    }

    /// What begins a request of ours: from its first command on, or its second where the script's limits
    /// are to be `told`, nothing of it is under the script's limit on statements.
    pub(super) fn begin(&self, told: bool) -> String {
        let mut commands = Vec::new();
        if told {
            commands.push("SHOW statement_timeout".to_owned());
        }
        commands.push(match self.is_roomy() {
            true => self.set_statements(),
            false => set_local("statement_timeout", OWN),
        });
        if told {
            commands.extend(self.others.iter().map(|(name, _)| format!("SHOW {name}")));
        }
        commands.extend(
            self.others
                .iter()
                .map(|(name, limit)| set_local(name, *limit)),
        );
        commands.join("; ")
    }

    /// These limits one by one behind BEGIN, with the session's own on statements shown before.
    pub(super) fn opening(&self) -> Vec<String> {
        let shown = "SHOW statement_timeout".to_owned();
        let others = self.others.iter();
        [shown, self.set_statements()]
            .into_iter()
            .chain(others.map(|(name, limit)| set_local(name, *limit)))
            .collect()
    }

    /// What ends what [`SessionLimits::begin`] began, with what goes before it.
    pub(super) fn end(&self, before: &str) -> String {
        match self.is_roomy() {
            true => before.to_owned(),
            false if before.is_empty() => self.set_statements(),
            false => format!("{before}; {}", self.set_statements()),
        }
    }

    /// These limits, set, and nothing else.
    pub(super) fn set(&self, told: bool) -> String {
        self.end(&self.begin(told))
    }

    /// The limits as an answer to [`SessionLimits::begin`] tells them.
    pub(super) fn told(&self, answer: &Answer) -> Option<SessionLimits> {
        let mut shown = answer
            .results
            .iter()
            .map(|result| read_shown(result.first_cell()?));
        let statement = shown.next()??;
        let mut others = Vec::new();
        for (name, _) in &self.others {
            others.push((*name, shown.next()??));
        }
        Some(SessionLimits { statement, others })
    }

    /// What is to stand from now on, where a statement that ran under `before` left `found`: what it
    /// changed, as far as that is no wider than `ours`.
    pub(super) fn follow(
        &mut self,
        before: &SessionLimits,
        found: &SessionLimits,
        ours: &SessionLimits,
    ) {
        if found.statement != before.statement {
            self.statement = stricter(ours.statement, found.statement);
        }
        let changes = before.others.iter().zip(&found.others);
        for ((own, (before, found)), ours) in self.others.iter_mut().zip(changes).zip(&ours.others)
        {
            if before.1 != found.1 {
                own.1 = stricter(ours.1, found.1);
            }
        }
    }

    /// The same before anything ran: a stricter limit on statements that the session has stands.
    pub(super) fn keep_stricter(&self, statement: &str) -> Option<SessionLimits> {
        let statement = stricter(self.statement, read_shown(statement)?);
        Some(SessionLimits {
            statement,
            others: self.others.clone(),
        })
    }
}

fn stricter(ours: Millis, found: Millis) -> Millis {
    match (ours, found) {
        (0, found) => found,
        (ours, 0) => ours,
        (ours, found) => ours.min(found),
    }
}

fn set_local(name: &str, limit: Millis) -> String {
    format!("SET LOCAL {name} = '{limit}ms'")
}

/// A limit as SHOW tells it: a whole number of the largest unit that fits.
fn read_shown(text: &str) -> Option<Millis> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let each = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<Millis>().ok()?.checked_mul(each)
}

/// Whether a statement may change a limit on purpose: SET and its kind, and what calls functions.
/// What a trigger changes behind any other is set back to what it was.
pub(super) fn may_change_limits(statement: &Statement) -> bool {
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

/// A longer text is not searched for words.
const LONG: usize = 64 * 1024;

/// Whether the text of such a statement names a limit: then the next one waits until it is known which
/// one stands. A stricter one that code sets which is not in the text counts some statements later.
pub(super) fn names_a_limit(statement: &Statement) -> bool {
    if statement.goes_back {
        return true;
    }
    let words = [
        "timeout",
        "check_interval",
        "set_config",
        "pg_settings",
        "reset",
    ];
    if statement.text.len() > LONG {
        return false;
    }
    let text = statement.text.to_ascii_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// A failure of ours behind a statement, said as ours; the transaction is lost with it.
pub(super) fn told_as_ours(what: &str, error: ServerMessage) -> ServerMessage {
    let limited = error.sqlstate.as_deref() == Some("57014");
    ServerMessage {
        message: format!(
            "the program's own {what} behind this statement failed: {}",
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

/// A BEGIN that failed, with whose limit it was.
pub(super) fn of_the_session(error: ServerMessage) -> ServerMessage {
    let limited = error.sqlstate.as_deref() == Some("57014") && error.hint.is_none();
    let hint = limited.then(|| {
        "unless somebody cancelled it, the statement_timeout that the role or the database has by \
         default is too short for BEGIN itself"
            .to_owned()
    });
    ServerMessage {
        hint: hint.or(error.hint),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_show_tells_is_read_in_every_unit() {
        let told = ["0", "2ms", "3s", "1500ms", "10min", "2h", "1d"].map(read_shown);
        let meant = [0, 2, 3_000, 1_500, 600_000, 7_200_000, 86_400_000];
        assert_eq!(told, meant.map(Some));
        assert_eq!(["", "s", "5us", "-1", "1.5s"].map(read_shown), [None; 5]);
    }

    #[test]
    fn a_stricter_limit_stands_and_a_wider_one_does_not() {
        assert_eq!(stricter(3_000, 2), 2);
        assert_eq!(stricter(3_000, 0), 3_000);
        assert_eq!(stricter(3_000, 9_000), 3_000);
        assert_eq!(stricter(0, 9_000), 9_000);
    }
}
