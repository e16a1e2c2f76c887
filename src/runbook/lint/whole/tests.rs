use super::{ParsedFile, ParsedFiles};
use crate::runbook::Runbook;
use crate::runbook::lint::Linted;
use crate::runbook::parsed::ParsedStatement;
use crate::runbook::script::Script;

/// How many statements of a script have their tree in that of the whole file, of how many; each is the one
/// that it has by itself.
fn found_whole(script: &Script) -> (usize, usize) {
    let linted = Linted::default();
    let file = ParsedFile::of_source(&script.sources[0], &linted);
    let files = ParsedFiles::of(std::iter::once((&file, &linted)));
    let mut found = 0;
    for statement in &script.statements {
        let Some(tree) = files.tree_of(statement) else {
            continue;
        };
        found += 1;
        let alone = ParsedStatement::of_text(&statement.text);
        assert_eq!(alone.error, None, "{}", &*statement.text);
        let told = |parsed: &ParsedStatement| format!("{:#?}", parsed.parts);
        assert_eq!(told(&tree), told(&alone), "{}", &*statement.text);
    }
    (found, script.statements.len())
}

#[test]
fn a_statement_has_the_tree_in_the_whole_file_that_it_has_by_itself() {
    let runbook = Runbook::load(None).unwrap();
    let scripts = std::iter::once(&runbook.script)
        .chain(runbook.check_files())
        .chain(&runbook.rollbacks);
    for script in scripts {
        let (found, of) = found_whole(script);
        // Lines for psql, which the linter does not see, stand in front of the first and behind the last.
        assert!(found + 1 >= of, "{}: {found} of {of}", script.name);
    }
}

#[test]
fn what_the_parser_stumbles_over_or_divides_otherwise_is_parsed_by_itself() {
    let read = |sql: &str| Script::read("t.sql", None, sql.as_bytes());
    // One statement to psql, two to the parser.
    let joined = read("CREATE TABLE a (i int)\nDELETE FROM x;\nDROP TABLE b;\n");
    assert_eq!(found_whole(&joined), (1, 2));
    let stumbles = read("DROP TABLE a;\nCREATE TABLE b (i int,);\nDROP TABLE c;\n");
    let (found, of) = found_whole(&stumbles);
    assert!(found < of, "{found} of {of}");
    let errors = |script: &Script| {
        let found = script.findings().iter();
        let understood = found.filter(|finding| finding.rule == "not-understood");
        let numbers = understood.map(|finding| finding.statement);
        numbers.collect::<Vec<_>>()
    };
    assert_eq!(errors(&joined), [Some(1)]);
    assert_eq!(errors(&stumbles), [Some(2)]);
}
