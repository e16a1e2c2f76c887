//! A password reaches no error, no screen and no journal, however it was given (I9), and nothing that
//! misleads a reader stands raw in one (I8).

use crate::child::Finish;
use crate::stage::Stage;
use crate::terminal::PROGRAM;
use stagegate::sandbox::demo::Scenario;
use std::path::Path;
use std::process::Command;

/// A password that is found in nothing else, not even in a folder's name made of letters drawn at random.
const PASSWORD: &str = "Zq7quitte%vXbirne@k9pflaume";
/// Its pieces, as a reader of URIs would take it apart.
const PIECES: [&str; 3] = ["Zq7quitte", "vXbirne", "k9pflaume"];

/// Runs the program; what it said, and its exit code.
fn said(stage: &Stage, arguments: &[&str], env: &[(&str, &str)]) -> (String, Option<i32>) {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .envs(stage.env(&[("PATH", &std::env::var("PATH").unwrap())]))
        .envs(env.iter().copied())
        .current_dir(stage.home())
        .finish("stagegate");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code())
}

#[track_caller]
fn hides(text: &str, what: &str) {
    for piece in PIECES {
        assert!(!text.contains(piece), "{piece} of {what} in:\n{text}");
    }
}

/// Fails where a file's name or content below `folder` holds a piece of the password.
fn nothing_written(folder: &Path, what: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        hides(&path.display().to_string(), what);
        if path.is_dir() {
            nothing_written(&path, what);
        } else if let Ok(text) = std::fs::read(&path) {
            hides(&String::from_utf8_lossy(&text), what);
        }
    }
}

#[test]
fn a_password_where_none_belongs_is_refused_without_its_text() {
    let stage = Stage::set(Scenario::Clean);
    let uri = format!("postgresql://dba:{PASSWORD}@localhost:1/wiser_ops");
    let conninfo = format!("host=localhost port=1 password='{PASSWORD}'");
    let login = format!("dba:{PASSWORD}@localhost/wiser_ops");
    let long = format!("--password={PASSWORD}");
    let short = format!("-W{PASSWORD}");
    let abbreviated = format!("--pass={PASSWORD}");
    let limit = format!("--hold-limit={uri}");
    let mut tried = 0;
    for arguments in [
        vec!["run", &uri],
        vec!["run", &conninfo],
        vec!["run", &login],
        vec!["run", "x.sql", &uri],
        vec!["run", "x.sql", PASSWORD],
        vec!["run", &long],
        vec!["run", &short],
        vec!["run", "-W", PASSWORD],
        vec!["run", "--password", PASSWORD],
        vec!["run", &abbreviated],
        vec!["run", &limit],
        vec!["run", "-h", &uri],
        vec!["run", "-p", &uri],
        vec!["run", "-U", &login],
        vec!["run", "-d", &login, "-w"],
        // An @ that is not written %40 makes a host's name of the rest of the password.
        vec!["run", "-d", &uri, "-w"],
        vec!["run", "--dbname", &uri, "-w"],
        vec!["run", "--journal", &uri],
        vec!["rehearse", &uri],
        vec!["rollback", &uri],
        vec!["inspect", &uri],
        vec!["verify", &uri],
        vec!["verify", "-d", &uri, "-w"],
        vec!["show", &uri],
        vec!["export", &uri],
        vec!["outcome", &uri],
        vec!["report", &uri],
        vec![&uri],
        vec!["--dbname", &uri],
    ] {
        let (said, code) = said(&stage, &arguments, &[]);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        hides(&said, &format!("{arguments:?}"));
        nothing_written(stage.home(), &format!("{arguments:?}"));
        tried += 1;
    }
    for name in [
        "PGHOST",
        "PGDATABASE",
        "PGUSER",
        "PGPORT",
        "PGHOSTADDR",
        "PGAPPNAME",
    ] {
        for value in [&uri, &login, &conninfo] {
            for command in ["run", "verify"] {
                let (said, code) = said(&stage, &[command, "-w"], &[(name, value)]);
                assert_eq!(code, Some(2), "{name}: {said}");
                hides(&said, name);
                nothing_written(stage.home(), name);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 65);
}

#[test]
fn a_password_where_it_belongs_reaches_nothing_that_is_kept() {
    let stage = Stage::set(Scenario::Clean);
    let host = stage.host().replace('/', "%2F");
    let port = stage.port();
    let encoded = PASSWORD.replace('%', "%25").replace('@', "%40");
    let uri = format!(
        "postgresql://{}:{encoded}@{host}:{port}/wiser_ops",
        stage.role()
    );
    let conninfo = format!(
        "host={} port={port} user={} dbname=wiser_ops password='{PASSWORD}'",
        stage.host(),
        stage.role()
    );
    let wrong = format!("postgresql://nobody:{encoded}@{host}:{port}/wiser_ops");
    for (arguments, env, expected) in [
        (vec!["rehearse", "-d", &uri], vec![], 0),
        (vec!["rehearse", "-d", &conninfo], vec![], 0),
        (
            vec!["rehearse", "-d", &conninfo],
            vec![("PGPASSWORD", PASSWORD)],
            0,
        ),
        (vec!["rehearse", "-d", &wrong], vec![], 6),
    ] {
        let (said, code) = said(&stage, &arguments, &env);
        assert_eq!(code, Some(expected), "{said}");
        hides(&said, &format!("{arguments:?}"));
        nothing_written(stage.home(), &format!("{arguments:?}"));
    }
}

#[test]
fn what_is_no_file_is_no_journal_and_does_not_keep_anybody_waiting() {
    let stage = Stage::set(Scenario::Clean);
    let pipe = stage.home().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).finish("mkfifo");
    assert!(made.status.success());
    let pipe = pipe.to_str().unwrap();
    for arguments in [
        vec!["report", pipe],
        vec!["report", "--verify", pipe],
        vec!["outcome", pipe],
        vec!["report", "/dev/null"],
    ] {
        let (said, code) = said(&stage, &arguments, &[]);
        assert_eq!(code, Some(2), "{said}");
        assert_eq!(said.matches("it is no regular file").count(), 1, "{said}");
    }
}

#[test]
fn a_file_of_any_size_is_not_read_into_memory_as_a_journal() {
    let stage = Stage::set(Scenario::Clean);
    // A hole: nothing of it is on the disk.
    let huge = stage.home().join("huge.jsonl");
    let file = std::fs::File::create(&huge).unwrap();
    file.set_len(1024 * 1024 * 1024 + 1).unwrap();
    let huge = huge.to_str().unwrap();
    for arguments in [
        vec!["report", huge],
        vec!["report", "--verify", huge],
        vec!["outcome", huge],
    ] {
        let (said, code) = said(&stage, &arguments, &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("it is larger than 1024 MB"), "{said}");
    }
}

#[test]
fn an_error_is_told_once() {
    let stage = Stage::set(Scenario::Clean);
    let there = stage.file("there", "");
    for arguments in [
        vec!["rehearse", "-w", "--journal", &there],
        vec!["report", "not there"],
        vec!["report", &there, "-o", &there],
        vec!["show", "not there.sql"],
        vec!["export", &there],
    ] {
        let (said, _) = said(&stage, &arguments, &[]);
        for cause in ["File exists", "No such file", "os error", "Not a directory"] {
            assert!(said.matches(cause).count() <= 1, "{arguments:?}: {said}");
        }
    }
}

/// Characters by their numbers: C1 controls, marks and overrides of direction, separators of lines, what
/// has no width.
const MISLEADING: &str = "generate_series(127, 159) UNION ALL SELECT generate_series(8203, 8207) \
    UNION ALL SELECT generate_series(8232, 8238) UNION ALL SELECT generate_series(8288, 8297) \
    UNION ALL SELECT unnest(ARRAY[173, 1564, 6158, 65279, 65529, 917569])";

#[test]
fn what_misleads_a_reader_is_an_escape_in_the_journal_and_reads_back_as_it_was() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file(
        "misleading.sql",
        &format!(
            "SELECT 'x' || chr(n) || 'y' AS \"check\", 'PASS' AS status FROM (SELECT {MISLEADING}) s (n);
             DO $$ DECLARE n int; BEGIN FOR n IN SELECT {MISLEADING} LOOP
             RAISE NOTICE '%', 'x' || chr(n) || 'y'; END LOOP; END $$;
             SELECT ('x' || chr(155) || chr(8238) || chr(8232) || chr(8203) || 'y')::int;"
        ),
    );
    let path = stage.home().join("misleading.jsonl");
    let journal = path.to_str().unwrap();
    let arguments = stage.arguments(&["--rehearse", "--journal", journal, &script]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (said, code) = said(&stage, &arguments, &[]);
    assert_eq!(code, Some(3), "{said}");
    let text = std::fs::read_to_string(&path).unwrap();
    let raw = |text: &str| {
        let raw = text.chars().find(|c| match u32::from(*c) {
            0x0a => false,
            code => matches!(code, 0..0x20 | 0x7f..=0x9f | 0xad | 0x61c | 0x180e | 0x200b..=0x200f
                | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff | 0xfff9 | 0xe0041),
        });
        raw.map(|c| format!("U+{:04X}", u32::from(c)))
    };
    assert_eq!(raw(&text), None, "in the journal");
    assert_eq!(raw(&said), None, "in what was said");
    // It is JSON, and each of them is in it: as a check, as a notice, and in the error.
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let all = format!("{lines:?}");
    for code in [
        "\\u{9b}",
        "\\u{202e}",
        "\\u{2028}",
        "\\u{200b}",
        "\\u{feff}",
    ] {
        assert!(
            all.matches(&format!("x{code}y")).count() >= 2,
            "{code}: {all}"
        );
    }
    assert!(
        all.contains("x\\u{9b}\\u{202e}\\u{2028}\\u{200b}y"),
        "{all}"
    );
}
