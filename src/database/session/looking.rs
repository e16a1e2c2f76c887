//! What the program puts between the statements of a script: its limits again, and a look at the
//! locks; how much of the script's time that may take; and how it asks anything else.
//!
//! A look runs behind a savepoint of its own and goes back to it, so that nothing of it can cost the
//! transaction: no missing right, no name in another encoding (I12). It is sent in the same flight as
//! the statement before it. The look is planned once, ahead of BEGIN: to plan it takes the server three
//! times as long as to run it, with the script's locks held.

use std::time::Duration;

use super::known_tables::KnownTables;
use super::limits::SessionLimits;
use super::read_only::search_path;
use crate::database::link::{Answer, BrokenLink, Link, Sent};
use crate::database::locks::QUERY;
use crate::facts::ServerMessage;
use crate::runbook::objects::Change;
use crate::runbook::script::Statement;

/// What is sent before the next statement. Limits first; with a look it is two requests: where the
/// first one fails, the second takes the look back, and the limits stay.
pub(super) fn between(
    limits: &SessionLimits,
    told: bool,
    looks: Option<Looks>,
) -> (String, Option<String>) {
    match looks {
        Some(looks) => (
            format!("{}; {}", limits.begin(told), aside(looks.sql())),
            Some(limits.end(BACK)),
        ),
        None => (limits.set(told), None),
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
/// before is made anew, whatever its script made of it. It is run once: the server plans it only then, and
/// reads what it has to know of the catalogs, which takes several times as long as any look behind it. A
/// plan is for one `search_path`, so that it is made with the one that the script begins with.
pub(super) fn preparing(before: Looks, path: Option<&str>) -> String {
    let anew = match before {
        Looks::Prepared => "DEALLOCATE stagegate_look; ",
        Looks::InFull => "",
    };
    let path = path.map(|path| format!("{}; ", search_path(Some(path))));
    let run = Looks::Prepared.sql();
    format!(
        "{anew}{}PREPARE stagegate_look AS {QUERY}; {run}",
        path.unwrap_or_default()
    )
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

/// How long a question of ours may take, in PostgreSQL's words.
const SHORT: &str = "2s";

/// For a question of ours: neither the script's limits nor a lock on a catalog may keep it, nor a
/// compiler, which takes longer than the catalogs do and hears of no limit. It ends with the savepoint.
fn own_limits(statement: &str) -> String {
    format!(
        "SET LOCAL statement_timeout = '{statement}'; SET LOCAL lock_timeout = '100ms'; \
         SET LOCAL jit = off"
    )
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
pub(super) async fn send_aside(link: &mut Link, sql: &str) -> Result<Aside, BrokenLink> {
    send_aside_within(link, SHORT, sql).await
}

async fn send_aside_within(link: &mut Link, limit: &str, sql: &str) -> Result<Aside, BrokenLink> {
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
    ) -> Result<(Answer, Option<ServerMessage>), BrokenLink> {
        let answer = link.answer(self.asked, &mut |_| {}).await?;
        let back = link.answer(self.back, &mut |_| {}).await?;
        Ok((answer, back.error))
    }
}

/// Asks something in the held transaction and goes back to where it was, as [`Aside::hear`] tells it.
pub(super) async fn ask_aside(
    link: &mut Link,
    sql: &str,
) -> Result<(Answer, Option<ServerMessage>), BrokenLink> {
    send_aside(link, sql).await?.hear(link).await
}

/// The same for what may take as long as `limit`, in PostgreSQL's words.
pub(super) async fn ask_aside_within(
    link: &mut Link,
    limit: &str,
    sql: &str,
) -> Result<(Answer, Option<ServerMessage>), BrokenLink> {
    send_aside_within(link, limit, sql).await?.hear(link).await
}

/// The second request.
pub(super) const BACK: &str =
    "ROLLBACK TO SAVEPOINT stagegate_look; RELEASE SAVEPOINT stagegate_look";

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
    known: KnownTables,
}

impl Budget {
    pub(super) fn worked(&mut self, time: Duration) {
        self.worked += time;
    }

    pub(super) fn looked(&mut self, time: Duration) {
        self.looked += time;
        self.done += 1;
    }

    /// Whether a look follows this statement, which makes these `changes` as far as its text tells. Looks
    /// that are on their way count as done.
    pub(super) fn allows(&mut self, statement: &Statement, changes: &[Change]) -> bool {
        let one = self.looked.checked_div(self.done).unwrap_or(GUESS);
        let cost = self.looked + one * (self.sent - self.done + 1);
        let mut allowed = self.worked / PART;
        let known = self.known.suffice(statement, changes);
        if is_strong(statement) && !known {
            allowed += STRONG;
        }
        let allows = (self.sent < FREE && !known) || cost <= allowed;
        if allows {
            self.sent += 1;
            self.known.note_look(statement, changes);
        }
        allows
    }

    /// A look that is sent, whatever it costs.
    pub(super) fn must(&mut self) {
        // Behind what goes back to a savepoint a table may not be there any more.
        self.known.forget();
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::script::Script;

    #[test]
    fn a_statement_behind_a_savepoint_that_was_gone_back_to_is_looked_at() {
        let script = "CREATE TABLE t (n int); ALTER TABLE t ADD o int;";
        let script = Script::read("t.sql", None, script.as_bytes());
        let [create, alter] = script.statements.as_slice() else {
            panic!("{script:?}");
        };
        let mut budget = Budget::default();
        assert!(!budget.allows(create, &[]) && !budget.allows(alter, &[]));
        budget.must();
        assert!(budget.allows(alter, &[]));
    }

    #[test]
    fn what_was_shut_behind_a_savepoint_that_was_gone_back_to_is_looked_at() {
        let script = "ALTER TABLE t ADD COLUMN o int; CREATE INDEX i ON t (o);";
        let script = Script::read("t.sql", None, script.as_bytes());
        script.findings();
        let [alter, index] = script.statements.as_slice() else {
            panic!("{script:?}");
        };
        let mut budget = Budget::default();
        let mut looks = |one: &Statement| budget.allows(one, script.changes_of(one));
        assert!(looks(alter) && !looks(index));
        budget.must();
        assert!(budget.allows(index, script.changes_of(index)));
    }

    /// Behind which statements of a script there is a look, where looks are taken to be dear.
    fn looked_at(sql: &str) -> Vec<bool> {
        let script = Script::read("t.sql", None, sql.as_bytes());
        // A run is parsed whole.
        script.findings();
        let mut budget = Budget::default();
        let statements = script.statements.iter();
        statements
            .map(|one| budget.allows(one, script.changes_of(one)))
            .collect()
    }

    #[test]
    fn what_a_look_found_shut_needs_none_behind_an_index_or_a_comment_on_it() {
        let shut = "ALTER TABLE s.t ADD COLUMN n int;\n";
        for (next, expected) in [
            ("CREATE INDEX i ON s.t (n);", false),
            ("COMMENT ON COLUMN s.t.n IS 'when';", false),
            (
                "CREATE INDEX i ON s.t (n); COMMENT ON TABLE s.t IS 'a';",
                false,
            ),
            ("CREATE INDEX i ON s.u (n);", true),
            ("COMMENT ON TABLE t IS 'a';", true),
            ("CREATE INDEX IF NOT EXISTS i ON s.t (n);", true),
            // A foreign key goes with it, and locks another table.
            ("ALTER TABLE s.t DROP COLUMN n;", true),
            ("SET search_path = a; CREATE INDEX i ON s.t (n);", true),
            (
                "CREATE TABLE s.t (n int); CREATE INDEX i ON s.t (n);",
                false,
            ),
            (
                "CREATE VIEW s.v AS SELECT 1; CREATE INDEX i ON s.t (n);",
                true,
            ),
        ] {
            let told = looked_at(&format!("{shut}{next}"));
            assert_eq!(told.first(), Some(&true), "{next}");
            assert_eq!(told.last(), Some(&expected), "{next}");
        }
        for first in [
            "ALTER TABLE s.t SET (fillfactor = 50);",
            "ALTER TABLE s.t ALTER n SET STATISTICS 5 /* ADD COLUMN */;",
        ] {
            let told = looked_at(&format!("{first} CREATE INDEX i ON s.t (n);"));
            assert_eq!(told, [true, true], "{first}");
        }
    }

    #[test]
    fn what_a_look_found_shut_needs_none_behind_what_locks_nothing_else() {
        for (next, expected) in [
            (
                "ALTER TABLE s.t ADD COLUMN IF NOT EXISTS o text DEFAULT 'x' NOT NULL;",
                false,
            ),
            ("ALTER TABLE ONLY s.t ADD CONSTRAINT k UNIQUE (n);", false),
            (
                "ALTER TABLE s.t ADD CHECK (n > 0), ALTER n SET NOT NULL;",
                false,
            ),
            ("ALTER TABLE s.t ALTER n SET DEFAULT 1;", false),
            ("ALTER TABLE s.t ALTER n DROP DEFAULT;", false),
            ("SELECT 'here' AS what; ALTER TABLE s.t ADD o int;", false),
            (
                "SET LOCAL work_mem = '64MB'; ALTER TABLE s.t ADD o int;",
                false,
            ),
            // Another table is locked, or an index that was there.
            ("ALTER TABLE s.t ADD COLUMN o int REFERENCES s.u;", true),
            ("ALTER TABLE s.t ADD FOREIGN KEY (n) REFERENCES s.u;", true),
            (
                "ALTER TABLE s.t ADD CONSTRAINT k UNIQUE USING INDEX i;",
                true,
            ),
            ("ALTER TABLE s.t ADD o int, DROP CONSTRAINT k;", true),
            ("ALTER TABLE s.t ADD o int, DROP COLUMN n CASCADE;", true),
            ("ALTER TABLE s.t ALTER n TYPE bigint;", true),
            ("ALTER TABLE s.t ADD o int, OWNER TO somebody;", true),
            ("ALTER TABLE s.t INHERIT s.u;", true),
            ("ALTER TABLE s.t VALIDATE CONSTRAINT k;", true),
            ("ALTER TABLE s.t ADD COLUMN o serial;", true),
            ("ALTER TABLE s.u ADD COLUMN o int;", true),
            ("ALTER TABLE t ADD COLUMN o int;", true),
            // Code is called, which may lock anything.
            ("ALTER TABLE s.t ADD COLUMN o int DEFAULT f();", true),
            ("ALTER TABLE s.t ADD CHECK (f(n));", true),
            ("SELECT f();", true),
            // It may be that the name means another table, or the lock is gone.
            ("SET search_path = a; ALTER TABLE s.t ADD o int;", true),
            (
                "ALTER TABLE s.u RENAME TO t; ALTER TABLE s.t ADD o int;",
                true,
            ),
            ("DROP TABLE s.u; ALTER TABLE s.t ADD o int;", true),
            (
                "ALTER TABLE s.u INHERIT s.t; ALTER TABLE s.t ADD o int;",
                true,
            ),
            ("TRUNCATE s.t; ALTER TABLE s.t ADD o int;", true),
            ("DO $$BEGIN END$$; ALTER TABLE s.t ADD o int;", true),
            ("SELECT f(); ALTER TABLE s.t ADD o int;", true),
            // What cannot be read.
            ("ALTER TABLE s.t ADD COLUMN o int FROM;", true),
        ] {
            let told = looked_at(&format!("ALTER TABLE s.t ADD COLUMN n int;\n{next}"));
            assert_eq!(told.first(), Some(&true), "{next}");
            assert_eq!(told.last(), Some(&expected), "{next}");
        }
        for (first, expected) in [
            ("ALTER TABLE s.t ALTER n TYPE bigint;", false),
            ("ALTER TABLE s.t ALTER n SET NOT NULL;", false),
            ("ALTER TABLE ONLY s.t ADD COLUMN n int;", true),
            ("ALTER TABLE s.t ALTER n SET STATISTICS 5;", true),
            ("ALTER TABLE s.t VALIDATE CONSTRAINT k;", true),
            ("LOCK TABLE s.t IN SHARE MODE;", true),
        ] {
            let told = looked_at(&format!("{first} ALTER TABLE s.t ADD o int;"));
            assert_eq!(told, [true, expected], "{first}");
        }
    }

    #[test]
    fn what_is_not_read_into_deeds_is_looked_at() {
        let script = "ALTER TABLE s.t ADD COLUMN n int; ALTER TABLE s.t ADD COLUMN o int;";
        let script = Script::read("t.sql", None, script.as_bytes());
        let mut budget = Budget::default();
        let mut statements = script.statements.iter();
        assert!(statements.all(|one| budget.allows(one, script.changes_of(one))));
    }

    #[test]
    fn a_question_of_ours_is_not_compiled_and_what_it_sets_ends_with_its_savepoint() {
        let sent = aside("SELECT 1");
        let place = |words| sent.find(words).unwrap_or(usize::MAX);
        let [savepoint, jit, question] =
            ["SAVEPOINT", "SET LOCAL jit = off", "SELECT 1"].map(place);
        assert!(savepoint < jit && jit < question, "{sent}");
        assert!(BACK.starts_with("ROLLBACK TO"), "{BACK}");
    }
}
