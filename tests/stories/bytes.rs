//! A script in LATIN1 on a database that converts nothing, as psql would run it with PGCLIENTENCODING.

use crate::answers;
use crate::lines::without_a_terminal;
use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;

const SCRIPT: &[u8] = b"CREATE TABLE \"caf\xe9\" (a text);\n\
    INSERT INTO \"caf\xe9\" VALUES ('stra\xdfe');\n\
    SELECT a AS \"check\", 'PASS' AS status FROM \"caf\xe9\";\n";

/// A server with a database that converts nothing.
fn with_bytes() -> Stage {
    let stage = Stage::set(Scenario::Clean);
    stage.ask(&format!(
        "CREATE DATABASE bytes OWNER {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
        stage.role()
    ));
    stage
}

#[test]
fn a_script_in_latin1_is_read_asked_about_and_committed_as_its_own_bytes() {
    let stage = with_bytes();
    let script = stage.file("latin1.sql", "");
    std::fs::write(&script, SCRIPT).unwrap();
    let latin1 = [("PGCLIENTENCODING", "LATIN1")];
    let mut terminal = stage.run_in(120, 40, &latin1, &["-d", "bytes", &script]);
    terminal
        .wait_for_evidence()
        .go_to_item(2)
        .wait_for("what comes is read in LATIN1");
    terminal.walk_to_the_gate();
    terminal
        .key("Tab")
        .wait_for("straße")
        .key(":")
        .wait_for("read-only by")
        .type_slowly("SELECT count(*) AS kept FROM café WHERE a LIKE '%ß%'")
        .key("Enter")
        .wait_for("1 row in ")
        .shows(&[" kept", " 1"]);
    terminal
        .key(":")
        .wait_for("read-only by")
        .type_slowly("SELECT '€'")
        .key("Enter")
        .wait_for("the text holds a letter that LATIN1 does not have")
        .key("Esc")
        .wait_for_the_gate();
    terminal
        .key("c")
        .wait_for("Type the name of the database")
        .type_slowly("bytes")
        .key("Enter")
        .wait_for("C O M M I T T E D")
        .key("q");
    assert_eq!(terminal.exit_code(), 0);
    let server = stage.server();
    let config = server.connection(server.superuser(), "bytes");
    let kept = "DO $$ DECLARE kept text; BEGIN \
        EXECUTE format('SELECT a FROM %s', (SELECT oid::regclass FROM pg_class \
            WHERE relkind = 'r' AND oid >= 16384)) INTO kept; \
        PERFORM set_config('stagegate.kept', encode(convert_to(kept, 'SQL_ASCII'), 'hex'), false); \
        END $$; SELECT current_setting('stagegate.kept')";
    assert_eq!(answers::ask(&config, kept), ["73747261df65"]);
}

#[test]
fn a_rehearsal_there_and_on_a_clone_is_in_the_encoding_of_the_way_back_too() {
    let stage = with_bytes();
    let server = stage.server();
    let config = server.connection(server.superuser(), "bytes");
    // A name in the catalog that is no UTF-8.
    let before = "DO $$ BEGIN EXECUTE 'CREATE TABLE ' \
        || quote_ident(convert_from('\\x74df'::bytea, 'SQL_ASCII')) || ' (i int)'; END $$";
    answers::ask(&config, &format!("SET ROLE {}; {before}", stage.role()));
    let book = stage.home().join("book");
    let manifest = "title = \"Letters\"\nscript = \"up.sql\"\nrollback = [\"down.sql\"]\n";
    stage.file("book/runbook.toml", manifest);
    stage.file("book/up.sql", "CREATE TABLE cafe (a int);\n");
    let down =
        b"\\encoding LATIN1\nDROP TABLE cafe;\nSELECT '\xe9' AS \"check\", 'PASS' AS status;\n";
    std::fs::write(book.join("down.sql"), down).unwrap();
    let book = book.display().to_string();
    for clone in [&[][..], &["--clone"]] {
        let mut arguments = stage.arguments(&[&["-d", "bytes", &book], clone].concat());
        arguments[0] = "rehearse".to_owned();
        let output = without_a_terminal(&stage, &arguments, "");
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        for line in ["PASS é", "the structure came back as it was at the start"] {
            assert!(told.contains(line), "no {line:?} in\n{told}");
        }
    }
}
