//! Behind which statements of a script a look at the locks would find nothing, by their texts.
//!
//! It is a matter of time alone: what it is wrong about, the next look finds, and the last statement always
//! has one.

use std::collections::HashSet;

use crate::runbook::script::Statement;

/// The tables, as the script names them, behind whose further statements a look would find nothing.
#[derive(Debug, Default)]
pub(super) struct KnownTables {
    /// The script has made them: nobody else sees them before COMMIT, so that the ledger leaves them out.
    own: HashSet<String>,
    /// A look has found them locked against everybody, by a statement that always does that: an index or a
    /// comment on them adds nothing that the ledger tells.
    shut: HashSet<String>,
}

impl KnownTables {
    /// Whether the text of a statement says that it is about them alone. What is locked all the same, by
    /// code that it calls, the next look finds.
    pub(super) fn suffice(&mut self, statement: &Statement) -> bool {
        let Some(table) = statement.relation() else {
            self.forget();
            return false;
        };
        let own = self.own.contains(table.as_str());
        let shut = self.shut.contains(table.as_str());
        match statement.kind.as_str() {
            "CREATE TABLE" if names_no_other(&statement.text) => {
                // Of that name there may have been another one.
                self.shut.remove(table.as_str());
                self.own.insert(table.to_string());
                true
            }
            "ALTER TABLE" => own && names_no_other(&statement.text),
            "CREATE INDEX" | "COMMENT" => (own || shut) && names_no_other(&statement.text),
            "INSERT" | "UPDATE" | "DELETE" => false,
            // It may be that a name means another one behind it.
            _ => {
                self.forget();
                false
            }
        }
    }

    /// A look is sent behind that statement.
    pub(super) fn note_look(&mut self, statement: &Statement) {
        if let Some(table) = statement.relation()
            && adds_column(&statement.text)
        {
            self.shut.insert(table.to_string());
        }
    }

    pub(super) fn forget(&mut self) {
        *self = KnownTables::default();
    }
}

/// Whether it begins as what takes ACCESS EXCLUSIVE on a table, with its partitions and children, whatever
/// follows.
fn adds_column(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let mut next_is = |word: &str| {
        let next = words.next();
        next.is_some_and(|next| next.eq_ignore_ascii_case(word) || word.is_empty())
    };
    next_is("ALTER") && next_is("TABLE") && next_is("") && next_is("ADD") && next_is("COLUMN")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::script::Script;

    /// Which statements of a script are about its own tables alone.
    fn own(sql: &str) -> Vec<bool> {
        let script = Script::read("t.sql", None, sql.as_bytes());
        let mut own = KnownTables::default();
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
}
