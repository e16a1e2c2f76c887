//! The rehearsal as a runbook: the script, its checks, the rollback scripts, and the structure at
//! the end held against the structure at the start, all in one transaction that is rolled back.
//!
//! What is compared comes from the catalogs of the server itself, not from what the scripts claim.
//! The program's own statements stand in the script as the program's, to be read like the others
//! (I11). It must never be walked in a mode that can commit.

use super::check::{Check, Verdict};
use super::error::RunbookError;
use super::join::Joined;
use super::script::{Fate, Script};
use super::{ChecklistItem, ItemKind, Runbook};

/// The structure of all schemas but the system's own.
const STRUCTURE: &str = include_str!("../../sql/structure.sql");

/// What a script can leave behind beside it. It is no part of the digest.
const CLUSTER: &str = include_str!("../../sql/cluster.sql");

/// Where the structure at the start is kept. It goes with the transaction.
const BEFORE: &str = "stagegate_structure_before";

/// The name of the check that says that the structure came back.
pub const RESTORED: &str = "structure is the one at the start";

/// Names in the structure are whole, whatever the session or the script sets.
const WHOLE_NAMES: &str = "SET LOCAL search_path = pg_catalog, pg_temp;\n";

/// The setting that keeps the search_path of the script while the structure is taken down.
const PATH_KEPT: &str = "stagegate.search_path";

/// Takes down the structure, and the search_path that the script is to find again. It is counted and its
/// digest made here as well, where no lock of the script is held yet: both stand in the one row that is
/// neither structure nor beside it.
fn at_the_start() -> String {
    let digest = digest();
    let everything = everything();
    format!(
        "SELECT pg_catalog.set_config('{PATH_KEPT}', \
         pg_catalog.current_setting('search_path'), true) AS search_path;\n{WHOLE_NAMES}\
         CREATE TEMPORARY TABLE {BEFORE} (kind text, name text, definition text, is_structure boolean) ON COMMIT DROP;\n\
         INSERT INTO pg_temp.{BEFORE}\nWITH everything AS MATERIALIZED (\n{everything})\n\
         SELECT * FROM everything\nUNION ALL\n\
         SELECT 'digest', pg_catalog.count(*)::text, {digest}, NULL FROM everything WHERE is_structure;\n\
         SELECT pg_catalog.set_config('search_path', \
         pg_catalog.current_setting('{PATH_KEPT}'), true) AS search_path;\n"
    )
}

/// The structure and what is beside it, told apart by `is_structure`.
fn everything() -> String {
    format!(
        "SELECT kind, name, definition, true AS is_structure FROM (\n{}) AS structure\n\
         UNION ALL\n\
         SELECT kind, name, definition, false FROM (\n{}) AS cluster",
        without_comment(STRUCTURE),
        without_comment(CLUSTER)
    )
}

/// The definition as a digest takes it. `x IN ('a', 'b')` over `varchar` is told in another form once
/// it went through pg_dump (the cast to text stands at each value instead of at all of them); so
/// that a clone is known as what it is a clone of, both forms are one here. Few definitions have either,
/// and looking for the patterns in all the others would take longer than the rest of a digest.
const ONE_FORM: &str = r"CASE WHEN pg_catalog.strpos(definition, ')::text') = 0 THEN definition
    ELSE pg_catalog.regexp_replace(pg_catalog.regexp_replace(definition,
    $form$\(('(?:[^']|'')*'::character varying)\)::text$form$, $form$\1$form$, 'g'),
    $form$\((ARRAY\[[^\]]*\])\)::text\[\]$form$, $form$\1$form$, 'g') END";

/// The digest of rows of the structure, as an expression over `kind`, `name` and `definition`.
fn digest() -> String {
    format!(
        "pg_catalog.md5(string_agg(pg_catalog.concat_ws(' ', kind, name, {ONE_FORM}), \
         E'\\n' ORDER BY kind COLLATE \"C\", name COLLATE \"C\"))"
    )
}

/// What stands before the digest in the detail of the check [`RESTORED`].
const BEFORE_DIGEST: &str = "objects and properties compared, md5 ";

/// The digest of the structure that was rehearsed, where a check says that it came back: as the server
/// puts it into the row.
pub fn restored_structure(check: &Check) -> Option<&str> {
    let came_back = check.verdict == Verdict::Pass && check.name == RESTORED;
    let (_, rest) = (check.detail.split_once(BEFORE_DIGEST)).filter(|_| came_back)?;
    let digest = rest.split_whitespace().next()?;
    let hexadecimal = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digest.len() == 32 && hexadecimal).then_some(digest)
}

/// Statements for a transaction, the last of which returns the digest of the structure as it is
/// now: the same as that of a rehearsal which began with this structure.
pub fn digest_now() -> [String; 2] {
    let structure = without_comment(STRUCTURE);
    [
        WHOLE_NAMES.to_owned(),
        format!(
            "SELECT {} AS md5 FROM (\n{structure}) AS structure (kind, name, definition)",
            digest()
        ),
    ]
}

/// The same for the structure object by object: one cell, a JSON object of digests by kind and name.
pub fn digests_now() -> [String; 2] {
    let structure = without_comment(STRUCTURE);
    [
        WHOLE_NAMES.to_owned(),
        format!(
            "SELECT pg_catalog.json_object_agg(kind || ' ' || name, pg_catalog.md5({ONE_FORM})) \
             FROM (\n{structure}) AS structure (kind, name, definition)"
        ),
    ]
}

/// What a transaction touched: the relations that it holds locks on, with their indexes, their
/// sequences and the views on them.
const TOUCHED: &str = "held (oid) AS MATERIALIZED (
         SELECT DISTINCT l.relation FROM pg_catalog.pg_locks AS l
         WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted
     ),
     touched (oid) AS MATERIALIZED (
         SELECT oid FROM held
         UNION SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid IN (SELECT oid FROM held)
         UNION SELECT u.ev_class FROM pg_catalog.pg_depend AS d
               JOIN pg_catalog.pg_rewrite AS u ON u.oid = d.objid
               WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
               AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid IN (SELECT oid FROM held)
         UNION SELECT d.objid FROM pg_catalog.pg_depend AS d
               WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
               AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid IN (SELECT oid FROM held)
     ),";

/// Where the structure is narrowed to what was touched, and how. What this very transaction made is
/// part of it (`age(xmin) <= 0`).
const NARROWED: [(&str, &str); 5] = [
    (
        "/* schemas */",
        "AND (age(s.xmin) <= 0 OR s.oid IN (SELECT c.relnamespace FROM pg_catalog.pg_class AS c
              WHERE c.oid IN (SELECT oid FROM touched))
          OR s.oid IN (SELECT p.pronamespace FROM pg_catalog.pg_proc AS p WHERE age(p.xmin) <= 0
              OR p.oid IN (SELECT g.tgfoid FROM pg_catalog.pg_trigger AS g
                           WHERE g.tgrelid IN (SELECT oid FROM touched)))
          OR s.oid IN (SELECT t.typnamespace FROM pg_catalog.pg_type AS t WHERE age(t.xmin) <= 0
              OR t.oid IN (SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
                           WHERE a.attrelid IN (SELECT oid FROM touched))))",
    ),
    ("/* relations */", "AND c.oid IN (SELECT oid FROM touched)"),
    (
        "/* routines */",
        "WHERE age(p.xmin) <= 0 OR p.oid IN (SELECT g.tgfoid FROM pg_catalog.pg_trigger AS g
              WHERE g.tgrelid IN (SELECT oid FROM touched))",
    ),
    (
        "/* types */",
        "AND (age(t.xmin) <= 0 OR t.oid IN (SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
              WHERE a.attrelid IN (SELECT oid FROM touched)))",
    ),
    (
        "/* statistics */",
        "WHERE x.stxrelid IN (SELECT oid FROM touched)",
    ),
];

/// The numbers of what stands in the database.
const STANDING: &str = include_str!("../../sql/standing.sql");

/// The settings that decide what a script does, as they are for the session; one that may hold a
/// password as a digest.
const IN_EFFECT: &str = "SELECT 'setting in effect', s.name, \
    CASE s.name WHEN 'primary_conninfo' THEN pg_catalog.md5(s.setting) ELSE s.setting END \
    FROM pg_catalog.pg_settings AS s WHERE s.source <> 'default'";

/// Statements for an open transaction, the last of which returns the structure of what it touched:
/// kind, name and definition of each object or property, and of the roles.
pub fn touched_now() -> [String; 2] {
    let mut structure = without_comment(STRUCTURE).to_owned();
    for (place, narrowed) in NARROWED {
        structure = structure.replace(place, narrowed);
    }
    let structure = structure.replacen("WITH ", &format!("WITH {TOUCHED}\n     "), 1);
    beside(&structure, "")
}

/// The same of all that stands in the database, before anything is touched: what a script takes away
/// is seen there alone, and so is whatever it might call.
pub fn standing_now() -> [String; 2] {
    let numbers = STANDING.find("SELECT ").and_then(|at| STANDING.get(at..));
    let numbers = numbers.unwrap_or(STANDING);
    beside(without_comment(STRUCTURE), &format!("UNION ALL\n{numbers}"))
}

/// The structure with what is beside it, and the settings in effect.
fn beside(structure: &str, more: &str) -> [String; 2] {
    let cluster = without_comment(CLUSTER);
    [
        WHOLE_NAMES.to_owned(),
        format!(
            "{structure}\nUNION ALL\nSELECT * FROM (\n{cluster}) AS cluster\n\
             UNION ALL\n{IN_EFFECT}\n{more}"
        ),
    ]
}

/// What the gate would do before COMMIT; and what is deferred would stand in the way of ALTER TABLE.
const BETWEEN: &str = "SET CONSTRAINTS ALL IMMEDIATE;\n";

/// What the last question is asked with. Nothing of the script follows, and what the server spends on the
/// question is spent with the script's locks held: it is not compiled; the structure of the start is hashed
/// in memory, and neither of the two is sorted, which takes longer than all else of comparing them; no
/// other process is started for it. It is SET and not `set_config`, whose answer the next statement would
/// wait for.
const ASKED_WITH: &str = "SET LOCAL jit = off;\n\
    SET LOCAL enable_mergejoin = off;\n\
    SET LOCAL max_parallel_workers_per_gather = 0;\n\
    SET LOCAL work_mem = '64MB';\n";

/// Each difference is a FAIL that names the object. The server compares: the structure may be larger than
/// what the link carries in the time that comparing takes, and what was read is gone with ROLLBACK.
fn at_the_end() -> String {
    let after = everything();
    format!(
        "{WHOLE_NAMES}{ASKED_WITH}WITH present AS (\n{after}), past AS (\n    SELECT kind, name, definition FROM \
         pg_temp.{BEFORE} WHERE is_structure IS NOT NULL\n), difference AS (\n    \
         SELECT kind, name, past.definition AS was, present.definition AS now_is\n    \
         FROM past FULL JOIN present USING (kind, name)\n    \
         WHERE past.definition IS DISTINCT FROM present.definition\n)\n\
         SELECT 'structure: ' || kind || ' ' || name AS \"check\", 'FAIL' AS status,\n       \
         CASE WHEN was IS NULL THEN 'left behind: ' || now_is\n            \
         WHEN now_is IS NULL THEN 'not restored: ' || was\n            \
         ELSE 'was: ' || was || '; is: ' || now_is END AS detail\n\
         FROM difference\n\
         UNION ALL\n\
         SELECT '{RESTORED}', 'PASS', before.name || ' {BEFORE_DIGEST}' || before.definition\n\
         FROM pg_temp.{BEFORE} AS before\n\
         WHERE before.is_structure IS NULL AND NOT EXISTS (SELECT FROM difference);\n"
    )
}

/// The query without the comment at its head.
fn without_comment(sql: &str) -> &str {
    sql.find("WITH ")
        .and_then(|at| sql.get(at..))
        .unwrap_or(sql)
}

impl Runbook {
    /// Up, verify, down, and the structure compared with the start, as one script. Only
    /// [`crate::gate::Mode::Rehearse`] may walk it.
    ///
    /// What is wrong with a script is no error here: it is in the script's refusals.
    ///
    /// # Errors
    /// If the runbook has no rollback script: then there is no way back to rehearse.
    pub fn rehearsal(&self) -> Result<Runbook, RunbookError> {
        if self.rollbacks.is_empty() {
            return Err(RunbookError::NoRollback);
        }
        let mut joined = Joined::new(format!("rehearsal of {}", self.script.name));
        // Settings before a BEGIN come first, as everywhere.
        joined.add("the structure at the start", &at_the_start());
        joined.whole(&self.script);
        joined.add("between up and down", BETWEEN);
        if let Some(checks) = &self.post_verification {
            joined.whole(checks);
        }
        for script in &self.rollbacks {
            joined.whole(script);
        }
        joined.add("the structure at the end", &at_the_end());
        let mut items = vec![
            ChecklistItem::new("review", "The scripts can be run", ItemKind::Review),
            ChecklistItem::new(
                "connection",
                "Server, database and role",
                ItemKind::Connection,
            ),
        ];
        if self.expected_state.is_some() {
            let title = "The structure is as the script expects it";
            items.push(ChecklistItem::new("structure", title, ItemKind::Structure));
        }
        let own = self.items.iter().filter(|item| item.checks.is_some());
        items.extend(own.cloned());
        Ok(Runbook {
            items,
            expected_state: self.expected_state.clone(),
            ..self.derive(Runbook::rehearsal_title(&self.title), joined.script())
        })
    }

    pub fn rehearsal_title(title: &str) -> String {
        format!("Rehearsal of {title}")
    }

    /// How many statements of a rehearsal are its way up: those of the script itself, with what
    /// stands before them.
    pub fn rehearsed_up_to(&self, rehearsal: &Script) -> usize {
        let own = self.script.sources.first();
        rehearsal
            .statements
            .iter()
            .filter(|statement| statement.fate == Fate::Sent)
            .filter(|statement| {
                let source = rehearsal.sources.get(statement.source);
                source.zip(own).is_some_and(|(source, own)| {
                    source.name == own.name && source.sha256 == own.sha256
                })
            })
            .map(|statement| statement.number)
            .max()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_question_alone_is_asked_with_settings_of_its_own() {
        let rehearsal = Runbook::load(None).unwrap().rehearsal().unwrap();
        let said: Vec<&str> = (rehearsal.script.sent())
            .map(|statement| &*statement.text)
            .collect();
        let of_its_own: Vec<&str> = ASKED_WITH.split_terminator(";\n").collect();
        for (back, setting) in of_its_own.iter().rev().enumerate() {
            let set: Vec<usize> = (0..said.len())
                .filter(|&at| said[at].contains(setting))
                .collect();
            // Behind them stands the question itself and nothing of the script.
            assert_eq!(set, [said.len() - 2 - back], "{setting}: {:?}", said.last());
        }
    }
}
