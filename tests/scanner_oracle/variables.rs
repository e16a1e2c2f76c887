//! psql's variables and `\if`, held against psql on generated files: what psql sends, by its log, is
//! what this program would send, character for character.

use stagegate::runbook::script::Script;
use stagegate::runbook::variables::Variables;

use super::child::Finish;
use super::dice::Dice;
use super::{Server, aloud, without_trivia};

const VALUES: &[&str] = &[
    "1",
    "'a b'",
    "'it''s'",
    "'x;y'",
    "a b c",
    "'\\\\x'",
    "\"Q q\"",
    ":b",
    ":'b'",
    ":\"b\"x",
    ":{?b}",
    "'\\101\\x42'",
    "'SELECT 1; SELECT 2'",
    "'1 + '",
    "'1\\n+ 2'",
    "''",
    "'/* c */ 1'",
    "'$$a$$'",
    "1;",
    "x:b",
    "'ü'",
    ":a:b",
    "'(1'",
    "'1)'",
    "':b'",
    "':''b'''",
    "'\"n\"'",
    "on",
    "off",
    "'''open'",
    "'-- c'",
    "'\\\\\\'''",
];

const STATEMENTS: &[&str] = &[
    "SELECT :a;",
    "SELECT :'a', :\"b\";",
    "SELECT ':a', $$:a$$, \":a\" -- :a\n, 2;",
    "SELECT 1::int, :b::text;",
    "SELECT :{?a}, :{?c};",
    ":a;",
    "SELECT :a ; SELECT :b;",
    "SELECT '1' \\:a;",
    "SELECT x[1:c];",
    "SELECT\n:a\n, :b\n;",
    "SELECT :a:b;",
    "SELECT (:a);",
    "SELECT :'c', :\"c\", :c;",
    "SELECT /* :a */ :a;",
    "SELECT E'\\:a' || :'a';",
    "SELECT 1\n\\if :{?a}\n, 2\n\\else\n, 3\n\\endif\n, 4;",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT :b; END;",
    "SELECT 'a'\n  'b:a', :a;",
    "COPY t FROM STDIN;\n:a\n\\.\n",
    "SELECT :'a' 'x', :a'x';",
    "SELECT 1 -- x:a\n+ 1;",
    "SELECT (1\n  \\if off\n ) ' \\endif\n' \\endif\n + 2);",
];

const CONDITIONS: &[&str] = &["on", "off", "true", "0", ":a", ":{?b}", ":{?c}", "'t'", "y"];

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[usize::try_from(dice.of(0..from.len() as u64)).unwrap()]
}

fn lines(dice: &mut Dice, depth: usize, text: &mut String) {
    for _ in 0..dice.of(2..7) {
        match dice.of(0..10) {
            0..=3 => {
                let name = pick(dice, &["a", "b"]);
                text.push_str(&format!("\\set {name} {}\n", pick(dice, VALUES)));
            }
            4 => text.push_str(&format!("\\unset {}\n", pick(dice, &["a", "b", "c"]))),
            5 if depth < 3 => {
                text.push_str(&format!("\\if {}\n", pick(dice, CONDITIONS)));
                lines(dice, depth + 1, text);
                for _ in 0..dice.of(0..3) {
                    text.push_str(&format!("\\elif {}\n", pick(dice, CONDITIONS)));
                    lines(dice, depth + 1, text);
                }
                if dice.percent(50) {
                    text.push_str("\\else\n");
                    lines(dice, depth + 1, text);
                }
                text.push_str("\\endif\n");
            }
            _ => {
                text.push_str(pick(dice, STATEMENTS));
                text.push('\n');
            }
        }
    }
}

/// As it is sent, but for what neither of both can mean: empty lines, and white space at an end.
fn plain(text: &str) -> String {
    let text = without_trivia(text).trim_end();
    let text = text.strip_suffix(';').unwrap_or(text).trim_end();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn variables_and_branches_are_psqls() {
    let Some(server) = Server::start() else {
        aloud::skip("no psql on this machine");
        return;
    };
    // A COPY that the server refuses takes no data.
    let made = server
        .psql("postgres")
        .args(["-qc", "CREATE TABLE t (a text)"])
        .finish("psql that makes a table");
    assert!(made.status.success());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("generated.sql");
    let (mut compared, mut refused, mut statements, mut different) = (0, 0, 0, Vec::new());
    let mut given_up = 0;
    for seed in 0..400 {
        let dice = &mut Dice::new(seed);
        let mut text = String::new();
        lines(dice, 0, &mut text);
        let given = [format!(
            "a={}",
            pick(dice, &["1", "x y", "it's", "a;b", "\\", ""])
        )];
        let variables = Variables::given(&given).unwrap();
        let script = Script::read_with("generated.sql", Some(&file), text.as_bytes(), &variables);
        let nothing = script.refusals.len() == 1 && script.does_nothing();
        if !script.refusals.is_empty() && !nothing {
            refused += 1;
            continue;
        }
        std::fs::write(&file, &text).unwrap();
        let theirs = server.sent("postgres", &file, |psql| {
            psql.args(["-v", &given[0]]);
        });
        let theirs: Vec<String> = theirs.iter().map(|text| plain(text)).collect();
        let ours = script.statements.iter().map(|one| plain(&one.text));
        let ours: Vec<String> = ours.collect();
        compared += 1;
        statements += ours.len();
        // Comments behind the last word are not sent here.
        let same = |(ours, theirs): (&String, &String)| {
            theirs
                .strip_prefix(ours.as_str())
                .is_some_and(|rest| without_trivia(rest).is_empty())
        };
        // psql 15.20 leaves a file without a word at the first error behind a COPY FROM STDIN.
        let gave_up =
            ours.len() > theirs.len() && theirs.iter().any(|text| text.starts_with("COPY"));
        given_up += usize::from(gave_up);
        let as_many = ours.len() == theirs.len() || gave_up;
        if !as_many || !ours.iter().zip(&theirs).all(same) {
            different.push(format!(
                "{text}\nwith {given:?}\nours {ours:#?}\npsql {theirs:#?}"
            ));
        }
    }
    println!(
        "{compared} files with {statements} statements compared, {given_up} of them not to their end, \
         {refused} refused"
    );
    assert!(given_up * 10 < compared, "{given_up} of {compared}");
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different[..different.len().min(3)].join("\n=====\n")
    );
    assert!(
        compared > 150 && statements > 500,
        "{compared} {statements} {refused}"
    );
}

#[test]
fn copy_of_the_client_is_sent_as_psql_sends_it() {
    let Some(server) = Server::start() else {
        aloud::skip("no psql on this machine");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.csv");
    std::fs::write(&data, "1,a\n2,b\n").unwrap();
    let name = data.display();
    let file = folder.path().join("copies.sql");
    let text = format!(
        "CREATE TABLE \"Load\" (i int, \"from\" text);\n\
         \\copy \"Load\" FROM '{name}' (FORMAT csv)\n\
         \\COPY public.\"Load\" (i, \"from\") from '{name}' CSV;\n\
         \\copy \"Load\"(i,\"from\") from {name} with (format csv, header off)\n\
         \\copy \"Load\" from stdin csv\n3,c\n\\.\n\
         SELECT count(*) FROM \"Load\";\n"
    );
    std::fs::write(&file, &text).unwrap();
    let script = Script::read("copies.sql", Some(&file), text.as_bytes());
    assert_eq!(script.refusals, []);
    let squeeze = |text: &str| {
        let text: String = text.split_whitespace().collect();
        text.replace(';', "")
    };
    let theirs = server.sent("postgres", &file, |_| {});
    let theirs: Vec<String> = theirs.iter().map(|text| squeeze(text)).collect();
    let ours: Vec<String> = script
        .statements
        .iter()
        .map(|one| squeeze(&one.text))
        .collect();
    assert_eq!(ours, theirs);
}
