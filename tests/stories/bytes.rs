//! A script in LATIN1 on a database that converts nothing, as psql would run it with PGCLIENTENCODING.

use crate::answers;
use crate::stage::{Stage, Walk};
use stagegate::sandbox::demo::Scenario;

const SCRIPT: &[u8] = b"CREATE TABLE \"caf\xe9\" (a text);\n\
    INSERT INTO \"caf\xe9\" VALUES ('stra\xdfe');\n\
    SELECT a AS \"check\", 'PASS' AS status FROM \"caf\xe9\";\n";

#[test]
fn a_script_in_latin1_is_read_asked_about_and_committed_as_its_own_bytes() {
    let stage = Stage::set(Scenario::Clean);
    stage.ask(&format!(
        "CREATE DATABASE bytes OWNER {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
        stage.role()
    ));
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
