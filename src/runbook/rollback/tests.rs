use super::*;

fn built_in() -> Runbook {
    Runbook::load(None).unwrap()
}

fn kinds(script: &Script) -> Vec<(usize, &str)> {
    let sent = script.statements.iter();
    sent.filter(|s| s.kind != "SELECT")
        .map(|s| (s.source, s.kind.as_str()))
        .collect()
}

/// The files that the program itself added.
fn list_added(script: &Script) -> Vec<&str> {
    let names = script.sources.iter().map(|source| source.name.as_str());
    let ours = names.filter(|name| name.starts_with("added by stagegate: "));
    ours.collect()
}

#[test]
fn the_scripts_become_one_in_their_order() {
    let walk = built_in().rollback(None, false).unwrap();
    let of_scripts: usize = built_in()
        .rollbacks
        .iter()
        .map(|s| s.statements.len())
        .sum();
    assert_eq!(walk.script.statements.len(), of_scripts);
    let begins: Vec<Fate> = walk
        .script
        .statements
        .iter()
        .filter(|s| s.kind == "BEGIN")
        .map(|s| s.fate)
        .collect();
    assert_eq!(begins, [Fate::TakenOver; 3]);
    assert!(walk.script.refusals.is_empty());
    let sources: Vec<usize> = kinds(&walk.script)
        .into_iter()
        .filter(|(_, kind)| *kind != "BEGIN")
        .map(|(source, _)| source)
        .collect();
    assert!(sources.is_sorted(), "{sources:?}");
    for statement in &walk.script.statements {
        let source = &walk.script.sources[statement.source];
        assert_eq!(&*statement.text, &source.text[statement.span.clone()]);
    }
}

#[test]
fn everything_is_counted_before_the_first_lock() {
    let walk = built_in().rollback(None, false).unwrap();
    let lost = |s: &&Statement| counts_loss(&walk.script, s);
    let last = walk.script.statements.iter().rfind(lost).unwrap().number;
    let first_ddl = walk
        .script
        .sent()
        .find(|s| s.kind != "SELECT")
        .unwrap()
        .number;
    assert!(last < first_ddl, "{last} {first_ddl}");
}

#[test]
fn to_stops_after_the_script_of_that_number() {
    for to in ["012", "12"] {
        let walk = built_in().rollback(Some(to), false).unwrap();
        assert_eq!(walk.script.name, "rollback 013, 012");
        assert_eq!(walk.script.sources.len(), 2);
    }
    for wrong in ["014", "", "11a", "-11", "integration"] {
        let error = built_in().rollback(Some(wrong), false).unwrap_err();
        assert!(error.to_string().contains("013, 012, 011"), "{error}");
    }
}

#[test]
fn what_is_left_out_stays_in_the_script_and_is_said() {
    let walk = built_in().rollback(None, true).unwrap();
    let left: Vec<&str> = walk
        .script
        .statements
        .iter()
        .filter(|s| s.fate == Fate::LeftOut)
        .map(|s| s.kind.as_str())
        .collect();
    assert_eq!(left, ["SELECT", "DO", "SELECT"]);
    for script in [
        &walk.script,
        walk.expected_state.as_ref().unwrap(),
        walk.post_verification.as_ref().unwrap(),
    ] {
        let last = script.sent().last().unwrap();
        assert!(last.text.contains("'WARN'"), "{}", last.text);
        assert!(last.text.contains("left out: Restore the old constraint"));
        assert!(
            script
                .sent()
                .all(|s| !s.text.contains("old constraint is back"))
        );
        assert_eq!(list_added(script).len(), 1);
    }
    assert!(walk.items.iter().any(|item| item.id == "left-out"));
    assert!(
        walk.title.contains("restore left out"),
        "it is seen on every screen"
    );
}

#[test]
fn there_must_be_something_to_leave_out() {
    let error = built_in().rollback(Some("012"), true).unwrap_err();
    assert!(error.to_string().contains("(if needed)"), "{error}");
    let mut bare = built_in();
    bare.rollbacks.clear();
    assert!(bare.rollback(None, false).is_err());
    assert!(bare.rehearsal().is_err());
}

#[test]
fn a_setting_of_one_script_does_not_reach_into_the_counts_of_another() {
    let mut runbook = built_in();
    let script = b"SET search_path = a;\n-- Section: What would be lost\nSELECT 1;\n-- Section: Down\nDROP TABLE t;\n";
    let second = b"SET search_path = b;\n-- Section: What would be lost\nSELECT 2;\n-- Section: Down\nDROP TABLE t;\n";
    runbook.rollbacks = vec![
        Script::read("2.sql", None, script),
        Script::read("1.sql", None, second),
    ];
    let walk = runbook.rollback(None, false).unwrap();
    let sources: Vec<usize> = walk.script.statements.iter().map(|s| s.source).collect();
    assert_eq!(sources, [0, 0, 0, 1, 1, 1]);
    let preview = walk.expected_state.unwrap();
    let texts: Vec<&str> = preview.statements.iter().map(|s| s.kind.as_str()).collect();
    assert_eq!(texts, ["SET", "SELECT", "SET", "SELECT"]);
}

#[test]
fn the_rehearsal_shows_what_the_program_adds_as_the_programs() {
    let runbook = built_in();
    let rehearsal = runbook.rehearsal().unwrap();
    assert!(rehearsal.script.refusals.is_empty());
    let added = list_added(&rehearsal.script);
    assert_eq!(added.len(), 3, "{added:?}");
    let first = rehearsal.script.sent().next().unwrap();
    // Nothing is looked up before the search path is the server's own.
    let kinds: Vec<&str> = rehearsal.script.sent().map(|s| s.kind.as_str()).collect();
    assert_eq!(kinds[..3], ["SELECT", "SET", "CREATE TABLE"]);
    let title = rehearsal.script.section_title(first).unwrap();
    assert!(title.starts_with("added by stagegate"), "{title}");
    let up = runbook.rehearsed_up_to(&rehearsal.script);
    // Behind what takes the structure down.
    assert_eq!(up, 5 + runbook.script.last_number());
}
