//! A rehearsal as evidence on the checklist: what it stands for, and when it does not.

use crate::child::Finish;
use crate::cloning::{cannot_clone, clone};
use crate::rehearsing::{forgetful, said};
use crate::stage::Stage;
use stagegate::journal::Entry;
use std::path::{Path, PathBuf};

/// The built-in runbook as a folder.
fn exported(stage: &Stage) -> PathBuf {
    let folder = stage.home().join("runbook");
    stagegate::runbook::Runbook::export(&folder).unwrap();
    folder
}

/// The line of the checklist about the rollback, and what else is said, with nobody at a terminal.
fn told(stage: &Stage, folder: &Path) -> (String, Vec<Entry>) {
    let (output, journal) = stage.alone(&["run", "--rehearse", folder.to_str().unwrap()]);
    let text = said(&output);
    let line = text.lines().find(|line| line.starts_with("5. "));
    (line.unwrap_or_else(|| panic!("{text}")).to_owned(), journal)
}

fn rehearsed(stage: &Stage, folder: &Path) -> PathBuf {
    let (output, text) = clone(stage, &[folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let (_, path) = text.rsplit_once("Journal: ").unwrap();
    PathBuf::from(path.lines().next().unwrap())
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_rehearsal_on_a_clone_stands_for_reading_the_rollback_scripts() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let folder = exported(&stage);
    let (line, _) = told(&stage, &folder);
    assert!(line.ends_with("NEEDS YOU. 3 rollback scripts"), "{line}");
    let journal = rehearsed(&stage, &folder);
    let mut person = stage.typed(&["run", "--plain", folder.to_str().unwrap()]);
    person.wait_for("\n5. ").wait_for("HOLDS. rehearsed on 2");
    let text = person.text();
    let line = text.lines().find(|line| line.starts_with("5. ")).unwrap();
    assert!(line.contains("/wiser_ops (clone), lock window "), "{line}");
    // The script itself is to be read as ever.
    person.line("sign 2", "Read it to its end first");
    person.line("sign 5", ": signed.");
    let (_, entries) = person.leave();
    let rests_on = entries.iter().find_map(|entry| match entry {
        Entry::Evidence {
            item, rehearsal, ..
        } if item == "rollback" => rehearsal.clone(),
        _ => None,
    });
    assert_eq!(rests_on.as_deref(), journal.to_str());
}

#[test]
fn a_rehearsal_on_the_target_itself_counts_as_well() {
    let stage = Stage::set();
    let folder = exported(&stage);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stagegate"))
        .arg("rehearse")
        .arg(&folder)
        .args(stage.target())
        .env("HOME", stage.home())
        .stdin(std::process::Stdio::null())
        .finish("stagegate rehearse");
    assert_eq!(output.status.code(), Some(0));
    let (line, _) = told(&stage, &folder);
    assert!(line.contains("HOLDS. rehearsed on 2"), "{line}");
    assert!(line.contains("/wiser_ops, lock window "), "{line}");
}

#[test]
fn a_stale_rehearsal_is_told_as_stale_with_the_reason() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let folder = exported(&stage);
    rehearsed(&stage, &folder);

    let up = folder.join("STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql");
    edit(&up, "\n", " \n");
    let (line, _) = told(&stage, &folder);
    assert!(
        line.contains("(clone) is stale: the script has changed since"),
        "{line}"
    );
    edit(&up, " \n", "\n");
    let (line, _) = told(&stage, &folder);
    assert!(line.contains("HOLDS. rehearsed on"), "{line}");

    let down = folder.join("rollback/012_packet_decision.sql");
    edit(&down, "\n", " \n");
    let (line, _) = told(&stage, &folder);
    assert!(
        line.contains(
            "is stale: a rollback script has changed since: rollback/012_packet_decision.sql"
        ),
        "{line}"
    );
    edit(&down, " \n", "\n");

    stage.superuser(&["ALTER TABLE service_ops.packet_decision ADD later text"]);
    let mut person = stage.typed(&["run", "--plain", folder.to_str().unwrap()]);
    person.wait_for("is stale: the structure has changed since");
    person.line("sign 5", "Read it to its end first");
    drop(person);
    stage.superuser(&["ALTER TABLE service_ops.packet_decision DROP later"]);
    let (line, _) = told(&stage, &folder);
    assert!(line.contains("HOLDS. rehearsed on"), "{line}");
}

#[test]
fn a_sign_off_falls_when_the_structure_is_no_longer_the_rehearsed_one() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let folder = exported(&stage);
    rehearsed(&stage, &folder);
    let mut person = stage.typed(&["run", "--plain", folder.to_str().unwrap()]);
    person
        .wait_for("HOLDS. rehearsed on 2")
        .line("sign 5", ": signed.");
    stage.superuser(&["CREATE INDEX late ON service_ops.packet_decision (notes)"]);
    person.line("probe", ": no longer signed.");
    person.wait_for("is stale: the structure has changed since");
    person.line("sign 5", "Read it to its end first");
}

#[test]
fn a_journal_that_was_edited_is_no_evidence_and_told_so() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let folder = exported(&stage);
    let journal = rehearsed(&stage, &folder);
    edit(&journal, "\"verdict\":\"PASS\"", "\"verdict\":\"Pass\"");
    let (line, entries) = told(&stage, &folder);
    assert!(
        line.ends_with("NEEDS YOU. 3 rollback scripts; a rehearsal's journal cannot be trusted"),
        "{line}"
    );
    let lines = entries.iter().find_map(|entry| match entry {
        Entry::Evidence { item, lines, .. } if item == "rollback" => Some(lines.join("\n")),
        _ => None,
    });
    let lines = lines.unwrap();
    assert!(
        lines.contains("it is not as it was written, line "),
        "{lines}"
    );
}

#[test]
fn a_failed_rehearsal_of_the_present_scripts_warns_with_its_rows() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let folder = forgetful(&stage);
    let (output, text) = clone(&stage, &[&folder]);
    assert_eq!(output.status.code(), Some(4), "{text}");
    let (line, entries) = told(&stage, Path::new(&folder));
    assert!(line.contains("WARNS. the rehearsal of 2"), "{line}");
    assert!(
        line.contains(
            " FAILED, because at least one check says FAIL; the rollback scripts are to be read"
        ),
        "{line}"
    );
    let named = entries.iter().any(|entry| {
        matches!(entry, Entry::Evidence { item, lines, .. } if item == "rollback"
            && lines[0].contains("index service_ops.uq_integration_inbox_message_id"))
    });
    assert!(named, "{entries:?}");
}

/// Some servers write numbers of their own beside the options that a person declared.
#[test]
fn what_a_server_keeps_among_the_options_is_no_other_structure() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let folder = exported(&stage);
    let (t, w) = ("service_ops.packet_decision", "service_ops.watched");
    stage.superuser(&[
        "CREATE VIEW service_ops.watched WITH (security_barrier) AS \
         SELECT packet_decision_id FROM service_ops.packet_decision",
        "ALTER VIEW service_ops.watched OWNER TO wiser_owner",
        "ALTER TABLE service_ops.packet_decision ALTER notes SET (n_distinct = 5, n_distinct_inherited = 6)",
    ]);
    rehearsed(&stage, &folder);
    stage.superuser(&[
        "SET allow_system_table_mods = on",
        &format!(
            "UPDATE pg_attribute SET attoptions = CASE attname WHEN 'notes' \
             THEN '{{kept_by_server=7,n_distinct_inherited=6,n_distinct=5}}' ELSE '{{kept_by_server=7}}' END::text[] \
             WHERE attrelid IN ('{t}'::regclass, '{w}'::regclass) AND attnum > 0"
        ),
        &format!(
            "UPDATE pg_class SET reloptions = array_append(reloptions, 'kept_by_server=8') \
             WHERE oid IN ('{t}'::regclass, '{w}'::regclass)"
        ),
    ]);
    let (line, _) = told(&stage, &folder);
    assert!(line.contains("HOLDS. rehearsed on"), "{line}");
    // ALTER TABLE would refuse what this server cannot have written itself.
    stage.superuser(&[
        "SET allow_system_table_mods = on",
        &format!(
            "UPDATE pg_attribute SET attoptions = '{{kept_by_server=7,n_distinct=9}}' \
             WHERE attrelid = '{t}'::regclass AND attname = 'notes'"
        ),
    ]);
    let mut person = stage.typed(&["run", "--plain", folder.to_str().unwrap()]);
    person.wait_for("is stale: the structure has changed since");
}

/// pg_dump writes some conditions in another form, and a server tells them so ever after.
#[test]
fn a_condition_that_a_dump_writes_in_another_form_is_no_other_structure() {
    if cannot_clone() {
        return;
    }
    let stage = Stage::set();
    let folder = exported(&stage);
    stage.superuser(&[
        "CREATE TABLE service_ops.worded (word varchar(9) \
         CHECK (word IN ('a', 'it''s (b)')), CHECK (word <> 'c' AND word::text <> 'd'))",
        "ALTER TABLE service_ops.worded OWNER TO wiser_owner",
    ]);
    rehearsed(&stage, &folder);
    let (line, _) = told(&stage, &folder);
    assert!(line.contains("HOLDS. rehearsed on"), "{line}");
    stage.superuser(&["ALTER TABLE service_ops.worded DROP CONSTRAINT worded_word_check"]);
    let (line, _) = told(&stage, &folder);
    assert!(line.contains("the structure has changed since"), "{line}");
}
