//! Scripts in another encoding than UTF-8: what reaches the database is what psql would have put there.

use std::path::Path;

use stagegate::database::session::HoldOptions;
use stagegate::runbook::Runbook;
use stagegate::runbook::encoding::Charset;
use stagegate::runbook::variables::Variables;

use crate::child::Finish;
use crate::clients::find_client;
use crate::stage::{Stage, database, over_socket, psql, server};

/// PostgreSQL's encodings of one byte a letter: all that it can convert to UTF-8.
const SINGLE: &str = "SELECT pg_encoding_to_char(conforencoding) FROM pg_conversion \
    WHERE contoencoding = pg_char_to_encoding('UTF8') AND condefault \
    AND pg_encoding_max_length(conforencoding) = 1 AND conforencoding <> 0 ORDER BY 1";

/// A letter, or nothing where the server has none.
const LETTER: &str = "CREATE FUNCTION pg_temp.letter(byte int, encoding text) RETURNS text \
    LANGUAGE plpgsql AS $$ BEGIN \
    RETURN convert_from(decode(lpad(to_hex(byte), 2, '0'), 'hex'), encoding); \
    EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$";

#[tokio::test]
async fn every_byte_becomes_the_letter_that_the_server_makes_of_it() {
    let client = psql(server(), "postgres").await;
    client.batch_execute(LETTER).await.unwrap();
    let rows = client.query(SINGLE, &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(names.len(), 27, "{names:?}");
    for name in names {
        let charset = Charset::named(&name).unwrap();
        assert_eq!(charset.name(), name);
        let letters = format!(
            "SELECT pg_temp.letter(byte, '{name}') FROM generate_series(1, 255) byte ORDER BY byte"
        );
        let rows = client.query(letters.as_str(), &[]).await.unwrap();
        for (byte, row) in (1..=255_u8).zip(&rows) {
            let theirs: Option<String> = row.get(0);
            let ours = match charset.decode(&[byte]) {
                (letter, None) => Some(letter),
                (_, Some(_)) => None,
            };
            assert_eq!(ours, theirs, "{name}, byte {byte:02x}");
        }
    }
}

fn load(path: &Path, charset: Charset) -> Runbook {
    let variables = Variables::default().in_encoding(charset);
    let runbook = Runbook::load_with(Some(path), &variables).unwrap();
    let refusals = &runbook.script.refusals;
    assert!(refusals.is_empty(), "{refusals:?}");
    runbook
}

/// LATIN1 as the person says, WIN1252 and UTF-8 as the script does, KOI8R as a file that it includes
/// does; names, constants and data.
fn write_script(folder: &Path) -> std::path::PathBuf {
    let here = folder.display();
    let parts: [&[u8]; 9] = [
        b"CREATE TABLE \"caf\xe9\" (a text);\n",
        b"INSERT INTO \"caf\xe9\" VALUES ('\xe9\xdf'), ($\xe9$\xb4$\xe9$);\n",
        b"COPY \"caf\xe9\" FROM STDIN;\nd\xfcne\n\\.\n",
        b"\\encoding WIN1252\nINSERT INTO \"caf\xe9\" VALUES ('\x80');\n",
        b"\\copy \"caf\xe9\" from '",
        &format!("{here}/data.txt'\n\\i {here}/more.sql\n").into_bytes(),
        // KOI8R has no é.
        b"INSERT INTO U&\"caf\\00e9\" VALUES ('\xc1\xc2');\n",
        b"\\encoding UTF8\n",
        "INSERT INTO \"café\" VALUES ('é');\n".as_bytes(),
    ];
    std::fs::write(folder.join("data.txt"), b"\x93data\x94\n").unwrap();
    let more = b"\\encoding koi8-r\nINSERT INTO U&\"caf\\00e9\" VALUES ('\xd1');\n";
    std::fs::write(folder.join("more.sql"), more).unwrap();
    let script = folder.join("script.sql");
    std::fs::write(&script, parts.concat()).unwrap();
    script
}

async fn rows(database: &str) -> Vec<String> {
    let client = psql(server(), database).await;
    let rows = client.query("SELECT a FROM \"café\" ORDER BY ctid", &[]);
    rows.await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_script_in_other_encodings_leaves_what_psql_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let script = write_script(folder.path());
    let runbook = load(&script, Charset::named("LATIN1").unwrap());
    assert_eq!(
        runbook.script.encodings(),
        ["KOI8R", "LATIN1", "UTF8", "WIN1252"]
    );
    let ours = database(server()).await;
    let mut stage = Stage::with(
        over_socket(server(), &ours),
        runbook,
        HoldOptions::default(),
    );
    stage.connect().await;
    let (xid, _) = stage.apply().await;
    stage.commit(&xid).await;
    let expected = ["éß", "´", "düne", "€", "“data”", "я", "аб", "é"];
    assert_eq!(rows(&ours).await, expected);

    let Some(program) = find_client("psql") else {
        return crate::aloud::skip("there is no psql to compare with");
    };
    let theirs = database(server()).await;
    let ran = crate::client::psql(&program, server(), &theirs)
        .args(["-q", "-1", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(&script)
        .env("PGCLIENTENCODING", "LATIN1")
        .finish("psql runs the script");
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(rows(&theirs).await, expected);
}

#[test]
fn what_cannot_be_what_psql_makes_of_it_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.sql");
    let refused = |bytes: &[u8], charset: &str| {
        std::fs::write(&path, bytes).unwrap();
        let variables = Variables::default().in_encoding(Charset::named(charset).unwrap());
        let runbook = Runbook::load_with(Some(&path), &variables).unwrap();
        let refusals = &runbook.script.refusals;
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        (refusals[0].line, refusals[0].reason.clone())
    };
    let table: [(&[u8], &str, usize, &str); 7] = [
        (b"SELECT 1;\nSELECT '\xe9';", "UTF8", 2, "PGCLIENTENCODING"),
        (
            b"SELECT 1;\nSELECT '\x81';",
            "WIN1252",
            2,
            "no letter in WIN1252",
        ),
        (b"SELECT '\xe9';\n\\encoding sjis\n", "LATIN1", 2, "iconv"),
        (
            b"SELECT '\xe9'; \\encoding UTF8\nSELECT '\xc3\xa9';",
            "LATIN1",
            1,
            "line of its own",
        ),
        (b"COPY t FROM '/srv/f';", "LATIN1", 1, "add ENCODING"),
        (
            b"COPY t FROM STDIN (ENCODING 'UTF8');\n\xe9\n\\.\n",
            "LATIN1",
            1,
            "leave ENCODING out",
        ),
        (
            b"SET client_encoding = 'LATIN1';\nSELECT 1;",
            "UTF8",
            1,
            "\\encoding LATIN1",
        ),
    ];
    for (bytes, charset, line, words) in table {
        let (at, reason) = refused(bytes, charset);
        assert!(reason.contains(words), "{reason}");
        assert_eq!(at, line, "{reason}");
    }
}
