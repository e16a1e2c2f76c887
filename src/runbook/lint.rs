//! What squawk says: the relation of each statement, and findings with their lines.
//!
//! squawk recurses, so it works on a thread of its own with a stack of known size, on text that
//! fits it. Whatever becomes of that thread, the script stays as it was read: the linter advises
//! and never prevents a run, and it decides nothing.

use std::ops::Range;

use squawk_linter::{Linter, Rule, Violation};
use squawk_syntax::SourceFile;

use super::classify;
use super::places::Places;
use super::script::{Fate, Finding, Script};

/// Rules that are left out, because a held transaction is the purpose.
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
];

/// What one file gives: findings as (byte, rule, message, help).
type Found = (usize, String, String, Option<String>);

/// Fills in the relations and the findings of `script`. `blanks` are the places of its sources
/// that are no SQL.
pub(super) fn parse(script: &mut Script, blanks: &[(usize, Range<usize>)]) {
    let texts: Vec<String> = (0..script.sources.len())
        .map(|source| sql_alone(script, source, blanks))
        .collect();
    let has_begin = script
        .statements
        .iter()
        .any(|statement| statement.fate == Fate::TakenOver);
    let seen = std::thread::scope(|scope| {
        let statements = &script.statements;
        let worker = std::thread::Builder::new()
            .name("squawk".to_owned())
            .stack_size(classify::PARSER_STACK)
            .spawn_scoped(scope, || {
                let relations: Vec<Option<String>> = statements
                    .iter()
                    .map(|statement| {
                        classify::is_parsable(&statement.text)
                            .then(|| classify::relation(&statement.text, &statement.kind))
                            .flatten()
                    })
                    .collect();
                let found: Vec<Vec<Found>> = texts
                    .iter()
                    .enumerate()
                    .map(|(source, text)| lint(text, source > 0 || !has_begin))
                    .collect();
                (relations, found)
            });
        worker.ok().and_then(|worker| worker.join().ok())
    });
    let Some((relations, found)) = seen else {
        return;
    };
    for (statement, relation) in script.statements.iter_mut().zip(relations) {
        statement.relation = relation.or(statement.relation.take());
    }
    for (source, found) in found.into_iter().enumerate() {
        findings(script, source, found);
    }
}

/// The SQL of a file with everything else as spaces, so that places stay.
fn sql_alone(script: &Script, source: usize, blanks: &[(usize, Range<usize>)]) -> String {
    let Some(text) = script.sources.get(source).map(|source| &source.text) else {
        return String::new();
    };
    let mut bytes = text.clone().into_bytes();
    let too_deep = script
        .statements
        .iter()
        .filter(|statement| statement.source == source)
        .filter(|statement| !classify::is_parsable(&statement.text))
        .map(|statement| &statement.span);
    let not_sql = blanks
        .iter()
        .filter(|(of, _)| *of == source)
        .map(|(_, range)| range);
    for range in not_sql.chain(too_deep) {
        for byte in bytes.get_mut(range.clone()).unwrap_or_default() {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lint(text: &str, assume_in_transaction: bool) -> Vec<Found> {
    if !classify::is_parsable(text) {
        let message = "the file is too large or too deeply nested for the linter";
        return vec![(0, "not-linted".to_owned(), message.to_owned(), None)];
    }
    let mut linter = Linter::with_rules(&[], LEFT_OUT);
    linter.settings.assume_in_transaction = assume_in_transaction;
    let found = linter.lint(&SourceFile::parse(text), text);
    found
        .into_iter()
        .map(|violation: Violation| {
            (
                usize::from(violation.text_range.start()),
                violation.code.to_string(),
                violation.message,
                violation.help,
            )
        })
        .collect()
}

fn findings(script: &mut Script, source: usize, found: Vec<Found>) {
    let Some(text) = script.sources.get(source).map(|source| &source.text) else {
        return;
    };
    let places = Places::new(text);
    let own: Vec<(usize, usize)> = script
        .statements
        .iter()
        .filter(|statement| statement.source == source)
        .map(|statement| (statement.span.end, statement.number))
        .collect();
    for (at, rule, message, help) in found {
        let statement = own
            .get(own.partition_point(|(end, _)| *end <= at))
            .map(|(_, number)| *number);
        script.findings.push(Finding {
            source,
            line: places.line(at),
            statement,
            rule,
            message,
            help,
        });
    }
}
