//! `stagegate rollback`.

use crate::child::Finish;
use crate::stage::{Stage, file};
use stagegate::journal::Entry;
use stagegate::journal::entry::CheckStage;
use stagegate::runbook::check::Verdict;

/// 1,204 decisions get a UTN, and a retry makes a pair of (decision, message type) twice.
const WORK: &str = "
    UPDATE service_ops.packet_decision SET utn = 'U' || packet_decision_id WHERE packet_decision_id <= 1204;
    UPDATE service_ops.packet_decision SET esmd_attempt_count = 2 WHERE packet_decision_id = 7;";
const RETRY: &str = "
    INSERT INTO service_ops.integration_inbox (message_id, decision_tracking_id, message_type, message_type_id, source_created_at)
    SELECT 900000 + n, md5('packet 7')::uuid, 'UTN_FAIL', 3, now() FROM generate_series(1, 2) AS n";

fn warned(journal: &[Entry], stage: CheckStage) -> Vec<String> {
    journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Checked {
                stage: at,
                name,
                verdict,
                ..
            } if *at == stage && *verdict == Verdict::Warn => Some(name.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn what_is_lost_is_counted_in_words_and_the_structure_before_comes_back() {
    let stage = Stage::set();
    let before = stage.dump();
    stage.apply(&crate::stage::script());
    assert_ne!(stage.dump(), before);
    stage.apply(WORK);
    let mut person = stage.typed(&["rollback", "--plain"]);
    person
        .wait_for("WARN 012 loses utn 1,204 decisions have a utn")
        .wait_for(
            "WARN 012 loses esmd_attempt_count 1 decision has an esmd_attempt_count other than 0",
        );
    // Nothing else is lost, so nothing else is said.
    let said = person.text();
    assert_eq!(said.matches("  WARN ").count(), 2, "{said}");
    person.line("sign 2", "Read it to its end first");
    person.walk_to_the_gate(4).commit();
    let (code, journal) = person.leave();
    assert_eq!(code, 0);
    assert_eq!(stage.dump(), before);
    let opened = journal.iter().find_map(|entry| match entry {
        Entry::Opened(opened) => Some(opened.runbook.clone()),
        _ => None,
    });
    assert!(opened.unwrap().starts_with("Rollback of Stage 1"));
    let signed = journal.iter().find_map(|entry| match entry {
        Entry::Signed { item, evidence, .. } if item == "structure" => Some(evidence.clone()),
        _ => None,
    });
    let signed = signed.unwrap();
    assert_eq!(signed[0], "what would be lost: 27 of 29 PASS, 2 WARN");
    assert!(
        signed[2].ends_with("1,204 decisions have a utn"),
        "{signed:?}"
    );
    assert!(signed[3].starts_with("PASS"), "{signed:?}");
    assert_eq!(
        warned(&journal, CheckStage::Verification),
        ["012 loses esmd_attempt_count", "012 loses utn"]
    );
}

#[test]
fn a_pair_that_is_there_twice_is_named_and_only_an_explicit_choice_leaves_the_restore_out() {
    let stage = Stage::set();
    let before = stage.dump();
    stage.apply(&crate::stage::script());
    stage.apply(RETRY);

    let mut person = stage.typed(&["rollback", "--plain"]);
    person
        .wait_for("FAIL 011 old constraint can come back")
        .wait_for(", UTN_FAIL) 2 times")
        .wait_for("--without-restore");
    person.line("sign 4", "evidence");
    person.line("apply", "not signed yet");
    let (code, _) = person.leave();
    assert_eq!(code, 4);

    let mut person = stage.typed(&["rollback", "--plain", "--without-restore"]);
    person
        .wait_for("WARN 011 repeated pairs 1 pair is there of")
        .wait_for("WARN left out: Restore the old constraint (if needed)")
        .wait_for("5. Left out on purpose: ");
    assert!(!person.text().contains("  FAIL "), "{}", person.text());
    person.walk_to_the_gate(5).commit();
    let (code, journal) = person.leave();
    assert_eq!(code, 0);
    for at in [CheckStage::Verification, CheckStage::PostVerification] {
        let warned = warned(&journal, at);
        let left_out = warned.iter().filter(|name| name.starts_with("left out: "));
        assert_eq!(left_out.count(), 1, "{at:?}: {warned:?}");
    }
    assert!(journal.iter().any(|entry| matches!(
        entry,
        Entry::Signed { item, .. } if item == "left-out"
    )));

    assert_ne!(stage.dump(), before);
    stage.apply(
        "DELETE FROM service_ops.integration_inbox WHERE message_id > 900000;
         ALTER TABLE service_ops.integration_inbox
         ADD CONSTRAINT uq_integration_inbox_decision_message UNIQUE (decision_tracking_id, message_type)",
    );
    assert_eq!(stage.dump(), before);
}

#[test]
fn a_key_on_the_checklist_leaves_the_restore_out_and_takes_it_back_in() {
    let stage = Stage::migrated();
    stage.apply(RETRY);
    let mut person = stage.typed(&["rollback", "--plain"]);
    person
        .wait_for("FAIL 011 old constraint can come back")
        .wait_for("d on the checklist");
    person.line("read script", "stagegate holds it back");
    person.line("sign 2", ": signed.");
    person.line(
        "leave-out",
        "5. Left out on purpose: Restore the old constraint (if needed)",
    );
    person.wait_for("4. What would be lost was read: WARNS");
    // Another script: nothing of the first form's sign-offs counts.
    person.line("apply", "5 items are not signed yet");
    person.line("leave-out", "FAIL 011 old constraint can come back");
    person.line("sign 4", "The evidence fails");
    person.line(
        "leave-out",
        "5. Left out on purpose: Restore the old constraint (if needed)",
    );
    person.line("read script", "stagegate holds it back");
    let looked = "4. What would be lost was read: WARNS";
    person.wait_until(|said| said.matches(looked).count() == 2);
    person.line("sign 1 b7", ": signed.");
    for item in 2..=5 {
        person.line(&format!("sign {item} wiser_ops"), ": signed.");
    }
    person.line("apply", "Type commit or rollback.");
    person.line("leave-out", "does nothing here");
    assert!(
        person.text().contains("left out by choice"),
        "{}",
        person.text()
    );
    person.commit();
    let (code, journal) = person.leave();
    assert_eq!(code, 0);
    let said = person.text();
    assert!(
        said.contains("Left out on purpose: Restore the old constraint (if needed)."),
        "{said}"
    );
    let forms: Vec<(bool, &str)> = journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Opened(opened) => Some((
                opened.runbook.contains("restore left out"),
                opened.script_sha256.as_str(),
            )),
            _ => None,
        })
        .collect();
    let left_out: Vec<bool> = forms.iter().map(|(left_out, _)| *left_out).collect();
    assert_eq!(left_out, [false, true, false, true]);
    assert_eq!(forms[1].1, forms[3].1);
    let fell = |entry: &&Entry| matches!(entry, Entry::Withdrawn { item } if item == "review");
    assert_eq!(journal.iter().filter(fell).count(), 1);
    let warned = warned(&journal, CheckStage::PostVerification);
    assert!(
        warned.iter().any(|name| name.starts_with("left out: ")),
        "{warned:?}"
    );
}

#[test]
fn where_nothing_says_if_needed_there_is_nothing_to_leave_out() {
    let stage = Stage::migrated();
    let mut person = stage.typed(&["rollback", "--plain", "--to", "012"]);
    person
        .wait_for("\n4. ")
        .line("leave-out", "does nothing here");
    assert_eq!(person.leave().0, 1);
}

#[test]
fn what_was_applied_in_part_goes_back_cleanly() {
    let stage = Stage::set();
    let before = stage.dump();
    let all = crate::stage::script();
    let cut = all.find("-- Migration 012").unwrap();
    stage.apply(&format!(
        "{}; ALTER TABLE service_ops.packet_decision ADD utn text, ADD utn_status integer, ADD letter_owner text;
         CREATE INDEX idx_packet_decision_utn_status ON service_ops.packet_decision (utn_status);
         ALTER TABLE integration.integration_receive_serviceops ADD attempt_count integer;
         UPDATE service_ops.packet_decision SET utn = 'U' WHERE packet_decision_id <= 3",
        &all[..cut]
    ));
    let mut person = stage.typed(&["rollback", "--plain"]);
    person.wait_for("012 loses utn 3 decisions have a utn");
    person.walk_to_the_gate(4).commit();
    assert_eq!(person.leave().0, 0);
    assert_eq!(stage.dump(), before);
}

#[test]
fn to_leaves_the_older_migrations_alone() {
    let stage = Stage::migrated();
    let migrated = stage.dump();
    let mut person = stage.typed(&["rollback", "--plain", "--to", "012"]);
    person.walk_to_the_gate(4).commit();
    let (code, _) = person.leave();
    assert_eq!(code, 0);
    let after = stage.dump();
    assert!(after.contains("message_type_id") && !after.contains("payload_hash"));
    assert!(!after.contains("letter_status"));
    // Forward again from there.
    stage.apply(&crate::stage::script());
    assert_eq!(stage.dump(), migrated);
}

#[test]
fn of_a_rehearsal_nothing_is_kept() {
    let stage = Stage::migrated();
    let before = stage.dump();
    let (output, _) = stage.alone(&["rollback", "--rehearse"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("because a rehearsal always ends in ROLLBACK"),
        "{said}"
    );
    assert_eq!(stage.dump(), before);
}

#[test]
fn a_number_that_no_script_has_is_refused_before_anything_is_sent() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stagegate"))
        .args(["rollback", "--to", "010"])
        .finish("stagegate rollback");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("begins with 010; there are 013, 012, 011"),
        "{said}"
    );
    assert!(file("runbook.toml").contains("rollback/011"));
}
