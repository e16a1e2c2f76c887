//! What squawk says: the relation of each statement, and findings with their lines.
//!
//! squawk recurses, so it works on a thread of its own with a stack of known size, on text that
//! fits it. Whatever becomes of that thread, the script stays as it was read: the linter advises
//! and never prevents a run, and it decides nothing. Each finding is acknowledged by a person, so
//! what does not apply to a held transaction, or is a matter of taste, is not shown.

mod whole;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use squawk_linter::{Linter, Rule, Violation};
use squawk_syntax::ast::{self, AstNode};

use super::PARSER_THREAD;
use super::classify;
use super::lexer;
use super::linting::{Linting, Parsing};
use super::objects::{self, Objects, ParsedText};
use super::parsed::ParsedStatement;
use super::places::Places;
use super::scanner::Piece;
use super::script::{Fate, Finding, Script, ScriptRefusal, Statement};
use super::substitution::Laid;
use whole::{ParsedFile, ParsedFiles};

/// Rules that are left out: because a held transaction is the purpose, or because they are about
/// how something might have been designed, which is not what a DBA signs.
const LEFT_OUT: &[Rule] = &[
    // No COMMIT at the end is what the gate is for.
    Rule::BanUncommittedTransaction,
    // The gate takes the script's BEGIN over; any other transaction control is refused.
    Rule::TransactionNesting,
    // CONCURRENTLY cannot run in a transaction block; with it the statement is refused.
    Rule::RequireConcurrentIndexCreation,
    Rule::RequireConcurrentIndexDeletion,
    Rule::RequireConcurrentPartitionDetach,
    Rule::RequireConcurrentReindex,
    Rule::BanConcurrentIndexCreationInTransaction,
    // The gate sets lock_timeout itself; the hold limit and a key end what takes too long.
    Rule::RequireTimeoutSettings,
    Rule::RequireLockTimeout,
    Rule::RequireStatementTimeout,
    // It is about the linter's own comments, not about the script.
    Rule::UnusedIgnore,
    // One transaction: what fails in the middle leaves nothing behind to stumble over.
    Rule::PreferRobustStmts,
    // The design of columns is the author's; nothing of it locks, scans or loses anything.
    Rule::PreferBigintOverInt,
    Rule::PreferBigintOverSmallint,
    Rule::PreferIdentity,
    Rule::PreferTextField,
];

/// What rules are called that warn of a DROP. In a rollback script that is the purpose, and the
/// script's own checks count what is lost.
const DROPS: &str = "ban-drop-";

/// Takes away the findings that say of a rollback script that it takes back.
pub(super) fn as_rollback(script: &mut Script) {
    script
        .findings
        .leave_out(|finding| finding.rule.starts_with(DROPS));
}

/// Refuses what divides the transaction of a file of checks: it only reads, and has nothing to go back
/// to.
pub(super) fn as_checks(script: &mut Script) {
    let divides = |statement: &&super::script::Statement| {
        statement.goes_back || matches!(statement.kind.as_str(), "SAVEPOINT" | "RELEASE")
    };
    let refusals: Vec<ScriptRefusal> = (script.statements.iter().filter(divides))
        .map(|statement| ScriptRefusal {
            source: statement.source,
            line: statement.line,
            column: statement.column,
            statement: Some(statement.number),
            reason: "savepoints are refused in a file of checks, which only reads; remove it"
                .to_owned(),
        })
        .collect();
    script.refusals.extend(refusals);
}

/// What one file gives: findings as (byte, rule, message, help).
type LintResult = (usize, String, String, Option<String>);

/// What the parser and the linter are given of a script.
#[derive(Debug)]
pub(super) struct Unlinted {
    /// What the linter sees of each source.
    pub linted: Vec<Linted>,
    /// What the parser and the linter need to see of the statements.
    pub linting: Linting,
}

#[derive(Debug, Default)]
pub(super) struct Linted {
    /// The text with the values of variables, where it is not the file's own.
    pub text: Option<Arc<str>>,
    pub laid: Laid,
    /// The places of the text that are no SQL, or too deep.
    pub blanks: Vec<Range<usize>>,
    /// Where statements end in the text without a semicolon.
    pub ended: Vec<usize>,
    /// Where each statement ends in the text, and its number.
    pub ends: Vec<(usize, usize)>,
}

impl Linted {
    /// Takes down a statement.
    pub(super) fn note(&mut self, number: usize, piece: &Piece) {
        self.ends.push((piece.span.end, number));
        self.ended
            .extend(piece.ended_by_meta.then_some(piece.span.end));
    }

    /// Takes down what of `text` the linter does not see. Nothing but white space between two such places
    /// it does not see either, so that a long run of rows is one.
    pub(super) fn leave_out(&mut self, text: &[u8], place: Range<usize>) {
        if let Some(last) = self.blanks.last_mut()
            && let Some(between) = text.get(last.end..place.start)
            && between.iter().all(|byte| lexer::is_space(*byte))
        {
            last.end = place.end;
        } else {
            self.blanks.push(place);
        }
    }
}

/// Fills in the relations and the objects of `script`, and finds what there is to say of it.
pub(super) fn parse_and_lint(script: &Script, unlinted: &Unlinted) -> Vec<Finding> {
    let Unlinted { linted, linting } = unlinted;
    let has_begin = script
        .statements
        .iter()
        .any(|statement| statement.fate == Fate::TakenOver && statement.kind != "SET");
    let parse_files = || -> Vec<ParsedFile> {
        let sources = script.sources.iter().zip(linted);
        let files = sources.map(|(file, linted)| ParsedFile::of_source(file, linted));
        files.collect()
    };
    let read = |files: &[ParsedFile]| {
        let files = ParsedFiles::of(files.iter().zip(linted));
        let statements = script.statements.iter().enumerate();
        let parsed = statements.map(|(index, statement)| (statement, linting.parsing(index)));
        read_statements(parsed, READ_FOR_ERRORS, &files)
    };
    let linter = |files: &[ParsedFile]| -> Vec<Vec<LintResult>> {
        let found = files.iter().enumerate().map(|(source, file)| {
            let mut found = lint(file, source > 0 || !has_begin);
            for (at, ..) in &mut found {
                *at = file.excerpt.in_whole(*at);
            }
            found
        });
        found.collect()
    };
    // What only one of them has read is not told.
    let done = on_a_deep_stack(|| {
        let files = parse_files();
        let length = script.sources.iter().map(|file| file.text.len());
        if length.sum::<usize>() < WORTH_A_THREAD {
            return Some((read(&files), linter(&files)));
        }
        // Each on a core of its own.
        std::thread::scope(|scope| {
            let found = deep_stack().spawn_scoped(scope, || linter(&files));
            let read = read(&files);
            Some((read, found.ok()?.join().ok()?))
        })
    });
    let Some(((relations, objects, stumbles), found)) = done.flatten() else {
        script
            .objects
            .get_or_init(|| Objects::unread(&script.statements));
        return vec![not_linted()];
    };
    script.objects.get_or_init(|| objects);
    for (index, parsed) in relations {
        if let Some(statement) = script.statements.get(index) {
            statement.relation.settle(parsed);
        }
    }
    let mut told = Vec::new();
    for (source, found) in found.into_iter().enumerate() {
        if let Some(linted) = linted.get(source) {
            told.extend(findings(script, source, linted, found));
        }
    }
    let sent = stumbles
        .into_iter()
        .filter_map(|stumble| tell_stumble(script, &stumble));
    told.extend(sent);
    told
}

/// From which length on, in bytes, the linter has a thread of its own: it takes some microseconds a line, and
/// many small scripts are read at the same time, beside the connection and the first frame.
const WORTH_A_THREAD: usize = 128 << 10;

/// What is said where the parser failed.
fn not_linted() -> Finding {
    Finding {
        source: 0,
        line: 1,
        statement: None,
        rule: "not-linted".to_owned(),
        message: "The parser failed: nothing of this script was linted.".to_owned(),
        help: None,
    }
}

/// Where the parser did not understand a statement first.
struct Stumble {
    /// The statement, as an index.
    index: usize,
    /// In bytes of its text.
    at: usize,
    why: String,
}

impl Stumble {
    fn over(index: usize, parsed: &ParsedStatement) -> Option<Stumble> {
        let (at, why) = parsed.error.clone()?;
        Some(Stumble { index, at, why })
    }
}

/// The server is the judge of what is SQL, but it tells only when the transaction is open.
fn tell_stumble(script: &Script, stumble: &Stumble) -> Option<Finding> {
    let statement = script.statements.get(stumble.index)?;
    if statement.fate != Fate::Sent {
        return None;
    }
    let before = statement.text.get(..stumble.at);
    let place = before.map(|text| text.chars().count() + 1);
    let place = place.and_then(|position| script.place(statement, position));
    let why = stumble.why.trim_end_matches('.');
    Some(Finding {
        source: statement.source,
        line: place.map_or(statement.line, |(line, _)| line),
        statement: Some(statement.number),
        rule: "not-understood".to_owned(),
        message: format!(
            "The linter does not understand this {}: {why}. Where the server does not either, it ends \
             the run with a syntax error.",
            statement.kind
        ),
        help: None,
    })
}

/// What statements do to the structure, for scripts that were not read as one.
pub(super) fn objects_of(statements: &[Statement]) -> Objects {
    let parsed = statements.iter().map(|statement| {
        let parsing = match objects::may_define(&statement.kind) {
            false => Parsing::Needless,
            true if classify::is_parsable(&statement.text) => Parsing::Wanted,
            true => Parsing::Impossible,
        };
        (statement, parsing)
    });
    on_a_deep_stack(|| read_statements(parsed, 0, &ParsedFiles::default()).1)
        .unwrap_or_else(|| Objects::unread(statements))
}

/// How much of what is parsed for its errors alone is read, in bytes: the beginning of a long script tells
/// what there is to know of rows that look alike.
const READ_FOR_ERRORS: usize = 128 << 10;

/// Parses each statement that is to be parsed, once: its relation, what it does to the structure, and
/// whether it is understood at all. A relation is told, with the statement's index, where the words do not
/// tell the same.
fn read_statements<'s>(
    statements: impl Iterator<Item = (&'s Statement, Parsing)>,
    mut left: usize,
    files: &ParsedFiles,
) -> (Vec<(usize, String)>, Objects, Vec<Stumble>) {
    let mut relations = Vec::new();
    let mut objects = Objects::default();
    let mut stumbles = Vec::new();
    for (index, (statement, parsing)) in statements.enumerate() {
        let known = || files.tree_of(statement);
        let parse = || ParsedStatement::of_text(&statement.text);
        let parsed = (parsing == Parsing::Wanted).then(|| known().unwrap_or_else(parse));
        if let Some(parsed) = &parsed {
            stumbles.extend(Stumble::over(index, parsed));
        } else if parsing == Parsing::Needless && statement.data_file().is_none() {
            let size = statement.text.len();
            if size <= left && classify::is_parsable(&statement.text) && known().is_none() {
                left -= size;
                stumbles.extend(Stumble::over(index, &parse()));
            }
        }
        let relation = (parsed.as_ref()).and_then(|tree| classify::relation(tree, &statement.kind));
        let news = relation.filter(|name| {
            statement
                .relation()
                .is_none_or(|known| known != name.as_str())
        });
        relations.extend(news.map(|name| (index, name)));
        let parsed = match &parsed {
            Some(parsed) => ParsedText::As(parsed),
            None if parsing == Parsing::Needless => ParsedText::Not,
            None => ParsedText::TooLarge,
        };
        objects.read(statement, parsed);
    }
    (relations, objects, stumbles)
}

/// Works on a thread with the parser's stack; `None` if that thread fails.
pub(super) fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let worker = deep_stack().spawn_scoped(scope, work);
        worker.ok().and_then(|worker| worker.join().ok())
    })
}

fn deep_stack() -> std::thread::Builder {
    let thread = std::thread::Builder::new().name(PARSER_THREAD.to_owned());
    thread.stack_size(classify::PARSER_STACK)
}

fn lint(file: &ParsedFile, assume_in_transaction: bool) -> Vec<LintResult> {
    let Some(parse) = &file.parse else {
        let message = "the file is too large or too deeply nested for the linter";
        return vec![(0, "not-linted".to_owned(), message.to_owned(), None)];
    };
    let mut linter = Linter::with_rules(&[], LEFT_OUT);
    linter.settings.assume_in_transaction = assume_in_transaction;
    let found = linter.lint(parse, &file.excerpt.text);
    let unscanned: HashMap<Range<usize>, Option<String>> = unscanned_references(&parse.tree())
        .into_iter()
        .map(|seen| (seen.at, seen.to))
        .collect();
    found
        .into_iter()
        .filter_map(|violation: Violation| {
            let at = Range::<usize>::from(violation.text_range);
            let (message, help) = match unscanned.get(&at) {
                Some(None) => return None,
                Some(Some(table)) => (
                    format!(
                        "The foreign key takes a SHARE ROW EXCLUSIVE lock on {table}, so writes to \
                         it wait until the end. The new column has no value yet: nothing is scanned."
                    ),
                    None,
                ),
                None => (violation.message, violation.help),
            };
            Some((
                at.start,
                violation.code.to_string(),
                message,
                help,
            ))
        })
        .collect()
}

/// A foreign key that comes with a new column.
struct Unscanned {
    /// Its bytes in the file.
    at: Range<usize>,
    /// The table it refers to; `None` where that is the table of the column.
    to: Option<String>,
}

/// Foreign keys on new columns without a default. All of their values are NULL, so PostgreSQL
/// validates them without a scan (`skipValidation` in `transformAlterTableStmt`, parse_utilcmd.c;
/// since 13 for each subcommand by itself), where squawk says that every foreign key scans.
fn unscanned_references(file: &ast::SourceFile) -> Vec<Unscanned> {
    let same = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    let mut seen = Vec::new();
    for statement in file.stmts() {
        let ast::Stmt::AlterTable(alter) = statement else {
            continue;
        };
        let own = alter
            .table_relation_name()
            .and_then(|relation| relation.table_name_ref())
            .map(|table| same(&table.syntax().text().to_string()));
        for action in alter.actions() {
            let ast::AlterTableAction::AddColumn(add) = action else {
                continue;
            };
            let filled = add.constraints().any(|constraint| {
                matches!(
                    constraint,
                    ast::Constraint::DefaultConstraint(_) | ast::Constraint::GeneratedConstraint(_)
                )
            });
            if filled {
                continue;
            }
            for constraint in add.constraints() {
                if let ast::Constraint::ReferencesConstraint(key) = constraint {
                    let to = key.table().map(|table| table.syntax().text().to_string());
                    let itself = to.as_deref().map(same) == own;
                    seen.push(Unscanned {
                        at: key.syntax().text_range().into(),
                        to: to.filter(|_| !itself).map(|to| to.trim().to_owned()),
                    });
                }
            }
        }
    }
    seen
}

fn findings(
    script: &Script,
    source: usize,
    linted: &Linted,
    found: Vec<LintResult>,
) -> Vec<Finding> {
    let Some(text) = script.sources.get(source).map(|source| &source.text) else {
        return Vec::new();
    };
    let places = Places::new(text);
    let own = &linted.ends;
    let found = found.into_iter().map(|(at, rule, message, help)| {
        let statement = own
            .get(own.partition_point(|(end, _)| *end <= at))
            .map(|(_, number)| *number);
        Finding {
            source,
            line: places.line(linted.laid.in_file(at)),
            statement,
            rule,
            message,
            help,
        }
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::{Linted, ParsedFile, lint};
    use crate::runbook::linting::Excerpt;
    use crate::runbook::script::Script;
    use squawk_syntax::SourceFile;

    fn rules(sql: &str) -> Vec<(String, String)> {
        let file = ParsedFile {
            excerpt: Excerpt::without(sql, &[], &[]),
            parse: Some(SourceFile::parse(sql)),
        };
        let found = lint(&file, true).into_iter();
        found.map(|(_, rule, message, _)| (rule, message)).collect()
    }

    #[test]
    fn a_key_on_a_new_column_without_a_value_is_no_scan() {
        let own = "ALTER TABLE s.t ADD COLUMN n integer REFERENCES s . T;";
        assert_eq!(rules(own), []);

        let other = "ALTER TABLE s.t ADD COLUMN n integer CONSTRAINT k REFERENCES s.u (id);";
        let found = rules(other);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].1.contains("lock on s.u"), "{found:?}");
        assert!(found[0].1.contains("nothing is scanned"), "{found:?}");
    }

    #[test]
    fn a_key_on_filled_columns_scans() {
        for sql in [
            "ALTER TABLE s.t ADD COLUMN n integer DEFAULT 1 REFERENCES s.u;",
            "ALTER TABLE s.t ADD CONSTRAINT k FOREIGN KEY (n) REFERENCES s.u;",
        ] {
            let found = rules(sql);
            let scans = |(_, message): &(String, String)| message.contains("requires a table scan");
            assert!(found.iter().any(scans), "{sql}: {found:?}");
        }
    }

    /// Where the linter says something of a script, by rule and statement.
    fn told(sql: &str) -> Vec<(String, Option<usize>)> {
        let script = Script::read("t.sql", None, sql.as_bytes());
        let findings = script.findings().iter();
        findings
            .map(|one| (one.rule.clone(), one.statement))
            .collect()
    }

    #[test]
    fn rows_that_are_left_out_neither_join_nor_divide_what_stands_around_them() {
        let drops = [1, 3].map(|number| ("ban-drop-table".to_owned(), Some(number)));
        for rows in [
            "INSERT INTO t VALUES (1);",
            "INSERT INTO t VALUES (1) ;",
            "SELECT 1 \\g",
        ] {
            for first in ["DROP TABLE a;", "DROP TABLE a \\g"] {
                let sql = format!("{first}\n{rows}\nDROP TABLE b;\n");
                assert_eq!(told(&sql), drops, "{sql}");
            }
        }
    }

    #[test]
    fn rows_with_nothing_but_space_between_them_are_left_out_as_one() {
        let text = b"INSERT 1; \n INSERT 2; -- mine\nINSERT 3;";
        let mut linted = Linted::default();
        for place in [0..9, 12..21, 30..39] {
            linted.leave_out(text, place);
        }
        assert_eq!(linted.blanks, [0..21, 30..39]);
        // What is taken down later may stand before it.
        linted.leave_out(text, 22..29);
        assert_eq!(linted.blanks, [0..21, 30..39, 22..29]);

        let sql = "DROP TABLE a;\nINSERT INTO t VALUES (1);\n\n INSERT INTO t VALUES (2);\nSELECT 1;\n\
                   DROP TABLE b;\n";
        let drops = [1, 5].map(|number| ("ban-drop-table".to_owned(), Some(number)));
        assert_eq!(told(sql), drops);
    }

    #[test]
    fn taste_is_not_told_and_loss_is() {
        let sql = "ALTER TABLE t ADD COLUMN n integer, ADD COLUMN v varchar(8); DROP TABLE u;";
        let found = rules(sql);
        let rules: Vec<&str> = found.iter().map(|(rule, _)| rule.as_str()).collect();
        assert_eq!(rules, ["ban-drop-table"]);
    }
}
