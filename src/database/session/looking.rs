//! What the program puts between the statements of a script: its limits again, and a look at the
//! locks; how much of the script's time that may take; and how it asks anything else.
//!
//! A look runs behind a savepoint of its own and goes back to it, so that nothing of it can cost the
//! transaction: no missing right, no name in another encoding (I12). It is sent in the same flight as
//! the statement before it. The look is planned once, ahead of BEGIN: to plan it takes the server three
//! times as long as to run it, with the script's locks held.

use std::collections::HashSet;
use std::time::Duration;

use super::limits::SessionLimits;
use crate::database::link::{Answer, BrokenLink, Link, Sent};
use crate::database::locks::QUERY;
use crate::gate::event::ServerMessage;
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

/// The tables that the script has made so far, as it names them. Nobody else sees them before COMMIT, so
/// that the ledger leaves them out: a look behind what is about them alone would find nothing.
#[derive(Debug, Default)]
struct OwnTables(HashSet<String>);

impl OwnTables {
    /// Whether the text of a statement says that it is about them alone. What is locked all the same, by
    /// code that it calls, the next look finds.
    fn suffice(&mut self, statement: &Statement) -> bool {
        let Some(table) = &statement.relation else {
            self.0.clear();
            return false;
        };
        match statement.kind.as_str() {
            "CREATE TABLE" if names_no_other(&statement.text) => {
                self.0.insert(table.to_string());
                true
            }
            "ALTER TABLE" | "CREATE INDEX" | "COMMENT" => {
                self.0.contains(table.as_str()) && names_no_other(&statement.text)
            }
            "INSERT" | "UPDATE" | "DELETE" => false,
            // It may be that a name means another one behind it.
            _ => {
                self.0.clear();
                false
            }
        }
    }
}

/// Whether a definition of a table has no word by which it is about another one, or one that was there.
fn names_no_other(text: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "references",
        "inherit",
        "inherits",
        "like",
        "of",
        "partition",
        "if",
        "rename",
        "schema",
        "trigger",
    ];
    let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    text.len() <= SEARCHED
        && !words.any(|word| OTHERS.iter().any(|other| word.eq_ignore_ascii_case(other)))
}

/// A longer text is not searched for words.
const SEARCHED: usize = 64 * 1024;

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
    own: OwnTables,
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
        let own = self.own.suffice(statement);
        if is_strong(statement) && !own {
            allowed += STRONG;
        }
        let allows = (self.sent < FREE && !own) || cost <= allowed;
        self.sent += u32::from(allows);
        allows
    }

    /// A look that is sent, whatever it costs.
    pub(super) fn must(&mut self) {
        // Behind what goes back to a savepoint a table may not be there any more.
        self.own = OwnTables::default();
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::script::Script;

    /// Which statements of a script are about its own tables alone.
    fn own(sql: &str) -> Vec<bool> {
        let script = Script::read("t.sql", None, sql.as_bytes());
        let mut own = OwnTables::default();
        let statements = script.statements.iter();
        statements.map(|one| own.suffice(one)).collect()
    }

    #[test]
    fn what_only_defines_tables_of_the_scripts_own_needs_no_look_behind_it() {
        let made = "CREATE TABLE s.t (id int PRIMARY KEY);\n";
        for (next, expected) in [
            ("ALTER TABLE s.t ADD COLUMN n int;", true),
            ("CREATE INDEX i ON s.t (n);", true),
            (
                "INSERT INTO s.t VALUES (1); ALTER TABLE s.t ALTER n SET NOT NULL;",
                true,
            ),
            ("ALTER TABLE s.t ADD FOREIGN KEY (n) REFERENCES s.u;", false),
            ("ALTER TABLE s.t ADD CONSTRAINT k REFERENCES s.u;", false),
            ("ALTER TABLE s.t INHERIT s.u;", false),
            ("ALTER TABLE s.t ATTACH PARTITION s.u DEFAULT;", false),
            ("ALTER TABLE s.u ADD COLUMN n int;", false),
            ("ALTER TABLE t ADD COLUMN n int;", false),
            (
                "CREATE TRIGGER g AFTER INSERT ON s.t EXECUTE FUNCTION f();",
                false,
            ),
            (
                "SET search_path = a; ALTER TABLE s.t ADD COLUMN n int;",
                false,
            ),
            ("DROP TABLE s.t; ALTER TABLE s.t ADD COLUMN n int;", false),
            ("DO $$BEGIN END$$; ALTER TABLE s.t ADD COLUMN n int;", false),
            ("CREATE TABLE s.w (LIKE s.u);", false),
            ("CREATE TABLE s.w PARTITION OF s.u DEFAULT;", false),
            (
                "CREATE TABLE IF NOT EXISTS s.w (n int); ALTER TABLE s.w ADD o int;",
                false,
            ),
            (
                "CREATE TABLE s.w AS SELECT 1; ALTER TABLE s.w ADD o int;",
                false,
            ),
        ] {
            let told = own(&format!("{made}{next}"));
            assert_eq!(told.first(), Some(&true), "{next}");
            assert_eq!(told.last(), Some(&expected), "{next}");
        }
    }

    #[test]
    fn a_statement_behind_a_savepoint_that_was_gone_back_to_is_looked_at() {
        let script = "CREATE TABLE t (n int); ALTER TABLE t ADD o int;";
        let script = Script::read("t.sql", None, script.as_bytes());
        let [create, alter] = script.statements.as_slice() else {
            panic!("{script:?}");
        };
        let mut budget = Budget::default();
        assert!(!budget.allows(create) && !budget.allows(alter));
        budget.must();
        assert!(budget.allows(alter));
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
