//! Behind which statements of a script a look at the locks would find nothing, by their texts.
//!
//! It is a matter of time alone: what it is wrong about, the next look finds, and the last statement always
//! has one.

use std::collections::HashSet;

use crate::runbook::objects::{Change, ConstraintKind, Deed, Expression, Facet, Generated};
use crate::runbook::script::Statement;

/// The tables, as the script names them, behind whose further statements a look would find nothing.
#[derive(Debug, Default)]
pub(super) struct KnownTables {
    /// The script has made them: nobody else sees them before COMMIT, so that the ledger leaves them out.
    own: HashSet<String>,
    /// A look has found them locked against everybody, by a statement that always does that: what locks
    /// nothing else adds nothing that the ledger tells.
    shut: HashSet<String>,
}

impl KnownTables {
    /// Whether the text of a statement, which makes these `changes`, says that it is about them alone, or
    /// about no table. What is locked all the same, by code that it calls, the next look finds.
    pub(super) fn suffice(&mut self, statement: &Statement, changes: &[Change]) -> bool {
        if is_about_no_table(statement) {
            return true;
        }
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
            "ALTER TABLE" if has_word(&statement.text, &REARRANGING) => {
                self.forget();
                false
            }
            "ALTER TABLE" => {
                (own && names_no_other(&statement.text)) || (shut && locks_its_table_alone(changes))
            }
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
    pub(super) fn note_look(&mut self, statement: &Statement, changes: &[Change]) {
        if let Some(table) = statement.relation()
            && shuts_its_table(statement, changes)
        {
            self.shut.insert(table.to_string());
        }
    }

    pub(super) fn forget(&mut self) {
        *self = KnownTables::default();
    }
}

/// Whether it is a query without a table and without a call, or sets what no name depends on.
fn is_about_no_table(statement: &Statement) -> bool {
    let text = &statement.text;
    match statement.kind.as_str() {
        "SELECT" => !text.contains('(') && !has_word(text, &["from", "into", "table"]),
        "SET" => !has_word(
            text,
            &["search_path", "schema", "role", "session", "authorization"],
        ),
        _ => false,
    }
}

/// Whether it takes ACCESS EXCLUSIVE on a table, with its partitions and children, whatever else it does.
fn shuts_its_table(statement: &Statement, changes: &[Change]) -> bool {
    let always = changes.iter().any(|change| match &change.deed {
        Deed::AddColumn(column) => !column.with_table,
        Deed::AlterColumn { facet, .. } => {
            matches!(
                facet,
                Facet::Kind(_) | Facet::Default(_) | Facet::NotNull(_)
            )
        }
        _ => false,
    });
    statement.kind == "ALTER TABLE" && always && !has_word(&statement.text, &["only"])
}

/// Whether all that an ALTER TABLE does locks only the table, its partitions and children, and what is new:
/// no other table, as a foreign key does, and no index that was there, as it is where rows are written anew.
/// Of what could not be read, and of what calls a function, nothing is known.
fn locks_its_table_alone(changes: &[Change]) -> bool {
    let calls = |expression: &Option<Expression>| {
        expression
            .as_ref()
            .is_some_and(|expression| expression.volatile)
    };
    let alone = |deed: &Deed| match deed {
        Deed::AddColumn(column) => column.generated == Generated::No && !calls(&column.default),
        Deed::AlterColumn { facet, .. } => match facet {
            Facet::Default(default) => !calls(default),
            Facet::NotNull(_) => true,
            Facet::Kind(_) | Facet::Name(_) | Facet::Other(_) => false,
        },
        Deed::AddConstraint(added) => match added.kind {
            ConstraintKind::Check => !calls(&added.expression),
            ConstraintKind::Primary | ConstraintKind::Unique => !added.using_index,
            ConstraintKind::Foreign | ConstraintKind::Exclude => false,
        },
        _ => false,
    };
    !changes.is_empty() && changes.iter().all(|change| alone(&change.deed))
}

/// Behind these words a name means another table, or a table has children that it did not have.
const REARRANGING: [&str; 4] = ["rename", "schema", "inherit", "attach"];

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
    !has_word(text, &OTHERS)
}

/// Whether one of these words is in a text, wherever it stands; in a long one it may be.
fn has_word(text: &str, sought: &[&str]) -> bool {
    let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    text.len() > SEARCHED
        || words.any(|word| sought.iter().any(|one| word.eq_ignore_ascii_case(one)))
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
        statements.map(|one| own.suffice(one, &[])).collect()
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
