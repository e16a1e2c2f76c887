//! Scripts in a named encoding on a database that converts nothing: it gets the bytes of the files.

use std::path::Path;

use stagegate::database::session::{HoldOptions, Order, read_only};
use stagegate::database::settings::Settings;
use stagegate::facts::{Evidence, Standing, StatementReport};
use stagegate::gate::event::Body;
use stagegate::runbook::encoding::Charset;
use stagegate::runbook::variables::Variables;
use stagegate::runbook::{ItemKind, Runbook};

use crate::child::Finish;
use crate::clients::find_client;
use crate::encodings::sql_ascii;
use crate::stage::{Stage, over_socket, psql, server};

/// Names, constants, tags of dollar quotes, data of both kinds of COPY; bytes that are a letter of UTF-8
/// too.
fn write_script(folder: &Path) -> std::path::PathBuf {
    let here = folder.display();
    let parts: [&[u8]; 6] = [
        b"-- caf\xe9\nCREATE TABLE \"caf\xe9\" (a text);\n",
        b"INSERT INTO \"caf\xe9\" VALUES ('\xe9\xdf'), ($\xe9$\xb4$\xe9$), ('\xc3\xa9');\n",
        b"COPY \"caf\xe9\" FROM STDIN;\nd\xfcne\n\\.\n",
        &[
            b"\\copy \"caf\xe9\" from '",
            here.to_string().as_bytes(),
            b"/data.txt'\n\\set town 'Z\xfcrich'\n",
        ]
        .concat(),
        b"INSERT INTO \"caf\xe9\" VALUES (:'town');\n",
        b"DO $$ BEGIN RAISE NOTICE 'said \xe9'; END $$;\n\
          SELECT a AS \"caf\xe9\", 'PASS' AS status, pg_client_encoding() FROM \"caf\xe9\";\n\
          COPY \"caf\xe9\" TO STDOUT;\n",
    ];
    std::fs::write(folder.join("data.txt"), b"\xe0data\xe1\n").unwrap();
    let script = folder.join("script.sql");
    std::fs::write(&script, parts.concat()).unwrap();
    script
}

const LIMITS: read_only::ReadOnlyLimits = read_only::ReadOnlyLimits {
    statement: 10_000,
    lock: None,
};

fn load(path: &Path, charset: Charset) -> Runbook {
    let variables = Variables::default().in_encoding(charset);
    let runbook = Runbook::load_with(Some(path), &variables).unwrap();
    let refusals = &runbook.script.refusals;
    assert!(refusals.is_empty(), "{refusals:?}");
    runbook
}

/// Where the command line connects to with a runbook's files in that encoding.
fn settings(database: &str, charset: Charset) -> Settings {
    Settings {
        charset,
        ..over_socket(server(), database)
    }
}

/// The bytes of each row and of the table's name.
async fn bytes_in(database: &str) -> Vec<String> {
    let client = psql(server(), database).await;
    let hex = "encode(convert_to(%, 'SQL_ASCII'), 'hex')";
    let table = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid >= 16384";
    client
        .batch_execute("SET client_encoding = 'SQL_ASCII'")
        .await
        .unwrap();
    let name = hex.replace('%', "relname::text");
    let names = format!("SELECT {name} FROM pg_class WHERE relkind = 'r' AND oid >= 16384");
    let name: String = client.query_one(&names, &[]).await.unwrap().get(0);
    // Its name is no UTF-8, so the server puts the question into words.
    let ask = format!(
        "CREATE FUNCTION pg_temp.kept() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY \
         EXECUTE 'SELECT {} FROM ' || ({table}) || ' ORDER BY ctid'; END $$",
        hex.replace('%', "a").replace('\'', "''")
    );
    client.batch_execute(&ask).await.unwrap();
    let rows = client.query("SELECT pg_temp.kept()", &[]).await.unwrap();
    let rows = rows.iter().map(|row| row.get(0));
    std::iter::once(name).chain(rows).collect()
}

async fn probe_connection(stage: &mut Stage, item: usize) -> Evidence {
    stage.order(Order::Probe(vec![item]));
    loop {
        if let Body::Probed { evidence, .. } = stage.next().await.body {
            return evidence;
        }
    }
}

fn connection_item(runbook: &Runbook) -> usize {
    let kinds = runbook.items.iter().map(|item| &item.kind);
    let mut items = kinds.enumerate();
    let found = items.find(|(_, kind)| matches!(kind, ItemKind::Connection));
    found.unwrap().0
}

#[tokio::test]
async fn a_database_that_converts_nothing_gets_the_bytes_that_psql_sends() {
    let folder = tempfile::tempdir().unwrap();
    let script = write_script(folder.path());
    let kept = [
        "636166e9",
        "e9df",
        "b4",
        "c3a9",
        "64fc6e65",
        "e064617461e1",
        "5afc72696368",
    ];
    for (name, letters, said, town) in [
        ("LATIN1", "éß", "said é", "Zürich"),
        ("WIN1252", "éß", "said é", "Zürich"),
        ("ISO-8859-15", "éß", "said é", "Zürich"),
        ("KOI8R", "Иъ", "said И", "ZЭrich"),
    ] {
        let charset = Charset::named(name).unwrap();
        let runbook = load(&script, charset);
        assert_eq!(runbook.letters_in(), Ok(Some(charset)));
        let item = connection_item(&runbook);
        let ours = sql_ascii().await;
        let settings = settings(&ours, charset);
        let mut stage = Stage::with(settings.clone(), runbook, HoldOptions::default());
        stage.connect().await;
        let probed = probe_connection(&mut stage, item).await;
        assert_eq!(probed.standing, Standing::Warns, "{}", probed.summary);
        let told = probed.lines.join("\n");
        assert!(
            told.contains(&format!("read in {}", charset.name())),
            "{told}"
        );

        let (xid, _) = stage.begin().await;
        stage.order(Order::RunScript);
        let bodies = stage.all().await;
        assert_eq!(bodies.last(), Some(&Body::ScriptFinished), "{bodies:?}");
        let statements: Vec<&StatementReport> = bodies
            .iter()
            .filter_map(|body| match body {
                Body::StatementFinished(report) => Some(&**report),
                _ => None,
            })
            .collect();
        let result = |number: usize| {
            let report = statements.iter().find(|report| report.number == number);
            report.unwrap().result.as_ref().unwrap()
        };
        let shown = result(7);
        let table = &charset.decode(b"caf\xe9").0;
        assert_eq!(shown.columns[0], *table);
        let cell = |row: usize| shown.rows[row][0].clone().unwrap();
        assert_eq!([cell(0), cell(5)], [letters, town]);
        // As under psql.
        assert_eq!(shown.rows[0][2].as_deref(), Some(charset.name()));
        assert_eq!(result(8).rows[0][0].as_deref(), Some(letters));
        let noticed =
            |body: &Body| matches!(body, Body::Noticed { message, .. } if message.message == said);
        assert!(bodies.iter().any(noticed), "{said}: {bodies:?}");
        stage.commit(&xid).await;
        assert_eq!(bytes_in(&ours).await, kept, "{name}");

        // What only looks asks by the same letters.
        let (mut link, _) = read_only::open(&settings).await.unwrap();
        let query = format!("SELECT relname FROM pg_class WHERE relname = '{table}'");
        let asked = [read_only::ReadOnlyQuery::from(query.as_str())];
        let mut answers = read_only::each(&mut link, &asked, LIMITS).await.unwrap();
        let rows = answers.remove(0).unwrap().result.unwrap().rows;
        assert_eq!(rows[0][0].as_deref(), Some(table.as_str()));
        let asked = [read_only::ReadOnlyQuery::from("SELECT '\u{4e00}'")];
        let mut answers = read_only::each(&mut link, &asked, LIMITS).await.unwrap();
        let why = answers.remove(0).unwrap_err().error.message;
        assert!(why.contains("a letter that"), "{why}");

        let Some(program) = find_client("psql") else {
            crate::aloud::skip("there is no psql to compare with");
            continue;
        };
        let theirs = sql_ascii().await;
        let ran = crate::client::psql(&program, server(), &theirs)
            .args(["-q", "-1", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(&script)
            .env("PGCLIENTENCODING", name)
            .finish("psql runs the script");
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(bytes_in(&theirs).await, kept, "psql, {name}");
    }
}

#[tokio::test]
async fn an_error_at_a_letter_beyond_ascii_is_told_in_letters_and_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.sql");
    let latin1: &[u8] = b"SELECT '\xe9\xe9',\n  '\xe9', stra\xdfe;\n";
    let name = sql_ascii().await;
    for (bytes, charset) in [
        (latin1, Charset::named("LATIN1").unwrap()),
        // The server counts in bytes, of which a letter may have two.
        ("SELECT 'éé',\n  'é', straße;\n".as_bytes(), Charset::Utf8),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let runbook = load(&path, charset);
        let script = runbook.script.clone();
        let settings = settings(&name, charset);
        let mut stage = Stage::with(settings.clone(), runbook, HoldOptions::default());
        stage.connect().await;
        let (_, error) = stage.fail().await;
        assert_eq!(error.message, "column \"straße\" does not exist");
        let place = script.place(&script.statements[0], error.position.unwrap());
        assert_eq!(place, Some((2, 8)), "{}", charset.name());

        let (mut link, _) = read_only::open(&settings).await.unwrap();
        let checked = read_only::script(&mut link, &script, LIMITS, None).await;
        let stopped = checked.unwrap().unwrap_err();
        let place = script.place(&script.statements[0], stopped.error.position.unwrap());
        assert_eq!(place, Some((2, 8)), "{}", charset.name());
    }
}

#[tokio::test]
async fn where_no_single_encoding_is_that_of_the_files_the_next_step_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.sql");
    let latin1 = Charset::named("LATIN1").unwrap();
    let name = sql_ascii().await;
    let mixed = b"SELECT '\xe9';\n\\encoding UTF8\nSELECT '\xc3\xa9' AS a, 'PASS' AS status;\n";
    let table: [(&[u8], &str); 2] = [
        (
            mixed,
            "letters of script.sql are in LATIN1 and in UTF8: convert",
        ),
        // The file has changed since the link was opened.
        (
            "SELECT 'é';\n".as_bytes(),
            "the files are in LATIN1 now: leave, and start anew",
        ),
    ];
    for (bytes, words) in table {
        std::fs::write(&path, bytes).unwrap();
        let runbook = load(&path, latin1);
        let item = connection_item(&runbook);
        let charset = Charset::named("KOI8R").unwrap();
        let mut stage = Stage::with(settings(&name, charset), runbook, HoldOptions::default());
        stage.connect().await;
        let probed = probe_connection(&mut stage, item).await;
        assert_eq!(probed.standing, Standing::Fails, "{}", probed.summary);
        assert!(probed.summary.contains(words), "{}", probed.summary);

        // A file of checks is held to the same, wherever it is run.
        let script = load(&path, latin1).script;
        let (mut link, _) = read_only::open(&settings(&name, charset)).await.unwrap();
        let checked = read_only::script(&mut link, &script, LIMITS, None).await;
        let why = checked.unwrap().unwrap_err().error.message;
        assert!(why.contains(words), "{why}");
    }
    std::fs::write(&path, b"SELECT '\xe9', :'town';\n").unwrap();
    let variables = Variables::given(&["town=Zürich".to_owned()]).unwrap();
    let runbook = Runbook::load_with(Some(&path), &variables.in_encoding(latin1)).unwrap();
    let why = runbook.letters_in().unwrap_err();
    assert!(
        why.contains("-v town is in the encoding of the terminal"),
        "{why}"
    );
}
