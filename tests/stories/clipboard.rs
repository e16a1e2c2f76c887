//! What is under the cursor goes into the terminal's clipboard: that text, and nothing else.

use crate::stage::{Stage, Walk};
use crate::terminal::Terminal;
use stagegate::sandbox::demo::Scenario;

/// A value that a terminal would obey, were it not made printable.
const SCRIPT: &str = "CREATE TABLE public.copied (i int);\n\
    SELECT 'one',\n\t'\x1b]0;owned\x07' AS x;\n\
    SELECT 'it is there' AS check, 'PASS' AS status;\n";

/// Every text that the terminal was handed for its clipboard, in order.
pub fn copied(terminal: &Terminal) -> Vec<String> {
    let raw = String::from_utf8(terminal.raw()).unwrap();
    let sent = raw.split("\x1b]52;").skip(1);
    sent.map(|rest| {
        let text = rest
            .strip_prefix("c;")
            .expect("the clipboard, and no other");
        let (text, _) = text.split_once("\x1b\\").expect("its end");
        let text = openssl::base64::decode_block(text).expect("base64");
        String::from_utf8(text).unwrap()
    })
    .collect()
}

#[test]
fn the_statement_the_line_and_the_answer_are_copied_and_the_question_is_not_answered() {
    let stage = Stage::set(Scenario::Clean);
    let script = stage.file("copied.sql", SCRIPT);
    let mut terminal = stage.run_with(&[&script]);
    terminal.wait_for_evidence();
    assert_eq!(copied(&terminal), [""; 0]);
    terminal.key("Y").wait_for("the evidence of item 1");
    let [evidence] = &copied(&terminal)[..] else {
        panic!("{:?}", copied(&terminal));
    };
    assert!(evidence.contains(" 1 "), "{evidence}");
    terminal.key("s").wait_for(" unseen");
    terminal.key("Y").wait_for("line 1 of copied.sql, 1 line");
    assert_eq!(copied(&terminal)[1], "CREATE TABLE public.copied (i int);");
    terminal.key("Esc").wait_for("CHECKLIST  ");
    terminal.walk_to_the_gate();
    terminal.key("Y").wait_for("No cursor is here");
    terminal.key("Tab").key("Tab").wait_for("3 of 3 statements");
    terminal.key("Up").key("Y").wait_for("statement 2, 2 lines");
    let statement = "SELECT 'one',\n        '\\x1b]0;owned\\x07' AS x;";
    let last = |terminal: &Terminal| copied(terminal).pop().unwrap();
    assert_eq!(
        last(&terminal).trim_end_matches(';'),
        statement.trim_end_matches(';')
    );
    terminal.key(":").wait_for("read-only by");
    terminal.type_slowly("SELECT 42 AS n").key("Enter");
    terminal
        .wait_for("1 row in ")
        .key("Y")
        .wait_for("the value, 1 line");
    assert_eq!(last(&terminal), "42");
    terminal.key("Esc").wait_while("ANSWER");
    // Where y is the answer, Y is nothing at all.
    let before = copied(&terminal).len();
    terminal.key("r").wait_for("ROLLBACK?").key("Y");
    terminal.key("Ctrl-L").shows(&["ROLLBACK?"]);
    terminal.key("y").wait_for("R O L L E D   B A C K").key("q");
    assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
    assert_eq!(copied(&terminal).len(), before);
    assert_eq!(terminal.wrote(b"owned"), terminal.wrote(b"\\x1b]0;owned"));
    assert!(terminal.wrote(b"owned") > 0);
}

#[test]
fn a_terminal_without_a_clipboard_is_sent_nothing() {
    let stage = Stage::set(Scenario::Clean);
    let mut terminal = stage.run_in(80, 24, &[("TERM", "linux")], &[]);
    terminal.wait_for_evidence();
    terminal
        .key("Y")
        .wait_for("Not copied: a terminal of this kind");
    assert_eq!(terminal.wrote(b"\x1b]"), 0);
    terminal.key("q");
    stage.assert_left(&mut terminal, 1, "Nothing was applied.");
}
